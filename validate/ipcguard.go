package validate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Arrow's reader makes room for whatever a message claims: a length of four bytes may ask for a hundred gigabytes
// before anything is read. So every message is looked through first: each vector has to lie in the message, each
// buffer in its body, and the rows have to have something to be made of. The tables are those of Message.fbs,
// Schema.fbs and File.fbs; fields are counted in their order.

var errMessage = errors.New("the Arrow metadata does not hold together: the file is damaged")

const (
	ipcFields   = 1 << 16 // of a schema, nested ones too
	ipcInflated = 1 << 30 // bytes of a compressed buffer
	ipcFreeRows = 4 << 20 // rows that need no bytes: all NULL, or without columns
)

// flat is a flatbuffer. What lies outside of it is errMessage, by a panic that the check recovers.
type flat []byte

func (f flat) at(pos, n int64) []byte {
	if pos < 0 || n < 0 || pos > int64(len(f)) || n > int64(len(f))-pos {
		panic(errMessage)
	}
	return f[pos : pos+n]
}

func (f flat) u32(pos int64) int64 { return int64(binary.LittleEndian.Uint32(f.at(pos, 4))) }
func (f flat) i64(pos int64) int64 { return int64(binary.LittleEndian.Uint64(f.at(pos, 8))) }

// field is where a table's field lies, -1 where it is left out.
func (f flat) field(table int64, k int) int64 {
	vtable := table - int64(int32(f.u32(table)))
	size := int64(binary.LittleEndian.Uint16(f.at(vtable, 2)))
	slot := int64(4 + 2*k)
	if slot >= size { // as the reader has it, whatever the size
		return -1
	}
	off := int64(binary.LittleEndian.Uint16(f.at(vtable+slot, 2)))
	if off == 0 {
		return -1
	}
	f.at(table+off, 1)
	return table + off
}

// table is the table that a field refers to, -1 where it is left out.
func (f flat) table(table int64, k int) int64 {
	pos := f.field(table, k)
	if pos < 0 {
		return -1
	}
	pos += f.u32(pos)
	f.u32(pos)
	return pos
}

// vector is the first element of a field's vector and how many there are.
func (f flat) vector(table int64, k int, size int64) (first, n int64) {
	pos := f.field(table, k)
	if pos < 0 {
		return 0, 0
	}
	pos += f.u32(pos)
	n = f.u32(pos)
	f.at(pos+4, n*size)
	return pos + 4, n
}

// checked runs a check and turns what it trips over into an error.
func checked(check func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error)
			if !ok || !errors.Is(e, errMessage) {
				panic(r)
			}
			err = e
		}
	}()
	check()
	return nil
}

// ipcParts is what a batch must bring: the reader takes it without looking how much there is.
type ipcParts struct{ nodes, buffers int64 }

// ipcShape is what a schema asks of its batches: of the rows, and of each dictionary by its number.
type ipcShape struct {
	rows         ipcParts
	dictionaries map[int64]*ipcParts
}

// ipcBuffers is the number of buffers of a type, by its number in Schema.fbs; of those that are not listed two.
var ipcBuffers = map[byte]int64{1: 0, 4: 3, 5: 3, 13: 1, 14: 1, 16: 1, 19: 3, 20: 3, 22: 0, 25: 3, 26: 3}

// schema looks through a Schema's vectors.
func (f flat) schema(table int64) *ipcShape {
	shape := &ipcShape{dictionaries: map[int64]*ipcParts{}}
	left := ipcFields
	var field func(table int64, depth int, of *ipcParts)
	field = func(table int64, depth int, of *ipcParts) {
		if left--; left < 0 || depth > maxDepth {
			panic(errMessage)
		}
		f.vector(table, 0, 1)
		var kind byte
		if pos := f.field(table, 2); pos >= 0 {
			kind = f.at(pos, 1)[0]
		}
		if union := f.table(table, 3); union >= 0 && kind == 14 { // it has a vector of its own
			f.vector(union, 1, 4)
		}
		if coded := f.table(table, 4); coded >= 0 { // a batch has numbers alone; the type is the dictionary's
			of.nodes, of.buffers = of.nodes+1, of.buffers+2
			id := f.number(coded, 0)
			of = &ipcParts{}
			shape.dictionaries[id] = of
		}
		buffers, known := ipcBuffers[kind]
		if !known {
			buffers = 2
		}
		of.nodes, of.buffers = of.nodes+1, of.buffers+buffers
		first, n := f.vector(table, 5, 4)
		for i := range n {
			field(first+4*i+f.u32(first+4*i), depth+1, of)
		}
		f.vector(table, 6, 4)
	}
	first, n := f.vector(table, 1, 4)
	for i := range n {
		field(first+4*i+f.u32(first+4*i), 0, &shape.rows)
	}
	f.vector(table, 2, 4)
	f.vector(table, 3, 8)
	return shape
}

