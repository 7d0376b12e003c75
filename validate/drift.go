package validate

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

// drift watches for columns that become NULL on one side at some time and stay so: a writer that lost a field.
type drift struct {
	clock *column // nil: the rows have no time
	key   int     // number of the clock among the keys, or -1
	col   int     // number of the clock among the columns, or -1
	since [][2]driftSince
}

// driftSince is what is known of one column and side: its first NULL where the other side has a value.
type driftSince struct {
	cells    int64
	first    instant
	timeless bool // a cell of a row without a time
	cell     []byte
}

// leastDrift is how many cells have to be NULL before it is no accident.
const leastDrift = 5

func newDrift(j *jury) *drift {
	d := &drift{since: make([][2]driftSince, len(j.r.cols))}
	d.key, d.col = j.r.clock()
	switch {
	case d.key >= 0:
		d.clock = &j.r.keys[d.key]
	case d.col >= 0:
		d.clock = &j.r.cols[d.col]
	}
	return d
}

// clock is the key, or else the column, that says when a row was: the one of --time, or the first that is a time; -1 for
// none. One row of a pair has it whatever else is read, so that a cause does not depend on what is written.
func (r *run) clock() (key, col int) {
	is := func(c *column) bool {
		return (c.common.kind == kTimestamp || c.common.kind == kDate) && (r.time == nil || c.label() == r.time.label())
	}
	for i := range r.keys {
		if is(&r.keys[i]) {
			return i, -1
		}
	}
	for i := range r.cols {
		if is(&r.cols[i]) {
			return -1, i
		}
	}
	return -1, -1
}

// see notes a cell that is NULL on one side.
func (d *drift) see(j *jury, c *pairCell, l, r record) {
	if d.clock == nil || c.l[0] != 0 && c.r[0] != 0 {
		return
	}
	side := 0
	if c.r[0] == 0 {
		side = 1
	}
	s := &d.since[c.col][side]
	if s.cells++; s.timeless {
		return
	}
	cell := d.cellOf(j, l, r)
	null, i, raw, _ := cutCell(&d.clock.common, cell)
	if null {
		s.timeless = true
		return
	}
	if t := instantOf(&d.clock.common, i, raw); s.cell == nil || t.before(s.first) {
		s.first, s.cell = t, append(s.cell[:0], cell...)
	}
}

// cellOf is the left row's time.
func (d *drift) cellOf(j *jury, l, r record) []byte {
	if d.key >= 0 {
		b := l.key
		for i := range j.r.keys {
			n := cellLen(&j.r.keys[i].common, b)
			if i == d.key {
				return b[:n]
			}
			b = b[n:]
		}
	}
	if !l.wide && !slices.Contains(j.cols, d.col) { // then it is the same on both sides
		l = r
	}
	w := j.walk(l)
	if l.wide {
		return w.next(d.col)
	}
	for _, c := range j.cols {
		if x := w.next(c); c == d.col {
			return x
		}
	}
	return []byte{0}
}

var errRefuted = errors.New("nothing is left to be checked")

// check reads the columns in question, and the time, of the side that has the NULLs: from its first on it must
// have no value any more. It ends as soon as every suspicion is refuted.
func (d *drift) check(ctx context.Context, j *jury) error {
	if d.clock == nil {
		return nil
	}
	for side := range 2 {
		var cols []int
		for i := range d.since {
			if s := &d.since[i][side]; s.cells >= leastDrift && !s.timeless && i != d.col {
				cols = append(cols, i)
			}
		}
		if len(cols) == 0 {
			continue
		}
		wants := []want{d.clock.want()}
		for _, c := range cols {
			wants = append(wants, j.r.cols[c].want())
		}
		k := len(wants)
		wants = append(wants, j.r.scopeWants()...)
		refuted := make([]atomic.Bool, len(cols))
		values := make([]atomic.Int64, len(cols)) // there are, before
		err := j.r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
			return func(ctx context.Context, s, u int) error {
				if s != side {
					return nil
				}
				return j.r.sides[s].scan(ctx, u, wants, func(b *block) error {
					sc, err := j.r.scopeOf(b, k)
					if err != nil {
						return err
					}
					times, there := make([]instant, b.n), make([]bool, b.n)
					err = b.col(0, func(start int, v *vec) error {
						packed := 0
						for row := range v.n {
							if v.isNull(row) {
								continue
							}
							i, raw := v.at(packed)
							packed++
							if sc == nil || !sc.out[start+row] && !sc.pending[start+row] {
								times[start+row], there[start+row] = instantOf(&d.clock.common, i, raw), true
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
					left := 0
					for w, c := range cols {
						if refuted[w].Load() {
							continue
						}
						left++
						first := d.since[c][side].first
						err := b.col(w+1, func(start int, v *vec) error {
							for row := range v.n {
								if v.isNull(row) || !there[start+row] {
									continue
								}
								if !times[start+row].before(first) {
									refuted[w].Store(true)
									return nil
								}
								values[w].Add(1)
							}
							return nil
						})
						if err != nil {
							return err
						}
					}
					if left == 0 {
						return errRefuted
					}
					return nil
				})
			}, func() error { return nil }
		})
		if err != nil && !errors.Is(err, errRefuted) {
			return err
		}
		for w, c := range cols {
			if !refuted[w].Load() && values[w].Load() > 0 {
				s := &d.since[c][side]
				x := suspicion{cause: causeDrift, side: int8(side), param: cellText(&d.clock.common, s.cell)}
				j.suspects[c].found = append(j.suspects[c].found, x)
			}
		}
	}
	return nil
}
