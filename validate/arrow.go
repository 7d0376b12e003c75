package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
)

// arrowFile reads an Arrow IPC file, whose batches are read in any order, or a stream, which is one unit.
type arrowFile struct {
	name   string
	schema *arrow.Schema
	cols   []field
	index  map[string]int
	at     io.ReaderAt
	size   int64
	text   *textFile // a stream
	counts int
	closer io.Closer
}

func openArrowFile(name string, at io.ReaderAt, size int64, closer io.Closer) (f *arrowFile, err error) {
	defer func() { err = placed(name, err) }()
	defer guard(&err)
	if err := checkArrowFile(at, size); err != nil {
		return nil, err
	}
	r, err := ipc.NewFileReader(io.NewSectionReader(at, 0, size))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f = &arrowFile{name: name, at: at, size: size, counts: r.NumRecords(), closer: closer}
	return f, f.setSchema(r.Schema())
}

func openArrowStream(t *textFile) (f *arrowFile, err error) {
	defer func() { err = placed(t.name, err) }()
	defer guard(&err)
	in, done, err := t.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	r, err := newArrowReader(in)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	f = &arrowFile{name: t.name, text: t, counts: 1, closer: t.closer}
	return f, f.setSchema(r.Schema())
}

func (f *arrowFile) setSchema(s *arrow.Schema) error {
	f.schema, f.index = s, map[string]int{}
	for i, c := range s.Fields() {
		if _, twice := f.index[c.Name]; twice {
			return withHint(fmt.Errorf("two columns are named %q", c.Name), "rename one of them; columns are told apart by their names")
		}
		t, err := arrowType(c.Type, 0)
		if err != nil {
			t = typ{kind: kUnread, name: c.Type.String(), why: err.Error()}
		}
		f.index[c.Name] = i
		f.cols = append(f.cols, field{c.Name, t})
	}
	return nil
}

func arrowUnit(u arrow.TimeUnit) unit {
	return [...]unit{arrow.Second: seconds, arrow.Millisecond: millis, arrow.Microsecond: micros, arrow.Nanosecond: nanos}[u]
}

func arrowType(dt arrow.DataType, depth int) (typ, error) {
	if depth > maxDepth {
		return typ{}, fmt.Errorf("the type is nested deeper than %d", maxDepth)
	}
	switch t := dt.(type) {
	case *arrow.NullType:
		return typ{kind: kNull}, nil
	case *arrow.BooleanType:
		return typ{kind: kBool}, nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type:
		return typ{kind: kInt, bits: t.(arrow.FixedWidthDataType).BitWidth()}, nil
	case *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		return typ{kind: kInt, bits: t.(arrow.FixedWidthDataType).BitWidth(), unsigned: true}, nil
	case *arrow.Float16Type, *arrow.Float32Type, *arrow.Float64Type:
		return typ{kind: kFloat, bits: t.(arrow.FixedWidthDataType).BitWidth()}, nil
	case *arrow.Decimal128Type:
		return typ{kind: kDecimal, prec: int(t.Precision), scale: int(t.Scale)}, nil
	case *arrow.Decimal256Type:
		return typ{kind: kDecimal, prec: int(t.Precision), scale: int(t.Scale)}, nil
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return typ{kind: kText}, nil
	case *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.BinaryViewType, *arrow.FixedSizeBinaryType:
		return typ{kind: kBinary}, nil
	case *arrow.Date32Type, *arrow.Date64Type:
		return typ{kind: kDate}, nil
	case *arrow.Time32Type:
		return typ{kind: kTime, unit: arrowUnit(t.Unit)}, nil
	case *arrow.Time64Type:
		return typ{kind: kTime, unit: arrowUnit(t.Unit)}, nil
	case *arrow.TimestampType:
		return typ{kind: kTimestamp, unit: arrowUnit(t.Unit), utc: t.TimeZone != ""}, nil
	case *arrow.DurationType:
		return typ{kind: kDuration, unit: arrowUnit(t.Unit)}, nil
	case *arrow.MonthIntervalType, *arrow.DayTimeIntervalType, *arrow.MonthDayNanoIntervalType:
		return typ{kind: kInterval}, nil
	case *arrow.DictionaryType:
		return arrowType(t.ValueType, depth+1)
	case *arrow.RunEndEncodedType:
		return arrowType(t.Encoded(), depth+1)
	case *arrow.MapType:
		k, err := arrowType(t.KeyType(), depth+1)
		if err != nil {
			return k, err
		}
		v, err := arrowType(t.ItemType(), depth+1)
		return typ{kind: kMap, key: &k, elem: &v}, err
	case arrow.ListLikeType: // list, large list, list view, fixed-size list
		e, err := arrowType(t.Elem(), depth+1)
		return typ{kind: kList, elem: &e}, err
	case *arrow.StructType:
		out := typ{kind: kStruct}
		seen := map[string]bool{}
		for _, f := range t.Fields() {
			if seen[f.Name] {
				return out, fmt.Errorf("two fields are named %q", f.Name)
			}
			seen[f.Name] = true
			x, err := arrowType(f.Type, depth+1)
			if err != nil {
				return out, err
			}
			out.fields = append(out.fields, field{f.Name, x})
		}
		return out, nil
	case arrow.ExtensionType:
		return arrowType(t.StorageType(), depth+1)
	}
	return typ{}, errors.New("the type is not supported")
}

