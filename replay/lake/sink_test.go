package lake

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

func randomNumbers(r *rand.Rand, n int) arrow.Record {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for range n {
		b.Append(r.Int64())
	}
	return array.NewRecord(schema.ArrowSchema([]schema.Field{{Name: "b", Type: schema.Type{Kind: schema.BigInt}}}), []arrow.Array{b.NewArray()}, int64(n))
}

// ids are the rows that a reader of the place sees.
func ids(t *testing.T, place string, env map[string]string) []int64 {
	t.Helper()
	src, err := NewSource(context.Background(), SourceOptions{Place: place, Env: env})
	if err != nil {
		return nil
	}
	defer src.Close()
	var out []int64
	for _, b := range drain(t, src) {
		for _, r := range rowsOf(t, b) {
			out = append(out, r.id)
		}
	}
	slices.Sort(out)
	return out
}

func span(from, to int64) []int64 {
	var out []int64
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

func rowSpan(from, to int64) []row {
	var out []row
	for _, i := range span(from, to) {
		out = append(out, row{id: i, time: i * 1000})
	}
	return out
}

func put(t *testing.T, w replay.Writer, rows []row) {
	t.Helper()
	rec, _ := record(rows, false)
	times := make([]int64, len(rows))
	for i, r := range rows {
		times[i] = r.time
	}
	if err := w.Write(context.Background(), rec, times); err != nil {
		t.Fatal(err)
	}
}

func newSink(t *testing.T, place string, opts SinkOptions) *Sink {
	t.Helper()
	s, err := NewSink(context.Background(), place, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openWriter(t *testing.T, s *Sink, output string) replay.Writer {
	t.Helper()
	w, err := s.Open(context.Background(), output, rowFields)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func testSink(t *testing.T, st testStore) {
	place, env := st.place(t)+"/deep/out", st.env
	ctx := context.Background()
	sealed := must[[]byte](t)
	expect := func(when string, visible, staged int, rows []int64) {
		t.Helper()
		if v, s := st.count(t, place); v != visible || s != staged {
			t.Errorf("%s: %d visible and %d staged files, want %d and %d", when, v, s, visible, staged)
		}
		if got := ids(t, place+"/rows", env); !reflect.DeepEqual(got, rows) {
			t.Errorf("%s: a reader sees %d rows, want %d", when, len(got), len(rows))
		}
	}
	s := newSink(t, place, SinkOptions{Env: env, Plan: "plan-1", FileRows: 40})
	a, b, late := openWriter(t, s, "rows"), openWriter(t, s, "rows"), openWriter(t, s, "_late/in")
	openWriter(t, s, "nothing")
	put(t, a, rowSpan(0, 50))
	put(t, a, rowSpan(50, 60))
	put(t, b, rowSpan(60, 100))
	put(t, late, rowSpan(0, 3))
	expect("written", 0, 4, nil)
	s.SetInputs(json.RawMessage(`{"in":{"0":17}}`))
	s.Cut()
	first := sealed(s.Seal(ctx, 1))
	expect("sealed", 0, 4, nil)
	put(t, a, rowSpan(100, 110))
	for range 2 {
		if err := s.Publish(ctx, 1, first); err != nil {
			t.Fatal(err)
		}
		expect("published", 4, 1, span(0, 100))
	}
	s.Cut()
	second := sealed(s.Seal(ctx, 2))
	// The process dies here, and one that took the checkpoint of epoch 2 goes on.
	s = newSink(t, place, SinkOptions{Env: env, Resume: true, Plan: "plan-1"})
	if err := s.Publish(ctx, 2, second); err != nil {
		t.Fatal(err)
	}
	expect("published after a crash", 5, 0, span(0, 110))
	a = openWriter(t, s, "rows")
	put(t, a, rowSpan(500, 600))
	// It dies again, before its epoch is sealed: what it wrote is removed by the next.
	expect("written again", 5, 1, span(0, 110))
	s = newSink(t, place, SinkOptions{Env: env, Resume: true, Plan: "plan-1"})
	if err := s.Publish(ctx, 2, second); err != nil {
		t.Fatal(err)
	}
	a = openWriter(t, s, "rows")
	openWriter(t, s, "nothing")
	expect("swept", 5, 0, span(0, 110))
	put(t, a, rowSpan(110, 120))
	s.Cut()
	if err := s.Publish(ctx, 3, sealed(s.Seal(ctx, 3))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Finish(ctx); err != nil {
			t.Fatal(err)
		}
		expect("finished", 7, 0, span(0, 120))
	}
	put(t, a, rowSpan(700, 800))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expect("closed", 7, 0, span(0, 120))
	src := open(t, SourceOptions{Place: place + "/nothing", Env: env})
	if g := names(src.Fields()); g != names(rowFields) || src.Rows() != 0 {
		t.Errorf("the empty output has %s and %d rows", g, src.Rows())
	}

	m := s.Manifest()
	var paths []string
	rows := int64(0)
	for _, f := range m.Files {
		paths = append(paths, f.Path)
		rows += f.Rows
		if f.Token != "" || f.Bytes == 0 {
			t.Errorf("%+v", f)
		}
	}
	if g := strings.Join(paths, " "); g != "_late/in/part-00000.parquet nothing/part-00000.parquet rows/part-00000.parquet rows/part-00001.parquet rows/part-00002.parquet rows/part-00003.parquet rows/part-00004.parquet" {
		t.Error(g)
	}
	if m.Epoch != 3 || m.Plan != "plan-1" || rows != 123 || string(compact(m.Inputs)) != `{"in":{"0":17}}` || *m.Files[2].MinTime != 0 || *m.Files[2].MaxTime != 49_000 {
		t.Errorf("%+v", m)
	}

	// What is there is not written over without being told.
	if _, err := NewSink(ctx, place, SinkOptions{Env: env}); err == nil || !strings.Contains(schema.Hint(err), "--resume") {
		t.Errorf("%v", err)
	}
	s = newSink(t, place, SinkOptions{Env: env, Replace: true})
	a = openWriter(t, s, "rows")
	put(t, a, rowSpan(0, 5))
	expect("being replaced", 7, 1, span(0, 120))
	s.Cut()
	replaced := sealed(s.Seal(ctx, 1))
	s = newSink(t, place, SinkOptions{Env: env, Resume: true})
	for range 2 {
		if err := s.Publish(ctx, 1, replaced); err != nil {
			t.Fatal(err)
		}
		expect("replaced", 1, 0, span(0, 5))
	}
}

func compact(b []byte) []byte {
	return []byte(strings.Join(strings.Fields(string(b)), ""))
}

func TestReplaceRefusesForeignFiles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "rows", "mine.parquet"), []byte("x"))
	_, err := NewSink(context.Background(), dir, SinkOptions{Replace: true})
	if err == nil || !strings.Contains(err.Error(), "mine.parquet, which no manifest lists") {
		t.Error(err)
	}
	if _, err := NewSink(context.Background(), filepath.Join(dir, "rows", "mine.parquet"), SinkOptions{}); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Error(err)
	}
	s := newSink(t, filepath.Join(dir, "other"), SinkOptions{})
	for _, name := range []string{"", "../x", "/x", "a//b", "_lockstep/x"} {
		if _, err := s.Open(context.Background(), name, rowFields); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// faults counts the calls that change something, and fails or stops one of them.
type faults struct {
	store
	mu    sync.Mutex
	calls int
	at    int
	err   error
	// stop says that nothing works from then on, as if the process had died.
	stop bool
}

func (f *faults) hit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.calls == f.at || f.stop && f.calls > f.at && f.at > 0 {
		return f.err
	}
	return nil
}

func (f *faults) create(ctx context.Context, root, key string) (upload, error) {
	if err := f.hit(); err != nil {
		return nil, err
	}
	u, err := f.store.create(ctx, root, key)
	return &faultyUpload{u, f}, err
}

func (f *faults) publish(ctx context.Context, root, key, token string, size int64) error {
	if err := f.hit(); err != nil {
		return err
	}
	return f.store.publish(ctx, root, key, token, size)
}

func (f *faults) put(ctx context.Context, key string, data []byte) error {
	if err := f.hit(); err != nil {
		return err
	}
	return f.store.put(ctx, key, data)
}

func (f *faults) remove(ctx context.Context, key string) error {
	if err := f.hit(); err != nil {
		return err
	}
	return f.store.remove(ctx, key)
}

type faultyUpload struct {
	upload
	f *faults
}

func (u *faultyUpload) Write(p []byte) (int, error) {
	if err := u.f.hit(); err != nil {
		return 0, err
	}
	return u.upload.Write(p)
}

func (u *faultyUpload) seal(ctx context.Context) (string, error) {
	if err := u.f.hit(); err != nil {
		return "", err
	}
	return u.upload.seal(ctx)
}

// The process dies at every call in turn. A second one goes on from the checkpoint that the first had written,
// and in the end the rows are there once; in between, readers see whole epochs only.
func TestCrashAtEveryCall(t *testing.T) {
	ctx := context.Background()
	const epochs, perEpoch = 3, 30
	died := errors.New("died")
	for at := 1; ; at++ {
		dir := t.TempDir()
		if at%2 == 0 {
			// An earlier run lies there and is replaced.
			s := newSink(t, dir, SinkOptions{})
			put(t, openWriter(t, s, "rows"), rowSpan(1000, 1010))
			s.Cut()
			if err := s.Publish(ctx, 7, must[[]byte](t)(s.Seal(ctx, 7))); err != nil {
				t.Fatal(err)
			}
		}
		// The checkpoint: the epoch and what was sealed.
		done, checkpoint := int64(0), []byte(nil)
		run := func(s *Sink) error {
			if done > 0 {
				if err := s.Publish(ctx, done, checkpoint); err != nil {
					return err
				}
			}
			for e := done + 1; e <= epochs; e++ {
				w, err := s.Open(ctx, "rows", rowFields)
				if err != nil {
					return err
				}
				rec, _ := record(rowSpan((e-1)*perEpoch, e*perEpoch), false)
				if err := w.Write(ctx, rec, nil); err != nil {
					return err
				}
				s.Cut()
				sealed, err := s.Seal(ctx, e)
				if err != nil {
					return err
				}
				done, checkpoint = e, sealed
				if err := s.Publish(ctx, e, sealed); err != nil {
					return err
				}
			}
			return s.Finish(ctx)
		}
		s := newSink(t, dir, SinkOptions{Replace: at%2 == 0})
		f := &faults{store: s.place.store, at: at, err: died, stop: true}
		s.place.store = f
		err := run(s)
		if err == nil {
			if at < 12 {
				t.Fatalf("only %d calls", at)
			}
			return
		}
		if !errors.Is(err, died) {
			t.Fatalf("call %d: %v", at, err)
		}
		if got := ids(t, dir+"/rows", nil); len(got)%perEpoch != 0 && len(got) != 10 {
			t.Errorf("call %d: a reader sees %d rows", at, len(got))
		}
		again := newSink(t, dir, SinkOptions{Resume: done > 0 || at%2 == 1, Replace: done == 0 && at%2 == 0})
		if err := run(again); err != nil {
			t.Fatalf("going on after call %d: %v", at, err)
		}
		if got := ids(t, dir+"/rows", nil); !reflect.DeepEqual(got, span(0, epochs*perEpoch)) {
			t.Fatalf("after call %d there are %d rows", at, len(got))
		}
		if again.Close() != nil {
			t.Error("close")
		}
	}
}

func TestAFullDiskLeavesNothingHalfVisible(t *testing.T) {
	ctx := context.Background()
	for at := 1; at <= 8; at++ {
		dir := t.TempDir()
		s := newSink(t, dir, SinkOptions{})
		f := &faults{store: s.place.store, at: at, err: diskError(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})}
		s.place.store = f
		w := openWriter(t, s, "rows")
		rec, _ := record(rowSpan(0, 1000), false)
		err := w.Write(ctx, rec, nil)
		var sealed []byte
		if err == nil {
			s.Cut()
			sealed, err = s.Seal(ctx, 1)
		}
		visible := 0
		if err == nil {
			if err = s.Publish(ctx, 1, sealed); err == nil {
				return
			}
			// Publish can be repeated once there is room.
			if again := s.Publish(ctx, 1, sealed); again != nil {
				t.Errorf("call %d: %v", at, again)
			}
			visible = 1000
		} else if second := w.Write(ctx, rec, nil); second == nil {
			t.Errorf("call %d: the writer goes on", at)
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(schema.Hint(err), "the disk is full") {
			t.Errorf("call %d: %v", at, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := ids(t, dir+"/rows", nil); len(got) != visible {
			t.Errorf("call %d: %d rows are visible", at, len(got))
		}
		left, _ := filepath.Glob(dir + "/_lockstep/staging/*")
		if len(left) > 0 {
			t.Errorf("call %d: %v is left", at, left)
		}
	}
}

func TestManyWritersOfOneOutput(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := newSink(t, dir, SinkOptions{})
	var wait sync.WaitGroup
	for g := range int64(8) {
		wait.Go(func() {
			for _, output := range []string{"rows", "_late/x"} {
				w, err := s.Open(ctx, output, rowFields)
				if err != nil {
					t.Error(err)
					return
				}
				for k := range int64(5) {
					rec, _ := record(rowSpan(g*100+k*20, g*100+k*20+20), false)
					if err := w.Write(ctx, rec, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wait.Wait()
	s.Cut()
	if err := s.Publish(ctx, 1, must[[]byte](t)(s.Seal(ctx, 1))); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"/rows", "/_late/x"} {
		if got := ids(t, dir+place, nil); !reflect.DeepEqual(got, span(0, 800)) {
			t.Errorf("%s: %d rows", place, len(got))
		}
	}
	if got := ids(t, dir, nil); len(got) != 800 {
		t.Errorf("a reader of the whole folder sees %d rows: side outputs are not hidden", len(got))
	}
}

// A request that was held up somewhere can put an older manifest in the place of a newer one. Whoever goes on from it must
// not leave files out of the list in silence.
func TestOldManifestInPlaceOfANewerOne(t *testing.T) {
	f, env := newS3Fake(t)
	const place = "s3://lake/out"
	s := newSink(t, place, SinkOptions{Env: env})
	w := openWriter(t, s, "rows")
	epoch := func(n int64) []byte {
		put(t, w, rowSpan(n*10, n*10+10))
		s.Cut()
		sealed, err := s.Seal(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	var old []byte
	for n := range int64(3) {
		if err := s.Publish(t.Context(), n+1, epoch(n+1)); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			old = f.Objects()["out/"+manifestName]
		}
	}
	sealed := epoch(4)
	f.Put("out/"+manifestName, old)
	again := newSink(t, place, SinkOptions{Env: env, Resume: true})
	if err := again.Publish(t.Context(), 4, sealed); err == nil || !strings.Contains(err.Error(), "manifest is of epoch 1 and was of epoch 3") || schema.Hint(err) == "" {
		t.Fatal(err)
	}
	// The run that wrote it has the list in its memory.
	if err := s.Publish(t.Context(), 4, sealed); err != nil {
		t.Fatal(err)
	}
	if m, err := ReadManifest(t.Context(), place, env); err != nil || len(m.Files) != 4 {
		t.Fatal(m, err)
	}
}
