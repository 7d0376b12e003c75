package state

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// largePages asks for pages of 2 MiB under a table that is read all over: with small ones nearly every look would miss
// the translation cache, too. The rim of the table stays as it is.
func largePages(table []uint64) {
	const page = 2 << 20
	if len(table)*8 < 2*page {
		return
	}
	from := -uintptr(unsafe.Pointer(&table[0])) & (page - 1)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&table[0])), len(table)*8)[from:]
	_ = unix.Madvise(bytes[:len(bytes)&^(page-1)], unix.MADV_HUGEPAGE)
}

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
