package validate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Tolerance is what may differ in one column. Bounds are inclusive; what passes is `within`, never equal.
type Tolerance struct {
	Column    string
	Absolute  string // a number; "" for none
	Relative  string // of the larger of both sides
	ULP       int64  // -1: none
	Decimals  int    // equal when rounded to so many decimals; -1: none
	Within    time.Duration
	HasWithin bool
	NullAs    *string // NULL equals this value
	Trim      bool    // white space at both ends
	Case      bool    // upper and lower case
	Unordered bool    // lists as multisets
	Ignore    bool
	As        string // compare as this type

	abs, rel *big.Rat
	absF     float64
	relF     float64
}

// ParseTolerance reads COL=WORD[:X][,WORD..].
func ParseTolerance(s string) (Tolerance, error) {
	const hint = "write COL=WORD[:X][,WORD..] with abs:0.01 rel:1e-9 ulp:2 decimals:2 within:1s null_as:'' trim case unordered as:double ignore"
	fail := func(format string, args ...any) (Tolerance, error) {
		return Tolerance{}, withHint(fmt.Errorf("tolerance %q: %s", s, fmt.Sprintf(format, args...)), hint)
	}
	at := strings.LastIndexByte(unquoted(s), '=')
	if at <= 0 {
		return fail("there is no column")
	}
	t := Tolerance{Column: s[:at], ULP: -1, Decimals: -1}
	for _, w := range splitWords(s[at+1:]) {
		word, x, has := strings.Cut(w, ":")
		need := func() bool { return has && x != "" }
		switch word {
		case "abs", "absolute", "rel", "relative":
			r, ok := new(big.Rat).SetString(x)
			if !ok || !need() || len(x) > 100 {
				return fail("%q is not a number", x)
			}
			if r.Sign() < 0 {
				return fail("the bound %s is negative", x)
			}
			f, _ := r.Float64()
			if word[0] == 'a' {
				t.Absolute, t.abs, t.absF = x, r, f
			} else {
				t.Relative, t.rel, t.relF = x, r, f
			}
		case "ulp":
			n, err := strconv.ParseInt(x, 10, 64)
			if err != nil || n < 0 {
				return fail("%q is not a number of ULPs", x)
			}
			t.ULP = n
		case "decimals":
			n, err := strconv.Atoi(x)
			if err != nil || n < 0 || n > 100 {
				return fail("%q is not a number of decimals", x)
			}
			t.Decimals = n
		case "within":
			d, err := time.ParseDuration(x)
			if err != nil || d < 0 {
				return fail("%q is not a duration", x)
			}
			t.Within, t.HasWithin = d, true
		case "null_as":
			if !has {
				return fail("null_as needs a value")
			}
			if len(x) >= 2 && x[0] == '\'' && x[len(x)-1] == '\'' {
				x = strings.ReplaceAll(x[1:len(x)-1], "''", "'")
			}
			v := x
			t.NullAs = &v
		case "as":
			if _, err := parseTypeName(x); err != nil {
				return fail("%v", err)
			}
			t.As = x
		case "trim", "case", "unordered", "ignore":
			if has {
				return fail("%s takes no value", word)
			}
			t.Trim = t.Trim || word == "trim"
			t.Case = t.Case || word == "case"
			t.Unordered = t.Unordered || word == "unordered"
			t.Ignore = t.Ignore || word == "ignore"
		default:
			return fail("%q is unknown", word)
		}
	}
	return t, nil
}

// unquoted is s up to its first quoted value, which may hold "=" as a column's name may; a name may hold quotes too.
func unquoted(s string) string {
	before, _, _ := strings.Cut(s, "null_as:'")
	return before
}

