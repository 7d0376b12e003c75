package expr

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/lockstep-data/lockstep/schema"
)

var (
	errZero = errors.New("division by zero")
	errNaN  = errors.New("NaN and Infinity have no decimal digits")
)

func mulInt64(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	r := a * b
	if uint64(a+1<<31) < 1<<32 && uint64(b+1<<31) < 1<<32 {
		return r, true
	}
	return r, r/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
}

type signed interface{ int16 | int32 | int64 }
type floating interface{ float32 | float64 }

func compileNumber(n *Node, args []fn) (fn, error) {
	switch n.Op {
	case "FLOOR", "CEIL", "SIGN", "ABS", "ROUND":
		return compileRound(n, args), nil
	case "POWER":
		return floats2(args, func(x, y float64) float64 { return power(x, y) }), nil
	case "SQRT":
		return floats1(args[0], math.Sqrt), nil
	case "LN":
		return floats1(args[0], math.Log), nil
	case "EXP":
		return floats1(args[0], math.Exp), nil
	}
	if n.IsInterval() {
		return intKernel[int64](n.Op, tBig, n, args), nil
	}
	switch n.Type.Kind {
	case schema.Date, schema.Timestamp:
		return compileTimePlus(n, args), nil
	case schema.Decimal:
		return compileDecimal(n, args), nil
	case schema.Float:
		return floatKernel[float32](n.Op, args), nil
	case schema.Double:
		return floatKernel[float64](n.Op, args), nil
	}
	if n.Op == "%" && n.Args[0].Type.Kind != n.Type.Kind {
		return narrowMod(n, args), nil
	}
	switch n.Type.Kind {
	case schema.SmallInt:
		return intKernel[int16](n.Op, n.Type, n, args), nil
	case schema.Int:
		return intKernel[int32](n.Op, n.Type, n, args), nil
	}
	return intKernel[int64](n.Op, n.Type, n, args), nil
}

// narrowMod is a % b where b's type is narrower than a's. The remainder is nearer to zero than b, so it fits.
func narrowMod(n *Node, args []fn) fn {
	var mod fn
	if n.Args[0].Type.Kind == schema.Int {
		mod = intKernel[int32]("%", n.Type, n, args)
	} else {
		mod = intKernel[int64]("%", n.Type, n, args)
	}
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		v := mod(c, sel)
		out.merge(c.n, v)
		if n.Type.Kind == schema.Int {
			room[int32](out, c.n)
			for _, i := range sel {
				out.i32[i] = int32(v.i64[i])
			}
			return out
		}
		room[int16](out, c.n)
		for _, i := range sel {
			if v.i32 != nil {
				out.i16[i] = int16(v.i32[i])
			} else {
				out.i16[i] = int16(v.i64[i])
			}
		}
		return out
	}
}

// intKernel computes every row, also those not selected, and looks for the ones that overflowed only when a
// row did: the loops stay free of branches.
func intKernel[T signed](op string, t schema.Type, n *Node, args []fn) fn {
	out := &vec{m: -1}
	shown := n.String()
	if op == "NEG" {
		zero := &vec{}
		*values[T](zero) = []T{0}
		args, op = []fn{func(*ctx, []int32) *vec { return zero }, args[0]}, "-"
	}
	return func(c *ctx, sel []int32) *vec {
		x, y := args[0](c, sel), args[1](c, sel)
		dst := room[T](out, c.n)
		out.merge(c.n, x, y)
		a, b := *values[T](x), *values[T](y)
		var over T
		switch op {
		case "+":
			over = addKernel(dst, a, b, x.m, y.m)
		case "-":
			over = subKernel(dst, a, b, x.m, y.m)
		case "*":
			over = mulKernel(dst, a, b, x.m, y.m)
		default:
			divKernel(c, out, dst, a, b, x.m, y.m, sel, op == "%", t, shown)
			return out
		}
		if over < 0 {
			reportOverflow(c, out, op, a, b, x.m, y.m, sel, t)
		}
		return out
	}
}

func addKernel[T signed](dst, a, b []T, am, bm int) (over T) {
	switch {
	case am != 0 && bm == 0:
		k := b[0]
		a = a[:len(dst)]
		for i, x := range a {
			r := x + k
			over |= (x ^ r) & (k ^ r)
			dst[i] = r
		}
	case am != 0 && bm != 0:
		a, b = a[:len(dst)], b[:len(dst)]
		for i, x := range a {
			y := b[i]
			r := x + y
			over |= (x ^ r) & (y ^ r)
			dst[i] = r
		}
	default:
		for i := range dst {
			x, y := a[i&am], b[i&bm]
			r := x + y
			over |= (x ^ r) & (y ^ r)
			dst[i] = r
		}
	}
	return over
}

