package expr

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

func fromJSON(t *testing.T, typ schema.Type, text string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, typ.Arrow(), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func column(t *testing.T, n *Node, cols []arrow.Array, rows int) string {
	t.Helper()
	p, err := Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for range 2 {
		out, failed, err := p.Eval(cols, rows)
		if err != nil || failed != nil || out[0].Len() != rows {
			t.Fatalf("%v %v", failed, err)
		}
		if !arrow.TypeEqual(out[0].DataType(), n.Type.Arrow()) {
			t.Fatalf("%s is %s", n.Type, out[0].DataType())
		}
		parts = parts[:0]
		for i := range rows {
			parts = append(parts, valueAt(out[0], n.Type, i))
		}
	}
	return strings.Join(parts, " ")
}

func TestFact34Nested(t *testing.T) {
	ints := schema.Type{Kind: schema.Array, Elem: &tInt}
	row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "a", Type: tInt}, {Name: "b", Type: tString}, {Name: "c", Type: ints}}}
	dict := schema.Type{Kind: schema.Map, Key: &tString, Elem: &tInt}
	arr := array.NewSlice(fromJSON(t, ints, `[[9], [1, null], null, [], [3, 4, 5]]`), 1, 5)
	rows := array.NewSlice(fromJSON(t, row, `[{"a": 9, "b": "z", "c": [9]}, {"a": 1, "b": "x", "c": [1, 2]}, null, {"a": null, "b": null, "c": null}, {"a": 4, "b": "", "c": []}]`), 1, 5)
	maps := array.NewSlice(fromJSON(t, dict, `[[{"key": "z", "value": 0}], [{"key": "k", "value": 1}, {"key": "l", "value": null}], null, [], [{"key": "l", "value": 7}]]`), 1, 5)
	index := arrayOf(tInt, int64(1), int64(1), int64(1), int64(-1))
	pick := arrayOf(tBool, true, false, nil, false)
	cols := []arrow.Array{arr, rows, maps, index, pick}
	must := func(n *Node, err error) *Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ca, cr, cm := Column(0, "arr", ints), Column(1, "row", row), Column(2, "map", dict)
	one := func(v int64) *Node { return Literal(v, tInt) }
	field := func(name string) *Node { return must(FieldOf(cr, name)) }
	for _, c := range []struct {
		n    *Node
		want string
	}{
		{ca, "[1, NULL] NULL [] [3, 4, 5]"},
		{must(ElementOf(ca, one(1))), "1 NULL NULL 3"},
		{must(ElementOf(ca, one(2))), "NULL NULL NULL 4"},
		{must(ElementOf(ca, one(4))), "NULL NULL NULL NULL"},
		{must(ElementOf(ca, Column(3, "i", tInt))), "1 NULL NULL NULL"},
		{must(Call("CARDINALITY", ca)), "2 NULL 0 3"},
		{must(Call("CARDINALITY", cm)), "2 NULL 0 1"},
		{must(ElementOf(cm, textLiteral("l"))), "NULL NULL NULL 7"},
		{must(ElementOf(cm, textLiteral("k"))), "1 NULL NULL NULL"},
		{cr, "(1, x, [1, 2]) NULL (NULL, NULL, NULL) (4, , [])"},
		{field("a"), "1 NULL NULL 4"},
		{field("b"), "x NULL NULL "},
		{field("c"), "[1, 2] NULL NULL []"},
		{must(ElementOf(field("c"), one(2))), "2 NULL NULL NULL"},
		{must(Call("IS NULL", cr)), "FALSE TRUE FALSE FALSE"},
		{must(Cast(cm, tString, false)), "{k=1, l=NULL} NULL {} {l=7}"},
		{must(Cast(cr, tString, false)), "(1, x, [1, 2]) NULL (NULL, NULL, NULL) (4, , [])"},
		{must(Case([]*Node{Column(4, "p", tBool)}, []*Node{ca}, field("c"))), "[1, NULL] NULL NULL []"},
		{must(Call("COALESCE", field("c"), ca)), "[1, 2] NULL [] []"},
		{must(Case([]*Node{Column(4, "p", tBool)}, []*Node{cr}, nil)), "(1, x, [1, 2]) NULL NULL NULL"},
		{must(Case([]*Node{Column(4, "p", tBool)}, []*Node{cm}, cm)), "{k=1, l=NULL} NULL {} {l=7}"},
		{Literal(nil, ints), "NULL NULL NULL NULL"},
	} {
		if got := column(t, c.n, cols, 4); got != c.want {
			t.Errorf("%s: %s, want %s", c.n.Op, got, c.want)
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errOf(ElementOf(ca, one(0))), "counts from 1"},
		{errOf(ElementOf(ca, Literal(int64(1), tBig))), "is INT, not BIGINT"},
		{errOf(ElementOf(cr, one(1))), "takes an ARRAY or a MAP"},
		{errOf(FieldOf(cr, "zz")), "no field zz"},
		{errOf(FieldOf(ca, "a")), "has no field a"},
		{errOf(Call("=", ca, ca)), "cannot be compared"},
		{errOf(Cast(ca, tInt, false)), "cannot be cast"},
		{errOf(Call("CARDINALITY", one(1))), "takes an ARRAY or a MAP"},
		{errOf(Call("SUBSTR", textLiteral("a"), one(1))), "there is no function SUBSTR"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%v, want %s", c.err, c.want)
		}
	}
}

