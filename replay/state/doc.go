// Package state holds rows by key and time until no row to come can need them.
//
// The rule it keeps: a segment of rows is immutable and shared, never copied; a row is a reference into it. Rows
// are indexed in buckets of event time, and what has expired is dropped a whole bucket at a time. Rows that memory has no
// room for are written to disk, one behind the other; those that are found again are read into a segment of their own, which
// Unload empties.
//
//	s := state.NewStore(width, types, keys)
//	seg := s.Add(columns, keys, times)
//	s.Insert(seg, rows, hashes)
//	s.Probe(...)    // the rows of equal hash within a band of time
//	s.Expire(t)     // forget all buckets that end before t
package state
