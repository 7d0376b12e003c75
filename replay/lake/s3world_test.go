package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-data/lockstep/fixtures/s3server"
	"github.com/lockstep-data/lockstep/schema"
)

// quick is a patience for tests.
var quick = patience{first: 6, pause: time.Millisecond, most: 20 * time.Millisecond, stall: 60 * time.Millisecond, giveUp: 20 * time.Second}

// unruly is what may lie between a run and its S3 server: it refuses, delays, repeats and forgets.
type unruly struct {
	behind http.Handler
	// pick chooses what becomes of a request; "" is nothing.
	pick func(r *http.Request) string
	did  [len(mischief)]atomic.Int64
}

var mischief = [...]string{
	"slow down", "too many", "unavailable", "internal error", "lost request", "lost answer", "answer is an error", "half an answer", "half a request",
	"twice, first answer", "twice, second answer", "late", "stalled",
}

func (u *unruly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := u.pick(r)
	if i := slices.Index(mischief[:], what); i >= 0 {
		u.did[i].Add(1)
	}
	cut := func() {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	switch what {
	case "slow down":
		s3server.Deny(w, 503, "SlowDown")
		return
	case "too many":
		s3server.Deny(w, 429, "TooManyRequests")
		return
	case "unavailable": // of a proxy, without a word of S3's
		w.WriteHeader(502)
		return
	case "internal error":
		s3server.Deny(w, 500, "InternalError")
		return
	case "lost request":
		cut()
		return
	case "half a request":
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		cut()
		return
	case "stalled":
		time.Sleep(2 * quick.stall)
		cut()
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	serve := func() *httptest.ResponseRecorder {
		again := r.Clone(context.Background())
		again.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		u.behind.ServeHTTP(rec, again)
		return rec
	}
	answer := serve()
	switch what {
	case "lost answer":
		cut()
		return
	case "answer is an error":
		s3server.Deny(w, 500, "InternalError")
		return
	case "twice, first answer":
		serve()
	case "twice, second answer":
		answer = serve()
	case "late":
		time.Sleep(30 * time.Millisecond)
	}
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	w.WriteHeader(answer.Code)
	data := answer.Body.Bytes()
	if what == "half an answer" {
		_, _ = w.Write(data[:len(data)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		cut()
		return
	}
	_, _ = w.Write(data)
}

// unrulyS3 is a fake behind an unruly network, and the context and environment to reach it.
func unrulyS3(t *testing.T, tell func(string), pick func(r *http.Request) string) (context.Context, *s3Fake, *unruly, map[string]string) {
	f, env := newS3Fake(t)
	u := &unruly{behind: f, pick: pick}
	srv := httptest.NewServer(u)
	t.Cleanup(srv.Close)
	env["AWS_ENDPOINT_URL"] = srv.URL
	delete(env, "AWS_MAX_ATTEMPTS")
	return withS3(t.Context(), quick, tell), f, u, env
}

// byChance picks for one request of so many what comes next on the list.
func byChance(seed uint64, of int) func(*http.Request) string {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	next := rng.IntN(len(mischief))
	return func(*http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(of) > 0 {
			return ""
		}
		next = (next + 1) % len(mischief)
		return mischief[next]
	}
}

// A sink over an unruly network, with several epochs, uploads of several files and a restart between seal and publish,
// gives every row once, in files that its manifest lists; its source reads them all.
func TestS3DisorderedWorld(t *testing.T) {
	total := [len(mischief)]int64{}
	seed := uint64(time.Now().UnixNano())
	for round := range uint64(3) {
		ctx, _, u, env := unrulyS3(t, func(string) {}, byChance(seed+round, 4))
		disorderedWorld(t, ctx, seed+round, "s3://lake/out", env)
		for i := range mischief {
			total[i] += u.did[i].Load()
		}
	}
	for i, what := range mischief {
		if total[i] == 0 {
			t.Errorf("%s never happened", what)
		}
		t.Logf("%s: %d times", what, total[i])
	}
}

func disorderedWorld(t *testing.T, ctx context.Context, seed uint64, place string, env map[string]string) {
	t.Helper()
	t.Logf("seed %d", seed)
	rows := randomRows(rand.New(rand.NewPCG(seed, 2)), 4000, 1)
	all, fields := record(rows, true)
	reopen := func() *Sink {
		s, err := NewSink(ctx, place, SinkOptions{Env: env, FileRows: 300, Resume: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	sink := reopen()
	for epoch := range int64(8) {
		w, err := sink.Open(ctx, "rows", fields)
		if err != nil {
			t.Fatal(err)
		}
		for part := range int64(2) {
			from := epoch*500 + part*250
			if err := w.Write(ctx, all.NewSlice(from, from+250), nil); err != nil {
				t.Fatal(err)
			}
		}
		sink.Cut()
		sealed, err := sink.Seal(ctx, epoch+1)
		if err != nil {
			t.Fatal(err)
		}
		if epoch%3 == 1 { // it dies, and another goes on
			sink = reopen()
		}
		for range 2 {
			if err := sink.Publish(ctx, epoch+1, sealed); err != nil {
				t.Fatal(err)
			}
		}
		if epoch%3 == 2 {
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
			sink = reopen()
		}
	}
	if err := sink.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	src, err := NewSource(ctx, SourceOptions{Place: place + "/rows", Env: env, Time: "at", Mode: Batch})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var got []row
	for _, b := range drain(t, src) {
		got = append(got, rowsOf(t, b)...)
	}
	if !reflect.DeepEqual(sortedByID(got), rows) {
		t.Errorf("%d rows, want %d", len(got), len(rows))
	}
	manifest, err := ReadManifest(ctx, place, env)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(ctx, place+"/rows", env)
	if err != nil {
		t.Fatal(err)
	}
	there, err := p.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(manifest.Files) {
		t.Errorf("%d files, %d in the manifest", len(there), len(manifest.Files))
	}
}

// An upload whose number nobody learnt, as the answer was lost, does not stay in the bucket, where it would cost money unseen.
func TestS3UploadWhoseAnswerIsLost(t *testing.T) {
	for _, what := range []string{"lost answer", "answer is an error"} {
		lost := 0
		ctx, f, _, env := unrulyS3(t, func(string) {}, func(r *http.Request) string {
			if r.Method == "POST" && r.URL.Query().Has("uploads") && lost < 2 {
				lost++
				return what
			}
			return ""
		})
		sink, err := NewSink(ctx, "s3://lake/out", SinkOptions{Env: env})
		if err != nil {
			t.Fatal(err)
		}
		all, fields := record(randomRows(rand.New(rand.NewPCG(1, 2)), 10, 1), true)
		w, err := sink.Open(ctx, "rows", fields)
		if err == nil {
			err = w.Write(ctx, all, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if open := f.Uploads(); lost != 2 || len(open) != 1 {
			t.Errorf("%s, %d times: uploads %v, want the one that is written to", what, lost, open)
		}
	}
}

// Of many that create one name over an unruly network exactly one does, its content is there, and it knows: a run that
// took the loss of an answer for another run's claim would stop for nothing.
func TestS3CreateOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	ctx, _, _, env := unrulyS3(t, func(string) {}, byChance(seed, 2))
	createOnce(t, ctx, 12, "s3://lake/ck", env)
	// One alone, whose answer is lost for sure.
	for _, what := range []string{"lost answer", "answer is an error", "twice, second answer"} {
		first := true
		ctx, _, _, env := unrulyS3(t, func(string) {}, func(r *http.Request) string {
			if r.Method == "PUT" && first {
				first = false
				return what
			}
			return ""
		})
		v, err := OpenVault(ctx, "s3://lake/ck", env)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Create(ctx, "a", []byte("mine")); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := v.Create(ctx, "a", []byte("mine")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: created twice: %v", what, err)
		}
	}
}

func createOnce(t *testing.T, ctx context.Context, rounds int, place string, env map[string]string) {
	t.Helper()
	for round := range rounds {
		name := fmt.Sprintf("checkpoints/%d.json", round)
		const runs = 4
		won := make([]error, runs)
		var all sync.WaitGroup
		for i := range won {
			all.Go(func() {
				v, err := OpenVault(ctx, place, env)
				if err == nil {
					// Claims of two runs say the same.
					err = v.Create(ctx, name, []byte("claim"))
				}
				won[i] = err
			})
		}
		all.Wait()
		winners := 0
		for _, err := range won {
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, fs.ErrExist):
				t.Fatal(err)
			}
		}
		v, err := OpenVault(ctx, place, env)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := v.Get(ctx, name); err != nil || winners != 1 || string(text) != "claim" {
			t.Fatalf("round %d: %d think that they created it: %v", round, winners, won)
		}
	}
}

// A server that is away is told once, waited for, and its return told once, however many requests and places wait.
func TestS3AwayAndBack(t *testing.T) {
	var mu sync.Mutex
	var said []string
	var away atomic.Bool
	ctx, _, _, env := unrulyS3(t, func(text string) { mu.Lock(); said = append(said, text); mu.Unlock() }, func(*http.Request) string {
		if away.Load() {
			return "lost request"
		}
		return ""
	})
	var vaults []Vault
	for i := range 3 {
		v, err := OpenVault(ctx, fmt.Sprintf("s3://lake/ck%d", i), env)
		if err != nil {
			t.Fatal(err)
		}
		vaults = append(vaults, v)
	}
	for range 2 {
		away.Store(true)
		time.AfterFunc(200*time.Millisecond, func() { away.Store(false) })
		var all sync.WaitGroup
		for i := range 9 {
			all.Go(func() {
				if err := vaults[i%3].Put(ctx, fmt.Sprint(i), []byte("x")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if len(said) != 4 || !strings.Contains(said[0], "s3://lake does not answer, trying again: ") || said[1] != "s3://lake answers again" || said[3] != said[1] {
		t.Error(said)
	}
	// Who waits can be told to stop.
	away.Store(true)
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := vaults[0].Put(ctx, "x", nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// The patience has an end, and a server that never answered has an earlier one.
func TestS3AwayForGood(t *testing.T) {
	away := false
	ctx, _, u, env := unrulyS3(t, func(string) {}, func(*http.Request) string {
		if away {
			return "slow down"
		}
		return ""
	})
	short := quick
	short.giveUp = 300 * time.Millisecond
	ctx = withS3(ctx, short, func(string) {})
	v, err := OpenVault(ctx, "s3://lake/ck", env)
	if err != nil {
		t.Fatal(err)
	}
	away = true
	err = v.Put(ctx, "x", nil)
	if err == nil || !strings.Contains(err.Error(), "SlowDown") || schema.Hint(err) == "" {
		t.Error(err)
	}
	if n := u.did[slices.Index(mischief[:], "slow down")].Load(); n < 10 {
		t.Errorf("gave up after %d requests", n)
	}
	before := u.did[slices.Index(mischief[:], "slow down")].Load()
	if _, err := NewSink(ctx, "s3://lake/out", SinkOptions{Env: env}); err == nil || !strings.Contains(err.Error(), "SlowDown") {
		t.Error(err)
	}
	if n := u.did[slices.Index(mischief[:], "slow down")].Load() - before; n != int64(short.first) {
		t.Errorf("a server that never answered was asked %d times", n)
	}
}

// A server that takes no notice of ranges, or gives another version than was asked for, is an error: its bytes are others'.
func TestS3AnswerOfAnotherQuestion(t *testing.T) {
	for what, want := range map[string]string{"no ranges": "asked for bytes", "another version": "was changed during the run"} {
		ctx, f, u, env := unrulyS3(t, func(string) {}, func(*http.Request) string { return "" })
		f.Put("in/a.parquet", fileBytes(t, randomRows(rand.New(rand.NewPCG(1, 1)), 1000, 2), true, 100))
		u.behind = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				r.Header.Del("If-Match")
				if what == "no ranges" {
					r.Header.Del("Range")
				} else {
					f.Put("in/a.parquet", slices.Concat(f.Objects()["in/a.parquet"], []byte("x")))
				}
			}
			f.ServeHTTP(w, r)
		})
		src, err := NewSource(ctx, SourceOptions{Place: "s3://lake/in", Env: env, Time: "at", Mode: Batch})
		for err == nil {
			_, err = src.Next(ctx)
		}
		if err == io.EOF || !strings.Contains(err.Error(), want) || schema.Hint(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Keys that expire during a run are looked for again where they came from; keys in the environment cannot be.
func TestS3KeysExpire(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	save := func(key string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = "+key+"\naws_secret_access_key = secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("key")
	var expired atomic.Bool
	var said []string
	var mu sync.Mutex
	var asked atomic.Int64
	tell := func(text string) { mu.Lock(); said = append(said, text); mu.Unlock() }
	_, f, u, env := unrulyS3(t, tell, func(*http.Request) string { return "" })
	calm := quick
	calm.stall = time.Minute // requests are counted: none may be repeated because the machine is busy
	ctx := withS3(t.Context(), calm, tell)
	u.behind = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth := r.Header.Get("Authorization")
		if expired.Load() && strings.Contains(auth, "Credential=key/") {
			asked.Add(1)
			s3server.Deny(w, 403, "ExpiredToken")
			return
		}
		r.Header.Set("Authorization", strings.Replace(auth, "Credential=renewed/", "Credential=key/", 1))
		f.ServeHTTP(w, r)
	})
	fixed, err := OpenVault(ctx, "s3://lake/fixed", env)
	if err != nil {
		t.Fatal(err)
	}
	delete(env, "AWS_ACCESS_KEY_ID")
	env["AWS_SHARED_CREDENTIALS_FILE"] = file
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	v, err := OpenVault(ctx, "s3://lake/ck", env)
	if err != nil {
		t.Fatal(err)
	}
	expired.Store(true)
	go func() {
		for asked.Load() < 5 { // whoever renews them takes his time
			time.Sleep(time.Millisecond)
		}
		save("renewed")
	}()
	if err := v.Put(ctx, "x", []byte("whole")); err != nil || string(f.Objects()["ck/x"]) != "whole" {
		t.Fatal(err)
	}
	if len(said) != 2 || !strings.Contains(said[0], "the credentials for bucket lake have expired") {
		t.Error(said)
	}
	before := asked.Load()
	err = fixed.Put(ctx, "x", nil)
	if err == nil || !strings.Contains(err.Error(), "have expired") || !strings.Contains(schema.Hint(err), "AWS_ACCESS_KEY_ID cannot be") || asked.Load() != before+1 {
		t.Errorf("%v (%s), asked %d times", err, schema.Hint(err), asked.Load()-before)
	}
}
