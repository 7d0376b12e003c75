package replay

import (
	"context"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
)

// rank numbers the rows of each group, for one shard of the keys. A row leaves, with its number and its own event
// time, when no row of its group can come any more.
type rank struct {
	waiting
	node *sql.Rank
}

func newRank(node *sql.Rank, aside *sides, from origin) *rank {
	width := max((node.Hi-node.Lo)/2, 1_000_000)
	return &rank{node: node, waiting: newWaiting(node.Input.Fields(), node.Keys, node.Time, node.Of != nil, width, from, aside)}
}

func (r *rank) settle(ctx context.Context, all bool, out emit) error {
	closed := shift(r.w, r.node.Lo)
	if !r.worth(all, closed) {
		return nil
	}
	err := r.steps(closed, func(at int64) error {
		return r.store.Sweep(at, func(e state.Row) {
			r.due = append(r.due, member{ref: e.Ref, hash: e.Hash, t: e.Time()})
		})
	}, func() error {
		return r.cohorts.each(r.store, r.due, batchRows, func(members []member, ends []int32) error {
			return r.send(ctx, members, ends, out)
		})
	})
	r.store.Expire(r.swept)
	return err
}

func (r *rank) send(ctx context.Context, members []member, ends []int32, out emit) error {
	var refs []state.Ref
	var numbers []int64
	from := int32(0)
	for _, end := range ends {
		group := members[from:end]
		from = end
		slices.SortFunc(group, func(a, b member) int { return r.compare(a.ref, b.ref) })
		for i, m := range group {
			if r.node.Most > 0 && int64(i) >= r.node.Most {
				break
			}
			refs, numbers = append(refs, m.ref), append(numbers, int64(i+1))
		}
	}
	b := &batch{times: make([]int64, len(refs))}
	for i, ref := range refs {
		b.times[i] = r.eventTime(ref)
	}
	for c := range r.node.Carry {
		a, err := state.Gather(r.store.Type(c), r.store.Column(c), refs)
		if err != nil {
			return err
		}
		b.cols = append(b.cols, a)
	}
	b.cols = append(b.cols, array.NewInt64Data(array.NewData(arrow.PrimitiveTypes.Int64, len(numbers),
		[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(numbers))}, nil, 0, 0)))
	return out(ctx, b)
}

// compare is ORDER BY, then the content of what leaves.
func (r *rank) compare(a, b state.Ref) int {
	for _, o := range r.node.Order {
		col := r.store.Column(o.Column)
		x, y := col[a.Segment], col[b.Segment]
		xn, yn := x.Null(int(a.Row)), y.Null(int(b.Row))
		if xn != yn {
			if xn == o.NullsFirst {
				return -1
			}
			return 1
		}
		if c := x.Order(int(a.Row), y, int(b.Row)); c != 0 {
			if o.Desc {
				return -c
			}
			return c
		}
	}
	for i := range r.node.Carry {
		col := r.store.Column(i)
		if c := col[a.Segment].Order(int(a.Row), col[b.Segment], int(b.Row)); c != 0 {
			return c
		}
	}
	return 0
}

func (r *rank) flush(context.Context, emit) error { return nil }

// watermark: a row that waits has a group's time that was not swept, and lies at most Hi before it.
func (r *rank) watermark() int64 { return shift(r.swept, -r.node.Hi) }

func (r *rank) end(ctx context.Context) error {
	return r.undecided(ctx, func(e state.Row) bool { return !e.Marked() })
}
