package validate

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Run compares both sides. An error means that no comparison was possible; Hint says what to do about it.
func Run(ctx context.Context, opts Options) (*Result, error) {
	if err := opts.defaults(); err != nil {
		return nil, err
	}
	if opts.Out != "" {
		if err := checkOut(opts.Out); err != nil {
			return nil, err
		}
	}
	tmp, err := os.MkdirTemp(opts.TempDir, "lockstep-validate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	o := &opener{ctx: ctx, opts: &opts, tmp: tmp}
	left, notesL, err := openSide(o, opts.Left, "left", nil)
	if err != nil {
		return nil, err
	}
	defer left.close()
	right, notesR, err := openSide(o, opts.Right, "right", opts.Rename)
	if err != nil {
		return nil, err
	}
	defer right.close()
	p, err := newPlan(&opts, left, right)
	if err != nil {
		return nil, err
	}
	p.schema = append(append(notesL, notesR...), p.schema...)
	r := &run{plan: p, tmp: tmp, spill: &spillFile{dir: tmp}}
	defer r.spill.close()
	if err := r.horizon(ctx); err != nil {
		return nil, err
	}
	if err := r.firstPass(ctx); err != nil {
		return nil, err
	}
	return r.secondPass(ctx)
}

func openSide(o *opener, in Input, label string, rename map[string]string) (*side, []Finding, error) {
	files, err := o.open(in, label)
	if err != nil {
		return nil, nil, err
	}
	s, notes, err := newSide(in.name(label), label, files, rename)
	if err != nil {
		for _, f := range files {
			f.close()
		}
	}
	return s, notes, err
}

// run is one comparison under way.
type run struct {
	*plan
	tmp      string
	spill    *spillFile
	end      *instant // the horizon
	marks    [2]marks
	unitRows [2][]int64
	inScope  [2]int64
	pending  [2]int64
	match    match
	progress progress
}

// progress calls the caller's function now and then.
type progress struct {
	mu    sync.Mutex
	f     func(Progress)
	state Progress
	last  int64
}

func (p *progress) start(f func(Progress), pass int, total int64) {
	p.f, p.state, p.last = f, Progress{Pass: pass, Total: total}, 0
}

func (p *progress) add(n int) {
	if p.f == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Rows += int64(n)
	if p.state.Rows-p.last > 1<<16 {
		p.last = p.state.Rows
		p.f(p.state)
	}
}

// totalRows is what the files claim, or -1.
func (r *run) totalRows() int64 {
	n := int64(0)
	for _, s := range r.sides {
		for _, u := range s.units {
			if rows := u.file.rows(u.unit); rows >= 0 {
				n += rows
			} else {
				return -1
			}
		}
	}
	return n
}

// estimate is about how many rows there are, for the number of ranges.
func (r *run) estimate() int64 {
	n := int64(0)
	for _, s := range r.sides {
		for _, u := range s.units {
			if rows := u.file.rows(u.unit); rows >= 0 {
				n += rows
			} else {
				n += u.file.info.Bytes / 40
			}
		}
	}
	return n
}

// eachUnit runs do for the units of both sides, the left first, on as many goroutines as asked for.
func (r *run) eachUnit(ctx context.Context, start func() (do func(ctx context.Context, side, unit int) error, end func() error)) error {
	type job struct{ side, unit int }
	var jobs []job
	for s := range r.sides {
		for u := range r.sides[s].units {
			jobs = append(jobs, job{s, u})
		}
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	firstAt, firstErr := len(jobs), error(nil)
	for range min(r.opts.Parallelism, max(len(jobs), 1)) {
		do, end := start()
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return end()
				}
				if err := do(ctx, jobs[i].side, jobs[i].unit); err != nil {
					mu.Lock()
					if i < firstAt && !errors.Is(err, context.Canceled) { // the earliest place, whichever goroutine was faster
						firstAt, firstErr = i, err
					}
					mu.Unlock()
					return err
				}
			}
		})
	}
	err := g.Wait()
	if firstErr != nil {
		return firstErr
	}
	return err
}

