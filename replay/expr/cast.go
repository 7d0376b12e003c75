package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/schema"
)

// castable says whether values of one type can be cast to another at all.
func castable(from, to schema.Type) error {
	f, t := from.Kind, to.Kind
	ok := false
	switch {
	case f == schema.Null || t == schema.String:
		ok = true
	case isNested(f) || isNested(t):
		ok = from.Equal(to)
	case isNumber(f):
		ok = isNumber(t) || t == schema.Boolean
	case f == schema.Boolean:
		ok = isNumber(t) || t == schema.Boolean
	case f == schema.String:
		ok = true
	case f == schema.Bytes:
		ok = t == schema.Bytes
	case isTime(f):
		ok = isTime(t)
	}
	if ok {
		return nil
	}
	hint := ""
	switch {
	case isNumber(f) && isTime(t):
		hint = "write TIMESTAMPADD(SECOND, x, TIMESTAMP '1970-01-01 00:00:00') for an epoch"
	case isTime(f) && isNumber(t):
		hint = "write EXTRACT(EPOCH FROM x) for an epoch"
	}
	return refuse(hint, "%s cannot be cast to %s", from, to)
}

// castCanFail says whether a cast may fail for some value.
func castCanFail(from, to schema.Type) bool {
	f, t := from.Kind, to.Kind
	switch {
	case t == schema.String || t == schema.Boolean && f != schema.String || t == schema.Bytes || f == schema.Null || isNested(t):
		return false
	case f == schema.String:
		return true
	case isTime(t) || isApprox(t):
		return false
	case isInt(t) && isInt(f):
		return t < f
	case t == schema.Decimal && (isInt(f) || f == schema.Decimal):
		d := asDecimal(from)
		whole := to.Precision - to.Scale - (d.Precision - d.Scale)
		return whole < 0 || whole == 0 && d.Scale > to.Scale
	case f == schema.Boolean:
		return t == schema.Decimal && to.Precision == to.Scale
	}
	return true
}

var errText = errors.New("")

// compileCast reports a failing row, or makes it NULL under TRY_CAST.
func compileCast(n *Node, arg fn) (fn, error) {
	from, to := n.Args[0].Type, n.Type
	rough := func(c *ctx, out *vec, i int, in *vec, why error) {
		if n.Try {
			c.null(out, i)
			return
		}
		shown := valueText(in, from, i)
		if why == nil || why == errText {
			c.fail(out, i, fmt.Errorf("%s is no %s", shown, to))
		} else {
			c.fail(out, i, fmt.Errorf("CAST of %s to %s: %w", shown, to, why))
		}
	}
	switch {
	case from.Kind == schema.Null:
		none, err := constant(nil, to)
		return func(*ctx, []int32) *vec { return none }, err
	case to.Kind == schema.String:
		return castToText(from, to, arg), nil
	case to.Kind == schema.Bytes && isTextual(from.Kind):
		out := &vec{}
		return func(c *ctx, sel []int32) *vec {
			v := arg(c, sel)
			out.m, out.s, out.null = v.m, v.s, v.null
			return out
		}, nil
	case isInt(from.Kind) && isInt(to.Kind):
		return castInts(from, to, arg, rough), nil
	case isNested(to.Kind):
		return arg, nil
	}
	switch to.Kind {
	case schema.Boolean:
		return castWith[bool](arg, rough, toBoolean(from)), nil
	case schema.SmallInt:
		return castWith[int16](arg, rough, func(c *ctx, v *vec, i int) (int16, error) {
			x, err := toInt(c, v, from, i)
			return int16(x), fits(x, int64(int16(x)), err)
		}), nil
	case schema.Int:
		return castWith[int32](arg, rough, func(c *ctx, v *vec, i int) (int32, error) {
			x, err := toInt(c, v, from, i)
			return int32(x), fits(x, int64(int32(x)), err)
		}), nil
	case schema.BigInt:
		return castWith[int64](arg, rough, func(c *ctx, v *vec, i int) (int64, error) { return toInt(c, v, from, i) }), nil
	case schema.Float:
		if isInt(from.Kind) {
			return castFloats[float32](from, arg), nil
		}
		return castWith[float32](arg, rough, func(_ *ctx, v *vec, i int) (float32, error) {
			x, err := toDouble(v, from, i, 32)
			return float32(x), err
		}), nil
	case schema.Double:
		if isInt(from.Kind) || from.Kind == schema.Float {
			return castFloats[float64](from, arg), nil
		}
		return castWith[float64](arg, rough, func(_ *ctx, v *vec, i int) (float64, error) { return toDouble(v, from, i, 64) }), nil
	case schema.Decimal:
		return castWith[num](arg, rough, func(c *ctx, v *vec, i int) (num, error) { return toDecimal(c, v, from, to, i) }), nil
	case schema.Date:
		return castWith[int32](arg, rough, func(_ *ctx, v *vec, i int) (int32, error) {
			if from.Kind == schema.Timestamp {
				return int32(floorDiv(v.i64[i&v.m], day)), nil
			}
			d, ok := parseDate(v.s[i&v.m])
			return int32(d), textError(ok)
		}), nil
	case schema.Timestamp:
		unit := int64(1)
		for range 6 - to.Precision {
			unit *= 10
		}
		return castWith[int64](arg, rough, func(_ *ctx, v *vec, i int) (int64, error) {
			switch from.Kind {
			case schema.Date:
				return int64(v.i32[i&v.m]) * day, nil
			case schema.Timestamp:
				x := v.i64[i&v.m]
				return x - floorMod(x, unit), nil
			}
			x, ok := parseTimestamp(v.s[i&v.m], to.Precision)
			return x, textError(ok)
		}), nil
	}
	return nil, fmt.Errorf("no cast of %s to %s", from, to)
}

