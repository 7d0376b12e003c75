package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Read reads the columns of fields, which may be fewer than the file's and in another order. name is for
// errors.
func Read(r io.Reader, name string, fields []schema.Field) (arrow.Record, error) {
	s, header, err := open(r, name)
	if err != nil {
		return nil, err
	}
	cols := column.New(fields)
	into := make([]*column.Buffer, len(header))
	for i, f := range fields {
		switch f.Type.Kind {
		case schema.Array, schema.Map, schema.Row:
			return nil, schema.WithHint(fmt.Errorf("%s: column %s: CSV has no %s", name, f.Name, f.Type),
				"write the table as NDJSON or Parquet")
		}
		at := slices.Index(header, f.Name)
		if at < 0 {
			return nil, schema.WithHint(fmt.Errorf("%s:1: no column %s", name, f.Name), "the header has "+strings.Join(header, ", "))
		}
		if into[at] != nil {
			return nil, fmt.Errorf("%s: column %s is wanted twice", name, f.Name)
		}
		into[at] = cols[i]
	}
	rows := 0
	for s.next(len(header)) {
		for i, cell := range s.row {
			c := into[i]
			switch {
			case c == nil:
			case cell.text == nil:
				c.AppendNull()
			default:
				if err := c.AppendText(cell.text); err != nil {
					return nil, s.refuse(cell, c, err)
				}
			}
		}
		rows++
	}
	if s.err != nil {
		return nil, s.err
	}
	return column.Record(schema.ArrowSchema(fields), cols, rows), nil
}

// Infer finds the columns and their types: BOOLEAN, BIGINT, DOUBLE, DATE or TIMESTAMP if every value of the
// whole file is one, else STRING. name is for errors.
func Infer(r io.Reader, name string) ([]schema.Field, error) {
	s, header, err := open(r, name)
	if err != nil {
		return nil, err
	}
	guesses := make([]column.Guess, len(header))
	for s.next(len(header)) {
		for i, cell := range s.row {
			switch {
			case cell.text == nil:
			case len(cell.text) == 0:
				guesses[i].Text() // NULL and '' differ in text only
			default:
				guesses[i].Add(cell.text)
			}
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	fields := make([]schema.Field, len(header))
	for i, h := range header {
		fields[i] = schema.Field{Name: h, Type: guesses[i].Type()}
	}
	return fields, nil
}

// open reads the file and its header.
func open(r io.Reader, name string) (*scanner, []string, error) {
	data, err := io.ReadAll(io.LimitReader(r, column.MaxBytes))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) == column.MaxBytes {
		return nil, nil, schema.WithHint(fmt.Errorf("%s: more than 2 GiB", name), "convert the table to Parquet")
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, nil, schema.WithHint(fmt.Errorf("%s: the file is UTF-16", name), "convert it: iconv -f UTF-16 -t UTF-8")
	}
	s := &scanner{name: name, buf: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), line: 1}
	if !s.next(0) {
		if s.err == nil {
			s.err = schema.WithHint(fmt.Errorf("%s: the file is empty", name), "the first line must name the columns")
		}
		return nil, nil, s.err
	}
	header := make([]string, len(s.row))
	for i, cell := range s.row {
		header[i] = string(cell.text)
		switch {
		case header[i] == "":
			return nil, nil, schema.WithHint(fmt.Errorf("%s:1: column %d has no name", name, i+1), "the first line must name the columns")
		case !utf8.Valid(cell.text):
			return nil, nil, s.utf8(cell, fmt.Sprintf("column %d", i+1))
		case slices.Contains(header[:i], header[i]):
			return nil, nil, schema.WithHint(fmt.Errorf("%s:1: two columns are named %s", name, header[i]), "rename one of them")
		}
	}
	return s, header, nil
}

// refuse says which value does not fit its column.
func (s *scanner) refuse(cell cell, c *column.Buffer, err error) error {
	if errors.Is(err, column.ErrUTF8) {
		return s.utf8(cell, "column "+c.Name)
	}
	text := fmt.Sprintf("%q", cell.text)
	if len(text) > 60 {
		text = text[:57] + `..."`
	}
	return schema.WithHint(fmt.Errorf("%s:%d: column %s: %s as %s: %w", s.name, cell.line, c.Name, text, c.Type, err),
		"correct the value, or declare the column as string and use TRY_CAST in the query")
}

func (s *scanner) utf8(cell cell, where string) error {
	return schema.WithHint(fmt.Errorf("%s:%d: %s: %w", s.name, cell.line, where, column.ErrUTF8),
		"convert the file, for example: iconv -f WINDOWS-1252 -t UTF-8")
}
