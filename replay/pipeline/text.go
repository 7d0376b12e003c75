package pipeline

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// position is a place in the file, from 1, columns in characters.
type position struct{ line, col int }

// located is text from the file that knows where each of its bytes stood there: block scalars are indented,
// quoted text has escapes, and variables were expanded.
type located struct {
	text string
	// at has an entry for each byte of text; where it is shorter, the last one holds.
	at    []position
	start position
}

// byteAt is where a byte of the text stood in the file.
func (l located) byteAt(offset int) position {
	if len(l.at) == 0 {
		return l.start
	}
	return l.at[min(max(offset, 0), len(l.at)-1)]
}

// lineAt is where a line and column of the text, from 1, stood in the file.
func (l located) lineAt(line, col int) position {
	rest, offset := l.text, 0
	for ; line > 1; line-- {
		nl := strings.IndexByte(rest, '\n')
		if nl < 0 {
			break
		}
		offset += nl + 1
		rest = rest[nl+1:]
	}
	for ; col > 1 && rest != "" && rest[0] != '\n'; col-- {
		_, n := utf8.DecodeRuneInString(rest)
		rest, offset = rest[n:], offset+n
	}
	if offset >= len(l.text) && offset > 0 { // the end: one behind the last character that is no space
		last := len(strings.TrimRight(l.text, " \t\n"))
		if last == 0 {
			return l.start
		}
		p := l.byteAt(last - 1)
		return position{p.line, p.col + 1}
	}
	return l.byteAt(offset)
}

// source is the file's text by line.
type source struct{ lines []string }

func newSource(text string) source { return source{strings.Split(text, "\n")} }

// locate finds where a scalar's bytes stand in the file: white space is taken to be wherever it likes, since
// YAML folds it, and everything else must come in order.
func (s source) locate(tok *token.Token, text string) located {
	start := tokenPosition(tok)
	out := located{text: text, start: start}
	if start.line < 1 || start.line > len(s.lines) {
		return out
	}
	line, col := start.line-1, start.col
	rest := skipRunes(s.lines[line], col-1)
	quote := byte(0)
	switch tok.Type {
	case token.SingleQuoteType, token.DoubleQuoteType:
		if rest == "" {
			return out
		}
		quote = rest[0]
		rest, col = rest[1:], col+1
	case token.LiteralType, token.FoldedType:
		line, col = line+1, 1
		if line >= len(s.lines) {
			return out
		}
		rest = s.lines[line]
	}
	out.at = make([]position, 0, len(text))
	skip := func() { // to the next character that is no space
		for {
			if rest == "" {
				if line+1 >= len(s.lines) {
					return
				}
				line, col = line+1, 1
				rest = s.lines[line]
				continue
			}
			if quote == '"' && len(rest) > 1 && rest[0] == '\\' && strings.IndexByte("ntr 0", rest[1]) >= 0 {
				rest, col = rest[2:], col+2
				continue
			}
			if rest[0] != ' ' && rest[0] != '\t' && rest[0] != '\r' {
				return
			}
			rest, col = rest[1:], col+1
		}
	}
	first := true
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		here := position{line + 1, col}
		if r != ' ' && r != '\n' && r != '\t' && r != '\r' {
			skip()
			here = position{line + 1, col}
			switch {
			case quote == '\'' && strings.HasPrefix(rest, "''"):
				rest, col = rest[2:], col+2
			case quote == '"' && len(rest) > 1 && rest[0] == '\\':
				rest, col = rest[2:], col+2
			case strings.HasPrefix(rest, text[i:i+n]):
				rest, col = rest[n:], col+1
			default: // an escape that is not followed; what comes later stands here
				return out
			}
			if first {
				out.start, first = here, false
			}
		}
		for range n {
			out.at = append(out.at, here)
		}
		i += n
	}
	return out
}

func skipRunes(s string, n int) string {
	for ; n > 0 && s != ""; n-- {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return s
}

func tokenPosition(tok *token.Token) position {
	if tok == nil || tok.Position == nil {
		return position{1, 1}
	}
	return position{max(tok.Position.Line, 1), max(tok.Position.Column, 1)}
}

// expand replaces ${VAR} and ${VAR:-default}; $${ stands for ${ itself. Every byte of a value has the place
// of its variable.
func expand(in located, env map[string]string, problem func(at position, message, hint string)) located {
	if !strings.Contains(in.text, "${") {
		return in
	}
	out := located{start: in.start}
	var b strings.Builder
	put := func(text string, from, step int) {
		for i := range len(text) {
			out.at = append(out.at, in.byteAt(from+i*step))
		}
		b.WriteString(text)
	}
	text := in.text
	for i := 0; i < len(text); {
		next := strings.Index(text[i:], "${")
		if next < 0 {
			put(text[i:], i, 1)
			break
		}
		next += i
		if next > i && text[next-1] == '$' {
			put(text[i:next-1], i, 1)
			put("${", next, 1)
			i = next + 2
			continue
		}
		put(text[i:next], i, 1)
		end := strings.IndexByte(text[next:], '}')
		if end < 0 {
			problem(in.byteAt(next), "${ has no }", "write ${VAR}, ${VAR:-default}, or $${ for the characters themselves")
			put(text[next:], next, 1)
			break
		}
		inner := text[next+2 : next+end]
		name, fallback, hasFallback := strings.Cut(inner, ":-")
		switch value, set := env[name]; {
		case !isName(name):
			problem(in.byteAt(next), "${"+clip(inner)+"} names no variable", "write ${VAR}, ${VAR:-default}, or $${ for the characters themselves")
		case hasFallback && value == "":
			put(fallback, next, 0)
		case !set:
			problem(in.byteAt(next), "the environment has no "+name, "set "+name+", or write ${"+name+":-default}")
		default:
			put(value, next, 0)
		}
		i = next + end + 1
	}
	out.text = b.String()
	return out
}

// isName reports whether s is a name as queries and environments have them.
func isName(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// isLabel reports whether s names a thing that becomes a folder or a part of a topic's or a group's name.
func isLabel(s string) bool {
	for i, r := range s {
		letter := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9')
		if !letter && (i == 0 || (r != '_' && r != '-' && r != '.')) {
			return false
		}
	}
	return s != "" && len(s) <= 200
}

func clip(s string) string {
	r := []rune(s)
	if len(r) <= 60 {
		return s
	}
	return string(r[:57]) + "..."
}

// nearest is the candidate that s was probably meant to be, or "".
func nearest(s string, candidates []string) string {
	plain := func(s string) []rune {
		return []rune(strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(s)))
	}
	best, least := "", 1<<30
	a := plain(s)
	for _, c := range candidates {
		b := plain(c)
		d := distance(a, b)
		if limit := max(len(a), len(b)) / 3; d <= max(limit, 1) && d < max(len(b), 1) && d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their neighbour.
func distance(a, b []rune) int {
	if len(a) > 100 || len(b) > 100 {
		return 1 << 20
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
