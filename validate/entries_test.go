package validate

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

// TestManyRowsInParts: a range comes back whole from memory and from disk, each row in one part, and rows of one key in the
// same part of both sides.
func TestManyRowsInParts(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	const n, ranges, shift = 30_000, 4, 62
	spill := &spillFile{dir: t.TempDir()}
	defer spill.close()
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = rng.Uint64()
	}
	var sides [2]*entries
	for s := range sides {
		var mem atomic.Int64
		var mine arena
		defer mine.free()
		e := &entries{layout: layout{1, 2}, shift: shift, parts: make([]entryPart, ranges), chunk: 6, mem: &mem, budget: 300_000, victim: ranges, spill: spill, arena: &mine}
		writers := []*entryWriter{e.writer(), e.writer()}
		for i, x := range rng.Perm(n) {
			to, err := writers[i%2].next(keys[x] >> shift)
			if err != nil {
				t.Fatal(err)
			}
			copy(to, []uint64{keys[x], uint64(x), uint64(s), uint64(i)})
		}
		for _, w := range writers {
			if err := w.close(); err != nil {
				t.Fatal(err)
			}
		}
		sides[s] = e
	}
	if last, first := &sides[0].parts[ranges-1], &sides[0].parts[0]; len(last.extents) == 0 || len(first.chunks) == 0 {
		t.Fatal("nothing went to disk, or all did")
	}
	for _, subs := range []int{1, 4} {
		for _, parts := range []int{1, 8} {
			var seen [2]int
			var into [2][][]uint64
			for p := range ranges {
				for sub := range subs {
					for s, e := range sides {
						var err error
						if into[s], err = e.load(p, into[s], parts, sub, subs); err != nil {
							t.Fatal(err)
						}
					}
					for i := range parts {
						var of [2][]uint64
						for s := range sides {
							for rows := into[s][i]; len(rows) > 0; rows = rows[4:] {
								if rows[0] != keys[rows[1]] || rows[2] != uint64(s) || rows[0]>>shift != uint64(p) {
									t.Fatalf("seed %d: a row of %d is in range %d as %d", seed, keys[rows[1]], p, rows[0])
								}
								of[s] = append(of[s], rows[1])
							}
							seen[s] += len(of[s])
							slices.Sort(of[s])
						}
						if !slices.Equal(of[0], of[1]) {
							t.Fatalf("seed %d: part %d of %d, %d of %d, of range %d differs between the sides", seed, i, parts, sub, subs, p)
						}
					}
				}
			}
			if seen != [2]int{n, n} {
				t.Errorf("seed %d: %d subs of %d parts: %v rows of %d", seed, subs, parts, seen, n)
			}
		}
	}
}
