package lake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

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
	// putNew writes a small file that must not be there yet: fs.ErrExist if it is.
	putNew(ctx context.Context, key string, data []byte) error
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
	// with gives the context of the writes that follow.
	with(ctx context.Context)
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
	cut      []*part // open files of the epoch that was cut
	outputs  map[string][]schema.Field
	next     map[string]int
	manifest Manifest
	sealed   map[string]bool
	pending  []File         // whole files of the epoch being written
	ended    []File         // those of the epoch that was cut
	numbers  map[string]int // next, when it was cut
	inputs   json.RawMessage
	swept    bool
	broken   error // an epoch that could not be sealed: nothing may follow it
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
	Epoch int64 `json:"epoch"`
	// After is the epoch of the manifest that this one comes upon.
	After  int64           `json:"after"`
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
	s := &Sink{place: p.folder(), opts: opts, outputs: map[string][]schema.Field{}, next: map[string]int{}, sealed: map[string]bool{}}
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
	part   *part // nil before the first row of a file
	err    error
}

// part is a file that is being written.
type part struct {
	file     File
	up       upload
	buf      *bufio.Writer
	pq       *parquet.Writer
	min, max int64
	timed    bool
}

func partName(output string, n int) string {
	return path.Join(output, fmt.Sprintf("part-%05d.parquet", n))
}

// begin creates an output's next file.
func (s *Sink) begin(ctx context.Context, output string, fields []schema.Field) (*part, error) {
	s.mu.Lock()
	n, broken := s.next[output], s.broken
	s.next[output] = n + 1
	s.mu.Unlock()
	if broken != nil {
		return nil, broken
	}
	p := &part{file: File{Path: partName(output, n), Output: output}}
	fail := func(err error) (*part, error) { return nil, s.failed(p, err) }
	var err error
	if p.up, err = s.place.store.create(ctx, s.place.path, s.key(p.file.Path)); err != nil {
		return fail(err)
	}
	p.buf = bufio.NewWriterSize(p.up, 1<<20)
	if p.pq, err = parquet.NewWriter(p.buf, fields, parquet.WriteOptions{RowGroupRows: s.opts.RowGroupRows}); err != nil {
		return fail(errors.Join(err, p.up.abort(ctx)))
	}
	return p, nil
}

func (s *Sink) failed(p *part, err error) error {
	return fmt.Errorf("write %s: %w", s.place.store.name(s.key(p.file.Path)), err)
}

// TakesCodes says that text may come as dictionaries.
func (w *writer) TakesCodes() {}

// Write borrows the record. times are its rows' event times.
func (w *writer) Write(ctx context.Context, rec arrow.Record, times []int64) error {
	if w.err != nil {
		return w.err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	w.err = w.write(ctx, rec, times)
	return w.err
}

func (w *writer) write(ctx context.Context, rec arrow.Record, times []int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.part == nil {
		var err error
		if w.part, err = w.s.begin(ctx, w.output, w.fields); err != nil {
			return err
		}
	}
	p := w.part
	for _, t := range times {
		if t == replay.NoTime {
			continue
		}
		if !p.timed {
			p.min, p.max, p.timed = t, t, true
		}
		p.min, p.max = min(p.min, t), max(p.max, t)
	}
	p.up.with(ctx)
	if err := p.pq.Write(rec); err != nil {
		return w.s.failed(p, err)
	}
	if p.pq.Rows() < w.s.opts.FileRows {
		return nil
	}
	f, err := p.seal(ctx)
	if err != nil {
		return w.s.failed(p, err)
	}
	w.part = nil
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.pending = append(w.s.pending, f)
	return nil
}

// seal closes the file and makes it durable.
func (p *part) seal(ctx context.Context) (File, error) {
	p.up.with(ctx)
	err := p.pq.Close()
	if err == nil {
		err = p.buf.Flush()
	}
	f := p.file
	if err == nil {
		f.Rows, f.Bytes = p.pq.Rows(), p.pq.Size()
		f.Token, err = p.up.seal(ctx)
	}
	if err != nil {
		return f, err
	}
	if p.timed {
		lo, hi := p.min, p.max
		f.MinTime, f.MaxTime = &lo, &hi
	}
	return f, nil
}

// Cut ends an epoch: its open files are set aside for Seal, and the writers begin new ones.
func (s *Sink) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writers {
		if w.part != nil {
			s.cut = append(s.cut, w.part)
			w.part = nil
		}
	}
	s.ended, s.pending = append(s.ended, s.pending...), nil
	s.numbers = maps.Clone(s.next)
}

