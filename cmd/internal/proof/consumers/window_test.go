package consumers

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/schemas"
)

// closeSharedWindow has two accounts share the topics, the other one first everywhere: its progress must not close our
// window, and its conversations are not ours.
func closeSharedWindow(t *testing.T, w *world, tr *truth) {
	const prefix, other = "shared.", "another account"
	to := time.Now().UTC().Truncate(time.Second)
	from := to.Add(-time.Hour)
	var texts []string
	for _, r := range tr.records {
		texts = append(texts, r.value)
		if len(texts) == 3 {
			break
		}
	}
	whole, err := verify.Consume(t.Context(), w.s.kafka.Brokers(), nil, w.topics.Published())
	if err != nil {
		t.Fatal(err)
	}
	frames := map[bool][]byte{} // what stands before the Avro, of progress and of the others
	var commit map[string]any
	for _, r := range whole {
		if r.Topic == w.topics.Progress() {
			decodeInto(t, schemas.Progress, r.Value[w.header:], &commit)
		}
		if r.Topic != w.topics.DeadLetters() {
			frames[r.Topic == w.topics.Progress()] = r.Value[:w.header]
		}
	}
	w.s.createTopic(t, prefix+"voice", 1)
	w.s.createTopic(t, prefix+"progress", 1)
	var records []*kgo.Record
	for i, whose := range []string{other, account, account} {
		c := lines(t, texts[i])[0]
		c["accountId"], c["id"], c["sessionStartTime"], c["supersedes"] = whose, string(rune('a'+i)), from.Add(time.Minute), nil
		records = append(records, &kgo.Record{Topic: prefix + "voice", Value: encoded(t, schemas.Conversation, frames[false], c)})
	}
	for _, p := range []struct {
		whose string
		last  int64
	}{{other, 0}, {account, 2}} {
		commit["accountId"], commit["completeFrom"], commit["completeThrough"] = p.whose, from, to
		commit["endOffsets"] = map[string]any{prefix + "voice-0": p.last}
		records = append(records, &kgo.Record{Topic: prefix + "progress", Value: encoded(t, schemas.Progress, frames[true], commit)})
	}
	if err := w.s.client(t).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p := program{args: []string{account, from.Format(time.RFC3339), to.Format(time.RFC3339)}, env: w.s.env("TOPIC_PREFIX=" + prefix)}
	table{"all": "2"}.check(t, "window of one of two accounts", table{"all": all(lines(t, w.s.py(t, "close_window.py", p).output(t, deadline)))})
}

func decodeInto(t *testing.T, s schemas.Schema, avro []byte, value *map[string]any) {
	t.Helper()
	var plain any
	if _, err := s.Parsed().Decode(avro, &plain); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	*value = lines(t, string(text))[0]
}

// encoded is a value with its frame.
func encoded(t *testing.T, s schemas.Schema, frame []byte, value any) []byte {
	t.Helper()
	avro, err := s.Parsed().Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	return append(append([]byte{}, frame...), avro...)
}
