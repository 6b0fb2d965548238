package worker

import (
	"context"
	"time"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// sink turns a batch of the poller into records of the encoder and one transaction of the producer.
type sink struct {
	*Worker
	hard context.Context // ends when draining has lasted too long; the commit's only bound besides the producer's own
}

// draft is a batch on its way: its records, and what the progress record will say of them.
type draft struct {
	records   []producer.Record
	progress  encoder.Progress
	revisions []int // index into the batch's Fresh for each record; -1 for a dead letter
	unmapped  []string
	memo      memo // as it is when the draft is committed
}

// Commit implements poller.Sink.
func (s sink) Commit(_ context.Context, b poller.Batch) error {
	s.turn()
	begun := time.Now()
	s.attempt = begun
	d, err := s.draft(b)
	if err != nil {
		return err
	}
	err = s.producer.Commit(s.hard, d.records, func(ends map[string]int64) ([]producer.Record, error) {
		return s.closing(b, d, ends)
	})
	s.turn()
	if err != nil {
		return s.noteRefused(err, b, d)
	}
	s.memo = d.memo
	s.kafkaWorks()
	s.forgetRefused(b)
	s.metrics.committed(b, d, time.Since(begun))
	return nil
}

func (s sink) draft(b poller.Batch) (*draft, error) {
	d := &draft{progress: encoder.Progress{
		AccountID: s.cfg.AccountID, Sequence: b.Sequence, Selection: b.Selection,
		WindowStart: b.Read.Start, WindowEnd: b.Read.End, ReadAt: b.Read.At,
		CompleteFrom: b.CompleteFrom, CompleteThrough: b.CompleteThrough,
		Fetched: int64(len(b.Read.Rows)), Unchanged: int64(b.Unchanged), Late: int64(b.Late), Requests: int64(b.Read.Requests),
		ByTopic: map[string]int64{},
	}}
	for i, r := range b.Fresh {
		if err := s.conversation(b, d, r, i); err != nil {
			return nil, err
		}
	}
	for _, row := range b.Dead {
		s.deadLetter(b, d, row, row.Err.Error())
	}
	return d, nil
}

func (s sink) conversation(b poller.Batch, d *draft, r poller.Revision, i int) error {
	m, err := s.encoder.Conversation(encoder.Revision{
		Row: r.Row, Number: r.Number, Change: r.Change, ObservedAt: b.Read.At,
		Supersedes: r.Supersedes, Fingerprint: r.Fingerprint,
	})
	if err != nil {
		s.deadLetter(b, d, r.Row, "row cannot be encoded")
		s.log.Error().Err(err).Msg("a row cannot be encoded and goes to the dead letters")
		return nil
	}
	record := recordOf(m)
	if s.cfg.RecordTimestamp == config.AtStart && !s.refused.untimed[m.Topic] {
		record.Time = s.recordTime(m)
	}
	record.Alone = s.refused.contents[contentOf(r)] == suspected
	d.records = append(d.records, record)
	d.revisions = append(d.revisions, i)
	d.unmapped = append(d.unmapped, m.Unmapped...)
	d.progress.Published++
	d.progress.ByTopic[m.Topic]++
	s.metrics.logUnknown(s.log, m.Unknown)
	return nil
}

// recordTime is the conversation's start, where Kafka takes such a record and keeps it for long enough to be read; else
// zero. The minute is for clocks that differ and for the way.
func (s sink) recordTime(m encoder.Message) time.Time {
	now := time.Now()
	oldest := now.Add(-min(s.producer.Retention(m.Topic)/2, s.producer.MaxAge(m.Topic)-time.Minute))
	if m.Start.After(now) || m.Start.Before(oldest) {
		return time.Time{}
	}
	return m.Start
}

func (s sink) deadLetter(b poller.Batch, d *draft, row smartassist.Row, why string) {
	topic := s.encoder.DeadLetterTopic()
	for _, m := range s.encoder.DeadLetter(encoder.DeadLetter{
		Row: row, Error: why, WindowStart: b.Read.Start, WindowEnd: b.Read.End, ObservedAt: b.Read.At,
		MaxBytes: s.partBytes(),
	}) {
		record := recordOf(m)
		record.Alone = s.refused.part > 0 // then the topic's settings do not say what fits into a batch either
		d.records = append(d.records, record)
		d.revisions = append(d.revisions, -1)
	}
	d.progress.DeadLettered++
	d.progress.ByTopic[topic]++
}

// closing makes the last records of the transaction, now that the offsets of the others are known.
func (s sink) closing(b poller.Batch, d *draft, ends map[string]int64) ([]producer.Record, error) {
	d.progress.EndOffsets = ends
	m, err := s.encoder.Progress(d.progress)
	if err != nil {
		return nil, err
	}
	d.memo = s.memoWith(ends)
	out := make([]producer.Record, 0, len(b.State)+2)
	out = append(out, recordOf(m))
	for _, r := range append(b.State, d.memo.records(s.cfg.AccountID)...) {
		out = append(out, producer.Record{Topic: s.cfg.TopicPrefix + stateTopic, Key: r.Key, Value: r.Value})
	}
	return out, nil
}

func recordOf(m encoder.Message) producer.Record {
	headers := make([]producer.Header, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = producer.Header(h)
	}
	return producer.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: headers}
}
