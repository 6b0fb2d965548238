package main

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/producer"
)

// fileVariable names the file of transactions for the bare loop.
const fileVariable = "CATCHUP_TRANSACTIONS"

// transaction is the records of one, as Commit gets them: first the conversations, then what closes it.
type transaction struct{ Records, Closing []producer.Record }

// transactionsOf puts committed records together again by the offsets at which a commit's progress says that it ended.
// State records are told apart by the markers between them: the offset behind a transaction is not a record's.
func transactionsOf(records []*kgo.Record) ([]transaction, error) {
	var list []transaction
	byPartition := map[string][]*kgo.Record{}
	for _, r := range records {
		at := nameOf(r)
		byPartition[at] = append(byPartition[at], r)
	}
	state := byPartition[producer.PartitionName(topics.State(), 0)]
	for progress := byPartition[producer.PartitionName(topics.Progress(), 0)]; len(progress) > 0; {
		var t transaction
		t.Closing, progress = upToMarker(t.Closing, progress)
		p, err := encoder.DecodeProgress(t.Closing[len(t.Closing)-1].Value)
		if err != nil {
			return nil, err
		}
		for at, end := range p.EndOffsets {
			rest := byPartition[at]
			for len(rest) > 0 && rest[0].Offset <= end {
				t.Records, rest = append(t.Records, again(rest[0])), rest[1:]
			}
			byPartition[at] = rest
		}
		t.Closing, state = upToMarker(t.Closing, state)
		list = append(list, t)
	}
	return list, nil
}

// upToMarker moves the records of one transaction.
func upToMarker(to []producer.Record, from []*kgo.Record) ([]producer.Record, []*kgo.Record) {
	for i, r := range from {
		if i > 0 && r.Offset > from[i-1].Offset+1 {
			return to, from[i:]
		}
		to = append(to, again(r))
	}
	return to, nil
}

func nameOf(r *kgo.Record) string { return producer.PartitionName(r.Topic, int(r.Partition)) }

// again is the record as it is published once more, to topics of its own.
func again(r *kgo.Record) producer.Record {
	out := producer.Record{Topic: barePrefix + topics.Short(r.Topic), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, producer.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

func writeTransactions(name string, list []transaction) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := gob.NewEncoder(file)
	for _, t := range list {
		if err := out.Encode(t); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return file.Close()
}

// eachTransaction reads the file.
func eachTransaction(name string, do func(transaction) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for in := gob.NewDecoder(file); ; {
		var t transaction
		if err := in.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := do(t); err != nil {
			return err
		}
	}
}

func countTransactions(name string) (transactions, rows int, err error) {
	err = eachTransaction(name, func(t transaction) error {
		transactions++
		rows += len(t.Records)
		return nil
	})
	return transactions, rows, err
}

// bare commits the transactions of the file with nothing around them. Only commits count, not the reading of the file.
func bare(ctx context.Context) (c cost, err error) {
	p, err := producer.Open(producer.Config{
		Cluster:         producer.Cluster{Brokers: strings.Split(os.Getenv("KAFKA_BROKERS"), ","), ClientID: "catchup", Log: zerolog.Nop()},
		TransactionalID: barePrefix + "catchup", Compression: "zstd",
	})
	if err != nil {
		return c, err
	}
	defer p.Close()
	if err := errors.Join(p.EnsureTopics(ctx, true, bareTopics()), p.Acquire(ctx)); err != nil {
		return c, err
	}
	err = eachTransaction(os.Getenv(fileVariable), func(t transaction) error {
		before, err1 := used()
		err := p.Commit(ctx, t.Records, func(map[string]int64) ([]producer.Record, error) { return t.Closing, nil })
		after, err2 := used()
		c.add(before, after)
		return errors.Join(err1, err, err2)
	})
	return c, err
}

func bareTopics() []producer.Topic {
	var all []producer.Topic
	for _, name := range append(topics.Published(), topics.State()) {
		t := producer.Topic{Name: barePrefix + topics.Short(name), OnePartition: true}
		if topics.Kind(name) == encoder.KindConversation {
			t.Partitions, t.OnePartition = 6, false
		}
		all = append(all, t)
	}
	return all
}
