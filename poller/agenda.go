package poller

import (
	"time"
)

// Tier is one step of the re-read schedule: what is at most Age old is read every Every, at the latest.
type Tier struct{ Age, Every time.Duration }

// Reason is why a window is read.
type Reason string

// The reasons for a read, in their order of urgency.
const (
	Head     Reason = "head"     // the newest rows, up to now
	Settled  Reason = "settled"  // the tail behind the head, once it has settled: only where one head read cannot do both
	Reread   Reason = "reread"   // covered before, and due again
	Gap      Reason = "gap"      // wanted and never read
	Backfill Reason = "backfill" // of a range that an operator asked for
	Audit    Reason = "audit"    // of a range that is compared with the topics
	Replay   Reason = "replay"   // nothing was read: dead letters were tried again
	Restored Reason = "restored" // nothing was read: contents that the topics had lost were published once more
	Note     Reason = "note"     // nothing was read: something else happened
)

// Task is a window to read now.
type Task struct {
	Window
	Reason Reason
	Retry  bool  // it failed before
	Limit  int   // rows to ask for in a page; 0 is as usual
	Spare  bool  // no tier asks for it yet; of a pass, nothing else was due
	Pass   int64 // that it is read for; 0 for live polling

	chosen  time.Time // when, by our clock
	present time.Time // of a head: the present then
}

// Rules are the settings of the Agenda; they do not change.
type Rules struct {
	Settle   time.Duration
	Interval time.Duration // of reading the head
	Tiers    []Tier        // ages ascending
	Rows     int           // asked for in a page
	Spare    bool          // requests that nothing is due for go to re-reads where changes are likely

	StartFrom time.Duration // first start only: how far back to begin
	StartAt   time.Time     // or the instant to begin at, if not zero
}

// begin returns where a first start at the instant begins.
func (r Rules) begin(at time.Time) time.Time {
	if r.StartAt.IsZero() {
		return Span(at.Add(-r.StartFrom), at).Start
	}
	return Span(earlier(r.StartAt, at), at).Start
}

// Agenda is what was read when, which windows fail, and so what is to be read next. It is a value: Head and Rest choose the next
// window, After returns the agenda as it is when that was read or failed. The ledger in it is what survives a restart.
//
// Two windows may be on their way at once: one of the newest rows, and one of all else.
type Agenda struct {
	Rules
	Ledger
	Clock Clock

	started       time.Time // by our clock
	headTried     time.Time // when the head was last asked for up to the present
	headRead      time.Time // and when it was answered
	askedUpTo     time.Time // everything up to here was asked for at least once
	headContinues bool      // the last head read ended before the present: the rest of it comes next
	headUnproven  bool      // the last head read proved nothing: what has settled is read by itself
	headAtService bool      // the clocks lie far apart, and the head was last read at the service's
	narrow        widths    // after a window that held too much
	lastWidth     time.Duration
	reads         int           // that were answered
	failedInRow   int           // windows that failed since one was answered
	rereads       int           // that were answered
	retryBalance  int           // requests spent on windows that fail, beyond those on gaps and re-reads
	rereadBalance int           // requests spent on re-reads beyond what is their part beside gaps; see spent
	passOwed      float64       // requests that passes are owed, beside those of live polling
	passReads     int           // of passes
	passWidth     time.Duration // of the last whole read of a pass
	passDensity   Density       // of what passes read: it may be long ago, and says little of today
	forecast      *forecast
	forecastAt    time.Time // what was learned went into it
}

// newAgenda returns the agenda of a process that begins with the ledger, when our clock says now.
func newAgenda(rules Rules, ledger Ledger, now time.Time) Agenda {
	return Agenda{Rules: rules, Ledger: ledger, started: now, lastWidth: firstGuess, passWidth: firstGuess, passDensity: ledger.Density, forecast: ledger.Learned.forecast()}
}

