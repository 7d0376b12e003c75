package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// watch is a hook that tells once of a broker that cannot be reached and once of its return.
type watch struct {
	events func(string)
	log    *slog.Logger

	mu   sync.Mutex
	lost map[string]int // failed attempts by address
	last error
}

var (
	_ kgo.HookBrokerConnect    = (*watch)(nil)
	_ kgo.HookBrokerDisconnect = (*watch)(nil)
)

// newWatch is silent until listen: what happens before the first contact is in that contact's error.
func newWatch() *watch { return &watch{lost: map[string]int{}} }

func (w *watch) listen(o ClientOptions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events, w.log = o.Events, o.Log
}

// OnBrokerConnect is called by the client after every attempt.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	addr := net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port))
	w.mu.Lock()
	tries := w.lost[addr]
	if err != nil {
		w.last = err
		w.lost[addr]++
	} else {
		delete(w.lost, addr)
	}
	w.mu.Unlock()
	switch {
	case err != nil && tries == 0:
		w.say(fmt.Sprintf("kafka: broker %s cannot be reached, trying again: %v", addr, err))
	case err == nil && tries > 0:
		w.say(fmt.Sprintf("kafka: broker %s is back after %d attempts", addr, tries))
	}
}

// OnBrokerDisconnect is no news by itself: idle connections are closed too. The next attempt tells.
func (w *watch) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) {}

func (w *watch) say(what string) {
	w.mu.Lock()
	events, log := w.events, w.log
	w.mu.Unlock()
	if events != nil {
		events(what)
	}
	if log != nil {
		log.Warn(what)
	}
}

// cause prefers what the last attempt to connect said to "context deadline exceeded".
func (w *watch) cause(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return w.last
	}
	return err
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
