package validate

import (
	"context"
	"encoding/json"
	"math"
	"sort"
	"strconv"
	"sync"
)

// Pattern is a value that the rows that differ have far more often than all rows.
type Pattern struct {
	Column string          `json:"column"`
	Value  json.RawMessage `json:"value"`
	// Different is how many rows with it differ, Rows how many there are; Lift is how many times more often a row
	// with it differs than any row.
	Different int64   `json:"different"`
	Rows      int64   `json:"rows"`
	Lift      float64 `json:"lift"`
}

// Timeline counts rows by their time. Rows are those of the left side and those that the right side alone has.
type Timeline struct {
	Column  string   `json:"column"`
	Seconds int64    `json:"seconds"` // of a bucket: an hour, or more where the rows span years
	Buckets []Moment `json:"buckets"`
}

// Moment is one bucket with rows.
type Moment struct {
	Start     string `json:"start"`
	Rows      int64  `json:"rows"`
	Different int64  `json:"different"`

	at int64
}

const (
	patternValues  = 4096 // different values of a column before it is left out
	patternBytes   = 64
	leastPattern   = 5 // rows
	mostPatterns   = 12
	mostBuckets    = 2000
	patternColumns = 12
	hour           = 3600
)

// patterns collects the values of the rows that differ, and counts afterwards how often all rows have them.
type patterns struct {
	r     *run
	cols  []patternColumn
	clock int // the column of the timeline, in cols; -1: none
	hours map[int64]int64
	rows  int64
	right int64 // rows that the right side alone has
}

// patternColumn is a key, or a compared column.
type patternColumn struct {
	c       *column
	key     int // number of the key, or -1
	col     int // number of the column, or -1
	hourOf  bool
	counts  map[string]int64
	rights  map[string]int64 // of these, rows that the right side alone has
	dropped bool
}

func newPatterns(j *jury) *patterns {
	r := j.r
	if !r.opts.Patterns {
		return nil
	}
	p := &patterns{r: r, clock: -1, hours: map[int64]int64{}}
	add := func(c *column, key, col int) {
		p.cols = append(p.cols, patternColumn{c: c, key: key, col: col, counts: map[string]int64{}, rights: map[string]int64{}})
	}
	for i := range r.keys {
		add(&r.keys[i], i, -1)
	}
	for _, i := range j.cols {
		add(&r.cols[i], -1, i)
	}
	for i, c := range p.cols {
		k := c.c.common.kind
		if k != kTimestamp && k != kDate {
			continue
		}
		if p.clock < 0 || r.time != nil && c.c.label() == r.time.label() {
			p.clock = i
		}
	}
	if p.clock >= 0 && p.cols[p.clock].c.common.kind == kTimestamp {
		c := p.cols[p.clock]
		add(c.c, c.key, c.col)
		p.cols[len(p.cols)-1].hourOf = true
	}
	return p
}

// see counts a row that differs; for a pair the left one.
func (p *patterns) see(j *jury, side int, key, cells []byte, copies int64) {
	if p == nil {
		return
	}
	p.rows += copies
	if side == 1 {
		p.right += copies
	}
	at := make([][]byte, 0, len(p.cols))
	for i := range p.r.keys {
		n := cellLen(&p.r.keys[i].common, key)
		at = append(at, key[:n])
		key = key[n:]
	}
	if p.r.multiset {
		cells = key
	}
	for _, c := range j.cols {
		if len(cells) == 0 {
			at = append(at, []byte{0})
			continue
		}
		n := cellLen(&p.r.cols[c].common, cells)
		at = append(at, cells[:n])
		cells = cells[n:]
	}
	if p.clock >= 0 {
		if sec, ok := secondsOf(&p.cols[p.clock].c.common, at[p.clock]); ok {
			p.hours[floorDiv(sec, hour)] += copies
		}
		at = append(at, at[p.clock])
	}
	for i := range p.cols {
		c := &p.cols[i]
		cell := at[i]
		if c.hourOf {
			cell = hourCell(&c.c.common, cell)
		}
		if c.dropped || len(cell) > patternBytes {
			continue
		}
		if _, ok := c.counts[string(cell)]; !ok && len(c.counts) >= patternValues {
			c.dropped, c.counts = true, nil
			continue
		}
		c.counts[string(cell)] += copies
		if side == 1 {
			c.rights[string(cell)] += copies
		}
	}
}

func secondsOf(t *typ, cell []byte) (int64, bool) {
	null, i, raw, _ := cutCell(t, cell)
	if null {
		return 0, false
	}
	return instantOf(t, i, raw).sec, true
}

// hourCell is the hour of the day, as a cell of its own making.
func hourCell(t *typ, cell []byte) []byte {
	sec, ok := secondsOf(t, cell)
	if !ok {
		return nil
	}
	h := floorDiv(sec, hour)
	return strconv.AppendInt(nil, h-floorDiv(h, 24)*24, 10)
}