// After returns the agenda after the task was read, or failed. now is our clock.
func (a Agenda) After(t Task, r Read, now time.Time) Agenda {
	a.setClock(r, now)
	a.notAhead(a.present(now))
	a.share(t, r)
	a.noteRequests(t, r)
	if r.Err != nil {
		a.failed(t, r, now)
		a.notePass(t, r, now)
		return a
	}
	a.noteAnswer(t.Window)
	if t.Pass == 0 {
		a.Density = r.observed(a.Density, a.Rows, a.Paging.IgnoresTime)
	} else {
		a.passDensity = r.observed(a.passDensity, a.Rows, a.Paging.IgnoresTime)
	}
	a.cover(t, r)
	a.notePass(t, r, now)
	a.narrow = a.narrow.with(t.Reason, a.narrower(t.Reason, r))
	a.spent(t, r)
	if t.Reason == Head && !t.Retry {
		a.afterHead(t, r)
	} else if t.Reason == Settled && !t.Retry && r.Proven {
		a.headUnproven = false
	}
	if r.Proven && t.Reason == Gap {
		a.lastWidth = r.Len()
	}
	return a
}

// lane returns 0 for the newest rows, 1 for all else.
func (t Task) lane() int {
	if t.Reason == Head {
		return 0
	}
	return 1
}

// failed notes a failure. What of the window can be covered is what it was before; the head goes on behind it.
func (a *Agenda) failed(t Task, r Read, now time.Time) {
	a.narrow = a.narrow.with(t.Reason, 0)
	if a.headRead.IsZero() { // nothing has been answered yet, and the next first head is another window
		a.headTried = now
		a.failedInRow++
		return
	}
	a.noteFailure(t, r, now)
	if i := a.failingAt(t.Window); i >= 0 && a.Failing[i].Partial {
		at := a.Clock.Earlier(now).UTC().Truncate(time.Second)
		cause := Unanswered
		if r.Partial != "" {
			cause = r.Partial
		}
		settled := Window{t.Start, earlier(t.End, a.settledUpTo(now))}
		a.Coverage = a.Coverage.Add(Stretch{Window: settled, ReadAt: at, Partial: cause, Withheld: r.Withheld, Since: at, Rows: max(r.Met, len(r.Rows))}).MergePartial(at.Add(-Horizon(a.Tiers)), mostPartial)
	}
	if t.Reason == Head && !t.Retry {
		a.headTried, a.headContinues, a.headAtService = now, false, !a.headAtService
		a.askedUpTo = later(a.askedUpTo, t.End)
	}
}

// mostPartial is how many partial windows beyond the horizon are kept apart.
const mostPartial = 50

// cover notes what the read covers: what had settled when its first page was asked for.
func (a *Agenda) cover(t Task, r Read) {
	if !r.Proven && r.Partial == "" {
		return
	}
	at := r.First.UTC().Truncate(time.Second)
	covered := Window{r.Start, earlier(r.End, r.First.Add(-a.Settle).Truncate(time.Second))}
	if t.Reason != Backfill && a.Coverage.ReadAt(r.Start).IsZero() { // else it is, or was, a backfill's
		covered.Start = later(covered.Start, a.From)
	}
	s := Stretch{Window: covered, ReadAt: at, Partial: r.Partial, Withheld: r.Withheld}
	if s.Partial != "" {
		s.Since, s.Rows = at, r.Met
	}
	a.Coverage = a.Coverage.Add(s)
	a.Coverage = a.Coverage.Compact(a.tolerance(at)).MergePartial(at.Add(-Horizon(a.Tiers)), mostPartial)
}

// doubt makes everything due again: short pages were believed until now, and rows may be missing behind them.
func (a *Agenda) doubt(at time.Time) {
	a.Coverage = a.Coverage.Doubt(at.Add(-Horizon(a.Tiers)).UTC().Truncate(time.Second))
}

// share keeps the balance between windows that fail, and gaps and re-reads: each side gets half of the requests.
func (a *Agenda) share(t Task, r Read) {
	const most = 20
	switch {
	case t.lane() == 0, t.Reason == Settled && !t.Retry, t.Pass != 0:
	case t.Retry:
		a.retryBalance = min(a.retryBalance+r.TotalRequests, most)
	default:
		a.retryBalance = max(a.retryBalance-r.TotalRequests, -most)
	}
}

// spent keeps the balance between gaps and re-reads: three requests of five are a gap's, if both want them. A backlog is what delays
// completeThrough, and all that is read again meanwhile is late by the time it takes.
func (a *Agenda) spent(t Task, r Read) {
	const (
		gap, reread = 2, 3 // what a request of each weighs
		most        = 120
	)
	switch t.Reason {
	case Reread:
		a.rereads++
		a.rereadBalance = min(a.rereadBalance+reread*r.TotalRequests, most)
	case Gap:
		a.rereadBalance = max(a.rereadBalance-gap*r.TotalRequests, -most)
	}
}

