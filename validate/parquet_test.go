package validate

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"pgregory.net/rapid"
)

// pqColumn is a family of values as Parquet has them, with what the same values are in Arrow.
type pqColumn struct {
	node  func() parquet.Node
	value func(i int) parquet.Value
	encs  []encoding.Encoding
	arrow arrow.DataType
	put   func(b array.Builder, i int)
}

// size is how many values there are.
func (c pqColumn) size() int {
	if c.arrow == arrow.FixedWidthTypes.Boolean {
		return 2
	}
	return 8
}

var pqColumns = []pqColumn{
	{func() parquet.Node { return parquet.Leaf(parquet.Int64Type) }, func(i int) parquet.Value { return parquet.Int64Value(int64(i) << 52) },
		[]encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaBinaryPacked}, arrow.PrimitiveTypes.Int64,
		func(b array.Builder, i int) { b.(*array.Int64Builder).Append(int64(i) << 52) }},
	{func() parquet.Node { return parquet.Int(32) }, func(i int) parquet.Value { return parquet.Int32Value(int32(i - 3)) },
		[]encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaBinaryPacked}, arrow.PrimitiveTypes.Int32,
		func(b array.Builder, i int) { b.(*array.Int32Builder).Append(int32(i - 3)) }},
	{func() parquet.Node { return parquet.Leaf(parquet.DoubleType) }, func(i int) parquet.Value { return parquet.DoubleValue(float64(i) / 7) },
		[]encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.ByteStreamSplit}, arrow.PrimitiveTypes.Float64,
		func(b array.Builder, i int) { b.(*array.Float64Builder).Append(float64(i) / 7) }},
	{func() parquet.Node { return parquet.String() }, func(i int) parquet.Value { return parquet.ByteArrayValue([]byte(strings.Repeat("x", i))) },
		[]encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary, &parquet.DeltaLengthByteArray, &parquet.DeltaByteArray}, arrow.BinaryTypes.String,
		func(b array.Builder, i int) { b.(*array.StringBuilder).Append(strings.Repeat("x", i)) }},
	{func() parquet.Node { return parquet.Leaf(parquet.BooleanType) }, func(i int) parquet.Value { return parquet.BooleanValue(i%2 == 1) },
		[]encoding.Encoding{&parquet.Plain, &parquet.RLE}, arrow.FixedWidthTypes.Boolean,
		func(b array.Builder, i int) { b.(*array.BooleanBuilder).Append(i%2 == 1) }},
	{func() parquet.Node { return parquet.Leaf(parquet.FixedLenByteArrayType(3)) }, func(i int) parquet.Value { return parquet.FixedLenByteArrayValue([]byte{0, byte(i), 255}) },
		[]encoding.Encoding{&parquet.Plain, &parquet.RLEDictionary}, arrow.BinaryTypes.Binary,
		func(b array.Builder, i int) { b.(*array.BinaryBuilder).Append([]byte{0, byte(i), 255}) }},
}

