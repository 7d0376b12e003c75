package cmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/kafka"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/avro"
	"github.com/lockstep-data/lockstep/validate"
)

// topicHint is what a side in Kafka looks like.
const topicHint = "write kafka://broker:9092/topic?format=avro&schema=rows.avsc, or format=json; with a pipeline FILE kafka:///topic takes its brokers and their security"

// isTopic says whether a side of validate is a topic.
func isTopic(place string) bool { return strings.HasPrefix(place, "kafka://") }

// topicSide opens a side `kafka://broker[,broker]/topic?format=..`: a read from the beginning, or `since`, to the
// offsets that are the topic's last when it starts, or to `until`. Brokers left out are those of the pipeline file,
// with their TLS and SASL. Of JSON the judge itself finds the types, as in a file of lines; `columns` in an Avro
// schema are the schema's.
func topicSide(ctx context.Context, w *world, place string, file *pipeline.Pipeline) (validate.Input, func() error, error) {
	in := validate.Input{Path: place}
	fail := func(err error) (validate.Input, func() error, error) {
		return in, nil, fmt.Errorf("%s: %w", place, err)
	}
	u, err := url.Parse(place)
	if err != nil {
		return in, nil, schema.WithHint(fmt.Errorf("%s: %w", place, errors.Unwrap(err)), topicHint)
	}
	if u.User != nil {
		return in, nil, schema.WithHint(fmt.Errorf("%s: an address has no user", u.Redacted()), "name a pipeline FILE with `kafka: {sasl: ..}`, and write kafka:///topic")
	}
	ask, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return in, nil, schema.WithHint(fmt.Errorf("%s: %w", place, err), topicHint)
	}
	topic := strings.Trim(u.Path, "/")
	known := []string{"format", "schema", "registry", "subject", "since", "until"}
	for _, name := range slices.Sorted(maps.Keys(ask)) {
		if !slices.Contains(known, name) {
			return in, nil, schema.WithHint(fmt.Errorf("%s: %q is not known", place, name), "it takes "+strings.Join(known, ", "))
		}
		if len(ask[name]) > 1 {
			return in, nil, schema.WithHint(fmt.Errorf("%s: %s is given twice", place, name), "leave one out")
		}
	}
	if topic == "" || strings.Contains(topic, "/") {
		return in, nil, schema.WithHint(fmt.Errorf("%s names no topic", place), topicHint)
	}
	p := &pipeline.Pipeline{}
	if file != nil {
		p.Kafka = file.Kafka
	}
	if u.Host != "" {
		p.Kafka.Brokers = strings.Split(u.Host, ",")
	}
	if len(p.Kafka.Brokers) == 0 {
		return in, nil, schema.WithHint(fmt.Errorf("%s names no broker", place), topicHint)
	}
	if r := ask.Get("registry"); r != "" {
		p.Kafka.Registry = &pipeline.Registry{URL: r}
	}
	s := &pipeline.Stream{Schema: ask.Get("schema"), Kafka: &pipeline.KafkaStream{Topic: topic, Format: cmp.Or(ask.Get("format"), "json"),
		Registry: ask.Get("registry") != "" || ask.Get("schema") == "" && p.Kafka.Registry != nil, Subject: cmp.Or(ask.Get("subject"), topic+"-value")}}
	if err := inOrder("since", ask.Get("since"), "until", ask.Get("until")); err != nil {
		return fail(err)
	}
	o := kafka.SourceOptions{Topic: topic, Now: w.now, Until: kafka.Latest(), Advice: "a side has a row of every record; since= and until= leave records out"}
	if o.Since, err = brokerBound("since", ask.Get("since")); err == nil && ask.Get("until") != "" {
		o.Until, err = brokerBound("until", ask.Get("until"))
	}
	if err != nil {
		return fail(err)
	}
	if o.Client, err = clientOptions(w, p); err != nil {
		return fail(err)
	}
	lines := s.Kafka.Format == "json"
	switch {
	case lines:
		o.Fields = []schema.Field{{Name: "value", Type: schema.Type{Kind: schema.String}}}
		o.NewDecoder = func() (kafka.Decoder, error) { return newLineDecoder(), nil }
	case s.Kafka.Format == "protobuf":
		return in, nil, schema.WithHint(fmt.Errorf("%s: Protobuf is not read yet", place), "compare a topic of Avro or JSON, or files")
	case s.Kafka.Format != "avro":
		return in, nil, schema.WithHint(fmt.Errorf("%s: format %q is not known", place, s.Kafka.Format), "write format=avro or format=json")
	case s.Schema == "" && !s.Kafka.Registry:
		return in, nil, schema.WithHint(fmt.Errorf("%s: nothing says how the values are written", place), "add schema=FILE.avsc, or registry=URL")
	default:
		text, _, err := avroSchema(ctx, p, s)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = schema.WithHint(err, "schema= is a file of this machine")
			}
			return fail(err)
		}
		if o.Fields, err = avro.Fields(text); err != nil {
			return fail(err)
		}
		format, err := streamFormat(ctx, p, s)
		if err != nil {
			return fail(err)
		}
		if o.NewDecoder, err = kafka.NewDecoder(format, o.Fields); err != nil {
			return fail(err)
		}
	}
	src, err := kafka.NewSource(ctx, o)
	if err != nil {
		return fail(err)
	}
	read := &topicRecords{ctx: ctx, src: src, next: map[int]int64{}}
	if lines {
		in.Path, in.Name, in.Reader = "-", place, &recordLines{from: read}
	} else {
		in.Records = read
	}
	return in, src.Close, nil
}

