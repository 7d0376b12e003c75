package parquet

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

func openBytes(tb testing.TB, b []byte, name string) *File {
	tb.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)), name)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func readTestdata(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestFilesOfOtherWriters(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.json")
	if len(files) < 12 {
		t.Fatalf("%d files", len(files))
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			var want map[string][]any
			if err := json.Unmarshal(readTestdata(t, name+".json"), &want); err != nil {
				t.Fatal(err)
			}
			f := openBytes(t, readTestdata(t, name+".parquet"), name)
			fields, err := f.Fields()
			if err != nil {
				t.Fatal(err)
			}
			if len(fields) != len(want) {
				t.Errorf("%d fields, want %d", len(fields), len(want))
			}
			for _, batch := range []int{1, 2, 1000} {
				for _, keep := range []bool{false, true} {
					got := columns(t, f, fields, ReadOptions{KeepDictionary: keep}, batch)
					for column, values := range want {
						if g, w := text(got[column]), text(values); g != w {
							t.Errorf("column %s in batches of %d:\n got %s\nwant %s", column, batch, g, w)
						}
					}
				}
			}
		})
	}
}

func TestTypesOfOtherWriters(t *testing.T) {
	want := map[string]string{
		"pyarrow-zstd": "b BOOLEAN, i8 SMALLINT, i16 SMALLINT, i32 INT, i64 BIGINT, u8 SMALLINT, u16 INT, u32 BIGINT, u64 DECIMAL(20,0), f FLOAT, d DOUBLE, " +
			"s STRING, bin BYTES, fix BYTES, date DATE, ms TIMESTAMP(3), us TIMESTAMP(6), usz TIMESTAMP(6), ns TIMESTAMP(6), t BIGINT, dec9 DECIMAL(9,2), dec18 DECIMAL(18,2), dec38 DECIMAL(38,2), void NULL",
		"pyarrow-nested": "l ARRAY<BIGINT>, ll ARRAY<ARRAY<STRING>>, m MAP<STRING,INT>, st ROW<a INT, b ROW<c STRING>>, ls ARRAY<ROW<p INT, q ARRAY<INT>>>",
		"pyarrow-int96":  "us TIMESTAMP(6), ns TIMESTAMP(6)",
	}
	for name, w := range want {
		fields, err := openBytes(t, readTestdata(t, name+".parquet"), name).Fields()
		if err != nil {
			t.Fatal(err)
		}
		if g := (schema.Type{Kind: schema.Row, Fields: fields}).String(); g != "ROW<"+w+">" {
			t.Errorf("%s:\n got %s\nwant ROW<%s>", name, g, w)
		}
	}
}

func TestFloat16IsRefusedByName(t *testing.T) {
	_, err := openBytes(t, readTestdata(t, "pyarrow-float16.parquet"), "x.parquet").Fields()
	if err == nil || !strings.Contains(err.Error(), "x.parquet: column h: FLOAT16") || schema.Hint(err) == "" {
		t.Fatal(err)
	}
}

