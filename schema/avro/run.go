package avro

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema/column"
)

// maxTiny bounds the elements without bytes (nulls, empty records) in one value: their number is the one
// length that the bytes present do not bound.
const maxTiny = 1 << 16

var (
	errShort  = errors.New("the value ends early")
	errVarint = errors.New("not a number in Avro's form")
	errLength = errors.New("a length that the value does not have")
	errBranch = errors.New("a branch that the union does not have")
)

// reader runs plans over one value.
type reader struct {
	buf  []byte
	pos  int
	tiny int
	err  error
}

// run executes the steps from r.pos on; false means that r.err is set.
func (r *reader) run(ops []op) bool {
	b, i := r.buf, r.pos
	for k := 0; k < len(ops); {
		o := &ops[k]
		k++
		if o.branches != 0 {
			var u uint64
			if i < len(b) && b[i] < 0x80 {
				u = uint64(b[i])
				i++
			} else {
				var err error
				if u, i, err = varint(b, i); err != nil {
					return r.fail(i, o, err)
				}
			}
			branch := unzigzag(u)
			if branch < 0 || branch >= int64(o.branches) {
				return r.fail(i, o, errBranch)
			}
			if branch == int64(o.null) {
				o.col.AppendNull()
				k = o.next
				continue
			}
		}
		switch o.code {
		case opNull:
			o.col.AppendNull()
		case opBranch:
		case opBool:
			if i >= len(b) {
				return r.fail(i, o, errShort)
			}
			if b[i] > 1 {
				return r.fail(i, o, column.ErrBoolean)
			}
			o.col.Bool = append(o.col.Bool, b[i])
			i++
		case opInt64:
			var u uint64
			if i < len(b) && b[i] < 0x80 {
				u = uint64(b[i])
				i++
			} else {
				var err error
				if u, i, err = varint(b, i); err != nil {
					return r.fail(i, o, err)
				}
			}
			o.col.I64 = append(o.col.I64, unzigzag(u))
		case opInt16, opInt32, opScaled, opNanos, opIntFloat, opIntDouble, opEnum, opIntDecimal:
			var u uint64
			if i < len(b) && b[i] < 0x80 {
				u = uint64(b[i])
				i++
			} else {
				var err error
				if u, i, err = varint(b, i); err != nil {
					return r.fail(i, o, err)
				}
			}
			if err := o.integer(unzigzag(u)); err != nil {
				return r.fail(i, o, err)
			}
		case opFloat, opFloatDouble:
			if len(b)-i < 4 {
				return r.fail(i, o, errShort)
			}
			f := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
			i += 4
			if o.code == opFloat {
				o.col.F32 = append(o.col.F32, f)
			} else {
				o.col.F64 = append(o.col.F64, float64(f))
			}
		case opDouble:
			if len(b)-i < 8 {
				return r.fail(i, o, errShort)
			}
			o.col.F64 = append(o.col.F64, math.Float64frombits(binary.LittleEndian.Uint64(b[i:])))
			i += 8
		case opString, opBytes, opDecimal:
			var u uint64
			if i < len(b) && b[i] < 0x80 {
				u = uint64(b[i])
				i++
			} else {
				var err error
				if u, i, err = varint(b, i); err != nil {
					return r.fail(i, o, err)
				}
			}
			n := unzigzag(u)
			if n < 0 || n > int64(len(b)-i) {
				return r.fail(i, o, errLength)
			}
			s := b[i : i+int(n)]
			if o.code == opDecimal {
				if err := o.decimal(s); err != nil {
					return r.fail(i, o, err)
				}
			} else {
				if o.code == opString && !column.ValidText(s) {
					return r.fail(i, o, column.ErrUTF8)
				}
				o.col.AppendBytes(s)
			}
			i += int(n)
		case opFixed, opUUID, opDecimalFixed:
			if len(b)-i < o.size {
				return r.fail(i, o, errShort)
			}
			s := b[i : i+o.size]
			i += o.size
			switch o.code {
			case opFixed:
				o.col.AppendBytes(s)
			case opUUID:
				o.col.Data = appendUUID(o.col.Data, s)
				o.col.End()
			default:
				if err := o.decimal(s); err != nil {
					return r.fail(i, o, err)
				}
			}
		case opRowEnd:
			o.col.End()
		case opArray, opMap:
			r.pos = i
			if !r.blocks(o) {
				return false
			}
			i = r.pos
		case opConst:
			o.fill(o.col)
		case opSkip:
			end, err := skip(b, i, o.skip, 0)
			if err != nil {
				r.err = fmt.Errorf("byte %d, a field that is not wanted: %w", end, err)
				return false
			}
			i = end
		}
	}
	r.pos = i
	return true
}

func (r *reader) fail(i int, o *op, err error) bool {
	r.err = fmt.Errorf("byte %d, field %s: %w", i, o.col.Name, err)
	return false
}

