//go:build !unix

package cmd

import "os"

// stopSignals end a run.
var stopSignals = []os.Signal{os.Interrupt}
