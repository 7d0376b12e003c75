package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

type flags struct{ fold, lines, all, comments, unix bool }

// translator writes a Java pattern in RE2's syntax. Character classes become plain ranges, folding becomes
// classes of both letters, so that no flag of Go's, which mean all of Unicode, is ever used.
type translator struct {
	rest   []rune
	out    strings.Builder
	flags  flags
	stack  []flags
	dollar bool
}

func (t *translator) peek(s string) bool {
	return strings.HasPrefix(string(t.rest[:min(len(t.rest), len(s))]), s)
}

func (t *translator) run() error {
	for len(t.rest) > 0 {
		r := t.rest[0]
		if t.flags.comments {
			if strings.ContainsRune(" \t\n\v\f\r", r) {
				t.rest = t.rest[1:]
				continue
			}
			if r == '#' {
				for len(t.rest) > 0 && t.rest[0] != '\n' {
					t.rest = t.rest[1:]
				}
				continue
			}
		}
		var err error
		switch r {
		case '\\':
			err = t.escape()
		case '[':
			t.rest = t.rest[1:]
			var s runeSet
			if s, err = t.class(); err == nil {
				t.out.WriteString(s.String())
			}
		case '(':
			err = t.open()
		case ')':
			if len(t.stack) == 0 {
				return errPattern
			}
			t.flags = t.stack[len(t.stack)-1]
			t.stack = t.stack[:len(t.stack)-1]
			t.out.WriteByte(')')
			t.rest = t.rest[1:]
		case '*', '+', '?', '{':
			err = t.quantifier()
		case '.':
			switch {
			case t.flags.all:
				t.out.WriteString("(?s:.)")
			case t.flags.unix:
				t.out.WriteString(`[^\n]`)
			default:
				t.out.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
			}
			t.rest = t.rest[1:]
		case '^':
			t.anchor(`(?m:^)`, `\A`)
			t.rest = t.rest[1:]
		case '$':
			t.dollar = t.dollar || !t.flags.lines
			t.anchor(`(?m:$)`, `\z`)
			t.rest = t.rest[1:]
		case '|':
			t.out.WriteByte('|')
			t.rest = t.rest[1:]
		default:
			t.literal(r)
			t.rest = t.rest[1:]
		}
		if err != nil {
			return err
		}
	}
	if len(t.stack) > 0 {
		return errPattern
	}
	return nil
}

func (t *translator) anchor(lines, text string) {
	if t.flags.lines {
		t.out.WriteString(lines)
	} else {
		t.out.WriteString(text)
	}
}

