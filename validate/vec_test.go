package validate

import (
	"fmt"
	"testing"
)

// BenchmarkHashColumn adds a column of 2,048 rows to the rows' sums; ns/op are of all of them.
func BenchmarkHashColumn(b *testing.B) {
	const n = stepRows
	number := &vec{n: n, i64: make([]int64, n)}
	coded := &vec{n: n, idx: make([]int32, n), dict: &vec{n: 100, i64: make([]int64, 100)}}
	text := &vec{n: n, offs: []uint32{0}}
	for i := range n {
		number.i64[i] = int64(i * 7919)
		coded.idx[i] = int32(i * 31 % 100)
		text.data = fmt.Appendf(text.data, "note %06d", i)
		text.offs = append(text.offs, uint32(len(text.data)))
	}
	lo, hi, sk := make([]uint64, n), make([]uint64, n), make([]uint64, n)
	for _, c := range []struct {
		name string
		kind kind
		v    *vec
	}{{"numbers", kInt, number}, {"dictionary", kInt, coded}, {"text", kText, text}} {
		h := newHasher(1, 14, &typ{kind: c.kind, bits: 64}, pass1Salt)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				h.add(c.v, lo, hi, sk)
			}
		})
	}
}
