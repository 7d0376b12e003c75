package lake

import (
	"context"
	"io"
	"io/fs"
	"os"
)

// Disk is what the lake asks of a file system: that of this machine, or a test's that fails. Paths have slashes;
// errors are those of package os.
type Disk interface {
	Stat(name string) (fs.FileInfo, error)
	// ReadDir gives a folder's entries, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	ReadFile(name string) ([]byte, error)
	// Open opens a file to read it, or a folder to Sync it.
	Open(name string) (DiskFile, error)
	// Create makes a file, or empties one, to write it.
	Create(name string) (DiskFile, error)
	Mkdir(name string) error
	Rename(from, to string) error
	// Link gives a file a second name, which must be free.
	Link(from, to string) error
	Remove(name string) error
}

// DiskFile is an open file or folder of a Disk.
type DiskFile interface {
	io.ReaderAt
	io.Writer
	io.Closer
	// Sync makes the content durable; of a folder, the names in it.
	Sync() error
}

type diskKey struct{}

// WithDisk makes what is opened with this context, at places without a scheme or with file://, lie on a disk of the
// caller's. It is how a test lets every single call fail.
func WithDisk(ctx context.Context, d Disk) context.Context {
	return context.WithValue(ctx, diskKey{}, d)
}

func diskOf(ctx context.Context) local {
	if d, ok := ctx.Value(diskKey{}).(Disk); ok {
		return local{d}
	}
	return local{machine{}}
}

// machine is the file system of this machine.
type machine struct{}

func (machine) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (machine) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (machine) ReadFile(name string) ([]byte, error)       { return os.ReadFile(name) }
func (machine) Open(name string) (DiskFile, error)         { return os.Open(name) }
func (machine) Mkdir(name string) error                    { return os.Mkdir(name, 0o777) }
func (machine) Rename(from, to string) error               { return os.Rename(from, to) }
func (machine) Link(from, to string) error                 { return os.Link(from, to) }
func (machine) Remove(name string) error                   { return os.Remove(name) }
func (machine) Create(name string) (DiskFile, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
}
