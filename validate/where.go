package validate

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The grammar of --where:
//
//	or      = and { OR and }
//	and     = not { AND not }
//	not     = NOT not | "(" or ")" | test
//	test    = column ( op literal | IS [NOT] NULL | [NOT] IN "(" literal { "," literal } ")" | [NOT] BETWEEN literal AND literal )
//	op      = "=" | "<>" | "!=" | "<" | "<=" | ">" | ">="
//	literal = 'text' | number | TRUE | FALSE | NULL | DATE 'text' | TIMESTAMP 'text'
//	column  = name { "." name } | "quoted name"
//
// Logic has three values: a row is kept where the whole is true. Numbers compare by their exact value, whatever
// the column's type; a date or time is written as text.

// filter is a parsed --where, bound to columns common to both sides.
type filter struct {
	cols []column
	root *cond
}

type condKind uint8

const (
	condAnd condKind = iota
	condOr
	condNot
	condIsNull
	condCompare
	condIn
)

// cond is a node of the condition.
type cond struct {
	kind condKind
	kids []*cond
	col  int
	op   string
	lits []literal
}

// literal is a value to compare with: as a cell of the column's type, as an exact number, or as a float.
type literal struct {
	null bool
	text string
	num  bool
	cell []byte // what cells of the column are compared with
	f    float64
}

// tri is a truth value: 0 false, 1 unknown, 2 true.
type tri uint8

type whereParser struct {
	s    string
	at   int
	tok  string // the token, keywords in upper case
	raw  string
	kind byte // 'w'ord, 'q'uoted name, 's'tring, '0' number, punctuation, 0 at the end
	from int
	plan func(name string) (column, bool)
	f    *filter
}

const maxWhereDepth = 200

func (p *plan) newFilter(s string) (*filter, error) {
	w := &whereParser{s: s, f: &filter{}, plan: p.lookup}
	err := w.next()
	var c *cond
	if err == nil {
		c, err = w.or(0)
	}
	if err == nil && w.kind != 0 {
		err = w.fail("%q does not belong here", w.raw)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("--where: %w", err), "write conditions such as country = 'DE' AND (qty > 1 OR note IS NULL) AND plan IN ('a', 'b')")
	}
	w.f.root = c
	return w.f, nil
}

func (w *whereParser) fail(format string, args ...any) error {
	return fmt.Errorf("column %d: %s", w.from+1, fmt.Sprintf(format, args...))
}

func (w *whereParser) next() error {
	for w.at < len(w.s) && strings.IndexByte(" \t\r\n", w.s[w.at]) >= 0 {
		w.at++
	}
	w.from = w.at
	if w.at >= len(w.s) {
		w.kind, w.tok, w.raw = 0, "", "the end"
		return nil
	}
	c, size := utf8.DecodeRuneInString(w.s[w.at:])
	switch {
	case c == '\'' || c == '"':
		var b strings.Builder
		for i := w.at + 1; ; i++ {
			if i >= len(w.s) {
				return w.fail("a quote does not end")
			}
			if w.s[i] == byte(c) {
				if i+1 < len(w.s) && w.s[i+1] == byte(c) {
					i++
				} else {
					w.at = i + 1
					break
				}
			}
			b.WriteByte(w.s[i])
		}
		w.raw, w.tok, w.kind = b.String(), b.String(), 's'
		if c == '"' {
			w.kind = 'q'
		}
		return nil
	case c >= '0' && c <= '9' || (c == '-' || c == '+' || c == '.') && w.at+1 < len(w.s) && strings.IndexByte("0123456789.", w.s[w.at+1]) >= 0:
		i := w.at + 1
		for i < len(w.s) && (strings.IndexByte("0123456789.eE", w.s[i]) >= 0 || strings.IndexByte("+-", w.s[i]) >= 0 && strings.IndexByte("eE", w.s[i-1]) >= 0) {
			i++
		}
		w.raw, w.kind = w.s[w.at:i], '0'
		w.tok, w.at = w.raw, i
		if _, err := parseNumber(nil, []byte(w.raw)); err != nil {
			return w.fail("%v", err)
		}
		return nil
	case unicode.IsLetter(c) || c == '_':
		i := w.at
		for i < len(w.s) {
			c, size := utf8.DecodeRuneInString(w.s[i:])
			if !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '.' && c != '$' {
				break
			}
			i += size
		}
		w.raw, w.kind = w.s[w.at:i], 'w'
		w.tok, w.at = strings.ToUpper(w.raw), i
		return nil
	}
	for _, op := range []string{"<=", ">=", "<>", "!=", "=", "<", ">", "(", ")", ","} {
		if strings.HasPrefix(w.s[w.at:], op) {
			w.tok, w.raw, w.kind = op, op, op[0]
			w.at += len(op)
			return nil
		}
	}
	return w.fail("%q is not understood", w.s[w.at:w.at+size])
}

func (w *whereParser) is(word string) bool { return w.kind == 'w' && w.tok == word }

