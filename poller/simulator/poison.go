package simulator

import (
	"encoding/json"
	"strconv"
	"time"
)

// Poison is a kind of row that can hardly be a conversation.
type Poison string

// The kinds of poison rows.
const (
	NotAnObject   Poison = "not-an-object"  // a string, a number, an array, null
	NoIdentity    Poison = "no-identity"    // neither conversationId nor sessionId, or both null
	InvalidUTF8   Poison = "invalid-utf8"   // a conversation with broken characters in a name
	Nulls         Poison = "nulls"          // a conversation whose every other field is null
	WrongTypes    Poison = "wrong-types"    // a conversation whose every other field has another type
	BrokenForEver Poison = "broken-forever" // not valid JSON, whoever asks; its brackets and quotes are in balance
)

// AllPoisons are all kinds of poison rows.
var AllPoisons = []Poison{NotAnObject, NoIdentity, InvalidUTF8, Nulls, WrongTypes, BrokenForEver}

var nullableFields = []string{"channel", "isVoicemail", "Direction", "finalStatus", "smartStatus", "reason", "disconnectingEvent",
	"errorDetails", "botId", "dispositions", "dispositionRemarks", "metaInfo", "sessionStartTime", "sessionEndTime",
	"channelSpecificUserId", "userId", "destinations", "automationBotIDs", "surveyType", "csatScore", "npsScore",
	"likeDislikeScore", "csatFeedback", "skills", "customerinfo", "userleveltags", "sessionleveltags", "campaigninfo", "orgId"}

// writePoison appends a poison row. It never changes.
func (w *cast) writePoison(t *text, r *row, kinds []Poison) {
	d := roll(r.id, streamPoison)
	d.next()
	switch pick(&d, kinds) {
	case NotAnObject:
		t.b = append(t.b, pick(&d, []string{"null", `"maintenance ` + strconv.FormatInt(d.n(1e9), 10) + `"`,
			strconv.FormatInt(d.n(1e9), 10), "[]", "true"})...)
	case NoIdentity:
		ids := pick(&d, []string{"", `"conversationId":null,`, `"conversationId":null,"sessionId":null,`})
		t.b = append(t.b, `{`+ids+`"channel":"voice","userId":"`+r.userID()+`"}`...)
	case InvalidUTF8:
		w.identified(t, r)
		t.raw("reason", pick(&d, []string{"\"caf\xe9 \xff\"", `"half \ud83d of it"`}))
		t.close('}')
	case Nulls:
		w.identified(t, r)
		for _, name := range nullableFields {
			t.raw(name, "null")
		}
		t.close('}')
	case WrongTypes:
		w.identified(t, r)
		for _, name := range nullableFields {
			t.raw(name, pick(&d, []string{"17", `"text"`, "[[]]", `{"a":1}`, "false", "[null]", `[{"agentId":5}]`, "-1.5e300"}))
		}
		t.close('}')
	case BrokenForEver:
		w.identified(t, r)
		t.raw("channel", `"voice"`)
		t.raw("attempt", "01")
		t.close('}')
	}
}

// identified begins an object that has an identity.
func (w *cast) identified(t *text, r *row) {
	t.open("", '{')
	t.str("conversationId", r.conversationID())
	t.str("sessionId", r.sessionID())
}

// breakRow makes a row invalid JSON, with its brackets and quotes still in
// balance: a reader that goes from row to row can find the next one.
func breakRow(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '{' {
		return []byte("nul")
	}
	return append(append([]byte(nil), raw[:len(raw)-1]...), `,"truncated":undefined}`...)
}

// parseExtra finds what a window needs to know of a row that is served verbatim.
func parseExtra(i int, raw []byte, fallback time.Time) row {
	var fields struct {
		ConversationID, SessionID        any
		SessionStartTime, SessionEndTime any
	}
	_ = json.Unmarshal(raw, &fields) // what is no object has no fields
	start := fallback
	if session, ok := fields.SessionID.(string); ok && len(session) == 24 {
		if seconds, err := strconv.ParseUint(session[:8], 16, 32); err == nil {
			start = time.Unix(int64(seconds), 0)
		}
	}
	start = parseClock(fields.SessionStartTime, start)
	end := parseClock(fields.SessionEndTime, start)
	r := row{id: mix(uint64(i) + streamExtras), start: start.UnixMilli(), end: end.UnixMilli(), kind: extraRow, extra: int32(i)}
	r.shown, r.closed = -never, -never
	r.bots = fields.ConversationID == nil
	return r
}

func parseClock(value any, fallback time.Time) time.Time {
	text, _ := value.(string)
	if t, err := time.Parse("2006-01-02T15:04:05", text); err == nil {
		return t
	}
	return fallback
}
