package poller

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTheFirstHead asks for a short time before now, not before what is wanted, and for less after each failure.
func TestTheFirstHead(t *testing.T) {
	rules := Rules{Settle: 2 * time.Minute, Interval: 30 * time.Second, Rows: 100, StartFrom: time.Hour}
	for name, c := range map[string]struct {
		ledger Ledger
		failed int
		want   Window
	}{
		"a first start":               {Ledger{}, 0, window(9820, 10_000)},
		"a restart":                   {Ledger{From: at(0)}, 0, window(9820, 10_000)},
		"wanted since a moment ago":   {Ledger{From: at(9990)}, 0, window(9990, 10_000)},
		"wanted from a clock ahead":   {Ledger{From: at(20_000)}, 0, window(9820, 10_000)},
		"memory that does not reach":  {Ledger{From: at(0), Reach: at(9950)}, 0, window(9950, 10_000)},
		"memory from a clock ahead":   {Ledger{From: at(0), Reach: at(10_500)}, 0, window(10_500, 10_501)},
		"after a failure":             {Ledger{From: at(0)}, 1, window(9910, 10_000)},
		"after many":                  {Ledger{From: at(0)}, 30, window(9999, 10_000)},
		"after a failure of a second": {Ledger{From: at(9999)}, 3, window(9999, 10_000)},
	} {
		a := newAgenda(rules, c.ledger, at(10_000))
		a.failedInRow = c.failed
		task, wait := a.Head(at(10_000))
		if wait > 0 || task.Window != c.want || task.Reason != Head {
			t.Errorf("%s: %v after %v, want %v", name, task.Window, wait, c.want)
		}
		if other, wait := a.Rest(at(10_000)); wait <= 0 {
			t.Errorf("%s: %v is read before the service's clock is known", name, other.Window)
		}
	}
}

// TestTheFirstHeadWaits twice as long after each failure, up to its interval.
func TestTheFirstHeadWaits(t *testing.T) {
	a := newAgenda(Rules{Settle: 2 * time.Minute, Interval: 30 * time.Second, Rows: 100}, Ledger{From: at(0)}, at(0))
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 3: 8 * time.Second, 5: 30 * time.Second, 60: 30 * time.Second} {
		a.headTried, a.failedInRow = at(100), failures
		if _, wait := a.Head(at(100)); wait != want {
			t.Errorf("after %d failures: %v, want %v", failures, wait, want)
		}
		if _, wait := a.Head(at(100).Add(want)); wait > 0 {
			t.Errorf("after %d failures and %v: another %v", failures, want, wait)
		}
	}
}

// TestTheHeadIsDue after its interval, at once where many rows have begun, and sooner where everything else fails.
func TestTheHeadIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Agenda)
		want   time.Duration
	}{
		"as usual":                     {func(*Agenda) {}, 30 * time.Second},
		"others fail":                  {func(a *Agenda) { a.failedInRow = 2 }, probeEvery},
		"it ended before the present":  {func(a *Agenda) { a.headContinues = true }, 0},
		"many rows a second":           {func(a *Agenda) { a.Density = Density{}.Observe(window(99_000, 100_000), 20_000) }, 15 * time.Second},
		"the clocks are far apart":     {func(a *Agenda) { a.Clock, a.headAtService = Clock{2 * time.Hour, true}, true }, 30 * time.Second},
		"and only ours was asked":      {func(a *Agenda) { a.Clock = Clock{2 * time.Hour, true} }, 0},
		"our clock was set back since": {func(a *Agenda) { a.headTried = at(200_000) }, 0},
	} {
		a := ruled(at(100_000))
		c.change(&a)
		due := time.Duration(0)
		for ; due < time.Minute; due += time.Second {
			if _, wait := a.newest(at(100_001).Add(due)); wait <= 0 { // of a second nothing can be asked
				break
			}
		}
		if due > 0 {
			due += time.Second
		}
		if due != c.want {
			t.Errorf("%s: due after %v, want %v", name, due, c.want)
		}
	}
}

// TestClocksFarApartAreAskedInTurn: at ours, then at the service's, whichever is wrong.
func TestClocksFarApartAreAskedInTurn(t *testing.T) {
	for _, ahead := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		now := at(100_000)
		a := ruled(now)
		a.Clock, a.Coverage = Clock{ahead, true}, Coverage{}
		var ends []time.Duration
		for range 4 {
			task, wait := a.newest(now)
			for wait > 0 {
				now = now.Add(wait)
				task, wait = a.newest(now)
			}
			ends = append(ends, task.End.Sub(now.Truncate(time.Second)))
			a = a.After(task, Read{Window: task.Window, At: now, First: now, Clock: a.Clock, TotalRequests: 1}, now)
		}
		slices.Sort(ends)
		want := []time.Duration{0, 0, ahead, ahead}
		slices.Sort(want)
		if !slices.Equal(ends, want) {
			t.Errorf("%v ahead: windows end %v from our present, want %v", ahead, ends, want)
		}
	}
}

