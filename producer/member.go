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

// MemberConfig says which group a process joins.
type MemberConfig struct {
	Group   string        // consumer group, one for all accounts
	Topic   string        // what the group is subscribed to
	Name    string        // of this process, as the others and the operator see it
	Timeout time.Duration // within which another takes over from a process that falls silent; see silence
}

// leastSilence is the shortest session timeout that brokers take, group.min.session.timeout.ms, unless they are told to.
const leastSilence = 6 * time.Second

// silence is how long a process may be silent until it loses its leases, the session timeout of the group. The rest of the
// timeout is for the others to notice, to rebalance, and to take over; where brokers do not take so short a silence it is not.
func (c MemberConfig) silence() time.Duration {
	return max(c.Timeout*9/10, min(c.Timeout, leastSilence))
}

// Member is this process in the consumer group that spreads accounts over processes. The leader of the group decides who works on
// which account and who stands by for it (see place); the coordinator notices who is silent.
//
//	Run:  join -> rebalance -> heartbeat, heartbeat, ... -> join ...   until its context ends, then leave at once
//
// All methods but Run may be called at any time.
type Member struct {
	MemberConfig
	cluster *cluster
	started time.Time

	mu        sync.Mutex
	leases    map[string]*Lease // by account
	leaving   bool
	said      int           // how often something has changed of what this process says of itself
	again     chan struct{} // closed and replaced when it is time to join again
	later     *time.Timer   // closes it in a moment; nil when it is not to
	trouble   error         // why it could not join, last time; nil when it has
	current   time.Time     // when the last heartbeat went out whose answer knew of no newer generation
	confirmed time.Time     // when the last request went out whose answer confirmed the leases
	expiry    *time.Timer   // fires when the brokers have not confirmed them for too long
}

// OpenMember reaches for nothing yet: Run does.
func OpenMember(to Cluster, c MemberConfig) (*Member, error) {
	// A join is answered when all members have joined. Not all processes wait equally long, or their joins could hold each
	// other up in step: a coordinator may begin to wait anew with each.
	to = to.withDefaults()
	to.Timeout += 2*c.Timeout + rand.N(2*c.Timeout)
	if err := to.validate(); err != nil {
		return nil, fmt.Errorf("open member: %w", err)
	}
	return &Member{
		MemberConfig: c, cluster: connect(to, []string{c.Topic}), started: time.Now(), leases: map[string]*Lease{}, again: make(chan struct{}),
	}, nil
}

// beats is how many heartbeats there are within the longest silence: a handover is noticed with the next one.
const beats = 20

// Run takes part in the group until ctx ends; then it leaves, so that others take over at once, and returns nil. It tries again
// for ever while brokers are away; an *Error, of category denied or settings, says what somebody has to mend. All leases are lost
// when Run returns.
func (m *Member) Run(ctx context.Context) error {
	g := &group{cluster: m.cluster, id: m.Group, topic: m.Topic, silence: m.silence()}
	defer func() {
		m.lose() // first: another may hold them before the answer to the request is here
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.Timeout/4)
		defer cancel()
		_ = g.leave(ctx) // where it is not heard, the others wait for the timeout
	}()
	for ctx.Err() == nil {
		if err := m.generation(ctx, g); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// Close ends the connections. Run must have returned.
func (m *Member) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range []*time.Timer{m.later, m.expiry} {
		if t != nil {
			t.Stop()
		}
	}
	m.cluster.close()
}

// Leave says that this process is about to end: it is given no account from now on. What it holds it keeps until it is given back.
func (m *Member) Leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaving = true
}

// MemberStatus is a Member as it stands.
type MemberStatus struct {
	// Joined reports whether the coordinator has confirmed the membership within the timeout.
	Joined bool
	// Trouble is why the process could not take part in the last rebalance; nil when it has.
	Trouble error
}

// Status returns the membership as it stands.
func (m *Member) Status() MemberStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemberStatus{m.fresh(), m.problem()}
}

// problem is the trouble with what to do.
func (m *Member) problem() error {
	if m.trouble == nil {
		return nil
	}
	return failure("join", m.trouble)
}

func (m *Member) fresh() bool { return time.Since(m.confirmed) < m.silence() }

