package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// cluster is a broker to test against: embedded or real.
type cluster struct {
	brokers []string
	cl      *kgo.Client
	adm     *kadm.Client
	fake    *kfake.Cluster // nil for a real one
}

var topicCount atomic.Int64

func newCluster(t testing.TB, brokers []string) *cluster {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(20<<20), kgo.MaxBufferedRecords(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &cluster{brokers: brokers, cl: cl, adm: kadm.NewClient(cl)}
}

func fakeCluster(t testing.TB, opts ...kfake.Opt) *cluster {
	t.Helper()
	f, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	c := newCluster(t, f.ListenAddrs())
	c.fake = f
	return c
}

// topic makes a topic of its own for the test; config is key, value, ...
func (c *cluster) topic(t testing.TB, parts int32, config ...string) string {
	t.Helper()
	name := fmt.Sprintf("t%d-%d", time.Now().UnixNano(), topicCount.Add(1))
	// Rows have fixed times of 2023, which a week's retention would delete at once.
	forever := "-1"
	conf := map[string]*string{"retention.ms": &forever}
	for i := 0; i < len(config); i += 2 {
		conf[config[i]] = &config[i+1]
	}
	if _, err := c.adm.CreateTopic(t.Context(), parts, 1, conf, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func (c *cluster) options() ClientOptions { return ClientOptions{Brokers: c.brokers} }

// put writes values in order and returns the offset of the last.
func (c *cluster) put(t testing.TB, topic string, part int32, values ...string) int64 {
	t.Helper()
	recs := make([]*kgo.Record, len(values))
	for i, v := range values {
		recs[i] = &kgo.Record{Topic: topic, Partition: part, Value: []byte(v), Timestamp: valueTime(v)}
	}
	return c.putRecords(t, recs...)
}

func (c *cluster) putRecords(t testing.TB, recs ...*kgo.Record) int64 {
	t.Helper()
	if err := c.cl.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return recs[len(recs)-1].Offset
}

// transact writes values in one transaction.
func (c *cluster) transact(t testing.TB, topic string, part int32, commit bool, values ...string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(fmt.Sprintf("x%d", topicCount.Add(1))))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		cl.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: part, Value: []byte(v), Timestamp: valueTime(v)}, nil)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	end := kgo.TryAbort
	if commit {
		end = kgo.TryCommit
	}
	if err := cl.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	c.settle(t, topic)
}

// settle waits for the markers of ended transactions; a coordinator answers before it writes them.
func (c *cluster) settle(t testing.TB, topic string) {
	t.Helper()
	for {
		ends, err := c.adm.ListEndOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		stable, err := c.adm.ListCommittedOffsets(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		open := false
		ends.Each(func(o kadm.ListedOffset) {
			s, _ := stable.Lookup(o.Topic, o.Partition)
			open = open || s.Offset < o.Offset
		})
		if !open {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// base is the event time of row 0: far enough back for every broker's limits.
const base = int64(1_700_000_000_000_000)

// row is the value that testDecoder reads: its number, and its event time in seconds behind base.
func row(id, second int) string { return fmt.Sprintf("%d|%d|", id, second) }

func rows(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, row(i, i))
	}
	return out
}

func valueTime(v string) time.Time {
	f := strings.SplitN(v, "|", 3)
	if len(f) != 3 {
		return time.UnixMicro(base)
	}
	sec, _ := strconv.ParseInt(f[1], 10, 64)
	return time.UnixMicro(base + sec*1e6)
}

var testFields = []schema.Field{
	{Name: "id", Type: schema.Type{Kind: schema.BigInt}},
	{Name: "at", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}},
	{Name: "text", Type: schema.Type{Kind: schema.String}},
}

// testDecoder reads id|seconds|text.
type testDecoder struct {
	b *array.RecordBuilder
	n int
}

func newTestDecoder() (Decoder, error) {
	return &testDecoder{b: array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(testFields))}, nil
}

func (d *testDecoder) Append(v []byte) error {
	f := bytes.SplitN(v, []byte("|"), 3)
	if len(f) != 3 {
		return fmt.Errorf("%q is no row", v)
	}
	id, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return err
	}
	sec, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return err
	}
	d.b.Field(0).(*array.Int64Builder).Append(id)
	d.b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(base + sec*1e6))
	d.b.Field(2).(*array.StringBuilder).BinaryBuilder.Append(f[2])
	d.n++
	return nil
}

