package sql

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// intervalUnits are the fields of an interval, from the longest. Plurals are Spark's.
var intervalUnits = map[string]int{
	"YEAR": 1, "YEARS": 1, "QUARTER": 2, "QUARTERS": 2, "MONTH": 3, "MONTHS": 3, "WEEK": 4, "WEEKS": 4, "DAY": 5, "DAYS": 5,
	"HOUR": 6, "HOURS": 6, "MINUTE": 7, "MINUTES": 7, "SECOND": 8, "SECONDS": 8, "MILLISECOND": 9, "MILLISECONDS": 9,
	"MICROSECOND": 10, "MICROSECONDS": 10,
}

func (p *parser) interval() expression {
	t := p.next()
	iv := intervalLit{Pos: t.pos}
	iv.Neg = p.acceptOp("-")
	if !iv.Neg {
		p.acceptOp("+")
	}
	v := p.peek()
	if v.kind != tokText {
		if v.kind == tokNumber {
			p.fail(v.pos, "the length of an INTERVAL is a text", "write INTERVAL '"+v.text+"' "+upper(p.ahead(1).text))
		}
		p.fail(v.pos, fmt.Sprintf("expected the length of an INTERVAL as a text, found %s", v), "write INTERVAL '4' HOUR; for a column: i * INTERVAL '1' HOUR")
	}
	p.next()
	iv.Text = v.text
	iv.From = p.intervalUnit()
	if p.accept("TO") {
		iv.To = p.intervalUnit()
	}
	if _, err := iv.value(); err != nil {
		p.refuse(v.pos, err.Error(), schema.Hint(err))
	}
	return iv
}

func (p *parser) intervalUnit() string {
	u := p.peek()
	if intervalUnits[u.word] == 0 {
		if u.word == "" && (u.kind == tokEnd || u.kind == tokOp) {
			p.fail(u.pos, "the INTERVAL has no unit", "write INTERVAL '4' HOUR")
		}
		p.unexpected("the unit of an INTERVAL (DAY, HOUR, MINUTE, SECOND)")
	}
	p.next()
	if p.acceptOp("(") { // the number of digits: ours take any
		p.size(0, 10, "an INTERVAL has up to 10 digits")
		if p.acceptOp(",") {
			p.size(0, 9, "an INTERVAL has up to 9 fraction digits")
		}
		p.expectOp(")")
	}
	return strings.TrimSuffix(u.word, "S")
}

// microsOf are the lengths of the units of fixed length.
var microsOf = map[string]int64{
	"WEEK": 7 * 86_400_000_000, "DAY": 86_400_000_000, "HOUR": 3_600_000_000, "MINUTE": 60_000_000, "SECOND": 1_000_000, "MILLISECOND": 1_000, "MICROSECOND": 1,
}

var monthsOf = map[string]int64{"YEAR": 12, "QUARTER": 3, "MONTH": 1}

// The forms of 'text' for FROM TO, by the units they have.
var intervalForms = map[string]string{
	"YEAR MONTH":  `^(\d+)-(\d+)$`,
	"DAY HOUR":    `^(\d+) +(\d+)$`,
	"DAY MINUTE":  `^(\d+) +(\d+):(\d+)$`,
	"DAY SECOND":  `^(\d+) +(\d+):(\d+):(\d+(?:\.\d*)?)$`,
	"HOUR MINUTE": `^(\d+):(\d+)$`, "HOUR SECOND": `^(\d+):(\d+):(\d+(?:\.\d*)?)$`,
	"MINUTE SECOND": `^(\d+):(\d+(?:\.\d*)?)$`,
}

var intervalFields = []string{"DAY", "HOUR", "MINUTE", "SECOND"}

