package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lockstep-data/lockstep/schema"
)

// JSONDefault is what JSON_VALUE gives ON EMPTY or ON ERROR: NULL (the zero value), a row error, or a literal.
type JSONDefault struct {
	Error bool
	// Value, when not nil, is the literal of DEFAULT.
	Value *Node
}

type jsonValue struct {
	path             jsonPath
	onEmpty, onError JSONDefault
}

func (j *jsonValue) canFail() bool { return j.onEmpty.Error || j.onError.Error }

// JSONValue is JSON_VALUE(text, path RETURNING .. ON EMPTY ON ERROR). A path without a mode is strict; then
// what is missing is an error and not empty. A value of another type than returning is an error as well.
func JSONValue(text *Node, path string, returning *schema.Type, onEmpty, onError JSONDefault) (*Node, error) {
	if err := needText("JSON_VALUE", text); err != nil {
		return nil, err
	}
	t := tString
	if returning != nil {
		t = *returning
	}
	switch t.Kind {
	case schema.String, schema.Boolean, schema.Int, schema.BigInt, schema.Double:
	default:
		return nil, refuse("it returns STRING, BOOLEAN, INTEGER, BIGINT or DOUBLE; write CAST around it", "JSON_VALUE does not return %s", t)
	}
	p, err := newJSONPath(path)
	if err != nil {
		return nil, refuse("paths are $.a.b[0]['key'], with strict or lax before", "the JSON path %q %v", path, err)
	}
	for _, d := range []*JSONDefault{&onEmpty, &onError} {
		if d.Value == nil {
			continue
		}
		v, err := implicit(d.Value, t)
		if err != nil {
			return nil, err
		}
		if !v.IsLiteral() {
			return nil, refuse("write a constant", "DEFAULT of JSON_VALUE is not constant")
		}
		d.Value = v
	}
	return fold(&Node{Op: "JSON_VALUE", Args: []*Node{text}, Type: t, json: &jsonValue{p, onEmpty, onError}})
}

// jsonPath is the steps from the root of a document.
type jsonPath struct {
	text  string
	lax   bool
	steps []jsonStep
}

type jsonStep struct {
	key     string
	index   int // negative: from the end
	isIndex bool
}

func newJSONPath(s string) (jsonPath, error) {
	p := jsonPath{text: s}
	s = strings.TrimSpace(s)
	if mode, rest, found := strings.Cut(s, " "); found {
		switch strings.ToLower(mode) {
		case "lax":
			p.lax, s = true, strings.TrimSpace(rest)
		case "strict":
			s = strings.TrimSpace(rest)
		}
	}
	if s == "" || s[0] != '$' {
		return p, errors.New("does not begin with $")
	}
	for s = s[1:]; s != ""; {
		switch s[0] {
		case '.':
			end := strings.IndexAny(s[1:], ".[")
			if end < 0 {
				end = len(s) - 1
			}
			key := s[1 : end+1]
			switch {
			case key == "":
				return p, errors.New("has .. or ends with a point")
			case strings.ContainsAny(key, "*?@()' "):
				return p, fmt.Errorf("has %q, which is not supported", key)
			}
			p.steps = append(p.steps, jsonStep{key: key})
			s = s[end+1:]
		case '[':
			if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
				end := strings.IndexByte(s[2:], s[1])
				if end < 0 || !strings.HasPrefix(s[end+3:], "]") {
					return p, errors.New("has a key in [ ] that does not end")
				}
				p.steps = append(p.steps, jsonStep{key: s[2 : end+2]})
				s = s[end+4:]
				continue
			}
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return p, errors.New("has [ without ]")
			}
			n, err := strconv.Atoi(strings.TrimSpace(s[1:end]))
			if err != nil {
				return p, fmt.Errorf("has %q, which is not supported", s[:end+1])
			}
			p.steps = append(p.steps, jsonStep{index: n, isIndex: true})
			s = s[end+1:]
		default:
			return p, fmt.Errorf("has %q where . or [ is expected", s)
		}
	}
	return p, nil
}

var (
	errJSON    = errors.New("is no JSON")
	errMissing = errors.New("has nothing at the path")
	errNested  = errors.New("has an object, an array or null at the path")
	errKind    = errors.New("has a value of another type at the path")
	errDeep    = errors.New("is nested deeper than 1000")
)

