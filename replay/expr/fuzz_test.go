package expr

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lockstep-data/lockstep/schema"
)

// A text that is taken must print as something that is taken again, with the same value.
func FuzzCastText(f *testing.F) {
	for _, s := range []string{"+7", " 42. ", "1.9", "1e3", "1.5e2", "-1.235", "0x1p3", "1.5d", "NaN", "-Infinity", "1e400", "", "2024-02-29", "2024-2-9",
		"2024", "2024-02-29 12:34:56.123456789", "2024-02-29 24:00:00", "9999-12-31", "0001-01-01 00:00:00", "TRUE", " no", "1e-400", "99999999999999999999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, ok := parseInt(s); ok {
			if y, ok := parseInt(strconv.FormatInt(x, 10)); !ok || y != x {
				t.Errorf("%q: %d, then %d", s, x, y)
			}
			if z, err := strconv.ParseInt(s, 10, 64); err == nil && z != x {
				t.Errorf("%q: %d, not %d", s, x, z)
			}
		} else if _, err := strconv.ParseInt(s, 10, 64); err == nil {
			t.Errorf("%q is no BIGINT", s)
		}
		for _, typ := range []schema.Type{tDec(38, 0), tDec(38, 38), tDec(10, 2)} {
			if x, err := parseDecimal(s, typ); err == nil {
				if y, err := parseDecimal(decimalText(x, typ.Scale), typ); err != nil || y != x {
					t.Errorf("%q: %v, then %v %v", s, x, y, err)
				}
			}
		}
		for _, size := range []int{32, 64} {
			if x, ok := parseDouble(s, size); ok {
				if y, ok := parseDouble(javaDouble(x, size), size); !ok || y != x && x == x {
					t.Errorf("%q: %v, then %v", s, x, y)
				}
			}
		}
		if d, ok := parseDate(s); ok {
			if e, ok := parseDate(string(appendDate(nil, d))); !ok || e != d || d < firstDay || d > lastDay {
				t.Errorf("%q: %d, then %d", s, d, e)
			}
		}
		for p := range 7 {
			if x, ok := parseTimestamp(s, p); ok {
				text := string(appendTimestamp(nil, x, p))
				if y, ok := parseTimestamp(text, p); !ok || y != x {
					t.Errorf("%q: %s, then %d", s, text, y)
				}
				if at, err := time.Parse("2006-01-02 15:04:05", text); err != nil || floorDiv(x, second) != at.Unix() {
					t.Errorf("%q: %s is %v %v", s, text, at, err)
				}
			}
		}
		if v, ok := parseBoolean(s); !ok && v {
			t.Errorf("%q is refused, yet TRUE", s)
		}
	})
}

// slowLike is LIKE by its definition.
func slowLike(p, s []rune) bool {
	if len(p) == 0 {
		return len(s) == 0
	}
	if p[0] == '%' {
		return slowLike(p[1:], s) || len(s) > 0 && slowLike(p, s[1:])
	}
	return len(s) > 0 && (p[0] == '_' || p[0] == s[0]) && slowLike(p[1:], s[1:])
}

func FuzzLike(f *testing.F) {
	f.Add("a%b_c", "aXXbYc", "")
	f.Add("%", "", "!")
	f.Add("a!%", "a%", "!")
	f.Add("%%_%", "ab", "")
	f.Fuzz(func(t *testing.T, pattern, s, escape string) {
		if len(pattern) > 12 || len(s) > 30 || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return
		}
		if l, err := newLike(pattern, escape, true); err == nil {
			l.match(s)
		}
		l, err := newLike(pattern, "", false)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := l.match(s), slowLike([]rune(pattern), []rune(s)); got != want {
			t.Errorf("%q LIKE %q is %v", s, pattern, got)
		}
	})
}

func FuzzJSONValue(f *testing.F) {
	f.Add(`{"a": [1, {"b": "x\u00e9"}]}`, "$.a[1].b")
	f.Add(`[1e3, -0.0, null]`, "lax $[0]")
	f.Add(`"😀"`, "$")
	f.Add(`{"a":1} x`, "$['a']")
	f.Fuzz(func(t *testing.T, doc, path string) {
		n, err := JSONValue(textLiteral(doc), path, nil, JSONDefault{}, JSONDefault{})
		if err != nil {
			return
		}
		// What Go's decoder takes as a whole must be taken here, and its text values must agree.
		var v any
		if !utf8.ValidString(doc) || json.Unmarshal([]byte(doc), &v) != nil || strings.TrimSpace(path) != "$" {
			return
		}
		if s, ok := v.(string); ok && n.Value != s {
			t.Errorf("%s at %s: %v, want %q", doc, path, n.Value, s)
		}
		if b, ok := v.(bool); ok && n.Value != strconv.FormatBool(b) {
			t.Errorf("%s: %v", doc, n.Value)
		}
		if x, ok := v.(float64); ok {
			if y, err := strconv.ParseFloat(n.Value.(string), 64); err != nil || y != x && math.Abs(x) < math.MaxFloat64 {
				t.Errorf("%s: %v", doc, n.Value)
			}
		}
	})
}

func FuzzDateFormat(f *testing.F) {
	f.Add("yyyy-MM-dd'T'HH:mm:ss.SSSSSS", int64(1709210096789123))
	f.Add("EEE, d MMM yy h:mm a ''", int64(-1))
	f.Fuzz(func(t *testing.T, pattern string, at int64) {
		p, err := newDateFormat(pattern)
		if err != nil || !inYears(at) {
			return
		}
		p.append(nil, at)
		full, _ := newDateFormat("yyyy-MM-dd HH:mm:ss.SSSSSS")
		text := string(full.append(nil, at))
		if back, ok := parseTimestamp(text, 6); !ok || back != at {
			t.Errorf("%d: %s", at, text)
		}
		if go_ := time.UnixMicro(at).UTC().Format("2006-01-02 15:04:05.000000"); go_ != text {
			t.Errorf("%s, want %s", text, go_)
		}
	})
}

func FuzzRegexp(f *testing.F) {
	for _, p := range []string{"(a|b)*c{1,3}", "(?i)[a-z&&[^b]]+$", `\p{Lu}\Q.\E`, "(?x) a # c", `[\d-x]`, "(?=a)", "a++", `\x{41}[^]]`, "(?<n>a)"} {
		f.Add(p, "abcABC\n")
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 60 || strings.Count(pattern, "{") > 3 {
			return
		}
		if p, err := newPattern(pattern); err == nil {
			if m := p.find(s); m != nil && (m[0] < 0 || m[1] > len(s)) {
				t.Error(m)
			}
		}
	})
}
