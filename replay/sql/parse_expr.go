package sql

import (
	"fmt"
	"strings"
)

// The levels bind as in ANSI SQL and Flink, loosest first: OR, AND, NOT, IS [NOT] NULL|TRUE|FALSE|UNKNOWN,
// comparison and IS [NOT] DISTINCT FROM, BETWEEN/IN/LIKE, + -, * / % ||, sign, [ ] and field.

func (p *parser) expression() expression {
	p.nest()
	defer p.unnest()
	return p.chain(p.and, "OR")
}

func (p *parser) and() expression { return p.chain(p.not, "AND") }

func (p *parser) chain(operand func() expression, word string) expression {
	x := operand()
	for n := 0; ; n++ {
		t := p.peek()
		if !p.accept(word) {
			return x
		}
		p.long(n, t)
		x = binary{t.pos, word, x, operand()}
	}
}

func (p *parser) long(n int, t token) {
	if n > maxChain {
		p.fail(t.pos, fmt.Sprintf("more than %d operators in a row", maxChain), "put long lists into a table and join it, or write x IN (..)")
	}
}

func (p *parser) not() expression {
	if t := p.peek(); p.accept("NOT") {
		p.nest()
		defer p.unnest()
		return unary{t.pos, "NOT", p.not()}
	}
	return p.is()
}

func (p *parser) is() expression {
	x := p.comparison()
	for n := 0; ; n++ {
		t := p.peek()
		if t.word == "ISNULL" || t.word == "NOTNULL" {
			p.fail(t.pos, t.word+" is not known", "write IS NULL or IS NOT NULL")
		}
		if t.word != "IS" {
			return x
		}
		p.long(n, t)
		p.next()
		what := "IS "
		if p.accept("NOT") {
			what = "IS NOT "
		}
		switch w := p.peek(); w.word {
		case "NULL", "TRUE", "FALSE", "UNKNOWN":
			p.next()
			x = isTest{t.pos, what + w.word, x}
		case "DISTINCT":
			p.fail(t.pos, "IS DISTINCT FROM behind another IS", "put parentheses around the first")
		default:
			p.unexpected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")
		}
	}
}

func (p *parser) comparison() expression {
	x := p.predicate()
	for n := 0; ; n++ {
		t := p.peek()
		op := t.text
		switch {
		case t.kind == tokOp && (op == "=" || op == "<>" || op == "<" || op == "<=" || op == ">" || op == ">="):
			p.next()
		case t.isOp("!="):
			p.next()
			op = "<>"
		case t.isOp("=="):
			p.refuse(t.pos, "== is not an operator", "write = to compare")
			p.next()
			op = "="
		case t.isOp("<=>"):
			p.refuse(t.pos, "<=> is not an operator here", "write IS NOT DISTINCT FROM")
			p.next()
			op = "="
		case p.accept("IS", "DISTINCT", "FROM"):
			op = "IS DISTINCT FROM"
		case p.accept("IS", "NOT", "DISTINCT", "FROM"):
			op = "IS NOT DISTINCT FROM"
		default:
			return x
		}
		p.long(n, t)
		if w := p.peek(); (w.word == "ANY" || w.word == "SOME" || w.word == "ALL") && p.ahead(1).isOp("(") {
			p.refuse(w.pos, w.word+" is not run", "write x IN (..)")
			p.next()
		}
		x = binary{t.pos, op, x, p.predicate()}
	}
}

