// Package expr is expressions: bound to columns, typed as Flink SQL types them, evaluated a column at a time.
//
// The rule it keeps: never a silently wrong number. What overflows, divides by zero or cannot be cast is an
// error of its row, and what a row does not need (the right side of an AND that is already FALSE, a branch of
// a CASE that is not taken) is not evaluated for it.
//
// An example: over one INT column i, i <> 0 AND 10 / i > 1 gives FALSE where i is 0, and 10 / i > 1 reports
// that row; see Program.EvalBool.
package expr
