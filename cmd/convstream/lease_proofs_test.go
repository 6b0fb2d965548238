package main

import (
	"flag"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/scenario"
)

// How long nobody works when the active worker goes. Whole, with CONVSTREAM_REAL_KAFKA=required in the environment:
//
//	go test ./cmd/convstream -run 'TestKafkaHandover|TestKafkaTakeover' -v -timeout 60m -args -worlds 2 -updates 20 -crashes 20
var (
	updatesFlag = flag.Int("updates", 3, "rolling updates of TestKafkaHandover")
	crashesFlag = flag.Int("crashes", 2, "crashes of TestKafkaTakeover")
)

// leaseTimeout is the default.
const leaseTimeout = 10 * time.Second

var leased = map[string]string{"LEASE": "on", "LEASE_TIMEOUT": leaseTimeout.String()}

// gaps are the times in which nobody worked.
type gaps struct {
	tally
	roles []time.Duration // from the end of the active worker until another says that it is
}

// awaitRole waits until one of the workers says that it has the role and is ready.
func (w *realWorld) awaitRole(role scenario.Role, workers ...*realWorker) *realWorker {
	w.t.Helper()
	for began := time.Now(); time.Since(began) < 2*patient; time.Sleep(20 * time.Millisecond) {
		for _, p := range workers {
			if s := p.status(); s.Role == role && (s.Ready || role == scenario.Active) {
				return p
			}
		}
	}
	w.t.Fatalf("none of %d workers is %s within %v", len(workers), role, 2*patient)
	return nil
}

// starts starts a worker with a lease.
func (w *realWorld) starts() *realWorker { return w.Start("", leased).(*realWorker) }

// succeeds waits until one of the others works, and commits, after the active one has gone.
func (y *gaps) succeeds(w *realWorld, gone time.Time, others ...*realWorker) *realWorker {
	w.t.Helper()
	active := w.awaitRole(scenario.Active, others...)
	role, next := time.Since(gone), w.seen.next()
	select {
	case <-next:
	case <-time.After(patient):
		w.t.Fatalf("active, and no commit within %v\n%s", patient, active.stderr)
	}
	y.waited(w.seen.last().Sub(gone))
	y.mu.Lock()
	defer y.mu.Unlock()
	y.roles = append(y.roles, role)
	return active
}

// play lets the active one of two workers go so often, in several worlds at a time, and tells the times.
func (y *gaps) play(t *testing.T, name string, times int, goes func(w *realWorld, active, standby *realWorker) (now, other *realWorker)) (worst time.Duration) {
	startKafka(t)
	seed, began := seedOf(t), time.Now()
	inWorlds(t, name, seed, func(w *realWorld, n, worlds int) {
		share := (times + worlds - 1 - n) / worlds
		if share == 0 {
			return
		}
		a, b := w.starts(), w.starts()
		active, standby := w.awaitRole(scenario.Active, a, b), a
		if active == a {
			standby = b
		}
		w.awaitRole(scenario.Standby, standby)
		w.AwaitCommits(2)
		for range share {
			time.Sleep(time.Duration(w.dice.Int64N(int64(2 * realPoll)))) // anywhere between two polls
			active, standby = goes(w, active, standby)
		}
		standby.Drain()
		y.judge(w, active)
	})
	t.Logf("SUMMARY seed %d: %s: until another is active %s; until its first commit %s; LEASE_TIMEOUT %v; %d revisions in %d commits: lost %d, twice %d; in %v",
		seed, name, spread(y.roles), spread(y.waits), leaseTimeout, y.revisions, y.commits, y.lost, y.twice, time.Since(began).Round(time.Second))
	if len(y.roles) != times {
		t.Fatalf("%d times, want %d", len(y.roles), times)
	}
	return slices.Max(y.roles)
}

// TestKafkaHandover updates as a Deployment does: a new worker comes, stands by, and the active one is told to end.
func TestKafkaHandover(t *testing.T) {
	y := &gaps{}
	worst := y.play(t, "handover", *updatesFlag, func(w *realWorld, active, standby *realWorker) (now, other *realWorker) {
		young := w.starts()
		w.awaitRole(scenario.Standby, young)
		gone := time.Now()
		active.signal(syscall.SIGTERM)
		now, other = y.succeeds(w, gone, standby, young), standby
		if now == standby {
			other = young
		}
		if code := active.exit(); code != exitDone {
			w.t.Errorf("exit %d after SIGTERM\n%s", code, active.stderr)
		}
		return now, other
	})
	if worst > leaseTimeout/2 {
		t.Errorf("a handover took %v: no better than a crash", worst)
	}
}

// TestKafkaTakeover kills the active worker, half of the times in a commit, and starts another when the standby has taken over.
func TestKafkaTakeover(t *testing.T) {
	y := &gaps{}
	worst := y.play(t, "takeover", *crashesFlag, func(w *realWorld, active, standby *realWorker) (now, other *realWorker) {
		if w.dice.IntN(2) == 0 {
			active.KillIn(scenario.AMoment(w.dice))
		} else {
			active.Kill()
		}
		now = y.succeeds(w, time.Now(), standby)
		other = w.starts()
		w.awaitRole(scenario.Standby, other)
		return now, other
	})
	if worst > leaseTimeout+time.Second { // the machine is busy
		t.Errorf("a takeover took %v, LEASE_TIMEOUT is %v", worst, leaseTimeout)
	}
}
