package producer

import (
	"context"
	"errors"
	"time"
)

// Lease is this process's part in the work on one account. Of all processes one holds the lease and works, one stands by.
//
// The lease keeps two workers from fencing each other and from using the request budget twice. It is not what
// keeps records from being published twice: a worker that wrongly believes that it holds the lease is fenced by the producer
// epoch of the other ([Producer.Acquire]).
//
// All methods may be called at any time.
type Lease struct {
	account string
	member  *Member

	// The fields below are guarded by the member's mutex.
	changed    chan struct{} // closed and replaced when part, tenure or holder change
	part       Part          // as assigned last
	tenure     *tenure       // nil unless the lease is held
	since      time.Time     // when the last tenure began
	finishing  bool          // the tenure has ended, and the work under it has not
	holder     string        // name of the member that holds it, as last heard; "" = not known
	standby    string        // name of the member that stands by for it; "" = not known
	warm       bool
	reportWarm bool // the leader waits until this process is warm
	yields     bool
	resigned   int
	version    int // of the claim
}

// tenure is a period of holding the lease.
type tenure struct {
	ctx   context.Context
	end   context.CancelCauseFunc
	taken bool // work goes on under it
}

// ErrLeaseLost is the cause when a tenure ends because another worker holds the lease, or may.
var ErrLeaseLost = errors.New("the lease is another worker's")

// ErrLeaseMoved is the cause when a tenure ends because another member is to hold the lease, once the work here has finished.
var ErrLeaseMoved = errors.New("the lease moves to another worker")

// ErrResigned is the cause when a tenure ends because the work cannot be done here.
var ErrResigned = errors.New("the lease was given up: another worker may be able to do the work")

// Lease returns the lease of the account: from the next rebalance on this process can be assigned the account, until the lease is
// withdrawn. A second call for the same account returns the same Lease.
func (m *Member) Lease(account string) *Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.leases[account]
	if !ok {
		l = &Lease{account: account, member: m, changed: make(chan struct{})}
		m.leases[account] = l
		m.rejoin(rejoinDelay)
	}
	return l
}

// rejoinDelay is how long changes are collected for one rebalance.
const rejoinDelay = 200 * time.Millisecond

// Withdraw ends this process's part in the work on the account. The work under the lease must have finished.
func (l *Lease) Withdraw() {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	if l.member.leases[l.account] == l {
		l.endTenure(ErrLeaseLost)
		delete(l.member.leases, l.account)
		l.member.rejoin(rejoinDelay)
	}
}

// change calls f and closes the channel that Tenure returned, if f has changed the tenure, the holder or the part.
func (l *Lease) change(f func()) {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	l.changeLocked(f)
}

