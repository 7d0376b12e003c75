package expr

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// TestEveryType sends two values of each type through what chooses, unpacks and compares values.
func TestEveryType(t *testing.T) {
	for _, v := range []struct {
		a, b typed // a < b
		text string
	}{
		{typedOf(false), typedOf(true), "FALSE"},
		{small(-3), small(7), "-3"},
		{typedOf(-3), typedOf(7), "-3"},
		{bigint(-3), bigint(1 << 40), "-3"},
		{f32(-0.5), f32(2), "-0.5"},
		{typedOf(-0.5), typedOf(2.0), "-0.5"},
		{dt("-1.50", 30, 2), dt("12345678901234567890.12", 30, 2), "-1.50"},
		{typedOf("a"), typedOf("é"), "a"},
		{bytesOf("a"), bytesOf("b"), "a"},
		{day_("1969-12-31"), day_("2024-02-29"), "1969-12-31"},
		{ts("1969-12-31 23:59:59.5"), ts("2024-02-29 00:00:00"), "1969-12-31 23:59:59.500000"},
	} {
		typ := v.a.t
		check(t, []fact{
			{when(true, v.a, v.b), v.text, typ.String()},
			{when(false, v.b, null(tBool), v.b, v.a), v.text, typ.String()},
			{c("COALESCE", null(typ), v.a, v.b), v.text, typ.String()},
			{c("GREATEST", v.b, v.a, null(typ)), "NULL", typ.String()},
			{c("LEAST", v.b, v.a), v.text, typ.String()},
			{c("NULLIF", v.a, v.b), v.text, typ.String()},
			{c("NULLIF", v.a, v.a), "NULL", typ.String()},
			{in(v.a, k(v.b), k(v.a)), "TRUE", ""},
			{in(v.a, v.b, null(typ)), "NULL", ""},
			{c("<", v.a, v.b), "TRUE", ""}, {c("<=", v.b, v.a), "FALSE", ""}, {c(">", v.b, v.a), "TRUE", ""},
			{c(">=", v.a, v.b), "FALSE", ""}, {c("=", v.a, v.a), "TRUE", ""}, {c("<>", v.a, k(v.a)), "FALSE", ""},
			{c("<", k(v.a), v.b), "TRUE", ""}, {c(">=", v.b, k(v.b)), "TRUE", ""}, {c("IS DISTINCT FROM", v.a, v.b), "TRUE", ""},
			{cast(v.a, tString), v.text, "STRING"},
		})
		// An array of three elements a row, sliced, and a map of a to b and b to a.
		elements := array.NewSlice(arrayOf(typ, v.b.v, v.a.v, v.b.v, nil, v.a.v, v.a.v, v.b.v), 1, 7)
		list := schema.Type{Kind: schema.Array, Elem: &typ}
		offsets := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{0, 3, 3, 6}))
		lists := array.NewSlice(array.MakeFromData(array.NewData(list.Arrow(), 3, []*memory.Buffer{nil, offsets}, []arrow.ArrayData{elements.Data()}, 0, 0)), 1, 3)
		column := Column(0, "list", list)
		second, err := ElementOf(column, Literal(int64(2), tInt))
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := Case([]*Node{Literal(true, tBool)}, []*Node{column}, Literal(nil, list))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(second, chosen)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := p.Eval([]arrow.Array{lists}, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got := valueAt(out[0], typ, 0) + valueAt(out[0], typ, 1); got != "NULL"+v.text {
			t.Errorf("%s: %s", list, got)
		}
		if got, want := valueAt(out[1], list, 1), valueAt(lists, list, 1); got != want || valueAt(out[1], list, 0) != "[]" {
			t.Errorf("%s: %s, want %s", list, got, want)
		}
		if isApprox(typ.Kind) {
			continue
		}
		dict := schema.Type{Kind: schema.Map, Key: &typ, Elem: &typ}
		entries := array.NewStructData(array.NewData(dict.Arrow().(*arrow.MapType).Elem(), 2, []*memory.Buffer{nil},
			[]arrow.ArrayData{arrayOf(typ, v.a.v, v.b.v).Data(), arrayOf(typ, v.b.v, v.a.v).Data()}, 0, 0))
		offsets = memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{0, 0, 2}))
		maps := array.MakeFromData(array.NewData(dict.Arrow(), 2, []*memory.Buffer{nil, offsets}, []arrow.ArrayData{entries.Data()}, 0, 0))
		look, err := ElementOf(Column(0, "m", dict), Literal(v.b.v, typ))
		if err != nil {
			t.Fatal(err)
		}
		if p, err = Compile(look); err != nil {
			t.Fatal(err)
		}
		if out, _, err = p.Eval([]arrow.Array{maps}, 2); err != nil || valueAt(out[0], typ, 0) != "NULL" || valueAt(out[0], typ, 1) != v.text {
			t.Errorf("%s: %v %v", dict, out, err)
		}
	}
}

// TestCannotFail lists what may be evaluated for rows that a query would not have reached.
func TestCannotFail(t *testing.T) {
	i, l, d, dec, s, at := Column(0, "i", tInt), Column(0, "l", tBig), Column(0, "d", tDouble), Column(0, "dec", tDec(12, 2)), Column(0, "s", tString), Column(0, "ts", tStamp(6))
	two := Literal(int64(2), tInt)
	must := func(n *Node, err error) *Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	returning := tInt
	for _, n := range []*Node{
		must(Call("=", i, l)), must(Call("/", i, two)), must(Call("%", dec, Literal(int64(3), tInt))), must(Call("+", d, i)), must(Call("+", dec, dec)), must(Call("*", dec, two)),
		must(Cast(i, tBig, false)), must(Cast(s, tInt, true)), must(Cast(i, tString, false)), must(Cast(i, tDec(10, 0), false)), must(Cast(dec, tDec(13, 2), false)), must(Cast(at, tDate, false)),
		must(Call("ROUND", i, two)), must(Call("ROUND", dec, Literal(int64(1), tInt))), must(Call("LIKE", s, s)), must(Call("DATE_FORMAT", at, textLiteral("yyyy"))),
		must(CallUnit("EXTRACT", "YEAR", at)), must(Call("UPPER", s)), must(JSONValue(s, "$.a", &returning, JSONDefault{}, JSONDefault{})), must(Call("SIGN", dec)), must(Call("POWER", d, d)),
	} {
		if n.CanFail() {
			t.Errorf("%s can fail", n)
		}
	}
	for _, n := range []*Node{
		must(Call("+", i, two)), must(Call("/", two, i)), must(Call("/", i, Literal(int64(-1), tInt))), must(Call("NEG", i)), must(Cast(l, tInt, false)), must(Cast(s, tInt, false)),
		must(Cast(d, tInt, false)), must(Cast(d, tDec(12, 2), false)), must(Cast(dec, tDec(11, 2), false)), must(Cast(dec, tDec(11, 1), false)), must(Call("ROUND", d, two)),
		must(Call("DATE_FORMAT", at, s)), must(Call("REGEXP_EXTRACT", s, s)), must(CallUnit("CEIL", "YEAR", at)), must(CallUnit("TIMESTAMPDIFF", "DAY", at, at)), must(Call("LIKE", s, s, textLiteral("!"))),
		must(JSONValue(s, "$.a", &returning, JSONDefault{}, JSONDefault{Error: true})), must(Call("+", at, iv(1, 0))), must(Call("UPPER", must(Cast(must(Call("/", i, i)), tString, false)))),
	} {
		if !n.CanFail() {
			t.Errorf("%s cannot fail", n)
		}
	}
}
