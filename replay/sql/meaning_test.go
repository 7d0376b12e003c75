package sql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/expr"
)

// What a plan means is checked against the query taken literally: every pair of rows, the whole ON, then WHERE.
// Keys, bands, filters moved down, columns left out and renumbered must all give the same rows.

// rows are columns of one length; times is the event time of each.
type rows struct {
	cols  []arrow.Array
	n     int
	times []int64
}

// take has the rows at these positions, NULLs for -1.
func (r rows) take(t *testing.T, at []int) []arrow.Array {
	t.Helper()
	out := make([]arrow.Array, len(r.cols))
	for c, col := range r.cols {
		b := array.NewBuilder(memory.DefaultAllocator, col.DataType())
		for _, i := range at {
			if i < 0 || col.IsNull(i) {
				b.AppendNull()
				continue
			}
			switch col := col.(type) {
			case *array.Int32:
				b.(*array.Int32Builder).Append(col.Value(i))
			case *array.Int64:
				b.(*array.Int64Builder).Append(col.Value(i))
			case *array.Float64:
				b.(*array.Float64Builder).Append(col.Value(i))
			case *array.Decimal128:
				b.(*array.Decimal128Builder).Append(col.Value(i))
			case *array.String:
				b.(*array.StringBuilder).Append(col.Value(i))
			case *array.Timestamp:
				b.(*array.TimestampBuilder).Append(col.Value(i))
			default:
				t.Fatalf("%T", col)
			}
		}
		out[c] = b.NewArray()
	}
	return out
}

func evaluate(t *testing.T, n *expr.Node, cols []arrow.Array, count int) arrow.Array {
	t.Helper()
	p, err := expr.Compile(n)
	if err != nil {
		t.Fatal(err)
	}
	out, failed, err := p.Eval(cols, count)
	if err != nil || len(failed) > 0 {
		t.Fatalf("%s: %v %v", exprText(n, 0), failed, err)
	}
	return out[0]
}

func isTrue(a arrow.Array, i int) bool { return a.IsValid(i) && a.(*array.Boolean).Value(i) }

func selected(t *testing.T, cond *expr.Node, cols []arrow.Array, count int) func(int) bool {
	if cond == nil {
		return func(int) bool { return true }
	}
	a := evaluate(t, cond, cols, count)
	return func(i int) bool { return isTrue(a, i) }
}

// pairs lists every pair, and both sides' columns at them.
func pairs(t *testing.T, l, r rows) (li, ri []int, cols []arrow.Array) {
	for i := range l.n {
		for j := range r.n {
			li, ri = append(li, i), append(ri, j)
		}
	}
	return li, ri, append(l.take(t, li), r.take(t, ri)...)
}

// joined keeps the pairs that match, and the rows of a side that none did where the join keeps them.
func joined(t *testing.T, kind JoinKind, l, r rows, match func(pair, li, ri int) bool) rows {
	li, ri, _ := pairs(t, l, r)
	var outL, outR []int
	var times []int64
	hit, met := make([]bool, l.n), make([]bool, r.n)
	for p := range li {
		if match(p, li[p], ri[p]) {
			if kind != Anti && (kind != Semi || !hit[li[p]]) {
				outL, outR, times = append(outL, li[p]), append(outR, ri[p]), append(times, l.times[li[p]])
			}
			hit[li[p]], met[ri[p]] = true, true
		}
	}
	for i, h := range hit {
		if (kind == Left || kind == Full || kind == Anti) && !h {
			outL, outR, times = append(outL, i), append(outR, -1), append(times, l.times[i])
		}
	}
	for i, h := range met {
		if (kind == Right || kind == Full) && !h {
			outL, outR, times = append(outL, -1), append(outR, i), append(times, r.times[i])
		}
	}
	return rows{append(l.take(t, outL), r.take(t, outR)...), len(outL), times}
}

func (r rows) pick(which []int) rows {
	out := rows{n: r.n, times: r.times}
	for _, w := range which {
		out.cols = append(out.cols, r.cols[w])
	}
	return out
}

func (r rows) where(t *testing.T, keep func(int) bool) rows {
	var at []int
	var times []int64
	for i := range r.n {
		if keep(i) {
			at, times = append(at, i), append(times, r.times[i])
		}
	}
	return rows{r.take(t, at), len(at), times}
}

