package producer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
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
	current   time.Time // when the last heartbeat went out whose answer knew of no newer generation
	confirmed time.Time // when the last request went out whose answer confirmed the tenure
}

// LeaseStatus is a Lease as it stands.
type LeaseStatus struct {
	Held bool
	// Holder is the name of the worker that holds it, "" while that is not known, or was not confirmed for too long.
	Holder string
	// Trouble is why the worker could not take part in the last election; nil when it has.
	Trouble error
	// Yielding: a worker that takes no part in the election fenced the one that held the lease. Whoever holds it now is not
	// to fence that worker in return.
	Yielding bool
}

// OpenLease reaches for nothing yet: Run does.
func OpenLease(to Cluster, l LeaseConfig) (*Lease, error) {
	// A join is answered when all members have joined. Not all workers wait equally long, or their joins could hold each
	// other up in step: a coordinator may begin to wait anew with each.
	to = to.withDefaults()
	to.Timeout += 2*l.Timeout + rand.N(2*l.Timeout)
	if err := to.validate(); err != nil {
		return nil, fmt.Errorf("open lease: %w", err)
	}
	return &Lease{
		LeaseConfig: l, cluster: connect(to, []string{l.Topic}), started: time.Now(),
		changed: make(chan struct{}), kicked: make(chan struct{}),
	}, nil
}

// beats is how many heartbeats there are within the longest silence: a handover is noticed with the next one.
const beats = 20

// Run takes part in the election until ctx ends; then it leaves, so that another takes over at once, and returns nil.
// It tries again for ever while brokers are away; an *Error, of category denied or settings, says what somebody has to
// mend. The lease is lost when Run returns.
func (l *Lease) Run(ctx context.Context) error {
	g := &group{cluster: l.cluster, id: l.Group, topic: l.Topic, silence: l.silence()}
	defer func() {
		l.lose() // first: another may hold it before the answer to the request is here
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Timeout/4)
		defer cancel()
		_ = g.leave(ctx) // where it is not heard, the others wait for the timeout
	}()
	for ctx.Err() == nil {
		if err := l.generation(ctx, g); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// Close ends the connections. Run must have returned.
func (l *Lease) Close() { l.cluster.close() }

// generation joins, and beats until the membership changes. An error is final.
func (l *Lease) generation(ctx context.Context, g *group) error {
	kicked := l.kick()
	stop := l.keep(ctx, g)
	var o outcome
	err := l.cluster.attempts(ctx, "join lease group "+g.id, func(ctx context.Context) error {
		members, err := g.join(ctx, l.candidate())
		if err == nil {
			o, err = g.sync(ctx, members)
		}
		asked := time.Now()
		if err == nil { // what the answers say may be old by now: only a heartbeat confirms
			err = l.heartbeat(ctx, g)
		}
		if err != nil {
			return l.failed(g, err)
		}
		l.settle(o, asked, kicked)
		return nil
	})
	stop()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(l.silence() / beats)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-kicked:
			if l.Status().Yielding {
				_ = g.leave(ctx)
			}
			return nil
		case <-ticker.C:
		}
		if !l.beat(ctx, g) || o.elected && !l.Status().Held {
			return nil // in the second case the tenure has expired, and the brokers answer again
		}
	}
}

func (l *Lease) heartbeat(ctx context.Context, g *group) error {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout/3)
	defer cancel()
	return g.heartbeat(ctx)
}

// beat sends one heartbeat; false means that it is time to join again.
func (l *Lease) beat(ctx context.Context, g *group) bool {
	sent := time.Now()
	err := l.heartbeat(ctx, g)
	switch {
	case err == nil:
		l.confirm(sent)
		return true
	case errors.Is(err, kafka.RebalanceInProgress): // the tenure lasts until the new generation has elected
		l.prolong(sent)
		return false
	default: // what is no passing trouble of the brokers or the way to them, the next join will tell more of
		e := failure("heartbeat", l.failed(g, err))
		return e.retriable && e.Category != Excluded
	}
}

// keep sends heartbeats while a join waits for the other members, until stop. One of these may be dead, and then the join is
// answered when that one has been silent for too long: the holder's own tenure would end as early as that.
func (l *Lease) keep(ctx context.Context, g *group) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	member, generation := g.as()
	if member == "" {
		return cancel
	}
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(l.silence() / beats)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			sent := time.Now()
			err := l.heartbeat(ctx, g)
			if m, now := g.as(); m != member || now != generation {
				return // the join was answered: what has come since is of the next generation
			}
			l.murmured(err, sent)
		}
	})
	return func() { cancel(); beating.Wait() }
}

// murmured takes in what the coordinator said to a heartbeat of the generation that is about to end.
func (l *Lease) murmured(err error, sent time.Time) {
	switch {
	case err == nil:
		l.confirm(sent)
	case errors.Is(err, kafka.RebalanceInProgress):
		l.prolong(sent)
	case errors.Is(err, kafka.UnknownMemberId), errors.Is(err, kafka.IllegalGeneration):
		l.lose() // the join, which may hang, will hear it too
	}
}

// failed looks for the answers by which the coordinator says that this worker is no member any more: it may have been
// silent for longer than the timeout, and another may hold the lease.
func (l *Lease) failed(g *group, err error) error {
	l.change(func() { l.trouble = err })
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID) {
		g.becomes("", 0)
		l.lose()
	}
	return err
}
