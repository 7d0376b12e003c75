package state

import (
	"cmp"
	"math/bits"
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
	rows     int
	fullest  int // the most rows of a bucket that was dropped
	bytes    int64
	names    []string // see Describe
	keyed    []int

	heads []int32 // scratch of Probe
	live  []int32
}

type segment struct {
	times   []int64
	parts   []int32
	offsets []int64
	rows    int   // how many are still in a bucket, and one more while pinned
	bytes   int64 // of the columns
}

// bucket holds the rows whose time lies in [start, start+width), in the order they came, and a hash table over
// them: heads by slot, chained by next (both are positions plus one; 0 ends).
type bucket struct {
	start    int64
	min, max int64
	hash     []uint64
	time     []int64
	ref      []Ref
	next     []int32
	heads    []int32
	matched  []uint64
	kept     []uint64
	usual    int     // how many rows the fullest bucket before it had
	swept    int64   // rows before this have been swept
	pieces   []piece // where the first saved rows lie in segments
	saved    int
}

// Entry is a row's place in a store, valid until the bucket is dropped.
type Entry struct {
	b *bucket
	i int32
}

// Ref is the row.
func (e Entry) Ref() Ref { return e.b.ref[e.i] }

// Time is the row's event time in microseconds.
func (e Entry) Time() int64 { return e.b.time[e.i] }

// Mark notes that the row has a partner.
func (e Entry) Mark() { e.b.matched[e.i>>6] |= 1 << (e.i & 63) }

// Marked reports whether Mark was called, or Sweep has visited the row.
func (e Entry) Marked() bool { return e.b.matched[e.i>>6]&(1<<(e.i&63)) != 0 }

// Hash is the hash the row was inserted under.
func (e Entry) Hash() uint64 { return e.b.hash[e.i] }

// Keep sets the row's second flag, which Kept reads; what it means is the operator's affair.
func (e Entry) Keep() { e.b.kept[e.i>>6] |= 1 << (e.i & 63) }

// Kept reports whether Keep was called.
func (e Entry) Kept() bool { return e.b.kept[e.i>>6]&(1<<(e.i&63)) != 0 }

// NewStore makes an empty store whose buckets are width microseconds wide, for rows of these columns.
func NewStore(width int64, types []arrow.DataType, keys int) *Store {
	return &Store{
		width: max(width, 1), types: types,
		columns: make([][]*Column, len(types)), keys: make([][]*Column, keys),
	}
}

// Width is the number of columns.
func (s *Store) Width() int { return len(s.types) }

// Rows is the number of rows held.
func (s *Store) Rows() int { return s.rows }

// Bytes estimates the memory held: the index, and the columns of the segments that still have a row.
func (s *Store) Bytes() int64 { return s.bytes }

// Column is one column of every segment, by segment number; for Gather.
func (s *Store) Column(i int) []*Column { return s.columns[i] }

// Type is a column's type.
func (s *Store) Type(i int) arrow.DataType { return s.types[i] }

