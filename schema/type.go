package schema

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// Kind is the family of a type.
type Kind uint8

// The kinds, named as in SQL. Null is the type of a bare NULL and of a column of which nothing is known.
const (
	Null Kind = iota
	Boolean
	SmallInt
	Int
	BigInt
	Float
	Double
	Decimal
	String
	Bytes
	Date
	Timestamp
	Array
	Map
	Row
)

// Type is the type of a column or an expression. Every column may hold NULL.
type Type struct {
	Kind Kind
	// Precision is the number of digits of a Decimal (1 to 38), the fractional digits of a Timestamp's
	// seconds (0 to 6; values are microseconds whatever it is), or the greatest length of a String (0: any).
	Precision int
	// Scale is the number of a Decimal's digits behind the point (0 to Precision).
	Scale int
	// Epoch, on a Timestamp that arrives as a number, is that number's unit: s, ms, us or ns; else "".
	// It tells decoders how to read, and nothing else.
	Epoch string
	// Key is the key of a Map.
	Key *Type
	// Elem is the element of an Array or the value of a Map.
	Elem *Type
	// Fields are those of a Row, in order.
	Fields []Field
}

// Field is a named column of a row.
type Field struct {
	Name string
	Type Type
}

// Arrow is the form in which values of t travel: timestamps are microseconds without a zone, decimals are
// 128 bits wide, text has 32-bit offsets.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case Boolean:
		return arrow.FixedWidthTypes.Boolean
	case SmallInt:
		return arrow.PrimitiveTypes.Int16
	case Int:
		return arrow.PrimitiveTypes.Int32
	case BigInt:
		return arrow.PrimitiveTypes.Int64
	case Float:
		return arrow.PrimitiveTypes.Float32
	case Double:
		return arrow.PrimitiveTypes.Float64
	case Decimal:
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
	case String:
		return arrow.BinaryTypes.String
	case Bytes:
		return arrow.BinaryTypes.Binary
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Timestamp:
		return TimestampType
	case Array:
		return arrow.ListOf(t.Elem.Arrow())
	case Map:
		return arrow.MapOf(t.Key.Arrow(), t.Elem.Arrow())
	case Row:
		fields := make([]arrow.Field, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = arrow.Field{Name: f.Name, Type: f.Type.Arrow(), Nullable: true}
		}
		return arrow.StructOf(fields...)
	}
	return arrow.Null
}

// TimestampType is the one Arrow type of all timestamps: microseconds, no zone, meant as UTC.
var TimestampType = &arrow.TimestampType{Unit: arrow.Microsecond}

// ArrowSchema is the Arrow schema of a row with these fields.
func ArrowSchema(fields []Field) *arrow.Schema {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		out[i] = arrow.Field{Name: f.Name, Type: f.Type.Arrow(), Nullable: true}
	}
	return arrow.NewSchema(out, nil)
}

// Equal reports whether values of both types mean the same and are held alike. How a number becomes a
// timestamp (Epoch) does not count.
func (t Type) Equal(o Type) bool {
	if t.Kind != o.Kind || t.Precision != o.Precision || t.Scale != o.Scale || len(t.Fields) != len(o.Fields) {
		return false
	}
	if !equalPtr(t.Key, o.Key) || !equalPtr(t.Elem, o.Elem) {
		return false
	}
	for i := range t.Fields {
		if t.Fields[i].Name != o.Fields[i].Name || !t.Fields[i].Type.Equal(o.Fields[i].Type) {
			return false
		}
	}
	return true
}

func equalPtr(a, b *Type) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// String is the type as SQL writes it, e.g. DECIMAL(12,2) or ARRAY<ROW<a INT>>.
func (t Type) String() string {
	switch t.Kind {
	case Boolean:
		return "BOOLEAN"
	case SmallInt:
		return "SMALLINT"
	case Int:
		return "INT"
	case BigInt:
		return "BIGINT"
	case Float:
		return "FLOAT"
	case Double:
		return "DOUBLE"
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case String:
		if t.Precision > 0 {
			return fmt.Sprintf("VARCHAR(%d)", t.Precision)
		}
		return "STRING"
	case Bytes:
		return "BYTES"
	case Date:
		return "DATE"
	case Timestamp:
		return fmt.Sprintf("TIMESTAMP(%d)", t.Precision)
	case Array:
		return "ARRAY<" + t.Elem.String() + ">"
	case Map:
		return "MAP<" + t.Key.String() + "," + t.Elem.String() + ">"
	case Row:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = f.Name + " " + f.Type.String()
		}
		return "ROW<" + strings.Join(parts, ", ") + ">"
	}
	return "NULL"
}

// FromArrow is the type of an Arrow column. Widths without a counterpart take the next wider type that holds
// every value; what has none is an error.
func FromArrow(dt arrow.DataType) (Type, error) {
	switch d := dt.(type) {
	case *arrow.NullType:
		return Type{}, nil
	case *arrow.BooleanType:
		return Type{Kind: Boolean}, nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Uint8Type:
		return Type{Kind: SmallInt}, nil
	case *arrow.Int32Type, *arrow.Uint16Type:
		return Type{Kind: Int}, nil
	case *arrow.Int64Type, *arrow.Uint32Type:
		return Type{Kind: BigInt}, nil
	case *arrow.Uint64Type:
		return Type{Kind: Decimal, Precision: 20}, nil
	case *arrow.Float32Type:
		return Type{Kind: Float}, nil
	case *arrow.Float64Type:
		return Type{Kind: Double}, nil
	case arrow.DecimalType:
		if d.GetPrecision() > 38 {
			return Type{}, fmt.Errorf("%s holds more than 38 digits", dt)
		}
		return Type{Kind: Decimal, Precision: int(d.GetPrecision()), Scale: int(d.GetScale())}, nil
	case *arrow.StringType, *arrow.LargeStringType:
		return Type{Kind: String}, nil
	case *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.FixedSizeBinaryType:
		return Type{Kind: Bytes}, nil
	case *arrow.Date32Type, *arrow.Date64Type:
		return Type{Kind: Date}, nil
	case *arrow.TimestampType:
		digits := map[arrow.TimeUnit]int{arrow.Second: 0, arrow.Millisecond: 3}
		p, ok := digits[d.Unit]
		if !ok {
			p = 6
		}
		return Type{Kind: Timestamp, Precision: p}, nil
	case *arrow.DictionaryType:
		return FromArrow(d.ValueType)
	case *arrow.MapType:
		key, err := FromArrow(d.KeyType())
		if err != nil {
			return Type{}, err
		}
		item, err := FromArrow(d.ItemType())
		if err != nil {
			return Type{}, err
		}
		return Type{Kind: Map, Key: &key, Elem: &item}, nil
	case arrow.ListLikeType:
		elem, err := FromArrow(d.Elem())
		if err != nil {
			return Type{}, err
		}
		return Type{Kind: Array, Elem: &elem}, nil
	case *arrow.StructType:
		row := Type{Kind: Row}
		for _, f := range d.Fields() {
			ft, err := FromArrow(f.Type)
			if err != nil {
				return Type{}, fmt.Errorf("%s: %w", f.Name, err)
			}
			row.Fields = append(row.Fields, Field{f.Name, ft})
		}
		return row, nil
	}
	return Type{}, fmt.Errorf("type %s is not supported", dt)
}
