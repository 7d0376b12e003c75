package state

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/zeebo/xxh3"
)

// layout is how a column's values lie in memory; what they mean does not matter to copying.
type layout uint8

const (
	layoutNull layout = iota
	layoutBit
	layout2
	layout4
	layout8
	layout16
	layoutBytes
	layoutCode // text as numbers in a dictionary, which is the one child
	layoutList // lists and maps
	layoutStruct
)

// Column is a view of an Arrow array with its buffers at hand, whose memory it borrows.
type Column struct {
	layout layout
	float  uint8  // 4 or 8 when the values are floating point, whose equality is not that of their bits
	data   []byte // values of a fixed width, bits or bytes
	valid  []byte
	offset int // of bit buffers, in bits
	// What comparing a value seldom needs is behind the first 64 bytes.
	n       int
	offsets []int32
	kids    []Column // a list's one child, unsliced; a struct's fields; a dictionary
	dt      arrow.DataType
}

// valuesOf is the data of a column as what its layout says they are.
func valuesOf[T any](c *Column) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(c.data))), len(c.data)/int(unsafe.Sizeof(zero)))
}

func (c *Column) v2() []int16           { return valuesOf[int16](c) }
func (c *Column) v4() []int32           { return valuesOf[int32](c) }
func (c *Column) v8() []int64           { return valuesOf[int64](c) }
func (c *Column) v16() []decimal128.Num { return valuesOf[decimal128.Num](c) }

// View makes a Column of an array of any type that schema.Type has; text may come as a dictionary of int32.
func View(a arrow.Array) Column {
	d := a.Data()
	n, off := d.Len(), d.Offset()
	c := Column{n: n, offset: off, dt: a.DataType()}
	buf := d.Buffers()
	if len(buf) > 0 && buf[0] != nil && a.NullN() > 0 {
		c.valid = buf[0].Bytes()
	}
	raw := func(i int) []byte {
		if i >= len(buf) || buf[i] == nil {
			return nil
		}
		return buf[i].Bytes()
	}
	switch dt := a.DataType().(type) {
	case *arrow.NullType:
		c.layout = layoutNull
	case *arrow.BooleanType:
		c.layout, c.data = layoutBit, raw(1)
	case *arrow.StringType, *arrow.BinaryType:
		c.layout, c.data = layoutBytes, raw(2)
		c.offsets = offsetsOf(raw(1), off, n)
	case *arrow.DictionaryType:
		c.layout, c.dt = layoutCode, dt.ValueType
		c.data = window(raw(1), 4, off, n)
		c.kids = []Column{View(a.(*array.Dictionary).Dictionary())}
	case *arrow.ListType, *arrow.MapType:
		c.layout = layoutList
		c.offsets = offsetsOf(raw(1), off, n)
		c.kids = []Column{View(array.MakeFromData(d.Children()[0]))}
	case *arrow.StructType:
		c.layout = layoutStruct
		s := a.(*array.Struct)
		for i := 0; i < s.NumField(); i++ {
			c.kids = append(c.kids, View(s.Field(i)))
		}
	case arrow.FixedWidthDataType:
		switch dt.BitWidth() {
		case 16:
			c.layout, c.data = layout2, window(raw(1), 2, off, n)
		case 32:
			c.layout, c.data = layout4, window(raw(1), 4, off, n)
			if dt.ID() == arrow.FLOAT32 {
				c.float = 4
			}
		case 64:
			c.layout, c.data = layout8, window(raw(1), 8, off, n)
			if dt.ID() == arrow.FLOAT64 {
				c.float = 8
			}
		case 128:
			c.layout, c.data = layout16, window(raw(1), 16, off, n)
		default:
			panic("state: no layout for " + dt.String())
		}
	default:
		panic("state: no layout for " + dt.String())
	}
	return c
}

// Views makes a Column of each array.
func Views(arrays []arrow.Array) []Column {
	out := make([]Column, len(arrays))
	for i, a := range arrays {
		out[i] = View(a)
	}
	return out
}

// window is n values of so many bytes each, from off on.
func window(all []byte, width, off, n int) []byte {
	if len(all) == 0 {
		return make([]byte, n*width)
	}
	return all[off*width : (off+n)*width : (off+n)*width]
}

