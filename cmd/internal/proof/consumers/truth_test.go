package consumers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/schemas"
)

// place is where a record lies.
type place struct {
	topic     string
	partition int32
	offset    int64
}

// record is one revision as a consumer shows it.
type record struct {
	place
	key     string
	headers map[string]string // nil: the consumer does not show them
	value   string            // canonical
}

// truth is what a consumer has to show: every committed record of the channel topics, and the row that the service sent
// for it.
type truth struct {
	records map[place]record
	rows    map[place]json.RawMessage
	newest  map[string]place // by id, of all topics
	ids     map[string]int32 // newest revision
	served  map[content]json.RawMessage
}

// newTruth finds for each record the row of the service, by its content. It reads the records with a library that the
// worker does not use.
func newTruth(t *testing.T, w *world, records []*kgo.Record) *truth {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &truth{records: map[place]record{}, rows: map[place]json.RawMessage{}, newest: map[string]place{}, ids: map[string]int32{}, served: maps.Clone(w.served)}
	for _, r := range records {
		if !slices.Contains(w.topics.Conversations(), r.Topic) {
			continue
		}
		at := place{r.Topic, r.Partition, r.Offset}
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		value := canonical(t, r.Value[w.header:])
		out.records[at] = record{at, string(r.Key), headers, value}
		if out.rows[at] = out.row(value); out.rows[at] == nil {
			t.Fatalf("%v: the service never sent a row like this", at)
		}
		if c := conversation(value); c.Revision > out.ids[c.ID] {
			out.ids[c.ID], out.newest[c.ID] = c.Revision, at
		}
	}
	return out
}

// canonical is the value of a conversation as JSON, members in order.
func canonical(t *testing.T, avro []byte) string {
	t.Helper()
	var value any
	rest, err := schemas.Conversation.Parsed().Decode(avro, &value)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%v, %d bytes left over", err, len(rest))
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// canonicalJSON is the same for what a consumer wrote. Times may be milliseconds or RFC 3339.
func canonicalJSON(t *testing.T, value any) string {
	t.Helper()
	avro, err := schemas.Conversation.Parsed().Encode(value)
	if err != nil {
		t.Fatalf("a consumer shows what is no conversation: %v", err)
	}
	return canonical(t, avro)
}

// row rebuilds the service's row from a value and gives the one that was served, nil where there is none.
func (tr *truth) row(value string) json.RawMessage {
	c := conversation(value)
	rebuilt, err := c.Rebuild()
	if err != nil {
		return nil
	}
	key, _ := simulator.KeyOf(rebuilt)
	return tr.served[content{key, simulator.ContentHash(rebuilt)}]
}

// conversation reads the canonical text.
func conversation(value string) *encoder.Conversation {
	schema := schemas.Conversation.Parsed()
	var plain any
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&plain); err != nil {
		panic(err)
	}
	header := schemas.Conversation.Header()
	bytes, err := schema.AppendEncode(header[:], plain)
	if err != nil {
		panic(err)
	}
	c, err := encoder.DecodeConversation(bytes)
	if err != nil {
		panic(err)
	}
	return c
}

// differences are those between what a consumer shows and the truth: missing, there twice, not committed, other headers,
// another value, or a row that the service never sent.
func (tr *truth) differences(got []record) []string {
	var out []string
	seen := map[place]int{}
	for _, r := range got {
		want, committed := tr.records[r.place]
		if seen[r.place]++; seen[r.place] == 2 {
			out = append(out, fmt.Sprintf("%v: shown twice", r.place))
		}
		switch {
		case !committed:
			out = append(out, fmt.Sprintf("%v: not committed", r.place))
		case r.key != want.key:
			out = append(out, fmt.Sprintf("%v: key", r.place))
		case r.headers != nil && !maps.Equal(r.headers, want.headers):
			out = append(out, fmt.Sprintf("%v: headers", r.place))
		case r.value != want.value:
			out = append(out, fmt.Sprintf("%v: value\n%s\nwant\n%s", r.place, r.value, want.value))
		case !bytes.Equal(tr.row(r.value), tr.rows[r.place]):
			out = append(out, fmt.Sprintf("%v: no row of the service", r.place))
		}
	}
	for at := range tr.records {
		if seen[at] == 0 {
			out = append(out, fmt.Sprintf("%v: not shown", at))
		}
	}
	return out
}

// check makes errors of the differences, and says how many records were compared.
func (tr *truth) check(t *testing.T, who string, got []record) {
	t.Helper()
	differences := tr.differences(got)
	for i, d := range differences {
		if i == 5 {
			break
		}
		t.Errorf("%s: %s", who, d)
	}
	t.Logf("%s: %d records shown, %d committed, differences %d", who, len(got), len(tr.records), len(differences))
}

// newestRows are the service's rows behind the newest revisions, by id.
func (tr *truth) newestRows() map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for id, at := range tr.newest {
		out[id] = tr.rows[at]
	}
	return out
}

// lines reads JSON, one value a line, numbers as their text.
func lines(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(text) {
		var value map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%v\n%.500s", err, line)
		}
		out = append(out, value)
	}
	return out
}

// shown reads records as the examples in Python and Java print them.
func shown(t *testing.T, text string) []record {
	t.Helper()
	var out []record
	for _, line := range lines(t, text) {
		r := record{placeOf(t, line["topic"], line["partition"], line["offset"]), line["key"].(string), headersOf(line["headers"]), canonicalJSON(t, line["value"])}
		out = append(out, r)
	}
	return out
}

func placeOf(t *testing.T, topic, partition, offset any) place {
	t.Helper()
	var p place
	if _, err := fmt.Sscan(fmt.Sprint(partition, " ", offset), &p.partition, &p.offset); err != nil {
		t.Fatal(err)
	}
	p.topic = topic.(string)
	return p
}

// headersOf reads an object; nil where there is none.
func headersOf(value any) map[string]string {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for name, text := range object {
		out[name] = fmt.Sprint(text)
	}
	return out
}
