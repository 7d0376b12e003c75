package validate

import (
	"context"
	"fmt"
)

// source is one file, or one stream of Arrow records. Its units are read independently of each other and in
// any order, each as often as needed and with the same rows every time.
type source interface {
	// columns are the file's own columns; a name is there once.
	columns() []field
	// units are the pieces that can be read in parallel: row groups, record batches, or the whole of a text.
	units() int
	// rows is the number of rows of a unit, -1 where only reading tells.
	rows(unit int) int64
	// scan yields a unit's rows in order, in one block or several.
	scan(ctx context.Context, unit int, want []want, yield func(*block) error) error
	close() error
}

// want is a column to read and the type to read it as.
type want struct {
	name string
	path []string // fields to follow into structs
	dst  typ
	as   bool // converted because the user said so, not because the values are the same
}

// block is a run of rows of a unit.
type block struct {
	n int
	// col yields the values of want k in order, in as many pieces as it likes; start counts from the
	// block's first row.
	col func(k int, yield func(start int, v *vec) error) error
	// held yields the same as often as asked, in pieces that live as long as the block; nil where that would
	// cost too much memory.
	held func(k int) ([]piece, error)
}

// piece is a run of a block's values.
type piece struct {
	start int
	v     *vec
}

// converterFor finds the conversion that w asks of a column of type src.
func (w want) converterFor(src typ) (conv, error) {
	if !w.as {
		return converter(src, w.dst)
	}
	c, err := asConverter(src, w.dst)
	if c == nil || err != nil {
		return nil, err
	}
	return func(i int64, b []byte, scratch *[]byte) (int64, []byte, error) {
		i, b, err := c(i, b, scratch)
		if err != nil { // the hint's words are allocated
			err = withHint(err, hintAs, w.name, w.dst)
		}
		return i, b, err
	}, nil
}

// hintAs is for a value that is not of the type by which a column is compared.
const hintAs = "not every value of %s is %s: name another type with --tolerance, or another column"

// placed says where in a file an error is.
func placed(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// guard turns a panic of a decoder on damaged data into an error.
func guard(err *error) {
	if r := recover(); r != nil {
		if e, ok := r.(error); ok && Hint(e) != "" {
			*err = e
		} else if ok {
			*err = fmt.Errorf("damaged data: %w", e)
		} else {
			*err = fmt.Errorf("damaged data: %v", r)
		}
	}
}

// follow finds the type at the end of a path of struct fields.
func follow(t typ, path []string) (typ, bool) {
	for _, name := range path {
		found := false
		if t.kind == kStruct {
			for _, f := range t.fields {
				if f.name == name {
					t, found = f.typ, true
					break
				}
			}
		}
		if !found {
			return typ{}, false
		}
	}
	return t, true
}
