package state

import (
	"os"
	"strconv"
	"strings"
)

// residentMemory is how much of the machine's memory the process takes.
func residentMemory(int) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 1 << 62
	}
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return 1 << 62
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 1 << 62
	}
	return pages * int64(os.Getpagesize())
}
