package cmd

import (
	"context"
	"time"
)

// interrupts turns Ctrl-C (and a polite kill) into two wishes. soft is closed by the first: finish the epoch,
// write the checkpoint, end. hard is ctx until the second, which cancels it: stop at once. A command that
// ends cleanly after soft returns exitCode(exitInterrupted); after the second Ctrl-C every error ends as that.
// Call it once a command; it holds the signals until ctx ends, which Main sees to.
func (w *world) interrupts(ctx context.Context) (soft <-chan struct{}, hard context.Context) {
	hard, cancel := context.WithCancel(ctx)
	received, stop := w.signals()
	first := make(chan struct{})
	go func() {
		defer stop()
		defer cancel()
		select {
		case <-received:
			w.tell("finishing; press Ctrl-C again to stop at once")
		case <-ctx.Done():
			return
		}
		asked := w.now()
		close(first)
		for {
			select {
			case <-received:
				// What wraps a command often passes on a signal that the command got, too: one wish, not two.
				if w.now().Sub(asked) < 100*time.Millisecond {
					continue
				}
				w.stopped.Store(true)
			case <-ctx.Done():
			}
			return
		}
	}()
	return first, hard
}
