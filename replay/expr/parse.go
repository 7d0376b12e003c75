package expr

import (
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

// The texts that CAST takes are those that Flink takes; each parser reports false for all others.

func parseBoolean(s string) (value, ok bool) {
	switch len(s) {
	case 1, 2, 3, 4, 5:
		switch strings.ToLower(s) {
		case "true", "t", "yes", "y", "1":
			return true, true
		case "false", "f", "no", "n", "0":
			return false, true
		}
	}
	return false, false
}

// parseInt takes digits behind a point and cuts them off, but no exponent.
func parseInt(s string) (int64, bool) {
	s = strings.Trim(s, " ")
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	var x uint64
	digits, point := 0, false
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.' && !point:
			point = true
		case c < '0' || c > '9':
			return 0, false
		case point:
			digits++
		default:
			digits++
			if x > (math.MaxUint64-9)/10 {
				return 0, false
			}
			x = 10*x + uint64(c-'0')
		}
	}
	switch {
	case digits == 0:
		return 0, false
	case neg:
		return -int64(x), x <= 1<<63
	}
	return int64(x), x < 1<<63
}

// parseDecimal takes an exponent, and rounds half away from zero.
func parseDecimal(s string, t schema.Type) (num, error) {
	s = strings.Trim(s, " ")
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	var buf [64]byte
	digits, point, seen := buf[:0], -1, 0
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && point < 0 {
			point = seen
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		seen++
		digits = append(digits, c)
	}
	if seen == 0 {
		return num{}, errText
	}
	if point < 0 {
		point = seen
	}
	if i < len(s) {
		if s[i] != 'e' && s[i] != 'E' {
			return num{}, errText
		}
		e := s[i+1:]
		if e == "" || strings.Trim(e[1:], "0123456789") != "" || len(e) == 1 && (e[0] < '0' || e[0] > '9') || e[0] != '+' && e[0] != '-' && (e[0] < '0' || e[0] > '9') {
			return num{}, errText
		}
		exp, err := strconv.Atoi(e)
		if err != nil || exp > 1<<30 || exp < -1<<30 {
			return num{}, errText
		}
		point += exp
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
		point--
	}
	if len(digits) == 0 {
		return num{}, nil
	}
	r, ok := digitsDecimal(digits, point, neg, t)
	if !ok {
		return num{}, errRange
	}
	return r, nil
}

// digitsDecimal is 0.digits * 10^exp as a decimal, rounded half away from zero. The first digit is not 0.
func digitsDecimal(digits []byte, exp int, neg bool, t schema.Type) (num, bool) {
	keep := exp + t.Scale // how many digits are left of the cut
	if keep > t.Precision {
		return num{}, false
	}
	if keep < 0 {
		return num{}, true
	}
	var hi, lo uint64
	for i := range keep {
		d := uint64(0)
		if i < len(digits) {
			d = uint64(digits[i] - '0')
		}
		h, l := bits.Mul64(lo, 10)
		var carry uint64
		lo, carry = bits.Add64(l, d, 0)
		hi = hi*10 + h + carry
	}
	if keep < len(digits) && digits[keep] >= '5' {
		var carry uint64
		lo, carry = bits.Add64(lo, 1, 0)
		hi += carry
	}
	r := decimal128.New(int64(hi), lo)
	if !within(r, t.Precision) {
		return num{}, false
	}
	if neg {
		r = r.Negate()
	}
	return r, true
}

// parseDouble takes what Java's Double.parseDouble takes.
func parseDouble(s string, size int) (float64, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	rest := strings.TrimLeft(s, "+-")
	if len(s)-len(rest) > 1 || rest == "" {
		return 0, false
	}
	sign := 1.0
	if s[0] == '-' {
		sign = -1
	}
	switch rest {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(int(sign)), true
	}
	hex := len(rest) > 2 && rest[0] == '0' && rest[1]|0x20 == 'x'
	if last := rest[len(rest)-1] | 0x20; (last == 'd' || last == 'f') && (!hex || strings.ContainsAny(rest, "pP")) {
		rest = rest[:len(rest)-1]
	}
	if hex && !strings.ContainsAny(rest, "pP") || strings.Trim(rest, "0123456789abcdefABCDEFxXpP.+-") != "" {
		return 0, false
	}
	if !hex && strings.Trim(rest, "0123456789.eE+-") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(rest, size)
	if err != nil && !math.IsInf(x, 0) {
		return 0, false
	}
	return sign * x, true
}

// parseDate takes 2024-02-29, 2024-2-9, 2024-02 and 2024, blanks around, and anything after a blank.
func parseDate(s string) (int64, bool) {
	s = strings.TrimLeft(s, " ")
	if i := strings.IndexByte(s, ' '); i >= 0 {
		s = s[:i]
	}
	part := [3]int64{0, 1, 1}
	for k := 0; ; k++ {
		n, rest, ok := number(s, 1, 4-2*min(k, 1))
		if !ok {
			return 0, false
		}
		part[k], s = n, rest
		if s == "" {
			break
		}
		if s[0] != '-' || k == 2 {
			return 0, false
		}
		s = s[1:]
	}
	return checkedDate(part[0], part[1], part[2])
}

func checkedDate(y, m, d int64) (int64, bool) {
	if y < 1 || y > 9999 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	return daysOf(y, m, d), true
}

// number takes least to most digits off the head of s.
func number(s string, least, most int) (x int64, rest string, ok bool) {
	i := 0
	for i < len(s) && i < most && s[i] >= '0' && s[i] <= '9' {
		x = 10*x + int64(s[i]-'0')
		i++
	}
	return x, s[i:], i >= least
}

// parseTimestamp takes a date, or a date, one blank and a time with seconds; more digits of the fraction than
// the precision are cut off. 24:00:00 is the next day.
func parseTimestamp(s string, digits int) (int64, bool) {
	var part [6]int64
	ok := false
	least, most := 4, 4
	for k, sep := range [6]byte{'-', '-', ' ', ':', ':', 0} {
		if part[k], s, ok = number(s, least, most); !ok {
			return 0, false
		}
		least, most = 1, 2
		if k == 2 && s == "" {
			d, ok := checkedDate(part[0], part[1], part[2])
			return d * day, ok
		}
		if sep == 0 {
			break
		}
		if s == "" || s[0] != sep {
			return 0, false
		}
		s = s[1:]
	}
	var fraction int64
	if s != "" {
		if s[0] != '.' || len(s) < 2 || len(s) > 10 {
			return 0, false
		}
		for i := range 9 {
			d := byte('0')
			if i+1 < len(s) {
				d = s[i+1]
			}
			if d < '0' || d > '9' {
				return 0, false
			}
			if i < digits {
				fraction = 10*fraction + int64(d-'0')
			} else if i < 6 {
				fraction *= 10
			}
		}
	}
	d, ok := checkedDate(part[0], part[1], part[2])
	h, m, sec := part[3], part[4], part[5]
	if !ok || m > 59 || sec > 59 || h > 24 || h == 24 && (m > 0 || sec > 0 || fraction > 0) {
		return 0, false
	}
	t := d*day + h*hour + m*minute + sec*second + fraction
	return t, inYears(t)
}
