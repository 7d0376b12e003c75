package expr

import (
	"math"
	"strconv"
	"strings"

	"github.com/lockstep-data/lockstep/schema"
)

// Call types an operator or a function by its upper-case SQL name and inserts the casts that Flink would. The
// error is an *Error.
func Call(name string, args ...*Node) (*Node, error) {
	n, err := call(name, args)
	if err != nil {
		return nil, err
	}
	return fold(n)
}

func node(op string, t schema.Type, args ...*Node) *Node { return &Node{Op: op, Type: t, Args: args} }

func arity(name string, args []*Node, least, most int) error {
	if len(args) >= least && len(args) <= most {
		return nil
	}
	want := plural(least)
	if most > 99 {
		want = "at least " + want
	} else if most > least {
		want = strconv.Itoa(least) + " to " + plural(most)
	}
	return refuse(usage(name), "%s takes %s, not %d", name, want, len(args))
}

func plural(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}

func usage(name string) string {
	for _, f := range functions {
		if f.Name == name {
			return "write " + f.Signature
		}
	}
	return ""
}

func call(name string, args []*Node) (*Node, error) {
	switch name {
	case "+", "-", "*", "/", "%", "MOD":
		if err := arity(name, args, 2, 2); err != nil {
			return nil, err
		}
		return arithmetic(strings.Replace(name, "MOD", "%", 1), args[0], args[1])
	case "NEG":
		if err := arity("-", args, 1, 1); err != nil {
			return nil, err
		}
		x := args[0]
		if x.IsInterval() {
			if iv, ok := x.Value.(Interval); ok && iv.Months != math.MinInt64 && iv.Micros != math.MinInt64 {
				return IntervalLiteral(Interval{-iv.Months, -iv.Micros}), nil
			}
			return &Node{Op: "NEG", Args: args, span: x.span}, nil
		}
		if !isNumber(x.Type.Kind) {
			return nil, refuse("", "unary - takes a number, not %s", x.describe())
		}
		return node("NEG", x.Type, x), nil
	case "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM":
		if err := arity(name, args, 2, 2); err != nil {
			return nil, err
		}
		a, b, err := comparands(args[0], args[1])
		if err != nil {
			return nil, err
		}
		return node(name, tBool, a, b), nil
	case "AND", "OR":
		if err := arity(name, args, 2, 1000); err != nil {
			return nil, err
		}
		n := node(name, tBool)
		for _, a := range args {
			b, err := boolean(a, name)
			if err != nil {
				return nil, err
			}
			n.Args = append(n.Args, b)
		}
		return n, nil
	case "NOT", "IS TRUE", "IS FALSE", "IS NOT TRUE", "IS NOT FALSE":
		if err := arity(name, args, 1, 1); err != nil {
			return nil, err
		}
		b, err := boolean(args[0], name)
		if err != nil {
			return nil, err
		}
		return node(name, tBool, b), nil
	case "IS NULL", "IS NOT NULL":
		if err := arity(name, args, 1, 1); err != nil {
			return nil, err
		}
		if args[0].IsInterval() {
			return nil, refuse("", "%s takes no INTERVAL", name)
		}
		if args[0].Type.Kind == schema.Null {
			return Literal(name == "IS NULL", tBool), nil
		}
		return node(name, tBool, args[0]), nil
	case "BETWEEN":
		if err := arity(name, args, 3, 3); err != nil {
			return nil, err
		}
		lo, err := Call(">=", args[0], args[1])
		if err != nil {
			return nil, err
		}
		hi, err := Call("<=", args[0], args[2])
		if err != nil {
			return nil, err
		}
		return call("AND", []*Node{lo, hi})
	case "||":
		if err := arity(name, args, 2, 1000); err != nil {
			return nil, err
		}
		n := node("||", tString)
		for _, a := range args {
			if a.Type.Kind != schema.String {
				return nil, refuse("write CAST(.. AS STRING)", "|| takes text, not %s", a.describe())
			}
			if a.Op == "||" {
				n.Args = append(n.Args, a.Args...)
			} else {
				n.Args = append(n.Args, a)
			}
		}
		return n, nil
	}
	for i, a := range args {
		if a.IsInterval() {
			return nil, refuse("an INTERVAL is added to a time or subtracted from one", "%s takes no INTERVAL", name)
		}
		// Untyped NULLs are what these functions choose among; elsewhere they have no type to take.
		if a.Type.Kind == schema.Null && name != "COALESCE" && name != "NULLIF" && name != "GREATEST" && name != "LEAST" {
			return nil, refuse("write CAST(NULL AS STRING), or the type you mean", "argument %d of %s is a bare NULL", i+1, name)
		}
	}
	return function(name, args)
}

