package validate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// Twins. Two outputs that are the same are most often the same bytes: a rerun, or a day's folder that nothing
// touched. Where the columns of a left and a right row group are the same compressed bytes, their rows are the same
// rows in the same order, and only one of them is unpacked in full (so that damage is found). Where all of the indexed
// side is in memory, each of its rows is matched with the row of the same place while the index is made, and a row of
// another row group that has its key finds it matched. Else the keys of both are read.

// twins says whether unit u of both sides is the same, in every column that is read for the row's hash, and in those
// that say whether a row counts: else a key's rows that count may be those of two other units, each filed with no hash.
func (r *run) twins(ctx context.Context, u int) (bool, error) {
	if r.multiset || r.forceAll || u >= len(r.sides[0].units) || u >= len(r.sides[1].units) {
		return false, nil
	}
	a, b := r.sides[0].units[u], r.sides[1].units[u]
	left, ok1 := a.file.source.(*parquetFile)
	right, ok2 := b.file.source.(*parquetFile)
	if !ok1 || !ok2 || left.rows(a.unit) != right.rows(b.unit) {
		return false, nil
	}
	type pair struct{ l, r *pnode }
	var leaves []pair
	var match func(x, y *pnode) bool
	match = func(x, y *pnode) bool {
		if x.name != y.name || !x.typ.same(y.typ) || x.maxDef != y.maxDef || x.maxRep != y.maxRep || len(x.kids) != len(y.kids) {
			return false
		}
		if x.kids == nil {
			leaves = append(leaves, pair{x, y})
			return x.elem.Type == y.elem.Type && x.elem.TypeLength == y.elem.TypeLength
		}
		for i := range x.kids {
			if !match(x.kids[i], y.kids[i]) {
				return false
			}
		}
		return true
	}
	read, seen := r.scopeWants(), map[string]bool{}
	for _, c := range slices.Concat(r.keys, r.cols) {
		read = append(read, c.want())
	}
	for _, c := range read {
		if seen[c.name] {
			continue
		}
		seen[c.name] = true
		nodes := [2]*pnode{}
		for s, f := range []*parquetFile{left, right} {
			name := c.name
			if o, ok := r.sides[s].orig[name]; ok {
				name = o
			}
			nodes[s] = f.by[name]
		}
		if nodes[0] == nil || nodes[1] == nil {
			return false, nil // in a folder's name, or NULL in this file
		}
		x, y := *nodes[0], *nodes[1]
		x.name, y.name = c.name, c.name
		if !match(&x, &y) {
			return false, nil
		}
	}
	for _, l := range leaves {
		if left.chunkSize(a.unit, l.l.leaf) != right.chunkSize(b.unit, l.r.leaf) {
			return false, nil
		}
	}
	for _, l := range leaves {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if same, err := sameChunk(left, a.unit, l.l.leaf, right, b.unit, l.r.leaf); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// skipTwins returns the twins of side first when those of the other side need not be read, and nil when they do. Rows
// without a key, which are marked by now, are marked on the other side, too.
func (r *run) skipTwins(first int, e *entries) []bool {
	if r.where != nil || r.time != nil || r.offsets != nil || !slices.Contains(r.twin, true) {
		return nil
	}
	for p := range e.parts {
		if !e.indexable(&e.parts[p]) {
			return nil
		}
	}
	for u, twin := range r.twin {
		if twin {
			r.marks[1-first].grow(u, r.unitRows[first][u])
			copy(r.marks[1-first].units[u], r.marks[first].units[u])
		}
	}
	return r.twin
}

// chunkRange is where a column chunk lies in its file.
func (f *parquetFile) chunkRange(unit, leaf int) (off, end int64, ok bool) {
	c := &f.file.Metadata().RowGroups[unit].Columns[leaf]
	m := &c.MetaData
	off = m.DataPageOffset
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < off {
		off = m.DictionaryPageOffset
	}
	end = off + m.TotalCompressedSize
	return off, end, c.FilePath == "" && c.CryptoMetadata.Value == nil && off >= 4 && end >= off && end <= f.size
}

// chunkSize is everything about a chunk that costs nothing to compare.
func (f *parquetFile) chunkSize(unit, leaf int) [4]int64 {
	m := &f.file.Metadata().RowGroups[unit].Columns[leaf].MetaData
	return [4]int64{m.TotalCompressedSize, m.TotalUncompressedSize, m.NumValues, int64(m.Codec)}
}

func sameChunk(f *parquetFile, unit, leaf int, g *parquetFile, gUnit, gLeaf int) (bool, error) {
	off, end, ok1 := f.chunkRange(unit, leaf)
	gOff, gEnd, ok2 := g.chunkRange(gUnit, gLeaf)
	if !ok1 || !ok2 || end-off != gEnd-gOff {
		return false, nil
	}
	mem := lease{pool: f.pool}
	defer mem.release()
	x, y := mem.bytes(1<<20), mem.bytes(1<<20)
	for n := int64(0); n < end-off; n += int64(len(x)) {
		size := min(int64(len(x)), end-off-n)
		if err := readFull(f, x[:size], off+n); err != nil {
			return false, err
		}
		if err := readFull(g, y[:size], gOff+n); err != nil {
			return false, err
		}
		if !bytes.Equal(x[:size], y[:size]) {
			return false, nil
		}
	}
	return true, nil
}

func readFull(f *parquetFile, b []byte, off int64) error {
	if n, err := f.bytes.ReadAt(b, off); n < len(b) {
		return fmt.Errorf("%s: read at %d: %w", f.name, off, err)
	}
	return nil
}
