package lake

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/fixtures/s3server"
	"github.com/lockstep-data/lockstep/schema"
)

func TestS3SourceReadsRangesAndRepeatsBrokenOnes(t *testing.T) {
	f, env := newS3Fake(t)
	rows := randomRows(rand.New(rand.NewPCG(1, 1)), 3000, 2)
	for i := range 3 {
		f.Put(fmt.Sprintf("in/f%d.parquet", i), fileBytes(t, rows[i*1000:(i+1)*1000], true, 1000))
	}
	n := 0
	f.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			return false
		}
		switch n++; {
		case n%11 == 5:
			s3server.Deny(w, 503, "SlowDown")
			return true
		case n%11 == 9:
			// Half a body.
			w.Header().Set("Content-Range", strings.Replace(r.Header.Get("Range"), "=", " ", 1)+"/1000000")
			w.Header().Set("Content-Length", "1000000")
			w.WriteHeader(206)
			w.Write([]byte("PAR1"))
			return true
		}
		return false
	}
	for _, mode := range []Mode{Batch, Stream} {
		src := open(t, SourceOptions{Place: "s3://lake/in/*.parquet", Env: env, Time: "at", Mode: mode})
		var got []row
		for _, b := range drain(t, src) {
			for _, x := range rowsOf(t, b) {
				if mode == Stream {
					x.partition = int64(src.Lanes()[b.Lane].Partition)
				}
				got = append(got, x)
			}
		}
		if !reflect.DeepEqual(sortedByID(got), rows) {
			t.Errorf("mode %d: %d rows", mode, len(got))
		}
	}
}

func TestS3Errors(t *testing.T) {
	f, env := newS3Fake(t)
	f.Put("in/x.parquet", []byte("x"))
	with := func(k, v string) map[string]string {
		out := map[string]string{k: v}
		for key, value := range env {
			if key != k {
				out[key] = value
			}
		}
		return out
	}
	for _, c := range []struct {
		place string
		env   map[string]string
		want  string
	}{
		{"s3://nobucket/x", env, "there is no bucket nobucket"},
		{"s3://lake/x", env, "there is no such file or folder"},
		{"s3://lake/in/*.csv", env, "no file matches"},
		{"s3://lake/none/*.csv", env, "there is no folder s3://lake/none"},
		{"s3://lake/in", with("AWS_ACCESS_KEY_ID", "wrong"), "wrong credentials for bucket lake (InvalidAccessKeyId)"},
		{"s3://lake/in", with("AWS_ACCESS_KEY_ID", "stranger"), "access to bucket lake is denied"},
		{"s3://lake/in", with("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), "the S3 server cannot be reached"},
	} {
		_, err := NewSource(context.Background(), SourceOptions{Place: c.place, Env: c.env})
		if err == nil || !strings.Contains(err.Error(), c.want) || schema.Hint(err) == "" || !strings.Contains(err.Error(), c.place) {
			t.Errorf("%s: %v (%s)", c.place, err, schema.Hint(err))
		}
	}
}

func TestS3ReadAt(t *testing.T) {
	f, env := newS3Fake(t)
	data := make([]byte, 3*rangeBytes+5)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	f.Put("big", data)
	p, err := Open(context.Background(), "s3://lake/big", env)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := p.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Read(context.Background(), objects[0])
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data)-10)
	if n, err := r.ReadAt(got, 7); n != len(got) || err != nil || !bytes.Equal(got, data[7:len(data)-3]) {
		t.Error(n, err)
	}
	if n, err := r.ReadAt(got, int64(len(data)-4)); n != 4 || err == nil {
		t.Error(n, err)
	}
}

func TestS3SinkOfManyParts(t *testing.T) {
	f, env := newS3Fake(t)
	ctx := context.Background()
	s, err := NewSink(ctx, "s3://lake/big", SinkOptions{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Open(ctx, "rows", []schema.Field{{Name: "b", Type: schema.Type{Kind: schema.BigInt}}})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		rec := randomNumbers(r, 150_000)
		if err := w.Write(ctx, rec, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.Cut()
	sealed, err := s.Seal(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if u := f.Uploads(); len(u) != 1 || u[0].Parts < 3 {
		t.Errorf("%+v", u)
	}
	if err := s.Publish(ctx, 1, sealed); err != nil {
		t.Fatal(err)
	}
	src := open(t, SourceOptions{Place: "s3://lake/big/rows", Env: env})
	if n := src.Rows(); n != 3_000_000 {
		t.Error(n)
	}
}
