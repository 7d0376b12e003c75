package replay

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// epoch is the number of the one epoch of a run without checkpoints.
const epoch = 1

// Run runs a job to the end of its input, seals what it wrote and publishes it. Sources and sinks stay the
// caller's to close. When it fails, or ctx ends, nothing that it wrote since its last checkpoint becomes visible.
func Run(ctx context.Context, job *Job) (*Summary, error) {
	start := job.Clock()
	var last *Checkpoint
	if job.Checkpoints != nil {
		// Much may have been opened since the place was taken.
		if err := job.Checkpoints.held(ctx); err != nil {
			return nil, err
		}
		last = job.Checkpoints.Last()
	}
	g := newGraph(job)
	if last != nil {
		// What was sealed is published before anything is written, or a sink would take it for leavings.
		if err := g.publish(ctx, last); err != nil {
			return nil, err
		}
	}
	if err := g.assemble(ctx); err != nil {
		return nil, err
	}
	if last != nil {
		if err := g.fits(last); err != nil {
			return nil, err
		}
	}
	if job.Checkpoints != nil {
		if err := job.Checkpoints.sweep(ctx); err != nil {
			return nil, err
		}
	}
	if last != nil && last.Done {
		g.restore(last)
		return g.summary(0), nil
	}
	if last != nil {
		if err := g.resume(ctx, last); err != nil {
			return nil, err
		}
		g.recovery, g.recovered = job.Clock().Sub(start), g.stats.stateRows.Load()
	}
	if err := g.run(ctx); err != nil {
		return nil, err
	}
	if err := g.last(ctx); err != nil {
		return nil, err
	}
	return g.summary(job.Clock().Sub(start)), nil
}

func (g *graph) run(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	for _, name := range g.order {
		work.Go(func() error { return g.readers[name].run(ctx) })
	}
	for _, t := range g.tasks {
		work.Go(func() error { return t.run(ctx) })
	}
	work.Go(func() error { return g.lead(ctx) })
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		g.observe(watch)
	}()
	err := work.Wait()
	stop()
	<-watched
	if cause := context.Cause(ctx); err != nil && errors.Is(err, context.Canceled) && cause != nil {
		return cause
	}
	return err
}

// observeEvery is how often a run shows itself.
const observeEvery = 200 * time.Millisecond

func (g *graph) observe(ctx context.Context) {
	if g.job.Observe == nil {
		return
	}
	tick := time.NewTicker(observeEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.job.Observe(g.progress())
		case <-ctx.Done():
			g.job.Observe(g.progress())
			return
		}
	}
}

// last ends the last epoch: all sinks are sealed before the first is published.
func (g *graph) last(ctx context.Context) error {
	number := int64(epoch)
	if g.job.Checkpoints != nil {
		number = g.job.Checkpoints.epoch + 1
	}
	cp := g.checkpoint(number)
	cp.Done = true
	for _, s := range g.sinks() {
		s.sink.Cut()
	}
	if g.job.Checkpoints != nil {
		for _, st := range g.stages {
			cp.Operators = append(cp.Operators, SavedOperator{Name: st.name, What: st.what, Columns: st.held})
		}
		return g.commit(ctx, cp, nil)
	}
	if err := g.seal(ctx, cp); err != nil {
		return err
	}
	return g.publish(ctx, cp)
}

func (g *graph) summary(took time.Duration) *Summary {
	s := &Summary{Mode: g.job.Mode.String(), Seconds: took.Seconds(), PeakStateBytes: g.stats.peak.Load(), StateRows: g.stats.stateRows.Load(), Decisions: []Decision{}, Checkpoints: g.stats.pauses.Load(), MaxPause: time.Duration(g.stats.longest.Load()).Seconds(), RestoredRows: g.recovered, Recovery: g.recovery.Seconds()}
	if first, last := g.stats.first.Load(), g.stats.last.Load(); first <= last {
		s.First, s.Last = timeText(first), timeText(last)
	}
	if took > 0 {
		s.RowsPerSecond = float64(g.stats.in.Load()-g.restored) / took.Seconds()
	}
	for _, name := range g.order {
		c := &g.streams[name].count
		s.Streams = append(s.Streams, StreamSummary{
			Name: name, Rows: c.rows.Load(), Late: c.late.Load(), Duplicates: c.duplicates.Load(),
			Conflicts: c.conflicts.Load(), Rejected: c.rejected.Load(), Undecided: c.undecided.Load(),
		})
		s.Decisions = append(s.Decisions, g.readers[name].clock.decisions()...)
	}
	if d := g.job.Disk; d != nil && d.Written() > 0 {
		s.Spilled = &Spilled{Place: d.Dir(), Bytes: d.Written(), PeakBytes: d.Peak()}
	}
	s.Skew = g.skews()
	for i, o := range g.job.Outputs {
		s.Outputs = append(s.Outputs, OutputSummary{Name: o.Name, Rows: g.counts[i].Load()})
	}
	return s
}

func (g *graph) progress() Progress {
	p := g.stats.progress()
	p.Earlier = g.restored
	return p
}
