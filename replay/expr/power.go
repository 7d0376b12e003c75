package expr

import "math"

// power is x to the y as Java defines the special cases, within 2 units in the last place. Go's math.Pow
// multiplies its error up with the exponent; here the logarithm carries 100 bits.
func power(x, y float64) float64 {
	switch {
	case y == 0:
		return 1
	case math.IsNaN(y) || (x == 1 || x == -1) && math.IsInf(y, 0):
		return math.NaN()
	case y == 1:
		return x
	case y == 2:
		return x * x
	case y == 0.5 && x >= 0 && !math.IsInf(x, 0):
		return math.Sqrt(x) + 0
	}
	rough := math.Pow(x, y)
	if math.IsNaN(rough) || math.IsInf(x, 0) || math.IsInf(y, 0) || x == 0 || math.Abs(x) == 1 {
		return rough
	}
	hi, lo := logPair(math.Abs(x))
	// y * log x, the product exact.
	p := hi * y
	e := math.FMA(hi, y, -p) + lo*y
	if math.Abs(p) > 1500 {
		return rough // 0 or Infinity, beyond doubt
	}
	r := expPair(p, e)
	if rough < 0 {
		r = -r
	}
	return r
}

// ln 2 in two pieces, of which the first has so few bits that its product with any exponent is exact.
const (
	ln2a = 0x1.62e42fee00000p-1
	ln2b = 0x1.a39ef35793c76p-33 // the rest, to 85 bits
)

// logPair is the natural logarithm of a positive number as hi + lo, good to about 100 bits.
func logPair(x float64) (hi, lo float64) {
	f, k := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f *= 2
		k--
	}
	// log f = 2 atanh(s), s = (f-1)/(f+1), as a pair.
	num := f - 1 // exact
	den, denLo := twoSum(f, 1)
	s := num / den
	r := math.FMA(-s, den, num) - s*denLo
	sLo := r / den
	s, sLo = fastSum(s, sLo)
	zh := s * s
	zl := math.FMA(s, s, -zh) + 2*s*sLo
	// The series s (2 + 2/3 z + 2/5 z^2 + ..), from its end, in pairs; |z| < 0.0295, so 21 terms do.
	th, tl := 0.0, 0.0
	for i := 43; i >= 3; i -= 2 {
		th, tl = mulPair(th, tl, zh, zl)
		ch := 2 / float64(i)
		cl := math.FMA(-ch, float64(i), 2) / float64(i)
		th, tl = addPair(th, tl, ch, cl)
	}
	th, tl = mulPair(th, tl, zh, zl)
	th, tl = addPair(th, tl, 2, 0)
	th, tl = mulPair(th, tl, s, sLo)
	n := float64(k)
	ah, al := twoSum(n*ln2a, 0)
	bh := n * ln2b
	bl := math.FMA(n, ln2b, -bh)
	ah, al = addPair(ah, al, bh, bl)
	return addPair(ah, al, th, tl)
}

// expPair is e^(hi+lo), |hi| < 1500.
func expPair(hi, lo float64) float64 {
	k := math.Round(hi / math.Ln2)
	rh, rl := addPair(hi, lo, -k*ln2a, 0)
	bh := -k * ln2b
	rh, rl = addPair(rh, rl, bh, math.FMA(-k, ln2b, -bh))
	// e^r = (e^(r/64))^64 would lose bits; the series itself takes 24 terms for |r| < 0.35.
	th, tl := 1.0, 0.0
	for i := 24; i >= 1; i-- {
		th, tl = mulPair(th, tl, rh, rl)
		n := float64(i)
		q := th / n
		tl = (math.FMA(-q, n, th) + tl) / n
		th, tl = fastSum(q, tl)
		th, tl = addPair(th, tl, 1, 0)
	}
	return math.Ldexp(th+tl, int(k))
}

func twoSum(a, b float64) (s, e float64) {
	s = a + b
	t := s - a
	return s, (a - (s - t)) + (b - t)
}

func fastSum(a, b float64) (s, e float64) {
	s = a + b
	return s, b - (s - a)
}

func addPair(ah, al, bh, bl float64) (float64, float64) {
	s, e := twoSum(ah, bh)
	return fastSum(s, e+al+bl)
}

func mulPair(ah, al, bh, bl float64) (float64, float64) {
	p := ah * bh
	return fastSum(p, math.FMA(ah, bh, -p)+ah*bl+al*bh)
}
