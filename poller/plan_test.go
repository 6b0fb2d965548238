package poller

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var defaultTiers = []Tier{{time.Hour, 5 * time.Minute}, {6 * time.Hour, 30 * time.Minute}, {48 * time.Hour, 6 * time.Hour}, {168 * time.Hour, 24 * time.Hour}}

// ideal plays a service whose pages are never full: it does what the plan says, one request per pace, and keeps the books
// that Poller keeps.
type ideal struct {
	Plan
	rows     float64 // a second
	pace     time.Duration
	requests map[Why]int
	width    time.Duration
}

func newIdeal(rows float64, perMinute int, from time.Duration) *ideal {
	i := &ideal{rows: rows, pace: time.Minute / time.Duration(perMinute), requests: map[Why]int{}, width: time.Hour}
	i.Plan = Plan{Now: t0, From: t0.Add(-from), Settle: 2 * time.Minute, Interval: 30 * time.Second, Tiers: defaultTiers}
	i.Widest = func(time.Time) time.Duration { return 2 * i.width }
	return i
}

func (i *ideal) run(d time.Duration, each func(Task)) {
	for end := i.Now.Add(d); i.Now.Before(end); i.Now = i.Now.Add(i.pace) {
		task, due := i.Next()
		if !due {
			continue
		}
		each(task)
		i.read(task)
	}
}

func (i *ideal) read(task Task) {
	i.Turn++
	i.requests[task.Why]++
	for task.Len() > time.Second && task.Len().Seconds()*i.rows > 100 { // a full page is split
		task.Window = task.FirstHalf()
		i.requests[task.Why]++
	}
	i.Density = i.Density.Observe(task.Window, int(task.Len().Seconds()*i.rows))
	settled := Window{task.Start, earlier(task.End, i.SettledUpTo())}
	i.Coverage = i.Coverage.Add(Stretch{settled, i.Now, false}).Compact(Tolerance(i.Tiers, i.Now))
	if task.Why == Head {
		i.Peeked = later(i.Peeked, task.End)
		if i.Passing = task.End.Before(i.present()); !i.Passing {
			i.Peeked = i.Now.UTC().Truncate(time.Second)
			i.HeadRead = i.Now
		}
		return
	}
	i.width = task.Len()
}

// TestPlanKeepsUp runs the plan for two days at several loads within the default budget: the head must stay fresh, the
// settled range complete, and every tier be read at its cadence as long as the budget carries it.
func TestPlanKeepsUp(t *testing.T) {
	for _, load := range []struct {
		perDay    int
		perMinute float64 // requests, once the backlog is read
		lateness  float64 // of the worst tier, in cadences
	}{{200, 2.8, 1.3}, {1_000, 3.2, 1.3}, {10_000, 5.5, 1.3}, {100_000, 30, 4}} {
		t.Run(fmt.Sprint(load.perDay, " a day"), func(t *testing.T) {
			i := newIdeal(float64(load.perDay)/86400, 30, 24*time.Hour)
			var stale, behind time.Duration
			start, steady := i.Now, 0
			i.run(18*time.Hour, func(Task) {
				if i.Now.Sub(start) > 12*time.Hour { // the backlog is read
					steady++
					stale = max(stale, i.Now.Sub(i.HeadRead))
					behind = max(behind, i.SettledUpTo().Sub(i.Coverage.Through(i.From)))
				}
			})
			worst := 0.0
			for _, p := range i.pieces() {
				worst = max(worst, p.overdue)
			}
			perMinute := float64(steady) / (6 * 60)
			t.Logf("requests %v, %.1f a minute, head at most %v old, complete but for %v, worst tier %.1f cadences, %d stretches",
				i.requests, perMinute, stale, behind, worst, len(i.Coverage.Stretches()))
			if perMinute > load.perMinute || stale > 45*time.Second || behind > 3*time.Minute || worst > load.lateness || len(i.Coverage.Stretches()) > 300 {
				t.Errorf("%.1f requests a minute (want %.1f), head %v old (want 45s), complete but for %v (want 3m), worst tier %.1f cadences (want %.1f), %d stretches",
					perMinute, load.perMinute, stale, behind, worst, load.lateness, len(i.Coverage.Stretches()))
			}
		})
	}
}

