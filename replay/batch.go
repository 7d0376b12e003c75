package replay

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/state"
)

// batch is rows on their way from one step to the next. Nobody changes a batch once it was passed on.
type batch struct {
	cols  []arrow.Array
	times []int64 // event time of each row, microseconds
	// parts and offsets say where the rows came from; both nil once rows of several streams are joined, and
	// where a source has no positions.
	parts   []int32
	offsets []int64
}

func (b *batch) rows() int { return len(b.times) }

// take copies the named rows into a batch of their own.
func (b *batch) take(rows []int32) (*batch, error) {
	cols, err := state.TakeAll(b.cols, rows)
	if err != nil {
		return nil, err
	}
	return &batch{cols: cols, times: pickRows(b.times, rows), parts: pickRows(b.parts, rows), offsets: pickRows(b.offsets, rows)}, nil
}

// position is where a row came from, -1 where that is unknown.
func (b *batch) position(row int) (partition int32, offset int64) {
	partition, offset = -1, -1
	if b.parts != nil {
		partition = b.parts[row]
	}
	if b.offsets != nil {
		offset = b.offsets[row]
	}
	return partition, offset
}

func pickRows[T any](values []T, rows []int32) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = values[r]
	}
	return out
}

// allRows is 0, 1, .. n-1.
func allRows(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// without gives the rows 0..n-1 that are not in drop, which is ascending.
func without(n int, drop []int32) []int32 {
	out := make([]int32, 0, n-len(drop))
	k := 0
	for i := int32(0); i < int32(n); i++ {
		if k < len(drop) && drop[k] == i {
			k++
			continue
		}
		out = append(out, i)
	}
	return out
}

// shift moves a watermark by a duration. The ends of time stay where they are.
func shift(w, by int64) int64 {
	if w == NoTime || w == EndOfTime {
		return w
	}
	switch moved := w + by; {
	case by > 0 && moved < w:
		return EndOfTime
	case by < 0 && moved > w:
		return NoTime
	default:
		return moved
	}
}
