package cmd

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

const (
	// leastMemory is what a run needs that holds nothing.
	leastMemory = 64 << 20
	// garbage is how much waits to be collected, in percent of what is held. Collecting arrays, large and without pointers,
	// costs little; memory that was not touched before costs more.
	garbage = 50
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
	// Beside what the runtime counts there is the program itself, and what it takes for a moment.
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(before, limit/8*7))
	percent := debug.SetGCPercent(garbage)
	return disk, func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(percent)
	}, nil
}
