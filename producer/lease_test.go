package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const leaseTimeout = 10 * time.Second

// elector is one worker's Lease, with a Member that runs.
type elector struct {
	*Lease
	process *Member
	t       *testing.T
	name    string
	wire    *severed
	stop    context.CancelFunc
	ended   chan error
}

// severed is a network that can be cut.
type severed struct {
	dial func(context.Context, string, string) (net.Conn, error)
	mu   sync.Mutex
	off  bool
	open []net.Conn
}

func (s *severed) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return nil, errBroken
	}
	c, err := s.dial(ctx, network, address)
	if err == nil {
		s.open = append(s.open, c)
	}
	return c, err
}

func (s *severed) set(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = off
	for _, c := range s.open {
		_ = c.Close()
	}
	s.open = nil
}

// elector starts a Lease. The topics must exist.
func (w *world) elector(name string) *elector { return w.electorVia(name, w.network.DialContext) }

// electorVia takes part in the work on "account", unless others are named.
func (w *world) electorVia(name string, dial func(context.Context, string, string) (net.Conn, error), accounts ...string) *elector {
	w.t.Helper()
	e := &elector{t: w.t, name: name, wire: &severed{dial: dial}, ended: make(chan error, 1)}
	cfg := w.config()
	cfg.Dial = e.wire.DialContext
	var err error
	if e.process, err = OpenMember(cfg.Cluster, MemberConfig{Group: "lease", Topic: state, Name: name, Timeout: leaseTimeout}); err != nil {
		w.t.Fatal(err)
	}
	if len(accounts) == 0 {
		e.Lease = e.process.Lease("account")
	}
	for _, account := range accounts {
		e.process.Lease(account)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	e.stop = cancel
	go func() { e.ended <- e.process.Run(ctx) }()
	w.t.Cleanup(e.end)
	time.Sleep(time.Millisecond) // a bubble's clock: no two start at the same instant
	return e
}

// end makes the worker leave, as a drain does.
func (e *elector) end() {
	e.stop()
	if err := <-e.ended; err != nil {
		e.t.Error(err)
	}
	e.ended <- nil
	e.process.Close()
}

// awaitHolder waits until exactly one of the workers holds the lease, and returns it and how long that took.
func awaitHolder(t *testing.T, most time.Duration, all ...*elector) (*elector, time.Duration) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var holder *elector
		for _, e := range all {
			if e.Status().Held {
				if holder != nil {
					t.Fatalf("%s and %s hold the lease", holder.name, e.name)
				}
				holder = e
			}
		}
		took := time.Since(begun)
		if holder != nil {
			return holder, took
		}
		if took > most {
			t.Fatalf("nobody holds the lease after %v", took)
		}
	}
}

func other(of *elector, all ...*elector) *elector {
	for _, e := range all {
		if e != of {
			return e
		}
	}
	return nil
}

// TestLease starts and ends three workers on three brokers.
func TestLease(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.open()
		a := w.elector("a")
		if first, _ := awaitHolder(t, 5*time.Second, a); !first.Confirmed() {
			t.Error("held, not confirmed")
		}
		b, c := w.elector("b"), w.elector("c")
		tenure, _ := a.Tenure()
		time.Sleep(time.Minute)
		if tenure.Err() != nil || b.Status().Held || c.Status().Held {
			t.Fatal("a standby that came took the lease from its holder")
		}
		for _, e := range []*elector{a, b, c} {
			if got := e.Status().Holder; got != "a" {
				t.Errorf("%s believes that %q holds the lease", e.name, got)
			}
		}
		a.end()
		if tenure.Err() == nil || context.Cause(tenure) != ErrLeaseLost {
			t.Errorf("who left still holds the lease: %v", context.Cause(tenure))
		}
		second, took := awaitHolder(t, 2*time.Second, b, c)
		if second != c {
			t.Errorf("%s took over, want the youngest, c", second.name)
		}
		t.Logf("handover in %v", took)
		c.wire.set(true) // as if the process had died
		third, took := awaitHolder(t, leaseTimeout+2*time.Second, b)
		t.Logf("takeover in %v, the timeout is %v", took, leaseTimeout)
		if third != b {
			t.Errorf("%s took over", third.name)
		}
		if took < leaseTimeout/2 {
			t.Errorf("taken over after %v, before the timeout", took)
		}
	})
}

