package verify

import (
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/simulator"
)

// CheckComplete adds what is missing: a row that the service showed within the settle delay of its time, in the range
// that the last commit calls complete, and that is not in the topics. One that came broken when it was read is a dead letter
// until it is read again. One that began before the range, and comes into it only because it is known by now when it ended, was not
// promised.
func (r *Report) CheckComplete(service *simulator.Service, settle time.Duration, selectedFields ...string) {
	for row := range service.RowsAt(time.Now(), r.CompleteFrom, r.CompleteThrough, selectedFields...) {
		if r.Holds(row) || row.Start.Before(r.CompleteFrom) || r.accepted(row) {
			continue
		}
		then := row.Start.Add(settle)
		for was := range service.RowsAt(then, row.Start.Truncate(time.Second), row.Start.Add(time.Second), selectedFields...) {
			if was.Key == row.Key {
				r.Lost++
				r.problem("lost: %s (session %s), shown by the service since before %v", row.Key.Identity, row.Key.Session, then)
			}
		}
	}
}

// accepted tells whether the row lies in a gap that an operator accepted, so near to it that what asks for the gap asks for the row.
func (r *Report) accepted(row simulator.Row) bool {
	const near = 2 * time.Second
	for _, e := range r.Events {
		if e.Kind != string(poller.GapAccepted) {
			continue
		}
		for _, at := range []time.Time{row.Start, row.End} {
			if at.Add(near).After(*e.WindowStart) && at.Before(e.WindowEnd.Add(near)) {
				return true
			}
		}
	}
	return false
}

// CheckClaims adds every commit whose completeThrough claims more than was read: a stretch counts only from a committed
// read that was made at least the settle delay after its end, or from its acceptance by an operator.
func (r *Report) CheckClaims(settle time.Duration) {
	var covered []stretch
	for _, p := range r.progress {
		end := p.ReadAt.Add(-settle)
		if p.WindowEnd.Before(end) {
			end = p.WindowEnd
		}
		if !r.unread[p.Sequence] {
			covered = join(covered, stretch{p.WindowStart, end})
		}
		if e := p.Event; e != nil && e.Kind == string(poller.GapAccepted) {
			covered = join(covered, stretch{*e.WindowStart, *e.WindowEnd})
		}
		if through := reach(covered, p.CompleteFrom); p.CompleteThrough.After(through) {
			r.problem("commit %d claims to be complete through %v, reads reach to %v", p.Sequence, p.CompleteThrough, through)
		}
	}
}

type stretch struct{ start, end time.Time }

// join adds a stretch to others that do not touch each other.
func join(others []stretch, s stretch) []stretch {
	if !s.start.Before(s.end) {
		return others
	}
	var out []stretch
	for _, o := range others {
		if o.end.Before(s.start) || s.end.Before(o.start) {
			out = append(out, o)
			continue
		}
		if o.start.Before(s.start) {
			s.start = o.start
		}
		if o.end.After(s.end) {
			s.end = o.end
		}
	}
	return append(out, s)
}

// reach is how far the stretch around from goes.
func reach(covered []stretch, from time.Time) time.Time {
	for _, s := range covered {
		if !s.start.After(from) && s.end.After(from) {
			return s.end
		}
	}
	return from
}

// CheckNewest adds every row of a range that is not in the topics with its newest content. The world must have been still
// for long enough to be read again.
func (r *Report) CheckNewest(service *simulator.Service, from, through time.Time, selectedFields ...string) {
	rows, at := 0, time.Now()
	if still := service.Settled(); !still.IsZero() && still.Before(at) {
		at = still // what RowsAt has after that the service does not show
	}
	for row := range service.RowsAt(at, from, through, selectedFields...) {
		rows++
		if !r.holds(row) {
			r.Lost++
			r.problem("lost: %s (session %s), started %v", row.Key.Identity, row.Key.Session, row.Start)
			continue
		}
		if !row.Dead && r.held.Judge(row.Key.Identity, row.Key.Session, row.Hash()) == audit.Stale {
			r.Lost++
			r.problem("stale: %s (session %s), started %v: its newest content is not in the topics", row.Key.Identity, row.Key.Session, row.Start)
		}
	}
	if rows == 0 {
		r.problem("nothing to check: the service shows no row from %v to %v", from, through)
	}
}

func (r *Report) holds(row simulator.Row) bool {
	if row.Dead {
		return r.dead[row.Key.Session] > 0
	}
	_, there := r.held.Newest(row.Key.Identity, row.Key.Session)
	return there
}

// Met is when a row was first shown to a read that was committed, by our clock; false: never. What broke in a page was shown, too.
func (r *Report) Met(key simulator.Key) (at time.Time, met bool) {
	at, met = r.met[key]
	return at, met
}

// Holds tells whether a row is in the topics, or, where it only came in a page that broke, in what was made a dead letter of it.
func (r *Report) Holds(row simulator.Row) bool { return r.holds(row) || r.broken[row.Key] }

// Uncovered are the first and the last second of each stretch of a range that no committed read of the last selection was made of
// at least the settle delay after its end.
func (r *Report) Uncovered(from, through time.Time, settle time.Duration) (gaps [][2]time.Time) {
	var covered []stretch
	for _, p := range r.progress {
		if p.Requests == 0 || r.unread[p.Sequence] || p.Selection != r.progress[len(r.progress)-1].Selection {
			continue
		}
		end := p.ReadAt.Add(-settle)
		if p.WindowEnd.Before(end) {
			end = p.WindowEnd
		}
		covered = join(covered, stretch{p.WindowStart, end})
	}
	slices.SortFunc(covered, func(a, b stretch) int { return a.start.Compare(b.start) })
	for _, s := range append(covered, stretch{through, through}) {
		if s.start.After(from) && from.Before(through) {
			gaps = append(gaps, [2]time.Time{from, s.start.Add(-time.Second)})
		}
		if s.end.After(from) {
			from = s.end
		}
	}
	return gaps
}

// FirstRead is when the first page was shown of the reads that were committed, by our clock.
func (r *Report) FirstRead() time.Time { return r.first }
