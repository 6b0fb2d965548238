package producer

import (
	"errors"
	"fmt"
	"time"
)

// confirm notes that the coordinator answered a heartbeat that was sent at asked without announcing a rebalance: it does not drop this
// member within the session timeout from then.
func (m *Member) confirm(asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joinErr, m.currentAt = nil, latest(m.currentAt, asked)
	m.setConfirmed(asked)
}

// prolong notes that the coordinator answered a heartbeat that was sent at asked with a rebalance in progress: until then nothing was
// assigned to others. A member whose join does not arrive is dropped the session timeout and the grace after the rebalance began, which
// was after the last heartbeat that confirmed.
func (m *Member) prolong(asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked.Sub(m.currentAt) <= rebalanceGrace(m.sessionTimeout()) {
		m.setConfirmed(asked)
	}
}

func (m *Member) setConfirmed(asked time.Time) {
	m.confirmedAt = latest(m.confirmedAt, asked)
	left := m.sessionTimeout() - time.Since(m.confirmedAt)
	if m.expiryTimer == nil {
		m.expiryTimer = time.AfterFunc(left, m.expire)
	} else {
		m.expiryTimer.Reset(left)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// expire ends the leases, unless the brokers have confirmed them within the session timeout.
func (m *Member) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isConfirmed() {
		return
	}
	for _, l := range m.leases {
		l.endTenure(m.unconfirmed())
	}
}

// expired reports whether any lease has ended although the last assignment was to hold it.
func (m *Member) expired() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.leases {
		if l.part == HolderPart && l.tenure == nil {
			return true
		}
	}
	return false
}

// errUnconfirmed is the cause of the end of a tenure that no other worker has taken.
var errUnconfirmed = errors.New("the brokers did not confirm the lease in time")

func (m *Member) unconfirmed() error {
	op := "hold the leases of group " + m.Group
	if m.joinErr == nil {
		return &Error{Op: op, Category: Timeout, Err: errUnconfirmed, Hint: hintBrokers}
	}
	e := failure(op, m.joinErr)
	return &Error{Op: e.Op, Category: e.Category, Err: fmt.Errorf("%w: %w", errUnconfirmed, e.Err), Hint: e.Hint}
}

// loseLeases ends all leases for a reason.
func (m *Member) loseLeases(reason error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.leases {
		l.endTenure(reason)
	}
}
