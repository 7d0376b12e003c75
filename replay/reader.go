package replay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lockstep-data/lockstep/replay/state"
)

// stream is one stream of a run.
type stream struct {
	name  string
	in    *StreamInput
	count counts
}

// shape is what a checkpoint must share with the stream.
func (s *stream) shape() StreamShape {
	fields := s.in.Source.Fields()
	out := StreamShape{From: s.in.From, FromID: s.in.FromID, Time: fields[s.in.Time].Name, Disorder: s.in.Disorder, Ahead: s.in.Ahead, Within: s.in.Within}
	for _, c := range s.in.ID {
		out.ID = append(out.ID, fields[c].Name)
	}
	return out
}

// reader is the goroutine of one stream: it pulls blocks, sets aside what is rejected or late, and passes the
// rest on. A stream that a query names twice has one reader with two ways out.
type reader struct {
	stream *stream
	clock  *clock
	out    []outlet
	aside  *sides
	gate   *gate
	place  int // in the gate
	stats  *stats
	lanes  []Lane
	stop   <-chan struct{}
	hold   *hold
	paused chan<- struct{}
	ended  chan<- struct{}
	finish <-chan struct{}
	read   chan<- struct{} // nil unless epochs end by rows
	sent   int64           // the watermark that everyone was told
}

// ErrInterrupted says that a batch was stopped before its end: a part of it would be a wrong answer.
var ErrInterrupted = errors.New("interrupted before the end of a batch; nothing was published")

// untilStop is a context that also ends when stop is closed.
func untilStop(ctx context.Context, stop <-chan struct{}) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

