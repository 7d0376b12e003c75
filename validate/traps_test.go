package validate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/decimal256"
	"github.com/apache/arrow/go/v17/arrow/float16"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// The trap suite: ways in which tools that compare say "equal" about data that differs, raise a false alarm, or
// fall over. Each test names the trap.

func TestTrap01NoToleranceUnasked(t *testing.T) {
	l, r := 1.0, 1.0+1e-15
	res := judge(t, Options{Left: floats(t, l), Right: floats(t, r), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
}

func TestTrap02IntegersBeyond2To53(t *testing.T) {
	res := judge(t, Options{Left: jsonSide(t, `{"id":1,"v":9007199254740993}`), Right: jsonSide(t, `{"id":1,"v":9007199254740992}`), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
	type signed struct {
		ID int64 `parquet:"id"`
		V  int64 `parquet:"v"`
	}
	type unsigned struct {
		ID uint64 `parquet:"id"`
		V  uint64 `parquet:"v"`
	}
	res = judge(t, Options{Left: parquetSide(t, []signed{{1, math.MaxInt64}, {2, -1}}), Right: parquetSide(t, []unsigned{{1, math.MaxInt64}, {2, math.MaxUint64}}), Key: key})
	wantRows(t, res, Different, Rows{Equal: 1, Changed: 1}) // -1 is not 2^64-1
	res = judge(t, Options{Left: csvSide(t, "id,v\n1,9007199254740993\n"), Right: parquetSide(t, []signed{{1, 9007199254740992}}), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
}

func TestTrap03DecimalsThroughFloats(t *testing.T) {
	d := func(p, s int32) []arrow.Field {
		return []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", &arrow.Decimal128Type{Precision: p, Scale: s})}
	}
	res := judge(t, Options{Left: arrowSide(t, d(38, 2), `[{"id":1,"v":"123456789012345678901234567890.01"},{"id":2,"v":"1.10"}]`),
		Right: arrowSide(t, d(38, 1), `[{"id":1,"v":"123456789012345678901234567890.0"},{"id":2,"v":"1.1"}]`), Key: key})
	wantRows(t, res, Different, Rows{Equal: 1, Changed: 1})
	if got := string(res.Columns[0].MaxAbs); got != `"0.01"` {
		t.Errorf("max_abs is %s", got)
	}
	res = judge(t, Options{Left: arrowSide(t, d(12, 2), `[{"id":1,"v":"1.10"},{"id":2,"v":"-5.00"}]`),
		Right: arrowSide(t, d(9, 4), `[{"id":1,"v":"1.1000"},{"id":2,"v":"-5.0000"}]`), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 2})
	res = judge(t, Options{Left: arrowSide(t, d(12, 2), `[{"id":1,"v":"7.00"}]`), Right: jsonSide(t, `{"id":1,"v":7}`), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 1})
}

// TestOddDecimals: a scale beyond the precision or beyond int64's digits or below 0, and a value that has more digits than
// its type says.
func TestOddDecimals(t *testing.T) {
	decimals := func(dt arrow.DataType, values ...decimal256.Num) Input {
		fields := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", dt)}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		for i, v := range values {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			switch b := b.Field(1).(type) {
			case *array.Decimal128Builder:
				b.Append(decimal128.New(int64(v.Array()[1]), v.Array()[0]))
			case *array.Decimal256Builder:
				b.Append(v)
			}
		}
		return recordSide(t, b.NewRecord())
	}
	n := decimal256.FromI64
	tiny := &arrow.Decimal128Type{Precision: 3, Scale: 30}
	res := judge(t, Options{Left: decimals(tiny, n(123), n(-1)), Right: decimals(tiny, n(123), n(2)), Key: key})
	wantRows(t, res, Different, Rows{Equal: 1, Changed: 1})
	wantRows(t, judge(t, Options{Left: decimals(tiny, n(123)), Right: decimals(&arrow.Decimal256Type{Precision: 40, Scale: 31}, n(1230)), Key: key}), Equal, Rows{Equal: 1})
	wantRows(t, judge(t, Options{Left: decimals(&arrow.Decimal128Type{Precision: 5, Scale: -2}, n(5)), Right: csvSide(t, "id,v\n0,500\n"), Key: key}), Equal, Rows{Equal: 1})
	for _, dt := range []arrow.DataType{&arrow.Decimal128Type{Precision: 10, Scale: 2}, &arrow.Decimal256Type{Precision: 10, Scale: 2}} {
		refused(t, Options{Left: decimals(dt, decimal256.New(0, 0, 1, 5)), Right: decimals(dt, n(5)), Key: key}, "more digits than its type")
	}
}

func TestTrap04NullIsNotEmpty(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,v\n1,\n2,\"\"\n3,x\n4,\n"), Right: csvSide(t, "id,v\n1,\"\"\n2,\"\"\n3,\n4,\n"), Key: key})
	wantRows(t, res, Different, Rows{Equal: 2, Changed: 2})
	if c := res.Columns[0]; c.NullLeft != 1 || c.NullRight != 1 {
		t.Errorf("nulls: %+v", c)
	}
	tol, _ := ParseTolerance("v=null_as:''")
	res = judge(t, Options{Left: csvSide(t, "id,v\n1,\n2,x\n"), Right: csvSide(t, "id,v\n1,\"\"\n2,x\n"), Key: key, Tolerances: []Tolerance{tol}})
	wantRows(t, res, Equal, Rows{Equal: 1, Within: 1})
}

// TestNullOfOneColumn: in CSV of one column NULL is a line without anything, as DuckDB and pyarrow write it, and no line
// that is left out; above the header it is nothing, and so it is in CSV of several columns.
func TestNullOfOneColumn(t *testing.T) {
	rows := arrowSide(t, []arrow.Field{col("v", arrow.BinaryTypes.String)}, `[{"v":"a"},{"v":null},{"v":""},{"v":null}]`)
	wantRows(t, judge(t, Options{Left: csvSide(t, "\nv\na\n\n\"\"\n\n"), Right: rows, NoKey: true}), Equal, Rows{Equal: 4})
	wantRows(t, judge(t, Options{Left: csvSide(t, "v\r\na\r\n\r\n"), Right: csvSide(t, "v\na\n"), NoKey: true}), Different, Rows{Equal: 1, OnlyLeft: 1})
	wantRows(t, judge(t, Options{Left: csvSide(t, "id,v\n\n1,a\n\n"), Right: csvSide(t, "id,v\n1,a\n"), Key: key}), Equal, Rows{Equal: 1})
}

// TestNullIsNoValue: a row's hash has nothing of NULL, and must have something of every value, also of the one whose word
// the column's seed makes zero.
func TestNullIsNoValue(t *testing.T) {
	fields := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("a", arrow.PrimitiveTypes.Int64), col("b", arrow.PrimitiveTypes.Int64)}
	seed := func(column int) int64 {
		return int64(newHasher(column, 2, &typ{kind: kInt, bits: 64}, pass1Salt).lo)
	}
	values := fmt.Sprintf(`[{"id":1,"a":"%d","b":2},{"id":2,"a":1,"b":"%d"},{"id":3,"a":1,"b":2}]`, seed(0), seed(1))
	nulls := `[{"id":1,"a":null,"b":2},{"id":2,"a":1,"b":null},{"id":3,"a":1,"b":2}]`
	res := judge(t, Options{Left: arrowSide(t, fields, values), Right: arrowSide(t, fields, nulls), Key: key})
	wantRows(t, res, Different, Rows{Equal: 1, Changed: 2})
}

