package validate

import (
	"bytes"
	"fmt"
	"html"
	"maps"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// The causes that values themselves show. A column is judged before its cells: the first hearing counts, for
// every suspicion, how many of the column's cells fit it; only those with enough behind them are then given to
// cells, each cell getting the first that fits, in the order of the list below.
const (
	causeSwapped     = "swapped_columns"
	causeShifted     = "shifted_rows"
	causeDrift       = "schema_drift"
	causeZone        = "time_zone"
	causeUnit        = "time_unit"
	causeFactor      = "constant_factor"
	causeWidth       = "float_width"
	causeULP         = "ulp_noise"
	causeTruncation  = "truncation"
	causeRounding    = "rounding"
	causeNullDefault = "null_default"
	causeText        = "text_normalisation"
	causeEncoding    = "encoding"
	causeDuplicate   = "duplicate"
	causeConflict    = "conflicting_duplicate"
	unexplained      = "unexplained"
)

var causeOrder = map[string]int{causeSwapped: 1, causeShifted: 2, causeDrift: 3, causeZone: 4, causeUnit: 5, causeFactor: 6,
	causeWidth: 7, causeULP: 8, causeTruncation: 9, causeRounding: 10, causeNullDefault: 11, causeText: 12, causeEncoding: 13,
	causeDuplicate: 14, causeConflict: 15, Late: 16, Pending: 17, Undecided: 18, LookupMissing: 19, LookupVersion: 20, JoinWindow: 21, DroppedByPolicy: 22}

// suspicion is a cause with what makes it this one.
type suspicion struct {
	cause string
	n     int64  // decimals, nanoseconds, column
	side  int8   // the side that lost something: 0 left, 1 right
	param string // a ratio, a default, a way of writing
}

// hearingCells is how many cells of a column the first hearing looks at, the first in the order of keys.
const hearingCells = 100_000

// suspect collects a column's suspicions.
type suspect struct {
	c      *typ
	counts map[suspicion]int64
	cells  int64 // heard, NULL on no side
	nulls  [2]int64
	all    int64
	found  []suspicion // what is believed after the hearing, in order

	values map[suspicion]map[string]bool // up to manyValues left values, or tails that were cut, that fit what columns of a few values fit by accident
}

func newSuspect(c *typ) *suspect {
	return &suspect{c: c, counts: map[suspicion]int64{}, values: map[suspicion]map[string]bool{}}
}

// ulpNoise is how many steps of a float count as noise of computing.
const ulpNoise = 16

const maxSuspicions = 4096

// manyValues is how many different values have to slip by a row, or to be one factor or zone away, before it is no
// accident.
const manyValues = 8

func (s *suspect) count(x suspicion) {
	if n, ok := s.counts[x]; ok || len(s.counts) < maxSuspicions {
		s.counts[x] = n + 1
	}
}

// countValue counts a suspicion and the left value that fits it.
func (s *suspect) countValue(x suspicion, l []byte) {
	s.count(x)
	values := s.values[x]
	if s.counts[x] == 0 || len(values) >= manyValues || values[string(l)] {
		return
	}
	if values == nil {
		values = map[string]bool{}
		s.values[x] = values
	}
	values[string(l)] = true
}

// hear looks at one pair of cells that differ.
func (s *suspect) hear(l, r []byte) {
	s.all++
	if s.all > hearingCells {
		return
	}
	if l[0] == 0 || r[0] == 0 {
		side, v := int8(0), r
		if r[0] == 0 {
			side, v = 1, l
		}
		s.nulls[side]++
		if len(v) <= 64 {
			s.count(suspicion{cause: causeNullDefault, side: side, param: string(v)})
		}
		return
	}
	s.cells++
	_, li, lb, _ := cutCell(s.c, l)
	_, ri, rb, _ := cutCell(s.c, r)
	switch s.c.kind {
	case kFloat, kInt, kDecimal, kNumber:
		s.numbers(l, li, lb, ri, rb)
	case kTimestamp, kDate, kTime:
		times := [2]*big.Int{nanosOf(s.c, li, lb), nanosOf(s.c, ri, rb)}
		if d, ok := zoneApart(s.c, times); ok && plausibleZone(d) {
			s.countValue(suspicion{cause: causeZone, n: d}, l)
		}
		for side := range int8(2) {
			for _, smaller := range []int64{1e3, 1e6, 1e9} {
				if s.c.kind == kTimestamp && fitsUnit("taken", times[side], times[1-side], smaller) {
					s.count(suspicion{cause: causeUnit, n: smaller, side: side, param: "taken"})
				}
			}
		}
		for _, unit := range timeUnits {
			for side := range int8(2) {
				for _, how := range []string{"cut", "rounded"} {
					if fitsUnit(how, times[side], times[1-side], unit.ns) {
						s.count(suspicion{cause: causeUnit, n: unit.ns, side: side, param: how})
					}
				}
			}
		}
	case kText:
		for _, way := range textWays {
			if x := (suspicion{cause: causeText, param: way.name}); s.fits(x, l, r) {
				s.count(x)
				break
			}
		}
		for side := range int8(2) {
			if x := (suspicion{cause: causeEncoding, side: side}); s.fits(x, l, r) {
				s.count(x)
			}
		}
		for side, text := range [2][]byte{lb, rb} {
			if x := (suspicion{cause: causeTruncation, n: int64(utf8.RuneCount(text)), side: int8(side)}); s.fits(x, l, r) {
				s.countValue(x, [2][]byte{rb, lb}[side][len(text):]) // a tail that is always the same was added
			}
		}
	}
}

func (s *suspect) numbers(l []byte, li int64, lb []byte, ri int64, rb []byte) {
	ratio, ok := ratioOf(s.c, li, lb, ri, rb)
	if !ok {
		return
	}
	if s.c.kind == kFloat {
		if x := (suspicion{cause: causeULP}); s.fitsFloat(x, li, ri) {
			s.count(x)
		}
		for side := range int8(2) {
			if x := (suspicion{cause: causeWidth, side: side}); s.fitsFloat(x, li, ri) {
				s.count(x)
			}
		}
	}
	if ratio.param != "" && ratio.param != "1" {
		s.countValue(ratio, l)
	}
	if s.c.kind == kInt {
		return
	}
	texts := [2]string{shortText(s.c, li, lb), shortText(s.c, ri, rb)}
	for side := range int8(2) {
		coarse, fine := texts[side], texts[1-side]
		from := decimalsOf(coarse)
		for d := from; d < min(decimalsOf(fine), from+4); d++ {
			if fitsDecimals(causeTruncation, coarse, fine, d) {
				s.count(suspicion{cause: causeTruncation, n: int64(d), side: side})
			}
			if fitsDecimals(causeRounding, coarse, fine, d) {
				s.count(suspicion{cause: causeRounding, n: int64(d), side: side})
			}
		}
	}
}

// shortText is a number as its writer meant it: a float by its shortest text.
func shortText(c *typ, i int64, b []byte) string {
	if c.kind == kFloat {
		width := max(c.bits, 32)
		return strings.TrimSuffix(strconv.FormatFloat(math.Float64frombits(uint64(i)), 'f', -1, width), ".0")
	}
	s := string(appendText(nil, c, i, b))
	if strings.Contains(s, ".") && !strings.Contains(s, "e") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func decimalsOf(s string) int {
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return len(s) - i - 1
	}
	return 0
}

// fitsDecimals says whether coarse is fine cut, or rounded, to d decimals.
func fitsDecimals(cause, coarse, fine string, d int) bool {
	if decimalsOf(fine) <= d || len(fine) > 60 {
		return false
	}
	a, aScale, ok := plainDigits(fine)
	b, bScale, ok2 := plainDigits(coarse)
	if ok && ok2 && bScale <= d {
		return fitsDigits(cause, b, a, bScale, aScale, d)
	}
	return fitsFractions(cause, coarse, fine, d)
}

// plainDigits is a decimal number as an integer, and how many of its digits are decimals; false beyond 18 digits.
func plainDigits(s string) (n int64, scale int, ok bool) {
	digits := strings.TrimPrefix(s, "-")
	scale = decimalsOf(s)
	if len(digits) > 19 || scale == 0 && len(digits) > 18 {
		return 0, 0, false
	}
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			n = n*10 + int64(c-'0')
		case i != len(digits)-scale-1 || c != '.':
			return 0, 0, false
		}
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, scale, true
}

