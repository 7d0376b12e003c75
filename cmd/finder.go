package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay/lake"
	"github.com/lockstep-data/lockstep/replay/pipeline"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/avro"
	"github.com/lockstep-data/lockstep/schema/csv"
	"github.com/lockstep-data/lockstep/schema/json"
)

// newFinder is where types of streams and tables are looked up beyond the pipeline file: Avro schemas, the
// registry, the files of lakes and tables.
func newFinder(w *world) pipeline.Finder {
	return pipeline.Finder{
		LakeFields: func(ctx context.Context, s pipeline.Stream, known []schema.Field) ([]schema.Field, string, error) {
			opts := lake.SourceOptions{Place: s.Lake, Env: w.env, AbsentAsNull: s.ByAvro()}
			src, err := lake.NewSource(ctx, opts)
			differ := err != nil && known != nil && !errors.Is(err, fs.ErrNotExist)
			if differ {
				opts.Fields = known
				src, err = lake.NewSource(ctx, opts)
			}
			if err != nil {
				return nil, s.Lake, err
			}
			where := s.Lake
			if files := src.Objects(); len(files) > 0 {
				where = files[0].Name
			}
			if differ {
				return nil, where, src.Close()
			}
			return src.Fields(), where, src.Close()
		},
		AvroFields: func(ctx context.Context, p *pipeline.Pipeline, s pipeline.Stream) ([]schema.Field, string, error) {
			text, where, err := avroSchema(ctx, p, &s)
			if err != nil {
				return nil, where, err
			}
			fields, err := avro.Fields(text)
			return fields, where, err
		},
		TableFields: func(ctx context.Context, t pipeline.Table) ([]schema.Field, string, error) {
			opts := tableOptions(w)
			opts.Format = t.Format
			fields, err := lake.TableFields(ctx, t.Lake, nil, opts)
			if err != nil && t.Columns != nil {
				// Files that differ among themselves, or in what is not needed, may agree with what is declared.
				fields, err = lake.TableFields(ctx, t.Lake, t.Columns, opts)
			}
			return fields, t.Lake, err
		},
	}
}

// avroSchema is the text of a stream's Avro schema, from its file or the registry's newest.
func avroSchema(ctx context.Context, p *pipeline.Pipeline, s *pipeline.Stream) (text, where string, err error) {
	if s.Schema != "" {
		data, err := os.ReadFile(s.Schema)
		return string(data), s.Schema, err
	}
	reg, err := openRegistry(p)
	if err != nil {
		return "", "", err
	}
	where = fmt.Sprintf("subject %s of %s", s.Kafka.Subject, p.Kafka.Registry.URL)
	text, _, err = reg.Latest(ctx, s.Kafka.Subject)
	return text, where, err
}

func tableOptions(w *world) lake.TableOptions {
	return lake.TableOptions{Env: w.env, CSV: readText(csv.Read, csv.Infer), NDJSON: readText(json.ReadLines, json.InferLines)}
}

// readText reads a text file whose types may have to be inferred first, from the whole of it.
func readText(read func(io.Reader, string, []schema.Field) (arrow.Record, error), infer func(io.Reader, string) ([]schema.Field, error)) lake.ReadText {
	return func(r io.Reader, name string, fields []schema.Field) (arrow.Record, error) {
		if fields != nil {
			return read(r, name, fields)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if fields, err = infer(bytes.NewReader(text), name); err != nil {
			return nil, err
		}
		return read(bytes.NewReader(text), name, fields)
	}
}
