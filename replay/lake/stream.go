package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/parquet"
)

// streams gives each lane's rows in the order of their offsets, and the lanes aligned: the next block comes
// from the lane whose newest event time is least.
type streams struct {
	s       *Source
	all     []*laneState
	started bool
}

type laneState struct {
	replay.Lane
	runs []*run
	// at is the run being delivered.
	at int
	// newest is the greatest event time delivered; without a time column the number of rows.
	newest int64
	next   int64
	ended  bool
}

// run is a stretch of a lane whose offsets overlap no other stretch's: one unit, or several that have to be
// sorted together.
type run struct {
	segs   []segment
	lo, hi int64
	// from is the offset at which a checkpoint goes on.
	from    int64
	started bool
	out     chan block
	err     error
}

// segment is what one unit holds of one partition.
type segment struct {
	unit      *unit
	data      *unitData
	partition int64
	lo, hi    int64
	sorted    bool
	// only says that the unit holds nothing else.
	only bool
}

// unitData is a unit that several partitions share: read once, kept until each has had its part.
type unitData struct {
	once  sync.Once
	mu    sync.Mutex
	parts map[int64][]block
	err   error
}

func newFileLanes(s *Source) delivery {
	st := &streams{s: s}
	lanes := map[*dataFile]*laneState{}
	for _, f := range s.files {
		lane := &laneState{Lane: replay.Lane{Name: f.obj.Name, Partition: -1}, newest: replay.NoTime}
		lanes[f] = lane
		st.all = append(st.all, lane)
	}
	for _, u := range s.units {
		lane := lanes[u.file]
		lane.runs = append(lane.runs, &run{lo: u.first, hi: u.first + u.rows - 1,
			segs: []segment{{unit: u, partition: -1, lo: u.first, hi: u.first + u.rows - 1, sorted: true, only: true}}})
	}
	return st
}

// newPartitionLanes reads the positions of every unit, which are two columns of numbers: statistics tell
// neither whether rows are sorted nor what a unit of several partitions holds of each.
func newPartitionLanes(ctx context.Context, s *Source) (delivery, error) {
	found := make([][]segment, len(s.units))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opts.Parallelism)
	for i, u := range s.units {
		g.Go(func() error {
			var err error
			found[i], err = s.scanPositions(ctx, u)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	byPartition := map[int64][]segment{}
	for _, segs := range found {
		for _, seg := range segs {
			byPartition[seg.partition] = append(byPartition[seg.partition], seg)
		}
	}
	st := &streams{s: s}
	for p, segs := range byPartition {
		if p != int64(int32(p)) {
			return nil, fmt.Errorf("read %s: column %s has %d, which is no partition", s.opts.Place, s.opts.Partition, p)
		}
		lane := &laneState{Lane: replay.Lane{Name: strconv.FormatInt(p, 10), Partition: int32(p)}, newest: replay.NoTime}
		slices.SortFunc(segs, func(a, b segment) int {
			return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), cmp.Compare(a.unit.file.number, b.unit.file.number), cmp.Compare(a.unit.group, b.unit.group))
		})
		for _, seg := range segs {
			if n := len(lane.runs); n > 0 && seg.lo <= lane.runs[n-1].hi {
				r := lane.runs[n-1]
				r.segs, r.hi = append(r.segs, seg), max(r.hi, seg.hi)
				continue
			}
			lane.runs = append(lane.runs, &run{segs: []segment{seg}, lo: seg.lo, hi: seg.hi})
		}
		st.all = append(st.all, lane)
	}
	slices.SortFunc(st.all, func(a, b *laneState) int { return cmp.Compare(a.Partition, b.Partition) })
	return st, nil
}

