package scenario

import (
	"slices"
	"testing"
	"time"
)

// leased are the settings of a worker that has standbys. Brokers take no shorter timeout unless they are told to.
var leased = map[string]string{"LEASE": "on", "LEASE_TIMEOUT": "6s"}

// patience is how long a role may take to come: a lease must expire first, and the machine may be busy.
const patience = time.Minute

// awaitRole waits until one of the workers has the role.
func awaitRole(t *testing.T, w World, role Role, workers ...Worker) Worker {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; w.Pass(100 * time.Millisecond) {
		for _, worker := range workers {
			if worker.Role() == role {
				return worker
			}
		}
	}
	t.Fatalf("none of %d workers is %s within %v", len(workers), role, patience)
	return nil
}

// pair starts two workers, and tells which of them works.
func pair(t *testing.T, w World) (active, standby Worker) {
	t.Helper()
	a, b := w.Start("a", leased), w.Start("b", leased)
	if active, standby = awaitRole(t, w, Active, a, b), a; active == a {
		standby = b
	}
	awaitRole(t, w, Standby, standby)
	return active, standby
}

// standby starts a worker beside one that works.
func standby(t *testing.T, w World, id string) Worker {
	t.Helper()
	return awaitRole(t, w, Standby, w.Start(id, leased))
}

// finishAll is finish for several workers, which end in any order.
func finishAll(w World, workers ...Worker) {
	w.AwaitComplete()
	for _, i := range w.Dice().Perm(len(workers)) {
		workers[i].Drain()
	}
	w.Check()
	w.WithinBudget()
}

// rollingUpdate is what a Deployment does: a new one comes, an old one goes, the active one among them.
func rollingUpdate(t *testing.T, w World) {
	active, other := pair(t, w)
	old := []Worker{active, other}
	if w.Dice().IntN(2) == 0 {
		slices.Reverse(old)
	}
	var young []Worker
	for i, id := range []string{"c", "d"} {
		w.AwaitCommits(2)
		young = append(young, standby(t, w, id))
		old[i].Drain()
		awaitRole(t, w, Active, append(old[i+1:], young...)...)
	}
	w.AwaitCommits(2)
	finishAll(w, young...)
}

// activeKilled: the other takes over, and what replaces the dead one stands by.
func activeKilled(t *testing.T, w World) {
	active, other := pair(t, w)
	for _, id := range []string{"c", "d"} {
		w.AwaitCommits(1)
		m := AMoment(w.Dice())
		t.Logf("killed %v", m)
		active.KillIn(m)
		active = awaitRole(t, w, Active, other)
		other = standby(t, w, id)
		w.AwaitCommits(1)
	}
	finishAll(w, active, other)
}

// activeFrozen: while it is frozen the other takes over. Thawed, it stands by: it neither fences the other nor asks the
// service for anything, until the other is frozen and it is active again.
func activeFrozen(t *testing.T, w World) {
	active, other := pair(t, w)
	for round := range 3 {
		w.AwaitCommits(1)
		made := active.Requests()
		if round > 0 {
			m := Moment{Request: 1 + w.Dice().IntN(6), After: time.Microsecond}
			t.Logf("frozen %v", m)
			active.FreezeIn(m)
		} else {
			active.Freeze()
		}
		awaitRole(t, w, Active, other)
		w.AwaitCommits(2)
		active.Thaw()
		awaitRole(t, w, Standby, active)
		// One may have been on its way when it was frozen.
		if now := active.Requests(); round == 0 && now > made+1 {
			t.Errorf("it made %d requests to the service while the lease was another's", now-made)
		}
		active, other = other, active
		standsBy(t, w, other, active)
	}
	finishAll(w, active, other)
}

// standsBy watches for some polls that one works, and the other does nothing.
func standsBy(t *testing.T, w World, standby, active Worker) {
	t.Helper()
	made := standby.Requests()
	for range 3 {
		w.AwaitCommits(1)
		if role := active.Role(); role != Active {
			t.Errorf("the one that took over is %s", role)
		}
		if role := standby.Role(); role != Standby {
			t.Errorf("the one that came back is %s", role)
		}
	}
	if now := standby.Requests(); now != made {
		t.Errorf("a standby made %d requests to the service", now-made)
	}
}

// standbyKilled: the active one does not notice.
func standbyKilled(t *testing.T, w World) {
	active, other := pair(t, w)
	for _, id := range []string{"c", "d"} {
		other.Kill()
		other = standby(t, w, id)
		standsBy(t, w, other, active)
	}
	finishAll(w, active, other)
}

// bothKilled: those that come then wait until the group has given the dead up.
func bothKilled(t *testing.T, w World) {
	for range 2 {
		active, other := pair(t, w)
		w.AwaitCommits(2)
		other.Kill()
		active.KillIn(AMoment(w.Dice()))
	}
	active, other := pair(t, w)
	finishAll(w, active, other)
}
