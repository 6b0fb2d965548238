package producer

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// piped dials pipes whose other end the test holds.
type piped struct{ theirs []net.Conn }

func (p *piped) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.theirs = append(p.theirs, theirs)
	return ours, nil
}

// closed reports whether our end of a connection is closed.
func (p *piped) closed(i int) bool {
	_ = p.theirs[i].SetReadDeadline(time.Now())
	_, err := p.theirs[i].Read(make([]byte, 1))
	return !timedOut(err)
}

// TestSocketsClose: close closes every connection in the set, at once; one that was closed before is not in it, and none joins it later.
func TestSocketsClose(t *testing.T) {
	p := &piped{}
	s := newSockets(Cluster{Brokers: []string{"b:1"}, Dial: p.DialContext})
	var open []net.Conn
	for range 4 {
		c, err := s.DialContext(t.Context(), "tcp", "b:1")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	if err := errors.Join(open[1].Close(), open[1].Close()); err != nil || len(s.open) != 3 || !p.closed(1) || p.closed(0) {
		t.Errorf("one was closed twice: %v, %d open", err, len(s.open))
	}
	s.close()
	s.close()
	for i := range p.theirs {
		if !p.closed(i) {
			t.Errorf("connection %d is open", i)
		}
	}
	if c, err := s.DialContext(t.Context(), "tcp", "b:1"); c != nil || err != errClosed || !p.closed(len(p.theirs)-1) || len(s.open) > 0 {
		t.Errorf("after close: %v, %v", c, err)
	}
}

// TestSocketsCloseWhileDialling: however close and dials fall together, no connection is left open.
func TestSocketsCloseWhileDialling(t *testing.T) {
	for range 200 {
		var mu sync.Mutex
		p := &piped{}
		s := newSockets(Cluster{Brokers: []string{"b:1"}, Dial: func(ctx context.Context, n, a string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			return p.DialContext(ctx, n, a)
		}})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _, _ = s.DialContext(t.Context(), "tcp", "b:1") })
		}
		all.Go(s.close)
		all.Wait()
		for i := range p.theirs {
			if !p.closed(i) {
				t.Fatalf("connection %d of %d is open", i, len(p.theirs))
			}
		}
	}
}

// TestAdvertisedByTheCluster: an address that was not given is the cluster's word; one that was given is the operator's.
func TestAdvertisedByTheCluster(t *testing.T) {
	s := newSockets(Cluster{Brokers: []string{"a:1", "b:1"}, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errBroken }})
	for address, advertised := range map[string]bool{"a:1": false, "b:1": false, "a:2": true, "c:1": true} {
		_, err := s.DialContext(t.Context(), "tcp", address)
		e := failure("", err)
		if !errors.Is(err, errBroken) || e.Category != Connection || strings.Contains(e.Hint, "advertised.listeners") != advertised || strings.Contains(e.Error(), address) != advertised {
			t.Errorf("%s: %v", address, e)
		}
	}
}

// TestLoginBeforeDial: a login that cannot be had costs no connection, and its error says that it is retried.
func TestLoginBeforeDial(t *testing.T) {
	p := &piped{}
	gone := errors.New("KAFKA_SASL_PASSWORD_FILE: no such file")
	s := newSockets(Cluster{Brokers: []string{"b:1"}, Dial: p.DialContext, SASL: UserPassword{Mechanism: "PLAIN", Password: unreadable{gone}}})
	_, err := s.DialContext(t.Context(), "tcp", "b:1")
	if e := failure("", err); e.Category != Login || !e.retriable || !errors.Is(err, gone) || !strings.Contains(e.Error(), "b:1 was not logged in to: KAFKA_SASL_PASSWORD_FILE") || !strings.Contains(e.Hint, "retried") {
		t.Errorf("error %v", e)
	}
	if len(p.theirs) > 0 {
		t.Errorf("%d connections", len(p.theirs))
	}
}

// TestRenewAt: the half of the shortest lifetime; logins that do not end are not renewed, and with new connections it begins anew.
func TestRenewAt(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var lifetime time.Duration
		w.takesTokens(func(string) string { return "" }, func() time.Duration { return lifetime })
		p := w.config().Cluster
		p.SASL = Bearer{Token: fixed("token")}
		c := &cluster{sockets: newSockets(p), transport: &kafka.Transport{}} // nobody else looks whether it is due
		defer c.sockets.close()
		dial := func(valid time.Duration) {
			t.Helper()
			lifetime = valid
			if _, err := c.sockets.DialContext(t.Context(), "tcp", p.Brokers[0]); err != nil {
				t.Fatal(err)
			}
		}
		dial(0)
		if time.Sleep(time.Hour); c.sockets.renewalDue() {
			t.Error("due for a login that does not end")
		}
		dial(time.Hour)
		dial(10 * time.Minute)
		dial(time.Hour)
		if time.Sleep(5*time.Minute - time.Nanosecond); c.sockets.renewalDue() {
			t.Error("due before half of the shortest")
		}
		if time.Sleep(time.Nanosecond); !c.sockets.renewalDue() {
			t.Error("not due after half of the shortest")
		}
		if c.dropConnections(); c.sockets.renewalDue() {
			t.Error("due after connections were dropped")
		}
	}, kfake.EnableSASL())
}

// TestSecureGivesUp: who takes the connection and does not answer is given up after a while, and its connection is closed.
func TestSecureGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		answering(t, network, "", false)
		s := newSockets(Cluster{Brokers: []string{"127.0.0.1:9092"}, Dial: network.DialContext, SASL: UserPassword{Mechanism: "PLAIN", Password: &password{text: "x"}}})
		begun := time.Now()
		_, err := s.DialContext(t.Context(), "tcp", "127.0.0.1:9092")
		if e := failure("", err); e.Category != Timeout || !e.retriable || time.Since(begun) != dialTimeout || len(s.open) > 0 {
			t.Errorf("%v after %v, %d open", err, time.Since(begun), len(s.open))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errBroken) })
		if _, err := s.DialContext(ctx, "tcp", "127.0.0.1:9092"); err != errBroken || time.Since(begun) != dialTimeout+time.Second {
			t.Errorf("canceled: %v after %v", err, time.Since(begun))
		}
	})
}
