package validate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCausesThatValuesShow plants one cause in one column and expects it by name in all its cells.
func TestCausesThatValuesShow(t *testing.T) {
	type pairs = func(i int) (l, r string)
	text := func(s string) string { return `"` + s + `"` }
	for _, c := range []struct {
		cause string
		cells pairs
	}{
		{causeRounding, func(i int) (string, string) {
			return fmt.Sprintf("%d.%03d", i, i*37%1000), fmt.Sprintf("%.2f", float64(i)+float64(i*37%1000)/1000)
		}},
		{causeTruncation, func(i int) (string, string) {
			s := fmt.Sprintf("%d.%03d", i, i*37%1000)
			return s, s[:len(s)-1]
		}},
		{causeTruncation, func(i int) (string, string) {
			s := strings.Repeat("é", i%9) + fmt.Sprintf("name %d of many", i)
			return text(s), text(string([]rune(s)[:12]))
		}},
		{unexplained, func(i int) (string, string) { return text(fmt.Sprint(100 + i)), text(fmt.Sprint(100+i) + ".csv") }},
		{causeText, func(i int) (string, string) { return text(fmt.Sprint(100 + i)), text(fmt.Sprint(100+i) + "  ") }},
		{unexplained, func(i int) (string, string) { // of any length: nothing was cut
			s := fmt.Sprintf("name %d of many", i)
			return text(s), text(s[:3+i%10])
		}},
		{causeFactor, func(i int) (string, string) { return fmt.Sprint(i*7 + 3), fmt.Sprintf("%.2f", float64(i*7+3)/100) }},
		{causeNullDefault, func(i int) (string, string) {
			if i%5 == 0 {
				return "null", text("")
			}
			return text("x"), text("x")
		}},
		{causeText, func(i int) (string, string) { return text(fmt.Sprintf("Name %d", i)), text(fmt.Sprintf("NAME %d", i)) }},
		{causeText, func(i int) (string, string) { return text(fmt.Sprintf("n%d", i)), text(fmt.Sprintf("n%d  ", i)) }},
		{causeText, func(i int) (string, string) {
			return text(fmt.Sprintf("caf\u00e9 %d", i)), text(fmt.Sprintf("cafe\u0301 %d", i))
		}},
		{causeEncoding, func(i int) (string, string) {
			return text(fmt.Sprintf("Zürich %d", i)), text(fmt.Sprintf("ZÃ¼rich %d", i))
		}},
		{causeDrift, func(i int) (string, string) { return fmt.Sprint(i * 31), "null" }},
		{unexplained, func(i int) (string, string) { return fmt.Sprint(i * 7919 % 1009), fmt.Sprint(i * 104729 % 997) }},
	} {
		t.Run(c.cause, func(t *testing.T) {
			var l, r []string
			for i := range 200 {
				x, y := c.cells(i)
				l = append(l, fmt.Sprintf(`{"id":%d,"v":%s}`, i, x))
				r = append(r, fmt.Sprintf(`{"id":%d,"v":%s}`, i, y))
			}
			res := judge(t, Options{Left: jsonSide(t, l...), Right: jsonSide(t, r...), Key: key})
			if c.cause == unexplained {
				if res.Unexplained.Cells != res.Columns[0].Different || len(res.Causes) != 0 {
					t.Errorf("a cause without evidence: %+v, unexplained %+v", res.Causes, res.Unexplained)
				}
				return
			}
			if len(res.Causes) != 1 || res.Causes[0].Cause != c.cause || res.Causes[0].Cells != res.Columns[0].Different || res.Causes[0].Evidence == "" {
				t.Errorf("%d differ; causes %+v, unexplained %+v", res.Columns[0].Different, res.Causes, res.Unexplained)
			}
		})
	}
}

func TestCausesOfTimes(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
		T  int64 `parquet:"t,timestamp(microsecond)"`
	}
	for cause, f := range map[string]func(us int64, i int) int64{
		causeZone: func(us int64, i int) int64 { return us + int64(1+i%2)*3600e6 }, // one hour in winter, two in summer
		causeUnit: func(us int64, _ int) int64 { return us / 1000 * 1000 },
	} {
		var l, r []row
		for i := range 100 {
			us := int64(1_780_000_000_000_000 + i*7_777_777_777)
			l, r = append(l, row{int64(i), us}), append(r, row{int64(i), f(us, i)})
		}
		res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
		if len(res.Causes) != 1 || res.Causes[0].Cause != cause || res.Causes[0].Cells != res.Columns[0].Different {
			t.Errorf("%s: %+v, unexplained %+v", cause, res.Causes, res.Unexplained)
		}
	}
}

