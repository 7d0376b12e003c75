package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// step is a piece of work that looks at one batch and nothing else. Each goroutine has its own.
type step interface {
	// apply gives the rows that go on; nil or no rows end the batch's way.
	apply(ctx context.Context, b *batch) (*batch, error)
}

// failures carries out the pipeline's policy for rows without a value, where a plan's node is evaluated.
type failures struct {
	policy ErrorPolicy
	sides  *sides
	from   origin
}

// settle takes the failed rows of an evaluation over b. It returns the rows to leave out, ascending; those
// were set aside.
func (f *failures) settle(ctx context.Context, b *batch, failed []expr.RowError) ([]int32, error) {
	if len(failed) == 0 || f.policy == NullOnError {
		return nil, nil
	}
	if f.policy != RejectOnError {
		first := failed[0]
		for _, e := range failed {
			if e.Row < first.Row {
				first = e
			}
		}
		return nil, rowFailure(b, first)
	}
	reasons := map[int32]string{}
	bad := make([]bool, b.rows())
	for _, e := range failed {
		if !bad[e.Row] {
			reasons[int32(e.Row)] = e.Err.Error()
		}
		bad[e.Row] = true
	}
	rows := make([]int32, 0, len(reasons))
	for i, isBad := range bad {
		if isBad {
			rows = append(rows, int32(i))
		}
	}
	return rows, f.sides.reject(ctx, f.from, b, rows, reasons)
}

func rowFailure(b *batch, e expr.RowError) error {
	part, off := b.position(e.Row)
	at := time.UnixMicro(b.times[e.Row]).UTC().Format("2006-01-02 15:04:05.999999")
	where := "the row of event time " + at
	if off >= 0 {
		where += fmt.Sprintf(", partition %d, offset %d", part, off)
	}
	return schema.WithHint(fmt.Errorf("query: %s: %w", where, e.Err),
		"set `on_error: null` to take NULL for such a value, or `on_error: reject` to set the row aside")
}

// picker narrows a batch to some of its columns.
type picker struct{ columns []int }

func (s *picker) apply(_ context.Context, b *batch) (*batch, error) {
	out := *b
	out.cols = make([]arrow.Array, len(s.columns))
	for i, c := range s.columns {
		out.cols[i] = b.cols[c]
	}
	return &out, nil
}

// filter keeps the rows for which the expression is TRUE.
type filter struct {
	where *expr.Program
	fail  failures
	rows  []int32
}

func newFilter(where *expr.Node, fail failures) (*filter, error) {
	p, err := expr.Compile(where)
	if err != nil {
		return nil, err
	}
	return &filter{where: p, fail: fail}, nil
}

func (s *filter) apply(ctx context.Context, b *batch) (*batch, error) {
	rows, failed, err := s.where.EvalBool(b.cols, b.rows(), s.rows[:0])
	if err != nil {
		return nil, err
	}
	s.rows = rows
	if _, err := s.fail.settle(ctx, b, failed); err != nil {
		return nil, err
	}
	switch len(rows) {
	case 0:
		return nil, nil
	case b.rows():
		return b, nil
	}
	return b.take(rows)
}

// project computes new columns.
type project struct {
	exprs *expr.Program
	fail  failures
}

func newProject(exprs []*expr.Node, fail failures) (*project, error) {
	p, err := expr.Compile(exprs...)
	if err != nil {
		return nil, err
	}
	return &project{exprs: p, fail: fail}, nil
}

func (s *project) apply(ctx context.Context, b *batch) (*batch, error) {
	cols, failed, err := s.exprs.Eval(b.cols, b.rows())
	if err != nil {
		return nil, err
	}
	drop, err := s.fail.settle(ctx, b, failed)
	if err != nil {
		return nil, err
	}
	out := *b
	out.cols = cols
	if len(drop) > 0 {
		return out.take(without(b.rows(), drop))
	}
	return &out, nil
}

// lookup adds the columns of a table's row.
type lookup struct {
	table *table
	node  *sql.Lookup
	cols  []int // the table's columns in memory, for the node's Columns
	keys  *expr.Program
	on    *expr.Program
	fail  failures

	hashes []uint64
	found  []int32
}

