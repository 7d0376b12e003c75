package sql

import (
	"fmt"
	"strings"
)

// timeUnits are those of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF; each function says which of them
// it takes.
var timeUnits = set(`YEAR QUARTER MONTH WEEK DAY DOW ISODOW DOY HOUR MINUTE SECOND MILLISECOND MICROSECOND NANOSECOND EPOCH ISOYEAR
	DECADE CENTURY MILLENNIUM`)

func (p *parser) unit() string {
	t := p.peek()
	w := t.word
	if t.kind == tokText {
		w = upper(t.text)
	}
	if w = strings.TrimPrefix(w, "SQL_TSI_"); !timeUnits[w] {
		w = strings.TrimSuffix(w, "S")
	}
	if t.kind != tokName || !timeUnits[w] {
		hint := "a unit is a bare word: YEAR, MONTH, DAY, HOUR, MINUTE, SECOND"
		if near := nearest(w, sortedKeys(timeUnits)); near != "" && !timeUnits[w] {
			hint = "did you mean " + near + "?"
		}
		p.fail(t.pos, fmt.Sprintf("expected a unit of time, found %s", t), hint)
	}
	p.next()
	return w
}

func (p *parser) function() expression {
	t := p.next()
	p.next()
	c := call{Pos: t.pos, Name: t.word}
	if s, ok := synonyms[c.Name]; ok {
		c.Name = s
	}
	switch c.Name {
	case "EXTRACT":
		c.Unit = p.unit()
		p.expect("FROM")
		c.Args = []expression{p.expression()}
	case "TIMESTAMPADD", "TIMESTAMPDIFF":
		c.Unit = p.unit()
		p.expectOp(",")
		c.Args = []expression{p.expression()}
		p.expectOp(",")
		c.Args = append(c.Args, p.expression())
	case "FLOOR", "CEIL":
		c.Args = []expression{p.expression()}
		if p.accept("TO") {
			c.Unit = p.unit()
		} else {
			p.arguments(&c)
		}
	case "TRIM":
		p.trim(&c)
	case "SUBSTRING":
		c.Args = []expression{p.expression()}
		if p.accept("FROM") {
			c.Args = append(c.Args, p.expression())
			if p.accept("FOR") {
				c.Args = append(c.Args, p.expression())
			}
		} else {
			p.arguments(&c)
		}
	case "POSITION":
		// IN would be read as the start of a list.
		c.Args = []expression{p.sum()}
		p.expect("IN")
		c.Args = append(c.Args, p.sum())
		if f := p.peek(); p.accept("FROM") {
			p.fail(f.pos, "POSITION with FROM is not run", "search in SUBSTRING(s FROM n)")
		}
	case "JSON_VALUE":
		return p.jsonValue(t)
	default:
		if c.Distinct = p.accept("DISTINCT"); !c.Distinct {
			p.accept("ALL")
		}
		if p.peek().isOp("*") && p.ahead(1).isOp(")") {
			p.next()
			c.Star = true
		} else if !p.peek().isOp(")") {
			c.Args = []expression{p.expression()}
			p.arguments(&c)
		}
	}
	p.nulls(&c)
	if o := p.peek(); p.accept("ORDER", "BY") {
		p.fail(o.pos, "ORDER BY inside "+c.Name+" is not run", "leave it out: values come in the order of the event time of the stream that they are of")
	}
	p.expectOp(")")
	p.behind(&c)
	return c
}

// nulls reads IGNORE NULLS or RESPECT NULLS.
func (p *parser) nulls(c *call) {
	if t := p.peek(); (t.word == "IGNORE" || t.word == "RESPECT") && p.ahead(1).word == "NULLS" {
		p.i += 2
		c.Nulls = t.word
	}
}

// arguments reads the arguments behind the first.
func (p *parser) arguments(c *call) {
	for p.acceptOp(",") {
		c.Args = append(c.Args, p.expression())
	}
}

