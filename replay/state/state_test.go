package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

const columnsJSON = `[
 {"b":true,"i":1,"s":"a","l":[1,null,3],"m":[{"key":"k","value":1}],"r":{"x":1,"y":"p"},"d":"1.50"},
 {"b":false,"i":-5,"s":"","l":[],"m":[],"r":{"x":null,"y":""},"d":"-2.25"},
 {"b":null,"i":null,"s":null,"l":null,"m":null,"r":null,"d":null},
 {"b":true,"i":9,"s":"longer than sixteen bytes","l":[7],"m":[{"key":"a","value":null},{"key":"b","value":2}],"r":{"x":4,"y":null},"d":"99999.99"}]`

var columnsSchema = arrow.NewSchema([]arrow.Field{
	{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "i", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
	{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int16), Nullable: true},
	{Name: "r", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, arrow.Field{Name: "y", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
	{Name: "d", Type: &arrow.Decimal128Type{Precision: 7, Scale: 2}, Nullable: true},
}, nil)

func columns(t testing.TB) arrow.Record {
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, columnsSchema, strings.NewReader(columnsJSON))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestGatherCopiesEveryTypeFromSlicedSegments(t *testing.T) {
	rec := columns(t)
	sliced := rec.NewSlice(1, 4)
	for c := range int(rec.NumCols()) {
		whole, part := View(rec.Column(c)), View(sliced.Column(c))
		refs := []Ref{{1, 2}, {0, 0}, {NoSegment, 0}, {1, 0}, {0, 3}, {1, 1}, {0, 2}}
		got, err := Gather(rec.Column(c).DataType(), []*Column{&whole, &part}, refs)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{3, 0, -1, 1, 3, 2, 2} {
			text := "(null)"
			if want >= 0 {
				text = rec.Column(c).ValueStr(want)
			}
			if got.ValueStr(i) != text {
				t.Errorf("column %s row %d: %s, want %s", rec.ColumnName(c), i, got.ValueStr(i), text)
			}
		}
	}
}

func TestTakeOfRowMinusOneIsNull(t *testing.T) {
	got, err := Take(columns(t).Column(2), []int32{3, -1, 0})
	if err != nil {
		t.Fatal(err)
	}
	if got.IsValid(1) || got.ValueStr(0) != "longer than sixteen bytes" || got.ValueStr(2) != "a" {
		t.Fatalf("got %s", got)
	}
}

func TestIdenticalAndCompareAgreeOnEveryType(t *testing.T) {
	rec := columns(t)
	for c := range int(rec.NumCols()) {
		v := View(rec.Column(c))
		for i := range int(rec.NumRows()) {
			for j := range int(rec.NumRows()) {
				same := rec.Column(c).ValueStr(i) == rec.Column(c).ValueStr(j)
				if got := v.Identical(i, &v, j); got != same {
					t.Errorf("column %s: rows %d and %d identical: %v, want %v", rec.ColumnName(c), i, j, got, same)
				}
				if cmp, back := v.Compare(i, &v, j), v.Compare(j, &v, i); (cmp == 0) != same || cmp != -back {
					t.Errorf("column %s: rows %d and %d compare %d and %d", rec.ColumnName(c), i, j, cmp, back)
				}
			}
		}
	}
}

func floats(v ...float64) Column {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(v, nil)
	return View(b.NewArray())
}

func TestFloatKeysHashAndCompareAsSQLHasIt(t *testing.T) {
	c := floats(0, math.Copysign(0, -1), math.NaN(), 1)
	hashes := make([]uint64, 4)
	if null := Hash([]Column{c}, 4, hashes); null != nil {
		t.Fatal("no value is NULL")
	}
	if hashes[0] != hashes[1] || !c.Equal(0, &c, 1) {
		t.Error("-0.0 must equal 0.0")
	}
	if c.Equal(2, &c, 2) {
		t.Error("NaN must equal nothing")
	}
	if c.Identical(0, &c, 1) {
		t.Error("-0.0 and 0.0 are not the same content")
	}
}

func int64s(v []int64) Column {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(v, nil)
	return View(b.NewArray())
}

// TestStoreAgreesWithScanning fills, probes, sweeps and expires stores at random and compares with plain loops.
func TestStoreAgreesWithScanning(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		s := NewStore(1+int64(rng.IntN(20)), []arrow.DataType{arrow.PrimitiveTypes.Int64}, 1)
		type row struct{ key, time int64 }
		var held []row
		marked := map[row]bool{}
		swept := int64(math.MinInt64)
		for range 30 {
			n := 1 + rng.IntN(20)
			keys, times := make([]int64, n), make([]int64, n)
			rows := make([]int32, n)
			for i := range n {
				keys[i], times[i], rows[i] = int64(rng.IntN(5)), max(swept, -50)+int64(rng.IntN(60)), int32(i)
			}
			col := int64s(keys)
			hashes := make([]uint64, n)
			Hash([]Column{col}, n, hashes)
			lo := int64(rng.IntN(20) - 10)
			hi := lo + int64(rng.IntN(15))
			found, entries, err := s.Probe(Every, rows, hashes, times, lo, hi, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for k, r := range found {
				if s.SameKey(entries[k].Ref, []Column{col}, int(r)) {
					got = append(got, fmt.Sprint(r, entries[k].Time()))
				}
			}
			for i := range n {
				for _, h := range held {
					if h.key == keys[i] && h.time-times[i] >= lo && h.time-times[i] <= hi {
						want = append(want, fmt.Sprint(i, h.time))
					}
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: probe gave %v, want %v", seed, got, want)
			}
			seg := s.Add([]Column{col}, []Column{col}, times, nil, nil, 0)
			s.Insert(seg, rows, hashes, nil)
			s.Unpin(seg)
			for i := range n {
				held = append(held, row{keys[i], times[i]})
			}
			swept = max(swept, int64(rng.IntN(80)-60))
			visited := 0
			if err := s.Sweep(swept, func(Row) { visited++ }); err != nil {
				t.Fatal(err)
			}
			due := 0
			for _, h := range held {
				if h.time < swept && !marked[h] {
					due++
				}
			}
			for _, h := range held {
				if h.time < swept {
					marked[h] = true
				}
			}
			if visited != due {
				t.Fatalf("seed %d: sweep visited %d rows, want %d", seed, visited, due)
			}
			s.Expire(swept)
			held = slices.DeleteFunc(held, func(h row) bool { return h.time < swept && !s.holds(h.time) })
			if s.Rows() != len(held) {
				t.Fatalf("seed %d: %d rows held, want %d", seed, s.Rows(), len(held))
			}
		}
		s.Expire(math.MaxInt64)
		if s.Rows() != 0 || s.Bytes() != 0 || slices.ContainsFunc(s.segments, func(g *segment) bool { return g != nil }) {
			t.Fatalf("seed %d: the empty store still holds %d rows, %d bytes", seed, s.Rows(), s.Bytes())
		}
	}
}

func (s *Store) holds(t int64) bool {
	return slices.ContainsFunc(s.buckets, func(b *bucket) bool { return t >= b.start && t-b.start < s.width })
}

// BenchmarkStore inserts and probes one row of random keys per operation, at a million live rows.
func BenchmarkStore(b *testing.B) {
	const block, live = 8192, 1 << 20
	s := NewStore(live/2, []arrow.DataType{arrow.PrimitiveTypes.Int64}, 1)
	rng := rand.New(rand.NewPCG(1, 1))
	rows := make([]int32, block)
	for i := range rows {
		rows[i] = int32(i)
	}
	hashes := make([]uint64, block)
	var found []int32
	var held []Row
	now := int64(0)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += block {
		keys, times := make([]int64, block), make([]int64, block)
		for i := range keys {
			keys[i], times[i] = int64(rng.Uint64()), now
			now++
		}
		col := int64s(keys)
		Hash([]Column{col}, block, hashes)
		var err error
		if found, held, err = s.Probe(Every, rows, hashes, times, -live, 0, found[:0], held[:0]); err != nil {
			b.Fatal(err)
		}
		seg := s.Add([]Column{col}, []Column{col}, times, nil, nil, 0)
		s.Insert(seg, rows, hashes, nil)
		s.Unpin(seg)
		s.Expire(now - live)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// TestATableIsAsLargeAsTheOneBeforeNeeded fills buckets alike: but for the first they are three quarters full, and one
// of few rows stays small.
func TestATableIsAsLargeAsTheOneBeforeNeeded(t *testing.T) {
	s := NewStore(1000, []arrow.DataType{arrow.PrimitiveTypes.Int64}, 1)
	fill := func(at int64, n int) *bucket {
		times, hashes, rows := make([]int64, n), make([]uint64, n), make([]int32, n)
		for i := range n {
			times[i], hashes[i], rows[i] = at*1000, mix(0, uint64(at<<32+int64(i))), int32(i)
		}
		c := int64s(times)
		seg := s.Add([]Column{c}, []Column{c}, times, nil, nil, int64(n)*8)
		s.Insert(seg, rows, hashes, nil)
		s.Unpin(seg)
		return s.bucketFor(at * 1000)
	}
	fill(0, 100_000)
	for at := int64(1); at < 6; at++ {
		b := fill(at, 100_000)
		if full := float64(b.used) / float64(len(b.table)); full < 0.69 || full > 0.75 {
			t.Fatalf("bucket %d is %.2f full", at, full)
		}
		if at%2 == 0 {
			s.Expire(at*1000 + 1) // also with no bucket left to learn from
		}
	}
	if b := fill(6, 100); len(b.table) > 300 {
		t.Fatalf("a bucket of 100 rows has %d slots", len(b.table))
	}
}

// TestSnapshotsRestoreAtAnyNumberOfStores fills a store, saves it more than once, and takes it up in one store or
// in several: the rows, their flags and what a probe finds are the same, and saved rows are not written again.
func TestSnapshotsRestoreAtAnyNumberOfStores(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 4))
		types := []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String}
		s := NewStore(1+int64(rng.IntN(20)), types, 1)
		s.Describe([]string{"k", "text"}, []int{0})
		files := map[string][]byte{}
		put := func(name string, data []byte) error {
			if files[name] != nil {
				return fmt.Errorf("%s is written twice", name)
			}
			files[name] = data
			return nil
		}
		var saved *SavedStore
		for step := range 4 {
			n := 1 + rng.IntN(30)
			keys, times, rows := make([]int64, n), make([]int64, n), make([]int32, n)
			text := array.NewStringBuilder(memory.DefaultAllocator)
			for i := range n {
				keys[i], times[i], rows[i] = int64(rng.IntN(9)), int64(rng.IntN(60)), int32(i)
				text.Append(fmt.Sprint("row ", keys[i], " ", times[i]))
			}
			cols := []Column{int64s(keys), View(text.NewArray())}
			hashes := make([]uint64, n)
			Hash(cols[:1], n, hashes)
			seg := s.Add(cols, cols[:1], times, make([]int32, n), times, 0)
			s.Insert(seg, rows, hashes, nil)
			s.Unpin(seg)
			err := s.Sweep(int64(rng.IntN(40)), func(e Row) {
				if rng.IntN(2) == 0 {
					e.Keep()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Expire(int64(rng.IntN(20)))
			if saved, err = s.Snapshot(fmt.Sprint(step)).Write(put); err != nil {
				t.Fatal(err)
			}
		}
		want := dump(t, s)
		shards := 1 + rng.IntN(3)
		var got []string
		for shard := range shards {
			r := NewStore(s.width, []arrow.DataType{types[1], types[0]}, 1)
			r.Describe([]string{"text", "k"}, []int{1}) // in another order
			var marks []byte
			if saved.Marks != nil {
				marks = files[saved.Marks.Name]
			}
			restoring, err := Restore(saved, marks)
			if err != nil {
				t.Fatal(err)
			}
			for n, f := range restoring.Segments() {
				seg, err := OpenSegment(f, files[f.Name])
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Restore(restoring, n, seg, []string{"text", "k"}, func(h uint64) bool { return int(h%uint64(shards)) == shard }); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			got = append(got, dump(t, r)...)
			written := 0
			again, err := r.Snapshot("again").Write(func(string, []byte) error { written++; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if shards == 1 && (written > 1 || len(again.Segments) != len(saved.Segments)) {
				t.Fatalf("seed %d: a restored store wrote %d files anew", seed, written)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: restored\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// dump is every row held with its flags, sorted.
func dump(t *testing.T, s *Store) []string {
	text := slices.IndexFunc(s.types, func(t arrow.DataType) bool { return t.ID() == arrow.STRING })
	var out []string
	err := s.Range(math.MinInt64, math.MaxInt64, func(e Row) {
		p, o := s.Position(e.Ref)
		out = append(out, fmt.Sprintf("%s at %d, hash %x, from %d/%d, matched %v, kept %v, segment time %d",
			s.columns[text][e.Ref.Segment].Bytes(int(e.Ref.Row)), e.Time(), e.Hash, p, o, e.Marked(), e.Kept(), s.TimeOf(e.Ref)))
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestADamagedSegmentIsNamed(t *testing.T) {
	s := NewStore(10, []arrow.DataType{arrow.PrimitiveTypes.Int64}, 1)
	col := int64s([]int64{1, 2, 3})
	seg := s.Add([]Column{col}, []Column{col}, []int64{1, 2, 3}, nil, nil, 0)
	s.Insert(seg, []int32{0, 1, 2}, []uint64{1, 2, 3}, nil)
	files := map[string][]byte{}
	saved, err := s.Snapshot("x").Write(func(name string, data []byte) error { files[name] = data; return nil })
	if err != nil {
		t.Fatal(err)
	}
	data := files[saved.Segments[0].Name]
	for i := range data {
		data[i] ^= 4
		if _, err := OpenSegment(saved.Segments[0], data); err == nil || !strings.Contains(err.Error(), "segments/x.arrow") {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		data[i] ^= 4
	}
}
