package poller

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// lanes plays an agenda whose two reads, of the newest rows and of all else, end in any order: answered, failed or in between. Some
// seconds can never be answered, and in an outage nothing is.
type lanes struct {
	*rapid.T
	Agenda
	now    time.Time
	ahead  time.Duration // of the service's clock
	bad    []time.Time
	outage bool
	sound  bool // the service answers for everything
	began  [2]time.Time
	under  [2]*Task
	tried  map[Window]attempts
}

// attempts are the failures of a window since it was last another one, or answered.
type attempts struct {
	failures int
	last     time.Time
}

func newLanes(t *rapid.T) *lanes {
	rules := Rules{
		Settle: 2 * time.Minute, Interval: 30 * time.Second, Tiers: defaultTiers, Rows: 100,
		Spare: rapid.IntRange(0, 4).Draw(t, "spare") == 0, StartFrom: time.Duration(rapid.IntRange(0, 200).Draw(t, "start from")) * time.Minute,
	}
	l := &lanes{T: t, Agenda: newAgenda(rules, Ledger{}, t0), now: t0, tried: map[Window]attempts{}}
	l.ahead = time.Duration(rapid.IntRange(-300, 300).Draw(t, "ahead")) * time.Second
	for range rapid.IntRange(0, 4).Draw(t, "bad seconds") {
		l.bad = append(l.bad, at(rapid.IntRange(-10_000, 2000).Draw(t, "bad")))
	}
	return l
}

// begin begins the read that the lane has due, if it has one, and holds it to what must be true of it.
func (l *lanes) begin(lane int) {
	if l.under[lane] != nil {
		return
	}
	choose := [2]func(time.Time) (Task, time.Duration){l.Head, l.Rest}[lane]
	task, wait := choose(l.now)
	if wait > 0 {
		return
	}
	if task.lane() != lane {
		l.Fatalf("%s %v is read in lane %d", task.Reason, task.Window, lane)
	}
	if known, retried := l.tried[task.Window]; retried && task.Retry {
		least := min(time.Minute, time.Second<<min(known.failures, 6))
		if rested := l.now.Sub(known.last); rested < least {
			l.Fatalf("%v is tried again %v after its failure %d, want %v at least", task.Window, rested, known.failures, least)
		}
	}
	for _, f := range l.Failing {
		if !task.Retry && !l.headRead.IsZero() && !f.Intersect(task.Window).Empty() {
			l.Fatalf("%s %v goes over %v, which fails", task.Reason, task.Window, f.Window)
		}
	}
	l.under[lane], l.began[lane] = &task, l.now
}

// end ends the lane's read, if there is one.
func (l *lanes) end(lane int) {
	if l.under[lane] == nil {
		return
	}
	task, before := *l.under[lane], l.Agenda
	l.under[lane] = nil
	r := l.outcome(task, l.began[lane])
	l.Agenda = l.After(task, r, l.now)
	l.checkFailing(task, r)
	l.checkCoverage(before)
}

// outcome is what comes of a read that began at the instant.
func (l *lanes) outcome(task Task, began time.Time) Read {
	asked := Window{task.Start.Add(-margin), task.End.Add(margin)}
	if !l.sound && (l.outage || slices.ContainsFunc(l.bad, asked.Contains)) {
		return Read{Window: task.Window, Err: errDown, TotalRequests: tries}
	}
	clock, rows := Clock{l.ahead, true}, int(task.Len().Seconds()/50)
	r := Read{Window: task.Window, At: clock.Earlier(began), First: clock.Earlier(began), Clock: clock, TotalRequests: 1, Met: rows, Began: rows}
	if l.sound {
		r.Proven = true
		return r
	}
	switch kind := rapid.IntRange(0, 19).Draw(l.T, "outcome"); {
	case kind == 0:
		r.Partial = Capped
	case kind == 1 && task.Len() >= 2*time.Second:
		r.Narrow = task.FirstHalf().Len()
	default:
		r.Proven = kind > 3 || task.Reason != Head
	}
	return r
}

