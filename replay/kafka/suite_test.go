package kafka

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// conformance is what source and sink promise on any broker.
func conformance(t *testing.T, start func(testing.TB) *cluster) {
	c := start(t)
	run := func(name string, f func(*testing.T, *cluster)) {
		t.Run(name, func(t *testing.T) { f(t, &cluster{c.brokers, c.cl, c.adm, c.fake}) })
	}
	run("order and positions", testOrder)
	run("empty partitions end", testEmpty)
	run("latest is fixed at the start", testLatestFixed)
	run("bounds by time", testTimes)
	run("bounds by offset", testOffsets)
	run("seek goes on exactly there", testSeek)
	run("seek to what is gone", testSeekGone)
	run("records that vanish", testVanished)
	run("deleted topic", testDeleted)
	run("topic made anew", testTopicID)
	run("the partition furthest back comes first", testAlign)
	run("compacted topic", testCompacted)
	run("capture", testCapture)
	run("aborted transactions", testAborted)
	run("open transaction", testOpenTransaction)
	run("bad records", testBad)
	run("large records", testLarge)
	run("unknown topic", testUnknownTopic)
	run("new partitions", testNewPartitions)
	run("idle", testIdle)
	run("one partition cannot fill the memory", testReadAhead)
}

func testOrder(t *testing.T, c *cluster) {
	topic := c.topic(t, 3)
	for p := range int32(3) {
		for i := range 5 {
			c.put(t, topic, p, rows(i*1000, (i+1)*1000)...)
		}
	}
	r := c.readAll(t, topic, func(o *SourceOptions) { o.BlockRows = 700; o.Decoders = 4 })
	for p := range int32(3) {
		equal(t, "ids", r.ids[p], ints(0, 5000))
		equal(t, "offsets", r.offsets[p], ints(0, 5000))
		if r.next[p] != 5000 || !r.ended[p] {
			t.Fatalf("partition %d: next %d, ended %v", p, r.next[p], r.ended[p])
		}
	}
}

func testEmpty(t *testing.T, c *cluster) {
	topic := c.topic(t, 4)
	c.put(t, topic, 2, rows(0, 3)...)
	r := c.readAll(t, topic, nil)
	equal(t, "ids", r.ids[2], ints(0, 3))
	for p := range int32(4) {
		if !r.ended[p] {
			t.Fatalf("partition %d did not end", p)
		}
	}
	none := c.readAll(t, c.topic(t, 2), nil)
	if len(none.ended) != 2 {
		t.Fatal("an empty topic did not end")
	}
}

func testLatestFixed(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	s := c.source(t, topic, nil)
	c.put(t, topic, 0, rows(10, 20)...)
	r := newRead(s)
	r.until(t, s, nil)
	equal(t, "ids", r.ids[0], ints(0, 10))
	if r.next[0] != 10 {
		t.Fatalf("next %d", r.next[0])
	}
}

func testTimes(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	c.put(t, topic, 0, rows(0, 10)...)
	c.put(t, topic, 1, rows(100, 103)...)
	at := func(second int64) Bound { return AtTime(base + second*1e6) }
	r := c.readAll(t, topic, func(o *SourceOptions) { o.Since, o.Until = at(3), at(7) })
	equal(t, "ids", r.ids[0], ints(3, 7))
	equal(t, "ids", r.ids[1], nil)
	r = c.readAll(t, topic, func(o *SourceOptions) { o.Since, o.Until = AtTime(base+3e6+1), at(1e6) })
	equal(t, "ids since a fraction, until the future", r.ids[0], ints(4, 10))
	equal(t, "ids", r.ids[1], ints(100, 103))
}

func testOffsets(t *testing.T, c *cluster) {
	topic := c.topic(t, 3)
	for p := range int32(3) {
		c.put(t, topic, p, rows(0, 10)...)
	}
	s := c.source(t, topic, func(o *SourceOptions) {
		o.Since, o.Until = AtOffsets(map[int32]int64{0: 4}), AtOffsets(map[int32]int64{0: 8, 1: 12})
	})
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[1]) == 10 && r.ended[0] && r.ended[2] })
	if r.ended[1] {
		t.Fatal("partition 1 ended before its offset")
	}
	c.put(t, topic, 1, rows(10, 15)...)
	r.until(t, s, nil)
	equal(t, "ids", r.ids[0], ints(4, 8))
	equal(t, "ids", r.ids[1], ints(0, 12))
	equal(t, "ids", r.ids[2], nil)
	if _, err := c.trySource(t, topic, func(o *SourceOptions) { o.Until = AtOffsets(map[int32]int64{7: 1}) }); err == nil || !strings.Contains(err.Error(), "partition 7") {
		t.Fatal(err)
	}
}