// Add makes a segment of rows that Insert may refer to. The arrays are kept, not copied; parts and offsets may
// be nil. The segment stays until Unpin was called and none of its rows is held.
func (s *Store) Add(cols, keys []Column, times []int64, parts []int32, offsets []int64, bytes int64) uint32 {
	seg := &segment{times: times, parts: parts, offsets: offsets, bytes: bytes, rows: 1}
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
	for i := range s.columns {
		s.columns[i][n] = &cols[i]
	}
	for i := range s.keys {
		s.keys[i][n] = &keys[i]
	}
	s.bytes += bytes
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

// Positioned reports whether the rows held know where they came from.
func (s *Store) Positioned() bool {
	return slices.ContainsFunc(s.segments, func(g *segment) bool { return g != nil && g.offsets != nil })
}

// TimeOf is a row's event time.
func (s *Store) TimeOf(r Ref) int64 { return s.segments[r.Segment].times[r.Row] }

const entryBytes = 8 + 8 + 8 + 4 + 6 // hash, time, ref, next, head at a load of two thirds

// Unpin lets a segment go with its last row; references to rows that were never inserted end here.
func (s *Store) Unpin(seg uint32) { s.drop(seg) }

func (s *Store) drop(seg uint32) {
	if sg := s.segments[seg]; sg.rows > 1 {
		sg.rows--
		return
	}
	s.release(seg)
}

// Insert indexes rows of a segment under their hashes (hashes[row]). marked[row], where marked is not nil, says
// that the row has a partner already. No row may lie before a time that was swept: the caller decides those at once.
func (s *Store) Insert(seg uint32, rows []int32, hashes []uint64, marked []bool) {
	sg := s.segments[seg]
	for _, r := range rows {
		t := sg.times[r]
		b := s.last
		if b == nil || t < b.start || t-b.start >= s.width {
			b = s.bucketFor(t)
			s.last = b
		}
		b.add(hashes[r], t, Ref{seg, uint32(r)})
		if marked != nil && marked[r] {
			i := len(b.ref) - 1
			b.matched[i>>6] |= 1 << (i & 63)
		}
	}
	sg.rows += len(rows)
	s.rows += len(rows)
	s.bytes += int64(len(rows)) * entryBytes
}

func (s *Store) bucketFor(t int64) *bucket {
	start := t - mod(t, s.width)
	i, found := slices.BinarySearchFunc(s.buckets, start, func(b *bucket, start int64) int {
		switch {
		case b.start < start:
			return -1
		case b.start > start:
			return 1
		}
		return 0
	})
	if !found {
		s.buckets = slices.Insert(s.buckets, i, &bucket{start: start, min: t, max: t, swept: -1 << 63, usual: s.fullest})
	}
	return s.buckets[i]
}

func mod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

func (b *bucket) add(h uint64, t int64, r Ref) {
	i := int32(len(b.hash))
	if len(b.hash) == cap(b.hash) {
		b.reserve()
	}
	b.hash = append(b.hash, h)
	b.time = append(b.time, t)
	b.ref = append(b.ref, r)
	b.next = append(b.next, 0)
	if int(i)>>6 == len(b.matched) {
		b.matched = append(b.matched, 0)
		b.kept = append(b.kept, 0)
	}
	b.min, b.max = min(b.min, t), max(b.max, t)
	if len(b.hash)*3 > len(b.heads)*2 {
		b.grow()
		return
	}
	slot := h & uint64(len(b.heads)-1)
	b.next[i] = b.heads[slot]
	b.heads[slot] = i + 1
}

// reserve makes room for more rows: for as many as the fullest bucket had, once this one is on its way there.
func (b *bucket) reserve() {
	n := len(b.hash)
	more := max(64, n/2)
	if n < b.usual && b.usual <= 4*n {
		more = b.usual + b.usual/16 - n
	}
	b.hash, b.time = slices.Grow(b.hash, more), slices.Grow(b.time, more)
	b.ref, b.next = slices.Grow(b.ref, more), slices.Grow(b.next, more)
}

func (b *bucket) grow() {
	b.heads = make([]int32, 1<<bits.Len(uint(len(b.hash)*2)))
	mask := uint64(len(b.heads) - 1)
	for i, h := range b.hash {
		slot := h & mask
		b.next[i] = b.heads[slot]
		b.heads[slot] = int32(i) + 1
	}
}

// Probe finds, for each of the rows (times[row], hashes[row]), the held rows of equal hash whose time lies in
// [time+lo, time+hi], and appends both to the two slices. The keys themselves are the caller's to compare.
func (s *Store) Probe(rows []int32, hashes []uint64, times []int64, lo, hi int64, found []int32, entries []Entry) ([]int32, []Entry) {
	if len(rows) == 0 || len(s.buckets) == 0 {
		return found, entries
	}
	least, most := times[rows[0]], times[rows[0]]
	for _, r := range rows {
		least, most = min(least, times[r]), max(most, times[r])
	}
	for _, b := range s.buckets {
		if b.max < least+lo || b.min > most+hi {
			continue
		}
		// The slots are read in a loop of their own, so that their cache misses overlap.
		s.heads, s.live = s.heads[:0], s.live[:0]
		mask := uint64(len(b.heads) - 1)
		for _, r := range rows {
			if t := times[r]; b.max < t+lo || b.min > t+hi {
				continue
			}
			if e := b.heads[hashes[r]&mask]; e != 0 {
				s.heads = append(s.heads, e-1)
				s.live = append(s.live, r)
			}
		}
		for k, r := range s.live {
			h, from, to := hashes[r], times[r]+lo, times[r]+hi
			for e := s.heads[k]; e >= 0; e = b.next[e] - 1 {
				if b.hash[e] == h && b.time[e] >= from && b.time[e] <= to {
					found = append(found, r)
					entries = append(entries, Entry{b, e})
				}
			}
		}
	}
	return found, entries
}

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
func (s *Store) SameKey(e Entry, keys []Column, i int) bool {
	r := e.b.ref[e.i]
	for k := range keys {
		if !keys[k].Equal(i, s.keys[k][r.Segment], int(r.Row)) {
			return false
		}
	}
	return true
}

// ProbeOne visits the held rows of one hash whose time lies in [from, to] until visit returns false.
func (s *Store) ProbeOne(hash uint64, from, to int64, visit func(Entry) bool) {
	first, _ := slices.BinarySearchFunc(s.buckets, from, func(b *bucket, t int64) int { return cmp.Compare(b.max, t) })
	for _, b := range s.buckets[first:] {
		if b.start > to {
			return
		}
		if b.min > to {
			continue
		}
		for e := b.heads[hash&uint64(len(b.heads)-1)]; e != 0; e = b.next[e-1] {
			if i := e - 1; b.hash[i] == hash && b.time[i] >= from && b.time[i] <= to && !visit(Entry{b, i}) {
				return
			}
		}
	}
}

// Sweep visits, once each, the unmarked rows before a time, and marks them.
func (s *Store) Sweep(before int64, visit func(Entry)) {
	for _, b := range s.buckets {
		if b.start >= before {
			break
		}
		if b.min >= before || b.swept > b.max {
			continue
		}
		for i, t := range b.time {
			if t < before && b.matched[i>>6]&(1<<(i&63)) == 0 {
				b.matched[i>>6] |= 1 << (i & 63)
				visit(Entry{b, int32(i)})
			}
		}
		b.swept = before
	}
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
		s.fullest = max(s.fullest, len(b.ref))
		s.rows -= len(b.ref)
		s.bytes -= int64(len(b.ref)) * entryBytes
		for _, r := range b.ref {
			s.drop(r.Segment)
		}
	}
	clear(s.buckets[len(kept):])
	s.buckets = kept
}

// Expires reports whether Expire would forget anything: whether the caller must first use up its references.
func (s *Store) Expires(before int64) bool {
	return slices.ContainsFunc(s.buckets, func(b *bucket) bool { return b.max < before })
}

func (s *Store) release(seg uint32) {
	s.bytes -= s.segments[seg].bytes
	s.segments[seg] = nil
	for i := range s.columns {
		s.columns[i][seg] = nil
	}
	for i := range s.keys {
		s.keys[i][seg] = nil
	}
	s.free = append(s.free, seg)
}