func compileJSON(n *Node, arg fn) fn {
	j, t := n.json, n.Type
	defaults := map[bool]*vec{}
	for empty, d := range map[bool]JSONDefault{true: j.onEmpty, false: j.onError} {
		if d.Value != nil {
			defaults[empty], _ = constant(d.Value.Value, t)
		}
	}
	out := &vec{m: -1}
	w := newWriter(t, out)
	var one [1]int32
	return func(c *ctx, sel []int32) *vec {
		v := arg(c, sel)
		w.reset(c)
		out.merge(c.n, v)
		for _, row := range sel {
			i := int(row)
			if out.null != nil && out.null[i] {
				continue
			}
			s := v.s[i&v.m]
			err := j.row(c, out, t, s, i)
			if err == nil {
				continue
			}
			empty := j.path.lax && (err == errMissing || err == errNested)
			d := j.onError
			if empty {
				d = j.onEmpty
			}
			switch {
			case d.Error:
				c.fail(out, i, fmt.Errorf("JSON_VALUE: %s %w", valueText(v, tString, i), err))
			case d.Value != nil && d.Value.Value != nil:
				one[0] = row
				w.copy(c, out, defaults[empty], one[:])
			default:
				c.null(out, i)
			}
		}
		return out
	}
}

// row finds the value of one document and stores it.
func (j *jsonValue) row(c *ctx, out *vec, t schema.Type, s string, i int) error {
	d := jsonText{s: s}
	at := d.space(0)
	// The whole value is checked first: what is broken behind the wanted part is broken all the same.
	if _, err := d.skip(at, 0); err != nil {
		return err
	}
	for _, step := range j.path.steps {
		next, ok := d.step(at, step)
		if !ok {
			return errMissing
		}
		at = next
	}
	end, _ := d.skip(at, 0)
	raw := s[at:end]
	switch raw[0] {
	case '{', '[', 'n':
		return errNested
	case '"':
		if t.Kind != schema.String {
			return errKind
		}
		inner := raw[1 : len(raw)-1]
		if strings.IndexByte(inner, '\\') < 0 {
			out.s[i] = inner
			return nil
		}
		start := c.begin(len(inner))
		c.text = appendUnescaped(c.text, inner)
		out.s[i] = c.keep(start)
		return nil
	case 't', 'f':
		switch t.Kind {
		case schema.Boolean:
			out.b[i] = raw[0] == 't'
		case schema.String:
			out.s[i] = raw
		default:
			return errKind
		}
		return nil
	}
	whole := strings.IndexAny(raw, ".eE") < 0
	switch t.Kind {
	case schema.String:
		if whole && raw != "-0" {
			out.s[i] = raw
			return nil
		}
		start := c.begin(len(raw) + 8)
		c.text = appendBigDecimal(c.text, raw)
		out.s[i] = c.keep(start)
	case schema.Int, schema.BigInt:
		x, err := strconv.ParseInt(raw, 10, 64)
		if !whole || err != nil || t.Kind == schema.Int && int64(int32(x)) != x {
			return errKind
		}
		if t.Kind == schema.Int {
			out.i32[i] = int32(x)
		} else {
			out.i64[i] = x
		}
	case schema.Double:
		x, err := strconv.ParseFloat(raw, 64)
		if whole || err != nil && !math.IsInf(x, 0) {
			return errKind
		}
		out.f64[i] = x
	default:
		return errKind
	}
	return nil
}

// jsonText walks over a document without building it.
type jsonText struct{ s string }

func (d jsonText) space(at int) int {
	for at < len(d.s) && (d.s[at] == ' ' || d.s[at] == '\n' || d.s[at] == '\t' || d.s[at] == '\r') {
		at++
	}
	return at
}

// skip checks the value that begins at a position and is its end.
func (d jsonText) skip(at, depth int) (int, error) {
	if at >= len(d.s) {
		return at, errJSON
	}
	if depth > 1000 {
		return at, errDeep
	}
	switch c := d.s[at]; {
	case c == '"':
		return d.text(at)
	case c == '-' || c >= '0' && c <= '9':
		return d.number(at)
	case c == '{' || c == '[':
		object := c == '{'
		closing := c + 2
		at = d.space(at + 1)
		if at < len(d.s) && d.s[at] == closing {
			return at + 1, nil
		}
		for {
			var err error
			if object {
				if at, err = d.text(at); err != nil {
					return at, err
				}
				at = d.space(at)
				if at >= len(d.s) || d.s[at] != ':' {
					return at, errJSON
				}
				at = d.space(at + 1)
			}
			if at, err = d.skip(at, depth+1); err != nil {
				return at, err
			}
			at = d.space(at)
			if at >= len(d.s) {
				return at, errJSON
			}
			switch d.s[at] {
			case closing:
				return at + 1, nil
			case ',':
				at = d.space(at + 1)
			default:
				return at, errJSON
			}
		}
	}
	for _, word := range [3]string{"true", "false", "null"} {
		if strings.HasPrefix(d.s[at:], word) {
			end := at + len(word)
			if end < len(d.s) && (d.s[end] == '_' || d.s[end] >= utf8.RuneSelf || isAlnum(d.s[end])) {
				return at, errJSON
			}
			return end, nil
		}
	}
	return at, errJSON
}

