package fleet

import (
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestClocksApart: the service's clock is half an hour behind ours, or ahead. Coverage may be claimed by the earlier one
// only, nothing may be lost or come twice, and no more may be asked than where the clocks agree.
func TestClocksApart(t *testing.T) {
	long(t)
	requests := map[time.Duration]int{}
	for _, skew := range []time.Duration{0, -30 * time.Minute, 30 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			c := simulator.Config{Skew: skew, History: 3 * time.Hour, PerMinute: 1}
			inWorld(t, c, map[string]string{"START_FROM": "2h", "POLL_INTERVAL": "1m"}, func(w *world) {
				stop := w.start()
				time.Sleep(day / 4)
				w.aheadOf(min(skew, 0))
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				r := w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
				requests[skew] = w.service.Stats().Requests
				t.Logf("%s; %d requests", describe(r), requests[skew])
				if requests[skew] > 2*requests[0] {
					t.Errorf("%d requests, %d where the clocks agree", requests[skew], requests[0])
				}
				w.withinBudget()
				w.inTime(skew)
				w.logged("service cannot be read", 0)
			})
		})
	}
}

// aheadOf holds the status against the earlier of the two clocks, which is so far from ours.
func (w *world) aheadOf(earlier time.Duration) {
	w.t.Helper()
	s, now := w.worker.Status().Poller, time.Now()
	settled := now.Add(earlier - 2*time.Minute)
	if s.CompleteThrough.After(settled) || s.CompleteThrough.Before(settled.Add(-3*time.Minute)) {
		w.t.Errorf("at %v complete through %v, want just before %v", now, s.CompleteThrough, settled)
	}
	if age := now.Sub(s.HeadRead); age > 2*time.Minute {
		w.t.Errorf("the head was read %v ago", age)
	}
}

// inTime fails the test where a conversation that began while the worker ran was published later than the poll interval of
// a minute after the service showed it.
func (w *world) inTime(skew time.Duration) {
	w.t.Helper()
	looked := 0
	for _, s := range w.stored() {
		if s.Revision > 1 || s.SessionStartTime == nil {
			continue
		}
		began := s.SessionStartTime.Add(-skew) // by our clock
		if began.Before(bubble.Add(10 * time.Minute)) {
			continue
		}
		if looked++; s.time.Sub(began) > simulator.DefaultLateBy+90*time.Second {
			w.t.Errorf("%s began at %v by our clock and was published %v later", s.ID, began, s.time.Sub(began))
			return
		}
	}
	if looked < int(200*day/(24*time.Hour)) {
		w.t.Errorf("%d conversations: the test shows nothing", looked)
	}
}
