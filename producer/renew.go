package producer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"time"
)

// credentialsInterval is how often files are read for changes. A connection is then dropped after the request under way, which has a
// deadline: all are within a minute.
const credentialsInterval = 10 * time.Second

// renewal is what is known of certificates, password and token.
type renewal struct {
	known   [sha256.Size]byte // those that connections are made with; zero until they are read
	refused [sha256.Size]byte // the last that did not work
	unread  bool              // it is logged that they cannot be read
}

// renewConnections drops all connections, each after the request under way, when a certificate, a key, the password or the token has
// changed and a connection with the new one works; and before logins expire, since brokers then close connections in the middle of a
// transaction. If the new one does not work, the connections stay, and it is tried again. It returns when the cluster is closed.
func (c *cluster) renewConnections() {
	tick := time.NewTicker(credentialsInterval)
	defer tick.Stop()
	var r renewal
	r.known, _ = c.sockets.to.credentials(c.life)
	for {
		select {
		case <-c.life.Done():
			return
		case <-tick.C:
		}
		if c.mustReconnect(&r) {
			c.dropConnections()
		}
	}
}

// mustReconnect reports whether connections are to be made anew, and can be.
func (c *cluster) mustReconnect(r *renewal) bool {
	now, err := c.sockets.to.credentials(c.life)
	if err != nil {
		if !r.unread && c.life.Err() == nil {
			c.outage.log.Warn().Err(err).Msg("kafka: certificate, password or token cannot be read; connections stay")
			r.unread = true
		}
		return false
	}
	if r.unread = false; r.known == [sha256.Size]byte{} {
		r.known = now
	}
	if r.known == now {
		return c.sockets.renewalDue()
	}
	if err := c.sockets.tryConnect(c.life); err != nil {
		if c.life.Err() == nil && r.refused != now {
			r.refused = now
			e := failure("try the new certificate, password or token", err)
			c.outage.log.Warn().Err(e).Str("category", string(e.Category)).Msg("kafka: certificate, password or token changed and does not work; connections stay")
		}
		return false
	}
	r.known = now
	c.outage.log.Info().Msg("kafka: certificate, password or token changed; connections are made anew")
	return true
}

// dropConnections makes kafka-go close the connections that are idle, and the others when their requests are answered.
func (c *cluster) dropConnections() {
	c.sockets.mu.Lock()
	c.sockets.renewAt = time.Time{}
	c.sockets.mu.Unlock()
	c.transport.CloseIdleConnections()
}

// credentials returns a hash of everything that is read for each connection.
func (to Cluster) credentials(ctx context.Context) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if to.TLS != nil {
		for _, f := range [][2]string{{"KAFKA_TLS_CA_FILE", to.TLS.CAFile}, {"KAFKA_TLS_CERT_FILE", to.TLS.CertFile}, {"KAFKA_TLS_KEY_FILE", to.TLS.KeyFile}} {
			if f[1] == "" {
				continue
			}
			content, err := os.ReadFile(f[1])
			if err != nil {
				return sum, fmt.Errorf("%s: %w", f[0], err)
			}
			h.Write(content)
		}
	}
	if to.SASL != nil {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		secret, err := to.SASL.Credentials(ctx)
		if err != nil {
			return sum, err
		}
		h.Write([]byte(secret))
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// tryConnect opens and closes a connection to the first broker that accepts one.
func (s *sockets) tryConnect(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	for _, broker := range s.to.Brokers {
		conn, e := s.DialContext(ctx, "tcp", broker)
		if e == nil {
			return conn.Close()
		}
		err = e
	}
	return err
}

// renewalDue reports whether it is time to log in again.
func (s *sockets) renewalDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.renewAt.IsZero() && !time.Now().Before(s.renewAt)
}