func splitWords(s string) []string {
	var out []string
	from, quoted, open := 0, false, 0
	for i := range len(s) {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '(' && !quoted:
			open++
		case s[i] == ')' && !quoted:
			open--
		case s[i] == ',' && !quoted && open <= 0:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

// parseTypeName reads the types of `as:`.
func parseTypeName(s string) (typ, error) {
	switch strings.ToLower(s) {
	case "bool", "boolean":
		return typ{kind: kBool}, nil
	case "int", "bigint", "int64", "integer", "long":
		return typ{kind: kInt, bits: 64}, nil
	case "number", "decimal":
		return typ{kind: kNumber}, nil
	case "float", "float32", "real":
		return typ{kind: kFloat, bits: 32}, nil
	case "double", "float64":
		return typ{kind: kFloat, bits: 64}, nil
	case "text", "string", "varchar":
		return typ{kind: kText}, nil
	case "binary", "bytes":
		return typ{kind: kBinary}, nil
	case "date":
		return typ{kind: kDate}, nil
	case "time":
		return typ{kind: kTime, unit: nanos}, nil
	case "timestamp":
		return typ{kind: kTimestamp, unit: mixedUnit}, nil
	}
	var p, q int
	if n, _ := fmt.Sscanf(strings.ToLower(s), "decimal(%d,%d)", &p, &q); n == 2 && p >= 1 && p <= 76 && q >= 0 && q <= p {
		return typ{kind: kNumber, scale: q}, nil
	}
	return typ{}, fmt.Errorf("%q is not a type to compare as", s)
}

// fits says which of the tolerance's words make no sense for a type, nor for the one to compare as.
func (t *Tolerance) fits(c typ) error {
	as := c
	if t.As != "" {
		var err error
		if as, err = parseTypeName(t.As); err != nil {
			return err
		}
	}
	is := func(kinds ...kind) bool { return slices.Contains(kinds, c.kind) || slices.Contains(kinds, as.kind) }
	wrong := ""
	switch {
	case (t.abs != nil || t.rel != nil || t.Decimals >= 0) && !is(kInt, kDecimal, kNumber, kFloat):
		wrong = "abs, rel and decimals are for numbers"
	case t.ULP >= 0 && !is(kFloat):
		wrong = "ulp is for float and double"
	case t.HasWithin && !is(kDate, kTime, kTimestamp, kDuration):
		wrong = "within is for dates and times"
	case (t.Trim || t.Case) && !is(kText):
		wrong = "trim and case are for text"
	case t.Unordered && !is(kList):
		wrong = "unordered is for lists"
	}
	if wrong != "" && c.kind != kNull {
		return withHint(fmt.Errorf("tolerance of column %q, which is %s: %s", t.Column, c, wrong), "drop the word, or add as:TYPE")
	}
	return nil
}

// tolerant is a tolerance made ready for its column.
type tolerant struct {
	Tolerance
	c      *typ
	nullAs []byte // cell that NULL equals
	asTyp  *typ   // compare as this once more, from the column's own type
	as     conv
	forced bool // the sides compare only because the user said how: nothing is equal, only within
}

func (t *Tolerance) prepare(c *typ, forced bool) (*tolerant, error) {
	if err := t.fits(*c); err != nil {
		return nil, err
	}
	out := &tolerant{Tolerance: *t, c: c, forced: forced}
	if t.NullAs != nil {
		parse, err := parser(*c)
		var i int64
		b := []byte(*t.NullAs)
		var scratch []byte
		if err == nil && parse != nil {
			i, b, err = parse(0, b, &scratch)
		}
		if err != nil {
			return nil, withHint(fmt.Errorf("tolerance of column %q: null_as: %w", t.Column, err), "give a value of the column's type")
		}
		out.nullAs = appendCell(nil, c, i, b)
	}
	if t.As != "" && !forced {
		d, err := parseTypeName(t.As)
		if err == nil {
			out.as, err = asConverter(*c, d)
		}
		if err != nil {
			return nil, fmt.Errorf("tolerance of column %q: %w", t.Column, err)
		}
		out.asTyp = &d
	}
	return out, nil
}

// passes says whether two cells that are not the same are within the tolerance.
func (t *tolerant) passes(l, r []byte) (bool, error) {
	if t.Ignore {
		return true, nil
	}
	if t.nullAs != nil {
		if l[0] == 0 {
			l = t.nullAs
		}
		if r[0] == 0 {
			r = t.nullAs
		}
		if bytes.Equal(l, r) {
			return true, nil
		}
	}
	if l[0] == 0 || r[0] == 0 {
		return l[0] == r[0], nil
	}
	_, li, lb, _ := cutCell(t.c, l)
	_, ri, rb, _ := cutCell(t.c, r)
	if t.near(t.c, li, lb, ri, rb) {
		return true, nil
	}
	if t.as == nil { // nothing to compare as, or nothing but what was compared
		return false, nil
	}
	var s1, s2 []byte
	li, lb, err := t.as(li, lb, &s1)
	if err == nil {
		ri, rb, err = t.as(ri, rb, &s2)
	}
	if err != nil {
		return false, withHint(fmt.Errorf("column %q: %w", t.Column, err), hintAs, t.Column, t.asTyp)
	}
	return li == ri && bytes.Equal(lb, rb) || t.near(t.asTyp, li, lb, ri, rb), nil
}

// near says whether two values of a type, which are not NULL, are within the words for such.
func (t *tolerant) near(c *typ, li int64, lb []byte, ri int64, rb []byte) bool {
	switch c.kind {
	case kText:
		if !t.Trim && !t.Case {
			return false
		}
		a, b := string(lb), string(rb)
		if t.Trim {
			a, b = strings.TrimFunc(a, unicode.IsSpace), strings.TrimFunc(b, unicode.IsSpace)
		}
		return a == b || t.Case && strings.EqualFold(a, b)
	case kFloat:
		return t.passesFloat(c, li, ri)
	case kInt, kDecimal, kNumber:
		return t.passesNumber(c, li, lb, ri, rb)
	case kDate, kTime, kTimestamp, kDuration:
		return t.HasWithin && timeApart(c, li, lb, ri, rb).Cmp(big.NewInt(int64(t.Within))) <= 0
	case kList:
		return t.Unordered && bytes.Equal(sortedList(c, lb), sortedList(c, rb))
	}
	return false
}

func (t *tolerant) passesFloat(c *typ, li, ri int64) bool {
	a, b := math.Float64frombits(uint64(li)), math.Float64frombits(uint64(ri))
	if math.IsNaN(a) || math.IsNaN(b) || math.IsInf(a, 0) || math.IsInf(b, 0) {
		return false
	}
	d, big, abs, rel := math.Abs(a-b), math.Max(math.Abs(a), math.Abs(b)), t.absF, t.relF
	if c.bits == 32 {
		d, abs = float64(float32(math.Abs(float64(float32(a)-float32(b))))), float64(float32(abs))
	}
	switch {
	case t.abs != nil && d <= abs:
		return true
	case t.rel != nil && d <= rel*big:
		return true
	case t.ULP >= 0 && ulps(a, b, c.bits) <= uint64(t.ULP):
		return true
	case t.Decimals >= 0:
		return roundEqual(ratOf(a), ratOf(b), t.Decimals)
	}
	return false
}

// ulps is how many steps lie between two finite floats; both zeros are one point.
func ulps(a, b float64, width int) uint64 {
	at := func(f float64) int64 {
		if width == 16 {
			frac, exp := math.Frexp(math.Abs(f)) // 0.5 <= frac < 1
			x := int64(math.Ldexp(math.Abs(f), 24))
			if f != 0 && exp > -13 {
				x = int64(exp+13)<<10 + int64(math.Ldexp(frac, 11))
			}
			if f < 0 {
				return -x
			}
			return x
		}
		if width == 32 {
			x := int64(math.Float32bits(float32(math.Abs(f))))
			if f < 0 {
				return -x
			}
			return x
		}
		x := int64(math.Float64bits(math.Abs(f)))
		if f < 0 {
			return -x
		}
		return x
	}
	x, y := at(a), at(b)
	if x < y {
		x, y = y, x
	}
	return uint64(x) - uint64(y)
}

func ratOf(f float64) *big.Rat { return new(big.Rat).SetFloat64(f) }

// exactRat is a number's exact value.
func exactRat(c *typ, i int64, b []byte) (*big.Rat, bool) {
	switch c.kind {
	case kInt:
		if c.unsigned {
			return new(big.Rat).SetInt(new(big.Int).SetUint64(uint64(i))), true
		}
		return new(big.Rat).SetInt64(i), true
	case kDecimal:
		return new(big.Rat).SetFrac(big.NewInt(i), big.NewInt(pow10[c.scale])), true
	case kNumber:
		return numberRat(b)
	case kFloat:
		f := math.Float64frombits(uint64(i))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, false
		}
		return ratOf(f), true
	}
	return nil, false
}

func (t *tolerant) passesNumber(c *typ, li int64, lb []byte, ri int64, rb []byte) bool {
	a, ok1 := exactRat(c, li, lb)
	b, ok2 := exactRat(c, ri, rb)
	if !ok1 || !ok2 {
		return false
	}
	d := new(big.Rat).Sub(a, b)
	d.Abs(d)
	if t.abs != nil && d.Cmp(t.abs) <= 0 {
		return true
	}
	if t.rel != nil {
		m := new(big.Rat).Abs(a)
		if o := new(big.Rat).Abs(b); o.Cmp(m) > 0 {
			m = o
		}
		if d.Cmp(m.Mul(m, t.rel)) <= 0 {
			return true
		}
	}
	return t.Decimals >= 0 && roundEqual(a, b, t.Decimals)
}

// roundEqual rounds half away from zero.
func roundEqual(a, b *big.Rat, decimals int) bool {
	return a.FloatString(decimals) == b.FloatString(decimals) ||
		strings.Trim(a.FloatString(decimals), "-0.") == "" && strings.Trim(b.FloatString(decimals), "-0.") == ""
}

// timeApart is the distance of two times in nanoseconds.
func timeApart(c *typ, li int64, lb []byte, ri int64, rb []byte) *big.Int {
	d := new(big.Int).Sub(nanosOf(c, li, lb), nanosOf(c, ri, rb))
	return d.Abs(d)
}

func nanosOf(c *typ, i int64, b []byte) *big.Int {
	switch {
	case c.kind == kDate:
		return new(big.Int).Mul(big.NewInt(i), big.NewInt(86400e9))
	case c.unit == mixedUnit:
		sec, nano := secNanos(b)
		n := new(big.Int).Mul(big.NewInt(sec), big.NewInt(1e9))
		return n.Add(n, big.NewInt(nano))
	}
	return new(big.Int).Mul(big.NewInt(i), big.NewInt(1e9/c.unit.perSecond()))
}

// sortedList writes a list's elements in the order of their values.
func sortedList(c *typ, raw []byte) []byte {
	var items [][]byte
	for b := raw; b[0] == 1; {
		n := cellLen(c.elem, b[1:])
		items = append(items, b[1:1+n])
		b = b[1+n:]
	}
	sort.Slice(items, func(i, j int) bool { return bytes.Compare(items[i], items[j]) < 0 })
	out := binary.AppendUvarint(nil, uint64(len(items)))
	for _, it := range items {
		out = append(out, it...)
	}
	return out
}
