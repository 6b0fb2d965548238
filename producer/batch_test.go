package producer

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func testCompressor(t *testing.T) *Compressor {
	t.Helper()
	c, err := NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestStamp decodes a stamped batch with an independent implementation.
func TestStamp(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)
	p := packer{partition: partition{voice, 3}, compressor: testCompressor(t), limit: 1 << 20, now: start, records: []Record{
		{Key: []byte("k"), Value: []byte("v"), Time: start, Headers: []Header{{"b", []byte("1")}, {"a", nil}, {"b", []byte("2")}}},
		{Key: nil, Value: nil, Time: start.Add(-time.Hour)},
		{Key: []byte{}, Value: []byte{}},
	}}
	if err := p.pack([]int{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	b := p.out[0]
	b.stamp(1<<40+5, 32000, math.MaxInt32-1)
	if got := int(binary.BigEndian.Uint32(b.data)); got != b.size() {
		t.Errorf("the length says %d, want %d", got, b.size())
	}
	var got kmsg.RecordBatch
	if err := got.ReadFrom(b.data[4:]); err != nil {
		t.Fatal(err)
	}
	if want := crc32.Checksum(b.data[4+21:], crc32.MakeTable(crc32.Castagnoli)); uint32(got.CRC) != want {
		t.Errorf("checksum %x, want %x", got.CRC, want)
	}
	want := kmsg.RecordBatch{
		Length: int32(len(b.data) - 4 - 12), PartitionLeaderEpoch: -1, Magic: 2, CRC: got.CRC, Attributes: 0x10,
		LastOffsetDelta: 2, FirstTimestamp: start.UnixMilli(), MaxTimestamp: start.UnixMilli(),
		ProducerID: 1<<40 + 5, ProducerEpoch: 32000, FirstSequence: math.MaxInt32 - 1, NumRecords: 3, Records: got.Records,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	records, err := kfake.BatchRecords(got)
	if err != nil {
		t.Fatal(err)
	}
	wantHeaders := []kmsg.Header{{Key: "b", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte("2")}}
	if diff := cmp.Diff(wantHeaders, records[0].Headers); diff != "" {
		t.Error(diff)
	}
	if records[1].Key != nil || records[1].Value != nil || records[2].Key == nil || records[2].Value == nil {
		t.Errorf("nil and empty are not kept apart: %v", records[1:])
	}
	if records[1].TimestampDelta64 != -time.Hour.Milliseconds() || records[2].TimestampDelta64 != 0 {
		t.Errorf("times: %d, %d", records[1].TimestampDelta64, records[2].TimestampDelta64)
	}
}

func TestSequenceWraps(t *testing.T) {
	if got := addSequence(math.MaxInt32-1, 1); got != math.MaxInt32 {
		t.Errorf("got %d", got)
	}
	if got := addSequence(math.MaxInt32, 1); got != 0 {
		t.Errorf("got %d", got)
	}
	if got := addSequence(math.MaxInt32, 5); got != 4 {
		t.Errorf("got %d", got)
	}
}

func TestPackKeepsToTheLimit(t *testing.T) {
	noise := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rand.Read(b)
		return b
	}
	const limit = 10_000
	for name, codec := range map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd} {
		t.Run(name, func(t *testing.T) {
			p := packer{partition: partition{voice, 0}, compressor: testCompressor(t), limit: limit, codec: codec, now: time.Now()}
			var indexes []int
			for i := range 200 {
				p.records = append(p.records, Record{Key: []byte("k"), Value: noise(i * 40)})
				indexes = append(indexes, i)
			}
			p.records = append(p.records, Record{Value: noise(limit - 80)})
			if err := p.pack(append(indexes, 200)); err != nil {
				t.Fatal(err)
			}
			next := 0
			for _, b := range p.out {
				if b.size() > limit {
					t.Errorf("a batch of %d bytes", b.size())
				}
				for _, i := range b.records {
					if i != next {
						t.Fatalf("record %d where %d should be", i, next)
					}
					next++
				}
			}
			if next != 201 {
				t.Errorf("%d records packed", next)
			}
		})
	}
}

func TestPackRefusesTheTooLarge(t *testing.T) {
	p := packer{partition: partition{voice, 0}, compressor: testCompressor(t), limit: 1000, now: time.Now(), codec: kafka.Gzip}
	for i := range 9 {
		p.records = append(p.records, Record{Value: bytes.Repeat([]byte{byte(i)}, 900)})
	}
	secret := make([]byte, 2000)
	_, _ = rand.Read(secret)
	p.records[7].Value = secret
	err := p.pack([]int{1, 3, 5, 7, 8})
	r, ok := errors.AsType[*RefusedError](err)
	if !ok || !errors.Is(err, kafka.MessageSizeTooLarge) || cmp.Diff(r.Records, []int{7}) != "" {
		t.Errorf("got %v", err)
	}
	// What compresses below the limit goes.
	p.records[7].Value = bytes.Repeat([]byte("x"), 5000)
	if err := p.pack([]int{1, 3, 5, 7, 8}); err != nil {
		t.Error(err)
	}
}

// TestPartitioner holds the choice against hashes that Kafka's own UtilsTest knows.
func TestPartitioner(t *testing.T) {
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107, "": 275646681,
	} {
		for _, n := range []int{1, 2, 6, 97, 1024} {
			if got, want := partitionFor([]byte(key), partitionIDs(n)), int(hash&math.MaxInt32)%n; got != want {
				t.Errorf("%q of %d: partition %d, want %d", key, n, got, want)
			}
		}
	}
	if a, b := partitionFor(nil, partitionIDs(6)), partitionFor([]byte{}, partitionIDs(6)); a != b {
		t.Errorf("nil goes to %d, empty to %d", a, b)
	}
}