// spoolTopic reads a topic to its end into a file of dir: of the three results S is read several times.
func spoolTopic(ctx context.Context, w *world, place string, file *pipeline.Pipeline, dir string) (in validate.Input, err error) {
	topic, closer, err := topicSide(ctx, w, place, file)
	if err != nil {
		return in, err
	}
	defer closer()
	in.Path = filepath.Join(dir, "S.arrows")
	if topic.Records == nil {
		in.Path = filepath.Join(dir, "S.ndjson")
	}
	f, err := os.Create(in.Path)
	if err != nil {
		return in, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if topic.Records == nil {
		if _, err = io.Copy(f, topic.Reader); err != nil {
			return in, fmt.Errorf("%s: %w", place, err)
		}
		in.Positions = topic.Reader.(*recordLines).Positions()
		return in, nil
	}
	rows := ipc.NewWriter(f, ipc.WithSchema(topic.Records.Schema()))
	for err == nil && topic.Records.Next() {
		err = rows.Write(topic.Records.Record())
	}
	in.Positions = topic.Records.(*topicRecords).Positions()
	if err = errors.Join(err, topic.Records.Err(), rows.Close()); err != nil {
		err = fmt.Errorf("%s: %w", place, err)
	}
	return in, err
}

// topicRecords is a topic as the judge reads it, block by block.
type topicRecords struct {
	ctx  context.Context // RecordReader has no other way to end a read
	src  *kafka.Source
	rec  arrow.Record
	next map[int]int64 // by lane: where it goes on
	err  error
}

var _ validate.RecordReader = (*topicRecords)(nil)

func (r *topicRecords) Schema() *arrow.Schema {
	var fields []arrow.Field
	for _, f := range r.src.Fields() {
		fields = append(fields, arrow.Field{Name: f.Name, Type: f.Type.Arrow(), Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

func (r *topicRecords) Next() bool {
	for {
		if r.rec != nil {
			r.rec.Release()
			r.rec = nil
		}
		b, err := r.src.Next(r.ctx)
		if err == io.EOF {
			return false
		}
		if err != nil {
			r.err = err
			return false
		}
		if b.Record == nil {
			continue
		}
		r.next[b.Lane] = b.Next
		r.rec = b.Record
		return true
	}
}

func (r *topicRecords) Record() arrow.Record { return r.rec }
func (r *topicRecords) Err() error           { return r.err }

// Positions says where each partition's read ended, for the report.
func (r *topicRecords) Positions() string {
	var out []string
	lanes := r.src.Lanes()
	for _, i := range slices.Sorted(maps.Keys(r.next)) {
		out = append(out, fmt.Sprintf("%s:%d", lanes[i].Name, r.next[i]))
	}
	return strings.Join(out, " ")
}

// recordLines are the values of a topic of JSON, a line each.
type recordLines struct {
	from *topicRecords
	rest []byte
	some bool
}

// Positions is topicRecords'.
func (r *recordLines) Positions() string { return r.from.Positions() }

func (r *recordLines) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if !r.from.Next() {
			if r.from.Err() != nil {
				return 0, r.from.Err()
			}
			if !r.some {
				return 0, schema.WithHint(errors.New("no record lies within its bounds, and without one JSON says nothing of columns"), "since= and until= are times of the broker; with format=avro no record is an empty side")
			}
			return 0, io.EOF
		}
		col := r.from.Record().Column(0).(*array.String)
		r.some = r.some || col.Len() > 0
		for i := range col.Len() {
			r.rest = append(append(r.rest, col.Value(i)...), '\n')
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// lineDecoder passes JSON values on as lines of text; what is in them is the judge's business.
type lineDecoder struct {
	rows *array.StringBuilder
	line bytes.Buffer
}

func newLineDecoder() *lineDecoder {
	return &lineDecoder{rows: array.NewStringBuilder(memory.DefaultAllocator)}
}

func (d *lineDecoder) Append(value []byte) error {
	d.line.Reset()
	if err := json.Compact(&d.line, value); err != nil {
		return err
	}
	if d.line.Len() == 0 || d.line.Bytes()[0] != '{' {
		return errors.New("the value is no JSON object")
	}
	d.rows.Append(d.line.String())
	return nil
}

func (d *lineDecoder) Rows() int { return d.rows.Len() }

func (d *lineDecoder) Flush() arrow.Record {
	col := d.rows.NewArray()
	defer col.Release()
	fields := arrow.NewSchema([]arrow.Field{{Name: "value", Type: arrow.BinaryTypes.String}}, nil)
	return array.NewRecord(fields, []arrow.Array{col}, int64(col.Len()))
}

// openTopics opens the sides that are topics. A relative schema file is relative to where the command runs.
func (o *validateOptions) openTopics(ctx context.Context, opts *validate.Options, file *pipeline.Pipeline) (func(), error) {
	var closers []func() error
	done := func() {
		for _, f := range closers {
			_ = f() // reading is over
		}
	}
	for _, side := range []*validate.Input{&opts.Left, &opts.Right} {
		if !isTopic(side.Path) {
			continue
		}
		in, closer, err := topicSide(ctx, o.world, side.Path, file)
		if err != nil {
			done()
			return nil, err
		}
		closers = append(closers, closer)
		in.Name, in.Watermark = cmp.Or(side.Name, side.Path), side.Watermark
		*side = in
	}
	return done, nil
}
