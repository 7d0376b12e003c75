package sql

import (
	"github.com/lockstep-data/lockstep/replay/expr"
	"github.com/lockstep-data/lockstep/schema"
)

// Catalog is what a query may name.
type Catalog struct {
	Streams map[string]Relation
	Tables  map[string]Relation
}

// Relation is a stream or a table.
type Relation struct {
	Fields []schema.Field
	// Time is a stream's event-time column.
	Time string
	// Key are the columns that a table is looked up by; Versions, when not "", is the column at which a
	// version of a row starts.
	Key      []string
	Versions string
}

// Plan is a query bound to its catalog, with filters and projections pushed down.
type Plan struct {
	Root Node
	// Fields are the columns of the result.
	Fields []schema.Field
}

// Node is one step of a plan. Every row that leaves it carries an event time: a Scan's is its stream's time
// column, a Join's is that of its left row (of the right row where there is no left), everything else keeps its
// input's.
type Node interface {
	// Fields are the columns that leave the node. Expressions above refer to them by position.
	Fields() []schema.Field
}

// Scan reads a stream. A stream that a query names twice has two scans and is read once.
type Scan struct {
	Stream string
	Alias  string
	// Columns are the columns of the stream that are used, by position in its Relation, ascending.
	Columns []int
	// Filter, when not nil, is over Columns' positions in this node's Fields; it cannot fail.
	Filter *expr.Node
	fields []schema.Field
}

// JoinKind says which rows leave a join.
type JoinKind uint8

// The join kinds. Left, Right and Full keep the unmatched rows of that side, of both; Semi keeps the left rows
// that have a partner, once each and alone, and Anti those that have none.
const (
	Inner JoinKind = iota
	Left
	Right
	Full
	Semi
	Anti
)

// KeepsLeft reports whether left rows without a partner leave.
func (k JoinKind) KeepsLeft() bool { return k == Left || k == Full || k == Anti }

// KeepsRight reports whether right rows without a partner leave.
func (k JoinKind) KeepsRight() bool { return k == Right || k == Full }

// Join joins two streams on equal keys within a band of time: a pair matches when the keys are equal and none
// NULL, Lo <= right.time - left.time <= Hi, and On is TRUE.
type Join struct {
	Kind        JoinKind
	Left, Right Node
	// LeftKeys and RightKeys are pairwise of one type, each over its own side's columns.
	LeftKeys, RightKeys []*expr.Node
	// Lo and Hi bound the rows' event times in microseconds. Where the query's band is on the event times
	// themselves it is exactly this; a band on the time of an earlier right side is also in On.
	Lo, Hi int64
	// On is the rest of the condition over the left's columns followed by the right's; nil: TRUE.
	On *expr.Node
	// Output are the columns that leave, by position in left followed by right.
	Output []int
}

// Lookup adds the row of a table that has the input row's key.
type Lookup struct {
	Kind  JoinKind
	Input Node
	Table string
	// Alias is the table's name in the query.
	Alias string
	// Keys are over the input's columns, one for each of the table's key columns, of that column's type.
	Keys []*expr.Node
	// AsOf is the time, over the input's columns, whose version is wanted; nil for a table without versions.
	AsOf *expr.Node
	// Columns are the table's columns that are used, by position in its Relation, ascending.
	Columns []int
	// On is the rest of the condition over the input's columns followed by Columns; nil: TRUE.
	On *expr.Node
	// Output are the columns that leave, by position in the input's columns followed by Columns.
	Output []int
	table  []schema.Field
	key    []string // the names of the key columns, for String
}

// Filter keeps the rows for which Where is TRUE.
type Filter struct {
	Input Node
	Where *expr.Node
}

// Project computes the columns that leave.
type Project struct {
	Input Node
	Exprs []*expr.Node
	Names []string
}

// Union takes the rows of all inputs, whose columns have the same types.
type Union struct{ Inputs []Node }

// Fields implements Node.
func (n *Scan) Fields() []schema.Field { return n.fields }

// Fields implements Node.
func (n *Join) Fields() []schema.Field {
	return pick(append(append([]schema.Field{}, n.Left.Fields()...), n.Right.Fields()...), n.Output)
}

// Fields implements Node.
func (n *Lookup) Fields() []schema.Field {
	return pick(append(append([]schema.Field{}, n.Input.Fields()...), n.table...), n.Output)
}

// TableFields are the columns that On sees behind the input's: those of Columns.
func (n *Lookup) TableFields() []schema.Field { return n.table }

// Fields implements Node.
func (n *Filter) Fields() []schema.Field { return n.Input.Fields() }

// Fields implements Node.
func (n *Project) Fields() []schema.Field {
	out := make([]schema.Field, len(n.Exprs))
	for i, e := range n.Exprs {
		out[i] = schema.Field{Name: n.Names[i], Type: e.Type}
	}
	return out
}

// Fields implements Node.
func (n *Union) Fields() []schema.Field { return n.Inputs[0].Fields() }

func pick(fields []schema.Field, which []int) []schema.Field {
	out := make([]schema.Field, len(which))
	for i, w := range which {
		out[i] = fields[w]
	}
	return out
}
