package sql

import (
	"strings"
	"testing"
)

const (
	second = int64(1_000_000)
	hour   = 3600 * second
	day    = 24 * hour
)

func TestBands(t *testing.T) {
	for _, c := range []struct {
		on     string
		lo, hi int64
		rest   string
	}{
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR", 0, 4 * hour, ""},
		{"p.played_at BETWEEN i.shown_at - INTERVAL '30' MINUTE AND i.shown_at + INTERVAL '4' HOUR", -hour / 2, 4 * hour, ""},
		{"i.shown_at BETWEEN p.played_at - INTERVAL '4' HOUR AND p.played_at", 0, 4 * hour, ""},
		{"i.shown_at BETWEEN p.played_at - INTERVAL '4' HOUR AND p.played_at + INTERVAL '1' SECOND", -second, 4 * hour, ""},
		{"p.played_at >= i.shown_at AND p.played_at <= i.shown_at + INTERVAL '4' HOUR", 0, 4 * hour, ""},
		{"p.played_at > i.shown_at AND p.played_at < i.shown_at + INTERVAL '4' HOUR", 1, 4*hour - 1, ""},
		{"i.shown_at < p.played_at AND i.shown_at + INTERVAL '4' HOUR > p.played_at", 1, 4*hour - 1, ""},
		{"i.shown_at <= p.played_at AND p.played_at - INTERVAL '4' HOUR <= i.shown_at", 0, 4 * hour, ""},
		{"INTERVAL '1' DAY + i.shown_at >= p.played_at AND p.played_at >= i.shown_at", 0, day, ""},
		{"p.played_at - INTERVAL '1' HOUR >= i.shown_at + INTERVAL '1' HOUR AND p.played_at <= i.shown_at + INTERVAL '1' DAY", 2 * hour, day, ""},
		{"p.played_at = i.shown_at", 0, 0, ""},
		{"p.played_at = i.shown_at + INTERVAL '1' SECOND", second, second, ""},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '1 02:03:04.000005' DAY TO SECOND", 0, day + 2*hour + 3*60*second + 4*second + 5, ""},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '100' DAY", 0, 100 * day, ""},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '2' WEEKS", 0, 14 * day, ""},
		{"p.played_at BETWEEN i.shown_at - INTERVAL '0.000001' SECOND AND i.shown_at + INTERVAL '7' MILLISECOND", -1, 7000, ""},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at - INTERVAL -'1' HOUR", 0, hour, ""},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '-1' HOUR * 1", 0, 0, "unbounded"},
		{"p.played_at BETWEEN i.shown_at AND TIMESTAMPADD(HOUR, 4, i.shown_at)", 0, 4 * hour, ""},
		{"p.played_at BETWEEN TIMESTAMPADD(MINUTE, -5, i.shown_at) AND i.shown_at", -300 * second, 0, ""},
		{"p.played_at BETWEEN shown_at AND shown_at + INTERVAL '1' HOUR + INTERVAL '1' SECOND", 0, hour + second, ""},
		// Of two bounds the tighter one counts; what is no bound stays.
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR AND p.played_at < i.shown_at + INTERVAL '1' HOUR", 0, hour - 1, ""},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR AND p.duration_ms > i.rank", 0, 4 * hour, "p.duration_ms > CAST(i.rank AS BIGINT)"},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR AND p.played_at <> i.shown_at", 0, 4 * hour, "p.played_at <> i.shown_at"},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR AND p.played_at NOT BETWEEN i.shown_at AND i.shown_at + INTERVAL '1' HOUR", 0, 4 * hour, "NOT (p.played_at >= i.shown_at AND"},
	} {
		query := "SELECT i.impression_id FROM impressions i LEFT JOIN playbacks p ON p.profile_id = i.profile_id AND " + c.on
		p, problems := Compile(query, testCatalog())
		if c.rest == "unbounded" {
			if p != nil || !strings.Contains(listed(problems), "unbounded") {
				t.Errorf("%s: %s", c.on, listed(problems))
			}
			continue
		}
		if len(problems) > 0 {
			t.Errorf("%s: %s", c.on, listed(problems))
			continue
		}
		checkPlan(t, p)
		j := theJoin(t, p)
		rest := ""
		if j.On != nil {
			rest = exprText(j.On, 0)
		}
		if j.Lo != c.lo || j.Hi != c.hi || !strings.HasPrefix(rest, c.rest) || (rest == "") != (c.rest == "") {
			t.Errorf("%s: [%d, %d] on %q, want [%d, %d] on %q", c.on, j.Lo, j.Hi, rest, c.lo, c.hi, c.rest)
		}
		if j.Kind != Left || len(j.LeftKeys) != 1 {
			t.Errorf("%s: kind %d, %d keys", c.on, j.Kind, len(j.LeftKeys))
		}
	}
}

