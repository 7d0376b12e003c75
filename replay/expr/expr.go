package expr

import (
	"fmt"

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
	// Index is the position of a column in the record, or of a field in its row; Name its name.
	Index int
	Name  string
	// Value is a literal's: nil (NULL), bool, int64 (whole numbers, microseconds of a timestamp, days of a
	// date), float64, decimal128.Num, string, []byte or Interval.
	Value any
	// Unit is the unit of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF, in upper case: "HOUR".
	Unit string
	// Try makes a cast give NULL where it would fail.
	Try bool

	span span
	json *jsonValue
}

// span says whether a node is an interval, and of what. An interval's Type is Null.
type span uint8

const (
	noSpan span = iota
	months
	micros
)

// Interval is the value of an interval literal. One of both is zero.
type Interval struct {
	Months int64
	Micros int64
}

// IsInterval reports whether n is an interval, which may stand only beside + - * and has no column type.
func (n *Node) IsInterval() bool { return n.span != noSpan }

// IsLiteral reports whether n is a constant, also one that the constructors computed.
func (n *Node) IsLiteral() bool { return n.Op == "literal" }

// Error is an expression that cannot be typed or run: what is wrong and what to write instead.
type Error struct{ Message, Hint string }

func (e *Error) Error() string { return e.Message }

func refuse(hint, format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// RowError is a row for which an expression has no value: overflow, a failed cast, a division by zero.
type RowError struct {
	Row int
	Err error
}

func (e RowError) Error() string { return fmt.Sprintf("row %d: %v", e.Row, e.Err) }

// Unwrap gives the reason without the row.
func (e RowError) Unwrap() error { return e.Err }

// Columns calls visit for each reference to a column, in the order of the text.
func (n *Node) Columns(visit func(index int)) {
	if n.Op == "column" {
		visit(n.Index)
	}
	for _, a := range n.Args {
		a.Columns(visit)
	}
}

// Remap is a copy of n with column i replaced by column m[i].
func (n *Node) Remap(m []int) *Node { return n.remap(m, map[*Node]*Node{}) }

// remap keeps nodes that stand in several places one: they are evaluated once.
func (n *Node) remap(m []int, done map[*Node]*Node) *Node {
	if c, ok := done[n]; ok {
		return c
	}
	c := *n
	done[n] = &c
	if n.Op == "column" {
		c.Index = m[n.Index]
		return &c
	}
	c.Args = make([]*Node, len(n.Args))
	for i, a := range n.Args {
		c.Args[i] = a.remap(m, done)
	}
	return &c
}
