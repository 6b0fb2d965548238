package poller

import "time"

// StripDays is how far back a strip shows the coverage.
const StripDays = 8

// Part is a part of the last days, as it is covered.
type Part struct {
	Window
	State PartState `json:"state"`
	// ReadAt is when what was read longest ago in it was last read; omitted if it was not read.
	ReadAt time.Time `json:"readAt,omitzero"`
}

// PartState is how a part of the last days is covered.
type PartState string

// The states of a part.
const (
	PartCovered  PartState = "covered"
	PartPartial  PartState = "partial"  // could not be read whole
	PartAccepted PartState = "accepted" // nor could this, and an operator has accepted it
	PartGap      PartState = "gap"      // wanted, and never read
	PartBackfill PartState = "backfill" // is being backfilled, and not read yet
	PartNew      PartState = "new"      // has not settled yet
	PartUnwanted PartState = "unwanted" // before everything that is wanted
)

// partAges are the ages of reading at which parts are told apart.
var partAges = []time.Duration{10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour}

func partAge(readAt, at time.Time) (n int) {
	for n < len(partAges) && at.Sub(readAt) > partAges[n] {
		n++
	}
	return n
}

// strip returns how the last days are covered, in order of time and without holes. Neighbours of one state that were read at about the
// same time are one part.
func (a Agenda) strip(now time.Time) (parts []Part) {
	at := a.Clock.Earlier(now)
	all := Span(at.Add(-StripDays*24*time.Hour), at)
	add := func(p Part) {
		if p.Empty() {
			return
		}
		if n := len(parts); n > 0 && parts[n-1].State == p.State && partAge(parts[n-1].ReadAt, at) == partAge(p.ReadAt, at) {
			parts[n-1].End, parts[n-1].ReadAt = p.End, earlier(parts[n-1].ReadAt, p.ReadAt)
			return
		}
		parts = append(parts, p)
	}
	reached := all.Start
	for _, s := range a.Coverage.Stretches() {
		w := s.Intersect(all)
		if w.Empty() {
			continue
		}
		a.addUnread(Window{reached, w.Start}, now, add)
		state := PartCovered
		if s.Accepted {
			state = PartAccepted
		} else if s.Partial != "" {
			state = PartPartial
		}
		add(Part{w, state, s.ReadAt})
		reached = w.End
	}
	a.addUnread(Window{reached, all.End}, now, add)
	return parts
}

// addUnread adds a window that was not read, cut where its state changes.
func (a Agenda) addUnread(w Window, now time.Time, add func(Part)) {
	settled := a.settledUpTo(now)
	before := Window{w.Start, earlier(w.End, a.From)}
	if a.From.IsZero() {
		before.End = w.End
	}
	for _, p := range a.Passes {
		if p.Reason != Backfill || !p.active() || p.Intersect(before).Empty() {
			continue
		}
		add(Part{Window: Window{before.Start, later(before.Start, p.Start)}, State: PartUnwanted})
		add(Part{Window: p.Intersect(before), State: PartBackfill})
		before.Start = later(before.Start, earlier(p.End, before.End))
	}
	add(Part{Window: before, State: PartUnwanted})
	add(Part{Window: Window{later(w.Start, before.End), earlier(w.End, settled)}, State: PartGap})
	add(Part{Window: Window{later(later(w.Start, before.End), settled), w.End}, State: PartNew})
}