func (p *parser) predicate() expression {
	x := p.sum()
	for n := 0; ; n++ {
		t := p.peek()
		not := t.word == "NOT"
		if not {
			switch p.ahead(1).word {
			case "BETWEEN", "IN", "LIKE", "ILIKE", "RLIKE", "REGEXP", "SIMILAR":
				p.next()
			default:
				return x
			}
		}
		p.long(n, t)
		switch w := p.peek(); {
		case p.accept("BETWEEN"):
			if s := p.peek(); p.accept("SYMMETRIC") {
				p.refuse(s.pos, "BETWEEN SYMMETRIC is not run", "write BETWEEN LEAST(a, b) AND GREATEST(a, b)")
			}
			p.accept("ASYMMETRIC")
			lo := p.sum()
			p.expect("AND")
			x = between{t.pos, not, x, lo, p.sum()}
		case p.accept("IN"):
			p.expectOp("(")
			if s := p.peek(); s.word == "SELECT" || s.word == "WITH" {
				if not {
					p.subquery(w.pos, "NOT IN with a subquery", "write NOT EXISTS (SELECT 1 FROM .. WHERE ..): NOT IN is never TRUE once the subquery has a NULL")
					x = refused{t.pos}
					continue
				}
				x = exists{t.pos, x, p.subselect()}
				continue
			}
			in := inList{Pos: t.pos, Not: not, X: x}
			for {
				in.List = append(in.List, p.expression())
				if !p.acceptOp(",") {
					break
				}
			}
			p.expectOp(")")
			x = in
		case p.accept("LIKE"):
			l := like{Pos: t.pos, Not: not, X: x, Pattern: p.sum()}
			if p.accept("ESCAPE") {
				l.Escape = p.sum()
			}
			x = l
		case w.word == "ILIKE":
			p.fail(w.pos, "ILIKE is not run", "write LOWER(s) LIKE 'a%'")
		case w.word == "RLIKE", w.word == "REGEXP":
			p.fail(w.pos, w.word+" is not run", "write "+elsewhere["RLIKE"])
		case w.word == "SIMILAR":
			p.fail(w.pos, "SIMILAR TO is not run", "write LIKE, or "+elsewhere["RLIKE"])
		default:
			return x
		}
	}
}

// subquery reports a subquery whose opening parenthesis was read, and moves behind it.
func (p *parser) subquery(at Pos, what, hint string) {
	p.refuse(at, what+" is not run", hint)
	p.i--
	for !p.peek().isOp("(") {
		p.i--
	}
	p.skipParens()
}

// subselect reads the one SELECT of a subquery whose opening parenthesis was read, and the closing one.
func (p *parser) subselect() *selectStmt {
	p.nest()
	defer p.unnest()
	from := p.i
	s := p.selectStmt()
	if t := p.peek(); t.word == "UNION" {
		p.fail(t.pos, "UNION in a subquery is not run", "write UNION ALL between whole SELECTs")
	}
	if s.From == nil {
		p.i = from
		p.unexpected("FROM")
	}
	p.expectOp(")")
	return s
}

func (p *parser) sum() expression { return p.operators(p.product, "+", "-") }

func (p *parser) product() expression { return p.operators(p.sign, "*", "/", "%", "||") }

func (p *parser) operators(operand func() expression, ops ...string) expression {
	x := operand()
	for n := 0; ; n++ {
		t := p.peek()
		found := false
		for _, op := range ops {
			found = found || t.isOp(op)
		}
		if !found {
			return x
		}
		p.long(n, t)
		p.next()
		x = binary{t.pos, t.text, x, operand()}
	}
}

func (p *parser) sign() expression {
	t := p.peek()
	if t.isOp("-") || t.isOp("+") {
		p.next()
		p.nest()
		defer p.unnest()
		return unary{t.pos, t.text, p.sign()}
	}
	x := p.primary()
	for n := 0; ; n++ {
		t := p.peek()
		p.long(n, t)
		switch {
		case p.acceptOp("["):
			i := p.expression()
			p.expectOp("]")
			x = elementOf{t.pos, x, i}
		case p.acceptOp("."):
			x = fieldOf{t.pos, x, p.fieldName()}
		case t.isOp("::"):
			p.fail(t.pos, ":: is not an operator here", "write CAST(x AS type)")
		default:
			return x
		}
	}
}

func (p *parser) fieldName() string {
	t := p.peek()
	if t.kind != tokName && t.kind != tokQuoted {
		if t.isOp("*") {
			p.fail(t.pos, "* stands for columns, not for a value", "name the column")
		}
		p.unexpected("the name of a column or a field")
	}
	p.next()
	return t.text
}

func (p *parser) primary() expression {
	t := p.peek()
	switch t.kind {
	case tokNumber:
		p.next()
		return numberLit{t.pos, t.text}
	case tokText:
		p.next()
		return textLit{t.pos, t.text}
	case tokBytes:
		p.next()
		return bytesLit{t.pos, t.text}
	case tokQuoted:
		return p.column()
	case tokOp:
		if t.isOp("(") {
			return p.parens()
		}
	case tokName:
		return p.word(t)
	}
	p.unexpected("an expression")
	return nil
}

