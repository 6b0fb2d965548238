package poller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/convstream/convstream/poller/smartassist"
)

var defaultTiers = []Tier{{time.Hour, 5 * time.Minute}, {6 * time.Hour, 30 * time.Minute}, {48 * time.Hour, 6 * time.Hour}, {168 * time.Hour, 24 * time.Hour}}

// ideal is a service of so many rows a second that does what the agenda says, one request per pace: windows of more than a page
// are walked where the agenda may, and narrowed else.
type ideal struct {
	Agenda
	now      time.Time
	rows     float64
	pace     time.Duration
	requests map[Reason]int
	fails    func(Window) bool // whether it cannot answer for a window
	ahead    time.Duration     // of the service's clock
}

func newIdeal(rows float64, perMinute int, from time.Duration) *ideal {
	rules := Rules{Settle: 2 * time.Minute, Interval: 30 * time.Second, Tiers: defaultTiers, Rows: 100, StartFrom: from}
	return &ideal{Agenda: newAgenda(rules, Ledger{}, t0), now: t0, rows: rows, pace: time.Minute / time.Duration(perMinute), requests: map[Reason]int{}}
}

// next is the task that is due.
func (i *ideal) next() (Task, bool) {
	if t, wait := i.Head(i.now); wait <= 0 {
		return t, true
	}
	t, wait := i.Rest(i.now)
	return t, wait <= 0
}

// run plays for so long; each is told of every task before it is read.
func (i *ideal) run(d time.Duration, each func(Task)) {
	for end := i.now.Add(d); i.now.Before(end); i.now = i.now.Add(i.pace) {
		if task, due := i.next(); due {
			each(task)
			i.read(task)
		}
	}
}

func (i *ideal) read(task Task) {
	rows := int(task.Len().Seconds() * i.rows)
	clock := observe(0, i.now, i.now.Add(i.ahead))
	r := Read{Window: task.Window, At: clock.Earlier(i.now), First: clock.Earlier(i.now), Clock: clock, Met: rows, Began: rows, TotalRequests: 1, Proven: true}
	pages := 1 + rows/99
	switch asked := (Window{task.Start.Add(-margin), task.End.Add(margin)}); {
	case i.fails != nil && i.fails(asked):
		r = Read{Window: task.Window, Err: &smartassist.Error{Kind: smartassist.Temporary, Category: "5xx", Err: errors.New("500")}, TotalRequests: tries}
		pages = tries
	case rows >= 100 && !i.Paging.walks() && task.Reason != Head && task.Len() > time.Second:
		r.Proven, r.Narrow, pages = false, time.Duration(pageRows/i.rows)*time.Second, 1
	}
	r.TotalRequests = pages
	if task.Reason == Head {
		r.Proven = r.Proven && rows < 100
	}
	i.requests[task.Reason] += pages
	i.now = i.now.Add(time.Duration(pages-1) * i.pace)
	i.Agenda = i.After(task, r, i.now)
}

func (i *ideal) worst() (worst float64) {
	for _, p := range i.pieces(i.now) {
		worst = max(worst, p.overdue)
	}
	return worst
}