// number is a table's field of 64 bits, 0 where it is left out.
func (f flat) number(table int64, k int) int64 {
	pos := f.field(table, k)
	if pos < 0 {
		return 0
	}
	return f.i64(pos)
}

// batch looks through a RecordBatch whose body is so long and read by body.
func (f flat) batch(table, bodyLen int64, want ipcParts, body func(pos int64, p []byte) error) {
	have := bodyLen
	buffers, n := f.vector(table, 2, 16)
	if n < want.buffers {
		panic(fmt.Errorf("%w (a batch has %d buffers, and its columns have %d)", errMessage, n, want.buffers))
	}
	packed := f.field(table, 3) >= 0
	for i := range n {
		pos, size := f.i64(buffers+16*i), f.i64(buffers+16*i+8)
		if pos < 0 || size < 0 || pos > bodyLen || size > bodyLen-pos {
			panic(errMessage)
		}
		if !packed || size < 8 {
			continue
		}
		var head [8]byte
		if err := body(pos, head[:]); err != nil {
			panic(errMessage)
		}
		plain := int64(binary.LittleEndian.Uint64(head[:]))
		if plain > ipcInflated {
			panic(fmt.Errorf("%w (a buffer claims %d bytes)", errMessage, plain))
		}
		have += max(plain, 0)
	}
	rows := func(n int64) {
		if n < 0 || n > have*8+ipcFreeRows {
			panic(fmt.Errorf("%w (a batch of %d bytes claims %d rows)", errMessage, bodyLen, n))
		}
	}
	if pos := f.field(table, 0); pos >= 0 {
		rows(f.i64(pos))
	}
	nodes, n := f.vector(table, 1, 16)
	if n < want.nodes {
		panic(fmt.Errorf("%w (a batch has %d columns, and its schema %d)", errMessage, n, want.nodes))
	}
	for i := range n {
		rows(f.i64(nodes + 16*i))
	}
	f.vector(table, 4, 8)
}

// check looks through a message's metadata; a schema says what is asked of the batches behind it. bodyLen is that of
// the file's index, or -1: the message's own.
func (s *ipcShape) check(meta []byte, bodyLen int64, body func(pos int64, p []byte) error) (err error) {
	return checked(func() {
		f := flat(meta)
		root := f.u32(0)
		if bodyLen < 0 {
			bodyLen = f.bodyLen()
		}
		f.vector(root, 4, 4)
		kind := f.field(root, 1)
		header := f.table(root, 2)
		if kind < 0 || header < 0 {
			panic(errMessage)
		}
		switch f.at(kind, 1)[0] {
		case 1:
			*s = *f.schema(header)
		case 2:
			data, want := f.table(header, 1), s.dictionaries[f.number(header, 0)]
			if data < 0 || want == nil {
				panic(errMessage)
			}
			f.batch(data, bodyLen, *want, body)
		case 3:
			f.batch(header, bodyLen, s.rows, body)
		}
	})
}

func (f flat) bodyLen() int64 {
	n := int64(0)
	if pos := f.field(f.u32(0), 3); pos >= 0 {
		n = f.i64(pos)
	}
	if n < 0 {
		panic(errMessage)
	}
	return n
}

// guardedMessages reads the messages of a stream, of which no more is held than the stream has.
type guardedMessages struct {
	r     io.Reader
	shape ipcShape
	last  *ipc.Message
}

