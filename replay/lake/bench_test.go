package lake

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// benchLake writes rows of four partitions as an own capture would: files by time, partitions mixed.
func benchLake(b *testing.B, rows int) string {
	dir := b.TempDir()
	all := randomRows(rand.New(rand.NewPCG(1, 1)), rows, 4)
	for i := 0; i < len(all); i += 250_000 {
		writeFile(b, filepath.Join(dir, fmt.Sprintf("%09d.parquet", i)), fileBytes(b, all[i:min(len(all), i+250_000)], true, 50_000))
	}
	return dir
}

func BenchmarkSource(b *testing.B) {
	const rows = 1_000_000
	dir := benchLake(b, rows)
	for _, mode := range []Mode{Batch, Stream} {
		for _, size := range []int{8 << 10, 32 << 10} {
			b.Run(fmt.Sprintf("mode=%d/block=%d", mode, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					src, err := NewSource(context.Background(), SourceOptions{Place: dir, Time: "at", Mode: mode, BlockRows: size})
					if err != nil {
						b.Fatal(err)
					}
					for {
						if _, err := src.Next(context.Background()); err == io.EOF {
							break
						} else if err != nil {
							b.Fatal(err)
						}
					}
					src.Close()
				}
				b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
