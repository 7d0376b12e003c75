package expr

import (
	"math"
	"testing"

	"github.com/lockstep-data/lockstep/schema"
)

func TestFact22ToText(t *testing.T) {
	s := tString
	check(t, []fact{
		{cast(1e7, s), "1.0E7", "STRING"},
		{cast(9999999.0, s), "9999999.0", ""},
		{cast(1e-4, s), "1.0E-4", ""},
		{cast(1e-3, s), "0.001", ""},
		{cast(100.0, s), "100.0", ""},
		{cast(-123.456, s), "-123.456", ""},
		{cast(1.5e300, s), "1.5E300", ""},
		{cast(2e23, s), "2.0E23", ""},
		{cast(math.SmallestNonzeroFloat64, s), "4.9E-324", ""},
		{cast(math.MaxFloat64, s), "1.7976931348623157E308", ""},
		{cast(math.NaN(), s), "NaN", ""},
		{cast(math.Inf(-1), s), "-Infinity", ""},
		{cast(math.Copysign(0, -1), s), "-0.0", ""},
		{cast(f32(0.1), s), "0.1", ""},
		{cast(f32(1e7), s), "1.0E7", ""},
		{cast(f32(math.SmallestNonzeroFloat32), s), "1.4E-45", ""},
		{cast(f32(16777216), s), "1.6777216E7", ""},
		{cast(true, s), "TRUE", ""},
		{cast(false, s), "FALSE", ""},
		{cast(dt("1.5", 20, 6), s), "1.500000", ""},
		{cast(dt("-0.5", 3, 2), s), "-0.50", ""},
		{cast(dt("-99999999999999999999999999999999999999", 38, 0), s), "-99999999999999999999999999999999999999", ""},
		{cast(dt("12345678901234567890.5", 38, 18), s), "12345678901234567890.500000000000000000", ""},
		{cast(ts("2024-02-29 12:34:56"), s), "2024-02-29 12:34:56.000000", ""},
		{cast(tsp("2024-02-29 12:34:56.789", 3), s), "2024-02-29 12:34:56.789", ""},
		{cast(tsp("2024-02-29 12:34:56", 0), s), "2024-02-29 12:34:56", ""},
		{cast(day_("0001-01-01"), s), "0001-01-01", ""},
		{cast(bytesOf("a\xffé\xe2\x82"), s), "a\uFFFDé\uFFFD", ""},
		{cast(bytesOf("\xc0\x80\xf0\x9f\x98x"), s), "\uFFFD\uFFFD\uFFFDx", ""},
		{cast(small(-5), s), "-5", ""},
		{cast(bigint(math.MinInt64), s), "-9223372036854775808", ""},
		{cast("héllo", vc(3)), "hél", "VARCHAR(3)"},
		{cast(12345, vc(3)), "!too long", ""},
		{tryCast(12345, vc(3)), "NULL", "VARCHAR(3)"},
		{cast(123, vc(3)), "123", "VARCHAR(3)"},
		{cast(day_("2024-02-29"), vc(7)), "!too long", ""},
		{cast(null(tInt), s), "NULL", ""},
		{cast("é", tBytes), "é", "BYTES"},
	})
}

func TestFact23TextToNumbers(t *testing.T) {
	dec := tDec(10, 2)
	check(t, []fact{
		{cast("+7", tInt), "7", "INT"},
		{cast(" -7 ", tInt), "-7", ""},
		{cast("42.", tInt), "42", ""},
		{cast("1.9", tInt), "1", ""},
		{cast("-1.9", tInt), "-1", ""},
		{cast("1e3", tInt), "!'1e3' is no INT", ""},
		{cast("", tInt), "!is no INT", ""},
		{cast("1.9x", tInt), "!is no INT", ""},
		{cast("2147483648", tInt), "!out of range", ""},
		{cast("-9223372036854775808", tBig), "-9223372036854775808", ""},
		{cast("9223372036854775808", tBig), "!is no BIGINT", ""},
		{cast("32768", tSmall), "!out of range", ""},
		{cast("1.5e2", dec), "150.00", "DECIMAL(10,2)"},
		{cast("1.235", dec), "1.24", ""},
		{cast("-1.235", dec), "-1.24", ""},
		{cast(" 7 ", dec), "7.00", ""},
		{cast(".5", dec), "0.50", ""},
		{cast("5.", dec), "5.00", ""},
		{cast("99999999.995", dec), "!out of range", ""},
		{cast("1e", dec), "!is no DECIMAL", ""},
		{cast("1e+", dec), "!is no DECIMAL", ""},
		{cast("x", dec), "!is no DECIMAL", ""},
		{cast("1e-400", dec), "0.00", ""},
		{cast("1e400", dec), "!out of range", ""},
		{cast("0e400", dec), "0.00", ""},
		{tryCast("x", tDec(5, 2)), "NULL", ""},
		{cast("1.5d", tDouble), "1.5", "DOUBLE"},
		{cast("1.5F", tDouble), "1.5", ""},
		{cast("0x1p3", tDouble), "8.0", ""},
		{cast("NaN", tDouble), "NaN", ""},
		{cast(" -Infinity ", tDouble), "-Infinity", ""},
		{cast("1e400", tDouble), "Infinity", ""},
		{cast("-1e400", tDouble), "-Infinity", ""},
		{cast("inf", tDouble), "!is no DOUBLE", ""},
		{cast("nan", tDouble), "!is no DOUBLE", ""},
		{cast("", tDouble), "!is no DOUBLE", ""},
		{cast("1_0", tDouble), "!is no DOUBLE", ""},
		{cast("0x1", tDouble), "!is no DOUBLE", ""},
		{cast("--1", tDouble), "!is no DOUBLE", ""},
		{cast("0.1", tFloat), "0.1", "FLOAT"},
		{tryCast("x", tInt), "NULL", "INT"},
		{tryCast("", tDouble), "NULL", ""},
	})
}

