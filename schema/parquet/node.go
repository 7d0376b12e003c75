package parquet

import (
	"errors"
	"fmt"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/lockstep-data/lockstep/schema"
)

// node is one element of the file's schema as this package understands it. Lists and maps are one node each,
// whatever number of groups the file spends on them.
type node struct {
	name string
	typ  schema.Type
	// err says why the column cannot be read; it matters only to those who ask for the column.
	err error
	// def is the definition level from which the node is not NULL.
	def byte
	// slotDef and rep tell which entries of a leaf begin a slot of this node: those with a repetition level
	// up to rep and a definition level of at least slotDef.
	slotDef, rep byte
	// elemDef is, on a list or map, the definition level from which there is an element.
	elemDef byte
	kids    []*node
	// column and src are a leaf's.
	column *pq.Column
	src    source
}

// source is how a leaf's values lie in the file.
type source struct {
	phys format.Type
	// unit is that of a timestamp or time: microseconds times mul, divided by div.
	mul, div int64
	scale    int
	length   int
	unsigned bool
	uuid     bool
	// void is a column of the logical type NULL: no value is ever read.
	void bool
}

type walker struct {
	elements []format.SchemaElement
	next     int
}

// element is the raw tree: parquet-go's column beside the format's own description of it.
type element struct {
	*format.SchemaElement
	column *pq.Column
	kids   []*element
}

func (w *walker) walk(c *pq.Column, depth int) (*element, error) {
	if w.next >= len(w.elements) || depth > 64 {
		return nil, errors.New("the schema is nested deeper than it has elements, or than 64 levels")
	}
	e := &element{SchemaElement: &w.elements[w.next], column: c}
	w.next++
	for _, kid := range c.Columns() {
		k, err := w.walk(kid, depth+1)
		if err != nil {
			return nil, err
		}
		e.kids = append(e.kids, k)
	}
	return e, nil
}

func (e *element) is(r format.FieldRepetitionType) bool {
	return e.RepetitionType.Valid && e.RepetitionType.V == r
}

func (e *element) converted(c deprecated.ConvertedType) bool {
	return e.ConvertedType.Valid && e.ConvertedType.V == c
}

// nodeOf reads e, which lies behind definition level def and rep repeated ancestors; slotDef is the level from
// which the innermost of these has an element.
func nodeOf(e *element, def, rep, slotDef byte) *node {
	if e.is(format.Repeated) {
		// The oldest form of a list: a repeated field without a group around it. It is never NULL.
		n := &node{name: e.Name, def: def, rep: rep, slotDef: slotDef, elemDef: def + 1}
		return listOf(n, elementNode(e, def+1, rep+1))
	}
	if e.is(format.Optional) {
		def++
	}
	n := &node{name: e.Name, def: def, rep: rep, slotDef: slotDef}
	if e.Type.Valid {
		n.column = e.column
		n.typ, n.src, n.err = leafType(e.SchemaElement)
		if n.src.void && e.column.MaxDefinitionLevel() > 1 {
			n.err = errors.New("a column without a type inside a list or struct is not supported")
		}
		return n
	}
	_, isList := e.LogicalType.Value.(*format.ListType)
	_, isMap := e.LogicalType.Value.(*format.MapType)
	_, isVariant := e.LogicalType.Value.(*format.VariantType)
	isList = isList || e.converted(deprecated.List)
	isMap = isMap || e.converted(deprecated.Map) || e.converted(deprecated.MapKeyValue)
	switch {
	case isVariant:
		n.err = errors.New("VARIANT is not supported")
		return n
	case isMap && len(e.kids) == 1 && e.kids[0].is(format.Repeated) && len(e.kids[0].kids) == 2:
		entry := elementNode(e.kids[0], def+1, rep+1)
		n.elemDef = def + 1
		n.kids = entry.kids
		key, value := entry.kids[0], entry.kids[1]
		n.err = errors.Join(key.err, value.err)
		n.typ = schema.Type{Kind: schema.Map, Key: &key.typ, Elem: &value.typ}
		return n
	case isList && len(e.kids) == 1 && e.kids[0].is(format.Repeated):
		n.elemDef = def + 1
		r := e.kids[0]
		// The rules of the format for lists of two levels.
		twoLevels := r.Type.Valid || len(r.kids) != 1 || r.Name == "array" || r.Name == e.Name+"_tuple"
		if twoLevels {
			return listOf(n, elementNode(r, def+1, rep+1))
		}
		return listOf(n, nodeOf(r.kids[0], def+1, rep+1, def+1))
	}
	rowOf(n, e, def, rep, slotDef)
	return n
}

