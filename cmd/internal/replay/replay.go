// Package replay tries to publish dead letters again: the cause may have been corrected since.
//
// A replay reads the topic of dead letters while the poller works, and passes them to the worker, some in each transaction. The
// worker's memory decides the outcome of a letter (see [poller.Poller.Replay]), so it is always safe to replay a letter again.
// A replay is requested from the admin port, by [Client].
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
	// BatchRows and batchBytes limit the letters of one transaction.
	BatchRows  = 100
	batchBytes = 2 << 20
)

// Account is what a replay needs of the active worker of an account.
type Account interface {
	// Letters calls visit with each dead letter of the account, from the beginning of the topic to its present end; with an error
	// if parts of the letter are gone. It stops at the first error of visit and returns it.
	Letters(ctx context.Context, visit func(encoder.Letter, error) error) error

	// Redaction returns how rows of the account are redacted now, nil if they are not.
	Redaction() *smartassist.Redaction

	// Replay tries letters in one transaction as soon as the worker has a session, and returns the outcome of each. The Err of a
	// letter that the brokers refuse is [ErrRefused].
	//
	// After an error the outcome of the letters is unknown; another call finds it out. The error is a *producer.RefusedError if
	// the brokers refused a record, and also [ErrUnblamed] if that record was not of one of the letters. After [ErrNotActive]
	// and [ErrEnds] another call is useless.
	Replay(ctx context.Context, letters []poller.Letter, p *Prepared) ([]poller.Replayed, error)
}

// Prepared records which preparations of a transaction were made, so that they are not repeated with each attempt. Account.Replay
// makes those that are missing.
type Prepared struct {
	Inspected bool // the topics' settings were read again: a limit may have been raised
	Forgotten bool // earlier refusals of the letters were forgotten
}

// Reasons why a letter is not published, and errors of an Account.
var (
	ErrRefused   = errors.New("the broker refuses the record")
	ErrUnblamed  = errors.New("the broker refuses a record that is not of a dead letter")
	ErrEnds      = errors.New("the worker is ending")
	errWithheld  = errors.New("the topic does not have its row: it was not a JSON object, and REDACT was set")
	errRedaction = errors.New("it was redacted with another REDACT or REDACT_KEY, or not at all, and may hold values that are redacted now: " +
		"set them as they were then to publish it")
	ErrNotActive = errors.New("this worker is no longer the active one: ask the one that /status names")
)

// Replay is the execution of one Request.
type Replay struct {
	account  Account
	log      zerolog.Logger
	send     func(Answer) error
	begun    time.Time
	wanted   map[string]bool // ids; nil for all
	answered map[string]bool
	newest   map[string]time.Time // when each letter was last written, by id
	damaged  map[string]Answer    // to letters with parts missing, by id
	behind   map[string]Answer    // to letters that wait for a newer one, by id
	last     bool                 // the letters in behind are tried for the last time
	batch    []poller.Letter
	bytes    int // of the rows in batch
	prepared Prepared
	refused  int    // letters that the brokers refused
	unblamed int    // refusals of records that are not of a letter
	remedy   string // for the last refusal

	published bool // at least one letter, by this request
}

// Run replays the dead letters that were asked for and sends an Answer for each of them; the final one, with Done, is the caller's.
// It reads the topic several times instead of holding all letters in memory: first to learn when each letter was last written,
// which may be later than its last replay; then to try them; and last, if any was published, to try those again that waited for a
// newer content in a later transaction.
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

// sweep calls use with each letter that is wanted and not answered yet.
func (r *Replay) sweep(ctx context.Context, use func(encoder.Letter, error) error) error {
	return r.account.Letters(ctx, func(l encoder.Letter, err error) error {
		_, behind := r.behind[l.ID]
		if r.wanted != nil && !r.wanted[l.ID] || r.answered[l.ID] || r.last && !behind {
			return nil
		}
		return use(l, err)
	})
}

// answerRest sends the answers to letters that are missing, damaged, or still behind others.
func (r *Replay) answerRest() error {
	for _, a := range r.behind {
		if err := r.answer(a); err != nil {
			return err
		}
	}
	rest := r.damaged
	for id := range r.wanted {
		if _, damaged := rest[id]; !damaged {
			rest[id] = Answer{ID: id, Outcome: Unknown, Reason: "the topic has no dead letter with this id"}
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
	case err != nil || !ok: // the topic may have the row once more, undamaged
		r.damaged[l.ID] = Answer{ID: l.ID, Outcome: string(poller.LetterDead), Reason: fmt.Sprintf("it cannot be read back: %v", err)}
		return nil
	case r.refused >= mostRefused:
		return r.answer(untried(l.ID))
	}
	r.answered[l.ID] = true // the topic may have it twice
	r.batch = append(r.batch, poller.Letter{ID: id, Row: r.row(l), At: l.At})
	if r.bytes += len(l.Row); len(r.batch) < BatchRows && r.bytes < batchBytes {
		return nil
	}
	return r.flush(ctx)
}

// row returns the row of a letter. It is redacted already: doing it again would hash the hashes.
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
	return Answer{ID: id, Outcome: Untried, Reason: fmt.Sprintf("the brokers refused %d others: correct that first, as each refusal interrupts the worker", mostRefused)}
}

func (r *Replay) answerAll(letters []poller.Letter, out []poller.Replayed) error {
	for i, o := range out {
		a := Answer{ID: letters[i].ID.String(), Outcome: string(o.Fate), Revision: o.Revision}
		switch {
		case o.Err != nil:
			a.Reason = o.Err.Error()
			if errors.Is(o.Err, ErrRefused) {
				r.refused++
				a.Reason = fmt.Sprintf("%v (%s)", o.Err, cmp.Or(r.remedy, "see the worker's log for the reason"))
			}
		case o.Before && o.At.Before(r.begun.Truncate(time.Millisecond)): // otherwise this request has resolved it, before a recovery
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
		r.log.Info().Str("letter", a.ID).Int32("revision", a.Revision).Msg("dead letter published")
	}
	return r.send(a)
}
