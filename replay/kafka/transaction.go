package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// Transaction makes a sink write each epoch in one transaction. The epoch's number is committed with it, as the
// metadata of the group's offsets, so that a restart knows which epochs happened.
type Transaction struct {
	// ID is the transactional id: who takes it fences off whoever had it.
	ID string
	// Group is the consumer group whose offsets are committed.
	Group string
	// Topics are the topics of the run's streams, by stream; none for streams that are not read from Kafka.
	Topics map[string]string
	// Timeout is how long the brokers wait for the end of a transaction, and so how long they, or another place of the
	// run, may be away in the middle of one. Brokers that do not allow it are asked for less, down to Least, which must
	// be longer than an epoch.
	Timeout, Least time.Duration
}

// transaction is the state of a sink that writes in transactions.
type transaction struct {
	Transaction
	gate   chan struct{} // closed while rows may be written
	begun  bool          // the client is in a transaction
	rows   bool          // the epoch that was cut has rows
	last   int64         // the newest epoch that has rows
	inputs replay.Inputs
}

// sealedTxn is what Seal returns: the newest epoch with rows, which must have been committed. The field has a name
// that no other sink's has.
type sealedTxn struct {
	Epoch int64 `json:"transaction"`
}

const epochMetadata = "lockstep epoch "

func (s *Sink) beginFencing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Client.startTimeout())
	defer cancel()
	// Taking the id aborts what another process left open, before the committed epoch is read.
	if _, _, err := s.cl.ProducerID(ctx); err != nil {
		return s.watch.cause(fmt.Errorf("kafka: transactional id %s: %w", s.txn.ID, err))
	}
	all, err := s.adm.FetchOffsets(kadm.RequireStable(ctx), s.txn.Group)
	for try := 1; retriable(err) && replay.Sleep(ctx, pause(try)); try++ {
		// A cluster's first group waits for its coordinator.
		all, err = s.adm.FetchOffsets(kadm.RequireStable(ctx), s.txn.Group)
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return s.watch.cause(fmt.Errorf("kafka: group %s: %w", s.txn.Group, err))
	}
	all.Each(func(o kadm.OffsetResponse) {
		if n, ok := strings.CutPrefix(o.Metadata, epochMetadata); ok {
			if epoch, err := strconv.ParseInt(n, 10, 64); err == nil {
				s.txn.last = max(s.txn.last, epoch)
			}
		}
	})
	return nil
}

// Committed reports whether the brokers have the epoch that Seal described: a checkpoint whose epoch they have
// not is one that never happened.
func (s *Sink) Committed(sealed []byte) bool {
	var t sealedTxn
	if s.txn == nil || len(sealed) == 0 { // or was at least once then
		return true
	}
	return json.Unmarshal(sealed, &t) == nil && t.Epoch <= s.txn.last
}

// Decides reports whether the sink's Publish is what makes an epoch happen.
func (s *Sink) Decides() bool { return s.txn != nil }

// SetInputs notes where the inputs stand, for the offsets that the transaction commits.
func (s *Sink) SetInputs(inputs json.RawMessage) {
	if s.txn != nil {
		s.txn.inputs = replay.Inputs{}
		// What the engine gives is its own.
		_ = json.Unmarshal(inputs, &s.txn.inputs)
	}
}

