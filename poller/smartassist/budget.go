package smartassist

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Budget spaces the requests to the service, of all purposes together, so that
// in no sliding minute there are more than the configured number, restarts and
// changes of worker included. It needs no memory of an earlier process for that:
// requests go out at least 60 s / budget and 2 % apart (sixty seconds then hold
// one less than the budget and a fraction), and the first one not before one
// such pace after the start. Unused slots are not saved up.
//
// The pace is counted from the moment a request is on the wire, not from its
// permission: a slow handshake, a full buffer or a process that stood still would
// otherwise bring two requests together. Where the network stands still, a
// request may reach the service at any time until it is answered: in the minute
// after each answer there are fewer requests than the budget, too.
//
// All methods are safe for concurrent use. Requests are made one at a time: what
// is given up may still arrive, from a gateway that holds it, or from an earlier
// process; that is not counted.
type Budget struct {
	perMinute int
	pace      time.Duration

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced when a wait got shorter or longer
	last      time.Time     // the last request, or the start
	recent    []time.Time   // the latest instant at which each request of the last minute may have reached the service
	notBefore time.Time     // held back until
	throttles int           // 429 in a row
	hourly    int           // 429 of the hour in a row
	status    BudgetStatus  // the counters and Login; the rest is filled in by Status
}

// LoginState is what the service last said about our token.
type LoginState string

// What the service last said about our token.
const (
	LoginUnknown  LoginState = "unknown" // nothing yet
	LoginAccepted LoginState = "accepted"
	LoginRefused  LoginState = "refused"
)

// BudgetStatus is a Budget as it stands.
type BudgetStatus struct {
	PerMinute      int           // as configured
	Pace           time.Duration // least time between requests, as long as nothing is wrong
	Requests       uint64        // given so far
	Throttled      uint64        // 429 so far, those of the hour included
	NextAt         time.Time     // the next request is not possible before
	ThrottledUntil time.Time     // zero when the service does not hold us back
	Login          LoginState
}

const (
	loginPace        = time.Minute // between requests while the login is refused
	firstBackoff     = 5 * time.Second
	longestBackoff   = time.Minute
	longestRetryWait = 10 * time.Minute // more is taken for a mistake

	firstHourlyBackoff   = 5 * time.Minute
	longestHourlyBackoff = 15 * time.Minute
	longestHourlyWait    = time.Hour
)

// NewBudget allows this many requests a minute (at least 1); the first one is
// possible one pace from now.
func NewBudget(perMinute int) *Budget {
	perMinute = max(perMinute, 1)
	b := &Budget{
		perMinute: perMinute,
		pace:      time.Minute * 102 / 100 / time.Duration(perMinute),
		changed:   make(chan struct{}),
		last:      time.Now(),
	}
	b.status.Login = LoginUnknown
	return b
}

// Wait returns when a request may be made, which then counts as made. The only
// error is that of ctx; nothing is used up then.
func (b *Budget) Wait(ctx context.Context) error {
	for {
		wait, changed := b.take(ctx)
		if wait <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take takes the slot if it is due (or ctx is done, without taking it), else
// returns how long it is until then.
func (b *Budget) take(ctx context.Context) (wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return 0, nil
	}
	now := time.Now()
	if wait := b.next().Sub(now); wait > 0 {
		return wait, b.changed
	}
	b.trim(now)
	b.last = now
	b.recent = append(b.recent, now)
	b.status.Requests++
	return 0, nil
}

// next returns when the next request is possible.
func (b *Budget) next() time.Time {
	pace := b.pace
	if b.status.Login == LoginRefused {
		pace = max(pace, loginPace)
	}
	next := b.last.Add(pace)
	if full := len(b.recent) - b.perMinute; full >= 0 && b.recent[full].Add(time.Minute).After(next) {
		next = b.recent[full].Add(time.Minute)
	}
	if b.notBefore.After(next) {
		return b.notBefore
	}
	return next
}

// Sent notes that the request is going onto the wire now, or is on it.
func (b *Budget) Sent() {
	b.change(func() { b.last = time.Now() })
}

// Answered notes that the request was answered, or given up. There is one at a
// time.
func (b *Budget) Answered() {
	b.change(func() {
		now := time.Now()
		if len(b.recent) > 0 {
			b.recent[len(b.recent)-1] = now
		}
	})
}

// trim forgets what is older than a minute, and more than the budget looks at.
func (b *Budget) trim(now time.Time) {
	past := max(0, len(b.recent)-b.perMinute)
	for past < len(b.recent) && now.Sub(b.recent[past]) >= time.Minute {
		past++
	}
	b.recent = slices.Delete(b.recent, 0, past)
}

// Restart puts the next request one pace off from now, as a start does: another
// worker of the account may have made one just before this one took over.
func (b *Budget) Restart() { b.Sent() }

// Throttle holds the next request back after a 429: for the time that the
// service asked for (up to ten minutes), and at least for 5 s, twice that after
// each further 429 in a row, up to a minute. retryAfter is 0 when it did not say.
func (b *Budget) Throttle(retryAfter time.Duration) {
	b.change(func() {
		wait := backoff(firstBackoff, longestBackoff, b.throttles)
		b.throttles++
		b.status.Throttled++
		b.holdBack(max(wait, min(retryAfter, longestRetryWait)))
	})
}

// ThrottleHourly is Throttle for a 429 that speaks of the hour: the service then
// refuses everything until the hour has passed, and it is not known when that is.
// It waits for at least 5 minutes, twice that after each further one, up to 15,
// and for as long as the service asked, up to an hour.
func (b *Budget) ThrottleHourly(retryAfter time.Duration) {
	b.change(func() {
		wait := backoff(firstHourlyBackoff, longestHourlyBackoff, b.hourly)
		b.hourly++
		b.status.Throttled++
		b.holdBack(max(wait, min(retryAfter, longestHourlyWait)))
	})
}

// HoldBack puts the next request off for as long as the service asked (up to ten
// minutes) with something else than a 429: it is down, and says until when. That
// is not counted as throttled, and makes no later wait longer.
func (b *Budget) HoldBack(retryAfter time.Duration) {
	b.change(func() { b.holdBack(min(retryAfter, longestRetryWait)) })
}

func (b *Budget) holdBack(wait time.Duration) {
	if until := time.Now().Add(wait); until.After(b.notBefore) {
		b.notBefore = until
	}
}

// backoff returns first, doubled for each time before, up to longest.
func backoff(first, longest time.Duration, before int) time.Duration {
	return min(first<<min(before, 10), longest)
}

// RefuseLogin allows one request a minute from now until [Budget.AcceptLogin].
func (b *Budget) RefuseLogin() {
	b.change(func() { b.status.Login = LoginRefused })
}

// AcceptLogin notes that a page was answered: the token is good, and the service
// does not throttle.
func (b *Budget) AcceptLogin() {
	b.change(func() {
		b.status.Login = LoginAccepted
		b.throttles, b.hourly = 0, 0
		b.notBefore = time.Time{}
	})
}

func (b *Budget) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// Status returns the budget as it stands.
func (b *Budget) Status() BudgetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.PerMinute, s.Pace, s.NextAt = b.perMinute, b.pace, b.next()
	if b.notBefore.After(time.Now()) {
		s.ThrottledUntil = b.notBefore
	}
	return s
}
