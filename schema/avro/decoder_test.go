package avro

import (
	"encoding/hex"
	"strings"
	"testing"

	peer "github.com/twmb/avro"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/json"
)

func one(typ string) string {
	return `{"type":"record","name":"r","namespace":"n","fields":[{"name":"v","type":` + typ + `}]}`
}

func TestFields(t *testing.T) {
	for typ, want := range map[string]string{
		`"null"`:            "NULL",
		`"boolean"`:         "BOOLEAN",
		`"int"`:             "INT",
		`["null","long"]`:   "BIGINT",
		`["double","null"]`: "DOUBLE",
		`["float"]`:         "FLOAT",
		`{"type":"string","avro.java.string":"String"}`:                                                 "STRING",
		`{"type":"string","logicalType":"uuid"}`:                                                        "STRING",
		`{"type":"fixed","name":"u","size":16,"logicalType":"uuid"}`:                                    "STRING",
		`{"type":"enum","name":"e","symbols":["A"]}`:                                                    "STRING",
		`{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}`:                             "DECIMAL(12,2)",
		`{"type":"fixed","name":"d","size":6,"logicalType":"decimal","precision":5}`:                    "DECIMAL(5,0)",
		`{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}`:                              "BYTES",
		`{"type":"fixed","name":"x","size":12,"logicalType":"duration"}`:                                "BYTES",
		`{"type":"int","logicalType":"date"}`:                                                           "DATE",
		`{"type":"int","logicalType":"time-millis"}`:                                                    "BIGINT",
		`{"type":"long","logicalType":"time-micros"}`:                                                   "BIGINT",
		`{"type":"long","logicalType":"timestamp-millis"}`:                                              "TIMESTAMP(3)",
		`{"type":"long","logicalType":"local-timestamp-micros"}`:                                        "TIMESTAMP(6)",
		`{"type":"long","logicalType":"unheard-of"}`:                                                    "BIGINT",
		`{"type":"array","items":["null","int"]}`:                                                       "ARRAY<INT>",
		`{"type":"map","values":{"type":"record","name":"p","fields":[{"name":"x","type":"int"}]}}`:     "MAP<STRING,ROW<x INT>>",
		`{"type":{"type":"array","items":{"type":"record","name":"q","namespace":"m","fields":[]}}}`:    "ARRAY<ROW<>>",
		`[{"type":"record","name":"p","fields":[{"name":"x","type":{"type":"long"}}]},{"type":"null"}]`: "ROW<x BIGINT>",
	} {
		fields, err := Fields(one(typ))
		if err != nil {
			t.Errorf("%s: %v", typ, err)
		} else if got := fields[0].Type.String(); got != want {
			t.Errorf("%s: got %s, want %s", typ, got, want)
		}
	}
}

func TestFieldsRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                             "not JSON",
		`"string"`:                     "a row must be a record, this is string",
		one(`"int"`) + "x":             "more text behind the schema",
		one(`["int","string","null"]`): "avro schema n.r.v: a union of int, string, null has no type as a column",
		one(`["int","long"]`):          "n.r.v: a union of int, long",
		one(`{"type":"array","items":["int","string"]}`): "n.r.v[]: a union of int, string",
		one(`["null","r"]`): "n.r.v: record n.r contains itself",
		one(`"nothing"`):    `n.r.v: type "nothing" is not defined`,
		one(`{"type":"bytes","logicalType":"decimal","precision":39}`): "39 digits",
		one(`{"type":"fixed","name":"f"}`):                             "needs a size",
		one(`{"type":"fixed","name":"f","size":99999999999}`):          "needs a size",
		one(`{"type":"enum","name":"e","symbols":[]}`):                 "no symbols",
		one(`{"type":"array"}`):                                        "a type is missing",
		one(`[]`):                                                      "a union without types",
		one(`["null",["null","int"]]`):                                 "a union directly inside a union",
		one(strings.Repeat(`{"type":"array","items":`, 300) + `"int"` + strings.Repeat("}", 300)):     "nested deeper than",
		`{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`: "field a is there twice",
		`{"type":"record","fields":[]}`: "without a name",
		doubling():                      "more than 20000 columns",
	} {
		if _, err := Fields(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %s", text, err, want)
		}
	}
}

