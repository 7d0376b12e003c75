package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// fill appends a random value to a builder, or NULL.
func fill(rng *rand.Rand, b array.Builder) {
	if rng.IntN(5) == 0 {
		b.AppendNull()
		return
	}
	whole := int64(rng.Uint64()) >> rng.IntN(64)
	switch b := b.(type) {
	case *array.NullBuilder:
		b.AppendNull()
	case *array.BooleanBuilder:
		b.Append(whole&1 == 1)
	case *array.Int16Builder:
		b.Append(int16(whole))
	case *array.Int32Builder:
		b.Append(int32(whole))
	case *array.Int64Builder:
		b.Append(whole)
	case *array.Date32Builder:
		b.Append(arrow.Date32(whole))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(whole))
	case *array.Float32Builder:
		b.Append(math.Float32frombits(uint32(whole)))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(rng.Uint64()))
	case *array.Decimal128Builder:
		b.Append(decimal128.New(whole, rng.Uint64()))
	case *array.StringBuilder:
		b.Append(strings.Repeat("é", rng.IntN(30)))
	case *array.BinaryBuilder:
		b.Append(make([]byte, rng.IntN(300)))
	case *array.StructBuilder:
		b.Append(true)
		for k := range b.NumField() {
			fill(rng, b.FieldBuilder(k))
		}
	case *array.MapBuilder:
		b.Append(true)
		for i := range rng.IntN(4) {
			b.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint("key ", i))
			fill(rng, b.ItemBuilder())
		}
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			fill(rng, b.ValueBuilder())
		}
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

// TestRowsKeepEveryType writes rows of every type that a column may have, takes them into columns that were used before, and
// compares.
func TestRowsKeepEveryType(t *testing.T) {
	p := arrow.PrimitiveTypes
	types := []arrow.DataType{
		arrow.Null, arrow.FixedWidthTypes.Boolean, p.Int16, p.Int32, p.Int64, p.Float32, p.Float64, arrow.FixedWidthTypes.Date32,
		arrow.FixedWidthTypes.Timestamp_us, &arrow.Decimal128Type{Precision: 38, Scale: 3}, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
	}
	for _, inner := range types[1:] {
		types = append(types, arrow.ListOf(inner))
	}
	types = append(types,
		arrow.MapOf(arrow.BinaryTypes.String, p.Int64),
		arrow.StructOf(arrow.Field{Name: "a", Type: p.Int64, Nullable: true}, arrow.Field{Name: "b", Type: arrow.BinaryTypes.String, Nullable: true}),
		arrow.ListOf(arrow.ListOf(arrow.StructOf(arrow.Field{Name: "x", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}, arrow.Field{Name: "y", Type: arrow.ListOf(p.Int32), Nullable: true}))),
	)
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 8))
		for _, dt := range types {
			b := array.NewBuilder(memory.DefaultAllocator, dt)
			n := 1 + rng.IntN(40)
			for range n {
				fill(rng, b)
			}
			whole := b.NewArray()
			from := rng.IntN(n)
			c := View(array.NewSlice(whole, int64(from), int64(n)))
			into := c.empty()
			for range 2 {
				var ends []int
				var bytes []byte
				for i := range c.n {
					if !c.Null(i) {
						bytes = c.put(bytes, i)
					}
					ends = append(ends, len(bytes))
				}
				into.clear()
				for i := range c.n {
					if c.Null(i) {
						into.takeNull()
						continue
					}
					if bytes = into.take(bytes); len(bytes) != ends[c.n-1]-ends[i] {
						t.Fatalf("seed %d, %s: row %d is followed by %d bytes, want %d", seed, dt, i, len(bytes), ends[c.n-1]-ends[i])
					}
				}
				for i := range c.n {
					if !c.Identical(i, &into, i) || into.Null(i) != c.Null(i) {
						t.Fatalf("seed %d, %s: row %d of %v came back as %s", seed, dt, i, c.Text(i), into.Text(i))
					}
				}
			}
		}
	}
}