func isAlnum(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (d jsonText) text(at int) (int, error) {
	if at >= len(d.s) || d.s[at] != '"' {
		return at, errJSON
	}
	for at++; at < len(d.s); at++ {
		switch c := d.s[at]; {
		case c == '"':
			return at + 1, nil
		case c < ' ':
			return at, errJSON
		case c == '\\':
			at++
			if at >= len(d.s) {
				return at, errJSON
			}
			if d.s[at] == 'u' {
				if _, ok := hex4(d.s[at+1:]); !ok {
					return at, errJSON
				}
				at += 4
			} else if strings.IndexByte(`"\/bfnrt`, d.s[at]) < 0 {
				return at, errJSON
			}
		}
	}
	return at, errJSON
}

func (d jsonText) number(at int) (int, error) {
	digits := func() bool {
		start := at
		for at < len(d.s) && d.s[at] >= '0' && d.s[at] <= '9' {
			at++
		}
		return at > start
	}
	if d.s[at] == '-' {
		at++
	}
	start := at
	if !digits() || d.s[start] == '0' && at > start+1 {
		return at, errJSON
	}
	if at < len(d.s) && d.s[at] == '.' {
		at++
		if !digits() {
			return at, errJSON
		}
	}
	if at < len(d.s) && d.s[at]|0x20 == 'e' {
		at++
		if at < len(d.s) && (d.s[at] == '+' || d.s[at] == '-') {
			at++
		}
		if !digits() {
			return at, errJSON
		}
	}
	if at < len(d.s) && (isAlnum(d.s[at]) || d.s[at] == '_') {
		return at, errJSON
	}
	return at, nil
}

// step is where the value of a member begins; of two equal keys the last counts. The document is sound.
func (d jsonText) step(at int, step jsonStep) (int, bool) {
	open := byte('{')
	if step.isIndex {
		open = '['
	}
	if d.s[at] != open {
		return 0, false
	}
	found, ok := 0, false
	index := step.index
	if step.isIndex && index < 0 {
		index += d.length(at)
	}
	at = d.space(at + 1)
	for k := 0; d.s[at] != open+2; k++ {
		if step.isIndex {
			if k == index {
				return at, true
			}
		} else {
			end, _ := d.text(at)
			same := equalKey(d.s[at+1:end-1], step.key)
			at = d.space(d.space(end) + 1)
			if same {
				found, ok = at, true
			}
		}
		at, _ = d.skip(at, 0)
		at = d.space(at)
		if d.s[at] == ',' {
			at = d.space(at + 1)
		}
	}
	return found, ok
}

func (d jsonText) length(at int) int {
	at = d.space(at + 1)
	n := 0
	for ; d.s[at] != ']'; n++ {
		at, _ = d.skip(at, 0)
		if at = d.space(at); d.s[at] == ',' {
			at = d.space(at + 1)
		}
	}
	return n
}

func equalKey(raw, key string) bool {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw == key
	}
	return string(appendUnescaped(nil, raw)) == key
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	x, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(x), err == nil && s[0] != '+' && s[0] != '-'
}

// appendUnescaped is the inside of a sound JSON text. Half a surrogate pair becomes U+FFFD.
func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) && strings.HasPrefix(s[i+1:], `\u`) {
				if low, ok := hex4(s[i+3:]); ok {
					if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
						r = pair
						i += 6
					}
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// appendBigDecimal is a JSON number as Java's BigDecimal prints it: 1e3 is 1E+3, -0.0 is 0.0.
func appendBigDecimal(dst []byte, raw string) []byte {
	neg := raw[0] == '-'
	if neg {
		raw = raw[1:]
	}
	mantissa, exponent := raw, 0
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		mantissa = raw[:i]
		e, err := strconv.Atoi(raw[i+1:])
		if err != nil {
			return append(dst, raw...)
		}
		exponent = e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	scale := len(fraction) - exponent
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		digits, neg = "0", false
	}
	if neg {
		dst = append(dst, '-')
	}
	adjusted := len(digits) - 1 - scale
	if scale >= 0 && adjusted >= -6 {
		if scale == 0 {
			return append(dst, digits...)
		}
		if len(digits) <= scale {
			dst = append(dst, "0."...)
			for range scale - len(digits) {
				dst = append(dst, '0')
			}
			return append(dst, digits...)
		}
		dst = append(dst, digits[:len(digits)-scale]...)
		dst = append(dst, '.')
		return append(dst, digits[len(digits)-scale:]...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	dst = append(dst, 'E')
	if adjusted > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(adjusted), 10)
}
