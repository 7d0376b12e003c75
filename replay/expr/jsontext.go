package expr

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonText walks over a document without building it.
type jsonText struct{ s string }

func (d jsonText) space(at int) int {
	for at < len(d.s) && (d.s[at] == ' ' || d.s[at] == '\n' || d.s[at] == '\t' || d.s[at] == '\r') {
		at++
	}
	return at
}

// skip checks the value that begins at a position and is its end.
func (d jsonText) skip(at, depth int) (int, error) {
	if at >= len(d.s) {
		return at, errJSON
	}
	if depth > 1000 {
		return at, errDeep
	}
	switch c := d.s[at]; {
	case c == '"':
		return d.text(at)
	case c == '-' || c >= '0' && c <= '9':
		return d.number(at)
	case c == '{' || c == '[':
		object := c == '{'
		closing := c + 2
		at = d.space(at + 1)
		if at < len(d.s) && d.s[at] == closing {
			return at + 1, nil
		}
		for {
			var err error
			if object {
				if at, err = d.text(at); err != nil {
					return at, err
				}
				at = d.space(at)
				if at >= len(d.s) || d.s[at] != ':' {
					return at, errJSON
				}
				at = d.space(at + 1)
			}
			if at, err = d.skip(at, depth+1); err != nil {
				return at, err
			}
			at = d.space(at)
			if at >= len(d.s) {
				return at, errJSON
			}
			switch d.s[at] {
			case closing:
				return at + 1, nil
			case ',':
				at = d.space(at + 1)
			default:
				return at, errJSON
			}
		}
	}
	for _, word := range [3]string{"true", "false", "null"} {
		if strings.HasPrefix(d.s[at:], word) {
			end := at + len(word)
			if end < len(d.s) && (d.s[end] == '_' || d.s[end] >= utf8.RuneSelf || isAlnum(d.s[end])) {
				return at, errJSON
			}
			return end, nil
		}
	}
	return at, errJSON
}

func isAlnum(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func (d jsonText) text(at int) (int, error) {
	if at >= len(d.s) || d.s[at] != '"' {
		return at, errJSON
	}
	for at++; at < len(d.s); at++ {
		switch c := d.s[at]; {
		case c == '"':
			return at + 1, nil
		case c < ' ':
			return at, errJSON
		case c == '\\':
			at++
			if at >= len(d.s) {
				return at, errJSON
			}
			if d.s[at] == 'u' {
				if _, ok := hex4(d.s[at+1:]); !ok {
					return at, errJSON
				}
				at += 4
			} else if strings.IndexByte(`"\/bfnrt`, d.s[at]) < 0 {
				return at, errJSON
			}
		}
	}
	return at, errJSON
}

func (d jsonText) number(at int) (int, error) {
	digits := func() bool {
		start := at
		for at < len(d.s) && d.s[at] >= '0' && d.s[at] <= '9' {
			at++
		}
		return at > start
	}
	if d.s[at] == '-' {
		at++
	}
	start := at
	if !digits() || d.s[start] == '0' && at > start+1 {
		return at, errJSON
	}
	if at < len(d.s) && d.s[at] == '.' {
		at++
		if !digits() {
			return at, errJSON
		}
	}
	if at < len(d.s) && d.s[at]|0x20 == 'e' {
		at++
		if at < len(d.s) && (d.s[at] == '+' || d.s[at] == '-') {
			at++
		}
		if !digits() {
			return at, errJSON
		}
	}
	if at < len(d.s) && (isAlnum(d.s[at]) || d.s[at] == '_') {
		return at, errJSON
	}
	return at, nil
}

// step is where the value of a member begins; of two equal keys the last counts. The document is sound.
func (d jsonText) step(at int, step jsonStep) (int, bool) {
	open := byte('{')
	if step.isIndex {
		open = '['
	}
	if d.s[at] != open {
		return 0, false
	}
	found, ok := 0, false
	index := step.index
	if step.isIndex && index < 0 {
		index += d.length(at)
	}
	at = d.space(at + 1)
	for k := 0; d.s[at] != open+2; k++ {
		if step.isIndex {
			if k == index {
				return at, true
			}
		} else {
			end, _ := d.text(at)
			same := equalKey(d.s[at+1:end-1], step.key)
			at = d.space(d.space(end) + 1)
			if same {
				found, ok = at, true
			}
		}
		at, _ = d.skip(at, 0)
		at = d.space(at)
		if d.s[at] == ',' {
			at = d.space(at + 1)
		}
	}
	return found, ok
}

func (d jsonText) length(at int) int {
	at = d.space(at + 1)
	n := 0
	for ; d.s[at] != ']'; n++ {
		at, _ = d.skip(at, 0)
		if at = d.space(at); d.s[at] == ',' {
			at = d.space(at + 1)
		}
	}
	return n
}

func equalKey(raw, key string) bool {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw == key
	}
	return string(appendUnescaped(nil, raw)) == key
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	x, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(x), err == nil && s[0] != '+' && s[0] != '-'
}

// appendUnescaped is the inside of a sound JSON text. Half a surrogate pair becomes U+FFFD.
func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) && strings.HasPrefix(s[i+1:], `\u`) {
				if low, ok := hex4(s[i+3:]); ok {
					if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
						r = pair
						i += 6
					}
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}

// appendBigDecimal is a JSON number as Java's BigDecimal prints it: 1e3 is 1E+3, -0.0 is 0.0.
func appendBigDecimal(dst []byte, raw string) []byte {
	neg := raw[0] == '-'
	if neg {
		raw = raw[1:]
	}
	mantissa, exponent := raw, 0
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		mantissa = raw[:i]
		e, err := strconv.Atoi(raw[i+1:])
		if err != nil {
			return append(dst, raw...)
		}
		exponent = e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	scale := len(fraction) - exponent
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		digits, neg = "0", false
	}
	if neg {
		dst = append(dst, '-')
	}
	adjusted := len(digits) - 1 - scale
	if scale >= 0 && adjusted >= -6 {
		if scale == 0 {
			return append(dst, digits...)
		}
		if len(digits) <= scale {
			dst = append(dst, "0."...)
			for range scale - len(digits) {
				dst = append(dst, '0')
			}
			return append(dst, digits...)
		}
		dst = append(dst, digits[:len(digits)-scale]...)
		dst = append(dst, '.')
		return append(dst, digits[len(digits)-scale:]...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	dst = append(dst, 'E')
	if adjusted > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(adjusted), 10)
}