// TestAgendaKeepsUp follows the agenda for a day at several loads within the default budget: the head must stay fresh, the
// settled range complete, and every tier be read at its cadence as long as the budget carries it.
func TestAgendaKeepsUp(t *testing.T) {
	for _, load := range []struct {
		perDay    int
		perMinute float64 // requests, once the backlog is read
		lateness  float64 // of the worst tier, in cadences
	}{{1_000, 3.2, 1.3}, {10_000, 6, 1.3}, {100_000, 30, 1.5}} {
		t.Run(fmt.Sprint(load.perDay, " a day"), func(t *testing.T) {
			i := newIdeal(float64(load.perDay)/86400, 30, 24*time.Hour)
			i.Paging = Paging{Unit: UnitRows, BeyondCap: true}
			var stale, behind time.Duration
			start, steady := i.now, map[Reason]int{}
			i.run(18*time.Hour, func(Task) {
				if i.now.Sub(start) < 12*time.Hour { // the backlog is read
					for reason, n := range i.requests {
						steady[reason] = n
					}
					return
				}
				stale = max(stale, i.now.Sub(i.headRead))
				behind = max(behind, i.settledUpTo(i.now).Sub(i.Coverage.Through(i.From)))
			})
			perMinute := 0.0
			for reason, n := range i.requests {
				perMinute += float64(n-steady[reason]) / (6 * 60)
			}
			t.Logf("requests %v, %.1f a minute, head at most %v old, complete but for %v, worst tier %.1f cadences, %d stretches",
				i.requests, perMinute, stale, behind, i.worst(), len(i.Coverage.Stretches()))
			if perMinute > load.perMinute || stale > 90*time.Second || behind > 4*time.Minute || i.worst() > load.lateness || len(i.Coverage.Stretches()) > 300 {
				t.Errorf("%.1f requests a minute (want %.1f), head %v old, complete but for %v, worst tier %.1f cadences (want %.1f), %d stretches",
					perMinute, load.perMinute, stale, behind, i.worst(), load.lateness, len(i.Coverage.Stretches()))
			}
		})
	}
}

// TestAgendaReadsOnlyWhatMakesSense draws any state of affairs and holds the agenda to what must be true of every task.
func TestAgendaReadsOnlyWhatMakesSense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := newIdeal(rapid.Float64Range(0, 5).Draw(t, "rows"), 30, time.Duration(rapid.IntRange(0, 3000).Draw(t, "from"))*time.Minute)
		i.ahead = time.Duration(rapid.IntRange(-400, 400).Draw(t, "ahead")) * time.Second
		i.Spare = rapid.Bool().Draw(t, "spare")
		bad := at(-rapid.IntRange(0, 3000).Draw(t, "bad"))
		if rapid.Bool().Draw(t, "fails") {
			i.fails = func(w Window) bool { return w.Contains(bad) }
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i.now = i.now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms*200")) * 200 * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(t, "step") == 0 { // of our clock
				i.now = i.now.Add(time.Duration(rapid.IntRange(-20_000, 5000).Draw(t, "by")) * 1100 * time.Millisecond)
			}
			task, due := i.next()
			if !due {
				continue
			}
			whole := task.Start.Equal(task.Start.Truncate(time.Second)) && task.End.Equal(task.End.Truncate(time.Second))
			switch settled := i.settledUpTo(i.now); {
			case task.Empty() || !whole || !i.From.IsZero() && task.Start.Before(i.From) || task.Start.Before(i.Reach):
				t.Fatalf("%s %v: empty, in fractions of seconds, or before what is wanted (%v)", task.Reason, task.Window, i.From)
			case task.End.After(i.present(i.now)) && task.Start.Before(i.present(i.now)) || task.Len() > 25*time.Hour:
				t.Fatalf("%s %v: ends after now %v (the service's clock is %v ahead), or is too wide", task.Reason, task.Window, i.now, i.ahead)
			case task.Reason != Head && task.End.After(settled) && task.Reason != Reread:
				t.Fatalf("%s %v: has not settled (%v)", task.Reason, task.Window, settled)
			case task.Reason == Gap && i.Coverage.Covers(task.Window):
				t.Fatalf("gap %v is covered", task.Window)
			case task.Reason == Reread && !task.Retry && !i.Coverage.Covers(task.Window):
				t.Fatalf("re-read %v was never read", task.Window)
			}
			for _, f := range i.Failing {
				if o := f.Intersect(task.Window); !o.Empty() && !task.Retry && i.headRead.After(time.Time{}) {
					t.Fatalf("%s %v goes over %v, which fails", task.Reason, task.Window, f.Window)
				}
			}
			i.read(task)
		}
	})
}

