package fleet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// seeds is how many random worlds the randomised tests go through; one seed alone is -first=N -seeds=1.
var (
	seeds     = flag.Int("seeds", worlds, "random worlds per randomised test")
	firstSeed = flag.Uint64("first", 1, "the first seed")
)

// forSeeds runs a randomised test for each seed and says how to run one of them again.
func forSeeds(t *testing.T, test func(t *testing.T, seed uint64)) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					name, _, _ := strings.Cut(t.Name(), "/")
					t.Logf("again: go test ./cmd/internal/fleet -run '^%s$' -first=%d -seeds=1", name, seed)
				}
			}()
			test(t, seed)
		})
	}
}

// loss is what happens to one request on its way.
type loss int

const (
	arrives loss = iota
	lost         // the connection breaks before the request left: it never takes effect
	unheard      // the connection breaks before the answer came: it took effect, and nobody learns of it
	late         // the answer takes wire.lateBy
	delayed      // the request takes wire.lateBy: it takes effect when nobody waits for its answer any more
)

// overHTTP stands for a request to the service where others are the brokers'.
const overHTTP kmsg.Key = -1

// request is one on its way.
type request struct {
	key  kmsg.Key
	body []byte // its beginning, as it is written
}

// wire is a network that breaks when it is told to.
type wire struct {
	dial   func(context.Context, string, string) (net.Conn, error)
	lateBy time.Duration

	mu    sync.Mutex
	away  func(address string) bool
	fate  func(request) loss
	conns map[*wireConn]bool
}

var errWire = errors.New("the wire is cut")

func newWire(dial func(context.Context, string, string) (net.Conn, error)) *wire {
	return &wire{dial: dial, conns: map[*wireConn]bool{}, away: func(string) bool { return false }}
}

// cut breaks every connection to the address ("" = all) and refuses new ones until mend.
func (w *wire) cut(address string) {
	w.cutWhere(func(to string) bool { return address == "" || sameAddress(to, address) })
}

// cutBrokers cuts all of them.
func (w *wire) cutBrokers() { w.cutWhere(isBroker) }

// isBroker: whatever is not the service.
func isBroker(address string) bool { return !sameAddress(address, serviceAddr) }

func (w *wire) cutWhere(away func(to string) bool) {
	w.mu.Lock()
	w.away = away
	var broken []*wireConn
	for c := range w.conns {
		if w.away(c.to) {
			broken = append(broken, c)
		}
	}
	w.mu.Unlock()
	for _, c := range broken {
		_ = c.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = func(string) bool { return false }
}

// decide gives every request to a broker its fate; nil lets all arrive.
func (w *wire) decide(fate func(kmsg.Key) loss) {
	w.decideAll(func(r request) loss {
		if r.key == overHTTP || fate == nil {
			return arrives
		}
		return fate(r.key)
	})
}

// decideAll gives every request its fate, those to the service too.
func (w *wire) decideAll(fate func(request) loss) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fate = fate
}

func (w *wire) fateOf(r request) loss {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fate == nil {
		return arrives
	}
	return w.fate(r)
}

// DialContext connects, unless the address is away.
func (w *wire) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away(address) {
		_ = conn.Close()
		return nil, errWire
	}
	c := &wireConn{Conn: conn, wire: w, to: address}
	w.conns[c] = true
	return c, nil
}

// wireConn relies on kafka-go writing each request from its length prefix on, and reading its answer before the next one,
// and on net/http writing a request's first line at once.
type wireConn struct {
	net.Conn
	wire *wire
	to   string
	loss atomic.Int32 // of the request under way: net/http reads and writes at once

	mu        sync.Mutex
	straggler *bytes.Buffer // what is under way to arrive late
	closed    bool
}

func (c *wireConn) is(l loss) bool { return c.loss.Load() == int32(l) }

// Close implements net.Conn. What is still under way arrives all the same.
func (c *wireConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c)
	c.wire.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed = true; c.straggler != nil {
		return nil
	}
	return c.Conn.Close()
}

// begins tells that a request begins with b.
func (c *wireConn) begins(b []byte) (r request, begins bool) {
	switch {
	case !isBroker(c.to):
		return request{overHTTP, b}, bytes.HasPrefix(b, []byte("POST "))
	case len(b) > 8 && binary.BigEndian.Uint32(b) >= uint32(len(b)-4) && binary.BigEndian.Uint32(b) < 1<<28:
		return request{kmsg.Key(binary.BigEndian.Uint16(b[4:])), b}, true
	}
	return r, false
}

// Write implements net.Conn.
func (c *wireConn) Write(b []byte) (int, error) {
	if r, begins := c.begins(b); begins {
		c.loss.Store(int32(c.wire.fateOf(r)))
	}
	switch {
	case c.is(lost):
		_ = c.Close()
		return 0, errWire
	case c.is(delayed):
		c.later(b)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// later sends b a while from now.
func (c *wireConn) later(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.straggler != nil {
		c.straggler.Write(b)
		return
	}
	c.straggler = bytes.NewBuffer(bytes.Clone(b))
	time.AfterFunc(c.wire.lateBy, func() {
		c.mu.Lock()
		b := c.straggler.Bytes()
		c.mu.Unlock()
		_ = c.Conn.SetDeadline(time.Now().Add(time.Second)) // nobody else's any more
		if _, err := c.Conn.Write(b); err == nil {
			_, _ = c.Conn.Read(make([]byte, 512))
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		_ = c.Conn.Close()
	})
}

// Read implements net.Conn.
func (c *wireConn) Read(b []byte) (int, error) {
	switch {
	case c.is(late):
		c.loss.Store(int32(arrives))
		time.Sleep(c.wire.lateBy) // virtual
	case c.is(unheard) && isBroker(c.to):
		var length [4]byte
		if _, err := io.ReadFull(c.Conn, length[:]); err == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, int64(binary.BigEndian.Uint32(length[:])))
		}
		_ = c.Close()
		return 0, errWire
	}
	n, err := c.Conn.Read(b)
	if c.is(unheard) && !isBroker(c.to) {
		_ = c.Close()
		return 0, errWire
	}
	return n, err
}

// sameAddress compares ports: the broker calls itself localhost.
func sameAddress(a, b string) bool {
	return a[strings.LastIndexByte(a, ':'):] == b[strings.LastIndexByte(b, ':'):]
}

// complete is the check that nothing that the service showed in time is missing.
func (w *world) complete(r *verify.Report) { r.CheckComplete(w.service, 2*time.Minute) }

// fresh fails the test where the coverage does not reach the present.
func (w *world) fresh(r *verify.Report) {
	w.t.Helper()
	if behind := time.Since(r.CompleteThrough); behind > 10*time.Minute {
		w.t.Errorf("complete through %v, %v ago", r.CompleteThrough, behind)
	}
}

// withinBudget fails the test where more was asked than the default budget allows.
func (w *world) withinBudget() {
	w.t.Helper()
	if most := w.service.MaxPerMinute(); most > 30 {
		w.t.Errorf("%d requests in a minute, the budget is 30", most)
	}
}

// logged fails the test where the log does not hold the text exactly so often.
func (w *world) logged(text string, times int) {
	w.t.Helper()
	if n := w.log.count(text); n != times {
		w.t.Errorf("%d log lines say %q, want %d:\n%s", n, text, times, w.log.tail())
	}
}
