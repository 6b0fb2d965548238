// Package lan is a network for tests in bubbles of virtual time: a [Network] that lies in memory, and a [Wire] to it that loses,
// delays and cuts what it is told to.
package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Network is a network in memory. What is written arrives at once and waits until it is read, as in the buffers of TCP. kfake's own
// is made of net.Pipe, where both ends must meet for every piece and every deadline is a timer: a seventh of what a world costs.
// The zero value has no listeners. Hosts are all the same: addresses differ by their ports.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener // by port, with the colon
}

// port is that of an address, with the colon. A broker calls itself localhost, whatever it is dialed by.
func port(address string) string { return address[strings.LastIndexByte(address, ':'):] }

// Listen is net.Listen.
func (n *Network) Listen(_, address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	at := port(address)
	if n.listeners[at] != nil {
		return nil, fmt.Errorf("listen on %s: in use", address)
	}
	l := &listener{network: n, port: at, dialed: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[at] = l
	return l, nil
}

// DialContext is that of net.Dialer.
func (n *Network) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[port(address)]
	n.mu.Unlock()
	refused := fmt.Errorf("dial %s: connection refused", address)
	if l == nil {
		return nil, refused
	}
	here, there := newStream(), newStream()
	select {
	case l.dialed <- &conn{reads: there, writes: here, at: addr(l.port)}:
		return &conn{reads: here, writes: there, at: addr(l.port)}, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	network *Network
	port    string
	dialed  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.dialed:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.port)
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return addr(l.port) }

// addr is a port with the colon.
type addr string

// Network implements net.Addr.
func (addr) Network() string { return "memory" }

// String implements net.Addr.
func (a addr) String() string { return "localhost" + string(a) }

// conn is one end of a connection. Writing never waits, and so has no deadline.
type conn struct {
	reads, writes *stream
	at            addr
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) { return c.reads.read(b) }

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) { return c.writes.write(b) }

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.at }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.at }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.reads.until(t) }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.reads.until(t) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(_ time.Time) error { return nil }

// Close implements net.Conn. The other end still reads what was written.
func (c *conn) Close() error {
	c.reads.close(io.ErrClosedPipe)
	c.writes.close(io.EOF)
	return nil
}

// stream is one direction of a connection.
type stream struct {
	mu       sync.Mutex
	changed  sync.Cond
	written  []byte
	taken    int   // of these, how many were read
	closed   error // what the reader is told; io.EOF when it has read all
	deadline time.Time
	alarm    *time.Timer // wakes the reader up at its deadline, or before
	rings    time.Time   // when the alarm does
}

func newStream() *stream {
	s := &stream{}
	s.changed.L = &s.mu
	return s
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return 0, io.ErrClosedPipe
	}
	s.written = append(s.written, b...)
	s.changed.Signal()
	return len(b), nil
}

func (s *stream) read(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch ended := s.closed != nil && !errors.Is(s.closed, io.EOF); {
		case ended:
			return 0, s.closed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return 0, os.ErrDeadlineExceeded
		case s.taken < len(s.written):
			n = copy(b, s.written[s.taken:])
			if s.taken += n; s.taken == len(s.written) {
				s.written, s.taken = s.written[:0], 0
			}
			return n, nil
		case s.closed != nil:
			return 0, s.closed
		}
		s.wait()
	}
}

// wait waits for a change or the deadline. Most are moved on long before they are reached, so an alarm that is set is left to
// ring, and set again then.
func (s *stream) wait() {
	if now := time.Now(); !s.deadline.IsZero() && (!s.rings.After(now) || s.rings.After(s.deadline)) {
		s.rings = s.deadline
		if s.alarm == nil {
			s.alarm = time.AfterFunc(s.deadline.Sub(now), s.wake)
		} else {
			s.alarm.Reset(s.deadline.Sub(now))
		}
	}
	s.changed.Wait()
}

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *stream) until(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.changed.Broadcast()
	return nil
}

func (s *stream) close(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed == nil || errors.Is(s.closed, io.EOF) {
		s.closed = why
	}
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.changed.Broadcast()
}
