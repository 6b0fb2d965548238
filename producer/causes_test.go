package producer

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// heard is what a Config's OnWait was told.
type heard struct {
	mu   sync.Mutex
	last string
}

func (h *heard) tell(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = what
}

func (h *heard) now() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// hanging is a transaction of somebody else on the state, which stays open until end is called.
func (w *world) hanging() (end func()) {
	w.t.Helper()
	other, err := kgo.NewClient(kgo.SeedBrokers(w.kafka.ListenAddrs()...), kgo.Dialer(w.network.DialContext), kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(other.Close)
	if err := errors.Join(other.BeginTransaction(), other.ProduceSync(w.t.Context(), &kgo.Record{Topic: state, Key: []byte("k"), Value: []byte("open")}).FirstErr()); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := other.EndTransaction(w.t.Context(), kgo.TryAbort); err != nil {
			w.t.Error(err)
		}
	}
}

// TestHangingTransaction: who recovers says after seconds what it waits for, who follows after a minute, with the command that ends it;
// and when it has ended, that it waits no longer.
func TestHangingTransaction(t *testing.T) {
	const command = "kafka-transactions.sh --bootstrap-server localhost:9092 abort --topic conversations.state --partition 0 --start-offset 0"
	for name, c := range map[string]struct {
		read  func(context.Context, *Reader) error
		quiet time.Duration
	}{
		"recovery": {func(ctx context.Context, r *Reader) error { return r.CatchUp(ctx, func(Message) error { return nil }) }, stallWarning},
		"standby":  {func(ctx context.Context, r *Reader) error { return r.Follow(ctx, func(Message) error { return nil }) }, followStallWarning},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				var h heard
				p := w.acquired(func(c *Config) { c.OnWait = h.tell })
				end := w.hanging()
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- c.read(ctx, p.NewReader(state, 0)) }()
				time.Sleep(c.quiet - time.Second)
				if says := h.now(); says != "" {
					t.Errorf("too early: %s", says)
				}
				time.Sleep(15 * time.Second)
				if says := h.now(); !strings.Contains(says, "another producer has open") || !strings.Contains(says, command) {
					t.Errorf("it says %q", says)
				}
				end()
				time.Sleep(15 * time.Second)
				if says := h.now(); says != "" {
					t.Errorf("still: %s", says)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestShortTransactions: where brokers allow less than 30 s, less is used, and the log says so.
func TestShortTransactions(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.kafka.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			if r.(*kmsg.InitProducerIDRequest).TransactionTimeoutMillis <= 10_000 {
				return nil, nil, false
			}
			answer := r.ResponseKind().(*kmsg.InitProducerIDResponse)
			answer.ErrorCode = kerr.InvalidTransactionTimeout.Code
			return answer, nil, true
		})
		var log strings.Builder
		p := w.acquired(func(c *Config) { c.Log = zerolog.New(&log) })
		if err := p.Commit(t.Context(), rows(voice, "row", 1), closeWith("x")); err != nil {
			t.Fatal(err)
		}
		if says := log.String(); p.cfg.TransactionTimeout != 7500*time.Millisecond || strings.Count(says, "transaction.max.timeout.ms") != 2 {
			t.Errorf("%v; the log says %s", p.cfg.TransactionTimeout, says)
		}
		p.cfg.TransactionTimeout = defaultTransactionTimeout // the brokers have just been set so
		p.session.requestPending = true                      // and an answer was lost
		if err := p.Commit(t.Context(), rows(voice, "row", 1), closeWith("x")); err != nil {
			t.Errorf("a commit that takes a new epoch: %v", err)
		}
	})
}

// answeringWith has the cluster answer all requests of a kind with a code.
func (w *world) answeringWith(key kmsg.Key, set func(kmsg.Response)) {
	w.kafka.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		answer := r.ResponseKind()
		set(answer)
		return answer, nil, true
	})
}

// TestNoCoordinator: of a cluster that cannot make its internal topics, the error says so, for transactions and for the group; the
// group's coordinator is asked for in so many words, since a broker says only that it is not it.
func TestNoCoordinator(t *testing.T) {
	none := func(r kmsg.Response) {
		answer := r.(*kmsg.FindCoordinatorResponse)
		answer.ErrorCode = kerr.CoordinatorNotAvailable.Code
		for i := range answer.Coordinators {
			answer.Coordinators[i].ErrorCode = answer.ErrorCode
		}
	}
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open()
		w.answeringWith(kmsg.FindCoordinator, none)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := p.Acquire(ctx); err == nil || !strings.Contains(err.Error(), "transaction.state.log.replication.factor") {
			t.Errorf("acquire: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		g := &group{cluster: p.cluster.Load(), id: "lease"}
		err := g.cluster.retry(ctx, "join", func(ctx context.Context) error { return g.coordinatorError(ctx, brokerError(kerr.NotCoordinator.Code)) })
		if e := failure("join", err); !strings.Contains(e.Error(), "[15]") || !strings.Contains(e.Hint, "__consumer_offsets") {
			t.Errorf("join: %v", e)
		}
	})
}

// TestAdvertisedAddress: a broker whose own address does not resolve is named, and the setting that says it.
func TestAdvertisedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		cluster, err := kfake.NewCluster(kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.NumBrokers(1), kfake.SeedTopics(1, voice))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		dial := func(ctx context.Context, n, address string) (net.Conn, error) {
			if address == "bootstrap:9092" {
				return network.DialContext(ctx, n, cluster.ListenAddrs()[0])
			}
			return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
		}
		p, err := Open(Config{Cluster: Cluster{Brokers: []string{"bootstrap:9092"}, ClientID: "test", Dial: dial}, TransactionalID: txnID})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err = p.EnsureTopics(ctx, false, []Topic{{Name: voice}})
		if err == nil {
			err = p.Acquire(ctx)
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || !strings.Contains(e.Error(), cluster.ListenAddrs()[0]) || !strings.Contains(e.Error(), "no such host") || !strings.Contains(e.Hint, "advertised.listeners") {
			t.Errorf("error %v", err)
		}
	})
}

// TestSilentPort: of what takes connections and waits for more, the error says what it may want.
func TestSilentPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		answering(t, network, "", false)
		ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
		defer cancel()
		_, err := Topics(ctx, Cluster{Brokers: []string{"127.0.0.1:9092"}, ClientID: "test", Dial: network.DialContext}, "")
		if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Error(), "does not answer") || !strings.Contains(e.Hint, "KAFKA_TLS") {
			t.Errorf("error %v", err)
		}
	})
}
