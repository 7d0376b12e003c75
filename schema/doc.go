// Package schema says what a row is: the types that a pipeline file names, their Arrow form, and the formats
// that rows come in (Avro, JSON, CSV, Parquet; each in a package below).
//
// The rule: a value keeps its meaning or is refused. Text is UTF-8, times are microseconds since 1970 in UTC
// without a zone, decimals stay decimals, NULL is never a sentinel.
package schema