func (f *arrowFile) columns() []field { return f.cols }
func (f *arrowFile) units() int       { return f.counts }
func (f *arrowFile) rows(int) int64   { return -1 }
func (f *arrowFile) close() error     { return f.closer.Close() }

func (f *arrowFile) scan(ctx context.Context, unit int, wants []want, yield func(*block) error) error {
	if f.text == nil {
		var rec arrow.Record
		var r *ipc.FileReader
		err := func() (err error) {
			defer guard(&err)
			if r, err = ipc.NewFileReader(io.NewSectionReader(f.at, 0, f.size)); err != nil {
				return err
			}
			rec, err = r.RecordAt(unit)
			return err
		}()
		if err != nil {
			return placed(fmt.Sprintf("%s: batch %d", f.name, unit), err)
		}
		defer r.Close()
		return f.yieldRecord(ctx, rec, unit, wants, yield)
	}
	in, done, err := f.text.reader()
	if err != nil {
		return err
	}
	defer done()
	var r *ipc.Reader
	next := func() (ok bool, err error) {
		defer guard(&err)
		if r == nil {
			if r, err = newArrowReader(in); err != nil {
				return false, err
			}
		}
		if r.Next() {
			return true, nil
		}
		if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		return false, nil
	}
	for i := 0; ; i++ {
		ok, err := next()
		if err != nil {
			return placed(fmt.Sprintf("%s: batch %d", f.name, i), err)
		}
		if !ok {
			return nil
		}
		if err := f.yieldRecord(ctx, r.Record(), i, wants, yield); err != nil {
			return err
		}
	}
}

func (f *arrowFile) yieldRecord(ctx context.Context, rec arrow.Record, batch int, wants []want, yield func(*block) error) error {
	n := int(rec.NumRows())
	b := &block{n: n}
	b.col = func(k int, out func(int, *vec) error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		w := wants[k]
		i, ok := f.index[w.name]
		if !ok {
			return yieldNulls(n, out)
		}
		v, err := func() (v *vec, err error) {
			defer guard(&err)
			if w.path != nil {
				return arrowPath(rec.Column(i), f.cols[i].typ, w)
			}
			return arrowVec(rec.Column(i), f.cols[i].typ, w)
		}()
		if err != nil {
			if e := (*valueError)(nil); errors.As(err, &e) {
				err = fmt.Errorf("row %d: %w", v.rowOf(e.packed), err)
			}
			return placed(fmt.Sprintf("%s: batch %d, column %q", f.name, batch, w.name), err)
		}
		if v.n != n { // a file may claim anything
			return placed(fmt.Sprintf("%s: batch %d, column %q", f.name, batch, w.name), fmt.Errorf("%w (it has %d values, and the batch %d rows)", errMessage, v.n, n))
		}
		return out(0, v)
	}
	return yield(b)
}

