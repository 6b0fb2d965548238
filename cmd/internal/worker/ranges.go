package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller"
)

// ranges implements admin.Ranges: what operators ask for about past ranges of the account.
type ranges struct{ worker *Worker }

// Ranges returns the account's backfills and gaps.
func (w *Worker) Ranges() admin.Ranges { return ranges{w} }

// MayAsk implements admin.Ranges.
func (r ranges) MayAsk() (code int, reason string) { return r.worker.mayAsk() }

// Status implements admin.Ranges.
func (r ranges) Status() *poller.Status { return r.worker.shown.pollerStatus() }

// Backfill implements admin.Ranges.
func (r ranges) Backfill(ctx context.Context, w poller.Window, republish bool, by string) (pass poller.PassStatus, err error) {
	err = r.worker.do(ctx, func(ctx context.Context, p *poller.Poller) (err error) {
		pass, err = p.Backfill(ctx, w, republish, by)
		return err
	})
	r.worker.recallSoon()
	return pass, err
}

// Cancel implements admin.Ranges.
func (r ranges) Cancel(ctx context.Context, id int64, by string) error {
	return r.worker.do(ctx, func(ctx context.Context, p *poller.Poller) error { return p.Cancel(ctx, id, by) })
}

// AcceptGap implements admin.Ranges.
func (r ranges) AcceptGap(ctx context.Context, w poller.Window, by string) (accepted []poller.Acceptance, err error) {
	err = r.worker.do(ctx, func(ctx context.Context, p *poller.Poller) (err error) {
		accepted, err = p.AcceptGap(ctx, w, by)
		return err
	})
	return accepted, err
}

// do runs f on the poller's goroutine as an errand, and returns its error. What f refuses does not end the poller.
func (w *Worker) do(ctx context.Context, f poller.Errand) (err error) {
	done := make(chan struct{})
	if sent := w.send(ctx, func(ctx context.Context, p *poller.Poller) error {
		defer close(done)
		if err = f(ctx, p); poller.Refused(err) {
			return nil
		}
		return err
	}, done); sent != nil {
		return sent
	}
	return err
}

// send gives the errand to the poller, and waits until it is done: a commit is bounded in time. It returns an error if it was not given.
func (w *Worker) send(ctx context.Context, errand poller.Errand, done <-chan struct{}) error {
	for {
		select {
		case w.errands <- errand:
			<-done
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
			if w.Role() == admin.Standby || w.Role() == admin.Idle {
				return replay.ErrNotActive
			}
		}
	}
}
