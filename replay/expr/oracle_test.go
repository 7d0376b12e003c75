package expr

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/schema"
)

// oracle evaluates one row the slow, obvious way: values are nil, bool or int64.
func oracle(n *Node, row []any) (any, error) {
	args := make([]any, len(n.Args))
	all := func() error {
		for i, a := range n.Args {
			v, err := oracle(a, row)
			if err != nil {
				return err
			}
			args[i] = v
		}
		return nil
	}
	anyNull := func() bool {
		for _, a := range args {
			if a == nil {
				return true
			}
		}
		return false
	}
	switch n.Op {
	case "column":
		return row[n.Index], nil
	case "literal":
		return n.Value, nil
	case "AND", "OR":
		decisive := n.Op == "OR"
		var out any = !decisive
		for _, a := range n.Args {
			v, err := oracle(a, row)
			if err != nil {
				return nil, err
			}
			if v == decisive {
				return decisive, nil
			}
			if v == nil {
				out = nil
			}
		}
		return out, nil
	case "case":
		for k := 0; k+1 < len(n.Args); k += 2 {
			v, err := oracle(n.Args[k], row)
			if err != nil {
				return nil, err
			}
			if v == true {
				return oracle(n.Args[k+1], row)
			}
		}
		return oracle(n.Args[len(n.Args)-1], row)
	case "COALESCE":
		for _, a := range n.Args {
			if v, err := oracle(a, row); v != nil || err != nil {
				return v, err
			}
		}
		return nil, nil
	case "in":
		var out any = false
		for k := 0; k < len(n.Args); k += 2 {
			a, err := oracle(n.Args[k], row)
			if err != nil {
				return nil, err
			}
			b, err := oracle(n.Args[k+1], row)
			if err != nil {
				return nil, err
			}
			if a == nil || b == nil {
				out = nil
			} else if a == b {
				return true, nil
			}
		}
		return out, nil
	}
	if err := all(); err != nil {
		return nil, err
	}
	switch n.Op {
	case "IS NULL":
		return args[0] == nil, nil
	case "IS NOT NULL":
		return args[0] != nil, nil
	case "IS TRUE":
		return args[0] == true, nil
	case "IS NOT FALSE":
		return args[0] != false, nil
	case "IS DISTINCT FROM":
		return args[0] != args[1], nil
	}
	if anyNull() {
		return nil, nil
	}
	if n.Op == "NOT" {
		return !args[0].(bool), nil
	}
	a := args[0].(int64)
	b := a
	if len(args) > 1 {
		b = args[1].(int64)
	}
	sum := new(big.Int)
	x, y := big.NewInt(a), big.NewInt(b)
	switch n.Op {
	case "=":
		return a == b, nil
	case "<>":
		return a != b, nil
	case "<":
		return a < b, nil
	case ">=":
		return a >= b, nil
	case "<=":
		return a <= b, nil
	case ">":
		return a > b, nil
	case "GREATEST":
		return max(a, b), nil
	case "LEAST":
		return min(a, b), nil
	case "+":
		sum.Add(x, y)
	case "-":
		sum.Sub(x, y)
	case "*":
		sum.Mul(x, y)
	case "/", "%":
		if b == 0 {
			return nil, errZero
		}
		if n.Op == "/" {
			sum.Quo(x, y)
		} else {
			sum.Rem(x, y)
		}
	case "NEG":
		sum.Neg(x)
	case "ABS":
		sum.Abs(x)
	case "cast":
		sum.Set(x)
	default:
		panic(n.Op)
	}
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	if n.Type.Kind == schema.Int {
		least, most = math.MinInt32, math.MaxInt32
	}
	if !sum.IsInt64() || sum.Int64() < least || sum.Int64() > most {
		if n.Try {
			return nil, nil
		}
		return nil, errors.New("overflow")
	}
	return sum.Int64(), nil
}

// grower makes random expressions over columns 0..2 INT, 3..4 BIGINT, 5..6 BOOLEAN. It uses some of them twice.
type grower struct {
	*rand.Rand
	made map[schema.Kind][]*Node
}

func (r *grower) grow(want schema.Kind, depth int) *Node {
	if old := r.made[want]; len(old) > 0 && r.Intn(6) == 0 {
		return old[r.Intn(len(old))]
	}
	for {
		n, err := r.once(want, depth)
		if err == nil {
			r.made[n.Type.Kind] = append(r.made[n.Type.Kind], n)
			return n
		}
	}
}

