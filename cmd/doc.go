// Package cmd is the command line: the only room that knows flags, environment, terminals, progress bars and
// exit codes.
//
// The rule it keeps: a command touches the outside world through the world struct alone, so that every command
// runs in a test as it runs for a user. One file a command (options, flags, run); everything is wired by hand
// in newRoot. A command that has said its answer and only needs an exit code returns exitCode:
//
//	if len(findings) > 0 {
//		return exitCode(exitNo)
//	}
package cmd
