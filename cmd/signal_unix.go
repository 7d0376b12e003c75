//go:build unix

package cmd

import (
	"os"
	"syscall"
)

// stopSignals end a run: Ctrl-C, and what a supervisor sends first.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