// TestAGap is the oldest time that was never read, has settled and does not fail; windows grow at most twofold.
func TestAGap(t *testing.T) {
	now := at(100_000)
	a := ruled(now)
	if gap, due := a.gap(now); due {
		t.Errorf("%v is a gap where all is covered", gap.Window)
	}
	a.Coverage = Coverage{}.Add(Stretch{Window: window(0, 1000), ReadAt: now}).Add(Stretch{Window: window(5000, 99_880), ReadAt: now})
	a.lastWidth = 100 * time.Second
	if gap, due := a.gap(now); !due || gap.Window != window(1000, 1200) || gap.Reason != Gap {
		t.Errorf("%v, want twice the width of the one before", gap.Window)
	}
	a.Failing = []Failing{{Window: window(900, 1100)}}
	if gap, _ := a.gap(now); gap.Window != window(1100, 1300) {
		t.Errorf("%v, want what lies behind the window that fails", gap.Window)
	}
	a.Reach = at(4990)
	if gap, _ := a.gap(now); gap.Window != window(4990, 5000) {
		t.Errorf("%v, want nothing before what the memory reaches back to", gap.Window)
	}
	a.Reach, a.Paging.IgnoresTime, a.lastWidth = time.Time{}, true, widest
	a.Coverage = Coverage{}.Add(Stretch{Window: window(0, 1000), ReadAt: now})
	if gap, _ := a.gap(now); !gap.End.Equal(at(86_400)) {
		t.Errorf("%v, want up to the end of the day where the service looks at dates only", gap.Window)
	}
	a.From = time.Time{}
	if gap, due := a.gap(now); due {
		t.Errorf("%v is a gap before it is known what is wanted", gap.Window)
	}
}

// TestWhatMayBeForgotten: a day and the kept horizon back, but nothing that a gap, or what is withheld, may still show.
func TestWhatMayBeForgotten(t *testing.T) {
	const day = 24 * time.Hour
	now := at(40 * 86_400)
	for name, c := range map[string]struct {
		change func(*Agenda)
		want   time.Time
	}{
		"the horizon":       {func(*Agenda) {}, now.Add(-8 * day)},
		"a longer one kept": {func(a *Agenda) { a.Horizon.Kept = 20 * day }, now.Add(-21 * day)},
		"an old gap":        {func(a *Agenda) { a.Coverage = Coverage{}.Add(Stretch{Window: window(0, 86_400)}) }, at(0)},
		"a young gap":       {func(a *Agenda) { a.Coverage = Coverage{}.Add(Stretch{Window: Window{at(0), now.Add(-day)}}) }, now.Add(-8 * day)},
		"what is withheld": {func(a *Agenda) {
			a.Coverage = a.Coverage.Add(Stretch{Window: window(10*86_400, 10*86_400+60), Withheld: true})
		}, at(9 * 86_400)},
		"before its beginning": {func(a *Agenda) { a.From, a.Coverage = time.Time{}, Coverage{} }, now.Add(-8 * day)},
	} {
		a := ruled(now)
		a.Horizon.Kept = 7 * day
		c.change(&a)
		if got := a.forgettable(now); !got.Equal(c.want) {
			t.Errorf("%s: up to %v, want %v", name, got, c.want)
		}
	}
}

