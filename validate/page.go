package validate

import (
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
)

const (
	pageRows  = 10_000  // examples on the page
	pageGroup = 9_000   // of one class and cause, so that a rare one has its place
	pageBytes = 3 << 20 // of their text
	pageText  = 400     // characters of a value
	pageFirst = 50      // examples that are there without JavaScript
	pageCells = 40      // cells of an example
)

// pageExamples are the examples of the page.
type pageExamples struct {
	rows   []Example
	groups map[string]int
	bytes  int
}

func (p *pageExamples) wants(j *jury, kind class, cause string) bool {
	if j.r.opts.Out == "" && !j.r.opts.Page || len(p.rows) >= pageRows || p.bytes >= pageBytes {
		return false
	}
	return p.groups[kind.String()+cause] < pageGroup
}

func (p *pageExamples) add(j *jury, e Example, kind class, cause string) {
	if !p.wants(j, kind, cause) {
		return
	}
	if p.groups == nil {
		p.groups = map[string]int{}
	}
	p.groups[kind.String()+cause]++
	size := min(len(e.Key), pageText) + len(e.Evidence) + 40
	for _, c := range e.Cells {
		size += len(c.Column) + min(len(c.left), pageText) + min(len(c.right), pageText) + len(c.Cause) + 20
	}
	p.bytes += size
	p.rows = append(p.rows, e)
}

// cause is the first cause of a pair's cells.
func (p *pair) cause() string {
	for i := range p.causes {
		if c := p.causes[i].cause; c != "" {
			return c
		}
	}
	return unexplained
}

// pageExample is an example as the page's script has it.
type pageExample struct {
	Class string     `json:"c"`
	Key   string     `json:"k"`
	Note  string     `json:"n,omitempty"`
	Cause string     `json:"u,omitempty"`
	Cells []pageCell `json:"e,omitempty"`
}

// pageCell has its texts in three pieces: the same, what differs, the same.
type pageCell struct {
	Column string    `json:"n"`
	Left   [3]string `json:"l"`
	Right  [3]string `json:"r"`
	Cause  string    `json:"u,omitempty"`
}

// cutDifference cuts two texts into what they share at the start, what differs, and what they share at the end.
func cutDifference(l, r string) (a, b [3]string) {
	x, y := []rune(clipText(l, pageText)), []rune(clipText(r, pageText))
	pre := 0
	for pre < len(x) && pre < len(y) && x[pre] == y[pre] {
		pre++
	}
	suf := 0
	for suf < len(x)-pre && suf < len(y)-pre && x[len(x)-1-suf] == y[len(y)-1-suf] {
		suf++
	}
	cut := func(s []rune) [3]string {
		return [3]string{string(s[:pre]), string(s[pre : len(s)-suf]), string(s[len(s)-suf:])}
	}
	return cut(x), cut(y)
}

func pageExampleOf(e *Example) pageExample {
	x := pageExample{Class: strings.ReplaceAll(e.Class, "_", " "), Key: clipText(keyPlain(e.Key), pageText), Note: e.Evidence, Cause: e.Cause}
	if e.Class == "duplicate" || e.Class == "null_key" {
		x.Note = strings.TrimSpace(fmt.Sprintf("%d left, %d right %s", e.Left, e.Right, e.Evidence))
	}
	for i, c := range e.Cells {
		if i == pageCells {
			x.Note = strings.TrimSpace(x.Note + fmt.Sprintf(" and %d more cells", len(e.Cells)-i))
			break
		}
		cell := pageCell{Column: c.Column, Cause: c.Cause}
		if c.Class == "within" {
			cell.Cause = "within tolerance"
		}
		l, r := c.left, c.right
		if string(c.Left) == "null" || string(c.Right) == "null" {
			cell.Left, cell.Right = [3]string{1: clipText(l, pageText)}, [3]string{1: clipText(r, pageText)}
		} else {
			cell.Left, cell.Right = cutDifference(l, r)
		}
		x.Cells = append(x.Cells, cell)
	}
	return x
}

