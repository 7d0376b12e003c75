package expr

import "github.com/lockstep-data/lockstep/schema"

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
