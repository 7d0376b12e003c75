package validate

import (
	"bytes"
	"context"
	"encoding/json"
)

// jury hears the marked rows in the order of their keys and counts.
type jury struct {
	r        *run
	cols     []int // columns whose cells the records carry
	rows     Rows
	stats    []*columnStats // by column of the plan
	sumLo    uint64
	sumHi    uint64
	pairs    int64
	examples [5][]Example
	pending  [2][][]byte
}

func newJury(r *run, cols []int) *jury {
	j := &jury{r: r, cols: cols}
	j.rows = Rows{Left: r.inScope[0], Right: r.inScope[1], Equal: r.match.equal, PendingLeft: r.pending[0], PendingRight: r.pending[1]}
	for i := range r.cols {
		j.stats = append(j.stats, newColumnStats(&r.cols[i].common))
	}
	return j
}

// pair is one matched pair of rows, with the cells that are not the same.
type pair struct {
	key   []byte
	cells []pairCell
	class string // equal, within, changed
}

type pairCell struct {
	col    int
	l, r   []byte
	within bool
}

// compare compares two rows cell by cell.
func (j *jury) compare(l, r record, out *pair) error {
	out.key, out.cells, out.class = l.key, out.cells[:0], "equal"
	a, b := l.cells(), r.cells()
	for _, c := range j.cols {
		col := &j.r.cols[c]
		n, m := cellLen(&col.common, a), cellLen(&col.common, b)
		x, y := a[:n], b[:m]
		a, b = a[n:], b[m:]
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
			lo, hi := deltaSum(l.lo()-r.lo(), l.hi()-r.hi())
			j.sumLo += lo
			j.sumHi += hi
			j.pairs++
			if err := j.compare(l, r, &p); err != nil {
				return err
			}
			for i := range p.cells {
				j.stats[p.cells[i].col].add(&p.cells[i])
			}
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
		if len(j.examples[kind]) < j.r.opts.Examples {
			j.examples[kind] = append(j.examples[kind], j.example(kind, g, &p))
		}
		return nil
	})
}

func (c class) String() string {
	return [...]string{"changed", "only_left", "only_right", "duplicate", "null_key"}[c]
}

func (j *jury) example(kind class, g *group, p *pair) Example {
	e := Example{Class: kind.String(), Key: j.r.keyJSON(g.key), Left: g.n[0], Right: g.n[1], Cells: []Cell{}}
	if kind != pairClass {
		return e
	}
	for _, c := range p.cells {
		col := &j.r.cols[c.col]
		cell := Cell{Column: col.name, Left: cellJSON(&col.common, c.l), Right: cellJSON(&col.common, c.r), Class: "different",
			left: cellText(&col.common, c.l), right: cellText(&col.common, c.r)}
		if c.within {
			cell.Class = "within"
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
	res := &Result{Version: 1, Rows: j.rows, Causes: []Cause{}, Schema: r.schema, Uncomparable: r.refused, Examples: []Example{}, Key: []string{}}
	if res.Schema == nil {
		res.Schema = []Finding{}
	}
	if res.Uncomparable == nil {
		res.Uncomparable = []Uncomparable{}
	}
	for i := range r.keys {
		res.Key = append(res.Key, r.keys[i].label())
	}
	n := &res.Rows
	pairs := n.Equal + n.Within + n.Changed
	res.Columns = []Column{}
	for i := range r.cols {
		res.Columns = append(res.Columns, j.stats[i].column(&r.cols[i], pairs))
	}
	for _, e := range j.examples {
		res.Examples = append(res.Examples, e...)
	}
	if r.end != nil {
		raw := appendSecNanos(nil, r.end.sec, seconds)
		raw[8], raw[9], raw[10], raw[11] = byte(r.end.nano>>24), byte(r.end.nano>>16), byte(r.end.nano>>8), byte(r.end.nano)
		res.Horizon = string(appendText(nil, &typ{kind: kTimestamp, unit: mixedUnit}, 0, raw))
	}
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
	return res, nil
}
