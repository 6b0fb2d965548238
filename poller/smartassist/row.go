package smartassist

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/convstream/convstream/poller/smartassist/rawjson"
	"github.com/go-json-experiment/json/jsontext"
)

// Kind says what a row stands for.
type Kind string

const (
	// Contact is a contact-centre row: it has a conversationId.
	Contact Kind = "contact"
	// Bot is a row of a session that only a bot handled: it has a sessionId and no conversationId.
	Bot Kind = "bot"
	// Assist is a row of channel agentassist or AgentAssistV2 without a conversationId: the assist side of
	// a human conversation, never a customer contact of its own.
	Assist Kind = "assist"
)

// Why a row cannot be a conversation. The texts go into dead letters and logs
// and so never hold a part of the row.
var (
	ErrBrokenJSON = errors.New("row is not valid JSON")
	ErrNoObject   = errors.New("row is not a JSON object")
	ErrNoIdentity = errors.New("row has neither conversationId nor sessionId")
	// ErrUnsplittable is the Err of what is not a single row: see [Unsplittable].
	ErrUnsplittable = errors.New("the rest of a page that could not be split into rows")
)

// finalOpen is the finalStatus of a conversation that is still going on.
const finalOpen = "TRANSIENT_OPEN"

// Row is one element of the service's data array: its text, and the little that
// the worker itself must know of it. What is not of the expected JSON type is
// treated as absent here; the text keeps it.
type Row struct {
	// Raw is the row as received, without surrounding white space. It may share memory with the page.
	Raw jsontext.Value

	// The service's members of these names: "" when absent, null, or neither string nor number (of a
	// number: its text). Where a name is repeated, the last one counts.
	ConversationID, SessionID, Channel, FinalStatus string

	// MetaInfo is the source text of the member of that name, a part of Raw; nil when absent. It is a third
	// of the row and only passed on: its end need not be looked for again.
	MetaInfo jsontext.Value

	Kind Kind
	// RelatedConversationID is, for assist rows, the conversation named in channelSpecificUserId
	// ("{account}/agentassist/{conversationId}"); else "".
	RelatedConversationID string

	// Start is sessionStartTime in UTC (zone-less times are UTC since the client always asks with
	// timeZoneOffset 0), else the second in sessionId when that is an ObjectId, else zero.
	Start time.Time
	// Timed reports whether Start is that of sessionStartTime.
	Timed bool

	// Err is not nil when the row cannot be a conversation: [ErrBrokenJSON], [ErrNoObject],
	// [ErrNoIdentity], [ErrUnsplittable]. Such a row goes to the dead letters whole.
	Err error

	hash uint64 // of the content, nothing ignored; 0 when ParseRow did not make the row
}

// ParseRow reads a row. It never fails; see [Row.Err]. The row keeps raw.
func ParseRow(raw []byte) Row {
	r := Row{Raw: trimmed(raw)}
	s := scanners.Get().(*scanner)
	defer s.free()
	hash, ok := s.scan(r.Raw, Ignore{})
	switch {
	case !ok:
		r.Err = ErrBrokenJSON
	case r.Raw.Kind() != '{':
		r.Err = ErrNoObject
	default:
		r.hash = hash
		r.read(&s.top)
	}
	return r
}

// Unsplittable returns [Page.Rest] as a Row for the dead letters: any bytes, kept
// as they are but for white space around them.
func Unsplittable(rest []byte) Row {
	return Row{Raw: trimmed(rest), Err: ErrUnsplittable}
}

// trimmed returns raw without the white space around it. A row read back from the dead
// letters is trimmed again, and must be the same.
func trimmed(raw []byte) []byte { return bytes.Trim(raw, " \t\r\n") }

// topMembers are the values, as source text, of the row's own members that the
// worker must know; nil when absent, of a repeated one the last.
type topMembers struct {
	conversationID, sessionID, channel, finalStatus, sessionStart, userID, metaInfo []byte
}

func (m *topMembers) note(quoted, value []byte) {
	at := m.member(quoted[1 : len(quoted)-1])
	if at == nil && bytes.IndexByte(quoted, '\\') >= 0 {
		var buf [64]byte
		name, _ := rawjson.AppendUnquote(buf[:0], quoted)
		at = m.member(name)
	}
	if at != nil {
		*at = value
	}
}

// member returns where the value of a name belongs, nil for nowhere.
func (m *topMembers) member(name []byte) *[]byte {
	switch string(name) {
	case "conversationId":
		return &m.conversationID
	case "sessionId":
		return &m.sessionID
	case "channel":
		return &m.channel
	case "finalStatus":
		return &m.finalStatus
	case "sessionStartTime":
		return &m.sessionStart
	case "channelSpecificUserId":
		return &m.userID
	case "metaInfo":
		return &m.metaInfo
	}
	return nil
}

// read fills in the fields.
func (r *Row) read(m *topMembers) {
	r.ConversationID, r.SessionID = text(m.conversationID), text(m.sessionID)
	r.Channel, r.FinalStatus = text(m.channel), text(m.finalStatus)
	r.MetaInfo = m.metaInfo
	if r.Identity() == "" {
		r.Err = ErrNoIdentity
	}
	r.Start, r.Timed = startOf(text(m.sessionStart), r.SessionID)
	r.Kind = r.kind()
	if r.Kind == Assist {
		r.RelatedConversationID = related(text(m.userID))
	}
}

// Identity returns what the row is known by, and the key of its records:
// conversationId, else sessionId; "" for a row whose Err is set.
func (r Row) Identity() string {
	if r.ConversationID != "" {
		return r.ConversationID
	}
	return r.SessionID
}

// Open reports whether the conversation was still going on when the row was read.
func (r Row) Open() bool { return r.FinalStatus == finalOpen }

func (r Row) kind() Kind {
	switch {
	case r.ConversationID != "":
		return Contact
	case r.SessionID == "":
		return ""
	}
	switch strings.ToLower(strings.TrimSpace(r.Channel)) {
	case "agentassist", "agentassistv2":
		return Assist
	}
	return Bot
}

// related takes the conversation out of "{account}/agentassist/{conversationId}".
func related(userID string) string {
	parts := strings.Split(userID, "/")
	if len(parts) != 3 || parts[1] != "agentassist" {
		return ""
	}
	return parts[2]
}

// text returns the content of a string or the text of a number, else "".
func text(value []byte) string {
	switch rawjson.KindOf(value) {
	case '"':
		s, _ := rawjson.Unquote(value)
		return s
	case '0':
		return string(value)
	}
	return ""
}

// startOf reads the service's time, or falls back on the session id: the first
// four bytes of a MongoDB ObjectId are its creation in Unix seconds.
func startOf(sessionStart, sessionID string) (start time.Time, timed bool) {
	if t, ok := parseStart(sessionStart); ok {
		return t, true
	}
	if len(sessionID) != 24 {
		return time.Time{}, false
	}
	b, err := hex.DecodeString(sessionID[:8])
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(b[0])<<24|int64(b[1])<<16|int64(b[2])<<8|int64(b[3]), 0).UTC(), false
}

func parseStart(sessionStart string) (t time.Time, ok bool) {
	if sessionStart == "" {
		return time.Time{}, false
	}
	// With a zone it is RFC 3339, which time.Parse reads several times faster than any other layout.
	if t, err := time.Parse(time.RFC3339, sessionStart+"Z"); err == nil {
		return t, true
	}
	// The layouts also accept a fraction of a second.
	for _, layout := range [...]string{time.RFC3339, time.DateTime} {
		if t, err := time.Parse(layout, sessionStart); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
