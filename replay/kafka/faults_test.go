package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-data/lockstep/schema"
)

// A batch that compaction emptied keeps its offsets. The client passes over it without a word, so that only
// the broker's answer to a question of our own can end the read.
func TestEmptyBatchBeforeTheEnd(t *testing.T) {
	c := fakeCluster(t, kfake.NumBrokers(1))
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 5)...)
	c.put(t, topic, 0, rows(5, 10)...)
	c.fake.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || req.Topics[0].Partitions[0].FetchOffset < 5 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.HighWatermark, rp.LastStableOffset = 10, 10
		if req.Topics[0].Partitions[0].FetchOffset < 10 {
			rp.RecordBatches = emptyBatch(5, 9)
		}
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	s := c.source(t, topic, nil)
	if err := s.Seek(map[string]int64{"0": 5}); err != nil {
		t.Fatal(err)
	}
	r := newRead(s)
	r.until(t, s, nil)
	equal(t, "ids", r.ids[0], nil)
	if r.next[0] != 10 || !r.ended[0] {
		t.Fatalf("next %d, ended %v", r.next[0], r.ended[0])
	}
}

func emptyBatch(first, last int64) []byte {
	b := kmsg.RecordBatch{FirstOffset: first, Magic: 2, LastOffsetDelta: int32(last - first), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func TestLeaderMoves(t *testing.T) {
	c := fakeCluster(t)
	topic := c.topic(t, 2)
	c.put(t, topic, 0, rows(0, 2000)...)
	c.put(t, topic, 1, rows(0, 2000)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{}; o.BlockRows = 100; o.ReadAhead = 1 })
	r := newRead(s)
	for i := range 6 {
		want := 2000 + i*10
		r.until(t, s, func() bool { return len(r.ids[0]) >= want && len(r.ids[1]) >= want })
		for p := range int32(2) {
			if err := c.fake.MoveTopicPartition(topic, p, (c.fake.LeaderFor(topic, p)+1)%3); err != nil {
				t.Fatal(err)
			}
			c.put(t, topic, p, rows(want, want+10)...)
		}
	}
	r.until(t, s, func() bool { return len(r.ids[0]) == 2060 && len(r.ids[1]) == 2060 })
	equal(t, "ids", r.ids[0], ints(0, 2060))
	equal(t, "ids", r.ids[1], ints(0, 2060))
}

// A sink goes on over moved leaders and lost answers, without losing or doubling a row.
func TestSinkOverFaults(t *testing.T) {
	c := fakeCluster(t)
	topic := c.topic(t, 2)
	s, w := c.sink(t, Output{Topic: topic, Key: []string{"text"}}, nil)
	var ids []int64
	for i := range 10 {
		if i%3 == 1 {
			for p := range int32(2) {
				if err := c.fake.MoveTopicPartition(topic, p, (c.fake.LeaderFor(topic, p)+1)%3); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i%3 == 2 {
			// Written, but the answer says otherwise: sent again, and told apart by its sequence number.
			c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.RequestTimedOut, Count: 2})
		}
		rec, times := record(i*1000, (i+1)*1000)
		write(t, s, w, rec, times)
		for n := range 1000 {
			ids = append(ids, int64(i*1000+n))
		}
	}
	got := map[string]int{}
	for _, r := range c.records(t, topic, len(ids)) {
		got[string(r.Value)]++
	}
	if len(got) != len(ids) {
		t.Fatalf("%d different rows, wrote %d", len(got), len(ids))
	}
}

// A write that waits for brokers which take nothing ends with its context.
func TestWriteWaits(t *testing.T) {
	c := fakeCluster(t)
	topic := c.topic(t, 1)
	s, w := c.sink(t, Output{Topic: topic}, func(o *SinkOptions) { o.Buffered = 1 << 20 })
	c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.NotLeaderForPartition, Count: 1 << 30})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	rec, times := record(0, 10000)
	var err error
	for n := 0; err == nil; n++ {
		if n == 100 {
			t.Fatal("a million rows went into a buffer of 1 MiB")
		}
		err = w.Write(ctx, rec, times)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if most := s.waiting.Load(); most > 2<<20 {
		t.Fatalf("%d bytes wait", most)
	}
}

// flaky is a listener that can go away and come back at its address.
type flaky struct {
	addr string
	mu   sync.Mutex
	in   net.Listener
	up   chan struct{}
	open []net.Conn
}

func (f *flaky) Accept() (net.Conn, error) {
	for {
		f.mu.Lock()
		in := f.in
		f.mu.Unlock()
		conn, err := in.Accept()
		if err == nil {
			f.mu.Lock()
			f.open = append(f.open, conn)
			f.mu.Unlock()
			return conn, nil
		}
		f.mu.Lock()
		up, again := f.up, f.in != in
		f.mu.Unlock()
		switch {
		case up != nil:
			<-up
		case !again:
			return nil, err
		}
	}
}

func (f *flaky) Addr() net.Addr { return f.in.Addr() }

