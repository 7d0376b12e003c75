package validate

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// csvSide and jsonSide write a file and give it as an input.
func csvSide(t testing.TB, text string) Input { return fileSide(t, "x.csv", text) }

func jsonSide(t testing.TB, lines ...string) Input {
	return fileSide(t, "x.ndjson", strings.Join(lines, "\n")+"\n")
}

func fileSide(t testing.TB, name, text string) Input {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Input{Path: path}
}

// arrowSide is a record made of JSON rows.
func arrowSide(t testing.TB, fields []arrow.Field, rows string) Input {
	t.Helper()
	schema := arrow.NewSchema(fields, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return recordSide(t, rec)
}

func recordSide(t testing.TB, recs ...arrow.Record) Input {
	t.Helper()
	r, err := array.NewRecordReader(recs[0].Schema(), recs)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Records: r}
}

// column of Arrow: name and type.
func col(name string, dt arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: dt, Nullable: true}
}

// floats is a side of an id and a double or float column.
func floats(t testing.TB, values ...any) Input {
	t.Helper()
	var dt arrow.DataType = arrow.PrimitiveTypes.Float64
	if _, ok := values[0].(float32); ok {
		dt = arrow.PrimitiveTypes.Float32
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", dt)}, nil))
	for i, v := range values {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		switch v := v.(type) {
		case float64:
			b.Field(1).(*array.Float64Builder).Append(v)
		case float32:
			b.Field(1).(*array.Float32Builder).Append(v)
		default:
			b.Field(1).AppendNull()
		}
	}
	return recordSide(t, b.NewRecord())
}

// parquetSide writes rows of a Go struct.
func parquetSide[T any](t testing.TB, rows []T, opts ...parquet.WriterOption) Input {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, opts...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return fileSide(t, "x.parquet", b.String())
}

// withFooter is a Parquet file with another footer.
func withFooter(t testing.TB, in Input, name string, change func(*format.FileMetaData)) Input {
	t.Helper()
	b, err := os.ReadFile(in.Path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	meta := *f.Metadata()
	change(&meta)
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		t.Fatal(err)
	}
	end := len(b) - 8 - int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	out := append(append([]byte(nil), b[:end]...), footer...)
	out = append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), "PAR1"...)
	return fileSide(t, name, string(out))
}

func judge(t testing.TB, o Options) *Result {
	t.Helper()
	res, err := Run(context.Background(), o)
	if err != nil {
		t.Fatalf("%v (hint: %s)", err, Hint(err))
	}
	checkCounts(t, res)
	return res
}

// checkCounts holds every result to the rule that each row is counted once.
func checkCounts(t testing.TB, res *Result) {
	t.Helper()
	n := res.Rows
	if sum := n.Equal + n.Within + n.Changed + n.OnlyLeft + n.DuplicateLeft + n.NullKeyLeft + n.PendingLeft; sum != n.Left {
		t.Errorf("left: %d rows, %d counted: %+v", n.Left, sum, n)
	}
	if sum := n.Equal + n.Within + n.Changed + n.OnlyRight + n.DuplicateRight + n.NullKeyRight + n.PendingRight; sum != n.Right {
		t.Errorf("right: %d rows, %d counted: %+v", n.Right, sum, n)
	}
	for _, c := range res.Columns {
		if c.Compared != c.Equal+c.Within+c.Different || c.Compared != n.Equal+n.Within+n.Changed {
			t.Errorf("column %s does not add up: %+v of %+v", c.Name, c, n)
		}
	}
}

func refused(t testing.TB, o Options, words ...string) error {
	t.Helper()
	_, err := Run(context.Background(), o)
	if err == nil {
		t.Fatal("compared, but should have refused")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not mention %q", err, w)
		}
	}
	return err
}

func wantRows(t testing.TB, res *Result, verdict Verdict, rows Rows) {
	t.Helper()
	if res.Verdict != verdict {
		t.Errorf("verdict %s, want %s", res.Verdict, verdict)
	}
	rows.Left, rows.Right = res.Rows.Left, res.Rows.Right
	if res.Rows != rows {
		t.Errorf("rows\n %+v, want\n %+v", res.Rows, rows)
	}
}

// stable is a result without what may differ between runs.
func stable(t testing.TB, res *Result) string {
	t.Helper()
	c := *res
	c.Inputs, c.Seconds = nil, 0
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

var key = []string{"id"}