func TestTrap05TextIsNotTrimmed(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,v\n1,a\n2,b\n"), Right: csvSide(t, "id,v\n1,a \n2,B\n"), Key: key})
	wantRows(t, res, Different, Rows{Changed: 2})
}

// TestEqualWithHolds: the flags under which the sides are said to be equal make them so, also where upper case is no
// matter of single letters.
func TestEqualWithHolds(t *testing.T) {
	for _, pair := range [][2]string{{"İzmir", "izmir"}, {"ılık", "ilik"}, {"Anna ", "anna"}, {"STRASSE", "straße"}, {"K", "k"}} {
		l, r := func() Input { return csvSide(t, "id,v\n1,"+pair[0]+"\n") }, func() Input { return csvSide(t, "id,v\n1,"+pair[1]+"\n") }
		res := judge(t, Options{Left: l(), Right: r(), Key: key})
		flag, said := strings.CutPrefix(res.EqualWith, "--tolerance ")
		if !said {
			continue
		}
		tol, err := ParseTolerance(strings.Trim(flag, "'"))
		if err != nil {
			t.Fatal(err)
		}
		if res := judge(t, Options{Left: l(), Right: r(), Key: key, Tolerances: []Tolerance{tol}}); res.Verdict != Equal {
			t.Errorf("%q: %s, although said to be equal with %s", pair, res.Verdict, flag)
		}
	}
}

