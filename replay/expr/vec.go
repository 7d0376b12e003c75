package expr

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// vec is a column under evaluation. Its values stand at the positions of their rows; only rows that were
// selected have one, the rest is whatever was there before. NULL rows have a value that means nothing.
// A byte per row for NULL and BOOLEAN, and a header per text, cost a pass at either end and make every kernel
// one plain loop; texts can then be cut and chosen without copying.
type vec struct {
	// m is -1 when there is a value per row, and 0 when the value at 0 is that of all: row i is at i&m.
	m    int
	null []bool // nil: none is NULL
	b    []bool
	i16  []int16
	i32  []int32
	i64  []int64
	f32  []float32
	f64  []float64
	dec  []decimal128.Num
	s    []string // text and bytes
	// arr is, of a column, the column itself. A nested value is at arr[idx[i]], or at arr[i] when idx is nil.
	arr arrow.Array
	idx []int32

	nulls []bool // memory kept for null
}

func (v *vec) isNull(i int) bool { return v.null != nil && v.null[i&v.m] }

// grown is s with n elements, whose values mean nothing.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/8)
	}
	return s[:n]
}

// clearNulls gives v a NULL flag for each of n rows, none set.
func (v *vec) clearNulls(n int) {
	v.nulls = grown(v.nulls, n)
	clear(v.nulls)
	v.null = v.nulls
}

// merge makes a row NULL when it is so in one of the arguments.
func (v *vec) merge(n int, args ...*vec) {
	v.null = nil
	for _, a := range args {
		switch {
		case a.null == nil:
		case a.m == 0:
			if a.null[0] {
				v.clearNulls(n)
				for i := range v.null {
					v.null[i] = true
				}
				return
			}
		case v.null == nil:
			v.nulls = grown(v.nulls, n)
			copy(v.nulls, a.null[:n])
			v.null = v.nulls
		default:
			orBytes(v.null, a.null[:n])
		}
	}
}

func boolBytes(b []bool) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func orBytes(dst, src []bool) {
	d, s := boolBytes(dst), boolBytes(src)
	i := 0
	for ; i+8 <= len(d); i += 8 {
		binary.LittleEndian.PutUint64(d[i:], binary.LittleEndian.Uint64(d[i:])|binary.LittleEndian.Uint64(s[i:]))
	}
	for ; i < len(d); i++ {
		d[i] |= s[i]
	}
}

// unpack writes n bits from offset on as bytes, inverted when flip.
func unpack(dst []bool, bits []byte, offset, n int, flip bool) {
	i := 0
	for ; i < n && (offset+i)%8 != 0; i++ {
		dst[i] = bitutil.BitIsSet(bits, offset+i) != flip
	}
	var mask uint64
	if flip {
		mask = 0x0101010101010101
	}
	d := boolBytes(dst)
	for ; i+8 <= n; i += 8 {
		x := uint64(bits[(offset+i)/8]) * 0x0101010101010101 & 0x8040201008040201
		x = (x + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101
		binary.LittleEndian.PutUint64(d[i:], x^mask)
	}
	for ; i < n; i++ {
		dst[i] = bitutil.BitIsSet(bits, offset+i) != flip
	}
}

// pack is the opposite of unpack; it also counts the bits that are set.
func pack(src []bool, flip bool) (bits []byte, set int) {
	n := len(src)
	bits = make([]byte, (n+7)/8)
	var mask uint64
	if flip {
		mask = 0x0101010101010101
	}
	s := boolBytes(src)
	i := 0
	for ; i+8 <= n; i += 8 {
		x := binary.LittleEndian.Uint64(s[i:]) ^ mask
		bits[i/8] = byte(x * 0x0102040810204080 >> 56)
	}
	for ; i < n; i++ {
		if src[i] != flip {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits, bitutil.CountSetBits(bits, 0, n)
}

// load makes v the column a, borrowed: numbers are not copied.
func (v *vec) load(a arrow.Array, t schema.Type, n int) error {
	v.m, v.arr, v.null = -1, a, nil
	if a.Len() < n {
		return fmt.Errorf("a column of %s has %d rows, not %d", t, a.Len(), n)
	}
	if a.NullN() > 0 && a.DataType().ID() != arrow.NULL {
		v.nulls = grown(v.nulls, n)
		unpack(v.nulls, a.NullBitmapBytes(), a.Data().Offset(), n, true)
		v.null = v.nulls
	}
	ok := true
	switch c := a.(type) {
	case *array.Null:
		ok = t.Kind == schema.Null
		v.clearNulls(n)
		for i := range v.null {
			v.null[i] = true
		}
	case *array.Boolean:
		ok = t.Kind == schema.Boolean
		v.b = grown(v.b, n)
		if n > 0 {
			unpack(v.b, a.Data().Buffers()[1].Bytes(), a.Data().Offset(), n, false)
		}
	case *array.Int16:
		v.i16, ok = c.Int16Values(), t.Kind == schema.SmallInt
	case *array.Int32:
		v.i32, ok = c.Int32Values(), t.Kind == schema.Int
	case *array.Int64:
		v.i64, ok = c.Int64Values(), t.Kind == schema.BigInt
	case *array.Float32:
		v.f32, ok = c.Float32Values(), t.Kind == schema.Float
	case *array.Float64:
		v.f64, ok = c.Float64Values(), t.Kind == schema.Double
	case *array.Decimal128:
		v.dec, ok = c.Values(), t.Kind == schema.Decimal && a.DataType().(*arrow.Decimal128Type).Scale == int32(t.Scale)
	case *array.Date32:
		ok = t.Kind == schema.Date
		d := c.Date32Values()
		v.i32 = unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(d))), len(d))
	case *array.Timestamp:
		ok = t.Kind == schema.Timestamp && a.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond
		d := c.TimestampValues()
		v.i64 = unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(d))), len(d))
	case *array.String:
		ok = t.Kind == schema.String
		if n > 0 {
			v.loadText(c.ValueOffsets(), a, n)
		}
	case *array.Binary:
		ok = t.Kind == schema.Bytes
		if n > 0 {
			v.loadText(c.ValueOffsets(), a, n)
		}
	default:
		v.idx = nil
		ok = isNested(t.Kind)
	}
	if !ok {
		return fmt.Errorf("a column is %s where the plan says %s", a.DataType(), t)
	}
	return nil
}

