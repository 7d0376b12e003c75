package validate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/text/unicode/norm"
)

// wide is a row with a column for every cause that values show.
type wide struct {
	ID       int64    `parquet:"id"`
	At       int64    `parquet:"at,timestamp(microsecond)"`
	Rounded  float64  `parquet:"rounded"`
	Cut      float64  `parquet:"cut"`
	Cents    int64    `parquet:"cents"`
	Euro     float64  `parquet:"euro"`
	Zone     int64    `parquet:"zone,timestamp(microsecond)"`
	Summer   int64    `parquet:"summer,timestamp(microsecond)"`
	Millis   int64    `parquet:"millis,timestamp(microsecond)"`
	Default  *int64   `parquet:"default,optional"`
	Empty    *string  `parquet:"empty,optional"`
	Trim     string   `parquet:"trim"`
	Case     string   `parquet:"case"`
	Form     string   `parquet:"form"`
	Escape   string   `parquet:"escape"`
	Encoding string   `parquet:"encoding"`
	Lossy    string   `parquet:"lossy"`
	First    string   `parquet:"first"`
	Second   string   `parquet:"second"`
	Shifted  int64    `parquet:"shifted"`
	Gone     *float64 `parquet:"gone,optional"`
	Since    *float64 `parquet:"since,optional"`
	Width    float64  `parquet:"width"`
	Noise    float64  `parquet:"noise"`
	Money    int64    `parquet:"money,decimal(2:12)"`
	Noted    string   `parquet:"noted"`
}

// injected makes both sides and the truth: how many cells of each column have which cause. side says which of them
// is the damaged one.
func injected(rng *rand.Rand, n int, damaged int) (sides [2][]wide, truth map[string]map[string]int64) {
	truth = map[string]map[string]int64{}
	count := func(column, cause string, differs bool) {
		if !differs {
			return
		}
		if truth[column] == nil {
			truth[column] = map[string]int64{}
		}
		truth[column][cause]++
	}
	cities := []string{"Zürich", "Málaga", "Łódź", "São Paulo", "Bonn", "Paris", "Kraków", "Lima"}
	ptr := func(x float64) *float64 { return &x }
	start := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC).UnixMicro()
	step := int64(300 * 24 * 3600 * 1e6 / int64(n))
	shift := int64(rng.IntN(27)-13) * 3600e6
	if shift == 0 {
		shift = 3600e6
	}
	decimals := math.Pow(10, float64(rng.IntN(3)))
	drift := n/3 + rng.IntN(n/2)
	var whole, broken []wide
	for i := range n {
		city := cities[rng.IntN(len(cities))]
		amount := float64(rng.IntN(10_000_000)) / 1000
		at := start + int64(i)*step + int64(rng.IntN(1_000_000))
		v := [2]int64{rng.Int64N(1e8), rng.Int64N(1e8)} // in ten thousandths
		x := wide{ID: int64(i), At: at, Rounded: float64(v[0]) / 1e4, Cut: float64(v[1]) / 1e4, Cents: rng.Int64N(1_000_000) + 1,
			Euro: amount + 0.01, Zone: at + rng.Int64N(1e12), Summer: at, Millis: at + rng.Int64N(1e12),
			Trim: city, Case: city, Form: city, Escape: city + " & " + city, Encoding: fmt.Sprint(city, " ", i), Lossy: fmt.Sprint(city, " ", i),
			First: fmt.Sprint("a", rng.IntN(100_000)), Second: fmt.Sprint("b", rng.IntN(100_000)), Shifted: rng.Int64N(1 << 40),
			Gone: ptr(rng.Float64()), Since: ptr(rng.Float64()), Width: rng.Float64() * 1000, Noise: rng.Float64() * 1000, Money: rng.Int64N(1e9), Noted: fmt.Sprint("x", rng.Int64N(1e12))}
		zero, empty := int64(0), ""
		x.Default, x.Empty = &zero, &empty
		if rng.IntN(4) > 0 {
			v, s := rng.Int64N(1000)+1, city
			x.Default, x.Empty = &v, &s
		}
		y := x
		unit := int64(1e4 / decimals)
		y.Rounded = float64((v[0]+unit/2)/unit) / decimals
		count("rounded", causeRounding, y.Rounded != x.Rounded)
		y.Cut = float64(v[1]/100) / 100
		count("cut", causeTruncation, y.Cut != x.Cut)
		if rng.IntN(3) == 0 {
			y.Cents *= 100
			count("cents", causeFactor, true)
		}
		y.Euro *= 1000
		count("euro", causeFactor, true)
		if rng.IntN(5) == 0 {
			y.Zone += shift
			count("zone", causeZone, true)
		}
		hours := int64(1)
		if m := time.UnixMicro(at).UTC().Month(); m >= time.April && m <= time.October {
			hours = 2
		}
		y.Summer += hours * 3600e6
		count("summer", causeZone, true)
		y.Millis = x.Millis / 1000 * 1000
		count("millis", causeUnit, y.Millis != x.Millis)
		if *x.Default == 0 {
			y.Default = nil
			count("default", causeNullDefault, true)
		}
		if *x.Empty == "" {
			y.Empty = nil
			count("empty", causeNullDefault, true)
		}
		if rng.IntN(6) == 0 {
			y.Trim += "  "
			count("trim", causeText, true)
		}
		y.Case = strings.ToUpper(x.Case)
		count("case", causeText, true)
		y.Form = norm.NFD.String(x.Form)
		count("form", causeText, y.Form != x.Form)
		y.Escape = strings.ReplaceAll(x.Escape, "&", "&amp;")
		count("escape", causeText, true)
		y.Encoding, _ = misread(x.Encoding)
		count("encoding", causeEncoding, y.Encoding != x.Encoding)
		y.Lossy = strings.Map(func(r rune) rune {
			if r > 127 {
				return '?'
			}
			return r
		}, x.Lossy)
		count("lossy", causeEncoding, y.Lossy != x.Lossy)
		if rng.IntN(7) == 0 {
			y.First, y.Second = x.Second, x.First
			count("first", causeSwapped, true)
			count("second", causeSwapped, true)
		}
		if i > 0 {
			y.Shifted = whole[i-1].Shifted
			count("shifted", causeShifted, y.Shifted != x.Shifted)
		}
		y.Gone = nil
		count("gone", causeDrift, true)
		if i >= drift {
			y.Since = nil
			count("since", causeDrift, true)
		}
		y.Width = float64(float32(x.Width))
		count("width", causeWidth, y.Width != x.Width)
		for range rng.IntN(5) {
			y.Noise = math.Nextafter(y.Noise, 1e9)
		}
		count("noise", causeULP, y.Noise != x.Noise)
		y.Money = (x.Money + 50) / 100 * 100
		count("money", causeRounding, y.Money != x.Money)
		if rng.IntN(40) == 0 {
			y.Noted = fmt.Sprint("y", rng.Int64N(1e12))
			count("noted", unexplained, true)
		}
		whole, broken = append(whole, x), append(broken, y)
	}
	sides[damaged], sides[1-damaged] = broken, whole
	return sides, truth
}

