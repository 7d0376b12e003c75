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

// text checks that the arguments from..to are text.
func needText(name string, args ...*Node) error {
	for _, a := range args {
		if a.Type.Kind != schema.String {
			return refuse("write CAST(.. AS STRING)", "%s takes text, not %s", name, a.describe())
		}
	}
	return nil
}

func needInt(name string, n *Node) (*Node, error) {
	if n.Type.Kind != schema.Int && n.Type.Kind != schema.SmallInt {
		return nil, refuse("write CAST(.. AS INT)", "%s takes an INT there, not %s", name, n.describe())
	}
	return implicit(n, tInt)
}

func function(name string, args []*Node) (*Node, error) {
	var err error
	check := func(least, most int) bool {
		err = arity(name, args, least, most)
		return err == nil
	}
	switch name {
	case "UPPER", "LOWER", "CHAR_LENGTH":
		if !check(1, 1) {
			return nil, err
		}
		if err := needText(name, args...); err != nil {
			return nil, err
		}
		if name == "CHAR_LENGTH" {
			return node(name, tInt, args...), nil
		}
		return node(name, tString, args...), nil
	case "TRIM", "LTRIM", "RTRIM":
		if !check(1, 2) {
			return nil, err
		}
		return node(name, tString, args...), needText(name, args...)
	case "LIKE":
		if !check(2, 3) {
			return nil, err
		}
		if err := needText(name, args...); err != nil {
			return nil, err
		}
		if args[1].IsLiteral() && args[1].Value != nil && (len(args) == 2 || args[2].IsLiteral() && args[2].Value != nil) {
			escape := ""
			if len(args) == 3 {
				escape = args[2].Value.(string)
			}
			if _, e := newLike(args[1].Value.(string), escape, len(args) == 3); e != nil {
				return nil, refuse("the escape character may stand before %, _ and itself", "%v", e)
			}
		}
		return node(name, tBool, args...), nil
	case "POSITION":
		if !check(2, 2) {
			return nil, err
		}
		return node(name, tInt, args...), needText(name, args...)
	case "REPLACE":
		if !check(3, 3) {
			return nil, err
		}
		return node(name, tString, args...), needText(name, args...)
	case "SUBSTRING":
		if !check(2, 3) {
			return nil, err
		}
		if err := needText(name, args[0]); err != nil {
			return nil, err
		}
		n := node(name, tString, args[0])
		for _, a := range args[1:] {
			if a, err = needInt(name, a); err != nil {
				return nil, err
			}
			n.Args = append(n.Args, a)
		}
		return n, nil
	case "SPLIT_INDEX":
		if !check(3, 3) {
			return nil, err
		}
		if err := needText(name, args[:2]...); err != nil {
			return nil, err
		}
		i, err := needInt(name, args[2])
		if err != nil {
			return nil, err
		}
		return node(name, tString, args[0], args[1], i), nil
	case "REGEXP_EXTRACT":
		if !check(2, 3) {
			return nil, err
		}
		if err := needText(name, args[:2]...); err != nil {
			return nil, err
		}
		if p, ok := args[1].Value.(string); ok && args[1].IsLiteral() {
			if _, e := newPattern(p); e != nil && !isInvalid(e) {
				return nil, refuse("patterns are in RE2 syntax: https://github.com/google/re2/wiki/Syntax", "the pattern %q %v", p, e)
			}
		}
		group := Literal(int64(0), tInt)
		if len(args) == 3 {
			if group, err = needInt(name, args[2]); err != nil {
				return nil, err
			}
		}
		return node(name, tString, args[0], args[1], group), nil
	case "ABS", "SIGN":
		if !check(1, 1) {
			return nil, err
		}
		return node(name, args[0].Type, args[0]), needNumber(name, args[0])
	case "FLOOR", "CEIL":
		if !check(1, 1) {
			return nil, err
		}
		x := args[0]
		if isTime(x.Type.Kind) {
			return nil, refuse("write "+name+"(x TO DAY)", "%s of a time needs a unit", name)
		}
		if err := needNumber(name, x); err != nil {
			return nil, err
		}
		if isInt(x.Type.Kind) || x.Type.Kind == schema.Decimal && x.Type.Scale == 0 {
			return x, nil
		}
		t := x.Type
		t.Scale = 0
		return node(name, t, x), nil
	case "ROUND":
		if !check(1, 2) {
			return nil, err
		}
		return round(args)
	case "POWER", "SQRT", "LN", "EXP":
		k := 1
		if name == "POWER" {
			k = 2
		}
		if !check(k, k) {
			return nil, err
		}
		n := node(name, tDouble)
		for _, a := range args {
			if err := needNumber(name, a); err != nil {
				return nil, err
			}
			if a, err = implicit(a, tDouble); err != nil {
				return nil, err
			}
			n.Args = append(n.Args, a)
		}
		return n, nil
	case "GREATEST", "LEAST", "COALESCE":
		if !check(1, 1000) {
			return nil, err
		}
		t, err := commonOf(name, args)
		if err != nil {
			return nil, err
		}
		if name != "COALESCE" && isNested(t.Kind) {
			return nil, refuse("", "%s takes no %s", name, t)
		}
		n := node(name, t)
		for _, a := range args {
			c, err := implicit(a, t)
			if err != nil {
				return nil, err
			}
			n.Args = append(n.Args, c)
		}
		if len(n.Args) == 1 || t.Kind == schema.Null {
			return n.Args[0], nil
		}
		return n, nil
	case "NULLIF":
		if !check(2, 2) {
			return nil, err
		}
		if args[0].Type.Kind == schema.Null {
			return nil, refuse("write CAST(NULL AS STRING), or the type you mean", "argument 1 of NULLIF is a bare NULL")
		}
		same, err := Call("=", args[0], args[1])
		if err != nil {
			return nil, err
		}
		return Case([]*Node{same}, []*Node{NullLiteral()}, args[0])
	case "MD5", "SHA256":
		if !check(1, 1) {
			return nil, err
		}
		if !isTextual(args[0].Type.Kind) {
			return nil, refuse("write CAST(.. AS STRING)", "%s takes text or BYTES, not %s", name, args[0].describe())
		}
		return node(name, tString, args[0]), nil
	case "DATE_FORMAT":
		if !check(2, 2) {
			return nil, err
		}
		if k := args[0].Type.Kind; k != schema.Timestamp && k != schema.String {
			return nil, refuse("write CAST(.. AS TIMESTAMP)", "DATE_FORMAT takes a TIMESTAMP, not %s", args[0].describe())
		}
		if err := needText(name, args[1]); err != nil {
			return nil, err
		}
		if f, ok := args[1].Value.(string); ok && args[1].IsLiteral() {
			if _, e := newDateFormat(f); e != nil {
				return nil, refuse("the letters are y M d H h m s S a E; text goes into quotes: 'T'", "DATE_FORMAT: %v", e)
			}
		}
		return node(name, tString, args...), nil
	case "CARDINALITY":
		if !check(1, 1) {
			return nil, err
		}
		if k := args[0].Type.Kind; k != schema.Array && k != schema.Map {
			return nil, refuse("", "CARDINALITY takes an ARRAY or a MAP, not %s", args[0].describe())
		}
		return node(name, tInt, args[0]), nil
	}
	return nil, refuse(nearest(name), "there is no function %s", name)
}

