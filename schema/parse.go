package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseType reads a type as a pipeline file or SQL writes it, in either case: bigint, int, smallint, float,
// double, decimal(12,2), boolean, string, varchar(20), bytes, date, timestamp, timestamp(3), timestamp(ms) for
// a number of milliseconds since 1970 (also s, us, ns), array<t>, map<k,v>, struct<a: t, b: t> or
// row<a t, b t>. It reads back what Type.String prints. An error carries a hint.
func ParseType(text string) (Type, error) {
	p := typeParser{text: text}
	t, err := p.parse(0)
	if err == nil {
		p.space()
		if rest := p.text[p.at:]; rest != "" {
			hint := "write the type alone, as in: decimal(12,2)"
			if strings.HasPrefix(strings.ToLower(rest), "not null") || strings.HasPrefix(strings.ToLower(rest), "null") {
				hint = "leave it out: every column may hold NULL"
			}
			err = WithHint(fmt.Errorf("%q behind the type", clip(rest)), hint)
		}
	}
	if err != nil {
		return Type{}, WithHint(fmt.Errorf("type %q: %w", clip(text), err), Hint(err))
	}
	return t, nil
}

// maxTypeDepth keeps hostile text from exhausting the stack; Parquet and Avro files in use nest below ten.
const maxTypeDepth = 64

// typesKnown is what a hint lists.
const typesKnown = "the types are bigint, int, smallint, float, double, decimal(12,2), boolean, string, varchar(20), bytes, date, " +
	"timestamp, timestamp(ms), array<t>, map<k,v>, struct<a: t>"

var simpleTypes = map[string]Type{
	"bigint": {Kind: BigInt}, "int": {Kind: Int}, "integer": {Kind: Int}, "smallint": {Kind: SmallInt},
	"float": {Kind: Float}, "double": {Kind: Double}, "boolean": {Kind: Boolean},
	"string": {Kind: String}, "bytes": {Kind: Bytes}, "date": {Kind: Date},
	"timestamp": {Kind: Timestamp, Precision: 6},
}

// otherNames are types as other systems call them, with what to write here.
var otherNames = map[string]string{
	"long": "bigint", "int64": "bigint", "int8": "smallint", "bigserial": "bigint", "uint32": "bigint", "uint64": "decimal(20,0)",
	"int32": "int", "int16": "smallint", "tinyint": "smallint", "short": "smallint", "byte": "smallint",
	"float32": "float", "real": "float", "float64": "double", "number": "decimal(38,9)", "numeric": "decimal(38,9)",
	"bool": "boolean", "text": "string", "char": "string", "utf8": "string", "str": "string", "enum": "string", "uuid": "string", "json": "string",
	"binary": "bytes", "varbinary": "bytes", "blob": "bytes", "bytea": "bytes",
	"datetime": "timestamp", "timestamptz": "timestamp", "timestamp_ltz": "timestamp", "time": "string", "epoch": "timestamp(ms)",
	"timestamp_ms": "timestamp(ms)", "timestamp_us": "timestamp(us)", "list": "array<string>", "record": "struct<a: string>", "object": "struct<a: string>",
}

type typeParser struct {
	text string
	at   int
}

func (p *typeParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// take steps over c, which may stand behind white space.
func (p *typeParser) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *typeParser) want(c byte, hint string) error {
	if p.take(c) {
		return nil
	}
	found := "the end"
	if p.at < len(p.text) {
		found = strconv.Quote(clip(p.text[p.at:]))
	}
	return WithHint(fmt.Errorf("%q is missing before %s", string(c), found), hint)
}

// word is a name, or what stands between back quotes or double quotes.
func (p *typeParser) word() string {
	p.space()
	if p.at < len(p.text) && (p.text[p.at] == '`' || p.text[p.at] == '"') {
		if end := strings.IndexByte(p.text[p.at+1:], p.text[p.at]); end > 0 {
			w := p.text[p.at+1 : p.at+1+end]
			p.at += end + 2
			return w
		}
		return ""
	}
	start := p.at
	for p.at < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.text[p.at:])
		if r == utf8.RuneError || !(r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || r == '$') {
			break
		}
		p.at += n
	}
	return p.text[start:p.at]
}

