package encoder

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/schemas"
)

// TestReadBack: what a message was made of can be had again, by the account that made it and no other.
func TestReadBack(t *testing.T) {
	ours, err := New(Config{AccountID: "a", Topics: Topics{Prefix: "t."}})
	if err != nil {
		t.Fatal(err)
	}
	others, err := New(Config{AccountID: "b", Topics: Topics{Prefix: "t."}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 1, 2, 3, 4e6, time.UTC)
	for _, text := range []string{
		`{"conversationId":"c:1","sessionId":12345,"channel":"voice","zodiacSign":"Aries"}`,
		`{"sessionId":"65269fe0dd9c622245c10001","channel":"rtm"}`,
	} {
		row := smartassist.ParseRow([]byte(text))
		m, err := ours.Conversation(Revision{Row: row, Number: 3, Change: ChangeChanged, ObservedAt: at, Fingerprint: row.Fingerprint(smartassist.Ignore{})})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.ReadConversation(t.Context(), new(Decoder), m)
		if err != nil {
			t.Fatal(err)
		}
		if got.Number != 3 || !got.ObservedAt.Equal(at) || got.Fingerprint != got.Row.Fingerprint(smartassist.Ignore{}) || got.Row.Identity() != row.Identity() ||
			got.Row.SessionID != row.SessionID || got.Row.Kind != row.Kind {
			t.Errorf("%s came back as %+v", text, got)
		}
		if _, err := others.ReadConversation(t.Context(), new(Decoder), m); !errors.Is(err, ErrOtherAccount) {
			t.Errorf("another account reads it: %v", err)
		}
		m.Value = m.Value[:len(m.Value)-1]
		if _, err := ours.ReadConversation(t.Context(), new(Decoder), m); err == nil {
			t.Error("a broken value is read")
		}
	}
}

func TestReadBackDeadLetters(t *testing.T) {
	e, err := New(Config{AccountID: "a", Topics: Topics{Prefix: "t."}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 1, 2, 3, 4e6, time.UTC)
	for _, most := range []int{0, 4 << 10} {
		raw := []byte(`{"a":"` + strings.Repeat("x", 20<<10) + `"}`)
		messages := e.DeadLetter(DeadLetter{Row: smartassist.ParseRow(raw), Error: "no", ObservedAt: at, MaxBytes: most})
		var reader LetterReader
		for i, m := range messages {
			l, whole, err := reader.Read(m)
			if last := i == len(messages)-1; err != nil || whole != last || l.Account != "a" || last && (!bytes.Equal(l.Row, raw) || !l.At.Equal(at)) {
				t.Errorf("part %d of %d: whole %v, %v, %d bytes", i+1, len(messages), whole, err, len(l.Row))
			}
		}
	}
}

// FuzzDecode takes any bytes behind the header as a record: topics are open to
// others. It is refused, or rebuilt as JSON, or refused then; what is rebuilt is
// a row as any other, and comes back.
func FuzzDecode(f *testing.F) {
	e := testEncoder(f)
	header := schemas.Conversation.Header()
	for _, members := range []string{
		`"csatScore":5`, `"x":1,"a":2`, `"metaInfo":[1e400],"skills":[null,"b"]`, `"destinations":[{"destinationType":"AgentSegment","agentId":"u","JoinedUsers":[{},3]},4]`,
		`"destinations":[{"respondingAgent":{"snoozeinfo":[{}],"ConsultingAgents":[{"isMerged":"no"}]}}],"userleveltags":[{"name":"n"}]`,
	} {
		m, _, err := passage(e, []byte(`{"sessionId":"66c97ba342aad0ced15f0001",`+members+`}`))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Value[len(header):])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := DecodeConversation(append(header[:], body...))
		if err != nil {
			return
		}
		row, err := c.Rebuild()
		if err != nil {
			return
		}
		if smartassist.ParseRow(row).Err == nil {
			checkPassage(t, e, row)
		}
	})
}

func TestSequence(t *testing.T) {
	for id, want := range map[string]int64{"a:42": 42, "a:b:7": 7, "42": 0, "": 0, "a:": 0, "a:x": 0} {
		m := Message{Headers: []Header{{Key: "ce_id", Value: []byte(id)}}}
		if got := m.Sequence(); got != want {
			t.Errorf("%q is number %d, want %d", id, got, want)
		}
	}
}
