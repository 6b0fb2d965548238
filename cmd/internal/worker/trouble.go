package worker

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/producer"
	"github.com/convstream/convstream/schemas/registry"
)

// kafkaTrouble is a time in which nothing can be committed.
type kafkaTrouble struct {
	Since    time.Time `json:"since"`
	Category string    `json:"category"`
	Error    string    `json:"error"` // with what to do, where that is known
	Attempts int       `json:"attempts"`
}

// pause notes a failed session, logs it once, and waits a little longer each time: 1 s, 2 s, up to half a minute.
func (w *Worker) pause(ctx context.Context, err error) {
	t := w.noteTrouble(w.attempt, err, "nothing can be committed; recovering until it can")
	w.metrics.sessionFailures.WithLabelValues(t.Category).Inc()
	timer := time.NewTimer(min(30*time.Second, time.Second<<min(t.Attempts-1, 6)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// noteTrouble notes one more failure of a time of trouble that began then, if this is its first. It logs it unless that one was of the same kind.
func (w *Worker) noteTrouble(since time.Time, err error, text string) *kafkaTrouble {
	t := &kafkaTrouble{Since: since, Category: categorize(err), Error: err.Error(), Attempts: 1}
	old := w.trouble.Load()
	if old != nil {
		t.Since, t.Attempts = old.Since, old.Attempts+1
	}
	w.trouble.Store(t)
	if old == nil || old.Category != t.Category {
		w.log.Warn().Err(err).Str("category", t.Category).Msg(text)
	}
	return t
}

// unlessInTrouble silences the producer's own lines while the Worker has said that nothing can be committed: every session
// begins its attempts anew, and would tell of the same outage again.
type unlessInTrouble struct{ *Worker }

// Run implements zerolog.Hook.
func (u unlessInTrouble) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	if u.trouble.Load() != nil {
		e.Discard()
	}
}

// kafkaWorks ends a time of trouble: with a commit, since recovery alone may work while no commit does.
func (w *Worker) kafkaWorks() {
	if t := w.trouble.Swap(nil); t != nil {
		w.log.Info().Dur("after", time.Since(t.Since)).Int("attempts", t.Attempts).Msg("recovered; committing again")
	}
}

// categorize gives an error's bounded category.
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
