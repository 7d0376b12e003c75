package csv

import (
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"pgregory.net/rapid"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/json"
)

// load infers and reads, and returns the types and the rows as JSON.
func load(t *testing.T, in string) (types string, rows []string) {
	t.Helper()
	fields, err := Infer(strings.NewReader(in), "t.csv")
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	rec, err := Read(strings.NewReader(in), "t.csv", fields)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return schema.Type{Kind: schema.Row, Fields: fields}.String(), show(fields, rec)
}

func show(fields []schema.Field, rec arrow.Record) (rows []string) {
	e := json.NewEncoder(fields)
	for i := range int(rec.NumRows()) {
		rows = append(rows, string(e.Encode(nil, rec, i)))
	}
	return rows
}

func TestInfer(t *testing.T) {
	for _, c := range []struct{ in, types, last string }{
		{"a,b\n1,x\n-9223372036854775808,y\n", "ROW<a BIGINT, b STRING>", `{"a":-9223372036854775808,"b":"y"}`},
		{"a\n9223372036854775808\n", "ROW<a STRING>", `{"a":"9223372036854775808"}`},
		{"a\n1\n2.5\n", "ROW<a DOUBLE>", `{"a":2.5}`},
		{"a\n1e3\n", "ROW<a DOUBLE>", `{"a":1000}`},
		{"a\n9007199254740993\n0.5\n", "ROW<a STRING>", `{"a":"0.5"}`},
		{"a\n0.12345678901234567\n", "ROW<a DOUBLE>", `{"a":0.12345678901234566}`},
		{"a\n1.123456789012345678\n", "ROW<a STRING>", `{"a":"1.123456789012345678"}`},
		{"a\n12345\n01234\n", "ROW<a STRING>", `{"a":"01234"}`},
		{"a\n+1\n", "ROW<a STRING>", `{"a":"+1"}`},
		{"a\n-0\n", "ROW<a DOUBLE>", `{"a":-0}`},
		{"a\n 1\n", "ROW<a STRING>", `{"a":" 1"}`},
		{"a\nNaN\n", "ROW<a STRING>", `{"a":"NaN"}`},
		{"a\n1\nNA\n", "ROW<a STRING>", `{"a":"NA"}`},
		{"a\ntrue\n\nfalse\n", "ROW<a BOOLEAN>", `{"a":false}`},
		{"a\n0\ntrue\n", "ROW<a STRING>", `{"a":"true"}`},
		{"a\n2024-01-31\n", "ROW<a DATE>", `{"a":"2024-01-31"}`},
		{"a\n2024-01-31\n2024-01-31 10:00:00.5\n", "ROW<a TIMESTAMP(6)>", `{"a":"2024-01-31T10:00:00.500000Z"}`},
		{"a\n2023-02-29\n", "ROW<a STRING>", `{"a":"2023-02-29"}`},
		{"a,b\n,\"\"\n", "ROW<a STRING, b STRING>", `{"a":null,"b":""}`},
		{"a,b\n1,\"\"\n2,3\n", "ROW<a BIGINT, b STRING>", `{"a":2,"b":"3"}`},
		{"a,b\n1,\n,3\n", "ROW<a BIGINT, b BIGINT>", `{"a":null,"b":3}`},
		{"a,b\n\"1\",\"x,\"\"y\"\"\r\nz\"\r\n", "ROW<a BIGINT, b STRING>", `{"a":1,"b":"x,\"y\"\r\nz"}`},
		{"\ufeff\"a\",é\r\n1,2", "ROW<a BIGINT, é BIGINT>", `{"a":1,"é":2}`},
		{"\n\na,b\n\n1,2\n\n", "ROW<a BIGINT, b BIGINT>", `{"a":1,"b":2}`},
		{"a\n1\n\n", "ROW<a BIGINT>", `{"a":null}`},
		{"a\n\"\"\"\"\n", "ROW<a STRING>", `{"a":"\""}`},
		{"a,b\nx\ry,1\r", "ROW<a STRING, b BIGINT>", `{"a":"x\ry","b":1}`},
		{"a,b\n", "ROW<a STRING, b STRING>", ``},
	} {
		types, rows := load(t, c.in)
		last := ""
		if len(rows) > 0 {
			last = rows[len(rows)-1]
		}
		if types != c.types || last != c.last {
			t.Errorf("%q: got %s, %s; want %s, %s", c.in, types, last, c.types, c.last)
		}
	}
}

