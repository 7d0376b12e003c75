package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// growingWords makes dictionaries the way a source does: appending to memory that never moves.
type growingWords struct {
	offsets []int32
	data    []byte
	numbers map[string]int32
}

func newGrowingWords() *growingWords {
	return &growingWords{offsets: make([]int32, 1, 1000), data: make([]byte, 0, 10000), numbers: map[string]int32{}}
}

func (g *growingWords) code(texts []*string) arrow.Array {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	for _, t := range texts {
		if t == nil {
			b.AppendNull()
			continue
		}
		x, ok := g.numbers[*t]
		if !ok {
			x = int32(len(g.numbers))
			g.numbers[*t] = x
			g.data = append(g.data, *t...)
			g.offsets = append(g.offsets, int32(len(g.data)))
		}
		b.Append(x)
	}
	words := array.NewStringData(array.NewData(arrow.BinaryTypes.String, len(g.numbers), []*memory.Buffer{nil,
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(g.offsets)), memory.NewBufferBytes(g.data)}, nil, 0, 0))
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	return array.NewDictionaryArray(dt, b.NewArray(), words)
}

func plainTexts(texts []*string) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for _, t := range texts {
		if t == nil {
			b.AppendNull()
		} else {
			b.Append(*t)
		}
	}
	return b.NewArray()
}

// TestCodedTextIsText holds text as dictionaries, as itself and mixed against each other in everything a column does.
func TestCodedTextIsText(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	for range 300 {
		shared := newGrowingWords()
		var plain, coded []Column
		shares := 0               // columns of the shared dictionary
		text := map[uint32]bool{} // columns without one
		for range 1 + rng.IntN(4) {
			rows := make([]*string, rng.IntN(40))
			for i := range rows {
				if rng.IntN(5) > 0 {
					s := fmt.Sprint("w", rng.IntN(30))
					if rng.IntN(8) == 0 {
						s = ""
					}
					rows[i] = &s
				}
			}
			plain = append(plain, View(plainTexts(rows)))
			switch rng.IntN(8) {
			case 0:
				text[uint32(len(coded))] = true
				coded = append(coded, View(plainTexts(rows)))
			case 1:
				coded = append(coded, View(newGrowingWords().code(rows)))
			default:
				shares++
				coded = append(coded, View(shared.code(rows)))
			}
		}
		var refs []Ref
		for range rng.IntN(100) {
			if s := rng.IntN(len(plain) + 1); s == len(plain) {
				refs = append(refs, Ref{Segment: NoSegment})
			} else if plain[s].n > 0 {
				refs = append(refs, Ref{uint32(s), uint32(rng.IntN(plain[s].n))})
			}
		}
		want, err := Gather(arrow.BinaryTypes.String, pointers(plain), refs)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := GatherCoded(arrow.BinaryTypes.String, pointers(coded), refs)
		if err != nil {
			t.Fatal(err)
		}
		ofText := slices.ContainsFunc(refs, func(r Ref) bool { return text[r.Segment] })
		if is := kept.DataType().ID() == arrow.DICTIONARY; shares == len(coded) && !is || ofText && is {
			t.Fatalf("%d of %d columns share a dictionary, rows of one without any: %v, and the result is %s", shares, len(coded), ofText, kept.DataType())
		}
		got, err := Plain(kept)
		if err != nil || !array.Equal(got, want) {
			t.Fatalf("gathered %v (%v)\nwant %v", got, err, want)
		}
		for s := range plain {
			p, c := &plain[s], &coded[s]
			hp, hc := make([]uint64, p.n), make([]uint64, p.n)
			HashAll([]Column{*p}, p.n, hp)
			HashAll([]Column{*c}, p.n, hc)
			for i := range p.n {
				if hp[i] != hc[i] {
					t.Fatalf("row %d hashes to %x and %x", i, hp[i], hc[i])
				}
				o := rng.IntN(len(plain))
				if plain[o].n == 0 {
					continue
				}
				j := rng.IntN(plain[o].n)
				if a, b := p.Identical(i, &plain[o], j), c.Identical(i, &coded[o], j); a != b {
					t.Fatalf("%q identical to %q: %v, coded %v", p.Bytes(i), plain[o].Bytes(j), a, b)
				}
				if a, b := p.Compare(i, &plain[o], j), c.Compare(i, &coded[o], j); a != b {
					t.Fatalf("%q against %q: %d, coded %d", p.Bytes(i), plain[o].Bytes(j), a, b)
				}
			}
		}
	}
}

// BenchmarkGatherOfFew gathers text of 400 rows, as they go to disk, from stores of few and many segments: one operation is
// all of the rows, and what the others hold is no affair of theirs.
func BenchmarkGatherOfFew(b *testing.B) {
	words := newGrowingWords()
	texts := make([]*string, 400)
	for i := range texts {
		s := fmt.Sprint("w", i%30)
		texts[i] = &s
	}
	column := View(words.code(texts))
	refs := make([]Ref, len(texts))
	for i := range refs {
		refs[i] = Ref{Segment: 7, Row: uint32(i)}
	}
	for _, segments := range []int{10, 100_000} {
		columns := make([]*Column, segments)
		for i := range columns {
			columns[i] = &column
		}
		b.Run(fmt.Sprintf("segments=%d", segments), func(b *testing.B) {
			for b.Loop() {
				if _, err := GatherCoded(arrow.BinaryTypes.String, columns, refs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
