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

// TestAnotherSelectionWithAClockAhead: what is wanted anew begins where changes were last looked for, not where a clock that is
// ahead would have it.
func TestAnotherSelectionWithAClockAhead(t *testing.T) {
	minute := func(m int) time.Time { return at(60 * m) }
	for name, c := range map[string]struct {
		ahead time.Duration
		want  time.Time
	}{"right": {0, minute(38)}, "ahead": {2 * time.Hour, minute(38)}, "behind": {-10 * time.Minute, minute(30)}} {
		l := Ledger{From: minute(0), Coverage: Coverage{[]Stretch{{Window: Window{minute(0), minute(58)}}}}}
		l.reselect(20*time.Minute, minute(60).Add(c.ahead))
		if !l.From.Equal(c.want) || len(l.Coverage.Stretches()) > 0 {
			t.Errorf("%s: from %v, want %v", name, l.From, c.want)
		}
	}
}
