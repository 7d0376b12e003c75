package validate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// jury hears the marked rows in the order of their keys and counts.
type jury struct {
	r        *run
	cols     []int // columns whose cells the records carry
	rows     Rows
	stats    []*columnStats // by column of the plan
	sum      uint64         // as match.sum, by the cells that were read
	pairs    int64
	needAll  bool      // copies of a row have to be told apart by all their columns
	hashers  []*hasher // by column, where not all are read
	examples [5][]Example

	suspects []*suspect
	before   [2]record // the pair before: for values that slipped by a row
	some     bool
	causes   map[string]*causeCount
	rest     Count
	ifs      []*distances // by column of the plan
	drift    *drift
	patterns *patterns
	page     pageExamples
}

// causeCount is what became of one cause.
type causeCount struct {
	Count
	seen  map[int]map[suspicion]int64 // by column: cells that each suspicion explains
	notes []string                    // what a caller knew of the first
	keys  []json.RawMessage
}

func newJury(r *run, cols []int) *jury {
	j := &jury{r: r, cols: cols}
	j.rows = Rows{Left: r.inScope[0], Right: r.inScope[1], Equal: r.match.equal, PendingLeft: r.pending[0], PendingRight: r.pending[1]}
	if len(cols) < len(r.cols) {
		for i := range r.cols {
			j.hashers = append(j.hashers, newHasher(i, len(r.cols), &r.cols[i].common, pass1Salt))
		}
	}
	for i := range r.cols {
		j.stats = append(j.stats, newColumnStats(&r.cols[i].common))
		j.suspects = append(j.suspects, newSuspect(&r.cols[i].common))
		j.ifs = append(j.ifs, &distances{c: &r.cols[i].common})
	}
	if r.opts.Out != "" || r.opts.Page {
		j.page.parts = 1
	}
	j.drift = newDrift(j)
	return j
}

// pair is one matched pair of rows, with the cells that are not the same.
type pair struct {
	key   []byte
	cells []pairCell
	class string // equal, within, changed
	// of the cells, once they are judged
	causes []cellCause
}

type pairCell struct {
	col    int
	l, r   []byte
	within bool
}

// compare compares two rows cell by cell.
func (j *jury) compare(l, r record, out *pair) error {
	out.key, out.cells, out.class = l.key, out.cells[:0], "equal"
	a, b := j.walk(l), j.walk(r)
	for _, c := range j.cols {
		col := &j.r.cols[c]
		x, y := a.next(c), b.next(c)
		same := bytes.Equal(x, y)
		if same && (!col.as || x[0] == 0) {
			continue
		}
		ok := same && col.as
		if !ok && col.tol != nil {
			var err error
			if ok, err = col.tol.passes(x, y); err != nil {
				return err
			}
		}
		out.cells = append(out.cells, pairCell{c, x, y, ok})
		if !ok {
			out.class = "changed"
		} else if out.class == "equal" {
			out.class = "within"
		}
	}
	return nil
}

// hear counts everything.
func (j *jury) hear(ctx context.Context, s *sorter) error {
	var p pair
	return groups(ctx, s, nil, func(g *group) error {
		kind := j.r.classify(g)
		switch kind {
		case nullKey:
			j.rows.NullKeyLeft += g.n[0]
			j.rows.NullKeyRight += g.n[1]
		case duplicated:
			j.needAll = true
			j.rows.DuplicateLeft += g.n[0]
			j.rows.DuplicateRight += g.n[1]
		case onlyLeft:
			j.rows.OnlyLeft += g.n[0]
		case onlyRight:
			j.rows.OnlyRight += g.n[1]
		case pairClass:
			if j.r.multiset {
				m := min(g.n[0], g.n[1])
				g.n[0], g.n[1] = g.n[0]-m, g.n[1]-m
				j.rows.Equal += m
				j.rows.OnlyLeft += g.n[0]
				j.rows.OnlyRight += g.n[1]
				switch {
				case g.n[0] > 0:
					kind = onlyLeft
				case g.n[1] > 0:
					kind = onlyRight
				default:
					return nil
				}
				break
			}
			l, r := g.rows[0][0], g.rows[1][0]
			if err := j.compare(l, r, &p); err != nil {
				return err
			}
			if j.hashers != nil {
				j.sum += j.delta(&p)
				j.pairs++
			}
			for i := range p.cells {
				j.stats[p.cells[i].col].add(&p.cells[i])
			}
			j.hearCells(&p, l, r)
			switch p.class {
			case "equal":
				j.rows.Equal++
				return nil
			case "within":
				j.rows.Within++
				return nil
			}
			j.rows.Changed++
		}
		return nil
	})
}

