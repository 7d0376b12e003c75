//go:build unix

package state

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
)

// BenchmarkLive inserts and probes one row per operation while so many rows are held, in a band that reaches all of
// them; one row in eight finds a partner, of any age. With spill, all columns but those of the last rows are on disk,
// and the process may take 2 GiB.
func BenchmarkLive(b *testing.B) {
	for _, live := range []int{1 << 20, 10 << 20, 30 << 20} {
		for _, spill := range []bool{false, true} {
			b.Run(fmt.Sprintf("live=%dM/spill=%v", live>>20, spill), func(b *testing.B) {
				l := newLive(b, live, spill)
				for l.now < int64(live)*5/4 {
					l.step(false)
				}
				b.ReportAllocs()
				b.ResetTimer()
				before := cpuTime()
				for done := 0; done < b.N; done += liveBlock {
					l.step(true)
				}
				b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(l.s.Rows()), "live")
				b.ReportMetric(float64(l.s.index)/float64(l.s.Rows()), "index-B/live")
				if len(l.held) < liveBlock/16 {
					b.Fatalf("%d of %d rows have a partner", len(l.held), liveBlock)
				}
				b.StopTimer()
				if spilled, _ := l.s.Spilled(); spill != (spilled > 0) {
					b.Fatalf("%d bytes on disk", spilled)
				}
				begun := time.Now()
				snap := l.s.Snapshot("x")
				b.ReportMetric(float64(time.Since(begun).Microseconds())/1000, "pause-ms")
				size, files := 0, map[string][]byte{}
				saved, err := snap.Write(func(name string, data []byte) error {
					size, files[name] = size+len(data), data
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(size)/float64(l.s.Rows()), "checkpoint-B/live")
				rows := l.s.Rows()
				before = cpuTime()
				l.restore(saved, files)
				b.ReportMetric((cpuTime() - before).Seconds(), "restore-cpu-s")
				if l.s.Rows() != rows {
					b.Fatalf("%d rows restored, want %d", l.s.Rows(), rows)
				}
			})
		}
	}
}

const liveBlock = 8192

// live is a store under a steady stream of rows.
type live struct {
	s       *Store
	b       *testing.B
	rng     *rand.Rand
	live    int64
	now     int64
	rows    []int32
	hashes  []uint64
	found   []int32
	held    []Row
	matched int
	spill   bool
}

func newLive(b *testing.B, rows int, spill bool) *live {
	l := &live{b: b, live: int64(rows) * 4 / 5, rng: rand.New(rand.NewPCG(1, 1)), hashes: make([]uint64, liveBlock), spill: spill}
	l.empty()
	for i := range int32(liveBlock) {
		l.rows = append(l.rows, i)
	}
	return l
}

// empty gives it a store without rows.
func (l *live) empty() {
	l.s = NewStore(l.live/2, []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64}, 1)
	l.s.Describe([]string{"k", "a", "b"}, []int{0})
	if l.spill {
		d, err := NewDisk(l.b.Context(), l.b.TempDir(), 2<<30)
		if err != nil {
			l.b.Fatal(err)
		}
		d.Share(1 << 20)
		l.s.SpillTo(d)
	}
}

// restore takes up what was saved.
func (l *live) restore(saved *SavedStore, files map[string][]byte) {
	l.empty()
	r, err := Restore(saved, files[saved.Marks.Name])
	if err != nil {
		l.b.Fatal(err)
	}
	for n, f := range r.Segments() {
		seg, err := OpenSegment(f, files[f.Name])
		if err == nil {
			err = l.s.Restore(r, n, seg, []string{"k", "a", "b"}, func(uint64) bool { return true })
		}
		if err == nil {
			err = l.s.Balance(nil)
		}
		if err != nil {
			l.b.Fatal(err)
		}
		delete(files, f.Name)
	}
}

func (l *live) step(probe bool) {
	keys, times := make([]int64, liveBlock), make([]int64, liveBlock)
	for i := range keys {
		keys[i], times[i] = l.now, l.now
		if i%8 == 0 {
			keys[i] = l.now - l.rng.Int64N(l.live)
		}
		l.now++
	}
	col := int64s(keys)
	cols := []Column{col, int64s(times), int64s(keys)}
	Hash(cols[:1], liveBlock, l.hashes)
	if probe {
		var err error
		if l.found, l.held, err = l.s.Probe(Every, l.rows, l.hashes, times, -l.live, 0, l.found[:0], l.held[:0]); err != nil {
			l.b.Fatal(err)
		}
		for k, r := range l.found {
			if l.s.SameKey(l.held[k].Ref, cols[:1], int(r)) {
				l.matched++
			}
		}
		l.s.Unload()
	}
	seg := l.s.Add(cols, cols[:1], times, nil, nil, 4*8*liveBlock)
	l.s.Insert(seg, l.rows, l.hashes, nil)
	l.s.Unpin(seg)
	l.s.Expire(l.now - l.live)
	if err := l.s.Balance(nil); err != nil {
		l.b.Fatal(err)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
