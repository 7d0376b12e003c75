package cmd

import (
	"unsafe"

	system "golang.org/x/sys/windows"
)

// machineMemory is what the machine has; 0 when that is not known.
func machineMemory() int64 {
	var status struct {
		length, load                                                                         uint32
		total, available, totalPage, availablePage, totalVirtual, availableVirtual, extended uint64
	}
	status.length = uint32(unsafe.Sizeof(status))
	ok, _, _ := system.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx").Call(uintptr(unsafe.Pointer(&status)))
	if ok == 0 {
		return 0
	}
	return int64(status.total)
}