// settledUpTo returns the instant up to which a read made now would count.
func (a Agenda) settledUpTo(now time.Time) time.Time {
	return a.Clock.Earlier(now).Add(-a.Settle).UTC().Truncate(time.Second)
}

// within cuts a window to what memory reaches back to: nothing before that is ever read again.
func (a Agenda) within(w Window) Window {
	w.Start = later(w.Start, a.Reach)
	return w
}

// width returns how wide a window that begins at the instant may be. A service that looks at dates only is asked for whole days: it
// returns them anyway.
func (a Agenda) width(at time.Time) time.Duration { return a.widthFor(Gap, at) }

// widthFor returns the same for the reason.
func (a Agenda) widthFor(reason Reason, at time.Time) time.Duration {
	density := a.Density
	switch {
	case a.Paging.IgnoresTime:
		return at.Truncate(widest).Add(widest).Sub(at)
	case reason == Backfill || reason == Audit:
		density = a.passDensity
	}
	return density.Width(at, a.Paging.rows())
}

// Rest returns the window other than the newest rows that is to be read now; else how long it is until one is.
func (a Agenda) Rest(now time.Time) (Task, time.Duration) {
	if a.headRead.IsZero() {
		return Task{}, longestIdle // the head first: its answer has the service's clock
	}
	if t, due := a.settled(now); due {
		return t, 0
	}
	retry, waitRetry := a.retry(now, ofTheRest)
	gap, gapDue := a.gap(now)
	reread, waitReread := a.reread(now)
	pass, passDue := a.nextPass(now)
	rereadDue := waitReread <= 0 && !(reread.Spare && (gapDue || passDue))
	switch {
	case passDue && a.passOwed >= 1:
		return pass, 0
	case waitRetry <= 0 && (a.retryBalance <= 0 || !gapDue && !rereadDue):
		return retry, 0
	case rereadDue && (!gapDue || a.rereadBalance <= 0):
		return reread, 0
	case gapDue:
		return gap, 0
	case passDue: // all that is left of the budget is for passes
		pass.Spare = true
		return pass, 0
	}
	return reread, min(waitRetry, waitReread)
}

// longestIdle bounds every wait: what is due is looked at again.
const longestIdle = time.Minute

// settled returns the tail of the coverage where head reads do not cover it: they no longer reach back to it, or prove nothing.
func (a Agenda) settled(now time.Time) (Task, bool) {
	if a.oneRead(Span(a.tail(now), a.present(now))) && !a.headUnproven {
		return Task{}, false
	}
	w := a.free(a.within(Span(a.settledFrom(now), a.settledUpTo(now))))
	width := a.width(w.Start)
	if w.Len() < min(width, max(a.Interval, settledEvery)) {
		return Task{}, false
	}
	w.End = earlier(w.End, w.Start.Add(width))
	return Task{Window: a.narrowed(w, Settled), Reason: Settled}, true
}

// settledFrom returns where the tail begins; what is older and not covered is a gap.
func (a Agenda) settledFrom(now time.Time) time.Time {
	floor := a.settledUpTo(now).Add(-max(2*a.Interval, longestTail))
	return later(later(a.Coverage.End(), a.From), floor)
}

// longestTail is how much that has settled meanwhile a long walk through other windows may leave to the tail.
const longestTail = 10 * time.Minute

// settledEvery is how much is to have settled for it to be read by itself.
const settledEvery = 30 * time.Second

// gap returns the oldest part of the wanted range that was never read, has settled, and does not fail.
func (a Agenda) gap(now time.Time) (Task, bool) {
	if a.From.IsZero() {
		return Task{}, false
	}
	covered := a.Coverage
	for _, f := range a.Failing {
		covered = covered.Add(Stretch{Window: f.Window})
	}
	w, ok := covered.Gap(a.within(Span(a.From, earlier(a.settledUpTo(now), a.settledFrom(now)))))
	if !ok {
		return Task{}, false
	}
	// Nothing is known of how many rows there are: windows grow at most twofold from one to the next.
	w.End = earlier(w.End, w.Start.Add(max(time.Second, min(a.width(w.Start), 2*a.lastWidth))))
	return Task{Window: a.narrowed(w, Gap), Reason: Gap}, true
}
