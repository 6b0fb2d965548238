package worker

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// letters implements replay.Account with the account's dead letters. Its methods are not for the
// poller's goroutine, which does the work on the memory as an errand.
type letters struct{ worker *Worker }

// AccountID implements admin.Letters.
func (l letters) AccountID() string { return l.worker.cfg.AccountID }

// Redaction implements replay.Account.
func (l letters) Redaction() *smartassist.Redaction { return l.worker.redaction }

// Letters returns the account's dead letters.
func (w *Worker) Letters() admin.Letters { return letters{w} }

// tailPatience is how long the brokers may be silent while dead letters are read.
const tailPatience = 30 * time.Second

// Letters implements replay.Account, on connections of its own.
func (l letters) Letters(ctx context.Context, visit func(encoder.Letter, error) error) error {
	return l.worker.readLetters(ctx, producer.TailOptions{Patience: tailPatience}, visit)
}

// readLetters calls visit with each dead letter of the account; with an error if it is not whole.
func (w *Worker) readLetters(ctx context.Context, o producer.TailOptions, visit func(encoder.Letter, error) error) error {
	var reader encoder.LetterReader
	o.Topics = []string{w.cfg.Topics().DeadLetters()}
	return w.tail(ctx, o, func(m producer.Message) error {
		letter, whole, err := reader.Read(MessageOf(m))
		if !whole || letter.Account != w.cfg.AccountID {
			return nil
		}
		return visit(letter, err)
	})
}

// tail reads topics on connections of its own, beside the session.
func (w *Worker) tail(ctx context.Context, o producer.TailOptions, visit func(producer.Message) error) error {
	return producer.Tail(ctx, w.cfg.Kafka.Cluster(clientID, w.network.Dial, zerolog.Nop()), o, visit)
}

// Replay implements replay.Account.
func (l letters) Replay(ctx context.Context, list []poller.Letter, prepared *replay.Prepared) (out []poller.Replayed, err error) {
	done := make(chan struct{})
	errand := func(ctx context.Context, p *poller.Poller) error {
		defer close(done)
		if !prepared.Inspected {
			if err = l.inspect(ctx); err != nil {
				return nil // nothing has changed, and the poller may go on
			}
			prepared.Inspected = true
		}
		if !prepared.Forgotten {
			l.forgetVerdicts(list)
		}
		prepared.Forgotten = true
		if out, err = p.Replay(ctx, list); err == nil || len(list) > 1 {
			// A verdict of this attempt must not count in the next one.
			l.forgetVerdicts(list)
		}
		return err
	}
	if err := l.worker.send(ctx, errand, done); err != nil {
		return nil, err
	}
	return out, l.worker.ending(err)
}

// ending returns err, as an endingError if this worker ends with it. One that is fenced and has a lease stands by, or becomes active
// again.
func (w *Worker) ending(err error) error {
	if !final(err) || !w.election.off() && errors.Is(err, producer.ErrFenced) {
		return err
	}
	return endingError{err}
}

// endingError is an error that a worker ends with.
type endingError struct{ error }

// Unwrap returns the error.
func (e endingError) Unwrap() error { return e.error }

// Is reports whether target is replay.ErrEnds.
func (e endingError) Is(target error) bool { return target == replay.ErrEnds }

// inspect reads the topics' settings again: a limit that the operator has raised must be known before records are measured by it.
func (l letters) inspect(ctx context.Context) error {
	l.worker.heart.beat()
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	return l.worker.producer.InspectTopics(ctx, l.worker.topics)
}

func (l letters) forgetVerdicts(list []poller.Letter) {
	for _, letter := range list {
		l.worker.refused.forget(letter.Row.Identity(), letter.Row.Fingerprint(l.worker.polling.Ignore))
	}
}
