package poller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

// ruled returns an agenda at the instant that has read its head and covers everything from at(0) to what has settled.
func ruled(now time.Time) Agenda {
	a := newAgenda(Rules{Settle: 2 * time.Minute, Interval: 30 * time.Second, Tiers: defaultTiers, Rows: 100}, Ledger{From: at(0)}, now)
	a.headRead, a.headTried, a.askedUpTo, a.reads = now, now, now, 1
	a.Coverage = Coverage{}.Add(Stretch{Window: Window{at(0), a.settledUpTo(now)}, ReadAt: now})
	a.Density = a.Density.Observe(window(0, 7*86_400), 7*864)
	return a
}

var errDown = serviceError(smartassist.Temporary, 503, smartassist.CategoryStatus5xx)

// TestBackoff: seconds while it may be the service that fails, up to an hour once it is the window.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		failures, blamed int
		want             time.Duration
	}{
		{0, 0, time.Second}, {1, 0, 2 * time.Second}, {3, 0, 8 * time.Second}, {6, 0, time.Minute}, {50, 0, time.Minute},
		{1, 1, 15 * time.Second}, {2, 1, 30 * time.Second}, {5, 1, 4 * time.Minute}, {9, 9, time.Hour}, {1000, 9, time.Hour},
	} {
		if got := (Failing{Failures: c.failures, Blamed: c.blamed}).backoff(); got != c.want {
			t.Errorf("after %d failures, %d its own: %v, want %v", c.failures, c.blamed, got, c.want)
		}
	}
}

// TestAFailingWindowWaits until its time, and not at all where our clock was set back.
func TestAFailingWindowWaits(t *testing.T) {
	f := Failing{Failures: 2, Blamed: 1, NotBefore: at(30)}
	for _, c := range []struct {
		now  int
		want time.Duration
	}{{0, 30 * time.Second}, {29, time.Second}, {30, 0}, {31, 0}, {-1, 0}, {-86_400, 0}} {
		if got := f.wait(at(c.now)); got != c.want {
			t.Errorf("at second %d: %v, want %v", c.now, got, c.want)
		}
	}
	f.Partial, f.NotBefore = true, at(600)
	if got := f.wait(at(0)); got != 10*time.Minute {
		t.Errorf("a partial one: %v, want 10 minutes", got)
	}
}

// TestASplitWindow is tried again in halves, the later one at once.
func TestASplitWindow(t *testing.T) {
	a := ruled(at(10_000))
	a.split(Failing{Window: window(100, 109), Reason: Gap, Since: at(9000), Failures: 3, Blamed: 2, Category: "timeout"}, at(10_000))
	want := []Failing{
		{Window: window(100, 104), Reason: Gap, Since: at(9000), NotBefore: at(10_001), Category: "timeout"},
		{Window: window(104, 109), Reason: Gap, Since: at(9000), NotBefore: at(10_000), Category: "timeout"},
	}
	if !slices.Equal(a.Failing, want) {
		t.Errorf("%+v\nwant %+v", a.Failing, want)
	}
	if task, wait := a.retry(at(10_000), ofTheRest); wait > 0 || task.Window != window(104, 109) || !task.Retry || task.Reason != Gap {
		t.Errorf("first %+v after %v", task, wait)
	}
}

// TestAFailureNarrows down to a second, whichever it is, in as many steps as it takes to halve the window.
func TestAFailureNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := at(100_000)
		a := ruled(now)
		start, length := rapid.IntRange(1000, 50_000).Draw(t, "start"), rapid.IntRange(2, 4000).Draw(t, "length")
		bad := at(start + rapid.IntRange(0, length-1).Draw(t, "second"))
		task := Task{Window: window(start, start+length), Reason: Reread}
		asked := 0
		for {
			r := Read{Window: task.Window, At: now, First: now, TotalRequests: 1, Proven: true}
			if task.Contains(bad) {
				r = Read{Window: task.Window, Err: errDown, TotalRequests: tries}
			}
			a = a.After(task, r, now)
			if asked++; asked > 60 {
				t.Fatalf("not narrowed after %d questions: %+v", asked, a.Failing)
			}
			if len(a.Failing) == 1 && a.Failing[0].Len() == time.Second {
				break
			}
			wait := time.Duration(0)
			if task, wait = a.retry(now, ofTheRest); wait > 0 {
				now = now.Add(wait)
				task, _ = a.retry(now, ofTheRest)
			}
		}
		if f := a.Failing[0]; !f.Contains(bad) || f.Reason != Reread || !f.Since.Equal(at(100_000)) {
			t.Fatalf("%+v fails, want second %v", f, bad)
		}
	})
}

