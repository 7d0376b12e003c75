package replay

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/state"
)

// TestTablesOfNumbers looks keys up that lie close together, far apart and at the ends of their type, against a map.
func TestTablesOfNumbers(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	dense := 0
	for range 300 {
		bits := []int{16, 32, 64}[rng.IntN(3)]
		span := []int64{100, 300, 30_000}[rng.IntN(3)]
		least, most := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
		base := []int64{0, -span / 2, least, most - span}[rng.IntN(4)]
		value := func() (int64, bool) { return base + rng.Int64N(span), rng.IntN(10) > 0 }
		rows := map[int64]int32{}
		n := 1 + rng.IntN(60)
		twice := -1
		if n > 1 && rng.IntN(4) == 0 {
			twice = 1 + rng.IntN(n-1)
		}
		var before int64
		keys := build(bits, n, func(row int) (int64, bool) {
			v, ok := value()
			for _, known := rows[v]; known; _, known = rows[v] {
				v, _ = value()
			}
			switch {
			case row == twice:
				v, ok = before, true
			case ok:
				before = v
				rows[v] = int32(row)
			case row == 0: // there is a key before the one that is there twice
				before, ok = v, true
				rows[v] = 0
			}
			return v, ok
		})
		in := &TableInput{Record: array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "k", Type: keys.DataType(), Nullable: true}}, nil), []arrow.Array{keys}, int64(n)), Key: []int{0}, Columns: []int{0}, Versions: -1}
		table, err := newTable("t", in)
		if twice > 0 {
			if err == nil || !strings.Contains(err.Error(), "the same key k=") {
				t.Fatalf("seed %d: a key is there twice: %v", seed, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if table.places != nil {
			dense++
		}
		probes := make([]int64, 300)
		valid := make([]bool, len(probes))
		probe := state.View(build(bits, len(probes), func(i int) (int64, bool) {
			probes[i], valid[i] = value()
			if edge := rng.IntN(20); edge < 2 {
				probes[i] = []int64{least, most}[edge]
			}
			return probes[i], valid[i]
		}))
		hashes, found := make([]uint64, len(probes)), make([]int32, len(probes))
		null := state.Hash([]state.Column{probe}, len(probes), hashes)
		table.find([]state.Column{probe}, hashes, null, nil, found)
		for i, v := range probes {
			want, ok := rows[v]
			if !ok || !valid[i] {
				want = -1
			}
			if found[i] != want {
				t.Fatalf("seed %d: key %d (%d bits, valid %v) is row %d, found %d", seed, v, bits, valid[i], want, found[i])
			}
		}
	}
	if dense == 0 || dense == 300 {
		t.Errorf("seed %d: %d of 300 tables were dense", seed, dense)
	}
}

func build(bits, n int, value func(row int) (int64, bool)) arrow.Array {
	dt := map[int]arrow.DataType{16: arrow.PrimitiveTypes.Int16, 32: arrow.PrimitiveTypes.Int32, 64: arrow.PrimitiveTypes.Int64}[bits]
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	for i := range n {
		v, ok := value(i)
		if !ok {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.Int16Builder:
			b.Append(int16(v))
		case *array.Int32Builder:
			b.Append(int32(v))
		case *array.Int64Builder:
			b.Append(v)
		}
	}
	return b.NewArray()
}
