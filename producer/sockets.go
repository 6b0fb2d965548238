package producer

import (
	"context"
	"errors"
	"net"
	"sync"
)

// sockets remembers the open connections. kafka-go closes idle ones only: a request whose caller has gone would keep its
// connection, and a goroutine, until its deadline.
type sockets struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

var errClosed = errors.New("producer is closed")

// DialContext opens a connection and remembers it.
func (s *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, errClosed
	}
	c := &socket{frames: frames{Conn: conn, address: address}, owner: s}
	s.open[c] = struct{}{}
	return c, nil
}

func (s *sockets) close() {
	s.mu.Lock()
	s.closed = true
	open := s.open
	s.open = map[net.Conn]struct{}{}
	s.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

type socket struct {
	frames
	owner *sockets
}

// Close closes the connection and forgets it.
func (s *socket) Close() error {
	s.owner.mu.Lock()
	delete(s.owner.open, s)
	s.owner.mu.Unlock()
	return s.Conn.Close()
}
