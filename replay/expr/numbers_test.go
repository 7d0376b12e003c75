package expr

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
)

// The tests are named by the numbers of the facts in docs/sql.md's sources: what Flink SQL was measured to do.

func TestFact02IntegerDivision(t *testing.T) {
	dec1 := dt("12.30", 12, 2)
	check(t, []fact{
		{c("/", -7, 2), "-3", "INT"},
		{c("/", -1, 2), "0", "INT"},
		{c("/", 7, k(2)), "3", "INT"},
		{c("%", -7, 3), "-1", "INT"},
		{c("%", 7, -3), "1", "INT"},
		{c("MOD", bigint(7), k(-3)), "1", "INT"},
		{c("%", bigint(5000000017), 10), "7", "INT"},
		{c("%", bigint(5000000017), small(10)), "7", "SMALLINT"},
		{c("%", 5000017, small(10)), "7", "SMALLINT"},
		{c("%", 7, bigint(10)), "7", "BIGINT"},
		{c("%", dec1, d("0.7")), "0.40", "DECIMAL(3,2)"},
		{c("%", 7.5, 2), "!takes no DOUBLE", ""},
		{c("%", 7, f32(2)), "!takes no FLOAT", ""},
		{c("%", math.MinInt32, -1), "0", "INT"},
	})
}

func TestFact03DecimalTypes(t *testing.T) {
	dec1, dec2 := dt("12.30", 12, 2), dt("1.500001", 20, 6)
	check(t, []fact{
		{c("/", dec1, 3), "4.1000000000000", "DECIMAL(23,13)"},
		{c("/", dec1, d("3.00")), "4.100000", "DECIMAL(18,6)"},
		{c("/", 1, d("3.0")), "0.333333", "DECIMAL(17,6)"},
		{c("/", 2, d("3.0")), "0.666667", "DECIMAL(17,6)"},
		{c("/", -2, d("3.0")), "-0.666667", "DECIMAL(17,6)"},
		{c("*", dec1, 3), "36.90", "DECIMAL(23,2)"},
		{c("*", dec2, dec2), "2.250003000", "DECIMAL(38,9)"},
		{c("*", dt("2", 38, 6), dt("3.5", 38, 6)), "7.000000", "DECIMAL(38,6)"},
		{c("+", dec1, dec2), "13.800001", "DECIMAL(21,6)"},
		{c("-", dec1, dec2), "10.799999", "DECIMAL(21,6)"},
		{c("+", dec1, bigint(1)), "13.30", "DECIMAL(22,2)"},
		{c("+", small(1), dec1), "13.30", "DECIMAL(13,2)"},
		{c("+", dt("0.0000000005", 38, 10), dt("0", 38, 10)), "0.000000001", "DECIMAL(38,9)"},
		{c("-", dt("-0.0000000005", 38, 10), dt("0", 38, 10)), "-0.000000001", "DECIMAL(38,9)"},
		{c("NEG", dec1), "-12.30", "DECIMAL(12,2)"},
		// Both fill 38 digits, and their sum does not fit 128 bits before its scale gives way.
		{c("-", dt("-99999999.999999999999999999999999999999", 38, 30), dt("90199836.22587208298010376209598", 38, 30)), "-190199836.22587208298010376209598000000", "DECIMAL(38,29)"},
		{c("/", dt("12345678901234567890123456789012.345678", 38, 6), dt("0.7", 2, 1)), "17636684144620811271604938270017.636683", "DECIMAL(38,6)"},
	})
}

func TestFact04Mixed(t *testing.T) {
	check(t, []fact{
		{c("+", f32(0.5), d("0.1")), "0.6", "DOUBLE"},
		{c("+", 1.5, d("0.1")), "1.6", "DOUBLE"},
		{c("+", 1, f32(0.5)), "1.5", "FLOAT"},
		{c("+", f32(0.1), 0.2), "0.30000000149011613", "DOUBLE"},
		{c("+", 0.2, f32(0.1)), "0.30000000149011613", "DOUBLE"},
		{when(true, 1, d("2.5")), "1.0", "DECIMAL(11,1)"},
		{c("COALESCE", null(tInt), d("2.5")), "2.5", "DECIMAL(11,1)"},
		{c("GREATEST", 1, d("2.5")), "2.5", "DECIMAL(11,1)"},
		{when(false, f32(1), d("2.5")), "2.5", "DOUBLE"},
		{when(true, d("1.25"), d("100.5")), "1.25", "DECIMAL(5,2)"},
		{when(true, "a", "bcd"), "a", "STRING"},
		{when(true, typed{"a", vc(1), false}, typed{"bcd", vc(3), false}), "a", "VARCHAR(3)"},
		{c("NULLIF", 1, d("2.5")), "1", "INT"},
		{c("NULLIF", 1, d("1.0")), "NULL", "INT"},
		{c("NULLIF", 1, 1.5), "1", "INT"},
		{when(true, day_("2024-02-29"), ts("2024-02-29")), "!no common type", ""},
		{when(true, "1", 1), "!no common type", ""},
		{c("COALESCE", "1", 1), "!no common type", ""},
		{c("+", "1", 1), "!takes numbers, not STRING", ""},
		{c("+", 1, nil), "!bare NULL", ""},
		{c("||", "a", nil), "!takes text", ""},
		{c("+", small(1), small(2)), "3", "SMALLINT"},
		{c("*", small(3), 2), "6", "INT"},
		{c("-", 3, bigint(2)), "1", "BIGINT"},
	})
}

