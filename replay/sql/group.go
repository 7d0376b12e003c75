package sql

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// grouping is a GROUP BY, bound. Its keys and the arguments of its aggregates are over the columns of all sources;
// what stands above it is over virtual columns behind those: the aggregates, the window's three, the keys.
type grouping struct {
	keys   []groupKey
	aggs   []boundAggregate
	anchor *source // whose event time is the group's; nil with a window
	window *boundWindow
	whole  bool // the anchor's declared id is among the keys, so that its whole row is known
}

// groupKey is one key: as it was written, and made so that equal values have equal bytes.
type groupKey struct{ written, key *expr.Node }

type boundAggregate struct {
	Aggregate
	arg, filter, order *expr.Node
}

// same reports whether two expressions are one.
func same(a, b *expr.Node) bool {
	return a == b || a != nil && b != nil && a.Op == b.Op && a.Index == b.Index && reflect.DeepEqual(a, b)
}

// groupBy binds the keys of GROUP BY.
func (br *branch) groupBy() {
	s := br.stmt
	root := br.sources[0]
	if len(s.GroupBy) == 0 {
		if root.window != nil && !root.absent {
			br.problem(root.window.at, root.window.kind+" without GROUP BY is not run", "write GROUP BY window_start, window_end and aggregate the rest")
		}
		return
	}
	br.group = &grouping{window: root.window}
	br.clause = "GROUP BY"
	ok, start, end := true, false, false
	for _, x := range s.GroupBy {
		n := br.expr(x)
		if ok = ok && n != nil; n == nil {
			continue
		}
		switch w := br.windowColumn(n); {
		case w >= 0:
			start, end = start || w == 0, end || w == 1
		case n.IsLiteral():
			br.problem(x.at(), "GROUP BY a constant", "write the expression itself; positions are not run")
		default:
			br.addKey(x.at(), n)
		}
	}
	if !ok || slices.ContainsFunc(br.sources, func(s *source) bool { return s.absent }) {
		br.group = nil
		return
	}
	if root.window != nil {
		if !start || !end {
			br.problem(s.GroupBy[0].at(), "GROUP BY over a window lacks window_start and window_end", "write GROUP BY window_start, window_end, ..")
		}
		br.session()
		return
	}
	written := make([]*expr.Node, len(br.group.keys))
	for i, k := range br.group.keys {
		written[i] = k.written
	}
	br.group.anchor, br.group.whole = br.anchor(written)
	if br.group.anchor == nil {
		br.endless(s.GroupBy[0].at(), "GROUP BY", "or GROUP BY window_start, window_end over "+windowForm("TUMBLE"))
	}
}

// windowColumn is 0, 1 or 2 for window_start, window_end and window_time, else -1.
func (br *branch) windowColumn(n *expr.Node) int {
	s := br.sources[0]
	if first := s.base + len(s.rel.Fields) - 3; s.window != nil && n.Op == "column" && s.has(n.Index) && n.Index >= first {
		return n.Index - first
	}
	return -1
}

func (br *branch) addKey(at Pos, n *expr.Node) {
	switch n.Type.Kind {
	case schema.Array, schema.Map, schema.Row:
		br.problem(at, fmt.Sprintf("GROUP BY takes no %s", n.Type), "name the fields or elements that tell the groups apart")
		return
	case schema.Null:
		br.problem(at, "GROUP BY NULL", "name a column")
		return
	}
	for _, k := range br.group.keys {
		if same(k.written, n) {
			return
		}
	}
	br.group.keys = append(br.group.keys, groupKey{n, br.alike(at, n)})
}

// alike gives equal values equal bytes: there is one NaN, and -0.0 is 0.0. A NULL stays one.
func (br *branch) alike(at Pos, n *expr.Node) *expr.Node {
	if !approximate(n.Type) {
		return n
	}
	made := br.made(at)
	number, sum := made(expr.Call("=", n, n)), made(expr.Call("+", n, expr.Literal(float64(0), n.Type)))
	known := made(expr.Call("IS NOT NULL", n))
	if number == nil || sum == nil || known == nil {
		return n
	}
	return made(expr.Case([]*expr.Node{number, known}, []*expr.Node{sum, expr.Literal(math.NaN(), n.Type)}, nil))
}

