package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

// WriteOptions are the choices in writing; the zero value is what the lake's sink takes.
type WriteOptions struct {
	// RowGroupRows is the number of rows from which a row group is closed; 0 means 245,760. Readers share
	// work by row groups, and a writer holds one compressed.
	RowGroupRows int
	// Metadata goes into the footer.
	Metadata map[string]string
}

// Writer writes Arrow records as one Parquet file: zstd, data pages of version 1, dictionaries where values
// repeat, statistics, page checksums. One goroutine uses it; it holds a compressed row group in memory.
//
// A TIMESTAMP is MICROS and not adjusted to UTC. A DECIMAL is INT32 or INT64 up to 9 or 18 digits, else
// FIXED_LEN_BYTE_ARRAY, never in a dictionary (Flink fails to read those). Every column is optional.
type Writer struct {
	w      io.Writer
	at     int64
	fields []schema.Field
	roots  []*shredder
	leaves []*leafWriter
	opts   WriteOptions
	zstd   *zstd.Encoder
	rows   int
	total  int64
	groups []format.RowGroup
	schema []format.SchemaElement
	err    error
}

// NewWriter begins a file of rows with these fields.
func NewWriter(w io.Writer, fields []schema.Field, opts WriteOptions) (*Writer, error) {
	if opts.RowGroupRows <= 0 {
		opts.RowGroupRows = 2 * 122880
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	out := &Writer{w: w, fields: slices.Clone(fields), opts: opts, zstd: z}
	out.schema = append(out.schema, format.SchemaElement{Name: "schema", NumChildren: thrift.New(int32(len(fields)))})
	for _, f := range fields {
		s, err := out.shredder(f.Name, f.Type, nil, 0, 0, format.Optional)
		if err != nil {
			return nil, fmt.Errorf("write Parquet: column %s: %w", f.Name, err)
		}
		out.roots = append(out.roots, s)
	}
	return out, out.write([]byte("PAR1"))
}

func (w *Writer) write(b []byte) error {
	if w.err != nil {
		return w.err
	}
	n, err := w.w.Write(b)
	w.at += int64(n)
	w.err = err
	return err
}

// Size is the number of bytes written so far; the row group in memory is not counted.
func (w *Writer) Size() int64 { return w.at }

// Rows is the number of rows taken so far.
func (w *Writer) Rows() int64 { return w.total }

// Write takes the rows of rec, whose columns are those of the fields in order; text may come as an Arrow
// dictionary. It borrows rec.
func (w *Writer) Write(rec arrow.Record) error {
	if w.err != nil {
		return w.err
	}
	if int(rec.NumCols()) != len(w.fields) {
		return fmt.Errorf("write Parquet: a record of %d columns where the file has %d", rec.NumCols(), len(w.fields))
	}
	for from := int64(0); from < rec.NumRows(); {
		to := min(rec.NumRows(), from+int64(w.opts.RowGroupRows-w.rows))
		for i, s := range w.roots {
			col := rec.Column(i)
			if to-from < rec.NumRows() {
				col = sliceArray(col, from, to)
			}
			if err := w.column(s, col); err != nil {
				w.err = fmt.Errorf("write Parquet: column %s: %w", w.fields[i].Name, err)
				return w.err
			}
		}
		w.rows += int(to - from)
		w.total += to - from
		from = to
		if w.rows >= w.opts.RowGroupRows {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Writer) column(s *shredder, col arrow.Array) error {
	if s.leaf != nil {
		return s.leaf.flat(col)
	}
	for i := 0; i < col.Len(); i++ {
		if err := s.shred(col, i, 0, 0); err != nil {
			return err
		}
	}
	return s.values(col)
}

// flush writes the row group in memory.
func (w *Writer) flush() error {
	if w.err != nil || w.rows == 0 {
		return w.err
	}
	group := format.RowGroup{NumRows: int64(w.rows), FileOffset: w.at, Ordinal: int16(min(len(w.groups), 32767))}
	for _, l := range w.leaves {
		chunk, err := l.finish()
		if err != nil {
			w.err = err
			return err
		}
		meta := &chunk.MetaData
		if len(l.dictPage) > 0 {
			meta.DictionaryPageOffset = w.at
		}
		meta.DataPageOffset = w.at + int64(len(l.dictPage))
		if err := w.write(l.dictPage); err != nil {
			return err
		}
		if err := w.write(l.pages); err != nil {
			return err
		}
		group.TotalByteSize += meta.TotalUncompressedSize
		group.TotalCompressedSize += meta.TotalCompressedSize
		group.Columns = append(group.Columns, chunk)
		l.reset()
	}
	w.groups = append(w.groups, group)
	w.rows = 0
	return nil
}

// Close writes the last row group and the footer. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.flush(); err != nil {
		return err
	}
	meta := format.FileMetaData{Version: 1, Schema: w.schema, NumRows: w.total, RowGroups: w.groups, CreatedBy: "lockstep version 1.0.0"}
	if meta.RowGroups == nil {
		meta.RowGroups = []format.RowGroup{}
	}
	for _, k := range sortedKeys(w.opts.Metadata) {
		meta.KeyValueMetadata = append(meta.KeyValueMetadata, format.KeyValue{Key: k, Value: w.opts.Metadata[k]})
	}
	for range w.leaves {
		meta.ColumnOrders = append(meta.ColumnOrders, format.ColumnOrder{Value: &format.TypeDefinedOrder{}})
	}
	foot, err := thrift.Marshal(&thrift.CompactProtocol{}, &meta)
	if err != nil {
		w.err = fmt.Errorf("write Parquet: footer: %w", err)
		return w.err
	}
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(foot)))
	if err := w.write(append(foot, "PAR1"...)); err != nil {
		return err
	}
	w.err = errors.New("write Parquet: the file is closed")
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
