package pipeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-data/lockstep/schema"
)

// units are those of durations, the longest first.
var units = []struct {
	name string
	long time.Duration
}{
	{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond},
}

// ParseDuration reads 90s, 10m, 1h30m, 1.5h, 2d; 0 needs no unit. Less than a microsecond is refused, as is
// what does not fit into 292 years.
func ParseDuration(s string) (time.Duration, error) {
	const hint = "write a number and its unit: 500ms, 30s, 10m, 1h30m, 2d"
	if s == "0" {
		return 0, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, schema.WithHint(fmt.Errorf("%s has no unit", clip(s)), fmt.Sprintf("write %ss, %sm or %sh", s, s, s))
	}
	bad := func() (time.Duration, error) {
		return 0, schema.WithHint(fmt.Errorf("%q is no duration", clip(s)), hint)
	}
	rest, total := s, 0.0
	last := time.Duration(math.MaxInt64)
	if rest == "" {
		return bad()
	}
	for rest != "" {
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		x, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			if strings.HasPrefix(s, "-") {
				return 0, schema.WithHint(fmt.Errorf("%q is negative", clip(s)), "write a duration from 0s on")
			}
			return bad()
		}
		rest = rest[n:]
		n = 0
		for n < len(rest) && rest[n] >= 'a' && rest[n] <= 'z' {
			n++
		}
		var unit time.Duration
		for _, u := range units {
			if u.name == rest[:n] {
				unit = u.long
			}
		}
		if unit == 0 || unit >= last {
			return bad()
		}
		last, rest = unit, rest[n:]
		total += x * float64(unit)
	}
	if total >= math.MaxInt64 {
		return 0, schema.WithHint(fmt.Errorf("%q is longer than 292 years", clip(s)), hint)
	}
	d := time.Duration(math.Round(total))
	if d%time.Microsecond != 0 {
		return 0, schema.WithHint(fmt.Errorf("%q is finer than a microsecond", clip(s)), "times are whole microseconds")
	}
	return d, nil
}

// formatDuration writes what parseDuration reads.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units {
		if n := d / u.long; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.long
		}
	}
	return b.String()
}
