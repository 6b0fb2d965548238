package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/poller/simulator"
)

// replica is one of several processes of a world.
type replica struct {
	*worker.Worker
	fleet *Fleet
	addr  string // of its admin port
	wire  *wire
	stop  func() error
}

// replica starts another worker, with a wire and an admin port of its own.
func (w *world) replica() *replica {
	w.t.Helper()
	w.wire = newWire(w.network.DialContext)
	w.env["ADMIN_ADDR"] = fmt.Sprintf("127.0.0.1:%d", 8080+len(w.stops))
	stop := w.start()
	return &replica{w.worker, w.fleet, w.env["ADMIN_ADDR"], w.wire, stop}
}

func (r *replica) active() bool { return r.Role() == admin.Active }

// awaitActive waits until one of the replicas works, and tells how long that took.
func (w *world) awaitActive(most time.Duration, all ...*replica) (*replica, time.Duration) {
	w.t.Helper()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if i := slices.IndexFunc(all, (*replica).active); i >= 0 {
			return all[i], time.Since(begun)
		}
		if time.Since(begun) > most {
			w.t.Fatalf("no worker is active after %v\n%s", most, w.log.tail())
		}
	}
}

// settled gives what every test of several workers ends with.
func (w *world) settled() {
	w.t.Helper()
	w.fresh(w.verify(w.complete))
	w.withinBudget()
}

// TestStandby: it asks nothing of the service, is ready, knows what the active one committed, and says who that is.
func TestStandby(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		active := w.replica()
		w.awaitActive(5*time.Second, active)
		standby := w.replica()
		time.Sleep(30 * time.Minute)
		if n := standby.Status().Budget.Requests; n > 0 || standby.active() {
			t.Errorf("the standby made %d requests to the service", n)
		}
		if code, body := w.getFrom(standby.addr, "/readyz"); code != http.StatusOK {
			t.Errorf("/readyz of the standby: %d %s", code, body)
		}
		_, body := w.getFrom(standby.addr, "/status")
		var all struct {
			Accounts []struct {
				Role   string
				Lease  struct{ Holder, Standby, Name string }
				Memory struct{ Sequence int64 }
				Poller *struct{}
			}
		}
		if err := json.Unmarshal([]byte(body), &all); err != nil || len(all.Accounts) != 1 {
			t.Fatal(err, body)
		}
		s := all.Accounts[0]
		committed := active.Status().Poller.Sequence
		if s.Role != "standby" || s.Lease.Holder != "worker 1" || s.Lease.Name != "worker 2" || s.Lease.Standby != "worker 2" || s.Poller != nil || s.Memory.Sequence < committed-1 || committed < 10 {
			t.Errorf("status of the standby, with %d commits: %s", committed, body)
		}
		for addr, tells := range map[string][]string{
			active.addr:  {"worker 1 (this one)", "Coverage"},
			standby.addr: {"<td>worker 1\n", standby.Status().Lease.Group, "Standing by", fmt.Sprintf("<td>%d\n", s.Memory.Sequence)},
		} {
			for _, text := range tells {
				if _, body := w.getFrom(addr, "/"); !strings.Contains(body, text) {
					t.Errorf("the page of %s does not tell %q:\n%s", addr, text, body)
				}
			}
		}
		if _, body := w.getFrom(standby.addr, "/metrics"); !strings.Contains(body, "\n"+labelled("convstream_active")+" 0\n") {
			t.Error("the standby's metric convstream_active is not 0")
		}
		if err := standby.stop(); err != nil {
			t.Error(err)
		}
		if !active.active() {
			t.Error("the active worker ceased to be that when the standby left")
		}
		if err := active.stop(); err != nil {
			t.Error(err)
		}
		w.settled()
	})
}

// TestRollingUpdates replaces two workers twenty times, the active one among them, as a Deployment does: a new one comes, an
// old one goes.
func TestRollingUpdates(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		workers := []*replica{w.replica(), w.replica()}
		var took []time.Duration
		for range 20 {
			old, _ := w.awaitActive(20*time.Second, workers...)
			time.Sleep(3 * time.Minute)
			workers = append(slices.DeleteFunc(workers, func(r *replica) bool { return r == old }), w.replica())
			time.Sleep(10 * time.Second)
			if err := old.stop(); err != nil {
				t.Fatal(err)
			}
			_, d := w.awaitActive(20*time.Second, workers...)
			took = append(took, d)
		}
		w.stopReplicas(workers)
		w.settled()
		slices.Sort(took)
		t.Logf("handover: median %v, worst %v", took[10], took[19])
		if took[19] > 2*time.Second {
			t.Errorf("a handover took %v", took[19])
		}
	})
}

// TestCrashes kills the active one of two workers twenty times; one that replaces it comes a little later.
func TestCrashes(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		workers := []*replica{w.replica(), w.replica()}
		var took []time.Duration
		for i := range 20 {
			dead, _ := w.awaitActive(30*time.Second, workers...)
			time.Sleep(time.Duration(60+i*7) * time.Second)
			dead.wire.Cut("")
			workers = slices.DeleteFunc(workers, func(r *replica) bool { return r == dead })
			if i%2 == 0 {
				time.Sleep(time.Second)
				workers = append(workers, w.replica())
			}
			_, d := w.awaitActive(30*time.Second, workers...)
			took = append(took, d)
			_ = dead.stop()
			if i%2 == 1 {
				workers = append(workers, w.replica())
			}
		}
		w.stopReplicas(workers)
		w.settled()
		slices.Sort(took)
		t.Logf("takeover: median %v, worst %v; LEASE_TIMEOUT is %v", took[10], took[19], workers[0].fleet.Process.LeaseTimeout)
		if took[19] > workers[0].fleet.Process.LeaseTimeout {
			t.Errorf("a takeover took %v", took[19])
		}
	})
}

