package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/parquet"
)

// Mode is the order that a source gives its rows in.
type Mode uint8

const (
	// Batch is roughly by event time, as fast as can be, with a floor: one lane.
	Batch Mode = iota
	// Stream is by offset in each partition, as Kafka had them: a lane a partition.
	Stream
)

// SourceOptions say what is read and how.
type SourceOptions struct {
	Place string
	Env   map[string]string
	// Fields are all columns with the types wanted; nil takes those of the files' footers, and their Hive
	// partitions as text.
	Fields []schema.Field
	// AbsentAsNull reads a column that a file lacks as NULLs, but for the event time; else it is an error.
	AbsentAsNull bool
	// Columns are the names of those that the blocks have, in this order; nil means all.
	Columns []string
	// Time is the event-time column, a TIMESTAMP. Rows whose time is NULL are delivered too.
	Time string
	Mode Mode
	// Partition, Offset and Timestamp are the lake's columns of the row's place in Kafka; "" means _partition,
	// _offset and _timestamp. They are no part of the rows unless Fields names them.
	Partition, Offset, Timestamp string
	// LaneByFile makes each file a lane in its own order of rows. Offsets are row numbers.
	LaneByFile bool
	// Since and Until bound the event time: since <= t < until, in microseconds; nil means no bound. With a
	// bound, rows without a time are left out, since they lie in no range.
	Since, Until *int64
	// Parallelism is the number of row groups decoded at once; 0 means one a processor.
	Parallelism int
	// BlockRows bounds a block; 0 means 32,768.
	BlockRows int
	// KeepDictionary gives text of few distinct values as Arrow dictionaries where the files have it so. A block's
	// column is then of its type or of a dictionary of it; all blocks have the same dictionary, or its beginning.
	KeepDictionary bool
}

// Source reads a stream out of files. What it reads is fixed when it is made.
type Source struct {
	opts      SourceOptions
	place     Place
	fields    []schema.Field
	coders    []coder // by field
	files     []*dataFile
	units     []*unit
	positions bool
	run       delivery
	ctx       context.Context
	cancel    context.CancelFunc
	wait      sync.WaitGroup
}

// delivery is the order of one mode.
type delivery interface {
	lanes() []replay.Lane
	seek(positions map[string]int64) error
	next(ctx context.Context) (replay.Block, error)
}

// dataFile is one Parquet file of a source.
type dataFile struct {
	obj    Object
	shared *sharedReader
	pq     *parquet.File
	reader *parquet.Reader
	// at says for every column of a block, and for the time, partition, offset and broker time behind them,
	// which column of the file's record it is; -1 for a constant or one that is not there.
	at     []int
	consts []constant
	number int
}

// unit is a row group.
type unit struct {
	file  *dataFile
	group int
	rows  int64
	// first is the number of the unit's first row: in its file.
	first int64
	// lo and hi bound the event time where bounded is true.
	lo, hi  int64
	bounded bool
}

