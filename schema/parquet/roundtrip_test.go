package parquet

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

func write(tb testing.TB, fields []schema.Field, opts WriteOptions, recs ...arrow.Record) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, fields, opts)
	if err != nil {
		tb.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if w.Size() != int64(buf.Len()) {
		tb.Errorf("Size is %d, %d bytes were written", w.Size(), buf.Len())
	}
	return buf.Bytes()
}

// Every type, nested at random, in records and row groups of random size, comes back as it was written.
func TestRoundTripOfRandomTypes(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			var fields []schema.Field
			for i := range 1 + r.IntN(5) {
				fields = append(fields, schema.Field{Name: fmt.Sprintf("c%d", i), Type: randomType(r, r.IntN(4))})
			}
			want := map[string][]any{}
			var recs []arrow.Record
			for range r.IntN(4) {
				rec := randomRecord(r, fields, r.IntN(300))
				if n := rec.NumRows(); n > 4 && r.IntN(2) == 0 {
					rec = rec.NewSlice(1+r.Int64N(3), n-1)
				}
				recs = append(recs, rec)
				for c, f := range fields {
					for i := range int(rec.NumRows()) {
						want[f.Name] = append(want[f.Name], value(rec.Column(c), i))
					}
				}
			}
			file := openBytes(t, write(t, fields, WriteOptions{RowGroupRows: 1 + r.IntN(400)}, recs...), "f.parquet")
			got, err := file.Fields()
			if err != nil {
				t.Fatal(err)
			}
			for i := range fields {
				if !fields[i].Type.Equal(got[i].Type) || fields[i].Name != got[i].Name {
					t.Errorf("wrote %s %s, read %s %s", fields[i].Name, fields[i].Type, got[i].Name, got[i].Type)
				}
			}
			back := columns(t, file, fields, ReadOptions{KeepDictionary: r.IntN(2) == 0}, 1+r.IntN(200))
			for _, f := range fields {
				if g, w := text(back[f.Name]), text(want[f.Name]); g != w {
					t.Errorf("%s %s:\n got %.2000s\nwant %.2000s", f.Name, f.Type, g, w)
				}
			}
		})
	}
}

// Large enough for several pages, dictionaries that are kept, given up at the sample and closed when full.
func TestRoundTripOfLargeColumns(t *testing.T) {
	const n = 200_000
	r := rand.New(rand.NewPCG(7, 7))
	mem := memory.DefaultAllocator
	few, many, mid := array.NewStringBuilder(mem), array.NewStringBuilder(mem), array.NewStringBuilder(mem)
	i32, i64, f64 := array.NewInt32Builder(mem), array.NewInt64Builder(mem), array.NewFloat64Builder(mem)
	for i := range n {
		if i%11 == 0 {
			few.AppendNull()
		} else {
			few.Append(fmt.Sprintf("few-%d", r.IntN(20)))
		}
		many.Append(fmt.Sprintf("many-%d", i))
		// First few, then many distinct: the dictionary is closed on the way.
		mid.Append(fmt.Sprintf("mid-%040d", r.IntN(1+i/2)))
		i32.Append(int32(r.IntN(1000)))
		i64.Append(r.Int64())
		f64.Append(r.Float64())
	}
	fields := []schema.Field{{Name: "few", Type: schema.Type{Kind: schema.String}}, {Name: "many", Type: schema.Type{Kind: schema.String}}, {Name: "mid", Type: schema.Type{Kind: schema.String}},
		{Name: "i32", Type: schema.Type{Kind: schema.Int}}, {Name: "i64", Type: schema.Type{Kind: schema.BigInt}}, {Name: "f64", Type: schema.Type{Kind: schema.Double}}}
	rec := array.NewRecord(schema.ArrowSchema(fields), []arrow.Array{few.NewArray(), many.NewArray(), mid.NewArray(), i32.NewArray(), i64.NewArray(), f64.NewArray()}, n)
	b := write(t, fields, WriteOptions{RowGroupRows: 150_000}, rec)
	f := openBytes(t, b, "large.parquet")
	encodings := map[string]string{}
	for _, c := range f.file.Metadata().RowGroups[0].Columns {
		s := ""
		for _, e := range c.MetaData.EncodingStats {
			s += fmt.Sprintf("%s:%s ", e.PageType, e.Encoding)
		}
		encodings[c.MetaData.PathInSchema[0]] = s
	}
	const dict, plain = "DICTIONARY_PAGE:PLAIN DATA_PAGE:RLE_DICTIONARY ", "DATA_PAGE:PLAIN "
	for c, want := range map[string]string{"few": dict, "many": plain, "mid": dict + plain, "i32": dict, "i64": plain, "f64": plain} {
		if encodings[c] != want {
			t.Errorf("%s is written as %s, want %s", c, encodings[c], want)
		}
	}
	for _, keep := range []bool{false, true} {
		rd, err := f.Reader(fields, ReadOptions{KeepDictionary: keep})
		if err != nil {
			t.Fatal(err)
		}
		at := int64(0)
		var again []arrow.Record
		for g := range f.RowGroups() {
			rows, err := rd.RowGroup(g)
			if err != nil {
				t.Fatal(err)
			}
			for {
				got, err := rows.Next(10_000)
				if err != nil {
					break
				}
				for c := range fields {
					want := array.NewSlice(rec.Column(c), at, at+got.NumRows())
					if d, ok := got.Column(c).(*array.Dictionary); ok {
						for i := range d.Len() {
							if value(d, i) != value(want, i) {
								t.Fatalf("%s row %d", fields[c].Name, at+int64(i))
							}
						}
					} else if !array.Equal(got.Column(c), want) {
						t.Fatalf("%s differs from row %d on", fields[c].Name, at)
					}
				}
				at += got.NumRows()
				again = append(again, got)
			}
		}
		if at != n {
			t.Fatalf("%d rows", at)
		}
		// What was read with dictionaries is written as if it had none.
		second := openBytes(t, write(t, fields, WriteOptions{RowGroupRows: 150_000}, again...), "second")
		got := columns(t, second, fields, ReadOptions{}, 5000)
		for c, field := range fields {
			for i, v := range got[field.Name] {
				if v != value(rec.Column(c), i) {
					t.Fatalf("%s row %d written again: %v", field.Name, i, v)
				}
			}
			if len(got[field.Name]) != n {
				t.Fatalf("%s written again has %d rows", field.Name, len(got[field.Name]))
			}
		}
	}
}

