package expr

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// place is where the nested value of row i stands in v.arr; false: it is NULL.
func (v *vec) place(i int) (int, bool) {
	if v.isNull(i) || v.arr == nil {
		return 0, false
	}
	if v.idx != nil {
		i = int(v.idx[i])
	}
	return i, v.arr.IsValid(i)
}

// compileNested is row.field, array[n], map[key] and CARDINALITY.
func compileNested(n *Node, args []fn) (fn, error) {
	from := n.Args[0].Type
	if n.Op == "CARDINALITY" {
		return strict(args, roomFor[int32], func(c *ctx, out *vec, in []*vec, i int) {
			p, ok := in[0].place(i)
			if !ok {
				c.null(out, i)
				return
			}
			start, end := in[0].arr.(array.ListLike).ValueOffsets(p)
			out.i32[i] = int32(end - start)
		}), nil
	}
	var at []int32
	var key *vec
	var child arrow.Array
	inner := n.Type
	pick := &picker{t: inner}
	return func(c *ctx, sel []int32) *vec {
		v := args[0](c, sel)
		if len(args) == 2 {
			key = args[1](c, sel)
		}
		at = grown(at, c.n)
		for i := range at {
			at[i] = -1
		}
		child = nil
		if v.arr != nil {
			switch a := v.arr.(type) {
			case *array.Struct:
				child = a.Field(n.Index)
			case *array.Map:
				child = a.Items()
			case array.ListLike:
				child = a.ListValues()
			default:
				c.err = fmt.Errorf("a column is %s where the plan says %s", a.DataType(), from)
				return pick.take(c, nil, at, sel)
			}
		}
		for _, row := range sel {
			i := int(row)
			p, ok := v.place(i)
			if !ok || key != nil && key.isNull(i) {
				continue
			}
			switch a := v.arr.(type) {
			case *array.Struct:
				at[i] = int32(p)
			case *array.Map:
				start, end := a.ValueOffsets(p)
				at[i] = int32(findKey(a.Keys(), start, end, key, *from.Key, i))
			case array.ListLike:
				start, end := a.ValueOffsets(p)
				k := int64(key.i32[i&key.m])
				if k >= 1 && k <= end-start {
					at[i] = int32(start + k - 1)
				}
			}
		}
		return pick.take(c, child, at, sel)
	}, nil
}

// findKey is where a key stands among those of one map, or -1.
func findKey(keys arrow.Array, start, end int64, key *vec, t schema.Type, i int) int64 {
	i &= key.m
	for p := start; p < end; p++ {
		same := false
		switch k := keys.(type) {
		case *array.String:
			same = k.Value(int(p)) == key.s[i]
		case *array.Binary:
			same = string(k.Value(int(p))) == key.s[i]
		case *array.Int16:
			same = k.Value(int(p)) == key.i16[i]
		case *array.Int32:
			same = k.Value(int(p)) == key.i32[i]
		case *array.Int64:
			same = k.Value(int(p)) == key.i64[i]
		case *array.Date32:
			same = int32(k.Value(int(p))) == key.i32[i]
		case *array.Timestamp:
			same = int64(k.Value(int(p))) == key.i64[i]
		case *array.Decimal128:
			same = k.Value(int(p)) == key.dec[i]
		case *array.Boolean:
			same = k.Value(int(p)) == key.b[i]
		}
		if same {
			return p
		}
	}
	return -1
}

// picker reads elements of an array as a vector.
type picker struct {
	t     schema.Type
	whole vec
	out   vec
}

// take makes a vector of child[at[i]]; -1 is NULL.
func (p *picker) take(c *ctx, child arrow.Array, at []int32, sel []int32) *vec {
	out := &p.out
	out.m, out.null, out.arr = -1, nil, nil
	if isNested(p.t.Kind) || p.t.Kind == schema.Null {
		out.arr = child
		out.idx = at
		for _, i := range sel {
			if at[i] < 0 || child.IsNull(int(at[i])) {
				c.null(out, int(i))
			}
		}
		if p.t.Kind == schema.Null {
			out.idx = nil
			out.arr = nil
		}
		return out
	}
	w := newWriter(p.t, out)
	w.room(out, c.n)
	if child == nil {
		out.clearNulls(c.n)
		for i := range out.null {
			out.null[i] = true
		}
		return out
	}
	if err := p.whole.load(child, p.t, child.Len()); err != nil {
		c.err = err
		return out
	}
	src := &p.whole
	for _, i := range sel {
		k := int(at[i])
		if k < 0 || src.isNull(k) {
			c.null(out, int(i))
			continue
		}
		switch p.t.Kind {
		case schema.Boolean:
			out.b[i] = src.b[k]
		case schema.SmallInt:
			out.i16[i] = src.i16[k]
		case schema.Int, schema.Date:
			out.i32[i] = src.i32[k]
		case schema.BigInt, schema.Timestamp:
			out.i64[i] = src.i64[k]
		case schema.Float:
			out.f32[i] = src.f32[k]
		case schema.Double:
			out.f64[i] = src.f64[k]
		case schema.Decimal:
			out.dec[i] = src.dec[k]
		default:
			out.s[i] = src.s[k]
		}
	}
	return out
}

