package expr

// Function is a row of the table of operators and functions in docs/sql.md.
type Function struct {
	// Name is what Call or CallUnit takes, or the name of another constructor's construct.
	Name      string
	Signature string
	// Type is the rule for the type of the result.
	Type string
	Doc  string
	// Example is an expression over constants, and Result its value cast to STRING. Both are empty where
	// the language has no constants for the arguments.
	Example, Result string
}

// Functions is the one table of all operators and functions, in the order of the documentation.
func Functions() []Function { return append([]Function(nil), functions[:]...) }

const (
	typeArithmetic = "the wider integer; DECIMAL by its rule; DOUBLE with FLOAT or DOUBLE"
	typeCommon     = "the common type of the values"
)

var functions = [...]Function{
	{"+", "a + b", typeArithmetic, "Sum. Also a time plus an INTERVAL.", "1 + 2.50", "3.50"},
	{"-", "a - b", typeArithmetic, "Difference. Also a time minus an INTERVAL, months clamped to the end of the month.", "DATE '2024-03-31' - INTERVAL '1' MONTH", "2024-02-29"},
	{"NEG", "-a", "that of a", "The number with the other sign.", "-(2 - 5)", "3"},
	{"*", "a * b", typeArithmetic, "Product.", "1.5 * 3", "4.5"},
	{"/", "a / b", typeArithmetic, "Quotient; of integers cut towards zero. Division by zero is a row error, but for FLOAT and DOUBLE.", "-7 / 2", "-3"},
	{"%", "a % b", "that of b; DECIMAL by its rule", "Remainder, with the sign of a. No FLOAT or DOUBLE.", "-7 % 3", "-1"},
	{"=", "a = b", "BOOLEAN", "Equal. Text compares by bytes, BIGINT with DECIMAL exactly; NaN equals nothing.", "1 = 1.0", "TRUE"},
	{"<>", "a <> b", "BOOLEAN", "Not equal.", "'a' <> 'a '", "TRUE"},
	{"<", "a < b", "BOOLEAN", "Less.", "'B' < 'a'", "TRUE"},
	{"<=", "a <= b", "BOOLEAN", "Less or equal.", "DATE '2024-02-29' <= '2024-03-01'", "TRUE"},
	{">", "a > b", "BOOLEAN", "Greater.", "2 > 10", "FALSE"},
	{">=", "a >= b", "BOOLEAN", "Greater or equal.", "2.50 >= 2.5", "TRUE"},
	{"BETWEEN", "a [NOT] BETWEEN lo AND hi", "BOOLEAN", "a >= lo AND a <= hi.", "5 BETWEEN 10 AND 1", "FALSE"},
	{"IN", "a [NOT] IN (b, ..)", "BOOLEAN", "Equal to one of them, each compared as = would.", "1 IN (1.5, 2)", "FALSE"},
	{"LIKE", "a [NOT] LIKE pattern [ESCAPE c]", "BOOLEAN", "% is any text, _ one code point. There is no escape character unless one is given.", "'50%' LIKE '__!%' ESCAPE '!'", "TRUE"},
	{"IS NULL", "a IS [NOT] NULL", "BOOLEAN", "Never NULL itself.", "CAST(NULL AS INT) IS NULL", "TRUE"},
	{"IS TRUE", "a IS [NOT] TRUE, a IS [NOT] FALSE", "BOOLEAN", "Never NULL itself.", "(1 > 2) IS NOT TRUE", "TRUE"},
	{"IS DISTINCT FROM", "a IS [NOT] DISTINCT FROM b", "BOOLEAN", "Not equal, where NULL equals NULL.", "1 IS DISTINCT FROM CAST(NULL AS INT)", "TRUE"},
	{"AND", "a AND b", "BOOLEAN", "Both. b is not evaluated for rows in which a is FALSE.", "1 = 1 AND 2 = 3", "FALSE"},
	{"OR", "a OR b", "BOOLEAN", "One of them. b is not evaluated for rows in which a is TRUE.", "1 = 1 OR 2 = 3", "TRUE"},
	{"NOT", "NOT a", "BOOLEAN", "The opposite; NULL stays NULL.", "NOT 1 = 2", "TRUE"},
	{"CASE", "CASE [x] WHEN a THEN b .. [ELSE c] END", typeCommon, "The value of the first WHEN that is TRUE. No other value is evaluated.", "CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' END", "two"},
	{"COALESCE", "COALESCE(a, b, ..)", typeCommon, "The first that is not NULL.", "COALESCE(CAST(NULL AS INT), 2.5)", "2.5"},
	{"NULLIF", "NULLIF(a, b)", "that of a", "NULL when a = b, else a.", "NULLIF(1, 2)", "1"},
	{"GREATEST", "GREATEST(a, b, ..)", typeCommon, "The greatest; NULL when one of them is.", "GREATEST(1, 2.5)", "2.5"},
	{"LEAST", "LEAST(a, b, ..)", typeCommon, "The least; NULL when one of them is.", "LEAST('b', 'a')", "a"},
	{"CAST", "CAST(a AS type)", "type", "The value as another type; a row error when it does not fit or cannot be read.", "CAST('1.235' AS DECIMAL(5,2))", "1.24"},
	{"TRY_CAST", "TRY_CAST(a AS type)", "type", "As CAST, but NULL where CAST fails.", "TRY_CAST('x' AS INT)", "NULL"},
	{"ABS", "ABS(a)", "that of a", "The number without its sign.", "ABS(-1.50)", "1.50"},
	{"SIGN", "SIGN(a)", "that of a", "-1, 0 or 1.", "SIGN(-2.50)", "-1.00"},
	{"ROUND", "ROUND(a [, digits])", "that of a; DECIMAL(p,s) with constant digits n < s: DECIMAL(p-s+1+n, n)", "Half away from zero; a DOUBLE by its shortest decimal text.", "ROUND(1.005e0, 2)", "1.01"},
	{"FLOOR", "FLOOR(a)", "that of a; DECIMAL(p,s): DECIMAL(p,0)", "The next whole number below. FLOOR(t TO unit) is the beginning of the unit: YEAR QUARTER MONTH WEEK DAY HOUR MINUTE SECOND MILLISECOND; weeks begin on Sunday.", "FLOOR(TIMESTAMP '2024-02-29 12:34:56' TO HOUR)", "2024-02-29 12:00:00"},
	{"CEIL", "CEIL(a)", "that of a; DECIMAL(p,s): DECIMAL(p,0)", "The next whole number above. CEIL(t TO unit) is the next beginning of the unit.", "CEIL(-1.5)", "-1"},
	{"MOD", "MOD(a, b)", "as a % b", "Remainder, with the sign of a.", "MOD(7, -3)", "1"},
	{"POWER", "POWER(a, b)", "DOUBLE", "a to the b, within 2 units in the last place.", "POWER(2, 10)", "1024.0"},
	{"SQRT", "SQRT(a)", "DOUBLE", "The square root; NaN of a negative number.", "SQRT(2.25)", "1.5"},
	{"LN", "LN(a)", "DOUBLE", "The natural logarithm; -Infinity of 0.", "LN(1)", "0.0"},
	{"EXP", "EXP(a)", "DOUBLE", "e to the a.", "EXP(0)", "1.0"},
	{"||", "a || b", "STRING", "The texts joined. Text only.", "'a' || 'b'", "ab"},
	{"UPPER", "UPPER(s)", "STRING", "In capitals, by the full Unicode mapping.", "UPPER('straße')", "STRASSE"},
	{"LOWER", "LOWER(s)", "STRING", "In small letters, by the full Unicode mapping.", "LOWER('ΟΔΟΣ')", "οδος"},
	{"TRIM", "TRIM([BOTH|LEADING|TRAILING] [chars FROM] s)", "STRING", "Without the characters of a set at the ends; the blank when none is given.", "TRIM(BOTH 'ab' FROM 'abbaxabba')", "x"},
	{"SUBSTRING", "SUBSTRING(s FROM n [FOR k])", "STRING", "From the n-th code point on, k of them. Negative n counts from the end.", "SUBSTRING('abcd' FROM 2 FOR 2)", "bc"},
	{"CHAR_LENGTH", "CHAR_LENGTH(s)", "INT", "The number of code points.", "CHAR_LENGTH('naïve')", "5"},
	{"POSITION", "POSITION(a IN s)", "INT", "Where a begins in s, from 1; 0 when it is not there.", "POSITION('c' IN 'abc')", "3"},
	{"REPLACE", "REPLACE(s, a, b)", "STRING", "s with each a replaced by b.", "REPLACE('a-b-c', '-', '+')", "a+b+c"},
	{"SPLIT_INDEX", "SPLIT_INDEX(s, separator, n)", "STRING", "The n-th piece, from 0; NULL when there are fewer.", "SPLIT_INDEX('a,b,c', ',', 1)", "b"},
	{"REGEXP_EXTRACT", "REGEXP_EXTRACT(s, pattern [, group])", "STRING", "What the pattern, or its group, matches first; NULL when nothing does. RE2 syntax with Java's meaning.", "REGEXP_EXTRACT('order 4711', '([a-z]+) ([0-9]+)', 2)", "4711"},
	{"MD5", "MD5(s)", "STRING", "The digest of text or BYTES in lower-case hex.", "MD5('abc')", "900150983cd24fb0d6963f7d28e17f72"},
	{"SHA256", "SHA256(s)", "STRING", "The digest of text or BYTES in lower-case hex.", "SHA256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"JSON_VALUE", "JSON_VALUE(s, path [RETURNING type] [{NULL|ERROR|DEFAULT v} ON EMPTY] [.. ON ERROR])", "STRING, or BOOLEAN, INTEGER, BIGINT, DOUBLE as told", "The scalar at a path such as 'lax $.a.b[0]'. Without lax, what is missing is an error.", "JSON_VALUE('{\"a\": [1, 1.50]}', '$.a[1]')", "1.50"},
	{"EXTRACT", "EXTRACT(unit FROM t)", "BIGINT", "A part of a time: YEAR QUARTER MONTH WEEK DAY DOW ISODOW DOY ISOYEAR HOUR MINUTE SECOND MILLISECOND MICROSECOND EPOCH. DOW 1 is Sunday, ISODOW 1 Monday, WEEK is ISO.", "EXTRACT(WEEK FROM DATE '2021-01-03')", "53"},
	{"TIMESTAMPADD", "TIMESTAMPADD(unit, n, t)", "that of t; TIMESTAMP(6) for hours and less of a DATE", "t and n units.", "TIMESTAMPADD(MONTH, 1, DATE '2024-01-31')", "2024-02-29"},
	{"TIMESTAMPDIFF", "TIMESTAMPDIFF(unit, a, b)", "INT", "How many whole units lie from a to b.", "TIMESTAMPDIFF(YEAR, DATE '2024-02-29', DATE '2025-02-28')", "1"},
	{"DATE_FORMAT", "DATE_FORMAT(t, pattern)", "STRING", "A TIMESTAMP in Java's pattern letters y M d H h m s S a E, English.", "DATE_FORMAT(TIMESTAMP '2024-02-09 15:04:05', 'EEE d MMM yyyy h:mm a')", "Fri 9 Feb 2024 3:04 PM"},
	{"CARDINALITY", "CARDINALITY(a)", "INT", "The number of elements of an ARRAY or a MAP.", "", ""},
	{"index", "a[n], m[key]", "that of the element", "An element of an ARRAY, from 1, or of a MAP; NULL when there is none.", "", ""},
	{"field", "r.name", "that of the field", "A field of a ROW.", "", ""},
}
