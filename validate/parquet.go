package validate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// parquetFile reads one Parquet file, a row group at a time and a column at a time, from parquet-go's pages
// straight into vecs.
type parquetFile struct {
	name   string
	file   *parquet.File
	bytes  io.ReaderAt
	size   int64
	pool   *pool
	held   int64 // a row group of up to so many bytes is held in memory as a whole while it is read
	closer io.Closer
	root   *pnode
	cols   []field
	by     map[string]*pnode
}

// pnode is a node of the file's schema with its levels; typ is what it means.
type pnode struct {
	name     string
	elem     *format.SchemaElement
	repeated bool
	optional bool
	kids     []*pnode
	leaf     int // number of the column chunk; of the first leaf below for a group
	maxDef   byte
	maxRep   byte
	typ      typ
	items    *pnode // the repeated node of a list or map
}

func (p *pnode) firstLeaf() *pnode {
	for len(p.kids) > 0 {
		p = p.kids[0]
	}
	return p
}

const maxDepth = 64

const damagedParquet = "the file is damaged or still being written; Parquet begins and ends with PAR1"

func openParquet(name string, r io.ReaderAt, size int64, closer io.Closer, pool *pool, held int64) (f *parquetFile, err error) {
	defer func() {
		if err != nil {
			err = placed(name, err)
		}
	}()
	defer guard(&err)
	if size < 12 {
		return nil, errors.New("not a Parquet file: it is too short")
	}
	var tail [8]byte
	if n, err := r.ReadAt(tail[:], size-8); n < len(tail) {
		return nil, err
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); string(tail[4:]) == "PAR1" && n > size-12 { // for which memory would be made
		return nil, withHint(fmt.Errorf("the footer says that it has %d bytes, the file has %d", n, size), damagedParquet)
	}
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.OptimisticRead(true), parquet.ReadBufferSize(256<<10))
	if err != nil {
		return nil, withHint(err, damagedParquet)
	}
	f = &parquetFile{name: name, file: file, bytes: r, size: size, pool: pool, held: held, closer: closer, by: map[string]*pnode{}}
	elems := file.Metadata().Schema
	if len(elems) == 0 {
		return nil, errors.New("the footer has no schema")
	}
	leaf := 0
	f.root, _, err = buildNode(elems, nil, &leaf, 0)
	if err != nil {
		return nil, err
	}
	for _, k := range f.root.kids {
		if f.by[k.name] != nil {
			return nil, withHint(fmt.Errorf("two columns are named %q", k.name), "rename one of them; columns are told apart by their names")
		}
		f.by[k.name] = k
		f.cols = append(f.cols, field{k.name, k.typ})
	}
	for i, g := range file.RowGroups() {
		if len(g.ColumnChunks()) != leaf {
			return nil, fmt.Errorf("row group %d has %d column chunks for %d columns", i, len(g.ColumnChunks()), leaf)
		}
		if g.NumRows() < 0 {
			return nil, fmt.Errorf("row group %d claims %d rows", i, g.NumRows())
		}
	}
	return f, nil
}

// buildNode reads the schema, which is flattened depth first.
func buildNode(elems []format.SchemaElement, parent *pnode, leaf *int, depth int) (*pnode, []format.SchemaElement, error) {
	if len(elems) == 0 || depth > maxDepth {
		return nil, nil, fmt.Errorf("the schema is cut off, or deeper than %d", maxDepth)
	}
	e := &elems[0]
	n := &pnode{name: e.Name, elem: e, leaf: *leaf}
	if parent != nil {
		n.maxDef, n.maxRep = parent.maxDef, parent.maxRep
		switch e.RepetitionType.V {
		case format.Optional:
			n.optional = true
			n.maxDef++
		case format.Repeated:
			n.repeated = true
			n.maxDef++
			n.maxRep++
		}
	}
	elems = elems[1:]
	if e.Type.Valid || parent != nil && e.NumChildren.V == 0 {
		if !e.Type.Valid {
			return nil, nil, fmt.Errorf("column %q is a group without fields", e.Name)
		}
		*leaf++
		t, err := leafType(e)
		if err != nil {
			return nil, nil, fmt.Errorf("column %q: %w", e.Name, err)
		}
		n.typ = t
	} else {
		for range e.NumChildren.V {
			kid, rest, err := buildNode(elems, n, leaf, depth+1)
			if err != nil {
				return nil, nil, err
			}
			n.kids = append(n.kids, kid)
			elems = rest
		}
		n.typ = groupType(n)
	}
	if n.repeated && !(parent != nil && listLike(parent.elem)) {
		item := n.typ
		n.typ = typ{kind: kList, elem: &item} // a repeated field without LIST around it is a list that is never NULL
	}
	return n, elems, nil
}

