package state

import (
	"os"
	"runtime"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// mapping is a file in memory. It stays while a segment or a Column refers to it.
type mapping struct {
	data     []byte
	segments int // of the store that made it
	rows     int64
}

// trim gives the memory of the pages back; they are read again when they are needed.
func (m *mapping) trim() { dropPages(m.data) }

// leave notes that a segment of the file is gone.
func (m *mapping) leave(d *Disk) {
	if m.segments--; m.segments == 0 {
		m.trim()
		d.holds(-int64(len(m.data)))
	}
}

// spillFile is a file being written.
type spillFile struct {
	disk *Disk
	f    *os.File
	buf  []byte // what is not written yet, of a page
	size int64
}

// pageBytes is what Linux maps at one fault, and what is written at once: the system keeps it in one piece then, which
// it maps and gives back as one.
const pageBytes = 64 << 10

func (d *Disk) create() (*spillFile, error) {
	var f *os.File
	err := d.call("spill create", func() (err error) {
		f, err = createTemporary(d.dir, spillName)
		return err
	})
	if err != nil {
		return nil, d.failed(err)
	}
	return &spillFile{disk: d, f: f, buf: make([]byte, 0, pageBytes)}, nil
}

func (f *spillFile) write(data []byte) error {
	f.size += int64(len(data))
	for len(data) > 0 {
		n := min(len(data), pageBytes-len(f.buf))
		f.buf, data = append(f.buf, data[:n]...), data[n:]
		if len(f.buf) == pageBytes {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *spillFile) flush() error {
	err := f.disk.call("spill write", func() error {
		_, err := f.f.Write(f.buf)
		return err
	})
	if err != nil {
		return f.disk.failed(err)
	}
	f.buf = f.buf[:0]
	return nil
}

// fit goes on at the next page where so many bytes fit into a page, but not into the rest of this one.
func (f *spillFile) fit(bytes int64) error {
	rest := pageBytes - len(f.buf)
	if bytes <= int64(rest) || bytes > pageBytes {
		return nil
	}
	clear(f.buf[len(f.buf):pageBytes])
	f.buf = f.buf[:pageBytes]
	f.size += int64(rest)
	return f.flush()
}

// span is where bytes lie in a file; none at all is nil in memory.
type span struct{ from, to int64 }

func (f *spillFile) put(data []byte) (span, error) {
	var zero [8]byte
	s := span{f.size, f.size + int64(len(data))}
	if err := f.write(data); err != nil {
		return s, err
	}
	return s, f.write(zero[:-s.to&7])
}

// close gives a file up.
func (f *spillFile) close() { discard(f.f) }

// open maps the file, which is complete.
func (f *spillFile) open() (*mapping, error) {
	if err := f.flush(); err != nil {
		return nil, err
	}
	var data []byte
	var release func()
	err := f.disk.call("spill map", func() (err error) {
		data, release, err = mapFile(f.f, int(f.size))
		return err
	})
	if err != nil {
		return nil, f.disk.failed(err)
	}
	m := &mapping{data: data}
	runtime.AddCleanup(m, func(release func()) { release() }, release)
	f.disk.written.Add(f.size)
	f.disk.holds(f.size)
	return m, nil
}

func (m *mapping) bytes(s span) []byte {
	if s.from == s.to {
		return nil
	}
	return m.data[s.from:s.to:s.to]
}

// placed is an array in a file.
type placed struct {
	dt    arrow.DataType
	n     int
	nulls int
	bufs  []span
	none  []bool // which buffers there are not
	kids  []placed
	words *array.Data // a dictionary stays in memory, where all columns share it
}

func (f *spillFile) putArray(d arrow.ArrayData) (placed, error) {
	p := placed{dt: d.DataType(), n: d.Len(), nulls: d.NullN()}
	for _, b := range d.Buffers() {
		var s span
		var err error
		if b != nil {
			if s, err = f.put(b.Bytes()); err != nil {
				return p, err
			}
		}
		p.bufs, p.none = append(p.bufs, s), append(p.none, b == nil)
	}
	if p.dt.ID() == arrow.DICTIONARY {
		p.words = d.Dictionary().(*array.Data)
	}
	for _, k := range d.Children() {
		kid, err := f.putArray(k)
		if err != nil {
			return p, err
		}
		p.kids = append(p.kids, kid)
	}
	return p, nil
}

// placedBytes is what putArray will write.
func placedBytes(d arrow.ArrayData) (n int64) {
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len()+7) &^ 7
		}
	}
	for _, k := range d.Children() {
		n += placedBytes(k)
	}
	return n
}

func (p *placed) data(m *mapping) arrow.ArrayData {
	bufs := make([]*memory.Buffer, len(p.bufs))
	for i, s := range p.bufs {
		if !p.none[i] {
			bufs[i] = memory.NewBufferBytes(m.bytes(s))
		}
	}
	if p.words != nil {
		return array.NewDataWithDictionary(p.dt, p.n, bufs, p.nulls, 0, p.words)
	}
	var kids []arrow.ArrayData
	for i := range p.kids {
		kids = append(kids, p.kids[i].data(m))
	}
	return array.NewData(p.dt, p.n, bufs, kids, p.nulls, 0)
}

func (p *placed) column(m *mapping) Column {
	c := View(array.MakeFromData(p.data(m)))
	c.file = m
	return c
}

// values are the bytes of a file as numbers.
func values[T int32 | int64 | uint64](m *mapping, s span) []T {
	b := m.bytes(s)
	if len(b) == 0 {
		return nil
	}
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(zero)))
}
