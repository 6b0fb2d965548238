package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

const (
	// mostUnblamed is how many refusals that point to no letter end a request: those after them would not fare better.
	mostUnblamed = 2
	// mostRefused is how many refusals by the brokers one request may cause: each costs a recovery.
	mostRefused = 3
	// longestReplay is how long a transaction of letters is tried for, through as many recoveries as it needs.
	longestReplay = 3 * time.Minute
)

// flush replays the batch; one letter by one where the brokers refuse something of it.
func (r *replay) flush(ctx context.Context) error {
	batch := r.batch
	r.batch, r.bytes, r.inspected = nil, 0, false
	if len(batch) == 0 {
		return nil
	}
	if done, err := r.together(ctx, batch); err != nil || done {
		return err
	}
	for i := range batch {
		if r.refused >= mostRefused {
			if err := r.answer(untried(batch[i].ID.String())); err != nil {
				return err
			}
			continue
		}
		if done, err := r.together(ctx, batch[i:i+1]); err != nil || !done {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// together replays letters in one transaction, again after a recovery where its outcome is not known. done is false where
// the brokers refuse one of several.
func (r *replay) together(ctx context.Context, letters []poller.Letter) (done bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longestReplay, errReplayTime)
	defer cancel()
	r.asked = false
	for {
		out, err := r.errand(ctx, letters)
		refused, refusal := errors.AsType[*producer.RefusedError](err)
		if refusal {
			r.remedy = refused.Remedy()
		}
		switch {
		case err == nil:
			return true, r.answerAll(letters, out)
		case errors.Is(err, errNotActive) || r.hopeless(err):
			return false, err
		case refusal && len(letters) > 1:
			return false, nil
		case ctx.Err() != nil:
			return false, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		select { // the session ends and the next one recovers
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// hopeless tells that trying again would change nothing: this worker ends, or the brokers have refused something else than a
// letter, and more than once.
func (r *replay) hopeless(err error) bool {
	if _, ok := errors.AsType[unblamedError](err); ok {
		r.unblamed++
	}
	fenced := !r.election.off() && errors.Is(err, producer.ErrFenced) // it stands by, or becomes active again
	return r.unblamed >= mostUnblamed || final(err) && !fenced
}

var (
	errReplayTime = fmt.Errorf("not committed within %v", longestReplay)
	errNotActive  = errors.New("this worker is not the active one any more: ask the one that /status names")
)

// errand has the poller's goroutine replay the letters, once there is an active session.
func (r *replay) errand(ctx context.Context, letters []poller.Letter) (out []poller.Replayed, err error) {
	done := make(chan struct{})
	errand := func(ctx context.Context, p *poller.Poller) error {
		defer close(done)
		if !r.inspected {
			if err = r.inspect(ctx); err != nil {
				return nil // it has changed nothing, and the poller may go on
			}
			r.inspected = true
		}
		if !r.asked {
			r.forgetVerdicts(letters)
		}
		r.asked = true
		out, err = r.replayIn(ctx, p, letters)
		return err
	}
	for {
		select {
		case r.errands <- errand:
			<-done // a commit is bounded in time
			return out, err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Second):
			if r.reportedRole() == Standby {
				return nil, errNotActive
			}
		}
	}
}

// inspect reads the topics' settings anew: a limit that the operator has raised must be known before records are measured by it.
func (w *Worker) inspect(ctx context.Context) error {
	w.heart.beat()
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	return w.producer.InspectTopics(ctx, w.topics)
}

// replayIn replays letters in the poller's goroutine. What the brokers say of a letter this time must not be held against it
// the next time.
func (w *Worker) replayIn(ctx context.Context, p *poller.Poller, letters []poller.Letter) ([]poller.Replayed, error) {
	out, err := p.Replay(ctx, letters)
	if err == nil || len(letters) > 1 {
		w.forgetVerdicts(letters)
	}
	return out, err
}

// forgetVerdicts is for the poller's goroutine.
func (w *Worker) forgetVerdicts(letters []poller.Letter) {
	for _, l := range letters {
		delete(w.refused.contents, content{l.Row.Identity(), l.Row.Fingerprint(w.polling.Ignore)})
	}
}
