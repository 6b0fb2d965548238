package cadence

import (
	"math"
	"testing"
	"time"
)

// within reports what is far from what any poller of use does.
func within(t *testing.T, o outcome) {
	if o.unread > 0 || o.read > time.Hour {
		t.Errorf("of the backlog of %d, %d are not published; the last one was after %v", o.backlog, o.unread, o.read)
	}
	for _, s := range o.spans {
		if rate := float64(s.sent) / s.to.Sub(s.from).Minutes(); rate < 1 || rate > float64(o.perMinute) {
			t.Errorf("%.1f requests a minute, of %d", rate, o.perMinute)
		}
		if p99 := quantile(s.fresh, 0.99); len(s.fresh) == 0 || p99 > 90*time.Second {
			t.Errorf("the p99 of %d new rows is published after %v", len(s.fresh), p99)
		}
		if median := quantile(s.changes[0], 0.5); median > 10*time.Minute {
			t.Errorf("the median of %d changes in the first hour is published after %v", len(s.changes[0]), median)
		}
		if p99 := quantile(s.lag, 0.99); p99 > 10*time.Minute {
			t.Errorf("completeThrough is %v behind", p99)
		}
	}
}

// TestDailyCurve: its mean is 1, and that of its busiest hour 2.2.
func TestDailyCurve(t *testing.T) {
	mean := func(from, to float64) float64 {
		sum := 0.0
		for at := from + 0.5; at < to; at++ {
			sum += daily(at)
		}
		return sum / (to - from)
	}
	if m := mean(0, 86400); math.Abs(m-1) > 0.001 {
		t.Errorf("the mean is %v", m)
	}
	if m := mean(11.5*3600, 12.5*3600); math.Abs(m-2.2) > 0.001 {
		t.Errorf("the mean of the busiest hour is %v", m)
	}
}
