package state

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// batch is rows of packs, as they lie on disk, that were read and wait to be unpacked.
type batch struct {
	data []byte
	rows []packedRow
	n    []int // for the one who adds rows: what they are to it

	k           *pack // that was read of last
	first, last int   // the rows that were read
	at          int   // where the first of them is in data

	values, nulls []int64 // scratch
	cursors       []int   // where the values begin that are bytes
}

type packedRow struct {
	k    *pack
	at   int // in data
	time int64
}

// has reports whether a row was read with the last.
func (b *batch) has(k *pack, row int) bool { return b.k == k && row >= b.first && row < b.last }

// full reports whether it is time to unpack, should another row have to be read.
func (b *batch) full() bool { return len(b.rows) >= blockRows || len(b.data) >= bufferBytes }

// read reads a row, and those up to another one as far as there is room.
func (b *batch) read(k *pack, row, until int) error {
	last := row + 1
	for last <= until && k.at[last+1]-k.at[row] <= bufferBytes {
		last++
	}
	b.k, b.at = nil, len(b.data)
	n := b.at + int(k.at[last]-k.at[row])
	b.data = slices.Grow(b.data, n-b.at+slack)[:n]
	err := k.file.read(b.data[b.at:], k.start+int64(k.at[row]))
	if err == nil {
		b.k, b.first, b.last = k, row, last
	}
	return err
}

// add adds a row that was read.
func (b *batch) add(k *pack, row int, time int64) {
	b.rows = append(b.rows, packedRow{k, b.at + int(k.at[row]-k.at[b.first]), time})
}

func (b *batch) clear() {
	b.data, b.rows, b.n, b.k = b.data[:0], b.rows[:0], b.n[:0], nil
}

// numbers are one of the numbers of each row.
func (b *batch) numbers(n int, out []int64) []int64 {
	out = out[:0]
	data := b.data[:cap(b.data)]
	for i := range b.rows {
		r := &b.rows[i]
		x := &r.k.numbers[n]
		out = append(out, int64(binary.LittleEndian.Uint64(data[r.at+int(x.at):])&x.mask)+x.least)
	}
	return out
}

// unpacked is rows that were read from disk: a segment that grows.
type unpacked struct {
	segment
	cols   []Column // the store's, and the keys that are computed
	hashes []uint64
	bytes  int
	shape  []Column // of the last row
}

func unpack(k *pack) *unpacked {
	u := &unpacked{shape: k.shape, segment: segment{parts: []int32{}, offsets: []int64{}}}
	for i := range k.shape {
		u.cols = append(u.cols, k.shape[i].empty())
	}
	return u
}

// unpackedBytes bounds a segment of more than one row.
const unpackedBytes = 64 << 20

