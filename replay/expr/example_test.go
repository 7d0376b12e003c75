package expr_test

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// A row that i <> 0 sorts out never reaches the division.
func ExampleProgram_EvalBool() {
	typ := schema.Type{Kind: schema.Int}
	i := expr.Column(0, "i", typ)
	number := func(n int64) *expr.Node { return expr.Literal(n, typ) }
	call := func(name string, args ...*expr.Node) *expr.Node {
		n, err := expr.Call(name, args...)
		if err != nil {
			panic(err)
		}
		return n
	}
	quotient := call(">", call("/", number(10), i), number(1))
	safe := call("AND", call("<>", i, number(0)), quotient)

	b := array.NewInt32Builder(memory.DefaultAllocator)
	b.AppendValues([]int32{0, 3, 20}, nil)
	columns := []arrow.Array{b.NewArray()}
	for _, n := range []*expr.Node{safe, quotient} {
		p, err := expr.Compile(n)
		if err != nil {
			panic(err)
		}
		rows, failed, err := p.EvalBool(columns, 3, nil)
		fmt.Println(n, rows, failed, err)
	}
	// Output:
	// (i <> 0) AND ((10 / i) > 1) [1] [] <nil>
	// (10 / i) > 1 [1] [row 0: 10 / i: division by zero] <nil>
}
