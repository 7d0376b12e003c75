package json

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Encoder writes rows as JSON objects, every column in order, NULLs included. It is for one goroutine.
type Encoder struct {
	views []*column.View
	keys  []string // {"id":  ,"at":
	rec   arrow.Record
}

// NewEncoder makes an encoder for records of these columns.
func NewEncoder(fields []schema.Field) *Encoder {
	return &Encoder{views: column.NewViews(fields), keys: keysOf(fields)}
}

func keysOf(fields []schema.Field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		b := []byte{','}
		if i == 0 {
			b[0] = '{'
		}
		keys[i] = string(append(AppendString(b, []byte(f.Name)), ':'))
	}
	return keys
}

// Encode appends the row of rec to dst as an object on one line, without a line end. The columns of rec are
// those of NewEncoder in their Arrow form.
func (e *Encoder) Encode(dst []byte, rec arrow.Record, row int) []byte {
	if rec != e.rec {
		for i, v := range e.views {
			v.Bind(rec.Column(i))
		}
		e.rec = rec
	}
	if len(e.views) == 0 {
		return append(dst, "{}"...)
	}
	for i, v := range e.views {
		dst = append(dst, e.keys[i]...)
		dst = appendValue(dst, v, row)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, v *column.View, i int) []byte {
	if v.IsNull(i) {
		return append(dst, "null"...)
	}
	switch v.Type.Kind {
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool(i))
	case schema.SmallInt:
		return strconv.AppendInt(dst, int64(v.I16[i]), 10)
	case schema.Int:
		return strconv.AppendInt(dst, int64(v.I32[i]), 10)
	case schema.BigInt:
		return strconv.AppendInt(dst, v.I64[i], 10)
	case schema.Float:
		return appendFloat(dst, float64(v.F32[i]), 32)
	case schema.Double:
		return appendFloat(dst, v.F64[i], 64)
	case schema.Decimal:
		return column.AppendDecimal(dst, v.Dec[i], v.Type.Scale)
	case schema.String:
		return AppendString(dst, v.Bytes(i))
	case schema.Bytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes(i))
		return append(dst, '"')
	case schema.Date:
		dst = column.AppendDate(append(dst, '"'), int64(v.I32[i]))
		return append(dst, '"')
	case schema.Timestamp:
		dst = column.AppendTimestamp(append(dst, '"'), v.I64[i])
		return append(dst, '"')
	case schema.Array:
		dst = append(dst, '[')
		for k := v.Offsets[i]; k < v.Offsets[i+1]; k++ {
			if k > v.Offsets[i] {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, v.Kids[0], int(k))
		}
		return append(dst, ']')
	case schema.Map:
		dst = append(dst, '{')
		for k := v.Offsets[i]; k < v.Offsets[i+1]; k++ {
			if k > v.Offsets[i] {
				dst = append(dst, ',')
			}
			dst = appendKey(dst, v.Kids[0], int(k))
			dst = appendValue(append(dst, ':'), v.Kids[1], int(k))
		}
		return append(dst, '}')
	}
	dst = append(dst, '{')
	for k, kid := range v.Kids {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, []byte(kid.Name))
		dst = appendValue(append(dst, ':'), kid, i)
	}
	return append(dst, '}')
}

// appendKey writes a key of a map, which JSON wants in quotes.
func appendKey(dst []byte, v *column.View, i int) []byte {
	at := len(dst)
	dst = appendValue(append(dst, '"'), v, i)
	if dst[at+1] == '"' { // it has its own
		return append(dst[:at], dst[at+1:]...)
	}
	return append(dst, '"')
}

func appendFloat(dst []byte, f float64, size int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, size)
}

// AppendString appends s in quotes, with only those escapes that JSON demands.
func AppendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; ; {
		end := plain(s, i)
		for end < len(s) && s[end] >= utf8.RuneSelf {
			end = plain(s, end+1)
		}
		dst = append(dst, s[i:end]...)
		if end == len(s) {
			return append(dst, '"')
		}
		switch c := s[end]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i = end + 1
	}
}
