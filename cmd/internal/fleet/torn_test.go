package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer"
)

// TestTornDown tears workers down at random moments, forty times, under faults of service and brokers and a random reading
// of the service's documents.
func TestTornDown(t *testing.T) {
	long(t)
	forSeeds(t, func(t *testing.T, seed uint64) {
		dice := rand.New(rand.NewPCG(seed, 7))
		c := simulator.Config{Seed: seed, History: time.Hour, PerMinute: 1, Faults: simulator.Mixed(0.1), Switches: randomSwitches(dice)}
		delete(c.Faults.Rate, simulator.BrokenRow)
		inWorld(t, c, map[string]string{"START_FROM": "1h", "SMARTASSIST_PAGE_LIMIT": []string{"5", "100"}[dice.IntN(2)]}, func(w *world) {
			t.Logf("%+v", c.Switches)
			for life := range uint64(40) {
				fates := rand.New(rand.NewPCG(seed, 100+life)) // of this wire alone, which asks from many goroutines, one at a time
				w.wire.Decide(func(kmsg.Key) loss {
					if fates.IntN(40) > 0 {
						return arrives
					}
					return loss(1 + fates.IntN(2))
				})
				stop := w.start()
				time.Sleep(time.Duration(dice.Int64N(int64(day / 48))))
				w.wire.Cut("") // as if the process had died
				if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
					w.t.Fatal(err)
				}
				w.wire = newWire(w.network.DialContext)
			}
			w.run(2 * time.Hour)
			// Five rows to a page, of a service that fails one time in ten, can be more than the budget carries: how
			// far the worker is behind then says nothing. It must catch up once the service is well.
			w.service.Script(slices.Repeat([]simulator.Fault{simulator.Healthy}, 30*30)...)
			w.run(30 * time.Minute)
			r := w.verify(w.complete)
			w.fresh(r)
			w.withinBudget()
			t.Log(describe(r))
		})
	})
}

func randomSwitches(dice *rand.Rand) simulator.Switches {
	coin := func() bool { return dice.IntN(2) == 0 }
	s := simulator.Switches{OffsetCountsPages: coin(), LimitPerSource: coin(), BotRowStays: coin(), Restyle: coin()}
	s.Bounds = []simulator.Bounds{simulator.Inclusive, simulator.Exclusive, simulator.HalfOpen, simulator.SubSecond}[dice.IntN(4)]
	s.FilterBy = []simulator.FilterBy{simulator.ByStart, simulator.ByEnd, simulator.ByOverlap}[dice.IntN(3)]
	s.NumResults = []simulator.NumResults{simulator.CountPage, simulator.CountTotal, simulator.CountAbsent}[dice.IntN(3)]
	if coin() {
		s.Thin = 0.1
	}
	if coin() {
		s.TwinSessions = 0.1
	}
	return s
}

// TestOfTwoWorkersOneIsFenced: it ends and says what to do; together they publish nothing twice. It is the first one, unless
// the second came between two steps of its transaction: the broker then says that the transaction is lost, not to whom.
func TestOfTwoWorkersOneIsFenced(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		w.env["LEASE"] = "off"
		first := w.start()
		time.Sleep(30 * time.Minute)
		w.env["ADMIN_ADDR"] = "127.0.0.1:8088"
		second := w.start()
		time.Sleep(30 * time.Minute)
		err, other := first(), second()
		if err == nil {
			err, other = other, err
		}
		if !errors.Is(err, producer.ErrFenced) || other != nil {
			w.t.Fatalf("they ended with %v and %v, want one %v\n%s", err, other, producer.ErrFenced, w.log.tail())
		}
		if text := worker.Explain(err); !strings.Contains(text, "stop one of them") {
			t.Errorf("no remedy in: %s", text)
		}
		w.fresh(w.verify(w.complete))
	})
}

// TestDrainInTheMiddleOfACommit: Run ends in time whether or not the broker answers, with an error where the outcome is
// unknown, and the next worker goes on either way.
func TestDrainInTheMiddleOfACommit(t *testing.T) {
	for _, wait := range []time.Duration{5 * time.Second, time.Minute} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
				stop := w.start()
				time.Sleep(30 * time.Minute)
				var slow atomic.Bool
				w.wire.LateBy = wait
				w.wire.Decide(func(k kmsg.Key) loss {
					if k != kmsg.EndTxn {
						return arrives
					}
					slow.Store(true)
					return late
				})
				for !slow.Load() {
					time.Sleep(time.Second)
				}
				began := time.Now()
				if err := stop(); (err != nil) != (wait > 20*time.Second) {
					t.Errorf("an answer that takes %v: %v", wait, err)
				}
				if took := time.Since(began); took > 21*time.Second {
					t.Errorf("draining took %v, SHUTDOWN_TIMEOUT is 20s", took)
				}
				w.wire = newWire(w.network.DialContext)
				w.run(30 * time.Minute)
				w.fresh(w.verify(w.complete))
			})
		})
	}
}

// TestDrainWhileTheServiceHangs: nothing has begun that would have to be finished.
func TestDrainWhileTheServiceHangs(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		stop := w.start()
		time.Sleep(30 * time.Minute)
		w.service.Script(simulator.Hang)
		for before := w.service.Stats().Faults[simulator.Hang]; w.service.Stats().Faults[simulator.Hang] == before; {
			time.Sleep(time.Second)
		}
		began := time.Now()
		if err := stop(); err != nil {
			w.t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("draining took %v", took)
		}
		w.verify(w.complete)
	})
}
