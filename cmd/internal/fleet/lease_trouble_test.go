package fleet

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

func groupRequest(k kmsg.Key) bool {
	return k == kmsg.JoinGroup || k == kmsg.SyncGroup || k == kmsg.Heartbeat
}

// notTakingPart holds what a worker that is out of the election says of itself.
func (w *world) notTakingPart(r *replica) {
	w.t.Helper()
	if code, body := w.getFrom(r.addr, "/readyz"); code != http.StatusServiceUnavailable {
		w.t.Errorf("/readyz %d %s", code, body)
	}
	if _, body := w.getFrom(r.addr, "/metrics"); !strings.Contains(body, "\n"+labelled("convstream_kafka_trouble")+" 1\n") {
		w.t.Error("convstream_kafka_trouble is not 1")
	}
	w.logged("no part in the election of the active worker", 1)
}

// TestNobodyCanBeElected: a worker that starts while the coordinator is away, or may not read the group, says so once and
// begins when it can.
func TestNobodyCanBeElected(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.GroupAuthorizationFailed} {
		t.Run(code.Message, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
				fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: code, Count: -1})
				r := w.replica()
				time.Sleep(time.Hour)
				w.notTakingPart(r)
				fault.Remove()
				w.awaitActive(time.Minute, r)
				time.Sleep(10 * time.Minute)
				w.must(r.stop())
				w.logged("recovered; committing again", 1)
				w.settled()
			})
		})
	}
}

// TestAStandbyOutOfTheElection: one whose group requests fail is not ready, and works when it can after the other has gone.
func TestAStandbyOutOfTheElection(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		active := w.replica()
		w.awaitActive(10*time.Second, active)
		standby := w.replica()
		time.Sleep(5 * time.Minute)
		standby.wire.Decide(func(k kmsg.Key) loss {
			if groupRequest(k) {
				return lost
			}
			return arrives
		})
		time.Sleep(10 * time.Minute)
		w.notTakingPart(standby)
		w.must(active.stop())
		time.Sleep(10 * time.Minute)
		w.notTakingPart(standby)
		standby.wire.Decide(nil)
		w.awaitActive(time.Minute, standby)
		time.Sleep(10 * time.Minute)
		w.must(standby.stop())
		w.settled()
	})
}

// TestADrainFinishesItsCommit also where a standby waits for the lease.
func TestADrainFinishesItsCommit(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		active := w.replica()
		w.awaitActive(10*time.Second, active)
		standby := w.replica()
		time.Sleep(5 * time.Minute)
		met := make(chan struct{}, 100)
		active.wire.LateBy = 3 * time.Second
		active.wire.Decide(func(k kmsg.Key) loss {
			if k == kmsg.AddPartitionsToTxn {
				met <- struct{}{}
				return late
			}
			return arrives
		})
		<-met
		before := active.Status().Poller.Sequence
		w.must(active.stop())
		if after := active.Status().Poller.Sequence; after != before+1 {
			t.Errorf("%d commits before the drain, %d after it", before, after)
		}
		w.awaitActive(10*time.Second, standby)
		time.Sleep(10 * time.Minute)
		w.must(standby.stop())
		w.settled()
	})
}

// TestATopicGrowsWhileStandingBy: who takes over knows the topics as they are by then.
func TestATopicGrowsWhileStandingBy(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		active := w.replica()
		w.awaitActive(10*time.Second, active)
		standby := w.replica()
		time.Sleep(5 * time.Minute)
		w.request(func(ctx context.Context, c *kgo.Client) error {
			req := kmsg.NewPtrCreatePartitionsRequest()
			topic := kmsg.NewCreatePartitionsRequestTopic()
			topic.Topic, topic.Count = "conversations.voice", 12
			req.Topics, req.TimeoutMillis = append(req.Topics, topic), 1000
			_, err := req.RequestWith(ctx, c)
			return err
		})
		time.Sleep(30 * time.Minute)
		w.must(active.stop())
		w.awaitActive(20*time.Second, standby)
		time.Sleep(2 * time.Hour)
		w.must(standby.stop())
		if !slices.ContainsFunc(w.stored(), func(s stored) bool { return s.partition >= 6 }) {
			t.Error("nothing was published to the new partitions")
		}
		w.logged("deleted or truncated", 0)
		w.verify(w.complete) // order per conversation is lost where keys move; the judge counts per partition
	})
}

// TestStateMadeAnewBehindAStandby: the state topic is deleted, made anew by the active worker, and grows beyond where a
// standby stands that hears nothing meanwhile. What that one remembers is not what the topic says: it reads it again.
func TestStateMadeAnewBehindAStandby(t *testing.T) {
	long(t)
	t.Parallel()
	inWorld(t, simulator.Config{History: 2 * time.Hour, PerMinute: 2}, map[string]string{"START_FROM": "2h", "STATE_LOST": "resume"}, func(w *world) {
		active := w.replica()
		w.awaitActive(10*time.Second, active)
		time.Sleep(40 * time.Minute)
		standby := w.replica()
		time.Sleep(time.Minute)
		standby.wire.Cut(kafkaAddr)
		time.Sleep(20 * time.Minute)
		w.must(w.cluster.DeleteTopic(stateName))
		time.Sleep(4 * time.Hour)
		standby.wire.Mend()
		time.Sleep(3 * time.Minute)
		w.must(active.stop())
		w.awaitActive(time.Minute, standby)
		time.Sleep(30 * time.Minute)
		w.must(standby.stop())
		w.logged("is made anew (STATE_LOST=resume)", 1) // by the one that was at work
		w.verify(w.complete)
	})
}

// TestStateDeletedUnderAStandby: a standby whose memory is whole does not go on with a topic that has lost its beginning: who starts next
// would find the state lost.
func TestStateDeletedUnderAStandby(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		active := w.replica()
		w.awaitActive(5*time.Second, active)
		standby := w.replica()
		time.Sleep(10 * time.Minute)
		w.must(w.cluster.DeleteRecords(stateName, 0, w.cluster.PartitionInfo(stateName, 0).LastStableOffset/2))
		w.must(active.stop())
		select {
		case <-w.ended:
		case <-time.After(time.Minute):
			t.Errorf("it goes on as %s\n%s", standby.Role(), w.log.tail())
		}
		if err := standby.stop(); err == nil || !strings.Contains(err.Error(), "state is lost") {
			t.Errorf("it ended with %v", err)
		}
	})
}