// arrowPath reads a field inside of structs: NULL where any of them is.
func arrowPath(a arrow.Array, src typ, w want) (*vec, error) {
	n := a.Len()
	at := make([]int, n) // where a row's value lies in a, which a dictionary may put elsewhere; -1: NULL
	for r := range at {
		at[r] = r
	}
	for _, name := range w.path {
		field := -1
		for i := range src.fields {
			if src.fields[i].name == name {
				field = i
			}
		}
		var inner arrow.Array
		for r := range at {
			if field < 0 || at[r] < 0 {
				continue
			}
			x, i := entry(a, at[r])
			at[r] = -1
			if s, ok := x.(*array.Struct); ok && s.IsValid(i) {
				inner, at[r] = s.Field(field), i
			}
		}
		if inner == nil {
			return nullVec(n), nil
		}
		a, src = inner, src.fields[field].typ
	}
	w.path = nil
	v, err := arrowVec(a, src, w)
	if err != nil {
		return v, err
	}
	packed, j := make([]int, v.n), 0
	for i := range packed {
		packed[i] = j
		if !v.isNull(i) {
			j++
		}
	}
	out := &vec{n: n, valid: make([]bool, n), dict: v.dict, i64: v.i64}
	if v.offs != nil {
		out.offs = []uint32{0}
	}
	if v.i64 != nil {
		out.i64 = []int64{}
	}
	if v.dict != nil {
		out.idx = []int32{}
	}
	for r, i := range at {
		if i < 0 || v.isNull(i) { // also where a dictionary has NULL among its entries
			continue
		}
		out.valid[r] = true
		switch j := packed[i]; {
		case v.dict != nil:
			out.idx = append(out.idx, v.idx[j])
		case v.i64 != nil:
			out.i64 = append(out.i64, v.i64[j])
		default:
			out.data = append(out.data, v.bytesAt(j)...)
			out.offs = append(out.offs, uint32(len(out.data)))
		}
	}
	return out, nil
}

// arrowVec packs an array. On an error of conversion it returns the vec before it, for the row's sake.
func arrowVec(a arrow.Array, src typ, w want) (*vec, error) {
	for {
		e, ok := a.(array.ExtensionArray)
		if !ok {
			break
		}
		a = e.Storage()
	}
	n := a.Len()
	if d, ok := a.(*array.Dictionary); ok && d.Dictionary().NullN() == 0 && direct(d.Dictionary()) && !src.nested() {
		c, err := w.converterFor(src)
		if err != nil {
			return nil, err
		}
		entries, err := arrowLeaves(d.Dictionary(), src)
		if err != nil {
			return nil, err
		}
		v := &vec{n: n, dict: entries, idx: make([]int32, 0, n)}
		if d.NullN() > 0 {
			v.valid = make([]bool, n)
		}
		for r := range n {
			if d.IsNull(r) {
				continue
			}
			if v.valid != nil {
				v.valid[r] = true
			}
			x := d.GetValueIndex(r)
			if x < 0 || x >= entries.n {
				return nil, fmt.Errorf("row %d refers to entry %d of a dictionary of %d", r, x, entries.n)
			}
			v.idx = append(v.idx, int32(x))
		}
		out, err := convertVec(v, c, &w.dst, map[*vec]*vec{})
		if err != nil {
			return v, err
		}
		return out, nil
	}
	if !src.nested() {
		c, err := w.converterFor(src)
		if err != nil {
			return nil, err
		}
		if src.kind == kNull {
			return nullVec(n), nil
		}
		v, err := arrowLeaves(a, src)
		if err != nil {
			return nil, err
		}
		out, err := convertVec(v, c, &w.dst, nil)
		if err != nil {
			return v, err
		}
		return out, nil
	}
	if w.as && w.dst.kind == kText {
		own := settle(src)
		v, err := arrowVec(a, src, want{name: w.name, dst: own})
		if err != nil {
			return v, err
		}
		return convertVec(v, func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			return 0, appendJSON(nil, &own, 0, b), nil
		}, &w.dst, nil)
	}
	e := &arrowEncoder{}
	v := &vec{n: n, valid: make([]bool, n), offs: make([]uint32, 1, n+1)}
	var cell []byte
	for r := range n {
		var err error
		if cell, err = e.cell(cell[:0], a, r, &src, &w.dst); err != nil {
			return nil, fmt.Errorf("row %d: %w", r, err)
		}
		if v.valid[r] = cell[0] != 0; v.valid[r] {
			v.data = append(v.data, cell[1:]...)
			if len(v.data) > math.MaxUint32 {
				return nil, errors.New("a batch holds more than 4 GiB in one column")
			}
			v.offs = append(v.offs, uint32(len(v.data)))
		}
	}
	return v, nil
}

