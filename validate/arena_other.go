//go:build !linux

package validate

const (
	regionBytes  = 8 << 20
	hugePageSize = 4 << 10
)

func region() ([]byte, error) { return make([]byte, regionBytes), nil }

func freeRegion([]byte) {}