func listLike(e *format.SchemaElement) bool { return isList(e) || isMap(e) }

func isList(e *format.SchemaElement) bool {
	_, ok := e.LogicalType.Value.(*format.ListType)
	return ok || e.ConvertedType.Valid && e.ConvertedType.V == deprecated.List
}

func isMap(e *format.SchemaElement) bool {
	_, ok := e.LogicalType.Value.(*format.MapType)
	return ok || e.ConvertedType.Valid && (e.ConvertedType.V == deprecated.Map || e.ConvertedType.V == deprecated.MapKeyValue)
}

// groupType finds lists and maps among groups, by the rules of the format for old writers too.
func groupType(n *pnode) typ {
	if len(n.kids) == 1 && n.kids[0].repeated {
		r := n.kids[0]
		if isMap(n.elem) && len(r.kids) == 2 {
			n.items = r
			return typ{kind: kMap, key: &r.kids[0].typ, elem: &r.kids[1].typ}
		}
		if isMap(n.elem) && len(r.kids) == 1 { // a map without values is the list of its keys
			n.items = r
			return typ{kind: kList, elem: &r.kids[0].typ}
		}
		if isList(n.elem) {
			n.items = r
			if item := listItem(n); item != r {
				return typ{kind: kList, elem: &item.typ}
			}
			item := r.typ
			return typ{kind: kList, elem: &item}
		}
	}
	t := typ{kind: kStruct}
	for _, k := range n.kids {
		t.fields = append(t.fields, field{k.name, k.typ})
	}
	return t
}

// listItem is the node of a LIST's elements: the repeated node itself, or its only child.
func listItem(n *pnode) *pnode {
	r := n.items
	if len(r.kids) == 1 && r.name != "array" && r.name != n.name+"_tuple" {
		return r.kids[0]
	}
	return r
}

// leafType is what a column means, once that is sure to be something its physical type can hold.
func leafType(e *format.SchemaElement) (typ, error) {
	t, err := annotatedType(e)
	if err != nil {
		return t, err
	}
	ok := true
	switch phys := e.Type.V; t.kind {
	case kText, kBinary, kInterval:
		ok = phys == format.ByteArray || phys == format.FixedLenByteArray
	case kDecimal:
		ok = phys == format.ByteArray || phys == format.FixedLenByteArray || phys == format.Int32 || phys == format.Int64
	case kInt, kDate, kTime:
		ok = phys == format.Int32 || phys == format.Int64
	case kTimestamp:
		ok = phys == format.Int64 || phys == format.Int96 && t.unit == mixedUnit
	case kFloat:
		ok = t.bits > 16 || phys == format.ByteArray || phys == format.FixedLenByteArray
	}
	if !ok {
		return t, fmt.Errorf("the schema calls it %s and keeps it as %s", t, e.Type.V)
	}
	return t, nil
}

