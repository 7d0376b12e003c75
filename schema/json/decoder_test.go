package json

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/schema"
)

var (
	text    = schema.Type{Kind: schema.String}
	bigint  = schema.Type{Kind: schema.BigInt}
	double  = schema.Type{Kind: schema.Double}
	stamp   = schema.Type{Kind: schema.Timestamp, Precision: 6}
	boolean = schema.Type{Kind: schema.Boolean}
	bytesT  = schema.Type{Kind: schema.Bytes}
	date    = schema.Type{Kind: schema.Date}
)

func decimal(p, s int) schema.Type {
	return schema.Type{Kind: schema.Decimal, Precision: p, Scale: s}
}

func epoch(unit string) schema.Type {
	return schema.Type{Kind: schema.Timestamp, Precision: 3, Epoch: unit}
}

// Each value is read as a column of the type and written again.
func TestValues(t *testing.T) {
	list := schema.Type{Kind: schema.Array, Elem: &bigint}
	row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "x", Type: bigint}, {Name: "y", Type: text}}}
	dict := schema.Type{Kind: schema.Map, Key: &text, Elem: &row}
	for _, c := range []struct {
		typ      schema.Type
		in, want string
	}{
		{text, `"a\u0041\ud83d\ude00\n\/\"\\\b\f\r\t"`, "\"aA\U0001F600\\n/\\\"\\\\\\u0008\\u000c\\r\\t\""},
		{text, `"größer 日本"`, `"größer 日本"`},
		{text, `"\u0000"`, `"\u0000"`},
		{text, `null`, `null`},
		{text, `12.50`, `"12.50"`},
		{text, `true`, `"true"`},
		{text, `{"a": [1]}`, `"{\"a\": [1]}"`},
		{bigint, `9223372036854775807`, `9223372036854775807`},
		{bigint, `-9223372036854775808`, `-9223372036854775808`},
		{bigint, `9007199254740993`, `9007199254740993`},
		{bigint, `1.50e1`, `15`},
		{bigint, `1e18`, `1000000000000000000`},
		{bigint, `0e99999999999`, `0`},
		{bigint, `"42"`, `42`},
		{bigint, `100000000000000000000e-2`, `1000000000000000000`},
		{schema.Type{Kind: schema.Int}, `-2147483648`, `-2147483648`},
		{schema.Type{Kind: schema.SmallInt}, `32767`, `32767`},
		{double, `0.1`, `0.1`},
		{double, `-0`, `-0`},
		{double, `-0.0e-99`, `-0`},
		{double, `9007199254740993`, `9007199254740992`},
		{double, `1.7976931348623157e308`, `1.7976931348623157e+308`},
		{double, `4.9e-324`, `5e-324`},
		{double, `123456789012345678901234567890`, `1.2345678901234568e+29`},
		{double, `"NaN"`, `"NaN"`},
		{double, `"-Infinity"`, `"-Infinity"`},
		{schema.Type{Kind: schema.Float}, `0.1`, `0.1`},
		{schema.Type{Kind: schema.Float}, `"Infinity"`, `"Infinity"`},
		{decimal(12, 2), `1.5`, `1.50`},
		{decimal(12, 2), `-0.01`, `-0.01`},
		{decimal(12, 2), `"1234567890.12"`, `1234567890.12`},
		{decimal(12, 2), `1.5000000000000000000000000000000000000000`, `1.50`},
		{decimal(12, 2), `12e3`, `12000.00`},
		{decimal(12, 2), `-0`, `0.00`},
		{decimal(38, 0), `99999999999999999999999999999999999999`, `99999999999999999999999999999999999999`},
		{decimal(38, 38), `-0.00000000000000000000000000000000000001`, `-0.00000000000000000000000000000000000001`},
		{decimal(20, 0), `18446744073709551616`, `18446744073709551616`},
		{boolean, `false`, `false`},
		{boolean, `true`, `true`},
		{bytesT, `"AAEC/w=="`, `"AAEC/w=="`},
		{bytesT, `""`, `""`},
		{date, `"1969-12-31"`, `"1969-12-31"`},
		{date, `"2024-02-29"`, `"2024-02-29"`},
		{date, `"0001-01-01"`, `"0001-01-01"`},
		{stamp, `"2024-01-31T10:00:00Z"`, `"2024-01-31T10:00:00.000000Z"`},
		{stamp, `"2024-01-31 10:00:00.123456789"`, `"2024-01-31T10:00:00.123456Z"`},
		{stamp, `"1969-12-31T23:59:59.9999999"`, `"1969-12-31T23:59:59.999999Z"`},
		{stamp, `"2024-01-31T10:00:00.5+02:00"`, `"2024-01-31T08:00:00.500000Z"`},
		{stamp, `"2024-01-31T10:00-0330"`, `"2024-01-31T13:30:00.000000Z"`},
		{stamp, `"2024-01-01 00:00:00 +01"`, `"2023-12-31T23:00:00.000000Z"`},
		{stamp, `"2024-01-31"`, `"2024-01-31T00:00:00.000000Z"`},
		{stamp, `"9999-12-31 23:59:59.999999 UTC"`, `"9999-12-31T23:59:59.999999Z"`},
		{epoch("s"), `1700000000`, `"2023-11-14T22:13:20.000000Z"`},
		{epoch("s"), `1700000000.1234567`, `"2023-11-14T22:13:20.123456Z"`},
		{epoch("s"), `-0.0000001`, `"1969-12-31T23:59:59.999999Z"`},
		{epoch("ms"), `1700000000123`, `"2023-11-14T22:13:20.123000Z"`},
		{epoch("ms"), `1.700000000123e12`, `"2023-11-14T22:13:20.123000Z"`},
		{epoch("ms"), `"1700000000123"`, `"2023-11-14T22:13:20.123000Z"`},
		{epoch("ms"), `"2024-01-31T10:00:00Z"`, `"2024-01-31T10:00:00.000000Z"`},
		{epoch("us"), `-1`, `"1969-12-31T23:59:59.999999Z"`},
		{epoch("ns"), `-1`, `"1969-12-31T23:59:59.999999Z"`},
		{epoch("ns"), `1700000000123456789`, `"2023-11-14T22:13:20.123456Z"`},
		{list, `[ ]`, `[]`},
		{list, `[1, null ,3]`, `[1,null,3]`},
		{row, `{}`, `{"x":null,"y":null}`},
		{row, `{"y":"a","z":[[]],"x":2}`, `{"x":2,"y":"a"}`},
		{dict, `{"a":{"x":1},"b":null}`, `{"a":{"x":1,"y":null},"b":null}`},
	} {
		fields := []schema.Field{{Name: "v", Type: c.typ}}
		d := NewDecoder(fields)
		if err := d.Append([]byte(`{"v":` + c.in + `}`)); err != nil {
			t.Errorf("%s as %s: %v", c.in, c.typ, err)
			continue
		}
		got := string(NewEncoder(fields).Encode(nil, d.Flush(), 0))
		if want := `{"v":` + c.want + `}`; got != want {
			t.Errorf("%s as %s: got %s, want %s", c.in, c.typ, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	list := schema.Type{Kind: schema.Array, Elem: &bigint}
	dict := schema.Type{Kind: schema.Map, Key: &text, Elem: &bigint}
	numbers := schema.Type{Kind: schema.Map, Key: &bigint, Elem: &bigint}
	row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "x", Type: list}}}
	for _, c := range []struct {
		typ      schema.Type
		in, want string
	}{
		{bigint, ``, "byte 0: an empty value"},
		{bigint, `  `, "byte 0: an empty value"},
		{bigint, `[1]`, "byte 0: wanted a JSON object"},
		{bigint, `null`, "byte 0: wanted a JSON object"},
		{bigint, `{"v":1}{`, `byte 7: the object has ended`},
		{bigint, `{"v":1,}`, `byte 7: wanted a key`},
		{bigint, `{"v":1`, `byte 6: wanted , or }`},
		{bigint, `{"v" 1}`, `byte 5: wanted :`},
		{bigint, `{v:1}`, `byte 1: wanted a key`},
		{bigint, `{"v":1,"v":2}`, `byte 7, field v: the key comes twice`},
		{bigint, `{"v":9223372036854775808}`, `byte 5, field v: 9223372036854775808 as BIGINT: out of range`},
		{bigint, `{"v":1e19}`, `byte 5, field v: 1e19 as BIGINT: out of range`},
		{bigint, `{"v":1.5}`, `byte 5, field v: 1.5 as BIGINT: has digits`},
		{bigint, `{"v":1e-999999999999}`, `has digits`},
		{bigint, `{"v":01}`, `byte 5, field v: 01 is not a number`},
		{bigint, `{"v":+1}`, `byte 5, field v: wanted a value`},
		{bigint, `{"v":1.}`, `is not a number`},
		{bigint, `{"v":-}`, `is not a number`},
		{bigint, `{"v":"x"}`, `byte 5, field v: "x" as BIGINT: not a number`},
		{bigint, `{"v":true}`, `of another type`},
		{bigint, `{"v":nul}`, `byte 5: wanted null`},
		{bigint, `{"v":[1]}`, `byte 5, field v: "[1]" as BIGINT: of another type`},
		{schema.Type{Kind: schema.Int}, `{"v":2147483648}`, "out of range"},
		{schema.Type{Kind: schema.SmallInt}, `{"v":-32769}`, "out of range"},
		{double, `{"v":1e309}`, "out of range"},
		{schema.Type{Kind: schema.Float}, `{"v":1e39}`, "out of range"},
		{double, `{"v":"inf"}`, "not a number"},
		{decimal(5, 2), `{"v":1000}`, "1000 as DECIMAL(5,2): out of range"},
		{decimal(5, 2), `{"v":1.005}`, "has digits"},
		{decimal(38, 0), `{"v":100000000000000000000000000000000000000}`, "out of range"},
		{decimal(38, 0), `{"v":340282366920938463463374607431768211457}`, "out of range"},
		{boolean, `{"v":1}`, "of another type"},
		{boolean, `{"v":"yes"}`, "not true or false"},
		{bytesT, `{"v":"A"}`, "not base64"},
		{bytesT, `{"v":7}`, "of another type"},
		{date, `{"v":"2023-02-29"}`, "not a date"},
		{date, `{"v":19000}`, "a number where a date was wanted"},
		{stamp, `{"v":1700000000}`, "declare the column as timestamp(s)"},
		{stamp, `{"v":"2024-01-31T24:00:00Z"}`, "not a time"},
		{stamp, `{"v":"2024-01-31T10:00:60Z"}`, "not a time"},
		{stamp, `{"v":"2024-01-31T10:00:00.1234567890Z"}`, "not a time"},
		{stamp, `{"v":"2024-01-31T10:00:00[Europe/Paris]"}`, "not a time"},
		{stamp, `{"v":"31.01.2024"}`, "not a time"},
		{epoch("s"), `{"v":99999999999999}`, "out of range"},
		{text, `{"v":"a}`, `byte 5, field v: a string that does not end`},
		{text, `{"v":"\ud83d"}`, `byte 6, field v: \ud83d is half of a surrogate pair`},
		{text, `{"v":"\ude00\ud83d"}`, `half of a surrogate pair`},
		{text, `{"v":"\ud83dx"}`, `half of a surrogate pair`},
		{text, `{"v":"\x"}`, `an escape that JSON does not have`},
		{text, `{"v":"\u12g4"}`, `four hexadecimal digits`},
		{text, "{\"v\":\"a\xff\"}", `byte 6, field v: text that is not valid UTF-8`},
		{text, "{\"v\":\"\xed\xa0\x80\"}", `not valid UTF-8`},
		{text, "{\"v\":\"\\n\xff\"}", `not valid UTF-8`},
		{text, "{\"other\":\"\xff\"}", `not valid UTF-8`},
		{text, "{\"v\":\"a\x01\"}", `byte 7, field v: a control character 0x01`},
		{text, `{"other":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, "nested deeper than 512"},
		{list, `{"v":[1,2.5]}`, "byte 8, field v[]: 2.5 as BIGINT"},
		{list, `{"v":[1 2]}`, "byte 8, field v: wanted , or ]"},
		{list, `{"v":[1,]}`, "byte 8, field v[]: wanted a value"},
		{row, `{"v":{"x":["a"]}}`, `byte 11, field v.x[]: "a" as BIGINT`},
		{row, `{"v":{"x":[],"x":[]}}`, `field v.x: the key comes twice`},
		{dict, `{"v":{"a":1,"a":2}}`, "key number 2 of the map came before"},
		{numbers, `{"v":{"7":1,"8":2,"7.0":3}}`, "key number 3 of the map came before"},
		{dict, `{"v":{"a":"b"}}`, `field v{}: "b" as BIGINT`},
	} {
		d := NewDecoder([]schema.Field{{Name: "v", Type: c.typ}})
		err := d.Append([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %s: got %v, want %s", c.in, c.typ, err, c.want)
		}
		if d.Rows() != 0 || d.Flush().Column(0).Len() != 0 {
			t.Errorf("%s as %s: something was appended", c.in, c.typ)
		}
	}
}

// Names that JSON writes with escapes, and names that begin like others.
func TestNames(t *testing.T) {
	fields := []schema.Field{{Name: `a"b`, Type: bigint}, {Name: `a`, Type: bigint}, {Name: `a"`, Type: bigint}, {Name: "größe", Type: bigint}, {Name: "", Type: bigint}}
	d := NewDecoder(fields)
	for range 2 {
		if err := d.Append([]byte(`{"a\"b":1,"a":2,"a\u0022":3,"gr\u00f6\u00dfe":4,"":5}`)); err != nil {
			t.Fatal(err)
		}
	}
	rec := d.Flush()
	want := `{"a\"b":1,"a":2,"a\"":3,"größe":4,"":5}`
	if got := string(NewEncoder(fields).Encode(nil, rec, 1)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Names of every length that differ in one character, in every place, come in another order each time: none is
// taken for the one that was expected.
func TestSimilarNames(t *testing.T) {
	for size := 1; size <= 40; size++ {
		var fields []schema.Field
		for i := range size {
			name := []byte(strings.Repeat("n", size))
			name[i] = 'X'
			fields = append(fields, schema.Field{Name: string(name), Type: bigint})
		}
		d := NewDecoder(fields)
		for shift := range size {
			var parts []string
			for i := range size {
				k := (i*7 + shift) % size
				if size%7 == 0 {
					k = (i + shift) % size
				}
				parts = append(parts, fmt.Sprintf("%q:%d", fields[k].Name, k))
			}
			if err := d.Append([]byte("{" + strings.Join(parts, ",") + "}")); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range d.Flush().Columns() {
			for row := range size {
				if got := c.(*array.Int64).Value(row); got != int64(i) {
					t.Fatalf("size %d, row %d: field %d has the value of field %d", size, row, i, got)
				}
			}
		}
	}
}

func TestLines(t *testing.T) {
	in := "\ufeff{\"id\":1,\"name\":\"a\",\"at\":\"2024-01-31\",\"more\":{\"x\":1.5},\"tags\":[\"a\"],\"mix\":1,\"none\":null}\r\n\n" +
		`{"id":2,"name":7,"at":"2024-01-31 10:00","more":{"y":true},"tags":[],"mix":{"a":1},"new":"7"}`
	fields, err := InferLines(strings.NewReader(in), "t.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	got := schema.Type{Kind: schema.Row, Fields: fields}.String()
	want := "ROW<id BIGINT, name STRING, at TIMESTAMP(6), more ROW<x DOUBLE, y BOOLEAN>, tags ARRAY<STRING>, mix STRING, none STRING, new STRING>"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	rec, err := ReadLines(strings.NewReader(in), "t.ndjson", fields)
	if err != nil {
		t.Fatal(err)
	}
	line := string(NewEncoder(fields).Encode(nil, rec, 1))
	if want := `{"id":2,"name":"7","at":"2024-01-31T10:00:00.000000Z","more":{"x":null,"y":true},"tags":[],"mix":"{\"a\":1}","none":null,"new":"7"}`; line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	for in, want := range map[string]string{
		"{\"id\":1}\n\n{\"id\":\"x\"}\n": `t.ndjson:3: byte 6, field id: "x" as BIGINT: not a number`,
		"[1]\n":                          "t.ndjson:1: byte 0: wanted a JSON object",
	} {
		_, err := ReadLines(strings.NewReader(in), "t.ndjson", []schema.Field{{Name: "id", Type: bigint}})
		if err == nil || err.Error() != want && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
	long := `{"a":"` + strings.Repeat("x", 200_000) + `"}` + "\n"
	rec, err = ReadLines(strings.NewReader(long+long+"{"), "t", []schema.Field{{Name: "a", Type: text}})
	if err == nil || !strings.HasPrefix(err.Error(), "t:3: ") {
		t.Errorf("got %v, %v", rec, err)
	}
	for in, want := range map[string]string{"{}\n[1]": "t:2: wanted a JSON object", "{} x": "t:1: ", "{": "t:1: "} {
		if _, err := InferLines(strings.NewReader(in), "t"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", in, err, want)
		}
	}
}
