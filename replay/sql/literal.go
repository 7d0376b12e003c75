package sql

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// typeName reads a type as CAST writes it.
func (p *parser) typeName() schema.Type {
	p.nest()
	defer p.unnest()
	t := p.peek()
	if t.kind != tokName {
		p.unexpected("a type")
	}
	p.next()
	switch t.word {
	case "BOOLEAN", "BOOL":
		return schema.Type{Kind: schema.Boolean}
	case "SMALLINT":
		return schema.Type{Kind: schema.SmallInt}
	case "INT", "INTEGER":
		return schema.Type{Kind: schema.Int}
	case "BIGINT":
		return schema.Type{Kind: schema.BigInt}
	case "FLOAT":
		return schema.Type{Kind: schema.Float}
	case "DOUBLE":
		p.accept("PRECISION")
		return schema.Type{Kind: schema.Double}
	case "DECIMAL", "NUMERIC", "DEC":
		d := schema.Type{Kind: schema.Decimal, Precision: 10}
		if p.acceptOp("(") {
			d.Precision = p.size(1, 38, "DECIMAL has 1 to 38 digits")
			if p.acceptOp(",") {
				d.Scale = p.size(0, d.Precision, fmt.Sprintf("the scale is 0 to the %d digits of the DECIMAL", d.Precision))
			}
			p.expectOp(")")
		}
		return d
	case "STRING", "TEXT":
		return schema.Type{Kind: schema.String}
	case "VARCHAR", "CHAR", "CHARACTER":
		s := schema.Type{Kind: schema.String}
		if t.word == "CHARACTER" && p.accept("VARYING") {
			t.word = "VARCHAR"
		}
		if t.word != "VARCHAR" {
			s.Precision = 1
		}
		if p.acceptOp("(") {
			s.Precision = p.size(1, math.MaxInt32, "a text has 1 to 2147483647 characters")
			p.expectOp(")")
		}
		if s.Precision == math.MaxInt32 {
			s.Precision = 0
		}
		return s
	case "BYTES", "VARBINARY", "BINARY":
		if o := p.peek(); t.word != "BYTES" && p.acceptOp("(") {
			if n := p.size(1, math.MaxInt32, "a binary has 1 to 2147483647 bytes"); n != math.MaxInt32 {
				p.refuse(o.pos, t.word+" with a length is not run", "write BYTES")
			}
			p.expectOp(")")
		}
		return schema.Type{Kind: schema.Bytes}
	case "DATE":
		return schema.Type{Kind: schema.Date}
	case "TIMESTAMP":
		s := schema.Type{Kind: schema.Timestamp, Precision: 6}
		if p.acceptOp("(") {
			s.Precision = p.size(0, 6, "a TIMESTAMP has 0 to 6 fraction digits: times are microseconds")
			p.expectOp(")")
		}
		if w := p.peek(); p.accept("WITH") {
			p.fail(w.pos, "TIMESTAMP WITH TIME ZONE is not run: times are UTC", "write TIMESTAMP("+strconv.Itoa(s.Precision)+")")
		}
		if p.accept("WITHOUT") && !p.accept("TIME", "ZONE") {
			p.unexpected("TIME ZONE")
		}
		return s
	case "ARRAY":
		p.expectAngle("<")
		elem := p.typeName()
		p.expectAngle(">")
		return schema.Type{Kind: schema.Array, Elem: &elem}
	case "MAP":
		p.expectAngle("<")
		key := p.typeName()
		p.expectOp(",")
		elem := p.typeName()
		p.expectAngle(">")
		return schema.Type{Kind: schema.Map, Key: &key, Elem: &elem}
	case "ROW", "STRUCT":
		return p.rowType()
	}
	if a, ok := refusedTypes[t.word]; ok {
		p.fail(t.pos, "type "+t.word+" is not run", a)
	}
	hint := "types are " + strings.Join(typeNames, ", ")
	if near := nearest(t.word, typeNames); near != "" {
		hint = "did you mean " + near + "?"
	}
	p.fail(t.pos, fmt.Sprintf("type %s is not known", t), hint)
	return schema.Type{}
}

var typeNames = []string{"BOOLEAN", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "STRING", "VARCHAR", "BYTES", "DATE", "TIMESTAMP", "ARRAY", "MAP", "ROW"}

