package lake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/lockstep-data/lockstep/schema"
)

// lines is a reader of text that makes one column of the lines.
func lines(r io.Reader, name string, fields []schema.Field) (arrow.Record, error) {
	if fields == nil {
		fields = []schema.Field{{Name: "line", Type: schema.Type{Kind: schema.String}}}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(fields))
	s := bufio.NewScanner(r)
	for s.Scan() {
		if s.Text() == "bad" {
			return nil, fmt.Errorf("read %s: bad", name)
		}
		b.Field(0).(*array.StringBuilder).Append(s.Text())
	}
	return b.NewRecord(), s.Err()
}

func TestReadTable(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	io.WriteString(g, "c\nd\n")
	g.Close()
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(z, "e\n")
	z.Close()
	writeFile(t, filepath.Join(dir, "csv", "1.csv"), []byte("a\nb\n"))
	writeFile(t, filepath.Join(dir, "csv", "2.csv.gz"), gz.Bytes())
	writeFile(t, filepath.Join(dir, "csv", "3.csv.zst"), zs.Bytes())
	writeFile(t, filepath.Join(dir, "csv", "readme.md"), nil)
	writeFile(t, filepath.Join(dir, "json", "1.jsonl"), []byte("x\n"))
	writeFile(t, filepath.Join(dir, "bad", "1.csv"), []byte("bad\n"))
	writeFile(t, filepath.Join(dir, "broken", "1.csv.gz"), []byte("no gzip"))
	writeFile(t, filepath.Join(dir, "mixed", "1.csv"), nil)
	writeFile(t, filepath.Join(dir, "mixed", "1.parquet"), nil)
	rows := randomRows(rand.New(rand.NewPCG(1, 1)), 500, 1)
	writeFile(t, filepath.Join(dir, "pq", "b.parquet"), fileBytes(t, rows[200:], false, 100))
	writeFile(t, filepath.Join(dir, "pq", "a.parquet"), fileBytes(t, rows[:200], false, 100))
	opts := TableOptions{CSV: lines, NDJSON: lines}
	for place, want := range map[string]string{"csv": "a b c d e", "json": "x", "csv/2*": "c d"} {
		recs, fields, err := ReadTable(ctx, filepath.Join(dir, place), nil, opts)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range recs {
			for i := range int(r.NumRows()) {
				got = append(got, r.Column(0).ValueStr(i))
			}
		}
		if strings.Join(got, " ") != want || names(fields) != "line" {
			t.Errorf("%s: %v %v", place, got, fields)
		}
	}
	recs, fields, err := ReadTable(ctx, dir+"/pq", nil, opts)
	if err != nil || names(fields) != names(rowFields) {
		t.Fatal(err, fields)
	}
	next := int64(0)
	for _, r := range recs {
		for _, id := range r.Column(0).(*array.Int64).Int64Values() {
			if id != next {
				t.Fatalf("row %d where %d was expected", id, next)
			}
			next++
		}
	}
	if next != 500 {
		t.Error(next)
	}
	for place, want := range map[string]string{"bad": "1.csv: bad", "broken": "1.csv.gz: ", "mixed": "beside", "csv/readme.md": "its name does not tell the format", "nope": "no such file"} {
		if _, _, err := ReadTable(ctx, filepath.Join(dir, place), nil, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", place, err)
		}
	}
	opts.Format = "csv"
	for place, want := range map[string]int{"csv/readme.md": 0, "csv/1.csv": 2, "mixed": 0} {
		recs, _, err := ReadTable(ctx, filepath.Join(dir, place), nil, opts)
		if err != nil || len(recs) != 1 || int(recs[0].NumRows()) != want {
			t.Errorf("%s as CSV: %v %v", place, recs, err)
		}
	}
	if _, _, err := ReadTable(ctx, dir+"/csv", nil, TableOptions{}); err == nil || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
