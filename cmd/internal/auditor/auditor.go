// Package auditor compares what the service shows of a past range with what the topics hold of it.
//
// An audit is run by the active worker, beside live polling and within its budget:
//
//	topics --records--> comparison <--committed reads-- poller, which reads the range once more
//	                        |
//	                        +--differences--> the one who asked; what is missing or stale, back to the poller: it is published again
//
// It trusts the topics alone: what the worker's memory says of them is what is audited. So it reads them first, on connections of its own,
// and keeps of each record the fingerprint of the row that is rebuilt from it. What is committed meanwhile reaches it from the sink. Then
// the poller reads the range, and each committed read is compared with the topics as they were before it: what it published itself
// was missing or stale. What the memory took for published, and the topics do not hold, is restored.
//
// An audit is requested from the admin port, by [Client].
package auditor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/audit"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

// Audit is the execution of one Request.
type Audit struct {
	account Account
	log     zerolog.Logger
	send    func(Line) error

	window       poller.Window
	rules        Rules
	begun        time.Time
	done         *comparison // of the session before, nil in the first
	counts       map[audit.Result]int
	published    int       // revisions, of what was missing or stale
	state        State     // of the sessions before
	through      time.Time // the range is read up to here
	settled      time.Time // and up to here all of it is committed and compared: another session begins here
	settledAt    time.Time // when that was found
	moved        time.Time // when the audit last got anywhere
	shown        time.Time // when progress was sent last
	readingSince time.Time
}

const (
	// step is how often the audit looks at what was read.
	step = time.Second
	// settleEvery is how often what was read is committed for the audit alone: a session that ends costs no more than that.
	settleEvery = time.Minute
	// progressEvery is how often progress is sent.
	progressEvery = 2 * time.Second
	// patience is how long the audit tries again without getting anywhere, and readingPatience how long it waits for the poller to read
	// on: where live polling needs the budget, one request in ten is for others.
	patience        = 5 * time.Minute
	readingPatience = 30 * time.Minute
	// longestStop bounds the wait until a reading is stopped: for a request that hangs, and a commit. One that is not would be kept, with
	// what it has to remember, until the session ends.
	longestStop = 3 * time.Minute
	// retryPause is the pause before the topics are read again.
	retryPause = 5 * time.Second
)

// Run audits the range and sends a Line for each difference; the final one, with Done or Error, is the caller's.
func (a *Audit) Run(ctx context.Context, account Account, log zerolog.Logger, send func(Line) error) (Summary, error) {
	a.account, a.log, a.send = account, log, send
	a.counts, a.moved = map[audit.Result]int{}, time.Now()
	a.through, a.settled = a.window.Start, a.window.Start
	err := a.sessions(ctx)
	s := a.summary()
	if err != nil {
		account.Ended(OutcomeFailed)
		return s, err
	}
	account.Ended(s.outcome())
	log.Info().Stringer("range", a.window).Str("outcome", string(s.outcome())).Int("published", s.Published).Int("requests", s.Requests).Msg("audit ended")
	return s, nil
}

// sessions runs one session after the other until one comes to the end, or none can.
func (a *Audit) sessions(ctx context.Context) (err error) {
	if err := a.patiently(ctx, func(ctx context.Context) (err error) { a.rules, err = a.account.Rules(ctx); return err }); err != nil {
		return err
	}
	if err := a.answer(Line{Window: &a.window, Retention: a.retention()}); err != nil {
		return err
	}
	for {
		err := a.session(ctx)
		if err == nil {
			return nil
		}
		if err := a.mayGoOn(ctx, err); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// retention returns what the topics keep if that is less than the range is old: what is missing may have expired.
func (a *Audit) retention() *poller.Seconds {
	if !a.mayHaveExpired() {
		return nil
	}
	s := poller.Seconds(a.rules.Retention)
	return &s
}

func (a *Audit) mayHaveExpired() bool { return a.begun.Sub(a.window.Start) > a.rules.Retention }

// mayGoOn returns nil if another session may get further than the one that ended with err.
func (a *Audit) mayGoOn(ctx context.Context, err error) error {
	_, final := errors.AsType[*FinalError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrNotActive) || errors.Is(err, ErrEnds) || errors.Is(err, errSend) || final:
		return err
	case time.Since(a.moved) > patience:
		return fmt.Errorf("no progress for %v: %w; what was found is true, ask again from %s for the rest", patience, err, a.settled.Format(time.RFC3339))
	}
	a.log.Warn().Err(err).Msg("audit interrupted; going on when it can")
	return nil
}

// patiently asks the account for something that waits until the worker has a session.
func (a *Audit) patiently(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoSession)
	defer cancel()
	return ask(ctx)
}

// Why an audit gets nowhere.
var (
	errNoSession = errors.New("the worker cannot commit, or does not know whether it is the active one: /status says why")
	errNotRead   = &FinalError{fmt.Errorf("nothing was read for %v: /status says whether the service can be read; what was found is true", readingPatience)}
)

