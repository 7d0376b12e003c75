package replay

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/state"
)

// watched is a graph of one join, two shards, whose left port saw rows of these keys; every nullth key is NULL.
func watched(rows, null int, key func(i int) int64) *graph {
	g := &graph{stages: []stage{{name: "join 1", keys: [][]string{{"l.k"}, {"r.k"}}, tasks: []*task{{skews: make([]skew, 2)}, {skews: make([]skew, 2)}}}}}
	for from := 0; from < rows; from += 1000 {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		var nulls []bool
		for i := from; i < from+1000; i++ {
			b.Append(key(i))
			nulls = append(nulls, null > 0 && i%null == 0)
		}
		m := message{keys: []state.Column{state.View(b.NewArray())}, hashes: make([]uint64, 1000)}
		state.Hash(m.keys, 1000, m.hashes)
		rows, without := split(m.hashes, nulls, nil, 2)
		for s, t := range g.stages[0].tasks {
			mine := m
			mine.rows, mine.nulls = rows[s], without[s]
			t.skews[0].see(&mine)
		}
	}
	return g
}

func TestHeavyKeysAreNamedWithTheirShare(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	got := watched(300_000, 10, func(i int) int64 {
		switch rng.IntN(10) {
		case 0, 1:
			return 42
		case 2:
			return -7
		}
		return rng.Int64()
	}).skews()
	want := map[string]float64{"42": 0.18, "NULL": 0.1, "-7": 0.09}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for _, s := range got {
		share, ok := want[s.Value[0]]
		if !ok || math.Abs(s.Share-share) > 0.02 || fmt.Sprint(s.Operator, s.Side, s.Key) != "join 1left[l.k]" {
			t.Errorf("got %+v, want %v", s, want)
		}
	}
	if got[0].Value[0] != "42" {
		t.Errorf("the heaviest comes first: %+v", got)
	}
}

func TestEvenKeysAreNoSkew(t *testing.T) {
	if got := watched(300_000, 0, func(i int) int64 { return int64(i % 50) }).skews(); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	if got := watched(5_000, 0, func(int) int64 { return 1 }).skews(); len(got) > 0 {
		t.Errorf("few rows say nothing: %+v", got)
	}
}