func (p *parser) parens() expression {
	from := p.i
	t := p.next()
	if w := p.peek(); w.word == "SELECT" || w.word == "WITH" {
		p.subquery(t.pos, "a subquery as a value", "join the stream or table, and use its columns")
		return refused{t.pos}
	}
	x := p.expression()
	if c := p.peek(); c.isOp(",") {
		p.refuse(t.pos, "a row (a, b) is not a value here", "compare the columns one by one: a = c AND b = d")
		p.i = from
		p.skipParens()
		return refused{t.pos}
	}
	p.expectOp(")")
	after := p.ahead(1)
	if u := p.peek(); intervalUnits[u.word] != 0 && (after.word == "TO" || after.kind == tokOp && !after.isOp(",") && !after.isOp(")")) {
		p.fail(u.pos, "a difference of times has no value of its own", "write TIMESTAMPDIFF("+strings.TrimSuffix(u.word, "S")+", a, b), or compare: b > a + INTERVAL '1' HOUR")
	}
	return x
}

// word reads what begins with a bare name: a literal, a construct of its own, a function or a column.
func (p *parser) word(t token) expression {
	after := p.ahead(1)
	switch t.word {
	case "NULL":
		p.next()
		return nullLit{t.pos}
	case "TRUE", "FALSE":
		p.next()
		return boolLit{t.pos, t.word == "TRUE"}
	case "CASE":
		return p.caseExpr()
	case "CAST", "TRY_CAST":
		return p.cast()
	case "INTERVAL":
		return p.interval()
	case "DATE", "TIMESTAMP":
		if after.kind == tokText {
			p.next()
			return timeLit{t.pos, t.word, p.next().text}
		}
	case "TIME", "TIMESTAMP_LTZ":
		if after.kind == tokText {
			p.fail(t.pos, t.word+" literals are not run", "write TIMESTAMP '2024-02-29 12:34:56' or DATE '2024-02-29'; times are UTC")
		}
	case "ARRAY", "MAP":
		if after.isOp("[") {
			p.fail(t.pos, t.word+"[..] is not run yet: arrays and maps pass through, none is built", "select the elements as columns")
		}
	case "ROW":
		if after.isOp("(") {
			p.fail(t.pos, "ROW(..) is not run yet: rows pass through, none is built", "select the fields as columns")
		}
	case "EXISTS":
		p.next()
		if p.acceptOp("(") {
			return exists{t.pos, nil, p.subselect()}
		}
		p.i--
	}
	if after.isOp("(") && (!reserved[t.word] || t.word == "LEFT" || t.word == "RIGHT") {
		return p.function()
	}
	if reserved[t.word] {
		p.unexpected("an expression")
	}
	return p.column()
}

func (p *parser) column() expression {
	t := p.next()
	c := columnRef{t.pos, []string{t.text}}
	if t.kind == tokName && bareClock[t.word] && !p.peek().isOp(".") {
		message, hint := unknownFunction(t.text, nil)
		p.refuse(t.pos, message, hint)
		return refused{t.pos}
	}
	for p.peek().isOp(".") {
		p.next()
		c.Parts = append(c.Parts, p.fieldName())
	}
	if p.peek().isOp("(") {
		p.refuse(t.pos, fmt.Sprintf("function %s is not known", strings.Join(c.Parts, ".")), "docs/sql.md lists the functions; functions of your own are not run")
		p.skipParens()
		return refused{t.pos}
	}
	return c
}

func (p *parser) caseExpr() expression {
	t := p.next()
	c := caseExpr{Pos: t.pos}
	if p.peek().word != "WHEN" {
		c.Operand = p.expression()
	}
	for p.accept("WHEN") {
		c.Whens = append(c.Whens, p.expression())
		if p.peek().isOp(",") {
			p.fail(p.peek().pos, "several values behind one WHEN", "write one WHEN for each, or CASE WHEN x IN (1, 2) THEN")
		}
		p.expect("THEN")
		c.Thens = append(c.Thens, p.expression())
	}
	if c.Whens == nil {
		p.unexpected("WHEN")
	}
	if p.accept("ELSE") {
		c.Else = p.expression()
	}
	p.expect("END")
	return c
}

func (p *parser) cast() expression {
	t := p.next()
	c := castExpr{Pos: t.pos, Try: t.word == "TRY_CAST"}
	p.expectOp("(")
	c.X = p.expression()
	p.expect("AS")
	c.To = p.typeName()
	if f := p.peek(); p.accept("FORMAT") {
		p.fail(f.pos, "CAST .. FORMAT is not run", "write DATE_FORMAT(t, 'yyyy-MM-dd') for text; parse with SUBSTRING and CAST")
	}
	p.expectOp(")")
	return c
}
