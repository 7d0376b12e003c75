package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	pq "github.com/parquet-go/parquet-go"
)

type lz4Row struct {
	ID   int64   `parquet:"id"`
	Text *string `parquet:"text,optional"`
}

// TestLZ4PagesThatHardlyCompress reads pages of every size around the lengths of their headers' numbers, with
// values that compress and values that do not.
func TestLZ4PagesThatHardlyCompress(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for version := 1; version <= 2; version++ {
		for _, n := range []int{1, 2, 8, 9, 63, 64, 1023, 1024, 1025, 20_000} {
			for _, alike := range []bool{false, true} {
				rows := make([]lz4Row, n)
				for i := range rows {
					rows[i].ID = int64(rng.Uint64())
					if text := fmt.Sprintf("%x", rng.Uint64()); i%5 > 0 {
						rows[i].Text = &text
					}
					if alike {
						rows[i].ID = 7
					}
				}
				var file bytes.Buffer
				w := pq.NewGenericWriter[lz4Row](&file, pq.Compression(&pq.Lz4Raw), pq.DataPageVersion(version), pq.PageBufferSize(4096))
				_, err := w.Write(rows)
				if err := errors.Join(err, w.Close()); err != nil {
					t.Fatal(err)
				}
				got, err := readLZ4(file.Bytes())
				if err != nil {
					t.Fatalf("version %d, %d rows, alike %v: %v", version, n, alike, err)
				}
				if len(got) != n {
					t.Fatalf("version %d: %d rows, want %d", version, len(got), n)
				}
				for i := range rows {
					if got[i].ID != rows[i].ID || (got[i].Text == nil) != (rows[i].Text == nil) || got[i].Text != nil && *got[i].Text != *rows[i].Text {
						t.Fatalf("version %d, %d rows, alike %v: row %d is %+v, want %+v", version, n, alike, i, got[i], rows[i])
					}
				}
				if n < 1024 {
					continue
				}
				// A damaged page is refused, and takes no memory.
				damaged := bytes.Clone(file.Bytes())
				for i := 40; i < len(damaged)/2; i++ {
					damaged[i] ^= byte(rng.Uint32())
				}
				if _, err := readLZ4(damaged); err == nil || !strings.Contains(err.Error(), "column id") {
					t.Fatalf("version %d: damaged: %v", version, err)
				}
			}
		}
	}
}

func readLZ4(data []byte) ([]lz4Row, error) {
	f, err := Open(bytes.NewReader(data), int64(len(data)), "x.parquet")
	if err != nil {
		return nil, err
	}
	fields, err := f.Fields()
	if err != nil {
		return nil, err
	}
	rd, err := f.Reader(fields, ReadOptions{})
	if err != nil {
		return nil, err
	}
	var out []lz4Row
	for g := range f.RowGroups() {
		rows, err := rd.RowGroup(g)
		if err != nil {
			return nil, err
		}
		for {
			rec, err := rows.Next(1000)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			ids, texts := rec.Column(0).(*array.Int64), rec.Column(1)
			for i := range int(rec.NumRows()) {
				row := lz4Row{ID: ids.Value(i)}
				if texts.IsValid(i) {
					text := texts.ValueStr(i)
					row.Text = &text
				}
				out = append(out, row)
			}
		}
	}
	return out, nil
}
