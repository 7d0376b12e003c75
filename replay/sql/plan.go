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
	// ID are the columns that identify a stream's event, if it declares any.
	ID []string
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

// Group makes one row of the rows that agree in the first Keys columns of Input. Its columns are those, one for
// each of Aggs, and with a Window its start, its end and its time.
//
// Without a window, rows of one group agree in one more thing, the group's time: the event time, or the column
// Time where that is not -1. Of it is known Lo <= group's time - event time <= Hi, so that a group is complete when
// the watermark has passed its time less Lo. The group's time is the event time of the row that leaves; that of a
// window is its last millisecond.
type Group struct {
	Input  Node
	Keys   int
	Time   int
	Lo, Hi int64
	Aggs   []Aggregate
	Window *Window
	Of     *Origin
	fields []schema.Field
}

// Origin is the stream whose rows groups are of, where it is not the first: Columns says where its columns are in the
// node's input, -1 for those that are not.
type Origin struct {
	Stream  string
	Columns []int
}

// Aggregate is a function over the rows of a group.
type Aggregate struct {
	// Func is COUNT, SUM, AVG, MIN, MAX, LISTAGG, ARRAY_AGG, FIRST_VALUE or LAST_VALUE.
	Func string
	// Arg is the column of the input; -1 for COUNT(*).
	Arg int
	// Filter, when not -1, is the column that must be TRUE for a row to count.
	Filter int
	// Order is the column of the time in whose order values are taken, ties by their content; -1: the event time.
	Order    int
	Distinct bool
	// Nulls says that NULLs are values, too.
	Nulls     bool
	Separator string
	Type      schema.Type
	name      string
}

// Window is TUMBLE (Slide = Size), HOP, or SESSION, which has a Gap. Lengths are microseconds.
type Window struct {
	Size, Slide, Offset, Gap int64
}

// Rank numbers the rows that agree in Keys from 1 on, in the order of Order, ties by the content of the first Carry
// columns of Input. These leave, with the number behind them; rows keep their event time. Time, Lo and Hi are as in
// Group.
type Rank struct {
	Input  Node
	Carry  int
	Keys   []int
	Order  []RankOrder
	Time   int
	Lo, Hi int64
	// Most, when not 0, is the greatest number that anybody asks for: rows behind it do not leave.
	Most   int64
	Of     *Origin
	fields []schema.Field
}

// RankOrder is a column to sort by.
type RankOrder struct {
	Column           int
	Desc, NullsFirst bool
}

// Inputs are the nodes whose rows a node takes.
func Inputs(n Node) []Node {
	switch n := n.(type) {
	case *Join:
		return []Node{n.Left, n.Right}
	case *Lookup:
		return []Node{n.Input}
	case *Filter:
		return []Node{n.Input}
	case *Project:
		return []Node{n.Input}
	case *Group:
		return []Node{n.Input}
	case *Rank:
		return []Node{n.Input}
	case *Union:
		return n.Inputs
	}
	return nil
}

// Fields implements Node.
func (n *Group) Fields() []schema.Field { return n.fields }

// Fields implements Node.
func (n *Rank) Fields() []schema.Field { return n.fields }

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
