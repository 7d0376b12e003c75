package state

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
)

// Store holds one side of an operator: rows of one schema by hash and event time. It is used by one goroutine.
type Store struct {
	width    int64
	types    []arrow.DataType
	segments []*segment
	free     []uint32
	columns  [][]*Column // by column, by segment: what Gather wants
	keys     [][]*Column // likewise, of the key columns
	buckets  []*bucket   // by start
	last     *bucket
	lastUsed int // slots that the bucket used which was dropped last
	rows     int
	index    int64    // memory of the buckets, and of what leads to columns
	held     int64    // memory of the segments' columns
	names    []string // see Describe
	keyed    []int
	keyTypes []arrow.DataType // once there was a row
	kept     bool             // see IndexKept

	// positioned is whether rows know where they came from.
	positioned bool

	disk     *Disk // see SpillTo
	told     int64 // the memory that disk was told of
	packed   int64 // bytes of rows that lie on disk
	onDisk   int   // how many those are
	file     *spillFile
	shape    []Column    // of the pack that was written last
	unpacked []*unpacked // rows that were read from disk
	loaded   int
	batch    batch

	slots []uint64 // scratch of Probe and Insert
	live  []int32
	at    []int32
	swept []Row // of Sweep and Range
	chain []Row // of ProbeOne
}

type segment struct {
	number  uint32
	times   []int64
	parts   []int32
	offsets []int64
	rows    int   // how many are still in a bucket, and one more while pinned
	bytes   int64 // of the columns
	views   int64 // of the Columns themselves
}

// Entry is a row's place in a store, valid until the bucket is dropped.
type Entry struct {
	b *bucket
	i int32
}

// Row is a row that was found.
type Row struct {
	Entry
	// Ref is where its columns are: until rows are spilled, and where it was read from disk for it, until Unload.
	Ref Ref
	// Hash is what it was inserted under.
	Hash uint64
}

func (e Entry) chunk() (*chunk, int) { return e.b.chunks[e.i>>chunkBits], int(e.i & (chunkRows - 1)) }

// Time is the row's event time in microseconds.
func (e Entry) Time() int64 {
	c, i := e.chunk()
	return c.timeAt(i)
}

// Mark notes that the row has a partner.
func (e Entry) Mark() {
	c, i := e.chunk()
	c.matched[i>>6] |= 1 << (i & 63)
}

// Marked reports whether Mark was called, or Sweep has visited the row.
func (e Entry) Marked() bool {
	c, i := e.chunk()
	return c.matched[i>>6]&(1<<(i&63)) != 0
}

// Keep sets the row's second flag, which Kept reads; what it means is the operator's affair.
func (e Entry) Keep() {
	c, i := e.chunk()
	c.kept[i>>6] |= 1 << (i & 63)
}

// Kept reports whether Keep was called.
func (e Entry) Kept() bool {
	c, i := e.chunk()
	return c.kept[i>>6]&(1<<(i&63)) != 0
}

// NewStore makes an empty store whose buckets are width microseconds wide, for rows of these columns.
func NewStore(width int64, types []arrow.DataType, keys int) *Store {
	return &Store{
		width: max(width, 1), types: types,
		columns: make([][]*Column, len(types)), keys: make([][]*Column, keys),
	}
}

// IndexKept makes a store whose probes find those rows alone that were given to Index, and of a checkpoint those that were
// kept: rows that wait cost a probe nothing, however many have one hash. It is called before the first row comes.
func (s *Store) IndexKept() { s.kept = true }

// Width is the number of columns.
func (s *Store) Width() int { return len(s.types) }

// Rows is the number of rows held.
func (s *Store) Rows() int { return s.rows }

// Bytes estimates the memory held: the index, and the columns of the segments in memory that still have a row.
func (s *Store) Bytes() int64 { return s.index + s.held }

// Spilled is the bytes on disk, and the rows they are.
func (s *Store) Spilled() (bytes int64, rows int) { return s.packed, s.onDisk }

