package sql

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pos is a place in the query: line and column count from 1, columns in code points.
type Pos struct{ Line, Column int }

func (p Pos) at() Pos { return p }

// Problem is something wrong, or questionable, in a query.
type Problem struct {
	Line, Column int
	Message      string
	// Hint is what to write instead, or "".
	Hint string
	// Warning marks a finding that does not stop a run.
	Warning bool
}

// String is "line:column: message".
func (p Problem) String() string { return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message) }

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokName             // a bare name or keyword
	tokQuoted           // `name`
	tokNumber
	tokText  // 'text'
	tokBytes // X'0A'
	tokOp
)

type token struct {
	kind tokenKind
	// text is what it stands for: a name, the characters between the quotes, an operator.
	text string
	// word is a bare name in upper case, by which keywords are known; else "".
	word string
	pos  Pos
}

func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end of the query"
	case tokText:
		return "'" + shorten(t.text) + "'"
	case tokQuoted:
		return "`" + shorten(t.text) + "`"
	}
	return shorten(t.text)
}

func shorten(s string) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if r := []rune(s); len(r) > 30 {
		return string(r[:27]) + "..."
	}
	return s
}

// maxTokens and maxNesting keep a hostile query from using up memory or the stack; maxChain does for a row of
// operators, which makes a tree as deep as it is long.
const (
	maxTokens  = 50_000
	maxNesting = 100
	maxChain   = 5_000
)

type lexer struct {
	src      []rune
	i        int
	pos      Pos
	tokens   []token
	problems []Problem
}

// lex cuts the text into tokens, the last of which is tokEnd.
func lex(text string) ([]token, []Problem) {
	l := &lexer{pos: Pos{1, 1}}
	if !utf8.ValidString(text) {
		for i, r := range text {
			if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
				break
			}
			l.step(r)
		}
		l.problem(l.pos, "the query is not UTF-8 text", "save the file as UTF-8")
		return []token{{kind: tokEnd, pos: l.pos}}, l.problems
	}
	l.src = []rune(text)
	for l.space() {
		l.token()
		if len(l.tokens) >= maxTokens {
			l.problem(l.pos, fmt.Sprintf("the query has more than %d words", maxTokens), "put long lists into a table and join it")
			break
		}
	}
	return append(l.tokens, token{kind: tokEnd, pos: l.pos}), l.problems
}

func (l *lexer) problem(at Pos, message, hint string) {
	l.problems = append(l.problems, Problem{Line: at.Line, Column: at.Column, Message: message, Hint: hint})
}

func (l *lexer) step(r rune) {
	if r == '\n' {
		l.pos.Line++
		l.pos.Column = 0
	}
	l.pos.Column++
}

func (l *lexer) peek(n int) rune {
	if l.i+n < len(l.src) {
		return l.src[l.i+n]
	}
	return 0
}

func (l *lexer) skip(n int) {
	for ; n > 0 && l.i < len(l.src); n-- {
		l.step(l.src[l.i])
		l.i++
	}
}

// space skips blanks and comments and reports whether something follows.
func (l *lexer) space() bool {
	for l.i < len(l.src) {
		switch r := l.src[l.i]; {
		case unicode.IsSpace(r) || r == '\uFEFF':
			l.skip(1)
		case r == '-' && l.peek(1) == '-':
			for l.i < len(l.src) && l.src[l.i] != '\n' {
				l.skip(1)
			}
		case r == '/' && l.peek(1) == '*':
			l.comment()
		default:
			return true
		}
	}
	return false
}

func (l *lexer) comment() {
	start := l.pos
	if l.peek(2) == '+' {
		l.problem(start, "query hints /*+ .. */ are not used", "leave the hint out")
		l.problems[len(l.problems)-1].Warning = true
	}
	l.skip(2)
	for l.i < len(l.src) {
		if l.src[l.i] == '*' && l.peek(1) == '/' {
			l.skip(2)
			return
		}
		l.skip(1)
	}
	l.problem(start, "comment without an end", "close it with */")
}