// TestNeighboursBecomeOne while nothing is answered: an outage is not many windows that fail.
func TestNeighboursBecomeOne(t *testing.T) {
	f := func(start, end, failures, blamed int) Failing {
		return Failing{Window: window(start, end), Failures: failures, Blamed: blamed, Since: at(start)}
	}
	for name, c := range map[string]struct {
		inRow int
		known []Failing
		add   Failing
		want  []Window
	}{
		"in an outage":             {mostFailedInRow, []Failing{f(0, 10, 1, 0), f(20, 30, 2, 0)}, f(10, 20, 1, 0), []Window{window(0, 30)}},
		"outside of one":           {1, []Failing{f(0, 10, 1, 0)}, f(10, 20, 1, 0), []Window{window(0, 10), window(10, 20)}},
		"that do not touch":        {mostFailedInRow, []Failing{f(0, 10, 1, 0)}, f(11, 20, 1, 0), []Window{window(0, 10), window(11, 20)}},
		"one that fails by itself": {mostFailedInRow, []Failing{f(0, 10, 3, 2)}, f(10, 20, 1, 0), []Window{window(0, 10), window(10, 20)}},
		"a half not tried yet":     {mostFailedInRow, []Failing{f(0, 10, 0, 0)}, f(10, 20, 1, 0), []Window{window(0, 10), window(10, 20)}},
		"more than a day":          {mostFailedInRow, []Failing{f(0, 80_000, 1, 0)}, f(80_000, 90_000, 1, 0), []Window{window(0, 80_000), window(80_000, 90_000)}},
	} {
		a := ruled(at(100_000))
		a.failedInRow, a.Failing = c.inRow, c.known
		a.addFailing(c.add)
		var got []Window
		for _, f := range a.Failing {
			got = append(got, f.Window)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if name == "in an outage" && (a.Failing[0].Failures != 2 || !a.Failing[0].Since.Equal(at(0))) {
			t.Errorf("%+v: want the most failures and the first instant of the three", a.Failing[0])
		}
	}
}

// TestFailingWindowsAreBounded: beyond the bound the oldest are no longer listed, and are gaps again.
func TestFailingWindowsAreBounded(t *testing.T) {
	a := ruled(at(100_000))
	for i := range mostFailing + 10 {
		a.addFailing(Failing{Window: window(10*i, 10*i+1), Failures: 1, Blamed: 1})
	}
	if len(a.Failing) != mostFailing || a.Failing[0].Window != window(100, 101) {
		t.Errorf("%d windows, the first %v", len(a.Failing), a.Failing[0].Window)
	}
}

// TestFreeParts: what lies before, between and behind windows that fail.
func TestFreeParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := ruled(at(100_000))
		var bad [60]bool
		for i := 0; i < 55; {
			i += rapid.IntRange(1, 15).Draw(t, "gap")
			end := min(i+rapid.IntRange(1, 5).Draw(t, "length"), 59)
			if i < end {
				a.Failing = append(a.Failing, Failing{Window: window(i, end)})
			}
			for ; i < end; i++ {
				bad[i] = true
			}
		}
		start := rapid.IntRange(0, 50).Draw(t, "start")
		end := rapid.IntRange(start, 59).Draw(t, "end")
		first := start
		for first < end && bad[first] {
			first++
		}
		last := first
		for last < end && !bad[last] {
			last++
		}
		if got := a.free(window(start, end)); got.Empty() != (first == last) || !got.Empty() && got != window(first, last) {
			t.Fatalf("free part of [%d, %d) beside %v is %v, want [%d, %d)", start, end, a.Failing, got, first, last)
		}
		tail := end
		for tail > start && !bad[tail-1] {
			tail--
		}
		if got := a.freeEnd(window(start, end)); got.Empty() != (tail == end) || !got.Empty() && got != window(tail, end) {
			t.Fatalf("free end of [%d, %d) beside %v is %v, want [%d, %d)", start, end, a.Failing, got, tail, end)
		}
	})
}