func TestRefused(t *testing.T) {
	bigint := []schema.Field{{Name: "a", Type: schema.Type{Kind: schema.BigInt}}}
	text := []schema.Field{{Name: "a", Type: schema.Type{Kind: schema.String}}}
	for _, c := range []struct {
		fields   []schema.Field
		in, want string
	}{
		{text, "", "t.csv: the file is empty"},
		{text, "\n\n", "t.csv: the file is empty"},
		{text, "a,b\n1,2\n\n1,2,3\n", "t.csv:4: 3 fields where the header has 2"},
		{text, "a,b\n\"x\ny\",2\n1\n", "t.csv:4: 1 fields where the header has 2"},
		{text, "a,\n", "t.csv:1: column 2 has no name"},
		{text, "a,a\n", "t.csv:1: two columns are named a"},
		{text, "b\n1\n", "t.csv:1: no column a"},
		{text, "a\nx\"y\n", "t.csv:2: a double quote inside a field without quotes"},
		{text, "a\n\"x\"y\n", `t.csv:2: 'y' behind a closing quote`},
		{text, "a\n1\n\"x\ny\n", "t.csv:3: a quote that is not closed"},
		{text, "a\nb\n\xff\n", "t.csv:3: column a: not valid UTF-8"},
		{text, "a,\xff\n", "t.csv:1: column 2: not valid UTF-8"},
		{text, "\xff\xfea\x00", "t.csv: the file is UTF-16"},
		{bigint, "a,b\n1,2\n\"x\n\",\"y\"\n", `t.csv:3: column a: "x\n" as BIGINT: not a number`},
		{bigint, "a\n1.5\n", `t.csv:2: column a: "1.5" as BIGINT: has digits`},
		{bigint, "a\n\"\"\n", `t.csv:2: column a: "" as BIGINT: not a number`},
		{append(bigint, bigint...), "a\n", "t.csv: column a is wanted twice"},
		{[]schema.Field{{Name: "a", Type: schema.Type{Kind: schema.Row}}}, "a\n", "t.csv: column a: CSV has no ROW"},
	} {
		_, err := Read(strings.NewReader(c.in), "t.csv", c.fields)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.in, err, c.want)
		}
	}
	broken := errors.New("broken pipe")
	if _, err := Infer(failing{broken}, "t.csv"); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Some of the columns, in another order, with types of the user's.
func TestDeclared(t *testing.T) {
	fields := []schema.Field{
		{Name: "price", Type: schema.Type{Kind: schema.Decimal, Precision: 10, Scale: 2}},
		{Name: "at", Type: schema.Type{Kind: schema.Timestamp, Epoch: "ms"}},
		{Name: "raw", Type: schema.Type{Kind: schema.Bytes}},
		{Name: "f", Type: schema.Type{Kind: schema.Float}},
	}
	in := "raw,id,at,price,f\nAAE=,7,1700000000123,1.5,NaN\n,8,,,\n"
	rec, err := Read(strings.NewReader(in), "t.csv", fields)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"price":1.50,"at":"2023-11-14T22:13:20.123000Z","raw":"AAE=","f":"NaN"}
{"price":null,"at":null,"raw":null,"f":null}`
	if got := strings.Join(show(fields, rec), "\n"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every text comes back as it was, whatever is in it, also from a file that the standard library wrote.
func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols := rapid.IntRange(1, 4).Draw(t, "columns")
		cell := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a",\n\r ]{0,6}`))
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, cols, cols), 0, 5).Draw(t, "rows")
		var fields []schema.Field
		var header []string
		for i := range cols {
			header = append(header, fmt.Sprintf("c%d", i))
			fields = append(fields, schema.Field{Name: header[i], Type: schema.Type{Kind: schema.String}})
		}
		quoted := strings.Join(header, ",") + "\r\n"
		for _, row := range rows {
			for i, c := range row {
				if i > 0 {
					quoted += ","
				}
				quoted += `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
			}
			quoted += "\r\n"
		}
		check := func(in string, empty bool) {
			rec, err := Read(strings.NewReader(in), "t.csv", fields)
			if err != nil {
				t.Fatalf("%q: %v", in, err)
			}
			if int(rec.NumRows()) != len(rows) {
				t.Fatalf("%q: %d rows", in, rec.NumRows())
			}
			for i, row := range rows {
				for j, want := range row {
					col := rec.Column(j).(*array.String)
					if got := col.Value(i); got != want || col.IsNull(i) != (empty && want == "") {
						t.Fatalf("%q: row %d: got %q, NULL %v, want %q", in, i, got, col.IsNull(i), want)
					}
				}
			}
		}
		check(quoted, false)
		var std strings.Builder
		w := stdcsv.NewWriter(&std)
		if err := w.WriteAll(append([][]string{header}, rows...)); err != nil {
			t.Fatal(err)
		}
		if cols > 1 { // of one column, it writes "" in quotes
			check(std.String(), true)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("a,b\n1,\"x\"\"y\"\n")
	f.Add("a\n\"\n")
	f.Add("a\r\n\r\n1")
	f.Fuzz(func(t *testing.T, in string) {
		fields, err := Infer(strings.NewReader(in), "t.csv")
		if err != nil {
			return
		}
		rec, err := Read(strings.NewReader(in), "t.csv", fields)
		if err != nil {
			if !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("%q: inferred %v, then: %v", in, fields, err)
			}
			return
		}
		for i, c := range rec.Columns() {
			if int64(c.Len()) != rec.NumRows() {
				t.Fatalf("%q: column %d has %d of %d rows", in, i, c.Len(), rec.NumRows())
			}
		}
	})
}
