package avro

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lockstep-data/lockstep/schema"
	"github.com/lockstep-data/lockstep/schema/column"
)

// Plan is a writer's schema compiled for the columns of one Decoder.
type Plan struct {
	ops     []op
	missing []string
	// spare bounds the bytes that defaults add to one row beyond its own.
	spare int
}

// Missing are the wanted columns, by path, that the writer's schema does not have: their rows are NULL, or the
// default of the reader's schema (Decoder.Reader).
func (p *Plan) Missing() []string { return p.missing }

type code uint8

const (
	opNull code = iota // of type null: no bytes
	opBool
	opInt16
	opInt32
	opInt64
	opScaled   // a long that times mul is microseconds
	opNanos    // a long of nanoseconds
	opIntFloat // int or long as FLOAT, DOUBLE
	opIntDouble
	opFloat
	opFloatDouble
	opDouble
	opString // bytes as text: checked for UTF-8
	opBytes
	opFixed
	opUUID
	opEnum
	opDecimal
	opDecimalFixed
	opIntDecimal
	opRowEnd // the fields of a record are done
	opArray
	opMap
	opConst // a default
	opSkip
)

// op is one step. Steps that belong to a record stand in line; null jumps over them.
type op struct {
	code code
	// branches says how many types the union has (0: none) and null which of them is null (-1: none).
	branches, null int8
	next           int // where to go on after a NULL
	col            *column.Buffer
	mul            int64 // opScaled; opDecimal: 10 to the power of the scale's growth
	size           int   // fixed
	skip           *node
	body           []op
	tiny           bool // an element may take no bytes
	symbols        []string
	fill           func(*column.Buffer)
}

// Plan compiles a writer's schema. Fields are found by name, then by the reader's aliases, then by the
// writer's. A plan works with this decoder only; compile one per schema and keep it.
func (d *Decoder) Plan(writerSchema string) (*Plan, error) {
	w, err := parse(writerSchema)
	if err != nil {
		return nil, err
	}
	p := &Plan{}
	if err := p.record(w, d.reader, d.fields, d.cols); err != nil {
		return nil, fmt.Errorf("avro schema %s: %w", w.name, err)
	}
	return p, nil
}

// record compiles the fields of a record into columns. reader may be nil.
func (p *Plan) record(w, reader *node, fields []schema.Field, cols []*column.Buffer) error {
	taken := make([]int, len(w.fields)) // the column of each of the writer's fields, from 1
	for c, f := range fields {
		rf := fieldOf(reader, f.Name)
		at := find(w, f.Name, rf)
		if at < 0 {
			p.missing = append(p.missing, cols[c].Name)
			if err := p.constant(cols[c], rf); err != nil {
				return err
			}
			continue
		}
		if taken[at] > 0 {
			return fmt.Errorf("field %s is wanted both as %s and as %s", w.fields[at].name, fields[taken[at]-1].Name, f.Name)
		}
		taken[at] = c + 1
	}
	for i, wf := range w.fields {
		if taken[i] == 0 {
			p.ops = append(p.ops, op{code: opSkip, skip: wf.typ, null: -1})
			continue
		}
		c := taken[i] - 1
		rf := fieldOf(reader, fields[c].Name)
		var sub *node
		if rf != nil {
			sub = rf.typ
		}
		if err := p.value(wf.typ, sub, cols[c]); err != nil {
			return err
		}
	}
	return nil
}

func fieldOf(n *node, name string) *field {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return &n.fields[i]
		}
	}
	return nil
}

func find(w *node, name string, reader *field) int {
	by := func(ok func(f field) bool) int { return slices.IndexFunc(w.fields, ok) }
	at := by(func(f field) bool { return f.name == name })
	if at < 0 && reader != nil {
		at = by(func(f field) bool { return slices.Contains(reader.aliases, f.name) })
	}
	if at < 0 {
		at = by(func(f field) bool { return slices.Contains(f.aliases, name) })
	}
	return at
}

