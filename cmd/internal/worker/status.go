package worker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"sync/atomic"
	"time"

	"github.com/convstream/convstream/poller"
)

// shown is what others see of the present session.
type shown struct {
	role   atomic.Value                  // Role
	poller atomic.Pointer[poller.Poller] // of the present tenure, or the one that failed; nil while standing by
	memory atomic.Pointer[memoryStatus]  // as a standby knows it
}

// pollerStatus is nil until the state is recovered, and while standing by.
func (s *shown) pollerStatus() *poller.Status {
	p := s.poller.Load()
	if p == nil {
		return nil
	}
	status := p.Status()
	return &status
}

// stuckAfter is how long the loop may not turn before the process counts as stuck, beyond its longest intended wait.
const stuckAfter = 10 * time.Minute

// healthy implements reporter. Whether others are well does not matter to it: a restart would not make them so.
func (w *Worker) healthy() error {
	if silent := w.heart.silence(); silent > stuckAfter+w.cfg.PollInterval {
		return fmt.Errorf("the loop has not turned for %s", silent.Round(time.Second))
	}
	return nil
}

// readiness implements reporter: nil when the brokers answer, and the worker stands by, or has recovered its state and the
// service has accepted the login. Either takes the ids of the schema registry first, where there is one.
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

// Status is what /status answers. It holds no personal data and no secret.
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

// LeaseStatus says who is the active one.
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

// Status returns the status as it is now.
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
	s.Poller = w.shown.pollerStatus()
	return s
}

// pollerStatus, out and loggedIn implement measured.
func (w *Worker) pollerStatus() *poller.Status { return w.shown.pollerStatus() }
func (w *Worker) out() bool                    { return w.outages.present.Load() != nil }
func (w *Worker) loggedIn() bool               { return w.client.Ready() }

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
