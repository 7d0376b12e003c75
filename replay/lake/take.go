package lake

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/state"
)

// take is a block of the rows at the given positions, in that order.
func (b block) take(rows []int32) (block, error) {
	out := block{last: b.last}
	cut := func(v []int64) []int64 {
		if v == nil {
			return nil
		}
		o := make([]int64, len(rows))
		for i, r := range rows {
			o[i] = v[r]
		}
		return o
	}
	out.times, out.partitions, out.offsets, out.brokers = cut(b.times), cut(b.partitions), cut(b.offsets), cut(b.brokers)
	cols := make([]arrow.Array, b.rec.NumCols())
	for i, c := range b.rec.Columns() {
		var err error
		if cols[i], err = takeArray(c, rows); err != nil {
			return block{}, err
		}
	}
	out.rec = array.NewRecord(b.rec.Schema(), cols, int64(len(rows)))
	return out, nil
}

func (b block) slice(from, to int) block {
	out := block{last: b.last, rec: b.rec.NewSlice(int64(from), int64(to))}
	cut := func(v []int64) []int64 {
		if v == nil {
			return nil
		}
		return v[from:to]
	}
	out.times, out.partitions, out.offsets, out.brokers = cut(b.times), cut(b.partitions), cut(b.offsets), cut(b.brokers)
	return out
}

// joinBlocks puts blocks behind each other.
func joinBlocks(blocks []block) (block, error) {
	if len(blocks) == 1 {
		return blocks[0], nil
	}
	var out block
	rows := int64(0)
	for _, b := range blocks {
		rows += b.rec.NumRows()
		out.times = append(out.times, b.times...)
		out.partitions = append(out.partitions, b.partitions...)
		out.offsets = append(out.offsets, b.offsets...)
		out.brokers = append(out.brokers, b.brokers...)
	}
	if len(out.brokers) != int(rows) {
		// Some files have no broker times.
		out.brokers = nil
	}
	cols := make([]arrow.Array, blocks[0].rec.NumCols())
	for c := range cols {
		parts := make([]arrow.Array, len(blocks))
		for i, b := range blocks {
			parts[i] = b.rec.Column(c)
		}
		var err error
		if cols[c], err = state.Concatenate(parts); err != nil {
			return block{}, err
		}
	}
	out.rec = array.NewRecord(schemaOf(blocks[0].rec.Schema().Fields(), cols), cols, rows)
	return out, nil
}

// schemaOf is a schema of these fields with the columns' own types: text may be a dictionary.
func schemaOf(fields []arrow.Field, cols []arrow.Array) *arrow.Schema {
	out := make([]arrow.Field, len(cols))
	for i, c := range cols {
		out[i] = arrow.Field{Name: fields[i].Name, Type: c.DataType(), Nullable: true}
	}
	return arrow.NewSchema(out, nil)
}

func takeArray(a arrow.Array, rows []int32) (arrow.Array, error) {
	data, err := takeData(a, rows)
	if err != nil {
		return nil, err
	}
	return array.MakeFromData(data), nil
}

func takeData(a arrow.Array, rows []int32) (arrow.ArrayData, error) {
	n := len(rows)
	var bits *memory.Buffer
	nulls := 0
	if a.NullN() > 0 && a.DataType().ID() != arrow.NULL {
		b := make([]byte, bitutil.BytesForBits(int64(n)))
		for i, r := range rows {
			if a.IsValid(int(r)) {
				bitutil.SetBit(b, i)
			} else {
				nulls++
			}
		}
		bits = memory.NewBufferBytes(b)
	}
	dt, at := a.DataType(), a.Data().Offset()
	switch v := a.(type) {
	case *array.Dictionary:
		codes, err := takeData(v.Indices(), rows)
		if err != nil {
			return nil, err
		}
		return array.NewDataWithDictionary(dt, n, []*memory.Buffer{bits, codes.Buffers()[1]}, nulls, 0, v.Dictionary().Data().(*array.Data)), nil
	case *array.Null:
		return array.NewData(dt, n, []*memory.Buffer{nil}, nil, n, 0), nil
	case *array.Boolean:
		b := make([]byte, bitutil.BytesForBits(int64(n)))
		for i, r := range rows {
			if v.Value(int(r)) {
				bitutil.SetBit(b, i)
			}
		}
		return array.NewData(dt, n, []*memory.Buffer{bits, memory.NewBufferBytes(b)}, nil, nulls, 0), nil
	case *array.String, *array.Binary:
		offsets := arrow.Int32Traits.CastFromBytes(a.Data().Buffers()[1].Bytes())[at:]
		var text []byte
		if b := a.Data().Buffers()[2]; b != nil {
			text = b.Bytes()
		}
		out := make([]int32, n+1)
		size := 0
		for i, r := range rows {
			size += int(offsets[r+1] - offsets[r])
			out[i+1] = int32(size)
		}
		if size > 1<<31-1 {
			return nil, fmt.Errorf("more than 2 GiB of text in %d rows", n)
		}
		buf := make([]byte, 0, size)
		for _, r := range rows {
			buf = append(buf, text[offsets[r]:offsets[r+1]]...)
		}
		return array.NewData(dt, n, []*memory.Buffer{bits, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(out)), memory.NewBufferBytes(buf)}, nil, nulls, 0), nil
	case *array.Struct:
		kids := make([]arrow.ArrayData, v.NumField())
		for k := range kids {
			var err error
			if kids[k], err = takeData(v.Field(k), rows); err != nil {
				return nil, err
			}
		}
		return array.NewData(dt, n, []*memory.Buffer{bits}, kids, nulls, 0), nil
	case array.ListLike:
		out := make([]int32, n+1)
		var elems []int32
		for i, r := range rows {
			if a.IsValid(int(r)) {
				from, to := v.ValueOffsets(int(r))
				for j := from; j < to; j++ {
					elems = append(elems, int32(j))
				}
			}
			out[i+1] = int32(len(elems))
		}
		kid, err := takeData(v.ListValues(), elems)
		if err != nil {
			return nil, err
		}
		return array.NewData(dt, n, []*memory.Buffer{bits, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(out))}, []arrow.ArrayData{kid}, nulls, 0), nil
	}
	fixed, ok := dt.(arrow.FixedWidthDataType)
	if !ok {
		return nil, fmt.Errorf("rows of type %s cannot be sorted", dt)
	}
	w := fixed.BitWidth() / 8
	src := a.Data().Buffers()[1].Bytes()[at*w:]
	dst := make([]byte, n*w)
	switch w {
	case 4:
		s, d := arrow.Uint32Traits.CastFromBytes(src), arrow.Uint32Traits.CastFromBytes(dst)
		for i, r := range rows {
			d[i] = s[r]
		}
	case 8:
		s, d := arrow.Uint64Traits.CastFromBytes(src), arrow.Uint64Traits.CastFromBytes(dst)
		for i, r := range rows {
			d[i] = s[r]
		}
	default:
		for i, r := range rows {
			copy(dst[i*w:(i+1)*w], src[int(r)*w:])
		}
	}
	return array.NewData(dt, n, []*memory.Buffer{bits, memory.NewBufferBytes(dst)}, nil, nulls, 0), nil
}