func testSeek(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	c.put(t, topic, 0, rows(0, 3000)...)
	c.put(t, topic, 1, rows(0, 3000)...)
	small := func(o *SourceOptions) { o.BlockRows = 250 }
	s := c.source(t, topic, small)
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[0]) >= 1000 })
	at := map[string]int64{"0": r.next[0], "1": r.next[1]}
	s.Close()
	again := c.source(t, topic, small)
	if err := again.Seek(at); err != nil {
		t.Fatal(err)
	}
	r.ended = map[int32]bool{} // one may have ended before
	r.until(t, again, nil)
	equal(t, "ids", r.ids[0], ints(0, 3000))
	equal(t, "ids", r.ids[1], ints(0, 3000))
	if err := again.Seek(at); err == nil {
		t.Fatal("seek after the first block went well")
	}
}

func testSeekGone(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	for at, want := range map[int64]string{11: "behind the end"} {
		err := c.source(t, topic, nil).Seek(map[string]int64{"0": at})
		if err == nil || !strings.Contains(err.Error(), want) || schema.Hint(err) == "" {
			t.Fatalf("%d: %v", at, err)
		}
	}
	s := c.source(t, topic, func(o *SourceOptions) { o.Since = Latest() })
	if err := s.Seek(map[string]int64{}); err != nil {
		t.Fatal(err)
	}
	r := newRead(s)
	r.until(t, s, nil)
	equal(t, "ids of a partition that the position does not know", r.ids[0], ints(0, 10))
	if r := c.readAll(t, topic, func(o *SourceOptions) { o.Since = Latest() }); len(r.ids[0]) != 0 {
		t.Fatal(r.ids)
	}
	if err := c.source(t, topic, nil).Seek(map[string]int64{"5": 0}); err == nil || !strings.Contains(err.Error(), `"5"`) {
		t.Fatal(err)
	}
}

func testAborted(t *testing.T, c *cluster) {
	topic := c.topic(t, 3)
	c.put(t, topic, 0, rows(0, 5)...)
	c.transact(t, topic, 0, true, rows(5, 8)...)    // 5..7, marker 8
	c.transact(t, topic, 0, false, rows(50, 60)...) // 9..18, marker 19
	c.put(t, topic, 0, rows(8, 10)...)              // 20, 21
	c.transact(t, topic, 0, false, rows(60, 70)...) // to the end
	c.transact(t, topic, 1, false, rows(0, 10)...)  // nothing else
	c.transact(t, topic, 2, true, rows(0, 10)...)   // ends with a marker
	r := c.readAll(t, topic, nil)
	equal(t, "ids", r.ids[0], ints(0, 10))
	equal(t, "offsets", r.offsets[0], []int64{0, 1, 2, 3, 4, 5, 6, 7, 20, 21})
	equal(t, "ids", r.ids[1], nil)
	equal(t, "ids", r.ids[2], ints(0, 10))
	for p, want := range map[int32]int64{0: 33, 1: 11, 2: 11} {
		if r.next[p] != want || !r.ended[p] {
			t.Fatalf("partition %d: next %d, ended %v", p, r.next[p], r.ended[p])
		}
	}
}

func testOpenTransaction(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 3)...)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.TransactionalID("open-"+topic), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), kgo.StringRecord(row(99, 99))).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.put(t, topic, 0, rows(3, 5)...) // committed, but behind the open transaction
	r := c.readAll(t, topic, nil)
	equal(t, "ids before the open transaction", r.ids[0], ints(0, 3))
	if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	c.settle(t, topic)
	r = c.readAll(t, topic, nil)
	equal(t, "ids after its end", r.ids[0], ints(0, 5))
}

func testBad(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 3)...)
	c.put(t, topic, 0, "nonsense")
	c.putRecords(t, &kgo.Record{Topic: topic, Key: []byte("k"), Timestamp: valueTime("")})
	c.put(t, topic, 0, rows(3, 5)...)

	r := c.readAll(t, topic, func(o *SourceOptions) { o.OnBadRecord = Reject })
	equal(t, "ids", r.ids[0], ints(0, 5))
	if len(r.bad) != 2 {
		t.Fatalf("%d bad records", len(r.bad))
	}
	if b := r.bad[0]; b.Offset != 3 || string(b.Value) != "nonsense" || b.Reason != `"nonsense" is no row` || b.BrokerTime != base {
		t.Fatalf("%+v", b)
	}
	if b := r.bad[1]; b.Offset != 4 || b.Value != nil || b.Reason != "a record without value" {
		t.Fatalf("%+v", b)
	}

	s := c.source(t, topic, nil)
	r = newRead(s)
	var err error
	for err == nil {
		var b replay.Block
		if b, err = s.Next(t.Context()); err == nil {
			r.add(t, b)
		}
	}
	equal(t, "rows before the bad one", r.ids[0], ints(0, 3))
	for _, want := range []string{topic, "partition 0", "offset 3", "is no row"} {
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("%v lacks %q", err, want)
		}
	}
	if !strings.Contains(schema.Hint(err), "reject") {
		t.Fatalf("hint %q", schema.Hint(err))
	}
}

