package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/zeebo/xxh3"
)

// A store is saved in segments, Arrow files of rows that are each written once, and marks: the flags of all rows
// held, which change, and are written anew each time. A row's place in its bucket never changes, so that flags
// need no names.

// Saved is a file of a checkpoint.
type Saved struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Rows  int64  `json:"rows,omitempty"`
	// Sum is the XXH3-128 of the bytes, in hex.
	Sum string `json:"sum"`
}

// Verify compares a file's bytes with what was written.
func (f *Saved) Verify(data []byte) error {
	if int64(len(data)) != f.Bytes || sum(data) != f.Sum {
		return fmt.Errorf("%s is damaged: its checksum is not that of the checkpoint", f.Name)
	}
	return nil
}

func sum(data []byte) string {
	s := xxh3.Hash128(data).Bytes()
	return fmt.Sprintf("%x", s)
}

// Save describes the file that holds data.
func Save(name string, rows int64, data []byte) Saved {
	return Saved{Name: name, Bytes: int64(len(data)), Rows: rows, Sum: sum(data)}
}

// SavedStore is one store of a checkpoint.
type SavedStore struct {
	Segments []Saved       `json:"segments"`
	Marks    *Saved        `json:"marks,omitempty"`
	Buckets  []SavedBucket `json:"buckets"`
}

// SavedBucket is one bucket: its rows are those of the pieces, one behind the other.
type SavedBucket struct {
	Start  int64        `json:"start"`
	Swept  int64        `json:"swept"`
	Rows   int          `json:"rows"`
	Pieces []SavedPiece `json:"pieces"`
}

// SavedPiece is a record batch of a segment.
type SavedPiece struct {
	Segment int `json:"segment"`
	Batch   int `json:"batch"`
	Rows    int `json:"rows"`
}

// piece is a SavedPiece whose segment may still be being written.
type piece struct {
	file  *Saved
	batch int
	rows  int
}

const (
	// maxSegments is how many segments a store may be spread over, beyond those that its size demands, before a
	// snapshot writes all rows anew.
	maxSegments = 96
	// segmentBytes is about how large a segment is made: it is in memory while it is written and read.
	segmentBytes = 16 << 20
	// pieceBytes is about how large a record batch may be: its columns take less than 2 GiB.
	pieceBytes = 256 << 20
)

// Snapshot is what a store held at one moment. Taking it copies flags alone; Write does the work, in any goroutine,
// while the store goes on.
type Snapshot struct {
	name     string
	types    []arrow.DataType
	names    []string
	keyed    []int
	columns  [][]*Column
	keys     [][]*Column
	held     []*segment
	fresh    []freshSegment
	buckets  []bucketFlags
	keyTypes []arrow.DataType
	// positioned is whether rows know where they came from.
	positioned bool
}

// freshSegment is a segment that is to be written.
type freshSegment struct {
	file *Saved
	rows []freshRows
}

// freshRows are rows of one chunk: in memory, or those of a pack.
type freshRows struct {
	hash []uint64
	time []int64
	ref  []Ref

	pack     *pack
	from, to int // in the pack
	after    []uint32
	min      int64
}

type bucketFlags struct {
	start, swept int64
	rows         int
	pieces       []piece
	flags        []byte // of all rows whether they are marked, then whether they are kept; in words of eight bytes
}

// Describe names the store's columns in segments, and says which column each key is, -1 for one that is computed.
func (s *Store) Describe(names []string, keys []int) { s.names, s.keyed = names, keys }

