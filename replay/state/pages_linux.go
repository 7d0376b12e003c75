package state

import (
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
