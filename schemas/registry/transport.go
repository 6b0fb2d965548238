package registry

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/convstream/convstream/poller/smartassist/httpproxy"
)

// transport makes connections with certificates that are replaced while the process runs: it reads them again after a while.
type transport struct {
	cfg Config

	mu   sync.Mutex
	made time.Time
	now  *http.Transport // nil before the first request
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	now, err := t.current()
	if err != nil {
		return nil, &secretError{err}
	}
	res, err := now.RoundTrip(req)
	if err != nil {
		t.renew()
	}
	return res, err
}

func (t *transport) current() (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != nil && time.Since(t.made) < idleTimeout {
		return t.now, nil
	}
	secured := &tls.Config{}
	if t.cfg.TLS != nil {
		var err error
		if secured, err = t.cfg.TLS(); err != nil {
			return nil, err
		}
	}
	secured.MinVersion = tls.VersionTLS12
	t.drop()
	t.now, t.made = newTransport(t.cfg, secured), time.Now()
	return t.now, nil
}

// renew has the next request connect anew.
func (t *transport) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop()
}

func (t *transport) drop() {
	if t.now != nil {
		t.now.CloseIdleConnections()
		t.now = nil
	}
}

func newTransport(cfg Config, secured *tls.Config) *http.Transport {
	t := &http.Transport{
		DialContext: cfg.Dial, TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: 1,
		TLSClientConfig: secured, MaxResponseHeaderBytes: 64 << 10,
	}
	if cfg.Dial == nil {
		t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
		httpproxy.Use(t)
	}
	return t
}
