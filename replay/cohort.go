package replay

import (
	"cmp"
	"context"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// waiting holds rows by key until their group is complete. It is the state of group and rank.
type waiting struct {
	store *state.Store
	// time is the column of the group's time; -1: the row's event time. The store is by that time; where the two
	// differ, the event time is a column of its own behind the others.
	time  int
	w     int64
	swept int64 // the group's time before which everything has left
	step  int64 // how far swept may lag behind what it could be, to save passes
	from  origin
	own   bool // the group's time is that of from's rows
	aside *sides

	due     []member
	cohorts cohorts
}

// member is a held row whose group is complete, the group's time and, in a window, its start.
type member struct {
	ref      state.Ref
	hash     uint64
	t, start int64
}

func newWaiting(fields []schema.Field, keys []int, time int, own bool, width int64, from origin, aside *sides) waiting {
	if len(keys) == 0 {
		keys = []int{-1} // the constant that all rows share
	}
	fields = heldBy(fields, time)
	store := state.NewStore(width, arrowTypes(fields), len(keys))
	store.Describe(columnNames(savedColumns(fields)), keys)
	return waiting{
		store: store, time: time, w: NoTime, swept: NoTime, step: width / 16, from: from, own: own, aside: aside,
	}
}

// heldBy are the columns that a group's rows are held with: where their time is not the group's, it stands behind them.
func heldBy(fields []schema.Field, time int) []schema.Field {
	if time < 0 {
		return fields
	}
	return append(slices.Clone(fields), schema.Field{Name: "_event_time", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}})
}

// process takes rows. A message's keys are those of its group.
func (h *waiting) process(_ context.Context, m *message, _ emit) error {
	times, views := m.b.times, m.views
	if h.time >= 0 {
		d := array.NewData(schema.TimestampType, len(times), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(times))}, nil, 0, 0)
		views = append(slices.Clone(views), state.View(array.NewTimestampData(d)))
		c := &views[h.time]
		of := make([]int64, len(times))
		for i := range of {
			of[i] = c.Int64(i)
		}
		times = of
	}
	seg := h.store.Add(views, m.keys, times, m.b.parts, m.b.offsets, m.bytes)
	h.store.Insert(seg, m.rows, m.hashes, nil)
	h.store.Unpin(seg)
	return nil
}

func (h *waiting) advance(_ int, w int64) { h.w = max(h.w, w) }
func (h *waiting) pending() int           { return 0 }
func (h *waiting) worth(all bool, to int64) bool {
	return to > h.swept && (all || h.swept == NoTime || to == EndOfTime || to-h.swept >= h.step)
}

// steps sweeps up to closed, piece by piece, and sends what is due whenever that is much.
func (h *waiting) steps(closed int64, sweep func(at int64) error, send func() error) error {
	h.due = h.due[:0]
	for h.swept < closed {
		h.swept = h.store.Step(h.swept, closed)
		if err := sweep(h.swept); err != nil {
			return err
		}
		if max(len(h.due), h.store.Loaded()) >= manyRows || h.swept == closed {
			if err := send(); err != nil {
				return err
			}
			h.due = h.due[:0]
			h.store.Unload()
		}
	}
	return nil
}

func (h *waiting) stores() []*state.Store { return []*state.Store{h.store} }

func (h *waiting) clocks() []int64 { return []int64{h.w, h.swept} }

func (h *waiting) restore(clocks []int64) { h.w, h.swept = clocks[0], clocks[1] }

// eventTime is a held row's.
func (h *waiting) eventTime(r state.Ref) int64 {
	if h.time < 0 {
		return h.store.TimeOf(r)
	}
	return h.store.Column(h.store.Width() - 1)[r.Segment].Int64(int(r.Row))
}

// originTime is the event time of the row that is told of.
func (h *waiting) originTime(r state.Ref) int64 {
	if h.own {
		return h.store.TimeOf(r)
	}
	return h.eventTime(r)
}