// scanPositions finds what a unit holds of each partition.
func (s *Source) scanPositions(ctx context.Context, u *unit) ([]segment, error) {
	f := u.file
	if err := f.shared.acquire(); err != nil {
		return nil, err
	}
	defer f.shared.release()
	number := schema.Type{Kind: schema.BigInt}
	reader, err := f.pq.Reader([]schema.Field{{Name: s.opts.Partition, Type: number}, {Name: s.opts.Offset, Type: number}}, parquet.ReadOptions{})
	if err != nil {
		return nil, err
	}
	rows, err := reader.RowGroup(u.group)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var segs []segment
	var last []int64
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rec, err := rows.Next(64 << 10)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		for i, name := range []string{s.opts.Partition, s.opts.Offset} {
			if n := rec.Column(i).NullN(); n > 0 {
				return nil, fmt.Errorf("read %s: row group %d: column %s is NULL in %d rows", f.obj.Name, u.group, name, n)
			}
		}
		partitions, offsets := wordsOf(rec.Column(0)), wordsOf(rec.Column(1))
		at := -1
		for i, p := range partitions {
			if at < 0 || segs[at].partition != p {
				if at = slices.IndexFunc(segs, func(s segment) bool { return s.partition == p }); at < 0 {
					at = len(segs)
					segs = append(segs, segment{unit: u, partition: p, lo: offsets[i], hi: offsets[i], sorted: true})
					last = append(last, offsets[i])
					continue
				}
			}
			seg, o := &segs[at], offsets[i]
			if o == last[at] {
				return nil, s.duplicate(p, o, f.obj.Name)
			}
			seg.sorted = seg.sorted && o > last[at]
			last[at] = o
			seg.lo, seg.hi = min(seg.lo, o), max(seg.hi, o)
		}
	}
	if len(segs) == 1 {
		segs[0].only = true
	} else {
		shared := &unitData{}
		for i := range segs {
			segs[i].data = shared
		}
	}
	return segs, nil
}

func (s *Source) duplicate(partition, offset int64, file string) error {
	return schema.WithHint(fmt.Errorf("read %s: partition %d has the offset %d more than once (in %s)", s.opts.Place, partition, offset, file),
		"the same capture may lie there twice; remove one of the copies")
}

func (st *streams) lanes() []replay.Lane {
	out := make([]replay.Lane, len(st.all))
	for i, l := range st.all {
		out[i] = l.Lane
	}
	return out
}

func (st *streams) seek(positions map[string]int64) error {
	for _, l := range st.all {
		from, ok := positions[l.Name]
		if !ok {
			continue
		}
		l.next = from
		l.at = sort.Search(len(l.runs), func(i int) bool { return l.runs[i].hi >= from })
		if l.at < len(l.runs) {
			l.runs[l.at].from = from
		}
	}
	return nil
}

// start begins run i of a lane, if there is one.
func (st *streams) start(l *laneState, i int) {
	if i >= len(l.runs) || l.runs[i].started {
		return
	}
	r := l.runs[i]
	r.started = true
	// Two blocks ahead keep a decoder busy; more would add up over many lanes.
	r.out = make(chan block, 2)
	st.s.wait.Go(func() {
		defer close(r.out)
		r.err = st.s.feed(r)
	})
}