// TestParquetHoweverWritten: a table written with any encoding, codec, page version, page size and row group size is
// the same table, and gives the answer that its Arrow form gives.
func TestParquetHoweverWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var cols []pqColumn
		var fields []arrow.Field
		for i := range rapid.IntRange(1, 5).Draw(rt, "columns") {
			c := rapid.SampledFrom(pqColumns).Draw(rt, "column")
			cols = append(cols, c)
			fields = append(fields, col(fmt.Sprintf("c%d", i), c.arrow))
		}
		rng := rand.New(rand.NewSource(rapid.Int64().Draw(rt, "seed")))
		n := rapid.IntRange(0, 700).Draw(rt, "rows")
		nulls := rapid.SampledFrom([]int{0, 2, 50, 1000}).Draw(rt, "nulls")
		var l, r [][]int
		for i := range n {
			row := []int{i}
			for c := range cols {
				x := rng.Intn(cols[c].size())
				if nulls > 0 && rng.Intn(nulls) == 0 {
					x = -1
				}
				row = append(row, x)
			}
			switch rng.Intn(30) {
			case 0:
				l = append(l, row)
			case 1:
				r = append(r, row)
			case 2:
				l, r = append(l, row), append(r, row, row)
			case 3:
				other := append([]int(nil), row...)
				c := rng.Intn(len(cols))
				other[1+c] = rng.Intn(cols[c].size())
				l, r = append(l, row), append(r, other)
			default:
				l, r = append(l, row), append(r, row)
			}
		}
		rng.Shuffle(len(r), func(i, j int) { r[i], r[j] = r[j], r[i] })
		asArrow := func(rows [][]int) Input {
			b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(append([]arrow.Field{col("id", arrow.PrimitiveTypes.Int64)}, fields...), nil))
			for _, row := range rows {
				b.Field(0).(*array.Int64Builder).Append(int64(row[0]))
				for c := range cols {
					if row[c+1] < 0 {
						b.Field(c + 1).AppendNull()
					} else {
						cols[c].put(b.Field(c+1), row[c+1])
					}
				}
			}
			return recordSide(t, b.NewRecord())
		}
		asParquet := func(rows [][]int) Input {
			group := parquet.Group{"id": parquet.Leaf(parquet.Int64Type)}
			for c := range cols {
				n := parquet.Encoded(cols[c].node(), rapid.SampledFrom(cols[c].encs).Draw(rt, "encoding"))
				n = parquet.Compressed(n, rapid.SampledFrom([]compress.Codec{&parquet.Zstd, &parquet.Snappy, &parquet.Uncompressed, &parquet.Gzip, &parquet.Brotli, &parquet.Lz4Raw}).Draw(rt, "codec"))
				if nulls > 0 || rapid.Bool().Draw(rt, "optional") {
					n = parquet.Optional(n)
				}
				group[fields[c].Name] = n
			}
			schema := parquet.NewSchema("t", group)
			var out bytes.Buffer
			w := parquet.NewWriter(&out, schema, parquet.DataPageVersion(rapid.IntRange(1, 2).Draw(rt, "version")),
				parquet.PageBufferSize(rapid.SampledFrom([]int{64, 1000, 1 << 20}).Draw(rt, "page")),
				parquet.MaxRowsPerRowGroup(int64(rapid.SampledFrom([]int{100, 999, 1 << 20}).Draw(rt, "group"))))
			for _, row := range rows {
				var prow parquet.Row
				for at, leaf := range schema.Columns() { // by name, as groups are
					v, def := parquet.Int64Value(int64(row[0])), 0
					if leaf[0] != "id" {
						var c int
						fmt.Sscanf(leaf[0], "c%d", &c)
						optional := group[leaf[0]].Optional()
						if v = parquet.NullValue(); row[c+1] >= 0 {
							v = cols[c].value(row[c+1])
							if optional {
								def = 1
							}
						}
					}
					prow = append(prow, v.Level(0, def, at))
				}
				if _, err := w.WriteRows([]parquet.Row{prow}); err != nil {
					rt.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				rt.Fatal(err)
			}
			return fileSide(t, "x.parquet", out.String())
		}
		o := Options{Key: key, Parallelism: rapid.IntRange(1, 3).Draw(rt, "parallelism"), Memory: rapid.SampledFrom([]int64{16 << 20, 1 << 30}).Draw(rt, "memory")}
		run := func(a, b Input) *Result {
			o.Left, o.Right = a, b
			return judge(t, o)
		}
		want := run(asArrow(l), asArrow(r))
		if counts := obvious(l, r, 1, false); counts != want.Rows {
			rt.Fatalf("arrow: %+v, want %+v", want.Rows, counts)
		}
		left := asParquet(l)
		values := func(res *Result) string { // without the names of types, which a format chooses
			res.Schema = nil
			for i := range res.Columns {
				res.Columns[i].TypeLeft, res.Columns[i].TypeRight = "", ""
			}
			return stable(t, res)
		}
		wanted := values(want)
		if got := values(run(left, asParquet(r))); got != wanted {
			rt.Fatalf("parquet:\n%s\narrow:\n%s", got, wanted)
		}
		if self := run(left, left); self.Rows.Equal != int64(len(l)) {
			rt.Fatalf("a file differs from itself: %+v", self.Rows)
		}
		if same := run(left, asParquet(l)); same.Rows.Equal != int64(len(l)) {
			rt.Fatalf("a table differs from itself, written anew: %+v", same.Rows)
		}
	})
}

// TestRunsOfBooleans: pages of version 2 have booleans in runs, as pyarrow writes them (booleans.parquet, in gzip, with a
// column of NULL and a row group without rows): the library takes one value in eight of a run for the run.
func TestRunsOfBooleans(t *testing.T) {
	var rows strings.Builder
	for i := range 200 {
		x, list := i/13%2 == 0, []string{}
		for range i % 3 {
			list = append(list, fmt.Sprint(x))
		}
		fmt.Fprintf(&rows, `{"id":%d,"b":%v,"l":[%s],"s":{"x":%v,"y":1}`, i, x, strings.Join(list, ","), x)
		if i%50 > 0 {
			fmt.Fprintf(&rows, `,"o":%v`, x)
		}
		rows.WriteString(`,"n":null}` + "\n")
	}
	truth := fileSide(t, "truth.ndjson", rows.String())
	wantRows(t, judge(t, Options{Left: Input{Path: "testdata/booleans.parquet"}, Right: truth, Key: key}), Equal, Rows{Equal: 200})
	other := fileSide(t, "other.ndjson", strings.Replace(rows.String(), `"b":true`, `"b":false`, 3))
	wantRows(t, judge(t, Options{Left: Input{Path: "testdata/booleans.parquet"}, Right: other, Key: key}), Different, Rows{Equal: 197, Changed: 3})
}