// TestPartitionKey: records with one PartitionKey are all in the partition that PartitionOf returns for it.
func TestPartitionKey(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for _, together := range []string{"account-1", "account-2", "account-3", ""} {
			records := rows(voice, together, 20)
			for i := range records {
				records[i].PartitionKey = []byte(together)
			}
			if err := p.Commit(t.Context(), records, nil); err != nil {
				t.Fatal(err)
			}
			want := p.PartitionOf(voice, []byte(together))
			for _, r := range w.seen(voice) {
				if strings.HasPrefix(string(r.Value), together+"-") && int(r.Partition) != want {
					t.Errorf("%q: %s lies in partition %d, want %d", together, r.Key, r.Partition, want)
				}
			}
		}
		if got := p.PartitionOf("unknown", []byte("account-1")); got != 0 {
			t.Errorf("a topic that was not ensured: partition %d", got)
		}
	})
}

// TestLargeValuesAreSplit gives one partition more than one batch can hold, twice, so that sequence numbers matter.
func TestLargeValuesAreSplit(t *testing.T) { inWorld(t, 1, commitLarge) }

func commitLarge(t *testing.T, w *world) {
	p := w.acquired(func(cfg *Config) { cfg.Compression = "none" })
	if got := p.MaxMessageBytes(voice); got != defaultMaxMessageBytes {
		t.Fatalf("max.message.bytes is %d", got)
	}
	var records []Record
	for i := range 8 {
		records = append(records, Record{Topic: voice, Key: []byte("same"), Value: []byte(strings.Repeat(fmt.Sprint(i), 400_000))})
	}
	if err := p.Commit(t.Context(), records, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(t.Context(), records, nil); err != nil {
		t.Fatal(err)
	}
	seen := w.seen(voice)
	for i, r := range seen {
		if string(r.Value) != string(records[i%8].Value) {
			t.Errorf("record %d is not in order", i)
		}
	}
	if len(seen) != 16 {
		t.Errorf("%d records", len(seen))
	}
}
