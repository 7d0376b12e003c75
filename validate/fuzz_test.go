package validate

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// FuzzStandardInput: whatever comes in, its format is found by its content, and it is compared with itself or refused
// by name; nothing panics.
func FuzzStandardInput(f *testing.F) {
	for _, text := range []string{"id,v\n1,a\n2,\"b\"\"\n\"\n", "id\tv\n1\t2\n", "{\"id\":1,\"v\":[1,{\"a\":null}]}\n{\"id\":2,\"v\":[]}\n", "{\"t\":\"2026-01-01T00:00:00Z\",\"n\":1e400}\n", "\xef\xbb\xbfid\n1\n"} {
		f.Add([]byte(text))
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		f.Add(b.Bytes())
	}
	sc := arrow.NewSchema([]arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("l", arrow.ListOf(arrow.BinaryTypes.String)), col("n", arrow.Null),
		col("d", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String})}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, sc, strings.NewReader(`[{"id":1,"l":["a",null],"n":null,"d":"x"},{"id":null,"l":null,"n":null,"d":null}]`))
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(sc))
	if err := w.Write(rec); err != nil {
		f.Fatal(err)
	}
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		side := func() Input { return Input{Path: "-", Name: "the input", Reader: bytes.NewReader(b)} }
		res, err := Run(context.Background(), Options{Left: side(), Right: side(), NoKey: true, AllowUncomparable: true, Memory: 16 << 20, Parallelism: 1, TempDir: t.TempDir()})
		if err != nil && !strings.Contains(err.Error(), "the input") && !strings.Contains(err.Error(), "column") {
			t.Errorf("no place: %v", err)
		}
		if err == nil && res.Verdict == Different && len(res.Uncomparable) == 0 {
			t.Errorf("it differs from itself: %+v", res.Rows)
		}
	})
}

// FuzzWords: conditions, tolerances and times of the command line are understood, or refused with a hint.
func FuzzWords(f *testing.F) {
	for _, w := range []string{"v > 1 AND name LIKE 'a' OR NOT (id IN (1, 2, NULL))", "t BETWEEN '2026-01-01' AND '2026-01-02T00:00:00Z' AND name IS NOT NULL", "v=abs:0.01,rel:1e-9", "name=trim,case,null_as:''",
		"t=within:1h", "v=as:decimal(10,2)", "2026-01-01T00:00:00.123456789+14:00", "\"v\" <> -1e5", "((((id))))"} {
		f.Add(w)
	}
	fields := []arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("v", arrow.PrimitiveTypes.Float64), col("name", arrow.BinaryTypes.String), col("t", arrow.FixedWidthTypes.Timestamp_us)}
	rows := `[{"id":1,"v":1.5,"name":"a","t":"2026-01-01 00:00:00"},{"id":2,"v":null,"name":"","t":null},{"id":3,"v":-0.0,"name":null,"t":"1969-12-31 23:59:59"}]`
	f.Fuzz(func(t *testing.T, w string) {
		o := Options{Left: arrowSide(t, fields, rows), Right: arrowSide(t, fields, rows), Key: key, Parallelism: 1, Memory: 16 << 20, TempDir: t.TempDir()}
		check := func(o Options) {
			res, err := Run(context.Background(), o)
			if err != nil && Hint(err) == "" {
				t.Errorf("%q: no hint: %v", w, err)
			}
			if err == nil && res.Verdict != Equal && res.Verdict != Inconclusive {
				t.Errorf("%q: %s", w, res.Verdict)
			}
		}
		if tol, err := ParseTolerance(w); err == nil {
			x := o
			x.Tolerances = []Tolerance{tol}
			check(x)
			return
		}
		x := o
		x.Where = w
		check(x)
		x = o
		x.Left, x.Right = arrowSide(t, fields, rows), arrowSide(t, fields, rows)
		x.Left.Watermark, x.Right.Watermark, x.Time, x.Since, x.Until = w, w, "t", w, w
		check(x)
	})
}

// TestArrowThatLies: with any four bytes of an Arrow stream or file replaced by large numbers or by none, it is compared or refused
// by name, in bounded memory; arrow-go alone would ask for what they claim.
func TestArrowThatLies(t *testing.T) {
	sc := arrow.NewSchema([]arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("l", arrow.ListOf(arrow.BinaryTypes.String)), col("n", arrow.Null),
		col("d", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}), col("t", arrow.FixedWidthTypes.Timestamp_us)}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, sc, strings.NewReader(`[{"id":1,"l":["a",null],"n":null,"d":"x","t":"2026-01-01"},{"id":null,"l":null,"n":null,"d":null,"t":null}]`))
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(f *os.File) (recordWriter, error){
		"stream": func(f *os.File) (recordWriter, error) { return ipc.NewWriter(f, ipc.WithSchema(sc)), nil },
		"compressed": func(f *os.File) (recordWriter, error) {
			return ipc.NewWriter(f, ipc.WithSchema(sc), ipc.WithZstd()), nil
		},
		"file": func(f *os.File) (recordWriter, error) { return ipc.NewFileWriter(f, ipc.WithSchema(sc)) },
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "x"))
		if err != nil {
			t.Fatal(err)
		}
		w, err := write(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(rec), w.Close()); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(f.Name())
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		run := func(b []byte) error {
			side := func() Input { return Input{Path: "-", Name: "the input", Reader: bytes.NewReader(b)} }
			_, err := Run(t.Context(), Options{Left: side(), Right: side(), NoKey: true, Memory: 16 << 20, Parallelism: 1, TempDir: t.TempDir()})
			return err
		}
		if err := run(whole); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		refused := 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		lies := []string{"\xff\xff\xff\x7f", "\x00\x00\x00\x10", "\x00\x00\x00\x00"}
		for i := range len(whole) / 4 * len(lies) {
			at, lie := i/len(lies)*4, lies[i%len(lies)]
			bad := append(append(append([]byte(nil), whole[:at]...), lie...), whole[at+4:]...)
			if err := run(bad); err != nil {
				refused++
				if !strings.Contains(err.Error(), "the input") && !strings.Contains(err.Error(), "column") {
					t.Errorf("%s at %d: no place: %v", name, at, err)
				}
			}
		}
		runtime.ReadMemStats(&after)
		runs := uint64(len(whole) / 4 * len(lies))
		if got := (after.TotalAlloc - before.TotalAlloc) / runs; got > 64<<20 {
			t.Errorf("%s: %d bytes a run", name, got)
		}
		if refused < int(runs)/20 {
			t.Errorf("%s: %d of %d lies were refused", name, refused, runs)
		}
	}
}

// recordWriter is a writer of either kind of Arrow data.
type recordWriter = interface {
	Write(arrow.Record) error
	Close() error
}
