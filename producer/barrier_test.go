package producer

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stale makes the brokers answer, until heal is called, like a leader that was cut off from the cluster when the partition had this
// end: it knows nothing of what is committed from now on.
func (w *world) stale(topic string, end int64) (heal func()) {
	var healed atomic.Bool
	w.kafka.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		req := r.(*kmsg.ListOffsetsRequest)
		if at := req.Topics[0]; healed.Load() || at.Topic != topic || at.Partitions[0].Timestamp != atEnd {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		part := kmsg.NewListOffsetsResponseTopicPartition()
		part.Partition, part.Offset = req.Topics[0].Partitions[0].Partition, end
		res.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsResponseTopicPartition{part}}}
		return res, nil, true
	})
	w.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if at := req.Topics[0]; healed.Load() || at.Topic != topic || at.Partitions[0].FetchOffset < end {
			if !healed.Load() {
				req.Topics[0].Partitions[0].PartitionMaxBytes = 1 // one batch: none of those behind the end
			}
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.FetchResponse)
		part := kmsg.NewFetchResponseTopicPartition()
		part.Partition, part.HighWatermark, part.LastStableOffset = req.Topics[0].Partitions[0].Partition, end, end
		res.Topics = []kmsg.FetchResponseTopic{{Topic: topic, Partitions: []kmsg.FetchResponseTopicPartition{part}}}
		return res, nil, true
	})
	return func() { healed.Store(true) }
}

var barrier = []Record{{Topic: state, Key: []byte("account")}, {Topic: voice, Key: []byte("account")}}

// TestBarrierProvesTheEnd: CatchUp does not end at an old high watermark after a Barrier; without one it does.
func TestBarrierProvesTheEnd(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := p.Commit(t.Context(), nil, closeWith("old")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the marker
		end := w.kafka.PartitionInfo(state, 0).HighWatermark
		if err := p.Commit(t.Context(), nil, closeWith("new")); err != nil {
			t.Fatal(err)
		}
		heal := w.stale(state, end)
		next := w.acquired()
		if diff := cmp.Diff([]string{"old"}, values(t, next, state, 0)); diff != "" {
			t.Errorf("without a barrier: %s", diff)
		}
		if err := next.Barrier(t.Context(), barrier); err != nil {
			t.Fatal(err)
		}
		const cutOff = 40 * time.Second
		time.AfterFunc(cutOff, heal)
		begun := time.Now()
		if diff := cmp.Diff([]string{"old", "new"}, values(t, next, state, 0)); diff != "" {
			t.Errorf("with a barrier: %s", diff)
		}
		if took := time.Since(begun); took < cutOff || took > cutOff+time.Second {
			t.Errorf("waited %v for a broker that was cut off for %v", took, cutOff)
		}
		var last []string
		if _, err := next.ReadLast(t.Context(), state, 0, 100, func(m Message) error { last = append(last, string(m.Value)); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"old", "new"}, last); diff != "" {
			t.Errorf("the last: %s", diff)
		}
	})
}

// TestBarrierIsNotSeen: read_committed consumers do not see the records, and commits succeed after it, whichever request is lost.
func TestBarrierIsNotSeen(t *testing.T) {
	for key, after := range map[kmsg.Key]bool{kmsg.EndTxn: true, kmsg.AddPartitionsToTxn: true, kmsg.Produce: false} {
		t.Run(fmt.Sprint(kmsg.NameForKey(int16(key)), after), func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				c := &cut{dial: w.network.DialContext, key: key, after: after, times: 2}
				p := w.acquired(func(cfg *Config) { cfg.Dial = c.DialContext })
				var want []string
				for i := range 5 {
					if err := p.Barrier(t.Context(), barrier); err != nil {
						t.Fatal(err)
					}
					if err := p.Commit(t.Context(), nil, closeWith(fmt.Sprint(i))); err != nil {
						t.Fatal(err)
					}
					want = append(want, fmt.Sprint(i))
					if diff := cmp.Diff(want, values(t, p, state, 0)); diff != "" {
						t.Fatal(diff)
					}
					if err := p.Acquire(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if got := w.count(state); len(got) != 5 || len(w.seen(voice)) != 0 {
					t.Errorf("a consumer sees %v", got)
				}
				if c.hits != 2 {
					t.Errorf("%d requests were cut", c.hits)
				}
			})
		})
	}
}

// TestLastWritten: it returns the offsets of the last records of a Commit, including those of closing.
func TestLastWritten(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired(func(cfg *Config) { cfg.TransactionTimeout = time.Second })
		for range 3 {
			if err := p.Commit(t.Context(), rows(state, "first", 5), closeWith("last")); err != nil {
				t.Fatal(err)
			}
			var last Message
			if err := p.NewReader(state, 0).CatchUp(t.Context(), func(m Message) error { last = m; return nil }); err != nil {
				t.Fatal(err)
			}
			if got := p.LastWritten(state, 0); got != last.Offset || string(last.Value) != "last" {
				t.Errorf("offset %d, the last record is %q at %d", got, last.Value, last.Offset)
			}
		}
		if got := p.LastWritten(voice, 0); got != -1 {
			t.Errorf("a partition that was not written to: %d", got)
		}
	})
}