// run is a plan, the slow way.
func run(t *testing.T, n Node, data map[string]rows, cat Catalog) rows {
	t.Helper()
	switch n := n.(type) {
	case *Scan:
		in := data[n.Stream].pick(n.Columns)
		return in.where(t, selected(t, n.Filter, in.cols, in.n))
	case *Filter:
		in := run(t, n.Input, data, cat)
		return in.where(t, selected(t, n.Where, in.cols, in.n))
	case *Project:
		in := run(t, n.Input, data, cat)
		out := rows{n: in.n, times: in.times}
		for _, e := range n.Exprs {
			out.cols = append(out.cols, evaluate(t, e, in.cols, in.n))
		}
		return out
	case *Join:
		l, r := run(t, n.Left, data, cat), run(t, n.Right, data, cat)
		_, _, cols := pairs(t, l, r)
		on := selected(t, n.On, cols, l.n*r.n)
		same := equalKeys(t, n.LeftKeys, l.cols, l.n, n.RightKeys, r.cols, r.n)
		return joined(t, n.Kind, l, r, func(p, i, j int) bool {
			d := r.times[j] - l.times[i]
			return d >= n.Lo && d <= n.Hi && same(i, j) && on(p)
		}).pick(n.Output)
	case *Lookup:
		l := run(t, n.Input, data, cat)
		table := data[n.Table]
		r := table.pick(n.Columns)
		_, _, cols := pairs(t, l, r)
		on := selected(t, n.On, cols, l.n*r.n)
		rel := cat.Tables[n.Table]
		var keys []*expr.Node
		for i, name := range rel.Key {
			c := fieldIndex(rel.Fields, name)
			if !n.Keys[i].Type.Equal(rel.Fields[c].Type) {
				t.Fatalf("key %s is %s", name, n.Keys[i].Type)
			}
			keys = append(keys, expr.Column(c, name, rel.Fields[c].Type))
		}
		same := equalKeys(t, n.Keys, l.cols, l.n, keys, table.cols, table.n)
		return joined(t, n.Kind, l, r, func(p, i, j int) bool { return same(i, j) && on(p) }).pick(n.Output)
	}
	t.Fatalf("%T", n)
	return rows{}
}

func equalKeys(t *testing.T, lk []*expr.Node, lc []arrow.Array, ln int, rk []*expr.Node, rc []arrow.Array, rn int) func(i, j int) bool {
	var ls, rs []arrow.Array
	for i := range lk {
		ls, rs = append(ls, evaluate(t, lk[i], lc, ln)), append(rs, evaluate(t, rk[i], rc, rn))
	}
	return func(i, j int) bool {
		for k := range ls {
			if ls[k].IsNull(i) || rs[k].IsNull(j) || key(ls[k], i) != key(rs[k], j) {
				return false
			}
		}
		return true
	}
}

// key tells values apart as their bytes do: -0.0 is not 0.0, and NaN is NaN.
func key(a arrow.Array, i int) string {
	if f, ok := a.(*array.Float64); ok {
		return strconv.FormatUint(math.Float64bits(f.Value(i)), 16)
	}
	return a.ValueStr(i)
}

// literally is the query without any of the planner's work behind binding.
func literally(t *testing.T, text string, data map[string]rows, cat Catalog) rows {
	t.Helper()
	q, _, _ := parse(text)
	s := q.Selects[0]
	br := bindSelect(s, newScope(cat, nil), true)
	cur := data[s.From.Name]
	for k, j := range s.Joins {
		r := data[j.Table.Name]
		br.visible = k + 2
		on := br.condition(j.On, "ON")
		_, _, cols := pairs(t, cur, r)
		cur = joined(t, j.Kind, cur, r, func() func(p, i, j int) bool {
			hit := selected(t, on, cols, cur.n*r.n)
			return func(p, _, _ int) bool { return hit(p) }
		}())
	}
	k := len(s.Joins)
	for _, x := range flatten("AND", s.Where) {
		e, not := existsIn(x)
		if e == nil {
			br.visible = len(s.Joins) + 1
			cur = cur.where(t, selected(t, br.condition(x, "WHERE"), cur.cols[:br.sources[br.visible-1].base+len(meaningFields)], cur.n))
			continue
		}
		k++
		r := data[e.Sub.From.Name]
		br.visible, br.sources[k].hidden = k+1, false
		on := br.condition(e.Sub.Where, "WHERE")
		br.sources[k].hidden = true
		_, _, cols := pairs(t, cur, r)
		hit := selected(t, on, cols, cur.n*r.n)
		kind := Semi
		if not {
			kind = Anti
		}
		cur = joined(t, kind, cur, r, func(p, _, _ int) bool { return hit(p) })
	}
	out := rows{n: cur.n, times: cur.times}
	for _, e := range br.exprs {
		out.cols = append(out.cols, evaluate(t, e, cur.cols, cur.n))
	}
	return out
}

