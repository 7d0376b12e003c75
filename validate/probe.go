package validate

import (
	"context"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/errgroup"
)

// The side with fewer rows is indexed in memory, range by range, and the rows of the other side are matched as
// they are read. Rows that match are done with: of the second side nothing is kept. Ranges that are on disk, and
// multisets, are joined at the end instead (run.join).

// index builds the hash tables of the ranges that are in memory. Rows of keys that occur twice are marked.
func (e *entries) index(ctx context.Context, parallelism int, m *marks) (match, error) {
	var next atomic.Int64
	var dups atomic.Bool
	g, ctx := errgroup.WithContext(ctx)
	for range parallelism {
		g.Go(func() error {
			for ctx.Err() == nil {
				p := int(next.Add(1)) - 1
				if p >= len(e.parts) {
					return nil
				}
				twice, err := e.indexPart(&e.parts[p], m)
				if err != nil {
					return err
				}
				if twice {
					dups.Store(true)
				}
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	return match{dups: dups.Load()}, err
}

func (e *entries) indexPart(part *entryPart, m *marks) (dups bool, err error) {
	if part.out || len(part.chunks)<<e.chunk >= 1<<16 {
		return false, nil
	}
	w := e.layout.words()
	size := 16
	for int64(size)*2 < part.words/int64(w)*3 {
		size *= 2
	}
	words, err := e.arena.words(size / 2)
	if err != nil {
		return false, err
	}
	slots, mask := unsafe.Slice((*uint32)(unsafe.Pointer(&words[0])), size), uint64(size-1)
	part.slots = slots
	two := e.layout.keyWords == 2
	for c, chunk := range part.chunks {
		for i := 0; i < len(chunk); i += w {
			x := chunk[i : i+w]
			tag := tagOf(x[0])
			s := x[0] & mask
			for ; slots[s] != 0; s = (s + 1) & mask {
				if slots[s]&tagMask != tag {
					continue
				}
				o := e.entry(part, slots[s])
				if o[0] == x[0] && (!two || o[1] == x[1]) {
					o[w-1] |= several | matched
					x[w-1] |= several | matched
					m.set(o[w-1] & placeMask)
					m.set(x[w-1] & placeMask)
					dups = true
					break
				}
			}
			if slots[s] == 0 {
				slots[s] = tag | uint32(c<<e.chunk|i/w) + 1
			}
		}
	}
	return dups, nil
}

const tagMask = 0xffff0000

// tagOf is some of a key's bits, other than those that choose its range and its slot.
func tagOf(key uint64) uint32 { return uint32(key>>16) & tagMask }

// entry is what a slot refers to.
func (e *entries) entry(part *entryPart, slot uint32) []uint64 {
	w := e.layout.words()
	at := slot&^tagMask - 1
	i := int(at) & (1<<e.chunk - 1) * w
	return part.chunks[at>>e.chunk][i : i+w : i+w]
}

// find returns the entry of a key, or nil.
func (b *prober) find(part *entryPart, x []uint64) []uint64 {
	mask := uint64(len(part.slots) - 1)
	tag := tagOf(x[0])
	for s := x[0] & mask; part.slots[s] != 0; s = (s + 1) & mask {
		if part.slots[s]&tagMask == tag {
			if o := b.e.entry(part, part.slots[s]); b.sameKey(o, x) {
				return o
			}
		}
	}
	return nil
}

func (b *prober) sameKey(o, x []uint64) bool {
	return o[0] == x[0] && (b.e.layout.keyWords == 1 || o[1] == x[1])
}

// warmRows is how many rows are looked up ahead of their use.
const warmRows = 32

// warm finds for each of the next rows the first slot that may be its own, 0 if there is none. Its loads do not wait
// for each other, where the search for one row waits for memory at every step: that is worth most of the time.
func (b *prober) warm(part *entryPart, rows []uint64) {
	e, w := b.e, b.e.layout.words()
	mask := uint64(len(part.slots) - 1)
	n := min(len(rows)/w, warmRows)
	var sum uint64
	for i := range n {
		sum += uint64(part.slots[rows[i*w]&mask])
	}
	for i := range n {
		key := rows[i*w]
		tag := tagOf(key)
		s := key & mask
		for part.slots[s] != 0 && part.slots[s]&tagMask != tag {
			s = (s + 1) & mask
		}
		slot := part.slots[s]
		b.slots[i] = slot
		if slot != 0 {
			at := slot&^tagMask - 1
			sum += part.chunks[at>>e.chunk][int(at)&(1<<e.chunk-1)*w]
		}
	}
	b.warmed += sum
}

// unmatched marks the indexed rows that met no row of the other side.
func (e *entries) unmatched(m *marks) {
	w := e.layout.words()
	for p := range e.parts {
		if e.parts[p].slots == nil {
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
	slots  [warmRows]uint32
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
			*(*[4]uint64)(b.sorted[int(*at)*4:]) = *x
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
		if e.parts[p].slots != nil {
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
	for at := 0; len(rows) > 0; at, rows = at+1, rows[w:] {
		if at&(warmRows-1) == 0 {
			b.warm(part, rows)
		}
		x := rows[:w:w]
		var o []uint64
		if slot := b.slots[at&(warmRows-1)]; slot != 0 {
			if o = e.entry(part, slot); !b.sameKey(o, x) {
				o = b.find(part, x)
			}
		}
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
