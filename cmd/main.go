// Package cmd is the command line: the only room that knows flags, environment, terminals, progress bars and
// exit codes. One file a command; everything is wired by hand in newRoot.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-data/lockstep/schema"
)

// The exit codes of every command (`lockstep help exit-codes`).
const (
	exitOK           = 0   // done, or equal
	exitNo           = 1   // ran well, and the answer is no
	exitFailed       = 2   // could not do it
	exitInconclusive = 3   // nothing could be judged yet
	exitBrokenKeys   = 4   // the key contract is broken
	exitInterrupted  = 130 // stopped by a signal after a clean end
)

// world is everything outside the process that a command may touch.
type world struct {
	env    map[string]string
	stdin  io.Reader
	stdout io.Writer // the answer
	stderr io.Writer // everything else
}

// exitCode ends a command with a code and no error message; the command has said why already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Main runs one command line and returns its exit code. It never panics on bad input and never calls os.Exit.
func Main(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	w := &world{env: map[string]string{}, stdin: stdin, stdout: stdout, stderr: stderr}
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			w.env[k] = v
		}
	}
	root := newRoot(w)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintf(stderr, "lockstep: error: %v\n", err)
	if hint := schema.Hint(err); hint != "" {
		fmt.Fprintf(stderr, "lockstep: hint: %s\n", hint)
	}
	return exitFailed
}

func newRoot(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:           "lockstep",
		Short:         "Run one join over files and live from Kafka, and prove that both answers agree",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newValidate(w), newVersion(w))
	return root
}
