package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sort"
	"unsafe"
)

// pack is rows of a chunk on disk. It never changes.
//
// Rows lie one behind the other, all of a row's values together, so that one that is found is read at once. A row is
// numbers and then bytes. The numbers are its hash, where it is from, which of its columns are NULL, and one for each column:
// the value, or how many bytes it is. Each is written as what it is above the least of the pack, in as many bytes as the
// largest needs: one that is always the same takes none.
type pack struct {
	file     *spillFile
	shape    []Column // the columns of its rows, and the keys that are computed, without rows
	from, to int      // in the chunk
	numbers  []number
	fixed    int // the bytes of a row's numbers
	start    int64
	at       []uint32 // where each row begins, from start, and where the last ends
}

// number is how one of the numbers of each row is written.
type number struct {
	least int64
	mask  uint64 // of its bytes
	at    int32  // in the row
}

// The numbers of a row; behind numberNulls come as many as are needed to have a bit for each column, then the columns.
const (
	numberHash = iota
	numberPartition
	numberOffset
	numberNulls
)

// columnNumber is the first number that is of a column.
func columnNumber(columns int) int { return numberNulls + (columns+63)/64 }

// slack is the bytes behind a number that are read and written with it.
const slack = 8

// mostPack is the bytes from where on rows go to another pack: all of one are a record batch of a checkpoint, whose columns
// take less than 2 GiB.
const mostPack = 1 << 30

func (k *pack) bytes() int64 { return int64(k.at[len(k.at)-1]) }

// memory is what a pack takes besides its file.
func (k *pack) memory() int64 {
	return int64(4*cap(k.at) + int(unsafe.Sizeof(number{}))*len(k.numbers))
}

// packOf is the pack that row i of a chunk lies in.
func (c *chunk) packOf(i int) *pack {
	return c.packs[sort.Search(len(c.packs)-1, func(n int) bool { return c.packs[n].to > i })]
}

// bufferBytes is how much is written, and read ahead, at once.
const bufferBytes = 256 << 10

// blockRows is how many rows are taken to numbers, and from them, at once.
const blockRows = 1024

// packer writes rows to a file.
type packer struct {
	s    *Store
	file *spillFile
	at   int64 // where buf will lie
	buf  []byte

	columns [][]*Column // and the keys that are computed
	values  [][]int64   // of the block, by number
	inner   [][]byte    // of the block, by column: its values, where they are neither numbers nor text
}

func newPacker(s *Store, file *spillFile) *packer {
	w := &packer{s: s, file: file, at: file.size, columns: withKeys(s.columns, s.keys, s.keyed)}
	w.values = make([][]int64, columnNumber(len(w.columns))+len(w.columns))
	const apart = blockRows + 8 // were they a power of two apart, they would be in each other's way in the cache
	all := make([]int64, len(w.values)*apart)
	for n := range w.values {
		w.values[n] = all[n*apart:][:blockRows]
	}
	w.inner = make([][]byte, len(w.columns))
	return w
}

func (w *packer) place() int64 { return w.at + int64(len(w.buf)) }

func (w *packer) flush() error {
	err := w.file.write(w.buf, w.at)
	w.at, w.buf = w.place(), w.buf[:0]
	return err
}

// shape is how rows are to lie in columns: text in a dictionary where all of them have the same.
func (w *packer) shape(refs []Ref) []Column {
	var segments []Ref // a row of each
	for rest := refs; len(rest) > 0; rest = rest[len(segmentRun(rest)):] {
		segments = append(segments, rest[0])
	}
	slices.SortFunc(segments, func(a, b Ref) int { return cmp.Compare(a.Segment, b.Segment) })
	segments = slices.CompactFunc(segments, func(a, b Ref) bool { return a.Segment == b.Segment })
	shape := make([]Column, len(w.columns))
	for n, columns := range w.columns {
		shape[n] = columns[refs[0].Segment].emptyText()
		if shape[n].layout == layoutBytes {
			if dict, _ := sharedDictionary(columns, segments); dict != nil {
				shape[n] = Column{layout: layoutCode, dt: dict.dt, kids: []Column{*dict}}
			}
		}
	}
	if !alike(w.s.shape, shape) {
		w.s.shape = shape
	}
	return w.s.shape
}

// pack writes rows of a chunk.
func (w *packer) pack(c *chunk, from, to int) (packs []*pack, err error) {
	k := &pack{file: w.file, shape: w.shape(c.ref[from:to]), from: from, to: to}
	total := w.measure(k, c)
	if total > mostPack && to-from > 1 {
		half := (from + to) / 2
		if packs, err = w.pack(c, from, half); err != nil {
			return nil, err
		}
		more, err := w.pack(c, half, to)
		return append(packs, more...), err
	}
	if total > math.MaxUint32 {
		return nil, fmt.Errorf("a row of %d MiB does not fit into the state", total>>20)
	}
	k.start = w.place()
	k.at = make([]uint32, 0, to-from+1)
	for at := from; at < to; at += blockRows {
		if err := w.write(k, c, at, min(at+blockRows, to)); err != nil {
			return nil, err
		}
	}
	k.at = append(k.at, uint32(w.place()-k.start))
	return []*pack{k}, nil
}

