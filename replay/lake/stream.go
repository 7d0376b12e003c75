package lake

import (
	"context"
	"errors"
)

func newFileLanes(s *Source) delivery { return nil }
func newPartitionLanes(ctx context.Context, s *Source) (delivery, error) {
	return nil, errors.New("not yet")
}
