package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// LetterAnswer is what became of one dead letter, or of the whole request: one line of the answer to a replay.
type LetterAnswer struct {
	ID       string     `json:"id,omitempty"`
	Outcome  string     `json:"outcome,omitempty"`  // published, superseded, dead, resolved, unknown or untried
	As       string     `json:"as,omitempty"`       // of one that was resolved before: published or superseded
	Revision int32      `json:"revision,omitempty"` // of a published one
	Resolved *time.Time `json:"resolved,omitempty"` // when one that was resolved before was
	Why      string     `json:"why,omitempty"`      // of one that is dead, unknown or untried

	Done  bool   `json:"done,omitempty"`  // the last line: every letter asked for was answered
	Error string `json:"error,omitempty"` // the last line: why those that are not answered were not; asking again is safe
}

// Outcomes beside those of the poller.
const (
	letterResolved = "resolved" // before
	letterUnknown  = "unknown"
	letterUntried  = "untried"
)

const (
	// replayRows and replayBytes bound what is replayed in one transaction.
	replayRows  = 100
	replayBytes = 2 << 20
	// mostUnblamed is how many refusals that point to no letter end a request: those after them would not fare better.
	mostUnblamed = 2
	// mostRefused is how many refusals by the brokers one request may cause: each costs a recovery.
	mostRefused = 3
	// longestReplay is how long a transaction of letters is tried for, through as many recoveries as it needs.
	longestReplay = 3 * time.Minute
	// tailPatience is how long the brokers may be silent while dead letters are read.
	tailPatience = 30 * time.Second
)

// replay is one request to try dead letters again. It reads them beside the poller, on connections of its own, and gives
// them to the poller's goroutine, a batch at a time.
type replay struct {
	*Worker
	begun    time.Time
	wanted   map[string]bool // ids; nil for all
	answered map[string]bool
	newest   map[string]time.Time    // when each was put aside last
	damaged  map[string]LetterAnswer // what is said of letters that were met with parts missing
	behind   map[string]LetterAnswer // and of those that wait for a newer one
	last     bool                    // those that wait are tried for the last time
	batch    []poller.Letter
	bytes    int
	refused  int    // letters, by the brokers
	unblamed int    // refusals that pointed to no letter
	remedy   string // of the last refusal
	tell     func(LetterAnswer) error

	published bool // something, by this request
	// Of the poller's goroutine while an errand is done:
	inspected bool // the topics' settings were read for the present batch
	asked     bool // what is known of the present letters the brokers have said to this request
}

// run reads the dead letters to the present end and answers each that is wanted. It reads them again rather than hold them: at
// first only to learn when each was put aside last, which may have been after it was replayed; and in the end, where something
// was published, those that waited for a newer content in a later batch.
func (r *replay) run(ctx context.Context) error {
	err := r.sweep(ctx, func(l encoder.Letter, err error) error {
		if err == nil && l.At.After(r.newest[l.ID]) {
			r.newest[l.ID] = l.At
		}
		return nil
	})
	if err == nil {
		err = r.round(ctx)
	}
	if r.last = true; err == nil && r.published && len(r.behind) > 0 {
		for id := range r.behind {
			delete(r.answered, id)
		}
		err = r.round(ctx)
	}
	if err != nil {
		return err
	}
	return r.answerRest()
}

// round tries each letter once.
func (r *replay) round(ctx context.Context) error {
	if err := r.sweep(ctx, func(l encoder.Letter, err error) error {
		if l.At.Before(r.newest[l.ID]) {
			return nil
		}
		return r.take(ctx, l, err)
	}); err != nil {
		return err
	}
	return r.flush(ctx)
}