// Column is one column of every segment, by segment number; for Gather.
func (s *Store) Column(i int) []*Column { return s.columns[i] }

// Type is a column's type.
func (s *Store) Type(i int) arrow.DataType { return s.types[i] }

// Add makes a segment of rows that Insert may refer to. The arrays are kept, not copied; parts and offsets may
// be nil. The segment stays until Unpin was called and none of its rows is held.
func (s *Store) Add(cols, keys []Column, times []int64, parts []int32, offsets []int64, bytes int64) uint32 {
	s.held += bytes
	s.positioned = s.positioned || offsets != nil
	if s.keyTypes == nil {
		s.keyTypes = make([]arrow.DataType, len(keys))
		for i := range keys {
			s.keyTypes[i] = keys[i].dt
		}
	}
	return s.add(pointers(cols), pointers(keys), &segment{times: times, parts: parts, offsets: offsets, bytes: bytes, rows: 1})
}

func pointers(cols []Column) []*Column {
	out := make([]*Column, len(cols))
	for i := range cols {
		out[i] = &cols[i]
	}
	return out
}

func (s *Store) add(cols, keys []*Column, seg *segment) uint32 {
	var n uint32
	if k := len(s.free); k > 0 {
		n, s.free = s.free[k-1], s.free[:k-1]
		s.segments[n] = seg
	} else {
		n = uint32(len(s.segments))
		s.segments = append(s.segments, seg)
		for i := range s.columns {
			s.columns[i] = append(s.columns[i], nil)
		}
		for i := range s.keys {
			s.keys[i] = append(s.keys[i], nil)
		}
	}
	for i, c := range cols {
		s.columns[i][n] = c
		seg.views += c.viewBytes()
	}
	for i, c := range keys {
		s.keys[i][n] = c
		seg.views += c.viewBytes()
	}
	s.index += seg.views
	return n
}

// Position is the partition and offset a row came from, -1 where unknown.
func (s *Store) Position(r Ref) (partition int32, offset int64) {
	return s.segments[r.Segment].position(r.Row)
}

func (g *segment) position(row uint32) (partition int32, offset int64) {
	partition, offset = -1, -1
	if g.parts != nil {
		partition = g.parts[row]
	}
	if g.offsets != nil {
		offset = g.offsets[row]
	}
	return partition, offset
}

// Positioned reports whether rows know where they came from.
func (s *Store) Positioned() bool { return s.positioned }

// TimeOf is a row's event time.
func (s *Store) TimeOf(r Ref) int64 { return s.segments[r.Segment].times[r.Row] }

// Unpin lets a segment go with its last row; references to rows that were never inserted end here.
func (s *Store) Unpin(seg uint32) { s.drop(seg, 1) }

func (s *Store) drop(seg uint32, rows int) {
	sg := s.segments[seg]
	if sg.rows -= rows; sg.rows == 0 {
		s.release(seg)
	}
}

// Insert indexes rows of a segment under their hashes (hashes[row]). marked[row], where marked is not nil, says
// that the row has a partner already. No row may lie before a time that was swept: the caller decides those at once.
func (s *Store) Insert(seg uint32, rows []int32, hashes []uint64, marked []bool) {
	sg := s.segments[seg]
	for len(rows) > 0 {
		b := s.bucketFor(sg.times[rows[0]])
		n := 1
		for n < len(rows) && n < ahead && b.spans(sg.times[rows[n]], s.width) {
			n++
		}
		if !s.kept {
			s.touch(b, rows[:n], hashes)
		}
		for _, r := range rows[:n] {
			t := sg.times[r]
			i := s.append(b, hashes[r], t, Ref{seg, uint32(r)})
			if !s.kept {
				s.link(b, i, hashes[r], -1)
			}
			if marked != nil && marked[r] {
				Entry{b, i}.Mark()
			}
		}
		rows = rows[n:]
		sg.rows += n
		s.rows += n
	}
}

// ahead is how many rows' slots are read at once, so that their cache misses overlap: few enough to stay in the
// nearest cache until they are used.
const ahead = 256

