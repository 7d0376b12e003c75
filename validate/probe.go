package validate

import (
	"context"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/errgroup"
)

// The side with fewer rows is indexed in memory, range by range, and the rows of the other side are matched as
// they are read. Rows that match are done with: of the second side nothing is kept. Ranges that are on disk, and
// multisets, are joined at the end instead (run.join).

// index puts the ranges that are in memory in the order of their keys' last bits. Rows of keys that occur twice are
// marked; with skip, rows of units that are twins are matched with their likes.
func (e *entries) index(ctx context.Context, parallelism int, x indexer) (match, error) {
	var next atomic.Int64
	var mu sync.Mutex
	var all match
	g, ctx := errgroup.WithContext(ctx)
	for range parallelism {
		x := x
		g.Go(func() error {
			for ctx.Err() == nil {
				p := int(next.Add(1)) - 1
				if p >= len(e.parts) {
					mu.Lock()
					all.add(x.out)
					mu.Unlock()
					return nil
				}
				if err := x.part(e, &e.parts[p]); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	return all, err
}

// indexer makes the index of ranges; one per goroutine.
type indexer struct {
	first int // the indexed side: 0 or 1
	marks [2]*marks
	skip  []bool // by unit: its rows are matched with those of the same places on the other side
	out   match
	spare [][]uint64 // chunks
}

// indexable says whether a range can be indexed: places in it have sixteen bits.
func (e *entries) indexable(part *entryPart) bool {
	return !part.out && len(part.chunks)<<e.chunk < 1<<16
}

func (x *indexer) part(e *entries, part *entryPart) error {
	if !e.indexable(part) {
		return nil
	}
	w := e.layout.words()
	n := 0
	for _, c := range part.chunks {
		n += len(c) / w
	}
	size := 1 << bits.Len(uint(max(n, 1)-1))
	words, err := e.arena.words(size/4 + 1)
	if err != nil {
		return err
	}
	dir := unsafe.Slice((*uint16)(unsafe.Pointer(&words[0])), size+1)
	mask := uint64(size - 1)
	for _, c := range part.chunks {
		for i := 0; i < len(c); i += w {
			dir[c[i]&mask]++
		}
	}
	sum := uint16(0)
	for i, c := range dir {
		sum += c
		dir[i] = sum
	}
	// The rows move to chunks of the range before, and leave theirs to the next.
	old := part.chunks
	for len(x.spare) < len(old) {
		c, err := e.arena.words(w << e.chunk)
		if err != nil {
			return err
		}
		x.spare = append(x.spare, c)
	}
	part.dir, part.chunks = dir, slices.Clone(x.spare[:len(old)])
	for c := range part.chunks { // full but for the last
		part.chunks[c] = part.chunks[c][:max(0, min((n-c<<e.chunk)*w, w<<e.chunk))]
	}
	for c := range old { // backwards, so that dir has the beginnings in the end
		from := old[len(old)-1-c]
		for i := len(from) - w; i >= 0; i -= w {
			row := from[i : i+w : i+w]
			at := &dir[row[0]&mask]
			*at--
			to := part.chunks[*at>>e.chunk][int(*at)&(1<<e.chunk-1)*w:]
			if w == 4 {
				move4((*[4]uint64)(to), (*[4]uint64)(row))
			} else {
				copy(to, row)
			}
		}
		x.spare[c] = from[:w<<e.chunk]
	}
	if x.skip != nil {
		for i := range n {
			x.pair(e, e.entry(part, i))
		}
	}
	for b := range size {
		from, end := int(dir[b]), int(dir[b+1])
		for i := from + 1; i < end; i++ {
			row := e.entry(part, i)
			for j := from; j < i; j++ {
				if o := e.entry(part, j); e.sameKey(o, row) {
					x.copied(e, o)
					x.copied(e, row)
					x.out.dups = true
					break
				}
			}
		}
	}
	return nil
}

// pair matches a row whose like on the other side is known and not read.
func (x *indexer) pair(e *entries, row []uint64) {
	w, k := len(row), e.layout.keyWords
	place := row[w-1] & placeMask
	if x.skip[place>>x.marks[0].rowBits] {
		row[w-1] |= matched
		row[k], row[k+1] = place, 0
		x.out.equal++
	}
}

// copied marks a row whose key occurs twice.
func (x *indexer) copied(e *entries, row []uint64) {
	w := len(row)
	if row[w-1]&several != 0 {
		return
	}
	place := row[w-1] & placeMask
	if row[w-1]&matched != 0 {
		x.out.equal--
		x.marks[1-x.first].set(place)
	}
	row[w-1] |= several | matched
	x.marks[x.first].set(place)
}

// entry is one of an indexed range.
func (e *entries) entry(part *entryPart, at int) []uint64 {
	w := e.layout.words()
	i := at & (1<<e.chunk - 1) * w
	return part.chunks[at>>e.chunk][i : i+w : i+w]
}

func (e *entries) sameKey(o, x []uint64) bool {
	return o[0] == x[0] && (e.layout.keyWords == 1 || o[1] == x[1])
}

// find returns the first entry of a key, or nil.
func (e *entries) find(part *entryPart, x []uint64) []uint64 {
	b := x[0] & uint64(len(part.dir)-2)
	w, chunk := e.layout.words(), e.chunk
	for i, end := int(part.dir[b]), int(part.dir[b+1]); i < end; i++ {
		o := part.chunks[i>>chunk][i&(1<<chunk-1)*w:]
		if o[0] == x[0] && (e.layout.keyWords == 1 || o[1] == x[1]) {
			return o[:w:w]
		}
	}
	return nil
}

// move4 copies an entry of four words; an assignment would be a call, as both might overlap.
func move4(to, from *[4]uint64) {
	a, b, c, d := from[0], from[1], from[2], from[3]
	to[0], to[1], to[2], to[3] = a, b, c, d
}

// warmRows is how many rows are looked up ahead of their use.
const warmRows = 32

// warm touches the entries that the next rows may meet. Its loads do not wait for each other, where the search for one
// row waits for memory at every step: that is worth most of the time. Where they are is computed in a loop before, for
// the processor looks ahead by instructions: the fewer lie between two loads, the more it has under way.
func (b *prober) warm(part *entryPart, rows []uint64) {
	e, w := b.e, b.e.layout.words()
	mask := uint64(len(part.dir) - 2)
	n := min(len(rows)/w, warmRows)
	var from [warmRows]uint16
	for i, at := 0, 0; i < n; i, at = i+1, at+w {
		from[i&(warmRows-1)] = part.dir[rows[at]&mask]
	}
	last := int(part.dir[mask+1]) - 1
	if last < 0 {
		return
	}
	chunk, within := e.chunk&31, 1<<e.chunk-1
	var at [warmRows]*uint64
	for i, first := range from[:n] {
		x := min(int(first), last) // an empty bucket may be behind the last entry
		at[i] = &part.chunks[x>>chunk][x&within*w]
	}
	var sum uint64
	for _, p := range at[:n] {
		sum += *p
	}
	b.warmed += sum
}

// unmatched marks the indexed rows that met no row of the other side.
func (e *entries) unmatched(m *marks, parallelism int) {
	w := e.layout.words()
	var next atomic.Int64
	var wait sync.WaitGroup
	for range parallelism {
		wait.Go(func() {
			for p := int(next.Add(1)) - 1; p < len(e.parts); p = int(next.Add(1)) - 1 {
				if e.parts[p].dir == nil {
					continue
				}
				for _, c := range e.parts[p].chunks {
					for i := w - 1; i < len(c); i += w {
						if c[i]&matched == 0 {
							m.set(c[i] & placeMask)
						}
					}
				}
			}
		})
	}
	wait.Wait()
}

// probeBatch is how many rows are matched at a time: enough that a range meets many of them at once.
const probeBatch = 1 << 16

// prober matches rows of the second side with the indexed one; one per goroutine.
type prober struct {
	e      *entries
	first  int // the indexed side: 0 or 1
	marks  [2]*marks
	rest   *entryWriter // takes entries of ranges without an index
	batch  []uint64
	sorted []uint64
	count  []int32
	out    match
	warmed uint64 // keeps the compiler from leaving loads out
	// differs is called for the place of each row that is not equal; by default it is marked.
	differs func(place uint64)
}

func (b *prober) full() bool { return len(b.batch) >= probeBatch*b.e.layout.words() }

// flush matches the batch.
func (b *prober) flush() error {
	e, w := b.e, b.e.layout.words()
	if len(b.batch) == 0 {
		return nil
	}
	if b.count == nil {
		b.count = make([]int32, len(e.parts)+1)
	}
	clear(b.count)
	for i := 0; i < len(b.batch); i += w {
		b.count[b.batch[i]>>e.shift+1]++
	}
	for p := range e.parts {
		b.count[p+1] += b.count[p]
	}
	b.sorted = growU64(b.sorted, len(b.batch))
	if w == 4 {
		for i := 0; i+4 <= len(b.batch); i += 4 {
			x := (*[4]uint64)(b.batch[i:])
			at := &b.count[x[0]>>e.shift]
			move4((*[4]uint64)(b.sorted[int(*at)*4:]), x)
			*at++
		}
	} else {
		for i := 0; i < len(b.batch); i += w {
			x := b.batch[i : i+w]
			at := &b.count[x[0]>>e.shift]
			copy(b.sorted[int(*at)*w:], x)
			*at++
		}
	}
	b.batch = b.batch[:0]
	from := 0
	for p := range e.parts { // count[p] is the end of range p now
		end := int(b.count[p]) * w
		if from == end {
			continue
		}
		if e.parts[p].dir != nil {
			b.probe(&e.parts[p], b.sorted[from:end])
			from = end
			continue
		}
		for ; from < end; from += w {
			to, err := b.rest.next(uint64(p))
			if err != nil {
				return err
			}
			copy(to, b.sorted[from:from+w])
		}
	}
	return nil
}

func (b *prober) probe(part *entryPart, rows []uint64) {
	e, w, k := b.e, b.e.layout.words(), b.e.layout.keyWords
	part.mu.Lock()
	defer part.mu.Unlock()
	for i := 0; len(rows) > 0; i, rows = i+1, rows[w:] {
		if i%warmRows == 0 {
			b.warm(part, rows)
		}
		x := rows[:w:w]
		o := e.find(part, x)
		place := x[w-1] & placeMask
		switch {
		case o == nil:
			b.differs(place)
		case o[w-1]&several != 0:
			b.differs(place)
		case o[w-1]&matched != 0: // a second row of this key; the words of the hash hold what the first came to
			o[w-1] |= several
			b.out.dups = true
			b.marks[b.first].set(o[w-1] & placeMask)
			if o[k+1] == 0 {
				b.out.equal--
				b.marks[1-b.first].set(o[k])
			} else { // it was called different, and is marked or read already
				b.out.pairs--
				b.out.sum -= o[k+1]
			}
			b.differs(place)
		case o[k] == x[k] && o[k+1] == x[k+1]:
			b.out.equal++
			o[w-1] |= matched
			o[k], o[k+1] = place, 0
		default:
			b.out.pairs++
			b.out.sketch |= sketchOf(o[w-1] ^ x[w-1])
			lo, hi := o[k]-x[k], o[k+1]-x[k+1]
			if b.first == 1 {
				lo, hi = -lo, -hi
			}
			d := deltaSum(lo, hi)
			b.out.sum += d
			o[w-1] |= matched
			o[k], o[k+1] = place, d
			b.marks[b.first].set(o[w-1] & placeMask)
			b.differs(place)
		}
	}
}