func TestBoundsOfWhatWasWritten(t *testing.T) {
	fields := []schema.Field{{Name: "ts", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}}, {Name: "i", Type: schema.Type{Kind: schema.Int}}, {Name: "none", Type: schema.Type{Kind: schema.BigInt}}}
	mem := memory.DefaultAllocator
	ts, i, none := array.NewTimestampBuilder(mem, schema.TimestampType), array.NewInt32Builder(mem), array.NewInt64Builder(mem)
	for k, v := range []int64{5, -7, math.MaxInt64, 3} {
		ts.Append(arrow.Timestamp(v))
		i.Append(int32(-k))
		none.AppendNull()
	}
	rec := array.NewRecord(schema.ArrowSchema(fields), []arrow.Array{ts.NewArray(), i.NewArray(), none.NewArray()}, 4)
	f := openBytes(t, write(t, fields, WriteOptions{RowGroupRows: 2}, rec), "b.parquet")
	for _, c := range []struct {
		group, field int
		lo, hi       int64
		ok           bool
	}{{0, 0, -7, 5, true}, {1, 0, 3, math.MaxInt64, true}, {0, 1, -1, 0, true}, {1, 1, -3, -2, true}, {0, 2, 0, 0, false}} {
		lo, hi, ok := f.Bounds(c.group, fields[c.field])
		if lo != c.lo || hi != c.hi || ok != c.ok {
			t.Errorf("%+v: %d %d %v", c, lo, hi, ok)
		}
	}
	// The time of another writer, and a number that is declared to be a time.
	z := openBytes(t, readTestdata(t, "pyarrow-zstd.parquet"), "z")
	if lo, hi, ok := z.Bounds(0, schema.Field{Name: "ms", Type: schema.Type{Kind: schema.Timestamp}}); !ok || lo != -1000000 || hi != 6000000 && hi != 5000000 {
		t.Error(lo, hi, ok)
	}
	if lo, _, ok := z.Bounds(0, schema.Field{Name: "i32", Type: schema.Type{Kind: schema.Timestamp, Epoch: "ms"}}); !ok || lo != -2000 {
		t.Error(lo, ok)
	}
	if lo, _, ok := z.Bounds(0, schema.Field{Name: "ns", Type: schema.Type{Kind: schema.Timestamp}}); !ok || lo != -2 {
		t.Error(lo, ok)
	}
}

func TestAValueThatDoesNotFitIsRefused(t *testing.T) {
	fields := []schema.Field{{Name: "d", Type: schema.Type{Kind: schema.Decimal, Precision: 3, Scale: 1}}}
	b := array.NewDecimal128Builder(memory.DefaultAllocator, fields[0].Type.Arrow().(*arrow.Decimal128Type))
	for _, s := range []string{"99.9", "-99.9"} {
		if err := b.AppendValueFromString(s); err != nil {
			t.Fatal(err)
		}
	}
	ok := array.NewRecord(schema.ArrowSchema(fields), []arrow.Array{b.NewArray()}, 2)
	f := openBytes(t, write(t, fields, WriteOptions{}, ok), "d")
	if f.file.Metadata().Schema[1].Type.V != format.Int32 {
		t.Error("DECIMAL(3,1) is not INT32")
	}
	wide := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 38, Scale: 1})
	if err := wide.AppendValueFromString("100.0"); err != nil {
		t.Fatal(err)
	}
	a := wide.NewArray()
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "d", Type: a.DataType()}}, nil), []arrow.Array{a}, 1)
	w, err := NewWriter(&bytes.Buffer{}, fields, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rec); err == nil || !strings.Contains(err.Error(), "column d: 100.0 does not fit DECIMAL(3,1)") {
		t.Error(err)
	}
}

// TestDictionariesAreTopLevel reads the text of a struct, which nobody expects to be a dictionary there.
func TestDictionariesAreTopLevel(t *testing.T) {
	text := schema.Type{Kind: schema.String}
	fields := []schema.Field{{Name: "s", Type: schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "a", Type: text}}}}, {Name: "t", Type: text}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(fields))
	for range 1000 {
		s := b.Field(0).(*array.StructBuilder)
		s.Append(true)
		s.FieldBuilder(0).(*array.StringBuilder).Append("few")
		b.Field(1).(*array.StringBuilder).Append("few")
	}
	f := openBytes(t, write(t, fields, WriteOptions{}, b.NewRecord()), "nested.parquet")
	rd, err := f.Reader(fields, ReadOptions{KeepDictionary: true})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := rd.RowGroup(0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rows.Next(1000)
	if err != nil {
		t.Fatal(err)
	}
	if have, want := got.Column(0).DataType(), fields[0].Type.Arrow(); !arrow.TypeEqual(have, want) {
		t.Errorf("the struct is %s, want %s", have, want)
	}
	if _, ok := got.Column(1).(*array.Dictionary); !ok {
		t.Errorf("the text is %s, want a dictionary", got.Column(1).DataType())
	}
}
