package replay

import (
	"cmp"
	"fmt"
	"math/big"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// aggregate computes one function for each group of a chunk. Groups whose result its type cannot hold are NULL and
// reported.
func (c *chunk) aggregate(a *sql.Aggregate) (arrow.Array, []expr.RowError, error) {
	pick, ends, arg, err := c.pick(a)
	if err != nil {
		return nil, nil, err
	}
	switch a.Func {
	case "COUNT":
		return counted(ends), nil, nil
	case "SUM", "AVG":
		out, failed := total(a, arg, pick, ends)
		return out, failed, nil
	case "MIN", "MAX":
		out, err := best(arg, pick, ends, func(v *state.Column, i, j int32) bool {
			r := v.Order(int(i), v, int(j))
			return a.Func == "MIN" && r < 0 || a.Func == "MAX" && r > 0
		})
		return out, nil, err
	case "FIRST_VALUE", "LAST_VALUE":
		times, err := c.times(a.Order)
		if err != nil {
			return nil, nil, err
		}
		out, err := best(arg, pick, ends, func(v *state.Column, i, j int32) bool {
			r := cmp.Or(cmp.Compare(times[i], times[j]), v.Order(int(i), v, int(j)))
			return a.Func == "FIRST_VALUE" && r < 0 || a.Func == "LAST_VALUE" && r > 0
		})
		return out, nil, err
	case "LISTAGG":
		out, err := listed(arg, a.Separator, pick, ends)
		return out, nil, err
	case "ARRAY_AGG":
		out, err := collected(a.Type, arg, pick, ends)
		return out, nil, err
	}
	return nil, nil, fmt.Errorf("aggregate %s is not run", a.Func)
}

// pick chooses the rows that count, group by group, in the order in which the function takes them.
func (c *chunk) pick(a *sql.Aggregate) (pick, ends []int32, arg arrow.Array, err error) {
	var wanted *array.Boolean
	if a.Filter >= 0 {
		f, err := c.column(a.Filter)
		if err != nil {
			return nil, nil, nil, err
		}
		wanted = f.(*array.Boolean)
	}
	if a.Arg >= 0 {
		if arg, err = c.column(a.Arg); err != nil {
			return nil, nil, nil, err
		}
	}
	skips := arg != nil && arg.NullN() > 0 && !a.Nulls
	if wanted == nil && !skips {
		pick, ends = allRows(len(c.refs)), slices.Clone(c.ends)
	} else {
		pick, ends = make([]int32, 0, len(c.refs)), make([]int32, len(c.ends))
		i := int32(0)
		for g, end := range c.ends {
			for ; i < end; i++ {
				if (wanted == nil || wanted.IsValid(int(i)) && wanted.Value(int(i))) && !(skips && arg.IsNull(int(i))) {
					pick = append(pick, i)
				}
			}
			ends[g] = int32(len(pick))
		}
	}
	// A sum of floating-point numbers depends on their order, like a list.
	sum := (a.Func == "SUM" || a.Func == "AVG") && (arg.DataType().ID() == arrow.FLOAT32 || arg.DataType().ID() == arrow.FLOAT64)
	ordered := sum || a.Func == "LISTAGG" || a.Func == "ARRAY_AGG"
	distinct := a.Distinct && a.Func != "MIN" && a.Func != "MAX" && a.Func != "FIRST_VALUE" && a.Func != "LAST_VALUE"
	if !ordered && !distinct {
		return pick, ends, arg, nil
	}
	v := state.View(arg)
	if id := arg.DataType().ID(); !ordered && id != arrow.FLOAT32 && id != arrow.FLOAT64 { // there are many NaNs, and they are one value
		pick, ends = unlike(&v, len(c.refs), pick, ends)
		return pick, ends, arg, nil
	}
	times, err := c.times(a.Order)
	if err != nil {
		return nil, nil, nil, err
	}
	byValue := func(i, j int32) int {
		return cmp.Or(v.Order(int(i), &v, int(j)), cmp.Compare(times[i], times[j]))
	}
	byTime := func(i, j int32) int {
		return cmp.Or(cmp.Compare(times[i], times[j]), v.Order(int(i), &v, int(j)))
	}
	from, kept := int32(0), pick[:0]
	for g, end := range ends {
		rows := pick[from:end]
		from = end
		if distinct {
			slices.SortFunc(rows, byValue)
			rows = slices.CompactFunc(rows, func(i, j int32) bool { return v.Order(int(i), &v, int(j)) == 0 })
		}
		if ordered {
			slices.SortFunc(rows, byTime)
		}
		kept = append(kept, rows...)
		ends[g] = int32(len(kept))
	}
	return kept, ends, arg, nil
}

// unlike keeps, of each group, one row of each value.
func unlike(v *state.Column, n int, pick, ends []int32) (kept, keptEnds []int32) {
	hashes := make([]uint64, n)
	state.HashAll([]state.Column{*v}, n, hashes)
	var heads []int32 // a row plus one, by slot
	from, kept := int32(0), pick[:0]
	for g, end := range ends {
		rows := pick[from:end]
		from = end
		heads = resize(heads, 1<<bits.Len(uint(len(rows)*2)))
		clear(heads)
		mask := uint64(len(heads) - 1)
		for _, i := range rows {
			slot := hashes[i] >> 7 & mask
			for heads[slot] != 0 && (hashes[heads[slot]-1] != hashes[i] || !v.Identical(int(i), v, int(heads[slot]-1))) {
				slot = (slot + 1) & mask
			}
			if heads[slot] == 0 {
				heads[slot] = i + 1
				kept = append(kept, i)
			}
		}
		ends[g] = int32(len(kept))
	}
	return kept, ends
}

func counted(ends []int32) arrow.Array {
	out, from := make([]int64, len(ends)), int32(0)
	for g, end := range ends {
		out[g] = int64(end - from)
		from = end
	}
	return array.NewInt64Data(array.NewData(arrow.PrimitiveTypes.Int64, len(out), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(out))}, nil, 0, 0))
}

