package sql

import (
	"fmt"
	"strings"

	"github.com/lockstep-data/lockstep/schema"
)

// Dialect is whose SQL is written.
type Dialect uint8

const (
	// Lockstep is our own: what it prints, it reads back as the same query.
	Lockstep Dialect = iota
	// Flink is what Flink SQL 2.3 takes: its reserved words quoted, intervals with their digits told.
	Flink
)

// Format reads a query and writes it anew: keywords in upper case, no comments, parentheses only where they are
// needed. What the dialect cannot say is a problem.
func Format(text string, dialect Dialect) (string, []Problem) {
	q, _, problems := parse(text)
	if broken(problems) {
		return "", problems
	}
	w := &printer{dialect: dialect}
	w.query(q)
	problems = append(problems, w.problems...)
	if broken(problems) {
		return "", problems
	}
	return w.b.String(), problems
}

type printer struct {
	b        strings.Builder
	dialect  Dialect
	problems []Problem
}

func (w *printer) put(parts ...string) {
	for _, s := range parts {
		w.b.WriteString(s)
	}
}

func (w *printer) query(q *query) {
	for i, c := range q.With {
		w.put([]string{"WITH ", ",\n     "}[min(i, 1)], w.name(c.Name), " AS (")
		w.subselect(c.Sub)
		w.put(")")
	}
	if len(q.With) > 0 {
		w.put("\n")
	}
	for i, s := range q.Selects {
		if i > 0 {
			w.put("UNION ALL\n")
		}
		w.selectStmt(s)
	}
}

func (w *printer) selectStmt(s *selectStmt) {
	for i, it := range s.Items {
		w.put([]string{"SELECT ", ",\n       "}[min(i, 1)])
		if it.Star {
			if it.Of != "" {
				w.put(w.name(it.Of), ".")
			}
			w.put("*")
			continue
		}
		w.expr(it.X, 0)
		if it.Alias != "" {
			w.put(" AS ", w.name(it.Alias))
		}
	}
	w.put("\nFROM ")
	w.table(s.From)
	w.put("\n")
	for _, j := range s.Joins {
		w.put([]string{"JOIN ", "LEFT JOIN ", "RIGHT JOIN ", "FULL JOIN "}[j.Kind])
		w.table(j.Table)
		w.put(" ON ")
		w.expr(j.On, 0)
		w.put("\n")
	}
	if s.Where != nil {
		w.put("WHERE ")
		w.expr(s.Where, 0)
		w.put("\n")
	}
	if len(s.GroupBy) > 0 {
		w.put("GROUP BY ")
		w.list(s.GroupBy)
		w.put("\n")
	}
	if s.Having != nil {
		w.put("HAVING ")
		w.expr(s.Having, 0)
		w.put("\n")
	}
	if s.Qualify != nil {
		w.put("QUALIFY ")
		w.expr(s.Qualify, 0)
		w.put("\n")
	}
}

// subselect writes a SELECT without a line's end.
func (w *printer) subselect(s *selectStmt) {
	inner := &printer{dialect: w.dialect}
	inner.selectStmt(s)
	w.put(strings.TrimSuffix(inner.b.String(), "\n"))
	w.problems = append(w.problems, inner.problems...)
}

func (w *printer) table(t *tableRef) {
	switch {
	case t.Sub != nil:
		w.put("(")
		w.subselect(t.Sub)
		w.put(")")
	case t.Window != nil:
		w.window(t.Window)
	default:
		w.put(w.name(t.Name))
	}
	if t.AsOf != nil {
		w.put(" FOR SYSTEM_TIME AS OF ")
		w.expr(t.AsOf, 0)
	}
	if t.Alias != t.Name {
		w.put(" AS ", w.name(t.Alias))
	}
}

