package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// An epoch ends in three steps. The readers stop between two blocks and send a barrier behind what they sent
// before; every task that has the barrier from all its senders comes to rest and notes what it keeps; then all
// is still, the sinks cut, and the readers go on. What was noted is written, sealed, committed and published
// while the next epoch runs.

// epochs leads a run from one epoch to the next.
type epochs struct {
	paused   chan struct{} // a reader stands at the barrier
	ended    chan struct{} // a reader is at the end of its input
	finish   chan struct{} // closed when all are
	read     chan struct{} // a block was read; nil unless epochs end by rows
	captures chan capture  // a task has the barrier from all sides
}

// capture is what a task keeps at the end of an epoch.
type capture struct {
	task   *task
	stores []*state.Snapshot
	clocks []int64
}

func newEpochs(job *Job, streams int) epochs {
	e := epochs{
		paused: make(chan struct{}), ended: make(chan struct{}, streams), finish: make(chan struct{}), captures: make(chan capture),
	}
	if job.CheckpointRows > 0 {
		e.read = make(chan struct{}, 1)
	}
	return e
}

// hold stops a reader between two blocks.
type hold struct {
	mu     sync.Mutex
	epoch  int64
	resume chan struct{}
	cancel context.CancelFunc
}

// begin gives the context to wait for input in; it ends when the reader is wanted.
func (h *hold) begin(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel != nil {
		h.cancel()
	}
	h.cancel = cancel
	if h.epoch != 0 {
		cancel()
	}
	return ctx
}

func (h *hold) ask(epoch int64, resume chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch, h.resume = epoch, resume
	if h.cancel != nil {
		h.cancel()
	}
}

// wanted gives the epoch that is to end, once.
func (h *hold) wanted() (int64, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	epoch := h.epoch
	h.epoch = 0
	return epoch, h.resume
}