func TestFact05DivisionByZero(t *testing.T) {
	check(t, []fact{
		{c("/", 1, 0), "!division by zero", ""},
		{c("/", 1, k(0)), "!division by zero", ""},
		{c("%", bigint(1), bigint(0)), "!division by zero", ""},
		{c("/", d("1.5"), d("0.0")), "!division by zero", ""},
		{c("%", d("1.5"), 0), "!division by zero", ""},
		{c("/", 1.5, 0), "Infinity", "DOUBLE"},
		{c("/", -1.5, 0), "-Infinity", "DOUBLE"},
		{c("/", 0.0, 0), "NaN", "DOUBLE"},
		{c("/", f32(1), 0), "Infinity", "FLOAT"},
		{c("COALESCE", 1, c("/", k(1), k(0))), "!division by zero", ""},
	})
}

func TestFact06Round(t *testing.T) {
	check(t, []fact{
		{c("ROUND", 1.005, k(2)), "1.01", "DOUBLE"},
		{c("ROUND", 2.675, k(2)), "2.68", "DOUBLE"},
		{c("ROUND", -0.5), "-1.0", "DOUBLE"},
		{c("ROUND", -0.4), "0.0", "DOUBLE"},
		{c("ROUND", 0.4), "0.0", "DOUBLE"},
		{c("ROUND", 1234.5, -2), "1200.0", "DOUBLE"},
		{c("ROUND", 1250.0, -2), "1300.0", "DOUBLE"},
		{c("ROUND", 1e300, 2), "1.0E300", "DOUBLE"},
		{c("ROUND", 9.995e0, 2), "10.0", "DOUBLE"},
		{c("ROUND", 99.5), "100.0", "DOUBLE"},
		{c("ROUND", f32(1.005), k(2)), "1.01", "FLOAT"},
		{c("ROUND", dt("123.456", 10, 3), k(2)), "123.46", "DECIMAL(10,2)"},
		{c("ROUND", dt("123.456", 10, 3), k(3)), "123.456", "DECIMAL(10,3)"},
		{c("ROUND", dt("123.456", 10, 3), k(5)), "123.456", "DECIMAL(10,3)"},
		{c("ROUND", dt("123.556", 10, 3), k(0)), "124", "DECIMAL(8,0)"},
		{c("ROUND", dt("-123.556", 10, 3)), "-124", "DECIMAL(8,0)"},
		{c("ROUND", dt("155.556", 10, 3), k(-1)), "160", "DECIMAL(8,0)"},
		{c("ROUND", dt("99.99", 4, 2), k(1)), "100.0", "DECIMAL(4,1)"},
		{c("ROUND", 25, -1), "30", "INT"},
		{c("ROUND", -25, -1), "-30", "INT"},
		{c("ROUND", 24, -1), "20", "INT"},
		{c("ROUND", bigint(25), k(2)), "25", "BIGINT"},
		{c("ROUND", bigint(5000000000000000000), -19), "!does not fit BIGINT", ""},
		{c("ROUND", 5, -40), "0", "INT"},
		{c("ROUND", math.NaN(), 2), "!NaN", ""},
	})
	// A count of digits that is not constant keeps the type.
	n, err := Call("ROUND", Column(0, "d", tDec(10, 3)), Column(1, "n", tInt))
	if err != nil || n.Type.String() != "DECIMAL(10,3)" {
		t.Errorf("%v %v", n, err)
	}
	p, _ := Compile(n)
	v, _ := parseDecimal("123.456", tDec(10, 3))
	out, _, err := p.Eval([]arrow.Array{arrayOf(tDec(10, 3), v, v, v), arrayOf(tInt, int64(1), int64(-1), int64(9))}, 3)
	if err != nil || valueAt(out[0], n.Type, 0) != "123.500" || valueAt(out[0], n.Type, 1) != "120.000" || valueAt(out[0], n.Type, 2) != "123.456" {
		t.Errorf("%v %v", out, err)
	}
}

