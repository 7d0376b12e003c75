package column

import (
	"encoding/binary"
	"errors"
)

// ErrTime and ErrDate say what a time and a date look like.
var (
	ErrTime = errors.New("not a time; wanted is a form like 2024-01-31 23:59:59.123456, with T or a blank, with or without Z or +02:00")
	ErrDate = errors.New("not a date; wanted is a form like 2024-01-31")
)

const (
	day = 86_400_000_000 // in microseconds
	// Beyond these days a time does not fit 64 bits of microseconds.
	maxDay = 106_751_990
)

// ParseTimestamp reads ISO 8601: a date, then T or a blank and hh:mm[:ss[.fraction]], then Z, UTC or an
// offset. A date alone is midnight; no zone means UTC. Up to nine digits of a second are read and those behind
// the sixth cut. The result is microseconds since 1970 in UTC.
func ParseTimestamp(b []byte) (int64, error) {
	if t, ok := usualTime(b); ok {
		return t, nil
	}
	days, i, ok := parseDay(b)
	if !ok || days > maxDay || days < -maxDay {
		return 0, ErrTime
	}
	t := days * day
	if i == len(b) {
		return t, nil
	}
	if b[i] != 'T' && b[i] != ' ' && b[i] != 't' {
		return 0, ErrTime
	}
	i++
	if len(b) < i+5 || b[i+2] != ':' {
		return 0, ErrTime
	}
	h, okH := two(b[i:])
	m, okM := two(b[i+3:])
	if !okH || !okM || h > 23 || m > 59 {
		return 0, ErrTime
	}
	i += 5
	t += int64(h)*3_600_000_000 + int64(m)*60_000_000
	if i < len(b) && b[i] == ':' {
		if len(b) < i+3 {
			return 0, ErrTime
		}
		s, ok := two(b[i+1:])
		if !ok || s > 59 {
			return 0, ErrTime
		}
		i += 3
		t += int64(s) * 1_000_000
		if i < len(b) && (b[i] == '.' || b[i] == ',') {
			i++
			start, frac := i, int64(0)
			for i < len(b) && b[i]-'0' <= 9 {
				if i-start < 6 {
					frac = frac*10 + int64(b[i]-'0')
				}
				i++
			}
			if i == start || i-start > 9 {
				return 0, ErrTime
			}
			for k := i - start; k < 6; k++ {
				frac *= 10
			}
			t += frac
		}
	}
	off, ok := parseZone(b[i:])
	if !ok {
		return 0, ErrTime
	}
	return t - off, nil
}

// usualTime reads the forms that machines write, 2024-01-31T23:59:59Z with three, six or no digits behind the
// point, eight characters at a time.
func usualTime(b []byte) (micros int64, ok bool) {
	if len(b) < 20 || b[len(b)-1] != 'Z' || b[10] != 'T' && b[10] != ' ' || b[16] != ':' {
		return 0, false
	}
	// Each xor turns the separators into zeros and the digits into their values.
	date := binary.LittleEndian.Uint64(b) ^ (zeros ^ ('-'^'0')<<32 ^ ('-'^'0')<<56)
	clock := binary.LittleEndian.Uint64(b[8:]) ^ (zeros ^ uint64(b[10]^'0')<<16 ^ (':'^'0')<<40)
	if (date|(date+above9)|clock|(clock+above9))&highs != 0 || date&(0xff<<32|0xff<<56) != 0 || clock&(0xff<<40) != 0 {
		return 0, false
	}
	y := int(date&0xff)*1000 + int(date>>8&0xff)*100 + int(date>>16&0xff)*10 + int(date>>24&0xff)
	m := int(date>>40&0xff)*10 + int(date>>48&0xff)
	d := int(clock&0xff)*10 + int(clock>>8&0xff)
	h := int(clock>>24&0xff)*10 + int(clock>>32&0xff)
	minute := int(clock>>48&0xff)*10 + int(clock>>56)
	s, okS := two(b[17:])
	if !okS || m < 1 || m > 12 || d < 1 || d > 28 && d > monthDays(y, m) || h > 23 || minute > 59 || s > 59 {
		return 0, false
	}
	f := 0
	switch frac := b[19 : len(b)-1]; {
	case len(frac) == 0:
	case frac[0] != '.' || len(frac) != 4 && len(frac) != 7:
		return 0, false
	default:
		for _, c := range frac[1:] {
			if c -= '0'; c > 9 {
				return 0, false
			}
			f = f*10 + int(c)
		}
		if len(frac) == 4 {
			f *= 1000
		}
	}
	return civilDays(y, m, d)*day + int64(h*3600+minute*60+s)*1_000_000 + int64(f), true
}

