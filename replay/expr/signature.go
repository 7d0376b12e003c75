package expr

import "github.com/lockstep-data/lockstep/schema"

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
