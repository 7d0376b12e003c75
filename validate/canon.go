package validate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sort"
)

// Canonical form. A cell of a common type is written so that equal values have equal bytes, bytes.Compare is
// the order of values, and a cell ends by itself. It serves as sort key, as the content of nested values, and
// as what the second pass carries. NULL is one byte 0 and comes first; anything else begins with 1.

const signBit = 1 << 63

// nanBits stands for every NaN.
const nanBits = 0x7FF8000000000001

// floatBits is the raw form of a float: its bits, with one NaN.
func floatBits(f float64) int64 {
	if f != f {
		return nanBits
	}
	return int64(math.Float64bits(f))
}

func appendNull(dst []byte) []byte { return append(dst, 0) }

// appendCell writes a value that is not NULL, given in the raw form of t.
func appendCell(dst []byte, t *typ, i int64, b []byte) []byte {
	dst = append(dst, 1)
	if !t.inBytes() {
		return binary.BigEndian.AppendUint64(dst, orderBits(t, i))
	}
	switch t.kind {
	case kText, kBinary:
		for {
			z := bytes.IndexByte(b, 0)
			if z < 0 {
				break
			}
			dst = append(append(dst, b[:z]...), 0, 0xFF)
			b = b[z+1:]
		}
		return append(append(dst, b...), 0, 1)
	}
	return append(dst, b...)
}

func orderBits(t *typ, i int64) uint64 {
	switch {
	case t.kind == kFloat:
		if i < 0 {
			return ^uint64(i)
		}
		return uint64(i) | signBit
	case t.kind == kInt && t.unsigned:
		return uint64(i)
	}
	return uint64(i) ^ signBit
}

func unorderBits(t *typ, u uint64) int64 {
	switch {
	case t.kind == kFloat:
		if u&signBit == 0 {
			return int64(^u)
		}
		return int64(u &^ signBit)
	case t.kind == kInt && t.unsigned:
		return int64(u)
	}
	return int64(u ^ signBit)
}

var errCell = errors.New("damaged cell")

// cutCell splits the first cell off b: whether it is NULL, and its value in raw form. Text is unescaped into
// new memory only where it holds a zero byte.
func cutCell(t *typ, b []byte) (null bool, i int64, raw, rest []byte) {
	if len(b) == 0 {
		panic(errCell)
	}
	if b[0] == 0 {
		return true, 0, nil, b[1:]
	}
	b = b[1:]
	if !t.inBytes() {
		return false, unorderBits(t, binary.BigEndian.Uint64(b)), nil, b[8:]
	}
	switch t.kind {
	case kText, kBinary:
		z := bytes.IndexByte(b, 0)
		if b[z+1] == 1 {
			return false, 0, b[:z:z], b[z+2:]
		}
		out := append([]byte(nil), b[:z]...)
		for b[z+1] != 1 {
			out = append(out, 0)
			b = b[z+2:]
			z = bytes.IndexByte(b, 0)
			out = append(out, b[:z]...)
		}
		return false, 0, out, b[z+2:]
	}
	n := rawLen(t, b)
	return false, 0, b[:n:n], b[n:]
}

// rawLen is the length of a raw value that lies in canonical bytes.
func rawLen(t *typ, b []byte) int {
	switch t.kind {
	case kNumber:
		switch b[0] {
		case 1:
			return 1
		case 2:
			return 5 + bytes.IndexByte(b[5:], 0) + 1
		}
		return 5 + bytes.IndexByte(b[5:], 0xFF) + 1
	case kTimestamp, kDuration:
		return 12
	case kInterval:
		return 16
	case kList:
		n := 0
		for b[n] == 1 {
			n++
			n += cellLen(t.elem, b[n:])
		}
		return n + 1
	case kMap:
		n := 0
		for b[n] == 1 {
			n++
			n += cellLen(t.key, b[n:])
			n += cellLen(t.elem, b[n:])
		}
		return n + 1
	case kStruct:
		n := 0
		for i := range t.fields {
			n += cellLen(&t.fields[i].typ, b[n:])
		}
		return n
	}
	panic(errCell)
}

func cellLen(t *typ, b []byte) int {
	if b[0] == 0 {
		return 1
	}
	if !t.inBytes() {
		return 9
	}
	if t.kind == kText || t.kind == kBinary {
		n := 1
		for {
			z := bytes.IndexByte(b[n:], 0)
			n += z + 2
			if b[n-1] == 1 {
				return n
			}
		}
	}
	return 1 + rawLen(t, b[1:])
}

