package validate

import "syscall"

const (
	regionBytes  = 64 << 20
	hugePages    = 14 // MADV_HUGEPAGE
	hugePageSize = 2 << 20
)

// region is fresh memory outside of Go's heap. On huge pages, for the rows of a side are visited in any order:
// with small ones half of the time would go into finding pages, not rows.
func region() ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, regionBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		_ = syscall.Madvise(b, hugePages) // small pages are as right
	}
	return b, err
}

func freeRegion(b []byte) { _ = syscall.Munmap(b) }
