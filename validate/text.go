package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// TextOptions says how a report is written for people.
type TextOptions struct {
	All    bool // every column, not only those that differ
	Colour bool
}

// The colours, as terminals number them.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

const textWidth = 80

// WriteText writes the report for a terminal of 80 columns; the verdict is its first line.
func WriteText(w io.Writer, res *Result, opts TextOptions) error {
	t := &textReport{colour: opts.Colour}
	n := &res.Rows
	switch res.Verdict {
	case Equal:
		t.verdict(green, "EQUAL", equalSentence(res))
	case Different:
		t.verdict(red, "DIFFERENT", differentSentence(res))
	case BrokenKeys:
		t.verdict(red, "BROKEN KEYS", brokenSentence(n))
	case Inconclusive:
		t.verdict(yellow, "INCONCLUSIVE", inconclusiveSentence(n))
	}
	t.line("")
	t.row("", "left", "right")
	t.counts("rows", n.Left, n.Right, true)
	t.counts("equal", n.Equal, n.Equal, true)
	t.counts("within tolerance", n.Within, n.Within, false)
	t.counts("changed", n.Changed, n.Changed, false)
	t.counts("only on this side", n.OnlyLeft, n.OnlyRight, false)
	t.counts("duplicate keys", n.DuplicateLeft, n.DuplicateRight, false)
	t.counts("keys all NULL", n.NullKeyLeft, n.NullKeyRight, false)
	t.counts("pending", n.PendingLeft, n.PendingRight, false)
	if n.PendingLeft+n.PendingRight > 0 {
		t.wrapped(0, "rows "+res.Pending+" are pending")
	}
	t.columns(res, opts.All)
	t.schema(res)
	t.causes(res)
	t.patterns(res)
	t.whatIf(res)
	t.examples(res)
	_, err := io.WriteString(w, t.b.String())
	return err
}

func equalSentence(res *Result) string {
	n := &res.Rows
	s := fmt.Sprintf("%s in %s", agree(n.Equal+n.Within, "row"), counted(int64(len(res.Columns)), "column"))
	if n.Within > 0 {
		s += fmt.Sprintf(", %d of them within tolerance", n.Within)
	}
	if p := max(n.PendingLeft, n.PendingRight); p > 0 {
		s += fmt.Sprintf("; %d are pending", p)
	}
	return s
}

func differentSentence(res *Result) string {
	n := &res.Rows
	var parts []string
	if n.Changed > 0 {
		parts = append(parts, counted(n.Changed, "row")+" changed")
	}
	for where, c := range []int64{n.OnlyLeft, n.OnlyRight} {
		if c > 0 {
			parts = append(parts, fmt.Sprintf("%d only on the %s", c, [2]string{"left", "right"}[where]))
		}
	}
	schema := int64(len(res.Uncomparable))
	for _, f := range res.Schema {
		if f.Different {
			schema++
		}
	}
	if schema > 0 {
		parts = append(parts, counted(schema, "column")+" without a counterpart")
	}
	return strings.Join(parts, ", ") + "; " + agree(n.Equal+n.Within, "")
}

// counted is a number of things.
func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// agree says of how many rows it holds; what is "" where it is clear what they are.
func agree(n int64, what string) string {
	s := fmt.Sprint(n)
	if what != "" {
		s = counted(n, what)
	}
	if n == 1 {
		return s + " agrees"
	}
	return s + " agree"
}

func brokenSentence(n *Rows) string {
	var parts []string
	if n.DuplicateLeft+n.DuplicateRight > 0 {
		parts = append(parts, fmt.Sprintf("%s on the left and %d on the right share a key that is not unique", counted(n.DuplicateLeft, "row"), n.DuplicateRight))
	}
	if n.NullKeyLeft+n.NullKeyRight > 0 {
		parts = append(parts, fmt.Sprintf("%s on the left and %d on the right have a key that is NULL as a whole", counted(n.NullKeyLeft, "row"), n.NullKeyRight))
	}
	return strings.Join(parts, "; ")
}

func inconclusiveSentence(n *Rows) string {
	if n.Left+n.Right == 0 {
		return "there are no rows to judge"
	}
	return "every row is still pending"
}

type textReport struct {
	b      strings.Builder
	colour bool
}