// TestBooleansInRequiredStructs: a boolean below nothing that may be NULL has fewer levels, or none.
func TestBooleansInRequiredStructs(t *testing.T) {
	type inner struct {
		A bool  `parquet:"a"`
		O *bool `parquet:"o,optional"`
	}
	type row struct {
		ID int64 `parquet:"id"`
		S  inner `parquet:"s"`
		R  struct {
			B bool `parquet:"b"`
		} `parquet:"r"`
	}
	rows := make([]row, 20)
	var text strings.Builder
	for i := range rows {
		r := &rows[i]
		r.ID, r.S.A, r.R.B = int64(i), i%3 == 0, i%5 == 0
		o := "null"
		if i%4 > 0 {
			x := i%2 == 0
			r.S.O, o = &x, fmt.Sprint(x)
		}
		fmt.Fprintf(&text, `{"id":%d,"s":{"a":%v,"o":%s},"r":{"b":%v}}`+"\n", i, r.S.A, o, r.R.B)
	}
	truth := fileSide(t, "truth.ndjson", text.String())
	for version := 1; version <= 2; version++ {
		side := parquetSide(t, rows, parquet.DataPageVersion(version))
		wantRows(t, judge(t, Options{Left: side, Right: truth, Key: key}), Equal, Rows{Equal: 20})
	}
}

// TestPagesWithoutValues: pyarrow leaves a page of version 2 without values before a nested column's last row
// (empty_page.parquet, z in DELTA_BINARY_PACKED).
func TestPagesWithoutValues(t *testing.T) {
	truth := fileSide(t, "truth.ndjson", `{"id":1,"x":["a","b"],"y":null,"z":[1]}
{"id":2,"x":[],"y":[],"z":[]}
{"id":3,"x":[null],"y":null,"z":null}
{"id":4,"x":null,"y":[],"z":[2,3]}
`)
	wantRows(t, judge(t, Options{Left: Input{Path: "testdata/empty_page.parquet"}, Right: truth, Key: key}), Equal, Rows{Equal: 4})
}

// TestNestedParquetAsText: a list or struct of Parquet compares as its JSON, as one of Arrow does.
func TestNestedParquetAsText(t *testing.T) {
	type row struct {
		ID int64   `parquet:"id"`
		V  []int64 `parquet:"v,list"`
		S  struct {
			B string  `parquet:"b"`
			A float64 `parquet:"a"`
		} `parquet:"s"`
	}
	rows := make([]row, 2)
	rows[0].V, rows[0].S.B = []int64{1, 2}, "x"
	rows[1].ID, rows[1].S.A = 1, 0.5
	text := csvSide(t, "id,v,s\n0,\"[1,2]\",\"{\"\"a\"\":0.0,\"\"b\"\":\"\"x\"\"}\"\n1,[],\"{\"\"a\"\":0.5,\"\"b\"\":\"\"y\"\"}\"\n")
	var o Options
	for _, s := range []string{"v=as:text", "s=as:text"} {
		tol, err := ParseTolerance(s)
		if err != nil {
			t.Fatal(err)
		}
		o.Tolerances = append(o.Tolerances, tol)
	}
	o.Left, o.Right, o.Key = parquetSide(t, rows), text, key
	wantRows(t, judge(t, o), Different, Rows{Within: 1, Changed: 1})
}

