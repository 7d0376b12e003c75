package expr

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/schema"
)

func TestFact09Comparison(t *testing.T) {
	nan := math.NaN()
	check(t, []fact{
		{c("=", bigint(1<<53+1), float64(1<<53)), "TRUE", "BOOLEAN"},
		{c("=", bigint(1<<53+1), dt("9007199254740992", 20, 0)), "FALSE", ""},
		{c("=", bigint(1<<53+1), dt("9007199254740993.00", 20, 2)), "TRUE", ""},
		{c("<", dt("99999999999999999999999999999999999999", 38, 0), dt("0.5", 38, 38)), "FALSE", ""},
		{c(">", dt("-99999999999999999999999999999999999999", 38, 0), dt("0.5", 38, 38)), "FALSE", ""},
		{c("=", nan, nan), "FALSE", ""},
		{c("<", nan, 1.0), "FALSE", ""},
		{c(">", nan, 1.0), "FALSE", ""},
		{c("<=", 1.0, nan), "FALSE", ""},
		{c(">=", k(1.0), nan), "FALSE", ""},
		{c("<>", nan, nan), "TRUE", ""},
		{c(">", "😀", "Ａ"), "TRUE", ""},
		{c("=", "a", "a "), "FALSE", ""},
		{c("<", "a", "a "), "TRUE", ""},
		{c("<", "B", "a"), "TRUE", ""},
		{c("<", false, true), "TRUE", ""},
		{c("=", bytesOf("a"), bytesOf("a")), "TRUE", ""},
		{c("=", f32(0.1), 0.1), "FALSE", ""},
		{c("=", 0.1, f32(0.1)), "FALSE", ""},
		{c("=", f32(0.1), d("0.1")), "FALSE", ""},
		{c("=", f32(0.5), d("0.5")), "TRUE", ""},
		{c("<", k(2), 1), "FALSE", ""},
		{c("<=", k(2), 3), "TRUE", ""},
		{c(">", k(2), 3), "FALSE", ""},
		{c(">=", 3, k(2)), "TRUE", ""},
		{c("<>", 3, k(2)), "TRUE", ""},
		{c("=", small(3), bigint(3)), "TRUE", ""},
	})
}

func TestFact10ComparableTypes(t *testing.T) {
	check(t, []fact{
		{c("=", day_("2024-02-29"), k("2024-02-29")), "TRUE", ""},
		{c("<", k("2024-02-28"), day_("2024-02-29")), "TRUE", ""},
		{c("=", ts("2024-02-29 12:00:00"), k("2024-02-29 12:00:00")), "TRUE", ""},
		{c("=", ts("2024-02-29 12:00:00"), k("x")), "!is no TIMESTAMP", ""},
		{c("=", ts("2024-02-29 00:00:00"), day_("2024-02-29")), "TRUE", ""},
		{c("=", tsp("2024-02-29 12:00:00", 0), k("2024-02-29 12:00:00.5")), "FALSE", ""},
		{c("=", "42", 42), "!cannot be compared", ""},
		{in("42", k(42)), "TRUE", ""},
		{c("=", true, k("true")), "!cannot be compared", ""},
		{c("=", true, 1), "!cannot be compared", ""},
		{c("=", 1, hours(1)), "!INTERVAL cannot be compared", ""},
	})
}

