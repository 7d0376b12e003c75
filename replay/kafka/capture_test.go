package kafka

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// A capture has exactly the topic's rows, each with where it was.
func testCapture(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	c.put(t, topic, 0, rows(0, 500)...)
	c.transact(t, topic, 1, false, rows(900, 910)...)
	c.put(t, topic, 1, rows(500, 1000)...)
	s := c.source(t, topic, func(o *SourceOptions) { o.BlockRows = 99 })
	fields, err := CaptureFields(s.Fields())
	if err != nil {
		t.Fatal(err)
	}
	want := schema.ArrowSchema(fields)
	seen := map[int64]bool{}
	for {
		b, err := s.Next(t.Context())
		if err != nil {
			break
		}
		rec := Captured(b, s.Lanes()[b.Lane].Partition)
		if rec == nil {
			continue
		}
		if !rec.Schema().Equal(want) {
			t.Fatalf("schema %v, want %v", rec.Schema(), want)
		}
		for i := range int(rec.NumRows()) {
			id := rec.Column(0).(*array.Int64).Value(i)
			part := rec.Column(3).(*array.Int32).Value(i)
			off := rec.Column(4).(*array.Int64).Value(i)
			ts := int64(rec.Column(5).(*array.Timestamp).Value(i))
			wantPart, wantOff := int32(0), id
			if id >= 500 {
				wantPart, wantOff = 1, id-500+11
			}
			if part != wantPart || off != wantOff || ts != base+id*1e6 || seen[id] {
				t.Fatalf("row %d: partition %d, offset %d, time %d, twice %v", id, part, off, ts, seen[id])
			}
			seen[id] = true
		}
	}
	if len(seen) != 1000 {
		t.Fatalf("%d rows", len(seen))
	}
}

func TestCapturedNulls(t *testing.T) {
	rec, _ := record(0, 3)
	out := Captured(replay.Block{Record: rec, Offsets: []int64{4, 5, 9}, BrokerTimes: []int64{7000, replay.NoTime, 9000}}, 2)
	if ts := out.Column(5).(*array.Timestamp); ts.NullN() != 1 || !ts.IsNull(1) || ts.Value(2) != 9000 {
		t.Fatal(ts)
	}
	out = Captured(replay.Block{Record: rec, Partitions: []int32{1, 2, 3}}, 0)
	if p := out.Column(3).(*array.Int32).Int32Values(); p[2] != 3 || out.Column(4).NullN() != 3 || out.Column(5).NullN() != 3 {
		t.Fatal(out)
	}
	if Captured(replay.Block{}, 0) != nil {
		t.Fatal("a record without rows")
	}
	if _, err := CaptureFields([]schema.Field{{Name: OffsetColumn}}); err == nil || schema.Hint(err) == "" {
		t.Fatal(err)
	}
}

// testCompacted reads a compacted topic up to its end, and up to an offset that compaction has removed.
func testCompacted(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.001", "segment.ms", "50",
		"max.compaction.lag.ms", "100", "delete.retention.ms", "0")
	const n = 200
	for i := range n {
		c.putRecords(t, &kgo.Record{Topic: topic, Key: []byte{byte(i % 3)}, Value: []byte(row(i, i)), Timestamp: valueTime(row(i, i))})
	}
	var r *read
	tries := 0
	for {
		// A new record closes the segment before it, which only then may be compacted.
		c.putRecords(t, &kgo.Record{Topic: topic, Key: []byte{99}, Value: []byte(row(1000, 1000)), Timestamp: valueTime(row(1000, 1000))})
		if c.fake != nil {
			c.fake.Compact()
		}
		r = c.readAll(t, topic, nil)
		if r.ids[0][0] == n-3 {
			break
		}
		if tries++; tries > 150 {
			t.Fatalf("not compacted: %s", brief(r.ids[0]))
		}
		replay.Sleep(t.Context(), 2*tick)
	}
	ids := r.ids[0]
	equal(t, "the newest of each key", ids[:3], ints(n-3, n))
	for _, end := range []int64{1, n / 2, n - 3} {
		part := c.readAll(t, topic, func(o *SourceOptions) { o.Until = AtOffsets(map[int32]int64{0: end}) })
		if len(part.ids[0]) != 0 || !part.ended[0] {
			t.Fatalf("until %d: %v", end, part.ids[0])
		}
	}
}
