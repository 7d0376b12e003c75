// Package parquet turns Parquet files into Arrow records and back.
//
// The rule: a value keeps its meaning or the file is refused by name. Timestamps of every unit and zone flag
// become UTC microseconds (nanoseconds are floored), INT96 is a timestamp, a TIME is a BIGINT of microseconds
// since midnight, unsigned integers take the next wider type, a UUID is its text. FLOAT16, INTERVAL and
// VARIANT are refused. What a damaged file says is never trusted: a lying count or a broken page is an error
// that names file, row group and column.
//
//	f, err := parquet.Open(r, size, "s3://lake/a.parquet")
//	fields, err := f.Fields()
//	rd, err := f.Reader(fields, parquet.ReadOptions{})
//	rows, err := rd.RowGroup(0)
//	for {
//		rec, err := rows.Next(32 << 10) // io.EOF behind the last
//	}
package parquet
