package lake

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-data/lockstep/schema"
)

// bucket is one S3 bucket.
type bucket struct {
	bucket   string
	client   *s3.Client
	patience patience
	world    *s3World
	answered atomic.Bool // the server has answered once
	renew    func()      // forgets the credentials, so that they are looked for again; nil where they are fixed
}

// openS3 takes keys, region, profile and endpoint from env, and what is not there from the SDK's usual chain
// (files below ~/.aws, roles). A server of its own (AWS_ENDPOINT_URL) is addressed with the bucket in the path.
func openS3(ctx context.Context, name string, env map[string]string) (store, error) {
	opts := []func(*config.LoadOptions) error{
		// Servers that are not Amazon's often lack the newer checksums.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithLogger(logging.Nop{}), // it would print
	}
	if p := env["AWS_PROFILE"]; p != "" {
		opts = append(opts, config.WithSharedConfigProfile(p))
	}
	if f := env["AWS_CONFIG_FILE"]; f != "" {
		opts = append(opts, config.WithSharedConfigFiles([]string{f}))
	}
	if f := env["AWS_SHARED_CREDENTIALS_FILE"]; f != "" {
		opts = append(opts, config.WithSharedCredentialsFiles([]string{f}))
	}
	region := env["AWS_REGION"]
	if region == "" {
		region = env["AWS_DEFAULT_REGION"]
	}
	if region != "" {
		opts = append(opts, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, schema.WithHint(fmt.Errorf("AWS configuration: %w", err), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
	}
	b := &bucket{bucket: name, world: s3WorldOf(ctx)}
	b.patience = b.world.patience
	if n, err := strconv.Atoi(env["AWS_MAX_ATTEMPTS"]); err == nil && n > 0 {
		b.patience.tries = n
	}
	if id := env["AWS_ACCESS_KEY_ID"]; id != "" {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(id, env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"])
	} else {
		// The SDK reads the files of keys once. A run of weeks takes what was written there since.
		chain := cfg.Credentials
		first := true
		cache := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			if !first {
				again, err := config.LoadDefaultConfig(ctx, opts...)
				if err != nil {
					return aws.Credentials{}, err
				}
				chain = again.Credentials
			}
			first = false
			return chain.Retrieve(ctx)
		}))
		cfg.Credentials, b.renew = cache, cache.Invalidate
	}
	endpoint := env["AWS_ENDPOINT_URL_S3"]
	if endpoint == "" {
		endpoint = env["AWS_ENDPOINT_URL"]
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	b.client = s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{} // try repeats
		if endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = &endpoint, true
		}
	})
	return b, nil
}

func (b *bucket) name(key string) string { return "s3://" + b.bucket + "/" + key }

