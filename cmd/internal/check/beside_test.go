package check

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/producer"
)

// withoutCoordinators is a cluster whose internal topics cannot be made.
func (w *world) withoutCoordinators() {
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
}

// leaderless is a cluster in which nobody leads two partitions of a topic.
func (w *world) leaderless() {
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: prefix + "voice", Partitions: []int32{2, 4}, Err: kerr.LeaderNotAvailable, Count: -1})
}

// foreignMember has another consumer in our group.
func (w *world) foreignMember() {
	c, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"), kgo.Dialer(w.network.DialContext), kgo.ConsumerGroup(prefix+"convstream-lease"), kgo.ConsumeTopics(prefix+"voice"))
	w.must(err)
	w.closes = append(w.closes, c.Close)
	_, err = w.cluster.WaitGroupStable(w.t.Context(), prefix+"convstream-lease", 1)
	w.must(err)
}

// TestTakesNothing from a worker that runs: it commits in its epoch before and after, whether the check sees it in the group or not,
// and the group does not rebalance.
func TestTakesNothing(t *testing.T) {
	for _, member := range []bool{false, true} {
		t.Run(fmt.Sprintf("member=%t", member), func(t *testing.T) {
			inWorld(t, func(*plan) {}, func(w *world) {
				if member {
					w.member()
				}
				works := w.worker()
				group := w.cluster.GroupInfo(prefix + "convstream-lease")
				if text := w.text(); !strings.Contains(text, " 0 FAIL") || strings.Contains(text, "members: 1") != member {
					t.Error(text)
				}
				w.must(works())
				if now := w.cluster.GroupInfo(prefix + "convstream-lease"); !reflect.DeepEqual(now, group) {
					t.Errorf("the group was %+v, is %+v", group, now)
				}
			})
		})
	}
}

// worker is a producer as a worker has it, in the middle of its epoch; works commits once more.
func (w *world) worker() (works func() error) {
	cluster := producer.Cluster{Brokers: []string{"localhost:9092"}, ClientID: "worker", Dial: w.dial, Log: zerolog.Nop()}
	p, err := producer.Open(producer.Config{Cluster: cluster, TransactionalID: prefix + "convstream." + accountID})
	w.must(err)
	w.closes = append(w.closes, p.Close)
	w.must(p.EnsureTopics(w.t.Context(), false, []producer.Topic{{Name: prefix + "voice"}}))
	w.must(p.Acquire(w.t.Context()))
	works = func() error {
		return p.Commit(w.t.Context(), []producer.Record{{Topic: prefix + "voice", Key: []byte("k"), Value: []byte("v")}}, nil)
	}
	w.must(works())
	return works
}

// member joins the group as a replica does.
func (w *world) member() {
	cluster := producer.Cluster{Brokers: []string{"localhost:9092"}, ClientID: "worker", Dial: w.dial, Log: zerolog.Nop()}
	m, err := producer.OpenMember(cluster, producer.MemberConfig{Group: prefix + "convstream-lease", Topic: prefix + "state", Name: "worker", Timeout: 10 * time.Second})
	w.must(err)
	ctx, leave := context.WithCancel(w.t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	w.closes = append(w.closes, func() {
		leave()
		w.must(<-done)
		m.Close()
	})
	_, err = w.cluster.WaitGroupStable(w.t.Context(), prefix+"convstream-lease", 1)
	w.must(err)
}