func newLookup(node *sql.Lookup, t *table, in *TableInput, fail failures) (*lookup, error) {
	l := &lookup{table: t, node: node, fail: fail}
	for _, c := range node.Columns {
		l.cols = append(l.cols, in.Columns[c])
	}
	exprs := append([]*expr.Node{}, node.Keys...)
	if node.AsOf != nil {
		exprs = append(exprs, node.AsOf)
	}
	var err error
	if l.keys, err = expr.Compile(exprs...); err != nil {
		return nil, err
	}
	if node.On != nil {
		l.on, err = expr.Compile(node.On)
	}
	return l, err
}

func (s *lookup) apply(ctx context.Context, b *batch) (*batch, error) {
	n := b.rows()
	arrays, failed, err := s.keys.Eval(b.cols, n)
	if err != nil {
		return nil, err
	}
	drop, err := s.fail.settle(ctx, b, failed)
	if err != nil {
		return nil, err
	}
	if len(drop) > 0 {
		kept, err := b.take(without(n, drop))
		if err != nil {
			return nil, err
		}
		return s.apply(ctx, kept)
	}
	keys := state.Views(arrays)
	var asOf *state.Column
	if s.node.AsOf != nil {
		asOf = &keys[len(keys)-1]
		keys = keys[:len(keys)-1]
	}
	s.found = resize(s.found, n)
	var null []bool
	if s.table.places == nil {
		s.hashes = resize(s.hashes, n)
		null = state.Hash(keys, n, s.hashes)
	}
	s.table.find(keys, s.hashes, null, asOf, s.found)
	if s.on != nil {
		if b, err = s.residual(ctx, b); err != nil || b == nil {
			return b, err
		}
		n = b.rows()
	}
	if s.node.Kind == sql.Inner {
		rows := make([]int32, 0, n)
		found := s.found[:0]
		for i, r := range s.found {
			if r >= 0 {
				rows = append(rows, int32(i))
				found = append(found, r)
			}
		}
		s.found = found
		if len(rows) == 0 {
			return nil, nil
		}
		if len(rows) < n {
			if b, err = b.take(rows); err != nil {
				return nil, err
			}
		}
	}
	return s.output(b)
}

// residual evaluates the rest of the condition where a row was found, and forgets the row where it is not TRUE.
func (s *lookup) residual(ctx context.Context, b *batch) (*batch, error) {
	var rows, found []int32
	for i, r := range s.found {
		if r >= 0 {
			rows, found = append(rows, int32(i)), append(found, r)
		}
	}
	sub, err := b.take(rows)
	if err != nil {
		return nil, err
	}
	refs := tableRefs(found)
	for _, c := range s.cols {
		a, err := s.column(c, refs)
		if err != nil {
			return nil, err
		}
		sub.cols = append(sub.cols, a)
	}
	ok, failed, err := s.on.EvalBool(sub.cols, len(rows), nil)
	if err != nil {
		return nil, err
	}
	drop, err := s.fail.settle(ctx, sub, failed)
	if err != nil {
		return nil, err
	}
	for i := range s.found {
		s.found[i] = -1
	}
	for _, k := range ok {
		s.found[rows[k]] = found[k]
	}
	if len(drop) == 0 {
		return b, nil
	}
	for i, k := range drop {
		drop[i] = rows[k]
	}
	keep := without(b.rows(), drop)
	s.found = pickRows(s.found, keep)
	return b.take(keep)
}

// tableRefs are rows of a table, -1 for none, as Gather wants them.
func tableRefs(rows []int32) []state.Ref {
	refs := make([]state.Ref, len(rows))
	for i, r := range rows {
		if r < 0 {
			refs[i].Segment = state.NoSegment
		} else {
			refs[i].Row = uint32(r)
		}
	}
	return refs
}

func (s *lookup) column(c int, refs []state.Ref) (arrow.Array, error) {
	return state.Gather(s.table.types[c], []*state.Column{&s.table.cols[c]}, refs)
}

func (s *lookup) output(b *batch) (*batch, error) {
	out := *b
	out.cols = make([]arrow.Array, len(s.node.Output))
	refs := tableRefs(s.found)
	for i, c := range s.node.Output {
		if c < len(b.cols) {
			out.cols[i] = b.cols[c]
			continue
		}
		a, err := s.column(s.cols[c-len(b.cols)], refs)
		if err != nil {
			return nil, err
		}
		out.cols[i] = a
	}
	return &out, nil
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
