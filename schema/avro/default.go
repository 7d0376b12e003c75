package avro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

var errDefault = errors.New("does not fit the column")

// defaultOf compiles a default value: what appends it, and how many bytes that adds at most. The default of a
// union may be of any branch here, as most writers do it.
func defaultOf(n *node, v any, col *column.Buffer) (fill func(*column.Buffer), size int, err error) {
	if v == nil {
		return (*column.Buffer).AppendNull, 0, nil
	}
	n, _, ok := n.nullable()
	if !ok {
		return nil, 0, errDefault
	}
	switch x := v.(type) {
	case bool:
		if col.Type.Kind == schema.Boolean {
			b := byte(0)
			if x {
				b = 1
			}
			return func(c *column.Buffer) { c.Bool = append(c.Bool, b) }, 1, nil
		}
	case json.Number:
		// The number is what would stand in the bytes, so it takes the way of the bytes.
		return viaBytes(n, x, col)
	case string:
		raw := []byte(x)
		if n.kind == "bytes" || n.kind == "fixed" { // each code point is a byte
			raw = raw[:0:0]
			for _, r := range x {
				if r > 255 {
					return nil, 0, errDefault
				}
				raw = append(raw, byte(r))
			}
			if n.kind == "fixed" && len(raw) != n.size {
				return nil, 0, errDefault
			}
		}
		if n.kind == "enum" && !slices.Contains(n.symbols, x) {
			return nil, 0, fmt.Errorf("is not a symbol of %s", n.name)
		}
		if n.kind == "bytes" || n.kind == "fixed" {
			wire := raw
			if n.kind == "bytes" {
				wire = appendLong(nil, int64(len(raw)))
				wire = append(wire, raw...)
			}
			return replay(n, wire, col)
		}
		if col.Type.Kind == schema.String || col.Type.Kind == schema.Bytes {
			return func(c *column.Buffer) { c.AppendBytes(raw) }, len(raw), nil
		}
	case []any:
		if n.kind != "array" || col.Type.Kind != schema.Array {
			return nil, 0, errDefault
		}
		var fills []func(*column.Buffer)
		for _, e := range x {
			f, s, err := defaultOf(n.items, e, col.Kids[0])
			if err != nil {
				return nil, 0, err
			}
			fills = append(fills, f)
			size += s + 1
		}
		return func(c *column.Buffer) {
			for _, f := range fills {
				f(c.Kids[0])
			}
			c.End()
		}, size, nil
	case map[string]any:
		return defaultObject(n, x, col)
	}
	return nil, 0, errDefault
}

func defaultObject(n *node, x map[string]any, col *column.Buffer) (fill func(*column.Buffer), size int, err error) {
	var fills []func(*column.Buffer)
	switch {
	case n.kind == "map" && col.Type.Kind == schema.Map:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			f, s, err := defaultOf(n.items, x[k], col.Kids[1])
			if err != nil {
				return nil, 0, err
			}
			size += s + len(k) + 1
			fills = append(fills, f)
		}
		return func(c *column.Buffer) {
			for i, k := range keys {
				c.Kids[0].AppendBytes([]byte(k))
				fills[i](c.Kids[1])
			}
			c.End()
		}, size, nil
	case n.kind == "record" && col.Type.Kind == schema.Row:
		for i, want := range col.Type.Fields {
			f := (func(*column.Buffer))((*column.Buffer).AppendNull)
			if rf := fieldOf(n, want.Name); rf != nil {
				v, ok := x[want.Name]
				if !ok && rf.def != nil {
					dec := json.NewDecoder(newReader(rf.def))
					dec.UseNumber()
					if err := dec.Decode(&v); err != nil {
						return nil, 0, err
					}
				}
				s := 0
				if f, s, err = defaultOf(rf.typ, v, col.Kids[i]); err != nil {
					return nil, 0, err
				}
				size += s
			}
			fills = append(fills, f)
		}
		return func(c *column.Buffer) {
			for i, f := range fills {
				f(c.Kids[i])
			}
			c.End()
		}, size, nil
	}
	return nil, 0, errDefault
}

// viaBytes writes a number as Avro would and lets the decoder read it.
func viaBytes(n *node, x json.Number, col *column.Buffer) (func(*column.Buffer), int, error) {
	switch n.kind {
	case "int", "long":
		i, err := x.Int64()
		if err != nil {
			return nil, 0, errDefault
		}
		return replay(n, appendLong(nil, i), col)
	case "float", "double":
		f, err := x.Float64()
		if err != nil {
			return nil, 0, errDefault
		}
		if n.kind == "float" {
			return replay(n, appendFloat(nil, float32(f)), col)
		}
		return replay(n, appendDouble(nil, f), col)
	}
	return nil, 0, errDefault
}

// replay compiles n for col and returns what runs it over wire each time. It is tried once, here.
func replay(n *node, wire []byte, col *column.Buffer) (func(*column.Buffer), int, error) {
	p := Plan{}
	if err := p.value(n, nil, col); err != nil {
		return nil, 0, err
	}
	r := reader{buf: wire}
	at := col.Len()
	r.run(p.ops)
	col.Truncate(at)
	if r.err != nil {
		return nil, 0, r.err
	}
	return func(*column.Buffer) {
		r := reader{buf: wire}
		r.run(p.ops)
	}, len(wire), nil
}