func (f *flaky) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.up != nil {
		close(f.up)
		f.up = nil
	}
	return f.in.Close()
}

func (f *flaky) down() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up = make(chan struct{})
	f.in.Close()
	for _, c := range f.open {
		c.Close()
	}
	f.open = nil
}

func (f *flaky) restart(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	in, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	f.in = in
	close(f.up)
	f.up = nil
}

// flakyCluster has one broker, which can be taken away.
func flakyCluster(t *testing.T) (c *cluster, l *flaky) {
	c = fakeCluster(t, kfake.NumBrokers(1), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		in, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		l = &flaky{addr: in.Addr().String(), in: in}
		return l, nil
	}))
	return c, l
}

func TestBrokerLostAndBack(t *testing.T) {
	c, l := flakyCluster(t)
	topic := c.topic(t, 2)
	c.put(t, topic, 0, rows(0, 100)...)
	clock := newClock()
	var mu sync.Mutex
	var told []string
	tell := func(what string) { mu.Lock(); told = append(told, what); mu.Unlock() }
	count := func(part string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range told {
			if strings.Contains(s, part) {
				n++
			}
		}
		return n
	}
	events := NewEvents(tell)
	s := c.source(t, topic, func(o *SourceOptions) {
		o.Until, o.Client.Events, o.Idle, o.Now = Bound{}, events, time.Minute, clock.now
		o.OnBadRecord = Reject
	})
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[0]) == 100 })
	sink, w := c.sink(t, Output{Topic: topic}, func(o *SinkOptions) { o.Client.Events = events })
	l.down()
	clock.pass(time.Hour)
	rec, times := record(100, 200)
	if err := w.Write(t.Context(), rec, times); err != nil {
		t.Fatal(err)
	}
	for count("cannot be reached") == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	// Nothing arrives, and the partitions are not idle: the broker is away.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if b, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%+v, %v", b, err)
	}
	l.restart(t)
	sink.Cut()
	if _, err := sink.Seal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for total := 0; total < 200; {
		b, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total += len(b.Bad) // the sink's rows are JSON, which the test's decoder does not read
		if b.Record != nil {
			total += int(b.Record.NumRows())
		}
		if len(r.ids[0])+total >= 200 {
			break
		}
	}
	for count("is back") == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if count("cannot be reached") != 1 || count("is back") != 1 {
		t.Fatal(told)
	}
}

func TestNoBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := &cluster{brokers: []string{addr}}
	began := time.Now()
	_, err = c.trySource(t, "t", func(o *SourceOptions) { o.Client.StartTimeout = 2 * time.Second })
	if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "refused") || schema.Hint(err) == "" {
		t.Fatal(err)
	}
	if d := time.Since(began); d < 1500*time.Millisecond || d > 10*time.Second {
		t.Fatalf("gave up after %v", d)
	}
	if _, err := c.trySource(t, "t", func(o *SourceOptions) { o.Client.Brokers = nil }); err == nil || schema.Hint(err) == "" {
		t.Fatal(err)
	}
	if _, err := c.trySource(t, "t", func(o *SourceOptions) { o.Client.Brokers = []string{"a:1,b:2"} }); err == nil || !strings.Contains(err.Error(), "a:1,b:2") {
		t.Fatal(err)
	}
	// A name that does not exist needs no waiting.
	began = time.Now()
	_, err = c.trySource(t, "t", func(o *SourceOptions) { o.Client.Brokers = []string{"no-such-host.invalid:9092"} })
	if err == nil || schema.Hint(err) == "" || time.Since(began) > 8*time.Second {
		t.Fatal(time.Since(began), err)
	}
}

// Records that vanish between the start and the first read are an error, never a jump.
func testVanished(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	s := c.source(t, topic, nil)
	c.deleteBefore(t, topic, 0, 5)
	_, err := s.Next(t.Context())
	if !errors.Is(err, kerr.OffsetOutOfRange) || !strings.Contains(err.Error(), topic) || schema.Hint(err) == "" {
		t.Fatal(err)
	}
	r := c.readAll(t, topic, nil)
	equal(t, "ids from the new beginning", r.ids[0], ints(5, 10))
	s = c.source(t, topic, nil)
	err = s.Seek(map[string]int64{"0": 3})
	if !errors.Is(err, kerr.OffsetOutOfRange) || !strings.Contains(err.Error(), "first offset is now 5") {
		t.Fatal(err)
	}
	c.deleteBefore(t, topic, 0, 10)
	r = c.readAll(t, topic, nil)
	if len(r.ids[0]) != 0 || !r.ended[0] || r.next[0] != 10 {
		t.Fatal(r)
	}
}

func (c *cluster) deleteBefore(t testing.TB, topic string, part int32, offset int64) {
	t.Helper()
	if _, err := c.adm.DeleteRecords(t.Context(), offsetsOf(topic, part, offset)); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsOfClosedSource(t *testing.T) {
	c := fakeCluster(t)
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{} })
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Next(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
