package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

const (
	// mostRecalled bounds the records that are remembered again for one pass, about 80 bytes each while they are read.
	mostRecalled = 2_000_000
	// recallPatience is how long the brokers may be silent while the topics are read back, and recallPause how long it is until another
	// attempt.
	recallPatience = time.Minute
	recallPause    = 15 * time.Second
)

// recallSoon wakes recallPasses.
func (w *Worker) recallSoon() {
	select {
	case w.recalls <- struct{}{}:
	default:
	}
}

// recallPasses reads back what the topics hold of the ranges of passes that wait for it, until ctx ends. Live polling goes on meanwhile.
func (s *session) recallPasses(ctx context.Context, p *poller.Poller) {
	w := s.worker
	w.recallSoon() // a backfill of the session before may wait
	for logged := false; ; {
		var again <-chan time.Time
		for _, pass := range p.Status().Passes {
			if pass.State != poller.Recalling {
				continue
			}
			err := s.recall(ctx, pass)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				logged = false
				continue
			}
			if again = time.After(recallPause); !logged {
				w.log.Warn().Err(err).Int64("pass", pass.ID).Msg("the topics cannot be read back; the backfill waits, and live polling goes on")
			}
			logged = true
		}
		select {
		case <-ctx.Done():
			return
		case <-w.recalls:
		case <-again:
		}
	}
}

// recall makes the memory know what the topics hold of the range of a pass.
func (s *session) recall(ctx context.Context, pass poller.PassStatus) error {
	w, began := s.worker, time.Now()
	traces, err := w.traces(ctx, s.encoder, pass.Window)
	if err != nil {
		return err
	}
	recalled := len(traces)
	for r, done := poller.NewRecall(pass.ID, traces), false; !done; {
		if err := w.do(ctx, func(ctx context.Context, p *poller.Poller) (err error) {
			done, err = p.Recall(ctx, r)
			return err
		}); err != nil {
			return err
		}
	}
	w.log.Info().Int64("pass", pass.ID).Int("recalled", recalled).Dur("took", time.Since(began)).Msg("what the topics hold of the range is remembered again")
	return nil
}

var errTooMany = fmt.Errorf("the topics hold more than %d records of the range and the days around it, more than are remembered at once: cancel the backfill, and ask for the range in parts", mostRecalled)

// traces returns what the topics hold of conversations that windows within the range may return. It reads on connections of its own, to
// the end of all that was written before.
func (w *Worker) traces(ctx context.Context, e *encoder.Encoder, within poller.Window) (traces []poller.Trace, err error) {
	around := within.Around()
	unreadable := 0
	o := producer.TailOptions{Topics: w.cfg.Topics().Conversations(), Since: around.Start, Whole: true, Patience: recallPatience}
	add := func(p poller.Published) {
		if start := p.Row.Start; start.IsZero() || around.Contains(start) {
			p.Fingerprint = p.Row.Fingerprint(w.polling.Ignore)
			traces = append(traces, p.Trace())
		}
	}
	if err := w.tail(ctx, o, func(m producer.Message) error {
		if len(traces) >= mostRecalled {
			return errTooMany
		}
		r, err := e.ReadConversation(ctx, w.codec.decoder, MessageOf(m))
		switch missing := schemaMissing(m.Topic, err); {
		case errors.Is(err, encoder.ErrOtherAccount):
		case missing != nil:
			return missing
		case err != nil:
			unreadable++
		default:
			add(poller.Published{Row: r.Row, Revision: r.Number, At: r.ObservedAt})
		}
		return nil
	}); err != nil {
		return nil, err
	}
	err = w.readLetters(ctx, o, func(l encoder.Letter, err error) error {
		if err != nil {
			unreadable++
			return nil
		}
		add(poller.Published{Row: smartassist.ParseRow(l.Row), At: l.At})
		return nil
	})
	if unreadable > 0 {
		w.log.Warn().Int("records", unreadable).Msg("records in the topics cannot be read by this version and are not remembered")
	}
	return traces, err
}
