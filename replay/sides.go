package replay

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/lockstep-data/lockstep/replay/state"
	"github.com/lockstep-data/lockstep/schema"
)

// The side outputs, by the folder they go to.
const (
	sideLate      = "_late"
	sideUndecided = "_undecided"
	sideRejected  = "_rejected"
	sideConflicts = "_conflicts"
)

// sides takes the rows that were set aside, from any goroutine; they are few, so one lock serves all.
type sides struct {
	sink    Sink
	mu      sync.Mutex
	writers map[string]Writer
}

// origin says what a batch's columns are in terms of its stream's.
type origin struct {
	stream *stream
	// columns maps the stream's source columns to the batch's; -1: the batch lacks it. Nil: they are the same.
	columns []int
}

// setAside is what a side output says of its rows. Slices are by position in rows; nil ones are NULL.
type setAside struct {
	reasons  []string
	lateness []int64
	brokers  []int64
}

func (s *sides) reject(ctx context.Context, from origin, b *batch, rows []int32, reasons map[int32]string) error {
	about := setAside{}
	for _, r := range rows {
		about.reasons = append(about.reasons, reasons[r])
	}
	from.stream.count.rejected.Add(int64(len(rows)))
	return s.write(ctx, sideRejected, from, b, rows, about)
}

// write appends rows of a batch to one side output of the batch's stream.
func (s *sides) write(ctx context.Context, side string, from origin, b *batch, rows []int32, about setAside) error {
	if s.sink == nil || len(rows) == 0 {
		return nil
	}
	fields := append([]schema.Field{}, from.stream.in.Source.Fields()...)
	cols := make([]arrow.Array, 0, len(fields)+6)
	for i, f := range fields {
		c := i
		if from.columns != nil {
			c = from.columns[i]
		}
		if c < 0 && i == from.stream.in.Time { // dropped below a join, but every row knows it
			cols = append(cols, timeColumn(pickRows(b.times, rows)))
			continue
		}
		if c < 0 {
			cols = append(cols, array.MakeArrayOfNull(memory.DefaultAllocator, f.Type.Arrow(), len(rows)))
			continue
		}
		a, err := state.Take(b.cols[c], rows)
		if err == nil {
			a, err = state.Plain(a)
		}
		if err != nil {
			return err
		}
		cols = append(cols, a)
	}
	parts, offsets := make([]int64, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		p, o := b.position(int(r))
		parts[i], offsets[i] = int64(p), o
	}
	cols = append(cols, aboutColumns(len(rows), about, parts, offsets, nil)...)
	return s.emit(ctx, side, from.stream.name, append(fields, SideFields()...), cols, pickRows(b.times, rows))
}

func timeColumn(times []int64) arrow.Array {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, schema.TimestampType)
	b.Reserve(len(times))
	for _, t := range times {
		if t == NoTime {
			b.AppendNull()
		} else {
			b.Append(arrow.Timestamp(t))
		}
	}
	return b.NewArray()
}

// writeBad appends records that are no rows.
func (s *sides) writeBad(ctx context.Context, st *stream, bad []BadRecord) error {
	if s.sink == nil || len(bad) == 0 {
		return nil
	}
	fields := append([]schema.Field{}, st.in.Source.Fields()...)
	cols := make([]arrow.Array, 0, len(fields)+6)
	for _, f := range fields {
		cols = append(cols, array.MakeArrayOfNull(memory.DefaultAllocator, f.Type.Arrow(), len(bad)))
	}
	about := setAside{}
	var parts, offsets, times []int64
	var values [][]byte
	for _, r := range bad {
		about.reasons = append(about.reasons, r.Reason)
		about.brokers = append(about.brokers, r.BrokerTime)
		parts, offsets = append(parts, int64(r.Partition)), append(offsets, r.Offset)
		values, times = append(values, r.Value), append(times, r.BrokerTime)
	}
	cols = append(cols, aboutColumns(len(bad), about, parts, offsets, values)...)
	return s.emit(ctx, sideRejected, st.name, append(fields, SideFields()...), cols, times)
}

func (s *sides) emit(ctx context.Context, side, stream string, fields []schema.Field, cols []arrow.Array, times []int64) error {
	name := side + "/" + stream
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writers[name]
	if w == nil {
		var err error
		if w, err = s.sink.Open(ctx, name, fields); err != nil {
			return err
		}
		s.writers[name] = w
	}
	return w.Write(ctx, array.NewRecord(schema.ArrowSchema(fields), cols, int64(len(times))), times)
}

// aboutColumns are the columns of SideFields.
func aboutColumns(n int, about setAside, parts, offsets []int64, values [][]byte) []arrow.Array {
	mem := memory.DefaultAllocator
	reason, lateness := array.NewStringBuilder(mem), array.NewInt64Builder(mem)
	part, off := array.NewInt32Builder(mem), array.NewInt64Builder(mem)
	broker, value := array.NewTimestampBuilder(mem, schema.TimestampType), array.NewBinaryBuilder(mem, arrow.BinaryTypes.Binary)
	for i := range n {
		reason.Append(about.reasons[i])
		if about.lateness != nil {
			lateness.Append(about.lateness[i])
		} else {
			lateness.AppendNull()
		}
		if parts[i] >= 0 {
			part.Append(int32(parts[i]))
		} else {
			part.AppendNull()
		}
		if offsets[i] >= 0 {
			off.Append(offsets[i])
		} else {
			off.AppendNull()
		}
		if about.brokers != nil && about.brokers[i] != NoTime {
			broker.Append(arrow.Timestamp(about.brokers[i]))
		} else {
			broker.AppendNull()
		}
		if values != nil && values[i] != nil {
			value.Append(values[i])
		} else {
			value.AppendNull()
		}
	}
	return []arrow.Array{reason.NewArray(), lateness.NewArray(), part.NewArray(), off.NewArray(), broker.NewArray(), value.NewArray()}
}

// counts are one stream's, written by several goroutines.
type counts struct {
	rows, late, duplicates, conflicts, rejected, undecided atomic.Int64
}

func (c *counts) all() map[string]*atomic.Int64 {
	return map[string]*atomic.Int64{"rows": &c.rows, "late": &c.late, "duplicates": &c.duplicates, "conflicts": &c.conflicts, "rejected": &c.rejected, "undecided": &c.undecided}
}

func (c *counts) save() map[string]int64 {
	out := map[string]int64{}
	for name, n := range c.all() {
		out[name] = n.Load()
	}
	return out
}

func (c *counts) restore(saved map[string]int64) {
	for name, n := range c.all() {
		n.Store(saved[name])
	}
}

// microsText is a duration as people write it: 10m, 1h30m, 250ms.
func microsText(us int64) string {
	s := (time.Duration(us) * time.Microsecond).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func timeText(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.999999Z")
}

func repeat(n int, format string, args ...any) []string {
	text := fmt.Sprintf(format, args...)
	out := make([]string, n)
	for i := range out {
		out[i] = text
	}
	return out
}
