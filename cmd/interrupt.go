package cmd

import (
	"context"
	"fmt"
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
			fmt.Fprintln(w.stderr, "lockstep: finishing; press Ctrl-C again to stop at once")
			close(first)
		case <-ctx.Done():
			return
		}
		select {
		case <-received:
			w.stopped.Store(true)
		case <-ctx.Done():
		}
	}()
	return first, hard
}
