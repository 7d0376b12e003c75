package cmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/lockstep-data/lockstep/validate"
)

// side is one of the three comparisons as reports name it.
type triangleSide struct {
	name, sides, meaning string
	res                  *validate.Result
}

func (r *triangleResult) three() []triangleSide {
	return []triangleSide{
		{"defects", "S against B*", "what is wrong with the stream", r.Defects},
		{"price", "B* against B", "what the lateness policy costs", r.Price},
		{"total", "S against B", "what a plain diff shows", r.Total},
	}
}

// write prints the triangle in the format asked for, and puts its summary beside the three reports of --out. A build's formats
// have what gate says.
func (t *triangle) write(r *triangleResult, gate *validate.Result) error {
	if t.staged != "" {
		var b bytes.Buffer
		c := *r
		c.Seconds = 0
		if err := writeJSON(&b, &c); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(t.staged, "summary.json"), b.Bytes(), 0o644); err != nil {
			return err
		}
		b.Reset()
		if err := r.html(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(t.staged, "report.html"), b.Bytes(), 0o644); err != nil {
			return err
		}
		if err := validate.PublishReport(t.staged, t.out); err != nil {
			return err
		}
	}
	w := t.world.stdout
	var b bytes.Buffer
	switch t.format {
	case "json":
		return writeJSON(w, r)
	case "html":
		return r.html(w)
	case "github":
		if err := t.stepSummary(func(w io.Writer) error { return r.markdown(w) }); err != nil {
			return err
		}
		return validate.WriteGitHub(w, gate, t.file)
	case "markdown":
		return r.markdown(w)
	case "junit":
		return validate.WriteJUnit(w, gate)
	default:
		t.text(&b, r)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// html writes the three comparisons as one page.
func (r *triangleResult) html(w io.Writer) error {
	page := validate.HTMLReport{Verdict: r.Verdict, Headline: verdictWord(r.Verdict), Sentence: r.Sentence}
	page.Title = page.Headline + ": a stream, what a correct one gives, and the batch"
	for _, l := range r.Late {
		if l.Late == 0 {
			continue
		}
		c := validate.HTMLCurve{Title: "The price of lateness: " + l.Stream, Axis: "disorder", Unit: "late rows",
			Text: fmt.Sprintf("%s were late with the disorder of %s; with %s none would have been", count(int(l.Late), "row"), l.Disorder, l.Least)}
		for _, p := range l.Curve {
			c.Points = append(c.Points, validate.HTMLPoint{Label: p.Disorder, Value: p.Late})
		}
		page.Curves = append(page.Curves, c)
	}
	for _, s := range r.three() {
		page.Parts = append(page.Parts, validate.HTMLPart{Name: s.name, Sides: s.sides, Meaning: s.meaning, Result: s.res})
	}
	return validate.WriteHTMLReport(w, &page)
}

// verdictWord is a verdict as a headline.
func verdictWord(v validate.Verdict) string {
	s := strings.ReplaceAll(string(v), "_", " ")
	return strings.ToUpper(s[:1]) + s[1:]
}

// markdown writes the three comparisons for a pull request.
func (r *triangleResult) markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n| | | agree | only left | only right | changed | unexplained |\n|---|---|---:|---:|---:|---:|---:|\n", r.Sentence)
	for _, s := range r.three() {
		n := s.res.Rows
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d |\n", s.name, s.sides, n.Equal+n.Within, n.OnlyLeft, n.OnlyRight, n.Changed, s.res.Unexplained.Rows)
	}
	for _, s := range r.three() {
		if s.res.Verdict != validate.Equal {
			fmt.Fprintf(&b, "\n# %s: %s\n\n", s.name, s.sides)
			if err := validate.WriteMarkdown(&b, s.res); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (t *triangle) text(b *bytes.Buffer, r *triangleResult) {
	word := strings.ToUpper(strings.ReplaceAll(string(r.Verdict), "_", " "))
	for i, line := range wrap(word+": "+r.Sentence, 80) {
		if i == 0 && t.colour() {
			code := map[validate.Verdict]string{validate.Equal: "32", validate.Inconclusive: "33"}[r.Verdict]
			if code == "" {
				code = "31"
			}
			line = strings.Replace(line, word, "\x1b["+code+"m"+word+"\x1b[0m", 1)
		}
		fmt.Fprintln(b, line)
	}
	fmt.Fprintf(b, "\n%-22s %11s %10s %10s %9s %11s\n", "", "agree", "only left", "only right", "changed", "unexplained")
	for _, s := range r.three() {
		n := s.res.Rows
		fmt.Fprintf(b, "%-8s %-13s %11s %10s %10s %9s %11s\n", s.name, s.sides, thousands(n.Equal+n.Within), thousands(n.OnlyLeft), thousands(n.OnlyRight), thousands(n.Changed), thousands(s.res.Unexplained.Rows))
	}
	for _, s := range r.three()[:2] {
		if len(s.res.Causes) == 0 {
			continue
		}
		fmt.Fprintf(b, "\ncauses of %s\n", s.name)
		for _, c := range s.res.Causes {
			fmt.Fprintf(b, "  %-22s %11s rows %11s cells\n", c.Cause, thousands(c.Rows), thousands(c.Cells))
			for _, line := range strings.Split(c.Evidence, "; ") {
				for _, l := range wrap(line, 74) {
					fmt.Fprintf(b, "      %s\n", l)
				}
			}
		}
	}
	head := false
	for _, l := range r.Late {
		if l.Late == 0 {
			continue
		}
		if !head {
			head = true
			fmt.Fprintf(b, "\n%-22s %9s %12s   %s\n", "late rows", "", "disorder", "late rows with another disorder")
		}
		var curve []string
		for _, p := range l.Curve[1:] {
			curve = append(curve, p.Disorder+": "+thousands(p.Late))
		}
		lines := wrap(strings.Join(curve, ", "), 31)
		fmt.Fprintf(b, "  %-20s %9s %12s   %s\n", l.Stream, thousands(l.Late), l.Disorder, lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(b, "%-48s%s\n", "", line)
		}
	}
	if r.Verdict != validate.Equal {
		fmt.Fprint(b, "\nS against B*\n\n")
		_ = validate.WriteText(b, r.Defects, validate.TextOptions{All: t.all, Colour: t.colour()})
	}
}

// wrap breaks a text at spaces, but for those that are not to be broken at.
func wrap(s string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' }) {
		switch {
		case line == "":
			line = word
		case uniseg.StringWidth(line)+1+uniseg.StringWidth(word) > width:
			out = append(out, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(out, line)
}
