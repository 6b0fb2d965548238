package poller

import "time"

// Event is something that readers of the progress topic may want to know beside the reads: it stands in the progress record of the
// commit that it happened with. It holds no personal data but the name that an operator gave.
type Event struct {
	Kind   EventKind
	Window Window // that it is about; empty if it is about none
	By     string // who asked for it; "" for nobody
	Detail string // more, in words; may be ""
}

// EventKind is what happened.
type EventKind string

// The kinds of events.
const (
	BackfillStarted   EventKind = "backfill.started"
	BackfillFinished  EventKind = "backfill.finished"
	BackfillCancelled EventKind = "backfill.cancelled"
	GapAccepted       EventKind = "gap.accepted"
	AssumptionChanged EventKind = "assumption.changed"
)

// addEvent makes an event part of the bundle, as a batch of its own that read nothing.
func (p *Poller) addEvent(e Event, now time.Time) {
	at := p.agenda.Clock.Earlier(now).UTC().Truncate(time.Second)
	p.addBatch(Batch{Read: Read{Window: Window{at, at}, At: at}, Reason: Note, Event: &e, Selection: p.agenda.Selection()}, true)
}
