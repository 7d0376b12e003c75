package validate

import (
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
)

// entries keeps what the first pass knows of every row of one side, by ranges of the key's hash, in chunks.
// When they are too many for memory, whole ranges go to disk, and what comes for them later goes there too.
//
// An entry is a few words: the key's hash (one word where it identifies the key, else two), the row's hash (two
// words; none for multisets, whose key is the row), and one word with two flags, the sketch and the row's place.
type entries struct {
	layout layout
	shift  uint // the range is the key hash's bits above it
	parts  []entryPart
	chunk  uint // logarithm of the entries of a chunk
	mem    *atomic.Int64
	budget int64
	spill  *spillFile
	arena  *arena

	mu     sync.Mutex
	victim int // ranges from here on are on disk
	free   [][]uint64
}

type layout struct {
	keyWords, hashWords int
}

func (l layout) words() int { return l.keyWords + l.hashWords + 1 }

const (
	placeBits = 64 - sketchBits - 2
	placeMask = 1<<placeBits - 1
	matched   = 1 << 63 // flags of an indexed entry: a row of the other side has its key,
	several   = 1 << 62 // its key occurs twice on one of the sides
)

func sketchOf(meta uint64) uint32 { return uint32(meta >> placeBits & (1<<sketchBits - 1)) }

type entryPart struct {
	mu      sync.Mutex
	chunks  [][]uint64
	extents []extent
	words   int64
	out     bool // on disk, or to go there
	// dir, of an indexed range, says where the entries begin whose keys end in the same bits: those of bits b are
	// dir[b] to dir[b+1].
	dir []uint16
}

type extent struct{ off, words int64 }

// spillFile is a temporary file that many goroutines append to.
type spillFile struct {
	mu  sync.Mutex
	f   *os.File
	dir string
	end int64
}

// spillAlign is what pieces on disk begin at a multiple of: systems keep files by pages, and large ones where they can,
// and a page that is written in two goes is cleared or read before.
const spillAlign = 64 << 10

// write appends b. One at a time writes, for they would wait for each other in the system, and less patiently.
func (s *spillFile) write(b []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil {
		f, err := os.CreateTemp(s.dir, "spill-*")
		if err != nil {
			return 0, fmt.Errorf("spill: %w", err)
		}
		s.f = f
	}
	off := s.end
	s.end = (off + int64(len(b)) + spillAlign - 1) &^ (spillAlign - 1)
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
	tails [][]uint64 // chunks, of which
	used  []int32    // so many words are written
}

func (e *entries) writer() *entryWriter {
	return &entryWriter{e: e, tails: make([][]uint64, len(e.parts)), used: make([]int32, len(e.parts))}
}

// next is where the next entry of a range goes.
func (w *entryWriter) next(p uint64) ([]uint64, error) {
	n, words := int(w.used[p]), w.e.layout.words()
	if n+words > len(w.tails[p]) {
		if err := w.flush(int(p)); err != nil {
			return nil, err
		}
		n = 0
	}
	w.used[p] = int32(n + words)
	return w.tails[p][n : n+words], nil
}

// flush hands a range's chunk over and begins another.
func (w *entryWriter) flush(p int) error {
	e, t := w.e, w.tails[p][:w.used[p]]
	part := &e.parts[p]
	w.used[p] = 0
	if len(t) > 0 {
		part.mu.Lock()
		out := part.out
		if !out {
			part.chunks = append(part.chunks, t)
		}
		part.words += int64(len(t))
		part.mu.Unlock()
		if out {
			off, err := e.spill.write(bytesOf(t))
			if err != nil {
				return err
			}
			part.mu.Lock()
			part.extents = append(part.extents, extent{off, int64(len(t))})
			part.mu.Unlock()
			return nil
		}
	}
	size := e.layout.words() << e.chunk
	if e.mem.Add(int64(size)*8) > e.budget {
		if err := e.evict(); err != nil {
			return err
		}
	}
	e.mu.Lock()
	w.tails[p] = nil
	if n := len(e.free); n > 0 {
		w.tails[p], e.free = e.free[n-1][:size], e.free[:n-1]
	}
	e.mu.Unlock()
	if w.tails[p] == nil {
		c, err := e.arena.words(size)
		if err != nil {
			return err
		}
		w.tails[p] = c
	}
	return nil
}

// evict moves ranges to disk, from the last one down, until the rest fits.
func (e *entries) evict() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []uint64
	for e.mem.Load() > e.budget && e.victim > 0 {
		e.victim--
		part := &e.parts[e.victim]
		part.mu.Lock()
		chunks := part.chunks
		part.chunks, part.out = nil, true
		part.mu.Unlock()
		all = all[:0]
		for _, c := range chunks {
			all = append(all, c...)
			e.mem.Add(-int64(cap(c)) * 8)
		}
		e.free = append(e.free, chunks...)
		if len(all) == 0 {
			continue
		}
		off, err := e.spill.write(bytesOf(all))
		if err != nil {
			return err
		}
		part.mu.Lock()
		part.extents = append(part.extents, extent{off, int64(len(all))})
		part.mu.Unlock()
	}
	return nil
}

