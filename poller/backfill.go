package poller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// RefusedError means that what an operator asked for cannot be done, and why.
type RefusedError struct {
	Kind   Refusal
	Reason string
}

// Error returns the reason.
func (e *RefusedError) Error() string { return e.Reason }

// Refused reports whether the error is a refusal, after which the Poller goes on.
func Refused(err error) bool {
	_, is := errors.AsType[*RefusedError](err)
	return is
}

// Refusal is why something that was asked for cannot be done.
type Refusal int

// The refusals.
const (
	Invalid  Refusal = iota // whatever the state, it is nothing that can be asked for
	Conflict                // not in the present state
	Unknown                 // there is no such thing
)

func refuse(kind Refusal, format string, args ...any) error {
	return &RefusedError{kind, fmt.Sprintf(format, args...)}
}

const (
	// LongestPass bounds what has to be remembered for a pass.
	LongestPass = 366 * 24 * time.Hour
	// mostActive is how many backfills may be under way.
	mostActive = 10
)

// checkRange returns why the window cannot be the range of a pass.
func (p *Poller) checkRange(w Window, now time.Time) error {
	settled := p.agenda.settledUpTo(now)
	switch {
	case p.agenda.From.IsZero():
		return refuse(Conflict, "the worker has not read the service yet: ask again in a minute")
	case w.Empty():
		return refuse(Invalid, "the range %v is empty: --to must be later than --from", w)
	case w.Len() > LongestPass:
		return refuse(Invalid, "the range is longer than %d days: ask for it in parts", int(LongestPass/(24*time.Hour)))
	case w.Start.Before(epoch): // which the memory does not know of, either
		return refuse(Invalid, "the range begins in the year %d: the service has nothing from before %d", w.Start.Year(), epoch.Year())
	case w.End.After(settled):
		return refuse(Invalid, "the range ends at %s, which has not settled: what is later than %s (now, less SETTLE %s) is read by live polling",
			w.End.Format(time.RFC3339), settled.Format(time.RFC3339), short(p.cfg.Settle))
	}
	return nil
}

// Backfill begins to read a past range beside live polling, and returns its pass. One of the same range that is under way is returned as it
// is: whoever did not get the answer may ask again. It is for the goroutine that runs the Poller, in an [Errand], as
// all of the methods that change something are. An error that is no [RefusedError] is the Sink's: then it is not known whether the
// backfill was begun.
func (p *Poller) Backfill(ctx context.Context, w Window, republish bool, by string) (PassStatus, error) {
	now := p.now()
	w = Span(w.Start, w.End)
	if err := p.checkRange(w, now); err != nil {
		return PassStatus{}, err
	}
	active := 0
	for _, other := range p.agenda.Passes {
		if other.Reason == Backfill && other.active() {
			active++
		}
		switch {
		case other.Reason != Backfill || !other.active() || other.Intersect(w).Empty():
		case other.Window == w && other.Republish == republish:
			return p.agenda.passStatus(other, now), nil
		default:
			return PassStatus{}, refuse(Conflict, "backfill %d, of %v, is under way and overlaps it: wait for its end, cancel it, or ask for the rest", other.ID, other.Window)
		}
	}
	if active >= mostActive {
		return PassStatus{}, refuse(Conflict, "%d backfills are under way: wait for the end of one, or cancel one ('convstream backfill list' has them)", active)
	}
	pass := p.addPass(Pass{Window: w, Reason: Backfill, Republish: republish, By: by}, now)
	p.addEvent(Event{Kind: BackfillStarted, Window: w, By: by, Detail: backfillDetail(pass, "")}, now)
	if err := p.commit(ctx); err != nil {
		return PassStatus{}, err
	}
	p.cfg.Log.Info().Int64("backfill", pass.ID).Stringer("range", w).Bool("republish", republish).Str("by", by).Msg("backfill accepted")
	return p.agenda.passStatus(pass, now), nil
}

func backfillDetail(p Pass, more string) string {
	text := fmt.Sprintf("backfill %d", p.ID)
	if p.Republish {
		text += ", republishing"
	}
	return text + more
}

