package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/producer"
)

// election is this worker's part in choosing which worker of the account is the active one. It outlives sessions: the lease is
// kept through a recovery, and withdrawn after the last commit, or the next worker would abort that.
type election struct {
	lease *producer.Lease // nil: LEASE=off, nobody is chosen
	// holderKnown is when it was last known who holds the lease, or when this worker began to ask.
	holderKnown time.Time
	// outsider: a worker that takes no part in the election is at work, and the log says so.
	outsider bool
	// told: who made the lease logs what is wrong with the group, for all its accounts.
	told bool
}

func (e *election) off() bool { return e.lease == nil }

// confirmed reports whether no other worker can be active now.
func (e *election) confirmed() bool { return e.lease == nil || e.lease.Confirmed() }

// permit is asked before every request to the service: two workers must not use one budget. The worker that was stopped
// for a while, and does not know yet that the lease is another's, is about to be told.
func (e *election) permit(ctx context.Context) error {
	if e.confirmed() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// well notes that the work can be done here.
func (e *election) well() {
	if e.lease != nil {
		e.lease.ClearResigned()
	}
}

// noPart is what the log says of a worker that cannot take part; "" where another says it.
func (e *election) noPart() string {
	if e.told {
		return ""
	}
	return "no part in the election of the active worker; trying again until it can"
}

// status is what others are shown of it; nil where there is none.
func (e *election) status() *admin.Lease {
	if e.lease == nil {
		return nil
	}
	l := e.lease.Status()
	group, name := e.lease.Group()
	s := &admin.Lease{Group: group, Name: name, Held: l.Held, Holder: l.Holder, Standby: l.Standby, Resigned: l.Resigned}
	if l.Trouble != nil {
		s.Trouble = l.Trouble.Error()
	}
	return s
}
