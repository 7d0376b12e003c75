package cmd

import "fmt"

// The exit codes of every command (`lockstep help exit-codes`).
const (
	exitOK           = 0   // done, or equal
	exitNo           = 1   // ran well, and the answer is no
	exitFailed       = 2   // could not do it
	exitInconclusive = 3   // nothing could be judged yet
	exitBrokenKeys   = 4   // the key contract is broken
	exitInterrupted  = 130 // stopped by a signal after a clean end
)

// exitCode ends a command with a code and no error message; the command has said why already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitKey is the annotation in which a command keeps its own wording of its exit codes.
const exitKey = "exit status"

// exitStatus is what all commands' codes mean.
const exitStatus = `0    done, or equal
1    ran well, and the answer is no: different, incompatible, findings
2    could not do it: usage, pipeline file, data, input or output
3    inconclusive: windows unsettled, an end not reached, nothing in scope
4    the key contract is broken: duplicate keys, or keys that are all NULL
130  interrupted, after a clean end`

// exits is a command's annotation with its own wording: one line a code.
func exits(lines string) map[string]string { return map[string]string{exitKey: lines} }