// doubling is a short schema with 2^40 columns.
func doubling() string {
	s := `{"type":"record","name":"t0","fields":[{"name":"a","type":"null"}]}`
	for i := 1; i < 40; i++ {
		name := "t" + string(rune('a'+i/10)) + string(rune('0'+i%10))
		inner := s
		var last string
		if i == 1 {
			last = "t0"
		} else {
			last = "t" + string(rune('a'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		}
		s = `{"type":"record","name":"` + name + `","fields":[{"name":"a","type":` + inner + `},{"name":"b","type":"` + last + `"}]}`
	}
	return s
}

// A field that is not wanted and takes no bytes is passed over at once, however it is built.
func TestSkipDoubling(t *testing.T) {
	d := NewDecoder(nil)
	p, err := d.Plan(doubling())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Append(p, nil); err != nil || d.Rows() != 1 {
		t.Error(err, d.Rows())
	}
}

func typ(k schema.Kind) schema.Type { return schema.Type{Kind: k} }

// Each value is read by the writer's type as a column of another.
func TestResolution(t *testing.T) {
	fixed := func(size, precision, scale string) string {
		return `{"type":"fixed","name":"f","size":` + size + `,"logicalType":"decimal","precision":` + precision + `,"scale":` + scale + `}`
	}
	for _, c := range []struct {
		writer string
		typ    schema.Type
		hex    string
		want   string // JSON, or the error
	}{
		{`"int"`, typ(schema.Int), "0f", "-8"},
		{`"int"`, typ(schema.BigInt), "ffffffff0f", "-2147483648"},
		{`"int"`, typ(schema.Int), "0202", "byte 1: 1 bytes are left behind the record"},
		{`"int"`, typ(schema.SmallInt), "808004", "byte 3, field v: out of range"},
		{`"int"`, typ(schema.Int), "808080808001", "byte 6, field v: out of range"},
		{`"int"`, typ(schema.Float), "06", "3"},
		{`"int"`, typ(schema.Double), "06", "3"},
		{`"long"`, typ(schema.Double), "ffffffffffffffffff01", "-9223372036854776000"},
		{`"long"`, typ(schema.BigInt), "ffffffffffffffffff01", "-9223372036854775808"},
		{`"long"`, typ(schema.BigInt), "ffffffffffffffffff02", "not a number in Avro's form"},
		{`"long"`, typ(schema.BigInt), "ffffffffffffffffffff01", "not a number in Avro's form"},
		{`"long"`, typ(schema.BigInt), "ff", "byte 1, field v: the value ends early"},
		{`"long"`, typ(schema.BigInt), "", "byte 0, field v: the value ends early"},
		{`"long"`, typ(schema.Int), "", "the writer's long cannot be read as INT"},
		{`"long"`, schema.Type{Kind: schema.Decimal, Precision: 5, Scale: 2}, "ce0f", "999.00"},
		{`"long"`, schema.Type{Kind: schema.Decimal, Precision: 5, Scale: 2}, "d00f", "out of range"},
		{`"long"`, schema.Type{Kind: schema.Timestamp, Epoch: "ms"}, "02", `"1970-01-01T00:00:00.001000Z"`},
		{`"long"`, schema.Type{Kind: schema.Timestamp, Epoch: "s"}, "02", `"1970-01-01T00:00:01.000000Z"`},
		{`"long"`, schema.Type{Kind: schema.Timestamp, Epoch: "ns"}, "01", `"1969-12-31T23:59:59.999999Z"`},
		{`"long"`, schema.Type{Kind: schema.Timestamp, Epoch: "s"}, "ffffffffffffffffff01", `out of range`},
		{`"long"`, typ(schema.Timestamp), "", `the writer's long cannot be read as TIMESTAMP`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, typ(schema.Timestamp), "01", `"1969-12-31T23:59:59.999000Z"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, typ(schema.Timestamp), "02", `"1970-01-01T00:00:00.000001Z"`},
		{`{"type":"long","logicalType":"timestamp-nanos"}`, typ(schema.Timestamp), "d00f", `"1970-01-01T00:00:00.000001Z"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, typ(schema.BigInt), "02", `1`},
		{`{"type":"int","logicalType":"time-millis"}`, typ(schema.BigInt), "02", `1000`},
		{`{"type":"long","logicalType":"time-micros"}`, typ(schema.BigInt), "02", `1`},
		{`{"type":"int","logicalType":"date"}`, typ(schema.Date), "01", `"1969-12-31"`},
		{`{"type":"int","logicalType":"date"}`, typ(schema.Int), "", `the writer's int (date) cannot be read as INT`},
		{`{"type":"long","logicalType":"local-timestamp-nanos"}`, typ(schema.BigInt), "02", `1`},
		{`{"type":"long","logicalType":"unheard-of"}`, typ(schema.Double), "02", `1`},
		{`{"type":"int","logicalType":"timestamp-millis"}`, typ(schema.Int), "02", `1`},
		{`{"type":"int","logicalType":7}`, typ(schema.Int), "02", `1`},
		{`{"type":"string","logicalType":"decimal","precision":3}`, typ(schema.String), "0261", `"a"`},
		{`"float"`, typ(schema.Float), "0000003f", "0.5"},
		{`"float"`, typ(schema.Double), "0000003f", "0.5"},
		{`"float"`, typ(schema.Double), "000000", "ends early"},
		{`"double"`, typ(schema.Double), "000000000000f07f", `"Infinity"`},
		{`"double"`, typ(schema.Double), "00000000000000", "ends early"},
		{`"double"`, typ(schema.Float), "", "the writer's double cannot be read as FLOAT"},
		{`"boolean"`, typ(schema.Boolean), "01", "true"},
		{`"boolean"`, typ(schema.Boolean), "02", "byte 0, field v: not true or false"},
		{`"string"`, typ(schema.String), "04c3a9", `"é"`},
		{`"string"`, typ(schema.String), "04c3", "byte 1, field v: a length that the value does not have"},
		{`"string"`, typ(schema.String), "03", "a length that the value does not have"},
		{`"string"`, typ(schema.String), "feffffffffffffffff01", "a length that the value does not have"},
		{`"string"`, typ(schema.String), "02ff", "byte 1, field v: not valid UTF-8"},
		{`"string"`, typ(schema.Bytes), "02ff", `"/w=="`},
		{`"bytes"`, typ(schema.String), "0261", `"a"`},
		{`"bytes"`, typ(schema.String), "02ff", "not valid UTF-8"},
		{`{"type":"fixed","name":"f","size":2}`, typ(schema.Bytes), "0001", `"AAE="`},
		{`{"type":"fixed","name":"f","size":2}`, typ(schema.Bytes), "00", "ends early"},
		{`{"type":"fixed","name":"f","size":2}`, typ(schema.String), "", "the writer's fixed n.f cannot be read as STRING"},
		{`{"type":"fixed","name":"f","size":16,"logicalType":"uuid"}`, typ(schema.String), "00112233445566778899aabbccddeeff",
			`"00112233-4455-6677-8899-aabbccddeeff"`},
		{`{"type":"enum","name":"e","symbols":["A","B"]}`, typ(schema.String), "02", `"B"`},
		{`{"type":"enum","name":"e","symbols":["A","B"]}`, typ(schema.String), "04", "symbol 2 of an enum that has 2"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, schema.Type{Kind: schema.Decimal, Precision: 4, Scale: 2}, "02ff", "-0.01"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, schema.Type{Kind: schema.Decimal, Precision: 6, Scale: 4}, "0464" + "00", "out of range"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, schema.Type{Kind: schema.Decimal, Precision: 6, Scale: 4}, "0264", "1.0000"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, schema.Type{Kind: schema.Decimal, Precision: 4, Scale: 1}, "", "cannot be read as DECIMAL(4,1)"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, schema.Type{Kind: schema.Decimal, Precision: 4, Scale: 2}, "00", "a decimal without bytes"},
		{`{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, schema.Type{Kind: schema.Decimal, Precision: 4, Scale: 2}, "042710", "DECIMAL(4,2): out of range"},
		{fixed("20", "38", "0"), schema.Type{Kind: schema.Decimal, Precision: 38}, strings.Repeat("ff", 20), "-1"},
		{fixed("20", "38", "0"), schema.Type{Kind: schema.Decimal, Precision: 38}, "00000000ff" + strings.Repeat("00", 15), "out of range"},
		{fixed("20", "38", "0"), schema.Type{Kind: schema.Decimal, Precision: 38}, "01" + strings.Repeat("00", 19), "out of range"},
		{`["null","int"]`, typ(schema.Int), "00", "null"},
		{`["int","null"]`, typ(schema.Int), "02", "null"},
		{`["int","null"]`, typ(schema.Int), "0002", "1"},
		{`["int"]`, typ(schema.Int), "0002", "1"},
		{`["int"]`, typ(schema.Int), "01", "byte 1, field v: a branch that the union does not have"},
		{`["null","int"]`, typ(schema.Int), "04", "byte 1, field v: a branch that the union does not have"},
		{`["null","int"]`, typ(schema.Int), "820002", "1"},
		{`"null"`, typ(schema.Int), "", "null"},
		{`["int","string"]`, typ(schema.Int), "", "field v: a union of int, string cannot be read as a column"},
		{`{"type":"array","items":"int"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.BigInt}}, "0402040206" + "00", "[1,2,3]"},
		{`{"type":"array","items":"int"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}, "0304020400", "[1,2]"},
		{`{"type":"array","items":"int"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}, "0306020400", "a block whose size is not that of its items"},
		{`{"type":"array","items":"int"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}, "feffffffffffffffff01", "a length that the value does not have"},
		{`{"type":"array","items":"int"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}, "ffffffffffffffffff0100", "a length that the value does not have"},
		{`{"type":"array","items":"null"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Null}}, "0400", "[null,null]"},
		{`{"type":"array","items":"null"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Null}}, "feffffffffffffffff0100", "more than 65536 elements without bytes"},
		{`{"type":"array","items":"null"}`, schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Null}}, "80f104" + "80f104" + "00", "more than 65536 elements without bytes"},
		{`{"type":"map","values":"int"}`, schema.Type{Kind: schema.Map, Key: &schema.Type{Kind: schema.String}, Elem: &schema.Type{Kind: schema.Int}},
			"040261020262" + "0400", `{"a":1,"b":2}`},
		{`{"type":"map","values":"int"}`, schema.Type{Kind: schema.Map, Key: &schema.Type{Kind: schema.String}, Elem: &schema.Type{Kind: schema.Int}},
			"040261020261" + "0400", `key number 2 of the map came before`},
		{`["null",{"type":"record","name":"p","fields":[{"name":"x","type":"int"},{"name":"y","type":["null","string"]}]}]`,
			schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "y", Type: typ(schema.String)}, {Name: "z", Type: typ(schema.Int)}, {Name: "x", Type: typ(schema.Int)}}},
			"02060202" + "61", `{"y":"a","z":null,"x":3}`},
		{`["null",{"type":"record","name":"p","fields":[{"name":"x","type":"int"}]}]`,
			schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "x", Type: typ(schema.Int)}}}, "00", `null`},
	} {
		fields := []schema.Field{{Name: "v", Type: c.typ}}
		d := NewDecoder(fields)
		p, err := d.Plan(one(c.writer))
		if err == nil {
			value, bad := hex.DecodeString(c.hex)
			if bad != nil {
				t.Fatal(c.hex, bad)
			}
			err = d.Append(p, value)
		}
		got := ""
		if err != nil {
			got = err.Error()
			if strings.Contains(got, c.want) {
				if d.Flush().Column(0).Len() != 0 {
					t.Errorf("%s as %s: something was appended", c.writer, c.typ)
				}
				continue
			}
		} else {
			got = string(json.NewEncoder(fields).Encode(nil, d.Flush(), 0))
		}
		if got != `{"v":`+c.want+`}` {
			t.Errorf("%s of %s as %s: got %s, want %s", c.hex, c.writer, c.typ, got, c.want)
		}
	}
}

