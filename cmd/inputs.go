package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// openTables reads the tables that are used, all at once.
func (o *replayOptions) openTables(ctx context.Context, run *opened, checked *pipeline.Checked, used map[string]bool) error {
	tables := checked.Pipeline.Tables
	read := make([]*replay.TableInput, len(tables))
	work, ctx := errgroup.WithContext(ctx)
	for i := range tables {
		t := &tables[i]
		if !used[t.Name] {
			continue
		}
		work.Go(func() (err error) {
			if read[i], err = openTable(ctx, o.world, t, checked.Catalog.Tables[t.Name], o.traced == nil); err != nil {
				err = fmt.Errorf("table %s: %w", t.Name, err)
			}
			return err
		})
	}
	err := work.Wait()
	for i, t := range tables {
		if read[i] != nil {
			run.job.Tables[t.Name] = read[i]
		}
	}
	return err
}

// align is how far, in microseconds of event time, a stream may be read ahead of the others.
func (o *replayOptions) align(p *pipeline.Pipeline) int64 {
	const automatic = 10 * time.Minute
	least := automatic
	for _, s := range p.Streams {
		switch {
		case s.Align == pipeline.AlignOff, s.Align == pipeline.AlignAuto && o.until == "" && o.from == "kafka":
			return replay.EndOfTime
		case s.Align > 0:
			least = min(least, s.Align)
		}
	}
	return least.Microseconds()
}

// columnUse is what a plan reads.
type columnUse struct {
	streams map[string]map[int]bool
	tables  map[string]bool
}

func usedColumns(root sql.Node) columnUse {
	u := columnUse{map[string]map[int]bool{}, map[string]bool{}}
	u.visit(root)
	return u
}

func (u columnUse) visit(n sql.Node) {
	switch n := n.(type) {
	case *sql.Scan:
		if u.streams[n.Stream] == nil {
			u.streams[n.Stream] = map[int]bool{}
		}
		for _, c := range n.Columns {
			u.streams[n.Stream][c] = true
		}
	case *sql.Lookup:
		u.tables[n.Table] = true
	}
	for _, in := range sql.Inputs(n) {
		u.visit(in)
	}
}

// openStream opens a stream's source. A batch reads the columns that the query uses; where rows may be set
// aside whole, as late or as conflicting copies, every column is read.
func (o *replayOptions) openStream(ctx context.Context, run *opened, checked *pipeline.Checked, s *pipeline.Stream, used map[int]bool) error {
	rel := checked.Catalog.Streams[s.Name]
	places := 0
	if o.traced != nil { // the last columns are the rows' places, which no file has
		places = len(placeFields())
		rel.Fields = rel.Fields[:len(rel.Fields)-places]
	}
	in := &replay.StreamInput{
		Disorder: s.Disorder.Microseconds(), Ahead: s.Ahead.Microseconds(), Within: s.Within.Microseconds(),
		Columns: make([]int, len(rel.Fields), len(rel.Fields)+places),
	}
	all := o.from == "kafka" || o.as == "stream" || len(s.ID) > 0
	var names []string
	for i, f := range rel.Fields {
		in.Columns[i] = -1
		if all || used[i] || f.Name == s.Time {
			in.Columns[i] = len(names)
			if f.Name == s.Time {
				in.Time = len(names)
			}
			if slices.Contains(s.ID, f.Name) {
				in.ID = append(in.ID, len(names))
			}
			names = append(names, f.Name)
		}
	}
	var err error
	if o.from == "kafka" {
		var src *kafka.Source
		if src, err = o.kafkaSource(ctx, checked, s, rel); err == nil {
			in.Source, in.From, in.FromID = src, "topic "+s.Kafka.Topic, src.TopicID()
		}
	} else {
		in.From = "the lake" // wherever it lies by now
		var src *lake.Source
		if src, err = o.lakeSource(ctx, s, rel, names, o.traced == nil); err == nil {
			in.Source = src
			run.total += src.Rows()
		}
	}
	if err != nil {
		return err
	}
	if o.traced != nil {
		in.Source = o.traced.source(s.Name, in.Source)
		for i := range places {
			in.Columns = append(in.Columns, len(names)+i)
		}
	}
	run.closes = append(run.closes, in.Source.Close)
	run.job.Streams[s.Name] = in
	return nil
}

