package sql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// source is one name in FROM or JOIN.
type source struct {
	ref    *tableRef
	kind   JoinKind
	table  bool
	rel    Relation
	absent bool // its name was not found, which has been reported
	// nullable says that a join before this point may have filled its columns with NULLs.
	nullable bool
	// inner is the stream of an EXISTS; hidden says that its subquery was read, and nothing else may name it.
	inner, hidden bool
	// base is the position of its first column among the columns of all sources, in which expressions are bound
	// until the plan is built.
	base int
	// lo and hi bound a stream's event time against the first stream's, in microseconds.
	lo, hi int64
	// sub is the subquery that it is; window the window table function around it.
	sub    *branch
	window *boundWindow
	// time is the position of a stream's event-time column among all columns, or -1.
	time int
}

func (s *source) has(column int) bool { return column >= s.base && column < s.base+len(s.rel.Fields) }

// binder turns what was read into typed expressions.
type binder struct {
	sources []*source
	// visible is how many of the sources an expression may name: in ON those up to the join.
	visible int
	// bare hides the aliases, for conditions over a result.
	bare bool
	// later are the names that the select list gives, which clause does not see.
	later  map[string]bool
	clause string
	// aggregate and number, when not nil, take the calls of aggregates and of window functions.
	aggregate, number func(call) *expr.Node
	problems          []Problem
}

func (b *binder) problem(at Pos, message, hint string) {
	b.problems = append(b.problems, Problem{Line: at.Line, Column: at.Column, Message: message, Hint: hint})
}

func (b *binder) warn(at Pos, message, hint string) {
	b.problem(at, message, hint)
	b.problems[len(b.problems)-1].Warning = true
}

// made takes what a constructor of package expr gives, and reports its error at a place.
func (b *binder) made(at Pos) func(n *expr.Node, err error) *expr.Node {
	return func(n *expr.Node, err error) *expr.Node {
		if err == nil {
			return n
		}
		hint := schema.Hint(err)
		if e := (*expr.Error)(nil); errors.As(err, &e) {
			hint = e.Hint
		}
		b.problem(at, err.Error(), hint)
		return nil
	}
}

// all binds several; nil when one of them failed, after all have been tried.
func (b *binder) all(xs ...expression) []*expr.Node {
	out := make([]*expr.Node, len(xs))
	ok := true
	for i, x := range xs {
		out[i] = b.expr(x)
		ok = ok && out[i] != nil
	}
	if !ok {
		return nil
	}
	return out
}

// expr binds x; nil when a problem was reported.
func (b *binder) expr(x expression) *expr.Node {
	made := b.made(x.at())
	switch e := x.(type) {
	case refused:
		return nil
	case columnRef:
		return b.column(e)
	case numberLit:
		return made(number(e.Text))
	case textLit:
		return expr.Literal(e.Value, schema.Type{Kind: schema.String})
	case bytesLit:
		return made(literalBytes(e.Hex))
	case boolLit:
		return expr.Literal(e.Value, schema.Type{Kind: schema.Boolean})
	case nullLit:
		return expr.NullLiteral()
	case timeLit:
		return made(literalTime(e.Kind, e.Text))
	case intervalLit:
		v, err := e.value()
		if err != nil {
			return made(nil, err)
		}
		return expr.IntervalLiteral(v)
	case unary:
		return b.unary(e)
	case binary:
		return b.binary(e)
	case isTest:
		if n := b.expr(e.X); n != nil {
			return b.is(e, n)
		}
	case between:
		if a := b.all(e.X, e.Lo, e.Hi); a != nil {
			return b.negate(e.Pos, e.Not, made(expr.Call("BETWEEN", a...)))
		}
	case inList:
		if a := b.all(append([]expression{e.X}, e.List...)...); a != nil {
			return made(expr.In(a[0], a[1:], e.Not))
		}
	case like:
		xs := []expression{e.X, e.Pattern}
		if e.Escape != nil {
			xs = append(xs, e.Escape)
		}
		if a := b.all(xs...); a != nil {
			return b.negate(e.Pos, e.Not, made(expr.Call("LIKE", a...)))
		}
	case caseExpr:
		return b.caseExpr(e)
	case castExpr:
		if n := b.expr(e.X); n != nil {
			return made(expr.Cast(n, e.To, e.Try))
		}
	case call:
		return b.call(e)
	case jsonValue:
		return b.jsonValue(e)
	case fieldOf:
		if n := b.expr(e.X); n != nil {
			return b.field(e.Pos, n, e.Name)
		}
	case exists:
		b.problem(e.Pos, "EXISTS inside another expression is not run", "write it as a condition of WHERE by itself: WHERE a AND [NOT] EXISTS (SELECT ..)")
	case elementOf:
		if a := b.all(e.X, e.Index); a != nil {
			return made(expr.ElementOf(a[0], a[1]))
		}
	}
	return nil
}