// TestManyRowsAnyMemory drives what small tables do not: ranges in memory with an index, ranges on disk, rows that are
// read back early and late, duplicates on both sides; the truth is known by construction.
func TestManyRowsAnyMemory(t *testing.T) {
	type row struct {
		ID int64  `parquet:"id"`
		V  int64  `parquet:"v"`
		S  string `parquet:"s,dict"`
	}
	const n = 400_000
	rng := rand.New(rand.NewSource(5))
	var l, r []row
	want := Rows{}
	for i := range n {
		x := row{int64(i) * 7, int64(rng.Int31()), fmt.Sprint(i % 100)}
		switch y := x; {
		case i%1000 == 1:
			l = append(l, x)
			want.OnlyLeft++
		case i%1000 == 2:
			r = append(r, x)
			want.OnlyRight++
		case i%1000 == 3:
			l, r = append(l, x, x), append(r, x)
			want.DuplicateLeft, want.DuplicateRight = want.DuplicateLeft+2, want.DuplicateRight+1
		case i%1000 == 4:
			y.V++
			l, r = append(l, x), append(r, x, y, x)
			want.DuplicateLeft, want.DuplicateRight = want.DuplicateLeft+1, want.DuplicateRight+3
		case i%1000 == 5:
			r = append(r, x, x)
			want.DuplicateRight += 2
		case i%100 == 6:
			y.V++
			l, r = append(l, x), append(r, y)
			want.Changed++
		case i%100 == 7:
			y.S += "!"
			l, r = append(l, x), append(r, y)
			want.Changed++
		default:
			l, r = append(l, x), append(r, x)
			want.Equal++
		}
	}
	want.Left, want.Right = int64(len(l)), int64(len(r))
	rng.Shuffle(len(r), func(i, j int) { r[i], r[j] = r[j], r[i] })
	left, right := parquetSide(t, l, parquet.MaxRowsPerRowGroup(50_000)), parquetSide(t, r, parquet.MaxRowsPerRowGroup(30_000))
	first := ""
	for _, memory := range []int64{16 << 20, 40 << 20, 1 << 30} {
		for _, swap := range []bool{false, true} {
			o := Options{Left: left, Right: right, Key: key, Memory: memory, Parallelism: 3}
			wanted := want
			if swap {
				o.Left, o.Right, wanted = right, left, mirror(want)
			}
			res := judge(t, o)
			if res.Rows != wanted {
				t.Errorf("memory %d, swapped %v:\n%+v, want\n%+v", memory, swap, res.Rows, wanted)
			}
			if v := res.Columns[0].Different; v != n/100 {
				t.Errorf("memory %d: %d values differ, want %d", memory, v, n/100)
			}
			if got := stable(t, res); !swap && first == "" {
				first = got
			} else if !swap && got != first {
				t.Errorf("memory %d gives another answer:\n%s\n%s", memory, got, first)
			}
		}
	}
}

// TestTwinsAreTheSameBytes: two files of one size are twins only when their bytes are the same.
func TestTwinsAreTheSameBytes(t *testing.T) {
	type row struct {
		ID int64  `parquet:"id"`
		V  int64  `parquet:"v"`
		S  string `parquet:"s"`
	}
	mk := func(change int) Input {
		var rows []row
		for i := range 1000 {
			x := row{int64(i), int64(i) * 3, "text"}
			if i == change {
				x.S = "TEXT"
			}
			rows = append(rows, x)
		}
		return parquetSide(t, rows, parquet.MaxRowsPerRowGroup(300))
	}
	wantRows(t, judge(t, Options{Left: mk(-1), Right: mk(-1), Key: key}), Equal, Rows{Equal: 1000})
	wantRows(t, judge(t, Options{Left: mk(-1), Right: mk(700), Key: key}), Different, Rows{Equal: 999, Changed: 1})
}

// TestTwinsCountTheSameRows: a column that is not compared but says which rows count, by --where, --time or offsets, may
// differ between row groups that are the same in all others.
func TestTwinsCountTheSameRows(t *testing.T) {
	type row struct {
		ID   int64 `parquet:"id"`
		V    int64 `parquet:"v"`
		Live int64 `parquet:"live"`
	}
	side := func(old, live int64) Input {
		return parquetSide(t, []row{{1, 10, old}, {1, 20, live}, {2, 5, 1}}, parquet.MaxRowsPerRowGroup(1))
	}
	res := judge(t, Options{Left: side(1, 0), Right: side(0, 1), Key: key, Exclude: []string{"live"}, Where: "live = 1"})
	wantRows(t, res, Different, Rows{Equal: 1, Changed: 1})
	type timed struct {
		ID int64     `parquet:"id"`
		V  int64     `parquet:"v"`
		At time.Time `parquet:"at,timestamp(millisecond)"`
	}
	early, late := time.Unix(1000, 0).UTC(), time.Unix(9000, 0).UTC()
	times := func(a, b time.Time) Input {
		return parquetSide(t, []timed{{1, 10, a}, {1, 20, b}, {2, 5, early}}, parquet.MaxRowsPerRowGroup(1))
	}
	res = judge(t, Options{Left: times(early, late), Right: times(late, early), Key: key, Exclude: []string{"at"}, Time: "at", Until: "1970-01-01T01:00:00Z"})
	wantRows(t, res, Different, Rows{Equal: 1, Changed: 1})
}

