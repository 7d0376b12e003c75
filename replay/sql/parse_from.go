package sql

import (
	"fmt"
)

// tableRef is a stream or a table with its time and alias.
func (p *parser) tableRef() *tableRef {
	t := p.peek()
	r := &tableRef{Pos: t.pos}
	switch {
	case t.isOp("("):
		p.next()
		if w := p.peek(); w.word != "SELECT" && w.word != "WITH" {
			p.fail(w.pos, "parentheses in FROM hold a subquery", "write (SELECT .. FROM ..) AS x; joins need no parentheses")
		}
		r.Sub = p.subselect()
	case t.word == "TABLE" || windowTables[t.word] && p.ahead(1).isOp("("):
		r.Window = p.windowTable()
	case t.word == "LATERAL" || t.word == "UNNEST":
		p.refuse(t.pos, t.word+" is not run yet", "arrays pass through as they are; take elements with array[1]")
		for p.peek().kind == tokName && !p.peek().isOp("(") {
			p.next()
		}
		if p.peek().isOp("(") {
			p.skipParens()
		}
	case t.kind == tokQuoted || t.kind == tokName && !reserved[t.word]:
		p.next()
		r.Name = t.text
		if p.peek().isOp(".") {
			p.refuse(t.pos, "a stream has one name, without a catalog or a schema before it", "use the name under `streams:` or `tables:`")
			for p.acceptOp(".") {
				r.Name = p.next().text
			}
		}
	default:
		p.unexpected("the name of a stream or a table")
	}
	p.asOf(r)
	if w := p.peek(); refusedTable[w.word] != "" {
		p.refuse(w.pos, w.word+" is not run", refusedTable[w.word])
		p.next()
		if p.peek().isOp("(") {
			p.skipParens()
		}
	}
	if r.Alias = p.alias(); r.Alias == "" {
		r.Alias = r.Name
	}
	if f := p.peek(); f.word == "FOR" {
		p.refuse(f.pos, "FOR SYSTEM_TIME stands behind the alias", "write it before: customers FOR SYSTEM_TIME AS OF i.time AS c")
		p.asOf(r)
	}
	if p.peek().isOp("(") {
		p.refuse(p.peek().pos, "a list of column names behind a stream is not run", "name the columns in the select list with AS")
		p.skipParens()
	}
	return r
}

// windowTable is TUMBLE, HOP or SESSION, bare or in TABLE(..).
func (p *parser) windowTable() *windowRef {
	wrapped := p.accept("TABLE")
	if wrapped {
		p.expectOp("(")
	}
	t := p.peek()
	w := &windowRef{Pos: t.pos, Kind: t.word}
	if t.word == "CUMULATE" {
		p.fail(t.pos, "CUMULATE is not run", "write TUMBLE with the shortest length, and sum up where the output is read")
	}
	if !windowTables[t.word] {
		p.unexpected("TUMBLE, HOP or SESSION")
	}
	p.next()
	p.expectOp("(")
	d := p.peek()
	w.Data = &tableRef{Pos: d.pos}
	switch table := p.accept("TABLE"); {
	case p.acceptOp("("):
		w.Data.Sub = p.subselect()
	case table && (p.peek().kind == tokQuoted || p.peek().kind == tokName && !reserved[p.peek().word]):
		w.Data.Name = p.next().text
		w.Data.Alias = w.Data.Name
	case d.word == "DATA":
		p.fail(d.pos, "arguments by name are not run", "write "+windowForm(w.Kind))
	default:
		p.fail(p.peek().pos, fmt.Sprintf("expected TABLE and a stream, found %s", p.peek()), "write "+windowForm(w.Kind))
	}
	if part := p.peek(); p.accept("PARTITION", "BY") {
		if w.Kind != "SESSION" {
			p.refuse(part.pos, "PARTITION BY is for SESSION alone", "name the columns in GROUP BY")
		}
		if p.acceptOp("(") {
			w.Partition = p.list()
			p.expectOp(")")
		} else {
			w.Partition = []expression{p.expression()}
		}
	}
	p.expectOp(",")
	p.expect("DESCRIPTOR")
	p.expectOp("(")
	c := p.peek()
	w.Time = columnRef{c.pos, []string{p.fieldName()}}
	p.expectOp(")")
	for p.acceptOp(",") {
		w.Args = append(w.Args, p.expression())
	}
	p.expectOp(")")
	if wrapped {
		p.expectOp(")")
	}
	return w
}