func TestFact11ThreeValues(t *testing.T) {
	n := null(tInt)
	check(t, []fact{
		{notIn(2, k(1), nil), "NULL", "BOOLEAN"},
		{notIn(1, k(1), nil), "FALSE", ""},
		{in(1, k(1), nil), "TRUE", ""},
		{in(n, k(1)), "NULL", ""},
		{in(2, k(1), k(3)), "FALSE", ""},
		{in(2, 1, 2), "TRUE", ""},
		{in(2, 1, null(tInt)), "NULL", ""},
		{in("b", k("a"), k("b")), "TRUE", ""},
		{in(1, k(d("1.5"))), "FALSE", ""},
		{notIn(1, k(d("1.5"))), "TRUE", ""},
		{in(1, k(d("1.0")), k(7)), "TRUE", ""},
		{in(f32(0.1), k(d("0.1"))), "FALSE", ""},
		{in(math.NaN(), math.NaN()), "FALSE", ""},
		{in(day_("2024-01-01"), k("2024-01-01")), "TRUE", ""},
		{in(ts("2024-01-01 00:00:00"), k(ts("2024-01-01 00:00:00")), k(ts("2024-01-02 00:00:00"))), "TRUE", ""},
		{in(true, k(false), k(true)), "TRUE", ""},
		{in(d("1.50"), k(d("1.5")), k(d("2.5"))), "TRUE", ""},
		{when(c("=", 1, nil), "hit", "miss"), "miss", ""},
		{c("BETWEEN", 5, 10, 1), "FALSE", ""},
		{c("BETWEEN", n, 10, 1), "NULL", ""},
		{c("BETWEEN", 11, nil, 10), "FALSE", ""},
		{c("BETWEEN", 5, nil, 10), "NULL", ""},
		{c("BETWEEN", 5, 1, d("5.0")), "TRUE", ""},
		{c("AND", null(tBool), false), "FALSE", ""},
		{c("AND", false, null(tBool)), "FALSE", ""},
		{c("AND", true, nil), "NULL", ""},
		{c("AND", nil, nil), "NULL", ""},
		{c("OR", null(tBool), true), "TRUE", ""},
		{c("OR", true, null(tBool)), "TRUE", ""},
		{c("OR", false, nil), "NULL", ""},
		{c("AND", true, true, false), "FALSE", ""},
		{c("NOT", null(tBool)), "NULL", ""},
		{c("NOT", true), "FALSE", ""},
		{c("IS NULL", n), "TRUE", ""},
		{c("IS NOT NULL", n), "FALSE", ""},
		{c("IS NULL", 1), "FALSE", ""},
		{c("IS NULL", nil), "TRUE", ""},
		{c("IS TRUE", null(tBool)), "FALSE", ""},
		{c("IS NOT TRUE", null(tBool)), "TRUE", ""},
		{c("IS FALSE", false), "TRUE", ""},
		{c("IS NOT FALSE", null(tBool)), "TRUE", ""},
		{c("IS DISTINCT FROM", 1, nil), "TRUE", ""},
		{c("IS DISTINCT FROM", n, nil), "FALSE", ""},
		{c("IS DISTINCT FROM", 1, 1), "FALSE", ""},
		{c("IS DISTINCT FROM", 1, 2), "TRUE", ""},
		{c("IS NOT DISTINCT FROM", n, null(tInt)), "TRUE", ""},
		{c("IS NOT DISTINCT FROM", n, 1), "FALSE", ""},
		{c("=", nil, nil), "NULL", "BOOLEAN"},
		{c("=", 1, nil), "NULL", ""},
		{c("AND", 1, true), "!takes a BOOLEAN", ""},
		{when(1, 2), "!takes a BOOLEAN", ""},
		{when(false, 2), "NULL", "INT"},
	})
}

