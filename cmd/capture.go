package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
)

// captureOptions are those of `lockstep capture`.
type captureOptions struct {
	world *world

	file         string
	to           string
	since, until string
	resume       bool
	replace      bool
	quiet        bool
}

func newCapture(w *world) *cobra.Command {
	o := &captureOptions{world: w}
	c := &cobra.Command{
		Use:   "capture FILE",
		Short: "Record the pipeline's topics into the lake, with their positions",
		Long: `Record every stream's topic as Parquet: PLACE/<stream>/*.parquet holds exactly
the topic's rows, in order, and beside their own columns _partition, _offset
and _timestamp (the broker's time). Any tool reads it as a plain table; and
replay --from lake --as stream over it gives what a correct stream must give.

Without --until it records until Ctrl-C. --resume goes on behind the last
row of an earlier capture.`,
		Example: `  lockstep capture flights.yaml --until latest --to s3://lake/flights
  lockstep capture flights.yaml --until latest --to s3://lake/flights --resume`,
		Args: exactly(1, "takes one pipeline file"),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.to, "to", "", "folder or s3:// place to record into")
	f.StringVar(&o.since, "since", "", "start at this broker time")
	f.StringVar(&o.until, "until", "", "end: 'latest', or a broker time (default: until interrupted)")
	f.BoolVar(&o.resume, "resume", false, "go on where an earlier capture ended")
	f.BoolVar(&o.replace, "replace", false, "replace an earlier capture")
	f.BoolVar(&o.quiet, "quiet", false, "no progress")
	return c
}

// captureInputs is where a capture stands, in the lake's manifest: by stream, by partition.
type captureInputs struct {
	Positions map[string]map[string]int64 `json:"positions"`
	// Topics tell the streams' topics from others that had or will have their names, where the brokers do.
	Topics map[string]string `json:"topics,omitempty"`
}

func (o *captureOptions) run(ctx context.Context) error {
	if o.to == "" {
		return schema.WithHint(errors.New("--to is missing"), "name a folder or an s3:// place")
	}
	if o.resume && o.replace {
		return schema.WithHint(errors.New("--resume and --replace exclude each other"), "leave one out")
	}
	if err := inOrder("--since", o.since, "--until", o.until); err != nil {
		return err
	}
	soft, ctx := o.world.interrupts(ctx)
	checked, err := o.world.loadPipeline(ctx, o.file)
	if err != nil {
		return err
	}
	sink, err := lake.NewSink(ctx, o.to, lake.SinkOptions{Env: o.world.env, Resume: o.resume, Replace: o.replace})
	if err != nil {
		return err
	}
	defer sink.Close()
	at := captureInputs{Positions: map[string]map[string]int64{}, Topics: map[string]string{}}
	if err := at.from(sink, o.resume); err != nil {
		return err
	}
	var jobs []*capture
	for i := range checked.Pipeline.Streams {
		s := &checked.Pipeline.Streams[i]
		if s.Kafka == nil {
			continue
		}
		c, err := o.openStream(ctx, checked, s, sink, at)
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
		defer c.src.Close()
		jobs = append(jobs, c)
	}
	if len(jobs) == 0 {
		return schema.WithHint(fmt.Errorf("%s: no stream has a topic", o.file), "give a stream `kafka: {topic: ..}`")
	}
	return o.record(ctx, soft, sink, jobs, at)
}

// from takes over where an earlier capture ended.
func (in *captureInputs) from(sink *lake.Sink, resume bool) error {
	if !resume {
		return nil
	}
	m := sink.Manifest()
	if m.Epoch == 0 || len(m.Inputs) == 0 {
		return nil
	}
	return json.Unmarshal(m.Inputs, in)
}