func (w *whereParser) expect(word string) error {
	if w.tok != word || w.kind == 's' || w.kind == 'q' {
		return w.fail("%s is due, not %q", word, w.raw)
	}
	return w.next()
}

func (w *whereParser) chain(depth int, word string, kind condKind, sub func(int) (*cond, error)) (*cond, error) {
	c, err := sub(depth)
	if err != nil || !w.is(word) {
		return c, err
	}
	c = &cond{kind: kind, kids: []*cond{c}}
	for w.is(word) {
		if err := w.next(); err != nil {
			return nil, err
		}
		k, err := sub(depth)
		if err != nil {
			return nil, err
		}
		c.kids = append(c.kids, k)
	}
	return c, nil
}

func (w *whereParser) or(depth int) (*cond, error)  { return w.chain(depth, "OR", condOr, w.and) }
func (w *whereParser) and(depth int) (*cond, error) { return w.chain(depth, "AND", condAnd, w.not) }

func (w *whereParser) not(depth int) (*cond, error) {
	if depth > maxWhereDepth {
		return nil, w.fail("nested deeper than %d", maxWhereDepth)
	}
	switch {
	case w.is("NOT"):
		if err := w.next(); err != nil {
			return nil, err
		}
		c, err := w.not(depth + 1)
		return &cond{kind: condNot, kids: []*cond{c}}, err
	case w.kind == '(':
		if err := w.next(); err != nil {
			return nil, err
		}
		c, err := w.or(depth + 1)
		if err != nil {
			return nil, err
		}
		return c, w.expect(")")
	}
	return w.test()
}

func (w *whereParser) test() (*cond, error) {
	if w.kind != 'w' && w.kind != 'q' {
		return nil, w.fail("a column is due, not %q", w.raw)
	}
	name := w.raw
	c, ok := w.plan(name)
	if !ok {
		return nil, w.fail("the column %q is not on both sides", name)
	}
	var f findings
	c.common = resolve(c.types[0], c.types[1], c.label(), &f)
	if len(f.uncomparable) > 0 {
		return nil, &UncomparableError{f.uncomparable}
	}
	col := -1
	for i := range w.f.cols {
		if w.f.cols[i].label() == c.label() {
			col = i
		}
	}
	if col < 0 {
		col = len(w.f.cols)
		w.f.cols = append(w.f.cols, c)
	}
	if err := w.next(); err != nil {
		return nil, err
	}
	negate := func(c *cond, not bool) *cond {
		if not {
			return &cond{kind: condNot, kids: []*cond{c}}
		}
		return c
	}
	if w.is("IS") {
		if err := w.next(); err != nil {
			return nil, err
		}
		not := w.is("NOT")
		if not {
			if err := w.next(); err != nil {
				return nil, err
			}
		}
		return negate(&cond{kind: condIsNull, col: col}, not), w.expect("NULL")
	}
	not := w.is("NOT")
	if not {
		if err := w.next(); err != nil {
			return nil, err
		}
	}
	switch {
	case w.is("IN"):
		if err := w.next(); err != nil {
			return nil, err
		}
		if err := w.expect("("); err != nil {
			return nil, err
		}
		out := &cond{kind: condIn, col: col}
		for {
			l, err := w.literal(&c)
			if err != nil {
				return nil, err
			}
			out.lits = append(out.lits, l)
			if w.kind != ',' {
				return negate(out, not), w.expect(")")
			}
			if err := w.next(); err != nil {
				return nil, err
			}
		}
	case w.is("BETWEEN"):
		if err := w.next(); err != nil {
			return nil, err
		}
		lo, err := w.literal(&c)
		if err != nil {
			return nil, err
		}
		if err := w.expect("AND"); err != nil {
			return nil, err
		}
		hi, err := w.literal(&c)
		if err != nil {
			return nil, err
		}
		return negate(&cond{kind: condAnd, kids: []*cond{
			{kind: condCompare, col: col, op: ">=", lits: []literal{lo}},
			{kind: condCompare, col: col, op: "<=", lits: []literal{hi}}}}, not), nil
	case not:
		return nil, w.fail("IN or BETWEEN is due behind NOT, not %q", w.raw)
	case w.kind != '=' && w.kind != '<' && w.kind != '>' && w.kind != '!':
		return nil, w.fail("a comparison is due, not %q", w.raw)
	}
	op := w.tok
	if err := w.next(); err != nil {
		return nil, err
	}
	l, err := w.literal(&c)
	return &cond{kind: condCompare, col: col, op: op, lits: []literal{l}}, err
}

