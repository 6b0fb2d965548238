package encoder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/smartassist"
	"github.com/google/go-cmp/cmp"
)

func TestTopic(t *testing.T) {
	e, err := New(Config{AccountID: "a", Topics: Topics{Prefix: "p.", Channels: map[string]string{" Telegram ": "chat", "rtm": "voice"}}})
	if err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]string{
		"voice": "p.voice", "Voice": "p.voice", " voice\t": "p.voice",
		"Web/Mobile Client": "p.rtm", "web/mobile client ": "p.rtm", "RTM": "p.voice",
		"agentassist": "p.agentassist", "AgentAssistV2": "p.agentassist",
		"telegram": "p.chat", "campaign": "p.other", "": "p.other", " ": "p.other", "voice2": "p.other", "voice,rtm": "p.other",
		"\u00a0VOICE\u3000": "p.voice", "vo\u00adice": "p.other", "progress": "p.other", "state": "p.other", "../voice": "p.other", "\xff": "p.other",
	} {
		if got := e.destination(channel).topic; got != want {
			t.Errorf("%q goes to %s, want %s", channel, got, want)
		}
	}
	if diff := cmp.Diff([]string{"p.agentassist", "p.chat", "p.other", "p.rtm", "p.voice"}, e.topics.Conversations()); diff != "" {
		t.Error(diff)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, account := range []string{"", "\xff"} {
		if _, err := New(Config{AccountID: account, Topics: Topics{Prefix: "p."}}); err == nil {
			t.Errorf("account %q: no error", account)
		}
	}
	for _, topic := range []string{"", "a b", "state", "dead-letter", "Progress", strings.Repeat("a", 248)} {
		if _, err := New(Config{AccountID: "a", Topics: Topics{Prefix: "p.", Channels: map[string]string{"x": topic}}}); err == nil {
			t.Errorf("topic %q: no error", topic)
		}
	}
	for _, prefix := range []string{"", "a b", strings.Repeat("a", 239)} {
		if _, err := New(Config{AccountID: "a", Topics: Topics{Prefix: prefix}}); err == nil {
			t.Errorf("prefix %q: no error", prefix)
		}
	}
}

func headerMap(m Message) map[string]string {
	hs := map[string]string{}
	for _, h := range m.Headers {
		hs[h.Key] = string(h.Value)
	}
	return hs
}

