package poller

import (
	"fmt"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// pageSum is what one pass over the rows of a page counts. It allocates nothing: every row that is read comes by here.
type pageSum struct {
	bots, contacts run
	switches       int  // from rows of one kind to those of the other
	contactsFirst  bool // the first row is a contact

	inside, early, late                int // rows by their start, beside the window that was asked for, give or take a second
	lowerAt, lowerIn, upperAt, upperIn int // rows at its bounds, and a second within them

	near, off, zoned int   // rows with a start and an ObjectId: of the same time, off by the same quarters of an hour; all
	by               int64 // off by so many seconds
}

// run is the order of the rows of one kind.
type run struct {
	n, up, down int // rows; steps to later and to earlier starts
	last        int64
}

func (r *run) add(start int64) {
	if r.n++; r.n > 1 {
		switch {
		case start > r.last:
			r.up++
		case start < r.last:
			r.down++
		}
	}
	r.last = start
}

// order returns the run's order; "" where there are too few steps.
func (r *run) order() string {
	switch {
	case r.up+r.down < 3:
		return ""
	case r.down == 0:
		return ascending
	case r.up == 0:
		return descending
	}
	return unordered
}

func sum(q smartassist.Query, rows []smartassist.Row) (s pageSum) {
	from, to := q.Start.Unix(), q.End.Unix()
	var before smartassist.Kind
	for i := range rows {
		r := &rows[i]
		if r.Err != nil || r.Start.IsZero() {
			continue
		}
		start, kind := r.Start.Unix(), smartassist.Bot
		if r.Kind == smartassist.Contact {
			kind = smartassist.Contact
			s.contacts.add(start)
		} else {
			s.bots.add(start)
		}
		switch {
		case before == "":
			s.contactsFirst = kind == smartassist.Contact
		case kind != before:
			s.switches++
		}
		before = kind
		s.place(start, from, to)
		if r.Timed {
			s.zone(start, r.SessionID)
		}
	}
	return s
}

// place counts where a row starts.
func (s *pageSum) place(start, from, to int64) {
	switch {
	case start < from:
		s.early++
		return
	case start > to+1:
		s.late++
		return
	}
	s.inside++
	switch start {
	case from:
		s.lowerAt++
	case from + 1:
		s.lowerIn++
	case to - 1:
		s.upperIn++
	case to:
		s.upperAt++
	}
}

const (
	quarter  = 15 * 60      // zones differ by quarters of an hour
	farthest = 14 * 60 * 60 // the zone that is farthest from UTC
	nearZone = 30           // seconds: a session may be a little older than its start
)

// zone compares a row's start with the second in its sessionId.
func (s *pageSum) zone(start int64, sessionID string) {
	created, ok := createdAt(sessionID)
	if !ok {
		return
	}
	s.zoned++
	by := start - created
	if -nearStart <= by && by <= nearStart {
		s.near++
		return
	}
	zone := (by+farthest+quarter/2)/quarter*quarter - farthest
	if by < -farthest-nearZone || by > farthest+nearZone || zone == 0 || by-zone < -nearZone || by-zone > nearZone {
		return
	}
	if s.off == 0 {
		s.by = zone
	}
	if zone == s.by {
		s.off++
	}
}

// createdAt returns the Unix second in an ObjectId.
func createdAt(id string) (second int64, ok bool) {
	if len(id) != 24 {
		return 0, false
	}
	for i := range 8 {
		c := id[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		second = second<<4 | int64(c)
	}
	return second, true
}

// zoneName returns the name of a zone so many seconds from UTC.
func zoneName(by int64) string {
	sign := '+'
	if by < 0 {
		sign, by = '-', -by
	}
	return fmt.Sprintf("UTC%c%02d:%02d", sign, by/3600, by/60%60)
}

// leastOff is how many rows of a page must be off by the same to say so.
const leastOff = 3

// rows takes in the rows of a page.
func (a *Assumptions) rows(s answer, c pageSum) (changed bool) {
	switch {
	case 2*c.near > c.zoned:
		changed = a.Zone.note(zoneUTC, int64(c.near), int64(c.zoned), pagesNeed, s.at)
	case c.off >= leastOff && 2*c.off > c.zoned:
		changed = a.Zone.note(zoneName(c.by), int64(c.off), int64(c.zoned), pagesNeed, s.at)
	}
	changed = a.kinds(s, c) || changed
	changed = a.times(s, c) || changed
	return a.edges(s, c) || changed
}

// kinds takes in the order of the rows, and whether each kind has a limit of its own.
func (a *Assumptions) kinds(s answer, c pageSum) (changed bool) {
	if order := c.bots.order(); order != "" {
		changed = a.Bots.once(order, pagesNeed, s.at)
	}
	if order := c.contacts.order(); order != "" {
		changed = a.Contacts.once(order, pagesNeed, s.at) || changed
	}
	if c.bots.n == 0 || c.contacts.n == 0 {
		return changed
	}
	if c.bots.n > 1 && c.contacts.n > 1 {
		first := botsFirst
		switch {
		case c.switches > 1:
			first = kindsMixed
		case c.contactsFirst:
			first = contactsFirst
		}
		changed = a.Kinds.once(first, pagesNeed, s.at) || changed
	}
	switch n := len(s.page.Rows); {
	case n > s.query.Limit:
		return a.Source.once(limitEach, atOnce, s.at) || changed
	case n == s.query.Limit:
		return a.Source.once(limitShared, pagesNeed, s.at) || changed
	}
	return changed
}

// times takes in whether the time of day counts. A page that begins with the day may hold all of it.
func (a *Assumptions) times(s answer, c pageSum) bool {
	switch outside := c.early + c.late; {
	case 2*outside > len(s.page.Rows) && c.late > 0:
		return a.Day.once(dayIgnored, unitNeeds, s.at)
	case outside == 0 && c.inside >= 3 && !s.query.Start.Before(s.query.Start.UTC().Truncate(widest).Add(time.Hour)):
		return a.Day.once(dayCounts, dayNeeds, s.at)
	}
	return false
}

// edges takes in the rows at the bounds of a window that was read whole, for the first time: the next read of the same window would
// say the same again.
func (a *Assumptions) edges(s answer, c pageSum) (changed bool) {
	first := s.reason == Head || s.reason == Settled || s.reason == Gap || s.reason == Backfill
	if !first || s.query.Offset > 0 || len(s.page.Rows) >= s.query.Limit || s.after.ShortUnsafe || c.early+c.late > 0 {
		return false
	}
	b := &a.Bounds
	b.LowerAt, b.LowerIn = b.LowerAt+min(1, c.lowerAt), b.LowerIn+min(1, c.lowerIn)
	b.UpperAt, b.UpperIn = b.UpperAt+min(1, c.upperAt), b.UpperIn+min(1, c.upperIn)
	changed = a.Lower.bound(&b.LowerAt, &b.LowerIn, s.at)
	return a.Upper.bound(&b.UpperAt, &b.UpperIn, s.at) || changed
}

// bound decides by a lot of pages, and begins the next one.
func (f *finding) bound(at, in *int, when time.Time) (changed bool) {
	if *in < boundsLot {
		return false
	}
	there, within := *at, *in
	*at, *in = 0, 0
	switch {
	case there >= boundsLot/4:
		return f.note(inclusive, int64(there), int64(within), boundsNeed, when)
	case there <= 1:
		return f.note(exclusive, int64(there), int64(within), boundsNeed, when)
	}
	return false
}
