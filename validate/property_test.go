package validate

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/decimal256"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"pgregory.net/rapid"
)

// family is a list of values that all differ, in several types that compare by value. A cell of a generated
// table is a place in the list, or -1 for NULL, so the obvious comparison below compares nothing but places.
type family struct {
	name  string
	size  int
	types []arrow.DataType
	put   func(b array.Builder, i int)
}

var families = []family{
	{"int", 4, []arrow.DataType{arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, &arrow.Decimal128Type{Precision: 5, Scale: 1}, &arrow.Decimal256Type{Precision: 50, Scale: 3}},
		func(b array.Builder, i int) {
			v := []int64{0, 1, -1, 127}[i]
			switch b := b.(type) {
			case *array.Int8Builder:
				b.Append(int8(v))
			case *array.Int32Builder:
				b.Append(int32(v))
			case *array.Int64Builder:
				b.Append(v)
			case *array.Decimal128Builder:
				b.Append(decimal128.FromI64(v * 10))
			case *array.Decimal256Builder:
				b.Append(decimal256.FromI64(v * 1000))
			}
		}},
	{"big", 4, []arrow.DataType{arrow.PrimitiveTypes.Int64, &arrow.Decimal128Type{Precision: 20, Scale: 0}},
		func(b array.Builder, i int) {
			v := []int64{1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64}[i]
			switch b := b.(type) {
			case *array.Int64Builder:
				b.Append(v)
			case *array.Decimal128Builder:
				b.Append(decimal128.FromI64(v))
			}
		}},
	{"double", 6, []arrow.DataType{arrow.PrimitiveTypes.Float64},
		func(b array.Builder, i int) {
			b.(*array.Float64Builder).Append([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), 0.1, math.Nextafter(0.1, 1)}[i])
		}},
	{"text", 6, []arrow.DataType{arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
		func(b array.Builder, i int) {
			v := []string{"", " ", "a", "a\x00", "a\x00\x00b", "A"}[i]
			switch b := b.(type) {
			case *array.StringBuilder:
				b.Append(v)
			case *array.LargeStringBuilder:
				b.Append(v)
			case *array.BinaryDictionaryBuilder:
				if err := b.AppendString(v); err != nil {
					panic(err)
				}
			}
		}},
	{"time", 4, []arrow.DataType{&arrow.TimestampType{Unit: arrow.Millisecond}, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, &arrow.TimestampType{Unit: arrow.Nanosecond}},
		func(b array.Builder, i int) {
			tb := b.(*array.TimestampBuilder)
			per := []int64{1, 1000, 1000000, 1000000000}[tb.Type().(*arrow.TimestampType).Unit]
			tb.Append(arrow.Timestamp([]int64{0, -1, 1000, 1e9}[i] * per / 1000))
		}},
	{"null", 0, []arrow.DataType{arrow.Null, arrow.BinaryTypes.String}, nil},
	{"bool", 2, []arrow.DataType{arrow.FixedWidthTypes.Boolean}, func(b array.Builder, i int) { b.(*array.BooleanBuilder).Append(i == 1) }},
	{"date", 3, []arrow.DataType{arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Date64},
		func(b array.Builder, i int) {
			day := []int64{0, -1, 20000}[i]
			switch b := b.(type) {
			case *array.Date32Builder:
				b.Append(arrow.Date32(day))
			case *array.Date64Builder:
				b.Append(arrow.Date64(day * 86400000))
			}
		}},
	{"binary", 3, []arrow.DataType{arrow.BinaryTypes.Binary, &arrow.FixedSizeBinaryType{ByteWidth: 2}},
		func(b array.Builder, i int) {
			v := [][]byte{{0, 0}, {0, 1}, {255, 0}}[i]
			switch b := b.(type) {
			case *array.BinaryBuilder:
				b.Append(v)
			case *array.FixedSizeBinaryBuilder:
				b.Append(v)
			}
		}},
	{"list", 5, []arrow.DataType{arrow.ListOf(arrow.PrimitiveTypes.Int32), arrow.LargeListOf(arrow.PrimitiveTypes.Int64)},
		func(b array.Builder, i int) {
			v := [][]int64{{}, {1}, {1, 2}, {2, 1}, {-1}}[i]
			switch b := b.(type) {
			case *array.ListBuilder:
				b.Append(true)
				for _, x := range v {
					if x < 0 {
						b.ValueBuilder().AppendNull()
					} else {
						b.ValueBuilder().(*array.Int32Builder).Append(int32(x))
					}
				}
			case *array.LargeListBuilder:
				b.Append(true)
				for _, x := range v {
					if x < 0 {
						b.ValueBuilder().AppendNull()
					} else {
						b.ValueBuilder().(*array.Int64Builder).Append(x)
					}
				}
			}
		}},
	{"struct", 3, []arrow.DataType{arrow.StructOf(col("a", arrow.PrimitiveTypes.Int32), col("b", arrow.BinaryTypes.String)), arrow.StructOf(col("b", arrow.BinaryTypes.String), col("a", arrow.PrimitiveTypes.Int64))},
		func(b array.Builder, i int) {
			sb := b.(*array.StructBuilder)
			sb.Append(true)
			for f := range sb.NumField() {
				switch fb := sb.FieldBuilder(f).(type) {
				case *array.Int32Builder:
					fb.Append(int32(i / 2))
				case *array.Int64Builder:
					fb.Append(int64(i / 2))
				case *array.StringBuilder:
					if i == 0 {
						fb.AppendNull()
					} else {
						fb.Append("x")
					}
				}
				_ = f
			}
			if i == 2 { // a=1, b=x; 1: a=0, b=x; 0: a=0, b=NULL
				return
			}
		}},
}

