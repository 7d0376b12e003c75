package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

// x is an expression of a test: an operator over Go values and other expressions. It is built twice, once over
// constants and once over columns.
type x struct {
	op, unit string
	args     []any
	// make, when not nil, builds the node from its built arguments.
	make func(args []*Node) (*Node, error)
}

// typed is a constant of a type that Go has no literal for; fixed: it stays a constant over columns too.
type typed struct {
	v     any
	t     schema.Type
	fixed bool
}

func c(op string, args ...any) x     { return x{op: op, args: args} }
func cu(op, unit string, a ...any) x { return x{op: op, unit: unit, args: a} }
func k(v any) typed                  { l := typedOf(v); l.fixed = true; return l }
func null(t schema.Type) typed       { return typed{nil, t, false} }
func bigint(v int64) typed           { return typed{v, tBig, false} }
func small(v int64) typed            { return typed{v, tSmall, false} }
func f32(v float64) typed            { return typed{v, tFloat, false} }
func bytesOf(s string) typed         { return typed{[]byte(s), tBytes, false} }
func iv(months, micros int64) *Node  { return IntervalLiteral(Interval{months, micros}) }
func hours(n int64) *Node            { return iv(0, n*hour) }
func cast(a any, t schema.Type) x    { return castTry(a, t, false) }
func tryCast(a any, t schema.Type) x { return castTry(a, t, true) }
func castTry(a any, t schema.Type, try bool) x {
	return x{args: []any{a}, make: func(n []*Node) (*Node, error) { return Cast(n[0], t, try) }}
}
func in(a any, list ...any) x {
	return x{args: append([]any{a}, list...), make: func(n []*Node) (*Node, error) { return In(n[0], n[1:], false) }}
}
func notIn(a any, list ...any) x {
	return x{args: append([]any{a}, list...), make: func(n []*Node) (*Node, error) { return In(n[0], n[1:], true) }}
}

// when is CASE WHEN a THEN b .. ELSE z END.
func when(args ...any) x {
	return x{args: args, make: func(n []*Node) (*Node, error) {
		var whens, thens []*Node
		for len(n) > 1 {
			whens, thens, n = append(whens, n[0]), append(thens, n[1]), n[2:]
		}
		var otherwise *Node
		if len(n) == 1 {
			otherwise = n[0]
		}
		return Case(whens, thens, otherwise)
	}}
}

// d is a decimal as it is written.
func d(s string) typed {
	digits := strings.TrimLeft(strings.Replace(strings.TrimPrefix(s, "-"), ".", "", 1), "")
	scale := 0
	if i := strings.IndexByte(s, '.'); i >= 0 {
		scale = len(s) - i - 1
	}
	return dt(s, len(digits), scale)
}

// dt is a decimal of a type.
func dt(s string, p, scale int) typed {
	v, err := parseDecimal(s, tDec(p, scale))
	if err != nil {
		panic(s)
	}
	return typed{v, tDec(p, scale), false}
}

func day_(s string) typed {
	v, ok := parseDate(s)
	if !ok {
		panic(s)
	}
	return typed{v, tDate, false}
}

func ts(s string) typed { return tsp(s, 6) }
func tsp(s string, p int) typed {
	v, ok := parseTimestamp(s, p)
	if !ok {
		panic(s)
	}
	return typed{v, tStamp(p), false}
}

func typedOf(v any) typed {
	switch v := v.(type) {
	case typed:
		return v
	case int:
		return typed{int64(v), tInt, false}
	case int64:
		return typed{v, tBig, false}
	case float64:
		return typed{v, tDouble, false}
	case string:
		return typed{v, tString, false}
	case bool:
		return typed{v, tBool, false}
	case decimal128.Num:
		return typed{v, tDec(38, 0), false}
	}
	panic(fmt.Sprintf("%T", v))
}

// builder makes nodes; with columns it puts every constant into a column.
type builder struct {
	columns bool
	cols    []arrow.Array
}

const testRows = 11

func (b *builder) node(v any) (*Node, error) {
	switch v := v.(type) {
	case nil:
		return NullLiteral(), nil
	case *Node:
		return v, nil
	case x:
		var args []*Node
		for _, a := range v.args {
			n, err := b.node(a)
			if err != nil {
				return nil, err
			}
			args = append(args, n)
		}
		switch {
		case v.make != nil:
			return v.make(args)
		case v.unit != "":
			return CallUnit(v.op, v.unit, args...)
		}
		return Call(v.op, args...)
	}
	l := typedOf(v)
	if !b.columns || l.fixed || l.t.Kind == schema.Null {
		return Literal(l.v, l.t), nil
	}
	index := len(b.cols)
	b.cols = append(b.cols, columnOf(l.v, l.t))
	return Column(index, fmt.Sprintf("c%d", index), l.t), nil
}