// close hands over what is left.
func (w *entryWriter) close() error {
	e := w.e
	for p, t := range w.tails {
		if t == nil {
			continue
		}
		t = t[:w.used[p]]
		w.tails[p], w.used[p] = nil, 0
		part := &e.parts[p]
		part.mu.Lock()
		out := part.out
		if !out && len(t) > 0 {
			part.chunks = append(part.chunks, t)
		}
		part.words += int64(len(t))
		part.mu.Unlock()
		if !out && len(t) > 0 {
			continue
		}
		if len(t) > 0 {
			off, err := e.spill.write(bytesOf(t))
			if err != nil {
				return err
			}
			part.mu.Lock()
			part.extents = append(part.extents, extent{off, int64(len(t))})
			part.mu.Unlock()
		}
		e.mem.Add(-int64(cap(t)) * 8)
		e.mu.Lock()
		e.free = append(e.free, t)
		e.mu.Unlock()
	}
	return nil
}

// load gathers the entries of a range whose next bits are sub (of subs, a power of two), in parts (a power of two, too)
// by the bits behind those. It uses the memory of into again.
func (e *entries) load(p int, into [][]uint64, parts, sub, subs int) ([][]uint64, error) {
	part := &e.parts[p]
	words := e.layout.words()
	for len(into) < parts {
		into = append(into, nil)
	}
	for i := range into {
		into[i] = into[i][:0]
	}
	low := e.shift - uint(bits.Len(uint(subs))-1) // bits above it are the range's and the sub's
	low2 := low - uint(bits.Len(uint(parts))-1)
	add := func(c []uint64) {
		for ; len(c) > 0; c = c[words:] {
			if int(c[0]>>low)&(subs-1) == sub {
				to := &into[int(c[0]>>low2)&(parts-1)]
				*to = append(*to, c[:words]...)
			}
		}
	}
	for _, c := range part.chunks {
		add(c)
	}
	var tmp []uint64
	for _, x := range part.extents {
		tmp = growU64(tmp, int(x.words))
		if _, err := e.spill.f.ReadAt(bytesOf(tmp), x.off); err != nil {
			return into, fmt.Errorf("read spilled rows: %w", err)
		}
		add(tmp)
	}
	return into, nil
}

// drop frees a range.
func (e *entries) drop(p int) {
	e.parts[p].chunks = nil
}

// marks are the rows of one side that the second pass reads again: a bit a row.
type marks struct {
	rowBits uint
	mu      sync.RWMutex // of units
	units   [][]uint64
}

// grow makes room for so many rows of a unit.
func (m *marks) grow(unit int, rows int64) {
	if need := int(rows+63) / 64; need > len(m.units[unit]) {
		m.mu.Lock()
		m.units[unit] = append(m.units[unit], make([]uint64, need-len(m.units[unit]))...)
		m.mu.Unlock()
	}
}

func (m *marks) set(place uint64) {
	unit, row := place>>m.rowBits, place&(1<<m.rowBits-1)
	m.mu.RLock()
	atomic.OrUint64(&m.units[unit][row>>6], 1<<(row&63))
	m.mu.RUnlock()
}

func (m *marks) count(unit int) int {
	n := 0
	for _, w := range m.units[unit] {
		n += bits.OnesCount64(w)
	}
	return n
}

func (m *marks) any() bool {
	for u := range m.units {
		if m.count(u) > 0 {
			return true
		}
	}
	return false
}

// within appends the marked rows among n from row on, counted from there.
func (m *marks) within(out []int32, unit int, row int64, n int) []int32 {
	for i := row; i < row+int64(n); {
		w := m.units[unit][i>>6] >> (i & 63)
		if w == 0 {
			i = i>>6<<6 + 64
			continue
		}
		if i += int64(bits.TrailingZeros64(w)); i < row+int64(n) {
			out = append(out, int32(i-row))
		}
		i++
	}
	return out
}

// match is what some ranges of keys came to.
type match struct {
	equal  int64
	sketch uint32 // columns that may differ in pairs
	sum    uint64 // of all pairs that differ: see deltaSum
	pairs  int64
	dups   bool // some key occurs twice on a side
}

func (m *match) add(o match) {
	m.equal += o.equal
	m.sketch |= o.sketch
	m.sum += o.sum
	m.pairs += o.pairs
	m.dups = m.dups || o.dups
}

// matcher joins the ranges of both sides; its memory is used again for each.
type matcher struct {
	layout   layout
	multiset bool
	marks    [2]*marks
	slots    []uint32
	other    []int32
	dup      []bool
}

// deltaSum hashes the difference of two rows' hashes, left less right: the sum over all pairs tells later
// whether the columns that were read again explain every difference. It is never 0.
func deltaSum(lo, hi uint64) uint64 { return max(1, mix64(lo^mix64(hi+0x632be59bd9b4e019))) }

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
		out.sketch |= sketchOf(e[w-1] ^ x[w-1])
		out.sum += deltaSum(e[k]-x[k], e[k+1]-x[k+1])
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
