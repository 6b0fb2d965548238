package worker

import (
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/poller"
)

// TestHistory: each step has the worst age of the newest data in it, also in an outage, and nothing older than six hours is kept.
func TestHistory(t *testing.T) {
	var h history
	at := func(minutes float64) time.Time {
		return time.Unix(1_772_323_200, 0).Add(time.Duration(minutes * float64(time.Minute)))
	}
	bundle := poller.Bundle{Batches: []poller.Batch{{Reason: poller.Reread}, {Reason: poller.Head}}}
	h.note(poller.Bundle{Batches: bundle.Batches[:1]}, at(-60))
	if s := h.shown(at(0)); len(s) != 0 {
		t.Errorf("before the first commit: %v", s)
	}
	for m := 0.0; m < 10; m += 0.5 {
		h.note(bundle, at(m))
	}
	s := h.shown(at(9.9))
	if len(s) != 2 || s[0].At != at(0).UTC() || s[0].Worst != poller.Seconds(30*time.Second) || s[1].Worst != poller.Seconds(30*time.Second) {
		t.Errorf("half a minute from one to the next: %v", s)
	}
	if s = h.shown(at(27)); len(s) != 6 || time.Duration(s[3].Worst) != 10*time.Minute+30*time.Second || time.Duration(s[5].Worst) != 17*time.Minute+30*time.Second {
		t.Errorf("in an outage: %v", s)
	}
	h.note(bundle, at(30))
	if s = h.shown(at(30 + 7*60)); len(s) != admin.FreshnessSteps || time.Duration(s[admin.FreshnessSteps-1].Worst) != 7*time.Hour || len(h.worst) != admin.FreshnessSteps {
		t.Errorf("%d steps, the last %v", len(s), s[len(s)-1])
	}
	h.note(bundle, at(-600)) // our clock was set back
	if s = h.shown(at(-599)); len(s) == 0 || time.Duration(s[len(s)-1].Worst) != time.Minute {
		t.Errorf("a clock was set: %v", s)
	}
}
