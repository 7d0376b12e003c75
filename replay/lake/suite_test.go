package lake

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testStore is where the suite runs.
type testStore struct {
	env   map[string]string
	seeds uint64 // random layouts to try
	// place is the name of an empty folder that only this call gave.
	place func(t *testing.T) string
	// put writes a file, over one that is there.
	put func(t *testing.T, name string, data []byte)
	// count tells the visible Parquet files below a place and those that are staged.
	count func(t *testing.T, place string) (visible, staged int)
}

// conformance is what source and sink promise over any store.
func conformance(t *testing.T, s testStore) {
	for _, c := range []struct {
		name string
		test func(*testing.T, testStore)
	}{
		{"listing", testListing},
		{"a batch gives every row and a true floor", testBatch},
		{"a stream gives partitions in order", testStream},
		{"since and until", testBounds},
		{"a file that is replaced", testReplaced},
		{"sink", testSink},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

func TestLocal(t *testing.T) {
	conformance(t, testStore{
		seeds: 40,
		place: func(t *testing.T) string { return filepath.Join(t.TempDir(), "some", "root") },
		put: func(t *testing.T, name string, data []byte) {
			writeFile(t, name, data)
			// A clock that ticks slowly may give both files of a name one time.
			if err := os.Chtimes(name, time.Time{}, time.Unix(int64(time.Now().Nanosecond()), 0)); err != nil {
				t.Fatal(err)
			}
		},
		count: func(t *testing.T, place string) (visible, staged int) {
			err := filepath.WalkDir(place, func(p string, d fs.DirEntry, err error) error {
				switch {
				case errors.Is(err, fs.ErrNotExist):
				case err != nil:
					return err
				case strings.HasSuffix(p, ".parquet"):
					visible++
				case strings.HasSuffix(p, ".tmp"):
					staged++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return visible, staged
		},
	})
}

func TestS3(t *testing.T) {
	f, env := newS3Fake(t)
	n := 0
	conformance(t, testStore{
		env:   env,
		seeds: 10,
		place: func(*testing.T) string { n++; return "s3://lake/some/root" + strings.Repeat("-", n) },
		put: func(_ *testing.T, name string, data []byte) {
			f.Put(strings.TrimPrefix(name, "s3://lake/"), data)
		},
		count: func(_ *testing.T, place string) (visible, staged int) {
			prefix := strings.TrimPrefix(place, "s3://lake/") + "/"
			for k := range f.Objects() {
				if strings.HasPrefix(k, prefix) && strings.HasSuffix(k, ".parquet") {
					visible++
				}
			}
			for _, u := range f.Uploads() {
				if strings.HasPrefix(u.Key, prefix) {
					staged++
				}
			}
			return visible, staged
		},
	})
}