const (
	zeros  = 0x3030303030303030 // eight times '0'
	above9 = 0x7676767676767676 // takes what is greater than 9 to the high bit
	highs  = 0x8080808080808080
)

// ParseDate reads 2024-01-31 as days since 1970.
func ParseDate(b []byte) (int32, error) {
	days, i, ok := parseDay(b)
	if !ok || i != len(b) {
		return 0, ErrDate
	}
	return int32(days), nil
}

// parseDay reads a date and says where it ends. Years have four digits; with a sign, up to seven.
func parseDay(b []byte) (days int64, end int, ok bool) {
	i, neg := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		i++
	}
	start, y := i, 0
	for i < len(b) && b[i]-'0' <= 9 && i-start < 8 {
		y = y*10 + int(b[i]-'0')
		i++
	}
	if n := i - start; n != 4 && (start == 0 || n < 4 || n > 7) {
		return 0, 0, false
	}
	if neg {
		y = -y
	}
	if len(b) < i+6 || b[i] != '-' || b[i+3] != '-' {
		return 0, 0, false
	}
	m, okM := two(b[i+1:])
	d, okD := two(b[i+4:])
	if !okM || !okD || m < 1 || m > 12 || d < 1 || d > monthDays(y, m) {
		return 0, 0, false
	}
	return civilDays(y, m, d), i + 6, true
}

// parseZone reads Z, UTC, +hh, +hhmm or +hh:mm; nothing is UTC. A blank may stand before it.
func parseZone(b []byte) (micros int64, ok bool) {
	if len(b) > 1 && b[0] == ' ' {
		b = b[1:]
	}
	switch {
	case len(b) == 0, len(b) == 1 && b[0]|0x20 == 'z', string(b) == "UTC":
		return 0, true
	case b[0] != '+' && b[0] != '-' || len(b) < 3:
		return 0, false
	}
	h, ok := two(b[1:])
	m := 0
	if ok && len(b) > 3 {
		rest := b[3:]
		if rest[0] == ':' {
			rest = rest[1:]
		}
		if len(rest) != 2 {
			return 0, false
		}
		m, ok = two(rest)
	}
	if !ok || h > 18 || m > 59 {
		return 0, false
	}
	micros = int64(h*60+m) * 60_000_000
	if b[0] == '-' {
		micros = -micros
	}
	return micros, true
}

func two(b []byte) (int, bool) {
	x, y := b[0]-'0', b[1]-'0'
	return int(x)*10 + int(y), x <= 9 && y <= 9
}

func monthDays(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civilDays counts days since 1970 in the Gregorian calendar, also before 1582 (Hinnant, days_from_civil).
func civilDays(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(int64(y), 400)
	yoe := int64(y) - era*400
	doy := int64((153*(m-3)+2)/5 + d - 1)
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func civil(days int64) (y, m, d int) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp + 3)
	y = int(yoe + era*400)
	if m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

// AppendTimestamp appends 2024-01-31T23:59:59.123456Z, always with six digits.
func AppendTimestamp(dst []byte, micros int64) []byte {
	days := floorDiv(micros, day)
	rest := micros - days*day
	dst = AppendDate(dst, days)
	dst = append(dst, 'T')
	dst = appendTwo(dst, int(rest/3_600_000_000))
	dst = append(dst, ':')
	dst = appendTwo(dst, int(rest/60_000_000%60))
	dst = append(dst, ':')
	dst = appendTwo(dst, int(rest/1_000_000%60))
	f := int(rest % 1_000_000)
	dst = append(dst, '.')
	dst = appendTwo(dst, f/10000)
	dst = appendTwo(dst, f/100%100)
	dst = appendTwo(dst, f%100)
	return append(dst, 'Z')
}

// AppendDate appends 2024-01-31; years outside 0 to 9999 get a sign and at least six digits.
func AppendDate(dst []byte, days int64) []byte {
	y, m, d := civil(days)
	if y < 0 || y > 9999 {
		sign := byte('+')
		if y < 0 {
			sign, y = '-', -y
		}
		dst = append(dst, sign)
		if y >= 1_000_000 {
			dst = append(dst, '0'+byte(y/1_000_000))
		}
		dst = appendTwo(dst, y/10000%100)
		y %= 10000
	}
	dst = appendTwo(dst, y/100)
	dst = appendTwo(dst, y%100)
	dst = append(dst, '-')
	dst = appendTwo(dst, m)
	dst = append(dst, '-')
	return appendTwo(dst, d)
}

func appendTwo(dst []byte, n int) []byte { return append(dst, '0'+byte(n/10), '0'+byte(n%10)) }
