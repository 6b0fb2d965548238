package verify

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Consume reads everything that is committed in the topics at this moment, with franz-go: an implementation of Kafka's
// protocol that the worker does not use. dial is nil for the real network.
func Consume(ctx context.Context, brokers []string, dial func(context.Context, string, string) (net.Conn, error), topics []string) ([]*kgo.Record, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(),
	}
	if dial != nil {
		opts = append(opts, kgo.Dialer(dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if dial == nil {
		if err := awaitMarkers(ctx, client, topics); err != nil {
			return nil, err
		}
	}
	left, err := ends(ctx, client, topics, readCommitted)
	if err != nil {
		return nil, err
	}
	var out []*kgo.Record
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			p := partition{r.Topic, r.Partition}
			if r.Offset+1 >= left[p] {
				delete(left, p)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out, nil
}

type partition struct {
	topic string
	id    int32
}

// The isolation levels of a list of offsets: to the end of what is written, or of what is committed.
const readUncommitted, readCommitted = 0, 1

// markersTake bounds the wait for markers: a transaction that nobody ends stays open for longer.
const markersTake = 15 * time.Second

// awaitMarkers waits until no transaction is open that was when it was called. A broker answers a commit before its markers stand in all
// partitions: read at that moment, a transaction may be there in one topic and not yet in another.
func awaitMarkers(ctx context.Context, client *kgo.Client, topics []string) error {
	written, err := ends(ctx, client, topics, readUncommitted)
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < markersTake; {
		stable, err := ends(ctx, client, topics, readCommitted)
		if err != nil {
			return err
		}
		behind := false
		for p, end := range written {
			behind = behind || stable[p] < end
		}
		if !behind {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// ends are the ends of the partitions that hold anything, at that isolation level. A transaction's marker is a record too, so the
// offset before it is always reached.
func ends(ctx context.Context, client *kgo.Client, topics []string, isolation int8) (map[partition]int64, error) {
	metadata := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		metadata.Topics = append(metadata.Topics, t)
	}
	found, err := metadata.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.IsolationLevel = isolation
	for _, t := range found.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("topic %s: %w", *t.Topic, err)
		}
		lt := kmsg.NewListOffsetsRequestTopic()
		lt.Topic = *t.Topic
		for _, p := range t.Partitions {
			lp := kmsg.NewListOffsetsRequestTopicPartition()
			lp.Partition, lp.Timestamp = p.Partition, -1
			lt.Partitions = append(lt.Partitions, lp)
		}
		list.Topics = append(list.Topics, lt)
	}
	out := map[partition]int64{}
	for _, shard := range client.RequestSharded(ctx, list) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("topic %s partition %d: %w", t.Topic, p.Partition, err)
				}
				if p.Offset > 0 {
					out[partition{t.Topic, p.Partition}] = p.Offset
				}
			}
		}
	}
	return out, nil
}