// Fields that the writer has and nobody wants are passed over, whatever they are.
func TestSkip(t *testing.T) {
	writer := `{"type":"record","name":"r","fields":[
		{"name":"a","type":["null","string","int",{"type":"array","items":"r"}]},
		{"name":"b","type":{"type":"map","values":"long"}},
		{"name":"c","type":{"type":"array","items":{"type":"fixed","name":"f","size":3}}},
		{"name":"d","type":"double"},{"name":"e","type":"boolean"},{"name":"g","type":"float"},{"name":"h","type":"bytes"},
		{"name":"v","type":"int"}]}`
	tail := "0000" + "0000000000000000" + "00" + "00000000" + "00"
	nested := "06" + "02" + "00" + tail + "08" + "00" // a list with one record of its own kind
	for hexed, want := range map[string]string{
		"00" + tail + "02":                                 `{"v":1}`,
		"0404" + tail + "02":                               `{"v":1}`,
		nested + tail + "02":                               `{"v":1}`,
		"0202" + "61" + tail + "02":                        `{"v":1}`,
		"00" + "0106" + "026102" + "00" + tail[2:] + "02":  `{"v":1}`,
		"00" + "00" + "04aabbccddeeff00" + tail[4:] + "02": `{"v":1}`,
		"08" + tail + "02":                                 "byte 1, a field that is not wanted: a branch that the union does not have",
		"00" + "feffffffffffffffff01":                      "byte 11, a field that is not wanted: a length that the value does not have",
		"00" + "01ff01":                                    "byte 4, a field that is not wanted: a length that the value does not have",
	} {
		fields := []schema.Field{{Name: "v", Type: typ(schema.Int)}}
		d := NewDecoder(fields)
		p, err := d.Plan(writer)
		if err != nil {
			t.Fatal(err)
		}
		value, err := hex.DecodeString(hexed)
		if err != nil {
			t.Fatal(hexed, err)
		}
		got := ""
		if err := d.Append(p, value); err != nil {
			got = err.Error()
		} else {
			got = string(json.NewEncoder(fields).Encode(nil, d.Flush(), 0))
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", hexed, got, want)
		}
	}
}