func annotatedType(e *format.SchemaElement) (typ, error) {
	phys := e.Type.V
	if e.LogicalType.Value != nil {
		switch l := e.LogicalType.Value.(type) {
		case *format.StringType, *format.EnumType, *format.JsonType:
			return typ{kind: kText}, nil
		case *format.DecimalType:
			return decimalType(phys, int(l.Precision), int(l.Scale))
		case *format.DateType:
			return typ{kind: kDate}, nil
		case *format.TimeType:
			return typ{kind: kTime, unit: parquetUnit(l.Unit)}, nil
		case *format.TimestampType:
			return typ{kind: kTimestamp, unit: parquetUnit(l.Unit), utc: l.IsAdjustedToUTC}, nil
		case *format.IntType:
			return typ{kind: kInt, bits: int(l.BitWidth), unsigned: !l.IsSigned}, nil
		case *format.NullType:
			return typ{kind: kNull}, nil
		case *format.Float16Type:
			return typ{kind: kFloat, bits: 16}, nil
		case *format.UUIDType, *format.BsonType:
			return typ{kind: kBinary}, nil
		}
	}
	if e.ConvertedType.Valid {
		switch e.ConvertedType.V {
		case deprecated.UTF8, deprecated.Enum, deprecated.Json:
			return typ{kind: kText}, nil
		case deprecated.Decimal:
			return decimalType(phys, int(e.Precision.V), int(e.Scale.V))
		case deprecated.Date:
			return typ{kind: kDate}, nil
		case deprecated.TimeMillis:
			return typ{kind: kTime, unit: millis}, nil
		case deprecated.TimeMicros:
			return typ{kind: kTime, unit: micros}, nil
		case deprecated.TimestampMillis:
			return typ{kind: kTimestamp, unit: millis, utc: true}, nil
		case deprecated.TimestampMicros:
			return typ{kind: kTimestamp, unit: micros, utc: true}, nil
		case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
			return typ{kind: kInt, bits: 8 << (e.ConvertedType.V - deprecated.Uint8), unsigned: true}, nil
		case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
			return typ{kind: kInt, bits: 8 << (e.ConvertedType.V - deprecated.Int8)}, nil
		case deprecated.Interval:
			return typ{kind: kInterval}, nil
		}
	}
	switch phys {
	case format.Boolean:
		return typ{kind: kBool}, nil
	case format.Int32:
		return typ{kind: kInt, bits: 32}, nil
	case format.Int64:
		return typ{kind: kInt, bits: 64}, nil
	case format.Int96:
		return typ{kind: kTimestamp, unit: mixedUnit}, nil
	case format.Float:
		return typ{kind: kFloat, bits: 32}, nil
	case format.Double:
		return typ{kind: kFloat, bits: 64}, nil
	}
	return typ{kind: kBinary}, nil
}

func decimalType(phys format.Type, prec, scale int) (typ, error) {
	if prec < 1 || prec > 1000 || scale < 0 || scale > prec {
		return typ{}, fmt.Errorf("decimal(%d,%d) is no type", prec, scale)
	}
	if (phys == format.Int32 || phys == format.Int64) && prec > 18 {
		prec = 18
	}
	return typ{kind: kDecimal, prec: prec, scale: scale}, nil
}

func parquetUnit(u format.TimeUnit) unit {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return millis
	case *format.NanoSeconds:
		return nanos
	}
	return micros
}

func (f *parquetFile) columns() []field { return f.cols }
func (f *parquetFile) units() int       { return len(f.file.RowGroups()) }
func (f *parquetFile) rows(u int) int64 { return f.file.RowGroups()[u].NumRows() }
func (f *parquetFile) close() error     { return f.closer.Close() }

func (f *parquetFile) scan(ctx context.Context, unit int, wants []want, yield func(*block) error) error {
	n := int(f.rows(unit))
	for k := 0; n == 0 && k < len(wants); k++ { // nobody will ask for a value: see that there is none
		if err := f.column(ctx, unit, wants[k], nil, func(int, *vec) error { return nil }); err != nil {
			return err
		}
	}
	b := &block{n: n}
	if !f.fits(unit, wants, n) {
		b.col = func(k int, yield func(int, *vec) error) error {
			return f.column(ctx, unit, wants[k], nil, yield)
		}
		return yield(b)
	}
	mem := &lease{pool: f.pool}
	defer mem.release()
	loaded := make([][]piece, len(wants))
	b.held = func(k int) ([]piece, error) {
		if loaded[k] != nil || n == 0 {
			return loaded[k], nil
		}
		err := f.column(ctx, unit, wants[k], mem, func(start int, v *vec) error {
			loaded[k] = append(loaded[k], piece{start, v})
			return nil
		})
		return loaded[k], err
	}
	b.col = func(k int, yield func(int, *vec) error) error {
		pieces, err := b.held(k)
		for i := 0; i < len(pieces) && err == nil; i++ {
			err = yield(pieces[i].start, pieces[i].v)
		}
		return err
	}
	return yield(b)
}

// fits says whether the columns of a row group may be held as a whole.
func (f *parquetFile) fits(unit int, wants []want, n int) bool {
	size := int64(n) * int64(len(wants)) * 5
	var add func(p *pnode)
	add = func(p *pnode) {
		if p.kids == nil {
			size += f.file.Metadata().RowGroups[unit].Columns[p.leaf].MetaData.TotalUncompressedSize
		}
		for _, k := range p.kids {
			add(k)
		}
	}
	for _, w := range wants {
		if p := f.by[w.name]; p != nil {
			add(p)
		}
		if w.dst.nested() {
			size += int64(n) * 32
		}
	}
	return size <= f.held
}

