package replay

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// dedupe keeps the first of the rows that are one event, for one shard of the ids.
//
// Rows wait until the watermark has passed them; then they are judged in the order of time, partition and offset
// (content, where there are no positions): a row is a duplicate when a row of its id was kept within `within`
// before it. So the answer does not depend on which row came first.
type dedupe struct {
	store  *state.Store
	fields []schema.Field
	within int64
	w      int64
	swept  int64
	step   int64
	from   origin
	aside  *sides
	ids    bool // whether the rows have positions

	out    []state.Ref
	times  []int64
	pinned []uint32
	due    []state.Row
}

func newDedupe(st *stream, aside *sides) *dedupe {
	fields := st.in.Source.Fields()
	width := max(st.in.Within/2, 1_000_000)
	store := state.NewStore(width, arrowTypes(fields), len(st.in.ID))
	store.Describe(columnNames(savedColumns(fields)), st.in.ID)
	store.IndexKept() // copies of one event wait and go without being looked at by the others
	return &dedupe{
		store:  store,
		fields: fields, within: st.in.Within, w: NoTime, swept: NoTime, step: width / 16,
		from: origin{stream: st}, aside: aside,
	}
}

func (d *dedupe) process(_ context.Context, m *message, _ emit) error {
	seg := d.store.Add(m.views, m.keys, m.b.times, m.b.parts, m.b.offsets, m.bytes)
	d.pinned = append(d.pinned, seg)
	d.ids = m.b.offsets != nil
	d.store.Insert(seg, m.rows, m.hashes, nil)
	for _, r := range m.nulls { // a NULL in the id makes a row its own event
		d.keep(state.Ref{Segment: seg, Row: uint32(r)}, m.b.times[r])
	}
	return nil
}

func (d *dedupe) keep(r state.Ref, t int64) {
	d.out = append(d.out, r)
	d.times = append(d.times, t)
}

func (d *dedupe) advance(_ int, w int64) { d.w = max(d.w, w) }

func (d *dedupe) settle(ctx context.Context, all bool, out emit) error {
	if d.w > d.swept && (all || d.swept == NoTime || d.w == EndOfTime || d.w-d.swept >= d.step) {
		for d.swept < d.w {
			d.swept = d.store.Step(d.swept, d.w)
			if err := d.judge(ctx); err != nil {
				return err
			}
			if d.pending() >= manyRows {
				if err := d.flush(ctx, out); err != nil {
					return err
				}
			}
		}
	}
	if gone := shift(d.swept, -d.within); d.store.Expires(gone) {
		if err := d.flush(ctx, out); err != nil {
			return err
		}
		d.store.Expire(gone)
	}
	return nil
}

func (d *dedupe) judge(ctx context.Context) error {
	d.due = d.due[:0]
	if err := d.store.Sweep(d.swept, func(r state.Row) { d.due = append(d.due, r) }); err != nil {
		return err
	}
	slices.SortFunc(d.due, d.order)
	var conflicts []state.Ref
	var reasons []string
	for _, e := range d.due {
		var kept state.Ref
		duplicate := false
		err := d.store.ProbeOne(e.Hash, e.Time()-d.within, e.Time(), func(k state.Row) bool {
			if d.store.SameKeys(k.Ref, e.Ref) {
				kept, duplicate = k.Ref, true
			}
			return !duplicate
		})
		if err != nil {
			return err
		}
		switch {
		case !duplicate:
			e.Keep()
			d.store.Index(e, state.Row{})
			d.keep(e.Ref, e.Time())
		case d.store.Identical(kept, e.Ref):
			d.from.stream.count.duplicates.Add(1)
		default:
			d.from.stream.count.conflicts.Add(1)
			conflicts = append(conflicts, e.Ref)
			reasons = append(reasons, "same id as a row at "+timeText(d.store.TimeOf(kept))+", but differs in "+d.differing(kept, e.Ref))
		}
	}
	if len(conflicts) == 0 {
		return nil
	}
	b, err := held(d.store, conflicts)
	if err != nil {
		return err
	}
	return d.aside.write(ctx, sideConflicts, d.from, b, allRows(len(conflicts)), setAside{reasons: reasons})
}

func (d *dedupe) order(a, b state.Row) int {
	if c := cmp.Compare(a.Time(), b.Time()); c != 0 {
		return c
	}
	if d.ids {
		ap, ao := d.store.Position(a.Ref)
		bp, bo := d.store.Position(b.Ref)
		if c := cmp.Compare(ap, bp); c != 0 {
			return c
		}
		return cmp.Compare(ao, bo)
	}
	return d.store.CompareContent(a.Ref, b.Ref)
}

func (d *dedupe) differing(a, b state.Ref) string {
	var names []string
	for c, f := range d.fields {
		col := d.store.Column(c)
		if !col[a.Segment].Identical(int(a.Row), col[b.Segment], int(b.Row)) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (d *dedupe) pending() int { return max(len(d.out), d.store.Loaded()) }

func (d *dedupe) flush(ctx context.Context, out emit) error {
	for from := 0; from < len(d.out); from += batchRows {
		to := min(from+batchRows, len(d.out))
		refs := d.out[from:to]
		b := &batch{times: append([]int64(nil), d.times[from:to]...), cols: make([]arrow.Array, len(d.fields))}
		for c := range d.fields {
			a, err := state.GatherCoded(d.store.Type(c), d.store.Column(c), refs)
			if err != nil {
				return err
			}
			b.cols[c] = a
		}
		if d.ids {
			b.parts, b.offsets = make([]int32, len(refs)), make([]int64, len(refs))
			for i, r := range refs {
				b.parts[i], b.offsets[i] = d.store.Position(r)
			}
		}
		if err := out(ctx, b); err != nil {
			return err
		}
	}
	d.out, d.times = d.out[:0], d.times[:0]
	for _, s := range d.pinned {
		d.store.Unpin(s)
	}
	d.pinned = d.pinned[:0]
	d.store.Unload()
	return nil
}

func (d *dedupe) watermark() int64 { return d.swept }

func (d *dedupe) end(ctx context.Context) error {
	return undecided(ctx, d.aside, d.from, d.store, nil, "the watermark has not passed it, so an earlier row of its id may still come")
}

func (d *dedupe) stores() []*state.Store { return []*state.Store{d.store} }

func (d *dedupe) clocks() []int64 { return []int64{d.w, d.swept} }

func (d *dedupe) restore(clocks []int64) {
	d.w, d.swept = clocks[0], clocks[1]
	d.ids = d.store.Positioned()
}