// measure sets how the numbers of a pack are written, and gives the bytes that its rows take.
func (w *packer) measure(k *pack, c *chunk) (total int64) {
	k.numbers = make([]number, len(w.values))
	most := make([]int64, len(w.values))
	for n := range k.numbers {
		k.numbers[n].least, most[n] = math.MaxInt64, math.MinInt64
	}
	first := columnNumber(len(k.shape))
	for at := k.from; at < k.to; at += blockRows {
		rows := min(blockRows, k.to-at)
		w.block(k, c, at, at+rows)
		for n := range k.numbers {
			low, high := k.numbers[n].least, most[n]
			if x := n - first; x >= 0 && w.nulls(x, rows) {
				for i, v := range w.values[n][:rows] {
					if !w.null(x, i) {
						low, high = min(low, v), max(high, v)
					}
				}
			} else {
				for _, v := range w.values[n][:rows] {
					low, high = min(low, v), max(high, v)
				}
			}
			k.numbers[n].least, most[n] = low, high
		}
		for n := range k.shape {
			if !k.shape[n].number() {
				for _, v := range w.values[first+n][:rows] {
					total += v
				}
			}
		}
	}
	for n := range k.numbers {
		x := &k.numbers[n]
		x.at = int32(k.fixed)
		if most[n] > x.least {
			width := (bits.Len64(uint64(most[n])-uint64(x.least)) + 7) / 8
			x.mask = math.MaxUint64 >> (64 - 8*width)
			k.fixed += width
		}
	}
	return total + int64(k.fixed)*int64(k.to-k.from)
}

func (w *packer) null(column, i int) bool {
	return w.values[numberNulls+column>>6][i]>>(column&63)&1 != 0
}

// nulls reports whether a column is NULL in one of the block's rows.
func (w *packer) nulls(column, rows int) bool {
	any := int64(0)
	for _, v := range w.values[numberNulls+column>>6][:rows] {
		any |= v
	}
	return any>>(column&63)&1 != 0
}

// block sets the numbers of some of a chunk's rows.
func (w *packer) block(k *pack, c *chunk, from, to int) {
	for i, h := range c.hash[from:to] {
		w.values[numberHash][i] = int64(h)
	}
	first := columnNumber(len(k.shape))
	for n := numberNulls; n < first; n++ {
		clear(w.values[n])
	}
	for n := range w.inner {
		w.inner[n] = w.inner[n][:0]
	}
	for refs, at := c.ref[from:to], 0; len(refs) > 0; {
		run := segmentRun(refs)
		segment := refs[0].Segment
		for i, r := range run {
			part, offset := w.s.segments[segment].position(r.Row)
			w.values[numberPartition][at+i], w.values[numberOffset][at+i] = int64(part), offset
		}
		for n, columns := range w.columns {
			x := columns[segment]
			if x.nullable() {
				nulls := w.values[numberNulls+n>>6][at:]
				for i, r := range run {
					if x.Null(int(r.Row)) {
						nulls[i] |= 1 << (n & 63)
					}
				}
			}
			w.column(n, k.shape[n].layout, x, run, w.values[first+n][at:at+len(run)])
		}
		refs, at = refs[len(run):], at+len(run)
	}
}

// segmentRun is the rows at the front that are of one segment.
func segmentRun(refs []Ref) []Ref {
	n := 1
	for n < len(refs) && refs[n].Segment == refs[0].Segment {
		n++
	}
	return refs[:n]
}

// column sets the numbers of rows of column n, which is to have a layout and which they have in x: those of values that are
// NULL mean nothing, unless they are lengths.
func (w *packer) column(n int, to layout, x *Column, rows []Ref, out []int64) {
	switch x.layout {
	case layoutNull:
		clear(out)
	case layoutBit:
		for i, r := range rows {
			out[i] = bit(x.data, x.offset+int(r.Row))
		}
	case layout2:
		widen(x.v2(), rows, out)
	case layout4:
		widen(x.v4(), rows, out)
	case layout8:
		widen(x.v8(), rows, out)
	case layoutCode:
		if widen(x.v4(), rows, out); to == layoutBytes {
			for i, r := range rows {
				out[i] = int64(len(x.Bytes(int(r.Row))))
			}
		}
	case layoutBytes:
		for i, r := range rows {
			if out[i] = int64(x.offsets[r.Row+1] - x.offsets[r.Row]); x.valid != nil && x.Null(int(r.Row)) {
				out[i] = 0
			}
		}
	default:
		for i, r := range rows {
			had := len(w.inner[n])
			if !x.Null(int(r.Row)) {
				w.inner[n] = x.put(w.inner[n], int(r.Row))
			}
			out[i] = int64(len(w.inner[n]) - had)
		}
	}
}

func widen[T int16 | int32 | int64](values []T, rows []Ref, out []int64) {
	for i, r := range rows {
		out[i] = int64(values[r.Row])
	}
}

// write writes some of a pack's rows.
func (w *packer) write(k *pack, c *chunk, from, to int) error {
	w.block(k, c, from, to)
	inner := slices.Clone(w.inner)
	first := columnNumber(len(k.shape))
	var lengths []int // the columns whose values are bytes
	for n := range k.shape {
		if !k.shape[n].number() && k.shape[n].layout != layoutNull {
			lengths = append(lengths, n)
		}
	}
	numbers, values := k.numbers, w.values[:len(k.numbers)]
	for i, r := range c.ref[from:to] {
		k.at = append(k.at, uint32(w.place()-k.start))
		had := len(w.buf)
		b := slices.Grow(w.buf, k.fixed+slack)
		row := b[had : had+k.fixed+slack]
		for n := range numbers { // what is written behind a number is overwritten by the next
			x := &numbers[n]
			binary.LittleEndian.PutUint64(row[x.at:], uint64(values[n][i]-x.least))
		}
		b = b[:had+k.fixed]
		for _, n := range lengths {
			length := w.values[first+n][i]
			if k.shape[n].layout != layoutBytes {
				b = append(b, inner[n][:length]...)
				inner[n] = inner[n][length:]
			} else if length > 0 {
				b = append(b, w.columns[n][r.Segment].Bytes(int(r.Row))...)
			}
		}
		if w.buf = b; len(b) >= bufferBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
