package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/validate"
)

// A reproducer is a folder with a pipeline file and the few rows of its streams and tables on which the engine
// still answers about one key as it does on the whole lake: as a batch, and as a stream. It begins with the rows
// that the traces name and leaves out every row without which the answers stay the same.

// reproducer shrinks one mismatch.
type reproducer struct {
	t      *triangle
	key    string
	dir    string
	want   [2]string // rows of the key in B and in B*
	places []logPlace
	runs   int
	small  *trace // over the small lake
}

// mostRuns bounds the shrinking; a closure of some dozen rows needs fewer.
const mostRuns = 400

// reproduce writes a reproducer of a key that differs; key is as stableKey has it.
func (t *triangle) reproduce(ctx context.Context, key, dir string) (rows int, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return 0, schema.WithHint(fmt.Errorf("%s is not empty", dir), "give --reproduce a new folder")
	}
	r := &reproducer{t: t, key: key, dir: dir}
	for i, which := range []string{"batch", "ideal"} {
		if r.want[i], err = r.rowsOf(ctx, t.trace, t.ownPlace(which)); err != nil {
			return 0, err
		}
	}
	if err := r.closure(ctx); err != nil {
		return 0, err
	}
	if len(r.places) == 0 {
		return 0, schema.WithHint(fmt.Errorf("no row of a stream has to do with %s", key), "choose a key that B or B* has")
	}
	work, err := os.MkdirTemp(t.tmp, "case-")
	if err != nil {
		return 0, err
	}
	if err := r.writeCase(ctx, work, r.places); err != nil {
		return 0, err
	}
	var said bytes.Buffer
	w := &world{env: t.world.env, stdin: t.world.stdin, stdout: io.Discard, stderr: &said, now: t.world.now, isTerminal: t.world.isTerminal, signals: t.world.signals}
	checked, err := w.loadPipeline(ctx, filepath.Join(work, "pipeline.yaml"))
	if err != nil {
		if code := exitCode(0); errors.As(err, &code) {
			err = errors.New(strings.TrimSpace(said.String()))
		}
		return 0, fmt.Errorf("the reproducer's pipeline file does not load: %w", err)
	}
	w.stderr = io.Discard
	if r.small, err = w.newTrace(checked); err != nil {
		return 0, err
	}
	if ok, err := r.shows(ctx, r.places); err != nil || !ok {
		return 0, errors.Join(err, fmt.Errorf("the %d rows that the traces name do not show the mismatch alone; nothing was written", len(r.places)))
	}
	if err := r.shrink(ctx); err != nil {
		return 0, err
	}
	if err := r.writeCase(ctx, dir, r.places); err != nil {
		return 0, err
	}
	return len(r.places), r.explainCase()
}

// rowsOf are the rows of the key in a result, without where they came from.
func (r *reproducer) rowsOf(ctx context.Context, t *trace, place string) (string, error) {
	var rows []string
	err := r.t.world.rows(ctx, place, func(rec arrow.Record) error {
		keys, err := validate.Keys(rec, r.t.opts.Key)
		if err != nil {
			return err
		}
		var columns []string
		traced := t.columns()
		for _, f := range rec.Schema().Fields() {
			if !slices.Contains(traced, f.Name) {
				columns = append(columns, f.Name)
			}
		}
		for i, k := range keys {
			if stableKey(k) != r.key {
				continue
			}
			whole, err := validate.Keys(rec.NewSlice(int64(i), int64(i)+1), columns)
			if err != nil {
				return err
			}
			rows = append(rows, string(whole[0]))
		}
		return nil
	})
	slices.Sort(rows)
	return strings.Join(rows, "\n"), err
}

