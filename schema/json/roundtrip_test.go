package json

import (
	"bytes"
	stdjson "encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"pgregory.net/rapid"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column/columntest"
)

// What the encoder writes, the decoder reads back: every type, NULL at every level, keys in any order.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := columntest.Fields(t, columntest.Options{})
		rows := rapid.IntRange(0, 5).Draw(t, "rows")
		rec := columntest.Record(t, columntest.Options{}, fields, rows)
		e, d := NewEncoder(fields), NewDecoder(fields)
		shuffle := rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "order")))
		var lines [][]byte
		for i := range rows {
			line := e.Encode(nil, rec, i)
			lines = append(lines, line)
			if !stdjson.Valid(line) {
				t.Fatalf("not JSON: %s", line)
			}
			if err := d.Append(reorder(t, line, shuffle)); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		got := d.Flush()
		if !array.RecordEqual(rec, got) {
			t.Fatalf("wrote\n%v\nread\n%v", rec, got)
		}
		for i, line := range lines { // array.Equal takes -0 for 0; the text does not
			if again := NewEncoder(fields).Encode(nil, got, i); !bytes.Equal(line, again) {
				t.Fatalf("wrote %s, then %s", line, again)
			}
		}
	})
}

// reorder writes the object's keys in another order, with an unknown key and blanks among them.
func reorder(t *rapid.T, line []byte, r *rand.Rand) []byte {
	var o map[string]stdjson.RawMessage
	if err := stdjson.Unmarshal(line, &o); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for i := range len(o) {
		name := "f" + string(rune('0'+i))
		parts = append(parts, " \""+name+"\"\t:\n"+string(o[name])+" ")
	}
	parts = append(parts, `"unknown":{"f0":[1,{"x":"}\""}],"e":-1.5e+3,"t":true,"n":null}`)
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return []byte(" {" + strings.Join(parts, ",") + "}\r\n")
}

// A row that is refused leaves nothing, at any level and wherever it breaks off.
func TestRollback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := columntest.Fields(t, columntest.Options{})
		rec := columntest.Record(t, columntest.Options{}, fields, 3)
		e, d := NewEncoder(fields), NewDecoder(fields)
		for i := range 3 {
			line := e.Encode(nil, rec, i)
			cut := rapid.IntRange(0, len(line)-1).Draw(t, "cut")
			if err := d.Append(line[:cut]); err == nil {
				t.Fatalf("%s was taken", line[:cut])
			}
			if err := d.Append(line); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.Flush(); !array.RecordEqual(rec, got) {
			t.Fatalf("wrote\n%v\nread\n%v", rec, got)
		}
	})
}

// The standard library and the decoder agree on what text, numbers and objects mean.
func TestAgainstStandardLibrary(t *testing.T) {
	fields := []schema.Field{
		{Name: "s", Type: schema.Type{Kind: schema.String}},
		{Name: "i", Type: schema.Type{Kind: schema.BigInt}},
		{Name: "f", Type: schema.Type{Kind: schema.Double}},
		{Name: "g", Type: schema.Type{Kind: schema.Float}},
		{Name: "b", Type: schema.Type{Kind: schema.Boolean}},
	}
	type row struct {
		S string  `json:"s"`
		I int64   `json:"i"`
		F float64 `json:"f"`
		G float32 `json:"g"`
		B bool    `json:"b"`
	}
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		want := row{S: rapid.String().Draw(t, "s"), I: rapid.Int64().Draw(t, "i"), B: rapid.Bool().Draw(t, "b")}
		f, g := number.Draw(t, "f"), rapid.StringMatching(`-?[0-9]\.[0-9]{1,12}`).Draw(t, "g")
		errF := stdjson.Unmarshal([]byte(f), &want.F)
		if err := stdjson.Unmarshal([]byte(g), &want.G); err != nil {
			t.Fatal(err)
		}
		text, _ := stdjson.Marshal(want) // escapes <, >, &, U+2028
		text = bytes.Replace(text, []byte(`"f":`), []byte(`"f":`+f+`,"was":`), 1)
		text = bytes.Replace(text, []byte(`"g":`), []byte(`"g":`+g+`,"is":`), 1)
		d := NewDecoder(fields)
		err := d.Append(text)
		if (err != nil) != (errF != nil) {
			t.Fatalf("%s: %v, the standard library: %v", text, err, errF)
		}
		if err != nil {
			return
		}
		rec := d.Flush()
		got := row{rec.Column(0).(*array.String).Value(0), rec.Column(1).(*array.Int64).Value(0),
			rec.Column(2).(*array.Float64).Value(0), rec.Column(3).(*array.Float32).Value(0), rec.Column(4).(*array.Boolean).Value(0)}
		if got != want {
			t.Fatalf("%s: %+v, the standard library: %+v", text, got, want)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	for _, s := range []string{impression, `{}`, `{"a":[1,{"b":"\ud83d\ude00"}]}`, `{"a":"\ud83d"}`, `{"a":1e400}`, "{\"a\":\"\xff\"}",
		`{"list":[1,null],"map":{"a":{"x":1},"b":null},"d":1.50,"raw":"AAE=","at":1700000000123}`, `{"a":1,"a":2}`, `{"d":1e99999999999}`} {
		f.Add([]byte(s))
	}
	str, bigint := schema.Type{Kind: schema.String}, schema.Type{Kind: schema.BigInt}
	row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "x", Type: bigint}, {Name: "y", Type: str}}}
	wide := append(impressionFields(), []schema.Field{
		{Name: "list", Type: schema.Type{Kind: schema.Array, Elem: &bigint}},
		{Name: "map", Type: schema.Type{Kind: schema.Map, Key: &str, Elem: &row}},
		{Name: "d", Type: schema.Type{Kind: schema.Decimal, Precision: 12, Scale: 2}},
		{Name: "raw", Type: schema.Type{Kind: schema.Bytes}},
		{Name: "at", Type: schema.Type{Kind: schema.Timestamp, Epoch: "ns"}},
	}...)
	f.Fuzz(func(t *testing.T, value []byte) {
		none, all := NewDecoder(nil), NewDecoder(wide)
		errNone, errAll := none.Append(value), all.Append(value)
		object := bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte("{"))
		if valid := stdjson.Valid(value) && object; valid != (errNone == nil) {
			// The standard library lets half surrogates, bad UTF-8 and any depth pass.
			if !valid || !strings.Contains(errNone.Error(), "surrogate") && !strings.Contains(errNone.Error(), "UTF-8") &&
				!strings.Contains(errNone.Error(), "deeper") {
				t.Fatalf("%q: %v; valid by the standard library: %v", value, errNone, valid)
			}
		}
		if errAll == nil && errNone != nil {
			t.Fatalf("%q: taken with columns, refused without: %v", value, errNone)
		}
		rows := int64(0)
		if errAll == nil {
			rows = 1
		}
		rec := all.Flush()
		if rec.NumRows() != rows {
			t.Fatalf("%d rows", rec.NumRows())
		}
		for i, c := range rec.Columns() {
			if int64(c.Len()) != rows {
				t.Fatalf("column %d has %d rows after %v", i, c.Len(), errAll)
			}
		}
		if rows == 1 {
			line := NewEncoder(wide).Encode(nil, rec, 0)
			again := NewDecoder(wide)
			if err := again.Append(line); err != nil {
				t.Fatalf("%q became %s: %v", value, line, err)
			}
		}
	})
}