// lakeSource opens a stream's files; coded: with text as dictionaries where they have it so.
func (o *replayOptions) lakeSource(ctx context.Context, s *pipeline.Stream, rel sql.Relation, names []string, coded bool) (*lake.Source, error) {
	if s.Lake == "" {
		return nil, schema.WithHint(errors.New("it has no lake"), "give it `lake:`, or run --from kafka")
	}
	opts := lake.SourceOptions{
		Place: s.Lake, Env: o.world.env, Fields: rel.Fields, Columns: names, Time: s.Time, LaneByFile: s.LaneByFile,
		Partition: s.Positions.Partition, Offset: s.Positions.Offset, Timestamp: s.Positions.Timestamp,
		KeepDictionary: coded, AbsentAsNull: s.ByAvro(),
	}
	if o.as == "stream" || o.traced != nil && s.LaneByFile {
		opts.Mode = lake.Stream // files that are lanes have row numbers in this mode alone
	}
	var err error
	if opts.Since, err = eventTime("--since", o.since); err != nil {
		return nil, err
	}
	if opts.Until, err = eventTime("--until", o.until); err != nil {
		return nil, err
	}
	return lake.NewSource(ctx, opts)
}

func (o *replayOptions) kafkaSource(ctx context.Context, checked *pipeline.Checked, s *pipeline.Stream, rel sql.Relation) (*kafka.Source, error) {
	opts, err := topicOptions(ctx, o.world, checked, s, rel, o.since, o.until)
	if err != nil {
		return nil, err
	}
	opts.ReadAhead, _ = o.onTheWay()
	return kafka.NewSource(ctx, *opts)
}

// topicOptions are how a stream's topic is read, between the bounds that flags give.
func topicOptions(ctx context.Context, w *world, checked *pipeline.Checked, s *pipeline.Stream, rel sql.Relation, since, until string) (*kafka.SourceOptions, error) {
	p := checked.Pipeline
	if s.Kafka == nil {
		return nil, schema.WithHint(errors.New("it has no topic"), "give it `kafka: {topic: ..}`, or run --from lake")
	}
	client, err := clientOptions(w, p)
	if err != nil {
		return nil, err
	}
	format, err := streamFormat(ctx, p, s)
	if err != nil {
		return nil, err
	}
	opts := &kafka.SourceOptions{Client: client, Topic: s.Kafka.Topic, Fields: rel.Fields, Time: s.Time, Idle: s.Idle, Now: w.now}
	if s.OnBadRecord == "reject" {
		opts.OnBadRecord = kafka.Reject
	}
	if opts.NewDecoder, err = kafka.NewDecoder(format, rel.Fields); err != nil {
		return nil, err
	}
	if opts.Since, err = brokerBound("--since", since); err != nil {
		return nil, err
	}
	opts.Until, err = brokerBound("--until", until)
	return opts, err
}

func streamFormat(ctx context.Context, p *pipeline.Pipeline, s *pipeline.Stream) (kafka.Format, error) {
	f := kafka.Format{Name: s.Kafka.Format, Subject: s.Kafka.Subject}
	if f.Name != "avro" {
		return f, nil
	}
	var err error
	if s.Kafka.Registry {
		if f.Registry, err = openRegistry(p); err != nil {
			return f, err
		}
	}
	// Of a registry that gives the columns it is the newest schema, whose defaults hold for values of older ones.
	if s.Schema != "" || f.Registry != nil && len(s.Columns) == 0 {
		f.Schema, _, err = avroSchema(ctx, p, s)
	}
	return f, err
}