// TestBudgetAtTakeovers: each worker that takes over begins as if the one before had just asked. So no two requests are
// closer than one worker's would be, however often they hand over.
func TestBudgetAtTakeovers(t *testing.T) {
	var last time.Time
	closest := time.Hour
	c := simulator.Config{History: time.Hour, PerMinute: 6, Intercept: func(http.ResponseWriter, *http.Request) bool {
		closest, last = min(closest, time.Since(last)), time.Now()
		return false
	}}
	inWorld(t, c, map[string]string{"START_FROM": "1h", "SMARTASSIST_PAGE_LIMIT": "5"}, func(w *world) {
		workers := []*replica{w.replica(), w.replica()}
		for range 20 {
			old, _ := w.awaitActive(30*time.Second, workers...)
			workers = append(slices.DeleteFunc(workers, func(r *replica) bool { return r == old }), w.replica())
			time.Sleep(9 * time.Second) // much longer than the pace: the new one's start was long ago
			if err := old.stop(); err != nil {
				t.Fatal(err)
			}
		}
		w.stopReplicas(workers)
		w.verify(w.complete)
		t.Logf("the closest two of %d requests were %v apart", w.service.Stats().Requests, closest)
		if closest < 2*time.Second {
			t.Errorf("two requests were %v apart, of one worker they are 2.04s", closest)
		}
	})
}

// TestStartBesideADeadOne: who joins while a dead member still counts waits for it, and does not take what it then gets for
// lost at once.
func TestStartBesideADeadOne(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		for range 3 {
			dead := w.replica()
			w.awaitActive(30*time.Second, dead)
			time.Sleep(time.Minute)
			dead.wire.Cut("")
			_ = dead.stop()
		}
		last := w.replica()
		if _, took := w.awaitActive(30*time.Second, last); took > last.fleet.Process.LeaseTimeout {
			t.Errorf("active after %v", took)
		}
		w.logged("did not confirm the lease", 0)
		time.Sleep(10 * time.Minute)
		w.stopReplicas([]*replica{last})
		w.settled()
	})
}

// TestCutOff cuts the active worker off from the brokers only: it can still reach the service, and must not use up the budget
// beside the one that takes over. When it comes back, it stands by.
func TestCutOff(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 4}, map[string]string{"START_FROM": "1h", "SMARTASSIST_PAGE_LIMIT": "5"}, func(w *world) {
		workers := []*replica{w.replica(), w.replica()}
		for range 10 {
			cut, _ := w.awaitActive(30*time.Second, workers...)
			time.Sleep(2 * time.Minute)
			cut.wire.Cut(kafkaAddr)
			other := workers[0]
			if other == cut {
				other = workers[1]
			}
			w.awaitActive(15*time.Second, other)
			if cut.active() {
				t.Error("who was cut off still says that it is active")
			}
			time.Sleep(time.Minute)
			cut.wire.Mend()
			time.Sleep(time.Minute)
			if !other.active() || cut.active() {
				t.Fatalf("who came back is active: %t, who took over: %t\n%s", cut.active(), other.active(), w.log.tail())
			}
		}
		w.stopReplicas(workers)
		w.settled()
	})
}

// TestFencedByAStranger: a worker without a lease takes the epoch. Those with one stand by until it is silent, and do not
// fence it in return.
func TestFencedByAStranger(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		w.env["POLL_INTERVAL"] = "30s"
		workers := []*replica{w.replica(), w.replica()}
		w.awaitActive(10*time.Second, workers...)
		time.Sleep(10 * time.Minute)
		w.env["LEASE"] = "off"
		stranger := w.replica()
		time.Sleep(20 * time.Minute)
		if !stranger.active() {
			t.Fatalf("the worker without a lease was fenced\n%s", w.log.tail())
		}
		if n := w.log.count("takes no part in the election"); n == 0 || n > 4 {
			t.Errorf("%d lines tell of it\n%s", n, w.log.tail())
		}
		if err := stranger.stop(); err != nil {
			t.Fatal(err)
		}
		_, took := w.awaitActive(3*time.Minute, workers...)
		t.Logf("active %v after the stranger has gone", took)
		time.Sleep(10 * time.Minute)
		w.stopReplicas(workers)
		w.fresh(w.verify(w.complete)) // the stranger shares no budget
	})
}

// TestNoPartInTheElection: a missing ACL on the group is told once, shows, and needs no restart to be mended.
func TestNoPartInTheElection(t *testing.T) {
	t.Parallel()
	inWorld(t, simulator.Config{History: time.Hour, PerMinute: 1}, hourOfWork, func(w *world) {
		denied := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		r := w.replica()
		time.Sleep(10 * time.Minute)
		w.logged("no part in the election of the active worker", 1)
		if code, body := w.getFrom(r.addr, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "the principal needs Read on group ") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		denied.Remove()
		w.awaitActive(time.Minute, r)
		time.Sleep(10 * time.Minute)
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		w.settled()
	})
}

func (w *world) stopReplicas(all []*replica) {
	w.t.Helper()
	for _, r := range all {
		if err := r.stop(); err != nil {
			w.t.Error(err)
		}
	}
}