// hearCells lets the columns' suspicions see a pair.
func (j *jury) hearCells(p *pair, l, r record) {
	for i := range p.cells {
		c := &p.cells[i]
		if c.within {
			continue
		}
		s := j.suspects[c.col]
		s.hear(c.l, c.r)
		j.ifs[c.col].add(c.l, c.r)
		j.drift.see(j, c, l, r)
		for _, x := range j.context(p, i) {
			s.countValue(x, c.l)
		}
	}
	j.remember(l, r)
}

// remember keeps a pair for its neighbour.
func (j *jury) remember(l, r record) {
	for s, rec := range []record{l, r} {
		j.before[s].rest, j.before[s].wide = append(j.before[s].rest[:0], rec.rest...), rec.wide
	}
	j.some = true
}

// context are the suspicions about cell i that need other cells to see: of its row, or of the row before.
func (j *jury) context(p *pair, i int) []suspicion {
	var out []suspicion
	c := &p.cells[i]
	if len(p.cells) <= 32 {
		for k := range p.cells {
			o := &p.cells[k]
			if k != i && !o.within && bytes.Equal(c.l, o.r) && bytes.Equal(c.r, o.l) && j.r.cols[c.col].common.same(j.r.cols[o.col].common) {
				out = append(out, suspicion{cause: causeSwapped, n: int64(o.col)})
			}
		}
	}
	if j.some && c.l[0] != 0 && c.r[0] != 0 && j.r.cols[c.col].common.kind != kBool {
		if x := j.cellBefore(0, c.col); bytes.Equal(x, c.r) {
			out = append(out, suspicion{cause: causeShifted, param: "previous"})
		}
		if x := j.cellBefore(1, c.col); bytes.Equal(x, c.l) {
			out = append(out, suspicion{cause: causeShifted, param: "next"})
		}
	}
	return out
}

// cellBefore is a cell of the pair before.
func (j *jury) cellBefore(side, col int) []byte {
	w := j.walk(j.before[side])
	for _, c := range j.cols {
		if x := w.next(c); c == col {
			return x
		}
	}
	return nil
}

// cellWalk goes through the cells of a record, which has those of j.cols or of all columns.
type cellWalk struct {
	cols  []column
	cells []byte
	at    int
	wide  bool
}

func (j *jury) walk(r record) cellWalk { return cellWalk{j.r.cols, r.cells(), 0, r.wide} }

// next returns the cell of column c; columns come in their order.
func (w *cellWalk) next(c int) []byte {
	for ; w.wide && w.at < c; w.at++ {
		w.cells = w.cells[cellLen(&w.cols[w.at].common, w.cells):]
	}
	n := cellLen(&w.cols[c].common, w.cells)
	x := w.cells[:n]
	w.cells, w.at = w.cells[n:], c+1
	return x
}

// delta is what the cells of a pair add to match.sum.
func (j *jury) delta(p *pair) uint64 {
	var lo, hi uint64
	for i := range p.cells {
		c := &p.cells[i]
		t, h := &j.r.cols[c.col].common, j.hashers[c.col]
		if null, x, raw, _ := cutCell(t, c.l); !null {
			a, b := h.value(x, raw)
			lo, hi = lo+a, hi+b
		}
		if null, x, raw, _ := cutCell(t, c.r); !null {
			a, b := h.value(x, raw)
			lo, hi = lo-a, hi-b
		}
	}
	return deltaSum(lo, hi)
}

// decide gives every cell its cause and every row its place in the report; the hearing is over.
func (j *jury) decide(ctx context.Context, s *sorter, out *reportFiles) error {
	n := &j.rows
	pairs := n.Equal + n.Within + n.Changed
	if err := j.drift.check(ctx, j); err != nil {
		return err
	}
	for i, s := range j.suspects {
		st := j.stats[i]
		s.believe(pairs, pairs-st.within-st.different)
	}
	j.causes, j.some = map[string]*causeCount{}, false
	j.patterns = newPatterns(j)
	var p pair
	return groups(ctx, s, out.overflow(j), func(g *group) error {
		kind := j.r.classify(g)
		p.cells, p.causes = p.cells[:0], p.causes[:0]
		if j.r.multiset && kind != nullKey {
			m := min(g.n[0], g.n[1])
			g.n[0], g.n[1] = g.n[0]-m, g.n[1]-m
			switch {
			case g.n[0] > 0:
				kind = onlyLeft
			case g.n[1] > 0:
				kind = onlyRight
			default:
				return nil
			}
		}
		rowCause, rowNote := unexplained, ""
		switch kind {
		case duplicated:
			rowCause = causeConflict
			if g.same {
				rowCause = causeDuplicate
			}
			j.blame(rowCause, g.n[0]+g.n[1], 0, g.key)
		case onlyLeft, onlyRight:
			if known := j.ask(kind, g.key); known.Cause != "" {
				rowCause, rowNote = known.Cause, known.Evidence
				j.blame(rowCause, g.n[0]+g.n[1], 0, g.key).note(rowNote)
			} else {
				j.rest.Rows += g.n[0] + g.n[1]
			}
		case nullKey:
			j.rest.Rows += g.n[0] + g.n[1]
		case pairClass:
			l, r := g.rows[0][0], g.rows[1][0]
			if err := j.compare(l, r, &p); err != nil {
				return err
			}
			j.blameCells(&p)
			j.remember(l, r)
			if p.class == "equal" {
				return nil
			}
		}
		if p.class != "within" || kind != pairClass {
			for side := range g.rows {
				if len(g.rows[side]) > 0 && (side == 0 || len(g.rows[0]) == 0) && (kind == pairClass || kind == onlyLeft || kind == onlyRight) {
					j.patterns.see(j, side, g.key, g.rows[side][0].cells(), max(g.n[side], 1))
				}
			}
			if kind == pairClass {
				rowCause = p.cause()
			}
			if room := len(j.examples[kind]) < j.r.opts.Examples; room || j.page.wants(kind.String(), rowCause) {
				e := j.example(kind, g, &p)
				if kind == onlyLeft || kind == onlyRight || kind == duplicated {
					e.Cause, e.Evidence = rowCause, rowNote
				}
				if room {
					j.examples[kind] = append(j.examples[kind], e)
				}
				j.page.add(e, rowCause)
			}
		}
		return out.group(j, kind, g, &p, rowCause, rowNote)
	})
}