// generation joins, and beats until the membership changes. An error is final.
func (m *Member) generation(ctx context.Context, g *group) error {
	again := m.rejoining()
	stop := m.keep(ctx, g)
	err := m.cluster.attempts(ctx, "join group "+g.id, func(ctx context.Context) error {
		said, versions := m.candidate()
		members, err := g.join(ctx, said)
		var a assignment
		if err == nil {
			a, err = g.sync(ctx, members)
		}
		asked := time.Now()
		if err == nil { // what the answers say may be old by now: only a heartbeat confirms
			err = m.heartbeat(ctx, g)
		}
		if err != nil {
			return m.failed(g, err)
		}
		m.settle(a, versions, asked)
		return nil
	})
	stop()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(m.silence() / beats)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			return nil
		case <-ticker.C:
		}
		if !m.beat(ctx, g) || m.expired() {
			return nil // in the second case the leases have expired, and the brokers answer again
		}
	}
}

func (m *Member) heartbeat(ctx context.Context, g *group) error {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout/3)
	defer cancel()
	return g.heartbeat(ctx)
}

// beat sends one heartbeat; false means that it is time to join again.
func (m *Member) beat(ctx context.Context, g *group) bool {
	sent := time.Now()
	err := m.heartbeat(ctx, g)
	switch {
	case err == nil:
		m.confirm(sent)
		return true
	case errors.Is(err, kafka.RebalanceInProgress): // leases are kept until the new generation has its assignment
		m.prolong(sent)
		return false
	default: // what is no passing trouble of the brokers or the way to them, the next join will tell more of
		e := failure("heartbeat", m.failed(g, err))
		return e.retriable && e.Category != Excluded
	}
}

// keep sends heartbeats while a join waits for the other members, until stop. One of these may be dead, and then the join is
// answered when that one has been silent for too long: the leases would end as early as that.
func (m *Member) keep(ctx context.Context, g *group) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	member, generation := g.as()
	if member == "" {
		return cancel
	}
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(m.silence() / beats)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			sent := time.Now()
			err := m.heartbeat(ctx, g)
			if id, now := g.as(); id != member || now != generation {
				return // the join was answered: what has come since is of the next generation
			}
			m.heardWhileJoining(err, sent)
		}
	})
	return func() { cancel(); beating.Wait() }
}

// heardWhileJoining takes in what the coordinator said to a heartbeat of the generation that is about to end.
func (m *Member) heardWhileJoining(err error, sent time.Time) {
	switch {
	case err == nil:
		m.confirm(sent)
	case errors.Is(err, kafka.RebalanceInProgress):
		m.prolong(sent)
	case errors.Is(err, kafka.UnknownMemberId):
		m.lose() // the join, which may hang, will hear it too
	}
}

// failed looks for the answers by which the coordinator says that this process is no member any more: it may have been
// silent for longer than the timeout, and others may hold the leases.
func (m *Member) failed(g *group, err error) error {
	m.mu.Lock()
	m.trouble = err
	m.mu.Unlock()
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID) {
		g.becomes("", 0)
		m.lose()
	}
	return err
}

// candidate is what the process says of itself now, and the versions of the leases it says it of.
func (m *Member) candidate() (candidate, map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := candidate{Name: m.Name, Started: m.started.UnixMilli(), Said: m.said, Leaving: m.leaving, Accounts: map[string]claim{}}
	if m.later != nil && m.later.Stop() {
		m.later = nil // all of it is said now
	}
	versions := map[string]int{}
	for account, l := range m.leases {
		c.Accounts[account] = l.claim()
		versions[account] = l.version
	}
	return c, versions
}

// settle takes in an assignment. versions are those of what the process had said.
func (m *Member) settle(a assignment, versions map[string]int, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for account, l := range m.leases {
		if version, said := versions[account]; said {
			l.assign(a.Accounts[account], version == l.version)
		}
	}
	m.trouble, m.current = nil, later(m.current, asked)
	m.confirmedAt(asked)
}

func (m *Member) rejoining() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.again
}

// rejoin has the group assign anew, in a moment or at once: what more is to be said until then is said with it.
func (m *Member) rejoin(in time.Duration) {
	m.said++
	if m.later == nil {
		m.later = time.AfterFunc(in, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.later = nil
			close(m.again)
			m.again = make(chan struct{})
		})
	} else if in == 0 {
		m.later.Reset(0)
	}
}
