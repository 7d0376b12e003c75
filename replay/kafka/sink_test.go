package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

func sinkConformance(t *testing.T, start func(testing.TB) *cluster) {
	c := start(t)
	run := func(name string, f func(*testing.T, *cluster)) {
		t.Run(name, func(t *testing.T) { f(t, c) })
	}
	run("rows, keys and times", testSinkRoundTrip)
	run("key of several columns", testSinkJSONKey)
	run("every format", testSinkFormats)
	run("missing topic", testSinkMissing)
	run("large rows", testSinkLarge)
	run("times of any year", testSinkTimes)
	run("old rows", testSinkOld)
	run("close drops what was not sealed", testSinkClose)
	run("a writer's context ends before the seal", testSinkContext)
	run("transactions", testTransactions)
	run("transactions of rows from the lake", testTransactionsFromLake)
}

// The goroutines that write may be done, and their context with them, when the rows are sealed.
func testSinkContext(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	s, w := c.sink(t, Output{Topic: topic}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	rec, times := record(0, 20000)
	if err := w.Write(ctx, rec, times); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Write(ctx, rec, times); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.Cut()
	if _, err := s.Seal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	c.records(t, topic, 20000)
}

// record has rows from..to: id, at = base + id seconds and 1 ms and 7 us, text = "k<id mod 10>".
func record(from, to int) (arrow.Record, []int64) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(testFields))
	var times []int64
	for i := from; i < to; i++ {
		at := base + int64(i)*1e6 + 1007
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(at))
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("k%d", i%10))
		times = append(times, at)
	}
	return b.NewRecord(), times
}

func (c *cluster) sink(t testing.TB, o Output, change func(*SinkOptions)) (*Sink, replay.Writer) {
	t.Helper()
	if o.NewEncoder == nil {
		o.NewEncoder = NewEncoder(Format{Name: "json"})
	}
	opts := SinkOptions{Client: c.options(), Outputs: map[string]Output{"out": o}}
	if change != nil {
		change(&opts)
	}
	s, err := NewSink(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w, err := s.Open(t.Context(), "out", testFields)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

func write(t testing.TB, s *Sink, w replay.Writer, rec arrow.Record, times []int64) {
	t.Helper()
	if err := w.Write(t.Context(), rec, times); err != nil {
		t.Fatal(err)
	}
	s.Cut()
	if _, err := s.Seal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
}

// records reads n raw records of a topic.
func (c *cluster) records(t testing.TB, topic string, n int) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		out = append(out, fs.Records()...)
	}
	return out
}

