package validate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// conv turns a value's raw form in one type into its raw form in another. The bytes it returns may lie in
// scratch and live until the next call.
type conv func(i int64, b []byte, scratch *[]byte) (int64, []byte, error)

var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return
}()

// converter returns nil where the raw forms are the same.
func converter(src, dst typ) (conv, error) {
	s, d := src, dst
	no := func() (conv, error) { return nil, fmt.Errorf("%s does not become %s", s, d) }
	switch s.kind {
	case kUntyped:
		return parser(d)
	case kJSONNumber:
		if d.kind == kNumber || d.kind == kFloat {
			return parser(d)
		}
		return no()
	case kText:
		if d.kind == kText || d.kind == kBinary {
			return nil, nil
		}
		return parser(d)
	case kNull:
		return nil, nil
	}
	switch d.kind {
	case kNumber:
		switch s.kind {
		case kNumber:
			return nil, nil
		case kInt:
			unsigned := s.unsigned
			return func(i int64, _ []byte, scratch *[]byte) (int64, []byte, error) {
				out, err := intNumber((*scratch)[:0], i, unsigned, 0)
				*scratch = out
				return 0, out, err
			}, nil
		case kDecimal:
			scale := s.scale
			if !s.inBytes() {
				return func(i int64, _ []byte, scratch *[]byte) (int64, []byte, error) {
					out, err := intNumber((*scratch)[:0], i, false, -scale)
					*scratch = out
					return 0, out, err
				}, nil
			}
			return func(_ int64, b []byte, scratch *[]byte) (int64, []byte, error) {
				out, err := wideNumber((*scratch)[:0], b, -scale)
				*scratch = out
				return 0, out, err
			}, nil
		}
		return no()
	case kDecimal:
		switch {
		case s.kind == kInt, s.kind == kDecimal && !s.inBytes() && d.scale >= s.scale:
			from := 0
			if s.kind == kDecimal {
				from = s.scale
			}
			if d.scale == from {
				return nil, nil
			}
			by := pow10[d.scale-from]
			return func(i int64, _ []byte, _ *[]byte) (int64, []byte, error) {
				hi, lo := bits.Mul64(uint64(max(i, -i)), uint64(by))
				if hi != 0 || lo > math.MaxInt64 {
					return 0, nil, fmt.Errorf("the value %d has more digits than its type %s allows", i, s)
				}
				return i * by, nil, nil
			}, nil
		}
		return no()
	case kTime:
		if s.kind != kTime {
			return no()
		}
		if s.unit == d.unit {
			return nil, nil
		}
		by := d.unit.perSecond() / s.unit.perSecond()
		return func(i int64, _ []byte, _ *[]byte) (int64, []byte, error) {
			if i > math.MaxInt64/by || i < math.MinInt64/by {
				return 0, nil, fmt.Errorf("the time of day %d is out of range", i)
			}
			return i * by, nil, nil
		}, nil
	case kTimestamp, kDuration:
		if s.kind != d.kind {
			return no()
		}
		if s.unit == d.unit {
			return nil, nil
		}
		if d.unit != mixedUnit {
			return no()
		}
		return func(i int64, _ []byte, scratch *[]byte) (int64, []byte, error) {
			*scratch = appendSecNanos((*scratch)[:0], i, s.unit)
			return 0, *scratch, nil
		}, nil
	}
	if s.kind != d.kind || s.nested() {
		return no()
	}
	return nil, nil
}

func intNumber(dst []byte, i int64, unsigned bool, exp int) ([]byte, error) {
	var buf [20]byte
	neg := !unsigned && i < 0
	u := uint64(i)
	if neg {
		u = -u
	}
	return appendNumber(dst, neg, strconv.AppendUint(buf[:0], u, 10), exp)
}

