package producer

import (
	"testing"
	"testing/synctest"
	"time"
)

// joining returns a member without brokers, and its lease: the test applies the assignments.
func joining(t *testing.T) (*Member, *Lease) {
	t.Helper()
	m, err := OpenMember(Cluster{Brokers: []string{"127.0.0.1:1"}}, MemberConfig{Timeout: leaseTimeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, m.Lease("account")
}

// rebalanced applies the assignment of a rebalance for which these versions were reported.
func rebalanced(m *Member, said map[string]int, a assigned) {
	m.applyAssignment(assignment{map[string]assigned{"account": a}}, said, time.Now())
}

// TestYieldWhileJoining: a Yield during a rebalance outweighs what that one assigns.
func TestYieldWhileJoining(t *testing.T) {
	m, l := joining(t)
	_, said := m.candidate()
	l.Yield()
	rebalanced(m, said, assigned{Part: HolderPart, Holder: "me"})
	if s := l.Status(); s.Held || !s.Yielding {
		t.Errorf("after a rebalance that began before it yielded: %+v", s)
	}
	_, said = m.candidate()
	rebalanced(m, said, assigned{Part: HolderPart, Holder: "me", FencedByNonMember: true})
	if s := l.Status(); !s.Held || !s.Yielding || !l.Confirmed() {
		t.Errorf("elected for want of others: %+v, confirmed %t", s, l.Confirmed())
	}
}

// TestStopYieldingWhileJoining: after StopYielding during a rebalance the lease is lost if that one assigns it to another member. Seed
// 2252 had two holders for a second.
func TestStopYieldingWhileJoining(t *testing.T) {
	for _, part := range []Part{StandbyPart, HolderPart} {
		m, l := joining(t)
		_, said := m.candidate()
		rebalanced(m, said, assigned{Part: HolderPart, Holder: "me", FencedByNonMember: true})
		_, said = m.candidate()
		l.StopYielding()
		rebalanced(m, said, assigned{Part: part, Holder: "another", FencedByNonMember: true})
		if s := l.Status(); s.Held != (part == HolderPart) || s.Yielding {
			t.Errorf("assigned %q; then %+v", part, s)
		}
	}
}

// TestReleaseIsWaitedFor: a lease that is to move is claimed until the work under it has finished.
func TestReleaseIsWaitedFor(t *testing.T) {
	for _, taken := range []bool{true, false} {
		m, l := joining(t)
		_, said := m.candidate()
		rebalanced(m, said, assigned{Part: HolderPart})
		held, _ := l.Tenure()
		if taken && !l.Take(held) {
			t.Fatal("what is held cannot be taken")
		}
		_, said = m.candidate()
		rebalanced(m, said, assigned{Part: ReleasePart})
		c, said := m.candidate()
		if got := c.Accounts["account"]; held.Err() == nil || got.Finishing != taken || (got.Since > 0) != taken {
			t.Errorf("told to release, taken %t: %+v", taken, got)
		}
		rebalanced(m, said, assigned{Part: HolderPart})
		if l.Status().Held == taken {
			t.Errorf("held again before it was released, taken %t: %t", taken, !taken)
		}
		l.Release()
		if c, _ := m.candidate(); c.Accounts["account"].Finishing {
			t.Error("released and busy")
		}
	}
}

// TestReleaseAfterExpiry: after a lease has expired during a join and is then to move, the process joins again to report that it is free.
func TestReleaseAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l := joining(t)
		_, said := m.candidate()
		rebalanced(m, said, assigned{Part: HolderPart})
		held, _ := l.Tenure()
		l.Take(held)
		_, said = m.candidate() // the join goes out: "I hold it"
		time.Sleep(m.sessionTimeout() + time.Second)
		if held.Err() == nil {
			t.Fatal("the lease has not expired")
		}
		l.Release()
		again := m.rejoinChannel()
		rebalanced(m, said, assigned{Part: ReleasePart})
		time.Sleep(time.Second)
		select {
		case <-again:
		default:
			t.Error("it does not join again to say that the lease is free")
		}
	})
}
