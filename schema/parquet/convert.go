package parquet

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

// columnFor makes what collects a leaf's values as want. It refuses a change that could lose a value.
func columnFor(file schema.Type, s source, want schema.Type, keepDictionary bool) (column, error) {
	if s.void {
		return &nullColumn{typ: want}, nil
	}
	refuse := func() (column, error) {
		return nil, fmt.Errorf("the file has %s, which is not safely read as %s", file, want)
	}
	switch want.Kind {
	case schema.Boolean:
		if file.Kind == schema.Boolean {
			return &boolColumn{}, nil
		}
	case schema.SmallInt:
		if file.Kind == schema.SmallInt {
			return intColumn[int16](want, s)
		}
	case schema.Int:
		if file.Kind == schema.SmallInt || file.Kind == schema.Int {
			return intColumn[int32](want, s)
		}
	case schema.BigInt:
		if file.Kind == schema.SmallInt || file.Kind == schema.Int || file.Kind == schema.BigInt {
			return intColumn[int64](want, s)
		}
	case schema.Date:
		if file.Kind == schema.Date {
			return intColumn[int32](want, s)
		}
	case schema.Timestamp:
		return timeColumn(file, s, want, refuse)
	case schema.Float:
		if file.Kind == schema.Float {
			return &fixedColumn[float32]{typ: want, conv: func(dst []float32, v *encoding.Values, from int) error {
				copy(dst, v.Float()[from:])
				return nil
			}}, nil
		}
	case schema.Double:
		return doubleColumn(file, s, want, refuse)
	case schema.Decimal:
		return decimalColumn(file, s, want, refuse)
	case schema.String:
		if s.uuid {
			return &bytesColumn{typ: want, length: s.length, text: uuidText}, nil
		}
		// Text without an annotation is common in files of older writers.
		if file.Kind == schema.String || file.Kind == schema.Bytes {
			return &bytesColumn{typ: want, length: s.length, keep: keepDictionary}, nil
		}
	case schema.Bytes:
		if file.Kind == schema.Bytes || file.Kind == schema.String && !s.uuid {
			return &bytesColumn{typ: want, length: s.length}, nil
		}
	}
	return refuse()
}

type integer interface{ ~int16 | ~int32 | ~int64 }

// intColumn reads integers, and times as microseconds.
func intColumn[T integer](want schema.Type, s source) (column, error) {
	c := &fixedColumn[T]{typ: want}
	switch {
	case s.phys == format.Int32 && s.unsigned:
		c.conv = func(dst []T, v *encoding.Values, from int) error {
			for i, x := range v.Uint32()[from : from+len(dst)] {
				dst[i] = T(x)
			}
			return nil
		}
	case s.phys == format.Int32:
		c.conv = func(dst []T, v *encoding.Values, from int) error {
			src := v.Int32()[from : from+len(dst)]
			if same, ok := any(dst).([]int32); ok {
				copy(same, src)
				return nil
			}
			for i, x := range src {
				dst[i] = T(int64(x) * s.mul)
			}
			return nil
		}
	case s.phys == format.Int64 && s.div == 1 && s.mul == 1:
		c.conv = func(dst []T, v *encoding.Values, from int) error {
			src := v.Int64()[from : from+len(dst)]
			if same, ok := any(dst).([]int64); ok {
				copy(same, src)
				return nil
			}
			for i, x := range src {
				if dst[i] = T(x); int64(dst[i]) != x {
					return fmt.Errorf("%d does not fit %s", x, want)
				}
			}
			return nil
		}
	default:
		c.conv = func(dst []T, v *encoding.Values, from int) error {
			for i, x := range v.Int64()[from : from+len(dst)] {
				t, err := scaleTime(x, s.mul, s.div)
				if err != nil {
					return err
				}
				dst[i] = T(t)
			}
			return nil
		}
	}
	return c, nil
}

// scaleTime multiplies, or divides and floors, so that a time before 1970 does not move forward.
func scaleTime(x, mul, div int64) (int64, error) {
	if div != 1 {
		q := x / div
		if x%div < 0 {
			q--
		}
		return q, nil
	}
	t := x * mul
	if mul != 1 && t/mul != x {
		return 0, fmt.Errorf("the time %d times %d is outside the range of microseconds", x, mul)
	}
	return t, nil
}

func timeColumn(file schema.Type, s source, want schema.Type, refuse func() (column, error)) (column, error) {
	switch {
	case file.Kind == schema.Timestamp && s.phys == format.Int96:
		return &fixedColumn[int64]{typ: want, conv: func(dst []int64, v *encoding.Values, from int) error {
			for i, x := range v.Int96()[from : from+len(dst)] {
				t, err := int96Time(x)
				if err != nil {
					return err
				}
				dst[i] = t
			}
			return nil
		}}, nil
	case file.Kind == schema.Timestamp:
		return intColumn[int64](want, s)
	case file.Kind == schema.Date:
		const day = 24 * 3600 * 1e6
		return &fixedColumn[int64]{typ: want, conv: func(dst []int64, v *encoding.Values, from int) error {
			for i, x := range v.Int32()[from : from+len(dst)] {
				t, err := scaleTime(int64(x), day, 1)
				if err != nil {
					return err
				}
				dst[i] = t
			}
			return nil
		}}, nil
	case want.Epoch != "" && !s.unsigned && (file.Kind == schema.BigInt || file.Kind == schema.Int):
		switch want.Epoch {
		case "s":
			s.mul = 1e6
		case "ms":
			s.mul = 1e3
		case "ns":
			s.div = 1e3
		}
		if s.phys == format.Int32 {
			s.mul, s.div = s.mul/s.div, 1
		}
		return intColumn[int64](want, s)
	}
	return refuse()
}

