package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-data/lockstep/schema"
)

// Bound is a place in every partition of a topic, where a read starts or ends. The zero Bound is no bound: a
// read from the beginning, or without an end.
type Bound struct {
	kind    boundKind
	micros  int64
	offsets map[int32]int64
}

type boundKind uint8

const (
	noBound boundKind = iota
	atTime
	atLatest
	atOffsets
)

// Latest is the end of every partition at the moment the read starts: its last stable offset, so that an open
// transaction lies behind it. It stays where it is while the topic grows.
func Latest() Bound { return Bound{kind: atLatest} }

// AtTime is, in every partition, the first record whose broker timestamp is not before micros (microseconds
// since 1970; Kafka keeps milliseconds, so a fraction is rounded up). Where no record is that late it is
// Latest, also when the time lies ahead: a read up to tomorrow does not wait for tomorrow.
func AtTime(micros int64) Bound { return Bound{kind: atTime, micros: micros} }

// AtOffsets are explicit places. As an end, a partition that is not named is not read, and an offset that the
// partition has not reached is waited for. As a start, a partition that is not named starts at its beginning.
func AtOffsets(offsets map[int32]int64) Bound {
	return Bound{kind: atOffsets, offsets: maps.Clone(offsets)}
}

// span is what a partition holds for a reader of committed records.
type span struct{ start, stable int64 }

func spans(ctx context.Context, adm *kadm.Client, topic string) (map[int32]span, error) {
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("topic %s: first offsets: %w", topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("topic %s: last offsets: %w", topic, err)
	}
	out := map[int32]span{}
	for p, o := range starts[topic] {
		e, ok := ends.Lookup(topic, p)
		if !ok {
			continue // found between the two questions; the next look sees it
		}
		if err := errors.Join(o.Err, e.Err); err != nil {
			return nil, fmt.Errorf("topic %s, partition %d: offsets: %w", topic, p, err)
		}
		out[p] = span{o.Offset, e.Offset}
	}
	return out, nil
}

// resolve gives the bound's offset in each partition; none is the offset of the zero bound.
func (b Bound) resolve(ctx context.Context, adm *kadm.Client, topic string, parts map[int32]span, none func(span) int64) (map[int32]int64, error) {
	out := make(map[int32]int64, len(parts))
	switch b.kind {
	case noBound:
		for p, s := range parts {
			out[p] = none(s)
		}
	case atLatest:
		for p, s := range parts {
			out[p] = s.stable
		}
	case atTime:
		listed, err := adm.ListOffsetsAfterMilli(ctx, ceilMilli(b.micros), topic)
		if err != nil {
			return nil, fmt.Errorf("topic %s: offsets at a time: %w", topic, err)
		}
		for p, s := range parts {
			o, ok := listed.Lookup(topic, p)
			if ok && o.Err != nil {
				return nil, fmt.Errorf("topic %s, partition %d: offset at a time: %w", topic, p, o.Err)
			}
			out[p] = s.stable
			if ok && o.Offset >= 0 {
				out[p] = min(o.Offset, s.stable)
			}
		}
	case atOffsets:
		for _, p := range slices.Sorted(maps.Keys(b.offsets)) {
			if _, ok := parts[p]; !ok {
				return nil, schema.WithHint(fmt.Errorf("topic %s has no partition %d", topic, p),
					"the topic may have been created again with fewer partitions")
			}
		}
		for p := range parts {
			if o, ok := b.offsets[p]; ok {
				out[p] = o
			}
		}
	}
	return out, nil
}

func ceilMilli(micros int64) int64 {
	ms := micros / 1000
	if micros > ms*1000 {
		ms++
	}
	return ms
}
