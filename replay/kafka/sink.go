package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// Encoder turns rows into record values, for one goroutine.
type Encoder interface {
	// Encode appends a row of rec, which is borrowed, to dst.
	Encode(dst []byte, rec arrow.Record, row int) []byte
}

// Output is where one output's rows go.
type Output struct {
	Topic string
	// Key names the columns of the records' key; see NewKey. None: records have no key and go to partitions
	// a batch at a time.
	Key []string
	// NewEncoder is called once for every writer.
	NewEncoder func(fields []schema.Field) (Encoder, error)
	// Partitions and Replication are those of a topic that the sink creates; 0 takes the cluster's defaults.
	Partitions  int32
	Replication int16
}

// SinkOptions describe the topics of a run.
type SinkOptions struct {
	Client ClientOptions
	// Outputs are the places by output name.
	Outputs map[string]Output
	// CreateTopics makes the sink create the topics that do not exist; else they are an error.
	CreateTopics bool
	// Compression is zstd, lz4, snappy, gzip or none; "" is zstd.
	Compression string
	// Buffered bounds the bytes that wait for the brokers; 0 is 64 MiB. Write waits when it is reached.
	Buffered int
}

// Sink writes rows to topics. A record's timestamp is its row's event time, cut to milliseconds; a row without
// event time gets the time of writing. Rows of one writer that share a partition keep their order.
type Sink struct {
	opts SinkOptions
	cl   *kgo.Client
	adm  *kadm.Client

	mu     sync.Mutex
	topics map[string]bool // those known to exist

	limits sync.Map // topic -> int32: what its batches may measure
	failed atomic.Pointer[error]
}

var _ replay.Sink = (*Sink)(nil)

// defaultBatch is Kafka's own default of max.message.bytes.
const defaultBatch = 1000012

// NewSink reaches the brokers and makes sure of the topics.
func NewSink(ctx context.Context, opts SinkOptions) (*Sink, error) {
	codec, err := compression(opts.Compression)
	if err != nil {
		return nil, err
	}
	s := &Sink{opts: opts, topics: map[string]bool{}}
	s.opts.Buffered = orDefault(opts.Buffered, 64<<20)
	cl, _, err := connect(ctx, opts.Client,
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec, kgo.NoCompression()),
		kgo.ProducerBatchMaxBytesFn(s.batchLimit),
		kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(1<<18),
		kgo.MaxBufferedBytes(s.opts.Buffered),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return nil, err
	}
	s.cl, s.adm = cl, kadm.NewClient(cl)
	for _, name := range slices.Sorted(maps.Keys(opts.Outputs)) {
		if err := s.ensure(ctx, opts.Outputs[name]); err != nil {
			cl.Close()
			return nil, advise(fmt.Errorf("kafka: output %s: %w", name, err))
		}
	}
	return s, nil
}

func compression(name string) (kgo.CompressionCodec, error) {
	switch strings.ToLower(name) {
	case "", "zstd":
		return kgo.ZstdCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "none":
		return kgo.NoCompression(), nil
	}
	return kgo.CompressionCodec{}, schema.WithHint(fmt.Errorf("kafka: compression %q is not known", name), "write zstd, lz4, snappy, gzip or none")
}

func (s *Sink) batchLimit(topic string) int32 {
	if v, ok := s.limits.Load(topic); ok {
		return v.(int32)
	}
	return defaultBatch
}

// ensure makes sure that the topic exists, and learns how large its batches may be.
func (s *Sink) ensure(ctx context.Context, o Output) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[o.Topic] {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Client.startTimeout())
	defer cancel()
	_, err := partitions(ctx, s.adm, o.Topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		if err = s.create(ctx, o, err); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	// Who may write need not be allowed to read the configuration; then Kafka's default has to do.
	if confs, err := s.adm.DescribeTopicConfigs(ctx, o.Topic); err == nil {
		if conf, err := confs.On(o.Topic, nil); err == nil && conf.Err == nil {
			for _, c := range conf.Configs {
				if n, err := strconv.ParseInt(c.MaybeValue(), 10, 32); c.Key == "max.message.bytes" && err == nil {
					s.limits.Store(o.Topic, int32(min(max(n, 512), 64<<20)))
				}
			}
		}
	}
	s.topics[o.Topic] = true
	return nil
}

func (s *Sink) create(ctx context.Context, o Output, missing error) error {
	if !s.opts.CreateTopics {
		hint := "create it first, or allow it to be created: kafka: {create: true}"
		if near := schema.Hint(missing); strings.HasPrefix(near, "did you mean") {
			hint = near + " Else " + hint
		}
		return schema.WithHint(missing, hint)
	}
	parts, repl := o.Partitions, o.Replication
	if parts <= 0 {
		parts = -1
	}
	if repl <= 0 {
		repl = -1
	}
	_, err := s.adm.CreateTopic(ctx, parts, repl, nil, o.Topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", o.Topic, err)
	}
	// A topic is created before every broker knows it.
	for try := 1; ; try++ {
		if _, err = partitions(ctx, s.adm, o.Topic); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return err
		}
		if !sleep(ctx, pause(try)) {
			return err
		}
	}
}

