package validate

import (
	"fmt"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"time"
)

// WhatIf is the least tolerance under which a column would have passed, and what lesser ones leave.
type WhatIf struct {
	Column string `json:"column"`
	// Tolerance is what to write for --tolerance; "" where no tolerance makes the column pass.
	Tolerance string        `json:"tolerance"`
	Curve     []WhatIfPoint `json:"curve"`
}

// WhatIfPoint says how many cells still differ with a tolerance.
type WhatIfPoint struct {
	Tolerance string `json:"tolerance"`
	Different int64  `json:"different"`
}

// distances collects how far apart the times and texts of a column are; numbers are in the column's figures.
type distances struct {
	c     *typ
	most  *big.Int
	steps [len(timeSteps)]int64 // cells within each
	ways  [3]int64              // cells that pass trim, case, both
	cells int64
}

// timeSteps are the tolerances of the curve.
var timeSteps = [...]time.Duration{time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
	time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}

var textTolerances = [...]string{"trim", "case", "trim,case"}

func (d *distances) add(l, r []byte) {
	if l[0] == 0 || r[0] == 0 {
		return
	}
	_, li, lb, _ := cutCell(d.c, l)
	_, ri, rb, _ := cutCell(d.c, r)
	switch d.c.kind {
	case kTimestamp, kDate, kTime, kDuration:
		x := timeApart(d.c, li, lb, ri, rb)
		if d.most == nil || x.Cmp(d.most) > 0 {
			d.most = x
		}
		for i, s := range timeSteps {
			if x.Cmp(big.NewInt(int64(s))) <= 0 {
				d.steps[i]++
			}
		}
		d.cells++
	case kText:
		a, b := string(lb), string(rb)
		x, y := strings.TrimSpace(a), strings.TrimSpace(b)
		for i, passes := range []bool{x == y, strings.EqualFold(a, b), strings.EqualFold(x, y)} { // as tolerances do
			if passes {
				d.ways[i]++
			}
		}
		d.cells++
	}
}

// whatIf is what a column's differences would need. Nil where nothing differs or a tolerance is in force already.
func (j *jury) whatIf(i int, out *Column) *WhatIf {
	col, s, d := &j.r.cols[i], j.stats[i], j.ifs[i]
	if out.Different == 0 || col.tol != nil {
		return nil
	}
	w := &WhatIf{Column: out.Name, Curve: []WhatIfPoint{}}
	switch {
	case s.numeric && s.some:
		for _, q := range []float64{0.5, 0.9, 0.99} {
			if x := roundUp(s.percentile(q)); x > 0 {
				w.add("abs:"+strconv.FormatFloat(x, 'g', -1, 64), out.Different-s.upTo(x))
			}
		}
		most := "abs:" + strings.Trim(string(out.MaxAbs), `"`)
		w.add(most, out.Different-s.count)
		if s.count == out.Different {
			w.Tolerance = out.Name + "=" + most
		}
	case d.most != nil:
		for k, n := range d.steps {
			if n > 0 && n < d.cells {
				w.add("within:"+durationText(timeSteps[k]), out.Different-n)
			}
		}
		if d.most.IsInt64() {
			most := "within:" + durationText(time.Duration(d.most.Int64()))
			w.add(most, out.Different-d.cells)
			if d.cells == out.Different {
				w.Tolerance = out.Name + "=" + most
			}
		}
	case d.cells > 0:
		for k, n := range d.ways {
			if n == 0 || k == 2 && w.Tolerance != "" {
				continue
			}
			w.add(textTolerances[k], out.Different-n)
			if n == out.Different && w.Tolerance == "" {
				w.Tolerance = out.Name + "=" + textTolerances[k]
			}
		}
	}
	return w
}

// roundUp is a number of two digits that is no less: what a person would write.
func roundUp(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) {
		return x
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	for k := math.Floor(x / unit); ; k++ {
		if y, _ := strconv.ParseFloat(strconv.FormatFloat(k*unit, 'e', 1, 64), 64); y >= x {
			return y
		}
	}
}

// upTo is how many differences are at most x; where they are in buckets, at least that many are.
func (s *columnStats) upTo(x float64) int64 {
	n := int64(0)
	for _, y := range s.sizes {
		if y <= x {
			n++
		}
	}
	for b, c := range s.buckets {
		if b < bucket(x) {
			n += c
		}
	}
	return n
}

// durationText is a duration as people write it: 1h, 10m.
func durationText(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// add adds a point; the curve falls.
func (w *WhatIf) add(tolerance string, left int64) {
	if n := len(w.Curve); n > 0 && (w.Curve[n-1].Tolerance == tolerance || w.Curve[n-1].Different <= max(left, 0)) {
		w.Curve[n-1].Different = min(max(left, 0), w.Curve[n-1].Different)
		return
	}
	w.Curve = append(w.Curve, WhatIfPoint{tolerance, max(left, 0)})
}

// whatIfs are those of all columns that differ, and the flags under which the verdict would be equal: "" when rows,
// keys or the schema stand against it.
func (j *jury) whatIfs(res *Result) {
	possible := true
	for i := range res.Columns {
		w := j.whatIf(i, &res.Columns[i])
		if w == nil {
			possible = possible && res.Columns[i].Different == 0
			continue
		}
		res.WhatIf = append(res.WhatIf, *w)
		possible = possible && w.Tolerance != ""
	}
	sort.SliceStable(res.WhatIf, func(a, b int) bool { return res.WhatIf[a].Column < res.WhatIf[b].Column })
	n := &res.Rows
	if possible && n.OnlyLeft+n.OnlyRight+n.DuplicateLeft+n.DuplicateRight+n.NullKeyLeft+n.NullKeyRight == 0 && !j.r.differs && len(j.r.refused) == 0 {
		var flags []string
		for _, w := range res.WhatIf {
			flags = append(flags, fmt.Sprintf("--tolerance '%s'", strings.ReplaceAll(w.Tolerance, "'", `'\''`)))
		}
		res.EqualWith = strings.Join(flags, " ")
	}
}
