// Package kafka reads and writes topics: a replay.Source over one topic and a replay.Sink of several.
//
// The rule it keeps: an offset decides, never a quiet second. A bounded read ends where the broker says that
// everything before the end offset was read, whatever holes compaction, transaction markers and aborted
// transactions left; a partition is idle only when the broker has nothing more to read at our position.
//
//	src, err := kafka.NewSource(ctx, kafka.SourceOptions{
//		Client:     kafka.ClientOptions{Brokers: []string{"localhost:9092"}},
//		Topic:      "impressions",
//		Fields:     fields,
//		NewDecoder: decoder,
//		Until:      kafka.Latest(),
//	})
//
// Guarantees of the sink: at least once. The producer is idempotent and waits for all in-sync replicas, Seal
// returns when the brokers have every row of the epoch, and Publish does nothing, since rows are visible as
// soon as the brokers have them. A run that is continued from a checkpoint repeats what was written since.
package kafka
