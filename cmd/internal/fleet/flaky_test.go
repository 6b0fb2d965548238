package fleet

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// flakyAnswers are the failures of a flaky service, one as likely as another, and how long each of them holds the next request back.
var flakyAnswers = []struct {
	answer func(http.ResponseWriter, *http.Request)
	holds  time.Duration
}{
	{failings["500"], 0}, {failings["cut by a proxy"], 0},
	{func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"errors":[{"msg":"You've exceeded the per-minute rate limit. Please wait for sometime before retrying.","code":429}]}`))
	}, 7 * time.Second}, // 5 s, and 10 after a second one
	{func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!DOCTYPE html><html><body>We will be back soon.</body></html>"))
	}, 0},
	{func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Second)
		w.WriteHeader(http.StatusGatewayTimeout)
	}, 2 * time.Second},
}

// flaky makes three answers in ten fail until the instant, and all of them in the ten seconds of an outage. The function it
// returns tells how long these answers by themselves have held requests back until an instant.
func flaky(g *gateway, seed uint64, until, outage time.Duration) (held func(time.Duration) time.Duration) {
	var mu sync.Mutex
	holds := map[time.Duration]time.Duration{}
	dice := rand.New(rand.NewPCG(seed, 9))
	g.answers = func(w http.ResponseWriter, r *http.Request, q pageRequest) bool {
		at := q.at.Sub(bubble)
		mu.Lock()
		fails, how := dice.Float64() < 0.3, dice.IntN(len(flakyAnswers))
		mu.Unlock()
		switch {
		case at >= until:
			return false
		case at >= outage && at < outage+10*time.Second:
			failings["500"](w, r)
			return true
		case fails:
			mu.Lock()
			holds[at] = flakyAnswers[how].holds
			mu.Unlock()
			flakyAnswers[how].answer(w, r)
		}
		return fails
	}
	return func(until time.Duration) (sum time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		for at, d := range holds {
			if at < until {
				sum += d
			}
		}
		return sum
	}
}

// TestAFlakyService: of three answers in ten that fail, each costs a request and not a read. A history is published in at most
// twice the time that it takes where none fails, and what the failures themselves last.
func TestAFlakyService(t *testing.T) {
	c := simulator.Config{History: 12 * time.Hour, PerMinute: 2, LateBy: -1}
	env := frugal(map[string]string{"START_FROM": "12h", "SMARTASSIST_REQUESTS_PER_MINUTE": "60"})
	var healthy time.Duration
	inWorld(t, c, env, func(w *world) {
		w.run(15 * time.Minute)
		healthy = w.historyTook(12 * time.Hour)
	})
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			g := &gateway{}
			held := flaky(g, seed, 10*time.Minute, 20*time.Second)
			inWorldBehind(t, g, c, env, func(w *world) {
				w.run(15 * time.Minute)
				took := w.historyTook(12 * time.Hour)
				const outage = 10 * time.Second // and as long until it is noticed to be over
				t.Logf("published in %v, of which the failures themselves last %v; where nothing fails in %v", took, held(took)+outage, healthy)
				const bundled = 10 * time.Second // for as long what is read of a history may wait to be committed
				if took > 2*healthy+held(took)+2*outage+bundled {
					t.Error("that is more than twice the time")
				}
				w.fresh(w.verify(w.complete, onlyAbout(consumersMind...)))
				if most := w.service.MaxPerMinute(); most > 60 {
					t.Errorf("%d requests in a minute, the budget is 60", most)
				}
				if n := len(w.alarms()); n > 20 {
					t.Errorf("%d lines of the log tell of it:\n%s", n, w.log.tail())
				}
			})
		})
	}
}

// historyTook returns how long after the start the last of the rows was published that there were then.
func (w *world) historyTook(history time.Duration) (last time.Duration) {
	w.t.Helper()
	firsts, rows, missing := w.firsts(), 0, 0
	for row := range w.service.RowsAt(bubble, bubble.Add(-history), bubble) {
		rows++
		at, met := firsts[row.Key.Identity]
		if !met {
			missing++
		}
		last = max(last, at.Sub(bubble))
	}
	if missing > 0 || rows < 753 {
		w.t.Errorf("%d of %d rows of the history are not published", missing, rows)
	}
	return last
}

// TestALongWalkOfAFlakyService: a walk of eleven pages succeeds although three answers in ten fail, and is not begun anew for
// each of them.
func TestALongWalkOfAFlakyService(t *testing.T) {
	burst := bubble.Add(-30 * time.Minute)
	for _, pages := range []bool{false, true} {
		for _, seed := range []uint64{1, 2} {
			t.Run(fmt.Sprintf("pages %v, seed %d", pages, seed), func(t *testing.T) {
				t.Parallel()
				c := simulator.Config{
					History: time.Hour, PerMinute: 0.2, LateBy: -1, Burst: []simulator.Burst{{At: burst, Rows: 1050}},
					Switches: simulator.Switches{OffsetCountsPages: pages},
				}
				g := &gateway{}
				flaky(g, seed, time.Hour, time.Hour)
				env := frugal(map[string]string{"START_FROM": "1h", "SMARTASSIST_REQUESTS_PER_MINUTE": "60", "POLL_INTERVAL": "1m"})
				inWorldBehind(t, g, c, env, func(w *world) {
					w.run(8 * time.Minute)
					firsts, published := w.firsts(), 0
					for row := range w.service.RowsAt(time.Now(), burst, burst.Add(time.Second)) {
						if _, met := firsts[row.Key.Identity]; met {
							published++
						}
					}
					if published < 1050 {
						t.Errorf("%d of 1,050 rows of a second are published after eight minutes, and %d requests", published, len(g.asked()))
					}
					if most := g.mostAlike(); most > 6*5 {
						t.Errorf("one page was asked for %d times", most)
					}
					w.verify(onlyAbout(consumersMind...))
				})
			})
		}
	}
}

// mostAlike is how often the request was made that was made most often, pages behind the first only.
func (g *gateway) mostAlike() (most int) {
	times := map[pageRequest]int{}
	for _, q := range g.asked() {
		if q.at = (time.Time{}); q.offset > 1 {
			times[q]++
			most = max(most, times[q])
		}
	}
	return most
}

// TestRetryAfterOf503: what a service that is unavailable asks for is granted, as after a 429.
func TestRetryAfterOf503(t *testing.T) {
	const wait = 2 * time.Minute
	for name, value := range map[string]func() string{
		"seconds": func() string { return "120" },
		"date":    func() string { return time.Now().Add(wait).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gateway{}
			var refused atomic.Pointer[time.Time]
			g.answers = func(w http.ResponseWriter, _ *http.Request, q pageRequest) bool {
				if q.at.Sub(bubble) < 10*time.Minute || !refused.CompareAndSwap(nil, &q.at) {
					return false
				}
				w.Header().Set("Retry-After", value())
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			inWorldBehind(t, g, simulator.Config{History: time.Hour, PerMinute: 0.5}, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
				w.run(20 * time.Minute)
				if refused.Load() == nil {
					t.Fatal("no request was met: the test shows nothing")
				}
				again, met := g.firstAfter(*refused.Load())
				if !met {
					t.Fatal("no request came after it")
				}
				// A date has no fractions of a second.
				if after := again.Sub(*refused.Load()); after < wait-time.Second || after > wait+time.Minute {
					t.Errorf("asked again after %v, the service wished for %v", after, wait)
				}
				w.fresh(w.verify(w.complete))
			})
		})
	}
}

// TestASlowAnswerIsGivenUp: after twenty seconds without headers, and after ten without more of the body.
func TestASlowAnswerIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		hang func(http.ResponseWriter, *http.Request)
		most time.Duration
	}{
		"no headers": {failings["hang"], 20 * time.Second},
		"half a body": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"numResults":2,"data":[{"conversationId":"c-cut-in-the-midd`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gateway{}
			var hung atomic.Pointer[time.Time]
			g.answers = func(w http.ResponseWriter, r *http.Request, q pageRequest) bool {
				if q.at.Sub(bubble) < 10*time.Minute || !hung.CompareAndSwap(nil, &q.at) {
					return false
				}
				c.hang(w, r)
				return true
			}
			inWorldBehind(t, g, simulator.Config{History: time.Hour, PerMinute: 0.5}, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
				w.run(20 * time.Minute)
				if hung.Load() == nil {
					t.Fatal("no request was met: the test shows nothing")
				}
				again, met := g.firstAfter(*hung.Load())
				if !met {
					t.Fatal("no request came after it")
				}
				if after := again.Sub(*hung.Load()); after > c.most+10*time.Second { // the next one is made with backoff, and within the budget
					t.Errorf("asked again after %v, want it to be given up after %v", after, c.most)
				}
				w.fresh(w.verify(w.complete))
			})
		})
	}
}
