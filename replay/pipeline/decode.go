package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/lockstep-data/lockstep/schema"
)

// value is a piece of the file that was checked against its field.
type value struct {
	name  string
	field *field
	// at is where the field's name stands, val its value.
	at, val position
	text    located
	// duration, number, flag and typ hold the value of a field of that kind.
	duration time.Duration
	number   float64
	flag     bool
	typ      schema.Type
	// items are a list's texts, the fields of a section or the named entries, in the file's order.
	items []*value
	// broken says that a problem was reported and the value is not to be used.
	broken bool
}

// get is the field of a section, nil when it is not written or broken.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for _, it := range v.items {
		if it.name == name && !it.broken {
			return it
		}
	}
	return nil
}

// has reports whether the field is written, broken or not.
func (v *value) has(name string) bool {
	if v != nil {
		for _, it := range v.items {
			if it.name == name {
				return true
			}
		}
	}
	return false
}

// maxNodes bounds what aliases can expand to.
const maxNodes = 100_000

type decoder struct {
	file     string
	source   source
	env      map[string]string
	problems []Problem
	anchors  map[string]ast.Node
	nodes    int
	tooLarge bool
}

func (d *decoder) problem(at position, message, hint string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: at.line, Column: at.col, Message: message, Hint: hint})
}

func (d *decoder) warn(at position, message, hint string) {
	d.problem(at, message, hint)
	d.problems[len(d.problems)-1].Warning = true
}

// decode parses the text and checks it against the declaration. The result is nil where there is nothing to
// go on with.
func (d *decoder) decode(text string) (v *value) { return d.decodeWith(text, &root) }

func (d *decoder) decodeWith(text string, f *field) (v *value) {
	defer func() {
		if r := recover(); r != nil { // the YAML parser has panicked on broken files before
			d.problem(position{1, 1}, fmt.Sprintf("this is no YAML: %v", r), "see https://yaml.org, or compare with `lockstep help pipeline`")
			v = nil
		}
	}()
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff")
	d.source = newSource(text)
	d.anchors = map[string]ast.Node{}
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := position{1, 1}, err.Error()
		var located yaml.Error
		if errors.As(err, &located) {
			at, message = tokenPosition(located.GetToken()), located.GetMessage()
		}
		d.problem(at, "this is no YAML: "+message, syntaxHint(message))
		return nil
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, comment := doc.Body.(*ast.CommentGroupNode); !comment {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		d.problem(position{1, 1}, "the file is empty", "begin with: pipeline: NAME; `lockstep help pipeline` shows a whole file")
		return nil
	}
	if len(bodies) > 1 {
		d.problem(d.nodeAt(bodies[1]), "a second document in one file", "write each pipeline into a file of its own")
	}
	return d.value(bodies[0], f, "", d.nodeAt(bodies[0]))
}

func syntaxHint(message string) string {
	switch {
	case strings.Contains(message, "cannot start any token") || strings.Contains(message, "tab"):
		return "indent with spaces; text that begins with a special character needs quotes"
	case strings.Contains(message, "end token"):
		return "close what was opened: [ with ], { with }, a quote with a quote"
	}
	return "check the indentation and the quotes of this line and the one before it"
}

// nodeAt is where a node starts: a mapping at its first key.
func (d *decoder) nodeAt(n ast.Node) position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return d.nodeAt(n.Values[0])
		}
	case *ast.MappingValueNode:
		if n.Key != nil {
			return tokenPosition(n.Key.GetToken())
		}
	}
	return tokenPosition(n.GetToken())
}

// plain follows anchors, aliases and tags to the node that is meant.
func (d *decoder) plain(n ast.Node) ast.Node {
	for range 100 {
		switch x := n.(type) {
		case *ast.AnchorNode:
			d.anchors[x.Name.GetToken().Value] = x.Value
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				d.problem(d.nodeAt(n), "*"+name+" has no anchor before it", "write &"+name+" before the value that it stands for")
				return nil
			}
			n = target
		default:
			return n
		}
	}
	return nil
}

type entry struct {
	name string
	at   position
	node ast.Node
}

// entries are the pairs of a mapping with merges (<<) resolved, in order; nil, false when n is none.
func (d *decoder) entries(n ast.Node, depth int) ([]entry, bool) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	var out []entry
	var merged []entry
	for _, pair := range pairs {
		if d.tooMany(pair) {
			return nil, true
		}
		if pair.Key.IsMergeKey() {
			from := []ast.Node{d.plain(pair.Value)}
			if seq, ok := from[0].(*ast.SequenceNode); ok {
				from = nil
				for _, v := range seq.Values {
					from = append(from, d.plain(v))
				}
			}
			for _, f := range from {
				if more, ok := d.entries(f, depth+1); ok && depth < 20 {
					merged = append(merged, more...)
				} else if f != nil {
					d.problem(d.nodeAt(pair), "<< takes the fields of another section", "write <<: *name, where &name marks a section")
				}
			}
			continue
		}
		out = append(out, entry{keyText(pair.Key), tokenPosition(pair.Key.GetToken()), pair.Value})
	}
	have := map[string]bool{}
	for _, e := range out {
		have[e.name] = true
	}
	for _, e := range merged {
		if !have[e.name] {
			have[e.name] = true
			out = append(out, e)
		}
	}
	return out, true
}

func keyText(k ast.MapKeyNode) string {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value
	case *ast.MappingKeyNode:
		if s, ok := k.Value.(*ast.StringNode); ok {
			return s.Value
		}
	}
	return k.GetToken().Value
}

func (d *decoder) tooMany(n ast.Node) bool {
	if d.nodes++; d.nodes > maxNodes && !d.tooLarge {
		d.tooLarge = true
		d.problem(d.nodeAt(n), "the file has more than 100,000 values", "aliases multiply what they stand for; write fewer")
	}
	return d.tooLarge
}

// saysNull reports whether YAML's null is the word null, for a field that has this choice.
func saysNull(n ast.Node, f *field) bool {
	return f.kind == kindChoice && n.GetToken().Value == "null" && slices.Contains(f.choices, "null")
}

// value checks one value against its field.
func (d *decoder) value(n ast.Node, f *field, name string, at position) *value {
	v := &value{name: name, field: f, at: at, val: d.nodeAt(n)}
	if d.tooMany(n) {
		v.broken = true
		return v
	}
	written := n
	if n = d.plain(n); n == nil {
		v.broken = true
		return v
	}
	if _, null := n.(*ast.NullNode); null && !saysNull(n, f) {
		v.broken = true
		d.problem(v.at, title(f, name)+" has no value", "write "+sample(f)+", or leave the line out")
		return v
	}
	switch f.kind {
	case kindSection:
		d.section(n, f, v)
	case kindNamed:
		d.named(n, f, v)
	case kindList:
		d.list(n, f, v)
	default:
		d.scalar(n, written, f, v)
	}
	return v
}

// title is what a problem calls a field: its name, or its entry's.
func title(f *field, name string) string {
	if name == "" {
		return "the file"
	}
	if f.noun != "" && f.name == "" {
		return f.noun + " " + name
	}
	return name
}

// sample is the first line of a field's example.
func sample(f *field) string {
	line, rest, _ := strings.Cut(f.example, "\n")
	if rest != "" {
		return line + " ..."
	}
	return line
}
