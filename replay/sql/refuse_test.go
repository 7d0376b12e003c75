package sql

import (
	"strings"
	"testing"
)

// Everything that is refused is refused by name, at its place, with what to write instead.
func TestRefusals(t *testing.T) {
	const band = " AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR"
	const tumble = "TABLE(TUMBLE(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' HOUR))"
	const join = " FROM impressions i LEFT JOIN playbacks p ON p.profile_id = i.profile_id" + band
	for _, c := range []struct {
		query string
		want  []string
	}{
		// Clauses.
		{"SELECT i.rank FROM impressions i GROUP BY i.rank", []string{"1:43: the groups of GROUP BY never end | add i.shown_at; or GROUP BY window_start"}},
		{"SELECT i.rank FROM impressions i\nGROUP BY i.rank HAVING COUNT(*) > 1\nORDER BY i.rank LIMIT 5 OFFSET 2", []string{
			"2:10: the groups of GROUP BY never end | ", "3:1: ORDER BY is not run | ", "3:17: LIMIT is not run | --since", "3:25: OFFSET is not run | "}},
		{"SELECT DISTINCT rank FROM impressions", []string{"1:8: SELECT DISTINCT is not run | `id:`"}},
		{"SELECT rank FROM impressions UNION SELECT stars FROM ratings", []string{"1:30: UNION without ALL is not run | UNION ALL"}},
		{"SELECT rank FROM impressions INTERSECT SELECT stars FROM ratings", []string{"1:30: INTERSECT is not run | "}},
		{"SELECT rank FROM impressions EXCEPT SELECT stars FROM ratings", []string{"1:30: EXCEPT is not run | IS NULL"}},
		{"WITH x AS (SELECT 1) SELECT * FROM x", []string{"1:20: FROM is missing | "}},
		{"WITH impressions AS (SELECT rank FROM playbacks) SELECT rank FROM impressions", []string{"1:6: impressions of WITH has the name of something else | name of its own", "1:29: no column rank | "}},
		{"WITH RECURSIVE x AS (SELECT 1 FROM impressions) SELECT 1 AS a FROM x", []string{"1:6: WITH RECURSIVE is not run | join"}},
		{"SELECT a FROM (WITH x AS (SELECT 1 AS a FROM impressions) SELECT a FROM x) y", []string{"1:16: WITH inside a subquery is not run | before the first SELECT"}},
		{"SELECT x.b FROM (SELECT rank AS a FROM impressions) x", []string{"1:8: x has no column b | there is a"}},
		{"SELECT x.a FROM (SELECT rank AS a, rank FROM impressions UNION ALL SELECT 1, 2 FROM ratings) x", []string{"1:58: UNION in a subquery is not run | "}},
		{"SELECT x.a FROM (SELECT rank + 1, NULL AS a FROM impressions) x", []string{"1:25: this expression has no name | AS name"}},
		{"SELECT x.a FROM (SELECT NULL AS a FROM impressions) x", []string{"1:25: column a has no type | CAST"}},
		{"SELECT x.a FROM (SELECT rank AS a FROM impressions) x JOIN playbacks p ON p.profile_id = x.a AND p.played_at > TIMESTAMP '2024-01-01 00:00:00'", []string{"1:17: does not select the event time | select list"}},
		{"SELECT x.a FROM (impressions) x", []string{"1:18: parentheses in FROM hold a subquery | "}},
		// Groups.
		{"SELECT i.rank, i.title_id, COUNT(*) AS n FROM impressions i GROUP BY i.rank, i.shown_at", []string{"1:16: i.title_id is neither in GROUP BY nor inside an aggregate | FIRST_VALUE(i.title_id)"}},
		{"SELECT COUNT(*) AS n FROM impressions i LEFT JOIN playbacks p ON p.profile_id = i.profile_id" + band + " GROUP BY p.playback_id, p.played_at", []string{"1:173: never end | add i.shown_at (p may be NULL, and then has no time)"}},
		{"SELECT COUNT(*) AS n FROM impressions i FULL JOIN playbacks p ON p.profile_id = i.profile_id" + band + " GROUP BY i.shown_at", []string{"1:173: never end | instead of an outer join"}},
		{"SELECT i.shown_at, SUM(i.rank + COUNT(*)) AS a, COUNT(*) + 1 AS b FROM impressions i WHERE COUNT(*) > 1 GROUP BY i.shown_at, MAX(i.rank), 1, NULL HAVING n > 1", []string{
			"1:33: COUNT is an aggregate, which cannot stand here | HAVING", "1:92: COUNT is an aggregate, which cannot stand here | ", "1:126: MAX is an aggregate, which cannot stand here | ", "1:139: GROUP BY a constant | positions", "1:142: GROUP BY a constant | ", "1:154: no column n | "}},
		{"SELECT shown_at, SUM(impression_id) AS a, LISTAGG(rank) AS b, COUNT(1, 2) AS c, SUM(*) AS d, MAX(rank IGNORE NULLS) AS e, LISTAGG(Country, Country) AS f FROM impressions GROUP BY shown_at", []string{
			"1:18: SUM takes a number, not STRING | ", "1:43: LISTAGG takes a text, not INT | CAST", "1:63: COUNT takes one value, not 2 | ", "1:81: SUM takes a value, not * | COUNT(*)", "1:94: MAX takes no IGNORE NULLS | ARRAY_AGG", "1:123: the separator of LISTAGG is not a constant text | "}},
		{"SELECT shown_at, MIN(DISTINCT rank ORDER BY rank) AS g FROM impressions GROUP BY shown_at", []string{"1:36: ORDER BY inside MIN is not run | event time"}},
		{"SELECT MEDIAN(rank) AS a, UPPER(DISTINCT Country) AS b, RANK() OVER (ORDER BY rank) AS c, MAX(rank) OVER (ORDER BY rank) AS d FROM impressions", []string{
			"1:8: MEDIAN is an aggregate that is not run | COUNT, SUM", "1:27: UPPER is no aggregate | ", "1:57: RANK(..) OVER (..) is not run | ROW_NUMBER() OVER", "1:91: MAX(..) OVER (..) is not run | GROUP BY"}},
		{"SELECT nums, MAX(addr) AS a FROM mixed GROUP BY nums, ts", []string{"1:8: mixed.nums is neither in GROUP BY | ", "1:14: MAX takes no ROW", "1:49: GROUP BY takes no ARRAY<INT> | elements"}},
		{"SELECT rank FROM impressions HAVING rank > 1", []string{"1:42: HAVING without GROUP BY | WHERE"}},
		{"SELECT rank FROM impressions GROUP BY CUBE (rank)", []string{"1:39: GROUP BY CUBE is not run | UNION ALL"}},
		// Numbers.
		{"SELECT rank FROM impressions QUALIFY rank = 1", []string{"1:43: QUALIFY without ROW_NUMBER() | OVER"}},
		{"SELECT rank FROM impressions WHERE ROW_NUMBER() OVER (PARTITION BY shown_at ORDER BY rank) = 1", []string{"1:36: ROW_NUMBER() cannot stand here | QUALIFY"}},
		{"SELECT ROW_NUMBER() OVER (PARTITION BY shown_at) AS a, ROW_NUMBER() AS b, ROW_NUMBER(1) OVER (PARTITION BY shown_at ORDER BY rank) AS c FROM impressions", []string{
			"1:8: ROW_NUMBER() without ORDER BY | content", "1:56: ROW_NUMBER() without OVER | PARTITION BY", "1:75: ROW_NUMBER takes nothing | "}},
		{"SELECT ROW_NUMBER() OVER (PARTITION BY shown_at ORDER BY rank ROWS UNBOUNDED PRECEDING) AS c FROM impressions", []string{"1:63: a frame (ROWS ..) is not run | "}},
		{"SELECT ROW_NUMBER() OVER (PARTITION BY shown_at ORDER BY rank) AS a, ROW_NUMBER() OVER (PARTITION BY shown_at ORDER BY title_id) AS b FROM impressions", []string{"1:70: a second ROW_NUMBER() with another OVER | subquery"}},
		{"SELECT shown_at, ROW_NUMBER() OVER (PARTITION BY shown_at ORDER BY shown_at) AS a FROM impressions GROUP BY shown_at", []string{"1:18: ROW_NUMBER() beside GROUP BY | subquery"}},
		// Windows.
		{"SELECT window_start FROM TABLE(TUMBLE(TABLE impressions, DESCRIPTOR(rank), INTERVAL '1' HOUR)) GROUP BY window_start, window_end", []string{"1:69: rank is not the event time | DESCRIPTOR(shown_at)"}},
		{"SELECT window_start FROM TABLE(TUMBLE(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' MONTH)) GROUP BY window_start, window_end", []string{"1:80: TUMBLE takes lengths that are constant | "}},
		{"SELECT window_start FROM TABLE(TUMBLE(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '0.0005' SECOND)) GROUP BY window_start, window_end", []string{"1:80: whole milliseconds | "}},
		{"SELECT window_start FROM TABLE(HOP(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' HOUR, INTERVAL '5' MINUTE)) GROUP BY window_start, window_end", []string{"1:32: no multiple of its slide | the slide first"}},
		{"SELECT window_start FROM TABLE(HOP(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' HOUR)) GROUP BY window_start, window_end", []string{"1:32: HOP does not take 1 lengths | "}},
		{"SELECT window_start FROM TABLE(TUMBLE(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '0' HOUR)) GROUP BY window_start, window_end", []string{"1:32: TUMBLE takes lengths above zero | "}},
		{"SELECT window_start, COUNT(*) AS n FROM " + tumble + " GROUP BY window_start", []string{"1:124: GROUP BY over a window lacks window_start and window_end | "}},
		{"SELECT window_start, COUNT(window_end) AS n FROM " + tumble + " WHERE window_start > shown_at GROUP BY window_start, window_end", []string{"1:22: known only behind GROUP BY | ", "1:56: window_start in WHERE or ON | HAVING"}},
		{"SELECT 1 AS a FROM TABLE(TUMBLE(TABLE devices, DESCRIPTOR(shown_at), INTERVAL '1' HOUR)) GROUP BY window_start, window_end", []string{"1:33: TUMBLE over the table devices | stream"}},
		{"SELECT 1 AS a FROM impressions i JOIN " + tumble + " t ON TRUE GROUP BY i.shown_at", []string{"1:45: TUMBLE on the right of a join is not run | FROM"}},
		{"SELECT window_end FROM TABLE(TUMBLE((SELECT window_start, window_time FROM " + tumble + " GROUP BY window_start, window_end, window_time), DESCRIPTOR(window_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end", []string{"1:37: has a column window_start already | window_start AS inner_window_start"}},
		{"SELECT 1 AS a FROM TABLE(CUMULATE(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end", []string{"1:26: CUMULATE is not run | TUMBLE"}},
		{"SELECT 1 AS a FROM TABLE(TUMBLE(DATA => TABLE impressions)) GROUP BY window_start, window_end", []string{"1:33: arguments by name are not run | TABLE s"}},
		{"SELECT rank FROM TABLE(SESSION(TABLE impressions PARTITION BY rank, DESCRIPTOR(shown_at), INTERVAL '1' HOUR)) WHERE rank > 1 GROUP BY window_start, window_end", []string{
			"1:63: PARTITION BY has a column that GROUP BY lacks | both", "1:122: WHERE around a SESSION is not run | FILTER"}},
		{"SELECT rank FROM TABLE(SESSION(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' HOUR)) GROUP BY rank, window_start, window_end", []string{"1:102: GROUP BY has a column that the PARTITION BY of SESSION lacks | both"}},
		{"SELECT rank FROM impressions WHERE rank IN (SELECT stars FROM ratings)", []string{"1:41: unbounded stream join with ratings | add a band of time: AND ratings.rated_at"}},
		{"SELECT rank FROM impressions WHERE rank NOT IN (SELECT stars FROM ratings) AND NOT rank IN (SELECT stars FROM ratings) AND rank IN (SELECT * FROM ratings)", []string{
			"1:45: NOT IN with a subquery is not run | NOT EXISTS", "1:89: NOT IN with a subquery is not run | NOT EXISTS", "1:129: IN takes a subquery of one column | EXISTS"}},
		{"SELECT rank FROM impressions WHERE EXISTS (SELECT 1 FROM ratings) AND (SELECT 2) = 2", []string{"1:36: EXISTS without a condition | band of time", "1:71: a subquery as a value is not run | join"}},
		{"INSERT INTO x SELECT 1", []string{"1:1: INSERT is not part of a query | begin with SELECT"}},
		{"SELECT rank FROM impressions QUALIFY ROW_NUMBER() OVER (ORDER BY rank) = 1", []string{"1:51: the groups of PARTITION BY never end | add impressions.shown_at"}},
		{"SELECT ROW_NUMBER() OVER (PARTITION BY rank ORDER BY shown_at) AS n FROM impressions", []string{"1:21: the groups of PARTITION BY never end | "}},
		{"SELECT SUM(rank) FILTER (WHERE rank > 1) AS n FROM impressions", []string{"1:8: SUM without GROUP BY has no end | "}},
		{"SELECT * FROM TABLE(TUMBLE(TABLE impressions, DESCRIPTOR(shown_at), INTERVAL '1' HOUR))", []string{"1:21: TUMBLE without GROUP BY is not run | window_start, window_end"}},
		{"SELECT * FROM impressions TABLESAMPLE (10)", []string{"1:27: TABLESAMPLE is not run | MD5"}},
		{"SELECT rank FROM impressions; SELECT 1", []string{"1:31: expected the end of the query | "}},
		{"SELECT rank", []string{"1:12: FROM is missing | the stream to read"}},
		{"", []string{"1:1: the query is empty | SELECT"}},
		// Joins.
		{"SELECT i.rank FROM impressions i RIGHT JOIN devices d ON d.device_id = i.device_id", []string{"1:34: RIGHT JOIN of the table devices is not run | LEFT JOIN"}},
		{"SELECT i.rank FROM impressions i WHERE i.rank = 1 OR EXISTS (SELECT 1 FROM playbacks p WHERE p.profile_id = i.profile_id" + band + ")", []string{"1:54: EXISTS inside another expression | WHERE a AND [NOT] EXISTS"}},
		{"SELECT p.device FROM impressions i WHERE EXISTS (SELECT 1 FROM playbacks p WHERE p.profile_id = i.profile_id" + band + ")", []string{"1:8: neither a stream nor a table is called p here | there is i"}},
		{"SELECT i.rank FROM impressions i WHERE EXISTS (SELECT 1 FROM devices d WHERE d.device_id = i.device_id) AND EXISTS (SELECT nope FROM playbacks p JOIN ratings r ON TRUE)", []string{"1:62: EXISTS over the table devices | JOIN the table", "1:146: a join inside EXISTS is not run | one EXISTS"}},
		{"SELECT i.rank FROM impressions i WHERE EXISTS (SELECT p.nope FROM playbacks p WHERE p.profile_id = i.profile_id)", []string{"1:40: unbounded stream join with playbacks | band of time", "1:55: p has no column nope | "}},
		{"SELECT i.rank FROM impressions i CROSS JOIN playbacks p", []string{"1:34: CROSS JOIN is not run | JOIN .. ON"}},
		{"SELECT i.rank FROM impressions i, playbacks p", []string{"1:33: a comma in FROM is not run | JOIN .. ON"}},
		{"SELECT i.rank FROM impressions i NATURAL JOIN playbacks p", []string{"1:34: NATURAL JOIN is not run | ON"}},
		{"SELECT i.rank FROM impressions i JOIN playbacks p USING (profile_id)", []string{"1:51: USING is not run | ON p.id = i.id"}},
		{"SELECT i.rank FROM impressions i JOIN playbacks p", []string{"1:50: expected ON behind the join with playbacks | ON p.id"}},
		{"SELECT i.rank FROM impressions i LEFT SEMI JOIN playbacks p ON TRUE", []string{"1:34: SEMI JOIN is not run | EXISTS"}},
		{"SELECT i.rank FROM impressions i LEFT ANTI JOIN playbacks p ON TRUE", []string{"1:34: ANTI JOIN is not run | NOT EXISTS"}},
		{"SELECT i.rank FROM impressions i JOIN playbacks FOR SYSTEM_TIME AS OF i.shown_at AS p ON p.profile_id = i.profile_id" + band, []string{"1:71: FOR SYSTEM_TIME AS OF on a stream | band of time"}},
		// What depends on when it runs.
		{"SELECT CURRENT_TIMESTAMP AS a, now() AS b, PROCTIME() AS c, rand() AS d, UUID() AS e FROM impressions", []string{
			"1:8: CURRENT_TIMESTAMP depends on when | event time", "1:32: NOW depends on when | event time", "1:44: PROCTIME depends | event time", "1:61: RAND depends | hash", "1:74: UUID depends | MD5"}},
		// Functions.
		{"SELECT COUNT(*) AS n, SUM(rank) AS s FROM impressions", []string{"1:8: COUNT without GROUP BY has no end | TUMBLE", "1:23: SUM without GROUP BY | "}},
		{"SELECT UPER(impression_id) AS a, my_udf(rank) AS b, NVL(rank, 0) AS c, length(impression_id) AS d FROM impressions", []string{
			"1:8: function UPER is not known | did you mean UPPER", "1:34: function MY_UDF is not known | functions of your own", "1:53: NVL is not a function here | COALESCE(a, b)", "1:72: LENGTH is not a function here | CHAR_LENGTH"}},
		{"SELECT LEFT(impression_id, 2) AS a, cat.f(rank) AS b FROM impressions", []string{"1:8: LEFT is not a function here | SUBSTRING", "1:37: function cat.f is not known | "}},
		// Names.
		{"SELECT i.rnak, i.country, j.rank, duration_ms, profile_id, nothing_like_it" + join, []string{
			"1:8: i has no column rnak | did you mean rank?", "1:16: i has no column country | case-sensitive: write Country", "1:27: neither a stream nor a table is called j here | there are i and p",
			"1:48: column profile_id is ambiguous | i.profile_id or p.profile_id", "1:60: no column nothing_like_it | "}},
		{"SELECT impressions.rank FROM impressions i", []string{"1:8: impressions has the alias i here | write i.rank"}},
		{"SELECT rank FROM impresions", []string{"1:18: neither a stream nor a table is called impresions | did you mean impressions?"}},
		{"SELECT rank FROM Impressions", []string{"1:18: neither a stream nor a table is called Impressions | case-sensitive: write impressions"}},
		{"SELECT rank + 1 AS next FROM impressions WHERE next > 1", []string{"1:48: next is a name of the select list | `where:`"}},
		{"SELECT rank + FROM impresions JOIN devises d ON d.device_id = 1 AND", []string{"1:15: expected an expression, found FROM | ", "1:20: called impresions | impressions", "1:36: called devises | devices", "1:68: expected an expression | "}},
		{"SELECT x.* FROM impressions i", []string{"1:8: neither a stream nor a table is called x here | there is i"}},
		{"SELECT family FROM devices", []string{"1:20: FROM begins with the table devices | begin with a stream"}},
		{"SELECT i.rank FROM impressions i JOIN impressions i ON i.rank = i.rank", []string{"1:39: two sources are called i | impressions AS i2"}},
		{"SELECT i.rank, p.playback_id FROM impressions i LEFT JOIN devices d ON d.device_id = p.profile_id LEFT JOIN playbacks p ON p.profile_id = i.profile_id" + band, []string{"1:86: p is joined only later | "}},
		{"SELECT i.rank, p.duration_ms AS rank, i.rank + 1, i.rank * 2 AS `a b`" + join, []string{"1:16: columns 1 and 2 of the result are both called rank | AS", "1:39: this expression has no name | AS name"}},
		{"SELECT i.*, p.*" + join, []string{"1:13: columns 2 and 9 of the result are both called profile_id | AS", "1:13: title_id | "}},
		{"SELECT addr.town, addr.city.x, nums.a, addr.geo.lat FROM mixed", []string{"1:8: mixed.addr has no field town | there are city and geo", "1:19: city cannot have a field x: it is STRING | ROW", "1:32: mixed.nums cannot have a field a | "}},
		// Types.
		{"SELECT s + 1 AS a, i = s AS b FROM mixed WHERE i", []string{"1:10: + takes numbers | ", "1:22: cannot be compared | CAST", "1:48: WHERE takes a BOOLEAN, not INT | x <> 0"}},
		{"SELECT CAST(i AS TINYINT) AS a, CAST(i AS DECIMAL(40)) AS b, CAST(i AS VARCHR) AS c, CAST(ts AS TIMESTAMP(9)) AS d FROM mixed", []string{
			"1:18: type TINYINT is not run | SMALLINT", "1:51: DECIMAL has 1 to 38 digits, not 40 | ", "1:72: type VARCHR is not known | VARCHAR", "1:107: a TIMESTAMP has 0 to 6 fraction digits | "}},
		{"SELECT INTERVAL '1' DAY AS a, NULL AS b FROM mixed", []string{"1:8: an INTERVAL cannot be a column | TIMESTAMPDIFF"}},
		{"SELECT NULL AS b FROM mixed", []string{"1:8: column b has no type | CAST(NULL AS STRING)"}},
		{"SELECT 9223372036854775808 AS a, 1e400 AS b, DATE '2023-02-29' AS c, TIMESTAMP '2024-01-01T00:00:00' AS d, X'0G' AS e FROM mixed", []string{
			"1:8: more digits than a BIGINT | DECIMAL(38,0)", "1:34: 1e400 is beyond a DOUBLE | ", "1:46: not a DATE | ", "1:70: not a TIMESTAMP | a blank between", "1:108: not hexadecimal | X'0AFF'"}},
		// Tables.
		{"SELECT t.name FROM impressions i LEFT JOIN titles t ON t.title_id = i.title_id", []string{"1:34: the join with table titles leaves its key t.country open | whole key"}},
		{"SELECT t.name FROM impressions i LEFT JOIN titles t ON t.name = i.impression_id", []string{"1:34: its key t.title_id and t.country open | "}},
		{"SELECT d.family FROM impressions i LEFT JOIN devices d ON d.device_id > i.device_id", []string{"1:36: leaves its key d.device_id open | "}},
		{"SELECT d.family FROM impressions i LEFT JOIN devices FOR SYSTEM_TIME AS OF i.shown_at AS d ON d.device_id = i.device_id", []string{"1:76: table devices has no versions | versions:"}},
		{"SELECT c.plan FROM impressions i LEFT JOIN customers FOR SYSTEM_TIME AS OF i.rank AS c ON c.customer_id = i.profile_id", []string{"1:76: takes a TIMESTAMP, not INT | event time"}},
		{"SELECT c.plan FROM impressions i LEFT JOIN customers FOR SYSTEM_TIME AS OF c.valid_from AS c ON c.customer_id = i.profile_id", []string{"1:76: c is joined only later | "}},
		{"SELECT d.family FROM mixed m LEFT JOIN devices d ON d.device_id = m.d", []string{"1:65: DOUBLE cannot look up the key column d.device_id, which is INT | CAST(.. AS INT)"}},
		// The text itself.
		{`SELECT "rank" FROM impressions WHERE impression_id = "x"`, []string{"1:8: double quotes around rank | write `rank` for a column, 'rank' for a text", "1:54: double quotes around x | "}},
		{"SELECT rank, FROM impressions", []string{"1:14: expected a column, found FROM | comma"}},
		{"SELECT i.rank i.title_id FROM impressions i", []string{"1:16: expected FROM, found . | comma"}},
		{"SELECT rank FORM impressions", []string{"1:18: expected FROM, found impressions | did you mean FROM instead of FORM"}},
		{"SELECT 'abc FROM impressions", []string{"1:8: text without a closing quote | '", "1:29: FROM is missing | "}},
		{"SELECT rank /* FROM impressions", []string{"1:13: comment without an end | */", "1:32: FROM is missing | "}},
		{"SELECT 1a AS x, rank # 2 AS y FROM impressions", []string{"1:8: 1a is neither a number nor a name | suffix", "1:22: unexpected character '#' | ", "1:24: expected FROM, found 2 | comma"}},
		{"SELECT select FROM impressions", []string{"1:8: expected an expression, found select | `select`"}},
		{"SELECT rank AS from FROM impressions", []string{"1:16: FROM is a word of SQL and cannot be a bare name | `from`"}},
		{"SELECT rank FROM impressions WHERE rank == 1 AND impression_id LIKE '🎬' AND rank <=> 2", []string{"1:41: == is not an operator | =", "1:82: <=> is not an operator here | IS NOT DISTINCT FROM"}},
		{"SELECT rank::BIGINT AS a, (rank FROM impressions", []string{"1:12: :: is not an operator here | CAST(x AS type)", "1:33: expected ), found FROM | "}},
		{"SELECT (ts - ts) DAY TO SECOND AS x, ROW(1, 2) AS y, ARRAY[1] AS z, (i, l) AS w FROM mixed", []string{
			"1:18: a difference of times | TIMESTAMPDIFF(DAY", "1:38: ROW(..) is not run yet | fields", "1:54: ARRAY[..] is not run yet | elements", "1:69: a row (a, b) is not a value here | one by one"}},
	} {
		p, problems := Compile(c.query, testCatalog())
		want(t, c.query, problems, c.want...)
		if p != nil {
			t.Errorf("%s: a plan in spite of problems", c.query)
		}
	}
}

