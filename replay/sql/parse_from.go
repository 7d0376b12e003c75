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
		p.refuse(t.pos, "a subquery in FROM is not run yet", "name a stream; put the condition into WHERE or ON, the expressions into the select list")
		p.skipParens()
	case t.word == "TABLE" || windowTables[t.word] && p.ahead(1).isOp("("):
		p.refuse(t.pos, "window table functions (TUMBLE, HOP, CUMULATE, SESSION) are not run yet", "join two streams within a band of time: ON .. AND r.t BETWEEN l.t AND l.t + INTERVAL '1' HOUR")
		p.next()
		p.skipParens()
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
