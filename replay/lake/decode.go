package lake

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/state"
)

// block is a piece of a unit, decoded. The slices beside the record are nil where the lake has no such column.
type block struct {
	rec                          arrow.Record
	times                        []int64
	partitions, offsets, brokers []int64
	// last is the number of the block's last row in its unit, plus 1, before rows were left out.
	last int64
}

// decode reads a unit from row skip on and hands its blocks to emit, which may keep them.
func (s *Source) decode(ctx context.Context, u *unit, skip int64, emit func(block) error) error {
	f := u.file
	if err := f.shared.acquire(); err != nil {
		return err
	}
	defer f.shared.release()
	rows, err := f.reader.RowGroup(u.group)
	if err != nil {
		if changed := f.shared.check(); changed != nil {
			return changed
		}
		return err
	}
	defer rows.Close()
	at := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := rows.Next(s.opts.BlockRows)
		if err == io.EOF {
			return f.shared.check()
		}
		if err != nil {
			if changed := f.shared.check(); changed != nil {
				return changed
			}
			return err
		}
		from := at
		at += rec.NumRows()
		if at <= skip {
			continue
		}
		if from < skip {
			rec = rec.NewSlice(skip-from, rec.NumRows())
		}
		b, err := s.block(u, rec, max(from, skip))
		if err != nil {
			return fmt.Errorf("read %s: row group %d: %w", f.obj.Name, u.group, err)
		}
		b.last = at
		if err := emit(b); err != nil {
			return err
		}
	}
}

// block arranges a file's record as the source's columns; first is the number of its first row in the unit.
func (s *Source) block(u *unit, rec arrow.Record, first int64) (block, error) {
	f := u.file
	n := int(rec.NumRows())
	cols := make([]arrow.Array, len(s.fields))
	fields := make([]arrow.Field, len(s.fields))
	for i := range s.fields {
		var err error
		if at := f.at[i]; at >= 0 {
			cols[i], err = s.coders[i].code(rec.Column(at))
		} else {
			cols[i], err = f.consts[i].column(n)
		}
		if err != nil {
			return block{}, err
		}
		fields[i] = arrow.Field{Name: s.fields[i].Name, Type: cols[i].DataType(), Nullable: true}
	}
	var b block
	extra := f.at[len(s.fields):]
	switch {
	case s.opts.Time == "":
	case extra[0] >= 0:
		b.times = wordsOf(rec.Column(extra[0]))
	default:
		c, err := f.consts[len(s.fields)].column(n)
		if err != nil {
			return block{}, err
		}
		b.times = wordsOf(c)
	}
	for i, to := range []*[]int64{&b.partitions, &b.offsets, &b.brokers} {
		if extra[i+1] < 0 {
			continue
		}
		col := rec.Column(extra[i+1])
		if i < 2 && col.NullN() > 0 {
			return block{}, fmt.Errorf("column %s is NULL in %d rows", []string{s.opts.Partition, s.opts.Offset}[i], col.NullN())
		}
		*to = wordsOf(col)
	}
	if s.opts.Mode == Stream && s.opts.LaneByFile {
		b.partitions, b.offsets = nil, make([]int64, n)
		for i := range b.offsets {
			b.offsets[i] = u.first + first + int64(i)
		}
	}
	if u.bounded {
		for _, t := range b.times {
			if t != replay.NoTime && (t < u.lo || t > u.hi) {
				return block{}, fmt.Errorf("column %s: a value lies outside the bounds in the file's statistics, which are wrong", s.opts.Time)
			}
		}
	}
	b.rec = array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(n))
	return s.within(b)
}

// wordsOf are the values of a column of integers or times, NoTime for NULL.
func wordsOf(a arrow.Array) []int64 {
	var v []int64
	switch a := a.(type) {
	case *array.Timestamp:
		v = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(a.TimestampValues()))
	case *array.Int64:
		v = a.Int64Values()
	}
	if a.NullN() == 0 {
		return v
	}
	out := make([]int64, a.Len())
	for i := range out {
		if out[i] = replay.NoTime; a.IsValid(i) {
			out[i] = v[i]
		}
	}
	return out
}

// within leaves out the rows outside the bounds of time.
func (s *Source) within(b block) (block, error) {
	if s.opts.Since == nil && s.opts.Until == nil {
		return b, nil
	}
	if b.times == nil {
		return b, errors.New("bounds of time need a time column")
	}
	in := func(t int64) bool {
		return t != replay.NoTime && (s.opts.Since == nil || t >= *s.opts.Since) && (s.opts.Until == nil || t < *s.opts.Until)
	}
	var keep []int
	for i := 0; i < len(b.times); i++ {
		if in(b.times[i]) != (len(keep)%2 == 1) {
			keep = append(keep, i)
		}
	}
	if len(keep)%2 == 1 {
		keep = append(keep, len(b.times))
	}
	return b.ranges(keep)
}

// ranges keeps the rows [r0,r1), [r2,r3) and so on.
func (b block) ranges(r []int) (block, error) {
	if len(r) == 2 && r[0] == 0 && r[1] == int(b.rec.NumRows()) {
		return b, nil
	}
	out := block{last: b.last}
	n := 0
	for i := 0; i < len(r); i += 2 {
		n += r[i+1] - r[i]
	}
	cut := func(v []int64) []int64 {
		if v == nil {
			return nil
		}
		o := make([]int64, 0, n)
		for i := 0; i < len(r); i += 2 {
			o = append(o, v[r[i]:r[i+1]]...)
		}
		return o
	}
	out.times, out.partitions, out.offsets, out.brokers = cut(b.times), cut(b.partitions), cut(b.offsets), cut(b.brokers)
	switch len(r) {
	case 0:
		out.rec = b.rec.NewSlice(0, 0)
	case 2:
		out.rec = b.rec.NewSlice(int64(r[0]), int64(r[1]))
	default:
		cols := make([]arrow.Array, b.rec.NumCols())
		for c := range cols {
			parts := make([]arrow.Array, 0, len(r)/2)
			for i := 0; i < len(r); i += 2 {
				parts = append(parts, array.NewSlice(b.rec.Column(c), int64(r[i]), int64(r[i+1])))
			}
			var err error
			if cols[c], err = state.Concatenate(parts); err != nil {
				return block{}, err
			}
		}
		out.rec = array.NewRecord(b.rec.Schema(), cols, int64(n))
	}
	return out, nil
}

// replayBlock is b as the engine takes it.
func (b block) replayBlock(lane int) replay.Block {
	out := replay.Block{Lane: lane, Offsets: b.offsets, BrokerTimes: b.brokers, Floor: replay.NoTime}
	if b.rec.NumRows() > 0 {
		out.Record = b.rec
	}
	if b.partitions != nil {
		out.Partitions = make([]int32, len(b.partitions))
		for i, p := range b.partitions {
			out.Partitions[i] = int32(p)
		}
	}
	return out
}

func minTime(times []int64) int64 {
	lo := int64(replay.EndOfTime)
	for _, t := range times {
		if t != replay.NoTime {
			lo = min(lo, t)
		}
	}
	return lo
}