func offsetsOf(raw []byte, off, n int) []int32 {
	if n == 0 || len(raw) == 0 {
		return make([]int32, n+1)
	}
	return arrow.Int32Traits.CastFromBytes(raw)[off : off+n+1]
}

// Null reports whether row i is NULL.
func (c *Column) Null(i int) bool {
	if c.layout == layoutNull {
		return true
	}
	return c.valid != nil && !bitutil.BitIsSet(c.valid, c.offset+i)
}

// Int64 is row i of a column of 64-bit values.
func (c *Column) Int64(i int) int64 { return c.v8()[i] }

// Text is row i for people.
func (c *Column) Text(i int) string {
	a, err := Gather(c.dt, []*Column{c}, []Ref{{Row: uint32(i)}})
	if err != nil {
		return err.Error()
	}
	return a.ValueStr(0)
}

// Bytes is row i of a text or binary column; the memory is the column's.
func (c *Column) Bytes(i int) []byte {
	if c.layout == layoutCode {
		if c.Null(i) {
			return nil
		}
		c, i = &c.kids[0], int(c.v4()[i])
	}
	return c.data[c.offsets[i]:c.offsets[i+1]]
}

// Equal reports whether row i of c and row j of o, both not NULL and of the same type, are equal as SQL has it:
// -0.0 equals 0.0, NaN equals nothing.
func (c *Column) Equal(i int, o *Column, j int) bool {
	switch c.float {
	case 4:
		return math.Float32frombits(uint32(c.v4()[i])) == math.Float32frombits(uint32(o.v4()[j]))
	case 8:
		return math.Float64frombits(uint64(c.v8()[i])) == math.Float64frombits(uint64(o.v8()[j]))
	}
	return c.Identical(i, o, j)
}

// Differing appends to wrong the rows i of c, not NULL, that are not Equal to row rows[i] of o, for rows[i] >= 0.
func (c *Column) Differing(o *Column, rows, wrong []int32) []int32 {
	switch {
	case c.layout == layout8 && c.float == 0:
		for i, r := range rows {
			if r >= 0 && c.v8()[i] != o.v8()[r] {
				wrong = append(wrong, int32(i))
			}
		}
	case c.layout == layout4 && c.float == 0:
		for i, r := range rows {
			if r >= 0 && c.v4()[i] != o.v4()[r] {
				wrong = append(wrong, int32(i))
			}
		}
	case c.layout == layoutBytes && o.layout == layoutBytes:
		for i, r := range rows {
			if r >= 0 && !sameText(c.data[c.offsets[i]:c.offsets[i+1]], o.data[o.offsets[r]:o.offsets[r+1]]) {
				wrong = append(wrong, int32(i))
			}
		}
	default:
		for i, r := range rows {
			if r >= 0 && !c.Equal(i, o, int(r)) {
				wrong = append(wrong, int32(i))
			}
		}
	}
	return wrong
}

// sameText compares most keys as two words that may overlap: without a call, the cache misses of several rows overlap.
func sameText(a, b []byte) bool {
	n := len(a)
	if n != len(b) {
		return false
	}
	if n < 8 || n > 16 {
		return string(a) == string(b)
	}
	return (binary.LittleEndian.Uint64(a)^binary.LittleEndian.Uint64(b))|(binary.LittleEndian.Uint64(a[n-8:])^binary.LittleEndian.Uint64(b[n-8:])) == 0
}

// Ints calls do with each row's value of a column of whole numbers, dates or times, until it returns false; a NULL has
// none. It reports false for a column of another type.
func (c *Column) Ints(do func(i int, v int64) bool) bool {
	at := c.int()
	if at == nil {
		return false
	}
	for i := range c.n {
		if !c.Null(i) && !do(i, at(i)) {
			break
		}
	}
	return true
}

func (c *Column) int() func(i int) int64 {
	switch {
	case c.float > 0:
	case c.layout == layout2:
		return func(i int) int64 { return int64(c.v2()[i]) }
	case c.layout == layout4:
		return func(i int) int64 { return int64(c.v4()[i]) }
	case c.layout == layout8:
		return func(i int) int64 { return c.v8()[i] }
	}
	return nil
}

