package lake

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/parquet"
)

// row is a row of the tests' streams.
type row struct {
	id                int64
	time              int64
	partition, offset int64
}

var (
	rowFields = []schema.Field{{Name: "id", Type: schema.Type{Kind: schema.BigInt}}, {Name: "at", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}},
		{Name: "tag", Type: schema.Type{Kind: schema.String}}, {Name: "list", Type: schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}}}
	placeFields = []schema.Field{{Name: "_partition", Type: schema.Type{Kind: schema.Int}}, {Name: "_offset", Type: schema.Type{Kind: schema.BigInt}}, {Name: "_timestamp", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}}}
)

func record(rows []row, positions bool) (arrow.Record, []schema.Field) {
	fields := append([]schema.Field{}, rowFields...)
	if positions {
		fields = append(fields, placeFields...)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(fields))
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.id)
		if r.time == replay.NoTime {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(r.time))
		}
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("tag-%d", r.id%5))
		l := b.Field(3).(*array.ListBuilder)
		l.Append(true)
		for range r.id % 3 {
			l.ValueBuilder().(*array.Int32Builder).Append(int32(r.id))
		}
		if positions {
			b.Field(4).(*array.Int32Builder).Append(int32(r.partition))
			b.Field(5).(*array.Int64Builder).Append(r.offset)
			b.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(r.offset * 10))
		}
	}
	return b.NewRecord(), fields
}

func fileBytes(tb testing.TB, rows []row, positions bool, groupRows int) []byte {
	tb.Helper()
	rec, fields := record(rows, positions)
	var buf bytes.Buffer
	w, err := parquet.NewWriter(&buf, fields, parquet.WriteOptions{RowGroupRows: groupRows})
	if err == nil {
		err = w.Write(rec)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func writeFile(tb testing.TB, name string, data []byte) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o666); err != nil {
		tb.Fatal(err)
	}
}

// drain reads a source to its end.
func drain(tb testing.TB, src *Source) []replay.Block {
	tb.Helper()
	var out []replay.Block
	for {
		b, err := src.Next(context.Background())
		if err == io.EOF {
			return out
		}
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, b)
	}
}

func open(tb testing.TB, opts SourceOptions) *Source {
	tb.Helper()
	src, err := NewSource(context.Background(), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { src.Close() })
	return src
}

// rowsOf are a block's rows, and checks that the columns belong together.
func rowsOf(tb testing.TB, b replay.Block) []row {
	tb.Helper()
	if b.Record == nil {
		return nil
	}
	col := func(name string) arrow.Array { return b.Record.Column(b.Record.Schema().FieldIndices(name)[0]) }
	ids, times := col("id").(*array.Int64), col("at").(*array.Timestamp)
	tags, lists := col("tag").(*array.String), col("list").(*array.List)
	out := make([]row, ids.Len())
	for i := range out {
		r := row{id: ids.Value(i), time: replay.NoTime, partition: -1, offset: -1}
		if times.IsValid(i) {
			r.time = int64(times.Value(i))
		}
		if b.Offsets != nil {
			r.offset = b.Offsets[i]
		}
		if b.Partitions != nil {
			r.partition = int64(b.Partitions[i])
		}
		if b.BrokerTimes != nil && b.BrokerTimes[i] != r.offset*10 {
			tb.Fatalf("row %d: broker time %d of offset %d", r.id, b.BrokerTimes[i], r.offset)
		}
		from, to := lists.ValueOffsets(i)
		if tags.Value(i) != fmt.Sprintf("tag-%d", r.id%5) || to-from != r.id%3 || to > from && int64(lists.ListValues().(*array.Int32).Value(int(from))) != r.id {
			tb.Fatalf("the columns of row %d do not belong together", r.id)
		}
		out[i] = r
	}
	return out
}

func emptyFile(tb testing.TB, fields ...schema.Field) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := parquet.NewWriter(&buf, fields, parquet.WriteOptions{})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}
