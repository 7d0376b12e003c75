package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/lockstep-data/lockstep/schema"
)

// partBytes is the size of a part. S3 takes 10,000 parts of at least 5 MiB (but the last), so a file of 80 GB.
const partBytes = 8 << 20

// multipart is an upload whose parts are stored, and whose object appears when it is completed: sealed means
// that all parts are there, published that it is completed. No staging key is ever visible.
type multipart struct {
	b   *bucket
	ctx context.Context // of the call that writes, for io.Writer takes none
	key string
	id  string
	// etags are those of the parts so far.
	etags []string
	buf   []byte
}

// partToken is a sealed upload as the checkpoint keeps it.
type partToken struct {
	Upload string   `json:"upload"`
	ETags  []string `json:"etags"`
}

func (b *bucket) create(ctx context.Context, _, key string) (upload, error) {
	m := &multipart{b: b, ctx: ctx, key: key}
	asked := 0
	err := b.try(ctx, func(ctx context.Context, _ func()) error {
		asked++
		out, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b.bucket, Key: &key})
		if err == nil {
			m.id = aws.ToString(out.UploadId)
		}
		return err
	})
	if err == nil && asked > 1 { // an answer that was lost was about an upload that nobody else knows
		return m, b.abortUploads(ctx, key, map[string]bool{m.id: true})
	}
	return m, b.explain(err)
}

func (m *multipart) with(ctx context.Context) { m.ctx = ctx }

func (m *multipart) Write(p []byte) (int, error) {
	m.buf = append(m.buf, p...)
	for len(m.buf) >= partBytes {
		if err := m.part(m.ctx, m.buf[:partBytes]); err != nil {
			return 0, err
		}
		m.buf = append(m.buf[:0], m.buf[partBytes:]...)
	}
	return len(p), nil
}

func (m *multipart) part(ctx context.Context, p []byte) error {
	return m.b.explain(m.b.try(ctx, func(ctx context.Context, alive func()) error {
		out, err := m.b.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &m.b.bucket, Key: &m.key, UploadId: &m.id,
			PartNumber: aws.Int32(int32(len(m.etags) + 1)), Body: sending{bytes.NewReader(p), alive}})
		if err == nil {
			m.etags = append(m.etags, aws.ToString(out.ETag))
		}
		return err
	}))
}

func (m *multipart) seal(ctx context.Context) (string, error) {
	if len(m.buf) > 0 {
		if err := m.part(ctx, m.buf); err != nil {
			return "", err
		}
		m.buf = nil
	}
	token, err := json.Marshal(partToken{m.id, m.etags})
	return string(token), err
}

func (m *multipart) abort(ctx context.Context) error { return m.b.abortUpload(ctx, m.key, m.id) }

func (b *bucket) abortUpload(ctx context.Context, key, id string) error {
	err := b.try(ctx, func(ctx context.Context, _ func()) error {
		_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.bucket, Key: &key, UploadId: &id})
		return err
	})
	if noUpload(err) {
		return nil
	}
	return b.explain(err)
}

func noUpload(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload"
}

func (b *bucket) publish(ctx context.Context, _, key, token string, size int64) error {
	var t partToken
	if err := json.Unmarshal([]byte(token), &t); err != nil {
		return fmt.Errorf("the sealed upload: %w", err)
	}
	var parts []types.CompletedPart
	for i, e := range t.ETags {
		parts = append(parts, types.CompletedPart{ETag: aws.String(e), PartNumber: aws.Int32(int32(i + 1))})
	}
	err := b.try(ctx, func(ctx context.Context, _ func()) error {
		_, err := b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &b.bucket, Key: &key, UploadId: &t.Upload,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		return err
	})
	if !noUpload(err) {
		return b.explain(err)
	}
	// Completed by an earlier call, or gone.
	o, dir, statErr := b.stat(ctx, key)
	if statErr == nil && !dir && o.Size == size {
		return nil
	}
	return schema.WithHint(errors.New("the sealed upload is gone"), "a lifecycle rule of the bucket may abort uploads; the epoch has to be run again")
}

func (b *bucket) discard(ctx context.Context, _, key, token string) error {
	var t partToken
	if err := json.Unmarshal([]byte(token), &t); err != nil {
		return err
	}
	return b.abortUpload(ctx, key, t.Upload)
}

// sweep aborts the uploads below root that no one will complete.
func (b *bucket) sweep(ctx context.Context, root string, keep map[string]bool) error {
	ids := map[string]bool{}
	for token := range keep {
		var t partToken
		if json.Unmarshal([]byte(token), &t) == nil {
			ids[t.Upload] = true
		}
	}
	if root != "" {
		root += "/"
	}
	return b.abortUploads(ctx, root, ids)
}

// abortUploads aborts the uploads whose key begins with prefix, but for those to keep.
func (b *bucket) abortUploads(ctx context.Context, prefix string, keep map[string]bool) error {
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		var page *s3.ListMultipartUploadsOutput
		err := b.try(ctx, func(ctx context.Context, _ func()) (err error) {
			page, err = pages.NextPage(ctx)
			return err
		})
		var api smithy.APIError
		if errors.As(err, &api) && (api.ErrorCode() == "AccessDenied" || api.ErrorCode() == "NotImplemented") {
			// A right that is often missing; what is left costs storage, not correctness.
			return nil
		}
		if err != nil {
			return b.explain(err)
		}
		for _, u := range page.Uploads {
			if id := aws.ToString(u.UploadId); !keep[id] {
				if err := b.abortUpload(ctx, aws.ToString(u.Key), id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
