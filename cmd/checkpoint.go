package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

func newCheckpoint(w *world) *cobra.Command {
	c := &cobra.Command{
		Use:   "checkpoint",
		Short: "Look into the checkpoints of a run",
		Args:  cobra.ArbitraryArgs,
		RunE: func(*cobra.Command, []string) error {
			return schema.WithHint(errors.New("checkpoint needs a command"), "lockstep checkpoint show PLACE")
		},
	}
	c.AddCommand(newCheckpointShow(w))
	return c
}

type checkpointShow struct {
	world  *world
	verify bool
	format string
}

func newCheckpointShow(w *world) *cobra.Command {
	o := &checkpointShow{world: w}
	c := &cobra.Command{
		Use:   "show PLACE",
		Short: "Show what checkpoints hold: epochs, positions, watermarks, state",
		Long: `Show the checkpoints at PLACE, and of the newest where each partition goes on, how far time has come, and the
rows that each operator holds by bucket of event time. The segments below segments/ are Arrow files that any Arrow
reader opens. --verify reads every file of every checkpoint and compares its checksum.`,
		Example: `  lockstep checkpoint show s3://ops/flights
  lockstep checkpoint show ./ckpt --verify`,
		Args:        exactly(1, "takes one place of checkpoints"),
		Annotations: exits("0    done\n1    --verify found a damaged or missing file\n2    the place could not be read, or holds no checkpoint"),
		RunE:        func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) },
	}
	c.Flags().BoolVar(&o.verify, "verify", false, "read all files and compare their checksums")
	c.Flags().StringVar(&o.format, "format", "text", "text or json")
	return c
}

// shownCheckpoints is what show prints as JSON.
type shownCheckpoints struct {
	Place  string             `json:"place"`
	Epochs []shownEpoch       `json:"epochs"`
	Newest *replay.Checkpoint `json:"newest"`
	Errors []string           `json:"errors"`
}

type shownEpoch struct {
	Epoch int64 `json:"epoch"`
	Begun bool  `json:"begun,omitempty"`
	Done  bool  `json:"done,omitempty"`
	Rows  int64 `json:"state_rows"`
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (o *checkpointShow) run(ctx context.Context, place string) error {
	if err := oneOf("--format", o.format, "text", "json"); err != nil {
		return err
	}
	vault, epochs, err := o.world.checkpoints(ctx, place)
	if err != nil {
		return err
	}
	shown := shownCheckpoints{Place: place, Errors: []string{}}
	sums := map[string]error{}
	for _, e := range epochs {
		cp, err := replay.ReadCheckpoint(ctx, vault, e)
		if err != nil {
			shown.Errors = append(shown.Errors, err.Error())
			continue
		}
		files := cp.Files()
		s := shownEpoch{Epoch: e, Begun: cp.Begun, Done: cp.Done, Files: len(files)}
		for _, f := range files {
			s.Bytes += f.Bytes
			if o.verify {
				if err := verifyFile(ctx, vault, f, sums); err != nil {
					shown.Errors = append(shown.Errors, fmt.Sprintf("epoch %d: %v", e, err))
				}
			}
		}
		for _, op := range cp.Operators {
			for _, shards := range op.Stores {
				for _, st := range shards {
					for _, b := range st.Buckets {
						s.Rows += int64(b.Rows)
					}
				}
			}
		}
		shown.Epochs = append(shown.Epochs, s)
		if !cp.Begun { // a run that has begun has come nowhere yet
			shown.Newest = cp
		}
	}
	if o.format == "json" {
		enc := json.NewEncoder(o.world.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(shown)
	} else {
		err = shown.print(o.world.stdout, o.verify)
	}
	if err == nil && len(shown.Errors) > 0 {
		return exitCode(exitNo)
	}
	return err
}

// checkpoints lists those of a place, oldest first; there is at least one.
func (w *world) checkpoints(ctx context.Context, place string) (replay.Vault, []int64, error) {
	vault, err := lake.OpenVault(ctx, place, w.env)
	if err != nil {
		return nil, nil, err
	}
	epochs, err := replay.Epochs(ctx, vault)
	if err == nil && len(epochs) == 0 {
		err = schema.WithHint(fmt.Errorf("checkpoint %s: there is none", place), "name the place that was given to replay --checkpoint")
	}
	return vault, epochs, err
}

// verifyFile reads a file once, however many checkpoints share it.
func verifyFile(ctx context.Context, v replay.Vault, f state.Saved, done map[string]error) error {
	if err, seen := done[f.Name]; seen {
		return err
	}
	data, err := v.Get(ctx, f.Name)
	if err == nil {
		err = f.Verify(data)
	}
	done[f.Name] = err
	return err
}

func (s *shownCheckpoints) print(w io.Writer, verified bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "epoch\tstate rows\tfiles\tbytes\t")
	for _, e := range s.Epochs {
		note := ""
		switch {
		case e.Done:
			note = "  the run's end"
		case e.Begun:
			note = "  a run's beginning"
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\n", e.Epoch, thousands(e.Rows), e.Files, bytesText(e.Bytes), note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if cp := s.Newest; cp != nil {
		fmt.Fprintf(w, "\nepoch %d, as %s, parallelism %d\n", cp.Epoch, cp.Mode, cp.Parallelism)
		for _, name := range slices.Sorted(maps.Keys(cp.Streams)) {
			st := cp.Streams[name]
			var lanes []string
			for _, l := range st.Lanes {
				lanes = append(lanes, fmt.Sprintf("%s at %d", l.Name, l.Next))
			}
			fmt.Fprintf(w, "stream %s: %s rows, watermark %s, %s\n", name, thousands(st.Counts["rows"]), shownTime(st.Watermark), strings.Join(lanes, ", "))
		}
		if cp.Watermark != nil {
			fmt.Fprintf(w, "outputs: watermark %s\n", shownTime(*cp.Watermark))
		}
		for _, op := range cp.Operators {
			fmt.Fprintf(w, "%s: %s\n", op.Name, op.What)
			for i, shards := range op.Stores {
				rows, pieces := map[int64]int{}, map[int64]int{}
				for _, st := range shards {
					for _, b := range st.Buckets {
						rows[b.Start] += b.Rows
						pieces[b.Start] += len(b.Pieces)
					}
				}
				for _, start := range slices.Sorted(maps.Keys(rows)) {
					fmt.Fprintf(w, "  input %d, bucket %s: %s rows in %d pieces\n", i+1, shownTime(start), thousands(int64(rows[start])), pieces[start])
				}
			}
		}
	}
	for _, e := range s.Errors {
		fmt.Fprintln(w, "damaged:", e)
	}
	if verified && len(s.Errors) == 0 {
		fmt.Fprintln(w, "every file is whole")
	}
	return nil
}

// shownTime is a time of the engine for people.
func shownTime(us int64) string {
	switch us {
	case replay.NoTime:
		return "none"
	case replay.EndOfTime:
		return "the end"
	}
	return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.999999")
}
