package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/schema"
)

// Place is where files lie: a path, a file:// or an s3:// address. It may be one file, a folder, or a glob of
// *, **, ? and [..] (** is any number of folders).
type Place struct {
	text  string
	path  string
	store store
}

// Object is a file as it was when it was listed.
type Object struct {
	// Name is what errors and manifests call it: a path, or s3://bucket/key.
	Name string
	Size int64
	// Version tells two contents of one name apart: an ETag, or the time of the last change.
	Version string
	// Partitions are the Hive partitions in the path, such as month=01, outermost first.
	Partitions []Partition

	key string
}

// Partition is a name=value folder on an object's path.
type Partition struct {
	Name, Value string
	// Null says that the value is __HIVE_DEFAULT_PARTITION__.
	Null bool
}

// Reader reads one object at any place. Check fails if the object is no longer what was listed.
type Reader interface {
	io.ReaderAt
	io.Closer
	Check() error
}

// store is a file system or a bucket. Keys are paths with slashes.
type store interface {
	// name is how the user writes a key.
	name(key string) string
	// stat finds one object; an error that is fs.ErrNotExist if there is none. A folder is a directory.
	stat(ctx context.Context, key string) (obj Object, dir bool, err error)
	// walk calls f with every object below the folder dir, and only enters folders (with their path) for
	// which enter is true.
	walk(ctx context.Context, dir string, enter func(dir string) bool, f func(Object)) error
	// open reads an object that was listed.
	open(ctx context.Context, o Object) (Reader, error)
	output
}

// Open understands text. env are the environment's variables (AWS_*); nothing is read from the process's own.
func Open(ctx context.Context, text string, env map[string]string) (Place, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		if text == "" {
			return Place{}, errors.New("a place is empty")
		}
		return Place{text: text, path: cleanPath(text), store: diskOf(ctx)}, nil
	}
	switch scheme {
	case "file":
		p, err := url.PathUnescape(strings.TrimPrefix(rest, "localhost"))
		if err != nil || !strings.HasPrefix(p, "/") {
			return Place{}, schema.WithHint(fmt.Errorf("place %s: not a file address", text), "write file:///absolute/path, or a bare path")
		}
		return Place{text: text, path: cleanPath(p), store: diskOf(ctx)}, nil
	case "s3", "s3a", "s3n":
		bucket, key, _ := strings.Cut(rest, "/")
		if bucket == "" || strings.ContainsAny(bucket, "*?[") {
			return Place{}, schema.WithHint(fmt.Errorf("place %s: no bucket", text), "write s3://bucket/path; the bucket cannot be a glob")
		}
		s, err := openS3(ctx, bucket, env)
		if err != nil {
			return Place{}, fmt.Errorf("place %s: %w", text, err)
		}
		return Place{text: text, path: cleanKey(key), store: s}, nil
	}
	return Place{}, schema.WithHint(fmt.Errorf("place %s: %s:// is not known", text, scheme), "write a path, file:// or s3://")
}

func cleanPath(p string) string {
	p = filepath.ToSlash(p)
	if p != "/" {
		p = strings.TrimRight(p, "/")
	}
	if p == "" {
		return "/"
	}
	return p
}

// folder is the place as one to write to: what lies in it is called by a path that begins with the place's own, however
// that was spelt ("./out", "a//b").
func (p Place) folder() Place {
	if p.path != "" {
		p.path = path.Clean(p.path)
	}
	return p
}

func cleanKey(k string) string { return strings.Trim(k, "/") }

// String is the place as the user wrote it.
func (p Place) String() string { return p.text }

// List finds the place's files, sorted by name. In folders only names with one of the extensions count (all,
// when none is given), and nothing that begins with _ or ., unless the place itself spells that name. No file
// is an error.
func (p Place) List(ctx context.Context, extensions ...string) ([]Object, error) {
	objects, err := p.list(ctx, extensions)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", p.text, err)
	}
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	for i := range objects {
		objects[i].Partitions = partitions(objects[i].key)
	}
	return objects, nil
}

func (p Place) list(ctx context.Context, extensions []string) ([]Object, error) {
	wanted := func(key string) bool {
		return len(extensions) == 0 || slices.ContainsFunc(extensions, func(e string) bool { return strings.HasSuffix(key, e) })
	}
	obj, dir, err := p.store.stat(ctx, p.path)
	if err == nil && !dir {
		return []Object{obj}, nil
	}
	var out []Object
	if err == nil {
		seen := 0
		err := p.store.walk(ctx, p.path, func(d string) bool { return !hidden(path.Base(d)) }, func(o Object) {
			seen++
			if !hidden(path.Base(o.key)) && wanted(o.key) {
				out = append(out, o)
			}
		})
		if err == nil && len(out) == 0 {
			err = noFiles(fmt.Sprintf("no data file in the folder (%d other files)", seen), extensions)
		}
		return out, err
	}
	if !isMissing(err) {
		return nil, err
	}
	if !strings.ContainsAny(p.path, "*?[") {
		return nil, schema.WithHint(errors.New("there is no such file or folder"), "relative paths are relative to the pipeline file")
	}
	g, err := compileGlob(p.path)
	if err != nil {
		return nil, err
	}
	err = p.store.walk(ctx, g.root, g.enters, func(o Object) {
		switch direct, below := g.matches(o.key); {
		case direct, below && wanted(o.key):
			out = append(out, o)
		}
	})
	if isMissing(err) {
		return nil, schema.WithHint(missing("there is no folder "+p.store.name(g.root)), "relative paths are relative to the pipeline file")
	}
	if err == nil && len(out) == 0 {
		err = noFiles("no file matches", nil)
	}
	return out, err
}

func noFiles(what string, extensions []string) error {
	hint := "* does not cross folders, ** does; names that begin with _ or . are not data"
	if len(extensions) > 0 {
		hint = "wanted are names that end with " + strings.Join(extensions, ", ") + "; a glob takes others"
	}
	return schema.WithHint(missing(what), hint)
}

// missing says in its own words that there is nothing; it is fs.ErrNotExist.
type missing string

func (m missing) Error() string        { return string(m) }
func (m missing) Is(target error) bool { return target == fs.ErrNotExist }

func hidden(base string) bool { return strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") }

// Read opens an object of this place's List.
func (p Place) Read(ctx context.Context, o Object) (Reader, error) {
	r, err := p.store.open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Name, err)
	}
	return r, nil
}

// partitions are the name=value folders of a path.
func partitions(key string) []Partition {
	dir := path.Dir(key)
	var out []Partition
	for _, part := range strings.Split(dir, "/") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			continue
		}
		out = append(out, Partition{Name: unescape(name), Value: unescape(value), Null: value == "__HIVE_DEFAULT_PARTITION__"})
	}
	return out
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// errChanged is a file that is no longer what was listed.
func errChanged(name string) error {
	return schema.WithHint(fmt.Errorf("read %s: the file was changed during the run", name), "run again when nobody writes to it; write new files instead of changing old ones")
}