// wideInt reads big-endian two's complement.
func wideInt(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

func wideNumber(dst, b []byte, exp int) ([]byte, error) {
	if i, ok := narrow(b); ok {
		return intNumber(dst, i, false, exp)
	}
	n := wideInt(b)
	return appendNumber(dst, n.Sign() < 0, n.Abs(n).Append(nil, 10), exp)
}

// narrow reads big-endian two's complement that fits an int64.
func narrow(b []byte) (int64, bool) {
	if len(b) > 8 {
		fill := byte(0)
		if b[len(b)-8]&0x80 != 0 {
			fill = 0xFF
		}
		for _, c := range b[:len(b)-8] {
			if c != fill {
				return 0, false
			}
		}
		return int64(binary.BigEndian.Uint64(b[len(b)-8:])), true
	}
	var u uint64
	if len(b) > 0 && b[0]&0x80 != 0 {
		u = math.MaxUint64
	}
	for _, c := range b {
		u = u<<8 | uint64(c)
	}
	return int64(u), true
}

var errNotUTF8 = errors.New("the text is not UTF-8")

// parser reads text as a value of d: the fields of CSV, Hive values, JSON's dates and `as:`.
func parser(d typ) (conv, error) {
	bad := func(b []byte) error { return fmt.Errorf("%q is not a value of type %s", clip(b), d) }
	switch d.kind {
	case kText:
		return nil, nil
	case kBool:
		return func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			switch string(b) {
			case "true", "True", "TRUE", "t", "1":
				return 1, nil, nil
			case "false", "False", "FALSE", "f", "0":
				return 0, nil, nil
			}
			return 0, nil, bad(b)
		}, nil
	case kInt:
		return func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			if d.unsigned {
				u, err := strconv.ParseUint(string(b), 10, d.bits)
				if err != nil {
					return 0, nil, bad(b)
				}
				return int64(u), nil, nil
			}
			i, err := strconv.ParseInt(string(b), 10, d.bits)
			if err != nil {
				return 0, nil, bad(b)
			}
			return i, nil, nil
		}, nil
	case kFloat:
		width := d.bits
		if width == 16 {
			width = 64
		}
		return func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			f, err := strconv.ParseFloat(string(b), width)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return 0, nil, bad(b)
			}
			for _, c := range b {
				if c == '_' || c == 'x' || c == 'X' {
					return 0, nil, bad(b)
				}
			}
			if d.bits == 16 {
				f = roundHalf(f)
			}
			return floatBits(f), nil, nil
		}, nil
	case kNumber:
		return func(_ int64, b []byte, scratch *[]byte) (int64, []byte, error) {
			out, err := parseNumber((*scratch)[:0], b)
			*scratch = out
			return 0, out, err
		}, nil
	case kDecimal:
		return func(_ int64, b []byte, scratch *[]byte) (int64, []byte, error) {
			i, ok := parseDecimal(b, d.scale)
			if !ok {
				return 0, nil, bad(b)
			}
			return i, nil, nil
		}, nil
	case kDate:
		return func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			days, rest, ok := cutDate(string(b))
			if !ok || rest != "" {
				return 0, nil, bad(b)
			}
			return days, nil, nil
		}, nil
	case kTime:
		return func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			sec, nano, rest, ok := cutClock(string(b))
			per := d.unit.perSecond()
			if !ok || rest != "" || nano%(1e9/per) != 0 {
				return 0, nil, bad(b)
			}
			return sec*per + nano/(1e9/per), nil, nil
		}, nil
	case kTimestamp:
		return func(_ int64, b []byte, scratch *[]byte) (int64, []byte, error) {
			sec, nano, ok := parseTimestamp(string(b))
			if !ok {
				return 0, nil, bad(b)
			}
			if d.unit == mixedUnit {
				*scratch = binary.BigEndian.AppendUint64((*scratch)[:0], uint64(sec)^signBit)
				*scratch = binary.BigEndian.AppendUint32(*scratch, uint32(nano))
				return 0, *scratch, nil
			}
			per := d.unit.perSecond()
			if nano%(1e9/per) != 0 || sec > math.MaxInt64/per-1 || sec < math.MinInt64/per+1 {
				return 0, nil, bad(b)
			}
			return sec*per + nano/(1e9/per), nil, nil
		}, nil
	}
	return nil, fmt.Errorf("text does not become %s", d)
}

// parseDecimal reads text as an unscaled integer of that scale; digits that do not fit are refused.
func parseDecimal(b []byte, scale int) (int64, bool) {
	var scratch [64]byte
	raw, err := parseNumber(scratch[:0], b)
	if err != nil {
		return 0, false
	}
	neg, digits, point := numberParts(raw)
	n := point + scale // digits of the unscaled integer
	if len(digits) == 0 {
		return 0, true
	}
	if len(digits) > n || n > 18 {
		return 0, false
	}
	for len(digits) < n {
		digits = append(digits, '0')
	}
	i, err := strconv.ParseInt(string(digits), 10, 64)
	if neg {
		i = -i
	}
	return i, err == nil
}

func digitsOf(s string, n int) (int, bool) {
	if len(s) < n {
		return 0, false
	}
	v := 0
	for i := range n {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		v = v*10 + int(s[i]-'0')
	}
	return v, true
}

// cutDate reads YYYY-MM-DD, the year with a sign and more digits if need be.
func cutDate(s string) (days int64, rest string, ok bool) {
	neg := false
	t := s
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		neg, t = t[0] == '-', t[1:]
	}
	n := 0
	for n < len(t) && t[n] >= '0' && t[n] <= '9' {
		n++
	}
	if n < 4 || n > 7 || len(t) < n+6 || t[n] != '-' || t[n+3] != '-' {
		return 0, s, false
	}
	y, _ := digitsOf(t, n)
	m, ok1 := digitsOf(t[n+1:], 2)
	d, ok2 := digitsOf(t[n+4:], 2)
	if neg {
		y = -y
	}
	at := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if !ok1 || !ok2 || m < 1 || m > 12 || at.Day() != d {
		return 0, s, false
	}
	return floorDiv(at.Unix(), 86400), t[n+6:], true
}

