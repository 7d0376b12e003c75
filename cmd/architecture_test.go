package cmd

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const module = "github.com/lockstep-data/lockstep"

// rooms may import themselves and the rooms named here. fixtures and main.go are judged apart.
var rooms = map[string][]string{
	"cmd":      {"backfill", "replay", "schema", "validate"},
	"backfill": {"replay", "schema"},
	"replay":   {"schema"},
	"schema":   {},
	"validate": {},
	"fixtures": {"replay", "schema", "validate", "backfill"},
}

// fixturesKnownTo are the files beside tests that may import fixtures.
var fixturesKnownTo = []string{"cmd/demo.go", "cmd/fixtures.go"}

// topLevel is all that lies in the module's root.
var topLevel = []string{
	"go.mod", "go.sum", "main.go", "cmd", "replay", "validate", "backfill", "schema", "fixtures", "docs", ".goreleaser.yaml", "README.md", "LICENSE", ".gitignore", ".github", ".ci",
}

// outside are names that reach out of the process, with what to use instead. main.go alone is free of it.
var outside = map[string]string{
	"os.Stdin": "use the world's stdin, or take an io.Reader", "os.Stdout": "use the world's stdout, or take an io.Writer", "os.Stderr": "use the world's stderr, or take an io.Writer or a *slog.Logger",
	"os.Getenv": "use the world's env, or take the value as an argument", "os.LookupEnv": "use the world's env, or take the value as an argument", "os.Environ": "use the world's env, or take it as an argument", "os.ExpandEnv": "use the world's env, or take it as an argument",
	"os.Exit": "return an error, or an exitCode in cmd", "log.Fatal": "return an error", "log.Fatalf": "return an error", "log.Print": "take a *slog.Logger", "log.Printf": "take a *slog.Logger", "log.Println": "take a *slog.Logger",
	"fmt.Print": "print to the world's stdout in cmd, or return the text", "fmt.Printf": "print to the world's stdout in cmd, or return the text", "fmt.Println": "print to the world's stdout in cmd, or return the text",
	"slog.Default": "take a *slog.Logger", "slog.Info": "take a *slog.Logger", "slog.Warn": "take a *slog.Logger", "slog.Error": "take a *slog.Logger", "slog.Debug": "take a *slog.Logger",
	"time.Now": "take the time, or a now func() time.Time, as an argument; nothing below cmd may depend on when it runs",
}

// allowedInCmd are those that the room at the border may use.
var allowedInCmd = []string{"time.Now"}

// breach is a rule that a file breaks, with the cure.
type breach struct{ where, what, cure string }

// judge finds the breaches of one file that is no test. name is its path in the module, with slashes.
func judge(name string, file *ast.File, set *token.FileSet) (found []breach) {
	room, _, inRoom := strings.Cut(name, "/")
	if !inRoom {
		room = "main.go"
	}
	imported := map[string]string{}
	for _, spec := range file.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		local := path.Base(p)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		imported[local] = p
		where := set.Position(spec.Pos()).String()
		rest, ours := strings.CutPrefix(p, module+"/")
		if !ours {
			continue
		}
		target, _, _ := strings.Cut(rest, "/")
		switch {
		case room == "main.go":
			if rest != "cmd" {
				found = append(found, breach{where, "main.go imports " + rest, "call it from cmd; main.go calls cmd.Main and nothing else"})
			}
		case target == room:
		case target == "fixtures":
			if !slices.Contains(fixturesKnownTo, name) {
				found = append(found, breach{where, name + " imports fixtures", "only tests, cmd/demo.go and cmd/fixtures.go may; move what is shared into the room that owns it"})
			}
		case room == "validate":
			found = append(found, breach{where, "validate imports " + rest, "the judge shares no code with the accused: write it again in validate, or pass values in from cmd"})
		case !slices.Contains(rooms[room], target):
			found = append(found, breach{where, room + " imports " + rest, "imports go cmd -> backfill -> replay -> schema: move the code down, or let " + room + " take an interface or a function from its caller"})
		}
	}
	if room == "main.go" || room == "fixtures" {
		return found
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found = append(found, breach{set.Position(f.Pos()).String(), "func init", "wire it by hand: call it from newRoot or from a constructor"})
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok || x.Obj != nil {
			return true
		}
		full, ok := imported[x.Name]
		if !ok {
			return true
		}
		name := path.Base(full) + "." + s.Sel.Name
		cure, bad := outside[name]
		if full != path.Base(full) && full != "log/slog" {
			return true // another package of that name
		}
		if bad && !(room == "cmd" && slices.Contains(allowedInCmd, name)) {
			found = append(found, breach{set.Position(s.Pos()).String(), name + " in " + room, cure})
		}
		return true
	})
	return found
}

// commandInText is a command that a text, such as a hint, tells the reader to run.
var commandInText = regexp.MustCompile("`lockstep ([a-z]+)")

