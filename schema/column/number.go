package column

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow/decimal128"
)

// What is wrong with the text of a number; callers say where.
var (
	ErrNumber   = errors.New("not a number")
	ErrRange    = errors.New("out of range")
	ErrFraction = errors.New("has digits that the type has no place for")
)

// Number is a decimal number as it was written: Mant * 10^Exp, negated if Neg. It has no more than four fields
// because the compiler keeps only such structs in registers.
type Number struct {
	// Mant has the digits if there are at most 19 of them (Digits).
	Mant   uint64
	Digits int
	Exp    int
	form   uint8
}

const (
	negative = 1 << iota
	plain
)

// Neg says that it has a minus.
func (n Number) Neg() bool { return n.form&negative != 0 }

// Plain says that it has neither a point nor an exponent.
func (n Number) Plain() bool { return n.form&plain != 0 }

// ScanNumber reads the number that starts at b[i], in JSON's grammar, and returns where it ends; -1 if there
// is none.
func ScanNumber(b []byte, i int) (n Number, end int) {
	if i < len(b) && b[i] == '-' {
		n.form = negative
		i++
	}
	start := i
	mant := uint64(0)
	for i < len(b) {
		c := b[i] - '0'
		if c > 9 {
			break
		}
		mant = mant*10 + uint64(c)
		i++
	}
	n.Digits = i - start
	if n.Digits == 0 || b[start] == '0' && n.Digits > 1 {
		return n, -1
	}
	if i == len(b) || b[i] != '.' && b[i]|0x20 != 'e' {
		n.Mant = mant
		n.form |= plain
		return n, i
	}
	if b[i] == '.' {
		i++
		point := i
		for i < len(b) {
			c := b[i] - '0'
			if c > 9 {
				break
			}
			mant = mant*10 + uint64(c)
			i++
		}
		if i == point {
			return n, -1
		}
		n.Exp = point - i
		n.Digits += i - point
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		neg := false
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			neg = b[i] == '-'
			i++
		}
		start, e := i, 0
		for i < len(b) && b[i]-'0' <= 9 {
			e = min(e*10+int(b[i]-'0'), 1<<30) // far beyond every type; the rest cannot matter
			i++
		}
		if i == start {
			return n, -1
		}
		if neg {
			e = -e
		}
		n.Exp += e
	}
	n.Mant = mant
	return n, i
}

// Int64 is the integer that the text means, exactly: 1.50e1 is 15, and 1.5 is ErrFraction.
func (n Number) Int64(text []byte) (int64, error) {
	if n.Plain() && n.Digits <= 18 {
		if n.Neg() {
			return -int64(n.Mant), nil
		}
		return int64(n.Mant), nil
	}
	d, err := n.Decimal(text, 19, 0)
	if err != nil {
		return 0, err
	}
	lo, hi := d.LowBits(), d.HighBits()
	if hi != int64(lo)>>63 {
		return 0, ErrRange
	}
	return int64(lo), nil
}

// Decimal is the number as a decimal of that many digits, exactly: what the scale has no place for is
// ErrFraction, what the precision has no place for ErrRange. text is what was scanned.
func (n Number) Decimal(text []byte, precision, scale int) (decimal128.Num, error) {
	hi, lo, digits, exp := uint64(0), n.Mant, n.Digits, n.Exp
	if n.Digits > 19 {
		var ok bool
		if hi, lo, digits, exp, ok = coefficient(text, n.Exp); !ok {
			return decimal128.Num{}, ErrRange
		}
	}
	if hi == 0 && lo == 0 {
		return decimal128.Num{}, nil
	}
	shift := exp + scale
	for shift < 0 { // digits behind the scale must be zeros
		q, r := divmod10(hi, lo)
		if r != 0 {
			return decimal128.Num{}, ErrFraction
		}
		hi, lo = q.hi, q.lo
		shift++
		digits--
	}
	if shift > 38 {
		return decimal128.Num{}, ErrRange
	}
	for ; shift > 0; shift-- {
		var over bool
		if hi, lo, over = muladd10(hi, lo, 0); over {
			return decimal128.Num{}, ErrRange
		}
	}
	v := decimal128.New(int64(hi), lo)
	if !Fits(v, precision) {
		return decimal128.Num{}, ErrRange
	}
	if n.Neg() {
		v = v.Negate()
	}
	return v, nil
}

// Fits reports whether v has at most that many digits (1 to 38).
func Fits(v decimal128.Num, precision int) bool {
	if v.Sign() < 0 {
		v = v.Negate()
		if v.Sign() < 0 {
			return false
		}
	}
	return v.Less(decimal128.GetScaleMultiplier(precision))
}

