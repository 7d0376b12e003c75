package avro

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Encoder writes rows as Avro records. Every field is a union of null and its type, with null as default. It
// is for one goroutine.
type Encoder struct {
	views  []*column.View
	schema string
	rec    arrow.Record
}

// NewEncoder makes an encoder for records of these columns; name is the record's, and may have a namespace.
// What Avro cannot write is an error: a name that is not of letters, digits and _, or a map whose keys are not
// text.
func NewEncoder(fields []schema.Field, name string) (*Encoder, error) {
	s, err := schemaOf(fields, name)
	if err != nil {
		return nil, err
	}
	return &Encoder{views: column.NewViews(fields), schema: s}, nil
}

// Schema is the writer's schema as JSON.
func (e *Encoder) Schema() string { return e.schema }

// Encode appends the row of rec to dst. The columns of rec are those of NewEncoder in their Arrow form.
func (e *Encoder) Encode(dst []byte, rec arrow.Record, row int) []byte {
	if rec != e.rec {
		for i, v := range e.views {
			v.Bind(rec.Column(i))
		}
		e.rec = rec
	}
	for _, v := range e.views {
		dst = appendValue(dst, v, row)
	}
	return dst
}

func appendValue(dst []byte, v *column.View, i int) []byte {
	if v.Type.Kind == schema.Null {
		return dst
	}
	if v.IsNull(i) {
		return append(dst, 0)
	}
	return appendPlain(append(dst, 2), v, i)
}

func appendPlain(dst []byte, v *column.View, i int) []byte {
	switch v.Type.Kind {
	case schema.Boolean:
		if v.Bool(i) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case schema.SmallInt:
		return appendLong(dst, int64(v.I16[i]))
	case schema.Int, schema.Date:
		return appendLong(dst, int64(v.I32[i]))
	case schema.BigInt, schema.Timestamp:
		return appendLong(dst, v.I64[i])
	case schema.Float:
		return appendFloat(dst, v.F32[i])
	case schema.Double:
		return appendDouble(dst, v.F64[i])
	case schema.Decimal:
		return appendDecimal(dst, v.Dec[i])
	case schema.String, schema.Bytes:
		s := v.Bytes(i)
		return append(appendLong(dst, int64(len(s))), s...)
	case schema.Array, schema.Map:
		from, to := v.Offsets[i], v.Offsets[i+1]
		if from < to {
			dst = appendLong(dst, int64(to-from))
			for k := from; k < to; k++ {
				if v.Type.Kind == schema.Map {
					dst = appendPlain(dst, v.Kids[0], int(k))
					dst = appendValue(dst, v.Kids[1], int(k))
				} else {
					dst = appendValue(dst, v.Kids[0], int(k))
				}
			}
		}
		return append(dst, 0)
	}
	for _, k := range v.Kids {
		dst = appendValue(dst, k, i)
	}
	return dst
}

func appendLong(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

func appendFloat(dst []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// appendDecimal writes the fewest bytes that hold the number and its sign.
func appendDecimal(dst []byte, v decimal128.Num) []byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(raw[8:], v.LowBits())
	i := 0
	for i < 15 && (raw[i] == 0 && raw[i+1] < 0x80 || raw[i] == 0xff && raw[i+1] >= 0x80) {
		i++
	}
	return append(appendLong(dst, int64(16-i)), raw[i:]...)
}

// schemaOf writes the schema. Nested records are named after their path, so that names do not meet.
func schemaOf(fields []schema.Field, name string) (string, error) {
	if err := checkName(name, true); err != nil {
		return "", err
	}
	b, err := appendRecord(nil, fields, name, name, map[string]bool{})
	return string(b), err
}

// appendRecord writes a record under its name, or, where another path has led to that, with more _ behind it.
func appendRecord(b []byte, fields []schema.Field, name, path string, named map[string]bool) ([]byte, error) {
	for named[name] {
		name += "_"
	}
	named[name] = true
	b = append(b, `{"type":"record","name":`...)
	b = strconv.AppendQuote(b, name)
	b = append(b, `,"fields":[`...)
	seen := map[string]bool{}
	for i, f := range fields {
		if err := checkName(f.Name, false); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("%s: column %s is there twice", path, f.Name)
		}
		seen[f.Name] = true
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = strconv.AppendQuote(b, f.Name)
		b = append(b, `,"type":`...)
		var err error
		if b, err = appendType(b, f.Type, name+"__"+f.Name, path+"."+f.Name, true, named); err != nil {
			return nil, err
		}
		b = append(b, `,"default":null}`...)
	}
	return append(b, "]}"...), nil
}

func appendType(b []byte, t schema.Type, name, path string, null bool, named map[string]bool) (_ []byte, err error) {
	if t.Kind == schema.Null {
		return append(b, `"null"`...), nil
	}
	if null {
		b = append(b, `["null",`...)
	}
	switch t.Kind {
	case schema.Boolean:
		b = append(b, `"boolean"`...)
	case schema.SmallInt, schema.Int:
		b = append(b, `"int"`...)
	case schema.BigInt:
		b = append(b, `"long"`...)
	case schema.Float:
		b = append(b, `"float"`...)
	case schema.Double:
		b = append(b, `"double"`...)
	case schema.Decimal:
		b = fmt.Appendf(b, `{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, t.Precision, t.Scale)
	case schema.String:
		b = append(b, `"string"`...)
	case schema.Bytes:
		b = append(b, `"bytes"`...)
	case schema.Date:
		b = append(b, `{"type":"int","logicalType":"date"}`...)
	case schema.Timestamp:
		b = append(b, `{"type":"long","logicalType":"timestamp-micros"}`...)
	case schema.Array:
		b = append(b, `{"type":"array","items":`...)
		if b, err = appendType(b, *t.Elem, name+"_item", path+"[]", true, named); err != nil {
			return nil, err
		}
		b = append(b, '}')
	case schema.Map:
		if t.Key.Kind != schema.String {
			return nil, schema.WithHint(fmt.Errorf("%s: Avro has no map with keys of %s", path, t.Key), "CAST the keys to STRING")
		}
		b = append(b, `{"type":"map","values":`...)
		if b, err = appendType(b, *t.Elem, name+"_value", path+"{}", true, named); err != nil {
			return nil, err
		}
		b = append(b, '}')
	case schema.Row:
		if b, err = appendRecord(b, t.Fields, name, path, named); err != nil {
			return nil, err
		}
	}
	if null {
		b = append(b, ']')
	}
	return b, nil
}

func checkName(name string, dots bool) error {
	start, ok := true, true
	for _, c := range name {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '_', !start && c >= '0' && c <= '9':
			start = false
		case dots && !start && c == '.':
			start = true
		default:
			ok = false
		}
	}
	if ok && !start {
		return nil
	}
	return schema.WithHint(fmt.Errorf("%q cannot be a name in Avro", name),
		"give the column a name of letters, digits and _ with AS, or write JSON")
}
