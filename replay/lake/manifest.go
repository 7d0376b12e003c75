package lake

import (
	"context"
	"fmt"

	"github.com/lockstep-data/lockstep/schema"
)

// ReadManifest reads what an earlier run published at a place. A place without a manifest is an error.
func ReadManifest(ctx context.Context, place string, env map[string]string) (*Manifest, error) {
	p, err := Open(ctx, place, env)
	if err != nil {
		return nil, err
	}
	s := &Sink{place: p}
	if err := s.readManifest(ctx); err != nil {
		return nil, err
	}
	if s.manifest.Epoch == 0 {
		return nil, schema.WithHint(fmt.Errorf("%s holds no finished run", place), "name the folder that an earlier run wrote with --to")
	}
	return &s.manifest, nil
}
