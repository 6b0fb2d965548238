package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// LeaseConfig says what is elected, and among whom.
type LeaseConfig struct {
	Group   string        // consumer group, one for each account
	Topic   string        // a topic of one partition; who is assigned it holds the lease
	Name    string        // of this worker, as the others and the operator see it
	Timeout time.Duration // within which another takes over from a worker that falls silent; see silence
}

// leastSilence is the shortest session timeout that brokers take, group.min.session.timeout.ms, unless they are told to.
const leastSilence = 6 * time.Second

// silence is how long a worker may be silent until it loses the lease, the session timeout of the group. The rest of the
// timeout is for the others to notice, to elect, and to take over; where brokers do not take so short a silence it is not.
func (c LeaseConfig) silence() time.Duration {
	return max(c.Timeout*9/10, min(c.Timeout, leastSilence))
}

// Lease is a worker's part in the election of the one that works; the others stand by. The members of a consumer group
// elect; the coordinator notices who is silent.
//
// The lease keeps two workers from working against each other and from using the request budget twice. It is not what
// keeps records from being published twice: a worker that wrongly believes to hold it is fenced by the producer epoch of
// the other ([Producer.Acquire]).
//
//	Run:  join -> elect -> heartbeat, heartbeat, ... -> join ...   until its context ends, then leave at once
//
// All methods but Run may be called at any time.
type Lease struct {
	LeaseConfig
	cluster *cluster
	started time.Time

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced when tenure or holder change
	kicked    chan struct{} // closed and replaced when it is time to join again
	tenure    *tenure       // nil: not held
	holder    string        // name of who holds it, as last heard; "" = not known
	yields    bool
	trouble   error     // why it could not join, last time; nil when it has
	confirmed time.Time // when the last request went out whose answer confirmed the tenure
}

// tenure is one time of holding the lease.
type tenure struct {
	ctx    context.Context
	end    context.CancelCauseFunc
	since  time.Time
	expiry *time.Timer // fires when the brokers have not confirmed it for too long
}

// LeaseStatus is a Lease as it stands.
type LeaseStatus struct {
	Held bool
	// Holder is the name of the worker that holds it, "" while that is not known.
	Holder string
	// Trouble is why the worker could not take part in the last election; nil when it has.
	Trouble error
	// Yielding: a worker that takes no part in the election fenced the one that held the lease. Whoever holds it now is not
	// to fence that worker in return.
	Yielding bool
}

// ErrLeaseLost is the cause of the end of a tenure: another worker holds the lease, or may.
var ErrLeaseLost = errors.New("the lease is another worker's")

// errUnconfirmed is the other cause.
var errUnconfirmed = errors.New("the brokers did not confirm the lease in time")

// OpenLease reaches for nothing yet: Run does.
func OpenLease(cfg Config, l LeaseConfig) (*Lease, error) {
	// A join is answered when all members have joined.
	cfg = cfg.withDefaults()
	cfg.Timeout += l.Timeout
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("open lease: %w", err)
	}
	return &Lease{
		LeaseConfig: l, cluster: connect(cfg, []string{l.Topic}), started: time.Now(),
		changed: make(chan struct{}), kicked: make(chan struct{}),
	}, nil
}

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

// settle takes in the outcome of an election.
func (l *Lease) settle(o outcome, asked time.Time) {
	l.change(func() {
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
		l.holder, l.trouble = o.Holder, nil
	})
	l.confirm(asked)
}

// confirm notes that the coordinator has answered a request that went out then: until a silence later, it takes nobody for
// the holder but this worker.
func (l *Lease) confirm(asked time.Time) {
	l.change(func() {
		if asked.After(l.confirmed) {
			l.confirmed = asked
		}
		if l.tenure != nil {
			l.tenure.expiry.Reset(l.silence() - time.Since(l.confirmed))
		}
	})
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
	s := LeaseStatus{Held: l.tenure != nil, Holder: l.holder, Yielding: l.yields}
	if l.trouble != nil {
		s.Trouble = failure("join", l.trouble) // with what to do
	}
	return s
}
