package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/producer"
)

// election is this worker's part in the election of the account's active worker. It outlives sessions: the lease is
// kept through a recovery, and withdrawn after the last commit, or the next worker would abort that.
type election struct {
	lease *producer.Lease // nil with LEASE=off
	// holderKnown is when the holder of the lease was last known, or when this worker began.
	holderKnown time.Time
	// outsider: it is logged that a worker outside the group is at work.
	outsider bool
	// groupLogged: the process logs errors of the group, once for all accounts.
	groupLogged bool
}

func (e *election) off() bool { return e.lease == nil }

// confirmed reports whether no other worker can be active now.
func (e *election) confirmed() bool { return e.lease == nil || e.lease.Confirmed() }

// permit is called before every request to the service: two workers must not use one budget. Without a confirmed lease it waits for
// ctx to end: a worker that was stopped for a while learns then that it has lost the lease.
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

// noPart returns the log message of a worker that cannot take part; "" if the process logs it.
func (e *election) noPart() string {
	if e.groupLogged {
		return ""
	}
	return "no part in the election of the active worker; trying again until it can"
}

// status returns the lease for /status; nil with LEASE=off.
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