// fitsDigits is fitsDecimals for numbers of up to 18 digits, coarse with at most d decimals and fine with more.
func fitsDigits(cause string, coarse, fine int64, coarseScale, fineScale, d int) bool {
	unit := pow10[fineScale-d]
	cut := fine / unit
	hi, lo := bits.Mul64(uint64(max(coarse, -coarse)), uint64(pow10[d-coarseScale]))
	if hi != 0 || lo > math.MaxInt64 {
		return false // far more than fine
	}
	if coarse < 0 {
		lo = -lo
	}
	coarse = int64(lo)
	if cause == causeTruncation {
		return coarse == cut
	}
	if coarse-cut < -1 || coarse-cut > 1 {
		return false
	}
	// Half to even, as banks and IEEE do, is as good as half away from zero.
	apart := fine - coarse*unit
	return max(apart, -apart)*2 <= unit
}

// fitsFractions is fitsDecimals for any numbers.
func fitsFractions(cause, coarse, fine string, d int) bool {
	// Most pairs are too far apart for either, and exact fractions are slow.
	x, err1 := strconv.ParseFloat(fine, 64)
	y, err2 := strconv.ParseFloat(coarse, 64)
	if gap := math.Abs(x - y); err1 == nil && err2 == nil && gap > 1.1*math.Pow10(-d)+1e-15*math.Abs(x) {
		return false
	}
	a, ok := new(big.Rat).SetString(fine)
	b, ok2 := new(big.Rat).SetString(coarse)
	if !ok || !ok2 {
		return false
	}
	if cause == causeTruncation {
		at := strings.IndexByte(fine, '.')
		cut, ok := new(big.Rat).SetString(strings.TrimSuffix(fine[:at+1+d], "."))
		return ok && cut.Cmp(b) == 0
	}
	rounded, _ := new(big.Rat).SetString(a.FloatString(d))
	if rounded.Cmp(b) == 0 {
		return true
	}
	// Half to even, as banks and IEEE do.
	twice := new(big.Rat).Sub(a, b)
	twice.Abs(twice.Add(twice, twice))
	unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d)), nil))
	return decimalsOf(coarse) <= d && twice.Cmp(unit) == 0
}

