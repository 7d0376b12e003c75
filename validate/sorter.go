package validate

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// sorter orders the rows that the second pass read by key, side and content, in memory as far as it goes and
// in runs on disk beyond. What comes out does not depend on the order in which rows went in.
//
// A record is its key in canonical form, the side and the cells; whether the cells are of all columns does not
// count for the order.
type sorter struct {
	mu     sync.Mutex
	spill  *spillFile
	runs   []run64
	inMem  [][]byte // sorted arenas
	orders [][]recordRef
}

// recordRef is where a record lies, with the first bytes of its key: they settle most comparisons.
type recordRef struct {
	prefix uint64
	at     uint32
}

// prefixOf orders keys as their bytes do, as far as it goes: NULL is 0 and comes first.
func prefixOf(key []byte) uint64 {
	if len(key) == 0 || key[0] == 0 {
		return 0
	}
	var b [8]byte
	copy(b[:], key[1:])
	return binary.BigEndian.Uint64(b[:])
}

// copy shares what s holds; what is added to one is not in the other.
func (s *sorter) copy() *sorter {
	return &sorter{spill: s.spill, runs: slices.Clone(s.runs), inMem: slices.Clone(s.inMem), orders: slices.Clone(s.orders)}
}

// run64 is a sorted run on disk.
type run64 struct{ off, size int64 }

// sortBuffer is one goroutine's part.
type sortBuffer struct {
	s     *sorter
	limit int
	stay  bool  // in memory, in runs of that limit
	total int64 // bytes that were added
	arena []byte
	index []recordRef
}

const (
	recordHead = 8       // length of the key and of the rest
	wideBit    = 1 << 31 // of the latter
)

func (b *sortBuffer) add(key []byte, side byte, wide bool, cells []byte) error {
	need := recordHead + len(key) + 1 + len(cells)
	b.total += int64(need)
	if len(b.arena)+need > b.limit && len(b.index) > 0 {
		if b.stay {
			b.close()
			b.arena, b.index = make([]byte, 0, b.limit), make([]recordRef, 0, len(b.index)+len(b.index)/8)
		} else if err := b.flush(); err != nil {
			return err
		}
	}
	if need > 1<<30 {
		return fmt.Errorf("a row of %d bytes is too long", need)
	}
	rest := uint32(1 + len(cells))
	if wide {
		rest |= wideBit
	}
	b.index = append(b.index, recordRef{prefixOf(key), uint32(len(b.arena))})
	b.arena = binary.LittleEndian.AppendUint32(b.arena, uint32(len(key)))
	b.arena = binary.LittleEndian.AppendUint32(b.arena, rest)
	b.arena = append(b.arena, key...)
	b.arena = append(b.arena, side)
	b.arena = append(b.arena, cells...)
	return nil
}

type record struct {
	key  []byte
	rest []byte // side, cells
	wide bool   // the cells are of all columns
}

func (r record) side() int     { return int(r.rest[0]) }
func (r record) cells() []byte { return r.rest[1:] }

func (r record) head() [recordHead]byte {
	var head [recordHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(r.key)))
	rest := uint32(len(r.rest))
	if r.wide {
		rest |= wideBit
	}
	binary.LittleEndian.PutUint32(head[4:], rest)
	return head
}

func recordAt(arena []byte, at uint32) record {
	a := arena[at:]
	k, n := binary.LittleEndian.Uint32(a), binary.LittleEndian.Uint32(a[4:])
	wide := n&wideBit != 0
	n &^= wideBit
	return record{a[recordHead : recordHead+k : recordHead+k], a[recordHead+k : recordHead+k+n : recordHead+k+n], wide}
}

func (r record) compare(o record) int {
	if c := bytes.Compare(r.key, o.key); c != 0 {
		return c
	}
	return bytes.Compare(r.rest, o.rest)
}

func (b *sortBuffer) sort() {
	slices.SortFunc(b.index, func(x, y recordRef) int {
		if c := cmp.Compare(x.prefix, y.prefix); c != 0 {
			return c
		}
		return recordAt(b.arena, x.at).compare(recordAt(b.arena, y.at))
	})
}

// flush writes a sorted run.
func (b *sortBuffer) flush() error {
	b.sort()
	out := make([]byte, 0, len(b.arena))
	for _, x := range b.index {
		r := recordAt(b.arena, x.at)
		out = append(out, b.arena[x.at:int(x.at)+recordHead+len(r.key)+len(r.rest)]...)
	}
	off, err := b.s.spill.write(out)
	b.s.mu.Lock()
	b.s.runs = append(b.s.runs, run64{off, int64(len(out))})
	b.s.mu.Unlock()
	b.arena, b.index = b.arena[:0], b.index[:0]
	return err
}

// close hands over what is in memory.
func (b *sortBuffer) close() error {
	if len(b.index) == 0 {
		return nil
	}
	b.sort()
	b.s.mu.Lock()
	b.s.inMem, b.s.orders = append(b.s.inMem, b.arena), append(b.s.orders, b.index)
	b.s.mu.Unlock()
	return nil
}

