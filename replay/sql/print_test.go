package sql

import (
	"math/rand/v2"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-data/lockstep/schema"
)

// where is the type of positions, which printing does not keep.
var where = reflect.TypeFor[Pos]()

// bare is a copy of a tree without positions.
func bare[T any](x T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(withoutPos(reflect.ValueOf(&x).Elem()))
	return out.Interface().(T)
}

func withoutPos(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return v
		}
		inner := withoutPos(v.Elem())
		if v.Kind() == reflect.Interface {
			out := reflect.New(v.Type()).Elem()
			out.Set(inner)
			return out
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out
	case reflect.Slice:
		if v.Len() == 0 {
			return reflect.Zero(v.Type())
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(withoutPos(v.Index(i)))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		if v.Type() != where {
			for i := range v.NumField() {
				out.Field(i).Set(withoutPos(v.Field(i)))
			}
		}
		return out
	}
	return v
}

func printed(q *query, d Dialect) string {
	w := &printer{dialect: d}
	w.query(q)
	return w.b.String()
}

// gen makes random trees that the grammar can produce.
type gen struct{ *rapid.T }

func (g gen) n(most int) int { return rapid.IntRange(0, most).Draw(g.T, "n") }

func (g gen) coin() bool { return g.n(1) == 1 }

func (g gen) pick(words ...string) string { return words[g.n(len(words)-1)] }

func (g gen) name() string {
	return g.pick("a", "b", "shown_at", "Case", "select", "from", "odd name", "tick`tick", "date", "both", "array", "ünï", "1st", "day", "null", "left", "x$", "current_date", "-- no", "'")
}

func (g gen) text() string {
	return g.pick("", "x", "it's", "''", "a\nb", "-- no comment", "/* */", "🎬", "`", `"`, "\\")
}

func (g gen) list(most, depth int) []expression {
	var out []expression
	for range g.n(most) + 1 {
		out = append(out, g.expr(depth))
	}
	return out
}

