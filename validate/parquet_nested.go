package validate

import (
	"errors"
	"fmt"
	"io"
)

// leafCursor walks the values of one column chunk with their levels. Those are there whose definition level is the
// highest.
type leafCursor struct {
	pages  *flatPages
	node   *pnode
	v      *vec // of the page
	at     int  // of the page's levels
	packed int  // of its values
}

func (f *parquetFile) newLeafCursor(unit int, n *pnode) (*leafCursor, error) {
	if n.repeated {
		leaf := *n
		leaf.typ, _ = leafType(n.elem)
		n = &leaf
	}
	pages, err := f.flatPages(unit, n)
	if err != nil {
		return nil, err
	}
	pages.nested = true
	return &leafCursor{pages: pages, node: n, v: &vec{}}, nil
}

// more says whether there is a value at the cursor.
func (c *leafCursor) more() bool {
	for c.at == c.v.n {
		c.pages.mem.release()
		v, err := c.pages.next()
		if err == io.EOF {
			c.v, c.at = &vec{}, 0
			return false
		}
		if err != nil {
			panic(err)
		}
		c.v, c.at, c.packed = v, 0, 0
	}
	return true
}

func (c *leafCursor) rep() byte { return c.pages.rep[c.at] }
func (c *leafCursor) def() byte { return c.pages.def[c.at] }

// skip moves behind the value at the cursor.
func (c *leafCursor) skip() {
	if c.def() == c.node.maxDef {
		c.packed++
	}
	c.at++
}

var errCutOff = errors.New("a column ends before its row group does")

// assembler builds nested values in canonical form out of the leaves' levels.
type assembler struct {
	cursors []*leafCursor // by leaf; nil: not read
	scratch []byte
}

// part is what to build for one node: the file's node and the type that is wanted.
type part struct {
	node   *pnode
	dst    *typ
	conv   conv
	kids   []*part  // by the fields of dst; nil where the file lacks one. List: its element. Map: key, value.
	shape  kind     // kList, kMap, kStruct, or a leaf
	leaves []*pnode // those that are read below
	peek   int      // the column chunk of one of them
	asList bool     // a repeated node that is its own list
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
		p.leaves = []*pnode{n}
	}
	for _, k := range p.kids {
		if k != nil {
			p.leaves = append(p.leaves, k.leaves...)
		}
	}
	if len(p.leaves) == 0 {
		p.leaves = []*pnode{n.firstLeaf()} // no field is wanted, but whether the struct is there is
	}
	p.peek = p.leaves[0].leaf
	return p, nil
}

// next is the cursor of a leaf, at a value.
func (a *assembler) next(leaf int) *leafCursor {
	c := a.cursors[leaf]
	if !c.more() {
		panic(errCutOff)
	}
	return c
}

func (a *assembler) skip(p *part) {
	for _, l := range p.leaves {
		a.next(l.leaf).skip()
	}
}

// cell appends the value at the cursors and moves them behind it.
func (a *assembler) cell(dst []byte, p *part) []byte {
	n := p.node
	switch p.shape {
	case kStruct:
		if n.optional && a.next(p.peek).def() < n.maxDef {
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
		def := a.next(p.peek).def()
		if p.asList {
			r = n
		} else if n.optional && def < n.maxDef {
			a.skip(p)
			return appendNull(dst)
		}
		dst = append(dst, 1)
		if def < r.maxDef {
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
			if c := a.cursors[p.peek]; !c.more() || c.rep() < r.maxRep {
				break
			}
		}
		if p.shape == kMap {
			return appendMap(dst, entries)
		}
		return append(dst, 0)
	}
	c := a.next(n.leaf)
	if c.def() < c.node.maxDef {
		c.skip()
		return appendNull(dst)
	}
	if n.typ.kind == kNull {
		panic(errNoNull)
	}
	i, b := c.v.at(c.packed)
	if p.conv != nil {
		var err error
		if i, b, err = p.conv(i, b, &a.scratch); err != nil {
			panic(err)
		}
	}
	c.skip()
	return appendCell(dst, p.dst, i, b)
}

// scanNested reads one nested column of a row group.
func (f *parquetFile) scanNested(unit int, p *pnode, w want, n int, yield func(int, *vec) error) error {
	a := &assembler{cursors: make([]*leafCursor, len(f.file.Metadata().RowGroups[unit].Columns))}
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
	for _, l := range plan.leaves {
		c, err := f.newLeafCursor(unit, l)
		if err != nil {
			return err
		}
		defer c.pages.close()
		a.cursors[l.leaf] = c
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
				if a.next(l.leaf).rep() != 0 {
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
	for _, l := range plan.leaves {
		if a.cursors[l.leaf].more() {
			return fmt.Errorf("leaf column %d has more rows than the %d of its row group", l.leaf, n)
		}
	}
	return nil
}
