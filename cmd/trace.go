package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// A trace runs a pipeline over the lake so that every row of the result says which rows of its streams it was made
// of. The streams get two columns more, a row's place in the log, and the query hands them through: the engine
// that is asked is the one that runs, so nothing is guessed.

// The columns that hold a row's place.
const (
	placePartition = "_lockstep_partition"
	placeOffset    = "_lockstep_offset"
)

// logPlace is where a row of a stream stands.
type logPlace struct {
	stream    string
	partition int32
	offset    int64
}

func (p logPlace) String() string { return fmt.Sprintf("%s %d@%d", p.stream, p.partition, p.offset) }

// trace is a pipeline whose results say where they came from.
type trace struct {
	*sql.Traced
	world        *world
	plain        *pipeline.Checked
	checked      *pipeline.Checked
	since, until string
	decisions    string
}

func (w *world) newTrace(checked *pipeline.Checked) (*trace, error) { return w.traceOf(checked, false) }

// traceOf makes a trace; a wide one has no WHERE.
func (w *world) traceOf(checked *pipeline.Checked, wide bool) (*trace, error) {
	t := &trace{world: w, plain: checked}
	cat := sql.Catalog{Streams: map[string]sql.Relation{}, Tables: checked.Catalog.Tables}
	ids := map[string][]string{}
	for _, s := range checked.Pipeline.Streams {
		rel, ok := checked.Catalog.Streams[s.Name]
		if !ok {
			continue
		}
		rel.Fields = append(slices.Clone(rel.Fields), placeFields()...)
		cat.Streams[s.Name] = rel
		ids[s.Name] = s.ID
	}
	traced, problems := sql.Trace(checked.Pipeline.Query, cat, sql.TraceOptions{Partition: placePartition, Offset: placeOffset, IDs: ids, Wide: wide})
	var plan *sql.Plan
	if traced != nil {
		plan, problems = sql.Compile(traced.Text, cat)
	}
	if plan == nil {
		return nil, fmt.Errorf("trace the query: %s", problems[0].Message)
	}
	t.Traced = traced
	t.checked = &pipeline.Checked{Pipeline: checked.Pipeline, Catalog: cat, Plan: plan, Where: checked.Where}
	return t, nil
}

func placeFields() []schema.Field {
	return []schema.Field{{Name: placePartition, Type: schema.Type{Kind: schema.Int}}, {Name: placeOffset, Type: schema.Type{Kind: schema.BigInt}}}
}

// columns are those that the trace adds to the result.
func (t *trace) columns() []string {
	var out []string
	for n := range t.Streams {
		for _, name := range []string{sql.TraceStream, sql.TracePartition, sql.TraceOffset, sql.TraceTime, sql.TraceID} {
			out = append(out, fmt.Sprintf(name, n))
		}
	}
	for n := range t.Tables {
		for _, name := range []string{sql.TraceTable, sql.TraceKey, sql.TraceFound, sql.TraceVersion} {
			out = append(out, fmt.Sprintf(name, n))
		}
	}
	return out
}

// run runs the trace, as batch or stream, into a folder: output is the one wanted ("": every row), keep says
// which rows of the lake take part (nil: all).
func (t *trace) run(ctx context.Context, as, output, dir string, keep func(logPlace) bool) error {
	outputs, where := t.plain.Pipeline.Outputs, t.checked.Where
	if len(outputs) > 0 && output != "" {
		i := slices.IndexFunc(outputs, func(o pipeline.Output) bool { return o.Name == output })
		outputs, where = outputs[i:i+1], where[i:i+1]
	} else {
		outputs, where = nil, nil
	}
	p := *t.plain.Pipeline
	p.Outputs = slices.Clone(outputs)
	for i := range p.Outputs {
		p.Outputs[i].Name = "rows"
	}
	checked := &pipeline.Checked{Pipeline: &p, Catalog: t.checked.Catalog, Plan: t.checked.Plan, Where: where}
	o := &replayOptions{world: t.world, from: "lake", as: as, to: dir, since: t.since, until: t.until, decisions: t.decisions, traced: &tracing{keep: keep}}
	run := o.newRun(checked)
	defer run.close()
	if err := o.fill(ctx, run, checked); err != nil {
		return err
	}
	if _, err := replay.Run(ctx, run.job); err != nil {
		return err
	}
	return run.finish(ctx)
}

// tracing says that a run's streams get their places as columns.
type tracing struct {
	keep func(logPlace) bool
}

// placedSource is a stream whose rows say where they stand.
type placedSource struct {
	replay.Source
	stream string
	lanes  []replay.Lane
	keep   func(logPlace) bool
}

func (s *tracing) source(stream string, in replay.Source) replay.Source {
	return &placedSource{Source: in, stream: stream, lanes: in.Lanes(), keep: s.keep}
}

// Fields implements replay.Source.
func (s *placedSource) Fields() []schema.Field {
	return append(slices.Clone(s.Source.Fields()), placeFields()...)
}