// Snapshot notes what the store holds. name becomes part of the names of the files that Write makes, and must not
// have been used before. The snapshot before must have been written.
func (s *Store) Snapshot(name string) *Snapshot {
	files := map[*Saved]bool{}
	for _, b := range s.buckets {
		for _, p := range b.pieces {
			files[p.file] = true
		}
	}
	perRow := (s.held+s.packed)/int64(max(s.rows, 1)) + 16
	anew := len(files) > maxSegments+2*int(perRow*int64(s.rows)/segmentBytes)
	snap := &Snapshot{name: name, types: s.types, names: s.names, keyed: s.keyed, keyTypes: s.keyTypes, positioned: s.positioned}
	size := int64(0)
	for _, b := range s.buckets {
		if anew {
			b.pieces, b.saved = nil, 0
		}
		for b.saved < b.rows {
			if size == 0 || size >= segmentBytes {
				size = 0
				snap.fresh = append(snap.fresh, freshSegment{file: &Saved{}})
			}
			c := b.chunks[b.saved>>chunkBits]
			rows := c.fresh(b.saved&(chunkRows-1), int(pieceBytes/perRow)+1)
			last := &snap.fresh[len(snap.fresh)-1]
			b.pieces = append(b.pieces, piece{last.file, len(last.rows), rows.len()})
			last.rows = append(last.rows, rows)
			b.saved += rows.len()
			size += int64(rows.len()) * perRow
		}
		flags := make([]byte, 0, (b.rows+63)/64*16)
		for _, c := range b.chunks {
			flags = appendWords(flags, c.matched)
		}
		for _, c := range b.chunks {
			flags = appendWords(flags, c.kept)
		}
		snap.buckets = append(snap.buckets, bucketFlags{start: b.start, swept: b.swept, rows: b.rows, pieces: slices.Clip(slices.Clone(b.pieces)), flags: flags})
	}
	if len(snap.fresh) > 0 {
		snap.columns, snap.keys = s.unchanging(s.columns), s.unchanging(s.keys)
		snap.held = slices.Clone(s.segments)
	}
	return snap
}

// unchanging is what there is of each column, without what rows are being read into from disk: that changes.
func (s *Store) unchanging(columns [][]*Column) [][]*Column {
	out := make([][]*Column, len(columns))
	for i, c := range columns {
		out[i] = slices.Clone(c)
		for _, u := range s.unpacked {
			out[i][u.number] = nil
		}
	}
	return out
}

// fresh are rows of a chunk from one on, as many as become one record batch; most bounds them.
func (c *chunk) fresh(from, most int) freshRows {
	if from >= c.spilled {
		to := min(c.rows, from+most)
		return freshRows{hash: c.hash[from:to:to], time: c.time[from:to:to], ref: c.ref[from:to:to]}
	}
	k := c.packOf(from)
	to := min(k.to, from+most)
	f := freshRows{pack: k, from: from - k.from, to: to - k.from, min: c.min}
	if c.time != nil {
		f.time = c.time[from:to:to]
	} else {
		f.after = c.after[from:to:to]
	}
	return f
}

func (f *freshRows) len() int {
	if f.pack != nil {
		return f.to - f.from
	}
	return len(f.ref)
}

func appendWords(to []byte, words []uint64) []byte {
	for _, w := range words {
		to = binary.LittleEndian.AppendUint64(to, w)
	}
	return to
}

// Write makes the files of the snapshot with put, and describes them. It fails as put does, or when a column's
// text exceeds 2 GiB.
func (s *Snapshot) Write(put func(name string, data []byte) error) (*SavedStore, error) {
	for i, f := range s.fresh {
		data, rows, err := s.segment(f.rows)
		if err != nil {
			return nil, err
		}
		name := "segments/" + s.name + ".arrow"
		if i > 0 {
			name = fmt.Sprintf("segments/%s-%04d.arrow", s.name, i)
		}
		*f.file = Save(name, rows, data)
		if err := put(name, data); err != nil {
			return nil, err
		}
	}
	out := &SavedStore{Buckets: make([]SavedBucket, len(s.buckets))}
	numbers := map[*Saved]int{}
	var marks []byte
	for i, b := range s.buckets {
		sb := SavedBucket{Start: b.start, Swept: b.swept, Rows: b.rows}
		for _, p := range b.pieces {
			n, ok := numbers[p.file]
			if !ok {
				n = len(out.Segments)
				numbers[p.file] = n
				out.Segments = append(out.Segments, *p.file)
			}
			sb.Pieces = append(sb.Pieces, SavedPiece{n, p.batch, p.rows})
		}
		out.Buckets[i] = sb
		marks = append(marks, b.flags...)
	}
	if len(marks) > 0 {
		m := Save("segments/"+s.name+".marks", 0, marks)
		if err := put(m.Name, marks); err != nil {
			return nil, err
		}
		out.Marks = &m
	}
	return out, nil
}

