package lake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/parquet"
)

// randomRows are a day's rows over partitions, out of order by up to disorder; some have no time.
func randomRows(r *rand.Rand, n, partitions int) []row {
	rows := make([]row, n)
	next := make([]int64, partitions)
	for i := range rows {
		p := r.IntN(partitions)
		// Offsets have gaps, as compaction and transactions leave them.
		next[p] += 1 + r.Int64N(2)*r.Int64N(3)
		rows[i] = row{id: int64(i), time: int64(i)*1000 + r.Int64N(50_000) - 60_000, partition: int64(p), offset: next[p]}
		if r.IntN(40) == 0 {
			rows[i].time = replay.NoTime
		}
	}
	return rows
}

// layOut writes rows as files in one of many ways.
func layOut(t *testing.T, r *rand.Rand, s testStore, dir string, rows []row) {
	rows = slices.Clone(rows)
	switch r.IntN(4) {
	case 0:
		// By partition, as a sink task a partition writes them.
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.partition, b.partition) })
	case 1:
		// By time, as a table format compacts them.
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.time, b.time) })
	case 2:
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	for n := 0; len(rows) > 0; n++ {
		k := min(len(rows), 1+r.IntN(400))
		// Names do not tell the order.
		name := fmt.Sprintf("%s/h=%d/f%03d.parquet", dir, r.IntN(3), r.IntN(1000)*7+n)
		s.put(t, name, fileBytes(t, rows[:k], true, 1+r.IntN(150)))
		rows = rows[k:]
	}
}

func sortedByID(rows []row) []row {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.id, b.id) })
	return rows
}

func testBatch(t *testing.T, s testStore) {
	for seed := range s.seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			rows := randomRows(r, 1+r.IntN(2000), 1+r.IntN(4))
			dir := s.place(t)
			layOut(t, r, s, dir, rows)
			opts := SourceOptions{Place: dir, Env: s.env, Time: "at", Parallelism: 1 + r.IntN(4), BlockRows: 1 + r.IntN(200)}
			blocks := drain(t, open(t, opts))
			var got []row
			ended := 0
			floor := int64(replay.NoTime)
			for _, b := range blocks {
				rows := rowsOf(t, b)
				got = append(got, rows...)
				if b.Ended {
					ended++
				}
				// What follows a floor is later than every floor so far.
				for _, x := range rows {
					if x.time != replay.NoTime && x.time < floor {
						t.Fatalf("seed %d: a row of %d follows the floor %d", seed, x.time, floor)
					}
				}
				floor = max(floor, b.Floor)
			}
			if last := blocks[len(blocks)-1]; ended != 1 || !last.Ended || last.Floor != replay.EndOfTime {
				t.Errorf("the end is %+v", last)
			}
			if !reflect.DeepEqual(sortedByID(got), rows) {
				t.Fatalf("seed %d: %d rows, want %d", seed, len(got), len(rows))
			}
			// A second run goes on where a block of the first ended.
			cut := r.IntN(len(blocks))
			rest := open(t, opts)
			if err := rest.Seek(map[string]int64{rest.Lanes()[0].Name: blocks[cut].Next}); err != nil {
				t.Fatal(err)
			}
			var again, want []row
			for _, b := range drain(t, rest) {
				again = append(again, rowsOf(t, b)...)
			}
			for _, b := range blocks[cut+1:] {
				want = append(want, rowsOf(t, b)...)
			}
			if !reflect.DeepEqual(again, want) {
				t.Errorf("seed %d: %d rows behind block %d, want %d", seed, len(again), cut, len(want))
			}
		})
	}
}

func TestTheFloorRisesBeforeTheEnd(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(1, 1)), 5000, 1)
	dir := t.TempDir()
	for i := 0; i < len(rows); i += 1000 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", i)), fileBytes(t, rows[i:i+1000], false, 200))
	}
	for i, b := range drain(t, open(t, SourceOptions{Place: dir, Time: "at"})) {
		// At most the disorder behind.
		if want := int64(i+1)*200*1000 - 60_000; !b.Ended && b.Floor < want-60_000 {
			t.Errorf("behind block %d the floor is %d, the next row is at %d", i, b.Floor, want)
		}
	}
}

