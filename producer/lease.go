package producer

import (
	"context"
	"errors"
	"time"
)

// Lease is this process's part in the work on one account. Of all processes one holds the lease and works, one stands by.
//
// The lease keeps two workers from working against each other and from using the request budget twice. It is not what
// keeps records from being published twice: a worker that wrongly believes to hold it is fenced by the producer epoch of
// the other ([Producer.Acquire]).
//
// All methods may be called at any time.
type Lease struct {
	account string
	member  *Member

	// The fields below are guarded by the member's mutex.
	changed  chan struct{} // closed and replaced when part, tenure or holder change
	part     Part          // as assigned last
	tenure   *tenure       // nil: not held
	since    time.Time     // when the last tenure began
	busy     bool          // the tenure has ended, and who works has not finished
	holder   string        // name of who holds it, as last heard; "" = not known
	standby  string        // name of who stands by for it; "" = not known
	warm     bool
	report   bool // the leader waits until this process is warm
	yields   bool
	resigned int
	version  int // of what this process says of itself
}

// tenure is one time of holding the lease.
type tenure struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	taken bool // somebody works under it
}

// ErrLeaseLost is the cause of the end of a tenure: another worker holds the lease, or may.
var ErrLeaseLost = errors.New("the lease is another worker's")

// ErrLeaseMoved is the cause of the end of a tenure that another member is to have, once this one has finished.
var ErrLeaseMoved = errors.New("the lease moves to another worker")

// ErrResigned is the cause of the end of a tenure that was given up because the work could not be done here.
var ErrResigned = errors.New("the lease was given up: another worker may be able to do the work")

// Lease takes part in the work on the account, from the next rebalance on, until it is withdrawn. A second call for one account
// returns the same.
func (m *Member) Lease(account string) *Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.leases[account]
	if !ok {
		l = &Lease{account: account, member: m, changed: make(chan struct{})}
		m.leases[account] = l
		m.rejoin(together)
	}
	return l
}

// together is how long it is waited for more to be said in one rebalance.
const together = 200 * time.Millisecond

// Withdraw takes no part in the work on the account any more. Whoever worked must have finished.
func (l *Lease) Withdraw() {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	if l.member.leases[l.account] == l {
		l.endTenure(ErrLeaseLost)
		delete(l.member.leases, l.account)
		l.member.rejoin(together)
	}
}

// change does f and tells those who wait, if who holds the lease, or the part, has changed.
func (l *Lease) change(f func()) {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	l.tell(f)
}

