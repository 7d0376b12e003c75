package lake

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var listing = []string{"a.parquet", "b.csv", "_hidden.parquet", ".dot.parquet", "d/c.parquet", "d/e/f.parquet", "_late/x/g.parquet",
	"dt=01/h.parquet", "dt=02/_tmp/i.parquet", "dt=02/j.parquet", "d/_SUCCESS", "x[1]/k.parquet", "d/.staging/l.parquet"}

var globs = map[string]string{
	"":                      "a.parquet d/c.parquet d/e/f.parquet dt=01/h.parquet dt=02/j.parquet x[1]/k.parquet",
	"a.parquet":             "a.parquet",
	"_hidden.parquet":       "_hidden.parquet",
	"*.parquet":             "a.parquet",
	"*":                     "a.parquet b.csv d/c.parquet d/e/f.parquet dt=01/h.parquet dt=02/j.parquet x[1]/k.parquet",
	"**/*.parquet":          "a.parquet d/c.parquet d/e/f.parquet dt=01/h.parquet dt=02/j.parquet x[1]/k.parquet",
	"d/**":                  "d/c.parquet d/e/f.parquet",
	"d":                     "d/c.parquet d/e/f.parquet",
	"d/*.parquet":           "d/c.parquet",
	"dt=*/*.parquet":        "dt=01/h.parquet dt=02/j.parquet",
	"dt=*":                  "dt=01/h.parquet dt=02/j.parquet",
	"dt=0[2-9]/*":           "dt=02/j.parquet",
	"dt=0?/h.parquet":       "dt=01/h.parquet",
	"_late/**/*.parquet":    "_late/x/g.parquet",
	"_late/x":               "_late/x/g.parquet",
	"_*/x/*":                "_late/x/g.parquet",
	"x[1]":                  "x[1]/k.parquet",
	"**/e/*":                "d/e/f.parquet",
	"dt=02/_tmp/*.parquet":  "dt=02/_tmp/i.parquet",
	"**/.staging/*.parquet": "d/.staging/l.parquet",
}

func testListing(t *testing.T, s testStore) {
	root := s.place(t)
	for _, name := range listing {
		s.put(t, root+"/"+name, []byte(filepath.Base(name)))
		s.put(t, root+"ed/"+name, []byte("of another folder"))
	}
	list(t, root, s.env)
	if !strings.Contains(root, "://") {
		list(t, "file://"+root, s.env)
	}
}

func list(t *testing.T, root string, env map[string]string) {
	for pattern, want := range globs {
		p, err := Open(context.Background(), strings.TrimSuffix(root+"/"+pattern, "/"), env)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := p.List(context.Background(), ".parquet")
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
			continue
		}
		var got []string
		for _, o := range objects {
			got = append(got, strings.TrimPrefix(o.Name, strings.TrimPrefix(root, "file://")+"/"))
			if o.Size != int64(len(o.key[strings.LastIndex(o.key, "/")+1:])) || o.Version == "" {
				t.Errorf("%+v", o)
			}
		}
		w := strings.Fields(want)
		// A glob that names files takes them whatever their extension.
		if pattern == "d/**" {
			w = strings.Fields("d/c.parquet d/e/f.parquet")
		}
		slices.Sort(w)
		if strings.Join(got, " ") != strings.Join(w, " ") {
			t.Errorf("%q:\n got %s\nwant %s", pattern, strings.Join(got, " "), strings.Join(w, " "))
		}
	}
}
