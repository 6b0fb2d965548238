package producer

import (
	"errors"
	"fmt"
	"time"
)

// confirm notes that the coordinator has answered a heartbeat that went out then, and knows of no rebalance since this
// generation: until a silence later, it drops no member that has been heard.
func (m *Member) confirm(asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble, m.current = nil, later(m.current, asked)
	m.confirmedAt(asked)
}

// prolong notes that the coordinator has answered a heartbeat that went out then, and was about to rebalance: nothing was
// assigned to others until then. A member whose join does not arrive it drops a silence and the grace after it began to wait for
// joins, and that was after the last heartbeat that confirmed.
func (m *Member) prolong(asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked.Sub(m.current) <= grace(m.silence()) {
		m.confirmedAt(asked)
	}
}

func (m *Member) confirmedAt(asked time.Time) {
	m.confirmed = later(m.confirmed, asked)
	left := m.silence() - time.Since(m.confirmed)
	if m.expiry == nil {
		m.expiry = time.AfterFunc(left, m.expire)
	} else {
		m.expiry.Reset(left)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// expire ends the leases that the brokers have not confirmed for too long.
func (m *Member) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fresh() {
		return
	}
	for _, l := range m.leases {
		l.endTenure(m.unconfirmed())
	}
}

// expired reports whether there is a lease that has ended, though the last assignment was to hold it.
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

// errUnconfirmed is the cause of the end of a tenure that was not lost to another.
var errUnconfirmed = errors.New("the brokers did not confirm the lease in time")

func (m *Member) unconfirmed() error {
	op := "hold the leases of group " + m.Group
	if m.trouble == nil {
		return &Error{Op: op, Category: Timeout, Err: errUnconfirmed, Hint: hintBrokers}
	}
	e := failure(op, m.trouble)
	return &Error{Op: e.Op, Category: e.Category, Err: fmt.Errorf("%w: %w", errUnconfirmed, e.Err), Hint: e.Hint}
}

// lose ends all leases: others hold them, or may.
func (m *Member) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.leases {
		l.endTenure(ErrLeaseLost)
	}
}
