package sql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// column resolves a.b.c: an alias, a column and fields, or a column and fields.
func (b *binder) column(e columnRef) *expr.Node {
	parts := e.Parts
	sources := b.named()
	if len(parts) > 1 && !b.bare {
		for _, s := range sources {
			if s.ref.Alias != parts[0] {
				continue
			}
			if s.absent {
				return nil
			}
			if i := fieldIndex(s.rel.Fields, parts[1]); i >= 0 {
				return b.fields(e.Pos, b.columnOf(s, i), parts[2:])
			}
			if owner := b.owners(parts[0]); len(owner) == 0 {
				message, hint := missing(fmt.Sprintf("%s has no column %s", s.ref.Alias, parts[1]), parts[1], fieldNames(s.rel.Fields))
				b.problem(e.Pos, message, hint)
				return nil
			}
		}
	}
	owners := b.owners(parts[0])
	switch {
	case len(owners) == 1:
		s := owners[0]
		return b.fields(e.Pos, b.columnOf(s, fieldIndex(s.rel.Fields, parts[0])), parts[1:])
	case len(owners) > 1:
		var forms []string
		for _, s := range owners {
			forms = append(forms, s.ref.Alias+"."+parts[0])
		}
		b.problem(e.Pos, fmt.Sprintf("column %s is ambiguous", parts[0]), "write "+strings.Join(forms, " or "))
		return nil
	}
	for _, s := range sources {
		if s.absent {
			return nil // it may be one of the columns that nobody knows
		}
	}
	b.unknown(e, sources)
	return nil
}

func (b *binder) unknown(e columnRef, sources []*source) {
	var aliases, columns []string
	for _, s := range sources {
		aliases = append(aliases, s.ref.Alias)
		columns = append(columns, fieldNames(s.rel.Fields)...)
	}
	first := e.Parts[0]
	if len(e.Parts) > 1 {
		for _, s := range b.sources[b.visible:] {
			if s.ref.Alias == first && !s.hidden && !s.inner {
				b.problem(e.Pos, first+" is joined only later", "an ON may use what stands before it; move the condition or the join")
				return
			}
		}
		for _, s := range sources {
			if s.ref.Name == first && s.ref.Alias != first {
				b.problem(e.Pos, fmt.Sprintf("%s has the alias %s here", first, s.ref.Alias), fmt.Sprintf("write %s.%s", s.ref.Alias, strings.Join(e.Parts[1:], ".")))
				return
			}
		}
		if !b.bare {
			message, hint := missing(fmt.Sprintf("neither a stream nor a table is called %s here", first), first, aliases)
			b.problem(e.Pos, message, hint)
			return
		}
	}
	if b.later[first] {
		b.problem(e.Pos, fmt.Sprintf("%s is a name of the select list, which %s does not see", first, b.clause), "write the expression itself, or use the `where:` of an output")
		return
	}
	message, hint := missing(fmt.Sprintf("no column %s", first), first, columns)
	b.problem(e.Pos, message, hint)
}

// missing completes a message about a name that is not among names: with the nearest, or with all if they are few.
func missing(message, name string, names []string) (string, string) {
	near := nearest(name, names)
	if near != "" && strings.EqualFold(near, name) {
		return message, "names are case-sensitive: write " + near
	}
	if near != "" {
		return message, "did you mean " + near + "?"
	}
	switch {
	case len(names) == 0:
		return message, ""
	case len(names) > 12:
		return message, fmt.Sprintf("there are %s, and %d more", strings.Join(names[:12], ", "), len(names)-12)
	}
	if len(names) == 1 {
		return message, "there is " + names[0]
	}
	return message, "there are " + joinNames(names)
}

// named are the sources that an expression may name now.
func (b *binder) named() []*source {
	var out []*source
	for _, s := range b.sources[:b.visible] {
		if !s.hidden {
			out = append(out, s)
		}
	}
	return out
}

func (b *binder) owners(column string) []*source {
	var out []*source
	for _, s := range b.named() {
		if fieldIndex(s.rel.Fields, column) >= 0 {
			out = append(out, s)
		}
	}
	return out
}

func (b *binder) columnOf(s *source, i int) *expr.Node {
	name, t := s.rel.Fields[i].Name, s.rel.Fields[i].Type
	if !b.bare && s.ref.Alias != "" {
		name = s.ref.Alias + "." + name
	}
	t.Epoch = "" // how it was read does not concern what is made of it
	return expr.Column(s.base+i, name, t)
}

func (b *binder) fields(at Pos, n *expr.Node, names []string) *expr.Node {
	for _, name := range names {
		if n = b.field(at, n, name); n == nil {
			return nil
		}
	}
	return n
}

func (b *binder) field(at Pos, n *expr.Node, name string) *expr.Node {
	if n.Type.Kind != schema.Row {
		b.problem(at, fmt.Sprintf("%s cannot have a field %s: it is %s", shown(n), name, n.Type), "only a ROW has fields")
		return nil
	}
	if fieldIndex(n.Type.Fields, name) < 0 {
		message, hint := missing(fmt.Sprintf("%s has no field %s", shown(n), name), name, fieldNames(n.Type.Fields))
		b.problem(at, message, hint)
		return nil
	}
	return b.made(at)(expr.FieldOf(n, name))
}

func shown(n *expr.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return "the value"
}

func fieldIndex(fields []schema.Field, name string) int {
	return slices.IndexFunc(fields, func(f schema.Field) bool { return f.Name == name })
}

func fieldNames(fields []schema.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}