// touch brings the slots of rows into the cache.
func (s *Store) touch(b *bucket, rows []int32, hashes []uint64) {
	s.slots = s.slots[:0]
	if len(b.table) == 0 {
		return
	}
	for _, r := range rows {
		s.slots = append(s.slots, b.table[b.slot(tagOf(hashes[r]))])
	}
}

// Index lets probes find a row, in a store that was told to IndexKept. before is what Newest found for it, if anything: it
// may lie on disk, where its hash is not known.
func (s *Store) Index(r, before Row) {
	known := int32(-1)
	if before.b == r.b {
		known = before.i
	}
	s.link(r.b, r.i, r.Hash, known)
}

func (s *Store) bucketFor(t int64) *bucket {
	if b := s.last; b != nil && b.spans(t, s.width) {
		return b
	}
	start := t - mod(t, s.width)
	i, found := slices.BinarySearchFunc(s.buckets, start, func(b *bucket, start int64) int { return cmp.Compare(b.start, start) })
	if !found {
		s.buckets = slices.Insert(s.buckets, i, &bucket{start: start, min: t, max: t, swept: -1 << 63})
	}
	s.last = s.buckets[i]
	return s.last
}

func mod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// Want is which of the held rows a probe is to find.
type Want uint8

const (
	// Every row that fits.
	Every Want = iota
	// Any one or a few of those that fit, if there are some: the caller compares keys, and asks again for a row for which none
	// of them had the right one.
	Any
	// Unmarked rows that fit. Those that are marked are not found by any later probe either.
	Unmarked
)

// Probe finds, for each of the rows (times[row], hashes[row]), the held rows of equal hash whose time lies in
// [time+lo, time+hi], and appends both to the two slices. The keys are the caller's to compare: another hash may be
// taken for equal. It fails when rows cannot be read from disk.
func (s *Store) Probe(want Want, rows []int32, hashes []uint64, times []int64, lo, hi int64, found []int32, held []Row) ([]int32, []Row, error) {
	if len(rows) == 0 || len(s.buckets) == 0 {
		return found, held, nil
	}
	least, most := times[rows[0]], times[rows[0]]
	for _, r := range rows {
		least, most = min(least, times[r]), max(most, times[r])
	}
	first := len(held)
	for _, b := range s.buckets {
		if b.max < least+lo || b.min > most+hi || len(b.table) == 0 {
			continue
		}
		for from := 0; from < len(rows); from += ahead {
			found, held = s.probe(want, b, rows[from:min(from+ahead, len(rows))], hashes, times, lo, hi, found, held)
		}
	}
	return found, held, s.load(held[first:])
}

// probe looks few rows up in one bucket, in three loops, so that the cache misses of each overlap: the slots, what
// lies there, and the rows that are found.
func (s *Store) probe(want Want, b *bucket, rows []int32, hashes []uint64, times []int64, lo, hi int64, found []int32, held []Row) ([]int32, []Row) {
	s.touch(b, rows, hashes)
	s.live, s.at = s.live[:0], s.at[:0]
	for k, r := range rows {
		if s.slots[k] == 0 {
			continue
		}
		if t := times[r]; b.max < t+lo || b.min > t+hi {
			continue
		}
		tag := tagOf(hashes[r])
		for p := b.slot(tag); b.table[p] != 0; {
			if v := b.table[p]; uint32(v>>32) == tag {
				s.live, s.at = append(s.live, r), append(s.at, int32(uint32(v))-1)
			}
			if p++; p == len(b.table) {
				p = 0
			}
		}
	}
	for k, r := range s.live {
		h, from, to := hashes[r], times[r]+lo, times[r]+hi
		e := s.at[k]
		if !b.mayBe(e, h) {
			continue // another hash of the same tag; on disk the keys will tell, which the caller has to read anyway
		}
		for after := int32(-1); e >= 0; {
			c, i := b.chunks[e>>chunkBits], e&(chunkRows-1)
			before := c.before(i)
			if want == Unmarked && c.matched[i>>6]&(1<<(i&63)) != 0 {
				if after < 0 {
					after = e // the newest row stays, as the table leads to it
				} else {
					b.chunks[after>>chunkBits].next[after&(chunkRows-1)] = before + 1
				}
				e = before
				continue
			}
			if c.min >= from && c.max <= to || within(c.timeAt(int(i)), from, to) {
				found = append(found, r)
				held = append(held, Row{Entry: Entry{b, e}})
				if want == Any {
					break
				}
			} else if c.reach[i>>reachBits] < from {
				break // and so are all rows before it
			}
			after, e = e, before
		}
	}
	return found, held
}

