package expr

import "math"

// The calendar is proleptic Gregorian: days count from 1970-01-01, every division rounds down, and years run
// from 0001 to 9999.

const (
	second = int64(1e6)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	firstDay = -719162 // 0001-01-01
	lastDay  = 2932896 // 9999-12-31
)

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 {
	r := a % b
	if r < 0 {
		r += b
	}
	return r
}

// daysOf is the day of a date that may have any month.
func daysOf(year, month, dayOfMonth int64) int64 {
	year += floorDiv(month-1, 12)
	month = floorMod(month-1, 12) + 1
	// Years begin in March, so that the leap day is the last.
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := (153*(month-3)+2)/5 + dayOfMonth - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// dateOf is the date of a day.
func dateOf(days int64) (year, month, dayOfMonth int64) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	dayOfMonth = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if mp >= 10 {
		month = mp - 9
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, dayOfMonth
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// weekday is 0 for Sunday.
func weekday(days int64) int64 { return floorMod(days+4, 7) }

// isoWeek is the ISO week and the year that it belongs to.
func isoWeek(days int64) (year, week int64) {
	// A week is of the year that its Thursday is in.
	thursday := days - (weekday(days)+6)%7 + 3
	year, _, _ = dateOf(thursday)
	return year, (thursday-daysOf(year, 1, 1))/7 + 1
}

// addMonths moves a day, clamped to the end of the month.
func addMonths(days, n int64) int64 {
	y, m, d := dateOf(days)
	t := y*12 + m - 1 + n
	y, m = floorDiv(t, 12), floorMod(t, 12)+1
	return daysOf(y, m, min(d, daysIn(y, m)))
}

// monthsBetween is how many whole months lie from a to b (microseconds): a month is whole when adding it,
// clamped, does not pass b.
func monthsBetween(a, b int64) int64 {
	if a > b {
		return -monthsForward(a, b, -1)
	}
	return monthsForward(a, b, 1)
}

func monthsForward(a, b, sign int64) int64 {
	da, db := floorDiv(a, day), floorDiv(b, day)
	ya, ma, _ := dateOf(da)
	yb, mb, _ := dateOf(db)
	n := ((yb-ya)*12 + mb - ma) * sign
	for n > 0 {
		end := addMonths(da, n*sign)*day + floorMod(a, day)
		if (end-b)*sign <= 0 {
			break
		}
		n--
	}
	return n
}

// unitMicros is the length of a unit that always has the same, or 0.
func unitMicros(unit string) int64 {
	switch unit {
	case "WEEK":
		return 7 * day
	case "DAY":
		return day
	case "HOUR":
		return hour
	case "MINUTE":
		return minute
	case "SECOND":
		return second
	case "MILLISECOND":
		return 1000
	case "MICROSECOND":
		return 1
	}
	return 0
}

func unitMonths(unit string) int64 {
	switch unit {
	case "YEAR":
		return 12
	case "QUARTER":
		return 3
	case "MONTH":
		return 1
	}
	return 0
}

// floorTime is the beginning of the unit that t is in. Weeks begin on Sunday.
func floorTime(t int64, unit string) int64 {
	if k := unitMonths(unit); k > 0 {
		y, m, _ := dateOf(floorDiv(t, day))
		if k == 12 {
			m = 1
		} else {
			m -= (m - 1) % k
		}
		return daysOf(y, m, 1) * day
	}
	if unit == "WEEK" {
		d := floorDiv(t, day)
		return (d - weekday(d)) * day
	}
	return t - floorMod(t, unitMicros(unit))
}

// ceilTime is the next beginning of a unit, or t when it is one.
func ceilTime(t int64, unit string) int64 {
	f := floorTime(t, unit)
	if f == t {
		return t
	}
	if k := unitMonths(unit); k > 0 {
		return addMonths(f/day, k) * day
	}
	return f + unitMicros(unit)
}

// extract is a part of a time.
func extract(t int64, unit string) int64 {
	d, rest := floorDiv(t, day), floorMod(t, day)
	switch unit {
	case "EPOCH":
		return floorDiv(t, second)
	case "HOUR":
		return rest / hour
	case "MINUTE":
		return rest / minute % 60
	case "SECOND":
		return rest / second % 60
	case "MILLISECOND":
		return rest % second / 1000
	case "MICROSECOND":
		return rest % second
	case "DOW":
		return weekday(d) + 1
	case "ISODOW":
		return (weekday(d)+6)%7 + 1
	case "WEEK":
		_, w := isoWeek(d)
		return w
	case "ISOYEAR":
		y, _ := isoWeek(d)
		return y
	}
	y, m, dom := dateOf(d)
	switch unit {
	case "YEAR":
		return y
	case "QUARTER":
		return (m + 2) / 3
	case "MONTH":
		return m
	case "DOY":
		return d - daysOf(y, 1, 1) + 1
	}
	return dom
}

// inYears reports whether a time lies in the years 0001 to 9999.
func inYears(t int64) bool { return t >= firstDay*day && t < (lastDay+1)*day }

// plusMicros adds to a time; false when the result is outside the years.
func plusMicros(t, n int64) (int64, bool) {
	if n > 0 && t > math.MaxInt64-n || n < 0 && t < math.MinInt64-n {
		return 0, false
	}
	return t + n, inYears(t + n)
}

func plusMonths(t, n int64) (int64, bool) {
	if n > 12*20000 || n < -12*20000 {
		return 0, false
	}
	r := addMonths(floorDiv(t, day), n)
	if r < firstDay || r > lastDay {
		return 0, false
	}
	return r*day + floorMod(t, day), true
}