// horizon finds the time beyond which one side may still get rows.
func (r *run) horizon(ctx context.Context) error {
	if r.time == nil {
		return nil
	}
	var mu sync.Mutex
	var latest [2]*instant
	wants := []want{r.time.want()}
	err := r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		return func(ctx context.Context, s, u int) error {
			return r.sides[s].scan(ctx, u, wants, func(b *block) error {
				return b.col(0, func(_ int, v *vec) error {
					var most *instant
					n := v.n
					for j, row := 0, 0; row < n; row++ {
						if v.isNull(row) {
							continue
						}
						i, raw := v.at(j)
						j++
						if t := instantOf(&r.time.common, i, raw); most == nil || most.before(t) {
							most = &t
						}
					}
					mu.Lock()
					defer mu.Unlock()
					if most != nil && (latest[s] == nil || latest[s].before(*most)) {
						latest[s] = most
					}
					return nil
				})
			})
		}, func() error { return nil }
	})
	if err != nil || latest[0] == nil || latest[1] == nil {
		return err
	}
	least := *latest[0]
	if latest[1].before(least) {
		least = *latest[1]
	}
	least = least.minus(r.opts.Settle)
	r.end = &least
	return nil
}

// scope says for each row of a block whether it counts.
type scope struct {
	out     []bool // not in scope: in no count
	pending []bool
}

// scopeOf reads the columns of --where and --time, which are wants from k on; nil when every row counts.
func (r *run) scopeOf(b *block, k int) (*scope, error) {
	if r.where == nil && r.time == nil {
		return nil, nil
	}
	s := &scope{out: make([]bool, b.n), pending: make([]bool, b.n)}
	if r.where != nil {
		keep, err := r.where.eval(b, k)
		if err != nil {
			return nil, err
		}
		for i, ok := range keep {
			s.out[i] = !ok
		}
		k += len(r.where.cols)
	}
	if r.time == nil {
		return s, nil
	}
	return s, b.col(k, func(start int, v *vec) error {
		j := 0
		for row := range v.n {
			if v.isNull(row) {
				if r.since != nil || r.until != nil {
					s.out[start+row] = true
				}
				continue
			}
			i, raw := v.at(j)
			j++
			t := instantOf(&r.time.common, i, raw)
			if r.since != nil && t.before(*r.since) || r.until != nil && !t.before(*r.until) {
				s.out[start+row] = true
			}
			if r.end != nil && r.end.before(t) {
				s.pending[start+row] = true
			}
		}
		return nil
	})
}

// scopeWants are the columns that scopeOf reads.
func (r *run) scopeWants() []want {
	var w []want
	if r.where != nil {
		for i := range r.where.cols {
			w = append(w, r.where.cols[i].want())
		}
	}
	if r.time != nil {
		w = append(w, r.time.want())
	}
	return w
}

// rowLayout says what an entry holds.
func (r *run) rowLayout() layout {
	switch {
	case r.multiset:
		return layout{2, 0}
	case len(r.keys) == 1 && !r.keys[0].common.inBytes():
		return layout{1, 2}
	}
	return layout{2, 2}
}

// hashed are the columns of the row's hash: for multisets the keys too.
func (r *run) hashed() []column {
	if r.multiset {
		return append(append([]column(nil), r.keys...), r.cols...)
	}
	return r.cols
}

const pass1Salt = 1

