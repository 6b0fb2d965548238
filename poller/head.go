package poller

import (
	"math"
	"time"
)

const (
	// headPages is how many pages of new rows make the head due before its interval has passed.
	headPages = 3

	// headOverlap is how far a head read that no longer reaches back to what has settled overlaps the one before: rows show
	// some seconds after their start. What shows later comes with the settled read.
	headOverlap = 10 * time.Second
)

// Head returns the window of the newest rows that is to be read now; else how long it is until one is.
//
// Where the account is so busy that one request cannot reach from the settled past to the present, it reads only what is new,
// and what has settled is read once more by its own tasks.
func (a Agenda) Head(now time.Time) (Task, time.Duration) {
	if a.headRead.IsZero() {
		return a.firstHead(now)
	}
	t, wait := a.newest(now)
	if wait <= 0 {
		return t, 0
	}
	retry, waitRetry := a.retry(now, ofTheHead)
	return retry, min(wait, waitRetry)
}

// newest returns the window of the newest rows, less what failed before.
func (a Agenda) newest(now time.Time) (Task, time.Duration) {
	if a.apart() {
		return a.otherHead(now)
	}
	if d := a.headEvery() - since(a.headTried, now); d > 0 && !a.headContinues && !a.manyNew(now) {
		return Task{}, d
	}
	w := a.headWindow(now)
	if w.Empty() {
		return Task{}, time.Second
	}
	return a.headTask(a.narrowed(w, Head), now), 0
}

func (a Agenda) headTask(w Window, now time.Time) Task {
	return Task{Window: w, Reason: Head, chosen: now, present: a.present(now)}
}

// firstHead returns the first read of a process. It comes before anything else, wherever the coverage ends and whatever our clock
// says: its answer has the service's.
func (a Agenda) firstHead(now time.Time) (Task, time.Duration) {
	if d := waitUntil(a.headTried.Add(min(a.Interval, time.Second<<min(a.failedInRow, 6))), now, longestIdle); d > 0 && !a.headTried.IsZero() {
		return Task{}, d
	}
	w := Span(now.Add(-a.Settle-2*a.Interval), now)
	from := a.From
	if from.IsZero() {
		from = a.begin(now)
	}
	if from.Before(w.End) {
		w.Start = later(w.Start, from)
	}
	if w = a.within(w); w.Len() < time.Second {
		w.End = w.Start.Add(time.Second)
	}
	if a.failedInRow > 0 && w.Len() > time.Second { // one of its seconds may be the one that fails
		w.Start = w.End.Add(-max(time.Second, (w.Len() >> min(a.failedInRow, 10)).Truncate(time.Second)))
	}
	return a.headTask(w, now), 0
}

// apart reports whether the clocks are so far apart that the newest rows may be at either.
func (a Agenda) apart() bool { return a.Clock.Ahead.Abs() > oneHead }

// otherHead reads, while the clocks are far apart, in turn at ours and at the service's: it is not known which of them is wrong.
func (a Agenda) otherHead(now time.Time) (Task, time.Duration) {
	if d := a.Interval - since(a.headTried, now); d > 0 && a.headAtService {
		return Task{}, d
	}
	present := now
	if !a.headAtService {
		present = now.Add(a.Clock.Ahead)
	}
	w := a.freeEnd(a.within(Span(present.Add(-a.Settle-2*a.Interval), present)))
	if w.Empty() {
		w = Window{w.Start, w.Start.Add(time.Second)}
	}
	return a.headTask(w, now), 0
}

// present returns the end of the head: the newest rows bear the time of the service's clock.
func (a Agenda) present(now time.Time) time.Time {
	return a.Clock.Later(now).UTC().Truncate(time.Second)
}

// tail returns where the coverage ends near the present; what is older than the head reaches is left to the gaps. A head that failed
// does not reach back.
func (a Agenda) tail(now time.Time) time.Time {
	floor := later(a.From, a.settledUpTo(now).Add(-2*a.Interval))
	end := a.Coverage.End()
	if a.failedInRow == 0 && a.oneRead(Span(end, a.present(now))) {
		return later(end, a.From)
	}
	return later(end, floor)
}

// headEvery returns how often the head is read. Where everything else fails, its answer shows whether the service does.
func (a Agenda) headEvery() time.Duration {
	if a.failedInRow >= 2 {
		return min(a.Interval, probeEvery)
	}
	return a.Interval
}

const probeEvery = 10 * time.Second

// oneRead reports whether one page is likely to hold the window.
func (a Agenda) oneRead(w Window) bool {
	return w.Len() <= a.Density.Width(w.Start, pageRows)
}

// manyNew reports whether so many rows have begun since the head was read that it is read before its time.
func (a Agenda) manyNew(now time.Time) bool {
	return a.Density.Rows(Window{a.askedUpTo, a.present(now)}) >= float64(headPages*a.Rows)
}

func (a Agenda) headWindow(now time.Time) Window {
	whole := a.within(Span(a.tail(now), a.present(now)))
	if whole.Empty() { // our clock was set back behind the coverage
		whole = a.within(Span(later(a.From, whole.End.Add(-a.Settle-2*a.Interval)), whole.End))
		whole.End = later(whole.End, whole.Start.Add(time.Second)) // even behind where it all began: its answer has the service's clock
	}
	if !a.headContinues && a.oneRead(whole) {
		return a.free(whole)
	}
	fresh := Span(later(later(a.askedUpTo.Add(-a.overlap(now)), a.settledUpTo(now)), whole.Start), whole.End)
	if a.headContinues {
		fresh.Start = later(a.askedUpTo, fresh.Start)
	}
	fresh = a.free(fresh)
	fresh.End = earlier(fresh.End, fresh.Start.Add(a.headWidth(fresh.Start)))
	return fresh
}

// overlap returns how far a head read goes back behind what was read before, so that its pages are full: a page that is half empty
// costs as much.
func (a Agenda) overlap(now time.Time) time.Duration {
	rate := max(a.Density.rate(a.askedUpTo), 1/widest.Seconds())
	rows := a.Density.Rows(Window{a.askedUpTo.Add(-headOverlap / 2).Add(-2 * margin), a.present(now)})
	page := float64(a.Rows) * 0.9
	full := math.Ceil(rows/page) * page
	return headOverlap/2 + min(time.Duration((full-rows)/rate)*time.Second, a.Settle)
}

// headWidth returns how wide a head read may be: as many pages as come at a time, where a walk can bring them.
func (a Agenda) headWidth(at time.Time) time.Duration {
	rows := float64(pageRows)
	if !a.Paging.Capped {
		rows *= 2 * headPages
	}
	return a.Density.Width(at, rows)
}

// afterHead notes what the planner must know of a head read beyond the coverage.
func (a *Agenda) afterHead(t Task, r Read) {
	if a.apart() {
		a.headAtService = !a.headAtService && !a.headRead.IsZero()
		a.headTried, a.headRead, a.headContinues = t.chosen, t.chosen, false
		return
	}
	if a.headContinues, a.headUnproven = true, true; r.Narrow > 0 {
		if a.headRead.IsZero() {
			a.headRead = t.chosen // the first head is asked for the clock; it goes on as any other
		}
		return
	}
	a.headContinues = r.End.Before(t.present)
	a.headUnproven = !r.Proven || a.headContinues
	a.askedUpTo = earlier(later(a.askedUpTo, r.End), t.present)
	if !a.headContinues {
		a.headTried, a.headRead = t.chosen, t.chosen
	}
}