// table is places by row and column.
type table struct {
	fams []family
}

func (tb table) record(types []arrow.DataType, rows [][]int) arrow.Record {
	var fields []arrow.Field
	for i, dt := range types {
		fields = append(fields, col(fmt.Sprintf("c%d", i), dt))
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for _, r := range rows {
		for c, v := range r {
			if v < 0 {
				b.Field(c).AppendNull()
			} else {
				tb.fams[c].put(b.Field(c), v)
			}
		}
	}
	return b.NewRecord()
}

// obvious is the comparison that anyone would believe: keys are the first nk columns.
func obvious(l, r [][]int, nk int, multiset bool) Rows {
	out := Rows{Left: int64(len(l)), Right: int64(len(r))}
	groups := map[string][2][][]int{}
	for side, rows := range [][][]int{l, r} {
		for _, row := range rows {
			k := fmt.Sprint(row[:nk])
			if multiset {
				k = fmt.Sprint(row)
			}
			g := groups[k]
			g[side] = append(g[side], row)
			groups[k] = g
		}
	}
	for _, g := range groups {
		nl, nr := int64(len(g[0])), int64(len(g[1]))
		any := append(append([][]int{}, g[0]...), g[1]...)[0]
		null := nk > 0
		for _, v := range any[:nk] {
			null = null && v < 0
		}
		switch {
		case null:
			out.NullKeyLeft += nl
			out.NullKeyRight += nr
		case multiset:
			m := min(nl, nr)
			out.Equal += m
			out.OnlyLeft += nl - m
			out.OnlyRight += nr - m
		case nl > 1 || nr > 1:
			out.DuplicateLeft += nl
			out.DuplicateRight += nr
		case nr == 0:
			out.OnlyLeft++
		case nl == 0:
			out.OnlyRight++
		case fmt.Sprint(g[0][0]) == fmt.Sprint(g[1][0]):
			out.Equal++
		default:
			out.Changed++
		}
	}
	return out
}

func mirror(r Rows) Rows {
	r.Left, r.Right = r.Right, r.Left
	r.OnlyLeft, r.OnlyRight = r.OnlyRight, r.OnlyLeft
	r.DuplicateLeft, r.DuplicateRight = r.DuplicateRight, r.DuplicateLeft
	r.NullKeyLeft, r.NullKeyRight = r.NullKeyRight, r.NullKeyLeft
	return r
}

func TestAgainstTheObviousComparison(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		nk := rapid.IntRange(0, 2).Draw(rt, "keys")
		nc := nk + rapid.IntRange(1, 4).Draw(rt, "columns")
		var tb table
		var types [2][]arrow.DataType
		for range nc {
			f := rapid.SampledFrom(families).Draw(rt, "family")
			tb.fams = append(tb.fams, f)
			for s := range types {
				types[s] = append(types[s], rapid.SampledFrom(f.types).Draw(rt, "type"))
			}
		}
		cell := func(c int) int { return rapid.IntRange(-1, tb.fams[c].size-1).Draw(rt, "cell") }
		var l, r [][]int
		for range rapid.IntRange(0, 25).Draw(rt, "rows") {
			row := make([]int, nc)
			for c := range row {
				row[c] = cell(c)
			}
			switch rapid.IntRange(0, 9).Draw(rt, "fate") {
			case 0:
				l = append(l, row)
			case 1:
				r = append(r, row)
			case 2:
				l, r = append(l, row, row), append(r, row)
			case 3, 4:
				other := append([]int(nil), row...)
				c := rapid.IntRange(0, nc-1).Draw(rt, "changed")
				other[c] = cell(c)
				l, r = append(l, row), append(r, other)
			default:
				l, r = append(l, row), append(r, row)
			}
		}
		r = rapid.Permutation(r).Draw(rt, "order")
		multiset := nk == 0 || rapid.Bool().Draw(rt, "multiset")
		o := Options{NoKey: nk == 0, MatchDuplicates: nk > 0 && multiset, Parallelism: rapid.IntRange(1, 3).Draw(rt, "parallelism"), Memory: 16 << 20}
		for c := range nk {
			o.Key = append(o.Key, fmt.Sprintf("c%d", c))
		}
		run := func(a, b [][]int, ta, tbs []arrow.DataType, o Options) *Result {
			cut := rapid.IntRange(0, len(b)).Draw(rt, "cut")
			o.Left = recordSide(t, tb.record(ta, a))
			o.Right = recordSide(t, tb.record(tbs, b[:cut]), tb.record(tbs, b[cut:]))
			return judge(t, o)
		}
		want := obvious(l, r, nk, multiset)
		got := run(l, r, types[0], types[1], o)
		if got.Rows != want {
			rt.Fatalf("left %v\nright %v\nkeys %d of %v %v\ngot  %+v\nwant %+v", l, r, nk, types[0], types[1], got.Rows, want)
		}
		if back := run(r, l, types[1], types[0], o); back.Rows != mirror(want) {
			rt.Fatalf("swapped: %+v, want %+v", back.Rows, mirror(want))
		}
		o.Paranoid = true
		if p := run(l, r, types[0], types[1], o); stable(t, p) != stable(t, got) {
			rt.Fatalf("cell by cell: %s\nby hash: %s", stable(t, p), stable(t, got))
		}
		o.Paranoid = false
		self := run(l, l, types[0], types[1], o)
		if n := self.Rows; n.Changed+n.Within+n.OnlyLeft+n.OnlyRight > 0 {
			rt.Fatalf("a side differs from itself: %+v", n)
		}
	})
}