// TestTwinsAreNotReadTwice: row groups that are the same on both sides, with keys that are there twice or NULL, in one
// of them or in one and another, come to what the same rows come to in other row groups.
func TestTwinsAreNotReadTwice(t *testing.T) {
	type row struct {
		ID *int64 `parquet:"id"`
		V  int64  `parquet:"v"`
	}
	twins := 0
	for seed := range int64(60) {
		rnd := rand.New(rand.NewSource(seed))
		var l, r []row
		for group := range 4 {
			keys := int64(50 + rnd.Intn(20000))
			var rows []row
			for i := range 100 {
				id := int64(group*100 + i)
				if rnd.Intn(20) == 0 {
					id = rnd.Int63n(keys)
				}
				x := row{&id, rnd.Int63n(3)}
				if rnd.Intn(40) == 0 {
					x.ID = nil
				}
				rows = append(rows, x)
			}
			l = append(l, rows...)
			if rnd.Intn(3) == 0 {
				rows = slices.Clone(rows)
				for range 1 + rnd.Intn(5) {
					rows[rnd.Intn(100)].V++
				}
				id := rnd.Int63n(400)
				rows[rnd.Intn(100)].ID = &id
			} else {
				twins++
			}
			r = append(r, rows...)
		}
		if rnd.Intn(2) == 0 {
			r = r[:300] // the side with fewer rows is read first
		}
		tell := func(left, right int, where string) string {
			res := judge(t, Options{Left: parquetSide(t, l, parquet.MaxRowsPerRowGroup(int64(left))),
				Right: parquetSide(t, r, parquet.MaxRowsPerRowGroup(int64(right))), Key: key, Where: where})
			res.Inputs, res.Seconds = nil, 0
			b, err := json.Marshal(res)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		for _, where := range []string{"", "v > 0"} {
			if same, other := tell(100, 100, where), tell(100, 70, where); same != other {
				t.Fatalf("seed %d, where %q, with twins\n%s\nwithout\n%s", seed, where, same, other)
			}
		}
	}
	if twins == 0 {
		t.Error("no row group is a twin")
	}
}

// TestChecksumOfPages: a value that changed after its page was written is damage, also where both sides have it.
func TestChecksumOfPages(t *testing.T) {
	type row struct {
		ID int64  `parquet:"id"`
		S  string `parquet:"s,plain"`
	}
	good := parquetSide(t, []row{{1, "a"}, {2, "neither least nor greatest"}, {3, "z"}}) // statistics have those
	b, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("neither"))
	b[at] ^= 1
	bad := fileSide(t, "damaged.parquet", string(b))
	refused(t, Options{Left: good, Right: bad, Key: key}, "damaged.parquet", "checksum")
	refused(t, Options{Left: bad, Right: bad, Key: key}, "damaged.parquet", "checksum")
}

// TestWindowBounds: the first moment of a window belongs to it, the last does not.
func TestWindowBounds(t *testing.T) {
	text := "id,at\n1,2026-11-01T00:00:00Z\n2,2026-11-01T12:00:00Z\n3,2026-11-02T00:00:00Z\n"
	type row struct {
		ID int64 `parquet:"id"`
		At int64 `parquet:"at,timestamp(microsecond)"`
	}
	day := int64(1793491200) * 1e6
	o := Options{Left: csvSide(t, text), Right: parquetSide(t, []row{{1, day}, {2, day + 43200e6}, {3, day + 86400e6}}), Key: key,
		Time: "at", Since: "2026-11-01", Until: "2026-11-02"}
	res := judge(t, o)
	if res.Rows.Left != 2 || res.Rows.Equal != 2 {
		t.Errorf("%+v", res.Rows)
	}
}

// TestSketchThatAgrees: the one column that differs is found although its bits of the sketch agree by chance.
func TestSketchThatAgrees(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
		A  int64 `parquet:"a"`
		B  int64 `parquet:"b"`
	}
	var l []row
	for i := range int64(110_000) {
		l = append(l, row{i, i, i})
	}
	r := append([]row(nil), l...)
	r[7].A++ // so that some column is read
	h := newHasher(1, 2, &typ{kind: kInt, bits: 64}, pass1Salt)
	bits := func(v int64) uint64 { lo, _ := h.word(uint64(v)); return sketch(exact(9)&saltMask, lo, h.mask) }
	for r[9].B++; bits(r[9].B) != bits(9); r[9].B++ {
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
	wantRows(t, res, Different, Rows{Equal: 109_998, Changed: 2})
	if res.Columns[1].Different != 1 {
		t.Errorf("%+v", res.Columns[1])
	}
}