func TestTrap06LongTextIsNotCut(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	res := judge(t, Options{Left: csvSide(t, "id,v\n1,"+long+"a\n"), Right: csvSide(t, "id,v\n1,"+long+"b\n"), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
}

func TestTrap07TimestampsBelowTheSecond(t *testing.T) {
	f := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", arrow.FixedWidthTypes.Timestamp_ns)}
	res := judge(t, Options{Left: arrowSide(t, f, `[{"id":1,"v":"2026-01-01 00:00:00.000000001"}]`),
		Right: arrowSide(t, f, `[{"id":1,"v":"2026-01-01 00:00:00.000000002"}]`), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
}

func TestTrap08DuplicateKeys(t *testing.T) {
	l := "id,v\n1,a\n1,b\n1,c\n2,x\n3,y\n"
	r := "id,v\n1,a\n2,x\n3,y\n3,y\n"
	res := judge(t, Options{Left: csvSide(t, l), Right: csvSide(t, r), Key: key})
	wantRows(t, res, BrokenKeys, Rows{Equal: 1, DuplicateLeft: 4, DuplicateRight: 3})
	res = judge(t, Options{Left: csvSide(t, l), Right: csvSide(t, r), Key: key, MatchDuplicates: true})
	wantRows(t, res, Different, Rows{Equal: 3, OnlyLeft: 2, OnlyRight: 1})
}

func TestTrap09InnerJoin(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,v\n1,a\n2,b\n"), Right: csvSide(t, "id,v\n2,b\n3,c\n"), Key: key})
	wantRows(t, res, Different, Rows{Equal: 1, OnlyLeft: 1, OnlyRight: 1})
}

func TestTrap10BothEmpty(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,v\n"), Right: csvSide(t, "id,v\n"), Key: key})
	wantRows(t, res, Inconclusive, Rows{})
	res = judge(t, Options{Left: csvSide(t, "id,v\n"), Right: csvSide(t, "id,v\n1,a\n"), Key: key})
	wantRows(t, res, Different, Rows{OnlyRight: 1})
	refused(t, Options{Left: csvSide(t, ""), Right: csvSide(t, "id,v\n1,a\n"), Key: key}, "empty")
	res = judge(t, Options{Left: csvSide(t, "id,v\n1,a\n"), Right: csvSide(t, "id,v\n1,a\n"), Key: key, Where: "v = 'b'"})
	wantRows(t, res, Inconclusive, Rows{})
}

func TestTrap11CompositeKeysAreNotGlued(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "a,b,v\nx y,z,1\n"), Right: csvSide(t, "a,b,v\nx,y z,1\n"), Key: []string{"a,b"}})
	wantRows(t, res, Different, Rows{OnlyLeft: 1, OnlyRight: 1})
	// A partly NULL key is a key; one that is NULL as a whole is none.
	res = judge(t, Options{Left: csvSide(t, "a,b,v\n1,,1\n,,2\n,1,3\n"), Right: csvSide(t, "a,b,v\n1,,1\n,,2\n,1,3\n"), Key: []string{"a", "b"}})
	wantRows(t, res, BrokenKeys, Rows{Equal: 2, NullKeyLeft: 1, NullKeyRight: 1})
}

func TestTrap12HashesDoNotCancel(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "v\na\na\nb\n"), Right: csvSide(t, "v\nb\nc\nc\n"), NoKey: true})
	wantRows(t, res, Different, Rows{Equal: 1, OnlyLeft: 2, OnlyRight: 2})
	res = judge(t, Options{Left: csvSide(t, "id,a,b\n1,x,y\n2,p,q\n"), Right: csvSide(t, "id,a,b\n1,y,x\n2,q,p\n"), Key: key})
	wantRows(t, res, Different, Rows{Changed: 2})
	res = judge(t, Options{Left: csvSide(t, "id,a,b\n1,x,x\n"), Right: csvSide(t, "id,a,b\n1,y,y\n"), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
}

func TestTrap13ShortHashes(t *testing.T) {
	// A hash of 32 bits, or of 64 that depends on few bits, would take some of these for each other.
	var l, r strings.Builder
	l.WriteString("id,v\n")
	r.WriteString("id,v\n")
	for i := range 200_000 {
		fmt.Fprintf(&l, "%d,%d\n", i, i)
		fmt.Fprintf(&r, "%d,%d\n", i, i+200_000)
	}
	res := judge(t, Options{Left: csvSide(t, l.String()), Right: csvSide(t, r.String()), Key: key, Memory: 16 << 20})
	wantRows(t, res, Different, Rows{Changed: 200_000})
	res = judge(t, Options{Left: csvSide(t, l.String()), Right: csvSide(t, r.String()), NoKey: true})
	wantRows(t, res, Different, Rows{OnlyLeft: 200_000, OnlyRight: 200_000})
	type row struct {
		ID int64 `parquet:"id"`
		V  int64 `parquet:"v"`
	}
	var a, b []row
	for i := range int64(400_000) {
		a, b = append(a, row{i, i}), append(b, row{i, i + 400_000})
	}
	res = judge(t, Options{Left: parquetSide(t, a), Right: parquetSide(t, b), Key: key})
	wantRows(t, res, Different, Rows{Changed: 400_000})
}

func TestTrap14NegativeDifferences(t *testing.T) {
	exact, _ := ParseTolerance("v=abs:1")
	wantRows(t, judge(t, Options{Left: jsonSide(t, `{"id":1,"v":1}`, `{"id":2,"v":1}`), Right: jsonSide(t, `{"id":1,"v":100}`, `{"id":2,"v":2}`), Key: key, Tolerances: []Tolerance{exact}}),
		Different, Rows{Changed: 1, Within: 1})
	tol, err := ParseTolerance("v=abs:0.01")
	if err != nil {
		t.Fatal(err)
	}
	res := judge(t, Options{Left: floats(t, 1.0, 5.0, 2.0), Right: floats(t, 1000.0, 5.01, -2.0), Key: key, Tolerances: []Tolerance{tol}})
	wantRows(t, res, Different, Rows{Within: 1, Changed: 2})
	for _, bad := range []string{"v=abs:-1", "v=abs:NaN", "v=rel:-0.1", "v=ulp:-2", "v=within:-1s", "v=abs", "v=nonsense", "=abs:1", "v"} {
		if _, err := ParseTolerance(bad); err == nil || Hint(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestAsTolerates: as:TYPE passes what is the same as that type, and nothing else: not everything where the column has the
// type already; the words beside it are for either type.
func TestAsTolerates(t *testing.T) {
	side := func(dt arrow.DataType, a, b string) Input {
		return arrowSide(t, []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", dt)}, fmt.Sprintf(`[{"id":1,"v":%s},{"id":2,"v":%s}]`, a, b))
	}
	f64, f32, i32, text := arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String
	csv := func(a, b string) Input { return csvSide(t, "id,v\n1,"+a+"\n2,"+b+"\n") }
	one, none, both := Rows{Within: 1, Changed: 1}, Rows{Changed: 2}, Rows{Within: 2}
	for name, x := range map[string]struct {
		left, right Input
		tolerance   string
		rows        Rows
	}{
		"double of doubles":         {side(f64, "0.1", "1"), side(f64, "77", "2"), "as:double", none},
		"float of doubles":          {side(f64, "0.1", "1"), side(f64, "0.10000000149011612", "2"), "as:float", one},
		"text of text":              {side(text, `"a"`, `"b"`), side(text, `"z"`, `"y"`), "as:text", none},
		"integer of integers":       {side(i32, "1", "2"), side(i32, "3", "4"), "as:bigint", none},
		"date of dates":             {side(arrow.FixedWidthTypes.Date32, `"2026-11-01"`, `"2026-11-02"`), side(arrow.FixedWidthTypes.Date32, `"2026-11-03"`, `"2026-11-03"`), "as:date", none},
		"double of doubles, abs":    {side(f64, "0.1", "1"), side(f64, "0.2", "2"), "as:double,abs:0.5", one},
		"float against double":      {side(f32, "0.1", "1"), side(f64, "0.1", "2"), "as:float", one},
		"widened float":             {side(f32, "0.1", "0.5"), side(f64, "0.1", "0.5"), "as:double", one},
		"double of text":            {csv("1.0", "5"), csv("1.00", "7"), "as:double", one},
		"double of text, abs":       {csv("1.001", "5"), csv("1.002", "7"), "as:double,abs:0.01", one},
		"decimal of text, decimals": {csv("1.001", "5"), csv("1.002", "7"), "as:decimal(10,4),decimals:2", one},
		"timestamp of text, within": {csv("2026-11-01 10:00:00", "2026-11-01"), csv("2026-11-01T10:00:01Z", "2026-11-02"), "as:timestamp,within:1s", one},
		"trim or number":            {csv("1.0", "5"), csv(" 1.0", "5.0"), "as:number,trim", both},
		"CSV as text":               {csv("abc", "2"), side(i32, "1", "2"), "as:text", one},
		"both":                      {csv("1.0", "5"), csv("1", "5.0"), "as:number,case", both},
		"integer of whole doubles":  {side(i32, "-3", "1000000"), side(f64, "-3.0", "1e6"), "as:int", both},
	} {
		tol, err := ParseTolerance("v=" + x.tolerance)
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Left: x.left, Right: x.right, Key: key, Tolerances: []Tolerance{tol}}
		t.Run(name, func(t *testing.T) {
			verdict := Different
			if x.rows.Changed == 0 {
				verdict = Equal
			}
			wantRows(t, judge(t, o), verdict, x.rows)
		})
	}
	tol, err := ParseTolerance("v=as:bigint")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, Options{Left: side(arrow.PrimitiveTypes.Uint64, `"18446744073709551615"`, "1"), Right: side(text, `"-1"`, `"1"`), Key: key, Tolerances: []Tolerance{tol}}, "18446744073709551615")
	tol, err = ParseTolerance("v=as:double,within:1s")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, Options{Left: csv("1", "2"), Right: csv("1", "2"), Key: key, Tolerances: []Tolerance{tol}}, "within")
	tol, err = ParseTolerance("v=as:int")
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []Input{side(f64, "1", "2.5"), side(text, `"1"`, `"2.5"`), jsonSide(t, `{"id":1,"v":"1"}`, `{"id":2,"v":"2.5"}`)} {
		err := refused(t, Options{Left: left, Right: side(i32, "1", "2"), Key: key, Tolerances: []Tolerance{tol}}, "2.5")
		if !strings.Contains(Hint(err), "--tolerance") { // and not that the file is damaged
			t.Errorf("%v: %s", err, Hint(err))
		}
	}
}

// TestHintOfNested: a tolerance does not go into a nested value, and no hint says so.
func TestHintOfNested(t *testing.T) {
	side := func(dt arrow.DataType) Input {
		return arrowSide(t, []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", arrow.ListOf(dt))}, `[{"id":1,"v":[1]}]`)
	}
	err := refused(t, Options{Left: side(arrow.PrimitiveTypes.Int64), Right: side(arrow.PrimitiveTypes.Float64), Key: key}, `"v[]"`)
	if h := Hint(err); strings.Contains(h, "--tolerance") || !strings.Contains(h, "--exclude") {
		t.Error(h)
	}
}

func TestTrap15ColumnNames(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,V\n1,a\n"), Right: csvSide(t, "id,v\n1,a\n"), Key: key})
	if res.Verdict != Different || len(res.Columns) != 0 || len(res.Schema) < 2 {
		t.Errorf("%+v", res)
	}
	refused(t, Options{Left: csvSide(t, "id,v,v\n1,a,b\n"), Right: csvSide(t, "id,v\n1,a\n"), Key: key}, `"v"`)
	// Two columns may change their names; one may not take another's.
	o := Options{Left: csvSide(t, "id,a,b\n1,x,y\n"), Right: csvSide(t, "id,a,b\n1,y,x\n"), Key: key, Rename: map[string]string{"a": "b", "b": "a"}}
	wantRows(t, judge(t, o), Equal, Rows{Equal: 1})
	o.Rename = map[string]string{"a": "b"}
	refused(t, o, `both "a" and "b"`)
}

func TestTrap16ColumnsAreNotLeftOut(t *testing.T) {
	more, less := "id,v,w\n1,a,b\n", "id,v\n1,a\n"
	for _, o := range []Options{{Left: csvSide(t, more), Right: csvSide(t, less)}, {Left: csvSide(t, less), Right: csvSide(t, more)}} {
		o.Key = key
		if res := judge(t, o); res.Verdict != Different || len(res.Schema) != 1 || !res.Schema[0].Different {
			t.Errorf("a column of one side alone: %s, %+v", res.Verdict, res.Schema)
		}
		o.Exclude = []string{"w"}
		if res := judge(t, o); res.Verdict != Equal {
			t.Errorf("excluded: %s, %+v", res.Verdict, res.Schema)
		}
	}
	for _, sides := range [][2]Input{
		{jsonSide(t, `{"id":1,"s":{"a":1,"b":2},"l":[{"c":1}]}`), jsonSide(t, `{"id":1,"s":{"a":1},"l":[{"c":1,"d":2}]}`)},
		{jsonSide(t, `{"id":1,"s":{"a":1,"b":2},"l":[{"c":1,"d":1}]}`), jsonSide(t, `{"id":1,"s":{"a":1,"b":"x"},"l":[{"c":1,"d":2}]}`)},
	} {
		o := Options{Left: sides[0], Right: sides[1], Key: key, AllowUncomparable: true}
		if res := judge(t, o); res.Verdict != Different {
			t.Errorf("a field that differs: %s, %+v", res.Verdict, res.Schema)
		}
		o.Exclude = []string{"s.b", "l[].d"}
		wantRows(t, judge(t, o), Equal, Rows{Equal: 1})
		o.Exclude = []string{"s.b"}
		if res := judge(t, o); res.Verdict != Different {
			t.Errorf("a field of two is excluded: %s, %+v", res.Verdict, res.Schema)
		}
		o.Exclude = []string{"s.x"}
		refused(t, o, "s.x")
	}
	err := refused(t, Options{Left: jsonSide(t, `{"id":1,"v":1,"w":true}`), Right: jsonSide(t, `{"id":1,"v":"1","w":1}`), Key: key}, `"v"`, `"w"`)
	var u *UncomparableError
	if !errors.As(err, &u) || len(u.Columns) != 2 {
		t.Errorf("%v", err)
	}
	res := judge(t, Options{Left: jsonSide(t, `{"id":1,"v":1,"w":1}`), Right: jsonSide(t, `{"id":1,"v":"1","w":1}`), Key: key, AllowUncomparable: true})
	if res.Verdict != Different || len(res.Uncomparable) != 1 {
		t.Errorf("%+v", res)
	}
	tol, _ := ParseTolerance("v=as:text")
	res = judge(t, Options{Left: jsonSide(t, `{"id":1,"v":1}`, `{"id":2,"v":3}`), Right: jsonSide(t, `{"id":1,"v":"1"}`, `{"id":2,"v":"4"}`), Key: key, Tolerances: []Tolerance{tol}})
	wantRows(t, res, Different, Rows{Within: 1, Changed: 1})
	m := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("m", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64))}
	res = judge(t, Options{Left: arrowSide(t, m, `[{"id":1,"m":[{"key":"a","value":1}]}]`), Right: arrowSide(t, m, `[{"id":1,"m":[{"key":"a","value":2}]}]`), Key: key})
	wantRows(t, res, Different, Rows{Changed: 1})
}

// TestColumnNamesInFlags: what two flags say of one column is refused, and an unknown name of --rename has the columns of
// its side.
func TestColumnNamesInFlags(t *testing.T) {
	o := Options{Left: csvSide(t, "id,v\n1,a\n"), Right: csvSide(t, "id,w\n1,a\n"), Key: key}
	o.Columns, o.Exclude = []string{"v", "w"}, []string{"w"}
	refused(t, o, "--columns", "--exclude", `"w"`)
	o.Columns, o.Exclude, o.Rename = nil, nil, map[string]string{"x": "w"}
	if err := refused(t, o, `"x"`, "left side"); Hint(err) != "the left side has id, v" {
		t.Error(Hint(err))
	}
	o.Rename = map[string]string{"v": "x"}
	if err := refused(t, o, `"x"`, "right side"); Hint(err) != "the right side has id, w" {
		t.Error(Hint(err))
	}
}

// TestExactNumbersOfSeveralTypes: files whose integers have no common width are exact numbers, which no double is.
func TestExactNumbersOfSeveralTypes(t *testing.T) {
	dir := t.TempDir()
	for name, dt := range map[string]arrow.DataType{"a.arrows": arrow.PrimitiveTypes.Uint64, "b.arrows": arrow.PrimitiveTypes.Int64} {
		fields := []arrow.Field{col("id", arrow.BinaryTypes.String), col("v", dt)}
		rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(`[{"id":"`+name+`","v":1}]`))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		w := ipc.NewWriter(f, ipc.WithSchema(rec.Schema()))
		if err := errors.Join(w.Write(rec), w.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	right := func() Input {
		return arrowSide(t, []arrow.Field{col("id", arrow.BinaryTypes.String), col("v", arrow.PrimitiveTypes.Float64)}, `[{"id":"a.arrows","v":1},{"id":"b.arrows","v":1}]`)
	}
	err := refused(t, Options{Left: Input{Path: dir}, Right: right(), Key: key}, `"v"`)
	if u := (*UncomparableError)(nil); !errors.As(err, &u) {
		t.Errorf("%v", err)
	}
	if res := judge(t, Options{Left: Input{Path: dir}, Right: right(), Key: key, AllowUncomparable: true}); res.Verdict != Different || len(res.Uncomparable) != 1 {
		t.Errorf("%s, %+v", res.Verdict, res.Uncomparable)
	}
}

// TestKeyOfADictionaryWithNull: NULL among a dictionary's entries is NULL, also in a struct that the key leads into.
func TestKeyOfADictionaryWithNull(t *testing.T) {
	text := arrow.BinaryTypes.String
	entries, _, err := array.FromJSON(memory.DefaultAllocator, text, strings.NewReader(`["a",null,"b"]`))
	if err != nil {
		t.Fatal(err)
	}
	index, _, err := array.FromJSON(memory.DefaultAllocator, arrow.PrimitiveTypes.Int8, strings.NewReader(`[0,1,2]`))
	if err != nil {
		t.Fatal(err)
	}
	dict := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: text}, index, entries)
	s, err := array.NewStructArray([]arrow.Array{dict}, []string{"id"})
	if err != nil {
		t.Fatal(err)
	}
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{col("s", s.DataType())}, nil), []arrow.Array{s}, 3)
	res := judge(t, Options{Left: recordSide(t, rec), Right: jsonSide(t, `{"s":{"id":"a"}}`, `{"s":{"id":"b"}}`), Key: []string{"s.id"}})
	wantRows(t, res, BrokenKeys, Rows{Equal: 2, NullKeyLeft: 1})
}

