package simulator

import "time"

// stage is how far a row has come. A row's text changes from each stage to the
// next one that its kind knows.
type stage uint8

const (
	queued     stage = iota // open, nobody assigned
	assigned                // open, a segment with only assignedAt
	ended                   // closed: final status, end, times of the agent
	wrappedUp               // after-call work ended: dispositions, remarks
	summarised              // automatic summary, agent's notes
	surveyed                // the customer's score
)

// row draws the times of a new row that seeds its own conversation and session.
func (w *world) row(seed uint64, k kind, start int64) row {
	d := roll(seed, streamTimes)
	r := row{id: seed, conv: seed, session: seed, start: start, kind: k, bots: k == botRow || k == assistRow}
	r.end = start + talk(&d, k)
	r.shown = start + w.lateness(&d)
	r.closed = max(r.end+min(d.n(5_000), w.late()), r.shown)
	return r
}

func (w *world) late() int64 { return w.config.LateBy.Milliseconds() }

// lateness: nine rows in ten appear within three seconds, one in ten up to the
// bound, a share of the switch's far beyond it.
func (w *world) lateness(d *dice) int64 {
	late := min(d.n(3_000), w.late())
	if d.chance(0.1) {
		late = d.n(w.late())
	}
	if d.chance(w.config.Switches.VeryLate) {
		late = d.between(10*minute, 180*minute)
	}
	return late
}

// talk is the length of a session in milliseconds: short for bots, one in ten
// contacts long.
func talk(d *dice, k kind) int64 {
	switch {
	case k != contactRow:
		return d.between(1_000, 4*minute)
	case d.chance(0.1):
		return d.between(10*minute, maxTalk)
	}
	return d.between(20_000, 10*minute)
}

// timeline is when a row enters each stage, in Unix milliseconds. A stage that is
// never entered is at the end of time.
type timeline struct{ assigned, ended, wrapped, summarised, surveyed int64 }

const never = int64(1) << 62

const (
	maxWrapUp  = 10 * minute
	maxSummary = 10 * minute
)

func (w *world) timeline(r *row) timeline {
	d := roll(r.id, streamSession)
	t := timeline{assigned: r.start + d.between(1_000, 60_000), ended: r.closed, wrapped: never, summarised: never, surveyed: never}
	t.assigned = min(t.assigned, r.end)
	if r.kind != contactRow {
		return t
	}
	t.wrapped = r.closed + d.between(10_000, maxWrapUp)
	t.summarised = t.wrapped + d.between(20_000, maxSummary)
	if by := w.config.SurveyBy.Milliseconds(); by > 0 && d.chance(0.15) {
		t.surveyed = max(t.summarised, r.closed+d.n(by))
	}
	return t
}

func (t timeline) at(now int64) stage {
	switch {
	case now >= t.surveyed:
		return surveyed
	case now >= t.summarised:
		return summarised
	case now >= t.wrapped:
		return wrappedUp
	case now >= t.ended:
		return ended
	case now >= t.assigned:
		return assigned
	}
	return queued
}

// settled is when the last row of the world has reached its last stage; the zero
// time when the world has no end.
func (w *world) settled() time.Time {
	if w.config.Until.IsZero() {
		return time.Time{}
	}
	last := w.until
	for m := range w.burst {
		last = max(last, (m+1)*minute)
	}
	shown := w.late()
	if w.config.Switches.VeryLate > 0 {
		shown += 180 * minute
	}
	last += spill + maxTalk + shown + w.late() + max(maxWrapUp+maxSummary, w.config.SurveyBy.Milliseconds())
	return time.UnixMilli(last).UTC()
}

// variant names one of the texts a row can have: what was asked for and how far
// the row has come.
type variant uint32

func (v view) variant(st stage) variant {
	return variant(st) | variant(v.selected)<<4 | variant(uint32(v.offset+2048))<<12
}

// view is how a request wants rows to be written.
type view struct {
	selected selection
	offset   int32 // timeZoneOffset in minutes, JavaScript's sign
}

// selection is a set of the fields that are absent unless asked for.
type selection uint8

// selectable are the names known to selectedFields; the place is the bit.
var selectable = []string{"skills", "customerinfo", "userleveltags", "sessionleveltags", "campaigninfo", "snoozeinfo"}

func (s selection) has(name string) bool { return s&selected(name) != 0 }

func selected(names ...string) selection {
	var s selection
	for _, name := range names {
		for i, known := range selectable {
			if name == known {
				s |= 1 << i
			}
		}
	}
	return s
}
