package fleet

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller/simulator"
)

// manyLetters is a world in which rows are no conversations, and brokers take nothing of some conversations for a while.
func manyLetters(t *testing.T, seed uint64, test func(*world)) {
	c := simulator.Config{Seed: seed, History: 20 * time.Minute, PerMinute: 3}
	c.Faults.Poison, c.Faults.PoisonKinds = 0.05, []simulator.Poison{simulator.NotAnObject, simulator.NoIdentity}
	inWorld(t, c, withToken("SMARTASSIST_REQUESTS_PER_MINUTE", "60", "START_FROM", "20m"), func(w *world) {
		until := time.Now().Add(12 * time.Minute)
		w.refuse("", kerr.InvalidRecord, func(_ *kmsg.RecordBatch, records []kmsg.Record) bool {
			for _, r := range records {
				if len(r.Key) > 3 && r.Key[len(r.Key)-1] < '3' && strings.HasPrefix(headerOf(r, "ce_type"), "convstream.conversation") && time.Now().Before(until) {
					return true
				}
			}
			return false
		})
		test(w)
	})
}

func headerOf(r kmsg.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// TestReplayOfMany: of each conversation the newest content is published in the end, by reading it again or by replaying it,
// and never an older one after it.
func TestReplayOfMany(t *testing.T) {
	t.Parallel()
	forSeeds(t, func(t *testing.T, seed uint64) {
		manyLetters(t, seed, func(w *world) {
			stop := w.start()
			time.Sleep(15 * time.Minute)
			counts := map[string]int{}
			for id, a := range w.replayed(adminAddr, `{"all":true}`) {
				if counts[a.Outcome]++; a.Outcome == "dead" && !strings.Contains(a.Reason, "neither") && !strings.Contains(a.Reason, "object") {
					t.Errorf("%s: %s", id, a.Reason)
				}
			}
			time.Sleep(3 * time.Minute)
			w.nothingLeft(adminAddr)
			w.must(stop())
			t.Logf("seed %d: %v", seed, counts)
			if counts["published"] == 0 || counts["dead"] == 0 || counts["untried"] > 0 {
				t.Errorf("outcomes %v", counts)
			}
			w.verify(w.complete)
		})
	})
}

// nothingLeft fails the test where a replay still finds something to do.
func (w *world) nothingLeft(addr string) {
	w.t.Helper()
	for id, a := range w.replayed(addr, `{"all":true}`) {
		if a.Outcome != "resolved" && a.Outcome != "dead" {
			w.t.Errorf("%s again: %+v", id, a)
		}
	}
}

// someOf asks for a few letters.
func someOf(dice *rand.Rand, ids []string) string {
	asked := replay.Request{}
	for range 10 {
		asked.IDs = append(asked.IDs, ids[dice.IntN(len(ids))])
	}
	text, err := json.Marshal(asked)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestReplayThroughFaults: requests are lost before and after they took effect, and workers die, while somebody asks for the
// letters again and again, whoever is active.
func TestReplayThroughFaults(t *testing.T) {
	t.Parallel()
	var said, brokenOff, replays atomic.Int64
	t.Cleanup(func() { // of all seeds
		if said.Load() == 0 || brokenOff.Load() == 0 || replays.Load() == 0 {
			t.Errorf("%d letters said to be published, %d answers broken off, %d replays committed: want some of each", said.Load(), brokenOff.Load(), replays.Load())
		}
	})
	forSeeds(t, func(t *testing.T, seed uint64) {
		manyLetters(t, seed, func(w *world) {
			dice := rand.New(rand.NewPCG(seed, 5))
			workers := []*replica{w.replica(), w.replica()}
			time.Sleep(15 * time.Minute)
			published, broken := 0, 0
			var ids []string
			for _, l := range w.letters() {
				ids = append(ids, l.ID)
			}
			for range 12 {
				active, _ := w.awaitActive(time.Minute, workers...)
				fates := rand.New(rand.NewPCG(dice.Uint64(), 0))
				active.wire.Decide(func(kmsg.Key) loss { // one at a time asks: the wire's lock is held
					return []loss{arrives, arrives, arrives, arrives, arrives, arrives, lost, unheard}[fates.IntN(8)]
				})
				dies := time.AfterFunc(time.Duration(dice.IntN(3000))*time.Millisecond, func() { active.wire.Cut("") })
				_, _, answers := w.post(active.addr, someOf(dice, ids))
				dies.Stop()
				for _, a := range answers {
					if a.Outcome == "published" {
						published++
					}
				}
				if len(answers) == 0 || !answers[len(answers)-1].Done {
					broken++
				}
				active.wire.Cut("")
				_ = active.stop()
				for i := range workers {
					if workers[i] == active {
						workers[i] = w.replica()
					}
				}
			}
			active, _ := w.awaitActive(time.Minute, workers...)
			w.replayed(active.addr, `{"all":true}`)
			time.Sleep(10 * time.Minute)
			w.nothingLeft(active.addr)
			w.stopReplicas(workers)
			r := w.verify(w.complete)
			said.Add(int64(published))
			brokenOff.Add(int64(broken))
			replays.Add(int64(r.Replays))
			t.Logf("seed %d: %d letters said to be published, %d answers broken off, %d replays committed", seed, published, broken, r.Replays)
		})
	})
}