// literal reads a value and brings it into the column's type.
func (w *whereParser) literal(c *column) (literal, error) {
	l := literal{text: w.raw}
	t := &c.common
	number := t.kind == kInt || t.kind == kDecimal || t.kind == kNumber || t.kind == kFloat
	wrong := func() (literal, error) {
		return l, w.fail("%q cannot be compared with the column %q, which is %s", w.raw, c.label(), t)
	}
	var err error
	switch {
	case w.is("NULL"):
		l.null = true
	case w.is("TRUE") || w.is("FALSE"):
		if t.kind != kBool {
			return wrong()
		}
		v := int64(0)
		if w.is("TRUE") {
			v = 1
		}
		l.cell = appendCell(nil, t, v, nil)
	case w.kind == '0':
		if !number {
			return wrong()
		}
		l.num = true
		var raw []byte
		raw, err = parseNumber(nil, []byte(w.raw))
		l.cell = appendCell(nil, &typ{kind: kNumber}, 0, raw)
		if t.kind == kFloat {
			var scratch []byte
			parse, _ := parser(*t)
			i, _, perr := parse(0, []byte(w.raw), &scratch)
			l.f, err = math.Float64frombits(uint64(i)), perr
		}
	case w.kind == 's' || w.is("DATE") || w.is("TIMESTAMP") || w.is("TIME"):
		if w.kind == 'w' {
			if err := w.next(); err != nil {
				return l, err
			}
			if w.kind != 's' {
				return l, w.fail("a text is due, not %q", w.raw)
			}
			l.text = w.raw
		}
		switch {
		case t.kind == kText:
			l.cell = appendCell(nil, t, 0, []byte(w.raw))
		case t.kind == kTimestamp:
			sec, nano, ok := parseTimestamp(w.raw)
			if !ok {
				return wrong()
			}
			mixed := typ{kind: kTimestamp, unit: mixedUnit}
			raw := appendSecNanos(nil, sec, seconds)
			raw[8], raw[9], raw[10], raw[11] = byte(nano>>24), byte(nano>>16), byte(nano>>8), byte(nano)
			l.cell = appendCell(nil, &mixed, 0, raw)
		case t.kind == kDate || t.kind == kTime:
			parse, perr := parser(*t)
			if perr != nil {
				return wrong()
			}
			var scratch []byte
			i, b, perr := parse(0, []byte(w.raw), &scratch)
			if perr != nil {
				return wrong()
			}
			l.cell = appendCell(nil, t, i, b)
		default:
			return wrong()
		}
	default:
		return l, w.fail("a value is due, not %q", w.raw)
	}
	if err != nil {
		return l, w.fail("%v", err)
	}
	return l, w.next()
}

// eval says which rows of a block are kept; the filter's columns are wants from k on.
func (f *filter) eval(b *block, k int) ([]bool, error) {
	cells := make([][][]byte, len(f.cols)) // by column and row; nil is NULL
	for c := range f.cols {
		cells[c] = make([][]byte, b.n)
		t := &f.cols[c].common
		var arena []byte
		err := b.col(k+c, func(start int, v *vec) error {
			packed := 0
			for row := range v.n {
				if v.isNull(row) {
					continue
				}
				i, raw := v.at(packed)
				packed++
				at := len(arena)
				switch {
				case t.kind == kInt || t.kind == kDecimal:
					var err error
					arena = append(arena, 1)
					if arena, err = intNumber(arena, i, t.unsigned, -t.scale); err != nil {
						return err
					}
				case t.kind == kTimestamp && t.unit != mixedUnit:
					arena = appendSecNanos(append(arena, 1), i, t.unit)
				default:
					arena = appendCell(arena, t, i, raw)
				}
				cells[c][start+row] = append([]byte(nil), arena[at:]...)
				arena = arena[:0]
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	keep := make([]bool, b.n)
	for row := range keep {
		keep[row] = f.truth(f.root, cells, row) == 2
	}
	return keep, nil
}

func (f *filter) truth(c *cond, cells [][][]byte, row int) tri {
	switch c.kind {
	case condAnd:
		out := tri(2)
		for _, k := range c.kids {
			out = min(out, f.truth(k, cells, row))
		}
		return out
	case condOr:
		out := tri(0)
		for _, k := range c.kids {
			out = max(out, f.truth(k, cells, row))
		}
		return out
	case condNot:
		return 2 - f.truth(c.kids[0], cells, row)
	case condIsNull:
		if cells[c.col][row] == nil {
			return 2
		}
		return 0
	case condIn:
		out := tri(0)
		for i := range c.lits {
			out = max(out, f.compare(c.col, "=", &c.lits[i], cells[c.col][row]))
		}
		return out
	}
	return f.compare(c.col, c.op, &c.lits[0], cells[c.col][row])
}

func (f *filter) compare(col int, op string, l *literal, cell []byte) tri {
	if cell == nil || l.null {
		return 1
	}
	t := &f.cols[col].common
	order := 0
	if t.kind == kFloat {
		_, i, _, _ := cutCell(t, cell)
		x := math.Float64frombits(uint64(i))
		switch {
		case x != x: // NaN equals nothing that can be written, and is greater than all of it
			order = 1
		case x < l.f:
			order = -1
		case x > l.f:
			order = 1
		}
	} else {
		order = bytes.Compare(cell, l.cell)
	}
	ok := false
	switch op {
	case "=":
		ok = order == 0
	case "<>", "!=":
		ok = order != 0
	case "<":
		ok = order < 0
	case "<=":
		ok = order <= 0
	case ">":
		ok = order > 0
	case ">=":
		ok = order >= 0
	}
	if ok {
		return 2
	}
	return 0
}
