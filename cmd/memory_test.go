package cmd

import "testing"

// TestGarbageIsBounded has as much garbage as is held while that is little, and an eighth of the limit above it.
func TestGarbageIsBounded(t *testing.T) {
	const GiB = 1 << 30
	for _, limit := range []int64{64 << 20, GiB, 4 * GiB, 12 * GiB, 1 << 40} {
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
