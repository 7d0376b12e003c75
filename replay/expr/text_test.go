package expr

import "testing"

func TestFact14To17Text(t *testing.T) {
	family := "👨‍👩‍👧"
	check(t, []fact{
		{c("CHAR_LENGTH", "😀"), "1", "INT"},
		{c("CHAR_LENGTH", family), "5", ""},
		{c("CHAR_LENGTH", "e\u0301"), "2", ""},
		{c("CHAR_LENGTH", ""), "0", ""},
		{c("SUBSTRING", "abc", 0, 2), "ab", "STRING"},
		{c("SUBSTRING", "abc", 2), "bc", ""},
		{c("SUBSTRING", "abc", -2), "bc", ""},
		{c("SUBSTRING", "abc", -2, 1), "b", ""},
		{c("SUBSTRING", "abc", -4, 2), "", ""},
		{c("SUBSTRING", "abc", -3, 2), "ab", ""},
		{c("SUBSTRING", "abc", 4), "", ""},
		{c("SUBSTRING", "abc", 3, 100), "c", ""},
		{c("SUBSTRING", "abc", 1, 0), "", ""},
		{c("SUBSTRING", "abc", 1, -1), "NULL", ""},
		{c("SUBSTRING", "a😀bc", 2, 2), "😀b", ""},
		{c("SUBSTRING", "abc", bigint(1)), "!takes an INT", ""},
		{c("POSITION", "", "abc"), "1", "INT"},
		{c("POSITION", "x", "abc"), "0", ""},
		{c("POSITION", "b", "😀b"), "2", ""},
		{c("TRIM", " \ta\u00a0 "), "\ta\u00a0", ""},
		{c("TRIM", "abbaxabba", "ab"), "x", ""},
		{c("LTRIM", "abxab", "ab"), "xab", ""},
		{c("RTRIM", "abxab", "ab"), "abx", ""},
		{c("RTRIM", "  x  "), "  x", ""},
		{c("TRIM", "ééxé", "é"), "x", ""},
		{c("UPPER", nil), "!bare NULL", ""},
	})
}

func TestFact18Case(t *testing.T) {
	check(t, []fact{
		{c("UPPER", "straße"), "STRASSE", "STRING"},
		{c("UPPER", "ﬁn"), "FIN", ""},
		{c("LOWER", "İ"), "i\u0307", ""},
		{c("LOWER", "ΟΔΟΣ"), "οδος", ""},
		{c("LOWER", "ΣΑΣ Σ"), "σας σ", ""},
		{c("UPPER", "ǆ"), "Ǆ", ""},
		{c("LOWER", "HeLLo, WORLD[]"), "hello, world[]", ""},
		{c("UPPER", "abc{}z"), "ABC{}Z", ""},
		{c("UPPER", null(tString)), "NULL", ""},
	})
}

func TestFact19Split(t *testing.T) {
	check(t, []fact{
		{c("SPLIT_INDEX", "a,b,,", ",", 0), "a", "STRING"},
		{c("SPLIT_INDEX", "a,b,,", ",", 2), "", ""},
		{c("SPLIT_INDEX", "a,b,,", ",", 3), "", ""},
		{c("SPLIT_INDEX", "a,b,,", ",", 4), "NULL", ""},
		{c("SPLIT_INDEX", "a,b", ",", -1), "NULL", ""},
		{c("SPLIT_INDEX", "axyb", "xy", 1), "b", ""},
		{c("SPLIT_INDEX", "a.b", ".", 1), "b", ""},
		{c("SPLIT_INDEX", "", ",", 0), "NULL", ""},
		{c("SPLIT_INDEX", "abc", "", 0), "abc", ""},
		{c("SPLIT_INDEX", "abc", "", 1), "NULL", ""},
		{c("REPLACE", "abcabc", "b", "xx"), "axxcaxxc", ""},
		{c("REPLACE", "abc", "z", "x"), "abc", ""},
		{c("REPLACE", "😀a", "", "-"), "-😀-a-", ""},
		{c("REPLACE", "bb", "b", ""), "", ""},
	})
}

