package cmd

import "golang.org/x/sys/unix"

// machineMemory is what the machine has; 0 when that is not known.
func machineMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}
