package producer

import (
	"encoding/binary"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetchResponse replaces kafka-go's own (v0.4.51) in the whole process: that one decodes all batches of an answer at once, each into a
// page of 64 KiB. An answer with many small transactions, as in the state and progress topics, takes 600 times its length.
type fetchResponse struct {
	ThrottleTimeMs int32          `kafka:"min=v1,max=v11"`
	ErrorCode      int16          `kafka:"min=v7,max=v11"`
	SessionID      int32          `kafka:"min=v7,max=v11"`
	Topics         []fetchedTopic `kafka:"min=v0,max=v11"`
}

type fetchedTopic struct {
	Topic      string             `kafka:"min=v0,max=v11"`
	Partitions []fetchedPartition `kafka:"min=v0,max=v11"`
}

type fetchedPartition struct {
	Partition            int32                       `kafka:"min=v0,max=v11"`
	ErrorCode            int16                       `kafka:"min=v0,max=v11"`
	HighWatermark        int64                       `kafka:"min=v0,max=v11"`
	LastStableOffset     int64                       `kafka:"min=v4,max=v11"`
	LogStartOffset       int64                       `kafka:"min=v5,max=v11"`
	AbortedTransactions  []fetch.ResponseTransaction `kafka:"min=v4,max=v11"`
	PreferredReadReplica int32                       `kafka:"min=v11,max=v11"`
	RecordSet            rawSet                      `kafka:"min=v0,max=v11"`
}

// ApiKey implements protocol.Message.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

func init() { protocol.Register(&fetch.Request{}, &fetchResponse{}) }

// plain returns the response as kafka-go's type, with batches that are decoded when they are read.
func (r *fetchResponse) plain() *fetch.Response {
	out := &fetch.Response{ThrottleTimeMs: r.ThrottleTimeMs, ErrorCode: r.ErrorCode, SessionID: r.SessionID}
	for _, t := range r.Topics {
		topic := fetch.ResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, fetch.ResponsePartition{
				Partition: p.Partition, ErrorCode: p.ErrorCode, HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset,
				LogStartOffset: p.LogStartOffset, AbortedTransactions: p.AbortedTransactions, PreferredReadReplica: p.PreferredReadReplica,
				RecordSet: protocol.RecordSet{Records: &protocol.RecordStream{Records: p.RecordSet.batches()}},
			})
		}
		out.Topics = append(out.Topics, topic)
	}
	return out
}

// rawSet holds the batches of a partition, still encoded.
type rawSet struct{ data []byte }

// ReadFrom implements io.ReaderFrom; kafka-go decodes with it.
func (s *rawSet) ReadFrom(r io.Reader) (int64, error) {
	var length [lengthPrefix]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return 0, err
	}
	n := int32(binary.BigEndian.Uint32(length[:]))
	if n <= 0 {
		return lengthPrefix, nil
	}
	s.data = make([]byte, n) // frames has checked that they are there
	read, err := io.ReadFull(r, s.data)
	return lengthPrefix + int64(read), err
}

// batches returns the batches of the set, without the last one if the broker sent only a part of it.
func (s rawSet) batches() (list []protocol.RecordReader) {
	const head = offsetLength + 4 // the base offset, and the length of the rest
	for data := s.data; len(data) >= head; {
		n := head + int(int32(binary.BigEndian.Uint32(data[offsetLength:])))
		if n <= head || n > len(data) {
			break
		}
		list = append(list, &rawBatch{data: data[:n:n]})
		data = data[n:]
	}
	return list
}
