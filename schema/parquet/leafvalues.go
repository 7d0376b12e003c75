package parquet

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

// append takes the values of a at the picked positions, none of which is NULL; nil picks all.
func (l *leafWriter) append(a arrow.Array, picked []int32) error {
	wrong := func() error { return fmt.Errorf("a column of %s where %s was expected", a.DataType(), l.typ) }
	switch l.typ.Kind {
	case schema.Boolean:
		b, ok := a.(*array.Boolean)
		if !ok {
			return wrong()
		}
		l.appendBools(b, picked)
	case schema.SmallInt:
		v, ok := a.(*array.Int16)
		if !ok {
			return wrong()
		}
		l.ints32 = l.ints32[:0]
		for _, x := range v.Int16Values() {
			l.ints32 = append(l.ints32, int32(x))
		}
		appendWords(l, l.ints32, picked)
	case schema.Int:
		v, ok := a.(*array.Int32)
		if !ok {
			return wrong()
		}
		appendWords(l, v.Int32Values(), picked)
	case schema.Date:
		v, ok := a.(*array.Date32)
		if !ok {
			return wrong()
		}
		appendWords(l, arrow.Int32Traits.CastFromBytes(arrow.Date32Traits.CastToBytes(v.Date32Values())), picked)
	case schema.BigInt:
		v, ok := a.(*array.Int64)
		if !ok {
			return wrong()
		}
		appendWords(l, v.Int64Values(), picked)
	case schema.Timestamp:
		v, ok := a.(*array.Timestamp)
		if !ok || v.DataType().(*arrow.TimestampType).Unit != arrow.Microsecond {
			return wrong()
		}
		appendWords(l, arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(v.TimestampValues())), picked)
	case schema.Float:
		v, ok := a.(*array.Float32)
		if !ok {
			return wrong()
		}
		appendWords(l, arrow.Int32Traits.CastFromBytes(arrow.Float32Traits.CastToBytes(v.Float32Values())), picked)
	case schema.Double:
		v, ok := a.(*array.Float64)
		if !ok {
			return wrong()
		}
		appendWords(l, arrow.Int64Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(v.Float64Values())), picked)
	case schema.Decimal:
		v, ok := a.(*array.Decimal128)
		if !ok || v.DataType().(*arrow.Decimal128Type).Scale != int32(l.typ.Scale) {
			return wrong()
		}
		return l.appendDecimals(v.Values(), picked)
	case schema.String, schema.Bytes:
		switch v := a.(type) {
		case *array.String:
			l.appendTexts(v.ValueOffsets(), textBytes(v.Data()), picked)
		case *array.Binary:
			l.appendTexts(v.ValueOffsets(), textBytes(v.Data()), picked)
		case *array.Dictionary:
			return l.appendDictionary(v, picked)
		default:
			return wrong()
		}
	default:
		return wrong()
	}
	return nil
}

// textBytes is the whole value buffer, which the offsets of a slice refer to.
func textBytes(d arrow.ArrayData) []byte {
	if b := d.Buffers()[2]; b != nil {
		return b.Bytes()
	}
	return nil
}

func (l *leafWriter) appendBools(v *array.Boolean, picked []int32) {
	n := v.Len()
	if picked != nil {
		n = len(picked)
	}
	for i := range n {
		j := i
		if picked != nil {
			j = int(picked[i])
		}
		if l.bools%8 == 0 {
			l.plain = append(l.plain, 0)
		}
		x := v.Value(j)
		if x {
			bitutil.SetBit(l.plain, l.bools)
		}
		l.bools++
		l.stats.bool(x)
	}
}

// appendWords takes values of 4 or 8 bytes by their bits.
func appendWords[T int32 | int64](l *leafWriter, v []T, picked []int32) {
	if l.useDict {
		l.index = insertWords(&l.words, l.index, v, picked)
		return
	}
	if picked == nil {
		l.plain = append(l.plain, rawBytes(v)...)
		statWords(l, v)
		return
	}
	at := len(l.plain)
	if l.phys == format.Int32 || l.phys == format.Float {
		for _, i := range picked {
			l.plain = binary.LittleEndian.AppendUint32(l.plain, uint32(v[i]))
		}
		statWords(l, arrow.Int32Traits.CastFromBytes(l.plain[at:]))
		return
	}
	for _, i := range picked {
		l.plain = binary.LittleEndian.AppendUint64(l.plain, uint64(v[i]))
	}
	// The page's buffer is not aligned for words behind booleans alone, which never come here.
	statWords(l, arrow.Int64Traits.CastFromBytes(l.plain[at:]))
}

