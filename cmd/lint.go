package cmd

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
)

type lintOptions struct {
	world *world

	file   string
	format string
}

func newLint(w *world) *cobra.Command {
	o := &lintOptions{world: w}
	c := &cobra.Command{
		Use:   "lint FILE",
		Short: "Check a pipeline file: all problems at once, with their lines",
		Long: `Check a pipeline file: its fields and values, the types of its streams and tables, its query, and every
name in it. All problems are listed at once, each with its line, its column and what to write instead.
FILE may be - for standard input. Warnings are findings too.`,
		Example:     "  lockstep lint take_rate.yaml\n  lockstep lint take_rate.yaml --format json",
		Args:        exactly(1, "takes one pipeline file"),
		Annotations: exits("0    nothing found\n1    findings\n2    the file could not be read"),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c)
		},
	}
	c.Flags().StringVar(&o.format, "format", "text", "text or json")
	return c
}

// finding is a problem in `--format json`. Fields are only ever added.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

func (o *lintOptions) run(c *cobra.Command) error {
	if err := oneOf("--format", o.format, "text", "json"); err != nil {
		return err
	}
	_, problems, err := o.world.readPipeline(c.Context(), o.file)
	if err != nil {
		return err
	}
	if o.format == "json" {
		err = o.json(problems)
	} else {
		err = o.text(problems)
	}
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return exitCode(exitNo)
	}
	return nil
}

func (o *lintOptions) json(problems []pipeline.Problem) error {
	findings := []finding{}
	for _, p := range problems {
		severity := "error"
		if p.Warning {
			severity = "warning"
		}
		findings = append(findings, finding{p.File, p.Line, p.Column, severity, p.Message, p.Hint})
	}
	e := json.NewEncoder(o.world.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"findings": findings})
}

func (o *lintOptions) text(problems []pipeline.Problem) error {
	errors, warnings := 0, 0
	for _, p := range problems {
		if p.Warning {
			warnings++
		} else {
			errors++
		}
		text := p.String() + "\n"
		if p.Hint != "" {
			text += "    hint: " + p.Hint + "\n"
		}
		if _, err := fmt.Fprint(o.world.stdout, text); err != nil {
			return err
		}
	}
	if len(problems) == 0 {
		_, err := fmt.Fprintf(o.world.stdout, "%s: no findings\n", o.file)
		return err
	}
	_, err := fmt.Fprintf(o.world.stderr, "%s, %s\n", count(errors, "error"), count(warnings, "warning"))
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// oneOf refuses a flag's value that is none of the choices.
func oneOf(flag, value string, choices ...string) error {
	list := ""
	for i, c := range choices {
		if c == value {
			return nil
		}
		if i > 0 {
			list += ", "
		}
		list += c
	}
	return schema.WithHint(fmt.Errorf("%s: %q is not one of %s", flag, value, list), "write "+flag+" "+choices[0])
}
