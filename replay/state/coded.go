package state

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Text of few distinct values travels as a dictionary of int32, so that what is moved, held and written is a number.
// A source keeps one dictionary a column and only ever appends to it: blocks see longer and longer beginnings of the
// same memory. So two dictionaries are the same where they begin at the same address, and the longer one serves both.

// start is where a text column begins in memory.
func (c *Column) start() (offsets *int32, data *byte) {
	return unsafe.SliceData(c.offsets), unsafe.SliceData(c.data)
}

// sharedDictionary is the longest of the dictionaries of the columns that rows are in when they all have the same one, else
// nil. any tells whether one of them has a dictionary.
func sharedDictionary(columns []*Column, refs []Ref) (longest *Column, any bool) {
	same, seen := true, false
	for c := range columnsOf(columns, refs) {
		seen = true
		switch {
		case c.layout != layoutCode:
			same = false
		case longest == nil || longest.n == 0: // all that was before is NULL
			longest, any = &c.kids[0], true
		case c.kids[0].n > 0:
			dict := &c.kids[0]
			o, d := dict.start()
			lo, ld := longest.start()
			same = same && o == lo && d == ld
			if dict.n > longest.n {
				longest = dict
			}
		}
	}
	if !seen { // no row has a column: stay with what the others do
		if i := slices.IndexFunc(columns, func(c *Column) bool { return c != nil }); i >= 0 && columns[i].layout == layoutCode {
			return &columns[i].kids[0], true
		}
	}
	if !same {
		return nil, any
	}
	return longest, any
}

// coded makes an array of numbers in a dictionary.
func coded(dict *Column, codes []int32, valid *memory.Buffer, nulls int) *array.Data {
	words := array.NewData(dict.dt, dict.n, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(dict.offsets)),
		memory.NewBufferBytes(dict.data)}, nil, 0, 0)
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: dict.dt}
	return array.NewDataWithDictionary(dt, len(codes), []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(codes))}, nulls, 0, words)
}

// gatherText is gatherBytes where some columns have dictionaries.
func gatherText(dt arrow.DataType, columns []*Column, refs []Ref, valid *memory.Buffer, nulls int) (*array.Data, error) {
	offsets := make([]int32, len(refs)+1)
	var data []byte
	for i, r := range refs {
		if r.Segment != NoSegment {
			data = append(data, columns[r.Segment].Bytes(int(r.Row))...)
		}
		if len(data) > math.MaxInt32 {
			return nil, fmt.Errorf("a column of %d rows holds more than 2 GiB of text", len(refs))
		}
		offsets[i+1] = int32(len(data))
	}
	return array.NewData(dt, len(refs), []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data)}, nil, nulls, 0), nil
}

// Plain is a with the text itself where it comes as a dictionary.
func Plain(a arrow.Array) (arrow.Array, error) {
	dt, ok := a.DataType().(*arrow.DictionaryType)
	if !ok {
		return a, nil
	}
	c := View(a)
	refs := make([]Ref, c.n)
	for i := range refs {
		refs[i].Row = uint32(i)
	}
	columns := []*Column{&c}
	valid, nulls := gatherValidity(columns, refs)
	d, err := gatherText(dt.ValueType, columns, refs, valid, nulls)
	if err != nil {
		return nil, err
	}
	return array.MakeFromData(d), nil
}

// Concatenate puts arrays of one type behind each other. Text keeps a dictionary that all of them share.
func Concatenate(arrays []arrow.Array) (arrow.Array, error) {
	if len(arrays) == 1 {
		return arrays[0], nil
	}
	views := Views(arrays)
	columns := make([]*Column, len(views))
	for i := range views {
		columns[i] = &views[i]
	}
	if columns[0].layout == layoutCode {
		var refs []Ref
		for i, c := range columns {
			for row := range c.n {
				refs = append(refs, Ref{uint32(i), uint32(row)})
			}
		}
		if dict, _ := sharedDictionary(columns, refs); dict != nil {
			return GatherCoded(dict.dt, columns, refs)
		}
	}
	plain := make([]arrow.Array, len(arrays))
	for i, a := range arrays {
		var err error
		if plain[i], err = Plain(a); err != nil {
			return nil, err
		}
	}
	return array.Concatenate(plain, memory.DefaultAllocator)
}
