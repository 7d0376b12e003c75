package expr

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/lockstep-data/lockstep/schema"
)

var errYears = errors.New("the result is outside the years 0001 to 9999")

// timeAt is a DATE or TIMESTAMP in microseconds.
func timeAt(v *vec, t schema.Type, i int) int64 {
	if t.Kind == schema.Date {
		return int64(v.i32[i&v.m]) * day
	}
	return v.i64[i&v.m]
}

// setTime stores microseconds as a DATE or a TIMESTAMP.
func setTime(c *ctx, out *vec, t schema.Type, i int, micros int64, ok bool) {
	switch {
	case !ok:
		c.fail(out, i, errYears)
	case t.Kind == schema.Date:
		out.i32[i] = int32(floorDiv(micros, day))
	default:
		out.i64[i] = micros
	}
}

func roomForTime(t schema.Type) func(*vec, int) {
	if t.Kind == schema.Date {
		return roomFor[int32]
	}
	return roomFor[int64]
}

// compileTimePlus is a time plus or minus an interval.
func compileTimePlus(n *Node, args []fn) fn {
	t, kind := n.Type, n.Args[1].span
	minus := n.Op == "-"
	if iv, ok := n.Args[1].Value.(Interval); ok && kind == micros && t.Kind == schema.Timestamp && iv.Micros > -1e18 && iv.Micros < 1e18 {
		k := iv.Micros
		if minus {
			k = -k
		}
		return timePlusConstant(args[0], k)
	}
	return strict(args, roomForTime(t), func(c *ctx, out *vec, in []*vec, i int) {
		x, k := timeAt(in[0], t, i), in[1].i64[i&in[1].m]
		if minus {
			if k == math.MinInt64 {
				c.fail(out, i, errYears)
				return
			}
			k = -k
		}
		var ok bool
		switch {
		case kind == months:
			x, ok = plusMonths(x, k)
		case t.Kind == schema.Date:
			x, ok = plusMicros(x, k/day*day)
		default:
			x, ok = plusMicros(x, k)
		}
		setTime(c, out, t, i, x, ok)
	})
}

// timePlusConstant moves every timestamp, and looks for those that left the years only when one did. The sum of
// an interval below 10^18 and any number cannot wrap around into the years.
func timePlusConstant(arg fn, k int64) fn {
	out := &vec{m: -1}
	return func(c *ctx, sel []int32) *vec {
		v := arg(c, sel)
		dst := room[int64](out, c.n)
		out.merge(c.n, v)
		outside := false
		for i := range dst {
			r := v.i64[i&v.m] + k
			outside = outside || uint64(r-firstDay*day) >= uint64((lastDay+1-firstDay)*day)
			dst[i] = r
		}
		if outside {
			for _, i := range sel {
				if _, ok := plusMicros(v.i64[int(i)&v.m], k); !ok && (out.null == nil || !out.null[i]) {
					c.fail(out, int(i), errYears)
				}
			}
		}
		return out
	}
}

func compileTime(n *Node, args []fn) (fn, error) {
	t, unit := n.Type, n.Unit
	switch n.Op {
	case "EXTRACT":
		from := n.Args[0].Type
		return strict(args, roomFor[int64], func(_ *ctx, out *vec, in []*vec, i int) {
			out.i64[i] = extract(timeAt(in[0], from, i), unit)
		}), nil
	case "FLOOR":
		return strict(args, roomForTime(t), func(c *ctx, out *vec, in []*vec, i int) {
			x := floorTime(timeAt(in[0], t, i), unit)
			setTime(c, out, t, i, x, inYears(x))
		}), nil
	case "CEIL":
		return strict(args, roomForTime(t), func(c *ctx, out *vec, in []*vec, i int) {
			x := ceilTime(timeAt(in[0], t, i), unit)
			setTime(c, out, t, i, x, inYears(x))
		}), nil
	case "TIMESTAMPADD":
		return strict(args, roomForTime(t), func(c *ctx, out *vec, in []*vec, i int) {
			k, x := in[0].i64[i&in[0].m], timeAt(in[1], t, i)
			var ok bool
			if m := unitMonths(unit); m > 0 {
				if k, ok = mulInt64(k, m); ok {
					x, ok = plusMonths(x, k)
				}
			} else if k, ok = mulInt64(k, unitMicros(unit)); ok {
				x, ok = plusMicros(x, k)
			}
			setTime(c, out, t, i, x, ok)
		}), nil
	case "TIMESTAMPDIFF":
		return strict(args, roomFor[int32], func(c *ctx, out *vec, in []*vec, i int) {
			a, b := in[0].i64[i&in[0].m], in[1].i64[i&in[1].m]
			var d int64
			if m := unitMonths(unit); m > 0 {
				d = monthsBetween(a, b) / m
			} else if d = b - a; (b >= a) == (d >= 0) {
				d /= unitMicros(unit)
			} else {
				c.fail(out, i, errYears)
				return
			}
			if int64(int32(d)) != d {
				c.fail(out, i, fmt.Errorf("TIMESTAMPDIFF(%s): %d does not fit INT", unit, d))
				return
			}
			out.i32[i] = int32(d)
		}), nil
	}
	return compileDateFormat(n, args), nil
}