// value compiles the writer's type w into col.
func (p *Plan) value(w, reader *node, col *column.Buffer) error {
	n, null, ok := w.nullable()
	if !ok {
		return schema.WithHint(fmt.Errorf("field %s: a %s cannot be read as a column", col.Name, w.title()),
			"only null with one other type can be read; take the field out of the columns, or split it into one field a type")
	}
	if reader != nil {
		reader, _, _ = reader.nullable()
	}
	at := len(p.ops)
	o := op{col: col, null: int8(null)}
	if w.kind == "union" {
		o.branches = int8(len(w.branches))
	}
	t := col.Type
	refuse := func() error {
		return schema.WithHint(fmt.Errorf("field %s: the writer's %s cannot be read as %s", col.Name, n.title(), t),
			"declare the column with the writer's type and CAST in the query")
	}
	// pass appends the one step that most types need.
	pass := func(c code) error {
		o.code = c
		p.ops = append(p.ops, o)
		p.ops[at].next = len(p.ops)
		return nil
	}
	switch n.kind {
	case "null":
		return pass(opNull)
	case "boolean":
		if t.Kind == schema.Boolean {
			return pass(opBool)
		}
	case "int", "long":
		return p.integer(n, &o, pass, refuse)
	case "float":
		switch t.Kind {
		case schema.Float:
			return pass(opFloat)
		case schema.Double:
			return pass(opFloatDouble)
		}
	case "double":
		if t.Kind == schema.Double {
			return pass(opDouble)
		}
	case "string":
		switch t.Kind {
		case schema.String:
			return pass(opString)
		case schema.Bytes:
			return pass(opBytes)
		}
	case "enum":
		if t.Kind == schema.String {
			o.symbols = n.symbols
			return pass(opEnum)
		}
	case "bytes", "fixed":
		o.size = n.size
		if n.logical == "decimal" && t.Kind == schema.Decimal {
			if t.Scale < n.scale {
				return refuse()
			}
			o.mul = int64(t.Scale - n.scale)
			if n.kind == "fixed" {
				return pass(opDecimalFixed)
			}
			return pass(opDecimal)
		}
		switch {
		case n.logical == "decimal":
		case t.Kind == schema.Bytes && n.kind == "bytes":
			return pass(opBytes)
		case t.Kind == schema.Bytes:
			return pass(opFixed)
		case t.Kind == schema.String && n.kind == "bytes":
			return pass(opString)
		case t.Kind == schema.String && n.logical == "uuid":
			return pass(opUUID)
		}
	case "array":
		if t.Kind == schema.Array {
			return p.elements(n, reader, o, opArray, col.Kids[0])
		}
	case "map":
		if t.Kind == schema.Map && t.Key.Kind == schema.String {
			return p.elements(n, reader, o, opMap, col.Kids[1])
		}
	case "record":
		if t.Kind != schema.Row {
			break
		}
		// The step before the fields only takes the union's branch; the one behind them ends the row.
		if o.branches > 0 {
			o.code = opNull
			p.ops = append(p.ops, o)
		}
		if err := p.record(n, reader, t.Fields, col.Kids); err != nil {
			return err
		}
		p.ops = append(p.ops, op{code: opRowEnd, col: col, null: -1})
		if o.branches > 0 {
			p.ops[at].code = opBranch
			p.ops[at].next = len(p.ops)
		}
		return nil
	}
	return refuse()
}

// opBranch is the union of a record: its fields follow in line.
const opBranch = opSkip + 1

// integer compiles an int or long.
func (p *Plan) integer(n *node, o *op, pass func(code) error, refuse func() error) error {
	t := o.col.Type
	switch n.logical {
	case "date":
		if n.kind == "int" && t.Kind == schema.Date {
			return pass(opInt32)
		}
	case "time-millis", "time-micros":
		if t.Kind == schema.BigInt {
			o.mul = 1
			if n.logical == "time-millis" {
				o.mul = 1000
			}
			return pass(opScaled)
		}
	case "timestamp-millis", "local-timestamp-millis":
		if t.Kind == schema.Timestamp {
			o.mul = 1000
			return pass(opScaled)
		}
	case "timestamp-micros", "local-timestamp-micros":
		if t.Kind == schema.Timestamp {
			return pass(opInt64)
		}
	case "timestamp-nanos", "local-timestamp-nanos":
		if t.Kind == schema.Timestamp {
			return pass(opNanos)
		}
	default:
		// A plain number becomes a time when the column says which unit it counts.
		if t.Kind == schema.Timestamp {
			switch t.Epoch {
			case "s":
				o.mul = 1_000_000
				return pass(opScaled)
			case "ms":
				o.mul = 1000
				return pass(opScaled)
			case "us":
				return pass(opInt64)
			case "ns":
				return pass(opNanos)
			}
		}
	}
	// As BIGINT a time is the number that was written; every other type is for plain numbers.
	if n.logical == "" || t.Kind == schema.BigInt && n.kind == "long" {
		switch {
		case t.Kind == schema.BigInt:
			return pass(opInt64)
		case t.Kind == schema.Int && n.kind == "int":
			return pass(opInt32)
		case t.Kind == schema.SmallInt && n.kind == "int":
			return pass(opInt16)
		case t.Kind == schema.Float:
			return pass(opIntFloat)
		case t.Kind == schema.Double:
			return pass(opIntDouble)
		case t.Kind == schema.Decimal:
			o.mul = int64(t.Scale)
			return pass(opIntDecimal)
		}
	}
	return refuse()
}

func (p *Plan) elements(n, reader *node, o op, c code, kid *column.Buffer) error {
	sub := Plan{}
	var of *node
	if reader != nil {
		of = reader.items
	}
	if err := sub.value(n.items, of, kid); err != nil {
		return err
	}
	o.code, o.body, o.tiny = c, sub.ops, c == opArray && n.items.min == 0
	p.missing = append(p.missing, sub.missing...)
	p.spare = max(p.spare, sub.spare) // a bound for each element, whose number is bounded by the bytes
	p.ops = append(p.ops, o)
	p.ops[len(p.ops)-1].next = len(p.ops)
	return nil
}

// constant compiles a column that the writer does not have: the reader's default, or NULL.
func (p *Plan) constant(col *column.Buffer, f *field) error {
	o := op{code: opConst, col: col, null: -1, fill: (*column.Buffer).AppendNull}
	if f != nil && f.def != nil {
		var v any
		dec := json.NewDecoder(newReader(f.def))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return fmt.Errorf("field %s: default: %w", col.Name, err)
		}
		fill, size, err := defaultOf(f.typ, v, col)
		if err != nil {
			return fmt.Errorf("field %s: default %s: %w", col.Name, f.def, err)
		}
		o.fill = fill
		p.spare += size
	}
	p.ops = append(p.ops, o)
	return nil
}
