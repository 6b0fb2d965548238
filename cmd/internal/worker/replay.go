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

const (
	// replayRows and replayBytes bound what is replayed in one transaction.
	replayRows  = 100
	replayBytes = 2 << 20
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
	return producer.Tail(ctx, cfg, producer.TailOptions{Topics: []string{r.codec.plain.DeadLetterTopic()}, Patience: tailPatience}, func(m producer.Message) error {
		l, whole, err := letters.Read(MessageOf(m))
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
			rest[id] = LetterAnswer{ID: id, Outcome: LetterUnknown, Why: "the topic holds no dead letter of this id"}
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
	return LetterAnswer{ID: id, Outcome: LetterUntried, Why: fmt.Sprintf("the brokers refused %d others: mend that first, each refusal interrupts the worker", mostRefused)}
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
			a.Outcome, a.As, a.Resolved = LetterResolved, string(o.Fate), &o.At
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
