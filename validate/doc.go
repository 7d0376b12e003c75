// Package validate is the judge: it compares two sets of rows and says whether they are equal, or which rows
// and which cells differ.
//
// The rule it keeps: the judge shares no code with the accused. It imports no other room of this project and
// reads Parquet, CSV, NDJSON and Arrow by itself. It is exact by default: no tolerance, no trimming and no detour
// over floating point unless asked for by name, and a column that cannot be compared is refused by name.
//
// Two passes. The first streams both sides and keeps, per row, a hash of its key, a 128-bit hash of its values
// and a few bits that tell columns apart; rows whose key and hash agree on both sides are equal and done. The
// second reads only the other rows again, only the columns that may differ, sorts them by key and compares them
// cell by cell. Hashes decide which rows are candidates; cells decide everything that is reported.
//
//	res, err := validate.Run(ctx, validate.Options{
//		Left:  validate.Input{Path: "batch.parquet"},
//		Right: validate.Input{Path: "stream/"},
//		Key:   []string{"event_id"},
//	})
//	if err != nil { ... }            // could not compare: validate.Hint(err) says what to do
//	if res.Verdict != validate.Equal { ... }
package validate
