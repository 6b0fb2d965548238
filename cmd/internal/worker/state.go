package worker

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/producer"
)

// StateError means that the state cannot be used, by this version or at all. The operator has to decide what to do.
type StateError struct{ Err error }

// Error returns what is wrong and what to do.
func (e *StateError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StateError) Unwrap() error { return e.Err }

// errCoolDown ends a session whose memory was kept, or kept warm, and does not fit the topics. The topic may have been created again
// meanwhile: the next session reads it from the beginning before it is considered lost.
var errCoolDown = errors.New("the state that was followed does not fit the topics; reading it from the beginning")

// barrier makes sure that state and progress are read to the end: see producer.Barrier. Its records are aborted: a progress record would
// be a commit to its readers, and a state record of a new kind is refused by older versions.
func (s *session) barrier(ctx context.Context) error {
	w := s.worker
	w.heart.beat()
	ctx, cancel := context.WithTimeout(ctx, step)
	defer cancel()
	account := []byte(w.cfg.AccountID)
	return explainRefused(w.producer.Barrier(ctx, []producer.Record{
		{Topic: w.cfg.Topics().State(), Key: poller.StatePrefix(w.cfg.AccountID), PartitionKey: account},
		{Topic: w.cfg.Topics().Progress(), Key: account},
	}))
}

// compareWithProgress checks, before anything is published, whether state and progress fit each other. Every commit writes its sequence
// into both topics. With a state that is older than the last progress, or that lacks a part of its memory, contents would be published
// again: STATE_LOST decides, and may replace the state.
//
// A progress topic that is older than the state is no reason to stop: everything the worker needs is in the state, and
// its next sequence is above both.
func (s *session) compareWithProgress(ctx context.Context) error {
	state := s.memory.state
	last, err := s.lastProgress(ctx)
	lost := last.sequence > state.Sequence || !state.Complete()
	switch {
	case err != nil:
		return err
	case lost && (s.memory.followed || s.memory.kept):
		s.memory.spoilt = true
		return errCoolDown
	case lost:
		s.memory.spoilt = true // it differs from what is committed until all of it is written
		if err := s.lost(ctx, state, last); err != nil {
			return err
		}
	case last.sequence < state.Sequence && s.worker.kept.memo.first(s.worker.cfg.Topics().Progress()):
		s.worker.log.Warn().Int64("progress", last.sequence).Int64("state", state.Sequence).
			Str("hint", "it was deleted or truncated, or its records have expired; readers of progress miss the commits between, the conversations are not affected").
			Msg("the progress topic ends before the last commit; going on with the next sequence")
	}
	if err := s.worker.kept.compare(ctx, state.Note); err != nil {
		return err
	}
	s.worker.shown.drift.Store(&s.worker.kept.memo.Drift.Report)
	return nil
}

// commit is a commit in the progress topic; the zero value means none.
type commit struct {
	sequence int64
	value    []byte
}

// lastProgress returns the account's last commit in the progress topic. It reads backwards in growing steps: the topic has
// weeks of commits, and perhaps those of other accounts.
func (s *session) lastProgress(ctx context.Context) (last commit, err error) {
	w := s.worker
	ctx, came, cancel := whileItComes(ctx)
	defer cancel()
	for step := int64(1_000); ; step *= 10 {
		if step > math.MaxInt64/10 {
			step = math.MaxInt64
		}
		all, err := w.producer.ReadLast(ctx, w.cfg.Topics().Progress(), 0, step, func(m producer.Message) error {
			w.heart.beat()
			came()
			if n := MessageOf(m).Sequence(); string(m.Key) == w.cfg.AccountID && n > last.sequence {
				last = commit{n, m.Value}
			}
			return nil
		})
		if err != nil || all || last.sequence > 0 {
			return last, err
		}
	}
}

// whatIsLost returns the sentence that logs and errors begin with, with both sequences.
func (s *session) whatIsLost(state *poller.State, last commit) string {
	progress, topic := s.worker.cfg.Topics().Progress(), s.worker.cfg.Topics().State()
	switch {
	case state.Sequence == 0:
		return fmt.Sprintf("state is lost: topic %s holds nothing of this account, but %s records commit %d", topic, progress, last.sequence)
	case last.sequence > state.Sequence:
		return fmt.Sprintf("state is lost: topic %s ends with commit %d, but %s records commit %d", topic, state.Sequence, progress, last.sequence)
	case state.Remembered == poller.Unfinished:
		return fmt.Sprintf("state is lost: topic %s was being made anew, and that was not finished", topic)
	default:
		return fmt.Sprintf("state is lost: topic %s holds %d of the %d entries that commit %d remembered; part of it was deleted",
			topic, state.Seen.Len(), state.Remembered, state.Sequence)
	}
}
