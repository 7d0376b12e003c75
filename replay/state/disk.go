package state

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
)

// Disk is where the stores of a run put columns that memory has no room for: files in one folder, written once, mapped
// into memory, and gone with the process, however it ends. Its methods may be called from any goroutine.
type Disk struct {
	dir    string
	limit  int64 // of the process's memory
	budget int64 // of the stores' part of it
	call   func(name string, do func() error) error

	memory             atomic.Int64 // held by all stores
	now, peak, written atomic.Int64 // bytes on disk
}

const spillName = "lockstep-*.spill"

type callsKey struct{}

// WithCalls makes a disk that is made with this context take all rows at once, and pass every call that it makes to the system
// through call. It is how a test lets every single one fail.
func WithCalls(ctx context.Context, call func(name string, do func() error) error) context.Context {
	return context.WithValue(ctx, callsKey{}, call)
}

// NewDisk takes a folder, which is made if need be, for the stores of a process that shall take at most limit bytes of
// memory. The stores shall have three eighths of it: the rest is for rows on their way, for what waits to be collected,
// and for pages of files.
func NewDisk(ctx context.Context, dir string, limit int64) (*Disk, error) {
	d := &Disk{dir: dir, limit: limit, budget: limit / 8 * 3, call: func(_ string, do func() error) error { return do() }}
	if call, ok := ctx.Value(callsKey{}).(func(string, func() error) error); ok {
		d.call, d.budget = call, 0
	}
	if err := d.call("spill folder", func() error { return os.MkdirAll(dir, 0o755) }); err != nil {
		return nil, d.failed(err)
	}
	// What a process that was killed could not remove. A file in use is either gone from the folder already, or the
	// system does not let it go.
	left, err := filepath.Glob(filepath.Join(dir, spillName))
	for _, name := range left {
		_ = os.Remove(name)
	}
	return d, err
}

// Dir is the folder.
func (d *Disk) Dir() string { return d.dir }

// Written is how many bytes went to disk in all.
func (d *Disk) Written() int64 { return d.written.Load() }

// Peak is how many bytes lay on disk at most.
func (d *Disk) Peak() int64 { return d.peak.Load() }

// Held is how many bytes lie on disk for rows that are held.
func (d *Disk) Held() int64 { return d.now.Load() }

// Full reports whether the stores hold more in memory than they shall.
func (d *Disk) Full() bool { return d.memory.Load() > d.budget }

func (d *Disk) failed(err error) error {
	return schema.WithHint(fmt.Errorf("state directory %s: %w", d.dir, err), "name a directory with room for the rows held with --state-dir, or give more --memory")
}

func (d *Disk) holds(bytes int64) {
	now := d.now.Add(bytes)
	for old := d.peak.Load(); now > old && !d.peak.CompareAndSwap(old, now); old = d.peak.Load() {
	}
}

// SpillTo says where the store may put columns. It is called before the first row comes.
func (s *Store) SpillTo(d *Disk) { s.disk = d }

const (
	// SpilledRows is how many rows from disk are worth a look at the memory that their pages take.
	SpilledRows = 1024
	// leastSpill is what is worth a file.
	leastSpill = 4 << 20
	// mostSpill bounds how long one file keeps the store's owner.
	mostSpill = 32 << 20
)

// Balance spills some of the earliest buckets' rows when the run holds more in memory than it shall, and gives back the
// memory of what was read from disk. References to rows, but for those in an Entry, end when it spills: use, when not nil,
// is called before.
func (s *Store) Balance(use func() error) error {
	d := s.disk
	if d == nil {
		return nil
	}
	s.tell()
	if d.Full() && s.held > 0 && s.held >= min(leastSpill, d.budget/64) {
		if use != nil {
			if err := use(); err != nil {
				return err
			}
		}
		if err := s.spill(min(max(s.held/8, leastSpill), mostSpill)); err != nil {
			return err
		}
		s.tell()
	}
	s.Trim()
	return nil
}

func (s *Store) tell() {
	now := s.Bytes()
	s.disk.memory.Add(now - s.told)
	s.told = now
}

