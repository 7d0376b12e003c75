package sql

import (
	"fmt"
	"strings"
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// reserved words cannot be bare names.
var reserved = set(`ALL AND ANTI AS BETWEEN CASE CAST CROSS DISTINCT ELSE END ESCAPE EXCEPT EXISTS FALSE FETCH FOR FROM FULL
	GROUP HAVING IN INNER INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE LIMIT MINUS NATURAL NOT NULL OFFSET ON OR ORDER
	OUTER OVER QUALIFY RIGHT SELECT SEMI SIMILAR TABLE THEN TRUE TRY_CAST UNION UNNEST USING WHEN WHERE WINDOW WITH`)

// keywords are words that the grammar knows.
var keywords = func() map[string]bool {
	m := set("FORMAT TRIM EXTRACT SYSTEM_TIME OF")
	for w := range reserved {
		m[w] = true
	}
	return m
}()

// clauseWords are the keywords that a misspelt word may have been meant to be.
var clauseWords = []string{"SELECT", "FROM", "WHERE", "JOIN", "LEFT", "INNER", "OUTER", "UNION", "BETWEEN", "INTERVAL", "SYSTEM_TIME",
	"LIKE", "WHEN", "THEN", "ELSE", "CASE", "DISTINCT", "NULL"}

// clauseStart are the words at which reading goes on after a mistake.
var clauseStart = set(`FROM JOIN LEFT INNER RIGHT FULL CROSS NATURAL WHERE GROUP HAVING WINDOW QUALIFY ORDER LIMIT OFFSET FETCH UNION
	INTERSECT EXCEPT MINUS CLUSTER DISTRIBUTE SORT`)

type advice struct{ message, hint string }

const toolHint = "sort or cut the output where it is read; its rows have no order"

// refusedClauses are what may follow WHERE elsewhere.
var refusedClauses = map[string]advice{
	"WINDOW":     {"WINDOW is not run", "write OVER (PARTITION BY .. ORDER BY ..) where it is used"},
	"GROUP":      {"GROUP BY stands before HAVING and QUALIFY", "write WHERE, GROUP BY, HAVING, QUALIFY in this order"},
	"HAVING":     {"HAVING stands behind GROUP BY and before QUALIFY", "write WHERE, GROUP BY, HAVING, QUALIFY in this order"},
	"WHERE":      {"WHERE stands before GROUP BY", "write WHERE, GROUP BY, HAVING, QUALIFY in this order"},
	"ORDER":      {"ORDER BY is not run: a stream has no end to sort at", toolHint},
	"SORT":       {"SORT BY is not run: a stream has no end to sort at", toolHint},
	"CLUSTER":    {"CLUSTER BY is not run", toolHint},
	"DISTRIBUTE": {"DISTRIBUTE BY is not run", toolHint},
	"LIMIT":      {"LIMIT is not run: which rows come first would depend on when it runs", "bound the run with --since and --until, or filter with WHERE"},
	"OFFSET":     {"OFFSET is not run: which rows come first would depend on when it runs", "bound the run with --since and --until, or filter with WHERE"},
	"FETCH":      {"FETCH is not run: which rows come first would depend on when it runs", "bound the run with --since and --until, or filter with WHERE"},
}

var windowTables = set("TUMBLE HOP CUMULATE SESSION")

var refusedTable = map[string]string{
	"TABLESAMPLE":     "filter with WHERE on a hash: MD5(i.id) < '4'",
	"MATCH_RECOGNIZE": "join the stream with itself within a band of time",
	"PIVOT":           "write one CASE for each column",
	"UNPIVOT":         "write one SELECT for each column, with UNION ALL between",
}

// clockFunctions are those whose value depends on when or where the query runs.
var clockFunctions = map[string]string{
	"NOW": timeHint, "CURRENT_TIMESTAMP": timeHint, "CURRENT_DATE": timeHint, "CURRENT_TIME": timeHint, "LOCALTIME": timeHint,
	"LOCALTIMESTAMP": timeHint, "CURRENT_ROW_TIMESTAMP": timeHint, "PROCTIME": timeHint, "UNIX_TIMESTAMP": timeHint, "SYSDATE": timeHint,
	"GETDATE": timeHint, "CURRENT_WATERMARK": timeHint,
	"RAND": randomHint, "RANDOM": randomHint, "RAND_INTEGER": randomHint,
	"UUID":         "derive an identifier from the row: MD5(i.id || p.id)",
	"CURRENT_USER": userHint, "USER": userHint, "SESSION_USER": userHint, "CURRENT_DATABASE": userHint, "CURRENT_CATALOG": userHint,
}

const (
	timeHint   = "use the row's event time; a date that changes from run to run comes in as ${VAR}"
	randomHint = "sample by a hash of a column: MD5(i.id) < '4'"
	userHint   = "bring the name in as ${VAR}"
)

// bareClock are the clock functions that are written without parentheses.
var bareClock = set("CURRENT_TIMESTAMP CURRENT_DATE CURRENT_TIME LOCALTIME LOCALTIMESTAMP SYSDATE CURRENT_USER SESSION_USER")

// runAggregates are those that are run.
var runAggregates = set("COUNT SUM AVG MIN MAX LISTAGG ARRAY_AGG FIRST_VALUE LAST_VALUE")

var aggregates = set(`ANY_VALUE COLLECT COLLECT_LIST COLLECT_SET STRING_AGG FIRST LAST STDDEV STDDEV_POP STDDEV_SAMP VARIANCE VAR_POP VAR_SAMP APPROX_COUNT_DISTINCT APPROX_DISTINCT MEDIAN PERCENTILE MAX_BY MIN_BY
	ARG_MAX ARG_MIN BOOL_AND BOOL_OR EVERY JSON_OBJECTAGG JSON_ARRAYAGG`)

var windowFunctions = set(`ROW_NUMBER RANK DENSE_RANK PERCENT_RANK CUME_DIST NTILE LAG LEAD NTH_VALUE TUMBLE HOP CUMULATE SESSION
	TUMBLE_START TUMBLE_END HOP_START HOP_END`)

// elsewhere says how we write what other engines call by another name.
var elsewhere = map[string]string{
	"NVL": "COALESCE(a, b)", "IFNULL": "COALESCE(a, b)", "ISNULL": "x IS NULL", "NVL2": "CASE WHEN x IS NOT NULL THEN a ELSE b END",
	"IF": "CASE WHEN c THEN a ELSE b END", "IIF": "CASE WHEN c THEN a ELSE b END", "DECODE": "CASE x WHEN a THEN b END",
	"LENGTH": "CHAR_LENGTH(s)", "LEN": "CHAR_LENGTH(s)", "SUBSTR": "SUBSTRING(s FROM 1 FOR 2)",
	"CONCAT": "a || b", "CONCAT_WS": "a || ',' || b", "LEFT": "SUBSTRING(s FROM 1 FOR n)", "RIGHT": "SUBSTRING(s FROM -n)",
	"INSTR": "POSITION('a' IN s)", "LOCATE": "POSITION('a' IN s)", "STRPOS": "POSITION('a' IN s)", "LCASE": "LOWER(s)", "UCASE": "UPPER(s)",
	"BTRIM": "TRIM(BOTH 'x' FROM s)", "LTRIM": "TRIM(LEADING FROM s)", "RTRIM": "TRIM(TRAILING FROM s)", "SPLIT": "SPLIT_INDEX(s, ',', 0)", "SPLIT_PART": "SPLIT_INDEX(s, ',', 0), which counts from 0",
	"REGEXP": "REGEXP_EXTRACT(s, 'a.*', 0) IS NOT NULL", "RLIKE": "REGEXP_EXTRACT(s, 'a.*', 0) IS NOT NULL", "REGEXP_LIKE": "REGEXP_EXTRACT(s, 'a.*', 0) IS NOT NULL",
	"REGEXP_SUBSTR": "REGEXP_EXTRACT(s, 'a.*', 0)", "REGEXP_REPLACE": "REGEXP_EXTRACT for the part to keep, or REPLACE",
	"STARTSWITH": "s LIKE 'a%'", "ENDSWITH": "s LIKE '%a'", "CONTAINS": "POSITION('a' IN s) > 0",
	"POW": "POWER(a, b)", "TRUNCATE": "CAST(x AS BIGINT), or FLOOR", "TRUNC": "CAST(x AS BIGINT), or FLOOR(t TO DAY)", "LOG": "LN(x) / LN(base)", "LOG10": "LN(x) / LN(10)", "LOG2": "LN(x) / LN(2)",
	"DATE_TRUNC": "FLOOR(t TO HOUR)", "DATE_PART": "EXTRACT(HOUR FROM t)", "DATEDIFF": "TIMESTAMPDIFF(DAY, a, b)", "DATE_DIFF": "TIMESTAMPDIFF(DAY, a, b)",
	"DATE_ADD": "t + INTERVAL '1' DAY", "DATE_SUB": "t - INTERVAL '1' DAY", "DATEADD": "t + INTERVAL '1' DAY", "ADD_MONTHS": "TIMESTAMPADD(MONTH, 1, t)",
	"TO_TIMESTAMP": "CAST(s AS TIMESTAMP(6))", "TO_DATE": "CAST(s AS DATE)", "DATE": "CAST(t AS DATE)", "STRFTIME": "DATE_FORMAT(t, 'yyyy-MM-dd')",
	"TO_CHAR": "DATE_FORMAT(t, 'yyyy-MM-dd')", "FROM_UNIXTIME": "TIMESTAMPADD(SECOND, n, TIMESTAMP '1970-01-01 00:00:00')",
	"TO_TIMESTAMP_LTZ": "TIMESTAMPADD(SECOND, n, TIMESTAMP '1970-01-01 00:00:00')", "TIMESTAMP": "CAST(s AS TIMESTAMP(6))",
	"YEAR": "EXTRACT(YEAR FROM t)", "QUARTER": "EXTRACT(QUARTER FROM t)", "MONTH": "EXTRACT(MONTH FROM t)", "WEEK": "EXTRACT(WEEK FROM t)", "DAY": "EXTRACT(DAY FROM t)",
	"DAYOFMONTH": "EXTRACT(DAY FROM t)", "DAYOFWEEK": "EXTRACT(DOW FROM t)", "DAYOFYEAR": "EXTRACT(DOY FROM t)", "HOUR": "EXTRACT(HOUR FROM t)",
	"MINUTE": "EXTRACT(MINUTE FROM t)", "SECOND": "EXTRACT(SECOND FROM t)",
	"GET_JSON_OBJECT": "JSON_VALUE(s, '$.a')", "JSON_EXTRACT": "JSON_VALUE(s, '$.a')", "JSON_QUERY": "JSON_VALUE(s, '$.a'), for one value",
	"SIZE": "CARDINALITY(a)", "ARRAY_LENGTH": "CARDINALITY(a)", "ELEMENT_AT": "a[1]", "SHA2": "SHA256(s)", "SHA1": "SHA256(s)", "STRING": "CAST(x AS STRING)", "INT": "CAST(x AS INT)",
	"BIGINT": "CAST(x AS BIGINT)", "DOUBLE": "CAST(x AS DOUBLE)", "CONVERT": "CAST(x AS type)", "TRY_TO_NUMBER": "TRY_CAST(x AS DECIMAL(12,2))", "EXISTS": "a LEFT JOIN and x IS NOT NULL",
}

// synonyms are other spellings that Flink and Spark share.
var synonyms = map[string]string{"CHARACTER_LENGTH": "CHAR_LENGTH", "CEILING": "CEIL"}

// unknownFunction says what is wrong with a name that no function has.
func unknownFunction(name string, known []string) (message, hint string) {
	switch w := upper(name); {
	case clockFunctions[w] != "":
		return w + " depends on when or where the query runs, so that no second run could agree", clockFunctions[w]
	case aggregates[w]:
		return w + " is an aggregate that is not run", "the aggregates are COUNT, SUM, AVG, MIN, MAX, LISTAGG, ARRAY_AGG, FIRST_VALUE and LAST_VALUE"
	case windowFunctions[w]:
		return w + " is a window function that is not run", "ROW_NUMBER() OVER (..) is; windows of time stand in FROM: TABLE(TUMBLE(..))"
	case elsewhere[w] != "":
		return w + " is not a function here", "write " + elsewhere[w]
	default:
		hint = "docs/sql.md lists the functions; functions of your own are not run"
		if near := nearest(w, known); near != "" {
			hint = fmt.Sprintf("did you mean %s? (%s)", near, hint)
		}
		return fmt.Sprintf("function %s is not known", name), hint
	}
}

// nearest is the candidate that differs from name by the fewest letters: at most a third of them, and at most
// three; "" when none is that near. Case does not count, but decides between equals.
func nearest(name string, candidates []string) string {
	best, bestCost := "", min((len([]rune(name))+1)/3, 3)*2+1
	for _, c := range candidates {
		if c == name {
			continue
		}
		cost := 2 * distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(c)))
		if cost == 0 {
			return c
		}
		if cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

// distance is the number of letters to insert, drop, replace or swap with their neighbour.
func distance(a, b []rune) int {
	if d := len(a) - len(b); d > 3 || d < -3 {
		return 4
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = last, row, before
	}
	return rows[1][len(b)]
}