// value is the interval in months or microseconds.
func (iv intervalLit) value() (expr.Interval, error) {
	text := strings.TrimSpace(iv.Text)
	neg := iv.Neg
	if strings.HasPrefix(text, "-") {
		neg = !neg
		text = text[1:]
	} else {
		text = strings.TrimPrefix(text, "+")
	}
	bad := func(form string) error {
		unit := iv.From
		if iv.To != "" {
			unit += " TO " + iv.To
		}
		return schema.WithHint(fmt.Errorf("'%s' is not an INTERVAL of %s", shorten(iv.Text), unit), "write it like "+form)
	}
	var parts, units []string
	if iv.To == "" {
		re, form := `^(\d+)$`, "INTERVAL '4' "+iv.From
		if iv.From == "SECOND" {
			re, form = `^(\d+(?:\.\d*)?|\.\d+)$`, "INTERVAL '1.5' SECOND"
		}
		m := regexp.MustCompile(re).FindStringSubmatch(text)
		if m == nil {
			return expr.Interval{}, bad(form)
		}
		parts, units = m[1:], []string{iv.From}
	} else {
		re, ok := intervalForms[iv.From+" "+iv.To]
		if !ok {
			return expr.Interval{}, schema.WithHint(fmt.Errorf("INTERVAL of %s TO %s is not known", iv.From, iv.To), "write YEAR TO MONTH, or DAY, HOUR, MINUTE TO a shorter one down to SECOND")
		}
		m := regexp.MustCompile(re).FindStringSubmatch(text)
		if m == nil {
			forms := map[string]string{"YEAR MONTH": "'1-2'", "DAY HOUR": "'1 02'", "DAY MINUTE": "'1 02:03'", "DAY SECOND": "'1 02:03:04.5'", "HOUR MINUTE": "'02:03'", "HOUR SECOND": "'02:03:04.5'", "MINUTE SECOND": "'03:04.5'"}
			return expr.Interval{}, bad("INTERVAL " + forms[iv.From+" "+iv.To] + " " + iv.From + " TO " + iv.To)
		}
		parts = m[1:]
		units = []string{"YEAR", "MONTH"}
		if iv.From != "YEAR" {
			for i, u := range intervalFields {
				if u == iv.From {
					units = intervalFields[i : i+len(parts)]
				}
			}
		}
	}
	var months, micros int64
	for i, part := range parts {
		whole, fraction, _ := strings.Cut(part, ".")
		n, err := strconv.ParseInt("0"+whole, 10, 64)
		if err != nil {
			return expr.Interval{}, fmt.Errorf("'%s' is too long for an INTERVAL", shorten(iv.Text))
		}
		if limit := map[string]int64{"MONTH": 11, "HOUR": 23, "MINUTE": 59, "SECOND": 59}[units[i]]; i > 0 && n > limit {
			return expr.Interval{}, schema.WithHint(fmt.Errorf("'%s': %d is more than %d, the greatest %s behind a longer unit", shorten(iv.Text), n, limit, units[i]), "carry it over into the longer unit")
		}
		ok := true
		if m := monthsOf[units[i]]; m != 0 {
			months, ok = addScaled(months, n, m)
		} else {
			micros, ok = addScaled(micros, n, microsOf[units[i]])
		}
		if !ok {
			return expr.Interval{}, fmt.Errorf("'%s' is too long for an INTERVAL", shorten(iv.Text))
		}
		if fraction = strings.TrimRight(fraction, "0"); len(fraction) > 6 {
			return expr.Interval{}, fmt.Errorf("'%s' is finer than a microsecond", shorten(iv.Text))
		}
		if fraction != "" {
			f, _ := strconv.ParseInt(fraction+strings.Repeat("0", 6-len(fraction)), 10, 64)
			if micros, ok = addScaled(micros, f, 1); !ok {
				return expr.Interval{}, fmt.Errorf("'%s' is too long for an INTERVAL", shorten(iv.Text))
			}
		}
	}
	if neg {
		months, micros = -months, -micros
	}
	return expr.Interval{Months: months, Micros: micros}, nil
}

// addScaled is sum + n*unit for numbers that are not negative; false when it is beyond 2^62, which leaves room
// for sums of bounds.
func addScaled(sum, n, unit int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(n), uint64(unit))
	if hi != 0 || lo > 1<<62 || sum > 1<<62-int64(lo) {
		return 0, false
	}
	return sum + int64(lo), true
}
