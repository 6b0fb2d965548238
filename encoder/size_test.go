package encoder

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
)

// size is what a batch of Kafka records takes: on the wire and on disk alike,
// brokers store batches as they come.
type size struct{ plain, compressed int }

// batchHead is the part of a batch that is never compressed, behind a length.
const lengthPrefix, batchHead = 4, 61

func (s *size) add(b *testing.B, codec *zstd.Encoder, records []protocol.Record) {
	var batch bytes.Buffer
	set := protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(records...)}
	if _, err := set.WriteTo(&batch); err != nil {
		b.Fatal(err)
	}
	body := batch.Bytes()[lengthPrefix+batchHead:]
	s.plain += batchHead + len(body)
	s.compressed += batchHead + len(codec.EncodeAll(body, nil))
}

// BenchmarkSize tells how many bytes a conversation takes in a topic, in a batch
// of so many as the producer makes it, and what its JSON would take there, with
// the same key and no headers:
//
//	go test ./encoder -run '^$' -bench Size -benchtime 1x
func BenchmarkSize(b *testing.B) {
	rows := simulatedRows(b)
	e := testEncoder(b)
	codec, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			for b.Loop() {
				measure(b, e, codec, rows, n)
			}
		})
	}
}

func measure(b *testing.B, e *Encoder, codec *zstd.Encoder, rows []smartassist.Row, n int) {
	var records, bare, text size
	var ours, unframed, json []protocol.Record
	for i, row := range rows {
		m := encodeRow(b, e, row)
		key := func() protocol.Bytes { return protocol.NewBytes(m.Key) }
		var headers []protocol.Header
		for _, h := range m.Headers {
			headers = append(headers, protocol.Header(h))
		}
		ours = append(ours, protocol.Record{Time: observed, Key: key(), Value: protocol.NewBytes(m.Value), Headers: headers})
		unframed = append(unframed, protocol.Record{Time: observed, Key: key(), Value: protocol.NewBytes(m.Value)})
		json = append(json, protocol.Record{Time: observed, Key: key(), Value: protocol.NewBytes(row.Raw)})
		if len(ours) == n || i == len(rows)-1 {
			records.add(b, codec, ours)
			bare.add(b, codec, unframed)
			text.add(b, codec, json)
			ours, unframed, json = nil, nil, nil
		}
	}
	per := func(bytes int, unit string) { b.ReportMetric(float64(bytes)/float64(len(rows)), unit) }
	per(text.plain, "json-B/row")
	per(text.compressed, "json-zstd-B/row")
	per(bare.plain, "avro-B/row")
	per(bare.compressed, "avro-zstd-B/row")
	per(records.plain, "with-headers-B/row")
	per(records.compressed, "with-headers-zstd-B/row")
	b.ReportMetric(float64(records.compressed)/float64(text.compressed), "ours/json-zstd")
}

// simulatedRows are two days of the simulated service, closed, in its order.
func simulatedRows(b *testing.B) []smartassist.Row {
	b.Helper()
	end := observed.Add(-24 * time.Hour)
	s, err := simulator.New(simulator.Config{Seed: 1, AccountID: "65269fe0dd9c622245c10001", Start: end, Until: end, History: 48 * time.Hour, PerMinute: 1})
	if err != nil {
		b.Fatal(err)
	}
	var rows []smartassist.Row
	for r := range s.RowsAt(observed, end.Add(-48*time.Hour), end) {
		if !r.Dead {
			rows = append(rows, smartassist.ParseRow(r.Raw))
		}
	}
	if len(rows) < 2000 {
		b.Fatalf("only %d rows", len(rows))
	}
	return rows
}