// TestPlanReadsOnlyWhatMakesSense draws any state of affairs and holds the plan to what must be true of every task.
func TestPlanReadsOnlyWhatMakesSense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := newIdeal(rapid.Float64Range(0, 5).Draw(t, "rows"), 30, time.Duration(rapid.IntRange(0, 3000).Draw(t, "from"))*time.Minute)
		i.Behind = time.Duration(rapid.IntRange(0, 400).Draw(t, "behind")) * time.Second
		i.Ahead = time.Duration(rapid.IntRange(0, 400).Draw(t, "ahead")) * time.Second
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i.Now = i.Now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms*200")) * 200 * time.Millisecond)
			i.HeadOnly = rapid.IntRange(0, 9).Draw(t, "head only") == 0
			i.Unproven = rapid.IntRange(0, 9).Draw(t, "unproven") == 0
			task, due := i.Next()
			if !due {
				continue
			}
			switch {
			case task.Empty() || task.Start.Before(i.From):
				t.Fatalf("%s %v: empty, or before what is wanted (%v)", task.Why, task.Window, i.From)
			case task.End.After(i.Now) && (task.Why != Head || task.End.After(i.Now.Add(i.Ahead))) || task.Len() > 25*time.Hour:
				t.Fatalf("%s %v: ends after now %v (the service's clock is %v ahead), or is too wide", task.Why, task.Window, i.Now, i.Ahead)
			case task.Why != Head && task.End.After(i.SettledUpTo()) && task.Why != Reread:
				t.Fatalf("%s %v: has not settled (%v)", task.Why, task.Window, i.SettledUpTo())
			case task.Why == Gap && i.Coverage.Covers(task.Window):
				t.Fatalf("gap %v is covered", task.Window)
			case task.Why == Reread && !i.Coverage.Covers(task.Window):
				t.Fatalf("re-read %v was never read", task.Window)
			case i.HeadOnly && (task.Why == Gap || task.Why == Reread):
				t.Fatalf("%s although only the head is to be read", task.Why)
			}
			i.read(task)
		}
	})
}

func TestHeadOfABusyAccountReadsWhatIsNewAndThenWhatHasSettled(t *testing.T) {
	i := newIdeal(2, 60, 0) // 40 s to a page: 150 s from the settled past to the present are too many
	i.run(20*time.Minute, func(Task) {})
	if i.requests[Settled] == 0 || i.requests[Head] < 35 {
		t.Fatalf("requests %v: want head reads every 30 s and settled reads beside them", i.requests)
	}
	if behind := i.SettledUpTo().Sub(i.Coverage.Through(i.From)); behind > time.Minute {
		t.Fatalf("complete but for %v, want less than a minute", behind)
	}
}

func TestTheTenthTaskIsForTheRestEvenIfTheHeadNeverEnds(t *testing.T) {
	i := newIdeal(500, 30, time.Hour) // far more than the budget carries
	i.run(30*time.Minute, func(Task) {})
	all := i.requests[Head] + i.requests[Settled] + i.requests[Gap] + i.requests[Reread]
	if rest := i.requests[Gap] + i.requests[Reread]; rest*20 < all || i.requests[Settled]*4 < all {
		t.Fatalf("requests %v: the settled read or the rest starves", i.requests)
	}
}

func TestDensityIsNotMisledByOneFullSecond(t *testing.T) {
	var d Density
	for h := range 24 {
		d = d.Observe(Window{t0.Add(time.Duration(h) * time.Hour), t0.Add(time.Duration(h+1) * time.Hour)}, 36)
	}
	before := d.Width(at(0))
	d = d.Observe(window(10, 11), 1300)
	if after := d.Width(at(0)); after < before/2 {
		t.Fatalf("one second with 1,300 rows made windows shrink from %v to %v", before, after)
	}
}

