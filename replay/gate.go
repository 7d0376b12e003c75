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
	silent  bool // somebody ran out of patience with it; until it moves
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
	for {
		moved, open := g.open(place)
		if open {
			return ctx.Err()
		}
		if tired == nil {
			tired = time.After(patience)
		}
		select {
		case <-moved:
		case <-tired:
			tired = nil
			g.giveUp()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// open reports whether a stream may be read further, and what to wait for when it may not.
func (g *gate) open(place int) (moved <-chan struct{}, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	mine := g.lane[place].w
	for i, l := range g.lane {
		if i != place && !l.silent && g.align != EndOfTime && mine > shift(l.w, g.align) {
			return g.moved, false
		}
	}
	g.lane[place].reading = true
	return nil, true
}

// giveUp stops waiting for those that have been reading all the while.
func (g *gate) giveUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.lane {
		g.lane[i].silent = g.lane[i].reading
	}
}
