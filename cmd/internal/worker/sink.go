package worker

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/drift"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// sink turns a bundle of the poller into records of the encoder and one transaction of the producer.
type sink struct {
	cfg      *config.Config
	log      zerolog.Logger
	encoder  *encoder.Encoder
	producer *producer.Producer
	refused  *refusals
	kept     *keptMemo
	metrics  *metrics
	now      func() time.Time // the clock of reads
	attempts attempts
	memory   *memory
	shown    *shown
	watched  *observers
}

// attempts is notified of each commit.
type attempts interface {
	// begin is called before it.
	begin()
	// end is called after it, with nil if it is durable.
	end(err error)
}

// draft is a bundle on its way: its records, and what the progress records will say of its reads.
type draft struct {
	records    []producer.Record
	revisions  []*poller.Revision // for each record; nil for a dead letter
	progress   []encoder.Progress // for each batch
	deviations []encoder.Deviation
	found      drift.Batch
	memo       memo            // as it is when the draft is committed
	news       []drift.Finding // that it found for the first time
	notes      []poller.Record // of the memo
}

// part is one batch of a draft on its way.
type part struct {
	*draft
	poller.Batch
	progress *encoder.Progress
}

// Refused implements poller.Sink.
func (s sink) Refused(row smartassist.Row, fingerprint uint64) error {
	return s.refused.of(row, fingerprint)
}

// KeepsLetters implements poller.Sink.
func (s sink) KeepsLetters() time.Duration { return s.producer.Retention(s.cfg.Topics().DeadLetters()) }

// Commit implements poller.Sink. Its time is bounded by ctx and by the producer's transaction timeout.
func (s sink) Commit(ctx context.Context, u poller.Bundle) error {
	s.attempts.begin()
	begun := time.Now()
	d := s.draft(u)
	err := s.producer.Commit(ctx, d.records, func(ends map[string]int64) ([]producer.Record, error) {
		return s.closing(u, d, ends)
	})
	s.attempts.end(err)
	if err != nil {
		s.metrics.failed(err)
		return s.noteRefused(err, d)
	}
	s.memory.committed(d.notes, u.State, s.producer.LastWritten(s.memory.topic, s.memory.partition))
	s.kept.memo = d.memo
	s.shown.history.note(u, time.Now())
	s.showDrift(d)
	s.forgetRefused(u)
	s.metrics.refusedContents.Set(float64(len(s.refused.contents)))
	s.metrics.committed(u, d, time.Since(begun), s.now())
	s.watched.committed(u)
	return nil
}

func (s sink) draft(u poller.Bundle) *draft {
	d := &draft{progress: make([]encoder.Progress, len(u.Batches))}
	for i, b := range u.Batches {
		d.progress[i] = encoder.Progress{
			AccountID: s.cfg.AccountID, Sequence: b.Sequence, Selection: b.Selection,
			WindowStart: b.Read.Start, WindowEnd: b.Read.End, ReadAt: b.Read.At,
			CompleteFrom: b.CompleteFrom, CompleteThrough: b.CompleteThrough,
			Fetched: int64(len(b.Read.Rows)), Unchanged: int64(b.Unchanged), Late: int64(b.Late), Requests: int64(b.Read.Requests),
			ByTopic: map[string]int64{}, Event: eventOf(b.Event),
		}
		p := part{d, b, &d.progress[i]}
		for j := range b.Fresh {
			s.conversation(p, &b.Fresh[j])
		}
		for _, row := range b.Dead {
			s.deadLetter(p, row, row.Err.Error())
		}
	}
	return d
}

// eventOf returns the event as a progress record has it.
func eventOf(e *poller.Event) *encoder.Event {
	if e == nil {
		return nil
	}
	out := &encoder.Event{Kind: string(e.Kind)}
	if !e.Window.Empty() {
		out.WindowStart, out.WindowEnd = &e.Window.Start, &e.Window.End
	}
	if e.By != "" {
		out.By = &e.By
	}
	if e.Detail != "" {
		out.Detail = &e.Detail
	}
	return out
}

func (s sink) conversation(p part, r *poller.Revision) {
	observed := p.Read.At
	if !r.ObservedAt.IsZero() {
		observed = r.ObservedAt
	}
	m, err := s.encoder.Conversation(encoder.Revision{
		Row: r.Row, Number: r.Number, Change: r.Change, ObservedAt: observed,
		Supersedes: r.Supersedes, Fingerprint: r.Fingerprint,
	})
	if err != nil {
		s.deadLetter(p, r.Row, "row cannot be encoded")
		s.log.Error().Err(err).Msg("a row cannot be encoded and goes to the dead letters")
		return
	}
	record := recordOf(m)
	if s.cfg.RecordTimestamp == config.AtStart && !s.refused.untimed[m.Topic] {
		record.Time = s.recordTime(m)
	}
	record.Alone = s.refused.contents[contentOf(*r)] == suspected
	p.records = append(p.records, record)
	p.revisions = append(p.revisions, r)
	p.deviations = append(p.deviations, m.Deviations...)
	p.found.Revision(p.Read.At, m)
	p.progress.Published++
	p.progress.ByTopic[m.Topic]++
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

func (s sink) deadLetter(p part, row smartassist.Row, why string) {
	topic := s.cfg.Topics().DeadLetters()
	for _, m := range s.encoder.DeadLetter(encoder.DeadLetter{
		Row: row, Error: why, WindowStart: p.Read.Start, WindowEnd: p.Read.End, ObservedAt: p.Read.At,
		MaxBytes: s.partBytes(),
	}) {
		record := recordOf(m)
		record.Alone = s.refused.part > 0 // then the topic's settings do not say what fits into a batch either
		p.records = append(p.records, record)
		p.revisions = append(p.revisions, nil)
	}
	p.found.DeadLetter(p.Read.At, causeOf(row.Err))
	p.progress.DeadLettered++
	p.progress.ByTopic[topic]++
}

// closing returns the last records of the transaction, now that the offsets of the others are known. The offsets are the same for
// every read of the bundle: a consumer past them has read the rows of all.
func (s sink) closing(u poller.Bundle, d *draft, ends map[string]int64) ([]producer.Record, error) {
	out := make([]producer.Record, 0, len(d.progress)+len(u.State)+1)
	for _, p := range d.progress {
		p.EndOffsets = ends
		m, err := s.encoder.Progress(p)
		if err != nil {
			return nil, err
		}
		out = append(out, recordOf(m))
	}
	d.memo, d.news = s.kept.with(ends, &d.found)
	d.notes = d.memo.records(s.cfg.AccountID)
	for _, r := range slices.Concat(d.notes, u.State) { // the ledger is the last: see memory
		out = append(out, stateRecord(s.cfg, r))
	}
	return out, nil
}

// stateRecord returns a record of the state topic. Those of an account are in one partition: they are read as one log.
func stateRecord(cfg *config.Config, r poller.Record) producer.Record {
	return producer.Record{Topic: cfg.Topics().State(), Key: r.Key, Value: r.Value, PartitionKey: []byte(cfg.AccountID)}
}

func recordOf(m encoder.Message) producer.Record {
	return producer.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers}
}

// MessageOf is recordOf for what was read back.
func MessageOf(m producer.Message) encoder.Message {
	return encoder.Message{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers}
}