func arithmetic(op string, a, b *Node) (*Node, error) {
	if a.IsInterval() || b.IsInterval() || isTime(a.Type.Kind) || isTime(b.Type.Kind) {
		return timeArithmetic(op, a, b)
	}
	for _, x := range []*Node{a, b} {
		if x.Type.Kind == schema.Null {
			return nil, refuse("write CAST(NULL AS INT), or the type you mean", "%s takes no bare NULL", op)
		}
		if !isNumber(x.Type.Kind) {
			hint := "write CAST(.. AS DOUBLE), or the number you mean"
			if op == "+" && x.Type.Kind == schema.String {
				hint = "texts are joined by ||"
			}
			return nil, refuse(hint, "%s takes numbers, not %s", op, x.describe())
		}
	}
	t, err := arithmeticType(op, a.Type, b.Type)
	if err != nil {
		return nil, err
	}
	ta, tb := t, t
	switch {
	case t.Kind == schema.Decimal:
		ta, tb = asDecimal(a.Type), asDecimal(b.Type)
	case op == "%":
		ta = wider(a.Type, b.Type)
		tb = ta
	}
	if a, err = implicit(a, ta); err != nil {
		return nil, err
	}
	if b, err = implicit(b, tb); err != nil {
		return nil, err
	}
	return node(op, t, a, b), nil
}

func timeArithmetic(op string, a, b *Node) (*Node, error) {
	if op == "*" && b.IsInterval() {
		a, b = b, a
	}
	at, bt := isTime(a.Type.Kind), isTime(b.Type.Kind)
	switch {
	case at && bt && op == "-":
		return nil, refuse("write TIMESTAMPDIFF(SECOND, a, b), or compare with a + INTERVAL ..", "%s - %s is not supported", a.Type, b.Type)
	case op == "*" && a.IsInterval() && isInt(b.Type.Kind):
		if iv, ok := a.Value.(Interval); ok && b.IsLiteral() && b.Value != nil {
			n := asInt(b)
			m, ok1 := mulInt64(iv.Months, n)
			u, ok2 := mulInt64(iv.Micros, n)
			if !ok1 || !ok2 {
				return nil, refuse("", "the interval is too long")
			}
			return IntervalLiteral(Interval{m, u}), nil
		}
		b, err := implicit(b, tBig)
		if err != nil {
			return nil, err
		}
		return &Node{Op: "*", Args: []*Node{a, b}, span: a.span}, nil
	case (op == "+" || op == "-") && a.IsInterval() && b.IsInterval():
		x, ok1 := a.Value.(Interval)
		y, ok2 := b.Value.(Interval)
		if op == "-" {
			y = Interval{-y.Months, -y.Micros}
		}
		if !ok1 || !ok2 || a.span != b.span {
			return nil, refuse("add them to a time one after the other", "these intervals cannot be combined")
		}
		return IntervalLiteral(Interval{x.Months + y.Months, x.Micros + y.Micros}), nil
	case op == "+" && a.IsInterval() && bt:
		a, b = b, a
	case (op == "+" || op == "-") && at && b.IsInterval():
	case at && bt:
		return nil, refuse("a time takes + and - with an INTERVAL", "%s %s %s is not supported", a.Type, op, b.Type)
	case at || bt:
		return nil, refuse("write the other side as an interval, e.g. INTERVAL '1' DAY", "%s %s %s is not supported", a.describe(), op, b.describe())
	default:
		return nil, refuse("an INTERVAL is added to a time, or multiplied by a whole number", "%s %s %s is not supported", a.describe(), op, b.describe())
	}
	t := a.Type
	t.Epoch = ""
	if t.Kind == schema.Timestamp && b.span == micros {
		t.Precision = max(t.Precision, spanDigits(b))
	}
	return node(op, t, a, b), nil
}

