package replay

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
)

// group makes one row of each group of rows, for one shard of the keys.
//
// Rows are held until the watermark says that their group is complete; only then are its aggregates computed, over
// its rows in an order that does not depend on how they came. So a sum of floating-point numbers has one value.
type group struct {
	waiting
	node *sql.Group
	fail failures
	next int64 // the end of the first window that has not left and has a row

	linked int64 // of sessions: the rows before this are in the store's index, in the order of their times
	rows   []state.Row
}

func newGroup(node *sql.Group, fail failures, aside *sides) *group {
	width := int64(1_000_000)
	switch w := node.Window; {
	case w == nil:
		width = max(width, (node.Hi-node.Lo)/2)
	case w.Gap > 0:
		width = max(width, w.Gap)
	default:
		width = max(100_000, w.Slide)
	}
	g := &group{node: node, fail: fail, next: EndOfTime, linked: NoTime, waiting: newWaiting(node.Input.Fields(), identity(node.Keys), node.Time, node.Of != nil, width, fail.from, aside)}
	if node.Window != nil && node.Window.Gap > 0 {
		g.store.IndexKept()
	}
	g.fail.from = fail.from.through(outputKeys(node))
	return g
}

// outputKeys says which columns of the input leave: the keys.
func outputKeys(n *sql.Group) []int {
	out := identity(n.Keys)
	for range len(n.Fields()) - n.Keys {
		out = append(out, -1)
	}
	return out
}

func (g *group) settle(ctx context.Context, all bool, out emit) error {
	send := func() error { return g.finish(ctx, out) }
	switch w := g.node.Window; {
	case w == nil:
		closed := shift(g.w, g.node.Lo)
		if !g.worth(all, closed) {
			return nil
		}
		err := g.steps(closed, func(at int64) error {
			return g.store.Sweep(at, func(e state.Row) {
				g.due = append(g.due, member{ref: e.Ref, hash: e.Hash, t: e.Time()})
			})
		}, send)
		g.store.Expire(g.swept)
		return err
	case w.Gap > 0:
		closed := shift(g.w, -w.Gap)
		if !g.worth(all, closed) {
			return nil
		}
		err := g.link()
		if err == nil {
			err = g.steps(closed, g.sessions, send)
		}
		g.store.ExpireKept(g.swept)
		return err
	default:
		before := g.swept
		g.due = g.due[:0]
		if err := g.windows(ctx, out); err != nil || g.swept == before {
			return err
		}
		err := send()
		g.store.Expire(g.live())
		return err
	}
}

// lastOf is the event time of a window's row: its last millisecond.
const lastOf = 1000

func (g *group) process(ctx context.Context, m *message, out emit) error {
	if w := g.node.Window; w != nil && w.Gap == 0 {
		for _, r := range m.rows {
			if t := m.b.times[r]; t < g.next-w.Slide {
				g.next = g.firstEnd(t)
			}
		}
	}
	return g.waiting.process(ctx, m, out)
}

// firstEnd is the end of the first window that holds a time and has not left.
func (g *group) firstEnd(t int64) int64 {
	w := g.node.Window
	end := t - floorMod(t-w.Offset, w.Slide) + w.Slide // a window ends at each multiple of slide, as size is one
	if g.swept != NoTime {
		end = max(end, g.swept+w.Slide)
	}
	return end
}

// windows takes the rows of every TUMBLE or HOP window that has ended. swept is the end of the last.
func (g *group) windows(ctx context.Context, out emit) error {
	w := g.node.Window
	for g.next <= g.w && g.next != EndOfTime {
		end := g.next
		err := g.store.Range(end-w.Size, end, func(e state.Row) {
			g.due = append(g.due, member{ref: e.Ref, hash: e.Hash, t: end - lastOf, start: end - w.Size})
		})
		if err != nil {
			return err
		}
		g.swept, g.next = end, EndOfTime
		if first, ok := g.store.First(g.live()); ok {
			g.next = g.firstEnd(first)
		}
		if len(g.due) >= batchRows {
			if err := g.finish(ctx, out); err != nil {
				return err
			}
		}
	}
	// Windows without rows have left as well: where a shard stands depends on the watermark alone.
	switch {
	case g.w == EndOfTime:
		g.swept = EndOfTime
	case g.w != NoTime:
		g.swept = max(g.swept, g.w-floorMod(g.w-w.Offset, w.Slide))
	}
	return nil
}

func (g *group) restore(clocks []int64) {
	g.waiting.restore(clocks)
	if w := g.node.Window; w != nil && w.Gap == 0 {
		if first, ok := g.store.First(g.live()); ok {
			g.next = g.firstEnd(first)
		}
	}
}

// live is the time from which on rows still belong to a window that has not left.
func (g *group) live() int64 {
	if g.swept == NoTime || g.swept == EndOfTime {
		return g.swept
	}
	return g.swept - g.node.Window.Size + g.node.Window.Slide
}

