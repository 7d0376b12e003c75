package column

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"pgregory.net/rapid"

	"github.com/lockstep-data/lockstep/schema"
)

// The calendar is that of package time, from year 0 to 9999, and the short way of ParseTimestamp gives what
// the long way gives.
func TestTimestamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(-62167219200000000, 253402300799999999).Draw(t, "micros")
		at := time.UnixMicro(micros).UTC()
		if got, want := string(AppendTimestamp(nil, micros)), at.Format("2006-01-02T15:04:05.000000Z"); got != want {
			t.Fatalf("wrote %s, want %s", got, want)
		}
		layout := rapid.SampledFrom([]string{"2006-01-02T15:04:05.000000Z", "2006-01-02 15:04:05.000000Z", "2006-01-02T15:04:05.000Z",
			"2006-01-02T15:04:05Z", "2006-01-02 15:04:05.000000", "2006-01-02T15:04:05.9+00:00", "2006-01-02T15:04:05.000000000Z"}).Draw(t, "layout")
		text := []byte(at.Format(layout))
		want, err := time.Parse(layout, string(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseTimestamp(text); err != nil || got != want.UnixMicro() {
			t.Fatalf("%s: got %d, %v; want %d", text, got, err, want.UnixMicro())
		}
		// One character wrong: both ways refuse it, or both take it for the same.
		text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		got, err := ParseTimestamp(text)
		if short, ok := usualTime(text); ok && (err != nil || short != got || short != long(t, text)) {
			t.Fatalf("%q: %d the short way, %d, %v", text, short, got, err)
		}
	})
	if _, ok := usualTime([]byte("2023-11-14T22:13:20.123456Z")); !ok {
		t.Error("the usual form does not take the short way")
	}
}

// long reads the time by the way that usualTime saves: another fraction's length sends it there.
func long(t *rapid.T, text []byte) int64 {
	z := append([]byte{}, text[:len(text)-1]...)
	got, err := ParseTimestamp(z) // no Z, no short way
	if err != nil {
		t.Fatalf("%q: %v", z, err)
	}
	return got
}

