package lake

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/lockstep-data/lockstep/replay"
)

// spellings are names of one folder below the current one.
var spellings = []string{"out", "./out", "out/", ".//out", "other/../out"}

func testFolderSpellings(t *testing.T, each func(place string)) {
	for _, place := range spellings {
		t.Chdir(t.TempDir())
		if err := os.Mkdir("other", 0o777); err != nil {
			t.Fatal(err)
		}
		each(place)
	}
}

// A run finds its checkpoints however their place is spelt; else it would begin anew.
func TestCheckpointsOfAPlaceHoweverSpelt(t *testing.T) {
	testFolderSpellings(t, func(place string) {
		v := must[Vault](t)(OpenVault(t.Context(), place, nil))
		for _, name := range []string{"checkpoints/000000000001.json", "segments/a"} {
			if err := v.Create(t.Context(), name, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		if names := must[[]string](t)(v.List(t.Context(), "checkpoints")); !reflect.DeepEqual(names, []string{"checkpoints/000000000001.json"}) {
			t.Errorf("%s: %q", place, names)
		}
		if epochs := must[[]int64](t)(replay.Epochs(t.Context(), v)); !reflect.DeepEqual(epochs, []int64{1}) {
			t.Errorf("%s: epochs %v", place, epochs)
		}
	})
	_, env := newS3Fake(t)
	for _, place := range []string{"s3://lake", "s3://lake/a/b", "s3://lake/c//d/"} {
		v := must[Vault](t)(OpenVault(t.Context(), place, env))
		if err := v.Put(t.Context(), "segments/x", nil); err != nil {
			t.Fatal(err)
		}
		if names := must[[]string](t)(v.List(t.Context(), "segments")); !reflect.DeepEqual(names, []string{"segments/x"}) {
			t.Errorf("%s: %q", place, names)
		}
	}
}

// What an earlier run left is known again, however the folder is spelt.
func TestSinkOfAPlaceHoweverSpelt(t *testing.T) {
	ctx := context.Background()
	testFolderSpellings(t, func(place string) {
		first := newSink(t, place, SinkOptions{})
		w := openWriter(t, first, "rows")
		put(t, w, rowSpan(0, 10))
		// It dies; what it staged is not in the way.
		s, err := NewSink(ctx, place, SinkOptions{})
		if err != nil {
			t.Errorf("%s: %v", place, err)
			return
		}
		w = openWriter(t, s, "rows")
		put(t, w, rowSpan(0, 10))
		s.Cut()
		if err := s.Publish(ctx, 1, must[[]byte](t)(s.Seal(ctx, 1))); err != nil {
			t.Fatal(err)
		}
		if _, err := NewSink(ctx, place, SinkOptions{}); err == nil || !strings.Contains(err.Error(), "it is not empty") {
			t.Errorf("%s: %v", place, err)
		}
		if _, err := NewSink(ctx, place, SinkOptions{Replace: true}); err != nil {
			t.Errorf("%s: replace: %v", place, err)
		}
	})
}

// A run that is taken for dead may still be writing when the next one goes on from its checkpoint. It is fenced off when its
// epoch ends; until then it must not touch what the other has staged under the names of the same files.
func TestARunThatIsNotDeadYet(t *testing.T) {
	for _, dies := range []bool{false, true} {
		for _, early := range []bool{false, true} {
			ctx, place := context.Background(), t.TempDir()
			first := newSink(t, place, SinkOptions{})
			w := openWriter(t, first, "rows")
			if early {
				put(t, w, rowSpan(500, 600))
			}
			second := newSink(t, place, SinkOptions{Resume: true})
			put(t, openWriter(t, second, "rows"), rowSpan(0, 100))
			put(t, w, rowSpan(1000, 1500))
			if !dies {
				if err := first.Close(); err != nil {
					t.Error(err)
				}
			}
			second.Cut()
			err := second.Publish(ctx, 1, must[[]byte](t)(second.Seal(ctx, 1)))
			if got := ids(t, place+"/rows", nil); err != nil || !reflect.DeepEqual(got, span(0, 100)) {
				t.Errorf("early %v, dies %v: %d rows are visible: %v", early, dies, len(got), err)
			}
		}
	}
}

// An output that went to a topic alone may get a place in the lake beside it. What the checkpoint has for the output's first
// target is then the topic's.
func TestAnOutputThatWentToATopicBefore(t *testing.T) {
	ctx := context.Background()
	for _, sealed := range []string{"", `{"transaction":7}`} {
		place := t.TempDir()
		s := newSink(t, place, SinkOptions{Resume: true})
		if err := s.Publish(ctx, 7, []byte(sealed)); err != nil {
			t.Errorf("%q: %v", sealed, err)
			continue
		}
		put(t, openWriter(t, s, "rows"), rowSpan(0, 10))
		s.Cut()
		if err := s.Publish(ctx, 9, must[[]byte](t)(s.Seal(ctx, 9))); err != nil {
			t.Error(err)
		}
		if got := ids(t, place+"/rows", nil); !reflect.DeepEqual(got, span(0, 10)) {
			t.Errorf("%q: %d rows are visible", sealed, len(got))
		}
	}
	if err := newSink(t, t.TempDir(), SinkOptions{}).Publish(ctx, 7, []byte(`{"epoch":6}`)); err == nil {
		t.Error("what was sealed of another epoch is published")
	}
}
