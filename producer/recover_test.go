package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// values recovers a partition and returns the values in order.
func values(t *testing.T, p *Producer, topic string, id int) (got []string) {
	t.Helper()
	err := p.NewReader(topic, id).CatchUp(t.Context(), func(m Message) error { got = append(got, string(m.Value)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// abandon leaves a transaction open that holds one state record.
func abandon(t *testing.T, p *Producer, value string) {
	t.Helper()
	records, _ := closeWith(value)(nil)
	err := p.Commit(t.Context(), records, func(map[string]int64) ([]Record, error) { return nil, errors.New("crash") })
	if err == nil {
		t.Fatal("committed")
	}
}

func TestRecoverNothing(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if got := values(t, p, state, 0); got != nil {
			t.Errorf("a new topic gives %v", got)
		}
		abandon(t, p, "aborted")
		if err := p.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := values(t, p, state, 0); got != nil {
			t.Errorf("an aborted transaction gives %v", got)
		}
		if err := p.NewReader("unknown", 0).CatchUp(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "not ensured") {
			t.Errorf("an unknown topic: %v", err)
		}
	})
}

func TestRecoverLeavesOutTheAborted(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		var want []string
		for i := range 20 {
			value := fmt.Sprint(i)
			if i%3 == 1 {
				abandon(t, p, value)
				if err := p.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := p.Commit(t.Context(), rows(voice, value, 3), closeWith(value)); err != nil {
				t.Fatal(err)
			}
			want = append(want, value)
		}
		if diff := cmp.Diff(want, values(t, p, state, 0)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRecoverWaitsForOthers has another account's worker hold a transaction open in the same topic.
func TestRecoverWaitsForOthers(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		other := w.acquired(func(cfg *Config) { cfg.TransactionalID = "other"; cfg.TransactionTimeout = time.Minute })
		started := time.Now()
		const held = 5 * time.Second
		opened := make(chan struct{})
		ended := make(chan error)
		go func() {
			first, _ := closeWith("other")(nil)
			ended <- other.Commit(t.Context(), first, func(map[string]int64) ([]Record, error) {
				close(opened)
				time.Sleep(held)
				return nil, nil
			})
		}()
		<-opened
		if err := p.Commit(t.Context(), nil, closeWith("mine")); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.NewReader(state, 0).CatchUp(short, func(Message) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended before the other transaction: %v", err)
		}
		got := values(t, p, state, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"other", "mine"}, got); diff != "" {
			t.Error(diff)
		}
		if waited := time.Since(started); waited < held || waited > held+time.Second {
			t.Errorf("waited %s for a transaction of %s", waited, held)
		}
	})
}

func TestRecoverAfterCompaction(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		var want []string
		for i := range 30 {
			records := []Record{
				{Topic: state, Key: fmt.Appendf(nil, "a%d", i%4), Value: fmt.Appendf(nil, "a%d", i)},
				{Topic: state, Key: fmt.Appendf(nil, "b%d", i%7), Value: fmt.Appendf(nil, "b%d", i)},
				{Topic: state, Key: fmt.Appendf(nil, "c%d", i%5), Value: fmt.Appendf(nil, "c%d", i)},
			}
			if err := p.Commit(t.Context(), records, nil); err != nil {
				t.Fatal(err)
			}
		}
		before := values(t, p, state, 0)
		w.kafka.Compact()
		for _, r := range w.seen(state) {
			want = append(want, string(r.Value))
		}
		got := values(t, p, state, 0)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-independent client +recovered):\n%s", diff)
		}
		if len(got) >= len(before) || len(got) < 16 {
			t.Errorf("%d records before compaction, %d after", len(before), len(got))
		}
	})
}

func TestRecoverAfterTruncation(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range 5 {
			if err := p.Commit(t.Context(), nil, closeWith(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.kafka.DeleteRecords(state, 0, 4); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"2", "3", "4"}, values(t, p, state, 0)); diff != "" {
			t.Error(diff)
		}
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.OffsetOutOfRange})
		err := p.NewReader(state, 0).CatchUp(t.Context(), func(Message) error { return nil })
		if err == nil || !errors.Is(err, ErrTruncated) {
			t.Errorf("a broker that denies what it has: %v", err)
		}
	})
}

