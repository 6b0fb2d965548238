// Package admin is the port by which others ask the process: probes, Prometheus, people, commands.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Process is what is asked.
type Process interface {
	// Healthy returns nil unless the process must be ended from outside.
	Healthy() error
	// Readiness returns nil when everything is there that the process needs.
	Readiness(ctx context.Context) error
	// Status is all of it, for people.
	Status(ctx context.Context) Status
	// Letters are the dead letters of an account; "" is the only one. An error says which accounts there are.
	Letters(account string) (Letters, error)
}

// Letters are the dead letters of an account, and whether this process may try them again.
type Letters interface {
	replay.Account
	// AccountID says whose they are.
	AccountID() string
	// MayReplay returns http.StatusOK, or another status and why not now, or not here.
	MayReplay() (code int, why string)
}

// Port is the admin port.
type Port struct {
	log     zerolog.Logger
	process Process
	metrics prometheus.Gatherer
	guard   guard
	replays *replays

	addr   net.Addr
	opened chan struct{} // closed when it is, and addr is set
}

// NewPort returns a port that is not open yet. token is that of ADMIN_TOKEN; protectAll asks for it for reading as well.
func NewPort(process Process, metrics prometheus.Gatherer, token secret.Secret, protectAll bool, log zerolog.Logger) *Port {
	return &Port{
		log: log, process: process, metrics: metrics, guard: guard{token: token, all: protectAll, log: log},
		replays: &replays{log: log, letters: process.Letters}, opened: make(chan struct{}),
	}
}

// Addr returns the address of the port. It waits until that is open; an error is the context's.
func (p *Port) Addr(ctx context.Context) (net.Addr, error) {
	select {
	case <-p.opened:
		return p.addr, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const (
	// mostConnections is many times what probes, Prometheus and people need. Those beyond wait, for idle ones no longer than idleTimeout.
	mostConnections = 256
	// longestAnswer is from the request's head to the end of the answer; replays have longer, see lineByLine.
	longestAnswer = 30 * time.Second
	idleTimeout   = 3 * time.Second // less than a probe waits; the next scrape connects anew
)

// Open serves until stop is called; when that returns, the address is free. listen nil is net.Listen.
func (p *Port) Open(listen func(network, address string) (net.Listener, error), addr string) (stop func(), err error) {
	if listen == nil {
		listen = net.Listen
	}
	l, err := listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ADMIN_ADDR %s: %w. Choose a free port", addr, err)
	}
	p.addr = l.Addr()
	p.log.Info().Stringer("address", p.addr).Msg("admin port")
	close(p.opened)
	l = netutil.LimitListener(&fairListener{Listener: l}, mostConnections)
	s := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: longestAnswer, IdleTimeout: idleTimeout}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error().Err(err).Msg("admin port")
		}
	}()
	return func() {
		_ = s.Close()
		<-ended // where Serve had not begun, it is what closes the listener
	}, nil
}

// Handler has /metrics, /healthz, /readyz, /status, / for people, and POST /dead-letters/replay.
func (p *Port) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.guard.reading(promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}).ServeHTTP))
	mux.Handle("GET /healthz", p.guard.probed(func(*http.Request) error { return p.process.Healthy() }))
	mux.Handle("GET /readyz", p.guard.probed(func(r *http.Request) error { return p.process.Readiness(r.Context()) }))
	mux.Handle("GET /status", p.guard.reading(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("content-type", "application/json")
		e := json.NewEncoder(rw)
		e.SetIndent("", "  ")
		_ = e.Encode(p.process.Status(r.Context()))
	}))
	mux.Handle("GET /{$}", p.guard.reading(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("content-type", "text/html; charset=utf-8")
		_ = page.Execute(rw, p.process.Status(r.Context()))
	}))
	mux.Handle("POST "+replay.Path, p.guard.permitting(p.replays))
	return mux
}

func answer(rw http.ResponseWriter, err error) {
	if err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "ok")
}