// Open starts a writer of an output.
func (s *Sink) Open(ctx context.Context, output string, fields []schema.Field) (replay.Writer, error) {
	o, ok := s.opts.Outputs[output]
	if !ok {
		return nil, fmt.Errorf("kafka: output %s has no topic", output)
	}
	enc, err := o.NewEncoder(fields)
	if err != nil {
		return nil, fmt.Errorf("kafka: output %s: %w", output, err)
	}
	w := &writer{sink: s, output: output, topic: o.Topic, enc: enc, free: make(chan *chunk, 64)}
	if len(o.Key) > 0 {
		if w.key, err = NewKey(fields, o.Key); err != nil {
			return nil, fmt.Errorf("kafka: output %s: %w", output, err)
		}
	}
	return w, nil
}

// Seal waits until the brokers have every row written so far.
func (s *Sink) Seal(ctx context.Context, _ int64) ([]byte, error) {
	if err := s.cl.Flush(ctx); err != nil {
		return nil, errors.Join(s.failure(), fmt.Errorf("kafka: flush: %w", err))
	}
	return nil, s.failure()
}

// Publish has nothing to do: sealed rows are visible.
func (s *Sink) Publish(context.Context, int64, []byte) error { return nil }

// Close drops what the brokers do not have yet.
func (s *Sink) Close() error {
	s.cl.Close()
	return nil
}

func (s *Sink) failure() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// chunkRows and chunkBytes bound what is encoded before it is handed to the producer.
const (
	chunkRows  = 1024
	chunkBytes = 256 << 10
)

// chunk is a buffer of encoded rows. The producer borrows it until its last record is acknowledged.
type chunk struct {
	buf     []byte
	ends    []int // of a row's key and of its value
	recs    []kgo.Record
	left    atomic.Int32
	promise func(*kgo.Record, error)
}

type writer struct {
	sink   *Sink
	output string
	topic  string
	enc    Encoder
	key    *Key
	free   chan *chunk
}

// Write encodes the rows and hands them to the producer. It waits while too much waits for the brokers.
func (w *writer) Write(ctx context.Context, rec arrow.Record, times []int64) error {
	rows := int(rec.NumRows())
	if rows == 0 {
		return w.sink.failure()
	}
	if w.key != nil {
		if err := w.key.Reset(rec); err != nil {
			return fmt.Errorf("kafka: output %s: key: %w", w.output, err)
		}
	}
	for row := 0; row < rows; {
		if err := w.sink.failure(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		row += w.send(ctx, rec, row, times)
	}
	return nil
}

func (w *writer) send(ctx context.Context, rec arrow.Record, first int, times []int64) int {
	c := w.take()
	c.buf, c.ends = c.buf[:0], c.ends[:0]
	n := 0
	for ; first+n < int(rec.NumRows()) && n < chunkRows && len(c.buf) < chunkBytes; n++ {
		keyEnd := -1 // no key
		if w.key != nil {
			var null bool
			if c.buf, null = w.key.Append(c.buf, first+n); !null {
				keyEnd = len(c.buf)
			}
		}
		c.buf = w.enc.Encode(c.buf, rec, first+n)
		c.ends = append(c.ends, keyEnd, len(c.buf))
	}
	c.recs = slices.Grow(c.recs[:0], n)[:n]
	c.left.Store(int32(n))
	at := 0
	for i := range c.recs {
		r := &c.recs[i]
		*r = kgo.Record{Topic: w.topic}
		if k := c.ends[2*i]; k >= 0 {
			r.Key, at = c.buf[at:k:k], k
		}
		v := c.ends[2*i+1]
		r.Value, at = c.buf[at:v:v], v
		if times != nil && times[first+i] != replay.NoTime {
			r.Timestamp = time.UnixMilli(floorMilli(times[first+i]))
		}
		w.sink.cl.Produce(ctx, r, c.promise)
	}
	return n
}

// take gives a chunk that the producer is done with, or a new one.
func (w *writer) take() *chunk {
	select {
	case c := <-w.free:
		return c
	default:
	}
	c := &chunk{}
	c.promise = func(r *kgo.Record, err error) {
		if err != nil {
			err = advise(fmt.Errorf("kafka: output %s: topic %s: %w", w.output, w.topic, err))
			w.sink.failed.CompareAndSwap(nil, &err)
		}
		if c.left.Add(-1) == 0 && cap(c.buf) <= 8*chunkBytes {
			select {
			case w.free <- c:
			default:
			}
		}
	}
	return c
}

func floorMilli(micros int64) int64 {
	ms := micros / 1000
	if micros < 0 && ms*1000 != micros {
		ms--
	}
	return max(ms, math.MinInt64/1000)
}