// schema is that of a segment: the columns, the keys that are no column, and what the engine knows of each row.
func (s *Snapshot) schema(positions bool) *arrow.Schema {
	var fields []arrow.Field
	for i, t := range s.types {
		fields = append(fields, arrow.Field{Name: s.columnName(i), Type: t, Nullable: true})
	}
	for k := range s.keys {
		if computed(s.keyed, k) {
			fields = append(fields, arrow.Field{Name: fmt.Sprintf("_key%d", k), Type: s.keyTypes[k], Nullable: true})
		}
	}
	fields = append(fields, arrow.Field{Name: "_hash", Type: arrow.PrimitiveTypes.Uint64}, arrow.Field{Name: "_time", Type: arrow.FixedWidthTypes.Timestamp_us})
	if positions {
		fields = append(fields, arrow.Field{Name: "_partition", Type: arrow.PrimitiveTypes.Int32}, arrow.Field{Name: "_offset", Type: arrow.PrimitiveTypes.Int64})
	}
	return arrow.NewSchema(fields, nil)
}

func (s *Snapshot) columnName(i int) string {
	if i < len(s.names) {
		return s.names[i]
	}
	return fmt.Sprintf("c%d", i)
}

// computed reports whether a key is no column.
func computed(keyed []int, k int) bool { return k >= len(keyed) || keyed[k] < 0 }

// withKeys are what there is of each column, and of each key that is no column.
func withKeys[T any](columns, keys []T, keyed []int) []T {
	out := slices.Clone(columns)
	for k, key := range keys {
		if computed(keyed, k) {
			out = append(out, key)
		}
	}
	return out
}

func (s *Snapshot) segment(fresh []freshRows) ([]byte, int64, error) {
	sc := s.schema(s.positioned)
	var out growing
	w, err := ipc.NewFileWriter(&out, ipc.WithSchema(sc), ipc.WithAllocator(memory.DefaultAllocator))
	if err != nil {
		return nil, 0, err
	}
	rows := int64(0)
	for i := range fresh {
		cols, err := s.batch(&fresh[i])
		if err != nil {
			return nil, 0, err
		}
		n := int64(fresh[i].len())
		if err := w.Write(array.NewRecord(sc, cols, n)); err != nil {
			return nil, 0, err
		}
		rows += n
	}
	err = w.Close()
	return out, rows, err
}

// batch is the columns of a segment's record batch.
func (s *Snapshot) batch(f *freshRows) (cols []arrow.Array, err error) {
	columns, held, refs := withKeys(s.columns, s.keys, s.keyed), s.held, f.ref
	hashes, times := f.hash, f.time
	if f.pack != nil {
		u, err := f.read()
		if err != nil {
			return nil, err
		}
		for i := range columns {
			columns[i] = []*Column{&u.cols[i]}
		}
		refs = make([]Ref, len(u.times))
		for i := range refs {
			refs[i].Row = uint32(i)
		}
		held, hashes, times = []*segment{&u.segment}, u.hashes, u.times
	}
	for i, t := range withKeys(s.types, s.keyTypes, s.keyed) {
		a, err := Gather(t, columns[i], refs)
		if err != nil {
			return nil, err
		}
		cols = append(cols, a)
	}
	cols = append(cols, fixedArray(arrow.PrimitiveTypes.Uint64, arrow.Uint64Traits.CastToBytes(hashes), len(refs)),
		fixedArray(arrow.FixedWidthTypes.Timestamp_us, arrow.Int64Traits.CastToBytes(times), len(refs)))
	if s.positioned {
		parts, offsets := make([]int32, len(refs)), make([]int64, len(refs))
		for i, r := range refs {
			parts[i], offsets[i] = held[r.Segment].position(r.Row)
		}
		cols = append(cols, fixedArray(arrow.PrimitiveTypes.Int32, arrow.Int32Traits.CastToBytes(parts), len(parts)),
			fixedArray(arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(offsets), len(offsets)))
	}
	return cols, nil
}