// cutClock reads HH:MM[:SS[.fraction]].
func cutClock(s string) (sec, nano int64, rest string, ok bool) {
	h, ok1 := digitsOf(s, 2)
	if !ok1 || len(s) < 5 || s[2] != ':' || h > 24 {
		return 0, 0, s, false
	}
	m, ok2 := digitsOf(s[3:], 2)
	if !ok2 || m > 59 {
		return 0, 0, s, false
	}
	sec, s = int64(h)*3600+int64(m)*60, s[5:]
	if len(s) >= 3 && s[0] == ':' {
		x, ok := digitsOf(s[1:], 2)
		if !ok || x > 59 {
			return 0, 0, s, false
		}
		sec, s = sec+int64(x), s[3:]
		if len(s) > 1 && (s[0] == '.' || s[0] == ',') && s[1] >= '0' && s[1] <= '9' {
			s = s[1:]
			scale := int64(1e8)
			for len(s) > 0 && s[0] >= '0' && s[0] <= '9' {
				if scale == 0 && s[0] != '0' {
					return 0, 0, s, false
				}
				nano += int64(s[0]-'0') * scale
				scale /= 10
				s = s[1:]
			}
		}
	}
	return sec, nano, s, sec <= 86400
}

// parseTimestamp reads a date, and a time of day with a zone where there is one.
func parseTimestamp(s string) (sec, nano int64, ok bool) {
	days, rest, ok := cutDate(s)
	if !ok {
		return 0, 0, false
	}
	sec = days * 86400
	if rest == "" {
		return sec, 0, true
	}
	if rest[0] != 'T' && rest[0] != ' ' && rest[0] != 't' {
		return 0, 0, false
	}
	clock, nano, rest, ok := cutClock(rest[1:])
	if !ok {
		return 0, 0, false
	}
	sec += clock
	for len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	switch {
	case rest == "", rest == "Z", rest == "z", rest == "UTC":
		return sec, nano, true
	case rest[0] == '+' || rest[0] == '-':
		h, ok1 := digitsOf(rest[1:], 2)
		if !ok1 || h > 18 {
			return 0, 0, false
		}
		m, tail := 0, rest[3:]
		if len(tail) > 0 && tail[0] == ':' {
			tail = tail[1:]
		}
		if tail != "" {
			var ok2 bool
			if m, ok2 = digitsOf(tail, 2); !ok2 || len(tail) != 2 || m > 59 {
				return 0, 0, false
			}
		}
		off := int64(h*3600 + m*60)
		if rest[0] == '-' {
			off = -off
		}
		return sec - off, nano, true
	}
	return 0, 0, false
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// as converts by the word of the user: numbers by their exact value, everything else through its text.
func asConverter(src, dst typ) (conv, error) {
	if src.kind == kFloat && dst.kind == kFloat && src.bits > dst.bits {
		return func(i int64, _ []byte, _ *[]byte) (int64, []byte, error) {
			return floatBits(float64(float32(math.Float64frombits(uint64(i))))), nil, nil
		}, nil
	}
	if c, err := converter(src, dst); err == nil && !(dst.kind == kInt && src.unsigned && src.bits > 63) {
		return c, nil
	}
	if src.nested() && dst.kind != kText || dst.nested() {
		return nil, fmt.Errorf("%s does not become %s", src, dst)
	}
	var parse conv
	if dst.kind == kBinary {
		if src.kind != kText {
			return nil, fmt.Errorf("%s does not become %s", src, dst)
		}
		return nil, nil
	}
	if src.kind == kBinary && dst.kind == kText {
		return func(_ int64, b []byte, _ *[]byte) (int64, []byte, error) {
			if !utf8.Valid(b) {
				return 0, nil, errNotUTF8
			}
			return 0, b, nil
		}, nil
	}
	if dst.kind != kText {
		var err error
		if parse, err = parser(dst); err != nil {
			return nil, err
		}
	}
	return func(i int64, b []byte, scratch *[]byte) (int64, []byte, error) {
		text := appendText(nil, &src, i, b)
		switch {
		case src.kind == kTimestamp && dst.kind == kDate:
			text = text[:max(10, len(text)-len(text[10:]))]
		case src.kind == kBool && dst.kind != kText:
			text = []byte{'0' + byte(i)}
		case dst.kind == kInt: // 3.0 and 3e0 are whole numbers
			if raw, err := parseNumber(nil, text); err == nil {
				if _, _, point := numberParts(raw); point <= 20 {
					text = appendDecimal(nil, raw, 0)
				}
			}
		}
		if parse == nil {
			return 0, text, nil
		}
		return parse(0, text, scratch)
	}, nil
}