// anchor is a source whose row the keys hold fast in time: its event time is among them, or its declared id, which
// tells its events apart. Where it is so, the groups end. whole says that the id is there.
func (br *branch) anchor(keys []*expr.Node) (s *source, whole bool) {
	has := func(column int) bool {
		return slices.ContainsFunc(keys, func(k *expr.Node) bool { return k.Op == "column" && k.Index == column })
	}
	for _, s := range br.named() {
		if s.table || s.nullable || s.time < 0 {
			continue
		}
		whole := len(s.rel.ID) > 0
		for _, name := range s.rel.ID {
			whole = whole && has(s.base+fieldIndex(s.rel.Fields, name))
		}
		if whole || has(s.time) {
			return s, whole
		}
	}
	return nil, false
}

// endless reports that the groups of a clause would never be complete.
func (br *branch) endless(at Pos, clause, or string) {
	var names, filled []string
	for _, s := range br.named() {
		switch {
		case s.table || s.time < 0:
		case s.nullable:
			filled = append(filled, s.ref.Alias)
		default:
			names = append(names, s.timeName())
		}
	}
	hint := "no event time is left to end a group by; write JOIN instead of an outer join"
	if len(names) > 0 {
		hint = "add " + strings.Join(names, " or ")
	}
	if len(filled) > 0 && len(names) > 0 {
		hint += " (" + joinNames(filled) + " may be NULL, and then has no time)"
	}
	if or != "" {
		hint += "; " + or
	}
	br.problem(at, "the groups of "+clause+" never end: no event time and no declared id of a stream is among its columns", hint)
}

// bindAggregate binds the call of an aggregate; it stands for a virtual column.
func (br *branch) bindAggregate(e call) *expr.Node {
	aggregate, number := br.aggregate, br.number
	br.aggregate, br.number = nil, nil
	defer func() { br.aggregate, br.number = aggregate, number }()
	a := boundAggregate{Aggregate: Aggregate{Func: e.Name, Distinct: e.Distinct, Arg: -1, Filter: -1, Order: -1, Nulls: e.Name == "ARRAY_AGG" && e.Nulls != "IGNORE"}}
	args := br.all(e.Args...)
	if e.Filter != nil {
		if a.filter = br.condition(e.Filter, "FILTER"); a.filter == nil {
			return nil
		}
	}
	if args == nil && len(e.Args) > 0 {
		return nil
	}
	if !br.aggregateType(e, &a, args) {
		return nil
	}
	if a.arg != nil {
		a.order = br.orderOf(a.arg)
	}
	if br.group == nil {
		if len(br.stmt.GroupBy) == 0 {
			br.problem(e.Pos, e.Name+" without GROUP BY has no end", "write GROUP BY with the id or the event time of a stream, or over "+windowForm("TUMBLE"))
		}
		return nil
	}
	for _, n := range append([]*expr.Node{a.arg}, a.filter) {
		if n != nil && slices.ContainsFunc(columnsIn(n), func(c *expr.Node) bool { return br.windowColumn(c) >= 0 }) {
			br.problem(e.Pos, "window_start, window_end and window_time are known only behind GROUP BY", "use them beside the aggregate, not in it")
			return nil
		}
	}
	a.name = callText(e)
	for i, o := range br.group.aggs {
		if reflect.DeepEqual(o.Aggregate, a.Aggregate) && same(o.arg, a.arg) && same(o.filter, a.filter) {
			return expr.Column(br.total+i, o.name, o.Type)
		}
	}
	br.group.aggs = append(br.group.aggs, a)
	return expr.Column(br.total+len(br.group.aggs)-1, a.name, a.Type)
}

func callText(e call) string {
	w := &printer{}
	w.bare(e)
	return w.b.String()
}

