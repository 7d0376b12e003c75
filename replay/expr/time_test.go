package expr

import (
	"math/rand"
	"testing"
	"time"
)

func TestFact27Extract(t *testing.T) {
	at := ts("2024-02-29 12:34:56.789123")
	ex := func(unit string, v any, want string) fact { return fact{cu("EXTRACT", unit, v), want, "BIGINT"} }
	check(t, []fact{
		ex("YEAR", at, "2024"), ex("QUARTER", at, "1"), ex("MONTH", at, "2"), ex("DAY", at, "29"), ex("DOY", at, "60"),
		ex("DOW", day_("2024-03-03"), "1"), ex("ISODOW", day_("2024-03-03"), "7"), ex("ISODOW", day_("2024-03-04"), "1"),
		ex("WEEK", day_("2021-01-03"), "53"), ex("ISOYEAR", day_("2021-01-03"), "2020"), ex("WEEK", day_("2024-12-30"), "1"), ex("ISOYEAR", day_("2024-12-30"), "2025"),
		ex("HOUR", at, "12"), ex("MINUTE", at, "34"), ex("SECOND", at, "56"), ex("MILLISECOND", at, "789"), ex("MICROSECOND", at, "789123"),
		ex("EPOCH", at, "1709210096"), ex("EPOCH", ts("1969-12-31 23:59:59.5"), "-1"),
		ex("MONTH", ts("1900-02-28 12:00:00"), "2"), ex("HOUR", ts("1900-02-28 12:00:00"), "12"), ex("DAY", ts("1900-02-28 12:00:00"), "28"),
		ex("MICROSECOND", ts("1969-12-31 23:59:59.5"), "500000"), ex("YEAR", day_("0001-01-01"), "1"), ex("YEAR", day_("9999-12-31"), "9999"),
		{cu("EXTRACT", "CENTURY", at), "!does not take the unit", ""},
		{cu("EXTRACT", "YEAR", "2024-01-01"), "!takes a DATE or a TIMESTAMP", ""},
		{cu("EXTRACT", "YEAR", null(tDate)), "NULL", ""},
	})
}

func TestFact27FloorAndCeil(t *testing.T) {
	at := ts("2024-02-29 12:34:56.789123")
	fl := func(unit, want string) fact { return fact{cu("FLOOR", unit, at), want, "TIMESTAMP(6)"} }
	ce := func(unit, want string) fact { return fact{cu("CEIL", unit, at), want, "TIMESTAMP(6)"} }
	check(t, []fact{
		fl("YEAR", "2024-01-01 00:00:00.000000"), fl("QUARTER", "2024-01-01 00:00:00.000000"), fl("MONTH", "2024-02-01 00:00:00.000000"),
		fl("WEEK", "2024-02-25 00:00:00.000000"), fl("DAY", "2024-02-29 00:00:00.000000"), fl("HOUR", "2024-02-29 12:00:00.000000"),
		fl("MINUTE", "2024-02-29 12:34:00.000000"), fl("SECOND", "2024-02-29 12:34:56.000000"), fl("MILLISECOND", "2024-02-29 12:34:56.789000"),
		ce("YEAR", "2025-01-01 00:00:00.000000"), ce("QUARTER", "2024-04-01 00:00:00.000000"), ce("MONTH", "2024-03-01 00:00:00.000000"),
		ce("WEEK", "2024-03-03 00:00:00.000000"), ce("DAY", "2024-03-01 00:00:00.000000"), ce("HOUR", "2024-02-29 13:00:00.000000"),
		ce("SECOND", "2024-02-29 12:34:57.000000"), ce("MILLISECOND", "2024-02-29 12:34:56.790000"),
		{cu("CEIL", "SECOND", ts("2024-02-29 12:00:00.000004")), "2024-02-29 12:00:01.000000", ""},
		{cu("CEIL", "MONTH", ts("2024-02-01 12:00:00")), "2024-03-01 00:00:00.000000", ""},
		{cu("CEIL", "MONTH", ts("2024-02-01 00:00:00")), "2024-02-01 00:00:00.000000", ""},
		{cu("FLOOR", "WEEK", day_("2024-03-03")), "2024-03-03", "DATE"},
		{cu("FLOOR", "DAY", day_("0001-01-01")), "0001-01-01", "DATE"},
		{cu("FLOOR", "MONTH", ts("1900-02-28 12:00:00")), "1900-02-01 00:00:00.000000", ""},
		{cu("FLOOR", "HOUR", ts("1969-12-31 23:59:59.999999")), "1969-12-31 23:00:00.000000", ""},
		{cu("CEIL", "YEAR", day_("9999-06-01")), "!outside the years", ""},
		{cu("FLOOR", "WEEK", day_("0001-01-01")), "!outside the years", ""},
		{cu("FLOOR", "DOW", at), "!does not take the unit", ""},
		{c("FLOOR", at), "!needs a unit", ""},
	})
}

