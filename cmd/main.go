package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/schema"
)

// world is everything outside the process that a command may touch.
type world struct {
	env    map[string]string
	stdin  io.Reader
	stdout io.Writer // the answer
	stderr io.Writer // everything else
	now    func() time.Time
	// isTerminal reports whether what is written there is read by a person as it comes.
	isTerminal func(io.Writer) bool
	// signals delivers Ctrl-C and a polite kill until stop is called.
	signals func() (received <-chan os.Signal, stop func())
	// brokers tells of brokers that come and go, once for the whole run.
	brokers *kafka.Events
	// stopped is set by the second Ctrl-C.
	stopped atomic.Bool
}

// Main runs one command line and returns its exit code. It never panics on bad input and never calls os.Exit.
func Main(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	w := &world{
		env: map[string]string{}, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now,
		isTerminal: func(w io.Writer) bool {
			f, ok := w.(*os.File)
			return ok && term.IsTerminal(int(f.Fd()))
		},
		signals: func() (<-chan os.Signal, func()) {
			c := make(chan os.Signal, 2)
			signal.Notify(c, stopSignals...)
			return c, func() { signal.Stop(c) }
		},
	}
	w.brokers = kafka.NewEvents(w.tell)
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			w.env[k] = v
		}
	}
	return w.execute(ctx, newRoot(w), args)
}

// execute runs root in this world.
func (w *world) execute(ctx context.Context, root *cobra.Command, args []string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = lake.WithEvents(ctx, w.tell)
	root.SetArgs(append([]string{}, args...))
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if w.stopped.Load() {
		w.report(errors.New("interrupted"), "")
		return exitInterrupted
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	w.report(err, schema.Hint(err))
	return exitFailed
}

// tell says something that is no answer and no error.
func (w *world) tell(text string) { fmt.Fprintln(w.stderr, "lockstep:", text) }

// report prints an error and its hint, as every command does.
func (w *world) report(err error, hint string) {
	fmt.Fprintf(w.stderr, "lockstep: error: %v\n", err)
	if hint != "" {
		fmt.Fprintf(w.stderr, "lockstep: hint: %s\n", hint)
	}
}

// newRoot wires every command.
func newRoot(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:           "lockstep",
		Short:         "Run one join over files and live from Kafka, and prove that both answers agree",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          runRoot,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(w.help)
	root.SetHelpCommand(newHelp(w, root))
	root.AddCommand(
		newLint(w),
		newPlan(w),
		newDemo(w),
		newReplay(w),
		newCheckpoint(w),
		newCapture(w),
		newValidate(w),
		newExplain(w),
		newVersion(w),
		newFixtures(w),
	)
	root.AddCommand(helpTopics()...)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = cobra.ArbitraryArgs, runCompletion
			c.Annotations = exits("0    done\n2    no such shell")
		}
	}
	return root
}