// coefficient reads all digits of text, without zeros at the end, in 128 bits.
func coefficient(text []byte, exp int) (hi, lo uint64, digits, newExp int, ok bool) {
	zeros := 0
	for _, c := range text {
		if c|0x20 == 'e' {
			break
		}
		if c == '0' {
			zeros++
		}
		if c < '1' || c > '9' {
			continue
		}
		if hi|lo == 0 {
			zeros = 0
		}
		for ; zeros > 0; zeros-- {
			var over bool
			if hi, lo, over = muladd10(hi, lo, 0); over {
				return 0, 0, 0, 0, false
			}
			digits++
		}
		var over bool
		if hi, lo, over = muladd10(hi, lo, uint64(c-'0')); over {
			return 0, 0, 0, 0, false
		}
		digits++
	}
	return hi, lo, digits, exp + zeros, true
}

// muladd10 is v*10 + d in 127 bits.
func muladd10(hi, lo, d uint64) (uint64, uint64, bool) {
	over, hi := bits.Mul64(hi, 10)
	carry, lo := bits.Mul64(lo, 10)
	lo, c := bits.Add64(lo, d, 0)
	hi, c = bits.Add64(hi, carry, c)
	return hi, lo, over != 0 || c != 0 || int64(hi) < 0
}

func divmod10(hi, lo uint64) (q struct{ hi, lo uint64 }, r uint64) {
	q.hi, r = hi/10, hi%10
	q.lo, r = bits.Div64(r, lo, 10)
	return q, r
}

// Float64 is the nearest double; too great a number is ErrRange.
func (n Number) Float64(text []byte) (float64, error) {
	// Both operands are exact, so the one rounding of the division is the right one (Clinger 1990).
	if n.Digits <= 19 && n.Mant < 1<<53 && n.Exp <= 22 && n.Exp >= -22 {
		f := float64(n.Mant)
		if n.Exp < 0 {
			f /= pow10[-n.Exp]
		} else {
			f *= pow10[n.Exp]
		}
		if n.Neg() {
			f = math.Copysign(f, -1)
		}
		return f, nil
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
	if err != nil {
		return 0, ErrRange
	}
	return f, nil
}

// Float32 is the nearest float; too great a number is ErrRange.
func (n Number) Float32(text []byte) (float32, error) {
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 32)
	if err != nil {
		return 0, ErrRange
	}
	return float32(f), nil
}

// Epoch is the time in microseconds of a number of s, ms, us or ns since 1970; what is finer than a
// microsecond is cut, towards the past.
func (n Number) Epoch(text []byte, unit string) (int64, error) {
	exp := 0
	switch unit {
	case "s":
		exp = 6
	case "ms":
		exp = 3
	case "ns":
		exp = -3
	}
	if n.Plain() && n.Digits <= 18 {
		v := int64(n.Mant)
		if n.Neg() {
			v = -v
		}
		switch exp {
		case 0:
			return v, nil
		case -3:
			return floorDiv(v, 1000), nil
		case 3:
			if v <= math.MaxInt64/1000 && v >= -math.MaxInt64/1000 {
				return v * 1000, nil
			}
		case 6:
			if v <= math.MaxInt64/1_000_000 && v >= -math.MaxInt64/1_000_000 {
				return v * 1_000_000, nil
			}
		}
		return 0, ErrRange
	}
	// Nine digits more than wanted hold every fraction that a clock gives.
	n.Exp += exp
	d, err := n.Decimal(text, 38, 9)
	if err != nil {
		return 0, err
	}
	const nano = 1_000_000_000
	neg := d.Sign() < 0
	if neg {
		d = d.Negate()
	}
	if uint64(d.HighBits()) >= nano/2 {
		return 0, ErrRange
	}
	q, r := bits.Div64(uint64(d.HighBits()), d.LowBits(), nano)
	if q > math.MaxInt64-1 {
		return 0, ErrRange
	}
	if neg {
		if r > 0 {
			q++
		}
		return -int64(q), nil
	}
	return int64(q), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
	1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// AppendDecimal appends the number with all digits of its scale: 1.50.
func AppendDecimal(dst []byte, v decimal128.Num, scale int) []byte {
	hi, lo := uint64(v.HighBits()), v.LowBits()
	if v.Sign() < 0 {
		dst = append(dst, '-')
		v = v.Negate()
		hi, lo = uint64(v.HighBits()), v.LowBits()
	}
	var text [48]byte
	i := len(text)
	for n := 0; hi|lo != 0 || n <= scale; n++ {
		if n == scale && scale > 0 {
			i--
			text[i] = '.'
		}
		q, r := divmod10(hi, lo)
		hi, lo = q.hi, q.lo
		i--
		text[i] = '0' + byte(r)
	}
	return append(dst, text[i:]...)
}
