package kafka

import (
	"fmt"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// benchRows is a topic's content; rows are like an impression: about 110 bytes of JSON.
const benchRows = 400_000

var benchFormats = map[string]Format{
	"json": {Name: "json"},
	"avro": {Name: "avro", Schema: `{"type":"record","name":"row","fields":[{"name":"id","type":["null","long"]},
		{"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},{"name":"text","type":["null","string"]}]}`},
}

// fill writes benchRows rows in the format over 4 partitions.
func fill(b *testing.B, c *cluster, f Format) string {
	b.Helper()
	topic := c.topic(b, 4)
	s, w := c.sink(b, Output{Topic: topic, NewEncoder: NewEncoder(f)}, nil)
	for at := 0; at < benchRows; at += 10000 {
		rec, times := record(at, at+10000)
		write(b, s, w, rec, times)
	}
	return topic
}

// consume reads a topic to its end and returns its rows.
func consume(b *testing.B, c *cluster, topic string, f Format) (rows int) {
	b.Helper()
	dec, err := NewDecoder(f, testFields)
	if err != nil {
		b.Fatal(err)
	}
	s := c.source(b, topic, func(o *SourceOptions) { o.NewDecoder = dec })
	defer s.Close()
	for {
		blk, err := s.Next(b.Context())
		if err == io.EOF {
			return rows
		}
		if err != nil {
			b.Fatal(err)
		}
		if blk.Record != nil {
			rows += int(blk.Record.NumRows())
		}
	}
}

func BenchmarkConsumeDecode(b *testing.B) { benchConsume(b, fakeCluster(b)) }

func BenchmarkEncodeProduce(b *testing.B) { benchProduce(b, fakeCluster(b)) }

func benchConsume(b *testing.B, c *cluster) {
	for _, name := range []string{"json", "avro"} {
		b.Run(name, func(b *testing.B) {
			topic := fill(b, c, benchFormats[name])
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				rows += consume(b, c, topic, benchFormats[name])
			}
			report(b, rows)
			if rows != b.N*benchRows {
				b.Fatalf("%d rows", rows)
			}
		})
	}
	// The floor: the client alone.
	b.Run("client", func(b *testing.B) {
		topic := fill(b, c, benchFormats["json"])
		b.ReportAllocs()
		rows := 0
		for b.Loop() {
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(topic))
			if err != nil {
				b.Fatal(err)
			}
			for n := 0; n < benchRows; {
				n += cl.PollFetches(b.Context()).NumRecords()
			}
			cl.Close()
			rows += benchRows
		}
		report(b, rows)
	})
}

func benchProduce(b *testing.B, c *cluster) {
	for _, name := range []string{"json", "avro"} {
		for _, codec := range []string{"zstd", "lz4"} {
			b.Run(fmt.Sprint(name, "-", codec), func(b *testing.B) {
				topic := c.topic(b, 4)
				s, w := c.sink(b, Output{Topic: topic, NewEncoder: NewEncoder(benchFormats[name]), Key: []string{"text"}}, func(o *SinkOptions) { o.Compression = codec })
				rec, times := record(0, 10000)
				b.ReportAllocs()
				rows := 0
				for b.Loop() {
					for range 10 {
						if err := w.Write(b.Context(), rec, times); err != nil {
							b.Fatal(err)
						}
					}
					s.Cut()
					if _, err := s.Seal(b.Context(), 1); err != nil {
						b.Fatal(err)
					}
					rows += 10 * 10000
				}
				report(b, rows)
			})
		}
	}
}

func report(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed())/float64(rows), "ns/row")
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(0, "ns/op")
}
