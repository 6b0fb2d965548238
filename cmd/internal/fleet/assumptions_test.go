package fleet

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

// TestAssumptions: the service changes in mid-run what an offset counts, and its clock. Each change is an event in progress and a line
// in the log, once, and /status says what holds; nothing is lost meanwhile, and a restart knows it.
func TestAssumptions(t *testing.T) {
	for name, pages := range map[string]bool{"rows, then pages": false, "pages, then rows": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var changed atomic.Bool
			c := simulator.Config{PerMinute: 5, History: time.Hour, Until: bubble.Add(3 * time.Hour), LateBy: -1, SurveyBy: -1}
			c.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				q := r.URL.Query()
				offset, _ := strconv.Atoi(q.Get("offset"))
				limit, _ := strconv.Atoi(q.Get("limit"))
				if changed.Load() != pages { // offsets count pages: the service of rows is asked for the row they mean
					q.Set("offset", strconv.Itoa(offset*limit))
					r.URL.RawQuery = q.Encode()
				}
				return false
			}
			units := []string{"rows", "pages"}
			if pages {
				units = []string{"pages", "rows"}
			}
			inWorld(t, c, map[string]string{"START_FROM": "1h", "REREAD": "1h:10m", "POLL_INTERVAL": "2m"}, func(w *world) {
				stop := w.start()
				time.Sleep(15 * time.Minute)
				w.assumed("unit of offset", units[0])
				w.assumed("clock", "same")
				w.assumed("time zone", "UTC")
				changed.Store(true)
				time.Sleep(50 * time.Minute)
				w.assumed("unit of offset", units[1])
				w.service.SetSkew(-5 * time.Minute)
				time.Sleep(15 * time.Minute)
				w.assumed("clock", "behind")
				w.must(stop())
				stop = w.start()
				time.Sleep(15 * time.Minute)
				w.assumed("unit of offset", units[1])
				w.assumed("clock", "behind")
				w.must(stop())
				w.logged("assumption about the service changed", 1)
				w.logged("service clock differs", 2) // by each process
				r := w.verify(w.complete)
				w.assumptionEvents(r, "unit of offset: "+units[1]+", was "+units[0], "clock: behind, was same")
			})
		})
	}
}

// assumed fails the test where /status does not say that an assumption has the value.
func (w *world) assumed(name, value string) {
	w.t.Helper()
	var s struct {
		Accounts []struct {
			Poller struct{ Assumptions []poller.Assumption }
		}
	}
	w.tellsOf(&s)
	for _, a := range s.Accounts[0].Poller.Assumptions {
		if a.Name == name {
			if a.Value != value || a.Since.IsZero() || a.Checked.Before(a.Since) {
				w.t.Errorf("%+v, want %s", a, value)
			}
			return
		}
	}
	w.t.Errorf("/status does not know the assumption %q", name)
}

// assumptionEvents fails the test where progress has other events of assumptions than these.
func (w *world) assumptionEvents(r *verify.Report, want ...string) {
	w.t.Helper()
	var got []string
	for _, e := range r.Events {
		if e.Kind == string(poller.AssumptionChanged) {
			got = append(got, *e.Detail)
		}
	}
	if len(got) != len(want) {
		w.t.Fatalf("events %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			w.t.Errorf("event %q, want %q", got[i], want[i])
		}
	}
}

// assumedRight fails the test where something was found out about the service that is not so, or that has changed: the service has
// not. What could not be seen may be unknown.
func (w *world) assumedRight(s simulator.Switches) {
	w.t.Helper()
	unit, limit, clamp, clock := "rows", "no", "none", "counts"
	if s.OffsetCountsPages {
		unit = "pages"
	}
	if s.LimitPerSource {
		limit = "yes"
	}
	if s.Clamp > 0 {
		clamp = fmt.Sprint(s.Clamp, " rows")
	}
	if s.DateOnly {
		clock = "ignored"
	}
	right := map[string][]string{
		"unit of offset": {unit}, "limit per source": {limit}, "clamp": {clamp}, "time of day": {clock}, "clock": {"same"}, "time zone": {"UTC"},
		"order of rows": {"bot rows ascending, contacts descending, bot rows first"}, "behind the end": {"empty page"},
	}
	switch {
	case s.OffsetCap > 0:
		right["cap of offset"] = []string{"10"}
	default:
		right["cap of offset"] = []string{"none"}
	}
	switch s.Bounds {
	case "":
		right["bounds"] = []string{"inclusive", "start inclusive", "end inclusive"}
	case simulator.Exclusive:
		right["bounds"] = []string{"exclusive", "start exclusive", "end exclusive"}
	default:
		right["bounds"] = []string{"start inclusive", "end exclusive", "start inclusive, end exclusive"}
	}
	for _, a := range w.worker.Status().Poller.Assumptions {
		if want := right[a.Name]; want != nil && a.Value != poller.NotKnown && !slices.Contains(want, a.Value) {
			w.t.Errorf("%+v, want %q", a, want)
		}
	}
	changes := 0
	if s.Thin > 0 || s.Clamp > 0 {
		changes = w.log.count(`"assumption":"short pages","before":"last","now":"not always last"`) // the first ones were
	}
	if changes > 1 {
		w.t.Errorf("short pages changed %d times", changes)
	}
	w.logged("assumption about the service changed", changes)
}
