package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"golang.org/x/sync/errgroup"
)

// inFlight bounds the requests that a commit has under way, and so its connections: kafka-go sends one request at a time on each.
const inFlight = 8

// Commit publishes records, and then those that closing returns, in one transaction. closing is called once, when records are
// written and not yet committed, with the last offset in each partition written to, by [PartitionName]; it may be nil, and it may
// return no records. Records of one partition keep their order.
//
// nil means committed and durable. Any error means that the outcome is unknown or that nothing was committed: Acquire and recover
// before the next Commit. If errors.Is(err, ErrFenced), another worker took over. A *RefusedError names records that would be refused
// again; errors of closing are returned as they are. A commit without any records sends no request.
func (p *Producer) Commit(ctx context.Context, records []Record, closing func(ends map[string]int64) ([]Record, error)) error {
	ends, err := p.transact(ctx, func(ctx context.Context, t *transaction) error { return t.run(ctx, records, closing) })
	if err == nil {
		p.lastWritten = ends
	}
	return err
}

// LastWritten returns the offset of the last record that the last Commit wrote to the partition; -1 if it wrote none.
func (p *Producer) LastWritten(topic string, id int) int64 {
	if end, ok := p.lastWritten[PartitionName(topic, id)]; ok {
		return end
	}
	return -1
}

// transact does one transaction in the present epoch and returns the last offset in each partition written to.
func (p *Producer) transact(ctx context.Context, do func(context.Context, *transaction) error) (map[string]int64, error) {
	s := p.session
	if s == nil {
		return nil, ErrNotAcquired
	}
	p.session = nil // any error from here on ends this epoch
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.TransactionTimeout*3/4, errTransactionTime)
	defer cancel()
	if s.requestPending {
		var err error
		if s, err = p.renewEpoch(ctx, s); err != nil {
			return nil, err
		}
	}
	t := &transaction{
		producer: p, cluster: p.cluster.Load(), session: s, began: time.Now(),
		added: map[partition]bool{}, ends: map[string]int64{},
	}
	if err := do(ctx, t); err != nil {
		return nil, t.explain(err)
	}
	p.session = s
	return t.ends, nil
}

// transaction is one transaction under way.
type transaction struct {
	producer *Producer
	cluster  *cluster
	session  *session
	began    time.Time
	added    map[partition]bool

	mu   sync.Mutex
	ends map[string]int64
}

func (t *transaction) run(ctx context.Context, records []Record, closing func(map[string]int64) ([]Record, error)) error {
	if err := t.publish(ctx, records); err != nil {
		return err
	}
	if closing != nil {
		last, err := closing(maps.Clone(t.ends))
		if err != nil {
			return err
		}
		if err := t.publish(ctx, last); err != nil {
			return withoutIndexes(err)
		}
	}
	if len(t.added) == 0 {
		return nil
	}
	return t.end(ctx, true)
}

// withoutIndexes removes the indexes of a RefusedError, which are not those of the records given to Commit.
func withoutIndexes(err error) error {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		r.Records = nil
	}
	return err
}

// explain distinguishes a transaction that timed out on the broker from one that another worker ended: the broker answers "fenced" to
// both.
func (t *transaction) explain(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Category == Fenced && time.Since(t.began) >= t.producer.cfg.TransactionTimeout {
		return &Error{Op: e.Op, Category: Timeout, Err: errTransactionTime}
	}
	return err
}

func (t *transaction) publish(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	batches, err := t.pack(ctx, records)
	if err != nil {
		return err
	}
	if err := t.addPartitions(ctx, batches); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for _, list := range batches {
		group.Go(func() error { return t.produceAll(ctx, list) })
	}
	return group.Wait()
}

// pack returns the batches of each partition, the partitions in the order of their first records.
func (t *transaction) pack(ctx context.Context, records []Record) ([][]*batch, error) {
	perPartition := map[partition][]int{}
	var order []partition
	counts := t.currentPartitions(ctx, records)
	for i, r := range records {
		ids, ok := counts[r.Topic]
		if !ok {
			return nil, &Error{Op: "produce " + r.Topic, Category: Settings, Err: errors.New("the topic was not ensured")}
		}
		at := partition{r.Topic, partitionFor(r.partitionKey(), ids)}
		if perPartition[at] == nil {
			order = append(order, at)
		}
		perPartition[at] = append(perPartition[at], i)
	}
	out := make([][]*batch, 0, len(order))
	now := time.Now()
	for _, at := range order {
		p := packer{
			partition: at, records: records, codec: t.producer.codec, compressor: t.producer.compressor,
			limit: t.producer.topics[at.topic].maxBytes, now: now,
		}
		if err := p.pack(perPartition[at]); err != nil {
			return nil, failure("produce "+at.String(), err)
		}
		t.stamp(p.out)
		out = append(out, p.out)
	}
	return out, nil
}

// stamp numbers the batches of one partition. The numbers are used up even if the batches are not sent: any error ends the epoch.
func (t *transaction) stamp(batches []*batch) {
	for _, b := range batches {
		next := t.session.sequence[b.partition]
		b.stamp(int64(t.session.producerID), int16(t.session.epoch), next)
		t.session.sequence[b.partition] = addSequence(next, b.count)
	}
}

// addSequence returns the sequence number n records later; it wraps from the largest to zero, as the broker expects.
func addSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) % (math.MaxInt32 + 1))
}

