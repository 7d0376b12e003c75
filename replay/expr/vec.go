package expr

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

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
