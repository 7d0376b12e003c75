package state

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// createTemporary makes a file that the system removes when its last handle is closed, whoever closes it.
func createTemporary(dir, pattern string) (*os.File, error) {
	name := filepath.Join(dir, strings.Replace(pattern, "*", rand.Text(), 1))
	text, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(text, windows.GENERIC_READ|windows.GENERIC_WRITE|windows.DELETE, 0, nil, windows.CREATE_NEW,
		windows.FILE_ATTRIBUTE_TEMPORARY|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

func discard(f *os.File) { _ = f.Close() }

// mapFile maps a file for reading; release ends the mapping and closes the file, which removes it.
func mapFile(f *os.File, size int) (data []byte, release func(), err error) {
	m, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, os.NewSyscallError("CreateFileMapping", err)
	}
	defer windows.CloseHandle(m)
	at, err := windows.MapViewOfFile(m, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, os.NewSyscallError("MapViewOfFile", err)
	}
	data = unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), size)
	return data, func() {
		_ = windows.UnmapViewOfFile(at)
		_ = f.Close()
	}, nil
}

// dropPages takes pages out of the process's working set: that is what unlocking pages that are not locked does.
func dropPages(data []byte) {
	if len(data) > 0 {
		_ = windows.VirtualUnlock(uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	}
}
