package lake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/parquet"
)

// output is the writing half of a store.
type output interface {
	// create begins a file that is to appear as key. Nothing by that name is visible before publish.
	create(ctx context.Context, root, key string) (upload, error)
	// publish makes a sealed file appear as key. A second call finds it there and does nothing.
	publish(ctx context.Context, root, key, token string, size int64) error
	// discard removes what create left behind.
	discard(ctx context.Context, root, key, token string) error
	// put writes a whole small file at once; readers see the old one or the new one.
	put(ctx context.Context, key string, data []byte) error
	// get reads a small file; fs.ErrNotExist where there is none.
	get(ctx context.Context, key string) ([]byte, error)
	remove(ctx context.Context, key string) error
	// sweep removes what earlier runs staged below root, but for the tokens in keep.
	sweep(ctx context.Context, root string, keep map[string]bool) error
}

// upload is one file being written.
type upload interface {
	Write(p []byte) (int, error)
	// seal makes what was written durable; token finds it again in another process, wherever the root is then.
	seal(ctx context.Context) (token string, err error)
	abort(ctx context.Context) error
}

// SinkOptions say how an output place is treated.
type SinkOptions struct {
	Env map[string]string
	// Resume goes on with what the place holds; Replace removes, at the first Publish, the files that its
	// manifest lists. With neither, the place must be empty.
	Resume, Replace bool
	// Plan is the hash of the plan, for the manifest.
	Plan string
	// FileRows is the number of rows from which a new file is begun; 0 means 5,000,000.
	FileRows int64
	// RowGroupRows is passed to the Parquet writer; 0 takes its default.
	RowGroupRows int
}

// Sink writes the outputs of a run as Parquet: DIR/<output>/part-00000.parquet. It implements replay.Sink.
// After a restart, Publish of the checkpoint's epoch comes before the first Open.
type Sink struct {
	place Place
	opts  SinkOptions

	mu       sync.Mutex
	writers  []*writer
	outputs  map[string][]schema.Field
	next     map[string]int
	manifest Manifest
	sealed   map[string]bool
	pending  []File
	inputs   json.RawMessage
	swept    bool
}

// Manifest lists the published files; it is DIR/_lockstep/manifest.json and written last.
type Manifest struct {
	Version int    `json:"version"`
	Epoch   int64  `json:"epoch"`
	Plan    string `json:"plan,omitempty"`
	// Inputs is what the caller gave: where the run's inputs stood at the epoch.
	Inputs json.RawMessage `json:"inputs,omitempty"`
	Files  []File          `json:"files"`
	// Replace says that a run has begun whose first epoch will take the place of Files. Its files have other
	// names, so that both steps can be repeated after a crash.
	Replace bool `json:"replace,omitempty"`
	// Next numbers the next file of an output.
	Next map[string]int `json:"next"`
}

// File is one file of a manifest. Times are microseconds, absent where no row has one.
type File struct {
	Path    string `json:"path"`
	Output  string `json:"output"`
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	MinTime *int64 `json:"min_time,omitempty"`
	MaxTime *int64 `json:"max_time,omitempty"`
	Epoch   int64  `json:"epoch"`
	// Token finds the staged file; it is not in the manifest.
	Token string `json:"token,omitempty"`
}

// sealedEpoch is what Seal returns.
type sealedEpoch struct {
	Epoch  int64           `json:"epoch"`
	Files  []File          `json:"files"`
	Next   map[string]int  `json:"next"`
	Inputs json.RawMessage `json:"inputs,omitempty"`
}

const manifestName = "_lockstep/manifest.json"

