package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// fill appends a random value to a builder, or NULL where it may be.
func fill(rng *rand.Rand, b array.Builder, null bool) {
	if null && rng.IntN(5) == 0 {
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
			fill(rng, b.FieldBuilder(k), true)
		}
	case *array.MapBuilder:
		b.Append(true)
		for i := range rng.IntN(4) {
			b.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint("key ", i))
			fill(rng, b.ItemBuilder(), true)
		}
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			fill(rng, b.ValueBuilder(), true)
		}
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

// TestRowsKeepEveryType writes rows of every type that a column may have to disk, of so many columns that one number does not
// say which are NULL, and compares them with what is read back, in any order.
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
	types = slices.Concat(types, types, types)
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 8))
		s := NewStore(1, types, 1)
		s.Describe(nil, []int{4})
		d, err := NewDisk(t.Context(), t.TempDir(), 0)
		if err != nil {
			t.Fatal(err)
		}
		s.SpillTo(d)
		var want []Column
		for b := range 3 { // segments, of which some have no NULL
			n := 1 + rng.IntN(2*blockRows)
			cols := make([]Column, len(types))
			for i, dt := range types {
				build := array.NewBuilder(memory.DefaultAllocator, dt)
				from := rng.IntN(3)
				for range from + n {
					fill(rng, build, rng.IntN(3) > 0 && (b+i)%2 == 0)
				}
				cols[i] = View(array.NewSlice(build.NewArray(), int64(from), int64(from+n)))
			}
			rows, hashes := make([]int32, n), make([]uint64, n)
			for i := range rows {
				rows[i], hashes[i] = int32(i), rng.Uint64()
			}
			seg := s.Add(cols, cols[4:5], make([]int64, n), nil, nil, 1)
			s.Insert(seg, rows, hashes, nil)
			s.Unpin(seg)
			for i := range cols {
				if b == 0 {
					want = append(want, cols[i].empty())
				}
				for row := range n {
					if cols[i].Null(row) {
						want[i].takeNull()
					} else {
						want[i].take(cols[i].put(nil, row))
					}
				}
			}
		}
		if err := s.Balance(nil); err != nil {
			t.Fatal(err)
		}
		if _, n := s.Spilled(); n != s.Rows() {
			t.Fatalf("seed %d: %d of %d rows are on disk", seed, n, s.Rows())
		}
		var rows []Row
		for i := range int32(s.Rows()) {
			rows = append(rows, Row{Entry: Entry{s.buckets[0], i}})
		}
		for range 2 {
			for some := range slices.Chunk(rows, 1+rng.IntN(2*blockRows)) {
				if err := s.load(some); err != nil {
					t.Fatal(err)
				}
				for _, r := range some {
					for i := range types {
						got := s.Column(i)[r.Ref.Segment]
						if !want[i].Identical(int(r.i), got, int(r.Ref.Row)) {
							t.Fatalf("seed %d, %s: row %d, %s, came back as %s", seed, types[i], r.i, want[i].Text(int(r.i)), got.Text(int(r.Ref.Row)))
						}
					}
				}
				s.Unload()
			}
			rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		}
	}
}