func testStream(t *testing.T, s testStore) {
	for seed := range s.seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			rows := randomRows(r, 1+r.IntN(2000), 1+r.IntN(5))
			dir := s.place(t)
			layOut(t, r, s, dir, rows)
			opts := SourceOptions{Place: dir, Env: s.env, Time: "at", Mode: Stream, Parallelism: 1 + r.IntN(4), BlockRows: 1 + r.IntN(200)}
			src := open(t, opts)
			lanes := src.Lanes()
			truth := map[int64][]row{}
			for _, x := range rows {
				truth[x.partition] = append(truth[x.partition], x)
			}
			if len(lanes) != len(truth) {
				t.Fatalf("%d lanes, want %d", len(lanes), len(truth))
			}
			blocks := drain(t, src)
			got := map[int64][]row{}
			newest := make([]int64, len(lanes))
			ended := make([]bool, len(lanes))
			for i := range newest {
				newest[i] = replay.NoTime
			}
			for _, b := range blocks {
				p := int64(lanes[b.Lane].Partition)
				if b.Floor != replay.NoTime {
					t.Fatal("a stream promised a floor")
				}
				if b.Ended {
					ended[b.Lane] = true
				}
				if b.Record == nil {
					continue
				}
				for lane, n := range newest {
					if !ended[lane] && n < newest[b.Lane] {
						t.Fatalf("seed %d: a block of lane %d at %d, but lane %d is at %d", seed, b.Lane, newest[b.Lane], lane, n)
					}
				}
				for _, x := range rowsOf(t, b) {
					x.partition = p
					got[p] = append(got[p], x)
					newest[b.Lane] = max(newest[b.Lane], x.time)
				}
				if b.Next != b.Offsets[len(b.Offsets)-1]+1 {
					t.Errorf("next is %d behind offset %d", b.Next, b.Offsets[len(b.Offsets)-1])
				}
			}
			if !reflect.DeepEqual(got, truth) {
				t.Fatalf("seed %d: other rows or another order", seed)
			}
			if slices.Contains(ended, false) {
				t.Errorf("ended: %v", ended)
			}
			// Going on from where each lane was.
			at := map[string]int64{}
			want := map[int64][]row{}
			for p, x := range truth {
				k := r.IntN(len(x) + 1)
				if k > 0 {
					at[fmt.Sprint(p)] = x[k-1].offset + 1
				}
				if k < len(x) {
					want[p] = x[k:]
				}
			}
			rest := open(t, opts)
			if err := rest.Seek(at); err != nil {
				t.Fatal(err)
			}
			again := map[int64][]row{}
			for _, b := range drain(t, rest) {
				for _, x := range rowsOf(t, b) {
					x.partition = int64(lanes[b.Lane].Partition)
					again[x.partition] = append(again[x.partition], x)
				}
			}
			if !reflect.DeepEqual(again, want) {
				t.Errorf("seed %d: other rows after Seek(%v)", seed, at)
			}
		})
	}
}

// A lake grows while a run stands still. A batch that goes on counts the rows behind it, which would be others.
func TestABatchGoesOnOverItsOwnFilesAlone(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/b.parquet", fileBytes(t, rowSpan(100, 200), false, 10))
	writeFile(t, dir+"/c.parquet", fileBytes(t, rowSpan(200, 300), false, 10))
	opts := SourceOptions{Place: dir, Time: "at", BlockRows: 10}
	src := open(t, opts)
	lane := src.Lanes()[0].Name
	var last replay.Block
	for range 15 {
		last = must[replay.Block](t)(src.Next(t.Context()))
	}
	at := map[string]int64{lane: last.Next}
	again := open(t, opts)
	if err := again.Seek(at); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, b := range drain(t, again) {
		rows += len(rowsOf(t, b))
	}
	if rows != 50 {
		t.Errorf("%d rows are behind 150 of 200", rows)
	}
	until := int64(250_000)
	for name, other := range map[string]SourceOptions{
		"between other bounds": {Place: dir, Time: "at", Until: &until},
		"of fewer files":       {Place: dir + "/c.parquet", Time: "at"},
		"with a file more":     opts,
	} {
		if name == "with a file more" {
			writeFile(t, dir+"/a.parquet", fileBytes(t, rowSpan(0, 100), false, 10))
		}
		if err := open(t, other).Seek(at); err == nil || schema.Hint(err) == "" {
			t.Errorf("it goes on in a lake %s: %v", name, err)
		}
		_ = os.Remove(dir + "/a.parquet")
	}
}

func TestStreamOfFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	rows := randomRows(r, 900, 1)
	dir := t.TempDir()
	for i := range 3 {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", i)), fileBytes(t, rows[i*300:(i+1)*300], false, 70))
	}
	_, err := NewSource(context.Background(), SourceOptions{Place: dir, Time: "at", Mode: Stream})
	if err == nil || !strings.Contains(schema.Hint(err), "lanes: file") {
		t.Fatal(err)
	}
	until := rows[700].time
	src := open(t, SourceOptions{Place: dir, Time: "at", Mode: Stream, LaneByFile: true, BlockRows: 50, Until: &until})
	if l := src.Lanes(); len(l) != 3 || l[1].Partition != -1 || !strings.HasSuffix(l[1].Name, "/1.parquet") {
		t.Fatal(l)
	}
	n := 0
	for _, b := range drain(t, src) {
		for _, x := range rowsOf(t, b) {
			n++
			if x.time >= until || x.id != int64(b.Lane*300)+x.offset {
				t.Errorf("row %+v of lane %d", x, b.Lane)
			}
		}
	}
	want := 0
	for _, x := range rows {
		if x.time != replay.NoTime && x.time < until {
			want++
		}
	}
	if n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
}

func TestDuplicatePositionsAreNamed(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(1, 4)), 300, 2)
	for name, second := range map[string][]row{"a copied file": rows[:100], "within a file": append(slices.Clone(rows[100:]), rows[150])} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "a.parquet"), fileBytes(t, rows[:100], true, 1000))
		writeFile(t, filepath.Join(dir, "b.parquet"), fileBytes(t, second, true, 1000))
		src, err := NewSource(context.Background(), SourceOptions{Place: dir, Time: "at", Mode: Stream})
		for err == nil {
			_, err = src.Next(context.Background())
		}
		if !strings.Contains(err.Error(), "more than once") || !strings.Contains(err.Error(), "partition ") || schema.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testBounds(t *testing.T, s testStore) {
	r := rand.New(rand.NewPCG(9, 9))
	rows := randomRows(r, 3000, 2)
	dir := s.place(t)
	layOut(t, r, s, dir, rows)
	for _, bounds := range [][2]int64{{500_000, 1_500_000}, {rows[10].time, rows[10].time + 1}, {-1 << 40, 0}, {1 << 40, 1 << 41}} {
		var want []row
		for _, x := range rows {
			if x.time != replay.NoTime && x.time >= bounds[0] && x.time < bounds[1] {
				want = append(want, x)
			}
		}
		for _, mode := range []Mode{Batch, Stream} {
			var got []row
			src := open(t, SourceOptions{Place: dir, Env: s.env, Time: "at", Mode: mode, Since: &bounds[0], Until: &bounds[1], BlockRows: 64})
			for _, b := range drain(t, src) {
				for _, x := range rowsOf(t, b) {
					if mode == Stream {
						x.partition = int64(src.Lanes()[b.Lane].Partition)
					}
					got = append(got, x)
				}
			}
			if got = sortedByID(got); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Errorf("%v mode %d: %d rows, want %d", bounds, mode, len(got), len(want))
			}
		}
	}
}

func TestColumnsAndHivePartitions(t *testing.T) {
	dir := t.TempDir()
	rows := randomRows(rand.New(rand.NewPCG(2, 2)), 20, 1)
	writeFile(t, filepath.Join(dir, "month=01", "city=a%20b", "x.parquet"), fileBytes(t, rows[:10], true, 100))
	writeFile(t, filepath.Join(dir, "month=02", "city=__HIVE_DEFAULT_PARTITION__", "x.parquet"), fileBytes(t, rows[10:], true, 100))
	src := open(t, SourceOptions{Place: dir})
	if g := names(src.Fields()); g != "id, at, tag, list, month, city" {
		t.Fatal(g)
	}
	b := drain(t, src)
	if g := b[0].Record.Column(4).ValueStr(3) + "|" + b[0].Record.Column(5).ValueStr(3); g != "01|a b" {
		t.Error(g)
	}
	if c := b[1].Record.Column(5); c.NullN() != 10 || b[1].Offsets[0] != rows[10].offset {
		t.Error(c)
	}
	fields := []schema.Field{{Name: "month", Type: schema.Type{Kind: schema.BigInt}}, {Name: "id", Type: schema.Type{Kind: schema.BigInt}}, {Name: "_offset", Type: schema.Type{Kind: schema.BigInt}}}
	src = open(t, SourceOptions{Place: dir + "/month=*/", Fields: fields, Columns: []string{"_offset", "month"}})
	rec := drain(t, src)[1].Record
	if rec.NumCols() != 2 || rec.Column(1).ValueStr(0) != "2" || rec.Column(0).ValueStr(0) != fmt.Sprint(rows[10].offset) {
		t.Error(rec)
	}
	fields[0].Type.Kind = schema.Date
	if _, err := NewSource(context.Background(), SourceOptions{Place: dir, Fields: fields}); err == nil || !strings.Contains(err.Error(), "month=01 is no DATE") {
		t.Error(err)
	}
}