// NewSink opens the place for writing. It refuses a place that holds anything, unless told what to do with it.
func NewSink(ctx context.Context, place string, opts SinkOptions) (*Sink, error) {
	if opts.FileRows <= 0 {
		opts.FileRows = 5_000_000
	}
	p, err := Open(ctx, place, opts.Env)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(p.path, "*?[") {
		return nil, schema.WithHint(fmt.Errorf("write to %s: a glob is no place to write to", place), "name a folder")
	}
	s := &Sink{place: p, opts: opts, outputs: map[string][]schema.Field{}, next: map[string]int{}, sealed: map[string]bool{}}
	if err := s.readManifest(ctx); err != nil {
		return nil, err
	}
	switch {
	case opts.Resume:
	case opts.Replace:
		if err := s.planReplace(ctx); err != nil {
			return nil, err
		}
	default:
		if found, err := s.anything(ctx); err != nil {
			return nil, err
		} else if found != "" {
			return nil, schema.WithHint(fmt.Errorf("write to %s: it is not empty, there is %s", place, found),
				"take another folder, or say --resume to go on or --replace to write it anew")
		}
	}
	for output, n := range s.manifest.Next {
		s.next[output] = n
	}
	return s, nil
}

func (s *Sink) key(parts ...string) string {
	return path.Join(append([]string{s.place.path}, parts...)...)
}

func (s *Sink) readManifest(ctx context.Context) error {
	s.manifest = Manifest{Version: 1, Plan: s.opts.Plan}
	data, err := s.place.store.get(ctx, s.key(manifestName))
	if isMissing(err) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s.manifest)
	}
	if err == nil && s.manifest.Version != 1 {
		err = fmt.Errorf("version %d is not known", s.manifest.Version)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", s.place.store.name(s.key(manifestName)), err)
	}
	return nil
}

// anything finds one file in the place. Empty folders, and what a crash left in staging, do not count.
func (s *Sink) anything(ctx context.Context) (string, error) {
	obj, dir, err := s.place.store.stat(ctx, s.place.path)
	if isMissing(err) {
		return "", nil
	}
	if err == nil && !dir {
		return "", fmt.Errorf("write to %s: %s is a file", s.place, obj.Name)
	}
	found := ""
	if err == nil {
		err = s.place.store.walk(ctx, s.place.path, func(d string) bool { return d != s.key("_lockstep/staging") }, func(o Object) {
			if found == "" {
				found = o.Name
			}
		})
	}
	if err != nil && !isMissing(err) {
		return "", fmt.Errorf("write to %s: %w", s.place, err)
	}
	return found, nil
}

// planReplace makes sure that only files of an earlier run will go.
func (s *Sink) planReplace(ctx context.Context) error {
	listed := map[string]bool{s.key(manifestName): true}
	for _, f := range s.manifest.Files {
		listed[s.key(f.Path)] = true
	}
	foreign := ""
	_, dir, err := s.place.store.stat(ctx, s.place.path)
	if err == nil && dir {
		err = s.place.store.walk(ctx, s.place.path, func(d string) bool { return d != s.key("_lockstep") }, func(o Object) {
			if !listed[o.key] && foreign == "" {
				foreign = o.Name
			}
		})
	}
	if err != nil && !isMissing(err) {
		return fmt.Errorf("write to %s: %w", s.place, err)
	}
	if foreign != "" {
		return schema.WithHint(fmt.Errorf("write to %s: --replace would leave %s, which no manifest lists, among the new files", s.place, foreign),
			"remove it yourself, or take another folder")
	}
	if len(s.manifest.Files) == 0 {
		return nil
	}
	m := s.manifest
	m.Epoch, m.Replace = 0, true
	return s.writeManifest(ctx, m)
}

// SetInputs records where the inputs stand, for the manifest of the next epoch sealed.
func (s *Sink) SetInputs(inputs json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inputs = inputs
}

