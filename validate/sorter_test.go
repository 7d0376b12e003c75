package validate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestSorterStops: records come in order from memory and from disk, again after a caller had enough of them.
func TestSorterStops(t *testing.T) {
	s := &sorter{spill: &spillFile{dir: t.TempDir()}}
	defer s.spill.close()
	const n = 20_000
	seed := rand.Uint64()
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	for part, limit := range []int{64 << 10, 4 << 20} { // the first in runs on disk
		b := &sortBuffer{s: s, limit: limit}
		for _, i := range order[part*n/2 : (part+1)*n/2] {
			key := binary.BigEndian.AppendUint64([]byte{1}, uint64(i))
			if err := b.add(key, byte(i%2), i%3 == 0, bytes.Repeat([]byte{byte(i)}, i%100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.runs) < 2 || len(s.inMem) == 0 {
		t.Fatalf("%d runs on disk, %d in memory", len(s.runs), len(s.inMem))
	}
	enough := errors.New("enough")
	for _, most := range []int{0, 1, 1024, 1025, 7000, n} {
		i := 0
		err := s.each(func(r record) error {
			if i == most {
				return enough
			}
			want := record{binary.BigEndian.AppendUint64([]byte{1}, uint64(i)), append([]byte{byte(i % 2)}, bytes.Repeat([]byte{byte(i)}, i%100)...), i%3 == 0}
			if r.compare(want) != 0 || r.wide != want.wide {
				t.Fatalf("seed %d: record %d is %v", seed, i, r)
			}
			i++
			return nil
		})
		if i != most || (err == enough) != (most < n) {
			t.Errorf("seed %d: %d of %d, %v", seed, i, most, err)
		}
	}
}
