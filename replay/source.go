package replay

import (
	"context"
	"math"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/lockstep-data/lockstep/schema"
)

// NoTime stands for a missing event time, broker time or bound. It is earlier than every real time.
const NoTime = math.MinInt64

// EndOfTime is the watermark of an input to which nothing will be added.
const EndOfTime = math.MaxInt64

// Source delivers one stream's rows. The engine calls every method from one goroutine; a source may read
// ahead in goroutines of its own, which Close waits for.
type Source interface {
	// Fields are the columns of every block, in order, with the types the pipeline file gave.
	Fields() []schema.Field
	// Lanes are the partitions or files known at the start. A source that finds another later announces it
	// in a block (Block.Opened). Lateness and order are kept per lane.
	Lanes() []Lane
	// Next waits for the next block. The caller owns the block. It returns io.EOF once every lane has ended;
	// ctx ends the wait.
	Next(ctx context.Context) (Block, error)
	// Seek makes the next blocks start at these positions, one a lane, as a Block's Next gave them; it is
	// called before the first Next or not at all. A lane that is not named starts at its beginning.
	Seek(positions map[string]int64) error
	Close() error
}

// Lane is a sequence of rows with an order of its own: a partition of a topic, or a file.
type Lane struct {
	// Name is unique in the stream and stable over runs: "3" for a partition, a path for a file.
	Name string
	// Partition is what side outputs and ties call the lane; -1 for a file.
	Partition int32
	// Next is where the read of a lane of Lanes starts, for a checkpoint before its first block.
	Next int64
}

// Block is a piece of one lane. Rows are in the lane's order. It may be without rows and only tell of an end,
// a new lane, a floor or idleness.
type Block struct {
	// Lane counts in the order of Lanes and then of Opened.
	Lane int
	// Opened, when not nil, is a lane that the engine has not seen; it has the next number, which is Lane.
	Opened *Lane
	// Record holds the rows: one column for each of Fields, text also as a dictionary of int32. Nil when there are
	// none.
	Record arrow.Record
	// Offsets are the rows' positions in their lane; nil where the rows have none.
	Offsets []int64
	// Partitions are the rows' partitions; nil when all are the lane's.
	Partitions []int32
	// BrokerTimes are microseconds, NoTime where unknown; nil when no row has one.
	BrokerTimes []int64
	// Next is where the lane goes on behind this block.
	Next int64
	// Floor promises that no row still to come, of any lane, is earlier; NoTime promises nothing. Only a
	// source that knows its whole input (the lake, read as a batch) gives one.
	Floor int64
	// Ended says that the lane has no more rows.
	Ended bool
	// Idle says that the lane has had no row for the pipeline's idle time; its next row ends that. Both are
	// decisions and go into the run's log.
	Idle bool
	// Bad are records that could not be decoded, under `on_bad_record: reject`.
	Bad []BadRecord
}

// BadRecord is a record that is no row.
type BadRecord struct {
	Partition  int32
	Offset     int64
	BrokerTime int64
	Value      []byte
	Reason     string
}
