package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
)

var seedFlag = flag.Uint64("seed", 0, "of the killed worker; 0 draws one")

// death is when a worker is killed: so long after its start, or so long after the broker met its nth request of a kind.
// With no delay the kill comes before the broker acts on that request.
type death struct {
	request kmsg.Key // none: by the clock
	nth     int
	after   time.Duration
}

const byTheClock kmsg.Key = -1

func (d death) String() string {
	if d.request == byTheClock {
		return fmt.Sprintf("%v after the start", d.after)
	}
	return fmt.Sprintf("%v after %s number %d", d.after, d.request.Name(), d.nth)
}

// deaths are twenty: some by the clock, some while a worker takes over or recovers, the most while it commits.
func deaths(dice *rand.Rand) []death {
	var out []death
	for range 7 {
		out = append(out, death{request: byTheClock, after: 100*time.Millisecond + time.Duration(dice.Int64N(int64(4*time.Second)))})
	}
	for _, c := range []struct {
		request   kmsg.Key
		kills, of int // of: the first few of these requests
	}{{kmsg.InitProducerID, 2, 1}, {kmsg.Fetch, 1, 1}, {kmsg.AddPartitionsToTxn, 2, 4}, {kmsg.Produce, 5, 8}, {kmsg.EndTxn, 3, 4}} {
		for i := range c.kills {
			d := death{request: c.request, nth: 1 + dice.IntN(c.of)}
			if i%2 == 1 {
				d.after = time.Duration(dice.Int64N(int64(5 * time.Millisecond)))
			}
			out = append(out, d)
		}
	}
	dice.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// watch sees a worker's requests on their way to the broker, and lets all of them pass.
type watch struct {
	mu     sync.Mutex
	open   bool // the broker has met the beginning of a transaction, and not its end
	commit bool // the last request was for the end of one
	key    kmsg.Key
	left   int
	met    func()
}

func (w *watch) see(req kmsg.Request) (kmsg.Response, error, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := kmsg.Key(req.Key())
	switch key {
	case kmsg.InitProducerID:
		w.open, w.commit = false, false
	case kmsg.AddPartitionsToTxn:
		w.open, w.commit = true, false
	case kmsg.EndTxn:
		w.open, w.commit = false, true
	}
	if w.met != nil && key == w.key {
		if w.left--; w.left == 0 {
			w.met()
		}
	}
	return nil, nil, false
}

// expect calls met within the nth request of a kind from now on; a request of no kind never comes.
func (w *watch) expect(d death, met func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.key, w.left, w.met = d.request, d.nth, met
}

// open transactions and those whose end was asked for, as the broker saw them.
func (w *watch) state() (open, commit bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open, w.commit
}

// life runs a worker until its death.
func (w *world) life(seen *watch, d death) {
	w.t.Helper()
	p := start(w.t, w.env)
	timer := time.NewTimer(15 * time.Second) // where the request does not come
	defer timer.Stop()
	if d.request == byTheClock {
		timer.Reset(d.after)
	}
	seen.expect(d, func() {
		if d.after == 0 {
			p.kill()
		}
		timer.Reset(d.after)
	})
	select {
	case <-timer.C:
	case <-p.ended:
	}
	p.kill()
	if code := p.exit(); code != -1 {
		w.t.Fatalf("ended by itself with exit code %d\n%s", code, p.stderr)
	}
}

// TestKilledTwentyTimes kills a worker in the middle of everything it does. Every content of every read that was committed
// must be in the topics, once.
func TestKilledTwentyTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a real worker twenty times in real time: takes a minute")
	}
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -args -seed %d)", seed, seed)
	w := newWorld(t, simulator.Config{
		Seed: seed, History: 3 * time.Minute, PerMinute: 120, LateBy: time.Second, SurveyBy: 20 * time.Second,
		Faults: simulator.Faults{Poison: 0.01},
	}, map[string]string{"START_FROM": "3m", "POLL_INTERVAL": "2s", "LEASE": "off"}) // or each would wait for the dead one's lease
	seen := &watch{key: byTheClock}
	w.cluster.Control(seen.see)
	opened, committing := 0, 0
	for i, d := range deaths(rand.New(rand.NewPCG(seed, 20))) {
		w.life(seen, d)
		open, commit := seen.state()
		if open {
			opened++
		} else if commit && d.request == kmsg.EndTxn {
			committing++
		}
		t.Logf("kill %2d: %v; transaction open %t, commit asked for %t", i+1, d, open, commit)
	}
	seen.expect(death{request: byTheClock}, nil)
	t.Logf("%d kills with a transaction open, %d at its commit", opened, committing)
	if opened < 4 || committing < 2 { // as many come before the broker acts
		t.Errorf("%d kills met an open transaction and %d its commit: this run says little", opened, committing)
	}
	last := start(t, w.env)
	w.awaitComplete(time.Now())
	w.drain(last)
	r := w.report()
	r.CheckComplete(w.service, 3*time.Second)
	complain(t, r)
	t.Logf("%d conversations, %d revisions, %d dead letters, %d commits, complete %v to %v",
		r.Conversations, r.Revisions, r.DeadLetters, r.Commits, r.CompleteFrom, r.CompleteThrough)
	if r.Conversations < 50 || r.Revisions <= r.Conversations {
		t.Errorf("%d conversations in %d revisions: this run says little", r.Conversations, r.Revisions)
	}
	if most := w.service.MaxPerMinute(); most > 60 {
		t.Errorf("%d requests in a minute; the budget is 60, restarts included", most)
	}
}