func TestWantedTypes(t *testing.T) {
	f := openBytes(t, readTestdata(t, "pyarrow-zstd.parquet"), "z.parquet")
	typ := func(k schema.Kind, p, s int) schema.Type { return schema.Type{Kind: k, Precision: p, Scale: s} }
	epoch := func(unit string) schema.Type { return schema.Type{Kind: schema.Timestamp, Precision: 6, Epoch: unit} }
	for _, c := range []struct {
		column string
		typ    schema.Type
		want   string
	}{
		{"i8", typ(schema.BigInt, 0, 0), `["-4","-3","-2",null,"0","1","2"]`},
		{"i32", typ(schema.Double, 0, 0), `["-2","99998","199998",null,"399998","499998","599998"]`},
		{"u32", typ(schema.Int, 0, 0), ""},
		{"i64", typ(schema.Int, 0, 0), ""},
		{"i64", typ(schema.String, 0, 0), ""},
		{"i16", typ(schema.Decimal, 7, 2), `["-2.00","998.00","1998.00",null,"3998.00","4998.00","5998.00"]`},
		{"i16", typ(schema.Decimal, 6, 2), ""},
		{"dec9", typ(schema.Decimal, 10, 3), `["0.000","-1.250","-2.500",null,"-5.000","-6.250","-7.500"]`},
		{"dec9", typ(schema.Decimal, 9, 3), ""},
		{"dec9", typ(schema.Decimal, 9, 1), ""},
		{"f", typ(schema.Double, 0, 0), `["0","1.5","3",null,"6","7.5","9"]`},
		{"d", typ(schema.Float, 0, 0), ""},
		{"date", typ(schema.Timestamp, 6, 0), `["-172800000000","-86400000000","0",null,"172800000000","259200000000","345600000000"]`},
		{"i32", epoch("s"), `["-2000000","99998000000","199998000000",null,"399998000000","499998000000","599998000000"]`},
		{"i32", epoch("ms"), `["-2000","99998000","199998000",null,"399998000","499998000","599998000"]`},
		{"i64", epoch("ns"), `["-1","999999999","1999999999",null,"3999999999","4999999999","5999999999"]`},
		{"s", typ(schema.Bytes, 0, 0), `["7430","7431","7430",null,"7430","7431","7430"]`},
		{"void", typ(schema.Int, 0, 0), `[null,null,null,null,null,null,null]`},
	} {
		got, err := tryColumns(f, []schema.Field{{Name: c.column, Type: c.typ}}, ReadOptions{}, 1000)
		switch {
		case c.want == "" && (err == nil || !strings.Contains(err.Error(), "z.parquet: column "+c.column) || schema.Hint(err) == ""):
			t.Errorf("%s as %s: %v, %v", c.column, c.typ, got, err)
		case c.want != "" && (err != nil || text(got[c.column]) != c.want):
			t.Errorf("%s as %s: %s, %v, want %s", c.column, c.typ, text(got[c.column]), err, c.want)
		}
	}
	missing := []schema.Field{{Name: "nope", Type: typ(schema.Int, 0, 0)}, {Name: "b", Type: typ(schema.Boolean, 0, 0)}}
	if _, err := tryColumns(f, missing, ReadOptions{}, 10); err == nil || !strings.Contains(err.Error(), "z.parquet: column nope") {
		t.Error(err)
	}
	if got, err := tryColumns(f, missing, ReadOptions{MissingAsNull: true}, 10); err != nil || text(got["nope"]) != "[null,null,null,null,null,null,null]" {
		t.Error(got, err)
	}
}

func TestStructOfFewerFields(t *testing.T) {
	f := openBytes(t, readTestdata(t, "pyarrow-nested.parquet"), "n.parquet")
	sub := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "b", Type: schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "c", Type: schema.Type{Kind: schema.String}}}}}}}
	got := columns(t, f, []schema.Field{{Name: "st", Type: sub}}, ReadOptions{}, 2)
	if g := text(got["st"]); g != `[{"b":{"c":"x"}},null,{"b":null},{"b":{"c":null}},{"b":{"c":"y"}}]` {
		t.Error(g)
	}
	p := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "new", Type: schema.Type{Kind: schema.Date}}, {Name: "p", Type: schema.Type{Kind: schema.BigInt}}}}
	list := []schema.Field{{Name: "ls", Type: schema.Type{Kind: schema.Array, Elem: &p}}}
	if _, err := f.Reader(list, ReadOptions{}); err == nil {
		t.Error("a missing field was read without leave")
	}
	got = columns(t, f, list, ReadOptions{MissingAsNull: true}, 3)
	if g := text(got["ls"]); g != `[[{"new":null,"p":"1"},{"new":null,"p":null}],null,[],[null],[{"new":null,"p":"2"}]]` {
		t.Error(g)
	}
}

// Bytes may be taken for text, which older writers did not mark, when they are text.
func TestBytesAsText(t *testing.T) {
	bin, str := schema.Type{Kind: schema.Bytes}, schema.Type{Kind: schema.String}
	for _, c := range []struct {
		values [][]byte
		ok     bool
	}{{[][]byte{[]byte("a"), nil, []byte("größe"), []byte("")}, true}, {[][]byte{{'a', 0xff}}, false}, {[][]byte{{0xc3}, {0xb6}}, false}, {[][]byte{{'x', 0xc3}}, false}} {
		b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
		b.AppendValues(c.values, nil)
		fields := []schema.Field{{Name: "b", Type: bin}}
		rec := array.NewRecord(schema.ArrowSchema(fields), []arrow.Array{b.NewArray()}, int64(len(c.values)))
		got, err := tryColumns(openBytes(t, write(t, fields, WriteOptions{}, rec), "x"), []schema.Field{{Name: "b", Type: str}}, ReadOptions{}, 10)
		if (err == nil) != c.ok || err != nil && schema.Hint(err) == "" || c.ok && got["b"][2] != "größe" {
			t.Errorf("%q: %v %v", c.values, got, err)
		}
	}
}
