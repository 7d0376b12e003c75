package sql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/schema"
)

const playsJoin = " JOIN playbacks p ON p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR"

// Where each condition ends up, and which columns leave which node.
func TestPushDown(t *testing.T) {
	for _, c := range []struct{ query, tree string }{
		// Nothing but what is used is read; a scan may be without columns.
		{"SELECT 1 AS one FROM impressions", `
project
  . one INT = 1
  scan impressions ()`},
		{"SELECT rank FROM impressions WHERE rank > 1 AND title_id = 3", `
project
  . impressions.rank INT
  scan impressions (title_id, rank)
    . where impressions.rank > 1 AND impressions.title_id = 3`},
		// What can fail stays above, and so does what stands behind it.
		{"SELECT rank FROM impressions WHERE rank <> 0 AND 10 / rank > 1 AND title_id = 3", `
project
  . impressions.rank INT
  filter 10 / impressions.rank > 1 AND impressions.title_id = 3
    scan impressions (title_id, rank)
      . where impressions.rank <> 0`},
		// WHERE on both sides of an inner join goes down on both.
		{"SELECT i.rank FROM impressions i" + playsJoin + " WHERE i.rank > 1 AND p.device = 'tv' AND p.duration_ms > i.rank AND i.rank > 2", `
project
  . i.rank INT
  filter p.duration_ms > CAST(i.rank AS BIGINT)
    inner join within [0s, 4h]
      . key i.profile_id = p.profile_id
      scan impressions as i (profile_id, rank)
        . where i.rank > 1 AND i.rank > 2
      scan playbacks as p (profile_id, duration_ms, device)
        . where p.device = 'tv'`},
		// Under a LEFT JOIN only the left side's.
		{"SELECT i.rank FROM impressions i LEFT" + playsJoin + " WHERE i.rank > 1 AND p.device = 'tv'", `
project
  . i.rank INT
  filter p.device = 'tv'
    left join within [0s, 4h]
      . key i.profile_id = p.profile_id
      scan impressions as i (profile_id, rank)
        . where i.rank > 1
      scan playbacks as p (profile_id, device)`},
		// In ON the right side's conditions thin out the right side; the left's decide who matches.
		{"SELECT i.rank FROM impressions i LEFT" + playsJoin + " AND p.device = 'tv' AND i.rank > 1 AND 1 / p.duration_ms = 0 AND p.device > 'a'", `
project
  . i.rank INT
  left join within [0s, 4h]
    . key i.profile_id = p.profile_id
    . on i.rank > 1 AND 1 / p.duration_ms = 0 AND p.device > 'a'
    scan impressions as i (profile_id, rank)
    scan playbacks as p (profile_id, duration_ms, device)
      . where p.device = 'tv'`},
		{"SELECT i.rank FROM impressions i INNER" + playsJoin + " AND p.device = 'tv' AND i.rank > 1", `
project
  . i.rank INT
  inner join within [0s, 4h]
    . key i.profile_id = p.profile_id
    scan impressions as i (profile_id, rank)
      . where i.rank > 1
    scan playbacks as p (profile_id, device)
      . where p.device = 'tv'`},
		// The third stream's ON may not thin out the second, which a LEFT JOIN fills up.
		{"SELECT i.rank FROM impressions i LEFT" + playsJoin + " JOIN ratings r ON r.profile_id = i.profile_id AND r.rated_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '1' DAY AND p.device = 'tv' AND i.rank > 1", `
project
  . i.rank INT
  inner join within [0s, 1d]
    . key i.profile_id = r.profile_id
    . on p.device = 'tv'
    left join within [0s, 4h]
      . key i.profile_id = p.profile_id
      scan impressions as i (profile_id, rank)
        . where i.rank > 1
      scan playbacks as p (profile_id, device)
    scan ratings as r (profile_id)`},
		// Tables: other conditions stay with the look-up; a constant may be part of the key; WHERE stays above.
		{"SELECT t.name FROM impressions i LEFT JOIN titles t ON t.country = 'NL' AND i.title_id = t.title_id AND t.name <> 'x' AND i.rank = 1 WHERE t.name IS NOT NULL", `
project
  . t.name STRING
  filter t.name IS NOT NULL
    left lookup titles as t (name)
      . key t.title_id = i.title_id
      . key t.country = 'NL'
      . on t.name <> 'x' AND i.rank = 1
      scan impressions as i (title_id, rank)`},
		// A key of another type: what it cannot hold finds nothing, what it changes is refused by the condition.
		{"SELECT d.family FROM impressions i JOIN devices d ON d.device_id = i.profile_id JOIN rates r ON r.rate = i.rank JOIN rates q ON q.rate = CAST(i.rank AS DECIMAL(12,3))", `
project
  . d.family STRING
  inner lookup rates as q (rate)
    . key q.rate = TRY_CAST(CAST(i.rank AS DECIMAL(12,3)) AS DECIMAL(10,2))
    . on q.rate = CAST(i.rank AS DECIMAL(12,3))
    inner lookup rates as r ()
      . key r.rate = TRY_CAST(i.rank AS DECIMAL(10,2))
      inner lookup devices as d (family)
        . key d.device_id = TRY_CAST(i.profile_id AS INT)
        scan impressions as i (profile_id, rank)`},
		// One stream twice.
		{"SELECT a.rank, b.rank AS next FROM impressions a LEFT JOIN impressions b ON b.profile_id = a.profile_id AND b.title_id = a.rank AND b.shown_at > a.shown_at AND b.shown_at <= a.shown_at + INTERVAL '1' DAY", `
project
  . a.rank INT
  . next INT = b.rank
  left join within [0.000001s, 1d]
    . key a.profile_id = b.profile_id
    . key CAST(a.rank AS BIGINT) = b.title_id
    scan impressions as a (profile_id, rank)
    scan impressions as b (profile_id, title_id, rank)`},
		// Union: common types, the first one's names.
		{"(SELECT profile_id AS who, rank AS what, 'i' AS kind FROM impressions) UNION ALL SELECT profile_id, CAST(stars AS DECIMAL(3,1)), NULL FROM ratings", `
union all
  project
    . who BIGINT = impressions.profile_id
    . what DECIMAL(11,1) = CAST(impressions.rank AS DECIMAL(11,1))
    . kind STRING = 'i'
    scan impressions (profile_id, rank)
  project
    . who BIGINT = ratings.profile_id
    . what DECIMAL(11,1) = CAST(CAST(ratings.stars AS DECIMAL(3,1)) AS DECIMAL(11,1))
    . kind STRING = NULL
    scan ratings (profile_id, stars)`},
		// Keys of mixed types compare as = does; equal times alone are band and key.
		{"SELECT m.i FROM mixed m JOIN mixed n ON m.i = n.dec1 AND m.l = n.l + 1 AND n.ts = m.ts", `
project
  . m.i INT
  inner join within [0s, 0s]
    . key CAST(m.i AS DECIMAL(12,2)) = n.dec1
    . key m.l = n.l + 1
    scan mixed as m (i, l)
    scan mixed as n (l, dec1)`},
		{"SELECT m.i FROM mixed m JOIN mixed n ON n.ts = m.ts", `
project
  . m.i INT
  inner join within [0s, 0s]
    . key m.ts = n.ts
    scan mixed as m (i, ts)
    scan mixed as n (ts)`},
		// NaN equals nothing, and -0.0 equals 0.0.
		{"SELECT m.i FROM mixed m JOIN mixed n ON n.ts = m.ts AND m.d = n.i", `
project
  . m.i INT
  inner join within [0s, 0s]
    . key CASE WHEN m.d = m.d THEN m.d + 0E+00 END = CASE WHEN CAST(n.i AS DOUBLE) = CAST(n.i AS DOUBLE) THEN CAST(n.i AS DOUBLE) + 0E+00 END
    scan mixed as m (i, d)
    scan mixed as n (i)`},
		// Where no type holds both exactly, there is no key, and = decides.
		{"SELECT m.i FROM mixed m JOIN mixed n ON n.ts = m.ts AND m.dec2 = n.l", `
project
  . m.i INT
  inner join within [0s, 0s]
    . key m.ts = n.ts
    . on m.dec2 = CAST(n.l AS DECIMAL(19,0))
    scan mixed as m (i, dec2, ts)
    scan mixed as n (l, ts)`},
	} {
		p := compile(t, c.query)
		checkPlan(t, p)
		if got := p.String(); got != strings.TrimPrefix(c.tree, "\n")+"\n" {
			t.Errorf("%s\ngot\n%s\nwant%s", c.query, got, c.tree)
		}
	}
}

