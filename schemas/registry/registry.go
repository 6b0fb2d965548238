// Package registry looks up the ids of the topics' schemas in a schema registry, and registers the schemas. It uses Confluent's API.
//
// The text of a schema file is registered byte by byte: the docs in it are the specification, and some registries take other white space
// for another version. Each id is requested once in the life of a process; after that the registry is not needed.
package registry

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr"
)

// Config is how to reach a registry, and whether to register schemas there.
type Config struct {
	URL      string      // base of the API, without user and query
	Login    Credentials // nil for no login
	TLS      TLS         // nil for the system's authorities and no client certificate
	Register bool        // register missing schemas; otherwise they are only looked up
	// Dial connects; if nil, the network, or the proxy of the environment.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  zerolog.Logger
	// Answered, if it is not nil, is called after each request with its outcome: the class of the status, like "2xx", or "connection", if
	// there was no answer.
	Answered func(outcome string, took time.Duration)
}

// TLS returns the authorities to trust and the client certificate of new connections. It is called again after a few
// seconds, because files change. Its errors name the setting.
type TLS func() (*tls.Config, error)

// Registry is a client of a schema registry, with a cache. It is safe for use by several goroutines.
type Registry struct {
	cfg       Config
	client    *sr.Client
	transport transport
	sent      atomic.Pointer[[]string] // secrets of the last login

	mu     sync.Mutex
	ids    map[string]uint32 // by subject
	texts  map[uint32]string
	warned map[string]bool // subjects whose compatibility level was logged
}

const (
	requestTimeout = 10 * time.Second
	dialTimeout    = 5 * time.Second
	idleTimeout    = 4 * time.Second // there are requests at the start, and then none for a long time
	// largestAnswer is much larger than any schema.
	largestAnswer = 4 << 20
)

// Open returns a Registry. It does not connect.
func Open(cfg Config) (r *Registry, err error) {
	r = &Registry{cfg: cfg, transport: transport{cfg: cfg}, ids: map[string]uint32{}, texts: map[uint32]string{}, warned: map[string]bool{}}
	r.client, err = sr.NewClient(sr.URLs(cfg.URL), sr.UserAgent("convstream"), sr.PreReq(r.login), sr.HTTPClient(&http.Client{
		Transport: timed{bounded{&r.transport}, cfg.Answered}, Timeout: requestTimeout,
		// A redirect would send the login to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))
	return r, err
}

// Close closes idle connections.
func (r *Registry) Close() { r.transport.renew() }

// login adds the current login to a request.
func (r *Registry) login(req *http.Request) error {
	if r.cfg.Login == nil {
		return nil
	}
	secrets, err := r.cfg.Login.addTo(req)
	if err != nil {
		return &secretError{err}
	}
	r.sent.Store(&secrets)
	return nil
}

// bounded limits the size of answers, since the client reads them whole.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, largestAnswer)
	}
	return res, err
}

// timed tells of each request.
type timed struct {
	http.RoundTripper
	answered func(outcome string, took time.Duration)
}

// RoundTrip implements http.RoundTripper.
func (t timed) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.answered == nil {
		return t.RoundTripper.RoundTrip(req)
	}
	began := time.Now()
	res, err := t.RoundTripper.RoundTrip(req)
	outcome := "connection"
	if err == nil {
		outcome = strconv.Itoa(res.StatusCode/100) + "xx"
	}
	t.answered(outcome, time.Since(began))
	return res, err
}
