package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

const (
	fetchWait  = 200 * time.Millisecond // how long a broker holds a fetch that has nothing to give
	tick       = 100 * time.Millisecond
	firstProbe = 3 // ticks without news after which a bounded read asks what lies before its end
	lastProbe  = 20
	// missingLooks is how often in a row a topic must be missing before it counts as deleted.
	missingLooks = 3
)

// start begins to read. Three kinds of goroutines run until Close: one reads, some decode, one watches.
func (s *Source) start() error {
	s.started = true
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	from := map[int32]kgo.Offset{}
	for _, l := range s.lanes {
		l.from = l.pos
		if s.opts.Now != nil {
			l.rowAt = s.opts.Now()
		}
		if l.pos >= l.end {
			s.put(l, &piece{lane: l, decoded: true, newest: replay.NoTime, block: replay.Block{Next: l.pos, Ended: true}})
			l.closed = true
			continue
		}
		from[l.partition] = kgo.NewOffset().At(l.pos)
	}
	if len(from) == 0 {
		return nil
	}
	opts, err := Client(s.opts.Client)
	if err != nil {
		return err
	}
	decoders := make([]Decoder, s.opts.Decoders)
	for i := range decoders {
		if decoders[i], err = s.opts.NewDecoder(); err != nil {
			return fmt.Errorf("topic %s: %w", s.opts.Topic, err)
		}
	}
	s.consumer, err = kgo.NewClient(append(opts,
		kgo.WithHooks(s.watch),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.opts.Topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Transaction markers take offsets; seen, they move the position.
		kgo.KeepControlRecords(),
		// Records that vanished are an error, not a jump.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(int32(16*s.fetch)),
		kgo.FetchMaxPartitionBytes(int32(s.fetch)),
	)...)
	if err != nil {
		return err
	}
	s.work = make(chan *piece, 2*s.opts.Decoders)
	for _, d := range decoders {
		s.done.Go(func() { s.decodeAll(d) })
	}
	s.done.Go(func() {
		defer close(s.work)
		s.read(ctx)
	})
	s.done.Go(func() { s.keepWatch(ctx) })
	return nil
}

func (s *Source) decodeAll(dec Decoder) {
	for p := range s.work {
		s.decode(p, dec)
		s.mu.Lock()
		p.decoded = true
		if p.block.Record != nil {
			p.lane.idle = false
			if s.opts.Now != nil {
				p.lane.rowAt = s.opts.Now()
			}
		}
		s.mu.Unlock()
		wake(s.ready)
	}
}

// put appends to the lane's queue; s.mu is held, or nothing runs yet.
func (s *Source) put(l *lane, p *piece) {
	p.block.Lane = l.num
	p.block.Floor = replay.NoTime
	l.queue = append(l.queue, p)
	l.bytes += p.bytes
	l.quiet, l.probeAt = 0, firstProbe
}

// fail ends the run with err once everything read before it was taken.
func (s *Source) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = advise(err)
	}
	s.mu.Unlock()
	wake(s.ready)
}

func (s *Source) read(ctx context.Context) {
	for s.awaitRoom(ctx) {
		fetches := s.consumer.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		failed := false
		fetches.EachPartition(func(tp kgo.FetchTopicPartition) {
			if tp.Err != nil && !passing(tp.Err) {
				failed = true
				s.fail(fmt.Errorf("kafka: topic %s, partition %d: %w", s.opts.Topic, tp.Partition, tp.Err))
				return
			}
			if len(tp.Records) > 0 && !failed {
				s.accept(ctx, tp.FetchPartition)
			}
		})
		if failed {
			return
		}
		s.balance()
	}
}

// passing reports whether an error goes away by itself, as those of a restarting or moving broker do.
func passing(err error) bool {
	return kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err) || errors.Is(err, context.DeadlineExceeded)
}

