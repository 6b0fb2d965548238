package poller

import (
	"slices"
	"time"
)

// Stretch is a piece of the coverage: a window and when it was last read.
type Stretch struct {
	Window
	ReadAt   time.Time // no part of the window was last read earlier than this
	Partial  Cause     // why it could not be read whole: what came was published, but completeThrough stops here; "" if it was
	Withheld bool      // a row of it is not published yet: it is read again, however old it is, until none is

	// Of one that could not be read whole:
	Accepted bool      // an operator lets completeThrough pass it
	Since    time.Time // when it was first read like that
	Rows     int       // that came
}

// Cause is why a window could not be read whole.
type Cause string

// The causes. New ones go to the end of causes.
const (
	Capped       Cause = "capped"       // the service returns no more than the first pages, and halves would return the same
	Unsteady     Cause = "unsteady"     // its pages moved during each of several readings
	Unanswered   Cause = "unanswered"   // the question fails whenever it is asked
	Unsplittable Cause = "unsplittable" // its page cannot be split into rows; what could not is a dead letter
)

// Explain returns the cause as a clause for the operator.
func (c Cause) Explain() string {
	switch c {
	case Capped:
		return "the service returns no more than the first pages, and halves would return the same"
	case Unsteady:
		return "its pages moved during each of several readings"
	case Unanswered:
		return "the service fails whenever it is asked for it"
	case Unsplittable:
		return "its page cannot be split into rows: those before the break are published, the rest is a dead letter"
	}
	return string(c)
}

// causes are the causes by their number in the ledger.
var causes = []Cause{"", Capped, Unsteady, Unanswered, Unsplittable}

// Coverage says which stretches of time were read, and when. Its stretches are sorted and do not overlap. It is a
// value: every method leaves the receiver as it was, so that a new coverage can be committed before it is believed.
type Coverage struct{ stretches []Stretch }

// Stretches returns the pieces in order of time. They must not be changed.
func (c Coverage) Stretches() []Stretch { return c.stretches }

// End returns the end of the latest stretch, zero where nothing is covered.
func (c Coverage) End() time.Time {
	if len(c.stretches) == 0 {
		return time.Time{}
	}
	return c.stretches[len(c.stretches)-1].End
}

// Add returns the coverage after the stretch was read. A whole read replaces whatever was there; a partial one takes
// nothing back: what was covered stays covered (a promise given is kept), only the instant of reading moves.
func (c Coverage) Add(s Stretch) Coverage {
	if s.Empty() {
		return c
	}
	out := make([]Stretch, 0, len(c.stretches)+3)
	at := s.Start // what of s was put down already ends here
	put := func(end time.Time, as Stretch) {
		if at.Before(end) {
			as.Window = Window{at, end}
			out = append(out, as)
			at = end
		}
	}
	for _, old := range c.stretches {
		if !old.Start.Before(s.End) {
			put(s.End, s)
		}
		if !old.Start.Before(s.End) || !s.Start.Before(old.End) {
			out = append(out, old)
			continue
		}
		if old.Start.Before(s.Start) {
			before := old
			before.End = s.Start
			out = append(out, before)
		}
		put(old.Start, s)
		put(earlier(old.End, s.End), s.over(old))
		if s.End.Before(old.End) {
			after := old
			after.Start = s.End
			out = append(out, after)
		}
	}
	put(s.End, s)
	slices.SortFunc(out, func(a, b Stretch) int { return a.Start.Compare(b.Start) })
	return Coverage{out}
}

// over returns what is known where s was read after old.
func (s Stretch) over(old Stretch) Stretch {
	switch {
	case s.Partial == "":
	case old.Partial == "":
		s.Withheld, s.Partial, s.Accepted, s.Since, s.Rows = s.Withheld || old.Withheld, "", false, time.Time{}, 0
	default:
		s.Withheld, s.Accepted, s.Rows = s.Withheld || old.Withheld, old.Accepted, max(s.Rows, old.Rows)
		if !old.Since.IsZero() {
			s.Since = earlier(s.Since, old.Since)
		}
	}
	return s
}

// ReadAt returns when the instant was last read; zero where it never was.
func (c Coverage) ReadAt(t time.Time) time.Time {
	i, found := slices.BinarySearchFunc(c.stretches, t, func(s Stretch, t time.Time) int { return s.Start.Compare(t) })
	if !found {
		i--
	}
	if i < 0 || !c.stretches[i].Contains(t) {
		return time.Time{}
	}
	return c.stretches[i].ReadAt
}

// Doubt returns the coverage with nothing read later than the instant: what a mistake may have been made with comes up for
// re-reading. What was promised stays.
func (c Coverage) Doubt(readAt time.Time) Coverage {
	out := slices.Clone(c.stretches)
	for i := range out {
		out[i].ReadAt = earlier(out[i].ReadAt, readAt)
	}
	return Coverage{out}
}

// Through returns the end of the unbroken coverage that begins at from and was read whole or is accepted as it is; from itself where
// there is none.
func (c Coverage) Through(from time.Time) time.Time {
	for _, s := range c.stretches {
		if s.Start.After(from) {
			break
		}
		if s.End.After(from) {
			if s.Partial != "" && !s.Accepted {
				break
			}
			from = s.End
		}
	}
	return from
}

// Covers reports whether the whole window was read whole, or is accepted as it is.
func (c Coverage) Covers(w Window) bool { return !c.Through(w.Start).Before(w.End) }

