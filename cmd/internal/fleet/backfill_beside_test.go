package fleet

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

var backfillDays = flag.Float64("backfill-days", 1.5, "how many days TestBackfillBesideLivePolling reads, at 10,000 conversations a day")

// TestBackfillBesideLivePolling: new rows are as fresh as ever, the backfill costs no more than a tenth beyond what its rows cost in
// windows of the best width, and nothing is lost or comes twice, with faults, a kill and a takeover of each kind.
func TestBackfillBesideLivePolling(t *testing.T) {
	long(t)
	for name, c := range map[string]struct {
		pages         bool
		window, ideal float64 // rows of a window, and requests for 100 rows in such windows: see Paging.requests
	}{
		"offset counts rows":  {false, 2500, 100 * (2500.0/99 + 0.5) / 2500},
		"offset counts pages": {true, 800, 100 * (800.0/92 + 0.5) / 800},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			past := time.Duration(*backfillDays * float64(24*time.Hour)).Truncate(time.Second)
			of := simulator.Config{History: past + 5*time.Hour, PerMinute: 10_000.0 / 24 / 60, LateBy: -1, SurveyBy: -1, Faults: simulator.Faults{Rate: map[simulator.Fault]float64{}, Poison: 0.005}}
			for _, f := range passing {
				of.Faults.Rate[f] = 0.01 / float64(len(passing))
			}
			of.Switches.OffsetCountsPages = c.pages
			env := map[string]string{"START_FROM": "1h", "REREAD_SPARE": "true", "LEASE_TIMEOUT": "6s", "ADMIN_TOKEN": adminToken1, "TOPIC_PARTITIONS": "1"}
			inWorld(t, of, env, func(w *world) {
				workers := []*replica{w.replica(), w.replica()}
				active, _ := w.awaitActive(time.Minute, workers...)
				time.Sleep(20 * time.Minute) // live polling has caught up, and knows how the service pages
				began := time.Now().UTC()
				from, to := began.Add(-past-4*time.Hour), began.Add(-4*time.Hour)
				w.backfill(active.addr, client.BackfillRequest{From: from, To: to})
				leave := func(end func(*replica)) {
					time.Sleep(time.Minute)
					end(active)
					workers = append(slices.DeleteFunc(workers, func(r *replica) bool { return r == active }), w.replica())
					active, _ = w.awaitActive(time.Minute, workers...)
				}
				leave(func(r *replica) { r.wire.Cut(""); _ = r.stop() }) // as one that is killed
				leave(func(r *replica) { w.must(r.stop()) })
				done := w.backfilled(active.addr, 24*time.Hour)
				time.Sleep(30 * time.Minute)
				w.stopReplicas(workers)

				again := 2 * c.window / 100 // a window that is under way at a takeover is read anew
				if per := 100 * (float64(done.Requests) - again) / float64(done.Published); done.State != poller.Finished || per > 1.1*c.ideal {
					t.Errorf("%s: %.3f requests for 100 rows, ideal are %.3f", done.State, per, c.ideal)
				} else {
					t.Logf("%.3f requests for 100 rows, ideal are %.3f", per, c.ideal)
				}
				r := w.once(int(9_000 * *backfillDays))
				r.CheckNewest(w.service, from, to)
				r.CheckComplete(w.service, 2*time.Minute)
				if len(r.Problems) > 0 || r.Lost > 0 {
					t.Errorf("lost %d: %q", r.Lost, r.Problems[:min(len(r.Problems), 5)])
				}
				w.freshRows(began, time.Now().Add(-2*time.Minute), 32*time.Second)
			})
		})
	}
}

// passing are the faults after which the next request may be made at once; where the service asks to wait, the newest rows wait too. A row
// that comes broken is a dead letter, and a backfill does not read it again.
var passing = []simulator.Fault{
	simulator.InternalError, simulator.BadGateway, simulator.Unavailable, simulator.CutBody, simulator.HTMLPage, simulator.Reset,
}

// freshRows fails the test where more than one in a hundred of the rows that began between the instants was published later than that
// after its start.
func (w *world) freshRows(from, to time.Time, within time.Duration) {
	w.t.Helper()
	firsts := w.firsts()
	var took []time.Duration
	for row := range w.service.RowsAt(time.Now(), from, to) {
		if at, met := firsts[row.Key.Identity]; met && !row.Dead {
			took = append(took, at.Sub(row.Start))
		} else if !row.Dead {
			w.t.Errorf("%s, started %v, is not published", row.Key.Identity, row.Start)
		}
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	w.t.Logf("%d new rows: median %v, p99 %v, latest %v after their start", len(took), took[len(took)/2], p99, took[len(took)-1])
	if p99 > within {
		w.t.Errorf("p99 of new rows %v, want %v", p99, within)
	}
}
