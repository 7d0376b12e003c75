package replay

import (
	"context"
	"time"
)

// Sleep reports whether d passed before ctx ended: how sources and sinks pause between two attempts.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
