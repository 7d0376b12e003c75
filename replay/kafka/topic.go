package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/schema"
)

// connect makes a client and reaches a broker, within the start timeout.
func connect(ctx context.Context, o ClientOptions, more ...kgo.Opt) (*kgo.Client, *watch, error) {
	opts, err := Client(o)
	if err != nil {
		return nil, nil, err
	}
	w := newWatch()
	cl, err := kgo.NewClient(append(append(opts, kgo.WithHooks(w)), more...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("kafka: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.startTimeout())
	defer cancel()
	for try := 1; ; try++ {
		err = cl.Ping(ctx)
		if err == nil {
			break
		}
		// A broker that is starting refuses connections for a moment; what it answers is final.
		if ctx.Err() == nil && !final(err) {
			if replay.Sleep(ctx, pause(try)) {
				continue
			}
		}
		cl.Close()
		err = advise(fmt.Errorf("kafka: cannot reach %s: %w", strings.Join(o.Brokers, ", "), w.cause(err)))
		if schema.Hint(err) == "" {
			err = schema.WithHint(err, "check that a broker listens there and kafka.brokers in the pipeline file")
		}
		return nil, nil, err
	}
	w.listen(o)
	return cl, w, nil
}

// final reports whether the brokers answered, so that asking again would give the same answer.
func final(err error) bool {
	var k *kerr.Error
	var eof *kgo.ErrFirstReadEOF
	if errors.As(err, &k) {
		return !k.Retriable
	}
	// A broker that goes down or comes up may close a connection too.
	return errors.As(err, &eof) || !errors.Is(err, io.EOF) && schema.Hint(advise(err)) != ""
}

// describe is what the brokers know of a topic.
func describe(ctx context.Context, adm *kadm.Client, topic string) (kadm.TopicDetail, error) {
	topics, err := adm.Metadata(ctx, topic)
	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("topic %s: %w", topic, err)
	}
	t, ok := topics.Topics[topic]
	if !ok || errors.Is(t.Err, kerr.UnknownTopicOrPartition) || errors.Is(t.Err, kerr.InvalidTopicException) {
		return t, unknownTopic(ctx, adm, topic)
	}
	if t.Err != nil {
		return t, fmt.Errorf("topic %s: %w", topic, t.Err)
	}
	return t, nil
}

// partitions are a topic's partitions in ascending order.
func partitions(ctx context.Context, adm *kadm.Client, topic string) ([]int32, error) {
	t, err := describe(ctx, adm, topic)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(t.Partitions)), nil
}

func unknownTopic(ctx context.Context, adm *kadm.Client, topic string) error {
	err := fmt.Errorf("topic %s does not exist: %w", topic, kerr.UnknownTopicOrPartition)
	all, lerr := adm.ListTopics(ctx)
	if lerr != nil || len(all) == 0 {
		return schema.WithHint(err, "create it, or check its name and the brokers")
	}
	if near := nearest(topic, all.Names()); len(near) > 0 {
		return schema.WithHint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	names := all.Names()
	slices.Sort(names)
	more := ""
	if len(names) > 10 {
		names, more = names[:10], ", ..."
	}
	return schema.WithHint(err, "the brokers have "+strings.Join(names, ", ")+more)
}

// nearest are up to three names that a slip of the keyboard could have meant.
func nearest(name string, names []string) []string {
	type scored struct {
		name string
		d    int
	}
	var out []scored
	want := strings.ToLower(name)
	for _, n := range names {
		have := strings.ToLower(n)
		d := edits(want, have)
		if d > 1+len(want)/4 && !strings.Contains(have, want) && !strings.Contains(want, have) {
			continue
		}
		out = append(out, scored{n, d})
	}
	slices.SortFunc(out, func(a, b scored) int {
		if a.d != b.d {
			return a.d - b.d
		}
		return strings.Compare(a.name, b.name)
	})
	var near []string
	for _, s := range out[:min(3, len(out))] {
		near = append(near, s.name)
	}
	return near
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
