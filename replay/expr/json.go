package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

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
	whole := !strings.ContainsAny(raw, ".eE")
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
