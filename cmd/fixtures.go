package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-data/lockstep/fixtures/traffic"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/avro"
)

func newFixtures(w *world) *cobra.Command {
	c := &cobra.Command{
		Use:   "fixtures",
		Short: "Make hostile traffic and its truth, as files or in Kafka",
		Long: `Makes impressions and playbacks of a video service with everything that goes wrong on the way: late rows,
duplicates, conflicts, hot keys, NULL keys, poison timestamps, partitions that lag or stand still, times on the
exact bounds; and the truth about every row. The same seed gives the same traffic.`,
	}
	c.AddCommand(newFixturesGenerate(w), newFixturesProduce(w))
	return c
}

// trafficFlags are those of both commands.
type trafficFlags struct {
	opts  traffic.Options
	start string
	seed  int64
}

func (f *trafficFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.opts.Impressions, "impressions", 100_000, "impressions, before duplicates")
	flags.Int64Var(&f.seed, "seed", -1, "what decides everything else (default: another each time; it is printed)")
	f.opts.Span, f.opts.Disorder = 24*time.Hour, 10*time.Minute
	flags.Var((*duration)(&f.opts.Span), "span", "event time from the first to the last impression")
	flags.StringVar(&f.start, "start", "2025-11-03T00:00:00Z", "first event time, RFC 3339")
	flags.IntVar(&f.opts.Partitions, "partitions", 4, "partitions of each topic")
	flags.Var((*duration)(&f.opts.Disorder), "disorder", "disorder of both streams in the pipeline file")
	flags.Float64Var(&f.opts.Late, "late", 0.005, "share of rows that come long after their time")
	flags.Float64Var(&f.opts.Duplicates, "duplicates", 0.01, "share of rows that come again")
}

// options are those that were given; an explicit share of 0 is none.
func (f *trafficFlags) options(now time.Time) (traffic.Options, error) {
	o := f.opts
	start, err := time.Parse(time.RFC3339, f.start)
	if err != nil {
		return o, schema.WithHint(fmt.Errorf("--start %q is no time", f.start), "write it as 2025-11-03T00:00:00Z")
	}
	o.Start = start
	for _, share := range []*float64{&o.Late, &o.Duplicates} {
		if *share == 0 {
			*share = -1
		}
	}
	o.Seed = uint64(f.seed)
	if f.seed < 0 {
		o.Seed = uint64(now.UnixNano() % 1_000_000_000)
	}
	return o, nil
}

func newFixturesGenerate(w *world) *cobra.Command {
	var f trafficFlags
	var to, format string
	c := &cobra.Command{
		Use:   "generate --to DIR",
		Short: "Write traffic as a lake with its tables, pipeline file and truth",
		Long: `Writes below DIR the streams impressions/ and playbacks/ as Parquet with _partition, _offset and _timestamp,
the tables customers.parquet and devices.csv, pipeline.yaml with impressions.avsc, and the truth: truth.json has
the counts that a right run gives, truth/<stream>.parquet what becomes of each row.`,
		Example: "  lockstep fixtures generate --to traffic --impressions 100000 --seed 7\n  lockstep replay traffic/pipeline.yaml --from lake --as stream --to out",
		Args:    exactly(0, "takes no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if to == "" {
				return schema.WithHint(errors.New("fixtures generate: no place to write to"), "give --to DIR")
			}
			if format != "text" && format != "json" {
				return schema.WithHint(fmt.Errorf("fixtures generate: format %q is unknown", format), "give text or json")
			}
			t, err := f.traffic(w, nil)
			if err != nil {
				return err
			}
			if err := t.WriteFiles(to); err != nil {
				return err
			}
			if format == "json" {
				e := json.NewEncoder(w.stdout)
				return e.Encode(struct {
					Seed  uint64        `json:"seed"`
					To    string        `json:"to"`
					Truth traffic.Truth `json:"truth"`
				}{t.Options.Seed, to, t.Truth})
			}
			return trafficSummary(w.stdout, t)
		},
	}
	f.add(c.Flags())
	c.Flags().StringVar(&to, "to", "", "folder to write to; made if missing")
	c.Flags().StringVar(&format, "format", "text", "how the summary is printed: text or json")
	return c
}

