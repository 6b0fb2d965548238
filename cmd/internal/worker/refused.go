package worker

import (
	"errors"
	"fmt"
	"maps"

	"github.com/convstream/convstream/cmd/internal/replay"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// content is one content of a conversation.
type content struct {
	identity    string
	fingerprint uint64
}

func contentOf(r poller.Revision) content { return content{r.Row.Identity(), r.Fingerprint} }

// verdict is what is known of a content that a broker refused. A refusal aborts the transaction; the next session
// reads the row again and finds the verdict.
type verdict int

const (
	suspected verdict = iota + 1 // one of several records of a refused batch: it gets a batch of its own
	refused                      // it becomes a dead letter
)

// refusals is what brokers refused, and what to do differently.
type refusals struct {
	contents map[content]verdict
	untimed  map[string]bool // topics that do not take the conversations' own times
	part     int             // the largest part of a dead letter, if the topic takes less than its settings say; else 0
}

func newRefusals() *refusals {
	return &refusals{contents: map[content]verdict{}, untimed: map[string]bool{}}
}

// of returns why a content must become a dead letter; nil if it need not.
func (r *refusals) of(row smartassist.Row, fingerprint uint64) error {
	if r.contents[content{row.Identity(), fingerprint}] == refused {
		return replay.ErrRefused
	}
	return nil
}

// forget forgets the verdict on a content.
func (r *refusals) forget(identity string, fingerprint uint64) {
	delete(r.contents, content{identity, fingerprint})
}

// SmallestDeadLetters is the least that the topic of dead letters must take, in bytes.
const SmallestDeadLetters = smallestPart

// smallestPart of a dead letter leaves room for its headers. A topic that takes less takes no dead letters.
const smallestPart = 8 << 10

// partBytes returns the size of the largest part of a dead letter.
func (s sink) partBytes() int {
	most := s.producer.MaxMessageBytes(s.cfg.Topics().DeadLetters())
	if s.refused.part > 0 {
		most = min(most, s.refused.part)
	}
	return max(most, smallestPart)
}

// noteRefused notes what to do differently after a broker refused records. If there is nothing, the error says what
// the operator can do; the worker retries, since the next session reads a corrected setting.
func (s sink) noteRefused(err error, d *draft) error {
	r, ok := errors.AsType[*producer.RefusedError](err)
	if !ok {
		return err
	}
	switch {
	case r.Topic == s.cfg.Topics().DeadLetters() && r.Size() && s.partBytes() > smallestPart:
		s.refused.part = s.partBytes() / 2
		s.log.Warn().Int("bytes", s.refused.part).Msg("the dead-letter topic takes less than its max.message.bytes says: cutting dead letters smaller")
	case r.Time() && d.ownTimes(r.Records):
		s.refused.untimed[r.Topic] = true
		s.log.Warn().Str("topic", r.Topic).Str("hint", "see message.timestamp.before.max.ms of the topic").
			Msg("the topic does not take the conversations' own times (RECORD_TIMESTAMP=start): its records have the time of publishing from now on")
	case r.Time() || !s.blame(r.Records, d):
		return unblamedError{explainRefused(err)}
	}
	return err
}

// unblamedError is a refusal that names no row and needs the operator.
type unblamedError struct{ error }

// Unwrap returns the refusal.
func (e unblamedError) Unwrap() error { return e.error }

// Is reports whether target is replay.ErrUnblamed.
func (e unblamedError) Is(target error) bool { return target == replay.ErrUnblamed }

// ownTimes reports whether any of the records has another time than that of publishing.
func (d *draft) ownTimes(records []int) bool {
	for _, i := range records {
		if !d.records[i].Time.IsZero() {
			return true
		}
	}
	return false
}

// blame notes the rows that a refusal names and reports whether there are any. If there is only one, that one is refused.
func (s sink) blame(records []int, d *draft) (blamed bool) {
	of := suspected
	if len(records) == 1 {
		of = refused
	}
	for _, i := range records {
		if revision := d.revisions[i]; revision != nil {
			s.refused.contents[contentOf(*revision)] = of
			blamed = true
		}
	}
	return blamed
}

// explainRefused adds to a refusal what the operator can do. Other errors stay as they are.
func explainRefused(err error) error {
	if r, ok := errors.AsType[*producer.RefusedError](err); ok {
		return fmt.Errorf("%w (%s)", err, r.Remedy())
	}
	return err
}

// forgetRefused forgets the verdicts on contents that are committed now, also as dead letters, and those on earlier contents of the same
// conversations: a content that changed before it was read again is never committed.
func (s sink) forgetRefused(u poller.Bundle) {
	if len(s.refused.contents) == 0 {
		return
	}
	now := map[string]bool{}
	for _, b := range u.Batches {
		for _, r := range b.Fresh {
			now[r.Row.Identity()] = true
		}
		for _, row := range b.Dead {
			now[row.Identity()] = true
		}
	}
	maps.DeleteFunc(s.refused.contents, func(c content, _ verdict) bool { return now[c.identity] })
}
