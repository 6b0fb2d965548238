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
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/sr"
)

// Config says how to reach a registry and what may be done there.
type Config struct {
	URL      string         // base of the API, with neither user nor query
	Username string         // "": no login
	Password Password       // of the user; nil without one
	RootCAs  *x509.CertPool // to trust; nil is the system's
	Register bool           // register what is not there; else only look it up
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Log      zerolog.Logger
}

// Password is a secret that may change. Its errors do not hold it.
type Password interface {
	Read() (string, error)
	// Reload makes the next Read look again wherever the password is kept, because it was refused.
	Reload()
}

// Registry is a registry as this process knows it. It may be used from many
// goroutines.
type Registry struct {
	cfg       Config
	client    *sr.Client
	transport *http.Transport

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
	transport := newTransport(cfg)
	r = &Registry{cfg: cfg, transport: transport, ids: map[string]uint32{}, texts: map[uint32]string{}, told: map[string]bool{}}
	r.client, err = sr.NewClient(sr.URLs(cfg.URL), sr.UserAgent("convstream"), sr.PreReq(r.login), sr.HTTPClient(&http.Client{
		Transport: bounded{transport}, Timeout: requestTimeout,
		// A redirect would carry the login to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}))
	return r, err
}

// Close lets go of idle connections.
func (r *Registry) Close() { r.transport.CloseIdleConnections() }

// login runs before every request: a password file may have changed.
func (r *Registry) login(req *http.Request) error {
	if r.cfg.Username == "" {
		return nil
	}
	password, err := r.cfg.Password.Read()
	if err != nil {
		return &secretError{err}
	}
	req.SetBasicAuth(r.cfg.Username, password)
	return nil
}

func newTransport(cfg Config) *http.Transport {
	t := &http.Transport{
		DialContext: cfg.Dial, TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: 1,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs}, MaxResponseHeaderBytes: 64 << 10,
	}
	if cfg.Dial == nil {
		t.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
		t.Proxy = http.ProxyFromEnvironment
	}
	return t
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
