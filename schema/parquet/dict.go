package parquet

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/parquet-go/parquet-go/format"
	"github.com/zeebo/xxh3"

	"github.com/lockstep-data/lockstep/schema"
)

// wordDict numbers distinct words in order of appearance: open addressing, at most half full.
type wordDict struct {
	keys  []uint64
	table []int32
	shift uint8
}

func (d *wordDict) len() int { return len(d.keys) }

func (d *wordDict) reset() {
	d.keys = d.keys[:0]
	clear(d.table)
}

func (d *wordDict) grow() {
	n := max(256, 2*len(d.table))
	d.table = make([]int32, n)
	d.shift = uint8(64 - bits.Len(uint(n-1)))
	for i, k := range d.keys {
		at := k * fibonacci >> d.shift
		for d.table[at] != 0 {
			at = (at + 1) & uint64(n-1)
		}
		d.table[at] = int32(i + 1)
	}
}

const fibonacci = 0x9E3779B97F4A7C15

func insertWords[T int32 | int64](d *wordDict, index []int32, v []T, picked []int32) []int32 {
	n := len(v)
	if picked != nil {
		n = len(picked)
	}
	for i := range n {
		j := i
		if picked != nil {
			j = int(picked[i])
		}
		k := uint64(v[j])
		if 2*len(d.keys) >= len(d.table) {
			d.grow()
		}
		mask := uint64(len(d.table) - 1)
		at := k * fibonacci >> d.shift
		for {
			x := d.table[at]
			if x == 0 {
				d.keys = append(d.keys, k)
				d.table[at] = int32(len(d.keys))
				index = append(index, int32(len(d.keys)-1))
				break
			}
			if d.keys[x-1] == k {
				index = append(index, x-1)
				break
			}
			at = (at + 1) & mask
		}
	}
	return index
}

// textDict numbers distinct texts in order of appearance.
type textDict struct {
	offsets []uint32
	data    []byte
	table   []textSlot
}

type textSlot struct {
	hash uint32
	// entry is a number plus 1.
	entry int32
}

func (d *textDict) len() int { return max(0, len(d.offsets)-1) }

func (d *textDict) value(i int) []byte { return d.data[d.offsets[i]:d.offsets[i+1]] }

func (d *textDict) reset() {
	d.offsets, d.data = d.offsets[:0], d.data[:0]
	clear(d.table)
}

func (d *textDict) insert(v []byte) int32 {
	if 2*len(d.offsets) >= len(d.table) {
		old := d.table
		d.table = make([]textSlot, max(256, 2*len(old)))
		for _, s := range old {
			if s.entry == 0 {
				continue
			}
			at := int(s.hash) & (len(d.table) - 1)
			for d.table[at].entry != 0 {
				at = (at + 1) & (len(d.table) - 1)
			}
			d.table[at] = s
		}
	}
	hash := uint32(xxh3.Hash(v))
	mask := len(d.table) - 1
	at := int(hash) & mask
	for {
		s := d.table[at]
		if s.entry == 0 {
			break
		}
		if s.hash == hash && bytes.Equal(d.value(int(s.entry-1)), v) {
			return s.entry - 1
		}
		at = (at + 1) & mask
	}
	if len(d.offsets) == 0 {
		d.offsets = append(d.offsets, 0)
	}
	d.data = append(d.data, v...)
	d.offsets = append(d.offsets, uint32(len(d.data)))
	d.table[at] = textSlot{hash, int32(len(d.offsets) - 1)}
	return int32(len(d.offsets) - 2)
}

// stats are the least and greatest value of a chunk. Entries of the dictionary are folded in when it is done.
type stats struct {
	any      bool
	loI, hiI int64
	loF, hiF float64
	nan      bool
	loT, hiT []byte
	long     bool
	loD, hiD decimal128.Num
	loB, hiB bool
}

func (s *stats) bool(x bool) {
	if !s.any {
		s.any, s.loB, s.hiB = true, x, x
	}
	s.loB, s.hiB = s.loB && x, s.hiB || x
}

func (s *stats) decimal(x decimal128.Num) {
	if !s.any {
		s.any, s.loD, s.hiD = true, x, x
		return
	}
	if x.Cmp(s.loD) < 0 {
		s.loD = x
	}
	if x.Cmp(s.hiD) > 0 {
		s.hiD = x
	}
}

