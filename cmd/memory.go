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
	// roomyMemory has room for all that a run usually keeps on the way.
	roomyMemory = 512 << 20
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
	o.limit = limit
	dir := o.stateDir
	if dir == "" {
		dir = os.TempDir()
	}
	if disk, err = state.NewDisk(ctx, dir, limit); err != nil {
		return nil, nil, err
	}
	return disk, LimitMemory(limit, disk), nil
}

// onTheWay is how many bytes a partition may be read ahead and how many may wait for the brokers: a small part of what the run
// may take. 0 is as many as either usually has.
func (o *replayOptions) onTheWay() (ahead, waiting int) {
	if o.limit == 0 || o.limit >= roomyMemory {
		return 0, 0
	}
	return int(o.limit / 512), int(o.limit / 32)
}

// Holder is what holds most of a run's memory, and can be told to hold less: a state.Disk for its stores.
type Holder interface {
	Memory() int64
	Share(bytes int64)
}

// LimitMemory keeps the process below limit bytes of memory, until release is called: it says how much of them h may hold beside
// what else is held, and how often to collect, unless GOGC does.
func LimitMemory(limit int64, h Holder) (release func()) {
	// Beside what the runtime counts there is the program itself, and what it takes for a moment.
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(before, limit/8*7))
	const usual = 100
	given := debug.SetGCPercent(usual)
	debug.SetGCPercent(given)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		sample, percent := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}, usual
		var last uint64
		others := int64(-1)
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			metrics.Read(sample)
			live, cycles := int64(sample[0].Value.Uint64()), sample[1].Value.Uint64()
			if cycles == last {
				continue // nothing was collected since
			}
			last = cycles
			if now := max(live-h.Memory(), 0); others < 0 {
				others = now
			} else {
				others += (now - others) / 4
			}
			h.Share(share(others, limit))
			if p := garbage(live, limit); given == usual && p != percent {
				percent = p
				debug.SetGCPercent(p)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(given)
	}
}

// share is how much memory the stores may take beside what other things take, above all rows on their way, and what waits to
// be collected. They get an eighth of the limit at least: then it is the others that are too large for it.
func share(others, limit int64) int64 {
	return min(max(limit/8*7-mostGarbage(limit)-others, limit/8), limit/4*3)
}

// mostGarbage is how much may wait to be collected.
func mostGarbage(limit int64) int64 { return max(limit/8, leastGarbage) }

// garbage is how much may wait to be collected, in percent of what is held: as much again, up to an eighth of the limit.
// Collecting what a state holds, large arrays without pointers, costs little; touching memory anew costs more.
func garbage(live, limit int64) int {
	most := mostGarbage(limit)
	if live <= most {
		return 100
	}
	return int(max(5, most*20/live*5)) // by steps, as each change stops the process for a moment
}
