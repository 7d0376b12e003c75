package parquet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/schema"
)

// value is an array's value in the form of the testdata: numbers as text, bytes in hex, maps as pairs.
func value(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	float := func(f float64) any {
		var s string
		if s = fmt.Sprintf("%.17g", f); s == "NaN" {
			return "nan"
		}
		return s
	}
	list := func(l array.ListLike, f func(j int) any) any {
		out := []any{}
		from, to := l.ValueOffsets(i)
		for j := from; j < to; j++ {
			out = append(out, f(int(j)))
		}
		return out
	}
	switch a := a.(type) {
	case *array.Null:
		return nil
	case *array.Boolean:
		return a.Value(i)
	case *array.Int16:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Int32:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Int64:
		return strconv.FormatInt(a.Value(i), 10)
	case *array.Date32:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Timestamp:
		return strconv.FormatInt(int64(a.Value(i)), 10)
	case *array.Float32:
		return float(float64(a.Value(i)))
	case *array.Float64:
		return float(a.Value(i))
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return hex.EncodeToString(a.Value(i))
	case *array.Dictionary:
		return value(a.Dictionary(), a.GetValueIndex(i))
	case *array.Map:
		return list(a, func(j int) any { return []any{value(a.Keys(), j), value(a.Items(), j)} })
	case *array.List:
		return list(a, func(j int) any { return value(a.ListValues(), j) })
	case *array.Struct:
		out := map[string]any{}
		for k, f := range a.DataType().(*arrow.StructType).Fields() {
			out[f.Name] = value(a.Field(k), i)
		}
		return out
	}
	return a.ValueStr(i)
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// columns reads a whole file as values by column.
func columns(tb testing.TB, f *File, fields []schema.Field, opts ReadOptions, batch int) map[string][]any {
	tb.Helper()
	out, err := tryColumns(f, fields, opts, batch)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func tryColumns(f *File, fields []schema.Field, opts ReadOptions, batch int) (map[string][]any, error) {
	rd, err := f.Reader(fields, opts)
	if err != nil {
		return nil, err
	}
	out := map[string][]any{}
	for g := range f.RowGroups() {
		rows, err := rd.RowGroup(g)
		if err != nil {
			return nil, err
		}
		for {
			rec, err := rows.Next(batch)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			for c, field := range fields {
				a := rec.Column(c)
				for i := range a.Len() {
					out[field.Name] = append(out[field.Name], value(a, i))
				}
			}
		}
	}
	return out, nil
}

// randomType nests up to depth.
func randomType(r *rand.Rand, depth int) schema.Type {
	n := 12
	if depth > 0 {
		n = 15
	}
	switch r.IntN(n) {
	case 0:
		return schema.Type{Kind: schema.Boolean}
	case 1:
		return schema.Type{Kind: schema.SmallInt}
	case 2:
		return schema.Type{Kind: schema.Int}
	case 3:
		return schema.Type{Kind: schema.BigInt}
	case 4:
		return schema.Type{Kind: schema.Float}
	case 5:
		return schema.Type{Kind: schema.Double}
	case 6, 7:
		p := 1 + r.IntN(38)
		return schema.Type{Kind: schema.Decimal, Precision: p, Scale: r.IntN(p + 1)}
	case 8:
		return schema.Type{Kind: schema.String}
	case 9:
		return schema.Type{Kind: schema.Bytes}
	case 10:
		return schema.Type{Kind: schema.Date}
	case 11:
		return schema.Type{Kind: schema.Timestamp, Precision: 6}
	case 12:
		e := randomType(r, depth-1)
		return schema.Type{Kind: schema.Array, Elem: &e}
	case 13:
		k, e := randomType(r, 0), randomType(r, depth-1)
		return schema.Type{Kind: schema.Map, Key: &k, Elem: &e}
	}
	t := schema.Type{Kind: schema.Row}
	for i := range 1 + r.IntN(3) {
		t.Fields = append(t.Fields, schema.Field{Name: string(rune('a' + i)), Type: randomType(r, depth-1)})
	}
	return t
}

// appendRandom adds a value; few says that values repeat.
func appendRandom(r *rand.Rand, b array.Builder, t schema.Type, nullable, few bool) {
	if nullable && r.IntN(5) == 0 {
		b.AppendNull()
		return
	}
	word := r.Uint64()
	if few {
		word = word % 3 * 0x0102030405060708
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(word%2 == 0)
	case *array.Int16Builder:
		b.Append(int16(word))
	case *array.Int32Builder:
		b.Append(int32(word))
	case *array.Int64Builder:
		b.Append(int64(word))
	case *array.Float32Builder:
		b.Append(float32(int32(word)) / 7)
	case *array.Float64Builder:
		b.Append(float64(int64(word)) / 7)
	case *array.Date32Builder:
		b.Append(arrow.Date32(int32(word)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(int64(word)))
	case *array.StringBuilder:
		b.Append(strconv.FormatUint(word, 36)[:word%8%uint64(len(strconv.FormatUint(word, 36)))])
	case *array.BinaryBuilder:
		b.Append([]byte{byte(word), byte(word >> 8)}[:word%3])
	case *array.Decimal128Builder:
		limit := decimal128.GetScaleMultiplier(t.Precision)
		_, n := decimal128.New(int64(word>>1), word*31).Div(limit)
		if word%2 == 0 {
			n = n.Negate()
		}
		b.Append(n)
	case *array.ListBuilder:
		b.Append(true)
		for range word % 4 {
			appendRandom(r, b.ValueBuilder(), *t.Elem, true, few)
		}
	case *array.MapBuilder:
		b.Append(true)
		for range word % 4 {
			appendRandom(r, b.KeyBuilder(), *t.Key, false, few)
			appendRandom(r, b.ItemBuilder(), *t.Elem, true, few)
		}
	case *array.StructBuilder:
		b.Append(true)
		for k, f := range t.Fields {
			appendRandom(r, b.FieldBuilder(k), f.Type, true, few)
		}
	default:
		panic(fmt.Sprintf("%T", b))
	}
}

func randomRecord(r *rand.Rand, fields []schema.Field, n int) arrow.Record {
	cols := make([]arrow.Array, len(fields))
	for c, f := range fields {
		b := array.NewBuilder(memory.DefaultAllocator, f.Type.Arrow())
		nullable, few := r.IntN(3) > 0, r.IntN(2) == 0
		for range n {
			appendRandom(r, b, f.Type, nullable, few)
		}
		cols[c] = b.NewArray()
	}
	return array.NewRecord(schema.ArrowSchema(fields), cols, int64(n))
}
