package state

import (
	"encoding/binary"
	"sort"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
)

// pack is rows of a chunk on disk. It never changes.
type pack struct {
	file       *spillFile
	shape      []Column // the columns of its rows, and the keys that are computed, without rows
	positioned bool
	from, to   int // in the chunk
	start      int64
	at         []uint32 // where each row begins, from start, and where the last ends
}

// mostPack is the bytes from where on rows go to another pack: all of one are a record batch of a checkpoint, whose columns
// take less than 2 GiB.
const mostPack = 1 << 30

func (k *pack) bytes() int64 { return int64(k.at[len(k.at)-1]) }

// memory is what a pack takes besides its file.
func (k *pack) memory() int64 { return int64(4 * cap(k.at)) }

// packOf is the pack that row i of a chunk lies in.
func (c *chunk) packOf(i int) *pack {
	return c.packs[sort.Search(len(c.packs)-1, func(n int) bool { return c.packs[n].to > i })]
}

// bufferBytes is how much is written, and read ahead, at once.
const bufferBytes = 256 << 10

// packer writes rows to a file.
type packer struct {
	s    *Store
	file *spillFile
	at   int64 // where buf will lie
	buf  []byte
}

func (w *packer) place() int64 { return w.at + int64(len(w.buf)) }

func (w *packer) flush() error {
	err := w.file.write(w.buf, w.at)
	w.at, w.buf = w.place(), w.buf[:0]
	return err
}

