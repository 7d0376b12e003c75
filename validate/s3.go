package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// findS3 lists the objects of an address: an object, a folder (prefix) or a glob.
func (o *opener) findS3(address string) ([]place, error) {
	client, err := o.s3()
	if err != nil {
		return nil, placed(address, err)
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(address, "s3://"), "/")
	glob := strings.ContainsAny(key, "*?[")
	prefix := key
	if glob {
		prefix = staticPrefix(key)
		if prefix == "." {
			prefix = ""
		}
	}
	var out []place
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(o.ctx)
		if err != nil {
			return nil, withHint(fmt.Errorf("list %s: %w", address, err), "check the bucket's name, AWS_ENDPOINT_URL, AWS_REGION and the credentials")
		}
		for _, obj := range page.Contents {
			k := aws.ToString(obj.Key)
			below := strings.TrimPrefix(k, strings.TrimSuffix(prefix, "/"))
			whole := k == key
			if !whole && prefix != "" && !strings.HasPrefix(below, "/") || strings.HasSuffix(k, "/") {
				continue
			}
			if glob && !globMatch(key, k) {
				continue
			}
			parts := strings.Split(strings.Trim(below, "/"), "/")
			hidden := false
			for _, s := range parts {
				hidden = hidden || s != "" && (s[0] == '_' || s[0] == '.')
			}
			if hidden && !whole {
				continue
			}
			size, etag := aws.ToInt64(obj.Size), aws.ToString(obj.ETag)
			out = append(out, place{name: "s3://" + bucket + "/" + k, size: size, etag: strings.Trim(etag, `"`), hive: parts[:len(parts)-1],
				open: func(ctx context.Context) (io.ReaderAt, io.Closer, error) {
					return &s3Object{ctx: ctx, client: client, bucket: bucket, key: k, etag: etag, size: size}, io.NopCloser(nil), nil
				}})
		}
	}
	for _, p := range out {
		if p.name == "s3://"+bucket+"/"+key {
			p.hive = nil
			return []place{p}, nil
		}
	}
	sort.Slice(out, func(i, j int) bool { return path.Clean(out[i].name) < path.Clean(out[j].name) })
	return out, nil
}

// s3 makes a client from the caller's environment: the usual AWS names, and the endpoint of other servers.
func (o *opener) s3() (*s3.Client, error) {
	env := o.opts.Env
	region := env["AWS_REGION"]
	if region == "" {
		region = env["AWS_DEFAULT_REGION"]
	}
	if region == "" {
		region = "us-east-1"
	}
	load := []func(*config.LoadOptions) error{config.WithRegion(region)}
	if id := env["AWS_ACCESS_KEY_ID"]; id != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"])))
	}
	if p := env["AWS_PROFILE"]; p != "" {
		load = append(load, config.WithSharedConfigProfile(p))
	}
	cfg, err := config.LoadDefaultConfig(o.ctx, load...)
	if err != nil {
		return nil, err
	}
	return s3.NewFromConfig(cfg, func(so *s3.Options) {
		so.Retryer = retry.NewStandard(func(ro *retry.StandardOptions) {
			ro.MaxAttempts = s3Tries
			ro.Backoff = retry.BackoffDelayerFunc(func(tries int, _ error) (time.Duration, error) { return s3Pause(tries), nil })
			ro.RateLimiter = ratelimit.None // many readers that are refused together may all ask again
		})
		so.DisableLogOutputChecksumValidationSkipped = true // ranges have none, and each would be a line on stderr
		endpoint := env["AWS_ENDPOINT_URL_S3"]
		if endpoint == "" {
			endpoint = env["AWS_ENDPOINT_URL"]
		}
		if endpoint != "" {
			so.BaseEndpoint = &endpoint
			so.UsePathStyle = true
		}
	}), nil
}

// s3Object reads ranges of one object, always of the version that was listed.
type s3Object struct {
	ctx               context.Context // a ReaderAt has no other way to end a read
	client            *s3.Client
	bucket, key, etag string
	size              int64
}

// s3Tries is how often a request is made, at most: for two minutes, about, of an S3 that asks to be asked again.
const s3Tries = 16

// s3Pause is the wait behind the n-th failure, half of it by chance.
func s3Pause(n int) time.Duration {
	d := min(100*time.Millisecond<<min(n, 10), 10*time.Second)
	return d/2 + rand.N(d/2)
}

func (r *s3Object) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	n := 0
	for tries := 1; ; tries++ {
		got, cut, err := r.read(want[n:], off+int64(n))
		if n += got; got > 0 {
			tries = 1
		}
		if err == nil {
			break
		}
		if !cut || tries == s3Tries {
			return n, err
		}
		select {
		case <-r.ctx.Done():
			return n, context.Cause(r.ctx)
		case <-time.After(s3Pause(tries)):
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read makes one request. cut says that its answer broke off, which the client has not tried again.
func (r *s3Object) read(p []byte, off int64) (n int, cut bool, err error) {
	rng := fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)
	in := &s3.GetObjectInput{Bucket: &r.bucket, Key: &r.key, Range: &rng}
	if r.etag != "" {
		in.IfMatch = &r.etag
	}
	out, err := r.client.GetObject(r.ctx, in)
	if err != nil {
		if strings.Contains(err.Error(), "PreconditionFailed") {
			return 0, false, errors.New("the object changed while it was read")
		}
		return 0, false, err
	}
	defer out.Body.Close()
	n, err = io.ReadFull(out.Body, p)
	return n, true, err
}
