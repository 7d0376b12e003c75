package state

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

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
	n := int(k.at[last] - k.at[row])
	w.data = slices.Grow(w.data[:0], n)[:n]
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

// unpackedBytes bounds a segment of more than one row.
const unpackedBytes = 64 << 20

// fits reports whether a row of a pack, of so many bytes, can be added.
func (u *unpacked) fits(k *pack, bytes int) bool {
	if u.bytes > 0 && u.bytes+bytes > unpackedBytes || k.positioned != (u.offsets != nil) {
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

// keysOf are the columns that the keys are, of those that withKeys names.
func (s *Store) keysOf(cols []*Column) []*Column {
	out, next := make([]*Column, len(s.keys)), len(s.types)
	for k := range out {
		if computed(s.keyed, k) {
			out[k] = cols[next]
			next++
		} else {
			out[k] = cols[s.keyed[k]]
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
		b := s.ahead.row(i - k.from)
		u := s.unpackedFor(k, len(b))
		r.Ref = Ref{u.number, uint32(len(u.times))}
		r.Hash = u.take(k, b, c.timeAt(i))
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

// unpackedFor is where a row of a pack is to go.
func (s *Store) unpackedFor(k *pack, bytes int) *unpacked {
	for _, u := range s.unpacked {
		if u.fits(k, bytes) {
			return u
		}
	}
	u := unpack(k)
	u.rows = 1
	cols := pointers(u.cols)
	u.number = s.add(cols[:len(s.types)], s.keysOf(cols), &u.segment)
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
		if i == len(s.unpacked)-1 && u.bytes <= unpackedBytes && s.onDisk > 0 {
			u.clear() // its memory serves the next
			keep = append(keep, u)
		} else {
			s.Unpin(u.number)
		}
	}
	clear(s.unpacked[len(keep):])
	s.unpacked, s.loaded, s.ahead = keep, 0, readAhead{data: s.ahead.data}
}
