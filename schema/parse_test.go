package schema

import (
	"strings"
	"testing"
)

func TestParseType(t *testing.T) {
	for text, want := range map[string]string{
		"bigint": "BIGINT", "INT": "INT", "integer": "INT", "smallint": "SMALLINT", "float": "FLOAT", "double": "DOUBLE",
		"decimal(12,2)": "DECIMAL(12,2)", " decimal ( 12 , 2 ) ": "DECIMAL(12,2)", "decimal(5)": "DECIMAL(5,0)", "boolean": "BOOLEAN",
		"string": "STRING", "varchar": "STRING", "varchar(7)": "VARCHAR(7)", "varchar(2147483647)": "STRING", "bytes": "BYTES", "date": "DATE",
		"timestamp": "TIMESTAMP(6)", "timestamp(3)": "TIMESTAMP(3)", "timestamp(ms)": "TIMESTAMP(3)", "timestamp(ns)": "TIMESTAMP(6)", "timestamp(s)": "TIMESTAMP(0)",
		"array<bigint>": "ARRAY<BIGINT>", "map<string, array<int>>": "MAP<STRING,ARRAY<INT>>",
		"struct<a: int, b: struct<c: string>>": "ROW<a INT, b ROW<c STRING>>", "row<`a b` int>": "ROW<a b INT>", "ROW<a INT, b STRING>": "ROW<a INT, b STRING>",
	} {
		got, err := ParseType(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got.String() != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for text, epoch := range map[string]string{"timestamp(s)": "s", "timestamp(MS)": "ms", "timestamp(us)": "us", "timestamp(ns)": "ns", "timestamp(6)": "", "timestamp": ""} {
		if got, err := ParseType(text); err != nil || got.Epoch != epoch {
			t.Errorf("%s: epoch %q, %v, want %q", text, got.Epoch, err, epoch)
		}
	}
}

func TestParseTypeRefuses(t *testing.T) {
	for _, c := range []struct{ text, err, hint string }{
		{"", "a type is missing", "the types are"},
		{"long", "no such type: long", "write bigint"},
		{"bigimt", "no such type: bigimt", "the types are"},
		{"decimal", `"(" is missing before the end`, "decimal(12,2)"},
		{"decimal(39,2)", "precision 39 is not between 1 and 38", "decimal(12,2)"},
		{"decimal(4,5)", "scale 5 is not between 0 and 4", "decimal(12,2)"},
		{"timestamp(9)", "precision 9 is not between 0 and 6", "timestamp(ms)"},
		{"timestamp(min)", `precision "min" is no whole number`, "timestamp(ms)"},
		{"varchar(0)", "length 0", "varchar(20)"},
		{"bigint(20)", "bigint has no parameters", "write bigint"},
		{"int not null", `"not null" behind the type`, "every column may hold NULL"},
		{"array", `"<" is missing`, "array<string>"},
		{"map<string>", `"," is missing`, "map<string,bigint>"},
		{"struct<a: int", `">" is missing before the end`, "struct<a: bigint"},
		{"struct<>", "a field's name is missing", "struct<a: bigint"},
		{"struct<a: int, a: int>", "field a is there twice", "name of its own"},
		{strings.Repeat("array<", 5000), "nested more than 64 deep", "flatten"},
	} {
		_, err := ParseType(c.text)
		if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(Hint(err), c.hint) {
			t.Errorf("%q: got %v (hint %q), want %q (%q)", c.text, err, Hint(err), c.err, c.hint)
		}
	}
}

func FuzzParseType(f *testing.F) {
	for _, s := range []string{"bigint", "decimal(12,2)", "struct<a: int, `b`: array<map<string,timestamp(ms)>>>", "varchar(3)", "row<\"x\" date>", "array<"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseType(text)
		if err != nil {
			if Hint(err) == "" {
				t.Fatalf("%q: an error without a hint: %v", text, err)
			}
			return
		}
		if strings.ContainsAny(text, "`\"") {
			return // String does not quote names
		}
		again, err := ParseType(got.String())
		if err != nil || !again.Equal(got) {
			t.Fatalf("%q is %s, which is read as %s: %v", text, got, again, err)
		}
	})
}
