package worker

import (
	"math"
	"testing"
	"time"

	"github.com/convstream/convstream/poller"
)

// TestBackfillGauges: the longest counts, one of which it is not known is not hidden by others, and neither audits nor what has ended count.
func TestBackfillGauges(t *testing.T) {
	left := func(s int) poller.PassStatus {
		return poller.PassStatus{Reason: poller.Backfill, Left: poller.Seconds(time.Duration(s) * time.Second)}
	}
	over, audit := left(9), left(9)
	over.Ended, audit.Reason = time.Now(), poller.Audit
	for name, c := range map[string]struct {
		passes []poller.PassStatus
		n      int
		left   float64
	}{
		"none":      {nil, 0, 0},
		"others":    {[]poller.PassStatus{over, audit}, 0, 0},
		"two":       {[]poller.PassStatus{over, left(60), left(30), audit}, 2, 60},
		"not known": {[]poller.PassStatus{left(60), left(0), left(30)}, 3, math.NaN()},
	} {
		n, left := backfills(poller.Status{Passes: c.passes})
		if n != c.n || left != c.left && !(math.IsNaN(left) && math.IsNaN(c.left)) {
			t.Errorf("%s: %d, %v; want %d, %v", name, n, left, c.n, c.left)
		}
	}
}
