package poller

import "time"

// reread returns what of the coverage is to be read again now; else how long it is until something is.
func (a Agenda) reread(now time.Time) (Task, time.Duration) {
	at := a.Clock.Earlier(now)
	pieces := a.pieces(at)
	w, most, wait := a.overdue(pieces)
	crowded := a.Spare && most >= overloaded && a.rereads%3 > 0
	if wait <= 0 && !crowded {
		return Task{Window: a.narrowed(w, Reread), Reason: Reread}, 0
	}
	if !a.Spare {
		return Task{}, wait
	}
	rows := float64(spareRows)
	if crowded {
		rows = crowdedRows
	}
	if likely, ok := a.likely(at, rows); ok {
		return Task{Window: a.narrowed(likely, Reread), Reason: Reread, Spare: !crowded}, 0
	}
	if wait <= 0 {
		return Task{Window: a.narrowed(w, Reread), Reason: Reread}, 0
	}
	return Task{}, min(wait, spareIdle)
}

// overloaded is how overdue, in cadences, every tier is where the budget carries less than half of them. No deadline is held then;
// two re-reads of three go where changes are likely: they are found sooner, and the youngest tier need not look for them.
const overloaded = 2

// spareIdle is how soon it is looked again for something worth a spare request.
const spareIdle = 5 * time.Second

// overdue returns the piece whose re-reading is most overdue, in units of its tier's cadence, and with it the neighbours that
// are on their way to it, as far as one read is likely to hold: they cost next to nothing then. Else wait is how long it is
// until one is due.
func (a Agenda) overdue(pieces []piece) (w Window, cadences float64, wait time.Duration) {
	best, most, wait := -1, 0.0, longestIdle
	for i, p := range pieces {
		if p.overdue < 1 {
			wait = min(wait, max(time.Second, time.Duration((1-p.overdue)*float64(p.every))))
			continue
		}
		// The older the tier, the later it comes when not everything can be done.
		if score := p.overdue / float64(2+p.tier); score > most {
			best, most = i, score
		}
	}
	if best < 0 {
		return Window{}, 0, wait
	}
	w = pieces[best].Window
	page, width := a.Density.Width(w.Start, pageRows), a.width(w.Start)
	along := func(p piece) bool {
		return w.Len() < page && p.overdue >= alongFree || w.Len() < width && p.overdue >= alongWith
	}
	for _, next := range pieces[best+1:] {
		if !next.Start.Equal(w.End) || !along(next) {
			break
		}
		w.End = next.End
	}
	for i := best - 1; i >= 0 && pieces[i].End.Equal(w.Start) && along(pieces[i]); i-- {
		w.Start = later(pieces[i].Start, w.End.Add(-width))
	}
	w.End = earlier(w.End, w.Start.Add(width))
	return w, pieces[best].overdue, 0
}

// How overdue a neighbour must be to be read along with a piece that is due: on the same page, which costs nothing, and on pages
// of its own.
const (
	alongFree = 0.3
	alongWith = 0.85
)

// piece is a part of the coverage that lies in one tier.
type piece struct {
	Window
	tier    int
	every   time.Duration // the tier's cadence
	overdue float64       // time since it was last read, in units of the cadence
}

// pieces cuts the coverage at the bounds of the tiers and at windows that fail, in order of time. What is withheld belongs to the
// last tier, however old it is.
func (a Agenda) pieces(at time.Time) []piece {
	out := make([]piece, 0, len(a.Coverage.stretches)+len(a.Tiers))
	for _, s := range a.Coverage.Stretches() {
		for tier := len(a.Tiers) - 1; tier >= 0; tier-- {
			w := s.Window
			if youngest := a.ago(at, tier-1); w.End.After(youngest) {
				w.End = youngest
			}
			if oldest := a.ago(at, tier); w.Start.Before(oldest) && !(s.Withheld && tier == len(a.Tiers)-1) {
				w.Start = oldest
			}
			every := a.Tiers[tier].Every
			overdue := float64(since(s.ReadAt, at)) / float64(every)
			for w = a.within(w); !w.Empty(); {
				free := a.free(w)
				if !free.Empty() {
					out = append(out, piece{free, tier, every, overdue})
				}
				w.Start = later(free.End, w.Start.Add(time.Second))
			}
		}
	}
	return out
}

// ago returns the instant at which the tier begins; the present for tier -1.
func (a Agenda) ago(at time.Time, tier int) time.Time {
	if tier < 0 {
		return at.UTC().Truncate(time.Second)
	}
	return at.Add(-a.Tiers[tier].Age).UTC().Truncate(time.Second)
}

// cell is a part of the coverage of which all rows are about equally old.
type cell struct {
	Window
	rows    float64 // that are to be expected
	changes float64 // of these, those that have changed since they were last read
	waiting float64 // for how long these have been waiting, in seconds together
	skipped bool    // it is not worth a request
}

