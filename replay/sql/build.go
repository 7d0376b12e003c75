package sql

import (
	"slices"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// build makes the plan of a branch, with the named columns of its result (nil: all): filters at the scans where they
// may be, and from each node only the columns that something above it uses.
func (br *branch) build(columns []int) Node {
	exprs, names := br.exprs, br.names
	if columns != nil {
		exprs, names = pickOf(br.exprs, columns), pickOf(br.names, columns)
	}
	switch {
	case br.group != nil:
		g, p, at := br.groupNode()
		g.Input = br.below(p)
		return br.top(g, exprs, names, at)
	case br.rank != nil:
		// All columns of the select list decide between rows that are equal, whatever is used of them around it.
		r, p, at := br.rankNode(append([]*expr.Node{br.having}, br.exprs...))
		r.Input = br.below(p)
		return br.top(r, exprs, names, at)
	}
	return br.below(&projection{exprs, names})
}

// top puts HAVING or QUALIFY and the select list on a node whose columns are at the given places.
func (br *branch) top(n Node, exprs []*expr.Node, names []string, at []int) Node {
	if br.having != nil {
		n = &Filter{Input: n, Where: br.having.Remap(at)}
	}
	return &Project{Input: n, Exprs: remapAll(exprs, at), Names: names}
}

// below is the plan up to expressions over the columns of the sources.
func (br *branch) below(p *projection) Node {
	where := br.pushWhere()
	total := br.total
	need := make([]bool, total)
	use := func(nodes ...*expr.Node) {
		for _, n := range nodes {
			if n != nil {
				n.Columns(func(i int) { need[i] = true })
			}
		}
	}
	use(p.exprs...)
	use(where)

	// From the top down: what leaves the join of source k, then what it needs itself.
	outputs := make([][]int, len(br.sources))
	rights := make([][]int, len(br.sources))
	for k := len(br.sources) - 1; k > 0; k-- {
		s, j := br.sources[k], br.joins[k-1]
		outputs[k] = columnsOf(need, 0, len(need))
		use(j.left...)
		use(j.right...)
		use(j.keys...)
		use(j.asOf)
		use(j.on...)
		use(br.filters[s]...)
		end := s.base + len(s.rel.Fields)
		rights[k] = columnsOf(need, s.base, end)
		clear(need[s.base:])
	}
	root := br.sources[0]
	use(br.filters[root]...)
	columns := columnsOf(need, 0, len(root.rel.Fields))

	node := br.input(root, columns)
	for k := 1; k < len(br.sources); k++ {
		s, j := br.sources[k], br.joins[k-1]
		left, right := mapping(total, columns), mapping(total, rights[k])
		both := mapping(total, append(slices.Clone(columns), rights[k]...))
		out := make([]int, len(outputs[k]))
		for i, c := range outputs[k] {
			out[i] = both[c]
		}
		if s.table {
			node = &Lookup{Kind: s.kind, Input: node, Table: s.ref.Name, Alias: s.ref.Alias, Keys: remapAll(j.keys, left),
				AsOf: remap(j.asOf, left), Columns: local(s, rights[k]), On: remap(conjunction(j.on), both), Output: out, table: fieldsAt(s, rights[k]), key: s.rel.Key}
		} else {
			node = &Join{Kind: s.kind, Left: node, Right: br.input(s, rights[k]), LeftKeys: remapAll(j.left, left), RightKeys: remapAll(j.right, right),
				Lo: j.lo, Hi: j.hi, On: remap(conjunction(j.on), both), Output: out}
		}
		columns = outputs[k]
	}
	top := mapping(total, columns)
	if where != nil {
		node = &Filter{Input: node, Where: remap(where, top)}
	}
	return p.over(node, top)
}

// pushWhere moves conditions of WHERE to the scans and returns the rest; nil for none. A condition is moved when
// it names one stream whose rows are never filled up with NULLs, cannot fail, and none before it can fail: it
// must not save those from failing.
func (br *branch) pushWhere() *expr.Node {
	var rest []*expr.Node
	may := true
	for _, n := range br.where {
		may = may && !n.CanFail()
		if used := br.usedBy(n); may && len(used) == 1 {
			if s := br.sources[used[0]]; !s.table && !s.nullable {
				if c := n.Args; s.sub != nil && s.sub.rank != nil && len(c) == 2 && c[0].Op == "column" {
					s.sub.limit(n, c[0].Index, s.sub.exprs[c[0].Index-s.base])
				}
				br.filters[s] = append(br.filters[s], n)
				continue
			}
		}
		rest = append(rest, n)
	}
	return conjunction(rest)
}

// limit notes that a condition around a subquery wants no number above some.
func (br *branch) limit(cond *expr.Node, column int, is *expr.Node) {
	if n := mostOf(cond, column); is.Op == "column" && is.Index == br.total && n > 0 && (br.rank.most == 0 || n < br.rank.most) {
		br.rank.most = n
	}
}

// input is what a source reads, thinned out by the conditions pushed down to it.
func (br *branch) input(s *source, columns []int) Node {
	if s.sub == nil {
		return br.scan(s, columns)
	}
	node := s.sub.build(local(s, columns))
	if f := br.filters[s]; len(f) > 0 {
		node = &Filter{Input: node, Where: remap(conjunction(f), mapping(s.base+len(s.rel.Fields), columns))}
	}
	return node
}

func (br *branch) scan(s *source, columns []int) *Scan {
	return &Scan{Stream: s.ref.stream(), Alias: s.ref.Alias, Columns: local(s, columns), fields: fieldsAt(s, columns),
		Filter: remap(conjunction(br.filters[s]), mapping(s.base+len(s.rel.Fields), columns))}
}

// columnsOf lists the columns that are needed, ascending.
func columnsOf(need []bool, from, to int) []int {
	out := []int{}
	for i := from; i < to; i++ {
		if need[i] {
			out = append(out, i)
		}
	}
	return out
}

// mapping gives each column its position in columns.
func mapping(total int, columns []int) []int {
	out := make([]int, total)
	for i := range out {
		out[i] = -1
	}
	for i, c := range columns {
		out[c] = i
	}
	return out
}

func local(s *source, columns []int) []int {
	out := make([]int, len(columns))
	for i, c := range columns {
		out[i] = c - s.base
	}
	return out
}

func fieldsAt(s *source, columns []int) []schema.Field { return pick(s.rel.Fields, local(s, columns)) }

func remap(n *expr.Node, to []int) *expr.Node {
	if n == nil {
		return nil
	}
	return n.Remap(to)
}

func remapAll(nodes []*expr.Node, to []int) []*expr.Node {
	out := make([]*expr.Node, len(nodes))
	for i, n := range nodes {
		out[i] = remap(n, to)
	}
	return out
}

// conjunction is all of the conditions; nil when there are none.
func conjunction(nodes []*expr.Node) *expr.Node {
	switch len(nodes) {
	case 0:
		return nil
	case 1:
		return nodes[0]
	}
	n, err := expr.Call("AND", nodes...)
	if err != nil { // more than it takes at once
		half := len(nodes) / 2
		n, _ = expr.Call("AND", conjunction(nodes[:half]), conjunction(nodes[half:]))
	}
	return n
}

// stream is the name of the stream that is read, also through a window table function.
func (t *tableRef) stream() string {
	if t.Window != nil {
		return t.Window.Data.Name
	}
	return t.Name
}

func pickOf[T any](all []T, which []int) []T {
	out := make([]T, len(which))
	for i, w := range which {
		out[i] = all[w]
	}
	return out
}

// shown is what messages call a source.
func (t *tableRef) shown() string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Alias != "":
		return t.Alias
	}
	return "of the subquery"
}