// blocks reads an array or a map: blocks of a count and so many items, ended by a count of 0. A negative count
// is followed by the block's size in bytes.
func (r *reader) blocks(o *op) bool {
	b := r.buf
	first := o.col.Kids[0].Len()
	for {
		u, i, err := varint(b, r.pos)
		if err != nil {
			return r.fail(i, o, err)
		}
		n := unzigzag(u)
		if n == 0 {
			r.pos = i
			break
		}
		end := -1
		if n < 0 {
			n = -n
			if u, i, err = varint(b, i); err != nil {
				return r.fail(i, o, err)
			}
			size := unzigzag(u)
			if size < 0 || size > int64(len(b)-i) {
				return r.fail(i, o, errLength)
			}
			end = i + int(size)
		}
		if o.tiny {
			if n < 0 || n > int64(maxTiny-r.tiny) {
				return r.fail(i, o, fmt.Errorf("more than %d elements without bytes", maxTiny))
			}
			r.tiny += int(n)
		} else if n < 0 || n > int64(len(b)-i) {
			return r.fail(i, o, errLength)
		}
		r.pos = i
		for ; n > 0; n-- {
			if o.code == opMap && !r.key(o) {
				return false
			}
			if !r.run(o.body) {
				return false
			}
		}
		if end >= 0 && r.pos != end {
			return r.fail(r.pos, o, errors.New("a block whose size is not that of its items"))
		}
	}
	if o.code == opMap {
		if twice := o.col.Kids[0].Repeats(first); twice >= 0 {
			return r.fail(r.pos, o, fmt.Errorf("key number %d of the map came before", twice-first+1))
		}
	}
	o.col.End()
	return true
}

func (r *reader) key(o *op) bool {
	u, i, err := varint(r.buf, r.pos)
	if err != nil {
		return r.fail(i, o, err)
	}
	n := unzigzag(u)
	if n < 0 || n > int64(len(r.buf)-i) {
		return r.fail(i, o, errLength)
	}
	s := r.buf[i : i+int(n)]
	if !column.ValidText(s) {
		return r.fail(i, o, column.ErrUTF8)
	}
	o.col.Kids[0].AppendBytes(s)
	r.pos = i + int(n)
	return true
}

// integer appends an int or long that is not simply a BIGINT.
func (o *op) integer(v int64) error {
	c := o.col
	switch o.code {
	case opInt32:
		if int64(int32(v)) != v {
			return column.ErrRange
		}
		c.I32 = append(c.I32, int32(v))
	case opInt16:
		if int64(int16(v)) != v {
			return column.ErrRange
		}
		c.I16 = append(c.I16, int16(v))
	case opScaled:
		if v > math.MaxInt64/o.mul || v < math.MinInt64/o.mul {
			return column.ErrRange
		}
		c.I64 = append(c.I64, v*o.mul)
	case opNanos:
		q := v / 1000
		if v%1000 < 0 {
			q--
		}
		c.I64 = append(c.I64, q)
	case opIntFloat:
		c.F32 = append(c.F32, float32(v))
	case opIntDouble:
		c.F64 = append(c.F64, float64(v))
	case opEnum:
		if v < 0 || v >= int64(len(o.symbols)) {
			return fmt.Errorf("symbol %d of an enum that has %d", v, len(o.symbols))
		}
		c.Data = append(c.Data, o.symbols[v]...)
		c.End()
	case opIntDecimal:
		return o.scale(decimal128.FromI64(v))
	}
	return nil
}

// decimal appends a number in two's complement, most significant byte first.
func (o *op) decimal(s []byte) error {
	if len(s) == 0 {
		return errors.New("a decimal without bytes")
	}
	sign := byte(int8(s[0]) >> 7)
	for len(s) > 16 {
		if s[0] != sign {
			return column.ErrRange
		}
		s = s[1:]
	}
	var raw [16]byte
	for i := range raw {
		raw[i] = sign
	}
	copy(raw[16-len(s):], s)
	if byte(int8(raw[0])>>7) != sign {
		return column.ErrRange
	}
	return o.scale(decimal128.New(int64(binary.BigEndian.Uint64(raw[:8])), binary.BigEndian.Uint64(raw[8:])))
}

// scale appends v with o.mul more digits behind the point.
func (o *op) scale(v decimal128.Num) error {
	t := o.col.Type
	room := t.Precision - int(o.mul)
	if v != (decimal128.Num{}) && (room < 1 || !column.Fits(v, room)) {
		return fmt.Errorf("%s: %w", t, column.ErrRange)
	}
	if o.mul > 0 {
		v = v.Mul(decimal128.GetScaleMultiplier(int(o.mul)))
	}
	o.col.Dec = append(o.col.Dec, v)
	return nil
}

func appendUUID(dst, s []byte) []byte {
	for i, part := range [...][]byte{s[:4], s[4:6], s[6:8], s[8:10], s[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// varint reads at most ten bytes, seven bits each, the least significant first.
func varint(b []byte, i int) (uint64, int, error) {
	if len(b)-i >= 8 {
		// Up to eight bytes at once: find the last byte, drop what is behind it, close the gaps.
		x := binary.LittleEndian.Uint64(b[i:])
		if last := ^x & 0x8080808080808080; last != 0 {
			x &= last ^ (last - 1)
			x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
			x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
			x = x&0x000000000fffffff | x&0x0fffffff00000000>>4
			return x, i + bits.TrailingZeros64(last)>>3 + 1, nil
		}
	}
	return longVarint(b, i)
}

func longVarint(b []byte, i int) (uint64, int, error) {
	var u uint64
	for shift := uint(0); i < len(b); shift += 7 {
		c := b[i]
		i++
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, i, errVarint
			}
			return u | uint64(c)<<shift, i, nil
		}
		if shift == 63 {
			return 0, i, errVarint
		}
		u |= uint64(c&0x7f) << shift
	}
	return 0, i, errShort
}