func (r rows) sorted() []string {
	out := make([]string, r.n)
	for i := range out {
		parts := []string{fmt.Sprint(r.times[i])}
		for _, c := range r.cols {
			parts = append(parts, c.ValueStr(i))
		}
		out[i] = strings.Join(parts, "|")
	}
	sort.Strings(out)
	return out
}

var meaningFields = fields("id", tInt, "i", tInt, "l", tBig, "d", tDouble, "n", decimal(8, 2), "s", tText, "t", tTime, "u", tMillis)

func meaningCatalog() Catalog {
	return Catalog{
		Streams: map[string]Relation{"a": {Fields: meaningFields, Time: "t"}, "b": {Fields: meaningFields, Time: "t"}, "c": {Fields: meaningFields, Time: "u"}},
		Tables:  map[string]Relation{"k": {Fields: meaningFields, Key: []string{"id"}}, "m": {Fields: meaningFields, Key: []string{"n"}}},
	}
}

func randomRows(r *rand.Rand, n, time int, distinct int) rows {
	cols := make([]arrow.Array, len(meaningFields))
	var times []int64
	for c, f := range meaningFields {
		b := array.NewBuilder(memory.DefaultAllocator, f.Type.Arrow())
		for i := range n {
			v := r.IntN(4)
			if c != time && c != distinct && c != 0 && r.IntN(6) == 0 {
				b.AppendNull()
				continue
			}
			if c == distinct || c == 0 {
				v = i
			}
			switch b := b.(type) {
			case *array.Int32Builder:
				b.Append(int32(v))
			case *array.Int64Builder:
				b.Append(int64(v))
			case *array.Float64Builder:
				b.Append([]float64{0, math.Copysign(0, -1), math.NaN(), 1}[v])
			case *array.Decimal128Builder:
				b.Append(decimal128.FromI64(int64(v) * 50))
			case *array.StringBuilder:
				b.Append([]string{"", "x", "y", "xy"}[v])
			case *array.TimestampBuilder:
				us := int64(v) * 1000
				if c == 6 {
					us += int64(r.IntN(3)) - 1
				}
				b.Append(arrow.Timestamp(us))
				if c == time {
					times = append(times, us)
				}
			}
		}
		cols[c] = b.NewArray()
	}
	return rows{cols, n, times}
}

var meaningParts = struct{ equal, low, high, more, third, table, where []string }{
	equal: []string{"b.i = a.i", "a.l = b.i", "b.n = a.i", "a.d = b.d", "b.d = a.i", "a.s = b.s", "a.s || 'x' = b.s || 'x'", "b.l + 1 = a.l + 1", "a.u = b.u"},
	low: []string{"b.t >= a.t", "b.t > a.t - INTERVAL '0.001' SECOND", "a.t <= b.t", "a.t - INTERVAL '0.000001' SECOND < b.t", "b.t - INTERVAL '1' MILLISECOND >= a.t",
		"b.t BETWEEN a.t AND a.t + INTERVAL '0.003' SECOND", "a.t BETWEEN b.t - INTERVAL '2' MILLISECOND AND b.t + INTERVAL '1' MICROSECOND", "b.t = a.t"},
	high: []string{"b.t <= a.t + INTERVAL '0.002' SECOND", "a.t > b.t - INTERVAL '0.001001' SECOND", "b.t < a.t + INTERVAL '2' MILLISECOND", "TIMESTAMPADD(SECOND, 1, a.t) >= b.t"},
	more: []string{"b.s = 'x'", "a.s <> 'y'", "b.i > a.i", "a.i IS NOT NULL", "(b.s LIKE 'x%' OR a.s IS NULL)", "b.t <> a.t", "TRUE", "a.l IS NOT DISTINCT FROM b.l", "b.i IN (1, 2, NULL)", "b.t > a.u", "b.n BETWEEN 0.5 AND a.n"},
	third: []string{"c.u BETWEEN b.t AND b.t + INTERVAL '2' MILLISECOND", "c.u >= a.t AND c.u < b.t + INTERVAL '0.0015' SECOND", "c.u BETWEEN a.t - INTERVAL '1' MILLISECOND AND a.t + INTERVAL '1' MILLISECOND AND c.i <> 2",
		"b.t BETWEEN c.u - INTERVAL '1' MILLISECOND AND c.u + INTERVAL '1' MILLISECOND AND a.i > 0 AND b.s = 'x'", "c.u BETWEEN a.t - INTERVAL '1' MILLISECOND AND a.t + INTERVAL '1' MILLISECOND AND b.s = 'x'", "c.u + INTERVAL '0.0005' SECOND >= a.t AND c.u - INTERVAL '0.000999' SECOND < a.t", "c.u > b.t AND a.t + INTERVAL '3' MILLISECOND > c.u AND c.s = a.s"},
	table: []string{" JOIN k ON k.id = a.i", " JOIN k ON a.n = k.id AND k.s <> 'x'", " JOIN k ON k.id = a.l AND a.s = 'x' AND k.d = a.d", " JOIN m ON m.n = a.i", " JOIN m ON a.n + 0.001 = m.n", " JOIN k ON k.id = 2 AND k.i = a.i"},
	where: []string{"a.i > 0", "b.i > 0", "b.i IS NULL", "(a.s = 'x' OR b.s = 'y')", "a.l <> 2", "b.s = 'x' AND a.i = 1", "b.d = a.d", "TRUE", "(a.t < b.t OR b.t IS NULL)"},
}