// fits reports whether a row of a pack, of so many bytes, can be added.
func (u *unpacked) fits(k *pack, bytes int) bool {
	if u.bytes > 0 && u.bytes+bytes > unpackedBytes {
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

// take adds the rows of a batch, all of which fit, and empties it.
func (u *unpacked) take(b *batch) {
	for i := range b.rows {
		u.times = append(u.times, b.rows[i].time)
		b.cursors = append(b.cursors[:i], b.rows[i].at+b.rows[i].k.fixed)
	}
	b.values = b.numbers(numberHash, b.values)
	for _, v := range b.values {
		u.hashes = append(u.hashes, uint64(v))
	}
	b.values = b.numbers(numberPartition, b.values)
	for _, v := range b.values {
		u.parts = append(u.parts, int32(v))
	}
	b.values = b.numbers(numberOffset, b.values)
	u.offsets = append(u.offsets, b.values...)
	first := columnNumber(len(u.cols))
	var any int64
	for n := range u.cols {
		if n&63 == 0 {
			b.nulls, any = b.numbers(numberNulls+n>>6, b.nulls), 0
			for _, v := range b.nulls {
				any |= v
			}
		}
		b.values = b.numbers(first+n, b.values)
		if c := &u.cols[n]; any>>(n&63)&1 != 0 {
			c.takeSome(b, n&63)
		} else {
			c.takeAll(b)
		}
	}
	b.clear()
}

// takeSome adds the values of a batch's rows, of which a bit says which are NULL.
func (c *Column) takeSome(b *batch, bit int) {
	for i, v := range b.values {
		switch {
		case b.nulls[i]>>bit&1 != 0:
			c.takeNull()
		case c.number():
			c.takeNumber(v)
		default:
			c.takeBytes(b, i, int(v))
		}
	}
}

// takeBytes adds a value that is bytes, length of them.
func (c *Column) takeBytes(b *batch, i, length int) {
	at := b.cursors[i]
	b.cursors[i] += length
	if value := b.data[at : at+length]; c.layout == layoutBytes {
		c.data = append(c.data, value...)
		c.offsets = append(c.offsets, int32(len(c.data)))
		c.taken(true)
	} else {
		c.take(value)
	}
}

// takeAll adds the values of a batch's rows, of which none is NULL.
func (c *Column) takeAll(b *batch) {
	switch c.layout {
	case layout2:
		narrow[int16](c, b.values)
	case layout4, layoutCode:
		narrow[int32](c, b.values)
	case layout8:
		narrow[int64](c, b.values)
	case layoutBit:
		for _, v := range b.values {
			c.takeNumber(v)
		}
		return
	case layoutBytes:
		for i, length := range b.values {
			at := b.cursors[i]
			b.cursors[i] += int(length)
			c.data = append(c.data, b.data[at:b.cursors[i]]...)
			c.offsets = append(c.offsets, int32(len(c.data)))
		}
	default:
		for i, length := range b.values {
			c.takeBytes(b, i, int(length))
		}
		return
	}
	c.n += len(b.values)
	for c.valid != nil && len(c.valid)*8 < c.n {
		c.valid = append(c.valid, 0xff) // its bits behind the last row are set already
	}
}

// narrow adds numbers that are as wide as T.
func narrow[T int16 | int32 | int64](c *Column, values []int64) {
	width := int(unsafe.Sizeof(T(0)))
	had := len(c.data)
	c.data = slices.Grow(c.data, len(values)*width)[:had+len(values)*width]
	for i, out := 0, valuesOf[T](c)[had/width:]; i < len(values); i++ {
		out[i] = T(values[i])
	}
}

func (u *unpacked) clear() {
	u.bytes = 0
	u.times, u.parts, u.offsets, u.hashes = u.times[:0], u.parts[:0], u.offsets[:0], u.hashes[:0]
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
	b := &s.batch
	var into *unpacked
	take := func() {
		if len(b.rows) == 0 {
			return
		}
		at, taken := len(into.times), b.n
		into.take(b)
		for i, n := range taken {
			rows[n].Ref, rows[n].Hash = Ref{into.number, uint32(at + i)}, into.hashes[at+i]
		}
	}
	for n := range rows {
		r := &rows[n]
		c, i := r.chunk()
		if i >= c.spilled {
			r.Ref, r.Hash = c.ref[i], c.hash[i]
			continue
		}
		k := c.packOf(i)
		i -= k.from
		u := s.unpackedFor(k, int(k.at[i+1]-k.at[i]))
		has := b.has(k, i)
		if u != into || b.full() && !has {
			take()
			into, has = u, false
		}
		if !has {
			if err := b.read(k, i, k.until(rows[n:])); err != nil {
				b.clear()
				return err
			}
		}
		b.add(k, i, r.Time())
		b.n = append(b.n, n)
		s.loaded++
	}
	take()
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

// unpackedFor is where a row of a pack, of so many bytes, is to go.
func (s *Store) unpackedFor(k *pack, bytes int) *unpacked {
	for _, u := range s.unpacked {
		if u.fits(k, bytes) {
			u.bytes += bytes
			return u
		}
	}
	u := unpack(k)
	u.rows, u.bytes = 1, bytes
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
	s.unpacked, s.loaded = keep, 0
}
