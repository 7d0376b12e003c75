package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
)

// runRoot is `lockstep` without a command that it knows.
func runRoot(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	hint := "see lockstep --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean lockstep " + strings.Join(near, ", or lockstep ") + "?"
	}
	return schema.WithHint(fmt.Errorf("no such command: %s", args[0]), hint)
}

// runCompletion is `lockstep completion` without a shell that it knows.
func runCompletion(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return schema.WithHint(fmt.Errorf("no completion for %s", args[0]), "write lockstep completion bash, fish, powershell or zsh")
}

// flagError adds the flag that was probably meant.
func flagError(c *cobra.Command, err error) error {
	hint := "see " + c.CommandPath() + " --help"
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && resembles(name, f.Name) {
				hint = "did you mean --" + f.Name + "? " + hint
			}
		})
	}
	return schema.WithHint(err, hint)
}

// resembles reports whether a is b with few letters wrong.
func resembles(a, b string) bool {
	suggest := &cobra.Command{Use: "x", SuggestionsMinimumDistance: 2}
	suggest.AddCommand(&cobra.Command{Use: b, Run: func(*cobra.Command, []string) {}})
	return len(suggest.SuggestionsFor(a)) > 0
}

// exactly asks for n arguments and says what they are: "lint takes one pipeline file".
func exactly(n int, takes string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return schema.WithHint(fmt.Errorf("%s %s, not %s", c.CommandPath(), takes, count(len(args), "argument")), "usage: "+c.UseLine())
	}
}

// help prints a command's help with the meaning of its exit codes.
func (w *world) help(c *cobra.Command, _ []string) {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintln(w.stdout, strings.TrimSpace(text))
	if !c.Runnable() && !c.HasSubCommands() {
		return // a topic
	}
	fmt.Fprintf(w.stdout, "\n%s", c.UsageString())
	lines := c.Annotations[exitKey]
	if lines == "" {
		lines = exitStatus
	}
	fmt.Fprintln(w.stdout, "\nEXIT STATUS")
	for line := range strings.Lines(lines + "\n") {
		fmt.Fprint(w.stdout, "  "+line)
	}
}

func newHelp(w *world, root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | TOPIC]",
		Short: "Show the help of a command or a topic",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, sub := range root.Commands() {
				if strings.HasPrefix(sub.Name(), prefix) {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || (c == root && len(args) > 0) {
				hint := "see lockstep --help"
				for _, sub := range root.Commands() {
					if len(args) == 1 && resembles(args[0], sub.Name()) {
						hint = "did you mean lockstep help " + sub.Name() + "?"
					}
				}
				return schema.WithHint(fmt.Errorf("no such command or topic: %s", strings.Join(args, " ")), hint)
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

const environmentHelp = `Lockstep reads these variables of the environment. Flags never take secrets.

  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_REGION
      credentials and region for s3:// places, as every AWS tool takes them
  AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3
      the address of another S3-compatible server
  NO_COLOR, TERM=dumb
      no colours, no progress bar
  CI
      no progress bar; a line every 10 s instead
  any other
      a pipeline file may name it as ${VAR} or ${VAR:-default} in a value`

// helpTopics are pages of help that belong to no command.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "What the exit codes mean", Long: "The exit codes of every command:\n\n  " +
			strings.ReplaceAll(exitStatus, "\n", "\n  ") + "\n\nWhere several apply, the first of 2, 4, 1, 3 counts."},
		{Use: "environment", Short: "The variables that are read", Long: environmentHelp},
		{Use: "pipeline", Short: "The fields of a pipeline file", Long: pipeline.Help()},
	}
}
