package producer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// batchOf returns a batch with these records, compressed already, and a correct checksum.
func batchOf(codec kafka.Compression, count uint32, records []byte) *rawBatch {
	raw := make([]byte, batchOverhead, batchOverhead+len(records))
	raw = append(raw, records...)
	binary.BigEndian.PutUint64(raw, 77)
	binary.BigEndian.PutUint32(raw[offsetLength:], uint32(len(raw)-offsetLength-4))
	raw[offsetMagic] = 2
	binary.BigEndian.PutUint16(raw[offsetAttributes:], uint16(codec))
	binary.BigEndian.PutUint32(raw[offsetCount:], count)
	binary.BigEndian.PutUint32(raw[offsetCRC:], crc32.Checksum(raw[offsetAttributes:], castagnoli))
	return &rawBatch{data: raw}
}

// TestBomb: a batch of a few KiB that would decompress to far more than any batch has is an error with its offset.
func TestBomb(t *testing.T) {
	zeros := make([]byte, 4<<20)
	const times = 32 // of zeros
	var zipped, framed bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	framed.Write(append(xerialMagic, 0, 0, 0, 1, 0, 0, 0, 1))
	block := snappy.Encode(nil, zeros)
	var z bytes.Buffer
	zst, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	for range times {
		_, _ = zip.Write(zeros)
		_, _ = zst.Write(zeros)
		framed.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block))))
		framed.Write(block)
	}
	_, _ = zip.Close(), zst.Close()
	for name, c := range map[string]struct {
		codec kafka.Compression
		data  []byte
	}{
		"gzip": {kafka.Gzip, zipped.Bytes()}, "zstd": {kafka.Zstd, z.Bytes()}, "snappy": {kafka.Snappy, framed.Bytes()},
		"snappy, one block": {kafka.Snappy, binary.AppendUvarint(nil, 1<<32-1)},
		"zstd, window":      {kafka.Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00}},
	} {
		part := &fetch.ResponsePartition{Partition: 3, RecordSet: protocol.RecordSet{Records: batchOf(c.codec, 1, c.data)}}
		before := allocated()
		_, err := committed("topic", part, 0, func(Message) error { return nil })
		if cost := allocated() - before; cost > 8*largestInflated { // of buffers that grow, all are counted
			t.Errorf("%s: took %d MiB", name, cost>>20)
		}
		if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, errBomb) && !errors.Is(err, errWindow) || !strings.Contains(e.Error(), "topic-3") || !strings.Contains(e.Error(), "offset 77") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBrokenBatch: a batch whose header does not fit its contents is an error.
func TestBrokenBatch(t *testing.T) {
	record := []byte{0x0e, 0, 0, 0, 1, 1, 0} // no key, no value, no headers
	for name, c := range map[string]struct {
		batch *rawBatch
		text  string // "" where it is well
	}{
		"well":             {batchOf(0, 1, record), ""},
		"many records":     {batchOf(0, 1<<31-1, record), "2147483647 records in 7 bytes"},
		"negative":         {batchOf(0, 1<<32-1, record), "4294967295 records"},
		"many headers":     {batchOf(0, 1, []byte{0x0e, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f}), "cut off"},
		"negative headers": {batchOf(0, 1, []byte{0x0e, 0, 0, 0, 1, 1, 1}), "cut off"},
		"long key":         {batchOf(0, 1, []byte{0x0e, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f}), "cut off"},
		"codec":            {batchOf(7, 1, record), "compression is unknown: 7"},
		"empty":            {&rawBatch{data: make([]byte, 20)}, "cut off"},
		"checksum":         {&rawBatch{data: append(batchOf(0, 1, record).data, 1)}, "checksum"},
	} {
		part := &fetch.ResponsePartition{RecordSet: protocol.RecordSet{Records: c.batch}}
		n := 0
		_, err := committed("topic", part, 0, func(Message) error { n++; return nil })
		if c.text == "" && (err != nil || n != 1) || c.text != "" && (!errors.Is(err, errBatch) || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
	}
}

// TestLogAppendTime: where the broker says when it appended a batch, that is the time of each of its records.
func TestLogAppendTime(t *testing.T) {
	record := []byte{0x0e, 0, 8, 0, 1, 1, 0} // 4 ms after the first of the batch
	for appended, want := range map[bool]int64{false: 104, true: 200} {
		codec := kafka.Compression(0)
		if appended {
			codec = logAppendTime
		}
		raw := batchOf(codec, 1, record).data
		binary.BigEndian.PutUint64(raw[offsetFirstTime:], 100)
		binary.BigEndian.PutUint64(raw[offsetLastTime:], 200)
		binary.BigEndian.PutUint32(raw[offsetCRC:], crc32.Checksum(raw[offsetAttributes:], castagnoli))
		r, err := (&rawBatch{data: raw}).ReadRecord()
		if err != nil || r.Time.UnixMilli() != want {
			t.Errorf("appended %v: %v, %v, want %d", appended, r, err, want)
		}
	}
}