// TestWhichFailingWindowIsFirst: the widest, then the one that failed least, then the newest; those of the head by themselves.
func TestWhichFailingWindowIsFirst(t *testing.T) {
	now := at(100_000)
	due := func(start, end, failures int, reason Reason) Failing {
		return Failing{Window: window(start, end), Failures: failures, Blamed: 1, Reason: reason, NotBefore: now}
	}
	for name, c := range map[string]struct {
		failing []Failing
		of      kin
		want    Window
	}{
		"the widest":                 {[]Failing{due(0, 10, 5, Gap), due(20, 25, 1, Gap)}, ofTheRest, window(0, 10)},
		"which failed least":         {[]Failing{due(0, 5, 1, Gap), due(20, 25, 3, Gap)}, ofTheRest, window(0, 5)},
		"the newest":                 {[]Failing{due(0, 5, 2, Gap), due(20, 25, 2, Reread)}, ofTheRest, window(20, 25)},
		"the head's by itself":       {[]Failing{due(0, 500, 2, Gap), due(600, 601, 2, Head)}, ofTheHead, window(600, 601)},
		"and no other":               {[]Failing{due(0, 5, 2, Gap), due(600, 700, 2, Head)}, ofTheRest, window(0, 5)},
		"none that has not settled":  {[]Failing{due(0, 5, 2, Gap), due(99_900, 99_990, 2, Gap)}, ofTheRest, window(0, 5)},
		"none that has yet to begin": {[]Failing{due(100_100, 100_101, 2, Head)}, ofTheHead, Window{}},
	} {
		a := ruled(now)
		a.Failing = c.failing
		task, wait := a.retry(now, c.of)
		if task.Window != c.want || (wait == 0) != (c.want != Window{}) {
			t.Errorf("%s: %v after %v, want %v", name, task.Window, wait, c.want)
		}
	}
}

// TestASecondIsAlsoAskedForInSmallPages, every other time: the page may hold the row that the service cannot write.
func TestASecondIsAlsoAskedForInSmallPages(t *testing.T) {
	a := ruled(at(100_000))
	for failures, limit := range map[int]int{1: 10, 2: 0, 3: 10, 4: 0} {
		a.Failing = []Failing{{Window: window(5, 6), Failures: failures, Blamed: 1, Reason: Gap}}
		if task, wait := a.retry(at(100_000), ofTheRest); wait > 0 || task.Limit != limit {
			t.Errorf("after %d failures: a limit of %d, want %d", failures, task.Limit, limit)
		}
	}
	a.Failing = []Failing{{Window: window(5, 7), Failures: 1, Blamed: 1, Reason: Gap}}
	if task, _ := a.retry(at(100_000), ofTheRest); task.Limit != 0 {
		t.Errorf("two seconds: a limit of %d", task.Limit)
	}
}

// TestASecondBecomesPartial after three minutes and three failures of its own, and completeThrough stops before it.
func TestASecondBecomesPartial(t *testing.T) {
	now := at(100_000)
	a := ruled(now)
	a.Coverage = Coverage{}.Add(Stretch{Window: window(0, 500), ReadAt: now}).Add(Stretch{Window: window(501, 90_000), ReadAt: now})
	task := Task{Window: window(500, 501), Reason: Gap}
	for failures := 1; !a.partialAt(task.Window); failures++ {
		a = a.After(task, Read{Window: task.Window, Err: errDown, TotalRequests: 1}, now)
		a = a.After(Task{Window: window(600, 700), Reason: Reread}, Read{Window: window(600, 700), At: now, First: now, Proven: true}, now)
		task.Retry = true
		if now = now.Add(time.Minute); failures > 20 {
			t.Fatalf("%+v", a.Failing)
		}
	}
	if after := now.Add(-time.Minute).Sub(at(100_000)); after < partialAfter || after > 2*partialAfter {
		t.Errorf("partial after %v", after)
	}
	if partial := a.Coverage.Partial(); len(partial) != 1 || partial[0].Window != window(500, 501) || partial[0].Cause != Unanswered {
		t.Errorf("%v", partial)
	}
	if got := a.Coverage.Through(at(0)); !got.Equal(at(500)) {
		t.Errorf("complete through %v, want second 500", got)
	}
	a = a.After(task, Read{Window: task.Window, At: now, First: now, Proven: true, TotalRequests: 1}, now)
	if len(a.Failing) != 0 || len(a.Coverage.Partial()) != 0 || !a.Coverage.Covers(window(0, 90_000)) {
		t.Errorf("after it was read: %v, %v", a.Failing, a.Coverage.Partial())
	}
}