func TestFact28AddToTimes(t *testing.T) {
	jan31 := day_("2024-01-31")
	check(t, []fact{
		{c("-", c("+", jan31, iv(1, 0)), iv(1, 0)), "2024-01-29", "DATE"},
		{c("+", jan31, iv(1, 0)), "2024-02-29", "DATE"},
		{c("+", iv(12, 0), day_("2024-02-29")), "2025-02-28", "DATE"},
		{cu("TIMESTAMPADD", "MONTH", 1, jan31), "2024-02-29", "DATE"},
		{cu("TIMESTAMPADD", "HOUR", 25, jan31), "2024-02-01 01:00:00.000000", "TIMESTAMP(6)"},
		{cu("TIMESTAMPADD", "DAY", -31, jan31), "2023-12-31", "DATE"},
		{cu("TIMESTAMPADD", "WEEK", 1, jan31), "2024-02-07", "DATE"},
		{cu("TIMESTAMPADD", "QUARTER", 1, jan31), "2024-04-30", "DATE"},
		{cu("TIMESTAMPADD", "MICROSECOND", bigint(1), tsp("2024-01-31 00:00:00", 3)), "2024-01-31 00:00:00.000001", "TIMESTAMP(6)"},
		{cu("TIMESTAMPADD", "SECOND", 1, tsp("2024-01-31 00:00:00", 3)), "2024-01-31 00:00:01.000", "TIMESTAMP(3)"},
		{cu("TIMESTAMPADD", "YEAR", 9999, jan31), "!outside the years", ""},
		{cu("TIMESTAMPADD", "YEAR", bigint(1<<62), jan31), "!outside the years", ""},
		{cu("TIMESTAMPADD", "WEEK", bigint(1<<62), jan31), "!outside the years", ""},
		{c("+", jan31, hours(25)), "2024-02-01", "DATE"},
		{c("-", jan31, hours(25)), "2024-01-30", "DATE"},
		{c("+", ts("2024-01-31 00:00:00"), hours(25)), "2024-02-01 01:00:00.000000", ""},
		{c("-", ts("1970-01-01 00:00:00"), iv(0, 1)), "1969-12-31 23:59:59.999999", ""},
		{c("+", tsp("2024-01-31 00:00:00", 0), iv(0, 500000)), "2024-01-31 00:00:00.500", "TIMESTAMP(3)"},
		{c("+", ts("2024-01-31 00:00:00"), c("*", 90, iv(0, second))), "2024-01-31 00:01:30.000000", ""},
		{c("+", ts("2024-01-31 00:00:00"), c("*", iv(1, 0), -2)), "2023-11-30 00:00:00.000000", ""},
		{c("+", ts("2024-01-31 00:00:00"), c("NEG", hours(1))), "2024-01-30 23:00:00.000000", ""},
		{c("+", ts("9999-12-31 23:00:00"), hours(1)), "!outside the years", ""},
		{c("-", ts("0001-01-01 00:00:00"), iv(1, 0)), "!outside the years", ""},
		{c("+", ts("2024-01-31 00:00:00"), c("*", bigint(1<<62), hours(1))), "!", ""},
	})
}

func TestFact29TimestampDiff(t *testing.T) {
	diff := func(unit string, a, b any, want string) fact {
		return fact{cu("TIMESTAMPDIFF", unit, a, b), want, "INT"}
	}
	check(t, []fact{
		diff("MONTH", day_("2024-01-31"), day_("2024-02-29"), "1"),
		diff("YEAR", day_("2024-02-29"), day_("2025-02-28"), "1"),
		diff("MONTH", day_("2024-01-31"), day_("2024-02-28"), "0"),
		diff("MONTH", day_("2024-03-31"), day_("2024-02-29"), "-1"),
		diff("MONTH", day_("2024-03-30"), day_("2024-02-29"), "-1"),
		diff("QUARTER", day_("2024-01-31"), day_("2024-07-31"), "2"),
		diff("DAY", ts("2024-01-01 12:00:00"), ts("2024-01-03 11:59:59.999999"), "1"),
		diff("DAY", ts("2024-01-03 11:59:59.999999"), ts("2024-01-01 12:00:00"), "-1"),
		diff("SECOND", ts("1970-01-01 00:00:00"), ts("1969-12-31 23:59:59.9"), "0"),
		diff("MICROSECOND", ts("1970-01-01 00:00:00"), ts("1969-12-31 23:59:59.9"), "-100000"),
		diff("MONTH", ts("2024-01-01 02:00:00"), ts("2024-01-01 01:00:00"), "0"),
		diff("WEEK", day_("2024-01-01"), day_("2024-01-15"), "2"),
		diff("HOUR", day_("2024-01-01"), ts("2024-01-01 05:30:00"), "5"),
		{cu("TIMESTAMPDIFF", "SECOND", day_("1900-01-01"), day_("2024-01-01")), "!does not fit INT", ""},
		{cu("TIMESTAMPDIFF", "MILLISECOND", day_("2024-01-01"), day_("2024-01-27")), "!does not fit INT", ""},
	})
}

