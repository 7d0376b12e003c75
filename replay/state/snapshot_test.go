package state

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
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

// TestABatchOfASnapshotIsBounded holds many rows of much text in one chunk: together they are more than one column can hold.
func TestABatchOfASnapshotIsBounded(t *testing.T) {
	const rows, text = 3000, 1 << 20
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Append(strings.Repeat("x", text))
	s := NewStore(10, []arrow.DataType{arrow.BinaryTypes.String}, 1)
	col := View(b.NewArray())
	seg := s.Add([]Column{col}, []Column{col}, []int64{5}, nil, nil, rows*text) // as if each row had its own
	s.Insert(seg, make([]int32, rows), []uint64{1}, nil)
	snap := s.Snapshot("000000000001/x")
	n := 0
	for _, f := range snap.fresh {
		for _, r := range f.rows {
			n += r.len()
			if bytes := r.len() * text; bytes > 1<<30 {
				t.Errorf("a batch is %d MiB", bytes>>20)
			}
		}
	}
	if n != rows || len(snap.buckets) != 1 || len(snap.buckets[0].pieces) < 3 {
		t.Errorf("%d rows in %d pieces", n, len(snap.buckets[0].pieces))
	}
}
