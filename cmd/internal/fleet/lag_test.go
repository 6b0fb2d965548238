package fleet

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller/simulator"
)

// TestLastStableOffsetLag: it shows a transaction that somebody has left open, while the worker works, and while it waits for
// the end of that transaction; it costs a few requests a minute, and has no value while the brokers do not answer.
func TestLastStableOffsetLag(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		lag := func(topic string) float64 {
			w.t.Helper()
			return w.series("convstream_last_stable_offset_lag", "topic")[topic]
		}
		stop := w.start()
		time.Sleep(5 * time.Minute)
		if state, progress := lag(stateName), lag(progressName); state > 50 || progress > 5 {
			t.Errorf("nothing is open: state %v, progress %v", state, progress)
		}
		var looks atomic.Int64
		w.wire.Decide(func(k kmsg.Key) loss {
			if k == kmsg.ListOffsets {
				looks.Add(1)
			}
			return arrives
		})
		other, err := kgo.NewClient(kgo.SeedBrokers(kafkaAddr), kgo.Dialer(w.network.DialContext), kgo.TransactionalID("other"), kgo.TransactionTimeout(15*time.Minute))
		w.must(err)
		defer other.Close()
		w.must(errors.Join(other.BeginTransaction(), other.ProduceSync(context.Background(), &kgo.Record{Topic: stateName, Key: []byte("other/k")}).FirstErr()))
		time.Sleep(10 * time.Minute)
		if state, progress := lag(stateName), lag(progressName); state < 20 || progress > 5 {
			t.Errorf("a transaction is open in state: state %v, progress %v", state, progress)
		}
		if n := looks.Load(); n < 2*2*20-2 || n > 2*2*21+2 { // two topics, two questions
			t.Errorf("%d requests in 10 minutes", n)
		}
		w.wire.Decide(nil)
		w.must(stop())
		stop = w.start()
		time.Sleep(time.Minute)
		if w.worker.Role() == admin.Active {
			t.Error("the state was read although a transaction is open")
		}
		if state := lag(stateName); state < 20 {
			t.Errorf("while it waits: state %v", state)
		}
		w.must(other.EndTransaction(context.Background(), kgo.TryAbort))
		time.Sleep(2 * time.Minute)
		if state := lag(stateName); state > 50 {
			t.Errorf("after it has ended: state %v", state)
		}
		w.wire.CutBrokers()
		time.Sleep(time.Minute)
		if all := w.series("convstream_last_stable_offset_lag", "topic"); len(all) > 0 {
			t.Errorf("the brokers are away: %v", all)
		}
		w.wire.Mend()
		time.Sleep(2 * time.Minute)
		w.must(stop())
		w.settled()
	})
}
