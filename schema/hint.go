package schema

import "errors"

// Hint returns what the user can do about err: the text of the outermost WithHint in its chain, or "".
func Hint(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

// WithHint adds advice to an error. The command line prints it on a line of its own after the error.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }
