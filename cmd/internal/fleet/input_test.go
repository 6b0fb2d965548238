package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// TestPoisonRows: rows that can hardly be a conversation are read again and again. What is none is in the dead letters
// once, to the byte; what is one is published, and what did not fit stands in unmapped and is counted.
func TestPoisonRows(t *testing.T) {
	long(t)
	t.Parallel()
	c := simulator.Config{History: 2 * time.Hour, PerMinute: 2}
	c.Faults.Poison, c.Faults.PoisonKinds = 0.5, simulator.AllPoisons
	inWorld(t, c, map[string]string{"START_FROM": "2h"}, func(w *world) {
		began := time.Now()
		stop := w.start()
		time.Sleep(3 * time.Hour)
		fields, respelt := w.series("convstream_unmapped_values_total", "field"), w.series("convstream_respelt_values_total", "field")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		w.fresh(w.verify(w.complete))
		w.withinBudget()

		served := map[string][]byte{} // dead rows by ce_id
		for row := range w.service.RowsAt(time.Now(), began.Add(-2*time.Hour), time.Now()) {
			if row.Dead {
				served[row.Key.Session] = row.Raw
			}
		}
		kinds := map[string]int{}
		for _, r := range w.consume("conversations.dead-letter") {
			kinds[w.deadLetter(r, served)]++
		}
		for _, kind := range []string{"row is not valid JSON", "row is not a JSON object", "row has neither conversationId nor sessionId"} {
			if kinds[kind] < 2 {
				t.Errorf("%d dead letters with error %q: the test shows nothing of them", kinds[kind], kind)
			}
		}
		w.misfits(fields, respelt)
		t.Log(kinds)
	})
}

// deadLetter holds a dead letter against the row that was served, and gives the error it names.
func (w *world) deadLetter(r *kgo.Record, served map[string][]byte) string {
	w.t.Helper()
	id := header(r, "ce_id")
	if raw, ok := served[id]; !ok || !bytes.Equal(raw, r.Value) {
		w.t.Errorf("dead letter %s is not what was served\n got %q\nwant %q", id, r.Value, raw)
	}
	sum := sha256.Sum256(r.Value)
	if id != hex.EncodeToString(sum[:8]) {
		w.t.Errorf("dead letter %s: its SHA-256 begins %x", id, sum[:8])
	}
	want := "row has neither conversationId nor sessionId"
	if !json.Valid(r.Value) {
		want = "row is not valid JSON"
	} else if r.Value[0] != '{' {
		want = "row is not a JSON object"
	}
	w.headers(r, map[string]string{
		"ce_specversion": "1.0", "ce_id": id, "ce_source": "/smartassist/" + accountID, "ce_type": "convstream.deadletter.v1",
		"content-type": "application/json", "error": want, "window": "*", "ce_time": "*",
	})
	return header(r, "error")
}

