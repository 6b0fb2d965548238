package producer

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// sockets opens connections, with TLS and a login where configured, and keeps the set of open ones. kafka-go closes only idle ones: a
// request whose caller has gone would keep its connection, and a goroutine, until its deadline.
type sockets struct {
	to   Cluster
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	closed  bool
	open    map[net.Conn]struct{}
	renewAt time.Time // when to log in again, before the first login expires; zero if none does
}

const (
	closedWithoutTLS   = "a listener that wants TLS closes connections, too: KAFKA_TLS"
	closedWithoutLogin = "a listener that wants a login closes connections, too: KAFKA_SASL_MECHANISM"
)

var errClosed = errors.New("producer is closed")

func newSockets(to Cluster) *sockets {
	dial := to.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 3 * time.Second}).DialContext
	}
	return &sockets{to: to, dial: dial, open: map[net.Conn]struct{}{}}
}

// DialContext opens a connection and adds it to the set.
func (s *sockets) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	login, err := s.login(ctx, address)
	if err != nil {
		return nil, err
	}
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, s.advertised(address, err)
	}
	lifetime := time.Duration(0)
	if s.to.TLS != nil || s.to.SASL != nil {
		if conn, lifetime, err = s.secure(ctx, conn, address, login); err != nil {
			return nil, err
		}
	} else {
		conn = &frames{Conn: conn, address: address, hints: []string{closedWithoutTLS, closedWithoutLogin}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, errClosed
	}
	c := &socket{Conn: conn, owner: s}
	s.open[c] = struct{}{}
	// Half of the lifetime leaves time for requests under way, and for the interval at which renewalDue is checked.
	if half := time.Now().Add(lifetime / 2); lifetime > 0 && (s.renewAt.IsZero() || half.Before(s.renewAt)) {
		s.renewAt = half
	}
	return c, nil
}

// login returns the login of a connection before it is opened, since a token may have to be waited for; nil without SASL.
func (s *sockets) login(ctx context.Context, address string) (sasl.Mechanism, error) {
	if s.to.SASL == nil {
		return nil, nil
	}
	login, err := s.to.SASL.Login(ctx)
	if err != nil {
		return nil, loginError(address, "was not logged in to: "+err.Error(), "correct it; it is retried, and files are read again", err)
	}
	return login, nil
}

// advertised says of an address that is not among those given that it is the cluster's own word.
func (s *sockets) advertised(address string, err error) error {
	if slices.Contains(s.to.Brokers, address) {
		return err
	}
	return &peerError{
		address: address, category: Connection, text: "is not reached, an address that the cluster advertises: " + err.Error(), err: err,
		hint: "it is that broker's advertised.listeners: the name must resolve and the port be open from here, and the broker be up",
	}
}

// secure does the TLS handshake and the login, or closes the connection. The broker has answered on it then: errors of TLS and of the
// login are returned here.
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
		hints = []string{"", closedWithoutLogin, closedWithoutLogin} // both we and kafka-go ask for ApiVersions
	}
	x := &exchange{conn: &frames{Conn: conn, address: address, hints: hints}, address: address, clientID: s.to.ClientID}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	if err = x.apiVersions(); err == nil && login != nil {
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

// socket is a connection in the set of its sockets.
type socket struct {
	net.Conn
	owner *sockets
}

// Close closes the connection and removes it from the set.
func (s *socket) Close() error {
	s.owner.mu.Lock()
	delete(s.owner.open, s)
	s.owner.mu.Unlock()
	return s.Conn.Close()
}
