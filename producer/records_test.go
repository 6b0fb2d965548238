package producer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// plainRecord is a record that cmp can compare.
type plainRecord struct {
	Offset     int64
	Time       time.Time
	Key, Value []byte
	Headers    []protocol.Header
}

// drawRecords returns records of all shapes: without key, value or headers, empty ones, and long ones.
func drawRecords(dice *rand.Rand) []plainRecord {
	text := func() []byte {
		switch dice.IntN(4) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, 1+dice.IntN(300))
		for i := range b {
			b[i] = byte(dice.Uint32())
		}
		return b
	}
	list := make([]plainRecord, 1+dice.IntN(20))
	for i := range list {
		list[i] = plainRecord{int64(i), time.UnixMilli(1 + dice.Int64N(1<<42)).UTC(), text(), text(), nil}
		for range dice.IntN(4) { // of a header's value, what is empty is nil
			list[i].Headers = append(list[i].Headers, protocol.Header{Key: fmt.Sprint(dice.IntN(100)), Value: append([]byte(nil), text()...)})
		}
	}
	return list
}

// written returns the records as a broker keeps them from an offset on.
func written(t *testing.T, c *Compressor, list []plainRecord, codec kafka.Compression, base int64) []byte {
	t.Helper()
	records := make([]protocol.Record, len(list))
	for i, r := range list {
		records[i] = protocol.Record{Time: r.Time, Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value), Headers: r.Headers}
	}
	out, err := c.batch(records, codec)
	if err != nil {
		t.Fatal(err)
	}
	raw := out[lengthPrefix:]
	binary.BigEndian.PutUint64(raw, uint64(base))
	binary.BigEndian.PutUint32(raw[offsetCRC:], crc32.Checksum(raw[offsetAttributes:], castagnoli))
	return raw
}

// TestRecordsComeBack: what is written comes back as it was, whatever the codec; nil stays apart from what is empty, and nothing of a
// record is lost with the bytes that it came in.
func TestRecordsComeBack(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 0))
	c := testCompressor(t)
	for range 60 {
		codec := []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd}[dice.IntN(5)]
		want, base := drawRecords(dice), dice.Int64N(1<<40)
		raw := written(t, c, want, codec, base)
		var got []plainRecord
		after, err := eachRecord(&rawBatch{data: raw}, func(r *protocol.Record) error {
			m, err := message("t", 0, r)
			got = append(got, plainRecord{m.Offset - base, m.Time, m.Key, m.Value, r.Headers})
			return err
		})
		for i := range raw {
			raw[i] = 0xaa
		}
		if !reflect.DeepEqual(want, got) || err != nil || after != base+int64(len(want)) {
			t.Fatalf("seed %d, codec %v: offset %d after %d records from %d, error %v\n%s", seed, codec, after, len(want), base, err, cmp.Diff(want, got))
		}
	}
}

// TestFlippedBits: a bit that is flipped behind the checksum, or in it, is noticed, in whichever byte it is.
func TestFlippedBits(t *testing.T) {
	raw := written(t, testCompressor(t), drawRecords(rand.New(rand.NewPCG(1, 2))), 0, 77)
	for at := offsetCRC; at < len(raw); at++ {
		broken := bytes.Clone(raw)
		broken[at] ^= 1 << (at % 8)
		if _, err := (&rawBatch{data: broken}).ReadRecord(); !errors.Is(err, errBatch) || !strings.Contains(err.Error(), "the batch at offset 77 cannot be read: its checksum is wrong") {
			t.Fatalf("bit %d of byte %d: %v", at%8, at, err)
		}
	}
}

// TestCutRecords: a batch whose records end early, with a checksum that is right, is an error and nothing that was not sent.
func TestCutRecords(t *testing.T) {
	list := drawRecords(rand.New(rand.NewPCG(3, 4)))
	raw := written(t, testCompressor(t), list, 0, 77)
	for n := batchOverhead; n < len(raw); n++ {
		cut := bytes.Clone(raw[:n])
		binary.BigEndian.PutUint32(cut[offsetCRC:], crc32.Checksum(cut[offsetAttributes:], castagnoli))
		read := 0
		after, err := eachRecord(&rawBatch{data: cut}, func(*protocol.Record) error { read++; return nil })
		if !errors.Is(err, errBatch) || read >= len(list) {
			t.Fatalf("%d of %d bytes: %d of %d records, offset %d, error %v", n, len(raw), read, len(list), after, err)
		}
	}
}

// TestBatchHeads: what cannot be a batch of ours says why, with the offset.
func TestBatchHeads(t *testing.T) {
	good := func() []byte { return batchOf(0, 0, nil).data }
	for text, change := range map[string]func([]byte) []byte{
		"it is cut off":                              func(b []byte) []byte { return b[:batchOverhead-1] },
		"its format 1 is older than Kafka 0.11":      func(b []byte) []byte { b[offsetMagic] = 1; return b },
		"its checksum is wrong":                      func(b []byte) []byte { b[offsetCRC]++; return b },
		"it announces 4294967295 records in 0 bytes": func([]byte) []byte { return batchOf(0, 1<<32-1, nil).data },
		"it announces 2 records in 13 bytes":         func([]byte) []byte { return batchOf(0, 2, make([]byte, 13)).data },
		"one of its records is cut off":              func([]byte) []byte { return batchOf(0, 1, []byte{200, 1, 0, 0, 0, 1, 200, 1, 'a'}).data },
		"its compression is unknown: 5":              func([]byte) []byte { return batchOf(5, 1, []byte("unknown")).data },
	} {
		_, err := (&rawBatch{data: change(good())}).ReadRecord()
		if !errors.Is(err, errBatch) || !strings.HasPrefix(err.Error(), "the batch at offset 77 cannot be read: ") || !strings.HasSuffix(err.Error(), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
	if r, err := (&rawBatch{data: good()}).ReadRecord(); r != nil || !errors.Is(err, io.EOF) {
		t.Errorf("a batch that compaction has emptied: %v, %v", r, err)
	}
}

// TestBrokenRecordEndsTheBatch: after a record that is cut off comes the end, and none that is guessed.
func TestBrokenRecordEndsTheBatch(t *testing.T) {
	good := []byte{14, 0, 0, 0, 1, 1, 0} // no key, no value, no header
	r := &records{batch: batchOf(0, 3, nil), cursor: cursor{rest: append(append(slices.Clone(good), 14, 0, 0, 2, 1, 1, 9), good...)}, left: 3}
	if _, err := r.ReadRecord(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadRecord(); !errors.Is(err, errBatch) {
		t.Fatalf("a record of headers that are not there: %v", err)
	}
	if _, err := r.ReadRecord(); !errors.Is(err, io.EOF) {
		t.Errorf("then %v, want the end", err)
	}
}
