package sql

import (
	"encoding/hex"
	"fmt"
	"math"
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
		return nil, schema.WithHint(fmt.Errorf("the literal X'%s' is not hexadecimal", shorten(digits)), "write two digits 0-9 A-F for each byte: X'0AFF'")
	}
	return expr.Literal(b, schema.Type{Kind: schema.Bytes}), nil
}
