package validate

import (
	"errors"
	"slices"
)

// rowHasher hashes blocks of rows of one side and files them; one per goroutine.
type rowHasher struct {
	r      *run
	side   int
	layout layout
	words  int    // of an entry
	wants  []want // keys, scope, hashed columns
	scopeK int
	colK   int
	out    *entryWriter // the side's own entries
	probe  *prober      // when the other side is indexed
	early  *gatherer    // reads rows that differ back as long as their pages are there
	differ []int32      // those rows, from the block's first on

	twin bool // the unit is the same on both sides: its rows are filed with no hash

	at     []place2 // by want
	addKey []func(start int, v *vec) error
	addCol []func(start int, v *vec) error
	keyLo  []uint64
	keyHi  []uint64
	lo, hi []uint64
	sk     []uint64
	noKey  []bool
	pairs  bool    // columns live as long as the block
	waits  *hasher // a column of words in a dictionary, to be added with the next such
	waitAt []int32
}

// place2 is how far a want's pieces were read, and what is read now.
type place2 struct {
	piece, row, packed int
	view               vec
}

// earlyRun is how many bytes of rows read early are sorted at a time.
const earlyRun = 4 << 20

// stepRows is how many rows of a held block are hashed at a time, so that their sums stay in the cache while
// column after column is added.
const stepRows = 2048

// unchecked is how many rows a block may claim before anything is read.
const unchecked = 4 << 20

func (r *run) newRowHasher(side int, sides [2]*entries, probe bool) *rowHasher {
	w := &rowHasher{r: r, side: side, layout: sides[side].layout, words: sides[side].layout.words(), out: sides[side].writer()}
	for i := range r.keys {
		w.wants = append(w.wants, r.keys[i].want())
		w.addKey = append(w.addKey, w.keyAdder(newHasher(i, 1, &r.keys[i].common, 0)))
	}
	w.scopeK = len(w.wants)
	w.wants = append(w.wants, r.scopeWants()...)
	w.colK = len(w.wants)
	if !r.forceAll {
		cols := r.hashed()
		for i := range cols {
			w.wants = append(w.wants, cols[i].want())
			w.addCol = append(w.addCol, w.colAdder(newHasher(i, len(cols), &cols[i].common, pass1Salt)))
		}
	}
	w.at = make([]place2, len(w.wants))
	if probe && !r.multiset && !r.forceAll {
		w.probe = &prober{e: sides[1-side], first: 1 - side, marks: [2]*marks{&r.marks[0], &r.marks[1]}, rest: w.out}
		w.early = r.newGatherer(r.suspects(true), r.early, earlyRun)
		w.early.out.stay = true
		for c := range w.early.at[len(r.keys):] {
			w.early.at[len(r.keys)+c] = w.colK + c
		}
	}
	return w
}

func (w *rowHasher) keyAdder(h *hasher) func(int, *vec) error {
	direct := w.layout.keyWords == 1
	return func(start int, v *vec) error {
		there := w.noKey[start : start+v.n]
		if v.valid == nil {
			clear(there)
		} else {
			for i, ok := range v.valid[:v.n] {
				if ok {
					there[i] = false
				}
			}
		}
		switch {
		case w.r.forceAll, w.r.multiset:
		case direct:
			exactKeys(v, w.keyLo[start:start+v.n])
		default:
			h.add(v, w.keyLo[start:], w.keyHi[start:], w.sk[start:])
		}
		return nil
	}
}

func (w *rowHasher) colAdder(h *hasher) func(int, *vec) error {
	return func(start int, v *vec) error {
		if !w.pairs || v.dict == nil || v.valid != nil || v.n < len(w.lo) {
			h.add(v, w.lo[start:], w.hi[start:], w.sk[start:])
			return nil
		}
		h.table(v.dict)
		if w.waits == nil {
			w.waits, w.waitAt = h, v.idx
			return nil
		}
		addTwo(w.waits, w.waitAt, h, v.idx, w.lo, w.hi, w.sk)
		w.waits = nil
		return nil
	}
}

