package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// samplePage gives the rows of the service's public sample.
func samplePage(t *testing.T) []json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("../../encoder/testdata/sample-page.json")
	if err != nil {
		t.Fatal(err)
	}
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 2 {
		t.Fatalf("the sample has %d rows, want 2", len(page.Data))
	}
	return page.Data
}

// TestTheSamplePageComesOutEqual sends the rows of the service's public sample, served as they are printed there, through
// a worker, and reads them back with a foreign consumer and with `convstream tail`.
func TestTheSamplePageComesOutEqual(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a real worker until it has read a day of 2024: takes ten seconds")
	}
	t.Parallel()
	rows := samplePage(t)
	w := newWorld(t, simulator.Config{Extra: rows}, map[string]string{
		"START_FROM": "2024-08-24T11:00:00Z", "POLL_INTERVAL": "1m", // the oldest is read first, between two polls
	})
	p := start(t, w.env)
	w.awaitComplete(time.Date(2024, 8, 24, 15, 0, 0, 0, time.UTC))
	w.drain(p)
	r := w.report()
	complain(t, r)
	if r.Revisions != 2 || r.DeadLetters != 0 {
		t.Errorf("%d revisions and %d dead letters, want 2 and none", r.Revisions, r.DeadLetters)
	}
	consumed := map[string]string{}
	for topic, row := range map[string]json.RawMessage{"conversations.agentassist": rows[0], "conversations.voice": rows[1]} {
		consumed[topic] = string(row)
	}
	compareRows(t, "consumed", w.consumedRows(), consumed)

	shown := map[string]string{}
	for _, topic := range []string{"agentassist", "voice"} {
		code, stdout, stderr := convstream(t, map[string]string{"KAFKA_BROKERS": w.env["KAFKA_BROKERS"]},
			"tail", topic, "--rows", "--no-follow", "--from", "beginning")
		if code != exitDone || stderr != "" || strings.Count(stdout, "\n") != 1 {
			t.Errorf("tail %s: exit %d, want one line, said %q %q", topic, code, stdout, stderr)
		}
		shown["conversations."+topic] = stdout
	}
	compareRows(t, "shown", shown, consumed)
}

// consumedRows are the rows in the topics of conversations, rebuilt; one each.
func (w *world) consumedRows() map[string]string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patient)
	defer cancel()
	records, err := verify.Consume(ctx, w.brokers, nil, w.topics.Conversations())
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, rec := range records {
		c, err := encoder.DecodeConversation(rec.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		row, err := c.Rebuild()
		if err != nil {
			w.t.Fatal(err)
		}
		out[rec.Topic] += string(row)
	}
	return out
}

func compareRows(t *testing.T, how string, got, want map[string]string) {
	t.Helper()
	for topic := range want {
		if !encoder.EqualJSON([]byte(got[topic]), []byte(want[topic])) {
			t.Errorf("%s from %s: %s\nwant %s", how, topic, got[topic], want[topic])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: rows in %d topics, want %d", how, len(got), len(want))
	}
}