// undecided sets aside rows whose group is not complete. Rows that a join multiplied are told once a group.
func (h *waiting) undecided(ctx context.Context, open func(state.Row) bool) error {
	var rows []member
	var refs []state.Ref
	return stepwise(h.store, func(from, to int64) error {
		rows, refs = rows[:0], refs[:0]
		err := h.store.Range(from, to, func(r state.Row) {
			if open(r) {
				rows = append(rows, member{ref: r.Ref, hash: r.Hash, t: r.Time()})
			}
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		err = h.cohorts.each(h.store, rows, 1, func(members []member, _ []int32) error {
			group := make([]state.Ref, len(members))
			for i, m := range members {
				group[i] = m.ref
			}
			if _, offset := h.store.Position(group[0]); offset < 0 {
				slices.SortFunc(group, h.compareOrigin)
				group = slices.CompactFunc(group, func(a, b state.Ref) bool { return h.compareOrigin(a, b) == 0 })
			}
			refs = append(refs, group...)
			return nil
		})
		if err != nil {
			return err
		}
		return setUndecided(ctx, h.aside, h.from, h.store, refs, "its group is still open", h.originTime)
	})
}

// compareOrigin orders rows by what they have of their stream's columns.
func (h *waiting) compareOrigin(a, b state.Ref) int {
	if r := cmp.Compare(h.originTime(a), h.originTime(b)); r != 0 {
		return r
	}
	for _, c := range h.from.columns {
		if c < 0 {
			continue
		}
		col := h.store.Column(c)
		if r := col[a.Segment].Compare(int(a.Row), col[b.Segment], int(b.Row)); r != 0 {
			return r
		}
	}
	return 0
}

// cohorts brings the rows of a group together.
type cohorts struct {
	heads  []int32 // group plus one, by slot
	group  []int32 // by row
	first  []int32 // a row, by group
	ends   []int32 // by group, in sorted
	sorted []member
}

// each calls do with whole groups, one behind the other, of at least so many rows in all. ends are the ends of the
// groups among the members.
func (c *cohorts) each(s *state.Store, rows []member, least int, do func(members []member, ends []int32) error) error {
	c.arrange(s, rows)
	from, start := 0, int32(0)
	for g, end := range c.ends {
		if int(end-start) < least && g < len(c.ends)-1 {
			continue
		}
		ends := make([]int32, g+1-from)
		for i := range ends {
			ends[i] = c.ends[from+i] - start
		}
		if err := do(c.sorted[start:end], ends); err != nil {
			return err
		}
		from, start = g+1, end
	}
	return nil
}

func (c *cohorts) arrange(s *state.Store, rows []member) {
	n := len(rows)
	c.heads = resize(c.heads, 1<<bits.Len(uint(n*2)))
	clear(c.heads)
	mask := uint64(len(c.heads) - 1)
	c.group, c.first, c.ends = resize(c.group, n), c.first[:0], c.ends[:0]
	for i := range rows {
		m := &rows[i]
		slot := (m.hash ^ uint64(m.t)*0x9e3779b97f4a7c15>>17) & mask
		for ; ; slot = (slot + 1) & mask {
			g := c.heads[slot] - 1
			if g < 0 {
				g = int32(len(c.first))
				c.heads[slot] = g + 1
				c.first, c.ends = append(c.first, int32(i)), append(c.ends, 1)
				c.group[i] = g
				break
			}
			if f := &rows[c.first[g]]; f.hash == m.hash && f.t == m.t && s.IdenticalKeys(f.ref, m.ref) {
				c.group[i] = g
				c.ends[g]++
				break
			}
		}
	}
	end := int32(0)
	for g, count := range c.ends {
		c.ends[g] = end // where the group begins, until its rows have been placed
		end += count
	}
	c.sorted = resize(c.sorted, n)
	for i, g := range c.group {
		c.sorted[c.ends[g]] = rows[i]
		c.ends[g]++
	}
}
