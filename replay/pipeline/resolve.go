package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/replay/sql"
	"github.com/lockstep-data/lockstep/schema"
)

// Finder looks up the columns that data has where it lies. A nil function is a kind of place that is not
// looked at. Each is called from several goroutines at once. where is what problems call the place: a file,
// a subject of the registry.
type Finder struct {
	// LakeFields reads footers of the Parquet files of a stream's `lake`. Where nothing lies there yet, the
	// error is fs.ErrNotExist. known are the columns that are known without it, or nil; files that differ among
	// themselves, but can all be read as those, have no fields and no error.
	LakeFields func(ctx context.Context, s Stream, known []schema.Field) (fields []schema.Field, where string, err error)
	// AvroFields reads the stream's Schema file, or its registry subject when it has none.
	AvroFields func(ctx context.Context, p *Pipeline, s Stream) (fields []schema.Field, where string, err error)
	// TableFields reads footers, headers or contents of a table's files.
	TableFields func(ctx context.Context, t Table) (fields []schema.Field, where string, err error)
}

// Checked is a pipeline whose names and types fit together.
type Checked struct {
	Pipeline *Pipeline
	// Catalog has every stream and table whose columns are known; positions are not among them.
	Catalog sql.Catalog
	// Plan is the query bound to it; nil when a problem is no warning.
	Plan *sql.Plan
	// Where has the condition of each of the pipeline's outputs, over the plan's fields; nil for every row.
	Where []*expr.Node
}

// Check finds the columns of every stream and table, binds the query and the outputs' conditions, and checks
// every name in the file against them. p is what Load gave, also with problems; those are not repeated. The
// problems are in the file's order. The result is never nil; it runs when neither Load nor Check Failed.
func Check(ctx context.Context, p *Pipeline, f Finder) (*Checked, []Problem) {
	c := &checker{p: p, out: &Checked{Pipeline: p, Catalog: sql.Catalog{Streams: map[string]sql.Relation{}, Tables: map[string]sql.Relation{}}}}
	used, readable := c.names()
	complete := c.relations(ctx, f)
	if readable && complete && p.Query != "" {
		plan, problems := sql.Compile(p.Query, c.out.Catalog)
		c.queryProblems(problems)
		c.out.Plan = plan
	}
	c.unused(used, readable)
	if c.out.Plan != nil {
		c.outputs(c.out.Plan.Fields)
		c.validate(c.out.Plan.Fields)
	}
	return c.out, Sort(c.problems)
}

type checker struct {
	p        *Pipeline
	out      *Checked
	problems []Problem
}

func (c *checker) problem(at position, message, hint string) {
	c.problems = append(c.problems, Problem{File: c.p.Path, Line: at.line, Column: at.col, Message: message, Hint: hint})
}

func (c *checker) warn(at position, message, hint string) {
	c.problem(at, message, hint)
	c.problems[len(c.problems)-1].Warning = true
}

// textProblems puts problems of a text in the file where the text stands there.
func (c *checker) textProblems(text located, problems []sql.Problem) {
	for _, q := range problems {
		c.problem(text.lineAt(q.Line, q.Column), q.Message, q.Hint)
		c.problems[len(c.problems)-1].Warning = q.Warning
	}
}

func (c *checker) queryProblems(problems []sql.Problem) {
	text, ok := c.p.texts["query"]
	if !ok {
		text = located{text: c.p.Query, start: position{max(c.p.QueryLine, 1), max(c.p.QueryColumn, 1)}}
	}
	c.textProblems(text, problems)
}

// names reads what the query names. It reports whether the query can be read and all of the names are known;
// what is wrong with it otherwise is reported here, since types are of no use then.
func (c *checker) names() (used map[string]bool, readable bool) {
	if c.p.Query == "" {
		return nil, false
	}
	refs, problems := sql.Tables(c.p.Query)
	for _, q := range problems {
		if !q.Warning {
			c.queryProblems(problems)
			return nil, false
		}
	}
	used, readable = map[string]bool{}, true
	text := c.p.texts["query"]
	var known []string
	for _, s := range c.p.Streams {
		if isName(s.Name) {
			known = append(known, s.Name)
		}
	}
	for _, t := range c.p.Tables {
		if isName(t.Name) {
			known = append(known, t.Name)
		}
	}
	for _, r := range refs {
		used[r.Name] = true
		if c.p.Stream(r.Name) != nil || c.p.Table(r.Name) != nil {
			continue
		}
		readable = false
		if c.p.unsure[r.Name] || c.p.partial {
			continue // it is in the file, and its problem is reported
		}
		hint := "the streams and tables are " + strings.Join(known, ", ")
		if near := nearest(r.Name, known); near != "" {
			hint = "write " + near
		}
		c.problem(text.lineAt(r.Line, r.Column), fmt.Sprintf("no stream or table is called %s", r.Name), hint)
	}
	return used, readable
}

