package producer

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOpenMember(t *testing.T) {
	if _, err := OpenMember(Cluster{}, MemberConfig{Timeout: leaseTimeout}); err == nil || !strings.Contains(err.Error(), "KAFKA_BROKERS") {
		t.Errorf("without brokers: %v", err)
	}
	timeouts := map[time.Duration]bool{}
	for range 20 {
		m, err := OpenMember(Cluster{Brokers: []string{"127.0.0.1:1"}}, MemberConfig{Timeout: leaseTimeout})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		d := m.cluster.timeout
		if timeouts[d] = true; d < defaultTimeout+2*leaseTimeout || d >= defaultTimeout+4*leaseTimeout {
			t.Errorf("a join may take %v", d)
		}
	}
	if len(timeouts) < 10 {
		t.Errorf("of 20 members only %d would give up at different times", len(timeouts))
	}
}

// rejoined reports whether the signal to join again has been given.
func rejoined(signal <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-signal:
		return true
	default:
		return false
	}
}

// TestRejoin: changes are collected for one join; one that is urgent does not wait for the others, and each makes the reported version
// another one, so that the coordinator rebalances.
func TestRejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l := joining(t)
		m.candidate()
		first, _ := m.candidate()
		signal := m.rejoinChannel()
		m.Lease("second")
		time.Sleep(rejoinDelay / 2)
		m.Lease("third")
		time.Sleep(rejoinDelay/2 - time.Nanosecond)
		if rejoined(signal) {
			t.Fatal("too early")
		}
		if time.Sleep(time.Nanosecond); !rejoined(signal) {
			t.Fatal("not after the delay")
		}
		second, versions := m.candidate()
		if second.Version == first.Version || len(second.Accounts) != 3 || len(versions) != 3 {
			t.Errorf("version %d, then %d with %v", first.Version, second.Version, second.Accounts)
		}
		signal = m.rejoinChannel()
		if time.Sleep(time.Minute); rejoined(signal) {
			t.Error("nothing has changed, and it joins again")
		}
		m.Lease("fourth")
		l.Yield()
		if time.Sleep(0); !rejoined(signal) {
			t.Error("what is urgent waits for what is not")
		}
	})
}

// TestJoinReportsAll: a join under way reports what has changed, and is not followed by another for the same.
func TestJoinReportsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := joining(t)
		signal := m.rejoinChannel()
		m.Lease("second")
		c, _ := m.candidate()
		if time.Sleep(time.Minute); rejoined(signal) {
			t.Error("joins again for what the join has reported")
		}
		if len(c.Accounts) != 2 || c.Draining || c.Started != m.started.UnixMilli() {
			t.Errorf("%+v", c)
		}
		m.Lease("third")
		if time.Sleep(rejoinDelay); !rejoined(signal) {
			t.Error("does not join for what has changed since")
		}
	})
}

// TestCandidate: the claims of a member's leases, with the version of each.
func TestCandidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, l, held := holding(t)
		since := time.Now().UnixMilli()
		claims := func() claim { c, _ := m.candidate(); return c.Accounts["account"] }
		if got, want := claims(), (claim{Since: since, Held: since}); got != want {
			t.Errorf("holds: %+v, want %+v", got, want)
		}
		l.SetWarm(true)
		if got := claims(); !got.Warm {
			t.Errorf("warm: %+v", got)
		}
		time.Sleep(time.Second)
		l.Take(held)
		l.Resign()
		if got, want := claims(), (claim{Since: since, Held: since, Finishing: true, Warm: true, Resigned: 1}); got != want {
			t.Errorf("resigned: %+v, want %+v", got, want)
		}
		l.Release()
		l.Yield()
		if got, want := claims(), (claim{Held: since, Warm: true, Resigned: 1, Yields: true}); got != want {
			t.Errorf("yields: %+v, want %+v", got, want)
		}
	})
}

