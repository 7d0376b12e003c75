package sql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// Ref is a stream or a table that a query names, and where.
type Ref struct {
	Name         string
	Line, Column int
}

// Tables lists the names in FROM and JOIN in the order of the text, once each, before any type is known. The
// problems are those of the text alone; names are returned as far as it could be read.
func Tables(text string) ([]Ref, []Problem) {
	q, _, problems := parse(text)
	var out []Ref
	seen := map[string]bool{}
	add := func(t *tableRef) {
		if t != nil && t.Name != "" && !seen[t.Name] {
			seen[t.Name] = true
			out = append(out, Ref{t.Name, t.Line, t.Column})
		}
	}
	for _, c := range q.With {
		c.Sub.tables(add)
		seen[c.Name] = true // its name is no stream's from here on
	}
	for _, s := range q.Selects {
		s.tables(add)
	}
	return out, problems
}

// tables visits what a SELECT and its subqueries read, in the order of the text.
func (s *selectStmt) tables(visit func(*tableRef)) {
	s.From.tables(visit)
	for _, j := range s.Joins {
		j.Table.tables(visit)
	}
	for _, x := range flatten("AND", s.Where) {
		if e, _ := existsIn(x); e != nil {
			e.Sub.tables(visit)
		}
	}
}

func (t *tableRef) tables(visit func(*tableRef)) {
	switch {
	case t == nil:
	case t.Sub != nil:
		t.Sub.tables(visit)
	case t.Window != nil:
		t.Window.Data.tables(visit)
	default:
		visit(t)
	}
}

// existsIn is the EXISTS that a condition is, and whether it is negated.
func existsIn(x expression) (e *exists, not bool) {
	for {
		switch v := x.(type) {
		case exists:
			return &v, not
		case unary:
			if v.Op != "NOT" {
				return nil, false
			}
			x, not = v.X, !not
		default:
			return nil, false
		}
	}
}

// Compile reads a query and binds it to what it may name. It returns every problem, in the order of the text;
// the plan is nil when one of them is more than a warning.
func Compile(text string, cat Catalog) (*Plan, []Problem) {
	q, whole, problems := parse(text)
	if !whole {
		// Beside what could not be read, only names are worth telling; anything else may follow from it.
		for _, s := range q.Selects {
			br := &branch{scope: newScope(cat, q.With)}
			br.addSource(s.From, Inner)
			for _, j := range s.Joins {
				br.addSource(j.Table, j.Kind)
			}
			problems = append(problems, br.problems...)
		}
		sortProblems(problems)
		return nil, problems
	}
	scope := newScope(cat, q.With)
	problems = append(problems, scope.names()...)
	var branches []*branch
	for i, s := range q.Selects {
		br := bindSelect(s, scope, i == 0)
		problems = append(problems, br.problems...)
		branches = append(branches, br)
	}
	if !broken(problems) {
		problems = append(problems, unite(branches)...)
	}
	sortProblems(problems)
	problems = slices.Compact(problems) // what ON is made of is bound more than once
	if broken(problems) {
		return nil, problems
	}
	var inputs []Node
	for _, br := range branches {
		inputs = append(inputs, br.build(nil))
	}
	p := &Plan{Root: inputs[0]}
	if len(inputs) > 1 {
		p.Root = &Union{Inputs: inputs}
	}
	p.Fields = p.Root.Fields()
	return p, problems
}

// branch is one SELECT, bound: expressions are over the columns of all its sources, one source after another.
type branch struct {
	binder
	stmt  *selectStmt
	scope *scope
	total int // the columns of all sources; columns behind them are virtual
	group *grouping
	rank  *ranking
	// having is the condition of HAVING or QUALIFY, over virtual columns.
	having *expr.Node
	joins  []*boundJoin // one for each source but the first; those of EXISTS come last
	where  []*expr.Node
	exprs  []*expr.Node
	names  []string
	at     []Pos
	// filters are the conditions pushed down, by source.
	filters map[*source][]*expr.Node
}

// boundJoin is what ON was taken apart into.
type boundJoin struct {
	left, right []*expr.Node // keys of a stream join
	keys        []*expr.Node // keys of a table, in its order
	asOf        *expr.Node
	on          []*expr.Node
	lo, hi      int64 // a stream join's band against the rows' event time
}

