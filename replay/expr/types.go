package expr

import "github.com/lockstep-data/lockstep/schema"

var (
	tBool   = schema.Type{Kind: schema.Boolean}
	tSmall  = schema.Type{Kind: schema.SmallInt}
	tInt    = schema.Type{Kind: schema.Int}
	tBig    = schema.Type{Kind: schema.BigInt}
	tFloat  = schema.Type{Kind: schema.Float}
	tDouble = schema.Type{Kind: schema.Double}
	tString = schema.Type{Kind: schema.String}
	tBytes  = schema.Type{Kind: schema.Bytes}
	tDate   = schema.Type{Kind: schema.Date}
)

func tDec(p, s int) schema.Type { return schema.Type{Kind: schema.Decimal, Precision: p, Scale: s} }
func tStamp(p int) schema.Type  { return schema.Type{Kind: schema.Timestamp, Precision: p} }

func isInt(k schema.Kind) bool {
	return k == schema.SmallInt || k == schema.Int || k == schema.BigInt
}
func isApprox(k schema.Kind) bool  { return k == schema.Float || k == schema.Double }
func isNumber(k schema.Kind) bool  { return isInt(k) || isApprox(k) || k == schema.Decimal }
func isTime(k schema.Kind) bool    { return k == schema.Date || k == schema.Timestamp }
func isNested(k schema.Kind) bool  { return k == schema.Array || k == schema.Map || k == schema.Row }
func isTextual(k schema.Kind) bool { return k == schema.String || k == schema.Bytes }

// asDecimal is the DECIMAL that an integer type counts as.
func asDecimal(t schema.Type) schema.Type {
	switch t.Kind {
	case schema.SmallInt:
		return tDec(5, 0)
	case schema.Int:
		return tDec(10, 0)
	case schema.BigInt:
		return tDec(19, 0)
	}
	return t
}

func wider(a, b schema.Type) schema.Type {
	if a.Kind > b.Kind {
		return a
	}
	return b
}

// CommonType is the type of a CASE, COALESCE, GREATEST or UNION ALL whose parts have the types a and b; false:
// there is none.
func CommonType(a, b schema.Type) (schema.Type, bool) {
	a.Epoch, b.Epoch = "", ""
	switch {
	case a.Kind == schema.Null:
		return b, true
	case b.Kind == schema.Null:
		return a, true
	case isNumber(a.Kind) && isNumber(b.Kind):
		return commonNumber(a, b), true
	case a.Kind != b.Kind:
		return schema.Type{}, false
	case a.Kind == schema.String:
		if a.Precision == 0 || b.Precision == 0 {
			return tString, true
		}
		a.Precision = max(a.Precision, b.Precision)
		return a, true
	case a.Kind == schema.Timestamp:
		a.Precision = max(a.Precision, b.Precision)
		return a, true
	}
	return a, a.Equal(b)
}

func commonNumber(a, b schema.Type) schema.Type {
	switch {
	case isApprox(a.Kind) || isApprox(b.Kind):
		if a.Kind == schema.Double || b.Kind == schema.Double || a.Kind == schema.Decimal || b.Kind == schema.Decimal {
			return tDouble
		}
		return tFloat
	case a.Kind == schema.Decimal || b.Kind == schema.Decimal:
		a, b = asDecimal(a), asDecimal(b)
		s := max(a.Scale, b.Scale)
		w := max(a.Precision-a.Scale, b.Precision-b.Scale)
		if w+s > 38 {
			s = 38 - w
		}
		return tDec(w+s, s)
	}
	return wider(a, b)
}

// arithmeticType is the type of a op b for numbers. The operands must be brought to it (decimals: to decimals).
func arithmeticType(op string, a, b schema.Type) (schema.Type, error) {
	if isApprox(a.Kind) || isApprox(b.Kind) {
		if op == "%" {
			return tDouble, refuse("cast both sides to DECIMAL, e.g. CAST(x AS DECIMAL(20,6)) % 0.5", "%% takes no %s", pickApprox(a, b))
		}
		return commonNumber(a, b), nil
	}
	if a.Kind != schema.Decimal && b.Kind != schema.Decimal {
		if op == "%" {
			return b, nil
		}
		return wider(a, b), nil
	}
	a, b = asDecimal(a), asDecimal(b)
	wa, wb := a.Precision-a.Scale, b.Precision-b.Scale
	var p, s int
	switch op {
	case "+", "-":
		s = max(a.Scale, b.Scale)
		p = max(wa, wb) + 1 + s
	case "*":
		s = a.Scale + b.Scale
		p = a.Precision + b.Precision + 1
	case "/":
		s = max(6, a.Scale+b.Precision+1)
		p = wa + b.Scale + s
	default:
		s = max(a.Scale, b.Scale)
		p = max(1, min(wa, wb)+s)
	}
	if p > 38 {
		s = max(38-(p-s), min(s, 6))
		p = 38
	}
	return tDec(p, s), nil
}

func pickApprox(a, b schema.Type) schema.Type {
	if isApprox(a.Kind) {
		return a
	}
	return b
}

// comparands brings two nodes to types that one kernel compares: equal kinds, decimals with any scales.
func comparands(a, b *Node) (*Node, *Node, error) {
	if a.IsInterval() || b.IsInterval() {
		return nil, nil, refuse("add the interval to a time and compare times, e.g. ts2 > ts + INTERVAL '1' HOUR", "an INTERVAL cannot be compared")
	}
	x, y := a.Type, b.Type
	to := func(n *Node, t schema.Type) (*Node, error) { return implicit(n, t) }
	both := func(t schema.Type) (*Node, *Node, error) {
		p, err := to(a, t)
		if err != nil {
			return nil, nil, err
		}
		q, err := to(b, t)
		return p, q, err
	}
	switch {
	case x.Kind == schema.Null && y.Kind == schema.Null:
		return both(tBool)
	case x.Kind == schema.Null:
		p, err := to(a, y)
		return p, b, err
	case y.Kind == schema.Null:
		q, err := to(b, x)
		return a, q, err
	case isNumber(x.Kind) && isNumber(y.Kind):
		if !isApprox(x.Kind) && !isApprox(y.Kind) && (x.Kind == schema.Decimal || y.Kind == schema.Decimal) {
			p, err := to(a, asDecimal(x))
			if err != nil {
				return nil, nil, err
			}
			q, err := to(b, asDecimal(y))
			return p, q, err
		}
		return both(commonNumber(x, y))
	case isNested(x.Kind) || isNested(y.Kind):
		return nil, nil, refuse("compare their fields or elements", "%s cannot be compared with %s", x, y)
	case x.Kind == y.Kind:
		return a, b, nil
	case isTime(x.Kind) && y.Kind == schema.String && b.IsLiteral():
		if x.Kind == schema.Timestamp {
			x = tStamp(6)
		}
		q, err := to(b, x)
		return a, q, err
	case isTime(y.Kind) && x.Kind == schema.String && a.IsLiteral():
		if y.Kind == schema.Timestamp {
			y = tStamp(6)
		}
		p, err := to(a, y)
		return p, b, err
	case isTime(x.Kind) && isTime(y.Kind):
		return both(tStamp(6))
	}
	return nil, nil, refuse("write CAST(.. AS "+castHint(x, y)+") around one side", "%s cannot be compared with %s", x, y)
}

func castHint(a, b schema.Type) string {
	if a.Kind == schema.String {
		return b.String()
	}
	return a.String()
}