// TestKeyInADictionaryOfStructs: a path leads through a dictionary to its entries.
func TestKeyInADictionaryOfStructs(t *testing.T) {
	rows := arrow.StructOf(col("k", arrow.PrimitiveTypes.Int64))
	entries, _, err := array.FromJSON(memory.DefaultAllocator, rows, strings.NewReader(`[{"k":1},{"k":2}]`))
	if err != nil {
		t.Fatal(err)
	}
	index, _, err := array.FromJSON(memory.DefaultAllocator, arrow.PrimitiveTypes.Int8, strings.NewReader(`[1,null,0]`))
	if err != nil {
		t.Fatal(err)
	}
	dict := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: rows}, index, entries)
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{col("s", dict.DataType())}, nil), []arrow.Array{dict}, 3)
	res := judge(t, Options{Left: recordSide(t, rec), Right: jsonSide(t, `{"s":{"k":1}}`, `{"s":{"k":2}}`), Key: []string{"s.k"}})
	wantRows(t, res, BrokenKeys, Rows{Equal: 2, NullKeyLeft: 1})
}

// TestRunsOfArrow: a run-end encoded column is what it encodes, nested values too.
func TestRunsOfArrow(t *testing.T) {
	from := func(dt arrow.DataType, json string) arrow.Array {
		a, _, err := array.FromJSON(memory.DefaultAllocator, dt, strings.NewReader(json))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ends := from(arrow.PrimitiveTypes.Int32, `[1,3,4]`)
	x := array.NewRunEndEncodedArray(ends, from(arrow.BinaryTypes.String, `["a",null,"b"]`), 4, 0)
	s := array.NewRunEndEncodedArray(ends, from(arrow.StructOf(col("k", arrow.PrimitiveTypes.Int64)), `[{"k":1},null,{"k":2}]`), 4, 0)
	id := from(arrow.PrimitiveTypes.Int64, `[1,2,3,4]`)
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{col("id", id.DataType()), col("x", x.DataType()), col("s", s.DataType())}, nil), []arrow.Array{id, x, s}, 4)
	plain := jsonSide(t, `{"id":1,"x":"a","s":{"k":1}}`, `{"id":2,"x":null,"s":null}`, `{"id":3,"x":null,"s":null}`, `{"id":4,"x":"b","s":{"k":2}}`)
	wantRows(t, judge(t, Options{Left: recordSide(t, rec), Right: plain, Key: key}), Equal, Rows{Equal: 4})
	wantRows(t, judge(t, Options{Left: recordSide(t, rec), Right: plain, Key: []string{"s.k", "id"}}), Equal, Rows{Equal: 4})
	other := jsonSide(t, `{"id":1,"x":"a","s":{"k":1}}`, `{"id":2,"x":null,"s":null}`, `{"id":3,"x":"b","s":null}`, `{"id":4,"x":"b","s":{"k":2}}`)
	wantRows(t, judge(t, Options{Left: recordSide(t, rec), Right: other, Key: key}), Different, Rows{Equal: 3, Changed: 1})
}

