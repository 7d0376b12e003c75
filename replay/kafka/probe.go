package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answer is what a broker has at a position for a reader of committed records.
type answer struct {
	rows   bool  // records that are no markers
	next   int64 // without rows: up to here there is nothing
	stable int64 // the last stable offset
}

// probe fetches once at a position. A client's own fetches say nothing when they hold no record, although the
// batches that compaction emptied and aborted transactions do move the position; here they are looked at.
func probe(ctx context.Context, cl *kgo.Client, adm *kadm.Client, topic string, partition int32, pos int64) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	meta, err := adm.Metadata(ctx, topic)
	if err != nil {
		return answer{}, err
	}
	t := meta.Topics[topic]
	p, ok := t.Partitions[partition]
	if !ok || p.Leader < 0 {
		return answer{}, fmt.Errorf("partition %d has no leader", partition)
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = 10
	req.MaxBytes = 1 << 20
	req.IsolationLevel = 1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, t.ID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = partition, pos, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	raw, err := cl.Broker(int(p.Leader)).Request(ctx, req)
	if err != nil {
		return answer{}, err
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return answer{}, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return answer{}, errors.New("the broker answered for other partitions")
	}
	part := &resp.Topics[0].Partitions[0]
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: pos, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
	}, part, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return answer{}, fp.Err
	}
	ans := answer{rows: len(fp.Records) > 0, next: next, stable: fp.LastStableOffset}
	if ans.stable < 0 {
		ans.stable = fp.HighWatermark
	}
	// A broker gives at least one batch where there is one, except to a client that it throttles.
	if len(part.RecordBatches) == 0 && resp.ThrottleMillis == 0 {
		ans.next = max(next, ans.stable)
	}
	return ans, nil
}