// TestCellsKeepTheirOrder: canonical bytes are ordered as the values are, and end by themselves.
func TestCellsKeepTheirOrder(t *testing.T) {
	numbers := []string{"-1e30", "-12.5", "-12.49", "-1", "-0.001", "0", "1e-20", "0.5", "1", "1.5", "9", "10", "12345678901234567890.5"}
	var cells [][]byte
	nt := typ{kind: kNumber}
	for _, s := range numbers {
		raw, err := parseNumber(nil, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		cells = append(cells, appendCell(nil, &nt, 0, raw))
	}
	if !sort.SliceIsSorted(cells, func(i, j int) bool { return string(cells[i]) < string(cells[j]) }) {
		t.Errorf("numbers are out of order: %x", cells)
	}
	for i, c := range cells {
		if n := cellLen(&nt, append(append([]byte(nil), c...), 0, 1, 2)); n != len(c) {
			t.Errorf("%s: length %d of %d", numbers[i], n, len(c))
		}
	}
	for _, s := range []string{"0", "1", "-1.5", "100", "0.001", "123.456", "1000000"} {
		raw, _ := parseNumber(nil, []byte(s))
		if got := string(appendDecimal(nil, raw, 0)); got != s {
			t.Errorf("%s is shown as %s", s, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		tt := typ{kind: kText}
		a, b := rapid.SliceOf(rapid.Byte()).Draw(rt, "a"), rapid.SliceOf(rapid.Byte()).Draw(rt, "b")
		x, y := appendCell(nil, &tt, 0, a), appendCell(nil, &tt, 0, b)
		if c, d := strings.Compare(string(a), string(b)), strings.Compare(string(x), string(y)); c != d {
			rt.Fatalf("%x %x: %d %d", a, b, c, d)
		}
		_, _, back, rest := cutCell(&tt, append(x, y...))
		if string(back) != string(a) || string(rest) != string(y) {
			rt.Fatalf("%x came back as %x, rest %x", a, back, rest)
		}
	})
}

func TestResultIsJSON(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,v\n1,a\n2,b\n"), Right: csvSide(t, "id,v\n1,a\n2,c\n"), Key: key})
	out, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(out, &back); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"verdict", "rows", "columns", "causes", "unexplained", "schema", "inputs", "seconds"} {
		if back[f] == nil {
			t.Errorf("%q is missing or null: %s", f, out)
		}
	}
	if n := len(back["rows"].(map[string]any)); n != 13 {
		t.Errorf("%d counts of rows", n)
	}
}
