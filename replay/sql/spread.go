package sql

import (
	"fmt"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
)

// Spread says, operator by operator, by what the rows that are held are spread over the shards of a run: all rows of one
// key are one shard's, so that the heaviest key bounds what more shards can do.
func (p *Plan) Spread() []string {
	var out []string
	joins, groups := 0, 0
	var visit func(Node)
	visit = func(n Node) {
		for _, in := range Inputs(n) {
			visit(in)
		}
		switch n := n.(type) {
		case *Join:
			joins++
			nulls := "is dropped"
			switch {
			case n.Kind.KeepsLeft() && n.Kind.KeepsRight():
				nulls = "leaves alone"
			case n.Kind.KeepsLeft():
				nulls = "leaves alone if it is the left's, and is dropped otherwise"
			case n.Kind.KeepsRight():
				nulls = "leaves alone if it is the right's, and is dropped otherwise"
			}
			out = append(out, fmt.Sprintf("join %d: by %s; a row with a NULL there goes to any shard, has no partner, and %s", joins, keyTexts(n.LeftKeys, n.RightKeys), nulls))
		case *Group, *Rank:
			groups++
			fields := Inputs(n)[0].Fields()
			var keys []string
			switch n := n.(type) {
			case *Group:
				keys = fieldNames(fields[:n.Keys])
			case *Rank:
				for _, k := range n.Keys {
					keys = append(keys, fields[k].Name)
				}
			}
			if len(keys) == 0 {
				out = append(out, fmt.Sprintf("group %d: all rows are one shard's", groups))
				return
			}
			out = append(out, fmt.Sprintf("group %d: by %s; NULL is a key like any other", groups, strings.Join(keys, ", ")))
		}
	}
	visit(p.Root)
	return out
}

func keyTexts(left, right []*expr.Node) string {
	var out []string
	for i := range left {
		out = append(out, exprText(left[i], levelCompare+1)+" = "+exprText(right[i], levelCompare+1))
	}
	return strings.Join(out, ", ")
}