// Rows in which i is 0 must never reach the division behind the test, and must fail when it comes first.
func TestFact12Lazy(t *testing.T) {
	i := Column(0, "i", tInt)
	must := func(n *Node, err error) *Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	lit := func(v int64) *Node { return Literal(v, tInt) }
	quotient := must(Call("/", lit(10), i))
	notZero := must(Call("<>", i, lit(0)))
	big := must(Call(">", quotient, lit(1)))
	col := arrayOf(tInt, int64(0), int64(1), nil, int64(5), int64(9), int64(0))
	run := func(n *Node) (sel []int32, failed []RowError) {
		p, err := Compile(n)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			sel, failed, err = p.EvalBool([]arrow.Array{col}, 6, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		return sel, failed
	}
	if sel, failed := run(must(Call("AND", notZero, big))); len(sel) != 2 || sel[0] != 1 || sel[1] != 3 || failed != nil {
		t.Errorf("%v %v", sel, failed)
	}
	if sel, failed := run(must(Call("AND", big, notZero))); len(sel) != 2 || len(failed) != 2 || failed[0].Row != 0 || failed[1].Row != 5 {
		t.Errorf("%v %v", sel, failed)
	}
	zero := must(Call("=", i, lit(0)))
	if sel, failed := run(must(Call("OR", zero, big))); len(sel) != 4 || failed != nil {
		t.Errorf("%v %v", sel, failed)
	}
	hundred := must(Call("/", lit(100), i))
	choice := must(Case([]*Node{zero}, []*Node{lit(0)}, hundred))
	p, _ := Compile(choice, must(Call("COALESCE", i, quotient)), hundred)
	out, failed, err := p.Eval([]arrow.Array{col}, 6)
	if err != nil || len(failed) != 2 || failed[0].Row != 0 || failed[1].Row != 5 {
		t.Fatalf("%v %v", failed, err)
	}
	if valueAt(out[0], tInt, 0) != "0" || valueAt(out[0], tInt, 3) != "20" || valueAt(out[0], tInt, 2) != "NULL" || valueAt(out[2], tInt, 5) != "NULL" {
		t.Error(out)
	}
	if !quotient.CanFail() || notZero.CanFail() || must(Call("/", i, lit(3))).CanFail() {
		t.Error("CanFail")
	}
	// IS NULL hides the value of a failed row, not that it failed.
	if sel, failed := run(must(Call("IS NULL", quotient))); len(failed) != 2 || len(sel) != 1 || sel[0] != 2 {
		t.Errorf("%v %v", sel, failed)
	}
}

func TestFact13Like(t *testing.T) {
	check(t, []fact{
		{c("LIKE", "a\\b", k("a\\b")), "TRUE", "BOOLEAN"},
		{c("LIKE", "a%b", "a\\%b"), "FALSE", ""},
		{c("LIKE", "a\\xb", "a\\%b"), "TRUE", ""},
		{c("LIKE", "a%b", k("a!%b"), k("!")), "TRUE", ""},
		{c("LIKE", "axb", k("a!%b"), k("!")), "FALSE", ""},
		{c("LIKE", "a_b", "a!_b", "!"), "TRUE", ""},
		{c("LIKE", "a!b", "a!!b", "!"), "TRUE", ""},
		{c("LIKE", "axb", "a!xb", "!"), "!escape", ""},
		{c("LIKE", "ab", "ab!", "!"), "!escape", ""},
		{c("LIKE", "ab", "ab", "!!"), "!one character", ""},
		{c("LIKE", "😀", "_"), "TRUE", ""},
		{c("LIKE", "a\nb", "a_b"), "TRUE", ""},
		{c("LIKE", "a\nb", "a%b"), "TRUE", ""},
		{c("LIKE", "ABC", "abc"), "FALSE", ""},
		{c("LIKE", "abc", "%"), "TRUE", ""},
		{c("LIKE", "", "%"), "TRUE", ""},
		{c("LIKE", "", "_"), "FALSE", ""},
		{c("LIKE", "", ""), "TRUE", ""},
		{c("LIKE", "abc", "a%"), "TRUE", ""},
		{c("LIKE", "abc", "%c"), "TRUE", ""},
		{c("LIKE", "abc", "%b%"), "TRUE", ""},
		{c("LIKE", "abc", "%d%"), "FALSE", ""},
		{c("LIKE", "aXbXc", "a%b%c"), "TRUE", ""},
		{c("LIKE", "aXbXcd", "a%b%c"), "FALSE", ""},
		{c("LIKE", "mississippi", "%iss%ppi"), "TRUE", ""},
		{c("LIKE", "mississippi", "m_ss%pp_"), "TRUE", ""},
		{c("LIKE", null(tString), "%"), "NULL", ""},
	})
}

// Texts that an earlier run or another branch left behind must never show.
func TestChosenTexts(t *testing.T) {
	b, s, i := Column(0, "b", tBool), Column(1, "s", tString), Column(2, "i", tInt)
	must := func(n *Node, err error) *Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	upper := must(Call("||", must(Call("UPPER", s)), textLiteral("!")))
	number := must(Cast(i, tString, false))
	piece := must(Call("SUBSTRING", s, Literal(int64(2), tInt)))
	n := must(Case([]*Node{b, must(Call("LIKE", upper, textLiteral("%X!")))}, []*Node{upper, number}, must(Call("COALESCE", piece, number))))
	p, err := Compile(n, must(Call("=", n, upper)))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []struct {
		b, s, i []any
		want    []string
	}{
		{[]any{true, false, nil, false}, []any{"ab", "xx", "abc", nil}, []any{int64(1), int64(22), nil, int64(333)}, []string{"AB!", "22", "bc", "333"}},
		{[]any{nil, true, false, true}, []any{nil, nil, "é", "é"}, []any{nil, int64(5), int64(6), int64(7)}, []string{"NULL", "NULL", "", "É!"}},
	} {
		cols := []arrow.Array{arrayOf(tBool, run.b...), arrayOf(tString, run.s...), arrayOf(tInt, run.i...)}
		out, failed, err := p.Eval(cols, 4)
		if err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		for k, want := range run.want {
			if got := valueAt(out[0], tString, k); got != want {
				t.Errorf("row %d: %q, want %q", k, got, want)
			}
		}
	}
}

// A column of which nothing is known is NULL in every row and takes the type of what it stands beside.
func TestColumnOfNulls(t *testing.T) {
	u := Column(0, "u", schema.Type{})
	cols := []arrow.Array{array.NewNull(3)}
	eq, err := Call("=", u, Literal(int64(1), tInt))
	if err != nil {
		t.Fatal(err)
	}
	both, err := Call("COALESCE", u, textLiteral("x"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(u, eq, both)
	if err != nil {
		t.Fatal(err)
	}
	out, failed, err := p.Eval(cols, 3)
	if err != nil || failed != nil || out[0].Len() != 3 || out[1].NullN() != 3 || valueAt(out[2], tString, 2) != "x" {
		t.Errorf("%v %v %v", out, failed, err)
	}
}

func TestFact01TextLength(t *testing.T) {
	if CharLength("abc") != 3 || CharLength("😀") != 2 {
		t.Error("UTF-16 units")
	}
}
