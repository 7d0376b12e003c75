package replay

import (
	"context"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// join joins two streams on equal keys within lo <= right.time - left.time <= hi, for one shard of the keys.
//
// Either side's rows are held until the other side's watermark says that no partner can come any more. A pair
// leaves as soon as both rows are there (neither can change: late rows and duplicates were taken out before); a
// row without a partner leaves, where its side is kept, when its window closes. A semi join's left row leaves with
// its first partner. Rows that leave have the left row's time, those of the right alone the right row's.
type join struct {
	node  *sql.Join
	sides [2]*state.Store // left, right
	keeps [2]bool         // whether a side's unmatched rows leave
	w     [2]int64
	// swept is, by side, the time before which all rows are decided and unmatched ones have left.
	swept [2]int64
	step  int64 // how far swept lags behind what it could be, to save passes over a bucket
	split int   // how many columns the left has
	on    *residual
	fail  failures
	froms [2]origin
	aside *sides

	// pairs on their way out
	left, right []state.Ref
	times       []int64
	pinned      [2][]uint32
	// scratch
	found  []int32
	held   []state.Row
	hit    []bool
	keep   []int32
	missed []int32
	some   int // how many rows to match at once
}

// mostRows is how many rows are matched at once: enough for their cache misses to overlap. A left row of a semi join that
// has its partner by then is not found by the rows behind.
const mostRows = 256

// residual is the part of a join's condition that is neither key nor band.
type residual struct {
	where   *expr.Program
	columns []int // of left followed by right, in the order the program has them
}

func newResidual(on *expr.Node, width int) (*residual, error) {
	if on == nil {
		return nil, nil
	}
	to := make([]int, width)
	used := make([]bool, width)
	on.Columns(func(i int) { used[i] = true })
	r := &residual{}
	for i, u := range used {
		if u {
			to[i] = len(r.columns)
			r.columns = append(r.columns, i)
		}
	}
	var err error
	r.where, err = expr.Compile(on.Remap(to))
	return r, err
}

func arrowTypes(fields []schema.Field) []arrow.DataType {
	out := make([]arrow.DataType, len(fields))
	for i, f := range fields {
		out[i] = f.Type.Arrow()
	}
	return out
}

func newJoin(node *sql.Join, fail failures, aside *sides, froms [2]origin) (*join, error) {
	lf, rf := node.Left.Fields(), node.Right.Fields()
	// A probe touches every bucket that the band reaches; a bucket is dropped as a whole. A width of half the
	// band holds a quarter more than needed and probes three buckets at most.
	width := max((node.Hi-node.Lo)/2, 1_000_000)
	j := &join{
		node: node, split: len(lf), fail: fail, froms: froms, aside: aside, step: width / 16,
		keeps: [2]bool{node.Kind.KeepsLeft(), node.Kind.KeepsRight()},
		w:     [2]int64{NoTime, NoTime}, swept: [2]int64{NoTime, NoTime}, some: mostRows,
	}
	j.sides[0] = state.NewStore(width, arrowTypes(lf), len(node.LeftKeys))
	j.sides[1] = state.NewStore(width, arrowTypes(rf), len(node.RightKeys))
	j.sides[0].Describe(columnNames(savedColumns(heldFields(node.Left))), plainKeys(node.LeftKeys))
	j.sides[1].Describe(columnNames(savedColumns(heldFields(node.Right))), plainKeys(node.RightKeys))
	var err error
	j.on, err = newResidual(node.On, len(lf)+len(rf))
	return j, err
}

// process takes rows of one side. Rows in nulls have a NULL in their key: they have no partner.
func (j *join) process(ctx context.Context, m *message, out emit) error {
	side := m.port
	own := j.sides[side]
	seg := own.Add(m.views, m.keys, m.b.times, m.b.parts, m.b.offsets, m.bytes)
	lo, hi := j.node.Lo, j.node.Hi
	if side == 1 {
		lo, hi = -hi, -lo
	}
	j.hit = resize(j.hit, m.b.rows())
	clear(j.hit)
	for rows := m.rows; len(rows) > 0; {
		some := rows[:min(len(rows), j.some)]
		if err := j.match(ctx, m, seg, some, lo, hi); err != nil {
			return err
		}
		rows = rows[len(some):]
		// Of a key that very many rows of both sides have, few rows at a time are joined.
		if len(j.found) > manyRows/2 {
			j.some = max(j.some/8, 1)
		} else {
			j.some = min(j.some*2, mostRows)
		}
		if len(j.times) >= manyRows {
			if err := j.flush(ctx, out); err != nil {
				return err
			}
		}
	}
	// A row that no partner can reach any more is decided here and not held.
	closed := j.closed(side)
	j.keep = j.keep[:0]
	for _, r := range m.rows {
		if m.b.times[r] >= closed {
			j.keep = append(j.keep, r)
		} else if j.keeps[side] && !j.hit[r] {
			j.alone(side, state.Ref{Segment: seg, Row: uint32(r)}, m.b.times[r])
		}
	}
	if j.keeps[side] {
		for _, r := range m.nulls {
			j.alone(side, state.Ref{Segment: seg, Row: uint32(r)}, m.b.times[r])
		}
	}
	own.Insert(seg, j.keep, m.hashes, j.hit)
	j.pinned[side] = append(j.pinned[side], seg)
	return nil
}

// match finds the partners of some of a message's rows, which lie in segment seg.
func (j *join) match(ctx context.Context, m *message, seg uint32, rows []int32, lo, hi int64) error {
	side := m.port
	if err := j.probe(m, rows, lo, hi); err != nil {
		return err
	}
	first := len(j.times)
	for i, r := range j.found {
		mine, theirs := state.Ref{Segment: seg, Row: uint32(r)}, j.held[i].Ref
		if side == 0 {
			j.pair(mine, theirs, m.b.times[r])
		} else {
			j.pair(theirs, mine, j.held[i].Time())
		}
	}
	if j.on != nil {
		if err := j.check(ctx, first); err != nil {
			return err
		}
	}
	if j.single() {
		j.thin(side, first)
		return nil
	}
	for i, r := range j.found {
		j.hit[r] = true
		j.held[i].Mark()
	}
	return nil
}

// probe leaves in found and held the pairs of equal keys. Of a key that very many rows have, a semi or anti join looks at few.
func (j *join) probe(m *message, rows []int32, lo, hi int64) error {
	want := state.Every
	switch {
	case j.single() && m.port == 1:
		want = state.Unmarked
	case j.single() && j.on == nil:
		want = state.Any
	}
	j.found, j.held, j.missed = j.found[:0], j.held[:0], j.missed[:0]
	if err := j.candidates(want, m, rows, lo, hi); err != nil || want != state.Any {
		return err
	}
	return j.candidates(state.Every, m, j.missed, lo, hi)
}

// candidates adds pairs to found and held, and to missed the rows of which some had other keys.
func (j *join) candidates(want state.Want, m *message, rows []int32, lo, hi int64) error {
	other, k := j.sides[1-m.port], len(j.found)
	var err error
	if j.found, j.held, err = other.Probe(want, rows, m.hashes, m.b.times, lo, hi, j.found, j.held); err != nil {
		return err
	}
	for i := k; i < len(j.found); i++ {
		if r := j.found[i]; other.SameKey(j.held[i].Ref, m.keys, int(r)) {
			j.found[k], j.held[k] = r, j.held[i]
			k++
		} else if want == state.Any {
			j.missed = append(j.missed, r)
		}
	}
	j.found, j.held = j.found[:k], j.held[:k]
	return nil
}

// single reports whether a left row needs one partner and no more.
func (j *join) single() bool { return j.node.Kind == sql.Semi || j.node.Kind == sql.Anti }

// thin leaves, of the pairs from first on, what leaves a semi join: each left row's first. Of an anti join none does. Left
// rows alone are marked: a right one serves left rows to come as well as the first.
func (j *join) thin(side, first int) {
	next := first
	for i, r := range j.found {
		var had bool
		if side == 0 {
			had, j.hit[r] = j.hit[r], true
		} else {
			had = j.held[i].Marked()
			j.held[i].Mark()
		}
		if had {
			continue
		}
		if j.node.Kind == sql.Semi {
			j.left[next], j.right[next], j.times[next] = j.left[first+i], j.right[first+i], j.times[first+i]
			next++
		}
	}
	j.left, j.right, j.times = j.left[:next], j.right[:next], j.times[:next]
}

// closed is the time before which a side's rows can get no partner from the rows still to come.
func (j *join) closed(side int) int64 {
	if side == 0 {
		return shift(j.w[1], -j.node.Hi)
	}
	return shift(j.w[0], j.node.Lo)
}

// alone lets a row leave without a partner.
func (j *join) alone(side int, r state.Ref, t int64) {
	if side == 0 {
		j.pair(r, state.Ref{Segment: state.NoSegment}, t)
	} else {
		j.pair(state.Ref{Segment: state.NoSegment}, r, t)
	}
}

func (j *join) pair(left, right state.Ref, t int64) {
	j.left = append(j.left, left)
	j.right = append(j.right, right)
	j.times = append(j.times, t)
}

// check drops the pairs from first on for which the rest of the condition is not TRUE, from found and entries too.
func (j *join) check(ctx context.Context, first int) error {
	left, right := j.left[first:], j.right[first:]
	if len(left) == 0 {
		return nil
	}
	cand := &batch{times: j.times[first:]}
	for _, c := range j.on.columns {
		a, err := j.column(c, left, right)
		if err != nil {
			return err
		}
		cand.cols = append(cand.cols, a)
	}
	ok, failed, err := j.on.where.EvalBool(cand.cols, len(left), nil)
	if err != nil {
		return err
	}
	if len(failed) > 0 && j.fail.policy == RejectOnError {
		// The pair is what has no answer; what is set aside is its left row.
		whole := &batch{times: cand.times}
		for c := range j.split {
			a, err := j.column(c, left, right)
			if err != nil {
				return err
			}
			whole.cols = append(whole.cols, a)
		}
		cand = whole
	}
	if _, err := j.fail.settle(ctx, cand, failed); err != nil {
		return err
	}
	for i, k := range ok {
		left[i], right[i] = left[k], right[k]
		j.times[first+i] = j.times[first+int(k)]
		j.found[i], j.held[i] = j.found[k], j.held[k]
	}
	n := len(ok)
	j.left, j.right, j.times = j.left[:first+n], j.right[:first+n], j.times[:first+n]
	j.found, j.held = j.found[:n], j.held[:n]
	return nil
}

func (j *join) column(c int, left, right []state.Ref) (arrow.Array, error) {
	if c < j.split {
		return state.GatherCoded(j.sides[0].Type(c), j.sides[0].Column(c), left)
	}
	c -= j.split
	return state.GatherCoded(j.sides[1].Type(c), j.sides[1].Column(c), right)
}

func (j *join) advance(port int, w int64) { j.w[port] = max(j.w[port], w) }

// settle decides what the watermarks allow. Unless all is asked for, small progress is left for later.
func (j *join) settle(ctx context.Context, all bool, out emit) error {
	for side, store := range j.sides {
		closed, swept := j.closed(side), j.swept[side]
		if closed <= swept || !all && swept != NoTime && closed != EndOfTime && closed-swept < j.step {
			continue
		}
		for at := swept; j.keeps[side] && at < closed; {
			at = store.Step(at, closed)
			if err := store.Sweep(at, func(r state.Row) { j.alone(side, r.Ref, r.Time()) }); err != nil {
				return err
			}
			if j.pending() >= manyRows {
				if err := j.flush(ctx, out); err != nil {
					return err
				}
			}
		}
		j.swept[side] = closed
	}
	if j.sides[0].Expires(j.swept[0]) || j.sides[1].Expires(j.swept[1]) {
		if err := j.flush(ctx, out); err != nil {
			return err
		}
		j.sides[0].Expire(j.swept[0])
		j.sides[1].Expire(j.swept[1])
	}
	return nil
}

func (j *join) pending() int {
	return max(len(j.times), j.sides[0].Loaded(), j.sides[1].Loaded())
}

// flush sends out the pairs found so far.
func (j *join) flush(ctx context.Context, out emit) error {
	for from := 0; from < len(j.times); from += batchRows {
		to := min(from+batchRows, len(j.times))
		b := &batch{times: append([]int64(nil), j.times[from:to]...), cols: make([]arrow.Array, len(j.node.Output))}
		for i, c := range j.node.Output {
			a, err := j.column(c, j.left[from:to], j.right[from:to])
			if err != nil {
				return err
			}
			b.cols[i] = a
		}
		if err := out(ctx, b); err != nil {
			return err
		}
	}
	j.left, j.right, j.times = j.left[:0], j.right[:0], j.times[:0]
	for side, segs := range j.pinned {
		for _, s := range segs {
			j.sides[side].Unpin(s)
		}
		j.pinned[side] = segs[:0]
		j.sides[side].Unload()
	}
	return nil
}

// watermark is the time that no row still to leave is earlier than; right after flush.
func (j *join) watermark() int64 {
	w := min(j.w[0], j.swept[0])
	if j.keeps[1] { // rows of the right alone: those that are held, and those that will be decided as they come
		w = min(w, j.w[1], j.swept[1])
	}
	return w
}

// end sets aside the rows that have no partner yet and could still get one.
func (j *join) end(ctx context.Context) error {
	for side, store := range j.sides {
		until := j.closed(side)
		open := func(r state.Row) bool { return r.Time() >= until }
		if err := undecided(ctx, j.aside, j.froms[side], store, open, "its window in a join is still open"); err != nil {
			return err
		}
	}
	return nil
}

func (j *join) stores() []*state.Store { return j.sides[:] }

func (j *join) clocks() []int64 { return []int64{j.w[0], j.w[1], j.swept[0], j.swept[1]} }

func (j *join) restore(clocks []int64) {
	j.w, j.swept = [2]int64(clocks[:2]), [2]int64(clocks[2:])
}

// plainKeys are the columns that keys are, -1 for a key that is computed.
func plainKeys(keys []*expr.Node) []int {
	out := make([]int, len(keys))
	for i, k := range keys {
		if out[i] = -1; k.Op == "column" {
			out[i] = k.Index
		}
	}
	return out
}

// undecided writes the held rows that nothing was decided about to their stream's undecided output: those that are open, or
// all where open is nil.
func undecided(ctx context.Context, aside *sides, from origin, store *state.Store, open func(state.Row) bool, why string) error {
	var refs []state.Ref
	return stepwise(store, func(_, to int64) error {
		refs = refs[:0]
		err := store.Sweep(to, func(r state.Row) {
			if open == nil || open(r) {
				refs = append(refs, r.Ref)
			}
		})
		if err != nil {
			return err
		}
		return setUndecided(ctx, aside, from, store, refs, why, nil)
	})
}

// stepwise calls do for all of a store's time, piece by piece: there may be more rows than memory has room for.
func stepwise(store *state.Store, do func(from, to int64) error) error {
	for from := int64(NoTime); from < EndOfTime; {
		to := store.Step(from, EndOfTime)
		if err := do(from, to); err != nil {
			return err
		}
		store.Unload()
		from = to
	}
	return nil
}

// setUndecided writes some held rows, whose event time is time's affair where that is not nil.
func setUndecided(ctx context.Context, aside *sides, from origin, store *state.Store, refs []state.Ref, why string, time func(state.Ref) int64) error {
	if len(refs) == 0 {
		return nil
	}
	from.stream.count.undecided.Add(int64(len(refs)))
	b, err := held(store, refs)
	if err != nil {
		return err
	}
	if time != nil {
		for i, r := range refs {
			b.times[i] = time(r)
		}
	}
	return aside.write(ctx, sideUndecided, from, b, allRows(len(refs)), setAside{reasons: repeat(len(refs), "%s", why)})
}

// held copies rows out of a store.
func held(store *state.Store, refs []state.Ref) (*batch, error) {
	b := &batch{}
	for c := range store.Width() {
		a, err := state.Gather(store.Type(c), store.Column(c), refs)
		if err != nil {
			return nil, err
		}
		b.cols = append(b.cols, a)
	}
	for _, r := range refs {
		part, off := store.Position(r)
		b.times = append(b.times, store.TimeOf(r))
		b.parts, b.offsets = append(b.parts, part), append(b.offsets, off)
	}
	return b, nil
}
