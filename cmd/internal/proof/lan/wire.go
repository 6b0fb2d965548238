package lan

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Loss is what happens to one request on its way.
type Loss int

const (
	// Arrives is a request that is answered at once.
	Arrives Loss = iota
	// Lost breaks the connection before the request left: it never takes effect.
	Lost
	// Unheard breaks the connection before the answer came: the request took effect, and nobody learns of it.
	Unheard
	// Late has the answer take [Wire.LateBy].
	Late
	// Delayed has the request take [Wire.LateBy]: it takes effect when nobody waits for its answer any more.
	Delayed
)

// OverHTTP stands for a request to the service where others are the brokers'.
const OverHTTP kmsg.Key = -1

// Request is one on its way.
type Request struct {
	Key  kmsg.Key
	Body []byte // its beginning, as it is written
}

// Wire is a network that breaks when it is told to. [NewWire] makes one.
type Wire struct {
	LateBy time.Duration // how long what is late or delayed takes; to be set before anything is

	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	service string // its address

	mu    sync.Mutex
	away  func(address string) bool
	fate  func(Request) Loss
	conns map[*wireConn]bool
}

var errWire = errors.New("the wire is cut")

// NewWire returns a wire to the network that dial belongs to. service is the address that is asked over HTTP; all others are taken for
// brokers.
func NewWire(dial func(ctx context.Context, network, address string) (net.Conn, error), service string) *Wire {
	return &Wire{dial: dial, service: service, conns: map[*wireConn]bool{}, away: func(string) bool { return false }}
}

// Cut breaks every connection to the address ("" = all) and refuses new ones until Mend.
func (w *Wire) Cut(address string) {
	w.cutWhere(func(to string) bool { return address == "" || port(to) == port(address) })
}

// CutBrokers is Cut for all of them.
func (w *Wire) CutBrokers() { w.cutWhere(w.isBroker) }

// isBroker: whatever is not the service.
func (w *Wire) isBroker(address string) bool { return port(address) != port(w.service) }

func (w *Wire) cutWhere(away func(to string) bool) {
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

// Mend undoes Cut.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = func(string) bool { return false }
}

// Decide gives every request to a broker its fate; nil lets all arrive.
func (w *Wire) Decide(fate func(kmsg.Key) Loss) {
	w.DecideAll(func(r Request) Loss {
		if r.Key == OverHTTP || fate == nil {
			return Arrives
		}
		return fate(r.Key)
	})
}

// DecideAll gives every request its fate, those to the service too. fate is called for one at a time, and must not call the wire.
func (w *Wire) DecideAll(fate func(Request) Loss) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fate = fate
}

func (w *Wire) fateOf(r Request) Loss {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fate == nil {
		return Arrives
	}
	return w.fate(r)
}

// DialContext connects, unless the address is away.
func (w *Wire) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
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
	wire *Wire
	to   string
	loss atomic.Int32 // of the request under way: net/http reads and writes at once

	mu        sync.Mutex
	straggler *bytes.Buffer // what is under way to arrive late
	closed    bool
}

func (c *wireConn) is(l Loss) bool { return c.loss.Load() == int32(l) }

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
func (c *wireConn) begins(b []byte) (r Request, begins bool) {
	switch {
	case !c.wire.isBroker(c.to):
		return Request{OverHTTP, b}, bytes.HasPrefix(b, []byte("POST "))
	case len(b) > 8 && binary.BigEndian.Uint32(b) >= uint32(len(b)-4) && binary.BigEndian.Uint32(b) < 1<<28:
		return Request{kmsg.Key(binary.BigEndian.Uint16(b[4:])), b}, true
	}
	return r, false
}

// Write implements net.Conn.
func (c *wireConn) Write(b []byte) (int, error) {
	if r, begins := c.begins(b); begins {
		c.loss.Store(int32(c.wire.fateOf(r)))
	}
	switch {
	case c.is(Lost):
		_ = c.Close()
		return 0, errWire
	case c.is(Delayed):
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
	time.AfterFunc(c.wire.LateBy, func() {
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
	case c.is(Late):
		c.loss.Store(int32(Arrives))
		time.Sleep(c.wire.LateBy) // virtual
	case c.is(Unheard) && c.wire.isBroker(c.to):
		var length [4]byte
		if _, err := io.ReadFull(c.Conn, length[:]); err == nil {
			_, _ = io.CopyN(io.Discard, c.Conn, int64(binary.BigEndian.Uint32(length[:])))
		}
		_ = c.Close()
		return 0, errWire
	}
	n, err := c.Conn.Read(b)
	if c.is(Unheard) && !c.wire.isBroker(c.to) {
		_ = c.Close()
		return 0, errWire
	}
	return n, err
}
