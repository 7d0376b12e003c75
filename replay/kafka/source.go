package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// Decoder turns record values into rows, for one goroutine. Append borrows the value; an error leaves the rows
// as they were and says why this value is none. Flush returns the rows since the last Flush, one column for
// each of the source's fields, and starts anew.
type Decoder interface {
	Append(value []byte) error
	Rows() int
	Flush() arrow.Record
}

// BadPolicy is the pipeline's on_bad_record.
type BadPolicy uint8

// The policies. Fail ends the run at the first record that is no row, and names it; Reject passes such records
// on in Block.Bad.
const (
	Fail BadPolicy = iota
	Reject
)

// SourceOptions describe a read of one topic.
type SourceOptions struct {
	Client ClientOptions
	Topic  string
	// Fields are the columns of what NewDecoder's decoders give.
	Fields []schema.Field
	// NewDecoder is called once for every decoding goroutine.
	NewDecoder  func() (Decoder, error)
	OnBadRecord BadPolicy
	// Advice is what the error of a record under Fail advises beside its own; "" speaks of on_bad_record.
	Advice string
	// Since is where the read starts; zero: at the beginning. A position given to Seek goes before it.
	Since Bound
	// Until is where it ends; zero: never.
	Until Bound
	// Time names the event time's column. Of the partitions that have rows ready, the one whose newest time
	// is least comes first, so that the engine's state stays small. "" takes them in turn.
	Time string
	// Idle, when above 0, makes a partition that has had no row for so long tell so. Needs Now. A partition
	// is not idle while its broker is away, while it has records to read, or while its rows wait for Next.
	Idle time.Duration
	// Now is the clock that measures Idle; it is called from several goroutines.
	Now func() time.Time
	// Refresh is the time between looks for new partitions; 0 is 30 s. A bounded read does not look: its end
	// is fixed when it starts.
	Refresh time.Duration
	// Decoders is the number of decoding goroutines; 0 is 2.
	Decoders int
	// ReadAhead is the number of bytes read ahead in one partition; 0 is 1 MiB. It is less where the topic has
	// more than 64 partitions, so that all stay below 64 times as much. A partition may exceed it by one fetch,
	// which is half as much, 64 KiB to 2 MiB, as the broker keeps it, compressed.
	ReadAhead int
	// BlockRows is the greatest number of rows of a block; 0 is 16,384.
	BlockRows int
}

// Source reads one topic without a consumer group: positions are the caller's.
type Source struct {
	opts  SourceOptions
	fetch int // the bytes of a partition that are asked for at once
	admin *kgo.Client
	adm   *kadm.Client
	watch *watch
	time  int // column of the event time, -1 without

	known    []replay.Lane
	id       kadm.TopicID
	parts    map[int32]span
	started  bool
	consumer *kgo.Client
	stop     context.CancelFunc
	done     sync.WaitGroup
	work     chan *piece
	ready    chan struct{} // something changed for Next
	room     chan struct{} // something changed for the reader

	mu       sync.Mutex
	lanes    []*lane
	byPart   map[int32]*lane
	announce []*lane
	err      error // ends the run once everything read before it was taken
	bad      error // ends it at once: a record under Fail, whose lane was taken up to it
	turn     int
	ended    int
}

var _ replay.Source = (*Source)(nil)

// NewSource asks the brokers for the topic's partitions and the bounds' offsets, and reads nothing yet.
func NewSource(ctx context.Context, opts SourceOptions) (*Source, error) {
	if opts.Idle > 0 && opts.Now == nil {
		return nil, errors.New("kafka: idle needs a clock")
	}
	opts.Decoders = orDefault(opts.Decoders, 2)
	opts.BlockRows = orDefault(opts.BlockRows, 16384)
	opts.Refresh = orDefault(opts.Refresh, 30*time.Second)
	s := &Source{opts: opts, time: -1, byPart: map[int32]*lane{}, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	if opts.Time != "" {
		s.time = slices.IndexFunc(opts.Fields, func(f schema.Field) bool { return f.Name == opts.Time })
		if s.time < 0 || opts.Fields[s.time].Type.Kind != schema.Timestamp {
			return nil, fmt.Errorf("kafka: topic %s: %s is no timestamp column", opts.Topic, opts.Time)
		}
	}
	var err error
	s.admin, s.watch, err = connect(ctx, opts.Client)
	if err != nil {
		return nil, err
	}
	s.adm = kadm.NewClient(s.admin)
	if err := s.look(ctx); err != nil {
		s.admin.Close()
		return nil, advise(fmt.Errorf("kafka: %w", err))
	}
	ahead := orDefault(opts.ReadAhead, 1<<20)
	s.fetch = min(max(ahead/2, 64<<10), 2<<20)
	s.opts.ReadAhead = min(ahead, max(64*ahead/max(len(s.lanes), 1), 64<<10))
	return s, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// TopicID is what tells the topic from others that had its name before, "" of brokers that do not say.
func (s *Source) TopicID() string {
	if s.id == (kadm.TopicID{}) {
		return ""
	}
	return s.id.String()
}

// look fills id, parts and known.
func (s *Source) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Client.startTimeout())
	defer cancel()
	topic, err := describe(ctx, s.adm, s.opts.Topic)
	if err != nil {
		return err
	}
	s.id = topic.ID
	if s.parts, err = spans(ctx, s.adm, s.opts.Topic); err != nil {
		return s.watch.cause(err)
	}
	since, err := s.opts.Since.resolve(ctx, s.adm, s.opts.Topic, s.parts, func(p span) int64 { return p.start })
	if err != nil {
		return s.watch.cause(err)
	}
	until, err := s.opts.Until.resolve(ctx, s.adm, s.opts.Topic, s.parts, func(span) int64 { return forever })
	if err != nil {
		return s.watch.cause(err)
	}
	for _, p := range slices.Sorted(maps.Keys(s.parts)) {
		l := newLane(p)
		l.num = len(s.lanes)
		l.pos, l.high = s.parts[p].start, s.parts[p].stable
		if at, ok := since[p]; ok {
			l.pos = max(at, l.pos)
		}
		l.end = until[p] // 0, hence nothing, for a partition that an explicit end does not name
		s.lanes = append(s.lanes, l)
		s.byPart[p] = l
		s.known = append(s.known, replay.Lane{Name: strconv.Itoa(int(p)), Partition: p, Next: l.pos})
	}
	return nil
}