func TestPlanMeansTheQuery(t *testing.T) {
	cases := 400
	if v, err := strconv.Atoi(os.Getenv("LOCKSTEP_CASES")); err == nil {
		cases = v
	}
	seed := uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("LOCKSTEP_SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Logf("repeat with LOCKSTEP_SEED=%d go test ./replay/sql -run TestPlanMeansTheQuery", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	one := func(list []string) string { return list[r.IntN(len(list))] }
	kind := func() string { return one([]string{" LEFT", " INNER", " LEFT OUTER", ""}) }
	kinds := func() string { return one([]string{" LEFT", " INNER", " RIGHT", " FULL OUTER", ""}) }
	cat, matched := meaningCatalog(), 0
	for range cases {
		on := []string{one(meaningParts.equal), one(meaningParts.low), one(meaningParts.high)}
		for r.IntN(2) == 0 {
			on = append(on, one(append(append([]string{}, meaningParts.more...), meaningParts.equal...)))
		}
		r.Shuffle(len(on), func(i, j int) { on[i], on[j] = on[j], on[i] })
		query := "SELECT a.id AS a, b.id AS b"
		from := " FROM a" + kinds() + " JOIN b ON " + strings.Join(on, " AND ")
		third := func() {
			query += ", c.id AS c, c.n"
			from += kinds() + " JOIN c ON c.l = a.i AND " + one(meaningParts.third)
		}
		if r.IntN(3) == 0 {
			third()
			third = nil
		}
		if r.IntN(2) == 0 {
			table := one(meaningParts.table)
			query += ", " + string(table[6]) + ".id AS t, CASE WHEN a.s = b.s THEN a.n ELSE b.n END AS x"
			from += kind() + table
			if third != nil && r.IntN(2) == 0 {
				third()
				from += one([]string{"", " AND c.s = " + string(table[6]) + ".s", " AND " + string(table[6]) + ".i < 3"})
			}
		}
		query += from
		if r.IntN(2) == 0 {
			conds := []string{one(meaningParts.where)}
			for r.IntN(2) == 0 {
				conds = append(conds, one(meaningParts.where))
			}
			for r.IntN(3) == 0 {
				conds = append(conds, one([]string{"", "NOT "})+"EXISTS (SELECT 1 FROM c AS e"+fmt.Sprint(len(conds))+" WHERE e"+fmt.Sprint(len(conds))+".l = a.i AND "+
					strings.ReplaceAll(one(meaningParts.third), "c.", "e"+fmt.Sprint(len(conds))+".")+")")
			}
			query += " WHERE " + strings.Join(conds, " AND ")
		}
		data := map[string]rows{"a": randomRows(r, 9, 6, -1), "b": randomRows(r, 9, 6, -1), "c": randomRows(r, 5, 7, -1), "k": randomRows(r, 4, 6, 0), "m": randomRows(r, 4, 6, 4)}
		p, problems := Compile(query, cat)
		if broken(problems) {
			t.Fatalf("%s\n%s", query, listed(problems))
		}
		checkPlan(t, p)
		got, want := run(t, p.Root, data, cat).sorted(), literally(t, query, data, cat).sorted()
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("seed %d\n%s\n%s\ngot %d rows\n%s\nwant %d\n%s", seed, query, p, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
		}
		if len(want) > 0 {
			matched++
		}
	}
	if matched < cases/3 {
		t.Errorf("only %d of %d cases have rows", matched, cases)
	}
}
