package poller

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Pass is a past range that is read beside live polling: a backfill, which is kept in the ledger and goes on after a restart, or an
// audit, which ends with the session.
type Pass struct {
	ID int64 `json:"id"` // of backfills 1, 2, ... of the account; of audits -1, -2, ... of the session
	Window
	Reason    Reason    `json:"reason"` // Backfill or Audit
	Republish bool      `json:"republish,omitzero"`
	Asked     time.Time `json:"asked"`
	By        string    `json:"by,omitzero"` // who asked for it, as they said
	// Recalled: the memory knows what the topics hold of it. Before that nothing of it is read, if it begins before Reach.
	Recalled bool `json:"recalled,omitzero"`
	// Read is what was read of it. A backfill does not read what was covered before, unless it republishes.
	Read      Coverage  `json:"read"`
	Requests  int       `json:"requests,omitzero"`
	Rows      int       `json:"rows,omitzero"` // of all reads; those on the bounds of two windows count twice
	Published int       `json:"published,omitzero"`
	Oldest    time.Time `json:"oldest,omitzero"` // start of the earliest window that brought a row
	Ended     time.Time `json:"ended,omitzero"`
	Cancelled bool      `json:"cancelled,omitzero"`
}

// active reports whether there is anything left to do.
func (p Pass) active() bool { return p.Ended.IsZero() }

// republishing returns the ID of a backfill that republishes, else 0.
func (p Pass) republishing() int64 {
	if p.Republish {
		return p.ID
	}
	return 0
}

const (
	// passShare is the part of the requests beside the newest rows that passes get while live polling needs the rest: one of so many.
	passShare = 10
	// mostOwed bounds how many requests passes are owed, mostAhead how many they have had in advance: more than a window takes.
	mostOwed, mostAhead = 20, 60
	// mostEnded is how many ended backfills are remembered.
	mostEnded = 20
)

// passAt returns the index of the pass, -1 if it is not known.
func (l *Ledger) passAt(id int64) int {
	return slices.IndexFunc(l.Passes, func(p Pass) bool { return p.ID == id })
}

// changePass calls change with a copy of the pass, which takes its place.
func (a *Agenda) changePass(id int64, change func(*Pass)) {
	if i := a.passAt(id); i >= 0 {
		a.Passes = slices.Clone(a.Passes)
		change(&a.Passes[i])
	}
}

// waits reports whether the pass waits until the topics' records of its range are remembered.
func (a Agenda) waits(p Pass) bool { return !p.Recalled && p.Start.Before(a.Reach) }

// left returns the earliest part of the pass that is still to be read and does not fail; false if there is none.
func (a Agenda) left(p Pass) (Window, bool) {
	return a.unread(p, true).Gap(p.Window)
}

// unread returns what of the pass need not be read, for Gap; with what fails, if that is passed over.
func (a Agenda) unread(p Pass, passFailing bool) Coverage {
	done := slices.Clone(p.Read.stretches)
	if p.Reason == Backfill && !p.Republish {
		for _, s := range a.Coverage.stretches {
			if !s.Intersect(p.Window).Empty() {
				done = append(done, s)
			}
		}
	}
	for _, f := range a.Failing {
		if (passFailing || f.Partial) && !f.Intersect(p.Window).Empty() {
			done = append(done, Stretch{Window: f.Window})
		}
	}
	slices.SortFunc(done, func(a, b Stretch) int { return a.Start.Compare(b.Start) })
	return Coverage{done}
}

// frontier returns where the pass still has something to read: everything before it is done. Its end if all is.
func (a Agenda) frontier(p Pass) time.Time {
	if w, ok := a.unread(p, false).Gap(p.Window); ok {
		return w.Start
	}
	return p.End
}

// ended reports whether nothing is left to be read of the pass: what fails is partial.
func (a Agenda) ended(p Pass) bool { return !a.waits(p) && a.frontier(p).Equal(p.End) }

// nextPass returns what is to be read now of the passes: of audits first, for which somebody waits, then in the order in which they were
// asked for.
func (a Agenda) nextPass(now time.Time) (Task, bool) {
	retry, wait := a.retry(now, ofPasses)
	if wait <= 0 && a.passReads%2 == 0 {
		return retry, true
	}
	if t, ok := a.passGap(now); ok {
		return t, true
	}
	return retry, wait <= 0
}

func (a Agenda) passGap(now time.Time) (t Task, due bool) {
	for _, reason := range []Reason{Audit, Backfill} {
		for _, p := range a.Passes {
			if p.Reason != reason || !p.active() || a.waits(p) {
				continue
			}
			w, ok := a.left(p)
			if ok && w.Start.Before(a.settledUpTo(now)) { // else our clock was set back
				w.End = earlier(w.End, a.settledUpTo(now))
				w.End = earlier(w.End, w.Start.Add(max(time.Second, min(a.widthFor(reason, w.Start), 2*a.passWidth))))
				return Task{Window: a.narrowed(w, reason), Reason: reason, Pass: p.ID}, true
			}
		}
	}
	return Task{}, false
}

// noteRequests notes whose requests they were: passes are owed one in passShare.
func (a *Agenda) noteRequests(t Task, r Read) {
	switch {
	case t.Pass != 0:
		if a.passReads++; !t.Spare { // what was left over is nobody's
			a.passOwed = max(a.passOwed-float64(r.TotalRequests), -mostAhead)
		}
	case t.lane() != 0:
		a.passOwed = min(a.passOwed+float64(r.TotalRequests)/(passShare-1), mostOwed)
	}
}

