package producer

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// abortMarker is the type of the control record that ends an aborted transaction.
const abortMarker = 0

// aborted keeps track, batch by batch of one answer, of the producers that are inside an aborted transaction. The broker lists the
// aborted transactions that overlap the answer, each with its producer and its first offset; a transaction ends at its control
// marker. The Java consumer filters in the same way.
type aborted struct {
	ahead []fetch.ResponseTransaction // those that begin later, by first offset
	open  map[int64]bool              // by producer id
}

func newAborted(list []fetch.ResponseTransaction) *aborted {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b fetch.ResponseTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return &aborted{ahead: list, open: map[int64]bool{}}
}

// advanceTo opens the transactions that begin at or before the base offset of the next batch. They begin with a batch, never inside
// one.
func (a *aborted) advanceTo(base int64) {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= base {
		a.open[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
}

// committed calls visit with the committed records from offset on in the answer for one partition, and returns the offset to fetch
// next. That is offset if the answer has no batch, and offset+1 if its batches have no record at or after offset, which compaction can
// leave behind.
func committed(topic string, part *fetch.ResponsePartition, offset int64, visit func(Message) error) (int64, error) {
	next := offset
	batches := batchesOf(part.RecordSet)
	pending := newAborted(part.AbortedTransactions)
	for _, b := range batches {
		after, err := pending.batch(b, func(r *protocol.Record, visible bool) error {
			if !visible || r.Offset < offset {
				return discard(r)
			}
			m, err := message(topic, int(part.Partition), r)
			if err != nil {
				return err
			}
			return visit(m)
		})
		next = max(next, after)
		if errors.Is(err, errBatch) {
			err = &Error{Op: "read " + PartitionName(topic, int(part.Partition)), Category: Unexpected, Err: err, Hint: "kafka-dump-log.sh shows what is there"}
		}
		if err != nil {
			return next, err
		}
	}
	if len(batches) > 0 && next == offset {
		next++
	}
	return next, nil
}

func batchesOf(set protocol.RecordSet) []protocol.RecordReader {
	switch r := set.Records.(type) {
	case nil:
		return nil
	case *protocol.RecordStream:
		return r.Records
	default:
		return []protocol.RecordReader{r}
	}
}

// batch calls each with every record of b and whether a read_committed consumer sees it, and returns the offset after the last.
func (a *aborted) batch(b protocol.RecordReader, each func(*protocol.Record, bool) error) (int64, error) {
	switch b := b.(type) {
	case *rawBatch:
		plain, err := b.decode()
		if err != nil {
			return 0, err
		}
		return a.batch(plain, each)
	case *protocol.ControlBatch:
		a.advanceTo(b.BaseOffset)
		after, err := eachRecord(b.Records, func(r *protocol.Record) error { return a.marker(b.ProducerID, r) })
		return max(after, b.BaseOffset+1), err
	case *protocol.RecordBatch:
		a.advanceTo(b.BaseOffset)
		visible := !b.Attributes.Transactional() || !a.open[b.ProducerID]
		after, err := eachRecord(b.Records, func(r *protocol.Record) error { return each(r, visible) })
		return max(after, b.BaseOffset+1), err
	default:
		return eachRecord(b, func(r *protocol.Record) error { return each(r, true) })
	}
}

func (a *aborted) marker(producerID int64, r *protocol.Record) error {
	key, err := readAndClose(r.Key)
	if err != nil {
		return err
	}
	if _, err := readAndClose(r.Value); err != nil {
		return err
	}
	if len(key) >= 4 && key[2] == 0 && key[3] == abortMarker {
		delete(a.open, producerID)
	}
	return nil
}

func eachRecord(records protocol.RecordReader, f func(*protocol.Record) error) (next int64, err error) {
	for {
		r, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return next, err
		}
		if err := f(r); err != nil {
			return next, err
		}
		next = r.Offset + 1
	}
}

func message(topic string, partition int, r *protocol.Record) (Message, error) {
	m := Message{Topic: topic, Partition: partition, Offset: r.Offset, Time: r.Time.UTC()}
	var err error
	if m.Key, err = readAndClose(r.Key); err != nil {
		return m, err
	}
	if m.Value, err = readAndClose(r.Value); err != nil {
		return m, err
	}
	if len(r.Headers) > 0 {
		m.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			m.Headers[i] = Header(h)
		}
	}
	return m, nil
}

// readAndClose copies b out of kafka-go's pooled pages and returns the pages to the pool.
func readAndClose(b protocol.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer func() { _ = b.Close() }()
	return protocol.ReadAll(b)
}

func discard(r *protocol.Record) error {
	for _, b := range []protocol.Bytes{r.Key, r.Value} {
		if b != nil {
			_ = b.Close()
		}
	}
	return nil
}
