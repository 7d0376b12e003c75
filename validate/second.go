package validate

import (
	"bytes"
	"context"
	"fmt"
)

// secondPass reads the marked rows again and judges them cell by cell.
func (r *run) secondPass(ctx context.Context) (*Result, error) {
	full := r.opts.Out != "" || r.opts.Patterns || r.multiset || r.forceAll || r.match.dups || r.small()
	cols := r.suspects(full)
	for {
		s, err := r.readBack(ctx, cols)
		if err != nil {
			return nil, err
		}
		j := newJury(r, cols)
		if err := j.hear(ctx, s); err != nil {
			return nil, err
		}
		if len(cols) < len(r.cols) && (j.needAll || j.sum != r.match.sum || j.pairs != r.match.pairs) {
			// Some difference lies in a column whose bits of the sketch happened to agree, or copies of a row have to
			// be told apart: read them all.
			cols = r.suspects(true)
			continue
		}
		return r.conclude(ctx, s, j)
	}
}

// small says that reading every column costs nothing worth saving.
func (r *run) small() bool { return r.inScope[0]+r.inScope[1] < 200_000 }

// suspects are the columns in which a pair may differ, and the time of its rows, unless one of them was read early and
// has that.
func (r *run) suspects(all bool) []int {
	var out []int
	_, clock := r.clock()
	timeless := !all && r.marks[0].any() && r.marks[1].any() // in the first pass, marks are being set
	for i := range r.cols {
		h := newHasher(i, len(r.cols), &r.cols[i].common, pass1Salt)
		if all || i == clock && timeless || uint64(r.match.sketch)<<sketchAt&h.mask != 0 {
			out = append(out, i)
		}
	}
	return out
}

// readBack reads the marked rows: keys and the given columns. Rows that were read back early are there too.
func (r *run) readBack(ctx context.Context, cols []int) (*sorter, error) {
	total := int64(0)
	for s := range r.sides {
		for u := range r.sides[s].units {
			if r.marks[s].count(u) > 0 {
				total += r.unitRows[s][u]
			}
		}
	}
	r.progress.start(r.opts.Progress, 2, total)
	s := r.early.copy()
	limit := int(min(r.opts.Memory/4/int64(r.opts.Parallelism), 1<<30))
	err := r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		g := r.newGatherer(cols, s, limit)
		return func(ctx context.Context, side, u int) error {
			if r.marks[side].count(u) == 0 {
				return nil
			}
			row := int64(0)
			err := r.sides[side].scan(ctx, u, g.wants, func(b *block) error {
				if row+int64(b.n) > r.unitRows[side][u] {
					return errChanged
				}
				g.rows = r.marks[side].within(g.rows[:0], u, row, b.n)
				err := g.block(b, side, g.rows)
				row += int64(b.n)
				r.progress.add(b.n)
				return err
			})
			if err == nil && row != r.unitRows[side][u] {
				err = errChanged
			}
			if err == errChanged {
				err = placed(r.sides[side].units[u].file.info.Path, err)
			}
			return err
		}, g.out.close
	})
	if err == nil {
		err = s.compact()
	}
	return s, err
}

var errChanged = fmt.Errorf("the file changed while it was read")

// gatherer collects the cells of some rows of blocks; one per goroutine.
type gatherer struct {
	r     *run
	wants []want // keys and columns
	at    []int  // where they are among the block's
	wide  bool   // all columns
	out   sortBuffer
	rows  []int32
	arena []byte   // cells, a column after the other
	cell  []uint32 // cell (column, row) is arena[cell[c*n+r]:cell[c*n+r+1]]
	key   []byte
	cells []byte

	packed  []int32
	touched uint64 // keeps the compiler from leaving loads out
}

func (r *run) newGatherer(cols []int, to *sorter, limit int) *gatherer {
	g := &gatherer{r: r, wide: len(cols) == len(r.cols), out: sortBuffer{s: to, limit: limit}}
	for i := range r.keys {
		g.wants = append(g.wants, r.keys[i].want())
	}
	for _, c := range cols {
		g.wants = append(g.wants, r.cols[c].want())
	}
	for i := range g.wants {
		g.at = append(g.at, i)
	}
	return g
}