// TestVersionsOfClaims: an assignment for a claim that has changed since says only who is at work; one that does not know the account
// says nothing.
func TestVersionsOfClaims(t *testing.T) {
	m, l, held := holding(t)
	_, versions := m.candidate()
	if !maps.Equal(versions, map[string]int{"account": 0}) {
		t.Fatalf("versions %v", versions)
	}
	late := m.Lease("late")
	m.applyAssignment(assignment{map[string]assigned{"account": {Part: HolderPart}, "late": {Part: HolderPart}}}, versions, time.Now())
	if late.Status().Held || held.Err() != nil {
		t.Errorf("an account that the join did not name: %+v; the other: %v", late.Status(), held.Err())
	}
	m.applyAssignment(assignment{}, versions, time.Now())
	if held.Err() == nil || l.Status().Part != NoPart {
		t.Errorf("an assignment without the account: %+v", l.Status())
	}
}

// TestNewTenure: a lease that is assigned again is a new tenure, and the old one stays ended.
func TestNewTenure(t *testing.T) {
	m, l, first := holding(t)
	_, changed := l.Tenure()
	_, versions := m.candidate()
	rebalanced(m, versions, assigned{Part: HolderPart, Holder: "me"})
	if again, _ := l.Tenure(); again != first {
		t.Error("a rebalance that leaves the lease ends the tenure")
	}
	select {
	case <-changed:
		t.Error("a rebalance that changes nothing is told as a change")
	default:
	}
	rebalanced(m, versions, assigned{Part: StandbyPart, Holder: "another"})
	<-changed
	rebalanced(m, versions, assigned{Part: HolderPart, Holder: "me"})
	second, _ := l.Tenure()
	if first.Err() == nil || second == nil || second.Err() != nil || l.Take(first) || !l.Take(second) {
		t.Errorf("first %v, second %v", first.Err(), second)
	}
}

// TestWarmIsReported: only where the leader waits for it, and once.
func TestWarmIsReported(t *testing.T) {
	for _, awaited := range []bool{false, true} {
		for _, warmFirst := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				m, l := joining(t)
				_, versions := m.candidate()
				signal := m.rejoinChannel()
				if warmFirst {
					l.SetWarm(true)
				}
				rebalanced(m, versions, assigned{Part: StandbyPart, ReportWarm: awaited})
				l.SetWarm(true)
				if time.Sleep(rejoinDelay); rejoined(signal) != awaited {
					t.Errorf("awaited %t, warm before %t: reported %t", awaited, warmFirst, !awaited)
				}
				signal = m.rejoinChannel()
				l.SetWarm(true)
				l.SetWarm(false)
				if time.Sleep(time.Minute); rejoined(signal) {
					t.Errorf("awaited %t: reported again", awaited)
				}
			})
		}
	}
}

// TestHeartbeatsDecide: which answers to a heartbeat end the generation, which confirm it, and which end the leases.
func TestHeartbeatsDecide(t *testing.T) {
	for _, c := range []struct {
		err             *kerr.Error
		goesOn, dropped bool
	}{
		{nil, true, false}, {kerr.CoordinatorNotAvailable, true, false}, {kerr.NotCoordinator, true, false}, {kerr.RequestTimedOut, true, false},
		{kerr.RebalanceInProgress, false, false}, {kerr.IllegalGeneration, false, false}, {kerr.UnknownMemberID, false, true}, {kerr.FencedInstanceID, false, true},
		{kerr.GroupAuthorizationFailed, false, false}, {kerr.UnknownServerError, false, false},
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			m, l, held := holding(t)
			m.cluster.close()
			m.cluster = connect(w.config().Cluster.withDefaults(), nil)
			g := &group{cluster: m.cluster, id: "lease"}
			g.setMembership("me", 1)
			w.answeringWith(kmsg.Heartbeat, func(r kmsg.Response) {
				if c.err != nil {
					r.(*kmsg.HeartbeatResponse).ErrorCode = c.err.Code
				}
			})
			if goesOn := m.sendHeartbeat(t.Context(), g); goesOn != c.goesOn {
				t.Errorf("%v: the generation goes on: %t", c.err, goesOn)
			}
			if lost := held.Err() != nil; lost != c.dropped {
				t.Errorf("%v: lease lost: %t", c.err, lost)
			}
			if trouble := l.Status().Trouble; (trouble != nil) != (c.err != nil && c.err != kerr.RebalanceInProgress) {
				t.Errorf("%v: trouble %v", c.err, trouble)
			}
		})
	}
}