// TestRoundedTimes: databases round times to fewer digits where programs cut them, and half of all roundings are cuts.
func TestRoundedTimes(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
		T  int64 `parquet:"t,timestamp(microsecond)"`
	}
	var l, r []row
	for i := range 100 {
		us := int64(-1_780_000_000_000 + i*77_777_777_333)
		l, r = append(l, row{int64(i), us}), append(r, row{int64(i), int64(math.Round(float64(us)/1000)) * 1000})
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
	if len(res.Causes) != 1 || res.Causes[0].Cause != causeUnit || res.Causes[0].Cells != res.Columns[0].Different || !strings.Contains(res.Causes[0].Evidence, "t: right = left rounded to milliseconds (") {
		t.Errorf("%+v, unexplained %+v", res.Causes, res.Unexplained)
	}
}

// TestUnitTakenForAnother: milliseconds that were written as microseconds are in January 1970.
func TestUnitTakenForAnother(t *testing.T) {
	type millis struct {
		ID int64 `parquet:"id"`
		T  int64 `parquet:"t,timestamp(millisecond)"`
	}
	type micros struct {
		ID int64 `parquet:"id"`
		T  int64 `parquet:"t,timestamp(microsecond)"`
	}
	var l []millis
	var r []micros
	for i := range int64(20) {
		l, r = append(l, millis{i, 1_780_000_000_000 + i*7777}), append(r, micros{i, 1_780_000_000_000 + i*7777})
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
	if len(res.Causes) != 1 || res.Causes[0].Cause != causeUnit || res.Causes[0].Cells != 20 || !strings.Contains(res.Causes[0].Evidence, "right = left taken for a unit 1000 times smaller") {
		t.Errorf("%+v", res.Causes)
	}
}

// TestCausesOfTimesOfDay: a time of day has a unit and a zone as a timestamp has, and a tolerance that would pass it.
func TestCausesOfTimesOfDay(t *testing.T) {
	type row struct {
		ID int64 `parquet:"id"`
		T  int64 `parquet:"t,time(microsecond)"`
	}
	const day = 86400_000_000
	for _, c := range []struct {
		cause, evidence string
		f               func(us int64) int64
	}{
		{causeUnit, "t: right = left cut to seconds (100 of 100 cells)", func(us int64) int64 { return us / 1e6 * 1e6 }},
		{causeUnit, "t: right = left cut to minutes (100 of 100 cells)", func(us int64) int64 { return us / 60e6 * 60e6 }},
		{causeZone, "t: right = left -5 h (100 of 100 cells)", func(us int64) int64 { return (us + 19*3600e6) % day }},
	} {
		var l, r []row
		for i := range 100 {
			us := int64(i*7_777_777_777+1) % day
			l, r = append(l, row{int64(i), us}), append(r, row{int64(i), c.f(us)})
		}
		opts := Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key}
		res := judge(t, opts)
		if len(res.Causes) != 1 || res.Causes[0].Cause != c.cause || res.Causes[0].Evidence != c.evidence {
			t.Errorf("%s: %+v, unexplained %+v", c.evidence, res.Causes, res.Unexplained)
		}
		if len(res.WhatIf) != 1 || res.WhatIf[0].Tolerance == "" {
			t.Fatalf("%s: what if %+v", c.evidence, res.WhatIf)
		}
		tolerance, err := ParseTolerance(res.WhatIf[0].Tolerance)
		if err != nil {
			t.Fatal(err)
		}
		opts.Tolerances = []Tolerance{tolerance}
		if res := judge(t, opts); res.Verdict != Equal {
			t.Errorf("%s with %s: %s", c.evidence, tolerance.Column, res.Verdict)
		}
	}
}

