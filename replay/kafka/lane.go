package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// forever is the end of a partition that is read without one.
const forever = math.MaxInt64

// maxPieceBytes keeps a block's text columns far below the 2 GiB that their 32-bit offsets reach.
const maxPieceBytes = 32 << 20

// lane is a partition's state. All of it is guarded by Source.mu.
type lane struct {
	partition int32
	num       int
	from      int64 // where reading started
	pos       int64 // everything before it is in the queue or was taken
	end       int64
	high      int64 // the last stable offset, as last heard; below it there is something to read
	closed    bool  // the piece that ends the lane is in the queue or was taken
	queue     []*piece
	bytes     int // of the queue, as values
	newest    int64
	paused    bool
	idle      bool
	rowAt     time.Time // when it last had a row, by Source.opts.Now
	quiet     int       // ticks since something was read
	probeAt   int       // the tick at which to ask the broker
}

func newLane(p int32) *lane {
	return &lane{partition: p, end: forever, newest: replay.NoTime, probeAt: firstProbe}
}

// piece is a block in the making: records of one lane, decoded by one goroutine.
type piece struct {
	lane    *lane
	recs    []*kgo.Record
	bytes   int
	decoded bool
	block   replay.Block
	newest  int64
	err     error // a record under Fail; the rows before it are in block
}

// decode fills the block from the records and lets go of them.
func (s *Source) decode(p *piece, dec Decoder) {
	recs := p.recs
	p.recs = nil
	offsets := make([]int64, 0, len(recs))
	times := make([]int64, 0, len(recs))
	for _, r := range recs {
		if r.Attrs.IsControl() {
			continue
		}
		reason, advice := "a record without value", ""
		if r.Value != nil {
			err := dec.Append(r.Value)
			if err == nil {
				offsets = append(offsets, r.Offset)
				times = append(times, brokerTime(r))
				continue
			}
			if errors.Is(err, errNotRecord) {
				p.err = fmt.Errorf("kafka: topic %s, partition %d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)
				p.block.Next = r.Offset
				break
			}
			reason = err.Error()
			advice = schema.Hint(err)
		}
		if s.opts.OnBadRecord == Fail {
			if advice != "" {
				advice += "; "
			}
			p.err = schema.WithHint(fmt.Errorf("kafka: topic %s, partition %d, offset %d: %s", r.Topic, r.Partition, r.Offset, reason),
				advice+cmp.Or(s.opts.Advice, "on_bad_record: reject sets such records aside and goes on"))
			p.block.Next = r.Offset
			break
		}
		p.block.Bad = append(p.block.Bad, replay.BadRecord{Partition: r.Partition, Offset: r.Offset, BrokerTime: brokerTime(r), Value: r.Value, Reason: reason})
	}
	p.newest = replay.NoTime
	if p.err != nil {
		p.block.Ended = false
	}
	if len(offsets) == 0 {
		return
	}
	p.block.Record = dec.Flush()
	p.block.Offsets = offsets
	p.block.BrokerTimes = times
	if s.time >= 0 {
		p.newest = newestTime(p.block.Record.Column(s.time), times)
	}
}

func brokerTime(r *kgo.Record) int64 {
	if r.Timestamp.IsZero() || r.Timestamp.UnixMilli() == -1 {
		return replay.NoTime
	}
	return r.Timestamp.UnixMicro()
}

// newestTime is the greatest event time, where none counts that is an hour ahead of its record: a lane with one
// poisoned time must not be kept waiting for the year 9999.
func newestTime(col arrow.Array, broker []int64) int64 {
	newest := int64(replay.NoTime)
	ts, ok := col.(*array.Timestamp)
	if !ok {
		return newest
	}
	for i, v := range ts.TimestampValues() {
		if t := int64(v); t > newest && ts.IsValid(i) && (broker[i] == replay.NoTime || t <= broker[i]+int64(time.Hour/time.Microsecond)) {
			newest = t
		}
	}
	return newest
}
