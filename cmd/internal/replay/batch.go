package replay

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
func (r *Replay) flush(ctx context.Context) error {
	batch := r.batch
	r.batch, r.bytes, r.prepared = nil, 0, Prepared{}
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
func (r *Replay) together(ctx context.Context, letters []poller.Letter) (done bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longestReplay, errTime)
	defer cancel()
	r.prepared.Forgotten = false
	for {
		out, err := r.account.Replay(ctx, letters, &r.prepared)
		refused, refusal := errors.AsType[*producer.RefusedError](err)
		if refusal {
			r.remedy = refused.Remedy()
		}
		switch {
		case err == nil:
			return true, r.answerAll(letters, out)
		case errors.Is(err, ErrNotActive) || r.hopeless(err):
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

// hopeless reports whether trying again would change nothing: this worker ends, or the brokers have refused something else than
// a letter, and more than once.
func (r *Replay) hopeless(err error) bool {
	if errors.Is(err, ErrUnblamed) {
		r.unblamed++
	}
	return r.unblamed >= mostUnblamed || errors.Is(err, ErrEnds)
}

var errTime = fmt.Errorf("not committed within %v", longestReplay)
