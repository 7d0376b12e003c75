package csv

import (
	"bytes"
	"fmt"

	"github.com/lockstep-data/lockstep/schema"
)

// cell is a field of a row as it was written. Package encoding/csv cannot tell NULL from ”, hence this
// reader.
type cell struct {
	text []byte // nil: there was nothing, not even quotes
	line int
}

// scanner goes over the rows of a file in memory.
type scanner struct {
	name string
	buf  []byte
	pos  int
	line int
	row  []cell
	err  error
}

// next reads a row of so many fields (0: any number) into s.row. False means the end, or s.err.
func (s *scanner) next(fields int) bool {
	for fields != 1 && s.blank() {
	}
	if s.pos >= len(s.buf) {
		return false
	}
	s.row = s.row[:0]
	start := s.line
	for {
		more, ok := s.cell()
		if !ok {
			return false
		}
		if !more {
			break
		}
	}
	if fields > 0 && len(s.row) != fields {
		s.err = schema.WithHint(fmt.Errorf("%s:%d: %d fields where the header has %d", s.name, start, len(s.row), fields),
			"put a field that has a comma in it in double quotes")
		return false
	}
	return true
}

// blank passes over a line without anything.
func (s *scanner) blank() bool {
	rest := s.buf[s.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("\n")):
		s.pos++
	case bytes.HasPrefix(rest, []byte("\r\n")):
		s.pos += 2
	default:
		return false
	}
	s.line++
	return true
}

// cell reads a field and what ends it; more says that another follows in the row.
func (s *scanner) cell() (more, ok bool) {
	c := cell{line: s.line}
	if s.pos < len(s.buf) && s.buf[s.pos] == '"' {
		if c.text, ok = s.quoted(); !ok {
			return false, false
		}
	} else {
		start := s.pos
		for s.pos < len(s.buf) && s.buf[s.pos] != ',' && s.buf[s.pos] != '\n' {
			if s.buf[s.pos] == '"' {
				return false, s.fail("a double quote inside a field without quotes",
					`put the field in double quotes and write "" for each of its own`)
			}
			s.pos++
		}
		end := s.pos
		if end > start && s.buf[end-1] == '\r' && (end == len(s.buf) || s.buf[end] == '\n') {
			end--
		}
		if end > start {
			c.text = s.buf[start:end]
		}
	}
	s.row = append(s.row, c)
	switch {
	case s.pos >= len(s.buf):
		return false, true
	case s.buf[s.pos] == ',':
		s.pos++
		return true, true
	case s.buf[s.pos] == '\r' && (s.pos+1 == len(s.buf) || s.buf[s.pos+1] == '\n'):
		s.pos = min(s.pos+2, len(s.buf))
	case s.buf[s.pos] == '\n':
		s.pos++
	default:
		return false, s.fail(fmt.Sprintf("%q behind a closing quote", s.buf[s.pos]),
			`write "" for a double quote inside a field with quotes`)
	}
	s.line++
	return false, true
}

// quoted reads a field in quotes; two in a row stand for one.
func (s *scanner) quoted() (text []byte, ok bool) {
	start := s.line
	s.pos++
	text = s.buf[s.pos:s.pos]
	for {
		end := bytes.IndexByte(s.buf[s.pos:], '"')
		if end < 0 {
			s.line = start
			return nil, s.fail("a quote that is not closed", "")
		}
		part := s.buf[s.pos : s.pos+end]
		s.line += bytes.Count(part, []byte("\n"))
		s.pos += end + 1
		again := s.pos < len(s.buf) && s.buf[s.pos] == '"'
		if again {
			part = part[:len(part)+1] // with the quote that it stands for
			s.pos++
		}
		// The parts move to the front of the field's own place, which is never read again.
		text = append(text, part...)
		if !again {
			return text, true
		}
	}
}

func (s *scanner) fail(what, hint string) bool {
	s.err = fmt.Errorf("%s:%d: %s", s.name, s.line, what)
	if hint != "" {
		s.err = schema.WithHint(s.err, hint)
	}
	return false
}
