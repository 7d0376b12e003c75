//go:build integration

package lake

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lockstep-data/lockstep/fixtures/services"
	"github.com/lockstep-data/lockstep/schema"
)

// realS3 is a bucket of the test's own, and how it is reached.
func realS3(t *testing.T) (client *s3.Client, bucket string, env map[string]string) {
	e := services.S3(t)
	client = s3.New(s3.Options{BaseEndpoint: &e.URL, Region: e.Region, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, "")})
	bucket = fmt.Sprintf("lake-%d", time.Now().UnixNano())
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { emptyBucket(t, client, bucket) })
	return client, bucket, map[string]string{"AWS_ENDPOINT_URL": e.URL, "AWS_ACCESS_KEY_ID": e.AccessKey, "AWS_SECRET_ACCESS_KEY": e.SecretKey, "AWS_REGION": e.Region}
}

func objects(t *testing.T, client *s3.Client, bucket, prefix string) (keys []string) {
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys
}

func emptyBucket(t *testing.T, client *s3.Client, bucket string) {
	for _, key := range objects(t, client, bucket, "") {
		if _, err := client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.DeleteBucket(context.Background(), &s3.DeleteBucketInput{Bucket: &bucket}); err != nil {
		t.Error(err)
	}
}

func TestRealS3(t *testing.T) {
	client, bucket, env := realS3(t)
	root := "s3://" + bucket + "/"
	n := 0
	conformance(t, testStore{
		env:   env,
		seeds: 5,
		place: func(*testing.T) string { n++; return fmt.Sprintf("%splace-%d", root, n) },
		put: func(t *testing.T, name string, data []byte) {
			key := strings.TrimPrefix(name, root)
			if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)}); err != nil {
				t.Fatal(err)
			}
		},
		count: func(t *testing.T, place string) (visible, staged int) {
			prefix := strings.TrimPrefix(place, root) + "/"
			for _, key := range objects(t, client, bucket, prefix) {
				if strings.HasSuffix(key, ".parquet") {
					visible++
				}
			}
			uploads, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix})
			if err != nil {
				t.Fatal(err)
			}
			return visible, len(uploads.Uploads)
		},
	})
}

func TestRealS3Errors(t *testing.T) {
	_, bucket, env := realS3(t)
	env["AWS_MAX_ATTEMPTS"] = "2"
	with := func(k, v string) map[string]string {
		out := maps.Clone(env)
		out[k] = v
		return out
	}
	for _, c := range []struct {
		place string
		env   map[string]string
		want  string
	}{
		{"s3://" + bucket + "-none/x", env, "there is no bucket"},
		{"s3://" + bucket + "/x", env, "there is no such file or folder"},
		{"s3://" + bucket + "/x", with("AWS_ACCESS_KEY_ID", "wrong"), "wrong credentials"},
		{"s3://" + bucket + "/x", with("AWS_SECRET_ACCESS_KEY", "wrong"), "wrong credentials"},
		{"s3://" + bucket + "/x", with("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), "the S3 server cannot be reached"},
	} {
		if _, err := NewSource(t.Context(), SourceOptions{Place: c.place, Env: c.env}); err == nil || !strings.Contains(err.Error(), c.want) || schema.Hint(err) == "" {
			t.Errorf("source %s: %v (%s), want %q", c.place, err, schema.Hint(err), c.want)
		}
		if c.want == "there is no such file or folder" {
			continue // a sink makes it
		}
		if _, err := NewSink(t.Context(), c.place, SinkOptions{Env: c.env}); err == nil || !strings.Contains(err.Error(), c.want) || schema.Hint(err) == "" {
			t.Errorf("sink %s: %v (%s), want %q", c.place, err, schema.Hint(err), c.want)
		}
	}
}

// The same over a real server: what it makes of repeated and lost requests is its own.
func TestRealS3DisorderedWorld(t *testing.T) {
	_, bucket, env := realS3(t)
	server, err := url.Parse(env["AWS_ENDPOINT_URL"])
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	u := &unruly{behind: httputil.NewSingleHostReverseProxy(server), pick: byChance(seed, 4)}
	between := httptest.NewServer(u)
	t.Cleanup(between.Close)
	env["AWS_ENDPOINT_URL"] = between.URL
	ctx := withS3(t.Context(), quick, func(string) {})
	disorderedWorld(t, ctx, seed, "s3://"+bucket+"/out", env)
	createOnce(t, ctx, 20, "s3://"+bucket+"/ck", env)
	for i, what := range mischief {
		t.Logf("%s: %d times", what, u.did[i].Load())
	}
}