// explain says in the user's words what S3 refused.
func (b *bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	var netErr *net.OpError
	switch {
	case errors.As(err, &api):
		switch api.ErrorCode() {
		case "NoSuchKey", "NotFound":
			return fmt.Errorf("%w: %s", fs.ErrNotExist, api.ErrorMessage())
		case "NoSuchBucket":
			return schema.WithHint(fmt.Errorf("there is no bucket %s", b.bucket), "check the name, and AWS_ENDPOINT_URL if the server is not Amazon's")
		case "AccessDenied", "Forbidden", "AllAccessDisabled":
			return schema.WithHint(fmt.Errorf("access to bucket %s is denied (%s)", b.bucket, api.ErrorCode()), "the credentials are valid but lack the right, or belong to another account: try `aws s3 ls`")
		case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
			return schema.WithHint(fmt.Errorf("the credentials for bucket %s have expired (%s)", b.bucket, api.ErrorCode()),
				"renew them and start again; those of a profile or a role are looked for again by a run, those in AWS_ACCESS_KEY_ID cannot be")
		case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed", "XAdminUserNotFound": // the last is versitygw's, with status 404
			return schema.WithHint(fmt.Errorf("wrong credentials for bucket %s (%s)", b.bucket, api.ErrorCode()), "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION, or AWS_PROFILE")
		}
		return schema.WithHint(err, "check the bucket, the credentials and AWS_ENDPOINT_URL")
	case errors.As(err, &netErr):
		return schema.WithHint(fmt.Errorf("the S3 server cannot be reached: %w", netErr), "check AWS_ENDPOINT_URL and the network")
	case noCredentials(err):
		return schema.WithHint(fmt.Errorf("no credentials for bucket %s", b.bucket), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
	case errors.Is(err, errStalled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return schema.WithHint(fmt.Errorf("the S3 server broke off: %w", err), "check AWS_ENDPOINT_URL and the network")
	}
	return err
}

func (b *bucket) object(key string, size *int64, etag *string) Object {
	return Object{Name: b.name(key), key: key, Size: aws.ToInt64(size), Version: strings.Trim(aws.ToString(etag), `"`)}
}

func (b *bucket) stat(ctx context.Context, key string) (Object, bool, error) {
	first := func(prefix string) (out *s3.ListObjectsV2Output, err error) {
		err = b.try(ctx, func(ctx context.Context, _ func()) error {
			out, err = b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &prefix, MaxKeys: aws.Int32(1)})
			return err
		})
		return out, err
	}
	// Of the keys with a prefix, the prefix itself comes first.
	out, err := first(key)
	if err != nil {
		return Object{}, false, b.explain(err)
	}
	if key == "" {
		return Object{}, true, nil
	}
	if len(out.Contents) > 0 && aws.ToString(out.Contents[0].Key) == key {
		return b.object(key, out.Contents[0].Size, out.Contents[0].ETag), false, nil
	}
	if out, err = first(key + "/"); err != nil {
		return Object{}, false, b.explain(err)
	}
	if len(out.Contents) == 0 {
		return Object{}, false, fmt.Errorf("%s: %w", b.name(key), fs.ErrNotExist)
	}
	return Object{}, true, nil
}

func (b *bucket) walk(ctx context.Context, dir string, enter func(string) bool, f func(Object)) error {
	prefix := dir
	if prefix != "" {
		prefix += "/"
	}
	entered := map[string]bool{dir: true, ".": true, "": true}
	var inside func(d string) bool
	inside = func(d string) bool {
		ok, seen := entered[d]
		if !seen {
			ok = inside(parent(d)) && enter(d)
			entered[d] = ok
		}
		return ok
	}
	found := false
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		var page *s3.ListObjectsV2Output
		err := b.try(ctx, func(ctx context.Context, _ func()) (err error) {
			page, err = pages.NextPage(ctx)
			return err
		})
		if err != nil {
			return b.explain(err)
		}
		for _, o := range page.Contents {
			found = true
			key := aws.ToString(o.Key)
			// A key that ends with a slash marks a folder.
			if !strings.HasSuffix(key, "/") && inside(parent(key)) {
				f(b.object(key, o.Size, o.ETag))
			}
		}
	}
	if !found && dir != "" {
		return fmt.Errorf("%s: %w", b.name(dir), fs.ErrNotExist)
	}
	return nil
}

func parent(key string) string {
	if d := path.Dir(key); d != "." {
		return d
	}
	return ""
}

func (b *bucket) open(ctx context.Context, o Object) (Reader, error) {
	return &s3Reader{ctx: ctx, b: b, o: o}, nil
}

// s3Reader reads ranges of one version of an object. It keeps the context it was opened with, because
// io.ReaderAt takes none.
type s3Reader struct {
	ctx context.Context
	b   *bucket
	o   Object
}

func (r *s3Reader) Close() error { return nil }

// Check has nothing to do: every request names the version.
func (r *s3Reader) Check() error { return nil }

// rangeBytes is what one request fetches at most; larger reads are split and run side by side.
const rangeBytes = 8 << 20