// changeLocked is change for callers that hold the mutex.
func (l *Lease) changeLocked(f func()) {
	tenure, holder, part := l.tenure, l.holder, l.part
	if f(); l.tenure != tenure || l.holder != holder || l.part != part {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// claim returns what is reported about the lease at a join.
func (l *Lease) claim() claim {
	c := claim{Finishing: l.finishing, Warm: l.warm, Yields: l.yields, Resigned: l.resigned}
	if !l.since.IsZero() {
		c.Held = l.since.UnixMilli()
	}
	if l.tenure != nil || l.finishing {
		c.Since = c.Held
	}
	return c
}

// assign applies the assignment of a rebalance. If the claim has changed since the join (upToDate is false), it applies only that the
// lease is another worker's, since that one works.
func (l *Lease) assign(a assigned, upToDate bool) {
	l.changeLocked(func() {
		if !upToDate {
			if a.Part != HolderPart {
				l.endTenure(ErrLeaseLost)
			}
			return
		}
		l.part, l.holder, l.standby, l.yields, l.reportWarm = a.Part, a.Holder, a.Standby, a.FencedByNonMember, a.ReportWarm
		switch {
		case a.Part == ReleasePart && l.tenure == nil && !l.finishing:
			l.announce(0) // it has expired since the join, where this process claimed it, and no other member knows
		case a.Part == ReleasePart:
			l.giveUp(ErrLeaseMoved)
		case a.Part != HolderPart:
			l.endTenure(ErrLeaseLost)
			l.holder = a.Holder
		case l.tenure == nil && !l.finishing:
			ctx, end := context.WithCancelCause(context.Background())
			l.since = time.Now()
			l.tenure = &tenure{ctx: ctx, end: end}
		}
		if l.reportWarm && l.warm {
			l.announce(rejoinDelay)
		}
	})
}

// endTenure ends the tenure, if there is one, without waiting for the work under it.
func (l *Lease) endTenure(reason error) {
	l.changeLocked(func() {
		if l.tenure != nil {
			l.tenure.end(reason)
			l.tenure, l.holder = nil, ""
		}
	})
}

// giveUp ends the tenure; other members hear that the lease is free when the work under it has finished.
func (l *Lease) giveUp(reason error) {
	if l.tenure == nil {
		return
	}
	l.finishing = l.tenure.taken
	l.part = ReleasePart // until the next rebalance, even if no rebalance asked for it
	l.endTenure(reason)
	if !l.finishing {
		l.announce(0)
	}
}

// announce makes the process join again after the delay, so that the group gets the new claim.
func (l *Lease) announce(in time.Duration) {
	l.version++
	l.member.rejoin(in)
}

// StopYielding ends the effect of Yield: the process takes over where it is the holder, and the group rebalances once more, so that
// the other members can stop yielding too.
func (l *Lease) StopYielding() {
	l.change(func() {
		if l.yields {
			l.yields = false
			l.announce(0)
		}
	})
}

// Yield gives the lease up and ranks this process behind all others: for a worker that was fenced. The worker that fenced it is at
// work, and if it is a member of the group, it is assigned the account.
func (l *Lease) Yield() {
	l.change(func() {
		l.yields, l.part = true, NoPart
		l.endTenure(ErrLeaseLost)
		l.announce(0)
	})
}

// Resign gives the lease up where the work cannot be done here, and ranks this process behind those that have resigned less often,
// until [Lease.ClearResigned].
func (l *Lease) Resign() {
	l.change(func() {
		l.resigned++
		if l.tenure == nil {
			l.announce(0)
		}
		l.giveUp(ErrResigned)
	})
}

// ClearResigned notes that the work can be done here.
func (l *Lease) ClearResigned() {
	l.change(func() { l.resigned = 0 })
}

// SetWarm notes whether this process knows the account's state.
func (l *Lease) SetWarm(warm bool) {
	l.change(func() {
		if l.warm != warm {
			l.warm = warm
			if warm && l.reportWarm {
				l.announce(rejoinDelay)
			}
		}
	})
}

// Tenure returns a context that ends when the lease that is held now is lost; nil if it is not held. Its cause is then
// ErrLeaseLost, ErrLeaseMoved, ErrResigned, or an *Error where the brokers did not confirm the lease within the timeout. changed is
// closed when the part or the holder changes, or when the lease is lost or held.
func (l *Lease) Tenure() (held context.Context, changed <-chan struct{}) {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	if l.tenure == nil {
		return nil, l.changed
	}
	return l.tenure.ctx, l.changed
}

// Take begins the work under a tenure; it reports false if that has ended. The lease does not move to another worker before Release.
func (l *Lease) Take(held context.Context) bool {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	if l.tenure == nil || l.tenure.ctx != held {
		return false
	}
	l.tenure.taken = true
	return true
}

// Release notes that the work under the lease has finished.
func (l *Lease) Release() {
	l.change(func() {
		if l.tenure != nil {
			l.tenure.taken = false
		}
		if l.finishing {
			l.finishing = false
			l.announce(0)
		}
	})
}

// Confirmed reports whether the lease is held and the coordinator has confirmed it within the timeout. It guards what two workers
// must not both do and no broker fences: a process that was stopped for a while still believes that it holds the lease.
func (l *Lease) Confirmed() bool {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	return l.tenure != nil && l.member.isConfirmed()
}

// LeaseStatus is the status of a Lease.
type LeaseStatus struct {
	Held bool
	// Part is what was assigned last.
	Part Part
	// Holder is the name of the member that holds it, Standby that of the one that takes over; "" if it is not known, or was not
	// confirmed within the timeout.
	Holder, Standby string
	// Trouble is why the process could not take part in the last rebalance; nil if it did.
	Trouble error
	// Yielding: a worker that is not a member of the group fenced the one that held the lease. The holder must not fence that
	// worker in return.
	Yielding bool
	// Resigned is how often this process has resigned since it could last do the work.
	Resigned int
}

// Status returns the status of the lease.
func (l *Lease) Status() LeaseStatus {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	s := LeaseStatus{Held: l.tenure != nil, Part: l.part, Yielding: l.yields, Resigned: l.resigned, Trouble: l.member.joinError()}
	if l.member.isConfirmed() {
		s.Holder, s.Standby = l.holder, l.standby
	}
	return s
}

// Group returns the consumer group, and this process's name in it.
func (l *Lease) Group() (group, name string) { return l.member.Group, l.member.Name }

// Timeout returns the time within which another process takes over from one that falls silent.
func (l *Lease) Timeout() time.Duration { return l.member.Timeout }