// What groups, numbers and windows become: the time by which a group ends, and what its rows are held with.
func TestGroups(t *testing.T) {
	for _, c := range []struct{ query, tree string }{
		{"SELECT i.impression_id AS id, COUNT(*) AS n, LISTAGG(p.device) AS d FROM impressions i LEFT" + playsJoin + " WHERE i.rank > 1 GROUP BY i.impression_id, i.shown_at HAVING COUNT(*) > 1", `
project
  . id STRING = i.impression_id
  . n BIGINT = COUNT(*)
  . d STRING = LISTAGG(p.device)
  filter COUNT(*) > 1
    group by i.impression_id, i.shown_at, the event time
      . COUNT(*) BIGINT
      . LISTAGG(p.device) STRING in the order of p.played_at
      project
        . i.impression_id STRING
        . i.shown_at TIMESTAMP(6)
        . p.device STRING
        . p.played_at TIMESTAMP(6)
        left join within [0s, 4h]
          . key i.profile_id = p.profile_id
          scan impressions as i (impression_id, profile_id, shown_at, rank)
            . where i.rank > 1
          scan playbacks as p (profile_id, played_at, device)`},
		// By the right row: the groups end as much later as the band is long.
		{"SELECT p.played_at, COUNT(i.rank) AS n FROM impressions i RIGHT JOIN playbacks p ON p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at + INTERVAL '1' MINUTE AND i.shown_at + INTERVAL '4' HOUR GROUP BY p.played_at", `
project
  . p.played_at TIMESTAMP(6)
  . n BIGINT = COUNT(i.rank)
  group by p.played_at, p.played_at, 0s to 4h behind the event time
    . COUNT(i.rank) BIGINT
    project
      . p.played_at TIMESTAMP(6)
      . i.rank INT
      . i.shown_at TIMESTAMP(6)
      right join within [1m, 4h]
        . key i.profile_id = p.profile_id
        scan impressions as i (profile_id, shown_at, rank)
        scan playbacks as p (profile_id, played_at)`},
		// The number is asked for up to 1, inside and around.
		{"SELECT p.device FROM impressions i" + playsJoin + " QUALIFY ROW_NUMBER() OVER (PARTITION BY p.played_at ORDER BY i.shown_at DESC) = 1", `
project
  . p.device STRING
  filter ROW_NUMBER() OVER (PARTITION BY p.played_at ORDER BY i.shown_at DESC) = 1
    number the rows of each p.played_at by i.shown_at DESC, the first 1
      project
        . p.device STRING
        . p.played_at TIMESTAMP(6)
        . i.shown_at TIMESTAMP(6)
        inner join within [0s, 4h]
          . key i.profile_id = p.profile_id
          scan impressions as i (profile_id, shown_at)
          scan playbacks as p (profile_id, played_at, device)`},
		{"SELECT x.device FROM (SELECT device, duration_ms AS unused, ROW_NUMBER() OVER (PARTITION BY played_at ORDER BY device) AS n FROM playbacks) AS x WHERE x.n < 3", `
project
  . x.device STRING
  filter x.n < 3
    project
      . playbacks.device STRING
      . n BIGINT = ROW_NUMBER() OVER (PARTITION BY played_at ORDER BY device)
      number the rows of each playbacks.played_at by playbacks.device, the first 2
        project
          . playbacks.duration_ms BIGINT
          . playbacks.device STRING
          . playbacks.played_at TIMESTAMP(6)
          scan playbacks (played_at, duration_ms, device)`},
		{"WITH w AS (SELECT shown_at AS at, rank + 1 AS r FROM impressions) SELECT window_end, SUM(r) FILTER (WHERE r > 1) AS s FROM TABLE(HOP(TABLE w, DESCRIPTOR(at), INTERVAL '5' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end", `
project
  . window_end TIMESTAMP(3)
  . s INT = SUM(r) FILTER (WHERE r > 1)
  group all rows in windows of 1h every 5m
    . SUM(r) FILTER (WHERE r > 1) INT
    project
      . r INT
      . r > 1 BOOLEAN = r > 1
      project
        . r INT = impressions.rank + 1
        scan impressions (rank)`},
	} {
		p := compile(t, c.query)
		checkPlan(t, p)
		if got := p.String(); got != strings.TrimPrefix(c.tree, "\n")+"\n" {
			t.Errorf("%s\ngot\n%s\nwant%s", c.query, got, c.tree)
		}
	}
}

