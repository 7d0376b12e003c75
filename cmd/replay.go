package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// replayOptions are those of `lockstep replay`.
type replayOptions struct {
	world *world

	file         string
	from, as, to string
	since, until string
	final        bool
	replace      bool
	parallelism  int
	decisions    string
	format       string
	quiet        bool
	traced       *tracing // nil: an ordinary run

	checkpoint      string
	checkpointEvery time.Duration
	checkpointRows  int64
	keep            int
	resume          bool

	memory   string
	limit    int64 // what memory says, once it was taken; 0: none
	stateDir string
}

func newReplay(w *world) *cobra.Command {
	o := &replayOptions{world: w}
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Run a pipeline over the lake or from Kafka, as a batch or as a stream",
		Long: `Run the pipeline in FILE over its whole input and write its outputs.

--as batch takes every row; --as stream sets aside late rows, as a stream must.
The same lake answers both, so there are three results: B (--from lake --as
batch), B* (--from lake --as stream) and S (--from kafka --as stream). S
against B* shows defects, B* against B the price of the lateness policy.

A bounded read of Kafka ends with windows that are still open: their rows go
to _undecided/, unless --final says that the input is complete. The lake is
complete.

With --checkpoint the run saves itself every ten seconds, its outputs become
visible epoch by epoch, and --resume goes on from the last checkpoint after a
crash or a Ctrl-C, at any --parallelism; where there is none yet it starts at
the beginning, so that a supervisor can always pass it.

A run that holds much of what --memory allows puts rows into files in
--state-dir, and reads them from there; the files are gone when the process
is. The answer is the same.

The summary goes to stdout. With --to - the rows of the output go to stdout as
NDJSON and the summary to stderr.`,
		Example: `  lockstep replay flights.yaml --from lake --as batch --to out/batch
  lockstep replay flights.yaml --from kafka --as stream --until latest --final --to out/stream
  lockstep replay flights.yaml --from kafka --checkpoint s3://ops/flights --resume
  lockstep replay flights.yaml --from lake --as stream --to - | head`,
		Args: exactly(1, "takes one pipeline file"),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			for _, flag := range []string{"checkpoint-every", "checkpoint-rows", "keep"} {
				if c.Flags().Changed(flag) && o.checkpoint == "" {
					return schema.WithHint(fmt.Errorf("--%s needs --checkpoint", flag), "name a place for the run's checkpoints")
				}
			}
			return o.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "lake", "where rows come from: lake or kafka")
	f.StringVar(&o.as, "as", "", "batch or stream (default: batch from the lake, stream from kafka)")
	f.StringVar(&o.to, "to", "", "folder or s3:// place for all outputs, or - for stdout (default: the outputs' own places)")
	f.StringVar(&o.since, "since", "", "start: a time; event time in the lake, broker time in Kafka")
	f.StringVar(&o.until, "until", "", "end: a time, or 'latest' in Kafka (default: the lake's end; in Kafka, until interrupted)")
	f.BoolVar(&o.final, "final", false, "the input is complete: close every window at its end (always so for the lake)")
	f.StringVar(&o.checkpoint, "checkpoint", "", "folder or s3:// place for the run's checkpoints (default: none)")
	o.checkpointEvery = 10 * time.Second
	f.Var((*duration)(&o.checkpointEvery), "checkpoint-every", "time between checkpoints")
	f.Int64Var(&o.checkpointRows, "checkpoint-rows", 0, "also make a checkpoint after so many input rows (0: by time alone)")
	f.IntVar(&o.keep, "keep", 3, "checkpoints to keep")
	f.BoolVar(&o.resume, "resume", false, "go on from the last checkpoint at --checkpoint, if there is one")
	f.StringVar(&o.memory, "memory", "", "memory that the process may take; what it holds beyond goes to --state-dir (default: half of the machine's)")
	f.StringVar(&o.stateDir, "state-dir", "", "folder for what memory has no room for (default: the system's folder for temporary files)")
	f.BoolVar(&o.replace, "replace", false, "replace what an earlier run left at --to")
	f.IntVar(&o.parallelism, "parallelism", 0, "number of shards (default: the number of CPUs)")
	f.StringVar(&o.decisions, "decisions", "", "replay the decisions of an earlier run: its output folder")
	f.StringVar(&o.format, "format", "text", "form of the summary: text or json")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
	return c
}

