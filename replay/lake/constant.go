package lake

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/arrow/scalar"

	"github.com/lockstep-data/lockstep/schema"
)

// constant is a Hive partition's value as a column.
type constant struct {
	value scalar.Scalar
	typ   schema.Type
}

func parseConstant(t schema.Type, p Partition) (constant, error) {
	switch t.Kind {
	case schema.Array, schema.Map, schema.Row, schema.Null, schema.Bytes:
		return constant{}, schema.WithHint(fmt.Errorf("partition %s cannot be %s", p.Name, t), "declare it as string, a number, boolean, date or timestamp")
	}
	if p.Null {
		return constant{typ: t}, nil
	}
	if t.Kind == schema.String {
		return constant{value: scalar.NewStringScalar(p.Value), typ: t}, nil
	}
	v, err := scalar.ParseScalar(t.Arrow(), p.Value)
	if err != nil {
		return constant{}, schema.WithHint(fmt.Errorf("partition %s=%s is no %s", p.Name, p.Value, t), "declare the column as string")
	}
	return constant{value: v, typ: t}, nil
}

func (c constant) column(n int) (arrow.Array, error) {
	if c.value == nil {
		return array.MakeArrayOfNull(memory.DefaultAllocator, c.typ.Arrow(), n), nil
	}
	return scalar.MakeArrayFromScalar(c.value, n, memory.DefaultAllocator)
}
