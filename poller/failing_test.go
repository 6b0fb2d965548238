package poller

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestBesideAPartialSecond: two hours that were never read, beside a second that is partial, while the service is down and forty other
// windows fail. They never failed by themselves, so they are not partial, and are not forgotten.
func TestBesideAPartialSecond(t *testing.T) {
	now := at(100000)
	a := newAgenda(Rules{Settle: time.Minute, Interval: 30 * time.Second, Rows: 100, Tiers: []Tier{{time.Hour, 5 * time.Minute}}}, Ledger{From: at(0)}, now)
	a.headRead, a.headTried, a.failedInRow = now, now, 10 // an outage
	second := Window{at(50000), at(50001)}
	a.Failing = []Failing{{Window: second, Reason: Reread, Since: now.Add(-time.Hour), NotBefore: now.Add(time.Hour), Failures: 9, Blamed: 8, Partial: true}}
	for i := range 40 {
		a.Failing = append(a.Failing, Failing{Window: Window{at(95000 + 10*i), at(95001 + 10*i)}, Reason: Gap, Since: now, NotBefore: now.Add(time.Hour), Failures: 3, Blamed: 2})
	}
	a.Coverage = Coverage{}.Add(Stretch{Window: Window{at(0), at(50000)}, ReadAt: now}).Add(Stretch{Window: second, ReadAt: now, Partial: Unanswered})
	w := Window{at(50001), at(50001 + 7200)}
	task := Task{Window: w, Reason: Gap}
	for range 5 {
		a = a.After(task, Read{Window: w, Err: errors.New("503"), TotalRequests: 1}, now)
		task.Retry = true
		now = now.Add(time.Minute)
	}
	if a.partialAt(w) {
		t.Errorf("two hours are partial, after %d failures of which %d were their own", a.Failing[a.failingAt(w)].Failures, a.Failing[a.failingAt(w)].Blamed)
	}
	a.dropFailing(now) // as the next commit does
	if gap, _ := a.Coverage.Gap(w); a.failingAt(w) < 0 && gap.Empty() {
		t.Error("and they are never read any more")
	}
}

// TestPartialSecondsDoNotCountAsNarrowed: that forty seconds are known to be partial keeps no other from being found.
func TestPartialSecondsDoNotCountAsNarrowed(t *testing.T) {
	i := newIdeal(0.01, 30, 12*time.Hour)
	i.run(time.Hour, func(Task) {})
	bad := i.now.Add(5 * time.Minute).Truncate(time.Second)
	known := []time.Time{bad}
	for n := range mostNarrowed + 5 {
		w := Span(i.now.Add(-time.Duration(n+60)*time.Minute), i.now.Add(-time.Duration(n+60)*time.Minute+time.Second))
		i.Failing = append(i.Failing, Failing{Window: w, Reason: Reread, Since: i.now.Add(-time.Hour), NotBefore: i.now.Add(50 * time.Minute), Failures: 12, Blamed: 12, Partial: true})
		known = append(known, w.Start)
	}
	slices.SortFunc(i.Failing, func(a, b Failing) int { return a.Start.Compare(b.Start) })
	i.fails = func(w Window) bool { return slices.ContainsFunc(known, w.Contains) }
	i.run(time.Hour, func(Task) {})
	for _, f := range i.Failing {
		if f.Contains(bad) && f.Len() > time.Second {
			t.Errorf("%v fails, and is not narrowed down to %v", f.Window, bad)
		}
	}
	if !i.Coverage.Covers(Span(bad.Add(5*time.Second), bad.Add(10*time.Minute))) {
		t.Errorf("what lies behind is not covered: %v", i.Coverage.Partial())
	}
}

// TestASecondNarrowedDownToTwice: the newest rows and what has settled overlap by the second that cannot be answered, and both were
// being read when it failed. Each is narrowed down to it. Then it is known once: of one that stands there twice no failure would be
// noted, and it would be tried again without end, before all else.
func TestASecondNarrowedDownToTwice(t *testing.T) {
	for _, both := range [][2]time.Duration{{4 * time.Minute, 12 * time.Minute}, {4 * time.Minute, 6 * time.Minute}, {3 * time.Minute, 3 * time.Minute}} {
		i := newIdeal(0.01, 30, time.Hour)
		i.run(5*time.Minute, func(Task) {})
		now := i.now.Truncate(time.Second)
		bad := now.Add(-130 * time.Second)
		i.fails = func(w Window) bool { return w.Contains(bad) }
		i.read(Task{Window: Window{now.Add(-both[0]), now}, Reason: Head})
		i.read(Task{Window: Window{now.Add(-both[1]), now.Add(-2 * time.Minute)}, Reason: Settled})
		tried := map[Window]int{}
		i.run(time.Hour, func(task Task) {
			if task.Retry {
				tried[task.Window]++
			}
		})
		for n, f := range i.Failing {
			if n > 0 && f.Window == i.Failing[n-1].Window {
				t.Errorf("%v: %v stands there twice", both, f.Window)
			}
		}
		for w, n := range tried {
			if n > 15 { // 15 s, 30 s, a minute, ... between them
				t.Errorf("%v: %v was tried again %d times in an hour", both, w, n)
			}
		}
		if !i.Coverage.Covers(Window{bad.Add(4 * time.Second), i.now.Add(-10 * time.Minute)}) {
			t.Errorf("%v: what lies behind is not covered", both)
		}
	}
}