func (d *testDecoder) Rows() int { return d.n }

func (d *testDecoder) Flush() arrow.Record {
	d.n = 0
	return d.b.NewRecord()
}

// read is what a source gave, by partition.
type read struct {
	ids     map[int32][]int64
	offsets map[int32][]int64
	next    map[int32]int64
	order   []int32 // the partition of each block with rows
	bad     []replay.BadRecord
	ended   map[int32]bool
	opened  []int32
	idle    []int32
	lanes   []replay.Lane
}

// add takes one block and checks what holds for every block.
func (r *read) add(t testing.TB, b replay.Block) {
	t.Helper()
	if b.Opened != nil {
		if b.Lane != len(r.lanes) {
			t.Fatalf("lane %d opened, %d known", b.Lane, len(r.lanes))
		}
		r.lanes = append(r.lanes, *b.Opened)
		r.opened = append(r.opened, b.Opened.Partition)
	}
	p := r.lanes[b.Lane].Partition
	if r.ended[p] {
		t.Fatalf("partition %d goes on behind its end", p)
	}
	r.ended[p] = b.Ended
	if b.Idle {
		r.idle = append(r.idle, p)
	}
	if b.Floor != replay.NoTime {
		t.Fatalf("floor %d promised", b.Floor)
	}
	r.bad = append(r.bad, b.Bad...)
	if b.Record != nil {
		if b.Record.NumRows() == 0 || int(b.Record.NumRows()) != len(b.Offsets) || len(b.Offsets) != len(b.BrokerTimes) {
			t.Fatalf("%d rows, %d offsets, %d broker times", b.Record.NumRows(), len(b.Offsets), len(b.BrokerTimes))
		}
		if last := b.Offsets[len(b.Offsets)-1]; b.Next <= last {
			t.Fatalf("next %d, last offset %d", b.Next, last)
		}
		if b.Offsets[0] < r.next[p] {
			t.Fatalf("offset %d, but the block before promised %d", b.Offsets[0], r.next[p])
		}
		r.ids[p] = append(r.ids[p], b.Record.Column(0).(*array.Int64).Int64Values()...)
		r.offsets[p] = append(r.offsets[p], b.Offsets...)
		r.order = append(r.order, p)
		for i, ts := range b.Record.Column(1).(*array.Timestamp).TimestampValues() {
			if b.BrokerTimes[i] != int64(ts) {
				t.Fatalf("broker time %d, wrote %d", b.BrokerTimes[i], ts)
			}
		}
	}
	r.next[p] = b.Next
}

func newRead(s *Source) *read {
	return &read{ids: map[int32][]int64{}, offsets: map[int32][]int64{}, next: map[int32]int64{}, ended: map[int32]bool{}, lanes: slices.Clone(s.Lanes())}
}

// until reads blocks until enough says so, or to the end when it is nil.
func (r *read) until(t testing.TB, s *Source, enough func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for enough == nil || !enough() {
		b, err := s.Next(ctx)
		if errors.Is(err, io.EOF) && enough == nil {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		r.add(t, b)
	}
}

func (c *cluster) source(t testing.TB, topic string, change func(*SourceOptions)) *Source {
	t.Helper()
	s, err := c.trySource(t, topic, change)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *cluster) trySource(t testing.TB, topic string, change func(*SourceOptions)) (*Source, error) {
	t.Helper()
	o := SourceOptions{Client: c.options(), Topic: topic, Fields: testFields, NewDecoder: newTestDecoder, Until: Latest(), Time: "at"}
	if change != nil {
		change(&o)
	}
	s, err := NewSource(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func (c *cluster) readAll(t testing.TB, topic string, change func(*SourceOptions)) *read {
	t.Helper()
	s := c.source(t, topic, change)
	r := newRead(s)
	r.until(t, s, nil)
	return r
}

func ints(from, to int) []int64 {
	out := []int64{}
	for i := from; i < to; i++ {
		out = append(out, int64(i))
	}
	return out
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %s, want %s", what, brief(got), brief(want))
	}
}

func brief[T any](s []T) string {
	if len(s) > 12 {
		return fmt.Sprintf("%v.. (%d)", s[:12], len(s))
	}
	return fmt.Sprint(s)
}
