package sql

import (
	"fmt"
	"slices"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// boundWindow is a window table function over the first source.
type boundWindow struct {
	Window
	at   Pos
	kind string
	ref  *windowRef
}

// windowColumns are those that a window table function adds.
var windowColumns = []string{"window_start", "window_end", "window_time"}

// window makes a source of TUMBLE, HOP or SESSION: the columns of what it is over, and the window's three.
func (br *branch) window(s *source, w *windowRef) {
	s.rel.Fields = append([]schema.Field{}, s.rel.Fields...)
	out := &boundWindow{at: w.Pos, kind: w.Kind, ref: w}
	if len(br.sources) > 0 {
		br.problem(w.Pos, w.Kind+" on the right of a join is not run", "write it behind FROM, and join streams within a band of time")
		s.absent = true
		return
	}
	if s.time < 0 || s.rel.Fields[s.time-s.base].Name != w.Time.Parts[0] {
		if s.rel.Time == "" {
			br.problem(w.Time.Pos, "the subquery does not select the event time of its rows", "add it to its select list")
		} else {
			br.problem(w.Time.Pos, fmt.Sprintf("%s is not the event time", w.Time.Parts[0]), "write DESCRIPTOR("+s.rel.Time+")")
		}
		s.absent = true
		return
	}
	for _, name := range windowColumns {
		if fieldIndex(s.rel.Fields, name) >= 0 {
			br.problem(w.Data.Pos, fmt.Sprintf("what %s is over has a column %s already", w.Kind, name), "give it another name in the subquery: "+name+" AS inner_"+name)
			s.absent = true
			return
		}
	}
	lengths := make([]int64, len(w.Args))
	for i, a := range w.Args {
		v, ok := constant(a)
		if !ok || v.Months != 0 {
			br.problem(a.at(), w.Kind+" takes lengths that are constant, in days or shorter", "write "+windowForm(w.Kind))
			s.absent = true
			return
		}
		if lengths[i] = v.Micros; v.Micros%1000 != 0 {
			br.problem(a.at(), "a window is as long as whole milliseconds", "window_time is its last millisecond, as in Flink")
			s.absent = true
		}
	}
	least, most := 1, 2
	switch w.Kind {
	case "HOP":
		least, most = 2, 3
	case "SESSION":
		most = 1
	}
	if len(lengths) < least || len(lengths) > most {
		br.problem(w.Pos, fmt.Sprintf("%s does not take %d lengths", w.Kind, len(lengths)), "write "+windowForm(w.Kind))
		s.absent = true
		return
	}
	for _, l := range lengths[:least] {
		if l <= 0 {
			br.problem(w.Pos, w.Kind+" takes lengths above zero", "write "+windowForm(w.Kind))
			s.absent = true
			return
		}
	}
	switch w.Kind {
	case "TUMBLE":
		out.Size, out.Slide = lengths[0], lengths[0]
	case "HOP":
		out.Slide, out.Size = lengths[0], lengths[1]
		if out.Size%out.Slide != 0 {
			br.problem(w.Pos, "the size of a HOP is no multiple of its slide", "write the slide first: HOP(TABLE s, DESCRIPTOR(t), INTERVAL '5' MINUTE, INTERVAL '1' HOUR)")
			s.absent = true
			return
		}
	case "SESSION":
		out.Gap = lengths[0]
	}
	if len(lengths) > least {
		out.Offset = lengths[least] % out.Slide
	}
	s.window = out
	t := schema.Type{Kind: schema.Timestamp, Precision: 3}
	if w.Kind == "SESSION" { // it begins with a row, whose time may be finer
		t.Precision = max(3, s.rel.Fields[s.time-s.base].Type.Precision)
	}
	for _, name := range windowColumns {
		s.rel.Fields = append(s.rel.Fields, schema.Field{Name: name, Type: t})
	}
}

// session checks that nothing but the session's own columns decides which rows are in it: sessions are made before
// anything else is done to the rows.
func (br *branch) session() {
	w := br.group.window
	if w.Gap == 0 {
		return
	}
	const inside = "write it in a subquery: SESSION(TABLE (SELECT .. FROM .. WHERE ..), DESCRIPTOR(t), ..), or FILTER (WHERE ..) behind an aggregate"
	if br.stmt.Where != nil {
		br.problem(br.stmt.Where.at(), "WHERE around a SESSION is not run: sessions are made of all rows", inside)
	}
	for _, j := range br.stmt.Joins {
		br.problem(j.Pos, "a join beside a SESSION is not run: sessions are made of all rows", inside)
	}
	visible := br.visible
	br.visible = 1
	keys := len(br.group.keys)
	for _, x := range w.ref.Partition {
		n := br.expr(x)
		if n == nil {
			continue
		}
		if br.addKey(x.at(), n); len(br.group.keys) > keys {
			br.problem(x.at(), "PARTITION BY has a column that GROUP BY lacks", "name the same columns in both")
			keys = len(br.group.keys)
		}
		keys--
	}
	if keys > 0 && len(br.problems) == 0 {
		br.problem(br.stmt.GroupBy[0].at(), "GROUP BY has a column that the PARTITION BY of SESSION lacks", "name the same columns in both: SESSION(TABLE s PARTITION BY (k), DESCRIPTOR(t), ..)")
	}
	br.visible = visible
}

// beforeWindow refuses the window's columns where rows have no window yet.
func (br *branch) beforeWindow() {
	if br.sources[0].window == nil {
		return
	}
	nodes := slices.Clone(br.where)
	for _, f := range br.filters {
		nodes = append(nodes, f...)
	}
	for _, j := range br.joins {
		nodes = append(nodes, slices.Concat(j.left, j.right, j.keys, j.on, []*expr.Node{j.asOf})...)
	}
	for _, n := range nodes {
		for _, c := range columnsIn(n) {
			if br.windowColumn(c) >= 0 {
				br.problem(br.sources[0].window.at, c.Name+" in WHERE or ON: a row's window is known only behind GROUP BY", "write it in HAVING")
				return
			}
		}
	}
}