// feed decodes a run and hands out its blocks.
func (s *Source) feed(r *run) error {
	send := func(b block) error {
		if n := sort.Search(len(b.offsets), func(i int) bool { return b.offsets[i] >= r.from }); r.from > 0 && n > 0 {
			b = b.slice(n, len(b.offsets))
		}
		if b.rec.NumRows() == 0 {
			return nil
		}
		select {
		case r.out <- b:
			return nil
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	if len(r.segs) == 1 && r.segs[0].only && r.segs[0].sorted {
		return s.decode(s.ctx, r.segs[0].unit, 0, send)
	}
	var blocks []block
	for i, seg := range r.segs {
		part, err := s.part(seg)
		if err != nil {
			return err
		}
		blocks = append(blocks, part...)
		r.segs[i].data = nil
	}
	blocks = slices.DeleteFunc(blocks, func(b block) bool { return b.rec.NumRows() == 0 })
	if len(blocks) == 0 {
		return nil
	}
	whole, err := joinBlocks(blocks)
	if err != nil {
		return err
	}
	if !slices.IsSorted(whole.offsets) {
		rows := make([]int32, len(whole.offsets))
		for i := range rows {
			rows[i] = int32(i)
		}
		slices.SortFunc(rows, func(a, b int32) int { return cmp.Compare(whole.offsets[a], whole.offsets[b]) })
		if whole, err = whole.take(rows); err != nil {
			return err
		}
	}
	for i := 1; i < len(whole.offsets); i++ {
		if whole.offsets[i] == whole.offsets[i-1] {
			seg := r.segs[0]
			return s.duplicate(seg.partition, whole.offsets[i], seg.unit.file.obj.Name)
		}
	}
	for from := 0; from < len(whole.offsets); from += s.opts.BlockRows {
		if err := send(whole.slice(from, min(len(whole.offsets), from+s.opts.BlockRows))); err != nil {
			return err
		}
	}
	return nil
}

// part is what a unit holds of the segment's partition.
func (s *Source) part(seg segment) ([]block, error) {
	if seg.only {
		var out []block
		err := s.decode(s.ctx, seg.unit, 0, func(b block) error {
			out = append(out, b)
			return nil
		})
		return out, err
	}
	d := seg.data
	d.once.Do(func() {
		d.parts = map[int64][]block{}
		d.err = s.decode(s.ctx, seg.unit, 0, func(b block) error {
			rows := map[int64][]int32{}
			for i, p := range b.partitions {
				rows[p] = append(rows[p], int32(i))
			}
			for p, r := range rows {
				part := b
				if len(r) < len(b.partitions) {
					var err error
					if part, err = b.take(r); err != nil {
						return err
					}
				}
				d.parts[p] = append(d.parts[p], part)
			}
			return nil
		})
	})
	if d.err != nil {
		return nil, d.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.parts[seg.partition]
	delete(d.parts, seg.partition)
	return out, nil
}

func (st *streams) next(ctx context.Context) (replay.Block, error) {
	if !st.started {
		st.started = true
		for _, l := range st.all[:min(len(st.all), 2*st.s.opts.Parallelism)] {
			st.start(l, l.at)
		}
	}
	for {
		best := -1
		for i, l := range st.all {
			if !l.ended && (best < 0 || l.newest < st.all[best].newest) {
				best = i
			}
		}
		if best < 0 {
			return replay.Block{}, io.EOF
		}
		l := st.all[best]
		if l.at >= len(l.runs) {
			l.ended = true
			return replay.Block{Lane: best, Next: l.next, Floor: replay.NoTime, Ended: true}, nil
		}
		st.start(l, l.at)
		st.start(l, l.at+1)
		r := l.runs[l.at]
		select {
		case <-ctx.Done():
			return replay.Block{}, ctx.Err()
		case b, ok := <-r.out:
			if !ok {
				if r.err != nil {
					return replay.Block{}, r.err
				}
				l.runs[l.at] = nil
				l.at++
				continue
			}
			return st.deliver(best, l, b)
		}
	}
}

func (st *streams) deliver(number int, l *laneState, b block) (replay.Block, error) {
	if len(b.offsets) != int(b.rec.NumRows()) {
		return replay.Block{}, errors.New("a block without offsets")
	}
	if b.offsets[0] < l.next {
		return replay.Block{}, st.s.duplicate(int64(l.Partition), b.offsets[0], st.s.opts.Place)
	}
	b.partitions = nil
	out := b.replayBlock(number)
	l.next = b.offsets[len(b.offsets)-1] + 1
	out.Next = l.next
	if b.times == nil {
		l.newest = max(l.newest, 0) + b.rec.NumRows()
	}
	for _, t := range b.times {
		l.newest = max(l.newest, t)
	}
	return out, nil
}