// scope is what a SELECT may read: the catalog, and the names of WITH that stand before it.
type scope struct {
	Catalog
	with []*cte
	left *int // how many more subqueries may be bound: names of WITH that use each other twice multiply
}

const maxSubqueries = 200

func newScope(cat Catalog, with []*cte) *scope {
	left := maxSubqueries
	return &scope{cat, with, &left}
}

// names checks the names of WITH.
func (sc *scope) names() []Problem {
	b := &binder{}
	for i, c := range sc.with {
		_, stream := sc.Streams[c.Name]
		_, table := sc.Tables[c.Name]
		if stream || table || slices.ContainsFunc(sc.with[:i], func(o *cte) bool { return o.Name == c.Name }) {
			b.problem(c.Pos, c.Name+" of WITH has the name of something else", "give it a name of its own")
		}
	}
	return b.problems
}

// subquery is the SELECT behind a name of FROM, and what it may read; nil: there is none.
func (sc *scope) subquery(t *tableRef) (*selectStmt, *scope) {
	if t.Sub != nil {
		return t.Sub, sc
	}
	for i, c := range sc.with {
		if c.Name == t.Name && t.Name != "" {
			return c.Sub, &scope{sc.Catalog, sc.with[:i], sc.left}
		}
	}
	return nil, nil
}

// bindSelect binds a SELECT; named says that its columns name those of the result.
func bindSelect(s *selectStmt, sc *scope, named bool) *branch {
	br := &branch{stmt: s, scope: sc, filters: map[*source][]*expr.Node{}}
	br.clause = "WHERE"
	br.addSource(s.From, Inner)
	for _, j := range s.Joins {
		br.addSource(j.Table, j.Kind)
	}
	if first := br.sources[0]; first.table {
		br.problem(s.From.Pos, fmt.Sprintf("FROM begins with the table %s, which has no event time", s.From.Name), "begin with a stream, and JOIN the table to it")
		first.absent = true
	} else if s.From.AsOf != nil {
		br.problem(s.From.AsOf.at(), "FOR SYSTEM_TIME AS OF on a stream", "it picks the version of a table's row: JOIN customers FOR SYSTEM_TIME AS OF i.time AS c")
	}
	for k, j := range s.Joins {
		br.visible = k + 2
		br.joins = append(br.joins, br.join(k+1, j))
	}
	br.visible = len(br.sources)
	br.later = map[string]bool{}
	for _, it := range s.Items {
		br.later[it.Alias] = it.Alias != ""
	}
	if s.Where != nil {
		for _, x := range flatten("AND", s.Where) {
			if e, not := existsIn(x); e != nil {
				br.exists(e, not)
			} else if n := br.condition(x, "WHERE"); n != nil {
				br.where = append(br.where, n)
			}
		}
	}
	for _, s := range br.sources {
		br.total += len(s.rel.Fields)
	}
	br.beforeWindow()
	br.groupBy()
	br.later = nil
	br.aggregate, br.number = br.bindAggregate, br.bindNumber
	br.items(named)
	br.later = map[string]bool{}
	for _, it := range s.Items {
		br.later[it.Alias] = it.Alias != ""
	}
	br.conditions()
	br.aggregate, br.number, br.later = nil, nil, nil
	return br
}

// conditions binds HAVING and QUALIFY, and brings what stands above GROUP BY to its columns.
func (br *branch) conditions() {
	s := br.stmt
	if s.Having != nil {
		br.clause = "HAVING"
		if br.having = br.condition(s.Having, "HAVING"); len(s.GroupBy) == 0 {
			br.problem(s.Having.at(), "HAVING without GROUP BY", "write WHERE")
		}
	}
	if s.Qualify != nil {
		br.clause = "QUALIFY"
		n := br.condition(s.Qualify, "QUALIFY")
		if n != nil && br.rank == nil {
			br.problem(s.Qualify.at(), "QUALIFY without ROW_NUMBER()", "write ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) = 1, or WHERE")
		} else if n != nil {
			br.having, br.rank.most = n, mostOf(n, br.total)
		}
	}
	if br.group == nil {
		return
	}
	for i, n := range br.exprs {
		br.exprs[i] = br.above(br.at[i], n)
	}
	if s.Having != nil {
		br.having = br.above(s.Having.at(), br.having)
	}
}

