// Package replay is the engine: a plan run over rows in any order.
//
// The rule it keeps: time, not arrival, decides. A row leaves an operator only when no row still to come could
// change it; a batch is the same run with nothing still to come.
package replay
