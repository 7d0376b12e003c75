package avro

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/schema"
)

// node is a parsed schema. Named types that refer to themselves make it a cycle.
type node struct {
	kind    string // record, enum, fixed, array, map, union or a primitive
	name    string // of a named type, with its namespace
	logical string
	// precision and scale of a decimal
	precision, scale int
	size             int // of a fixed
	symbols          []string
	fields           []field
	items            *node // of an array, or the values of a map
	branches         []*node
	// min is the least number of bytes of a value; 0 means that it never takes any.
	min int
}

type field struct {
	name    string
	aliases []string
	typ     *node
	// def is the default as JSON, nil if there is none.
	def json.RawMessage
}

// Fields are the columns that a record schema describes.
func Fields(schemaJSON string) ([]schema.Field, error) {
	root, err := parse(schemaJSON)
	if err != nil {
		return nil, err
	}
	t, err := new(typer).typeOf(root, nil)
	if err != nil {
		return nil, fmt.Errorf("avro schema %s%w", root.name, err)
	}
	return t.Fields, nil
}

// parse reads a schema that must be a record.
func parse(text string) (*node, error) {
	p := parser{named: map[string]*node{}}
	dec := json.NewDecoder(strings.NewReader(text))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("avro schema: not JSON: %w", err)
	}
	if rest := bytes.TrimSpace([]byte(text)[dec.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("avro schema: more text behind the schema at byte %d", dec.InputOffset())
	}
	n, err := p.schema(raw, "", 0)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	if n.kind != "record" {
		return nil, schema.WithHint(fmt.Errorf("avro schema: a row must be a record, this is %s", n.title()),
			"wrap the value in a record with one field")
	}
	return n, nil
}

type parser struct {
	named map[string]*node
}

// maxNesting bounds how deep a schema may nest, so that a hostile one cannot exhaust the stack.
const maxNesting = 200

func (p *parser) schema(raw json.RawMessage, space string, depth int) (*node, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, fmt.Errorf("a type is missing")
	}
	switch raw[0] {
	case '"':
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, err
		}
		return p.reference(name, space)
	case '[':
		var parts []json.RawMessage
		if err := json.Unmarshal(raw, &parts); err != nil {
			return nil, err
		}
		u := &node{kind: "union", min: 1}
		for _, part := range parts {
			b, err := p.schema(part, space, depth+1)
			if err != nil {
				return nil, err
			}
			if b.kind == "union" {
				return nil, fmt.Errorf("a union directly inside a union")
			}
			u.branches = append(u.branches, b)
		}
		if len(u.branches) == 0 {
			return nil, fmt.Errorf("a union without types")
		}
		return u, nil
	case '{':
		return p.complex(raw, space, depth)
	}
	return nil, fmt.Errorf("wanted a type, found %.40s", raw)
}

func (p *parser) reference(name, space string) (*node, error) {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return &node{kind: name, min: leastBytes(name)}, nil
	}
	if n, ok := p.named[fullName(name, space)]; ok {
		return n, nil
	}
	if n, ok := p.named[name]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("type %q is not defined", name)
}

