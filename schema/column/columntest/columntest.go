package columntest

import (
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"pgregory.net/rapid"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Options narrow what is drawn.
type Options struct {
	// TextKeys draws maps with keys of STRING only.
	TextKeys bool
	// Years keeps times and dates to the years 1 to 9999.
	Years bool
}

// Fields draws one to six columns, nested at most twice.
func Fields(t *rapid.T, o Options) []schema.Field { return fields(t, o, 2) }

func fields(t *rapid.T, o Options, depth int) []schema.Field {
	n := rapid.IntRange(1, 6).Draw(t, "columns")
	out := make([]schema.Field, n)
	for i := range out {
		out[i] = schema.Field{Name: fmt.Sprintf("f%d", i), Type: typ(t, o, depth)}
	}
	return out
}

func typ(t *rapid.T, o Options, depth int) schema.Type {
	last := schema.Timestamp
	if depth > 0 {
		last = schema.Row
	}
	ty := schema.Type{Kind: schema.Kind(rapid.IntRange(int(schema.Boolean), int(last)).Draw(t, "kind"))}
	switch ty.Kind {
	case schema.Decimal:
		ty.Precision = rapid.IntRange(1, 38).Draw(t, "precision")
		ty.Scale = rapid.IntRange(0, ty.Precision).Draw(t, "scale")
	case schema.Timestamp:
		ty.Precision = 6
	case schema.Map:
		key := schema.Type{Kind: schema.String}
		if !o.TextKeys && rapid.Bool().Draw(t, "number keys") {
			key.Kind = schema.BigInt
		}
		elem := typ(t, o, depth-1)
		ty.Key, ty.Elem = &key, &elem
	case schema.Array:
		elem := typ(t, o, depth-1)
		ty.Elem = &elem
	case schema.Row:
		ty.Fields = fields(t, o, depth-1)
	}
	return ty
}

// Record draws rows.
func Record(t *rapid.T, o Options, f []schema.Field, rows int) arrow.Record {
	cols := column.New(f)
	for _, c := range cols {
		for range rows {
			fill(t, o, c, true)
		}
	}
	return column.Record(schema.ArrowSchema(f), cols, rows)
}

func fill(t *rapid.T, o Options, c *column.Buffer, null bool) {
	if null && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		c.AppendNull()
		return
	}
	switch c.Type.Kind {
	case schema.Boolean:
		c.Bool = append(c.Bool, byte(rapid.IntRange(0, 1).Draw(t, "bool")))
	case schema.SmallInt:
		c.I16 = append(c.I16, rapid.Int16().Draw(t, "i16"))
	case schema.Int:
		c.I32 = append(c.I32, rapid.Int32().Draw(t, "i32"))
	case schema.BigInt:
		c.I64 = append(c.I64, rapid.Int64().Draw(t, "i64"))
	case schema.Date:
		d := rapid.Int32()
		if o.Years {
			d = rapid.Int32Range(-719162, 2932896)
		}
		c.I32 = append(c.I32, d.Draw(t, "date"))
	case schema.Timestamp:
		const day = 86_400_000_000
		ts := rapid.Int64Range(-106751990*day, 106751990*day)
		if o.Years {
			ts = rapid.Int64Range(-719162*day, 2932897*day-1)
		}
		c.I64 = append(c.I64, ts.Draw(t, "time"))
	case schema.Float:
		f := rapid.Float32().Draw(t, "f32")
		c.F32 = append(c.F32, f)
	case schema.Double:
		f := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.Inf(1), math.Inf(-1), 0.1, math.Copysign(0, -1), 5e-324})).Draw(t, "f64")
		c.F64 = append(c.F64, f)
	case schema.Decimal:
		digits := rapid.StringMatching(fmt.Sprintf(`-?[0-9]{1,%d}`, c.Type.Precision)).Draw(t, "digits")
		v, _ := new(big.Int).SetString(digits, 10)
		c.Dec = append(c.Dec, decimal128.FromBigInt(v))
	case schema.String:
		c.AppendBytes([]byte(rapid.String().Draw(t, "text")))
	case schema.Bytes:
		c.AppendBytes(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes"))
	case schema.Array:
		for range rapid.IntRange(0, 4).Draw(t, "elements") {
			fill(t, o, c.Kids[0], true)
		}
		c.End()
	case schema.Map:
		n := rapid.IntRange(0, 20).Draw(t, "entries")
		for i := range n {
			if c.Type.Key.Kind == schema.String {
				c.Kids[0].AppendBytes(fmt.Appendf(nil, "k\"%d", i))
			} else {
				c.Kids[0].I64 = append(c.Kids[0].I64, int64(i))
			}
			fill(t, o, c.Kids[1], true)
		}
		c.End()
	case schema.Row:
		for _, k := range c.Kids {
			fill(t, o, k, true)
		}
		c.End()
	}
}
