package sql

import (
	"fmt"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// TraceOptions say what a traced query knows of its streams.
type TraceOptions struct {
	// Partition and Offset are the columns of every stream that hold a row's place; the catalog has them.
	Partition, Offset string
	// IDs are the columns that identify an event, by stream.
	IDs map[string][]string
}

// The columns that Trace adds, by the number of the source in its SELECT. Those of a stream say which row of it
// went into a row of the result (NULL where a LEFT JOIN found none), those of a table which of its rows.
const (
	TraceStream    = "_in%d_stream"
	TracePartition = "_in%d_partition"
	TraceOffset    = "_in%d_offset"
	TraceTime      = "_in%d_time"
	TraceID        = "_in%d_id"
	TraceTable     = "_look%d_table"
	TraceKey       = "_look%d_key"
	TraceFound     = "_look%d_found"
	TraceVersion   = "_look%d_version"
)

// Traced is a query that says where its rows came from.
type Traced struct {
	Text string
	// Streams and Tables are how many a SELECT names at most; a branch of UNION ALL that names fewer has NULLs.
	Streams, Tables int
	// Columns are those of the result that are plain columns of a source; none for a UNION ALL.
	Columns map[string]TracedColumn
}

// TracedColumn is a column of a source: the stream or table of that number.
type TracedColumn struct {
	Table  bool
	Number int
	Source string
	Column string
}

// Trace writes a query that gives the same rows and, behind their own columns, says of each where it came from.
// Nil when the problems are more than warnings.
func Trace(text string, cat Catalog, opts TraceOptions) (*Traced, []Problem) {
	q, _, problems := parse(text)
	if broken(problems) {
		return nil, problems
	}
	streams, tables := 0, 0
	for _, s := range q.Selects {
		n, m := 0, 0
		for _, t := range s.sources() {
			if _, ok := cat.Streams[t.Name]; ok {
				n++
			} else {
				m++
			}
		}
		streams, tables = max(streams, n), max(tables, m)
	}
	text8 := schema.Type{Kind: schema.String}
	as := func(x expression, t schema.Type) expression { return castExpr{X: x, To: t} }
	out := &Traced{Columns: map[string]TracedColumn{}}
	for _, s := range q.Selects {
		s.spellOut(cat, opts)
		if len(q.Selects) == 1 {
			s.plainColumns(cat, out.Columns)
		}
		n, m := 0, 0
		add := func(name string, number int, x expression, t schema.Type) {
			if x == nil {
				x = nullLit{}
			}
			s.Items = append(s.Items, item{Pos: s.Pos, X: as(x, t), Alias: fmt.Sprintf(name, number)})
		}
		micros := schema.Type{Kind: schema.Timestamp, Precision: 6}
		place := func(name, partition, offset, time, id expression) {
			add(TraceStream, n, name, text8)
			add(TracePartition, n, partition, schema.Type{Kind: schema.Int})
			add(TraceOffset, n, offset, schema.Type{Kind: schema.BigInt})
			add(TraceTime, n, time, micros)
			add(TraceID, n, id, text8)
			n++
		}
		look := func(name, key, found, version expression) {
			add(TraceTable, m, name, text8)
			add(TraceKey, m, key, text8)
			add(TraceFound, m, found, schema.Type{Kind: schema.Boolean})
			add(TraceVersion, m, version, text8)
			m++
		}
		for _, t := range s.sources() {
			of := func(column string) expression { return columnRef{Parts: []string{t.Alias, column}} }
			if rel, ok := cat.Streams[t.Name]; ok {
				place(textLit{Value: t.Name}, of(opts.Partition), of(opts.Offset), of(rel.Time), joinedText(of, opts.IDs[t.Name]))
				continue
			}
			rel := cat.Tables[t.Name]
			var version expression
			if rel.Versions != "" {
				version = of(rel.Versions)
			}
			asked := func(column string) expression {
				if x := s.askedFor(t, column); x != nil {
					return x
				}
				return of(column)
			}
			look(textLit{Value: t.Name}, joinedText(asked, rel.Key), isTest{What: "IS NOT NULL", X: of(rel.Key[0])}, version)
		}
		for n < streams {
			place(nil, nil, nil, nil, nil)
		}
		for m < tables {
			look(nil, nil, nil, nil)
		}
	}
	w := &printer{}
	w.query(q)
	out.Text, out.Streams, out.Tables = w.b.String(), streams, tables
	return out, problems
}

// plainColumns finds the items that are a column of a source and nothing else.
func (s *selectStmt) plainColumns(cat Catalog, out map[string]TracedColumn) {
	for _, it := range s.Items {
		ref, ok := it.X.(columnRef)
		if !ok || len(ref.Parts) > 2 {
			continue
		}
		column := ref.Parts[len(ref.Parts)-1]
		name := it.Alias
		if name == "" {
			name = column
		}
		streams, tables := 0, 0
		var found []TracedColumn
		for _, t := range s.sources() {
			rel, stream := cat.Streams[t.Name]
			c := TracedColumn{Number: streams, Source: t.Name, Column: column}
			if !stream {
				rel = cat.Tables[t.Name]
				c.Table, c.Number = true, tables
				tables++
			} else {
				streams++
			}
			if (len(ref.Parts) == 1 || ref.Parts[0] == t.Alias) && fieldIndex(rel.Fields, column) >= 0 {
				found = append(found, c)
			}
		}
		if len(found) == 1 {
			out[name] = found[0]
		}
	}
}

func (s *selectStmt) sources() []*tableRef {
	out := []*tableRef{s.From}
	for _, j := range s.Joins {
		out = append(out, j.Table)
	}
	return out
}

// askedFor is what a key column of a table is looked up by: x of ON t.column = x.
func (s *selectStmt) askedFor(t *tableRef, column string) expression {
	is := func(x expression) bool {
		ref, ok := x.(columnRef)
		return ok && len(ref.Parts) == 2 && ref.Parts[0] == t.Alias && ref.Parts[1] == column
	}
	for _, j := range s.Joins {
		if j.Table != t {
			continue
		}
		for _, x := range flatten("AND", j.On) {
			if eq, ok := x.(binary); ok && eq.Op == "=" {
				switch {
				case is(eq.L):
					return eq.R
				case is(eq.R):
					return eq.L
				}
			}
		}
	}
	return nil
}

// spellOut writes the columns for which * stands, without those of the places.
func (s *selectStmt) spellOut(cat Catalog, opts TraceOptions) {
	var items []item
	for _, it := range s.Items {
		if !it.Star {
			items = append(items, it)
			continue
		}
		for _, t := range s.sources() {
			if it.Of != "" && it.Of != t.Alias {
				continue
			}
			rel, ok := cat.Streams[t.Name]
			if !ok {
				rel = cat.Tables[t.Name]
			}
			for _, f := range rel.Fields {
				if ok && (f.Name == opts.Partition || f.Name == opts.Offset) {
					continue
				}
				items = append(items, item{Pos: it.Pos, X: columnRef{Pos: it.Pos, Parts: []string{t.Alias, f.Name}}})
			}
		}
	}
	s.Items = items
}

// joinedText is the columns' text with a bar between; nil without columns, NULL when one of them is.
func joinedText(of func(string) expression, columns []string) expression {
	var out expression
	for _, c := range columns {
		x := expression(castExpr{X: of(c), To: schema.Type{Kind: schema.String}})
		if out != nil {
			x = binary{Op: "||", L: binary{Op: "||", L: out, R: textLit{Value: "|"}}, R: x}
		}
		out = x
	}
	return out
}

// BindJoined is the columns' text with a bar between, as a traced query has ids and keys.
func BindJoined(columns []string, fields []schema.Field) (*expr.Node, []Problem) {
	b := &binder{bare: true, visible: 1}
	b.sources = []*source{{ref: &tableRef{}, rel: Relation{Fields: fields}, time: -1}}
	n := b.expr(joinedText(func(c string) expression { return columnRef{Parts: []string{c}} }, columns))
	return n, b.problems
}