func (w *printer) window(win *windowRef) {
	w.put("TABLE(", win.Kind, "(")
	if win.Data.Sub != nil {
		w.table(&tableRef{Sub: win.Data.Sub})
	} else {
		w.put("TABLE ", w.name(win.Data.Name))
	}
	if len(win.Partition) > 0 {
		w.put(" PARTITION BY (")
		w.list(win.Partition)
		w.put(")")
	}
	w.put(", DESCRIPTOR(", w.name(win.Time.Parts[0]), ")")
	for _, a := range win.Args {
		w.put(", ")
		w.expr(a, 0)
	}
	w.put("))")
}

// name quotes what is not a plain name.
func (w *printer) name(s string) string {
	plain := s != "" && !reserved[upper(s)] && !bareClock[upper(s)] && !leading[upper(s)]
	for i, r := range s {
		plain = plain && r < 0x80 && (nameStart(r) || i > 0 && namePart(r) && r != '$')
	}
	if plain && w.dialect == Flink && flinkReserved[upper(s)] {
		plain = false
	}
	if plain {
		return s
	}
	return "`" + strings.ReplaceAll(s, "`", "``") + "`"
}

// leading are words that mean something else when a certain token follows.
var leading = set("BOTH LEADING TRAILING SYMMETRIC ASYMMETRIC ARRAY MAP ROW")

// The levels of the grammar, loosest first.
const (
	levelOr = iota + 1
	levelAnd
	levelNot
	levelIs
	levelCompare
	levelPredicate
	levelSum
	levelProduct
	levelSign
	levelPostfix
)

func level(x expression) int {
	switch e := x.(type) {
	case binary:
		switch e.Op {
		case "OR":
			return levelOr
		case "AND":
			return levelAnd
		case "+", "-":
			return levelSum
		case "*", "/", "%", "||":
			return levelProduct
		}
		return levelCompare
	case unary:
		if e.Op == "NOT" {
			return levelNot
		}
		return levelSign
	case exists:
		if e.X != nil {
			return levelPredicate
		}
		return levelPostfix + 1
	case isTest:
		return levelIs
	case between, inList, like:
		return levelPredicate
	case fieldOf, elementOf:
		return levelPostfix
	}
	return levelPostfix + 1
}

// expr writes x, in parentheses when it binds more loosely than at least.
func (w *printer) expr(x expression, at int) {
	if level(x) < at {
		w.put("(")
		w.bare(x)
		w.put(")")
		return
	}
	w.bare(x)
}

func (w *printer) list(xs []expression) {
	for i, x := range xs {
		if i > 0 {
			w.put(", ")
		}
		w.expr(x, 0)
	}
}

