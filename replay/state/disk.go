package state

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/lockstep-data/lockstep/schema"
)

// Disk is where the stores of a run put rows that memory has no room for: files in one folder, written once, and gone with
// the process, however it ends. Its methods may be called from any goroutine.
type Disk struct {
	dir    string
	budget atomic.Int64                             // of the process's memory, for all stores
	watch  func(name string, do func() error) error // see WithCalls

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
// memory. Until Share says otherwise, the stores shall have half of it.
func NewDisk(ctx context.Context, dir string, limit int64) (*Disk, error) {
	d := &Disk{dir: dir}
	d.budget.Store(limit / 2)
	if watch, ok := ctx.Value(callsKey{}).(func(string, func() error) error); ok {
		d.watch = watch
		d.budget.Store(0)
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

// call makes a call to the system. The name is for the one who watches.
func (d *Disk) call(name string, do func() error) error {
	if d.watch == nil {
		return do()
	}
	return d.watch(name, do)
}

// Dir is the folder.
func (d *Disk) Dir() string { return d.dir }

// Written is how many bytes went to disk in all.
func (d *Disk) Written() int64 { return d.written.Load() }

// Peak is how many bytes lay on disk at most.
func (d *Disk) Peak() int64 { return d.peak.Load() }

// Held is how many bytes lie on disk for rows that are held.
func (d *Disk) Held() int64 { return d.now.Load() }

// Memory is how many bytes the stores hold in memory.
func (d *Disk) Memory() int64 { return d.memory.Load() }

// Share is how many bytes the stores shall hold in memory from now on. What is above goes to disk as rows come.
func (d *Disk) Share(bytes int64) {
	if d.watch == nil {
		d.budget.Store(bytes)
	}
}

// Full reports whether the stores hold more in memory than they shall.
func (d *Disk) Full() bool { return d.memory.Load() > d.budget.Load() }

func (d *Disk) failed(err error) error {
	return schema.WithHint(fmt.Errorf("state directory %s: %w", d.dir, err), "name a directory with room for the rows held with --state-dir, or give more --memory")
}

func (d *Disk) holds(bytes int64) {
	now := d.now.Add(bytes)
	for old := d.peak.Load(); now > old && !d.peak.CompareAndSwap(old, now); old = d.peak.Load() {
	}
}

// SpillTo says where the store may put rows. It is called before the first row comes.
func (s *Store) SpillTo(d *Disk) { s.disk = d }

const (
	// leastSpill is what is worth a turn.
	leastSpill = 4 << 20
	// mostSpill bounds how long one turn keeps the store's owner.
	mostSpill = 32 << 20
	// fileBytes is about how large a file becomes: its room is free again when all of its rows are gone.
	fileBytes = 256 << 20
)

// Balance spills some of the earliest buckets' rows when the run holds more in memory than it shall. References to rows,
// but for those in an Entry, end when it does: use, when not nil, is called before.
func (s *Store) Balance(use func() error) error {
	d := s.disk
	if d == nil {
		return nil
	}
	s.tell()
	if !d.Full() || s.held == 0 || s.held < min(leastSpill, d.budget.Load()/64) {
		return nil
	}
	if use != nil {
		if err := use(); err != nil {
			return err
		}
	}
	if err := s.spill(min(max(s.held/8, leastSpill), mostSpill)); err != nil {
		return err
	}
	s.tell()
	return nil
}

func (s *Store) tell() {
	now := s.Bytes()
	s.disk.memory.Add(now - s.told)
	s.told = now
}

// spillFile is a file of rows, which are only ever added to it.
type spillFile struct {
	disk  *Disk
	f     *os.File // closed by the collector, when neither a store nor a snapshot refers to it
	size  int64
	packs int // that are still held
}

func (d *Disk) create() (*spillFile, error) {
	var f *os.File
	err := d.call("spill create", func() (err error) {
		f, err = createTemporary(d.dir, spillName)
		return err
	})
	if err != nil {
		return nil, d.failed(err)
	}
	return &spillFile{disk: d, f: f}, nil
}

func (f *spillFile) write(data []byte, at int64) error {
	err := f.disk.call("spill write", func() error {
		_, err := f.f.WriteAt(data, at)
		return err
	})
	if err != nil {
		return f.disk.failed(err)
	}
	return nil
}

func (f *spillFile) read(data []byte, at int64) (err error) {
	if f.disk.watch == nil { // no closure for each row
		_, err = f.f.ReadAt(data, at)
	} else {
		err = f.disk.watch("spill read", func() error {
			_, err := f.f.ReadAt(data, at)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("state directory %s: read rows back: %w", f.disk.dir, err)
	}
	return nil
}

// cold is rows of a chunk that are to go to disk.
type cold struct {
	b        *bucket
	c        *chunk
	from, to int
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
			if c.spilled == c.rows {
				continue
			}
			piece := cold{b: b, c: c, from: c.spilled, to: c.rows}
			if b == s.last && c.rows < chunkRows {
				growing = piece
				continue
			}
			out = append(out, piece)
			rows -= int64(c.rows - c.spilled)
		}
	}
	if growing.b != nil && (s.disk.budget.Load() == 0 || len(out) == 0 && rows <= int64(growing.to-growing.from)*2) {
		out = append(out, growing)
	}
	return out
}

func (s *Store) spill(bytes int64) (err error) {
	pieces := s.coldest(bytes)
	if len(pieces) == 0 {
		return nil // what is left waits to leave
	}
	if s.file == nil || s.file.size >= fileBytes {
		if s.file, err = s.disk.create(); err != nil {
			return err
		}
	}
	w := newPacker(s, s.file)
	written := make([][]*pack, len(pieces))
	for i, p := range pieces {
		if written[i], err = w.pack(p.c, p.from, p.to); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	s.disk.written.Add(w.at - s.file.size)
	s.disk.holds(w.at - s.file.size)
	s.file.size = w.at
	for i := range pieces {
		s.move(&pieces[i], written[i])
	}
	return nil
}

// move makes the store refer to rows on disk, and lets go of those in memory.
func (s *Store) move(p *cold, packs []*pack) {
	c := p.c
	s.dropAll(c.ref[p.from:p.to])
	for _, k := range packs {
		k.file.packs++
		s.packed += k.bytes()
		s.grown(p.b, k.memory())
	}
	c.packs = append(c.packs, packs...)
	c.spilled = p.to
	s.onDisk += p.to - p.from
	if p.to < chunkRows {
		return
	}
	// What is left of a chunk that is on disk as a whole: its flags, its times, and where its packs are.
	s.grown(p.b, -chunkRows*(rowBytes+8))
	c.hash, c.ref = nil, nil
	if uint64(c.max)-uint64(c.min) > math.MaxUint32 {
		s.grown(p.b, chunkRows*8)
		return
	}
	c.after = make([]uint32, c.rows)
	for i, t := range c.time {
		c.after[i] = uint32(t - c.min)
	}
	c.time = nil
	s.grown(p.b, chunkRows*4)
}

// leave lets go of a pack.
func (s *Store) leave(k *pack) {
	s.packed -= k.bytes()
	f := k.file
	if f.packs--; f.packs == 0 {
		s.disk.holds(-f.size)
		if s.file == f {
			s.file = nil
		}
	}
}