// Names of WITH that use each other twice are more than a plan can hold.
func TestMultiplyingNames(t *testing.T) {
	query := "WITH a0 AS (SELECT shown_at AS t, profile_id AS p FROM impressions)"
	for i := range 15 {
		query += strings.NewReplacer("#", fmt.Sprint(i+1), "@", fmt.Sprint(i)).Replace(", a# AS (SELECT x.t, x.p FROM a@ x JOIN a@ y ON x.p = y.p AND x.t = y.t)")
	}
	_, problems := Compile(query+" SELECT t FROM a15", testCatalog())
	if !strings.Contains(listed(problems), "more than 200 subqueries") {
		t.Errorf("%s", listed(problems))
	}
}

func TestStarsAndFields(t *testing.T) {
	p := compile(t, "SELECT m.*, d.family AS fam, addr.city, m.addr.geo.lat, nums[1] AS first FROM mixed m LEFT JOIN devices d ON d.device_id = m.i")
	checkPlan(t, p)
	var names []string
	for _, f := range p.Fields {
		names = append(names, f.Name+" "+f.Type.String())
	}
	got := strings.Join(names, ", ")
	const want = "i INT, l BIGINT, d DOUBLE, f FLOAT, dec1 DECIMAL(12,2), dec2 DECIMAL(38,30), s STRING, b BOOLEAN, dt DATE, ts TIMESTAMP(6), j STRING, " +
		"addr ROW<city STRING, geo ROW<lat DOUBLE>>, nums ARRAY<INT>, fam STRING, city STRING, lat DOUBLE, first INT"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p = compile(t, "SELECT * FROM ratings"); len(p.Fields) != 4 {
		t.Errorf("* gives %v", p.Fields)
	}
}

