package fleet

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// TestTheHourlyLimit: a service that refuses everything until the hour has passed, and says so, is asked seldom, and is read again
// once it has.
func TestTheHourlyLimit(t *testing.T) {
	t.Parallel()
	from, until := bubble.Add(30*time.Minute), bubble.Add(80*time.Minute)
	g := &gateway{}
	g.answers = func(w http.ResponseWriter, _ *http.Request, q pageRequest) bool {
		if q.at.Before(from) || !q.at.Before(until) {
			return false
		}
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"errors":[{"msg":"You've exceeded the hourly rate limit. Please wait for sometime before retrying.","code":429}]}`))
		return true
	}
	c := simulator.Config{History: time.Hour, PerMinute: 1, LateBy: -1}
	inWorldBehind(t, g, c, frugal(map[string]string{"START_FROM": "1h"}), func(w *world) {
		w.run(2 * time.Hour)
		refused := 0
		for _, q := range g.asked() {
			if !q.at.Before(from) && q.at.Before(until) {
				refused++
			}
		}
		if refused == 0 || refused > 20 {
			t.Errorf("%d requests were made in the fifty minutes in which all were refused, want 20 at most", refused)
		}
		w.flows(until.Add(15*time.Minute), time.Now().Add(-3*time.Minute), time.Time{}, 2*time.Minute)
		w.fresh(w.verify(w.complete))
		if lines := w.alarms(); len(lines) > 2 || len(lines) == 0 {
			t.Errorf("%d lines of the log tell of it, want one, and one that it is over:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	})
}
