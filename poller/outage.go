package poller

import (
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

const longestBackoff = time.Minute

// outage is a time in which the service answers nothing. It is logged on the way in and on the way out. A window that fails
// while others are read is not one.
type outage struct {
	failures   int // in a row
	first      time.Time
	until      time.Time // no request is made before
	began      time.Time // zero while there is no outage
	category   string
	text, hint string // of the last failure
	attempts   int
}

// So many failures in a row, for so long, are an outage: the newest rows were asked for in between.
const (
	outageFrom  = tries + 2
	outageAfter = 25 * time.Second
)

// failed notes a request that failed.
func (o *outage) failed(p *Poller, t Task, err error, now time.Time) {
	if o.failures == 0 {
		o.first = now
	}
	o.failures++
	category, hint := explain(err)
	o.text, o.hint = err.Error(), hint
	all := everywhere(err) && category != smartassist.CategoryThrottled || p.agenda.reads == 0
	if !all && (o.failures < outageFrom || since(o.first, now) < outageAfter) {
		return
	}
	o.until = now.Add(min(longestBackoff, max(time.Second, since(o.first, now)/4))) // a quarter of what it lasts is added to it at most
	o.attempts = o.failures
	if o.began.IsZero() {
		o.began = o.first
	}
	if o.category != category {
		o.category = category
		p.cfg.Log.Warn().Err(err).Str("category", category).Str("hint", hint).Str("reason", string(t.Reason)).
			Stringer("window", t.Window).Msg("service cannot be read; retrying")
	}
	p.publishStatus(now)
}

// answered notes a request that was answered.
func (o *outage) answered(p *Poller, now time.Time) {
	was := *o
	if *o = (outage{}); was.began.IsZero() {
		return
	}
	p.cfg.Log.Info().Dur("after", since(was.first, now)).Int("attempts", was.attempts).Msg("service can be read again")
	p.publishStatus(now)
}

// stepped keeps the outage where it is after our clock was set by so much.
func (o *outage) stepped(by time.Duration) {
	o.first, o.until, o.began = moved(o.first, by), moved(o.until, by), moved(o.began, by)
}

func (o *outage) wait(now time.Time) time.Duration { return waitUntil(o.until, now, longestBackoff) }

// noRows is a time in which there are no new rows: an account that has none looks as healthy as one that is asked for with the wrong
// settings.
type noRows struct{ logged bool }

// noRowsAfter is how long there may be no new rows, where there were some, until that is logged.
const noRowsAfter = 24 * time.Hour

// log logs once that there are no rows, and that there are some again.
func (n *noRows) log(p *Poller, at time.Time) {
	l := p.agenda.Ledger
	if n.logged == l.withoutRows(at, p.cfg.Settle) {
		return
	}
	if n.logged = !n.logged; !n.logged {
		p.cfg.Log.Info().Msg("new conversations again")
		return
	}
	line := p.cfg.Log.Warn().Time("from", l.From)
	if !l.LastRow.IsZero() {
		line = line.Time("last_row", l.LastRow)
	}
	line.Str("hint", "if there should be some, look at SMARTASSIST_ACCOUNT_ID, SMARTASSIST_STREAM_ID, SMARTASSIST_CHANNELS and SMARTASSIST_QUEUES").
		Msg("no new conversations")
}

// withoutRows reports whether no row has come for too long; where none ever has, as soon as all was read that was to be.
func (l *Ledger) withoutRows(at time.Time, settle time.Duration) bool {
	if l.LastRow.IsZero() {
		return !l.From.IsZero() && at.Sub(l.From) >= time.Hour && !l.Coverage.Through(l.From).Before(at.Add(-settle-time.Hour/2))
	}
	return at.Sub(l.LastRow) >= noRowsAfter
}