// TestDriftByAnotherColumn: the time since when a column is NULL is read out of rows with all their columns as out of those
// with few, so that it does not depend on which side is read first.
func TestDriftByAnotherColumn(t *testing.T) {
	type row struct {
		ID int64     `parquet:"id"`
		A  string    `parquet:"a"`
		V  *int64    `parquet:"v"`
		At time.Time `parquet:"at,timestamp(millisecond)"`
	}
	var l, r []row
	v := int64(7)
	for i := range int64(110_000) {
		x := row{i, fmt.Sprint("some text ", i), &v, time.Unix(1_760_000_000+i, 0).UTC()}
		l = append(l, x)
		if i >= 100_000 {
			x.V = nil
		}
		if i != 3 { // so that the left side has more rows, and is read last
			r = append(r, x)
		}
	}
	for _, at := range []string{"at", ""} { // without --time it is the first column that is a time
		for _, memory := range []int64{0, 16 << 20} {
			for _, swapped := range []bool{false, true} {
				o := Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key, Time: at, Memory: memory}
				if swapped {
					o.Left, o.Right = o.Right, o.Left
				}
				res := judge(t, o)
				if len(res.Causes) != 1 || res.Causes[0].Cause != causeDrift || res.Causes[0].Cells != 10_000 || !strings.Contains(res.Causes[0].Evidence, "since 2025-10-10 12:40:00") {
					t.Errorf("time %q, memory %d, swapped %v: %+v", at, memory, swapped, res.Causes)
				}
			}
		}
	}
}

// TestFootersThatLie: what a footer or a page header claims is not believed before it is there, and asks for no memory.
func TestFootersThatLie(t *testing.T) {
	type row struct {
		ID int64   `parquet:"id"`
		S  *string `parquet:"s,optional,zstd"`
	}
	text := strings.Repeat("text ", 100)
	rows := make([]row, 1000)
	for i := range rows {
		rows[i] = row{int64(i), &text}
	}
	good := parquetSide(t, rows)
	for name, lie := range map[string]func(m *format.FileMetaData){
		"more rows":      func(m *format.FileMetaData) { m.RowGroups[0].NumRows++ },
		"fewer rows":     func(m *format.FileMetaData) { m.RowGroups[0].NumRows-- },
		"no rows":        func(m *format.FileMetaData) { m.RowGroups[0].NumRows = 0 },
		"very many rows": func(m *format.FileMetaData) { m.RowGroups[0].NumRows, m.NumRows = 1<<40, 1<<40 },
		"all too many": func(m *format.FileMetaData) {
			m.RowGroups[0].NumRows, m.NumRows = 1<<50, 1<<50
			for i := range m.RowGroups[0].Columns {
				m.RowGroups[0].Columns[i].MetaData.NumValues = 1 << 50
			}
		},
		"beyond the end":    func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].MetaData.TotalCompressedSize = 1 << 40 },
		"before the start":  func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].MetaData.DataPageOffset = -5 },
		"another's pages":   func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].MetaData.DataPageOffset = 4 },
		"another codec":     func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].MetaData.Codec = format.Snappy },
		"no codec":          func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].MetaData.Codec = format.Uncompressed },
		"a codec of no one": func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].MetaData.Codec = 77 },
		"no column":         func(m *format.FileMetaData) { m.RowGroups[0].Columns = m.RowGroups[0].Columns[:1] },
		"another type":      func(m *format.FileMetaData) { m.Schema[2].Type = m.Schema[1].Type },
		"a date of bytes":   func(m *format.FileMetaData) { m.Schema[2].LogicalType.Value = &format.DateType{} },
		"text of integers":  func(m *format.FileMetaData) { m.Schema[1].LogicalType.Value = &format.StringType{} },
		"half of integers":  func(m *format.FileMetaData) { m.Schema[1].LogicalType.Value = &format.Float16Type{} },
		"a time of bytes": func(m *format.FileMetaData) {
			m.Schema[2].LogicalType.Value = &format.TimestampType{IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: &format.MilliSeconds{}}}
		},
		"integers of bytes": func(m *format.FileMetaData) {
			m.Schema[2].LogicalType.Value = &format.IntType{BitWidth: 64, IsSigned: true}
		},
		"nothing but there": func(m *format.FileMetaData) { m.Schema[2].LogicalType.Value = &format.NullType{} },
		"many children":     func(m *format.FileMetaData) { m.Schema[0].NumChildren.V = 1 << 30 },
	} {
		bad := withFooter(t, good, "lying.parquet", lie)
		for _, o := range []Options{{Left: good, Right: bad, Key: key}, {Left: bad, Right: good, Key: key, Memory: 16 << 20}, {Left: bad, Right: bad, NoKey: true}} {
			_, err := Run(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), "lying.parquet") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestFooterLongerThanItsFile: no memory is made for a footer before it is known to be there.
func TestFooterLongerThanItsFile(t *testing.T) {
	good := parquetSide(t, []struct{ ID int64 }{{1}})
	b, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(b[len(b)-8:], 1<<32-1)
	bad := fileSide(t, "long.parquet", string(b))
	_, err = Run(t.Context(), Options{Left: good, Right: bad, Key: []string{"ID"}})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("long.parquet: the footer says that it has %d bytes, the file has %d", 1<<32-1, len(b))) || Hint(err) == "" {
		t.Errorf("%v (hint: %s)", err, Hint(err))
	}
}

