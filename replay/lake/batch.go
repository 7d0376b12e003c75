package lake

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"github.com/lockstep-data/lockstep/replay"
)

// batch gives row groups in the order of their least event time, so that the floor rises as they go. Several
// are decoded ahead; those without statistics come first, because they hold the floor down.
type batch struct {
	s     *Source
	units []*unit
	// suffix[i] is the least event time of the units from i on.
	suffix []int64
	// skip is the number of rows, counted over units in order, that a checkpoint has behind it.
	skip  int64
	ahead []*decoded
	begun int
	done  int64
	ended bool
}

// decoded is a unit being decoded.
type decoded struct {
	out  chan timed
	from int64
	err  error
}

// timed is a block and the least event time of what follows it in its unit.
type timed struct {
	block
	rest int64
}

// wholeRows is the size of a unit that is decoded whole before its first block goes out, which gives the exact
// floor behind each block; a larger one keeps its least time as the floor.
const wholeRows = 512 << 10

func newBatch(s *Source) *batch {
	b := &batch{s: s, units: slices.Clone(s.units)}
	slices.SortStableFunc(b.units, func(x, y *unit) int {
		return cmp.Or(cmp.Compare(x.least(), y.least()), cmp.Compare(x.file.number, y.file.number), cmp.Compare(x.group, y.group))
	})
	b.suffix = make([]int64, len(b.units)+1)
	b.suffix[len(b.units)] = replay.EndOfTime
	for i := len(b.units) - 1; i >= 0; i-- {
		b.suffix[i] = min(b.suffix[i+1], b.units[i].least())
	}
	return b
}

func (u *unit) least() int64 {
	if u.bounded {
		return u.lo
	}
	return replay.NoTime
}

// lanes is one: all units, one behind the other. Its name tells which those are, as a position in it is a number of their
// rows: over other units it is a place among other rows.
func (b *batch) lanes() []replay.Lane {
	h := fnv.New64a()
	for _, u := range b.units {
		fmt.Fprintln(h, u.rows, u.least(), u.group, u.file.obj.Size)
	}
	return []replay.Lane{{Name: fmt.Sprintf("lake-%016x", h.Sum64()), Partition: -1}}
}

func (b *batch) seek(positions map[string]int64) error {
	b.skip = positions[b.lanes()[0].Name]
	return nil
}

// fill starts decoders up to the parallelism, and one for the unit being delivered. The next starts when a unit
// has been delivered, which bounds what is in memory.
func (b *batch) fill() {
	for len(b.ahead) < b.s.opts.Parallelism+1 && b.begun < len(b.units) {
		u := b.units[b.begun]
		d := &decoded{from: b.done}
		b.done += u.rows
		b.begun++
		skip := max(0, min(u.rows, b.skip-d.from))
		d.out = make(chan timed, 64)
		b.ahead = append(b.ahead, d)
		b.s.wait.Go(func() {
			defer close(d.out)
			d.err = b.s.decodeUnit(u, skip, d.out)
		})
	}
}

// decodeUnit gives a unit's blocks with their floors.
func (s *Source) decodeUnit(u *unit, skip int64, out chan<- timed) error {
	if skip >= u.rows {
		return nil
	}
	var held []timed
	rows := int64(0)
	send := func(t timed) error {
		select {
		case out <- t:
			return nil
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	err := s.decode(s.ctx, u, skip, func(b block) error {
		held = append(held, timed{b, u.least()})
		rows += b.rec.NumRows()
		if rows < wholeRows {
			return nil
		}
		// Too large to wait for its end. One block stays, so that the unit ends with one.
		for len(held) > 1 {
			if err := send(held[0]); err != nil {
				return err
			}
			held = held[1:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	rest := int64(replay.EndOfTime)
	for i := len(held) - 1; i >= 0; i-- {
		held[i].rest = rest
		rest = min(rest, minTime(held[i].times))
	}
	for _, t := range held {
		if err := send(t); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) next(ctx context.Context) (replay.Block, error) {
	for {
		b.fill()
		if len(b.ahead) == 0 {
			if b.ended {
				return replay.Block{}, io.EOF
			}
			b.ended = true
			return replay.Block{Next: b.done, Floor: replay.EndOfTime, Ended: true}, nil
		}
		d := b.ahead[0]
		select {
		case <-ctx.Done():
			return replay.Block{}, ctx.Err()
		case t, ok := <-d.out:
			if !ok {
				if d.err != nil {
					return replay.Block{}, d.err
				}
				b.ahead = b.ahead[1:]
				continue
			}
			out := t.replayBlock(0)
			out.Next = d.from + t.last
			out.Floor = min(t.rest, b.suffix[b.begun-len(b.ahead)+1])
			if b.s.opts.Time == "" {
				out.Floor = replay.NoTime
			}
			if b.s.opts.Since != nil && out.Floor != replay.NoTime {
				out.Floor = max(out.Floor, *b.s.opts.Since)
			}
			if out.Record == nil {
				continue
			}
			return out, nil
		}
	}
}
