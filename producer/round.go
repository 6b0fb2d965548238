package producer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// round fetches once from each leader, for all its partitions, and delivers the messages. A leader that is unavailable or has moved is
// asked again in the next round.
func (t *tail) round(ctx context.Context) error {
	groups, err := t.leaders(ctx)
	if err != nil {
		return err
	}
	answers := make([]*fetch.Response, len(groups))
	errs := make([]error, len(groups))
	var asking sync.WaitGroup
	for i, from := range groups {
		asking.Go(func() { answers[i], errs[i] = t.cluster.fetch(ctx, from, tailWait) })
	}
	asking.Wait()
	for _, err := range errs {
		if err == nil {
			continue
		}
		if e := failure("read topics", err); ctx.Err() == nil && !e.retriable {
			return e
		}
	}
	return t.deliver(ctx, answers)
}

// leaders groups the partitions that are not finished by the broker that leads them.
func (t *tail) leaders(ctx context.Context) (groups [][]position, err error) {
	var topics []Topic
	for _, p := range t.at {
		if !slices.ContainsFunc(topics, func(t Topic) bool { return t.Name == p.topic }) {
			topics = append(topics, Topic{Name: p.topic})
		}
	}
	var found map[string]kafka.Topic
	err = t.cluster.retry(ctx, "wait for partition leaders", func(ctx context.Context) error {
		found, err = t.cluster.metadata(ctx, topics)
		return err
	})
	if t.follow {
		t.grow(found)
	}
	byLeader := map[int][]position{}
	for _, p := range t.at {
		if end, bounded := t.ends[p.partition]; bounded && p.offset >= end {
			continue
		}
		for _, q := range found[p.topic].Partitions {
			if q.ID == p.id && q.Leader.Host != "" {
				byLeader[q.Leader.ID] = append(byLeader[q.Leader.ID], p)
			}
		}
	}
	for _, list := range byLeader {
		// A broker fills its answer in the order of the request.
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		groups = append(groups, list)
	}
	return groups, err
}

// grow adds partitions that were added to the topics.
func (t *tail) grow(found map[string]kafka.Topic) {
	for name, topic := range found {
		for _, q := range topic.Partitions {
			p := partition{name, q.ID}
			if !slices.ContainsFunc(t.at, func(at position) bool { return at.partition == p }) {
				t.at = append(t.at, position{partition: p})
			}
		}
	}
}

// deliver calls visit with the messages of one round and advances the positions.
func (t *tail) deliver(ctx context.Context, answers []*fetch.Response) error {
	lists, ok, failed := t.advanceAll(ctx, answers)
	// The messages are delivered even if a later partition fails: their positions have been advanced.
	if err := merge(lists, t.visit); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	// Errors are answered at once, and until kafka-go notices that a leader has moved they would follow each other without a pause.
	if !ok {
		sleep(ctx, tailWait)
	}
	if ctx.Err() != nil {
		return failure("read topics", ctx.Err()).endedBy(ctx)
	}
	return nil
}

// advanceAll advances each partition, up to the first that fails, and returns the messages; ok reports whether there was no error at
// all.
func (t *tail) advanceAll(ctx context.Context, answers []*fetch.Response) (lists [][]Message, ok bool, err error) {
	ok = len(answers) > 0
	for _, answer := range answers {
		if answer == nil {
			ok = false
			continue
		}
		empty := noBatches(answer)
		for _, topic := range answer.Topics {
			for i := range topic.Partitions {
				list, err := t.advance(ctx, topic.Topic, &topic.Partitions[i], empty)
				lists = append(lists, list)
				if err != nil {
					return lists, false, err
				}
				ok = ok && topic.Partitions[i].ErrorCode == 0
			}
		}
	}
	return lists, ok, nil
}

// noBatches reports whether the answer has no batch at all. Otherwise a partition may be empty because others filled the answer.
func noBatches(answer *fetch.Response) bool {
	for _, topic := range answer.Topics {
		for _, part := range topic.Partitions {
			if len(batchesOf(part.RecordSet)) > 0 {
				return false
			}
		}
	}
	return true
}

// advance advances one partition and returns its messages; empty is what noBatches reports of the answer.
func (t *tail) advance(ctx context.Context, topic string, part *fetch.ResponsePartition, empty bool) (list []Message, err error) {
	at := slices.IndexFunc(t.at, func(p position) bool { return p.topic == topic && p.id == int(part.Partition) })
	if at < 0 {
		return nil, nil
	}
	p := &t.at[at]
	if part.ErrorCode != 0 {
		return nil, t.partitionError(ctx, p, kafka.Error(part.ErrorCode))
	}
	end, bounded := t.ends[p.partition]
	next, err := committed(topic, part, p.offset, func(m Message) error {
		if !bounded || m.Offset < end {
			list = append(list, m)
		}
		return nil
	})
	if bounded && empty {
		next = t.offsetAfterEmpty(p, end)
	}
	t.offsetsRead += next - p.offset
	p.offset = next
	return list, err
}

// offsetAfterEmpty returns the offset to fetch next after an empty answer: the same, and after some in a row the end, since compaction
// has left nothing. A broker that throttles sends empty answers too.
func (t *tail) offsetAfterEmpty(p *position, end int64) int64 {
	if t.empty[p.partition]++; t.empty[p.partition] < emptyAnswersBelieved {
		return p.offset
	}
	return end
}

// partitionError handles the error of one partition: it continues at the partition's first offset if records were deleted, returns nil
// if the error is retriable, and else returns it.
func (t *tail) partitionError(ctx context.Context, p *position, code kafka.Error) error {
	if errors.Is(code, kafka.OffsetOutOfRange) {
		begin, err := t.cluster.firstOffset(ctx, *p)
		if err == nil {
			p.offset = begin
		}
		return err
	}
	if e := failure("read "+p.String(), t.cluster.onTopic(code, p.topic, "Read")); !e.retriable {
		return e
	}
	return nil
}

// merge calls visit with the messages of several lists by time; those of one list keep their order.
func merge(lists [][]Message, visit func(Message) error) error {
	for {
		first := -1
		for i, list := range lists {
			if len(list) > 0 && (first < 0 || list[0].Time.Before(lists[first][0].Time)) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		if err := visit(lists[first][0]); err != nil {
			return err
		}
		lists[first] = lists[first][1:]
	}
}
