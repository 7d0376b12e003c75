package lake

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// s3Fake is as much of S3 as the lake uses, in memory: one bucket "lake", one key "key".
type s3Fake struct {
	mu      sync.Mutex
	objects map[string][]byte
	meta    map[string]http.Header // of objects that have metadata
	uploads map[string]*fakeUpload
	// fail, when not nil, may answer a request itself.
	fail  func(w http.ResponseWriter, r *http.Request) bool
	gets  int
	begun int // uploads
}

type fakeUpload struct {
	key   string
	parts map[int][]byte
}

func newS3Fake(t testing.TB) (*s3Fake, map[string]string) {
	f := &s3Fake{objects: map[string][]byte{}, meta: map[string]http.Header{}, uploads: map[string]*fakeUpload{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, map[string]string{"AWS_ENDPOINT_URL": srv.URL, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-north-1", "AWS_MAX_ATTEMPTS": "3"}
}

func etag(b []byte) string {
	sum := md5.Sum(b)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, code)
}

func (f *s3Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch auth := r.Header.Get("Authorization"); {
	case f.fail != nil && f.fail(w, r):
		return
	case strings.Contains(auth, "Credential=stranger/"):
		refuse(w, 403, "AccessDenied")
		return
	case !strings.Contains(auth, "Credential=key/"):
		refuse(w, 403, "InvalidAccessKeyId")
		return
	case bucket != "lake":
		refuse(w, 404, "NoSuchBucket")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client broke off
	}
	reply := func(v any) {
		w.Header().Set("Content-Type", "application/xml")
		xml.NewEncoder(w).Encode(v)
	}
	switch {
	case r.Method == "GET" && key == "" && q.Has("uploads"):
		type upload struct{ Key, UploadId string }
		var out struct {
			XMLName xml.Name `xml:"ListMultipartUploadsResult"`
			Upload  []upload
		}
		for id, u := range f.uploads {
			if strings.HasPrefix(u.key, q.Get("prefix")) {
				out.Upload = append(out.Upload, upload{u.key, id})
			}
		}
		reply(out)
	case r.Method == "GET" && key == "":
		f.list(q, reply)
	case r.Method == "GET", r.Method == "HEAD":
		f.get(w, r, key)
	case r.Method == "PUT" && q.Has("partNumber"):
		u := f.uploads[q.Get("uploadId")]
		if u == nil {
			refuse(w, 404, "NoSuchUpload")
			return
		}
		n, _ := strconv.Atoi(q.Get("partNumber"))
		u.parts[n] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == "PUT":
		if _, there := f.objects[key]; there && r.Header.Get("If-None-Match") == "*" {
			refuse(w, 412, "PreconditionFailed")
			return
		}
		f.objects[key] = body
		f.meta[key] = http.Header{}
		for k, v := range r.Header {
			if strings.HasPrefix(k, "X-Amz-Meta-") {
				f.meta[key][k] = v
			}
		}
		w.Header().Set("ETag", etag(body))
	case r.Method == "POST" && q.Has("uploads"):
		f.begun++
		id := fmt.Sprintf("upload-%d", f.begun)
		f.uploads[id] = &fakeUpload{key, map[int][]byte{}}
		reply(struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadId string
		}{UploadId: id})
	case r.Method == "POST" && q.Has("uploadId"):
		u := f.uploads[q.Get("uploadId")]
		if u == nil || u.key != key {
			refuse(w, 404, "NoSuchUpload")
			return
		}
		var whole []byte
		for n := 1; n <= len(u.parts); n++ {
			whole = append(whole, u.parts[n]...)
		}
		f.objects[key] = whole
		delete(f.uploads, q.Get("uploadId"))
		reply(struct {
			XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
			ETag    string
		}{ETag: etag(whole)})
	case r.Method == "DELETE" && q.Has("uploadId"):
		if f.uploads[q.Get("uploadId")] == nil {
			refuse(w, 404, "NoSuchUpload")
			return
		}
		delete(f.uploads, q.Get("uploadId"))
		w.WriteHeader(204)
	case r.Method == "DELETE":
		delete(f.objects, key)
		delete(f.meta, key)
		w.WriteHeader(204)
	default:
		refuse(w, 501, "NotImplemented")
	}
}

func (f *s3Fake) list(q url.Values, reply func(any)) {
	type content struct {
		Key, ETag string
		Size      int
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		Contents              []content
		IsTruncated           bool
		NextContinuationToken string
	}
	// A small page, so that listing in pages is exercised.
	most := 4
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = min(most, n)
	}
	var keys []string
	for k := range f.objects {
		if strings.HasPrefix(k, q.Get("prefix")) && k > q.Get("continuation-token") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if len(out.Contents) == most {
			out.IsTruncated, out.NextContinuationToken = true, out.Contents[most-1].Key
			break
		}
		out.Contents = append(out.Contents, content{k, etag(f.objects[k]), len(f.objects[k])})
	}
	reply(out)
}

func (f *s3Fake) get(w http.ResponseWriter, r *http.Request, key string) {
	f.gets++
	data, ok := f.objects[key]
	if !ok {
		refuse(w, 404, "NoSuchKey")
		return
	}
	if m := r.Header.Get("If-Match"); m != "" && m != etag(data) {
		refuse(w, 412, "PreconditionFailed")
		return
	}
	w.Header().Set("ETag", etag(data))
	maps.Copy(w.Header(), f.meta[key])
	var from, to int
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 {
		if from >= len(data) {
			refuse(w, 416, "InvalidRange")
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, min(len(data), to+1)-1, len(data)))
		data = data[from:min(len(data), to+1)]
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.WriteHeader(206)
	}
	w.Write(data)
}
