package replay

import (
	"context"
	"sync/atomic"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// batchRows is how many rows operators gather before they pass them on: enough to pay for a message, few enough
// that a batch stays in a core's cache.
const batchRows = 8192

// manyRows is how many decided rows may wait to leave: a jump of a watermark may decide all that are held.
const manyRows = 8 * batchRows

// emit passes rows on; the receiver keeps them.
type emit func(context.Context, *batch) error

// message is what travels to a task: rows of one sender, or how far its time has come, or both. Messages of one
// sender arrive in order.
type message struct {
	port, sender int
	b            *batch
	// rows are those of the batch that this task shall take, nulls those of them whose key has a NULL. hashes
	// is by row of the batch; keys and views are its key columns and all its columns.
	rows, nulls []int32
	hashes      []uint64
	keys, views []state.Column
	bytes       int64 // the task's part of the batch's memory
	watermark   int64
	end         bool
	barrier     int64 // the number of an epoch that ends here; 0: none
}

// operator is work that keeps rows between batches. One goroutine owns it; it needs no locks.
type operator interface {
	// process takes a message's rows. What it borrows it may keep: batches never change. What is decided waits for flush,
	// but where that is very much.
	process(ctx context.Context, m *message, out emit) error
	// advance tells that no row still to come on the port is earlier than w.
	advance(port int, w int64)
	// settle decides what the watermarks allow; all: to the last row, else as much as is worth a pass.
	settle(ctx context.Context, all bool, out emit) error
	// pending is how many rows wait for flush.
	pending() int
	flush(ctx context.Context, out emit) error
	// watermark, right after flush, is the time that no row still to leave is earlier than.
	watermark() int64
	// end sets aside what is undecided, when no more input comes.
	end(ctx context.Context) error
	// stores and clocks are all that an operator without pending rows keeps; restore, called before anything
	// else on an operator whose stores were filled, takes up clocks, each the least of all shards.
	stores() []*state.Store
	clocks() []int64
	restore(clocks []int64)
}

// pass hands rows on as they come: an operator for work that only wants more goroutines.
type pass struct{ w int64 }

func (p *pass) process(context.Context, *message, emit) error    { return nil }
func (p *pass) advance(_ int, w int64)                           { p.w = max(p.w, w) }
func (p *pass) settle(context.Context, bool, emit) error         { return nil }
func (p *pass) pending() int                                     { return 0 }
func (p *pass) flush(context.Context, emit) error                { return nil }
func (p *pass) watermark() int64                                 { return p.w }
func (p *pass) end(context.Context) error                        { return nil }
func (p *pass) stores() []*state.Store                           { return nil }
func (p *pass) clocks() []int64                                  { return []int64{p.w} }
func (p *pass) restore(clocks []int64)                           { p.w = clocks[0] }
func (p *pass) send(ctx context.Context, b *batch, o emit) error { return o(ctx, b) }

// task is one shard of a stage: a goroutine that owns an operator, and the ways its rows take from there.
type task struct {
	op      operator
	in      chan message
	senders [][]int64 // watermark of each sender, by port
	ends    int       // how many senders have not ended
	all     int       // how many senders there are
	cut     int       // how many have sent the barrier that is under way
	out     []outlet
	stats   *stats
	stores  []*state.Store // the operator's
	told    holding        // what stats were told of
	skews   []skew         // by port
	// captured takes what the task holds at a barrier.
	captured func(context.Context, *task, int64) error
}

// addSender makes room for one more sender on a port and returns its number.
func (t *task) addSender(port int) int {
	for len(t.senders) <= port {
		t.senders, t.skews = append(t.senders, nil), append(t.skews, skew{})
	}
	t.senders[port] = append(t.senders[port], NoTime)
	t.ends++
	t.all++
	return len(t.senders[port]) - 1
}

func (t *task) run(ctx context.Context) error {
	sent := int64(NoTime)
	for t.ends > 0 {
		var m message
		select {
		case m = <-t.in:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if m.b != nil {
			if p, ok := t.op.(*pass); ok {
				if err := p.send(ctx, m.b, t.emit); err != nil {
					return err
				}
			} else {
				t.skews[m.port].see(&m)
				if err := t.op.process(ctx, &m, t.emit); err != nil {
					return err
				}
			}
		}
		if m.end {
			t.ends--
		}
		if m.barrier > 0 {
			if t.cut++; t.cut < t.all {
				continue
			}
			t.cut = 0
			if err := t.capture(ctx, m.barrier, &sent); err != nil {
				return err
			}
			continue
		}
		if ws := t.senders[m.port]; m.watermark > ws[m.sender] {
			ws[m.sender] = m.watermark
			least := ws[0]
			for _, w := range ws {
				least = min(least, w)
			}
			t.op.advance(m.port, least)
		}
		idle := len(t.in) == 0
		if err := t.op.settle(ctx, idle, t.emit); err != nil {
			return err
		}
		if t.op.pending() >= batchRows || idle {
			if err := t.op.flush(ctx, t.emit); err != nil {
				return err
			}
			if w := t.op.watermark(); w > sent {
				sent = w
				if err := t.each(func(o outlet) error { return o.advance(ctx, w) }); err != nil {
					return err
				}
			}
		}
		if err := t.balance(ctx); err != nil {
			return err
		}
	}
	if err := t.op.settle(ctx, true, t.emit); err != nil {
		return err
	}
	if err := t.op.flush(ctx, t.emit); err != nil {
		return err
	}
	w := t.op.watermark()
	if err := t.op.end(ctx); err != nil {
		return err
	}
	t.account()
	return t.each(func(o outlet) error { return o.end(ctx, w) })
}

// capture brings the task to rest at a barrier, hands out what it keeps, and passes the barrier on. Its senders
// wait meanwhile.
func (t *task) capture(ctx context.Context, epoch int64, sent *int64) error {
	if err := t.op.settle(ctx, true, t.emit); err != nil {
		return err
	}
	if err := t.op.flush(ctx, t.emit); err != nil {
		return err
	}
	if w := t.op.watermark(); w > *sent {
		*sent = w
		if err := t.each(func(o outlet) error { return o.advance(ctx, w) }); err != nil {
			return err
		}
	}
	t.account()
	if err := t.captured(ctx, t, epoch); err != nil {
		return err
	}
	return t.each(func(o outlet) error { return o.barrier(ctx, epoch) })
}

// balance lets the state go to disk that memory has no room for. What waits to leave leaves before.
func (t *task) balance(ctx context.Context) error {
	for _, s := range t.stores {
		if err := s.Balance(func() error { return t.op.flush(ctx, t.emit) }); err != nil {
			return err
		}
	}
	t.account()
	return nil
}

// holding is what a task keeps.
type holding struct{ rows, memory, disk int64 }

func (t *task) account() {
	var now holding
	for _, s := range t.stores {
		disk, _ := s.Spilled()
		now.rows, now.memory, now.disk = now.rows+int64(s.Rows()), now.memory+s.Bytes(), now.disk+disk
	}
	t.stats.held(now.rows-t.told.rows, now.memory+now.disk-t.told.memory-t.told.disk)
	t.told = now
}

func (t *task) emit(ctx context.Context, b *batch) error {
	return t.each(func(o outlet) error { return o.send(ctx, b) })
}

func (t *task) each(do func(outlet) error) error {
	for _, o := range t.out {
		if err := do(o); err != nil {
			return err
		}
	}
	return nil
}

// outlet is a way out of a task or a reader, used by its goroutine alone.
type outlet interface {
	send(ctx context.Context, b *batch) error
	// advance promises that no row sent later is earlier than w.
	advance(ctx context.Context, w int64) error
	end(ctx context.Context, w int64) error
	// barrier tells that an epoch ends here.
	barrier(ctx context.Context, epoch int64) error
}

// exchange sends rows to the tasks of the next stage: by key, or batch by batch in turn when there is none.
type exchange struct {
	steps  []step
	keys   *expr.Program
	whole  bool // rows whose key has a NULL belong together like any others
	fail   failures
	to     []*task
	port   int
	sender int
	turn   int
}

func (x *exchange) send(ctx context.Context, b *batch) error {
	b, err := applySteps(ctx, x.steps, b)
	if err != nil || b == nil {
		return err
	}
	if x.keys == nil {
		x.turn = (x.turn + 1) % len(x.to)
		return x.post(ctx, x.turn, message{b: b, watermark: NoTime})
	}
	keys, failed, err := x.keys.Eval(b.cols, b.rows())
	if err != nil {
		return err
	}
	drop, err := x.fail.settle(ctx, b, failed)
	if err != nil {
		return err
	}
	m := message{b: b, keys: state.Views(keys), views: state.Views(b.cols), watermark: NoTime}
	m.bytes = batchBytes(b, m.views, keys) / int64(len(x.to))
	m.hashes = make([]uint64, b.rows())
	var null []bool
	if x.whole {
		state.HashAll(m.keys, b.rows(), m.hashes)
	} else {
		null = state.Hash(m.keys, b.rows(), m.hashes)
	}
	rows, nulls := split(m.hashes, null, drop, len(x.to))
	for i := range x.to {
		if len(rows[i]) == 0 && len(nulls[i]) == 0 {
			continue
		}
		m.rows, m.nulls = rows[i], nulls[i]
		if err := x.post(ctx, i, m); err != nil {
			return err
		}
	}
	return nil
}

// keyGroups is the fixed number of groups that keys fall into, whatever the number of shards: group = the upper
// ten bits of the key's hash.
const keyGroups = 1024

func shardOf(hash uint64, shards int) int { return int((hash >> 54) * uint64(shards) / keyGroups) }

// split gives each shard its rows. Rows whose key has a NULL are spread by turns.
func split(hashes []uint64, null []bool, drop []int32, shards int) (rows, nulls [][]int32) {
	rows, nulls = make([][]int32, shards), make([][]int32, shards)
	for s := range rows {
		rows[s] = make([]int32, 0, len(hashes)/shards+len(hashes)/16+16)
	}
	dropped := 0
	for i, h := range hashes {
		if dropped < len(drop) && drop[dropped] == int32(i) {
			dropped++
			continue
		}
		if null != nil && null[i] {
			nulls[i%shards] = append(nulls[i%shards], int32(i))
			continue
		}
		s := shardOf(h, shards)
		rows[s] = append(rows[s], int32(i))
	}
	return rows, nulls
}

func (x *exchange) post(ctx context.Context, i int, m message) error {
	m.port, m.sender = x.port, x.sender
	select {
	case x.to[i].in <- m:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (x *exchange) advance(ctx context.Context, w int64) error {
	for i := range x.to {
		if err := x.post(ctx, i, message{watermark: w}); err != nil {
			return err
		}
	}
	return nil
}

func (x *exchange) end(ctx context.Context, w int64) error {
	for i := range x.to {
		if err := x.post(ctx, i, message{watermark: w, end: true}); err != nil {
			return err
		}
	}
	return nil
}

func (x *exchange) barrier(ctx context.Context, epoch int64) error {
	for i := range x.to {
		if err := x.post(ctx, i, message{watermark: NoTime, barrier: epoch}); err != nil {
			return err
		}
	}
	return nil
}

func applySteps(ctx context.Context, steps []step, b *batch) (*batch, error) {
	for _, s := range steps {
		var err error
		if b, err = s.apply(ctx, b); err != nil || b == nil || b.rows() == 0 {
			return nil, err
		}
	}
	return b, nil
}

func batchBytes(b *batch, views []state.Column, keys []arrow.Array) int64 {
	n := int64(b.rows()) * 8
	for i := range views {
		n += views[i].Size()
	}
	for _, k := range keys {
		shared := false
		for _, c := range b.cols {
			shared = shared || c == k
		}
		if !shared {
			v := state.View(k)
			n += v.Size()
		}
	}
	return n
}

// routes is the way out of the plan: rows to the outputs that want them.
type routes struct {
	steps   []step
	outputs []route
	stats   *stats
	// watermark is that of the rows sent here.
	watermark atomic.Int64
}

type route struct {
	where   *expr.Program // nil: all rows
	fail    failures
	writers []Writer
	count   *atomic.Int64
	fields  []schema.Field
	coded   bool // whether all writers take text as dictionaries
	rows    []int32
}

// record is what the writers are given.
func (r *route) record(b *batch) (arrow.Record, error) {
	cols, fields := make([]arrow.Array, len(b.cols)), make([]arrow.Field, len(b.cols))
	for i, a := range b.cols {
		if !r.coded {
			var err error
			if a, err = state.Plain(a); err != nil {
				return nil, err
			}
		}
		cols[i], fields[i] = a, arrow.Field{Name: r.fields[i].Name, Type: r.fields[i].Type.Arrow(), Nullable: true}
		if a.DataType().ID() == arrow.DICTIONARY {
			fields[i].Type = a.DataType()
		}
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(b.rows())), nil
}

func (x *routes) send(ctx context.Context, b *batch) error {
	b, err := applySteps(ctx, x.steps, b)
	if err != nil || b == nil {
		return err
	}
	for i := range x.outputs {
		r := &x.outputs[i]
		mine := b
		if r.where != nil {
			rows, failed, err := r.where.EvalBool(b.cols, b.rows(), r.rows[:0])
			if err != nil {
				return err
			}
			r.rows = rows
			if _, err := r.fail.settle(ctx, b, failed); err != nil {
				return err
			}
			if len(rows) == 0 {
				continue
			}
			if len(rows) < b.rows() {
				if mine, err = b.take(rows); err != nil {
					return err
				}
			}
		}
		rec, err := r.record(mine)
		if err != nil {
			return err
		}
		for _, w := range r.writers {
			if err := w.Write(ctx, rec, mine.times); err != nil {
				return err
			}
		}
		r.count.Add(int64(mine.rows()))
		x.stats.out.Add(int64(mine.rows()))
	}
	return nil
}

func (x *routes) advance(_ context.Context, w int64) error {
	raise(&x.watermark, w)
	return nil
}

func (x *routes) end(ctx context.Context, w int64) error { return x.advance(ctx, w) }

func (x *routes) barrier(context.Context, int64) error { return nil }