func (r *reader) run(ctx context.Context) error {
	src := r.stream.in.Source
	r.begin(src)
	complete := r.clock.final || r.clock.batch
	stoppable, done := untilStop(ctx, r.stop)
	defer done()
	reading := r.hold.begin(stoppable)
	for {
		if err := r.advance(ctx); err != nil {
			return err
		}
		r.gate.at(r.place, r.sent)
		err := r.gate.wait(reading, r.place)
		var blk Block
		if err == nil {
			blk, err = src.Next(reading)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && reading.Err() != nil && ctx.Err() == nil && stoppable.Err() == nil {
			if err := r.pause(ctx); err != nil {
				return err
			}
			reading = r.hold.begin(stoppable)
			continue
		}
		if err != nil && stoppable.Err() != nil && ctx.Err() == nil {
			if r.clock.batch {
				return ErrInterrupted
			}
			complete = false
			break
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", r.stream.name, err)
		}
		if err := r.block(ctx, &blk); err != nil {
			return err
		}
		select {
		case r.read <- struct{}{}:
		default:
		}
	}
	r.gate.at(r.place, EndOfTime)
	if complete {
		r.clock.w = EndOfTime
	}
	return r.atEnd(ctx)
}

// begin makes room in the clock for the lanes that are there. Those that came since a checkpoint are new.
func (r *reader) begin(src Source) {
	r.lanes = append(r.lanes, src.Lanes()...)
	for _, l := range r.lanes {
		r.clock.addLane(l.Name, l.Next, r.clock.resumed)
	}
	r.sent = NoTime
}

// advance tells everyone how far time has come.
func (r *reader) advance(ctx context.Context) error {
	if w := r.clock.w; w > r.sent {
		r.sent = w
		for _, o := range r.out {
			if err := o.advance(ctx, w); err != nil {
				return err
			}
		}
	}
	r.stats.watermark(r.place, r.sent)
	return nil
}

// pause ends an epoch here, if that is wanted, and waits until all that was sent has come to rest.
func (r *reader) pause(ctx context.Context) error {
	epoch, resume := r.hold.wanted()
	if epoch == 0 {
		return nil
	}
	for _, o := range r.out {
		if err := o.barrier(ctx, epoch); err != nil {
			return err
		}
	}
	select {
	case r.paused <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-resume:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// atEnd waits at the end of the input until every stream is there: epochs may still end meanwhile.
func (r *reader) atEnd(ctx context.Context) error {
	if err := r.advance(ctx); err != nil {
		return err
	}
	select {
	case r.ended <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		waiting := r.hold.begin(ctx)
		select {
		case <-r.finish:
			for _, o := range r.out {
				if err := o.end(ctx, r.clock.w); err != nil {
					return err
				}
			}
			return nil
		case <-waiting.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := r.pause(ctx); err != nil {
				return err
			}
		}
	}
}

func (r *reader) block(ctx context.Context, blk *Block) error {
	if blk.Opened != nil {
		r.lanes = append(r.lanes, *blk.Opened)
		r.clock.addLane(blk.Opened.Name, 0, true)
	}
	if len(blk.Bad) > 0 {
		r.stream.count.rows.Add(int64(len(blk.Bad)))
		r.stream.count.rejected.Add(int64(len(blk.Bad)))
		r.stats.in.Add(int64(len(blk.Bad)))
		if err := r.aside.writeBad(ctx, r.stream, blk.Bad); err != nil {
			return err
		}
	}
	if blk.Record != nil && blk.Record.NumRows() > 0 {
		b, err := r.judge(ctx, blk)
		if err != nil {
			return err
		}
		if b != nil && b.rows() > 0 {
			for _, o := range r.out {
				if err := o.send(ctx, b); err != nil {
					return err
				}
			}
		}
	}
	if blk.Idle {
		r.clock.setIdle(blk.Lane)
	}
	r.clock.block(blk.Lane, blk.Next, blk.Ended, blk.Floor)
	return nil
}

// judge gives the rows of a block that are to be processed: those with a time one can believe that are not late.
func (r *reader) judge(ctx context.Context, blk *Block) (*batch, error) {
	rec, in := blk.Record, r.stream.in
	n := int(rec.NumRows())
	r.stream.count.rows.Add(int64(n))
	r.stats.in.Add(int64(n))
	times := state.View(rec.Column(in.Time))
	b := &batch{cols: rec.Columns(), times: make([]int64, n), parts: blk.Partitions, offsets: blk.Offsets}
	if b.parts == nil && b.offsets != nil {
		b.parts = r.lanePartitions(blk.Lane, n)
	}
	var late, rejected []int32
	var lateAbout, rejectedAbout setAside
	first, last := int64(EndOfTime), int64(NoTime)
	for i := range n {
		broker := int64(NoTime)
		if blk.BrokerTimes != nil {
			broker = blk.BrokerTimes[i]
		}
		t := int64(NoTime)
		if !times.Null(i) {
			t = times.Int64(i)
		}
		b.times[i] = t
		if why := disbelieved(t, broker, in.Ahead); why != "" {
			rejected = append(rejected, int32(i))
			rejectedAbout.reasons = append(rejectedAbout.reasons, why)
			rejectedAbout.brokers = append(rejectedAbout.brokers, broker)
			continue
		}
		position := int64(i)
		if blk.Offsets != nil {
			position = blk.Offsets[i]
		}
		if lateness, why := r.clock.row(blk.Lane, position, t); lateness > 0 {
			late = append(late, int32(i))
			lateAbout.reasons = append(lateAbout.reasons, why)
			lateAbout.lateness = append(lateAbout.lateness, lateness)
			lateAbout.brokers = append(lateAbout.brokers, broker)
			continue
		}
		first, last = min(first, t), max(last, t)
	}
	r.stats.seen(first, last)
	if len(late)+len(rejected) == 0 {
		return b, nil
	}
	from := origin{stream: r.stream}
	r.stream.count.late.Add(int64(len(late)))
	r.stream.count.rejected.Add(int64(len(rejected)))
	if err := r.aside.write(ctx, sideLate, from, b, late, lateAbout); err != nil {
		return nil, err
	}
	if err := r.aside.write(ctx, sideRejected, from, b, rejected, rejectedAbout); err != nil {
		return nil, err
	}
	drop := merge(late, rejected)
	return b.take(without(n, drop))
}

func (r *reader) lanePartitions(lane, n int) []int32 {
	if lane >= len(r.lanes) || r.lanes[lane].Partition < 0 {
		return nil
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = r.lanes[lane].Partition
	}
	return out
}

// merge joins two ascending lists.
func merge(a, b []int32) []int32 {
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0] < b[0] {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
