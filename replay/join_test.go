package replay

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
)

// TestSemiJoinOfKeysOfOneHash joins rows whose keys differ and whose hashes do not, many of a key and out of order, in pieces
// of any size, and holds what leaves against an obvious search.
func TestSemiJoinOfKeysOfOneHash(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 8))
		not, want := "", func(found bool) bool { return found }
		if seed%2 == 1 {
			not, want = "NOT ", func(found bool) bool { return !found }
		}
		on := []string{"", " AND r.v > l.v"}[seed/2%2]
		j, node := newTestJoin(t, "SELECT l.id FROM l WHERE "+not+"EXISTS (SELECT 1 FROM r WHERE r.k = l.k AND r.t BETWEEN l.t - INTERVAL '0.00001' SECOND AND l.t + INTERVAL '0.00003' SECOND"+on+")")
		type row struct{ id, k, t, v int64 }
		var rows [2][]row
		var got []int64
		emit := func(_ context.Context, b *batch) error {
			got = append(got, b.cols[0].(*array.Int64).Int64Values()...)
			return nil
		}
		for range 30 {
			side := rng.IntN(2)
			batch := make([]row, 1+rng.IntN(mostRows*3/2))
			for i := range batch {
				batch[i] = row{int64(len(rows[side]) + i), int64(rng.IntN(4)), int64(rng.IntN(100)), int64(rng.IntN(3))}
			}
			rows[side] = append(rows[side], batch...)
			values := func(of func(row) int64) []int64 {
				out := make([]int64, len(batch))
				for i, r := range batch {
					out[i] = of(r)
				}
				return out
			}
			m := joinMessage(side, node, map[string][]int64{
				"id": values(func(r row) int64 { return r.id }), "k": values(func(r row) int64 { return r.k }),
				"t": values(func(r row) int64 { return r.t }), "v": values(func(r row) int64 { return r.v }),
			})
			if err := j.process(t.Context(), m, emit); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(3) == 0 {
				if err := j.flush(t.Context(), emit); err != nil {
					t.Fatal(err)
				}
			}
		}
		j.advance(0, EndOfTime)
		j.advance(1, EndOfTime)
		if err := j.settle(t.Context(), true, emit); err != nil {
			t.Fatal(err)
		}
		if err := j.flush(t.Context(), emit); err != nil {
			t.Fatal(err)
		}
		var expected []int64
		for _, l := range rows[0] {
			found := slices.ContainsFunc(rows[1], func(r row) bool {
				return r.k == l.k && r.t >= l.t-10 && r.t <= l.t+30 && (on == "" || r.v > l.v)
			})
			if want(found) {
				expected = append(expected, l.id)
			}
		}
		if slices.Sort(got); !slices.Equal(got, expected) {
			t.Fatalf("seed %d: got %d rows, want %d: %v, %v", seed, len(got), len(expected), got, expected)
		}
	}
}

// TestJoinOfOneKey joins streams all of whose rows have one key: what waits to leave stays little, and each pair leaves once.
func TestJoinOfOneKey(t *testing.T) {
	const rows = 3000
	j, node := newTestJoin(t, "SELECT l.id, r.id AS other FROM l JOIN r ON r.k = l.k AND r.t BETWEEN l.t AND l.t + INTERVAL '1' SECOND")
	seen := make([]bool, rows*rows)
	emit := func(_ context.Context, b *batch) error {
		left, right := b.cols[0].(*array.Int64).Int64Values(), b.cols[1].(*array.Int64).Int64Values()
		for i := range left {
			if at := left[i]*rows + right[i]; seen[at] {
				t.Fatalf("pair %d, %d leaves twice", left[i], right[i])
			} else {
				seen[at] = true
			}
		}
		return nil
	}
	ids, zeros := make([]int64, rows), make([]int64, rows)
	for i := range ids {
		ids[i] = int64(i)
	}
	for side := range 2 {
		if err := j.process(t.Context(), joinMessage(side, node, map[string][]int64{"id": ids, "k": zeros, "t": zeros}), emit); err != nil {
			t.Fatal(err)
		}
		if n := cap(j.times); n > 20*manyRows {
			t.Fatalf("%d pairs waited", n)
		}
	}
	if err := j.flush(t.Context(), emit); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(seen, false) {
		t.Fatal("some pairs have not left")
	}
}

func newTestJoin(t *testing.T, query string) (*join, *sql.Join) {
	t.Helper()
	plan, problems := sql.Compile(query, sql.Catalog{Streams: map[string]sql.Relation{"l": {Fields: benchFields, Time: "t"}, "r": {Fields: benchFields, Time: "t"}}})
	if plan == nil {
		t.Fatal(problems)
	}
	var node *sql.Join
	for n := plan.Root; node == nil; n = sql.Inputs(n)[0] {
		node, _ = n.(*sql.Join)
	}
	j, err := newJoin(node, failures{}, nil, [2]origin{})
	if err != nil {
		t.Fatal(err)
	}
	return j, node
}

// joinMessage is a message of columns by name, all of whose rows have one hash.
func joinMessage(side int, node *sql.Join, columns map[string][]int64) *message {
	input, key := node.Left, node.LeftKeys
	if side == 1 {
		input, key = node.Right, node.RightKeys
	}
	b := &batch{times: columns["t"]}
	for _, f := range input.Fields() {
		v := columns[f.Name]
		b.cols = append(b.cols, array.MakeFromData(array.NewData(f.Type.Arrow(), len(v), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(v))}, nil, 0, 0)))
	}
	m := &message{port: side, b: b, views: state.Views(b.cols), hashes: make([]uint64, len(b.times)), rows: allRows(len(b.times))}
	m.keys = []state.Column{m.views[key[0].Index]}
	return m
}
