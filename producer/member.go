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

// MemberConfig configures a Member.
type MemberConfig struct {
	Group   string        // consumer group, one for all accounts
	Topic   string        // what the group is subscribed to
	Name    string        // of this process, as the others and the operator see it
	Timeout time.Duration // within which another process takes over from one that falls silent; see sessionTimeout
}

// minSessionTimeout is the shortest session timeout that brokers allow by default, group.min.session.timeout.ms.
const minSessionTimeout = 6 * time.Second

// sessionTimeout returns the session timeout of the group: how long a process may be silent until it loses its leases. The rest of
// Timeout is for the others to notice, to rebalance, and to take over, unless the session timeout would then be too short for the brokers.
func (c MemberConfig) sessionTimeout() time.Duration {
	return max(c.Timeout*9/10, min(c.Timeout, minSessionTimeout))
}

// Member is this process in the consumer group that spreads accounts over processes. The leader of the group decides which member works
// on which account and which stands by for it (see place); the coordinator notices members that fall silent.
//
//	Run:  join -> rebalance -> heartbeat, heartbeat, ... -> join ...   until its context ends, then leave at once
//
// All methods but Run may be called at any time.
type Member struct {
	MemberConfig
	cluster *cluster
	started time.Time

	mu           sync.Mutex
	leases       map[string]*Lease // by account
	draining     bool
	version      int           // counts the changes of what this process reports of itself
	rejoinSignal chan struct{} // closed and replaced when it is time to join again
	rejoinTimer  *time.Timer   // closes rejoinSignal; nil if nothing has changed
	joinErr      error         // of the last attempt to join; nil if that succeeded
	currentAt    time.Time     // when the last heartbeat was sent whose answer announced no rebalance
	confirmedAt  time.Time     // when the last request was sent whose answer confirmed the leases
	expiryTimer  *time.Timer   // fires when the brokers have not confirmed the leases within the session timeout
}

// OpenMember returns a Member, which the caller must Close. It opens no connection: Run does.
func OpenMember(to Cluster, c MemberConfig) (*Member, error) {
	// A join is answered when all members have joined. The timeouts differ between processes, or their joins could hold each other
	// up again and again: a coordinator may begin to wait anew with each.
	to = to.withDefaults()
	to.Timeout += 2*c.Timeout + rand.N(2*c.Timeout)
	if err := to.validate(); err != nil {
		return nil, fmt.Errorf("open member: %w", err)
	}
	return &Member{
		MemberConfig: c, cluster: connect(to, []string{c.Topic}), started: time.Now(), leases: map[string]*Lease{}, rejoinSignal: make(chan struct{}),
	}, nil
}

// heartbeatsPerTimeout is the number of heartbeats within the session timeout. A member notices a rebalance with the next one.
const heartbeatsPerTimeout = 20

// Run takes part in the group until ctx ends; then it leaves, so that others take over at once, and returns nil. It retries for ever
// while brokers are unavailable; an *Error, of category denied or settings, says what somebody has to correct. All leases are lost
// when Run returns.
func (m *Member) Run(ctx context.Context) error {
	g := &group{cluster: m.cluster, id: m.Group, topic: m.Topic, sessionTimeout: m.sessionTimeout()}
	defer func() {
		m.loseLeases(ErrLeaseLost) // first: another process may hold them before the answer to the request arrives
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.Timeout/4)
		defer cancel()
		_ = g.leave(ctx) // if it is lost, the others wait for the session timeout
	}()
	for ctx.Err() == nil {
		if err := m.runGeneration(ctx, g); err != nil && ctx.Err() == nil {
			m.loseLeases(err) // no other worker has them
			return err
		}
	}
	return nil
}

// Close closes the connections. Run must have returned.
func (m *Member) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range []*time.Timer{m.rejoinTimer, m.expiryTimer} {
		if t != nil {
			t.Stop()
		}
	}
	m.cluster.close()
}

// Drain notes that this process is about to end: it is assigned no more accounts. It keeps those that it holds until they are withdrawn.
func (m *Member) Drain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.draining = true
}

// MemberStatus is the status of a Member.
type MemberStatus struct {
	// Joined reports whether the coordinator has confirmed the membership within the timeout.
	Joined bool
	// Trouble is why the process could not take part in the last rebalance; nil if it did.
	Trouble error
}

// Status returns the status of the membership.
func (m *Member) Status() MemberStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemberStatus{m.isConfirmed(), m.joinError()}
}

// joinError returns the error of the last join as an *Error.
func (m *Member) joinError() error {
	if m.joinErr == nil {
		return nil
	}
	return failure("join", m.joinErr)
}

func (m *Member) isConfirmed() bool { return time.Since(m.confirmedAt) < m.sessionTimeout() }

