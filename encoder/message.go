package encoder

import (
	"net/url"
	"strconv"
	"time"
)

// Message is a record of a topic, ready to be produced. The values of its
// headers may be shared between messages: they are not to be changed.
type Message struct {
	Topic      string // full name
	Key, Value []byte
	Headers    []Header
	// Start is sessionStartTime in UTC, as far as the row has one that can be read; else zero.
	Start time.Time
	// Unmapped names, once for each value that did not fit its typed field, that field by its path in the
	// schema ("destinations.agent.status"), or "unknown": bounded, for a metric.
	Unmapped []string
	// Unknown names the first few members that the schema has no field for. They come from the service and
	// are not bounded: for a log, not for a metric.
	Unknown []string
}

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Types of our CloudEvents.
const (
	typeConversation = "convstream.conversation.v1"
	typeProgress     = "convstream.progress.v1"
	typeDeadLetter   = "convstream.deadletter.v1"
)

const (
	contentAvro = "application/vnd.apache.avro"
	contentJSON = "application/json"
)

// event is the CloudEvents context of a message, in the Kafka binding's binary
// mode: one header for each attribute.
type event struct {
	id, typ     string
	subject     string // "" for none
	time        time.Time
	contentType string
}

// headers leaves room for a few more.
func (e *Encoder) headers(v event) []Header {
	hs := make([]Header, 0, 11)
	add := func(key, value string) { hs = append(hs, Header{key, []byte(value)}) }
	add("ce_specversion", "1.0")
	add("ce_id", v.id)
	add("ce_source", e.source)
	add("ce_type", v.typ)
	if v.subject != "" {
		add("ce_subject", v.subject)
	}
	add("ce_time", eventTime(v.time))
	add("content-type", v.contentType)
	return hs
}

// eventTime is RFC 3339 to the millisecond, as precise as the records.
func eventTime(t time.Time) string {
	return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}

// sourceOf is the URI reference of an account, by which consumers can tell the
// events of several workers apart.
func sourceOf(account string) string { return "/smartassist/" + url.PathEscape(account) }

// fingerprintText is 16 hex digits.
func fingerprintText(f uint64) string {
	const zeros = "0000000000000000"
	s := strconv.FormatUint(f, 16)
	return zeros[len(s):] + s
}
