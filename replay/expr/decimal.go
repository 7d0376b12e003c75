package expr

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

type num = decimal128.Num

// bigs is memory for the few decimals that need more than 128 bits on the way.
type bigs struct{ a, b, c, d big.Int }

// tens are 10^0 to 10^38, the most that 128 bits hold.
var tens = func() (t [39]num) {
	t[0] = decimal128.FromU64(1)
	for i := 1; i < len(t); i++ {
		hi, lo := bits.Mul64(t[i-1].LowBits(), 10)
		t[i] = decimal128.New(t[i-1].HighBits()*10+int64(hi), lo)
	}
	return t
}()

func fits64(x num) bool { return x.HighBits() == int64(x.LowBits())>>63 }

// magnitude is |x| as two words.
func magnitude(x num) (hi, lo uint64, neg bool) {
	hi, lo = uint64(x.HighBits()), x.LowBits()
	if x.HighBits() < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
		return hi, lo, true
	}
	return hi, lo, false
}

func fromMagnitude(hi, lo uint64, neg bool) num {
	if neg {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return decimal128.New(int64(hi), lo)
}

// within reports whether x has at most p digits.
func within(x num, p int) bool {
	hi, lo, _ := magnitude(x)
	t := tens[p]
	th := uint64(t.HighBits())
	return hi < th || hi == th && lo < t.LowBits()
}

// scaleUp is x * 10^k; false when it has more than 38 digits.
func scaleUp(x num, k int) (num, bool) {
	if k == 0 {
		return x, true
	}
	hi, lo, neg := magnitude(x)
	if hi == 0 && lo == 0 {
		return x, true
	}
	if hi == 0 && k <= 18 {
		h, l := bits.Mul64(lo, tens[k].LowBits())
		if h < 1<<62 { // 2^126 is below 10^38
			return fromMagnitude(h, l, neg), true
		}
	}
	if k > 38 {
		return x, false
	}
	t := tens[k]
	th, tl := uint64(t.HighBits()), t.LowBits()
	h, l := bits.Mul64(lo, tl)
	if hi != 0 && th != 0 {
		return x, false
	}
	c1, m1 := bits.Mul64(hi, tl)
	c2, m2 := bits.Mul64(lo, th)
	h, o1 := bits.Add64(h, m1, 0)
	h, o2 := bits.Add64(h, m2, 0)
	if c1 != 0 || c2 != 0 || o1 != 0 || o2 != 0 || h >= 1<<63 {
		return x, false
	}
	r := fromMagnitude(h, l, neg)
	return r, within(r, 38)
}

// scaleDown is x / 10^k, rounded half away from zero.
func scaleDown(x num, k int) num {
	if k == 0 {
		return x
	}
	if k > 38 {
		return num{}
	}
	hi, lo, neg := magnitude(x)
	t := tens[k]
	qh, ql, rh, rl := divide128(hi, lo, uint64(t.HighBits()), t.LowBits())
	// Round up when the rest is at least half: rest >= t - rest.
	dl, borrow := bits.Sub64(t.LowBits(), rl, 0)
	dh, _ := bits.Sub64(uint64(t.HighBits()), rh, borrow)
	if rh > dh || rh == dh && rl >= dl {
		var carry uint64
		ql, carry = bits.Add64(ql, 1, 0)
		qh += carry
	}
	return fromMagnitude(qh, ql, neg)
}

// cutDown is x / 10^k towards zero.
func cutDown(x num, k int) num {
	if k == 0 {
		return x
	}
	if k > 38 {
		return num{}
	}
	hi, lo, neg := magnitude(x)
	t := tens[k]
	qh, ql, _, _ := divide128(hi, lo, uint64(t.HighBits()), t.LowBits())
	return fromMagnitude(qh, ql, neg)
}

// divide128 is the quotient and the rest of two unsigned numbers; the divisor is not 0.
func divide128(hi, lo, dh, dl uint64) (qh, ql, rh, rl uint64) {
	if dh == 0 {
		qh = hi / dl
		ql, rl = bits.Div64(hi%dl, lo, dl)
		return qh, ql, 0, rl
	}
	// The quotient has one word, estimated from the leading 64 bits of the divisor: at most one too small.
	n := bits.LeadingZeros64(dh)
	q, _ := bits.Div64(hi>>1, hi<<63|lo>>1, dh<<n|dl>>(64-n))
	q >>= 63 - n
	if q != 0 {
		q--
	}
	ph, pl := bits.Mul64(q, dl)
	ph += q * dh
	rl, borrow := bits.Sub64(lo, pl, 0)
	rh, _ = bits.Sub64(hi, ph, borrow)
	for rh > dh || rh == dh && rl >= dl {
		q++
		rl, borrow = bits.Sub64(rl, dl, 0)
		rh, _ = bits.Sub64(rh, dh, borrow)
	}
	return 0, q, rh, rl
}

// rescale moves x from one scale to another, rounding half away from zero; false when it has more than p digits.
func rescale(x num, from, to, p int) (num, bool) {
	if to >= from {
		r, ok := scaleUp(x, to-from)
		return r, ok && within(r, p)
	}
	r := scaleDown(x, from-to)
	return r, within(r, p)
}

func compileDecimal(n *Node, args []fn) fn {
	t := n.Type
	if n.Op == "NEG" {
		return strict(args, roomFor[num], func(_ *ctx, out *vec, in []*vec, i int) {
			out.dec[i] = in[0].dec[i&in[0].m].Negate()
		})
	}
	sa, sb := n.Args[0].Type.Scale, n.Args[1].Type.Scale
	var op func(c *ctx, a, b num) (num, bool)
	switch n.Op {
	case "+", "-":
		minus := n.Op == "-"
		op = func(c *ctx, a, b num) (num, bool) {
			if minus {
				b = b.Negate()
			}
			return addDecimal(c, a, b, sa, sb, t)
		}
	case "*":
		op = func(c *ctx, a, b num) (num, bool) { return mulDecimal(c, a, b, sa+sb, t) }
	case "/":
		op = func(c *ctx, a, b num) (num, bool) { return divDecimal(c, a, b, t.Scale+sb-sa, t.Precision) }
	default:
		op = func(c *ctx, a, b num) (num, bool) { return modDecimal(c, a, b, sa, sb, t) }
	}
	divides := n.Op == "/" || n.Op == "%"
	return strict(args, roomFor[num], func(c *ctx, out *vec, in []*vec, i int) {
		a, b := in[0].dec[i&in[0].m], in[1].dec[i&in[1].m]
		if divides && b == (num{}) {
			c.fail(out, i, fmt.Errorf("%s: %w", n, errZero))
			return
		}
		r, ok := op(c, a, b)
		if !ok {
			c.fail(out, i, fmt.Errorf("%s %s %s does not fit %s", decimalText(a, sa), n.Op, decimalText(b, sb), t))
			return
		}
		out.dec[i] = r
	})
}

func addDecimal(c *ctx, a, b num, sa, sb int, t schema.Type) (num, bool) {
	s := max(sa, sb)
	x, ok1 := scaleUp(a, s-sa)
	y, ok2 := scaleUp(b, s-sb)
	if ok1 && ok2 {
		lo, carry := bits.Add64(x.LowBits(), y.LowBits(), 0)
		hi, _ := bits.Add64(uint64(x.HighBits()), uint64(y.HighBits()), carry)
		// Two numbers near 10^38 add up to more than 2^127.
		if r := int64(hi); (x.HighBits()^r)&(y.HighBits()^r) >= 0 {
			return rescale(decimal128.New(r, lo), s, t.Scale, t.Precision)
		}
	}
	w := &c.long
	w.a.Mul(toBig(&w.a, a), pow(&w.d, s-sa))
	w.b.Mul(toBig(&w.b, b), pow(&w.d, s-sb))
	return c.fromBig(w.a.Add(&w.a, &w.b), s-t.Scale, t.Precision)
}

func mulDecimal(c *ctx, a, b num, s int, t schema.Type) (num, bool) {
	if fits64(a) && fits64(b) {
		x, y := int64(a.LowBits()), int64(b.LowBits())
		hi, lo := bits.Mul64(uint64(x), uint64(y))
		h := int64(hi) - x>>63&y - y>>63&x
		r := decimal128.New(h, lo)
		if s == t.Scale {
			return r, within(r, t.Precision)
		}
		return rescale(r, s, t.Scale, t.Precision)
	}
	w := &c.long
	w.a.Mul(toBig(&w.a, a), toBig(&w.b, b))
	return c.fromBig(&w.a, s-t.Scale, t.Precision)
}

// divDecimal is a * 10^up / b, rounded half away from zero, with at most p digits.
func divDecimal(c *ctx, a, b num, up, p int) (num, bool) {
	if up >= 0 {
		if x, ok := scaleUp(a, up); ok {
			hi, lo, n1 := magnitude(x)
			dh, dl, n2 := magnitude(b)
			if hi == 0 && dh == 0 {
				q, r := lo/dl, lo%dl
				if r >= dl-r {
					q++ // a quotient of 2^64-1 leaves no rest
				}
				v := fromMagnitude(0, q, n1 != n2)
				return v, within(v, p)
			}
			qh, ql, rh, rl := divide128(hi, lo, dh, dl)
			el, borrow := bits.Sub64(dl, rl, 0)
			eh, _ := bits.Sub64(dh, rh, borrow)
			if rh > eh || rh == eh && rl >= el {
				var carry uint64
				ql, carry = bits.Add64(ql, 1, 0)
				qh += carry
			}
			r := fromMagnitude(qh, ql, n1 != n2)
			return r, within(r, p)
		}
	}
	w := &c.long
	toBig(&w.a, a)
	toBig(&w.b, b)
	if up >= 0 {
		w.a.Mul(&w.a, pow(&w.d, up))
	} else {
		w.b.Mul(&w.b, pow(&w.d, -up))
	}
	divRound(&w.a, &w.b, &w.c)
	return c.fromBig(&w.a, 0, p)
}

// modDecimal is the rest of a / b towards zero, with the sign of a.
func modDecimal(c *ctx, a, b num, sa, sb int, t schema.Type) (num, bool) {
	s := max(sa, sb)
	w := &c.long
	x, ok1 := scaleUp(a, s-sa)
	y, ok2 := scaleUp(b, s-sb)
	if ok1 && ok2 {
		hi, lo, neg := magnitude(x)
		dh, dl, _ := magnitude(y)
		_, _, rh, rl := divide128(hi, lo, dh, dl)
		return rescale(fromMagnitude(rh, rl, neg), s, t.Scale, t.Precision)
	}
	w.a.Mul(toBig(&w.a, a), pow(&w.d, s-sa))
	w.b.Mul(toBig(&w.b, b), pow(&w.d, s-sb))
	w.a.Rem(&w.a, &w.b)
	return c.fromBig(&w.a, s-t.Scale, t.Precision)
}

func toBig(dst *big.Int, x num) *big.Int {
	hi, lo, neg := magnitude(x)
	dst.SetUint64(hi)
	dst.Lsh(dst, 64)
	var low big.Int
	dst.Or(dst, low.SetUint64(lo))
	if neg {
		dst.Neg(dst)
	}
	return dst
}

func pow(dst *big.Int, k int) *big.Int {
	return dst.Exp(big.NewInt(10), big.NewInt(int64(k)), nil)
}

// divRound makes a the quotient a / b, rounded half away from zero.
func divRound(a, b, rest *big.Int) {
	neg := a.Sign()*b.Sign() < 0
	a.Abs(a)
	var d big.Int
	d.Abs(b)
	a.QuoRem(a, &d, rest)
	rest.Lsh(rest, 1)
	if rest.Cmp(&d) >= 0 {
		a.Add(a, big.NewInt(1))
	}
	if neg {
		a.Neg(a)
	}
}

// fromBig is x / 10^down, rounded half away from zero; false when it has more than p digits.
func (c *ctx) fromBig(x *big.Int, down, p int) (num, bool) {
	if down > 0 {
		divRound(x, pow(&c.long.d, down), &c.long.c)
	} else if down < 0 {
		x.Mul(x, pow(&c.long.d, -down))
	}
	if x.BitLen() > 127 {
		return num{}, false
	}
	r := decimal128.FromBigInt(x)
	return r, within(r, p)
}

func decimalFunction(n *Node, args []fn) fn {
	t, s := n.Type, n.Args[0].Type.Scale
	return strict(args, roomFor[num], func(c *ctx, out *vec, in []*vec, i int) {
		x := in[0].dec[i&in[0].m]
		ok := true
		switch n.Op {
		case "ABS":
			x = x.Abs()
		case "SIGN":
			sign := x.Sign()
			if x == (num{}) {
				sign = 0
			}
			x, ok = scaleUp(decimal128.FromI64(int64(sign)), s)
			ok = ok && within(x, t.Precision)
		case "FLOOR", "CEIL":
			q := cutDown(x, s)
			if back, _ := scaleUp(q, s); back != x {
				if n.Op == "FLOOR" && x.Sign() < 0 {
					q = q.Sub(decimal128.FromU64(1))
				} else if n.Op == "CEIL" && x.Sign() > 0 {
					q = q.Add(decimal128.FromU64(1))
				}
			}
			x = q
		default:
			digits := int(in[1].i32[i&in[1].m])
			if digits < s {
				if s-digits > 38 {
					x = num{}
				} else {
					x = scaleDown(x, s-digits)
					x, ok = scaleUp(x, t.Scale-digits)
				}
			} else if s != t.Scale {
				x = scaleDown(x, s-t.Scale)
			}
			ok = ok && within(x, t.Precision)
		}
		if !ok {
			c.fail(out, i, fmt.Errorf("%s of %s does not fit %s", n.Op, decimalText(in[0].dec[i&in[0].m], s), t))
			return
		}
		out.dec[i] = x
	})
}

// appendDecimal is x with its full scale and no exponent.
func appendDecimal(dst []byte, x num, scale int) []byte {
	hi, lo, neg := magnitude(x)
	if neg {
		dst = append(dst, '-')
	}
	var buf [40]byte
	digits := strconv.AppendUint(buf[:0], lo, 10)
	if hi != 0 {
		// 10^19 is the largest power of ten in one word.
		qh, ql, _, rl := divide128(hi, lo, 0, 1e19)
		digits = buf[:0]
		if qh != 0 {
			_, q2, _, r2 := divide128(qh, ql, 0, 1e19)
			digits = strconv.AppendUint(digits, q2, 10)
			digits = appendPadded(digits, r2, 19)
		} else {
			digits = strconv.AppendUint(digits, ql, 10)
		}
		digits = appendPadded(digits, rl, 19)
	}
	if scale == 0 {
		return append(dst, digits...)
	}
	if len(digits) <= scale {
		dst = append(dst, "0."...)
		for range scale - len(digits) {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:len(digits)-scale]...)
	dst = append(dst, '.')
	return append(dst, digits[len(digits)-scale:]...)
}

func decimalText(x num, scale int) string { return string(appendDecimal(nil, x, scale)) }

// appendPadded is x with leading zeros up to width.
func appendPadded(dst []byte, x uint64, width int) []byte {
	var buf [20]byte
	d := strconv.AppendUint(buf[:0], x, 10)
	for range width - len(d) {
		dst = append(dst, '0')
	}
	return append(dst, d...)
}

// decimalFloat is the double nearest to x.
func decimalFloat(x num, scale int) float64 {
	if scale <= 22 && fits64(x) {
		if v := int64(x.LowBits()); v > -1<<53 && v < 1<<53 {
			return float64(v) / pow10[scale]
		}
	}
	var buf [48]byte
	f, err := strconv.ParseFloat(string(appendDecimal(buf[:0], x, scale)), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// compareDecimal is the sign of a - b, exactly, whatever their scales.
func compareDecimal(c *ctx, a, b num, sa, sb int) int {
	if sa != sb {
		s := max(sa, sb)
		x, ok1 := scaleUp(a, s-sa)
		y, ok2 := scaleUp(b, s-sb)
		if !ok1 || !ok2 {
			w := &c.long
			w.a.Mul(toBig(&w.a, a), pow(&w.d, s-sa))
			w.b.Mul(toBig(&w.b, b), pow(&w.d, s-sb))
			return w.a.Cmp(&w.b)
		}
		a, b = x, y
	}
	return a.Cmp(b)
}