// Open starts a writer for one output, whose name may hold slashes, e.g. _late/impressions.
func (s *Sink) Open(ctx context.Context, output string, fields []schema.Field) (replay.Writer, error) {
	if output == "" || path.Clean(output) != output || strings.HasPrefix(output, "/") || strings.HasPrefix(output, "..") || strings.HasPrefix(output, "_lockstep") {
		return nil, fmt.Errorf("write to %s: %q is no name for an output", s.place, output)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.swept {
		if err := s.place.store.sweep(ctx, s.place.path, s.sealed); err != nil {
			return nil, fmt.Errorf("write to %s: remove what an earlier run left: %w", s.place, err)
		}
		s.swept = true
	}
	s.outputs[output] = fields
	w := &writer{s: s, output: output, fields: fields}
	s.writers = append(s.writers, w)
	return w, nil
}

// writer fills one file after another.
type writer struct {
	s      *Sink
	output string
	fields []schema.Field

	file     File
	up       upload
	buf      *bufio.Writer
	pq       *parquet.Writer
	min, max int64
	timed    bool
	err      error
}

func (w *writer) begin(ctx context.Context) error {
	w.s.mu.Lock()
	n := w.s.next[w.output]
	w.s.next[w.output] = n + 1
	w.s.mu.Unlock()
	w.file = File{Path: path.Join(w.output, fmt.Sprintf("part-%05d.parquet", n)), Output: w.output}
	w.timed = false
	var err error
	if w.up, err = w.s.place.store.create(ctx, w.s.place.path, w.s.key(w.file.Path)); err != nil {
		return err
	}
	w.buf = bufio.NewWriterSize(w.up, 1<<20)
	w.pq, err = parquet.NewWriter(w.buf, w.fields, parquet.WriteOptions{RowGroupRows: w.s.opts.RowGroupRows})
	return err
}

// Write borrows the record. times are its rows' event times.
func (w *writer) Write(ctx context.Context, rec arrow.Record, times []int64) error {
	if w.err != nil {
		return w.err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	err := w.write(ctx, rec, times)
	if err != nil {
		w.err = fmt.Errorf("write %s: %w", w.s.place.store.name(w.s.key(w.file.Path)), err)
	}
	return w.err
}

func (w *writer) write(ctx context.Context, rec arrow.Record, times []int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.pq == nil {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	for _, t := range times {
		if t == replay.NoTime {
			continue
		}
		if !w.timed {
			w.min, w.max, w.timed = t, t, true
		}
		w.min, w.max = min(w.min, t), max(w.max, t)
	}
	if err := w.pq.Write(rec); err != nil {
		return err
	}
	if w.pq.Rows() < w.s.opts.FileRows {
		return nil
	}
	f, err := w.seal(ctx)
	if err != nil {
		return err
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.pending = append(w.s.pending, f)
	return nil
}

// seal closes the file and makes it durable.
func (w *writer) seal(ctx context.Context) (File, error) {
	err := w.pq.Close()
	if err == nil {
		err = w.buf.Flush()
	}
	f := w.file
	if err == nil {
		f.Rows, f.Bytes = w.pq.Rows(), w.pq.Size()
		f.Token, err = w.up.seal(ctx)
	}
	if err != nil {
		return f, err
	}
	if w.timed {
		lo, hi := w.min, w.max
		f.MinTime, f.MaxTime = &lo, &hi
	}
	w.pq, w.up = nil, nil
	return f, nil
}

// Seal makes everything written since the last epoch durable.
func (s *Sink) Seal(ctx context.Context, epoch int64) ([]byte, error) {
	s.mu.Lock()
	writers := slices.Clone(s.writers)
	s.mu.Unlock()
	for _, w := range writers {
		if w.err != nil {
			return nil, w.err
		}
		if w.pq == nil {
			continue
		}
		f, err := w.seal(ctx)
		if err != nil {
			w.err = fmt.Errorf("write %s: %w", s.place.store.name(s.key(w.file.Path)), err)
			return nil, w.err
		}
		s.mu.Lock()
		s.pending = append(s.pending, f)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.pending {
		s.pending[i].Epoch = epoch
	}
	slices.SortFunc(s.pending, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	out, err := json.Marshal(sealedEpoch{Epoch: epoch, Files: s.pending, Next: s.next, Inputs: s.inputs})
	for _, f := range s.pending {
		s.sealed[f.Token] = true
	}
	s.pending = nil
	return out, err
}

// Publish makes a sealed epoch visible: first the files, then the manifest.
func (s *Sink) Publish(ctx context.Context, epoch int64, sealed []byte) error {
	var e sealedEpoch
	if err := json.Unmarshal(sealed, &e); err != nil || e.Epoch != epoch {
		return fmt.Errorf("publish epoch %d to %s: what was sealed is not of this epoch: %w", epoch, s.place, errors.Join(err, errors.New("damaged checkpoint?")))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(err error) error { return fmt.Errorf("publish epoch %d to %s: %w", epoch, s.place, err) }
	for output, n := range e.Next {
		s.next[output] = max(s.next[output], n)
	}
	if s.manifest.Epoch >= epoch {
		return nil
	}
	if s.manifest.Replace {
		for _, f := range s.manifest.Files {
			if err := s.place.store.remove(ctx, s.key(f.Path)); err != nil && !isMissing(err) {
				return fail(err)
			}
		}
	}
	for _, f := range e.Files {
		if err := s.place.store.publish(ctx, s.place.path, s.key(f.Path), f.Token, f.Bytes); err != nil {
			return fail(fmt.Errorf("%s: %w", f.Path, err))
		}
		delete(s.sealed, f.Token)
	}
	m := s.manifest
	if m.Replace {
		m.Files, m.Replace, m.Inputs = nil, false, nil
	}
	m.Epoch, m.Plan, m.Next = epoch, s.opts.Plan, e.Next
	if e.Inputs != nil {
		m.Inputs = e.Inputs
	}
	for _, f := range e.Files {
		f.Token = ""
		m.Files = append(m.Files, f)
	}
	if err := s.writeManifest(ctx, m); err != nil {
		return fail(err)
	}
	return nil
}

func (s *Sink) writeManifest(ctx context.Context, m Manifest) error {
	m.Files = append([]File{}, m.Files...)
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	data, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = s.place.store.put(ctx, s.key(manifestName), append(data, '\n'))
	}
	if err == nil {
		s.manifest = m
	}
	return err
}

// Finish gives every output that got no row one file with its columns, so that readers can open it. It comes
// behind the last Publish and may be repeated.
func (s *Sink) Finish(ctx context.Context) error {
	s.mu.Lock()
	has := map[string]bool{}
	for _, f := range s.manifest.Files {
		has[f.Output] = true
	}
	var empty []string
	for output := range s.outputs {
		// A side output is there only when it has rows.
		if !has[output] && !hidden(output) {
			empty = append(empty, output)
		}
	}
	s.mu.Unlock()
	slices.Sort(empty)
	m := s.manifest
	for _, output := range empty {
		w := &writer{s: s, output: output, fields: s.outputs[output]}
		err := w.begin(ctx)
		var f File
		if err == nil {
			f, err = w.seal(ctx)
		}
		if err == nil {
			err = s.place.store.publish(ctx, s.place.path, s.key(f.Path), f.Token, f.Bytes)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", s.place.store.name(s.key(w.file.Path)), err)
		}
		f.Epoch, f.Token = m.Epoch, ""
		m.Files = append(m.Files, f)
	}
	m.Plan, m.Next = s.opts.Plan, s.next
	return s.writeManifest(ctx, m)
}

// Manifest is the list of what is published.
func (s *Sink) Manifest() Manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manifest
}

// Close discards what was not sealed.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := context.Background()
	var errs []error
	for _, w := range s.writers {
		if w.up != nil {
			errs = append(errs, w.up.abort(ctx))
			w.up, w.pq = nil, nil
		}
		w.err = errors.New("the sink is closed")
	}
	for _, f := range s.pending {
		errs = append(errs, s.place.store.discard(ctx, s.place.path, s.key(f.Path), f.Token))
	}
	s.pending, s.writers = nil, nil
	return errors.Join(errs...)
}