// TestInjectedCauses: each column is damaged in its own way, on either side, and every cell that differs has to
// be put down to what was done to it.
func TestInjectedCauses(t *testing.T) {
	seed := uint64(time.Now().UnixNano() % 1e9)
	for round := range uint64(4) {
		t.Run(fmt.Sprint(seed+round), func(t *testing.T) {
			t.Logf("seed %d", seed+round)
			rng := rand.New(rand.NewPCG(seed+round, 1))
			damaged := int(round % 2)
			sides, truth := injected(rng, 400+rng.IntN(3000), damaged)
			out := filepath.Join(t.TempDir(), "report")
			judge(t, Options{Left: parquetSide(t, sides[0]), Right: parquetSide(t, sides[1]), Key: key, Out: out})
			got := map[string]map[string]int64{}
			file, err := os.Open(filepath.Join(out, "diff.parquet"))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			r := parquet.NewGenericReader[diffRow](file)
			rows := make([]diffRow, r.NumRows())
			if n, _ := r.Read(rows); n != len(rows) {
				t.Fatalf("%d of %d rows", n, len(rows))
			}
			for _, row := range rows {
				if got[row.Column] == nil {
					got[row.Column] = map[string]int64{}
				}
				got[row.Column][row.Cause]++
				if row.Cause != unexplained && row.Evidence == "" {
					t.Fatalf("%s: %s without evidence", row.Column, row.Cause)
				}
			}
			for column, want := range truth {
				if fmt.Sprint(got[column]) != fmt.Sprint(want) {
					t.Errorf("%s: found %v, injected %v", column, got[column], want)
				}
			}
			for column := range got {
				if truth[column] == nil {
					t.Errorf("%s was not touched, and %v was found", column, got[column])
				}
			}
		})
	}
}
