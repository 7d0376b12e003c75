package sql

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// String is the plan as a tree for people: the last step first, its inputs indented below it.
func (p *Plan) String() string {
	var b strings.Builder
	show(&b, p.Root, 0)
	return b.String()
}

func show(b *strings.Builder, n Node, depth int) {
	line := func(format string, args ...any) {
		fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), fmt.Sprintf(format, args...))
	}
	detail := func(format string, args ...any) {
		fmt.Fprintf(b, "%s  . %s\n", strings.Repeat("  ", depth), fmt.Sprintf(format, args...))
	}
	on := func(e *expr.Node) {
		if e != nil {
			detail("on %s", exprText(e, 0))
		}
	}
	switch n := n.(type) {
	case *Union:
		line("union all")
		for _, in := range n.Inputs {
			show(b, in, depth+1)
		}
	case *Project:
		line("project")
		for i, e := range n.Exprs {
			text := exprText(e, 0)
			if e.Op == "column" && (text == n.Names[i] || strings.HasSuffix(text, "."+n.Names[i])) {
				detail("%s %s", text, e.Type)
				continue
			}
			detail("%s %s = %s", n.Names[i], e.Type, text)
		}
		show(b, n.Input, depth+1)
	case *Filter:
		line("filter %s", exprText(n.Where, 0))
		show(b, n.Input, depth+1)
	case *Join:
		line("%s join within [%s, %s]", kindText(n.Kind), micros(n.Lo), micros(n.Hi))
		for i := range n.LeftKeys {
			detail("key %s = %s", exprText(n.LeftKeys[i], levelCompare+1), exprText(n.RightKeys[i], levelCompare+1))
		}
		on(n.On)
		show(b, n.Left, depth+1)
		show(b, n.Right, depth+1)
	case *Lookup:
		name := n.Table
		if n.Alias != n.Table {
			name += " as " + n.Alias
		}
		line("%s lookup %s (%s)", kindText(n.Kind), name, strings.Join(fieldNames(n.table), ", "))
		for i, k := range n.Keys {
			detail("key %s.%s = %s", n.Alias, n.key[i], exprText(k, levelCompare+1))
		}
		if n.AsOf != nil {
			detail("as of %s", exprText(n.AsOf, 0))
		}
		on(n.On)
		show(b, n.Input, depth+1)
	case *Group:
		groupLine(n, line, detail)
		show(b, n.Input, depth+1)
	case *Rank:
		rankLine(n, line)
		show(b, n.Input, depth+1)
	case *Scan:
		name := n.Stream
		if n.Alias != n.Stream {
			name += " as " + n.Alias
		}
		line("scan %s (%s)", name, strings.Join(fieldNames(n.fields), ", "))
		if n.Filter != nil {
			detail("where %s", exprText(n.Filter, 0))
		}
	}
}

func groupLine(n *Group, line, detail func(string, ...any)) {
	fields := n.Input.Fields()
	name := func(c int) string {
		if c < 0 {
			return "*"
		}
		return fields[c].Name
	}
	text := "group by " + strings.Join(fieldNames(fields[:n.Keys]), ", ")
	if n.Keys == 0 {
		text = "group all rows"
	}
	switch w := n.Window; {
	case w == nil && n.Time < 0:
		line("%s, the event time", text)
	case w == nil:
		line("%s, %s, %s to %s behind the event time", text, name(n.Time), micros(n.Lo), micros(n.Hi))
	case w.Gap > 0:
		line("%s in sessions %s apart", text, micros(w.Gap))
	case w.Slide < w.Size:
		line("%s in windows of %s every %s", text, micros(w.Size), micros(w.Slide))
	default:
		line("%s in windows of %s", text, micros(w.Size))
	}
	for _, a := range n.Aggs {
		text := ""
		if a.Order >= 0 && (a.Func == "LISTAGG" || a.Func == "ARRAY_AGG" || a.Func == "FIRST_VALUE" || a.Func == "LAST_VALUE") {
			text = " in the order of " + name(a.Order)
		}
		detail("%s %s%s", a.name, a.Type, text)
	}
}

func rankLine(n *Rank, line func(string, ...any)) {
	fields := n.Input.Fields()
	var keys, order []string
	for _, k := range n.Keys {
		keys = append(keys, fields[k].Name)
	}
	for _, o := range n.Order {
		text := fields[o.Column].Name
		if o.Desc {
			text += " DESC"
		}
		order = append(order, text)
	}
	text := "number the rows of each " + strings.Join(keys, ", ") + " by " + strings.Join(order, ", ")
	if n.Most > 0 {
		text += fmt.Sprintf(", the first %d", n.Most)
	}
	line("%s", text)
}

func kindText(k JoinKind) string {
	return [...]string{"inner", "left", "right", "full", "semi", "anti"}[k]
}

