package validate

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
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
				fmt.Fprintf(&b, "| %s | %s | | | | |\n", e.Class, cellMarkdown(clipText(string(e.Key), 200)))
			}
			for _, c := range e.Cells {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", e.Class, cellMarkdown(clipText(string(e.Key), 200)), cellMarkdown(c.Column),
					cellMarkdown(clipText(c.left, 100)), cellMarkdown(clipText(c.right, 100)), c.Cause)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func cellMarkdown(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;", "`", "'").Replace(s)
}

func plain(m json.RawMessage) string {
	if string(m) == "null" {
		return ""
	}
	return strings.Trim(string(m), `"`)
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
	for _, c := range res.Columns {
		failure, text := "", ""
		if c.Different > 0 {
			failure = fmt.Sprintf("%d of %d differ", c.Different, c.Compared)
			for _, e := range res.Examples {
				for _, x := range e.Cells {
					if x.Column == c.Name && x.Class == "different" {
						text += fmt.Sprintf("%s: %s -> %s\n", clipText(string(e.Key), 200), clipText(x.left, 200), clipText(x.right, 200))
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

const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Headline}}: {{.Left}} and {{.Right}}</title>
<style>
:root{color-scheme:light dark;--bg:#fff;--fg:#1a1c1f;--dim:#5c6370;--line:#d9dce1;--bad:#b3261e;--good:#1b6e3c;--warn:#8a5a00;--box:#f5f6f8}
@media (prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e6e8eb;--dim:#9aa1ac;--line:#32363d;--bad:#ff8a80;--good:#7bd89b;--warn:#ffc46b;--box:#1d2025}}
body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p.dim,td.dim{color:var(--dim)}
.equal h1{color:var(--good)}.different h1,.broken_keys h1{color:var(--bad)}.inconclusive h1{color:var(--warn)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font:13px ui-monospace,monospace;word-break:break-all;white-space:pre-wrap}
.bar{background:var(--box);height:.6rem;min-width:6rem}.bar i{display:block;height:100%;background:var(--bad)}
input{font:inherit;padding:.3rem .6rem;width:100%;box-sizing:border-box;border:1px solid var(--line);background:var(--box);color:inherit}
.scroll{overflow-x:auto}
</style></head><body class="{{.Verdict}}">
<header><h1>{{.Headline}}</h1><p>{{.Sentence}}</p><p class="dim">{{.Left}} (left) and {{.Right}} (right){{if .Key}}, by {{.Key}}{{end}}{{if .Horizon}}; pending beyond {{.Horizon}}{{end}}</p></header>
<h2>Rows</h2><table><tr><th></th><th class="n">left</th><th class="n">right</th></tr>
{{range .Rows}}<tr><td>{{.Name}}</td><td class="n">{{.Left}}</td><td class="n">{{.Right}}</td></tr>{{end}}</table>
<h2>Columns</h2><div class="scroll"><table><tr><th>column</th><th>type</th><th class="n">different</th><th></th><th class="n">within</th><th class="n">null left</th><th class="n">null right</th><th class="n">largest</th><th class="n">median</th></tr>
{{range .Columns}}<tr><td>{{.Name}}</td><td class="dim">{{.Type}}</td><td class="n">{{.Different}}</td><td><div class="bar"><i style="width:{{.Share}}%"></i></div></td><td class="n">{{.Within}}</td><td class="n">{{.NullLeft}}</td><td class="n">{{.NullRight}}</td><td class="n">{{.Max}}</td><td class="n">{{.P50}}</td></tr>{{end}}</table></div>
{{if .Schema}}<h2>Schema</h2><table>{{range .Schema}}<tr><td>{{.Column}}</td><td class="dim">{{.Left}}</td><td class="dim">{{.Right}}</td><td>{{.Text}}</td></tr>{{end}}</table>{{end}}
{{if .Uncomparable}}<h2>Not compared</h2><table>{{range .Uncomparable}}<tr><td>{{.Column}}</td><td>{{.TypeLeft}}</td><td>{{.TypeRight}}</td><td>{{.Reason}}</td></tr>{{end}}</table>{{end}}
{{if .Causes}}<h2>Causes</h2><table><tr><th>cause</th><th class="n">rows</th><th class="n">cells</th><th>evidence</th></tr>
{{range .Causes}}<tr><td>{{.Cause}}</td><td class="n">{{.Rows}}</td><td class="n">{{.Cells}}</td><td>{{.Evidence}}</td></tr>{{end}}</table>{{end}}
{{if .Examples}}<h2 id="examples">Examples</h2><label>Search <input id="q" type="search" placeholder="key, column, value or cause"></label>
<div class="scroll"><table id="ex"><tr><th></th><th>key</th><th>column</th><th>left</th><th>right</th><th>cause</th></tr>
{{range .Examples}}<tr class="e"><td>{{.Class}}</td><td><code>{{.Key}}</code></td><td>{{.Column}}</td><td><code>{{.Left}}</code></td><td><code>{{.Right}}</code></td><td class="dim">{{.Cause}}</td></tr>{{end}}</table></div>
<script>
const q=document.getElementById('q'),rows=[...document.querySelectorAll('#ex .e')];
q.addEventListener('input',()=>{const s=q.value.toLowerCase();for(const r of rows)r.hidden=!r.textContent.toLowerCase().includes(s)});
</script>{{end}}
</body></html>
`

// WriteHTML writes one page that needs no network and no server, and reads without JavaScript.
func WriteHTML(w io.Writer, res *Result) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	type columnLine struct {
		Column
		Type, Max, P50 string
		Share          string
	}
	type exampleLine struct{ Class, Key, Column, Left, Right, Cause string }
	data := struct {
		Verdict                                       Verdict
		Headline, Sentence, Left, Right, Key, Horizon string
		Rows                                          []countRow
		Columns                                       []columnLine
		Schema                                        []Finding
		Uncomparable                                  []Uncomparable
		Causes                                        []Cause
		Examples                                      []exampleLine
	}{Verdict: res.Verdict, Headline: headline(res), Sentence: sentence(res), Key: strings.Join(res.Key, ", "), Horizon: res.Horizon,
		Rows: countRows(&res.Rows), Schema: res.Schema, Uncomparable: res.Uncomparable, Causes: res.Causes}
	if len(res.Inputs) == 2 {
		data.Left, data.Right = res.Inputs[0].Name, res.Inputs[1].Name
	}
	if res.Unexplained.Rows > 0 {
		data.Causes = append(append([]Cause(nil), res.Causes...), Cause{Cause: unexplained, Rows: res.Unexplained.Rows, Cells: res.Unexplained.Cells})
	}
	for _, c := range res.Columns {
		types := c.TypeLeft
		if c.TypeRight != c.TypeLeft {
			types += " / " + c.TypeRight
		}
		data.Columns = append(data.Columns, columnLine{c, types, plain(c.MaxAbs), plain(c.P50), fmt.Sprintf("%.2f", 100*float64(c.Different)/float64(max(c.Compared, 1)))})
	}
	for _, e := range res.Examples {
		if len(e.Cells) == 0 {
			data.Examples = append(data.Examples, exampleLine{Class: e.Class, Key: clipText(keyText(e.Key), 400)})
		}
		for _, c := range e.Cells {
			data.Examples = append(data.Examples, exampleLine{e.Class, clipText(keyText(e.Key), 400), c.Column, clipText(c.left, 400), clipText(c.right, 400), c.Cause})
		}
	}
	return t.Execute(w, data)
}