var unitNames = []string{"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "EPOCH"}

func (g gen) interval() expression {
	return []expression{
		intervalLit{Neg: g.coin(), Text: "4", From: g.pick("DAY", "HOUR", "YEAR", "WEEK", "MILLISECOND")}, intervalLit{Text: "-1.5", From: "SECOND"},
		intervalLit{Text: "1 02:03:04.000005", From: "DAY", To: "SECOND"}, intervalLit{Neg: true, Text: "1-2", From: "YEAR", To: "MONTH"},
	}[g.n(3)]
}

func (g gen) expr(depth int) expression {
	leaf := depth <= 0
	kind := g.n(22)
	if leaf {
		kind %= 8
	}
	depth--
	sub := func() expression { return g.expr(depth) }
	switch kind {
	case 0, 1:
		parts := []string{g.name()}
		for range g.n(2) {
			parts = append(parts, g.name())
		}
		return columnRef{Parts: parts}
	case 2:
		return numberLit{Text: g.pick("1", "1.50", ".5", "5.", "1e0", "0.001", "12E+3", "9223372036854775808")}
	case 3:
		return textLit{Value: g.text()}
	case 4:
		return []expression{nullLit{}, boolLit{Value: true}, boolLit{}, bytesLit{Hex: "0AFF"}}[g.n(3)]
	case 5:
		return timeLit{Kind: g.pick("DATE", "TIMESTAMP"), Text: "2024-02-29"}
	case 6, 7:
		return g.interval()
	case 8, 9, 10:
		return binary{Op: g.pick("AND", "OR", "+", "-", "*", "/", "%", "||", "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"), L: sub(), R: sub()}
	case 11:
		return unary{Op: g.pick("-", "+", "NOT"), X: sub()}
	case 12:
		return isTest{What: g.pick("IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT FALSE", "IS UNKNOWN"), X: sub()}
	case 13:
		return between{Not: g.coin(), X: sub(), Lo: sub(), Hi: sub()}
	case 14:
		return inList{Not: g.coin(), X: sub(), List: g.list(3, depth)}
	case 15:
		l := like{Not: g.coin(), X: sub(), Pattern: sub()}
		if g.coin() {
			l.Escape = sub()
		}
		return l
	case 16:
		c := caseExpr{}
		if g.coin() {
			c.Operand = sub()
		}
		for range g.n(2) + 1 {
			c.Whens, c.Thens = append(c.Whens, sub()), append(c.Thens, sub())
		}
		if g.coin() {
			c.Else = sub()
		}
		return c
	case 17:
		return castExpr{Try: g.coin(), X: sub(), To: g.typ(2)}
	case 18:
		return g.call(depth)
	case 19:
		return fieldOf{X: g.base(depth), Name: g.name()}
	case 20:
		return elementOf{X: sub(), Index: sub()}
	case 21:
		e := exists{Sub: g.selectStmt(depth - 1)}
		if g.coin() {
			e.X = sub()
		}
		return e
	}
	j := jsonValue{X: sub(), Path: g.text()}
	if g.coin() {
		to := g.typ(0)
		j.Returning = &to
	}
	if g.coin() {
		j.OnEmpty = &jsonDefault{X: sub()}
	}
	if g.coin() {
		j.OnError = &jsonDefault{Error: true}
	}
	return j
}

func (g gen) base(depth int) expression { return g.expr(depth) }

func (g gen) call(depth int) expression {
	one := func() []expression { return []expression{g.expr(depth)} }
	two := func() []expression { return []expression{g.expr(depth), g.expr(depth)} }
	switch g.n(7) {
	case 0:
		return call{Name: "EXTRACT", Unit: unitNames[g.n(6)], Args: one()}
	case 1:
		return call{Name: g.pick("TIMESTAMPADD", "TIMESTAMPDIFF"), Unit: unitNames[g.n(5)], Args: two()}
	case 2:
		return call{Name: g.pick("FLOOR", "CEIL"), Unit: unitNames[g.n(5)], Args: one()}
	case 3:
		args := one()
		if g.coin() {
			args = two()
		}
		return call{Name: "TRIM", Unit: g.pick("BOTH", "LEADING", "TRAILING"), Args: args}
	case 4:
		return call{Name: "POSITION", Args: two()}
	case 5:
		return call{Name: "SUBSTRING", Args: g.list(2, depth)}
	case 6:
		return call{Name: "NOTHING"}
	}
	c := call{Name: g.pick("FLOOR", "UPPER", "LEFT", "MY_OWN", "COUNT", "LISTAGG"), Args: g.list(3, depth)}
	if c.Name == "FLOOR" || g.coin() {
		return c
	}
	c.Distinct, c.Nulls = g.coin(), g.pick("", "IGNORE", "RESPECT")
	if g.n(3) == 0 {
		c.Args, c.Star, c.Distinct, c.Nulls = nil, true, false, ""
	}
	if g.coin() {
		c.Filter = g.expr(depth)
	}
	if g.coin() {
		c.Over = &overClause{}
		if g.coin() {
			c.Over.Partition = g.list(2, depth)
		}
		for range g.n(2) {
			c.Over.Order = append(c.Over.Order, orderItem{X: g.expr(depth), Desc: g.coin(), Nulls: g.pick("", "FIRST", "LAST")})
		}
	}
	return c
}

func (g gen) typ(depth int) schema.Type {
	switch k := g.n(12); {
	case k == 10 && depth > 0:
		elem := g.typ(depth - 1)
		return schema.Type{Kind: schema.Array, Elem: &elem}
	case k == 11 && depth > 0:
		key, elem := g.typ(0), g.typ(depth-1)
		return schema.Type{Kind: schema.Map, Key: &key, Elem: &elem}
	case k == 12 && depth > 0:
		return schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: g.name(), Type: g.typ(depth - 1)}, {Name: g.name(), Type: g.typ(0)}}}
	default:
		return []schema.Type{tBool, {Kind: schema.SmallInt}, tInt, tBig, {Kind: schema.Float}, tDouble, decimal(12, 2), tText, {Kind: schema.String, Precision: 3}, {Kind: schema.Bytes}, tDate, tTime, tMillis}[k]
	}
}