func TestFact07FloorCeilSignAbs(t *testing.T) {
	dec1 := dt("12.30", 12, 2)
	check(t, []fact{
		{c("FLOOR", dec1), "12", "DECIMAL(12,0)"},
		{c("CEIL", dec1), "13", "DECIMAL(12,0)"},
		{c("FLOOR", dt("-12.30", 12, 2)), "-13", "DECIMAL(12,0)"},
		{c("CEIL", dt("-12.30", 12, 2)), "-12", "DECIMAL(12,0)"},
		{c("CEIL", d("0.99")), "1", "DECIMAL(3,0)"},
		{c("CEIL", -0.5), "-0.0", "DOUBLE"},
		{c("FLOOR", f32(1.5)), "1.0", "FLOAT"},
		{c("FLOOR", 7), "7", "INT"},
		{c("SIGN", dec1), "1.00", "DECIMAL(12,2)"},
		{c("SIGN", dt("-0.30", 12, 2)), "-1.00", "DECIMAL(12,2)"},
		{c("SIGN", dt("0", 12, 2)), "0.00", "DECIMAL(12,2)"},
		{c("SIGN", -7), "-1", "INT"},
		{c("SIGN", -7.5), "-1.0", "DOUBLE"},
		{c("ABS", small(-7)), "7", "SMALLINT"},
		{c("ABS", dt("-0.30", 12, 2)), "0.30", "DECIMAL(12,2)"},
		{c("ABS", math.Copysign(0, -1)), "0.0", "DOUBLE"},
		{c("SQRT", -1), "NaN", "DOUBLE"},
		{c("SQRT", dec1), "3.5071355833500366", "DOUBLE"},
		{c("LN", 0), "-Infinity", "DOUBLE"},
		{c("EXP", 1), "2.718281828459045", "DOUBLE"},
		{c("POWER", 0, 0), "1.0", "DOUBLE"},
		{c("POWER", -8, 1.0/3), "NaN", "DOUBLE"},
		{c("POWER", 2, 10), "1024.0", "DOUBLE"},
		{c("POWER", -2, 3), "-8.0", "DOUBLE"},
		{c("POWER", 1.1, 25), "10.834705943388395", "DOUBLE"},
		{c("POWER", 1, math.NaN()), "NaN", "DOUBLE"},
		{c("POWER", math.NaN(), 0), "1.0", "DOUBLE"},
		{c("POWER", -1, math.Inf(1)), "NaN", "DOUBLE"},
		{c("POWER", 10, 400), "Infinity", "DOUBLE"},
		{c("POWER", 10, -400), "0.0", "DOUBLE"},
		{c("POWER", 0.5, 1074), "4.9E-324", "DOUBLE"},
	})
}

func TestFact08Greatest(t *testing.T) {
	check(t, []fact{
		{c("GREATEST", 1, null(tInt), 3), "NULL", "INT"},
		{c("LEAST", 1, nil), "NULL", "INT"},
		{c("GREATEST", 1.5, math.NaN()), "NaN", "DOUBLE"},
		{c("LEAST", 1.5, math.NaN()), "1.5", "DOUBLE"},
		{c("GREATEST", math.Copysign(0, -1), 0.0), "0.0", "DOUBLE"},
		{c("LEAST", 0.0, math.Copysign(0, -1)), "-0.0", "DOUBLE"},
		{c("GREATEST", "a", "b", "B"), "b", "STRING"},
		{c("LEAST", day_("2024-03-01"), day_("2024-02-29")), "2024-02-29", "DATE"},
		{c("=", math.Copysign(0, -1), 0.0), "TRUE", "BOOLEAN"},
	})
}

func TestPart7Overflow(t *testing.T) {
	check(t, []fact{
		{c("+", math.MaxInt32, 1), "!does not fit INT", ""},
		{c("+", math.MaxInt32, k(1)), "!does not fit INT", ""},
		{c("-", math.MinInt32, 1), "!does not fit INT", ""},
		{c("-", 1, math.MinInt32), "!does not fit INT", ""},
		{c("*", 65536, 65536), "!does not fit INT", ""},
		{c("*", 65536, k(-65536)), "!does not fit INT", ""},
		{c("+", bigint(math.MaxInt64), bigint(1)), "!does not fit BIGINT", ""},
		{c("*", bigint(math.MinInt64), bigint(-1)), "!does not fit BIGINT", ""},
		{c("*", bigint(math.MinInt64), bigint(1)), "-9223372036854775808", "BIGINT"},
		{c("*", bigint(3037000500), bigint(3037000500)), "!does not fit BIGINT", ""},
		{c("*", bigint(-3037000499), bigint(3037000499)), "-9223372030926249001", "BIGINT"},
		{c("NEG", math.MinInt32), "!does not fit INT", ""},
		{c("NEG", math.MaxInt32), "-2147483647", "INT"},
		{c("ABS", math.MinInt32), "!does not fit INT", ""},
		{c("/", math.MinInt32, -1), "!does not fit INT", ""},
		{c("/", bigint(math.MinInt64), k(-1)), "!does not fit BIGINT", ""},
		{c("ROUND", math.MaxInt32, -1), "!does not fit INT", ""},
		{c("ROUND", bigint(math.MaxInt64), -1), "!does not fit BIGINT", ""},
		{c("+", small(32767), small(1)), "!does not fit SMALLINT", ""},
		{c("*", small(-32768), small(-1)), "!does not fit SMALLINT", ""},
		{c("*", dt("99999999999999999999999999999999", 38, 6), dt("10", 38, 6)), "!does not fit DECIMAL(38,6)", ""},
		{c("+", dt("99999999999999999999999999999999999999", 38, 0), dt("1", 38, 0)), "!does not fit DECIMAL(38,0)", ""},
		{c("/", dt("99999999999999999999999999999999.999999", 38, 6), d("0.1")), "!does not fit DECIMAL(38,6)", ""},
	})
}