// firstPass hashes every row of both sides and joins the hashes; afterwards the marks say which rows have to
// be looked at.
func (r *run) firstPass(ctx context.Context) error {
	r.progress.start(r.opts.Progress, 1, r.totalRows())
	units := max(len(r.sides[0].units), len(r.sides[1].units), 1)
	rowBits := uint(placeBits - bits.Len(uint(units)))
	for s := range r.sides {
		n := len(r.sides[s].units)
		r.unitRows[s] = make([]int64, n)
		r.marks[s] = marks{rowBits: rowBits, units: make([][]uint64, n)}
	}
	lay := r.rowLayout()
	words := int64(lay.words())
	rows := r.estimate()
	workers := int64(r.opts.Parallelism)
	// Ranges small enough that a range of both sides and its table fit a worker's share, and the cache.
	most := min(int64(32<<10), r.opts.Memory/8/workers/(words*8+16))
	ranges := 16
	for int64(ranges)*most < rows && ranges < 4096 {
		ranges *= 2
	}
	chunkBytes := min(8<<10, r.opts.Memory/4/(int64(ranges)*workers))
	chunk := int(max(chunkBytes/8/words, 4) * words)
	var mem atomic.Int64
	var sides [2]*entries
	for s := range sides {
		sides[s] = &entries{layout: lay, shift: uint(64 - bits.Len(uint(ranges)-1)), parts: make([]entryPart, ranges),
			chunk: chunk, mem: &mem, budget: r.opts.Memory * 2 / 5, spill: r.spill}
	}
	var inScope, pending [2]atomic.Int64
	err := r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		w := r.newRowHasher(lay)
		out := [2]*entryWriter{sides[0].writer(), sides[1].writer()}
		lastSide := 0
		do := func(ctx context.Context, s, u int) error {
			if s != lastSide { // the left side's chunks are done with
				if err := out[0].close(); err != nil {
					return err
				}
				lastSide = s
			}
			row := int64(0)
			err := r.sides[s].scan(ctx, u, w.wants, func(b *block) error {
				if row+int64(b.n) > 1<<rowBits {
					return fmt.Errorf("more than %d rows in one piece", int64(1)<<rowBits)
				}
				n, wait, err := w.block(b, s, u, row, out[s], &r.marks[s])
				row += int64(b.n)
				inScope[s].Add(n)
				pending[s].Add(wait)
				r.progress.add(b.n)
				return err
			})
			r.unitRows[s][u] = row
			return err
		}
		return do, func() error { return errors.Join(out[0].close(), out[1].close()) }
	})
	if err != nil {
		return err
	}
	for s := range r.sides {
		r.inScope[s], r.pending[s] = inScope[s].Load(), pending[s].Load()
		for u, n := range r.unitRows[s] {
			need := int(n+63) / 64
			if have := r.marks[s].units[u]; len(have) < need {
				r.marks[s].units[u] = append(have, make([]uint64, need-len(have))...)
			}
		}
	}
	if r.forceAll {
		return nil
	}
	return r.join(ctx, sides)
}

// join matches the ranges of both sides in parallel.
func (r *run) join(ctx context.Context, sides [2]*entries) error {
	ranges := len(sides[0].parts)
	words := int64(sides[0].layout.words())
	share := r.opts.Memory / 8 / int64(r.opts.Parallelism)
	var next atomic.Int64
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for range r.opts.Parallelism {
		g.Go(func() error {
			m := &matcher{layout: sides[0].layout, multiset: r.multiset, marks: &r.marks}
			var l, rt []uint64
			var total match
			for {
				p := int(next.Add(1)) - 1
				if p >= ranges || ctx.Err() != nil {
					break
				}
				need := (sides[0].parts[p].words + sides[1].parts[p].words) * 8
				need += need / words * 2
				subs := 1
				for need/int64(subs) > share && subs < 1<<16 && need > 4<<20 {
					subs *= 2
				}
				for sub := range subs {
					var err error
					if l, err = sides[0].load(p, l, sub, subs); err != nil {
						return err
					}
					if rt, err = sides[1].load(p, rt, sub, subs); err != nil {
						return err
					}
					m.run(l, rt, &total)
				}
				sides[0].drop(p)
				sides[1].drop(p)
			}
			mu.Lock()
			defer mu.Unlock()
			r.match.equal += total.equal
			r.match.pairs += total.pairs
			r.match.dups = r.match.dups || total.dups
			r.match.sketch |= total.sketch
			r.match.sumLo += total.sumLo
			r.match.sumHi += total.sumHi
			return ctx.Err()
		})
	}
	return g.Wait()
}