func fullName(name, space string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

func (p *parser) complex(raw json.RawMessage, space string, depth int) (*node, error) {
	var o struct {
		Type        json.RawMessage
		Name        string
		Namespace   *string
		Aliases     []string
		LogicalType json.RawMessage
		Precision   json.RawMessage
		Scale       json.RawMessage
		Size        *int
		Symbols     []string
		Items       json.RawMessage
		Values      json.RawMessage
		Fields      []struct {
			Name    string
			Aliases []string
			Type    json.RawMessage
			Default json.RawMessage
		}
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	var kind string
	if json.Unmarshal(o.Type, &kind) != nil {
		return p.schema(o.Type, space, depth+1) // {"type": {...}}
	}
	n := &node{kind: kind, min: leastBytes(kind)}
	switch kind {
	case "record", "error", "enum", "fixed":
		if o.Namespace != nil && !strings.Contains(o.Name, ".") {
			space = *o.Namespace
		}
		if o.Name == "" {
			return nil, fmt.Errorf("a type %s without a name", kind)
		}
		n.name = fullName(o.Name, space)
		space = ""
		if i := strings.LastIndexByte(n.name, '.'); i >= 0 {
			space = n.name[:i]
		}
		if p.named[n.name] != nil {
			return nil, fmt.Errorf("type %s is defined twice", n.name)
		}
		p.named[n.name] = n
	}
	var err error
	switch kind {
	case "record", "error":
		n.kind = "record"
		names := map[string]bool{}
		for _, f := range o.Fields {
			if names[f.Name] {
				return nil, fmt.Errorf("%s: field %s is there twice", n.name, f.Name)
			}
			names[f.Name] = true
			typ, err := p.schema(f.Type, space, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", n.name, f.Name, err)
			}
			n.fields = append(n.fields, field{f.Name, f.Aliases, typ, f.Default})
		}
		n.min = 0
		for _, f := range n.fields {
			n.min = min(n.min+f.typ.min, 1<<20)
		}
	case "enum":
		if len(o.Symbols) == 0 {
			return nil, fmt.Errorf("enum %s has no symbols", n.name)
		}
		n.symbols = o.Symbols
	case "fixed":
		if o.Size == nil || *o.Size < 0 || *o.Size > 1<<20 {
			return nil, fmt.Errorf("fixed %s needs a size from 0 to 1048576", n.name)
		}
		n.size, n.min = *o.Size, *o.Size
	case "array":
		if n.items, err = p.schema(o.Items, space, depth+1); err != nil {
			return nil, fmt.Errorf("items: %w", err)
		}
	case "map":
		if n.items, err = p.schema(o.Values, space, depth+1); err != nil {
			return nil, fmt.Errorf("values: %w", err)
		}
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
	default:
		return p.reference(kind, space)
	}
	_ = json.Unmarshal(o.LogicalType, &n.logical)
	_ = json.Unmarshal(o.Precision, &n.precision)
	_ = json.Unmarshal(o.Scale, &n.scale)
	if !n.logicalFits() {
		n.logical = ""
	}
	return n, nil
}

// logicalFits says whether the annotation is one that the type can have. Any other is ignored, as the
// specification wants it.
func (n *node) logicalFits() bool {
	switch n.logical {
	case "date", "time-millis":
		return n.kind == "int"
	case "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
		"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
		return n.kind == "long"
	case "decimal":
		return (n.kind == "bytes" || n.kind == "fixed") && n.precision > 0 && n.scale >= 0 && n.scale <= n.precision
	case "uuid":
		return n.kind == "string" || n.kind == "fixed" && n.size == 16
	}
	return false
}

func leastBytes(kind string) int {
	switch kind {
	case "null":
		return 0
	case "float":
		return 4
	case "double":
		return 8
	}
	return 1
}

// title names a type in a message.
func (n *node) title() string {
	switch {
	case n.kind == "union":
		parts := make([]string, len(n.branches))
		for i, b := range n.branches {
			parts[i] = b.title()
		}
		return "union of " + strings.Join(parts, ", ")
	case n.logical != "":
		return n.kind + " (" + n.logical + ")"
	case n.name != "":
		return n.kind + " " + n.name
	case n.items != nil:
		return n.kind + " of " + n.items.title()
	}
	return n.kind
}

// nullable takes a union of null and one type apart: the type, and which branch null is (-1: none).
func (n *node) nullable() (value *node, null int, ok bool) {
	if n.kind != "union" {
		return n, -1, true
	}
	null = slices.IndexFunc(n.branches, func(b *node) bool { return b.kind == "null" })
	switch {
	case len(n.branches) == 1:
		return n.branches[0], -1, true
	case len(n.branches) == 2 && null >= 0:
		return n.branches[1-null], null, true
	}
	return nil, 0, false
}

// typer counts the columns it makes: a short schema can name a type that doubles at each of many levels.
type typer struct{ columns int }

const maxColumns = 20_000

// typeOf is the type of a column; an error begins with the path to the part at fault.
func (y *typer) typeOf(n *node, open []*node) (schema.Type, error) {
	if y.columns++; y.columns > maxColumns {
		return schema.Type{}, fmt.Errorf(": more than %d columns", maxColumns)
	}
	value, _, ok := n.nullable()
	if !ok {
		return schema.Type{}, schema.WithHint(fmt.Errorf(": a %s has no type as a column", n.title()),
			"only null with one other type can be read; leave the field out, or split it into one field a type")
	}
	n = value
	simple := func(k schema.Kind) (schema.Type, error) { return schema.Type{Kind: k}, nil }
	switch n.kind {
	case "null":
		return simple(schema.Null)
	case "boolean":
		return simple(schema.Boolean)
	case "int":
		switch n.logical {
		case "date":
			return simple(schema.Date)
		case "time-millis":
			return simple(schema.BigInt)
		}
		return simple(schema.Int)
	case "long":
		switch n.logical {
		case "timestamp-millis", "local-timestamp-millis":
			return schema.Type{Kind: schema.Timestamp, Precision: 3}, nil
		case "timestamp-micros", "local-timestamp-micros", "timestamp-nanos", "local-timestamp-nanos":
			return schema.Type{Kind: schema.Timestamp, Precision: 6}, nil
		}
		return simple(schema.BigInt)
	case "float":
		return simple(schema.Float)
	case "double":
		return simple(schema.Double)
	case "string", "enum":
		return simple(schema.String)
	case "bytes", "fixed":
		switch {
		case n.logical == "decimal":
			if n.precision > 38 {
				return schema.Type{}, fmt.Errorf(": a decimal of %d digits; 38 is the most", n.precision)
			}
			return schema.Type{Kind: schema.Decimal, Precision: n.precision, Scale: n.scale}, nil
		case n.logical == "uuid":
			return simple(schema.String)
		}
		return simple(schema.Bytes)
	case "array", "map":
		elem, err := y.typeOf(n.items, open)
		if err != nil {
			return schema.Type{}, fmt.Errorf("[]%w", err)
		}
		if n.kind == "array" {
			return schema.Type{Kind: schema.Array, Elem: &elem}, nil
		}
		return schema.Type{Kind: schema.Map, Key: &schema.Type{Kind: schema.String}, Elem: &elem}, nil
	}
	if slices.Contains(open, n) {
		return schema.Type{}, schema.WithHint(fmt.Errorf(": %s contains itself, which no column can", n.title()),
			"leave the field out of the reader's schema")
	}
	row := schema.Type{Kind: schema.Row}
	for _, f := range n.fields {
		t, err := y.typeOf(f.typ, append(open, n))
		if err != nil {
			return schema.Type{}, fmt.Errorf(".%s%w", f.name, err)
		}
		row.Fields = append(row.Fields, schema.Field{Name: f.name, Type: t})
	}
	return row, nil
}
