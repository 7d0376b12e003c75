package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-data/lockstep/schema"
)

func TestNearest(t *testing.T) {
	names := []string{"impressions", "playbacks", "Playback", "orders-v2", "x"}
	for name, want := range map[string]string{
		"impresions": "impressions",
		"playback":   "Playback playbacks",
		"orders":     "orders-v2",
		"customers":  "",
		"plybcks":    "playbacks",
	} {
		if got := strings.Join(nearest(name, names), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"a", "b", 1}} {
		if got := edits(c.a, c.b); got != c.want || edits(c.b, c.a) != c.want {
			t.Errorf("%q %q: %d", c.a, c.b, got)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{"h": "h:9092", "h:1": "h:1", "::1": "[::1]:9092", "[::1]:7": "[::1]:7", "10.0.0.1": "10.0.0.1:9092"} {
		if got, err := address(in); got != want || err != nil {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	for _, in := range []string{"", "kafka://h:1", "a:1, b:2"} {
		if _, err := address(in); err == nil || schema.Hint(err) == "" {
			t.Errorf("%q is taken", in)
		}
	}
}

func TestMillis(t *testing.T) {
	for _, c := range []struct{ micros, ceil, floor int64 }{
		{0, 0, 0}, {1, 1, 0}, {999, 1, 0}, {1000, 1, 1}, {1001, 2, 1}, {-1, 0, -1}, {-999, 0, -1}, {-1000, -1, -1}, {-1001, -1, -2},
	} {
		if got := ceilMilli(c.micros); got != c.ceil {
			t.Errorf("ceil %d: %d", c.micros, got)
		}
		if got := floorMilli(c.micros); got != c.floor {
			t.Errorf("floor %d: %d", c.micros, got)
		}
	}
}

func TestSourceOptions(t *testing.T) {
	c := fakeCluster(t)
	topic := c.topic(t, 1)
	if _, err := c.trySource(t, topic, func(o *SourceOptions) { o.Time = "id" }); err == nil || !strings.Contains(err.Error(), "id is no timestamp") {
		t.Error(err)
	}
	if _, err := c.trySource(t, topic, func(o *SourceOptions) { o.Idle = time.Second }); err == nil {
		t.Error("idle without a clock")
	}
	s := c.source(t, topic, nil)
	if e := s.Ends(); len(e) != 1 || e[0] != 0 {
		t.Error(e)
	}
	if e := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{} }).Ends(); e != nil {
		t.Error(e)
	}
}

// A topic that is deleted during a run ends it.
func testDeleted(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.Until = Bound{}; o.Refresh = 200 * time.Millisecond })
	r := newRead(s)
	r.until(t, s, func() bool { return len(r.ids[0]) == 10 })
	if _, err := c.adm.DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := s.Next(ctx)
	if err == nil || !strings.Contains(err.Error(), topic) || schema.Hint(err) == "" {
		t.Fatal(err)
	}
	if !errors.Is(err, kerr.UnknownTopicOrPartition) && !errors.Is(err, kerr.UnknownTopicID) {
		t.Fatal(err)
	}
}

// Lanes take turns by their event time: the one that is furthest back comes first.
func testAlign(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	for i := range 20 {
		c.put(t, topic, 0, rows(i*100, (i+1)*100)...)     // 1 s a row
		c.put(t, topic, 1, rows(10_000+i, 10_000+i+1)...) // all later than partition 0's
	}
	s := c.source(t, topic, func(o *SourceOptions) { o.BlockRows = 100 })
	r := newRead(s)
	// Wait until all is decoded, so that the order is by time and not by arrival.
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	for {
		s.mu.Lock()
		done := true
		for _, l := range s.lanes {
			done = done && l.closed
			for _, p := range l.queue {
				done = done && p.decoded
			}
		}
		s.mu.Unlock()
		if done {
			break
		}
		time.Sleep(time.Millisecond)
	}
	r.until(t, s, nil)
	for i, p := range r.order[2:] {
		if p == 1 && i < 18 {
			t.Fatalf("order of partitions: %v", r.order)
		}
	}
	equal(t, "ids", r.ids[0], ints(0, 2000))
}

func testTopicID(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	first := c.source(t, topic, nil).TopicID()
	if again := c.source(t, topic, nil).TopicID(); first == "" || again != first {
		t.Fatalf("the id is %q, then %q", first, again)
	}
	if _, err := c.adm.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.adm.CreateTopic(t.Context(), 1, 1, nil, topic); err == nil {
			break
		} else if !errors.Is(err, kerr.TopicAlreadyExists) { // while it is being deleted
			t.Fatal(err)
		}
	}
	c.settle(t, topic)
	if other := c.source(t, topic, nil).TopicID(); other == "" || other == first {
		t.Fatalf("a new topic of the name has the id %q, the old one had %q", other, first)
	}
}
