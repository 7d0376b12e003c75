package expr

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of functions into docs/sql.md")

const (
	tableBegin = "<!-- functions: written by go test ./replay/expr -run Documentation -update -->\n"
	tableEnd   = "<!-- functions: end -->\n"
)

// table is Functions as Markdown.
func table() string {
	var b strings.Builder
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	b.WriteString("| Write | Type | Meaning | Example | Gives |\n|---|---|---|---|---|\n")
	for _, f := range Functions() {
		example, gives := "", ""
		if f.Example != "" {
			example, gives = "`"+cell(f.Example)+"`", "`"+cell(f.Result)+"`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", cell(f.Signature), cell(f.Type), cell(f.Doc), example, gives)
	}
	return b.String()
}

func TestDocumentation(t *testing.T) {
	const path = "../../docs/sql.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), tableBegin)
	old, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table of functions: it stands between\n%s%s", path, tableBegin, tableEnd)
	}
	if old == table() {
		return
	}
	if !*update {
		t.Fatalf("%s is not what Functions says; run: go test ./replay/expr -run Documentation -update", path)
	}
	if err := os.WriteFile(path, []byte(before+tableBegin+table()+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryFunctionIsKnown asks for each name with no arguments: the answer is how many it takes, not that
// there is no such function.
func TestEveryFunctionIsKnown(t *testing.T) {
	elsewhere := " IN CASE CAST TRY_CAST JSON_VALUE index field EXTRACT TIMESTAMPADD TIMESTAMPDIFF "
	seen := map[string]bool{}
	for _, f := range Functions() {
		if seen[f.Name] || f.Doc == "" || f.Type == "" || (f.Example == "") != (f.Result == "") {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
		if strings.Contains(elsewhere, " "+f.Name+" ") {
			continue
		}
		_, err := Call(f.Name)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "argument") {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	_, err := Call("UPER", textLiteral("x"))
	var e *Error
	if !errors.As(err, &e) || e.Hint != "did you mean UPPER?" {
		t.Errorf("%v", err)
	}
	_, err = Call("UPPER")
	if !errors.As(err, &e) || e.Hint != "write UPPER(s)" {
		t.Errorf("%v", err)
	}
}
