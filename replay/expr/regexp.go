package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// pattern is a regular expression with Java's meaning, run by RE2.
type pattern struct {
	re *regexp.Regexp
	// dollar: there is a $ or \Z, which in Java also stands before a line end that ends the text.
	dollar bool
}

// errPattern is a pattern that is invalid in Java too: it matches nothing.
var errPattern = errors.New("is not a valid pattern")

func isInvalid(err error) bool { return errors.Is(err, errPattern) }

// newPattern translates a Java pattern. Its error is errPattern, or names what RE2 does not have.
func newPattern(java string) (*pattern, error) {
	t := translator{rest: []rune(java)}
	if err := t.run(); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(t.out.String())
	if err != nil {
		var se *syntax.Error
		if errors.As(err, &se) && (se.Code == syntax.ErrInvalidRepeatSize || se.Code == syntax.ErrLarge) {
			return nil, fmt.Errorf("repeats something more often than 1000 times")
		}
		return nil, errPattern
	}
	return &pattern{re, t.dollar}, nil
}

// find is the positions of the first match and its groups, or nil.
func (p *pattern) find(s string) []int {
	m := p.re.FindStringSubmatchIndex(s)
	if !p.dollar {
		return m
	}
	end := len(s) - lineEnd(s)
	if end == len(s) {
		return m
	}
	// Of the match that ends at the end and the one that ends before the line end, the leftmost wins, then
	// the longer.
	short := p.re.FindStringSubmatchIndex(s[:end])
	if m == nil || short != nil && (short[0] < m[0] || short[0] == m[0] && short[1] > m[1]) {
		return short
	}
	return m
}

// lineEnd is the length of the line terminator at the end of s.
func lineEnd(s string) int {
	for _, t := range [...]string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if strings.HasSuffix(s, t) {
			return len(t)
		}
	}
	return 0
}

func compileRegexp(args []fn) fn {
	var last *pattern
	var lastErr error
	var text string
	known := false
	return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
		if p := in[1].s[i&in[1].m]; !known || p != text {
			last, lastErr = newPattern(p)
			text, known = strings.Clone(p), true
		}
		if lastErr != nil {
			if isInvalid(lastErr) {
				c.null(out, i)
			} else {
				c.fail(out, i, fmt.Errorf("REGEXP_EXTRACT: the pattern %q %w", text, lastErr))
			}
			return
		}
		s, group := in[0].s[i&in[0].m], int(in[2].i32[i&in[2].m])
		m := last.find(s)
		if m == nil || group < 0 || 2*group >= len(m) || m[2*group] < 0 {
			c.null(out, i)
			return
		}
		out.s[i] = s[m[2*group]:m[2*group+1]]
	})
}
