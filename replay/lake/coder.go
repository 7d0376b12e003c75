package lake

import (
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/state"
)

// A dictionary of a source has at most so many words and bytes: enough for what names a kind of thing, and so few
// that its memory can be taken at once and never moves.
const (
	coderWords = 16 << 10
	coderBytes = 256 << 10
)

// coder makes one dictionary of those of all row groups of a column, so that rows of different blocks can be put
// together by their numbers. It only ever appends: blocks hold beginnings of the same memory. Any goroutine may
// use it.
type coder struct {
	mu      sync.Mutex
	numbers map[string]int32
	offsets []int32
	data    []byte
}

// code gives a column the source's dictionary, or makes text of it when it brings too many words; a column without
// a dictionary stays as it is.
func (c *coder) code(a arrow.Array) (arrow.Array, error) {
	d, ok := a.(*array.Dictionary)
	if !ok {
		return a, nil
	}
	to, words, ok := c.number(d.Dictionary())
	if !ok {
		return state.Plain(a)
	}
	codes := make([]int32, d.Len())
	for i, x := range d.Indices().(*array.Int32).Int32Values() {
		if int(x) < len(to) { // a NULL of an empty dictionary has no number
			codes[i] = to[x]
		}
	}
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(codes))}
	nulls, offset := d.NullN(), d.Data().Offset()
	if nulls > 0 {
		bits := make([]byte, bitutil.BytesForBits(int64(d.Len())))
		bitutil.CopyBitmap(d.NullBitmapBytes(), offset, d.Len(), bits, 0)
		buffers[0] = memory.NewBufferBytes(bits)
	}
	return array.MakeFromData(array.NewDataWithDictionary(d.DataType(), d.Len(), buffers, nulls, 0, words)), nil
}

// number finds the numbers of a dictionary's words, and the dictionary that has them all.
func (c *coder) number(words arrow.Array) (to []int32, all *array.Data, ok bool) {
	text := words.(interface{ ValueOffsets() []int32 }).ValueOffsets()
	n := words.Len()
	if n > coderWords {
		return nil, nil, false
	}
	var data []byte
	if b := words.Data().Buffers()[2]; b != nil {
		data = b.Bytes()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers == nil {
		c.numbers = map[string]int32{}
		c.offsets = make([]int32, 1, coderWords+1)
		c.data = make([]byte, 0, coderBytes)
	}
	to = make([]int32, n)
	for i := range to {
		word := data[text[i]:text[i+1]]
		x, known := c.numbers[string(word)]
		if !known {
			if len(c.numbers) == coderWords || len(c.data)+len(word) > coderBytes {
				return nil, nil, false
			}
			x = int32(len(c.numbers))
			c.data = append(c.data, word...)
			c.offsets = append(c.offsets, int32(len(c.data)))
			c.numbers[string(word)] = x
		}
		to[i] = x
	}
	return to, array.NewData(words.DataType(), len(c.numbers), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.offsets)),
		memory.NewBufferBytes(c.data)}, nil, 0, 0), true
}