func nameStart(r rune) bool { return r == '_' || unicode.IsLetter(r) }

func namePart(r rune) bool {
	return nameStart(r) || r == '$' || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

func (l *lexer) token() {
	start, r := l.pos, l.src[l.i]
	add := func(k tokenKind, text string) { l.tokens = append(l.tokens, token{kind: k, text: text, pos: start}) }
	switch {
	case (r == 'X' || r == 'x') && l.peek(1) == '\'':
		l.skip(1)
		add(tokBytes, l.quoted('\'', "binary literal"))
	case nameStart(r):
		from := l.i
		for l.i < len(l.src) && namePart(l.src[l.i]) {
			l.skip(1)
		}
		add(tokName, string(l.src[from:l.i]))
		l.tokens[len(l.tokens)-1].word = upper(string(l.src[from:l.i]))
	case digit(r), r == '.' && digit(l.peek(1)):
		add(tokNumber, l.number())
	case r == '\'':
		add(tokText, l.quoted('\'', "text"))
	case r == '`':
		add(tokQuoted, l.quoted('`', "name"))
	case r == '"':
		name := l.quoted('"', "name")
		l.problem(start, fmt.Sprintf("double quotes around %s: engines disagree whether they hold a name or a text", shorten(name)),
			"write `"+name+"` for a column, '"+strings.ReplaceAll(name, "'", "''")+"' for a text")
		add(tokQuoted, name)
	default:
		for _, op := range []string{"<=>", "<>", "!=", "<=", ">=", "||", "==", "::", "=>", "->"} {
			if strings.HasPrefix(string(l.src[l.i:min(l.i+3, len(l.src))]), op) {
				l.skip(len(op))
				add(tokOp, op)
				return
			}
		}
		l.skip(1)
		if !strings.ContainsRune("+-*/%=<>(),.;[]", r) {
			l.problem(start, fmt.Sprintf("unexpected character %q", r), unexpectedHint(r))
			for l.i < len(l.src) && l.peek(0) == r { // one problem for many
				l.skip(1)
			}
			return
		}
		add(tokOp, string(r))
	}
}

func unexpectedHint(r rune) string {
	switch r {
	case '\u2018', '\u2019', '\u201C', '\u201D':
		return "write the straight quote ' around a text"
	case '?', ':':
		return "a query has no parameters: write the value, or ${VAR} from the environment"
	}
	return ""
}

// quoted reads up to the closing quote; a doubled quote stands for itself.
func (l *lexer) quoted(q rune, what string) string {
	start := l.pos
	var b strings.Builder
	l.skip(1)
	for l.i < len(l.src) {
		r := l.src[l.i]
		if r == q {
			if l.peek(1) != q {
				l.skip(1)
				return b.String()
			}
			l.skip(1)
		}
		b.WriteRune(r)
		l.skip(1)
	}
	l.problem(start, what+" without a closing quote", "close it with "+string(q))
	return b.String()
}

func (l *lexer) number() string {
	start, from := l.pos, l.i
	digits := func() {
		for digit(l.peek(0)) {
			l.skip(1)
		}
	}
	digits()
	if l.peek(0) == '.' {
		l.skip(1)
		digits()
	}
	if r := l.peek(0); r == 'e' || r == 'E' {
		n := 1
		if s := l.peek(1); s == '+' || s == '-' {
			n = 2
		}
		if digit(l.peek(n)) {
			l.skip(n)
			digits()
		}
	}
	text := string(l.src[from:l.i])
	if nameStart(l.peek(0)) {
		for namePart(l.peek(0)) {
			l.skip(1)
		}
		l.problem(start, fmt.Sprintf("%s is neither a number nor a name", shorten(string(l.src[from:l.i]))),
			"a number has no suffix (write CAST(1 AS BIGINT)); put `..` around a name that begins with a digit")
	}
	return text
}

// upper folds ASCII letters only, so that no other letter turns into a keyword.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