// each yields rows from..from+n of want k; of a block that is not held only all at once.
func (w *rowHasher) each(b *block, k, from, n int, do func(start int, v *vec) error) error {
	if b.held == nil {
		return b.col(k, do)
	}
	pieces, err := b.held(k)
	if err != nil {
		return err
	}
	at := &w.at[k]
	for row := 0; row < n; {
		p := pieces[at.piece]
		take := min(n-row, p.v.n-at.row)
		at.packed = p.v.slice(&at.view, at.row, at.row+take, at.packed)
		if err := do(row, &at.view); err != nil {
			return err
		}
		row, at.row = row+take, at.row+take
		if at.row == p.v.n {
			at.piece, at.row, at.packed = at.piece+1, 0, 0
		}
	}
	return nil
}

// block hashes one block and files its rows; it returns how many were in scope and how many of those wait.
func (w *rowHasher) block(b *block, unit int, row int64) (inScope, pending int64, err error) {
	if b.held == nil && b.n > unchecked && len(w.wants) > 0 {
		// A footer may claim anything: see whether the rows are there before memory is made for them.
		if err := b.col(0, func(int, *vec) error { return nil }); err != nil {
			return 0, 0, err
		}
	}
	sc, err := w.r.scopeOf(b, w.scopeK)
	if err != nil {
		return 0, 0, err
	}
	m := &w.r.marks[w.side]
	m.grow(unit, row+int64(b.n))
	base := uint64(unit)<<m.rowBits | uint64(row)
	if w.probe != nil {
		w.differ = w.differ[:0]
		w.probe.differs = m.set
		if b.held != nil {
			if err := w.probe.flush(); err != nil { // rows of a block before that was not held
				return 0, 0, err
			}
			w.probe.differs = func(place uint64) { w.differ = append(w.differ, int32(place-base)) }
		}
	}
	clear(w.at)
	if w.twin && w.probe == nil { // see whether it can be unpacked
		for k := range w.addCol {
			if err := b.col(w.colK+k, func(int, *vec) error { return nil }); err != nil {
				return 0, 0, err
			}
		}
	}
	step := b.n
	if b.held != nil {
		step = stepRows
	}
	for from := 0; from < b.n; from += step {
		n := min(step, b.n-from)
		if err := w.hash(b, from, n); err != nil {
			return 0, 0, err
		}
		if sc == nil && w.words == 4 && !w.r.forceAll && !slices.Contains(w.noKey, true) {
			inScope += int64(n)
			if err := w.fileAll(base + uint64(from)); err != nil {
				return 0, 0, err
			}
			n = 0
		}
		for i := range n {
			if sc != nil {
				if sc.out[from+i] {
					continue
				}
				if inScope++; sc.pending[from+i] {
					pending++
					continue
				}
			} else {
				inScope++
			}
			place := base + uint64(from+i)
			if w.noKey[i] || w.r.forceAll {
				m.set(place)
				continue
			}
			if err := w.file(i, metaOf(w.sk[i], place)); err != nil {
				return 0, 0, err
			}
		}
		if w.probe != nil && w.probe.full() {
			if err := w.probe.flush(); err != nil {
				return 0, 0, err
			}
		}
	}
	if w.probe != nil && b.held != nil {
		if err := w.probe.flush(); err != nil {
			return 0, 0, err
		}
		err = w.readEarly(b, base)
	}
	return inScope, pending, err
}

// hash sums up the hashes of rows from..from+n.
func (w *rowHasher) hash(b *block, from, n int) error {
	r := w.r
	if cap(w.noKey) < n {
		w.noKey, w.sk = make([]bool, n), make([]uint64, n)
	}
	w.noKey, w.sk = w.noKey[:n], w.sk[:n]
	for i := range w.noKey {
		w.noKey[i] = len(r.keys) > 0
	}
	if !r.multiset || r.forceAll {
		w.keyLo = zeroed(w.keyLo, n)
		if w.layout.keyWords == 2 {
			w.keyHi = zeroed(w.keyHi, n)
		}
	}
	for k, add := range w.addKey {
		if err := w.each(b, k, from, n, add); err != nil {
			return err
		}
	}
	clear(w.sk)
	if !r.multiset && !r.forceAll {
		for i, key := range w.keyLo {
			w.sk[i] = key & saltMask
		}
	}
	w.lo, w.hi = zeroed(w.lo, n), zeroed(w.hi, n)
	w.pairs, w.waits = b.held != nil, nil
	for k, add := range w.addCol {
		if w.twin {
			break
		}
		if err := w.each(b, w.colK+k, from, n, add); err != nil {
			return err
		}
	}
	if w.waits != nil {
		w.waits.add(&vec{n: n, idx: w.waitAt, dict: w.waits.dict}, w.lo, w.hi, w.sk)
	}
	return nil
}

