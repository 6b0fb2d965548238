package poller

import "time"

// learn notes what the rows of a read say of when rows change, and how late they appear.
func (a *Agenda) learn(read Read, j Judgement) {
	if len(read.Rows) == 0 {
		return
	}
	l := a.Learned.Faded(read.At)
	changed, first := map[string]bool{}, map[string]bool{}
	head := read.At.Add(-a.Settle - 2*a.Interval) // where the newest rows are looked for all the time
	for _, r := range j.Fresh {
		if r.Number > 1 {
			changed[r.Row.Identity()] = true
			continue
		}
		first[r.Row.Identity()] = true
		if start := r.Row.Start; start.After(later(a.From, head)) {
			l.Appeared(read.At.Sub(start))
		}
	}
	for _, row := range read.Rows {
		if row.Err != nil || row.Start.IsZero() || first[row.Identity()] {
			continue
		}
		before := a.Coverage.ReadAt(row.Start.UTC().Truncate(time.Second))
		if before.IsZero() {
			before = read.At.Add(-a.Interval)
		}
		l.Watch(row.Start, before, read.At, changed[row.Identity()])
	}
	a.Learned = l
	if j.New > 0 {
		a.LastRow = later(a.LastRow, read.At.UTC().Truncate(time.Second))
	}
	if since(a.lawAt, read.At) >= lawEvery {
		a.law, a.lawAt = l.law(), read.At
	}
}

// lawEvery is how often what was learned goes into the choice of what is read.
const lawEvery = 10 * time.Minute
