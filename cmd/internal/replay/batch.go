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
	// mostUnblamed is the number of refusals of other records that ends a request: later attempts would fail, too.
	mostUnblamed = 2
	// mostRefused is the number of refused letters after which the others are not tried: each refusal costs a recovery.
	mostRefused = 3
	// longestReplay limits the attempts of one transaction, recoveries included.
	longestReplay = 3 * time.Minute
)

// flush replays the batch, letter by letter if the brokers refuse one of them.
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

// together replays letters in one transaction, and repeats it after a recovery if its outcome is unknown. done is false if the
// brokers refuse one of several letters.
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

// hopeless reports whether another attempt would be useless: the worker is ending, or the brokers have repeatedly refused a record
// that is not of a letter.
func (r *Replay) hopeless(err error) bool {
	if errors.Is(err, ErrUnblamed) {
		r.unblamed++
	}
	return r.unblamed >= mostUnblamed || errors.Is(err, ErrEnds)
}

var errTime = fmt.Errorf("not committed within %v", longestReplay)