// addPass adds the pass to the agenda, with the next ID of its kind.
func (p *Poller) addPass(pass Pass, now time.Time) Pass {
	a := &p.agenda
	if pass.Reason == Audit {
		p.audits++
		pass.ID = -p.audits
	} else {
		a.LastPass++
		pass.ID = a.LastPass
	}
	pass.Asked = now.UTC().Truncate(time.Second)
	a.Passes = append(a.Passes[:len(a.Passes):len(a.Passes)], pass)
	a.passWidth = firstGuess
	return pass
}

// StartAudit begins to read a past range beside live polling for one who compares it: what it read is committed in batches with the ID of the
// pass. It ends with the Poller, or with StopAudit.
func (p *Poller) StartAudit(_ context.Context, w Window) (id int64, err error) {
	now := p.now()
	w = Span(w.Start, w.End)
	if err := p.checkRange(w, now); err != nil {
		return 0, err
	}
	id = p.addPass(Pass{Window: w, Reason: Audit}, now).ID
	p.publishStatus(now)
	return id, nil
}

// StopAudit ends an audit.
func (p *Poller) StopAudit(_ context.Context, id int64) error {
	if i := p.agenda.passAt(id); i < 0 || p.agenda.Passes[i].Reason != Audit {
		return refuse(Unknown, "there is no audit %d", id)
	}
	now := p.now()
	p.stop(id, now)
	p.publishStatus(now)
	return nil
}

// Cancel cancels a backfill; by says who asked for that. What has been published stays.
func (p *Poller) Cancel(ctx context.Context, id int64, by string) error {
	i := p.agenda.passAt(id)
	if i < 0 || p.agenda.Passes[i].Reason != Backfill {
		return refuse(Unknown, "there is no backfill %d: 'convstream backfill list' has all", id)
	}
	pass, now := p.agenda.Passes[i], p.now()
	if !pass.active() {
		return refuse(Conflict, "backfill %d has ended already, at %s", id, pass.Ended.Format(time.RFC3339))
	}
	p.stop(id, now)
	p.addEvent(Event{Kind: BackfillCancelled, Window: pass.Window, By: by, Detail: backfillDetail(pass, p.agenda.brought(pass))}, now)
	if err := p.commit(ctx); err != nil {
		return err
	}
	p.cfg.Log.Info().Int64("backfill", id).Str("by", by).Msg("backfill cancelled")
	return nil
}

// stop ends a pass, and what is being read of it.
func (p *Poller) stop(id int64, now time.Time) {
	if r := p.lanes[1]; r != nil && r.task.Pass == id {
		p.bundlePart(r)
		p.freeLane(r)
	}
	p.agenda.end(id, now.UTC().Truncate(time.Second), true)
}

// endBackfills ends those of which nothing is left to be read.
func (p *Poller) endBackfills(now time.Time) {
	for _, pass := range p.agenda.Passes {
		if pass.Reason != Backfill || !pass.active() || !p.agenda.ended(pass) {
			continue
		}
		if r := p.lanes[1]; r != nil && r.task.Pass == pass.ID { // what is under way is a retry of what is partial
			continue
		}
		text := p.agenda.brought(pass)
		p.agenda.end(pass.ID, now.UTC().Truncate(time.Second), false)
		p.addEvent(Event{Kind: BackfillFinished, Window: pass.Window, By: pass.By, Detail: backfillDetail(pass, text)}, now)
		p.cfg.Log.Info().Int64("backfill", pass.ID).Stringer("range", pass.Window).Int("rows", pass.Rows).Int("published", pass.Published).
			Int("requests", pass.Requests).Int("partial", len(pass.Read.Partial())).Time("oldest", pass.Oldest).Msg("backfill finished")
	}
}

// longEmpty is how long the beginning of a range must be without a row for that to be said.
const longEmpty = 24 * time.Hour

// brought returns in words what the pass has brought.
func (a Agenda) brought(p Pass) string {
	text := fmt.Sprintf(": %d rows with %d requests, %d revisions published", p.Rows, p.Requests, p.Published)
	if n := len(p.Read.Partial()); n > 0 {
		text += fmt.Sprintf(", %d windows could not be read whole", n)
	}
	switch {
	case p.Requests == 0:
		text += ": all of it was covered before"
	case p.Rows == 0 && p.Read.Covers(p.Window): // else some of it was covered before, or could not be read
		text += ": the service shows no row there"
	case p.Oldest.Sub(p.Start) > longEmpty && p.Read.Covers(Window{p.Start, p.Oldest}):
		text += fmt.Sprintf("; the service shows no row before %s", p.Oldest.Format(time.RFC3339))
	}
	return text
}