// column reads one column of a row group. With keep, what it yields lives as long as that lease.
func (f *parquetFile) column(ctx context.Context, unit int, w want, keep *lease, yield func(int, *vec) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := int(f.rows(unit))
	p := f.by[w.name]
	for _, name := range w.path {
		p = p.child(name)
	}
	if p == nil {
		return yieldNulls(n, yield)
	}
	place := fmt.Sprintf("%s: row group %d, column %q", f.name, unit, w.name)
	defer func() { err = placedOnce(place, err) }()
	var stop error // an error of the caller's, which is not the file's
	out := func(start int, v *vec) error {
		stop = yield(start, v)
		return stop
	}
	func() {
		defer guard(&err)
		if p.kids == nil && !p.repeated && p.maxDef <= 1 {
			err = f.scanFlat(unit, p, w, n, keep, out)
		} else {
			err = f.scanNested(unit, p, w, n, out)
		}
	}()
	if stop != nil {
		return &passed{stop}
	}
	return err
}

// passed is an error that came from the consumer and needs no place.
type passed struct{ error }

func (p *passed) Unwrap() error { return p.error }

func placedOnce(place string, err error) error {
	if err == nil {
		return nil
	}
	if p, ok := err.(*passed); ok {
		return p.error
	}
	if Hint(err) == "" && !errors.Is(err, context.Canceled) {
		err = withHint(err, "the file is damaged, or in an encoding that is not read: write it again, with zstd or snappy, or leave the column out with --exclude")
	}
	return placed(place, err)
}

func yieldNulls(n int, yield func(int, *vec) error) error {
	const step = 1 << 16
	for at := 0; at < n; at += step {
		if err := yield(at, nullVec(min(step, n-at))); err != nil {
			return err
		}
	}
	return nil
}

var errNoNull = errors.New("there is a value in a column of type null")

// scanFlat reads a column without nesting, a page at a time.
func (f *parquetFile) scanFlat(unit int, p *pnode, w want, n int, keep *lease, yield func(int, *vec) error) error {
	convert, err := w.converterFor(p.typ)
	if err != nil {
		return err
	}
	dicts := map[*vec]*vec{}
	at := 0
	page := func(v *vec) error {
		if at+v.n > n {
			return fmt.Errorf("has more rows than the %d of its row group", n)
		}
		if p.typ.kind == kNull && v.n > 0 && (v.valid == nil || slices.Contains(v.valid, true)) {
			return errNoNull
		}
		out, err := convertVec(v, convert, &w.dst, dicts)
		if err == nil {
			err = yield(at, out)
		} else if e := (*valueError)(nil); errors.As(err, &e) {
			err = fmt.Errorf("row %d: %w", at+v.rowOf(e.packed), err)
		}
		at += v.n
		return err
	}
	pages, err := f.flatPages(unit, p)
	if err != nil {
		return err
	}
	for err == nil {
		var v *vec
		if v, err = pages.next(); err == nil {
			err = page(v)
		}
		if keep == nil {
			pages.mem.release()
		}
	}
	if keep != nil {
		keep.got = append(keep.got, pages.mem.got...)
		pages.mem.got = nil
	}
	pages.close()
	if err == io.EOF && at != n {
		return fmt.Errorf("has %d rows where its row group has %d", at, n)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

const julianEpoch = 2440588

// fillVec reads present values in the file's physical form into the raw form of the column's type.
func fillVec(v *vec, mem *lease, data *parquetValues, p *pnode, present int) error {
	short := func(have int) error {
		return fmt.Errorf("a page has %d values where %d are due", have, present)
	}
	switch p.elem.Type.V {
	case format.Boolean:
		bits := data.Boolean()
		if len(bits)*8 < present {
			return short(len(bits) * 8)
		}
		v.i64 = leased[int64](mem, present)
		for j := range v.i64 {
			v.i64[j] = int64(bits[j>>3] >> (j & 7) & 1)
		}
	case format.Int32:
		in := data.Int32()
		if len(in) < present {
			return short(len(in))
		}
		v.i64 = leased[int64](mem, present)
		if p.typ.kind == kInt && p.typ.unsigned {
			for j, x := range in[:present] {
				v.i64[j] = int64(uint32(x))
			}
		} else {
			for j, x := range in[:present] {
				v.i64[j] = int64(x)
			}
		}
	case format.Int64:
		in := data.Int64()
		if len(in) < present {
			return short(len(in))
		}
		v.i64 = in[:present:present]
		if present == 0 {
			v.i64 = []int64{}
		}
	case format.Int96:
		in := data.Int96()
		if len(in) < present {
			return short(len(in))
		}
		v.offs = append(v.offs, 0)
		for _, x := range in[:present] {
			ns := int64(uint64(x[0]) | uint64(x[1])<<32)
			sec := (int64(int32(x[2])) - julianEpoch) * 86400
			sec += floorDiv(ns, 1e9)
			v.data = binary.BigEndian.AppendUint64(v.data, uint64(sec)^signBit)
			v.data = binary.BigEndian.AppendUint32(v.data, uint32(ns-floorDiv(ns, 1e9)*1e9))
			v.offs = append(v.offs, uint32(len(v.data)))
		}
	case format.Float:
		in := data.Float()
		if len(in) < present {
			return short(len(in))
		}
		v.i64 = leased[int64](mem, present)
		for j, x := range in[:present] {
			v.i64[j] = floatBits(float64(x))
		}
	case format.Double:
		in := data.Double()
		if len(in) < present {
			return short(len(in))
		}
		// The page is ours, and one NaN is as good as another.
		v.i64 = unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(in))), present)
		for j, x := range in[:present] {
			if x != x {
				v.i64[j] = nanBits
			}
		}
		if present == 0 {
			v.i64 = []int64{}
		}
	case format.ByteArray:
		v.data, v.offs = data.ByteArray()
		if len(v.offs) < present+1 {
			if present == 0 {
				v.offs = []uint32{0}
			} else {
				return short(len(v.offs) - 1)
			}
		}
		v.offs = v.offs[:present+1]
		return v.narrowDecimals(mem, p, present)
	case format.FixedLenByteArray:
		raw, size := data.FixedLenByteArray()
		if size <= 0 || len(raw)/size < present || len(raw) > math.MaxUint32 {
			return short(len(raw) / max(size, 1))
		}
		v.data, v.offs = raw, leased[uint32](mem, present+1)
		for j := range v.offs {
			v.offs[j] = uint32(j * size)
		}
		return v.narrowDecimals(mem, p, present)
	default:
		return fmt.Errorf("unknown physical type %v", p.elem.Type.V)
	}
	return nil
}