// The types of literals and operators, as part 1 of what was measured has them.
func TestTypes(t *testing.T) {
	fields := testCatalog().Streams["mixed"].Fields
	for text, want := range map[string]string{
		"1": "INT", "2147483648": "BIGINT", "-2147483648": "BIGINT", "1.50": "DECIMAL(3,2)", ".5": "DECIMAL(1,1)", "0.001": "DECIMAL(4,3)", "5.": "INT", "1e0": "DOUBLE",
		"TIMESTAMP '2024-02-29 12:34:56.5'": "TIMESTAMP(1)", "TIMESTAMP '2024-02-29 12:34:56'": "TIMESTAMP(0)", "DATE '2024-02-29'": "DATE", "X'00'": "BYTES",
		"dec1 / 3": "DECIMAL(23,13)", "dec1 / 3.00": "DECIMAL(18,6)", "1 / 3.0": "DECIMAL(17,6)", "dec1 * 3": "DECIMAL(23,2)", "dec1 % 0.7": "DECIMAL(3,2)", "l % 10": "INT",
		"f + 0.1": "DOUBLE", "i + f": "FLOAT", "COALESCE(i, 2.5)": "DECIMAL(11,1)", "CAST(i AS DECIMAL)": "DECIMAL(10,0)", "CAST(s AS TIMESTAMP)": "TIMESTAMP(6)",
		"CAST(s AS DOUBLE PRECISION)": "DOUBLE", "CAST(i AS NUMERIC(5))": "DECIMAL(5,0)", "CAST(i AS CHAR(3))": "VARCHAR(3)", "CAST(i AS VARCHAR)": "STRING", "TRY_CAST(s AS INTEGER)": "INT",
		"ROUND(dec1, -1)": "DECIMAL(11,0)", "FLOOR(ts TO DAY)": "TIMESTAMP(6)", "EXTRACT(HOUR FROM ts)": "BIGINT", "TIMESTAMPDIFF(DAY, dt, ts)": "INT", "TIMESTAMPADD(HOUR, 1, dt)": "TIMESTAMP(6)",
		"dt + INTERVAL '25' HOUR": "DATE", "i * INTERVAL '1' SECOND + ts": "TIMESTAMP(6)", "TRIM(BOTH 'a' FROM s)": "STRING", "POSITION('a' IN s)": "INT", "ts IS NOT NULL IS TRUE": "BOOLEAN",
		"JSON_VALUE(j, '$.a' RETURNING BIGINT NULL ON ERROR)": "BIGINT", "JSON_VALUE(j, 'lax $.a' DEFAULT 'x' ON EMPTY)": "STRING", "CASE i WHEN 1 THEN 'a' WHEN NULL THEN 'b' END": "STRING",
		"b IS UNKNOWN": "BOOLEAN", "nums[1]": "INT", "addr.geo.lat": "DOUBLE", "s LIKE 'a!%' ESCAPE '!'": "BOOLEAN", "+i": "INT",
	} {
		x, problems := parseExpression(text)
		b := &binder{bare: true, visible: 1, problems: problems, sources: []*source{{ref: &tableRef{}, rel: Relation{Fields: fields}, time: -1}}}
		if n := b.expr(x); n == nil || len(b.problems) > 0 {
			t.Errorf("%s: %s", text, listed(b.problems))
		} else if n.Type.String() != want {
			t.Errorf("%s is %s, want %s", text, n.Type, want)
		}
	}
}

