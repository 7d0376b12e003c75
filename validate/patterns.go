package validate

import (
	"context"
	"encoding/json"
	"math"
	"slices"
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
	clock int                  // the column of the timeline, in cols; -1: none
	hours map[int64]*seenValue // rows that differ, by the hour since 1970
	rows  int64
	right int64 // rows that the right side alone has
	cells [][]byte
}

// patternColumn is a key, or a compared column.
type patternColumn struct {
	c       *column
	seen    map[string]*seenValue // by cell
	dropped bool
}

// seenValue counts rows that differ; those that the right side alone has are counted in right, too.
type seenValue struct{ n, right int64 }

func newPatterns(j *jury) *patterns {
	r := j.r
	if !r.opts.Patterns {
		return nil
	}
	p := &patterns{r: r, clock: -1, hours: map[int64]*seenValue{}}
	for i := range r.keys {
		p.cols = append(p.cols, patternColumn{c: &r.keys[i], seen: map[string]*seenValue{}})
	}
	for _, i := range j.cols {
		p.cols = append(p.cols, patternColumn{c: &r.cols[i], seen: map[string]*seenValue{}})
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
	at := p.cells[:0]
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
	p.cells = at
	if p.clock >= 0 {
		t := &p.cols[p.clock].c.common
		if null, i, raw, _ := cutCell(t, at[p.clock]); !null {
			h := hourOf(t, i, raw)
			if p.hours[h] == nil {
				p.hours[h] = &seenValue{}
			}
			p.hours[h].add(side, copies)
		}
	}
	for i := range p.cols {
		c := &p.cols[i]
		if c.dropped || len(at[i]) > patternBytes {
			continue
		}
		x := c.seen[string(at[i])]
		if x == nil {
			if len(c.seen) >= patternValues {
				c.dropped, c.seen = true, nil
				continue
			}
			x = &seenValue{}
			c.seen[string(at[i])] = x
		}
		x.add(side, copies)
	}
}

func (s *seenValue) add(side int, copies int64) {
	s.n += copies
	if side == 1 {
		s.right += copies
	}
}

// often says whether so many of the rows that differ may be a pattern. No column has more than fifty such values.
func (p *patterns) often(n int64) bool { return n >= leastPattern && n*50 >= p.rows }

// finish reads the left side's columns that matter once more.
func (p *patterns) finish(ctx context.Context, res *Result) error {
	if p == nil || p.rows == 0 {
		return nil
	}
	var wanted []*patternColumn
	most := map[*patternColumn]int64{}
	for i := range p.cols {
		c := &p.cols[i]
		if c.c.common.kind == kTimestamp { // moments are no pattern; hours are
			continue
		}
		for _, x := range c.seen {
			if p.often(x.n) {
				most[c] = max(most[c], x.n)
			}
		}
		if most[c] > 0 {
			wanted = append(wanted, c)
		}
	}
	sort.SliceStable(wanted, func(a, b int) bool { return most[wanted[a]] > most[wanted[b]] })
	wanted = wanted[:min(len(wanted), patternColumns)]
	if len(wanted) == 0 && p.clock < 0 {
		return nil
	}
	left, err := p.count(ctx, wanted)
	if err != nil {
		return err
	}
	p.timeline(res, left.hours)
	var found []Pattern
	excess := map[int]float64{}
	consider := func(column string, value json.RawMessage, n, base int64) {
		total := left.rows + p.right
		expected := float64(p.rows) * float64(base) / float64(total)
		lift := float64(n) / math.Max(expected, 1e-9)
		// Four deviations of chance, and a third more than its share.
		if p.often(n) && lift >= 4.0/3 && base != total && float64(n)-expected >= 4*math.Sqrt(math.Max(expected, 1)) {
			excess[len(found)] = float64(n) - expected
			found = append(found, Pattern{Column: column, Value: value, Different: n, Rows: base, Lift: math.Round(lift*100) / 100})
		}
	}
	for k, c := range wanted {
		for cell, n := range left.values[k].byCell() {
			x := c.seen[cell]
			consider(c.c.label(), cellJSON(&c.c.common, []byte(cell)), x.n, n+x.right)
		}
	}
	if p.clock >= 0 && p.cols[p.clock].c.common.kind == kTimestamp {
		var n, base [24]int64
		for h, rows := range left.hours {
			base[h-floorDiv(h, 24)*24] += rows
		}
		for h, x := range p.hours {
			n[h-floorDiv(h, 24)*24] += x.n
			base[h-floorDiv(h, 24)*24] += x.right
		}
		for h := range n {
			consider("hour of "+p.cols[p.clock].c.label(), json.RawMessage(strconv.Itoa(h)), n[h], base[h])
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

// leftCounts are of the rows of the left side that are judged.
type leftCounts struct {
	rows   int64
	values []*valueCounter // by wanted column
	hours  map[int64]int64
}

// count reads columns of the left side: how many rows have each value that differing rows often have, and how many
// there are by hour.
func (p *patterns) count(ctx context.Context, wanted []*patternColumn) (*leftCounts, error) {
	r := p.r
	var wants []want
	for _, c := range wanted {
		wants = append(wants, c.c.want())
	}
	if p.clock >= 0 {
		wants = append(wants, p.cols[p.clock].c.want())
	}
	scopeK := len(wants)
	wants = append(wants, r.scopeWants()...)
	newCounts := func() *leftCounts {
		n := &leftCounts{hours: map[int64]int64{}}
		for _, c := range wanted {
			n.values = append(n.values, p.newValueCounter(c))
		}
		return n
	}
	all := newCounts()
	var mu sync.Mutex
	return all, r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		own := newCounts()
		byHour := hourCounter{flush: own.hours}
		do := func(ctx context.Context, side, u int) error {
			return r.sides[side].scan(ctx, u, wants, func(b *block) error {
				sc, err := r.scopeOf(b, scopeK)
				if err != nil {
					return err
				}
				var skip []bool
				own.rows += int64(b.n)
				if sc != nil {
					skip = sc.out
					for i, pending := range sc.pending {
						if skip[i] = skip[i] || pending; skip[i] {
							own.rows--
						}
					}
				}
				from := func(start int) []bool {
					if skip == nil {
						return nil
					}
					return skip[start:]
				}
				for k, x := range own.values {
					if err := b.col(k, func(start int, v *vec) error { x.add(v, from(start)); return nil }); err != nil {
						return err
					}
				}
				if p.clock < 0 {
					return nil
				}
				t := &p.cols[p.clock].c.common
				return b.col(len(wanted), func(start int, v *vec) error { byHour.add(t, v, from(start)); return nil })
			})
		}
		return do, func() error {
			byHour.close()
			mu.Lock()
			defer mu.Unlock()
			all.rows += own.rows
			for k, x := range own.values {
				for i, n := range x.n {
					all.values[k].n[i] += n
				}
			}
			for h, n := range own.hours {
				all.hours[h] += n
			}
			return nil
		}
	}, 0)
}

// valueCounter counts the rows of some values of a column; one per goroutine.
type valueCounter struct {
	cells []string // n[i+1] is of cells[i]
	n     []int64  // n[0]: of all others
	null  uint8    // where NULL is counted
	texts map[string]uint8
	words [256]int64 // an open table of at most fifty
	at    [256]uint8 // of words; 0: free

	dict   *vec
	ofDict []uint8 // by its entries
	packed []uint8
}

func (p *patterns) newValueCounter(c *patternColumn) *valueCounter {
	x := &valueCounter{texts: map[string]uint8{}}
	for cell, seen := range c.seen {
		if p.often(seen.n) {
			x.cells = append(x.cells, cell)
		}
	}
	slices.Sort(x.cells)
	x.n = make([]int64, len(x.cells)+1)
	for i, cell := range x.cells {
		to := uint8(i + 1)
		null, word, raw, _ := cutCell(&c.c.common, []byte(cell))
		switch {
		case null:
			x.null = to
		case c.c.common.inBytes():
			x.texts[string(raw)] = to
		default:
			h := slotOf(word)
			for x.at[h] != 0 {
				h++
			}
			x.words[h], x.at[h] = word, to
		}
	}
	return x
}

// byCell are the counts of the values asked for.
func (x *valueCounter) byCell() map[string]int64 {
	out := map[string]int64{}
	for i, cell := range x.cells {
		out[cell] = x.n[i+1]
	}
	return out
}

func slotOf(word int64) uint8 { return uint8(uint64(word) * 0x9e3779b97f4a7c15 >> 56) }

// find returns where each packed value of v is counted.
func (x *valueCounter) find(v *vec, to []uint8) []uint8 {
	to = to[:0]
	switch {
	case v.dict != nil:
		if v.dict != x.dict {
			x.dict, x.ofDict = v.dict, x.find(v.dict, x.ofDict)
		}
		for _, i := range v.idx {
			to = append(to, x.ofDict[i])
		}
	case v.i64 != nil:
		for _, word := range v.i64 {
			h := slotOf(word)
			for x.at[h] != 0 && x.words[h] != word {
				h++
			}
			to = append(to, x.at[h])
		}
	default:
		for j := range max(len(v.offs)-1, 0) {
			to = append(to, x.texts[string(v.bytesAt(j))])
		}
	}
	return to
}

// add counts the rows of v but those to skip.
func (x *valueCounter) add(v *vec, skip []bool) {
	x.packed = x.find(v, x.packed)
	j := 0
	for row := range v.n {
		at := x.null
		if !v.isNull(row) {
			at = x.packed[j]
			j++
		}
		if skip == nil || !skip[row] {
			x.n[at]++
		}
	}
}

// hourCounter counts rows by hour. Hours that are 1,024 apart share a place, which the newest of them has.
type hourCounter struct {
	hours [1024]int64
	n     [1024]int64
	flush map[int64]int64
}

// add counts the rows of v that have a time, but those to skip.
func (c *hourCounter) add(t *typ, v *vec, skip []bool) {
	j := 0
	for row := range v.n {
		if v.isNull(row) {
			continue
		}
		i, raw := v.at(j)
		j++
		if skip != nil && skip[row] {
			continue
		}
		h := hourOf(t, i, raw)
		at := h & 1023
		if c.hours[at] != h {
			if c.n[at] > 0 {
				c.flush[c.hours[at]] += c.n[at]
			}
			c.hours[at], c.n[at] = h, 0
		}
		c.n[at]++
	}
}

func (c *hourCounter) close() {
	for at, n := range c.n {
		if n > 0 {
			c.flush[c.hours[at]] += n
		}
	}
}

// hourOf is the hour since 1970 of a raw date or timestamp.
func hourOf(t *typ, i int64, raw []byte) int64 {
	if t.kind == kTimestamp && t.unit != mixedUnit {
		return floorDiv(i, t.unit.perSecond()*hour)
	}
	return floorDiv(instantOf(t, i, raw).sec, hour)
}

// timeline puts the hours into as many buckets as a report can show.
func (p *patterns) timeline(res *Result, hours map[int64]int64) {
	if p.clock < 0 || len(hours)+len(p.hours) == 0 {
		return
	}
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for h := range hours {
		lo, hi = min(lo, h), max(hi, h)
	}
	for h := range p.hours {
		lo, hi = min(lo, h), max(hi, h)
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
	for h, x := range p.hours {
		m := moment(h)
		m.Rows, m.Different = m.Rows+x.right, m.Different+x.n
	}
	t := &Timeline{Column: p.cols[p.clock].c.label(), Seconds: step * hour}
	for _, m := range at {
		m.Start = string(appendText(nil, &typ{kind: kTimestamp, unit: seconds}, m.at, nil))
		t.Buckets = append(t.Buckets, *m)
	}
	sort.Slice(t.Buckets, func(i, j int) bool { return t.Buckets[i].at < t.Buckets[j].at })
	if len(t.Buckets) <= mostBuckets {
		res.Timeline = t
	}
}