// narrowDecimals turns bytes into the raw form of types that are not bytes.
func (v *vec) narrowDecimals(mem *lease, p *pnode, present int) error {
	switch {
	case p.typ.kind == kInterval:
		out := make([]byte, 0, present*16)
		offs := []uint32{0}
		for j := range present {
			b := v.bytesAt(j)
			if len(b) != 12 {
				return errors.New("an interval is not 12 bytes")
			}
			out = appendInterval(out, int32(binary.LittleEndian.Uint32(b)), int32(binary.LittleEndian.Uint32(b[4:])),
				int64(binary.LittleEndian.Uint32(b[8:]))*1e6)
			offs = append(offs, uint32(len(out)))
		}
		v.data, v.offs, v.gap = out, offs, 0
	case p.typ.kind == kFloat:
		out := leased[int64](mem, present)
		for j := range out {
			b := v.bytesAt(j)
			if len(b) != 2 {
				return errors.New("a float16 is not 2 bytes")
			}
			out[j] = floatBits(halfFloat(binary.LittleEndian.Uint16(b)))
		}
		v.i64, v.data, v.offs = out, nil, nil
	case p.typ.kind == kDecimal && p.typ.prec <= 18:
		out := leased[int64](mem, present)
		for j := range out {
			i, ok := narrow(v.bytesAt(j))
			if !ok {
				return fmt.Errorf("a value has more digits than its type %s", p.typ)
			}
			out[j] = i
		}
		v.i64, v.data, v.offs = out, nil, nil
	}
	return nil
}

func halfFloat(h uint16) float64 {
	sign, exp, frac := float64(1), int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return math.Copysign(math.Ldexp(frac, -24), sign)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1+frac/1024, exp-15)
}

// roundHalf is the float16 next to f, the even one of two.
func roundHalf(f float64) float64 {
	if f-f != 0 { // NaN, infinite
		return f
	}
	_, exp := math.Frexp(f)
	step := math.Ldexp(1, max(exp-11, -24))
	if f = math.RoundToEven(f/step) * step; math.Abs(f) > 65504 {
		return math.Inf(int(math.Copysign(1, f)))
	}
	return f
}

// child is the field of a struct; nil when n is nil or has no such field.
func (n *pnode) child(name string) *pnode {
	if n == nil || n.typ.kind != kStruct {
		return nil
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}
