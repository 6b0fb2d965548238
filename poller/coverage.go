package poller

import (
	"slices"
	"time"
)

// Stretch is a piece of the coverage: a window and when it was last read.
type Stretch struct {
	Window
	ReadAt  time.Time // by our clock; no part of the window was last read earlier than this
	Partial bool      // it could not be read whole: what came was published, but completeThrough stops here
}

// Coverage says which stretches of time were read, and when. Its stretches are sorted and do not overlap. It is a
// value: every method leaves the receiver as it was, so that a new coverage can be committed before it is believed.
type Coverage struct{ stretches []Stretch }

// Stretches gives the pieces in order of time. They must not be changed.
func (c Coverage) Stretches() []Stretch { return c.stretches }

// End is the end of the latest stretch, zero where nothing is covered.
func (c Coverage) End() time.Time {
	if len(c.stretches) == 0 {
		return time.Time{}
	}
	return c.stretches[len(c.stretches)-1].End
}

// Add gives the coverage after the stretch was read. A whole read replaces whatever was there; a partial one takes
// nothing back: what was covered stays covered (a promise given is kept), only the instant of reading moves.
func (c Coverage) Add(s Stretch) Coverage {
	if s.Empty() {
		return c
	}
	out := make([]Stretch, 0, len(c.stretches)+3)
	at := s.Start // what of s was put down already ends here
	put := func(end time.Time, partial bool) {
		if at.Before(end) {
			out = append(out, Stretch{Window{at, end}, s.ReadAt, partial})
			at = end
		}
	}
	for _, old := range c.stretches {
		if !old.Start.Before(s.End) {
			put(s.End, s.Partial)
		}
		if !old.Start.Before(s.End) || !s.Start.Before(old.End) {
			out = append(out, old)
			continue
		}
		if old.Start.Before(s.Start) {
			out = append(out, Stretch{Window{old.Start, s.Start}, old.ReadAt, old.Partial})
		}
		put(old.Start, s.Partial)
		put(earlier(old.End, s.End), s.Partial && old.Partial)
		if s.End.Before(old.End) {
			out = append(out, Stretch{Window{s.End, old.End}, old.ReadAt, old.Partial})
		}
	}
	put(s.End, s.Partial)
	slices.SortFunc(out, func(a, b Stretch) int { return a.Start.Compare(b.Start) })
	return Coverage{out}
}

// Doubt gives the coverage with nothing read later than the instant: what a mistake may have been made with comes up for
// re-reading. What was promised stays.
func (c Coverage) Doubt(readAt time.Time) Coverage {
	out := slices.Clone(c.stretches)
	for i := range out {
		out[i].ReadAt = earlier(out[i].ReadAt, readAt)
	}
	return Coverage{out}
}

// Through is the end of the unbroken, wholly read coverage that begins at from; from itself where there is none.
func (c Coverage) Through(from time.Time) time.Time {
	for _, s := range c.stretches {
		if s.Start.After(from) {
			break
		}
		if s.End.After(from) {
			if s.Partial {
				break
			}
			from = s.End
		}
	}
	return from
}

// Covers tells whether the whole window was read whole.
func (c Coverage) Covers(w Window) bool { return !c.Through(w.Start).Before(w.End) }

// Partial is what could not be read whole, in order of time. Stretches that touch are one: that they were last read at
// different instants concerns the schedule only.
func (c Coverage) Partial() []Window {
	var out []Window
	for _, s := range c.stretches {
		switch n := len(out); {
		case !s.Partial:
		case n > 0 && out[n-1].End.Equal(s.Start):
			out[n-1].End = s.End
		default:
			out = append(out, s.Window)
		}
	}
	return out
}

// Gap is the earliest part of the window that was never read; false where there is none. Partial stretches are no
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

// Compact joins neighbours whose instants of reading differ by at most tolerance(end of the later one), keeping the
// earlier instant: the joined stretch comes up for re-reading a little early, never late. It keeps the coverage of a
// week at some hundred stretches, so that all of it fits into every commit.
func (c Coverage) Compact(tolerance func(end time.Time) time.Duration) Coverage {
	out := make([]Stretch, 0, len(c.stretches))
	var newest time.Time // instant of reading within the last of out
	for _, s := range c.stretches {
		if n := len(out); n > 0 {
			last := &out[n-1]
			low, high := earlier(last.ReadAt, s.ReadAt), later(newest, s.ReadAt)
			if last.End.Equal(s.Start) && last.Partial == s.Partial && high.Sub(low) <= tolerance(s.End) {
				last.End, last.ReadAt, newest = s.End, low, high
				continue
			}
		}
		out = append(out, s)
		newest = s.ReadAt
	}
	return Coverage{out}
}