func (c *checker) unused(used map[string]bool, readable bool) {
	if !readable {
		return
	}
	for _, s := range c.p.Streams {
		if !used[s.Name] {
			c.warn(c.p.find("streams", s.Name), fmt.Sprintf("stream %s is not in the query", s.Name), "delete it, or use it")
		}
	}
	for _, t := range c.p.Tables {
		if !used[t.Name] {
			c.warn(c.p.find("tables", t.Name), fmt.Sprintf("table %s is not in the query", t.Name), "delete it, or use it")
		}
	}
}

// origin is one place that gives a stream's columns.
type origin struct {
	fields []schema.Field
	where  string
	err    error
	asked  bool
	at     position
}

// relations fills the catalog and reports whether every relation is in it.
func (c *checker) relations(ctx context.Context, f Finder) bool {
	p := c.p
	avro, lake, tables := make([]origin, len(p.Streams)), make([]origin, len(p.Streams)), make([]origin, len(p.Tables))
	var wg sync.WaitGroup
	ask := func(o *origin, at position, find func() ([]schema.Field, string, error)) {
		o.asked, o.at = true, at
		o.fields, o.where, o.err = find()
	}
	for i, s := range p.Streams {
		wg.Go(func() {
			known := s.Columns
			if f.AvroFields != nil && s.hasAvro() {
				at := p.find("streams", s.Name, "schema")
				if s.Schema == "" {
					at = p.find("streams", s.Name, "kafka", "subject")
				}
				ask(&avro[i], at, func() ([]schema.Field, string, error) { return f.AvroFields(ctx, p, s) })
				if known == nil {
					known = avro[i].fields
				}
			}
			if f.LakeFields != nil && s.Lake != "" {
				ask(&lake[i], p.find("streams", s.Name, "lake"), func() ([]schema.Field, string, error) { return f.LakeFields(ctx, s, known) })
				// Files that can be read as what is known leave nothing to compare.
				lake[i].asked = known == nil || lake[i].fields != nil || lake[i].err != nil
			}
		})
	}
	for i, t := range p.Tables {
		if f.TableFields != nil && t.Lake != "" {
			wg.Go(func() {
				ask(&tables[i], p.find("tables", t.Name, "lake"), func() ([]schema.Field, string, error) { return f.TableFields(ctx, t) })
			})
		}
	}
	wg.Wait()
	complete := len(p.unsure) == 0
	for i, s := range p.Streams {
		fields := c.stream(s, avro[i], lake[i])
		if fields == nil || p.unsure[s.Name] {
			complete = false
			continue
		}
		c.out.Catalog.Streams[s.Name] = sql.Relation{Fields: fields, Time: s.Time, ID: s.ID}
	}
	for i, t := range p.Tables {
		fields := c.table(t, tables[i])
		if fields == nil || p.unsure[t.Name] {
			complete = false
			continue
		}
		c.out.Catalog.Tables[t.Name] = sql.Relation{Fields: fields, Key: t.Key, Versions: t.Versions}
	}
	return complete
}

// stream settles a stream's columns: the declared ones, else those of its Avro schema, else the lake's. nil
// when they are not known or a problem makes them unfit.
func (c *checker) stream(s Stream, avro, lake origin) []schema.Field {
	if c.p.unsure[s.Name] {
		return nil
	}
	before := len(c.problems)
	declared := origin{fields: s.Columns, asked: s.Columns != nil, at: c.p.find("streams", s.Name, "columns")}
	declared.where = fmt.Sprintf("%s:%d", c.p.Path, declared.at.line)
	lake.fields = c.positions(s, lake)
	known := declared.asked || (avro.asked && avro.err == nil)
	c.failed(avro, "stream "+s.Name, declared.asked && s.Schema == "")
	c.failed(lake, "stream "+s.Name, known)
	var first *origin
	for _, o := range []*origin{&declared, &avro, &lake} {
		if !o.asked || o.err != nil {
			continue
		}
		if first == nil {
			first = o
			continue
		}
		c.agree(s, *first, *o, first == &declared)
	}
	if first == nil {
		if !avro.asked && !lake.asked {
			c.problem(c.p.find("streams", s.Name), fmt.Sprintf("nothing gives the columns of stream %s", s.Name), "write columns: {NAME: TYPE, ...}")
		}
		return nil
	}
	where := "stream " + s.Name
	if first != &declared {
		where += " (" + first.where + ")"
	}
	c.column(first.fields, s.Time, c.p.textAt("streams", s.Name, "time"), where, true)
	for _, id := range s.ID {
		c.column(first.fields, id, c.p.find("streams", s.Name, "id", id), where, false)
	}
	if Failed(c.problems[before:]) {
		return nil
	}
	return first.fields
}