// Places sets rows[i] to places[v-least]-1 for row i's value v, -1 where there is no such place or a NULL. It is a
// look-up by a column that Ints takes.
func (c *Column) Places(places []int32, least int64, rows []int32) {
	switch c.layout {
	case layout2:
		placesOf(c.v2(), places, least, rows)
	case layout4:
		placesOf(c.v4(), places, least, rows)
	case layout8:
		placesOf(c.v8(), places, least, rows)
	}
	if c.valid != nil {
		for i := range rows {
			if c.Null(i) {
				rows[i] = -1
			}
		}
	}
}

func placesOf[T int16 | int32 | int64](v []T, places []int32, least int64, rows []int32) {
	for i := range rows {
		rows[i] = -1
		if at := uint64(v[i]) - uint64(least); at < uint64(len(places)) {
			rows[i] = places[at] - 1
		}
	}
}

// Identical reports whether row i of c and row j of o, of the same type, hold the same value: NULL is identical
// to NULL, floating point is compared by its bits.
func (c *Column) Identical(i int, o *Column, j int) bool {
	if an, bn := c.Null(i), o.Null(j); an || bn {
		return an && bn
	}
	switch c.layout {
	case layoutBit:
		return bitutil.BitIsSet(c.data, c.offset+i) == bitutil.BitIsSet(o.data, o.offset+j)
	case layout2:
		return c.v2()[i] == o.v2()[j]
	case layout4:
		return c.v4()[i] == o.v4()[j]
	case layout8:
		return c.v8()[i] == o.v8()[j]
	case layout16:
		return c.v16()[i] == o.v16()[j]
	case layoutBytes, layoutCode:
		return bytes.Equal(c.Bytes(i), o.Bytes(j))
	case layoutStruct:
		for k := range c.kids {
			if !c.kids[k].Identical(i, &o.kids[k], j) {
				return false
			}
		}
		return true
	case layoutList:
		a, an := int(c.offsets[i]), int(c.offsets[i+1])
		b, bn := int(o.offsets[j]), int(o.offsets[j+1])
		if an-a != bn-b {
			return false
		}
		for ; a < an; a, b = a+1, b+1 {
			if !c.kids[0].Identical(a, &o.kids[0], b) {
				return false
			}
		}
		return true
	}
	return true
}

// Compare orders row i of c against row j of o by content, NULL first: an order that is total and the same
// wherever rows come from; it need not be that of SQL.
func (c *Column) Compare(i int, o *Column, j int) int {
	if an, bn := c.Null(i), o.Null(j); an || bn {
		switch {
		case an && bn:
			return 0
		case an:
			return -1
		}
		return 1
	}
	cmp := func(a, b int64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	switch c.layout {
	case layoutBit:
		return cmp(bit(c.data, c.offset+i), bit(o.data, o.offset+j))
	case layout2:
		return cmp(int64(c.v2()[i]), int64(o.v2()[j]))
	case layout4:
		return cmp(int64(c.v4()[i]), int64(o.v4()[j]))
	case layout8:
		return cmp(c.v8()[i], o.v8()[j])
	case layout16:
		return c.v16()[i].Cmp(o.v16()[j])
	case layoutBytes, layoutCode:
		return bytes.Compare(c.Bytes(i), o.Bytes(j))
	case layoutStruct:
		for k := range c.kids {
			if r := c.kids[k].Compare(i, &o.kids[k], j); r != 0 {
				return r
			}
		}
	case layoutList:
		a, an := int(c.offsets[i]), int(c.offsets[i+1])
		b, bn := int(o.offsets[j]), int(o.offsets[j+1])
		for ; a < an && b < bn; a, b = a+1, b+1 {
			if r := c.kids[0].Compare(a, &o.kids[0], b); r != 0 {
				return r
			}
		}
		return cmp(int64(an-a), int64(bn-b))
	}
	return 0
}

func bit(b []byte, i int) int64 {
	if bitutil.BitIsSet(b, i) {
		return 1
	}
	return 0
}

const hashSeed = 0x9e3779b97f4a7c15

// mix spreads a value over 64 bits; it is a bijection for a fixed h.
func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(v^0xe7037ed1a0b428db, h^0xa0761d6478bd642f)
	return hi ^ lo ^ v
}