func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// link puts the rows before the watermark into the index, by their times, and marks each row that another of its key
// follows within the gap: that is the newest of its key in the index when the other comes to it.
func (g *group) link() error {
	gap := g.node.Window.Gap
	for g.linked < g.w {
		to := g.store.Step(g.linked, g.w)
		g.rows = g.rows[:0]
		err := g.store.Range(g.linked, to, func(r state.Row) {
			if !r.Kept() {
				g.rows = append(g.rows, r)
			}
		})
		if err != nil {
			return err
		}
		slices.SortStableFunc(g.rows, func(a, b state.Row) int { return cmp.Compare(a.Time(), b.Time()) })
		for _, r := range g.rows {
			before, found, err := g.store.Newest(r.Hash, r.Time()-gap, func(o state.Row) bool { return g.store.IdenticalKeys(o.Ref, r.Ref) })
			if err != nil {
				return err
			}
			if found {
				before.Mark()
			}
			g.store.Index(r, before)
		}
		g.linked = to
		g.store.Unload()
	}
	return nil
}

// sessions takes the rows of every session whose last row is before closed: no row to come is near enough to belong
// to it. The last row of a session is one that no other follows within the gap.
func (g *group) sessions(closed int64) error {
	gap := g.node.Window.Gap
	var failed error
	err := g.store.Sweep(closed, func(e state.Row) {
		if failed != nil {
			return
		}
		last := e.Time()
		from, start := len(g.due), last
		for {
			earliest := start
			failed = g.store.ProbeOne(e.Hash, start-gap, start, func(o state.Row) bool {
				if !o.Kept() && g.store.IdenticalKeys(o.Ref, e.Ref) {
					o.Keep()
					earliest = min(earliest, o.Time())
					g.due = append(g.due, member{ref: o.Ref, hash: o.Hash, t: last + gap - lastOf})
				}
				return true
			})
			if failed != nil || earliest == start {
				break
			}
			start = earliest
		}
		for i := from; i < len(g.due); i++ {
			g.due[i].start = start
		}
	})
	return errors.Join(err, failed)
}

// finish sends out the groups that are due.
func (g *group) finish(ctx context.Context, out emit) error {
	err := g.cohorts.each(g.store, g.due, batchRows, func(members []member, ends []int32) error {
		return g.send(ctx, members, ends, out)
	})
	g.due = g.due[:0]
	g.store.Unload()
	return err
}

func (g *group) send(ctx context.Context, members []member, ends []int32, out emit) error {
	c := &chunk{of: &g.waiting, ends: ends, cols: make([]arrow.Array, g.store.Width()), refs: make([]state.Ref, len(members))}
	for i := range members {
		c.refs[i] = members[i].ref
	}
	first := make([]state.Ref, len(ends))
	b := &batch{times: make([]int64, len(ends))}
	from := int32(0)
	for i, end := range ends {
		first[i], b.times[i] = c.refs[from], members[from].t
		from = end
	}
	for k := range g.node.Keys {
		a, err := state.Gather(g.store.Type(k), g.store.Column(k), first)
		if err != nil {
			return err
		}
		b.cols = append(b.cols, a)
	}
	var failed []expr.RowError
	for i := range g.node.Aggs {
		a, bad, err := c.aggregate(&g.node.Aggs[i])
		if err != nil {
			return err
		}
		b.cols, failed = append(b.cols, a), append(failed, bad...)
	}
	if g.node.Window != nil {
		var starts, lasts []int64
		from := int32(0)
		for _, end := range ends {
			starts, lasts = append(starts, members[from].start), append(lasts, members[from].t+lastOf)
			from = end
		}
		b.cols = append(b.cols, timeColumn(starts), timeColumn(lasts), timeColumn(b.times))
	}
	drop, err := g.fail.settle(ctx, b, failed)
	if err != nil {
		return err
	}
	if len(drop) > 0 {
		if b, err = b.take(without(b.rows(), drop)); err != nil || b.rows() == 0 {
			return err
		}
	}
	return out(ctx, b)
}

func (g *group) flush(context.Context, emit) error { return nil }

// watermark: a group that has not left has a time that was not swept; a window's is its last millisecond.
func (g *group) watermark() int64 {
	switch w := g.node.Window; {
	case w == nil:
		return g.swept
	case w.Gap > 0: // a session that is open ends a gap behind a row that was not swept
		return shift(shift(g.swept, w.Gap), -lastOf)
	}
	return shift(g.w, -lastOf)
}

func (g *group) end(ctx context.Context) error {
	w := g.node.Window
	return g.undecided(ctx, func(e state.Row) bool {
		switch {
		case w == nil:
			return !e.Marked()
		case w.Gap > 0:
			return !e.Kept()
		}
		return e.Time() >= g.live()
	})
}

// chunk is some groups' rows at hand, column by column.
type chunk struct {
	of   *waiting
	refs []state.Ref
	ends []int32
	cols []arrow.Array
}

func (c *chunk) column(i int) (arrow.Array, error) {
	if c.cols[i] == nil {
		a, err := state.Gather(c.of.store.Type(i), c.of.store.Column(i), c.refs)
		if err != nil {
			return nil, err
		}
		c.cols[i] = a
	}
	return c.cols[i], nil
}

// times are those of a column, or the rows' event times.
func (c *chunk) times(column int) ([]int64, error) {
	if column < 0 {
		out := make([]int64, len(c.refs))
		for i, r := range c.refs {
			out[i] = c.of.eventTime(r)
		}
		return out, nil
	}
	a, err := c.column(column)
	if err != nil {
		return nil, err
	}
	v := state.View(a)
	out := make([]int64, len(c.refs))
	for i := range out {
		if out[i] = NoTime; !v.Null(i) {
			out[i] = v.Int64(i)
		}
	}
	return out, nil
}
