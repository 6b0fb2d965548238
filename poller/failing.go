package poller

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Failing is a window that could not be read. A failure belongs to its window: that is narrowed down to the second that cannot be
// answered, and everything else goes on meanwhile.
type Failing struct {
	Window
	Reason    Reason    `json:"why"`       // the key is that of ledgers already stored
	Since     time.Time `json:"since"`     // when it, or the window that it was narrowed from, first failed
	NotBefore time.Time `json:"notBefore"` // it is not tried again before
	Failures  int       `json:"failures"`
	Blamed    int       `json:"blamed"`        // failures before which another window could be read: those are not the service's as a whole
	Category  string    `json:"category"`      // of the last failure
	Partial   bool      `json:"partial"`       // it counts as partial
	Pass      int64     `json:"pass,omitzero"` // that it is read for

	readsBefore int // Agenda.reads at its last failure
}

const (
	firstWait    = 15 * time.Second // before a window that fails by itself is tried again; twice as long each time
	longestWait  = time.Hour
	salvagedWait = 15 * time.Minute // before one is tried again of which a part is a dead letter
	partialAfter = 3 * time.Minute
	partialFrom  = 3 // failures that are the window's own

	// mostNarrowed is how many windows may fail for others to be narrowed further: a whole day that cannot be read is not tried
	// second by second.
	mostNarrowed = 40

	// mostSplit is how many windows may fail for others to be narrowed, those that are partial among them.
	mostSplit = 160

	// mostFailedInRow is how many windows fail in a row until it is the service that fails: then no window is narrowed.
	mostFailedInRow = 5

	// mostFailing bounds what is known of windows that fail. Beyond it they are tried again together.
	mostFailing = 200
)

// noteFailure notes that a window could not be read.
func (a *Agenda) noteFailure(t Task, r Read, now time.Time) {
	f := Failing{Window: t.Window, Reason: t.Reason, Pass: t.Pass, Since: now, readsBefore: a.reads}
	i := a.failingAt(t.Window)
	known := i >= 0
	if known {
		f = a.Failing[i]
		a.Failing = slices.Delete(slices.Clone(a.Failing), i, i+1)
	} else {
		a.Failing = slices.Clone(a.Failing)
	}
	f.Failures++
	f.Category, _ = explain(r.Err)
	blamed := known && a.reads > f.readsBefore
	if blamed {
		f.Blamed++
	}
	f.readsBefore = a.reads
	narrows := f.Len() > time.Second && a.narrowing() < mostNarrowed && len(a.Failing) < mostSplit
	a.failedInRow++
	switch {
	case narrows && (blamed || a.failedInRow < mostFailedInRow):
		a.split(f, now)
		return
	case !narrows && a.isPartial(f, now):
		f.Partial, f.Reason = true, Reread // the rows of other windows come first
	}
	f.NotBefore = now.Add(f.backoff())
	if f.Partial && r.Partial == Unsplittable { // where its bytes differ from time to time, each try is another dead letter
		f.NotBefore = now.Add(max(f.backoff(), salvagedWait))
	}
	a.addFailing(f)
}

// isPartial reports whether a window that cannot be narrowed counts as partial: it has settled, and fails by itself, for some minutes.
func (a Agenda) isPartial(f Failing, now time.Time) bool {
	own := f.Blamed >= partialFrom || f.Len() <= time.Second && a.besidePartial(f.Window)
	return own && since(f.Since, now) >= partialAfter && !f.End.After(a.settledUpTo(now))
}

// narrowing returns how many failing windows may still be narrowed or answered.
func (a Agenda) narrowing() (n int) {
	for _, f := range a.Failing {
		if !f.Partial {
			n++
		}
	}
	return n
}

// backoff returns how long the window is left alone after its last failure.
func (f Failing) backoff() time.Duration {
	switch {
	case f.Failures == 0: // it is half of one that failed
		return time.Second
	case f.Blamed == 0:
		return min(time.Minute, time.Second<<min(f.Failures, 6))
	}
	return min(longestWait, firstWait<<min(f.Failures-1, 11))
}

// wait returns how long it is until the window may be tried again; 0 where that is longer than it was to be left alone: then our
// clock was set back.
func (f Failing) wait(now time.Time) time.Duration {
	longest := f.backoff()
	if f.Partial {
		longest = max(longest, salvagedWait)
	}
	return waitUntil(f.NotBefore, now, longest)
}

// split tries the halves of a window by themselves, the later one first: its rows are newer.
func (a *Agenda) split(f Failing, now time.Time) {
	f.Failures, f.Blamed = 0, 0
	first, second := f, f
	first.Window = f.FirstHalf()
	second.Start = first.End
	second.NotBefore, first.NotBefore = now, now.Add(first.backoff())
	a.addFailing(first)
	a.addFailing(second)
}