// parseTime understands what --since and --until take.
func parseTime(flag, text string) (int64, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, schema.WithHint(fmt.Errorf("%s %s is no time", flag, text), "write 2026-11-01, 2026-11-01T06:00 or 2026-11-01T06:00:00Z; times are UTC")
}

// inOrder refuses a range of --since and --until that holds nothing.
func inOrder(sinceFlag, since, untilFlag, until string) error {
	from, err := parseTime(sinceFlag, since)
	if err != nil {
		return nil // there is none, or it is refused where it is used
	}
	if to, err := parseTime(untilFlag, until); err == nil && to <= from {
		return schema.WithHint(fmt.Errorf("%s %s is not after %s %s", untilFlag, until, sinceFlag, since),
			fmt.Sprintf("times are UTC; %s is in the range, %s is not", sinceFlag, untilFlag))
	}
	return nil
}

func eventTime(flag, text string) (*int64, error) {
	if text == "" {
		return nil, nil
	}
	if text == "latest" {
		return nil, schema.WithHint(fmt.Errorf("%s latest means nothing in the lake", flag), "the lake is read to its end; give a time, or leave "+flag+" out")
	}
	t, err := parseTime(flag, text)
	return &t, err
}

func brokerBound(flag, text string) (kafka.Bound, error) {
	switch text {
	case "":
		return kafka.Bound{}, nil
	case "latest":
		return kafka.Latest(), nil
	}
	t, err := parseTime(flag, text)
	return kafka.AtTime(t), err
}

// openTable reads a table into memory; coded: with text as dictionaries where the files have it so.
func openTable(ctx context.Context, w *world, t *pipeline.Table, rel sql.Relation, coded bool) (*replay.TableInput, error) {
	if t.Lake == "" {
		return nil, schema.WithHint(errors.New("it has no lake"), "give it `lake:`, a file or a folder")
	}
	opts := tableOptions(w)
	opts.Format, opts.KeepDictionary = t.Format, coded
	records, _, err := lake.ReadTable(ctx, t.Lake, rel.Fields, opts)
	if err != nil {
		return nil, err
	}
	cols, fields := make([]arrow.Array, len(rel.Fields)), make([]arrow.Field, len(rel.Fields))
	rows := int64(0)
	for _, r := range records {
		rows += r.NumRows()
	}
	for c, f := range rel.Fields {
		parts := make([]arrow.Array, len(records))
		for i, r := range records {
			parts[i] = r.Column(c)
		}
		if len(parts) == 0 {
			cols[c] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type.Arrow(), 0)
		} else if cols[c], err = state.Concatenate(parts); err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		fields[c] = arrow.Field{Name: f.Name, Type: cols[c].DataType(), Nullable: true}
	}
	in := &replay.TableInput{Record: array.NewRecord(arrow.NewSchema(fields, nil), cols, rows), Versions: -1}
	for i, f := range rel.Fields {
		in.Columns = append(in.Columns, i)
		if f.Name == rel.Versions {
			in.Versions = i
		}
	}
	for _, k := range rel.Key {
		in.Key = append(in.Key, slices.IndexFunc(rel.Fields, func(f schema.Field) bool { return f.Name == k }))
	}
	return in, nil
}

// readDecisions takes the decision log of an earlier run out of its manifest.
func (o *replayOptions) readDecisions(ctx context.Context) ([]replay.Decision, error) {
	if o.decisions == "" {
		return nil, nil
	}
	m, err := lake.ReadManifest(ctx, o.decisions, o.world.env)
	if err != nil {
		return nil, fmt.Errorf("--decisions: %w", err)
	}
	var in replay.Inputs
	if err := json.Unmarshal(m.Inputs, &in); err != nil {
		return nil, fmt.Errorf("--decisions %s: its manifest holds no decision log: %w", o.decisions, err)
	}
	return in.Decisions, nil
}
