package expr

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
)

// Program evaluates expressions over the columns of one record. It keeps its scratch memory from run to run
// and is not safe for concurrent use: compile once per goroutine.
type Program struct {
	nodes []*Node
	roots []fn
	cols  []*columnSlot
	ctx   ctx
	// uses and memo are for compiling one root: how often it has a node, and what was made of those that it
	// has twice.
	uses map[*Node]int
	memo map[*Node]fn
}

// fn evaluates one expression for the selected rows, which ascend. The vector belongs to the expression and
// holds until it is evaluated again.
type fn func(c *ctx, sel []int32) *vec

type columnSlot struct {
	index  int
	name   string
	typ    schema.Type
	loaded bool
	v      vec
}

// ctx is one run.
type ctx struct {
	cols   []arrow.Array
	n      int
	all    []int32
	failed []RowError
	err    error
	text   []byte
	long   bigs
	run    uint64
}

// fail gives row i of out no value, and the run a reason.
func (c *ctx) fail(out *vec, i int, err error) {
	if out.null == nil {
		out.clearNulls(c.n)
	}
	out.null[i] = true
	c.failed = append(c.failed, RowError{i, err})
}

// begin readies the text memory for one more text; keep ends it. In between, append to c.text.
func (c *ctx) begin(room int) int {
	if cap(c.text)-len(c.text) < room {
		// Texts that were made before keep their own memory; only the newest piece is used again.
		c.text = make([]byte, 0, max(2*cap(c.text), room, 1<<10))
	}
	return len(c.text)
}

func (c *ctx) keep(start int) string {
	if start == len(c.text) {
		return ""
	}
	return unsafe.String(&c.text[start], len(c.text)-start)
}

// Compile readies expressions for evaluation.
func Compile(nodes ...*Node) (*Program, error) {
	p := &Program{nodes: nodes}
	for _, n := range nodes {
		if n.IsInterval() {
			return nil, refuse("add it to a time", "an INTERVAL is no column")
		}
		p.uses, p.memo = map[*Node]int{}, map[*Node]fn{}
		p.count(n)
		f, err := p.compile(n)
		if err != nil {
			return nil, err
		}
		p.roots = append(p.roots, f)
	}
	p.uses, p.memo = nil, nil
	return p, nil
}

func (p *Program) start(cols []arrow.Array, n int) {
	c := &p.ctx
	c.cols, c.n, c.failed, c.err = cols, n, nil, nil
	c.run++
	c.text = c.text[:0]
	for i := len(c.all); i < n; i++ {
		c.all = append(c.all, int32(i))
	}
	for _, s := range p.cols {
		s.loaded = false
	}
}

// Eval borrows the columns and returns one array of n rows per expression, which the caller owns. A failing
// row gives NULL there and a RowError: the lowest row first, at most one per row and expression. The error is
// for what is no row's fault; then there are no arrays.
func (p *Program) Eval(cols []arrow.Array, n int) (out []arrow.Array, failed []RowError, err error) {
	c := &p.ctx
	p.start(cols, n)
	out = make([]arrow.Array, len(p.roots))
	for k, root := range p.roots {
		c.failed = c.failed[:0:0]
		v := root(c, c.all[:n])
		if c.err != nil {
			return nil, nil, c.err
		}
		if len(c.failed) > 0 {
			c.failed = lowest(c.failed)
			v = p.without(v, p.nodes[k], c.failed)
			failed = append(failed, c.failed...)
		}
		if out[k], err = v.array(p.nodes[k].Type, n); err != nil {
			return nil, nil, err
		}
	}
	slices.SortStableFunc(failed, func(a, b RowError) int { return a.Row - b.Row })
	c.cols = nil
	return out, failed, nil
}

// lowest sorts failures by row and keeps the first of each.
func lowest(failed []RowError) []RowError {
	slices.SortStableFunc(failed, func(a, b RowError) int { return a.Row - b.Row })
	return slices.CompactFunc(failed, func(a, b RowError) bool { return a.Row == b.Row })
}

// without makes the failed rows NULL: what failed below may have been hidden by what stands above it.
func (p *Program) without(v *vec, n *Node, failed []RowError) *vec {
	c := &p.ctx
	out := &vec{m: -1}
	w := newWriter(n.Type, out)
	w.reset(c)
	w.put(c, v, c.all[:c.n])
	w.done(c)
	if out.null == nil {
		out.clearNulls(c.n)
	}
	for _, f := range failed {
		out.null[f.Row] = true
	}
	return out
}

// EvalBool appends to sel the rows where the single BOOLEAN expression is TRUE. Rows that fail are reported and
// not selected.
func (p *Program) EvalBool(cols []arrow.Array, n int, sel []int32) ([]int32, []RowError, error) {
	if len(p.nodes) != 1 || p.nodes[0].Type.Kind != schema.Boolean {
		return sel, nil, errors.New("EvalBool takes one BOOLEAN expression")
	}
	c := &p.ctx
	p.start(cols, n)
	v := p.roots[0](c, c.all[:n])
	if c.err != nil {
		return sel, nil, c.err
	}
	failed := lowest(c.failed)
	next := 0
	sel = slices.Grow(sel, n)
	for i := range n {
		if next < len(failed) && failed[next].Row == i {
			next++
			continue
		}
		if v.b[i&v.m] && !v.isNull(i) {
			sel = append(sel, int32(i))
		}
	}
	c.cols = nil
	return sel, failed, nil
}