// TestWidthsAreWholeSeconds: a window is asked for in whole seconds, so no task may hold a fraction, whatever the limit on
// its width is. A quarter of what failed, doubled, soon is one.
func TestWidthsAreWholeSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := newIdeal(rapid.Float64Range(0.01, 5).Draw(t, "rows"), 30, 3*time.Hour)
		i.Widest = func(time.Time) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "widest"))
		}
		met := map[Why]bool{}
		i.run(30*time.Minute, func(task Task) {
			met[task.Why] = true
			if task.Empty() || !task.Start.Equal(task.Start.Truncate(time.Second)) || !task.End.Equal(task.End.Truncate(time.Second)) {
				t.Fatalf("%s %v to %v", task.Why, task.Start, task.End)
			}
		})
		if !met[Gap] {
			t.Fatal("no gap was read: the test shows nothing")
		}
	})
}

// TestHeadOnlyHoldsBackAllOthers: while windows other than the head are in trouble, none of them comes up, not even as a
// tenth task, and the head does.
func TestHeadOnlyHoldsBackAllOthers(t *testing.T) {
	i := newIdeal(2, 60, time.Hour) // so busy that what has settled has tasks of its own
	i.run(20*time.Minute, func(Task) {})
	if i.requests[Settled] == 0 || i.requests[Reread] == 0 || i.requests[Gap] == 0 {
		t.Fatalf("requests %v: a kind is missing, the test shows nothing", i.requests)
	}
	i.HeadOnly, i.requests = true, map[Why]int{}
	i.run(10*time.Minute, func(task Task) {
		if task.Why != Head {
			t.Fatalf("%s %v although only the head is to be read", task.Why, task.Window)
		}
	})
	if i.requests[Head] < 20 {
		t.Fatalf("%d head reads in ten minutes, want one every 30 s", i.requests[Head])
	}
}

// TestAServiceClockAheadIsNoBusyLoop: the head then ends in our future, and is due once an interval all the same.
func TestAServiceClockAheadIsNoBusyLoop(t *testing.T) {
	i := newIdeal(0.01, 60, time.Hour)
	i.Ahead = 5 * time.Minute
	i.run(time.Hour, func(task Task) {
		if task.Why == Head && task.End.Before(i.Now) {
			t.Fatalf("the head ends at %v, the service's clock is at %v", task.End, i.present())
		}
	})
	if n := i.requests[Head]; n < 110 || n > 125 {
		t.Fatalf("%d head reads in an hour, want one every 30 s", n)
	}
}

// TestAHeadReadThatWasCutGoesOn: a page that was likely to hold all from the settled past to the present did not, and only
// its first half was read, which ends before what was read up to last time. The rest is next, not the same again.
func TestAHeadReadThatWasCutGoesOn(t *testing.T) {
	i := newIdeal(0.1, 30, time.Hour)
	i.run(30*time.Minute, func(Task) {})
	i.Now = i.HeadRead.Add(i.Interval)
	whole, due := i.Next()
	if !due || whole.Why != Head || whole.End.Before(i.present()) {
		t.Fatalf("%+v: want the head up to the present", whole)
	}
	cut := whole
	cut.Window = whole.FirstHalf()
	if !cut.End.Before(i.Peeked) {
		t.Fatalf("the half %v reaches beyond what was read before, up to %v", cut.Window, i.Peeked)
	}
	before := i.Peeked
	i.read(cut)
	i.Turn = 0 // not a tenth one, which would be the rest's
	i.Now = i.Now.Add(i.pace)
	if rest, due := i.Next(); !due || rest.Why != Head || rest.Start.Before(before) || rest.End.Before(i.present()) {
		t.Fatalf("after %v comes %+v, want what is new since %v", cut.Window, rest, before)
	}
}
