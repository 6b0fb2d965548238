// Package admin serves the admin port of the process: probes, metrics, status and replays of dead letters.
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

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/auditor"
	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller/smartassist/secret"
)

// Process is what the admin port shows.
type Process interface {
	// Healthy returns nil unless the process must be restarted from outside.
	Healthy() error
	// Readiness returns nil if everything is available that the process needs.
	Readiness(ctx context.Context) error
	// Status returns the state of the process and its accounts.
	Status(ctx context.Context) Status
	// Letters returns the dead letters of an account; "" means the only one. The error names the accounts of the process.
	Letters(account string) (Letters, error)
	// Ranges returns the backfills and gaps of an account, as Letters does.
	Ranges(account string) (Ranges, error)
	// Audits returns what audits an account, as Letters does.
	Audits(account string) (Audits, error)
}

// Letters are the dead letters of an account.
type Letters interface {
	replay.Account
	// AccountID returns the id of the account.
	AccountID() string
	// MayReplay returns http.StatusOK if this process can replay them now, otherwise another status and the reason.
	MayReplay() (code int, reason string)
}

// Port is the admin port.
type Port struct {
	log     zerolog.Logger
	process Process
	metrics prometheus.Gatherer
	guard   guard
	replays *replays
	audits  *audits

	addr   net.Addr
	opened chan struct{} // closed when the port is open and addr is set
}

// NewPort returns a Port, which is not open yet. token is ADMIN_TOKEN; with protectAll, reading requires it, too.
func NewPort(process Process, metrics prometheus.Gatherer, token secret.Secret, protectAll bool, log zerolog.Logger) *Port {
	return &Port{
		log: log, process: process, metrics: metrics, guard: guard{token: token, all: protectAll, log: log},
		replays: &replays{log: log, letters: process.Letters}, audits: &audits{log: log, accounts: process.Audits}, opened: make(chan struct{}),
	}
}

// Addr waits until the port is open and returns its address, or the error of the context.
func (p *Port) Addr(ctx context.Context) (net.Addr, error) {
	select {
	case <-p.opened:
		return p.addr, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const (
	// mostConnections is many times what probes, Prometheus and people need. Others wait until one is closed, idle ones after idleTimeout.
	mostConnections = 256
	// longestAnswer is from the end of the request's header to the end of the response; replays take longer, see lineByLine.
	longestAnswer = 30 * time.Second
	idleTimeout   = 3 * time.Second // less than a probe waits; the next scrape makes a new connection
)

// Open serves until stop is called; when stop returns, the address is free. If listen is nil, net.Listen is used.
func (p *Port) Open(listen func(network, address string) (net.Listener, error), addr string) (stop func(), err error) {
	if listen == nil {
		listen = net.Listen
	}
	l, err := listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ADMIN_ADDR %s: %w; choose a free port", addr, err)
	}
	p.addr = l.Addr()
	p.log.Info().Stringer("address", p.addr).Msg("admin port is open")
	close(p.opened)
	l = netutil.LimitListener(&fairListener{Listener: l}, mostConnections)
	s := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: longestAnswer, IdleTimeout: idleTimeout}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error().Err(err).Msg("admin port failed")
		}
	}()
	return func() {
		_ = s.Close()
		<-ended // if Serve had not begun, it closes the listener
	}, nil
}

// Handler serves /metrics, /healthz, /readyz, /status, / as a page for people, and what operators ask for: replays of dead letters,
// backfills, gaps.
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
		rw.Header().Set("content-security-policy", pagePolicy())
		_ = page.Execute(rw, p.process.Status(r.Context()))
	}))
	mux.Handle("POST "+replay.Path, p.guard.permitting(p.replays))
	mux.Handle("POST "+auditor.Path, p.guard.permitting(p.audits))
	h := rangeHandler{p.process.Ranges}
	mux.Handle("POST "+client.BackfillsPath, p.guard.permitting(asked(h, h.backfill)))
	mux.Handle("POST "+client.CancelPath, p.guard.permitting(asked(h, h.cancel)))
	mux.Handle("POST "+client.AcceptPath, p.guard.permitting(asked(h, h.accept)))
	mux.Handle("GET "+client.BackfillsPath, p.guard.reading(asked(h, h.backfills).ServeHTTP))
	mux.Handle("GET "+client.GapsPath, p.guard.reading(asked(h, h.gaps).ServeHTTP))
	return mux
}

func answer(rw http.ResponseWriter, err error) {
	if err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "ok")
}