// closure collects the rows that the traces and the late rows name, the rows that made those late, and copies.
func (r *reproducer) closure(ctx context.Context) error {
	t, b := r.t, r.t.blame
	if len(b.batch.byKey[r.key])+len(b.ideal.byKey[r.key]) == 0 {
		return nil
	}
	set := map[logPlace]bool{}
	for _, x := range []traceIndex{b.batch, b.ideal} {
		for _, o := range x.byKey[r.key] {
			for _, in := range o.inputs {
				set[in.logPlace] = true
			}
		}
	}
	for _, late := range b.lateOf(r.key) {
		set[late.logPlace] = true
	}
	e := &explainer{t: t, life: &life{}}
	for i := range t.trace.plain.Pipeline.Streams {
		s := &t.trace.plain.Pipeline.Streams[i]
		if _, ok := t.trace.plain.Catalog.Streams[s.Name]; !ok {
			continue
		}
		newest := map[int]logPlace{} // by lane
		_, err := e.scan(ctx, s, []string{s.Time}, func(block *replay.Block, row int, x judgedRow) {
			p := (&placedSource{stream: s.Name}).place(block, row)
			if x.fate == "late" && set[p] {
				set[newest[x.lane]] = true
			}
			if x.fate == "kept" && x.t > x.newest {
				newest[x.lane] = p
			}
		})
		if err != nil {
			return err
		}
	}
	for p := range set {
		r.places = append(r.places, p)
	}
	slices.SortFunc(r.places, logPlace.compare)
	return nil
}

// shows says whether the engine still answers as it did, with these rows alone.
func (r *reproducer) shows(ctx context.Context, places []logPlace) (bool, error) {
	keep := map[logPlace]bool{}
	for _, p := range places {
		keep[p] = true
	}
	for i, as := range []string{"batch", "stream"} {
		r.runs++
		out := filepath.Join(r.t.tmp, fmt.Sprintf("reproduce-%d", r.runs))
		if err := r.small.run(ctx, as, r.t.output, out, func(p logPlace) bool { return keep[p] }); err != nil {
			return false, err
		}
		got, err := r.rowsOf(ctx, r.small, filepath.Join(out, "rows"))
		if err != nil {
			return false, err
		}
		if err := os.RemoveAll(out); err != nil {
			return false, err
		}
		if got != r.want[i] {
			return false, nil
		}
	}
	return true, nil
}

// shrink leaves out ever smaller parts, until no single row can go.
func (r *reproducer) shrink(ctx context.Context) error {
	for n := 2; len(r.places) > 1 && r.runs < mostRuns; {
		size := (len(r.places) + n - 1) / n
		smaller := false
		for from := 0; from < len(r.places) && r.runs < mostRuns; from += size {
			rest := slices.Concat(r.places[:from], r.places[min(from+size, len(r.places)):])
			ok, err := r.shows(ctx, rest)
			if err != nil {
				return err
			}
			if ok {
				r.places, smaller = rest, true
				break
			}
		}
		switch {
		case smaller:
			n = max(n-1, 2)
		case size == 1:
			return nil
		default:
			n = min(n*2, len(r.places))
		}
	}
	return nil
}

// writeCase writes the pipeline file, the rows and the tables' rows that they look up.
func (r *reproducer) writeCase(ctx context.Context, dir string, places []logPlace) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	keep := map[logPlace]bool{}
	for _, p := range places {
		keep[p] = true
	}
	streams, err := lake.NewSink(ctx, filepath.Join(dir, "streams"), lake.SinkOptions{})
	if err != nil {
		return err
	}
	defer streams.Close()
	checked := r.t.trace.plain
	for i := range checked.Pipeline.Streams {
		if s := &checked.Pipeline.Streams[i]; checked.Catalog.Streams[s.Name].Fields != nil {
			if err := r.copyStream(ctx, streams, s, keep); err != nil {
				return fmt.Errorf("stream %s: %w", s.Name, err)
			}
		}
	}
	if err := publish(ctx, streams, struct{}{}); err != nil {
		return err
	}
	if err := streams.Finish(ctx); err != nil {
		return err
	}
	tables, err := lake.NewSink(ctx, filepath.Join(dir, "tables"), lake.SinkOptions{})
	if err != nil {
		return err
	}
	defer tables.Close()
	for i := range checked.Pipeline.Tables {
		if t := &checked.Pipeline.Tables[i]; checked.Catalog.Tables[t.Name].Fields != nil {
			if err := r.copyTable(ctx, tables, t); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
		}
	}
	if err := publish(ctx, tables, struct{}{}); err != nil {
		return err
	}
	if err := tables.Finish(ctx); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "pipeline.yaml"), r.pipelineFile(), 0o644)
}

