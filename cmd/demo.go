package cmd

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/lockstep-data/lockstep/fixtures/traffic"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/validate"
)

// demoOptions are those of `lockstep demo`.
type demoOptions struct {
	world *world

	to          string
	impressions int
	seed        int64
}

func newDemo(w *world) *cobra.Command {
	o := &demoOptions{world: w}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop on generated traffic, with a broker inside the process",
		Long: `Generate impressions and playbacks as a careless world sends them (late rows,
duplicates, partitions out of step), send them through a Kafka broker that
lives in this process, record them into a lake, and run one pipeline three
ways: as a batch over the lake (B), as a stream over the lake (B*), and as a
stream from Kafka (S). Then compare. It takes some seconds and needs nothing.`,
		Example: `  lockstep demo
  lockstep demo --to demo --impressions 200000 --seed 42`,
		Args: exactly(0, "takes no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context()) },
	}
	f := c.Flags()
	f.StringVar(&o.to, "to", "", "folder for all files (default: a new one in the system's temporary folder)")
	f.IntVar(&o.impressions, "impressions", 50_000, "how many impressions to generate")
	f.Int64Var(&o.seed, "seed", 7, "what decides the traffic")
	return c
}

// demo is a demo under way.
type demo struct {
	*demoOptions
	inner *world // the world of the commands that it runs
	dir   string
	truth *traffic.Traffic
}