func within(t, from, to int64) bool { return t >= from && t <= to }

// Identical reports whether two held rows agree in every column.
func (s *Store) Identical(a, b Ref) bool {
	for _, col := range s.columns {
		if !col[a.Segment].Identical(int(a.Row), col[b.Segment], int(b.Row)) {
			return false
		}
	}
	return true
}

// CompareContent orders two held rows by their columns.
func (s *Store) CompareContent(a, b Ref) int {
	for _, col := range s.columns {
		if c := col[a.Segment].Compare(int(a.Row), col[b.Segment], int(b.Row)); c != 0 {
			return c
		}
	}
	return 0
}

// SameKeys reports whether the keys of two held rows are equal.
func (s *Store) SameKeys(a, b Ref) bool {
	for _, key := range s.keys {
		if !key[a.Segment].Equal(int(a.Row), key[b.Segment], int(b.Row)) {
			return false
		}
	}
	return true
}

// SameKey reports whether the held row's key equals that of row i of the key columns.
func (s *Store) SameKey(r Ref, keys []Column, i int) bool {
	for k := range keys {
		if !keys[k].Equal(i, s.keys[k][r.Segment], int(r.Row)) {
			return false
		}
	}
	return true
}

// ProbeOne visits the held rows whose time lies in [from, to] and which may be of one hash, as Probe has it, until visit
// returns false.
func (s *Store) ProbeOne(hash uint64, from, to int64, visit func(Row) bool) error {
	first, _ := slices.BinarySearchFunc(s.buckets, from, func(b *bucket, t int64) int { return cmp.Compare(b.max, t) })
	tag := tagOf(hash)
	for _, b := range s.buckets[first:] {
		if b.start > to {
			return nil
		}
		if b.min > to || len(b.table) == 0 {
			continue
		}
		chain := s.chain[:0]
		for p := b.slot(tag); b.table[p] != 0; {
			if v := b.table[p]; uint32(v>>32) == tag {
				e := int32(uint32(v)) - 1
				for known := b.mayBe(e, hash); known && e >= 0; {
					c, i := b.chunks[e>>chunkBits], e&(chunkRows-1)
					if within(c.timeAt(int(i)), from, to) {
						chain = append(chain, Row{Entry: Entry{b, e}})
					}
					e = c.before(i)
				}
			}
			if p++; p == len(b.table) {
				p = 0
			}
		}
		s.chain = chain
		for len(chain) > 0 { // a few at a time, as the first may do
			some := chain[:min(8, len(chain))]
			chain = chain[len(some):]
			if err := s.load(some); err != nil {
				return err
			}
			for _, r := range some {
				if !visit(r) {
					return nil
				}
			}
		}
	}
	return nil
}

