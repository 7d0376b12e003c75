package json

import (
	stdjson "encoding/json"
	"testing"
	"time"

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

const impression = `{"impression_id":"i-000000000012345678","profile_id":123456,"title_id":80012345,"device_id":"dev-0042","shown_at":"2023-11-14T22:13:20.123456Z","row":7,"score":0.4375,"autoplay":true}`

func BenchmarkDecode(b *testing.B) {
	d := NewDecoder(impressionFields())
	v := []byte(impression)
	b.ReportAllocs()
	b.SetBytes(int64(len(v)))
	for b.Loop() {
		if err := d.Append(v); err != nil {
			b.Fatal(err)
		}
		if d.Rows() == 8192 {
			d.Flush()
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkEncode(b *testing.B) {
	d := NewDecoder(impressionFields())
	if err := d.Append([]byte(impression)); err != nil {
		b.Fatal(err)
	}
	rec := d.Flush()
	e := NewEncoder(impressionFields())
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Encode(dst[:0], rec, 0)
	}
	if string(dst) != impression {
		b.Fatalf("%s", dst)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// The standard library on the same record, to compare machines by.
func BenchmarkStandardLibrary(b *testing.B) {
	v := []byte(impression)
	b.ReportAllocs()
	b.SetBytes(int64(len(v)))
	for b.Loop() {
		var row struct {
			ImpressionID string    `json:"impression_id"`
			ProfileID    int64     `json:"profile_id"`
			TitleID      int64     `json:"title_id"`
			DeviceID     string    `json:"device_id"`
			ShownAt      time.Time `json:"shown_at"`
			Row          int32     `json:"row"`
			Score        float64   `json:"score"`
			Autoplay     bool      `json:"autoplay"`
		}
		if err := stdjson.Unmarshal(v, &row); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
