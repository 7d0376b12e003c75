package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lockstep-data/lockstep/replay"
)

// patience is how S3 is waited for.
type patience struct {
	// tries is how often a request is made, at most; 0: until giveUp.
	tries int
	// first is how often a request is made before the server has answered anything: a wrong address should be told
	// soon.
	first int
	// pause is the wait behind the first failure. It doubles up to most.
	pause, most time.Duration
	// stall is how long a request may make no progress.
	stall time.Duration
	// giveUp is how long a server that has answered before is waited for.
	giveUp time.Duration
}

// defaultPatience outlasts the restart of a server, and what a supervisor would do about a longer one.
var defaultPatience = patience{first: 6, pause: 100 * time.Millisecond, most: 10 * time.Second, stall: time.Minute, giveUp: 15 * time.Minute}

// told is the number of failures in a row of one request from which on it is told.
const told = 3

var errStalled = errors.New("the server does not answer")

// try makes a request until it has an answer: S3 asks to be asked again (503 SlowDown, 500), connections break off in the
// middle, keys expire while they are renewed. f may be called many times, so it must make its request anew each time;
// it calls alive whenever bytes went to and fro.
func (b *bucket) try(ctx context.Context, f func(ctx context.Context, alive func()) error) error {
	waiting, done := ctx, func() {}
	defer func() { done() }()
	troubled := false
	for tries := 1; ; tries++ {
		err := b.once(ctx, f)
		if err == nil || !b.passing(err) {
			b.answered.Store(true)
			if troubled {
				b.world.leave(b.bucket, err == nil)
			}
			return err
		}
		most := b.patience.tries
		if most == 0 && !b.answered.Load() {
			most = b.patience.first
		}
		if tries == told && ctx.Err() == nil {
			troubled = true
			b.world.enter(b.bucket, short(b.explain(err)))
		}
		if tries == 1 {
			var cancel context.CancelFunc
			waiting, cancel = context.WithTimeout(ctx, b.patience.giveUp)
			done = cancel
		}
		if tries == most || !replay.Sleep(waiting, b.patience.after(tries)) {
			if troubled {
				b.world.leave(b.bucket, false)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
}

// once makes a request and ends it when nothing moves any more.
func (b *bucket) once(ctx context.Context, f func(ctx context.Context, alive func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(b.patience.stall, func() { cancel(errStalled) })
	defer timer.Stop()
	err := f(ctx, func() { timer.Reset(b.patience.stall) })
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%w for %v", errStalled, b.patience.stall)
	}
	if expired(err) && b.renew != nil {
		b.renew()
	}
	return err
}

// after is the pause behind the n-th failure: half of it by chance, so that many that were refused together do not come
// back together.
func (p patience) after(n int) time.Duration {
	d := p.pause
	for i := 1; i < n && d < p.most; i++ {
		d *= 2
	}
	d = min(d, p.most)
	return d/2 + rand.N(d/2+1)
}

// passing reports whether an error may go away by itself. What is no answer of the server may: a connection that broke
// off or was refused, an answer cut short.
func (b *bucket) passing(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		// A machine without credentials need not be asked six times.
		return !errors.As(err, &finalError{}) && (b.answered.Load() || !noCredentials(err))
	}
	switch api.ErrorCode() {
	case "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout", "RequestTimeTooSkewed",
		"InternalError", "ServiceUnavailable", "ConditionalRequestConflict", "OperationAborted":
		return true
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		switch s := resp.HTTPStatusCode(); s {
		case 429, 500, 502, 503, 504:
			return true
		}
	}
	// Keys that were good will be again, if someone renews them.
	return expired(err) && b.renew != nil && b.answered.Load()
}

// finalError is one that no other try would change, although no server said so.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func noCredentials(err error) bool {
	return strings.Contains(err.Error(), "failed to refresh cached credentials") || strings.Contains(err.Error(), "get identity")
}

// expired reports whether the server says that the credentials were good once.
func expired(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return true
	}
	return false
}

// short leaves out of an answer what only the server's own people can use.
func short(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	return err
}

// s3World is what all buckets share that are opened with one context: how they wait, and who is told. It tells once that
// a bucket does not answer, and once that it does again, however many requests wait for it.
type s3World struct {
	patience patience
	tell     func(string)

	mu      sync.Mutex
	trouble map[string]*trouble // by bucket
}

// trouble is what is wrong with a bucket.
type trouble struct {
	requests int  // that wait for it
	told     bool // and it did not answer since
}

type s3Key struct{}

// WithEvents makes everything that is opened with the context it returns tell in a sentence about an S3 server that does
// not answer, and about its return. tell is called from any goroutine.
func WithEvents(ctx context.Context, tell func(string)) context.Context {
	return withS3(ctx, defaultPatience, tell)
}

func withS3(ctx context.Context, p patience, tell func(string)) context.Context {
	return context.WithValue(ctx, s3Key{}, &s3World{patience: p, tell: tell, trouble: map[string]*trouble{}})
}

func s3WorldOf(ctx context.Context) *s3World {
	if w, ok := ctx.Value(s3Key{}).(*s3World); ok {
		return w
	}
	return &s3World{patience: defaultPatience, tell: func(string) {}, trouble: map[string]*trouble{}}
}

func (w *s3World) enter(bucket string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trouble[bucket]
	if t == nil {
		t = &trouble{}
		w.trouble[bucket] = t
	}
	t.requests++
	if !t.told {
		t.told = true
		w.tell(fmt.Sprintf("s3://%s does not answer, trying again: %v", bucket, err))
	}
}

// leave is for each enter; well says that the request had its answer.
func (w *s3World) leave(bucket string, well bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.trouble[bucket]
	t.requests--
	if t.requests == 0 && t.told && well {
		t.told = false
		w.tell(fmt.Sprintf("s3://%s answers again", bucket))
	}
}
