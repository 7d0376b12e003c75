package sql

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// conjunct is one condition of ON.
type conjunct struct {
	x    expression
	node *expr.Node
	used []int // the sources it names, ascending
}

// join binds the join of source k and takes its ON apart.
func (br *branch) join(k int, j *joinClause) *boundJoin {
	s := br.sources[k]
	out := &boundJoin{}
	if s.table {
		br.asOf(k, j, out)
		if j.Kind.KeepsRight() {
			br.problem(j.Pos, fmt.Sprintf("%s JOIN of the table %s is not run: a table's rows have no event time", strings.ToUpper(kindText(j.Kind)), s.ref.shown()), "write LEFT JOIN, or JOIN")
		}
	} else if j.Table.AsOf != nil {
		br.problem(j.Table.AsOf.at(), "FOR SYSTEM_TIME AS OF on a stream", "it picks the version of a table's row; two streams are joined within a band of time")
	}
	var parts []conjunct
	ok := true
	for _, x := range flatten("AND", j.On) {
		if e, _ := existsIn(x); e != nil {
			br.problem(e.Pos, "EXISTS in ON is not run", "write it in WHERE")
			ok = false
			continue
		}
		c := conjunct{x: x, node: br.condition(x, "ON")}
		if c.node == nil {
			ok = false
			continue
		}
		c.used = br.usedBy(c.node)
		parts = append(parts, c)
	}
	if s.absent || slices.ContainsFunc(br.sources[:k], func(o *source) bool { return o.absent }) {
		return out
	}
	if s.table {
		br.lookup(k, j, parts, ok, out)
	} else {
		br.streamJoin(k, j, parts, ok, out)
	}
	out.lo, out.hi = s.lo, s.hi
	if j.Kind.KeepsRight() {
		for _, o := range br.sources[:k] {
			o.nullable = true
		}
		// A row of the right alone has the right's event time.
		s.lo, s.hi = min(s.lo, 0), max(s.hi, 0)
	}
	s.nullable = j.Kind == Left || j.Kind == Full
	return out
}

// exists binds [NOT] EXISTS as one more join, whose stream nothing else may name.
func (br *branch) exists(e *exists, not bool) {
	kind := Semi
	if not {
		kind = Anti
	}
	sub := e.Sub
	j := &joinClause{Pos: e.Pos, Kind: kind, Table: sub.From, On: sub.Where}
	switch {
	case len(sub.GroupBy) > 0 || sub.Having != nil || sub.Qualify != nil:
		br.problem(sub.Pos, "GROUP BY, HAVING and QUALIFY inside EXISTS are not run", "write them in a subquery: EXISTS (SELECT 1 FROM (SELECT ..) x WHERE ..)")
		return
	case len(sub.Joins) > 0:
		br.problem(sub.Joins[0].Pos, "a join inside EXISTS is not run", "write one EXISTS for each stream")
		return
	case e.X != nil && not:
		br.problem(e.Pos, "NOT IN with a subquery is not run", "write NOT EXISTS (SELECT 1 FROM .. WHERE ..): NOT IN is never TRUE once the subquery has a NULL")
		return
	case e.X != nil && (len(sub.Items) != 1 || sub.Items[0].Star):
		br.problem(e.Pos, "IN takes a subquery of one column", "name the column that is to be equal, or write EXISTS")
		return
	}
	if e.X != nil {
		on := expression(binary{e.Pos, "=", sub.Items[0].X, e.X})
		if j.On != nil {
			on = binary{e.Pos, "AND", j.On, on}
		}
		j.On = on
	}
	later := br.later
	br.later = nil
	k := len(br.sources)
	br.addSource(sub.From, kind)
	s := br.sources[k]
	s.inner = true
	br.visible = k + 1
	switch {
	case s.table:
		br.problem(sub.From.Pos, fmt.Sprintf("EXISTS over the table %s is not run", sub.From.Name), "JOIN the table, or LEFT JOIN it and write WHERE .. IS NULL: it has one row of a key")
		s.absent = true
	case j.On == nil:
		br.problem(e.Pos, "EXISTS without a condition", "write EXISTS (SELECT 1 FROM .. WHERE ..) with an equality and a band of time")
		s.absent = true
	}
	if j.On == nil {
		j.On = refused{e.Pos}
	}
	br.joins = append(br.joins, br.join(k, j))
	for _, it := range sub.Items {
		if !it.Star && e.X == nil {
			br.expr(it.X)
		}
	}
	s.hidden = true
	br.later = later
}