// currentPartitions returns the partitions that each topic has now: some may have been added since EnsureTopics, and every other
// producer of the cluster would use them.
func (t *transaction) currentPartitions(ctx context.Context, records []Record) map[string][]int {
	counts := map[string][]int{}
	for _, r := range records {
		if limits, ok := t.producer.topics[r.Topic]; ok {
			counts[r.Topic] = limits.partitions
		}
	}
	var topics []Topic
	for name := range counts {
		topics = append(topics, Topic{Name: name})
	}
	found, err := t.cluster.metadata(ctx, topics) // from kafka-go's cache
	if err != nil {
		return counts
	}
	for name, ids := range counts {
		if n := len(found[name].Partitions); n > len(ids) {
			limits := t.producer.topics[name]
			limits.partitions = partitionIDs(n)
			t.producer.topics[name], counts[name] = limits, limits.partitions
		}
	}
	return counts
}

// PartitionName returns `{topic}-{partition}`.
func PartitionName(topic string, id int) string { return topic + "-" + strconv.Itoa(id) }

// String returns the PartitionName.
func (p partition) String() string { return PartitionName(p.topic, p.id) }

func (t *transaction) addPartitions(ctx context.Context, batches [][]*batch) error {
	topics := map[string][]kafka.AddPartitionToTxn{}
	for _, list := range batches {
		if at := list[0].partition; !t.added[at] {
			t.added[at] = true
			topics[at.topic] = append(topics[at.topic], kafka.AddPartitionToTxn{Partition: at.id})
		}
	}
	if len(topics) == 0 {
		return nil
	}
	return t.cluster.retry(ctx, "begin transaction", func(ctx context.Context) error {
		res, err := t.cluster.client.AddPartitionsToTxn(ctx, &kafka.AddPartitionsToTxnRequest{
			TransactionalID: t.producer.cfg.TransactionalID,
			ProducerID:      t.session.producerID,
			ProducerEpoch:   t.session.epoch,
			Topics:          topics,
		})
		if err != nil {
			t.session.requestPending = true
			return err
		}
		return t.addPartitionsError(res)
	})
}

// operationNotAttempted is the error of the other partitions of a request when one of them fails. kafka-go has another name for
// code 55.
const operationNotAttempted = kafka.BrokerAuthorizationFailed

// addPartitionsError returns the error of the partition that failed; nil if none did.
func (t *transaction) addPartitionsError(res *kafka.AddPartitionsToTxnResponse) error {
	var first error
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error == nil || (errors.Is(p.Error, operationNotAttempted) && first != nil) {
				continue
			}
			if first == nil || errors.Is(first, operationNotAttempted) {
				first = t.withPermission(fmt.Errorf("%s: %w", PartitionName(topic, p.Partition), p.Error), topic)
			}
		}
	}
	return first
}

// withPermission adds the permission that the transaction lacks, if err is about one.
func (t *transaction) withPermission(err error, topic string) error {
	return t.cluster.onTransactionalID(t.cluster.onTopic(err, topic, "Write"), t.producer.cfg.TransactionalID)
}

// produceAll sends the batches of one partition one after the other: kafka-go would send them on different connections, in any order.
func (t *transaction) produceAll(ctx context.Context, batches []*batch) error {
	for _, b := range batches {
		if err := t.produce(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) produce(ctx context.Context, b *batch) error {
	return t.cluster.retry(ctx, "produce "+b.partition.String(), func(ctx context.Context) error {
		res, err := t.cluster.client.RawProduce(ctx, &kafka.RawProduceRequest{
			Topic:           b.partition.topic,
			Partition:       b.partition.id,
			RequiredAcks:    kafka.RequireAll,
			TransactionalID: t.producer.cfg.TransactionalID,
			RawRecords:      protocol.RawRecordSet{Reader: bytes.NewReader(b.data)},
		})
		if err != nil {
			return err
		}
		if res.Error != nil {
			return t.withPermission(b.refusedRecords(res), b.partition.topic)
		}
		if res.BaseOffset < 0 {
			return &Error{Op: "produce " + b.partition.String(), Category: Unexpected, Err: errors.New("the answer has no offset")}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ends[b.partition.String()] = res.BaseOffset + int64(b.count) - 1
		return nil
	})
}

// refusedRecords returns a RefusedError where the broker refuses records, with those that it names, else those of the whole batch.
func (b *batch) refusedRecords(res *kafka.ProduceResponse) error {
	if classify(res.Error).category != Refused {
		return res.Error
	}
	records := b.records
	if len(res.RecordErrors) > 0 {
		records = nil
		for i := range res.RecordErrors {
			if i >= 0 && i < len(b.records) {
				records = append(records, b.records[i])
			}
		}
		slices.Sort(records)
	}
	return &RefusedError{Topic: b.partition.topic, Partition: b.partition.id, Records: records, Err: res.Error}
}

// end commits or aborts, and retries until it has an answer. That is safe as long as every answer was retriable or was lost: a
// transaction that has ended this way already gets the same answer again, and only a new epoch can have aborted it. After an answer
// that was lost the request may still be under way, and the epoch is not used again.
func (t *transaction) end(ctx context.Context, commit bool) error {
	what := "commit transaction"
	if !commit {
		what = "abort transaction"
	}
	return t.cluster.retry(ctx, what, func(ctx context.Context) error {
		res, err := t.cluster.client.EndTxn(ctx, &kafka.EndTxnRequest{
			TransactionalID: t.producer.cfg.TransactionalID,
			ProducerID:      t.session.producerID,
			ProducerEpoch:   t.session.epoch,
			Committed:       commit,
		})
		if err != nil {
			t.session.requestPending = true
			return err
		}
		return t.cluster.onTransactionalID(res.Error, t.producer.cfg.TransactionalID)
	})
}
