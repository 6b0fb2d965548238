package worker

import (
	"context"
	"errors"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// session is one pass of a worker: topics and schemas, the state, the lease, the epoch, polling, until something ends it. It does not
// keep the outcome of a commit that failed; the next session reads that from Kafka. It is used by one goroutine.
type session struct {
	worker  *Worker          // outlives the session
	encoder *encoder.Encoder // with the registry's ids, if there is one
	memory  *memory
	attempt time.Time // when the present work with Kafka began
	note    []byte    // the memo of which a standby shows the drift
}

// run runs the session until ctx ends; a commit that has begun goes on until hard ends.
func (s *session) run(ctx, hard context.Context) error {
	if err := s.ensureTopics(ctx); err != nil {
		return err
	}
	if err := s.ensureSchemas(ctx); err != nil {
		return err
	}
	if err := s.awaitPart(ctx); err != nil {
		return err
	}
	s.worker.shown.waits.Store("")
	s.memory = s.worker.recall()
	defer s.watchLag(ctx)()
	if err := s.memory.warmUp(ctx); err != nil {
		return err
	}
	tenure, release, err := s.standBy(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.takeOver(tenure); err != nil {
		return unlessLost(tenure, err)
	}
	return unlessLost(tenure, s.poll(tenure, hard))
}

// unlessLost returns err, or why the tenure ended if it did. It returns ErrFenced in any case: a worker that was fenced yields.
func unlessLost(tenure context.Context, err error) error {
	if cause := context.Cause(tenure); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(err, producer.ErrFenced) {
		return cause
	}
	return err
}

const (
	// step bounds the steps of a session that wait for brokers: then the heart beats, and an outage shows.
	step = 15 * time.Second
	// longestSilence bounds each of the other reads at the beginning of a session: a read that returns nothing for so long is given up.
	longestSilence = 5 * time.Minute
)

// whileItComes returns a context that ends when came is not called for longestSilence. A quota may make the brokers slow, but what they
// have returned is kept.
func whileItComes(ctx context.Context) (_ context.Context, came, cancel func()) {
	ctx, end := context.WithCancelCause(ctx)
	timer := time.AfterFunc(longestSilence, func() { end(context.DeadlineExceeded) })
	return ctx, func() { timer.Reset(longestSilence) }, func() { timer.Stop(); end(nil) }
}

// errNoPart ends the session of a worker that has no part in the account any more.
var errNoPart = errors.New("other replicas work on the account, and stand by for it")

// awaitPart waits until this worker is the holder or the standby of the account. Until then it reads nothing of it.
func (s *session) awaitPart(ctx context.Context) error {
	e := &s.worker.election
	if e.off() {
		return nil
	}
	for {
		held, changed := e.lease.Tenure()
		if held != nil || e.lease.Status().Part == producer.StandbyPart {
			return nil
		}
		s.showWaiting(admin.Idle)
		s.worker.heart.beat()
		timer := time.NewTimer(step)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		if timer.Stop(); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// standBy keeps the memory warm until this worker holds the lease. The context it returns is the tenure: it ends when the
// lease is lost or ctx ends. With LEASE=off it returns at once.
func (s *session) standBy(ctx context.Context) (context.Context, context.CancelFunc, error) {
	e := &s.worker.election
	if e.off() {
		return ctx, func() {}, nil
	}
	e.lease.SetWarm(true)
	defer e.lease.SetWarm(false)
	for {
		tenure, changed := e.lease.Tenure()
		switch {
		case tenure == nil && e.lease.Status().Part == producer.NoPart:
			return nil, nil, errNoPart
		case tenure != nil && s.mayTakeOver() && e.lease.Take(tenure):
			e.lease.StopYielding()
			held, end := context.WithCancelCause(ctx)
			stop := context.AfterFunc(tenure, func() { end(context.Cause(tenure)) })
			return held, func() { stop(); end(nil); e.lease.Release(); e.holderKnown = time.Now() }, nil
		}
		s.showStandby()
		s.begin()
		if err := s.memory.follow(ctx, changed); err != nil {
			return nil, nil, err
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
}

// longestYield bounds the wait for a worker outside the group.
const longestYield = 5 * time.Minute

// mayTakeOver reports whether the holder of the lease may take over. While a worker outside the group is at work, it may only when
// that one has committed nothing for longer than the longest time between two of its commits.
func (s *session) mayTakeOver() bool {
	lease := s.worker.election.lease
	return !lease.Status().Yielding || time.Since(s.memory.moved) > min(longestYield, lease.Timeout()+3*s.worker.cfg.PollInterval)
}

// showStandby updates the status of a standby.
func (s *session) showStandby() {
	w, e := s.worker, &s.worker.election
	w.shown.memory.Store(s.memory.status())
	s.followDrift()
	s.showWaiting(admin.Standby)
	l := e.lease.Status()
	if l.Holder != "" && l.Held && !e.outsider {
		w.log.Error().Str("hint", "stop it, or set LEASE=on there").
			Msg("a worker that takes no part in the election (LEASE=off, or an old release) is at work; standing by until it is silent")
	}
	e.outsider = l.Held
}

// showWaiting updates the status of a worker that waits, in that role. If no holder of the lease is known, this one may be the next:
// the role is starting, and an outage goes on.
func (s *session) showWaiting(role admin.Role) {
	w, e := s.worker, &s.worker.election
	l := e.lease.Status()
	if l.Holder == "" {
		w.shown.role.Store(admin.Starting)
		if since := e.holderKnown; l.Trouble != nil && time.Since(since) > e.lease.Timeout() {
			w.outages.note(since, l.Trouble, e.noPart())
		}
		return
	}
	e.holderKnown = time.Now()
	if w.shown.role.Swap(role) == role {
		return
	}
	w.shown.poller.Store(nil)
	line := w.log.Info().Str("elected", l.Holder).Str("standby", l.Standby)
	if o := w.outages.end(); o != nil {
		line = line.Dur("trouble_lasted", time.Since(o.Since))
	}
	if role == admin.Idle {
		line.Msg("others work on the account and stand by for it")
		return
	}
	known := s.memory.status()
	line.Int64("sequence", known.Sequence).Int("remembered", known.Remembered).Msg("standing by")
}

// takeOver makes this worker the only one that can commit, and reads its memory up to the last commit of any worker.
func (s *session) takeOver(ctx context.Context) error {
	w, m := s.worker, s.memory
	s.begin()
	w.budget.Restart()
	acquiring, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	if err := w.producer.Acquire(acquiring); err != nil {
		return err
	}
	if m.followed {
		// The topics may have changed since this worker began to stand by.
		if err := w.producer.InspectTopics(ctx, w.topics); err != nil {
			return err
		}
	}
	if err := s.barrier(ctx); err != nil {
		return err
	}
	if err := m.catchUp(ctx); err != nil {
		return err
	}
	if err := s.compareWithProgress(ctx); err != nil {
		return err
	}
	w.metrics.recoveries.Inc()
	w.metrics.timings.recovery.Observe(time.Since(s.attempt).Seconds())
	line := w.log.Info().Bool("kept", m.kept).Int("records", m.records).Int("remembered", m.state.Seen.Len()).Int64("sequence", m.state.Sequence)
	if through := m.state.Coverage.Through(m.state.From); !through.IsZero() { // zero before the first read
		line = line.Time("complete_through", through)
	}
	line.Dur("took", time.Since(s.attempt)).Msg("state recovered")
	return nil
}

// poll reads and publishes until the tenure ends, or a commit fails.
func (s *session) poll(tenure, hard context.Context) error {
	w := s.worker
	w.metrics.timings.headBefore = time.Time{} // another worker may have read since
	commits := finishing{hard: hard, Sink: sink{
		cfg: w.cfg, log: w.log, encoder: s.encoder, producer: w.producer,
		refused: w.refused, kept: w.kept, metrics: w.metrics, now: w.now, attempts: s, memory: s.memory, shown: &w.shown, watched: &w.observers,
	}}
	p := poller.New(w.polling, meter{w.client, w.metrics, &w.let, &w.heart, w.pointers}, commits, s.memory.state)
	w.shown.poller.Store(p)
	w.shown.role.Store(admin.Active)
	working, stop := context.WithCancel(tenure)
	defer stop()
	go w.resignUnlessLoggedIn(working)
	go s.recallPasses(working, p)
	return p.Run(tenure, w.errands)
}

// begin notes when work with Kafka begins: if it fails, the outage has lasted since then.
func (s *session) begin() {
	s.worker.heart.beat()
	s.attempt = time.Now()
}

// end notes the end of a commit. Only a commit ends an outage: recovery may succeed while commits fail.
func (s *session) end(err error) {
	w := s.worker
	w.heart.beat()
	if err != nil {
		return
	}
	w.election.well()
	w.shown.committed.Store(true)
	if o := w.outages.end(); o != nil {
		w.log.Info().Dur("after", time.Since(o.Since)).Int("attempts", o.Attempts).Msg("recovered; committing again")
	}
}

// finishing is a Sink whose commits end with hard instead of the poller's context: neither the end of the tenure nor a drain
// cuts off one that has begun, or its outcome would be unknown. hard ends when a drain has lasted too long.
type finishing struct {
	poller.Sink
	hard context.Context
}

// Commit implements poller.Sink.
func (f finishing) Commit(_ context.Context, b poller.Bundle) error { return f.Sink.Commit(f.hard, b) }
