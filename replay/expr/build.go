package expr

import (
	"fmt"
	"math"
	"unicode/utf16"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

// Column is the column at a position of the record.
func Column(index int, name string, t schema.Type) *Node {
	return &Node{Op: "column", Index: index, Name: name, Type: t}
}

// Literal is a constant; v is as documented on Node.Value.
func Literal(v any, t schema.Type) *Node { return &Node{Op: "literal", Value: v, Type: t} }

// NullLiteral is a bare NULL, which takes the type of what it stands beside.
func NullLiteral() *Node { return &Node{Op: "literal"} }

// IntervalLiteral is an interval. It may be added to a time, subtracted from one, negated and multiplied by a
// whole number.
func IntervalLiteral(iv Interval) *Node {
	n := &Node{Op: "literal", Value: iv, span: micros}
	if iv.Months != 0 {
		n.span = months
	}
	return n
}

func textLiteral(s string) *Node { return Literal(s, tString) }

// CharLength is the length that Flink counts for a text literal: UTF-16 units.
func CharLength(s string) int { return len(utf16.Encode([]rune(s))) }

// fold replaces a node over constants by its value. A constant that fails is refused here, before any row is
// read, as it would fail for each of them.
func fold(n *Node) (*Node, error) {
	if len(n.Args) == 0 || n.IsInterval() || isNested(n.Type.Kind) || n.Type.Kind == schema.Null {
		return n, nil
	}
	for _, a := range n.Args {
		if !a.IsLiteral() {
			return n, nil
		}
	}
	p, err := Compile(n)
	if err != nil {
		return nil, err
	}
	v, failed := p.constant()
	if failed != nil {
		return nil, refuse("", "this constant has no value: %v", failed)
	}
	return Literal(v, n.Type), nil
}

// implicit is a cast that the type rules ask for.
func implicit(n *Node, t schema.Type) (*Node, error) {
	if n.IsInterval() {
		return nil, refuse("", "an INTERVAL has no value of its own here")
	}
	if sameLayout(n.Type, t) {
		return n, nil
	}
	return Cast(n, t, false)
}

// sameLayout reports whether values of from are values of to as they are.
func sameLayout(from, to schema.Type) bool {
	if from.Kind != to.Kind {
		return false
	}
	switch from.Kind {
	case schema.Decimal:
		return from.Scale == to.Scale && from.Precision == to.Precision
	case schema.String:
		return to.Precision == 0 || from.Precision > 0 && from.Precision <= to.Precision
	case schema.Timestamp:
		return from.Precision <= to.Precision
	}
	return from.Equal(to)
}

// Cast is CAST(x AS to), or TRY_CAST, which is NULL where CAST fails.
func Cast(x *Node, to schema.Type, try bool) (*Node, error) {
	to.Epoch = ""
	if x.IsInterval() {
		return nil, refuse("use TIMESTAMPDIFF for lengths of time", "an INTERVAL cannot be cast")
	}
	if x.IsLiteral() && x.Value == nil {
		return Literal(nil, to), nil
	}
	if x.Type.Equal(to) {
		return x, nil
	}
	if err := castable(x.Type, to); err != nil {
		return nil, err
	}
	return fold(&Node{Op: "cast", Args: []*Node{x}, Type: to, Try: try})
}

// Case is CASE WHEN .. THEN .. ELSE .. END; otherwise may be nil. The whens are evaluated in order, each only
// for the rows that none before it took, and so are the thens.
func Case(whens, thens []*Node, otherwise *Node) (*Node, error) {
	if otherwise == nil {
		otherwise = NullLiteral()
	}
	t, err := commonOf("CASE", append(append([]*Node{}, thens...), otherwise))
	if err != nil {
		return nil, err
	}
	n := &Node{Op: "case", Type: t}
	for i, w := range whens {
		if w, err = boolean(w, "WHEN"); err != nil {
			return nil, err
		}
		then, err := implicit(thens[i], t)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, w, then)
	}
	if otherwise, err = implicit(otherwise, t); err != nil {
		return nil, err
	}
	n.Args = append(n.Args, otherwise)
	return fold(n)
}

func commonOf(what string, nodes []*Node) (schema.Type, error) {
	var t schema.Type
	for _, n := range nodes {
		if n.IsInterval() {
			return t, refuse("add the interval to a time first", "an INTERVAL cannot be a value of %s", what)
		}
		c, ok := CommonType(t, n.Type)
		if !ok {
			return t, refuse("write CAST(.. AS "+castHint(t, n.Type)+") around one of them", "the values of %s have no common type: %s and %s", what, t, n.Type)
		}
		t = c
	}
	return t, nil
}

func boolean(n *Node, what string) (*Node, error) {
	if n.Type.Kind == schema.Boolean {
		return n, nil
	}
	if n.Type.Kind == schema.Null && !n.IsInterval() {
		return Literal(nil, tBool), nil
	}
	return nil, refuse("write a comparison, e.g. x <> 0", "%s takes a BOOLEAN, not %s", what, n.describe())
}