func TestConversationMessage(t *testing.T) {
	row := smartassist.ParseRow([]byte(`{"conversationId":"c-1","sessionId":"66c9a55754638e543c370001","channel":"Voice ","sessionStartTime":"2024-08-24T14:48:15"}`))
	m, err := testEncoder(t).Conversation(Revision{
		Row: row, Number: 3, Change: ChangeChanged, Supersedes: "66c9a55754638e543c370001", Fingerprint: 0xabc,
		ObservedAt: time.Date(2026, 3, 1, 14, 30, 0, 250e6+999, time.FixedZone("", 2*3600)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Topic != "conversations.voice" || string(m.Key) != "c-1" || !m.Start.Equal(utc("2024-08-24T14:48:15Z")) {
		t.Errorf("topic %s, key %s, start %s", m.Topic, m.Key, m.Start)
	}
	want := map[string]string{
		"ce_specversion": "1.0", "ce_id": "c-1:3:0000000000000abc", "ce_source": "/smartassist/65269fe0dd9c622245c10001",
		"ce_type": "convstream.conversation.v1", "ce_subject": "c-1", "ce_time": "2026-03-01T12:30:00.25Z", "content-type": "application/vnd.apache.avro",
	}
	if diff := cmp.Diff(want, headerMap(m)); diff != "" {
		t.Error(diff)
	}
	c, err := DecodeConversation(m.Value)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.ID, c.Kind, c.AccountID, c.Revision, c.Change, c.ObservedAt, *c.Supersedes, *c.Channel, c.RelatedConversationID}
	if diff := cmp.Diff([]any{"c-1", "contact", "65269fe0dd9c622245c10001", int32(3), "changed", observed, "66c9a55754638e543c370001", "Voice ", (*string)(nil)}, got); diff != "" {
		t.Error(diff)
	}
}

func TestKinds(t *testing.T) {
	for _, test := range []struct{ row, id, kind, related, topic string }{
		{`{"conversationId":"c-1","sessionId":"s","channel":"agentassist"}`, "c-1", "contact", "", "conversations.agentassist"},
		{`{"sessionId":"s","channel":"rtm","conversationId":null}`, "s", "bot", "", "conversations.rtm"},
		{`{"sessionId":"s","channel":"AgentAssistV2","channelSpecificUserId":"a/agentassist/c-9"}`, "s", "assist", "c-9", "conversations.agentassist"},
		{`{"sessionId":"s","channel":" AGENTASSIST ","channelSpecificUserId":"c-9"}`, "s", "assist", "", "conversations.agentassist"},
		{`{"sessionId":"s","channel":"agentassist","channelSpecificUserId":"a/agentassist/c-9/x"}`, "s", "assist", "", "conversations.agentassist"},
		{`{"sessionId":"s","channel":"agentassist","channelSpecificUserId":"a/voice/c-9"}`, "s", "assist", "", "conversations.agentassist"},
		{`{"sessionId":"s","channel":"rtm","channelSpecificUserId":"a/agentassist/c-9"}`, "s", "bot", "", "conversations.rtm"},
		{`{"conversationId":"","sessionId":"s","channel":"telegram "}`, "s", "bot", "", "conversations.other"},
		{`{"conversationId":{"a":1},"sessionId":"s","channel":["voice"]}`, "s", "bot", "", "conversations.other"},
		{`{"conversationId":"c-1","sessionId":null,"channel":7}`, "c-1", "contact", "", "conversations.other"},
		{`{"conversationId":17,"channel":null}`, "17", "contact", "", "conversations.other"},
	} {
		m, c, err := passage(testEncoder(t), []byte(test.row))
		if err != nil {
			t.Errorf("%s: %v", test.row, err)
			continue
		}
		related := ""
		if c.RelatedConversationID != nil {
			related = *c.RelatedConversationID
		}
		if c.ID != test.id || string(m.Key) != test.id || c.Kind != test.kind || related != test.related || m.Topic != test.topic {
			t.Errorf("%s: id %s, key %s, kind %s, related %q, topic %s", test.row, c.ID, m.Key, c.Kind, related, m.Topic)
		}
	}
}

func TestConversationRefusesBadRevisions(t *testing.T) {
	good := smartassist.ParseRow([]byte(`{"sessionId":"s"}`))
	for name, r := range map[string]Revision{
		"a row that is none":  {Row: smartassist.ParseRow([]byte(`[]`)), Number: 1, ObservedAt: observed},
		"revision 0":          {Row: good, ObservedAt: observed},
		"observed after 9999": {Row: good, Number: 1, ObservedAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := testEncoder(t).Conversation(r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Messages do not share memory with the rows encoded after them, whoever encodes.
func TestMessagesKeepTheirContent(t *testing.T) {
	e := testEncoder(t)
	row := func(i int) []byte {
		return fmt.Appendf(nil, `{"sessionId":"s-%d","csatScore":%d,"x%d":"%s","skills":["%d"],"destinations":[{"queueId":"q%d"}]}`, i, i, i, strings.Repeat("y", i), i, i)
	}
	const n = 200
	messages := make([]Message, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { messages[i], _, _ = passage(e, row(i)) })
	}
	all.Wait()
	for i, m := range messages {
		c, err := DecodeConversation(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.Rebuild()
		if err != nil || !EqualJSON(back, row(i)) || string(m.Key) != fmt.Sprintf("s-%d", i) || m.Deviations[0].Field != fmt.Sprintf("x%d", i) {
			t.Errorf("row %d: key %s, unknown %q, rebuilt %s, %v", i, m.Key, m.Deviations, back, err)
		}
	}
}

func TestProgress(t *testing.T) {
	e := testEncoder(t)
	p := Progress{
		AccountID: "65269fe0dd9c622245c10001", Sequence: 42, Selection: "5f1c", WindowStart: utc("2026-03-01T12:00:00Z"), WindowEnd: utc("2026-03-01T12:05:00Z"),
		ReadAt: observed, CompleteFrom: utc("2026-02-28T12:00:00Z"), CompleteThrough: utc("2026-03-01T12:05:00Z"),
		Fetched: 6, Published: 3, Unchanged: 2, DeadLettered: 1, Late: 1, Requests: 4,
		ByTopic: map[string]int64{"conversations.voice": 3, "conversations.dead-letter": 1}, EndOffsets: map[string]int64{"conversations.voice-5": 17},
		Event: &Event{Kind: "gap.accepted", WindowStart: new(utc("2026-03-01T12:00:00Z")), WindowEnd: new(utc("2026-03-01T12:05:00Z")), By: new("operator")},
	}
	m, err := e.Progress(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeProgress(m.Value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&p, back); diff != "" {
		t.Error(diff)
	}
	if m.Topic != "conversations.progress" || string(m.Key) != p.AccountID || m.Sequence() != p.Sequence {
		t.Errorf("topic %s, key %s", m.Topic, m.Key)
	}
	want := map[string]string{
		"ce_specversion": "1.0", "ce_id": "65269fe0dd9c622245c10001:42", "ce_source": "/smartassist/65269fe0dd9c622245c10001", "ce_subject": "65269fe0dd9c622245c10001",
		"ce_type": "convstream.progress.v1", "ce_time": "2026-03-01T12:30:00.25Z", "content-type": "application/vnd.apache.avro",
	}
	if diff := cmp.Diff(want, headerMap(m)); diff != "" {
		t.Error(diff)
	}
	for name, spoil := range map[string]func(*Progress){
		"does not add up":    func(p *Progress) { p.Fetched++ },
		"another account":    func(p *Progress) { p.AccountID = "b" },
		"complete backwards": func(p *Progress) { p.CompleteThrough = p.CompleteFrom.Add(-1) },
		"window backwards":   func(p *Progress) { p.WindowEnd = p.WindowStart.Add(-1) },
		"read in year 10000": func(p *Progress) { p.ReadAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		bad := p
		spoil(&bad)
		if _, err := e.Progress(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDeadLetter(t *testing.T) {
	raw := []byte(`{"channel":"voice"}`)
	letter := DeadLetter{
		Row: smartassist.ParseRow(raw), Error: "row has neither conversationId nor sessionId",
		WindowStart: utc("2026-03-01T12:00:00Z"), WindowEnd: utc("2026-03-01T12:05:00Z"), ObservedAt: observed, MaxBytes: 1 << 20,
	}
	messages := testEncoder(t).DeadLetter(letter)
	if len(messages) != 1 {
		t.Fatalf("%d messages", len(messages))
	}
	m := messages[0]
	if m.Topic != "conversations.dead-letter" || m.Key != nil || !bytes.Equal(m.Value, raw) {
		t.Errorf("topic %s, key %q, value %q", m.Topic, m.Key, m.Value)
	}
	sum := sha256.Sum256(raw)
	want := map[string]string{
		"ce_specversion": "1.0", "ce_id": hex.EncodeToString(sum[:])[:16], "ce_source": "/smartassist/65269fe0dd9c622245c10001",
		"ce_type": "convstream.deadletter.v1", "ce_time": "2026-03-01T12:30:00.25Z", "content-type": "application/json",
		"error": "row has neither conversationId nor sessionId", "window": "2026-03-01T12:00:00Z/2026-03-01T12:05:00Z",
	}
	if diff := cmp.Diff(want, headerMap(m)); diff != "" {
		t.Error(diff)
	}
}

// A dead letter says how its row was redacted, in each of its parts.
func TestDeadLetterOfARedactedRow(t *testing.T) {
	e, err := New(Config{AccountID: "a", Topics: Topics{Prefix: "conversations."}, Redaction: "5a17c0de5a17c0de"})
	if err != nil {
		t.Fatal(err)
	}
	row := smartassist.ParseRow([]byte(`{"text":"` + strings.Repeat("x", 5000) + `"}`))
	messages := e.DeadLetter(DeadLetter{Row: row, Error: row.Err.Error(), WindowStart: observed, WindowEnd: observed, ObservedAt: observed, MaxBytes: 2000})
	var reader LetterReader
	for i, m := range messages {
		if m.size()+recordOverhead > 2000 {
			t.Errorf("part %d has %d bytes", i+1, m.size())
		}
		l, whole, err := reader.Read(m)
		if err != nil || l.Redaction != "5a17c0de5a17c0de" || whole != (i == len(messages)-1) || whole && !bytes.Equal(l.Row, row.Raw) {
			t.Errorf("part %d of %d: %v, %q", i+1, len(messages), err, l.Redaction)
		}
	}
	if len(messages) < 3 {
		t.Errorf("%d parts", len(messages))
	}
}

// What is left of a page that could not be split is a dead letter of any bytes, in parts where it is large.
func TestDeadLetterOfAnyBytes(t *testing.T) {
	rest := []byte("{\"note\":\"5\" pipe\"},\x00\xff\xfe" + strings.Repeat("\xc3", 5000) + "]}")
	row := smartassist.Unsplittable(rest)
	for maxBytes, most := range map[int]int{0: 1, 1 << 20: 1, 2000: 10} {
		messages := testEncoder(t).DeadLetter(DeadLetter{Row: row, Error: row.Err.Error(), WindowStart: observed, WindowEnd: observed, ObservedAt: observed, MaxBytes: maxBytes})
		var joined []byte
		for _, m := range messages {
			joined = append(joined, m.Value...)
			if m.Key != nil || headerMap(m)["error"] != "the rest of a page that could not be split into rows" {
				t.Errorf("at most %d: key %q, error %q", maxBytes, m.Key, headerMap(m)["error"])
			}
		}
		if !bytes.Equal(joined, rest) || len(messages) > most || (len(messages) > 1) != (most > 1) {
			t.Errorf("at most %d: %d parts, joined %d of %d bytes", maxBytes, len(messages), len(joined), len(rest))
		}
	}
}

// A large row is cut so that each part is small enough, and joined gives the row.
func TestDeadLetterInParts(t *testing.T) {
	raw := []byte(`{"sessionId":"s-1","x":"` + strings.Repeat("0123456789", 5000) + `"}`)
	for _, maxBytes := range []int{2000, 4096, 50_000, len(raw)} {
		var joined []byte
		messages := testEncoder(t).DeadLetter(DeadLetter{Row: smartassist.ParseRow(raw), Error: "too large", WindowStart: observed, WindowEnd: observed, ObservedAt: observed, MaxBytes: maxBytes})
		for i, m := range messages {
			joined = append(joined, m.Value...)
			hs := headerMap(m)
			if m.size()+recordOverhead > maxBytes || string(m.Key) != "s-1" || hs["part"] != fmt.Sprint(i+1) || hs["parts"] != fmt.Sprint(len(messages)) {
				t.Errorf("at most %d: part %d of %d bytes, key %s, headers %s of %s", maxBytes, i+1, m.size(), m.Key, hs["part"], hs["parts"])
			}
		}
		if !bytes.Equal(joined, raw) || len(messages) < 2 {
			t.Errorf("at most %d: %d parts, joined %d of %d bytes", maxBytes, len(messages), len(joined), len(raw))
		}
	}
}

// A dead letter is never itself too large for what was wrong with its row.
func TestDeadLetterBoundsKeyAndError(t *testing.T) {
	raw := []byte(`{"sessionId":"` + strings.Repeat("s", 1<<20) + `"}`)
	for _, m := range testEncoder(t).DeadLetter(DeadLetter{Row: smartassist.ParseRow(raw), Error: strings.Repeat("é", 1<<20), ObservedAt: observed, MaxBytes: 1 << 19}) {
		if m.Key != nil || m.size() > 1<<19 || headerMap(m)["ce_subject"] != "" {
			t.Errorf("key of %d bytes, message of %d", len(m.Key), m.size())
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	m, _, err := passage(testEncoder(t), []byte(`{"sessionId":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(m.Value)
	other[2]++
	for name, test := range map[string]struct {
		value []byte
		want  string
	}{
		"empty":                 {nil, "neither Avro single-object encoding nor"},
		"Confluent's framing":   {[]byte{0, 0, 0, 0, 7, 2, 97, 2, 97, 2}, "SCHEMA_REGISTRY_URL"},
		"JSON":                  {[]byte(`{"sessionId":"s"}`), "neither Avro single-object encoding nor"},
		"another schema":        {other, "no version of convstream.v1.Conversation"},
		"cut off":               {m.Value[:len(m.Value)-3], "decode conversation"},
		"something behind":      {append(bytes.Clone(m.Value), 0), "trailing bytes"},
		"larger than any value": {make([]byte, maxValue+1), "more than"},
	} {
		if _, err := DecodeConversation(test.value); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if _, err := DecodeProgress(m.Value); err == nil || !strings.Contains(err.Error(), "no version of convstream.v1.Progress") {
		t.Errorf("a conversation as progress: %v", err)
	}
}

// Rebuild refuses a record whose unmapped values nobody can have kept.
func TestRebuildRefuses(t *testing.T) {
	for name, unmapped := range map[string]map[string]string{
		"no place":       {"/destinations/0/x": "1"},
		"below a value":  {"/a": "{}", "/a/b": "1"},
		"beside the row": {"": "{}", "/a": "1"},
		"not JSON":       {"/a": "{"},
		"not one value":  {"/a": "1,2"},
		"no pointer":     {"a": "1"},
	} {
		if row, err := (&Conversation{Unmapped: unmapped}).Rebuild(); err == nil {
			t.Errorf("%s: rebuilt %s", name, row)
		}
	}
	if _, err := (&Conversation{}).Rebuild(); err != nil {
		t.Error(errors.Join(errors.New("of an empty record"), err))
	}
}
