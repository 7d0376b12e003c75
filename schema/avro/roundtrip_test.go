package avro

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	peer "github.com/twmb/avro"
	"pgregory.net/rapid"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column/columntest"
	"github.com/lockstep-data/lockstep/schema/json"
)

// values are the rows in a form that maps compare in regardless of order.
func values(t *rapid.T, fields []schema.Field, rec arrow.Record) []any {
	e := json.NewEncoder(fields)
	out := make([]any, rec.NumRows())
	for i := range out {
		dec := stdjson.NewDecoder(bytes.NewReader(e.Encode(nil, rec, i)))
		dec.UseNumber()
		if err := dec.Decode(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// What the encoder writes, the decoder reads back, and so does another library, whose bytes the decoder reads
// too.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := columntest.Options{TextKeys: true, Years: true}
		fields := columntest.Fields(t, o)
		rows := rapid.IntRange(0, 5).Draw(t, "rows")
		rec := columntest.Record(t, o, fields, rows)
		e, err := NewEncoder(fields, "lockstep.test")
		if err != nil {
			t.Fatal(err)
		}
		ps, err := peer.Parse(e.Schema())
		if err != nil {
			t.Fatalf("%s: %v", e.Schema(), err)
		}
		ours, theirs := NewDecoder(fields), NewDecoder(fields)
		ourPlan, err := ours.Plan(e.Schema())
		if err != nil {
			t.Fatal(err)
		}
		theirPlan, err := theirs.Plan(e.Schema())
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			b := e.Encode(nil, rec, i)
			if len(b) > 0 { // a row cut short leaves nothing
				if err := ours.Append(ourPlan, b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
					t.Fatal("half a row was taken")
				}
			}
			if err := ours.Append(ourPlan, b); err != nil {
				t.Fatalf("%x: %v", b, err)
			}
			var v any
			if rest, err := ps.Decode(b, &v); err != nil || len(rest) > 0 {
				t.Fatalf("%x: the other library: %v, %d bytes left", b, err, len(rest))
			}
			again, err := ps.Encode(v)
			if err != nil {
				t.Fatalf("%v: the other library: %v", v, err)
			}
			if err := theirs.Append(theirPlan, again); err != nil {
				t.Fatalf("%x, from the other library: %v", again, err)
			}
		}
		got := ours.Flush()
		if !array.RecordEqual(rec, got) {
			t.Fatalf("wrote\n%v\nread\n%v", rec, got)
		}
		if a, b := values(t, fields, rec), values(t, fields, theirs.Flush()); !reflect.DeepEqual(a, b) {
			t.Fatalf("wrote\n%v\nread by way of the other library\n%v", a, b)
		}
		back, err := Fields(e.Schema())
		if err != nil {
			t.Fatal(err)
		}
		a, b := schema.Type{Kind: schema.Row, Fields: fields}, schema.Type{Kind: schema.Row, Fields: back}
		if widen(a).String() != b.String() {
			t.Fatalf("the schema of %s came back as %s", a, b)
		}
	})
}

// widen is t as it comes back from Avro, which has no SMALLINT.
func widen(t schema.Type) schema.Type {
	if t.Kind == schema.SmallInt {
		t.Kind = schema.Int
	}
	if t.Elem != nil {
		e := widen(*t.Elem)
		t.Elem = &e
	}
	fields := make([]schema.Field, len(t.Fields))
	for i, f := range t.Fields {
		fields[i] = schema.Field{Name: f.Name, Type: widen(f.Type)}
	}
	t.Fields = fields
	return t
}

// anySchema draws a writer's schema with everything that Avro has.
func anySchema(t *rapid.T, depth int, name string) string {
	kinds := []string{`"null"`, `"boolean"`, `"int"`, `"long"`, `"float"`, `"double"`, `"bytes"`, `"string"`,
		`{"type":"int","logicalType":"date"}`, `{"type":"long","logicalType":"timestamp-millis"}`,
		`{"type":"long","logicalType":"time-micros"}`, `{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`,
		`{"type":"fixed","name":"` + name + `","size":7,"logicalType":"decimal","precision":12,"scale":2}`,
		`{"type":"enum","name":"` + name + `","symbols":["A","B","C"]}`, `["null","string"]`, `["long","null"]`}
	if depth == 0 {
		return rapid.SampledFrom(kinds).Draw(t, "type")
	}
	switch rapid.IntRange(0, 6).Draw(t, "shape") {
	case 0:
		return `{"type":"array","items":` + anySchema(t, depth-1, name+"i") + `}`
	case 1:
		return `{"type":"map","values":` + anySchema(t, depth-1, name+"v") + `}`
	case 2:
		return record(t, depth-1, name)
	case 3:
		return `["null",` + record(t, depth-1, name) + `]`
	case 4:
		return `["string","null","int",{"type":"array","items":` + record(t, depth-1, name) + `}]`
	}
	return rapid.SampledFrom(kinds).Draw(t, "type")
}

