//go:build integration

package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-data/lockstep/fixtures/services"
	"github.com/lockstep-data/lockstep/schema"
)

func TestReal(t *testing.T) {
	start := func(t testing.TB) *cluster { return newCluster(t, services.Kafka(t)) }
	conformance(t, start)
	t.Run("sink", func(t *testing.T) { sinkConformance(t, start) })
}

func BenchmarkRealConsumeDecode(b *testing.B) { benchConsume(b, newCluster(b, services.Kafka(b))) }

func BenchmarkRealEncodeProduce(b *testing.B) { benchProduce(b, newCluster(b, services.Kafka(b))) }

// A broker killed under load comes back; nothing is lost, out of order or taken for idle. It may have forgotten what
// it knew of its producers, and take what it had not answered yet a second time.
func TestRealKilled(t *testing.T) {
	k := services.OwnKafka(t)
	c := newCluster(t, k.Brokers)
	topic := c.topic(t, 2)
	events := make(chan string, 100)
	s, w := c.sink(t, Output{Topic: topic, Key: []string{"text"}}, nil)
	dec, err := NewDecoder(Format{Name: "json"}, testFields)
	if err != nil {
		t.Fatal(err)
	}
	src := c.source(t, topic, func(o *SourceOptions) {
		o.NewDecoder, o.Until = dec, Bound{}
		o.Client.Events = NewEvents(func(what string) { events <- what })
		o.Idle, o.Now = time.Hour, time.Now
	})
	const batches, each = 40, 1000
	written := make(chan error, 1)
	go func() {
		for i := range batches {
			rec, times := record(i*each, (i+1)*each)
			if err := w.Write(t.Context(), rec, times); err != nil {
				written <- err
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		s.Cut()
		_, err := s.Seal(t.Context(), 1)
		written <- err
	}()
	time.AfterFunc(300*time.Millisecond, func() { k.Kill(); k.Start() })
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	seen := map[int64]int{}
	last := map[string]int64{}
	r := newRead(src)
	for read := map[int64]bool{}; len(read) < batches*each; {
		b, err := src.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.Idle {
			t.Fatal("idle while the broker was away")
		}
		if b.Record == nil {
			continue
		}
		b.BrokerTimes = times(b.Record.Column(1)) // cut to milliseconds, which r would mind
		r.add(t, b)
		for _, id := range b.Record.Column(0).(*array.Int64).Int64Values() {
			read[id] = true
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	again := 0
	for _, ids := range r.ids {
		for _, id := range ids {
			if seen[id]++; seen[id] > 1 {
				again++
				continue
			}
			key := fmt.Sprint(id % 10)
			if prev, ok := last[key]; ok && prev > id {
				t.Fatalf("row %d behind %d of the same key", id, prev)
			}
			last[key] = id
		}
	}
	t.Logf("%d rows came twice", again)
	if len(seen) != batches*each {
		t.Fatalf("%d different rows, wrote %d", len(seen), batches*each)
	}
	if what := <-events; !strings.Contains(what, "cannot be reached") {
		t.Fatal(what)
	}
}

func TestRealSASL(t *testing.T) {
	brokers := services.KafkaSASL(t)
	c := newCluster(t, services.Kafka(t))
	topic := c.topic(t, 1)
	c.put(t, topic, 0, rows(0, 10)...)
	// SCRAM users of the test's own.
	for user, m := range map[string]kadm.ScramMechanism{"bob": kadm.ScramSha256, "cid": kadm.ScramSha512} {
		if _, err := c.adm.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: m, Iterations: 4096, Password: password}}); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	save := func(valid time.Duration) {
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		now := time.Now()
		text := part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(`{"sub":"ann","iat":%d,"exp":%d}`, now.Unix()-100, now.Add(valid).Unix())) + "."
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save(time.Hour)
	for _, good := range []SASLOptions{
		{Mechanism: Plain, User: "lockstep", Password: "lockstep-secret"},
		{Mechanism: ScramSHA256, User: "bob", Password: password},
		{Mechanism: ScramSHA512, User: "cid", Password: password},
		{Mechanism: OAuthBearer, TokenFile: file},
	} {
		with := func(a SASLOptions) func(*SourceOptions) {
			return func(o *SourceOptions) { o.Client.Brokers, o.Client.SASL = brokers, &a }
		}
		// What was just made takes a moment to be known.
		var err error
		for range 50 {
			var s *Source
			if s, err = c.trySource(t, topic, with(good)); err == nil {
				r := newRead(s)
				r.until(t, s, nil)
				equal(t, "ids by "+good.Mechanism, r.ids[0], ints(0, 10))
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			t.Fatal(good.Mechanism, err)
		}
		bad := good
		bad.Password = "wrong-" + password
		if good.Mechanism == OAuthBearer {
			save(-time.Minute)
		}
		began := time.Now()
		_, err = c.trySource(t, topic, with(bad))
		if err == nil || !strings.Contains(schema.Hint(err), "password or token") || strings.Contains(err.Error(), password) {
			t.Fatal(good.Mechanism, err, schema.Hint(err))
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Fatalf("%s: a refusal was waited for %v", good.Mechanism, d)
		}
	}
	_, err := c.trySource(t, topic, func(o *SourceOptions) { o.Client.Brokers, o.Client.StartTimeout = brokers, 2*time.Second })
	if err == nil || !strings.Contains(schema.Hint(err), "kafka.sasl") || errors.Is(err, context.Canceled) {
		t.Fatal(err, schema.Hint(err))
	}
}

// Kafka 4 takes no record that is more than an hour ahead of its clock.
func TestRealRowAhead(t *testing.T) {
	c := newCluster(t, services.Kafka(t))
	s, w := c.sink(t, Output{Topic: c.topic(t, 1)}, nil)
	rec, _ := record(0, 1)
	err := w.Write(t.Context(), rec, []int64{time.Now().Add(2 * time.Hour).UnixMicro()})
	if err == nil {
		s.Cut()
		_, err = s.Seal(t.Context(), 1)
	}
	if !errors.Is(err, kerr.InvalidTimestamp) || !strings.Contains(schema.Hint(err), "message.timestamp.after.max.ms") {
		t.Fatal(err)
	}
}

// times are the values of a timestamp column.
func times(col arrow.Array) []int64 {
	var out []int64
	for _, v := range col.(*array.Timestamp).TimestampValues() {
		out = append(out, int64(v))
	}
	return out
}