// spanDigits is how many digits of a second's fraction an interval can change.
func spanDigits(n *Node) int {
	switch {
	case n.Op != "literal" && n.Args[0].IsInterval():
		return spanDigits(n.Args[0])
	case n.Op != "literal":
		return 6
	}
	u := n.Value.(Interval).Micros
	switch {
	case u%1e6 == 0:
		return 0
	case u%1e3 == 0:
		return 3
	}
	return 6
}

// CallUnit types EXTRACT(unit FROM x), FLOOR(x TO unit), CEIL(x TO unit), TIMESTAMPADD(unit, n, t) and
// TIMESTAMPDIFF(unit, a, b). The error is an *Error.
func CallUnit(name, unit string, args ...*Node) (*Node, error) {
	n, err := callUnit(name, strings.ToUpper(unit), args)
	if err != nil {
		return nil, err
	}
	n.Unit = strings.ToUpper(unit)
	return fold(n)
}

const (
	roundUnits   = "YEAR QUARTER MONTH WEEK DAY HOUR MINUTE SECOND MILLISECOND"
	addUnits     = roundUnits + " MICROSECOND"
	extractUnits = "YEAR QUARTER MONTH WEEK DAY DOW ISODOW DOY ISOYEAR HOUR MINUTE SECOND MILLISECOND MICROSECOND EPOCH"
)

func callUnit(name, unit string, args []*Node) (*Node, error) {
	units, count := "", 1
	switch name {
	case "EXTRACT":
		units = extractUnits
	case "FLOOR", "CEIL":
		units = roundUnits
	case "TIMESTAMPADD", "TIMESTAMPDIFF":
		units, count = addUnits, 2
	default:
		return nil, refuse(nearest(name), "%s takes no unit", name)
	}
	if !strings.Contains(" "+units+" ", " "+unit+" ") {
		return nil, refuse("it takes "+units, "%s does not take the unit %s", name, unit)
	}
	if err := arity(name, args, count, count); err != nil {
		return nil, err
	}
	args = append([]*Node{}, args...)
	for i := range args {
		// TIMESTAMPADD's first argument is the count.
		if name == "TIMESTAMPADD" && i == 0 {
			if !isInt(args[0].Type.Kind) {
				return nil, refuse("write CAST(.. AS INT)", "TIMESTAMPADD takes a whole number of units, not %s", args[0].describe())
			}
			n, err := implicit(args[0], tBig)
			if err != nil {
				return nil, err
			}
			args[0] = n
			continue
		}
		if !isTime(args[i].Type.Kind) {
			return nil, refuse("write CAST(.. AS TIMESTAMP)", "%s takes a DATE or a TIMESTAMP, not %s", name, args[i].describe())
		}
	}
	switch name {
	case "EXTRACT":
		return node(name, tBig, args...), nil
	case "TIMESTAMPDIFF":
		for i := range args {
			n, err := implicit(args[i], tStamp(6))
			if err != nil {
				return nil, err
			}
			args[i] = n
		}
		return node(name, tInt, args...), nil
	case "TIMESTAMPADD":
		t := args[1].Type
		switch unit {
		case "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND":
			if t.Kind == schema.Date {
				t = tStamp(6)
			}
			if unit == "MILLISECOND" {
				t.Precision = max(3, t.Precision)
			} else if unit == "MICROSECOND" {
				t.Precision = 6
			}
		}
		t.Epoch = ""
		x, err := implicit(args[1], t)
		if err != nil {
			return nil, err
		}
		return node(name, t, args[0], x), nil
	}
	t := args[0].Type
	t.Epoch = ""
	return node(name, t, args...), nil
}
