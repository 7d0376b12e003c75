package validate

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"
)

type parquetValues = encoding.Values

// leafCursor walks the values of one column chunk with their levels: as leafPages reads them, or parquet-go from the
// first page on that is of another kind.
type leafCursor struct {
	flat   *leafPages
	other  func() (parquet.Pages, error)
	pages  parquet.Pages
	skip   int   // values of pages, which flat had
	left   int64 // values that pages still has by the footer
	fell   any   // what parquet-go said about the page that was left out
	page   parquet.Page
	values parquet.ValueReader
	buf    []parquet.Value
	at, n  int
	one    vec
	pbuf   pageBuffer
}

// peek returns the next value, or false at the end of the chunk.
func (c *leafCursor) peek() (*parquet.Value, bool) {
	for c.at == c.n {
		if c.flat != nil {
			n, err := c.flat.ReadValues(c.buf[:cap(c.buf)])
			if c.at, c.n = 0, n; err == io.EOF {
				return nil, false
			}
			if err == errOtherPage && c.flat.pages.node.elem.Type.V != format.Boolean {
				c.skip = c.flat.before
				c.flat.pages.close()
				c.flat = nil
				continue
			}
			if err != nil {
				panic(err)
			}
			continue
		}
		if c.pages == nil {
			var err error
			if c.pages, err = c.other(); err != nil {
				panic(err)
			}
		}
		if c.page == nil {
			page, err := c.readPage()
			if err == io.EOF {
				return nil, false
			}
			if err != nil {
				panic(err)
			}
			if page == nil {
				continue
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf[:cap(c.buf)])
		c.at, c.n = min(c.skip, n), n
		c.skip -= c.at
		c.left -= int64(n)
		if n == 0 {
			if err != nil && err != io.EOF {
				panic(err)
			}
			parquet.Release(c.page)
			c.page = nil
		}
	}
	return &c.buf[c.at], true
}

// readPage is that of parquet-go, which falls over a page of version 2 without values: pyarrow leaves one before a
// chunk's last row. One page may be left out so, when those of the others are all that the footer promises.
func (c *leafCursor) readPage() (page parquet.Page, err error) {
	defer func() {
		if c.fell == nil {
			c.fell = recover()
		}
	}()
	page, err = c.pages.ReadPage()
	if err == io.EOF && c.fell != nil && c.left != 0 {
		panic(c.fell)
	}
	return page, err
}

func (c *leafCursor) close() {
	if c.flat != nil {
		c.flat.pages.close()
	}
	if c.page != nil {
		parquet.Release(c.page)
	}
	if c.pages != nil {
		c.pages.Close()
	}
}

// leafPages reads the plain and dictionary pages of a nested column with their levels: parquet-go falls over a page
// without values, and takes one value in eight of a run of booleans for the run.
type leafPages struct {
	pages  *flatPages
	v      *vec // the page's values
	at     int  // of the page's levels
	packed int
	before int // levels of the pages before
}

// ReadValues is that of parquet.ValueReader, without an end before there is nothing more. A value is its place in v.
func (b *leafPages) ReadValues(buf []parquet.Value) (n int, err error) {
	for b.v == nil || b.at == b.v.n {
		b.pages.mem.release()
		b.before += b.at
		b.v, b.at, b.packed = nil, 0, 0
		if b.v, err = b.pages.next(); err != nil {
			return 0, err
		}
	}
	for ; n < len(buf) && b.at < b.v.n; n++ {
		value := parquet.NullValue()
		if b.pages.def[b.at] == b.pages.node.maxDef {
			value = parquet.Int64Value(int64(b.packed))
			b.packed++
		}
		buf[n] = value.Level(int(b.pages.rep[b.at]), int(b.pages.def[b.at]), b.pages.node.leaf)
		b.at++
	}
	return n, nil
}

var errCutOff = errors.New("a column ends before its row group does")

// assembler builds nested values in canonical form out of the leaves' levels.
type assembler struct {
	cursors map[int]*leafCursor
	nodes   map[int]*pnode // of the leaves, each with its own type
	scratch []byte
}

// part is what to build for one node: the file's node and the type that is wanted.
type part struct {
	node   *pnode
	dst    *typ
	conv   conv
	kids   []*part // by the fields of dst; nil where the file lacks one. List: its element. Map: key, value.
	shape  kind    // kList, kMap, kStruct, or a leaf
	leaves []int   // those that are read below
	peek   int     // one of them
	asList bool    // a repeated node that is its own list
}

func (a *assembler) plan(n *pnode, src, dst typ, w want, inner bool) (*part, error) {
	p := &part{node: n, dst: &dst}
	switch {
	case n.repeated && !inner:
		if dst.kind != kList {
			return nil, fmt.Errorf("%s does not become %s", src, dst)
		}
		kid, err := a.plan(n, *src.elem, *dst.elem, w, true)
		if err != nil {
			return nil, err
		}
		p.shape, p.asList, p.kids = kList, true, []*part{kid}
	case n.items != nil && src.kind == kList:
		if dst.kind != kList {
			return nil, fmt.Errorf("%s does not become %s", src, dst)
		}
		item := listItem(n)
		kid, err := a.plan(item, *src.elem, *dst.elem, w, item == n.items)
		if err != nil {
			return nil, err
		}
		p.shape, p.kids = kList, []*part{kid}
	case n.items != nil && src.kind == kMap:
		if dst.kind != kMap {
			return nil, fmt.Errorf("%s does not become %s", src, dst)
		}
		key, err := a.plan(n.items.kids[0], *src.key, *dst.key, w, false)
		if err != nil {
			return nil, err
		}
		val, err := a.plan(n.items.kids[1], *src.elem, *dst.elem, w, false)
		if err != nil {
			return nil, err
		}
		p.shape, p.kids = kMap, []*part{key, val}
	case n.kids != nil:
		if dst.kind != kStruct {
			return nil, fmt.Errorf("%s does not become %s", src, dst)
		}
		p.shape = kStruct
		for i := range dst.fields {
			var kid *part
			for _, k := range n.kids {
				if k.name == dst.fields[i].name {
					var err error
					if kid, err = a.plan(k, k.typ, dst.fields[i].typ, w, false); err != nil {
						return nil, err
					}
				}
			}
			p.kids = append(p.kids, kid)
		}
	default:
		c, err := w.converterFor(src)
		if w.dst.nested() || !w.as {
			c, err = converter(src, dst)
		}
		if err != nil {
			return nil, err
		}
		p.conv = c
		p.leaves = []int{n.leaf}
		leaf := *n
		if leaf.typ, err = leafType(n.elem); err != nil {
			return nil, err
		}
		a.nodes[n.leaf] = &leaf
	}
	for _, k := range p.kids {
		if k != nil {
			p.leaves = append(p.leaves, k.leaves...)
		}
	}
	if len(p.leaves) == 0 {
		p.leaves = []int{n.leaf} // no field is wanted, but whether the struct is there is
	}
	p.peek = p.leaves[0]
	return p, nil
}

func (a *assembler) next(leaf int) *parquet.Value {
	v, ok := a.cursors[leaf].peek()
	if !ok {
		panic(errCutOff)
	}
	return v
}

func (a *assembler) skip(p *part) {
	for _, l := range p.leaves {
		a.next(l)
		a.cursors[l].at++
	}
}

// cell appends the value at the cursors and moves them behind it.
func (a *assembler) cell(dst []byte, p *part) []byte {
	n := p.node
	switch p.shape {
	case kStruct:
		if n.optional && a.next(p.peek).DefinitionLevel() < int(n.maxDef) {
			a.skip(p)
			return appendNull(dst)
		}
		dst = append(dst, 1)
		moved := false
		for _, k := range p.kids {
			if k == nil {
				dst = appendNull(dst)
			} else {
				dst, moved = a.cell(dst, k), true
			}
		}
		if !moved {
			a.skip(p)
		}
		return dst
	case kList, kMap:
		r := n.items
		def := a.next(p.peek).DefinitionLevel()
		if p.asList {
			r = n
		} else if n.optional && def < int(n.maxDef) {
			a.skip(p)
			return appendNull(dst)
		}
		dst = append(dst, 1)
		if def < int(r.maxDef) {
			a.skip(p)
			return append(dst, 0)
		}
		var entries [][]byte
		for {
			if p.shape == kMap {
				entries = append(entries, a.cell(a.cell(nil, p.kids[0]), p.kids[1]))
			} else {
				dst = a.cell(append(dst, 1), p.kids[0])
			}
			v, ok := a.cursors[p.peek].peek()
			if !ok || v.RepetitionLevel() < int(r.maxRep) {
				break
			}
		}
		if p.shape == kMap {
			return appendMap(dst, entries)
		}
		return append(dst, 0)
	}
	c := a.cursors[n.leaf]
	v := a.next(n.leaf)
	defer func() { c.at++ }()
	if v.IsNull() || v.DefinitionLevel() < int(n.maxDef) {
		return appendNull(dst)
	}
	if n.typ.kind == kNull {
		panic(errNoNull)
	}
	i, b := c.raw(v, n)
	if p.conv != nil {
		var err error
		if i, b, err = p.conv(i, b, &a.scratch); err != nil {
			panic(err)
		}
	}
	return appendCell(dst, p.dst, i, b)
}

// raw brings one value into the raw form of its node's type, by the same code as whole pages.
func (c *leafCursor) raw(v *parquet.Value, n *pnode) (int64, []byte) {
	if c.flat != nil {
		return c.flat.v.at(int(v.Int64()))
	}
	leafTyp, _ := leafType(n.elem)
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return 1, nil
		}
		return 0, nil
	case parquet.Int32:
		if leafTyp.kind == kInt && leafTyp.unsigned {
			return int64(uint32(v.Int32())), nil
		}
		return int64(v.Int32()), nil
	case parquet.Int64:
		return v.Int64(), nil
	case parquet.Float:
		return floatBits(float64(v.Float())), nil
	case parquet.Double:
		return floatBits(v.Double()), nil
	}
	tmp := &pnode{elem: n.elem, typ: leafTyp}
	var data parquetValues
	if v.Kind() == parquet.Int96 {
		x := v.Int96()
		b := make([]byte, 12)
		for k := range 3 {
			b[4*k], b[4*k+1], b[4*k+2], b[4*k+3] = byte(x[k]), byte(x[k]>>8), byte(x[k]>>16), byte(x[k]>>24)
		}
		data = encoding.Int96ValuesFromBytes(b)
	} else {
		b := v.ByteArray()
		if n.elem.Type.V == format.FixedLenByteArray {
			data = encoding.FixedLenByteArrayValues(b, len(b))
		} else {
			data = encoding.ByteArrayValues(b, []uint32{0, uint32(len(b))})
		}
	}
	c.one = vec{n: 1}
	if len(v.Bytes()) == 0 && v.Kind() != parquet.Int96 {
		return 0, []byte{}
	}
	if err := fillVec(&c.one, &c.pbuf, &data, tmp, 1); err != nil {
		panic(err)
	}
	return c.one.at(0)
}

