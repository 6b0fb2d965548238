package producer

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// script is a worker's day in short: it publishes five rounds and ends when all are committed. After an error it does
// what a worker does: acquire, recover, and go on after the last round in state. It returns how many errors Commit
// and the others returned.
func script(t *testing.T, p *Producer) (failures int, last error) {
	t.Helper()
	const rounds = 5
	for done := -1; done < rounds-1; {
		if err := p.Acquire(t.Context()); err != nil {
			t.Fatalf("acquire: %v", err)
		}
		done = recovered(t, p)
		for done < rounds-1 {
			next := done + 1
			if err := p.Commit(t.Context(), rows(voice, fmt.Sprint(next), 20), closeWith(fmt.Sprint(next))); err != nil {
				failures, last = failures+1, err
				break
			}
			done = next
		}
	}
	if got := recovered(t, p); got != rounds-1 {
		t.Errorf("state ends with %d, want %d", got, rounds-1)
	}
	return failures, last
}

// recovered returns the number of the last committed round, or -1.
func recovered(t *testing.T, p *Producer) int {
	t.Helper()
	last := -1
	err := p.NewReader(state, 0).CatchUp(t.Context(), func(m Message) error {
		if want := fmt.Sprint(last + 1); string(m.Value) != want {
			t.Errorf("state gives %s, want %s", m.Value, want)
		}
		last++
		return nil
	})
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	return last
}

// onlyOnce checks with an independent client that every row of every round is in the topics once, in order.
func (w *world) onlyOnce(rounds int) {
	w.t.Helper()
	want := map[string]int{}
	for i := range rounds {
		for _, r := range rows(voice, fmt.Sprint(i), 20) {
			want[string(r.Value)] = 1
		}
	}
	if got := w.count(voice); !maps.Equal(got, want) {
		w.t.Errorf("%d values, want %d, each once: %v", len(got), len(want), got)
	}
	lastRound := map[string]string{}
	for _, r := range w.seen(voice) {
		if before := lastRound[string(r.Key)]; before > string(r.Value) {
			w.t.Errorf("%s after %s", r.Value, before)
		}
		lastRound[string(r.Key)] = string(r.Value)
	}
}

// TestEveryRequestLostTwice loses each kind of request before it took effect, and after: once, and three times in a row.
// None of it may come up as an error, since trying again is safe, and none may show twice.
func TestEveryRequestLostTwice(t *testing.T) {
	keys := []kmsg.Key{
		kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.FindCoordinator, kmsg.ApiVersions,
		kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn,
	}
	for _, key := range keys {
		for _, after := range []bool{false, true} {
			for _, times := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/after=%t/%dx", key.Name(), after, times), func(t *testing.T) {
					inWorld(t, 3, func(t *testing.T, w *world) {
						c := &cut{dial: w.network.DialContext, key: key, after: after, times: times}
						p := w.open(func(cfg *Config) { cfg.Dial = c.DialContext })
						if failures, err := script(t, p); failures > 0 {
							t.Errorf("%d failures, the last: %v", failures, err)
						}
						if c.hits != times {
							t.Errorf("the wire was cut %d times, want %d", c.hits, times)
						}
						w.onlyOnce(5)
					})
				})
			}
		}
	}
}

// TestEveryRetriableAnswer answers each request with the errors that are retriable. REQUEST_TIMED_OUT and
// NOT_ENOUGH_REPLICAS_AFTER_APPEND come although the broker did the work.
func TestEveryRetriableAnswer(t *testing.T) {
	coordinator := []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.ConcurrentTransactions}
	leader := []*kerr.Error{kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError}
	table := []struct {
		key  kmsg.Key
		errs []*kerr.Error
	}{
		{kmsg.FindCoordinator, []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable}},
		{kmsg.InitProducerID, append([]*kerr.Error{kerr.RequestTimedOut}, coordinator...)},
		{kmsg.AddPartitionsToTxn, append([]*kerr.Error{kerr.UnknownTopicOrPartition}, coordinator...)},
		{kmsg.Produce, append([]*kerr.Error{
			kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.ConcurrentTransactions,
		}, leader...)},
		{kmsg.EndTxn, append([]*kerr.Error{kerr.RequestTimedOut}, coordinator...)},
		{kmsg.Fetch, append([]*kerr.Error{kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch}, leader...)},
		{kmsg.ListOffsets, leader},
	}
	for _, row := range table {
		for _, answer := range row.errs {
			t.Run(row.key.Name()+"/"+answer.Message, func(t *testing.T) {
				inWorld(t, 3, func(t *testing.T, w *world) {
					p := w.open()
					fault := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{row.key}, Err: answer, Count: 4})
					if failures, err := script(t, p); failures > 0 {
						t.Errorf("%d failures, the last: %v", failures, err)
					}
					if fault.Hits() != 4 {
						t.Errorf("%d faults given, want 4", fault.Hits())
					}
					w.onlyOnce(5)
				})
			})
		}
	}
}

