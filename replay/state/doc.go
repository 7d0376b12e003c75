// Package state holds rows by key and time until no row to come can need them.
//
// The rule it keeps: a segment of rows is immutable and shared, never copied; a row is a reference into it. Rows
// are indexed in buckets of event time, and what has expired is dropped a whole bucket at a time.
//
//	s := state.NewStore(width, types, keys)
//	seg := s.Add(columns, keys, times)
//	s.Insert(seg, rows, hashes)
//	s.Probe(...)    // the rows of equal hash within a band of time
//	s.Expire(t)     // forget all buckets that end before t
package state
