package producer

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/segmentio/kafka-go"
)

// holding returns a member without brokers that holds its lease.
func holding(t *testing.T) (*Member, *Lease, context.Context) {
	t.Helper()
	m, l := joining(t)
	_, versions := m.candidate()
	rebalanced(m, versions, assigned{Part: HolderPart, Holder: "me"})
	held, _ := l.Tenure()
	if held == nil {
		t.Fatal("not held after the assignment")
	}
	return m, l, held
}

// TestResign: it ends the tenure, the lease is claimed until the work under it has finished, and it counts until ClearResigned.
func TestResign(t *testing.T) {
	for _, taken := range []bool{false, true} {
		m, l, held := holding(t)
		if taken && !l.Take(held) {
			t.Fatal("cannot be taken")
		}
		l.Resign()
		if s := l.Status(); context.Cause(held) != ErrResigned || s.Held || s.Part != ReleasePart || s.Resigned != 1 {
			t.Errorf("taken %t: %v, %+v", taken, context.Cause(held), s)
		}
		c, _ := m.candidate()
		if got := c.Accounts["account"]; got.Resigned != 1 || got.Finishing != taken || got.Since > 0 != taken {
			t.Errorf("taken %t: the claim is %+v", taken, got)
		}
		if l.Take(held) {
			t.Errorf("taken %t: a tenure that has ended can be taken", taken)
		}
		l.Release()
		if c, _ = m.candidate(); c.Accounts["account"].Finishing || c.Accounts["account"].Since > 0 {
			t.Errorf("taken %t: after the work has finished the claim is %+v", taken, c.Accounts["account"])
		}
		l.Resign()
		if n := l.Status().Resigned; n != 2 {
			t.Errorf("resigned %d times, want 2: one without the lease counts", n)
		}
		if l.ClearResigned(); l.Status().Resigned != 0 {
			t.Error("counts after ClearResigned")
		}
	}
}

// TestWithdraw: the tenure ends and the account is not claimed any more, until there is another Lease for it.
func TestWithdraw(t *testing.T) {
	m, l, held := holding(t)
	l.Withdraw()
	if c, _ := m.candidate(); context.Cause(held) != ErrLeaseLost || len(c.Accounts) > 0 {
		t.Errorf("%v, claims %v", context.Cause(held), c.Accounts)
	}
	if m.Lease("account") == l {
		t.Error("a Lease that was withdrawn is returned again")
	}
	l.Withdraw()
	if c, _ := m.candidate(); len(c.Accounts) != 1 {
		t.Error("the second Withdraw of one Lease withdraws its successor")
	}
}

// TestDrain: a member that drains says so, and keeps what it holds.
func TestDrain(t *testing.T) {
	m, l, held := holding(t)
	m.Drain()
	if c, _ := m.candidate(); !c.Draining || held.Err() != nil || !l.Confirmed() {
		t.Errorf("draining %t, tenure %v, confirmed %t", c.Draining, held.Err(), l.Confirmed())
	}
}

// TestNoteFailure: only errors by which the coordinator has dropped the member end its leases. All of them are the status' trouble
// until the next assignment.
func TestNoteFailure(t *testing.T) {
	for err, dropped := range map[error]bool{
		kafka.UnknownMemberId: true, kafka.FencedInstanceID: true,
		kafka.RebalanceInProgress: false, kafka.IllegalGeneration: false, kafka.GroupCoordinatorNotAvailable: false, errClosed: false,
	} {
		m, l, held := holding(t)
		g := &group{}
		g.setMembership("id", 3)
		if got := m.noteFailure(g, err); got != err {
			t.Errorf("%v: returns %v", err, got)
		}
		id, generation := g.membership()
		if lost := context.Cause(held) == ErrLeaseLost; lost != dropped || (id == "") != dropped || (generation == 0) != dropped {
			t.Errorf("%v: lease lost %t, member %q of generation %d", err, lost, id, generation)
		}
		if s := l.Status(); !errors.Is(s.Trouble, err) || !errors.Is(m.Status().Trouble, err) {
			t.Errorf("%v: trouble %v, %v", err, s.Trouble, m.Status().Trouble)
		}
		_, versions := m.candidate()
		rebalanced(m, versions, assigned{Part: StandbyPart, Holder: "another", Standby: "me"})
		if s := l.Status(); s.Trouble != nil || s.Part != StandbyPart || s.Holder != "another" || s.Standby != "me" {
			t.Errorf("%v: after the next rebalance: %+v", err, s)
		}
	}
}

// TestDecodeOrZero: a member of another version may report less or more, and what does not decode counts as nothing at all.
func TestDecodeOrZero(t *testing.T) {
	for text, want := range map[string]candidate{
		`{"name":"a","started":5,"more":[1]}`: {Name: "a", Started: 5},
		`{"name":"a","started":"5"}`:          {},
		`{"name":"a"`:                         {},
		``:                                    {},
	} {
		if got := decodeOrZero[candidate]([]byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}
