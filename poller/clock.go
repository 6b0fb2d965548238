package poller

import (
	"slices"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// Clock is the service's clock as it was in its last answer, beside ours.
type Clock struct {
	Ahead time.Duration // of the service's clock; negative if it is behind
	Known bool          // the last answer had a Date
}

const (
	// sameClock is how far two clocks may lie apart without a warning.
	sameClock = time.Minute

	// oneHead is how far they may lie apart for one window to reach from what has settled by one of them to the present of the
	// other. Beyond that the newest rows are looked for at both.
	oneHead = time.Hour
)

// noClock is the time before which a Date header is not that of a clock: it would make a first start read the whole history
// of the world.
var noClock = epoch

// observe returns what an answer says that took so long, came at received by our clock, and bears the date. A slow answer is
// no clock that is ahead, nor is our own that was set meanwhile, and the header leaves fractions of a second out.
func observe(took time.Duration, received, date time.Time) Clock {
	sent := received.Add(-took)
	switch {
	case date.IsZero():
		return Clock{}
	case date.Before(sent):
		return Clock{date.Sub(sent), true}
	case date.After(received):
		return Clock{date.Sub(received), true}
	}
	return Clock{Known: true}
}

// clockOf returns the service's clock by a page that came at received by our clock, and the instant, by the earlier of both, than
// which it is not older. Where our clock was set while the page was on its way, that instant is by what it says now; where the
// machine slept, by what it said before.
func clockOf(page smartassist.Page, received time.Time) (c Clock, at time.Time) {
	c = observe(page.Took, received, page.Date)
	return c, c.Earlier(earlier(page.Sent, received.Add(-page.Took)))
}

// Earlier returns the earlier of our clock and the service's, when ours says now: what has settled, what is due and what may be
// forgotten goes by it.
func (c Clock) Earlier(now time.Time) time.Time { return now.Add(min(0, c.Ahead)) }

// Later returns the later of the two: the newest rows bear the time of either.
func (c Clock) Later(now time.Time) time.Time { return now.Add(max(0, c.Ahead)) }

// stepped returns the same after ours was set by so much.
func (c Clock) stepped(by time.Duration) Clock {
	if c.Known {
		c.Ahead -= by
	}
	return c
}

// since returns how long ago the instant was; for ever if it lies ahead, since the clock has been set back then.
func since(at, now time.Time) time.Duration {
	if d := now.Sub(at); d >= -time.Second {
		return d
	}
	return ForEver
}

// setClock notes the service's clock. A first start begins by it, as soon as it is known.
func (a *Agenda) setClock(r Read, now time.Time) {
	if r.At.IsZero() {
		return
	}
	a.Clock = r.Clock
	if a.From.IsZero() {
		at := r.Clock.Earlier(earlier(a.started, now))
		if at.Before(noClock) {
			at = a.started
		}
		a.From = a.begin(at)
	}
}

// stepped returns the agenda after our clock was set by so much: what it says of the service's is still true, and so is how long ago
// something was.
func (a Agenda) stepped(by time.Duration) Agenda {
	a.Clock = a.Clock.stepped(by)
	a.headTried, a.headRead, a.started = moved(a.headTried, by), moved(a.headRead, by), moved(a.started, by)
	a.Failing = slices.Clone(a.Failing)
	for i := range a.Failing {
		a.Failing[i].Since, a.Failing[i].NotBefore = moved(a.Failing[i].Since, by), moved(a.Failing[i].NotBefore, by)
	}
	return a
}

// notAhead takes back what is known of a time that has not come: it was asked for while one of the clocks was ahead.
func (a *Agenda) notAhead(present time.Time) {
	if a.askedUpTo.After(present) {
		a.askedUpTo = present.Add(-a.Settle)
	}
	if !slices.ContainsFunc(a.Failing, func(f Failing) bool { return f.End.After(present) }) {
		return
	}
	var out []Failing
	for _, f := range a.Failing {
		if f.End = earlier(f.End, present); !f.Empty() {
			out = append(out, f)
		}
	}
	a.Failing = out
}

// logClock logs once that the clocks differ, and that they do no more.
func (p *Poller) logClock() {
	if p.clockSet { // or the machine slept, which looks like that: the next answer decides
		return
	}
	c := p.agenda.Clock
	apart := c.Known && c.Ahead.Abs() > sameClock
	if apart == p.clockLogged {
		return
	}
	if p.clockLogged = apart; !apart {
		p.cfg.Log.Info().Msg("service clock agrees again")
		return
	}
	p.cfg.Log.Warn().Stringer("behind", Seconds(-c.Ahead)).
		Str("hint", hintClock).Msg("service clock differs")
}

const hintClock = "look at the time synchronisation of this machine, and at a gateway before the service"

// steps notices when our clock is set while the process runs: its monotonic reading goes on then.
type steps struct{ wall, steady time.Time }

// step returns by how much our clock, which says now, was set since it was asked last; 0 if it was not.
func (s *steps) step(now time.Time) time.Duration {
	wall, steady := now.Round(0), time.Now()
	was := *s
	if *s = (steps{wall, steady}); was.wall.IsZero() {
		return 0
	}
	if by := wall.Sub(was.wall) - steady.Sub(was.steady); by.Abs() >= time.Second {
		return by
	}
	return 0
}

// moved returns the instant moved, if there is one.
func moved(t time.Time, by time.Duration) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(by)
}
