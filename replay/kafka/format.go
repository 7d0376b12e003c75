package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/avro"
	"github.com/lockstep-data/lockstep/schema/json"
)

// Format is how a topic's values are written.
type Format struct {
	// Name is json or avro.
	Name string
	// Schema is an Avro schema. Without a registry it is the one that every value was written with; with one
	// it is the reader's, whose defaults and aliases hold, and may be "".
	Schema string
	// Registry makes Avro values those of the registry's wire format.
	Registry Registry
	// Subject is the registry's name for the schemas of the topic, usually <topic>-value.
	Subject string
	// Record is the name of the Avro records that a sink writes; "" is "row".
	Record string
}

// Registry keeps schemas under ids, as *avro.Registry does. It is used by several goroutines.
type Registry interface {
	// Schema is the schema with an id; subject is for the error alone.
	Schema(ctx context.Context, id int, subject string) (string, error)
	// Register gives a schema to a subject and returns its id.
	Register(ctx context.Context, subject, text string) (int, error)
}

// registryTimeout bounds one question to the registry.
const registryTimeout = 10 * time.Second

// errNotRecord marks an error of a decoder that is no record's fault, so that no policy may set records aside.
var errNotRecord = errors.New("values cannot be read")

// NewDecoder makes the decoders of SourceOptions.NewDecoder. What can be wrong with the format itself, as a
// schema that lacks a column's type, is told at once.
func NewDecoder(f Format, fields []schema.Field) (func() (Decoder, error), error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.Name == "json" {
		return func() (Decoder, error) { return json.NewDecoder(fields), nil }, nil
	}
	shared := &schemas{format: f, texts: map[int]text{}}
	build := func() (Decoder, error) {
		d := &avroDecoder{Decoder: avro.NewDecoder(fields), shared: shared, plans: map[int]plan{}}
		if f.Schema == "" {
			return d, nil
		}
		if f.Registry != nil {
			return d, d.Reader(f.Schema)
		}
		var err error
		d.plain, err = d.Plan(f.Schema)
		return d, err
	}
	if _, err := build(); err != nil {
		return nil, err
	}
	return build, nil
}

func (f Format) check() error {
	switch f.Name {
	case "json":
		return nil
	case "avro":
		return nil
	case "protobuf":
		return schema.WithHint(errors.New("kafka: Protobuf is not read yet"), "write json or avro")
	}
	return schema.WithHint(fmt.Errorf("kafka: format %q is not known", f.Name), "write json or avro")
}

var _ Registry = (*avro.Registry)(nil)

type text struct {
	schema string
	err    error
}

// schemas are the writers' schemas that the decoders of one source have met.
type schemas struct {
	format Format
	mu     sync.Mutex
	texts  map[int]text
}

func (s *schemas) get(id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.texts[id]; ok {
		return t.schema, t.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), registryTimeout)
	defer cancel()
	got, err := s.format.Registry.Schema(ctx, id, s.format.Subject)
	if err != nil && !avro.IsUnknown(err) {
		return "", fmt.Errorf("%w: %w", errNotRecord, err)
	}
	// That there is no such id holds too: ids are given before they are written.
	s.texts[id] = text{got, err}
	return got, err
}

type plan struct {
	*avro.Plan
	err error
}

type avroDecoder struct {
	*avro.Decoder
	shared *schemas
	plain  *avro.Plan // every value's, without a registry
	plans  map[int]plan
	lastID int
	last   *avro.Plan
}

// Append reads a value with the schema that it was written with.
func (d *avroDecoder) Append(value []byte) error {
	if d.plain != nil {
		return d.Decoder.Append(d.plain, value)
	}
	id, record, err := avro.SplitFrame(value)
	if err != nil {
		return err
	}
	if d.last == nil || d.lastID != id {
		p, err := d.plan(id)
		if err != nil {
			return err
		}
		d.lastID, d.last = id, p
	}
	return d.Decoder.Append(d.last, record)
}

func (d *avroDecoder) plan(id int) (*avro.Plan, error) {
	if p, ok := d.plans[id]; ok {
		return p.Plan, p.err
	}
	text, err := d.shared.get(id)
	if errors.Is(err, errNotRecord) {
		return nil, err
	}
	p := plan{err: err}
	if err == nil {
		p.Plan, p.err = d.Plan(text)
		if p.err != nil {
			p.err = fmt.Errorf("schema id %d: %w", id, p.err)
		}
	}
	d.plans[id] = p
	return p.Plan, p.err
}

// NewEncoder makes the encoders of Output.NewEncoder. With a registry, the columns' schema is registered under
// the subject when a writer is opened.
func NewEncoder(f Format) func(fields []schema.Field) (Encoder, error) {
	return func(fields []schema.Field) (Encoder, error) {
		if err := f.check(); err != nil {
			return nil, err
		}
		if f.Name == "json" {
			return json.NewEncoder(fields), nil
		}
		name := f.Record
		if name == "" {
			name = "row"
		}
		enc, err := avro.NewEncoder(fields, name)
		if err != nil || f.Registry == nil {
			return enc, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), registryTimeout)
		defer cancel()
		id, err := f.Registry.Register(ctx, f.Subject, enc.Schema())
		if err != nil {
			return nil, err
		}
		return &framed{enc, avro.AppendFrame(nil, id)}, nil
	}
}

// framed puts the registry's frame before every record.
type framed struct {
	enc   *avro.Encoder
	frame []byte
}

// Encode appends the frame and the row.
func (f *framed) Encode(dst []byte, rec arrow.Record, row int) []byte {
	return f.enc.Encode(append(dst, f.frame...), rec, row)
}