// TestEveryFinalAnswer answers each request with errors that end the epoch.
func TestEveryFinalAnswer(t *testing.T) {
	table := []struct {
		key      kmsg.Key
		err      *kerr.Error
		category Category
	}{
		{kmsg.AddPartitionsToTxn, kerr.ProducerFenced, Fenced},
		{kmsg.AddPartitionsToTxn, kerr.InvalidProducerEpoch, Fenced},
		{kmsg.AddPartitionsToTxn, kerr.InvalidProducerIDMapping, Lost},
		{kmsg.AddPartitionsToTxn, kerr.InvalidTxnState, Lost},
		{kmsg.AddPartitionsToTxn, kerr.TransactionalIDAuthorizationFailed, Denied},
		{kmsg.Produce, kerr.InvalidProducerEpoch, Fenced},
		{kmsg.Produce, kerr.OutOfOrderSequenceNumber, Lost},
		{kmsg.Produce, kerr.UnknownProducerID, Lost},
		{kmsg.Produce, kerr.InvalidTxnState, Lost},
		{kmsg.Produce, kerr.TopicAuthorizationFailed, Denied},
		{kmsg.Produce, kerr.MessageTooLarge, Refused},
		{kmsg.Produce, kerr.InvalidTimestamp, Refused},
		{kmsg.Produce, kerr.InvalidRecord, Refused},
		{kmsg.Produce, kerr.UnsupportedCompressionType, Settings},
		{kmsg.Produce, kerr.UnknownServerError, Unexpected},
		{kmsg.EndTxn, kerr.ProducerFenced, Fenced},
		{kmsg.EndTxn, kerr.InvalidProducerEpoch, Fenced},
		{kmsg.EndTxn, kerr.InvalidTxnState, Lost},
		{kmsg.EndTxn, kerr.InvalidProducerIDMapping, Lost},
	}
	for _, row := range table {
		t.Run(row.key.Name()+"/"+row.err.Message, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				p := w.open()
				w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{row.key}, Err: row.err})
				failures, err := script(t, p)
				e, ok := errors.AsType[*Error](err)
				if failures != 1 || !ok || e.Category != row.category {
					t.Errorf("%d failures, the last %v; want one of category %s", failures, err, row.category)
				}
				if errors.Is(err, ErrFenced) != (row.category == Fenced) {
					t.Errorf("ErrFenced: %v", err)
				}
				if _, ok := errors.AsType[*RefusedError](err); ok != (row.category == Refused) {
					t.Errorf("RefusedError: %v", err)
				}
				w.onlyOnce(5)
			})
		})
	}
}

// TestRandomFaults throws all of it at once, answers that end the epoch among them, and moves leaders and coordinators.
func TestRandomFaults(t *testing.T) {
	first := uint64(time.Now().UnixNano())
	for seed := first; seed < first+30; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 0))
				keys := []kmsg.Key{kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn, kmsg.Fetch}
				c := &cut{dial: w.network.DialContext, key: keys[r.IntN(len(keys))], after: r.IntN(2) == 0, times: r.IntN(6)}
				p := w.open(func(cfg *Config) { cfg.Dial = c.DialContext })
				answers := []*kerr.Error{
					kerr.ConcurrentTransactions, kerr.NotCoordinator, kerr.RequestTimedOut, kerr.NotLeaderForPartition,
					kerr.NotEnoughReplicasAfterAppend, kerr.ProducerFenced, kerr.InvalidTxnState, kerr.UnknownServerError,
				}
				for range r.IntN(5) {
					skip := r.IntN(4)
					w.kafka.Fault(kfake.Fault{
						Keys: []kmsg.Key{keys[1+r.IntN(3)]}, Err: answers[r.IntN(len(answers))], Count: 1 + r.IntN(3),
						When: func(kmsg.Request) bool { skip--; return skip < 0 },
					})
				}
				var moves sync.WaitGroup
				defer moves.Wait()
				moves.Go(func() {
					for range 3 {
						time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
						w.kafka.ShufflePartitionLeaders()
						w.kafka.RehashCoordinators()
					}
				})
				failures, last := script(t, p)
				t.Logf("%d failures, the last: %v", failures, last)
				w.onlyOnce(5)
			})
		})
	}
}
