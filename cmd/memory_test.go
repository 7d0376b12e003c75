package cmd

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

const gib = 1 << 30

// TestGarbageIsBounded has as much garbage as is held while that is little, and an eighth of the limit above it.
func TestGarbageIsBounded(t *testing.T) {
	for _, limit := range []int64{64 << 20, gib, 4 * gib, 12 * gib, 1 << 40} {
		most := max(limit/8, leastGarbage)
		for live := int64(1 << 20); live <= limit; live += live / 16 {
			p := int64(garbage(live, limit))
			if live <= most && p != 100 {
				t.Errorf("limit %d MiB: %d %% of %d MiB held may wait, want 100", limit>>20, p, live>>20)
			}
			if waits := live / 100 * p; waits > most || live > most && p > 5 && waits < most/2 {
				t.Errorf("limit %d MiB: %d MiB may wait beside %d MiB that are held, want %d", limit>>20, waits>>20, live>>20, most>>20)
			}
		}
	}
}

// TestShareLeavesRoom has state, other things and garbage fit the limit together, however much the other things are.
func TestShareLeavesRoom(t *testing.T) {
	for _, limit := range []int64{64 << 20, gib, 4 * gib, 12 * gib, 1 << 40} {
		for others := int64(0); others <= limit; others += limit / 64 {
			got := share(others, limit)
			if got < limit/8 || got > limit/4*3 {
				t.Errorf("limit %d MiB, %d MiB of other things: the state's share is %d MiB", limit>>20, others>>20, got>>20)
			}
			if all := got + others + mostGarbage(limit); got > limit/8 && all > limit/8*7 {
				t.Errorf("limit %d MiB: with %d MiB of state, %d MiB are held and wait", limit>>20, got>>20, all>>20)
			}
			if got < limit/4*3 && got > limit/8 && got+others+mostGarbage(limit) < limit/8*7 {
				t.Errorf("limit %d MiB: beside %d MiB of other things there is more room for state than %d MiB", limit>>20, others>>20, got>>20)
			}
		}
	}
}

// TestStateYieldsToOtherThings holds memory that is not the state's, as what reads a topic does, and has the state's share
// fall by as much.
func TestStateYieldsToOtherThings(t *testing.T) {
	share := func(others int) int64 {
		h := &holder{}
		runtime.GC()
		release := LimitMemory(2*gib, h)
		defer release()
		held := make([][]byte, others)
		for i := range held {
			held[i] = make([]byte, 1<<20)
		}
		for h.times.Load() < 16 { // until what it says has settled
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		runtime.KeepAlive(held)
		return h.share.Load()
	}
	without, with := share(0), share(512)
	if fell := without - with; fell < 400<<20 || fell > 600<<20 {
		t.Errorf("the share fell by %d MiB, to %d, when 512 MiB more were held", fell>>20, with>>20)
	}
}

// holder holds nothing.
type holder struct {
	share atomic.Int64
	times atomic.Int32
}

func (h *holder) Memory() int64 { return 0 }
func (h *holder) Share(bytes int64) {
	h.share.Store(bytes)
	h.times.Add(1)
}
