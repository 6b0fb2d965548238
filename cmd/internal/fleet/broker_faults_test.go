package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

var requestKinds = []kmsg.Key{
	kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn, kmsg.Fetch, kmsg.Metadata,
	kmsg.FindCoordinator, kmsg.ListOffsets, kmsg.DescribeConfigs, kmsg.CreateTopics,
}

// hourOfWork is for worlds that are about something else than partitions. That their leaders are asked for every other second
// is most of what six of them cost.
var hourOfWork = map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "1m", "TOPIC_PARTITIONS": "2"}

// TestBrokerRequestsLost loses one request in four of every kind, before it took effect and after.
func TestBrokerRequestsLost(t *testing.T) {
	long(t)
	for _, key := range requestKinds {
		for _, fate := range []loss{lost, unheard} {
			t.Run(fmt.Sprintf("%s/%d", key.Name(), fate), func(t *testing.T) {
				t.Parallel()
				inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
					dice, hits := rand.New(rand.NewPCG(1, uint64(key))), 0
					w.wire.Decide(func(k kmsg.Key) loss {
						if k != key || (hits > 0 && dice.IntN(4) > 0) {
							return arrives
						}
						hits++
						return fate
					})
					w.lives(3, life)
					if hits == 0 {
						t.Error("no request was lost: the test shows nothing")
					}
					w.fresh(w.verify(w.complete))
				})
			})
		}
	}
}

// lives lets workers work one after the other, each drained.
func (w *world) lives(n int, each time.Duration) {
	w.t.Helper()
	for range n {
		w.run(each)
	}
}

// TestBrokerRefusals gives every kind of request the answers that mean "not now".
func TestBrokerRefusals(t *testing.T) {
	long(t)
	coordinator := []*kerr.Error{kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator}
	leader := []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut}
	for key, answers := range map[kmsg.Key][]*kerr.Error{
		kmsg.InitProducerID: coordinator, kmsg.AddPartitionsToTxn: coordinator, kmsg.EndTxn: coordinator,
		kmsg.FindCoordinator: coordinator[1:3], kmsg.Produce: leader, kmsg.Fetch: leader, kmsg.ListOffsets: leader[:1],
	} {
		for _, answer := range answers {
			t.Run(key.Name()+"/"+answer.Message, func(t *testing.T) {
				t.Parallel()
				inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
					fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: answer, Count: 8})
					w.lives(3, life)
					fault.Remove()
					if fault.Hits() != 8 {
						t.Errorf("%d faults given, want 8", fault.Hits())
					}
					w.fresh(w.verify(w.complete))
				})
			})
		}
	}
}

// TestBrokersAway takes the brokers away for ten minutes, at the start and in the middle.
func TestBrokersAway(t *testing.T) {
	for _, before := range []time.Duration{0, 30 * time.Minute} {
		t.Run(before.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
				if before == 0 {
					w.wire.Cut(kafkaAddr)
				}
				stop := w.start()
				time.Sleep(before)
				w.wire.Cut(kafkaAddr)
				time.Sleep(2 * time.Minute)
				for range 8 {
					time.Sleep(time.Minute)
					if code, _ := w.get("/healthz"); code != http.StatusOK {
						t.Errorf("/healthz %d", code)
					}
					if code, _ := w.get("/readyz"); code != http.StatusServiceUnavailable {
						t.Errorf("/readyz %d", code)
					}
					if s := w.status(); s.KafkaTrouble == nil || w.metric("convstream_kafka_trouble") != 1 {
						t.Errorf("neither /status nor /metrics know of the trouble: %+v", s)
					}
				}
				w.wire.Mend()
				time.Sleep(30 * time.Minute)
				if code, body := w.get("/readyz"); code != http.StatusOK {
					t.Errorf("after: /readyz %d %s", code, body)
				}
				if err := stop(); err != nil {
					w.t.Fatal(err)
				}
				w.logged("nothing can be committed", 1)
				w.logged("committing again", 1)
				w.logged("kafka: trying again", 1)
				w.fresh(w.verify(w.complete))
			})
		})
	}
}

// TestCommitsFailWhileRecoveryWorks: one line in and one out even where every attempt gets as far as a commit.
func TestCommitsFailWhileRecoveryWorks(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		stop := w.start()
		time.Sleep(10 * time.Minute)
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		time.Sleep(20 * time.Minute)
		fault.Remove()
		time.Sleep(20 * time.Minute)
		if err := stop(); err != nil {
			w.t.Fatal(err)
		}
		w.logged("nothing can be committed", 1)
		w.logged("committing again", 1)
		w.fresh(w.verify(w.complete))
	})
}