// PartialWindow is a window that could not be read whole.
type PartialWindow struct {
	Window
	Cause    Cause     `json:"reason"`
	Since    time.Time `json:"since,omitzero"` // unknown of those of earlier versions
	Rows     int       `json:"rows"`           // that came, at the least, and were published
	Accepted bool      `json:"accepted"`       // completeThrough passes it
}

// Partial returns what could not be read whole, in order of time. Stretches that touch are one, with the cause of the first:
// that they were last read at different instants concerns the schedule only.
func (c Coverage) Partial() []PartialWindow {
	var out []PartialWindow
	for _, s := range c.stretches {
		switch n := len(out); {
		case s.Partial == "":
		case n > 0 && out[n-1].End.Equal(s.Start) && out[n-1].Accepted == s.Accepted:
			last := &out[n-1]
			last.End, last.Rows = s.End, max(last.Rows, s.Rows)
			if !s.Since.IsZero() {
				last.Since = earlier(last.Since, s.Since)
			}
		default:
			out = append(out, PartialWindow{s.Window, s.Partial, s.Since, s.Rows, s.Accepted})
		}
	}
	return out
}

// Accept returns the coverage with the partial windows that lie in the window accepted, and these.
func (c Coverage) Accept(w Window) (Coverage, []PartialWindow) {
	var accepted []PartialWindow
	for _, p := range c.Partial() {
		if !p.Accepted && !p.Start.Before(w.Start) && !p.End.After(w.End) {
			accepted = append(accepted, p)
		}
	}
	out := slices.Clone(c.stretches)
	for i, s := range out {
		out[i].Accepted = s.Accepted || s.Partial != "" && slices.ContainsFunc(accepted, func(p PartialWindow) bool { return p.Contains(s.Start) })
	}
	return Coverage{out}, accepted
}

// MergePartial returns the coverage with at most so many partial windows that ended before the instant: those are not read again,
// and a ledger that grows for ever would not fit into a commit. Those that were accepted count as read. Of the others the nearest two
// become one, and what was whole between them counts as partial with them; completeThrough had stopped at the first of them.
func (c Coverage) MergePartial(before time.Time, most int) Coverage {
	for {
		old := slices.DeleteFunc(c.Partial(), func(p PartialWindow) bool { return p.End.After(before) })
		if len(old) <= max(most, 1) {
			return c
		}
		nearest := 0
		for i := range old {
			if old[i].Accepted {
				nearest = -i - 1
				break
			}
			if i > 0 && (nearest == 0 || old[i].Start.Sub(old[i-1].End) < old[nearest].Start.Sub(old[nearest-1].End)) {
				nearest = i
			}
		}
		if nearest < 0 {
			p := old[-nearest-1]
			c = c.replace(Stretch{Window: p.Window, ReadAt: c.ReadAt(p.Start)})
			continue
		}
		a, b := old[nearest-1], old[nearest]
		c = c.replace(Stretch{Window: Window{a.Start, b.End}, ReadAt: c.ReadAt(a.Start), Partial: a.Cause, Since: earlier(a.Since, b.Since), Rows: a.Rows + b.Rows})
	}
}

// replace returns the coverage with the stretch instead of whatever was there.
func (c Coverage) replace(s Stretch) Coverage {
	var out Coverage
	for _, old := range c.stretches {
		if !old.Start.Before(s.Start) && !old.End.After(s.End) {
			continue
		}
		out.stretches = append(out.stretches, old)
	}
	return out.Add(s)
}

// Gap returns the earliest part of the window that was never read; false where there is none. Partial stretches are no
// gaps: reading them again is a matter of the re-read schedule.
func (c Coverage) Gap(w Window) (Window, bool) {
	at := w.Start
	for _, s := range c.stretches {
		if s.Start.After(at) {
			break
		}
		at = later(at, s.End)
	}
	if !at.Before(w.End) {
		return Window{}, false
	}
	end := w.End
	for _, s := range c.stretches {
		if s.Start.After(at) {
			end = earlier(end, s.Start)
			break
		}
	}
	return Window{at, end}, true
}

// sort is what neighbours must have in common to be joined.
type sort struct {
	partial            Cause
	accepted, withheld bool
}

func (s Stretch) sort() sort { return sort{s.Partial, s.Accepted, s.Withheld} }

// Compact joins neighbours whose instants of reading differ by at most tolerance(end of the later one, the earlier
// instant), keeping the earlier instant: the joined stretch comes up for re-reading a little early, never late. It keeps the coverage
// of a week at some hundred stretches, so that all of it fits into every commit.
func (c Coverage) Compact(tolerance func(end, readAt time.Time) time.Duration) Coverage {
	out := make([]Stretch, 0, len(c.stretches))
	var newest time.Time // instant of reading within the last of out
	for _, s := range c.stretches {
		if n := len(out); n > 0 {
			last := &out[n-1]
			low, high := earlier(last.ReadAt, s.ReadAt), later(newest, s.ReadAt)
			if last.End.Equal(s.Start) && last.sort() == s.sort() && high.Sub(low) <= tolerance(s.End, low) {
				last.End, last.ReadAt, last.Since, last.Rows, newest = s.End, low, earlier(last.Since, s.Since), max(last.Rows, s.Rows), high
				continue
			}
		}
		out = append(out, s)
		newest = s.ReadAt
	}
	return Coverage{out}
}
