package validate

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the report for a pull request or a step's summary.
func WriteMarkdown(w io.Writer, res *Result) error {
	var b strings.Builder
	n := &res.Rows
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", headline(res), sentence(res))
	b.WriteString("| rows | left | right |\n|---|---:|---:|\n")
	for _, r := range countRows(n) {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", r.Name, r.Left, r.Right)
	}
	if n.PendingLeft+n.PendingRight > 0 {
		fmt.Fprintf(&b, "\nRows %s are pending.\n", res.Pending)
	}
	if d := differing(res); len(d) > 0 {
		b.WriteString("\n| column | different | within | null left | null right | largest |\n|---|---:|---:|---:|---:|---:|\n")
		for _, c := range d {
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s |\n", cellMarkdown(c.Name), c.Different, c.Within, c.NullLeft, c.NullRight, plain(c.MaxAbs))
		}
	}
	if len(res.Schema) > 0 {
		b.WriteString("\n| schema | left | right | finding |\n|---|---|---|---|\n")
		for _, f := range res.Schema {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cellMarkdown(f.Column), cellMarkdown(f.Left), cellMarkdown(f.Right), cellMarkdown(f.Text))
		}
	}
	for _, u := range res.Uncomparable {
		fmt.Fprintf(&b, "\nNot compared: `%s`, %s with %s (%s).\n", u.Column, u.TypeLeft, u.TypeRight, u.Reason)
	}
	if len(res.Causes) > 0 || res.Unexplained.Rows > 0 {
		b.WriteString("\n| cause | rows | cells | evidence |\n|---|---:|---:|---|\n")
		for _, c := range res.Causes {
			fmt.Fprintf(&b, "| %s | %d | %d | %s |\n", c.Cause, c.Rows, c.Cells, cellMarkdown(clipText(c.Evidence, 300)))
		}
		fmt.Fprintf(&b, "| unexplained | %d | %d | |\n", res.Unexplained.Rows, res.Unexplained.Cells)
	}
	if len(res.Examples) > 0 {
		b.WriteString("\n| example | key | column | left | right | cause |\n|---|---|---|---|---|---|\n")
		for _, e := range res.Examples {
			if len(e.Cells) == 0 {
				fmt.Fprintf(&b, "| %s | %s | | | | %s |\n", e.Class, cellMarkdown(clipText(string(e.Key), 200)), e.Cause)
			}
			for _, c := range e.Cells {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", e.Class, cellMarkdown(clipText(string(e.Key), 200)), cellMarkdown(c.Column),
					cellMarkdown(clipText(quoteEmpty(visible(c.left)), 100)), cellMarkdown(clipText(quoteEmpty(visible(c.right)), 100)), c.Cause)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func cellMarkdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "\n", " ", "\r", " ", "&", "&amp;", "<", "&lt;", "`", "\\`", "*", `\*`, "[", `\[`, "~", `\~`).Replace(visible(s))
}

func plain(m json.RawMessage) string {
	if string(m) == "null" {
		return ""
	}
	text := ""
	if json.Unmarshal(m, &text) == nil {
		return text
	}
	return string(m)
}

func headline(res *Result) string {
	return map[Verdict]string{Equal: "Equal", Different: "Different", BrokenKeys: "Broken keys", Inconclusive: "Inconclusive"}[res.Verdict]
}

func sentence(res *Result) string {
	switch res.Verdict {
	case Equal:
		return equalSentence(res) + "."
	case Different:
		return differentSentence(res) + "."
	case BrokenKeys:
		return brokenSentence(&res.Rows) + "."
	}
	return inconclusiveSentence(&res.Rows) + "."
}

// shown is a value of the data in a line of text: NULL and an empty text are not the same.
func shown(m json.RawMessage) string {
	if string(m) == "null" {
		return "NULL"
	}
	return quoteEmpty(visible(plain(m)))
}

// countRow is a line of the table of rows.
type countRow struct {
	Name        string
	Left, Right int64
}

func countRows(n *Rows) []countRow {
	return []countRow{{"all", n.Left, n.Right}, {"equal", n.Equal, n.Equal}, {"within tolerance", n.Within, n.Within}, {"changed", n.Changed, n.Changed},
		{"only on this side", n.OnlyLeft, n.OnlyRight}, {"duplicate keys", n.DuplicateLeft, n.DuplicateRight},
		{"keys all NULL", n.NullKeyLeft, n.NullKeyRight}, {"pending", n.PendingLeft, n.PendingRight}}
}

func differing(res *Result) []Column {
	var out []Column
	for _, c := range res.Columns {
		if c.Different+c.Within > 0 {
			out = append(out, c)
		}
	}
	return out
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Skipped *struct{}     `xml:"skipped,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes a test case for each column and for each check of rows, keys and schema.
func WriteJUnit(w io.Writer, res *Result) error {
	s := junitSuite{Name: "lockstep validate"}
	add := func(class, name, failure, text string) {
		c := junitCase{Class: class, Name: xmlText(name)}
		switch {
		case failure != "":
			c.Failure = &junitFailure{Message: xmlText(failure), Text: xmlText(text)}
			s.Failures++
		case res.Verdict == Inconclusive:
			c.Skipped = &struct{}{}
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
	}
	n := &res.Rows
	check := func(name string, l, r int64) {
		failure := ""
		if l+r > 0 {
			failure = fmt.Sprintf("%d on the left, %d on the right", l, r)
		}
		add("rows", name, failure, "")
	}
	check("on one side only", n.OnlyLeft, n.OnlyRight)
	check("duplicate keys", n.DuplicateLeft, n.DuplicateRight)
	check("keys all NULL", n.NullKeyLeft, n.NullKeyRight)
	var schema []string
	for _, f := range res.Schema {
		if f.Different {
			schema = append(schema, f.Column+": "+f.Text)
		}
	}
	for _, u := range res.Uncomparable {
		schema = append(schema, fmt.Sprintf("%s: %s with %s", u.Column, u.TypeLeft, u.TypeRight))
	}
	add("schema", "columns have a counterpart", strings.Join(schema, "; "), "")
	why, causes := "", ""
	if u := res.Unexplained; u.Rows > 0 {
		why = fmt.Sprintf("%d rows and %d cells are unexplained", u.Rows, u.Cells)
	}
	for _, c := range res.Causes {
		causes += fmt.Sprintf("%s: %d rows, %d cells. %s\n", c.Cause, c.Rows, c.Cells, c.Evidence)
	}
	add("causes", "every difference has a cause", why, causes)
	for _, c := range res.Columns {
		failure, text := "", ""
		if c.Different > 0 {
			failure = fmt.Sprintf("%d of %d differ", c.Different, c.Compared)
			for _, e := range res.Examples {
				for _, x := range e.Cells {
					if x.Column == c.Name && x.Class == "different" {
						text += fmt.Sprintf("%s: %s -> %s\n", clipText(string(e.Key), 200), clipText(visible(x.left), 200), clipText(visible(x.right), 200))
					}
				}
			}
		}
		add("columns", c.Name, failure, text)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// xmlText leaves out what XML cannot hold.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
