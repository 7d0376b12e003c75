package expr

import (
	"fmt"
	"math"
	"math/big"
	"math/rand"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

func randomDecimal(r *rand.Rand, p int) num {
	digits := 1 + r.Intn(p)
	x := new(big.Int).Rand(r, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	switch r.Intn(8) {
	case 0:
		x.Sub(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil), big.NewInt(1))
	case 1:
		x.SetInt64(int64(r.Intn(3)))
	case 2:
		x.Quo(x, big.NewInt(10)).Mul(x, big.NewInt(10)).Add(x, big.NewInt(5))
		if x.Cmp(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(p)), nil)) >= 0 {
			x.SetInt64(5)
		}
	}
	if r.Intn(2) == 0 {
		x.Neg(x)
	}
	return decimal128.FromBigInt(x)
}

func rational(x num, scale int) *big.Rat {
	q := new(big.Rat).SetInt(x.BigInt())
	return q.Quo(q, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
}

// roundRational is x at a scale, half away from zero; false: more digits than p.
func roundRational(x *big.Rat, p, scale int) (*big.Int, bool) {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	y := new(big.Rat).Mul(new(big.Rat).Abs(x), new(big.Rat).SetInt(ten))
	twice := new(big.Int).Mul(y.Num(), big.NewInt(2))
	twice.Add(twice, y.Denom())
	q := twice.Quo(twice, new(big.Int).Mul(y.Denom(), big.NewInt(2)))
	if x.Sign() < 0 {
		q.Neg(q)
	}
	return q, q.CmpAbs(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(p)), nil)) < 0
}

// TestDecimalsAreExact compares decimal arithmetic, casts and comparisons with rational numbers.
func TestDecimalsAreExact(t *testing.T) {
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewSource(seed))
	random := func() schema.Type { p := 1 + r.Intn(38); return tDec(p, r.Intn(p+1)) }
	for round := range 700 {
		a, b, to := random(), random(), random()
		const rows = 20
		va, vb := make([]any, rows), make([]any, rows)
		for i := range rows {
			va[i], vb[i] = randomDecimal(r, a.Precision), randomDecimal(r, b.Precision)
		}
		cols := []arrow.Array{arrayOf(a, va...), arrayOf(b, vb...)}
		ca, cb := Column(0, "a", a), Column(1, "b", b)
		var nodes []*Node
		ops := []string{"+", "-", "*", "/", "%", "<", "=", "cast"}
		for _, op := range ops {
			n, err := Cast(ca, to, false)
			if op != "cast" {
				n, err = Call(op, ca, cb)
			}
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, n)
		}
		p, err := Compile(nodes...)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := p.Eval(cols, rows)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			q, _ := Compile(n)
			if _, failed, _ := q.Eval(cols, rows); failed != nil && !n.CanFail() {
				t.Fatalf("seed %d: %s of %s and %s failed though it cannot: %v", seed, n, a, b, failed[0])
			}
		}
		for i := range rows {
			x, y := rational(va[i].(num), a.Scale), rational(vb[i].(num), b.Scale)
			for k, n := range nodes {
				got := valueAt(out[k], n.Type, i)
				z := new(big.Rat)
				want := ""
				switch op := ops[k]; {
				case op == "<" || op == "=":
					want = map[bool]string{true: "TRUE", false: "FALSE"}[op == "<" && x.Cmp(y) < 0 || op == "=" && x.Cmp(y) == 0]
				case op == "cast":
					z.Set(x)
				case op == "+":
					z.Add(x, y)
				case op == "-":
					z.Sub(x, y)
				case op == "*":
					z.Mul(x, y)
				case y.Sign() == 0:
					want = "NULL"
				default:
					z.Quo(x, y)
					if op == "%" {
						q := new(big.Int).Quo(z.Num(), z.Denom())
						z.Sub(x, new(big.Rat).Mul(y, new(big.Rat).SetInt(q)))
					}
				}
				if want == "" {
					want = "NULL"
					if q, ok := roundRational(z, n.Type.Precision, n.Type.Scale); ok {
						want = decimalText(decimal128.FromBigInt(q), n.Type.Scale)
					}
				}
				if got != want {
					t.Fatalf("seed %d round %d: %s %s %s = %s %s, want %s", seed, round, decimalText(va[i].(num), a.Scale), ops[k], decimalText(vb[i].(num), b.Scale), got, n.Type, want)
				}
				if text := decimalText(va[i].(num), a.Scale); text != x.FloatString(a.Scale) {
					t.Fatalf("%s, want %s", text, x.FloatString(a.Scale))
				}
			}
		}
	}
}

// exactPower is x^y for a whole y, to 300 bits.
func exactPower(x float64, y int) *big.Float {
	out := new(big.Float).SetPrec(300).SetInt64(1)
	base := new(big.Float).SetPrec(300).SetFloat64(x)
	for k := max(y, -y); k > 0; k >>= 1 {
		if k&1 == 1 {
			out.Mul(out, base)
		}
		base.Mul(base, base)
	}
	if y < 0 {
		out.Quo(new(big.Float).SetPrec(300).SetInt64(1), out)
	}
	return out
}

// exactExp is e^x by its series over x / 2^k.
func exactExp(x *big.Float) *big.Float {
	const k = 40
	z := new(big.Float).SetPrec(400).SetMantExp(x, -k)
	term := new(big.Float).SetPrec(400).SetInt64(1)
	sum := new(big.Float).SetPrec(400).SetInt64(1)
	for i := int64(1); i < 40; i++ {
		term.Mul(term, z).Quo(term, new(big.Float).SetInt64(i))
		sum.Add(sum, term)
	}
	for range k {
		sum.Mul(sum, sum)
	}
	return sum
}

