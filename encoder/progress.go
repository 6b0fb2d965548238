package encoder

import (
	"fmt"
	"strconv"
	"time"
)

// Progress is a value of the progress topic: schemas/progress.avsc, whose docs
// have each field's meaning.
type Progress struct {
	AccountID       string           `avro:"accountId"`
	Sequence        int64            `avro:"sequence"`
	Selection       string           `avro:"selection"`
	WindowStart     time.Time        `avro:"windowStart"`
	WindowEnd       time.Time        `avro:"windowEnd"`
	ReadAt          time.Time        `avro:"readAt"`
	CompleteFrom    time.Time        `avro:"completeFrom"`
	CompleteThrough time.Time        `avro:"completeThrough"`
	Fetched         int64            `avro:"fetched"`
	Published       int64            `avro:"published"`
	Unchanged       int64            `avro:"unchanged"`
	DeadLettered    int64            `avro:"deadLettered"`
	Late            int64            `avro:"late"`
	Requests        int64            `avro:"requests"`
	ByTopic         map[string]int64 `avro:"byTopic"`
	EndOffsets      map[string]int64 `avro:"endOffsets"`
	Event           *Event           `avro:"event"` // nil: none
}

// Event is what happened with a commit beside the read, or by itself.
type Event struct {
	Kind        string     `avro:"kind"`
	WindowStart *time.Time `avro:"windowStart"`
	WindowEnd   *time.Time `avro:"windowEnd"`
	By          *string    `avro:"by"`
	Detail      *string    `avro:"detail"`
}

// Progress makes the message of a committed read. It refuses one that does not
// add up, rather than let consumers count on it.
func (e *Encoder) Progress(p Progress) (Message, error) {
	if err := e.check(p); err != nil {
		return Message{}, fmt.Errorf("encode progress %d: %w", p.Sequence, err)
	}
	value, err := progressFormat.encode(e.progress.header, &p)
	if err != nil {
		return Message{}, fmt.Errorf("encode progress %d: %w", p.Sequence, err)
	}
	key := []byte(e.account)
	id := strconv.AppendInt([]byte(e.account+":"), p.Sequence, 10) // as Message.Sequence reads it
	return Message{
		Topic:   e.progress.topic,
		Key:     key,
		Value:   value,
		Headers: e.headers(event{id: id, typ: typeProgress, subject: key, time: p.ReadAt, contentType: contentAvro}),
	}, nil
}

func (e *Encoder) check(p Progress) error {
	if p.AccountID != e.account {
		return fmt.Errorf("account %q, want %q", p.AccountID, e.account)
	}
	if p.Fetched != p.Published+p.Unchanged+p.DeadLettered {
		return fmt.Errorf("fetched %d, but published %d, unchanged %d, dead-lettered %d", p.Fetched, p.Published, p.Unchanged, p.DeadLettered)
	}
	if p.CompleteThrough.Before(p.CompleteFrom) || p.WindowEnd.Before(p.WindowStart) {
		return fmt.Errorf("a range ends before it starts: window %s to %s, complete %s to %s",
			eventTime(p.WindowStart), eventTime(p.WindowEnd), eventTime(p.CompleteFrom), eventTime(p.CompleteThrough))
	}
	for _, t := range []time.Time{p.WindowStart, p.WindowEnd, p.ReadAt, p.CompleteFrom, p.CompleteThrough} {
		if !inYears(t.UTC()) {
			return fmt.Errorf("a time in year %d, want 1 to 9999", t.UTC().Year())
		}
	}
	return nil
}
