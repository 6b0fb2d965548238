package worker

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/convstream/convstream/poller"
)

// AdminAddr is the address of the admin port. It waits until Run has opened it; an error is the context's.
func (w *Worker) AdminAddr(ctx context.Context) (net.Addr, error) {
	select {
	case <-w.ready:
		return w.admin, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *Worker) serveAdmin() (stop func(), err error) {
	listen := w.network.Listen
	if listen == nil {
		listen = net.Listen
	}
	l, err := listen("tcp", w.cfg.AdminAddr)
	if err != nil {
		return nil, fmt.Errorf("ADMIN_ADDR %s: %w. Choose a free port", w.cfg.AdminAddr, err)
	}
	w.admin = l.Addr()
	w.log.Info().Stringer("address", w.admin).Msg("admin port")
	close(w.ready)
	s := &http.Server{Handler: w.Admin(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error().Err(err).Msg("admin port")
		}
	}()
	return func() { _ = s.Close() }, nil
}

// Admin is the admin port: /metrics, /healthz, /readyz, /status, / for people, and POST /dead-letters/replay.
func (w *Worker) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { answer(rw, w.healthy()) })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) { answer(rw, w.readiness(r.Context())) })
	mux.HandleFunc("GET /status", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("content-type", "application/json")
		e := json.NewEncoder(rw)
		e.SetIndent("", "  ")
		_ = e.Encode(w.Status(r.Context()))
	})
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("content-type", "text/html; charset=utf-8")
		_ = page.Execute(rw, w.Status(r.Context()))
	})
	mux.Handle("POST /dead-letters/replay", w.permitting(w.replayLetters))
	return mux
}

func answer(rw http.ResponseWriter, err error) {
	if err != nil {
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(rw, "ok")
}

// stuckAfter is how long the loop may not turn before the process counts as stuck, beyond its longest intended wait.
const stuckAfter = 10 * time.Minute

// healthy tells whether the loop turns; whether others are well is no matter of it.
func (w *Worker) healthy() error {
	if silent := w.heart.silence(); silent > stuckAfter+w.cfg.PollInterval {
		return fmt.Errorf("the loop has not turned for %s", silent.Round(time.Second))
	}
	return nil
}

// readiness is nil when the brokers answer, and the worker stands by, or has recovered its state and the service has
// accepted the login. Either takes the ids of the schema registry first, where there is one.
func (w *Worker) readiness(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	var errs []error
	if err := w.producer.Ping(ctx); err != nil {
		errs = append(errs, fmt.Errorf("brokers: %w", err))
	}
	role := w.reportedRole()
	if role == Starting {
		errs = append(errs, w.notStarted())
	}
	if role != Standby && !w.client.Ready() {
		errs = append(errs, fmt.Errorf("service: login %s", w.budget.Status().Login))
	}
	return errors.Join(errs...)
}

// reportedRole is the role as others are told of it. An active worker whose lease is not confirmed asks the service for nothing
// any more; what it waits for is the end of its last commit.
func (w *Worker) reportedRole() Role {
	role := w.shown.role.Load().(Role)
	if role == Active && !w.election.confirmed() {
		return Starting
	}
	return role
}

// notStarted says what a worker that neither works nor stands by waits for.
func (w *Worker) notStarted() error {
	if w.codec.missing() {
		return w.withoutSchemas()
	}
	if w.election.lease != nil {
		if l := w.election.lease.Status(); l.Trouble != nil {
			return fmt.Errorf("starting: no active worker can be elected by group %s: %w", w.election.lease.Group, l.Trouble)
		}
	}
	if w.shown.role.Load() == Active {
		return errors.New("starting: the lease is not confirmed any more")
	}
	return errors.New("starting: the state is not recovered yet")
}

// Status is what /status tells. It holds no personal data and no secret.
type Status struct {
	Role    Role         `json:"role"`
	Account string       `json:"account"`
	Started time.Time    `json:"started"`
	Ready   bool         `json:"ready"`
	NotYet  string       `json:"notReady,omitempty"`
	Kafka   *outage      `json:"kafkaTrouble"` // null while commits work
	Lease   *LeaseStatus `json:"lease"`        // null with LEASE=off
	Budget  BudgetStatus `json:"budget"`
	// Memory is what a standby knows; null for others.
	Memory *memoryStatus `json:"memory"`
	// Coverage and cadences as they really are; null until the state is recovered.
	Poller *poller.Status `json:"poller"`
}

// LeaseStatus tells who is the active one.
type LeaseStatus struct {
	Group  string `json:"group"`  // the consumer group that elects
	Name   string `json:"name"`   // of this worker
	Held   bool   `json:"held"`   // by this worker
	Holder string `json:"holder"` // name of the active worker; "" while it is not known
	// Trouble is why this worker could not take part in the last election; left out when it did.
	Trouble string `json:"trouble,omitempty"`
}

// BudgetStatus is the request budget as it stands.
type BudgetStatus struct {
	PerMinute      int        `json:"perMinute"`
	Requests       uint64     `json:"requests"`
	Throttled      uint64     `json:"throttled"` // answers with status 429
	Login          string     `json:"login"`
	ThrottledUntil *time.Time `json:"throttledUntil"` // null when the service does not hold us back
}

// Status gives the status as it is now.
func (w *Worker) Status(ctx context.Context) Status {
	b := w.budget.Status()
	s := Status{
		Role: w.reportedRole(), Account: w.cfg.AccountID, Started: w.started, Kafka: w.outages.present.Load(),
		Budget: BudgetStatus{PerMinute: b.PerMinute, Requests: b.Requests, Throttled: b.Throttled, Login: string(b.Login)},
	}
	if !b.ThrottledUntil.IsZero() {
		s.Budget.ThrottledUntil = &b.ThrottledUntil
	}
	if err := w.readiness(ctx); err != nil {
		s.NotYet = err.Error()
	}
	s.Ready = s.NotYet == ""
	if w.election.lease != nil {
		l := w.election.lease.Status()
		s.Lease = &LeaseStatus{Group: w.election.lease.Group, Name: w.election.lease.Name, Held: l.Held, Holder: l.Holder}
		if l.Trouble != nil {
			s.Lease.Trouble = l.Trouble.Error()
		}
	}
	if s.Role == Standby {
		s.Memory = w.shown.memory.Load()
	}
	if p := w.shown.poller.Load(); p != nil {
		status := p.Status()
		s.Poller = &status
	}
	return s
}

//go:embed status.html
var pageText string

var page = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago": func(t time.Time) string {
		if t.IsZero() {
			return "not yet"
		}
		return time.Since(t).Round(time.Second).String() + " ago"
	},
	"utc": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
}).Parse(pageText))