// read gets the rows of a pack.
func (f *freshRows) read() (*unpacked, error) {
	u := unpack(f.pack)
	var b batch
	for i := f.from; i < f.to; i++ {
		if !b.has(f.pack, i) {
			u.take(&b)
			if err := b.read(f.pack, i, f.to-1); err != nil {
				return nil, err
			}
		}
		t := f.min
		if f.after != nil {
			t += int64(f.after[i-f.from])
		} else {
			t = f.time[i-f.from]
		}
		b.add(f.pack, i, t)
	}
	u.take(&b)
	return u, nil
}

// growing is a file in memory that is only ever written at its end; the writer asks where that is.
type growing []byte

func (g *growing) Write(p []byte) (int, error) {
	*g = append(*g, p...)
	return len(p), nil
}

func (g *growing) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.New("a segment is written from its start to its end")
	}
	return int64(len(*g)), nil
}

func fixedArray(dt arrow.DataType, raw []byte, n int) arrow.Array {
	return array.MakeFromData(array.NewData(dt, n, []*memory.Buffer{nil, memory.NewBufferBytes(raw)}, nil, 0, 0))
}

// Segment is a segment read back; several stores may share it.
type Segment struct {
	saved   Saved
	records []arrow.Record
}

// OpenSegment checks a segment's bytes and reads it. The bytes are kept.
func OpenSegment(saved Saved, data []byte) (seg *Segment, err error) {
	if err := saved.Verify(data); err != nil {
		return nil, err
	}
	r, err := ipc.NewFileReader(bytes.NewReader(data), ipc.WithAllocator(memory.DefaultAllocator))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", saved.Name, err)
	}
	seg = &Segment{saved: saved}
	for i := range r.NumRecords() {
		rec, err := r.RecordAt(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", saved.Name, err)
		}
		seg.records = append(seg.records, rec)
	}
	return seg, nil
}

// Restoring is what was saved of one store, to be taken up segment by segment: Segments names them in the order in which
// they are to be read.
type Restoring struct {
	saved  *SavedStore
	pieces [][]restoredPiece // by segment
	order  []int
}

type restoredPiece struct {
	SavedPiece
	b             *SavedBucket
	at            int // the row of the bucket that is the piece's first
	matched, kept []byte
}

// Restore prepares to take up what was saved of one store; marks are the bytes of its flags.
func Restore(saved *SavedStore, marks []byte) (*Restoring, error) {
	r := &Restoring{saved: saved, pieces: make([][]restoredPiece, len(saved.Segments))}
	for i := range saved.Buckets {
		b := &saved.Buckets[i]
		words := (b.Rows + 63) / 64
		if b.Rows < 0 || len(marks) < words*16 {
			return nil, fmt.Errorf("the marks are shorter than the %d rows of a bucket need", b.Rows)
		}
		matched, kept := marks[:words*8], marks[words*8:words*16]
		marks = marks[words*16:]
		at := 0
		for _, p := range b.Pieces {
			if p.Segment < 0 || p.Segment >= len(saved.Segments) || p.Rows < 0 || at+p.Rows > b.Rows {
				return nil, fmt.Errorf("a checkpoint names %d rows of segment %d, which are not there", p.Rows, p.Segment)
			}
			r.pieces[p.Segment] = append(r.pieces[p.Segment], restoredPiece{p, b, at, matched, kept})
			at += p.Rows
		}
	}
	for i := range saved.Segments {
		r.order = append(r.order, i)
	}
	// Names begin with the epoch: in their order a bucket's rows come as they came first, and stay saved.
	slices.SortFunc(r.order, func(a, b int) int {
		return cmp.Compare(strings.TrimSuffix(saved.Segments[a].Name, ".arrow"), strings.TrimSuffix(saved.Segments[b].Name, ".arrow"))
	})
	return r, nil
}

// Segments are those to be read, in order.
func (r *Restoring) Segments() []Saved {
	out := make([]Saved, len(r.order))
	for i, n := range r.order {
		out[i] = r.saved.Segments[n]
	}
	return out
}