// Fields are the decoders' columns.
func (s *Source) Fields() []schema.Field { return s.opts.Fields }

// Lanes are the partitions that the topic had when NewSource asked, in ascending order.
func (s *Source) Lanes() []replay.Lane { return s.known }

// Ends are the offsets at which a bounded read ends; nil when it does not.
func (s *Source) Ends() map[int32]int64 {
	if s.opts.Until.kind == noBound {
		return nil
	}
	out := make(map[int32]int64, len(s.known))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		out[l.partition] = l.end
	}
	return out
}

// Seek makes the partitions named start at these offsets. An offset that the topic no longer has, or does not
// have yet, is an error: going on elsewhere would lose rows in silence. A partition that is not named starts where
// Since says, or at its beginning when that is Latest.
func (s *Source) Seek(positions map[string]int64) error {
	if s.started {
		return errors.New("kafka: seek after the first block")
	}
	for _, name := range slices.Sorted(maps.Keys(positions)) {
		at := positions[name]
		p, err := strconv.ParseInt(name, 10, 32)
		l := s.byPart[int32(p)]
		if err != nil || l == nil {
			return schema.WithHint(fmt.Errorf("kafka: topic %s has no partition %q, which the position names", s.opts.Topic, name),
				"the topic may have been created again with fewer partitions; start again without --resume")
		}
		have := s.parts[int32(p)]
		if at < have.start {
			return advise(fmt.Errorf("kafka: topic %s, partition %d: position %d is gone, the first offset is now %d: %w", s.opts.Topic, p, at, have.start, kerr.OffsetOutOfRange))
		}
		if at > have.stable {
			return advise(fmt.Errorf("kafka: topic %s, partition %d: position %d lies behind the end %d: %w", s.opts.Topic, p, at, have.stable, kerr.OffsetOutOfRange))
		}
		l.pos = at
	}
	// A partition that came while the run stood still is read whole, as one that comes during a run is.
	for _, l := range s.lanes {
		if _, named := positions[strconv.Itoa(int(l.partition))]; !named && s.opts.Since.kind == atLatest {
			l.pos = s.parts[l.partition].start
		}
		s.known[l.num].Next = l.pos
	}
	return nil
}

// Next waits for the next block.
func (s *Source) Next(ctx context.Context) (replay.Block, error) {
	if !s.started {
		if err := s.start(); err != nil {
			return replay.Block{}, advise(fmt.Errorf("kafka: %w", err))
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return replay.Block{}, err
		}
		b, ok, err := s.take()
		if ok || err != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
		case <-s.ready:
		}
	}
}

// take returns what is ready: the lanes found first, then the head of the lane whose newest time is least.
func (s *Source) take() (replay.Block, bool, error) {
	s.mu.Lock()
	if s.bad != nil {
		defer s.mu.Unlock()
		return replay.Block{}, false, s.bad
	}
	if len(s.announce) > 0 {
		l := s.announce[0]
		s.announce = s.announce[1:]
		b := replay.Block{Lane: l.num, Opened: &replay.Lane{Name: strconv.Itoa(int(l.partition)), Partition: l.partition}, Next: l.from, Floor: replay.NoTime}
		s.mu.Unlock()
		return b, true, nil
	}
	var best *lane
	for i := range s.lanes {
		l := s.lanes[(s.turn+i)%len(s.lanes)]
		if len(l.queue) > 0 && l.queue[0].decoded && (best == nil || l.newest < best.newest) {
			best = l
		}
	}
	if best == nil {
		defer s.mu.Unlock()
		if s.ended == len(s.lanes) {
			return replay.Block{}, false, io.EOF
		}
		if slices.ContainsFunc(s.lanes, func(l *lane) bool { return len(l.queue) > 0 }) {
			return replay.Block{}, false, nil // being decoded
		}
		return replay.Block{}, false, s.err
	}
	s.turn = best.num + 1
	p := best.queue[0]
	best.queue[0] = nil
	best.queue = best.queue[1:]
	best.bytes -= p.bytes
	best.newest = max(best.newest, p.newest)
	if p.block.Ended {
		s.ended++
	}
	s.bad = p.err
	resume := best.paused && best.bytes <= s.opts.ReadAhead/2
	if resume {
		best.paused = false
	}
	if resume {
		s.consumer.ResumeFetchPartitions(map[string][]int32{s.opts.Topic: {best.partition}})
	}
	s.mu.Unlock()
	wake(s.room)
	if p.err != nil && p.block.Record == nil {
		return replay.Block{}, false, p.err
	}
	return p.block, true, nil
}

// Close stops reading and waits for the source's goroutines.
func (s *Source) Close() error {
	if s.stop != nil {
		s.stop()
	}
	if s.consumer != nil {
		s.consumer.CloseAllowingRebalance()
	}
	s.done.Wait()
	s.admin.Close()
	return nil
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