func (g gen) table() *tableRef {
	t := &tableRef{Name: g.name()}
	switch g.n(9) {
	case 0:
		t.Name, t.Sub = "", g.selectStmt(1)
	case 1:
		w := &windowRef{Kind: g.pick("TUMBLE", "HOP", "SESSION"), Time: columnRef{Parts: []string{g.name()}}, Data: &tableRef{Name: g.name()}, Args: g.list(2, 1)}
		w.Data.Alias = w.Data.Name
		if g.n(3) == 0 {
			w.Data = &tableRef{Sub: g.selectStmt(1)}
		}
		if w.Kind == "SESSION" && g.coin() {
			w.Partition = g.list(1, 1)
		}
		t.Name, t.Window = "", w
	}
	t.Alias = t.Name
	if g.coin() {
		t.Alias = g.name()
	}
	if g.n(3) == 0 {
		t.AsOf = g.expr(1)
	}
	return t
}

func (g gen) query() *query {
	q := &query{}
	for range max(g.n(4)-2, 0) {
		q.With = append(q.With, &cte{Name: g.name(), Sub: g.selectStmt(2)})
	}
	for range g.n(2) + 1 {
		q.Selects = append(q.Selects, g.selectStmt(3))
	}
	return q
}

func (g gen) selectStmt(depth int) *selectStmt {
	s := &selectStmt{From: g.table()}
	for range g.n(2) + 1 {
		switch g.n(4) {
		case 0:
			s.Items = append(s.Items, item{Star: true})
		case 1:
			s.Items = append(s.Items, item{Star: true, Of: g.name()})
		default:
			it := item{X: g.expr(depth)}
			if g.coin() {
				it.Alias = g.name()
			}
			s.Items = append(s.Items, it)
		}
	}
	for range g.n(2) {
		s.Joins = append(s.Joins, &joinClause{Kind: JoinKind(g.n(3)), Table: g.table(), On: g.expr(depth)})
	}
	if g.coin() {
		s.Where = g.expr(depth)
	}
	if g.n(3) == 0 {
		s.GroupBy = g.list(2, depth)
	}
	if g.n(3) == 0 {
		s.Having = g.expr(depth)
	}
	if g.n(3) == 0 {
		s.Qualify = g.expr(depth)
	}
	return s
}

// What is printed is read back as the same tree, in both dialects.
func TestPrintAndParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := gen{t}.query()
		for _, d := range []Dialect{Lockstep, Flink} {
			text := printed(q, d)
			back, _, problems := parse(text)
			if len(problems) > 0 {
				t.Fatalf("%s\n%s", text, listed(problems))
			}
			if d == Flink {
				if again := printed(back, Flink); again != text {
					t.Fatalf("printed\n%s\nthen\n%s", text, again)
				}
				continue
			}
			if !reflect.DeepEqual(bare(q), bare(back)) {
				t.Fatalf("%s\nis read back as\n%s", text, printed(back, d))
			}
		}
	})
}