// accept queues a fetch's records, cut at the lane's end, and hands them to the decoders.
func (s *Source) accept(ctx context.Context, fp kgo.FetchPartition) {
	partition, recs := fp.Partition, fp.Records
	s.mu.Lock()
	l := s.byPart[partition]
	if l == nil || l.closed {
		s.mu.Unlock()
		return
	}
	// The watch may have moved the position over markers that arrive now.
	for len(recs) > 0 && recs[0].Offset < l.pos {
		recs = recs[1:]
	}
	if len(recs) == 0 {
		s.mu.Unlock()
		return
	}
	next := recs[len(recs)-1].Offset + 1
	cut, _ := slices.BinarySearchFunc(recs, l.end, func(r *kgo.Record, end int64) int {
		if r.Offset < end {
			return -1
		}
		return 1
	})
	recs = recs[:cut]
	l.pos, l.high = min(next, l.end), fp.LastStableOffset
	last := next >= l.end
	var pieces []*piece
	for {
		n, bytes := 0, 0
		for n < len(recs) && n < s.opts.BlockRows && (n == 0 || bytes+len(recs[n].Value) <= maxPieceBytes) {
			bytes += len(recs[n].Value)
			n++
		}
		p := &piece{lane: l, recs: recs[:n], bytes: bytes}
		recs = recs[n:]
		if len(recs) > 0 {
			p.block.Next = recs[0].Offset
		} else {
			p.block.Next, p.block.Ended = l.pos, last
		}
		s.put(l, p)
		pieces = append(pieces, p)
		if len(recs) == 0 {
			break
		}
	}
	l.closed = last
	s.mu.Unlock()
	if last {
		s.consumer.RemoveConsumePartitions(map[string][]int32{s.opts.Topic: {partition}})
	}
	for _, p := range pieces {
		select {
		case s.work <- p:
		case <-ctx.Done():
			return
		}
	}
}

// balance stops fetching lanes that have read far ahead while another has room and records to read. Each broker
// serves one fetch at a time, so a pause costs up to fetchWait when all that is left to ask for is quiet.
func (s *Source) balance() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var full []int32
	behind := false
	for _, l := range s.lanes {
		switch {
		case l.closed:
		case l.bytes < s.opts.ReadAhead:
			behind = behind || l.pos < l.high
		case !l.paused:
			full = append(full, l.partition)
		}
	}
	if !behind || len(full) == 0 {
		return
	}
	for _, p := range full {
		s.byPart[p].paused = true
	}
	// Under the lock, so that a take between could not resume before the pause.
	s.consumer.PauseFetchPartitions(map[string][]int32{s.opts.Topic: full})
}

// awaitRoom waits while a lane has read far enough ahead and no other is behind: what the client holds then
// waits too, where a pause would throw it away. It reports false when there is nothing left to read.
func (s *Source) awaitRoom(ctx context.Context) bool {
	for {
		s.mu.Lock()
		open, full, behind := false, false, false
		for _, l := range s.lanes {
			if l.closed {
				continue
			}
			open = true
			if l.bytes >= s.opts.ReadAhead {
				full = true
			} else {
				behind = behind || l.pos < l.high
			}
		}
		s.mu.Unlock()
		switch {
		case !open && s.opts.Until.kind != noBound:
			return false
		case behind || !full:
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.room:
		}
	}
}

// keepWatch looks for what a fetch does not tell: positions that move over holes, idle and new partitions.
func (s *Source) keepWatch(ctx context.Context) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	refresh := time.NewTicker(s.opts.Refresh)
	defer refresh.Stop()
	bounded := s.opts.Until.kind != noBound
	missing := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-refresh.C:
			if missing = s.findNew(ctx, bounded, missing); missing == missingLooks {
				return
			}
		case <-ticks.C:
			for _, l := range s.due(bounded) {
				s.ask(ctx, l)
			}
		}
	}
}

type question struct {
	lane *lane
	pos  int64
	idle bool // it has had no row for the idle time
}