// Restore takes up the rows of segment n of Segments. columns are the names, in the segments, of the store's own columns;
// mine says, by a row's hash, whether it belongs to this store.
func (s *Store) Restore(r *Restoring, n int, segment *Segment, columns []string, mine func(hash uint64) bool) error {
	file := &r.saved.Segments[r.order[n]]
	for _, p := range r.pieces[r.order[n]] {
		if p.Batch < 0 || p.Batch >= len(segment.records) {
			return fmt.Errorf("%s: a checkpoint names batch %d, which is not there", file.Name, p.Batch)
		}
		if err := s.restorePiece(file, segment.records[p.Batch], &p, columns, mine); err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	return nil
}

func flagged(words []byte, i int) bool { return words[i>>3]&(1<<(i&7)) != 0 }

func (s *Store) restorePiece(file *Saved, rec arrow.Record, p *restoredPiece, columns []string, mine func(uint64) bool) error {
	if int(rec.NumRows()) != p.Rows {
		return fmt.Errorf("batch %d has %d rows, want %d", p.Batch, rec.NumRows(), p.Rows)
	}
	// What the engine knows of the rows stands behind their columns, one of which may have the same name.
	column := func(name string, own bool) (arrow.Array, error) {
		at := rec.Schema().FieldIndices(name)
		switch {
		case len(at) == 0:
			return nil, fmt.Errorf("it has no column %s", name)
		case own:
			return rec.Column(at[len(at)-1]), nil
		}
		return rec.Column(at[0]), nil
	}
	cols := make([]Column, len(columns))
	for i, name := range columns {
		a, err := column(name, false)
		if err != nil {
			return err
		}
		if !arrow.TypeEqual(a.DataType(), s.types[i]) {
			return fmt.Errorf("column %s is %s, want %s", name, a.DataType(), s.types[i])
		}
		cols[i] = View(a)
	}
	keys := make([]Column, len(s.keys))
	for k := range keys {
		if k < len(s.keyed) && s.keyed[k] >= 0 {
			keys[k] = cols[s.keyed[k]]
			continue
		}
		a, err := column(fmt.Sprintf("_key%d", k), true)
		if err != nil {
			return err
		}
		keys[k] = View(a)
	}
	h, err := column("_hash", true)
	if err != nil {
		return err
	}
	t, err := column("_time", true)
	if err != nil {
		return err
	}
	hashes, ok := h.(*array.Uint64)
	times, ok2 := t.(*array.Timestamp)
	if !ok || !ok2 {
		return fmt.Errorf("_hash is %s and _time is %s", h.DataType(), t.DataType())
	}
	var parts []int32
	var offsets []int64
	if last := int(rec.NumCols()) - 1; rec.ColumnName(last) == "_offset" {
		pc, ok := rec.Column(last - 1).(*array.Int32)
		oc, ok2 := rec.Column(last).(*array.Int64)
		if !ok || !ok2 {
			return fmt.Errorf("_partition is %s and _offset is %s", rec.Column(last-1).DataType(), rec.Column(last).DataType())
		}
		parts, offsets = pc.Int32Values(), oc.Int64Values()
	}
	micros := make([]int64, p.Rows)
	for i, v := range times.TimestampValues() {
		micros[i] = int64(v)
	}
	var rows []int32
	for i, h := range hashes.Uint64Values() {
		if mine(h) {
			rows = append(rows, int32(i))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	size := int64(0)
	for i := range cols {
		size += cols[i].Size()
	}
	seg := s.Add(cols, keys, micros, parts, offsets, (size+8*int64(p.Rows))*int64(len(rows))/int64(p.Rows))
	s.Insert(seg, rows, hashes.Uint64Values(), nil)
	s.Unpin(seg)
	// All rows of a piece lie in one bucket, at its end now.
	own := s.bucketFor(micros[rows[0]])
	first := own.rows - len(rows)
	for k, r := range rows {
		e := Entry{own, int32(first + k)}
		if flagged(p.matched, p.at+int(r)) {
			e.Mark()
		}
		if flagged(p.kept, p.at+int(r)) {
			if e.Keep(); s.kept {
				s.link(own, e.i, hashes.Value(int(r)), -1)
			}
		}
	}
	if first == 0 {
		own.swept = p.b.Swept
	}
	own.swept = min(own.swept, p.b.Swept)
	if len(rows) == p.Rows && own.saved == first {
		own.pieces = append(own.pieces, piece{file, p.Batch, p.Rows})
		own.saved = own.rows
	}
	return nil
}