// constant is the value of the single expression, which has no columns.
func (p *Program) constant() (any, error) {
	c := &p.ctx
	p.start(nil, 1)
	v := p.roots[0](c, c.all[:1])
	if c.err != nil {
		return nil, c.err
	}
	if len(c.failed) > 0 {
		return nil, c.failed[0].Err
	}
	return v.at(0, p.nodes[0].Type), nil
}

func (p *Program) compile(n *Node) (fn, error) {
	switch n.Op {
	case "column":
		return p.column(n), nil
	case "literal":
		v, err := constant(n.Value, n.Type)
		if err != nil {
			return nil, err
		}
		return func(*ctx, []int32) *vec { return v }, nil
	}
	if f, ok := p.memo[n]; ok {
		return f, nil
	}
	args := make([]fn, len(n.Args))
	for i, a := range n.Args {
		f, err := p.compile(a)
		if err != nil {
			return nil, err
		}
		args[i] = f
	}
	f, err := compileOp(n, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Op, err)
	}
	if p.uses[n] > 1 && !n.IsInterval() && n.Type.Kind != schema.Null {
		f = shared(n.Type, f)
		p.memo[n] = f
	}
	return f, nil
}

// count visits the nodes of a root. What stands inside a node that was met before is not used again.
func (p *Program) count(n *Node) {
	p.uses[n]++
	if p.uses[n] == 1 {
		for _, a := range n.Args {
			p.count(a)
		}
	}
}

// shared evaluates an expression that stands in several places (the operand of a simple CASE, of BETWEEN, of
// IN) once for each row that any of them asks for.
func shared(t schema.Type, f fn) fn {
	out := &vec{m: -1}
	w := newWriter(t, out)
	var run uint64
	var have []bool
	var missing []int32
	return func(c *ctx, sel []int32) *vec {
		if run != c.run {
			run = c.run
			w.reset(c)
			have = grown(have, c.n)
			clear(have)
		}
		missing = missing[:0]
		for _, i := range sel {
			if !have[i] {
				have[i] = true
				missing = append(missing, i)
			}
		}
		if len(missing) > 0 {
			w.put(c, f(c, missing), missing)
			w.done(c)
		}
		return out
	}
}

func (p *Program) column(n *Node) fn {
	var slot *columnSlot
	for _, s := range p.cols {
		if s.index == n.Index && s.typ.Equal(n.Type) {
			slot = s
		}
	}
	if slot == nil {
		slot = &columnSlot{index: n.Index, name: n.Name, typ: n.Type}
		p.cols = append(p.cols, slot)
	}
	return func(c *ctx, _ []int32) *vec {
		if slot.loaded {
			return &slot.v
		}
		slot.loaded = true
		if slot.index < 0 || slot.index >= len(c.cols) {
			c.err = fmt.Errorf("column %s: there is no column %d", slot.name, slot.index)
		} else if err := slot.v.load(c.cols[slot.index], slot.typ, c.n); err != nil {
			c.err = fmt.Errorf("column %s: %w", slot.name, err)
		}
		if c.err != nil {
			slot.v = vec{}
			v, _ := constant(nil, slot.typ)
			slot.v = *v
			slot.v.arr = nil
		}
		return &slot.v
	}
}

func compileOp(n *Node, args []fn) (fn, error) {
	switch n.Op {
	case "+", "-", "*", "/", "%", "NEG", "ABS", "SIGN", "ROUND", "POWER", "SQRT", "LN", "EXP":
		return compileNumber(n, args)
	case "FLOOR", "CEIL":
		if n.Unit == "" {
			return compileNumber(n, args)
		}
		return compileTime(n, args)
	case "EXTRACT", "TIMESTAMPADD", "TIMESTAMPDIFF", "DATE_FORMAT":
		return compileTime(n, args)
	case "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		return compileCompare(n, args), nil
	case "in":
		return compileIn(n, args), nil
	case "AND", "OR":
		return compileLogic(n, args), nil
	case "NOT", "IS TRUE", "IS FALSE", "IS NOT TRUE", "IS NOT FALSE", "IS NULL", "IS NOT NULL":
		return compileIs(n.Op, args[0]), nil
	case "case":
		return compileCase(n, args), nil
	case "COALESCE":
		return compileCoalesce(n, args), nil
	case "GREATEST", "LEAST":
		return compileGreatest(n, args), nil
	case "cast":
		return compileCast(n, args[0])
	case "field", "index", "CARDINALITY":
		return compileNested(n, args)
	case "JSON_VALUE":
		return compileJSON(n, args[0]), nil
	}
	return compileText(n, args)
}

// strict is a function of rows none of whose arguments is NULL; the others are NULL. room readies the result.
func strict(args []fn, room func(*vec, int), row func(c *ctx, out *vec, in []*vec, i int)) fn {
	out := &vec{m: -1}
	in := make([]*vec, len(args))
	return func(c *ctx, sel []int32) *vec {
		for k, f := range args {
			in[k] = f(c, sel)
		}
		room(out, c.n)
		out.merge(c.n, in...)
		for _, i := range sel {
			if out.null == nil || !out.null[i] {
				row(c, out, in, int(i))
			}
		}
		return out
	}
}

func roomFor[T fixed](v *vec, n int) { room[T](v, n) }