// elementNode is a repeated element taken as the value that repeats.
func elementNode(e *element, def, rep byte) *node {
	n := &node{name: e.Name, def: def, rep: rep, slotDef: def}
	if e.Type.Valid {
		n.column = e.column
		n.typ, n.src, n.err = leafType(e.SchemaElement)
		return n
	}
	rowOf(n, e, def, rep, def)
	return n
}

func rowOf(n *node, e *element, def, rep, slotDef byte) {
	n.typ.Kind = schema.Row
	for _, k := range e.kids {
		kid := nodeOf(k, def, rep, slotDef)
		if kid.err != nil && n.err == nil {
			n.err = fmt.Errorf("%s: %w", kid.name, kid.err)
		}
		n.kids = append(n.kids, kid)
		n.typ.Fields = append(n.typ.Fields, schema.Field{Name: kid.name, Type: kid.typ})
	}
	if len(e.kids) == 0 {
		n.err = errors.New("a struct without fields")
	}
}

func listOf(n, elem *node) *node {
	n.kids = []*node{elem}
	n.err = elem.err
	n.typ = schema.Type{Kind: schema.Array, Elem: &elem.typ}
	return n
}

// leafType is what a column's values mean, from its logical type or the older converted one.
func leafType(e *format.SchemaElement) (t schema.Type, s source, err error) {
	s = source{phys: e.Type.V, mul: 1, div: 1, length: int(e.TypeLength.V)}
	switch e.LogicalType.Value.(type) {
	case *format.NullType:
		s.void = true
		return schema.Type{}, s, nil
	case *format.Float16Type:
		return t, s, errors.New("FLOAT16 is not supported; write the column as FLOAT")
	case *format.VariantType:
		return t, s, errors.New("VARIANT is not supported; write the column as JSON text")
	case *format.GeometryType, *format.GeographyType:
		return t, s, errors.New("GEOMETRY and GEOGRAPHY are not supported; write the column as binary")
	}
	if e.ConvertedType.Valid && e.ConvertedType.V == deprecated.Interval {
		return t, s, errors.New("INTERVAL is not supported; write the column as a number")
	}
	switch s.phys {
	case format.Boolean:
		t.Kind = schema.Boolean
	case format.Int32, format.Int64:
		return integerType(e, s)
	case format.Int96:
		// Spark, Hive and Impala before the logical types: nanoseconds of the day and a Julian day.
		t = schema.Type{Kind: schema.Timestamp, Precision: 6}
	case format.Float:
		t.Kind = schema.Float
	case format.Double:
		t.Kind = schema.Double
	case format.ByteArray, format.FixedLenByteArray:
		return bytesType(e, s)
	default:
		err = fmt.Errorf("physical type %d is not known", s.phys)
	}
	return t, s, err
}

