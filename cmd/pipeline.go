package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
)

// readPipeline reads a pipeline file and checks all that can be checked. The error is that of the file itself.
func (w *world) readPipeline(ctx context.Context, path string) (*pipeline.Checked, []pipeline.Problem, error) {
	var text []byte
	var err error
	name := path
	if path == "-" {
		name = "stdin"
		text, err = io.ReadAll(w.stdin)
	} else {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		hint := "check the file"
		if errors.Is(err, fs.ErrNotExist) {
			hint = "check the path; lockstep help pipeline shows what to write into a new file"
		} else if info, e := os.Stat(path); e == nil && info.IsDir() {
			hint = "it is a folder; name the pipeline file in it"
		}
		return nil, nil, schema.WithHint(fmt.Errorf("read pipeline file: %w", err), hint)
	}
	p, problems := pipeline.Load(name, text, w.env)
	if p == nil {
		return nil, problems, nil
	}
	checked, more := pipeline.Check(ctx, p, newFinder(w))
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	return checked, pipeline.Sort(append(problems, more...)), nil
}

// loadPipeline is readPipeline for commands that need a pipeline that runs: warnings go to stderr, and where
// a problem keeps it from running all of them are printed and the error is an exit code.
func (w *world) loadPipeline(ctx context.Context, path string) (*pipeline.Checked, error) {
	checked, problems, err := w.readPipeline(ctx, path)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		word := "error"
		if p.Warning {
			word = "warning"
		}
		fmt.Fprintf(w.stderr, "lockstep: %s: %s: %s\n", word, p.Place(), p.Message)
		if p.Hint != "" {
			fmt.Fprintf(w.stderr, "lockstep: hint: %s\n", p.Hint)
		}
	}
	if pipeline.Failed(problems) {
		return nil, exitCode(exitFailed)
	}
	return checked, nil
}