var refusedTypes = map[string]string{
	"TINYINT": "write SMALLINT", "REAL": "write FLOAT", "LONG": "write BIGINT", "SHORT": "write SMALLINT", "BYTE": "write SMALLINT",
	"TIME": "write TIMESTAMP, or keep the text", "TIMESTAMP_LTZ": "write TIMESTAMP(6): times are UTC", "TIMESTAMP_NTZ": "write TIMESTAMP(6)",
	"DATETIME": "write TIMESTAMP(6)", "INTERVAL": "compare times: b > a + INTERVAL '1' HOUR", "MULTISET": "write ARRAY<..>", "RAW": "write BYTES",
	"JSON": "keep JSON as STRING and read it with JSON_VALUE", "VARIANT": "keep JSON as STRING and read it with JSON_VALUE", "BLOB": "write BYTES", "HUGEINT": "write DECIMAL(38,0)",
	"SIGNED": "write BIGINT", "UNSIGNED": "write BIGINT",
}

// rowType reads ROW<name type, ..>.
func (p *parser) rowType() schema.Type {
	row := schema.Type{Kind: schema.Row}
	p.expectAngle("<")
	for {
		name := p.fieldName()
		p.acceptOp(":")
		row.Fields = append(row.Fields, schema.Field{Name: name, Type: p.typeName()})
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectAngle(">")
	return row
}

// expectAngle takes < or >; the lexer may have joined one to its neighbour, as in ARRAY<ARRAY<INT>>=.
func (p *parser) expectAngle(op string) {
	if p.acceptOp(op) {
		return
	}
	if t := p.peek(); t.kind == tokOp && strings.HasPrefix(t.text, op) {
		p.tokens[p.i] = token{kind: tokOp, text: t.text[1:], pos: Pos{t.pos.Line, t.pos.Column + 1}}
		return
	}
	p.unexpected(op)
}

func (p *parser) size(lo, hi int, rule string) int {
	t := p.peek()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokNumber || err != nil || n < lo || n > hi {
		p.fail(t.pos, fmt.Sprintf("%s, not %s", rule, t), "")
	}
	p.next()
	return n
}

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

// number is the value of a numeric literal, typed as part 1.1 of the dialect says: by how it is written.
func number(text string) (*expr.Node, error) {
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is beyond a DOUBLE", shorten(text))
		}
		return expr.Literal(f, schema.Type{Kind: schema.Double}), nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt("0"+whole+fraction, 10, 64)
	if err != nil {
		return nil, schema.WithHint(fmt.Errorf("%s has more digits than a BIGINT holds", shorten(text)), "write CAST('"+shorten(text)+"' AS DECIMAL(38,0)), with the scale it has")
	}
	if fraction != "" {
		t := schema.Type{Kind: schema.Decimal, Precision: len(whole) + len(fraction), Scale: len(fraction)}
		if t.Precision > 38 {
			return nil, fmt.Errorf("%s has more than 38 digits", shorten(text))
		}
		return expr.Literal(decimal128.FromI64(n), t), nil
	}
	if n > math.MaxInt32 {
		return expr.Literal(n, schema.Type{Kind: schema.BigInt}), nil
	}
	return expr.Literal(n, schema.Type{Kind: schema.Int}), nil
}

var timeForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d+)?$`)

// literalTime is the value of DATE '..' or TIMESTAMP '..'.
func literalTime(kind, text string) (*expr.Node, error) {
	if kind == "DATE" {
		t, err := time.Parse("2006-01-02", text)
		if err != nil || t.Year() < 1 {
			return nil, schema.WithHint(fmt.Errorf("'%s' is not a DATE", shorten(text)), "write DATE '2024-02-29'")
		}
		return expr.Literal(floorDiv(t.Unix(), 86400), schema.Type{Kind: schema.Date}), nil
	}
	m := timeForm.FindStringSubmatch(text)
	t, err := time.Parse("2006-01-02 15:04:05", text)
	if m == nil || err != nil || t.Year() < 1 {
		return nil, schema.WithHint(fmt.Errorf("'%s' is not a TIMESTAMP", shorten(text)), "write TIMESTAMP '2024-02-29 12:34:56.5': a blank between, seconds, no zone; times are UTC")
	}
	digits := max(len(m[1])-1, 0)
	if digits > 6 {
		return nil, schema.WithHint(fmt.Errorf("'%s' has more than six fraction digits", shorten(text)), "times are microseconds")
	}
	return expr.Literal(t.UnixMicro(), schema.Type{Kind: schema.Timestamp, Precision: digits}), nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func literalBytes(digits string) (*expr.Node, error) {
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, schema.WithHint(fmt.Errorf("X'%s' is not hexadecimal", shorten(digits)), "write two digits 0-9 A-F for each byte: X'0AFF'")
	}
	return expr.Literal(b, schema.Type{Kind: schema.Bytes}), nil
}
