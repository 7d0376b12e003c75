package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

// Rows are those of one row group. One goroutine uses it; several row groups of a File may be read at once.
type Rows struct {
	r      *Reader
	group  int
	total  int64
	done   int64
	limit  int
	leaves []*leaf
}

// leaf walks the pages of one column chunk.
type leaf struct {
	node  *node
	col   column
	pages *pq.FilePages
	bools map[int][]byte // by the number of the page with values: what is in place of its own
	pageN int

	page       pq.Page
	dict       pq.Dictionary
	data       encoding.Values
	index      []int32
	indexed    bool
	defs, reps []byte
	// at and value count the page's entries and its values that are not NULL.
	at, n, value int
	maxDef       byte
	maxRep       byte
	ended        bool

	// Of the batch: the levels of all entries, and the number of values.
	batchDefs, batchReps []byte
}

// RowGroup begins to read a row group: the bytes of the wanted columns are fetched at once, adjacent ones
// together, and decoded by Next.
func (r *Reader) RowGroup(i int) (rows *Rows, err error) {
	defer recoverAs(&err, "read %s: row group %d", r.f.name, i)
	g := r.f.file.Metadata().RowGroups[i]
	rows = &Rows{r: r, group: i, total: g.NumRows, limit: math.MaxInt32}
	if g.NumRows == 0 {
		return rows, nil
	}
	rows.leaves = make([]*leaf, r.leaves)
	chunks := r.f.file.RowGroups()[i].ColumnChunks()
	type check struct {
		meta *format.ColumnMetaData
		leaf *leaf
	}
	var spans []span
	var checks []check
	var plain int64
	for _, p := range r.cols {
		err := rows.open(p, r.opts.KeepDictionary, func(n *node) (*leaf, error) {
			c := n.column.Index()
			if c < 0 || c >= len(chunks) {
				return nil, errors.New("the row group lacks the column")
			}
			meta := &g.Columns[c]
			if meta.MetaData.Type != n.src.phys {
				return nil, fmt.Errorf("the row group has another physical type than the schema, %d", meta.MetaData.Type)
			}
			if first := r.f.file.Metadata().RowGroups[0].Columns[c].MetaData.Codec; meta.MetaData.Codec != first {
				return nil, fmt.Errorf("the codec changes between row groups from %s to %s", first, meta.MetaData.Codec)
			}
			from, size := chunkRange(meta)
			spans = append(spans, span{from: from, n: size})
			plain += max(0, meta.MetaData.TotalUncompressedSize)
			l := &leaf{node: n, maxDef: byte(n.column.MaxDefinitionLevel()), maxRep: byte(n.column.MaxRepetitionLevel())}
			l.pages = chunks[c].(*pq.FileColumnChunk).PagesFrom(&lazySpan{spans: &spans, i: len(spans) - 1})
			checks = append(checks, check{&meta.MetaData, l})
			return l, nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: row group %d: column %s: %w", r.f.name, i, p.field.Name, err)
		}
	}
	if err := readSpans(r.f.r, spans); err != nil {
		return nil, fmt.Errorf("read %s: row group %d: %w", r.f.name, i, err)
	}
	for k, c := range checks {
		if c.leaf.bools, err = checkPages(spans[k].data, c.meta, c.leaf.node.column, g.NumRows); err != nil {
			return nil, fmt.Errorf("read %s: row group %d: column %s: damaged: %w", r.f.name, i, strings.Join(c.leaf.node.column.Path(), "."), err)
		}
	}
	// A batch shall not hold more than some 128 MiB of decoded values.
	if g.NumRows > 0 && plain/g.NumRows > 0 {
		rows.limit = max(64, int(min(math.MaxInt32, (128<<20)/(plain/g.NumRows))))
	}
	return rows, nil
}

// open opens a column's leaves; keep: a text column may stay a dictionary.
func (rows *Rows) open(p *plan, keep bool, make func(*node) (*leaf, error)) error {
	if p.absent {
		return nil
	}
	if p.leaf >= 0 {
		l, err := make(p.node)
		if err != nil {
			return err
		}
		l.col, err = columnFor(p.node.typ, p.node.src, p.field.Type, keep && l.maxRep == 0)
		rows.leaves[p.leaf] = l
		return err
	}
	for _, k := range p.kids {
		if err := rows.open(k, false, make); err != nil {
			return err
		}
	}
	return nil
}

// Len is the number of rows that the row group claims.
func (rows *Rows) Len() int64 { return rows.total }

// Next gives up to n rows, io.EOF behind the last. Wide rows come in smaller batches.
func (rows *Rows) Next(n int) (rec arrow.Record, err error) {
	where := "read %s: row group %d"
	defer recoverAs(&err, where, rows.r.f.name, rows.group)
	n = int(min(int64(n), rows.total-rows.done, int64(rows.limit)))
	if n <= 0 {
		return nil, rows.finish()
	}
	for _, l := range rows.leaves {
		if err := l.read(n); err != nil {
			if err == errEnded {
				err = fmt.Errorf("the column ends before row %d of %d", rows.done+int64(n), rows.total)
			}
			return nil, fmt.Errorf(where+": column %s: %w", rows.r.f.name, rows.group, l.name(), err)
		}
	}
	arrays := make([]arrow.Array, len(rows.r.cols))
	fields := make([]arrow.Field, len(rows.r.cols))
	for i, p := range rows.r.cols {
		data, err := rows.build(p, n)
		if err != nil {
			return nil, fmt.Errorf(where+": column %s: %w", rows.r.f.name, rows.group, p.field.Name, err)
		}
		if data.Len() != n {
			return nil, fmt.Errorf(where+": column %s: %d rows where %d were expected", rows.r.f.name, rows.group, p.field.Name, data.Len(), n)
		}
		arrays[i] = array.MakeFromData(data)
		fields[i] = arrow.Field{Name: p.field.Name, Type: arrays[i].DataType(), Nullable: true}
	}
	rows.done += int64(n)
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, int64(n)), nil
}

