package expr

import (
	"strconv"
	"unicode/utf8"

	"github.com/lockstep-data/lockstep/schema"
)

// castToText is CAST to STRING or VARCHAR(n). Of a text, VARCHAR(n) keeps the first n code points; a number or
// a time that is longer has no value: its head would be another number.
func castToText(from, to schema.Type, arg fn, rough func(*ctx, *vec, int, *vec, error)) fn {
	return strict([]fn{arg}, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
		s := ""
		if from.Kind == schema.String {
			s = in[0].s[i&in[0].m]
		} else {
			start := c.begin(48)
			c.text = appendValue(c.text, in[0], from, i)
			s = c.keep(start)
		}
		if to.Precision > 0 && len(s) > to.Precision {
			end, _ := skip(s, to.Precision)
			if end < len(s) && !isTextual(from.Kind) {
				rough(c, out, i, in[0], errLong)
				return
			}
			s = s[:end]
		}
		out.s[i] = s
	})
}

// appendValue is a value that is not NULL, as CAST to STRING writes it.
func appendValue(dst []byte, v *vec, t schema.Type, i int) []byte {
	i &= v.m
	switch t.Kind {
	case schema.Boolean:
		if v.b[i] {
			return append(dst, "TRUE"...)
		}
		return append(dst, "FALSE"...)
	case schema.SmallInt:
		return strconv.AppendInt(dst, int64(v.i16[i]), 10)
	case schema.Int:
		return strconv.AppendInt(dst, int64(v.i32[i]), 10)
	case schema.BigInt:
		return strconv.AppendInt(dst, v.i64[i], 10)
	case schema.Float:
		return appendJava(dst, float64(v.f32[i]), 32)
	case schema.Double:
		return appendJava(dst, v.f64[i], 64)
	case schema.Decimal:
		return appendDecimal(dst, v.dec[i], t.Scale)
	case schema.String:
		return append(dst, v.s[i]...)
	case schema.Bytes:
		return appendValid(dst, v.s[i])
	case schema.Date:
		return appendDate(dst, int64(v.i32[i]))
	case schema.Timestamp:
		return appendTimestamp(dst, v.i64[i], t.Precision)
	case schema.Null:
		return append(dst, "NULL"...)
	}
	return appendNested(dst, v, t, i)
}

// valueText is a value as an error shows it.
func valueText(v *vec, t schema.Type, i int) string {
	if v.isNull(i) {
		return "NULL"
	}
	s := string(appendValue(nil, v, t, i))
	if len(s) > 100 {
		end, _ := skip(s, 80)
		s = s[:end] + ".."
	}
	if t.Kind == schema.String {
		return "'" + s + "'"
	}
	return t.String() + " " + s
}

func appendDate(dst []byte, days int64) []byte {
	y, m, d := dateOf(days)
	if y < 0 {
		dst = append(dst, '-')
		y = -y
	} else if y > 9999 {
		dst = append(dst, '+')
	}
	dst = appendPadded(dst, uint64(y), 4)
	return append(dst, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
}

func appendTimestamp(dst []byte, t int64, digits int) []byte {
	dst = appendDate(dst, floorDiv(t, day))
	rest := floorMod(t, day)
	h, m, s := rest/hour, rest/minute%60, rest/second%60
	dst = append(dst, ' ', byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+s/10), byte('0'+s%10))
	if digits > 0 {
		dst = append(dst, '.')
		f := uint64(rest % second)
		for range 6 - digits {
			f /= 10
		}
		dst = appendPadded(dst, f, digits)
	}
	return dst
}

// appendValid is UTF-8 with U+FFFD for each piece that is none, cut as Java's decoder cuts.
func appendValid(dst []byte, s string) []byte {
	for s != "" {
		r, w := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && w == 1 {
			dst = append(dst, "\uFFFD"...)
			s = s[brokenLength(s):]
			continue
		}
		dst = append(dst, s[:w]...)
		s = s[w:]
	}
	return dst
}

// brokenLength is how many bytes at the head of s began a code point that never ended.
func brokenLength(s string) int {
	b := s[0]
	want, lo, hi := 0, byte(0x80), byte(0xBF)
	switch {
	case b >= 0xC2 && b <= 0xDF:
		want = 1
	case b >= 0xE0 && b <= 0xEF:
		want = 2
		if b == 0xE0 {
			lo = 0xA0
		} else if b == 0xED {
			hi = 0x9F
		}
	case b >= 0xF0 && b <= 0xF4:
		want = 3
		if b == 0xF0 {
			lo = 0x90
		} else if b == 0xF4 {
			hi = 0x8F
		}
	}
	k := 1
	for ; k <= want && k < len(s) && s[k] >= lo && s[k] <= hi; k++ {
		lo, hi = 0x80, 0xBF
	}
	return k
}
