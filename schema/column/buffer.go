package column

import (
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// MaxBytes bounds what one buffer takes between two flushes: Arrow's text and lists have 32-bit offsets.
const MaxBytes = math.MaxInt32

// Buffer collects the values of one column. The slice that belongs to the type's kind may be appended to
// directly, which appends a value that is not NULL; a NULL goes through AppendNull.
type Buffer struct {
	Name string // the path, for errors: address.city
	Type schema.Type

	Bool []byte           // Boolean: 0 or 1
	I16  []int16          // SmallInt
	I32  []int32          // Int, Date
	I64  []int64          // BigInt, Timestamp
	F32  []float32        // Float
	F64  []float64        // Double
	Dec  []decimal128.Num // Decimal
	Data []byte           // String, Bytes: what the offsets point into
	// Offsets of String, Bytes, Array, Map start with a 0 and have the end of each value.
	Offsets []int32
	// Kids are the fields of a Row, the element of an Array, the key and the value of a Map.
	Kids []*Buffer

	rows  int // of a Row or a Null, which have no values of their own
	nulls []int32
}

// New makes a buffer for each field.
func New(fields []schema.Field) []*Buffer {
	out := make([]*Buffer, len(fields))
	for i, f := range fields {
		out[i] = newBuffer(f.Name, f.Type)
	}
	return out
}

func newBuffer(name string, t schema.Type) *Buffer {
	b := &Buffer{Name: name, Type: t}
	switch t.Kind {
	case schema.String, schema.Bytes:
		b.Offsets = []int32{0}
	case schema.Array:
		b.Offsets = []int32{0}
		b.Kids = []*Buffer{newBuffer(name+"[]", *t.Elem)}
	case schema.Map:
		b.Offsets = []int32{0}
		b.Kids = []*Buffer{newBuffer(name+" key", *t.Key), newBuffer(name+"{}", *t.Elem)}
	case schema.Row:
		for _, f := range t.Fields {
			b.Kids = append(b.Kids, newBuffer(name+"."+f.Name, f.Type))
		}
	}
	return b
}

// Len is the number of values, NULLs included.
func (b *Buffer) Len() int {
	switch b.Type.Kind {
	case schema.Boolean:
		return len(b.Bool)
	case schema.SmallInt:
		return len(b.I16)
	case schema.Int, schema.Date:
		return len(b.I32)
	case schema.BigInt, schema.Timestamp:
		return len(b.I64)
	case schema.Float:
		return len(b.F32)
	case schema.Double:
		return len(b.F64)
	case schema.Decimal:
		return len(b.Dec)
	case schema.String, schema.Bytes, schema.Array, schema.Map:
		return len(b.Offsets) - 1
	}
	return b.rows
}

// AppendNull appends a NULL, to the fields of a Row as well.
func (b *Buffer) AppendNull() {
	if b.Type.Kind == schema.Null {
		b.rows++
		return
	}
	b.nulls = append(b.nulls, int32(b.Len()))
	switch b.Type.Kind {
	case schema.Boolean:
		b.Bool = append(b.Bool, 0)
	case schema.SmallInt:
		b.I16 = append(b.I16, 0)
	case schema.Int, schema.Date:
		b.I32 = append(b.I32, 0)
	case schema.BigInt, schema.Timestamp:
		b.I64 = append(b.I64, 0)
	case schema.Float:
		b.F32 = append(b.F32, 0)
	case schema.Double:
		b.F64 = append(b.F64, 0)
	case schema.Decimal:
		b.Dec = append(b.Dec, decimal128.Num{})
	case schema.Row:
		b.rows++
		for _, k := range b.Kids {
			k.AppendNull()
		}
	default:
		b.Offsets = append(b.Offsets, b.Offsets[len(b.Offsets)-1])
	}
}

// AppendBytes appends a value of a String or Bytes; the caller answers for UTF-8 and for MaxBytes.
func (b *Buffer) AppendBytes(v []byte) {
	b.Data = append(b.Data, v...)
	b.Offsets = append(b.Offsets, int32(len(b.Data)))
}

// End ends a value of a String or Bytes whose bytes were appended to Data, of an Array or Map whose elements
// were appended to Kids, or of a Row whose fields were.
func (b *Buffer) End() {
	switch b.Type.Kind {
	case schema.String, schema.Bytes:
		b.Offsets = append(b.Offsets, int32(len(b.Data)))
	case schema.Array, schema.Map:
		b.Offsets = append(b.Offsets, int32(b.Kids[0].Len()))
	default:
		b.rows++
	}
}

// Truncate forgets every value from the nth on, of which some fields or elements may be there already.
func (b *Buffer) Truncate(n int) {
	for len(b.nulls) > 0 && int(b.nulls[len(b.nulls)-1]) >= n {
		b.nulls = b.nulls[:len(b.nulls)-1]
	}
	switch b.Type.Kind {
	case schema.Boolean:
		b.Bool = b.Bool[:min(n, len(b.Bool))]
	case schema.SmallInt:
		b.I16 = b.I16[:min(n, len(b.I16))]
	case schema.Int, schema.Date:
		b.I32 = b.I32[:min(n, len(b.I32))]
	case schema.BigInt, schema.Timestamp:
		b.I64 = b.I64[:min(n, len(b.I64))]
	case schema.Float:
		b.F32 = b.F32[:min(n, len(b.F32))]
	case schema.Double:
		b.F64 = b.F64[:min(n, len(b.F64))]
	case schema.Decimal:
		b.Dec = b.Dec[:min(n, len(b.Dec))]
	case schema.String, schema.Bytes:
		b.Offsets = b.Offsets[:min(n+1, len(b.Offsets))]
		b.Data = b.Data[:b.Offsets[len(b.Offsets)-1]]
	case schema.Array, schema.Map:
		b.Offsets = b.Offsets[:min(n+1, len(b.Offsets))]
		for _, k := range b.Kids {
			k.Truncate(int(b.Offsets[len(b.Offsets)-1]))
		}
	default:
		b.rows = min(n, b.rows)
		for _, k := range b.Kids {
			k.Truncate(b.rows)
		}
	}
}

// Record hands the buffers' rows to Arrow, without a copy, and starts them anew with as much room as they
// had filled. Every buffer must hold just that many rows.
func Record(s *arrow.Schema, cols []*Buffer, rows int) arrow.Record {
	arrays := make([]arrow.Array, len(cols))
	for i, c := range cols {
		arrays[i] = array.MakeFromData(c.flush())
	}
	return array.NewRecord(s, arrays, int64(rows))
}

func (b *Buffer) flush() arrow.ArrayData {
	n := b.Len()
	valid := b.validity(n)
	nulls := len(b.nulls)
	b.nulls = b.nulls[:0]
	dt := b.Type.Arrow()
	fixed := func(values []byte) arrow.ArrayData {
		return array.NewData(dt, n, []*memory.Buffer{valid, memory.NewBufferBytes(values)}, nil, nulls, 0)
	}
	switch b.Type.Kind {
	case schema.Null:
		b.rows = 0
		return array.NewData(dt, n, []*memory.Buffer{nil}, nil, n, 0)
	case schema.Boolean:
		bits := make([]byte, (n+7)/8)
		for i, v := range b.Bool {
			bits[i>>3] |= v << (i & 7)
		}
		b.Bool = b.Bool[:0]
		return fixed(bits)
	case schema.SmallInt:
		return fixed(arrow.Int16Traits.CastToBytes(take(&b.I16)))
	case schema.Int, schema.Date:
		return fixed(arrow.Int32Traits.CastToBytes(take(&b.I32)))
	case schema.BigInt, schema.Timestamp:
		return fixed(arrow.Int64Traits.CastToBytes(take(&b.I64)))
	case schema.Float:
		return fixed(arrow.Float32Traits.CastToBytes(take(&b.F32)))
	case schema.Double:
		return fixed(arrow.Float64Traits.CastToBytes(take(&b.F64)))
	case schema.Decimal:
		return fixed(arrow.Decimal128Traits.CastToBytes(take(&b.Dec)))
	case schema.Row:
		b.rows = 0
		kids := make([]arrow.ArrayData, len(b.Kids))
		for i, k := range b.Kids {
			kids[i] = k.flush()
		}
		return array.NewData(dt, n, []*memory.Buffer{valid}, kids, nulls, 0)
	}
	offsets := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(take(&b.Offsets)))
	b.Offsets = append(b.Offsets, 0)
	switch b.Type.Kind {
	case schema.Array:
		return array.NewData(dt, n, []*memory.Buffer{valid, offsets}, []arrow.ArrayData{b.Kids[0].flush()}, nulls, 0)
	case schema.Map:
		entries := b.Kids[0].Len()
		pair := array.NewData(dt.(*arrow.MapType).Elem(), entries, []*memory.Buffer{nil},
			[]arrow.ArrayData{b.Kids[0].flush(), b.Kids[1].flush()}, 0, 0)
		return array.NewData(dt, n, []*memory.Buffer{valid, offsets}, []arrow.ArrayData{pair}, nulls, 0)
	}
	return array.NewData(dt, n, []*memory.Buffer{valid, offsets, memory.NewBufferBytes(take(&b.Data))}, nil, nulls, 0)
}