// NewSource lists the place, reads the footers of its files and checks their columns.
func NewSource(ctx context.Context, opts SourceOptions) (*Source, error) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = runtime.GOMAXPROCS(0)
	}
	if opts.BlockRows <= 0 {
		opts.BlockRows = 32 << 10
	}
	for _, d := range []struct {
		name  *string
		value string
	}{{&opts.Partition, "_partition"}, {&opts.Offset, "_offset"}, {&opts.Timestamp, "_timestamp"}} {
		if *d.name == "" {
			*d.name = d.value
		}
	}
	s := &Source{opts: opts}
	var err error
	if s.place, err = Open(ctx, opts.Place, opts.Env); err != nil {
		return nil, err
	}
	// Close ends what reads ahead; ctx does so only until the source is made.
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	if err := s.begin(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// begin finds the files and lays out their order.
func (s *Source) begin(ctx context.Context) error {
	objects, err := s.place.List(ctx, ".parquet", ".parq", ".pq")
	if err != nil {
		return err
	}
	if err := s.openFiles(objects); err != nil {
		return err
	}
	if err := s.plan(); err != nil {
		return err
	}
	s.units = s.prune()
	opts := &s.opts
	switch {
	case opts.Mode == Batch:
		s.run = newBatch(s)
	case opts.LaneByFile:
		s.run = newFileLanes(s)
	case !s.positions:
		err = schema.WithHint(fmt.Errorf("read %s: the files have no columns %s and %s, so the order in which Kafka had the rows is not known", opts.Place, opts.Partition, opts.Offset),
			"`lanes: file` takes each file's own order of rows; lake columns of other names are mapped in the pipeline file")
	default:
		s.run, err = newPartitionLanes(ctx, s)
	}
	return err
}

func (s *Source) openFiles(objects []Object) error {
	s.files = make([]*dataFile, len(objects))
	var g errgroup.Group
	// Footers wait for the network rather than for a processor.
	g.SetLimit(16)
	for i, o := range objects {
		g.Go(func() error {
			f, err := openFile(s.ctx, s.place, o)
			if err != nil {
				return err
			}
			f.number = i
			s.files[i] = f
			return nil
		})
	}
	return g.Wait()
}

func openFile(ctx context.Context, place Place, o Object) (*dataFile, error) {
	f := &dataFile{obj: o, shared: &sharedReader{ctx: ctx, place: place, obj: o}}
	if err := f.shared.acquire(); err != nil {
		return nil, err
	}
	defer f.shared.release()
	var err error
	f.pq, err = parquet.Open(f.shared, o.Size, o.Name)
	return f, err
}

// plan settles the columns and makes each file's reader.
func (s *Source) plan() error {
	all := s.opts.Fields
	if all == nil {
		var err error
		if all, err = footerFields(s.files[0]); err != nil {
			return err
		}
		// The places in Kafka are columns of the lake, not of the stream.
		all = slices.DeleteFunc(all, func(f schema.Field) bool {
			return f.Name == s.opts.Partition || f.Name == s.opts.Offset || f.Name == s.opts.Timestamp
		})
	}
	find := func(name string) (schema.Field, bool) {
		i := slices.IndexFunc(all, func(f schema.Field) bool { return f.Name == name })
		if i < 0 {
			return schema.Field{}, false
		}
		return all[i], true
	}
	if s.opts.Columns == nil {
		s.fields = all
	}
	for _, c := range s.opts.Columns {
		f, ok := find(c)
		if !ok {
			return fmt.Errorf("read %s: there is no column %s; there are %s", s.opts.Place, c, names(all))
		}
		s.fields = append(s.fields, f)
	}
	s.coders = make([]coder, len(s.fields))
	var time *schema.Field
	if s.opts.Time != "" {
		f, ok := find(s.opts.Time)
		if !ok {
			return schema.WithHint(fmt.Errorf("read %s: there is no time column %s; there are %s", s.opts.Place, s.opts.Time, names(all)), "`time:` names the column of the event time")
		}
		if f.Type.Kind != schema.Timestamp {
			return schema.WithHint(fmt.Errorf("read %s: the time column %s is %s", s.opts.Place, f.Name, f.Type), "declare it under columns: as timestamp, or timestamp(ms) where it is an epoch number")
		}
		time = &f
	}
	s.positions = len(s.files) > 0
	for _, f := range s.files {
		s.positions = s.positions && f.pq.Has(s.opts.Partition) && f.pq.Has(s.opts.Offset)
	}
	for _, f := range s.files {
		if err := f.plan(s, time); err != nil {
			return err
		}
	}
	return nil
}

func names(fields []schema.Field) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.Name)
	}
	return b.String()
}

// footerFields are a file's columns, and its Hive partitions as text.
func footerFields(f *dataFile) ([]schema.Field, error) {
	fields, err := f.pq.Fields()
	if err != nil {
		return nil, err
	}
	for _, p := range f.obj.Partitions {
		if !f.pq.Has(p.Name) {
			fields = append(fields, schema.Field{Name: p.Name, Type: schema.Type{Kind: schema.String}})
		}
	}
	return fields, nil
}

// plan finds the blocks' columns in the file.
func (f *dataFile) plan(s *Source, time *schema.Field) error {
	var read []schema.Field
	add := func(field schema.Field) int {
		for i, r := range read {
			if r.Name == field.Name && r.Type.Equal(field.Type) {
				return i
			}
		}
		read = append(read, field)
		return len(read) - 1
	}
	take := func(field schema.Field) error {
		c := constant{}
		at := -1
		if i := slices.IndexFunc(f.obj.Partitions, func(p Partition) bool { return p.Name == field.Name }); i >= 0 && !f.pq.Has(field.Name) {
			var err error
			if c, err = parseConstant(field.Type, f.obj.Partitions[i]); err != nil {
				return fmt.Errorf("read %s: %w", f.obj.Name, err)
			}
		} else {
			at = add(field)
		}
		f.at, f.consts = append(f.at, at), append(f.consts, c)
		return nil
	}
	for _, field := range s.fields {
		if err := take(field); err != nil {
			return err
		}
	}
	if time == nil {
		f.at, f.consts = append(f.at, -1), append(f.consts, constant{})
	} else if err := take(*time); err != nil {
		return err
	}
	for _, name := range []string{s.opts.Partition, s.opts.Offset, s.opts.Timestamp} {
		at := -1
		if s.positions && f.pq.Has(name) {
			kind := schema.Type{Kind: schema.BigInt}
			if name == s.opts.Timestamp {
				kind = schema.Type{Kind: schema.Timestamp, Precision: 6}
			}
			at = add(schema.Field{Name: name, Type: kind})
		}
		f.at, f.consts = append(f.at, at), append(f.consts, constant{})
	}
	var err error
	absent := s.opts.AbsentAsNull && (time == nil || f.at[len(s.fields)] < 0 || f.pq.Has(time.Name))
	f.reader, err = f.pq.Reader(read, parquet.ReadOptions{KeepDictionary: s.opts.KeepDictionary, MissingAsNull: absent})
	if err != nil && s.opts.Fields == nil && f.number > 0 {
		return fmt.Errorf("%w; the columns are those of %s", err, s.files[0].obj.Name)
	}
	return err
}

