package fleet

import (
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller/simulator"
)

// TestCadenceBelowThePollInterval: re-reads come at their cadence, however seldom the head is read.
func TestCadenceBelowThePollInterval(t *testing.T) {
	t.Parallel()
	g := &gateway{}
	c := simulator.Config{History: 2 * time.Hour, PerMinute: 1}
	env := frugal(map[string]string{"START_FROM": "2h", "POLL_INTERVAL": "15m", "REREAD": "1h:5m", "REREAD_SPARE": "false"})
	inWorldBehind(t, g, c, env, func(w *world) {
		w.run(4 * time.Hour)
		seen := bubble.Add(3 * time.Hour)
		n := g.reads(seen, seen.Add(20*time.Minute), seen.Add(58*time.Minute))
		if n < 6 {
			t.Errorf("a second was read again %d times while it was 20 to 58 minutes old, its cadence is 5 minutes", n)
		}
		if all := len(g.asked()); all > 4*60*4 {
			t.Errorf("%d requests in four hours, at 1,440 rows a day", all)
		}
		w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
	})
}

// TestReadUpToTheCap: where offset counts rows and none above 10 is served, 110 rows of a second are within reach, and are read.
func TestReadUpToTheCap(t *testing.T) {
	burst := bubble.Add(-30 * time.Minute)
	for _, answer := range []simulator.CapAnswer{simulator.CapError, simulator.CapEmpty} {
		t.Run(string(answer), func(t *testing.T) {
			t.Parallel()
			c := simulator.Config{
				History: time.Hour, PerMinute: 0.2, LateBy: -1, Burst: []simulator.Burst{{At: burst, Rows: 150}},
				Switches: simulator.Switches{OffsetCap: 10, CapAnswer: answer},
			}
			inWorld(t, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
				w.run(30 * time.Minute)
				firsts, published, neighbours := w.firsts(), 0, 0
				for row := range w.service.RowsAt(time.Now(), burst.Add(-time.Second), burst.Add(2*time.Second)) {
					if row.Start.Before(burst) || !row.Start.Before(burst.Add(time.Second)) {
						neighbours++
					} else if _, met := firsts[row.Key.Identity]; met {
						published++
					}
				}
				if published+neighbours < 110 {
					t.Errorf("%d of 150 rows of a second are published, 110 are within reach", published)
				}
				s := w.worker.Status().Poller
				if through := s.CompleteThrough; through.After(burst) || through.Before(burst.Add(-2*time.Second)) {
					t.Errorf("complete through %v, want it to stop at %v", through, burst)
				}
				w.verify()
			})
		})
	}
}

// TestBudgetAboveTheQuota: the vendor raises the quota on request, and then more than 60 requests a minute are made.
func TestBudgetAboveTheQuota(t *testing.T) {
	t.Parallel()
	c := simulator.Config{History: 12 * time.Hour, PerMinute: 5, LateBy: -1}
	inWorld(t, c, frugal(map[string]string{"START_FROM": "12h", "SMARTASSIST_REQUESTS_PER_MINUTE": "600"}), func(w *world) {
		w.run(2 * time.Minute)
		if took := w.historyTook(12 * time.Hour); took > 30*time.Second {
			t.Errorf("published in %v", took)
		}
		if most := w.service.MaxPerMinute(); most > 600 {
			t.Errorf("%d requests in a minute, the budget is 600", most)
		}
	})
}
