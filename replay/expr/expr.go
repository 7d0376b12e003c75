// Package expr is expressions: bound to columns, typed as Flink SQL types them, evaluated a column at a time.
package expr

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
)

// Node is an expression whose columns are bound and whose type is known. It is built by the constructors of
// this package alone and never changed.
type Node struct {
	// Op is "column", "literal", "cast", "case", "in", "field", "index", or the name of an operator or a
	// function in upper case ("+", "AND", "UPPER", "EXTRACT").
	Op   string
	Args []*Node
	Type schema.Type
	// Index is the position of a column in the record; Name its name, or a field's.
	Index int
	Name  string
	// Value is a literal's: nil (NULL), bool, int64 (whole numbers, microseconds of a timestamp, days of a
	// date), float64, decimal128.Num, string, []byte or Interval.
	Value any
	// Unit is the unit of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF, in upper case: "HOUR".
	Unit string
	// Try makes a cast give NULL where it would fail.
	Try bool
}

// Interval is the value of an interval literal. One of both is zero.
type Interval struct {
	Months int64
	Micros int64
}

// Error is an expression that cannot be typed or run: what is wrong and what to write instead.
type Error struct{ Message, Hint string }

func (e *Error) Error() string { return e.Message }

// RowError is a row for which an expression has no value: overflow, a failed cast, a division by zero.
type RowError struct {
	Row int
	Err error
}

func (e RowError) Error() string { return fmt.Sprintf("row %d: %v", e.Row, e.Err) }

var _ arrow.Record // evaluation takes and gives Arrow arrays
