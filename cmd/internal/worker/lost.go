package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

const (
	// longestRecollection bounds the reading of the topics: a million conversations take about a minute.
	longestRecollection = time.Hour
	// snapshotPart is how many entries are written in one transaction: it must end well before the broker aborts it.
	snapshotPart = 20_000
)

// lost handles a lost state as STATE_LOST says. If the worker is to go on, it first remembers the records that the topics still have, so
// that no revision number and no content is published twice, and writes all of it into the state topic: the next start finds
// a state like any other.
func (s *session) lost(ctx context.Context, state *poller.State, last commit) error {
	w := s.worker
	what := s.whatIsLost(state, last)
	if w.cfg.StateLost == config.StopWhenLost {
		return &StateError{fmt.Errorf("%s (STATE_LOST=stop). Going on would publish again what is published. Bring the state topic back as it was; "+
			"or set STATE_LOST=resume, to go on at the last completeThrough and read nothing before it again; or STATE_LOST=restart, to read again from START_FROM. "+
			"Both remember what the topics of conversations still hold", what)}
	}
	known, err := s.lastCommit(ctx, state, last)
	if err != nil {
		return err
	}
	now := time.Now()
	if w.cfg.StateLost == config.ResumeWhenLost {
		state.Resume(known)
	} else {
		state.Restart(known, w.polling, now)
	}
	since := state.From.Add(-poller.Horizon(w.polling.Tiers) - 24*time.Hour)
	w.log.Warn().Time("since", since).Msg(what + ": reading back what was published")
	recalled, err := s.recollect(ctx, state, since, now)
	if err != nil {
		return err
	}
	if err := state.Snapshot(snapshotPart, func(part []poller.Record) error { return s.writeState(ctx, part) }); err != nil {
		return err
	}
	s.logRestored(state, known, since, recalled)
	return nil
}

// lastCommit returns the last commit, from the state or the progress topic, whichever is newer.
func (s *session) lastCommit(ctx context.Context, state *poller.State, last commit) (poller.Last, error) {
	if last.sequence <= state.Sequence {
		return state.Last(), nil
	}
	w := s.worker
	p, err := w.codec.decoder.Progress(ctx, last.value)
	if e := schemaMissing(w.cfg.Topics().Progress(), err); e != nil {
		return poller.Last{}, e
	}
	if err != nil {
		return poller.Last{}, &StateError{fmt.Errorf("the last record of topic %s, which says where to go on after the state was lost, cannot be read: %w. "+
			"Run the version that wrote it", w.cfg.Topics().Progress(), err)}
	}
	return poller.Last{Sequence: last.sequence, Selection: p.Selection, CompleteThrough: p.CompleteThrough.UTC()}, nil
}

func (s *session) writeState(ctx context.Context, part []poller.Record) error {
	w := s.worker
	w.heart.beat()
	records := make([]producer.Record, len(part))
	for i, r := range part {
		records[i] = stateRecord(w.cfg, r)
	}
	return explainRefused(w.producer.Commit(ctx, records, nil))
}

func (s *session) logRestored(state *poller.State, known poller.Last, since time.Time, recalled int) {
	w := s.worker
	e := w.log.Warn().Int64("sequence", state.Sequence).Time("from", state.From).Time("completeThrough", known.CompleteThrough).
		Int("recalled", recalled).Int("remembered", state.Seen.Len()).Time("since", since)
	if w.cfg.StateLost == config.ResumeWhenLost {
		e.Str("hint", "conversations before from are not read again, so their later changes are not published; one after it comes again, as revision 1, only if its records are gone from the topics or older than since").
			Msg("the state was lost and is made anew (STATE_LOST=resume): going on where completeThrough ended")
		return
	}
	e.Str("hint", "a conversation comes again, as revision 1, only if its records are gone from the topics or older than since").
		Msg("the state was lost and is made anew (STATE_LOST=restart): reading again from START_FROM")
}

// recollect remembers the topics' records since then, and returns their number.
func (s *session) recollect(ctx context.Context, state *poller.State, since, now time.Time) (recalled int, err error) {
	ctx, cancel := context.WithTimeout(ctx, longestRecollection)
	defer cancel()
	w := s.worker
	memory, unreadable := state.Recollect(now), 0
	count := func(err error) {
		if err == nil {
			recalled++
		} else {
			unreadable++
		}
	}
	for _, topic := range w.cfg.Topics().Conversations() {
		if err := w.producer.ReadSince(ctx, topic, since, func(m producer.Message) error {
			w.heart.beat()
			r, err := s.encoder.ReadConversation(ctx, w.codec.decoder, MessageOf(m))
			if e := schemaMissing(topic, err); e != nil {
				return e
			}
			if errors.Is(err, encoder.ErrOtherAccount) {
				return nil
			}
			if count(err); err == nil {
				memory.Add(poller.Published{Row: r.Row, Revision: r.Number, Fingerprint: r.Fingerprint, At: r.ObservedAt})
			}
			return nil
		}); err != nil {
			return recalled, err
		}
	}
	var letters encoder.LetterReader
	err = w.producer.ReadSince(ctx, w.cfg.Topics().DeadLetters(), since, func(m producer.Message) error {
		w.heart.beat()
		l, whole, err := letters.Read(MessageOf(m))
		if l.Account != w.cfg.AccountID {
			return nil
		}
		if count(err); err == nil && whole {
			row := smartassist.ParseRow(l.Row)
			memory.Add(poller.Published{Row: row, Fingerprint: row.Fingerprint(w.polling.Ignore), At: l.At})
		}
		return nil
	})
	if unreadable > 0 {
		w.log.Warn().Int("records", unreadable).Msg("records in the topics cannot be read by this version and are not remembered")
	}
	return recalled, err
}
