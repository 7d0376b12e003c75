package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

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
	// pieceRows bounds a record batch of a segment.
	pieceRows = 1 << 16
	// maxSegments is how many segments a store may be spread over before a snapshot writes all rows anew.
	maxSegments = 96
)

// Snapshot is what a store held at one moment. Taking it copies flags alone; Write does the work, in any goroutine,
// while the store goes on.
type Snapshot struct {
	name    string
	types   []arrow.DataType
	names   []string
	keyed   []int
	columns [][]*Column
	keys    [][]*Column
	held    []*segment
	fresh   []freshRows
	file    *Saved
	buckets []bucketFlags
}

type freshRows struct {
	hash []uint64
	time []int64
	ref  []Ref
}

type bucketFlags struct {
	start, swept  int64
	rows          int
	pieces        []piece
	matched, kept []uint64
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
	snap := &Snapshot{name: name, types: s.types, names: s.names, keyed: s.keyed, file: &Saved{}}
	batch := 0
	for _, b := range s.buckets {
		if len(files) > maxSegments {
			b.pieces, b.saved = nil, 0
		}
		n := len(b.hash)
		for b.saved < n {
			to := min(n, b.saved+pieceRows)
			snap.fresh = append(snap.fresh, freshRows{b.hash[b.saved:to:to], b.time[b.saved:to:to], b.ref[b.saved:to:to]})
			b.pieces = append(b.pieces, piece{snap.file, batch, to - b.saved})
			b.saved, batch = to, batch+1
		}
		snap.buckets = append(snap.buckets, bucketFlags{
			start: b.start, swept: b.swept, rows: n, pieces: slices.Clip(slices.Clone(b.pieces)),
			matched: slices.Clone(b.matched), kept: slices.Clone(b.kept),
		})
	}
	if len(snap.fresh) > 0 {
		for _, c := range s.columns {
			snap.columns = append(snap.columns, slices.Clone(c))
		}
		for _, k := range s.keys {
			snap.keys = append(snap.keys, slices.Clone(k))
		}
		snap.held = slices.Clone(s.segments)
	}
	return snap
}