// finish reads the left side's columns that matter once more.
func (p *patterns) finish(ctx context.Context, res *Result) error {
	if p == nil || p.rows == 0 {
		return nil
	}
	var wanted []int
	most := map[int]int64{}
	for i := range p.cols {
		c := &p.cols[i]
		for cell, n := range c.counts {
			if n >= leastPattern && n*50 >= p.rows && !c.dropped && cell != "" {
				most[i] = max(most[i], n)
			}
		}
		if most[i] > 0 {
			wanted = append(wanted, i)
		}
	}
	sort.SliceStable(wanted, func(a, b int) bool { return most[wanted[a]] > most[wanted[b]] })
	wanted = wanted[:min(len(wanted), patternColumns)]
	if p.clock >= 0 {
		wanted = append(wanted, p.clock)
	}
	if len(wanted) == 0 {
		return nil
	}
	total, bases, hours, err := p.count(ctx, wanted)
	if err != nil {
		return err
	}
	total += p.right
	p.timeline(res, hours)
	var found []Pattern
	excess := map[int]float64{}
	for k, i := range wanted {
		c := &p.cols[i]
		if p.clock >= 0 && k == len(wanted)-1 {
			break
		}
		if c.c.common.kind == kTimestamp && !c.hourOf {
			continue // moments are no pattern; hours are
		}
		for cell, n := range c.counts {
			base := bases[i][cell] + c.rights[cell]
			expected := float64(p.rows) * float64(base) / float64(total)
			lift := float64(n) / math.Max(expected, 1e-9)
			// Four deviations of chance, and a third more than its share.
			if n < leastPattern || n*50 < p.rows || lift < 4.0/3 || base == total || float64(n)-expected < 4*math.Sqrt(math.Max(expected, 1)) {
				continue
			}
			x := Pattern{Column: c.c.label(), Different: n, Rows: base, Lift: math.Round(lift*100) / 100}
			if c.hourOf {
				x.Column, x.Value = "hour of "+x.Column, json.RawMessage(cell)
			} else {
				x.Value = cellJSON(&c.c.common, []byte(cell))
			}
			excess[len(found)] = float64(n) - expected
			found = append(found, x)
		}
	}
	order := make([]int, len(found))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool {
		x, y := found[order[a]], found[order[b]]
		if ex, ey := excess[order[a]], excess[order[b]]; ex != ey {
			return ex > ey
		}
		if x.Column != y.Column {
			return x.Column < y.Column
		}
		return string(x.Value) < string(y.Value)
	})
	for _, i := range order[:min(len(order), mostPatterns)] {
		res.Patterns = append(res.Patterns, found[i])
	}
	return nil
}

// count reads columns of the left side: how many rows are judged, how many have each value that differing rows
// have, and how many there are by hour.
func (p *patterns) count(ctx context.Context, wanted []int) (total int64, bases map[int]map[string]int64, hours map[int64]int64, err error) {
	r := p.r
	var wants []want
	for _, i := range wanted {
		wants = append(wants, p.cols[i].c.want())
	}
	k := len(wants)
	wants = append(wants, r.scopeWants()...)
	bases, hours = map[int]map[string]int64{}, map[int64]int64{}
	for _, i := range wanted {
		bases[i] = map[string]int64{}
	}
	var mu sync.Mutex
	err = r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		return func(ctx context.Context, side, u int) error {
			if side != 0 {
				return nil
			}
			return r.sides[0].scan(ctx, u, wants, func(b *block) error {
				sc, err := r.scopeOf(b, k)
				if err != nil {
					return err
				}
				counts := func(row int) bool { return sc == nil || !sc.out[row] && !sc.pending[row] }
				n := int64(0)
				for row := range b.n {
					if counts(row) {
						n++
					}
				}
				local := make([]map[string]int64, len(wanted))
				byHour := map[int64]int64{}
				for w, i := range wanted {
					c := &p.cols[i]
					local[w] = map[string]int64{}
					clock := p.clock >= 0 && w == len(wanted)-1
					var cell []byte
					err := b.col(w, func(start int, v *vec) error {
						packed := 0
						for row := range v.n {
							cell = appendNull(cell[:0])
							if !v.isNull(row) {
								x, raw := v.at(packed)
								packed++
								cell = appendCell(cell[:0], &c.c.common, x, raw)
							}
							if !counts(start + row) {
								continue
							}
							switch {
							case clock:
								if sec, ok := secondsOf(&c.c.common, cell); ok {
									byHour[floorDiv(sec, hour)]++
								}
							case c.hourOf:
								local[w][string(hourCell(&c.c.common, cell))]++
							default:
								if _, ok := c.counts[string(cell)]; ok {
									local[w][string(cell)]++
								}
							}
						}
						return nil
					})
					if err != nil {
						return err
					}
				}
				mu.Lock()
				defer mu.Unlock()
				total += n
				for w, i := range wanted {
					for cell, n := range local[w] {
						bases[i][cell] += n
					}
				}
				for h, n := range byHour {
					hours[h] += n
				}
				return nil
			})
		}, func() error { return nil }
	})
	return total, bases, hours, err
}

// timeline puts the hours into as many buckets as a report can show.
func (p *patterns) timeline(res *Result, hours map[int64]int64) {
	if p.clock < 0 || len(hours)+len(p.hours) == 0 {
		return
	}
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for _, m := range []map[int64]int64{hours, p.hours} {
		for h := range m {
			lo, hi = min(lo, h), max(hi, h)
		}
	}
	step := int64(1)
	for _, s := range []int64{1, 24, 24 * 7, 24 * 365} {
		if step = s; hi/s-lo/s < mostBuckets {
			break
		}
	}
	at := map[int64]*Moment{}
	moment := func(h int64) *Moment {
		start := floorDiv(h, step) * step
		if at[start] == nil {
			at[start] = &Moment{at: start * hour}
		}
		return at[start]
	}
	for h, n := range hours {
		moment(h).Rows += n
	}
	for h, n := range p.hours {
		moment(h).Different += n
	}
	t := &Timeline{Column: p.cols[p.clock].c.label(), Seconds: step * hour}
	for _, m := range at {
		m.Rows = max(m.Rows, m.Different)
		m.Start = string(appendText(nil, &typ{kind: kTimestamp, unit: seconds}, m.at, nil))
		t.Buckets = append(t.Buckets, *m)
	}
	sort.Slice(t.Buckets, func(i, j int) bool { return t.Buckets[i].at < t.Buckets[j].at })
	if len(t.Buckets) <= mostBuckets {
		res.Timeline = t
	}
}
