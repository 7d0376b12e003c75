package sql

import (
	"fmt"
	"sort"
)

// parser goes down the grammar by hand: what is refused has to be refused by name and at its place, and
// reading has to go on behind it, so that one run shows all problems.
type parser struct {
	tokens   []token
	i        int
	depth    int
	problems []Problem
	// stopped is set once something could not be read: what follows from it is not worth telling.
	stopped bool
}

// bail leaves a construct that cannot be read further; its problem is noted. attempt catches it.
type bail struct{}

// parse reads a query. The tree is complete, but for what was refused by name, when whole is true.
func parse(text string) (q *query, whole bool, problems []Problem) {
	p := &parser{}
	p.tokens, p.problems = lex(text)
	p.stopped = broken(p.problems)
	q = &query{}
	if p.stopped && len(p.tokens) == 1 {
		return q, false, p.problems
	}
	p.attempt(func() {
		p.with(q)
		q.Selects = p.union()
		p.acceptOp(";")
		if t := p.peek(); t.kind != tokEnd {
			p.unexpected("the end of the query")
		}
	})
	sortProblems(p.problems)
	return q, !p.stopped, p.problems
}

// parseExpression reads a text that is one expression.
func parseExpression(text string) (expression, []Problem) {
	p := &parser{}
	p.tokens, p.problems = lex(text)
	var x expression = refused{Pos{1, 1}}
	p.attempt(func() {
		x = p.expression()
		if p.peek().kind != tokEnd {
			p.unexpected("the end of the condition")
		}
	})
	sortProblems(p.problems)
	return x, p.problems
}

