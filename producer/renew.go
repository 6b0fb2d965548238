package producer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"time"
)

// lookEvery is how often files are looked at. A connection is then given up with the request under way, which has a
// deadline, so all are within a minute.
const lookEvery = 10 * time.Second

// renewal is what is known of certificates, password and token.
type renewal struct {
	known   [sha256.Size]byte // those with which connections are made; zero: not read yet
	refused [sha256.Size]byte // the last that did not work
	unread  bool              // the log says that they cannot be read
}

// renew gives all connections up, each after the request under way, when a certificate, a key, the password or the token has
// changed and a connection made with the new one works; and before sessions end, which brokers do in the middle of a
// transaction. Where the new one does not work, those made with the old one stay, and it is tried again. It ends with the cluster.
func (c *cluster) renew() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var r renewal
	r.known, _ = c.sockets.to.credentials(c.life)
	for {
		select {
		case <-c.life.Done():
			return
		case <-tick.C:
		}
		if c.look(&r) {
			c.giveUp()
		}
	}
}

// look reports whether connections are to be made anew, and can be.
func (c *cluster) look(r *renewal) bool {
	now, err := c.sockets.to.credentials(c.life)
	if err != nil {
		if !r.unread && c.life.Err() == nil {
			c.trouble.log.Warn().Err(err).Msg("kafka: certificate, password or token cannot be read; connections stay")
			r.unread = true
		}
		return false
	}
	if r.unread = false; r.known == [sha256.Size]byte{} {
		r.known = now
	}
	if r.known == now {
		return c.sockets.due()
	}
	if err := c.sockets.try(c.life); err != nil {
		if c.life.Err() == nil && r.refused != now {
			r.refused = now
			e := failure("try the new certificate, password or token", err)
			c.trouble.log.Warn().Err(e).Str("category", string(e.Category)).Msg("kafka: certificate, password or token changed and does not work; connections stay")
		}
		return false
	}
	r.known = now
	c.trouble.log.Info().Msg("kafka: certificate, password or token changed; connections are made anew")
	return true
}

// giveUp has kafka-go close the connections that are idle, and the others when their requests are answered.
func (c *cluster) giveUp() {
	c.sockets.mu.Lock()
	c.sockets.renew = time.Time{}
	c.sockets.mu.Unlock()
	c.transport.CloseIdleConnections()
}

// credentials are a sum of all that is read for each connection.
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

// try opens a connection to the first broker that takes one.
func (s *sockets) try(ctx context.Context) (err error) {
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

// due reports whether sessions must be renewed.
func (s *sockets) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.renew.IsZero() && !time.Now().Before(s.renew)
}
