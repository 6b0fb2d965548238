package encoder

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
)

// TestReadBack: what a message was made of can be had again, by the account that made it and no other.
func TestReadBack(t *testing.T) {
	ours, err := New(Config{AccountID: "a", TopicPrefix: "t."})
	if err != nil {
		t.Fatal(err)
	}
	others, err := New(Config{AccountID: "b", TopicPrefix: "t."})
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
	e, err := New(Config{AccountID: "a", TopicPrefix: "t."})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 1, 2, 3, 4e6, time.UTC)
	for _, most := range []int{0, 4 << 10} {
		raw := []byte(`{"a":"` + strings.Repeat("x", 20<<10) + `"}`)
		messages := e.DeadLetter(DeadLetter{Row: smartassist.ParseRow(raw), Error: "no", ObservedAt: at, MaxBytes: most})
		reader := e.NewDeadLetterReader()
		for i, m := range messages {
			row, when, whole, err := reader.Read(m)
			if last := i == len(messages)-1; err != nil || whole != last || last && (!bytes.Equal(row.Raw, raw) || !when.Equal(at) || row.Err == nil) {
				t.Errorf("part %d of %d: whole %v, %v, %d bytes", i+1, len(messages), whole, err, len(row.Raw))
			}
		}
	}
}