// columnOf is v in rows 0, 2, 4.., NULL in between, as a slice of a longer array.
func columnOf(v any, t schema.Type) arrow.Array {
	values := make([]any, testRows+5)
	for i := range values {
		if i%2 == 1 {
			values[i] = v
		}
	}
	return array.NewSlice(arrayOf(t, values...), 3, 3+testRows)
}

// arrayOf is an array of values as Node.Value has them.
func arrayOf(t schema.Type, values ...any) arrow.Array {
	out := &vec{m: -1}
	w := newWriter(t, out)
	run := &ctx{n: len(values)}
	w.reset(run)
	for i, v := range values {
		one, err := constant(v, t)
		if err != nil {
			panic(err)
		}
		w.put(run, one, []int32{int32(i)})
	}
	a, err := out.array(t, len(values))
	if err != nil {
		panic(err)
	}
	return a
}

// valueAt is the value of a row as CAST to STRING prints it.
func valueAt(a arrow.Array, t schema.Type, i int) string {
	var v vec
	if err := v.load(a, t, a.Len()); err != nil {
		return "!" + err.Error()
	}
	if v.isNull(i) {
		return "NULL"
	}
	return string(appendValue(nil, &v, t, i))
}

// result is the value of an expression over constants, or, when it has none, "!" and why.
func result(e any, columns bool) (value, typ string) {
	b := &builder{columns: columns}
	n, err := b.node(e)
	if err != nil {
		return "!" + err.Error(), ""
	}
	p, err := Compile(n)
	if err != nil {
		return "!" + err.Error(), ""
	}
	if !columns {
		out, failed, err := p.Eval(nil, 1)
		if err != nil {
			return "!" + err.Error(), ""
		}
		if failed != nil {
			return "!" + failed[0].Err.Error(), n.Type.String()
		}
		return valueAt(out[0], n.Type, 0), n.Type.String()
	}
	// Twice, so that the second run finds the scratch memory of the first.
	for range 2 {
		out, failed, err := p.Eval(b.cols, testRows)
		if err != nil {
			return "!" + err.Error(), ""
		}
		if out[0].Len() != testRows {
			return fmt.Sprintf("!%d rows", out[0].Len()), ""
		}
		value = valueAt(out[0], n.Type, 0)
		if failed != nil && !n.CanFail() {
			return "!failed though it cannot: " + n.String() + ": " + failed[0].Err.Error(), ""
		}
		for _, f := range failed {
			if f.Row == 0 {
				value = "!" + f.Err.Error()
			}
			if f.Row%2 == 0 && !out[0].IsNull(f.Row) {
				return "!a failed row has a value", ""
			}
		}
		for i := 2; i < testRows; i += 2 {
			if got := valueAt(out[0], n.Type, i); got != value && value[:1] != "!" {
				return fmt.Sprintf("!row %d is %s, row 0 is %s", i, got, value), ""
			}
		}
	}
	return value, n.Type.String()
}

type fact struct {
	e    any
	want string // the value cast to STRING; "!.." is part of an error
	typ  string // "" is any
}

func check(t *testing.T, facts []fact) {
	t.Helper()
	for i, f := range facts {
		for _, columns := range []bool{false, true} {
			got, typ := result(f.e, columns)
			ok := got == f.want
			if strings.HasPrefix(f.want, "!") {
				ok = strings.HasPrefix(got, "!") && strings.Contains(got, f.want[1:])
			}
			if !ok || f.typ != "" && typ != f.typ && typ != "" {
				t.Errorf("%d %s (columns %v): %s %s, want %s %s", i, show(f.e), columns, got, typ, f.want, f.typ)
			}
		}
	}
}

func show(e any) string {
	switch e := e.(type) {
	case x:
		var parts []string
		for _, a := range e.args {
			parts = append(parts, show(a))
		}
		return e.op + e.unit + "(" + strings.Join(parts, ", ") + ")"
	case typed:
		return fmt.Sprintf("%v %s", e.v, e.t)
	case *Node:
		return fmt.Sprint(e.Value)
	}
	return fmt.Sprint(e)
}

func vc(n int) schema.Type { return schema.Type{Kind: schema.String, Precision: n} }
