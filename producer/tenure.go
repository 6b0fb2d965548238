package producer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// tenure is one time of holding the lease.
type tenure struct {
	ctx    context.Context
	end    context.CancelCauseFunc
	since  time.Time
	expiry *time.Timer // fires when the brokers have not confirmed it for too long
}

// ErrLeaseLost is the cause of the end of a tenure: another worker holds the lease, or may.
var ErrLeaseLost = errors.New("the lease is another worker's")

// errUnconfirmed is the other cause.
var errUnconfirmed = errors.New("the brokers did not confirm the lease in time")

func (l *Lease) candidate() candidate {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := candidate{Name: l.Name, Started: l.started.UnixMilli(), Yields: l.yields}
	if l.tenure != nil {
		c.Since = l.tenure.since.UnixMilli()
	}
	return c
}

// change does f and tells those who wait, if who holds the lease has changed.
func (l *Lease) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tenure, holder := l.tenure, l.holder
	if f(); l.tenure != tenure || l.holder != holder {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// settle takes in the outcome of an election. Of one that the worker stood for before it changed its mind (it has yielded
// since, or trusts) only that another was elected: that one is at work.
func (l *Lease) settle(o outcome, asked time.Time, kicked <-chan struct{}) {
	l.change(func() {
		if l.kicked != kicked {
			if !o.elected {
				l.endTenure(ErrLeaseLost)
			}
			return
		}
		switch {
		case o.elected && l.tenure == nil:
			ctx, end := context.WithCancelCause(context.Background())
			t := &tenure{ctx: ctx, end: end, since: time.Now()}
			t.expiry = time.AfterFunc(l.silence(), func() { l.expire(t) })
			l.tenure = t
		case !o.elected:
			l.endTenure(ErrLeaseLost)
		}
		l.yields = o.Stranger
		l.holder = o.Holder
	})
	l.confirm(asked)
}

// confirm notes that the coordinator has answered a heartbeat that went out then, and knows of no election since this
// worker's generation: until a silence later, it drops no member that has been heard.
func (l *Lease) confirm(asked time.Time) {
	l.change(func() {
		l.trouble, l.current = nil, later(l.current, asked)
		l.confirmedAt(asked)
	})
}

// prolong notes that the coordinator has answered a heartbeat that went out then, and was about to elect: nobody else was
// elected until then. A member whose join does not arrive it drops a silence and the grace after it began to wait for joins,
// and that was after the last heartbeat that confirmed.
func (l *Lease) prolong(asked time.Time) {
	l.change(func() {
		if asked.Sub(l.current) <= grace(l.silence()) {
			l.confirmedAt(asked)
		}
	})
}

func (l *Lease) confirmedAt(asked time.Time) {
	l.confirmed = later(l.confirmed, asked)
	if l.tenure != nil {
		l.tenure.expiry.Reset(l.silence() - time.Since(l.confirmed))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (l *Lease) expire(t *tenure) {
	l.change(func() {
		if l.tenure == t && time.Since(l.confirmed) >= l.silence() {
			l.endTenure(l.unconfirmed())
		}
	})
}

func (l *Lease) unconfirmed() error {
	if l.trouble == nil {
		return &Error{Op: "hold the lease of group " + l.Group, Category: Timeout, Err: errUnconfirmed, Hint: hintBrokers}
	}
	e := failure("hold the lease of group "+l.Group, l.trouble)
	return &Error{Op: e.Op, Category: e.Category, Err: fmt.Errorf("%w: %w", errUnconfirmed, e.Err), Hint: e.Hint}
}

func (l *Lease) lose() { l.change(func() { l.endTenure(ErrLeaseLost) }) }

func (l *Lease) endTenure(why error) {
	if l.tenure != nil {
		l.tenure.expiry.Stop()
		l.tenure.end(why)
		l.tenure, l.holder = nil, ""
	}
}

func (l *Lease) kick() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kicked
}

// Trust ends the yielding: the holder takes over, and has the others elect it once more, so that they trust in their turn.
func (l *Lease) Trust() {
	l.change(func() {
		if l.yields {
			l.yields = false
			l.rejoin()
		}
	})
}

// Yield gives the lease up and stands behind all others: for a worker that was fenced. Whoever fenced it is at work, and
// if it is a member of the group, it will be elected.
func (l *Lease) Yield() {
	l.change(func() {
		l.yields = true
		l.endTenure(ErrLeaseLost)
		l.rejoin()
	})
}

func (l *Lease) rejoin() {
	close(l.kicked)
	l.kicked = make(chan struct{})
}

// Tenure gives a context that ends when the lease that is held now is lost; nil while it is not held. Its cause is then
// ErrLeaseLost, or an *Error where the brokers did not confirm the lease within the timeout. changed is closed when the
// lease is lost, held, or another's.
func (l *Lease) Tenure() (held context.Context, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenure == nil {
		return nil, l.changed
	}
	return l.tenure.ctx, l.changed
}

// Confirmed tells whether the coordinator has confirmed the lease within the timeout. It is for what must not be done by two
// workers, and what no broker fences: a process that was stopped for a while still believes to hold what is another's.
func (l *Lease) Confirmed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tenure != nil && time.Since(l.confirmed) < l.silence()
}

// Status gives the lease as it stands.
func (l *Lease) Status() LeaseStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := LeaseStatus{Held: l.tenure != nil, Yielding: l.yields}
	if time.Since(l.confirmed) < l.silence() {
		s.Holder = l.holder
	}
	if l.trouble != nil {
		s.Trouble = failure("join", l.trouble) // with what to do
	}
	return s
}