// blame counts rows and cells of a cause.
func (j *jury) blame(cause string, rows, cells int64, key []byte) *causeCount {
	c := j.causes[cause]
	if c == nil {
		c = &causeCount{seen: map[int]map[suspicion]int64{}}
		j.causes[cause] = c
	}
	c.Rows += rows
	c.Cells += cells
	if len(c.keys) < 3 {
		c.keys = append(c.keys, j.r.keyJSON(key))
	}
	return c
}

// blameCells finds the cause of each cell of a pair that differs; a row counts once for each of its causes.
func (j *jury) blameCells(p *pair) {
	counted := map[string]bool{}
	known := j.askCells(p)
	for i := range p.cells {
		c := &p.cells[i]
		p.causes = append(p.causes, cellCause{})
		if c.within {
			continue
		}
		s := j.suspects[c.col]
		if known != nil && known[i].Cause != "" {
			n := j.causes[known[i].Cause]
			if n == nil || !counted[known[i].Cause] {
				n = j.blame(known[i].Cause, 1, 1, p.key)
				n.note(known[i].Evidence)
			} else {
				n.Cells++
			}
			counted[known[i].Cause] = true
			p.causes[i] = cellCause{cause: known[i].Cause, note: known[i].Evidence}
			n.saw(c.col, suspicion{cause: known[i].Cause})
			continue
		}
		cause, why := unexplained, suspicion{}
		var around []suspicion
		for _, x := range s.found {
			ok := false
			if x.cause == causeSwapped || x.cause == causeShifted {
				if around == nil {
					around = append([]suspicion{{}}, j.context(p, i)...)
				}
				for _, y := range around {
					ok = ok || x == y
				}
			} else {
				ok = s.fits(x, c.l, c.r)
			}
			if ok {
				cause, why = x.cause, x
				break
			}
		}
		p.causes[i] = cellCause{cause: cause, why: why}
		row := int64(0)
		if !counted[cause] {
			counted[cause] = true
			row = 1
		}
		if cause == unexplained {
			j.rest.Rows += row
			j.rest.Cells++
			continue
		}
		var n *causeCount
		if row == 1 {
			n = j.blame(cause, 1, 1, p.key)
		} else {
			n = j.causes[cause]
			n.Cells++
		}
		n.saw(c.col, why)
	}
}

// cellCause is a cell's cause and what it rests on.
type cellCause struct {
	cause string
	why   suspicion
	note  string // what a caller knew; else why says it
}

// verdicts lists the causes, the one with most rows first.
func (j *jury) verdicts() []Cause {
	out := []Cause{}
	for name, c := range j.causes {
		x := Cause{Cause: name, Rows: c.Rows, Cells: c.Cells, Columns: []string{}, ExampleKeys: c.keys}
		var lines []string
		for i := range j.r.cols {
			if len(c.seen[i]) == 0 {
				continue
			}
			x.Columns = append(x.Columns, j.r.cols[i].name)
			type line struct {
				text string
				n    int64
			}
			var ls []line
			for why, n := range c.seen[i] {
				if c.notes != nil {
					continue
				}
				ls = append(ls, line{j.suspects[i].evidence(why, j.r.cols[i].name, j.r.cols), n})
			}
			sort.Slice(ls, func(a, b int) bool { return ls[a].n > ls[b].n || ls[a].n == ls[b].n && ls[a].text < ls[b].text })
			for _, l := range ls[:min(len(ls), 5)] {
				lines = append(lines, fmt.Sprintf("%s (%d of %d cells)", l.text, l.n, j.stats[i].different))
			}
		}
		switch name {
		case causeDuplicate:
			lines = append(lines, "the rows of a key are all the same")
		case causeConflict:
			if c.notes == nil {
				lines = append(lines, "the rows of a key differ among themselves")
			}
		}
		lines = append(lines, c.notes...)
		x.Evidence = strings.Join(lines, "; ")
		out = append(out, x)
	}
	sort.Slice(out, func(a, b int) bool {
		return out[a].Rows > out[b].Rows || out[a].Rows == out[b].Rows && causeOrder[out[a].Cause] < causeOrder[out[b].Cause]
	})
	return out
}