func TestDays(t *testing.T) {
	for days := int64(-4_000_000); days < 4_000_000; days += 97 {
		at := time.Unix(days*86400, 0).UTC()
		y, m, d := civil(days)
		if y != at.Year() || m != int(at.Month()) || d != at.Day() || civilDays(y, m, d) != days {
			t.Fatalf("day %d is %d-%d-%d, want %v", days, y, m, d, at)
		}
	}
	for days, want := range map[int64]string{0: "1970-01-01", -719528: "0000-01-01", -719529: "-000001-12-31", 2932896: "9999-12-31", 2932897: "+010000-01-01"} {
		if got := string(AppendDate(nil, days)); got != want {
			t.Errorf("day %d: %s, want %s", days, got, want)
		}
		if got, err := ParseDate([]byte(want)); err != nil || int64(got) != days {
			t.Errorf("%s: day %d, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "-", "2024", "2024-1-1", "2024-13-01", "2024-00-01", "2024-01-00", "2024-04-31", "1900-02-29", "2024-01-011",
		"12345-01-01", "+123-01-01", "2024/01/01", "２０２４-01-01", "2024-01-0", "+99999999-01-01"} {
		if _, err := ParseDate([]byte(bad)); !errors.Is(err, ErrDate) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// Numbers against big.Rat: exact or refused, for integers and decimals.
func TestNumbers(t *testing.T) {
	text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		s := text.Draw(t, "number")
		precision := rapid.IntRange(1, 38).Draw(t, "precision")
		scale := rapid.IntRange(0, precision).Draw(t, "scale")
		n, end := ScanNumber([]byte(s), 0)
		if end != len(s) {
			t.Fatalf("%s ends at %d", s, end)
		}
		exact, _ := new(big.Rat).SetString(s)
		scaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
		var want error
		if !scaled.IsInt() {
			want = ErrFraction
		} else if digits := new(big.Int).Abs(scaled.Num()).String(); len(digits) > precision && digits != "0" {
			want = ErrRange
		}
		got, err := n.Decimal([]byte(s), precision, scale)
		switch {
		case want == nil && (err != nil || got.BigInt().Cmp(scaled.Num()) != 0):
			t.Fatalf("%s as DECIMAL(%d,%d): got %v, %v; want %v", s, precision, scale, got.BigInt(), err, scaled)
		case want != nil && err == nil: // of two reasons, either may be named
			t.Fatalf("%s as DECIMAL(%d,%d): got %v, want %v", s, precision, scale, got.BigInt(), want)
		}
		i, err := n.Int64([]byte(s))
		if isInt := exact.IsInt() && exact.Num().IsInt64(); isInt != (err == nil) || isInt && i != exact.Num().Int64() {
			t.Fatalf("%s as BIGINT: got %d, %v", s, i, err)
		}
		f, err := n.Float64([]byte(s))
		if wf, werr := strconv.ParseFloat(s, 64); (err != nil) != (werr != nil) || err == nil && math.Float64bits(f) != math.Float64bits(wf) {
			t.Fatalf("%s as DOUBLE: got %v, %v; want %v, %v", s, f, err, wf, werr)
		}
		for unit, exp := range map[string]int64{"s": 1_000_000, "ms": 1000, "us": 1} {
			micros := new(big.Rat).Mul(exact, new(big.Rat).SetInt64(exp))
			floor := new(big.Int).Div(micros.Num(), micros.Denom())
			got, err := n.Epoch([]byte(s), unit)
			if err == nil && (!floor.IsInt64() || got != floor.Int64()) {
				t.Fatalf("%s %s: got %d, want %v", s, unit, got, floor)
			}
			if err != nil && n.Plain() && floor.IsInt64() && n.Digits <= 12 {
				t.Fatalf("%s %s: %v, want %v", s, unit, err, floor)
			}
		}
	})
	for _, s := range []string{"1e-22", "1e-23", "1e22", "1e23", "9007199254740993e-22", "-9007199254740991e22", "9007199254740992e-22", "0.000000000000000000000000001"} {
		n, _ := ScanNumber([]byte(s), 0)
		got, err := n.Float64([]byte(s))
		if want, _ := strconv.ParseFloat(s, 64); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", s, got, err, want)
		}
	}
	for _, bad := range []string{"", "-", "+1", "01", "-01", ".5", "5.", "1e", "1e+", "1.e1", "a", "--1", "-.1", "0x1"} {
		if n, end := ScanNumber([]byte(bad), 0); end == len(bad) {
			t.Errorf("%q: got %+v", bad, n)
		}
	}
}

func TestAppendDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?[0-9]{1,38}`).Draw(t, "digits")
		scale := rapid.IntRange(0, 38).Draw(t, "scale")
		v, _ := new(big.Int).SetString(digits, 10)
		r := new(big.Rat).SetFrac(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
		if got, want := string(AppendDecimal(nil, decimal128.FromBigInt(v), scale)), r.FloatString(scale); got != want {
			t.Fatalf("%s at scale %d: got %s, want %s", digits, scale, got, want)
		}
	})
}

func TestValidText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(rapid.StringOfN(rapid.RuneFrom([]rune("ab1")), 0, 70, -1).Draw(t, "text"))
		if !ValidText(s) {
			t.Fatalf("%q refused", s)
		}
		if len(s) > 0 {
			s[rapid.IntRange(0, len(s)-1).Draw(t, "at")] = 0xff
			if ValidText(s) {
				t.Fatalf("%q taken", s)
			}
		}
	})
}

// TestAShortBlockHoldsItsOwn has a block that comes behind a longer one hold no room for more rows than its own, as a state
// counts what rows are long.
func TestAShortBlockHoldsItsOwn(t *testing.T) {
	fields := []schema.Field{{Name: "n", Type: schema.Type{Kind: schema.BigInt}}, {Name: "s", Type: schema.Type{Kind: schema.String}}}
	bufs := New(fields)
	for _, rows := range []int{10_000, 9_900, 9_000, 5_000, 700, 10_000, 40, 10_000} {
		for i := range rows {
			bufs[0].I64 = append(bufs[0].I64, int64(i))
			bufs[1].AppendBytes([]byte("some text"))
		}
		rec := Record(schema.ArrowSchema(fields), bufs, rows)
		for i, want := range []int{8 * rows, 9 * rows} {
			buf := rec.Column(i).Data().Buffers()
			if got := cap(buf[len(buf)-1].Bytes()); got > want*4/3+64 {
				t.Errorf("%d rows of %s hold %d bytes, for %d", rows, fields[i].Name, got, want)
			}
		}
		if got := rec.Column(0).(*array.Int64).Value(rows - 1); got != int64(rows-1) {
			t.Errorf("the last of %d rows is %d", rows, got)
		}
		if got := rec.Column(1).(*array.String).Value(rows - 1); got != "some text" {
			t.Errorf("the last of %d rows is %q", rows, got)
		}
	}
}

// A view reads a slice of a record as well as a whole one, nested columns included.
func TestViewOfSlice(t *testing.T) {
	bigint, text := schema.Type{Kind: schema.BigInt}, schema.Type{Kind: schema.String}
	row := schema.Type{Kind: schema.Row, Fields: []schema.Field{{Name: "b", Type: schema.Type{Kind: schema.Boolean}}, {Name: "s", Type: text}}}
	fields := []schema.Field{{Name: "i", Type: bigint}, {Name: "l", Type: schema.Type{Kind: schema.Array, Elem: &row}}, {Name: "r", Type: row}}
	cols := New(fields)
	for i := range 40 {
		if i%3 == 0 {
			cols[0].AppendNull()
			cols[1].AppendNull()
			cols[2].AppendNull()
			continue
		}
		cols[0].I64 = append(cols[0].I64, int64(i))
		for _, c := range []*Buffer{cols[1].Kids[0], cols[2]} {
			c.Kids[0].Bool = append(c.Kids[0].Bool, byte(i&1))
			c.Kids[1].AppendBytes([]byte(strconv.Itoa(i)))
			c.End()
		}
		cols[1].End()
	}
	rec := Record(schema.ArrowSchema(fields), cols, 40).NewSlice(13, 31)
	views := NewViews(fields)
	for i, v := range views {
		v.Bind(rec.Column(i))
	}
	for k := range 18 {
		i := k + 13
		for _, v := range views {
			if v.IsNull(k) != (i%3 == 0) {
				t.Fatalf("row %d: %s is NULL: %v", i, v.Name, v.IsNull(k))
			}
		}
		if i%3 == 0 {
			continue
		}
		at := int(views[1].Offsets[k])
		if views[0].I64[k] != int64(i) || views[1].Offsets[k+1] != int32(at+1) {
			t.Fatalf("row %d: %d, %v", i, views[0].I64[k], views[1].Offsets[k:k+2])
		}
		for _, p := range []struct {
			v  *View
			at int
		}{{views[1].Kids[0], at}, {views[2], k}} {
			if p.v.Kids[0].Bool(p.at) != (i&1 == 1) || string(p.v.Kids[1].Bytes(p.at)) != strconv.Itoa(i) {
				t.Fatalf("row %d: %s: %v %s", i, p.v.Name, p.v.Kids[0].Bool(p.at), p.v.Kids[1].Bytes(p.at))
			}
		}
	}
}

func TestViewOfAnotherForm(t *testing.T) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Append(1)
	defer func() {
		if recover() == nil {
			t.Error("a BIGINT was taken as STRING")
		}
	}()
	NewViews([]schema.Field{{Name: "s", Type: schema.Type{Kind: schema.String}}})[0].Bind(b.NewArray())
}

// A record that was handed out does not change when the next rows come.
func TestRecordKeeps(t *testing.T) {
	fields := []schema.Field{{Name: "s", Type: schema.Type{Kind: schema.String}}, {Name: "b", Type: schema.Type{Kind: schema.Boolean}}}
	cols := New(fields)
	fill := func(s string, v byte) arrow.Record {
		for range 3 {
			cols[0].AppendBytes([]byte(s))
			cols[1].Bool = append(cols[1].Bool, v)
		}
		return Record(schema.ArrowSchema(fields), cols, 3)
	}
	first := fill("first", 1)
	fill("other", 0)
	if s, b := first.Column(0).(*array.String), first.Column(1).(*array.Boolean); s.Value(2) != "first" || !b.Value(2) {
		t.Errorf("the record became %v", first)
	}
}
