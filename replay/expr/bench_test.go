package expr

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
)

const benchRows = 8192

func benchColumns() []arrow.Array {
	r := rand.New(rand.NewSource(1))
	var cols []arrow.Array
	add := func(t schema.Type, f func() any) {
		values := make([]any, benchRows)
		for i := range values {
			if r.Intn(10) > 0 {
				values[i] = f()
			}
		}
		cols = append(cols, arrayOf(t, values...))
	}
	add(tInt, func() any { return int64(r.Intn(1000)) })
	add(tBig, func() any { return r.Int63n(1 << 40) })
	add(tDouble, func() any { return r.NormFloat64() * 100 })
	add(tDec(12, 2), func() any { v, _ := parseDecimal(fmt.Sprintf("%.2f", r.Float64()*10000), tDec(12, 2)); return v })
	add(tString, func() any { return fmt.Sprintf("customer-%d/%c", r.Intn(100000), 'a'+r.Intn(26)) })
	add(tStamp(6), func() any { return 1.7e15 + r.Int63n(1e13) })
	add(tString, func() any { return fmt.Sprint(r.Intn(1e6)) })
	return cols
}

func BenchmarkExpressions(b *testing.B) {
	cols := benchColumns()
	i, l, d, dec, s, ts, digits := Column(0, "i", tInt), Column(1, "l", tBig), Column(2, "d", tDouble), Column(3, "dec", tDec(12, 2)),
		Column(4, "s", tString), Column(5, "ts", tStamp(6)), Column(6, "digits", tString)
	must := func(n *Node, err error) *Node {
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	n := func(v int64) *Node { return Literal(v, tInt) }
	text := textLiteral
	for _, c := range []struct {
		name string
		n    *Node
	}{
		{"i+1", must(Call("+", i, n(1)))},
		{"l*i", must(Call("*", l, i))},
		{"l%10", must(Call("%", l, n(10)))},
		{"d*d+1.5", must(Call("+", must(Call("*", d, d)), Literal(1.5, tDouble)))},
		{"dec*3", must(Call("*", dec, n(3)))},
		{"dec/3", must(Call("/", dec, n(3)))},
		{"dec+dec", must(Call("+", dec, dec))},
		{"i>500", must(Call(">", i, n(500)))},
		{"i>500AND_d<1", must(Call("AND", must(Call(">", i, n(500))), must(Call("<", d, Literal(1.0, tDouble)))))},
		{"i<>0AND_10/i>1", must(Call("AND", must(Call("<>", i, n(0))), must(Call(">", must(Call("/", n(10), i)), n(1)))))},
		{"s=const", must(Call("=", s, text("customer-42/x")))},
		{"iIN5", must(In(i, []*Node{n(1), n(2), n(3), n(500), n(900)}, false))},
		{"CASE", must(Case([]*Node{must(Call(">", i, n(800))), must(Call(">", i, n(400)))}, []*Node{text("play"), text("peek")}, text("none")))},
		{"COALESCE", must(Call("COALESCE", i, n(0)))},
		{"UPPER", must(Call("UPPER", s))},
		{"SUBSTRING", must(Call("SUBSTRING", s, n(10), n(5)))},
		{"s||s", must(Call("||", s, text("/"), s))},
		{"LIKE", must(Call("LIKE", s, text("%/a")))},
		{"SPLIT_INDEX", must(Call("SPLIT_INDEX", s, text("/"), n(1)))},
		{"REGEXP_EXTRACT", must(Call("REGEXP_EXTRACT", s, text("([0-9]+)/"), n(1)))},
		{"MD5", must(Call("MD5", s))},
		{"CAST_i_AS_STRING", must(Cast(i, tString, false))},
		{"CAST_d_AS_STRING", must(Cast(d, tString, false))},
		{"CAST_s_AS_INT", must(Cast(digits, tInt, false))},
		{"CAST_l_AS_DOUBLE", must(Cast(l, tDouble, false))},
		{"CAST_d_AS_DECIMAL", must(Cast(d, tDec(12, 2), false))},
		{"ROUND_d_2", must(Call("ROUND", d, n(2)))},
		{"FLOOR_ts_DAY", must(CallUnit("FLOOR", "DAY", ts))},
		{"EXTRACT_MONTH", must(CallUnit("EXTRACT", "MONTH", ts))},
		{"ts+1h", must(Call("+", ts, IntervalLiteral(Interval{0, hour})))},
		{"DATE_FORMAT", must(Call("DATE_FORMAT", ts, text("yyyy-MM-dd HH:mm")))},
		{"POWER", must(Call("POWER", d, Literal(2.5, tDouble)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := Compile(c.n)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := p.Eval(cols, benchRows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