// int96Time floors to microseconds. The bounds are those of an int64 of microseconds, years ±290,000.
func int96Time(x [3]uint32) (int64, error) {
	nanos := int64(uint64(x[1])<<32 | uint64(x[0]))
	days := int64(int32(x[2])) - 2440588
	if days > 106_000_000 || days < -106_000_000 {
		return 0, fmt.Errorf("the INT96 timestamp of Julian day %d is outside the range of microseconds", days+2440588)
	}
	us, _ := scaleTime(nanos, 1, 1000)
	if us > 1e15 || us < -1e15 {
		return 0, fmt.Errorf("an INT96 timestamp has %d nanoseconds in a day", nanos)
	}
	return days*86400_000_000 + us, nil
}

func doubleColumn(file schema.Type, s source, want schema.Type, refuse func() (column, error)) (column, error) {
	c := &fixedColumn[float64]{typ: want}
	switch {
	case file.Kind == schema.Double:
		c.conv = func(dst []float64, v *encoding.Values, from int) error {
			copy(dst, v.Double()[from:])
			return nil
		}
	case file.Kind == schema.Float:
		c.conv = func(dst []float64, v *encoding.Values, from int) error {
			for i, x := range v.Float()[from : from+len(dst)] {
				dst[i] = float64(x)
			}
			return nil
		}
	case (file.Kind == schema.Int || file.Kind == schema.SmallInt) && s.phys == format.Int32:
		c.conv = func(dst []float64, v *encoding.Values, from int) error {
			for i, x := range v.Int32()[from : from+len(dst)] {
				dst[i] = float64(x)
			}
			return nil
		}
	default:
		return refuse()
	}
	return c, nil
}

func decimalColumn(file schema.Type, s source, want schema.Type, refuse func() (column, error)) (column, error) {
	digits := map[schema.Kind]int{schema.SmallInt: 5, schema.Int: 10, schema.BigInt: 19, schema.Decimal: file.Precision - file.Scale}[file.Kind]
	if digits == 0 && file.Kind != schema.Decimal || want.Scale < file.Scale || want.Precision-want.Scale < digits {
		return refuse()
	}
	up := decimal128.GetScaleMultiplier(want.Scale - file.Scale)
	same := want.Scale == file.Scale
	limit := decimal128.GetScaleMultiplier(file.Precision)
	check := file.Kind == schema.Decimal && !s.unsigned
	scale := func(n decimal128.Num) (decimal128.Num, error) {
		if check && (n.Cmp(limit) >= 0 || n.Cmp(limit.Negate()) <= 0) {
			return n, fmt.Errorf("a value of more digits than %s", file)
		}
		if same {
			return n, nil
		}
		return n.Mul(up), nil
	}
	c := &fixedColumn[decimal128.Num]{typ: want}
	fail := func(i int, dst []decimal128.Num, n decimal128.Num) error {
		var err error
		dst[i], err = scale(n)
		return err
	}
	switch s.phys {
	case format.Int32:
		c.conv = func(dst []decimal128.Num, v *encoding.Values, from int) error {
			for i, x := range v.Int32()[from : from+len(dst)] {
				n := int64(x)
				if s.unsigned {
					n = int64(uint32(x))
				}
				if err := fail(i, dst, decimal128.FromI64(n)); err != nil {
					return err
				}
			}
			return nil
		}
	case format.Int64:
		c.conv = func(dst []decimal128.Num, v *encoding.Values, from int) error {
			for i, x := range v.Int64()[from : from+len(dst)] {
				n := decimal128.FromI64(x)
				if s.unsigned {
					n = decimal128.New(0, uint64(x))
				}
				if err := fail(i, dst, n); err != nil {
					return err
				}
			}
			return nil
		}
	case format.FixedLenByteArray:
		c.conv = func(dst []decimal128.Num, v *encoding.Values, from int) error {
			data, size := v.FixedLenByteArray()
			for i := range dst {
				n, err := bigEndian(data[(from+i)*size : (from+i+1)*size])
				if err == nil {
					err = fail(i, dst, n)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	case format.ByteArray:
		c.conv = func(dst []decimal128.Num, v *encoding.Values, from int) error {
			data, offsets := v.ByteArray()
			for i := range dst {
				n, err := bigEndian(data[offsets[from+i]:offsets[from+i+1]])
				if err == nil {
					err = fail(i, dst, n)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	default:
		return refuse()
	}
	return c, nil
}

// bigEndian reads two's complement of any length whose value has 128 bits.
func bigEndian(b []byte) (decimal128.Num, error) {
	if len(b) == 0 {
		return decimal128.Num{}, errors.New("a decimal of no bytes")
	}
	hi, lo := int64(int8(b[0]))>>8, uint64(0)
	if hi < 0 {
		lo = math.MaxUint64
	}
	if len(b) > 16 {
		v := new(big.Int).SetBytes(b)
		if hi < 0 {
			v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		if v.BitLen() > 127 {
			return decimal128.Num{}, errors.New("a decimal of more than 128 bits")
		}
		return decimal128.FromBigInt(v), nil
	}
	for _, x := range b {
		hi = hi<<8 | int64(lo>>56)
		lo = lo<<8 | uint64(x)
	}
	return decimal128.New(hi, lo), nil
}

func uuidText(dst, b []byte) []byte {
	dst = hex.AppendEncode(dst, b[:4])
	for _, part := range [][]byte{b[4:6], b[6:8], b[8:10], b[10:16]} {
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}