func TestAColumnThatAFileLacks(t *testing.T) {
	dir := t.TempDir()
	rows := randomRows(rand.New(rand.NewPCG(2, 2)), 20, 1)
	writeFile(t, filepath.Join(dir, "a.parquet"), fileBytes(t, rows[:10], false, 100))
	writeFile(t, filepath.Join(dir, "b.parquet"), fileBytes(t, rows[10:], true, 100))
	offset := schema.Field{Name: "_offset", Type: schema.Type{Kind: schema.BigInt}}
	opts := SourceOptions{Place: dir, Fields: append([]schema.Field{offset}, rowFields...), Time: "at", Columns: []string{"_offset", "tag"}, KeepDictionary: true}
	if _, err := NewSource(context.Background(), opts); err == nil || !strings.Contains(err.Error(), "a.parquet: column _offset: the file has no such column") {
		t.Error(err)
	}
	opts.AbsentAsNull = true
	nulls, others := 0, 0
	for _, b := range drain(t, open(t, opts)) {
		if b.Record == nil {
			continue
		}
		nulls += b.Record.Column(0).NullN()
		others += int(b.Record.NumRows()) - b.Record.Column(0).NullN()
	}
	if nulls != 10 || others != 10 {
		t.Error(nulls, others)
	}
	// Without the event time a row is none.
	opts.Fields, opts.Time = append(opts.Fields, schema.Field{Name: "then", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}}), "then"
	if _, err := NewSource(context.Background(), opts); err == nil || !strings.Contains(err.Error(), "the file has no such column") {
		t.Error(err)
	}
}

// testReplaced replaces a file behind the source's back by one of the same size.
func testReplaced(t *testing.T, s testStore) {
	name := s.place(t) + "/a.parquet"
	data := fileBytes(t, randomRows(rand.New(rand.NewPCG(1, 1)), 3000, 1), true, 100)
	s.put(t, name, data)
	src := open(t, SourceOptions{Place: name, Env: s.env, Time: "at"})
	data = slices.Clone(data)
	data[len(data)/2] ^= 1
	s.put(t, name, data)
	var err error
	for err == nil {
		_, err = src.Next(context.Background())
	}
	if !strings.Contains(err.Error(), "a.parquet: the file was changed during the run") || schema.Hint(err) == "" {
		t.Error(err)
	}
}

func TestAFileThatChangesIsAnError(t *testing.T) {
	for _, change := range []func(name string, data []byte) error{
		func(name string, data []byte) error { return os.Chtimes(name, time.Time{}, time.Unix(1, 0)) },
		func(name string, data []byte) error { return os.Remove(name) },
		func(name string, data []byte) error { return os.WriteFile(name, data[:len(data)/2], 0o666) },
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, "a.parquet")
		data := fileBytes(t, randomRows(rand.New(rand.NewPCG(1, 1)), 3000, 1), true, 100)
		writeFile(t, name, data)
		src := open(t, SourceOptions{Place: dir, Time: "at"})
		if err := change(name, data); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			_, err = src.Next(context.Background())
		}
		if !strings.Contains(err.Error(), "a.parquet: the file was changed during the run") || schema.Hint(err) == "" {
			t.Error(err)
		}
	}
}

