package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// TestSelectionChanges from all channels to two of them and back. Each time the coverage begins anew, near where the old
// one ended; what is known is known; and no claim is taken back under the name under which it was made.
func TestSelectionChanges(t *testing.T) {
	const horizon = 6 * time.Hour
	c := simulator.Config{History: 12 * time.Hour, PerMinute: 0.5}
	env := frugal(map[string]string{"START_FROM": "8h", "POLL_INTERVAL": "1m", "REREAD": "1h:5m,6h:30m"})
	inWorld(t, c, env, func(w *world) {
		for i, channels := range []string{"", "voice,rtm", ""} {
			w.env["SMARTASSIST_CHANNELS"] = channels
			w.run(2 * time.Hour)
			time.Sleep(time.Duration(i) * 5 * time.Hour) // the second time longer than the horizon can be bridged by
		}
		r := w.verify(func(r *verify.Report) { r.CheckComplete(w.service, 2*time.Minute) })
		t.Log(describe(r))
		var names []string
		var last *encoder.Progress
		for _, p := range w.commits() {
			switch {
			case last != nil && p.Selection == last.Selection:
				if !p.CompleteFrom.Equal(last.CompleteFrom) || p.CompleteThrough.Before(last.CompleteThrough) {
					w.t.Fatalf("commit %d: complete %v to %v, before that %v to %v", p.Sequence, p.CompleteFrom, p.CompleteThrough, last.CompleteFrom, last.CompleteThrough)
				}
			case slices.Contains(names, p.Selection):
				w.t.Fatalf("commit %d: selection %s has come back", p.Sequence, p.Selection)
			case last != nil && (p.CompleteFrom.After(last.CompleteThrough) || p.CompleteFrom.Before(last.CompleteThrough.Add(-horizon))):
				w.t.Fatalf("commit %d: begins at %v, the selection before ended at %v", p.Sequence, p.CompleteFrom, last.CompleteThrough)
			default:
				names = append(names, p.Selection)
			}
			last = p
		}
		if len(names) != 3 {
			t.Errorf("selections %v, want three", names)
		}
	})
}

// TestStartFromAnInstant: the coverage begins there, to the second, and not at a later start of the process.
func TestStartFromAnInstant(t *testing.T) {
	at := bubble.Add(-95*time.Minute - 7*time.Second)
	inWorld(t, simulator.Config{History: 4 * time.Hour, PerMinute: 1}, map[string]string{"START_FROM": at.Format(time.RFC3339)}, func(w *world) {
		w.run(time.Hour)
		w.env["START_FROM"] = "10m"
		w.run(time.Hour)
		r := w.verify(w.complete)
		w.fresh(r)
		if !r.CompleteFrom.Equal(at) {
			t.Errorf("complete from %v, want %v", r.CompleteFrom, at)
		}
	})
}

// TestSmallPages: pages too small to overlap, or to hold a second, cost requests and never a row.
func TestSmallPages(t *testing.T) {
	long(t)
	for _, limit := range []int{1, 2, 10} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			t.Parallel()
			c := simulator.Config{History: 2 * time.Hour, PerMinute: 0.1}
			env := map[string]string{
				"START_FROM": "1h", "POLL_INTERVAL": "2m", "SMARTASSIST_PAGE_LIMIT": fmt.Sprint(limit), "REREAD": "30m:10m,3h:1h",
			}
			inWorld(t, c, frugal(env), func(w *world) {
				w.run(5 * time.Hour)
				r := w.verify(w.complete, func(r *verify.Report) { r.CheckClaims(2 * time.Minute) })
				status := w.worker.Status().Poller
				t.Logf("%s; partial %v; %+v; %d requests", describe(r), status.Partial, status.Paging, w.service.Stats().Requests)
				if len(status.Partial) == 0 && limit == 1 { // a request for every row and every space between two
					if behind := time.Since(r.CompleteThrough); behind > 20*time.Minute {
						t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
					}
				} else if len(status.Partial) == 0 {
					w.fresh(r)
				} else if w.log.count("cannot be read whole") == 0 {
					t.Error("the log does not say that something could not be read whole")
				}
				if age := time.Since(status.HeadRead); age > 10*time.Minute {
					t.Errorf("the head was read %v ago", age)
				}
				w.withinBudget()
			})
		})
	}
}
