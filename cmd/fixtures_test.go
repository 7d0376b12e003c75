package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/fixtures/traffic"
)

// summary is what the tests here read of `replay --format json`.
type summary struct {
	Streams []struct {
		Name                                                   string
		Rows, Late, Duplicates, Conflicts, Rejected, Undecided int
	}
	Outputs []struct {
		Name string
		Rows int
	}
}

// stream is what became of a stream's rows; kept is what is left of them.
func (s summary) stream(name string) traffic.Counts {
	for _, g := range s.Streams {
		if g.Name == name {
			return traffic.Counts{
				Rows: g.Rows, Kept: g.Rows - g.Rejected - g.Late - g.Duplicates - g.Conflicts - g.Undecided,
				Rejected: g.Rejected, Late: g.Late, Duplicates: g.Duplicates, Conflicts: g.Conflicts,
			}
		}
	}
	return traffic.Counts{}
}

func (s summary) output(name string) int {
	for _, o := range s.Outputs {
		if o.Name == name {
			return o.Rows
		}
	}
	return -1
}

func lockstepCommand(t *testing.T, env []string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := Main(t.Context(), args, env, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("lockstep %s: exit code %d\n%s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

func replayed(t *testing.T, env []string, args ...string) summary {
	t.Helper()
	text := lockstepCommand(t, env, append([]string{"replay", "--format", "json", "--quiet"}, args...)...)
	var s summary
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return s
}

func oneBroker(t *testing.T) []string {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return []string{"KAFKA=" + c.ListenAddrs()[0]}
}

// TestTrafficThroughKafka produces generated traffic, runs it from files and from the topics, and wants the
// counts of the truth, which the engine had no part in.
func TestTrafficThroughKafka(t *testing.T) {
	dir := t.TempDir()
	env := oneBroker(t)
	in := filepath.Join(dir, "traffic")
	file := filepath.Join(in, "pipeline.yaml")
	lockstepCommand(t, env, "fixtures", "generate", "--to", in, "--impressions", "5000", "--seed", "11")
	lockstepCommand(t, env, "fixtures", "produce", in, "--brokers", strings.TrimPrefix(env[0], "KAFKA="))
	text, err := os.ReadFile(filepath.Join(in, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Truth traffic.Truth }
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want traffic.Answer
	}{
		"B":  {[]string{"--from", "lake", "--as", "batch"}, want.Truth.Batch},
		"B*": {[]string{"--from", "lake", "--as", "stream"}, want.Truth.Stream},
		"S":  {[]string{"--from", "kafka", "--as", "stream", "--until", "latest", "--final"}, want.Truth.Stream},
	} {
		got := replayed(t, env, append([]string{file, "--to", filepath.Join(dir, strings.Trim(name, "*")+c.args[3])}, c.args...)...)
		for stream, w := range map[string]traffic.Counts{"impressions": c.want.Impressions, "playbacks": c.want.Playbacks} {
			if g := got.stream(stream); g != w {
				t.Errorf("%s: %s: %+v, want %+v", name, stream, g, w)
			}
		}
		if got.output("all") != c.want.Output.Rows || got.output("plays") != c.want.Output.Plays {
			t.Errorf("%s: outputs %v, want %+v", name, got.Outputs, c.want.Output)
		}
	}
}

// TestProduceAsCaptured: the rows of a pipeline file's lakes go to the partitions and offsets that the lakes say.
func TestProduceAsCaptured(t *testing.T) {
	dir := t.TempDir()
	env := oneBroker(t)
	in := filepath.Join(dir, "traffic")
	lockstepCommand(t, env, "fixtures", "generate", "--to", in, "--impressions", "300", "--seed", "11")
	file := filepath.Join(in, "pipeline.yaml")
	lockstepCommand(t, env, "fixtures", "produce", file, "--brokers", strings.TrimPrefix(env[0], "KAFKA="))
	lockstepCommand(t, env, "capture", file, "--to", filepath.Join(dir, "lake"), "--until", "latest", "--quiet")
	for _, stream := range []string{"impressions", "playbacks"} {
		if code, out, errs := judged(t, env, filepath.Join(in, stream), filepath.Join(dir, "lake", stream), "--key", "_partition,_offset"); code != exitOK {
			t.Errorf("%s: exit code %d\n%s%s", stream, code, out, errs)
		}
	}
}

// TestFlightsThroughKafka produces the month's files to topics, captures them and runs the capture: the late rows
// are those that the flights' README counted in SQL, and more partitions change them.
func TestFlightsThroughKafka(t *testing.T) {
	dir := t.TempDir()
	env := oneBroker(t)
	file := filepath.Join("..", "fixtures", "flights", "flights.yaml")
	lockstepCommand(t, env, "fixtures", "produce", file)
	lockstepCommand(t, env, "capture", file, "--to", filepath.Join(dir, "lake"), "--until", "latest")
	env = append(env, "FLIGHTS_DEPARTURES="+filepath.Join(dir, "lake", "departures"), "FLIGHTS_ARRIVALS="+filepath.Join(dir, "lake", "arrivals"))
	star := replayed(t, env, file, "--from", "lake", "--as", "stream", "--to", filepath.Join(dir, "star"))
	if d, a := star.stream("departures"), star.stream("arrivals"); d.Rows != 28025 || d.Late != 861 || a.Rows != 27995 || a.Late != 7399 {
		t.Errorf("departures %+v, arrivals %+v, want 861 of 28025 and 7399 of 27995 late", d, a)
	}
	batch := replayed(t, env, file, "--from", "lake", "--as", "batch", "--to", filepath.Join(dir, "batch"))
	if batch.output("all") != 28026 || batch.output("late") != 6363 {
		t.Errorf("outputs of the batch: %v, want 28026 and 6363 rows", batch.Outputs)
	}
}

// TestOutputsInKafka runs a stream from topics to topics, in JSON and in Avro, and reads them again.
func TestOutputsInKafka(t *testing.T) {
	for _, format := range []string{"json", "avro"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			env := oneBroker(t)
			lockstepCommand(t, env, "fixtures", "produce", filepath.Join("..", "fixtures", "flights", "flights.yaml"))
			file := filepath.Join(dir, "pipeline.yaml")
			text := strings.ReplaceAll(throughKafka, "FORMAT", format)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			got := replayed(t, env, file, "--from", "kafka", "--as", "stream", "--until", "latest", "--final")
			if got.output("all") != 28025-861 || got.output("far") == 0 {
				t.Fatalf("outputs %v, want 28025 less 861 late rows", got.Outputs)
			}
			cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(env[0], "KAFKA=")))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), "copy-all", "copy-far")
			if err != nil {
				t.Fatal(err)
			}
			there := map[string]int64{}
			ends.Each(func(o kadm.ListedOffset) { there[o.Topic] += o.Offset })
			if there["copy-all"] != int64(got.output("all")) || there["copy-far"] != int64(got.output("far")) {
				t.Errorf("the topics hold %v, the summary says %v", there, got.Outputs)
			}
		})
	}
}

const throughKafka = `pipeline: copy
streams:
  departures:
    time: departed_at
    disorder: 6h
    columns: {carrier: string, flight: int, departed_at: timestamp, distance: int}
    kafka: {topic: departures, format: json}
kafka: {brokers: ["${KAFKA}"]}
query: SELECT d.* FROM departures d
outputs:
  all: {kafka: {topic: copy-all, format: FORMAT, key: [carrier, flight]}}
  far: {where: distance > 1000, kafka: {topic: copy-far, format: FORMAT}}
`