// block collects rows, which are in order.
func (g *gatherer) block(b *block, side int, rows []int32) error {
	n := len(rows)
	if n == 0 {
		return nil
	}
	g.arena, g.cell = g.arena[:0], g.cell[:0]
	for k := range g.wants {
		next := 0 // in rows
		t := &g.wants[k].dst
		err := b.col(g.at[k], func(start int, v *vec) error {
			from := next
			for next < n && int(rows[next]) < start+v.n {
				next++
			}
			for _, at := range g.find(v, rows[from:next], start) {
				g.cell = append(g.cell, uint32(len(g.arena)))
				if at < 0 {
					g.arena = appendNull(g.arena)
				} else {
					i, raw := v.at(int(at))
					g.arena = appendCell(g.arena, t, i, raw)
				}
				if len(g.arena) > 1<<31 {
					return fmt.Errorf("the rows to compare of one piece hold more than 2 GiB")
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	g.cell = append(g.cell, uint32(len(g.arena)))
	nk := len(g.r.keys)
	for i := range n {
		g.key, g.cells = g.key[:0], g.cells[:0]
		for k := range g.wants {
			c := g.arena[g.cell[k*n+i]:g.cell[k*n+i+1]]
			if k < nk || g.r.multiset {
				g.key = append(g.key, c...)
			} else {
				g.cells = append(g.cells, c...)
			}
		}
		if err := g.out.add(g.key, byte(side), g.wide, g.cells); err != nil {
			return err
		}
	}
	return nil
}

// find returns where the values of rows are in v, whose first row is start; -1 for NULL. It touches them, too: these
// loads do not wait for each other, where the copying of one value after the other waits for memory at each.
func (g *gatherer) find(v *vec, rows []int32, start int) []int32 {
	g.packed = g.packed[:0]
	if v.valid == nil {
		for _, row := range rows {
			g.packed = append(g.packed, row-int32(start))
		}
	} else {
		at, from := int32(0), 0
		for _, row := range rows {
			row := int(row) - start
			for _, ok := range v.valid[from:row] {
				one := int32(0)
				if ok {
					one = 1
				}
				at += one
			}
			from = row
			if v.valid[row] {
				g.packed = append(g.packed, at)
			} else {
				g.packed = append(g.packed, -1)
			}
		}
	}
	sum := uint64(0)
	for _, at := range g.packed {
		switch {
		case at < 0:
		case v.dict != nil:
			sum += uint64(v.idx[at])
		case v.i64 != nil:
			sum += uint64(v.i64[at])
		default:
			sum += uint64(v.offs[at])
		}
	}
	if v.dict == nil && v.i64 == nil {
		for _, at := range g.packed {
			if at >= 0 && int(v.offs[at]) < len(v.data) {
				sum += uint64(v.data[v.offs[at]])
			}
		}
	}
	g.touched += sum
	return g.packed
}

// group is all rows of one key that were read back.
type group struct {
	key  []byte
	rows [2][]record
	n    [2]int64 // beyond groupKeep rows only the number is kept
	same bool     // all rows have the same cells
}

// groupKeep is how many rows of one key and side are held at once; a key with more is a broken one anyway.
const groupKeep = 64

// groups calls do for every key in order. Rows of a key beyond groupKeep go to over one by one, before do.
func groups(ctx context.Context, s *sorter, over func(*group, record) error, do func(*group) error) error {
	g := &group{}
	some := false
	count := 0
	var first []byte
	err := s.each(func(rec record) error {
		if count++; count&4095 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if some && !bytes.Equal(rec.key, g.key) {
			if err := do(g); err != nil {
				return err
			}
			g.rows[0], g.rows[1], g.n = g.rows[0][:0], g.rows[1][:0], [2]int64{}
			some = false
		}
		if !some {
			g.key, some = append(g.key[:0], rec.key...), true
			first = append(first[:0], rec.cells()...)
			g.same = true
		}
		g.same = g.same && bytes.Equal(first, rec.cells())
		side := rec.side()
		if g.n[side]++; g.n[side] <= groupKeep {
			rows := g.rows[side]
			if len(rows) < cap(rows) { // the memory of earlier groups
				rows = rows[:len(rows)+1]
			} else {
				rows = append(rows, record{})
			}
			last := &rows[len(rows)-1]
			last.key, last.rest, last.wide = g.key, append(last.rest[:0], rec.rest...), rec.wide
			g.rows[side] = rows
		}
		if over != nil && g.n[side] > groupKeep {
			return over(g, rec)
		}
		return nil
	})
	if err == nil && some {
		err = do(g)
	}
	return err
}

// class of a group.
type class uint8

const (
	pairClass class = iota
	onlyLeft
	onlyRight
	duplicated
	nullKey
)

// classify says what a group is; nulls are the keys' bytes when all are NULL.
func (r *run) classify(g *group) class {
	if n := len(r.keys); n > 0 {
		null := true
		key := g.key
		for i := 0; i < n && null; i++ {
			null = key[0] == 0
			key = key[1:]
		}
		if null {
			return nullKey
		}
	}
	switch {
	case r.multiset && g.n[1] == 0:
		return onlyLeft
	case r.multiset && g.n[0] == 0:
		return onlyRight
	case r.multiset:
		return pairClass
	case g.n[0] > 1 || g.n[1] > 1:
		return duplicated
	case g.n[1] == 0:
		return onlyLeft
	case g.n[0] == 0:
		return onlyRight
	}
	return pairClass
}
