package encoder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/schemas"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
)

// registered stands for a registry: texts by id. It counts what it is asked.
type registered struct {
	texts map[uint32]string
	asked int
}

var errNotThere = errors.New("no such id")

func (r *registered) lookup(_ context.Context, id uint32) (string, error) {
	r.asked++
	text, ok := r.texts[id]
	if !ok {
		return "", errNotThere
	}
	return text, nil
}

// ids assigns each topic an id of its own, from 258 on: two bytes of it count.
func ids(e *Encoder, r *registered) map[string]uint32 {
	out := map[string]uint32{}
	for topic, schema := range e.Schemas() {
		out[topic] = uint32(258 + len(out))
		r.texts[out[topic]] = schema.Text
	}
	return out
}

func bothMessages(t *testing.T, e *Encoder) (conversation, progress Message) {
	t.Helper()
	row := smartassist.ParseRow([]byte(`{"conversationId":"c","channel":"voice","zodiac":1}`))
	conversation = encodeRow(t, e, row)
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	progress, err := e.Progress(Progress{AccountID: e.account, Sequence: 7, WindowStart: at, WindowEnd: at, ReadAt: at, CompleteFrom: at, CompleteThrough: at})
	if err != nil {
		t.Fatal(err)
	}
	return conversation, progress
}

// TestFramings: one value reads the same in both framings, of which only the header differs, and a registry is asked
// once for each id.
func TestFramings(t *testing.T) {
	plain := testEncoder(t)
	r := &registered{texts: map[uint32]string{}}
	known := ids(plain, r)
	framed, err := plain.Framed(known)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(r.lookup)
	c0, p0 := bothMessages(t, plain)
	for range 3 {
		c1, p1 := bothMessages(t, framed)
		for _, pair := range [][2]Message{{c0, c1}, {p0, p1}} {
			id := binary.BigEndian.AppendUint32([]byte{0}, known[pair[1].Topic])
			if pair[0].Topic != pair[1].Topic || !bytes.HasPrefix(pair[1].Value, id) {
				t.Fatalf("topic %s begins with % x, want % x", pair[1].Topic, pair[1].Value[:5], id)
			}
			if !bytes.Equal(pair[0].Value[10:], pair[1].Value[5:]) {
				t.Errorf("topic %s: the bodies differ", pair[0].Topic)
			}
		}
		want, got := must(d.Conversation(t.Context(), c0.Value)), must(d.Conversation(t.Context(), c1.Value))
		if diff := cmp.Diff(want, got); diff != "" || got.ID != "c" {
			t.Error(diff)
		}
		wantP, gotP := must(d.Progress(t.Context(), p0.Value)), must(d.Progress(t.Context(), p1.Value))
		if diff := cmp.Diff(wantP, gotP); diff != "" || gotP.Sequence != 7 {
			t.Error(diff)
		}
	}
	if r.asked != 2 {
		t.Errorf("the registry was asked %d times for two ids", r.asked)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestFramedNeedsEveryTopic(t *testing.T) {
	e := testEncoder(t)
	for topic := range e.Schemas() {
		some := ids(e, &registered{texts: map[uint32]string{}})
		delete(some, topic)
		if _, err := e.Framed(some); err == nil || !strings.Contains(err.Error(), topic) {
			t.Errorf("without an id for %s: %v", topic, err)
		}
	}
}

// older is the schema without csatFeedback; newer has a field more, in front of the others.
func older(t *testing.T) string {
	const field = `"name": "csatFeedback"`
	at := strings.Index(schemas.Conversation.Text, field)
	start := strings.LastIndex(schemas.Conversation.Text[:at], "{")
	end := at + strings.Index(schemas.Conversation.Text[at:], "},") + 2
	if at < 0 {
		t.Fatalf("the schema has no %s", field)
	}
	return schemas.Conversation.Text[:start] + schemas.Conversation.Text[end:]
}

func newer() string {
	return strings.Replace(schemas.Conversation.Text, `"fields": [`, `"fields": [{"name":"mood","type":["null","string"],"default":null,"doc":"x."},`, 1)
}

// TestOtherVersions: what was written with an older or a newer schema is read by it, and not as the present one.
func TestOtherVersions(t *testing.T) {
	e := testEncoder(t)
	r := &registered{texts: map[uint32]string{1: older(t), 2: newer(), 3: schemas.Progress.Text, 4: "{", 5: strings.ReplaceAll(schemas.Conversation.Text, "\n", " ")}}
	d := NewDecoder(r.lookup)
	c0, _ := bothMessages(t, e)
	want := must(DecodeConversation(c0.Value))
	for id := uint32(1); id <= 5; id++ {
		value := binary.BigEndian.AppendUint32([]byte{0}, id)
		if id == 3 || id == 4 {
			if _, err := d.Conversation(t.Context(), append(value, 0)); !errors.As(err, new(*LookupError)) || !strings.Contains(err.Error(), "SCHEMA_REGISTRY_URL") {
				t.Errorf("schema %d: %v", id, err)
			}
			continue
		}
		writer, err := avro.Parse(r.texts[id])
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if _, err := schemas.Conversation.Parsed().Decode(c0.Value[10:], &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, "csatFeedback")
		if fields["mood"] = "sunny"; id != 2 {
			delete(fields, "mood")
		}
		if id == 5 {
			fields["csatFeedback"] = nil
		}
		if value, err = writer.AppendEncode(value, fields); err != nil {
			t.Fatal(err)
		}
		got, err := d.Conversation(t.Context(), value)
		if err != nil {
			t.Errorf("schema %d: %v", id, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("schema %d (-want +got):\n%s", id, diff)
		}
	}
}

// TestSchemaCannotBeHad: an id that cannot be looked up is told from a broken value, and asked for again.
func TestSchemaCannotBeHad(t *testing.T) {
	value := append([]byte{0, 0, 0, 0, 9}, "whatever"...)
	_, err := DecodeConversation(value)
	if lookup, ok := errors.AsType[*LookupError](err); !ok || lookup.ID != 9 || !errors.Is(err, ErrNoRegistry) || !strings.Contains(err.Error(), "SCHEMA_REGISTRY_URL") {
		t.Errorf("without a registry: %v", err)
	}
	r := &registered{}
	d := NewDecoder(r.lookup)
	for range 2 {
		if _, err := d.Progress(t.Context(), value); !errors.Is(err, errNotThere) || !errors.As(err, new(*LookupError)) {
			t.Errorf("unknown id: %v", err)
		}
	}
	if r.asked != 2 {
		t.Errorf("asked %d times, want 2", r.asked)
	}
	for _, value := range [][]byte{nil, {0}, {0, 1, 2, 3}, {1, 2, 3, 4, 5, 6}, {0xc3, 1, 2}, []byte(fmt.Sprintf("\xc3\x01%s", "12345678"))} {
		if _, err := d.Conversation(t.Context(), value); err == nil || errors.As(err, new(*LookupError)) {
			t.Errorf("% x: %v", value, err)
		}
	}
}