func (o *replayOptions) check() error {
	if o.as == "" {
		o.as = map[string]string{"kafka": "stream"}[o.from]
		if o.as == "" {
			o.as = "batch"
		}
	}
	if o.parallelism < 0 || o.parallelism > 1024 {
		return schema.WithHint(fmt.Errorf("--parallelism %d", o.parallelism), "give 1 to 1024, or leave it out for the number of CPUs")
	}
	if o.from == "kafka" && o.as == "batch" && o.until == "" {
		return schema.WithHint(errors.New("a batch from Kafka needs an end"), "add --until latest, or a time")
	}
	switch {
	case o.checkpoint == "" && o.resume:
		return schema.WithHint(errors.New("--resume needs --checkpoint"), "name the place that holds the run's checkpoints")
	case o.checkpoint != "" && o.to == "-":
		return schema.WithHint(errors.New("--checkpoint with --to -: what was shown cannot be taken back"), "give a folder or an s3:// place")
	case o.checkpointEvery <= 0 || o.checkpointRows < 0 || o.keep < 1:
		return schema.WithHint(errors.New("--checkpoint-every, --checkpoint-rows and --keep cannot be below 1"), "leave them out for 10s, by time alone, and 3")
	}
	return errors.Join(oneOf("--from", o.from, "lake", "kafka"), oneOf("--as", o.as, "batch", "stream"), oneOf("--format", o.format, "text", "json"), inOrder("--since", o.since, "--until", o.until))
}

func (o *replayOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	soft, ctx := o.world.interrupts(ctx)
	disk, release, err := o.takeMemory(ctx)
	if err != nil {
		return err
	}
	defer release()
	run, err := o.open(ctx)
	if err != nil {
		return err
	}
	defer run.close()
	run.job.Disk = disk
	if run.job.Checkpoints != nil {
		run.job.StopAndSave = soft
	} else {
		run.job.Stop = soft
	}
	bar := newProgress(o.world, "replay", o.quiet)
	run.job.Observe = func(p replay.Progress) {
		bar.From(p.Earlier)
		bar.Set(p.RowsIn, run.total, fmt.Sprintf("%s rows out, %s of state", thousands(p.RowsOut), bytesText(p.StateBytes)))
	}
	sum, err := replay.Run(ctx, run.job)
	bar.Done()
	if errors.Is(err, replay.ErrPaused) {
		// No error: it is what was asked for.
		o.world.tell(err.Error())
		o.world.tell("hint: go on with --resume")
		return exitCode(exitInterrupted)
	}
	if errors.Is(err, replay.ErrInterrupted) {
		o.world.report(err, "run it again; it starts from the beginning")
		return exitCode(exitInterrupted)
	}
	if err == nil {
		err = run.finish(ctx)
	}
	if err != nil {
		return err
	}
	out := o.world.stdout
	if o.to == "-" {
		out = o.world.stderr
	}
	if last := run.last(); last != nil && last.Done {
		o.world.tell("the run had come to the end of its input before; nothing was done")
	}
	if err := printSummary(out, sum, o.format); err != nil {
		return err
	}
	select {
	case <-soft:
		return exitCode(exitInterrupted)
	default:
		return nil
	}
}

// printSummary writes what a run did, as a short table or as one JSON object.
func printSummary(w io.Writer, s *replay.Summary, format string) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stream\trows\tlate\tduplicates\tconflicts\trejected\tundecided\t")
	for _, st := range s.Streams {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", st.Name, thousands(st.Rows), thousands(st.Late), thousands(st.Duplicates), thousands(st.Conflicts), thousands(st.Rejected), thousands(st.Undecided))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, o := range s.Outputs {
		fmt.Fprintf(w, "output %s: %s rows\n", o.Name, thousands(o.Rows))
	}
	if s.First != "" {
		fmt.Fprintf(w, "event time %s to %s\n", s.First, s.Last)
	}
	for _, d := range s.Decisions {
		fmt.Fprintf(w, "decision: partition %s of %s was left out from offset %d (%s)\n", d.Lane, d.Stream, d.Position, d.Kind)
	}
	if s.RestoredRows > 0 {
		fmt.Fprintf(w, "went on with %s held rows after %.1f s\n", thousands(s.RestoredRows), s.Recovery)
	}
	if s.Checkpoints > 0 {
		fmt.Fprintf(w, "checkpoints: %s, the longest pause %.0f ms\n", thousands(s.Checkpoints), 1000*s.MaxPause)
	}
	for _, k := range s.Skew {
		of := "rows of " + k.Operator
		if k.Side != "" {
			of = k.Side + " " + of
		}
		fmt.Fprintf(w, "skew: %.0f %% of the %s have %s = %s\n", k.Share*100, of, strings.Join(k.Key, ", "), strings.Join(k.Value, ", "))
	}
	if d := s.Spilled; d != nil {
		fmt.Fprintf(w, "state on disk: %s were written to %s, %s were there at most\n", bytesText(d.Bytes), d.Place, bytesText(d.PeakBytes))
	}
	_, err := fmt.Fprintf(w, "as %s in %.1f s, %s rows/s, %s of state at most\n", s.Mode, s.Seconds, thousands(int64(s.RowsPerSecond)), bytesText(s.PeakStateBytes))
	return err
}

// thousands is a number with its thousands apart.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText is a size in the unit that fits.
func bytesText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}