func errOf(_ *Node, err error) error { return err }

func TestColumnIsPassedThrough(t *testing.T) {
	a := arrayOf(tInt, int64(1), nil, int64(3))
	p, _ := Compile(Column(0, "i", tInt))
	out, _, err := p.Eval([]arrow.Array{a}, 3)
	if err != nil || out[0] != a {
		t.Errorf("%v %v", out, err)
	}
	if _, _, err := p.Eval([]arrow.Array{arrayOf(tBig, int64(1))}, 1); err == nil || !strings.Contains(err.Error(), "column i") {
		t.Error(err)
	}
	if _, _, err := p.Eval(nil, 1); err == nil {
		t.Error("a missing column was taken")
	}
	if out, _, err := p.Eval([]arrow.Array{arrayOf(tInt)}, 0); err != nil || out[0].Len() != 0 {
		t.Error(err)
	}
}

func TestResultsOutliveTheNextRun(t *testing.T) {
	i := Column(0, "i", tInt)
	sum, _ := Call("+", i, Literal(int64(1), tInt))
	text, _ := Cast(i, tString, false)
	joined, _ := Call("||", text, textLiteral("x"))
	p, _ := Compile(sum, joined, Literal(int64(5), tInt))
	first, _, _ := p.Eval([]arrow.Array{arrayOf(tInt, int64(1), int64(2))}, 2)
	if _, _, err := p.Eval([]arrow.Array{arrayOf(tInt, int64(7), int64(8))}, 2); err != nil {
		t.Fatal(err)
	}
	if valueAt(first[0], tInt, 0) != "2" || valueAt(first[1], tString, 1) != "2x" || valueAt(first[2], tInt, 1) != "5" {
		t.Error(first)
	}
}

func TestColumnsAndRemap(t *testing.T) {
	n, _ := Call("+", Column(2, "a", tInt), Column(5, "b", tInt))
	m := n.Remap([]int{0, 0, 7, 0, 0, 1})
	var got []int
	m.Columns(func(i int) { got = append(got, i) })
	n.Columns(func(i int) { got = append(got, i) })
	list, _ := In(Column(0, "s", tString), []*Node{textLiteral("a"), textLiteral("b")}, false)
	if moved := list.Remap([]int{3}); moved.Args[0] != moved.Args[2] || moved.Args[0].Index != 3 || moved.Args[0] == list.Args[0] {
		t.Error("what stood once stands twice")
	}
	if len(got) != 4 || got[0] != 7 || got[1] != 1 || got[2] != 2 || got[3] != 5 {
		t.Error(got)
	}
}

func TestString(t *testing.T) {
	i, s, at := Column(0, "i", tInt), Column(1, "s", tString), Column(2, "ts", tStamp(6))
	must := func(n *Node, err error) *Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	one := Literal(int64(1), tInt)
	returning := tInt
	for want, n := range map[string]*Node{
		"(i + 1) * (-i)":                                        must(Call("*", must(Call("+", i, one)), must(Call("NEG", i)))),
		"(i = 1) AND (NOT (s LIKE 'it''s'))":                    must(Call("AND", must(Call("=", i, one)), must(Call("NOT", must(Call("LIKE", s, textLiteral("it's"))))))),
		"CASE WHEN i IS NULL THEN 1 ELSE NULL END":              must(Case([]*Node{must(Call("IS NULL", i))}, []*Node{one}, nil)),
		"ts + INTERVAL '1.5' SECOND":                            must(Call("+", at, iv(0, 1500000))),
		"EXTRACT(YEAR FROM ts)":                                 must(CallUnit("EXTRACT", "year", at)),
		"FLOOR(ts TO DAY)":                                      must(CallUnit("FLOOR", "DAY", at)),
		"TIMESTAMPADD(DAY, CAST(i AS BIGINT), ts)":              must(CallUnit("TIMESTAMPADD", "DAY", i, at)),
		"i IN (1, 2)":                                           must(In(i, []*Node{one, Literal(int64(2), tInt)}, false)),
		"TRY_CAST(s AS DATE) = DATE '2024-01-01'":               must(Call("=", must(Cast(s, tDate, true)), textLiteral("2024-01-01"))),
		"JSON_VALUE(s, '$.a' RETURNING INT DEFAULT 0 ON ERROR)": must(JSONValue(s, "$.a", &returning, JSONDefault{}, def(0))),
	} {
		if got := n.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	quotient := must(Call("/", one, i))
	p, _ := Compile(quotient)
	_, failed, _ := p.Eval([]arrow.Array{arrayOf(tInt, int64(0))}, 1)
	if len(failed) != 1 || failed[0].Error() != "row 0: 1 / i: division by zero" {
		t.Error(failed)
	}
}