// capture is called by a task at a barrier.
func (g *graph) capture(ctx context.Context, t *task, epoch int64) error {
	c := capture{task: t, clocks: t.op.clocks()}
	for i, s := range t.stores {
		c.stores = append(c.stores, s.Snapshot(fmt.Sprintf("%012d/%s", epoch, g.storeName(t, i))))
	}
	select {
	case g.captures <- c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *graph) storeName(t *task, store int) string {
	for _, st := range g.stages {
		if shard := slices.Index(st.tasks, t); shard >= 0 {
			return fmt.Sprintf("%s.%d.%d", fileName(st.name), store, shard)
		}
	}
	return ""
}

// fileName is a text that may stand in a file's name anywhere.
func fileName(s string) string {
	out := []byte(s)
	for i, b := range out {
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b >= 0x80 {
			continue
		}
		out[i] = '-'
	}
	return string(out)
}

// lead ends epochs while the run goes on. It returns when all input was read, or with ErrPaused when the run was
// asked to stop and has saved all.
func (g *graph) lead(ctx context.Context) error {
	var tick <-chan time.Time
	var stop <-chan struct{}
	if g.job.Checkpoints != nil {
		t := time.NewTicker(max(min(g.job.CheckpointEvery, 100*time.Millisecond), time.Millisecond))
		defer t.Stop()
		tick, stop = t.C, g.job.StopAndSave
	}
	committed := make(chan error, 1)
	committing, atEnd, stopping, saved := false, 0, false, false
	defer func() {
		if committing {
			<-committed // nothing goes on behind the end of a run
		}
	}()
	since, rows := g.job.Clock(), g.restored // readers may have begun
	due := func() bool {
		return g.job.Clock().Sub(since) >= g.job.CheckpointEvery || g.job.CheckpointRows > 0 && g.stats.in.Load()-rows >= g.job.CheckpointRows
	}
	for {
		if atEnd == len(g.order) && !committing {
			close(g.finish)
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-g.ended:
			atEnd++
		case err := <-committed:
			if committing = false; err != nil {
				return err
			}
			if stopping && saved {
				return ErrPaused
			}
		case <-tick:
		case <-g.read:
		case <-stop:
			stopping, stop = true, nil
		}
		if committing || tick == nil || atEnd == len(g.order) || !stopping && !due() {
			continue
		}
		cp, work, err := g.cut(ctx, stopping)
		if err != nil {
			return err
		}
		since, rows, committing, saved = g.job.Clock(), g.stats.in.Load(), true, stopping
		go func() { committed <- g.commit(ctx, cp, work) }()
	}
}

// ErrPaused says that a run was stopped, and that its checkpoint holds all it did.
var ErrPaused = errors.New("stopped; the checkpoint holds all that was done")

// cut brings the run to rest, notes all it holds and lets it go on. Behind the last epoch it stays at rest: an output
// that is visible as it is written would have rows that the checkpoint does not know of.
func (g *graph) cut(ctx context.Context, last bool) (*Checkpoint, [][]capture, error) {
	epoch := g.job.Checkpoints.epoch + 1
	resume := make(chan struct{})
	if !last {
		defer close(resume)
	}
	for _, r := range g.readers {
		r.hold.ask(epoch, resume)
	}
	var still time.Time // when the first part of the run came to rest; until then it works off what it was sent
	rest := func() {
		if still.IsZero() {
			still = g.job.Clock()
		}
	}
	captures := map[*task]capture{}
	for paused := 0; paused < len(g.readers) || len(captures) < len(g.tasks); {
		select {
		case <-g.paused:
			if paused++; len(g.tasks) == 0 {
				rest()
			}
		case c := <-g.captures:
			captures[c.task] = c
			rest()
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	cp := g.checkpoint(epoch)
	work := make([][]capture, len(g.stages))
	for i, st := range g.stages {
		op := SavedOperator{Name: st.name, What: st.what, Columns: st.held}
		for range st.held {
			op.Stores = append(op.Stores, make([]state.SavedStore, len(st.tasks)))
		}
		var clocks [][]int64
		for _, t := range st.tasks {
			work[i] = append(work[i], captures[t])
			clocks = append(clocks, captures[t].clocks)
		}
		op.Clocks = leastClocks(clocks)
		cp.Operators = append(cp.Operators, op)
	}
	for _, s := range g.sinks() {
		s.sink.Cut()
	}
	g.stats.paused(g.job.Clock().Sub(still))
	return cp, work, nil
}

// checkpoint is all of a checkpoint but for the operators and what the sinks seal.
func (g *graph) checkpoint(epoch int64) *Checkpoint {
	cp := &Checkpoint{
		Version: checkpointVersion, Epoch: epoch, Mode: g.job.Mode.String(), Parallelism: g.shards, Settings: g.job.Settings, Streams: map[string]SavedStream{},
		Outputs: map[string]int64{}, Sealed: map[string][]byte{}, SealedEpoch: epoch,
		First: g.stats.first.Load(), Last: g.stats.last.Load(), Peak: g.stats.peak.Load(),
	}
	for _, name := range g.order {
		s := g.readers[name].clock.save()
		s.Shape, s.Counts = g.streams[name].shape(), g.streams[name].count.save()
		cp.Streams[name] = s
	}
	for i, o := range g.job.Outputs {
		cp.Outputs[o.Name] = g.counts[i].Load()
	}
	w := int64(EndOfTime)
	for _, x := range g.routes {
		w = min(w, x.watermark.Load())
	}
	cp.Watermark = &w
	return cp
}

// commit makes an epoch durable, then visible. work is what each shard of each operator keeps.
func (g *graph) commit(ctx context.Context, cp *Checkpoint, work [][]capture) error {
	c := g.job.Checkpoints
	write, writing := errgroup.WithContext(ctx)
	write.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i := range cp.Operators {
		for store, shards := range cp.Operators[i].Stores {
			for shard := range shards {
				write.Go(func() error {
					saved, err := work[i][shard].stores[store].Write(func(name string, data []byte) error { return c.vault.Put(writing, name, data) })
					if err != nil {
						return fmt.Errorf("checkpoint %s: %w", c.vault, err)
					}
					shards[shard] = *saved
					return nil
				})
			}
		}
	}
	sealErr := g.seal(ctx, cp)
	if err := errors.Join(write.Wait(), sealErr); err != nil {
		return err
	}
	if err := c.commit(ctx, cp); err != nil {
		return err
	}
	if err := g.publish(ctx, cp); err != nil {
		return err
	}
	return c.collect(ctx)
}

// namedSink is a sink with the names that checkpoints have for it: one for each output that goes there, as the first of
// them may be gone when a run goes on.
type namedSink struct {
	names []string
	sink  Sink
}

// sinks are the job's, each once.
func (g *graph) sinks() []namedSink {
	var out []namedSink
	add := func(name string, s Sink) {
		if at := slices.IndexFunc(out, func(have namedSink) bool { return have.sink == s }); at >= 0 {
			out[at].names = append(out[at].names, name)
		} else if s != nil {
			out = append(out, namedSink{[]string{name}, s})
		}
	}
	for _, o := range g.job.Outputs {
		for i, t := range o.Targets {
			add(fmt.Sprintf("%s/%d", o.Name, i), t.Sink)
		}
	}
	if !slices.ContainsFunc(out, func(have namedSink) bool { return have.sink == g.job.Sides }) {
		add("sides", g.job.Sides)
	}
	// Who decides comes first.
	slices.SortStableFunc(out, func(a, b namedSink) int { return cmp.Compare(undecisive(a.sink), undecisive(b.sink)) })
	return out
}

func undecisive(s Sink) int {
	if d, ok := s.(Decider); ok && d.Decides() {
		return 0
	}
	return 1
}

// seal makes what the sinks cut durable.
func (g *graph) seal(ctx context.Context, cp *Checkpoint) error {
	inputs, err := json.Marshal(cp.inputs())
	if err != nil {
		return err
	}
	for _, s := range g.sinks() {
		if d, ok := s.sink.(Describer); ok {
			d.SetInputs(inputs)
		}
		sealed, err := s.sink.Seal(ctx, cp.Epoch)
		if err != nil {
			return err
		}
		for _, name := range s.names {
			cp.Sealed[name] = sealed
		}
	}
	return nil
}

// publish makes what was sealed visible.
func (g *graph) publish(ctx context.Context, cp *Checkpoint) error {
	for _, s := range g.sinks() {
		for _, name := range s.names {
			if sealed, ok := cp.Sealed[name]; ok {
				if err := s.sink.Publish(ctx, cp.SealedEpoch, sealed); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// inputs is where the inputs stood.
func (c *Checkpoint) inputs() Inputs {
	in := Inputs{Mode: c.Mode, Positions: map[string]map[string]int64{}, Decisions: []Decision{}}
	for name, s := range c.Streams {
		in.Positions[name] = s.positions()
		in.Decisions = append(in.Decisions, s.Decisions...)
	}
	switch w := c.Watermark; {
	case w == nil || *w == NoTime:
	case *w == EndOfTime:
		in.Complete = true
	default:
		in.Watermark = w
	}
	return in
}

// positions is where each lane goes on.
func (s *SavedStream) positions() map[string]int64 {
	out := map[string]int64{}
	for _, l := range s.Lanes {
		out[l.Name] = l.Next
	}
	return out
}

// restore takes up a checkpoint's figures and clocks.
func (g *graph) restore(cp *Checkpoint) {
	g.stats.first.Store(cp.First)
	g.stats.last.Store(cp.Last)
	g.stats.peak.Store(cp.Peak)
	for _, name := range g.order {
		saved := cp.Streams[name]
		g.readers[name].clock.restore(&saved)
		g.streams[name].count.restore(saved.Counts)
		g.stats.in.Add(saved.Counts["rows"])
		g.restored += saved.Counts["rows"]
	}
	for i, o := range g.job.Outputs {
		g.counts[i].Store(cp.Outputs[o.Name])
	}
}

// resume goes on from a checkpoint that fits.
func (g *graph) resume(ctx context.Context, cp *Checkpoint) error {
	g.restore(cp)
	for _, name := range g.order {
		saved := cp.Streams[name]
		if err := g.streams[name].in.Source.Seek(saved.positions()); err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	if err := g.load(ctx, cp); err != nil {
		return err
	}
	for i, st := range g.stages {
		for _, t := range st.tasks {
			t.op.restore(g.saved(cp, i).Clocks)
			t.account()
		}
	}
	return nil
}

// saved is what a checkpoint that fits has of a stage.
func (g *graph) saved(cp *Checkpoint, stage int) *SavedOperator {
	return &cp.Operators[slices.IndexFunc(cp.Operators, func(o SavedOperator) bool { return o.Name == g.stages[stage].name })]
}

// load reads and verifies the files of a checkpoint, each once, and gives every task its rows. Few files are in memory
// at a time: what a checkpoint holds may be more than that.
func (g *graph) load(ctx context.Context, cp *Checkpoint) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(2 * runtime.GOMAXPROCS(0))
	for n := range g.stages {
		op := g.saved(cp, n)
		busy := make([]sync.Mutex, len(g.stages[n].tasks))
		for i, shards := range op.Stores {
			for s := range shards {
				work.Go(func() error { return g.loadStore(ctx, cp, &g.stages[n], i, op, &shards[s], busy) })
			}
		}
	}
	return work.Wait()
}

// loadStore gives the rows of one saved store to the tasks of a stage; busy is held while one takes some.
func (g *graph) loadStore(ctx context.Context, cp *Checkpoint, st *stage, i int, op *SavedOperator, saved *state.SavedStore, busy []sync.Mutex) error {
	v := g.job.Checkpoints.vault
	names, err := matchColumns(op.Columns[i], st.held[i])
	if err != nil {
		return err
	}
	var marks []byte
	if saved.Marks != nil {
		if marks, err = readSaved(ctx, v, *saved.Marks); err != nil {
			return err
		}
		if err := saved.Marks.Verify(marks); err != nil {
			return damaged(v, cp, err)
		}
	}
	rows, err := state.Restore(saved, marks)
	if err != nil {
		return damaged(v, cp, err)
	}
	for n, f := range rows.Segments() {
		data, err := readSaved(ctx, v, f)
		if err != nil {
			return err
		}
		seg, err := state.OpenSegment(f, data)
		if err != nil {
			return damaged(v, cp, err)
		}
		for shard, t := range st.tasks {
			take := func() error {
				busy[shard].Lock()
				defer busy[shard].Unlock()
				if err := t.stores[i].Restore(rows, n, seg, names, func(h uint64) bool { return shardOf(h, g.shards) == shard }); err != nil {
					return fmt.Errorf("checkpoint %s: %w", v, err)
				}
				return t.balance(ctx)
			}
			if err := take(); err != nil {
				return err
			}
		}
	}
	return nil
}

func readSaved(ctx context.Context, v Vault, f state.Saved) ([]byte, error) {
	data, err := v.Get(ctx, f.Name)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %s: %w", v, f.Name, err)
	}
	return data, nil
}

// damaged is of a checkpoint and of those behind it: who took the place since has written it anew, under later names.
func damaged(v Vault, cp *Checkpoint, err error) error {
	return schema.WithHint(fmt.Errorf("checkpoint %s, epoch %d: %w", v, cp.SealedEpoch, err), "remove "+checkpointName(cp.SealedEpoch)+" there and those behind it to go on from the checkpoint before")
}