// dateFormat is a pattern of Java's DateTimeFormatter: letters and how often, or text.
type dateFormat []datePart

type datePart struct {
	letter byte // 0: text
	count  int
	text   string
}

func newDateFormat(pattern string) (dateFormat, error) {
	var f dateFormat
	text := func(s string) { f = append(f, datePart{text: s}) }
	for i := 0; i < len(pattern); {
		b := pattern[i]
		switch {
		case b == '\'':
			var quoted strings.Builder
			k := i + 1
			for ; ; k++ {
				if k >= len(pattern) {
					return nil, fmt.Errorf("the pattern %q has a quote that does not end", pattern)
				}
				if pattern[k] == '\'' {
					if k+1 < len(pattern) && pattern[k+1] == '\'' {
						k++
					} else {
						break
					}
				}
				quoted.WriteByte(pattern[k])
			}
			if k == i+1 {
				text("'")
			} else {
				text(quoted.String())
			}
			i = k + 1
		case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z':
			k := i
			for k < len(pattern) && pattern[k] == b {
				k++
			}
			most, known := map[byte]int{'y': 9, 'M': 5, 'd': 2, 'H': 2, 'h': 2, 'm': 2, 's': 2, 'S': 9, 'a': 1, 'E': 5}[b]
			if !known {
				return nil, fmt.Errorf("the pattern %q has the letter %c", pattern, b)
			}
			if k-i > most {
				return nil, fmt.Errorf("the pattern %q has too many %c", pattern, b)
			}
			f = append(f, datePart{letter: b, count: k - i})
			i = k
		case b == '{' || b == '}' || b == '#' || b == '[' || b == ']':
			return nil, fmt.Errorf("the pattern %q has %c, which is reserved", pattern, b)
		default:
			k := i
			for k < len(pattern) && !strings.ContainsRune("'{}#[]", rune(pattern[k])) && (pattern[k]|0x20 < 'a' || pattern[k]|0x20 > 'z') {
				k++
			}
			text(pattern[i:k])
			i = k
		}
	}
	return f, nil
}

var (
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

func (f dateFormat) append(dst []byte, t int64) []byte {
	d, rest := floorDiv(t, day), floorMod(t, day)
	y, m, dom := dateOf(d)
	name := func(full string, count int) {
		switch count {
		case 5:
			full = full[:1]
		case 4:
		default:
			full = full[:3]
		}
		dst = append(dst, full...)
	}
	for _, p := range f {
		switch p.letter {
		case 0:
			dst = append(dst, p.text...)
		case 'y':
			if p.count == 2 {
				dst = appendPadded(dst, uint64(floorMod(y, 100)), 2)
				continue
			}
			if p.count >= 4 && y > 9999 {
				dst = append(dst, '+')
			}
			dst = appendPadded(dst, uint64(max(y, 0)), p.count)
		case 'M':
			if p.count >= 3 {
				name(monthNames[m-1], p.count)
			} else {
				dst = appendPadded(dst, uint64(m), p.count)
			}
		case 'd':
			dst = appendPadded(dst, uint64(dom), p.count)
		case 'H':
			dst = appendPadded(dst, uint64(rest/hour), p.count)
		case 'h':
			dst = appendPadded(dst, uint64((rest/hour+11)%12+1), p.count)
		case 'm':
			dst = appendPadded(dst, uint64(rest/minute%60), p.count)
		case 's':
			dst = appendPadded(dst, uint64(rest/second%60), p.count)
		case 'S':
			fraction := uint64(rest%second) * 1000
			for range 9 - p.count {
				fraction /= 10
			}
			dst = appendPadded(dst, fraction, p.count)
		case 'a':
			if rest < 12*hour {
				dst = append(dst, "AM"...)
			} else {
				dst = append(dst, "PM"...)
			}
		case 'E':
			name(dayNames[weekday(d)], p.count)
		}
	}
	return dst
}

func compileDateFormat(n *Node, args []fn) fn {
	var last dateFormat
	var pattern string
	known, text := false, n.Args[0].Type.Kind == schema.String
	return strict(args, roomFor[string], func(c *ctx, out *vec, in []*vec, i int) {
		if p := in[1].s[i&in[1].m]; !known || p != pattern {
			f, err := newDateFormat(p)
			if err != nil {
				c.fail(out, i, fmt.Errorf("DATE_FORMAT: %w", err))
				return
			}
			last, pattern, known = f, strings.Clone(p), true
		}
		var t int64
		if text {
			s := in[0].s[i&in[0].m]
			var ok bool
			if t, ok = parseTimestamp(s, 6); !ok || strings.IndexByte(s, ' ') < 0 {
				c.null(out, i)
				return
			}
		} else {
			t = in[0].i64[i&in[0].m]
		}
		start := c.begin(64)
		c.text = last.append(c.text, t)
		out.s[i] = c.keep(start)
	})
}