// best is, of each group, the value that is before all others; NULL where there is none.
func best(arg arrow.Array, pick, ends []int32, before func(v *state.Column, i, j int32) bool) (arrow.Array, error) {
	v := state.View(arg)
	rows, from := make([]int32, len(ends)), int32(0)
	for g, end := range ends {
		rows[g] = -1
		for _, i := range pick[from:end] {
			if rows[g] < 0 || before(&v, i, rows[g]) {
				rows[g] = i
			}
		}
		from = end
	}
	return state.Take(arg, rows)
}

func listed(arg arrow.Array, separator string, pick, ends []int32) (arrow.Array, error) {
	v := state.View(arg)
	n := len(ends)
	offsets, valid := make([]int32, n+1), make([]byte, bitutil.BytesForBits(int64(n)))
	var data []byte
	from, nulls := int32(0), 0
	for g, end := range ends {
		for k, i := range pick[from:end] {
			if k > 0 {
				data = append(data, separator...)
			}
			data = append(data, v.Bytes(int(i))...)
		}
		if end > from {
			bitutil.SetBit(valid, g)
		} else {
			nulls++
		}
		if len(data) > 1<<31-1 {
			return nil, fmt.Errorf("LISTAGG of %d groups holds more than 2 GiB of text", n)
		}
		from, offsets[g+1] = end, int32(len(data))
	}
	bufs := []*memory.Buffer{memory.NewBufferBytes(valid), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data)}
	return array.NewStringData(array.NewData(arrow.BinaryTypes.String, n, bufs, nil, nulls, 0)), nil
}

func collected(t schema.Type, arg arrow.Array, pick, ends []int32) (arrow.Array, error) {
	kid, err := state.Take(arg, pick)
	if err == nil {
		kid, err = state.Plain(kid)
	}
	if err != nil {
		return nil, err
	}
	n := len(ends)
	offsets, valid := make([]int32, n+1), make([]byte, bitutil.BytesForBits(int64(n)))
	from, nulls := int32(0), 0
	for g, end := range ends {
		if end > from {
			bitutil.SetBit(valid, g)
		} else {
			nulls++
		}
		from, offsets[g+1] = end, end
	}
	bufs := []*memory.Buffer{memory.NewBufferBytes(valid), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}
	return array.NewListData(array.NewData(t.Arrow(), n, bufs, []arrow.ArrayData{kid.Data()}, nulls, 0)), nil
}