// failed reports a place that could not be read. Where the columns are known without it, it is a warning, and
// nothing at all for a lake to which nothing was written yet.
func (c *checker) failed(o origin, what string, known bool) {
	if !o.asked || o.err == nil || (known && errors.Is(o.err, fs.ErrNotExist)) {
		return
	}
	hint := schema.Hint(o.err)
	if known {
		c.warn(o.at, fmt.Sprintf("%s: columns could not be compared: %v", what, o.err), hint)
		return
	}
	if hint == "" {
		hint = "check the place, or give the columns here: columns: {NAME: TYPE, ...}"
	}
	c.problem(o.at, fmt.Sprintf("%s: %v", what, o.err), hint)
}

// positions checks the lake's position columns and takes them out of the stream's.
func (c *checker) positions(s Stream, lake origin) []schema.Field {
	if !lake.asked || lake.err != nil {
		return nil
	}
	want := []struct {
		name, column string
		kinds        []schema.Kind
	}{
		{"partition", s.Positions.Partition, []schema.Kind{schema.SmallInt, schema.Int, schema.BigInt}},
		{"offset", s.Positions.Offset, []schema.Kind{schema.SmallInt, schema.Int, schema.BigInt}},
		{"timestamp", s.Positions.Timestamp, []schema.Kind{schema.Timestamp}},
	}
	taken := map[string]bool{}
	for _, w := range want {
		taken[w.column] = true
		at := c.p.find("streams", s.Name, "positions", w.name)
		_, written := c.p.at[key("streams", s.Name, "positions", w.name)]
		found := false
		for _, f := range lake.fields {
			if f.Name != w.column {
				continue
			}
			found = true
			fits := false
			for _, k := range w.kinds {
				fits = fits || f.Type.Kind == k
			}
			if !fits {
				c.problem(at, fmt.Sprintf("stream %s: column %s of %s is %s, which is no %s", s.Name, w.column, lake.where, f.Type, w.name), "map it to another column: positions: {"+w.name+": COLUMN}")
			}
		}
		if written && !found {
			c.problem(at, fmt.Sprintf("%s has no column %s", lake.where, clip(w.column)), columnHint(w.column, lake.fields))
		}
	}
	var out []schema.Field
	for _, f := range lake.fields {
		if !taken[f.Name] {
			out = append(out, f)
		}
	}
	return out
}

// agree compares the columns of two places. What the user declared must be in the other place; what a schema
// has may be younger than the lake.
func (c *checker) agree(s Stream, first, second origin, declared bool) {
	types := map[string]schema.Type{}
	for _, f := range second.fields {
		types[f.Name] = f.Type
	}
	for _, f := range first.fields {
		at := first.at
		where := first.where
		if declared {
			at = c.p.find("streams", s.Name, "columns", f.Name)
			where = fmt.Sprintf("%s:%d", c.p.Path, at.line)
		}
		other, ok := types[f.Name]
		switch {
		case !ok && declared:
			c.problem(at, fmt.Sprintf("stream %s: column %s is declared, but %s has none", s.Name, clip(f.Name), second.where), columnHint(f.Name, second.fields))
		case !ok:
			c.warn(at, fmt.Sprintf("stream %s: column %s of %s is not in %s, where it is NULL", s.Name, clip(f.Name), where, second.where), "check its name; files written with the new schema have it")
		case !agrees(f.Type, other):
			hint := "change one of them"
			if declared {
				hint = fmt.Sprintf("write %s: %s, or change the other", f.Name, strings.ToLower(other.String()))
			}
			c.problem(at, fmt.Sprintf("stream %s: column %s is %s in %s, but %s in %s", s.Name, clip(f.Name), f.Type, where, other, second.where), hint)
		}
	}
}

// agrees reports whether values of the type found can be read as the wanted one without a change of meaning:
// the same type, a narrower number, a number that the wanted type reads as a time, text and times of any
// declared length.
func agrees(want, found schema.Type) bool {
	switch {
	case want.Kind == schema.Null || found.Kind == schema.Null:
		return true
	case want.Kind == schema.Timestamp && want.Epoch != "" && (found.Kind == schema.BigInt || found.Kind == schema.Int):
		return true
	case want.Kind >= schema.SmallInt && want.Kind <= schema.BigInt && found.Kind >= schema.SmallInt && found.Kind <= want.Kind:
		return true
	case want.Kind == schema.Double && found.Kind == schema.Float:
		return true
	}
	if want.Kind != found.Kind {
		return false
	}
	switch want.Kind {
	case schema.Decimal:
		return want.Scale == found.Scale && want.Precision >= found.Precision
	case schema.Array:
		return agrees(*want.Elem, *found.Elem)
	case schema.Map:
		return agrees(*want.Key, *found.Key) && agrees(*want.Elem, *found.Elem)
	case schema.Row:
		if len(want.Fields) != len(found.Fields) {
			return false
		}
		for i, f := range want.Fields {
			if f.Name != found.Fields[i].Name || !agrees(f.Type, found.Fields[i].Type) {
				return false
			}
		}
	}
	return true
}

