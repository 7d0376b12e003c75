package sql

import (
	"fmt"
	"strings"
)

// Shape says what rows leave a node, whatever columns they have: two plans of one shape hold the same rows in
// their operators. It is kept in checkpoints.
func Shape(n Node) string {
	switch n := n.(type) {
	case *Scan:
		text := n.Stream
		if n.Filter != nil {
			text += " where " + exprText(n.Filter, 0)
		}
		return text
	case *Filter:
		return fmt.Sprintf("(%s) where %s", Shape(n.Input), exprText(n.Where, 0))
	case *Project:
		// What is held is known by its name; what is computed of it below has to be the same.
		text := Shape(n.Input)
		for i, e := range n.Exprs {
			if is := exprText(e, 0); is != n.Names[i] {
				text += fmt.Sprintf(", %s as %s", is, n.Names[i])
			}
		}
		return text
	case *Group:
		keys := fieldNames(n.Input.Fields()[:n.Keys])
		text := fmt.Sprintf("(%s) group by %s", Shape(n.Input), strings.Join(keys, ", "))
		if n.Time >= 0 {
			text += fmt.Sprintf(" and %s within [%s, %s]", n.Input.Fields()[n.Time].Name, micros(n.Lo), micros(n.Hi))
		}
		if w := n.Window; w != nil {
			text += fmt.Sprintf(" in windows of %s every %s from %s, gap %s", micros(w.Size), micros(w.Slide), micros(w.Offset), micros(w.Gap))
		}
		return text
	case *Rank:
		var keys []string
		for _, k := range n.Keys {
			keys = append(keys, n.Input.Fields()[k].Name)
		}
		text := fmt.Sprintf("(%s) numbered by %s", Shape(n.Input), strings.Join(keys, ", "))
		if n.Time >= 0 {
			text += fmt.Sprintf(" and %s within [%s, %s]", n.Input.Fields()[n.Time].Name, micros(n.Lo), micros(n.Hi))
		}
		return text
	case *Lookup:
		text := fmt.Sprintf("(%s) %s lookup %s by", Shape(n.Input), kindText(n.Kind), n.Table)
		for _, k := range n.Keys {
			text += " " + exprText(k, 0)
		}
		if n.AsOf != nil {
			text += " as of " + exprText(n.AsOf, 0)
		}
		if n.On != nil {
			text += " on " + exprText(n.On, 0)
		}
		return text
	case *Join:
		var keys []string
		for i := range n.LeftKeys {
			keys = append(keys, exprText(n.LeftKeys[i], levelCompare+1)+" = "+exprText(n.RightKeys[i], levelCompare+1))
		}
		text := fmt.Sprintf("(%s) %s join (%s) on %s within [%s, %s]", Shape(n.Left), kindText(n.Kind), Shape(n.Right), strings.Join(keys, " and "), micros(n.Lo), micros(n.Hi))
		if n.On != nil {
			text += " where " + exprText(n.On, 0)
		}
		return text
	}
	return fmt.Sprintf("%T", n)
}
