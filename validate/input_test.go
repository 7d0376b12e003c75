package validate

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

const inputRows = "id,name,day\n1,a,2026-11-01\n2,,2026-11-01\n3,c,2026-11-02\n"

// TestEveryInputIsTheSame: the same rows in every form that a side may have are equal to each other.
func TestEveryInputIsTheSame(t *testing.T) {
	packed := func(pack func(w *bytes.Buffer) interface {
		Write([]byte) (int, error)
		Close() error
	}) string {
		var b bytes.Buffer
		w := pack(&b)
		if _, err := w.Write([]byte(inputRows)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	type closer = interface {
		Write([]byte) (int, error)
		Close() error
	}
	gz := packed(func(b *bytes.Buffer) closer { return gzip.NewWriter(b) })
	zst := packed(func(b *bytes.Buffer) closer { w, _ := zstd.NewWriter(b); return w })
	snappy := packed(func(b *bytes.Buffer) closer { return s2.NewWriter(b, s2.WriterSnappyCompat()) })

	schema := arrow.NewSchema([]arrow.Field{col("id", arrow.PrimitiveTypes.Int64), col("name", arrow.BinaryTypes.String), col("day", arrow.FixedWidthTypes.Date32)}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(`[{"id":1,"name":"a","day":"2026-11-01"},{"id":2,"name":null,"day":"2026-11-01"},{"id":3,"name":"c","day":"2026-11-02"}]`))
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	arrowFile, err := os.Create(filepath.Join(t.TempDir(), "x.arrow"))
	if err != nil {
		t.Fatal(err)
	}
	defer arrowFile.Close()
	fw, err := ipc.NewFileWriter(arrowFile, ipc.WithSchema(schema))
	if err != nil {
		t.Fatal(err)
	}
	sw := ipc.NewWriter(&stream, ipc.WithSchema(schema))
	for _, w := range []interface {
		Write(arrow.Record) error
		Close() error
	}{fw, sw} {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}

	hive := t.TempDir()
	objects := map[string]string{
		"out/day=2026-11-01/a.csv":    "id,name\n1,a\n2,\n",
		"out/day=2026-11-02/b.csv.gz": "",
		"out/_late/c.csv":             "id,name\n9,no data\n",
		"outside/d.csv":               "id,name\n8,no data\n",
	}
	var half bytes.Buffer
	gw := gzip.NewWriter(&half)
	fmt.Fprint(gw, "id,name\n3,c\n")
	gw.Close()
	objects["out/day=2026-11-02/b.csv.gz"] = half.String()
	for name, text := range objects {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(hive, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(hive, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := fakeS3(t, objects)
	sides := map[string]Input{
		"csv":     fileSide(t, "x.csv", inputRows),
		"gz":      fileSide(t, "x.csv.gz", gz),
		"zst":     fileSide(t, "x.csv.zst", zst),
		"snappy":  fileSide(t, "x.csv.snappy", snappy),
		"ndjson":  jsonSide(t, `{"id":1,"name":"a","day":"2026-11-01"}`, `{"id":2,"day":"2026-11-01"}`, `{"day":"2026-11-02","id":3,"name":"c"}`),
		"arrow":   {Path: arrowFile.Name()},
		"arrows":  fileSide(t, "x.arrows", stream.String()),
		"stdin":   {Path: "-", Reader: strings.NewReader(inputRows)},
		"hive":    {Path: filepath.Join(hive, "out")},
		"glob":    {Path: filepath.Join(hive, "out", "**", "*.csv*")},
		"s3":      {Path: "s3://bucket/out"},
		"s3 glob": {Path: "s3://bucket/out/*/*.csv*"},
	}
	typed := sides["arrow"]
	for _, name := range sortedNames(sides) {
		o := Options{Left: typed, Right: sides[name], Key: key, Env: env}
		if name == "glob" || name == "s3 glob" { // a glob takes what it matches, hidden or not
			o.Where = "id < 9"
		}
		res := judge(t, o)
		if res.Verdict != Equal || res.Rows.Equal != 3 {
			t.Errorf("%s: %s %+v %+v", name, res.Verdict, res.Rows, res.Schema)
		}
	}
	// Names, a column left out, a column of another name.
	res := judge(t, Options{Left: typed, Right: fileSide(t, "x.csv", strings.Replace(inputRows, "name,day", "title,extra", 1)), Key: key,
		Rename: map[string]string{"name": "title"}, Exclude: []string{"day", "extra"}})
	wantRows(t, res, Equal, Rows{Equal: 3})
	res = judge(t, Options{Left: typed, Right: csvSide(t, "id,name\n1,a\n2,\n3,c\n"), Key: key, Columns: []string{"name"}})
	wantRows(t, res, Equal, Rows{Equal: 3})
	refused(t, Options{Left: Input{Path: "s3://bucket/nothing/"}, Right: typed, Key: key, Env: env}, "s3://bucket/nothing", "no file matched")
}

// TestS3InTrouble reads objects of a server that refuses requests and breaks answers off, as S3 does when it has much to do.
// TestLargeBlocksOnStandardInput: what a stream holds is found in compressed blocks of any size.
func TestLargeBlocksOnStandardInput(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("id,v\n")
	rng := rand.New(rand.NewSource(1))
	for i := range 5000 {
		fmt.Fprintf(&rows, "%d,%d\n", i, rng.Int63())
	}
	var zst, snappy bytes.Buffer
	zw, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	sw := s2.NewWriter(&snappy, s2.WriterSnappyCompat())
	for _, w := range []io.WriteCloser{zw, sw} {
		if _, err := io.WriteString(w, rows.String()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []*bytes.Buffer{&zst, &snappy} {
		res := judge(t, Options{Left: csvSide(t, rows.String()), Right: Input{Path: "-", Reader: b}, Key: key})
		wantRows(t, res, Equal, Rows{Equal: 5000})
	}
}

func TestS3InTrouble(t *testing.T) {
	text := "id,name\n" + strings.Repeat("1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 5000)
	objects := map[string]string{"out/a.csv": text}
	var requests, refusedOnes, cut atomic.Int64
	env := s3Server(t, objects, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		switch n := requests.Add(1); {
		case n%3 != 0:
			refusedOnes.Add(1)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>")
			return nil
		case n%2 == 1 && r.Header.Get("Range") != "":
			cut.Add(1)
			return &brokenOff{w, 100_000}
		}
		return w
	})
	res := judge(t, Options{Left: Input{Path: "s3://bucket/out"}, Right: fileSide(t, "x.csv", text), NoKey: true, Env: env})
	wantRows(t, res, Equal, Rows{Equal: 5000})
	if refusedOnes.Load() < 4 || cut.Load() < 1 {
		t.Errorf("%d requests were refused and %d answers broken off: too few to show anything", refusedOnes.Load(), cut.Load())
	}
}

// brokenOff ends the connection after so many bytes.
type brokenOff struct {
	http.ResponseWriter
	left int
}

func (b *brokenOff) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return b.ResponseWriter.Write(p)
}

func sortedNames(m map[string]Input) (out []string) {
	for name := range m {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// fakeS3 serves one bucket: lists and reads of ranges.
func fakeS3(t *testing.T, objects map[string]string) map[string]string {
	t.Helper()
	return s3Server(t, objects, func(w http.ResponseWriter, _ *http.Request) http.ResponseWriter { return w })
}

// s3Server is fakeS3 behind a gate, which may answer itself (nil) or change how answers are written.
func s3Server(t *testing.T, objects map[string]string, gate func(http.ResponseWriter, *http.Request) http.ResponseWriter) map[string]string {
	t.Helper()
	type content struct {
		Key  string
		Size int
		ETag string
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w = gate(w, r); w == nil {
			return
		}
		name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/bucket"), "/")
		if name == "" {
			var list struct {
				XMLName     xml.Name `xml:"ListBucketResult"`
				IsTruncated bool
				Contents    []content
			}
			for k, text := range objects {
				if strings.HasPrefix(k, r.URL.Query().Get("prefix")) {
					list.Contents = append(list.Contents, content{k, len(text), `"` + k + `"`})
				}
			}
			_ = xml.NewEncoder(w).Encode(list)
			return
		}
		text, ok := objects[name]
		if !ok || r.Header.Get("If-Match") != `"`+name+`"` {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		w.Header().Set("ETag", `"`+name+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	t.Cleanup(s.Close)
	return map[string]string{"AWS_ENDPOINT_URL": s.URL, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
}

// TestFolderThatIsALink: `latest -> run-7` is the folder it leads to, as a side and above a glob.
func TestFolderThatIsALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "run-7", "day=1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run-7", "day=1", "a.csv"), []byte("id,v\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "latest")
	if err := os.Symlink("run-7", link); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{link, link + "/", link + "/*/a.csv"} {
		res := judge(t, Options{Left: Input{Path: path}, Right: csvSide(t, "id,v,day\n1,2,1\n"), Key: key})
		wantRows(t, res, Equal, Rows{Equal: 1})
		if got := res.Inputs[0].Files[0].Path; got != filepath.Join(link, "day=1", "a.csv") {
			t.Errorf("%s is called %s", path, got)
		}
	}
}

// TestManyRowsOfAKey: duplicates.parquet has every row of a key that has more than are held, with the cause that the
// summary gives them.
func TestManyRowsOfAKey(t *testing.T) {
	type row struct {
		ID *int64 `parquet:"id"`
		V  int64  `parquet:"v"`
	}
	var sides [2][]row
	want := map[string]int64{}
	add := func(side int, id *int64, v int64, cause string) {
		sides[side] = append(sides[side], row{id, v})
		name := "null"
		if id != nil {
			name = fmt.Sprint(*id)
		}
		want[fmt.Sprint([]string{"left", "right"}[side], " ", name, " ", v, " ", cause)]++
	}
	one, two, three, four := int64(1), int64(2), int64(3), int64(4)
	for i := range int64(100) {
		add(0, &one, 5, "duplicate")
		add(1, &one, 5, "duplicate")
		add(0, &two, 5, "conflicting_duplicate")
		add(0, &three, i, "conflicting_duplicate")
		add(1, &three, i/50, "conflicting_duplicate")
		add(0, &four, 5, "conflicting_duplicate")
		add(1, &four, 6+i/80, "conflicting_duplicate")
		add(0, nil, i, "unexplained")
		add(1, nil, 7, "unexplained")
	}
	add(1, &two, 6, "conflicting_duplicate")
	out := filepath.Join(t.TempDir(), "report")
	res := judge(t, Options{Left: parquetSide(t, sides[0]), Right: parquetSide(t, sides[1]), Key: key, Out: out})
	if res.Unexplained.Rows != 200 {
		t.Errorf("%+v", res.Unexplained)
	}
	type written struct {
		Side  string `parquet:"_side"`
		Cause string `parquet:"_cause"`
		ID    *int64 `parquet:"id"`
		V     *int64 `parquet:"v"`
	}
	rows, err := parquet.ReadFile[written](filepath.Join(out, "duplicates.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		name := "null"
		if r.ID != nil {
			name = fmt.Sprint(*r.ID)
		}
		want[fmt.Sprint(r.Side, " ", name, " ", *r.V, " ", r.Cause)]--
	}
	for row, n := range want {
		if n != 0 {
			t.Errorf("%s: %d rows too few", row, n)
		}
	}
}

// TestColumnsThatAreNotRead: a column of a type that is not read, or of two types in two files, is refused by name only
// where it is to be compared.
func TestColumnsThatAreNotRead(t *testing.T) {
	ids, _, err := array.FromJSON(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, strings.NewReader(`[1,2]`))
	if err != nil {
		t.Fatal(err)
	}
	codes, _, err := array.FromJSON(memory.DefaultAllocator, arrow.PrimitiveTypes.Int8, strings.NewReader(`[0,0]`))
	if err != nil {
		t.Fatal(err)
	}
	union, err := array.NewSparseUnionFromArrays(codes, []arrow.Array{ids})
	if err != nil {
		t.Fatal(err)
	}
	odd := func() Input {
		return recordSide(t, array.NewRecord(arrow.NewSchema([]arrow.Field{col("id", ids.DataType()), col("v", union.DataType())}, nil), []arrow.Array{ids, union}, 2))
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"a.ndjson": `{"id":1,"v":1}`, "b.ndjson": `{"id":2,"v":"t"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mixed := func() Input { return Input{Path: dir} }
	right := func() Input { return jsonSide(t, `{"id":1,"v":1}`, `{"id":2,"v":2}`) }
	for name, left := range map[string]func() Input{"type": odd, "files": mixed} {
		err := refused(t, Options{Left: left(), Right: right(), Key: key}, `"v"`)
		if u := (*UncomparableError)(nil); !errors.As(err, &u) {
			t.Errorf("%s: %v", name, err)
		}
		refused(t, Options{Left: left(), Right: right(), Key: []string{"v"}}, `"v"`)
		refused(t, Options{Left: left(), Right: right(), Key: key, Exclude: []string{"v"}, Where: "v IS NULL"}, `"v"`)
		wantRows(t, judge(t, Options{Left: left(), Right: right(), Key: key, Exclude: []string{"v"}}), Equal, Rows{Equal: 2})
		if res := judge(t, Options{Left: right(), Right: left(), Key: key, AllowUncomparable: true}); res.Verdict != Different || len(res.Uncomparable) != 1 {
			t.Errorf("%s: %s, %+v", name, res.Verdict, res.Uncomparable)
		}
	}
	tol, err := ParseTolerance("v=as:text")
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, judge(t, Options{Left: mixed(), Right: right(), Key: key, Tolerances: []Tolerance{tol}}), Different, Rows{Within: 1, Changed: 1})
	refused(t, Options{Left: odd(), Right: right(), Key: key, Tolerances: []Tolerance{tol}}, `"v"`, "not supported")
}