func TestSourceErrors(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ok", "a.parquet"), fileBytes(t, randomRows(rand.New(rand.NewPCG(1, 1)), 10, 1), true, 100))
	writeFile(t, filepath.Join(dir, "text", "b.parquet"), []byte("this is no parquet file at all"))
	writeFile(t, filepath.Join(dir, "empty", "_x.parquet"), nil)
	whole, _ := os.ReadFile(filepath.Join(dir, "ok", "a.parquet"))
	writeFile(t, filepath.Join(dir, "cut", "c.parquet"), whole[:len(whole)-9])
	writeFile(t, filepath.Join(dir, "two", "a.parquet"), emptyFile(t, schema.Field{Name: "n", Type: schema.Type{Kind: schema.BigInt}}))
	writeFile(t, filepath.Join(dir, "two", "b.parquet"), emptyFile(t, schema.Field{Name: "n", Type: schema.Type{Kind: schema.String}}))
	other := []schema.Field{{Name: "nope", Type: schema.Type{Kind: schema.Int}}}
	for _, c := range []struct {
		opts SourceOptions
		want string
	}{
		{SourceOptions{Place: dir + "/none"}, "there is no such file or folder"},
		{SourceOptions{Place: dir + "/none/*.parquet"}, "there is no folder"},
		{SourceOptions{Place: dir + "/ok/*.csv"}, "no file matches"},
		{SourceOptions{Place: dir + "/empty"}, "no data file in the folder (1 other files)"},
		{SourceOptions{Place: dir + "/text"}, "b.parquet: not a Parquet file"},
		{SourceOptions{Place: dir + "/cut/*"}, "c.parquet: the Parquet file is cut"},
		{SourceOptions{Place: dir + "/ok", Fields: other}, "column nope: the file has no such column"},
		{SourceOptions{Place: dir + "/ok", Time: "when"}, "there is no time column when; there are id, at"},
		{SourceOptions{Place: dir + "/ok", Time: "id"}, "the time column id is BIGINT"},
		{SourceOptions{Place: dir + "/two"}, "b.parquet: column n: the file has STRING, which is not safely read as BIGINT; the columns are those of " + dir + "/two/a.parquet"},
		{SourceOptions{Place: "ftp://x/y"}, "ftp:// is not known"},
		{SourceOptions{Place: "s3:///y"}, "no bucket"},
	} {
		_, err := NewSource(context.Background(), c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) || schema.Hint(err) == "" {
			t.Errorf("%s: %v (%s)", c.opts.Place, err, schema.Hint(err))
		}
	}
}

func TestCloseWhileReadingAhead(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.parquet"), fileBytes(t, randomRows(rand.New(rand.NewPCG(1, 1)), 20000, 3), true, 500))
	for _, mode := range []Mode{Batch, Stream} {
		src := open(t, SourceOptions{Place: dir, Time: "at", Mode: mode, BlockRows: 10})
		if _, err := src.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := open(t, SourceOptions{Place: dir, Time: "at"}).Next(ctx); err != context.Canceled && err != nil {
		t.Error(err)
	}
}

// TestOneDictionaryForAllFiles reads text of few and of many words out of files that number their words differently.
func TestOneDictionaryForAllFiles(t *testing.T) {
	dir := t.TempDir()
	fields := []schema.Field{{Name: "few", Type: schema.Type{Kind: schema.String}}, {Name: "many", Type: schema.Type{Kind: schema.String}}}
	for f := range 3 {
		few, many := array.NewStringBuilder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
		for i := range 4 * coderWords {
			if i%7 == f {
				few.AppendNull()
			} else {
				few.Append(fmt.Sprint("word", (i*(f+1))%(5+f)))
			}
			many.Append(fmt.Sprint("name", f, "-", i%(coderWords*2/5)))
		}
		var out bytes.Buffer
		w, err := parquet.NewWriter(&out, fields, parquet.WriteOptions{RowGroupRows: coderWords})
		if err != nil {
			t.Fatal(err)
		}
		rec := array.NewRecord(schema.ArrowSchema(fields), []arrow.Array{few.NewArray(), many.NewArray()}, 4*coderWords)
		if err := errors.Join(w.Write(rec), w.Close(), os.WriteFile(filepath.Join(dir, fmt.Sprint(f, ".parquet")), out.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(keep bool) []arrow.Record {
		records, _, err := ReadTable(context.Background(), dir, nil, TableOptions{KeepDictionary: keep, Parallelism: 2})
		if err != nil {
			t.Fatal(err)
		}
		return records
	}
	plain, coded := read(false), read(true)
	kept := 0
	for c := range fields {
		parts := func(records []arrow.Record) arrow.Array {
			var out []arrow.Array
			for _, r := range records {
				out = append(out, r.Column(c))
				if r.Column(c).DataType().ID() == arrow.DICTIONARY {
					kept++
				}
			}
			a, err := state.Concatenate(out)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		want, got := parts(plain), parts(coded)
		if is := got.DataType().ID() == arrow.DICTIONARY; is != (c == 0) {
			t.Errorf("column %s of all files is %s", fields[c].Name, got.DataType())
		}
		text, err := state.Plain(got)
		if err != nil || !array.Equal(text, want) {
			t.Errorf("column %s is not the same with a dictionary (%v)", fields[c].Name, err)
		}
	}
	if kept <= len(coded) {
		t.Errorf("of %d blocks, %d columns have a dictionary: none of many words was kept", len(coded), kept)
	}
}
