package registry

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/convstream/convstream/poller/smartassist/httpproxy"
)

// transport reads certificates again after a while, because they may be replaced while the process runs.
type transport struct {
	cfg Config

	mu    sync.Mutex
	made  time.Time       // when inner was made
	inner *http.Transport // nil before the first request
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	inner, err := t.current()
	if err != nil {
		return nil, &secretError{err}
	}
	res, err := inner.RoundTrip(req)
	if err != nil {
		t.renew()
	}
	return res, err
}

func (t *transport) current() (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inner != nil && time.Since(t.made) < idleTimeout {
		return t.inner, nil
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
	t.inner, t.made = newTransport(t.cfg, secured), time.Now()
	return t.inner, nil
}

// renew makes the next request read the certificates and connect again.
func (t *transport) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop()
}

// drop closes the idle connections and makes the next request create a new transport. t.mu is held.
func (t *transport) drop() {
	if t.inner != nil {
		t.inner.CloseIdleConnections()
		t.inner = nil
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
