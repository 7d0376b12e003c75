package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/lockstep-data/lockstep/fixtures/traffic"
	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

// trafficLake writes traffic as a lake and returns its folder.
func trafficLake(t *testing.T, impressions int) string {
	t.Helper()
	dir := t.TempDir()
	made, err := traffic.Generate(traffic.Options{Seed: 11, Impressions: impressions})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command runs a command line in a world of its own and returns what it printed.
func command(t *testing.T, wantCode int, args ...string) string {
	t.Helper()
	return commandIn(t, map[string]string{}, wantCode, args...)
}

func commandIn(t *testing.T, env map[string]string, wantCode int, args ...string) string {
	t.Helper()
	w, stdout, stderr, _, _ := testWorld(env)
	w.now = time.Now
	if code := w.execute(context.Background(), newRoot(w), args); code != wantCode {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, wantCode, stdout, stderr)
	}
	return stdout.String()
}

// variant writes the lake's pipeline file with one text for another.
func variant(t *testing.T, dir, name string, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pipeline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(text, []byte(pairs[i])) {
			t.Fatalf("the pipeline file has no %q:\n%s", pairs[i], text)
		}
		text = bytes.ReplaceAll(text, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func triangleOf(t *testing.T, code int, file, s string) triangleResult {
	t.Helper()
	var r triangleResult
	out := command(t, code, "validate", file, s, "--quiet", "--format", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return r
}

func causesOf(r *validate.Result) map[string]int64 {
	out := map[string]int64{}
	for _, c := range r.Causes {
		out[c.Cause] = c.Rows
	}
	if r.Unexplained.Rows > 0 {
		out["unexplained"] = r.Unexplained.Rows
	}
	return out
}

// TestTriangleWithoutBug: late rows and no bug. S is B*, and every difference from the batch names its late rows.
func TestTriangleWithoutBug(t *testing.T) {
	dir := trafficLake(t, 10_000)
	file, s := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "S")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	for _, place := range []string{s, filepath.Join(s, "all"), filepath.Join(s, "plays")} {
		r := triangleOf(t, 0, file, place)
		n := r.Total.Rows
		if r.Verdict != validate.Equal || n.OnlyRight == 0 || r.Total.Unexplained.Rows != 0 || r.Explained.Named != n.OnlyLeft+n.OnlyRight+n.Changed || r.Explained.Unnamed != 0 {
			t.Errorf("%s: %s; %+v, rows %+v", place, r.Sentence, r.Explained, n)
		}
		if p := r.Price.Rows; p.OnlyLeft != n.OnlyLeft || p.OnlyRight != n.OnlyRight {
			t.Errorf("%s: the price %+v is not the total %+v", place, p, n)
		}
		if !strings.HasSuffix(place, "plays") && n.OnlyLeft == 0 {
			t.Errorf("%s: no row is in S alone: the case is too easy", place)
		}
	}
}

// TestDefectBesideLateCells: a defect in one column of a row does not take the other columns' late rows from them.
func TestDefectBesideLateCells(t *testing.T) {
	dir := trafficLake(t, 10_000)
	key := []string{"key: [impression_id, playback_id]", "key: [impression_id]"} // a late playback changes a row then
	file, s := variant(t, dir, "right.yaml", key...), filepath.Join(dir, "S")
	command(t, 0, "replay", variant(t, dir, "wrong.yaml", append(key, "i.score,", "ROUND(i.score, 1) AS score,")...), "--as", "stream", "--to", s, "--quiet")
	r := triangleOf(t, 4, file, s) // some impressions have two playbacks
	price, total := r.Price, r.Total
	if price.Rows.Changed == 0 || causesOf(price)["late"] != price.Rows.Changed+price.Rows.OnlyLeft+price.Rows.OnlyRight {
		t.Fatalf("no row is changed by late rows: %+v, %v", price.Rows, causesOf(price))
	}
	if causes := causesOf(total); causes["late"] != causesOf(price)["late"] || causes["rounding"] != total.Rows.Changed || causes["unexplained"] != 0 {
		t.Errorf("causes of the total: %v; of the price: %v", causes, causesOf(price))
	}
	if e, n := r.Explained, total.Rows; e.Late != n.OnlyLeft+n.OnlyRight || e.Other != n.Changed || e.Rest != 0 {
		t.Errorf("%+v, rows %+v", e, n)
	}
}

// TestBatchOfOnesOwnIsNotLate: what a batch that was given has otherwise than our own is no work of late rows, and is
// not put down to them.
func TestBatchOfOnesOwnIsNotLate(t *testing.T) {
	dir := trafficLake(t, 3_000)
	file, s, b := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "S"), filepath.Join(dir, "B")
	wrong := variant(t, dir, "wrong.yaml", "i.country,", "CASE WHEN i.country = 'FR' THEN i.impression_id ELSE i.country END AS country,")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	command(t, 0, "replay", wrong, "--as", "batch", "--to", b, "--quiet")
	want := triangleOf(t, 0, file, s).Explained.Late
	for _, given := range [][]string{{"--batch", b}, {"--batch", b, "--ideal", s}} {
		var r triangleResult
		out := command(t, 1, append([]string{"validate", file, s, "--quiet", "--format", "json", "--fail-on", "unexplained"}, given...)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		n := r.Total.Rows
		if e := r.Explained; n.Changed == 0 || e.Late != want || e.Unnamed != 0 || e.Rest != n.Changed || e.Other != 0 {
			t.Errorf("%s: %s; %+v, rows %+v; without it %d rows are late", given, r.Sentence, e, n, want)
		}
		if p := causesOf(r.Price); p["unexplained"] != n.Changed || p["late"] != want {
			t.Errorf("%s: causes of the price: %v", given, p)
		}
	}
	// A build's log says why it fails, and nothing where it passes.
	for failOn, fails := range map[string]int{"any": 0, "unexplained": 1} {
		out := command(t, fails, "validate", file, s, "--batch", b, "--quiet", "--format", "junit", "--fail-on", failOn)
		if want := fmt.Sprintf(` failures="%d"`, fails); !strings.Contains(out, want) {
			t.Errorf("--fail-on %s ends with %d, and its JUnit has not%s:\n%s", failOn, fails, want, out)
		}
	}
}

// TestNamedLateRowsAreTheReason: with the late rows that are named, and no other late row, the batch gives the row.
func TestNamedLateRowsAreTheReason(t *testing.T) {
	ctx := context.Background()
	dir := trafficLake(t, 5_000)
	file := filepath.Join(dir, "pipeline.yaml")
	w, _, _, _, _ := testWorld(map[string]string{})
	w.now = time.Now
	checked, err := w.loadPipeline(ctx, file)
	if err != nil {
		t.Fatal(err)
	}
	o := &validateOptions{world: w, file: file, left: filepath.Join(dir, "S"), quiet: true}
	command(t, 0, "replay", file, "--as", "stream", "--to", o.left, "--quiet")
	tri := &triangle{validateOptions: o, opts: validate.Options{Key: checked.Pipeline.Validate.Key}, tmp: t.TempDir(), aside: map[logPlace]aside{}, lateBy: map[string][]int64{}}
	if tri.trace, err = w.newTrace(checked); err != nil {
		t.Fatal(err)
	}
	if err := tri.sides(ctx, checked.Pipeline); err != nil {
		t.Fatal(err)
	}
	if _, err := tri.judge(ctx); err != nil {
		t.Fatal(err)
	}
	b := tri.blame
	var keys []string
	for k := range b.price {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	tried := 0
	for i := 0; i < len(keys); i += max(len(keys)/12, 1) {
		named := map[logPlace]bool{}
		for _, r := range b.lateOf(keys[i]) {
			named[r.logPlace] = true
		}
		out := filepath.Join(tri.tmp, "with", keys[i][:0], string(rune('a'+tried)))
		err := tri.trace.run(ctx, "batch", tri.output, out, func(p logPlace) bool {
			_, late := b.late[p]
			return !late || named[p]
		})
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if err := w.rows(ctx, filepath.Join(out, "rows"), func(rec arrow.Record) error {
			ks, err := validate.Keys(rec, checked.Pipeline.Validate.Key)
			for _, k := range ks {
				if stableKey(k) == keys[i] {
					got++
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if want := len(b.batch.byKey[keys[i]]); got != want {
			t.Errorf("%s (%s): with %v the batch has %d rows of it, with all late rows %d", keys[i], b.price[keys[i]], named, got, want)
		}
		tried++
	}
	if tried < 10 {
		t.Errorf("only %d keys were tried", tried)
	}
}

// TestInjectedDefects: S is made by a pipeline with a bug, and the bug is found in S against B*.
func TestInjectedDefects(t *testing.T) {
	dir := trafficLake(t, 5_000)
	file := filepath.Join(dir, "pipeline.yaml")
	for _, c := range []struct {
		cause string
		pairs []string
	}{
		{validate.JoinWindow, []string{"INTERVAL '4' HOUR", "INTERVAL '2' HOUR"}},
		{validate.JoinWindow, []string{"INTERVAL '4' HOUR", "INTERVAL '6' HOUR"}},
		{validate.DroppedByPolicy, []string{"disorder: 10m", "disorder: 5m"}},
		{validate.LookupMissing, []string{"FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id", "FOR SYSTEM_TIME AS OF i.shown_at AS c ON c.customer_id = i.profile_id + 100000000"}},
		{validate.LookupVersion, []string{"FOR SYSTEM_TIME AS OF i.shown_at AS c", "FOR SYSTEM_TIME AS OF i.shown_at + INTERVAL '300' DAY AS c"}},
		{"rounding", []string{"i.score,", "ROUND(i.score, 1) AS score,"}},
	} {
		t.Run(c.cause, func(t *testing.T) {
			s := filepath.Join(t.TempDir(), "S")
			command(t, 0, "replay", variant(t, dir, "bug.yaml", c.pairs...), "--as", "stream", "--to", s, "--quiet")
			r := triangleOf(t, 1, file, s)
			got := causesOf(r.Defects)
			n := r.Defects.Rows
			if len(got) != 1 || got[c.cause] != n.Changed+n.OnlyLeft+n.OnlyRight {
				t.Errorf("causes %v of %+v\n%+v", got, n, r.Defects.Causes)
			}
			total := causesOf(r.Total)
			if total["unexplained"] != 0 || total[c.cause] == 0 || total[validate.Late] == 0 {
				t.Errorf("causes of the total: %v", total)
			}
			t.Logf("%v: %s", total, r.Defects.Causes[0].Evidence)
		})
	}
}

// TestTriangleOfFlights: real events with real disorder, through a broker into a lake and a stream. A bounded read
// that is not final leaves rows undecided, and says so.
func TestTriangleOfFlights(t *testing.T) {
	if testing.Short() {
		t.Skip("a month of flights")
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	flights, err := filepath.Abs("../fixtures/flights")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	env := map[string]string{"KAFKA": strings.Join(broker.ListenAddrs(), ","), "FLIGHTS_OUT": dir}
	file := filepath.Join(flights, "flights.yaml")
	run := func(code int, args ...string) string { return commandIn(t, env, code, append(args, "--quiet")...) }
	commandIn(t, env, 0, "fixtures", "produce", file, "--brokers", env["KAFKA"], "--partitions", "4", "--key", "carrier,flight")
	run(0, "capture", file, "--until", "latest", "--to", filepath.Join(dir, "lake"))
	env["FLIGHTS_DEPARTURES"], env["FLIGHTS_ARRIVALS"] = filepath.Join(dir, "lake/departures"), filepath.Join(dir, "lake/arrivals")
	for _, c := range []struct {
		name  string
		flags []string
		code  int
	}{{"final", []string{"--final"}, 0}, {"bounded", nil, 1}} {
		s := filepath.Join(dir, c.name)
		run(0, append([]string{"replay", file, "--from", "kafka", "--as", "stream", "--until", "latest", "--to", s}, c.flags...)...)
		var r triangleResult
		if err := json.Unmarshal([]byte(run(c.code, "validate", file, s, "--format", "json")), &r); err != nil {
			t.Fatal(err)
		}
		n := r.Total.Rows
		t.Logf("%s: %s defects %v, total %v", c.name, r.Sentence, causesOf(r.Defects), causesOf(r.Total))
		if r.Total.Unexplained.Rows != 0 || r.Defects.Unexplained.Rows != 0 || r.Explained.Unnamed != 0 || r.Explained.Named == 0 {
			t.Errorf("%s: %+v; rows %+v", c.name, r.Explained, n)
		}
		if want := map[bool]string{true: "map[]", false: "map[undecided:"}[c.code == 0]; !strings.HasPrefix(fmt.Sprint(causesOf(r.Defects)), want) || len(r.Defects.Causes) > 1 {
			t.Errorf("%s: defects %v", c.name, causesOf(r.Defects))
		}
		if c.code == 0 {
			continue
		}
		// Behind the watermark that S itself noted nothing is undecided.
		if err := json.Unmarshal([]byte(run(0, "validate", file, s, "--time", "departed_at", "--watermark", "manifest", "--format", "json")), &r); err != nil {
			t.Fatal(err)
		}
		if n := r.Defects.Rows; r.Verdict != validate.Equal || n.PendingRight == 0 || n.PendingRight <= n.PendingLeft || n.Equal == 0 {
			t.Errorf("with the watermark: %s %+v", r.Sentence, n)
		}
		t.Logf("with the watermark: %+v", r.Defects.Rows)
	}
}

// TestReproducerIsLeast: the folder replays, shows the difference, and without any one of its rows it does not.
func TestReproducerIsLeast(t *testing.T) {
	ctx := context.Background()
	dir := trafficLake(t, 5_000)
	file, s := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "S")
	command(t, 0, "replay", variant(t, dir, "bug.yaml", "INTERVAL '4' HOUR", "INTERVAL '2' HOUR"), "--as", "stream", "--to", s, "--quiet")
	w, _, _, _, _ := testWorld(map[string]string{})
	w.now = time.Now
	checked, err := w.loadPipeline(ctx, file)
	if err != nil {
		t.Fatal(err)
	}
	tri := &triangle{validateOptions: &validateOptions{world: w, file: file, left: s, quiet: true}, opts: validate.Options{Key: checked.Pipeline.Validate.Key},
		tmp: t.TempDir(), aside: map[logPlace]aside{}, lateBy: map[string][]int64{}}
	if tri.trace, err = w.newTrace(checked); err != nil {
		t.Fatal(err)
	}
	if err := tri.sides(ctx, checked.Pipeline); err != nil {
		t.Fatal(err)
	}
	if _, err := tri.judge(ctx); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, keys := range []map[string]string{tri.blame.price, tri.blame.defects} {
		sorted := slices.Sorted(maps.Keys(keys))
		for i := 0; i < len(sorted) && i < 3; i++ {
			if keys[sorted[i]] == "only_left" && len(tri.blame.ideal.byKey[sorted[i]]) == 0 {
				continue // S alone has it
			}
			tried++
			to := filepath.Join(t.TempDir(), "case")
			n, err := tri.reproduce(ctx, sorted[i], to)
			if err != nil {
				t.Fatalf("%s: %v", sorted[i], err)
			}
			if n > 6 {
				t.Errorf("%s takes %d rows", sorted[i], n)
			}
			out := filepath.Join(to, "S")
			command(t, 0, "replay", filepath.Join(to, "pipeline.yaml"), "--as", "stream", "--to", out, "--quiet")
			r := triangleOf(t, 0, filepath.Join(to, "pipeline.yaml"), out)
			total := r.Total.Rows
			if differs := total.Changed+total.OnlyLeft+total.OnlyRight > 0; differs != (tri.blame.price[sorted[i]] != "") {
				t.Errorf("%s: the case's total is %+v", sorted[i], total)
			}
		}
	}
	if tried < 4 {
		t.Errorf("%d keys were tried", tried)
	}
}

// TestReproducerLoads: durations of less than a millisecond, and a ${ that is text, come into its file as they were meant.
func TestReproducerLoads(t *testing.T) {
	dir := trafficLake(t, 1_000)
	file, s, small := variant(t, dir, "odd.yaml", "disorder: 10m", "disorder: 100us", "'peek'", "'$${peek}'"), filepath.Join(dir, "S"), filepath.Join(dir, "case")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	command(t, 0, "validate", file, s, "--quiet", "--reproduce", small)
	command(t, 0, "lint", filepath.Join(small, "pipeline.yaml"))
}

// TestReproducerOfAForeignKey: a key that S alone has, and no row of the lake gives, does not keep others from being
// reproduced.
func TestReproducerOfAForeignKey(t *testing.T) {
	dir := trafficLake(t, 1_000)
	file, s, small := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "S"), filepath.Join(dir, "case")
	wrong := variant(t, dir, "wrong.yaml", "SELECT i.impression_id", "SELECT CASE WHEN i.impression_id = 'imp-0000000005' THEN 'a' ELSE i.impression_id END AS impression_id")
	command(t, 0, "replay", wrong, "--as", "stream", "--to", s, "--quiet")
	command(t, 1, "validate", file, s, "--quiet", "--reproduce", small)
	text, err := os.ReadFile(filepath.Join(small, "README.md"))
	if err != nil || !strings.Contains(string(text), "imp-0000000005") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestTriangleOverFiles: the flights without a broker, each file a lane; DuckDB counts the same late rows in them.
// Somebody else's output is judged as ours, and the answer says whose B* is.
func TestTriangleOverFiles(t *testing.T) {
	flights, err := filepath.Abs("../fixtures/flights")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(flights, "flights.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "flights.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("disorder: 6h\n"), []byte("disorder: 6h\n    lanes: file\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"FLIGHTS_DEPARTURES": filepath.Join(flights, "departures.parquet"), "FLIGHTS_ARRIVALS": filepath.Join(flights, "arrivals.parquet"), "FLIGHTS_TABLES": flights}
	commandIn(t, env, 0, "replay", file, "--as", "stream", "--to", filepath.Join(dir, "S"), "--quiet")
	foreign := filepath.Join(dir, "foreign")
	if err := os.CopyFS(foreign, os.DirFS(filepath.Join(dir, "S", "all"))); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{filepath.Join(dir, "S"), foreign} {
		var r triangleResult
		if err := json.Unmarshal([]byte(commandIn(t, env, 0, "validate", file, s, "--format", "json", "--quiet")), &r); err != nil {
			t.Fatal(err)
		}
		if r.Late[0].Late != 861 || r.Late[1].Late != 7399 || r.Explained.Unnamed+r.Explained.Rest+r.Explained.Other != 0 || r.Explained.Named < 10_000 {
			t.Errorf("%s: %+v %+v", s, r.Late, r.Explained)
		}
		if strings.Contains(r.Sentence, "not made by lockstep") != (s == foreign) {
			t.Errorf("%s: %s", s, r.Sentence)
		}
	}
}

// TestTriangleOfAnAntiJoin: a late row that takes a row away, by WHERE or by an output's condition, is named too.
func TestTriangleOfAnAntiJoin(t *testing.T) {
	dir := trafficLake(t, 5_000)
	for name, pairs := range map[string][]string{
		"where.yaml":  {"LEFT JOIN devices d ON d.device_id = i.device_id", "LEFT JOIN devices d ON d.device_id = i.device_id\n  WHERE p.playback_id IS NULL"},
		"output.yaml": {"outcome = 'play'", "outcome IS NULL"},
	} {
		file, s := variant(t, dir, name, pairs...), filepath.Join(dir, "S-"+name)
		command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
		place := s
		if name == "output.yaml" {
			place = filepath.Join(s, "plays")
		}
		r := triangleOf(t, 0, file, place)
		if n := r.Total.Rows; n.OnlyLeft == 0 || r.Explained.Named != n.OnlyLeft+n.OnlyRight || r.Explained.Unnamed != 0 {
			t.Errorf("%s: %+v of %+v", name, r.Explained, n)
		}
	}
}

// TestLateCopyOfAnEvent: a late row that was the first copy of its event changes which of the other copies are kept.
// None of the rows that differ was made of it, nor shares a row with one that was.
func TestLateCopyOfAnEvent(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	fields, err := kafka.CaptureFields([]schema.Field{{Name: "id", Type: schema.Type{Kind: schema.String}}, {Name: "at", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(fields))
	minute := int64(60e6)
	for i, r := range []struct {
		id     string
		at     int64
		part   int32
		offset int64
	}{{"other", 60, 0, 0}, {"twice", 10, 0, 1}, {"twice", 18, 1, 0}, {"twice", 26, 1, 1}, {"last", 60, 1, 2}} {
		b.Field(0).(*array.StringBuilder).Append(r.id)
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(r.at * minute))
		b.Field(2).(*array.Int32Builder).Append(r.part)
		b.Field(3).(*array.Int64Builder).Append(r.offset)
		b.Field(4).(*array.TimestampBuilder).Append(arrow.Timestamp((61 + int64(i)) * minute))
	}
	sink, err := lake.NewSink(ctx, filepath.Join(dir, "lake"), lake.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := sink.Open(ctx, "events", fields)
	if err == nil {
		err = out.Write(ctx, b.NewRecord(), nil)
	}
	if err == nil {
		err = publish(ctx, sink, struct{}{})
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pipeline.yaml")
	text := "pipeline: copies\nstreams:\n  events: {time: at, disorder: 10m, id: [id], within: 10m, lake: lake/events/}\n" +
		"query: SELECT e.id, e.at FROM events e\nvalidate: {key: [id, at]}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := filepath.Join(dir, "S")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	r := triangleOf(t, 0, file, s)
	if n := r.Total.Rows; n.OnlyLeft != 1 || n.OnlyRight != 2 || r.Explained.Named != 3 || r.Explained.Unnamed != 0 {
		t.Fatalf("%+v of %+v", r.Explained, n)
	}
	for _, e := range r.Total.Examples {
		if e.Evidence != "events 0@1 of 1970-01-01T00:10:00Z came 40m too late" {
			t.Errorf("%s %s: %s", e.Class, e.Key, e.Evidence)
		}
	}
}

// TestExplainJudgesAsTheRun: what explain says of every row of every stream is what the run said: the same rows are
// late, by as much, and the same are rejected.
func TestExplainJudgesAsTheRun(t *testing.T) {
	dir := trafficLake(t, 4000)
	file, s := filepath.Join(dir, "pipeline.yaml"), filepath.Join(dir, "S")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	w, _, _, _, _ := testWorld(nil)
	checked, err := w.loadPipeline(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	tr := &triangle{validateOptions: &validateOptions{world: w}, base: s}
	if tr.trace, err = w.newTrace(checked); err != nil {
		t.Fatal(err)
	}
	e := &explainer{t: tr, life: &life{}}
	for i := range tr.trace.plain.Pipeline.Streams {
		stream := &tr.trace.plain.Pipeline.Streams[i]
		want := map[logPlace]string{}
		for folder, fate := range map[string]string{"_late": "late", "_rejected": "rejected"} {
			err := w.setAside(t.Context(), filepath.Join(s, folder, stream.Name), stream.Name, "_partition", "_offset", func(r asideRow) {
				want[r.logPlace] = fmt.Sprint(fate, " ", max(r.lateness, 0), " ", r.reason)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		got := map[logPlace]string{}
		if _, err := e.scan(t.Context(), stream, []string{stream.Time}, func(b *replay.Block, row int, x judgedRow) {
			if x.fate != "kept" {
				got[(&placedSource{stream: stream.Name}).place(b, row)] = fmt.Sprint(x.fate, " ", x.late, " ", x.why)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if len(want) < 5 || !maps.Equal(got, want) {
			t.Errorf("%s: explain says\n%v\nthe run said\n%v", stream.Name, got, want)
		}
	}
}

// TestExplainWhatIsNotJudged: a key that validate leaves pending, or calls broken, is no agreement of all sides.
func TestExplainWhatIsNotJudged(t *testing.T) {
	dir := trafficLake(t, 1_000)
	file, s := variant(t, dir, "timed.yaml", "\nvalidate:\n", "\nvalidate:\n  time: shown_at\n"), filepath.Join(dir, "S")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	twice := filepath.Join(dir, "twice")
	for _, copied := range []string{"a", "b"} {
		if err := os.CopyFS(filepath.Join(twice, copied), os.DirFS(filepath.Join(s, "all"))); err != nil {
			t.Fatal(err)
		}
	}
	early := filepath.Join(dir, "early")
	command(t, 0, "replay", file, "--as", "stream", "--to", early, "--quiet", "--until", "2025-11-03T12:00:00Z")
	for _, c := range []struct {
		code                     int
		key, s, says, cause, why string
	}{
		{0, "imp-0000000001", early, "equal", "", ""},
		{1, "imp-0000000990", early, "B* has it, S has not", "pending", "beyond what both sides have come to"},
		{1, "imp-0000000001", twice, "the key is not unique: rows in S 2, in B* 1, in B 1", "", ""},
	} {
		var l life
		out := command(t, c.code, "explain", file, "--key", "impression_id="+c.key, "--stream", c.s, "--output", "all", "--format", "json", "--quiet")
		if err := json.Unmarshal([]byte(out), &l); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if len(l.Verdicts) != 1 || l.Verdicts[0].Verdict != c.says || l.Verdicts[0].Cause != c.cause || l.Verdicts[0].Evidence != c.why {
			t.Errorf("%s in %s: %+v", c.key, filepath.Base(c.s), l.Verdicts)
		}
	}
}

// TestSettleOfTheFile: --settle wins over the pipeline file's even when it is 0s, and --time that repeats the file's
// column leaves it.
func TestSettleOfTheFile(t *testing.T) {
	dir := trafficLake(t, 1_000)
	file, s := variant(t, dir, "timed.yaml", "\nvalidate:\n", "\nvalidate:\n  time: shown_at\n  settle: 1h\n"), filepath.Join(dir, "S")
	command(t, 0, "replay", file, "--as", "stream", "--to", s, "--quiet")
	pending := func(flags ...string) int64 {
		var r validate.Result
		out := command(t, 0, append([]string{"validate", file, s + "/all", s + "/all", "--quiet", "--format", "json"}, flags...)...)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return r.Rows.PendingLeft
	}
	hour := pending()
	if same := pending("--time", "shown_at"); hour == 0 || same != hour {
		t.Errorf("%d rows are pending with the file's settle, %d with its time given again", hour, same)
	}
	if n := pending("--settle", "0s"); n != 0 {
		t.Errorf("%d rows are pending with --settle 0s", n)
	}
}