// windowForm shows how a window table function is written.
func windowForm(kind string) string {
	switch kind {
	case "HOP":
		return "TABLE(HOP(TABLE s, DESCRIPTOR(t), INTERVAL '5' MINUTE, INTERVAL '1' HOUR))"
	case "SESSION":
		return "TABLE(SESSION(TABLE s PARTITION BY k, DESCRIPTOR(t), INTERVAL '30' MINUTE))"
	}
	return "TABLE(TUMBLE(TABLE s, DESCRIPTOR(t), INTERVAL '1' HOUR))"
}

func (p *parser) asOf(r *tableRef) {
	t := p.peek()
	if t.word != "FOR" {
		return
	}
	p.next()
	if w := p.next(); w.word != "SYSTEM_TIME" {
		p.i--
		p.fail(w.pos, fmt.Sprintf("expected SYSTEM_TIME, found %s", w), "write FOR SYSTEM_TIME AS OF i.time")
	}
	if !p.accept("AS", "OF") {
		p.fail(p.peek().pos, fmt.Sprintf("expected AS OF, found %s", p.peek()), "write FOR SYSTEM_TIME AS OF i.time")
	}
	r.AsOf = p.expression()
}

// join reads one join; false when none follows.
func (p *parser) join(s *selectStmt) bool {
	t := p.peek()
	j := &joinClause{Pos: t.pos}
	if p.acceptOp(",") {
		p.refuse(t.pos, "a comma in FROM is not run", "write JOIN .. ON and the condition")
		s.Joins = append(s.Joins, &joinClause{Pos: t.pos, Table: p.tableRef(), On: refused{t.pos}})
		return true
	}
	if p.accept("NATURAL") {
		p.refuse(t.pos, "NATURAL JOIN is not run", "write ON and the equal columns")
	}
	kind, bad := p.peek(), false
	switch {
	case p.accept("JOIN"), p.accept("INNER", "JOIN"):
	case p.accept("LEFT", "OUTER", "JOIN"), p.accept("LEFT", "JOIN"):
		j.Kind = Left
	case p.accept("RIGHT", "OUTER", "JOIN"), p.accept("RIGHT", "JOIN"):
		j.Kind = Right
	case p.accept("FULL", "OUTER", "JOIN"), p.accept("FULL", "JOIN"):
		j.Kind = Full
	case p.accept("CROSS", "JOIN"):
		bad = true
		p.refuse(kind.pos, "CROSS JOIN is not run", "write JOIN .. ON with an equality and, between streams, a band of time")
	case p.accept("LEFT", "SEMI", "JOIN"), p.accept("SEMI", "JOIN"):
		bad = true
		p.refuse(kind.pos, "SEMI JOIN is not run", "write WHERE EXISTS (SELECT 1 FROM p WHERE p.id = i.id AND ..), which Flink takes too")
	case p.accept("LEFT", "ANTI", "JOIN"), p.accept("ANTI", "JOIN"):
		bad = true
		p.refuse(kind.pos, "ANTI JOIN is not run", "write WHERE NOT EXISTS (SELECT 1 FROM p WHERE p.id = i.id AND ..), which Flink takes too")
	case t.word == "LEFT" || t.word == "INNER" || t.word == "RIGHT" || t.word == "FULL" || t.word == "CROSS" || t.word == "NATURAL":
		p.next()
		p.unexpected("JOIN")
	default:
		return false
	}
	j.Table = p.tableRef()
	switch u := p.peek(); {
	case p.accept("ON"):
		from := p.i
		if !p.attempt(func() { j.On = p.expression() }) {
			p.skipTo(from, "", clauseStart)
		}
	case p.accept("USING"):
		p.refuse(u.pos, "USING is not run", "write ON and the equal columns: ON p.id = i.id")
		if p.peek().isOp("(") {
			p.skipParens()
		}
	case !bad && t.word != "NATURAL":
		p.fail(u.pos, fmt.Sprintf("expected ON behind the join with %s, found %s", j.Table.Name, u), "write ON and what must be equal: ON p.id = i.id")
	}
	if j.On == nil || bad {
		j.On = refused{j.Pos}
	}
	s.Joins = append(s.Joins, j)
	return true
}
