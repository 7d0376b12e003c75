package json

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lockstep-data/lockstep/schema/column"
)

// maxDepth bounds how deep a skipped value may nest; a wanted one nests as deep as its type.
const maxDepth = 512

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain returns the first byte from i on that is a quote, a backslash, a control character or not ASCII.
func plain(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		// A borrow can mark a byte above a marked one by mistake, never below: the lowest mark is right.
		if m := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x | x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// text reads the string whose quote is at i. What it returns points into the value or into d.scratch and
// holds until the next call.
func (d *Decoder) text(i int, n *node) ([]byte, int) {
	b := d.buf
	i++
	start, ascii := i, true
	for {
		i = plain(b, i)
		if i >= len(b) {
			return nil, d.fail(start-1, n, "a string that does not end")
		}
		switch c := b[i]; {
		case c == '"':
			s := b[start:i]
			if !ascii && !utf8.Valid(s) {
				return nil, d.fail(start, n, "text that is not valid UTF-8")
			}
			return s, i + 1
		case c == '\\':
			return d.escaped(start, i, n)
		case c < 0x20:
			return nil, d.fail(i, n, "a control character %#02x in a string", c)
		}
		ascii = false
		for i < len(b) && b[i] >= utf8.RuneSelf {
			i++
		}
	}
}

// escaped goes on with a string that has its first backslash at i.
func (d *Decoder) escaped(start, i int, n *node) ([]byte, int) {
	b := d.buf
	out := append(d.scratch[:0], b[start:i]...)
	defer func() { d.scratch = out }()
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			if !utf8.Valid(out) {
				return nil, d.fail(start, n, "text that is not valid UTF-8")
			}
			return out, i + 1
		case c < 0x20:
			return nil, d.fail(i, n, "a control character %#02x in a string", c)
		case c != '\\':
			end := max(plain(b, i), i+1)
			out = append(out, b[i:end]...)
			i = end
			continue
		}
		if i+1 >= len(b) {
			break
		}
		switch e := b[i+1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(b, i+2)
			if !ok {
				return nil, d.fail(i, n, `\u without four hexadecimal digits`)
			}
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
					low, ok = hex4(b, i+8)
				}
				pair := utf16.DecodeRune(r, low)
				if !ok || pair == utf8.RuneError {
					return nil, d.fail(i, n, `\u%04x is half of a surrogate pair`, r)
				}
				r = pair
				i += 6
			}
			out = utf8.AppendRune(out, r)
			i += 4
		default:
			return nil, d.fail(i, n, "an escape that JSON does not have: %q", b[i:i+2])
		}
		i += 2
	}
	return nil, d.fail(start-1, n, "a string that does not end")
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	r := rune(0)
	for _, c := range b[i : i+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (d *Decoder) literal(i int, word string) int {
	if end := i + len(word); end <= len(d.buf) && string(d.buf[i:end]) == word {
		return end
	}
	return d.fail(i, nil, "wanted %s, found %s", word, d.found(i))
}

// skip passes over the value at i, which must be right.
func (d *Decoder) skip(i, depth int) int {
	b := d.buf
	if i >= len(b) {
		return d.fail(i, nil, "wanted a value, found the end")
	}
	switch c := b[i]; c {
	case '"':
		_, end := d.text(i, nil)
		return end
	case 't':
		return d.literal(i, "true")
	case 'f':
		return d.literal(i, "false")
	case 'n':
		return d.literal(i, "null")
	case '{', '[':
		if depth == maxDepth {
			return d.fail(i, nil, "nested deeper than %d", maxDepth)
		}
		closing := c + 2 // in ASCII
		i = space(b, i+1)
		if i < len(b) && b[i] == closing {
			return i + 1
		}
		for {
			if c == '{' {
				if i >= len(b) || b[i] != '"' {
					return d.fail(i, nil, "wanted a key in quotes, found %s", d.found(i))
				}
				if _, i = d.text(i, nil); i < 0 {
					return -1
				}
				if i = d.colon(i); i < 0 {
					return -1
				}
			}
			if i = d.skip(i, depth+1); i < 0 {
				return -1
			}
			if i = space(b, i); i < len(b) && b[i] == ',' {
				i = space(b, i+1)
				continue
			}
			if i < len(b) && b[i] == closing {
				return i + 1
			}
			return d.fail(i, nil, "wanted , or %c, found %s", closing, d.found(i))
		}
	}
	_, end := column.ScanNumber(b, i)
	if end < 0 {
		return d.fail(i, nil, "wanted a value, found %s", d.found(i))
	}
	return end
}