// finish makes sure that no column holds more rows than the row group claims.
func (rows *Rows) finish() error {
	for _, l := range rows.leaves {
		if l.ended || l.node.src.void {
			continue
		}
		for l.at >= l.n {
			if err := l.next(); err == errEnded {
				break
			} else if err != nil {
				return fmt.Errorf("read %s: row group %d: column %s: %w", rows.r.f.name, rows.group, l.name(), err)
			}
		}
		if l.at < l.n {
			return fmt.Errorf("read %s: row group %d: column %s: it has more rows than the %d of the row group", rows.r.f.name, rows.group, l.name(), rows.total)
		}
	}
	return io.EOF
}

// Close gives back the pages in use. It need not be called behind an error or io.EOF.
func (rows *Rows) Close() {
	for _, l := range rows.leaves {
		if l != nil && !l.ended {
			l.close()
		}
	}
}

func (l *leaf) name() string { return strings.Join(l.node.column.Path(), ".") }

var errEnded = errors.New("the column has ended")

func (l *leaf) close() {
	if l.page != nil {
		pq.Release(l.page)
		l.page = nil
	}
	l.pages.Close()
	l.ended = true
}

// next goes to the following page.
func (l *leaf) next() error {
	if l.ended {
		return errEnded
	}
	if l.page != nil {
		pq.Release(l.page)
		l.page = nil
	}
	p, err := l.pages.ReadPage()
	if err == io.EOF {
		l.close()
		return errEnded
	}
	if err != nil {
		return err
	}
	l.page, l.at, l.value = p, 0, 0
	l.defs, l.reps = p.DefinitionLevels(), p.RepetitionLevels()
	l.n = int(p.NumValues())
	if l.maxDef > 0 && len(l.defs) != l.n || l.maxRep > 0 && len(l.reps) != l.n {
		return errors.New("a page has not as many levels as values")
	}
	l.data = p.Data()
	if l.n > 0 {
		if bits, ok := l.bools[l.pageN]; ok {
			l.data = encoding.BooleanValues(bits)
		}
		l.pageN++
	}
	d := p.Dictionary()
	if l.indexed = d != nil; !l.indexed {
		return nil
	}
	l.index = l.data.Int32()
	if d != l.dict {
		l.dict = d
		page := d.Page()
		return l.col.dictionary(page.Data(), int(page.NumValues()))
	}
	return nil
}