// tell is change for a caller that has the mutex.
func (l *Lease) tell(f func()) {
	tenure, holder, part := l.tenure, l.holder, l.part
	if f(); l.tenure != tenure || l.holder != holder || l.part != part {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// claim is what is said of the lease when the group is joined.
func (l *Lease) claim() claim {
	c := claim{Busy: l.busy, Warm: l.warm, Yields: l.yields, Resigned: l.resigned}
	if !l.since.IsZero() {
		c.Held = l.since.UnixMilli()
	}
	if l.tenure != nil || l.busy {
		c.Since = c.Held
	}
	return c
}

// assign takes in what came of a rebalance. Where the process has changed its mind since it joined (it has yielded, or trusts),
// only that the lease is another's: that one is at work.
func (l *Lease) assign(a assigned, upToDate bool) {
	l.tell(func() {
		if !upToDate {
			if a.Part != HolderPart {
				l.endTenure(ErrLeaseLost)
			}
			return
		}
		l.part, l.holder, l.standby, l.yields, l.report = a.Part, a.Holder, a.Standby, a.Stranger, a.Report
		switch {
		case a.Part == ReleasePart && l.tenure == nil && !l.busy:
			l.say(0) // it has expired since this process said that it holds it, and nobody else will tell
		case a.Part == ReleasePart:
			l.giveUp(ErrLeaseMoved)
		case a.Part != HolderPart:
			l.endTenure(ErrLeaseLost)
			l.holder = a.Holder
		case l.tenure == nil && !l.busy:
			ctx, end := context.WithCancelCause(context.Background())
			l.since = time.Now()
			l.tenure = &tenure{ctx: ctx, end: end}
		}
		if l.report && l.warm {
			l.say(together)
		}
	})
}

// endTenure ends it for a reason that does not wait for who works under it.
func (l *Lease) endTenure(reason error) {
	l.tell(func() {
		if l.tenure != nil {
			l.tenure.end(reason)
			l.tenure, l.holder = nil, ""
		}
	})
}

// giveUp ends the tenure; the lease is given back when who works under it has finished.
func (l *Lease) giveUp(reason error) {
	if l.tenure == nil {
		return
	}
	l.busy = l.tenure.taken
	l.part = ReleasePart // until the next rebalance, whoever asked for it
	l.endTenure(reason)
	if !l.busy {
		l.say(0)
	}
}

// say has the group hear what has changed.
func (l *Lease) say(in time.Duration) {
	l.version++
	l.member.rejoin(in)
}

// Trust ends the yielding: the holder takes over, and has the group rebalance once more, so that the others trust in their turn.
func (l *Lease) Trust() {
	l.change(func() {
		if l.yields {
			l.yields = false
			l.say(0)
		}
	})
}

// Yield gives the lease up and stands behind all others: for a worker that was fenced. Whoever fenced it is at work, and
// if it is a member of the group, it will be assigned the account.
func (l *Lease) Yield() {
	l.change(func() {
		l.yields, l.part = true, NoPart
		l.endTenure(ErrLeaseLost)
		l.say(0)
	})
}

// Resign gives the lease up where the work cannot be done here, and stands behind those of the others who have not done so as
// often, until it is [Lease.Well].
func (l *Lease) Resign() {
	l.change(func() {
		l.resigned++
		if l.tenure == nil {
			l.say(0)
		}
		l.giveUp(ErrResigned)
	})
}

// Well says that the work can be done here.
func (l *Lease) Well() {
	l.change(func() { l.resigned = 0 })
}

// Warm says whether this process knows the account's state.
func (l *Lease) Warm(warm bool) {
	l.change(func() {
		if l.warm != warm {
			l.warm = warm
			if warm && l.report {
				l.say(together)
			}
		}
	})
}

// Tenure returns a context that ends when the lease that is held now is lost; nil while it is not held. Its cause is then
// ErrLeaseLost, or an *Error where the brokers did not confirm the lease within the timeout. changed is closed when the part
// changes, or when the lease is lost, held, or another's.
func (l *Lease) Tenure() (held context.Context, changed <-chan struct{}) {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	if l.tenure == nil {
		return nil, l.changed
	}
	return l.tenure.ctx, l.changed
}

// Take begins to work under the lease, as Tenure returned it; false if that has been lost. The lease does not move to another
// before Release.
func (l *Lease) Take(held context.Context) bool {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	if l.tenure == nil || l.tenure.ctx != held {
		return false
	}
	l.tenure.taken = true
	return true
}

// Release says that whoever worked under the lease has finished.
func (l *Lease) Release() {
	l.change(func() {
		if l.tenure != nil {
			l.tenure.taken = false
		}
		if l.busy {
			l.busy = false
			l.say(0)
		}
	})
}

// Confirmed reports whether the coordinator has confirmed the lease within the timeout. It is for what must not be done by two
// workers, and what no broker fences: a process that was stopped for a while still believes to hold what is another's.
func (l *Lease) Confirmed() bool {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	return l.tenure != nil && l.member.fresh()
}

// LeaseStatus is a Lease as it stands.
type LeaseStatus struct {
	Held bool
	// Part is what was assigned last.
	Part Part
	// Holder is the name of the process that holds it, Standby of the one that takes over, "" while that is not known, or was not
	// confirmed for too long.
	Holder, Standby string
	// Trouble is why the process could not take part in the last rebalance; nil when it has.
	Trouble error
	// Yielding: a worker that is not a member of the group fenced the one that held the lease. Who holds it now is not
	// to fence that worker in return.
	Yielding bool
	// Resigned is how often it was given up here since the work could last be done.
	Resigned int
}

// Status returns the lease as it stands.
func (l *Lease) Status() LeaseStatus {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	s := LeaseStatus{Held: l.tenure != nil, Part: l.part, Yielding: l.yields, Resigned: l.resigned, Trouble: l.member.problem()}
	if l.member.fresh() {
		s.Holder, s.Standby = l.holder, l.standby
	}
	return s
}

// Group returns the consumer group, and this process's name in it.
func (l *Lease) Group() (group, name string) { return l.member.Group, l.member.Name }

// Timeout is within which another takes over from a process that falls silent.
func (l *Lease) Timeout() time.Duration { return l.member.Timeout }
