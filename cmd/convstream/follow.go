package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/convstream/convstream/cmd/internal/admin/client"
	"github.com/convstream/convstream/cmd/internal/show"
	"github.com/convstream/convstream/poller"
)

// follower follows a backfill to its end, whichever worker is active.
type follower struct {
	workers  *replicas
	every    time.Duration // between two looks
	patience time.Duration // how long there may be no worker to ask
	bar      *show.Bar
	waiting  string // what is waited for, as it was said last
	requests rate
}

func newFollower(workers *replicas, t terminal) *follower {
	return &follower{workers: workers, every: 2 * time.Second, patience: 10 * time.Minute, bar: show.NewBar(t.err)}
}

// begin asks for the backfill. If it may wait, it does while no worker can be asked, unless all of them stand by or refuse.
func (f *follower) begin(ctx context.Context, q client.BackfillRequest, mayWait bool) (pass poller.PassStatus, err error) {
	err = f.patiently(ctx, func() error {
		return f.workers.post(ctx, client.BackfillsPath, client.BackfillsPath, q, &pass)
	}, func(err error) bool {
		none, is := errors.AsType[notActiveError](err)
		return mayWait && (is && !none.hopeless() || !is && unanswered(err))
	})
	_, none := errors.AsType[notActiveError](err)
	switch {
	case err == nil || none:
	case ctx.Err() != nil:
		err = errors.New("interrupted; 'convstream backfill list' shows whether it was begun")
	case status(err) == 0: // else the worker says it
		err = fmt.Errorf("%w; it is not known whether it was begun: ask again, the same range is not begun twice", err)
	}
	return pass, err
}

// unanswered reports whether it is not known what became of what was asked for, or it could not be done then.
func unanswered(err error) bool {
	return status(err) == 0 || status(err) >= http.StatusInternalServerError
}

// follow shows how far the backfill is until it has ended.
func (f *follower) follow(ctx context.Context, pass poller.PassStatus) (poller.PassStatus, error) {
	defer f.bar.Hide()
	f.requests = rate{{pass.Asked, 0}}
	for pass.Ended.IsZero() {
		f.show(pass, time.Now())
		err := pause(ctx, f.every)
		if err == nil {
			pass, err = f.look(ctx, pass)
		}
		switch {
		case ctx.Err() != nil:
			return pass, fmt.Errorf("interrupted; backfill %d goes on: 'convstream backfill list' shows how far it is, 'convstream backfill cancel %d' ends it", pass.ID, pass.ID)
		case err != nil:
			return pass, err
		}
	}
	return pass, nil
}

// look returns the backfill as it is now.
func (f *follower) look(ctx context.Context, pass poller.PassStatus) (poller.PassStatus, error) {
	var all client.Backfills
	err := f.patiently(ctx, func() error {
		all = client.Backfills{}
		return f.workers.get(ctx, client.BackfillsPath, &all)
	}, func(error) bool { return true })
	if err != nil {
		return pass, fmt.Errorf("nobody could be asked for %v; backfill %d goes on by itself when a worker is active, 'convstream backfill list' shows how far it is: %w", f.patience, pass.ID, err)
	}
	i := slices.IndexFunc(all.Backfills, func(p poller.PassStatus) bool { return p.ID == pass.ID && p.Asked.Equal(pass.Asked) })
	if i < 0 {
		return pass, fmt.Errorf("backfill %d is not known any more: the account's state began anew, or many others have ended since; progress says what became of it", pass.ID)
	}
	return all.Backfills[i], nil
}

// patiently asks until there is an answer, as long as the error is one to wait for, and says what it waits for.
func (f *follower) patiently(ctx context.Context, ask func() error, wait func(error) bool) error {
	for began := time.Now(); ; {
		err := ask()
		if err == nil {
			f.waiting = ""
			return nil
		}
		if ctx.Err() != nil || !wait(err) || time.Since(began) > f.patience {
			return err
		}
		if text := "waiting for the active worker: " + brief(err); text != f.waiting {
			f.waiting = text
			f.bar.Note(text)
		}
		if err := pause(ctx, f.every); err != nil {
			return err
		}
	}
}

func brief(err error) string {
	if none, is := errors.AsType[notActiveError](err); is {
		return none.Brief()
	}
	return err.Error()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (f *follower) show(p poller.PassStatus, now time.Time) {
	if p.State == poller.Recalling {
		f.bar.Show(-1, fmt.Sprintf("backfill %d: what the topics hold of the range is read back first, so that nothing is published twice", p.ID))
		return
	}
	text := fmt.Sprintf("%d rows, %d requests, %.1f a minute", p.Rows, p.Requests, f.requests.perMinute(now, p.Requests))
	if p.Failing > 0 {
		text += fmt.Sprintf(", %d windows tried again", p.Failing)
	}
	if p.Left > 0 {
		text += fmt.Sprintf(", %v left", p.Left)
	}
	f.bar.Show(client.Share(p), text)
}

// rate is how many requests there were at some instants.
type rate []struct {
	at       time.Time
	requests int
}

// rateOver is how far back it is looked for the rate.
const rateOver = 5 * time.Minute

// perMinute notes the number of requests and returns their rate in the last minutes.
func (r *rate) perMinute(now time.Time, requests int) float64 {
	*r = append(*r, rate{{now, requests}}...)
	for len(*r) > 2 && now.Sub((*r)[1].at) >= rateOver {
		*r = (*r)[1:]
	}
	first := (*r)[0]
	if took := now.Sub(first.at).Minutes(); took > 0 {
		return float64(requests-first.requests) / took
	}
	return 0
}