// notePass notes what a read of a pass has covered.
func (a *Agenda) notePass(t Task, r Read, now time.Time) {
	if t.Pass == 0 {
		return
	}
	partial := r.Partial
	if r.Err != nil && a.partialAt(t.Window) {
		partial = cmp.Or(partial, Unanswered)
	}
	if !r.Proven && partial == "" {
		return
	}
	at, through := a.Clock.Earlier(now).UTC().Truncate(time.Second), t.End
	if r.Proven {
		a.passWidth, through = r.Len(), earlier(t.End, r.First.Add(-a.Settle).Truncate(time.Second))
	}
	a.changePass(t.Pass, func(p *Pass) {
		s := Stretch{Window: Window{t.Start, through}.Intersect(p.Window), ReadAt: at, Partial: partial}
		if s.Partial != "" {
			s.Since, s.Rows = at, max(r.Met, len(r.Rows))
		}
		p.Read = p.Read.Add(s).Compact(func(time.Time, time.Time) time.Duration { return ForEver })
	})
}

// countPass adds up what a part of a read has brought.
func (a *Agenda) countPass(t Task, b Batch) {
	if t.Pass == 0 {
		return
	}
	a.changePass(t.Pass, func(p *Pass) {
		p.Requests += b.Read.Requests
		p.Rows += len(b.Read.Rows)
		p.Published += len(b.Fresh)
		if len(b.Read.Rows) > 0 && (p.Oldest.IsZero() || b.Read.Start.Before(p.Oldest)) {
			p.Oldest = b.Read.Start
		}
	})
}

// end ends the pass. What fails of it is left to live polling, as far as that still reads there.
func (a *Agenda) end(id int64, at time.Time, cancelled bool) {
	a.changePass(id, func(p *Pass) { p.Ended, p.Cancelled = at, cancelled })
	failing := slices.Clone(a.Failing)
	for i := range failing {
		if failing[i].Pass == id {
			failing[i].Pass, failing[i].Reason = 0, Reread
		}
	}
	a.Failing = slices.DeleteFunc(failing, func(f Failing) bool { return f.Start.Before(a.Reach) && f.Pass == 0 })
	a.dropEnded()
}

// dropEnded forgets audits that have ended, and all but the last of the ended backfills.
func (a *Agenda) dropEnded() {
	ended := 0
	kept := slices.Clone(a.Passes)
	for i := len(kept) - 1; i >= 0; i-- {
		if kept[i].active() {
			continue
		}
		if kept[i].Reason == Backfill {
			ended++
		}
		if ended > mostEnded || kept[i].Reason == Audit {
			kept = slices.Delete(kept, i, i+1)
		}
	}
	a.Passes = kept
}

// restartPasses makes passes begin anew, since something else is asked for, or the memory was lost. What they have read may be forgotten
// by now.
func (l *Ledger) restartPasses() {
	l.Passes = slices.Clone(l.Passes)
	for i := range l.Passes {
		if l.Passes[i].active() {
			l.Passes[i].Read, l.Passes[i].Recalled = Coverage{}, false
		}
	}
}

// PassState is what is done with a pass.
type PassState string

// The states of a pass.
const (
	Recalling     PassState = "recalling" // what the topics hold of its range is read back, so that nothing is published twice
	Reading       PassState = "reading"
	Finished      PassState = "finished"
	PassCancelled PassState = "cancelled"
)

// PassStatus is a pass as others see it.
type PassStatus struct {
	ID     int64  `json:"id"`
	Reason Reason `json:"reason"`
	Window
	Republish   bool            `json:"republish"`
	State       PassState       `json:"state"`
	Asked       time.Time       `json:"asked"`
	By          string          `json:"by"`
	Ended       time.Time       `json:"ended,omitzero"`
	ReadThrough time.Time       `json:"readThrough"` // everything before it was read, or is partial
	Requests    int             `json:"requests"`
	Rows        int             `json:"rows"`
	Published   int             `json:"published"`
	Oldest      time.Time       `json:"oldest,omitzero"` // start of the earliest window that brought a row; omitted while none has
	Left        Seconds         `json:"left"`            // how long it will take, at the rate so far; zero while that is not known
	Failing     int             `json:"failing"`         // windows that are tried again
	Partial     []PartialWindow `json:"partial"`         // windows that could not be read whole
}

// Name returns what the pass is called: "backfill 3", or "audit".
func (s PassStatus) Name() string {
	if s.Reason == Audit {
		return string(s.Reason)
	}
	return fmt.Sprintf("%s %d", s.Reason, s.ID)
}

func (a Agenda) passStatus(p Pass, now time.Time) PassStatus {
	s := PassStatus{
		ID: p.ID, Reason: p.Reason, Window: p.Window, Republish: p.Republish, State: Reading, Asked: p.Asked, By: p.By, Ended: p.Ended,
		ReadThrough: a.frontier(p), Requests: p.Requests, Rows: p.Rows, Published: p.Published, Oldest: p.Oldest, Partial: append([]PartialWindow{}, p.Read.Partial()...),
	}
	switch {
	case p.Cancelled:
		s.State = PassCancelled
	case !p.active(), a.ended(p):
		s.State = Finished
	case a.waits(p):
		s.State = Recalling
	}
	for _, f := range a.Failing {
		if f.Pass == p.ID && !f.Partial {
			s.Failing++
		}
	}
	if done, took := s.ReadThrough.Sub(p.Start), now.Sub(p.Asked); s.State == Reading && done > 0 && took > 0 {
		s.Left = Seconds(math.Round(took.Seconds()*p.End.Sub(s.ReadThrough).Seconds()/done.Seconds())) * Seconds(time.Second)
	}
	return s
}