// text keeps copies only of new extremes. A text that is too long ends the statistics.
func (s *stats) text(v []byte) {
	if s.long {
		return
	}
	if len(v) > maxStat {
		s.long = true
		return
	}
	if !s.any {
		s.any = true
		s.loT, s.hiT = bytes.Clone(v), bytes.Clone(v)
		return
	}
	if bytes.Compare(v, s.loT) < 0 {
		s.loT = append(s.loT[:0], v...)
	} else if bytes.Compare(v, s.hiT) > 0 {
		s.hiT = append(s.hiT[:0], v...)
	}
}

func (s *stats) float(x float64) {
	if x != x {
		s.nan = true
		return
	}
	if !s.any {
		s.any, s.loF, s.hiF = true, x, x
	}
	s.loF, s.hiF = min(s.loF, x), max(s.hiF, x)
}

func statWords[T int32 | int64](l *leafWriter, v []T) {
	if len(v) == 0 {
		return
	}
	s := &l.stats
	if l.phys == format.Float || l.phys == format.Double {
		for _, x := range v {
			s.float(floatOf(l.phys, uint64(x)))
		}
		return
	}
	lo, hi := v[0], v[0]
	for _, x := range v {
		lo, hi = min(lo, x), max(hi, x)
	}
	if !s.any {
		s.any, s.loI, s.hiI = true, int64(lo), int64(hi)
	}
	s.loI, s.hiI = min(s.loI, int64(lo)), max(s.hiI, int64(hi))
}

// fold takes in the dictionary's entries, all of which are in use.
func (s *stats) fold(l *leafWriter) {
	for i := range l.texts.len() {
		s.text(l.texts.value(i))
	}
	for _, k := range l.words.keys {
		if l.phys == format.Float || l.phys == format.Double {
			s.float(floatOf(l.phys, k))
			continue
		}
		x := int64(k)
		if l.phys == format.Int32 {
			x = int64(int32(k))
		}
		if !s.any {
			s.any, s.loI, s.hiI = true, x, x
		}
		s.loI, s.hiI = min(s.loI, x), max(s.hiI, x)
	}
}

// encode is the form in the footer. A chunk with a NaN has no bounds: readers differ in what they conclude.
func (s *stats) encode(l *leafWriter) format.Statistics {
	out := format.Statistics{NullCount: l.chunkNulls}
	if !s.any || s.nan || s.long {
		return out
	}
	word := func(x uint64) []byte {
		if l.phys == format.Int32 || l.phys == format.Float {
			return binary.LittleEndian.AppendUint32(nil, uint32(x))
		}
		return binary.LittleEndian.AppendUint64(nil, x)
	}
	switch {
	case l.phys == format.Boolean:
		one := map[bool][]byte{false: {0}, true: {1}}
		out.MinValue, out.MaxValue = one[s.loB], one[s.hiB]
	case l.phys == format.ByteArray:
		out.MinValue, out.MaxValue = s.loT, s.hiT
	case l.phys == format.FixedLenByteArray:
		out.MinValue, out.MaxValue = fixedDecimal(s.loD, l.length), fixedDecimal(s.hiD, l.length)
	case l.phys == format.Float || l.phys == format.Double:
		lo, hi := s.loF, s.hiF
		// Zero has two signs that compare alike.
		if lo == 0 {
			lo = math.Copysign(0, -1)
		}
		if hi == 0 {
			hi = 0
		}
		if l.phys == format.Float {
			out.MinValue, out.MaxValue = word(uint64(math.Float32bits(float32(lo)))), word(uint64(math.Float32bits(float32(hi))))
		} else {
			out.MinValue, out.MaxValue = word(math.Float64bits(lo)), word(math.Float64bits(hi))
		}
	case l.typ.Kind != schema.Null:
		out.MinValue, out.MaxValue = word(uint64(s.loI)), word(uint64(s.hiI))
	}
	return out
}

func fixedDecimal(x decimal128.Num, n int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(x.HighBits()))
	b = binary.BigEndian.AppendUint64(b, x.LowBits())
	return b[16-n:]
}