func (w *printer) bare(x expression) {
	l := level(x)
	not := func(b bool) string {
		if b {
			return " NOT"
		}
		return ""
	}
	switch e := x.(type) {
	case columnRef:
		for i, part := range e.Parts {
			if i > 0 {
				w.put(".")
			}
			w.put(w.name(part))
		}
	case numberLit:
		w.put(e.Text)
	case textLit:
		w.put(quote(e.Value))
	case bytesLit:
		w.put("X", quote(e.Hex))
	case boolLit:
		w.put(strings.ToUpper(fmt.Sprint(e.Value)))
	case nullLit:
		w.put("NULL")
	case timeLit:
		w.put(e.Kind, " ", quote(e.Text))
	case intervalLit:
		w.interval(e)
	case unary:
		if e.Op == "NOT" {
			w.put("NOT ")
			w.expr(e.X, l)
			return
		}
		w.put(e.Op)
		if u, ok := e.X.(unary); ok && u.Op != "NOT" {
			w.put(" ") // two minus signs begin a comment
		}
		w.expr(e.X, l)
	case binary:
		// Operators of one level are read from the left; AND and OR too.
		w.expr(e.L, l)
		w.put(" ", e.Op, " ")
		w.expr(e.R, l+1)
	case isTest:
		w.expr(e.X, l)
		w.put(" ", e.What)
	case between:
		w.expr(e.X, l)
		w.put(not(e.Not), " BETWEEN ")
		w.expr(e.Lo, levelSum)
		w.put(" AND ")
		w.expr(e.Hi, levelSum)
	case inList:
		w.expr(e.X, l)
		w.put(not(e.Not), " IN (")
		w.list(e.List)
		w.put(")")
	case exists:
		if e.X != nil {
			w.expr(e.X, l)
			w.put(" IN (")
		} else {
			w.put("EXISTS (")
		}
		w.subselect(e.Sub)
		w.put(")")
	case like:
		w.expr(e.X, l)
		w.put(not(e.Not), " LIKE ")
		w.expr(e.Pattern, levelSum)
		if e.Escape != nil {
			w.put(" ESCAPE ")
			w.expr(e.Escape, levelSum)
		}
	case caseExpr:
		w.caseExpr(e)
	case castExpr:
		if e.Try {
			w.put("TRY_")
		}
		w.put("CAST(")
		w.expr(e.X, 0)
		w.put(" AS ", w.typeName(e.To), ")")
	case call:
		w.call(e)
	case jsonValue:
		w.put("JSON_VALUE(")
		w.expr(e.X, 0)
		w.put(", ", quote(e.Path))
		if e.Returning != nil {
			w.put(" RETURNING ", w.typeName(*e.Returning))
		}
		w.jsonDefault(e.OnEmpty, "EMPTY")
		w.jsonDefault(e.OnError, "ERROR")
		w.put(")")
	case fieldOf:
		// A column's fields are part of the column, so that only what is none stands bare here.
		at := l
		switch e.X.(type) {
		case columnRef, numberLit:
			at = levelPostfix + 2
		}
		w.expr(e.X, at)
		w.put(".", w.name(e.Name))
	case elementOf:
		w.expr(e.X, l)
		w.put("[")
		w.expr(e.Index, 0)
		w.put("]")
	}
}

func (w *printer) jsonDefault(d *jsonDefault, on string) {
	switch {
	case d == nil:
		return
	case d.Error:
		w.put(" ERROR")
	default:
		if _, null := d.X.(nullLit); null {
			w.put(" NULL")
			break
		}
		w.put(" DEFAULT ")
		w.expr(d.X, levelSum)
	}
	w.put(" ON ", on)
}

func (w *printer) caseExpr(e caseExpr) {
	w.put("CASE")
	if e.Operand != nil {
		w.put(" ")
		w.expr(e.Operand, 0)
	}
	for i := range e.Whens {
		w.put(" WHEN ")
		w.expr(e.Whens[i], 0)
		w.put(" THEN ")
		w.expr(e.Thens[i], 0)
	}
	if e.Else != nil {
		w.put(" ELSE ")
		w.expr(e.Else, 0)
	}
	w.put(" END")
}

func (w *printer) call(e call) {
	w.put(e.Name, "(")
	switch {
	case e.Star:
		w.put("*")
	case e.Name == "EXTRACT":
		w.put(e.Unit, " FROM ")
		w.list(e.Args)
	case e.Name == "TIMESTAMPADD" || e.Name == "TIMESTAMPDIFF":
		w.put(e.Unit, ", ")
		w.list(e.Args)
	case (e.Name == "FLOOR" || e.Name == "CEIL") && e.Unit != "":
		at := 0
		if endsInInterval(e.Args[0]) {
			at = levelPostfix + 2
		}
		w.expr(e.Args[0], at)
		w.put(" TO ", e.Unit)
	case e.Name == "TRIM":
		if len(e.Args) == 2 {
			w.put(e.Unit, " ")
			w.expr(e.Args[1], 0)
			w.put(" FROM ")
		} else if e.Unit != "BOTH" {
			w.put(e.Unit, " FROM ")
		}
		w.expr(e.Args[0], 0)
	case e.Name == "POSITION":
		w.expr(e.Args[0], levelSum)
		w.put(" IN ")
		w.expr(e.Args[1], levelSum)
	default:
		if e.Distinct {
			w.put("DISTINCT ")
		}
		for i, x := range e.Args {
			if i > 0 {
				w.put(", ")
			}
			at := 0
			if _, ok := last(x).(call); ok && e.Nulls != "" && i == len(e.Args)-1 { // which would take IGNORE NULLS for its own
				at = levelPostfix + 2
			}
			w.expr(x, at)
		}
	}
	if e.Nulls != "" {
		w.put(" ", e.Nulls, " NULLS")
	}
	w.put(")")
	if e.Filter != nil {
		w.put(" FILTER (WHERE ")
		w.expr(e.Filter, 0)
		w.put(")")
	}
	if e.Over != nil {
		w.over(e.Over)
	}
}

