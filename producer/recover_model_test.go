package producer

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// history is a partition as some producers wrote it, transactions interleaved.
type history struct {
	batches []protocol.RecordReader
	aborted []fetch.ResponseTransaction
	visible []int64
	end     int64
}

func drawHistory(t *rapid.T) (h history) {
	const producers = 4
	var open [producers][]int64 // offsets of the open transaction
	for range rapid.IntRange(0, 60).Draw(t, "steps") {
		id := rapid.IntRange(0, producers-1).Draw(t, "producer")
		if len(open[id]) > 0 && rapid.Bool().Draw(t, "end") {
			commit := rapid.Bool().Draw(t, "commit")
			if commit {
				h.visible = append(h.visible, open[id]...)
			} else {
				h.aborted = append(h.aborted, fetch.ResponseTransaction{ProducerID: int64(id), FirstOffset: open[id][0]})
			}
			kind := int16(0)
			if commit {
				kind = 1
			}
			marker := protocol.NewControlBatch(protocol.ControlRecord{Offset: h.end, Type: kind, Data: []byte{0, 0, 0, 0, 0, 0}})
			marker.BaseOffset, marker.ProducerID = h.end, int64(id)
			h.batches = append(h.batches, marker)
			h.end++
			open[id] = nil
			continue
		}
		var records []protocol.Record
		base := h.end
		for range rapid.IntRange(1, 3).Draw(t, "records") {
			records = append(records, protocol.Record{Offset: h.end})
			open[id] = append(open[id], h.end)
			h.end++
		}
		h.batches = append(h.batches, &protocol.RecordBatch{
			Attributes: protocol.Transactional, BaseOffset: base, ProducerID: int64(id), Records: protocol.NewRecordReader(records...),
		})
	}
	for _, offsets := range open { // the broker would not give them: take them for committed
		h.visible = append(h.visible, offsets...)
	}
	slices.Sort(h.visible)
	return h
}

func TestFilterAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		part := &fetch.ResponsePartition{
			AbortedTransactions: rapid.Permutation(h.aborted).Draw(t, "list"),
			RecordSet:           protocol.RecordSet{Records: &protocol.RecordStream{Records: h.batches}},
		}
		from := rapid.Int64Range(0, h.end).Draw(t, "from")
		var got []int64
		next, err := committed(state, part, from, func(m Message) error { got = append(got, m.Offset); return nil })
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(h.visible, func(o int64) bool { return o < from })
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if len(h.batches) > 0 && from < h.end && next != h.end {
			t.Fatalf("next is %d, want %d", next, h.end)
		}
	})
}

// TestCatchUpWaitsForAnOpenTransaction: somebody else's, before the end. It is logged once, with both offsets, and what comes
// before the end is read as soon as it has ended.
func TestCatchUpWaitsForAnOpenTransaction(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var log strings.Builder
		p := w.acquired(func(c *Config) { c.Log = zerolog.New(&log) })
		other, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...), kgo.Dialer(w.network.DialContext), kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := errors.Join(other.BeginTransaction(), other.ProduceSync(t.Context(), &kgo.Record{Topic: state, Key: []byte("k"), Value: []byte("open")}).FirstErr()); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		time.AfterFunc(stallWarning+5*time.Second, func() { ended <- other.EndTransaction(t.Context(), kgo.TryCommit) })
		read, start := 0, time.Now()
		err = p.NewReader(state, 0).CatchUp(t.Context(), func(Message) error { read++; return nil })
		if took := time.Since(start); err != nil || took < stallWarning || took > stallWarning+10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if says := log.String(); !strings.Contains(says, `"offset":0,"end":1`) || !strings.Contains(says, "find-hanging") || strings.Count(says, "waiting for a transaction") != 1 {
			t.Errorf("the log says %s", says)
		}
		if err := <-ended; err != nil || read != 1 {
			t.Errorf("%d read; %v", read, err)
		}
	})
}

// TestCatchUpGivesUp: without progress before the end CatchUp fails with both offsets: here the leader has less than was acknowledged.
func TestCatchUpGivesUp(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		r, start := w.acquired().NewReader(state, 0), time.Now()
		err := r.readUntil(t.Context(), 7, func(Message) error { return nil })
		var e *Error
		if took := time.Since(start); !errors.As(err, &e) || e.Category != Timeout || took < stallLimit || took > stallLimit+time.Minute {
			t.Fatalf("%v after %v", err, took)
		}
		if !strings.Contains(err.Error(), "offset 0 comes next, 7 is the end") || !strings.Contains(err.Error(), "is it cut off") {
			t.Error(err)
		}
	})
}