// appendMap writes entries, each a key cell followed by a value cell, in the order of their keys.
func appendMap(dst []byte, entries [][]byte) []byte {
	sort.Slice(entries, func(i, j int) bool { return bytes.Compare(entries[i], entries[j]) < 0 })
	for _, e := range entries {
		dst = append(append(dst, 1), e...)
	}
	return append(dst, 0)
}

// appendNumber writes a decimal (digits times ten to the power of exp) as kNumber: a sign, the power of ten,
// the digits without zeros at either end. digits are ASCII.
func appendNumber(dst []byte, negative bool, digits []byte, exp int) ([]byte, error) {
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits, exp = digits[:len(digits)-1], exp+1
	}
	if len(digits) == 0 {
		return append(dst, 1), nil
	}
	point := exp + len(digits)
	if point > math.MaxInt32 || point < math.MinInt32 {
		return dst, errors.New("the number's exponent is out of range")
	}
	at := len(dst)
	dst = append(dst, 2)
	dst = binary.BigEndian.AppendUint32(dst, uint32(int32(point))^(1<<31))
	for _, d := range digits {
		dst = append(dst, d-'0'+1)
	}
	dst = append(dst, 0)
	if negative {
		dst[at] = 0
		for i := at + 1; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst, nil
}

// numberParts undoes appendNumber: value = 0.digits times ten to the power of point.
func numberParts(raw []byte) (negative bool, digits []byte, point int) {
	if raw[0] == 1 {
		return false, nil, 0
	}
	negative = raw[0] == 0
	flip := byte(0)
	if negative {
		flip = 0xFF
	}
	var e [4]byte
	for i := range e {
		e[i] = raw[1+i] ^ flip
	}
	point = int(int32(binary.BigEndian.Uint32(e[:]) ^ (1 << 31)))
	for _, d := range raw[5 : len(raw)-1] {
		digits = append(digits, d^flip-1+'0')
	}
	return negative, digits, point
}

// numberRat is the number's exact value; ok is false when it is too long to be worth it.
func numberRat(raw []byte) (*big.Rat, bool) {
	negative, digits, point := numberParts(raw)
	if len(digits) == 0 {
		return new(big.Rat), true
	}
	exp := point - len(digits)
	if exp > 2000 || exp < -2000 || len(digits) > 4000 {
		return nil, false
	}
	n, _ := new(big.Int).SetString(string(digits), 10)
	if negative {
		n.Neg(n)
	}
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp >= 0 {
		return new(big.Rat).SetInt(n.Mul(n, p)), true
	}
	return new(big.Rat).SetFrac(n, p), true
}

// parseNumber reads a decimal as people and JSON write it.
func parseNumber(dst, s []byte) ([]byte, error) {
	whole := s
	bad := func() ([]byte, error) { return dst, fmt.Errorf("%q is not a number", clip(whole)) }
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	digits := make([]byte, 0, len(s))
	exp, point := 0, false
	for len(s) > 0 {
		c := s[0]
		switch {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
			if point {
				exp--
			}
		case c == '.' && !point:
			point = true
		case (c == 'e' || c == 'E') && len(digits) > 0:
			s = s[1:]
			neg := false
			if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
				neg, s = s[0] == '-', s[1:]
			}
			if len(s) == 0 {
				return bad()
			}
			e := 0
			for _, c := range s {
				if c < '0' || c > '9' {
					return bad()
				}
				if e = e*10 + int(c-'0'); e > 1<<40 {
					e = 1 << 40
				}
			}
			if neg {
				e = -e
			}
			exp += e
			s = nil
			continue
		default:
			return bad()
		}
		s = s[1:]
	}
	if len(digits) == 0 {
		return bad()
	}
	return appendNumber(dst, negative, digits, exp)
}

// clip shortens a value for an error.
func clip(b []byte) string {
	if len(b) > 60 {
		return string(b[:60]) + "..."
	}
	return string(b)
}

// appendSecNanos is the canonical form of mixedUnit.
func appendSecNanos(dst []byte, v int64, u unit) []byte {
	per := u.perSecond()
	sec := v / per
	rem := v % per
	if rem < 0 {
		sec, rem = sec-1, rem+per
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(sec)^signBit)
	return binary.BigEndian.AppendUint32(dst, uint32(rem*(1e9/per)))
}

func secNanos(raw []byte) (sec int64, nano int64) {
	return int64(binary.BigEndian.Uint64(raw) ^ signBit), int64(binary.BigEndian.Uint32(raw[8:]))
}

func appendInterval(dst []byte, months, days int32, ns int64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(months)^(1<<31))
	dst = binary.BigEndian.AppendUint32(dst, uint32(days)^(1<<31))
	return binary.BigEndian.AppendUint64(dst, uint64(ns)^signBit)
}

func floatOf(bits int64) float64 { return math.Float64frombits(uint64(bits)) }
