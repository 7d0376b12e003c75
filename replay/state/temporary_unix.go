//go:build unix

package state

import "os"

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