func (r *reproducer) copyStream(ctx context.Context, sink *lake.Sink, s *pipeline.Stream, keep map[logPlace]bool) error {
	rel := r.t.trace.plain.Catalog.Streams[s.Name]
	var columns []string
	for _, f := range rel.Fields {
		columns = append(columns, f.Name)
	}
	fields, err := kafka.CaptureFields(rel.Fields)
	if err != nil {
		return err
	}
	out, err := sink.Open(ctx, s.Name, fields)
	if err != nil {
		return err
	}
	o := &replayOptions{world: r.t.world, from: "lake", as: "stream", since: r.t.lakeSince, until: r.t.lakeUntil}
	src, err := o.lakeSource(ctx, s, rel, columns, false)
	if err != nil {
		return err
	}
	defer src.Close()
	placed := &placedSource{stream: s.Name, lanes: src.Lanes()}
	return eachBlock(ctx, src, func(b *replay.Block) error {
		var rows []int32
		b.Partitions = slices.Clone(b.Partitions)
		if b.Partitions == nil {
			b.Partitions = make([]int32, b.Record.NumRows())
		}
		for i := range b.Partitions {
			p := placed.place(&replay.Block{Lane: b.Lane, Offsets: b.Offsets}, i)
			if b.Partitions[i] > 0 {
				p.partition = b.Partitions[i]
			}
			b.Partitions[i] = p.partition
			if keep[p] {
				rows = append(rows, int32(i))
			}
		}
		if len(rows) == 0 {
			return nil
		}
		rec := kafka.Captured(*b, 0)
		cols, err := state.TakeAll(rec.Columns(), rows)
		if err != nil {
			return err
		}
		return out.Write(ctx, array.NewRecord(rec.Schema(), cols, int64(len(rows))), nil)
	})
}

// copyTable copies the rows of the keys that the result's rows look up.
func (r *reproducer) copyTable(ctx context.Context, sink *lake.Sink, t *pipeline.Table) error {
	rel := r.t.trace.plain.Catalog.Tables[t.Name]
	keys := map[string]bool{}
	for _, x := range []traceIndex{r.t.blame.batch, r.t.blame.ideal} {
		for _, o := range x.byKey[r.key] {
			for _, l := range o.lookups {
				if l.table == t.Name {
					keys[l.key] = true
				}
			}
		}
	}
	in, err := openTable(ctx, r.t.world, t, rel, false)
	if err != nil {
		return err
	}
	texts, err := joinedTexts(in.Record, rel.Key)
	if err != nil {
		return err
	}
	var rows []int32
	for i, k := range texts {
		if keys[k] {
			rows = append(rows, int32(i))
		}
	}
	out, err := sink.Open(ctx, t.Name, rel.Fields)
	if err != nil || len(rows) == 0 {
		return err
	}
	cols, err := state.TakeAll(in.Record.Columns(), rows)
	if err != nil {
		return err
	}
	return out.Write(ctx, array.NewRecord(schema.ArrowSchema(rel.Fields), cols, int64(len(rows))), nil)
}

