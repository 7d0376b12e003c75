package replay

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/schema"
)

// heldVault is a place of checkpoints in memory.
type heldVault map[string][]byte

func (m heldVault) String() string { return "memory" }

func (m heldVault) Create(_ context.Context, name string, data []byte) error {
	if _, there := m[name]; there {
		return fs.ErrExist
	}
	m[name] = data
	return nil
}

func (m heldVault) Put(_ context.Context, name string, data []byte) error { m[name] = data; return nil }

func (m heldVault) Get(_ context.Context, name string) ([]byte, error) {
	data, there := m[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (m heldVault) List(_ context.Context, dir string) (names []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(name, dir+"/") {
			names = append(names, name)
		}
	}
	return names, nil
}

func (m heldVault) Remove(_ context.Context, name string) error { delete(m, name); return nil }

// The brokers forget a group's offsets after a week. A run that went on from an epoch before then must not take it for
// one that never happened, although there may be no other: it would start at the beginning, and write every row again.
func TestForgottenEpoch(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name  string
		lives int // that took the place behind the epoch
		want  string
	}{
		{"it never happened", 0, ""},
		{"its group's offsets have expired", 1, "the output has none of the epochs [2]"},
		{"and many have taken the place", 9, "the output has none of the epochs [2]"},
	} {
		v := heldVault{}
		first, err := TakeCheckpoints(ctx, v, true, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.commit(ctx, &Checkpoint{Version: checkpointVersion, Epoch: 2, SealedEpoch: 2}); err != nil {
			t.Fatal(err)
		}
		knows := func(known bool) func(*Checkpoint) bool { return func(*Checkpoint) bool { return known } }
		for range c.lives {
			if _, err := TakeCheckpoints(ctx, v, true, 3, knows(true)); err != nil {
				t.Fatal(err)
			}
		}
		last, err := TakeCheckpoints(ctx, v, true, 3, knows(false))
		switch {
		case c.want == "" && (err != nil || last.Last() != nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || schema.Hint(err) == ""):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