func (b *binder) negate(at Pos, not bool, n *expr.Node) *expr.Node {
	if !not || n == nil {
		return n
	}
	return b.made(at)(expr.Call("NOT", n))
}

func (b *binder) unary(e unary) *expr.Node {
	n := b.expr(e.X)
	if n == nil {
		return nil
	}
	switch e.Op {
	case "NOT":
		return b.made(e.Pos)(expr.Call("NOT", n))
	case "-":
		return b.made(e.Pos)(expr.Call("NEG", n))
	}
	switch n.Type.Kind {
	case schema.SmallInt, schema.Int, schema.BigInt, schema.Float, schema.Double, schema.Decimal:
		return n
	}
	if n.IsInterval() {
		return n
	}
	b.problem(e.Pos, "unary + takes a number, not "+n.Type.String(), "")
	return nil
}

func (b *binder) binary(e binary) *expr.Node {
	var a []*expr.Node
	if e.Op == "AND" || e.Op == "OR" {
		// One flat node for a AND b AND c; a constructor takes up to 1,000.
		if a = b.all(flatten(e.Op, e)...); len(a) > 1000 {
			for len(a) > 1 {
				var next []*expr.Node
				for i := 0; i < len(a); i += 1000 {
					part := a[i:min(i+1000, len(a))]
					if len(part) == 1 {
						next = append(next, part[0])
						continue
					}
					n := b.made(e.Pos)(expr.Call(e.Op, part...))
					if n == nil {
						return nil
					}
					next = append(next, n)
				}
				a = next
			}
			return a[0]
		}
	} else {
		a = b.all(e.L, e.R)
	}
	if a == nil {
		return nil
	}
	if level(e) == levelCompare && !strings.HasPrefix(e.Op, "IS ") {
		for _, side := range []expression{e.L, e.R} {
			if _, null := side.(nullLit); null {
				b.warn(e.Pos, e.Op+" NULL is never TRUE", "write IS NULL or IS NOT NULL")
			}
		}
	}
	return b.made(e.Pos)(expr.Call(e.Op, a...))
}

// flatten lists the operands of a chain of one operator, from the left.
func flatten(op string, x expression) []expression {
	if x == nil {
		return nil
	}
	var out []expression
	for {
		e, ok := x.(binary)
		if !ok || e.Op != op {
			break
		}
		if r, ok := e.R.(binary); ok && r.Op == op {
			right := flatten(op, r)
			slices.Reverse(right)
			out = append(out, right...)
		} else {
			out = append(out, e.R)
		}
		x = e.L
	}
	out = append(out, x)
	slices.Reverse(out)
	return out
}

func (b *binder) is(e isTest, n *expr.Node) *expr.Node {
	name := e.What
	if unknown := strings.HasSuffix(name, "UNKNOWN"); unknown {
		if k := n.Type.Kind; k != schema.Boolean && k != schema.Null {
			b.problem(e.Pos, name+" takes a BOOLEAN, not "+n.Type.String(), "write IS NULL")
			return nil
		}
		name = strings.Replace(name, "UNKNOWN", "NULL", 1)
	}
	return b.made(e.Pos)(expr.Call(name, n))
}

func (b *binder) caseExpr(e caseExpr) *expr.Node {
	var operand *expr.Node
	ok := true
	if e.Operand != nil {
		operand = b.expr(e.Operand)
		ok = operand != nil
	}
	whens := make([]*expr.Node, len(e.Whens))
	for i, w := range e.Whens {
		whens[i] = b.expr(w)
		if whens[i] != nil && operand != nil {
			if whens[i].Type.Kind == schema.Null && !whens[i].IsInterval() { // x = NULL is never TRUE
				whens[i] = expr.Literal(false, schema.Type{Kind: schema.Boolean})
			} else {
				whens[i] = b.made(w.at())(expr.Call("=", operand, whens[i]))
			}
		}
		ok = ok && whens[i] != nil
	}
	thens := b.all(e.Thens...)
	var otherwise *expr.Node
	if e.Else != nil {
		otherwise = b.expr(e.Else)
		ok = ok && otherwise != nil
	}
	if !ok || thens == nil {
		return nil
	}
	return b.made(e.Pos)(expr.Case(whens, thens, otherwise))
}