func (o *demoOptions) run(ctx context.Context) error {
	d := &demo{demoOptions: o, dir: o.to}
	var err error
	if d.dir == "" {
		d.dir, err = os.MkdirTemp("", "lockstep-demo-")
	} else {
		err = os.MkdirAll(d.dir, 0o755)
	}
	if err != nil {
		return err
	}
	if d.truth, err = traffic.Generate(traffic.Options{Seed: uint64(o.seed), Impressions: o.impressions}); err != nil {
		return err
	}
	if err := d.truth.WriteTables(d.dir); err != nil {
		return err
	}
	text := strings.ReplaceAll(d.truth.Pipeline(), "${LAKE:-.}", "${LAKE:-lake}")
	if err := os.WriteFile(d.path("pipeline.yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer broker.Close()
	d.inner = d.worldOf(broker.ListenAddrs())
	if err := d.traffic(ctx, broker.ListenAddrs()); err != nil {
		return err
	}
	if err := d.threeWays(ctx); err != nil {
		return err
	}
	return d.compare(ctx)
}

func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

// worldOf is the world in which the demo's commands run: this one, and where the broker is.
func (d *demo) worldOf(brokers []string) *world {
	env := map[string]string{"KAFKA": strings.Join(brokers, ",")}
	for k, v := range d.world.env {
		if k != "LAKE" && k != "KAFKA" && k != "OUT" {
			env[k] = v
		}
	}
	return &world{
		env: env, stdin: strings.NewReader(""), stdout: d.world.stdout, stderr: d.world.stderr, now: d.world.now,
		isTerminal: d.world.isTerminal, signals: d.world.signals,
	}
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.world.stdout, format+"\n", args...) }

// command runs one of our commands as a user would, and shows it.
func (d *demo) command(ctx context.Context, args ...string) error {
	d.say("\n$ lockstep %s", strings.Join(args, " "))
	if code := d.inner.execute(ctx, newRoot(d.inner), append(args, "--quiet")); code != exitOK {
		return exitCode(code)
	}
	return nil
}

func (d *demo) traffic(ctx context.Context, brokers []string) error {
	truth := d.truth.Truth.Stream
	d.say("1. Traffic. %s impressions and %s playbacks go to a Kafka broker inside this process: 4 partitions",
		thousands(int64(truth.Impressions.Rows)), thousands(int64(truth.Playbacks.Rows)))
	d.say("   each, some far out of step; %d rows come more than 10 minutes late, %d come twice, %d of those",
		truth.Impressions.Late+truth.Playbacks.Late,
		truth.Impressions.Duplicates+truth.Playbacks.Duplicates+truth.Impressions.Conflicts+truth.Playbacks.Conflicts,
		truth.Impressions.Conflicts+truth.Playbacks.Conflicts)
	d.say("   with other content, %d have an impossible time. (seed %d)",
		truth.Impressions.Rejected+truth.Playbacks.Rejected, d.seed)
	return traffic.Produce(ctx, d.truth.Topics(), traffic.ProduceOptions{Brokers: brokers})
}

func (d *demo) threeWays(ctx context.Context) error {
	d.say("\n2. The lake. Both topics are recorded as Parquet, with the place each row had in Kafka.")
	file := d.path("pipeline.yaml")
	if err := d.command(ctx, "capture", file, "--until", "latest", "--to", d.path("lake")); err != nil {
		return err
	}
	d.say("\n3. One pipeline file, three runs.")
	for _, run := range [][]string{
		{"--from", "lake", "--as", "batch", "--to", d.path("B")},
		{"--from", "lake", "--as", "stream", "--to", d.path("B-star")},
		{"--from", "kafka", "--as", "stream", "--until", "latest", "--final", "--to", d.path("S")},
	} {
		if err := d.command(ctx, append([]string{"replay", file}, run...)...); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) compare(ctx context.Context) error {
	d.say("\n4. The comparisons, by impression_id and playback_id, over all columns.")
	defects, err := d.judge(ctx, "S", "B-star", "the stream against what a correct stream must give")
	if err != nil {
		return err
	}
	price, err := d.judge(ctx, "B-star", "B", "the price of the lateness policy")
	if err != nil {
		return err
	}
	if _, err := d.judge(ctx, "S", "B", "what a plain diff would have shown you"); err != nil {
		return err
	}
	late, err := d.withoutLate(ctx)
	if err != nil {
		return err
	}
	proof, err := d.judge(ctx, "S", "B-without-late", fmt.Sprintf("a batch over the lake less the %d late rows", late))
	if err != nil {
		return err
	}
	return d.close(defects, price, proof, late)
}

// judge compares two of the runs' outputs and says how it went in a line.
func (d *demo) judge(ctx context.Context, left, right, meaning string) (*validate.Result, error) {
	res, err := validate.Run(ctx, validate.Options{
		Left: validate.Input{Path: d.path(left, "all")}, Right: validate.Input{Path: d.path(right, "all")},
		Key: []string{"impression_id", "playback_id"},
	})
	if err != nil {
		return nil, err
	}
	r := res.Rows
	answer := fmt.Sprintf("equal, %s rows", thousands(r.Equal))
	if res.Verdict != validate.Equal {
		answer = fmt.Sprintf("%s: %s rows agree, %d only in %s, %d only in %s, %d changed", res.Verdict, thousands(r.Equal), r.OnlyLeft, left, r.OnlyRight, right, r.Changed)
	}
	d.say("   %-6s against %-15s %s\n          (%s)", left, right, answer, meaning)
	return res, nil
}

// withoutLate takes the late rows out of a copy of the lake and runs the batch over what is left.
func (d *demo) withoutLate(ctx context.Context) (int, error) {
	total := 0
	sink, err := lake.NewSink(ctx, d.path("lake-without-late"), lake.SinkOptions{})
	if err != nil {
		return 0, err
	}
	defer sink.Close()
	for _, stream := range []string{d.truth.Impressions.Name, d.truth.Playbacks.Name} {
		late, err := d.positions(ctx, d.path("S", "_late", stream))
		if err != nil {
			return 0, err
		}
		total += len(late)
		if err := d.copyWithout(ctx, sink, stream, late); err != nil {
			return 0, err
		}
	}
	if err := publish(ctx, sink, struct{}{}); err != nil {
		return 0, err
	}
	quiet := &world{env: maps.Clone(d.inner.env), stdin: d.inner.stdin, stdout: io.Discard, stderr: d.inner.stderr, now: d.inner.now, isTerminal: d.inner.isTerminal, signals: d.inner.signals}
	quiet.env["LAKE"] = "lake-without-late"
	if code := quiet.execute(ctx, newRoot(quiet), []string{"replay", d.path("pipeline.yaml"), "--from", "lake", "--to", d.path("B-without-late"), "--quiet"}); code != exitOK {
		return 0, exitCode(code)
	}
	return total, nil
}

type logPosition struct{ partition, offset int64 }

// positions are the places in Kafka of the rows of a folder.
func (d *demo) positions(ctx context.Context, place string) (map[logPosition]bool, error) {
	fields, err := kafka.CaptureFields(nil)
	if err != nil {
		return nil, err
	}
	records, _, err := lake.ReadTable(ctx, place, fields, lake.TableOptions{})
	if err != nil {
		return nil, err
	}
	out := map[logPosition]bool{}
	for _, rec := range records {
		for _, p := range positionsOf(rec) {
			out[p] = true
		}
	}
	return out, nil
}

func positionsOf(rec arrow.Record) []logPosition {
	partitions := rec.Column(rec.Schema().FieldIndices("_partition")[0]).(*array.Int32)
	offsets := rec.Column(rec.Schema().FieldIndices("_offset")[0]).(*array.Int64)
	out := make([]logPosition, rec.NumRows())
	for i := range out {
		out[i] = logPosition{int64(partitions.Value(i)), offsets.Value(i)}
	}
	return out
}

func (d *demo) copyWithout(ctx context.Context, sink *lake.Sink, stream string, leave map[logPosition]bool) error {
	columns := d.truth.Impressions.Fields
	if stream == d.truth.Playbacks.Name {
		columns = d.truth.Playbacks.Fields
	}
	fields, err := kafka.CaptureFields(columns)
	if err != nil {
		return err
	}
	records, _, err := lake.ReadTable(ctx, d.path("lake", stream), fields, lake.TableOptions{})
	if err != nil {
		return err
	}
	out, err := sink.Open(ctx, stream, fields)
	if err != nil {
		return err
	}
	for _, rec := range records {
		var rows []int32
		for i, p := range positionsOf(rec) {
			if !leave[p] {
				rows = append(rows, int32(i))
			}
		}
		cols, err := state.TakeAll(rec.Columns(), rows)
		if err != nil {
			return err
		}
		if err := out.Write(ctx, array.NewRecord(rec.Schema(), cols, int64(len(rows))), nil); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) close(defects, price, proof *validate.Result, late int) error {
	truth := d.truth.Truth
	d.say("\n5. What this says.")
	if defects.Verdict == validate.Equal && proof.Verdict == validate.Equal && int(proof.Rows.Left) == truth.Stream.Output.Rows {
		d.say("   The stream is right: row for row it gives what the same log gives in the lake. It differs from the")
		d.say("   nightly batch in %d rows, and the %d late rows explain all of them: without them the batch gives",
			price.Rows.OnlyLeft+price.Rows.OnlyRight+price.Rows.Changed, late)
		d.say("   exactly the stream's answer. The generator, which knows the truth, counts the same %s rows.", thousands(int64(truth.Stream.Output.Rows)))
	} else {
		d.say("   The runs do not agree as they must; please report this with the seed %d.", d.seed)
	}
	d.say("\nEverything lies in %s", d.dir)
	d.say("   pipeline.yaml      what was run         lake/              the recorded topics")
	d.say("   B/ B-star/ S/      the three results    S/_late/           the rows that came too late, and why")
	d.say("   S/_conflicts/      repeated ids with other content")
	d.say("\nNext:")
	d.say("   lockstep validate %s %s       # every difference, and the late row behind it", d.path("pipeline.yaml"), d.path("S"))
	d.say("   lockstep explain %s --key impression_id=imp-0000000266", d.path("pipeline.yaml"))
	d.say("   lockstep plan %s", d.path("pipeline.yaml"))
	d.say("   lockstep help pipeline       # to write your own")
	if defects.Verdict != validate.Equal || proof.Verdict != validate.Equal {
		return exitCode(exitNo)
	}
	return nil
}
