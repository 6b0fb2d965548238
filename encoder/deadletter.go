package encoder

import (
	"strconv"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// DeadLetter is a row that cannot be a conversation, to be published whole.
type DeadLetter struct {
	Row                    smartassist.Row
	Error                  string    // why; must not hold a part of the row
	WindowStart, WindowEnd time.Time // the window in which it was read
	ObservedAt             time.Time // when it was read
	// MaxBytes is the largest record the topic takes, key and headers included. A larger row is cut into
	// parts. 0 is no limit.
	MaxBytes int
}

const (
	// maxDeadLetterKey and maxDeadLetterError leave a dead letter small enough to be accepted whatever was
	// wrong with the row: an identity of megabytes is itself a reason to be here.
	maxDeadLetterKey   = 1 << 10
	maxDeadLetterError = 1 << 10
	// recordOverhead is what Kafka adds to a record of its own: the batch header of 61 bytes, lengths,
	// offsets and, with compression, a little for what cannot be compressed.
	recordOverhead = 512
)

// DeadLetter makes the messages of a dead letter: one, or several that carry the
// row in parts, to be joined in order. The value is the row as it was given to us.
func (e *Encoder) DeadLetter(d DeadLetter) []Message {
	key := deadLetterKey(d.Row)
	m := Message{Topic: e.topics.DeadLetters(), Key: key, Value: d.Row.Raw, Headers: e.deadLetterHeaders(d, key)}
	if d.MaxBytes <= 0 || m.size()+recordOverhead <= d.MaxBytes {
		return []Message{m}
	}
	return cut(m, d.MaxBytes)
}

func (e *Encoder) deadLetterHeaders(d DeadLetter, key []byte) []Header {
	reason := strings.ToValidUTF8(d.Error, "\uFFFD")
	if len(reason) > maxDeadLetterError {
		reason = strings.ToValidUTF8(reason[:maxDeadLetterError], "")
	}
	headers := append(e.headers(event{id: []byte(letterID(d.Row.Raw)), typ: typeDeadLetter, subject: key, time: d.ObservedAt, contentType: contentJSON}),
		Header{"error", []byte(reason)},
		Header{"window", []byte(eventTime(d.WindowStart) + "/" + eventTime(d.WindowEnd))})
	if e.redacted != nil {
		headers = append(headers, Header{"redaction", e.redacted})
	}
	return headers
}

// deadLetterKey returns the identity, nil when it is not known or too long.
func deadLetterKey(row smartassist.Row) []byte {
	id := strings.ToValidUTF8(row.Identity(), "\uFFFD")
	if id == "" || len(id) > maxDeadLetterKey {
		return nil
	}
	return []byte(id)
}

// cut spreads the value of m over messages of at most maxBytes, and at least one
// byte of the value each.
func cut(m Message, maxBytes int) []Message {
	const numbers = len("part") + len("parts") + 2*20 // two more headers
	room := max(1, maxBytes-recordOverhead-numbers-(m.size()-len(m.Value)))
	n := (len(m.Value) + room - 1) / room
	parts := make([]Message, n)
	for i := range parts {
		part := m
		part.Value = m.Value[i*room : min((i+1)*room, len(m.Value))]
		part.Headers = append(m.Headers[:len(m.Headers):len(m.Headers)],
			Header{"part", strconv.AppendInt(nil, int64(i)+1, 10)},
			Header{"parts", strconv.AppendInt(nil, int64(n), 10)})
		parts[i] = part
	}
	return parts
}

// size returns what a message holds: key, value and headers.
func (m Message) size() int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}