func integerType(e *format.SchemaElement, s source) (t schema.Type, _ source, err error) {
	wide := s.phys == format.Int64
	ct := deprecated.ConvertedType(-1)
	if e.ConvertedType.Valid {
		ct = e.ConvertedType.V
	}
	unit := func(u format.TimeUnit) error {
		switch u.Value.(type) {
		case *format.MilliSeconds:
			s.mul, t.Precision = 1000, 3
		case *format.MicroSeconds:
			t.Precision = 6
		case *format.NanoSeconds:
			s.div, t.Precision = 1000, 6
		default:
			return errors.New("a time of an unknown unit")
		}
		return nil
	}
	switch l := e.LogicalType.Value.(type) {
	case *format.TimestampType:
		t.Kind = schema.Timestamp
		return t, s, errors.Join(unit(l.Unit), need(wide, "a TIMESTAMP that is not INT64"))
	case *format.TimeType:
		err = unit(l.Unit)
		return schema.Type{Kind: schema.BigInt}, s, err
	case *format.DateType:
		return schema.Type{Kind: schema.Date}, s, need(!wide, "a DATE that is not INT32")
	case *format.DecimalType:
		t, s.scale, err = decimalType(int(l.Precision), int(l.Scale))
		return t, s, err
	case *format.IntType:
		return intType(int(l.BitWidth), !l.IsSigned, s)
	}
	switch ct {
	case deprecated.TimestampMillis:
		s.mul = 1000
		return schema.Type{Kind: schema.Timestamp, Precision: 3}, s, need(wide, "a TIMESTAMP that is not INT64")
	case deprecated.TimestampMicros:
		return schema.Type{Kind: schema.Timestamp, Precision: 6}, s, need(wide, "a TIMESTAMP that is not INT64")
	case deprecated.TimeMillis:
		s.mul = 1000
		return schema.Type{Kind: schema.BigInt}, s, nil
	case deprecated.Date:
		return schema.Type{Kind: schema.Date}, s, need(!wide, "a DATE that is not INT32")
	case deprecated.Decimal:
		t, s.scale, err = decimalType(int(e.Precision.V), int(e.Scale.V))
		return t, s, err
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return intType(8<<(ct-deprecated.Uint8), true, s)
	case deprecated.Int8, deprecated.Int16:
		return intType(16, false, s)
	}
	if wide {
		return schema.Type{Kind: schema.BigInt}, s, nil
	}
	return schema.Type{Kind: schema.Int}, s, nil
}

func intType(bits int, unsigned bool, s source) (schema.Type, source, error) {
	s.unsigned = unsigned
	switch {
	case bits == 8, bits == 16 && !unsigned:
		return schema.Type{Kind: schema.SmallInt}, s, nil
	case bits == 16, bits == 32 && !unsigned:
		return schema.Type{Kind: schema.Int}, s, nil
	case bits == 32, bits == 64 && !unsigned:
		return schema.Type{Kind: schema.BigInt}, s, nil
	case bits == 64:
		return schema.Type{Kind: schema.Decimal, Precision: 20}, s, nil
	}
	return schema.Type{}, s, fmt.Errorf("an integer of %d bits", bits)
}

func bytesType(e *format.SchemaElement, s source) (t schema.Type, _ source, err error) {
	switch l := e.LogicalType.Value.(type) {
	case *format.StringType, *format.EnumType, *format.JsonType:
		return schema.Type{Kind: schema.String}, s, nil
	case *format.UUIDType:
		s.uuid = true
		return schema.Type{Kind: schema.String}, s, need(s.phys == format.FixedLenByteArray && s.length == 16, "a UUID that is not 16 bytes")
	case *format.DecimalType:
		t, s.scale, err = decimalType(int(l.Precision), int(l.Scale))
		return t, s, err
	}
	if e.ConvertedType.Valid {
		switch e.ConvertedType.V {
		case deprecated.UTF8, deprecated.Enum, deprecated.Json:
			return schema.Type{Kind: schema.String}, s, nil
		case deprecated.Decimal:
			t, s.scale, err = decimalType(int(e.Precision.V), int(e.Scale.V))
			return t, s, err
		}
	}
	return schema.Type{Kind: schema.Bytes}, s, nil
}

func decimalType(precision, scale int) (schema.Type, int, error) {
	if precision < 1 || precision > 38 || scale < 0 || scale > precision {
		return schema.Type{}, 0, fmt.Errorf("DECIMAL(%d,%d) is out of bounds: at most 38 digits, a scale from 0 to the precision", precision, scale)
	}
	return schema.Type{Kind: schema.Decimal, Precision: precision, Scale: scale}, scale, nil
}

func need(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New(what)
}
