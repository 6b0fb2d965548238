package encoder

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/convstream/convstream/poller/smartassist"
)

// Config is what the messages need to know beyond the rows.
type Config struct {
	AccountID string // the SmartAssist account
	Topics    Topics
	// Redaction says how rows were redacted, in a header of dead letters; "": not at all.
	Redaction string
}

// Encoder makes messages. It may be used from many goroutines.
type Encoder struct {
	account  string
	source   []byte // ce_source
	redacted []byte // header of dead letters, nil for none
	topics   Topics
	channels map[string]destination // channel, trimmed and lower-cased -> its topic
	other    destination
	progress destination
}

// destination is a topic of Avro values.
type destination struct {
	topic  string // full name
	header []byte // begins every value: which schema it is written with
}

// New makes an encoder. It refuses an account or topics that could not stand in
// a message.
func New(c Config) (*Encoder, error) {
	if c.AccountID == "" || !utf8.ValidString(c.AccountID) {
		return nil, errors.New("account id is empty or not valid UTF-8")
	}
	if err := c.Topics.Validate(); err != nil {
		return nil, err
	}
	conversations := conversationFormat.singleObject[:]
	e := &Encoder{
		account: c.AccountID, source: sourceOf(c.AccountID), topics: c.Topics, channels: map[string]destination{},
		other:    destination{c.Topics.other(), conversations},
		progress: destination{c.Topics.Progress(), progressFormat.singleObject[:]},
	}
	if c.Redaction != "" {
		e.redacted = []byte(c.Redaction)
	}
	for channel, topic := range c.Topics.routes() {
		e.channels[channel] = destination{topic, conversations}
	}
	return e, nil
}

// destination returns where the conversations of a channel as received go.
func (e *Encoder) destination(channel string) destination {
	if d, ok := e.channels[normalChannel(channel)]; ok {
		return d
	}
	return e.other
}

// Revision is one content of a conversation, to be published.
type Revision struct {
	Row         smartassist.Row
	Number      int32     // 1, 2, ... for each identity
	Change      string    // ChangeNew, ChangeChanged or ChangeRepublished
	ObservedAt  time.Time // when the row was read
	Supersedes  string    // identity of the bot session that became this contact; "" if there is none
	Fingerprint uint64    // of the row's content
}

// Why a revision is published.
const (
	ChangeNew         = "new"         // the first of its identity
	ChangeChanged     = "changed"     // the content differs from the revision before
	ChangeRepublished = "republished" // sent again on request
)

// Conversation makes the message of a revision. Whatever the row holds, a row
// without Err has one; the errors are about the revision itself.
func (e *Encoder) Conversation(r Revision) (Message, error) {
	switch {
	case r.Row.Err != nil:
		return Message{}, fmt.Errorf("encode conversation: %w", r.Row.Err)
	case r.Number < 1:
		return Message{}, fmt.Errorf("encode conversation: revision %d, want 1 or more", r.Number)
	case !inYears(r.ObservedAt.UTC()):
		return Message{}, fmt.Errorf("encode conversation: observed in year %d, want 1 to 9999", r.ObservedAt.UTC().Year())
	}
	rd := newReader()
	defer rd.free()
	rd.row(r.Row)
	e.describe(&rd.record, r)
	to := e.destination(r.Row.Channel)
	value, err := conversationFormat.encode(to.header, &rd.record)
	if err != nil {
		return Message{}, fmt.Errorf("encode conversation: %w", err)
	}
	event := revisionEvent(r, rd.record.ID)
	m := Message{
		Topic:      to.topic,
		Key:        event.subject,
		Value:      value,
		Headers:    e.headers(event),
		Deviations: rd.deviations,
		Codes:      rd.codes,
	}
	if start := rd.record.SessionStartTime; start != nil {
		m.Start = *start
	}
	return m, nil
}

// revisionEvent has ce_id identity:revision:fingerprint, of which the first part
// is the subject. Behind it there is room for the time.
func revisionEvent(r Revision, identity string) event {
	const room = len(":2147483647:0123456789abcdef") + len(time.RFC3339Nano)
	id := append(make([]byte, 0, len(identity)+room), identity...)
	key := slices.Clip(id)
	id = strconv.AppendInt(append(id, ':'), int64(r.Number), 10)
	id = appendFingerprint(append(id, ':'), r.Fingerprint)
	return event{id: id, typ: typeConversation, subject: key, time: r.ObservedAt, contentType: contentAvro}
}

// describe fills in what the row does not say of itself.
func (e *Encoder) describe(c *Conversation, r Revision) {
	c.ID = strings.ToValidUTF8(r.Row.Identity(), "\uFFFD")
	c.Kind = string(r.Row.Kind)
	c.AccountID = e.account
	c.Revision = r.Number
	c.Change = r.Change
	c.ObservedAt = r.ObservedAt
	c.RelatedConversationID = optional(r.Row.RelatedConversationID)
	c.Supersedes = optional(r.Supersedes)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	valid := strings.ToValidUTF8(s, "\uFFFD")
	return &valid
}