func TestTrap17NoEarlyStop(t *testing.T) {
	var l, r strings.Builder
	l.WriteString("id,v\n")
	r.WriteString("id,v\n")
	for i := range 20_000 {
		fmt.Fprintf(&l, "%d,%d\n", i, i%7)
		fmt.Fprintf(&r, "%d,%d\n", i, (i%7)+i%2)
	}
	res := judge(t, Options{Left: csvSide(t, l.String()), Right: csvSide(t, r.String()), Key: key})
	wantRows(t, res, Different, Rows{Equal: 10_000, Changed: 10_000})
}

// slowReader pauses between its records: a quiet moment is not the end.
type slowReader struct {
	array.RecordReader
	n int
}

func (s *slowReader) Next() bool {
	if s.n++; s.n == 2 {
		time.Sleep(20 * time.Millisecond)
	}
	return s.RecordReader.Next()
}

func TestTrap18AQuietMomentIsNotTheEnd(t *testing.T) {
	f := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64)}
	rec := func(rows string) arrow.Record {
		r, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(f, nil), strings.NewReader(rows))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := recordSide(t, rec(`[{"id":1}]`), rec(`[]`), rec(`[{"id":2}]`))
	slow := Input{Records: &slowReader{RecordReader: recordSide(t, rec(`[{"id":1}]`), rec(`[]`), rec(`[{"id":2}]`)).Records.(array.RecordReader)}}
	wantRows(t, judge(t, Options{Left: all, Right: slow, Key: key}), Equal, Rows{Equal: 2})
}

