package cmd

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

const (
	// leastMemory is what a run needs that holds nothing.
	leastMemory = 64 << 20
	// leastGarbage is worth a collection.
	leastGarbage = 256 << 20
	// someMemory is taken where the system does not tell how much there is.
	someMemory = 4 << 30
)

// takeMemory gives a run the memory that it may take, and a place for what it holds beyond that. release, after the run,
// lifts the limit.
func (o *replayOptions) takeMemory(ctx context.Context) (disk *state.Disk, release func(), err error) {
	limit := machineMemory() / 2
	if limit == 0 {
		limit = someMemory
	}
	if o.memory != "" {
		if limit, err = parseBytes(o.memory); err != nil {
			return nil, nil, schema.WithHint(fmt.Errorf("--memory: %w", err), "write 512MiB or 2GiB")
		}
		if limit < leastMemory {
			return nil, nil, schema.WithHint(fmt.Errorf("--memory %s is less than a run takes that holds nothing", o.memory), "give 64MiB at least")
		}
	}
	dir := o.stateDir
	if dir == "" {
		dir = os.TempDir()
	}
	if disk, err = state.NewDisk(ctx, dir, limit); err != nil {
		return nil, nil, err
	}
	return disk, LimitMemory(limit), nil
}

// LimitMemory keeps the process below limit bytes of memory, until release is called, and says how often to collect, unless
// GOGC does.
func LimitMemory(limit int64) (release func()) {
	// Beside what the runtime counts there is the program itself, and what it takes for a moment.
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(before, limit/8*7))
	const usual = 100
	if percent := debug.SetGCPercent(usual); percent != usual {
		debug.SetGCPercent(percent)
		return func() { debug.SetMemoryLimit(before) }
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		live, percent := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}, usual
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			metrics.Read(live)
			if p := garbage(int64(live[0].Value.Uint64()), limit); p != percent {
				percent = p
				debug.SetGCPercent(p)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(usual)
	}
}

// garbage is how much may wait to be collected, in percent of what is held: as much again, up to an eighth of the limit.
// Collecting what a state holds, large arrays without pointers, costs little; touching memory anew costs more.
func garbage(live, limit int64) int {
	most := max(limit/8, leastGarbage)
	if live <= most {
		return 100
	}
	return int(max(5, most*20/live*5)) // by steps, as each change stops the process for a moment
}