// Next implements replay.Source.
func (s *placedSource) Next(ctx context.Context) (replay.Block, error) {
	b, err := s.Source.Next(ctx)
	if err != nil || b.Record == nil || b.Record.NumRows() == 0 {
		return b, err
	}
	if b.Offsets == nil {
		return b, schema.WithHint(fmt.Errorf("stream %s: the lake does not say where its rows stood in Kafka, so late rows cannot be named", s.stream),
			"record it with lockstep capture, map its columns under positions:, or write lanes: file")
	}
	n := int(b.Record.NumRows())
	part, off := array.NewInt32Builder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	var rows []int32
	for i := range n {
		p := s.place(&b, i)
		part.Append(p.partition)
		off.Append(p.offset)
		if s.keep == nil || s.keep(p) {
			rows = append(rows, int32(i))
		}
	}
	cols := append(slices.Clone(b.Record.Columns()), part.NewArray(), off.NewArray())
	if len(rows) < n {
		if cols, err = state.TakeAll(cols, rows); err != nil {
			return b, err
		}
		b.Offsets, b.Partitions, b.BrokerTimes = pickAt(b.Offsets, rows), pickAt(b.Partitions, rows), pickAt(b.BrokerTimes, rows)
	}
	b.Record = array.NewRecord(schema.ArrowSchema(s.Fields()), cols, int64(len(rows)))
	return b, nil
}

func pickAt[T any](s []T, rows []int32) []T {
	if s == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = s[r]
	}
	return out
}

// place is where row i of a block stands; a file that is a lane has its number as partition.
func (s *placedSource) place(b *replay.Block, i int) logPlace {
	p := logPlace{stream: s.stream, partition: int32(b.Lane), offset: b.Offsets[i]}
	switch {
	case b.Partitions != nil && b.Partitions[i] >= 0:
		p.partition = b.Partitions[i]
	case b.Lane < len(s.lanes) && s.lanes[b.Lane].Partition >= 0:
		p.partition = s.lanes[b.Lane].Partition
	}
	return p
}

// origin is what a row of the result was made of.
type origin struct {
	inputs  []originInput
	lookups []originLookup
}

type originInput struct {
	logPlace
	slot int // the number of its source in the query
	time int64
	id   string // "" where a stream has none, or a part of it is NULL
}

// originLookup is a look-up; found is false where the table has no row.
type originLookup struct {
	table, key, version string
	found               bool
}

// rows reads a folder's rows a record at a time. A folder that is not there holds none.
func (w *world) rows(ctx context.Context, place string, do func(arrow.Record) error) error {
	src, err := lake.NewSource(ctx, lake.SourceOptions{Place: place, Env: w.env, Partition: "-", Offset: "-", Timestamp: "-"})
	if err != nil {
		return err
	}
	defer src.Close()
	return eachBlock(ctx, src, func(b *replay.Block) error { return do(b.Record) })
}

// sideRows reads the rows of a side, which may be a single file that is no Parquet.
func (w *world) sideRows(ctx context.Context, place string, do func(arrow.Record) error) error {
	text := tableOptions(w)
	read := map[string]lake.ReadText{".csv": text.CSV, ".ndjson": text.NDJSON, ".jsonl": text.NDJSON}[filepath.Ext(place)]
	if read == nil && filepath.Ext(place) != ".arrows" {
		return w.rows(ctx, place, do)
	}
	f, err := os.Open(place)
	if err != nil {
		return err
	}
	defer f.Close()
	if read != nil {
		rec, err := read(f, place, nil)
		if err != nil {
			return err
		}
		defer rec.Release()
		return do(rec)
	}
	in, err := ipc.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	defer in.Release()
	for in.Next() {
		if err := do(in.Record()); err != nil {
			return err
		}
	}
	return in.Err()
}

// eachBlock reads a source to its end and visits the blocks that hold rows.
func eachBlock(ctx context.Context, src replay.Source, visit func(*replay.Block) error) error {
	for {
		b, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && b.Record != nil {
			err = visit(&b)
		}
		if err != nil {
			return err
		}
	}
}

// origins reads where a record's rows came from.
func (t *trace) origins(rec arrow.Record) func(row int) origin {
	col := func(name string, n int) arrow.Array {
		return rec.Column(rec.Schema().FieldIndices(fmt.Sprintf(name, n))[0])
	}
	text := func(a arrow.Array, i int) string {
		if a.IsNull(i) {
			return ""
		}
		return a.ValueStr(i)
	}
	return func(row int) origin {
		var o origin
		for n := range t.Streams {
			off := col(sql.TraceOffset, n).(*array.Int64)
			if off.IsNull(row) {
				continue
			}
			in := originInput{slot: n, logPlace: logPlace{stream: text(col(sql.TraceStream, n), row), partition: col(sql.TracePartition, n).(*array.Int32).Value(row), offset: off.Value(row)},
				id: text(col(sql.TraceID, n), row)}
			if at := col(sql.TraceTime, n).(*array.Timestamp); at.IsValid(row) {
				in.time = int64(at.Value(row))
			}
			o.inputs = append(o.inputs, in)
		}
		for n := range t.Tables {
			if name := col(sql.TraceTable, n); name.IsValid(row) {
				found := col(sql.TraceFound, n).(*array.Boolean).Value(row)
				o.lookups = append(o.lookups, originLookup{text(name, row), text(col(sql.TraceKey, n), row), text(col(sql.TraceVersion, n), row), found})
			}
		}
		return o
	}
}