// TestRecoverEndsInAHole: the broker's answers are empty from offset 4 on, although the topic ends at 10.
func TestRecoverEndsInAHole(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		for i := range 5 {
			if err := p.Commit(t.Context(), nil, closeWith(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		asked := 0
		w.kafka.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			part := req.(*kmsg.FetchRequest).Topics[0].Partitions[0]
			if asked++; asked == 1 {
				return nil, nil, false
			}
			return emptyAnswer(req, part.Partition, 10), nil, true
		})
		if diff := cmp.Diff([]string{"0", "1", "2", "3", "4"}, values(t, p, state, 0)); diff != "" {
			t.Error(diff)
		}
		asked = 1
		if got := values(t, p, state, 0); got != nil || asked != 1+emptyAnswersBelieved {
			t.Errorf("%v after %d silent answers, want nothing after %d", got, asked-1, emptyAnswersBelieved)
		}
	})
}

func emptyAnswer(req kmsg.Request, id int32, end int64) kmsg.Response {
	res := req.ResponseKind().(*kmsg.FetchResponse)
	part := kmsg.NewFetchResponseTopicPartition()
	part.Partition, part.HighWatermark, part.LastStableOffset, part.RecordBatches = id, end, end, []byte{}
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.Partitions = state, append(topic.Partitions, part)
	res.Topics = append(res.Topics, topic)
	return res
}

// TestRecoverIsThrottled has the broker answer without the partition, as it does for a client over its quota.
func TestRecoverIsThrottled(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), nil, closeWith("1")); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.kafka.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) { return req.ResponseKind(), nil, true })
		}
		if diff := cmp.Diff([]string{"1"}, values(t, p, state, 0)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestVisitEndsRecover(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), rows(voice, "x", 50), closeWith("1")); err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		if err := p.NewReader(state, 0).CatchUp(t.Context(), func(Message) error { return enough }); err != enough {
			t.Errorf("got %v", err)
		}
	})
}

// TestSteps covers what compaction leaves of a batch.
func TestSteps(t *testing.T) {
	at := func(base int64, offsets ...int64) protocol.RecordReader {
		var records []protocol.Record
		for _, o := range offsets {
			records = append(records, protocol.Record{Offset: o})
		}
		return &protocol.RecordBatch{BaseOffset: base, ProducerID: -1, Records: protocol.NewRecordReader(records...)}
	}
	for name, c := range map[string]struct {
		batches []protocol.RecordReader
		offset  int64
		want    []int64
		next    int64
	}{
		"no answer":                   {nil, 7, nil, 7},
		"inside a batch":              {[]protocol.RecordReader{at(5, 5, 6, 7, 8)}, 7, []int64{7, 8}, 9},
		"a batch with holes":          {[]protocol.RecordReader{at(5, 6, 9)}, 5, []int64{6, 9}, 10},
		"only the hole at its end":    {[]protocol.RecordReader{at(5, 6, 9)}, 10, nil, 11},
		"an empty batch":              {[]protocol.RecordReader{at(5)}, 5, nil, 6},
		"an empty batch, next inside": {[]protocol.RecordReader{at(5)}, 6, nil, 7},
		"a hole, then a batch":        {[]protocol.RecordReader{at(5, 6), at(20, 21)}, 8, []int64{21}, 22},
	} {
		t.Run(name, func(t *testing.T) {
			part := &fetch.ResponsePartition{}
			if c.batches != nil {
				part.RecordSet.Records = &protocol.RecordStream{Records: c.batches}
			}
			var got []int64
			next, err := committed(state, part, c.offset, func(m Message) error { got = append(got, m.Offset); return nil })
			if err != nil || next != c.next || !slices.Equal(got, c.want) {
				t.Errorf("got %v, next %d, %v; want %v, next %d", got, next, err, c.want, c.next)
			}
		})
	}
}
