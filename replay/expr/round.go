package expr

import (
	"fmt"
	"math"
	"strconv"

	"github.com/lockstep-data/lockstep/schema"
)

// compileRound is the functions of one number that keep its kind.
func compileRound(n *Node, args []fn) fn {
	switch n.Type.Kind {
	case schema.SmallInt:
		return intFunction[int16](n, args)
	case schema.Int:
		return intFunction[int32](n, args)
	case schema.BigInt:
		return intFunction[int64](n, args)
	case schema.Float:
		return floatFunction[float32](n, args)
	case schema.Double:
		return floatFunction[float64](n, args)
	}
	return decimalFunction(n, args)
}

func intFunction[T signed](n *Node, args []fn) fn {
	t := n.Type
	return strict(args, roomFor[T], func(c *ctx, out *vec, in []*vec, i int) {
		x := (*values[T](in[0]))[i&in[0].m]
		dst := *values[T](out)
		switch n.Op {
		case "ABS":
			if x < 0 {
				if x = -x; x < 0 {
					c.fail(out, i, fmt.Errorf("ABS(%d) does not fit %s", x, t))
				}
			}
		case "SIGN":
			switch {
			case x > 0:
				x = 1
			case x < 0:
				x = -1
			}
		case "ROUND":
			digits := in[1].i32[i&in[1].m]
			if digits >= 0 {
				break
			}
			r, ok := roundInt(int64(x), -digits)
			if !ok || int64(T(r)) != r {
				c.fail(out, i, fmt.Errorf("ROUND(%d, %d) does not fit %s", x, digits, t))
				return
			}
			x = T(r)
		}
		dst[i] = x
	})
}

// roundInt rounds x half away from zero to a multiple of 10^k.
func roundInt(x int64, k int32) (int64, bool) {
	if k > 19 {
		return 0, true
	}
	if k == 19 {
		// 10^19 is beyond an int64, and half of it is not.
		return 0, x < 5e18 && x > -5e18
	}
	unit := int64(1)
	for range k {
		unit *= 10
	}
	rest := x % unit
	base := x - rest
	half := unit / 2
	switch {
	case rest >= half:
		return base + unit, base <= math.MaxInt64-unit
	case rest <= -half:
		return base - unit, base >= math.MinInt64+unit
	}
	return base, true
}

func floatFunction[T floating](n *Node, args []fn) fn {
	size := 64
	if n.Type.Kind == schema.Float {
		size = 32
	}
	return strict(args, roomFor[T], func(c *ctx, out *vec, in []*vec, i int) {
		x := float64((*values[T](in[0]))[i&in[0].m])
		dst := *values[T](out)
		switch n.Op {
		case "ABS":
			x = math.Abs(x)
		case "FLOOR":
			x = math.Floor(x)
		case "CEIL":
			x = math.Ceil(x)
		case "SIGN":
			switch {
			case x > 0:
				x = 1
			case x < 0:
				x = -1
			}
		default:
			if math.IsNaN(x) || math.IsInf(x, 0) {
				c.fail(out, i, fmt.Errorf("ROUND(%s): %w", javaDouble(x, 64), errNaN))
				return
			}
			x = roundFloat(x, int(in[1].i32[i&in[1].m]), size)
		}
		dst[i] = T(x)
	})
}

// roundFloat rounds half away from zero at the n-th digit behind the point of x's shortest decimal text.
func roundFloat(x float64, n, size int) float64 {
	if size == 64 && n >= 0 && n <= 15 {
		// Far from a tie the digits need not be written out: an integer below 2^53 over a power of ten
		// is divided exactly as the text would be read.
		p := pow10[n]
		if s := math.Abs(x) * p; s < 1<<44 { // s is off by less than 0.01
			f := math.Floor(s)
			if d := s - f; d < 0.49 || d > 0.51 {
				if d > 0.5 {
					f++
				}
				if f == 0 {
					return 0
				}
				return math.Copysign(f/p, x)
			}
		}
	}
	var buf [32]byte
	neg, digits, exp := shortest(&buf, x, size)
	keep := exp + n // digits before the cut; the point stands behind exp of them
	if keep >= len(digits) {
		return x
	}
	if keep < 0 || keep == 0 && digits[0] < '5' {
		return 0
	}
	up := digits[keep] >= '5'
	digits = digits[:keep]
	if up {
		k := keep - 1
		for ; k >= 0 && digits[k] == '9'; k-- {
			digits[k] = '0'
		}
		if k >= 0 {
			digits[k]++
		} else {
			digits = append([]byte{'1'}, digits...)
			exp++
		}
	}
	text := make([]byte, 0, 48)
	if neg {
		text = append(text, '-')
	}
	text = append(append(text, "0."...), digits...)
	text = strconv.AppendInt(append(text, 'e'), int64(exp), 10)
	r, err := strconv.ParseFloat(string(text), size)
	if err != nil {
		return math.Copysign(math.Inf(1), x)
	}
	if r == 0 {
		return 0
	}
	return r
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
	1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// shortest is the fewest digits that read back as x: 0.digits * 10^exp.
func shortest(buf *[32]byte, x float64, size int) (neg bool, digits []byte, exp int) {
	text := strconv.AppendFloat(buf[:0], x, 'e', -1, size)
	if text[0] == '-' {
		neg, text = true, text[1:]
	}
	k := 0
	for text[k] != 'e' {
		k++
	}
	e := text[k+1:]
	for _, d := range e[1:] {
		exp = 10*exp + int(d-'0')
	}
	if e[0] == '-' {
		exp = -exp
	}
	digits = text[:k]
	if k > 1 {
		copy(digits[1:], digits[2:])
		digits = digits[:k-1]
	}
	return neg, digits, exp + 1
}

// javaDouble is a DOUBLE or FLOAT as Java prints it.
func javaDouble(x float64, size int) string { return string(appendJava(nil, x, size)) }

func appendJava(dst []byte, x float64, size int) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, "NaN"...)
	case math.IsInf(x, 0):
		if x < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	case x == 0:
		if math.Signbit(x) {
			dst = append(dst, '-')
		}
		return append(dst, "0.0"...)
	}
	var buf [32]byte
	neg, digits, exp := shortest(&buf, x, size)
	a := math.Abs(x)
	if len(digits) == 1 && (a < 1e-300 || size == 32 && a < 1e-40) {
		// Java prints two digits at least, and of those the nearest, which matters where doubles are few.
		var two [32]byte
		text := strconv.AppendFloat(two[:0], a, 'e', 1, size)
		if back, err := strconv.ParseFloat(string(text), size); err == nil && back == a {
			e, _ := strconv.Atoi(string(text[4:]))
			digits, exp = append(buf[:0], text[0], text[2]), e+1
		}
	}
	if neg {
		dst = append(dst, '-')
	}
	if size == 32 {
		a = float64(float32(a))
	}
	switch {
	case a >= 1e-3 && a < 1e7 && exp <= 0:
		dst = append(dst, "0."...)
		for range -exp {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	case a >= 1e-3 && a < 1e7:
		for i := range max(exp, len(digits)) {
			if i == exp {
				dst = append(dst, '.')
			}
			if i < len(digits) {
				dst = append(dst, digits[i])
			} else {
				dst = append(dst, '0')
			}
		}
		if len(digits) <= exp {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	dst = append(dst, digits[0], '.')
	if len(digits) > 1 {
		dst = append(dst, digits[1:]...)
	} else {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(append(dst, 'E'), int64(exp-1), 10)
}
