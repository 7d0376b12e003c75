package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

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