func testSinkRoundTrip(t *testing.T, c *cluster) {
	for _, codec := range []string{"", "lz4", "snappy", "gzip", "none"} {
		topic := c.topic(t, 3)
		s, first := c.sink(t, Output{Topic: topic, Key: []string{"text"}}, func(o *SinkOptions) { o.Compression = codec; o.Buffered = 1 << 20 })
		const writers, each = 3, 5000
		var wg sync.WaitGroup
		for n := range writers {
			w := first
			if n > 0 {
				var err error
				if w, err = s.Open(t.Context(), "out", testFields); err != nil {
					t.Fatal(err)
				}
			}
			wg.Go(func() {
				for at := n * each; at < (n+1)*each; at += 1000 {
					rec, times := record(at, at+1000)
					if err := w.Write(t.Context(), rec, times); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		s.Cut()
		if _, err := s.Seal(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		dec, err := NewDecoder(Format{Name: "json"}, testFields)
		if err != nil {
			t.Fatal(err)
		}
		src := c.source(t, topic, func(o *SourceOptions) { o.NewDecoder = dec })
		var ids []int64
		place := map[string]int{}
		last := map[string]int64{}
		for {
			b, err := src.Next(t.Context())
			if err != nil {
				break
			}
			if b.Record == nil {
				continue
			}
			col := b.Record.Column(0).(*array.Int64)
			at := b.Record.Column(1).(*array.Timestamp)
			text := b.Record.Column(2).(*array.String)
			for i := range col.Len() {
				id, key := col.Value(i), text.Value(i)
				ids = append(ids, id)
				if p, ok := place[key]; ok && p != b.Lane {
					t.Fatalf("key %s in partitions %d and %d", key, p, b.Lane)
				}
				place[key] = b.Lane
				stream := fmt.Sprint(key, id/each)
				if prev, ok := last[stream]; ok && prev > id {
					t.Fatalf("row %d of a writer behind %d", id, prev)
				}
				last[stream] = id
				if want := base + id*1e6 + 1007; int64(at.Value(i)) != want || b.BrokerTimes[i] != want-7 {
					t.Fatalf("row %d: time %d, broker time %d", id, at.Value(i), b.BrokerTimes[i])
				}
			}
		}
		slices.Sort(ids)
		equal(t, "ids by "+codec, ids, ints(0, writers*each))
		for _, r := range c.records(t, topic, 1)[:1] {
			if !bytes.HasPrefix(r.Key, []byte("k")) || len(r.Key) != 2 {
				t.Fatalf("key %q", r.Key)
			}
		}
	}
}

func testSinkJSONKey(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	s, w := c.sink(t, Output{Topic: topic, Key: []string{"text", "id"}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(testFields))
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 0, 0}, []bool{true, true, false})
	b.Field(1).(*array.TimestampBuilder).AppendValues([]arrow.Timestamp{1, 2, 3}, nil)
	b.Field(2).(*array.StringBuilder).AppendValues([]string{`a"b`, "", ""}, []bool{true, false, false})
	write(t, s, w, b.NewRecord(), nil)
	var keys []string
	for _, r := range c.records(t, topic, 3) {
		keys = append(keys, fmt.Sprintf("%s %v", r.Key, r.Key == nil))
	}
	equal(t, "keys", keys, []string{`{"text":"a\"b","id":1} false`, `{"text":null,"id":0} false`, " true"})
	if _, err := NewKey(testFields, []string{"nix"}); err == nil || !strings.Contains(schema.Hint(err), "id, at, text") {
		t.Fatal(err)
	}
}

// memRegistry is a registry in memory.
type memRegistry struct {
	mu    sync.Mutex
	texts []string
	down  error
}

func (m *memRegistry) Schema(_ context.Context, id int, _ string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return "", m.down
	}
	if id < 1 || id > len(m.texts) {
		return "", fmt.Errorf("schema id %d: %w", id, &sr.ResponseError{StatusCode: 404, ErrorCode: 40403, Message: "unknown"})
	}
	return m.texts[id-1], nil
}

func (m *memRegistry) Register(_ context.Context, _, text string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.texts = append(m.texts, text)
	return len(m.texts), nil
}

func testSinkFormats(t *testing.T, c *cluster) {
	const avsc = `{"type":"record","name":"row","fields":[{"name":"id","type":["null","long"]},
		{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},{"name":"text","type":["null","string"]}]}`
	reg := &memRegistry{}
	for name, f := range map[string]Format{
		"json":          {Name: "json"},
		"avro":          {Name: "avro", Schema: avsc},
		"avro registry": {Name: "avro", Registry: reg, Subject: "s"},
	} {
		topic := c.topic(t, 1)
		s, w := c.sink(t, Output{Topic: topic, NewEncoder: NewEncoder(f)}, nil)
		rec, times := record(0, 3000)
		write(t, s, w, rec, times)
		dec, err := NewDecoder(f, testFields)
		if err != nil {
			t.Fatal(name, err)
		}
		src := c.source(t, topic, func(o *SourceOptions) { o.NewDecoder = dec; o.BlockRows = 5000 })
		row := 0
		for row < 3000 {
			b, err := src.Next(t.Context())
			if err != nil {
				t.Fatal(name, err)
			}
			if b.Record != nil {
				n := int(b.Record.NumRows())
				if want := rec.NewSlice(int64(row), int64(row+n)); !array.RecordEqual(b.Record, want) {
					t.Fatalf("%s: got %v, want %v", name, b.Record, want)
				}
				row += n
			}
		}
		if f.Registry == nil {
			continue
		}
		// An id that the registry does not have is the record's fault; a registry that is away is not, nor is an address
		// where there is none.
		c.put(t, topic, 0, "\x00\x00\x00\x00\x63xyz", "abc")
		dec, _ = NewDecoder(f, testFields)
		src = c.source(t, topic, func(o *SourceOptions) { o.NewDecoder = dec; o.OnBadRecord = Reject })
		bad := rest(t, src)
		if len(bad) != 2 || !strings.Contains(bad[0].Reason, "schema id 99") || !strings.Contains(bad[1].Reason, "wire format") {
			t.Fatalf("%+v", bad)
		}
		for _, down := range []error{errors.New("connection refused"), &sr.ResponseError{StatusCode: 404, Raw: []byte("<html>")}, &sr.ResponseError{StatusCode: 404, ErrorCode: 404, Message: "HTTP 404"}} {
			reg.down = down
			dec, _ = NewDecoder(f, testFields)
			src = c.source(t, topic, func(o *SourceOptions) { o.NewDecoder = dec; o.OnBadRecord = Reject })
			if _, err := src.Next(t.Context()); err == nil || !strings.Contains(err.Error(), down.Error()) || !strings.Contains(err.Error(), "offset 0") {
				t.Fatalf("%v: %v", down, err)
			}
		}
	}
	if _, err := NewDecoder(Format{Name: "xml"}, testFields); err == nil || schema.Hint(err) == "" {
		t.Fatal(err)
	}
	if _, err := NewDecoder(Format{Name: "avro", Schema: "{"}, testFields); err == nil {
		t.Fatal("half a schema was taken")
	}
}

// rest reads a source to its end and returns the bad records.
func rest(t testing.TB, s *Source) []replay.BadRecord {
	t.Helper()
	var bad []replay.BadRecord
	for {
		b, err := s.Next(t.Context())
		if err != nil {
			return bad
		}
		bad = append(bad, b.Bad...)
	}
}

func testSinkMissing(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	o := Output{Topic: topic + "x", NewEncoder: NewEncoder(Format{Name: "json"}), Partitions: 4}
	opts := SinkOptions{Client: c.options(), Outputs: map[string]Output{"out": o}}
	_, err := NewSink(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), "output out: topic "+o.Topic+" does not exist") ||
		!strings.Contains(schema.Hint(err), "did you mean "+topic) || !strings.Contains(schema.Hint(err), "create") {
		t.Fatal(err, schema.Hint(err))
	}
	opts.CreateTopics = true
	s, err := NewSink(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	parts, err := partitions(t.Context(), c.adm, o.Topic)
	if err != nil || len(parts) != 4 {
		t.Fatal(parts, err)
	}
	if _, err := s.Open(t.Context(), "other", testFields); err == nil {
		t.Fatal("an output without topic was opened")
	}
	opts.Compression = "rar"
	if _, err := NewSink(t.Context(), opts); err == nil || !strings.Contains(schema.Hint(err), "zstd") {
		t.Fatal(err)
	}
}

func testSinkLarge(t *testing.T, c *cluster) {
	big := array.NewRecordBuilder(memory.DefaultAllocator, schema.ArrowSchema(testFields))
	for i := range 3 {
		big.Field(0).(*array.Int64Builder).Append(int64(i))
		big.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(base))
		big.Field(2).(*array.StringBuilder).Append(strings.Repeat("y", 10<<20))
	}
	rec := big.NewRecord()
	wide := c.topic(t, 1, "max.message.bytes", "20000000")
	s, w := c.sink(t, Output{Topic: wide}, nil)
	write(t, s, w, rec, []int64{base, base, base})
	for _, r := range c.records(t, wide, 3) {
		if len(r.Value) < 10<<20 {
			t.Fatalf("%d bytes", len(r.Value))
		}
	}
	narrow := c.topic(t, 1)
	s, w = c.sink(t, Output{Topic: narrow}, nil)
	err := w.Write(t.Context(), rec, []int64{base, base, base})
	if err == nil {
		s.Cut()
		_, err = s.Seal(t.Context(), 1)
	}
	if err == nil || !strings.Contains(err.Error(), narrow) || !strings.Contains(schema.Hint(err), "max.message.bytes") {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), rec, nil); err == nil {
		t.Fatal("a failed sink goes on")
	}
}

func testSinkTimes(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, "message.timestamp.after.max.ms", fmt.Sprint(int64(1)<<60))
	s, w := c.sink(t, Output{Topic: topic}, nil)
	rec, _ := record(0, 5)
	year := func(y int) int64 { return time.Date(y, 6, 1, 0, 0, 0, 0, time.UTC).UnixMicro() }
	write(t, s, w, rec, []int64{year(1969), -1500, -1, year(9999), replay.NoTime})
	recs := c.records(t, topic, 5)
	var got []int64
	for _, r := range recs[:4] {
		got = append(got, r.Timestamp.UnixMilli())
	}
	equal(t, "timestamps", got, []int64{year(1969) / 1000, -2, -1, math.MaxInt64 / 1_000_000})
	if d := time.Since(recs[4].Timestamp); d < -time.Minute || d > time.Minute {
		t.Fatalf("a row without time got %v", recs[4].Timestamp)
	}
}

func testSinkOld(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, "retention.ms", "3600000", "cleanup.policy", "delete")
	var told []string
	s, w := c.sink(t, Output{Topic: topic}, func(o *SinkOptions) {
		o.Now = func() time.Time { return time.UnixMicro(base).Add(2 * time.Hour) }
		o.Client.Events = NewEvents(func(what string) { told = append(told, what) })
	})
	rec, times := record(0, 5)
	write(t, s, w, rec, times)
	write(t, s, w, rec, times)
	if len(told) != 1 || !strings.Contains(told[0], topic) || !strings.Contains(told[0], "retention.ms") {
		t.Fatal(told)
	}
}

func testSinkClose(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	s, w := c.sink(t, Output{Topic: topic}, nil)
	rec, times := record(0, 5)
	write(t, s, w, rec, times)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), rec, times); err == nil {
		s.Cut()
		if _, err = s.Seal(t.Context(), 2); err == nil {
			t.Fatal("written after close")
		}
	}
}
