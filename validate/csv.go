package validate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxField is the longest text of one field, and of one line of NDJSON.
const maxField = 64 << 20

// csvFile reads CSV as RFC 4180 has it, with a header. Nothing between two commas is NULL, "" is an empty text.
type csvFile struct {
	text  *textFile
	comma byte
	cols  []field
	index map[string]int
}

// csvReader cuts records out of text.
type csvReader struct {
	in    *bufio.Reader
	comma byte
	one   bool // there is one column: a line without anything is its NULL
	line  int  // of the record's beginning
	next  int  // line that comes next
	// The record: fields lie one behind the other in data; null says that nothing was there, not even quotes.
	data []byte
	ends []int
	null []bool
}

var errQuote = errors.New("a quote stands inside a field, or after one that was closed")

// read reads the next record; io.EOF at the end.
func (c *csvReader) read() error {
	c.data, c.ends, c.null = c.data[:0], c.ends[:0], c.null[:0]
	c.line = c.next
	start, quoted := 0, false
	field := func() error {
		if !utf8.Valid(c.data[start:]) {
			return errNotUTF8
		}
		c.null = append(c.null, !quoted && len(c.data) == start)
		c.ends = append(c.ends, len(c.data))
		start, quoted = len(c.data), false
		return nil
	}
	first := true
	for {
		b, err := c.in.ReadByte()
		if err == io.EOF {
			if first {
				return io.EOF
			}
			return field()
		}
		if err != nil {
			return err
		}
		switch {
		case b == '"' && len(c.data) == start && !quoted:
			quoted = true
			first = false
			if err := c.quoted(start); err != nil {
				return err
			}
			continue
		case b == c.comma:
			if err := field(); err != nil {
				return err
			}
		case b == '\n':
			c.next++
			if first && !c.one {
				c.line = c.next // a line without anything is no record
				continue
			}
			return field()
		case b == '\r':
			if p, _ := c.in.Peek(1); len(p) == 0 || p[0] == '\n' {
				if first && len(p) > 0 {
					continue
				}
				if len(p) == 0 && first {
					return io.EOF
				}
				continue
			}
			fallthrough
		default:
			if quoted || b == '"' {
				return errQuote
			}
			c.data = append(c.data, b)
			if len(c.data)-start > maxField {
				return fmt.Errorf("a field is longer than %d MiB", maxField>>20)
			}
		}
		first = false
	}
}

// quoted reads up to the closing quote.
func (c *csvReader) quoted(start int) error {
	for {
		part, err := c.in.ReadSlice('"')
		c.next += bytes.Count(part, []byte("\n"))
		if len(c.data)-start+len(part) > maxField {
			return fmt.Errorf("a field is longer than %d MiB", maxField>>20)
		}
		if err == bufio.ErrBufferFull {
			c.data = append(c.data, part...)
			continue
		}
		if err != nil {
			return errors.New("a quoted field does not end")
		}
		c.data = append(c.data, part[:len(part)-1]...)
		if p, _ := c.in.Peek(1); len(p) == 0 || p[0] != '"' {
			return nil
		}
		c.in.Discard(1)
		c.data = append(c.data, '"')
	}
}

func (c *csvReader) field(i int) []byte {
	from := 0
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.data[from:c.ends[i]]
}

func openCSV(_ context.Context, text *textFile, tabs bool) (*csvFile, error) {
	f := &csvFile{text: text, comma: ',', index: map[string]int{}}
	if tabs {
		f.comma = '\t'
	}
	in, done, err := text.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	r := &csvReader{in: in, comma: f.comma, next: 1}
	if err := r.read(); err != nil {
		if err == io.EOF {
			err = errors.New("there is no header")
		}
		return nil, f.at(r.line, err)
	}
	for i := range r.ends {
		name := string(r.field(i))
		if _, twice := f.index[name]; twice {
			return nil, withHint(f.at(r.line, fmt.Errorf("two columns are named %q", name)), "rename one of them; columns are told apart by their names")
		}
		f.index[name] = i
		f.cols = append(f.cols, field{name, typ{kind: kUntyped}})
	}
	return f, nil
}

func (f *csvFile) at(line int, err error) error {
	return withHint(fmt.Errorf("%s: line %d: %w", f.text.name, line, err), "the file must be CSV in UTF-8 with a header and as many fields in every line")
}

func (f *csvFile) columns() []field { return f.cols }
func (f *csvFile) units() int       { return 1 }
func (f *csvFile) rows(int) int64   { return -1 }
func (f *csvFile) close() error     { return f.text.closer.Close() }

// textRows and textBytes bound a block of text.
const (
	textRows  = 8192
	textBytes = 4 << 20
)

func (f *csvFile) scan(ctx context.Context, _ int, wants []want, yield func(*block) error) error {
	in, done, err := f.text.reader()
	if err != nil {
		return err
	}
	defer done()
	r := &csvReader{in: in, comma: f.comma, next: 1}
	if err := r.read(); err != nil {
		return f.at(r.line, err)
	}
	r.one = len(f.cols) == 1
	at := make([]int, len(wants))
	convs := make([]conv, len(wants))
	for k, w := range wants {
		i, ok := f.index[w.name]
		if at[k] = -1; ok {
			at[k] = i
		}
		if convs[k], err = w.converterFor(typ{kind: kUntyped}); err != nil {
			return placed(f.text.name, err)
		}
	}
	for end := false; !end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		vecs := make([]vec, len(wants))
		for k := range vecs {
			vecs[k].offs = []uint32{0}
		}
		var lines []int
		size := 0
		for len(lines) < textRows && size < textBytes {
			err := r.read()
			if err == io.EOF {
				end = true
				break
			}
			if err == nil && len(r.ends) != len(f.cols) {
				err = fmt.Errorf("has %d fields where the header has %d", len(r.ends), len(f.cols))
			}
			if err != nil {
				return f.at(r.line, err)
			}
			lines = append(lines, r.line)
			size += len(r.data)
			for k, i := range at {
				v := &vecs[k]
				ok := i >= 0 && !r.null[i]
				v.valid = append(v.valid, ok)
				if ok {
					v.data = append(v.data, r.field(i)...)
					v.offs = append(v.offs, uint32(len(v.data)))
				}
			}
		}
		n := len(lines)
		if n == 0 {
			break
		}
		b := &block{n: n}
		b.col = func(k int, out func(int, *vec) error) error {
			v := &vecs[k]
			v.n = n
			c, err := convertVec(v, convs[k], &wants[k].dst, nil)
			if err != nil {
				line := 0
				if e := (*valueError)(nil); errors.As(err, &e) {
					line = lines[v.rowOf(e.packed)]
				}
				return withHint(fmt.Errorf("%s: line %d: column %q: %w", f.text.name, line, wants[k].name, err),
					"a CSV field takes the type of the other side's column; --tolerance %s=as:text compares as text", wants[k].name)
			}
			return out(0, c)
		}
		if err := yield(b); err != nil {
			return err
		}
	}
	return nil
}
