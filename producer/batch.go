package producer

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Offsets of the fields of a record batch (version 2), counted from behind the four bytes of length that come before it in a
// produce request. The checksum covers everything from the attributes on.
const (
	lengthPrefix     = 4
	offsetLength     = 8 // length of the rest
	offsetCRC        = 17
	offsetAttributes = 21
	offsetProducerID = 43
	offsetEpoch      = 51
	offsetSequence   = 53
	batchOverhead    = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is a record batch, which is sent to a partition in one request.
type batch struct {
	partition partition
	count     int
	records   []int // indexes into the records given to Commit
	data      []byte
}

// size returns what the broker compares with max.message.bytes.
func (b *batch) size() int { return len(b.data) - lengthPrefix }

// stamp makes the batch part of a transaction. kafka-go builds batches without producer id, epoch and sequence.
func (b *batch) stamp(producerID int64, epoch int16, sequence int32) {
	raw := b.data[lengthPrefix:]
	attributes := binary.BigEndian.Uint16(raw[offsetAttributes:]) | uint16(protocol.Transactional)
	binary.BigEndian.PutUint16(raw[offsetAttributes:], attributes)
	binary.BigEndian.PutUint64(raw[offsetProducerID:], uint64(producerID))
	binary.BigEndian.PutUint16(raw[offsetEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(raw[offsetSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(raw[offsetCRC:], crc32.Checksum(raw[offsetAttributes:], castagnoli))
}

// packer cuts the records of one partition into batches that the topic takes.
type packer struct {
	partition  partition
	records    []Record // all that were given to Commit
	codec      kafka.Compression
	compressor *Compressor
	limit      int // max.message.bytes of the topic
	now        time.Time
	out        []*batch
}

// pack packs the records with the given indexes, in that order. It limits the size before compression: a few more batches, but none
// is built twice because it came out too large, except where compression made it longer.
func (p *packer) pack(indexes []int) error {
	for start := 0; start < len(indexes); {
		size, end := batchOverhead, start
		for end < len(indexes) {
			size += maxSize(p.records[indexes[end]])
			if end > start && (size > p.limit || p.records[indexes[end]].Alone || p.records[indexes[start]].Alone) {
				break
			}
			end++
		}
		if err := p.add(indexes[start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// add builds one batch, or halves it until its parts fit. A single record that compression made too long is sent uncompressed.
func (p *packer) add(indexes []int) error {
	b, err := p.encode(indexes, p.codec)
	if err != nil {
		return err
	}
	if b.size() > p.limit && len(indexes) > 1 {
		half := len(indexes) / 2
		if err := p.add(indexes[:half]); err != nil {
			return err
		}
		return p.add(indexes[half:])
	}
	if b.size() > p.limit && p.codec != 0 {
		if b, err = p.encode(indexes, 0); err != nil {
			return err
		}
	}
	if b.size() > p.limit {
		return &RefusedError{Topic: p.partition.topic, Partition: p.partition.id, Records: indexes, Err: kafka.MessageSizeTooLarge}
	}
	p.out = append(p.out, b)
	return nil
}

func (p *packer) encode(indexes []int, codec kafka.Compression) (*batch, error) {
	records := make([]protocol.Record, len(indexes))
	for i, index := range indexes {
		records[i] = p.protocolRecord(p.records[index])
	}
	data, err := p.compressor.batch(records, codec)
	return &batch{partition: p.partition, count: len(indexes), records: indexes, data: data}, err
}

func (p *packer) protocolRecord(r Record) protocol.Record {
	when := r.Time
	if when.UnixMilli() <= 0 {
		when = p.now
	}
	var headers []protocol.Header
	if len(r.Headers) > 0 {
		headers = make([]protocol.Header, len(r.Headers))
		for i, h := range r.Headers {
			headers[i] = protocol.Header(h)
		}
	}
	return protocol.Record{Time: when, Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value), Headers: headers}
}

// maxSize returns an upper bound of a record's size before compression: lengths and deltas are varints of at most 5 bytes, the time
// delta one of at most 10.
func maxSize(r Record) int {
	size := 5 + 1 + 10 + 5 + 5 + len(r.Key) + 5 + len(r.Value) + 5
	for _, h := range r.Headers {
		size += 10 + len(h.Key) + len(h.Value)
	}
	return size
}

var murmur2 = kafka.Murmur2Balancer{Consistent: true}

func (r *Record) partitionKey() []byte {
	if r.PartitionKey != nil {
		return r.PartitionKey
	}
	return r.Key
}

// PartitionOf returns the partition that records of the key go to, among those that the topic had when EnsureTopics or a Commit last
// looked; 0 for a topic that was not ensured.
func (p *Producer) PartitionOf(topic string, key []byte) int {
	ids := p.topics[topic].partitions
	if len(ids) == 0 {
		return 0
	}
	return partitionFor(key, ids)
}

// partitionFor returns the partition of a key.
func partitionFor(key []byte, ids []int) int { return murmur2.Balance(kafka.Message{Key: key}, ids...) }