func subKernel[T signed](dst, a, b []T, am, bm int) (over T) {
	switch {
	case am != 0 && bm == 0:
		k := b[0]
		a = a[:len(dst)]
		for i, x := range a {
			r := x - k
			over |= (x ^ k) & (x ^ r)
			dst[i] = r
		}
	case am != 0 && bm != 0:
		a, b = a[:len(dst)], b[:len(dst)]
		for i, x := range a {
			y := b[i]
			r := x - y
			over |= (x ^ y) & (x ^ r)
			dst[i] = r
		}
	default:
		for i := range dst {
			x, y := a[i&am], b[i&bm]
			r := x - y
			over |= (x ^ y) & (x ^ r)
			dst[i] = r
		}
	}
	return over
}

func mulOne[T signed](x, y T) (r, over T) {
	var z T
	if _, is := any(z).(int64); is {
		hi, lo := bits.Mul64(uint64(x), uint64(y))
		h := int64(hi) - int64(x)>>63&int64(y) - int64(y)>>63&int64(x)
		if h != int64(lo)>>63 {
			over = -1
		}
		return T(lo), over
	}
	w := int64(x) * int64(y)
	r = T(w)
	if int64(r) != w {
		over = -1
	}
	return r, over
}

func mulKernel[T signed](dst, a, b []T, am, bm int) (over T) {
	if am != 0 && bm == 0 {
		k := b[0]
		a = a[:len(dst)]
		for i, x := range a {
			r, o := mulOne(x, k)
			over |= o
			dst[i] = r
		}
		return over
	}
	for i := range dst {
		r, o := mulOne(a[i&am], b[i&bm])
		over |= o
		dst[i] = r
	}
	return over
}

func reportOverflow[T signed](c *ctx, out *vec, op string, a, b []T, am, bm int, sel []int32, t schema.Type) {
	for _, i := range sel {
		if out.null != nil && out.null[i] {
			continue
		}
		x, y := a[int(i)&am], b[int(i)&bm]
		one := [1]T{}
		var o T
		switch op {
		case "+":
			o = addKernel(one[:], []T{x}, []T{y}, 0, 0)
		case "-":
			o = subKernel(one[:], []T{x}, []T{y}, 0, 0)
		default:
			_, o = mulOne(x, y)
		}
		if o < 0 {
			c.fail(out, int(i), fmt.Errorf("%d %s %d does not fit %s", x, op, y, t))
		}
	}
}

func divKernel[T signed](c *ctx, out *vec, dst, a, b []T, am, bm int, sel []int32, mod bool, t schema.Type, shown string) {
	if bm == 0 && out.null == nil && b[0] != 0 && b[0] != -1 {
		k := b[0]
		if mod {
			for i := range dst {
				dst[i] = a[i&am] % k
			}
			return
		}
		for i := range dst {
			dst[i] = a[i&am] / k
		}
		return
	}
	for _, i := range sel {
		if out.null != nil && out.null[i] {
			continue
		}
		x, y := a[int(i)&am], b[int(i)&bm]
		switch {
		case y == 0:
			c.fail(out, int(i), fmt.Errorf("%s: %w", shown, errZero))
		case mod && y == -1:
			dst[i] = 0
		case mod:
			dst[i] = x % y
		case y == -1 && x == -x && x != 0:
			c.fail(out, int(i), fmt.Errorf("%d / -1 does not fit %s", x, t))
		default:
			dst[i] = x / y
		}
	}
}

func floatKernel[T floating](op string, args []fn) fn {
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		x := args[0](c, sel)
		dst := room[T](out, c.n)
		a := *values[T](x)
		if op == "NEG" {
			out.merge(c.n, x)
			for i := range dst {
				dst[i] = -a[i&x.m]
			}
			return out
		}
		y := args[1](c, sel)
		out.merge(c.n, x, y)
		b := *values[T](y)
		am, bm := x.m, y.m
		if am != 0 && bm == 0 {
			k := b[0]
			a = a[:len(dst)]
			switch op {
			case "+":
				for i, x := range a {
					dst[i] = x + k
				}
			case "-":
				for i, x := range a {
					dst[i] = x - k
				}
			case "*":
				for i, x := range a {
					dst[i] = x * k
				}
			default:
				for i, x := range a {
					dst[i] = x / k
				}
			}
			return out
		}
		switch op {
		case "+":
			for i := range dst {
				dst[i] = a[i&am] + b[i&bm]
			}
		case "-":
			for i := range dst {
				dst[i] = a[i&am] - b[i&bm]
			}
		case "*":
			for i := range dst {
				dst[i] = a[i&am] * b[i&bm]
			}
		default:
			for i := range dst {
				dst[i] = a[i&am] / b[i&bm]
			}
		}
		return out
	}
}

func floats1(arg fn, f func(float64) float64) fn {
	return strict([]fn{arg}, roomFor[float64], func(_ *ctx, out *vec, in []*vec, i int) {
		out.f64[i] = f(in[0].f64[i&in[0].m])
	})
}

func floats2(args []fn, f func(x, y float64) float64) fn {
	return strict(args, roomFor[float64], func(_ *ctx, out *vec, in []*vec, i int) {
		out.f64[i] = f(in[0].f64[i&in[0].m], in[1].f64[i&in[1].m])
	})
}

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
