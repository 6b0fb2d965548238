package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer"
)

// keeper is a worker whose sessions a test makes one by one.
type keeper struct {
	*Worker
	world *world
	wire  *lan.Wire
}

func (w *world) keeper() *keeper {
	w.t.Helper()
	k := &keeper{world: w}
	k.Worker, k.wire = w.worker()
	return k
}

// takesOver begins a session.
func (k *keeper) takesOver() (*session, error) {
	ctx := context.Background()
	s := &session{worker: k.Worker, encoder: k.codec.plain}
	if err := s.ensureTopics(ctx); err != nil {
		return s, err
	}
	s.memory = k.recall()
	if err := s.memory.warmUp(ctx); err != nil {
		return s, err
	}
	return s, s.takeOver(ctx)
}

// works lets the session go on for so long at most: from the request of a commit that is the nth on, nothing reaches the brokers
// any more, but for that one if takesEffect.
func (k *keeper) works(s *session, most time.Duration, nth int, takesEffect bool) error {
	k.wire.Decide(func(key kmsg.Key) lan.Loss {
		if slices.Contains([]kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn}, key) {
			nth--
		}
		switch {
		case nth > 0:
			return lan.Arrives
		case nth == 0 && takesEffect:
			nth = -1
			return lan.Unheard
		}
		return lan.Lost
	})
	defer k.wire.Decide(nil)
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	return s.poll(ctx, context.Background())
}

// fresh is the memory as it is read from the beginning.
func (k *keeper) fresh() *memory {
	k.world.t.Helper()
	m := k.newMemory()
	k.world.must(m.catchUp(context.Background()))
	return m
}

// entries are all records that the memory consists of, by key.
func (m *memory) entries() (all []poller.Record) {
	state := *m.state // Snapshot changes the ledger
	_ = state.Snapshot(1000, func(part []poller.Record) error { all = append(all, part...); return nil })
	slices.SortStableFunc(all, func(a, b poller.Record) int { return bytes.Compare(a.Key, b.Key) })
	return all
}

// same fails the test where the memory is not what is read from the beginning.
func (k *keeper) same(m *memory) *memory {
	k.world.t.Helper()
	fresh := k.fresh()
	if diff := cmp.Diff(fresh.entries(), m.entries()); diff != "" {
		k.world.t.Errorf("entries: %s", diff)
	}
	if !reflect.DeepEqual(fresh.state.Ledger, m.state.Ledger) || !reflect.DeepEqual(fresh.state.Letters, m.state.Letters) {
		k.world.t.Errorf("read from the beginning: %+v\nkept: %+v", fresh.state.Ledger, m.state.Ledger)
	}
	if diff := cmp.Diff(string(fresh.state.Note), string(m.state.Note)); diff != "" {
		k.world.t.Errorf("note: %s", diff)
	}
	return fresh
}

// TestKeptMemory: commits fail at whatever request, before and after it took effect, and other workers commit between. What the
// next session goes on from is what it would read from the beginning, and it reads the end of the topic only.
func TestKeptMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("left out by -short")
	}
	forSeeds(t, func(t *testing.T, seed uint64) {
		c := simulator.Config{Seed: seed, History: time.Hour, PerMinute: 3}
		c.Faults.Poison = 0.02
		inWorld(t, c, map[string]string{"START_FROM": "1h", "POLL_INTERVAL": "30s", "TOPIC_PARTITIONS": "2", "DEDUPLICATE_IGNORE": "/nothing"}, func(w *world) {
			dice := rand.New(rand.NewPCG(seed, 4))
			one, other := w.keeper(), w.keeper()
			read, all, failed := 0, 0, 0
			for i := range 12 {
				k := one
				if dice.IntN(4) == 0 {
					k = other
				}
				may := k.memory != nil && k.memory.ledger.Key != nil && time.Since(k.memory.known) < longestKept
				s, err := k.takesOver()
				w.must(err)
				fresh := k.same(s.memory)
				if s.memory.kept {
					read, all = read+s.memory.records, all+fresh.records
				}
				if s.memory.kept != may {
					t.Errorf("session %d: kept %v, want %v", i, s.memory.kept, may)
				}
				err = k.works(s, time.Duration(dice.IntN(20))*time.Minute, 1+dice.IntN(60), dice.IntN(2) == 0)
				if _, ok := errors.AsType[*producer.Error](err); ok {
					failed++
				}
			}
			t.Logf("%d of %d records read, %d commits failed", read, all, failed)
			if failed == 0 || all == 0 || read > all/2 {
				t.Error("the memory is not kept, or nothing failed")
			}
			w.verify()
		})
	})
}

// TestMemoryThatCannotBeKept: where the topic is not the one that the memory was made from, the session ends, and the next one
// reads all that there is, before anything is called lost.
func TestMemoryThatCannotBeKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world)
		first  string // what the next session ends with; "": it goes on
		then   string // and the one after that
	}{
		"topic deleted": {func(w *world) { w.must(w.cluster.DeleteTopic(topicNames.State())) }, "truncated", "state is lost"},
		"topic restored, and longer than it was": {func(w *world) {
			records := w.consume(topicNames.State())
			w.must(w.cluster.DeleteTopic(topicNames.State()))
			w.must(w.cluster.CreateTopic(topicNames.State(), 1, map[string]string{"cleanup.policy": "compact"}))
			for i := range 500 {
				records = append(records, &kgo.Record{Topic: topicNames.State(), Key: fmt.Append(nil, "other/", i), Value: []byte("x")})
			}
			w.produce(records...)
		}, "not where it was", ""},
		"last commit gone": {func(w *world) { w.must(w.cluster.DeleteRecords(topicNames.State(), 0, -1)) }, "truncated", "state is lost"},
		"beginning gone": {func(w *world) {
			records := w.consume(topicNames.State())
			w.must(w.cluster.DeleteRecords(topicNames.State(), 0, records[len(records)/3].Offset))
		}, "truncated", "part of it was deleted"},
		"a newer version's record": {func(w *world) {
			w.produce(&kgo.Record{Topic: topicNames.State(), Key: []byte(account + "/new"), Value: []byte("x")})
		}, "unknown to this version", "unknown to this version"},
		"silence of hours": {func(*world) { time.Sleep(2 * longestKept) }, "", ""},
		"nothing":          {func(*world) {}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{Seed: 1, History: time.Hour, PerMinute: 1}, map[string]string{"START_FROM": "1h"}, func(w *world) {
				k := w.keeper()
				s, err := k.takesOver()
				w.must(err)
				_ = k.works(s, 10*time.Minute, 1000, false)
				c.change(w)
				for i, says := range []string{c.first, c.then} {
					s, err := k.takesOver()
					if says == "" && err == nil {
						k.same(s.memory)
						if kept := name == "nothing" || i > 0 && c.first == ""; s.memory.kept != kept {
							t.Errorf("kept: %v, want %v", s.memory.kept, kept)
						}
						continue
					}
					if says == "" || err == nil || !strings.Contains(err.Error(), says) {
						t.Errorf("session %d: %v, want %q", i, err, says)
					}
				}
			})
		})
	}
}