func needNumber(name string, n *Node) error {
	if isNumber(n.Type.Kind) {
		return nil
	}
	return refuse("write CAST(.. AS DOUBLE), or the number you mean", "%s takes a number, not %s", name, n.describe())
}

// nearest is a hint that names the function whose name differs least.
func nearest(name string) string {
	best, least := "", 4
	for _, f := range functions {
		if d := distance(name, f.Name); d < least {
			best, least = f.Name, d
		}
	}
	if best == "" {
		return "docs/sql.md lists the functions"
	}
	return "did you mean " + best + "?"
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func round(args []*Node) (*Node, error) {
	x, t := args[0], args[0].Type
	if err := needNumber("ROUND", x); err != nil {
		return nil, err
	}
	digits := Literal(int64(0), tInt)
	if len(args) == 2 {
		d, err := needInt("ROUND", args[1])
		if err != nil {
			return nil, err
		}
		digits = d
	}
	if t.Kind == schema.Decimal && digits.IsLiteral() && digits.Value != nil {
		n := asInt(digits)
		switch {
		case n >= int64(t.Scale):
			return x, nil
		case n <= 0:
			t = tDec(min(38, t.Precision-t.Scale+1), 0)
		default:
			t = tDec(min(38, t.Precision-t.Scale+1+int(n)), int(n))
		}
	}
	return node("ROUND", t, x, digits), nil
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