func (c class) String() string {
	return [...]string{"changed", "only_left", "only_right", "duplicate", "null_key"}[c]
}

func (j *jury) example(kind class, g *group, p *pair) Example {
	e := Example{Class: kind.String(), Key: j.r.keyJSON(g.key), Left: g.n[0], Right: g.n[1], Cells: []Cell{}}
	if kind != pairClass {
		return e
	}
	for i, c := range p.cells {
		col := &j.r.cols[c.col]
		cell := Cell{Column: col.name, Left: cellJSON(&col.common, c.l), Right: cellJSON(&col.common, c.r), Class: "different",
			left: cellText(&col.common, c.l), right: cellText(&col.common, c.r)}
		if c.within {
			cell.Class = "within"
		} else if i < len(p.causes) {
			cell.Cause, cell.Evidence = p.causes[i].cause, p.causes[i].note
			if why := p.causes[i].why; why.cause != "" {
				cell.Evidence = j.suspects[c.col].evidence(why, col.name, j.r.cols)
			}
		}
		e.Cells = append(e.Cells, cell)
	}
	return e
}

// keyJSON renders a key as an object; of a multiset without a key, the whole row.
func (r *run) keyJSON(key []byte) json.RawMessage {
	out := []byte{'{'}
	add := func(c *column) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendQuoted(out, c.label()), ':')
		out, key = cutJSON(out, &c.common, key)
	}
	for i := range r.keys {
		add(&r.keys[i])
	}
	if len(r.keys) == 0 {
		for i := range r.cols {
			add(&r.cols[i])
		}
	}
	return append(out, '}')
}

// conclude writes the answer down.
func (r *run) conclude(ctx context.Context, s *sorter, j *jury) (*Result, error) {
	files, err := r.newReportFiles()
	if err != nil {
		return nil, err
	}
	defer files.abandon()
	if err := j.decide(ctx, s, files); err != nil {
		return nil, err
	}
	if err := files.pending(ctx); err != nil {
		return nil, err
	}
	res := &Result{Version: 1, Rows: j.rows, Causes: []Cause{}, Schema: r.schema, Uncomparable: r.refused, Examples: []Example{}, Key: []string{}, Patterns: []Pattern{}, WhatIf: []WhatIf{}}
	if res.Schema == nil {
		res.Schema = []Finding{}
	}
	if res.Uncomparable == nil {
		res.Uncomparable = []Uncomparable{}
	}
	for i := range r.keys {
		res.Key = append(res.Key, r.keys[i].label())
	}
	res.Causes, res.Unexplained = j.verdicts(), j.rest
	n := &res.Rows
	pairs := n.Equal + n.Within + n.Changed
	res.Columns = []Column{}
	for i := range r.cols {
		res.Columns = append(res.Columns, j.stats[i].column(&r.cols[i], pairs))
	}
	for _, e := range j.examples {
		res.Examples = append(res.Examples, e...)
	}
	res.page = j.page.rows
	j.whatIfs(res)
	if err := j.patterns.finish(ctx, res); err != nil {
		return nil, err
	}
	res.Horizon, res.Pending = r.horizonText(r.end), r.pendingText()
	for s, label := range []string{"left", "right"} {
		in := InputSide{Side: label, Name: r.sides[s].name, Files: []InputFile{}}
		for _, f := range r.sides[s].files {
			info := f.info
			info.Rows = 0
			for u := range f.units() {
				info.Rows += r.unitRows[s][f.first+u]
			}
			in.Files = append(in.Files, info)
		}
		res.Inputs = append(res.Inputs, in)
	}
	judged := n.Left + n.Right - n.PendingLeft - n.PendingRight
	switch {
	case n.DuplicateLeft+n.DuplicateRight+n.NullKeyLeft+n.NullKeyRight > 0:
		res.Verdict = BrokenKeys
	case n.Changed+n.OnlyLeft+n.OnlyRight > 0 || r.differs || len(r.refused) > 0:
		res.Verdict = Different
	case judged == 0:
		res.Verdict = Inconclusive
	default:
		res.Verdict = Equal
	}
	return res, files.publish(res)
}