// arrowLeaves packs an array that is not nested into the raw form of its type.
func arrowLeaves(a arrow.Array, src typ) (*vec, error) {
	n := a.Len()
	v := &vec{n: n}
	if a.NullN() > 0 || !direct(a) { // NULL may stand among a dictionary's entries
		v.valid = make([]bool, n)
	}
	if src.inBytes() {
		v.offs = make([]uint32, 1, n+1)
	} else {
		v.i64 = make([]int64, 0, n)
	}
	var scratch []byte
	for r := range n {
		x, at := entry(a, r)
		if x.IsNull(at) {
			continue
		}
		if v.valid != nil {
			v.valid[r] = true
		}
		i, b, err := arrowValue(x, at, &scratch)
		if err != nil {
			return nil, err
		}
		if v.offs != nil {
			v.data = append(v.data, b...)
			if len(v.data) > math.MaxUint32 {
				return nil, errors.New("a batch holds more than 4 GiB in one column")
			}
			v.offs = append(v.offs, uint32(len(v.data)))
		} else {
			v.i64 = append(v.i64, i)
		}
	}
	return v, nil
}

// direct says whether an array's own bitmap tells where it is NULL.
func direct(a arrow.Array) bool {
	id := a.DataType().ID()
	return id != arrow.DICTIONARY && id != arrow.RUN_END_ENCODED
}

// entry follows extension types, dictionaries and runs to where row r has its value.
func entry(a arrow.Array, r int) (arrow.Array, int) {
	for {
		switch x := a.(type) {
		case array.ExtensionArray:
			a = x.Storage()
		case *array.Dictionary:
			if x.IsNull(r) {
				return a, r
			}
			a, r = x.Dictionary(), x.GetValueIndex(r)
		case *array.RunEndEncoded:
			a, r = x.Values(), x.GetPhysicalIndex(r)
		default:
			return a, r
		}
	}
}

// arrowValue reads one value in raw form.
func arrowValue(a arrow.Array, r int, scratch *[]byte) (int64, []byte, error) {
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(r) {
			return 1, nil, nil
		}
		return 0, nil, nil
	case *array.Int8:
		return int64(a.Value(r)), nil, nil
	case *array.Int16:
		return int64(a.Value(r)), nil, nil
	case *array.Int32:
		return int64(a.Value(r)), nil, nil
	case *array.Int64:
		return a.Value(r), nil, nil
	case *array.Uint8:
		return int64(a.Value(r)), nil, nil
	case *array.Uint16:
		return int64(a.Value(r)), nil, nil
	case *array.Uint32:
		return int64(a.Value(r)), nil, nil
	case *array.Uint64:
		return int64(a.Value(r)), nil, nil
	case *array.Float16:
		return floatBits(halfFloat(a.Value(r).Uint16())), nil, nil
	case *array.Float32:
		return floatBits(float64(a.Value(r))), nil, nil
	case *array.Float64:
		return floatBits(a.Value(r)), nil, nil
	case *array.Decimal128:
		x := a.Value(r)
		if a.DataType().(*arrow.Decimal128Type).Precision <= 18 {
			if hi := x.HighBits(); hi != int64(x.LowBits())>>63 {
				return 0, nil, fmt.Errorf("a value has more digits than its type %s", a.DataType())
			}
			return int64(x.LowBits()), nil, nil
		}
		*scratch = twosComplement((*scratch)[:0], uint64(x.HighBits()), x.LowBits())
		return 0, *scratch, nil
	case *array.Decimal256:
		x := a.Value(r).Array()
		if a.DataType().(*arrow.Decimal256Type).Precision <= 18 {
			if sign := uint64(int64(x[0]) >> 63); x[1] != sign || x[2] != sign || x[3] != sign {
				return 0, nil, fmt.Errorf("a value has more digits than its type %s", a.DataType())
			}
			return int64(x[0]), nil, nil
		}
		*scratch = twosComplement((*scratch)[:0], x[3], x[2], x[1], x[0])
		return 0, *scratch, nil
	case *array.String:
		return 0, []byte(a.Value(r)), nil
	case *array.LargeString:
		return 0, []byte(a.Value(r)), nil
	case *array.StringView:
		return 0, []byte(a.Value(r)), nil
	case *array.Binary:
		return 0, a.Value(r), nil
	case *array.LargeBinary:
		return 0, a.Value(r), nil
	case *array.BinaryView:
		return 0, a.Value(r), nil
	case *array.FixedSizeBinary:
		return 0, a.Value(r), nil
	case *array.Date32:
		return int64(a.Value(r)), nil, nil
	case *array.Date64:
		ms := int64(a.Value(r))
		if ms%86400000 != 0 {
			return 0, nil, fmt.Errorf("the date64 value %d is no whole day", ms)
		}
		return ms / 86400000, nil, nil
	case *array.Time32:
		return int64(a.Value(r)), nil, nil
	case *array.Time64:
		return int64(a.Value(r)), nil, nil
	case *array.Timestamp:
		return int64(a.Value(r)), nil, nil
	case *array.Duration:
		return int64(a.Value(r)), nil, nil
	case *array.MonthInterval:
		*scratch = appendInterval((*scratch)[:0], int32(a.Value(r)), 0, 0)
		return 0, *scratch, nil
	case *array.DayTimeInterval:
		x := a.Value(r)
		*scratch = appendInterval((*scratch)[:0], 0, x.Days, int64(x.Milliseconds)*1e6)
		return 0, *scratch, nil
	case *array.MonthDayNanoInterval:
		x := a.Value(r)
		*scratch = appendInterval((*scratch)[:0], x.Months, x.Days, x.Nanoseconds)
		return 0, *scratch, nil
	}
	return 0, nil, fmt.Errorf("the type %s is not supported", a.DataType())
}