// TestLeaseCutOff: a worker that cannot reach the brokers loses the lease before another can get it.
func TestLeaseCutOff(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.open()
		a, b := w.elector("a"), w.elector("b")
		for range 5 {
			holder, _ := awaitHolder(t, 2*leaseTimeout, a, b)
			tenure, _ := holder.Tenure()
			holder.wire.set(true)
			for tenure.Err() == nil {
				time.Sleep(10 * time.Millisecond)
				if holder.Confirmed() && other(holder, a, b).Status().Held {
					t.Fatal("two workers hold the lease")
				}
			}
			var e *Error
			if !errors.As(context.Cause(tenure), &e) || e.Category != Connection {
				t.Errorf("lost over %v", context.Cause(tenure))
			}
			awaitHolder(t, leaseTimeout, other(holder, a, b))
			holder.wire.set(false)
			time.Sleep(time.Minute)
			if holder.Status().Held {
				t.Fatal("who came back took the lease from its holder")
			}
		}
	})
}

// TestYield: a worker that was fenced is assigned the account only if there is no other.
func TestYield(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.open()
		a := w.elector("a")
		awaitHolder(t, 5*time.Second, a)
		a.Yield()
		if a.Status().Held {
			t.Error("yields and holds")
		}
		awaitHolder(t, 5*time.Second, a)
		if !a.Status().Yielding {
			t.Error("alone in the group, it believes that who fenced it is in it")
		}
		b := w.elector("b")
		if tenure, _ := a.Tenure(); tenure != nil {
			<-tenure.Done()
		}
		if holder, _ := awaitHolder(t, 5*time.Second, a, b); holder != b {
			t.Fatalf("%s holds the lease", holder.name)
		}
		if !b.Status().Yielding {
			t.Error("it would fence the worker that fenced the other one, and is not in the group")
		}
		b.StopYielding()
		time.Sleep(2 * time.Second)
		if a.Status().Yielding {
			t.Error("another holds the lease, and it still yields")
		}
		b.end()
		if holder, took := awaitHolder(t, 2*time.Second, a); holder != a {
			t.Fatalf("nobody after %v", took)
		}
	})
}

// TestLeaseFaults answers every group request with every error that the protocol has for it, and loses it before and after it
// took effect. In the end one of two workers holds the lease.
func TestLeaseFaults(t *testing.T) {
	codes := []*kerr.Error{
		kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnknownMemberID,
		kerr.IllegalGeneration, kerr.RebalanceInProgress,
	}
	for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.FindCoordinator} {
		for _, code := range codes {
			t.Run(fmt.Sprint(key.Name(), " ", code.Message), func(t *testing.T) {
				inWorld(t, 1, func(t *testing.T, w *world) {
					w.open()
					a, b := w.elector("a"), w.elector("b")
					awaitHolder(t, 2*leaseTimeout, a, b)
					fault := w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: code, Count: 3})
					w.elector("c").end() // so that there is something to join
					for range 600 {
						time.Sleep(100 * time.Millisecond)
						if confirmed([]*elector{a, b}) > 1 {
							t.Fatal("two workers have a confirmed lease")
						}
					}
					fault.Remove()
					time.Sleep(time.Minute)
					awaitHolder(t, leaseTimeout, a, b)
				})
			})
		}
	}
}

// TestLeaseRefused: an error that the operator has to correct ends Run, with a hint.
func TestLeaseRefused(t *testing.T) {
	for code, want := range map[*kerr.Error]string{
		kerr.InvalidSessionTimeout:     "LEASE_TIMEOUT",
		kerr.GroupAuthorizationFailed:  "--operation Read --group lease",
		kerr.InconsistentGroupProtocol: "something else uses",
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			w.open()
			w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: code, Count: -1})
			l, err := OpenMember(w.config().Cluster, MemberConfig{Group: "lease", Topic: state, Name: "a", Timeout: leaseTimeout})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			err = l.Run(t.Context())
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Hint, want) {
				t.Errorf("%v: %v, want a hint with %q", code, err, want)
			}
		})
	}
}

// TestLeaveIsLast: the answer to the request to leave may be long on its way, and another worker holds the lease meanwhile.
func TestLeaveIsLast(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.open()
		a := w.elector("a")
		awaitHolder(t, 2*leaseTimeout, a)
		var asked, confirmed atomic.Bool
		w.kafka.ControlKey(int16(kmsg.LeaveGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
			asked.Store(true)
			confirmed.Store(a.Confirmed())
			return nil, nil, false
		})
		a.end()
		if !asked.Load() || confirmed.Load() {
			t.Errorf("asked to leave: %t; still believed to hold the lease then: %t", asked.Load(), confirmed.Load())
		}
	})
}