// exactLog is ln x by Newton's method.
func exactLog(x float64) *big.Float {
	y := new(big.Float).SetPrec(400).SetFloat64(math.Log(x))
	want := new(big.Float).SetPrec(400).SetFloat64(x)
	for range 4 {
		e := exactExp(y)
		d := new(big.Float).SetPrec(400).Sub(want, e)
		y.Add(y, d.Quo(d, e))
	}
	return y
}

// ulps is how many units in the last place of the nearest double got is away.
func ulps(got float64, want *big.Float) float64 {
	near, _ := want.Float64()
	if math.IsInf(near, 0) || near == 0 || math.Abs(near) < 1e-300 {
		if got == near {
			return 0
		}
		near, _ = new(big.Float).Copy(want).Float64()
		if math.Abs(got-near) <= 2*math.SmallestNonzeroFloat64 {
			return 1
		}
	}
	unit := math.Nextafter(math.Abs(near), math.Inf(1)) - math.Abs(near)
	d := new(big.Float).SetPrec(400).Sub(new(big.Float).SetFloat64(got), want)
	f, _ := d.Quo(d, new(big.Float).SetFloat64(unit)).Float64()
	return math.Abs(f)
}

func TestPowerWithinTwoUlp(t *testing.T) {
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewSource(seed))
	worst, ours := 0.0, 0.0
	for range 20000 {
		x, y := math.Exp(r.NormFloat64()*3), r.Intn(400)-200
		switch r.Intn(3) {
		case 0:
			x = 1 + r.NormFloat64()/100
		case 1:
			x = math.Round(x*10) / 10
		}
		if x <= 0 || math.Abs(float64(y)*math.Log(x)) > 700 {
			continue
		}
		want := exactPower(x, y)
		u := ulps(power(x, float64(y)), want)
		if u > 1 {
			t.Fatalf("seed %d: POWER(%v, %d) is %v ulp off", seed, x, y, u)
		}
		ours, worst = max(ours, u), max(worst, ulps(math.Pow(x, float64(y)), want))
	}
	t.Logf("worst %.3f ulp (math.Pow %.1f)", ours, worst)
	ours = 0
	for range 300 {
		x, y := math.Exp(r.NormFloat64()*20), r.NormFloat64()*10
		if math.Abs(y*math.Log(x)) > 700 {
			continue
		}
		log := exactLog(x)
		u := ulps(power(x, y), exactExp(log.Mul(log, new(big.Float).SetFloat64(y))))
		if u > 1 {
			t.Fatalf("seed %d: POWER(%v, %v) is %v ulp off", seed, x, y, u)
		}
		ours = max(ours, u)
		if u := ulps(math.Log(x), exactLog(x)); u > 2 {
			t.Fatalf("seed %d: LN(%v) is %v ulp off", seed, x, u)
		}
		if u := ulps(math.Exp(y), exactExp(new(big.Float).SetFloat64(y))); u > 2 {
			t.Fatalf("seed %d: EXP(%v) is %v ulp off", seed, y, u)
		}
	}
	t.Logf("worst %.3f ulp", ours)
}

// TestRoundFloatIsTheText compares the fast way of ROUND with rounding of the shortest text.
func TestRoundFloatIsTheText(t *testing.T) {
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewSource(seed))
	for range 200000 {
		x, n := r.NormFloat64()*math.Pow(10, float64(r.Intn(12))), r.Intn(8)-2
		switch r.Intn(3) {
		case 0:
			x = float64(r.Intn(1000000)) / 1000
		case 1:
			x = (float64(r.Intn(10000)) + 0.5) / 100
		}
		q, ok := new(big.Rat).SetString(strconv.FormatFloat(x, 'e', -1, 64))
		if !ok {
			t.Fatal(x)
		}
		down := new(big.Rat).SetFloat64(1)
		for range max(0, -n) {
			down.Mul(down, big.NewRat(10, 1))
		}
		whole, _ := roundRational(q.Quo(q, down), 1000, max(0, n))
		z := new(big.Rat).SetInt(whole)
		for range max(0, n) {
			z.Quo(z, big.NewRat(10, 1))
		}
		want, _ := z.Mul(z, down).Float64()
		if got := roundFloat(x, n, 64); got != want || math.Signbit(got) != math.Signbit(want) && want != 0 || got == 0 && math.Signbit(got) {
			t.Fatalf("seed %d: ROUND(%v, %d) = %v, want %v", seed, x, n, got, want)
		}
	}
}

func TestPackedBits(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for n := range 70 {
		for offset := range 10 {
			flags := make([]bool, n+offset)
			for i := range flags {
				flags[i] = r.Intn(2) == 0
			}
			bits, set := pack(flags, false)
			back, flipped := make([]bool, n), make([]bool, n)
			unpack(back, bits, offset, n, false)
			unpack(flipped, bits, offset, n, true)
			count := 0
			for i, f := range flags {
				if f {
					count++
				}
				if i >= offset && (back[i-offset] != f || flipped[i-offset] == f) {
					t.Fatal(n, offset, i)
				}
			}
			if set != count {
				t.Fatal(fmt.Sprint(set, count))
			}
		}
	}
}