func (r *s3Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.o.Size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > r.o.Size-off {
		p, end = p[:r.o.Size-off], io.EOF
	}
	g, ctx := errgroup.WithContext(r.ctx)
	g.SetLimit(4)
	for at := 0; at < len(p); at += rangeBytes {
		part := p[at:min(len(p), at+rangeBytes)]
		g.Go(func() error { return r.fetch(ctx, part, off+int64(at)) })
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return len(p), end
}

// fetch reads one range.
func (r *s3Reader) fetch(ctx context.Context, p []byte, off int64) error {
	err := r.b.try(ctx, func(ctx context.Context, alive func()) error {
		in := &s3.GetObjectInput{Bucket: &r.b.bucket, Key: &r.o.key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))}
		if r.o.Version != "" {
			in.IfMatch = aws.String(`"` + r.o.Version + `"`)
		}
		out, err := r.b.client.GetObject(ctx, in)
		if err != nil {
			return err
		}
		defer out.Body.Close()
		// What stands between may take no notice of either.
		if want := fmt.Sprintf("bytes %d-%d/", off, off+int64(len(p))-1); !strings.HasPrefix(aws.ToString(out.ContentRange), want) {
			return finalError{schema.WithHint(fmt.Errorf("the server gave %q, asked for %s%d", aws.ToString(out.ContentRange), want, r.o.Size),
				"a proxy or a server that does not serve ranges of objects cannot be read from")}
		}
		if got := strings.Trim(aws.ToString(out.ETag), `"`); r.o.Version != "" && got != "" && got != r.o.Version {
			return finalError{errChanged(r.o.Name)}
		}
		_, err = io.ReadFull(moving{out.Body, alive}, p)
		return err
	})
	var api smithy.APIError
	if errors.As(err, &api) && (api.ErrorCode() == "PreconditionFailed" || api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "InvalidRange") {
		return errChanged(r.o.Name)
	}
	return r.b.explain(err)
}

// moving tells of every read that gave something.
type moving struct {
	io.Reader
	alive func()
}

func (m moving) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if n > 0 {
		m.alive()
	}
	return n, err
}

// sending is a body of a request.
type sending struct {
	*bytes.Reader
	alive func()
}

func (s sending) Read(p []byte) (int, error) { return moving{s.Reader, s.alive}.Read(p) }

func (b *bucket) put(ctx context.Context, key string, data []byte) error {
	return b.explain(b.try(ctx, func(ctx context.Context, alive func()) error {
		_, err := b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.bucket, Key: &key, Body: sending{bytes.NewReader(data), alive}})
		return err
	}))
}

// writer is the metadata by which who wrote an object knows it again.
const writerKey = "lockstep-writer"

// putNew marks the object: when the answer to a first request is lost, the second finds an object there, and must not
// take it for someone else's.
func (b *bucket) putNew(ctx context.Context, key string, data []byte) error {
	mark := crand.Text()
	err := b.try(ctx, func(ctx context.Context, alive func()) error {
		_, err := b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.bucket, Key: &key, Body: sending{bytes.NewReader(data), alive},
			IfNoneMatch: aws.String("*"), Metadata: map[string]string{writerKey: mark}})
		return err
	})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "PreconditionFailed" {
		return b.explain(err)
	}
	var there *s3.HeadObjectOutput
	err = b.try(ctx, func(ctx context.Context, _ func()) (err error) {
		there, err = b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: &key})
		return err
	})
	switch err = b.explain(err); {
	case err != nil && !isMissing(err):
		return err
	case err == nil && there.Metadata[writerKey] == mark:
		return nil
	}
	return fmt.Errorf("%s: %w", b.name(key), fs.ErrExist)
}

func (b *bucket) get(ctx context.Context, key string) (data []byte, err error) {
	err = b.try(ctx, func(ctx context.Context, alive func()) error {
		out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &key})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		data, err = io.ReadAll(moving{out.Body, alive})
		if size := aws.ToInt64(out.ContentLength); err == nil && out.ContentLength != nil && int64(len(data)) != size {
			err = fmt.Errorf("%d bytes of %d: %w", len(data), size, io.ErrUnexpectedEOF)
		}
		return err
	})
	return data, b.explain(err)
}

func (b *bucket) remove(ctx context.Context, key string) error {
	return b.explain(b.try(ctx, func(ctx context.Context, _ func()) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: &key})
		return err
	}))
}
