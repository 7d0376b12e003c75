package validate

import (
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// entries keeps what the first pass knows of every row of one side, by ranges of the key's hash, in chunks
// that go to disk once they are too many for memory.
//
// An entry is a few words: the key's hash (one word where it identifies the key, else two), the row's hash (two
// words; none for multisets, whose key is the row), and one word with the sketch above and the row's place below.
type entries struct {
	layout layout
	shift  uint // the range is the key hash's bits above it
	parts  []entryPart
	chunk  int // words of a chunk
	mem    *atomic.Int64
	budget int64
	spill  *spillFile
}

type layout struct {
	keyWords, hashWords int
}

func (l layout) words() int { return l.keyWords + l.hashWords + 1 }

const placeBits = 64 - sketchBits

type entryPart struct {
	mu      sync.Mutex
	chunks  [][]uint64
	extents []extent
	words   int64
}

type extent struct{ off, words int64 }

// spillFile is a temporary file that many goroutines append to.
type spillFile struct {
	mu  sync.Mutex
	f   *os.File
	dir string
	end int64
}

func (s *spillFile) write(b []byte) (int64, error) {
	s.mu.Lock()
	if s.f == nil {
		f, err := os.CreateTemp(s.dir, "spill-*")
		if err != nil {
			s.mu.Unlock()
			return 0, fmt.Errorf("spill: %w", err)
		}
		s.f = f
	}
	off := s.end
	s.end += int64(len(b))
	s.mu.Unlock()
	if _, err := s.f.WriteAt(b, off); err != nil {
		return 0, withHint(fmt.Errorf("spill: %w", err), "give more room with TMPDIR, or more memory with --memory")
	}
	return off, nil
}

func (s *spillFile) close() {
	if s.f != nil {
		s.f.Close()
		os.Remove(s.f.Name())
	}
}

// entryWriter is one goroutine's way into entries.
type entryWriter struct {
	e     *entries
	tails [][]uint64
}

func (e *entries) writer() *entryWriter {
	return &entryWriter{e: e, tails: make([][]uint64, len(e.parts))}
}

// flush hands a full or last chunk over.
func (w *entryWriter) flush(p int, last bool) error {
	t := w.tails[p]
	if len(t) == 0 {
		return nil
	}
	part := &w.e.parts[p]
	size := int64(cap(t)) * 8
	if w.e.mem.Add(size) > w.e.budget {
		w.e.mem.Add(-size)
		off, err := w.e.spill.write(bytesOf(t))
		if err != nil {
			return err
		}
		part.mu.Lock()
		part.extents = append(part.extents, extent{off, int64(len(t))})
		part.words += int64(len(t))
		part.mu.Unlock()
		w.tails[p] = t[:0]
		return nil
	}
	if last && len(t) < cap(t)/2 {
		t = append(make([]uint64, 0, len(t)), t...)
		w.e.mem.Add(int64(cap(t))*8 - size)
	}
	part.mu.Lock()
	part.chunks = append(part.chunks, t)
	part.words += int64(len(t))
	part.mu.Unlock()
	w.tails[p] = nil
	return nil
}

func (w *entryWriter) close() error {
	for p := range w.tails {
		if err := w.flush(p, true); err != nil {
			return err
		}
		w.tails[p] = nil
	}
	return nil
}

// load gathers the entries of a range whose next bits are sub (of subs, a power of two).
func (e *entries) load(p int, buf []uint64, sub, subs int) ([]uint64, error) {
	part := &e.parts[p]
	words := e.layout.words()
	buf = buf[:0]
	if subs == 1 {
		if int64(cap(buf)) < part.words {
			buf = make([]uint64, 0, part.words)
		}
		for _, c := range part.chunks {
			buf = append(buf, c...)
		}
		for _, x := range part.extents {
			at := len(buf)
			buf = buf[:at+int(x.words)]
			if _, err := e.spill.f.ReadAt(bytesOf(buf[at:]), x.off); err != nil {
				return buf, fmt.Errorf("read spilled rows: %w", err)
			}
		}
		return buf, nil
	}
	low := e.shift - uint(bits.Len(uint(subs))-1)
	keep := func(c []uint64) {
		for ; len(c) > 0; c = c[words:] {
			if int(c[0]>>low)&(subs-1) == sub {
				buf = append(buf, c[:words]...)
			}
		}
	}
	for _, c := range part.chunks {
		keep(c)
	}
	var tmp []uint64
	for _, x := range part.extents {
		tmp = growU64(tmp, int(x.words))
		if _, err := e.spill.f.ReadAt(bytesOf(tmp), x.off); err != nil {
			return buf, fmt.Errorf("read spilled rows: %w", err)
		}
		keep(tmp)
	}
	return buf, nil
}

// drop frees a range.
func (e *entries) drop(p int) {
	for _, c := range e.parts[p].chunks {
		e.mem.Add(-int64(cap(c)) * 8)
	}
	e.parts[p].chunks = nil
}

// marks are the rows of one side that the second pass reads again: a bit a row.
type marks struct {
	rowBits uint
	units   [][]uint64
}

func (m *marks) set(place uint64) {
	unit, row := place>>m.rowBits, place&(1<<m.rowBits-1)
	atomic.OrUint64(&m.units[unit][row>>6], 1<<(row&63))
}

func (m *marks) count(unit int) int {
	n := 0
	for _, w := range m.units[unit] {
		n += bits.OnesCount64(w)
	}
	return n
}

func (m *marks) has(unit int, row int64) bool {
	return m.units[unit][row>>6]>>(row&63)&1 == 1
}

// match is what one range of keys came to.
type match struct {
	equal  int64
	sketch uint32 // columns that may differ in pairs
	sumLo  uint64 // of all pairs that differ: see deltaSum
	sumHi  uint64
	pairs  int64
	dups   bool // some key occurs twice on a side
}

// matcher joins the ranges of both sides; its memory is used again for each.
type matcher struct {
	layout   layout
	multiset bool
	marks    *[2]marks
	slots    []uint32
	other    []int32
	dup      []bool
}

// deltaSum hashes the difference of two rows' hashes: the sum over all pairs tells later whether the columns
// that were read again explain every difference.
func deltaSum(lo, hi uint64) (uint64, uint64) {
	a := mix64(lo ^ mix64(hi+0x632be59bd9b4e019))
	b := mix64(hi ^ mix64(lo+0xa0761d6478bd642f))
	return a, b
}

const placeMask = 1<<placeBits - 1

// run joins l with r.
func (m *matcher) run(l, r []uint64, out *match) {
	w := m.layout.words()
	nl, nr := len(l)/w, len(r)/w
	size := 1 << bits.Len(uint(max(nl+nr, 4)*3/2))
	if cap(m.slots) < size {
		m.slots = make([]uint32, size)
	}
	m.slots = m.slots[:size]
	clear(m.slots)
	if cap(m.other) < nl+nr {
		m.other, m.dup = make([]int32, nl+nr), make([]bool, nl+nr)
	}
	m.other, m.dup = m.other[:nl+nr], m.dup[:nl+nr]
	for i := range m.other {
		m.other[i] = -1
	}
	clear(m.dup)
	entry := func(i int) []uint64 {
		if i < nl {
			return l[i*w : i*w+w]
		}
		return r[(i-nl)*w : (i-nl)*w+w]
	}
	mask := uint64(size - 1)
	two := m.layout.keyWords == 2
	// find returns the first entry of e's key, or stores i as it.
	find := func(e []uint64, i int) int {
		for s := (e[0] * 0x9e3779b97f4a7c15 >> 20) & mask; ; s = (s + 1) & mask {
			x := m.slots[s]
			if x == 0 {
				m.slots[s] = uint32(i + 1)
				return i
			}
			if o := entry(int(x - 1)); o[0] == e[0] && (!two || o[1] == e[1]) {
				return int(x - 1)
			}
		}
	}
	place := func(i int) uint64 { return entry(i)[w-1] & placeMask }
	mark := func(i int) {
		if i < nl {
			m.marks[0].set(place(i))
		} else {
			m.marks[1].set(place(i))
		}
	}
	if m.multiset {
		m.runMultiset(nl, nr, entry, find, mark, out)
		return
	}
	for i := range nl {
		if f := find(entry(i), i); f != i {
			m.dup[f], out.dups = true, true
			mark(i)
		}
	}
	for j := nl; j < nl+nr; j++ {
		f := find(entry(j), j)
		switch {
		case f == j:
		case f >= nl, m.other[f] >= 0:
			m.dup[f], out.dups = true, true
			mark(j)
		default:
			m.other[f] = int32(j)
		}
	}
	k := m.layout.keyWords
	for i := range nl {
		e := entry(i)
		o := m.other[i]
		if o < 0 {
			// A copy of an earlier key was marked above; this is the first of its key, or alone.
			if f := find(e, i); f == i {
				mark(i)
			}
			continue
		}
		if m.dup[i] {
			mark(i)
			mark(int(o))
			continue
		}
		x := entry(int(o))
		if e[k] == x[k] && e[k+1] == x[k+1] {
			out.equal++
			continue
		}
		mark(i)
		mark(int(o))
		out.pairs++
		out.sketch |= uint32((e[w-1] ^ x[w-1]) >> placeBits)
		lo, hi := deltaSum(e[k]-x[k], e[k+1]-x[k+1])
		out.sumLo += lo
		out.sumHi += hi
	}
	for j := nl; j < nl+nr; j++ {
		if f := find(entry(j), j); f == j {
			mark(j)
		}
	}
}

// runMultiset pairs copies of equal rows; the rest is on one side only. Copies are alike, so it does not matter
// which of them are the rest.
func (m *matcher) runMultiset(nl, nr int, entry func(int) []uint64, find func([]uint64, int) int, mark func(int), out *match) {
	for i := range nl {
		f := find(entry(i), i)
		if f != i { // chain: the first keeps the number of the last copy
			m.other[i] = m.other[f]
			m.other[f] = int32(i)
		}
	}
	for j := nl; j < nl+nr; j++ {
		f := find(entry(j), j)
		switch {
		case f >= nl:
			mark(j)
		case m.other[f] >= 0:
			last := m.other[f]
			m.other[f] = m.other[last]
			m.dup[last] = true // dup: taken
			out.equal++
		case !m.dup[f]:
			m.dup[f] = true
			out.equal++
		default:
			mark(j)
		}
	}
	for i := range nl {
		if !m.dup[i] {
			mark(i)
		}
	}
}
