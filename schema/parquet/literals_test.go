package parquet

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestLiteralFramesAreZstd packs pages of many kinds and sizes, and unpacks them with zstd's own reader.
func TestLiteralFramesAreZstd(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var p packer
	p.zstd = z
	for i := range 400 {
		n := rng.IntN(3 * zstdBlock)
		if i%3 == 0 {
			n = rng.IntN(4000)
		}
		body := make([]byte, n)
		symbols := 1 << rng.IntN(9)
		for i := range body {
			if rng.IntN(3) > 0 {
				body[i] = byte(rng.IntN(symbols))
			}
		}
		for way, packed := range [][]byte{p.literals([]byte("x"), body)[1:], p.pack([]byte("x"), body)[1:]} {
			got, err := d.DecodeAll(packed, nil)
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("seed %d: %d bytes of %d symbols, way %d: %v", seed, n, symbols, way, err)
			}
		}
	}
}

func BenchmarkPack(b *testing.B) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 0, 512<<10)
	rng := rand.New(rand.NewPCG(1, 2))
	for len(body) < cap(body) {
		body = append(body, byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()%77), 0, 0, 0, 0, 0)
	}
	p := packer{zstd: z}
	var out []byte
	b.Run("literals", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			out = p.literals(out[:0], body)
		}
		b.ReportMetric(float64(len(out))/float64(len(body)), "size")
	})
	b.Run("zstd", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			out = z.EncodeAll(body, out[:0])
		}
		b.ReportMetric(float64(len(out))/float64(len(body)), "size")
	})
}