func (c *checker) column(fields []schema.Field, name string, at position, where string, timestamp bool) bool {
	message, hint := columnProblem(fields, name, where, timestamp)
	if message == "" || name == "" {
		return true
	}
	c.problem(at, message, hint)
	return false
}

func (c *checker) table(t Table, files origin) []schema.Field {
	if c.p.unsure[t.Name] {
		return nil
	}
	before := len(c.problems)
	fields := t.Columns
	where := "table " + t.Name
	switch {
	case files.asked && files.err != nil:
		c.failed(files, "table "+t.Name, false)
		if fields == nil {
			return nil
		}
	case files.asked && fields != nil:
		found := map[string]bool{}
		for _, f := range files.fields {
			found[f.Name] = true
		}
		for _, f := range fields {
			if at := c.p.find("tables", t.Name, "columns", f.Name); !found[f.Name] {
				c.problem(at, fmt.Sprintf("table %s: column %s is declared, but %s has none", t.Name, clip(f.Name), files.where), columnHint(f.Name, files.fields))
			}
		}
	case files.asked:
		fields = files.fields
		where += " (" + files.where + ")"
	case fields == nil:
		c.problem(c.p.find("tables", t.Name), fmt.Sprintf("nothing gives the columns of table %s", t.Name), "write columns: {NAME: TYPE, ...}")
		return nil
	}
	for _, k := range t.Key {
		c.column(fields, k, c.p.find("tables", t.Name, "key", k), where, false)
	}
	if t.Versions != "" {
		c.column(fields, t.Versions, c.p.textAt("tables", t.Name, "versions"), where, true)
	}
	if Failed(c.problems[before:]) {
		return nil
	}
	return fields
}

// outputs binds the outputs' conditions and checks their keys against the query's columns.
func (c *checker) outputs(fields []schema.Field) {
	for _, o := range c.p.Outputs {
		var where *expr.Node
		if o.Where != "" {
			node, problems := sql.BindExpr(o.Where, fields)
			text, ok := c.p.texts[key("outputs", o.Name, "where")]
			if !ok {
				text = located{text: o.Where, start: position{max(o.WhereLine, 1), max(o.WhereColumn, 1)}}
			}
			c.textProblems(text, problems)
			where = node
		}
		c.out.Where = append(c.out.Where, where)
		if o.Kafka != nil {
			for _, k := range o.Kafka.Key {
				c.column(fields, k, c.p.find("outputs", o.Name, "kafka", "key", k), "the query", false)
			}
		}
	}
}

// validate checks the judge's columns against the query's, and that a tolerance means something for its
// column's type.
func (c *checker) validate(fields []schema.Field) {
	v := c.p.Validate
	for _, k := range v.Key {
		c.column(fields, k, c.p.find("validate", "key", k), "the query", false)
	}
	if v.Time != "" {
		c.column(fields, v.Time, c.p.textAt("validate", "time"), "the query", true)
	}
	for _, t := range v.Columns {
		if !c.column(fields, t.Column, c.p.find("validate", "columns", t.Column), "the query", false) {
			continue
		}
		typ := schema.Type{}
		for _, f := range fields {
			if f.Name == t.Column {
				typ = f.Type
			}
		}
		if t.As != nil {
			typ = *t.As
		}
		number := typ.Kind >= schema.SmallInt && typ.Kind <= schema.Decimal
		for _, w := range []struct {
			name  string
			asked bool
			fits  bool
			on    string
		}{
			{"absolute", t.Absolute != nil, number, "numbers"},
			{"relative", t.Relative != nil, number, "numbers"},
			{"ulp", t.ULP != nil, typ.Kind == schema.Float || typ.Kind == schema.Double, "float and double"},
			{"decimals", t.Decimals != nil, number, "numbers"},
			{"within", t.Within != nil, typ.Kind == schema.Timestamp || typ.Kind == schema.Date, "times"},
			{"trim", t.Trim, typ.Kind == schema.String, "text"},
			{"case", t.Case, typ.Kind == schema.String, "text"},
			{"unordered", t.Unordered, typ.Kind == schema.Array, "lists"},
		} {
			if w.asked && !w.fits && typ.Kind != schema.Null {
				c.problem(c.p.find("validate", "columns", t.Column, w.name), fmt.Sprintf("%s is for %s, and column %s is %s", w.name, w.on, t.Column, typ), "delete it")
			}
		}
	}
}