func TestCausesOfFloats(t *testing.T) {
	type row struct {
		ID int64   `parquet:"id"`
		V  float64 `parquet:"v"`
	}
	for cause, f := range map[string]func(x float64) float64{
		causeWidth: func(x float64) float64 { return float64(float32(x)) },
		causeULP:   func(x float64) float64 { return x * (1 + 3e-16) },
	} {
		var l, r []row
		for i := range 100 {
			x := float64(i+1) / 7
			l, r = append(l, row{int64(i), x}), append(r, row{int64(i), f(x)})
		}
		res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
		if len(res.Causes) != 1 || res.Causes[0].Cause != cause || res.Causes[0].Cells != res.Columns[0].Different {
			t.Errorf("%s: %+v, unexplained %+v", cause, res.Causes, res.Unexplained)
		}
	}
}

// TestSignOfZeroIsNoWidth: both zeros are short floats, and one is not the other through a 32-bit float.
func TestSignOfZeroIsNoWidth(t *testing.T) {
	type row struct {
		ID int64   `parquet:"id"`
		V  float64 `parquet:"v"`
	}
	for _, pair := range [][2]float64{{0, math.Copysign(0, -1)}, {1, math.Nextafter(1, 2)}} { // nor are neighbours
		res := judge(t, Options{Left: parquetSide(t, []row{{1, pair[0]}}), Right: parquetSide(t, []row{{1, pair[1]}}), Key: key})
		if len(res.Causes) != 1 || res.Causes[0].Cause != causeULP {
			t.Errorf("%v: %+v", pair, res.Causes)
		}
	}
}

func TestCausesAcrossCells(t *testing.T) {
	var l, r []string
	for i := range 50 {
		l = append(l, fmt.Sprintf(`{"id":%d,"a":%d,"b":%d}`, i, i, i+1000))
		r = append(r, fmt.Sprintf(`{"id":%d,"a":%d,"b":%d}`, i, i+1000, i))
	}
	res := judge(t, Options{Left: jsonSide(t, l...), Right: jsonSide(t, r...), Key: key})
	if len(res.Causes) != 1 || res.Causes[0].Cause != causeSwapped || res.Causes[0].Rows != 50 || res.Causes[0].Cells != 100 {
		t.Errorf("swapped: %+v", res.Causes)
	}
	l, r = nil, nil
	for i := range 50 {
		l = append(l, fmt.Sprintf(`{"id":%d,"a":%d}`, i, i*i*31%997))
		r = append(r, fmt.Sprintf(`{"id":%d,"a":%d}`, i, (i-1)*(i-1)*31%997))
	}
	res = judge(t, Options{Left: jsonSide(t, l...), Right: jsonSide(t, r...), Key: key})
	if len(res.Causes) == 0 || res.Causes[0].Cause != causeShifted || res.Causes[0].Cells < 48 {
		t.Errorf("shifted: %+v", res.Causes)
	}
	res = judge(t, Options{Left: csvSide(t, "id,v\n1,a\n2,x\n"), Right: csvSide(t, "id,v\n1,a\n1,a\n2,x\n2,y\n"), Key: key})
	if len(res.Causes) != 2 {
		t.Errorf("duplicates: %+v", res.Causes)
	}
}

// TestCausesByAccident: rows that differ here and there in a column of a few values are neither shifted nor times a factor
// nor in another time zone, whatever some of them look like.
func TestCausesByAccident(t *testing.T) {
	type row struct {
		ID    int64     `parquet:"id"`
		Qty   int64     `parquet:"qty"`
		State string    `parquet:"state"`
		At    time.Time `parquet:"at,timestamp(millisecond)"`
	}
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		made := func(id int64) row {
			return row{id, rng.Int64N(5) + 1, fmt.Sprint("s", rng.IntN(4)), time.Date(2026, 11, 1, rng.IntN(48), 0, 0, 0, time.UTC)}
		}
		var l, r []row
		changed := 4 + rng.Int64N(50)
		for id := range int64(200) {
			x := made(id)
			y := x
			if id*changed%200 < changed {
				for y.Qty == x.Qty || y.State == x.State || y.At.Equal(x.At) {
					y = made(id)
				}
			}
			l, r = append(l, x), append(r, y)
		}
		res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
		if len(res.Causes) > 0 || res.Rows.Changed != changed {
			t.Errorf("seed %d: %d of %d rows differ, causes %+v", seed, res.Rows.Changed, changed, res.Causes)
		}
	}
	// What fits all cells is no accident, however few values there are.
	res := judge(t, Options{Left: jsonSide(t, `{"id":1,"v":100}`, `{"id":2,"v":100}`, `{"id":3,"v":100}`), Right: jsonSide(t, `{"id":1,"v":1}`, `{"id":2,"v":1}`, `{"id":3,"v":1}`), Key: key})
	if len(res.Causes) != 1 || res.Causes[0].Cause != causeFactor || res.Causes[0].Cells != 3 {
		t.Errorf("%+v", res.Causes)
	}
}

