package replay

import (
	"sync/atomic"
	"time"
)

// stats are a run's figures, written by all its goroutines.
type stats struct {
	in, out     atomic.Int64
	first, last atomic.Int64
	state       atomic.Int64
	peak        atomic.Int64
	stateRows   atomic.Int64
	watermarks  []atomic.Int64
	pauses      atomic.Int64
	longest     atomic.Int64 // nanoseconds
}

func newStats(streams int) *stats {
	s := &stats{watermarks: make([]atomic.Int64, streams)}
	s.first.Store(EndOfTime)
	s.last.Store(NoTime)
	for i := range s.watermarks {
		s.watermarks[i].Store(NoTime)
	}
	return s
}

// paused notes that an epoch's end stopped the run for so long.
func (s *stats) paused(d time.Duration) {
	s.pauses.Add(1)
	raise(&s.longest, int64(d))
}

func (s *stats) watermark(place int, w int64) { s.watermarks[place].Store(w) }

func (s *stats) seen(first, last int64) {
	for old := s.first.Load(); first < old && !s.first.CompareAndSwap(old, first); old = s.first.Load() {
	}
	raise(&s.last, last)
}

func (s *stats) held(rows, bytes int64) {
	if rows == 0 && bytes == 0 {
		return
	}
	s.stateRows.Add(rows)
	raise(&s.peak, s.state.Add(bytes))
}

func raise(v *atomic.Int64, to int64) {
	for old := v.Load(); to > old && !v.CompareAndSwap(old, to); old = v.Load() {
	}
}

func (s *stats) progress() Progress {
	p := Progress{RowsIn: s.in.Load(), RowsOut: s.out.Load(), Newest: s.last.Load(), StateBytes: s.state.Load(), Watermark: EndOfTime}
	for i := range s.watermarks {
		p.Watermark = min(p.Watermark, s.watermarks[i].Load())
	}
	return p
}
