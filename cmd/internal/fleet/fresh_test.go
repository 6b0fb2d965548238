package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
)

// TestFresh: behind a service that shows rows at once, a conversation that has begun is committed within one poll interval,
// and the few seconds that the pages of that poll take.
func TestFresh(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: time.Hour, PerMinute: 10, LateBy: -1}
	inWorld(t, c, hourOfWork, func(w *world) {
		w.env["POLL_INTERVAL"] = "30s"
		w.run(day * 3 / 8)
		var took []time.Duration
		for _, s := range w.stored() {
			if s.Revision == 1 && s.Kind == "contact" && s.SessionStartTime != nil && s.SessionStartTime.After(bubble.Add(10*time.Minute)) && s.Supersedes == nil {
				took = append(took, s.time.Sub(*s.SessionStartTime))
			}
		}
		slices.Sort(took)
		t.Logf("%d conversations: from start to record median %v, worst %v", len(took), took[len(took)/2], took[len(took)-1])
		if worst := took[len(took)-1]; len(took) < int(day/(2*time.Minute)) || worst > 30*time.Second+5*smartassist.NewBudget(w.config().RequestsPerMinute).Status().Pace {
			t.Errorf("one of %d took %v", len(took), worst)
		}
	})
}
