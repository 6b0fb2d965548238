package encoder

import (
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"slices"
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
	// Deviations has one for each value that stands in unmapped.
	Deviations []Deviation
	// Codes are the values of fields that have few different ones.
	Codes []Code
}

// Header is a record header. It is the same type as the producer's, which has no
// name of its own either: neither has to know the other.
type Header = struct {
	Key   string
	Value []byte
}

// Header values that many messages share.
var (
	specVersion      = []byte("1.0")
	typeConversation = []byte("convstream.conversation.v1")
	typeProgress     = []byte("convstream.progress.v1")
	typeDeadLetter   = []byte("convstream.deadletter.v1")
	contentAvro      = []byte("application/vnd.apache.avro")
	contentJSON      = []byte("application/json")
)

// event is the CloudEvents context of a message, in the Kafka binding's binary
// mode: one header for each attribute.
type event struct {
	id, typ     []byte
	subject     []byte // empty if there is none
	time        time.Time
	contentType []byte
}

// headers writes the time behind the id, into the same memory when there is room.
func (e *Encoder) headers(v event) []Header {
	at := appendEventTime(v.id[len(v.id):], v.time)
	hs := append(make([]Header, 0, 7),
		Header{"ce_specversion", specVersion},
		Header{"ce_id", slices.Clip(v.id)},
		Header{"ce_source", e.source},
		Header{"ce_type", v.typ},
		Header{"ce_time", at},
		Header{"content-type", v.contentType})
	if len(v.subject) > 0 {
		hs = append(hs, Header{"ce_subject", v.subject})
	}
	return hs
}

// eventTime returns RFC 3339 to the millisecond, as precise as the records.
func eventTime(t time.Time) string { return string(appendEventTime(nil, t)) }

func appendEventTime(b []byte, t time.Time) []byte {
	return t.UTC().Truncate(time.Millisecond).AppendFormat(b, time.RFC3339Nano)
}

// sourceOf returns the URI reference of an account, by which consumers distinguish the
// events of several workers apart.
func sourceOf(account string) []byte { return []byte(sourcePrefix + url.PathEscape(account)) }

const sourcePrefix = "/smartassist/"

// appendFingerprint writes 16 hex digits.
func appendFingerprint(b []byte, f uint64) []byte {
	return hex.AppendEncode(b, binary.BigEndian.AppendUint64(nil, f))
}
