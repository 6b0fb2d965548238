package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// memory is the state as it is read from its topic. Standing by, it is kept up to date with what the active worker commits,
// so that taking over costs no recovery.
type memory struct {
	*Worker
	reader  *producer.Reader
	state   *poller.State
	records int
	moved   time.Time // when the last commit was seen
	// followed: it was kept warm for a while, and not read in one go.
	followed bool
}

// memoryStatus is what /status tells of a memory that is kept warm.
type memoryStatus struct {
	Sequence        int64     `json:"sequence"` // of the last commit seen
	CompleteThrough time.Time `json:"completeThrough"`
	Remembered      int       `json:"remembered"`
}

func (w *Worker) newMemory() *memory {
	return &memory{
		Worker: w, reader: w.producer.NewReader(w.cfg.TopicPrefix+stateTopic, 0),
		state: &poller.State{Account: w.cfg.AccountID}, moved: time.Now(),
	}
}

// warmUp reads what is committed, without waiting for the transaction that the active worker may have open.
func (m *memory) warmUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longestRecovery)
	defer cancel()
	return m.reader.CatchUpStable(ctx, m.visit)
}

// catchUp reads to the end.
func (m *memory) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longestRecovery)
	defer cancel()
	return m.reader.CatchUp(ctx, m.visit)
}

// follow reads what is being committed until the channel is closed; for a while at most.
func (m *memory) follow(ctx context.Context, until <-chan struct{}) error {
	m.heart.beat()
	m.followed = true
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	go func() {
		select {
		case <-until:
			cancel()
		case <-ctx.Done():
		}
	}()
	return m.reader.Follow(ctx, m.visit)
}

func (m *memory) visit(r producer.Message) error {
	if m.records++; m.records%10_000 == 0 {
		m.heart.beat()
	}
	before := m.state.Sequence
	if err := m.state.Restore(poller.Record{Key: r.Key, Value: r.Value}); err != nil {
		return &StateError{err}
	}
	if m.state.Sequence != before {
		m.moved = time.Now()
	}
	return nil
}

// standBy keeps the memory warm until this worker holds the lease. The context it returns ends when the lease is lost or
// ctx ends. Without a lease there is nothing to wait for.
func (w *Worker) standBy(ctx context.Context, m *memory, fail context.CancelCauseFunc) (context.Context, context.CancelFunc, error) {
	if w.lease == nil {
		return ctx, func() {}, nil
	}
	w.takePart(ctx, fail)
	for {
		tenure, changed := w.lease.Tenure()
		if tenure != nil && w.mayTakeOver(m) {
			w.lease.Trust()
			held, end := context.WithCancelCause(ctx)
			stop := context.AfterFunc(tenure, func() { end(context.Cause(tenure)) })
			return held, func() { stop(); end(nil) }, nil
		}
		w.showStandby(m)
		if err := m.follow(ctx, changed); err != nil {
			return nil, nil, err
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
}

// longestYield bounds the wait for a worker that takes no part in the election.
const longestYield = 5 * time.Minute

// mayTakeOver is true for who holds the lease, unless a worker that takes no part in the election is at work: then only when
// that one has committed nothing for longer than it would be silent while it works.
func (w *Worker) mayTakeOver(m *memory) bool {
	return !w.lease.Status().Yielding || time.Since(m.moved) > min(longestYield, w.cfg.LeaseTimeout+3*w.cfg.PollInterval)
}

// showStandby shows how this worker stands by. Where nobody is known to hold the lease, it may be the next one: that is still
// a start, and an outage is not over.
func (w *Worker) showStandby(m *memory) {
	w.memory.Store(&memoryStatus{m.state.Sequence, m.state.Coverage.Through(m.state.From), m.state.Seen.Len()})
	l := w.lease.Status()
	if l.Holder == "" {
		w.role.Store(Starting)
		if since := w.holder; l.Trouble != nil && time.Since(since) > w.cfg.LeaseTimeout {
			w.outages.note(since, l.Trouble, "no part in the election of the active worker; trying again until it can")
		}
		return
	}
	w.holder = time.Now()
	if w.role.Swap(Standby) != Standby {
		w.poller.Store(nil)
		e := w.log.Info()
		if o := w.outages.end(); o != nil {
			e = e.Dur("trouble_lasted", time.Since(o.Since))
		}
		e.Str("elected", l.Holder).Int64("sequence", m.state.Sequence).Int("remembered", m.state.Seen.Len()).Msg("standing by")
	}
	if l.Held && !w.yielding {
		w.log.Error().Msg("a worker that takes no part in the election of the active one (LEASE=off, or an old release) is at work, or was; " +
			"standing by until it is silent: stop it, or set LEASE=on there")
	}
	w.yielding = l.Held
}

// takePart makes the worker a candidate, once its memory is warm; fail ends the worker where somebody has to mend something.
func (w *Worker) takePart(ctx context.Context, fail context.CancelCauseFunc) {
	if w.elects != nil {
		return
	}
	w.holder = time.Now()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a drain ends it when it has finished what was begun
	left := make(chan struct{})
	w.elects = func() { cancel(); <-left }
	go func() {
		defer close(left)
		for {
			err := w.lease.Run(ctx)
			if ctx.Err() == nil && final(err) {
				fail(err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(step): // showStandby tells of it
			}
		}
	}()
}

// leaveElection gives the lease up, so that another takes over at once.
func (w *Worker) leaveElection() {
	if w.lease == nil {
		return
	}
	if w.elects != nil {
		w.elects()
	}
	w.lease.Close()
}

// doing is the role as others are told of it. An active worker whose lease is not confirmed asks the service for nothing any
// more; what it waits for is the end of its last commit.
func (w *Worker) doing() Role {
	role := w.role.Load().(Role)
	if role == Active && w.lease != nil && !w.lease.Confirmed() {
		return Starting
	}
	return role
}

// permitted is asked before every request to the service: two workers must not use one budget. The worker that was stopped
// for a while, and does not know yet that the lease is another's, is about to be told.
func (w *Worker) permitted(ctx context.Context) error {
	if w.lease == nil || w.lease.Confirmed() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}
