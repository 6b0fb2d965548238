package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/producer"
	"github.com/convstream/convstream/schemas/registry"
)

// outage is a time in which nothing can be committed.
type outage admin.Outage

// outages holds the present outage; any goroutine may read it. It outlives sessions: each that fails is one more
// failure of the same outage, which ends with a commit, or with standing by.
type outages struct {
	log     zerolog.Logger
	present atomic.Pointer[outage]
}

// note notes a failure: the first of an outage that began at since, or one more of the present one. It is logged, if there is a text,
// unless the failure before had the same category.
func (o *outages) note(since time.Time, err error, text string) *outage {
	next := &outage{Since: since, Category: categorize(err), Error: err.Error(), Attempts: 1}
	old := o.present.Load()
	if old != nil {
		next.Since, next.Attempts = old.Since, old.Attempts+1
	}
	o.present.Store(next)
	if text != "" && (old == nil || old.Category != next.Category) {
		o.log.Warn().Err(err).Str("category", next.Category).Msg(text)
	}
	return next
}

// end ends the present outage and returns it; nil where there is none.
func (o *outages) end() *outage { return o.present.Swap(nil) }

// pause returns how long to wait before the next attempt: 1 s, 2 s, up to half a minute.
func (o *outage) pause() time.Duration {
	return min(30*time.Second, time.Second<<min(o.Attempts-1, 6))
}

// unlessKnown drops the producer's own messages during an outage that is logged: every session retries from the beginning, and would log
// the same outage again.
type unlessKnown struct{ outages *outages }

// Run implements zerolog.Hook.
func (u unlessKnown) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	if u.outages.present.Load() != nil {
		e.Discard()
	}
}

// categorize returns an error's bounded category.
func categorize(err error) string {
	if e, ok := errors.AsType[*producer.Error](err); ok {
		return string(e.Category)
	}
	if _, ok := errors.AsType[*producer.RefusedError](err); ok {
		return string(producer.Refused)
	}
	if e, ok := errors.AsType[*registry.Error](err); ok {
		return string(e.Category)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return string(producer.Timeout)
	}
	return string(producer.Unexpected)
}