// TestAFailureIsNarrowedDown: one second that cannot be answered, wherever it lies, keeps nothing else from being read, and is
// partial after some minutes.
func TestAFailureIsNarrowedDown(t *testing.T) {
	for name, bad := range map[string]time.Duration{"in the backlog": -5 * time.Hour, "in the head": 10 * time.Minute, "at the start": 0} {
		t.Run(name, func(t *testing.T) {
			i := newIdeal(0.01, 30, 12*time.Hour)
			second := Window{t0.Add(bad), t0.Add(bad).Add(time.Second)}
			i.fails = func(w Window) bool { return w.Contains(second.Start) }
			stale := time.Duration(0)
			i.run(2*time.Hour, func(Task) {
				if !i.headRead.IsZero() {
					stale = max(stale, i.now.Sub(i.headRead))
				}
			})
			partial := i.Coverage.Partial()
			if len(partial) != 1 || !partial[0].Contains(second.Start) || partial[0].Len() > 4*time.Second || partial[0].Cause != Unanswered {
				t.Errorf("partial %v, want the second %v", partial, second)
			}
			if stale > 2*time.Minute {
				t.Errorf("the head was %v old", stale)
			}
			if len(partial) == 1 && !i.Coverage.Covers(Window{partial[0].End, i.now.Add(-4 * time.Minute)}) {
				t.Errorf("behind it is not all covered: %v", i.Coverage.Stretches())
			}
			if !i.Coverage.Through(i.From).Equal(partial[0].Start) {
				t.Errorf("complete through %v, want up to the second", i.Coverage.Through(i.From))
			}
			if i.worst() > 1.3 {
				t.Errorf("worst tier %.1f cadences", i.worst())
			}
		})
	}
}

// TestAnOutageBlamesNoWindow: when nothing is answered, nothing is partial, and all of it is read afterwards.
func TestAnOutageBlamesNoWindow(t *testing.T) {
	i := newIdeal(0.01, 30, time.Hour)
	i.run(20*time.Minute, func(Task) {})
	i.fails = func(Window) bool { return true }
	i.run(40*time.Minute, func(Task) {})
	if len(i.Failing) > 10 {
		t.Errorf("%d windows fail: %v", len(i.Failing), i.Failing)
	}
	i.fails = nil
	i.run(10*time.Minute, func(Task) {})
	if partial := i.Coverage.Partial(); len(partial) > 0 || len(i.Failing) > 0 {
		t.Errorf("partial %v, failing %v", partial, i.Failing)
	}
	if behind := i.now.Sub(i.Coverage.Through(i.From)); behind > 4*time.Minute {
		t.Errorf("complete but for %v", behind)
	}
}

func TestHeadOfABusyAccountReadsWhatIsNewAndThenWhatHasSettled(t *testing.T) {
	i := newIdeal(2, 60, 0) // 40 s to a page: 150 s from the settled past to the present are too many
	i.run(20*time.Minute, func(Task) {})
	if i.requests[Settled] == 0 || i.requests[Head] < 35 {
		t.Fatalf("requests %v: want head reads every 30 s and settled reads beside them", i.requests)
	}
	if behind := i.settledUpTo(i.now).Sub(i.Coverage.Through(i.From)); behind > 2*time.Minute {
		t.Fatalf("complete but for %v, want less than two minutes", behind)
	}
}

func TestDensityIsNotMisledByOneFullSecond(t *testing.T) {
	var d Density
	for h := range 24 {
		d = d.Observe(Window{t0.Add(time.Duration(h) * time.Hour), t0.Add(time.Duration(h+1) * time.Hour)}, 36)
	}
	before := d.Width(at(0), pageRows)
	d = d.Observe(window(10, 11), 1300)
	if after := d.Width(at(0), pageRows); after < before/3 {
		t.Fatalf("one second with 1,300 rows made windows shrink from %v to %v", before, after)
	}
}

// TestAServiceClockAheadIsNoBusyLoop: the head then ends in our future, and is due once an interval all the same.
func TestAServiceClockAheadIsNoBusyLoop(t *testing.T) {
	i := newIdeal(0.01, 60, time.Hour)
	i.ahead = 5 * time.Minute
	i.run(time.Hour, func(task Task) {
		if task.Reason == Head && task.End.Before(i.now) && !i.headRead.IsZero() {
			t.Fatalf("the head ends at %v, the service's clock is at %v", task.End, i.present(i.now))
		}
	})
	if n := i.requests[Head]; n < 110 || n > 125 {
		t.Fatalf("%d head reads in an hour, want one every 30 s", n)
	}
}

