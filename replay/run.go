package replay

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// epoch is the number of the one epoch of a run without checkpoints.
const epoch = 1

// Run runs a job to the end of its input, seals what it wrote and publishes it. Sources and sinks stay the
// caller's to close. When it fails, or ctx ends, nothing that it wrote becomes visible.
func Run(ctx context.Context, job *Job) (*Summary, error) {
	start := job.Clock()
	g, err := buildGraph(ctx, job)
	if err != nil {
		return nil, err
	}
	if err := g.run(ctx); err != nil {
		return nil, err
	}
	if err := g.publish(ctx); err != nil {
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
			g.job.Observe(g.stats.progress())
		case <-ctx.Done():
			g.job.Observe(g.stats.progress())
			return
		}
	}
}

// publish seals and publishes every sink of the job, each once: all are sealed before the first is published.
func (g *graph) publish(ctx context.Context) error {
	var sinks []Sink
	add := func(s Sink) {
		for _, have := range sinks {
			if have == s {
				return
			}
		}
		sinks = append(sinks, s)
	}
	for _, o := range g.job.Outputs {
		for _, t := range o.Targets {
			add(t.Sink)
		}
	}
	if g.job.Sides != nil {
		add(g.job.Sides)
	}
	inputs, err := json.Marshal(g.inputs())
	if err != nil {
		return err
	}
	sealed := make([][]byte, len(sinks))
	for i, s := range sinks {
		if d, ok := s.(Describer); ok {
			d.SetInputs(inputs)
		}
		if sealed[i], err = s.Seal(ctx, epoch); err != nil {
			return err
		}
	}
	for i, s := range sinks {
		if err := s.Publish(ctx, epoch, sealed[i]); err != nil {
			return err
		}
	}
	return nil
}

// inputs is where the run's inputs stand.
func (g *graph) inputs() Inputs {
	in := Inputs{Mode: g.job.Mode.String(), Positions: map[string]map[string]int64{}, Decisions: []Decision{}}
	for _, name := range g.order {
		c := g.readers[name].clock
		lanes := map[string]int64{}
		for _, l := range c.lanes {
			lanes[l.name] = l.next
		}
		in.Positions[name] = lanes
		in.Decisions = append(in.Decisions, c.decisions()...)
	}
	return in
}

func (g *graph) summary(took time.Duration) *Summary {
	s := &Summary{Mode: g.job.Mode.String(), Seconds: took.Seconds(), PeakStateBytes: g.stats.peak.Load(), StateRows: g.stats.stateRows.Load(), Decisions: []Decision{}}
	if first, last := g.stats.first.Load(), g.stats.last.Load(); first <= last {
		s.First, s.Last = timeText(first), timeText(last)
	}
	if took > 0 {
		s.RowsPerSecond = float64(g.stats.in.Load()) / took.Seconds()
	}
	for _, name := range g.order {
		c := &g.streams[name].count
		s.Streams = append(s.Streams, StreamSummary{
			Name: name, Rows: c.rows.Load(), Late: c.late.Load(), Duplicates: c.duplicates.Load(),
			Conflicts: c.conflicts.Load(), Rejected: c.rejected.Load(), Undecided: c.undecided.Load(),
		})
		s.Decisions = append(s.Decisions, g.readers[name].clock.decisions()...)
	}
	for i, o := range g.job.Outputs {
		s.Outputs = append(s.Outputs, OutputSummary{Name: o.Name, Rows: g.counts[i].Load()})
	}
	return s
}
