package encoder

import (
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
	"pgregory.net/rapid"
)

var observed = time.Date(2026, 3, 1, 12, 30, 0, 250e6, time.UTC)

func testEncoder(t testing.TB) *Encoder {
	t.Helper()
	e, err := New(Config{AccountID: "65269fe0dd9c622245c10001", TopicPrefix: "conversations."})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// passage takes a row through a record's bytes.
func passage(e *Encoder, row []byte) (Message, *Conversation, error) {
	r := smartassist.ParseRow(row)
	m, err := e.Conversation(Revision{Row: r, Number: 1, Change: ChangeNew, ObservedAt: observed, Fingerprint: r.Fingerprint(smartassist.Ignore{})})
	if err != nil {
		return m, nil, err
	}
	c, err := DecodeConversation(m.Value)
	return m, c, err
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkPassage fails unless the row comes back equal.
func checkPassage(t fataler, e *Encoder, row []byte) *Conversation {
	t.Helper()
	_, c, err := passage(e, row)
	if err != nil {
		t.Fatalf("row %q: %v", row, err)
	}
	back, err := c.Rebuild()
	if err != nil {
		t.Fatalf("row %q: unmapped %q: %v", row, c.Unmapped, err)
	}
	if !EqualJSON(row, back) {
		t.Fatalf("row     %q\nrebuilt %q\nunmapped %q", row, back, c.Unmapped)
	}
	return c
}

// Rows of any shape come back equal. rapid prints the seed of a failure.
func TestAnyRowComesBack(t *testing.T) {
	e := testEncoder(t)
	rapid.Check(t, func(t *rapid.T) {
		row := anyRow(t)
		switch err := smartassist.ParseRow(row).Err; err {
		case nil:
			checkPassage(t, e, row)
		case smartassist.ErrNoIdentity: // of a repeated sessionId the last may be null
		default:
			t.Fatalf("row %q: %v", row, err)
		}
	})
}
