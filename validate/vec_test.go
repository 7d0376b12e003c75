package validate

import (
	"fmt"
	"math/rand/v2"
	"reflect"
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
	words := newHasher(1, 14, &typ{kind: kInt, bits: 64}, pass1Salt)
	words.table(coded.dict)
	b.Run("two dictionaries", func(b *testing.B) {
		for b.Loop() {
			addTwo(words, coded.idx, words, coded.idx, lo, hi, sk)
		}
	})
}

func TestTwoColumnsAreAddedAsOneAfterTheOther(t *testing.T) {
	const n = 1000
	rng := rand.New(rand.NewPCG(1, 2))
	sums := func() (s [3][]uint64) {
		for i := range s {
			s[i] = make([]uint64, n)
		}
		for r := range s[2] { // salts
			s[2][r] = uint64(r) * 0x9e3779b97f4a7c15 & saltMask
		}
		return s
	}
	var v [2]*vec
	for c, words := range []int{7, 300} {
		d := &vec{n: words, i64: make([]int64, words)}
		for i := range d.i64 {
			d.i64[i] = rng.Int64()
		}
		v[c] = &vec{n: n, dict: d, idx: make([]int32, n)}
		for i := range v[c].idx {
			v[c].idx[i] = rng.Int32N(int32(words))
		}
	}
	hashers := func() (h [2]*hasher) {
		for c := range h {
			h[c] = newHasher(c, 2, &typ{kind: kInt, bits: 64}, pass1Salt)
			h[c].table(v[c].dict)
		}
		return h
	}
	want, got := sums(), sums()
	h := hashers()
	h[0].add(v[0], want[0], want[1], want[2])
	h[1].add(v[1], want[0], want[1], want[2])
	addTwo(h[0], v[0].idx, h[1], v[1].idx, got[0], got[1], got[2])
	if !reflect.DeepEqual(got, want) {
		t.Error("another sum, or another sketch")
	}
}

func TestMostIsTheHighestIndexWhereverItIs(t *testing.T) {
	for n := 1; n < 12; n++ {
		for at := range n {
			idx := make([]int32, n)
			idx[at] = 5
			if m := most(idx); m != 5 {
				t.Errorf("%d at %d of %d: %d", 5, at, n, m)
			}
		}
	}
	if m := most([]int32{1, -1}); m != 1<<32-1 {
		t.Errorf("an index beyond 31 bits passes as %d", m)
	}
}