var _ ipc.MessageReader = (*guardedMessages)(nil)

func newArrowReader(r io.Reader) (*ipc.Reader, error) {
	return ipc.NewReaderFromMessageReader(&guardedMessages{r: r})
}

func (g *guardedMessages) Retain() {}

func (g *guardedMessages) Release() {
	if g.last != nil {
		g.last.Release()
		g.last = nil
	}
}

// take reads so many bytes, in memory that grows with what comes.
func (g *guardedMessages) take(n int64) ([]byte, error) {
	var b bytes.Buffer
	if n <= 64<<10 {
		b.Grow(int(n))
	}
	if _, err := io.CopyN(&b, g.r, n); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b.Bytes(), nil
}

// Message reads the next message. An end of the file where one is due is the end of the stream.
func (g *guardedMessages) Message() (*ipc.Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(g.r, head[:]); err != nil {
		return nil, err
	}
	size := int64(int32(binary.LittleEndian.Uint32(head[:])))
	if size == -1 { // the mark of newer writers, before the length
		if _, err := io.ReadFull(g.r, head[:]); err != nil {
			return nil, err
		}
		size = int64(int32(binary.LittleEndian.Uint32(head[:])))
	}
	if size == 0 {
		return nil, io.EOF
	}
	if size < 0 {
		return nil, errMessage
	}
	meta, err := g.take(size)
	if err != nil {
		return nil, err
	}
	var bodyLen int64
	if err := checked(func() { bodyLen = flat(meta).bodyLen() }); err != nil {
		return nil, err
	}
	body, err := g.take(bodyLen)
	if err != nil {
		return nil, err
	}
	err = g.shape.check(meta, bodyLen, func(pos int64, p []byte) error {
		copy(p, flat(body).at(pos, int64(len(p))))
		return nil
	})
	if err != nil {
		return nil, err
	}
	g.Release()
	m, b := memory.NewBufferBytes(meta), memory.NewBufferBytes(body)
	g.last = ipc.NewMessage(m, b)
	m.Release()
	b.Release()
	return g.last, nil
}

// checkArrowFile looks through the index of an Arrow file and the metadata of its blocks.
func checkArrowFile(at io.ReaderAt, size int64) error {
	var tail [10]byte
	if size < 20 {
		return errMessage
	}
	if _, err := at.ReadAt(tail[:], size-10); err != nil {
		return err
	}
	n := int64(int32(binary.LittleEndian.Uint32(tail[:])))
	if n <= 0 || n > size-18 {
		return errMessage
	}
	footer := make(flat, n)
	if _, err := at.ReadAt(footer, size-10-n); err != nil {
		return err
	}
	type block struct{ pos, meta, body int64 }
	var blocks []block
	shape := &ipcShape{}
	err := checked(func() {
		root := footer.u32(0)
		s := footer.table(root, 1)
		if s < 0 {
			panic(errMessage)
		}
		shape = footer.schema(s)
		for k := 2; k <= 3; k++ {
			first, n := footer.vector(root, k, 24)
			for i := range n {
				p := first + 24*i
				b := block{footer.i64(p), int64(int32(footer.u32(p + 8))), footer.i64(p + 16)}
				if b.pos < 0 || b.meta < 8 || b.body < 0 || b.pos > size || b.meta > size-b.pos || b.body > size-b.pos-b.meta {
					panic(errMessage)
				}
				blocks = append(blocks, b)
			}
		}
		footer.vector(root, 4, 4)
	})
	for i := 0; i < len(blocks) && err == nil; i++ {
		b := blocks[i]
		meta := make([]byte, b.meta)
		if _, err = at.ReadAt(meta, b.pos); err != nil {
			break
		}
		skip := 4
		if binary.LittleEndian.Uint32(meta) == 0xffffffff {
			skip = 8
		}
		err = shape.check(meta[skip:], b.body, func(pos int64, p []byte) error {
			_, err := at.ReadAt(p, b.pos+b.meta+pos)
			return err
		})
		if err != nil {
			err = fmt.Errorf("block %d: %w", i, err)
		}
	}
	return err
}
