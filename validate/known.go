package validate

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
)

// The causes that only a caller can show, who knows more than both sides.
const (
	Late                 = "late"
	Pending              = "pending"
	Undecided            = "undecided"
	ConflictingCopy      = causeConflict
	LookupMissing        = "lookup_missing"
	LookupVersion        = "lookup_version"
	JoinWindow           = "join_window"
	ConflictingDuplicate = causeConflict
	DroppedByPolicy      = "dropped_by_policy"
)

// Difference is what a caller is asked about: a row on one side only, the rows of a key that is not unique, or
// one cell of a pair.
type Difference struct {
	Class string // changed, only_left, only_right, duplicate
	Key   json.RawMessage
	// Cells are those of a changed pair that differ; Cell is the one in question.
	Cells []Cell
	Cell  int
}

// Known is what a caller knows about a difference. The zero value says nothing: the values are looked at.
type Known struct {
	Cause    string
	Evidence string // of this difference
}

// note keeps what shows a cause, for the first rows of it.
func (c *causeCount) note(text string) {
	if text != "" && len(c.notes) < 3 && !slices.Contains(c.notes, text) {
		c.notes = append(c.notes, text)
	}
}

// saw counts a cell that a suspicion explains.
func (c *causeCount) saw(col int, why suspicion) {
	if c.seen[col] == nil {
		c.seen[col] = map[suspicion]int64{}
	}
	c.seen[col][why]++
}

// ask asks the caller about rows that are no pair.
func (j *jury) ask(kind class, key []byte) Known {
	if j.r.opts.Known == nil {
		return Known{}
	}
	return j.r.opts.Known(Difference{Class: kind.String(), Key: j.r.keyJSON(key)})
}

// askCells asks the caller about every cell of a pair that differs; nil when there is nobody to ask.
func (j *jury) askCells(p *pair) []Known {
	if j.r.opts.Known == nil || p.class != "changed" {
		return nil
	}
	d := Difference{Class: pairClass.String(), Key: j.r.keyJSON(p.key)}
	at := make([]int, len(p.cells))
	for i, c := range p.cells {
		at[i] = len(d.Cells)
		if col := &j.r.cols[c.col]; !c.within {
			d.Cells = append(d.Cells, Cell{Column: col.name, Left: cellJSON(&col.common, c.l), Right: cellJSON(&col.common, c.r), Class: "different"})
		}
	}
	out := make([]Known, len(p.cells))
	for i, c := range p.cells {
		if !c.within {
			d.Cell = at[i]
			out[i] = j.r.opts.Known(d)
		}
	}
	return out
}

// Keys renders the keys of a record's rows as Difference and the examples of a Result have them, each column in
// the record's own type.
func Keys(rec arrow.Record, key []string) ([]json.RawMessage, error) {
	n := int(rec.NumRows())
	out := make([]json.RawMessage, n)
	for k, name := range key {
		at := rec.Schema().FieldIndices(name)
		if len(at) != 1 {
			return nil, fmt.Errorf("the key column %q is there %d times", name, len(at))
		}
		src, err := arrowType(rec.Column(at[0]).DataType(), 0)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
		t := settle(src)
		v, err := arrowVec(rec.Column(at[0]), src, want{name: name, dst: t})
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
		packed := 0
		for r := range n {
			out[r] = append(appendQuoted(append(out[r], "{,"[min(k, 1)]), name), ':')
			if v.isNull(r) {
				out[r] = append(out[r], "null"...)
				continue
			}
			i, raw := v.at(packed)
			packed++
			out[r] = appendJSON(out[r], &t, i, raw)
		}
	}
	for r := range out {
		out[r] = append(out[r], '}')
	}
	return out, nil
}
