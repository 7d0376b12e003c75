package parquet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/schema"
)

// readAll reads a file as its footer describes it and reports the number of rows.
func readAll(b []byte) (int64, error) {
	f, err := Open(bytes.NewReader(b), int64(len(b)), "dir/x.parquet")
	if err != nil {
		return 0, err
	}
	fields, err := f.Fields()
	if err != nil {
		return 0, err
	}
	rd, err := f.Reader(fields, ReadOptions{})
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for g := range f.RowGroups() {
		rows, err := rd.RowGroup(g)
		if err != nil {
			return n, err
		}
		for {
			rec, err := rows.Next(100)
			if err == io.EOF {
				break
			}
			if err != nil {
				return n, err
			}
			n += rec.NumRows()
		}
	}
	return n, nil
}

func TestDamagedFilesAreRefused(t *testing.T) {
	good := readTestdata(t, "pyarrow-zstd.parquet")
	if n, err := readAll(good); n != 7 || err != nil {
		t.Fatal(n, err)
	}
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":      {nil, "0 bytes are no Parquet file"},
		"short":      {good[:11], "11 bytes are no Parquet file"},
		"cut":        {good[:len(good)-20], "the Parquet file is cut"},
		"csv":        {[]byte("a,b,c\n1,2,3\n4,5,6\n"), `it begins with "a,b,"`},
		"encrypted":  {change(func(b []byte) []byte { copy(b, "PARE"); return b }), "encrypted"},
		"footer":     {change(func(b []byte) []byte { b[len(b)-5] = 0x7f; return b }), "the footer says"},
		"no footer":  {change(func(b []byte) []byte { clear(b[len(b)-2000 : len(b)-8]); return b }), "dir/x.parquet"},
		"broken":     {change(func(b []byte) []byte { b[60] ^= 1; return b }), "row group 0"},
		"only magic": {[]byte("PAR1\x00\x00\x00\x00PAR1"), "dir/x.parquet"},
	} {
		_, err := readAll(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "dir/x.parquet") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readAll([]byte("a,b,c\n1,2,3\n4,5,6\n")); schema.Hint(err) == "" {
		t.Error("no hint")
	}
}

// The checksum of every page is verified: no single flipped bit in a page of ours gives other values.
func TestFlippedBitsAreFoundOrHarmless(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	fields := []schema.Field{{Name: "a", Type: schema.Type{Kind: schema.BigInt}}, {Name: "s", Type: schema.Type{Kind: schema.String}},
		{Name: "l", Type: schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}}}
	rec := randomRecord(r, fields, 500)
	good := write(t, fields, WriteOptions{RowGroupRows: 300}, rec)
	f := openBytes(t, good, "good")
	want := text(columns(t, f, fields, ReadOptions{}, 1000))
	found := 0
	from, n := chunkRange(&f.file.Metadata().RowGroups[1].Columns[2])
	pages := int(from + n)
	for range 600 {
		b := bytes.Clone(good)
		i := 4 + r.IntN(pages-4)
		b[i] ^= 1 << r.IntN(8)
		f, err := Open(bytes.NewReader(b), int64(len(b)), "x")
		if err != nil {
			t.Fatal(err)
		}
		got, err := tryColumns(f, fields, ReadOptions{}, 1000)
		if err != nil {
			found++
		} else if text(got) != want {
			t.Fatalf("bit flipped at %d of %d: other values and no error", i, len(b))
		}
	}
	if found < 500 {
		t.Errorf("only %d of 600 were found", found)
	}
}

type failing struct {
	left int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

var errDisk = errors.New("no space left on device")

func TestAWriterThatFailedStaysFailed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	fields := []schema.Field{{Name: "a", Type: schema.Type{Kind: schema.BigInt}}}
	rec := randomRecord(r, fields, 5000)
	w, err := NewWriter(&failing{left: 100}, fields, WriteOptions{RowGroupRows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rec); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, errDisk) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.parquet")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 5 {
		fields := []schema.Field{{Name: "x", Type: randomType(r, 3)}, {Name: "y", Type: randomType(r, 0)}}
		f.Add(write(f, fields, WriteOptions{RowGroupRows: 10}, randomRecord(r, fields, 30)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		// No panic, no endless loop, and no more rows than the file can hold with its longest run lengths.
		if _, err := readAll(b); err != nil && !strings.Contains(err.Error(), "dir/x.parquet") {
			t.Errorf("the error does not name the file: %v", err)
		}
	})
}

// Files damaged at random are refused or read, without a panic and without taking memory for what they claim.
func TestRandomDamage(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.parquet")
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for range 1 + r.IntN(4) {
				// The footer is where the claims are.
				i := len(b) - 9 - r.IntN(min(len(b)-13, 1+r.IntN(len(b)-13)))
				b[i] = byte(r.Uint32())
			}
			if _, err := readAll(b); err != nil && !strings.Contains(err.Error(), "dir/x.parquet") {
				t.Errorf("seed %d, %s: the error does not name the file: %v", seed, name, err)
			}
		}
	}
}

// Counts in the footer that are not those of the pages are found, whichever way they lie.
func TestLyingCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	fields := []schema.Field{{Name: "a", Type: schema.Type{Kind: schema.BigInt}}, {Name: "l", Type: schema.Type{Kind: schema.Array, Elem: &schema.Type{Kind: schema.Int}}}}
	for c := range fields {
		for _, rows := range []int64{-5, -1, 1, 1 << 40} {
			for _, values := range []bool{false, true} {
				var buf bytes.Buffer
				w, err := NewWriter(&buf, fields[c:c+1], WriteOptions{})
				if err == nil {
					err = w.Write(randomRecord(r, fields[c:c+1], 200))
				}
				if err == nil {
					err = w.flush()
				}
				if err != nil {
					t.Fatal(err)
				}
				w.groups[0].NumRows += rows
				if values {
					w.groups[0].Columns[0].MetaData.NumValues += rows
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				_, err = readAll(buf.Bytes())
				if err == nil || !strings.Contains(err.Error(), "dir/x.parquet: row group 0: column "+fields[c].Name) {
					t.Errorf("%s, %+d rows, values %v: %v", fields[c].Name, rows, values, err)
				}
			}
		}
	}
}
