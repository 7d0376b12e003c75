// Package column is what the decoders of rows write into and the encoders read from: one buffer a column, laid
// out as Arrow lays it out, and the text forms of numbers and times that JSON and CSV share.
//
// The rule: a value is appended whole or not at all, and a record costs no allocation a row. A decoder appends
// to its buffers in any order, cuts them back to the last whole row when a row turns out bad (Truncate), and
// hands them to Arrow without a copy (Record).
//
//	cols := column.New(fields)
//	cols[0].I64 = append(cols[0].I64, 42)
//	cols[1].AppendNull()
//	rec := column.Record(arrowSchema, cols, 1)
package column
