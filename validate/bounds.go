package validate

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// nothingToCome is the watermark of a side that is whole.
const nothingToCome = "end"

// watermarks are the times up to which the sides are known to be whole, for those that say so; of the others the
// rows tell.
func (r *run) watermarks() (latest [2]*instant, unknown [2]bool, err error) {
	for s, in := range []Input{r.opts.Left, r.opts.Right} {
		switch in.Watermark {
		case "":
			unknown[s] = true
		case nothingToCome:
			latest[s] = &instant{math.MaxInt64, 0}
		default:
			sec, nano, ok := parseTimestamp(in.Watermark)
			if !ok {
				return latest, unknown, withHint(fmt.Errorf("watermark: %q is not a time", in.Watermark), "write 2026-11-01T12:00:00Z")
			}
			t := (instant{sec, nano}).minus(1) // a row of that very time may still come
			latest[s] = &t
		}
	}
	return latest, unknown, nil
}

// setHorizon takes the lesser of both sides' times. Without a time on a side there is no horizon.
func (r *run) setHorizon(latest [2]*instant) {
	if latest[0] == nil || latest[1] == nil {
		return
	}
	least, in := *latest[0], r.opts.Left
	if latest[1].before(least) {
		least, in = *latest[1], r.opts.Right
	}
	if least.sec == math.MaxInt64 {
		return
	}
	least = least.minus(r.opts.Settle)
	r.end, r.atMark = &least, in.Watermark != ""
}

// horizonText is the horizon as the report has it, "" where there is none.
func (r *run) horizonText(t *instant) string {
	if t == nil {
		return ""
	}
	raw := appendSecNanos(nil, t.sec, seconds)
	raw[8], raw[9], raw[10], raw[11] = byte(t.nano>>24), byte(t.nano>>16), byte(t.nano>>8), byte(t.nano)
	return string(appendText(nil, &typ{kind: kTimestamp, unit: mixedUnit}, 0, raw))
}

// pendingText says which rows are pending, "" when none can be.
func (r *run) pendingText() string {
	var out []string
	if r.end != nil {
		text := "after " + r.horizonText(r.end)
		if r.atMark {
			mark := r.end.minus(-time.Nanosecond)
			text = "from the watermark of " + r.horizonText(&mark) + " on"
		}
		out = append(out, text)
	}
	if r.offsets != nil {
		var at []string
		for _, p := range slices.Sorted(maps.Keys(r.offsets.from)) {
			at = append(at, fmt.Sprintf("%d:%d", p, r.offsets.from[p]))
		}
		out = append(out, "from the offsets "+strings.Join(at, " ")+" on")
	}
	return strings.Join(out, ", or ")
}

// offsetBounds say by a row's place in its log whether a side may not have it yet.
type offsetBounds struct {
	partition, offset column
	from              map[int64]int64
}

const (
	partitionColumn = "_partition"
	offsetColumn    = "_offset"
)

func (p *plan) setOffsets() error {
	if p.opts.Offsets == nil {
		return nil
	}
	b := &offsetBounds{from: map[int64]int64{}}
	for part, off := range p.opts.Offsets {
		b.from[int64(part)] = off
	}
	for k, to := range []*column{&b.partition, &b.offset} {
		name := [2]string{partitionColumn, offsetColumn}[k]
		c, ok := p.lookup(name)
		if !ok {
			return withHint(fmt.Errorf("offsets bound the sides, and not both have the column %q", name),
				"rows that `lockstep capture` recorded have %s and %s; --time and --watermark bound others", partitionColumn, offsetColumn)
		}
		var f findings
		if c.common = resolve(c.types[0], c.types[1], name, &f); c.common.kind != kInt {
			return fmt.Errorf("offsets bound the sides, and the column %q is %s", name, c.types[0])
		}
		*to = c
	}
	p.offsets = b
	return nil
}

// see marks the rows at or beyond their partition's bound; partition and offset are wants k and k+1. A row that has
// no place in a log is left alone.
func (o *offsetBounds) see(b *block, k int, pending []bool) error {
	from := make([]int64, b.n)
	err := b.col(k, func(start int, v *vec) error {
		j := 0
		for row := range v.n {
			from[start+row] = math.MaxInt64
			if v.isNull(row) {
				continue
			}
			p, _ := v.at(j)
			j++
			from[start+row] = o.from[p] // 0 of a partition that is not named: all its rows are pending
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.col(k+1, func(start int, v *vec) error {
		j := 0
		for row := range v.n {
			if v.isNull(row) {
				continue
			}
			off, _ := v.at(j)
			j++
			if off >= from[start+row] {
				pending[start+row] = true
			}
		}
		return nil
	})
}

// eachPending reads the rows that are pending once more, in the order of their keys.
func (r *run) eachPending(ctx context.Context, do func(record) error) error {
	var sides []int
	for s := range r.sides {
		if r.pending[s] > 0 {
			sides = append(sides, s)
		}
	}
	if len(sides) == 0 {
		return nil
	}
	s := &sorter{spill: r.spill}
	all := make([]int, len(r.cols))
	for i := range all {
		all[i] = i
	}
	limit := int(min(r.opts.Memory/4/int64(r.opts.Parallelism), 1<<30))
	err := r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		g := r.newGatherer(all, s, limit)
		wants := append(slices.Clone(g.wants), r.scopeWants()...)
		return func(ctx context.Context, side, u int) error {
			return r.sides[side].scan(ctx, u, wants, func(b *block) error {
				sc, err := r.scopeOf(b, len(g.wants))
				if err != nil {
					return err
				}
				g.rows = g.rows[:0]
				for i, waits := range sc.pending {
					if waits && !sc.out[i] {
						g.rows = append(g.rows, int32(i))
					}
				}
				return g.block(b, side, g.rows)
			})
		}, g.out.close
	}, sides...)
	if err == nil {
		err = s.compact()
	}
	if err != nil {
		return err
	}
	return s.each(do)
}
