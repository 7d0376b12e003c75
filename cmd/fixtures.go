package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-data/lockstep/fixtures/traffic"
	"github.com/lockstep-data/lockstep/schema"
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
	flags.DurationVar(&f.opts.Span, "span", 24*time.Hour, "event time from the first to the last impression")
	flags.StringVar(&f.start, "start", "2025-11-03T00:00:00Z", "first event time, RFC 3339")
	flags.IntVar(&f.opts.Partitions, "partitions", 4, "partitions of each topic")
	flags.DurationVar(&f.opts.Disorder, "disorder", 10*time.Minute, "disorder of both streams in the pipeline file")
	flags.Float64Var(&f.opts.Late, "late", 0.005, "share of rows that come long after their time")
	flags.Float64Var(&f.opts.Duplicates, "duplicates", 0.01, "share of rows that come again")
}

// options are those that were given; an explicit share of 0 is none.
func (f *trafficFlags) options() (traffic.Options, error) {
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
		o.Seed = uint64(time.Now().UnixNano() % 1_000_000_000)
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
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if to == "" {
				return schema.WithHint(errors.New("fixtures generate: no place to write to"), "give --to DIR")
			}
			if format != "text" && format != "json" {
				return schema.WithHint(fmt.Errorf("fixtures generate: format %q is unknown", format), "give text or json")
			}
			o, err := f.options()
			if err != nil {
				return err
			}
			t, err := traffic.Generate(o)
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
	var brokers []string
	var pace, tables string
	var more bool
	c := &cobra.Command{
		Use:   "produce [DIR]",
		Short: "Write traffic to Kafka, as fast as it goes or at a pace",
		Long: `Writes the topics impressions (Avro) and playbacks (JSON), every row to its partition with its broker time, in
the order of broker times. Missing topics are made. With DIR, a folder of "fixtures generate", the traffic is the
same as there; else it is made by the flags, and --tables writes the pipeline file and the tables that go with it.`,
		Example: "  lockstep fixtures produce traffic --brokers localhost:9092 --pace 600x\n  lockstep fixtures produce --impressions 1000000 --seed 7 --tables traffic --pace 50000/s",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			speed, err := traffic.ParsePace(pace)
			if err != nil {
				return err
			}
			var o traffic.Options
			if len(args) == 1 {
				for _, name := range []string{"impressions", "seed", "span", "start", "partitions", "disorder", "late", "duplicates"} {
					if c.Flags().Changed(name) {
						return schema.WithHint(fmt.Errorf("fixtures produce: %s says what the traffic is, and so does --%s", args[0], name), "give the folder or the flag")
					}
				}
				o, err = traffic.ReadOptions(args[0])
			} else {
				o, err = f.options()
			}
			if err != nil {
				return err
			}
			t, err := traffic.Generate(o)
			if err != nil {
				return err
			}
			if tables != "" {
				if err := t.WriteTables(tables); err != nil {
					return err
				}
			}
			fmt.Fprintf(w.stderr, "producing %d rows, seed %d\n", t.Impressions.Record.NumRows()+t.Playbacks.Record.NumRows(), t.Options.Seed)
			told := time.Now()
			err = traffic.Produce(c.Context(), t.Topics(), traffic.ProduceOptions{
				Brokers: brokers, Pace: speed, Append: more,
				Progress: func(rows, total int) {
					if time.Since(told) >= 10*time.Second {
						told = time.Now()
						fmt.Fprintf(w.stderr, "%d of %d rows\n", rows, total)
					}
				},
			})
			if err != nil {
				return err
			}
			return trafficSummary(w.stdout, t)
		},
	}
	f.add(c.Flags())
	c.Flags().StringSliceVar(&brokers, "brokers", []string{"localhost:9092"}, "brokers to start from, host:port")
	c.Flags().StringVar(&pace, "pace", "", "10x for ten times real time, 5000/s for rows a second (default: as fast as it goes)")
	c.Flags().StringVar(&tables, "tables", "", "folder to write the pipeline file and the tables to")
	c.Flags().BoolVar(&more, "append", false, "write to topics that hold rows; their lateness is then not that of the truth")
	return c
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
