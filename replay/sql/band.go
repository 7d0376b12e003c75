package sql

import (
	"math"
	"math/bits"

	"github.com/lockstep-data/lockstep/replay/expr"
)

// bound is what a condition says about the difference of two event times.
type bound struct {
	left         int // the source against whose time it is
	lo, hi       int64
	hasLo, hasHi bool
}

// band reads what a condition says about the event time of source k against that of an earlier one. It is whole
// when that is all it says; bad when a problem was reported.
func (br *branch) band(k int, x expression) (bounds []bound, whole, bad bool) {
	switch e := x.(type) {
	case between:
		if e.Not {
			return nil, false, false
		}
		lo, ok1, bad1 := br.compare(k, ">=", e.X, e.Lo)
		hi, ok2, bad2 := br.compare(k, "<=", e.X, e.Hi)
		if ok1 {
			bounds = append(bounds, lo)
		}
		if ok2 {
			bounds = append(bounds, hi)
		}
		return bounds, ok1 && ok2, bad1 || bad2
	case binary:
		b, ok, bad := br.compare(k, e.Op, e.L, e.R)
		if ok {
			bounds = append(bounds, b)
		}
		return bounds, ok, bad
	}
	return nil, false, false
}

// compare reads l op r as a bound of time[k] - time[left].
func (br *branch) compare(k int, op string, l, r expression) (out bound, ok, bad bool) {
	switch op {
	case "=", "<", "<=", ">", ">=":
	default:
		return out, false, false
	}
	sl, cl, ok1, months1 := br.linear(l)
	sr, cr, ok2, months2 := br.linear(r)
	if !ok1 || !ok2 || (sl == k) == (sr == k) {
		return out, false, false
	}
	if at := months1; at != nil || months2 != nil {
		if at == nil {
			at = months2
		}
		br.problem(*at, "a band of time in months or years has no fixed length", "write it in days: INTERVAL '31' DAY")
		return out, false, true
	}
	// time[sl] + cl op time[sr] + cr
	d, left := minus(cr, cl), sr
	if sr == k {
		d, left = minus(cl, cr), sl
		op = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}[op]
	}
	out.left = left
	switch op {
	case ">=":
		out.lo, out.hasLo = d, true
	case ">":
		out.lo, out.hasLo = plus(d, 1), true
	case "<=":
		out.hi, out.hasHi = d, true
	case "<":
		out.hi, out.hasHi = minus(d, 1), true
	case "=":
		out.lo, out.hi, out.hasLo, out.hasHi = d, d, true, true
	}
	return out, true, false
}

// linear reads x as the event time of a source plus a constant. months is where an interval without a fixed
// length stands.
func (br *branch) linear(x expression) (src int, micros int64, ok bool, months *Pos) {
	switch e := x.(type) {
	case columnRef:
		before := len(br.problems)
		n := br.column(e)
		br.problems = br.problems[:before]
		if n == nil || n.Op != "column" {
			return 0, 0, false, nil
		}
		for i, s := range br.sources {
			if !s.table && s.time == n.Index {
				return i, 0, true, nil
			}
		}
	case binary:
		l, r := e.L, e.R
		if e.Op == "+" {
			if _, first := constant(l); first {
				l, r = r, l
			}
		}
		c, isConstant := constant(r)
		if !isConstant || e.Op != "+" && e.Op != "-" {
			return 0, 0, false, nil
		}
		if e.Op == "-" {
			c.Months, c.Micros = -c.Months, -c.Micros
		}
		return br.shifted(l, c, r.at())
	case call:
		if e.Name != "TIMESTAMPADD" || len(e.Args) != 2 {
			break
		}
		neg, arg := false, e.Args[0]
		if u, is := arg.(unary); is && u.Op != "NOT" {
			neg, arg = u.Op == "-", u.X
		}
		n, is := arg.(numberLit)
		if !is {
			break
		}
		c, is := constant(intervalLit{Neg: neg, Text: n.Text, From: e.Unit})
		if !is {
			break
		}
		return br.shifted(e.Args[1], c, e.Pos)
	}
	return 0, 0, false, nil
}

func (br *branch) shifted(x expression, by expr.Interval, at Pos) (src int, micros int64, ok bool, months *Pos) {
	src, micros, ok, months = br.linear(x)
	if ok && by.Months != 0 && months == nil {
		months = &at
	}
	return src, plus(micros, by.Micros), ok, months
}

// constant is the value of an interval literal, also one with a sign.
func constant(x expression) (expr.Interval, bool) {
	switch e := x.(type) {
	case intervalLit:
		v, err := e.value()
		return v, err == nil
	case unary:
		v, ok := constant(e.X)
		if e.Op == "-" {
			v.Months, v.Micros = -v.Months, -v.Micros
		}
		return v, ok && e.Op != "NOT"
	}
	return expr.Interval{}, false
}

// plus and minus stop at the ends of int64, which are further away than any two times.
func plus(a, b int64) int64 {
	sum, _ := bits.Add64(uint64(a), uint64(b), 0)
	switch s := int64(sum); {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	default:
		return s
	}
}

func minus(a, b int64) int64 {
	if b == math.MinInt64 {
		return plus(plus(a, math.MaxInt64), 1)
	}
	return plus(a, -b)
}