// Seal makes everything written before Cut durable.
func (s *Sink) Seal(ctx context.Context, epoch int64) ([]byte, error) {
	s.mu.Lock()
	parts := s.cut
	s.mu.Unlock()
	for len(parts) > 0 {
		f, err := parts[0].seal(ctx)
		if err != nil {
			err = s.failed(parts[0], err)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.broken = err
			return nil, err
		}
		parts = parts[1:]
		s.mu.Lock()
		s.cut, s.ended = parts, append(s.ended, f)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ended {
		s.ended[i].Epoch = epoch
	}
	slices.SortFunc(s.ended, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	out, err := json.Marshal(sealedEpoch{Epoch: epoch, After: s.manifest.Epoch, Files: s.ended, Next: s.numbers, Inputs: s.inputs})
	for _, f := range s.ended {
		s.sealed[f.Token] = true
	}
	s.ended = nil
	return out, err
}

// Publish makes a sealed epoch visible: first the files, then the manifest.
func (s *Sink) Publish(ctx context.Context, epoch int64, sealed []byte) error {
	var e sealedEpoch
	var err error
	if len(sealed) > 0 {
		err = json.Unmarshal(sealed, &e)
	}
	if err == nil && e.Epoch == 0 {
		return nil // of a topic: the output got this place since
	}
	if err != nil || e.Epoch != epoch {
		return fmt.Errorf("publish epoch %d to %s: what was sealed is not of this epoch: %w", epoch, s.place, errors.Join(err, errors.New("damaged checkpoint?")))
	}
	fail := func(err error) error { return fmt.Errorf("publish epoch %d to %s: %w", epoch, s.place, err) }
	s.mu.Lock()
	for output, n := range e.Next {
		s.next[output] = max(s.next[output], n)
	}
	m := s.manifest
	s.mu.Unlock() // writers go on meanwhile
	if m.Epoch >= epoch {
		return nil
	}
	if m.Epoch < e.After {
		return fail(schema.WithHint(fmt.Errorf("its manifest is of epoch %d and was of epoch %d before", m.Epoch, e.After),
			"the files are all there; a request that came late, or someone else, put an old list of them in its place: put the newer one back, or run it anew"))
	}
	if m.Replace {
		for _, f := range m.Files {
			if err := s.place.store.remove(ctx, s.key(f.Path)); err != nil && !isMissing(err) {
				return fail(err)
			}
		}
		m.Files, m.Replace, m.Inputs = nil, false, nil
	}
	for _, f := range e.Files {
		if err := s.place.store.publish(ctx, s.place.path, s.key(f.Path), f.Token, f.Bytes); err != nil {
			return fail(fmt.Errorf("%s: %w", f.Path, err))
		}
	}
	m.Epoch, m.Plan, m.Next = epoch, s.opts.Plan, e.Next
	if e.Inputs != nil {
		m.Inputs = e.Inputs
	}
	m.Files = slices.Clone(m.Files)
	for _, f := range e.Files {
		f.Token = ""
		m.Files = append(m.Files, f)
	}
	if err := s.writeManifest(ctx, m); err != nil {
		return fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range e.Files {
		delete(s.sealed, f.Token)
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
		s.mu.Lock()
		defer s.mu.Unlock()
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
		name := partName(output, s.next[output])
		there, dir, err := s.place.store.stat(ctx, s.key(name))
		if err != nil && !isMissing(err) {
			return fmt.Errorf("write to %s: %w", s.place, err)
		}
		if err == nil && !dir { // a Finish that did not come to its manifest
			s.next[output]++
			m.Files = append(m.Files, File{Path: name, Output: output, Bytes: there.Size, Epoch: m.Epoch})
			continue
		}
		p, err := s.begin(ctx, output, s.outputs[output])
		if err != nil {
			return err
		}
		f, err := p.seal(ctx)
		if err == nil {
			err = s.place.store.publish(ctx, s.place.path, s.key(f.Path), f.Token, f.Bytes)
		}
		if err != nil {
			return s.failed(p, err)
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
	// What cannot be removed now, the next run sweeps.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var errs []error
	for _, w := range s.writers {
		if w.part != nil {
			s.cut = append(s.cut, w.part)
			w.part = nil
		}
		w.err = errors.New("the sink is closed")
	}
	for _, p := range s.cut {
		errs = append(errs, p.up.abort(ctx))
	}
	for _, f := range append(s.pending, s.ended...) {
		errs = append(errs, s.place.store.discard(ctx, s.place.path, s.key(f.Path), f.Token))
	}
	s.pending, s.ended, s.cut, s.writers = nil, nil, nil, nil
	return errors.Join(errs...)
}