// timeColumn is the column of the result that is the event time of its rows; -1: none is.
func (br *branch) timeColumn() int {
	root, at := br.sources[0], -1
	switch g := br.group; {
	case g != nil && g.window != nil:
		at = br.windowAt(2)
	case g != nil && g.anchor != nil:
		for i, k := range g.keys {
			if k.written.Op == "column" && k.written.Index == g.anchor.time {
				at = br.keyAt(i)
			}
		}
	case g == nil && root.time >= 0 && !root.nullable:
		at = root.time
	}
	return slices.IndexFunc(br.exprs, func(n *expr.Node) bool { return at >= 0 && n.Op == "column" && n.Index == at })
}

func (br *branch) addSource(t *tableRef, kind JoinKind) {
	s := &source{ref: t, kind: kind, time: -1}
	twice := false
	for _, o := range br.sources {
		s.base = o.base + len(o.rel.Fields)
		if o.ref.Alias == t.Alias && t.Alias != "" {
			hint := fmt.Sprintf("give it another name: %s AS %s2", t.Name, t.Alias)
			br.problem(t.Pos, fmt.Sprintf("two sources are called %s", t.Alias), hint)
			twice = true
		}
	}
	data := t
	if t.Window != nil {
		data = t.Window.Data
	}
	if s.absent = twice || data.Name == "" && data.Sub == nil; !s.absent {
		br.resolve(s, data)
	}
	if t.Window != nil && !s.absent {
		if s.table {
			br.problem(data.Pos, fmt.Sprintf("%s over the table %s, which has no event time", t.Window.Kind, data.Name), "name a stream")
			s.table, s.absent = false, true
		} else {
			br.window(s, t.Window)
		}
	}
	br.sources = append(br.sources, s)
}

// resolve finds what a source reads: a stream, a table or a subquery.
func (br *branch) resolve(s *source, t *tableRef) {
	if sub, sc := br.scope.subquery(t); sub != nil {
		if *sc.left--; *sc.left < 0 {
			if *sc.left == -1 {
				br.problem(t.Pos, fmt.Sprintf("more than %d subqueries", maxSubqueries), "names of WITH that use each other twice multiply; make the first part a pipeline of its own")
			}
			s.absent = true
			return
		}
		inner := bindSelect(sub, sc, true)
		bound := !slices.Contains(inner.exprs, nil) // what the parser refused has no value, and no problem here
		if bound && !broken(inner.problems) {
			inner.problems = append(inner.problems, unite([]*branch{inner})...)
		}
		br.problems = append(br.problems, inner.problems...)
		if s.absent = !bound || broken(inner.problems); s.absent {
			return
		}
		s.sub = inner
		for i, n := range inner.exprs {
			s.rel.Fields = append(s.rel.Fields, schema.Field{Name: inner.names[i], Type: n.Type})
		}
		if i := inner.timeColumn(); i >= 0 {
			s.time, s.rel.Time = s.base+i, inner.names[i]
		}
		return
	}
	if rel, ok := br.scope.Streams[t.Name]; ok {
		s.rel = rel
		if i := fieldIndex(rel.Fields, rel.Time); i >= 0 && rel.Fields[i].Type.Kind == schema.Timestamp {
			s.time = s.base + i
		} else {
			br.problem(t.Pos, fmt.Sprintf("stream %s has no TIMESTAMP column %q for its event time", t.Name, rel.Time), "name one under `time:`")
			s.absent = true
		}
		return
	}
	s.table = true
	if rel, ok := br.scope.Tables[t.Name]; ok {
		s.rel = rel
		return
	}
	s.absent = true
	names := append(sortedKeys(br.scope.Streams), sortedKeys(br.scope.Tables)...)
	for _, c := range br.scope.with {
		names = append(names, c.Name)
	}
	message, hint := missing(fmt.Sprintf("neither a stream nor a table is called %s", t.Name), t.Name, names)
	br.problem(t.Pos, message, hint)
	s.table = false
}