func broken(problems []Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

func sortProblems(problems []Problem) {
	sort.SliceStable(problems, func(i, j int) bool {
		a, b := problems[i], problems[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
}

func (p *parser) attempt(f func()) (ok bool) {
	depth := p.depth
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(bail); !is {
				panic(r)
			}
			p.depth, p.stopped = depth, true
		}
	}()
	f()
	return true
}

func (p *parser) refuse(at Pos, message, hint string) {
	p.problems = append(p.problems, Problem{Line: at.Line, Column: at.Column, Message: message, Hint: hint})
}

func (p *parser) fail(at Pos, message, hint string) {
	p.refuse(at, message, hint)
	panic(bail{})
}

func (p *parser) peek() token { return p.ahead(0) }

func (p *parser) ahead(n int) token { return p.tokens[min(p.i+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.peek()
	if p.i < len(p.tokens)-1 {
		p.i++
	}
	return t
}

func (t token) isOp(op string) bool { return t.kind == tokOp && t.text == op }

// accept takes the words if all of them follow.
func (p *parser) accept(words ...string) bool {
	for i, w := range words {
		if p.ahead(i).word != w {
			return false
		}
	}
	p.i += len(words)
	return true
}

func (p *parser) acceptOp(op string) bool {
	if p.peek().isOp(op) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(word string) {
	if !p.accept(word) {
		p.unexpected(word)
	}
}

func (p *parser) expectOp(op string) {
	if !p.acceptOp(op) {
		p.unexpected(op)
	}
}

// unexpected reports the next token. A word just before it, or itself, that is nearly a keyword is the likelier
// mistake.
func (p *parser) unexpected(want string) {
	t := p.peek()
	hint := unexpectedTokenHint(t)
	for _, c := range []token{t, p.tokens[max(p.i-1, 0)]} {
		if hint == "" && c.kind == tokName && !keywords[c.word] {
			if near := nearest(c.word, clauseWords); near != "" {
				hint = fmt.Sprintf("did you mean %s instead of %s?", near, c.text)
			}
		}
	}
	if hint == "" && want == "FROM" {
		hint = "is a comma missing before it?"
	}
	p.fail(t.pos, fmt.Sprintf("expected %s, found %s", want, t), hint)
}

func unexpectedTokenHint(t token) string {
	switch {
	case t.isOp("=="):
		return "write = to compare"
	case t.isOp("<=>"):
		return "write IS NOT DISTINCT FROM"
	case t.isOp("::"):
		return "write CAST(x AS type)"
	case t.kind == tokName && reserved[t.word]:
		return fmt.Sprintf("%s is a word of SQL; as a name it is written `%s`", t.word, t.text)
	case t.isOp(";"):
		return "a pipeline has one query"
	}
	return ""
}

// nest guards the stack; the caller calls unnest when it leaves.
func (p *parser) nest() {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.peek().pos, fmt.Sprintf("nested more than %d deep", maxNesting), "write it flatter")
	}
}

func (p *parser) unnest() { p.depth-- }

// skipTo moves forward from what could not be read, and began at token from, to one of the words, or the
// operator, outside of parentheses. When a parenthesis was never closed, it takes the next of them anywhere.
func (p *parser) skipTo(from int, op string, words map[string]bool) {
	here, depth := p.i, 0
	for _, t := range p.tokens[from:p.i] {
		if t.isOp("(") {
			depth++
		} else if t.isOp(")") {
			depth = max(depth-1, 0)
		}
	}
	for _, strict := range []bool{true, false} {
		for p.i = here; p.peek().kind != tokEnd; p.next() {
			t := p.peek()
			switch {
			case t.isOp("("):
				depth++
			case t.isOp(")"):
				if depth == 0 && p.depth > 0 {
					return
				}
				depth = max(depth-1, 0)
			case (depth == 0 || !strict) && (words[t.word] || op != "" && t.isOp(op)):
				return
			}
		}
		if depth == 0 {
			return
		}
	}
}

// skipParens moves behind the parenthesis that closes the one at hand.
func (p *parser) skipParens() {
	depth := 0
	for p.peek().kind != tokEnd {
		t := p.next()
		if t.isOp("(") {
			depth++
		} else if t.isOp(")") {
			if depth--; depth == 0 {
				return
			}
		}
	}
}

// union reads SELECTs and what stands between and behind them.
func (p *parser) union() []*selectStmt {
	out := p.term()
	for {
		t := p.peek()
		switch t.word {
		case "UNION":
			p.next()
			if !p.accept("ALL") {
				p.refuse(t.pos, "UNION without ALL is not run: it would have to remember every row", "write UNION ALL; the `id:` of a stream already makes one of events that repeat")
				p.accept("DISTINCT")
			}
			out = append(out, p.term()...)
		case "INTERSECT", "EXCEPT", "MINUS":
			p.refuse(t.pos, t.word+" is not run", "join the two, and keep rows with WHERE .. IS NOT NULL (or IS NULL) on a column of the second")
			p.next()
			p.accept("ALL")
			p.accept("DISTINCT")
			out = append(out, p.term()...)
		case "ORDER", "LIMIT", "OFFSET", "FETCH":
			p.tail()
		default:
			return out
		}
	}
}

func (p *parser) term() []*selectStmt {
	if p.peek().isOp("(") {
		p.nest()
		p.next()
		out := p.union()
		p.unnest()
		p.expectOp(")")
		return out
	}
	return []*selectStmt{p.selectStmt()}
}

func (p *parser) selectStmt() *selectStmt {
	t := p.peek()
	s := &selectStmt{Pos: t.pos}
	switch t.word {
	case "SELECT":
		p.next()
	case "WITH":
		p.fail(t.pos, "WITH inside a subquery is not run", "write it once, before the first SELECT")
	case "INSERT", "CREATE", "SET", "USE", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "ALTER", "DROP":
		p.fail(t.pos, t.word+" is not part of a query", "begin with SELECT; streams, tables and outputs are declared in the pipeline file")
	case "VALUES", "TABLE":
		p.fail(t.pos, t.word+" is not run", "begin with SELECT .. FROM a stream")
	default:
		if t.kind == tokEnd {
			p.fail(t.pos, "the query is empty", "write SELECT .. FROM a stream")
		}
		p.unexpected("SELECT")
	}
	if d := p.peek(); p.accept("DISTINCT") {
		p.refuse(d.pos, "SELECT DISTINCT is not run: it would have to remember every row", "declare `id:` on the stream, which makes one of events that repeat")
	} else {
		p.accept("ALL")
	}
	for {
		from := p.i
		ok := p.attempt(func() { s.Items = append(s.Items, p.item()) })
		if !ok {
			p.skipTo(from, ",", clauseStart)
		}
		if !p.acceptOp(",") {
			break
		}
	}
	if !p.accept("FROM") {
		t := p.peek()
		if t.kind == tokEnd || clauseStart[t.word] || t.isOp(")") {
			p.fail(t.pos, "FROM is missing", "write FROM and the stream to read")
		}
		p.unexpected("FROM")
	}
	s.From = p.tableRef()
	for p.join(s) {
	}
	if p.accept("WHERE") {
		from := p.i
		if !p.attempt(func() { s.Where = p.expression() }) {
			p.skipTo(from, "", clauseStart)
		}
	}
	p.groups(s)
	p.tail()
	return s
}

// groups reads what follows WHERE and is run: GROUP BY, HAVING, QUALIFY.
func (p *parser) groups(s *selectStmt) {
	if p.accept("GROUP", "BY") {
		from := p.i
		if w := p.peek(); w.word == "CUBE" || w.word == "ROLLUP" || w.word == "GROUPING" {
			p.fail(w.pos, "GROUP BY "+w.word+" is not run", "write one SELECT for each set of columns, with UNION ALL between")
		}
		if !p.attempt(func() { s.GroupBy = p.list() }) {
			p.skipTo(from, "", clauseStart)
		}
	}
	for _, clause := range []struct {
		word string
		to   *expression
	}{{"HAVING", &s.Having}, {"QUALIFY", &s.Qualify}} {
		if p.accept(clause.word) {
			from := p.i
			if !p.attempt(func() { *clause.to = p.expression() }) {
				p.skipTo(from, "", clauseStart)
			}
		}
	}
}

// with reads the names that a query gives to subqueries before its first SELECT.
func (p *parser) with(q *query) {
	if !p.accept("WITH") {
		return
	}
	if t := p.peek(); t.word == "RECURSIVE" && p.ahead(1).kind == tokName {
		p.fail(t.pos, "WITH RECURSIVE is not run: it has no end", "join the stream with itself, as often as needed")
	}
	for {
		t := p.peek()
		if t.kind != tokQuoted && (t.kind != tokName || reserved[t.word]) {
			p.unexpected("the name of a subquery")
		}
		p.next()
		if p.peek().isOp("(") {
			p.fail(p.peek().pos, "a list of column names behind a name of WITH is not run", "name the columns in its select list with AS")
		}
		p.expect("AS")
		p.expectOp("(")
		q.With = append(q.With, &cte{t.pos, t.text, p.subselect()})
		if !p.acceptOp(",") {
			return
		}
	}
}

// item is an entry of the select list.
func (p *parser) item() item {
	t := p.peek()
	it := item{Pos: t.pos}
	if p.acceptOp("*") {
		it.Star = true
		return it
	}
	if (t.kind == tokQuoted || t.kind == tokName) && p.ahead(1).isOp(".") && p.ahead(2).isOp("*") {
		p.i += 3
		it.Star, it.Of = true, t.text
		return it
	}
	if t.word == "FROM" || t.kind == tokEnd {
		p.fail(t.pos, fmt.Sprintf("expected a column, found %s", t), "a comma too many, or nothing selected")
	}
	it.X = p.expression()
	it.Alias = p.alias()
	return it
}

// alias is [AS] name, or "".
func (p *parser) alias() string {
	as := p.accept("AS")
	t := p.peek()
	if t.kind == tokQuoted || t.kind == tokName && !reserved[t.word] {
		p.next()
		if t.text == "" {
			p.fail(t.pos, "an empty name", "")
		}
		return t.text
	}
	if as {
		if t.kind == tokName {
			p.next()
			p.fail(t.pos, fmt.Sprintf("%s is a word of SQL and cannot be a bare name", t.word), "write `"+t.text+"`")
		}
		p.unexpected("a name")
	}
	return ""
}

// tail refuses what may follow WHERE, one clause after another.
func (p *parser) tail() {
	for {
		t := p.peek()
		c, ok := refusedClauses[t.word]
		if !ok {
			return
		}
		p.refuse(t.pos, c.message, c.hint)
		p.next()
		p.skipTo(p.i, "", clauseStart)
	}
}