// cursor walks one run.
type cursor struct {
	arena []byte // in memory
	order []recordRef
	in    *bufio.Reader // on disk
	buf   []byte
	rec   record
}

func (c *cursor) next() (bool, error) {
	if c.in == nil {
		if len(c.order) == 0 {
			return false, nil
		}
		c.rec, c.order = recordAt(c.arena, c.order[0].at), c.order[1:]
		return true, nil
	}
	var head [recordHead]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		if err == io.EOF {
			return false, nil
		}
		return false, fmt.Errorf("read spilled rows: %w", err)
	}
	k, n := int(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:])&^wideBit)
	if cap(c.buf) < k+n {
		c.buf = make([]byte, k+n)
	}
	c.buf = c.buf[:k+n]
	if _, err := io.ReadFull(c.in, c.buf); err != nil {
		return false, fmt.Errorf("read spilled rows: %w", err)
	}
	c.rec = record{c.buf[:k:k], c.buf[k:], head[7]&0x80 != 0}
	return true, nil
}

type cursorHeap []*cursor

func (h cursorHeap) Len() int           { return len(h) }
func (h cursorHeap) Less(i, j int) bool { return h[i].rec.compare(h[j].rec) < 0 }
func (h cursorHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursorHeap) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *cursorHeap) Pop() any {
	x := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return x
}

// maxRuns bounds how many runs are merged at once.
const maxRuns = 64

// compact merges runs until few enough are left to be read side by side.
func (s *sorter) compact() error {
	for len(s.runs) > maxRuns {
		var cs []*cursor
		for _, r := range s.runs[:maxRuns] {
			cs = append(cs, s.disk(r))
		}
		rest := append([]run64(nil), s.runs[maxRuns:]...)
		size := int64(0)
		for _, r := range s.runs[:maxRuns] {
			size += r.size
		}
		s.spill.mu.Lock()
		off := s.spill.end
		s.spill.end += size
		s.spill.mu.Unlock()
		w := bufio.NewWriterSize(&offsetWriter{s.spill, off}, 1<<20)
		err := merge(cs, func(r record) error {
			head := r.head()
			w.Write(head[:])
			w.Write(r.key)
			_, err := w.Write(r.rest)
			return err
		})
		if err == nil {
			err = w.Flush()
		}
		if err != nil {
			return err
		}
		s.runs = append(rest, run64{off, size})
	}
	return nil
}

type offsetWriter struct {
	s   *spillFile
	off int64
}

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.s.f.WriteAt(p, w.off)
	w.off += int64(n)
	return n, err
}

func (s *sorter) disk(r run64) *cursor {
	return &cursor{in: bufio.NewReaderSize(io.NewSectionReader(s.spill.f, r.off, r.size), 64<<10)}
}

func merge(cs []*cursor, do func(record) error) error {
	h := cursorHeap{}
	for _, c := range cs {
		ok, err := c.next()
		if err != nil {
			return err
		}
		if ok {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		c := h[0]
		if err := do(c.rec); err != nil {
			return err
		}
		ok, err := c.next()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return nil
}

// ahead is a run of ordered records in memory of its own.
type ahead struct {
	records []record
	bytes   []byte
}

const (
	aheadRecords = 1024
	aheadBytes   = 256 << 10
)

// each calls do for every record in order; it may be called again. A record is borrowed for the call. While do works,
// a goroutine puts the next ones in order.
func (s *sorter) each(do func(record) error) error {
	var cs []*cursor
	for i := range s.inMem {
		cs = append(cs, &cursor{arena: s.inMem[i], order: s.orders[i]})
	}
	for _, r := range s.runs {
		cs = append(cs, s.disk(r))
	}
	full, empty, stop := make(chan *ahead, 2), make(chan *ahead, 3), make(chan struct{})
	for range cap(empty) {
		empty <- new(ahead)
	}
	var failed error // read behind the end of full
	go func() {
		defer close(full)
		a := <-empty
		failed = merge(cs, func(r record) error {
			if len(a.records) == aheadRecords || len(a.bytes) > aheadBytes {
				full <- a
				select {
				case a = <-empty:
					a.records, a.bytes = a.records[:0], a.bytes[:0]
					if cap(a.bytes) > 4*aheadBytes { // a very long row
						a.bytes = nil
					}
				case <-stop:
					return errStopped
				}
			}
			k, n := len(r.key), len(r.rest)
			a.bytes = append(append(a.bytes, r.key...), r.rest...)
			b := a.bytes[len(a.bytes)-k-n:]
			a.records = append(a.records, record{b[:k:k], b[k:], r.wide})
			return nil
		})
		full <- a
	}()
	var err error
	for a := range full {
		for i := 0; i < len(a.records) && err == nil; i++ {
			if err = do(a.records[i]); err != nil {
				close(stop)
			}
		}
		if err == nil {
			empty <- a
		}
	}
	if err == nil {
		err = failed
	}
	return err
}

var errStopped = errors.New("nobody wants more")