// total is SUM or AVG.
func total(a *sql.Aggregate, arg arrow.Array, pick, ends []int32) (arrow.Array, []expr.RowError) {
	out := array.NewBuilder(memory.DefaultAllocator, a.Type.Arrow())
	out.Reserve(len(ends))
	var failed []expr.RowError
	overflow := func(g int) {
		out.AppendNull()
		failed = append(failed, expr.RowError{Row: g, Err: fmt.Errorf("%s overflows %s", a.Func, a.Type)})
	}
	from := int32(0)
	for g, end := range ends {
		rows := pick[from:end]
		from = end
		if len(rows) == 0 {
			out.AppendNull()
			continue
		}
		switch b := out.(type) {
		case *array.Float32Builder:
			b.Append(float32(sumFloats(arg, rows) / divisor(a, rows)))
		case *array.Float64Builder:
			b.Append(sumFloats(arg, rows) / divisor(a, rows))
		case *array.Decimal128Builder:
			if v, ok := decimalTotal(a, arg.(*array.Decimal128), rows); ok {
				b.Append(v)
			} else {
				overflow(g)
			}
		default:
			v, ok := wholeTotal(a, arg, rows)
			switch b := out.(type) {
			case *array.Int16Builder:
				if ok = ok && v == int64(int16(v)); ok {
					b.Append(int16(v))
				}
			case *array.Int32Builder:
				if ok = ok && v == int64(int32(v)); ok {
					b.Append(int32(v))
				}
			case *array.Int64Builder:
				if ok {
					b.Append(v)
				}
			}
			if !ok {
				overflow(g)
			}
		}
	}
	return out.NewArray(), failed
}

func divisor(a *sql.Aggregate, rows []int32) float64 {
	if a.Func == "SUM" {
		return 1
	}
	return float64(len(rows))
}

func sumFloats(arg arrow.Array, rows []int32) float64 {
	sum := 0.0
	switch arg := arg.(type) {
	case *array.Float32:
		for _, i := range rows {
			sum += float64(arg.Value(int(i)))
		}
	case *array.Float64:
		for _, i := range rows {
			sum += arg.Value(int(i))
		}
	}
	return sum
}

// wide is a sum that no number of rows overflows: its value does not depend on the order.
type wide struct {
	lo, mid uint64
	hi      int64
}

func (w *wide) add(lo uint64, mid int64) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, lo, 0)
	w.mid, carry = bits.Add64(w.mid, uint64(mid), carry)
	w.hi += mid>>63 + int64(carry)
}

func (w *wide) big() *big.Int {
	x := big.NewInt(w.hi)
	x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(w.mid))
	return x.Lsh(x, 64).Add(x, new(big.Int).SetUint64(w.lo))
}

// small is the value as an int64, if it is one.
func (w *wide) small() (int64, bool) {
	sign := int64(w.lo) >> 63
	return int64(w.lo), int64(w.mid) == sign && w.hi == sign
}

func addWhole[T int16 | int32 | int64](w *wide, values []T, rows []int32) {
	for _, i := range rows {
		v := int64(values[i])
		w.add(uint64(v), v>>63)
	}
}

// wholeTotal is the sum or, cut towards zero, the mean of whole numbers.
func wholeTotal(a *sql.Aggregate, arg arrow.Array, rows []int32) (int64, bool) {
	var w wide
	switch arg := arg.(type) {
	case *array.Int16:
		addWhole(&w, arg.Int16Values(), rows)
	case *array.Int32:
		addWhole(&w, arg.Int32Values(), rows)
	case *array.Int64:
		addWhole(&w, arg.Int64Values(), rows)
	}
	if a.Func == "SUM" {
		return w.small()
	}
	if v, ok := w.small(); ok {
		return v / int64(len(rows)), true
	}
	return new(big.Int).Quo(w.big(), big.NewInt(int64(len(rows)))).Int64(), true
}

var maxDecimal = new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)

// decimalTotal is the sum or, rounded half away from zero, the mean of decimals.
func decimalTotal(a *sql.Aggregate, arg *array.Decimal128, rows []int32) (decimal128.Num, bool) {
	var w wide
	for _, i := range rows {
		v := arg.Value(int(i))
		w.add(v.LowBits(), v.HighBits())
	}
	x := w.big()
	if a.Func == "AVG" {
		up := a.Type.Scale - int(arg.DataType().(*arrow.Decimal128Type).Scale)
		x.Mul(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(up)), nil))
		n := big.NewInt(int64(len(rows)))
		rest := new(big.Int)
		x.QuoRem(x, n, rest)
		if rest.Abs(rest).Lsh(rest, 1).Cmp(n) >= 0 {
			x.Add(x, big.NewInt(int64(sign(w.hi))))
		}
	}
	if x.CmpAbs(maxDecimal) >= 0 {
		return decimal128.Num{}, false
	}
	return decimal128.FromBigInt(x), true
}

func sign(hi int64) int {
	if hi < 0 {
		return -1
	}
	return 1
}
