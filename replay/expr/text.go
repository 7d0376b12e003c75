package expr

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

func compileText(n *Node, args []fn) (fn, error) {
	switch n.Op {
	case "UPPER":
		return changeCase(args[0], 'a', 'z', cases.Upper(language.Und)), nil
	case "LOWER":
		return changeCase(args[0], 'A', 'Z', cases.Lower(language.Und)), nil
	case "CHAR_LENGTH":
		return strict(args, roomFor[int32], func(_ *ctx, out *vec, in []*vec, i int) {
			out.i32[i] = int32(utf8.RuneCountInString(in[0].s[i&in[0].m]))
		}), nil
	case "TRIM", "LTRIM", "RTRIM":
		left, right := n.Op != "RTRIM", n.Op != "LTRIM"
		return strict(args, roomFor[string], func(_ *ctx, out *vec, in []*vec, i int) {
			set := " "
			if len(in) == 2 {
				set = in[1].s[i&in[1].m]
			}
			out.s[i] = trim(in[0].s[i&in[0].m], set, left, right)
		}), nil
	case "SUBSTRING":
		return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
			length := int32(1<<31 - 1)
			if len(in) == 3 {
				length = in[2].i32[i&in[2].m]
			}
			if length < 0 {
				if out.null == nil {
					out.clearNulls(c.n)
				}
				out.null[i] = true
				return
			}
			out.s[i] = substring(in[0].s[i&in[0].m], int(in[1].i32[i&in[1].m]), int(length))
		}), nil
	case "POSITION":
		return strict(args, roomFor[int32], func(_ *ctx, out *vec, in []*vec, i int) {
			text := in[1].s[i&in[1].m]
			at := strings.Index(text, in[0].s[i&in[0].m])
			if at >= 0 {
				at = utf8.RuneCountInString(text[:at]) + 1
			} else {
				at = 0
			}
			out.i32[i] = int32(at)
		}), nil
	case "REPLACE":
		return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
			text, old, with := in[0].s[i&in[0].m], in[1].s[i&in[1].m], in[2].s[i&in[2].m]
			if old == "" {
				out.s[i] = strings.ReplaceAll(text, old, with)
				return
			}
			at := strings.Index(text, old)
			if at < 0 {
				out.s[i] = text
				return
			}
			start := c.begin(len(text) + len(with))
			for ; at >= 0; at = strings.Index(text, old) {
				c.text = append(append(c.text, text[:at]...), with...)
				text = text[at+len(old):]
			}
			c.text = append(c.text, text...)
			out.s[i] = c.keep(start)
		}), nil
	case "SPLIT_INDEX":
		return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
			piece, ok := splitIndex(in[0].s[i&in[0].m], in[1].s[i&in[1].m], int(in[2].i32[i&in[2].m]))
			if !ok {
				c.null(out, i)
				return
			}
			out.s[i] = piece
		}), nil
	case "||":
		return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
			total := 0
			for _, v := range in {
				total += len(v.s[i&v.m])
			}
			start := c.begin(total)
			for _, v := range in {
				c.text = append(c.text, v.s[i&v.m]...)
			}
			out.s[i] = c.keep(start)
		}), nil
	case "MD5":
		return digest(args, md5.New()), nil
	case "SHA256":
		return digest(args, sha256.New()), nil
	case "LIKE":
		return compileLike(args), nil
	case "REGEXP_EXTRACT":
		return compileRegexp(args), nil
	}
	return nil, fmt.Errorf("no kernel for %s", n.Op)
}

// null makes row i of out NULL, which is no failure.
func (c *ctx) null(out *vec, i int) {
	if out.null == nil {
		out.clearNulls(c.n)
	}
	out.null[i] = true
}

// changeCase is UPPER and LOWER: from and to bound the ASCII letters that change.
func changeCase(arg fn, from, to byte, full cases.Caser) fn {
	return strict([]fn{arg}, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
		s := in[0].s[i&in[0].m]
		start := c.begin(len(s))
		for k := range len(s) {
			b := s[k]
			if b >= utf8.RuneSelf {
				c.text = c.text[:start]
				out.s[i] = full.String(s)
				return
			}
			if b >= from && b <= to {
				b ^= 0x20
			}
			c.text = append(c.text, b)
		}
		out.s[i] = c.keep(start)
	})
}

// trim takes the characters of set off the ends.
func trim(s, set string, left, right bool) string {
	if len(set) == 1 {
		for left && s != "" && s[0] == set[0] {
			s = s[1:]
		}
		for right && s != "" && s[len(s)-1] == set[0] {
			s = s[:len(s)-1]
		}
		return s
	}
	if left {
		s = strings.TrimLeft(s, set)
	}
	if right {
		s = strings.TrimRight(s, set)
	}
	return s
}

// skip is the byte at which the k-th code point of s starts; len(s) when there are fewer, and how many there were.
func skip(s string, k int) (at, seen int) {
	for at < len(s) && seen < k {
		if s[at] < utf8.RuneSelf {
			at++
		} else {
			_, w := utf8.DecodeRuneInString(s[at:])
			at += w
		}
		seen++
	}
	return at, seen
}

// substring counts code points. Position 0 acts as 1; a negative one counts from the end, and before the
// beginning there is nothing to take.
func substring(s string, pos, length int) string {
	switch {
	case pos < 0:
		count := utf8.RuneCountInString(s)
		if -pos > count {
			return ""
		}
		pos = count + pos
	case pos > 0:
		pos--
	}
	at, _ := skip(s, pos)
	end, _ := skip(s[at:], length)
	return s[at : at+end]
}

// splitIndex is the piece of s at an index from 0; false: NULL.
func splitIndex(s, sep string, index int) (string, bool) {
	if s == "" || index < 0 {
		return "", false
	}
	if sep == "" {
		return s, index == 0
	}
	for ; ; index-- {
		at := strings.Index(s, sep)
		if index == 0 {
			if at < 0 {
				return s, true
			}
			return s[:at], true
		}
		if at < 0 {
			return "", false
		}
		s = s[at+len(sep):]
	}
}

func digest(args []fn, h hash.Hash) fn {
	var sum [sha256.Size]byte
	return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
		h.Reset()
		s := in[0].s[i&in[0].m]
		h.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
		start := c.begin(2 * sha256.Size)
		c.text = hex.AppendEncode(c.text, h.Sum(sum[:0]))
		out.s[i] = c.keep(start)
	})
}
