package state

import (
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Columns may be called as what the engine puts beside them: _time is what some tools call an event's time, and what a
// stream was captured with are _partition and _offset.
func TestColumnsNamedAsTheEnginesOwn(t *testing.T) {
	for _, positioned := range []bool{false, true} {
		types := []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64}
		names := []string{"_offset", "_time", "_hash", "_partition", "_key0"}
		make := func() *Store {
			s := NewStore(10, types, 1)
			s.Describe(names, []int{-1})
			return s
		}
		s := make()
		const rows = 3
		var cols []Column
		for c := range types {
			cols = append(cols, int64s([]int64{int64(c)*100 + 1, int64(c)*100 + 2, int64(c)*100 + 3}))
		}
		hashes, times := []uint64{7, 8, 9}, []int64{21, 22, 23}
		var parts []int32
		var offsets []int64
		if positioned {
			parts, offsets = []int32{4, 5, 6}, []int64{14, 15, 16}
		}
		seg := s.Add(cols, []Column{int64s([]int64{31, 32, 33})}, times, parts, offsets, 1)
		s.Insert(seg, []int32{0, 1, 2}, hashes, nil)
		s.Unpin(seg)
		files := map[string][]byte{}
		saved, err := s.Snapshot("000000000001/x").Write(func(name string, data []byte) error {
			files[name] = slices.Clone(data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		back := make()
		r, err := Restore(saved, files[saved.Marks.Name])
		if err != nil {
			t.Fatal(err)
		}
		segment, err := OpenSegment(r.Segments()[0], files[r.Segments()[0].Name])
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Restore(r, 0, segment, names, func(uint64) bool { return true }); err != nil {
			t.Errorf("positioned %v: %v", positioned, err)
			continue
		}
		if back.Positioned() != positioned {
			t.Errorf("positioned: %v, want %v", back.Positioned(), positioned)
		}
		n := 0
		err = back.Sweep(100, func(row Row) {
			i := int(row.Hash - 7)
			part, offset := back.Position(row.Ref)
			key := back.keys[0][row.Ref.Segment].Int64(int(row.Ref.Row))
			if i < 0 || i >= rows || row.Time() != times[i] || key != int64(31+i) || positioned && (part != parts[i] || offset != offsets[i]) || !positioned && offset != -1 {
				t.Errorf("a row of hash %d came back with the time %d, from %d/%d, and the key %d", row.Hash, row.Time(), part, offset, key)
				return
			}
			for c := range types {
				a, err := Gather(types[c], back.Column(c), []Ref{row.Ref})
				if err != nil || a.(*array.Int64).Value(0) != int64(c*100+1+i) {
					t.Errorf("column %s: %v, %v", names[c], a, err)
				}
			}
			n++
		})
		if err != nil || n != rows {
			t.Errorf("positioned %v: %d rows came back: %v", positioned, n, err)
		}
	}
}
