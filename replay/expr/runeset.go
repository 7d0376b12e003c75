package expr

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// runeSet is pairs of first and last.
type runeSet []rune

// normal sorts and joins the ranges.
func (s runeSet) normal() runeSet {
	type span struct{ lo, hi rune }
	var spans []span
	for i := 0; i < len(s); i += 2 {
		spans = append(spans, span{s[i], s[i+1]})
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.lo - b.lo) })
	var out runeSet
	for _, p := range spans {
		if n := len(out); n > 0 && p.lo <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p.hi)
		} else {
			out = append(out, p.lo, p.hi)
		}
	}
	return out
}

func (s runeSet) negated() runeSet {
	out := runeSet{}
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func (s runeSet) intersect(o runeSet) runeSet {
	return append(s.normal().negated(), o.normal().negated()...).normal().negated()
}

// String is the class in RE2's syntax.
func (s runeSet) String() string {
	if len(s) == 0 {
		return `[^\x{0}-\x{10FFFF}]`
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := 0; i < len(s); i += 2 {
		fmt.Fprintf(&b, `\x{%X}-\x{%X}`, s[i], s[i+1])
	}
	b.WriteByte(']')
	return b.String()
}

func tableSet(t *unicode.RangeTable) runeSet {
	var s runeSet
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, lo, hi)
			return
		}
		for r := lo; r <= hi; r += stride {
			s = append(s, r, r)
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return s.normal()
}

// javaClasses are the classes of one letter; without (?U) they are ASCII, but for \h and \v.
var javaClasses = map[rune]runeSet{
	'd': {'0', '9'},
	'w': {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'},
	's': {9, 13, ' ', ' '},
	'h': {9, 9, ' ', ' ', 0xA0, 0xA0, 0x1680, 0x1680, 0x180E, 0x180E, 0x2000, 0x200A, 0x202F, 0x202F, 0x205F, 0x205F, 0x3000, 0x3000},
	'v': {10, 13, 0x85, 0x85, 0x2028, 0x2029},
}

var posixClasses = map[string]runeSet{
	"Lower": {'a', 'z'}, "Upper": {'A', 'Z'}, "ASCII": {0, 127}, "Alpha": {'A', 'Z', 'a', 'z'}, "Digit": {'0', '9'},
	"Alnum": {'0', '9', 'A', 'Z', 'a', 'z'}, "Punct": {'!', '/', ':', '@', '[', '`', '{', '~'}, "Graph": {'!', '~'},
	"Print": {' ', '~'}, "Blank": {9, 9, ' ', ' '}, "Cntrl": {0, 31, 127, 127}, "XDigit": {'0', '9', 'A', 'F', 'a', 'f'},
	"Space": {9, 13, ' ', ' '},
}
