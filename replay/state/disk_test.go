package state

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

var spillTypes = []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String, arrow.ListOf(arrow.PrimitiveTypes.Int64), &arrow.BooleanType{}, arrow.PrimitiveTypes.Int64}

// spillRows are rows of columns with NULLs; the first is the key, and a second key is computed.
func spillRows(rng *rand.Rand, n int, from int64) (cols, keys []Column, times []int64) {
	k, s, l, b, id := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator), array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64), array.NewBooleanBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	second := array.NewStringBuilder(memory.DefaultAllocator)
	for range n {
		key := int64(rng.IntN(7))
		k.Append(key)
		second.Append(fmt.Sprint("key ", key))
		b.Append(rng.IntN(2) == 0)
		id.Append(rng.Int64())
		if rng.IntN(4) == 0 {
			s.AppendNull()
			l.AppendNull()
		} else {
			s.Append(strings.Repeat("x", rng.IntN(40)))
			l.Append(true)
			for range rng.IntN(3) {
				l.ValueBuilder().(*array.Int64Builder).Append(rng.Int64())
			}
		}
		times = append(times, from+int64(rng.IntN(60)))
	}
	cols = []Column{View(k.NewArray()), View(s.NewArray()), View(l.NewArray()), View(b.NewArray()), View(id.NewArray())}
	return cols, []Column{cols[0], View(second.NewArray())}, times
}

// spillPair is a store in memory and one that is on disk whenever it may be.
type spillPair struct {
	t    *testing.T
	seed uint64
	s    [2]*Store
}

