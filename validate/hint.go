package validate

import (
	"errors"
	"fmt"
)

// Hint returns what the user can do about err, or "".
func Hint(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// UncomparableError says which columns have types that are not compared without a word from the user.
type UncomparableError struct {
	Columns []Uncomparable
}

// Uncomparable is a column, or a part of one, whose two types are not compared by value.
type Uncomparable struct {
	Column    string `json:"column"`
	TypeLeft  string `json:"type_left"`
	TypeRight string `json:"type_right"`
	Reason    string `json:"reason"`
}

func (e *UncomparableError) Error() string {
	s := "cannot compare"
	for i, c := range e.Columns {
		if i > 0 {
			s += ";"
		}
		s += fmt.Sprintf(" column %q: %s with %s (%s)", c.Column, c.TypeLeft, c.TypeRight, c.Reason)
	}
	return s
}
