package json

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// ReadLines reads a file with one object a line. Lines without anything are passed over. name is for errors,
// which give the line.
func ReadLines(r io.Reader, name string, fields []schema.Field) (arrow.Record, error) {
	d := NewDecoder(fields)
	if err := eachLine(r, name, d.Append); err != nil {
		return nil, err
	}
	return d.Flush(), nil
}

// InferLines finds the columns of such a file, in the order in which they first come, over all of it: BIGINT,
// DOUBLE, BOOLEAN, DATE, TIMESTAMP, ARRAY or ROW if every value is one, else STRING.
func InferLines(r io.Reader, name string) ([]schema.Field, error) {
	var s shape
	err := eachLine(r, name, func(line []byte) error {
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.UseNumber()
		if err := s.value(dec, 0); err != nil {
			return err
		}
		if s.texts > 0 || s.arrays > 0 {
			return errors.New("wanted a JSON object")
		}
		if rest := bytes.TrimSpace(line[dec.InputOffset():]); len(rest) > 0 {
			return fmt.Errorf("byte %d: the object has ended, but %s follows", dec.InputOffset(), clip(rest))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.typ().Fields, nil
}

func eachLine(r io.Reader, name string, do func([]byte) error) error {
	in := bufio.NewReaderSize(r, 1<<16)
	var long []byte
	for line := 1; ; line++ {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = long[:0]
			for errors.Is(err, bufio.ErrBufferFull) {
				long = append(long, text...)
				text, err = in.ReadSlice('\n')
			}
			long = append(long, text...)
			text = long
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		}
		if space(text, 0) < len(text) {
			if err := do(text); err != nil {
				return schema.WithHint(fmt.Errorf("%s:%d: %w", name, line, err), "the file must have one JSON object a line")
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// shape is what the values at one place have been.
type shape struct {
	texts, arrays, rows int
	strings, plains     bool // text in quotes; numbers and booleans
	guess               column.Guess
	elem                *shape
	names               []string
	fields              map[string]*shape
}

func (s *shape) value(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("byte %d: %w", dec.InputOffset(), err)
	}
	if depth > maxDepth {
		return fmt.Errorf("byte %d: nested deeper than %d", dec.InputOffset(), maxDepth)
	}
	switch x := t.(type) {
	case bool:
		s.texts++
		s.plains = true
		s.guess.Add(fmt.Append(nil, x))
	case json.Number:
		s.texts++
		s.plains = true
		s.guess.Add([]byte(x))
	case string:
		s.texts++
		s.strings = true
		s.guess.Add([]byte(x))
	case json.Delim:
		switch x {
		case '[':
			s.arrays++
			if s.elem == nil {
				s.elem = &shape{}
			}
			for dec.More() {
				if err := s.elem.value(dec, depth+1); err != nil {
					return err
				}
			}
		case '{':
			s.rows++
			if s.fields == nil {
				s.fields = map[string]*shape{}
			}
			for dec.More() {
				key, err := dec.Token()
				if err != nil {
					return fmt.Errorf("byte %d: %w", dec.InputOffset(), err)
				}
				name, _ := key.(string)
				f := s.fields[name]
				if f == nil {
					f = &shape{}
					s.fields[name] = f
					s.names = append(s.names, name)
				}
				if err := f.value(dec, depth+1); err != nil {
					return err
				}
			}
		}
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("byte %d: %w", dec.InputOffset(), err)
		}
	}
	return nil
}

func (s *shape) typ() schema.Type {
	switch {
	case s.rows > 0 && s.arrays == 0 && s.texts == 0:
		row := schema.Type{Kind: schema.Row}
		for _, name := range s.names {
			row.Fields = append(row.Fields, schema.Field{Name: name, Type: s.fields[name].typ()})
		}
		return row
	case s.arrays > 0 && s.rows == 0 && s.texts == 0:
		elem := s.elem.typ()
		return schema.Type{Kind: schema.Array, Elem: &elem}
	case s.rows > 0 || s.arrays > 0 || s.strings && s.plains:
		return schema.Type{Kind: schema.String}
	}
	t := s.guess.Type()
	if s.strings && (t.Kind == schema.BigInt || t.Kind == schema.Double || t.Kind == schema.Boolean) {
		return schema.Type{Kind: schema.String} // "7" is text, however it looks
	}
	return t
}