func TestBindExpr(t *testing.T) {
	result := []schema.Field{{Name: "outcome", Type: tText}, {Name: "delay", Type: tInt}, {Name: "addr", Type: schema.Type{Kind: schema.Row, Fields: fields("city", tText)}}}
	n, problems := BindExpr("outcome = 'play' AND delay > 15 -- late", result)
	if len(problems) > 0 || exprText(n, 0) != "outcome = 'play' AND delay > 15" {
		t.Errorf("%s", listed(problems))
	}
	for text, line := range map[string]string{
		"outcome = 'play' AND": "1:21: expected an expression | ",
		"delay":                "1:1: a condition takes a BOOLEAN, not INT | x <> 0",
		"r.delay > 1":          "1:1: no column r | ",
		"Outcome = 'a'":        "1:1: no column Outcome | case-sensitive: write outcome",
		"delay > 1 ORDER BY x": "1:11: expected the end of the condition | ",
		"addr.town = 'a'":      "1:1: addr has no field town | there is city",
		"NOW() > 3":            "1:1: NOW depends on when | ",
	} {
		n, problems := BindExpr(text, result)
		want(t, text, problems, line)
		if n != nil {
			t.Errorf("%s: a node in spite of problems", text)
		}
	}
}

// The flights: five look-ups, one of them versioned under a key of its own.
func TestFlights(t *testing.T) {
	flight := []any{"carrier", tText, "flight", tInt, "origin", tText, "dest", tText, "tailnum", tText}
	cat := Catalog{
		Streams: map[string]Relation{
			"departures": {Fields: fields(append(flight, "departed_at", tTime, "dep_delay", tInt)...), Time: "departed_at"},
			"arrivals":   {Fields: fields(append(flight, "arrived_at", tTime, "arr_delay", tInt)...), Time: "arrived_at"},
		},
		Tables: map[string]Relation{
			"planes":   {Fields: fields("tailnum", tText, "model", tText), Key: []string{"tailnum"}},
			"airlines": {Fields: fields("carrier", tText, "name", tText), Key: []string{"carrier"}},
			"airports": {Fields: fields("faa", tText, "name", tText), Key: []string{"faa"}},
			"weather":  {Fields: fields("origin", tText, "observed_at", tTime, "wind_speed", tDouble), Key: []string{"origin"}, Versions: "observed_at"},
		},
	}
	query := `SELECT d.*, a.arrived_at, a.arr_delay, p.model, l.name AS airline, f.name AS airport, t.name AS target, w.wind_speed,
		CASE WHEN a.arrived_at IS NULL THEN 'lost' WHEN a.arr_delay > 15 THEN 'late' ELSE 'fine' END AS outcome
		FROM departures d
		LEFT JOIN arrivals a ON a.carrier = d.carrier AND a.flight = d.flight AND a.origin = d.origin AND a.dest = d.dest
		  AND a.arrived_at BETWEEN d.departed_at AND d.departed_at + INTERVAL '14' HOUR
		LEFT JOIN planes p ON p.tailnum = d.tailnum
		LEFT JOIN airlines l ON l.carrier = d.carrier
		LEFT JOIN airports f ON f.faa = d.origin
		LEFT JOIN airports t ON t.faa = d.dest
		LEFT JOIN weather FOR SYSTEM_TIME AS OF d.departed_at AS w ON w.origin = d.origin`
	p, problems := Compile(query, cat)
	want(t, query, problems)
	checkPlan(t, p)
	j := theJoin(t, p)
	if len(j.LeftKeys) != 4 || j.Lo != 0 || j.Hi != 14*hour || j.On != nil || len(j.Right.Fields()) != 6 {
		t.Errorf("%s", p)
	}
	if len(p.Fields) != 15 {
		t.Errorf("%d columns", len(p.Fields))
	}
}

