package state

import (
	"fmt"
	"iter"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Ref is a row: its segment's number in a store, and its place there. Segment NoSegment is the row of NULLs.
type Ref struct {
	Segment uint32
	Row     uint32
}

// NoSegment is the segment of a row that does not exist: all its columns are NULL.
const NoSegment = math.MaxUint32

// Gather copies one column of the rows that refs name into a new array of n = len(refs) rows. columns holds that
// column of every segment, by the segment's number. It fails only when the text of the result would exceed 2 GiB.
func Gather(dt arrow.DataType, columns []*Column, refs []Ref) (arrow.Array, error) {
	a, err := GatherCoded(dt, columns, refs)
	if err != nil {
		return nil, err
	}
	return Plain(a)
}

// GatherCoded is Gather, but that text whose segments share one dictionary stays in it: the result is then a dictionary
// of dt.
func GatherCoded(dt arrow.DataType, columns []*Column, refs []Ref) (arrow.Array, error) {
	d, err := gather(dt, columns, refs)
	if err != nil {
		return nil, err
	}
	return array.MakeFromData(d), nil
}

// Take copies the named rows of one array. A row of -1 is NULL.
func Take(a arrow.Array, rows []int32) (arrow.Array, error) {
	c := View(a)
	refs := make([]Ref, len(rows))
	for i, r := range rows {
		if r < 0 {
			refs[i] = Ref{Segment: NoSegment}
		} else {
			refs[i] = Ref{Row: uint32(r)}
		}
	}
	return GatherCoded(a.DataType(), []*Column{&c}, refs)
}

// TakeAll is Take over several arrays of the same length.
func TakeAll(arrays []arrow.Array, rows []int32) ([]arrow.Array, error) {
	out := make([]arrow.Array, len(arrays))
	for i, a := range arrays {
		var err error
		if out[i], err = Take(a, rows); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func gather(dt arrow.DataType, columns []*Column, refs []Ref) (*array.Data, error) {
	n := len(refs)
	if coded, ok := dt.(*arrow.DictionaryType); ok {
		dt = coded.ValueType
	}
	valid, nulls := gatherValidity(columns, refs)
	bufs := []*memory.Buffer{valid}
	fixed := func(raw []byte) *array.Data {
		return array.NewData(dt, n, append(bufs, memory.NewBufferBytes(raw)), nil, nulls, 0)
	}
	switch t := dt.(type) {
	case *arrow.NullType:
		return array.NewData(dt, n, []*memory.Buffer{nil}, nil, n, 0), nil
	case *arrow.BooleanType:
		out := make([]byte, bitutil.BytesForBits(int64(n)))
		for i, r := range refs {
			if r.Segment == NoSegment {
				continue
			}
			if c := columns[r.Segment]; bitutil.BitIsSet(c.data, c.offset+int(r.Row)) {
				bitutil.SetBit(out, i)
			}
		}
		return fixed(out), nil
	case *arrow.StringType, *arrow.BinaryType:
		dict, any := sharedDictionary(columns, refs)
		switch {
		case dict != nil:
			codes := gatherFixed(columns, refs, func(c *Column) []int32 { return c.v4() })
			return coded(dict, codes, valid, nulls), nil
		case any:
			return gatherText(dt, columns, refs, valid, nulls)
		}
		return gatherBytes(dt, columns, refs, valid, nulls)
	case *arrow.StructType:
		columns, refs := compact(columns, refs)
		kids := make([]arrow.ArrayData, len(t.Fields()))
		for k, f := range t.Fields() {
			d, err := gather(f.Type, kidsOf(columns, k), refs)
			if err != nil {
				return nil, err
			}
			kids[k] = d
		}
		return array.NewData(dt, n, bufs, kids, nulls, 0), nil
	case *arrow.ListType:
		return gatherList(dt, t.Elem(), columns, refs, valid, nulls)
	case *arrow.MapType:
		return gatherList(dt, t.Elem(), columns, refs, valid, nulls)
	case arrow.FixedWidthDataType:
		switch t.BitWidth() {
		case 16:
			return fixed(arrow.Int16Traits.CastToBytes(gatherFixed(columns, refs, func(c *Column) []int16 { return c.v2() }))), nil
		case 32:
			return fixed(arrow.Int32Traits.CastToBytes(gatherFixed(columns, refs, func(c *Column) []int32 { return c.v4() }))), nil
		case 64:
			return fixed(arrow.Int64Traits.CastToBytes(gatherFixed(columns, refs, func(c *Column) []int64 { return c.v8() }))), nil
		case 128:
			return fixed(arrow.Decimal128Traits.CastToBytes(gatherFixed(columns, refs, func(c *Column) []decimal128.Num { return c.v16() }))), nil
		}
	}
	panic("state: no layout for " + dt.String())
}

func kidsOf(columns []*Column, k int) []*Column {
	out := make([]*Column, len(columns))
	for i, c := range columns {
		if c != nil {
			out[i] = &c.kids[k]
		}
	}
	return out
}

func (c *Column) nullable() bool { return c.valid != nil || c.layout == layoutNull }

// gatherValidity gives no buffer when no row is NULL, the common case.
func gatherValidity(columns []*Column, refs []Ref) (*memory.Buffer, int) {
	nullable := false
	for c := range columnsOf(columns, refs) {
		if nullable = c.nullable(); nullable {
			break
		}
	}
	var out []byte
	nulls := 0
	null := func(i int) {
		if out == nil {
			out = make([]byte, bitutil.BytesForBits(int64(len(refs))))
			bitutil.SetBitsTo(out, 0, int64(len(refs)), true)
		}
		bitutil.ClearBit(out, i)
		nulls++
	}
	for i, r := range refs {
		if r.Segment == NoSegment {
			null(i)
		} else if nullable && columns[r.Segment].Null(int(r.Row)) {
			null(i)
		}
	}
	if out == nil {
		return nil, 0
	}
	return memory.NewBufferBytes(out), nulls
}

// fewOf reports whether looking at every segment would cost more than looking at those of the rows, one by one.
func fewOf(refs []Ref, columns []*Column) bool { return len(refs) < 4*len(columns) }

// columnsOf are the columns that rows are in, some of them more than once; where the rows are many, all columns.
func columnsOf(columns []*Column, refs []Ref) iter.Seq[*Column] {
	return func(yield func(*Column) bool) {
		if !fewOf(refs, columns) {
			for _, c := range columns {
				if c != nil && !yield(c) {
					return
				}
			}
			return
		}
		last := uint32(NoSegment)
		for _, r := range refs {
			if r.Segment == last || r.Segment == NoSegment {
				continue
			}
			last = r.Segment
			if !yield(columns[last]) {
				return
			}
		}
	}
}

// compact leaves out columns that rows are not in, where the rows are few.
func compact(columns []*Column, refs []Ref) ([]*Column, []Ref) {
	if !fewOf(refs, columns) {
		return columns, refs
	}
	var few []*Column
	out := make([]Ref, len(refs))
	last := uint32(NoSegment)
	for i, r := range refs {
		if r.Segment == NoSegment {
			out[i] = r
			continue
		}
		if r.Segment != last {
			last, few = r.Segment, append(few, columns[r.Segment])
		}
		out[i] = Ref{uint32(len(few) - 1), r.Row}
	}
	return few, out
}

func gatherFixed[T any](columns []*Column, refs []Ref, values func(*Column) []T) []T {
	out := make([]T, len(refs))
	if len(columns) == 1 {
		if columns[0] == nil {
			return out
		}
		v := values(columns[0])
		for i, r := range refs {
			if r.Segment == 0 {
				out[i] = v[r.Row]
			}
		}
		return out
	}
	if fewOf(refs, columns) {
		last, v := uint32(NoSegment), []T(nil)
		for i, r := range refs {
			if r.Segment == NoSegment {
				continue
			}
			if r.Segment != last {
				last, v = r.Segment, values(columns[r.Segment])
			}
			out[i] = v[r.Row]
		}
		return out
	}
	all := make([][]T, len(columns))
	for i, c := range columns {
		if c != nil {
			all[i] = values(c)
		}
	}
	for i, r := range refs {
		if r.Segment != NoSegment {
			out[i] = all[r.Segment][r.Row]
		}
	}
	return out
}

const word = 16

func gatherBytes(dt arrow.DataType, columns []*Column, refs []Ref, valid *memory.Buffer, nulls int) (*array.Data, error) {
	n := len(refs)
	offsets := make([]int32, n+1)
	total := int64(0)
	for i, r := range refs {
		if r.Segment != NoSegment {
			o := columns[r.Segment].offsets
			total += int64(o[r.Row+1] - o[r.Row])
		}
		if total > math.MaxInt32 {
			return nil, fmt.Errorf("a column of %d rows holds more than 2 GiB of text", n)
		}
		offsets[i+1] = int32(total)
	}
	// Short values are copied as a whole word, beyond their end: what is too much is overwritten by the next value
	// or lies in the slack. That takes half the time of a call for each.
	data := make([]byte, total+word)
	for i, r := range refs {
		if r.Segment == NoSegment {
			continue
		}
		c := columns[r.Segment]
		from, to := c.offsets[r.Row], c.offsets[r.Row+1]
		if to-from <= word && int(from)+word <= len(c.data) {
			*(*[word]byte)(data[offsets[i]:]) = [word]byte(c.data[from:])
		} else {
			copy(data[offsets[i]:offsets[i+1]], c.data[from:to])
		}
	}
	data = data[:total]
	return array.NewData(dt, n, []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data)}, nil, nulls, 0), nil
}

func gatherList(dt, elem arrow.DataType, columns []*Column, refs []Ref, valid *memory.Buffer, nulls int) (*array.Data, error) {
	n := len(refs)
	offsets := make([]int32, n+1)
	columns, refs = compact(columns, refs)
	var inner []Ref
	for i, r := range refs {
		if r.Segment != NoSegment {
			c := columns[r.Segment]
			if !c.Null(int(r.Row)) {
				for j := c.offsets[r.Row]; j < c.offsets[r.Row+1]; j++ {
					inner = append(inner, Ref{r.Segment, uint32(j)})
				}
			}
		}
		offsets[i+1] = int32(len(inner))
	}
	kid, err := gather(elem, kidsOf(columns, 0), inner)
	if err != nil {
		return nil, err
	}
	return array.NewData(dt, n, []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}, []arrow.ArrayData{kid}, nulls, 0), nil
}