// piece writes rows of a chunk. They become several packs where the text of some is in another dictionary.
func (w *packer) piece(p *cold) (packs []*pack, err error) {
	step := 512
	if w.s.held/int64(max(w.s.rows-w.s.onDisk, 1)) > 64<<10 {
		step = 16 // text that is gathered at once may take 2 GiB
	}
	var k *pack
	end := func() {
		if k == nil {
			return
		}
		k.at = append(k.at, uint32(w.place()-k.start))
		if alike(w.s.shape, k.shape) {
			k.shape = w.s.shape
		}
		w.s.shape = k.shape
	}
	for from := p.from; from < p.to; from += step {
		to := min(from+step, p.to)
		cols, err := w.s.gatherAll(p.c.ref[from:to])
		if err != nil {
			return nil, err
		}
		for i := from; i < to; i++ {
			if k == nil || i == from && !adoptAll(k.shape, cols) || w.place()-k.start > mostPack {
				end()
				k = &pack{file: w.file, positioned: w.s.positioned, from: i, start: w.place(), at: make([]uint32, 0, p.to-i+1)}
				for n := range cols {
					k.shape = append(k.shape, cols[n].empty())
				}
				packs = append(packs, k)
			}
			k.at = append(k.at, uint32(w.place()-k.start))
			w.put(k, cols, p.c, i, i-from)
			k.to = i + 1
			if len(w.buf) >= bufferBytes {
				if err := w.flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	end()
	return packs, nil
}

// gatherAll copies what is held of rows in memory: the columns, and the keys that are computed.
func (s *Store) gatherAll(refs []Ref) ([]Column, error) {
	var out []Column
	take := func(dt arrow.DataType, columns []*Column) error {
		a, err := GatherCoded(dt, columns, refs)
		if err == nil {
			out = append(out, View(a))
		}
		return err
	}
	for i, t := range s.types {
		if err := take(t, s.columns[i]); err != nil {
			return nil, err
		}
	}
	for k, columns := range s.keys {
		if computed(s.keyed, k) {
			if err := take(s.keyTypes[k], columns); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// put writes row i of a chunk, which is row at of the columns: its hash, where it is from, which of its columns are NULL,
// and the others.
func (w *packer) put(k *pack, cols []Column, c *chunk, i, at int) {
	b := binary.LittleEndian.AppendUint64(w.buf, c.hash[i])
	if k.positioned {
		part, offset := w.s.Position(c.ref[i])
		b = binary.LittleEndian.AppendUint32(b, uint32(part))
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
	}
	nulls := len(b)
	for range (len(cols) + 7) / 8 {
		b = append(b, 0)
	}
	for n := range cols {
		if cols[n].Null(at) {
			b[nulls+n>>3] |= 1 << (n & 7)
		} else {
			b = cols[n].put(b, at)
		}
	}
	w.buf = b
}

// readAhead is bytes of a pack that were read.
type readAhead struct {
	k           *pack
	first, last int // the rows that are there
	data        []byte
}

func (w *readAhead) has(k *pack, row int) bool { return w.k == k && row >= w.first && row < w.last }

// read reads a row, and those up to another one as far as there is room.
func (w *readAhead) read(k *pack, row, until int) error {
	last := row + 1
	for last <= until && k.at[last+1]-k.at[row] <= bufferBytes {
		last++
	}
	w.k = nil
	w.data = resize(w.data, int(k.at[last]-k.at[row]))
	err := k.file.read(w.data, k.start+int64(k.at[row]))
	if err == nil {
		w.k, w.first, w.last = k, row, last
	}
	return err
}

// row is the bytes of a row that was read.
func (w *readAhead) row(row int) []byte {
	from := w.k.at[w.first]
	return w.data[w.k.at[row]-from : w.k.at[row+1]-from]
}

func resize(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// unpacked is rows that were read from disk: a segment that grows.
type unpacked struct {
	segment
	cols  []Column // the store's, and the keys that are computed
	bytes int
	shape []Column // of the last row
}

func unpack(k *pack) *unpacked {
	u := &unpacked{shape: k.shape}
	if k.positioned {
		u.parts, u.offsets = []int32{}, []int64{}
	}
	for i := range k.shape {
		u.cols = append(u.cols, k.shape[i].empty())
	}
	return u
}

// unpackedBytes is from where on rows go to another segment.
const unpackedBytes = 64 << 20

// fits reports whether rows of a pack can be added.
func (u *unpacked) fits(k *pack) bool {
	if u.bytes >= unpackedBytes || k.positioned != (u.offsets != nil) {
		return false
	}
	if unsafe.SliceData(u.shape) != unsafe.SliceData(k.shape) {
		if !adoptAll(u.cols, k.shape) {
			return false
		}
		u.shape = k.shape
	}
	return true
}

// take adds a row of a pack that fits.
func (u *unpacked) take(k *pack, b []byte, t int64) (hash uint64) {
	u.bytes += len(b)
	u.times = append(u.times, t)
	hash, b = binary.LittleEndian.Uint64(b), b[8:]
	if k.positioned {
		u.parts = append(u.parts, int32(binary.LittleEndian.Uint32(b)))
		u.offsets = append(u.offsets, int64(binary.LittleEndian.Uint64(b[4:])))
		b = b[12:]
	}
	nulls, b := b[:(len(u.cols)+7)/8], b[(len(u.cols)+7)/8:]
	for n := range u.cols {
		if nulls[n>>3]&(1<<(n&7)) != 0 {
			u.cols[n].takeNull()
		} else {
			b = u.cols[n].take(b)
		}
	}
	return hash
}

func (u *unpacked) clear() {
	u.bytes = 0
	u.times, u.parts, u.offsets = u.times[:0], u.parts[:0], u.offsets[:0]
	for i := range u.cols {
		u.cols[i].clear()
	}
}

// keysOf are the columns that so many keys are, of the columns that a pack has, whose first are the store's.
func keysOf(cols []Column, width, keys int, keyed []int) []*Column {
	out, next := make([]*Column, keys), width
	for k := range out {
		if computed(keyed, k) {
			out[k] = &cols[next]
			next++
		} else {
			out[k] = &cols[keyed[k]]
		}
	}
	return out
}

// load gives rows their references, reading those that are on disk.
func (s *Store) load(rows []Row) error {
	for n := range rows {
		r := &rows[n]
		c, i := r.chunk()
		if i >= c.spilled {
			r.Ref, r.Hash = c.ref[i], c.hash[i]
			continue
		}
		k := c.packOf(i)
		if !s.ahead.has(k, i-k.from) {
			if err := s.ahead.read(k, i-k.from, k.until(rows[n:])); err != nil {
				return err
			}
		}
		u := s.unpackedFor(k)
		r.Ref = Ref{u.number, uint32(len(u.times))}
		r.Hash = u.take(k, s.ahead.row(i-k.from), c.timeAt(i))
		s.loaded++
	}
	return nil
}

// nearRows is up to how far apart rows are read with those between them.
const nearRows = 16

// until is the last of the rows that lie close behind the first, in its pack.
func (k *pack) until(rows []Row) int {
	c, last := rows[0].chunk()
	for _, r := range rows[1:] {
		if o, i := r.chunk(); o == c && i >= last && i < min(k.to, last+nearRows) {
			last = i
		} else {
			break
		}
	}
	return last - k.from
}

func (s *Store) unpackedFor(k *pack) *unpacked {
	for _, u := range s.unpacked {
		if u.fits(k) {
			return u
		}
	}
	u := unpack(k)
	u.rows = 1
	cols := make([]*Column, len(s.types))
	for i := range cols {
		cols[i] = &u.cols[i]
	}
	u.number = s.add(cols, keysOf(u.cols, len(s.types), len(s.keys), s.keyed), &u.segment)
	s.unpacked = append(s.unpacked, u)
	return u
}

// Loaded is how many rows were read from disk since Unload was called last.
func (s *Store) Loaded() int { return s.loaded }

// Unload ends the references to rows that were read from disk.
func (s *Store) Unload() {
	if len(s.unpacked) == 0 {
		return
	}
	keep := s.unpacked[:0]
	for i, u := range s.unpacked {
		if i == len(s.unpacked)-1 && u.bytes < unpackedBytes && s.onDisk > 0 {
			u.clear() // its memory serves the next
			keep = append(keep, u)
		} else {
			s.Unpin(u.number)
		}
	}
	clear(s.unpacked[len(keep):])
	s.unpacked, s.loaded, s.ahead = keep, 0, readAhead{data: s.ahead.data}
}
