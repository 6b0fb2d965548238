package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/poller"
)

// shown is the present session for other goroutines.
type shown struct {
	role   atomic.Value                  // admin.Role
	poller atomic.Pointer[poller.Poller] // of the present tenure, or the one that failed; nil while standing by
	memory atomic.Pointer[admin.Memory]  // of a standby
	drift  atomic.Pointer[drift.Report]  // as of the last commit; nil until the state is known
	waits  atomic.Value                  // string: what the reading of the state, or of progress, waits for; "" for nothing

	committed atomic.Bool // a commit has succeeded since the process started
	history   history
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

// stuckAfter is how long the heart may not beat, beyond the longest intended wait, before the worker counts as stuck.
const stuckAfter = 10 * time.Minute

// Healthy returns nil while the session's goroutine makes progress. It does not depend on the service or the brokers: a restart would
// not help them.
func (w *Worker) Healthy() error {
	if silent := w.heart.silence(); silent > stuckAfter+w.cfg.PollInterval {
		return fmt.Errorf("account %s: the loop has not turned for %s", w.cfg.AccountID, silent.Round(time.Second))
	}
	return nil
}

// Ping returns nil if a broker answers.
func (w *Worker) Ping(ctx context.Context) error { return w.producer.Ping(ctx) }

// Readiness returns nil when the worker stands by and could take over, or others do the work, or when it has recovered its state, the
// service has accepted the login, and where commits fail at least one had worked before. Either takes the ids of the schema registry first, where there is one.
func (w *Worker) Readiness() error {
	var errs []error
	role := w.Role()
	if role == admin.Starting {
		errs = append(errs, w.notStarted())
	}
	if waits := w.shown.waits.Load().(string); role == admin.Standby && waits != "" {
		errs = append(errs, fmt.Errorf("standing by, and could not take over: %s", waits))
	}
	if o := w.outages.present.Load(); role == admin.Active && o != nil && !w.shown.committed.Load() {
		errs = append(errs, fmt.Errorf("nothing was committed yet: %s", o.Error))
	}
	if role != admin.Standby && role != admin.Idle && !w.client.Ready() {
		errs = append(errs, w.notLoggedIn())
	}
	return errors.Join(errs...)
}

// notLoggedIn returns how the login is, and why the service cannot be read.
func (w *Worker) notLoggedIn() error {
	err := fmt.Errorf("service: login %s", w.budget.Status().Login)
	if s := w.shown.pollerStatus(); s != nil && s.Trouble != nil {
		err = fmt.Errorf("%w: %s", err, s.Trouble.Error)
	}
	return err
}

// Role returns the worker's role. An active worker whose lease is not confirmed counts as starting: it makes no more requests to the
// service, and waits for the end of its last commit.
func (w *Worker) Role() admin.Role {
	role := w.shown.role.Load().(admin.Role)
	if role == admin.Active && !w.election.confirmed() {
		return admin.Starting
	}
	return role
}

// notStarted returns what a worker that neither works nor stands by waits for.
func (w *Worker) notStarted() error {
	if w.codec.missing() {
		return w.withoutSchemas()
	}
	if w.election.lease != nil {
		if l := w.election.lease.Status(); l.Trouble != nil {
			group, _ := w.election.lease.Group()
			return fmt.Errorf("starting: no active worker can be elected by group %s: %w", group, l.Trouble)
		}
	}
	if w.shown.role.Load() == admin.Active {
		return errors.New("starting: the lease is not confirmed any more")
	}
	if waits := w.shown.waits.Load().(string); waits != "" {
		return fmt.Errorf("starting: the state is not recovered yet: %s", waits)
	}
	return errors.New("starting: the state is not recovered yet")
}

// Status returns the present status; Ready and NotYet are those of Readiness.
func (w *Worker) Status() admin.Account {
	b := w.budget.Status()
	s := admin.Account{
		Role: w.Role(), Account: w.cfg.AccountID, Started: w.started, Kafka: (*admin.Outage)(w.outages.present.Load()), Lease: w.election.status(),
		Budget: admin.Budget{PerMinute: b.PerMinute, Requests: b.Requests, Throttled: b.Throttled, Login: string(b.Login)},
		Poller: w.shown.pollerStatus(), Drift: w.shown.drift.Load(),
		Freshness: w.shown.history.shown(time.Now()),
	}
	if !b.ThrottledUntil.IsZero() {
		s.Budget.ThrottledUntil = &b.ThrottledUntil
	}
	if err := w.Readiness(); err != nil {
		s.NotYet = err.Error()
	}
	s.Ready = s.NotYet == ""
	if s.Role == admin.Standby {
		s.Memory = w.shown.memory.Load()
	}
	return s
}

// pollerStatus, out and loggedIn implement measured.
func (w *Worker) pollerStatus() *poller.Status { return w.shown.pollerStatus() }
func (w *Worker) out() bool                    { return w.outages.present.Load() != nil }
func (w *Worker) loggedIn() bool               { return w.client.Ready() }

// MayReplay implements admin.Letters.
func (l letters) MayReplay() (code int, reason string) { return l.worker.mayAsk() }

// mayAsk returns http.StatusOK if this worker is the active one; else another status and the reason, which names that.
func (w *Worker) mayAsk() (code int, reason string) {
	switch w.Role() {
	case admin.Active:
		return http.StatusOK, ""
	case admin.Standby, admin.Idle:
		_, name := w.election.lease.Group()
		return http.StatusConflict, fmt.Sprintf("this worker (%s) stands by; the active one is %s: ask that one", name, w.election.lease.Status().Holder)
	}
	return http.StatusServiceUnavailable, "this worker is not active yet: ask again when /readyz says ok"
}
