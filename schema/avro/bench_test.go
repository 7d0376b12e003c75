package avro

import (
	"testing"

	peer "github.com/twmb/avro"

	"github.com/lockstep-data/lockstep/schema"
)

func impressionFields() []schema.Field {
	return []schema.Field{
		{Name: "impression_id", Type: schema.Type{Kind: schema.String}},
		{Name: "profile_id", Type: schema.Type{Kind: schema.BigInt}},
		{Name: "title_id", Type: schema.Type{Kind: schema.BigInt}},
		{Name: "device_id", Type: schema.Type{Kind: schema.String}},
		{Name: "shown_at", Type: schema.Type{Kind: schema.Timestamp, Precision: 6}},
		{Name: "row", Type: schema.Type{Kind: schema.Int}},
		{Name: "score", Type: schema.Type{Kind: schema.Double}},
		{Name: "autoplay", Type: schema.Type{Kind: schema.Boolean}},
	}
}

const impressionSchema = `{"type":"record","name":"impression","fields":[
{"name":"impression_id","type":"string"},{"name":"profile_id","type":"long"},{"name":"title_id","type":"long"},
{"name":"device_id","type":["null","string"]},{"name":"shown_at","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"row","type":"int"},{"name":"score","type":["null","double"]},{"name":"autoplay","type":"boolean"}]}`

func impression() []byte {
	v := append(appendLong(nil, 20), "i-000000000012345678"...)
	v = appendLong(v, 123456)
	v = appendLong(v, 80012345)
	v = append(appendLong(append(v, 2), 8), "dev-0042"...)
	v = appendLong(v, 1700000000123456)
	v = appendLong(v, 7)
	v = appendDouble(append(v, 2), 0.4375)
	return append(v, 1)
}

func BenchmarkDecode(b *testing.B) {
	d := NewDecoder(impressionFields())
	p, err := d.Plan(impressionSchema)
	if err != nil {
		b.Fatal(err)
	}
	v := impression()
	b.ReportAllocs()
	b.SetBytes(int64(len(v)))
	for i := 0; b.Loop(); i++ {
		if err := d.Append(p, v); err != nil {
			b.Fatal(err)
		}
		if d.Rows() == 8192 {
			if r := d.Flush(); i < 10000 && r.NumRows() != 8192 {
				b.Fatal(r)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkEncode(b *testing.B) {
	d := NewDecoder(impressionFields())
	p, _ := d.Plan(impressionSchema)
	if err := d.Append(p, impression()); err != nil {
		b.Fatal(err)
	}
	rec := d.Flush()
	e, err := NewEncoder(impressionFields(), "x")
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Encode(dst[:0], rec, 0)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// Another library on the same record, to compare machines by.
func BenchmarkOtherLibrary(b *testing.B) {
	s, err := peer.Parse(impressionSchema)
	if err != nil {
		b.Fatal(err)
	}
	v := impression()
	b.ReportAllocs()
	b.SetBytes(int64(len(v)))
	for b.Loop() {
		var row struct {
			ImpressionID string   `avro:"impression_id"`
			ProfileID    int64    `avro:"profile_id"`
			TitleID      int64    `avro:"title_id"`
			DeviceID     *string  `avro:"device_id"`
			ShownAt      int64    `avro:"shown_at"`
			Row          int32    `avro:"row"`
			Score        *float64 `avro:"score"`
			Autoplay     bool     `avro:"autoplay"`
		}
		if _, err := s.Decode(v, &row); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