func TestArchitecture(t *testing.T) {
	root := ".."
	commands := newRoot(&world{})
	commands.InitDefaultHelpCmd()
	set := token.NewFileSet()
	packages := map[string]bool{} // folder -> has a doc.go
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(p, root), string(filepath.Separator)))
		if d.IsDir() {
			base := d.Name()
			if name != "" && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && name != "" {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				for _, m := range commandInText.FindAllStringSubmatch(l.Value, -1) {
					if c, _, err := commands.Find([]string{m[1]}); err != nil || c == commands {
						t.Errorf("%s: there is no command `lockstep %s`\n\tcure: name one that there is", set.Position(l.Pos()), m[1])
					}
				}
			}
			return true
		})
		folder := path.Dir(name)
		if path.Base(name) == "doc.go" && file.Doc != nil {
			packages[folder] = true
		} else if _, ok := packages[folder]; !ok {
			packages[folder] = false
		}
		for _, b := range judge(name, file, set) {
			t.Errorf("%s: %s\n\tcure: %s", b.where, b.what, b.cure)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, documented := range packages {
		if !documented && folder != "." {
			t.Errorf("%s has no doc.go with a package comment\n\tcure: write what the package is for, the rule it keeps, and one example", folder)
		}
	}
}

func TestTopLevel(t *testing.T) {
	ignored, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if slices.Contains(topLevel, e.Name()) || e.Name() == ".git" {
			continue
		}
		skip := false
		for line := range strings.Lines(string(ignored)) {
			ok, _ := path.Match(strings.Trim(strings.TrimSpace(line), "/"), e.Name())
			skip = skip || ok
		}
		if !skip {
			t.Errorf("%s does not belong at the top\n\tcure: put it into the room it belongs to (%s)", e.Name(), strings.Join(topLevel, ", "))
		}
	}
}

// What the pages for users tell to type can be typed.
func TestFlagsOfTheDocsExist(t *testing.T) {
	flags := map[string]bool{"help": true}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&world{}))
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	flag := regexp.MustCompile(`[ \x60]--([a-z][a-z-]+)`)
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range flag.FindAllStringSubmatch(string(text), -1) {
			if !flags[m[1]] {
				t.Errorf("%s names --%s, which no command has", page, m[1])
			}
		}
	}
}

// A judge that finds nothing proves nothing: each rule is broken once.
func TestArchitectureIsJudged(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"schema/a.go", `import "github.com/lockstep-data/lockstep/replay"`, "schema imports replay"},
		{"replay/sql/a.go", `import "github.com/lockstep-data/lockstep/backfill"`, "replay imports backfill"},
		{"replay/sql/a.go", `import "github.com/lockstep-data/lockstep/schema"`, ""},
		{"replay/a.go", `import "github.com/lockstep-data/lockstep/replay/sql"`, ""},
		{"replay/a.go", `import "github.com/lockstep-data/lockstep/validate"`, "replay imports validate"},
		{"backfill/a.go", `import "github.com/lockstep-data/lockstep/cmd"`, "backfill imports cmd"},
		{"validate/a.go", `import "github.com/lockstep-data/lockstep/schema"`, "validate imports schema"},
		{"cmd/a.go", `import "github.com/lockstep-data/lockstep/validate"`, ""},
		{"cmd/a.go", `import "github.com/lockstep-data/lockstep/fixtures"`, "cmd/a.go imports fixtures"},
		{"cmd/demo.go", `import "github.com/lockstep-data/lockstep/fixtures"`, ""},
		{"main.go", `import "github.com/lockstep-data/lockstep/replay"`, "main.go imports replay"},
		{"replay/a.go", "import \"os\"\nvar _ = os.Stdout", "os.Stdout in replay"},
		{"cmd/a.go", "import \"os\"\nvar _ = os.Stdout", "os.Stdout in cmd"},
		{"replay/a.go", "import \"time\"\nvar _ = time.Now", "time.Now in replay"},
		{"cmd/a.go", "import \"time\"\nvar _ = time.Now", ""},
		{"schema/a.go", "import \"fmt\"\nfunc f() { fmt.Println() }", "fmt.Println in schema"},
		{"schema/a.go", "import f \"fmt\"\nfunc g() { f.Println() }", "fmt.Println in schema"},
		{"schema/a.go", "import \"fmt\"\nfunc f() { fmt.Sprint() }", ""},
		{"schema/a.go", "func init() {}", "func init"},
		{"fixtures/a.go", "import \"os\"\nvar _ = os.Stdout", ""},
		{"replay/a.go", "import \"log/slog\"\nfunc f() { slog.Info(\"x\") }", "slog.Info in replay"},
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, c.name, "package a\n"+c.body, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := judge(c.name, file, set)
		if got := len(found); (got == 0) != (c.want == "") || got > 0 && (found[0].what != c.want || found[0].cure == "") {
			t.Errorf("%s: %s: found %v, want %q", c.name, c.body, found, c.want)
		}
	}
}