// TestClocksFarApart: the newest rows are looked for at both, since it is not known which is wrong.
func TestClocksFarApart(t *testing.T) {
	for _, ahead := range []time.Duration{-9 * 24 * time.Hour, 30 * time.Hour, -2 * time.Hour} {
		i := newIdeal(0.01, 60, time.Hour)
		i.ahead = ahead
		at := map[bool]int{}
		i.run(time.Hour, func(task Task) {
			if task.Reason == Head && !i.headRead.IsZero() {
				at[i.now.Sub(task.End).Abs() < time.Minute]++
			}
		})
		if at[true] < 100 || at[false] < 100 {
			t.Errorf("%v ahead: %d head reads at our present, %d elsewhere", ahead, at[true], at[false])
		}
	}
}

// TestWhatIsKnownToFailWaits: seconds that are partial are tried after windows of which it is not known which of their seconds fails,
// and those beside one that is partial count as such at their own first failure.
func TestWhatIsKnownToFailWaits(t *testing.T) {
	i := newIdeal(0.01, 30, 2*time.Hour)
	i.run(time.Hour, func(Task) {})
	now := i.now
	known := Failing{Window: Span(now.Add(-10*time.Minute), now.Add(-10*time.Minute+time.Second)), Reason: Reread, Since: now.Add(-9 * time.Minute), Failures: 4, Blamed: 4, Partial: true}
	i.Failing = []Failing{
		{Window: Span(now.Add(-20*time.Minute), now.Add(-20*time.Minute+time.Second)), Reason: Gap, Since: now.Add(-9 * time.Minute), Failures: 1, Blamed: 1},
		known,
	}
	if task, wait := i.retry(now, ofTheRest); wait > 0 || !task.Window.Start.Equal(i.Failing[0].Start) {
		t.Errorf("%v is tried again in %v, want %v", task.Window, wait, i.Failing[0].Window)
	}
	if _, wait := i.retry(now, ofTheHead); wait <= 0 {
		t.Error("a window is as urgent as the newest rows")
	}
	beside := Window{known.End, known.End.Add(time.Second)}
	i.Failing = []Failing{known, {Window: beside, Reason: Gap, Since: known.Since}}
	i.Agenda.noteFailure(Task{Window: beside, Reason: Gap, Retry: true}, Read{Window: beside, Err: errors.New("no")}, now)
	if !i.partialAt(beside) {
		t.Errorf("beside a second that is partial: %v", i.Failing)
	}
}

// TestTooManyRowsForTheTiers: where the budget carries less than half of the tiers, what is left goes where changes are likely, and
// no tier is given up for it.
func TestTooManyRowsForTheTiers(t *testing.T) {
	young := map[bool]int{}
	for _, spare := range []bool{false, true} {
		i := newIdeal(10, 60, time.Hour)
		i.Spare, i.Paging = spare, Paging{Unit: UnitRows, BeyondCap: true}
		for range 1000 { // rows that change in their first ten minutes
			i.Learned.Watch(t0, t0, t0.Add(10*time.Minute), true)
			i.Learned.Watch(t0, t0.Add(10*time.Minute), t0.Add(24*time.Hour), false)
		}
		i.forecast = i.Learned.forecast()
		i.run(8*time.Hour, func(task Task) {
			if task.Reason == Reread && i.now.Sub(task.Start) < 20*time.Minute {
				young[spare]++
			}
		})
		if worst := i.worst(); worst > 12 {
			t.Errorf("with spare %v the worst tier is read each %.1f cadences", spare, worst)
		}
	}
	if 2*young[true] < 3*young[false] || young[false] == 0 {
		t.Errorf("%d re-reads of the last 20 minutes, %d without REREAD_SPARE", young[true], young[false])
	}
}