// items binds the select list.
func (br *branch) items(named bool) {
	for _, it := range br.stmt.Items {
		if it.Star {
			br.star(it)
			continue
		}
		n := br.expr(it.X)
		name := it.Alias
		if name == "" {
			name = ownName(it.X)
		}
		if n != nil && n.IsInterval() {
			br.problem(it.Pos, "an INTERVAL cannot be a column", "add it to a time, or use TIMESTAMPDIFF for a number")
			continue
		}
		if name == "" && named {
			br.problem(it.Pos, "this expression has no name", "give it one: .. AS name")
		}
		br.addColumn(n, name, it.Pos)
	}
	seen := map[string]int{}
	for i, name := range br.names {
		if first, ok := seen[name]; ok && name != "" && named {
			br.problem(br.at[i], fmt.Sprintf("columns %d and %d of the result are both called %s", first+1, i+1, name), "name one of them with AS")
			continue
		}
		seen[name] = i
	}
}

func (br *branch) addColumn(n *expr.Node, name string, at Pos) {
	br.exprs = append(br.exprs, n)
	br.names = append(br.names, name)
	br.at = append(br.at, at)
}

func (br *branch) star(it item) {
	found := false
	for _, s := range br.named() {
		if it.Of != "" && s.ref.Alias != it.Of {
			continue
		}
		found = true
		for i, f := range s.rel.Fields {
			br.addColumn(br.columnOf(s, i), f.Name, it.Pos)
		}
	}
	if !found {
		var aliases []string
		for _, s := range br.named() {
			aliases = append(aliases, s.ref.Alias)
		}
		message, hint := missing(fmt.Sprintf("neither a stream nor a table is called %s here", it.Of), it.Of, aliases)
		br.problem(it.Pos, message, hint)
	}
}

// ownName is the name that an expression brings along: a column's or a field's.
func ownName(x expression) string {
	switch e := x.(type) {
	case columnRef:
		return e.Parts[len(e.Parts)-1]
	case fieldOf:
		return e.Name
	}
	return ""
}

// unite brings the columns of all branches to common types, and gives bare NULLs one.
func unite(branches []*branch) []Problem {
	b := &binder{}
	first := branches[0]
	for _, br := range branches[1:] {
		if len(br.exprs) != len(first.exprs) {
			b.problem(br.stmt.Pos, fmt.Sprintf("UNION ALL of %d and %d columns", len(first.exprs), len(br.exprs)), "columns are matched by position: select as many in each, CAST(NULL AS type) for what is missing")
			return b.problems
		}
	}
	for i := range first.exprs {
		t := first.exprs[i].Type
		for _, br := range branches[1:] {
			c, ok := expr.CommonType(t, br.exprs[i].Type)
			if !ok {
				b.problem(br.at[i], fmt.Sprintf("column %d of UNION ALL, %s, is %s here and %s before", i+1, first.names[i], br.exprs[i].Type, t), "write CAST around one of them; columns are matched by position")
				c = t
			}
			t = c
		}
		if t.Kind == schema.Null {
			b.problem(first.at[i], fmt.Sprintf("column %s has no type: it is always NULL", first.names[i]), "write CAST(NULL AS STRING), or the type you mean")
			continue
		}
		for _, br := range branches {
			if len(b.problems) == 0 && !br.exprs[i].Type.Equal(t) {
				if n := b.made(br.at[i])(expr.Cast(br.exprs[i], t, false)); n != nil {
					br.exprs[i] = n
				}
			}
		}
		for _, br := range branches[1:] {
			br.names[i] = first.names[i]
		}
	}
	return b.problems
}

func hintBand(left, right *source) string {
	l := left.timeName()
	return fmt.Sprintf("add a band of time: AND %s BETWEEN %s AND %s + INTERVAL '4' HOUR", right.timeName(), l, l)
}

// timeName is the event time as a query names it.
func (s *source) timeName() string {
	if s.ref.Alias == "" {
		return s.rel.Time
	}
	return s.ref.Alias + "." + s.rel.Time
}

func joinNames(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