func textError(ok bool) error {
	if ok {
		return nil
	}
	return errText
}

func fits(wide, narrow int64, err error) error {
	if err == nil && wide != narrow {
		return errRange
	}
	return err
}

var errRange = errors.New("out of range")

func castWith[T fixed](arg fn, rough func(*ctx, *vec, int, *vec, error), convert func(c *ctx, v *vec, i int) (T, error)) fn {
	return strict([]fn{arg}, roomFor[T], func(c *ctx, out *vec, in []*vec, i int) {
		x, err := convert(c, in[0], i)
		if err != nil {
			rough(c, out, i, in[0], err)
			return
		}
		(*values[T](out))[i] = x
	})
}

func castInts(from, to schema.Type, arg fn, rough func(*ctx, *vec, int, *vec, error)) fn {
	switch from.Kind {
	case schema.SmallInt:
		return intsFrom[int16](to, arg, rough)
	case schema.Int:
		return intsFrom[int32](to, arg, rough)
	}
	return intsFrom[int64](to, arg, rough)
}

func intsFrom[F signed](to schema.Type, arg fn, rough func(*ctx, *vec, int, *vec, error)) fn {
	switch to.Kind {
	case schema.SmallInt:
		return castInt[F, int16](arg, rough)
	case schema.Int:
		return castInt[F, int32](arg, rough)
	}
	return castInt[F, int64](arg, rough)
}

func castInt[F, T signed](arg fn, rough func(*ctx, *vec, int, *vec, error)) fn {
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		v := arg(c, sel)
		dst := room[T](out, c.n)
		out.merge(c.n, v)
		src := *values[F](v)
		lost := false
		for i := range dst {
			x := src[i&v.m]
			dst[i] = T(x)
			lost = lost || F(T(x)) != x
		}
		if lost {
			for _, i := range sel {
				if x := src[int(i)&v.m]; F(T(x)) != x && (out.null == nil || !out.null[i]) {
					rough(c, out, int(i), v, errRange)
				}
			}
		}
		return out
	}
}

func castFloats[T floating](from schema.Type, arg fn) fn {
	switch from.Kind {
	case schema.SmallInt:
		return castFloat[int16, T](arg)
	case schema.Int:
		return castFloat[int32, T](arg)
	case schema.BigInt:
		return castFloat[int64, T](arg)
	}
	return castFloat[float32, T](arg)
}