// rowHasher hashes blocks of rows; one per goroutine.
type rowHasher struct {
	r      *run
	layout layout
	wants  []want // keys, scope, hashed columns
	scopeK int
	colK   int
	keys   []*hasher
	cols   []*hasher
	keyLo  []uint64
	keyHi  []uint64
	lo, hi []uint64
	sk     []uint32
	noKey  []bool
}

func (r *run) newRowHasher(lay layout) *rowHasher {
	w := &rowHasher{r: r, layout: lay}
	for i := range r.keys {
		w.wants = append(w.wants, r.keys[i].want())
		w.keys = append(w.keys, newHasher(i, 1, &r.keys[i].common, 0))
	}
	w.scopeK = len(w.wants)
	w.wants = append(w.wants, r.scopeWants()...)
	w.colK = len(w.wants)
	if !r.forceAll {
		cols := r.hashed()
		for i := range cols {
			w.wants = append(w.wants, cols[i].want())
			w.cols = append(w.cols, newHasher(i, len(cols), &cols[i].common, pass1Salt))
		}
	}
	return w
}

func zeroed(s []uint64, n int) []uint64 {
	s = growU64(s, n)
	clear(s)
	return s
}

// block hashes one block and files its rows; it returns how many were in scope and how many of those wait.
func (w *rowHasher) block(b *block, s, unit int, row int64, out *entryWriter, m *marks) (inScope, pending int64, err error) {
	r, n := w.r, b.n
	sc, err := r.scopeOf(b, w.scopeK)
	if err != nil {
		return 0, 0, err
	}
	if cap(w.noKey) < n {
		w.noKey, w.sk = make([]bool, n), make([]uint32, n)
	}
	w.noKey, w.sk = w.noKey[:n], w.sk[:n]
	clear(w.sk)
	for i := range w.noKey {
		w.noKey[i] = len(w.keys) > 0
	}
	direct := w.layout.keyWords == 1
	if !r.multiset || r.forceAll {
		w.keyLo = zeroed(w.keyLo, n)
		if !direct {
			w.keyHi = zeroed(w.keyHi, n)
		}
	}
	for k := range w.keys {
		err := b.col(k, func(start int, v *vec) error {
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
			case r.forceAll, r.multiset:
			case direct:
				exactKeys(v, w.keyLo[start:start+v.n])
			default:
				w.keys[k].add(v, w.keyLo[start:], w.keyHi[start:], w.sk[start:])
			}
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	clear(w.sk)
	w.lo, w.hi = zeroed(w.lo, n), zeroed(w.hi, n)
	for k, h := range w.cols {
		err := b.col(w.colK+k, func(start int, v *vec) error {
			h.add(v, w.lo[start:], w.hi[start:], w.sk[start:])
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	need := int(row+int64(n)+63) / 64
	if have := m.units[unit]; len(have) < need {
		m.units[unit] = append(have, make([]uint64, need-len(have))...)
	}
	base := uint64(unit)<<m.rowBits | uint64(row)
	words, shift := w.layout.words(), out.e.shift
	chunk := out.e.chunk
	for i := range n {
		if sc != nil {
			if sc.out[i] {
				continue
			}
			inScope++
			if sc.pending[i] {
				pending++
				continue
			}
		} else {
			inScope++
		}
		place := base + uint64(i)
		if w.noKey[i] || r.forceAll {
			m.set(place)
			continue
		}
		key := w.lo[i]
		if !r.multiset {
			key = w.keyLo[i]
		}
		p := key >> shift
		t := out.tails[p]
		if cap(t)-len(t) < words {
			if err := out.flush(int(p), false); err != nil {
				return 0, 0, err
			}
			if t = out.tails[p]; t == nil {
				t = make([]uint64, 0, chunk)
			}
		}
		meta := uint64(w.sk[i])<<placeBits | place
		switch {
		case r.multiset:
			t = append(t, key, w.hi[i], meta)
		case direct:
			t = append(t, key, w.lo[i], w.hi[i], meta)
		default:
			t = append(t, key, w.keyHi[i], w.lo[i], w.hi[i], meta)
		}
		out.tails[p] = t
	}
	return inScope, pending, nil
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