// take gives the values away and leaves an empty slice with room for as many and a few more, so that a block
// that is a little longer than the last is not copied. Where a block is much shorter than the last it gives a copy: who holds
// the values shall not hold room for others.
func take[T any](p *[]T) []T {
	v := *p
	switch {
	case len(v) >= cap(v)/8*7:
		*p = make([]T, 0, len(v)+len(v)/16)
		return v
	case len(v) >= cap(v)/16:
		*p = v[:0]
	default:
		*p = nil // one block was so large, and none may come again
	}
	return append(make([]T, 0, len(v)), v...)
}

// validity is Arrow's bitmap, nil when nothing is NULL.
func (b *Buffer) validity(n int) *memory.Buffer {
	if len(b.nulls) == 0 {
		return nil
	}
	bits := make([]byte, (n+7)/8)
	for i := range bits {
		bits[i] = 0xff
	}
	for _, i := range b.nulls {
		bits[i>>3] &^= 1 << (i & 7)
	}
	return memory.NewBufferBytes(bits)
}

// Repeats finds a key of a map, from the given one on, that came before among them; -1 if there is none.
func (b *Buffer) Repeats(first int) int {
	switch b.Type.Kind {
	case schema.Boolean:
		return repeats(b.Bool, first)
	case schema.SmallInt:
		return repeats(b.I16, first)
	case schema.Int, schema.Date:
		return repeats(b.I32, first)
	case schema.BigInt, schema.Timestamp:
		return repeats(b.I64, first)
	case schema.Float:
		return repeats(b.F32, first)
	case schema.Double:
		return repeats(b.F64, first)
	case schema.Decimal:
		return repeats(b.Dec, first)
	case schema.String, schema.Bytes:
	default:
		return -1
	}
	return repeated(first, b.Len(), func(i int) string {
		text := b.Data[b.Offsets[i]:b.Offsets[i+1]]
		return unsafe.String(unsafe.SliceData(text), len(text))
	})
}

func repeats[T comparable](keys []T, first int) int {
	return repeated(first, len(keys), func(i int) T { return keys[i] })
}

// repeated finds a key among those from first up to n that came before among them; -1 if there is none.
func repeated[T comparable](first, n int, key func(i int) T) int {
	if n-first <= 16 {
		for i := first + 1; i < n; i++ {
			for j := first; j < i; j++ {
				if key(i) == key(j) {
					return i
				}
			}
		}
		return -1
	}
	seen := make(map[T]struct{}, n-first)
	for i := first; i < n; i++ {
		if _, ok := seen[key(i)]; ok {
			return i
		}
		seen[key(i)] = struct{}{}
	}
	return -1
}
