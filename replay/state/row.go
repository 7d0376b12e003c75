package state

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v17/arrow/bitutil"
)

// A value that is no number is bytes on disk: text as it is, a decimal as wide as its type, a list its length and its
// values, a struct its fields. A value within another has a byte in front that says whether it is NULL.

// number reports whether a value is one number on disk.
func (c *Column) number() bool {
	switch c.layout {
	case layoutBit, layout2, layout4, layout8, layoutCode:
		return true
	}
	return false
}

// put appends the value of row i, which is not NULL.
func (c *Column) put(b []byte, i int) []byte {
	switch c.layout {
	case layoutBit:
		return append(b, byte(bit(c.data, c.offset+i)))
	case layout2:
		return append(b, c.data[2*i:2*i+2]...)
	case layout4:
		return append(b, c.data[4*i:4*i+4]...)
	case layout8:
		return append(b, c.data[8*i:8*i+8]...)
	case layout16:
		return append(b, c.data[16*i:16*i+16]...)
	case layoutBytes, layoutCode:
		text := c.Bytes(i)
		return append(binary.AppendUvarint(b, uint64(len(text))), text...)
	case layoutList:
		from, to := int(c.offsets[i]), int(c.offsets[i+1])
		b = binary.AppendUvarint(b, uint64(to-from))
		for j := from; j < to; j++ {
			b = c.kids[0].putInner(b, j)
		}
	case layoutStruct:
		for k := range c.kids {
			b = c.kids[k].putInner(b, i)
		}
	}
	return b
}

// putInner is put for a value within another, which may be NULL.
func (c *Column) putInner(b []byte, i int) []byte {
	if c.Null(i) {
		return append(b, 0)
	}
	return c.put(append(b, 1), i)
}

// take adds a value that put wrote as one more row, and gives the bytes behind it.
func (c *Column) take(b []byte) []byte {
	switch c.layout {
	case layoutBit:
		c.addBit(b[0])
		b = b[1:]
	case layout2:
		c.data, b = append(c.data, b[:2]...), b[2:]
	case layout4:
		c.data, b = append(c.data, b[:4]...), b[4:]
	case layout8:
		c.data, b = append(c.data, b[:8]...), b[8:]
	case layout16:
		c.data, b = append(c.data, b[:16]...), b[16:]
	case layoutBytes:
		n, k := binary.Uvarint(b)
		c.data, b = append(c.data, b[k:k+int(n)]...), b[k+int(n):]
		c.offsets = append(c.offsets, int32(len(c.data)))
	case layoutList:
		n, k := binary.Uvarint(b)
		b = b[k:]
		for range n {
			b = c.kids[0].takeInner(b)
		}
		c.offsets = append(c.offsets, int32(c.kids[0].n))
	case layoutStruct:
		for k := range c.kids {
			b = c.kids[k].takeInner(b)
		}
	}
	c.taken(true)
	return b
}

func (c *Column) takeInner(b []byte) []byte {
	if b[0] == 0 {
		c.takeNull()
		return b[1:]
	}
	return c.take(b[1:])
}

var zeros [16]byte

// takeNull adds a row that is NULL.
func (c *Column) takeNull() {
	switch c.layout {
	case layoutBit:
		c.addBit(0)
	case layout2:
		c.data = append(c.data, zeros[:2]...)
	case layout4, layoutCode:
		c.data = append(c.data, zeros[:4]...)
	case layout8:
		c.data = append(c.data, zeros[:8]...)
	case layout16:
		c.data = append(c.data, zeros[:16]...)
	case layoutBytes, layoutList:
		c.offsets = append(c.offsets, c.offsets[c.n])
	case layoutStruct:
		for k := range c.kids {
			c.kids[k].takeNull()
		}
	}
	c.taken(false)
}

// takeNumber adds a value that is a number.
func (c *Column) takeNumber(v int64) {
	switch c.layout {
	case layoutBit:
		c.addBit(byte(v))
	case layout2:
		c.data = binary.NativeEndian.AppendUint16(c.data, uint16(v))
	case layout4, layoutCode:
		c.data = binary.NativeEndian.AppendUint32(c.data, uint32(v))
	case layout8:
		c.data = binary.NativeEndian.AppendUint64(c.data, uint64(v))
	}
	c.taken(true)
}

func (c *Column) addBit(b byte) {
	if c.n&7 == 0 {
		c.data = append(c.data, 0)
	}
	c.data[c.n>>3] |= b << (c.n & 7)
}

func (c *Column) taken(valid bool) {
	if c.valid != nil || !valid {
		for len(c.valid)*8 <= c.n {
			c.valid = append(c.valid, 0xff)
		}
		if !valid {
			bitutil.ClearBit(c.valid, c.n)
		}
	}
	c.n++
}

// empty is a column like c without rows, which rows can be added to.
func (c *Column) empty() Column {
	e := Column{layout: c.layout, float: c.float, dt: c.dt}
	switch c.layout {
	case layoutBytes, layoutList:
		e.offsets = []int32{0}
	case layoutCode:
		e.kids = c.kids
		return e
	}
	for k := range c.kids {
		e.kids = append(e.kids, c.kids[k].emptyText())
	}
	return e
}

// emptyText is empty, with text as it is where c has it in a dictionary.
func (c *Column) emptyText() Column {
	if c.layout == layoutCode {
		return Column{layout: layoutBytes, dt: c.dt, offsets: []int32{0}}
	}
	return c.empty()
}

// clear takes all rows out of a column that was empty once, and keeps its memory for others.
func (c *Column) clear() {
	c.n, c.valid, c.data = 0, nil, c.data[:0]
	if len(c.offsets) > 0 {
		c.offsets = c.offsets[:1]
	}
	if c.layout != layoutCode {
		for k := range c.kids {
			c.kids[k].clear()
		}
	}
}

// adopt makes c, which came from empty, a column that rows of o, which did so, too, can be added to as well, where that
// can be: text in a dictionary goes with text in the same, of which the longer one serves both.
func (c *Column) adopt(o *Column) bool {
	if c.layout != o.layout {
		return false
	}
	if c.layout == layoutCode {
		mine, other := &c.kids[0], &o.kids[0]
		if mine.n > 0 && other.n > 0 {
			mo, md := mine.start()
			oo, od := other.start()
			if mo != oo || md != od {
				return false
			}
		}
		if other.n > mine.n {
			c.kids = o.kids
		}
	}
	return true
}

// adoptAll is adopt for all columns.
func adoptAll(columns, others []Column) bool {
	for i := range columns {
		if !columns[i].adopt(&others[i]) {
			return false
		}
	}
	return true
}

// alike reports whether columns have the same layouts and dictionaries, as those of packs mostly do.
func alike(columns, others []Column) bool {
	if len(columns) != len(others) {
		return false
	}
	for i := range columns {
		c, o := &columns[i], &others[i]
		if c.layout != o.layout || c.layout == layoutCode && c.kids[0].n != o.kids[0].n {
			return false
		}
	}
	return adoptAll(columns, others) // which changes nothing, then
}