func twosComplement(dst []byte, words ...uint64) []byte {
	for _, w := range words {
		for s := 56; s >= 0; s -= 8 {
			dst = append(dst, byte(w>>s))
		}
	}
	return dst
}

// arrowEncoder writes nested values in canonical form.
type arrowEncoder struct {
	convs   map[*typ]conv
	scratch []byte
	raw     []byte
}

func (e *arrowEncoder) cell(dst []byte, a arrow.Array, r int, src, to *typ) ([]byte, error) {
	a, r = entry(a, r)
	if a.IsNull(r) || src.kind == kNull { // an array of type null has no bitmap that says so
		return appendNull(dst), nil
	}
	var err error
	switch {
	case src.kind != to.kind && (src.nested() || to.nested()):
		return dst, fmt.Errorf("%s does not become %s", src, to)
	case src.kind == kStruct:
		s := a.(*array.Struct)
		dst = append(dst, 1)
		for i := range to.fields {
			at := -1
			for j := range src.fields {
				if src.fields[j].name == to.fields[i].name {
					at = j
				}
			}
			if at < 0 {
				dst = appendNull(dst)
				continue
			}
			if dst, err = e.cell(dst, s.Field(at), r, &src.fields[at].typ, &to.fields[i].typ); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case src.kind == kMap:
		m := a.(*array.Map)
		from, end := m.ValueOffsets(r)
		if from < 0 || end < from || end > int64(m.ListValues().Len()) {
			return dst, errors.New("a map points beyond its entries")
		}
		dst = append(dst, 1)
		var entries [][]byte
		for x := from; x < end; x++ {
			entry, err := e.cell(nil, m.Keys(), int(x), src.key, to.key)
			if err == nil {
				entry, err = e.cell(entry, m.Items(), int(x), src.elem, to.elem)
			}
			if err != nil {
				return dst, err
			}
			entries = append(entries, entry)
		}
		return appendMap(dst, entries), nil
	case src.kind == kList:
		l := a.(array.ListLike)
		from, end := l.ValueOffsets(r)
		if from < 0 || end < from || end > int64(l.ListValues().Len()) {
			return dst, errors.New("a list points beyond its elements")
		}
		dst = append(dst, 1)
		for x := from; x < end; x++ {
			if dst, err = e.cell(append(dst, 1), l.ListValues(), int(x), src.elem, to.elem); err != nil {
				return dst, err
			}
		}
		return append(dst, 0), nil
	}
	i, b, err := arrowValue(a, r, &e.raw)
	if err != nil {
		return dst, err
	}
	c, ok := e.convs[to]
	if !ok {
		if c, err = converter(*src, *to); err != nil {
			return dst, err
		}
		if e.convs == nil {
			e.convs = map[*typ]conv{}
		}
		e.convs[to] = c
	}
	if c != nil {
		if i, b, err = c(i, b, &e.scratch); err != nil {
			return dst, err
		}
	}
	return appendCell(dst, to, i, b), nil
}
