package fleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/producer"
)

// account is one account of the process: its settings, and one worker after the other.
type account struct {
	id     string
	file   config.AccountFile // as it is used
	worker atomic.Pointer[worker.Worker]
	lease  *producer.Lease // nil with LEASE=off

	cancel context.CancelFunc // ends what start began; nil before
	done   chan struct{}      // closed when it has ended
	failed error              // why it could not finish; to be read when done is closed

	mu       sync.Mutex
	end      error // why no worker works on it, though it is to; nil while one does
	settings error // why the file is not used as it is now
}

// newAccount has its first worker, which has not begun.
func (f *Fleet) newAccount(file config.AccountFile) (*account, error) {
	a := &account{id: file.Config.AccountID, file: file}
	return a, f.renew(a)
}

// renew makes the account's next worker, and has it take part in the group.
func (f *Fleet) renew(a *account) error {
	if f.member != nil {
		a.lease = f.member.Lease(a.id)
	}
	w, err := worker.New(a.file.Config, f.Log.With().Str("account", a.id).Logger(), f.host, a.lease)
	if err != nil {
		f.withdraw(a) // or it might be given to this replica, where nobody works on it
		return err
	}
	a.worker.Store(w)
	return nil
}

// start has the account worked on until stop.
func (f *Fleet) start(ctx context.Context, a *account) {
	ctx, a.cancel = context.WithCancel(ctx)
	a.done = make(chan struct{})
	go func() {
		defer close(a.done)
		a.failed = f.work(ctx, a)
	}()
}

// tryAgainAfter is how long an account that has ended for good is left alone: somebody has to mend its topics, or its file.
const tryAgainAfter = 5 * time.Minute

// work is one worker after the other. The error is that of a drain that was cut off.
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
			f.Log.Error().Str("account", a.id).Dur("again_after", tryAgainAfter).Msg("the account is not worked on here any more: " + worker.Explain(err))
		}
		f.withdraw(a)
		for {
			if wait(ctx, tryAgainAfter); ctx.Err() != nil {
				return nil
			}
			err := f.renew(a)
			if err == nil {
				break
			}
			f.Log.Error().Str("account", a.id).Err(err).Msg("the account cannot be worked on")
		}
	}
}

// withdraw gives the account up to the other replicas.
func (f *Fleet) withdraw(a *account) {
	if a.lease != nil {
		a.lease.Withdraw()
	}
}

// stop begins to end what start began.
func (a *account) stop() {
	if a.cancel != nil {
		a.cancel()
	}
}

// wait returns when that has ended, and why it could not finish.
func (a *account) wait() error {
	if a.done == nil {
		return nil
	}
	<-a.done
	return a.failed
}

// ended returns why no worker works on the account though one is to; nil where one does, or stands by.
func (a *account) ended() error {
	if a.worker.Load().Role() != admin.Starting {
		a.setEnded(nil)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.end
}

// setEnded reports whether that is news.
func (a *account) setEnded(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.end
	a.end = err
	return !same(old, err)
}

// named is the name of the account's file.
func (a *account) named() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Name
}

// rename notes that the same settings are in another file now.
func (a *account) rename(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.file.Name = name
}

// setSettings notes why the account's file is not used as it is now, and reports whether that is news.
func (a *account) setSettings(err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.settings
	a.settings = err
	return !same(old, err)
}

// same reports whether two errors say the same.
func same(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Error() == b.Error()
}

func (a *account) settingsTrouble() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settings
}

func (a *account) status() admin.Account {
	s := a.worker.Load().Status()
	s.File = a.named()
	if err := a.ended(); err != nil {
		s.Ended = worker.Explain(err)
	}
	if err := a.settingsTrouble(); err != nil {
		s.Settings = err.Error()
	}
	return s
}
