package fleet

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

// TestReadinessNamesTheOpenTransaction: behind a transaction on the state that somebody has left open, a standby and one that recovers
// say that they are not ready, and with which command that ends; when it has, they are.
func TestReadinessNamesTheOpenTransaction(t *testing.T) {
	t.Parallel()
	const command = "kafka-transactions.sh --bootstrap-server"
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		first, second := w.replica(), w.replica()
		active, _ := w.awaitActive(time.Minute, first, second)
		standby := second
		if active == second {
			standby = first
		}
		time.Sleep(5 * time.Minute)
		other, err := kgo.NewClient(kgo.SeedBrokers(kafkaAddr), kgo.Dialer(w.network.DialContext), kgo.TransactionalID("other"), kgo.TransactionTimeout(15*time.Minute))
		w.must(err)
		defer other.Close()
		w.must(errors.Join(other.BeginTransaction(), other.ProduceSync(context.Background(), &kgo.Record{Topic: stateName, Key: []byte("other/k")}).FirstErr()))
		says := func(when string, r *replica, code int, texts ...string) {
			got, body := w.getFrom(r.addr, "/readyz")
			if got != code {
				t.Errorf("%s: /readyz %d %s", when, got, body)
			}
			w.says(body, texts...)
		}
		time.Sleep(3 * time.Minute)
		says("active", active, http.StatusOK)
		says("standby", standby, http.StatusServiceUnavailable, "could not take over", command)
		w.must(active.stop())
		time.Sleep(30 * time.Second)
		says("takes over", standby, http.StatusServiceUnavailable, command)
		w.must(other.EndTransaction(context.Background(), kgo.TryAbort))
		time.Sleep(2 * time.Minute)
		says("it has ended", standby, http.StatusOK)
		w.must(standby.stop())
		w.settled()
	})
}

// TestProducerForgotten: brokers that forget the producer between the takeover and each commit are named with the setting, and a worker
// that has never committed is not ready.
func TestProducerForgotten(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		var barrier int16 = -1 // epoch whose first transaction has begun
		w.cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			req := r.(*kmsg.AddPartitionsToTxnRequest)
			if barrier != req.ProducerEpoch {
				barrier = req.ProducerEpoch
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
			for _, topic := range req.Topics {
				answer := kmsg.AddPartitionsToTxnResponseTopic{Topic: topic.Topic}
				for _, id := range topic.Partitions {
					answer.Partitions = append(answer.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: id, ErrorCode: kerr.InvalidProducerIDMapping.Code})
				}
				resp.Topics = append(resp.Topics, answer)
			}
			return resp, nil, true
		})
		stop := w.start()
		time.Sleep(10 * time.Minute)
		code, body := w.get("/readyz")
		if code != http.StatusServiceUnavailable {
			t.Errorf("/readyz %d %s", code, body)
		}
		_, status := w.get("/status")
		w.says(status, "transactional.id.expiration.ms")
		w.must(stop())
	})
}