func TestTrap19PositionsAreNotPaired(t *testing.T) {
	res := judge(t, Options{Left: csvSide(t, "id,v\n1,a\n2,b\n3,c\n"), Right: csvSide(t, "id,v\n3,c\n1,a\n2,b\n"), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 3})
	res = judge(t, Options{Left: csvSide(t, "v\na\nb\n"), Right: csvSide(t, "v\nb\na\n"), NoKey: true})
	wantRows(t, res, Equal, Rows{Equal: 2})
}

func TestTrap20AFailedRunIsNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, Options{Left: csvSide(t, "id\n1\n"), Right: csvSide(t, "id\n1\n"), Key: key}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	refused(t, Options{Left: Input{Path: filepath.Join(t.TempDir(), "none.parquet")}, Right: csvSide(t, "id\n1\n"), Key: key}, "none.parquet")
	refused(t, Options{Left: csvSide(t, "id,v\n1,a\n2\n"), Right: csvSide(t, "id,v\n1,a\n"), Key: key}, "x.csv", "line 3")
}

func TestTrap21ManyDifferences(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
		V  int64 `parquet:"v"`
	}
	l, r := make([]row, 300_000), make([]row, 300_000)
	for i := range l {
		l[i], r[i] = row{int64(i), 1}, row{int64(i), 2}
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key, Memory: 16 << 20})
	wantRows(t, res, Different, Rows{Changed: 300_000})
	if c := res.Columns[0].Changes; len(c) != 1 || c[0].Count != 300_000 {
		t.Errorf("changes: %+v", c)
	}
}

func TestTrap22SpecialFloats(t *testing.T) {
	nan, nan2 := math.NaN(), math.Float64frombits(0xFFF8000000000123)
	negZero := math.Copysign(0, -1)
	inf := math.Inf(1)
	l := floats(t, nan, nan, 0.0, inf, inf, nil)
	r := floats(t, nan2, nil, negZero, inf, -inf, nil)
	res := judge(t, Options{Left: l, Right: r, Key: key})
	wantRows(t, res, Different, Rows{Equal: 3, Changed: 3})
	tol, _ := ParseTolerance("v=abs:0")
	res = judge(t, Options{Left: floats(t, 0.0, inf, nan), Right: floats(t, negZero, -inf, 1.0), Key: key, Tolerances: []Tolerance{tol}})
	wantRows(t, res, Different, Rows{Within: 1, Changed: 2})
	refused(t, Options{Left: floats(t, 1.5), Right: floats(t, float32(1.5)), Key: key}, `"v"`, "float", "double")
	// NaN is a key like any other.
	b := func(f float64) Input {
		rb := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{col("id", arrow.PrimitiveTypes.Float64)}, nil))
		rb.Field(0).(*array.Float64Builder).Append(f)
		return recordSide(t, rb.NewRecord())
	}
	wantRows(t, judge(t, Options{Left: b(nan), Right: b(nan2), Key: key}), Equal, Rows{Equal: 1})
	wantRows(t, judge(t, Options{Left: b(0), Right: b(negZero), Key: key}), Different, Rows{OnlyLeft: 1, OnlyRight: 1})
}

// TestHalfFloats: float16 rounds what text says of it, is as many steps apart as its own bits say, and is the same value
// out of Arrow and out of Parquet.
func TestHalfFloats(t *testing.T) {
	halves := func(bits ...uint16) Input {
		fields := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", arrow.FixedWidthTypes.Float16)}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		for i, x := range bits {
			b.Field(0).(*array.Int64Builder).Append(int64(i))
			b.Field(1).(*array.Float16Builder).Append(float16.FromBits(x))
		}
		return recordSide(t, b.NewRecord())
	}
	// 0.1, 0.7, the least normal, the two least, the greatest, beyond it
	bits := []uint16{0x2E66, 0x399A, 0x0400, 0x0001, 0x8002, 0x7BFF, 0x7C00}
	text := "id,v\n0,0.1\n1,0.7\n2,0.00006103515625\n3,6e-8\n4,-1.2e-7\n5,65504\n6,1e6\n"
	wantRows(t, judge(t, Options{Left: halves(bits...), Right: csvSide(t, text), Key: key}), Equal, Rows{Equal: 7})
	wantRows(t, judge(t, Options{Left: halves(bits...), Right: csvSide(t, strings.Replace(text, "0.7", "0.701", 1)), Key: key}), Different, Rows{Equal: 6, Changed: 1})

	type row struct {
		ID int64   `parquet:"id"`
		V  [2]byte `parquet:"v"`
	}
	var rows []row
	for i, x := range bits {
		rows = append(rows, row{int64(i), [2]byte{byte(x), byte(x >> 8)}})
	}
	file := withFooter(t, parquetSide(t, rows), "half.parquet", func(m *format.FileMetaData) {
		m.Schema[2].LogicalType.Value = &format.Float16Type{}
	})
	wantRows(t, judge(t, Options{Left: halves(bits...), Right: file, Key: key}), Equal, Rows{Equal: 7})

	tol, err := ParseTolerance("v=ulp:2")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		a, b   uint16
		passes bool
	}{{0x3C00, 0x3C02, true}, {0x3C00, 0x3C03, false}, {0x3BFF, 0x3C01, true}, {0x0001, 0x8001, true}, {0x0001, 0x8002, false}, {0x03FF, 0x0401, true},
		{0x03FF, 0x0402, false}, {0x0000, 0x0002, true}, {0x0000, 0x0003, false}, {0x8000, 0x0000, true}} {
		want, verdict := Rows{Within: 1}, Equal
		if !x.passes {
			want, verdict = Rows{Changed: 1}, Different
		}
		wantRows(t, judge(t, Options{Left: halves(x.a), Right: halves(x.b), Key: key, Tolerances: []Tolerance{tol}}), verdict, want)
	}
}