func (p *parser) trim(c *call) {
	c.Unit = "BOTH"
	side := false
	switch w := p.peek().word; w {
	case "BOTH", "LEADING", "TRAILING":
		p.next()
		c.Unit, side = w, true
	}
	if side && p.accept("FROM") {
		c.Args = []expression{p.expression()}
		return
	}
	first := p.expression()
	if p.accept("FROM") {
		c.Args = []expression{p.expression(), first}
		return
	}
	if side {
		p.unexpected("FROM")
	}
	if p.peek().isOp(",") {
		p.fail(p.peek().pos, "TRIM takes its characters before FROM", "write TRIM(BOTH 'x' FROM s)")
	}
	c.Args = []expression{first}
}

// behind reads what may stand behind the closing parenthesis of an aggregate or a window function.
func (p *parser) behind(c *call) {
	for {
		t := p.peek()
		switch {
		case p.accept("OVER"):
			c.Over = p.over(t.pos)
		case t.word == "FILTER" && p.ahead(1).isOp("("):
			p.i += 2
			p.expect("WHERE")
			c.Filter = p.expression()
			p.expectOp(")")
		case t.word == "WITHIN" && p.ahead(1).word == "GROUP":
			p.refuse(t.pos, "WITHIN GROUP is not run", "leave it out: values come in the order of the event time of the stream that they are of")
			p.i += 2
			if p.peek().isOp("(") {
				p.skipParens()
			}
		case (t.word == "IGNORE" || t.word == "RESPECT") && p.ahead(1).word == "NULLS":
			p.nulls(c)
		default:
			return
		}
	}
}

func (p *parser) over(at Pos) *overClause {
	o := &overClause{Pos: at}
	if !p.peek().isOp("(") {
		p.fail(p.peek().pos, "OVER with the name of a window is not run", "write OVER (PARTITION BY .. ORDER BY ..)")
	}
	p.next()
	if p.accept("PARTITION", "BY") {
		o.Partition = p.list()
	}
	if p.accept("ORDER", "BY") {
		for {
			it := orderItem{X: p.expression()}
			if it.Desc = p.accept("DESC"); !it.Desc {
				p.accept("ASC")
			}
			if n := p.ahead(1); p.peek().word == "NULLS" && (n.word == "FIRST" || n.word == "LAST") {
				p.i += 2
				it.Nulls = n.word
			}
			o.Order = append(o.Order, it)
			if !p.acceptOp(",") {
				break
			}
		}
	}
	if t := p.peek(); t.word == "ROWS" || t.word == "RANGE" || t.word == "GROUPS" {
		p.fail(t.pos, "a frame ("+t.word+" ..) is not run", "ROW_NUMBER() takes none")
	}
	p.expectOp(")")
	return o
}

// list is expressions between commas.
func (p *parser) list() []expression {
	out := []expression{p.expression()}
	for p.acceptOp(",") {
		out = append(out, p.expression())
	}
	return out
}

func (p *parser) jsonValue(t token) expression {
	j := jsonValue{Pos: t.pos, X: p.expression()}
	p.expectOp(",")
	path := p.peek()
	if path.kind != tokText {
		p.fail(path.pos, fmt.Sprintf("expected the path as a text, found %s", path), "write JSON_VALUE(s, '$.a')")
	}
	p.next()
	j.Path = path.text
	if p.accept("RETURNING") {
		to := p.typeName()
		j.Returning = &to
	}
	for {
		t := p.peek()
		d := &jsonDefault{}
		switch {
		case p.accept("NULL"):
			d.X = nullLit{t.pos}
		case p.accept("ERROR"):
			d.Error = true
		case p.accept("DEFAULT"):
			d.X = p.sum()
		default:
			p.expectOp(")")
			return j
		}
		p.expect("ON")
		switch w := p.peek(); {
		case p.accept("EMPTY"):
			if j.OnEmpty != nil || j.OnError != nil {
				p.fail(w.pos, "ON EMPTY stands once, before ON ERROR", "")
			}
			j.OnEmpty = d
		case p.accept("ERROR"):
			if j.OnError != nil {
				p.fail(w.pos, "ON ERROR stands once", "")
			}
			j.OnError = d
		default:
			p.unexpected("EMPTY or ERROR")
		}
	}
}
