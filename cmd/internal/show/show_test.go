package show

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
	"github.com/convstream/convstream/schemas/registry"
)

const prefix = "conversations."

// spread is a row as a service with an indenting encoder sends it; its meta information and the unknown member keep their
// source text.
const spread = `{
  "conversationId": "c-1",
  "metaInfo": {
    "caller": "Zo\u00eb <&>"
  },
  "rank": 1.50,
  "tags": [
    1,
    2
  ]
}`

func message(t *testing.T, row string) producer.Message {
	t.Helper()
	e, err := encoder.New(encoder.Config{AccountID: "acc", Topics: encoder.Topics{Prefix: prefix}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Conversation(encoder.Revision{
		Row: smartassist.ParseRow([]byte(row)), Number: 1, Change: "new", ObservedAt: time.Unix(1e9, 0).UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return producer.Message{Topic: m.Topic, Partition: 2, Offset: 7, Time: time.Unix(1e9, 0).UTC(), Key: m.Key, Value: m.Value}
}

func print(t *testing.T, printer func(*bytes.Buffer) Printer, m producer.Message) string {
	t.Helper()
	var out bytes.Buffer
	if err := printer(&out)(m); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var topics = Topics{Topics: encoder.Topics{Prefix: prefix}, Decoder: encoder.NewDecoder(nil)}

func rows(out *bytes.Buffer) Printer   { return Rows(context.Background(), out, topics) }
func asJSON(out *bytes.Buffer) Printer { return JSON(context.Background(), out, topics) }
func asLine(out *bytes.Buffer) Printer { return Lines(context.Background(), out, topics) }

// TestOneLineARecord whatever white space the service sent, without a change to what it said.
func TestOneLineARecord(t *testing.T) {
	conversation := message(t, spread)
	dead := producer.Message{Topic: prefix + "dead-letter", Value: []byte("[\n1.50]\n")}
	broken := producer.Message{Topic: prefix + "dead-letter", Value: []byte(`{"a":`)}
	unreadable := producer.Message{Topic: prefix + "voice", Value: []byte("\xc3")}
	for name, m := range map[string]producer.Message{"conversation": conversation, "dead letter": dead, "broken": broken, "unreadable": unreadable} {
		for how, printer := range map[string]func(*bytes.Buffer) Printer{"rows": rows, "JSON": asJSON, "line": asLine} {
			out := print(t, printer, m)
			if n := bytes.Count([]byte(out), []byte("\n")); n != 1 || out[len(out)-1] != '\n' {
				t.Errorf("%s as %s: %d lines: %q", name, how, n, out)
			}
			if how == "JSON" && !json.Valid([]byte(out)) {
				t.Errorf("%s as JSON: %q", name, out)
			}
		}
	}
	if out := print(t, rows, conversation); !encoder.EqualJSON([]byte(out), []byte(spread)) {
		t.Errorf("row %s, want %s", out, spread)
	}
	if out := print(t, rows, dead); out != "[1.50]\n" {
		t.Errorf("dead letter %q", out)
	}
	if out := print(t, rows, broken); out != "{\"a\":\n" {
		t.Errorf("broken dead letter %q, want it as it came", out)
	}
}

// TestRowsAreOfConversations and dead letters only.
func TestRowsAreOfConversations(t *testing.T) {
	for _, topic := range []string{"progress", "state"} {
		if out := print(t, rows, producer.Message{Topic: prefix + topic, Value: []byte("x")}); out != "" {
			t.Errorf("%s: %q", topic, out)
		}
	}
}

// TestJSONHasTheSchemasNames and leaves out what is null; "" and an empty list are not.
func TestJSONHasTheSchemasNames(t *testing.T) {
	out := print(t, asJSON, message(t, `{"conversationId":"c-1","smartStatus":"","skills":[],"channel":"Voice <b>","rank":1.50}`))
	var got struct {
		Topic     string
		Partition int
		Offset    int64
		Value     map[string]any
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Topic != prefix+"other" || got.Partition != 2 || got.Offset != 7 {
		t.Errorf("%+v", got)
	}
	want := map[string]any{
		"id": "c-1", "kind": "contact", "accountId": "acc", "revision": 1.0, "change": "new", "observedAt": "2001-09-09T01:46:40Z",
		"conversationId": "c-1", "smartStatus": "", "skills": []any{}, "channel": "Voice <b>", "unmapped": map[string]any{"/rank": "1.50"},
	}
	if a, b := encoded(t, got.Value), encoded(t, want); a != b {
		t.Errorf("value %s\nwant  %s", a, b)
	}
}

// TestRegistryAway: a record of which nobody can say now with which schema it was written ends the printing, also where no
// registry is configured. One that the registry cannot tell of is printed as such.
func TestRegistryAway(t *testing.T) {
	m := producer.Message{Topic: prefix + "voice", Value: []byte("\x00\x00\x00\x00\x07whatever")}
	for _, test := range []struct {
		lookup encoder.Lookup
		ends   bool
		says   string
	}{
		{nil, true, "SCHEMA_REGISTRY_URL"},
		{func(context.Context, uint32) (string, error) {
			return "", &registry.Error{Category: registry.Schema, Final: true, What: "no such id"}
		}, false, "no such id"},
		{func(context.Context, uint32) (string, error) {
			return "", &registry.Error{Category: registry.Away, What: "no connection"}
		}, true, "no connection"},
	} {
		with := Topics{Topics: encoder.Topics{Prefix: prefix}, Decoder: encoder.NewDecoder(test.lookup)}
		for how, printer := range map[string]func(context.Context, io.Writer, Topics) Printer{"rows": Rows, "JSON": JSON, "line": Lines} {
			var out bytes.Buffer
			err := printer(t.Context(), &out, with)(m)
			if text := fmt.Sprint(out.String(), err); (err != nil) != test.ends || !strings.Contains(text, test.says) {
				t.Errorf("%s: %v, printed %q, want %q and an end: %t", how, err, out.String(), test.says, test.ends)
			}
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
