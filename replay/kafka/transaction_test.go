package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// txnSink opens a sink with transactions as a process of its own would.
func (c *cluster) txnSink(t *testing.T, id, in, out string) (*Sink, replay.Writer) {
	t.Helper()
	return c.sink(t, Output{Topic: out}, func(o *SinkOptions) {
		o.CreateTopics = true // waits for a topic that is new
		o.Transaction = &Transaction{ID: id, Group: id, Topics: map[string]string{"s": in}, Timeout: time.Minute}
	})
}

func inputs(t *testing.T, next int64) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(replay.Inputs{Positions: map[string]map[string]int64{"s": {"0": next}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// seal writes rows and ends an epoch up to its commit.
func seal(t *testing.T, s *Sink, w replay.Writer, epoch int64, from, to int) []byte {
	t.Helper()
	if to > from {
		rec, times := record(from, to)
		if err := w.Write(t.Context(), rec, times); err != nil {
			t.Fatal(err)
		}
	}
	s.SetInputs(inputs(t, int64(to)))
	s.Cut()
	sealed, err := s.Seal(t.Context(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// committedIDs are the rows that a reader of committed records sees up to the topic's end.
func (c *cluster) committedIDs(t *testing.T, topic string) []int64 {
	t.Helper()
	c.settle(t, topic)
	ends, err := c.adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var ids []int64
	for at := int64(0); at < end.Offset; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fs.Records() {
			at = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			var row struct{ ID int64 }
			if err := json.Unmarshal(r.Value, &row); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, row.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func testTransactions(t *testing.T, c *cluster) {
	in, out := c.topic(t, 1), c.topic(t, 1)
	id := fmt.Sprintf("txn%d-%d", time.Now().UnixNano(), topicCount.Add(1))
	first, w := c.txnSink(t, id, in, out)
	if !first.Decides() {
		t.Fatal("it must decide")
	}
	one := seal(t, first, w, 2, 0, 100)
	// A writer waits until the epoch is committed.
	entered := make(chan error, 1)
	go func() {
		rec, times := record(100, 200)
		entered <- w.Write(t.Context(), rec, times)
	}()
	select {
	case err := <-entered:
		t.Fatalf("a row went into the epoch that was cut: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if first.Committed(one) {
		t.Fatal("committed before Publish")
	}
	for range 2 { // twice is the same as once
		if err := first.Publish(t.Context(), 2, one); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-entered; err != nil {
		t.Fatal(err)
	}
	// An epoch without rows.
	first.Cut()
	two, err := first.Seal(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Publish(t.Context(), 3, two); err != nil {
		t.Fatal(err)
	}
	empty := seal(t, first, w, 4, 200, 200)
	if err := first.Publish(t.Context(), 4, empty); err != nil {
		t.Fatal(err)
	}
	lost := seal(t, first, w, 5, 200, 300)

	// It dies before the commit of epoch 5. Who comes next fences it, and knows what happened.
	second, w2 := c.txnSink(t, id, in, out)
	for i, sealed := range [][]byte{one, two, empty} {
		if !second.Committed(sealed) {
			t.Fatalf("epoch %d is forgotten: %s", i+2, sealed)
		}
	}
	if second.Committed(lost) {
		t.Fatal("epoch 5 did not happen")
	}
	if err := first.Publish(t.Context(), 5, lost); err == nil {
		t.Fatal("a process that was fenced off committed")
	}
	if err := second.Publish(t.Context(), 4, empty); err != nil {
		t.Fatal(err)
	}
	again := seal(t, second, w2, 7, 200, 250)
	if err := second.Publish(t.Context(), 7, again); err != nil {
		t.Fatal(err)
	}
	equal(t, "committed ids", c.committedIDs(t, out), ints(0, 250))
	offsets, err := c.adm.FetchOffsets(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := offsets.Lookup(in, 0); !ok || o.At != 250 || o.Metadata != "lockstep epoch 7" {
		t.Fatalf("the group's offset is %+v", o)
	}
	// A writer that waits ends with its context.
	second.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	rec, times := record(0, 1)
	if err := w2.Write(ctx, rec, times); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// Rows from the lake have no offsets; their epochs are known all the same, and an abort at the end leaves no reader waiting.
func testTransactionsFromLake(t *testing.T, c *cluster) {
	out := c.topic(t, 1)
	id := fmt.Sprintf("txn%d-%d", time.Now().UnixNano(), topicCount.Add(1))
	open := func(o *SinkOptions) {
		o.CreateTopics = true
		o.Transaction = &Transaction{ID: id, Group: id, Timeout: time.Minute}
	}
	first, w := c.sink(t, Output{Topic: out}, open)
	one := seal(t, first, w, 2, 0, 10)
	if err := first.Publish(t.Context(), 2, one); err != nil {
		t.Fatal(err)
	}
	two := seal(t, first, w, 3, 10, 20)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, _ := c.sink(t, Output{Topic: out}, open)
	if !second.Committed(one) || second.Committed(two) {
		t.Fatalf("committed: %v, %v", second.Committed(one), second.Committed(two))
	}
	equal(t, "committed ids", c.committedIDs(t, out), ints(0, 10))
}

// Coordinators that move, load or are busy, and answers that are lost, in the middle of every step of a transaction: each
// row is there once.
func TestTransactionsOverFaults(t *testing.T) {
	c := fakeCluster(t)
	in, out := c.topic(t, 1), c.topic(t, 1)
	s, w := c.txnSink(t, "faulty", in, out)
	keys := []kmsg.Key{kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.FindCoordinator}
	errs := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions}
	n, hits := 0, 0
	for _, key := range keys {
		for _, err := range errs {
			if (key == kmsg.FindCoordinator || key == kmsg.Produce) && err != kerr.CoordinatorNotAvailable {
				continue
			}
			if key == kmsg.Produce {
				err = kerr.NotLeaderForPartition
			}
			h := c.fake.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err})
			if key == kmsg.Produce {
				if err := c.fake.MoveTopicPartition(out, 0, (c.fake.LeaderFor(out, 0)+1)%3); err != nil {
					t.Fatal(err)
				}
			}
			epoch := int64(n + 1)
			sealed := seal(t, s, w, epoch, 100*n, 100*(n+1))
			if err := s.Publish(t.Context(), epoch, sealed); err != nil {
				t.Fatalf("%v with %v: %v", key, err, err)
			}
			n++
			hits += int(h.Hits())
			h.Remove()
		}
	}
	if hits < len(errs) {
		t.Fatalf("%d faults", hits)
	}
	equal(t, "committed ids", c.committedIDs(t, out), ints(0, 100*n))
}

// The only broker goes away behind Seal: Publish waits for it, however often it is asked for in vain, and commits once.
func TestCommitWaitsForTheBroker(t *testing.T) {
	c, l := flakyCluster(t)
	in, out := c.topic(t, 1), c.topic(t, 1)
	s, w := c.txnSink(t, "waits", in, out)
	for epoch := int64(1); epoch <= 3; epoch++ {
		sealed := seal(t, s, w, epoch, 100*int(epoch-1), 100*int(epoch))
		l.down()
		published := make(chan error, 1)
		go func() { published <- s.Publish(t.Context(), epoch, sealed) }()
		select {
		case err := <-published:
			t.Fatalf("epoch %d without a broker: %v", epoch, err)
		case <-time.After(1500 * time.Millisecond): // of some attempts
		}
		l.restart(t)
		if err := <-published; err != nil {
			t.Fatalf("epoch %d: %v", epoch, err)
		}
	}
	equal(t, "committed ids", c.committedIDs(t, out), ints(0, 300))
}

// Brokers that allow only short transactions get them, and those that allow none that outlasts an epoch are an error.
func TestTransactionTimeout(t *testing.T) {
	c := fakeCluster(t, kfake.BrokerConfigs(map[string]string{"transaction.max.timeout.ms": "300000"}))
	topic := c.topic(t, 1)
	open := func(least time.Duration) error {
		s, err := NewSink(t.Context(), SinkOptions{Client: c.options(), Outputs: map[string]Output{"out": {Topic: topic}},
			Transaction: &Transaction{ID: "x", Group: "x", Timeout: 15 * time.Minute, Least: least}})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	if err := open(time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := open(10 * time.Minute); !errors.Is(err, kerr.InvalidTransactionTimeout) || !strings.Contains(schema.Hint(err), "transaction.max.timeout.ms") {
		t.Fatal(err, schema.Hint(err))
	}
}
