package producer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestSessionTimeout: a tenth of the timeout is for the others, unless brokers would not take the rest.
func TestSessionTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		3 * time.Second: 3 * time.Second, 6 * time.Second: 6 * time.Second, 6500 * time.Millisecond: 6 * time.Second, 7 * time.Second: 6300 * time.Millisecond,
		10 * time.Second: 9 * time.Second, time.Minute: 54 * time.Second,
	} {
		if got := (MemberConfig{Timeout: timeout}).sessionTimeout(); got != want {
			t.Errorf("%v: %v, want %v", timeout, got, want)
		}
	}
}

// TestLeaseExpires: a lease ends the session timeout after the last heartbeat that was answered was sent, not after its answer, and the
// holder is not known any more.
func TestLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l, held := holding(t)
		const slow = 4 * time.Second
		sent := time.Now()
		time.Sleep(slow)
		m.confirm(sent.Add(time.Second))
		m.confirm(sent) // an answer that was overtaken changes nothing
		time.Sleep(time.Second + m.sessionTimeout() - slow - time.Nanosecond)
		if held.Err() != nil || !l.Confirmed() || m.expired() {
			t.Fatalf("a moment before: %v, confirmed %t, expired %t", held.Err(), l.Confirmed(), m.expired())
		}
		if s := l.Status(); s.Holder != "me" || !m.Status().Joined {
			t.Errorf("a moment before: %+v", s)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		e, ok := errors.AsType[*Error](context.Cause(held))
		if !ok || e.Category != Timeout || !errors.Is(e, errUnconfirmed) || !strings.Contains(e.Op, "leases of group") || e.Hint != hintBrokers {
			t.Errorf("the cause is %v", context.Cause(held))
		}
		if s := l.Status(); s.Held || s.Holder != "" || l.Confirmed() || !m.expired() || m.Status().Joined {
			t.Errorf("then: %+v, confirmed %t, expired %t", s, l.Confirmed(), m.expired())
		}
	})
}

// TestExpiryNamesTheTrouble: if the last join failed, the cause says how, with its hint and its category.
func TestExpiryNamesTheTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, held := holding(t)
		_ = m.noteFailure(&group{}, kafka.GroupCoordinatorNotAvailable)
		time.Sleep(m.sessionTimeout())
		synctest.Wait()
		e, ok := errors.AsType[*Error](context.Cause(held))
		if !ok || e.Category != Coordinator || e.Hint != hintInternal || !errors.Is(e, errUnconfirmed) || !errors.Is(e, kafka.GroupCoordinatorNotAvailable) {
			t.Errorf("the cause is %v", context.Cause(held))
		}
	})
}

// TestProlong: while a rebalance waits for a member, heartbeats keep the leases, but no longer than the coordinator keeps the member.
func TestProlong(t *testing.T) {
	for _, joins := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m, l, held := holding(t)
			begun, session := time.Now(), m.sessionTimeout()
			every := session / heartbeatsPerTimeout
			for held.Err() == nil && time.Since(begun) < 10*session {
				time.Sleep(every)
				m.prolong(time.Now())
				if joins && time.Since(begun) == session {
					m.confirm(time.Now())
					begun, joins = time.Now(), false
				}
			}
			synctest.Wait()
			if kept, want := time.Since(begun), session+rebalanceGrace(session); kept < want-every || kept > want+every {
				t.Errorf("kept for %v after the last confirmation, want %v", kept, want)
			}
			if s := l.Status(); s.Held || !errors.Is(context.Cause(held), errUnconfirmed) {
				t.Errorf("%+v, %v", s, context.Cause(held))
			}
		})
	}
}

// TestConfirmEndsTheTrouble: a heartbeat that is answered ends it, one in a rebalance does not.
func TestConfirmEndsTheTrouble(t *testing.T) {
	m, l := joining(t)
	_ = m.noteFailure(&group{}, errBroken)
	if m.prolong(time.Now()); m.Status().Trouble == nil {
		t.Error("a rebalance under way ends the trouble")
	}
	if e, ok := errors.AsType[*Error](l.Status().Trouble); !ok || e.Op != "join" || !errors.Is(e, errBroken) {
		t.Errorf("trouble %v", l.Status().Trouble)
	}
	if m.confirm(time.Now()); m.Status().Trouble != nil || !m.Status().Joined {
		t.Errorf("%+v", m.Status())
	}
}

// TestLoseLeases: all of them, with the reason, and none again by a heartbeat.
func TestLoseLeases(t *testing.T) {
	m, _, first := holding(t)
	second := m.Lease("another")
	_, versions := m.candidate()
	m.applyAssignment(assignment{map[string]assigned{"account": {Part: HolderPart}, "another": {Part: HolderPart}}}, versions, time.Now())
	other, changed := second.Tenure()
	if first.Err() != nil || other == nil {
		t.Fatal("not held after the assignment")
	}
	m.loseLeases(errBroken)
	if context.Cause(first) != errBroken || context.Cause(other) != errBroken {
		t.Errorf("%v, %v", context.Cause(first), context.Cause(other))
	}
	<-changed // or the worker would not hear of it
	m.confirm(time.Now())
	if s := second.Status(); s.Held || second.Confirmed() {
		t.Errorf("held again: %+v", s)
	}
	if !m.expired() { // so that it joins, and is assigned them anew
		t.Error("it does not notice that leases of the last assignment are gone")
	}
}

// TestHeardWhileJoining: an answer to a heartbeat of the generation before confirms, prolongs, or ends the leases.
func TestHeardWhileJoining(t *testing.T) {
	for err, want := range map[error]struct{ held, confirmed bool }{
		nil: {true, true}, kafka.RebalanceInProgress: {true, true}, kafka.UnknownMemberId: {false, false}, kafka.IllegalGeneration: {true, false}, errBroken: {true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, l, held := holding(t)
			time.Sleep(m.sessionTimeout() / 2)
			m.heardWhileJoining(err, time.Now())
			if (held.Err() == nil) != want.held {
				t.Errorf("%v: lease %v", err, context.Cause(held))
			}
			time.Sleep(m.sessionTimeout() * 3 / 4)
			synctest.Wait()
			if l.Confirmed() != want.confirmed {
				t.Errorf("%v: confirmed %t afterwards", err, l.Confirmed())
			}
		})
	}
}
