package validate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonFile reads one JSON object a line. Numbers keep their digits; a missing field is NULL.
type jsonFile struct {
	text *textFile
	cols []field
}

// jvalue is a parsed JSON value.
type jvalue struct {
	kind  byte // 'n'ull, 'b'ool, '0' number, 's'tring, 'a'rray, 'o'bject
	text  []byte
	names []string
	kids  []jvalue
}

type jsonParser struct {
	b  []byte
	at int
}

func (p *jsonParser) fail(what string) error { return fmt.Errorf("column %d: %s", p.at+1, what) }

func (p *jsonParser) space() {
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\t' || p.b[p.at] == '\r' || p.b[p.at] == '\n') {
		p.at++
	}
}

// parseJSON parses one whole value.
func parseJSON(line []byte) (jvalue, error) {
	p := &jsonParser{b: line}
	v, err := p.value(0)
	if err != nil {
		return v, err
	}
	if p.space(); p.at < len(line) {
		return v, p.fail("there is more behind the value")
	}
	return v, nil
}

func (p *jsonParser) value(depth int) (v jvalue, err error) {
	if depth > maxDepth {
		return v, p.fail(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	p.space()
	if p.at >= len(p.b) {
		return v, p.fail("the value is cut off")
	}
	word := func(w string, kind byte) (jvalue, error) {
		if !bytes.HasPrefix(p.b[p.at:], []byte(w)) {
			return v, p.fail("not a JSON value")
		}
		p.at += len(w)
		return jvalue{kind: kind, text: []byte(w)}, nil
	}
	switch c := p.b[p.at]; c {
	case 'n':
		return word("null", 'n')
	case 't':
		return word("true", 'b')
	case 'f':
		return word("false", 'b')
	case '"':
		s, err := p.str()
		return jvalue{kind: 's', text: s}, err
	case '[':
		p.at++
		v.kind = 'a'
		for {
			p.space()
			if p.at < len(p.b) && p.b[p.at] == ']' && len(v.kids) == 0 {
				p.at++
				return v, nil
			}
			kid, err := p.value(depth + 1)
			if err != nil {
				return v, err
			}
			v.kids = append(v.kids, kid)
			if p.space(); p.at >= len(p.b) || p.b[p.at] != ',' && p.b[p.at] != ']' {
				return v, p.fail("an array goes on with , or ]")
			}
			p.at++
			if p.b[p.at-1] == ']' {
				return v, nil
			}
		}
	case '{':
		p.at++
		v.kind = 'o'
		for {
			p.space()
			if p.at < len(p.b) && p.b[p.at] == '}' && len(v.kids) == 0 {
				p.at++
				return v, nil
			}
			if p.at >= len(p.b) || p.b[p.at] != '"' {
				return v, p.fail("a field begins with its name in quotes")
			}
			name, err := p.str()
			if err != nil {
				return v, err
			}
			if v.field(string(name)) != nil {
				return v, p.fail(fmt.Sprintf("the field %q is there twice", name))
			}
			if p.space(); p.at >= len(p.b) || p.b[p.at] != ':' {
				return v, p.fail("a colon is missing")
			}
			p.at++
			kid, err := p.value(depth + 1)
			if err != nil {
				return v, err
			}
			v.names, v.kids = append(v.names, string(name)), append(v.kids, kid)
			if p.space(); p.at >= len(p.b) || p.b[p.at] != ',' && p.b[p.at] != '}' {
				return v, p.fail("an object goes on with , or }")
			}
			p.at++
			if p.b[p.at-1] == '}' {
				return v, nil
			}
		}
	default:
		return p.number()
	}
}

func (v *jvalue) field(name string) *jvalue {
	for i, n := range v.names {
		if n == name {
			return &v.kids[i]
		}
	}
	return nil
}

func (p *jsonParser) number() (jvalue, error) {
	from := p.at
	digits := func() bool {
		n := p.at
		for p.at < len(p.b) && p.b[p.at] >= '0' && p.b[p.at] <= '9' {
			p.at++
		}
		return p.at > n
	}
	is := func(c string) bool { return p.at < len(p.b) && bytes.IndexByte([]byte(c), p.b[p.at]) >= 0 }
	if is("-") {
		p.at++
	}
	zero := is("0")
	start := p.at
	if !digits() || zero && p.at-start > 1 {
		return jvalue{}, p.fail("not a JSON value")
	}
	if is(".") {
		p.at++
		if !digits() {
			return jvalue{}, p.fail("a number ends in its point")
		}
	}
	if is("eE") {
		p.at++
		if is("+-") {
			p.at++
		}
		if !digits() {
			return jvalue{}, p.fail("a number ends in its exponent")
		}
	}
	return jvalue{kind: '0', text: p.b[from:p.at]}, nil
}

func (p *jsonParser) str() ([]byte, error) {
	p.at++
	from := p.at
	for p.at < len(p.b) && p.b[p.at] != '"' && p.b[p.at] != '\\' && p.b[p.at] >= 0x20 {
		p.at++
	}
	out := p.b[from:p.at:p.at]
	for {
		if p.at >= len(p.b) {
			return nil, p.fail("a text does not end")
		}
		c := p.b[p.at]
		p.at++
		switch {
		case c == '"':
			return out, nil
		case c < 0x20:
			return nil, p.fail("a control character stands in a text")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if p.at >= len(p.b) {
			return nil, p.fail("a text does not end")
		}
		c = p.b[p.at]
		p.at++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := p.hex()
			if ok && utf16.IsSurrogate(r) {
				var low rune
				if ok = bytes.HasPrefix(p.b[p.at:], []byte(`\u`)); ok {
					p.at += 2
					low, ok = p.hex()
					r = utf16.DecodeRune(r, low)
					ok = ok && r != utf8.RuneError
				}
			}
			if !ok {
				return nil, p.fail(`\u is not followed by a character`)
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, p.fail("an unknown escape")
		}
	}
}

func (p *jsonParser) hex() (rune, bool) {
	if p.at+4 > len(p.b) {
		return 0, false
	}
	x, err := strconv.ParseUint(string(p.b[p.at:p.at+4]), 16, 32)
	p.at += 4
	return rune(x), err == nil
}

// jsonType is the type that one value shows.
func jsonType(v *jvalue) (typ, error) {
	switch v.kind {
	case 'b':
		return typ{kind: kBool}, nil
	case '0':
		return typ{kind: kJSONNumber}, nil
	case 's':
		return typ{kind: kText, json: true}, nil
	case 'a':
		e := typ{kind: kNull}
		for i := range v.kids {
			t, err := jsonType(&v.kids[i])
			if err != nil {
				return e, err
			}
			if e, err = jsonUnify(e, t); err != nil {
				return e, err
			}
		}
		return typ{kind: kList, elem: &e}, nil
	case 'o':
		out := typ{kind: kStruct}
		for i, name := range v.names {
			t, err := jsonType(&v.kids[i])
			if err != nil {
				return out, err
			}
			out.fields = append(out.fields, field{name, t})
		}
		return out, nil
	}
	return typ{kind: kNull}, nil
}

func jsonUnify(a, b typ) (typ, error) {
	if a.kind == kJSONNumber && b.kind == kJSONNumber || a.kind == kNull {
		return b, nil
	}
	t, ok := unify(a, b, &findings{})
	if !ok || a.kind != b.kind && b.kind != kNull {
		return t, fmt.Errorf("a %s stands where lines before have a %s", b, a)
	}
	return t, nil
}

// readLine reads one line without its end.
func readLine(in *bufio.Reader, buf []byte) ([]byte, error) {
	buf = buf[:0]
	for {
		part, err := in.ReadSlice('\n')
		buf = append(buf, part...)
		if len(buf) > maxField {
			return buf, fmt.Errorf("the line is longer than %d MiB", maxField>>20)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(buf) > 0, err == nil:
			return bytes.TrimRight(buf, "\r\n"), nil
		}
		return buf, err
	}
}

// lines calls do with every object and its line.
func (f *jsonFile) lines(ctx context.Context, do func(line int, v *jvalue) error) error {
	in, done, err := f.text.reader()
	if err != nil {
		return err
	}
	defer done()
	var buf []byte
	for line := 1; ; line++ {
		if line&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		buf, err = readLine(in, buf)
		if err == io.EOF {
			return nil
		}
		if err == nil && !utf8.Valid(buf) {
			err = errNotUTF8
		}
		if err == nil && len(bytes.TrimSpace(buf)) == 0 {
			continue
		}
		var v jvalue
		if err == nil {
			v, err = parseJSON(buf)
		}
		if err == nil && v.kind != 'o' {
			err = errors.New("the line is not an object")
		}
		if err != nil {
			return f.at(line, err)
		}
		if err := do(line, &v); err != nil {
			return err
		}
	}
}

func (f *jsonFile) at(line int, err error) error {
	if err = fmt.Errorf("%s: line %d: %w", f.text.name, line, err); Hint(err) != "" {
		return err
	}
	return withHint(err, "the file must be one JSON object a line, in UTF-8, each field of one type")
}

func openNDJSON(ctx context.Context, text *textFile) (*jsonFile, error) {
	f := &jsonFile{text: text}
	index := map[string]int{}
	err := f.lines(ctx, func(line int, v *jvalue) error {
		for i, name := range v.names {
			t, err := jsonType(&v.kids[i])
			if err != nil {
				return f.at(line, fmt.Errorf("field %q: %w", name, err))
			}
			at, ok := index[name]
			if !ok {
				index[name] = len(f.cols)
				f.cols = append(f.cols, field{name, t})
				continue
			}
			if f.cols[at].typ, err = jsonUnify(f.cols[at].typ, t); err != nil {
				return f.at(line, fmt.Errorf("field %q: %w", name, err))
			}
		}
		return nil
	})
	return f, err
}

func (f *jsonFile) columns() []field { return f.cols }
func (f *jsonFile) units() int       { return 1 }
func (f *jsonFile) rows(int) int64   { return -1 }
func (f *jsonFile) close() error     { return f.text.closer.Close() }

func (f *jsonFile) scan(ctx context.Context, _ int, wants []want, yield func(*block) error) error {
	var vecs []vec
	var lines, size int
	reset := func() {
		vecs, lines, size = make([]vec, len(wants)), 0, 0
		for k := range vecs {
			if wants[k].dst.inBytes() {
				vecs[k].offs = []uint32{0}
			} else {
				vecs[k].i64 = []int64{}
			}
		}
	}
	flush := func() error {
		if lines == 0 {
			return nil
		}
		n := lines
		b := &block{n: n, col: func(k int, out func(int, *vec) error) error {
			vecs[k].n = n
			return out(0, &vecs[k])
		}}
		err := yield(b)
		reset()
		return err
	}
	reset()
	e := &jsonEncoder{convs: map[jsonConv]conv{}}
	var cell []byte
	err := f.lines(ctx, func(line int, o *jvalue) error {
		for k := range wants {
			v := o.field(wants[k].name)
			for _, name := range wants[k].path {
				if v != nil {
					v = v.field(name)
				}
			}
			w := &vecs[k]
			if v == nil || v.kind == 'n' {
				w.valid = append(w.valid, false)
				continue
			}
			var err error
			if cell, err = e.cell(cell[:0], v, &wants[k].dst, wants[k].as); err != nil {
				return f.at(line, fmt.Errorf("field %q: %w", wants[k].name, err))
			}
			_, i, b, _ := cutCell(&wants[k].dst, cell)
			w.valid = append(w.valid, true)
			if w.offs != nil {
				w.data = append(w.data, b...)
				w.offs = append(w.offs, uint32(len(w.data)))
				size += len(b)
			} else {
				w.i64 = append(w.i64, i)
			}
		}
		if lines++; lines == textRows || size > textBytes {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

type jsonConv struct {
	dst  *typ
	kind byte
}

// jsonEncoder writes JSON values in canonical form.
type jsonEncoder struct {
	convs   map[jsonConv]conv
	scratch []byte
}

func (e *jsonEncoder) cell(dst []byte, v *jvalue, to *typ, as bool) ([]byte, error) {
	var err error
	switch {
	case v.kind == 'n':
		return appendNull(dst), nil
	case v.kind == 'a' && to.kind == kList:
		dst = append(dst, 1)
		for i := range v.kids {
			if dst, err = e.cell(append(dst, 1), &v.kids[i], to.elem, as); err != nil {
				return dst, err
			}
		}
		return append(dst, 0), nil
	case v.kind == 'o' && to.kind == kStruct:
		dst = append(dst, 1)
		for i := range to.fields {
			kid := v.field(to.fields[i].name)
			if kid == nil {
				dst = appendNull(dst)
				continue
			}
			if dst, err = e.cell(dst, kid, &to.fields[i].typ, as); err != nil {
				return dst, err
			}
		}
		return dst, nil
	case v.kind == 'a' || v.kind == 'o':
		return dst, fmt.Errorf("an array or object does not become %s", to)
	}
	key := jsonConv{to, v.kind}
	c, ok := e.convs[key]
	src := typ{kind: kBool}
	switch v.kind {
	case 's':
		src = typ{kind: kText, json: true}
	case '0':
		src = typ{kind: kJSONNumber}
	}
	if !ok {
		w := want{dst: *to, as: as}
		if c, err = w.converterFor(src); err != nil {
			return dst, err
		}
		e.convs[key] = c
	}
	i, b := int64(0), v.text
	if v.kind == 'b' {
		if i, b = 0, nil; v.text[0] == 't' {
			i = 1
		}
	}
	if c != nil {
		if i, b, err = c(i, b, &e.scratch); err != nil {
			return dst, err
		}
	}
	return appendCell(dst, to, i, b), nil
}