func TestEvolution(t *testing.T) {
	writer := `{"type":"record","name":"r","fields":[{"name":"old","type":"int"},{"name":"renamed","aliases":["before"],"type":"int"},{"name":"x","type":"int"}]}`
	reader := `{"type":"record","name":"r","fields":[
		{"name":"x","type":"long"},
		{"name":"new","aliases":["old"],"type":"long"},
		{"name":"i","type":"long","default":-7},
		{"name":"s","type":["string","null"],"default":"none"},
		{"name":"n","type":["null","string"],"default":null},
		{"name":"f","type":"double","default":1.5},
		{"name":"b","type":"boolean","default":true},
		{"name":"raw","type":"bytes","default":"\u00ff"},
		{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2},"default":"\u0064"},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"},"default":1},
		{"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]},"default":"B"},
		{"name":"l","type":{"type":"array","items":"int"},"default":[1,2]},
		{"name":"m","type":{"type":"map","values":"int"},"default":{"b":2,"a":1}},
		{"name":"p","type":{"type":"record","name":"p","fields":[{"name":"q","type":"int"},{"name":"w","type":"int","default":9}]},"default":{"q":3}}]}`
	fields, err := Fields(reader)
	if err != nil {
		t.Fatal(err)
	}
	fields = append(fields, schema.Field{Name: "before", Type: typ(schema.BigInt)}, schema.Field{Name: "nowhere", Type: typ(schema.Date)})
	d := NewDecoder(fields)
	if err := d.Reader(reader); err != nil {
		t.Fatal(err)
	}
	p, err := d.Plan(writer)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Append(p, []byte{2, 4, 6}); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"x":3,"new":1,"i":-7,"s":"none","n":null,"f":1.5,"b":true,"raw":"/w==","d":1.00,"at":"1970-01-01T00:00:00.001000Z","e":"B","l":[1,2],"m":{"a":1,"b":2},"p":{"q":3,"w":9},"before":2,"nowhere":null}`
	rec := d.Flush()
	for i := range 2 {
		if got := string(json.NewEncoder(fields).Encode(nil, rec, i)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := strings.Join(p.Missing(), " "); got != "i s n f b raw d at e l m p nowhere" {
		t.Errorf("missing %s", got)
	}
	for def, want := range map[string]string{
		`{"name":"x","type":"int","default":"a"}`:     `field x: default "a": does not fit the column`,
		`{"name":"x","type":"int","default":1.5}`:     `does not fit the column`,
		`{"name":"x","type":"bytes","default":"日"}`:   `does not fit the column`,
		`{"name":"x","type":"boolean","default":[1]}`: `does not fit the column`,
	} {
		reader := `{"type":"record","name":"r","fields":[` + def + `]}`
		fields, err := Fields(reader)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(fields)
		if err := d.Reader(reader); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Plan(`{"type":"record","name":"r","fields":[]}`); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", def, err, want)
		}
	}
}

func TestEncoderRefuses(t *testing.T) {
	number := typ(schema.BigInt)
	for name, fields := range map[string][]schema.Field{
		`r: "a b" cannot be a name`:     {{Name: "a b", Type: number}},
		`r: "1a" cannot be a name`:      {{Name: "1a", Type: number}},
		`r: "" cannot be a name`:        {{Name: "", Type: number}},
		`r: column a is there twice`:    {{Name: "a", Type: number}, {Name: "a", Type: number}},
		`r.a: Avro has no map with key`: {{Name: "a", Type: schema.Type{Kind: schema.Map, Key: &number, Elem: &number}}},
	} {
		if _, err := NewEncoder(fields, "r"); err == nil || !strings.Contains(err.Error(), name) || schema.Hint(err) == "" && !strings.Contains(name, "twice") {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	if _, err := NewEncoder(nil, "a..b"); err == nil {
		t.Error("a..b was taken as a name")
	}
}

// Records at different paths have different names in the schema, however the columns are called.
func TestEncoderNames(t *testing.T) {
	row := func(fields ...schema.Field) schema.Type { return schema.Type{Kind: schema.Row, Fields: fields} }
	inner := row(schema.Field{Name: "n", Type: schema.Type{Kind: schema.BigInt}})
	e, err := NewEncoder([]schema.Field{
		{Name: "a", Type: row(schema.Field{Name: "b", Type: inner})}, {Name: "a__b", Type: inner},
		{Name: "x", Type: schema.Type{Kind: schema.Array, Elem: &inner}}, {Name: "x_item", Type: inner},
		{Name: "y", Type: schema.Type{Kind: schema.Map, Key: &schema.Type{Kind: schema.String}, Elem: &inner}}, {Name: "y_value", Type: inner},
	}, "r")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Fields(e.Schema()); err != nil {
		t.Errorf("%s: %v", e.Schema(), err)
	}
	if _, err := peer.Parse(e.Schema()); err != nil {
		t.Errorf("%s: the other library: %v", e.Schema(), err)
	}
}