// addFailing puts the window into its place. A window that is there already stays one: two reads that overlapped may both have been
// narrowed down to it, failures would be noted of the first only, and the other would be tried again for ever. While nothing is
// answered, neighbours of which it is not known that they fail by themselves become one window: an outage is not many.
func (a *Agenda) addFailing(f Failing) {
	if i := a.failingAt(f.Window); i >= 0 {
		f = f.merged(a.Failing[i])
		a.Failing = slices.Delete(a.Failing, i, i+1)
	}
	for i := 0; i < len(a.Failing) && a.failedInRow >= mostFailedInRow; i++ {
		o := a.Failing[i]
		touches := (o.End.Equal(f.Start) || f.End.Equal(o.Start)) && o.Pass == f.Pass
		if !touches || o.Blamed > 0 || f.Blamed > 0 || f.Failures == 0 || o.Failures == 0 || o.Len()+f.Len() > widest {
			continue
		}
		f.Window = Window{earlier(o.Start, f.Start), later(o.End, f.End)}
		f.Since, f.Failures = earlier(o.Since, f.Since), max(o.Failures, f.Failures)
		a.Failing = slices.Delete(a.Failing, i, i+1)
		i = -1
	}
	a.Failing = append(a.Failing, f)
	slices.SortFunc(a.Failing, func(a, b Failing) int { return a.Start.Compare(b.Start) })
	if len(a.Failing) > mostFailing {
		a.Failing = a.Failing[len(a.Failing)-mostFailing:] // the older ones are gaps, or due again
	}
}

// merged returns the same window as it is known from two reads: with what the one knows that failed more often.
func (f Failing) merged(o Failing) Failing {
	if f.Failures < o.Failures {
		f, o = o, f
	}
	f.Since = earlier(f.Since, o.Since)
	return f
}

// besidePartial reports whether a second that counts as partial lies so near that it is asked for with the window, too: what is
// known of it is known of both.
func (a Agenda) besidePartial(w Window) bool {
	asked := Window{w.Start.Add(-2 * margin), w.End.Add(2 * margin)}
	return slices.ContainsFunc(a.Failing, func(f Failing) bool {
		return f.Partial && f.Len() <= time.Second && !f.Intersect(asked).Empty()
	})
}

func (a *Agenda) failingAt(w Window) int {
	return slices.IndexFunc(a.Failing, func(f Failing) bool { return f.Start.Equal(w.Start) && f.End.Equal(w.End) })
}

// partialAt reports whether the window fails, and counts as partial.
func (a Agenda) partialAt(w Window) bool {
	i := a.failingAt(w)
	return i >= 0 && a.Failing[i].Partial
}

// noteAnswer notes that the window could be read: nothing in it fails.
func (a *Agenda) noteAnswer(w Window) {
	a.reads++
	a.failedInRow = 0
	inside := func(f Failing) bool { return !f.Start.Before(w.Start) && !f.End.After(w.End) }
	if slices.ContainsFunc(a.Failing, inside) {
		a.Failing = slices.DeleteFunc(slices.Clone(a.Failing), inside)
	}
}

// free returns the first part of the window that no failing window lies in.
func (a Agenda) free(w Window) Window {
	for _, f := range a.Failing {
		switch {
		case w.Empty() || !f.Start.Before(w.End):
			return w
		case !f.End.After(w.Start):
		case f.Start.After(w.Start):
			w.End = f.Start
			return w
		default:
			w.Start = f.End
		}
	}
	return w
}

// freeEnd returns the last part of the window that no failing window lies in.
func (a Agenda) freeEnd(w Window) Window {
	for _, f := range a.Failing {
		if f.Start.Before(w.End) {
			w.Start = later(w.Start, f.End)
		}
	}
	return w
}

// yieldsTo reports whether an earlier window is tried again before this one where both are due: the wider one is, which holds more,
// then the one of which less is known; else the later one, whose rows are newer.
func (f Failing) yieldsTo(o Failing) bool {
	return cmp.Or(cmp.Compare(f.Len(), o.Len()), cmp.Compare(o.Failures, f.Failures)) < 0
}

// kin distinguishes windows that fail.
type kin int

const (
	ofTheHead kin = iota // their rows are the newest
	ofTheRest
	ofPasses
)

func (f Failing) kin() kin {
	switch {
	case f.Pass != 0:
		return ofPasses
	case f.Reason == Head:
		return ofTheHead
	}
	return ofTheRest
}

// retry returns the window of the kin that is to be tried again now; or how long it is until one is.
func (a Agenda) retry(now time.Time, of kin) (t Task, wait time.Duration) {
	wait = longestIdle
	best := -1
	for i, f := range a.Failing {
		upTo := a.present(now)
		if f.Reason == Gap || f.Reason == Settled || f.Pass != 0 {
			upTo = a.settledUpTo(now)
		}
		if f.kin() != of || f.End.After(upTo) { // a clock was set back
			continue
		}
		d := f.wait(now)
		if d < wait || d == 0 && !f.yieldsTo(a.Failing[best]) {
			best, wait = i, d
		}
	}
	if best < 0 || wait > 0 {
		return Task{}, max(wait, time.Millisecond)
	}
	f := a.Failing[best]
	t = Task{Window: f.Window, Reason: f.Reason, Retry: true, Pass: f.Pass}
	if f.Len() <= time.Second && f.Failures%2 == 1 {
		t.Limit = max(1, a.Rows/10) // a page may be too much for the service, or hold the row that it cannot write
	}
	return t, 0
}

// explain returns the error's bounded category and its hint for the operator.
func explain(err error) (category, hint string) {
	if e, ok := errors.AsType[*smartassist.Error](err); ok {
		return e.Category, e.Hint
	}
	return "unknown", ""
}

// everywhere reports whether the failure concerns every question alike.
func everywhere(err error) bool {
	e, ok := errors.AsType[*smartassist.Error](err)
	return ok && e.Everywhere()
}