func (v *vec) loadText(offsets []int32, a arrow.Array, n int) {
	v.s = grown(v.s, n)
	var data []byte
	if b := a.Data().Buffers()[2]; b != nil {
		data = b.Bytes()
	}
	base := unsafe.Pointer(unsafe.SliceData(data))
	lo := offsets[0]
	for i, hi := range offsets[1 : n+1] {
		if lo == hi {
			v.s[i] = ""
		} else {
			v.s[i] = unsafe.String((*byte)(unsafe.Add(base, lo)), int(hi-lo))
		}
		lo = hi
	}
}

// array is v as an Arrow array of n rows that shares no memory with it: plain numbers are handed over and
// forgotten, texts are copied.
func (v *vec) array(t schema.Type, n int) (arrow.Array, error) {
	if v.arr != nil && v.idx == nil && (!isNested(t.Kind) || v.null == nil) && v.m == -1 {
		return whole(v.arr, n), nil
	}
	if t.Kind == schema.Null {
		return array.NewNull(n), nil
	}
	if isNested(t.Kind) {
		return v.nested(t, n)
	}
	var validity *memory.Buffer
	nulls := 0
	if v.null != nil {
		flags := v.null
		if v.m == 0 {
			flags = repeat(v.null[0], n)
		}
		bits, valid := pack(flags[:n], true)
		if nulls = n - valid; nulls > 0 {
			validity = memory.NewBufferBytes(bits)
		}
	}
	buffers := []*memory.Buffer{validity}
	switch t.Kind {
	case schema.Boolean:
		bits, _ := pack(spread(v.b, v.m, n), false)
		buffers = append(buffers, memory.NewBufferBytes(bits))
	case schema.SmallInt:
		buffers = append(buffers, raw(&v.i16, v.m, n))
	case schema.Int, schema.Date:
		buffers = append(buffers, raw(&v.i32, v.m, n))
	case schema.BigInt, schema.Timestamp:
		buffers = append(buffers, raw(&v.i64, v.m, n))
	case schema.Float:
		buffers = append(buffers, raw(&v.f32, v.m, n))
	case schema.Double:
		buffers = append(buffers, raw(&v.f64, v.m, n))
	case schema.Decimal:
		buffers = append(buffers, raw(&v.dec, v.m, n))
	default:
		offsets, data, err := v.textBuffers(n)
		if err != nil {
			return nil, err
		}
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data))
	}
	return array.MakeFromData(array.NewData(t.Arrow(), n, buffers, nil, nulls, 0)), nil
}

func whole(a arrow.Array, n int) arrow.Array {
	if a.Len() > n {
		return array.NewSlice(a, 0, int64(n))
	}
	a.Retain()
	return a
}

