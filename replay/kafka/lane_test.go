package kafka

import (
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/twmb/franz-go/pkg/kgo"
)

// wordDecoder takes values as they are, but for "bad" and "away".
type wordDecoder struct{ rows *array.StringBuilder }

func (d *wordDecoder) Append(value []byte) error {
	switch string(value) {
	case "bad":
		return errors.New("bad")
	case "away":
		return fmt.Errorf("%w: the registry is away", errNotRecord)
	}
	d.rows.Append(string(value))
	return nil
}

func (d *wordDecoder) Rows() int { return d.rows.Len() }

func (d *wordDecoder) Flush() arrow.Record {
	a := d.rows.NewArray()
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "w", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{a}, int64(a.Len()))
}

// A block that ends in front of a record that cannot be read says where the lane goes on: behind all that it holds, rows and
// records set aside. Else these would be set aside again by the run that goes on.
func TestABlockInFrontOfAnErrorEndsThere(t *testing.T) {
	for _, c := range []struct {
		values    []string
		policy    BadPolicy
		rows, bad int
		next      int64
		fails     bool
	}{
		{[]string{"a", "bad", "b"}, Reject, 2, 1, 99, false},
		{[]string{"a", "away", "b"}, Reject, 1, 0, 11, true},
		{[]string{"a", "bad", "away"}, Reject, 1, 1, 12, true},
		{[]string{"a", "bad", "bad", "b", "bad", "away"}, Reject, 2, 3, 15, true},
		{[]string{"a", "bad", "b"}, Fail, 1, 0, 11, true},
	} {
		s := &Source{opts: SourceOptions{OnBadRecord: c.policy}, time: -1}
		p := &piece{}
		p.block.Next = 99
		for i, v := range c.values {
			p.recs = append(p.recs, &kgo.Record{Value: []byte(v), Offset: int64(10 + i)})
		}
		s.decode(p, &wordDecoder{array.NewStringBuilder(memory.DefaultAllocator)})
		if got := int(p.block.Record.NumRows()); got != c.rows || len(p.block.Bad) != c.bad || p.block.Next != c.next || (p.err != nil) != c.fails {
			t.Errorf("%v: %d rows, %d bad, next %d, error %v", c.values, got, len(p.block.Bad), p.block.Next, p.err)
		}
	}
}