// Hash sets hashes[i] to the hash of row i over all the columns, and reports in null the rows where one of them
// is NULL (nil when there are none). Equal keys of the same types hash alike in every process.
func Hash(cols []Column, n int, hashes []uint64) (null []bool) {
	for i := range hashes[:n] {
		hashes[i] = hashSeed
	}
	for k := range cols {
		c := &cols[k]
		if c.valid != nil || c.layout == layoutNull {
			if null == nil {
				null = make([]bool, n)
			}
			for i := 0; i < n; i++ {
				if c.Null(i) {
					null[i] = true
				}
			}
		}
		c.hashInto(n, hashes)
	}
	return null
}

func (c *Column) hashInto(n int, hashes []uint64) {
	switch {
	case c.float == 4:
		for i, v := range c.v4() {
			if v<<1 == 0 {
				v = 0 // -0.0 equals 0.0
			}
			hashes[i] = mix(hashes[i], uint64(v))
		}
	case c.float == 8:
		for i, v := range c.v8() {
			if v<<1 == 0 {
				v = 0
			}
			hashes[i] = mix(hashes[i], uint64(v))
		}
	case c.layout == layoutBit:
		for i := 0; i < n; i++ {
			hashes[i] = mix(hashes[i], uint64(bit(c.data, c.offset+i)))
		}
	case c.layout == layout2:
		for i, v := range c.v2() {
			hashes[i] = mix(hashes[i], uint64(v))
		}
	case c.layout == layout4:
		for i, v := range c.v4() {
			hashes[i] = mix(hashes[i], uint64(v))
		}
	case c.layout == layout8:
		for i, v := range c.v8() {
			hashes[i] = mix(hashes[i], uint64(v))
		}
	case c.layout == layout16:
		for i, v := range c.v16() {
			hashes[i] = mix(mix(hashes[i], v.LowBits()), uint64(v.HighBits()))
		}
	case c.layout == layoutBytes:
		for i := 0; i < n; i++ {
			hashes[i] = mix(hashes[i], xxh3.Hash(c.data[c.offsets[i]:c.offsets[i+1]]))
		}
	case c.layout == layoutCode && c.kids[0].n <= n:
		dict := &c.kids[0]
		known := make([]uint64, dict.n)
		for x := range known {
			known[x] = xxh3.Hash(dict.Bytes(x))
		}
		for i, x := range c.v4()[:n] {
			if !c.Null(i) {
				hashes[i] = mix(hashes[i], known[x])
			}
		}
	case c.layout == layoutCode:
		for i := 0; i < n; i++ {
			hashes[i] = mix(hashes[i], xxh3.Hash(c.Bytes(i)))
		}
	case c.layout == layoutStruct:
		for k := range c.kids {
			c.kids[k].hashInto(n, hashes)
		}
	case c.layout == layoutList:
		kid := &c.kids[0]
		inner := make([]uint64, kid.n)
		for i := range inner {
			inner[i] = hashSeed
		}
		kid.hashInto(kid.n, inner)
		for i := 0; i < n; i++ {
			h := mix(hashes[i], uint64(c.offsets[i+1]-c.offsets[i]))
			for _, v := range inner[c.offsets[i]:c.offsets[i+1]] {
				h = mix(h, v)
			}
			hashes[i] = h
		}
	}
}

// viewBytes is the memory of the Column itself.
func (c *Column) viewBytes() int64 {
	n := int64(unsafe.Sizeof(*c))
	for i := range c.kids {
		n += c.kids[i].viewBytes()
	}
	return n
}

// Size is the memory of the column's values in bytes, shared or not.
func (c *Column) Size() int64 {
	n := int64(len(c.offsets)) * 4
	switch c.layout {
	case layout2, layout4, layout8, layout16, layoutCode:
		n += int64(len(c.data))
	}
	if c.layout == layoutBytes && c.n > 0 {
		n += int64(c.offsets[c.n] - c.offsets[0])
	}
	if c.layout == layoutBit {
		n += int64(c.n) / 8
	}
	if c.valid != nil {
		n += int64(c.n) / 8
	}
	for i := range c.kids {
		n += c.kids[i].Size()
	}
	return n
}