// checkFailing holds the windows that fail to their rules after a read.
func (l *lanes) checkFailing(task Task, r Read) {
	if err := l.Validate(); err != nil {
		l.Fatal(err)
	}
	for i, f := range l.Failing {
		if i > 0 && f.Start.Before(l.Failing[i-1].Start) {
			l.Fatalf("%v stands behind %v", f.Window, l.Failing[i-1].Window)
		}
		for _, o := range l.Failing[:i] {
			if o.Window == f.Window {
				l.Fatalf("%v is listed twice", f.Window)
			}
		}
		if r.Err == nil && f.Window.Intersect(task.Window) == f.Window {
			l.Fatalf("%v fails, and %v around it was just read", f.Window, task.Window)
		}
	}
	for w := range l.tried {
		if l.failingAt(w) < 0 {
			delete(l.tried, w)
		}
	}
	if r.Err != nil && l.failingAt(task.Window) >= 0 {
		l.tried[task.Window] = attempts{l.tried[task.Window].failures + 1, l.now}
	}
}

// checkCoverage: it only grows, never says more than had settled, and nothing that cannot be answered was read whole.
func (l *lanes) checkCoverage(before Agenda) {
	for _, s := range before.Coverage.Stretches() {
		if gap, lost := l.Coverage.Gap(s.Window); lost {
			l.Fatalf("%v was covered, and is not", gap)
		}
		if s.Partial == "" && !l.Coverage.Covers(s.Window) {
			l.Fatalf("%v was read whole, and is not: %v", s.Window, l.Coverage.Stretches())
		}
	}
	if was, is := before.Coverage.Through(l.From), l.Coverage.Through(l.From); is.Before(was) && !before.From.IsZero() {
		l.Fatalf("complete through %v, was %v", is, was)
	}
	settled := Clock{l.ahead, true}.Earlier(l.now).Add(-l.Settle)
	if end := l.Coverage.End(); end.After(settled) {
		l.Fatalf("covered up to %v, and only what is older than %v has settled", end, settled)
	}
	for _, b := range l.bad {
		if s, covered := stretchAt(l.Coverage, b); covered && s.Partial == "" {
			l.Fatalf("%v cannot be answered, and counts as read whole with %v", b, s.Window)
		}
	}
}

// quiet reports whether all is read: nothing fails, and what is wanted has no gap but what has not settled for long.
func (l *lanes) quiet() bool {
	_, gap := l.Coverage.Gap(Window{l.From, l.settledUpTo(l.now).Add(-2 * time.Minute)})
	return len(l.Failing) == 0 && !gap && !l.From.IsZero()
}

// TestAnySequenceOfAnswersAndFailures keeps the failing windows and the coverage in order, and ends with all of it read once the
// service answers.
func TestAnySequenceOfAnswersAndFailures(t *testing.T) {
	failed, partial := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		l := newLanes(t)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			lane := rapid.IntRange(0, 1).Draw(t, "lane")
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); {
			case step == 0 && rapid.IntRange(0, 4).Draw(t, "toggles") == 0:
				l.outage = !l.outage
			case step < 4:
				l.begin(lane)
			case step < 8:
				l.end(lane)
			default:
				l.now = l.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "by")) * 250 * time.Millisecond)
			}
			failed = max(failed, len(l.Failing))
		}
		partial += len(l.Coverage.Partial())
		l.bad, l.sound = nil, true
		for end := l.now.Add(3 * time.Hour); !l.quiet(); l.now = l.now.Add(15 * time.Second) {
			for lane := range l.under {
				l.begin(lane)
				l.end(lane)
			}
			if l.now.After(end) {
				t.Fatalf("%v of answers later %v fail; covered %v of what is wanted from %v", 3*time.Hour, l.Failing, l.Coverage.Stretches(), l.From)
			}
		}
	})
	if !testing.Short() && (failed < 5 || partial == 0) { // which plays a fifth
		t.Errorf("at most %d windows failed, %d were partial: the test shows little", failed, partial)
	}
}

// TestOneReadAtATimeFailsDisjointWindows: only reads that are under way together can fail for the same second in two windows.
func TestOneReadAtATimeFailsDisjointWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLanes(t)
		for range rapid.IntRange(1, 60).Draw(t, "reads") {
			l.outage = rapid.IntRange(0, 3).Draw(t, "outage") == 0
			l.now = l.now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "by")) * 250 * time.Millisecond)
			for lane := range l.under {
				l.begin(lane)
				l.end(lane)
			}
			for i := range l.Failing[:max(len(l.Failing), 1)-1] {
				if a, b := l.Failing[i], l.Failing[i+1]; a.End.After(b.Start) {
					t.Fatalf("%v and %v overlap", a.Window, b.Window)
				}
			}
		}
	})
}
