package poller

import (
	"testing"
	"time"
)

// TestAHorizonFallsAfterADay: one that is lowered and set back within a day was never lower, and one that is raised counts at once.
func TestAHorizonFallsAfterADay(t *testing.T) {
	const week, hour = 7 * 24 * time.Hour, time.Hour
	kept := Kept{}
	for _, step := range []struct {
		after            time.Duration
		configured, want time.Duration
	}{
		{0, week, week}, {hour, hour, week}, {2 * hour, week, week}, // for an hour
		{30 * hour, hour, week}, {53 * hour, hour, week}, {54 * hour, hour, hour}, // for a day
		{55 * hour, 2 * hour, 2 * hour}, // raised
	} {
		if kept = kept.after(step.configured, t0.Add(step.after)); kept.Kept != step.want {
			t.Errorf("after %v with %v: %v is kept, want %v", step.after, step.configured, kept.Kept, step.want)
		}
	}
}

// TestLedgerValidates: a state that cannot be is refused with what to do, instead of being gone on with.
func TestLedgerValidates(t *testing.T) {
	for name, l := range map[string]Ledger{
		"a stretch without length":   {Coverage: Coverage{[]Stretch{{Window: window(3, 3)}}}},
		"stretches out of order":     {Coverage: Coverage{[]Stretch{{Window: window(5, 9)}, {Window: window(1, 2)}}}},
		"a fraction of a second":     {Failing: []Failing{{Window: Window{at(1), at(2).Add(time.Millisecond)}}}},
		"a failing one without time": {Failing: []Failing{{}}},
		"a negative sequence":        {Sequence: -1},
	} {
		if l.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
	}
	good := Ledger{Sequence: 1, Coverage: Coverage{[]Stretch{{Window: window(1, 2)}, {Window: window(2, 9)}}}, Failing: []Failing{{Window: window(9, 10)}}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
