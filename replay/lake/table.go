package lake

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/lockstep-data/lockstep/schema"
)

// ReadText reads a whole text file as one record. Without fields it takes the columns and types that it finds
// in the file.
type ReadText func(r io.Reader, name string, fields []schema.Field) (arrow.Record, error)

// TableOptions are how ReadTable reaches files and understands those that are not Parquet.
type TableOptions struct {
	Env map[string]string
	// Format is parquet, csv or ndjson; "" and auto go by the files' names.
	Format string
	// CSV and NDJSON read .csv, and .ndjson or .jsonl, also as .gz and .zst.
	CSV, NDJSON ReadText
	// Parallelism and KeepDictionary are as in SourceOptions.
	Parallelism    int
	KeepDictionary bool
}

var tableFormats = []struct{ extension, format string }{
	{".parquet", "parquet"}, {".parq", "parquet"}, {".pq", "parquet"}, {".csv", "csv"}, {".ndjson", "ndjson"}, {".jsonl", "ndjson"},
}

func tableFormat(name string) string {
	plain := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	for _, f := range tableFormats {
		if strings.HasSuffix(plain, f.extension) && (f.format != "parquet" || plain == name) {
			return f.format
		}
	}
	return ""
}

// ReadTable reads all rows of a place: files of Parquet, CSV or NDJSON, in the order of their names. Without
// fields it takes those of the first file. The caller owns the records.
func ReadTable(ctx context.Context, place string, fields []schema.Field, opts TableOptions) ([]arrow.Record, []schema.Field, error) {
	p, objects, format, err := tableFiles(ctx, place, opts)
	if err != nil {
		return nil, nil, err
	}
	if format == "parquet" {
		return readParquetTable(ctx, place, fields, opts)
	}
	read := opts.CSV
	if format == "ndjson" {
		read = opts.NDJSON
	}
	if read == nil {
		return nil, nil, fmt.Errorf("read %s: %s is not understood here", p, format)
	}
	var records []arrow.Record
	for _, o := range objects {
		rec, err := readText(ctx, p, o, fields, read)
		if err != nil {
			return nil, nil, err
		}
		if fields == nil {
			for _, f := range rec.Schema().Fields() {
				t, err := schema.FromArrow(f.Type)
				if err != nil {
					return nil, nil, fmt.Errorf("read %s: column %s: %w", o.Name, f.Name, err)
				}
				fields = append(fields, schema.Field{Name: f.Name, Type: t})
			}
		}
		records = append(records, rec)
	}
	return records, fields, nil
}

// TableFields are the columns that ReadTable gives. Of Parquet it reads the footers alone.
func TableFields(ctx context.Context, place string, fields []schema.Field, opts TableOptions) ([]schema.Field, error) {
	_, _, format, err := tableFiles(ctx, place, opts)
	if err != nil {
		return nil, err
	}
	if format != "parquet" {
		_, fields, err := ReadTable(ctx, place, fields, opts)
		return fields, err
	}
	src, err := NewSource(ctx, SourceOptions{Place: place, Env: opts.Env, Fields: fields})
	if err != nil {
		return nil, err
	}
	return src.Fields(), src.Close()
}

// tableFiles lists the files of a table, which are of one format.
func tableFiles(ctx context.Context, place string, opts TableOptions) (p Place, objects []Object, format string, err error) {
	if opts.Format != "auto" {
		format = opts.Format
	}
	if p, err = Open(ctx, place, opts.Env); err != nil {
		return p, nil, "", err
	}
	objects, err = p.List(ctx, tableExtensions(format)...)
	if err != nil || format != "" {
		return p, objects, format, err
	}
	format = tableFormat(objects[0].key)
	for _, o := range objects {
		switch f := tableFormat(o.key); {
		case f == "":
			return p, nil, "", schema.WithHint(fmt.Errorf("read %s: its name does not tell the format", o.Name), "tables are .parquet, .csv, .ndjson or .jsonl, the texts also .gz or .zst; other names need `format:`")
		case f != format:
			return p, nil, "", schema.WithHint(fmt.Errorf("read %s: %s beside %s", p, f, format), "a table has one format; name a glob like *."+format)
		}
	}
	return p, objects, format, nil
}

// tableExtensions are the names' ends of a format, or of all.
func tableExtensions(format string) []string {
	var out []string
	for _, f := range tableFormats {
		if format != "" && f.format != format {
			continue
		}
		out = append(out, f.extension)
		if f.format != "parquet" {
			out = append(out, f.extension+".gz", f.extension+".zst")
		}
	}
	return out
}

func readParquetTable(ctx context.Context, place string, fields []schema.Field, opts TableOptions) ([]arrow.Record, []schema.Field, error) {
	src, err := NewSource(ctx, SourceOptions{Place: place, Env: opts.Env, Fields: fields, Parallelism: opts.Parallelism, BlockRows: 128 << 10, KeepDictionary: opts.KeepDictionary})
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	var records []arrow.Record
	for {
		b, err := src.Next(ctx)
		if err == io.EOF {
			return records, src.Fields(), nil
		}
		if err != nil {
			return nil, nil, err
		}
		if b.Record != nil {
			records = append(records, b.Record)
		}
	}
}

func readText(ctx context.Context, p Place, o Object, fields []schema.Field, read ReadText) (rec arrow.Record, err error) {
	r, err := p.Read(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var text io.Reader = bufio.NewReaderSize(io.NewSectionReader(r, 0, o.Size), 1<<20)
	switch {
	case strings.HasSuffix(o.key, ".gz"):
		if text, err = gzip.NewReader(text); err != nil {
			return nil, fmt.Errorf("read %s: %w", o.Name, err)
		}
	case strings.HasSuffix(o.key, ".zst"):
		z, err := zstd.NewReader(text, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", o.Name, err)
		}
		defer z.Close()
		text = z
	}
	if rec, err = read(text, o.Name, fields); err != nil {
		return nil, err
	}
	return rec, r.Check()
}