// Newest is the row that was given to Index last among those of a hash that are not before a time and that is takes; false
// when there is none. Rows must have been given to Index by their times, and those of one time as Range has them.
func (s *Store) Newest(hash uint64, from int64, is func(Row) bool) (newest Row, found bool, err error) {
	tag := tagOf(hash)
	for _, b := range slices.Backward(s.buckets) {
		if found || b.max < from {
			break
		}
		if len(b.table) == 0 {
			continue
		}
		// A slot's rows are from the newest on. A hash may have several slots, where rows lie on disk.
		for p := b.slot(tag); b.table[p] != 0; {
			if v := b.table[p]; uint32(v>>32) == tag {
				for e := int32(uint32(v)) - 1; e >= 0 && b.mayBe(e, hash); {
					r := Row{Entry: Entry{b, e}}
					c, i := r.chunk()
					t := c.timeAt(i)
					if t < from || found && (t < newest.Time() || t == newest.Time() && e < newest.i) {
						break
					}
					s.chain = append(s.chain[:0], r)
					if err := s.load(s.chain); err != nil {
						return newest, false, err
					}
					if r = s.chain[0]; r.Hash != hash {
						break
					}
					if is(r) {
						newest, found = r, true
						break
					}
					e = c.before(int32(i))
				}
			}
			if p++; p == len(b.table) {
				p = 0
			}
		}
	}
	return newest, found, nil
}

// sweepRows is how many rows are visited at once, so that those on disk are read together.
const sweepRows = 1024

// visit calls do with rows that were collected, which begin s.swept anew.
func (s *Store) visit(do func(Row)) error {
	rows := s.swept
	if err := s.load(rows); err != nil {
		return err
	}
	for _, r := range rows {
		do(r)
	}
	s.swept = rows[:0]
	return nil
}

// Sweep visits, once each, the unmarked rows before a time, and marks them.
func (s *Store) Sweep(before int64, do func(Row)) error {
	for _, b := range s.buckets {
		if b.start >= before {
			break
		}
		if b.min >= before || b.swept > b.max {
			continue
		}
		for k, c := range b.chunks {
			if c.min >= before || c.swept > c.max {
				continue
			}
			c.swept = before
			for w, done := range c.matched {
				if done == math.MaxUint64 {
					continue
				}
				for i := w << 6; i < min(w<<6+64, c.rows); i++ {
					if bit := uint64(1) << (i & 63); c.matched[w]&bit == 0 && c.timeAt(i) < before {
						c.matched[w] |= bit
						s.swept = append(s.swept, Row{Entry: Entry{b, int32(k<<chunkBits | i)}})
					}
				}
				if len(s.swept) >= sweepRows {
					if err := s.visit(do); err != nil {
						return err
					}
				}
			}
		}
		b.swept = before
	}
	return s.visit(do)
}

// Expire forgets the buckets whose rows are all before a time. The memory of a segment goes with its last row:
// references into it must not be used afterwards.
func (s *Store) Expire(before int64) { s.expire(func(b *bucket) bool { return b.max < before }) }

func (s *Store) expire(gone func(*bucket) bool) {
	kept := s.buckets[:0]
	for _, b := range s.buckets {
		if !gone(b) {
			kept = append(kept, b)
			continue
		}
		if s.last == b {
			s.last = nil
		}
		s.lastUsed = b.used
		s.rows -= b.rows
		s.index -= b.bytes
		for _, c := range b.chunks {
			s.onDisk -= c.spilled
			for _, k := range c.packs {
				s.leave(k)
			}
			if c.ref != nil {
				s.dropAll(c.ref[c.spilled:])
			}
		}
	}
	clear(s.buckets[len(kept):])
	s.buckets = kept
}

// dropAll lets go of rows, a run of one segment at a time.
func (s *Store) dropAll(refs []Ref) {
	for from := 0; from < len(refs); {
		to := from + 1
		for to < len(refs) && refs[to].Segment == refs[from].Segment {
			to++
		}
		s.drop(refs[from].Segment, to-from)
		from = to
	}
}

// Expires reports whether Expire would forget anything: whether the caller must first use up its references.
func (s *Store) Expires(before int64) bool {
	return slices.ContainsFunc(s.buckets, func(b *bucket) bool { return b.max < before })
}

func (s *Store) release(seg uint32) {
	s.held -= s.segments[seg].bytes
	s.index -= s.segments[seg].views
	s.segments[seg] = nil
	for i := range s.columns {
		s.columns[i][seg] = nil
	}
	for i := range s.keys {
		s.keys[i][seg] = nil
	}
	s.free = append(s.free, seg)
}
