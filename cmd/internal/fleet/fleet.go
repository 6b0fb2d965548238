// Package fleet runs the process: its accounts, each with a worker, one member of the consumer group that assigns the accounts
// to the replicas, and one admin port.
//
//	Fleet -- producer.Member          the accounts that the group assigns to this replica
//	      -- account -- worker.Worker one for each account that has settings; it is active, standby or idle
//	      -- admin.Port               shows all of them
//
// An error that ends a worker for good, such as a lost state, ends that account only. Without ACCOUNTS_DIR there can be no other account,
// and the process ends with it.
package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/producer"
)

// Config has the parts of a Fleet.
type Config struct {
	Process  *config.Process
	Accounts []config.AccountFile
	// Reload reads the accounts again; nil without ACCOUNTS_DIR: there is one account, and the process ends with it.
	Reload  func() ([]config.AccountFile, error)
	Log     zerolog.Logger
	Network worker.Network
	Name    string // distinguishes this process from the other replicas
}

// Fleet runs the accounts of a process.
type Fleet struct {
	Config
	started time.Time
	host    worker.Host
	member  *producer.Member // nil with LEASE=off
	port    *admin.Port
	metrics *prometheus.Registry
	fail    context.CancelCauseFunc // ends the process; set by Run
	pings   pingCache

	mu          sync.Mutex
	accounts    map[string]*account // by id
	reloadError string              // of the last Reload; "" if it had none
	refused     map[string]string   // errors of files whose account is not known, by file name

	// Used by watch alone.
	outOfGroup  time.Time // since when this process has not been in the group; zero if it is
	groupLogged bool      // outOfGroup is in the log
}

// clientID is the Kafka client id of a process without a name.
const clientID = "convstream"

// New returns a Fleet. It connects to nothing.
func New(c Config) (*Fleet, error) {
	compressor, err := producer.NewCompressor()
	if err != nil {
		return nil, err
	}
	f := &Fleet{
		Config: c, host: worker.Host{Network: c.Network, Compressor: compressor, LogsGroup: c.Reload != nil}, started: time.Now(),
		accounts: map[string]*account{}, refused: map[string]string{},
	}
	if c.Process.Lease {
		to := c.Process.Kafka.Cluster(cmp.Or(c.Name, clientID), c.Network.Dial, zerolog.Nop()) // the brokers' tools show the name of the replica
		f.member, err = producer.OpenMember(to, producer.MemberConfig{
			Group: c.Process.LeaseGroup(), Topic: c.Process.Topics().State(), Name: c.Name, Timeout: c.Process.LeaseTimeout,
		})
		if err != nil {
			return nil, err
		}
	}
	f.metrics = newMetrics(f)
	f.port = admin.NewPort(f, prometheus.GathererFunc(f.gather), c.Process.AdminToken, c.Process.AdminProtect == config.ProtectAll, c.Log)
	for _, file := range c.Accounts {
		a, err := f.newAccount(file)
		if err != nil {
			f.closeUnused()
			return nil, err
		}
		f.accounts[a.id] = a
	}
	return f, nil
}

// closeUnused closes a Fleet that is not going to run.
func (f *Fleet) closeUnused() {
	if f.member != nil {
		f.member.Close()
	}
}

// Port returns the admin port.
func (f *Fleet) Port() *admin.Port { return f.port }

// Worker returns the current worker of an account, nil if there is no such account.
func (f *Fleet) Worker(account string) *worker.Worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.accounts[account]; a != nil {
		return a.worker.Load()
	}
	return nil
}

