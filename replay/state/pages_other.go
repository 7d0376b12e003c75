//go:build !linux

package state

// residentMemory is how much of the machine's memory the process takes. Where the system does not tell, it is taken to be
// too much every now and then.
func residentMemory(turn int) int64 {
	if turn%64 == 0 {
		return 1 << 62
	}
	return 0
}

// largePages is left to the system.
func largePages([]uint64) {}