func newSpillPair(t *testing.T, seed uint64, width int64, kept bool, dir string) *spillPair {
	p := &spillPair{t: t, seed: seed}
	d, err := NewDisk(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.s {
		p.s[i] = NewStore(width, spillTypes, 2)
		p.s[i].Describe([]string{"k", "s", "l", "b", "id"}, []int{0, -1})
		if kept {
			p.s[i].IndexKept()
		}
	}
	p.s[1].SpillTo(d)
	return p
}

// same holds what do gives for both stores against each other.
func (p *spillPair) same(what string, do func(*Store) any) {
	p.t.Helper()
	if a, b := fmt.Sprint(do(p.s[0])), fmt.Sprint(do(p.s[1])); a != b {
		p.t.Fatalf("seed %d: %s gives %s in memory and %s on disk", p.seed, what, a, b)
	}
}

// rowOf is an entry for people: its content, flags and place.
func rowOf(t testing.TB, s *Store, e Row) string {
	part, off := s.Position(e.Ref)
	out := fmt.Sprintf("[at %d hash %x from %d/%d %v %v segment time %d", e.Time(), e.Hash, part, off, e.Marked(), e.Kept(), s.TimeOf(e.Ref))
	for c := range s.Width() {
		a, err := Gather(s.Type(c), s.Column(c), []Ref{e.Ref})
		if err != nil {
			t.Fatal(err)
		}
		out += " " + a.ValueStr(0)
	}
	return out + "]"
}

// TestAStoreOnDiskIsAStoreInMemory does the same things, drawn at random, to both, and compares all that they give.
func TestAStoreOnDiskIsAStoreInMemory(t *testing.T) {
	dir := t.TempDir()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		p := newSpillPair(t, seed, 1+int64(rng.IntN(30)), rng.IntN(3) == 0, dir)
		swept, gone := int64(-1000), int64(-1000)
		for range 16 {
			n := 1 + rng.IntN(30)
			cols, keys, times := spillRows(rng, n, max(swept, 0))
			rows := make([]int32, 0, n)
			marked := make([]bool, n)
			for i := range n {
				if marked[i] = rng.IntN(4) == 0; rng.IntN(8) > 0 {
					rows = append(rows, int32(i))
				}
			}
			var parts []int32
			var offsets []int64
			if rng.IntN(3) > 0 {
				parts, offsets = make([]int32, n), slices.Clone(times)
			}
			hashes := make([]uint64, n)
			Hash(keys, n, hashes)
			lo := int64(rng.IntN(40) - 30)
			hi := lo + int64(rng.IntN(40))
			p.same("Probe", func(s *Store) any {
				found, held, err := s.Probe(Every, rows, hashes, times, lo, hi, nil, nil)
				var out []string
				for i, r := range found {
					out = append(out, fmt.Sprint(r, s.SameKey(held[i].Ref, keys, int(r)), rowOf(t, s, held[i])))
				}
				slices.Sort(out)
				return append(out, fmt.Sprint(err))
			})
			for _, s := range p.s {
				seg := s.Add(cols, keys, times, parts, offsets, 1+int64(n)*40)
				s.Insert(seg, rows, hashes, marked)
				s.Unpin(seg)
			}
			swept = max(swept, int64(rng.IntN(120))-40)
			keeps := rng.Uint64()
			p.same("Sweep", func(s *Store) any {
				var out []string
				at := s.Step(swept-20, swept)
				err := s.Sweep(at, func(e Row) {
					if (e.Hash^keeps)&3 == 0 {
						if e.Keep(); s.kept {
							s.Index(e, Row{})
						}
					}
					out = append(out, rowOf(t, s, e))
				})
				return fmt.Sprint(at, out, err)
			})
			for _, s := range p.s {
				if err := s.Balance(nil); err != nil {
					t.Fatal(err)
				}
				if rng.IntN(3) == 0 {
					s.Unload()
				}
			}
			if _, rows := p.s[1].Spilled(); rows != p.s[1].Rows() || p.s[1].held != 0 {
				t.Fatalf("seed %d: %d of %d rows are on disk, and %d bytes in memory", seed, rows, p.s[1].Rows(), p.s[1].held)
			}
			p.same("ProbeOne", func(s *Store) any {
				var out []string
				err := s.ProbeOne(hashes[0], lo, hi+40, func(e Row) bool {
					out = append(out, rowOf(t, s, e))
					return true
				})
				slices.Sort(out)
				return append(out, fmt.Sprint(err))
			})
			p.same("Range", func(s *Store) any {
				var out []string
				err := s.Range(lo, hi+40, func(e Row) { out = append(out, rowOf(t, s, e)) })
				return append(out, fmt.Sprint(err))
			})
			p.same("First", func(s *Store) any { first, ok := s.First(lo + 20); return fmt.Sprint(first, ok) })
			if gone = max(gone, int64(rng.IntN(100))-50); rng.IntN(2) == 0 {
				p.same("Expire", func(s *Store) any { expires := s.Expires(gone); s.Expire(gone); return fmt.Sprint(expires, s.Rows()) })
			} else {
				p.same("ExpireKept", func(s *Store) any { s.ExpireKept(gone); return s.Rows() })
			}
		}
		for _, s := range p.s {
			s.Expire(1 << 40)
			s.Unload()
			if on, rows := s.Spilled(); s.Rows() != 0 || s.Bytes() != 0 || on != 0 || rows != 0 || slices.ContainsFunc(s.segments, func(g *segment) bool { return g != nil }) {
				t.Fatalf("seed %d: the empty store still holds %d rows, %d bytes, %d on disk", seed, s.Rows(), s.Bytes(), on)
			}
		}
		if now := p.s[1].disk.now.Load(); now != 0 {
			t.Fatalf("seed %d: %d bytes are still on disk", seed, now)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || runtime.GOOS != "windows" && len(left) > 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
}

// TestNewestIsWhatWasIndexedLast indexes rows by their times and looks for the last of a hash and key. The hashes have one
// tag, whose slots go round the end of the table, and two keys have the same one. Rows go to disk before they are in the
// index or behind it, some in whole chunks, which forget their hashes.
func TestNewestIsWhatWasIndexedLast(t *testing.T) {
	dir := t.TempDir()
	for seed := range uint64(42) {
		rng := rand.New(rand.NewPCG(seed, 6))
		width, rounds, least := 1+int64(rng.IntN(40)), 12, 1
		if seed == 0 {
			width, rounds, least = 10_000, 3, chunkRows
		}
		p := newSpillPair(t, seed, width, true, dir)
		type indexed struct {
			row  string
			time int64
		}
		var last [2]map[int64]indexed
		linked := int64(0)
		for range rounds {
			n := least + rng.IntN(40)
			cols, keys, times := spillRows(rng, n, linked)
			hashes := make([]uint64, n)
			var rows []int32
			for i := range hashes {
				times[i] += mod(-times[i], 20)
				key := cols[0].Int64(i)
				if hashes[i] = ^uint64(min(key, 5)); key < 5 || n < chunkRows || rng.IntN(200) == 0 {
					rows = append(rows, int32(i))
				}
			}
			for _, s := range p.s {
				seg := s.Add(cols, keys, times, nil, nil, 1+int64(n)*40)
				s.Insert(seg, rows, hashes, nil)
				s.Unpin(seg)
			}
			early, to := rng.IntN(2) == 0, linked+int64(rng.IntN(50))
			for i, s := range p.s {
				if early {
					if err := s.Balance(nil); err != nil {
						t.Fatal(err)
					}
				}
				if last[i] == nil {
					last[i] = map[int64]indexed{}
				}
				var rows []Row
				if err := s.Range(linked, to, func(r Row) { rows = append(rows, r) }); err != nil {
					t.Fatal(err)
				}
				slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.Time(), b.Time()) })
				keyOf := func(r Row) int64 { return s.Column(0)[r.Ref.Segment].Int64(int(r.Ref.Row)) }
				for _, r := range rows {
					from, key := r.Time()-int64(rng.IntN(30)), keyOf(r)
					before, found, err := s.Newest(r.Hash, from, func(o Row) bool { return keyOf(o) == key })
					if err != nil {
						t.Fatal(err)
					}
					if want := last[i][key]; found != (want.row != "" && want.time >= from) || found && rowOf(t, s, before) != want.row {
						t.Fatalf("seed %d, store %d: found %v %s, want %v", seed, i, found, rowOf(t, s, before), want)
					}
					s.Index(r, before)
					last[i][key] = indexed{rowOf(t, s, r), r.Time()}
				}
			}
			linked = to
		}
	}
}