func (n *Node) describe() string {
	if n.IsInterval() {
		return "an INTERVAL"
	}
	return n.Type.String()
}

// In is x IN (list), or x NOT IN (list). Each member is compared as = would.
func In(x *Node, list []*Node, not bool) (*Node, error) {
	if len(list) == 0 {
		return nil, refuse("", "IN takes at least one value")
	}
	n := &Node{Op: "in", Type: tBool}
	// The arguments are pairs: x and a member, each brought to what = compares.
	for _, m := range list {
		if x.Type.Kind == schema.String && isNumber(m.Type.Kind) {
			c, err := Cast(m, tString, false)
			if err != nil {
				return nil, err
			}
			m = c
		}
		a, b, err := comparands(x, m)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, a, b)
	}
	out, err := fold(n)
	if err != nil || !not {
		return out, err
	}
	return Call("NOT", out)
}

// FieldOf is row.name.
func FieldOf(row *Node, name string) (*Node, error) {
	if row.Type.Kind != schema.Row {
		return nil, refuse("", "%s has no field %s: it is %s", row.Name, name, row.describe())
	}
	for i, f := range row.Type.Fields {
		if f.Name == name {
			return &Node{Op: "field", Args: []*Node{row}, Type: f.Type, Index: i, Name: name}, nil
		}
	}
	names := make([]string, len(row.Type.Fields))
	for i, f := range row.Type.Fields {
		names[i] = f.Name
	}
	return nil, refuse(fmt.Sprintf("its fields are %v", names), "%s has no field %s", row.Type, name)
}

// ElementOf is array[index], counted from 1, or map[key]. What is outside is NULL.
func ElementOf(array, index *Node) (*Node, error) {
	switch array.Type.Kind {
	case schema.Array:
		if !isInt(index.Type.Kind) || index.Type.Kind == schema.BigInt {
			return nil, refuse("write CAST(.. AS INT)", "the index of an ARRAY is INT, not %s", index.describe())
		}
		if v, ok := index.Value.(int64); ok && index.IsLiteral() && v < 1 {
			return nil, refuse("the first element is [1]", "the index of an ARRAY counts from 1, %d is outside", v)
		}
		index, err := implicit(index, tInt)
		if err != nil {
			return nil, err
		}
		return &Node{Op: "index", Args: []*Node{array, index}, Type: *array.Type.Elem}, nil
	case schema.Map:
		index, err := implicit(index, *array.Type.Key)
		if err != nil {
			return nil, err
		}
		if isNested(index.Type.Kind) || isApprox(index.Type.Kind) {
			return nil, refuse("", "a MAP with keys of type %s cannot be looked into", index.Type)
		}
		return &Node{Op: "index", Args: []*Node{array, index}, Type: *array.Type.Elem}, nil
	}
	return nil, refuse("", "[ ] takes an ARRAY or a MAP, not %s", array.describe())
}

// CanFail reports whether evaluation may raise a row error. What cannot fail may be evaluated earlier, for
// rows that the query would never have reached.
func (n *Node) CanFail() bool {
	if n.ownFail() {
		return true
	}
	for _, a := range n.Args {
		if a.CanFail() {
			return true
		}
	}
	return false
}

func (n *Node) ownFail() bool {
	k := n.Type.Kind
	switch n.Op {
	case "cast":
		return !n.Try && castCanFail(n.Args[0].Type, n.Type)
	case "+", "-", "*":
		switch {
		case isApprox(k):
			return false
		case k == schema.Decimal:
			return n.Type.Precision >= 38
		}
		return true
	case "NEG", "ABS":
		return isInt(k) || n.IsInterval()
	case "SIGN":
		return k == schema.Decimal && n.Type.Precision == n.Type.Scale
	case "/", "%", "MOD":
		if isApprox(k) {
			return false
		}
		d := n.Args[1]
		if d.IsLiteral() {
			switch v := d.Value.(type) {
			case int64:
				return v == 0 || v == -1 && n.Op == "/"
			case decimal128.Num:
				return v == decimal128.Num{} || n.Type.Precision >= 38
			}
		}
		return true
	case "ROUND":
		if k == schema.Decimal {
			return n.Type.Precision >= 38 || len(n.Args) > 1 && !n.Args[1].IsLiteral()
		}
		if isInt(k) && (len(n.Args) == 1 || n.Args[1].IsLiteral() && asInt(n.Args[1]) >= 0) {
			return false
		}
		return true
	case "FLOOR", "CEIL":
		return n.Unit != ""
	case "TIMESTAMPADD", "TIMESTAMPDIFF":
		return true
	case "LIKE":
		return len(n.Args) == 3 && !(n.Args[1].IsLiteral() && n.Args[2].IsLiteral())
	case "REGEXP_EXTRACT", "DATE_FORMAT":
		return !n.Args[1].IsLiteral()
	case "JSON_VALUE":
		return n.json.canFail()
	}
	return false
}

func asInt(n *Node) int64 {
	if v, ok := n.Value.(int64); ok {
		return v
	}
	return math.MinInt64
}