// pipelineFile writes the pipeline anew: the same streams, tables and query over the case's own files. JSON is YAML.
func (r *reproducer) pipelineFile() []byte {
	var b bytes.Buffer
	checked := r.t.trace.plain
	p := checked.Pipeline
	quoted := func(v any) string { s, _ := json.Marshal(v); return string(s) }
	plain := func(s string) string { return strings.ReplaceAll(s, "${", "$${") } // variables were expanded already
	columns := func(fields []schema.Field) {
		fmt.Fprint(&b, "    columns:\n")
		for _, f := range fields {
			fmt.Fprintf(&b, "      %s: %s\n", quoted(f.Name), quoted(f.Type.String()))
		}
	}
	fmt.Fprintf(&b, "# %s, cut down to one key:\n# %s\npipeline: %s\nstreams:\n", p.Path, strings.ReplaceAll(r.key, "\n", " "), p.Name)
	for _, s := range p.Streams {
		rel, ok := checked.Catalog.Streams[s.Name]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n    time: %s\n    disorder: %s\n    ahead: %s\n", s.Name, quoted(s.Time), short(s.Disorder), short(s.Ahead))
		if len(s.ID) > 0 {
			fmt.Fprintf(&b, "    id: %s\n    within: %s\n", quoted(s.ID), short(s.Within))
		}
		columns(rel.Fields)
		fmt.Fprintf(&b, "    lake: streams/%s/\n", s.Name)
	}
	if len(checked.Catalog.Tables) > 0 {
		fmt.Fprint(&b, "tables:\n")
	}
	for _, t := range p.Tables {
		rel, ok := checked.Catalog.Tables[t.Name]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "  %s:\n    key: %s\n", t.Name, quoted(t.Key))
		if t.Versions != "" {
			fmt.Fprintf(&b, "    versions: %s\n", quoted(t.Versions))
		}
		columns(rel.Fields)
		fmt.Fprintf(&b, "    lake: tables/%s/\n", t.Name)
	}
	fmt.Fprint(&b, "query: |\n")
	for line := range strings.Lines(plain(strings.TrimRight(p.Query, "\n")) + "\n") {
		fmt.Fprint(&b, "  "+line)
	}
	for i, o := range p.Outputs {
		if o.Name == r.t.output {
			fmt.Fprintf(&b, "outputs:\n  %s: {lake: %s", o.Name, quoted("out/"+o.Name))
			if p.Outputs[i].Where != "" {
				fmt.Fprintf(&b, ", where: %s", quoted(plain(o.Where)))
			}
			fmt.Fprint(&b, "}\n")
		}
	}
	fmt.Fprintf(&b, "validate:\n  key: %s\n", quoted(r.t.opts.Key))
	if p.OnError != "" && p.OnError != "fail" {
		fmt.Fprintf(&b, "on_error: %s\n", p.OnError)
	}
	return b.Bytes()
}

// explainCase says in the folder what to do with it, and what comes out.
func (r *reproducer) explainCase() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\nWhat lies below `streams/` shows it, %d of the inputs' rows:\n\n", r.key, len(r.places))
	for _, p := range r.places {
		note := ""
		if late, ok := r.t.blame.late[p]; ok {
			note = ", " + micros(late.lateness) + " too late"
		}
		fmt.Fprintf(&b, "- %s, partition %s, offset %d%s\n", p.stream, strconv.Itoa(int(p.partition)), p.offset, note)
	}
	fmt.Fprint(&b, "\n```\nlockstep replay pipeline.yaml --as batch --to B\nlockstep replay pipeline.yaml --as stream --to S\nlockstep validate pipeline.yaml S\n```\n")
	for i, name := range []string{"The batch B", "A correct stream, B*,"} {
		if r.want[i] == "" {
			fmt.Fprintf(&b, "\n%s has no row of the key.\n", name)
			continue
		}
		fmt.Fprintf(&b, "\n%s gives\n\n```json\n%s\n```\n", name, r.want[i])
	}
	if class := r.t.blame.defects[r.key]; class != "" && r.t.left != "" {
		fmt.Fprintf(&b, "\nS was another: the key is %s in S against B*. Run it over these rows.\n", strings.ReplaceAll(class, "_", " "))
	}
	return os.WriteFile(filepath.Join(r.dir, "README.md"), b.Bytes(), 0o644)
}