func (t *translator) literal(r rune) {
	if t.flags.fold && isLetter(r) {
		fmt.Fprintf(&t.out, "[%c%c]", r, r^0x20)
		return
	}
	t.out.WriteString(regexp.QuoteMeta(string(r)))
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

func (t *translator) open() error {
	t.rest = t.rest[1:]
	push := func() { t.stack = append(t.stack, t.flags) }
	if !t.peek("?") {
		push()
		t.out.WriteByte('(')
		return nil
	}
	for _, no := range [...][2]string{{"?=", "look-ahead (?="}, {"?!", "look-ahead (?!"}, {"?<=", "look-behind (?<="},
		{"?<!", "look-behind (?<!"}, {"?>", "the atomic group (?>"}} {
		if t.peek(no[0]) {
			return fmt.Errorf("uses %s, which RE2 does not have", no[1])
		}
	}
	t.rest = t.rest[1:]
	if t.peek("<") {
		end := slices.Index(t.rest, '>')
		if end < 2 {
			return errPattern
		}
		push()
		t.out.WriteString("(?P" + string(t.rest[:end+1]))
		t.rest = t.rest[end+1:]
		return nil
	}
	inner, on := t.flags, true
	for len(t.rest) > 0 {
		r := t.rest[0]
		t.rest = t.rest[1:]
		switch r {
		case '-':
			on = false
		case 'i':
			inner.fold = on
		case 'm':
			inner.lines = on
		case 's':
			inner.all = on
		case 'x':
			inner.comments = on
		case 'd':
			inner.unix = on
		case 'u', 'U':
			return fmt.Errorf("uses the flag (?%c), which RE2 does not have", r)
		case ':':
			push()
			t.flags = inner
			t.out.WriteString("(?:")
			return nil
		case ')':
			t.flags = inner
			return nil
		default:
			return errPattern
		}
	}
	return errPattern
}

func (t *translator) quantifier() error {
	end := 1
	if t.rest[0] == '{' {
		if end = slices.Index(t.rest, '}') + 1; end == 0 {
			return errPattern
		}
		lo, hi, _ := strings.Cut(string(t.rest[1:end-1]), ",")
		if lo == "" || strings.Trim(lo+hi, "0123456789") != "" {
			return errPattern
		}
	}
	t.out.WriteString(string(t.rest[:end]))
	t.rest = t.rest[end:]
	if t.peek("+") {
		return errors.New("uses a possessive quantifier (like a++), which RE2 does not have")
	}
	if t.peek("?") {
		t.out.WriteByte('?')
		t.rest = t.rest[1:]
	}
	return nil
}

func (t *translator) escape() error {
	if len(t.rest) < 2 {
		return errPattern
	}
	r := t.rest[1]
	switch {
	case r >= '1' && r <= '9' || r == 'k':
		return fmt.Errorf("uses the back reference \\%c, which RE2 does not have", r)
	case r == 'G' || r == 'X' || r == 'N':
		return fmt.Errorf("uses \\%c, which RE2 does not have", r)
	case r == 'Q':
		body := string(t.rest[2:])
		quoted, after, _ := strings.Cut(body, `\E`)
		for _, q := range quoted {
			t.literal(q)
		}
		t.rest = []rune(after)
		return nil
	case r == 'b' && len(t.rest) > 2 && t.rest[2] == '{':
		return errors.New("uses \\b{g}, which RE2 does not have")
	case r == 'b' || r == 'B' || r == 'A' || r == 'z':
		t.out.WriteString(string(t.rest[:2]))
		t.rest = t.rest[2:]
		return nil
	case r == 'Z':
		t.dollar = true
		t.out.WriteString(`\z`)
		t.rest = t.rest[2:]
		return nil
	case r == 'R':
		t.out.WriteString(`(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])`)
		t.rest = t.rest[2:]
		return nil
	}
	set, one, err := t.escaped()
	if err != nil {
		return err
	}
	if set != nil {
		t.out.WriteString(set.String())
	} else {
		t.literal(one)
	}
	return nil
}

// escaped reads an escape that is a character or a class of them.
func (t *translator) escaped() (runeSet, rune, error) {
	r := t.rest[1]
	t.rest = t.rest[2:]
	hex := func(digits int) (runeSet, rune, error) {
		if len(t.rest) < digits {
			return nil, 0, errPattern
		}
		x, err := strconv.ParseUint(string(t.rest[:digits]), 16, 32)
		if err != nil || x > unicode.MaxRune {
			return nil, 0, errPattern
		}
		t.rest = t.rest[digits:]
		return nil, rune(x), nil
	}
	switch r {
	case 'd', 'D', 'w', 'W', 's', 'S', 'h', 'H', 'v', 'V':
		s := javaClasses[r|0x20]
		if r < 'a' {
			s = s.negated()
		}
		return s, 0, nil
	case 'p', 'P':
		s, err := t.property()
		if err == nil && r == 'P' {
			s = s.negated()
		}
		return s, 0, err
	case 't':
		return nil, '\t', nil
	case 'n':
		return nil, '\n', nil
	case 'r':
		return nil, '\r', nil
	case 'f':
		return nil, '\f', nil
	case 'a':
		return nil, 7, nil
	case 'e':
		return nil, 27, nil
	case 'c':
		if len(t.rest) == 0 {
			return nil, 0, errPattern
		}
		x := t.rest[0] ^ 64
		t.rest = t.rest[1:]
		return nil, x, nil
	case 'x':
		if t.peek("{") {
			end := slices.Index(t.rest, '}')
			if end < 2 {
				return nil, 0, errPattern
			}
			digits := end - 1
			t.rest = t.rest[1:]
			s, x, err := hex(digits)
			if err == nil {
				t.rest = t.rest[1:]
			}
			return s, x, err
		}
		return hex(2)
	case 'u':
		return hex(4)
	case '0':
		n := 0
		for n < 3 && n < len(t.rest) && t.rest[n] >= '0' && t.rest[n] <= '7' && (n < 2 || t.rest[0] <= '3') {
			n++
		}
		if n == 0 {
			return nil, 0, errPattern
		}
		x, _ := strconv.ParseUint(string(t.rest[:n]), 8, 32)
		t.rest = t.rest[n:]
		return nil, rune(x), nil
	}
	if isLetter(r) || r >= '1' && r <= '9' {
		return nil, 0, errPattern
	}
	return nil, r, nil
}

func (t *translator) property() (runeSet, error) {
	if len(t.rest) == 0 {
		return nil, errPattern
	}
	name := string(t.rest[:1])
	if t.rest[0] == '{' {
		end := slices.Index(t.rest, '}')
		if end < 0 {
			return nil, errPattern
		}
		name = string(t.rest[1:end])
		t.rest = t.rest[end+1:]
	} else {
		t.rest = t.rest[1:]
	}
	if s, ok := posixClasses[name]; ok {
		if t.flags.fold && (name == "Lower" || name == "Upper") {
			s = posixClasses["Alpha"]
		}
		return s, nil
	}
	plain := name
	for _, prefix := range [...]string{"Is", "script=", "sc=", "general_category=", "gc="} {
		plain = strings.TrimPrefix(plain, prefix)
	}
	if table, ok := unicode.Categories[plain]; ok {
		return tableSet(table), nil
	}
	for script, table := range unicode.Scripts {
		if strings.EqualFold(script, plain) {
			return tableSet(table), nil
		}
	}
	return nil, fmt.Errorf("uses the class \\p{%s}, which is not supported", name)
}

// class reads a character class behind its [.
func (t *translator) class() (runeSet, error) {
	not := t.peek("^")
	if not {
		t.rest = t.rest[1:]
	}
	var whole, part runeSet
	met := false // whether an && came before
	first := true
	for {
		if len(t.rest) == 0 {
			return nil, errPattern
		}
		r := t.rest[0]
		switch {
		case t.flags.comments && strings.ContainsRune(" \t\n\v\f\r", r):
			t.rest = t.rest[1:]
			continue
		case r == ']' && !first:
			t.rest = t.rest[1:]
			if met && len(part) > 0 {
				part = part.intersect(whole)
			} else if met {
				part = whole
			}
			if not {
				part = part.normal().negated()
			}
			return part.normal(), nil
		case r == '[':
			t.rest = t.rest[1:]
			s, err := t.class()
			if err != nil {
				return nil, err
			}
			part = append(part, s...)
		case t.peek("&&"):
			for t.peek("&") {
				t.rest = t.rest[1:]
			}
			if met {
				part = part.intersect(whole)
			}
			whole, part, met = part.normal(), nil, true
		default:
			set, lo, err := t.member()
			if err != nil {
				return nil, err
			}
			if set != nil {
				part = append(part, set...)
				break
			}
			hi := lo
			if len(t.rest) > 1 && t.rest[0] == '-' && t.rest[1] != ']' && t.rest[1] != '[' {
				t.rest = t.rest[1:]
				if set, hi, err = t.member(); err != nil {
					return nil, err
				}
				if set != nil || hi < lo {
					return nil, errPattern
				}
			}
			part = append(part, lo, hi)
			if t.flags.fold {
				if a, b := max(lo, 'a'), min(hi, 'z'); a <= b {
					part = append(part, a-32, b-32)
				}
				if a, b := max(lo, 'A'), min(hi, 'Z'); a <= b {
					part = append(part, a+32, b+32)
				}
			}
		}
		first = false
	}
}

func (t *translator) member() (runeSet, rune, error) {
	r := t.rest[0]
	if r != '\\' {
		t.rest = t.rest[1:]
		return nil, r, nil
	}
	if len(t.rest) < 2 {
		return nil, 0, errPattern
	}
	return t.escaped()
}
