package replay

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-data/lockstep/replay/state"
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

// commitEpochs makes a run's next checkpoints.
func commitEpochs(t *testing.T, c *Checkpoints, n int, files ...state.Saved) {
	t.Helper()
	for range n {
		cp := &Checkpoint{Version: checkpointVersion, Epoch: c.epoch + 1, SealedEpoch: c.epoch + 1}
		if len(files) > 0 {
			cp.Operators = []SavedOperator{{Stores: [][]state.SavedStore{{{Segments: files}}}}}
		}
		if err := c.commit(t.Context(), cp); err != nil {
			t.Fatal(err)
		}
		if err := c.collect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A run may be away for long, in the middle of anything: its machine was stopped, or the place could not be reached. When it
// is back, whoever took the place may have gone on so far that the name of the next checkpoint is free again.
func TestARunThatWasAwayStaysFencedOff(t *testing.T) {
	for _, epochs := range []int{0, 1, 3, 4, 5, 9} {
		v := heldVault{}
		first, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		commitEpochs(t, first, 2)
		second, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		commitEpochs(t, second, epochs)
		if err := first.commit(t.Context(), &Checkpoint{Version: checkpointVersion, Epoch: first.epoch + 1, SealedEpoch: first.epoch + 1}); !errors.Is(err, ErrFenced) {
			t.Errorf("%d epochs later: %v", epochs, err)
		}
		commitEpochs(t, second, 1)
	}
}

// Two runs may start at once, and the one that took the place first be the slower to begin.
func TestARunThatIsSlowToBeginLeavesTheNewerOneAlone(t *testing.T) {
	v := heldVault{}
	slow, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	const left = "segments/000000000001/left by a crash.arrow"
	v[left] = nil
	quick, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	const name = "segments/000000000003/join-1.0.0.arrow"
	v[name] = []byte("rows")
	commitEpochs(t, quick, 1, state.Saved{Name: name})
	if err := slow.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, there := v[name]; !there {
		t.Error("it removed a segment that the newer run's checkpoint names")
	}
	if _, there := v[left]; there {
		t.Error("what a crash left is still there")
	}
	// It opens no output either, for what is staged there is the newer run's.
	if _, err := Run(t.Context(), &Job{Checkpoints: slow, Clock: time.Now}); !errors.Is(err, ErrFenced) {
		t.Errorf("it ran: %v", err)
	}
}

// Every start of a run writes the last checkpoint anew, under its own name. Who does what the error of a damaged one says gets
// to the one before.
func TestADamagedCheckpointIsGotRidOf(t *testing.T) {
	v := heldVault{}
	first, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := state.Saved{Name: "segments/000000000002/x"}, state.Saved{Name: "segments/000000000003/x"}
	commitEpochs(t, first, 1, good)
	commitEpochs(t, first, 1, bad)
	for range 2 { // the run fails, and a supervisor starts it again
		c, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last := c.Last(); last == nil || last.Files()[0] != bad {
			t.Fatalf("it goes on from %+v", last)
		} else {
			err = damaged(v, last, errors.New("damaged"))
		}
		hint := strings.Fields(schema.Hint(err))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if len(hint) > 1 && (name == hint[1] || strings.Contains(schema.Hint(err), "and those behind it") && name > hint[1]) {
				delete(v, name)
			}
		}
		again, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last := again.Last(); last == nil || last.Files()[0] != good {
			t.Errorf("it still goes on from epoch %d", last.SealedEpoch)
		}
		commitEpochs(t, again, 1, bad)
	}
}

// movingVault is a place whose holder ends an epoch while another run looks at what is there.
type movingVault struct {
	heldVault
	move func()
}

func (m *movingVault) List(ctx context.Context, dir string) ([]string, error) {
	names, err := m.heldVault.List(ctx, dir)
	if move := m.move; move != nil {
		m.move = nil
		move()
	}
	return names, err
}

func TestAPlaceIsTakenFromARunThatGoesOn(t *testing.T) {
	for _, epochs := range []int{1, 2, 9} {
		v := &movingVault{heldVault: heldVault{}}
		holder, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		commitEpochs(t, holder, 5)
		v.move = func() { commitEpochs(t, holder, epochs) }
		next, err := TakeCheckpoints(t.Context(), v, true, 3, nil)
		if err != nil {
			t.Errorf("%d epochs: %v", epochs, err)
			continue
		}
		if last := next.Last(); last == nil || last.Epoch != holder.epoch {
			t.Errorf("%d epochs: it goes on from %+v, not from %d", epochs, last, holder.epoch)
		}
	}
}