// prune makes the units, without those whose statistics lie outside the bounds of time.
func (s *Source) prune() []*unit {
	var out []*unit
	for _, f := range s.files {
		first := int64(0)
		for g := range f.pq.RowGroups() {
			u := &unit{file: f, group: g, rows: f.pq.RowGroupRows(g), first: first}
			first += u.rows
			if s.opts.Time != "" && f.at[len(s.fields)] >= 0 {
				u.lo, u.hi, u.bounded = f.pq.Bounds(g, s.timeField())
			}
			if u.rows == 0 || u.bounded && (s.opts.Since != nil && u.hi < *s.opts.Since || s.opts.Until != nil && u.lo >= *s.opts.Until) {
				continue
			}
			out = append(out, u)
		}
	}
	return out
}

func (s *Source) timeField() schema.Field {
	for _, fields := range [][]schema.Field{s.opts.Fields, s.fields} {
		for _, f := range fields {
			if f.Name == s.opts.Time {
				return f
			}
		}
	}
	return schema.Field{Name: s.opts.Time, Type: schema.Type{Kind: schema.Timestamp, Precision: 6}}
}

// Fields are the columns of every block.
func (s *Source) Fields() []schema.Field { return s.fields }

// Lanes are the partitions, the files, or in a batch one lane.
func (s *Source) Lanes() []replay.Lane { return s.run.lanes() }

// Objects are the files that are read, for manifests.
func (s *Source) Objects() []Object {
	out := make([]Object, len(s.files))
	for i, f := range s.files {
		out[i] = f.obj
	}
	return out
}

// HasPositions reports whether the rows have a partition and an offset.
func (s *Source) HasPositions() bool { return s.positions }

// Rows is the number of rows that the footers claim, bounds of time left aside.
func (s *Source) Rows() (n int64) {
	for _, f := range s.files {
		n += f.pq.NumRows()
	}
	return n
}

// Next gives the next block.
func (s *Source) Next(ctx context.Context) (replay.Block, error) {
	if s.run == nil {
		return replay.Block{}, errors.New("the source is closed")
	}
	return s.run.next(ctx)
}

// Seek makes the next blocks start at these positions.
func (s *Source) Seek(positions map[string]int64) error {
	for lane := range positions {
		if !slices.ContainsFunc(s.run.lanes(), func(l replay.Lane) bool { return l.Name == lane }) {
			return schema.WithHint(fmt.Errorf("read %s: there is no lane %s to go on with", s.opts.Place, lane), "the checkpoint was made over other files, or between other --since and --until: name those it was made over, or start anew")
		}
	}
	return s.run.seek(positions)
}

// Close stops reading ahead and waits for it.
func (s *Source) Close() error {
	if s.cancel != nil {
		s.cancel()
	}
	s.wait.Wait()
	return nil
}

// sharedReader opens its file while someone reads and closes it after, so that a lake of many files does not
// hold as many descriptors.
type sharedReader struct {
	ctx   context.Context
	place Place
	obj   Object

	mu    sync.Mutex
	users int
	r     Reader
}

func (s *sharedReader) acquire() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		r, err := s.place.Read(s.ctx, s.obj)
		if err != nil {
			return err
		}
		s.r = r
	}
	s.users++
	return nil
}

func (s *sharedReader) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.r.Close()
		s.r = nil
	}
}

func (s *sharedReader) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	r := s.r
	s.mu.Unlock()
	if r == nil {
		return 0, io.ErrClosedPipe
	}
	return r.ReadAt(p, off)
}

func (s *sharedReader) check() error {
	s.mu.Lock()
	r := s.r
	s.mu.Unlock()
	return r.Check()
}
