package expr

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

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
			divKernel(c, out, dst, a, b, x.m, y.m, sel, op == "%", n)
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

func divKernel[T signed](c *ctx, out *vec, dst, a, b []T, am, bm int, sel []int32, mod bool, n *Node) {
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
			c.fail(out, int(i), fmt.Errorf("%s: %w", n, errZero))
		case mod && y == -1:
			dst[i] = 0
		case mod:
			dst[i] = x % y
		case y == -1 && x == -x && x != 0:
			c.fail(out, int(i), fmt.Errorf("%d / -1 does not fit %s", x, n.Type))
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