// Trim gives the memory of mapped pages back when the process comes near its limit. A row that is found on disk brings a
// page of 64 KiB, so whoever reads many calls it after every SpilledRows.
func (s *Store) Trim() {
	if len(s.files) == 0 {
		return
	}
	if s.turn++; residentMemory(s.turn) < s.disk.limit/16*13 {
		return
	}
	s.files = slices.DeleteFunc(s.files, func(m *mapping) bool { return m.segments == 0 })
	// The oldest go first: what they hold is found now and then, the rows of the youngest time and again.
	for i, m := range s.files {
		if m.trim(); i%4 == 3 && residentMemory(s.turn) < s.disk.limit/4*3 {
			return
		}
	}
}

// cold is rows of a chunk that are to go to disk, and where they lie there: first what is read of many rows at once, then
// the blocks.
type cold struct {
	b        *bucket
	c        *chunk
	from, to int
	per      int // rows of a block
	blocks   []block
	hashes   span
	times    span
	parts    span
	offsets  span
}

// block is a segment on disk. All columns of its rows lie in one page, so that a row that is found is read with one
// fault, however many columns it has; its time is among them.
type block struct {
	n       int
	columns []placed // the store's, then the keys that are computed
	times   span
}

// leastBlock is how many rows a block has at least, however long they are.
const leastBlock = 128

// perBlock is how many rows will fit into a page, by those of the block before; some are longer.
func (s *Store) perBlock() int {
	if s.blockRow == 0 {
		s.blockRow = s.held/int64(max(s.rows-s.onDisk, 1)) + 1
	}
	return int(min(max(pageBytes/64*63/s.blockRow, leastBlock), chunkRows))
}

// coldest chooses rows of about so many bytes in memory, of the earliest buckets. The chunk that rows were added to last
// comes last: a chunk that goes to disk as a whole needs no references.
func (s *Store) coldest(bytes int64) (out []cold) {
	rows := bytes/max(s.held/int64(max(s.rows-s.onDisk, 1)), 1) + 1
	var growing cold
	for _, b := range s.buckets {
		for _, c := range b.chunks {
			if rows <= 0 {
				return out
			}
			n := len(c.time)
			if c.spilled == n {
				continue
			}
			piece := cold{b: b, c: c, from: c.spilled, to: n}
			if b == s.last && n < chunkRows {
				growing = piece
				continue
			}
			out = append(out, piece)
			rows -= int64(n - c.spilled)
		}
	}
	if growing.b != nil && (s.disk.budget == 0 || len(out) == 0 && rows <= int64(growing.to-growing.from)*2) {
		out = append(out, growing)
	}
	return out
}

func (s *Store) spill(bytes int64) error {
	pieces := s.coldest(bytes)
	if len(pieces) == 0 {
		return nil // what is left waits to leave
	}
	f, err := s.disk.create()
	if err != nil {
		return err
	}
	positions := s.Positioned()
	for i := range pieces {
		if err := s.write(f, &pieces[i], positions); err != nil {
			f.close()
			return err
		}
	}
	m, err := f.open()
	if err != nil {
		f.close()
		return err
	}
	s.files = append(s.files, m)
	for i := range pieces {
		m.rows += int64(pieces[i].to - pieces[i].from)
	}
	for i := range pieces {
		s.move(m, &pieces[i])
	}
	m.trim()
	return nil
}

// write puts rows into a file, block by block.
func (s *Store) write(f *spillFile, p *cold, positions bool) (err error) {
	if p.hashes, err = f.put(arrow.Uint64Traits.CastToBytes(p.c.hash[p.from:p.to])); err != nil {
		return err
	}
	if p.times, err = f.put(arrow.Int64Traits.CastToBytes(p.c.time[p.from:p.to])); err != nil {
		return err
	}
	refs := p.c.refs(p.from, p.to)
	if positions {
		parts, offsets := make([]int32, len(refs)), make([]int64, len(refs))
		for i, r := range refs {
			parts[i], offsets[i] = s.Position(r)
		}
		if p.parts, err = f.put(arrow.Int32Traits.CastToBytes(parts)); err != nil {
			return err
		}
		if p.offsets, err = f.put(arrow.Int64Traits.CastToBytes(offsets)); err != nil {
			return err
		}
	}
	p.per = s.perBlock()
	for from := 0; from < len(refs); from += p.per {
		to := min(from+p.per, len(refs))
		blk, err := s.writeBlock(f, refs[from:to], p.c.time[p.from+from:p.from+to])
		if err != nil {
			return err
		}
		p.blocks = append(p.blocks, blk)
	}
	return nil
}

