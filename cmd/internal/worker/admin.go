package worker

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

	"github.com/convstream/convstream/cmd/internal/replay"
)

// AdminAddr returns the address of the admin port. It waits until Run has opened it; an error is the context's.
func (w *Worker) AdminAddr(ctx context.Context) (net.Addr, error) {
	select {
	case <-w.admin.opened:
		return w.admin.addr, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Admin returns what the admin port answers with.
func (w *Worker) Admin() http.Handler { return w.admin.handler() }

// adminPort is what others ask the process by: probes, Prometheus, people, commands.
type adminPort struct {
	log     zerolog.Logger
	worker  reporter
	metrics prometheus.Gatherer
	guard   guard
	replay  http.Handler

	addr   net.Addr
	opened chan struct{} // closed when it is, and addr is set
}

// reporter is what says how it is.
type reporter interface {
	// healthy is nil unless the process must be ended from outside.
	healthy() error
	// readiness is nil when everything is there that the worker needs.
	readiness(ctx context.Context) error
	// Status is all of it, for people.
	Status(ctx context.Context) Status
}

// open serves until stop is called; when that returns, the address is free.
func (p *adminPort) open(listen func(network, address string) (net.Listener, error), addr string) (stop func(), err error) {
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
	s := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
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

// handler has /metrics, /healthz, /readyz, /status, / for people, and POST /dead-letters/replay.
func (p *adminPort) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, p.worker.healthy()) })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) { answer(rw, p.worker.readiness(r.Context())) })
	mux.HandleFunc("GET /status", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("content-type", "application/json")
		e := json.NewEncoder(rw)
		e.SetIndent("", "  ")
		_ = e.Encode(p.worker.Status(r.Context()))
	})
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("content-type", "text/html; charset=utf-8")
		_ = page.Execute(rw, p.worker.Status(r.Context()))
	})
	mux.Handle("POST "+replay.Path, p.guard.permitting(p.replay))
	return mux
}

func answer(rw http.ResponseWriter, err error) {
	if err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "ok")
}
