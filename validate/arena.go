package validate

import (
	"fmt"
	"sync"
	"unsafe"
)

// arena hands out memory that lives until the first pass is over, and is given back as a whole then.
type arena struct {
	mu      sync.Mutex
	regions [][]byte
	rest    []byte
}

// words returns n words of zeros.
func (a *arena) words(n int) ([]uint64, error) {
	if n*8 > regionBytes/8 {
		return make([]uint64, n), nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.rest) < n*8 {
		b, err := region()
		if err != nil {
			return nil, withHint(fmt.Errorf("no memory for rows: %w", err), "give less with --memory")
		}
		a.regions, a.rest = append(a.regions, b), b
		if off := -uintptr(unsafe.Pointer(&b[0])) & (hugePageSize - 1); off < regionBytes/8 {
			a.rest = b[off:]
		}
	}
	b := a.rest[:n*8]
	a.rest = a.rest[n*8:]
	return unsafe.Slice((*uint64)(unsafe.Pointer(&b[0])), n), nil
}

// free ends the life of everything that was handed out.
func (a *arena) free() {
	for _, b := range a.regions {
		freeRegion(b)
	}
	a.regions, a.rest = nil, nil
}