func (b *binder) call(e call) *expr.Node {
	if e.Over != nil || e.Name == "ROW_NUMBER" {
		return b.numbering(e)
	}
	if runAggregates[e.Name] {
		if b.aggregate == nil {
			b.problem(e.Pos, e.Name+" is an aggregate, which cannot stand here", "aggregates stand in the select list and in HAVING, and not inside one another")
			return nil
		}
		return b.aggregate(e)
	}
	if known := functionNames(); slices.Contains(known, e.Name) && (e.Star || e.Distinct || e.Nulls != "" || e.Filter != nil) {
		b.problem(e.Pos, e.Name+" is no aggregate: it takes no *, DISTINCT, IGNORE NULLS or FILTER", "")
		return nil
	}
	// The arguments of a function that does not exist may still have problems of their own.
	a := b.all(e.Args...)
	if known := functionNames(); !slices.Contains(known, e.Name) {
		message, hint := unknownFunction(e.Name, known)
		b.problem(e.Pos, message, hint)
		return nil
	}
	if a == nil && len(e.Args) > 0 {
		return nil
	}
	made := b.made(e.Pos)
	if e.Name == "TRIM" {
		return made(expr.Call(map[string]string{"BOTH": "TRIM", "LEADING": "LTRIM", "TRAILING": "RTRIM"}[e.Unit], a...))
	}
	if e.Unit != "" {
		return made(expr.CallUnit(e.Name, e.Unit, a...))
	}
	return made(expr.Call(e.Name, a...))
}

// functionNames are the functions that a query may call; the table has operators and constructs beside them.
func functionNames() []string {
	var out []string
	for _, f := range expr.Functions() {
		if f.Name == upper(f.Name) && strings.HasPrefix(f.Signature, f.Name+"(") && !reserved[f.Name] {
			out = append(out, f.Name)
		}
	}
	return out
}

func (b *binder) jsonValue(e jsonValue) *expr.Node {
	n := b.expr(e.X)
	onEmpty, ok1 := b.jsonDefault(e.OnEmpty)
	onError, ok2 := b.jsonDefault(e.OnError)
	if n == nil || !ok1 || !ok2 {
		return nil
	}
	return b.made(e.Pos)(expr.JSONValue(n, e.Path, e.Returning, onEmpty, onError))
}

func (b *binder) jsonDefault(d *jsonDefault) (expr.JSONDefault, bool) {
	switch {
	case d == nil:
		return expr.JSONDefault{}, true
	case d.Error:
		return expr.JSONDefault{Error: true}, true
	}
	n := b.expr(d.X)
	return expr.JSONDefault{Value: n}, n != nil
}

// condition binds what must be BOOLEAN.
func (b *binder) condition(x expression, what string) *expr.Node {
	n := b.expr(x)
	if n == nil {
		return nil
	}
	if n.Type.Kind == schema.Null && !n.IsInterval() {
		return expr.Literal(nil, schema.Type{Kind: schema.Boolean})
	}
	if n.Type.Kind != schema.Boolean {
		what := fmt.Sprintf("%s takes a BOOLEAN, not %s", what, n.Type)
		if n.IsInterval() {
			what = strings.Replace(what, "not NULL", "not an INTERVAL", 1)
		}
		b.problem(x.at(), what, "write a comparison: x <> 0, or x IS NOT NULL")
		return nil
	}
	return n
}

// BindExpr binds a condition over the columns of a result, as the `where:` of an output has it. The node is nil
// when a problem is more than a warning.
func BindExpr(text string, fields []schema.Field) (*expr.Node, []Problem) {
	x, problems := parseExpression(text)
	if broken(problems) {
		return nil, problems
	}
	b := &binder{bare: true, visible: 1, problems: problems}
	b.sources = []*source{{ref: &tableRef{}, rel: Relation{Fields: fields}, time: -1}}
	n := b.condition(x, "a condition")
	sortProblems(b.problems)
	if broken(b.problems) {
		return nil, b.problems
	}
	return n, b.problems
}
