package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Events tells once of a broker that cannot be reached and once of its return, however many clients share it.
type Events struct {
	tell func(string)

	mu   sync.Mutex
	lost map[string]int // failed attempts by address
}

// NewEvents tells in sentences; tell is called from any goroutine, one sentence at a time.
func NewEvents(tell func(string)) *Events { return &Events{tell: tell, lost: map[string]int{}} }

func (e *Events) say(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tell(what)
}

// attempt notes an attempt to connect.
func (e *Events) attempt(addr string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tries := e.lost[addr]
	if err != nil {
		e.lost[addr]++
	} else {
		delete(e.lost, addr)
	}
	switch {
	case err != nil && tries == 0:
		e.tell(fmt.Sprintf("kafka: broker %s cannot be reached, trying again: %v", addr, err))
	case err == nil && tries > 0:
		e.tell(fmt.Sprintf("kafka: broker %s is back after %d attempts", addr, tries))
	}
}

// watch is a client's hook that tells of its brokers.
type watch struct {
	mu     sync.Mutex
	events *Events
	last   error
}

var (
	_ kgo.HookBrokerConnect    = (*watch)(nil)
	_ kgo.HookBrokerDisconnect = (*watch)(nil)
)

// newWatch is silent until listen: what happens before the first contact is in that contact's error.
func newWatch() *watch { return &watch{} }

func (w *watch) listen(o ClientOptions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = o.Events
}

// OnBrokerConnect is called by the client after every attempt.
func (w *watch) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return
	}
	w.mu.Lock()
	if err != nil {
		w.last = err
	}
	events := w.events
	w.mu.Unlock()
	if events != nil {
		events.attempt(net.JoinHostPort(meta.Host, fmt.Sprint(meta.Port)), err)
	}
}

// OnBrokerDisconnect is no news by itself: idle connections are closed too. The next attempt tells.
func (w *watch) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) {}

func (w *watch) say(what string) {
	w.mu.Lock()
	events := w.events
	w.mu.Unlock()
	if events != nil {
		events.say(what)
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
