package expr

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// writer gathers one vector from selected rows of several.
type writer struct {
	out    *vec
	room   func(v *vec, n int)
	copy   func(c *ctx, out, src *vec, sel []int32)
	nested bool
	pieces []arrow.Array
	total  int
}

func newWriter(t schema.Type, out *vec) *writer {
	w := &writer{out: out}
	switch t.Kind {
	case schema.Boolean:
		w.room, w.copy = roomFor[bool], copyRows[bool]
	case schema.SmallInt:
		w.room, w.copy = roomFor[int16], copyRows[int16]
	case schema.Int, schema.Date:
		w.room, w.copy = roomFor[int32], copyRows[int32]
	case schema.BigInt, schema.Timestamp:
		w.room, w.copy = roomFor[int64], copyRows[int64]
	case schema.Float:
		w.room, w.copy = roomFor[float32], copyRows[float32]
	case schema.Double:
		w.room, w.copy = roomFor[float64], copyRows[float64]
	case schema.Decimal:
		w.room, w.copy = roomFor[num], copyRows[num]
	case schema.String, schema.Bytes:
		w.room, w.copy = roomFor[string], copyRows[string]
	default:
		w.nested = true
	}
	return w
}

func (w *writer) reset(c *ctx) {
	w.out.null = nil
	if !w.nested {
		w.room(w.out, c.n)
		return
	}
	w.pieces, w.total = w.pieces[:0], 0
	w.out.idx = grown(w.out.idx, c.n)
	w.out.arr = nil
}

// put copies the selected rows of src, NULLs too.
func (w *writer) put(c *ctx, src *vec, sel []int32) {
	if len(sel) == 0 {
		return
	}
	if src.null != nil && (src.m != 0 || src.null[0]) {
		if w.out.null == nil {
			w.out.clearNulls(c.n)
		}
		for _, i := range sel {
			w.out.null[i] = src.null[int(i)&src.m]
		}
		if src.m == 0 {
			return
		}
	}
	if !w.nested {
		w.copy(c, w.out, src, sel)
		return
	}
	if src.arr == nil {
		return
	}
	for _, i := range sel {
		k := i
		if src.idx != nil {
			k = src.idx[i]
		}
		w.out.idx[i] = k + int32(w.total)
	}
	w.pieces = append(w.pieces, src.arr)
	w.total += src.arr.Len()
}

func (w *writer) done(c *ctx) {
	if !w.nested || len(w.pieces) == 0 {
		return
	}
	w.out.arr = w.pieces[0]
	if len(w.pieces) > 1 {
		joined, err := array.Concatenate(w.pieces, memory.DefaultAllocator)
		if err != nil {
			c.err = err
			return
		}
		w.out.arr = joined
	}
}

func copyRows[T fixed](c *ctx, out, src *vec, sel []int32) {
	dst, from := *values[T](out), *values[T](src)
	switch {
	case src.m == 0:
		k := from[0]
		for _, i := range sel {
			dst[i] = k
		}
	case len(sel) == c.n:
		copy(dst, from)
	default:
		for _, i := range sel {
			dst[i] = from[i]
		}
	}
}

// compileCase evaluates each condition for the rows that none before it took, and each result for the rows
// that its condition took.
func compileCase(n *Node, args []fn) fn {
	out := &vec{m: -1}
	w := newWriter(n.Type, out)
	var open, taken []int32
	return func(c *ctx, sel []int32) *vec {
		w.reset(c)
		open = append(open[:0], sel...)
		for k := 0; k+1 < len(args) && len(open) > 0; k += 2 {
			cond := args[k](c, open)
			taken = taken[:0]
			rest := open[:0]
			for _, i := range open {
				if cond.b[int(i)&cond.m] && !cond.isNull(int(i)) {
					taken = append(taken, i)
				} else {
					rest = append(rest, i)
				}
			}
			open = rest
			if len(taken) > 0 {
				w.put(c, args[k+1](c, taken), taken)
			}
		}
		if len(open) > 0 {
			w.put(c, args[len(args)-1](c, open), open)
		}
		w.done(c)
		return out
	}
}

// compileCoalesce evaluates each argument for the rows in which those before it are NULL.
func compileCoalesce(n *Node, args []fn) fn {
	out := &vec{m: -1}
	w := newWriter(n.Type, out)
	var open, taken []int32
	return func(c *ctx, sel []int32) *vec {
		first := args[0](c, sel)
		if first.null == nil {
			return first
		}
		w.reset(c)
		open = append(open[:0], sel...)
		for k, f := range args {
			v := first
			if k > 0 {
				v = f(c, open)
			}
			if k == len(args)-1 {
				w.put(c, v, open)
				break
			}
			taken = taken[:0]
			rest := open[:0]
			for _, i := range open {
				if v.isNull(int(i)) {
					rest = append(rest, i)
				} else {
					taken = append(taken, i)
				}
			}
			open = rest
			w.put(c, v, taken)
			if len(open) == 0 {
				break
			}
		}
		w.done(c)
		return out
	}
}