// ratioOf is right over left, to twelve digits for floats; without one where either is 0. False: not two numbers.
func ratioOf(c *typ, li int64, lb []byte, ri int64, rb []byte) (suspicion, bool) {
	x := suspicion{cause: causeFactor}
	if c.kind == kFloat {
		a, b := math.Float64frombits(uint64(li)), math.Float64frombits(uint64(ri))
		if a-a != 0 || b-b != 0 { // NaN, infinite
			return x, false
		}
		if a != 0 && b != 0 && math.Abs(b/a-1) > 1e-9 { // nearer to 1 is noise
			x.param = strconv.FormatFloat(b/a, 'g', 12, 64)
		}
		return x, true
	}
	a, ok1 := exactRat(c, li, lb)
	b, ok2 := exactRat(c, ri, rb)
	if !ok1 || !ok2 {
		return x, false
	}
	if a.Sign() != 0 && b.Sign() != 0 {
		x.param = new(big.Rat).Quo(b, a).RatString()
	}
	return x, true
}

// isPowerOfTen says whether a ratio is one: 100, 1/1000, 0.01.
func isPowerOfTen(ratio string) bool {
	r, ok := new(big.Rat).SetString(ratio)
	if !ok || r.Sign() <= 0 {
		return false
	}
	if r.Cmp(big.NewRat(1, 1)) < 0 {
		r.Inv(r)
	}
	digits := r.Num().String()
	return r.IsInt() && strings.TrimRight(digits, "0") == "1"
}

// timeUnits are what times are cut to.
var timeUnits = []struct {
	ns   int64
	name string
}{{86400e9, "days"}, {3600e9, "hours"}, {60e9, "minutes"}, {1e9, "seconds"}, {1e6, "milliseconds"}, {1e3, "microseconds"}}

// fitsUnit says whether coarse is fine cut, or rounded, to a unit of per nanoseconds, or fine taken for a number of units
// that are per times smaller.
func fitsUnit(how string, coarse, fine *big.Int, per int64) bool {
	if how == "taken" {
		return coarse.Sign() != 0 && new(big.Int).Mul(coarse, big.NewInt(per)).Cmp(fine) == 0
	}
	if !coarse.IsInt64() || !fine.IsInt64() { // centuries from here: they are told by their rest
		base := new(big.Int).Mul(new(big.Int).Div(fine, big.NewInt(86400e9)), big.NewInt(86400e9))
		coarse, fine = new(big.Int).Sub(coarse, base), new(big.Int).Sub(fine, base)
	}
	if !coarse.IsInt64() || coarse.Int64()%per != 0 {
		return false
	}
	apart := fine.Int64() - coarse.Int64()
	if (apart > 0) != (fine.Cmp(coarse) > 0) {
		return false // more than an int64 apart
	}
	if how == "rounded" { // half either way, as databases differ
		return max(apart, -apart) <= per/2
	}
	return apart >= 0 && apart < per || fine.Sign() < 0 && apart < 0 && apart > -per // downwards, or towards zero
}

