package state

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestASnapshotIsWrittenWhileRowsAreReadBack reads rows back from disk while a snapshot with rows in memory is written: what
// they are read into grows and is cleared meanwhile. It is one for the race detector.
func TestASnapshotIsWrittenWhileRowsAreReadBack(t *testing.T) {
	s := newSpillPair(t, 1, 100, false, t.TempDir()).s[1]
	rng := rand.New(rand.NewPCG(1, 2))
	add := func(from int64) {
		const n = 2000
		cols, keys, times := spillRows(rng, n, from)
		rows, hashes := make([]int32, n), make([]uint64, n)
		for i := range rows {
			rows[i], hashes[i] = int32(i), rng.Uint64()
		}
		seg := s.Add(cols, keys, times, nil, nil, n*40)
		s.Insert(seg, rows, hashes, nil)
		s.Unpin(seg)
	}
	readBack := func() {
		if err := s.Range(0, 100, func(Row) {}); err != nil {
			t.Error(err)
		}
		s.Unload()
	}
	add(0)
	if err := s.Balance(nil); err != nil {
		t.Fatal(err)
	}
	readBack()
	add(100)
	snap := s.Snapshot("000000000001/x")
	var work sync.WaitGroup
	work.Go(func() {
		if _, err := snap.Write(func(string, []byte) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	for range 20 {
		readBack()
	}
	work.Wait()
}