func (s *Store) writeBlock(f *spillFile, refs []Ref, times []int64) (blk block, err error) {
	blk.n = len(refs)
	bytes := int64(8 * len(refs))
	var arrays []arrow.ArrayData
	take := func(dt arrow.DataType, columns []*Column) error {
		a, err := GatherCoded(dt, columns, refs)
		if err == nil {
			arrays = append(arrays, a.Data())
			bytes += placedBytes(a.Data())
		}
		return err
	}
	for i, t := range s.types {
		if err := take(t, s.columns[i]); err != nil {
			return blk, err
		}
	}
	for k := range s.keys {
		if computed(s.keyed, k) {
			if err := take(keyType(s.keys[k]), s.keys[k]); err != nil {
				return blk, err
			}
		}
	}
	s.blockRow = bytes/int64(len(refs)) + 1
	if err := f.fit(bytes); err != nil {
		return blk, err
	}
	for _, d := range arrays {
		at, err := f.putArray(d)
		if err != nil {
			return blk, err
		}
		blk.columns = append(blk.columns, at)
	}
	blk.times, err = f.put(arrow.Int64Traits.CastToBytes(times))
	return blk, err
}

// move makes the store refer to rows on disk, and lets go of those in memory.
func (s *Store) move(m *mapping, p *cold) {
	c := p.c
	whole := p.from == 0 && p.to == chunkRows
	old := c.refs(p.from, p.to)
	if !whole && c.shared {
		c.ref, c.shared = append(make([]Ref, 0, cap(c.ref)), c.ref...), false
	}
	at := 0
	for i := range p.blocks {
		to := at + p.blocks[i].n
		n := s.addBlock(m, p, &p.blocks[i], at)
		s.dropAll(old[at:to])
		if whole {
			c.segs = append(c.segs, n)
		} else {
			for k := range to - at {
				c.ref[p.from+at+k] = Ref{n, uint32(k)}
			}
		}
		at = to
	}
	c.spilled = p.to
	s.onDisk += p.to - p.from
	if whole {
		// References that count up need not be kept, and of hashes and times the table and the chunk's bounds know
		// enough: they are read where a row was found.
		s.grown(p.b, -chunkRows*(rowBytes+8))
		c.ref, c.per, c.shared = nil, uint32(p.per), false
		c.hash, c.time = values[uint64](m, p.hashes), values[int64](m, p.times)
	}
}

// addBlock makes a block, whose first row is row at of the piece, a segment of the store.
func (s *Store) addBlock(m *mapping, p *cold, blk *block, at int) uint32 {
	cols, keys := make([]Column, len(s.types)), make([]Column, len(s.keys))
	used := 0
	next := func() Column {
		used++
		return blk.columns[used-1].column(m)
	}
	for i := range cols {
		cols[i] = next()
	}
	for k := range keys {
		if computed(s.keyed, k) {
			keys[k] = next()
		} else {
			keys[k] = cols[s.keyed[k]]
		}
	}
	seg := &segment{times: values[int64](m, blk.times), rows: blk.n, file: m}
	if p.offsets.to > p.offsets.from {
		seg.parts, seg.offsets = values[int32](m, p.parts)[at:at+blk.n], values[int64](m, p.offsets)[at:at+blk.n]
	}
	seg.bytes = int64(len(m.data)) * int64(blk.n) / m.rows
	m.segments++
	s.mapped += seg.bytes
	return s.add(cols, keys, seg)
}
