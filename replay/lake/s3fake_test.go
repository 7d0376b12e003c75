package lake

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-data/lockstep/fixtures/s3server"
)

// s3Fake is a server whose one bucket is "lake" and whose one key is "key". It lists few objects at a time, so that reading
// lists in pages is exercised.
type s3Fake struct {
	*s3server.Bucket
	// fail, when not nil, may answer a request itself. It is called for one request at a time.
	fail func(w http.ResponseWriter, r *http.Request) bool
	mu   sync.Mutex
}

func (f *s3Fake) failed(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail != nil && f.fail(w, r)
}

func newS3Fake(t testing.TB) (*s3Fake, map[string]string) {
	f := &s3Fake{Bucket: s3server.New(4, nil)}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, map[string]string{"AWS_ENDPOINT_URL": srv.URL, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-north-1", "AWS_MAX_ATTEMPTS": "3"}
}

func (f *s3Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch auth := r.Header.Get("Authorization"); {
	case f.failed(w, r):
	case strings.Contains(auth, "Credential=stranger/"):
		s3server.Deny(w, 403, "AccessDenied")
	case !strings.Contains(auth, "Credential=key/"):
		s3server.Deny(w, 403, "InvalidAccessKeyId")
	case name != "lake":
		s3server.Deny(w, 404, "NoSuchBucket")
	default:
		f.Bucket.ServeHTTP(w, r)
	}
}