func (v *vec) textBuffers(n int) (offsets []int32, data []byte, err error) {
	var total int
	for i := range n {
		if !v.isNull(i) {
			total += len(v.s[i&v.m])
		}
	}
	if total > math.MaxInt32 {
		return nil, nil, fmt.Errorf("%d bytes of text in one block of %d rows are more than a column holds", total, n)
	}
	offsets = make([]int32, n+1)
	data = make([]byte, 0, total)
	for i := range n {
		if !v.isNull(i) {
			data = append(data, v.s[i&v.m]...)
		}
		offsets[i+1] = int32(len(data))
	}
	return offsets, data, nil
}

func repeat[T any](x T, n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = x
	}
	return out
}

func spread[T any](s []T, m, n int) []T {
	if m == 0 {
		var x T
		if len(s) > 0 {
			x = s[0]
		}
		return repeat(x, n)
	}
	return s[:n]
}

// raw takes the values out of a vector. Its scratch memory becomes the array's; the next run allocates anew.
func raw[T any](s *[]T, m, n int) *memory.Buffer {
	values := spread(*s, m, n)
	if m != 0 {
		*s = nil
	}
	if n == 0 {
		return memory.NewBufferBytes(nil)
	}
	var z T
	return memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), n*int(unsafe.Sizeof(z))))
}

// fixed are the types that a vector holds in a slice of plain values.
type fixed interface {
	bool | int16 | int32 | int64 | float32 | float64 | decimal128.Num | string
}

// values is the slice of v that holds values of type T.
func values[T fixed](v *vec) *[]T {
	var z *[]T
	switch any(z).(type) {
	case *[]bool:
		return any(&v.b).(*[]T)
	case *[]int16:
		return any(&v.i16).(*[]T)
	case *[]int32:
		return any(&v.i32).(*[]T)
	case *[]int64:
		return any(&v.i64).(*[]T)
	case *[]float32:
		return any(&v.f32).(*[]T)
	case *[]float64:
		return any(&v.f64).(*[]T)
	case *[]decimal128.Num:
		return any(&v.dec).(*[]T)
	}
	return any(&v.s).(*[]T)
}

// room gives v a value of type T for each of n rows.
func room[T fixed](v *vec, n int) []T {
	s := values[T](v)
	*s = grown(*s, n)
	return *s
}

// constant is the vector of a literal.
func constant(value any, t schema.Type) (*vec, error) {
	v := &vec{}
	set := func(ok bool) (*vec, error) {
		if !ok {
			return nil, fmt.Errorf("a literal of type %s holds a %T", t, value)
		}
		return v, nil
	}
	if value == nil {
		v.null = []bool{true}
	}
	var ok bool
	var whole int64
	switch t.Kind {
	case schema.Null:
		v.b = []bool{false}
		if iv, is := value.(Interval); is {
			v.null = nil
			v.i64 = []int64{iv.Months + iv.Micros}
		}
		return v, nil
	case schema.Boolean:
		v.b = make([]bool, 1)
		v.b[0], ok = value.(bool)
	case schema.SmallInt:
		whole, ok = value.(int64)
		v.i16 = []int16{int16(whole)}
	case schema.Int, schema.Date:
		whole, ok = value.(int64)
		v.i32 = []int32{int32(whole)}
	case schema.BigInt, schema.Timestamp:
		whole, ok = value.(int64)
		v.i64 = []int64{whole}
	case schema.Float:
		var f float64
		f, ok = value.(float64)
		v.f32 = []float32{float32(f)}
	case schema.Double:
		v.f64 = make([]float64, 1)
		v.f64[0], ok = value.(float64)
	case schema.Decimal:
		v.dec = make([]decimal128.Num, 1)
		v.dec[0], ok = value.(decimal128.Num)
	case schema.String:
		v.s = make([]string, 1)
		v.s[0], ok = value.(string)
	case schema.Bytes:
		var b []byte
		b, ok = value.([]byte)
		v.s = []string{string(b)}
	default:
		return v, nil
	}
	return set(ok || value == nil)
}

// at is the value of a row as Node.Value has it.
func (v *vec) at(i int, t schema.Type) any {
	if v.isNull(i) {
		return nil
	}
	i &= v.m
	switch t.Kind {
	case schema.Boolean:
		return v.b[i]
	case schema.SmallInt:
		return int64(v.i16[i])
	case schema.Int, schema.Date:
		return int64(v.i32[i])
	case schema.BigInt, schema.Timestamp:
		return v.i64[i]
	case schema.Float:
		return float64(v.f32[i])
	case schema.Double:
		return v.f64[i]
	case schema.Decimal:
		return v.dec[i]
	case schema.String:
		return string(append([]byte{}, v.s[i]...))
	case schema.Bytes:
		return append([]byte{}, v.s[i]...)
	}
	return nil
}
