package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// told is the part of /status that tests look at.
type told struct {
	Role, NotReady string
	Ready          bool
	KafkaTrouble   *struct{ Category string }
	Poller         *struct {
		CompleteFrom, CompleteThrough time.Time
		Sequence, Remembered          int64
		Trouble                       *struct{ Category string }
	}
}

// status is what /status says.
func (w *world) status() told {
	w.t.Helper()
	var s struct {
		told
		Accounts []told
	}
	w.tellsOf(&s)
	if len(s.Accounts) != 1 {
		w.t.Fatalf("/status tells of %d accounts", len(s.Accounts))
	}
	account := s.Accounts[0]
	account.Ready, account.NotReady = s.Ready, s.NotReady
	return account
}

// tellsOf decodes /status.
func (w *world) tellsOf(into any) {
	w.t.Helper()
	if code, body := w.get("/status"); code != http.StatusOK {
		w.t.Fatalf("/status: %d", code)
	} else if err := json.Unmarshal([]byte(body), into); err != nil {
		w.t.Fatalf("/status: %v\n%s", err, body)
	}
}

// labelled is a series of the account.
func labelled(series string) string {
	name, labels, some := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	if some {
		labels = "," + labels
	}
	return fmt.Sprintf("%s{account=%q%s}", name, accountID, labels)
}

// metric is the value of one series of /metrics; 0 where it is not there.
func (w *world) metric(series string) float64 {
	w.t.Helper()
	_, body := w.get("/metrics")
	for line := range strings.Lines(body) {
		if rest, found := strings.CutPrefix(line, labelled(series)+" "); found {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				w.t.Fatalf("%s: %v", series, err)
			}
			return v
		}
	}
	return 0
}

// TestServiceFaults lets the service fail twenty times in a row, in every way it can. Nobody may need to do anything
// but to read one log line, nothing may be lost, and what is told meanwhile must be true.
func TestServiceFaults(t *testing.T) {
	long(t)
	const times = 20
	for fault, category := range map[simulator.Fault]string{
		simulator.InternalError: "status_5xx", simulator.BadGateway: "status_5xx", simulator.Unavailable: "status_5xx",
		simulator.Throttled: "throttled", simulator.ThrottledFor: "throttled", simulator.ThrottledUntil: "throttled",
		simulator.Unauthorized: "login", simulator.CutBody: "cut", simulator.HTMLPage: "html",
		simulator.Hang: "timeout", simulator.Reset: "connection",
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			c := simulator.Config{History: time.Hour, PerMinute: 1}
			c.Faults.RetryAfter = 90 * time.Second
			inWorld(t, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
				stop := w.start()
				time.Sleep(life)
				if code, body := w.get("/readyz"); code != http.StatusOK {
					t.Errorf("before: /readyz %d %s", code, body)
				}
				before := w.service.Stats()
				for range times {
					w.service.Script(fault)
				}
				w.inTrouble(fault, category, before.Faults[fault]+times)
				time.Sleep(life)
				if s := w.status(); !s.Ready || s.Poller.Trouble != nil {
					t.Errorf("after: ready %v (%s), trouble %+v", s.Ready, s.NotReady, s.Poller.Trouble)
				}
				if n := w.metric(`convstream_requests_total{outcome="` + category + `"}`); n != times {
					t.Errorf("%v requests with outcome %s, want %d", n, category, times)
				}
				if err := stop(); err != nil {
					w.t.Fatal(err)
				}
				w.logged("service cannot be read", 1)
				w.logged("service can be read again", 1)
				w.fresh(w.verify(w.complete))
				w.withinBudget()
			})
		})
	}
}

// inTrouble looks at the worker every ten seconds until the script is through.
func (w *world) inTrouble(fault simulator.Fault, category string, until int) {
	w.t.Helper()
	began, looks := time.Now(), 0
	for ; w.service.Stats().Faults[fault] < until; time.Sleep(10 * time.Second) {
		if time.Since(began) > 3*time.Hour {
			w.t.Fatalf("after %v only %d of the faults were met", time.Since(began), w.service.Stats().Faults[fault])
		}
		if code, body := w.get("/healthz"); code != http.StatusOK {
			w.t.Fatalf("/healthz %d %s", code, body)
		}
		s := w.status()
		if s.Poller.Trouble == nil {
			continue
		}
		looks++
		if s.Poller.Trouble.Category != category {
			w.t.Fatalf("/status says %+v, want %s", s.Poller.Trouble, category)
		}
		if ready := fault != simulator.Unauthorized; s.Ready != ready {
			w.t.Fatalf("ready %v (%s), want %v", s.Ready, s.NotReady, ready)
		}
		if w.metric("convstream_service_trouble") != 1 {
			w.t.Fatal("convstream_service_trouble is not 1")
		}
	}
	if looks == 0 {
		w.t.Error("/status never told of the trouble")
	}
	if took := time.Since(began); fault == simulator.Unauthorized && took < 11*time.Minute {
		w.t.Errorf("12 refused logins took %v: more than one a minute", took)
	}
}

// TestBrokenRowsOnTheWay: a row that is broken in one answer and whole in the next is a dead letter once, and a
// conversation after that. The other rows of the page are unharmed.
func TestBrokenRowsOnTheWay(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: time.Hour, PerMinute: 1}
	c.Faults.Rate = map[simulator.Fault]float64{simulator.BrokenRow: 0.3}
	inWorld(t, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
		w.run(6 * time.Hour)
		r := w.verify()
		if w.fresh(r); r.DeadLetters == 0 {
			t.Error("no dead letter: the test shows nothing")
		}
		w.logged("service cannot be read", 0)
		t.Log(describe(r))
	})
}

// TestServiceFaultsAtRandom mixes all faults, for half a day, at rates from bad to dreadful.
func TestServiceFaultsAtRandom(t *testing.T) {
	long(t)
	forSeeds(t, func(t *testing.T, seed uint64) {
		c := simulator.Config{Seed: seed, History: time.Hour, PerMinute: 1, Faults: simulator.Mixed(0.2 + 0.2*float64(seed%3))}
		delete(c.Faults.Rate, simulator.BrokenRow)
		inWorld(t, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
			w.run(day / 2) // of six requests in ten that fail, many cost a minute each
			r := w.verify(w.complete)
			if behind := time.Since(r.CompleteThrough); behind > time.Hour {
				t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
			}
			w.withinBudget()
			faults := w.service.Stats().Faults
			t.Logf("%s; %v", describe(r), faults)
			met := 0
			for n := range maps.Values(faults) {
				met += n
			}
			if met < 20 {
				t.Errorf("%d faults: the test shows nothing", met)
			}
		})
	})
}