// Restore publishes the contents once more, as the next revision each, of which the memory says that they are published and the newest of
// their conversation: the topics have lost them. It returns how many that are.
func (p *Poller) Restore(ctx context.Context, rows []smartassist.Row) (published int, err error) {
	now := p.now()
	if err := p.commit(ctx); err != nil {
		return 0, err
	}
	j := judge{Draft: p.pending.draft, Deduplication: p.deduplication(Task{}), now: now}
	var read []smartassist.Row
	for _, row := range rows {
		if row.Err != nil {
			continue
		}
		print := row.Fingerprint(j.Ignore)
		if at := j.place(row); j.published(at, row, print) && j.refuses(row, print) == nil {
			j.republish(at, row, print)
			read = append(read, row)
		}
	}
	if len(read) == 0 {
		return 0, nil
	}
	at := p.agenda.Clock.Earlier(now).UTC().Truncate(time.Second)
	p.addBatch(Batch{Read: Read{Window: Window{at, at}, Rows: read, At: at}, Reason: Restored, Fresh: j.Fresh, Selection: p.agenda.Selection()}, true)
	return len(read), p.commit(ctx)
}

// Acceptance is a partial window that an operator accepted.
type Acceptance struct {
	Window
	Cause Cause     `json:"reason"` // why it could not be read whole
	Rows  int       `json:"rows"`   // that came of it
	At    time.Time `json:"at"`
	By    string    `json:"by"` // who asked for it, as they said
}

// mostAccepted is how many acceptances are remembered; all are in the progress topic.
const mostAccepted = 50

// AcceptGap accepts the partial windows that lie in the window: completeThrough passes them. They are still read again as long as live
// polling does.
func (p *Poller) AcceptGap(ctx context.Context, w Window, by string) ([]Acceptance, error) {
	now := p.now()
	coverage, windows := p.agenda.Coverage.Accept(w)
	if len(windows) == 0 {
		return nil, p.noGap(w)
	}
	at := p.agenda.Clock.Earlier(now).UTC().Truncate(time.Second)
	p.agenda.Coverage = coverage
	var accepted []Acceptance
	for _, gap := range windows {
		accepted = append(accepted, Acceptance{gap.Window, gap.Cause, gap.Rows, at, by})
	}
	all := append(p.agenda.Accepted[:len(p.agenda.Accepted):len(p.agenda.Accepted)], accepted...)
	p.agenda.Accepted = all[max(0, len(all)-mostAccepted):]
	for _, gap := range accepted {
		p.addEvent(Event{Kind: GapAccepted, Window: gap.Window, By: by, Detail: fmt.Sprintf("%s; %d rows came", gap.Cause.Explain(), gap.Rows)}, now)
	}
	if err := p.commit(ctx); err != nil {
		return nil, err
	}
	for _, gap := range accepted {
		p.cfg.Log.Warn().Stringer("window", gap.Window).Str("cause", string(gap.Cause)).Str("by", by).Msg("gap accepted")
	}
	return accepted, nil
}

// noGap returns why there is nothing to accept in the window.
func (p *Poller) noGap(w Window) error {
	for _, gap := range p.agenda.Coverage.Partial() {
		switch inside := !gap.Start.Before(w.Start) && !gap.End.After(w.End); {
		case gap.Accepted && inside:
			return refuse(Conflict, "%v was accepted already", gap.Window)
		case !gap.Accepted && !gap.Intersect(w).Empty():
			return refuse(Invalid, "the gap there is %v: accept that, as 'convstream gaps list' shows it", gap.Window)
		}
	}
	for _, f := range p.agenda.Failing {
		if !f.Intersect(w).Empty() {
			return refuse(Conflict, "%v fails since %s and is tried again: it is no gap yet, ask again in some minutes", f.Window, f.Since.UTC().Format(time.RFC3339))
		}
	}
	return refuse(Unknown, "there is no gap in %v: 'convstream gaps list' has all", w)
}