// scanNested reads one nested column of a row group.
func (f *parquetFile) scanNested(unit int, p *pnode, w want, n int, yield func(int, *vec) error) error {
	a := &assembler{cursors: map[int]*leafCursor{}, nodes: map[int]*pnode{}}
	text := w.as && w.dst.kind == kText && p.typ.nested()
	dst := w.dst
	if text {
		dst = settle(p.typ)
		w = want{name: w.name, dst: dst}
	}
	plan, err := a.plan(p, p.typ, dst, w, false)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range a.cursors {
			c.close()
		}
	}()
	for _, l := range plan.leaves {
		node := a.nodes[l]
		c := &leafCursor{buf: make([]parquet.Value, 256), left: f.file.Metadata().RowGroups[unit].Columns[l].MetaData.NumValues, other: func() (parquet.Pages, error) {
			if err := f.readable(unit, l); err != nil {
				return nil, err
			}
			return f.file.RowGroups()[unit].ColumnChunks()[l].Pages(), nil
		}}
		if node != nil {
			if pages, ok := f.flatPages(unit, node); ok {
				pages.nested, pages.readSize = true, 256<<10 // there may be many leaves
				c.flat = &leafPages{pages: pages}
			}
		}
		a.cursors[l] = c
	}
	const step = 1024
	var cell []byte
	for at := 0; at < n; {
		rows := min(step, n-at)
		v := &vec{n: rows, valid: make([]bool, rows), offs: make([]uint32, 1, rows+1)}
		ints := !dst.inBytes()
		if ints {
			v.i64, v.offs = make([]int64, 0, rows), nil
		}
		r := 0
		for ; r < rows && len(v.data) < 8<<20; r++ {
			for _, l := range plan.leaves {
				if a.next(l).RepetitionLevel() != 0 {
					return errors.New("the columns of a nested value disagree about where its rows begin")
				}
			}
			cell = a.cell(cell[:0], plan)
			null, i, b, _ := cutCell(&dst, cell)
			v.valid[r] = !null
			switch {
			case null:
			case text:
				v.data = appendJSON(v.data, &dst, 0, b)
				v.offs = append(v.offs, uint32(len(v.data)))
			case ints:
				v.i64 = append(v.i64, i)
			default:
				v.data = append(v.data, b...)
				v.offs = append(v.offs, uint32(len(v.data)))
			}
		}
		v.n, v.valid = r, v.valid[:r]
		if err := yield(at, v); err != nil {
			return err
		}
		at += r
	}
	for l, c := range a.cursors {
		if _, more := c.peek(); more {
			return fmt.Errorf("leaf column %d has more rows than the %d of its row group", l, n)
		}
	}
	return nil
}