// micros is a length of time in its largest units: 4h, -30m, 1d2h, 0s, 0.000001s.
func micros(us int64) string {
	if us == 0 {
		return "0s"
	}
	sign, u := "", uint64(us)
	if us < 0 {
		sign, u = "-", -u
	}
	var b strings.Builder
	b.WriteString(sign)
	for _, unit := range []struct {
		name string
		us   uint64
	}{{"d", 86_400_000_000}, {"h", 3_600_000_000}, {"m", 60_000_000}} {
		if q := u / unit.us; q > 0 {
			fmt.Fprintf(&b, "%d%s", q, unit.name)
			u %= unit.us
		}
	}
	if u > 0 {
		b.WriteString(strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%06d", u/1_000_000, u%1_000_000), "0"), "."))
		b.WriteString("s")
	}
	return b.String()
}

var exprLevels = map[string]int{
	"OR": levelOr, "AND": levelAnd, "NOT": levelNot, "IS NULL": levelIs, "IS NOT NULL": levelIs, "IS TRUE": levelIs, "IS FALSE": levelIs,
	"IS NOT TRUE": levelIs, "IS NOT FALSE": levelIs, "=": levelCompare, "<>": levelCompare, "<": levelCompare, "<=": levelCompare,
	">": levelCompare, ">=": levelCompare, "IS DISTINCT FROM": levelCompare, "IS NOT DISTINCT FROM": levelCompare, "LIKE": levelPredicate, "in": levelPredicate,
	"+": levelSum, "-": levelSum, "*": levelProduct, "/": levelProduct, "%": levelProduct, "||": levelProduct, "NEG": levelSign,
}

// exprText is a typed expression as SQL, with the casts that typing put in.
func exprText(n *expr.Node, at int) string {
	l, operator := exprLevels[n.Op]
	if !operator {
		l = levelPostfix
	}
	text := bareText(n, l)
	if l < at {
		return "(" + text + ")"
	}
	return text
}

func bareText(n *expr.Node, l int) string {
	args := func(from, at int) []string {
		var out []string
		for i := from; i < len(n.Args); i++ {
			level := at
			if i > 0 && at > 0 {
				level++
			}
			out = append(out, exprText(n.Args[i], level))
		}
		return out
	}
	switch n.Op {
	case "column":
		return n.Name
	case "literal":
		return literalText(n)
	case "cast":
		name := "CAST"
		if n.Try {
			name = "TRY_CAST"
		}
		return name + "(" + exprText(n.Args[0], 0) + " AS " + n.Type.String() + ")"
	case "case":
		var b strings.Builder
		b.WriteString("CASE")
		for i := 0; i+1 < len(n.Args); i += 2 {
			b.WriteString(" WHEN " + exprText(n.Args[i], 0) + " THEN " + exprText(n.Args[i+1], 0))
		}
		if last := n.Args[len(n.Args)-1]; !last.IsLiteral() || last.Value != nil {
			b.WriteString(" ELSE " + exprText(last, 0))
		}
		return b.String() + " END"
	case "in": // pairs of the tested value and a member
		var list []string
		for i := 1; i < len(n.Args); i += 2 {
			list = append(list, exprText(n.Args[i], 0))
		}
		return exprText(n.Args[0], l) + " IN (" + strings.Join(list, ", ") + ")"
	case "field":
		return exprText(n.Args[0], levelPostfix) + "." + n.Name
	case "index":
		return exprText(n.Args[0], levelPostfix) + "[" + exprText(n.Args[1], 0) + "]"
	case "NEG":
		return "-" + exprText(n.Args[0], levelPostfix)
	case "NOT":
		return "NOT " + exprText(n.Args[0], l)
	case "LIKE":
		text := strings.Join(args(0, l)[:2], " LIKE ")
		if len(n.Args) > 2 {
			text += " ESCAPE " + exprText(n.Args[2], levelSum)
		}
		return text
	case "EXTRACT":
		return "EXTRACT(" + n.Unit + " FROM " + exprText(n.Args[0], 0) + ")"
	case "TIMESTAMPADD", "TIMESTAMPDIFF":
		return n.Op + "(" + n.Unit + ", " + strings.Join(args(0, 0), ", ") + ")"
	}
	if strings.HasPrefix(n.Op, "IS ") && len(n.Args) == 1 {
		return exprText(n.Args[0], l) + " " + n.Op
	}
	if _, operator := exprLevels[n.Op]; operator {
		return strings.Join(args(0, l), " "+n.Op+" ")
	}
	text := n.Op + "(" + strings.Join(args(0, 0), ", ")
	if n.Unit != "" {
		text += " TO " + n.Unit
	}
	return text + ")"
}

func literalText(n *expr.Node) string {
	switch v := n.Value.(type) {
	case nil:
		return "NULL"
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case string:
		return quote(v)
	case []byte:
		return "X'" + strings.ToUpper(hex.EncodeToString(v)) + "'"
	case float64:
		return strconv.FormatFloat(v, 'E', -1, 64)
	case decimal128.Num:
		return v.ToString(int32(n.Type.Scale))
	case int64:
		switch n.Type.Kind {
		case schema.Date:
			return "DATE '" + time.Unix(v*86400, 0).UTC().Format("2006-01-02") + "'"
		case schema.Timestamp:
			return "TIMESTAMP '" + time.UnixMicro(v).UTC().Format("2006-01-02 15:04:05.999999") + "'"
		}
		return strconv.FormatInt(v, 10)
	case expr.Interval:
		if v.Months != 0 {
			return fmt.Sprintf("INTERVAL '%d' MONTH", v.Months)
		}
		return "INTERVAL " + micros(v.Micros)
	}
	return fmt.Sprint(n.Value)
}
