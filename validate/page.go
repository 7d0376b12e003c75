package validate

import (
	"bytes"
	"encoding/json"
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

// pageExamples are the examples of the page, or of one of several parts that share it.
type pageExamples struct {
	parts  int
	rows   []Example
	groups map[string]int
	bytes  int
}

func (p *pageExamples) wants(class, cause string) bool {
	if p.parts == 0 || len(p.rows) >= pageRows/p.parts || p.bytes >= pageBytes/p.parts {
		return false
	}
	return p.groups[class+cause] < pageGroup/p.parts
}

func (p *pageExamples) add(e Example, cause string) {
	if !p.wants(e.Class, cause) {
		return
	}
	if p.groups == nil {
		p.groups = map[string]int{}
	}
	p.groups[e.Class+cause]++
	size := min(len(e.Key), pageText) + len(e.Evidence) + 40
	for _, c := range e.Cells {
		size += len(c.Column) + min(len(c.left), pageText) + min(len(c.right), pageText) + len(c.Cause) + 20
	}
	p.bytes += size
	p.rows = append(p.rows, e)
}

// cause is a row's cause, or the first of its cells.
func (e *Example) cause() string {
	for i := range e.Cells {
		if c := e.Cells[i].Cause; c != "" {
			return c
		}
	}
	if e.Cause != "" {
		return e.Cause
	}
	return unexplained
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
		l, r := visible(c.left), visible(c.right)
		if string(c.Left) == "null" || string(c.Right) == "null" || l == "" || r == "" {
			cell.Left, cell.Right = [3]string{1: clipText(quoteEmpty(l), pageText)}, [3]string{1: clipText(quoteEmpty(r), pageText)}
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

// HTMLReport is one page about several comparisons.
type HTMLReport struct {
	Title    string
	Verdict  Verdict
	Headline string
	Sentence string
	Curves   []HTMLCurve
	Parts    []HTMLPart
}

// HTMLPart is one of them. Name is a word; Sides and Meaning say what is compared, and what for.
type HTMLPart struct {
	Name, Sides, Meaning string
	Result               *Result
}

// HTMLCurve is a number by a setting: Axis names the setting, Unit the number.
type HTMLCurve struct {
	Title, Text, Axis, Unit string
	Points                  []HTMLPoint
}

// HTMLPoint is a point of a curve.
type HTMLPoint struct {
	Label string
	Value int64
}

// page is what the template gets.
type page struct {
	Title, Headline, Sentence string
	Verdict                   Verdict
	Many, Examples            bool
	Curves                    []pageCurve
	Parts                     []*pageData
}

type pageCurve struct {
	HTMLCurve
	Points []pagePoint
}

type pagePoint struct{ Label, Count, Bar string }

type pageData struct {
	ID, Name, Sides, Meaning                                  string
	Agree, OnlyLeft, OnlyRight, Changed, Waiting, Unexplained string
	Verdict                                                   Verdict
	Headline, Sentence, Left, Right, Key, Pending             string
	EqualWith                                                 string
	Rows                                                      []pageCount
	Columns, Same                                             []pageColumn
	Schema                                                    []Finding
	Uncomparable                                              []Uncomparable
	Causes                                                    []pageCause
	Patterns                                                  []pagePattern
	Bars                                                      []pageBar
	TimeTitle, TimeFrom, TimeTo, TimeMost                     string
	First, All                                                []pageExample
	Shown                                                     string
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
	d := newPageData(res, 1)
	return writePage(w, &page{Title: d.Headline + ": " + d.Left + " and " + d.Right, Headline: d.Headline, Sentence: d.Sentence, Verdict: d.Verdict, Parts: []*pageData{d}})
}

// WriteHTMLReport writes one page for several comparisons, which share its room.
func WriteHTMLReport(w io.Writer, r *HTMLReport) error {
	p := &page{Title: r.Title, Headline: r.Headline, Sentence: r.Sentence, Verdict: r.Verdict, Many: true}
	for _, c := range r.Curves {
		most := int64(1)
		for _, x := range c.Points {
			most = max(most, x.Value)
		}
		out := pageCurve{HTMLCurve: c}
		for _, x := range c.Points {
			out.Points = append(out.Points, pagePoint{x.Label, digits(x.Value), percent(x.Value, most)})
		}
		p.Curves = append(p.Curves, out)
	}
	for _, part := range r.Parts {
		d := newPageData(part.Result, len(r.Parts))
		n := &part.Result.Rows
		d.ID, d.Name, d.Sides, d.Meaning = part.Name, part.Name, part.Sides, part.Meaning
		d.Agree, d.OnlyLeft, d.OnlyRight, d.Changed = digits(n.Equal+n.Within), digits(n.OnlyLeft), digits(n.OnlyRight), digits(n.Changed)
		d.Waiting, d.Unexplained = digits(n.PendingLeft+n.PendingRight), digits(part.Result.Unexplained.Rows)
		p.Parts = append(p.Parts, d)
	}
	return writePage(w, p)
}

func writePage(w io.Writer, p *page) error {
	part := pagePart
	if p.Many { // the parts have headings of their own
		part = strings.NewReplacer("<h2", "<h3", "</h2", "</h3").Replace(part)
	}
	t, err := template.New("page").Parse(pageHead + pageTail + `{{define "part"}}` + part + `{{end}}`)
	if err != nil {
		return err
	}
	for _, d := range p.Parts {
		p.Examples = p.Examples || len(d.All) > 0
	}
	return t.Execute(w, p)
}

// newPageData is a comparison as the page shows it, when so many share the page.
func newPageData(res *Result, parts int) *pageData {
	d := &pageData{Verdict: res.Verdict, Headline: headline(res), Sentence: sentence(res), Key: strings.Join(res.Key, ", "), Pending: res.Pending,
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
		d.Patterns = append(d.Patterns, pagePattern{p.Column, clipText(shown(p.Value), 80), digits(p.Different), digits(p.Rows), fmt.Sprintf("%.1f", p.Lift),
			percent(p.Different, max(p.Rows, 1))})
	}
	d.timeline(res.Timeline)
	examples := res.page
	if len(examples) == 0 {
		examples = res.Examples
	}
	if parts > 1 {
		room := pageExamples{parts: parts}
		for _, e := range examples {
			room.add(e, e.cause())
		}
		examples = room.rows
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
	return d
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
				p.Top = append(p.Top, pageChange{clipText(shown(x.Left), 60), clipText(shown(x.Right), 60), digits(x.Count)})
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
	dec := json.NewDecoder(bytes.NewReader(key))
	_, _ = dec.Token()
	var parts []string
	for dec.More() {
		name, err := dec.Token()
		var v json.RawMessage
		if err != nil || dec.Decode(&v) != nil {
			return string(key)
		}
		text := "null"
		if string(v) != text {
			text = plain(v)
		}
		parts = append(parts, fmt.Sprintf("%s = %s", name, text))
	}
	return visible(strings.Join(parts, ", "))
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
