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

// compileLogic is AND and OR of any number of conditions, from left to right. A condition that may fail is
// evaluated only for the rows that those before it did not decide.
func compileLogic(n *Node, args []fn) fn {
	and := n.Op == "AND"
	careful := make([]bool, len(args))
	for k, a := range n.Args {
		careful[k] = k > 0 && (a.CanFail() || !cheap(a))
	}
	out := &vec{m: -1}
	var open []int32
	return func(c *ctx, sel []int32) *vec {
		dst := room[bool](out, c.n)
		out.null = nil
		for k, f := range args {
			rows := sel
			if careful[k] {
				open = open[:0]
				for _, i := range sel {
					if dst[i] == and || out.null != nil && out.null[i] {
						open = append(open, i)
					}
				}
				if rows = open; len(rows) == 0 {
					break
				}
			}
			v := f(c, rows)
			if v.null == nil && out.null == nil && v.m != 0 && len(rows) == c.n {
				switch {
				case k == 0:
					copy(dst, v.b)
				case and:
					for i, x := range v.b[:len(dst)] {
						dst[i] = dst[i] && x
					}
				default:
					orBytes(dst, v.b[:len(dst)])
				}
				continue
			}
			if v.null != nil && out.null == nil {
				out.clearNulls(c.n)
			}
			for _, row := range rows {
				i := int(row)
				x, xn := v.b[i&v.m], v.isNull(i)
				if k == 0 {
					dst[i] = x
					if out.null != nil {
						out.null[i] = xn
					}
					continue
				}
				// The decisive value (FALSE for AND, TRUE for OR) wins over NULL, NULL over the other.
				yn := out.null != nil && out.null[i]
				decided := !xn && x != and || !yn && dst[i] != and
				if decided {
					dst[i] = !and
					if out.null != nil {
						out.null[i] = false
					}
				} else if xn || yn {
					out.null[i] = true
				} else {
					dst[i] = and
				}
			}
		}
		return out
	}
}

// cheap reports whether evaluating a node for every row costs less than choosing the rows.
func cheap(n *Node) bool {
	switch n.Op {
	case "column", "literal":
		return n.Type.Kind != schema.String && n.Type.Kind != schema.Bytes
	case "=", "<>", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL", "NOT":
		for _, a := range n.Args {
			if !cheap(a) || a.Type.Kind == schema.Decimal {
				return false
			}
		}
		return true
	}
	return false
}

func compileIs(op string, arg fn) fn {
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		v := arg(c, sel)
		dst := room[bool](out, c.n)
		out.null = nil
		switch op {
		case "NOT":
			out.merge(c.n, v)
			for i := range dst {
				dst[i] = !v.b[i&v.m]
			}
		case "IS NULL", "IS NOT NULL":
			is := op == "IS NULL"
			for _, i := range sel {
				dst[i] = v.isNull(int(i)) == is
			}
		default:
			want := op == "IS TRUE" || op == "IS NOT TRUE"
			is := op == "IS TRUE" || op == "IS FALSE"
			for _, i := range sel {
				dst[i] = (!v.isNull(int(i)) && v.b[int(i)&v.m] == want) == is
			}
		}
		return out
	}
}

// compileIn is x IN (..): pairs of x and a member, each brought to a type in which = compares them. Members
// that are constants of x's own type are looked up together.
func compileIn(n *Node, args []fn) fn {
	var set inSet
	var pairs []int
	fails := false
	for k := 0; k < len(args); k += 2 {
		if !fails && n.Args[k] == n.Args[0] && n.Args[k+1].IsLiteral() && set.add(n.Args[k+1], n.Args[0].Type) {
			continue
		}
		fails = fails || n.Args[k].CanFail() && k > 0 || n.Args[k+1].CanFail()
		pairs = append(pairs, k)
	}
	equal := make([]func(*ctx, []bool, *vec, *vec, []int32), len(args))
	for _, k := range pairs {
		equal[k] = comparison("=", n.Args[k].Type, n.Args[k+1].Type)
	}
	out, hit := &vec{m: -1}, []bool(nil)
	var open []int32
	return func(c *ctx, sel []int32) *vec {
		dst := room[bool](out, c.n)
		hit = grown(hit, c.n)
		out.null = nil
		open = append(open[:0], sel...)
		x := args[0](c, sel)
		if set.size > 0 {
			set.find(dst, x, sel)
		} else {
			for _, i := range sel {
				dst[i] = false
			}
		}
		if set.null || x.null != nil {
			out.clearNulls(c.n)
			for _, i := range sel {
				out.null[i] = x.isNull(int(i)) || set.null && !dst[i]
			}
		}
		for _, k := range pairs {
			rest := open[:0]
			for _, i := range open {
				if !dst[i] || out.null != nil && out.null[i] {
					rest = append(rest, i)
				}
			}
			open = rest
			a := x
			if n.Args[k] != n.Args[0] {
				a = args[k](c, open)
			}
			b := args[k+1](c, open)
			equal[k](c, hit, a, b, open)
			for _, i := range open {
				switch {
				case a.isNull(int(i)) || b.isNull(int(i)):
					if out.null == nil {
						out.clearNulls(c.n)
					}
					out.null[i] = true
				case hit[i]:
					dst[i] = true
					if out.null != nil {
						out.null[i] = false
					}
				}
			}
		}
		return out
	}
}

// inSet are the constants of an IN list.
type inSet struct {
	size  int
	null  bool
	whole map[int64]struct{}
	text  map[string]struct{}
	kind  schema.Kind
}

func (s *inSet) add(n *Node, t schema.Type) bool {
	if n.Value == nil {
		s.null = true
		return true
	}
	if n.Type.Kind != t.Kind {
		return false
	}
	s.kind = t.Kind
	switch v := n.Value.(type) {
	case int64:
		if s.whole == nil {
			s.whole = map[int64]struct{}{}
		}
		s.whole[v] = struct{}{}
	case string:
		if s.text == nil {
			s.text = map[string]struct{}{}
		}
		s.text[v] = struct{}{}
	default:
		return false
	}
	s.size++
	return true
}

func (s *inSet) find(dst []bool, x *vec, sel []int32) {
	switch s.kind {
	case schema.SmallInt:
		findWhole(s, dst, x.i16, x, sel)
	case schema.Int, schema.Date:
		findWhole(s, dst, x.i32, x, sel)
	case schema.String:
		for _, i := range sel {
			if x.isNull(int(i)) {
				dst[i] = false
				continue
			}
			_, dst[i] = s.text[x.s[int(i)&x.m]]
		}
	default:
		findWhole(s, dst, x.i64, x, sel)
	}
}

func findWhole[T signed](s *inSet, dst []bool, values []T, x *vec, sel []int32) {
	for _, i := range sel {
		_, dst[i] = s.whole[int64(values[int(i)&x.m])]
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
