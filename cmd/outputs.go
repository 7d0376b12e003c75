package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
)

// openOutputs opens the places that rows go to.
func (o *replayOptions) openOutputs(ctx context.Context, run *opened, checked *pipeline.Checked) error {
	outputs := checked.Pipeline.Outputs
	names := make([]string, len(outputs))
	for i, out := range outputs {
		names[i] = out.Name
	}
	if len(outputs) == 0 {
		outputs, names = []pipeline.Output{{Name: "rows"}}, []string{"rows"}
	}
	where := func(i int) *replay.Output {
		out := &replay.Output{Name: names[i]}
		if i < len(checked.Where) {
			out.Where = checked.Where[i]
		}
		return out
	}
	switch o.to {
	case "-":
		if len(outputs) > 1 {
			return schema.WithHint(fmt.Errorf("--to - shows one output, and the pipeline has %s", strings.Join(names, ", ")), "give a folder, or keep one output in the file")
		}
		sink := newStdoutSink(o.world.stdout)
		out := where(0)
		out.Targets = []replay.Target{{Sink: sink, Name: names[0]}}
		run.addSink(sink)
		run.job.Outputs = append(run.job.Outputs, *out)
		return nil
	case "":
		return o.openOwnPlaces(ctx, run, checked, outputs, where)
	}
	sink, err := o.lakeSink(ctx, run, o.to)
	if err != nil {
		return err
	}
	run.addSink(sink)
	run.job.Sides = sink
	for i := range outputs {
		out := where(i)
		out.Targets = []replay.Target{{Sink: sink, Name: names[i]}}
		run.job.Outputs = append(run.job.Outputs, *out)
	}
	return nil
}

// lakeSink opens an output place: as its checkpoint left it, or empty.
func (o *replayOptions) lakeSink(ctx context.Context, run *opened, place string) (*lake.Sink, error) {
	last := run.last()
	sink, err := lake.NewSink(ctx, place, lake.SinkOptions{Env: o.world.env, Replace: o.replace && last == nil, Resume: last != nil})
	if err == nil && last != nil && sink.Manifest().Epoch > last.SealedEpoch {
		err = schema.WithHint(fmt.Errorf("write to %s: it holds epoch %d, and the checkpoint is of epoch %d", place, sink.Manifest().Epoch, last.SealedEpoch),
			"the checkpoint is not the one of this output, or an old one: the rows since would be written twice")
	}
	return sink, err
}

// openOwnPlaces sends every output to the places that the pipeline file names for it.
func (o *replayOptions) openOwnPlaces(ctx context.Context, run *opened, checked *pipeline.Checked, outputs []pipeline.Output, where func(int) *replay.Output) error {
	for i, p := range outputs {
		out := where(i)
		if p.Lake == "" && p.Kafka == nil {
			return schema.WithHint(fmt.Errorf("output %s has no place", p.Name), "give it `lake:` or `kafka:`, or name a folder with --to")
		}
		if p.Lake != "" {
			sink, err := o.lakeSink(ctx, run, p.Lake)
			if err != nil {
				return fmt.Errorf("output %s: %w", p.Name, err)
			}
			run.addSink(sink)
			if run.job.Sides == nil {
				run.job.Sides = sink // beside the first output in the lake
			}
			out.Targets = append(out.Targets, replay.Target{Sink: sink, Name: "rows"})
		}
		if p.Kafka != nil {
			out.Targets = append(out.Targets, replay.Target{Sink: run.topics, Name: p.Name})
		}
		run.job.Outputs = append(run.job.Outputs, *out)
	}
	if run.topics != nil {
		run.sinks = append(run.sinks, run.topics)
	}
	return nil
}

// openTopics opens the topics of the outputs' own places.
func (o *replayOptions) openTopics(ctx context.Context, run *opened, p *pipeline.Pipeline) error {
	topics := map[string]kafka.Output{}
	for _, out := range p.Outputs {
		if out.Kafka == nil || o.to != "" {
			continue
		}
		f := kafka.Format{Name: out.Kafka.Format, Subject: out.Kafka.Subject, Record: out.Name}
		if out.Kafka.Registry {
			reg, err := openRegistry(p)
			if err != nil {
				return err
			}
			f.Registry = reg
		}
		topics[out.Name] = kafka.Output{Topic: out.Kafka.Topic, Key: out.Kafka.Key, NewEncoder: kafka.NewEncoder(f)}
	}
	if len(topics) == 0 {
		return nil
	}
	client, err := clientOptions(o.world, p)
	if err != nil {
		return err
	}
	opts := kafka.SinkOptions{Client: client, Outputs: topics, CreateTopics: true, Now: o.world.now}
	_, opts.Buffered = o.onTheWay()
	if exactlyOnce(p) {
		// Brokers allow a quarter of an hour unless told otherwise.
		opts.Transaction = &kafka.Transaction{
			ID: p.Kafka.Group, Group: p.Kafka.Group, Topics: map[string]string{},
			Timeout: 15 * time.Minute, Least: min(15*time.Minute, max(time.Minute, 6*o.checkpointEvery)),
		}
		for _, s := range p.Streams {
			if o.from == "kafka" && s.Kafka != nil {
				opts.Transaction.Topics[s.Name] = s.Kafka.Topic
			}
		}
	}
	run.topics, err = kafka.NewSink(ctx, opts)
	if err == nil {
		run.closes = append(run.closes, run.topics.Close)
	}
	return err
}

func (o *opened) addSink(s replay.Sink) {
	o.sinks = append(o.sinks, s)
	o.closes = append(o.closes, s.Close)
}

// finish completes what was published: outputs without rows, the decision log.
func (o *opened) finish(ctx context.Context) error {
	for _, s := range o.sinks {
		if l, ok := s.(*lake.Sink); ok {
			if err := l.Finish(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