// TestPagesThatUnfold: an encoding in which few bytes stand for many is refused before memory is made for these.
func TestPagesThatUnfold(t *testing.T) {
	text, number := *new(format.SchemaElement), *new(format.SchemaElement)
	text.Type = thrift.New(format.ByteArray)
	number.Type = thrift.New(format.Int64)
	repeats, rest := make([]int32, 1000), make([]int32, 1000)
	for i := range repeats[1:] {
		repeats[i+1] = 1 << 20
	}
	rest[0] = 1 << 20
	a, _ := parquet.DeltaBinaryPacked.EncodeInt32(nil, repeats)
	b, _ := parquet.DeltaBinaryPacked.EncodeInt32(nil, rest)
	for _, x := range []struct {
		elem *format.SchemaElement
		enc  format.Encoding
		page []byte
		want string
	}{
		{&text, format.DeltaByteArray, slices.Concat(a, b, make([]byte, 1<<20)), "repeats"},
		{&text, format.DeltaLengthByteArray, []byte{128, 1, 4, 255, 255, 255, 255, 7, 0}, "claims"},
		{&number, format.DeltaBinaryPacked, []byte{128, 1, 4, 255, 255, 255, 255, 7, 0}, "claims"},
	} {
		f := &flatPages{node: &pnode{elem: x.elem}}
		if err := f.encoded(&vec{n: 1000}, x.enc, x.page, 1000); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.enc, err)
		}
	}
}

// FuzzParquet: whatever a file holds, it is compared or refused by name; nothing panics.
func FuzzParquet(f *testing.F) {
	type row struct {
		ID int64    `parquet:"id"`
		S  *string  `parquet:"s,optional,zstd"`
		L  []string `parquet:"l,list"`
	}
	text := "text"
	rows := make([]row, 300)
	for i := range rows {
		rows[i] = row{ID: int64(i)}
		if i%3 > 0 {
			rows[i].S, rows[i].L = &text, []string{"a", fmt.Sprint(i)}
		}
	}
	for _, version := range []int{1, 2} {
		in := parquetSide(f, rows, parquet.DataPageVersion(version))
		b, err := os.ReadFile(in.Path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x.parquet")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		o := Options{Left: Input{Path: path}, Right: Input{Path: path}, NoKey: true, AllowUncomparable: true, Memory: 16 << 20, Parallelism: 1}
		res, err := Run(context.Background(), o)
		if err != nil && !strings.Contains(err.Error(), "x.parquet") && !strings.Contains(err.Error(), "column") {
			t.Errorf("no place: %v", err)
		}
		if err == nil && res.Verdict == Different && len(res.Uncomparable) == 0 {
			t.Errorf("a file differs from itself: %+v", res.Rows)
		}
	})
}

