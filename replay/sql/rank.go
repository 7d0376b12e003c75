package sql

import (
	"slices"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// ranking is ROW_NUMBER() OVER (..), bound. The number is the virtual column behind those of the sources.
type ranking struct {
	over   *overClause
	text   string
	keys   []*expr.Node
	order  []*expr.Node
	anchor *source
	most   int64
}

// numbering binds a call with OVER.
func (b *binder) numbering(e call) *expr.Node {
	switch {
	case e.Name != "ROW_NUMBER":
		b.problem(e.Pos, e.Name+"(..) OVER (..) is not run", "ROW_NUMBER() OVER (..) is; an aggregate is written with GROUP BY")
	case e.Over == nil:
		b.problem(e.Pos, "ROW_NUMBER() without OVER", "write ROW_NUMBER() OVER (PARTITION BY p.playback_id ORDER BY i.shown_at DESC)")
	case len(e.Args) > 0 || e.Star || e.Filter != nil:
		b.problem(e.Pos, "ROW_NUMBER takes nothing", "write ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..)")
	case b.number == nil:
		b.problem(e.Pos, "ROW_NUMBER() cannot stand here", "write it in QUALIFY, or in the select list of a subquery and its condition around it: SELECT .. FROM (SELECT .., ROW_NUMBER() OVER (..) AS n FROM ..) WHERE n = 1")
	default:
		return b.number(e)
	}
	return nil
}

// bindNumber binds ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..).
func (br *branch) bindNumber(e call) *expr.Node {
	aggregate, number := br.aggregate, br.number
	br.aggregate, br.number = nil, nil
	defer func() { br.aggregate, br.number = aggregate, number }()
	o := e.Over
	column := expr.Column(br.total, callText(e), schema.Type{Kind: schema.BigInt})
	if br.rank != nil {
		if br.rank.text != column.Name {
			br.problem(e.Pos, "a second ROW_NUMBER() with another OVER is not run", "write the first in a subquery, and the second around it")
			return nil
		}
		return column
	}
	if len(br.stmt.GroupBy) > 0 {
		br.problem(e.Pos, "ROW_NUMBER() beside GROUP BY is not run", "write GROUP BY in a subquery, and ROW_NUMBER() around it")
		return nil
	}
	r := &ranking{over: o, text: column.Name, keys: br.all(o.Partition...)}
	if len(o.Order) == 0 {
		br.problem(e.Pos, "ROW_NUMBER() without ORDER BY", "say which row is the first: ORDER BY i.shown_at DESC; ties are broken by content")
		return nil
	}
	for _, it := range o.Order {
		n := br.expr(it.X)
		if n == nil {
			return nil
		}
		switch n.Type.Kind {
		case schema.Array, schema.Map, schema.Row, schema.Null:
			br.problem(it.X.at(), "ORDER BY takes no "+n.Type.String(), "")
			return nil
		}
		r.order = append(r.order, n)
	}
	if r.keys == nil && len(o.Partition) > 0 || slices.ContainsFunc(br.sources, func(s *source) bool { return s.absent }) {
		return nil
	}
	if r.anchor, _ = br.anchor(r.keys); r.anchor == nil {
		br.endless(o.Pos, "PARTITION BY", "")
		return nil
	}
	for i, k := range r.keys {
		r.keys[i] = br.alike(o.Partition[i].at(), k)
	}
	br.rank = r
	return column
}

// mostOf is n of `column = n`, `column <= n` and n - 1 of `column < n`: what rows it can be TRUE for; 0: any.
func mostOf(cond *expr.Node, column int) int64 {
	if cond.Op == "AND" {
		for _, a := range cond.Args {
			if n := mostOf(a, column); n > 0 {
				return n
			}
		}
	}
	if len(cond.Args) != 2 || cond.Args[0].Op != "column" || cond.Args[0].Index != column {
		return 0
	}
	n, ok := cond.Args[1].Value.(int64)
	switch {
	case !ok || !cond.Args[1].IsLiteral() || n < 1:
		return 0
	case cond.Op == "=" || cond.Op == "<=":
		return n
	case cond.Op == "<" && n > 1:
		return n - 1
	}
	return 0
}

// rankNode lays the ranking's node out: what it needs from below, and where the columns are in its output.
func (br *branch) rankNode(above []*expr.Node) (*Rank, *projection, []int) {
	r := br.rank
	p, n := &projection{}, &Rank{Time: -1, Most: r.most}
	carried := map[int]*expr.Node{}
	for _, e := range above {
		for _, c := range columnsIn(e) {
			carried[c.Index] = c
		}
	}
	delete(carried, br.total)
	at := make([]int, br.total+1)
	for i := range br.total {
		if c := carried[i]; c != nil {
			at[i] = p.add(c)
			n.fields = append(n.fields, schema.Field{Name: c.Name, Type: c.Type})
		}
	}
	n.Carry, at[br.total] = len(p.exprs), len(p.exprs)
	n.fields = append(n.fields, schema.Field{Name: r.text, Type: schema.Type{Kind: schema.BigInt}})
	for _, k := range r.keys {
		n.Keys = append(n.Keys, p.add(k))
	}
	for i, o := range r.order {
		it := r.over.Order[i]
		// NULL is less than everything else, as in Flink, unless told.
		first := it.Nulls == "FIRST" || it.Nulls == "" && !it.Desc
		n.Order = append(n.Order, RankOrder{Column: p.add(o), Desc: it.Desc, NullsFirst: first})
	}
	if a := r.anchor; a != br.sources[0] {
		n.Time, n.Lo, n.Hi = p.add(br.columnOf(a, a.time-a.base)), a.lo, a.hi
	}
	n.Of = br.origin(r.anchor, p)
	return n, p, at
}