// A third stream joined within a band of the second's time: the engine's band is against the first's, and the
// condition itself stays.
func TestBandAgainstAnEarlierRightSide(t *testing.T) {
	p := compile(t, `SELECT i.impression_id, r.stars FROM impressions i
		LEFT JOIN playbacks p ON p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at - INTERVAL '1' HOUR AND i.shown_at + INTERVAL '4' HOUR
		LEFT JOIN ratings r ON r.profile_id = p.profile_id AND r.rated_at BETWEEN p.played_at AND p.played_at + INTERVAL '7' DAY
		LEFT JOIN ratings r2 ON r2.profile_id = i.profile_id AND r2.rated_at >= r.rated_at AND r2.rated_at < i.shown_at + INTERVAL '8' DAY`)
	checkPlan(t, p)
	last := theJoin(t, p)
	if last.Lo != -hour || last.Hi != 8*day-1 || exprText(last.On, 0) != "r2.rated_at >= r.rated_at" {
		t.Errorf("last join: [%s, %s] on %s", micros(last.Lo), micros(last.Hi), exprText(last.On, 0))
	}
	middle := last.Left.(*Join)
	if middle.Lo != -hour || middle.Hi != 4*hour+7*day || !strings.HasPrefix(exprText(middle.On, 0), "r.rated_at >= p.played_at AND") {
		t.Errorf("middle join: [%s, %s] on %s", micros(middle.Lo), micros(middle.Hi), exprText(middle.On, 0))
	}
	if first := middle.Left.(*Join); first.Lo != -hour || first.Hi != 4*hour || first.On != nil {
		t.Errorf("first join: [%s, %s]", micros(first.Lo), micros(first.Hi))
	}
	if s := last.Right.(*Scan); s.Stream != "ratings" || s.Alias != "r2" {
		t.Errorf("scan %+v", s)
	}
}

func TestUnboundedJoins(t *testing.T) {
	const from = "SELECT i.impression_id FROM impressions i\nLEFT JOIN playbacks p ON "
	for _, c := range []struct{ on, want string }{
		{"p.profile_id = i.profile_id", "2:1: unbounded stream join with playbacks: nothing bounds p.played_at | AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR"},
		{"p.profile_id = i.profile_id AND p.played_at >= i.shown_at", "2:1: nothing says how late p.played_at may be | add a band"},
		{"p.profile_id = i.profile_id AND p.played_at < i.shown_at", "2:1: nothing says how early p.played_at may be | add a band"},
		{"p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR", "2:1: no equality between the two sides | ON p.id = i.id"},
		{"p.profile_id = 7 AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR", "2:1: no equality between the two sides | "},
		{"p.profile_id IS NOT DISTINCT FROM i.profile_id AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR", "2:1: no equality | IS NOT DISTINCT FROM does not count"},
		{"p.profile_id = i.profile_id AND (p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '4' HOUR OR i.rank = 1)", "2:1: nothing bounds p.played_at | add a band"},
		{"p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '1' MONTH", "2:106: in months or years has no fixed length | INTERVAL '31' DAY"},
	} {
		_, problems := Compile(from+c.on, testCatalog())
		want(t, from+c.on, problems, c.want)
	}
	query := from + "p.profile_id = i.profile_id AND p.played_at BETWEEN i.shown_at AND i.shown_at - INTERVAL '4' HOUR"
	p, problems := Compile(query, testCatalog())
	want(t, query, problems, "2:1: is empty: no pair can match | the order of BETWEEN")
	if p == nil || !problems[0].Warning {
		t.Error("an empty band is a warning")
	}
}

func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		text   string
		months int64
		micros int64
	}{
		{"'4' HOUR", 0, 4 * hour}, {"'-4' HOUR", 0, -4 * hour}, {"-'-4' HOURS", 0, 4 * hour}, {"'+4' hour", 0, 4 * hour},
		{"'1.5' SECOND", 0, 1_500_000}, {"'.25' SECOND", 0, 250_000}, {"'0.000001' SECOND(2, 6)", 0, 1}, {"'1.50000000' SECOND", 0, 1_500_000},
		{"'100' DAY(3)", 0, 100 * day}, {"'1-2' YEAR TO MONTH", 14, 0}, {"'2' QUARTER", 6, 0}, {"'3' YEARS", 36, 0}, {"'2' WEEK", 0, 14 * day},
		{"'1 02' DAY TO HOUR", 0, 26 * hour}, {"'1 02:03' DAY TO MINUTE", 0, 26*hour + 180*second}, {"'02:03' HOUR TO MINUTE", 0, 2*hour + 180*second},
		{"'-1 02:03:04.5' DAY TO SECOND", 0, -(26*hour + 184*second + 500_000)}, {"'100:59:59' HOUR TO SECOND", 0, 100*hour + 3599*second},
		{"'03:04.000001' MINUTE TO SECOND", 0, 184*second + 1}, {"'5' MILLISECOND", 0, 5000}, {"'5' MICROSECONDS", 0, 5},
	} {
		x, problems := parseExpression("INTERVAL " + c.text)
		if len(problems) > 0 {
			t.Errorf("%s: %s", c.text, listed(problems))
			continue
		}
		if v, err := x.(intervalLit).value(); err != nil || v.Months != c.months || v.Micros != c.micros {
			t.Errorf("%s: %+v, %v", c.text, v, err)
		}
	}
	for text, line := range map[string]string{
		"'x' HOUR":                   "1:10: 'x' is not an INTERVAL of HOUR | INTERVAL '4' HOUR",
		"'1.5' HOUR":                 "1:10: is not an INTERVAL of HOUR | ",
		"'1 25:00:00' DAY TO SECOND": "1:10: 25 is more than 23 | carry it over",
		"'0.0000001' SECOND":         "1:10: finer than a microsecond | ",
		"'99999999999999999999' DAY": "1:10: too long | ",
		"'9999999999999' DAY":        "1:10: too long | ",
		"'1' HOUR TO DAY":            "1:10: INTERVAL of HOUR TO DAY is not known | YEAR TO MONTH",
		"4 HOURS":                    "1:10: is a text | INTERVAL '4' HOURS",
		"'4'":                        "1:13: the INTERVAL has no unit | INTERVAL '4' HOUR",
		"'4' HORU":                   "1:14: the unit of an INTERVAL | ",
		"'1:2' DAY TO SECOND":        "1:10: is not an INTERVAL of DAY TO SECOND | '1 02:03:04.5' DAY TO SECOND",
	} {
		_, problems := parseExpression("INTERVAL " + text)
		want(t, text, problems, line)
	}
}