// pageBar is a bar of the timeline.
type pageBar struct {
	X, W, Y, H float64
	Title      string
}

type pageColumn struct {
	Column
	Type, Max, P50, P99, Bar, Percent string
	Differ, Tolerated, NullL, NullR   string
	WhatIf                            *WhatIf
	Top                               []pageChange
}

type pageChange struct {
	Left, Right string
	Count       string
}

type pageData struct {
	Verdict                                       Verdict
	Headline, Sentence, Left, Right, Key, Pending string
	EqualWith                                     string
	Rows                                          []pageCount
	Columns, Same                                 []pageColumn
	Schema                                        []Finding
	Uncomparable                                  []Uncomparable
	Causes                                        []pageCause
	Patterns                                      []pagePattern
	Bars                                          []pageBar
	TimeTitle, TimeFrom, TimeTo, TimeMost         string
	First, All                                    []pageExample
	Shown                                         string
}

type pageCount struct{ Name, Left, Right string }

type pageCause struct {
	Name, Rows, Cells, Bar string
	Evidence               []string
	Keys                   []string
}

type pagePattern struct{ Column, Value, Different, Rows, Lift, Bar string }

// WriteHTML writes one page that needs no network and no server, and reads without JavaScript. Its examples are
// those of Options.Page where that was asked for.
func WriteHTML(w io.Writer, res *Result) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return err
	}
	d := pageData{Verdict: res.Verdict, Headline: headline(res), Sentence: sentence(res), Key: strings.Join(res.Key, ", "), Pending: res.Pending,
		EqualWith: res.EqualWith, Schema: res.Schema, Uncomparable: res.Uncomparable, First: []pageExample{}, All: []pageExample{}}
	if len(res.Inputs) == 2 {
		d.Left, d.Right = res.Inputs[0].Name, res.Inputs[1].Name
	}
	for _, r := range countRows(&res.Rows) {
		if r.Left+r.Right > 0 || r.Name == "all" || r.Name == "equal" {
			d.Rows = append(d.Rows, pageCount{r.Name, digits(r.Left), digits(r.Right)})
		}
	}
	d.columns(res)
	d.causes(res)
	for _, p := range res.Patterns {
		d.Patterns = append(d.Patterns, pagePattern{p.Column, clipText(plain(p.Value), 80), digits(p.Different), digits(p.Rows), fmt.Sprintf("%.1f", p.Lift),
			percent(p.Different, max(p.Rows, 1))})
	}
	d.timeline(res.Timeline)
	examples := res.page
	if len(examples) == 0 {
		examples = res.Examples
	}
	for i := range examples {
		x := pageExampleOf(&examples[i])
		if i < pageFirst {
			d.First = append(d.First, x)
		}
		d.All = append(d.All, x)
	}
	n := &res.Rows
	rows := n.Changed + n.OnlyLeft + n.OnlyRight + n.DuplicateLeft + n.DuplicateRight + n.NullKeyLeft + n.NullKeyRight
	d.Shown = digits(int64(len(examples)))
	if rows > int64(len(examples)) {
		d.Shown += " of " + digits(rows) + " rows that differ; diff.parquet and its like have all"
	} else {
		d.Shown += " in all"
	}
	return t.Execute(w, d)
}

func (d *pageData) columns(res *Result) {
	for _, c := range res.Columns {
		p := pageColumn{Column: c, Type: c.TypeLeft, Max: brief(c.MaxAbs), P50: brief(c.P50), P99: brief(c.P99),
			Differ: digits(c.Different), Tolerated: digits(c.Within), NullL: digits(c.NullLeft), NullR: digits(c.NullRight)}
		if c.TypeRight != c.TypeLeft {
			p.Type += " / " + c.TypeRight
		}
		p.Bar, p.Percent = percent(c.Different, max(c.Compared, 1)), share(c.Different, c.Compared)
		for i := range res.WhatIf {
			if res.WhatIf[i].Column == c.Name {
				p.WhatIf = &res.WhatIf[i]
			}
		}
		for _, x := range c.Changes {
			if x.Count > 1 {
				p.Top = append(p.Top, pageChange{clipText(plain(x.Left), 60), clipText(plain(x.Right), 60), digits(x.Count)})
			}
		}
		if c.Different+c.Within > 0 {
			d.Columns = append(d.Columns, p)
		} else {
			d.Same = append(d.Same, p)
		}
	}
}

