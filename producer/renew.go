package producer

import (
	"context"
	"crypto/sha256"
	"os"
	"time"
)

// lookEvery is how often files are looked at. A connection is then given up with the request under way, which has a
// deadline, so all are within a minute.
const lookEvery = 10 * time.Second

// renew gives all connections up, each after the request under way, when a certificate, a key or the password has changed
// and a connection made with the new one works; and before sessions end, which brokers do in the middle of a transaction.
// Where the new one does not work, those made with the old one stay, and it is tried again. It ends with the cluster.
func (c *cluster) renew() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	known, _ := c.sockets.to.credentials()
	var refused [sha256.Size]byte
	for {
		select {
		case <-c.life.Done():
			return
		case <-tick.C:
		}
		switch now, err := c.sockets.to.credentials(); {
		case err == nil && now != known:
			if err := c.sockets.try(c.life); err == nil {
				known = now
				c.giveUp()
				c.trouble.log.Info().Msg("kafka: certificate or password changed; connections are made anew")
			} else if c.life.Err() == nil && refused != now {
				refused = now
				e := failure("try the new certificate or password", err)
				c.trouble.log.Warn().Err(e).Str("category", string(e.Category)).Msg("kafka: certificate or password changed and does not work; connections stay")
			}
		case c.sockets.due():
			c.giveUp()
		}
	}
}

// giveUp has kafka-go close the connections that are idle, and the others when their requests are answered.
func (c *cluster) giveUp() {
	c.sockets.mu.Lock()
	c.sockets.renew = time.Time{}
	c.sockets.mu.Unlock()
	c.transport.CloseIdleConnections()
}

// credentials are a sum of all that is read for each connection.
func (to Cluster) credentials() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	var paths []string
	if to.TLS != nil {
		paths = []string{to.TLS.CAFile, to.TLS.CertFile, to.TLS.KeyFile}
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return sum, err
		}
		h.Write(content)
	}
	if to.SASL != nil {
		password, err := to.SASL.Password.Read()
		if err != nil {
			return sum, err
		}
		h.Write([]byte(password))
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
