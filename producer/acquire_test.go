package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// epochs notes the requests for an epoch.
type epochs struct {
	mu  sync.Mutex
	all []kmsg.InitProducerIDRequest
}

func (w *world) epochs() *epochs {
	e := &epochs{}
	w.kafka.ControlKey(int16(kmsg.InitProducerID), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafka.KeepControl()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, *r.(*kmsg.InitProducerIDRequest))
		return nil, nil, false
	})
	return e
}

// TestAcquireWithoutID: a Producer that only reads has none to acquire, and asks nobody.
func TestAcquireWithoutID(t *testing.T) {
	p, err := Open(Config{Cluster: Cluster{Brokers: []string{"127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Acquire(t.Context()); err == nil || !strings.Contains(err.Error(), "no transactional id") {
		t.Errorf("Acquire: %v", err)
	}
	if err := p.Commit(t.Context(), nil, nil); !errors.Is(err, ErrNotAcquired) {
		t.Errorf("Commit: %v", err)
	}
	if err := p.Barrier(t.Context(), barrier); !errors.Is(err, ErrNotAcquired) {
		t.Errorf("Barrier: %v", err)
	}
}

// TestAcquireRefused: what somebody has to correct is returned at once, with the command; what passes is waited for.
func TestAcquireRefused(t *testing.T) {
	for _, c := range []struct {
		key      kmsg.Key
		err      *kerr.Error
		category Category
		hint     string
		waits    bool
	}{
		{kmsg.FindCoordinator, kerr.TransactionalIDAuthorizationFailed, Denied, "--operation Write --transactional-id " + txnID, false},
		{kmsg.InitProducerID, kerr.TransactionalIDAuthorizationFailed, Denied, "--operation Write --transactional-id " + txnID, false},
		{kmsg.InitProducerID, kerr.InvalidTransactionTimeout, Settings, "transaction.max.timeout.ms", false},
		{kmsg.InitProducerID, kerr.ProducerFenced, Fenced, "", false},
		{kmsg.InitProducerID, kerr.ConcurrentTransactions, Coordinator, "", true},
		{kmsg.FindCoordinator, kerr.CoordinatorNotAvailable, Coordinator, "transaction.state.log.replication.factor", true},
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			p := w.acquired()
			w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Err: c.err, Count: -1})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			err := p.Acquire(ctx)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Category != c.category || !strings.Contains(e.Hint, c.hint) || e.Op != "acquire transactional id "+txnID || (time.Since(begun) == time.Minute) != c.waits {
				t.Errorf("%s %v: %v after %v", c.key.Name(), c.err, err, time.Since(begun))
			}
			if err := p.Commit(t.Context(), rows(voice, "x", 1), nil); !errors.Is(err, ErrNotAcquired) {
				t.Errorf("%s %v: a commit in the epoch before: %v", c.key.Name(), c.err, err)
			}
		})
	}
}

// TestShorten halves down to a second, and not below.
func TestShorten(t *testing.T) {
	var log strings.Builder
	p := &Producer{cfg: Config{TransactionTimeout: 10 * time.Second, Cluster: Cluster{Log: zerolog.New(&log)}}}
	var got []time.Duration
	for p.shorten() {
		got = append(got, p.cfg.TransactionTimeout)
	}
	want := []time.Duration{5 * time.Second, 2500 * time.Millisecond, 1250 * time.Millisecond}
	if !slices.Equal(got, want) || p.cfg.TransactionTimeout != want[2] || strings.Count(log.String(), "trying with less") != 3 {
		t.Errorf("%v, then %v; the log:\n%s", got, p.cfg.TransactionTimeout, &log)
	}
}

// TestEpochs: Acquire asks for the next epoch whatever it is now. A commit asks for one only after a request was given up, and names its
// own: a worker that was fenced meanwhile is refused, and fences nobody.
func TestEpochs(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		asked := w.epochs()
		p := w.acquired(func(c *Config) { c.TransactionTimeout = 20 * time.Second })
		commit := func() error { return p.Commit(t.Context(), rows(voice, fmt.Sprint(len(asked.all)), 1), nil) }
		for range 3 {
			if err := commit(); err != nil {
				t.Fatal(err)
			}
		}
		id, epoch := p.session.producerID, p.session.epoch
		p.session.requestPending = true
		if err := commit(); err != nil || p.session.requestPending || p.session.epoch != epoch+1 || p.session.producerID != id {
			t.Fatalf("%v; epoch %d after %d", err, p.session.epoch, epoch)
		}
		if err := commit(); err != nil {
			t.Fatal(err)
		}
		if len(asked.all) != 2 {
			t.Fatalf("%d requests for an epoch, want 2", len(asked.all))
		}
		if r := asked.all[0]; r.ProducerID != -1 || r.ProducerEpoch != -1 || *r.TransactionalID != txnID || r.TransactionTimeoutMillis != 20000 {
			t.Errorf("Acquire asks %+v", r)
		}
		if r := asked.all[1]; r.ProducerID != int64(id) || int(r.ProducerEpoch) != epoch || *r.TransactionalID != txnID || r.TransactionTimeoutMillis != 20000 {
			t.Errorf("in epoch %d of %d it asks %+v", epoch, id, r)
		}
		p.session.requestPending = true
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ProducerFenced})
		if err := commit(); !errors.Is(err, ErrFenced) || p.session != nil {
			t.Errorf("fenced meanwhile: %v", err)
		}
	})
}

// TestNewEpochForgets: sequence numbers begin anew with an epoch, and the barrier of the one before is none.
func TestNewEpochForgets(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		if err := errors.Join(p.Barrier(t.Context(), barrier), p.Commit(t.Context(), rows(state, "x", 3), nil)); err != nil {
			t.Fatal(err)
		}
		at := partition{state, 0}
		if next := p.session.sequence[at]; next != 4 || p.behindBarrier(at) != 1 {
			t.Errorf("sequence number %d, behind the barrier is %d", next, p.behindBarrier(at))
		}
		for id := range p.Partitions(voice) {
			if behind := p.behindBarrier(partition{voice, id}); behind > 0 != (id == p.PartitionOf(voice, barrier[1].Key)) {
				t.Errorf("behind the barrier is %d in partition %d of %s", behind, id, voice)
			}
		}
		if err := p.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(p.session.sequence) > 0 || p.behindBarrier(at) != 0 {
			t.Errorf("sequence numbers %v, behind the barrier is %d", p.session.sequence, p.behindBarrier(at))
		}
	})
}

// TestBarrierRefused: an error ends the epoch, names no record by an index, and leaves the last barrier as it was.
func TestBarrierRefused(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.acquired()
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Topic: state})
		err := p.Barrier(t.Context(), barrier)
		if r, ok := errors.AsType[*RefusedError](err); !ok || len(r.Records) > 0 || r.Topic != state {
			t.Errorf("Barrier: %v", err)
		}
		if err := p.Commit(t.Context(), nil, nil); !errors.Is(err, ErrNotAcquired) || p.barrier != nil {
			t.Errorf("then Commit: %v, barrier %v", err, p.barrier)
		}
	})
}