func (t *textReport) paint(code, s string) string {
	if !t.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// verdict is the first line, and no more than that.
func (t *textReport) verdict(code, word, sentence string) {
	t.line(t.paint(code, word) + ": " + sentence)
}

func (t *textReport) line(s string) { t.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// wrapped writes a text behind an indent, broken at spaces.
func (t *textReport) wrapped(indent int, s string) {
	line := ""
	for _, word := range strings.Fields(s) {
		word = clipText(visible(word), textWidth-indent)
		if line != "" && uniseg.StringWidth(line)+1+uniseg.StringWidth(word) > textWidth-indent {
			t.line(strings.Repeat(" ", indent) + line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	t.line(strings.Repeat(" ", indent) + line)
}

// marked writes a text behind a mark of two characters, and what does not fit the line below it.
func (t *textReport) marked(mark, s string) {
	at := t.b.Len()
	t.wrapped(4, s)
	text := t.b.String()
	t.b.Reset()
	t.b.WriteString(text[:at] + mark + strings.TrimPrefix(text[at:], "    "))
}

func (t *textReport) row(a, b, c string) { t.line(fmt.Sprintf("%-20s %14s %14s", a, b, c)) }

func (t *textReport) counts(name string, l, r int64, always bool) {
	if always || l+r > 0 {
		t.row(name, fmt.Sprint(l), fmt.Sprint(r))
	}
}

func (t *textReport) columns(res *Result, all bool) {
	head := false
	for _, c := range res.Columns {
		if !all && c.Different == 0 && c.Within == 0 {
			continue
		}
		if !head {
			head = true
			t.line("")
			t.line(fmt.Sprintf("%-22s %11s %11s %9s %9s  %s", "column", "different", "within", "null left", "right", "largest"))
		}
		t.line(fmt.Sprintf("%s %11d %11d %9d %9d  %s", padText(clipText(visible(c.Name), 22), 22), c.Different, c.Within, c.NullLeft, c.NullRight, clipText(brief(c.MaxAbs), 12)))
	}
	if !all && !head && len(res.Columns) > 0 && res.Verdict != Equal && res.Rows.Changed == 0 && res.Rows.Equal > 0 {
		t.line("")
		t.line("no column differs in the rows that both sides have")
	}
}

func (t *textReport) schema(res *Result) {
	if len(res.Schema) > 0 {
		t.line("")
		t.line("schema")
	}
	for _, f := range res.Schema {
		types := ""
		switch {
		case f.Left != "" && f.Right != "":
			types = " (" + f.Left + " / " + f.Right + ")"
		case f.Left+f.Right != "":
			types = " (" + f.Left + f.Right + ")"
		}
		mark := "  "
		if f.Different {
			mark = t.paint(red, "! ")
		}
		t.marked(mark, strings.TrimPrefix(f.Column+types+": "+f.Text, ": "))
	}
	if len(res.Uncomparable) > 0 {
		t.line("")
		t.line("not compared")
		for _, c := range res.Uncomparable {
			t.marked(t.paint(red, "! "), fmt.Sprintf("%s: %s with %s, %s", c.Column, c.TypeLeft, c.TypeRight, c.Reason))
		}
	}
}

func (t *textReport) causes(res *Result) {
	if len(res.Causes) == 0 && res.Unexplained.Rows == 0 {
		return
	}
	t.line("")
	t.line(fmt.Sprintf("%-22s %12s %12s", "causes", "rows", "cells"))
	for _, c := range res.Causes {
		t.line(fmt.Sprintf("  %-20s %12d %12d", c.Cause, c.Rows, c.Cells))
		for _, line := range strings.Split(c.Evidence, "; ") {
			t.wrapped(6, line)
		}
	}
	if res.Unexplained.Rows > 0 {
		t.line(fmt.Sprintf("  %-20s %12d %12d", unexplained, res.Unexplained.Rows, res.Unexplained.Cells))
	}
}

func (t *textReport) patterns(res *Result) {
	if len(res.Patterns) == 0 {
		return
	}
	t.line("")
	t.line(fmt.Sprintf("%-48s %9s %9s %11s", "patterns", "different", "of rows", "times share"))
	for _, p := range res.Patterns[:min(len(res.Patterns), 5)] {
		t.line(fmt.Sprintf("  %s %9d %9d %11.1f", padText(clipText(visible(p.Column)+" = "+shown(p.Value), 46), 46), p.Different, p.Rows, p.Lift))
	}
}

// whatIf says under which tolerances the sides would be equal, if there are any.
func (t *textReport) whatIf(res *Result) {
	if res.EqualWith == "" || len(res.EqualWith) > 300 {
		return
	}
	t.line("")
	t.line("equal with")
	for _, flag := range strings.Split(res.EqualWith, " --") {
		t.line("  --" + clipText(visible(strings.TrimPrefix(flag, "--")), textWidth-4))
	}
}

// textExamples is how many examples a terminal shows; the classes take turns.
const textExamples = 5

func (t *textReport) examples(res *Result) {
	byClass := map[string][]*Example{}
	var classes []string
	for i := range res.Examples {
		e := &res.Examples[i]
		if byClass[e.Class] == nil {
			classes = append(classes, e.Class)
		}
		byClass[e.Class] = append(byClass[e.Class], e)
	}
	if len(classes) == 0 {
		return
	}
	t.line("")
	t.line("examples")
	room := max(textExamples, len(classes))
	for k, class := range classes {
		n := (room + len(classes) - k - 1) / (len(classes) - k)
		n = min(n, len(byClass[class]))
		room -= n
		for _, e := range byClass[class][:n] {
			t.example(e)
		}
	}
}

func (t *textReport) example(e *Example) {
	mark := map[string]string{"changed": "*", "only_left": "-", "only_right": "+", "duplicate": "=", "null_key": "0"}[e.Class]
	extra := ""
	if e.Class == "duplicate" || e.Class == "null_key" {
		extra = fmt.Sprintf(" (%d left, %d right)", e.Left, e.Right)
	}
	t.line(clipText(fmt.Sprintf("%s %s %s%s", mark, e.Class, visible(keyText(e.Key)), extra), textWidth))
	if e.Evidence != "" {
		t.wrapped(4, e.Cause+": "+e.Evidence)
	}
	for _, c := range e.Cells {
		if c.Class == "within" {
			continue
		}
		cause := ""
		if c.Cause != "" && c.Cause != unexplained {
			cause = "  (" + c.Cause + ")"
		}
		name := clipText(visible(c.Column), 20)
		room := textWidth - 10 - uniseg.StringWidth(name) - len(cause)
		l, r := markDifference(c.left, c.right, string(c.Left) == "null", string(c.Right) == "null", room/2)
		t.line(fmt.Sprintf("    %s: %s -> %s%s", name, t.paint(red, l), t.paint(green, r), t.paint(dim, cause)))
	}
}

// keyText writes a key's object without its braces.
func keyText(key json.RawMessage) string {
	return strings.TrimSuffix(strings.TrimPrefix(string(key), "{"), "}")
}

// markDifference puts brackets around what differs between two texts, which are short when they have no room.
func markDifference(l, r string, nullL, nullR bool, room int) (string, string) {
	short := func(s string, null bool) string {
		if null {
			return "NULL"
		}
		return clipText(quoteEmpty(visible(s)), room)
	}
	if nullL || nullR || l == r {
		return short(l, nullL), short(r, nullR)
	}
	a, b := []rune(l), []rune(r)
	pre := 0
	for pre < len(a) && pre < len(b) && a[pre] == b[pre] {
		pre++
	}
	suf := 0
	for suf < len(a)-pre && suf < len(b)-pre && a[len(a)-1-suf] == b[len(b)-1-suf] {
		suf++
	}
	if pre+suf == 0 {
		return short(l, false), short(r, false)
	}
	room = max(room-2, 16) // the brackets
	show := func(x []rune) string {
		near := 4 * room // what is farther away is cut in any case
		cut := len(x) - suf
		head, mid, end := visible(string(x[max(pre-near, 0):pre])), visible(string(x[pre:min(cut, pre+near)])), visible(string(x[cut:min(len(x), cut+near)]))
		if long := uniseg.StringWidth(head + mid + end); long > room {
			mid = clipText(mid, room-8)
			rest := room - uniseg.StringWidth(mid)
			tail := min(uniseg.StringWidth(end), max(rest-min(uniseg.StringWidth(head), rest*2/3), 0))
			head = clipEnd(head, max(rest-tail, 2))
			end = clipText(end, max(tail, 2))
		}
		if mid != "" { // else nothing of it differs: the other has more
			mid = "[" + mid + "]"
		}
		return head + mid + end
	}
	return show(a), show(b)
}

// visible writes characters that a terminal would not show, or obey, as their code.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case hidden(r):
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden: control characters, marks of direction, spaces other than the common ones, combining accents. The joiner
// of emoji is left as it is.
func hidden(r rune) bool {
	switch {
	case r == ' ' || r == 0x3000 || r == 0x200d:
		return false
	case r < 0x7f:
		return r < ' '
	}
	return r < 0xa0 || r >= 0x300 && r < 0x370 || unicode.In(r, unicode.Cf, unicode.Z)
}

func quoteEmpty(s string) string {
	if s == "" || strings.TrimSpace(s) != s {
		return "'" + s + "'"
	}
	return s
}

// clipText cuts a text to n columns of a terminal, in which Chinese characters and emoji take two.
func clipText(s string, n int) string {
	if len(s) <= n { // no character is wider than its bytes
		return s
	}
	cut, width := -1, 0
	for rest, state, at := s, -1, 0; rest != ""; {
		var c string
		var w int
		c, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if width += w; cut < 0 && width > max(n-2, 0) {
			cut = at
		}
		if width > n {
			return s[:cut] + ".."
		}
		at += len(c)
	}
	return s
}

// clipEnd is clipText that keeps the end.
func clipEnd(s string, n int) string {
	over := uniseg.StringWidth(s) - n
	if over <= 0 {
		return s
	}
	over += min(n, 2)
	for rest, state := s, -1; ; {
		var w int
		_, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if over -= w; over <= 0 {
			return ".." + rest
		}
	}
}

// padText fills a text up to n columns.
func padText(s string, n int) string { return s + strings.Repeat(" ", max(n-uniseg.StringWidth(s), 0)) }
