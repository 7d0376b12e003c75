package column

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

// View reads a column whose Arrow form is that of its type (schema.Type.Arrow), without boxing.
type View struct {
	Name string
	Type schema.Type

	I16 []int16
	I32 []int32
	I64 []int64
	F32 []float32
	F64 []float64
	Dec []decimal128.Num
	// Offsets of Array and Map point into Kids, those of String and Bytes into the data.
	Offsets []int32
	Kids    []*View

	data  []byte
	bits  []byte
	valid []byte
	first int // of the bitmaps
	none  bool
}

// NewViews makes a view for each field; Bind gives it values.
func NewViews(fields []schema.Field) []*View {
	out := make([]*View, len(fields))
	for i, f := range fields {
		out[i] = newView(f.Name, f.Type)
	}
	return out
}

func newView(name string, t schema.Type) *View {
	v := &View{Name: name, Type: t}
	switch t.Kind {
	case schema.Array:
		v.Kids = []*View{newView(name, *t.Elem)}
	case schema.Map:
		v.Kids = []*View{newView(name, *t.Key), newView(name, *t.Elem)}
	case schema.Row:
		v.Kids = NewViews(t.Fields)
	}
	return v
}

// Bind points v at arr, which is borrowed until the next Bind. An array of another form is a mistake of the
// caller and panics.
func (v *View) Bind(arr arrow.Array) {
	d := arr.Data()
	n, off := d.Len(), d.Offset()
	v.first, v.valid, v.none = off, nil, v.Type.Kind == schema.Null
	if n == 0 || v.none {
		return
	}
	bufs := d.Buffers()
	if bufs[0] != nil && arr.NullN() > 0 {
		v.valid = bufs[0].Bytes()
	}
	var ok bool
	values := func() []byte { return bufs[1].Bytes() }
	switch v.Type.Kind {
	case schema.Boolean:
		if _, ok = arr.(*array.Boolean); ok {
			v.bits = values()
		}
	case schema.SmallInt:
		if _, ok = arr.(*array.Int16); ok {
			v.I16 = arrow.Int16Traits.CastFromBytes(values())[off : off+n]
		}
	case schema.Int, schema.Date:
		switch arr.(type) {
		case *array.Int32, *array.Date32:
			ok = true
			v.I32 = arrow.Int32Traits.CastFromBytes(values())[off : off+n]
		}
	case schema.BigInt, schema.Timestamp:
		switch arr.(type) {
		case *array.Int64, *array.Timestamp:
			ok = true
			v.I64 = arrow.Int64Traits.CastFromBytes(values())[off : off+n]
		}
	case schema.Float:
		if _, ok = arr.(*array.Float32); ok {
			v.F32 = arrow.Float32Traits.CastFromBytes(values())[off : off+n]
		}
	case schema.Double:
		if _, ok = arr.(*array.Float64); ok {
			v.F64 = arrow.Float64Traits.CastFromBytes(values())[off : off+n]
		}
	case schema.Decimal:
		if _, ok = arr.(*array.Decimal128); ok {
			v.Dec = arrow.Decimal128Traits.CastFromBytes(values())[off : off+n]
		}
	case schema.String, schema.Bytes:
		switch arr.(type) {
		case *array.String, *array.Binary:
			ok = true
			v.Offsets = arrow.Int32Traits.CastFromBytes(values())[off : off+n+1]
			v.data = nil
			if bufs[2] != nil {
				v.data = bufs[2].Bytes()
			}
		}
	case schema.Array:
		var list *array.List
		if list, ok = arr.(*array.List); ok {
			v.Offsets = arrow.Int32Traits.CastFromBytes(values())[off : off+n+1]
			v.Kids[0].Bind(list.ListValues())
		}
	case schema.Map:
		var m *array.Map
		if m, ok = arr.(*array.Map); ok {
			v.Offsets = arrow.Int32Traits.CastFromBytes(values())[off : off+n+1]
			v.Kids[0].Bind(m.Keys())
			v.Kids[1].Bind(m.Items())
		}
	case schema.Row:
		var s *array.Struct
		if s, ok = arr.(*array.Struct); ok {
			for i, k := range v.Kids {
				k.Bind(s.Field(i))
			}
		}
	}
	if !ok {
		panic(fmt.Sprintf("column %s: an Arrow array of %s was given as %s", v.Name, arr.DataType(), v.Type))
	}
}

// IsNull reports whether the ith value is NULL.
func (v *View) IsNull(i int) bool {
	if v.valid == nil {
		return v.none
	}
	i += v.first
	return v.valid[i>>3]&(1<<(i&7)) == 0
}

// Bool is the ith value of a Boolean.
func (v *View) Bool(i int) bool {
	i += v.first
	return v.bits[i>>3]&(1<<(i&7)) != 0
}

// Bytes is the ith value of a String or Bytes.
func (v *View) Bytes(i int) []byte { return v.data[v.Offsets[i]:v.Offsets[i+1]] }
