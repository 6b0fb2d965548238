package producer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Offsets of the other fields of a record batch, counted as in batch.go.
const (
	offsetMagic     = 16
	offsetFirstTime = 27
	offsetLastTime  = 35
	offsetCount     = 57
	// smallestRecord is the size of a record without key, value and headers; a header has at least smallestHeader.
	smallestRecord = 7
	// logAppendTime is the bit of the attributes that says whose time the timestamps are.
	logAppendTime  = 1 << 3
	smallestHeader = 2
)

// rawBatch is one encoded batch. It is not decoded by kafka-go, which allocates as many records and headers as the batch announces, and
// decompresses without a bound.
type rawBatch struct {
	data    []byte
	records protocol.RecordReader // nil until the first ReadRecord
}

// ReadRecord implements protocol.RecordReader.
func (b *rawBatch) ReadRecord() (*protocol.Record, error) {
	if b.records == nil {
		var err error
		if b.records, err = b.decode(); err != nil {
			return nil, err
		}
	}
	return b.records.ReadRecord()
}

// decode returns the batch as kafka-go's type: a *protocol.RecordBatch, or a *protocol.ControlBatch.
func (b *rawBatch) decode() (protocol.RecordReader, error) {
	raw := b.data
	switch {
	case len(raw) < batchOverhead:
		return nil, b.broken("it is cut off")
	case raw[offsetMagic] != 2:
		return nil, b.broken("its format %d is older than Kafka 0.11", raw[offsetMagic])
	case crc32.Checksum(raw[offsetAttributes:], castagnoli) != binary.BigEndian.Uint32(raw[offsetCRC:]):
		return nil, b.broken("its checksum is wrong")
	}
	attributes := protocol.Attributes(binary.BigEndian.Uint16(raw[offsetAttributes:]))
	body, err := inflate(raw[batchOverhead:], kafka.Compression(attributes.Compression()))
	if err != nil {
		return nil, b.broken("%w", err)
	}
	first, appended := int64(binary.BigEndian.Uint64(raw[offsetFirstTime:])), attributes&logAppendTime != 0
	if appended {
		first = int64(binary.BigEndian.Uint64(raw[offsetLastTime:]))
	}
	count := binary.BigEndian.Uint32(raw[offsetCount:])
	if int64(count)*smallestRecord > int64(len(body)) {
		return nil, b.broken("it announces %d records in %d bytes", count, len(body))
	}
	r := &records{cursor: cursor{rest: body}, batch: b, left: count, base: b.base(), first: first, appended: appended}
	id, epoch := int64(binary.BigEndian.Uint64(raw[offsetProducerID:])), int16(binary.BigEndian.Uint16(raw[offsetEpoch:]))
	if attributes.Control() {
		return &protocol.ControlBatch{Attributes: attributes, BaseOffset: r.base, ProducerID: id, ProducerEpoch: epoch, Records: r}, nil
	}
	return &protocol.RecordBatch{Attributes: attributes, BaseOffset: r.base, ProducerID: id, ProducerEpoch: epoch, Records: r}, nil
}

func (b *rawBatch) base() int64 { return int64(binary.BigEndian.Uint64(b.data)) }

// errBatch means that a batch cannot be read, however often it is fetched.
var errBatch = errors.New("cannot be read")

func (b *rawBatch) broken(format string, args ...any) error {
	return fmt.Errorf("the batch at offset %d %w: %w", b.base(), errBatch, fmt.Errorf(format, args...))
}

// records reads the records of a batch from its decompressed bytes.
type records struct {
	cursor
	batch *rawBatch
	left  uint32
	base  int64 // offset of the batch
	first int64 // timestamp in Unix milliseconds, to which the records' deltas are added
	// appended: all have the time at which the broker appended the batch (message.timestamp.type=LogAppendTime).
	appended bool
}

// ReadRecord implements protocol.RecordReader.
func (r *records) ReadRecord() (*protocol.Record, error) {
	if r.left == 0 {
		return nil, io.EOF
	}
	r.left--
	r.varint() // the record's length, which follows from its fields
	r.take(1)  // attributes, which are not used
	at, offset := r.varint(), r.varint()
	if r.appended {
		at = 0
	}
	record := &protocol.Record{Time: time.UnixMilli(r.first + at), Offset: r.base + offset}
	record.Key, record.Value = protocol.NewBytes(r.bytes()), protocol.NewBytes(r.bytes())
	record.Headers = r.headers()
	if r.broken {
		r.left = 0
		return nil, r.batch.broken("one of its records is cut off")
	}
	return record, nil
}

func (r *records) headers() []protocol.Header {
	n := r.varint()
	if n < 0 || n > int64(len(r.rest)/smallestHeader) {
		r.broken = true
	}
	if n == 0 || r.broken {
		return nil
	}
	list := make([]protocol.Header, n)
	for i := range list {
		// Copies, since they outlive the batch.
		list[i] = protocol.Header{Key: string(r.bytes()), Value: append([]byte(nil), r.bytes()...)}
	}
	return list
}

// bytes returns the next bytes that are preceded by their length; nil for null.
func (r *records) bytes() []byte {
	n := r.varint()
	if n < 0 {
		return nil
	}
	return r.take(uint64(n))
}
