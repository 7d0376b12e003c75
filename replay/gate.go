package replay

import (
	"context"
	"sync"
	"time"
)

// gate keeps the streams of a run together in event time: a reader waits while its stream is more than align
// ahead of the slowest, so that state does not grow with the distance. It only paces; no answer depends on it.
type gate struct {
	align int64
	mu    sync.Mutex
	lane  []gateLane
	moved chan struct{} // closed and replaced when a stream moves
}

type gateLane struct {
	w       int64
	reading bool // in Next: maybe without anything to read
}

// patience is how long a reader ahead of the others waits for one that has nothing to read: it may be an idle
// topic, which must not stop the rest.
const patience = 200 * time.Millisecond

func newGate(streams int, align int64) *gate {
	g := &gate{align: align, lane: make([]gateLane, streams), moved: make(chan struct{})}
	for i := range g.lane {
		g.lane[i].w = NoTime
	}
	return g
}

// at notes how far a stream has come and that its reader is at work.
func (g *gate) at(place int, w int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lane[place] = gateLane{w: w}
	close(g.moved)
	g.moved = make(chan struct{})
}

// wait returns when the stream may be read further.
func (g *gate) wait(ctx context.Context, place int) error {
	var tired <-chan time.Time
	expired := false
	for {
		g.mu.Lock()
		mine := g.lane[place].w
		open, starved := true, true
		for i, l := range g.lane {
			if i == place || l.w == EndOfTime {
				continue
			}
			if mine > shift(l.w, g.align) {
				open = false
				starved = starved && l.reading
			}
		}
		if open || expired && starved {
			g.lane[place].reading = true
			g.mu.Unlock()
			return ctx.Err()
		}
		moved := g.moved
		g.mu.Unlock()
		if tired == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			tired = timer.C
		}
		select {
		case <-moved:
		case <-tired:
			expired = true
			tired = time.After(patience)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
