package pipeline

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

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
	if _, null := n.(*ast.NullNode); null {
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

func (d *decoder) section(n ast.Node, f *field, v *value) {
	if b, ok := n.(*ast.BoolNode); ok && f.orTrue {
		v.broken = !b.Value
		return
	}
	entries, ok := d.entries(n, 0)
	if !ok {
		v.broken = true
		d.problem(v.val, fmt.Sprintf("%s is a section, not %s", title(f, v.name), described(n)), "write its fields below it: "+sample(f))
		return
	}
	seen := map[string]position{}
	var misspelt []*value // stand for the fields that were meant, so that those are not missing
	for _, e := range entries {
		if first, twice := seen[e.name]; twice {
			d.problem(e.at, fmt.Sprintf("%s is there twice, first at line %d", clip(e.name), first.line), "delete one of them")
			continue
		}
		seen[e.name] = e.at
		child := lookup(f.fields, e.name)
		if child == nil {
			if meant := d.unknown(e, f, v.name); meant != "" {
				misspelt = append(misspelt, &value{name: meant, at: e.at, val: e.at, broken: true})
			}
			continue
		}
		cv := d.value(e.node, child, e.name, e.at)
		v.items = append(v.items, cv)
	}
	for _, m := range misspelt {
		if _, ok := seen[m.name]; !ok {
			seen[m.name] = m.at
			v.items = append(v.items, m)
		}
	}
	for i := range f.fields {
		c := &f.fields[i]
		if _, ok := seen[c.name]; c.required && !ok {
			where := title(f, v.name)
			d.problem(v.at, fmt.Sprintf("%s has no %s", where, c.name), "write "+sample(c))
		}
	}
}

func lookup(fields []field, name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// synonyms are what other systems call a field of ours.
var synonyms = map[string]string{
	"name": "pipeline", "sql": "query", "select": "query", "sinks": "outputs", "sink": "outputs", "sources": "streams", "inputs": "streams", "lookups": "tables",
	"watermark": "disorder", "allowed_lateness": "disorder", "lateness": "disorder", "event_time": "time", "timestamp_column": "time",
	"bootstrap_servers": "brokers", "servers": "brokers", "path": "lake", "location": "lake", "parquet": "lake", "s3": "lake",
	"primary_key": "key", "dedupe": "id", "dedup": "id", "fields": "columns", "username": "user", "group_id": "group", "filter": "where", "condition": "where",
	"schema_registry": "registry", "tolerance": "columns", "ignore_columns": "columns", "source": "lake", "idle_timeout": "idle",
}

// unknown reports a field that is not declared and returns the one that was probably meant, or "".
func (d *decoder) unknown(e entry, f *field, name string) (meant string) {
	names := make([]string, len(f.fields))
	for i, c := range f.fields {
		names[i] = c.name
	}
	hint := "the fields here are " + strings.Join(names, ", ")
	if near := nearest(e.name, names); near != "" {
		hint, meant = "write "+near, near
	} else if s := synonyms[strings.ToLower(e.name)]; s != "" && lookup(f.fields, s) != nil {
		hint, meant = "write "+sample(lookup(f.fields, s)), s
	} else if home := homes(&root, e.name, ""); len(home) > 0 {
		hint = e.name + " belongs in " + strings.Join(home, " or ") + "; " + hint
	}
	where := " in " + title(f, name)
	if name == "" {
		where = ""
	}
	d.problem(e.at, fmt.Sprintf("unknown field %s%s", clip(e.name), where), hint)
	return meant
}

// homes are the sections that have a field of this name.
func homes(f *field, name, path string) []string {
	var out []string
	for i := range f.fields {
		c := &f.fields[i]
		if c.name == name {
			if path == "" {
				return []string{"the top of the file"}
			}
			out = append(out, path)
		}
		sub := c.name
		if c.kind == kindNamed {
			sub = "a " + c.noun
			if strings.ContainsRune("aeiou", rune(c.noun[0])) {
				sub = "an " + c.noun
			}
		}
		if path != "" {
			sub = path + "'s " + c.name
		}
		out = append(out, homes(c, name, sub)...)
	}
	return out
}

func (d *decoder) named(n ast.Node, f *field, v *value) {
	entries, ok := d.entries(n, 0)
	if !ok {
		v.broken = true
		d.problem(v.val, fmt.Sprintf("%s has named entries, not %s", v.name, described(n)), "write "+sample(f))
		return
	}
	if len(entries) == 0 {
		v.broken = true
		d.problem(v.val, v.name+" is empty", "write "+sample(f))
		return
	}
	seen := map[string]position{}
	for _, e := range entries {
		if first, twice := seen[e.name]; twice {
			d.problem(e.at, fmt.Sprintf("%s %s is there twice, first at line %d", f.noun, clip(e.name), first.line), "give each "+f.noun+" a name of its own")
			continue
		}
		seen[e.name] = e.at
		switch {
		case f.key == kindName && !isName(e.name):
			d.problem(e.at, fmt.Sprintf("%q is no name for a %s", clip(e.name), f.noun), "write letters, digits and _, as the query does: "+strings.Trim(asName(e.name), "_"))
		case f.key == kindLabel && !isLabel(e.name):
			d.problem(e.at, fmt.Sprintf("%q is no name for an %s", clip(e.name), f.noun), "write letters, digits, _ and -, a letter or digit first")
		case e.name == "":
			d.problem(e.at, "a "+f.noun+" has no name", "write "+sample(f))
		}
		item := &field{kind: f.item, noun: f.noun, fields: f.fields, example: e.name + ": " + itemSample(f)}
		cv := d.value(e.node, item, e.name, e.at)
		v.items = append(v.items, cv)
	}
}

func itemSample(f *field) string {
	if f.item == kindType {
		return "string"
	}
	var parts []string
	for _, c := range f.fields {
		if c.required {
			parts = append(parts, sample(&c))
		}
	}
	if len(parts) == 0 && len(f.fields) > 0 {
		parts = []string{sample(&f.fields[0])}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// asName turns other characters into _.
func asName(s string) string {
	return strings.Map(func(r rune) rune {
		if isName("x" + string(r)) {
			return r
		}
		return '_'
	}, clip(s))
}

func (d *decoder) list(n ast.Node, f *field, v *value) {
	item := &field{name: f.name, kind: f.item, example: f.example}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if _, mapping := d.entries(n, 0); mapping {
			v.broken = true
			d.problem(v.val, fmt.Sprintf("%s is a list, not %s", v.name, described(n)), "write "+sample(f))
			return
		}
		v.items = []*value{d.value(n, item, v.name, v.val)}
		return
	}
	if len(seq.Values) == 0 {
		v.broken = true
		d.problem(v.val, v.name+" is an empty list", "write "+sample(f)+", or leave it out")
		return
	}
	seen := map[string]bool{}
	for _, s := range seq.Values {
		it := d.value(s, item, v.name, d.nodeAt(s))
		if seen[it.text.text] && !it.broken {
			d.problem(it.at, fmt.Sprintf("%s names %s twice", v.name, clip(it.text.text)), "delete one of them")
			continue
		}
		seen[it.text.text] = true
		v.items = append(v.items, it)
	}
}

// described is what a node is, for problems.
func described(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.StringNode:
		return strconv.Quote(clip(n.Value))
	case *ast.LiteralNode:
		return "text"
	}
	return "this"
}

// scalar takes a value written as text, a number or a boolean, expands variables and checks it by kind.
func (d *decoder) scalar(n, written ast.Node, f *field, v *value) {
	tok := n.GetToken()
	raw := tok.Value
	switch x := n.(type) {
	case *ast.StringNode:
		raw = x.Value
	case *ast.LiteralNode:
		raw = x.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
	case *ast.BoolNode:
		_, tagged := written.(*ast.TagNode)
		if f.kind != kindBoolean && !tagged {
			v.broken = true
			d.problem(v.val, fmt.Sprintf("%s is %s, not %s", v.name, kindWords(f), described(n)), "write "+sample(f)+`; text that looks like true or false needs quotes`)
			return
		}
	default:
		v.broken = true
		d.problem(v.val, fmt.Sprintf("%s is %s, not %s", v.name, kindWords(f), described(n)), "write "+sample(f))
		return
	}
	if f.kind == kindSecret && !isVariable(raw) {
		v.broken = true
		d.problem(v.val, v.name+" is written out in the file", "write "+sample(f)+" and set that variable, or password_file: FILE")
		return
	}
	before := len(d.problems)
	v.text = d.source.locate(tok, raw)
	if tok.Type == token.LiteralType || tok.Type == token.FoldedType {
		v.text.text = raw
	}
	v.text = expand(v.text, d.env, d.problem)
	if len(d.problems) > before {
		v.broken = true
		return
	}
	if hint, message := d.check(f, v, n); message != "" {
		v.broken = true
		at := v.text.start
		if tok.Type == token.SingleQuoteType || tok.Type == token.DoubleQuoteType {
			at = tokenPosition(tok)
		}
		d.problem(at, message, hint)
	}
}

func isVariable(s string) bool {
	inner, ok := strings.CutPrefix(s, "${")
	inner, closed := strings.CutSuffix(inner, "}")
	return ok && closed && isName(inner)
}

func kindWords(f *field) string {
	switch f.kind {
	case kindChoice:
		return "one of " + strings.Join(f.choices, ", ")
	case kindText, kindPath, kindLabel, kindName, kindURL, kindSecret:
		return "text"
	case kindBoolean:
		return "true or false"
	case kindInteger:
		return "a whole number"
	case kindQuery:
		return "a query"
	case kindExpression:
		return "an expression"
	}
	return "a " + string(f.kind)
}

// check reads a scalar's text as its kind; a message says what is wrong with it.
func (d *decoder) check(f *field, v *value, n ast.Node) (hint, message string) {
	s := v.text.text
	trimmed := strings.TrimSpace(s)
	if trimmed == "" && f.name != "null_as" {
		return "write " + sample(f) + ", or leave the line out", v.name + " is empty"
	}
	switch f.kind {
	case kindLabel:
		if !isLabel(s) {
			return "write letters, digits, _ and -, a letter or digit first, at most 200", fmt.Sprintf("%s: %q is no name", v.name, clip(s))
		}
	case kindPath:
		if scheme, _, ok := strings.Cut(s, "://"); ok && scheme != "s3" && scheme != "file" {
			return "write a path, file:// or s3:// (for another S3-compatible server set AWS_ENDPOINT_URL)", fmt.Sprintf("%s: %s:// cannot be read", v.name, clip(scheme))
		}
		if rest, ok := strings.CutPrefix(s, "s3://"); ok && (rest == "" || rest[0] == '/') {
			return "write s3://bucket/path", fmt.Sprintf("%s: %s has no bucket", v.name, clip(s))
		}
		if strings.ContainsRune(s, 0) {
			return "write " + sample(f), fmt.Sprintf("%s: a path holds no NUL", v.name)
		}
	case kindURL:
		rest, ok := strings.CutPrefix(s, "http://")
		if !ok {
			rest, ok = strings.CutPrefix(s, "https://")
		}
		if !ok || rest == "" {
			return "write " + sample(f), fmt.Sprintf("%s: %q is no http address", v.name, clip(s))
		}
		if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
			return "write user and password: ${VAR} beside it", v.name + " has a user in it"
		}
	case kindChoice:
		for _, c := range f.choices {
			if c == s {
				return "", ""
			}
		}
		hint := "write " + strings.Join(f.choices, ", ")
		if near := nearest(s, f.choices); near != "" {
			hint = "write " + f.name + ": " + near
		}
		return hint, fmt.Sprintf("%s: %q is not one of %s", v.name, clip(s), strings.Join(f.choices, ", "))
	case kindBoolean:
		v.flag = trimmed == "true"
		if !v.flag && trimmed != "false" {
			return "write " + f.name + ": true, or leave it out", fmt.Sprintf("%s is true or false, not %s", v.name, described(n))
		}
	case kindNumber, kindInteger:
		x, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || math.IsNaN(x) || (f.kind == kindInteger && x != math.Trunc(x)) {
			return "write " + sample(f), fmt.Sprintf("%s is %s, not %q", v.name, kindWords(&field{kind: f.kind}), clip(s))
		}
		if f.bounded && (x < f.least || x > f.most) {
			return "write " + sample(f), fmt.Sprintf("%s: %s is not between %s and %s", v.name, trimmed, plainNumber(f.least), plainNumber(f.most))
		}
		v.number = x
	case kindDuration:
		for _, word := range f.choices {
			if s == word {
				return "", ""
			}
		}
		dur, err := parseDuration(trimmed)
		if err != nil {
			hint := schema.Hint(err)
			if len(f.choices) > 0 {
				hint += ", or " + strings.Join(f.choices, " or ")
			}
			return hint, fmt.Sprintf("%s: %v", v.name, err)
		}
		if sec := dur.Seconds(); f.bounded && (sec < f.least || sec > f.most) {
			hint := "write " + sample(f)
			if len(f.choices) > 0 {
				hint += ", or " + strings.Join(f.choices, " or ")
			}
			return hint, fmt.Sprintf("%s: %s is not between %s and 36500d", v.name, trimmed, formatDuration(time.Duration(f.least*1e9)))
		}
		v.duration = dur
	case kindType:
		t, err := schema.ParseType(s)
		if err != nil {
			return schema.Hint(err), fmt.Sprintf("%s: %v", v.name, err)
		}
		v.typ = t
	}
	return "", ""
}

func plainNumber(x float64) string {
	return strconv.FormatFloat(x, 'g', -1, 64)
}
