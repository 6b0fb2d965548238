package fleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/producer"
)

// account is one account of the process: its settings and its current worker.
type account struct {
	id     string
	file   config.AccountFile // whose settings are in use
	worker atomic.Pointer[worker.Worker]
	lease  *producer.Lease // nil with LEASE=off

	cancel context.CancelFunc // stops work; nil before start
	done   chan struct{}      // closed when work has returned
	failed error              // of work; valid when done is closed

	mu       sync.Mutex
	end      error // that ended the last worker for good; nil while a worker runs
	settings error // why the current file is not used; nil if it is
}

// newAccount returns an account with a worker that is not running yet.
func (f *Fleet) newAccount(file config.AccountFile) (*account, error) {
	a := &account{id: file.Config.AccountID, file: file}
	return a, f.renew(a)
}

// renew makes the account's next worker, and requests the account from the group.
func (f *Fleet) renew(a *account) error {
	if f.member != nil {
		a.lease = f.member.Lease(a.id)
	}
	w, err := worker.New(a.file.Config, f.Log.With().Str("account", a.id).Logger(), f.host, a.lease)
	if err != nil {
		f.withdraw(a) // otherwise the group might assign it to this replica, which has no worker
		return err
	}
	a.worker.Store(w)
	return nil
}

// start runs the account until stop is called.
func (f *Fleet) start(ctx context.Context, a *account) {
	ctx, a.cancel = context.WithCancel(ctx)
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)
		a.failed = f.work(ctx, a)
	}()
}

// endedRetry is the pause before an account that has ended is tried again: first an operator has to correct its topics or its file.
const endedRetry = 5 * time.Minute

// work runs one worker after the other until ctx ends. Its error is that of a drain that was cut off.
func (f *Fleet) work(ctx context.Context, a *account) error {
	for {
		err := a.worker.Load().Run(ctx)
		switch {
		case ctx.Err() != nil:
			return err
		case f.alone(), f.member == nil && errors.Is(err, producer.ErrFenced): // trying again would fence the other in return
			f.fail(err)
			return nil
		}
		if a.setEnded(err) {
			f.Log.Error().Str("account", a.id).Dur("again_after", endedRetry).Str(zerolog.ErrorFieldName, worker.Explain(err)).Msg("the account has ended on this replica")
		}
		f.withdraw(a)
		for {
			if wait(ctx, endedRetry); ctx.Err() != nil {
				return nil
			}
			err := f.renew(a)
			if err == nil {
				break
			}
			f.Log.Error().Str("account", a.id).Err(err).Msg("the account cannot be started")
		}
	}
}

// withdraw leaves the account to the other replicas.
func (f *Fleet) withdraw(a *account) {
	if a.lease != nil {
		a.lease.Withdraw()
	}
}

// stop cancels work, and does not wait for it.
func (a *account) stop() {
	if a.cancel != nil {
		a.cancel()
	}
}

// wait waits until work has returned, and returns its error.
func (a *account) wait() error {
	if a.done == nil {
		return nil
	}
	<-a.done
	return a.failed
}

// ended returns the error that ended the account on this replica, nil if its worker runs.
func (a *account) ended() error {
	if a.worker.Load().Role() != admin.Starting {
		a.setEnded(nil)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.end
}

// setEnded sets the error that ended the account, and reports whether its text has changed.
func (a *account) setEnded(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.end
	a.end = err
	return !sameText(old, err)
}

// fileName returns the name of the account's file.
func (a *account) fileName() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Name
}

// rename sets the name of the file, which has the same settings.
func (a *account) rename(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.file.Name = name
}

// setSettings sets why the current file is not used, and reports whether that text has changed.
func (a *account) setSettings(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.settings
	a.settings = err
	return !sameText(old, err)
}

// sameText reports whether two errors have the same text.
func sameText(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Error() == b.Error()
}

// settingsError returns why the current file is not used, nil if it is.
func (a *account) settingsError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settings
}

func (a *account) status() admin.Account {
	s := a.worker.Load().Status()
	s.File = a.fileName()
	if err := a.ended(); err != nil {
		s.Ended = worker.Explain(err)
	}
	if err := a.settingsError(); err != nil {
		s.Settings = err.Error()
	}
	return s
}
