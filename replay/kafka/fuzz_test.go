package kafka

import "testing"

// Whatever a topic holds is a row or an error, and an error leaves the rows as they were.
func FuzzDecoders(f *testing.F) {
	avsc := benchFormats["avro"].Schema
	reg := &memRegistry{texts: []string{avsc, `{"type":"record","name":"r","fields":[{"name":"id","type":"string"}]}`}}
	var decoders []Decoder
	for _, format := range []Format{{Name: "json"}, {Name: "avro", Schema: avsc}, {Name: "avro", Registry: reg}} {
		build, err := NewDecoder(format, testFields)
		if err != nil {
			f.Fatal(err)
		}
		d, err := build()
		if err != nil {
			f.Fatal(err)
		}
		decoders = append(decoders, d)
	}
	f.Add([]byte(`{"id":1,"at":"2026-01-01T00:00:00Z","text":"a"}`))
	f.Add([]byte("\x02\x02\x02\x04\x02\x02a"))
	f.Add([]byte("\x00\x00\x00\x00\x01\x02\x02\x02\x04\x02\x02a"))
	f.Add([]byte("\x00\x00\x00\x00\x02\x02a"))
	f.Add([]byte("\x00\x00\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, value []byte) {
		for i, d := range decoders {
			before := d.Rows()
			err := d.Append(value)
			if want := before + 1; err == nil && d.Rows() != want || err != nil && d.Rows() != before {
				t.Fatalf("decoder %d: %d rows, then %d, error %v", i, before, d.Rows(), err)
			}
			if d.Rows() > 100 {
				if rec := d.Flush(); rec.NumRows() != 101 || d.Rows() != 0 {
					t.Fatal(rec.NumRows(), d.Rows())
				}
			}
		}
	})
}
