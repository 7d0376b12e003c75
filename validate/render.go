package validate

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendText renders a raw value that is not NULL as people read it. Nested values come out as JSON.
func appendText(dst []byte, t *typ, i int64, b []byte) []byte {
	switch t.kind {
	case kBool:
		return strconv.AppendBool(dst, i != 0)
	case kInt:
		if t.unsigned {
			return strconv.AppendUint(dst, uint64(i), 10)
		}
		return strconv.AppendInt(dst, i, 10)
	case kFloat:
		return appendFloat(dst, math.Float64frombits(uint64(i)), t.bits)
	case kDecimal:
		if t.inBytes() {
			raw, _ := wideNumber(nil, b, -t.scale)
			return appendDecimal(dst, raw, t.scale)
		}
		raw, _ := intNumber(nil, i, false, -t.scale)
		return appendDecimal(dst, raw, t.scale)
	case kNumber:
		return appendDecimal(dst, b, t.scale)
	case kText, kUntyped, kJSONNumber:
		if utf8.Valid(b) {
			return append(dst, b...)
		}
		q := strconv.AppendQuote(nil, string(b))
		return append(dst, q[1:len(q)-1]...)
	case kBinary:
		return append(dst, fmt.Sprintf("0x%x", b)...)
	case kDate:
		return appendDate(dst, i)
	case kTime:
		per := t.unit.perSecond()
		return appendClock(dst, floorDiv(i, per), (i-floorDiv(i, per)*per)*(1e9/per), t.unit)
	case kTimestamp:
		var sec, nano int64
		if t.unit == mixedUnit {
			sec, nano = secNanos(b)
		} else {
			per := t.unit.perSecond()
			sec = floorDiv(i, per)
			nano = (i - sec*per) * (1e9 / per)
		}
		day := floorDiv(sec, 86400)
		dst = append(appendDate(dst, day), ' ')
		dst = appendClock(dst, sec-day*86400, nano, t.unit)
		if t.utc {
			dst = append(dst, 'Z')
		}
		return dst
	case kDuration:
		if t.unit == mixedUnit {
			sec, nano := secNanos(b)
			return fmt.Appendf(dst, "%d.%09ds", sec, nano)
		}
		return fmt.Appendf(dst, "%d%s", i, t.unit)
	case kInterval:
		return fmt.Appendf(dst, "%d months %d days %d ns", int32(binary.BigEndian.Uint32(b)^(1<<31)),
			int32(binary.BigEndian.Uint32(b[4:])^(1<<31)), int64(binary.BigEndian.Uint64(b[8:])^signBit))
	case kList, kMap, kStruct:
		return appendJSON(dst, t, i, b)
	}
	return dst
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	width := 64
	if bits == 32 {
		width = 32
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, width)
	for _, c := range dst[n:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

func appendDecimal(dst, raw []byte, scale int) []byte {
	neg, digits, point := numberParts(raw)
	if neg {
		dst = append(dst, '-')
	}
	if point > 400 || point < -400 {
		return fmt.Appendf(dst, "0.%se%d", digits, point)
	}
	if point <= 0 {
		dst = append(dst, '0')
	}
	for i := min(point, 0); i < max(len(digits), point, point+scale); i++ {
		if i == point {
			dst = append(dst, '.')
		}
		if i >= 0 && i < len(digits) {
			dst = append(dst, digits[i])
		} else {
			dst = append(dst, '0')
		}
	}
	return dst
}

func appendDate(dst []byte, days int64) []byte {
	if days > 1e9 || days < -1e9 {
		return fmt.Appendf(dst, "day %d", days)
	}
	at := time.Unix(days*86400, 0).UTC()
	y := at.Year()
	if y < 0 {
		dst, y = append(dst, '-'), -y
	}
	return fmt.Appendf(dst, "%04d-%02d-%02d", y, int(at.Month()), at.Day())
}

func appendClock(dst []byte, sec, nano int64, u unit) []byte {
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", sec/3600, sec/60%60, sec%60)
	switch {
	case u == seconds:
	case u == millis:
		dst = fmt.Appendf(dst, ".%03d", nano/1e6)
	case u == micros || nano%1000 == 0:
		dst = fmt.Appendf(dst, ".%06d", nano/1000)
	default:
		dst = fmt.Appendf(dst, ".%09d", nano)
	}
	return dst
}

// appendJSON renders a raw value as JSON: numbers as numbers where every reader keeps them exact, otherwise
// as text.
func appendJSON(dst []byte, t *typ, i int64, b []byte) []byte {
	switch t.kind {
	case kBool:
		return strconv.AppendBool(dst, i != 0)
	case kInt:
		if t.unsigned && uint64(i) <= 1<<53 || !t.unsigned && i <= 1<<53 && i >= -1<<53 {
			return strconv.AppendInt(dst, i, 10)
		}
	case kFloat:
		if f := math.Float64frombits(uint64(i)); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return appendFloat(dst, f, t.bits)
		}
	case kBinary:
		return append(append(append(dst, '"'), base64.StdEncoding.EncodeToString(b)...), '"')
	case kList:
		dst = append(dst, '[')
		for n := 0; b[0] == 1; n++ {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst, b = cutJSON(dst, t.elem, b[1:])
		}
		return append(dst, ']')
	case kMap:
		dst = append(dst, '{')
		for n := 0; b[0] == 1; n++ {
			if n > 0 {
				dst = append(dst, ',')
			}
			null, ki, kb, rest := cutCell(t.key, b[1:])
			name := "null"
			if !null {
				name = string(appendText(nil, t.key, ki, kb))
			}
			dst = append(appendQuoted(dst, name), ':')
			dst, b = cutJSON(dst, t.elem, rest)
		}
		return append(dst, '}')
	case kStruct:
		dst = append(dst, '{')
		for n := range t.fields {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, t.fields[n].name), ':')
			dst, b = cutJSON(dst, &t.fields[n].typ, b)
		}
		return append(dst, '}')
	}
	return appendQuoted(dst, string(appendText(nil, t, i, b)))
}

// appendQuoted writes a text as JSON, with < and & as they are.
func appendQuoted(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // of a string
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// cutJSON renders the first cell of b.
func cutJSON(dst []byte, t *typ, b []byte) ([]byte, []byte) {
	null, i, raw, rest := cutCell(t, b)
	if null {
		return append(dst, "null"...), rest
	}
	return appendJSON(dst, t, i, raw), rest
}

// cellText renders one cell; NULL as NULL.
func cellText(t *typ, cell []byte) string {
	null, i, raw, _ := cutCell(t, cell)
	if null {
		return "NULL"
	}
	return string(appendText(nil, t, i, raw))
}

func cellJSON(t *typ, cell []byte) json.RawMessage {
	out, _ := cutJSON(nil, t, cell)
	return out
}