// Write makes the files of the snapshot with put, and describes them. It fails as put does, or when a column's
// text exceeds 2 GiB.
func (s *Snapshot) Write(put func(name string, data []byte) error) (*SavedStore, error) {
	if len(s.fresh) > 0 {
		data, rows, err := s.segment()
		if err != nil {
			return nil, err
		}
		*s.file = Save("segments/"+s.name+".arrow", rows, data)
		if err := put(s.file.Name, data); err != nil {
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
		for _, flags := range [][]uint64{b.matched, b.kept} {
			for _, w := range flags {
				marks = binary.LittleEndian.AppendUint64(marks, w)
			}
		}
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
		if s.computed(k) {
			fields = append(fields, arrow.Field{Name: fmt.Sprintf("_key%d", k), Type: s.keyType(k), Nullable: true})
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

func (s *Snapshot) computed(k int) bool { return k >= len(s.keyed) || s.keyed[k] < 0 }

func (s *Snapshot) keyType(k int) arrow.DataType {
	for _, c := range s.keys[k] {
		if c != nil {
			return c.dt
		}
	}
	return arrow.Null
}

func (s *Snapshot) segment() ([]byte, int64, error) {
	positions := slices.ContainsFunc(s.held, func(g *segment) bool { return g != nil && g.offsets != nil })
	sc := s.schema(positions)
	var out growing
	w, err := ipc.NewFileWriter(&out, ipc.WithSchema(sc), ipc.WithAllocator(memory.DefaultAllocator))
	if err != nil {
		return nil, 0, err
	}
	rows := int64(0)
	for _, f := range s.fresh {
		var cols []arrow.Array
		for i, t := range s.types {
			a, err := Gather(t, s.columns[i], f.ref)
			if err != nil {
				return nil, 0, err
			}
			cols = append(cols, a)
		}
		for k := range s.keys {
			if !s.computed(k) {
				continue
			}
			a, err := Gather(s.keyType(k), s.keys[k], f.ref)
			if err != nil {
				return nil, 0, err
			}
			cols = append(cols, a)
		}
		cols = append(cols, fixedArray(arrow.PrimitiveTypes.Uint64, arrow.Uint64Traits.CastToBytes(f.hash), len(f.ref)),
			fixedArray(arrow.FixedWidthTypes.Timestamp_us, arrow.Int64Traits.CastToBytes(f.time), len(f.ref)))
		if positions {
			parts, offsets := make([]int32, len(f.ref)), make([]int64, len(f.ref))
			for i, r := range f.ref {
				parts[i], offsets[i] = s.held[r.Segment].position(r.Row)
			}
			cols = append(cols, fixedArray(arrow.PrimitiveTypes.Int32, arrow.Int32Traits.CastToBytes(parts), len(parts)),
				fixedArray(arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(offsets), len(offsets)))
		}
		if err := w.Write(array.NewRecord(sc, cols, int64(len(f.ref)))); err != nil {
			return nil, 0, err
		}
		rows += int64(len(f.ref))
	}
	err = w.Close()
	return out, rows, err
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

// Restore takes up what was saved of one store. segments and marks are its files; columns are the names, in the
// segments, of the store's own columns; mine says, by a row's hash, whether it belongs to this store.
func (s *Store) Restore(saved *SavedStore, segments []*Segment, marks []byte, columns []string, mine func(hash uint64) bool) error {
	if len(segments) != len(saved.Segments) {
		return fmt.Errorf("a checkpoint names %d segments, and %d were read", len(saved.Segments), len(segments))
	}
	files := make([]*Saved, len(segments))
	for i := range saved.Segments {
		files[i] = &saved.Segments[i]
	}
	for _, b := range saved.Buckets {
		words := (b.Rows + 63) / 64
		if len(marks) < words*16 {
			return fmt.Errorf("the marks are shorter than the %d rows of a bucket need", b.Rows)
		}
		matched, kept := marks[:words*8], marks[words*8:words*16]
		marks = marks[words*16:]
		at := 0
		for _, p := range b.Pieces {
			if p.Segment >= len(segments) || p.Batch >= len(segments[p.Segment].records) {
				return fmt.Errorf("a checkpoint names batch %d of segment %d, which is not there", p.Batch, p.Segment)
			}
			if err := s.restorePiece(files[p.Segment], segments[p.Segment].records[p.Batch], p, &b, at, matched, kept, columns, mine); err != nil {
				return fmt.Errorf("%s: %w", files[p.Segment].Name, err)
			}
			at += p.Rows
		}
	}
	return nil
}

func flagged(words []byte, i int) bool { return words[i>>3]&(1<<(i&7)) != 0 }

func (s *Store) restorePiece(file *Saved, rec arrow.Record, p SavedPiece, b *SavedBucket, at int, matched, kept []byte, columns []string, mine func(uint64) bool) error {
	if int(rec.NumRows()) != p.Rows {
		return fmt.Errorf("batch %d has %d rows, want %d", p.Batch, rec.NumRows(), p.Rows)
	}
	column := func(name string) (arrow.Array, error) {
		at := rec.Schema().FieldIndices(name)
		if len(at) == 0 {
			return nil, fmt.Errorf("it has no column %s", name)
		}
		return rec.Column(at[0]), nil
	}
	cols := make([]Column, len(columns))
	for i, name := range columns {
		a, err := column(name)
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
		a, err := column(fmt.Sprintf("_key%d", k))
		if err != nil {
			return err
		}
		keys[k] = View(a)
	}
	h, err := column("_hash")
	if err != nil {
		return err
	}
	t, err := column("_time")
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
	if pc, err := column("_partition"); err == nil {
		oc, err := column("_offset")
		if err != nil {
			return err
		}
		parts, offsets = pc.(*array.Int32).Int32Values(), oc.(*array.Int64).Int64Values()
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
	first := len(own.hash) - len(rows)
	for k, r := range rows {
		i := first + k
		if flagged(matched, at+int(r)) {
			own.matched[i>>6] |= 1 << (i & 63)
		}
		if flagged(kept, at+int(r)) {
			own.kept[i>>6] |= 1 << (i & 63)
		}
	}
	if first == 0 {
		own.swept = b.Swept
	}
	own.swept = min(own.swept, b.Swept)
	if len(rows) == p.Rows && own.saved == first {
		own.pieces = append(own.pieces, piece{file, p.Batch, p.Rows})
		own.saved = len(own.hash)
	}
	return nil
}