// enter lets a writer write: it waits while an epoch is being committed, and begins the next transaction.
func (s *Sink) enter(ctx context.Context) error {
	if s.txn == nil {
		return nil
	}
	for {
		s.mu.Lock()
		gate := s.txn.gate
		select {
		case <-gate:
			defer s.mu.Unlock()
			if s.txn.begun {
				return nil
			}
			if err := s.cl.BeginTransaction(); err != nil {
				return advise(fmt.Errorf("kafka: begin a transaction: %w", err))
			}
			s.txn.begun = true
			return nil
		default:
		}
		s.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// cutTxn closes the gate until the epoch is committed.
func (s *Sink) cutTxn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txn.rows = s.txn.begun
	s.txn.gate = make(chan struct{})
}

// sealTxn adds the offsets and the epoch's number to the transaction.
func (s *Sink) sealTxn(ctx context.Context, epoch int64) ([]byte, error) {
	if s.txn.rows {
		// Each of its requests may be repeated, also one whose answer was lost.
		err := s.commitOffsets(ctx, epoch)
		for try := 1; retriable(err) && replay.Sleep(ctx, pause(try)); try++ {
			err = s.commitOffsets(ctx, epoch)
		}
		if err != nil {
			return nil, advise(fmt.Errorf("kafka: epoch %d: offsets of group %s: %w", epoch, s.txn.Group, err))
		}
		return json.Marshal(sealedTxn{epoch})
	}
	return json.Marshal(sealedTxn{s.txn.last})
}

func (s *Sink) commitOffsets(ctx context.Context, epoch int64) error {
	id, generation, err := s.cl.ProducerID(ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = s.txn.ID, id, generation, s.txn.Group
	added, err := add.RequestWith(ctx, s.cl)
	if err == nil {
		err = kerr.ErrorForCode(added.ErrorCode)
	}
	if err != nil {
		return err
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = s.txn.ID, id, generation, s.txn.Group
	note := epochMetadata + strconv.FormatInt(epoch, 10)
	offsets := map[string]map[int32]int64{}
	for stream, topic := range s.txn.Topics {
		offsets[topic] = map[int32]int64{}
		for lane, next := range s.txn.inputs.Positions[stream] {
			p, err := strconv.ParseInt(lane, 10, 32)
			if err != nil {
				return fmt.Errorf("partition %q of %s: %w", lane, topic, err)
			}
			offsets[topic][int32(p)] = next
		}
	}
	if len(offsets) == 0 {
		// Rows from the lake have no offsets; the epoch needs a place all the same.
		offsets[slices.Sorted(maps.Keys(s.topics))[0]] = map[int32]int64{0: 0}
	}
	// Newer brokers know topics by number.
	ids, err := s.adm.ListTopics(ctx, slices.Sorted(maps.Keys(offsets))...)
	if err != nil {
		return err
	}
	for _, topic := range slices.Sorted(maps.Keys(offsets)) {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, ids[topic].ID
		for _, p := range slices.Sorted(maps.Keys(offsets[topic])) {
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset, part.Metadata = p, offsets[topic][p], &note
			t.Partitions = append(t.Partitions, part)
		}
		commit.Topics = append(commit.Topics, t)
	}
	resp, err := commit.RequestWith(ctx, s.cl)
	if err != nil {
		return err
	}
	return commitError(resp)
}

func commitError(resp *kmsg.TxnOffsetCommitResponse) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// retriable reports whether a broker asks to be asked again, or cannot be reached.
func retriable(err error) bool {
	var network *net.OpError
	return kerr.IsRetriable(err) || errors.Is(err, kerr.ConcurrentTransactions) || errors.As(err, &network) || err != nil && kgo.IsRetryableBrokerErr(err)
}

// publishTxn commits the epoch, once, and lets the writers go on.
func (s *Sink) publishTxn(ctx context.Context, epoch int64, sealed []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var t sealedTxn
	if len(sealed) == 0 {
		sealed = []byte("{}") // of a run that was at least once
	}
	if err := json.Unmarshal(sealed, &t); err != nil {
		return fmt.Errorf("kafka: publish epoch %d: damaged checkpoint? %w", epoch, err)
	}
	if t.Epoch > s.txn.last {
		if !s.txn.begun || !s.txn.rows || t.Epoch != epoch {
			return schema.WithHint(fmt.Errorf("kafka: epoch %d was sealed and never committed", t.Epoch), "the checkpoint is not the one of these topics, or the group's offsets have expired")
		}
		if err := s.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return advise(fmt.Errorf("kafka: commit epoch %d: %w", epoch, err))
		}
		s.txn.begun, s.txn.last = false, t.Epoch
	}
	select {
	case <-s.txn.gate:
	default:
		close(s.txn.gate)
	}
	return nil
}

// abort gives up the epoch that is open, so that readers need not wait for its timeout.
func (s *Sink) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.txn.begun {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// Nothing depends on it: the next process aborts it too.
	_ = s.cl.AbortBufferedRecords(ctx)
	_ = s.cl.EndTransaction(ctx, kgo.TryAbort)
	s.txn.begun = false
}
