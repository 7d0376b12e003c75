package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// TextOptions says how a report is written for people.
type TextOptions struct {
	All    bool // every column, not only those that differ
	Colour bool
}

// WriteText writes the report for a terminal of 80 columns; the verdict is its first line.
func WriteText(w io.Writer, res *Result, opts TextOptions) error {
	t := &textReport{colour: opts.Colour}
	n := &res.Rows
	red, green, yellow := "31", "32", "33"
	switch res.Verdict {
	case Equal:
		t.line(t.paint(green, "EQUAL") + ": " + equalSentence(res))
	case Different:
		t.line(t.paint(red, "DIFFERENT") + ": " + differentSentence(res))
	case BrokenKeys:
		t.line(t.paint(red, "BROKEN KEYS") + ": " + brokenSentence(n))
	case Inconclusive:
		t.line(t.paint(yellow, "INCONCLUSIVE") + ": " + inconclusiveSentence(n))
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
	t.columns(res, opts.All)
	if len(res.Schema) > 0 {
		t.line("")
		t.line("schema")
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
			t.line(mark + strings.TrimSpace(f.Column+types+" "+f.Text))
		}
	}
	if len(res.Uncomparable) > 0 {
		t.line("")
		t.line("not compared")
		for _, c := range res.Uncomparable {
			t.line(fmt.Sprintf("%s%s: %s with %s, %s", t.paint(red, "! "), c.Column, c.TypeLeft, c.TypeRight, c.Reason))
		}
	}
	if len(res.Causes) > 0 || res.Unexplained.Rows > 0 {
		t.line("")
		t.line(fmt.Sprintf("%-22s %12s %12s", "causes", "rows", "cells"))
		for _, c := range res.Causes {
			t.line(fmt.Sprintf("  %-20s %12d %12d", c.Cause, c.Rows, c.Cells))
			for _, line := range strings.Split(c.Evidence, "; ") {
				t.line("      " + clipText(line, 74))
			}
		}
		if res.Unexplained.Rows > 0 {
			t.line(fmt.Sprintf("  %-20s %12d %12d", "unexplained", res.Unexplained.Rows, res.Unexplained.Cells))
		}
	}
	t.examples(res)
	_, err := io.WriteString(w, t.b.String())
	return err
}

func equalSentence(res *Result) string {
	n := &res.Rows
	s := fmt.Sprintf("%d rows agree in %d columns", n.Equal+n.Within, len(res.Columns))
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
	add := func(c int64, what string) {
		if c > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c, what))
		}
	}
	add(n.Changed, "rows changed")
	add(n.OnlyLeft, "only on the left")
	add(n.OnlyRight, "only on the right")
	schema := int64(len(res.Uncomparable))
	for _, f := range res.Schema {
		if f.Different {
			schema++
		}
	}
	add(schema, "columns without a counterpart")
	s := strings.Join(parts, ", ")
	return s + fmt.Sprintf("; %d agree", n.Equal+n.Within)
}

func brokenSentence(n *Rows) string {
	var parts []string
	if n.DuplicateLeft+n.DuplicateRight > 0 {
		parts = append(parts, fmt.Sprintf("%d rows on the left and %d on the right share their key with another", n.DuplicateLeft, n.DuplicateRight))
	}
	if n.NullKeyLeft+n.NullKeyRight > 0 {
		parts = append(parts, fmt.Sprintf("%d and %d have no key", n.NullKeyLeft, n.NullKeyRight))
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
	if !t.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *textReport) line(s string) { t.b.WriteString(strings.TrimRight(s, " ") + "\n") }

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
		largest := ""
		if string(c.MaxAbs) != "null" {
			largest = strings.Trim(string(c.MaxAbs), `"`)
		}
		t.line(fmt.Sprintf("%-22s %11d %11d %9d %9d  %s", clipText(c.Name, 22), c.Different, c.Within, c.NullLeft, c.NullRight, clipText(largest, 12)))
	}
	if !all && !head && len(res.Columns) > 0 && res.Verdict != Equal && res.Rows.Changed == 0 && res.Rows.Equal > 0 {
		t.line("")
		t.line("no column differs in the rows that both sides have")
	}
}

func (t *textReport) examples(res *Result) {
	if len(res.Examples) == 0 {
		return
	}
	t.line("")
	t.line("examples")
	for _, e := range res.Examples {
		mark := map[string]string{"changed": "*", "only_left": "-", "only_right": "+", "duplicate": "=", "null_key": "0"}[e.Class]
		extra := ""
		if e.Class == "duplicate" || e.Class == "null_key" {
			extra = fmt.Sprintf(" (%d left, %d right)", e.Left, e.Right)
		}
		t.line(fmt.Sprintf("%s %s %s%s", mark, e.Class, clipText(keyText(e.Key), 100), extra))
		for _, c := range e.Cells {
			if c.Class == "within" {
				continue
			}
			l, r := markDifference(c.left, c.right)
			cause := ""
			if c.Cause != "" && c.Cause != "unexplained" {
				cause = "  (" + c.Cause + ")"
			}
			t.line(fmt.Sprintf("    %s: %s -> %s%s", clipText(c.Column, 22), t.paint("31", l), t.paint("32", r), cause))
		}
	}
}

// keyText writes a key's object without the noise of JSON.
func keyText(key json.RawMessage) string {
	s := strings.TrimSuffix(strings.TrimPrefix(string(key), "{"), "}")
	return s
}

// markDifference puts brackets around what differs between two texts and shortens what they share.
func markDifference(l, r string) (string, string) {
	if l == "NULL" || r == "NULL" || len(l)+len(r) < 24 {
		return quoteEmpty(l), quoteEmpty(r)
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
	show := func(x []rune) string {
		mid := string(x[pre : len(x)-suf])
		return clipEnd(string(x[:pre]), 20) + "[" + clipText(mid, 40) + "]" + clipText(string(x[len(x)-suf:]), 12)
	}
	return show(a), show(b)
}

func quoteEmpty(s string) string {
	if s == "" || strings.TrimSpace(s) != s {
		return "'" + s + "'"
	}
	return s
}

func clipText(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-2]) + ".."
}

func clipEnd(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return ".." + string(r[len(r)-n+2:])
}
