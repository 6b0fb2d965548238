// Package registry knows by which ids a schema registry has the schemas of the
// topics. It speaks Confluent's API.
//
// What is registered is the text of the schema file, byte by byte: the docs in
// it are the specification, and to some registries other white space is another
// version. The registry is asked once in the life of a process. Whoever knows the
// ids does not need it any more.
package registry

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr"
)

// Config says how to reach a registry and what may be done there.
type Config struct {
	URL      string      // base of the API, with neither user nor query
	Login    Credentials // nil: no login
	TLS      TLS         // nil: the system's authorities, and no certificate of our own
	Register bool        // register what is not there; else only look it up
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Log      zerolog.Logger
}

// TLS returns what connections are made with: authorities to trust, a certificate to show. It is asked again after a few
// seconds, because files change. Its errors name the setting.
type TLS func() (*tls.Config, error)

// Registry is a registry as this process knows it. It may be used from many
// goroutines.
type Registry struct {
	cfg       Config
	client    *sr.Client
	transport transport
	sent      atomic.Pointer[[]string] // what of the last login must not be shown

	mu    sync.Mutex
	ids   map[string]uint32 // by subject
	texts map[uint32]string
	told  map[string]bool // subjects of which the log has said how they are protected
}

const (
	requestTimeout = 10 * time.Second
	dialTimeout    = 5 * time.Second
	idleTimeout    = 4 * time.Second // it is asked at the start, and then for a long time not
	// largestAnswer is far above any schema's.
	largestAnswer = 4 << 20
)

// Open makes a Registry. It reaches for nothing.
func Open(cfg Config) (r *Registry, err error) {
	r = &Registry{cfg: cfg, transport: transport{cfg: cfg}, ids: map[string]uint32{}, texts: map[uint32]string{}, told: map[string]bool{}}
	r.client, err = sr.NewClient(sr.URLs(cfg.URL), sr.UserAgent("convstream"), sr.PreReq(r.login), sr.HTTPClient(&http.Client{
		Transport: bounded{&r.transport}, Timeout: requestTimeout,
		// A redirect would carry the login to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))
	return r, err
}

// Close lets go of idle connections.
func (r *Registry) Close() { r.transport.renew() }

// login runs before every request: a secret may have changed.
func (r *Registry) login(req *http.Request) error {
	if r.cfg.Login == nil {
		return nil
	}
	secrets, err := r.cfg.Login.to(req)
	if err != nil {
		return &secretError{err}
	}
	r.sent.Store(&secrets)
	return nil
}

// bounded cuts off answers that are larger than any of a registry: the client
// reads them whole.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, largestAnswer)
	}
	return res, err
}