// TestNestedHoweverWritten: nested columns of any encoding, codec, page version and page size are what JSON has, and so
// are pages of one encoding behind those of another.
func TestNestedHoweverWritten(t *testing.T) {
	type may = struct {
		Text string
		More []*float64 `parquet:",list"`
		Deep [][]int64  `parquet:",list"`
	}
	type plain struct {
		ID   int64
		Must struct {
			Flag *bool `parquet:",optional"`
			N    int32
		}
		May  *may `parquet:",optional"`
		Many []string
		Map  map[string]int32
	}
	type words struct {
		ID   int64 `parquet:",dict"`
		Must struct {
			Flag *bool `parquet:",optional"`
			N    int32 `parquet:",dict"`
		}
		May *struct {
			Text string     `parquet:",dict"`
			More []*float64 `parquet:",list" parquet-element:",dict"`
			Deep [][]int64  `parquet:",list"`
		} `parquet:",optional"`
		Many []string         `parquet:",dict"`
		Map  map[string]int32 `parquet-key:",dict" parquet-value:",dict"`
	}
	type deltas struct {
		ID   int64 `parquet:",delta"`
		Must struct {
			Flag *bool `parquet:",optional"`
			N    int32 `parquet:",delta"`
		}
		May *struct {
			Text string     `parquet:",delta"`
			More []*float64 `parquet:",list" parquet-element:",split"`
			Deep [][]int64  `parquet:",list"`
		} `parquet:",optional"`
		Many []string
		Map  map[string]int32 `parquet-key:",delta" parquet-value:",delta"`
	}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewSource(seed))
	var rows []plain
	var lines strings.Builder
	for i := range 700 {
		x := plain{ID: int64(i), Many: []string{}, Map: map[string]int32{}}
		x.Must.N = rng.Int31n(9)
		if yes := rng.Intn(2) == 0; rng.Intn(5) > 0 {
			x.Must.Flag = &yes
		}
		if rng.Intn(4) > 0 {
			x.May = &may{Text: strings.Repeat("z", rng.Intn(5)), More: []*float64{}, Deep: [][]int64{}}
			for range rng.Intn(4) {
				y := float64(rng.Intn(99)) / 4
				x.May.More, x.May.Deep = append(x.May.More, &y, nil), append(x.May.Deep, []int64{rng.Int63n(9), 5}[:rng.Intn(3)])
			}
		}
		for range rng.Intn(3) {
			x.Many = append(x.Many, fmt.Sprint(rng.Intn(20)))
			x.Map[fmt.Sprint("k", rng.Intn(9))] = rng.Int31n(100)
		}
		rows = append(rows, x)
		line, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	same := func(name string, l, r Input, exclude ...string) {
		t.Helper()
		res, err := Run(t.Context(), Options{Left: l, Right: r, Key: []string{"ID"}, Exclude: exclude})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.Verdict != Equal || res.Rows.Equal != int64(len(rows)) || len(res.Columns)+len(exclude) != 4 {
			t.Errorf("%s: %s, %+v, %d columns", name, res.Verdict, res.Rows, len(res.Columns))
		}
	}
	var asWords []words
	var asDeltas []deltas
	for _, x := range rows {
		asWords, asDeltas = append(asWords, words(x)), append(asDeltas, deltas(x))
	}
	truth := fileSide(t, "truth.ndjson", lines.String())
	first := parquetSide(t, rows)
	same("JSON", first, truth, "Map") // which JSON has as structs
	for _, codec := range []compress.Codec{&parquet.Uncompressed, &parquet.Zstd, &parquet.Snappy, &parquet.Lz4Raw, &parquet.Gzip, &parquet.Brotli} {
		for _, version := range []int{1, 2} {
			for _, size := range []int{64, 1 << 20} {
				opts := []parquet.WriterOption{parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(size),
					parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain)}
				name := fmt.Sprintf("%s, version %d, pages of %d", codec, version, size)
				same(name, first, parquetSide(t, rows, opts...))
				same(name+", words", first, parquetSide(t, asWords, opts...))
				same(name+", deltas", first, parquetSide(t, asDeltas, opts...))
				if codec == &parquet.Uncompressed {
					half := len(rows) / 2
					same(name+", joined", first, joined(t, parquetSide(t, rows[:half], opts...), parquetSide(t, asDeltas[half:], opts...)))
				}
			}
		}
	}
}

// joined is a Parquet file of one row group, in which the pages of b's columns follow those of a's.
func joined(t *testing.T, a, b Input) Input {
	t.Helper()
	var data [2][]byte
	var metas [2]*format.FileMetaData
	for i, in := range []Input{a, b} {
		var err error
		if data[i], err = os.ReadFile(in.Path); err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(data[i]), int64(len(data[i])))
		if err != nil {
			t.Fatal(err)
		}
		metas[i] = f.Metadata()
	}
	out, all := []byte("PAR1"), *metas[0]
	group := &all.RowGroups[0]
	for k := range group.Columns {
		c := &group.Columns[k]
		m := &c.MetaData
		start := len(out)
		for i := range metas {
			from := metas[i].RowGroups[0].Columns[k].MetaData
			out = append(out, data[i][from.DataPageOffset:from.DataPageOffset+from.TotalCompressedSize]...)
		}
		next := metas[1].RowGroups[0].Columns[k].MetaData
		m.NumValues += next.NumValues
		m.TotalUncompressedSize += next.TotalUncompressedSize
		m.DataPageOffset, m.TotalCompressedSize = int64(start), int64(len(out)-start)
		m.Encoding = append(slices.Clone(m.Encoding), next.Encoding...)
		c.ColumnIndexOffset, c.ColumnIndexLength, c.OffsetIndexOffset, c.OffsetIndexLength = 0, 0, 0, 0
	}
	group.NumRows += metas[1].RowGroups[0].NumRows
	all.NumRows = group.NumRows
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &all)
	if err != nil {
		t.Fatal(err)
	}
	out = append(binary.LittleEndian.AppendUint32(append(out, footer...), uint32(len(footer))), "PAR1"...)
	return fileSide(t, "joined.parquet", string(out))
}
