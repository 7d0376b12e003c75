package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
)

// opened is a job with all that must be closed behind it.
type opened struct {
	job    *replay.Job
	total  int64 // rows to read, 0 when that is not known
	sinks  []replay.Sink
	topics *kafka.Sink // nil when no output goes to Kafka
	closes []func() error
}

func (o *opened) close() {
	for _, c := range slices.Backward(o.closes) {
		_ = c()
	}
}

// open reads the pipeline file and opens everything that the run needs, inputs before outputs.
func (o *replayOptions) open(ctx context.Context) (*opened, error) {
	checked, err := o.world.loadPipeline(ctx, o.file)
	if err != nil {
		return nil, err
	}
	if err := o.notYet(checked.Pipeline); err != nil {
		return nil, err
	}
	if err := o.apart(checked.Pipeline); err != nil {
		return nil, err
	}
	run := o.newRun(checked)
	if err := o.fill(ctx, run, checked); err != nil {
		run.close()
		return nil, err
	}
	return run, nil
}

func (o *replayOptions) newRun(checked *pipeline.Checked) *opened {
	return &opened{job: &replay.Job{
		Plan: checked.Plan, Streams: map[string]*replay.StreamInput{}, Tables: map[string]*replay.TableInput{},
		Final: o.final || o.from == "lake", Parallelism: o.parallelism, OnError: replay.ErrorPolicy(checked.Pipeline.OnError), Clock: o.world.now,
	}}
}

// notYet refuses what a pipeline file may say but this version does not do, so that nothing is ignored in silence.
func (o *replayOptions) notYet(p *pipeline.Pipeline) error {
	if exactlyOnce(p) && o.checkpoint == "" && o.to == "" {
		return schema.WithHint(errors.New("kafka: delivery: exactly-once needs checkpoints"), "add --checkpoint PLACE --resume, or write `delivery: at-least-once`")
	}
	if len(p.Kafka.Brokers) > 0 && p.Kafka.Group != "lockstep-"+p.Name && !exactlyOnce(p) {
		return schema.WithHint(fmt.Errorf("kafka: group: %s is used with delivery: exactly-once alone", p.Kafka.Group), "leave it out; positions are kept in the output's manifest and in checkpoints")
	}
	return nil
}

// apart refuses an output in a folder that the pipeline reads, which the next run would read, and checkpoints in
// an output, which must begin empty.
func (o *replayOptions) apart(p *pipeline.Pipeline) error {
	outputs := []string{o.to}
	switch o.to {
	case "-":
		return nil
	case "":
		outputs = nil // Load has compared them with the inputs
		for _, out := range p.Outputs {
			if out.Lake != "" {
				outputs = append(outputs, out.Lake)
			}
		}
	default:
		full, short := fullPath(o.to), o.to
		if here, err := filepath.Rel(fullPath("."), full); err == nil {
			short = here
		}
		if input := cmp.Or(p.ReadBy(full), p.ReadBy(filepath.ToSlash(short))); input != "" {
			return schema.WithHint(fmt.Errorf("--to %s: the files would lie in what %s reads", o.to, input), "take a folder elsewhere, or one whose name begins with _")
		}
	}
	for _, out := range outputs {
		if o.checkpoint != "" && strings.HasPrefix(fullPath(o.checkpoint)+"/", fullPath(out)+"/") {
			return schema.WithHint(fmt.Errorf("--checkpoint %s lies in the output %s", o.checkpoint, out), "give the checkpoints a place beside it")
		}
	}
	return nil
}

// fullPath is a place on the disk from the root on; one in S3 without a / at its end.
func fullPath(place string) string {
	if strings.Contains(place, "://") {
		return strings.TrimRight(place, "/")
	}
	full, err := filepath.Abs(place)
	if err != nil {
		return place
	}
	return filepath.ToSlash(full)
}

// exactlyOnce reports whether the pipeline's topics get each row once.
func exactlyOnce(p *pipeline.Pipeline) bool {
	return p.Kafka.Delivery == "exactly-once" && slices.ContainsFunc(p.Outputs, func(o pipeline.Output) bool { return o.Kafka != nil })
}

// fill opens inputs and outputs; what it opened before an error is in run all the same.
func (o *replayOptions) fill(ctx context.Context, run *opened, checked *pipeline.Checked) (err error) {
	if run.job.Parallelism == 0 {
		run.job.Parallelism = runtime.GOMAXPROCS(0)
	}
	if o.as == "stream" {
		run.job.Mode = replay.Stream
	}
	if run.job.Decisions, err = o.readDecisions(ctx); err != nil {
		return err
	}
	// The topics come first: they know which epochs happened.
	if err := o.openTopics(ctx, run, checked.Pipeline); err != nil {
		return err
	}
	if err := o.takeCheckpoints(ctx, run, checked.Pipeline); err != nil {
		return err
	}
	used := usedColumns(checked.Plan.Root)
	run.job.Align = o.align(checked.Pipeline)
	for i := range checked.Pipeline.Streams {
		s := &checked.Pipeline.Streams[i]
		columns, ok := used.streams[s.Name]
		if !ok {
			continue
		}
		if err := o.openStream(ctx, run, checked, s, columns); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	if err := o.openTables(ctx, run, checked, used.tables); err != nil {
		return err
	}
	return o.openOutputs(ctx, run, checked)
}

// takeCheckpoints takes the place of the run's checkpoints, before any output is opened: what an output may hold
// depends on the last checkpoint.
func (o *replayOptions) takeCheckpoints(ctx context.Context, run *opened, p *pipeline.Pipeline) error {
	if o.checkpoint == "" {
		return nil
	}
	vault, err := lake.OpenVault(ctx, o.checkpoint, o.world.env)
	if err != nil {
		return err
	}
	run.job.CheckpointEvery, run.job.CheckpointRows, run.job.Settings = o.checkpointEvery, o.checkpointRows, settings(p)
	run.job.Checkpoints, err = replay.TakeCheckpoints(ctx, vault, o.resume, o.keep, run.happened)
	if err != nil {
		return err
	}
	if last := run.last(); last != nil && !last.Done {
		text := fmt.Sprintf("going on from the checkpoint of epoch %d", last.SealedEpoch)
		if last.Parallelism != run.job.Parallelism {
			text += fmt.Sprintf(", with parallelism %d, which was %d", run.job.Parallelism, last.Parallelism)
		}
		o.world.tell(text)
		for _, c := range changes(last.Settings, run.job.Settings) {
			o.world.tell("changed since: " + c)
		}
	}
	return nil
}

// happened reports whether the topics have a checkpoint's epoch.
func (o *opened) happened(cp *replay.Checkpoint) bool {
	if o.topics == nil || !o.topics.Decides() {
		return true
	}
	for _, sealed := range cp.Sealed {
		if !o.topics.Committed(sealed) {
			return false
		}
	}
	return true
}

// last is the checkpoint that the run goes on from; nil: it starts at the beginning.
func (o *opened) last() *replay.Checkpoint {
	if o.job.Checkpoints == nil {
		return nil
	}
	return o.job.Checkpoints.Last()
}