func TestFact24TextToBoolean(t *testing.T) {
	var facts []fact
	for _, s := range []string{"true", "T", "Yes", "y", "1", "TRUE"} {
		facts = append(facts, fact{cast(s, tBool), "TRUE", "BOOLEAN"})
	}
	for _, s := range []string{"false", "F", "No", "n", "0"} {
		facts = append(facts, fact{cast(s, tBool), "FALSE", "BOOLEAN"})
	}
	for _, s := range []string{" true", "true ", "", "on", "2", "truetrue"} {
		facts = append(facts, fact{cast(s, tBool), "!is no BOOLEAN", ""}, fact{tryCast(s, tBool), "NULL", ""})
	}
	check(t, facts)
}

func TestFact25TextToTime(t *testing.T) {
	check(t, []fact{
		{cast("2024-02-29", tDate), "2024-02-29", "DATE"},
		{cast("2024-2-9", tDate), "2024-02-09", ""},
		{cast("2024-02", tDate), "2024-02-01", ""},
		{cast("2024", tDate), "2024-01-01", ""},
		{cast("  2024-02-29  ", tDate), "2024-02-29", ""},
		{cast("2024-02-29 12:34", tDate), "2024-02-29", ""},
		{cast("2023-02-29", tDate), "!is no DATE", ""},
		{cast("2024-02-29T12", tDate), "!is no DATE", ""},
		{cast("", tDate), "!is no DATE", ""},
		{cast("2024-13-01", tDate), "!is no DATE", ""},
		{cast("0000-01-01", tDate), "!is no DATE", ""},
		{cast("9999-12-31", tDate), "9999-12-31", ""},
		{cast("2024-02-29", tStamp(6)), "2024-02-29 00:00:00.000000", "TIMESTAMP(6)"},
		{cast("2024-02-29 12:34:56", tStamp(6)), "2024-02-29 12:34:56.000000", ""},
		{cast("2024-02-29 1:2:3", tStamp(0)), "2024-02-29 01:02:03", ""},
		{cast("2024-02-29 12:34:56.123456789", tStamp(6)), "2024-02-29 12:34:56.123456", ""},
		{cast("2024-02-29 12:34:56.9999", tStamp(3)), "2024-02-29 12:34:56.999", ""},
		{cast("2024-02-29 12:34:56.5", tStamp(6)), "2024-02-29 12:34:56.500000", ""},
		{cast("1969-12-31 23:59:59.9", tStamp(0)), "1969-12-31 23:59:59", ""},
		{cast("2024-02-29T12:34:56", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("2024-02-29 12:34:56Z", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("2024-02-29 12:34:56+00:00", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("2024-02-29 12:34", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast(" 2024-02-29 12:34:56", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("2024-02-29 12:34:56 ", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("2024-02-29 24:00:00", tStamp(6)), "2024-03-01 00:00:00.000000", ""},
		{cast("2024-02-29 24:00:01", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("2023-02-31 12:00:00", tStamp(6)), "!is no TIMESTAMP", ""},
		{cast("9999-12-31 24:00:00", tStamp(6)), "!is no TIMESTAMP", ""},
		{tryCast("2023-02-31 12:00:00", tStamp(6)), "NULL", ""},
	})
}

func TestFact26Numbers(t *testing.T) {
	check(t, []fact{
		{cast(d("1.9"), tInt), "1", "INT"},
		{cast(d("-1.9"), tInt), "-1", ""},
		{cast(-1.9, tInt), "-1", ""},
		{cast(1.235, tDec(10, 2)), "1.24", ""},
		{cast(-1.235, tDec(10, 2)), "-1.24", ""},
		{cast(d("1.235"), tDec(10, 2)), "1.24", ""},
		{cast(d("1.5"), tDec(10, 0)), "2", "DECIMAL(10,0)"},
		{cast(1e-10, tDec(10, 2)), "0.00", ""},
		{cast(123456.789, tDec(38, 20)), "123456.78900000000000000000", ""},
		{cast(math.NaN(), tBool), "TRUE", ""},
		{cast(0.0, tBool), "FALSE", ""},
		{cast(d("0.00"), tBool), "FALSE", ""},
		{cast(-3, tBool), "TRUE", ""},
		{cast(true, tInt), "1", ""},
		{cast(false, tDouble), "0.0", ""},
		{cast(true, tDec(5, 2)), "1.00", ""},
		{cast(ts("2024-02-29 12:34:56.789999"), tStamp(3)), "2024-02-29 12:34:56.789", "TIMESTAMP(3)"},
		{cast(ts("1969-12-31 23:59:59.9999"), tStamp(3)), "1969-12-31 23:59:59.999", ""},
		{cast(ts("1969-12-31 23:59:59.9999"), tStamp(0)), "1969-12-31 23:59:59", ""},
		{cast(ts("1969-12-31 23:59:59.9999"), tDate), "1969-12-31", ""},
		{cast(ts("1900-02-28 12:00:00"), tDate), "1900-02-28", ""},
		{cast(day_("2024-02-29"), tStamp(6)), "2024-02-29 00:00:00.000000", ""},
		{cast(1, tStamp(6)), "!cannot be cast", ""},
		{cast(1, tDate), "!cannot be cast", ""},
		{cast(day_("2024-02-29"), tInt), "!cannot be cast", ""},
		{cast(ts("2024-02-29"), tBig), "!cannot be cast", ""},
		{cast(d("0.1"), tDouble), "0.1", ""},
		{cast(dt("12345678901234567890.123", 38, 3), tDouble), "1.2345678901234567E19", ""},
		{cast(f32(0.1), tDouble), "0.10000000149011612", ""},
		{cast(1e300, tFloat), "Infinity", ""},
		{cast(16777217, tFloat), "1.6777216E7", ""},
		{cast(7, tBig), "7", "BIGINT"},
		{cast(bytesOf("a"), tInt), "!cannot be cast", ""},
	})
}

func TestPart7Narrowing(t *testing.T) {
	check(t, []fact{
		{cast(d("9999999999.99"), tInt), "!out of range", ""},
		{tryCast(d("9999999999.99"), tInt), "NULL", ""},
		{cast(bigint(1<<31), tInt), "!out of range", ""},
		{tryCast(bigint(1<<31), tInt), "NULL", "INT"},
		{cast(32768, tSmall), "!out of range", ""},
		{cast(1e10, tInt), "!out of range", ""},
		{cast(1e19, tBig), "!out of range", ""},
		{cast(9.2233720368547748e18, tBig), "9223372036854774784", ""},
		{cast(-9.2233720368547758e18, tBig), "-9223372036854775808", ""},
		{cast(math.NaN(), tInt), "!out of range", ""},
		{tryCast(math.NaN(), tInt), "NULL", ""},
		{cast(math.NaN(), tDec(10, 2)), "!no decimal digits", ""},
		{tryCast(math.Inf(1), tDec(10, 2)), "NULL", ""},
		{cast(d("123.45"), tDec(4, 2)), "!out of range", ""},
		{tryCast(d("123.45"), tDec(4, 2)), "NULL", "DECIMAL(4,2)"},
		{cast(d("99.995"), tDec(4, 2)), "!out of range", ""},
		{cast(100, tDec(2, 0)), "!out of range", ""},
		{cast(null(tBig), tInt), "NULL", "INT"},
	})
}

func TestCommonType(t *testing.T) {
	for _, c := range []struct {
		a, b schema.Type
		want string
	}{
		{tInt, tBig, "BIGINT"}, {tInt, tDec(3, 1), "DECIMAL(11,1)"}, {tFloat, tDec(3, 1), "DOUBLE"}, {tFloat, tBig, "FLOAT"},
		{tDec(38, 0), tDec(38, 10), "DECIMAL(38,0)"}, {tDec(12, 2), tDec(20, 6), "DECIMAL(20,6)"}, {vc(3), vc(5), "VARCHAR(5)"},
		{vc(3), tString, "STRING"}, {tStamp(3), tStamp(6), "TIMESTAMP(6)"}, {schema.Type{}, tDate, "DATE"}, {tDate, tStamp(6), ""},
		{tBool, tInt, ""}, {tString, tBytes, ""},
	} {
		for range 2 {
			got, ok := CommonType(c.a, c.b)
			if ok != (c.want != "") || ok && got.String() != c.want {
				t.Errorf("%s, %s: %s %v, want %s", c.a, c.b, got, ok, c.want)
			}
			c.a, c.b = c.b, c.a
		}
	}
}