func TestTrap23TimesAndText(t *testing.T) {
	type int96Row struct {
		ID int64            `parquet:"id"`
		T  deprecated.Int96 `parquet:"t"`
	}
	type microRow struct {
		ID int64 `parquet:"id"`
		T  int64 `parquet:"t,timestamp(microsecond:local)"`
	}
	at := time.Date(2026, 3, 29, 1, 30, 0, 123456000, time.UTC)
	ns := uint64(at.Hour()*3600+at.Minute()*60)*1e9 + uint64(at.Nanosecond())
	days := uint32(at.Unix()/86400 + julianEpoch)
	res := judge(t, Options{Left: parquetSide(t, []int96Row{{1, deprecated.Int96{uint32(ns), uint32(ns >> 32), days}}}),
		Right: parquetSide(t, []microRow{{1, at.UnixMicro()}}), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 1})

	ts := func(dt arrow.DataType, v string) Input {
		return arrowSide(t, []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("t", dt)}, `[{"id":1,"t":"`+v+`"}]`)
	}
	ms, us := &arrow.TimestampType{Unit: arrow.Millisecond}, &arrow.TimestampType{Unit: arrow.Microsecond}
	usUTC := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	wantRows(t, judge(t, Options{Left: ts(ms, "2026-01-01 00:00:00.123"), Right: ts(us, "2026-01-01 00:00:00.123"), Key: key}), Equal, Rows{Equal: 1})
	wantRows(t, judge(t, Options{Left: ts(ms, "2026-01-01 00:00:00.123"), Right: ts(us, "2026-01-01 00:00:00.123001"), Key: key}), Different, Rows{Changed: 1})
	res = judge(t, Options{Left: ts(us, "2026-01-01 00:00:00"), Right: ts(usUTC, "2026-01-01 00:00:00Z"), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 1})
	found := false
	for _, f := range res.Schema {
		found = found || f.Kind == "time_zone"
	}
	if !found {
		t.Errorf("no finding about the zone: %+v", res.Schema)
	}
	// The repeated hour of a change of the clock is two hours.
	wantRows(t, judge(t, Options{Left: ts(usUTC, "2026-10-25 00:30:00Z"), Right: ts(usUTC, "2026-10-25 01:30:00Z"), Key: key}), Different, Rows{Changed: 1})
	// NFC and NFD are other bytes.
	wantRows(t, judge(t, Options{Left: jsonSide(t, `{"id":1,"v":"\u00e9"}`), Right: jsonSide(t, `{"id":1,"v":"e\u0301"}`), Key: key}), Different, Rows{Changed: 1})
	// A decimal in a dictionary is a decimal.
	type dictRow struct {
		ID int64 `parquet:"id"`
		V  int64 `parquet:"v,decimal(2:12),dict"`
	}
	type plainRow struct {
		ID int64 `parquet:"id"`
		V  int64 `parquet:"v,decimal(2:12),plain"`
	}
	wantRows(t, judge(t, Options{Left: parquetSide(t, []dictRow{{1, 110}, {2, 110}}), Right: parquetSide(t, []plainRow{{1, 110}, {2, 111}}), Key: key}),
		Different, Rows{Equal: 1, Changed: 1})
}

func TestTrap24OrderInsideValues(t *testing.T) {
	m := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("m", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64))}
	res := judge(t, Options{Left: arrowSide(t, m, `[{"id":1,"m":[{"key":"a","value":1},{"key":"b","value":2}]}]`),
		Right: arrowSide(t, m, `[{"id":1,"m":[{"key":"b","value":2},{"key":"a","value":1}]}]`), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 1})
	res = judge(t, Options{Left: jsonSide(t, `{"id":1,"s":{"a":1,"b":2}}`), Right: jsonSide(t, `{"s":{"b":2,"a":1},"id":1}`), Key: key})
	wantRows(t, res, Equal, Rows{Equal: 1})
	list := func(v string) Input { return jsonSide(t, `{"id":1,"l":`+v+`}`) }
	wantRows(t, judge(t, Options{Left: list("[1,2]"), Right: list("[2,1]"), Key: key}), Different, Rows{Changed: 1})
	tol, _ := ParseTolerance("l=unordered")
	wantRows(t, judge(t, Options{Left: list("[1,2,2]"), Right: list("[2,1,2]"), Key: key, Tolerances: []Tolerance{tol}}), Equal, Rows{Within: 1})
	wantRows(t, judge(t, Options{Left: list("[1,2,2]"), Right: list("[2,1,1]"), Key: key, Tolerances: []Tolerance{tol}}), Different, Rows{Changed: 1})
	// A field that one side lacks is a difference, whatever its value.
	res = judge(t, Options{Left: jsonSide(t, `{"id":1,"s":{"a":1}}`), Right: jsonSide(t, `{"id":1,"s":{"a":1,"b":null}}`), Key: key})
	if res.Verdict != Different {
		t.Errorf("%+v", res)
	}
}

func TestTrap25RowsInFlight(t *testing.T) {
	l := csvSide(t, "id,t\n1,2026-01-01T00:00:00\n2,2026-01-01T00:10:00\n")
	r := arrowSide(t, []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("t", arrow.FixedWidthTypes.Timestamp_us)},
		`[{"id":1,"t":"2026-01-01 00:00:00"},{"id":2,"t":"2026-01-01 00:10:00"},{"id":3,"t":"2026-01-01 00:12:00"}]`)
	res := judge(t, Options{Left: l, Right: r, Key: key, Time: "t"})
	wantRows(t, res, Equal, Rows{Equal: 2, PendingRight: 1})
	r2 := arrowSide(t, []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("t", arrow.FixedWidthTypes.Timestamp_us)},
		`[{"id":1,"t":"2026-01-01 00:00:00"},{"id":2,"t":"2026-01-01 00:10:00"},{"id":3,"t":"2026-01-01 00:12:00"}]`)
	res = judge(t, Options{Left: l, Right: r2, Key: key, Time: "t", Settle: time.Hour})
	wantRows(t, res, Inconclusive, Rows{PendingLeft: 2, PendingRight: 3})
}

func TestTrap26SameAnswerAnyway(t *testing.T) {
	type row struct {
		ID int64   `parquet:"id"`
		K  string  `parquet:"k,dict"`
		F  float64 `parquet:"f"`
		S  *string `parquet:"s,optional"`
	}
	mk := func(n int, change bool) []row {
		var out []row
		for i := range n {
			x := row{int64(i), fmt.Sprintf("k%d", i%13), float64(i) / 3, nil}
			if i%3 > 0 {
				s := fmt.Sprint("s", i)
				x.S = &s
			}
			if change && i%17 == 0 {
				x.F += 0.1 * float64(i)
			}
			if change && i%101 == 0 {
				continue
			}
			out = append(out, x)
			if change && i%997 == 0 {
				out = append(out, x)
			}
		}
		return out
	}
	l, r := mk(30_000, false), mk(30_000, true)
	write := func(rows []row, files int, backwards bool, group int64) Input {
		dir := t.TempDir()
		rows = append([]row(nil), rows...)
		if backwards {
			for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
				rows[i], rows[j] = rows[j], rows[i]
			}
		}
		for f := range files {
			part := rows[len(rows)*f/files : len(rows)*(f+1)/files]
			in := parquetSide(t, part, parquet.MaxRowsPerRowGroup(group))
			b, _ := os.ReadFile(in.Path)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.parquet", f)), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return Input{Path: dir}
	}
	var want string
	for i, v := range []struct {
		files    int
		back     bool
		group    int64
		memory   int64
		parallel int
	}{{1, false, 1e6, 1 << 30, 1}, {3, true, 1000, 16 << 20, 4}, {2, false, 333, 64 << 20, 2}, {1, true, 1e6, 16 << 20, 7}} {
		res := judge(t, Options{Left: write(l, v.files, v.back, v.group), Right: write(r, 1, !v.back, v.group*2), Key: key, Memory: v.memory, Parallelism: v.parallel})
		got := stable(t, res)
		if i == 0 {
			want = got
		} else if got != want {
			t.Errorf("run %d differs:\n%s\n%s", i, got, want)
		}
	}
}