func metaOf(sk, place uint64) uint64 { return sk&^saltMask>>sketchAt<<placeBits | place }

// fileAll writes the entries of all hashed rows, of which the first is in that place, as file does each: keys of one
// word that are not NULL, as most have.
func (w *rowHasher) fileAll(place uint64) error {
	keys := w.keyLo
	lo, hi, sk := w.lo[:len(keys)], w.hi[:len(keys)], w.sk[:len(keys)]
	if b := w.probe; b != nil {
		n := len(b.batch)
		b.batch = slices.Grow(b.batch, 4*len(keys))[:n+4*len(keys)]
		all := b.batch[n:]
		for i, key := range keys {
			to := (*[4]uint64)(all)
			to[0], to[1], to[2], to[3] = key, lo[i], hi[i], metaOf(sk[i], place)
			all = all[4:]
			place++
		}
		return nil
	}
	out, shift := w.out, w.out.e.shift
	for i, key := range keys {
		p := key >> shift
		at, t := int(out.used[p]), out.tails[p]
		if at+4 > len(t) {
			if err := out.flush(int(p)); err != nil {
				return err
			}
			at, t = 0, out.tails[p]
		}
		out.used[p] = int32(at + 4)
		to := (*[4]uint64)(t[at:])
		to[0], to[1], to[2], to[3] = key, lo[i], hi[i], metaOf(sk[i], place)
		place++
	}
	return nil
}

// file writes the entry of hashed row i.
func (w *rowHasher) file(i int, meta uint64) error {
	var to []uint64
	if b := w.probe; b != nil {
		n := len(b.batch)
		b.batch = slices.Grow(b.batch, w.words)[:n+w.words]
		to = b.batch[n:]
	} else {
		key := w.lo[i]
		if !w.r.multiset {
			key = w.keyLo[i]
		}
		var err error
		if to, err = w.out.next(key >> w.out.e.shift); err != nil {
			return err
		}
	}
	switch {
	case w.r.multiset:
		to[0], to[1], to[2] = w.lo[i], w.hi[i], meta
	case w.words == 4:
		to[0], to[1], to[2], to[3] = w.keyLo[i], w.lo[i], w.hi[i], meta
	default:
		to[0], to[1], to[2], to[3], to[4] = w.keyLo[i], w.keyHi[i], w.lo[i], w.hi[i], meta
	}
	return nil
}

// readEarly reads the rows of a held block that differ back at once, which saves the second pass from reading
// their columns again; once that has taken its share of memory, they are marked for it.
func (w *rowHasher) readEarly(b *block, base uint64) error {
	slices.Sort(w.differ)
	if w.r.earlySum.Load() > w.r.opts.Memory/8 {
		for _, i := range w.differ {
			w.r.marks[w.side].set(base + uint64(i))
		}
		return nil
	}
	before := w.early.out.total
	err := w.early.block(b, w.side, w.differ)
	w.r.earlySum.Add(w.early.out.total - before)
	return err
}

// close hands over what the goroutine still has.
func (w *rowHasher) close() (match, error) {
	var out match
	var err error
	if w.probe != nil {
		w.probe.differs = w.r.marks[w.side].set
		err = errors.Join(w.probe.flush(), w.early.out.close())
		out = w.probe.out
	}
	return out, errors.Join(err, w.out.close())
}

func zeroed(s []uint64, n int) []uint64 {
	s = growU64(s, n)
	clear(s)
	return s
}

// exactKeys writes the bijection of each key.
func exactKeys(v *vec, out []uint64) {
	out = out[:v.n]
	j := 0
	for i := range out {
		if v.valid != nil && !v.valid[i] {
			continue
		}
		x := j
		j++
		if v.dict != nil {
			out[i] = exact(v.dict.i64[v.idx[x]])
		} else {
			out[i] = exact(v.i64[x])
		}
	}
}