// Run works until the context ends, and then drains: each account finishes its commit, within SHUTDOWN_TIMEOUT, and is handed over to
// the other replicas at once. It returns nil after a complete drain, and an error if the process cannot continue or the drain was cut
// off.
func (f *Fleet) Run(ctx context.Context) error {
	stopAdmin, err := f.port.Open(f.Network.Listen, f.Process.AdminAddr)
	if err != nil {
		f.closeUnused()
		return err
	}
	defer stopAdmin()
	work, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	f.fail = fail
	leave := f.join(ctx)
	f.mu.Lock()
	for _, a := range f.accounts {
		f.start(work, a)
	}
	f.mu.Unlock()
	f.watch(work)
	err = f.drain()
	leave()
	if cause := context.Cause(work); ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// groupRetry is the pause before the group is joined again after an error.
const groupRetry = 15 * time.Second

// join keeps this process a member of the group until leave is called.
func (f *Fleet) join(ctx context.Context) (leave func()) {
	if f.member == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a drain leaves the group last
	left := make(chan struct{})
	go func() {
		defer close(left)
		for ctx.Err() == nil {
			err := f.member.Run(ctx)
			if e, ok := errors.AsType[*producer.Error](err); ok && e.Category == producer.Settings && ctx.Err() == nil {
				f.fail(err)
				return
			}
			wait(ctx, groupRetry) // the error is logged by logGroup, or by the one worker
		}
	}()
	return func() {
		cancel()
		<-left
		f.member.Close()
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// drain stops all accounts, and returns the errors of those that could not finish.
func (f *Fleet) drain() error {
	f.mu.Lock()
	accounts := f.sorted()
	f.mu.Unlock()
	if f.member != nil {
		f.member.Drain()
	}
	for _, a := range accounts {
		a.stop()
	}
	var ending sync.WaitGroup
	errs := make([]error, len(accounts))
	for i, a := range accounts {
		ending.Go(func() {
			errs[i] = a.wait()
			f.withdraw(a) // at once: its standby need not wait for the other accounts
		})
	}
	ending.Wait()
	return errors.Join(errs...)
}

// sorted returns the accounts ordered by id. f.mu is held.
func (f *Fleet) sorted() []*account {
	out := make([]*account, 0, len(f.accounts))
	for _, a := range f.accounts {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *account) int { return strings.Compare(a.id, b.id) })
	return out
}

func (f *Fleet) list() []*account {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sorted()
}

// alone reports whether the process has one account only, without ACCOUNTS_DIR.
func (f *Fleet) alone() bool { return f.Reload == nil }

// Healthy implements admin.Process.
func (f *Fleet) Healthy() error {
	for _, a := range f.list() {
		if err := a.worker.Load().Healthy(); err != nil && a.ended() == nil {
			return err
		}
	}
	return nil
}

// Readiness implements admin.Process. Without ACCOUNTS_DIR it is that of the account. Otherwise it is that of the process: the brokers can
// be reached, the group has been joined, and each account has a role, or an error that concerns it alone and is shown elsewhere.
func (f *Fleet) Readiness(ctx context.Context) error {
	accounts := f.list()
	var errs []error
	if err := f.pings.get(ctx, func(ctx context.Context) error { return ping(ctx, accounts) }); err != nil {
		errs = append(errs, fmt.Errorf("brokers: %w", err))
	}
	if f.member != nil && !f.alone() {
		if s := f.member.Status(); !s.Joined {
			errs = append(errs, cmp.Or(s.Trouble, errors.New("starting: the group has not been joined yet")))
		}
	}
	for _, a := range accounts {
		switch s := a.worker.Load().Status(); {
		case f.alone():
			errs = append(errs, a.worker.Load().Readiness())
		case s.Role == admin.Starting && s.Kafka == nil && a.ended() == nil:
			errs = append(errs, fmt.Errorf("account %s: %s", a.id, s.NotYet))
		}
	}
	return errors.Join(errs...)
}

// ping returns nil if a broker answers one of the accounts. The producer of an account that has ended or restarts cannot ask.
func ping(ctx context.Context, accounts []*account) (err error) {
	for _, a := range accounts {
		if err = a.worker.Load().Ping(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Status implements admin.Process.
func (f *Fleet) Status(ctx context.Context) admin.Status {
	s := admin.Status{Name: f.Name, Started: f.started, Wrong: f.wrong(), Accounts: []admin.Account{}}
	if err := f.Readiness(ctx); err != nil {
		s.NotReady = err.Error()
	}
	s.Ready = s.NotReady == ""
	if f.member != nil {
		m := f.member.Status()
		s.Group = &admin.Group{ID: f.member.Group, Joined: m.Joined}
		if m.Trouble != nil {
			s.Group.Trouble = m.Trouble.Error()
		}
	}
	for _, a := range f.list() {
		s.Accounts = append(s.Accounts, a.status())
	}
	return s
}

// Letters implements admin.Process.
func (f *Fleet) Letters(id string) (admin.Letters, error) {
	w, err := f.workerOf(id)
	if err != nil {
		return nil, err
	}
	return w.Letters(), nil
}

// Ranges implements admin.Process.
func (f *Fleet) Ranges(id string) (admin.Ranges, error) {
	w, err := f.workerOf(id)
	if err != nil {
		return nil, err
	}
	return w.Ranges(), nil
}

// Audits implements admin.Process.
func (f *Fleet) Audits(id string) (admin.Audits, error) {
	w, err := f.workerOf(id)
	if err != nil {
		return nil, err
	}
	return w.Audits(), nil
}

// workerOf returns the worker of an account; "" means the only one. The error names the accounts of the process.
func (f *Fleet) workerOf(id string) (*worker.Worker, error) {
	accounts := f.list()
	if id == "" && len(accounts) == 1 {
		return accounts[0].worker.Load(), nil
	}
	for _, a := range accounts {
		if a.id == id {
			return a.worker.Load(), nil
		}
	}
	ids := make([]string, len(accounts))
	for i, a := range accounts {
		ids[i] = a.id
	}
	if id == "" {
		return nil, fmt.Errorf("there are %d accounts: name one with --account (in the URL, ?account=ID): %s", len(ids), strings.Join(ids, ", "))
	}
	return nil, fmt.Errorf("%.40q is not an account of this process: %s", id, strings.Join(ids, ", "))
}

var _ admin.Process = (*Fleet)(nil)