// sweep reads the letters that are wanted and not answered yet.
func (r *replay) sweep(ctx context.Context, use func(encoder.Letter, error) error) error {
	var letters encoder.LetterReader
	cfg := producerConfig(r.cfg, r.network, zerolog.Nop())
	return producer.Tail(ctx, cfg, producer.TailOptions{Topics: []string{r.encoder.DeadLetterTopic()}, Patience: tailPatience}, func(m producer.Message) error {
		l, whole, err := letters.Read(messageOf(m))
		_, behind := r.behind[l.ID]
		if !whole || l.Account != r.cfg.AccountID || r.wanted != nil && !r.wanted[l.ID] || r.answered[l.ID] || r.last && !behind {
			return nil
		}
		return use(l, err)
	})
}

// answerRest answers for letters that are not there, or not whole, or still behind others.
func (r *replay) answerRest() error {
	for _, a := range r.behind {
		if err := r.answer(a); err != nil {
			return err
		}
	}
	rest := r.damaged
	for id := range r.wanted {
		if _, damaged := rest[id]; !damaged {
			rest[id] = LetterAnswer{ID: id, Outcome: letterUnknown, Why: "the topic holds no dead letter of this id"}
		}
	}
	for id, a := range rest {
		if r.answered[id] {
			continue
		}
		if err := r.answer(a); err != nil {
			return err
		}
	}
	return nil
}

// take adds a letter to the batch.
func (r *replay) take(ctx context.Context, l encoder.Letter, err error) error {
	id, ok := poller.ParseLetterID(l.ID)
	switch {
	case err != nil || !ok: // the topic may hold the same row once more, and whole
		r.damaged[l.ID] = LetterAnswer{ID: l.ID, Outcome: string(poller.LetterDead), Why: fmt.Sprintf("it cannot be read back: %v", err)}
		return nil
	case r.refused >= mostRefused:
		return r.answer(untried(l.ID))
	}
	r.answered[l.ID] = true // or it would be taken twice where the topic has it twice
	r.batch = append(r.batch, poller.Letter{ID: id, Row: smartassist.ParseRow(l.Row), At: l.At})
	if r.bytes += len(l.Row); len(r.batch) < replayRows && r.bytes < replayBytes {
		return nil
	}
	return r.flush(ctx)
}

func untried(id string) LetterAnswer {
	return LetterAnswer{ID: id, Outcome: letterUntried, Why: fmt.Sprintf("the brokers refused %d others: mend that first, each refusal interrupts the worker", mostRefused)}
}

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
	fenced := r.lease != nil && errors.Is(err, producer.ErrFenced) // it stands by, or becomes active again
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
			if r.doing() == Standby {
				return nil, errNotActive
			}
		}
	}
}

// inspect reads the topics' settings anew: a limit that the operator has raised must be known before records are measured by it.
func (w *Worker) inspect(ctx context.Context) error {
	w.turn()
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

func (r *replay) answerAll(letters []poller.Letter, out []poller.Replayed) error {
	for i, o := range out {
		a := LetterAnswer{ID: letters[i].ID.String(), Outcome: string(o.Fate), Revision: o.Revision}
		switch {
		case o.Err != nil:
			a.Why = o.Err.Error()
			if errors.Is(o.Err, errRefused) {
				r.refused++
				a.Why = fmt.Sprintf("%v (%s)", o.Err, cmp.Or(r.remedy, "its dead letters say when, the log why"))
			}
		case o.Before && o.At.Before(r.begun.Truncate(time.Millisecond)): // else by this very request, before a recovery
			a.Outcome, a.As, a.Resolved = letterResolved, string(o.Fate), &o.At
		}
		if errors.Is(o.Err, poller.ErrNewerIsDead) && !r.last {
			r.behind[a.ID] = a
			continue
		}
		if err := r.answer(a); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) answer(a LetterAnswer) error {
	r.answered[a.ID] = true
	delete(r.behind, a.ID)
	if a.Outcome == string(poller.LetterPublished) {
		r.published = true
		r.log.Info().Str("letter", a.ID).Int32("revision", a.Revision).Msg("a dead letter was replayed and is published")
	}
	return r.tell(a)
}
