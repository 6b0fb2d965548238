package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// How long a worker that cannot do the work holds the lease while another stands by. It doubles each time that no other could do it
// either, so that the account is not passed around.
const (
	commitsFailFor = 2 * time.Minute
	loginFailsFor  = 5 * time.Minute
	longestHold    = time.Hour

	// looksAfter is how often the login is checked.
	looksAfter = 15 * time.Second
)

// hold returns the time after which the lease is given up.
func hold(first time.Duration, resigned int) time.Duration {
	return min(longestHold, first<<min(resigned, 10))
}

// resign gives the lease up if the work has failed since then for too long and another worker stands by; it reports whether it did.
func (e *election) resign(since time.Time, first time.Duration) bool {
	if e.lease == nil {
		return false
	}
	s := e.lease.Status()
	if !s.Held || s.Standby == "" || time.Since(since) < hold(first, s.Resigned) {
		return false
	}
	e.lease.Resign()
	return true
}

// resignUnlessLoggedIn gives the lease up if the service has refused the login, or the secret could not be read, for too long. It
// returns then, or when ctx ends.
func (w *Worker) resignUnlessLoggedIn(ctx context.Context) {
	ticker := time.NewTicker(looksAfter)
	defer ticker.Stop()
	since := time.Time{} // when the login was first seen to fail
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch {
		case !w.loginFails():
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case w.election.resign(since, loginFailsFor):
			w.log.Warn().Time("since", since).Msg("the login fails here: giving the account up to the worker that stands by")
			return
		}
	}
}

// loginFails reports whether the service refuses the login, or the secret cannot be read.
func (w *Worker) loginFails() bool {
	if w.budget.Status().Login == smartassist.LoginRefused {
		return true
	}
	s := w.shown.pollerStatus()
	return s != nil && s.Trouble != nil && s.Trouble.Category == smartassist.CategorySecret
}