// TestPiecesAreTheCoverage, cut at the tiers and without what fails: each second within the horizon stands in one of them.
func TestPiecesAreTheCoverage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := at(200)
		a := ruled(now)
		a.Tiers = []Tier{{30 * time.Second, 10 * time.Second}, {90 * time.Second, 60 * time.Second}}
		a.Coverage, a.Reach = Coverage{}, at(rapid.IntRange(0, 150).Draw(t, "reach"))
		for range rapid.IntRange(0, 8).Draw(t, "stretches") {
			start := rapid.IntRange(0, 190).Draw(t, "start")
			a.Coverage = a.Coverage.Add(Stretch{Window: window(start, start+rapid.IntRange(1, 40).Draw(t, "length")), ReadAt: at(rapid.IntRange(100, 200).Draw(t, "read")), Withheld: rapid.Bool().Draw(t, "withheld")})
		}
		for start := 5; start < 190; start += rapid.IntRange(10, 60).Draw(t, "gap") {
			a.Failing = append(a.Failing, Failing{Window: window(start, start+rapid.IntRange(1, 5).Draw(t, "failing"))})
		}
		var in [250]int
		for _, p := range a.pieces(now) {
			for i := range in {
				if p.Contains(at(i)) {
					in[i]++
					age := 200 - i
					if tier := p.tier; tier == 0 && age > 30 || tier == 1 && age <= 30 {
						t.Fatalf("second %d of age %d s is in tier %d", i, age, tier)
					}
				}
			}
		}
		for i := range in {
			s, covered := stretchAt(a.Coverage, at(i))
			fails := slices.ContainsFunc(a.Failing, func(f Failing) bool { return f.Contains(at(i)) })
			want := 0
			if covered && !fails && i < 200 && !at(i).Before(a.Reach) && (i >= 110 || s.Withheld) {
				want = 1
			}
			if in[i] != want {
				t.Fatalf("second %d is in %d pieces, want %d (covered %t, fails %t, withheld %t)", i, in[i], want, covered, fails, s.Withheld)
			}
		}
	})
}

// TestTheMostOverdueIsReadAgain, with neighbours that are on their way to it; the older the tier, the later.
func TestTheMostOverdueIsReadAgain(t *testing.T) {
	a := ruled(at(100_000))
	p := func(start, end, tier int, overdue float64) piece {
		return piece{window(start, end), tier, time.Minute, overdue}
	}
	for name, c := range map[string]struct {
		pieces []piece
		want   Window
		wait   time.Duration
	}{
		"nothing is due":         {[]piece{p(0, 10, 0, 0.5)}, Window{}, 30 * time.Second},
		"nothing is covered":     {nil, Window{}, longestIdle},
		"the most overdue":       {[]piece{p(0, 10, 0, 1.5), p(20, 30, 0, 2)}, window(20, 30), 0},
		"the younger tier":       {[]piece{p(0, 10, 2, 1.5), p(20, 30, 0, 1.1)}, window(20, 30), 0},
		"with neighbours":        {[]piece{p(0, 10, 0, 0.4), p(10, 20, 0, 1.2), p(20, 30, 0, 0.35)}, window(0, 30), 0},
		"not those just read":    {[]piece{p(0, 10, 0, 0.1), p(10, 20, 0, 1.2), p(20, 30, 0, 0.2)}, window(10, 20), 0},
		"not across what is not": {[]piece{p(0, 10, 0, 0.9), p(11, 20, 0, 1.2)}, window(11, 20), 0},
	} {
		w, _, wait := a.overdue(c.pieces)
		if w != c.want || wait != c.wait {
			t.Errorf("%s: %v after %v, want %v after %v", name, w, wait, c.want, c.wait)
		}
	}
}

// TestSpareRequestsGoWhereChangesAreLikely: to what has been waiting for longest, and to nothing that was just read.
func TestSpareRequestsGoWhereChangesAreLikely(t *testing.T) {
	now := at(100_000)
	a := ruled(now)
	a.Spare = true
	a.Coverage = Coverage{}.Add(Stretch{Window: window(90_000, 99_880), ReadAt: now}).Add(Stretch{Window: window(96_000, 97_000), ReadAt: at(97_200)})
	w, ok := a.likely(now, spareRows)
	if !ok || w.Intersect(window(96_000, 97_000)).Empty() {
		t.Errorf("%v %t, want within seconds 96,000 to 97,000, which were read 47 minutes ago", w, ok)
	}
	a.Coverage = Coverage{}.Add(Stretch{Window: window(90_000, 99_880), ReadAt: now})
	if w, ok := a.likely(now, spareRows); ok {
		t.Errorf("%v is read again in the second in which it was read", w)
	}
	a.Coverage = Coverage{}.Add(Stretch{Window: window(90_000, 99_880), ReadAt: at(97_200), Partial: Capped})
	if w, ok := a.likely(now, spareRows); ok {
		t.Errorf("%v is partial: another spare request shows nothing more", w)
	}
}

// TestHorizon is the age of the last tier.
func TestHorizon(t *testing.T) {
	if Horizon(nil) != 0 || Horizon(defaultTiers) != 168*time.Hour {
		t.Errorf("%v, %v", Horizon(nil), Horizon(defaultTiers))
	}
}