func TestFact20Regexp(t *testing.T) {
	re := func(s, p string, g ...any) x { return c("REGEXP_EXTRACT", append([]any{s, k(p)}, g...)...) }
	check(t, []fact{
		{re("foothebar", "foo(.*?)(bar)", 2), "bar", "STRING"},
		{re("foothebar", "foo(.*?)(bar)"), "foothebar", ""},
		{re("foothebar", "foo(.*?)(bar)", 3), "NULL", ""},
		{re("foothebar", "foo(.*?)(bar)", -1), "NULL", ""},
		{re("abc", "x"), "NULL", ""},
		{re("abc", "(x)?abc", 1), "NULL", ""},
		{re("abc", "x*"), "", ""},
		{re("abc", "("), "NULL", ""},
		{re("abc", "[a"), "NULL", ""},
		{re("abc", "*"), "NULL", ""},
		{c("REGEXP_EXTRACT", "abc", "(", 0), "NULL", ""},
		{re("é1", `\w`), "1", ""},
		{re("٣3", `\d`), "3", ""},
		{re("É", "(?i)é"), "NULL", ""},
		{re("\u212A", "(?i)k"), "NULL", ""},
		{re("ſ", "(?i)[a-z]"), "NULL", ""},
		{re("ABC", "(?i)b"), "B", ""},
		{re("ABC", "(?i)[a-b]+"), "AB", ""},
		{re("ABC", "(?i:a)b"), "NULL", ""},
		{re("aBC", "a(?i)bc"), "aBC", ""},
		{re("x\ny", "x.y"), "NULL", ""},
		{re("x\u2028y", "x.y"), "NULL", ""},
		{re("x\ry", "x.y"), "NULL", ""},
		{re("x\ny", "(?s)x.y"), "x\ny", ""},
		{re("x😀y", "x.y"), "x😀y", ""},
		{re("ab", "a|ab"), "a", ""},
		{re("hello", "[a-z&&[^aeiou]]+"), "h", ""},
		{re("b-c", "[a-c&&[^b]]"), "c", ""},
		{re("a]b", `[\]]`), "]", ""},
		{re("a-b", "[a-]+"), "a-", ""},
		{re("a\vb", `a\sb`), "a\vb", ""},
		{re("abc\n", "c$"), "c", ""},
		{re("abc\n", ".*$"), "abc", ""},
		{re("abc\n", `c\n$`), "c\n", ""},
		{re("abc\nd", "c$"), "NULL", ""},
		{re("a.b", `\Q.\E`), ".", ""},
		{re("2024-02-29", `(?<y>\d{4})-(\d\d)`, 2), "02", ""},
		{re("A", `\x41`), "A", ""},
		{re("A", `\u0041`), "A", ""},
		{re("Ж", `\p{IsCyrillic}`), "Ж", ""},
		{re("Ab", `\p{Lower}`), "b", ""},
		{re("a b", `(?x) a \s # comment
			b`), "a b", ""},
		{re("abc", "a(?=b)"), "!look-ahead", ""},
		{re("abc", "(?<!a)b"), "!look-behind", ""},
		{re("abc", "(?<=a)b"), "!look-behind", ""},
		{re("aa", `(a)\1`), "!back reference", ""},
		{re("aa", `(?<n>a)\k<n>`), "!back reference", ""},
		{re("aa", "a++"), "!possessive", ""},
		{re("aa", "a?+"), "!possessive", ""},
		{re("aa", "a{1,2}+"), "!possessive", ""},
		{re("aa", "(?>a)a"), "!atomic", ""},
		{re("aa", "a{2000}"), "!1000", ""},
		{c("REGEXP_EXTRACT", "abc", "a(?=b)"), "!look-ahead", ""},
		{c("REGEXP_EXTRACT", "abc", null(tString)), "NULL", ""},
	})
}

func TestFact21ConcatAndDigests(t *testing.T) {
	check(t, []fact{
		{c("||", "a", "b", "c"), "abc", "STRING"},
		{c("||", c("||", "a", null(tString)), "c"), "NULL", ""},
		{c("||", "a", 1), "!takes text, not INT", ""},
		{c("||", bytesOf("a"), bytesOf("b")), "!takes text, not BYTES", ""},
		{c("MD5", "abc"), "900150983cd24fb0d6963f7d28e17f72", "STRING"},
		{c("MD5", bytesOf("abc")), "900150983cd24fb0d6963f7d28e17f72", ""},
		{c("SHA256", "é"), "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c", ""},
		{c("MD5", 1), "!takes text or BYTES", ""},
	})
}