func TestFact30And31Intervals(t *testing.T) {
	at := ts("2024-01-01 00:00:00")
	check(t, []fact{
		{c("-", at, at), "!is not supported", ""},
		{c("-", day_("2024-01-01"), day_("2024-01-01")), "!is not supported", ""},
		{c(">", ts("2024-01-01 02:00:00"), c("+", at, hours(1))), "TRUE", ""},
		{c("+", at, 1), "!is not supported", ""},
		{c("*", at, 2), "!is not supported", ""},
		{c("+", 1, hours(1)), "!is not supported", ""},
		{c("*", hours(1), 1.5), "!is not supported", ""},
		{c("-", at, c("+", hours(1), iv(0, minute))), "2023-12-31 22:59:00.000000", ""},
		{c("+", hours(1), iv(1, 0)), "!cannot be combined", ""},
		{c("UPPER", hours(1)), "!takes no INTERVAL", ""},
		{when(true, hours(1)), "!INTERVAL", ""},
		{cast(hours(1), tString), "!INTERVAL", ""},
	})
	if _, err := Compile(hours(1)); err == nil {
		t.Error("an interval was taken for a column")
	}
}

func TestFact32DateFormat(t *testing.T) {
	at := ts("2024-02-09 15:04:05.678912")
	df := func(v any, f, want string) fact { return fact{c("DATE_FORMAT", v, k(f)), want, "STRING"} }
	check(t, []fact{
		df(at, "yyyy-MM-dd HH:mm:ss.SSSSSS", "2024-02-09 15:04:05.678912"),
		df(at, "yy M d H h m s", "24 2 9 15 3 4 5"),
		df(at, "MMM MMMM E EEE EEEE a", "Feb February Fri Fri Friday PM"),
		df(at, "S SSS SSSSSSSSS", "6 678 678912000"),
		df(at, "yyyy-MM-dd'T'HH:mm", "2024-02-09T15:04"),
		df(at, "h 'o''clock' ''", "3 o'clock '"),
		df(ts("2024-01-01 00:30:00"), "hh:mm a", "12:30 AM"),
		df(ts("1969-12-31 23:59:59.9"), "HH:mm:ss.S", "23:59:59.9"),
		df("2024-02-09 15:04:05", "HHmm", "1504"),
		df("2024-02-09 15:04:05.5", "SS", "50"),
		df("2024-02-09", "HHmm", "NULL"),
		df("x", "HHmm", "NULL"),
		{c("DATE_FORMAT", at, "yyyy"), "2024", ""},
		{c("DATE_FORMAT", at, k("ww")), "!letter w", ""},
		{c("DATE_FORMAT", at, "YYYY"), "!letter Y", ""},
		{c("DATE_FORMAT", at, k("'x")), "!quote", ""},
		{c("DATE_FORMAT", at, k("HHH")), "!too many H", ""},
		{c("DATE_FORMAT", day_("2024-02-09"), "yyyy"), "!takes a TIMESTAMP, not DATE", ""},
	})
}

// TestCalendarAgainstGo compares the calendar with package time, which counts the same one.
func TestCalendarAgainstGo(t *testing.T) {
	seed := time.Now().UnixNano()
	r := rand.New(rand.NewSource(seed))
	for range 100000 {
		days := firstDay + r.Int63n(lastDay-firstDay+1)
		at := time.Unix(days*86400, 0).UTC()
		y, m, dd := dateOf(days)
		iy, iw := isoWeek(days)
		gy, gw := at.ISOWeek()
		if y != int64(at.Year()) || m != int64(at.Month()) || dd != int64(at.Day()) || daysOf(y, m, dd) != days ||
			weekday(days) != int64(at.Weekday()) || iy != int64(gy) || iw != int64(gw) || extract(days*day, "DOY") != int64(at.YearDay()) {
			t.Fatalf("seed %d: day %d is %d-%d-%d, %s", seed, days, y, m, dd, at)
		}
		// Adding the months between, clamped, must not pass the end; one more must.
		a, b := days*day+r.Int63n(day), (firstDay+r.Int63n(lastDay-firstDay+1))*day+r.Int63n(day)
		n := monthsBetween(a, b)
		step := int64(1)
		if a > b {
			step = -1
		}
		end, _ := plusMonths(a, n)
		past := addMonths(floorDiv(a, day), n+step)*day + floorMod(a, day)
		if (end-b)*step > 0 || (past-b)*step <= 0 {
			t.Fatalf("seed %d: monthsBetween(%d, %d) = %d", seed, a, b, n)
		}
	}
}