func TestFormat(t *testing.T) {
	const query = `select i.rank -- the rank
		, CASE when i.rank != 1 then 'it''s' end as Outcome, trim(leading 'x' from impression_id) t, substring(impression_id from 2 for 3) as u, - -1 as v, (1 + 2) * 3 as w, 1 + (2 * 3) as x
	from impressions as i left outer join playbacks p on p.profile_id = i.profile_id and (p.played_at between i.shown_at and i.shown_at + interval '100' minutes)
	left join customers for system_time as of i.shown_at c on c.customer_id = i.profile_id
	where not (i.rank = 1 or i.rank is null) and i.year in (1, 2) union all (select 1, 2, 3, 4, 5, 6, 7 from playbacks);`
	const own = `SELECT i.rank,
       CASE WHEN i.rank <> 1 THEN 'it''s' END AS Outcome,
       TRIM(LEADING 'x' FROM impression_id) AS t,
       SUBSTRING(impression_id, 2, 3) AS u,
       - -1 AS v,
       (1 + 2) * 3 AS w,
       1 + 2 * 3 AS x
FROM impressions AS i
LEFT JOIN playbacks AS p ON p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '100' MINUTE
LEFT JOIN customers FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id
WHERE NOT (i.rank = 1 OR i.rank IS NULL) AND i.year IN (1, 2)
UNION ALL
SELECT 1,
       2,
       3,
       4,
       5,
       6,
       7
FROM playbacks
`
	got, problems := Format(query, Lockstep)
	if got != own || len(problems) > 0 {
		t.Errorf("%s\ngot\n%s", listed(problems), got)
	}
	flink, problems := Format(query, Flink)
	if len(problems) > 0 {
		t.Error(listed(problems))
	}
	for _, part := range []string{"i.`rank`", "i.`year`", "INTERVAL '100' MINUTE(3)"} {
		if !strings.Contains(flink, part) {
			t.Errorf("no %s in\n%s", part, flink)
		}
	}
	_, problems = Format("SELECT a FROM b WHERE c < d - INTERVAL '0.000001' SECOND AND e > f + INTERVAL '12345' MINUTE", Flink)
	want(t, "flink", problems, "1:31: Flink drops what an INTERVAL has below a millisecond | ", "1:70: Flink cannot hold so many digits | longer unit")
	flink, _ = Format("SELECT a FROM b WHERE c < d - INTERVAL '1500' MILLISECOND + INTERVAL -'7' MILLISECOND + INTERVAL '-7' MILLISECOND", Flink)
	if !strings.Contains(flink, "d - INTERVAL '1.500' SECOND + INTERVAL -'0.007' SECOND + INTERVAL '-0.007' SECOND") {
		t.Error(flink)
	}
}

const seedJoin = " FROM impressions i LEFT JOIN playbacks p ON p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR "

var groupSeeds = []string{
	"SELECT i.shown_at, COUNT(DISTINCT p.device) AS n, SUM(p.duration_ms) FILTER (WHERE p.device = 'tv') AS s" + seedJoin + "GROUP BY i.shown_at, i.rank HAVING COUNT(*) > 1 AND i.rank + 1 > 2",
	"WITH w AS (SELECT i.shown_at AS t, p.device AS d" + seedJoin + ") SELECT window_start, LISTAGG(d, ';') AS l FROM TABLE(HOP(TABLE w, DESCRIPTOR(t), INTERVAL '1' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
	"SELECT x.d FROM (SELECT p.device AS d, ROW_NUMBER() OVER (PARTITION BY i.shown_at ORDER BY p.played_at DESC NULLS LAST) AS n" + seedJoin + ") AS x WHERE x.n = 1",
	"SELECT rank, window_end, ARRAY_AGG(title_id IGNORE NULLS) AS a FROM TABLE(SESSION(TABLE impressions PARTITION BY (rank), DESCRIPTOR(shown_at), INTERVAL '5' MINUTE)) GROUP BY rank, window_start, window_end",
	"SELECT rank FROM impressions i WHERE NOT EXISTS (SELECT 1 FROM playbacks p WHERE p.profile_id = i.profile_id AND p.played_at = i.shown_at) AND i.title_id IN (SELECT r.title_id FROM ratings r WHERE r.rated_at = i.shown_at) QUALIFY ROW_NUMBER() OVER (PARTITION BY shown_at ORDER BY rank) <= 2",
	"SELECT shown_at, window_time, AVG(rank) AS a FROM TABLE(TUMBLE((SELECT shown_at, rank FROM impressions WHERE rank > 1), DESCRIPTOR(shown_at), INTERVAL '1' DAY, INTERVAL '1' HOUR)) GROUP BY shown_at, window_start, window_end, window_time",
}