// nested is v as an array of a nested type.
func (v *vec) nested(t schema.Type, n int) (arrow.Array, error) {
	at := make([]int32, n)
	for i := range at {
		at[i] = -1
		if p, ok := v.place(i); ok {
			at[i] = int32(p)
		}
	}
	if v.arr == nil {
		return array.MakeArrayOfNull(memory.DefaultAllocator, t.Arrow(), n), nil
	}
	return takeRows(v.arr, at), nil
}

// takeRows is the array of a[at[i]]; -1 gives NULL. It serves every type that a column may have.
func takeRows(a arrow.Array, at []int32) arrow.Array {
	n := len(at)
	valid := make([]bool, n)
	nulls := 0
	for i, k := range at {
		valid[i] = k >= 0 && a.IsValid(int(k))
		if !valid[i] {
			nulls++
		}
	}
	var validity *memory.Buffer
	if nulls > 0 {
		bits, _ := pack(valid, false)
		validity = memory.NewBufferBytes(bits)
	}
	buffers := []*memory.Buffer{validity}
	var children []arrow.ArrayData
	switch c := a.(type) {
	case *array.Null:
		return array.NewNull(n)
	case *array.Struct:
		for f := range c.NumField() {
			inside := make([]int32, n)
			for i, k := range at {
				inside[i] = -1
				if valid[i] {
					inside[i] = k
				}
			}
			children = append(children, takeRows(c.Field(f), inside).Data())
		}
	case *array.Map, *array.List:
		list := a.(array.ListLike)
		offsets := make([]int32, n+1)
		var inside []int32
		for i, k := range at {
			if valid[i] {
				start, end := list.ValueOffsets(int(k))
				for p := start; p < end; p++ {
					inside = append(inside, int32(p))
				}
			}
			offsets[i+1] = int32(len(inside))
		}
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)))
		children = append(children, takeRows(list.ListValues(), inside).Data())
	case *array.String, *array.Binary:
		var out []byte
		offsets := make([]int32, n+1)
		if n > nulls {
			from := a.(interface{ ValueOffsets() []int32 }).ValueOffsets()
			data := a.Data().Buffers()[2].Bytes()
			for i, k := range at {
				if valid[i] {
					out = append(out, data[from[k]:from[k+1]]...)
				}
				offsets[i+1] = int32(len(out))
			}
		}
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(out))
	case *array.Boolean:
		bits := make([]byte, (n+7)/8)
		for i, k := range at {
			if valid[i] && c.Value(int(k)) {
				bitutil.SetBit(bits, i)
			}
		}
		buffers = append(buffers, memory.NewBufferBytes(bits))
	default:
		width := a.DataType().(arrow.FixedWidthDataType).BitWidth() / 8
		src := a.Data().Buffers()[1].Bytes()[a.Data().Offset()*width:]
		dst := make([]byte, n*width)
		for i, k := range at {
			if valid[i] {
				copy(dst[i*width:(i+1)*width], src[int(k)*width:])
			}
		}
		buffers = append(buffers, memory.NewBufferBytes(dst))
	}
	return array.MakeFromData(array.NewData(a.DataType(), n, buffers, children, nulls, 0))
}

// appendNested is an array as [1, NULL], a row as (1, x) and a map as {k=v}.
func appendNested(dst []byte, v *vec, t schema.Type, i int) []byte {
	p := i
	if v.idx != nil {
		p = int(v.idx[i])
	}
	return appendElement(dst, v.arr, t, p)
}

func appendElement(dst []byte, a arrow.Array, t schema.Type, p int) []byte {
	if a.IsNull(p) {
		return append(dst, "NULL"...)
	}
	switch c := a.(type) {
	case *array.Struct:
		dst = append(dst, '(')
		for f := range t.Fields {
			if f > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendElement(dst, c.Field(f), t.Fields[f].Type, p)
		}
		return append(dst, ')')
	case *array.Map:
		dst = append(dst, '{')
		start, end := c.ValueOffsets(p)
		for k := start; k < end; k++ {
			if k > start {
				dst = append(dst, ", "...)
			}
			dst = appendElement(dst, c.Keys(), *t.Key, int(k))
			dst = append(dst, '=')
			dst = appendElement(dst, c.Items(), *t.Elem, int(k))
		}
		return append(dst, '}')
	case *array.List:
		dst = append(dst, '[')
		start, end := c.ValueOffsets(p)
		for k := start; k < end; k++ {
			if k > start {
				dst = append(dst, ", "...)
			}
			dst = appendElement(dst, c.ListValues(), *t.Elem, int(k))
		}
		return append(dst, ']')
	}
	one := vec{}
	slice := array.NewSlice(a, int64(p), int64(p+1))
	if err := one.load(slice, t, 1); err != nil {
		return append(dst, slice.ValueStr(0)...)
	}
	return appendValue(dst, &one, t, 0)
}
