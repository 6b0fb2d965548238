package poller

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestOurClockIsSet: the process notices by its monotonic clock, and what it knows of the service's and of its own doings holds
// on. Before, the service counted as ahead until its next answer, and a head that failed meanwhile made everything up to that
// instant wait.
func TestOurClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := steps{}
		for _, set := range []time.Duration{0, -45 * time.Minute, 0, 9 * 24 * time.Hour, 0} {
			before := s.wall
			time.Sleep(3 * time.Second)
			now := time.Now().Round(0)
			if !before.IsZero() {
				now = before.Add(3*time.Second + set)
			}
			if by := s.step(now); by != set {
				t.Errorf("set by %v, noticed %v", set, by)
			}
		}
	})
	i := newIdeal(0.01, 30, time.Hour)
	i.ahead = -45 * time.Minute // ours was set ahead, and is set right
	i.run(10*time.Minute, func(Task) {})
	present := i.present(i.now.Add(i.ahead))
	i.Agenda, i.now, i.ahead = i.stepped(i.ahead), i.now.Add(i.ahead), 0
	if got := i.present(i.now); !got.Equal(present) || i.Clock.Ahead != 0 {
		t.Errorf("the present is %v, want %v; the service %v ahead", got, present, i.Clock.Ahead)
	}
	if d := since(i.headRead, i.now); d > time.Minute {
		t.Errorf("the head was read %v ago", d)
	}
}

// TestOurClockBehindEverything: a head is read all the same, and its answer tells the service's clock.
func TestOurClockBehindEverything(t *testing.T) {
	i := newIdeal(0.01, 30, 15*time.Minute)
	i.run(5*time.Minute, func(Task) {})
	i.now = i.now.Add(-45 * time.Minute)
	asked := 0
	i.run(2*time.Minute, func(Task) { asked++ })
	if asked < 4 {
		t.Errorf("%d questions in two minutes", asked)
	}
}

// TestObserve: neither a slow answer nor a step of our own clock is one of the service's.
func TestObserve(t *testing.T) {
	const took = 20 * time.Second
	for name, c := range map[string]struct {
		took     time.Duration
		received time.Time
		date     time.Time
		want     Clock
	}{
		"no date":                {took, at(100), time.Time{}, Clock{}},
		"when it was sent":       {took, at(100), at(80), Clock{Known: true}},
		"when it was answered":   {took, at(100), at(100), Clock{Known: true}},
		"behind":                 {took, at(100), at(50), Clock{-30 * time.Second, true}},
		"ahead":                  {took, at(100), at(160), Clock{time.Minute, true}},
		"ours was set meanwhile": {took, at(100).Add(2 * time.Hour), at(100), Clock{took - 2*time.Hour, true}},
	} {
		if got := observe(c.took, c.received, c.date); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