func pause(ctx context.Context) error {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// errSend marks an error of the one who asked: the client is gone.
var errSend = errors.New("the answer could not be sent")

func (a *Audit) answer(l Line) error {
	if err := a.send(l); err != nil {
		return fmt.Errorf("%w: %w", errSend, err)
	}
	return nil
}

// session reads the topics, and then the part of the range that is not read yet, until the worker's session ends.
func (a *Audit) session(ctx context.Context) error {
	c := newComparison(a.window, a.rules, a.done)
	stop := a.account.Observe(c.observe)
	defer stop()
	if err := a.index(ctx, c); err != nil {
		return err
	}
	a.done = c
	if rest := (poller.Window{Start: a.settled, End: a.window.End}); !rest.Empty() {
		for i, w := range a.state.Unread {
			a.state.Unread[i] = w.Intersect(poller.Window{Start: a.window.Start, End: a.settled})
		}
		var reading Reading
		if err := a.patiently(ctx, func(ctx context.Context) (err error) { reading, err = a.account.Read(ctx, rest); return err }); err != nil {
			return err
		}
		if err := a.follow(ctx, c, reading); err != nil {
			return err
		}
	}
	return a.conclude(ctx, c)
}

// index reads the topics, and then takes in what was committed meanwhile.
func (a *Audit) index(ctx context.Context, c *comparison) error {
	records := 0
	err := a.account.Records(ctx, a.window.Around().Start, func(r Record) error {
		if records++; records%1000 == 0 {
			a.moved = time.Now()
			if err := a.progress(Progress{State: "topics", Records: records}); err != nil {
				return err
			}
		}
		return c.addRecord(r)
	})
	if err == nil {
		err = a.account.Letters(ctx, func(l encoder.Letter, err error) error { c.addLetter(l, err); return nil })
	}
	if err != nil {
		return err
	}
	a.moved = time.Now()
	c.open()
	if a.readingSince.IsZero() {
		a.readingSince = a.moved
	}
	return nil
}

// follow waits until the range is read, and passes on what is found.
func (a *Audit) follow(ctx context.Context, c *comparison, reading Reading) error {
	before := a.state
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestStop)
		defer cancel()
		_ = reading.Stop(ending) // it may have ended with the session
	}()
	tick := time.NewTicker(step)
	defer tick.Stop()
	a.settledAt = time.Now()
	for {
		s, err := reading.State()
		if err != nil {
			return err
		}
		a.take(before, s)
		if s.Finished {
			return nil
		}
		if time.Since(a.moved) > readingPatience {
			return errNotRead
		}
		if err := a.drain(ctx, c, false); err != nil {
			return err
		}
		if err := a.progress(a.reading()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// take adds how far a reading is to those before it.
func (a *Audit) take(before, s State) {
	if s.ReadThrough.After(a.through) || before.Requests+s.Requests > a.state.Requests {
		a.moved = time.Now()
	}
	if s.Finished {
		a.through = a.window.End
	} else if s.ReadThrough.After(a.through) {
		a.through = s.ReadThrough
	}
	a.state = State{Requests: before.Requests + s.Requests, Rows: before.Rows + s.Rows, Left: s.Left, Unread: append(before.Unread[:len(before.Unread):len(before.Unread)], s.Unread...)}
}

// drain has what must be restored published, and sends the differences. At the end, and now and then, it has all committed that was read.
func (a *Audit) drain(ctx context.Context, c *comparison, last bool) error {
	through := a.through
	found, rows := c.take()
	if len(rows) > 0 || last || time.Since(a.settledAt) >= settleEvery {
		if err := a.restore(ctx, rows); err != nil {
			return err // the next session judges them again
		}
		a.settled, a.settledAt = through, time.Now()
	}
	if err := a.report(c.settle(found)); err != nil {
		return err
	}
	if !last {
		return nil
	}
	found, rows = c.take() // what was committed only now
	if err := a.restore(ctx, rows); err != nil {
		return err
	}
	return a.report(c.settle(found))
}

// mostRestored is how many rows are published again with one transaction.
const mostRestored = 1000

// restore publishes rows again, after what was read is committed.
func (a *Audit) restore(ctx context.Context, rows []smartassist.Row) error {
	for {
		n := min(len(rows), mostRestored)
		err := a.patiently(ctx, func(ctx context.Context) error { _, err := a.account.Restore(ctx, rows[:n]); return err })
		if err != nil || n == len(rows) {
			return err
		}
		rows = rows[n:]
	}
}

// report counts and sends differences, and counts what was equal.
func (a *Audit) report(equal int, found []finding) error {
	if equal > 0 {
		a.count(audit.Equal, equal)
	}
	for _, f := range found {
		a.count(f.Result, 1)
		if f.Published > 0 {
			a.published++
		}
		if err := a.answer(Line{Difference: &f.Difference}); err != nil {
			return err
		}
	}
	return nil
}

func (a *Audit) count(r audit.Result, rows int) {
	a.counts[r] += rows
	a.account.Count(r, rows)
}