func (d *pageData) causes(res *Result) {
	most := res.Unexplained.Rows
	for _, c := range res.Causes {
		most = max(most, c.Rows)
	}
	for _, c := range res.Causes {
		x := pageCause{Name: c.Cause, Rows: digits(c.Rows), Cells: digits(c.Cells), Bar: percent(c.Rows, max(most, 1)), Evidence: strings.Split(c.Evidence, "; ")}
		for _, k := range c.ExampleKeys {
			x.Keys = append(x.Keys, clipText(keyPlain(k), 120))
		}
		d.Causes = append(d.Causes, x)
	}
	if u := res.Unexplained; u.Rows > 0 {
		d.Causes = append(d.Causes, pageCause{Name: unexplained, Rows: digits(u.Rows), Cells: digits(u.Cells), Bar: percent(u.Rows, max(most, 1))})
	}
}

// timeline draws at most 400 bars of the rows that differ, in a box of 1000 by 120.
func (d *pageData) timeline(t *Timeline) {
	if t == nil || len(t.Buckets) == 0 {
		return
	}
	first, last := t.Buckets[0].at, t.Buckets[len(t.Buckets)-1].at
	slots := (last-first)/t.Seconds + 1
	merge := (slots + 399) / 400
	bars := (slots + merge - 1) / merge
	diff, rows, from := make([]int64, bars), make([]int64, bars), make([]string, bars)
	most := int64(1)
	for _, b := range t.Buckets {
		i := (b.at - first) / t.Seconds / merge
		diff[i] += b.Different
		rows[i] += b.Rows
		if from[i] == "" {
			from[i] = b.Start
		}
		most = max(most, diff[i])
	}
	w := 1000 / float64(bars)
	for i := range diff {
		if diff[i] == 0 {
			continue
		}
		h := max(1.5, 110*float64(diff[i])/float64(most))
		d.Bars = append(d.Bars, pageBar{float64(i) * w, max(w*0.86, 0.8), 115 - h, h, fmt.Sprintf("%s: %s of %s rows differ", from[i], digits(diff[i]), digits(rows[i]))})
	}
	unit := map[int64]string{hour: "hour", 24 * hour: "day", 7 * 24 * hour: "week"}[t.Seconds*merge]
	if unit == "" {
		unit = fmt.Sprintf("%d hours", t.Seconds*merge/hour)
	}
	d.TimeTitle = fmt.Sprintf("rows that differ, by %s, per %s", t.Column, unit)
	d.TimeFrom, d.TimeTo, d.TimeMost = t.Buckets[0].Start, t.Buckets[len(t.Buckets)-1].Start, digits(most)
}

// keyPlain writes a key's object without the noise of JSON.
func keyPlain(key []byte) string {
	s := keyText(key)
	return strings.NewReplacer(`":`, " = ", `,"`, ", ", `"`, "").Replace(s)
}

// brief is a number with as many digits as a table has room for.
func brief(m []byte) string {
	s := plain(m)
	if f, err := strconv.ParseFloat(s, 64); err == nil && len(s) > 10 {
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	return s
}

// digits is a number with its thousands apart.
func digits(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(n, of int64) string { return fmt.Sprintf("%.2f", 100*float64(n)/float64(of)) }

// share is a part of a whole as people read it.
func share(n, of int64) string {
	switch {
	case n == 0 || of == 0:
		return ""
	case n*10000 < of:
		return "< 0.01 %"
	}
	return percent(n, of) + " %"
}