// runGeneration joins, and sends heartbeats until it is time to join again. It returns only errors that are not retriable.
func (m *Member) runGeneration(ctx context.Context, g *group) error {
	again := m.rejoinChannel()
	stop := m.heartbeatWhileJoining(ctx, g)
	err := m.cluster.retry(ctx, "join group "+g.id, func(ctx context.Context) error {
		self, versions := m.candidate()
		members, err := g.join(ctx, self)
		var a assignment
		if err == nil {
			a, err = g.sync(ctx, members)
		}
		asked := time.Now()
		if err == nil { // the answers may have been delayed: only a heartbeat confirms
			err = m.heartbeat(ctx, g)
		}
		if err != nil {
			return m.noteFailure(g, err)
		}
		m.applyAssignment(a, versions, asked)
		return nil
	})
	stop()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(m.sessionTimeout() / heartbeatsPerTimeout)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			return nil
		case <-ticker.C:
		}
		if !m.sendHeartbeat(ctx, g) || m.expired() {
			return nil // in the second case the brokers answer again after the leases have expired
		}
	}
}

func (m *Member) heartbeat(ctx context.Context, g *group) error {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout/3)
	defer cancel()
	return g.heartbeat(ctx)
}

// sendHeartbeat sends one heartbeat and reports whether the generation goes on; else it is time to join again.
func (m *Member) sendHeartbeat(ctx context.Context, g *group) bool {
	sent := time.Now()
	err := m.heartbeat(ctx, g)
	switch {
	case err == nil:
		m.confirm(sent)
		return true
	case errors.Is(err, kafka.RebalanceInProgress): // leases are kept until the new generation has its assignment
		m.prolong(sent)
		return false
	default: // an error that is not retriable is reported by the next join
		e := failure("heartbeat", m.noteFailure(g, err))
		return e.retriable && e.Category != Excluded
	}
}

// heartbeatWhileJoining sends heartbeats while a join waits for the other members, until stop. If one of these is dead, the join is
// answered only after the session timeout, and without heartbeats the leases would expire at that time too.
func (m *Member) heartbeatWhileJoining(ctx context.Context, g *group) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	member, generation := g.membership()
	if member == "" {
		return cancel
	}
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(m.sessionTimeout() / heartbeatsPerTimeout)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			sent := time.Now()
			err := m.heartbeat(ctx, g)
			if id, now := g.membership(); id != member || now != generation {
				return // the join was answered: this heartbeat may be of the next generation
			}
			m.heardWhileJoining(err, sent)
		}
	})
	return func() { cancel(); beating.Wait() }
}

// heardWhileJoining handles the answer to a heartbeat of the generation that is about to end.
func (m *Member) heardWhileJoining(err error, sent time.Time) {
	switch {
	case err == nil:
		m.confirm(sent)
	case errors.Is(err, kafka.RebalanceInProgress):
		m.prolong(sent)
	case errors.Is(err, kafka.UnknownMemberId):
		m.loseLeases(ErrLeaseLost) // the join gets the same error, but it may hang
	}
}

// noteFailure keeps err for the status and returns it. After an error by which the coordinator has dropped this member all leases are
// lost: it may have been silent for longer than the session timeout, and others may hold them.
func (m *Member) noteFailure(g *group, err error) error {
	m.mu.Lock()
	m.joinErr = err
	m.mu.Unlock()
	if errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID) {
		g.setMembership("", 0)
		m.loseLeases(ErrLeaseLost)
	}
	return err
}

// candidate returns what the process reports of itself now, and the versions of the leases in it.
func (m *Member) candidate() (candidate, map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := candidate{Name: m.Name, Started: m.started.UnixMilli(), Version: m.version, Draining: m.draining, Accounts: map[string]claim{}}
	if m.rejoinTimer != nil && m.rejoinTimer.Stop() {
		m.rejoinTimer = nil // this join reports all changes
	}
	versions := map[string]int{}
	for account, l := range m.leases {
		c.Accounts[account] = l.claim()
		versions[account] = l.version
	}
	return c, versions
}

// applyAssignment applies an assignment. versions are those that candidate returned for the join; asked is when the heartbeat after it
// was sent.
func (m *Member) applyAssignment(a assignment, versions map[string]int, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for account, l := range m.leases {
		if version, said := versions[account]; said {
			l.assign(a.Accounts[account], version == l.version)
		}
	}
	m.joinErr, m.currentAt = nil, latest(m.currentAt, asked)
	m.setConfirmed(asked)
}

func (m *Member) rejoinChannel() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rejoinSignal
}

// rejoin makes the process join again after the delay; changes until then are reported with that join.
func (m *Member) rejoin(in time.Duration) {
	m.version++
	if m.rejoinTimer == nil {
		m.rejoinTimer = time.AfterFunc(in, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.rejoinTimer = nil
			close(m.rejoinSignal)
			m.rejoinSignal = make(chan struct{})
		})
	} else if in == 0 {
		m.rejoinTimer.Reset(0)
	}
}