func TestTrap27HostileFiles(t *testing.T) {
	type row struct {
		ID int64  `parquet:"id"`
		V  string `parquet:"v"`
	}
	rows := make([]row, 5000)
	for i := range rows {
		rows[i] = row{int64(i), fmt.Sprint("value ", i)}
	}
	good := parquetSide(t, rows)
	b, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(name, content string) error {
		t.Helper()
		_, err := Run(context.Background(), Options{Left: fileSide(t, name, content), Right: good, Key: key})
		if err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name the file: %v", err)
		}
		return err
	}
	for name, content := range map[string]string{
		"short.parquet":  string(b[:len(b)/2]),
		"tail.parquet":   string(b[:len(b)-3]),
		"magic.parquet":  "XXXX" + string(b[4:]),
		"footer.parquet": string(b[:len(b)-8]) + "\xff\xff\xff\x7fPAR1",
		"tiny.parquet":   "PAR1",
		"text.parquet":   "id,v\n1,2\n",
		"binary.csv":     "id,v\n1,\xff\xfe\n",
		"quote.csv":      "id,v\n1,\"a\n",
		"bytes.ndjson":   "{\"id\":1,\"v\":\"\xff\"}\n",
		"cut.ndjson":     `{"id":1,"v":"a`,
		"twice.ndjson":   `{"id":1,"id":2,"v":"a"}`,
		"types.ndjson":   "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":3}",
		"deep.ndjson":    `{"id":1,"v":` + strings.Repeat("[", 100_000),
		"cut.arrow":      "ARROW1\x00\x00\xff\xff\xff\xff\x10",
	} {
		if try(name, content) == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := try("array.json", `[{"id":1,"v":"a"}]`); err == nil || !strings.Contains(Hint(err), "one JSON object a line") {
		t.Errorf("%v: %s", err, Hint(err))
	}
	// A flipped byte anywhere either is an error or does not matter; it never ends the process.
	for at := 4; at < len(b); at += 1 + len(b)/200 {
		c := append([]byte(nil), b...)
		c[at] ^= 0x5A
		_ = try("flip.parquet", string(c))
	}
}

// TestColumnOfNulls: a column whose type is only NULL, as pandas writes it, is compared with anything, also its like.
func TestColumnOfNulls(t *testing.T) {
	nulls := func() Input {
		return arrowSide(t, []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", arrow.Null), col("w", arrow.ListOf(arrow.Null))}, `[{"id":1,"v":null,"w":[null]},{"id":2,"v":null,"w":[]}]`)
	}
	wantRows(t, judge(t, Options{Left: nulls(), Right: nulls(), Key: key}), Equal, Rows{Equal: 2})
	wantRows(t, judge(t, Options{Left: nulls(), Right: nulls(), NoKey: true}), Equal, Rows{Equal: 2})
	wantRows(t, judge(t, Options{Left: nulls(), Right: nulls(), Key: []string{"v"}}), BrokenKeys, Rows{NullKeyLeft: 2, NullKeyRight: 2})
	wantRows(t, judge(t, Options{Left: nulls(), Right: nulls(), Key: []string{"id", "v"}}), Equal, Rows{Equal: 2})
	if keys, err := GuessKey(t.Context(), Options{Left: nulls(), Right: nulls()}); err != nil || len(keys) != 1 {
		t.Errorf("%v %v", keys, err)
	}
	other := jsonSide(t, `{"id":1,"v":5,"w":[null]}`, `{"id":2,"v":null,"w":[]}`)
	wantRows(t, judge(t, Options{Left: nulls(), Right: other, Key: key}), Different, Rows{Equal: 1, Changed: 1})
}

// TestNothingInCommon: sides without a column in common are no comparison.
func TestNothingInCommon(t *testing.T) {
	err := refused(t, Options{Left: csvSide(t, "x\n1\n"), Right: csvSide(t, "y\n1\n"), NoKey: true}, "no column in common", "left has x", "right has y")
	if !strings.Contains(Hint(err), "--rename") {
		t.Error(Hint(err))
	}
	wantRows(t, judge(t, Options{Left: csvSide(t, "x\n1\n"), Right: csvSide(t, "y\n1\n"), Rename: map[string]string{"x": "y"}, NoKey: true}), Equal, Rows{Equal: 1})
	err = refused(t, Options{Left: csvSide(t, "x\n1\n"), Right: csvSide(t, "y\n1\n"), Key: []string{"x"}}, "right side lacks")
	if !strings.Contains(Hint(err), "--rename x=NAME") {
		t.Error(Hint(err))
	}
}

// TestTimeOfText: a time column of CSV and JSON alone is read as times; what is none is an error with its line.
func TestTimeOfText(t *testing.T) {
	l := csvSide(t, "id,t\n1,2026-01-01T00:00:00Z\n2,2026-01-01T02:00:00+01:00\n3,2026-01-01T03:00:00Z\n")
	r := csvSide(t, "id,t\n1,2026-01-01T00:00:00Z\n2,2026-01-01T02:00:00+01:00\n")
	wantRows(t, judge(t, Options{Left: l, Right: r, Key: key, Time: "t"}), Equal, Rows{Equal: 2, PendingLeft: 1})
	wantRows(t, judge(t, Options{Left: l, Right: r, Key: key, Time: "t", Since: "2026-01-01T01:00:00Z", Settle: time.Hour}), Inconclusive, Rows{PendingLeft: 2, PendingRight: 1})
	refused(t, Options{Left: l, Right: csvSide(t, "id,t\n1,yesterday\n"), Key: key, Time: "t"}, "line 2", `"yesterday"`)
	refused(t, Options{Left: floats(t, 1.0), Right: floats(t, 1.0), Key: key, Time: "v"}, "which is double")
}