func newFixturesProduce(w *world) *cobra.Command {
	var f trafficFlags
	var brokers, key []string
	var pace, tables string
	var more bool
	c := &cobra.Command{
		Use:   "produce [DIR | FILE]",
		Short: "Write traffic, or a pipeline's files, to Kafka, as fast as it goes or at a pace",
		Long: `Without an argument, makes traffic by the flags and writes it to the topics impressions (Avro) and playbacks
(JSON); --tables writes the pipeline file and the tables that go with it. With DIR, a folder of "fixtures
generate", the traffic is the same as there. With FILE, a pipeline file, the rows of each stream's lake go to its
topic: where they were when they were captured, else in file order, by --key over --partitions.

Every row goes to its partition with its broker time, in the order of broker times. Missing topics are made.`,
		Example: `  lockstep fixtures produce traffic --brokers localhost:9092 --pace 600x
  lockstep fixtures produce --impressions 1000000 --seed 7 --tables traffic --pace 50000/s
  lockstep fixtures produce fixtures/flights/flights.yaml --partitions 4 --key carrier,flight`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			speed, err := traffic.ParsePace(pace)
			if err != nil {
				return err
			}
			file := false
			if len(args) == 1 {
				info, err := os.Stat(args[0])
				file = err == nil && !info.IsDir()
				for _, name := range []string{"impressions", "seed", "span", "start", "partitions", "disorder", "late", "duplicates"} {
					if c.Flags().Changed(name) && !(file && name == "partitions") {
						return schema.WithHint(fmt.Errorf("fixtures produce: %s says what the rows are, and so does --%s", args[0], name), "give the place or the flag")
					}
				}
			}
			var topics []traffic.Topic
			var t *traffic.Traffic
			switch {
			case file:
				if !c.Flags().Changed("partitions") {
					f.opts.Partitions = 1
				}
				var own []string
				if topics, own, err = w.topicsOf(c, args[0], f.opts.Partitions, key); err != nil {
					return err
				}
				if !c.Flags().Changed("brokers") && len(own) > 0 {
					brokers = own
				}
			default:
				if t, err = f.traffic(w, args); err != nil {
					return err
				}
				if tables != "" {
					if err := t.WriteTables(tables); err != nil {
						return err
					}
				}
				topics = t.Topics()
				fmt.Fprintf(w.stderr, "seed %d\n", t.Options.Seed)
			}
			told := w.now()
			err = traffic.Produce(c.Context(), topics, traffic.ProduceOptions{
				Brokers: brokers, Pace: speed, Append: more,
				Progress: func(rows, total int) {
					if now := w.now(); now.Sub(told) >= 10*time.Second {
						told = now
						fmt.Fprintf(w.stderr, "%d of %d rows\n", rows, total)
					}
				},
			})
			if err != nil {
				return err
			}
			if t != nil {
				return trafficSummary(w.stdout, t)
			}
			for _, topic := range topics {
				if _, err := fmt.Fprintf(w.stdout, "%s: %d rows\n", topic.Name, topic.Record.NumRows()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.add(c.Flags())
	c.Flags().StringSliceVar(&brokers, "brokers", []string{"localhost:9092"}, "brokers to start from, host:port; with FILE, those in it")
	c.Flags().StringSliceVar(&key, "key", nil, "with FILE: the columns whose hash is the partition of rows without one")
	c.Flags().StringVar(&pace, "pace", "", "10x for ten times real time, 5000/s for rows a second (default: as fast as it goes)")
	c.Flags().StringVar(&tables, "tables", "", "folder to write the traffic's pipeline file and tables to")
	c.Flags().BoolVar(&more, "append", false, "write to topics that hold rows; their lateness is then not that of the truth")
	return c
}

// traffic is that of a folder, or of the flags.
func (f *trafficFlags) traffic(w *world, args []string) (*traffic.Traffic, error) {
	o, err := f.options(w.now())
	if len(args) == 1 {
		o, err = traffic.ReadOptions(args[0])
	}
	if err != nil {
		return nil, err
	}
	return traffic.Generate(o)
}

// topicsOf are the rows of the lakes of a pipeline file's streams on their way to the streams' topics, and the
// file's brokers.
func (w *world) topicsOf(c *cobra.Command, file string, partitions int, key []string) (topics []traffic.Topic, brokers []string, err error) {
	if partitions < 1 {
		return nil, nil, fmt.Errorf("fixtures produce: --partitions is %d", partitions)
	}
	checked, err := w.loadPipeline(c.Context(), file)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range checked.Pipeline.Streams {
		if s.Kafka == nil || s.Lake == "" {
			return nil, nil, schema.WithHint(fmt.Errorf("%s: stream %s has no topic or no lake", file, s.Name), "give it `kafka` and `lake`")
		}
		if s.Kafka.Registry || s.Kafka.Format != "json" && s.Kafka.Format != "avro" {
			return nil, nil, schema.WithHint(fmt.Errorf("%s: stream %s: only JSON and Avro without a registry are produced", file, s.Name), "write the topic with `lockstep replay` from an output")
		}
		// The places in Kafka are left out of the columns that a lake has, under whatever names they are given for.
		src, err := lake.NewSource(c.Context(), lake.SourceOptions{Place: s.Lake, Env: w.env, AbsentAsNull: s.ByAvro(), Partition: "-", Offset: "-", Timestamp: "-"})
		if err != nil {
			return nil, nil, err
		}
		there := src.Fields()
		if err := src.Close(); err != nil {
			return nil, nil, err
		}
		fields := slices.Clone(checked.Catalog.Streams[s.Name].Fields)
		positions := map[string]string{s.Positions.Partition: "_partition", s.Positions.Offset: "_offset", s.Positions.Timestamp: "_timestamp"}
		for _, f := range there {
			if positions[f.Name] != "" {
				fields = append(fields, f)
			}
		}
		recs, fields, err := lake.ReadTable(c.Context(), s.Lake, fields, tableOptions(w))
		if err != nil {
			return nil, nil, err
		}
		fields = slices.Clone(fields)
		for i, f := range fields {
			if standard := positions[f.Name]; standard != "" {
				fields[i].Name = standard
			}
		}
		t, err := traffic.NewTopic(s.Kafka.Topic, s.Kafka.Format, recs, fields, traffic.LogOptions{Time: s.Time, Partitions: partitions, Key: key})
		if err != nil {
			return nil, nil, err
		}
		if s.Kafka.Format == "avro" {
			if err := sameAvro(t, s.Kafka.Schema); err != nil {
				return nil, nil, fmt.Errorf("%s: stream %s: %w", file, s.Name, err)
			}
		}
		topics = append(topics, t)
	}
	return topics, checked.Pipeline.Kafka.Brokers, nil
}

// sameAvro checks that records which the schema in a file describes are those that are written.
func sameAvro(t traffic.Topic, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	e, err := avro.NewEncoder(t.Fields, t.Name)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(text)) != e.Schema() {
		return schema.WithHint(fmt.Errorf("%s is not the schema that records are written with", file), "write into it: "+e.Schema())
	}
	return nil
}

func trafficSummary(out io.Writer, t *traffic.Traffic) error {
	line := func(name string, c traffic.Counts) string {
		return fmt.Sprintf("%-12s %10d %10d %10d %10d %10d %10d\n", name, c.Rows, c.Kept, c.Late, c.Duplicates, c.Conflicts, c.Rejected)
	}
	s, b := t.Truth.Stream, t.Truth.Batch
	_, err := fmt.Fprintf(out, "seed %d\n%-12s %10s %10s %10s %10s %10s %10s\n%s%sanswer as batch: %d rows, as stream: %d\n",
		t.Options.Seed, "as stream", "rows", "kept", "late", "duplicates", "conflicts", "rejected",
		line("impressions", s.Impressions), line("playbacks", s.Playbacks), b.Output.Rows, s.Output.Rows)
	return err
}