// read collects the entries of n rows.
func (l *leaf) read(n int) error {
	l.col.start(n)
	l.batchDefs, l.batchReps = nil, nil
	if l.node.src.void {
		return nil
	}
	if l.maxDef > 0 {
		l.batchDefs = make([]byte, 0, n)
	}
	for {
		for l.at >= l.n {
			if l.maxRep == 0 && n == 0 {
				return nil
			}
			switch err := l.next(); {
			case err == errEnded && n == 0:
				return nil
			case err != nil:
				return err
			}
		}
		to := l.at + min(n, l.n-l.at)
		if l.maxRep > 0 {
			if len(l.batchReps) == 0 && l.reps[l.at] != 0 {
				return errors.New("a row group begins in the middle of a row")
			}
			// Rows begin where the level is 0; the last one goes on up to the next such entry.
			for to = l.at; to < l.n; to++ {
				if l.reps[to] == 0 {
					if n == 0 {
						break
					}
					n--
				} else if l.reps[to] > l.maxRep {
					return errors.New("a repetition level is out of range")
				}
			}
			l.batchReps = append(l.batchReps, l.reps[l.at:to]...)
		} else {
			n -= to - l.at
		}
		values := to - l.at
		if l.maxDef > 0 {
			defs := l.defs[l.at:to]
			l.batchDefs = append(l.batchDefs, defs...)
			values = bytes.Count(defs, []byte{l.maxDef})
		}
		var err error
		switch {
		case values == 0:
		case l.indexed:
			err = l.col.indexed(l.index[l.value : l.value+values])
		default:
			err = l.col.plain(l.data, l.value, values)
		}
		if err != nil {
			return err
		}
		l.value += values
		l.at = to
		if n == 0 && (l.maxRep == 0 || l.at < l.n) {
			return nil
		}
	}
}

// build makes the column of p: one slot a row at the top, one an element below a list.
func (rows *Rows) build(p *plan, n int) (arrow.ArrayData, error) {
	if p.absent {
		return array.MakeArrayOfNull(memory.DefaultAllocator, p.field.Type.Arrow(), n).Data(), nil
	}
	l := rows.leaves[p.guide]
	defs := l.slots(p.node)
	if p.node.column != nil {
		if l.maxDef > 0 && !l.node.src.void {
			n = len(defs)
		}
		return l.col.finish(defs, l.maxDef, n)
	}
	if defs != nil {
		n = len(defs)
	}
	var bits *memory.Buffer
	nulls := 0
	if p.node.def > p.node.slotDef {
		if bits, nulls = validity(defs, p.node.def); nulls == 0 {
			bits = nil
		}
	}
	dt := p.field.Type.Arrow()
	if p.field.Type.Kind == schema.Row {
		kids := make([]arrow.ArrayData, len(p.kids))
		for i, k := range p.kids {
			kid, err := rows.build(k, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.field.Name, err)
			}
			if kid.Len() != n {
				return nil, fmt.Errorf("%s: %d values where its struct has %d", k.field.Name, kid.Len(), n)
			}
			kids[i] = kid
		}
		return array.NewData(dt, n, []*memory.Buffer{bits}, kids, nulls, 0), nil
	}
	offsets := make([]int32, 1, n+1)
	elems := int32(0)
	for i, d := range l.batchDefs {
		r := l.batchReps[i]
		if r <= p.node.rep && d >= p.node.slotDef {
			offsets = append(offsets, elems)
		}
		if d >= p.node.elemDef && r <= p.node.rep+1 {
			elems++
			offsets[len(offsets)-1] = elems
		}
	}
	var kid arrow.ArrayData
	kids := make([]arrow.ArrayData, len(p.kids))
	for i, k := range p.kids {
		var err error
		if kids[i], err = rows.build(k, int(elems)); err != nil {
			return nil, err
		}
		if kids[i].Len() != int(elems) {
			return nil, fmt.Errorf("%d values where its list has %d elements", kids[i].Len(), elems)
		}
	}
	kid = kids[0]
	if mt, ok := dt.(*arrow.MapType); ok {
		if kids[0].NullN() > 0 {
			return nil, errors.New("a map has a NULL key")
		}
		kid = array.NewData(mt.Elem(), int(elems), []*memory.Buffer{nil}, kids, 0, 0)
	}
	return array.NewData(dt, n, []*memory.Buffer{bits, memory.NewBufferBytes(rawBytes(offsets))}, []arrow.ArrayData{kid}, nulls, 0), nil
}

// slots are the definition levels of those entries that begin a slot of n; nil when nothing can be NULL.
func (l *leaf) slots(n *node) []byte {
	if l.maxRep == 0 {
		return l.batchDefs
	}
	out := make([]byte, 0, len(l.batchDefs))
	for i, d := range l.batchDefs {
		if l.batchReps[i] <= n.rep && d >= n.slotDef {
			out = append(out, d)
		}
	}
	return out
}