func (l *leafWriter) appendDecimals(v []decimal128.Num, picked []int32) error {
	n := len(v)
	if picked != nil {
		n = len(picked)
	}
	limit := decimal128.GetScaleMultiplier(l.typ.Precision)
	low := limit.Negate()
	l.ints, l.ints32 = l.ints[:0], l.ints32[:0]
	for i := range n {
		j := i
		if picked != nil {
			j = int(picked[i])
		}
		x := v[j]
		if x.Cmp(limit) >= 0 || x.Cmp(low) <= 0 {
			return fmt.Errorf("%s does not fit %s", x.ToString(int32(l.typ.Scale)), l.typ)
		}
		switch l.phys {
		case format.Int32:
			l.ints32 = append(l.ints32, int32(x.LowBits()))
		case format.Int64:
			l.ints = append(l.ints, int64(x.LowBits()))
		default:
			var b [16]byte
			binary.BigEndian.PutUint64(b[:8], uint64(x.HighBits()))
			binary.BigEndian.PutUint64(b[8:], x.LowBits())
			l.plain = append(l.plain, b[16-l.length:]...)
			l.stats.decimal(x)
		}
	}
	switch l.phys {
	case format.Int32:
		appendWords(l, l.ints32, nil)
	case format.Int64:
		appendWords(l, l.ints, nil)
	}
	return nil
}

func (l *leafWriter) appendTexts(offsets []int32, data []byte, picked []int32) {
	n := len(offsets) - 1
	if picked != nil {
		n = len(picked)
	}
	if n <= 0 {
		return
	}
	if l.useDict {
		for i := range n {
			j := i
			if picked != nil {
				j = int(picked[i])
			}
			l.index = append(l.index, l.texts.insert(data[offsets[j]:offsets[j+1]]))
		}
		return
	}
	out := l.plain
	for i := range n {
		j := i
		if picked != nil {
			j = int(picked[i])
		}
		v := data[offsets[j]:offsets[j+1]]
		out = binary.LittleEndian.AppendUint32(out, uint32(len(v)))
		out = append(out, v...)
		l.stats.text(v)
	}
	l.plain = out
}

// remap remembers where the entries of an Arrow dictionary lie in the chunk's. The dictionary of the next array may be
// the same memory with more entries.
type remap struct {
	offsets []int32
	data    []byte
	to      []int32
}

func (r *remap) follow(offsets []int32, data []byte) {
	if unsafe.SliceData(offsets) != unsafe.SliceData(r.offsets) || unsafe.SliceData(data) != unsafe.SliceData(r.data) {
		r.to = r.to[:0]
	}
	r.offsets, r.data = offsets, data
	for len(r.to) < len(offsets)-1 {
		r.to = append(r.to, -1)
	}
}

func (l *leafWriter) appendDictionary(a *array.Dictionary, picked []int32) error {
	indexes, ok := a.Indices().(*array.Int32)
	var offsets []int32
	var data []byte
	switch d := a.Dictionary().(type) {
	case *array.String:
		offsets, data = d.ValueOffsets(), textBytes(d.Data())
	case *array.Binary:
		offsets, data = d.ValueOffsets(), textBytes(d.Data())
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("a column of %s where %s was expected", a.DataType(), l.typ)
	}
	if l.useDict {
		l.remap.follow(offsets, data)
	}
	index := indexes.Int32Values()
	n := len(index)
	if picked != nil {
		n = len(picked)
	}
	for i := range n {
		j := i
		if picked != nil {
			j = int(picked[i])
		}
		x := index[j]
		if !l.useDict {
			v := data[offsets[x]:offsets[x+1]]
			l.plain = binary.LittleEndian.AppendUint32(l.plain, uint32(len(v)))
			l.plain = append(l.plain, v...)
			l.stats.text(v)
			continue
		}
		to := l.remap.to[x]
		if to < 0 {
			to = l.texts.insert(data[offsets[x]:offsets[x+1]])
			l.remap.to[x] = to
		}
		l.index = append(l.index, to)
	}
	return nil
}

// floatOf is the float behind a word.
func floatOf(phys format.Type, word uint64) float64 {
	if phys == format.Float {
		return float64(math.Float32frombits(uint32(word)))
	}
	return math.Float64frombits(word)
}
