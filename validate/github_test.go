package validate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/parquet-go/parquet-go"
	"github.com/rivo/uniseg"
)

func TestGitHubCommands(t *testing.T) {
	l := csvSide(t, "id,\"a,b\",v\n1,x,1\n2,y,2\n3,z,3\n")
	r := csvSide(t, "id,\"a,b\",v\n1,x,1\n2,Y,2\n4,q,9\n")
	res := judge(t, Options{Left: l, Right: r, Key: key})
	var b bytes.Buffer
	if err := WriteGitHub(&b, res, "pipe.yaml"); err != nil {
		t.Fatal(err)
	}
	want := "::error file=pipe.yaml,title=Different::1 row changed, 1 only on the left, 1 only on the right; 1 agrees.\n" +
		"::error file=pipe.yaml,title=column a%2Cb::1 of 2 differ%0Atext_normalisation: the same but for upper and lower case (1 of 1 cells)\n" +
		"::warning file=pipe.yaml,title=unexplained::2 rows differ for no cause that was found\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// TestJUnitHasACaseForEach: a case for every column and every check, and none that passes where rows differ.
func TestJUnitHasACaseForEach(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,a,b\n1,x,1\n2,y,2\n3,z,3\n"), Right: csvSide(t, "id,a,b\n1,x,1\n2,Y,2\n"), Key: key})
	var b bytes.Buffer
	if err := WriteJUnit(&b, res); err != nil {
		t.Fatal(err)
	}
	var s junitSuite
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	failed := 0
	for _, c := range s.Cases {
		got[c.Class+"/"+c.Name] = c.Failure == nil
		if c.Failure != nil {
			failed++
		}
	}
	want := map[string]bool{"rows/on one side only": false, "rows/duplicate keys": true, "rows/keys all NULL": true, "schema/columns have a counterpart": true,
		"causes/every difference has a cause": false, "columns/a": false, "columns/b": true}
	for name, passes := range want {
		if p, ok := got[name]; !ok || p != passes {
			t.Errorf("%s: there %v, passes %v, want %v", name, ok, p, passes)
		}
	}
	if len(got) != len(want) || s.Tests != len(want) || s.Failures != failed || !strings.Contains(b.String(), "y -&gt; Y") {
		t.Errorf("%d tests, %d failures:\n%s", s.Tests, s.Failures, b.String())
	}
}

// TestMarkdownShowsValues: what Markdown would take for its own is shown as it is, so that a text and its escapes differ.
func TestMarkdownShowsValues(t *testing.T) {
	l, r := csvSide(t, "id,v\n1,a&b *x* \\|\n2,`c`\n"), csvSide(t, "id,v\n1,a&amp;b [x](y)\n2,c\n")
	var b bytes.Buffer
	if err := WriteMarkdown(&b, judge(t, Options{Left: l, Right: r, Key: key})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`| a&amp;b \*x\* \\\| | a&amp;amp;b \[x](y) |`, "| \\`c\\` | c |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is not in\n%s", want, b.String())
		}
	}
}

