// Package lake reads and writes rows as files: Parquet in folders and in S3.
//
// The rule: what a run reads is fixed when it begins, and what it writes is visible only when it is whole. A
// file that changes while it is read is an error; a file that is written has a staging name that no glob for
// *.parquet matches until its epoch is published.
//
//	src, err := lake.NewSource(ctx, lake.SourceOptions{Place: "s3://lake/impressions/dt=*/*.parquet", Time: "shown_at"})
//	for {
//		block, err := src.Next(ctx) // io.EOF at the end
//	}
package lake
