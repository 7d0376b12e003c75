package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/lockstep-data/lockstep/schema"
)

// local is a file system.
type local struct{ disk Disk }

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func (local) name(key string) string { return key }

func localObject(key string, info fs.FileInfo) Object {
	return Object{Name: key, key: key, Size: info.Size(), Version: info.ModTime().UTC().Format("20060102T150405.000000000")}
}

func denied(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return schema.WithHint(err, "this user may not read it; check its permissions with ls -l")
	}
	return err
}

func (l local) stat(_ context.Context, key string) (Object, bool, error) {
	info, err := l.disk.Stat(key)
	if err != nil {
		return Object{}, false, denied(err)
	}
	return localObject(key, info), info.IsDir(), nil
}

func (l local) walk(ctx context.Context, dir string, enter func(string) bool, f func(Object)) error {
	if dir == "" {
		dir = "."
	}
	entries, err := l.disk.ReadDir(dir)
	if err != nil {
		return denied(err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := e.Name()
		switch dir {
		case ".":
		case "/":
			key = "/" + key
		default:
			key = dir + "/" + key
		}
		// Stat follows links: a folder of links to files is common.
		info, err := l.disk.Stat(key)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return denied(err)
		}
		if !info.IsDir() {
			f(localObject(key, info))
		} else if enter(key) {
			if err := l.walk(ctx, key, enter, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l local) open(_ context.Context, o Object) (Reader, error) {
	f, err := l.disk.Open(o.key)
	if err != nil {
		if isMissing(err) {
			return nil, errChanged(o.Name)
		}
		return nil, denied(err)
	}
	r := &localReader{DiskFile: f, disk: l.disk, was: o}
	if err := r.Check(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

type localReader struct {
	DiskFile
	disk Disk
	was  Object
}

// Check looks at the path, not the open file: one that was replaced by rename has another time there.
func (r *localReader) Check() error {
	info, err := r.disk.Stat(r.was.key)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("read %s: %w", r.was.Name, err)
	}
	if err != nil {
		return errChanged(r.was.Name)
	}
	if now := localObject(r.was.key, info); now.Size != r.was.Size || now.Version != r.was.Version {
		return errChanged(r.was.Name)
	}
	return nil
}

// syncDir makes the names in a folder durable.
func (l local) syncDir(dir string) error {
	if filepath.Separator != '/' {
		// Windows has no such call; its file system keeps a log of names.
		return nil
	}
	d, err := l.disk.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// mkdirs makes a folder and those above, and makes the new names durable.
func (l local) mkdirs(dir string) error {
	if _, err := l.disk.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := l.mkdirs(parent); err != nil {
			return err
		}
	}
	if err := l.disk.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return l.syncDir(filepath.Dir(dir))
}
