package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// like is a LIKE pattern. % stands for any text, _ for one code point.
type like struct {
	// Most patterns are plain text with % at the ends.
	plain      bool
	head, tail bool // % at the beginning, at the end
	text       string
	tokens     []rune
}

const (
	anyOne  rune = -2
	anyText rune = -3
)

// newLike reads a pattern. Without escape no character is special but % and _.
func newLike(pattern, escape string, escaped bool) (*like, error) {
	esc := rune(-1)
	if escaped {
		r, w := utf8.DecodeRuneInString(escape)
		if w == 0 || w != len(escape) {
			return nil, fmt.Errorf("the escape %q of LIKE is not one character", escape)
		}
		esc = r
	}
	l := &like{}
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == esc:
			if i++; i == len(runes) || runes[i] != '%' && runes[i] != '_' && runes[i] != esc {
				return nil, fmt.Errorf("the LIKE pattern %q has the escape %q before a plain character or at the end", pattern, escape)
			}
			l.tokens = append(l.tokens, runes[i])
		case r == '%':
			if len(l.tokens) == 0 || l.tokens[len(l.tokens)-1] != anyText {
				l.tokens = append(l.tokens, anyText)
			}
		case r == '_':
			l.tokens = append(l.tokens, anyOne)
		default:
			l.tokens = append(l.tokens, r)
		}
	}
	t := l.tokens
	if len(t) > 0 && t[0] == anyText {
		l.head, t = true, t[1:]
	}
	if len(t) > 0 && t[len(t)-1] == anyText {
		l.tail, t = true, t[:len(t)-1]
	}
	l.plain = true
	for _, r := range t {
		l.plain = l.plain && r >= 0
	}
	if l.plain {
		l.text = string(t)
		if len(l.tokens) == 1 && l.head {
			l.tail = true
		}
	}
	return l, nil
}

func (l *like) match(s string) bool {
	if l.plain {
		switch {
		case l.head && l.tail:
			return strings.Contains(s, l.text)
		case l.head:
			return strings.HasSuffix(s, l.text)
		case l.tail:
			return strings.HasPrefix(s, l.text)
		}
		return s == l.text
	}
	// On a mismatch the last % takes one code point more; an earlier one never has to.
	at, k := 0, 0
	backAt, backK := -1, 0
	for at < len(s) || k < len(l.tokens) {
		if k < len(l.tokens) {
			token := l.tokens[k]
			if token == anyText {
				k++
				backAt, backK = at, k
				continue
			}
			if at < len(s) {
				r, w := utf8.DecodeRuneInString(s[at:])
				if token == anyOne || token == r {
					at += w
					k++
					continue
				}
			}
		}
		if backAt < 0 || backAt >= len(s) {
			return false
		}
		_, w := utf8.DecodeRuneInString(s[backAt:])
		backAt += w
		at, k = backAt, backK
	}
	return true
}

func compileLike(args []fn) fn {
	var last *like
	var pattern, escape string
	return strict(args, roomFor[bool], func(c *ctx, out *vec, in []*vec, i int) {
		p, e := in[1].s[i&in[1].m], ""
		if len(in) == 3 {
			e = in[2].s[i&in[2].m]
		}
		if last == nil || p != pattern || e != escape {
			l, err := newLike(p, e, len(in) == 3)
			if err != nil {
				c.fail(out, i, err)
				return
			}
			last, pattern, escape = l, strings.Clone(p), strings.Clone(e)
		}
		out.b[i] = last.match(in[0].s[i&in[0].m])
	})
}
