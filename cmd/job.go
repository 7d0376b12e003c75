package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/avro"
)

// opened is a job with all that must be closed behind it.
type opened struct {
	job    *replay.Job
	total  int64 // rows to read, 0 when that is not known
	sinks  []replay.Sink
	topics *kafka.Sink // nil when no output goes to Kafka
	closes []func() error
}

func (o *opened) close() {
	for _, c := range slices.Backward(o.closes) {
		_ = c()
	}
}

// open reads the pipeline file and opens everything that the run needs, inputs before outputs.
func (o *replayOptions) open(ctx context.Context) (*opened, error) {
	checked, err := o.world.loadPipeline(ctx, o.file)
	if err != nil {
		return nil, err
	}
	if err := o.notYet(checked.Pipeline); err != nil {
		return nil, err
	}
	run := o.newRun(checked)
	if err := o.fill(ctx, run, checked); err != nil {
		run.close()
		return nil, err
	}
	return run, nil
}

func (o *replayOptions) newRun(checked *pipeline.Checked) *opened {
	return &opened{job: &replay.Job{
		Plan: checked.Plan, Streams: map[string]*replay.StreamInput{}, Tables: map[string]*replay.TableInput{},
		Final: o.final || o.from == "lake", Parallelism: o.parallelism, OnError: replay.ErrorPolicy(checked.Pipeline.OnError), Clock: o.world.now,
	}}
}

// notYet refuses what a pipeline file may say but this version does not do, so that nothing is ignored in silence.
func (o *replayOptions) notYet(p *pipeline.Pipeline) error {
	if exactlyOnce(p) && o.checkpoint == "" && o.to == "" {
		return schema.WithHint(errors.New("kafka: delivery: exactly-once needs checkpoints"), "add --checkpoint PLACE --resume, or write `delivery: at-least-once`")
	}
	if len(p.Kafka.Brokers) > 0 && p.Kafka.Group != "lockstep-"+p.Name && !exactlyOnce(p) {
		return schema.WithHint(fmt.Errorf("kafka: group: %s is used with delivery: exactly-once alone", p.Kafka.Group), "leave it out; positions are kept in the output's manifest and in checkpoints")
	}
	return nil
}

// exactlyOnce reports whether the pipeline's topics get each row once.
func exactlyOnce(p *pipeline.Pipeline) bool {
	return p.Kafka.Delivery == "exactly-once" && slices.ContainsFunc(p.Outputs, func(o pipeline.Output) bool { return o.Kafka != nil })
}

// fill opens inputs and outputs; what it opened before an error is in run all the same.
func (o *replayOptions) fill(ctx context.Context, run *opened, checked *pipeline.Checked) (err error) {
	if run.job.Parallelism == 0 {
		run.job.Parallelism = runtime.GOMAXPROCS(0)
	}
	if o.as == "stream" {
		run.job.Mode = replay.Stream
	}
	if run.job.Decisions, err = o.readDecisions(ctx); err != nil {
		return err
	}
	// The topics come first: they know which epochs happened.
	if err := o.openTopics(ctx, run, checked.Pipeline); err != nil {
		return err
	}
	if err := o.takeCheckpoints(ctx, run, checked.Pipeline); err != nil {
		return err
	}
	used := usedColumns(checked.Plan.Root)
	run.job.Align = o.align(checked.Pipeline)
	for i := range checked.Pipeline.Streams {
		s := &checked.Pipeline.Streams[i]
		columns, ok := used.streams[s.Name]
		if !ok {
			continue
		}
		if err := o.openStream(ctx, run, checked, s, columns); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	if err := o.openTables(ctx, run, checked, used.tables); err != nil {
		return err
	}
	return o.openOutputs(ctx, run, checked)
}

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

// takeCheckpoints takes the place of the run's checkpoints, before any output is opened: what an output may hold
// depends on the last checkpoint.
func (o *replayOptions) takeCheckpoints(ctx context.Context, run *opened, p *pipeline.Pipeline) error {
	if o.checkpoint == "" {
		return nil
	}
	vault, err := lake.OpenVault(ctx, o.checkpoint, o.world.env)
	if err != nil {
		return err
	}
	run.job.CheckpointEvery, run.job.CheckpointRows, run.job.Settings = o.checkpointEvery, o.checkpointRows, settings(p)
	run.job.Checkpoints, err = replay.TakeCheckpoints(ctx, vault, o.resume, o.keep, run.happened)
	if err != nil {
		return err
	}
	if last := run.last(); last != nil && !last.Done {
		text := fmt.Sprintf("going on from the checkpoint of epoch %d", last.SealedEpoch)
		if last.Parallelism != run.job.Parallelism {
			text += fmt.Sprintf(", with parallelism %d, which was %d", run.job.Parallelism, last.Parallelism)
		}
		fmt.Fprintln(o.world.stderr, "lockstep:", text)
		for _, c := range changes(last.Settings, run.job.Settings) {
			fmt.Fprintln(o.world.stderr, "lockstep: changed since:", c)
		}
	}
	return nil
}

// happened reports whether the topics have a checkpoint's epoch.
func (o *opened) happened(cp *replay.Checkpoint) bool {
	if o.topics == nil || !o.topics.Decides() {
		return true
	}
	for _, sealed := range cp.Sealed {
		if !o.topics.Committed(sealed) {
			return false
		}
	}
	return true
}

// last is the checkpoint that the run goes on from; nil: it starts at the beginning.
func (o *opened) last() *replay.Checkpoint {
	if o.job.Checkpoints == nil {
		return nil
	}
	return o.job.Checkpoints.Last()
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
		in.Source, err = o.kafkaSource(ctx, checked, s, rel)
	} else {
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
		KeepDictionary: coded,
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
	if s.Schema != "" {
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
	opts.KeepDictionary = coded
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

// clientOptions are how the pipeline's Kafka cluster is reached.
func clientOptions(w *world, p *pipeline.Pipeline) (kafka.ClientOptions, error) {
	c := kafka.ClientOptions{
		Brokers: p.Kafka.Brokers, ClientID: p.Kafka.ClientID,
		Events: w.brokers,
	}
	if t := p.Kafka.TLS; t != nil {
		c.TLS = &kafka.TLSOptions{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	if s := p.Kafka.SASL; s != nil {
		password, err := secret(s.Password, s.PasswordFile)
		if err != nil {
			return c, err
		}
		c.SASL = &kafka.SASLOptions{Mechanism: s.Mechanism, User: s.User, Password: kafka.Secret(password), TokenFile: s.TokenFile}
	}
	return c, nil
}

// secret is a password from its variable or its file.
func secret(value pipeline.Secret, file string) (string, error) {
	if file == "" {
		return string(value), nil
	}
	text, err := os.ReadFile(file)
	return strings.TrimRight(string(text), "\r\n"), err
}

func openRegistry(p *pipeline.Pipeline) (*avro.Registry, error) {
	r := p.Kafka.Registry
	if r == nil {
		return nil, schema.WithHint(errors.New("a registry is used, but none is named"), "add `registry: {url: ..}` under `kafka:`")
	}
	password, err := secret(r.Password, r.PasswordFile)
	if err != nil {
		return nil, err
	}
	var opts []sr.ClientOpt
	if r.TLS != nil {
		conf, err := tlsConfig(r.TLS)
		if err != nil {
			return nil, err
		}
		opts = append(opts, sr.HTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: conf, Proxy: http.ProxyFromEnvironment}}))
	}
	return avro.Dial([]string{r.URL}, r.User, password, opts...)
}

func tlsConfig(t *pipeline.TLS) (*tls.Config, error) {
	conf := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
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