func TestWarnings(t *testing.T) {
	query := "SELECT /*+ BROADCAST(c) */ c.plan\nFROM impressions i\nLEFT JOIN customers c ON c.customer_id = i.profile_id"
	p, problems := Compile(query, testCatalog())
	want(t, query, problems, "1:8: query hints /*+ .. */ are not used | leave", "3:11: table customers has versions, and the query does not say as of when: i.shown_at is meant | write customers FOR SYSTEM_TIME AS OF i.shown_at AS c")
	if p == nil {
		t.Fatal("warnings must not stop a query")
	}
	var l *Lookup
	walk(p.Root, func(n Node) {
		if x, ok := n.(*Lookup); ok {
			l = x
		}
	})
	if l.AsOf == nil || exprText(l.AsOf, 0) != "i.shown_at" {
		t.Errorf("as of %v", l.AsOf)
	}
}

func TestComparisonWithNull(t *testing.T) {
	query := "SELECT rank FROM impressions WHERE rank = NULL OR NULL <> rank OR rank IS NOT DISTINCT FROM NULL"
	p, problems := Compile(query, testCatalog())
	want(t, query, problems, "1:41: = NULL is never TRUE | IS NULL", "1:56: <> NULL is never TRUE | ")
	if p == nil {
		t.Error("a warning must not stop a query")
	}
}

