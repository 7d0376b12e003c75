package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

// File is an open Parquet file. Its methods may be called from several goroutines at once.
type File struct {
	name    string
	r       io.ReaderAt
	size    int64
	file    *pq.File
	columns []*node
	byName  map[string]*node
}

// Open reads the footer of a file of size bytes; name is what errors call it. Nothing else is read yet.
func Open(r io.ReaderAt, size int64, name string) (f *File, err error) {
	defer recoverAs(&err, "read %s: footer", name)
	fail := func(err error) (*File, error) { return nil, fmt.Errorf("read %s: %w", name, err) }
	if size < 12 {
		return fail(schema.WithHint(fmt.Errorf("%d bytes are no Parquet file", size), "an empty or cut file is often a copy that was interrupted"))
	}
	var magic [4]byte
	var tail [8]byte
	if err := readFull(r, magic[:], 0); err != nil {
		return fail(err)
	}
	if err := readFull(r, tail[:], size-8); err != nil {
		return fail(err)
	}
	switch head, foot := string(magic[:]), string(tail[4:]); {
	case head == "PARE" || foot == "PARE":
		return fail(schema.WithHint(errors.New("the file is encrypted"), "write it without Parquet encryption"))
	case head != "PAR1":
		return fail(schema.WithHint(fmt.Errorf("not a Parquet file: it begins with %q", head), "name a glob like *.parquet if other files lie beside"))
	case foot != "PAR1":
		return fail(schema.WithHint(fmt.Errorf("the Parquet file is cut: it ends with %q", foot), "copy or write it again"))
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 {
		return fail(schema.WithHint(fmt.Errorf("the footer says that it has %d bytes, the file has %d", n, size), "copy or write the file again"))
	}
	file, err := pq.OpenFile(r, size, pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.OptimisticRead(true), pq.ReadBufferSize(64<<10))
	if err != nil {
		return fail(err)
	}
	f = &File{name: name, r: r, size: size, file: file, byName: map[string]*node{}}
	meta := file.Metadata()
	w := &walker{elements: meta.Schema}
	root, err := w.walk(file.Root(), 0)
	if err != nil {
		return fail(err)
	}
	for _, e := range root.kids {
		n := nodeOf(e, 0, 0, 0)
		if f.byName[n.name] != nil {
			n.err = errors.New("two columns have this name")
		}
		f.columns = append(f.columns, n)
		f.byName[n.name] = n
	}
	for i := range meta.RowGroups {
		if err := f.checkRowGroup(&meta.RowGroups[i]); err != nil {
			return nil, fmt.Errorf("read %s: row group %d: %w", name, i, err)
		}
	}
	return f, nil
}

func (f *File) checkRowGroup(g *format.RowGroup) error {
	if g.NumRows < 0 {
		return fmt.Errorf("it says that it has %d rows", g.NumRows)
	}
	if g.NumRows == 0 {
		// Other writers give the columns of an empty frame no pages, and no place.
		return nil
	}
	for i := range g.Columns {
		c := &g.Columns[i]
		if c.FilePath != "" {
			return fmt.Errorf("column %d lies in another file, %s", i, c.FilePath)
		}
		from, n := chunkRange(c)
		if from < 4 || n < 0 || from > f.size || n > f.size-from {
			return fmt.Errorf("column %d lies at %d+%d in a file of %d bytes", i, from, n, f.size)
		}
	}
	return nil
}

func chunkRange(c *format.ColumnChunk) (from, n int64) {
	from = c.MetaData.DataPageOffset
	if d := c.MetaData.DictionaryPageOffset; d != 0 {
		from = d
	}
	return from, c.MetaData.TotalCompressedSize
}

// recoverAs makes an error of a panic: parquet-go still panics on some damaged pages.
func recoverAs(err *error, where string, args ...any) {
	if p := recover(); p != nil {
		*err = fmt.Errorf(where+": damaged: %v", append(args, p)...)
	}
}

func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Name is what errors call the file.
func (f *File) Name() string { return f.name }

// NumRows is the number of rows that the row groups claim.
func (f *File) NumRows() (n int64) {
	for _, g := range f.file.Metadata().RowGroups {
		n += g.NumRows
	}
	return n
}

// RowGroups is the number of row groups.
func (f *File) RowGroups() int { return len(f.file.Metadata().RowGroups) }

// RowGroupRows is the number of rows that row group i claims.
func (f *File) RowGroupRows(i int) int64 { return f.file.Metadata().RowGroups[i].NumRows }

// Has reports whether the file has a top-level column of that name.
func (f *File) Has(name string) bool { return f.byName[name] != nil }

// Fields are the file's columns with the types that DESIGN's rows know. A column of a type that is not
// supported is an error that names it.
func (f *File) Fields() ([]schema.Field, error) {
	out := make([]schema.Field, 0, len(f.columns))
	for _, n := range f.columns {
		if n.err != nil {
			return nil, schema.WithHint(fmt.Errorf("read %s: column %s: %w", f.name, n.name, n.err),
				"declare the columns that you need under columns: and leave this one out")
		}
		out = append(out, schema.Field{Name: n.name, Type: n.typ})
	}
	return out, nil
}

// Bounds are the least and the greatest value of a column of integers, dates or timestamps in a row group,
// in the unit that reading it as field gives. ok is false where the file has no trustworthy statistics, also
// for a row group that holds only NULLs. Deprecated statistics are trusted for signed integers, as by others.
func (f *File) Bounds(rowGroup int, field schema.Field) (lo, hi int64, ok bool) {
	n := f.byName[field.Name]
	if n == nil || n.err != nil || n.column == nil || n.rep > 0 || n.src.unsigned {
		return 0, 0, false
	}
	g := &f.file.Metadata().RowGroups[rowGroup]
	index := n.column.Index()
	if index < 0 || index >= len(g.Columns) {
		return 0, 0, false
	}
	st := &g.Columns[index].MetaData.Statistics
	low, high := st.MinValue, st.MaxValue
	if low == nil || high == nil {
		low, high = st.Min, st.Max
	}
	if _, err := columnFor(n.typ, n.src, field.Type, false); err != nil {
		return 0, 0, false
	}
	mul, div := n.src.mul, n.src.div
	switch {
	case field.Type.Kind == schema.Timestamp && n.typ.Kind == schema.Date:
		mul, div = 24*3600*1e6, 1
	case field.Type.Kind == schema.Timestamp && n.typ.Kind != schema.Timestamp:
		switch field.Type.Epoch {
		case "s":
			mul = 1e6
		case "ms":
			mul = 1e3
		case "ns":
			div = 1e3
		}
	case n.typ.Kind == schema.Timestamp, n.typ.Kind == schema.BigInt, n.typ.Kind == schema.Int, n.typ.Kind == schema.SmallInt, n.typ.Kind == schema.Date:
	default:
		return 0, 0, false
	}
	decode := func(b []byte) (int64, bool) {
		var x int64
		switch {
		case n.src.phys == format.Int32 && len(b) == 4:
			x = int64(int32(binary.LittleEndian.Uint32(b)))
		case n.src.phys == format.Int64 && len(b) == 8:
			x = int64(binary.LittleEndian.Uint64(b))
		default:
			return 0, false
		}
		t, err := scaleTime(x, mul, div)
		return t, err == nil
	}
	lo, okLo := decode(low)
	hi, okHi := decode(high)
	return lo, hi, okLo && okHi && lo <= hi
}

// Metadata is the value of a key in the footer, "" where there is none.
func (f *File) Metadata(key string) string {
	v, _ := f.file.Lookup(key)
	return v
}

// ReadOptions are the choices in reading; the zero value is strict.
type ReadOptions struct {
	// MissingAsNull reads a column (or a field of a struct) that the file lacks as NULLs; else it is an error.
	MissingAsNull bool
	// KeepDictionary gives a top-level text column as an Arrow dictionary of int32 in every batch whose
	// values all come from the file's dictionary, so that its text is not copied. The next batch may have
	// another dictionary, or plain text.
	KeepDictionary bool
}

// Reader reads row groups as rows of given fields.
type Reader struct {
	f      *File
	fields []schema.Field
	cols   []*plan
	leaves int
	opts   ReadOptions
}

// plan is how a wanted column comes from the file.
type plan struct {
	field schema.Field
	node  *node
	kids  []*plan
	// leaf counts in the row group's leaves; -1 for a group. guide is the leaf whose levels tell the slots.
	leaf, guide int
	// absent is a column that the file lacks.
	absent bool
}

// Reader plans to read fields, in this order. A type may differ from the file's where no value can be lost.
func (f *File) Reader(fields []schema.Field, opts ReadOptions) (*Reader, error) {
	r := &Reader{f: f, fields: fields, opts: opts}
	for _, field := range fields {
		p, err := r.plan(field, f.byName[field.Name])
		if err != nil {
			return nil, fmt.Errorf("read %s: column %s: %w", f.name, field.Name, err)
		}
		r.cols = append(r.cols, p)
	}
	return r, nil
}

func (r *Reader) plan(field schema.Field, n *node) (*plan, error) {
	p := &plan{field: field, node: n, leaf: -1, guide: -1}
	if n == nil {
		if !r.opts.MissingAsNull {
			return nil, schema.WithHint(errors.New("the file has no such column"), "name the files that have it with a glob; where an Avro schema gives a stream's columns, files may lack some")
		}
		p.absent = true
		return p, nil
	}
	want := field.Type
	mismatch := func() (*plan, error) {
		return nil, schema.WithHint(fmt.Errorf("the file has %s, which is not safely read as %s", n.typ, want), "declare the file's type under columns: and CAST in the query")
	}
	if n.column != nil {
		if n.err != nil {
			return nil, n.err
		}
		if _, err := columnFor(n.typ, n.src, want, false); err != nil {
			return mismatch()
		}
		p.leaf = r.leaves
		p.guide = p.leaf
		r.leaves++
		return p, nil
	}
	if want.Kind != n.typ.Kind {
		if n.err != nil {
			return nil, n.err
		}
		return mismatch()
	}
	var wants []schema.Field
	kids := n.kids
	switch want.Kind {
	case schema.Array:
		wants = []schema.Field{{Name: "element", Type: *want.Elem}}
	case schema.Map:
		wants = []schema.Field{{Name: "key", Type: *want.Key}, {Name: "value", Type: *want.Elem}}
	case schema.Row:
		wants = want.Fields
		kids = make([]*node, len(wants))
		for i, w := range wants {
			for _, k := range n.kids {
				if k.name == w.Name {
					kids[i] = k
					break
				}
			}
		}
	}
	for i, w := range wants {
		kid, err := r.plan(w, kids[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		p.kids = append(p.kids, kid)
		if p.guide < 0 {
			p.guide = kid.guide
		}
	}
	if p.guide < 0 {
		return nil, errors.New("none of the struct's fields are in the file")
	}
	return p, nil
}
