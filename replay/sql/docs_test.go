package sql

import (
	"os"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// value is a text as a condition's expression over no columns, evaluated and printed as CAST to STRING does.
func value(t *testing.T, text string) string {
	t.Helper()
	x, problems := parseExpression(text)
	b := &binder{bare: true, problems: problems}
	n := b.expr(x)
	if n == nil || len(b.problems) > 0 {
		t.Errorf("%s\n%s", text, listed(b.problems))
		return ""
	}
	n, err := expr.Cast(n, schema.Type{Kind: schema.String}, false)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return ""
	}
	a := evaluate(t, n, nil, 1)
	if a.IsNull(0) {
		return "NULL"
	}
	return a.ValueStr(0)
}

// Each example of the table of functions gives what the table says.
func TestFunctionExamples(t *testing.T) {
	run := 0
	for _, f := range expr.Functions() {
		if f.Example == "" {
			continue
		}
		run++
		if got := value(t, f.Example); got != f.Result {
			t.Errorf("%s: %s gives %q, the table says %q", f.Name, f.Example, got, f.Result)
		}
		// The example survives the printer, too.
		x, _ := parseExpression(f.Example)
		w := &printer{}
		w.expr(x, 0)
		if got := value(t, w.b.String()); got != f.Result {
			t.Errorf("%s: printed as %s it gives %q", f.Name, w.b.String(), got)
		}
	}
	if run < 40 {
		t.Errorf("only %d examples", run)
	}
}

// The queries on the page are right, and what the page says is refused is refused.
func TestPageOfTheQuery(t *testing.T) {
	page, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	blocks := strings.Split(text, "```sql\n")[1:]
	for _, b := range blocks {
		query, _, _ := strings.Cut(b, "```")
		p, problems := Compile(query, testCatalog())
		want(t, query, problems)
		if p != nil {
			checkPlan(t, p)
		}
	}
	if len(blocks) < 4 {
		t.Errorf("only %d queries on the page", len(blocks))
	}
	_, refusedPart, _ := strings.Cut(text, "## What is refused")
	for _, word := range []string{"GROUP BY", "CUMULATE", "RANK", "ORDER BY", "LIMIT", "RIGHT JOIN", "SEMI JOIN", "CROSS JOIN", "NATURAL JOIN", "USING", "EXISTS", "NOT IN", "NOW()", "RAND()", "UUID()"} {
		if !strings.Contains(refusedPart, "`"+word) {
			t.Errorf("the page does not say that %s is refused", word)
		}
	}
}

// The differences from Flink that the page lists and that show in a value.
func TestDifferencesFromFlink(t *testing.T) {
	for text, want := range map[string]string{
		"1 IN (1.5)": "FALSE", "'42' IN (42)": "TRUE", "1 != 2": "TRUE", "DATE '2024-02-29' = TIMESTAMP '2024-02-29 00:00:00'": "TRUE",
		"CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE)": "FALSE", "CAST(-0.0e0 + 0 AS STRING)": "0.0", "TRY_CAST('x' AS DECIMAL(5,2))": "NULL", "TRY_CAST(9999999999 AS INT)": "NULL",
		"REPLACE('🎬', '', 'x')": "x🎬x", "'a\nb' LIKE 'a_b'": "TRUE", "UPPER('ß')": "SS", "TIMESTAMP '2024-01-01 00:00:00.000001' - INTERVAL '0.000001' SECOND": "2024-01-01 00:00:00.000000",
		"CAST(TIMESTAMP '1900-02-28 12:00:00' AS DATE)": "1900-02-28", "FLOOR(DATE '0001-01-01' TO DAY)": "0001-01-01", "TRY_CAST('2023-02-31 12:00:00' AS TIMESTAMP)": "NULL",
		"CEIL(TIMESTAMP '2024-01-01 12:00:00.000004' TO SECOND)": "2024-01-01 12:00:01.000000", "JSON_VALUE('{\"a\":1.0}', '$.a' RETURNING INTEGER NULL ON ERROR)": "NULL",
	} {
		if got := value(t, text); got != want {
			t.Errorf("%s gives %s, want %s", text, got, want)
		}
	}
}