func TestTables(t *testing.T) {
	refs, problems := Tables(takeRate + " UNION ALL SELECT 1 FROM impressions JOIN `odd name` o ON TRUE")
	if len(problems) > 0 || len(refs) != 5 || refs[0] != (Ref{"impressions", 5, 6}) || refs[1] != (Ref{"playbacks", 6, 11}) || refs[4].Name != "odd name" {
		t.Errorf("%+v %s", refs, listed(problems))
	}
	refs, problems = Tables("WITH w AS (SELECT a FROM s JOIN (SELECT b FROM u) x ON TRUE) SELECT a FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(a), INTERVAL '1' DAY)) WHERE EXISTS (SELECT 1 FROM v WHERE a = b)")
	if len(problems) > 0 || len(refs) != 3 || refs[0].Name != "s" || refs[1].Name != "u" || refs[2].Name != "v" {
		t.Errorf("%+v %s", refs, listed(problems))
	}
	refs, problems = Tables("SELECT a FROM s ORDER BY b")
	if len(problems) != 1 || len(refs) != 1 {
		t.Errorf("%+v %s", refs, listed(problems))
	}
}

// Hostile texts end in a problem, not in a crash.
func TestDeepNesting(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("(", 30_000),
		strings.Repeat("(", 30_000) + "1" + strings.Repeat(")", 30_000),
		strings.Repeat("NOT ", 30_000) + "TRUE", strings.Repeat("- ", 30_000) + "1",
		strings.Repeat("CASE WHEN ", 30_000), strings.Repeat("ABS(", 30_000), strings.Repeat("i[", 30_000), strings.Repeat("CAST(i AS ", 10) + strings.Repeat("ARRAY<", 30_000),
		"1" + strings.Repeat(" + 1", 30_000), "TRUE" + strings.Repeat(" AND TRUE", 30_000), "i" + strings.Repeat(" IS NULL", 30_000),
		"i" + strings.Repeat("[1]", 10_000), "i IN (" + strings.Repeat("1, ", 20_000), strings.Repeat("1 ", 60_000), strings.Repeat("x.", 30_000),
	} {
		_, problems := Compile("SELECT "+text+" AS x FROM mixed", testCatalog())
		if len(problems) == 0 {
			t.Errorf("%.40s.. is taken", text)
		}
		if _, problems = BindExpr(text, testCatalog().Streams["mixed"].Fields); len(problems) == 0 {
			t.Errorf("%.40s.. is taken as a condition", text)
		}
		Compile(strings.Repeat("(", 30_000)+"SELECT", testCatalog())
	}
	long := "i = 0" + strings.Repeat(" OR i = 1", 4_900)
	if _, problems := BindExpr(long, testCatalog().Streams["mixed"].Fields); len(problems) > 0 {
		t.Errorf("a long OR: %s", listed(problems))
	}
}

func TestNearest(t *testing.T) {
	names := []string{"impression_id", "profile_id", "Country", "rank"}
	for name, want := range map[string]string{"impresion_id": "impression_id", "profil_id": "profile_id", "country": "Country", "rnak": "rank", "x": "", "zzzzzz": "", "ranks": "rank"} {
		if got := nearest(name, names); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
