package expr

import (
	"strings"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

// String is the expression as SQL would write it, with the casts that were inserted. It is for people: plans
// and errors.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b, false)
	return b.String()
}

func (n *Node) print(b *strings.Builder, inside bool) {
	list := func(args []*Node) {
		for i, a := range args {
			if i > 0 {
				b.WriteString(", ")
			}
			a.print(b, false)
		}
	}
	open := func() {
		if inside {
			b.WriteByte('(')
		}
	}
	shut := func() {
		if inside {
			b.WriteByte(')')
		}
	}
	switch n.Op {
	case "column":
		b.WriteString(n.Name)
	case "literal":
		n.printLiteral(b)
	case "cast":
		if n.Try {
			b.WriteString("TRY_")
		}
		b.WriteString("CAST(")
		n.Args[0].print(b, false)
		b.WriteString(" AS " + n.Type.String() + ")")
	case "case":
		b.WriteString("CASE")
		for k := 0; k+1 < len(n.Args); k += 2 {
			b.WriteString(" WHEN ")
			n.Args[k].print(b, false)
			b.WriteString(" THEN ")
			n.Args[k+1].print(b, false)
		}
		b.WriteString(" ELSE ")
		n.Args[len(n.Args)-1].print(b, false)
		b.WriteString(" END")
	case "in":
		open()
		n.Args[0].print(b, true)
		b.WriteString(" IN (")
		for k := 1; k < len(n.Args); k += 2 {
			if k > 1 {
				b.WriteString(", ")
			}
			n.Args[k].print(b, false)
		}
		b.WriteByte(')')
		shut()
	case "field":
		n.Args[0].print(b, true)
		b.WriteString("." + n.Name)
	case "index":
		n.Args[0].print(b, true)
		b.WriteByte('[')
		n.Args[1].print(b, false)
		b.WriteByte(']')
	case "NEG", "NOT":
		open()
		b.WriteString(map[string]string{"NEG": "-", "NOT": "NOT "}[n.Op])
		n.Args[0].print(b, true)
		shut()
	case "IS NULL", "IS NOT NULL", "IS TRUE", "IS FALSE", "IS NOT TRUE", "IS NOT FALSE":
		open()
		n.Args[0].print(b, true)
		b.WriteString(" " + n.Op)
		shut()
	case "+", "-", "*", "/", "%", "=", "<>", "<", "<=", ">", ">=", "AND", "OR", "||", "LIKE", "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		open()
		for i, a := range n.Args {
			switch {
			case i == 2 && n.Op == "LIKE":
				b.WriteString(" ESCAPE ")
			case i > 0:
				b.WriteString(" " + n.Op + " ")
			}
			a.print(b, true)
		}
		shut()
	case "EXTRACT":
		b.WriteString("EXTRACT(" + n.Unit + " FROM ")
		list(n.Args)
		b.WriteByte(')')
	case "JSON_VALUE":
		b.WriteString("JSON_VALUE(")
		list(n.Args)
		b.WriteString(", " + quote(n.json.path.text) + " RETURNING " + n.Type.String())
		for _, d := range []struct {
			JSONDefault
			on string
		}{{n.json.onEmpty, "EMPTY"}, {n.json.onError, "ERROR"}} {
			switch {
			case d.Error:
				b.WriteString(" ERROR ON " + d.on)
			case d.Value != nil:
				b.WriteString(" DEFAULT " + d.Value.String() + " ON " + d.on)
			}
		}
		b.WriteByte(')')
	default:
		b.WriteString(n.Op + "(")
		switch {
		case n.Unit != "" && len(n.Args) == 1:
			list(n.Args)
			b.WriteString(" TO " + n.Unit)
		case n.Unit != "":
			b.WriteString(n.Unit + ", ")
			list(n.Args)
		default:
			list(n.Args)
		}
		b.WriteByte(')')
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (n *Node) printLiteral(b *strings.Builder) {
	switch v := n.Value.(type) {
	case nil:
		b.WriteString("NULL")
		return
	case Interval:
		unit, amount := "SECOND", string(appendDecimal(nil, decimal128.FromI64(v.Micros), 6))
		if n.span == months {
			unit, amount = "MONTH", string(appendDecimal(nil, decimal128.FromI64(v.Months), 0))
		} else {
			amount = strings.TrimSuffix(strings.TrimRight(amount, "0"), ".")
		}
		b.WriteString("INTERVAL " + quote(amount) + " " + unit)
		return
	}
	v, err := constant(n.Value, n.Type)
	if err != nil {
		b.WriteString("?")
		return
	}
	text := string(appendValue(nil, v, n.Type, 0))
	switch n.Type.Kind {
	case schema.String:
		text = quote(text)
	case schema.Date:
		text = "DATE " + quote(text)
	case schema.Timestamp:
		text = "TIMESTAMP " + quote(text)
	case schema.Bytes:
		text = "CAST(" + quote(text) + " AS BYTES)"
	case schema.Float, schema.Double:
		if !strings.Contains(text, "E") && text[0] != 'N' && !strings.HasSuffix(text, "y") {
			text += "E0"
		}
	}
	b.WriteString(text)
}
