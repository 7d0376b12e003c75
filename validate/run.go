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
	r := newRun(p, tmp)
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
	atMark   bool     // it is the last instant before a watermark
	marks    [2]marks
	unitRows [2][]int64
	inScope  [2]int64
	pending  [2]int64
	twin     []bool // by unit: see twins
	skip     []bool // twin, when the other side's twins are not read at all; else nil
	match    match
	early    *sorter      // rows that were read back in the first pass
	earlySum atomic.Int64 // their bytes
	progress progress
}

func newRun(p *plan, tmp string) *run {
	r := &run{plan: p, tmp: tmp, spill: &spillFile{dir: tmp}}
	r.early = &sorter{spill: r.spill}
	return r
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

// estimate is about how many rows a side has.
func (r *run) estimate(side int) int64 {
	n := int64(0)
	for _, u := range r.sides[side].units {
		if rows := u.file.rows(u.unit); rows >= 0 {
			n += rows
		} else {
			n += u.file.info.Bytes / 40
		}
	}
	return n
}

// eachUnit runs do for the units of both sides, or of those given, in their order, on as many goroutines as
// asked for.
func (r *run) eachUnit(ctx context.Context, start func() (do func(ctx context.Context, side, unit int) error, end func() error), sides ...int) error {
	type job struct{ side, unit int }
	var jobs []job
	if sides == nil {
		sides = []int{0, 1}
	}
	for _, s := range sides {
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
	latest, unknown, err := r.watermarks()
	if err != nil {
		return err
	}
	wants := []want{r.time.want()}
	err = r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		return func(ctx context.Context, s, u int) error {
			if !unknown[s] {
				return nil
			}
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
	if err == nil {
		r.setHorizon(latest)
	}
	return err
}

// scope says for each row of a block whether it counts.
type scope struct {
	out     []bool // not in scope: in no count
	pending []bool
}

// scopeOf reads the columns of --where and --time, which are wants from k on; nil when every row counts.
func (r *run) scopeOf(b *block, k int) (*scope, error) {
	if r.where == nil && r.time == nil && r.offsets == nil {
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
	if r.offsets != nil {
		if err := r.offsets.see(b, k, s.pending); err != nil {
			return nil, err
		}
		k += 2
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
	if r.offsets != nil {
		w = append(w, r.offsets.partition.want(), r.offsets.offset.want())
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

const (
	pass1Salt   = 1
	keptRange   = 24 << 10 // entries of a range that is kept, or matched, at a time
	spillFactor = 4
)

// firstPass hashes every row of both sides and matches the hashes; afterwards the marks say which rows have to
// be looked at.
func (r *run) firstPass(ctx context.Context) error {
	r.progress.start(r.opts.Progress, 1, r.totalRows())
	units := max(len(r.sides[0].units), len(r.sides[1].units), 1)
	rowBits := uint(placeBits - bits.Len(uint(units)))
	for s := range r.sides {
		n := len(r.sides[s].units)
		r.unitRows[s] = make([]int64, n)
		r.marks[s].rowBits, r.marks[s].units = rowBits, make([][]uint64, n)
	}
	lay := r.rowLayout()
	words := int64(lay.words())
	rows := [2]int64{r.estimate(0), r.estimate(1)}
	first := 0 // the side that is indexed
	if rows[1] < rows[0] {
		first = 1
	}
	workers := int64(r.opts.Parallelism)
	budget := r.opts.Memory * 2 / 5
	// Ranges few enough that writing to all of them at once stays in the cache, and so small that, where ranges are
	// joined at the end, one of both sides fits a worker's share. Where they are kept, so small that a worker's cache
	// holds one, and its entries in chunks of which few stay half empty; where most go to disk, so large that they go in
	// long pieces: by 4 KiB, 100 M rows took twice as much of the system's time for each as 10 M.
	most, chunk := r.opts.Memory/16/workers/(words*8+16), uint(11)
	if rows[first]*words*8 < spillFactor*budget {
		most, chunk = min(most, keptRange), 8
	}
	ranges := 16
	for int64(ranges)*most < max(rows[first], (rows[0]+rows[1])/4) && ranges < 4096 {
		ranges *= 2
	}
	for chunk > 2 && r.opts.Memory/8/(int64(ranges)*workers) < words*8<<chunk {
		chunk--
	}
	var mem atomic.Int64
	var mine arena
	defer mine.free()
	var sides [2]*entries
	for s := range sides {
		sides[s] = &entries{layout: lay, shift: uint(64 - bits.Len(uint(ranges)-1)), parts: make([]entryPart, ranges),
			chunk: chunk, mem: &mem, budget: budget, victim: ranges, spill: r.spill, arena: &mine}
	}
	r.twin = make([]bool, len(r.sides[first].units))
	if err := r.hashSide(ctx, first, sides, false); err != nil {
		return err
	}
	if !r.multiset && !r.forceAll {
		r.skip = r.skipTwins(first, sides[first])
		m, err := sides[first].index(ctx, r.opts.Parallelism, indexer{first: first, marks: [2]*marks{&r.marks[0], &r.marks[1]}, skip: r.skip})
		if err != nil {
			return err
		}
		r.match.add(m)
	}
	if err := r.hashSide(ctx, 1-first, sides, true); err != nil {
		return err
	}
	if r.forceAll {
		return nil
	}
	sides[first].unmatched(&r.marks[first], r.opts.Parallelism)
	return r.join(ctx, sides)
}

// hashSide hashes the rows of a side, and matches them with the other side when that is indexed.
func (r *run) hashSide(ctx context.Context, side int, sides [2]*entries, probe bool) error {
	var inScope, pending atomic.Int64
	var mu sync.Mutex
	err := r.eachUnit(ctx, func() (func(context.Context, int, int) error, func() error) {
		w := r.newRowHasher(side, sides, probe)
		do := func(ctx context.Context, s, u int) error {
			row := int64(0)
			if !probe {
				same, err := r.twins(ctx, u)
				if err != nil {
					return err
				}
				r.twin[u] = same
			}
			w.twin = u < len(r.twin) && r.twin[u]
			if probe && w.twin && r.skip != nil { // matched already, and not read
				r.unitRows[s][u] = r.unitRows[1-s][u]
				inScope.Add(r.unitRows[s][u])
				r.progress.add(int(r.unitRows[s][u]))
				return nil
			}
			err := r.sides[s].scan(ctx, u, w.wants, func(b *block) error {
				if row+int64(b.n) > 1<<r.marks[s].rowBits {
					return placed(r.sides[s].units[u].file.info.Path, fmt.Errorf("more than %d rows in one piece", int64(1)<<r.marks[s].rowBits))
				}
				n, wait, err := w.block(b, u, row)
				row += int64(b.n)
				inScope.Add(n)
				pending.Add(wait)
				r.progress.add(b.n)
				return err
			})
			r.unitRows[s][u] = row
			return err
		}
		return do, func() error {
			m, err := w.close()
			mu.Lock()
			r.match.add(m)
			mu.Unlock()
			return err
		}
	}, side)
	r.inScope[side], r.pending[side] = inScope.Load(), pending.Load()
	return err
}

// join matches the ranges that have no index, in parallel.
func (r *run) join(ctx context.Context, sides [2]*entries) error {
	ranges := len(sides[0].parts)
	words := int64(sides[0].layout.words())
	share := r.opts.Memory / 8 / int64(r.opts.Parallelism)
	var next atomic.Int64
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for range r.opts.Parallelism {
		g.Go(func() error {
			m := &matcher{layout: sides[0].layout, multiset: r.multiset, marks: [2]*marks{&r.marks[0], &r.marks[1]}}
			var l, rt [][]uint64
			var total match
			for {
				p := int(next.Add(1)) - 1
				if p >= ranges || ctx.Err() != nil {
					break
				}
				if sides[0].parts[p].dir != nil || sides[1].parts[p].dir != nil {
					continue
				}
				need := (sides[0].parts[p].words + sides[1].parts[p].words) * 8
				need += need / words * 2
				subs := 1
				for need/int64(subs) > share && subs < 1<<16 && need > 4<<20 {
					subs *= 2
				}
				parts := 1
				for need/8/words/int64(subs*parts) > 2*keptRange && subs*parts < 1<<16 {
					parts *= 2
				}
				for sub := range subs {
					var err error
					if l, err = sides[0].load(p, l, parts, sub, subs); err != nil {
						return err
					}
					if rt, err = sides[1].load(p, rt, parts, sub, subs); err != nil {
						return err
					}
					for i := range parts {
						m.run(l[i], rt[i], &total)
					}
				}
				sides[0].drop(p)
				sides[1].drop(p)
			}
			mu.Lock()
			defer mu.Unlock()
			r.match.add(total)
			return ctx.Err()
		})
	}
	return g.Wait()
}