// zoneApart is right less left; of times of day the shorter way round the clock.
func zoneApart(c *typ, times [2]*big.Int) (int64, bool) {
	d := new(big.Int).Sub(times[1], times[0])
	if !d.IsInt64() {
		return 0, false
	}
	const day = 86400e9
	ns := d.Int64()
	switch {
	case c.kind == kTime && ns > day/2:
		ns -= day
	case c.kind == kTime && ns <= -day/2:
		ns += day
	}
	return ns, true
}

// plausibleZone: whole quarters of an hour, up to 14 hours.
func plausibleZone(ns int64) bool {
	const quarter = 900e9
	return ns != 0 && ns%quarter == 0 && ns <= 14*4*quarter && ns >= -14*4*quarter
}

type textWay struct {
	name string
	f    func(string) string
}

var textWays = []textWay{
	{"white space at the ends", strings.TrimSpace},
	{"upper and lower case", func(s string) string { return strings.ToLower(strings.ToUpper(s)) }},
	{"Unicode form (NFC)", norm.NFC.String},
	{"Unicode form (NFKC)", norm.NFKC.String},
	{"white space inside", func(s string) string { return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ") }},
	{"HTML escapes", html.UnescapeString},
	{"backslash escapes", unescape},
	{"case and white space", func(s string) string {
		return strings.ToLower(strings.ToUpper(strings.Join(strings.Fields(norm.NFKC.String(s)), " ")))
	}},
}

func unescape(s string) string {
	if u, err := strconv.Unquote(`"` + s + `"`); err == nil {
		return u
	}
	return s
}

// misread is text in UTF-8 that was read as Windows-1252 or Latin-1.
func misread(s string) (string, string) {
	a, err1 := charmap.Windows1252.NewDecoder().String(s)
	b, err2 := charmap.ISO8859_1.NewDecoder().String(s)
	if err1 != nil || err2 != nil {
		return "", ""
	}
	return a, b
}

// lossy says whether s is whole with its characters beyond ASCII replaced.
func lossy(s, whole string) bool {
	replaced := false
	for _, c := range whole {
		x, n := utf8.DecodeRuneInString(s)
		switch {
		case n == 0:
			return false
		case c > 127 && (x == '?' || x == utf8.RuneError):
			replaced = true
		case x != c:
			return false
		}
		s = s[n:]
	}
	return replaced && s == ""
}

func (s *suspect) fitsFloat(x suspicion, li, ri int64) bool {
	a, b := math.Float64frombits(uint64(li)), math.Float64frombits(uint64(ri))
	if a-b != a-b {
		return false
	}
	if x.cause == causeULP {
		return s.c.bits != 16 && ulps(a, b, s.c.bits) <= ulpNoise
	}
	if s.c.bits != 64 {
		return false
	}
	if x.side == 0 {
		a, b = b, a
	}
	return math.Float64bits(float64(float32(a))) == math.Float64bits(b) // a zero's sign is no matter of width
}

// fits says whether a pair of cells fits a suspicion about values.
func (s *suspect) fits(x suspicion, l, r []byte) bool {
	if x.cause == causeNullDefault || x.cause == causeDrift {
		if x.side == 1 {
			l, r = r, l
		}
		return l[0] == 0 && r[0] != 0 && (x.cause == causeDrift || string(r) == x.param)
	}
	if l[0] == 0 || r[0] == 0 {
		return false
	}
	_, li, lb, _ := cutCell(s.c, l)
	_, ri, rb, _ := cutCell(s.c, r)
	switch x.cause {
	case causeULP, causeWidth:
		return s.fitsFloat(x, li, ri)
	case causeFactor:
		y, ok := ratioOf(s.c, li, lb, ri, rb)
		return ok && y.param == x.param
	case causeRounding, causeTruncation:
		if s.c.kind == kText {
			short, long := lb, rb
			if x.side == 1 {
				short, long = long, short
			}
			return len(bytes.TrimSpace(short)) > 0 && bytes.HasPrefix(long, short) && len(bytes.TrimSpace(long[len(short):])) > 0 && utf8.RuneCount(short) == int(x.n)
		}
		coarse, fine := shortText(s.c, li, lb), shortText(s.c, ri, rb)
		if x.side == 1 {
			coarse, fine = fine, coarse
		}
		return fitsDecimals(x.cause, coarse, fine, int(x.n))
	case causeZone, causeUnit:
		times := [2]*big.Int{nanosOf(s.c, li, lb), nanosOf(s.c, ri, rb)}
		if x.cause == causeZone {
			d, ok := zoneApart(s.c, times)
			return ok && d == x.n
		}
		return fitsUnit(x.param, times[x.side], times[1-x.side], x.n)
	case causeText:
		for _, w := range textWays {
			if w.name == x.param {
				return w.f(string(lb)) == w.f(string(rb))
			}
		}
	case causeEncoding:
		damaged, whole := string(lb), string(rb)
		if x.side == 1 {
			damaged, whole = whole, damaged
		}
		a, b := misread(whole)
		return damaged == a || damaged == b || lossy(damaged, whole)
	}
	return false
}

// believe decides which suspicions have enough behind them. compared and equal are the column's counts.
func (s *suspect) believe(compared, equal int64) {
	heard := min(s.all, hearingCells)
	var best [2]suspicion // the one way of losing decimals that fits most, for each side
	var bestN [2]int64
	// In one order, for what is believed on a tie depends on it.
	suspicions := slices.SortedFunc(maps.Keys(s.counts), func(a, b suspicion) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	var defaults [2]int64 // cells that are NULL where the other side has any default
	for _, x := range suspicions {
		if x.cause == causeNullDefault && isDefault(s.c, x.param) {
			defaults[x.side] += s.counts[x]
		}
	}
	for _, x := range suspicions {
		n, ok := s.counts[x], false
		values := int64(len(s.values[x]))
		switch x.cause {
		case causeRounding, causeTruncation:
			if s.c.kind == kText { // of several lengths each is by chance
				if n > 1 && values >= min(n, 3) && n*2 >= s.cells {
					s.found = append(s.found, x)
				}
				continue
			}
			b := best[x.side]
			// On a tie rounding is believed: half of all roundings look like cuts. Fewer decimals last.
			if n > bestN[x.side] || n == bestN[x.side] && (x.cause > b.cause || x.cause == b.cause && x.n < b.n) {
				if x.cause == causeTruncation && n == bestN[x.side] {
					if b.cause == causeRounding && b.n <= x.n {
						continue
					}
				}
				best[x.side], bestN[x.side] = x, n
			}
			continue
		case causeZone:
			ok = n >= 2 && (n*2 >= heard || n*20 >= heard && values >= manyValues)
		case causeFactor:
			// One value that became another is no factor, but where it may be a change of unit.
			ok = n >= 3 && (n*2 >= s.cells && (values > 1 || isPowerOfTen(x.param)) || n*10 >= s.cells && values >= manyValues)
		case causeNullDefault:
			// Where values were lost at random, zeros were among them.
			ok = isDefault(s.c, x.param) && defaults[x.side]*10 >= s.nulls[x.side]*9 || n >= 10 && n*10 >= s.nulls[x.side]*9
		case causeShifted:
			ok = values >= min(n, manyValues) && (n >= manyValues && n*2 >= heard || n >= 4 && n+1 >= heard)
		case causeSwapped:
			// Columns of a few values meet by accident, unless nearly all that differs is swapped.
			ok = n*10 >= heard*9 || n >= 2 && n*20 >= heard && values >= min(n, manyValues)
		case causeWidth: // short decimals may be short floats by chance
			ok = n*10 >= s.cells
		case causeUnit: // whole hours, and midnights, are met by chance
			ok = n*2 >= heard || x.n <= 1e9 && n*50 >= heard
		case causeULP, causeText, causeEncoding:
			ok = true
		}
		if ok {
			s.found = append(s.found, x)
		}
	}
	for side, n := range bestN {
		// A tenth of all numbers has a decimal less by chance, and lies near what became of it when values are off by
		// little: on both sides as often.
		back := best[side]
		back.side = 1 - back.side
		if n > 0 && n*10 >= s.cells && n >= 4*s.counts[back] {
			s.found = append(s.found, best[side])
		}
	}
	for side := range int8(2) {
		if equal == 0 && compared >= 2 && !s.drifted(side) && s.nulls[side] == heard && len(s.counts) != 1 {
			s.found = append(s.found, suspicion{cause: causeDrift, side: side})
		}
	}
	// What fits all of the column goes before what fits some of it: hourly times that are an hour off nearly all have
	// the next row's value. A drift is known from the whole side.
	whole := func(x suspicion) bool { return x.cause == causeDrift || s.counts[x] == heard }
	sort.Slice(s.found, func(i, j int) bool {
		a, b := s.found[i], s.found[j]
		if p, q := whole(a), whole(b); p != q {
			return p
		}
		o, p := causeOrder[a.cause], causeOrder[b.cause]
		noise := (a.cause == causeULP || a.cause == causeWidth) && (b.cause == causeULP || b.cause == causeWidth)
		if o != p && !noise { // a short float may lie within the noise, and noise may hit a short float
			return o < p
		}
		if n, m := s.counts[a], s.counts[b]; n != m {
			return n > m
		}
		if noise && a.cause != b.cause { // a short float is hardly ever so near to what it comes from
			return a.cause == causeULP
		}
		return fmt.Sprint(a) < fmt.Sprint(b)
	})
}

// drifted says whether a side is known to have become NULL at some time.
func (s *suspect) drifted(side int8) bool {
	for _, x := range s.found {
		if x.cause == causeDrift && x.side == side {
			return true
		}
	}
	return false
}

// isDefault says whether a cell is what programs write for want of a value.
func isDefault(c *typ, cell string) bool {
	_, i, b, _ := cutCell(c, []byte(cell))
	switch c.kind {
	case kBool, kInt, kDecimal, kDate, kTime:
		return i == 0 || c.kind == kInt && !c.unsigned && i == -1
	case kFloat:
		f := math.Float64frombits(uint64(i))
		return f == 0 || f != f || f == -1
	case kTimestamp:
		return nanosOf(c, i, b).Sign() == 0
	case kNumber:
		return len(b) == 1
	case kText:
		switch strings.ToLower(strings.TrimSpace(string(b))) {
		case "", "null", "none", "nil", "n/a", "na", "nan", "-", "unknown", "undefined", `\n`:
			return true
		}
	case kBinary:
		return len(b) == 0
	case kList, kMap:
		return bytes.Equal(b, []byte{0})
	}
	return false
}

// evidence says in words what was seen.
func (s *suspect) evidence(x suspicion, column string, cols []column) string {
	sides := [2]string{"left", "right"}
	lost, kept := sides[x.side], sides[1-x.side]
	of := fmt.Sprintf("%s: ", column)
	switch x.cause {
	case causeRounding:
		return of + fmt.Sprintf("%s = %s rounded to %d decimals", lost, kept, x.n)
	case causeTruncation:
		if s.c.kind == kText {
			return of + fmt.Sprintf("%s = %s cut to %d characters", lost, kept, x.n)
		}
		return of + fmt.Sprintf("%s = %s cut to %d decimals", lost, kept, x.n)
	case causeWidth:
		return of + fmt.Sprintf("%s = %s through a 32-bit float", lost, kept)
	case causeULP:
		return of + fmt.Sprintf("the values are at most %d floating-point steps apart", ulpNoise)
	case causeZone:
		text := fmt.Sprintf("right = left %+g h", float64(x.n)/3600e9)
		for _, y := range s.found {
			if y.cause == causeZone && (y.n == x.n+3600e9 || y.n == x.n-3600e9) {
				return of + text + ", at other times an hour other: summer time"
			}
		}
		return of + text
	case causeUnit:
		if x.param == "taken" {
			return of + fmt.Sprintf("%s = %s taken for a unit %d times smaller, as milliseconds for microseconds", lost, kept, x.n)
		}
		for _, unit := range timeUnits {
			if unit.ns == x.n {
				return of + fmt.Sprintf("%s = %s %s to %s", lost, kept, x.param, unit.name)
			}
		}
	case causeFactor:
		return of + fmt.Sprintf("right = left * %s", x.param)
	case causeNullDefault:
		return of + fmt.Sprintf("%s is NULL where %s is %s", lost, kept, string(cellJSON(s.c, []byte(x.param))))
	case causeText:
		return of + "the same but for " + x.param
	case causeEncoding:
		return of + fmt.Sprintf("%s is %s read or written in another encoding", lost, kept)
	case causeDrift:
		if x.param != "" {
			return of + fmt.Sprintf("NULL in every row of the %s since %s", lost, x.param)
		}
		return of + fmt.Sprintf("NULL in every row of the %s", lost)
	case causeSwapped:
		return of + fmt.Sprintf("the values stand in %s", cols[x.n].name)
	case causeShifted:
		return of + "right has the value of the " + x.param + " key of the left"
	}
	return of
}
