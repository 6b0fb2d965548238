package fleet

import (
	"net/http"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestASecondThatFailsBeyondTheHorizon: a second that fails for ever, in a backlog older than the horizon of REREAD.
func TestASecondThatFailsBeyondTheHorizon(t *testing.T) {
	c := simulator.Config{History: 24 * time.Hour, PerMinute: 0.5, LateBy: -1}
	second := quiet(t, c, bubble.Add(-6*time.Hour))
	g := &gateway{}
	asked := 0
	g.answers = func(w http.ResponseWriter, r *http.Request, q pageRequest) bool {
		fails := q.shows(second)
		if fails {
			asked++
			failings["500"](w, r)
		}
		return fails
	}
	inWorldBehind(t, g, c, map[string]string{"START_FROM": "12h", "REREAD": "1h:5m"}, func(w *world) {
		stop := w.start()
		for range 8 {
			time.Sleep(30 * time.Minute)
			s := w.stuckStatus()
			t.Logf("through %v partial %v failing %v asked %d", s.Poller.CompleteThrough, s.Poller.Partial, s.Poller.Failing, asked)
		}
		end := time.Now()
		w.must(stop())
		w.flows(bubble.Add(-5*time.Hour), bubble, second, 6*time.Hour)
		w.flows(bubble.Add(10*time.Minute), end.Add(-10*time.Minute), second, 3*time.Minute)
		if asked > 200 {
			t.Errorf("asked for the second %d times in 4 h", asked)
		}
	})
}