// aggregateType checks an aggregate's arguments and gives it its type, which is Flink's.
func (br *branch) aggregateType(e call, a *boundAggregate, args []*expr.Node) bool {
	refuse := func(message, hint string) bool {
		br.problem(e.Pos, message, hint)
		return false
	}
	if e.Nulls != "" && e.Name != "ARRAY_AGG" {
		return refuse(e.Name+" takes no "+e.Nulls+" NULLS", "it skips NULLs; ARRAY_AGG keeps them unless told")
	}
	if e.Star {
		if e.Name != "COUNT" || e.Distinct {
			return refuse(e.Name+" takes a value, not *", "only COUNT(*) counts rows")
		}
		a.Type = schema.Type{Kind: schema.BigInt}
		return true
	}
	most := 1
	if e.Name == "LISTAGG" {
		most = 2
	}
	if len(args) < 1 || len(args) > most {
		return refuse(fmt.Sprintf("%s takes %s, not %d", e.Name, map[int]string{1: "one value", 2: "a text and a separator"}[most], len(args)), "")
	}
	a.arg = args[0]
	t := a.arg.Type
	a.Type = t
	number := t.Kind == schema.SmallInt || t.Kind == schema.Int || t.Kind == schema.BigInt || t.Kind == schema.Decimal || approximate(t)
	nested := t.Kind == schema.Array || t.Kind == schema.Map || t.Kind == schema.Row
	switch {
	case t.Kind == schema.Null:
		return refuse(e.Name+" of a value without a type", "write CAST(NULL AS type)")
	case e.Name == "COUNT":
		a.Type = schema.Type{Kind: schema.BigInt}
		if nested && e.Distinct {
			return refuse("COUNT(DISTINCT) takes no "+t.String(), "")
		}
	case e.Name == "SUM" || e.Name == "AVG":
		if !number {
			return refuse(fmt.Sprintf("%s takes a number, not %s", e.Name, t), "")
		}
		if t.Kind == schema.Decimal {
			a.Type.Precision = 38
			if e.Name == "AVG" {
				a.Type.Scale = max(t.Scale, 6)
			}
		}
	case e.Name == "MIN" || e.Name == "MAX":
		if nested {
			return refuse(fmt.Sprintf("%s takes no %s", e.Name, t), "name a field or an element")
		}
	case e.Name == "LISTAGG":
		if t.Kind != schema.String {
			return refuse("LISTAGG takes a text, not "+t.String(), "write CAST(.. AS STRING)")
		}
		a.Type, a.Separator = schema.Type{Kind: schema.String}, ","
		if len(args) == 2 {
			text, ok := args[1].Value.(string)
			if !ok || !args[1].IsLiteral() {
				return refuse("the separator of LISTAGG is not a constant text", "write LISTAGG(s, ', ')")
			}
			a.Separator = text
		}
	case e.Name == "ARRAY_AGG":
		a.Type = schema.Type{Kind: schema.Array, Elem: &t}
	}
	return true
}

// orderOf is the event time in whose order an aggregate takes its values: that of the last stream that they are of;
// nil: the rows' own.
func (br *branch) orderOf(arg *expr.Node) *expr.Node {
	used := br.usedBy(arg)
	for i := len(used) - 1; i >= 0; i-- {
		s := br.sources[used[i]]
		if s.table || s.time < 0 {
			continue
		}
		if used[i] == 0 && !s.nullable {
			return nil
		}
		return br.columnOf(s, s.time-s.base)
	}
	return nil
}

// The virtual columns of a grouping.
func (br *branch) windowAt(i int) int { return br.total + len(br.group.aggs) + i }
func (br *branch) keyAt(i int) int    { return br.total + len(br.group.aggs) + 3 + i }

