package fleet

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

const progressName = "conversations.progress"

// stale makes the broker answer, until the returned function is called, as a leader of these topics does that was cut off from
// its cluster at this instant: what is committed from now on it does not know, and serves an old high watermark.
func (w *world) stale(topics ...string) (heal func()) {
	ends := map[string]int64{}
	var healed atomic.Bool
	for _, topic := range topics {
		ends[topic] = w.cluster.PartitionInfo(topic, 0).LastStableOffset
	}
	w.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		req := r.(*kmsg.ListOffsetsRequest)
		end, cutOff := ends[req.Topics[0].Topic]
		if healed.Load() || !cutOff || req.Topics[0].Partitions[0].Timestamp != -1 {
			return nil, nil, false
		}
		part := kmsg.NewListOffsetsResponseTopicPartition()
		part.Offset = end
		res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		res.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: req.Topics[0].Topic, Partitions: []kmsg.ListOffsetsResponseTopicPartition{part}}}
		return res, nil, true
	})
	w.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if healed.Load() || len(req.Topics) == 0 {
			return nil, nil, false
		}
		end, cutOff := ends[req.Topics[0].Topic]
		if !cutOff {
			return nil, nil, false
		}
		asked := &req.Topics[0].Partitions[0]
		if asked.FetchOffset < end {
			asked.PartitionMaxBytes = 1 // one batch: none of those behind the end
			return nil, nil, false
		}
		part := kmsg.NewFetchResponseTopicPartition()
		part.HighWatermark, part.LastStableOffset = end, end
		res := req.ResponseKind().(*kmsg.FetchResponse)
		res.Topics = []kmsg.FetchResponseTopic{{Topic: req.Topics[0].Topic, Partitions: []kmsg.FetchResponseTopicPartition{part}}}
		return res, nil, true
	})
	return func() { healed.Store(true) }
}

// TestABrokerThatIsCutOff serves what was committed before that, and nothing newer. Whoever takes over then, warm or after a
// start, waits until it reads from one that knows all: from an old memory it would publish again what is published.
func TestABrokerThatIsCutOff(t *testing.T) {
	t.Parallel()
	for name, warm := range map[string]bool{"standby": true, "start": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 2}, hourOfWork, func(w *world) {
				active := w.replica()
				w.awaitActive(5*time.Second, active)
				next := active
				if warm {
					next = w.replica()
				}
				time.Sleep(10 * time.Minute)
				heal := w.stale(stateName, progressName)
				time.Sleep(5 * time.Minute)
				w.must(active.stop())
				if !warm {
					next = w.replica()
				}
				time.Sleep(time.Minute)
				if next.active() {
					t.Error("it works from an old memory")
				}
				heal()
				time.Sleep(10 * time.Minute)
				if !next.active() {
					t.Errorf("it does not go on\n%s", w.log.tail())
				}
				w.logged("waiting for a broker that knows all that was committed", 1)
				w.must(next.stop())
				w.settled()
			})
		})
	}
}