func (b *binder) usedBy(n *expr.Node) []int {
	var out []int
	n.Columns(func(index int) {
		for i, s := range b.sources {
			if s.has(index) && !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
	})
	slices.Sort(out)
	return out
}

// asOf binds the time whose version of a table is wanted.
func (br *branch) asOf(k int, j *joinClause, out *boundJoin) {
	s, t := br.sources[k], j.Table
	if s.absent {
		return
	}
	versioned := s.rel.Versions != ""
	switch {
	case t.AsOf != nil && !versioned:
		br.problem(t.AsOf.at(), fmt.Sprintf("table %s has no versions", t.Name), "leave FOR SYSTEM_TIME out, or name the column at which a version starts under `versions:`")
	case t.AsOf != nil:
		br.visible--
		n := br.expr(t.AsOf)
		br.visible++
		if n == nil {
			return
		}
		if n.Type.Kind != schema.Timestamp {
			br.problem(t.AsOf.at(), fmt.Sprintf("FOR SYSTEM_TIME AS OF takes a TIMESTAMP, not %s", n.Type), "name the left row's event time")
			return
		}
		if len(br.usedBy(n)) == 0 {
			br.problem(t.AsOf.at(), "FOR SYSTEM_TIME AS OF a constant", "name a time of the left row")
			return
		}
		out.asOf = n
	case versioned:
		root := br.sources[0]
		if root.time < 0 {
			return
		}
		out.asOf = br.columnOf(root, root.time-root.base)
		br.warn(t.Pos, fmt.Sprintf("table %s has versions, and the query does not say as of when: %s.%s is meant", t.Name, root.ref.Alias, root.rel.Time),
			fmt.Sprintf("write %s FOR SYSTEM_TIME AS OF %s.%s AS %s", t.Name, root.ref.Alias, root.rel.Time, t.Alias))
	}
}

// lookup finds the equalities that cover the table's key.
func (br *branch) lookup(k int, j *joinClause, parts []conjunct, ok bool, out *boundJoin) {
	s := br.sources[k]
	out.keys = make([]*expr.Node, len(s.rel.Key))
	for _, c := range parts {
		i, key, exact := br.tableKey(k, c)
		if i < 0 || out.keys[i] != nil {
			out.on = append(out.on, c.node)
			continue
		}
		if key == nil {
			ok = false
			continue
		}
		out.keys[i] = key
		if !exact {
			out.on = append(out.on, c.node)
		}
	}
	var lack []string
	for i, key := range out.keys {
		if key == nil {
			lack = append(lack, s.ref.Alias+"."+s.rel.Key[i])
		}
	}
	if ok && len(lack) > 0 {
		br.problem(j.Pos, fmt.Sprintf("the join with table %s leaves its key %s open", s.ref.shown(), joinNames(lack)),
			fmt.Sprintf("a table is looked up by its whole key: ON %s = ..", strings.Join(lack, " = .. AND ")))
	}
}

// tableKey reports which column of the table's key a condition fixes, and by what; -1 when none. It is exact
// when equal keys are all that the condition says.
func (br *branch) tableKey(k int, c conjunct) (int, *expr.Node, bool) {
	s := br.sources[k]
	e, ok := c.x.(binary)
	if !ok || e.Op != "=" {
		return -1, nil, false
	}
	for _, side := range [][2]expression{{e.L, e.R}, {e.R, e.L}} {
		ref, ok := side[0].(columnRef)
		if !ok {
			continue
		}
		col := br.expr(ref)
		if col.Op != "column" || !s.has(col.Index) {
			continue
		}
		field := s.rel.Fields[col.Index-s.base]
		i := slices.Index(s.rel.Key, field.Name)
		other := br.expr(side[1])
		if i < 0 || slices.Contains(br.usedBy(other), k) {
			continue
		}
		from, to := other.Type, field.Type
		// Equal values of these are held alike, whatever their precision.
		if from.Kind == to.Kind && (from.Kind != schema.Decimal || from.Scale == to.Scale && from.Precision == to.Precision) {
			return i, other, true
		}
		if approximate(from) && !approximate(to) {
			br.problem(e.Pos, fmt.Sprintf("%s cannot look up the key column %s.%s, which is %s", from, s.ref.Alias, field.Name, to),
				fmt.Sprintf("write CAST(.. AS %s)", to))
			return i, nil, false
		}
		// What the key's type cannot hold has no row: NULL finds none. What the cast changed may be found, and is
		// then refused by the condition itself; whole numbers are changed by none.
		key := br.made(e.Pos)(expr.Cast(other, to, true))
		return i, key, from.Kind == schema.SmallInt || from.Kind == schema.Int || from.Kind == schema.BigInt
	}
	return -1, nil, false
}

func approximate(t schema.Type) bool { return t.Kind == schema.Float || t.Kind == schema.Double }

// streamJoin finds keys and band.
func (br *branch) streamJoin(k int, j *joinClause, parts []conjunct, ok bool, out *boundJoin) {
	s := br.sources[k]
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	var spare []conjunct // equal event times, which may serve as keys too
	mayPush := true
	for _, c := range parts {
		bounds, whole, bad := br.band(k, c.x)
		if bad {
			ok = false
			continue
		}
		for _, b := range bounds {
			l := br.sources[b.left]
			if b.hasLo {
				lo = max(lo, plus(b.lo, l.lo))
			}
			if b.hasHi {
				hi = min(hi, plus(b.hi, l.hi))
			}
			// Against the first stream the band says it all; against another it is wider than the condition.
			whole = whole && b.left == 0 && !br.sources[0].nullable
		}
		if len(bounds) > 0 {
			if e, is := c.x.(binary); is && e.Op == "=" {
				spare = append(spare, c)
			}
			if !whole {
				out.on = append(out.on, c.node)
			}
			continue
		}
		if l, r := br.equality(k, c); l != nil {
			out.left, out.right = append(out.left, l), append(out.right, r)
			continue
		}
		// Earlier evaluation must not reach rows from which a condition before it would have kept it.
		if mayPush = mayPush && !c.node.CanFail(); mayPush && br.push(k, c, j.Kind) {
			continue
		}
		out.on = append(out.on, c.node)
	}
	for _, c := range spare {
		if len(out.left) == 0 {
			if l, r := br.equality(k, c); l != nil {
				out.left, out.right = append(out.left, l), append(out.right, r)
			}
		}
	}
	s.lo, s.hi = lo, hi
	if !ok {
		s.lo, s.hi = max(lo, -1<<61), min(hi, 1<<61)
		return
	}
	br.checkStreamJoin(k, j, lo, hi, len(out.left) > 0)
}

func (br *branch) checkStreamJoin(k int, j *joinClause, lo, hi int64, keyed bool) {
	s, root := br.sources[k], br.sources[0]
	for _, side := range []*source{root, s} {
		if side.time < 0 {
			br.problem(side.ref.Pos, "this subquery is joined, and does not select the event time of its rows", "add the event time of its first stream, or window_time, to its select list")
			return
		}
	}
	if !keyed {
		br.problem(j.Pos, fmt.Sprintf("the join with stream %s has no equality between the two sides", s.ref.shown()),
			fmt.Sprintf("write ON %s.id = %s.id, with the columns that must be equal (IS NOT DISTINCT FROM does not count: NULL equals nothing)", s.ref.Alias, root.ref.Alias))
	}
	time := s.timeName()
	open := ""
	switch {
	case lo == math.MinInt64 && hi == math.MaxInt64:
		open = "nothing bounds " + time
	case lo == math.MinInt64:
		open = "nothing says how early " + time + " may be"
	case hi == math.MaxInt64:
		open = "nothing says how late " + time + " may be"
	}
	if open != "" {
		br.problem(j.Pos, fmt.Sprintf("unbounded stream join with %s: %s", s.ref.shown(), open),
			hintBand(root, s)+"; only event times count, with constant INTERVALs of days or shorter")
		s.lo, s.hi = max(lo, -1<<61), min(hi, 1<<61)
		return
	}
	if lo > hi {
		br.warn(j.Pos, fmt.Sprintf("the band of the join with %s is empty: no pair can match", s.ref.shown()), "check which side is subtracted, and the order of BETWEEN")
	}
}

// equality is a condition's two sides, left and right, of one type, when it is an equality between expressions
// of both sides; else nil.
func (br *branch) equality(k int, c conjunct) (left, right *expr.Node) {
	e, ok := c.x.(binary)
	if !ok || e.Op != "=" {
		return nil, nil
	}
	l, r := br.expr(e.L), br.expr(e.R)
	ul, ur := br.usedBy(l), br.usedBy(r)
	if len(ul) == 0 || len(ur) == 0 {
		return nil, nil
	}
	if slices.Contains(ul, k) {
		l, r, ul, ur = r, l, ur, ul
	}
	if slices.Contains(ul, k) || !slices.Equal(ur, []int{k}) {
		return nil, nil
	}
	// = has brought both to what it compares, decimals apart.
	eq := br.made(e.Pos)(expr.Call("=", l, r))
	if eq == nil || len(eq.Args) != 2 {
		return nil, nil
	}
	a, b := eq.Args[0], eq.Args[1]
	if a.Type.Kind == schema.Decimal && b.Type.Kind == schema.Decimal {
		t, ok := expr.CommonType(a.Type, b.Type)
		for _, d := range []schema.Type{a.Type, b.Type} {
			// Where 38 digits cannot hold both, = is the only exact comparison.
			ok = ok && t.Scale >= d.Scale && t.Precision-t.Scale >= d.Precision-d.Scale
		}
		if !ok {
			return nil, nil
		}
		a, b = br.made(e.Pos)(expr.Cast(l, t, false)), br.made(e.Pos)(expr.Cast(r, t, false))
	}
	return br.key(e.Pos, a), br.key(e.Pos, b)
}

// key makes equal keys of equal values: keys are compared by their bytes, so NaN, which equals nothing, becomes
// NULL, and -0.0 becomes 0.0.
func (br *branch) key(at Pos, n *expr.Node) *expr.Node {
	made := br.made(at)
	if n == nil || !approximate(n.Type) {
		return n
	}
	same, sum := made(expr.Call("=", n, n)), made(expr.Call("+", n, expr.Literal(float64(0), n.Type)))
	if same == nil || sum == nil {
		return nil
	}
	return made(expr.Case([]*expr.Node{same}, []*expr.Node{sum}, nil))
}

// push gives a condition of ON to the scan whose columns alone it names, if that changes no answer: a side may be
// thinned out when its unmatched rows are not kept, and no join before has filled it with NULLs.
func (br *branch) push(k int, c conjunct, kind JoinKind) bool {
	if len(c.used) != 1 {
		return false
	}
	u := c.used[0]
	s := br.sources[u]
	if s.table || u == k && kind.KeepsRight() || u != k && (kind.KeepsLeft() || s.nullable) {
		return false
	}
	br.filters[s] = append(br.filters[s], c.node)
	return true
}