func (p *typeParser) parse(depth int) (Type, error) {
	if depth > maxTypeDepth {
		return Type{}, WithHint(fmt.Errorf("nested more than %d deep", maxTypeDepth), "flatten it")
	}
	name := strings.ToLower(p.word())
	switch name {
	case "":
		return Type{}, WithHint(fmt.Errorf("a type is missing"), typesKnown)
	case "decimal":
		return p.decimal()
	case "timestamp":
		return p.timestamp()
	case "varchar":
		return p.varchar()
	case "array":
		const hint = "write what it holds: array<string>"
		if err := p.want('<', hint); err != nil {
			return Type{}, err
		}
		elem, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		return Type{Kind: Array, Elem: &elem}, p.want('>', hint)
	case "map":
		const hint = "write its key and its value: map<string,bigint>"
		if err := p.want('<', hint); err != nil {
			return Type{}, err
		}
		key, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		if err := p.want(',', hint); err != nil {
			return Type{}, err
		}
		elem, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		return Type{Kind: Map, Key: &key, Elem: &elem}, p.want('>', hint)
	case "struct", "row":
		return p.row(depth)
	}
	if t, ok := simpleTypes[name]; ok {
		if p.take('(') {
			return Type{}, WithHint(fmt.Errorf("%s has no parameters", name), "write "+name)
		}
		return t, nil
	}
	if write := otherNames[name]; write != "" {
		return Type{}, WithHint(fmt.Errorf("no such type: %s", name), "write "+write)
	}
	return Type{}, WithHint(fmt.Errorf("no such type: %s", name), typesKnown)
}

func (p *typeParser) row(depth int) (Type, error) {
	const hint = "write its fields: struct<a: bigint, b: string>"
	if err := p.want('<', hint); err != nil {
		return Type{}, err
	}
	t := Type{Kind: Row}
	seen := map[string]bool{}
	for {
		name := p.word()
		if name == "" {
			return Type{}, WithHint(fmt.Errorf("a field's name is missing"), hint)
		}
		if seen[name] {
			return Type{}, WithHint(fmt.Errorf("field %s is there twice", name), "give each field a name of its own")
		}
		seen[name] = true
		p.take(':')
		ft, err := p.parse(depth + 1)
		if err != nil {
			return Type{}, err
		}
		t.Fields = append(t.Fields, Field{name, ft})
		if !p.take(',') {
			return t, p.want('>', hint)
		}
	}
}

func (p *typeParser) decimal() (Type, error) {
	const hint = "write all digits and those behind the point: decimal(12,2)"
	if err := p.want('(', hint); err != nil {
		return Type{}, err
	}
	t := Type{Kind: Decimal}
	var err error
	if t.Precision, err = p.number("precision", 1, 38, hint); err != nil {
		return Type{}, err
	}
	if p.take(',') {
		if t.Scale, err = p.number("scale", 0, t.Precision, hint); err != nil {
			return Type{}, err
		}
	}
	return t, p.want(')', hint)
}

func (p *typeParser) varchar() (Type, error) {
	if !p.take('(') {
		return Type{Kind: String}, nil
	}
	const hint = "write the greatest length: varchar(20), or string for any"
	n, err := p.number("length", 1, 1<<31-1, hint)
	if err != nil {
		return Type{}, err
	}
	if n == 1<<31-1 {
		n = 0 // SQL's own name for text of any length
	}
	return Type{Kind: String, Precision: n}, p.want(')', hint)
}

func (p *typeParser) timestamp() (Type, error) {
	t := Type{Kind: Timestamp, Precision: 6}
	if !p.take('(') {
		return t, nil
	}
	const hint = "write timestamp, timestamp(3) for its digits, or timestamp(ms) for a number since 1970 (s, ms, us, ns)"
	p.space()
	at := p.at
	switch unit := strings.ToLower(p.word()); unit {
	case "s":
		t.Precision, t.Epoch = 0, unit
	case "ms":
		t.Precision, t.Epoch = 3, unit
	case "us", "ns":
		t.Epoch = unit
	default:
		p.at = at
		var err error
		if t.Precision, err = p.number("precision", 0, 6, hint); err != nil {
			return Type{}, err
		}
	}
	return t, p.want(')', hint)
}

func (p *typeParser) number(what string, least, most int, hint string) (int, error) {
	w := p.word()
	n, err := strconv.Atoi(w)
	if err != nil {
		return 0, WithHint(fmt.Errorf("%s %q is no whole number", what, clip(w)), hint)
	}
	if n < least || n > most {
		return 0, WithHint(fmt.Errorf("%s %d is not between %d and %d", what, n, least, most), hint)
	}
	return n, nil
}

// clip keeps what an error quotes to a length that fits a line.
func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	cut := 57
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