// TestTextFitsTheTerminal: 80 columns, whatever the data, and no control character reaches it.
func TestTextFitsTheTerminal(t *testing.T) {
	long := strings.Repeat("long text ", 30)
	l := jsonSide(t, `{"id":"`+long+`1","a column with a very long name indeed":"`+long+`x`+long+`","v":"a\u001b[31mb"}`, `{"id":"2","v":"q"}`)
	r := jsonSide(t, `{"id":"`+long+`1","a column with a very long name indeed":"`+long+`y`+long+`","v":"a\u0007b"}`, `{"id":"3","v":"q"}`)
	res := judge(t, Options{Left: l, Right: r, Key: key})
	var b bytes.Buffer
	if err := WriteText(&b, res, TextOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(b.String(), "\n") {
		if n := len([]rune(line)); n > textWidth && i > 0 {
			t.Errorf("line %d has %d characters: %s", i+1, n, line)
		}
		if strings.ContainsAny(line, "\x1b\a") {
			t.Errorf("line %d has a control character: %q", i+1, line)
		}
	}
	if !strings.Contains(b.String(), "[x]") || !strings.Contains(b.String(), "[y]") {
		t.Errorf("the character that differs is not marked:\n%s", b.String())
	}
}

// TestTextOfWideCharacters: a character that takes two columns is counted as two, and an emoji is cut as a whole.
func TestTextOfWideCharacters(t *testing.T) {
	name, value := strings.Repeat("長い名前", 8), strings.Repeat("端末の幅", 30)+strings.Repeat("👩‍👩‍👧‍👦", 30)
	side := func(v string) Input {
		return jsonSide(t, `{"id":"`+value+`","`+name+`":"`+value+v+value+`"}`, `{"id":"`+v+`","`+name+`":""}`)
	}
	res := judge(t, Options{Left: side("x"), Right: side("語"), Key: key, Patterns: true})
	var b bytes.Buffer
	if err := WriteText(&b, res, TextOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(b.String(), "\n") {
		if n := uniseg.StringWidth(line); n > textWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(b.String(), "[x]") || !strings.Contains(b.String(), "[語]") {
		t.Errorf("the character that differs is not marked:\n%s", b.String())
	}
	for s, want := range map[string]string{"a": "a", "abcdef": "abcdef", "abcdefg": "abcd..", "端末の": "端末の", "端末の幅": "端末..", "👩‍👩‍👧‍👦": "👩‍👩‍👧‍👦"} {
		if got := clipText(s, 6); got != want {
			t.Errorf("%q is cut to %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"abcdef": "abcdef", "abcdefg": "..defg", "端末の幅": "..の幅", "a端末の": "..末の"} {
		if got := clipEnd(s, 6); got != want {
			t.Errorf("of %q the end is %q, want %q", s, got, want)
		}
	}
}

// TestTextObeysNoData: names and keys reach a terminal no other way than values do, and what it would not show is told.
func TestTextObeysNoData(t *testing.T) {
	side := func(v string) Input {
		return jsonSide(t, `{"id":"1\u009b\u202e","a\u001b[31m\tb":"x`+v+`y","c":"`+v+`"}`, `{"id":"2","a\u001b[31m\tb":"same","c":"same"}`)
	}
	res := judge(t, Options{Left: side(`\u00a0`), Right: side(`\u00ad`), Key: key, Patterns: true})
	var b bytes.Buffer
	if err := WriteText(&b, res, TextOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) {
			t.Errorf("%U in %q", r, b.String())
		}
	}
	if !strings.Contains(b.String(), "x[<U+00A0>]y -> x[<U+00AD>]y") {
		t.Errorf("the characters that differ are not told:\n%s", b.String())
	}
}

// TestWhatIf: with the tolerance that the report names, the sides are equal; with any less they are not.
func TestWhatIf(t *testing.T) {
	l := jsonSide(t, `{"id":1,"v":1.5,"s":"a "}`, `{"id":2,"v":2.25,"s":"b"}`, `{"id":3,"v":3,"s":"c"}`)
	r := jsonSide(t, `{"id":1,"v":1.25,"s":"a"}`, `{"id":2,"v":2.5,"s":"b"}`, `{"id":3,"v":3.125,"s":"c"}`)
	o := Options{Left: l, Right: r, Key: key}
	res := judge(t, o)
	if res.EqualWith != "--tolerance 's=trim' --tolerance 'v=abs:0.25'" {
		t.Fatalf("equal with %q; %+v", res.EqualWith, res.WhatIf)
	}
	for text, want := range map[string]Verdict{"v=abs:0.25": Equal, "v=abs:0.2499": Different} {
		o.Tolerances = []Tolerance{tolerance(t, text), tolerance(t, "s=trim")}
		if got := judge(t, o); got.Verdict != want {
			t.Errorf("%s: %s", text, got.Verdict)
		}
	}
	r = jsonSide(t, `{"id":1,"v":1.25,"s":"a"}`, `{"id":2,"v":null,"s":"b"}`, `{"id":3,"v":3.125,"s":"c"}`)
	if res = judge(t, Options{Left: l, Right: r, Key: key}); res.EqualWith != "" {
		t.Errorf("a NULL passes no bound, yet: %s", res.EqualWith)
	}
}

// TestEqualWithIsForAShell: a quote in a column's name ends no quotes of the flag.
func TestEqualWithIsForAShell(t *testing.T) {
	o := Options{Left: jsonSide(t, `{"id":1,"it's":1}`), Right: jsonSide(t, `{"id":1,"it's":2}`), Key: key}
	res := judge(t, o)
	if want := `--tolerance 'it'\''s=abs:1'`; res.EqualWith != want {
		t.Errorf("equal with %s, want %s", res.EqualWith, want)
	}
	o.Tolerances = []Tolerance{tolerance(t, "it's=abs:1,null_as:'0'")}
	if res := judge(t, o); res.Verdict != Equal {
		t.Errorf("with it: %s", res.Verdict)
	}
}

func tolerance(t *testing.T, text string) Tolerance {
	t.Helper()
	tol, err := ParseTolerance(text)
	if err != nil {
		t.Fatal(err)
	}
	return tol
}

// TestNullIsShown: a pattern and a frequent change of NULL are not those of an empty text.
func TestNullIsShown(t *testing.T) {
	var l, r []string
	for i := range 4000 {
		land, v := []string{`"DE"`, `"FR"`, `""`, "null"}[i%4], fmt.Sprint(i)
		if i%4 == 3 {
			v = "-1"
		}
		x := fmt.Sprintf(`{"id":%d,"land":%s,"note":"","v":`, i, land)
		l, r = append(l, x+fmt.Sprint(i)+"}"), append(r, strings.Replace(x, `"note":""`, `"note":null`, 1)+v+"}")
		if i%4 < 3 {
			r[i] = x + v + "}"
		}
	}
	res := judge(t, Options{Left: jsonSide(t, l...), Right: jsonSide(t, r...), Key: key, Patterns: true, Page: true})
	var b, page bytes.Buffer
	if err := errors.Join(WriteText(&b, res, TextOptions{}), WriteHTML(&page, res)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "  land = NULL ") || !strings.Contains(page.String(), "NULL") {
		t.Errorf("the pattern is not told:\n%s", b.String())
	}
	if d := shown(res.Columns[1].Changes[0].Left) + " to " + shown(res.Columns[1].Changes[0].Right); d != "'' to NULL" {
		t.Errorf("the most frequent change is %s", d)
	}
}

// TestPatterns: the value that all differing rows have is named with its lift and counts.
func TestPatterns(t *testing.T) {
	type row struct {
		ID   int64  `parquet:"id"`
		Land string `parquet:"land"`
		V    int64  `parquet:"v"`
	}
	var l, r []row
	for i := range 4000 {
		x := row{int64(i), []string{"DE", "FR", "IN", "BR"}[i%4], int64(i)}
		l = append(l, x)
		if x.Land == "FR" && i%3 == 0 {
			x.V = -x.V - 1000
		}
		r = append(r, x)
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key, Patterns: true})
	if len(res.Patterns) != 1 || res.Patterns[0].Column != "land" || string(res.Patterns[0].Value) != `"FR"` || res.Patterns[0].Lift != 4 ||
		res.Patterns[0].Different != res.Rows.Changed || res.Patterns[0].Rows != 1000 {
		t.Errorf("%d rows changed; patterns %+v", res.Rows.Changed, res.Patterns)
	}
}

// TestPatternsOfEachType: rows that differ and all rows with a value are counted alike whatever type or encoding it
// has; by hours, which lie years apart here, too; of the right side those that it alone has; none out of scope.
func TestPatternsOfEachType(t *testing.T) {
	type row struct {
		ID   int64     `parquet:"id"`
		Word string    `parquet:"word,dict"`
		Text string    `parquet:"text"`
		Int  int32     `parquet:"int"`
		Real float64   `parquet:"real"`
		Flag bool      `parquet:"flag"`
		None *string   `parquet:"none,optional"`
		Cost [9]byte   `parquet:"cost"`
		At   time.Time `parquet:"at,timestamp(microsecond)"`
		Day  int32     `parquet:"day,date"`
		V    int64     `parquet:"v"`
	}
	some := "some"
	at := time.Date(1969, 3, 1, 0, 0, 0, 0, time.UTC)
	var l, r []row
	var rows, different int64 // of group 1
	for i := range 9000 {
		g := i % 9
		x := row{ID: int64(i), Word: fmt.Sprint("w", g), Text: fmt.Sprint("t\x00", g), Int: int32(g - 4), Real: float64(g) - 4.5, Flag: g == 1,
			Cost: [9]byte{8: byte(g)}, Day: int32(g * 400), At: at.Add(time.Duration(i%5*700*24+g) * time.Hour)}
		if g != 1 {
			x.None = &some
		}
		if g == 1 && i >= 100 {
			rows++
		}
		switch {
		case g == 1 && i%5 == 0:
			r = append(r, x) // alone
		case g == 1 && i%3 == 1:
			l = append(l, x)
			x.V++
			r = append(r, x)
		default:
			l, r = append(l, x), append(r, x)
			continue
		}
		if i >= 100 {
			different++
		}
	}
	for _, parallelism := range []int{1, 3} {
		res := judge(t, Options{Left: parquetSide(t, l, parquet.MaxRowsPerRowGroup(700)), Right: parquetSide(t, r), Key: key, Where: "id >= 100", Patterns: true, Parallelism: parallelism})
		got := map[string]string{}
		for _, p := range res.Patterns {
			got[p.Column] = string(p.Value)
			if p.Different != different || p.Rows != rows {
				t.Errorf("%s = %s: %d of %d rows differ, want %d of %d", p.Column, p.Value, p.Different, p.Rows, different, rows)
			}
		}
		want := map[string]string{"word": `"w1"`, "text": `"t\u00001"`, "int": "-3", "real": "-3.5", "flag": "true", "none": "null",
			"cost": `"AAAAAAAAAAAB"`, "day": `"1971-02-05"`, "hour of at": "1"}
		if !maps.Equal(got, want) {
			t.Errorf("patterns %v, want %v", got, want)
		}
		var all, differ int64
		for _, b := range res.Timeline.Buckets {
			all, differ = all+b.Rows, differ+b.Different
		}
		if all != 8900 || differ != different {
			t.Errorf("timeline of %d rows, %d of them different; want 8900 and %d", all, differ, different)
		}
	}
}
