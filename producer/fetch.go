package producer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

const (
	// fetchBytes bounds the size of one answer on the wire. A broker sends one batch even if it is larger.
	fetchBytes    = 4 << 20
	readCommitted = 1
	readAll       = 0

	// Timestamps with a meaning of their own in ListOffsets.
	atEnd   = -1 // the high watermark; with readCommitted, the last stable offset
	atStart = -2
)

// offset looks up an offset of a partition: atStart, atEnd, or the first one with that timestamp or a later one.
func (c *cluster) offset(ctx context.Context, at partition, which int64, isolation int8) (found int64, err error) {
	err = c.retry(ctx, "look up offsets of "+at.String(), func(ctx context.Context) error {
		found, err = c.askOffset(ctx, at, which, isolation)
		return err
	})
	return found, err
}

// askOffset is offset without retries.
func (c *cluster) askOffset(ctx context.Context, at partition, which int64, isolation int8) (int64, error) {
	res, err := c.transport.RoundTrip(ctx, c.client.Addr, &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{
			Topic:      at.topic,
			Partitions: []listoffsets.RequestPartition{{Partition: int32(at.id), CurrentLeaderEpoch: -1, Timestamp: which}},
		}},
	})
	if err != nil {
		return 0, err
	}
	topics := res.(*listoffsets.Response).Topics
	if len(topics) == 0 || len(topics[0].Partitions) == 0 {
		return 0, errNoAnswer
	}
	p := topics[0].Partitions[0]
	return p.Offset, c.onTopic(brokerError(p.ErrorCode), at.topic, "Read")
}

// StableLag returns the number of offsets between the partition's last stable offset, where read_committed consumers stop, and its
// high watermark: those from the beginning of the oldest open transaction on. It does not retry, takes at most Timeout, and may be
// called at any time. The error is an *Error.
func (p *Producer) StableLag(ctx context.Context, topic string, id int) (lag int64, err error) {
	c, at := p.cluster.Load(), partition{topic, id}
	err = c.once(ctx, func(ctx context.Context) error {
		high, err := c.askOffset(ctx, at, atEnd, readAll)
		if err != nil {
			return err
		}
		stable, err := c.askOffset(ctx, at, atEnd, readCommitted) // second, so that what is committed meanwhile does not count as lag
		lag = max(0, high-stable)
		return err
	})
	if err != nil {
		return 0, failure("look up offsets of "+at.String(), err)
	}
	return lag, nil
}

// errNoAnswer is an answer without the partition asked for, as brokers send when they throttle.
var errNoAnswer = fmt.Errorf("the answer lacks the partition: %w", kafka.ThrottlingQuotaExceeded)

// position is the offset of a partition to be read next.
type position struct {
	partition
	offset int64
}

// fetch sends one read_committed fetch to the leader of all the given partitions; wait is how long the broker may hold it while
// there is nothing to return. The caller handles errors of single partitions.
func (c *cluster) fetch(ctx context.Context, from []position, wait time.Duration) (*fetch.Response, error) {
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
		IsolationLevel: readCommitted, SessionEpoch: -1,
	}
	for _, p := range from {
		i := slices.IndexFunc(req.Topics, func(t fetch.RequestTopic) bool { return t.Topic == p.topic })
		if i < 0 {
			i = len(req.Topics)
			req.Topics = append(req.Topics, fetch.RequestTopic{Topic: p.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, fetch.RequestPartition{
			Partition: int32(p.id), CurrentLeaderEpoch: -1, FetchOffset: p.offset, LogStartOffset: -1,
			PartitionMaxBytes: fetchBytes,
		})
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.transport.RoundTrip(ctx, c.client.Addr, req)
	if err != nil {
		return nil, err
	}
	answer := res.(*fetchResponse).plain()
	if err := brokerError(answer.ErrorCode); err != nil {
		return nil, err
	}
	return answer, nil
}

// brokerError returns the error of a code; nil for 0.
func brokerError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}

// fetchOne is fetch of one partition, with retries. throttled reports whether a quota delayed the answer.
func (c *cluster) fetchOne(ctx context.Context, from position, wait time.Duration) (part *fetch.ResponsePartition, throttled bool, err error) {
	err = c.retry(ctx, "read "+from.String(), func(ctx context.Context) error {
		answer, err := c.fetch(ctx, []position{from}, wait)
		if err != nil {
			return err
		}
		throttled = answer.ThrottleTimeMs > 0
		if len(answer.Topics) == 0 || len(answer.Topics[0].Partitions) == 0 {
			return errNoAnswer
		}
		part = &answer.Topics[0].Partitions[0]
		return c.onTopic(brokerError(part.ErrorCode), from.topic, "Read")
	})
	return part, throttled, err
}