// above rewrites an expression over the sources and the aggregates into one over the virtual columns alone.
func (br *branch) above(at Pos, n *expr.Node) *expr.Node {
	if n == nil {
		return nil
	}
	if w := br.windowColumn(n); w >= 0 {
		return expr.Column(br.windowAt(w), n.Name, n.Type)
	}
	for i, k := range br.group.keys {
		if same(k.written, n) {
			return expr.Column(br.keyAt(i), exprText(n, 0), n.Type)
		}
	}
	if n.Op == "column" && n.Index < br.total {
		if a := br.group.anchor; br.group.whole && a.has(n.Index) {
			before := len(br.group.keys)
			if br.addKey(at, n); len(br.group.keys) == before {
				return nil
			}
			return expr.Column(br.keyAt(before), n.Name, n.Type)
		}
		br.problem(at, fmt.Sprintf("%s is neither in GROUP BY nor inside an aggregate", n.Name), "add it to GROUP BY, or write FIRST_VALUE("+n.Name+")")
		return nil
	}
	if len(n.Args) == 0 {
		return n
	}
	c := *n
	c.Args = make([]*expr.Node, len(n.Args))
	for i, a := range n.Args {
		if c.Args[i] = br.above(at, a); c.Args[i] == nil {
			return nil
		}
	}
	return &c
}

// projection collects the expressions that a node above needs from a Project, each once.
type projection struct {
	exprs []*expr.Node
	names []string
}

func (p *projection) add(n *expr.Node) int {
	for i, have := range p.exprs {
		if same(have, n) {
			return i
		}
	}
	p.exprs, p.names = append(p.exprs, n), append(p.names, exprText(n, 0))
	return len(p.exprs) - 1
}

func (p *projection) over(input Node, columns []int) *Project {
	return &Project{Input: input, Exprs: remapAll(p.exprs, columns), Names: p.names}
}

// plan lays the grouping's node out: what it needs from below, and where the virtual columns are in its output.
func (br *branch) groupNode() (*Group, *projection, []int) {
	g := br.group
	p, n := &projection{}, &Group{Keys: len(g.keys), Time: -1}
	at := make([]int, br.keyAt(len(g.keys)))
	for i, k := range g.keys {
		p.exprs, p.names = append(p.exprs, k.key), append(p.names, exprText(k.written, 0))
		at[br.keyAt(i)] = len(n.fields)
		n.fields = append(n.fields, schema.Field{Name: p.names[i], Type: k.written.Type})
	}
	if a := g.anchor; a != nil && a != br.sources[0] {
		n.Time, n.Lo, n.Hi = p.add(br.columnOf(a, a.time-a.base)), a.lo, a.hi
	}
	column := func(e *expr.Node) int {
		if e == nil {
			return -1
		}
		return p.add(e)
	}
	for i, a := range g.aggs {
		a.Arg, a.Filter, a.Order = column(a.arg), column(a.filter), column(a.order)
		n.Aggs = append(n.Aggs, a.Aggregate)
		at[br.total+i] = len(n.fields)
		n.fields = append(n.fields, schema.Field{Name: a.name, Type: a.Type})
	}
	n.Of = br.origin(g.anchor, p)
	if g.window != nil {
		n.Window = &g.window.Window
		s := br.sources[0]
		for i, f := range s.rel.Fields[len(s.rel.Fields)-3:] {
			at[br.windowAt(i)] = len(n.fields)
			n.fields = append(n.fields, f)
		}
	}
	return n, p, at
}

// origin says where the columns of the stream are that groups are of; nil: they are of the first source's rows.
func (br *branch) origin(s *source, p *projection) *Origin {
	if s == nil || s == br.sources[0] || s.sub != nil {
		return nil
	}
	o := &Origin{Stream: s.ref.stream(), Columns: make([]int, len(s.rel.Fields))}
	for i := range o.Columns {
		o.Columns[i] = slices.IndexFunc(p.exprs, func(n *expr.Node) bool { return n.Op == "column" && n.Index == s.base+i })
	}
	return o
}

// columnsIn are the references to columns in an expression.
func columnsIn(n *expr.Node) []*expr.Node {
	if n == nil {
		return nil
	}
	if n.Op == "column" {
		return []*expr.Node{n}
	}
	var out []*expr.Node
	for _, a := range n.Args {
		out = append(out, columnsIn(a)...)
	}
	return out
}