// The shape of a group says what rows are held, and not what is computed of them when it is complete.
func TestShapeOfGroups(t *testing.T) {
	shape := func(query string) string {
		out := ""
		walk(compile(t, query).Root, func(n Node) {
			switch n.(type) {
			case *Group, *Rank:
				if out == "" {
					out = Shape(n)
				}
			}
		})
		return out
	}
	const window = "SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE((SELECT shown_at, rank + 1 AS r FROM impressions WHERE rank > 1), DESCRIPTOR(shown_at), INTERVAL '1' HOUR)) GROUP BY r, window_start, window_end"
	const first = "SELECT i.rank FROM impressions i" + playsJoin + " QUALIFY ROW_NUMBER() OVER (PARTITION BY p.played_at ORDER BY i.shown_at DESC) = 1"
	for _, c := range []struct {
		query, from, to string
		same            bool
	}{
		{window, "COUNT(*)", "SUM(r)", true}, {window, "GROUP BY", "GROUP BY r * 2,", false}, {window, "'1' HOUR", "'2' HOUR", false}, {window, "rank + 1", "rank + 2", false}, {window, "rank > 1", "rank > 2", false},
		{window, "TUMBLE((", "SESSION((", false},
		{first, "DESC) = 1", "ASC) = 2", true}, {first, "BY p.played_at", "BY p.played_at, i.title_id", false}, {first, "'4' HOUR", "'5' HOUR", false},
	} {
		other := strings.Replace(c.query, c.from, c.to, 1)
		if strings.HasPrefix(c.to, "SESSION") {
			other = strings.Replace(other, "), DESCRIPTOR", ") PARTITION BY r, DESCRIPTOR", 1)
		}
		if a, b := shape(c.query), shape(other); (a == b) != c.same || a == "" {
			t.Errorf("%s\n%s\n%s", other, a, b)
		}
	}
}