// TestLostValuesAreNoDefaults: zeros and falses among values that one side lost say nothing of defaults.
func TestLostValuesAreNoDefaults(t *testing.T) {
	var l, r []string
	for i := range 200 {
		l = append(l, fmt.Sprintf(`{"id":%d,"flag":%v,"qty":%d,"note":"%s"}`, i, i%2 == 0, i%4, []string{"", "n/a", "x"}[i%3]))
		flag, qty, note := fmt.Sprint(i%2 == 0), fmt.Sprint(i%4), fmt.Sprintf("%q", []string{"", "n/a", "x"}[i%3])
		if i%7 == 0 {
			flag, qty = "null", "null"
		}
		if i%3 < 2 { // two defaults: these are
			note = "null"
		}
		r = append(r, fmt.Sprintf(`{"id":%d,"flag":%s,"qty":%s,"note":%s}`, i, flag, qty, note))
	}
	res := judge(t, Options{Left: jsonSide(t, l...), Right: jsonSide(t, r...), Key: key})
	if len(res.Causes) != 1 || res.Causes[0].Cause != causeNullDefault || fmt.Sprint(res.Causes[0].Columns) != "[note]" || res.Causes[0].Cells != 134 || res.Unexplained.Cells != 58 {
		t.Errorf("%+v, unexplained %+v", res.Causes, res.Unexplained)
	}
}

