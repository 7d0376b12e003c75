package expr

import (
	"cmp"
	"math"

	"github.com/lockstep-data/lockstep/schema"
)

// ordered are the types whose Go operators compare as SQL does; NaN is false with everything but <>.
type ordered interface {
	int16 | int32 | int64 | float32 | float64 | string
}

func compileCompare(n *Node, args []fn) fn {
	op := n.Op
	plain := op
	switch op {
	case "IS DISTINCT FROM":
		plain = "<>"
	case "IS NOT DISTINCT FROM":
		plain = "="
	}
	compare := comparison(plain, n.Args[0].Type, n.Args[1].Type)
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		a, b := args[0](c, sel), args[1](c, sel)
		dst := room[bool](out, c.n)
		out.merge(c.n, a, b)
		compare(c, dst, a, b, sel)
		if plain == op || out.null == nil {
			return out
		}
		for _, i := range sel {
			if out.null[i] {
				dst[i] = (a.isNull(int(i)) != b.isNull(int(i))) == (plain == "<>")
			}
		}
		out.null = nil
		return out
	}
}

// comparison writes a op b for the selected rows; what it writes for NULLs means nothing.
func comparison(op string, x, y schema.Type) func(c *ctx, dst []bool, a, b *vec, sel []int32) {
	switch x.Kind {
	case schema.SmallInt:
		return comparer[int16](op)
	case schema.Int, schema.Date:
		return comparer[int32](op)
	case schema.BigInt, schema.Timestamp:
		return comparer[int64](op)
	case schema.Float:
		return comparer[float32](op)
	case schema.Double:
		return comparer[float64](op)
	case schema.Decimal:
		return func(c *ctx, dst []bool, a, b *vec, sel []int32) {
			for _, i := range sel {
				if !a.isNull(int(i)) && !b.isNull(int(i)) {
					dst[i] = holds(op, compareDecimal(c, a.dec[int(i)&a.m], b.dec[int(i)&b.m], x.Scale, y.Scale))
				}
			}
		}
	case schema.Boolean:
		return func(_ *ctx, dst []bool, a, b *vec, sel []int32) {
			for _, i := range sel {
				dst[i] = holds(op, order(a.b[int(i)&a.m], b.b[int(i)&b.m]))
			}
		}
	}
	return compareText(op)
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func holds(op string, sign int) bool {
	switch op {
	case "=":
		return sign == 0
	case "<>":
		return sign != 0
	case "<":
		return sign < 0
	case "<=":
		return sign <= 0
	case ">":
		return sign > 0
	}
	return sign >= 0
}

var mirrored = map[string]string{"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// comparer compares every row: it is cheaper than to look which are selected.
func comparer[T ordered](op string) func(c *ctx, dst []bool, a, b *vec, sel []int32) {
	return func(_ *ctx, dst []bool, a, b *vec, _ []int32) {
		op := op
		if a.m == 0 && b.m != 0 {
			a, b, op = b, a, mirrored[op]
		}
		x, y := *values[T](a), *values[T](b)
		am, bm := a.m, b.m
		if am != 0 && bm == 0 {
			compareConstant(op, dst, x[:len(dst)], y[0])
			return
		}
		switch op {
		case "=":
			for i := range dst {
				dst[i] = x[i&am] == y[i&bm]
			}
		case "<>":
			for i := range dst {
				dst[i] = x[i&am] != y[i&bm]
			}
		case "<":
			for i := range dst {
				dst[i] = x[i&am] < y[i&bm]
			}
		case "<=":
			for i := range dst {
				dst[i] = x[i&am] <= y[i&bm]
			}
		case ">":
			for i := range dst {
				dst[i] = x[i&am] > y[i&bm]
			}
		default:
			for i := range dst {
				dst[i] = x[i&am] >= y[i&bm]
			}
		}
	}
}

func compareConstant[T ordered](op string, dst []bool, x []T, k T) {
	switch op {
	case "=":
		for i, v := range x {
			dst[i] = v == k
		}
	case "<>":
		for i, v := range x {
			dst[i] = v != k
		}
	case "<":
		for i, v := range x {
			dst[i] = v < k
		}
	case "<=":
		for i, v := range x {
			dst[i] = v <= k
		}
	case ">":
		for i, v := range x {
			dst[i] = v > k
		}
	default:
		for i, v := range x {
			dst[i] = v >= k
		}
	}
}

// compareText looks at selected rows only: the others may hold what an earlier run left.
func compareText(op string) func(c *ctx, dst []bool, a, b *vec, sel []int32) {
	return func(_ *ctx, dst []bool, a, b *vec, sel []int32) {
		x, y, am, bm := a.s, b.s, a.m, b.m
		an, bn := a.null, b.null
		for _, row := range sel {
			i := int(row)
			if an != nil && an[i&am] || bn != nil && bn[i&bm] {
				continue
			}
			p, q := x[i&am], y[i&bm]
			switch op {
			case "=":
				dst[i] = p == q
			case "<>":
				dst[i] = p != q
			default:
				dst[i] = holds(op, cmp.Compare(p, q))
			}
		}
	}
}

func compileGreatest(n *Node, args []fn) fn {
	sign := 1
	if n.Op == "LEAST" {
		sign = -1
	}
	switch n.Type.Kind {
	case schema.Boolean:
		return greatest(args, sign, order)
	case schema.SmallInt:
		return greatest(args, sign, cmp.Compare[int16])
	case schema.Int, schema.Date:
		return greatest(args, sign, cmp.Compare[int32])
	case schema.BigInt, schema.Timestamp:
		return greatest(args, sign, cmp.Compare[int64])
	case schema.Float:
		return greatest(args, sign, compareFloat[float32])
	case schema.Double:
		return greatest(args, sign, compareFloat[float64])
	case schema.Decimal:
		return greatest(args, sign, num.Cmp)
	}
	return greatest(args, sign, cmp.Compare[string])
}

func greatest[T fixed](args []fn, sign int, compare func(a, b T) int) fn {
	return strict(args, roomFor[T], func(_ *ctx, out *vec, in []*vec, i int) {
		best := (*values[T](in[0]))[i&in[0].m]
		for _, a := range in[1:] {
			if x := (*values[T](a))[i&a.m]; compare(x, best)*sign > 0 {
				best = x
			}
		}
		(*values[T](out))[i] = best
	})
}

// compareFloat orders as Java does: NaN is the greatest, and -0.0 less than 0.0.
func compareFloat[T floating](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b && a != 0:
		return 0
	case a == b:
		return order(!math.Signbit(float64(a)), !math.Signbit(float64(b)))
	}
	return order(a != a, b != b)
}
