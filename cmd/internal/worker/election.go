package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/producer"
)

// election is this worker's part in choosing which worker of the account is the active one. It outlives sessions: the lease is
// kept through a recovery, and left after the last commit, or the next worker would abort that.
type election struct {
	lease       *producer.Lease // nil: LEASE=off, nobody is chosen
	withdraw    func()          // ends this worker's candidacy; nil before there is one
	holderKnown time.Time       // when it was last known who holds the lease, or when this worker began to ask
	// outsider: a worker that takes no part in the election is at work, and the log says so.
	outsider bool
}

func (e *election) off() bool { return e.lease == nil }

// confirmed reports whether no other worker can be active now.
func (e *election) confirmed() bool { return e.lease == nil || e.lease.Confirmed() }

// stand makes the worker a candidate; fail is called where somebody has to mend something.
func (e *election) stand(ctx context.Context, fail context.CancelCauseFunc) {
	if e.withdraw != nil {
		return
	}
	e.holderKnown = time.Now()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a drain ends it when it has finished what was begun
	left := make(chan struct{})
	e.withdraw = func() { cancel(); <-left }
	go func() {
		defer close(left)
		for {
			err := e.lease.Run(ctx)
			if ctx.Err() == nil && final(err) {
				fail(err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(step): // a session that stands by logs the outage
			}
		}
	}()
}

// leave gives the lease up, so that another takes over at once.
func (e *election) leave() {
	if e.lease == nil {
		return
	}
	if e.withdraw != nil {
		e.withdraw()
	}
	e.lease.Close()
}

// permit is asked before every request to the service: two workers must not use one budget. The worker that was stopped
// for a while, and does not know yet that the lease is another's, is about to be told.
func (e *election) permit(ctx context.Context) error {
	if e.confirmed() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}
