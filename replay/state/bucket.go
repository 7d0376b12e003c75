package state

// bucket holds the rows whose time lies in [start, start+width), in the order they came, and a hash table over them.
//
// A slot of the table is a tag, 32 bits of the hash, above the place of a row plus one; 0 is an empty slot. Slots are
// in the order of their tags, whatever the table's size, so that a larger one is filled from its start to its end.
// There is one slot a hash: it names the newest row, and next, again a place plus one, the row before that. Where the newest
// row is in a chunk on disk, the next one gets a slot of its own.
type bucket struct {
	start    int64
	min, max int64
	chunks   []*chunk
	rows     int
	table    []uint64
	used     int
	bytes    int64   // memory of chunks and table
	swept    int64   // rows before this have been swept
	pieces   []piece // where the first saved rows lie in segments
	saved    int
}

const (
	chunkBits = 16
	chunkRows = 1 << chunkBits
	reachBits = 8
)

// chunk is chunkRows rows of a bucket; fewer in the last. Rows are added, never moved, so that a bucket grows without
// copying what it has. The first rows may lie on disk.
type chunk struct {
	rows     int
	hash     []uint64 // nil, as ref: all rows are on disk
	ref      []Ref    // of the rows that are not on disk
	time     []int64
	after    []uint32 // instead of time: what is to be added to min
	next     []int32  // nil: no row has one before it
	matched  []uint64
	kept     []uint64
	reach    []int64 // by 256 rows, the latest time in the bucket up to the last of them
	min, max int64
	swept    int64
	spilled  int     // how many rows lie on disk
	packs    []*pack // where those are
}

func (c *chunk) timeAt(i int) int64 {
	if c.time == nil {
		return c.min + int64(c.after[i])
	}
	return c.time[i]
}

func (b *bucket) spans(t, width int64) bool { return t >= b.start && t-b.start < width }

// rowBytes is the memory of a row in a chunk, without its reference.
const rowBytes = 8 + 8

// before is the row of the same hash that came before row i, -1 for none.
func (c *chunk) before(i int32) int32 {
	if c.next == nil {
		return -1
	}
	return c.next[i] - 1
}

// append adds a row to a bucket and gives its place.
func (s *Store) append(b *bucket, h uint64, t int64, r Ref) int32 {
	i := b.rows & (chunkRows - 1)
	if i == 0 {
		b.chunks = append(b.chunks, &chunk{min: t, max: t, swept: -1 << 63})
	}
	c := b.chunks[len(b.chunks)-1]
	if i == cap(c.hash) {
		s.extend(b, c)
	}
	c.hash = append(c.hash, h)
	c.time = append(c.time, t)
	if c.next != nil {
		c.next = append(c.next, 0)
	}
	c.ref = append(c.ref, r)
	if i&63 == 0 {
		c.matched, c.kept = append(c.matched, 0), append(c.kept, 0)
	}
	c.rows++
	c.min, c.max = min(c.min, t), max(c.max, t)
	b.min, b.max = min(b.min, t), max(b.max, t)
	if i>>reachBits == len(c.reach) {
		c.reach = append(c.reach, 0)
	}
	c.reach[i>>reachBits] = b.max
	b.rows++
	return int32(b.rows - 1)
}

// extend makes room in a bucket's last chunk: a bucket's first chunk doubles, the others have their size at once.
func (s *Store) extend(b *bucket, c *chunk) {
	had := cap(c.hash)
	n := chunkRows
	if len(b.chunks) == 1 {
		n = min(chunkRows, max(16, 2*had))
	}
	c.hash = append(make([]uint64, 0, n), c.hash...)
	c.time = append(make([]int64, 0, n), c.time...)
	if c.next != nil {
		c.next = append(make([]int32, 0, n), c.next...)
	}
	c.ref = append(make([]Ref, 0, n), c.ref...)
	words := (n + 63) / 64
	c.matched = append(make([]uint64, 0, words), c.matched...)
	c.kept = append(make([]uint64, 0, words), c.kept...)
	per := int64(rowBytes + 8)
	if c.next != nil {
		per += 4
	}
	s.grown(b, int64(n-had)*per)
}

func (s *Store) grown(b *bucket, bytes int64) {
	b.bytes += bytes
	s.index += bytes
}

// tagOf leaves out the bits that choose the shard, as all rows of a store share them.
func tagOf(h uint64) uint32 { return uint32(h >> 22) }

func (b *bucket) slot(tag uint32) int { return int(uint64(tag) * uint64(len(b.table)) >> 32) }

// is reports whether a row is of a hash. Of a chunk that is on disk it is not known.
func (b *bucket) is(e int32, h uint64) bool {
	c := b.chunks[e>>chunkBits]
	return c.hash != nil && c.hash[e&(chunkRows-1)] == h
}

// mayBe reports whether a row, whose tag is that of a hash, may be of it.
func (b *bucket) mayBe(e int32, h uint64) bool {
	return b.chunks[e>>chunkBits].hash == nil || b.is(e, h)
}

// link puts a row into the table, before those of its hash. known is a row of the same hash, on disk perhaps, -1 for none.
func (s *Store) link(b *bucket, i int32, h uint64, known int32) {
	if (b.used+1)*4 > len(b.table)*3 {
		s.grow(b)
	}
	tag := tagOf(h)
	for p := b.slot(tag); ; {
		v := b.table[p]
		if v == 0 {
			b.table[p] = uint64(tag)<<32 | uint64(i+1)
			b.used++
			return
		}
		if before := int32(uint32(v)) - 1; uint32(v>>32) == tag && (before == known || b.is(before, h)) {
			c := b.chunks[i>>chunkBits]
			if c.next == nil {
				c.next = make([]int32, c.rows, cap(c.matched)*64)
				s.grown(b, 4*int64(cap(c.next)))
			}
			c.next[i&(chunkRows-1)] = before + 1
			b.table[p] = uint64(tag)<<32 | uint64(i+1)
			return
		}
		if p++; p == len(b.table) {
			p = 0
		}
	}
}

// grow makes a bucket's table half as large again; or at once as large as earlier buckets needed theirs, when it has come
// to a sixteenth of that: the last copies are the dearest, and a bucket of few rows takes no more than it has use for.
func (s *Store) grow(b *bucket) {
	old := b.table
	size := max(16, len(old)/2*3)
	if usual := s.usual(b) / 3 * 4; size < usual && size >= usual/16 {
		size = usual + usual/16
	}
	b.table = make([]uint64, size)
	largePages(b.table)
	s.grown(b, int64(len(b.table)-len(old))*8)
	for _, v := range old {
		if v == 0 {
			continue
		}
		p := b.slot(uint32(v >> 32))
		for b.table[p] != 0 {
			if p++; p == len(b.table) {
				p = 0
			}
		}
		b.table[p] = v
	}
}

// usual is how many slots of its table the fullest of the buckets before b uses.
func (s *Store) usual(b *bucket) int {
	n := s.lastUsed
	for _, o := range s.buckets {
		if o.start < b.start {
			n = max(n, o.used)
		}
	}
	return n
}