func (s *Source) due(bounded bool) []question {
	if !bounded && s.opts.Idle <= 0 {
		return nil
	}
	var now time.Time
	if s.opts.Now != nil {
		now = s.opts.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []question
	for _, l := range s.lanes {
		if l.closed || len(l.queue) > 0 {
			continue
		}
		l.quiet++
		idle := s.opts.Idle > 0 && !l.idle && now.Sub(l.rowAt) >= s.opts.Idle
		if l.quiet < l.probeAt || !bounded && !idle {
			continue
		}
		l.probeAt = l.quiet + min(l.probeAt, lastProbe)
		out = append(out, question{l, l.pos, idle})
	}
	return out
}

// ask asks the broker what lies at a quiet lane's position, and draws the conclusions.
func (s *Source) ask(ctx context.Context, q question) {
	ans, err := probe(ctx, s.admin, s.adm, s.opts.Topic, q.lane.partition, q.pos)
	if err != nil || ans.rows {
		return // the reader has its own way to learn of both
	}
	s.mu.Lock()
	l := q.lane
	if l.closed || l.pos != q.pos || len(l.queue) > 0 {
		s.mu.Unlock()
		return
	}
	p := &piece{lane: l, decoded: true, newest: replay.NoTime}
	l.pos = min(max(l.pos, ans.next), l.end)
	p.block.Next = l.pos
	p.block.Ended = l.pos >= l.end
	p.block.Idle = q.idle && !p.block.Ended && ans.next >= ans.stable
	if l.pos == q.pos && !p.block.Idle {
		s.mu.Unlock()
		return
	}
	l.closed = p.block.Ended
	l.idle = l.idle || p.block.Idle
	s.put(l, p)
	s.mu.Unlock()
	if p.block.Ended {
		s.consumer.RemoveConsumePartitions(map[string][]int32{s.opts.Topic: {l.partition}})
		wake(s.room)
	}
	wake(s.ready)
}

// findNew begins to read partitions that the topic did not have before, from Since; a bounded read leaves them
// be. It counts the looks in a row that did not find the topic: the client itself waits for it without end.
func (s *Source) findNew(ctx context.Context, bounded bool, missing int) int {
	found, err := partitions(ctx, s.adm, s.opts.Topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		if missing++; missing == missingLooks {
			s.fail(schema.WithHint(fmt.Errorf("kafka: topic %s was deleted during the run: %w", s.opts.Topic, kerr.UnknownTopicOrPartition),
				"what was read before stands; start again once the topic is back"))
		}
		return missing
	}
	if err == nil && !bounded {
		s.addNew(ctx, found)
	}
	return 0
}

func (s *Source) addNew(ctx context.Context, found []int32) {
	s.mu.Lock()
	found = slices.DeleteFunc(found, func(p int32) bool { return s.byPart[p] != nil })
	s.mu.Unlock()
	if len(found) == 0 {
		return
	}
	have, err := spans(ctx, s.adm, s.opts.Topic)
	if err != nil {
		return
	}
	// What such a partition holds came after the read started, so only a time can leave part of it out.
	since := s.opts.Since
	if since.kind != atTime {
		since = Bound{}
	}
	starts, err := since.resolve(ctx, s.adm, s.opts.Topic, have, func(p span) int64 { return p.start })
	if err != nil {
		return
	}
	add := map[int32]kgo.Offset{}
	s.mu.Lock()
	for _, p := range found {
		at, ok := starts[p]
		if !ok {
			continue
		}
		l := newLane(p)
		l.num, l.pos, l.from, l.high = len(s.lanes), at, at, have[p].stable
		if s.opts.Now != nil {
			l.rowAt = s.opts.Now()
		}
		s.lanes = append(s.lanes, l)
		s.byPart[p] = l
		s.announce = append(s.announce, l)
		add[p] = kgo.NewOffset().At(at)
	}
	s.mu.Unlock()
	s.consumer.AddConsumePartitions(map[string]map[int32]kgo.Offset{s.opts.Topic: add})
	for _, p := range found {
		s.watch.say("kafka: topic " + s.opts.Topic + " has a new partition " + strconv.Itoa(int(p)))
	}
	wake(s.room)
	wake(s.ready)
}
