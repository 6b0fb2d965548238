package poller

import (
	"math"
	"testing"
	"time"
)

var usualTiers = []Tier{{time.Hour, 5 * time.Minute}, {6 * time.Hour, 30 * time.Minute}, {48 * time.Hour, 6 * time.Hour}, {168 * time.Hour, 24 * time.Hour}}

// TestDemand holds it against what accounts of these sizes were measured to ask for in simulated days.
func TestDemand(t *testing.T) {
	c := Config{PageLimit: 100, Interval: 30 * time.Second, Settle: 2 * time.Minute, Tiers: usualTiers}
	for _, test := range []struct {
		rows, want float64
		tiers      int // that 30 requests a minute carry
	}{
		{0, 2, 4}, {1_000, 2.5, 4}, {10_000, 5, 4}, {100_000, 35, 3}, {500_000, 174, 0},
	} {
		d := c.Demand(test.rows, Paging{})
		if got := d.Total(); math.Abs(got-test.want) > 0.2*test.want {
			t.Errorf("%v rows a day: %.1f requests a minute, measured %v", test.rows, got, test.want)
		}
		if n := d.Fitting(30); n != test.tiers {
			t.Errorf("%v rows a day: %d tiers fit, want %d: %+v", test.rows, n, test.tiers, d)
		}
		if s := d.Stretch(30); (s == 1) != (test.tiers == 4) {
			t.Errorf("%v rows a day: stretched %v times, %d tiers fit", test.rows, s, test.tiers)
		}
	}
	if s := c.Demand(100_000, Paging{}).Stretch(1); s != 0 {
		t.Errorf("the head alone does not fit: stretched %v times, want 0", s)
	}
	walked := c.Demand(100_000, Paging{Unit: UnitRows, BeyondCap: true}).Total()
	if paged := c.Demand(100_000, Paging{}).Total(); walked >= paged {
		t.Errorf("walking costs %v, pages %v", walked, paged)
	}
}