func castFloat[F signed | float32, T floating](arg fn) fn {
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		v := arg(c, sel)
		dst := room[T](out, c.n)
		out.merge(c.n, v)
		var src []F
		switch p := any(&src).(type) {
		case *[]int16:
			*p = v.i16
		case *[]int32:
			*p = v.i32
		case *[]int64:
			*p = v.i64
		case *[]float32:
			*p = v.f32
		}
		for i := range dst {
			dst[i] = T(src[i&v.m])
		}
		return out
	}
}

func toBoolean(from schema.Type) func(*ctx, *vec, int) (bool, error) {
	return func(_ *ctx, v *vec, i int) (bool, error) {
		i &= v.m
		switch from.Kind {
		case schema.SmallInt:
			return v.i16[i] != 0, nil
		case schema.Int:
			return v.i32[i] != 0, nil
		case schema.BigInt:
			return v.i64[i] != 0, nil
		case schema.Float:
			return v.f32[i] != 0, nil
		case schema.Double:
			return v.f64[i] != 0, nil
		case schema.Decimal:
			return v.dec[i] != num{}, nil
		case schema.Boolean:
			return v.b[i], nil
		}
		b, ok := parseBoolean(v.s[i])
		return b, textError(ok)
	}
}

// toInt truncates.
func toInt(c *ctx, v *vec, from schema.Type, i int) (int64, error) {
	i &= v.m
	switch from.Kind {
	case schema.Boolean:
		if v.b[i] {
			return 1, nil
		}
		return 0, nil
	case schema.Float, schema.Double:
		x := 0.0
		if from.Kind == schema.Float {
			x = float64(v.f32[i])
		} else {
			x = v.f64[i]
		}
		if !(x > -9223372036854777856 && x < 9223372036854775808) {
			return 0, errRange
		}
		return int64(x), nil
	case schema.Decimal:
		x := cutDown(v.dec[i], from.Scale)
		if !fits64(x) {
			return 0, errRange
		}
		return int64(x.LowBits()), nil
	}
	x, ok := parseInt(v.s[i])
	return x, textError(ok)
}

func toDouble(v *vec, from schema.Type, i, size int) (float64, error) {
	i &= v.m
	switch from.Kind {
	case schema.Boolean:
		if v.b[i] {
			return 1, nil
		}
		return 0, nil
	case schema.Decimal:
		return decimalFloat(v.dec[i], from.Scale), nil
	case schema.Double:
		return v.f64[i], nil
	case schema.Float:
		return float64(v.f32[i]), nil
	}
	x, ok := parseDouble(v.s[i], size)
	return x, textError(ok)
}

// toDecimal rounds half away from zero; a DOUBLE by its shortest decimal text.
func toDecimal(c *ctx, v *vec, from, to schema.Type, i int) (num, error) {
	i &= v.m
	var x num
	scale := 0
	switch from.Kind {
	case schema.Boolean:
		if v.b[i] {
			x = decimal128.FromU64(1)
		}
	case schema.SmallInt:
		x = decimal128.FromI64(int64(v.i16[i]))
	case schema.Int:
		x = decimal128.FromI64(int64(v.i32[i]))
	case schema.BigInt:
		x = decimal128.FromI64(v.i64[i])
	case schema.Decimal:
		x, scale = v.dec[i], from.Scale
	case schema.Float, schema.Double:
		f := 0.0
		if from.Kind == schema.Float {
			f = float64(v.f32[i])
		} else {
			f = v.f64[i]
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return num{}, errNaN
		}
		if f == 0 {
			return num{}, nil
		}
		var buf [32]byte
		neg, digits, exp := shortest(&buf, f, 64)
		r, ok := digitsDecimal(digits, exp, neg, to)
		if !ok {
			return num{}, errRange
		}
		return r, nil
	default:
		return parseDecimal(v.s[i], to)
	}
	r, ok := rescale(x, scale, to.Scale, to.Precision)
	if !ok {
		return num{}, errRange
	}
	return r, nil
}

// castToText is CAST to STRING or VARCHAR(n), which keeps the first n code points.
func castToText(from, to schema.Type, arg fn) fn {
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
