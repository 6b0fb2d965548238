package producer

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// sockets opens connections, secured and logged in, and remembers the open ones. kafka-go closes idle ones only: a request
// whose caller has gone would keep its connection, and a goroutine, until its deadline.
type sockets struct {
	to   Cluster
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
	renew  time.Time // when the first session comes to its end; zero without one
}

const (
	endsWithoutTLS   = "a listener that wants TLS ends connections, too: KAFKA_TLS"
	endsWithoutLogin = "a listener that wants a login ends connections, too: KAFKA_SASL_MECHANISM"
)

var errClosed = errors.New("producer is closed")

// DialContext opens a connection and remembers it.
func (s *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	login, err := s.login(ctx, address)
	if err != nil {
		return nil, err
	}
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	lifetime := time.Duration(0)
	if s.to.TLS != nil || s.to.SASL != nil {
		if conn, lifetime, err = s.secure(ctx, conn, address, login); err != nil {
			return nil, err
		}
	} else {
		conn = &frames{Conn: conn, address: address, hints: []string{endsWithoutTLS, endsWithoutLogin}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, errClosed
	}
	c := &socket{Conn: conn, owner: s}
	s.open[c] = struct{}{}
	// Half of it leaves time for requests under way, and for a look that comes late.
	if half := time.Now().Add(lifetime / 2); lifetime > 0 && (s.renew.IsZero() || half.Before(s.renew)) {
		s.renew = half
	}
	return c, nil
}

// login reads what a connection will log in with, nil where it does not, before there is one: a token may have to be waited for.
func (s *sockets) login(ctx context.Context, address string) (sasl.Mechanism, error) {
	if s.to.SASL == nil {
		return nil, nil
	}
	login, err := s.to.SASL.Login(ctx)
	if err != nil {
		return nil, loginError(address, "was not logged in to: "+err.Error(), "put it right; it is tried again by itself, and files are read again", err)
	}
	return login, nil
}

// secure makes a connection ready for kafka-go, or closes it. The broker has answered on it: what is wrong with TLS and with
// the login shows here.
func (s *sockets) secure(ctx context.Context, conn net.Conn, address string, login sasl.Mechanism) (secured net.Conn, lifetime time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw := conn
	defer func() {
		if err != nil {
			_ = raw.Close()
		}
	}()
	asked := func() bool { return false }
	if s.to.TLS != nil {
		if conn, asked, err = s.to.TLS.handshake(ctx, conn, address); err != nil {
			return nil, 0, err
		}
	}
	var hints []string
	if login == nil {
		hints = []string{"", endsWithoutLogin, endsWithoutLogin} // both we and kafka-go greet
	}
	x := &exchange{conn: &frames{Conn: conn, address: address, hints: hints}, address: address, clientID: s.to.ClientID}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	if err = x.greet(); err == nil && login != nil {
		lifetime, err = x.login(ctx, s.to.SASL, login)
	}
	if !stop() {
		return nil, 0, context.Cause(ctx)
	}
	if s.to.TLS != nil && err != nil {
		err = explainTLS(address, err, asked())
	}
	return x.conn, lifetime, err
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
	net.Conn
	owner *sockets
}

// Close closes the connection and forgets it.
func (s *socket) Close() error {
	s.owner.mu.Lock()
	delete(s.owner.open, s)
	s.owner.mu.Unlock()
	return s.Conn.Close()
}
