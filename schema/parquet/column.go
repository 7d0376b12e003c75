package parquet

import (
	"errors"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/parquet-go/parquet-go/encoding"

	"github.com/lockstep-data/lockstep/schema"
)

// column collects one leaf's values of a batch, dense (NULLs take no place), and makes an Arrow array of them.
type column interface {
	// start begins a batch of about n values.
	start(n int)
	// dictionary sets that which indexes refer to from now on.
	dictionary(v encoding.Values, n int) error
	// indexed and plain append n values of a page, from a position on.
	indexed(index []int32) error
	plain(v encoding.Values, from, n int) error
	// finish makes the array: one slot for each of defs, a value where it equals full, else NULL. A nil defs
	// means a value in each of n slots.
	finish(defs []byte, full byte, n int) (arrow.ArrayData, error)
}

var errIndex = errors.New("an index points behind the end of the dictionary")

// validity is the bitmap of defs >= full, and how many are below.
func validity(defs []byte, full byte) (*memory.Buffer, int) {
	bits := make([]byte, bitutil.BytesForBits(int64(len(defs))))
	valid := 0
	i := 0
	for ; i+8 <= len(defs); i += 8 {
		var b byte
		for j, d := range defs[i : i+8] {
			var x byte
			if d >= full {
				x = 1
			}
			b |= x << j
		}
		bits[i/8] = b
	}
	for ; i < len(defs); i++ {
		if defs[i] >= full {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	valid = bitutil.CountSetBits(bits, 0, len(defs))
	return memory.NewBufferBytes(bits), len(defs) - valid
}

// spread moves dense values to the slots that have one, from the end on so that it needs no second buffer.
func spread[T any](buf []T, dense int, defs []byte, full byte) {
	var zero T
	for i := len(defs) - 1; i >= 0; i-- {
		if defs[i] == full {
			dense--
			buf[i] = buf[dense]
		} else {
			buf[i] = zero
		}
	}
}

// fixedColumn holds values of a fixed width.
type fixedColumn[T any] struct {
	typ schema.Type
	// conv writes len(dst) values of a page from a position on.
	conv func(dst []T, v *encoding.Values, from int) error
	dict []T
	buf  []T
}

func (c *fixedColumn[T]) start(n int) { c.buf = make([]T, 0, n) }

func (c *fixedColumn[T]) grow(n int) []T {
	at := len(c.buf)
	if at+n <= cap(c.buf) {
		c.buf = c.buf[:at+n]
	} else {
		c.buf = append(c.buf, make([]T, n)...)
	}
	return c.buf[at:]
}

func (c *fixedColumn[T]) dictionary(v encoding.Values, n int) error {
	c.dict = make([]T, n)
	return c.conv(c.dict, &v, 0)
}

func (c *fixedColumn[T]) indexed(index []int32) error {
	dst, dict := c.grow(len(index)), c.dict
	for i, x := range index {
		if uint(x) >= uint(len(dict)) {
			return errIndex
		}
		dst[i] = dict[x]
	}
	return nil
}

func (c *fixedColumn[T]) plain(v encoding.Values, from, n int) error {
	return c.conv(c.grow(n), &v, from)
}

func (c *fixedColumn[T]) finish(defs []byte, full byte, n int) (arrow.ArrayData, error) {
	var bits *memory.Buffer
	nulls := 0
	if dense := len(c.buf); defs != nil && dense != n {
		c.grow(n - dense)
		spread(c.buf, dense, defs, full)
		bits, nulls = validity(defs, full)
	}
	return array.NewData(c.typ.Arrow(), n, []*memory.Buffer{bits, memory.NewBufferBytes(rawBytes(c.buf))}, nil, nulls, 0), nil
}

func rawBytes[T any](v []T) []byte {
	switch v := any(v).(type) {
	case []int16:
		return arrow.Int16Traits.CastToBytes(v)
	case []int32:
		return arrow.Int32Traits.CastToBytes(v)
	case []int64:
		return arrow.Int64Traits.CastToBytes(v)
	case []float32:
		return arrow.Float32Traits.CastToBytes(v)
	case []float64:
		return arrow.Float64Traits.CastToBytes(v)
	case []decimal128.Num:
		return arrow.Decimal128Traits.CastToBytes(v)
	}
	panic("no such width")
}

// boolColumn holds a byte a value until finish packs them.
type boolColumn struct {
	dict, buf []byte
}

func (c *boolColumn) start(n int) { c.buf = make([]byte, 0, n) }

func (c *boolColumn) dictionary(v encoding.Values, n int) error {
	bits := v.Boolean()
	c.dict = make([]byte, n)
	for i := range c.dict {
		c.dict[i] = bits[i/8] >> (i % 8) & 1
	}
	return nil
}

func (c *boolColumn) indexed(index []int32) error {
	for _, x := range index {
		if uint(x) >= uint(len(c.dict)) {
			return errIndex
		}
		c.buf = append(c.buf, c.dict[x])
	}
	return nil
}

func (c *boolColumn) plain(v encoding.Values, from, n int) error {
	bits := v.Boolean()
	for i := from; i < from+n; i++ {
		c.buf = append(c.buf, bits[i/8]>>(i%8)&1)
	}
	return nil
}

func (c *boolColumn) finish(defs []byte, full byte, n int) (arrow.ArrayData, error) {
	var bits *memory.Buffer
	nulls := 0
	if dense := len(c.buf); defs != nil && dense != n {
		c.buf = append(c.buf, make([]byte, n-dense)...)
		spread(c.buf, dense, defs, full)
		bits, nulls = validity(defs, full)
	}
	packed, _ := validity(c.buf, 1)
	return array.NewData(arrow.FixedWidthTypes.Boolean, n, []*memory.Buffer{bits, packed}, nil, nulls, 0), nil
}

// nullColumn is a column of which the file says that it holds nothing.
type nullColumn struct{ typ schema.Type }

func (c *nullColumn) start(int)                             {}
func (c *nullColumn) dictionary(encoding.Values, int) error { return nil }
func (c *nullColumn) indexed([]int32) error                 { return nil }
func (c *nullColumn) plain(encoding.Values, int, int) error { return nil }
func (c *nullColumn) finish(_ []byte, _ byte, n int) (arrow.ArrayData, error) {
	return array.MakeArrayOfNull(memory.DefaultAllocator, c.typ.Arrow(), n).Data(), nil
}

// bytesColumn holds text and bytes; NULLs are spread over the offsets alone.
type bytesColumn struct {
	typ schema.Type
	// length is that of a FIXED_LEN_BYTE_ARRAY's values, else 0.
	length int
	// text, when not nil, writes a value's text behind dst.
	text func(dst, b []byte) []byte
	// keep asks for an Arrow dictionary where the whole batch was one.
	keep bool

	dictOffsets []int32
	dictData    []byte
	dictArray   arrow.ArrayData
	offsets     []int32
	data        []byte
	// index holds the batch's values while they all come from the one dictionary.
	index    []int32
	keeping  bool
	lastData int
}

func (c *bytesColumn) start(n int) {
	c.keeping = c.keep
	c.lastData = max(c.lastData*3/4, len(c.data))
	c.offsets, c.data, c.index = nil, nil, nil
	if c.keeping {
		c.index = make([]int32, 0, n)
		return
	}
	c.open(n)
}

func (c *bytesColumn) open(n int) {
	c.offsets = make([]int32, 1, n+1)
	c.data = make([]byte, 0, c.lastData+c.lastData/8)
}

// settle gives up keeping the dictionary: what was collected is looked up.
func (c *bytesColumn) settle() error {
	if !c.keeping {
		return nil
	}
	c.keeping = false
	index := c.index
	c.index = nil
	c.open(max(cap(index), len(index)))
	return c.gather(index)
}

func (c *bytesColumn) dictionary(v encoding.Values, n int) error {
	if len(c.index) > 0 {
		if err := c.settle(); err != nil {
			return err
		}
	}
	d := bytesColumn{typ: c.typ, length: c.length, text: c.text}
	d.open(n)
	if err := d.plain(v, 0, n); err != nil {
		return err
	}
	c.dictOffsets, c.dictData, c.dictArray = d.offsets, d.data, nil
	return nil
}

func (c *bytesColumn) indexed(index []int32) error {
	if c.keeping {
		n := int32(len(c.dictOffsets) - 1)
		for _, x := range index {
			if uint32(x) >= uint32(n) {
				return errIndex
			}
		}
		c.index = append(c.index, index...)
		return nil
	}
	return c.gather(index)
}

func (c *bytesColumn) gather(index []int32) error {
	offsets, dict := c.dictOffsets, c.dictData
	total := len(c.data)
	out := c.offsets
	for _, x := range index {
		if uint(x)+1 >= uint(len(offsets)) {
			return errIndex
		}
		total += int(offsets[x+1] - offsets[x])
		out = append(out, int32(total))
	}
	if total > math.MaxInt32 {
		return errTooLong
	}
	c.offsets = out
	data := c.data
	if cap(data) < total {
		data = append(make([]byte, 0, total), data...)
	}
	at := len(data)
	data = data[:total]
	for _, x := range index {
		at += copy(data[at:], dict[offsets[x]:offsets[x+1]])
	}
	c.data = data
	return nil
}

var errTooLong = errors.New("more than 2 GiB of text in one batch of rows")

var errText = schema.WithHint(errors.New("a text is not UTF-8"), "declare the column as bytes")

// validText reports whether every value is UTF-8: all together are, and none ends within a letter.
func validText(data []byte, offsets []uint32) bool {
	end := offsets[len(offsets)-1]
	if !utf8.Valid(data[offsets[0]:end]) {
		return false
	}
	for _, o := range offsets[1:] {
		if o < end && !utf8.RuneStart(data[o]) {
			return false
		}
	}
	return true
}

func (c *bytesColumn) plain(v encoding.Values, from, n int) error {
	if err := c.settle(); err != nil {
		return err
	}
	if c.length > 0 {
		data, size := v.FixedLenByteArray()
		for i := from; i < from+n; i++ {
			b := data[i*size : (i+1)*size]
			if c.text != nil {
				c.data = c.text(c.data, b)
			} else {
				c.data = append(c.data, b...)
			}
			c.offsets = append(c.offsets, int32(len(c.data)))
		}
		if len(c.data) > math.MaxInt32 {
			return errTooLong
		}
		return nil
	}
	data, offsets := v.ByteArray()
	offsets = offsets[from : from+n+1]
	first := offsets[0]
	if len(c.data)+int(offsets[n]-first) > math.MaxInt32 {
		return errTooLong
	}
	if c.typ.Kind == schema.String && !validText(data, offsets) {
		return errText
	}
	base := int32(len(c.data)) - int32(first)
	c.data = append(c.data, data[first:offsets[n]]...)
	at := len(c.offsets)
	if at+n <= cap(c.offsets) {
		c.offsets = c.offsets[:at+n]
	} else {
		c.offsets = append(c.offsets, make([]int32, n)...)
	}
	for i, o := range offsets[1:] {
		c.offsets[at+i] = int32(o) + base
	}
	return nil
}

func (c *bytesColumn) finish(defs []byte, full byte, n int) (arrow.ArrayData, error) {
	var bits *memory.Buffer
	nulls := 0
	if c.keeping && len(c.dictOffsets) == 0 {
		if err := c.settle(); err != nil {
			return nil, err
		}
	}
	if c.keeping {
		if dense := len(c.index); defs != nil && dense != n {
			c.index = append(c.index, make([]int32, n-dense)...)
			spread(c.index, dense, defs, full)
			bits, nulls = validity(defs, full)
		}
		if c.dictArray == nil {
			c.dictArray = array.NewData(c.typ.Arrow(), len(c.dictOffsets)-1, []*memory.Buffer{nil,
				memory.NewBufferBytes(rawBytes(c.dictOffsets)), memory.NewBufferBytes(c.dictData)}, nil, 0, 0)
		}
		dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: c.typ.Arrow()}
		return array.NewDataWithDictionary(dt, n, []*memory.Buffer{bits, memory.NewBufferBytes(rawBytes(c.index))}, nulls, 0, c.dictArray.(*array.Data)), nil
	}
	if dense := len(c.offsets) - 1; defs != nil && dense != n {
		bits, nulls = validity(defs, full)
		if cap(c.offsets) < n+1 {
			c.offsets = append(make([]int32, 0, n+1), c.offsets...)
		}
		c.offsets = c.offsets[:n+1]
		for i := n - 1; i >= 0; i-- {
			c.offsets[i+1] = c.offsets[dense]
			if defs[i] == full {
				dense--
			}
		}
	}
	return array.NewData(c.typ.Arrow(), n, []*memory.Buffer{bits, memory.NewBufferBytes(rawBytes(c.offsets)), memory.NewBufferBytes(c.data)}, nil, nulls, 0), nil
}
