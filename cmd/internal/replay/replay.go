// Package replay tries dead letters again: whatever kept a row from being published may have been mended since.
//
// A replay reads the dead letters beside the poller, and gives them to the worker a batch at a time; what becomes of a letter
// the worker's memory decides (see [poller.Poller.Replay]), so asking again is always safe. It is asked for through the admin
// port; Client is the other side of that.
package replay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
)

const (
	// BatchRows and batchBytes bound what is replayed in one transaction.
	BatchRows  = 100
	batchBytes = 2 << 20
)

// Account is the active worker of an account, as a replay needs it.
type Account interface {
	// Letters calls visit with each dead letter of the account, from the first to the present end of the topic; with an error
	// where parts of it are gone. An error of visit ends it and is returned.
	Letters(ctx context.Context, visit func(encoder.Letter, error) error) error

	// Redaction returns how rows of the account are redacted now; nil: not at all.
	Redaction() *smartassist.Redaction

	// Replay tries letters in one transaction, once the worker has a session that can, and returns what became of each. A
	// letter that the brokers do not take has the Err [ErrRefused].
	//
	// After an error it is not known what became of the letters, and trying again finds out. It is a *producer.RefusedError
	// where the brokers refused something, and then also [ErrUnblamed] where that was none of the letters; [ErrNotActive] and
	// [ErrEnds] are not worth another try.
	Replay(ctx context.Context, letters []poller.Letter, p *Prepared) ([]poller.Replayed, error)
}

// Prepared is what was done before letters are tried, and is not to be done again while they are. Account.Replay does what is
// missing, and sets it.
type Prepared struct {
	Inspected bool // the topics' settings were read anew: a limit may have been raised
	Forgotten bool // what the brokers said of the letters before was forgotten
}

// What an Account answers.
var (
	ErrRefused   = errors.New("the broker does not take the record")
	ErrUnblamed  = errors.New("a refusal that points to no row")
	ErrEnds      = errors.New("the worker ends")
	errWithheld  = errors.New("its row is not in the topic: it was not a JSON object, and REDACT was set")
	errRedaction = errors.New("it was put aside under another REDACT or REDACT_KEY, or before there was one, and may hold what is to be redacted now: " +
		"it can be published only under the settings of then")
	ErrNotActive = errors.New("this worker is not the active one any more: ask the one that /status names")
)

// Replay is one request to try dead letters again.
type Replay struct {
	account  Account
	log      zerolog.Logger
	send     func(Answer) error
	begun    time.Time
	wanted   map[string]bool // ids; nil for all
	answered map[string]bool
	newest   map[string]time.Time // when each was put aside last
	damaged  map[string]Answer    // what is said of letters that were met with parts missing
	behind   map[string]Answer    // and of those that wait for a newer one
	last     bool                 // those that wait are tried for the last time
	batch    []poller.Letter
	bytes    int
	prepared Prepared
	refused  int    // letters, by the brokers
	unblamed int    // refusals that pointed to no letter
	remedy   string // of the last refusal

	published bool // something, by this request
}

// Run reads the dead letters to the present end and sends an answer for each that is wanted, and none to say that it is done.
// It reads them again rather than hold them: at first only to learn when each was put aside last, which may have been after it
// was replayed; and in the end, where something was published, those that waited for a newer content in a later batch.
func (r *Replay) Run(ctx context.Context, account Account, log zerolog.Logger, send func(Answer) error) error {
	r.account, r.log, r.send = account, log, send
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
func (r *Replay) round(ctx context.Context) error {
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
func (r *Replay) sweep(ctx context.Context, use func(encoder.Letter, error) error) error {
	return r.account.Letters(ctx, func(l encoder.Letter, err error) error {
		_, behind := r.behind[l.ID]
		if r.wanted != nil && !r.wanted[l.ID] || r.answered[l.ID] || r.last && !behind {
			return nil
		}
		return use(l, err)
	})
}

// answerRest answers for letters that are not there, or not whole, or still behind others.
func (r *Replay) answerRest() error {
	for _, a := range r.behind {
		if err := r.answer(a); err != nil {
			return err
		}
	}
	rest := r.damaged
	for id := range r.wanted {
		if _, damaged := rest[id]; !damaged {
			rest[id] = Answer{ID: id, Outcome: Unknown, Why: "the topic holds no dead letter of this id"}
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
func (r *Replay) take(ctx context.Context, l encoder.Letter, err error) error {
	id, ok := poller.ParseLetterID(l.ID)
	switch {
	case err != nil || !ok: // the topic may hold the same row once more, and whole
		r.damaged[l.ID] = Answer{ID: l.ID, Outcome: string(poller.LetterDead), Why: fmt.Sprintf("it cannot be read back: %v", err)}
		return nil
	case r.refused >= mostRefused:
		return r.answer(untried(l.ID))
	}
	r.answered[l.ID] = true // or it would be taken twice where the topic has it twice
	r.batch = append(r.batch, poller.Letter{ID: id, Row: r.row(l), At: l.At})
	if r.bytes += len(l.Row); len(r.batch) < BatchRows && r.bytes < batchBytes {
		return nil
	}
	return r.flush(ctx)
}

// row returns the row of a letter. It was redacted before it was put aside: to do it again would hash hashes.
func (r *Replay) row(l encoder.Letter) smartassist.Row {
	row := smartassist.ParseRow(l.Row)
	now := r.account.Redaction()
	switch {
	case smartassist.IsWithheld(l.Row):
		row.Err = errWithheld
	case now.ID() != l.Redaction && !bytes.Equal(now.Row(row).Raw, row.Raw):
		row.Err = errRedaction
	}
	return row
}

func untried(id string) Answer {
	return Answer{ID: id, Outcome: Untried, Why: fmt.Sprintf("the brokers refused %d others: mend that first, each refusal interrupts the worker", mostRefused)}
}

func (r *Replay) answerAll(letters []poller.Letter, out []poller.Replayed) error {
	for i, o := range out {
		a := Answer{ID: letters[i].ID.String(), Outcome: string(o.Fate), Revision: o.Revision}
		switch {
		case o.Err != nil:
			a.Why = o.Err.Error()
			if errors.Is(o.Err, ErrRefused) {
				r.refused++
				a.Why = fmt.Sprintf("%v (%s)", o.Err, cmp.Or(r.remedy, "its dead letters say when, the log why"))
			}
		case o.Before && o.At.Before(r.begun.Truncate(time.Millisecond)): // else by this very request, before a recovery
			a.Outcome, a.As, a.Resolved = Resolved, string(o.Fate), &o.At
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

func (r *Replay) answer(a Answer) error {
	r.answered[a.ID] = true
	delete(r.behind, a.ID)
	if a.Outcome == string(poller.LetterPublished) {
		r.published = true
		r.log.Info().Str("letter", a.ID).Int32("revision", a.Revision).Msg("a dead letter was replayed and is published")
	}
	return r.send(a)
}
