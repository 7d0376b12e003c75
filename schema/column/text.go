package column

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	"github.com/lockstep-data/lockstep/schema"
)

// What is wrong with a value; callers say where.
var (
	ErrBoolean = errors.New("not true or false")
	ErrBase64  = errors.New("not base64")
	ErrUTF8    = errors.New("not valid UTF-8")
	ErrType    = errors.New("of another type")
	ErrEpoch   = errors.New("a number where a time was wanted; declare the column as timestamp(s), timestamp(ms), timestamp(us) or timestamp(ns)")
	ErrDays    = errors.New("a number where a date was wanted")
)

// AppendNumber appends a number to a column of any type that can be one, exactly: nothing is rounded but what
// becomes a FLOAT or a DOUBLE. text is what n was scanned from.
func (b *Buffer) AppendNumber(n Number, text []byte) error {
	switch b.Type.Kind {
	case schema.BigInt:
		v, err := n.Int64(text)
		if err != nil {
			return err
		}
		b.I64 = append(b.I64, v)
		return nil
	case schema.Double:
		v, err := n.Float64(text)
		if err != nil {
			return err
		}
		b.F64 = append(b.F64, v)
		return nil
	case schema.SmallInt, schema.Int:
		v, err := n.Int64(text)
		if err != nil {
			return err
		}
		if b.Type.Kind == schema.Int {
			if int64(int32(v)) != v {
				return ErrRange
			}
			b.I32 = append(b.I32, int32(v))
			return nil
		}
		if int64(int16(v)) != v {
			return ErrRange
		}
		b.I16 = append(b.I16, int16(v))
		return nil
	case schema.Timestamp:
		if b.Type.Epoch == "" {
			return ErrEpoch
		}
		v, err := n.Epoch(text, b.Type.Epoch)
		if err != nil {
			return err
		}
		b.I64 = append(b.I64, v)
		return nil
	case schema.Decimal:
		v, err := n.Decimal(text, b.Type.Precision, b.Type.Scale)
		if err != nil {
			return err
		}
		b.Dec = append(b.Dec, v)
		return nil
	case schema.Float:
		v, err := n.Float32(text)
		if err != nil {
			return err
		}
		b.F32 = append(b.F32, v)
		return nil
	case schema.Date:
		return ErrDays
	}
	return ErrType
}

// AppendText appends a value that is written as text to a column of any plain type. A DOUBLE may be NaN,
// Infinity or -Infinity; BYTES are base64.
func (b *Buffer) AppendText(s []byte) error {
	switch b.Type.Kind {
	case schema.String:
		if !utf8.Valid(s) {
			return ErrUTF8
		}
		b.AppendBytes(s)
		return nil
	case schema.Timestamp:
		if b.Type.Epoch != "" {
			if n, end := ScanNumber(s, 0); end == len(s) {
				return b.AppendNumber(n, s)
			}
		}
		v, err := ParseTimestamp(s)
		if err != nil {
			return err
		}
		b.I64 = append(b.I64, v)
		return nil
	case schema.Date:
		v, err := ParseDate(s)
		if err != nil {
			return err
		}
		b.I32 = append(b.I32, v)
		return nil
	case schema.Boolean:
		switch string(s) {
		case "true":
			b.Bool = append(b.Bool, 1)
		case "false":
			b.Bool = append(b.Bool, 0)
		default:
			return ErrBoolean
		}
		return nil
	case schema.Bytes:
		data, err := base64.StdEncoding.AppendDecode(b.Data, s)
		if err != nil {
			return ErrBase64
		}
		b.Data = data
		b.End()
		return nil
	case schema.Null, schema.Array, schema.Map, schema.Row:
		return ErrType
	}
	n, end := ScanNumber(s, 0)
	if end == len(s) {
		return b.AppendNumber(n, s)
	}
	if f, ok := special(s); ok && b.Type.Kind == schema.Double {
		b.F64 = append(b.F64, f)
		return nil
	} else if ok && b.Type.Kind == schema.Float {
		b.F32 = append(b.F32, float32(f))
		return nil
	}
	return ErrNumber
}

func special(s []byte) (float64, bool) {
	switch string(s) {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	return 0, false
}

// ValidText reports whether s is UTF-8. Most text is short and ASCII, for which this is faster than utf8.Valid.
func ValidText(s []byte) bool {
	if n := len(s); n >= 8 && n <= 64 {
		x := binary.LittleEndian.Uint64(s[n-8:])
		for i := 0; i+8 < n; i += 8 {
			x |= binary.LittleEndian.Uint64(s[i:])
		}
		if x&highs == 0 {
			return true
		}
	}
	return utf8.Valid(s)
}
