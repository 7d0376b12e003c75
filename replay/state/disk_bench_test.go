package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// BenchmarkDisk writes 1 M rows of eight numbers, a text of 20 bytes, and one that is NULL now and then, to disk; and reads them
// back, in their order and one by one.
func BenchmarkDisk(b *testing.B) {
	const rows, block = 1 << 20, 1 << 13
	var types []arrow.DataType
	for range 8 {
		types = append(types, arrow.PrimitiveTypes.Int64)
	}
	types = append(types, arrow.BinaryTypes.String, arrow.BinaryTypes.String)
	rng := rand.New(rand.NewPCG(1, 1))
	var blocks [][]Column
	for range rows / block {
		var cols []Column
		for range 8 {
			bits := 8 + rng.IntN(40)
			v := make([]int64, block)
			for i := range v {
				v[i] = rng.Int64N(1 << bits)
			}
			cols = append(cols, int64s(v))
		}
		for range 2 {
			text := array.NewStringBuilder(memory.DefaultAllocator)
			for range block {
				if len(cols) == 9 && rng.IntN(10) == 0 {
					text.AppendNull()
				} else {
					text.Append(fmt.Sprintf("text %015d", rng.Int64N(1e12)))
				}
			}
			cols = append(cols, View(text.NewArray()))
		}
		blocks = append(blocks, cols)
	}
	row := make([]int32, block)
	for i := range row {
		row[i] = int32(i)
	}
	fill := func() *Store {
		s := NewStore(rows, types, 1)
		s.Describe(nil, []int{0})
		d, err := NewDisk(b.Context(), b.TempDir(), 0)
		if err != nil {
			b.Fatal(err)
		}
		s.SpillTo(d)
		hashes := make([]uint64, block)
		for n, cols := range blocks {
			times := make([]int64, block)
			for i := range times {
				times[i] = int64(n*block + i)
			}
			Hash(cols[:1], block, hashes)
			seg := s.Add(cols, cols[:1], times, nil, nil, 120*block)
			s.Insert(seg, row, hashes, nil)
			s.Unpin(seg)
		}
		return s
	}
	spill := func(s *Store) {
		for s.held > 0 {
			if err := s.spill(mostSpill); err != nil {
				b.Fatal(err)
			}
		}
		if _, n := s.Spilled(); n != rows {
			b.Fatalf("%d of %d rows are on disk", n, rows)
		}
	}
	b.Run("write", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			s := fill()
			b.StartTimer()
			spill(s)
			b.ReportMetric(float64(s.packed)/rows, "bytes/row")
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	})
	s := fill()
	spill(s)
	var all []Row
	for i := range int32(rows) {
		all = append(all, Row{Entry: Entry{s.buckets[0], i}})
	}
	mixed := slices.Clone(all)
	rng.Shuffle(rows, func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for _, order := range []struct {
		name string
		rows []Row
	}{{"read in order", all}, {"read one by one", mixed}} {
		b.Run(order.name, func(b *testing.B) {
			for range b.N {
				for some := range slices.Chunk(order.rows, sweepRows) {
					if err := s.load(some); err != nil {
						b.Fatal(err)
					}
					s.Unload()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