func (o *captureOptions) openStream(ctx context.Context, checked *pipeline.Checked, s *pipeline.Stream, sink *lake.Sink, in captureInputs) (*capture, error) {
	rel := checked.Catalog.Streams[s.Name]
	opts, err := topicOptions(ctx, o.world, checked, s, rel, o.since, o.until)
	if err != nil {
		return nil, err
	}
	opts.OnBadRecord, opts.Advice = kafka.Fail, "a capture holds every record as a row; correct the stream's types"
	fields, err := kafka.CaptureFields(rel.Fields)
	if err != nil {
		return nil, err
	}
	src, err := kafka.NewSource(ctx, *opts)
	if err != nil {
		return nil, err
	}
	c := &capture{name: s.Name, src: src, next: map[string]int64{}}
	if at := in.Positions[s.Name]; len(at) > 0 {
		if was, is := in.Topics[s.Name], src.TopicID(); was != "" && is != "" && was != is {
			err := schema.WithHint(fmt.Errorf("topic %s is another than the earlier capture's: its id was %s and is %s", s.Kafka.Topic, was, is),
				"it was deleted and made again; record it into another place, or --replace the earlier capture")
			return nil, errors.Join(err, src.Close())
		}
		if err := src.Seek(at); err != nil {
			return nil, errors.Join(err, src.Close())
		}
	}
	// A partition without rows keeps where it started: to start it at its beginning next time would take what --since left out.
	for _, l := range src.Lanes() {
		c.next[l.Name] = l.Next
	}
	if c.out, err = sink.Open(ctx, s.Name, fields); err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return c, nil
}

// record copies all topics until their ends or until soft, and publishes what was read. Streams of an earlier capture
// that this one does not record stay where they stood.
func (o *captureOptions) record(ctx context.Context, soft <-chan struct{}, sink *lake.Sink, jobs []*capture, at captureInputs) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-soft:
			stop()
		case <-reading.Done():
		}
	}()
	work, _ := errgroup.WithContext(ctx)
	bar := newProgress(o.world, "capture", o.quiet)
	for _, c := range jobs {
		work.Go(func() error { return c.run(ctx, reading) })
	}
	err := work.Wait()
	bar.Done()
	if err != nil {
		return err
	}
	for _, c := range jobs {
		at.Positions[c.name] = c.next
		if id := c.src.TopicID(); id != "" {
			at.Topics[c.name] = id
		}
	}
	if err := publish(ctx, sink, at); err != nil {
		return err
	}
	for _, c := range jobs {
		fmt.Fprintf(o.world.stdout, "%s: %s rows from %d partitions\n", c.name, thousands(c.rows), len(c.lanes))
	}
	select {
	case <-soft:
		return exitCode(exitInterrupted)
	default:
		return nil
	}
}

// publish seals and publishes one more epoch of a place.
func publish(ctx context.Context, sink *lake.Sink, inputs any) error {
	data, err := json.Marshal(inputs)
	if err != nil {
		return err
	}
	sink.SetInputs(data)
	epoch := sink.Manifest().Epoch + 1
	sink.Cut()
	sealed, err := sink.Seal(ctx, epoch)
	if err != nil {
		return err
	}
	if err := sink.Publish(ctx, epoch, sealed); err != nil {
		return err
	}
	return sink.Finish(ctx)
}

// capture is the recording of one topic.
type capture struct {
	name  string
	src   *kafka.Source
	out   replay.Writer
	lanes []replay.Lane
	next  map[string]int64
	rows  int64
}

func (c *capture) run(ctx, reading context.Context) error {
	c.lanes = append(c.lanes, c.src.Lanes()...)
	for {
		b, err := c.src.Next(reading)
		if errors.Is(err, io.EOF) || reading.Err() != nil && ctx.Err() == nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", c.name, err)
		}
		if b.Opened != nil {
			c.lanes = append(c.lanes, *b.Opened)
		}
		lane := c.lanes[b.Lane]
		if rec := kafka.Captured(b, lane.Partition); rec != nil {
			if err := c.out.Write(ctx, rec, nil); err != nil {
				return err
			}
			c.rows += rec.NumRows()
		}
		c.next[lane.Name] = max(c.next[lane.Name], b.Next)
	}
}
