package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/lockstep-data/lockstep/schema"
)

// staged is a file being written below ROOT/_lockstep/staging, whose name no glob for data matches: some tools
// look into hidden folders too.
type staged struct {
	local
	f     DiskFile
	name  string
	token string
}

// stagingName is relative to root. It is given once: a run that was taken for dead may still write a file of the same key.
func stagingName(root, key string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(key, root), "/")
	return path.Join("_lockstep/staging", fmt.Sprintf("%s.%d.tmp", strings.ReplaceAll(strings.TrimSuffix(rel, ".parquet"), "/", ","), rand.Uint64()))
}

func (l local) create(_ context.Context, root, key string) (upload, error) {
	token := stagingName(root, key)
	name := path.Join(root, token)
	if err := l.mkdirs(path.Dir(name)); err != nil {
		return nil, diskError(err)
	}
	f, err := l.disk.Create(name)
	if err != nil {
		return nil, diskError(err)
	}
	return &staged{l, f, name, token}, nil
}

func diskError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return schema.WithHint(err, "the disk is full: nothing of this epoch is visible; make room and run it again")
	case errors.Is(err, syscall.EFBIG):
		return schema.WithHint(err, "the file system, or a limit of this process (ulimit -f), allows no file of that size")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return schema.WithHint(err, "this user may not write there")
	}
	return err
}

func (s *staged) with(context.Context) {}

func (s *staged) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	return n, diskError(err)
}

func (s *staged) seal(context.Context) (string, error) {
	if err := s.f.Sync(); err != nil {
		return "", diskError(err)
	}
	if err := s.f.Close(); err != nil {
		return "", diskError(err)
	}
	return s.token, s.syncDir(path.Dir(s.name))
}

func (s *staged) abort(context.Context) error {
	s.f.Close()
	return ignoreMissing(s.disk.Remove(s.name))
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

func (l local) publish(_ context.Context, root, key, token string, size int64) error {
	from := path.Join(root, token)
	there, err := l.disk.Stat(key)
	if err != nil && !isMissing(err) {
		return err
	}
	if _, stagedErr := l.disk.Stat(from); isMissing(stagedErr) {
		if err == nil && there.Size() == size {
			return nil
		}
		return schema.WithHint(fmt.Errorf("the sealed file %s is gone", from), "nothing else may write below _lockstep; the epoch has to be run again")
	}
	if err == nil {
		return schema.WithHint(errors.New("a file of that name is there already"), "two runs into one folder?")
	}
	if err := l.mkdirs(path.Dir(key)); err != nil {
		return diskError(err)
	}
	if err := l.disk.Rename(from, key); err != nil {
		return diskError(err)
	}
	return l.syncDir(path.Dir(key))
}

func (l local) discard(_ context.Context, root, _, token string) error {
	return ignoreMissing(l.disk.Remove(path.Join(root, token)))
}

func (l local) put(_ context.Context, key string, data []byte) error {
	return l.writeWhole(key, key+".tmp", data, l.disk.Rename)
}

func (l local) putNew(_ context.Context, key string, data []byte) error {
	// A link to a name that is there fails, unlike a rename. Two processes have temporary files of their own.
	return l.writeWhole(key, fmt.Sprintf("%s.%d.tmp", key, os.Getpid()), data, func(tmp, key string) error {
		return errors.Join(l.disk.Link(tmp, key), l.disk.Remove(tmp))
	})
}

// writeWhole writes a temporary file, makes it durable, and lets it appear as key.
func (l local) writeWhole(key, tmp string, data []byte, appear func(tmp, key string) error) error {
	if err := l.mkdirs(path.Dir(key)); err != nil {
		return diskError(err)
	}
	f, err := l.disk.Create(tmp)
	if err != nil {
		return diskError(err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = appear(tmp, key)
	}
	if err != nil {
		_ = l.disk.Remove(tmp)
		return diskError(err)
	}
	return l.syncDir(path.Dir(key))
}

func (l local) get(_ context.Context, key string) ([]byte, error) { return l.disk.ReadFile(key) }

func (l local) remove(_ context.Context, key string) error { return l.disk.Remove(key) }

func (l local) sweep(_ context.Context, root string, keep map[string]bool) error {
	const staging = "_lockstep/staging"
	dir := path.Join(root, staging)
	entries, err := l.disk.ReadDir(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		if name := path.Join(staging, e.Name()); !keep[name] && path.Ext(name) == ".tmp" {
			if err := l.disk.Remove(path.Join(root, name)); err != nil && !isMissing(err) {
				return err
			}
		}
	}
	return nil
}
