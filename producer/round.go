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

// round asks each leader once, for all that it leads, and shows what came. A leader that is away or moved is asked again
// in the next round.
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
	return t.show(ctx, answers)
}

// leaders groups the partitions that still have something to give by the broker that leads them.
func (t *tail) leaders(ctx context.Context) (groups [][]position, err error) {
	var topics []Topic
	for _, p := range t.at {
		if !slices.ContainsFunc(topics, func(t Topic) bool { return t.Name == p.topic }) {
			topics = append(topics, Topic{Name: p.topic})
		}
	}
	var found map[string]kafka.Topic
	err = t.cluster.attempts(ctx, "wait for partition leaders", func(ctx context.Context) error {
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
		// Those that come first fill the answer first.
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		groups = append(groups, list)
	}
	return groups, err
}

// grow takes in partitions that were added to the topics.
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

// show gives the messages of one round to visit and remembers how far it came.
func (t *tail) show(ctx context.Context, answers []*fetch.Response) error {
	lists, calm, failed := t.pass(ctx, answers)
	// What was gone past is shown whatever comes after it: a tail that goes on does not come back to it.
	if err := merge(lists, t.visit); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	// Errors come at once, and while kafka-go has not noticed that a leader moved, they would come again and again.
	if !calm {
		sleep(ctx, tailWait)
	}
	if ctx.Err() != nil {
		return failure("read topics", ctx.Err()).endedBy(ctx)
	}
	return nil
}

// pass advances with each partition up to the first that fails, and gives what it passed.
func (t *tail) pass(ctx context.Context, answers []*fetch.Response) (lists [][]Message, calm bool, err error) {
	calm = len(answers) > 0
	for _, answer := range answers {
		if answer == nil {
			calm = false
			continue
		}
		silent := silent(answer)
		for _, topic := range answer.Topics {
			for i := range topic.Partitions {
				list, err := t.advance(ctx, topic.Topic, &topic.Partitions[i], silent)
				lists = append(lists, list)
				if err != nil {
					return lists, false, err
				}
				calm = calm && topic.Partitions[i].ErrorCode == 0
			}
		}
	}
	return lists, calm, nil
}

// silent says that the answer has not one batch. Otherwise a partition may be empty because others filled the answer.
func silent(answer *fetch.Response) bool {
	for _, topic := range answer.Topics {
		for _, part := range topic.Partitions {
			if len(batchesOf(part.RecordSet)) > 0 {
				return false
			}
		}
	}
	return true
}

// advance takes in the answer for one partition.
func (t *tail) advance(ctx context.Context, topic string, part *fetch.ResponsePartition, silent bool) (list []Message, err error) {
	at := slices.IndexFunc(t.at, func(p position) bool { return p.topic == topic && p.id == int(part.Partition) })
	if at < 0 {
		return nil, nil
	}
	p := &t.at[at]
	if part.ErrorCode != 0 {
		return nil, t.trouble(ctx, p, kafka.Error(part.ErrorCode))
	}
	end, bounded := t.ends[p.partition]
	next, err := committed(topic, part, p.offset, func(m Message) error {
		if !bounded || m.Offset < end {
			list = append(list, m)
		}
		return nil
	})
	if bounded && silent {
		next = t.nothing(p, end)
	}
	t.passed += next - p.offset
	p.offset = next
	return list, err
}

// nothing counts silent answers below the end, which compaction may leave behind, and believes in the end after some: a
// broker that throttles is silent too.
func (t *tail) nothing(p *position, end int64) int64 {
	if t.empty[p.partition]++; t.empty[p.partition] < certain {
		return p.offset
	}
	return end
}

// trouble decides what an error of one partition means: read on where the topic begins now, try again, or give up.
func (t *tail) trouble(ctx context.Context, p *position, code kafka.Error) error {
	if errors.Is(code, kafka.OffsetOutOfRange) {
		begin, err := t.cluster.skip(ctx, *p)
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

// merge gives the messages of several lists by time, those of one list in their order.
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
