//go:build unix

package state

import (
	"os"

	"golang.org/x/sys/unix"
)

// createTemporary makes a file that has no name any more: it goes with its last user, whatever becomes of that.
func createTemporary(dir, pattern string) (*os.File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil && !os.IsNotExist(err) {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func discard(f *os.File) { _ = f.Close() }

// mapFile maps a file for reading and closes it; release ends the mapping.
func mapFile(f *os.File, size int) (data []byte, release func(), err error) {
	defer f.Close()
	data, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	return data, func() { _ = unix.Munmap(data) }, os.NewSyscallError("mmap", err)
}

// dropPages takes pages out of the process's memory; the file keeps them.
func dropPages(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
