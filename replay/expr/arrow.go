package expr

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

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
	case *array.Dictionary:
		ok = (t.Kind == schema.String || t.Kind == schema.Bytes) && v.loadCodes(c, n)
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

// loadCodes takes text that comes as a dictionary of int32.
func (v *vec) loadCodes(a *array.Dictionary, n int) bool {
	codes, ok := a.Indices().(*array.Int32)
	text, isText := a.Dictionary().(interface{ ValueOffsets() []int32 })
	if !ok || !isText {
		return false
	}
	words := vec{}
	if k := a.Dictionary().Len(); k > 0 {
		words.loadText(text.ValueOffsets(), a.Dictionary(), k)
	}
	v.s = grown(v.s, n)
	for i, x := range codes.Int32Values()[:n] {
		if v.s[i] = ""; v.null == nil || !v.null[i] {
			v.s[i] = words.s[x]
		}
	}
	return true
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
