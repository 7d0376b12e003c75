package parquet

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// impressions are rows like those that the join writes: unique and repeating text, random and regular numbers,
// a third of the matched side NULL.
func impressions(n int) (arrow.Record, []schema.Field) {
	r := rand.New(rand.NewPCG(1, 2))
	var fields []schema.Field
	var cols []arrow.Array
	text := func(name string, f func(i int) string) {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for i := range n {
			if s := f(i); s == "" {
				b.AppendNull()
			} else {
				b.Append(s)
			}
		}
		fields, cols = append(fields, schema.Field{Name: name, Type: schema.Type{Kind: schema.String}}), append(cols, b.NewArray())
	}
	number := func(name string, kind schema.Kind, f func(i int) int64) {
		t := schema.Type{Kind: kind}
		if kind == schema.Timestamp {
			t.Precision = 6
		}
		b := array.NewBuilder(memory.DefaultAllocator, t.Arrow())
		for i := range n {
			switch b := b.(type) {
			case *array.Int64Builder:
				b.Append(f(i))
			case *array.Int32Builder:
				b.Append(int32(f(i)))
			case *array.TimestampBuilder:
				b.Append(arrow.Timestamp(f(i)))
			case *array.Float64Builder:
				b.Append(float64(f(i)) / 1e6)
			}
		}
		fields, cols = append(fields, schema.Field{Name: name, Type: t}), append(cols, b.NewArray())
	}
	text("impression_id", func(i int) string { return fmt.Sprintf("imp-%010d", i) })
	number("profile_id", schema.BigInt, func(int) int64 { return r.Int64N(5_000_000) })
	number("title_id", schema.BigInt, func(int) int64 { return r.Int64N(20_000) })
	text("device_id", func(int) string { return fmt.Sprintf("dev-%012x", r.IntN(2_000_000)) })
	text("country", func(i int) string { return []string{"US", "BR", "GB", "IN"}[i%4] })
	number("shown_at", schema.Timestamp, func(i int) int64 { return 1_750_000_000_000_000 + int64(i)*8640 })
	number("rank", schema.Int, func(i int) int64 { return int64(i % 75) })
	text("page", func(int) string { return "home" })
	text("algo", func(i int) string { return fmt.Sprintf("row_ranker_v%d", i%9) })
	number("score", schema.Double, func(int) int64 { return r.Int64N(1_000_000) })
	text("playback_id", func(i int) string {
		if r.IntN(3) > 0 {
			return ""
		}
		return fmt.Sprintf("pb-%010d", i)
	})
	text("segment", func(int) string { return fmt.Sprintf("seg%d", r.IntN(50)) })
	return array.NewRecord(schema.ArrowSchema(fields), cols, int64(n)), fields
}

func BenchmarkRead(b *testing.B) {
	rec, fields := impressions(122880)
	data := write(b, fields, WriteOptions{RowGroupRows: 122880}, rec)
	for _, keep := range []bool{false, true} {
		b.Run(fmt.Sprintf("keep=%v", keep), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				f, err := Open(bytes.NewReader(data), int64(len(data)), "x")
				if err != nil {
					b.Fatal(err)
				}
				rd, err := f.Reader(fields, ReadOptions{KeepDictionary: keep})
				if err != nil {
					b.Fatal(err)
				}
				rows, err := rd.RowGroup(0)
				if err != nil {
					b.Fatal(err)
				}
				for {
					if _, err := rows.Next(32 << 10); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)*122880/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	rec, fields := impressions(122880)
	data := write(b, fields, WriteOptions{RowGroupRows: 122880}, rec)
	rd, err := openBytes(b, data, "x").Reader(fields, ReadOptions{KeepDictionary: true})
	if err != nil {
		b.Fatal(err)
	}
	for _, keep := range []bool{false, true} {
		var recs []arrow.Record
		rows, err := rd.RowGroup(0)
		if err != nil {
			b.Fatal(err)
		}
		for at := int64(0); ; {
			kept, err := rows.Next(32 << 10)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if keep {
				recs = append(recs, kept)
			} else {
				recs = append(recs, rec.NewSlice(at, at+kept.NumRows()))
			}
			at += kept.NumRows()
		}
		b.Run(fmt.Sprintf("keep=%v", keep), func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = len(write(b, fields, WriteOptions{RowGroupRows: 122880}, recs...))
			}
			b.ReportMetric(float64(b.N)*122880/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size)/122880, "bytes/row")
		})
	}
}