// TestLargeBucketsSpillWholeChunks fills a bucket beyond its chunks, with snapshots being written meanwhile, and
// restores what they hold.
func TestLargeBucketsSpillWholeChunks(t *testing.T) {
	p := newSpillPair(t, 1, 1000, false, t.TempDir())
	rng := rand.New(rand.NewPCG(1, 9))
	var mu sync.Mutex
	files := map[string][]byte{}
	put := func(name string, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		files[name] = data
		return nil
	}
	var saved [2]*SavedStore
	for round := range 3 {
		n := 66000 + rng.IntN(2000)
		cols, keys, times := spillRows(rng, n, 0)
		rows, hashes := make([]int32, n), make([]uint64, n)
		for i := range rows {
			rows[i], hashes[i] = int32(i), rng.Uint64()
		}
		for _, s := range p.s {
			seg := s.Add(cols, keys, times, nil, nil, int64(n)*40)
			s.Insert(seg, rows, hashes, nil)
			s.Unpin(seg)
		}
		var work sync.WaitGroup
		for i, s := range p.s {
			snap := s.Snapshot(fmt.Sprintf("%03d/%d", round, i))
			work.Go(func() {
				var err error
				if saved[i], err = snap.Write(put); err != nil {
					t.Error(err)
				}
			})
			if err := s.Balance(nil); err != nil {
				t.Fatal(err)
			}
		}
		p.same("Range", func(s *Store) any {
			sum := int64(0)
			err := s.Range(0, 1000, func(e Row) { sum = sum*31 + s.Column(4)[e.Ref.Segment].Int64(int(e.Ref.Row)) })
			s.Unload()
			return fmt.Sprint(sum, err)
		})
		work.Wait()
	}
	if c := p.s[1].buckets[0].chunks[0]; c.ref != nil {
		t.Error("a chunk that is on disk as a whole still has its references")
	}
	want := dump(t, p.s[0])
	for i := range saved {
		r := newSpillPair(t, 1, 1000, false, t.TempDir()).s[1]
		marks := files[saved[i].Marks.Name]
		restoring, err := Restore(saved[i], marks)
		if err != nil {
			t.Fatal(err)
		}
		for n, f := range restoring.Segments() {
			seg, err := OpenSegment(f, files[f.Name])
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Restore(restoring, n, seg, []string{"k", "s", "l", "b", "id"}, func(uint64) bool { return true }); err != nil {
				t.Fatal(err)
			}
			if err := r.Balance(nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := dump(t, r); !slices.Equal(got, want) {
			t.Fatalf("%d rows restored, want the %d of the store", len(got), len(want))
		}
		if len(r.buckets[0].pieces) == 0 || r.buckets[0].saved != r.rows {
			t.Errorf("%d of %d restored rows would be saved again", r.rows-r.buckets[0].saved, r.rows)
		}
	}
}

// TestARowOnDiskIsReadAtOnce counts the reads: one a row that a probe finds, and few for rows that lie side by side.
func TestARowOnDiskIsReadAtOnce(t *testing.T) {
	reads := 0
	ctx := WithCalls(t.Context(), func(name string, do func() error) error {
		if name == "spill read" {
			reads++
		}
		return do()
	})
	d, err := NewDisk(ctx, t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(1<<40, []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64}, 1)
	s.Describe([]string{"k", "a", "b"}, []int{0})
	s.SpillTo(d)
	const n, turns = 1 << 15, 5
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	var hashes []uint64
	for turn := range turns {
		values := make([]int64, n)
		hashes = make([]uint64, n)
		for i := range values {
			values[i] = int64(turn*n + i)
			hashes[i] = mix(0, uint64(values[i]))
		}
		c := int64s(values)
		seg := s.Add([]Column{c, c, c}, []Column{c}, values, nil, values, 32*n)
		s.Insert(seg, rows, hashes, nil)
		s.Unpin(seg)
	}
	if err := s.Balance(nil); err != nil {
		t.Fatal(err)
	}
	if _, held := s.Spilled(); held != n*turns {
		t.Fatalf("%d of %d rows are on disk", held, n*turns)
	}
	var some []int32
	for i := int32(7); i < n; i += 101 {
		some = append(some, i)
	}
	found, held, err := s.Probe(Every, some, hashes, make([]int64, n), 0, n*turns, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range held {
		want := int64((turns-1)*n) + int64(found[i])
		_, off := s.Position(r.Ref)
		if v := s.columns[2][r.Ref.Segment].Int64(int(r.Ref.Row)); v != want || r.Time() != want || s.TimeOf(r.Ref) != want || off != want {
			t.Fatalf("row %d is %d at %d, %d, offset %d", want, v, r.Time(), s.TimeOf(r.Ref), off)
		}
	}
	if len(held) != len(some) || reads != len(some) {
		t.Errorf("%d rows were found, of %d, by %d reads", len(held), len(some), reads)
	}
	reads = 0
	sum := int64(0)
	if err := s.Range(0, n*turns, func(r Row) { sum += s.columns[0][r.Ref.Segment].Int64(int(r.Ref.Row)) }); err != nil {
		t.Fatal(err)
	}
	if sum != n*turns*(n*turns-1)/2 || reads > n*turns/sweepRows*2 {
		t.Errorf("the rows' sum is %d, by %d reads", sum, reads)
	}
}

// TestAChunkOfAnyTimeSpillsWhole: rows of a chunk may lie further apart than their times take in 32 bits.
func TestAChunkOfAnyTimeSpillsWhole(t *testing.T) {
	for _, apart := range []int64{1, 1 << 20} {
		d, err := NewDisk(t.Context(), t.TempDir(), 0)
		if err != nil {
			t.Fatal(err)
		}
		s := NewStore(1<<40, []arrow.DataType{arrow.PrimitiveTypes.Int64}, 1)
		s.Describe([]string{"k"}, []int{0})
		s.SpillTo(d)
		times, rows, hashes := make([]int64, chunkRows), make([]int32, chunkRows), make([]uint64, chunkRows)
		for i := range rows {
			rows[i], times[i], hashes[i] = int32(i), int64(i)*apart, mix(1, uint64(i))
		}
		seg := s.Add([]Column{int64s(times)}, []Column{int64s(times)}, times, nil, nil, 8*chunkRows)
		s.Insert(seg, rows, hashes, nil)
		s.Unpin(seg)
		if err := s.Balance(nil); err != nil {
			t.Fatal(err)
		}
		if c := s.buckets[0].chunks[0]; c.ref != nil || (c.time == nil) != (apart == 1) {
			t.Errorf("apart %d: references %v, times %v", apart, c.ref != nil, c.time != nil)
		}
		next := int64(0)
		err = s.Sweep(1<<40, func(r Row) {
			if r.Time() != next*apart || s.Column(0)[r.Ref.Segment].Int64(int(r.Ref.Row)) != next*apart || r.Hash != mix(1, uint64(next)) {
				t.Fatalf("row %d is at %d, hash %d", next, r.Time(), r.Hash)
			}
			next++
		})
		if err != nil || next != chunkRows {
			t.Fatalf("%d rows, %v", next, err)
		}
	}
}

// TestHotKeysOnDisk: rows of one hash lie behind several slots, once some of them went to disk.
func TestHotKeysOnDisk(t *testing.T) {
	p := newSpillPair(t, 1, 1<<40, false, t.TempDir())
	rng := rand.New(rand.NewPCG(1, 3))
	for range 4 {
		n := 40_000
		cols, keys, times := spillRows(rng, n, 0)
		rows, hashes := make([]int32, n), make([]uint64, n)
		for i := range rows {
			rows[i] = int32(i)
		}
		Hash(keys, n, hashes)
		for i := range rows { // two hashes of one tag
			if hashes[i] = 1 << 40; i%3 == 0 {
				hashes[i]++
			}
		}
		for _, s := range p.s {
			seg := s.Add(cols, keys, times, nil, nil, int64(n)*40)
			s.Insert(seg, rows, hashes, nil)
			s.Unpin(seg)
			if err := s.Balance(nil); err != nil {
				t.Fatal(err)
			}
		}
		for hash := range uint64(2) {
			p.same("ProbeOne", func(s *Store) any {
				count := 0
				err := s.ProbeOne(1<<40+hash, 0, 100, func(r Row) bool {
					if r.Hash == 1<<40+hash {
						count++
					}
					return true
				})
				s.Unload()
				return fmt.Sprint(count, err)
			})
		}
	}
}

// TestAReadThatFailsIsAnError: of a disk that does not give back what it took.
func TestAReadThatFailsIsAnError(t *testing.T) {
	broken := errors.New("the disk is gone")
	ctx := WithCalls(t.Context(), func(name string, do func() error) error {
		if name == "spill read" {
			return broken
		}
		return do()
	})
	dir := t.TempDir()
	d, err := NewDisk(ctx, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(10, spillTypes, 2)
	s.SpillTo(d)
	cols, keys, times := spillRows(rand.New(rand.NewPCG(1, 1)), 50, 0)
	rows, hashes := make([]int32, 50), make([]uint64, 50)
	for i := range rows {
		rows[i] = int32(i)
	}
	Hash(keys, 50, hashes)
	seg := s.Add(cols, keys, times, nil, nil, 10000)
	s.Insert(seg, rows, hashes, nil)
	s.Unpin(seg)
	if err := s.Balance(nil); err != nil {
		t.Fatal(err)
	}
	_, _, probe := s.Probe(Every, rows, hashes, times, -100, 100, nil, nil)
	_, write := s.Snapshot("x").Write(func(string, []byte) error { return nil })
	for what, err := range map[string]error{
		"Probe": probe, "Write": write, "Sweep": s.Sweep(100, func(Row) {}), "Range": s.Range(0, 100, func(Row) {}),
		"ProbeOne": s.ProbeOne(hashes[0], -100, 100, func(Row) bool { return true }),
	} {
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASegmentIsWrittenInParts(t *testing.T) {
	s := NewStore(1000, []arrow.DataType{arrow.PrimitiveTypes.Int64}, 1)
	n := 100_000
	rows, hashes, times := make([]int32, n), make([]uint64, n), make([]int64, n)
	for i := range rows {
		rows[i], hashes[i] = int32(i), mix(1, uint64(i))
	}
	for range 8 {
		seg := s.Add([]Column{int64s(times)}, []Column{int64s(times)}, times, nil, nil, 64*int64(n)) // wide rows, it says
		s.Insert(seg, rows, hashes, nil)
		s.Unpin(seg)
	}
	total := int64(0)
	saved, err := s.Snapshot("x").Write(func(string, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range saved.Segments {
		total += f.Rows
	}
	if len(saved.Segments) < 3 || total != int64(8*n) {
		t.Fatalf("%d rows in %d segments", total, len(saved.Segments))
	}
}

func TestAFullDiskIsNamed(t *testing.T) {
	dir := t.TempDir()
	d, err := NewDisk(t.Context(), dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.watch = func(name string, do func() error) error {
		if name == "spill write" {
			return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
		}
		return do()
	}
	s := NewStore(10, spillTypes, 2)
	s.SpillTo(d)
	rng := rand.New(rand.NewPCG(1, 1))
	cols, keys, times := spillRows(rng, 500, 0)
	rows, hashes := make([]int32, 500), make([]uint64, 500)
	for i := range rows {
		rows[i] = int32(i)
	}
	seg := s.Add(cols, keys, times, nil, nil, 10000)
	s.Insert(seg, rows, hashes, nil)
	s.Unpin(seg)
	if err = s.Balance(nil); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v", err)
	}
	if on, _ := s.Spilled(); on != 0 || len(dump(t, s)) != 500 {
		t.Fatal("a failed spill changed the store")
	}
}

func TestLeavingsOfDeadProcessesGo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/lockstep-123.spill", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/mine.txt", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDisk(t.Context(), dir, 0); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Fatalf("left: %v", left)
	}
}

// TestTextOnDiskKeepsItsDictionary spills rows whose text is a dictionary, and gathers them with rows in memory.
func TestTextOnDiskKeepsItsDictionary(t *testing.T) {
	if dt := textOnDisk(t, func(w *growingWords, _ int) *growingWords { return w }); dt.ID() != arrow.DICTIONARY {
		t.Errorf("text of one dictionary comes back as %s", dt)
	}
}

// TestTextOfSeveralDictionariesOnDisk is the same for rows next to each other that have different ones, which lie there as
// text.
func TestTextOfSeveralDictionariesOnDisk(t *testing.T) {
	other := newGrowingWords()
	if dt := textOnDisk(t, func(w *growingWords, segment int) *growingWords {
		if segment%2 == 0 {
			return other
		}
		return w
	}); dt.ID() != arrow.STRING {
		t.Errorf("text of two dictionaries comes back as %s", dt)
	}
}

// textOnDisk spills, twice, and gathers text of dictionaries, and gives the type that it has then.
func textOnDisk(t *testing.T, of func(*growingWords, int) *growingWords) arrow.DataType {
	d, err := NewDisk(t.Context(), t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStore(100, []arrow.DataType{arrow.BinaryTypes.String}, 1)
	s.Describe([]string{"k"}, []int{0})
	s.SpillTo(d)
	words := newGrowingWords()
	var want []string
	for seg := range 5 {
		var texts []*string
		var times []int64
		var rows []int32
		hashes := make([]uint64, 50)
		for i := range 50 {
			text := fmt.Sprint("word ", (seg*50+i)%(7+seg))
			want = append(want, text)
			if i%9 == 0 {
				texts, want[len(want)-1] = append(texts, nil), "(null)"
			} else {
				texts = append(texts, &text)
			}
			hashes[i] = uint64(seg*50 + i)
			times, rows = append(times, int64(i)), append(rows, int32(i))
		}
		cols := []Column{View(of(words, seg).code(texts))}
		n := s.Add(cols, cols, times, nil, nil, 1000)
		s.Insert(n, rows, hashes, nil)
		s.Unpin(n)
		if seg == 1 || seg == 3 {
			if err := s.Balance(nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	var refs []Ref
	if err := s.Range(0, 100, func(e Row) { refs = append(refs, e.Ref) }); err != nil {
		t.Fatal(err)
	}
	a, err := GatherCoded(arrow.BinaryTypes.String, s.Column(0), refs)
	if err != nil {
		t.Fatal(err)
	}
	if s.onDisk == 0 || s.onDisk == s.rows {
		t.Errorf("%d of %d rows are on disk", s.onDisk, s.rows)
	}
	plain, err := Plain(a)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if got := plain.ValueStr(i); got != w {
			t.Fatalf("row %d is %s, want %s", i, got, w)
		}
	}
	return a.DataType()
}