func (r *grower) once(want schema.Kind, depth int) (*Node, error) {
	sub := func(k schema.Kind) *Node { return r.grow(k, depth-1) }
	number := func() *Node { return sub([]schema.Kind{schema.Int, schema.BigInt}[r.Intn(2)]) }
	pick := func(s ...string) string { return s[r.Intn(len(s))] }
	if want == schema.Boolean {
		if depth <= 0 || r.Intn(8) == 0 {
			switch r.Intn(4) {
			case 0:
				return Literal([]any{nil, true, false}[r.Intn(3)], tBool), nil
			default:
				return Column(5+r.Intn(2), "b", tBool), nil
			}
		}
		switch r.Intn(8) {
		case 0, 1:
			args := []*Node{sub(want), sub(want)}
			if r.Intn(3) == 0 {
				args = append(args, sub(want))
			}
			return Call(pick("AND", "OR"), args...)
		case 2:
			return Call(pick("NOT", "IS TRUE", "IS NOT FALSE", "IS NULL", "IS NOT NULL"), sub(want))
		case 3:
			return In(number(), []*Node{number(), Literal(int64(r.Intn(4)), tInt), Literal(nil, tInt), number()}[:1+r.Intn(4)], r.Intn(2) == 0)
		case 4:
			return Call("BETWEEN", number(), number(), number())
		case 5:
			return Call("IS DISTINCT FROM", number(), number())
		case 6:
			return Case([]*Node{sub(want)}, []*Node{sub(want)}, sub(want))
		}
		return Call(pick("=", "<>", "<", "<=", ">", ">="), number(), number())
	}
	t, first, count := tInt, 0, 3
	if want == schema.BigInt {
		t, first, count = tBig, 3, 2
	}
	if depth <= 0 || r.Intn(8) == 0 {
		if r.Intn(3) == 0 {
			return Literal([]any{nil, int64(0), int64(1), int64(-1), int64(3), int64(math.MaxInt32), int64(math.MinInt32)}[r.Intn(7)], t), nil
		}
		return Column(first+r.Intn(count), "n", t), nil
	}
	switch r.Intn(7) {
	case 0:
		return Case([]*Node{sub(schema.Boolean), sub(schema.Boolean)}, []*Node{sub(want), sub(want)}, sub(want))
	case 1:
		return Call("COALESCE", sub(want), sub(want))
	case 2:
		return Call(pick("GREATEST", "LEAST"), sub(want), sub(want))
	case 3:
		return Call(pick("NEG", "ABS"), sub(want))
	case 4:
		return Cast(number(), t, r.Intn(2) == 0)
	}
	return Call(pick("+", "-", "*", "/", "%"), sub(want), sub(want))
}

// TestAgainstOracle compares random expressions with the oracle row by row: values, NULLs, and which rows fail.
func TestAgainstOracle(t *testing.T) {
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewSource(seed))
	pools := []any{int64(0), int64(0), int64(1), int64(-1), int64(2), int64(3), nil, int64(math.MaxInt32), int64(math.MinInt32), int64(7)}
	bools := []any{true, false, nil}
	for round := range 3000 {
		const rows = 23
		table := make([][]any, rows)
		var cols []arrow.Array
		for k, typ := range []schema.Type{tInt, tInt, tInt, tBig, tBig, tBool, tBool} {
			values := make([]any, rows+3)
			for i := range values {
				values[i] = pools[r.Intn(len(pools))]
				if typ.Kind == schema.Boolean {
					values[i] = bools[r.Intn(3)]
				}
				if k == 1 && values[i] == nil {
					values[i] = int64(5)
				}
				if i >= 3 {
					table[i-3] = append(table[i-3], values[i])
				}
			}
			cols = append(cols, array.NewSlice(arrayOf(typ, values...), 3, rows+3))
		}
		n := (&grower{r, map[schema.Kind][]*Node{}}).grow([]schema.Kind{schema.Boolean, schema.Int, schema.BigInt}[r.Intn(3)], 4)
		p, err := Compile(n)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			out, failed, err := p.Eval(cols, rows)
			if err != nil {
				t.Fatal(err)
			}
			bad := map[int]bool{}
			last := -1
			for _, f := range failed {
				if f.Row <= last {
					t.Fatalf("seed %d round %d: failures out of order", seed, round)
				}
				last = f.Row
				bad[f.Row] = true
			}
			if len(bad) > 0 && !n.CanFail() {
				t.Fatalf("seed %d round %d: %s failed though it cannot", seed, round, tree(n))
			}
			for i := range rows {
				want, err := oracle(n, table[i])
				text := "NULL"
				switch v := want.(type) {
				case bool:
					text = map[bool]string{true: "TRUE", false: "FALSE"}[v]
				case int64:
					text = fmt.Sprint(v)
				}
				if got := valueAt(out[0], n.Type, i); bad[i] != (err != nil) || got != text {
					t.Fatalf("seed %d round %d row %d %v: %s: %s failed %v, want %s %v", seed, round, i, table[i], tree(n), got, bad[i], text, err)
				}
			}
			if n.Type.Kind != schema.Boolean {
				continue
			}
			sel, failed2, err := p.EvalBool(cols, rows, nil)
			if err != nil || len(failed2) != len(failed) {
				t.Fatal(err, failed2)
			}
			next := 0
			for i := range rows {
				if want, err := oracle(n, table[i]); want == true && err == nil {
					if next >= len(sel) || sel[next] != int32(i) {
						t.Fatalf("seed %d round %d: selected %v", seed, round, sel)
					}
					next++
				}
			}
			if next != len(sel) {
				t.Fatalf("seed %d round %d: selected %v", seed, round, sel)
			}
		}
	}
}

func tree(n *Node) string {
	switch n.Op {
	case "column":
		return fmt.Sprintf("c%d", n.Index)
	case "literal":
		return fmt.Sprint(n.Value)
	}
	s := n.Op + "("
	for i, a := range n.Args {
		if i > 0 {
			s += ", "
		}
		s += tree(a)
	}
	return s + ")"
}