// TestNoFactors: a code that was replaced by another, and noise of computing, are no factor.
func TestNoFactors(t *testing.T) {
	type row struct {
		ID     int64   `parquet:"id"`
		Status int64   `parquet:"status"`
		Score  float64 `parquet:"score"`
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var l, r []row
	for i := range int64(200) {
		x := row{i, i%3 + 1, rng.Float64() * 100}
		y := x
		if x.Status == 1 {
			y.Status = 2
		}
		y.Score += (rng.Float64() - 0.5) * 1e-9
		l, r = append(l, x), append(r, y)
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
	for _, c := range res.Causes {
		if c.Cause == causeFactor {
			t.Errorf("%+v", c)
		}
	}
}

// TestSwappedByAccident: two columns of a few values that both differ may show each other's values, which is no swap.
func TestSwappedByAccident(t *testing.T) {
	type row struct {
		ID   int64 `parquet:"id"`
		A    int64 `parquet:"a"`
		B    int64 `parquet:"b"`
		Paid bool  `parquet:"paid"`
		Sent bool  `parquet:"sent"`
		X    bool  `parquet:"x"`
		Y    bool  `parquet:"y"`
	}
	rng := rand.New(rand.NewPCG(2, 1))
	flip := func() bool { return rng.IntN(2) == 0 }
	var l, r []row
	swapped := int64(0)
	for i := range int64(1000) {
		x := row{i, rng.Int64N(5), rng.Int64N(5), flip(), flip(), flip(), flip()}
		y := x
		if i%10 == 0 {
			y.A, y.B = rng.Int64N(5), rng.Int64N(5)
		}
		y.Paid, y.Sent = !x.Paid, !x.Sent
		if y.X, y.Y = x.Y, x.X; x.X != x.Y {
			swapped++
		}
		l, r = append(l, x), append(r, y)
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
	if len(res.Causes) != 1 || res.Causes[0].Cause != causeSwapped || fmt.Sprint(res.Causes[0].Columns) != "[x y]" || res.Causes[0].Rows != swapped {
		t.Errorf("%d rows are swapped: %+v", swapped, res.Causes)
	}
}

// TestOffByACentIsNoRounding: 12.29 against 12.30 is no rounding where 12.30 against 12.31 is as frequent.
func TestOffByACentIsNoRounding(t *testing.T) {
	type row struct {
		ID     int64   `parquet:"id"`
		Cent   int64   `parquet:"cent,decimal(2:12)"`
		More   int64   `parquet:"more,decimal(2:12)"`
		Rating float64 `parquet:"rating"`
		Tenths int64   `parquet:"tenths,decimal(2:12)"`
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var l, r []row
		tenths := int64(0)
		for i := range int64(1000) {
			x := row{i, rng.Int64N(10_000), rng.Int64N(10_000), float64(rng.IntN(11)) / 10, rng.Int64N(10_000)}
			y := row{i, x.Cent + 1, x.More + rng.Int64N(3) - 1, float64(rng.IntN(11)) / 10, x.Tenths}
			switch rng.IntN(4) { // roundings among other differences are found
			case 0:
				y.Tenths = (x.Tenths + 5) / 10 * 10
			case 1:
				y.Tenths = rng.Int64N(10_000)
			}
			if y.Tenths == (x.Tenths+5)/10*10 && y.Tenths != x.Tenths {
				tenths++
			}
			l, r = append(l, x), append(r, y)
		}
		res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
		if len(res.Causes) != 1 || res.Causes[0].Cause != causeRounding || fmt.Sprint(res.Causes[0].Columns) != "[tenths]" || res.Causes[0].Cells < tenths || res.Causes[0].Cells > tenths+3 {
			t.Errorf("seed %d: %d roundings, %+v", seed, tenths, res.Causes)
		}
	}
}

// TestWholeColumnFirst: a cause that fits all of a column's cells is given to all of them, whatever fits some.
func TestWholeColumnFirst(t *testing.T) {
	type row struct {
		ID    int64   `parquet:"id"`
		At    int64   `parquet:"at,timestamp(microsecond)"`
		Price float32 `parquet:"price"`
	}
	var l, r []row
	for i := range int64(200) {
		price := float32(i*7919%100_000) / 64
		at := 1_780_000_000_000_000 + i*3600e6
		l = append(l, row{i, at, price})
		r = append(r, row{i, at + 3600e6, float32(math.Round(float64(price)*100) / 100)})
	}
	res := judge(t, Options{Left: parquetSide(t, l), Right: parquetSide(t, r), Key: key})
	if len(res.Causes) != 2 || res.Causes[0].Cause != causeZone || res.Causes[0].Cells != 200 || res.Causes[1].Cause != causeRounding || res.Unexplained.Cells != 0 {
		t.Errorf("%+v", res.Causes)
	}
}

// TestDigitsAsFractions: the quick way of telling roundings and cuts decides as exact fractions do.
func TestDigitsAsFractions(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	fits := 0
	for range 50_000 {
		scale := 1 + r.IntN(9)
		f := float64(r.Int64N(2e6)-1e6) / 1e4 // many ties
		if r.IntN(2) == 0 {
			f = (r.Float64() - 0.5) * 1e6
		}
		fine := shortText(&typ{kind: kFloat, bits: 64}, floatBits(f), nil)
		d := r.IntN(scale)
		near := strconv.FormatFloat(f+float64(r.IntN(3)-1)*math.Pow10(-d), 'f', d, 64)
		if r.IntN(2) == 0 && decimalsOf(fine) > d {
			near = strings.TrimSuffix(fine[:len(fine)-decimalsOf(fine)+d], ".")
		}
		coarse := near
		if strings.Contains(near, ".") {
			coarse = strings.TrimRight(strings.TrimRight(near, "0"), ".")
		}
		if decimalsOf(fine) <= d {
			continue
		}
		for _, cause := range []string{causeTruncation, causeRounding} {
			got, want := fitsDecimals(cause, coarse, fine, d), fitsFractions(cause, coarse, fine, d)
			if got != want {
				t.Fatalf("seed %d: %s of %s to %d decimals is %s: %v, by fractions %v", seed, cause, fine, d, coarse, got, want)
			}
			if got {
				fits++
			}
		}
	}
	if fits < 5000 {
		t.Errorf("seed %d: only %d fit", seed, fits)
	}
}