func (w *printer) over(o *overClause) {
	w.put(" OVER (")
	if len(o.Partition) > 0 {
		w.put("PARTITION BY ")
		w.list(o.Partition)
	}
	for i, it := range o.Order {
		switch {
		case i > 0:
			w.put(", ")
		case len(o.Partition) > 0:
			w.put(" ORDER BY ")
		default:
			w.put("ORDER BY ")
		}
		w.expr(it.X, 0)
		if it.Desc {
			w.put(" DESC")
		}
		if it.Nulls != "" {
			w.put(" NULLS ", it.Nulls)
		}
	}
	w.put(")")
}

// endsInInterval reports whether TO behind x would be read as part of an interval.
func endsInInterval(x expression) bool {
	_, ok := last(x).(intervalLit)
	return ok
}

// last is what an expression ends in.
func last(x expression) expression {
	switch e := x.(type) {
	case binary:
		return last(e.R)
	case unary:
		return last(e.X)
	case between:
		return last(e.Hi)
	case like:
		if e.Escape != nil {
			return last(e.Escape)
		}
		return last(e.Pattern)
	}
	return x
}

// interval writes an INTERVAL literal. Flink takes two digits in the leading field unless told, has no unit
// below the second and drops what is shorter than a millisecond.
func (w *printer) interval(e intervalLit) {
	text, from, digits := e.Text, e.From, ""
	if w.dialect == Flink {
		v, _ := e.value()
		if v.Micros%1000 != 0 {
			w.problems = append(w.problems, Problem{Line: e.Line, Column: e.Column,
				Message: "Flink drops what an INTERVAL has below a millisecond", Hint: "round it to milliseconds"})
		}
		if from == "MILLISECOND" || from == "MICROSECOND" {
			micros := v.Micros
			if e.Neg {
				micros = -micros
			}
			sign := ""
			if micros < 0 {
				sign, micros = "-", -micros
			}
			text, from = fmt.Sprintf("%s%d.%03d", sign, micros/1_000_000, micros/1000%1000), "SECOND"
		}
		lead := strings.TrimLeft(strings.TrimSpace(text), "+-")
		if i := strings.IndexAny(lead, " :-."); i >= 0 {
			lead = lead[:i]
		}
		if len(lead) > 2 {
			digits = fmt.Sprintf("(%d)", len(lead))
		}
		if len(lead) > 3 && from == "MINUTE" || len(lead) > 10 {
			w.problems = append(w.problems, Problem{Line: e.Line, Column: e.Column,
				Message: "Flink cannot hold so many digits in an INTERVAL of " + from, Hint: "write it in a longer unit"})
		}
	}
	w.put("INTERVAL ")
	if e.Neg {
		w.put("-")
	}
	w.put(quote(text), " ", from, digits)
	if e.To != "" {
		w.put(" TO ", e.To)
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// typeName is the type with its field names quoted where they must be.
func (w *printer) typeName(t schema.Type) string {
	switch t.Kind {
	case schema.Array:
		return "ARRAY<" + w.typeName(*t.Elem) + ">"
	case schema.Map:
		return "MAP<" + w.typeName(*t.Key) + ", " + w.typeName(*t.Elem) + ">"
	case schema.Row:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = w.name(f.Name) + " " + w.typeName(f.Type)
		}
		return "ROW<" + strings.Join(parts, ", ") + ">"
	}
	return t.String()
}