func record(t *rapid.T, depth int, name string) string {
	s := `{"type":"record","name":"` + name + `","fields":[`
	for i := range rapid.IntRange(0, 5).Draw(t, "fields") {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf(`{"name":"f%d","type":%s}`, i, anySchema(t, depth, fmt.Sprintf("%s_%d", name, i)))
	}
	return s + "]}"
}

// Random bytes under random schemas: no panic, no great allocation from a length that lies, nothing of a
// refused row left; and where another library can read them, so can we, or we say why not.
func checkBytes(t interface{ Fatalf(string, ...any) }, text string, from uint, value []byte) {
	ps, err := peer.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	all, err := Fields(text)
	if err != nil {
		// Unions of several types have no column: read the fields beside them.
		n, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, f := range n.fields {
			if ty, err := new(typer).typeOf(f.typ, nil); err == nil {
				all = append(all, schema.Field{Name: f.name, Type: ty})
			}
		}
	}
	wanted := all[min(from, uint(len(all))):]
	d := NewDecoder(wanted)
	p, err := d.Plan(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	err = d.Append(p, value)
	rows := int64(1)
	if err != nil {
		rows = 0
	}
	rec := d.Flush()
	for i, c := range rec.Columns() {
		if int64(c.Len()) != rows {
			t.Fatalf("%s: %x: column %d has %d rows after %v", text, value, i, c.Len(), err)
		}
	}
	var v any
	if n, parseErr := parse(text); parseErr != nil || len(wanted) < len(n.fields) {
		return // what is not wanted is passed over by its size, unread
	}
	rest, peerErr := ps.Decode(value, &v)
	if peerErr != nil && strings.Contains(peerErr.Error(), "array of zero-byte items exceeds") {
		return // a bound of its own; here such items take a bit each
	}
	if err == nil && (peerErr != nil || len(rest) > 0) && !bytes.Contains([]byte(text), []byte("logicalType")) {
		t.Fatalf("%s: %x: taken, but the other library: %v, %d bytes left", text, value, peerErr, len(rest))
	}
}

func schemas() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return record(t, 3, "r") })
}

func TestBytes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		text := schemas().Draw(r, "schema")
		value := rapid.SliceOfN(rapid.OneOf(rapid.ByteRange(0, 4), rapid.Byte()), 0, 60).Draw(r, "value")
		from := rapid.UintRange(0, 3).Draw(r, "from")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		checkBytes(r, text, from, value)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			r.Fatalf("%s: %x took %d bytes", text, value, grown)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	for seed := range 40 {
		f.Add(seed, uint(seed%3), []byte{2, 2, 0, 4, 1, 0, 0, 3, 2, 0, 0, 0, 0})
	}
	f.Add(-176, uint(0), []byte{0x8e, 0x7f, 0}) // an array of 8,135 nulls
	f.Fuzz(func(t *testing.T, seed int, from uint, value []byte) {
		checkBytes(t, schemas().Example(seed), from, value)
	})
}

// A schema that is nonsense is refused, never a panic.
func FuzzSchema(f *testing.F) {
	f.Add(impressionSchema)
	f.Add(`{"type":"record","name":"a","fields":[{"name":"a","type":["null","a"]}]}`)
	f.Add(`{"type":"record","name":"a","fields":[{"name":"a","type":"a"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		fields, err := Fields(text)
		if err != nil {
			return
		}
		d := NewDecoder(fields)
		if _, err := d.Plan(text); err != nil {
			t.Fatalf("%s: has fields but no plan: %v", text, err)
		}
	})
}