const (
	// leastChanges is how many changes a spare request must be expected to find. Fewer are not worth it: others that share the
	// account's quota would have no use of what is left either, but a row that never changes is not worth looking at.
	leastChanges = 0.004

	// spareRows is how many rows a spare read holds at most: what is next is weighed anew after it, and a longer walk is what the
	// youngest rows wait for.
	spareRows = 400

	// crowdedRows is that of an account which is overloaded: half a page is lost at the end of each walk, and there every page counts.
	crowdedRows = 800

	// mostRuns is how many windows are weighed for one request. Old rows have few changes, but these wait for long: many of their
	// pages may have to be passed over before one is worth a request. Where too few are, the request is left unused.
	mostRuns = 64

	// cellAge is how much older than its youngest row the oldest of a cell may be, as a share of the age.
	cellAge = 0.25
)

// likely returns the window whose re-reading is most worth a spare request: where the time for which changes have been waiting,
// all of them together, is the longest for one request. To read where that is largest keeps the mean delay of a change
// as short as the budget allows; to go by the number of changes alone would leave old rows waiting for too long. The window is
// to hold at most so many rows.
func (a Agenda) likely(at time.Time, rows float64) (Window, bool) {
	cells := a.cells(at)
	for range mostRuns {
		best, most := -1, 0.0
		for i, c := range cells {
			if value := c.waiting / max(c.rows, 1); value > most && !c.skipped {
				best, most = i, value
			}
		}
		if best < 0 {
			break
		}
		run, from, to := a.extend(cells, best, rows)
		if run.changes >= leastChanges*a.Paging.requests(run.rows) {
			w := run.Window // one cell may hold more rows than a read is to
			w.End = earlier(w.End, w.Start.Add(a.Density.Width(w.Start, rows)))
			return w, true
		}
		for i := from; i <= to; i++ {
			cells[i].skipped = true
		}
	}
	return Window{}, false
}

// extend joins the cell with its neighbours, the better one first, until a page is full; where windows are walked, also with
// those that are about as good.
func (a Agenda) extend(cells []cell, i int, most float64) (run cell, from, to int) {
	run, from, to = cells[i], i, i
	full := min(a.Paging.rows(), most)
	for run.rows < full {
		next := -1
		if from > 0 && cells[from-1].End.Equal(run.Start) {
			next = from - 1
		}
		if to+1 < len(cells) && cells[to+1].Start.Equal(run.End) && (next < 0 || cells[to+1].worth() > cells[next].worth()) {
			next = to + 1
		}
		if next < 0 || run.rows >= pageRows && cells[next].worth() < run.worth()/2 || run.Len()+cells[next].Len() > widest {
			break
		}
		run = run.with(cells[next])
		from, to = min(from, next), max(to, next)
	}
	return run, from, to
}

// worth returns what there is to gain with a row of the cell.
func (c cell) worth() float64 { return c.waiting / max(c.rows, 0.01) }

// with joins two neighbours.
func (c cell) with(o cell) cell {
	return cell{Window{earlier(c.Start, o.Start), later(c.End, o.End)}, c.rows + o.rows, c.changes + o.changes, c.waiting + o.waiting, false}
}

// cells cuts what is covered, within the horizon, so that the rows of each cell are about equally old and were read at once.
func (a Agenda) cells(at time.Time) []cell {
	var out []cell
	horizon := at.Add(-Horizon(a.Tiers))
	for _, s := range a.Coverage.Stretches() {
		if !s.End.After(horizon) || s.Partial != "" {
			continue
		}
		w := a.within(Span(later(s.Start, horizon), earlier(s.End, at))) // our clock may have been set back behind the coverage
		for !w.Empty() {
			free := a.free(w)
			w.Start = later(free.End, w.Start.Add(time.Second))
			for !free.Empty() {
				age := at.Sub(free.Start)
				c := cell{Window: Window{free.Start, earlier(free.End, free.Start.Add(max(time.Minute, time.Duration(float64(age)*cellAge)).Truncate(time.Second)))}}
				free.Start = c.End
				middle := at.Sub(c.Start.Add(c.Len() / 2)).Seconds()
				c.rows = a.Density.Rows(c.Window)
				changes, waiting := a.forecast.unseen(middle-since(s.ReadAt, at).Seconds(), middle)
				c.changes, c.waiting = changes*c.rows, waiting*c.rows
				out = append(out, c)
			}
		}
	}
	return out
}

// tolerance returns, for an instant, how far the instants of reading of two neighbours may lie apart for them to be scheduled as one: a
// fraction of the cadence of the tier into which the end of the later one falls, and of how long ago they were read; beyond
// the horizon any.
func (a Agenda) tolerance(at time.Time) func(end, readAt time.Time) time.Duration {
	return func(end, readAt time.Time) time.Duration {
		for _, t := range a.Tiers {
			if at.Sub(end) < t.Age {
				most := t.Every / 8
				if a.Spare {
					most = min(most, max(10*time.Second, at.Sub(readAt)/8))
				}
				return most
			}
		}
		return ForEver
	}
}
