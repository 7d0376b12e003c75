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
	// base is the position of its first column among the columns of all sources, in which expressions are bound
	// until the plan is built.
	base int
	// lo and hi bound a stream's event time against the first stream's, in microseconds.
	lo, hi int64
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
	bare     bool
	problems []Problem
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
	return b.made(e.Pos)(expr.Call(e.Op, a...))
}

// flatten lists the operands of a chain of one operator, from the left.
func flatten(op string, x expression) []expression {
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

// column resolves a.b.c: an alias, a column and fields, or a column and fields.
func (b *binder) column(e columnRef) *expr.Node {
	parts := e.Parts
	sources := b.sources[:b.visible]
	if len(parts) > 1 && !b.bare {
		for _, s := range sources {
			if s.ref.Alias != parts[0] {
				continue
			}
			if s.absent {
				return nil
			}
			if i := fieldIndex(s.rel.Fields, parts[1]); i >= 0 {
				return b.fields(e.Pos, b.columnOf(s, i), parts[2:])
			}
			if owner := b.owners(parts[0]); len(owner) == 0 {
				message, hint := missing(fmt.Sprintf("%s has no column %s", s.ref.Alias, parts[1]), parts[1], fieldNames(s.rel.Fields))
				b.problem(e.Pos, message, hint)
				return nil
			}
		}
	}
	owners := b.owners(parts[0])
	switch {
	case len(owners) == 1:
		s := owners[0]
		return b.fields(e.Pos, b.columnOf(s, fieldIndex(s.rel.Fields, parts[0])), parts[1:])
	case len(owners) > 1:
		var forms []string
		for _, s := range owners {
			forms = append(forms, s.ref.Alias+"."+parts[0])
		}
		b.problem(e.Pos, fmt.Sprintf("column %s is ambiguous", parts[0]), "write "+strings.Join(forms, " or "))
		return nil
	}
	for _, s := range sources {
		if s.absent {
			return nil // it may be one of the columns that nobody knows
		}
	}
	b.unknown(e, sources)
	return nil
}

func (b *binder) unknown(e columnRef, sources []*source) {
	var aliases, columns []string
	for _, s := range sources {
		aliases = append(aliases, s.ref.Alias)
		columns = append(columns, fieldNames(s.rel.Fields)...)
	}
	first := e.Parts[0]
	if len(e.Parts) > 1 {
		for _, s := range b.sources[b.visible:] {
			if s.ref.Alias == first {
				b.problem(e.Pos, first+" is joined only later", "an ON may use what stands before it; move the condition or the join")
				return
			}
		}
		for _, s := range sources {
			if s.ref.Name == first && s.ref.Alias != first {
				b.problem(e.Pos, fmt.Sprintf("%s has the alias %s here", first, s.ref.Alias), fmt.Sprintf("write %s.%s", s.ref.Alias, strings.Join(e.Parts[1:], ".")))
				return
			}
		}
		if !b.bare {
			message, hint := missing(fmt.Sprintf("neither a stream nor a table is called %s here", first), first, aliases)
			b.problem(e.Pos, message, hint)
			return
		}
	}
	message, hint := missing(fmt.Sprintf("no column %s", first), first, columns)
	b.problem(e.Pos, message, hint)
}

// missing completes a message about a name that is not among names: with the nearest, or with all if they are few.
func missing(message, name string, names []string) (string, string) {
	near := nearest(name, names)
	if near != "" && strings.EqualFold(near, name) {
		return message, "names are case-sensitive: write " + near
	}
	if near != "" {
		return message, "did you mean " + near + "?"
	}
	switch {
	case len(names) == 0:
		return message, ""
	case len(names) > 12:
		return message, fmt.Sprintf("there are %s, and %d more", strings.Join(names[:12], ", "), len(names)-12)
	}
	if len(names) == 1 {
		return message, "there is " + names[0]
	}
	return message, "there are " + joinNames(names)
}

func (b *binder) owners(column string) []*source {
	var out []*source
	for _, s := range b.sources[:b.visible] {
		if fieldIndex(s.rel.Fields, column) >= 0 {
			out = append(out, s)
		}
	}
	return out
}

func (b *binder) columnOf(s *source, i int) *expr.Node {
	name, t := s.rel.Fields[i].Name, s.rel.Fields[i].Type
	if !b.bare {
		name = s.ref.Alias + "." + name
	}
	t.Epoch = "" // how it was read does not concern what is made of it
	return expr.Column(s.base+i, name, t)
}

func (b *binder) fields(at Pos, n *expr.Node, names []string) *expr.Node {
	for _, name := range names {
		if n = b.field(at, n, name); n == nil {
			return nil
		}
	}
	return n
}

func (b *binder) field(at Pos, n *expr.Node, name string) *expr.Node {
	if n.Type.Kind != schema.Row {
		b.problem(at, fmt.Sprintf("%s cannot have a field %s: it is %s", shown(n), name, n.Type), "only a ROW has fields")
		return nil
	}
	if fieldIndex(n.Type.Fields, name) < 0 {
		message, hint := missing(fmt.Sprintf("%s has no field %s", shown(n), name), name, fieldNames(n.Type.Fields))
		b.problem(at, message, hint)
		return nil
	}
	return b.made(at)(expr.FieldOf(n, name))
}

func shown(n *expr.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return "the value"
}

func fieldIndex(fields []schema.Field, name string) int {
	return slices.IndexFunc(fields, func(f schema.Field) bool { return f.Name == name })
}

func fieldNames(fields []schema.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
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