// headers fails the test where a record's headers are not these; * is any value. ce_time and window must be instants, the
// window must end after it begins, and nothing can be seen after it is told.
func (w *world) headers(r *kgo.Record, want map[string]string) {
	w.t.Helper()
	got := map[string]string{}
	for _, h := range r.Headers {
		if _, twice := got[h.Key]; twice {
			w.t.Errorf("%s at %d: header %s is there twice", r.Topic, r.Offset, h.Key)
		}
		if got[h.Key] = string(h.Value); want[h.Key] == "*" {
			got[h.Key] = "*"
		}
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("%s at %d: headers %v, want %v", r.Topic, r.Offset, got, want)
	}
	at, err := time.Parse(time.RFC3339Nano, header(r, "ce_time"))
	if err != nil || at.After(r.Timestamp) || r.Timestamp.Sub(at) > 5*time.Minute {
		w.t.Errorf("%s at %d: ce_time %s, published %v", r.Topic, r.Offset, header(r, "ce_time"), r.Timestamp)
	}
	if want["window"] == "" {
		return
	}
	start, end, _ := strings.Cut(header(r, "window"), "/")
	from, err1 := time.Parse(time.RFC3339, start)
	to, err2 := time.Parse(time.RFC3339, end)
	if err1 != nil || err2 != nil || !from.Before(to) || to.After(at.Add(time.Minute)) {
		w.t.Errorf("%s at %d: window %q", r.Topic, r.Offset, header(r, "window"))
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// misfits holds what stands in unmapped against the metrics, and looks for each kind of poison that is a conversation.
func (w *world) misfits(misfits, respelt map[string]float64) {
	w.t.Helper()
	counted, seen := map[string]float64{}, map[simulator.Poison]int{}
	// The service writes members in other cases too: those stand in unmapped under their own spelling.
	fields := map[string]string{"/reason": "reason", "/csatscore": "csatScore", "/sessionstarttime": "sessionStartTime", "/isvoicemail": "voicemail"}
	for _, r := range w.consume("conversations.voice", "conversations.rtm", "conversations.agentassist", "conversations.other") {
		c, err := encoder.DecodeConversation(r.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		for pointer, text := range c.Unmapped {
			if field, ok := fields[strings.ToLower(pointer)]; ok {
				counted[field]++
			}
			if !utf8.ValidString(pointer) || !utf8.ValidString(text) {
				w.t.Errorf("%s: unmapped %q: %q is not UTF-8", c.ID, pointer, text)
			}
		}
		switch score, reason := c.Unmapped["/csatScore"], c.Unmapped["/reason"]; {
		case score == "null" && reason == "null" && c.CsatScore == nil && c.Reason == nil:
			seen[simulator.Nulls]++
		case strings.HasPrefix(reason, `"caf`), strings.HasPrefix(reason, `"half `):
			seen[simulator.InvalidUTF8]++
		case len(c.Unmapped) > 20 && c.Destinations == nil:
			seen[simulator.WrongTypes]++
		}
	}
	for _, kind := range []simulator.Poison{simulator.Nulls, simulator.InvalidUTF8, simulator.WrongTypes} {
		if seen[kind] < 2 {
			w.t.Errorf("%d conversations of kind %s were published with unmapped: %v", seen[kind], kind, seen)
		}
	}
	for pointer, field := range fields {
		if misfits[field]+respelt[field] != counted[field] || misfits[field] == 0 {
			w.t.Errorf("%v and %v values of %s are counted, %v stand in unmapped at %s", misfits[field], respelt[field], field, counted[field], pointer)
		}
	}
	if respelt["reason"] == 0 {
		w.t.Errorf("no reason in the older spelling is counted: %v", respelt)
	}
}

// series is every value of a metric, by one of its labels.
func (w *world) series(metric, label string) map[string]float64 {
	w.t.Helper()
	out := map[string]float64{}
	_, body := w.get("/metrics")
	for line := range strings.Lines(body) {
		labels, found := strings.CutPrefix(line, metric+"{")
		if !found {
			continue
		}
		_, rest, _ := strings.Cut(labels, label+`="`)
		name, rest, _ := strings.Cut(rest, `"`)
		_, value, _ := strings.Cut(rest, "} ")
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		out[name] += v
	}
	return out
}

// extraRow is a row of a conversation half an hour before the world begins.
func extraRow(id, members string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"conversationId":%q,"channel":"voice","sessionStartTime":"1999-12-31T23:30:00",`+
		`"sessionEndTime":"1999-12-31T23:31:00","finalStatus":"COMPLETED"%s}`, id, members))
}

// TestUnknownMembersAreToldOnce: a member that the schema has no field for is told of by its name, once for as long as
// the worker runs, with the type of its value, never by the value; every value is counted and kept.
func TestUnknownMembersAreToldOnce(t *testing.T) {
	c := simulator.Config{Extra: []json.RawMessage{
		extraRow("c-1", `,"zodiacSign":"Capricornus","customerinfo":{"shoeSize":"46 wide"}`),
		extraRow("c-2", `,"zodiacSign":"Sagittarius"`),
		extraRow("c-3", `,"zodiacSign":{"east":"Ophiuchus"}`),
	}}
	inWorld(t, c, map[string]string{"START_FROM": "1h"}, func(w *world) {
		stop := w.start()
		time.Sleep(time.Hour)
		if n := w.metric(`convstream_unmapped_values_total{field="unknown"}`); n != 4 {
			t.Errorf("%v unknown values counted, want 4", n)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		w.verify(w.complete)
		w.logged(`member zodiacSign (string)"`, 1)
		w.logged(`member zodiacSign (object)"`, 1)
		w.logged(`member customer.shoeSize (string)"`, 1)
		for _, value := range []string{"Capricornus", "Sagittarius", "Ophiuchus", "46 wide"} {
			w.logged(value, 0)
		}
		kept := map[string]string{}
		for _, r := range w.consume("conversations.voice") {
			c, err := encoder.DecodeConversation(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			kept[c.ID] = c.Unmapped["/zodiacSign"]
		}
		if want := map[string]string{"c-1": `"Capricornus"`, "c-2": `"Sagittarius"`, "c-3": `{"east":"Ophiuchus"}`}; !maps.Equal(kept, want) {
			t.Errorf("kept %v, want %v", kept, want)
		}
	})
}

// noise is text that no codec makes much smaller.
func noise(bytes int) string {
	b := make([]byte, bytes*3/4)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// TestRowsLargerThanTheTopic: what a topic does not take ends in the dead letters, to the byte, once; everything around it
// is published, and reading goes on.
func TestRowsLargerThanTheTopic(t *testing.T) {
	long(t)
	for name, c := range map[string]struct {
		deadLetter map[string]string // settings of a dead-letter topic that is there before
		row        json.RawMessage
		parts      int
		why        string
	}{
		"whole": {nil, extraRow("c-large", `,"metaInfo":"`+noise(2<<20)+`"`), 1, "the broker refuses the record"},
		"in parts": {map[string]string{"max.message.bytes": "300000"}, extraRow("c-large", `,"metaInfo":"`+noise(2<<20)+`"`), 8,
			"the broker refuses the record"},
		"no JSON, in parts": {map[string]string{"max.message.bytes": "1000000"}, extraRow("c-large", `,"metaInfo":"`+noise(2<<20)+`","attempt":01`), 3,
			"row is not valid JSON"},
		"beyond 10 MiB": {nil, extraRow("c-large", `,"metaInfo":"`+noise(11<<20)+`"`), 2, "the broker refuses the record"},
	} {
		t.Run(name, func(t *testing.T) {
			config := simulator.Config{History: time.Hour, PerMinute: 2, Extra: []json.RawMessage{c.row}}
			inWorld(t, config, map[string]string{"START_FROM": "1h"}, func(w *world) {
				if c.deadLetter != nil {
					w.create("dead-letter", 1, c.deadLetter)
				}
				w.run(20 * time.Minute)
				w.run(20 * time.Minute) // remembered across a restart
				r := w.verify(w.complete, forgive("c-large"))
				w.fresh(r)
				if r.DeadLetters != 1 {
					t.Errorf("%d dead letters, want 1", r.DeadLetters)
				}
				w.joined(w.consume("conversations.dead-letter"), c.row, c.parts, c.why)
				w.logged("nothing can be committed", min(1, strings.Count(c.why, "broker")))
				t.Log(describe(r))
			})
		})
	}
}

// forgive leaves out the problems that a conversation in the dead letters causes.
func forgive(id string) func(*verify.Report) {
	return func(r *verify.Report) {
		r.Problems = slices.DeleteFunc(r.Problems, func(p string) bool {
			return strings.HasPrefix(p, id+" (session ") || strings.HasPrefix(p, "lost: "+id+" ")
		})
	}
}

// joined holds the parts of one dead letter, in the order of the topic, against the row.
func (w *world) joined(parts []*kgo.Record, row []byte, n int, why string) {
	w.t.Helper()
	if len(parts) != n {
		w.t.Errorf("%d records, want %d", len(parts), n)
	}
	var whole []byte
	sum := sha256.Sum256(row)
	for i, r := range parts {
		whole = append(whole, r.Value...)
		want := map[string]string{
			"ce_specversion": "1.0", "ce_id": hex.EncodeToString(sum[:8]), "ce_source": "/smartassist/" + accountID,
			"ce_type": "convstream.deadletter.v1", "content-type": "application/json", "error": why, "window": "*", "ce_time": "*",
		}
		if key := string(r.Key); json.Valid(row) {
			if want["ce_subject"] = "c-large"; key != "c-large" {
				w.t.Errorf("part %d has key %q", i+1, key)
			}
		}
		if n > 1 {
			want["part"], want["parts"] = strconv.Itoa(i+1), strconv.Itoa(n)
		}
		w.headers(r, want)
	}
	if !bytes.Equal(whole, row) {
		w.t.Errorf("joined, the parts are %d bytes %.40q..., the row is %d bytes %.40q...", len(whole), whole, len(row), row)
	}
}