// TestDropFailing: what was never read is wanted however old it is; what was covered, within the horizon only.
func TestDropFailing(t *testing.T) {
	now := at(0)
	old, young := Window{at(-8 * 86_400), at(-8*86_400 + 1)}, window(-86_400, -86_399)
	for name, c := range map[string]struct {
		f     Failing
		reach time.Time
		kept  bool
	}{
		"an old gap":                      {Failing{Window: old, Reason: Gap}, time.Time{}, true},
		"an old re-read":                  {Failing{Window: old, Reason: Reread}, time.Time{}, false},
		"a young re-read":                 {Failing{Window: young, Reason: Reread}, time.Time{}, true},
		"an old second that is partial":   {Failing{Window: old, Reason: Reread, Partial: true}, time.Time{}, false},
		"an old minute that is partial":   {Failing{Window: Window{old.Start, old.Start.Add(time.Minute)}, Reason: Reread, Partial: true}, time.Time{}, true},
		"a gap that memory does not span": {Failing{Window: young, Reason: Gap}, at(-1000), false},
	} {
		a := ruled(now)
		a.Failing, a.Reach = []Failing{c.f}, c.reach
		before := a.Failing
		a.dropFailing(now)
		if got := len(a.Failing) == 1; got != c.kept || before[0] != c.f {
			t.Errorf("%s: kept %t, want %t", name, got, c.kept)
		}
	}
}

// TestAfterIsAValue: the agenda before it stays as it was, whatever comes of the task.
func TestAfterIsAValue(t *testing.T) {
	now := at(100_000)
	a := ruled(now)
	a.Failing = []Failing{{Window: window(5, 6), Reason: Gap, Since: at(1), Failures: 1, Blamed: 1}, {Window: window(50, 60), Reason: Gap, Failures: 2}}
	failing, stretches := slices.Clone(a.Failing), slices.Clone(a.Coverage.Stretches())
	for _, r := range []Read{
		{Window: window(5, 6), Err: errDown}, {Window: window(50, 60), Err: errors.New("no")}, {Window: window(0, 70), At: now, First: now, Proven: true},
		{Window: window(5, 6), At: now, First: now, Partial: Capped}, {Window: window(5, 60), At: now, First: now, Narrow: time.Second},
	} {
		for _, reason := range []Reason{Head, Settled, Reread, Gap} {
			a.After(Task{Window: r.Window, Reason: reason, chosen: now, present: now}, r, now)
			a.stepped(time.Hour)
			if !slices.Equal(a.Failing, failing) || !slices.Equal(a.Coverage.Stretches(), stretches) {
				t.Fatalf("%s %v changed the agenda before it", reason, r.Window)
			}
		}
	}
}

// TestTheSharesOfRequests: windows that fail get half of them; of the rest gaps get three of five, re-reads two.
func TestTheSharesOfRequests(t *testing.T) {
	a := ruled(at(0))
	a.share(Task{Reason: Head}, Read{TotalRequests: 9})
	a.share(Task{Reason: Settled}, Read{TotalRequests: 9})
	if a.retryBalance != 0 {
		t.Errorf("the newest rows count: %d", a.retryBalance)
	}
	a.share(Task{Reason: Gap, Retry: true}, Read{TotalRequests: 5})
	a.share(Task{Reason: Reread}, Read{TotalRequests: 2})
	if a.retryBalance != 3 {
		t.Errorf("5 requests on windows that fail and 2 on others: %d", a.retryBalance)
	}
	a.share(Task{Reason: Gap, Retry: true}, Read{TotalRequests: 500})
	a.spent(Task{Reason: Reread}, Read{TotalRequests: 500})
	if a.retryBalance != 20 || a.rereadBalance != 120 || a.rereads != 1 {
		t.Errorf("a long walk is held against later ones for ever: %d, %d", a.retryBalance, a.rereadBalance)
	}
	a.spent(Task{Reason: Gap}, Read{TotalRequests: 70})
	a.spent(Task{Reason: Head}, Read{TotalRequests: 70})
	if a.rereadBalance != 120-2*70 {
		t.Errorf("70 on gaps after many on re-reads: %d", a.rereadBalance)
	}
}
