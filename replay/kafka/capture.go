package kafka

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// The columns that a captured row keeps of where it was.
const (
	PartitionColumn = "_partition"
	OffsetColumn    = "_offset"
	TimestampColumn = "_timestamp"
)

// CaptureFields are a topic's columns and, behind them, _partition INT, _offset BIGINT and _timestamp
// TIMESTAMP(3), the broker's time. A topic that has a column of such a name cannot be captured.
func CaptureFields(fields []schema.Field) ([]schema.Field, error) {
	for _, f := range fields {
		switch f.Name {
		case PartitionColumn, OffsetColumn, TimestampColumn:
			return nil, schema.WithHint(fmt.Errorf("kafka: the topic has a column %s, which a capture adds", f.Name),
				"leave it out of the stream's columns")
		}
	}
	out := make([]schema.Field, 0, len(fields)+3)
	out = append(out, fields...)
	return append(out,
		schema.Field{Name: PartitionColumn, Type: schema.Type{Kind: schema.Int}},
		schema.Field{Name: OffsetColumn, Type: schema.Type{Kind: schema.BigInt}},
		schema.Field{Name: TimestampColumn, Type: schema.Type{Kind: schema.Timestamp, Precision: 3}},
	), nil
}

// Captured is the block's record with the three columns of CaptureFields behind its own; nil for a block
// without rows. partition is the block's lane's. The columns share their memory with the block.
func Captured(b replay.Block, partition int32) arrow.Record {
	if b.Record == nil {
		return nil
	}
	n := int(b.Record.NumRows())
	parts := b.Partitions
	if parts == nil {
		parts = make([]int32, n)
		for i := range parts {
			parts[i] = partition
		}
	}
	cols := make([]arrow.Array, 0, int(b.Record.NumCols())+3)
	cols = append(cols, b.Record.Columns()...)
	cols = append(cols,
		fixed(arrow.PrimitiveTypes.Int32, n, arrow.Int32Traits.CastToBytes(parts), nil),
		fixed(arrow.PrimitiveTypes.Int64, n, arrow.Int64Traits.CastToBytes(b.Offsets), nil),
		fixed(schema.TimestampType, n, arrow.Int64Traits.CastToBytes(b.BrokerTimes), b.BrokerTimes),
	)
	fields := b.Record.Schema().Fields()
	for i, name := range []string{PartitionColumn, OffsetColumn, TimestampColumn} {
		fields = append(fields[:len(fields):len(fields)], arrow.Field{Name: name, Type: cols[len(cols)-3+i].DataType(), Nullable: true})
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(n))
}

// fixed is an array over values; NoTime in times, and a missing buffer, are NULL.
func fixed(t arrow.DataType, n int, values []byte, times []int64) arrow.Array {
	var valid *memory.Buffer
	nulls := 0
	missing := len(values) == 0
	if missing {
		values = make([]byte, 8*n)
	}
	for i := range n {
		if !missing && (times == nil || times[i] != replay.NoTime) {
			continue
		}
		if valid == nil {
			bits := make([]byte, bitutil.BytesForBits(int64(n)))
			bitutil.SetBitsTo(bits, 0, int64(n), true)
			valid = memory.NewBufferBytes(bits)
		}
		bitutil.ClearBit(valid.Bytes(), i)
		nulls++
	}
	data := array.NewData(t, n, []*memory.Buffer{valid, memory.NewBufferBytes(values)}, nil, nulls, 0)
	return array.MakeFromData(data)
}
