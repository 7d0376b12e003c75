package expr

import (
	"errors"
	"fmt"
	"math"

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
	case t == schema.String && to.Precision > 0 && !isTextual(f) && f != schema.Null:
		return true
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

// errText is a text that is none of the type; compileCast finds the words.
var errText = errors.New("not of the type")

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
		return castToText(from, to, arg, rough), nil
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

var (
	errRange = errors.New("out of range")
	errLong  = errors.New("too long")
)

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
