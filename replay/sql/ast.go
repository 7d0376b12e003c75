package sql

import "github.com/lockstep-data/lockstep/schema"

// query is the text as it was written: one SELECT, or several under UNION ALL, and what WITH names before them.
type query struct {
	With    []*cte
	Selects []*selectStmt
}

// cte is name AS (SELECT ..) in WITH.
type cte struct {
	Pos
	Name string
	Sub  *selectStmt
}

type selectStmt struct {
	Pos
	Items   []item
	From    *tableRef
	Joins   []*joinClause
	Where   expression
	GroupBy []expression
	// Having and Qualify are nil where they are not written.
	Having, Qualify expression
}

// item is one entry of the select list.
type item struct {
	Pos
	// Star is set for * and for alias.*; Of is then the alias or "".
	Star  bool
	Of    string
	X     expression
	Alias string
}

type tableRef struct {
	Pos
	// Name is "" for a subquery and for a window table function.
	Name, Alias string
	// AsOf is the time of FOR SYSTEM_TIME AS OF.
	AsOf   expression
	Sub    *selectStmt
	Window *windowRef
}

// windowRef is TUMBLE, HOP or SESSION over Data: a stream, a name of WITH or a subquery.
type windowRef struct {
	Pos
	Kind      string
	Data      *tableRef
	Partition []expression
	Time      columnRef
	// Args are the lengths: size and offset; slide, size and offset; gap.
	Args []expression
}

type joinClause struct {
	Pos
	Kind  JoinKind
	Table *tableRef
	On    expression
}

// expression is a piece of the query that has a value.
type expression interface{ at() Pos }

type (
	// columnRef is a.b.c: an alias or not, a column, fields of it.
	columnRef struct {
		Pos
		Parts []string
	}
	numberLit struct {
		Pos
		Text string
	}
	textLit struct {
		Pos
		Value string
	}
	// bytesLit holds the hexadecimal digits.
	bytesLit struct {
		Pos
		Hex string
	}
	boolLit struct {
		Pos
		Value bool
	}
	nullLit struct{ Pos }
	// timeLit is DATE '..' or TIMESTAMP '..'.
	timeLit struct {
		Pos
		Kind, Text string
	}
	// intervalLit is INTERVAL 'Text' From [TO To]; units are in the singular.
	intervalLit struct {
		Pos
		Neg            bool
		Text, From, To string
	}
	// unary is "-", "+" or "NOT".
	unary struct {
		Pos
		Op string
		X  expression
	}
	// binary is an operator between two: arithmetic, comparison, AND, OR, ||, IS [NOT] DISTINCT FROM. Its
	// position is the operator's.
	binary struct {
		Pos
		Op   string
		L, R expression
	}
	// isTest is "IS NULL", "IS NOT TRUE" and so on.
	isTest struct {
		Pos
		What string
		X    expression
	}
	between struct {
		Pos
		Not       bool
		X, Lo, Hi expression
	}
	inList struct {
		Pos
		Not  bool
		X    expression
		List []expression
	}
	like struct {
		Pos
		Not                bool
		X, Pattern, Escape expression
	}
	caseExpr struct {
		Pos
		Operand      expression
		Whens, Thens []expression
		Else         expression
	}
	castExpr struct {
		Pos
		Try bool
		X   expression
		To  schema.Type
	}
	// call is a function; Unit is that of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF, or the side of
	// TRIM. The rest is of aggregates: COUNT(*), DISTINCT, IGNORE or RESPECT NULLS, FILTER (WHERE ..); and of
	// window functions: OVER (..).
	call struct {
		Pos
		Name, Unit     string
		Args           []expression
		Star, Distinct bool
		Nulls          string
		Filter         expression
		Over           *overClause
	}
	// overClause is OVER (PARTITION BY .. ORDER BY ..).
	overClause struct {
		Pos
		Partition []expression
		Order     []orderItem
	}
	// orderItem is an expression with ASC or DESC; Nulls is "FIRST", "LAST" or "".
	orderItem struct {
		X     expression
		Desc  bool
		Nulls string
	}
	jsonValue struct {
		Pos
		X                expression
		Path             string
		Returning        *schema.Type
		OnEmpty, OnError *jsonDefault
	}
	// jsonDefault is what stands before ON EMPTY or ON ERROR: NULL, ERROR or DEFAULT X.
	jsonDefault struct {
		Error bool
		X     expression
	}
	fieldOf struct {
		Pos
		X    expression
		Name string
	}
	elementOf struct {
		Pos
		X, Index expression
	}
	// exists is [NOT] EXISTS (Sub). X is, for X IN (SELECT ..), what is to equal the column of Sub.
	exists struct {
		Pos
		X   expression
		Sub *selectStmt
	}
	// refused stands for what was reported already.
	refused struct{ Pos }
)