func testLarge(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, "max.message.bytes", "20000000")
	big := strings.Repeat("x", 10<<20)
	c.put(t, topic, 0, row(0, 0)+big)
	c.put(t, topic, 0, row(1, 1))
	c.put(t, topic, 0, row(2, 2)+big)
	r := c.readAll(t, topic, nil)
	equal(t, "ids", r.ids[0], ints(0, 3))
}

func testUnknownTopic(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	_, err := c.trySource(t, topic+"s", nil)
	if err == nil || !strings.Contains(err.Error(), topic+"s does not exist") {
		t.Fatal(err)
	}
	if hint := schema.Hint(err); !strings.Contains(hint, "did you mean") || !strings.Contains(hint, topic) {
		t.Fatalf("hint %q", hint)
	}
}

func testNewPartitions(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	c.put(t, topic, 0, rows(0, 3)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{}; o.Refresh = 50 * time.Millisecond })
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[0]) == 3 })
	if _, err := c.adm.UpdatePartitions(t.Context(), 4, topic); err != nil {
		t.Fatal(err)
	}
	r.until(t, s, func() bool { return len(r.opened) == 2 })
	equal(t, "opened", r.opened, []int32{2, 3})
	newCluster(t, c.brokers).put(t, topic, 3, rows(0, 7)...)
	r.until(t, s, func() bool { return len(r.ids[3]) == 7 })
	equal(t, "ids", r.ids[3], ints(0, 7))
}

// fakeClock moves on only when told.
type fakeClock struct{ ns chan time.Time }

func newClock() *fakeClock {
	c := &fakeClock{make(chan time.Time, 1)}
	c.ns <- time.UnixMicro(base)
	return c
}

func (c *fakeClock) now() time.Time {
	t := <-c.ns
	c.ns <- t
	return t
}

func (c *fakeClock) pass(d time.Duration) { c.ns <- (<-c.ns).Add(d) }

func testIdle(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	clock := newClock()
	c.put(t, topic, 0, rows(0, 3)...)
	c.transact(t, topic, 0, false, rows(50, 60)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{}; o.Idle = time.Minute; o.Now = clock.now })
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[0]) == 3 })
	clock.pass(59 * time.Second)
	time.Sleep(5 * tick)
	if b, ok, err := s.take(); err != nil || ok && b.Idle {
		t.Fatalf("idle too early: %+v %v", b, err)
	} else if ok {
		r.add(t, b)
	}
	clock.pass(2 * time.Second)
	r.until(t, s, func() bool { return len(r.idle) == 2 })
	c.put(t, topic, 0, rows(3, 5)...)
	r.until(t, s, func() bool { return len(r.ids[0]) == 5 })
	if len(r.idle) != 2 {
		t.Fatalf("idle %v", r.idle)
	}
	clock.pass(2 * time.Minute)
	r.until(t, s, func() bool { return len(r.idle) == 3 })
	equal(t, "idle again", r.idle[2:], []int32{0})
}

func testReadAhead(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	noise := make([]byte, 500) // brokers bound a fetch by its compressed size
	rng := rand.NewChaCha8([32]byte{1})
	for i := range 20 {
		var vs []string
		for _, v := range rows(i*500, (i+1)*500) {
			rng.Read(noise)
			vs = append(vs, v+hex.EncodeToString(noise))
		}
		c.put(t, topic, 0, vs...)
	}
	c.put(t, topic, 1, rows(0, 3)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{}; o.ReadAhead = 1 << 20; o.BlockRows = 100 })
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[1]) == 3 })
	most := 0
	for len(r.ids[0]) < 10000 {
		time.Sleep(time.Millisecond)
		s.mu.Lock()
		most = max(most, s.lanes[0].bytes)
		s.mu.Unlock()
		r.until(t, s, func() func() bool { n := len(r.order); return func() bool { return len(r.order) > n } }())
	}
	equal(t, "ids", r.ids[0], ints(0, 10000))
	if most > 5<<20 {
		t.Fatalf("%d bytes read ahead", most)
	}
}