// Pieces of queries put together anyhow end in a plan that refers to what is there, or in a problem.
func TestAnyPieces(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("LOCKSTEP_SEED"), 10, 64); err == nil {
		seed = v
	}
	t.Logf("repeat with LOCKSTEP_SEED=%d go test ./replay/sql -run TestAnyPieces", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	tried := ""
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s\n%v\n%s", tried, p, debug.Stack())
		}
	}()
	var tokens [][]token
	for _, s := range groupSeeds {
		ts, _ := lex(s)
		tokens = append(tokens, ts)
	}
	plans := 0
	for range 5_000 {
		at := tokens[r.IntN(len(tokens))]
		out := slices.Clone(at[:len(at)-1])
		for range 1 + r.IntN(2) {
			other := tokens[r.IntN(len(tokens))]
			from, to := r.IntN(len(out)), r.IntN(len(other)-1)
			n := 1 + r.IntN(3)
			switch r.IntN(8) {
			case 0:
				out = slices.Delete(out, from, min(from+n, len(out)))
			case 1:
				out = slices.Insert(out, from, other[to:min(to+n, len(other)-1)]...)
			default: // one of the same kind: names for names
				if other[to].kind == out[from].kind && reserved[other[to].word] == reserved[out[from].word] {
					out[from] = other[to]
				}
			}
			if len(out) == 0 {
				break
			}
		}
		var text strings.Builder
		for _, k := range out {
			if k.kind == tokText {
				text.WriteString(" " + quote(k.text))
			} else {
				text.WriteString(" " + k.text)
			}
		}
		tried = text.String()
		p, problems := Compile(tried, testCatalog())
		if p == nil {
			if !broken(problems) {
				t.Fatalf("%s\nneither a plan nor a problem", &text)
			}
			continue
		}
		plans++
		checkPlan(t, p)
		if t.Failed() {
			t.Fatalf("%s", &text)
		}
	}
	if plans < 250 {
		t.Errorf("only %d plans", plans)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(takeRate)
	for _, seed := range []string{"SELECT", "SELECT * FROM a UNION ALL (SELECT b.* FROM b)", "SELECT a[1].b, - -1, X'0A', 'it''s', `a``b` FROM c WHERE d NOT BETWEEN 1 AND 2 IS NULL",
		"SELECT CAST(a AS ROW<b INT, c ARRAY<MAP<STRING, DECIMAL(3,1)>>>) FROM d /* e */ -- f", "SELECT JSON_VALUE(a, 'lax $.b' RETURNING INT DEFAULT 1 ON EMPTY ERROR ON ERROR) FROM c",
		"SELECT EXTRACT(DAY FROM a), TRIM(BOTH 'x' FROM b), POSITION('a' IN b), FLOOR(a TO HOUR) FROM c GROUP BY d", "SELECT ((1) FROM \"x\" WHERE '"} {
		f.Add(seed)
	}
	for _, seed := range groupSeeds {
		f.Add(seed)
	}
	cat := testCatalog()
	f.Fuzz(func(t *testing.T, text string) {
		Compile(text, cat)
		BindExpr(text, cat.Streams["mixed"].Fields)
		Tables(text)
		q, _, problems := parse(text)
		if len(problems) > 0 {
			return
		}
		first := printed(q, Lockstep)
		back, _, problems := parse(first)
		if len(problems) > 0 {
			t.Fatalf("%q\nprints as\n%s\nwhich is refused: %s", text, first, listed(problems))
		}
		if second := printed(back, Lockstep); first != second || !reflect.DeepEqual(bare(q), bare(back)) {
			t.Fatalf("%q\nprints as\n%s\nand then as\n%s", text, first, second)
		}
	})
}

// IGNORE NULLS belongs to the call that it stands in, not to the one in front of it.
func TestNullsBehindACall(t *testing.T) {
	for _, text := range []string{"ARRAY_AGG((UPPER(b)) IGNORE NULLS)", "ARRAY_AGG((1 + ABS(b)) IGNORE NULLS)", "ARRAY_AGG(UPPER(b) || 'x' IGNORE NULLS)", "ARRAY_AGG(b IGNORE NULLS)"} {
		q, _, problems := parse("SELECT " + text + " AS x FROM a GROUP BY c")
		if len(problems) > 0 {
			t.Fatalf("%s: %s", text, listed(problems))
		}
		if got := printed(q, Lockstep); !strings.Contains(got, text) {
			t.Errorf("%s is printed as\n%s", text, got)
		}
	}
}
