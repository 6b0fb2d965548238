package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/poller/smartassist"
	"github.com/convstream/convstream/producer"
)

// configure sets a setting of a topic.
func (w *world) configure(topic, name, value string) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	s := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	s.Name, s.Value = name, &value
	r.Configs = append(r.Configs, s)
	req.Resources = append(req.Resources, r)
	res, err := req.RequestWith(context.Background(), c)
	if err == nil {
		err = kerr.ErrorForCode(res.Resources[0].ErrorCode)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// secretive is text that stands in a row and must not be shown unasked.
const secretive = "Mrs. Confidential"

// bulky is a row that a topic takes only with a limit above the default one. Letters at random hardly compress.
func bulky() json.RawMessage {
	noise := make([]byte, 2<<20)
	for i := range noise {
		noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[rand.IntN(64)]
	}
	at := time.Now().Add(-time.Minute).UTC().Format("2006-01-02T15:04:05")
	return json.RawMessage(fmt.Sprintf(`{"conversationId":"c-bulky","channel":"voice","sessionStartTime":%q,"sessionEndTime":%q,"finalStatus":"COMPLETED","metaInfo":"%s %s"}`,
		at, at, secretive, noise))
}

// expect runs a command and fails the test where it does not end as wanted or says something else.
func (w *world) expect(env map[string]string, code int, wants []string, args ...string) (stdout string) {
	w.t.Helper()
	got, stdout, stderr := convstream(w.t, env, append([]string{"dead-letters"}, args...)...)
	if got != code {
		w.t.Errorf("%v: exit %d, want %d: %.500s%.500s", args, got, code, stdout, stderr)
	}
	for _, want := range wants {
		if !strings.Contains(stdout+stderr, want) {
			w.t.Errorf("%v: lacks %q: %.1000s%.500s", args, want, stdout, stderr)
		}
	}
	if shows := strings.Contains(stdout+stderr, secretive); shows && !strings.Contains(fmt.Sprint(args), "--rows") {
		w.t.Errorf("%v shows what is in a row", args)
	}
	return stdout
}

// TestDeadLetters is an operator's way: what is there, why; try again, too early; mend it, try again; and once more.
func TestDeadLetters(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a real worker for some seconds")
	}
	t.Parallel()
	w := newWorld(t, simulator.Config{
		Seed: 3, History: 2 * time.Minute, PerMinute: 30, Extra: []json.RawMessage{bulky()},
		Faults: simulator.Faults{Poison: 0.1, PoisonKinds: []simulator.Poison{simulator.NotAnObject, simulator.NoIdentity}},
	}, map[string]string{"START_FROM": "2m", "ADMIN_ADDR": freePort(t)})
	p := start(t, w.env)
	w.awaitComplete(time.Now().Add(-10 * time.Second))
	env := map[string]string{"KAFKA_BROKERS": w.env["KAFKA_BROKERS"], "ADMIN_ADDR": w.env["ADMIN_ADDR"]} // and no login

	listed := w.expect(env, exitDone, []string{"c-bulky, 2097", "the broker refuses the record", "0 resolved.", "convstream dead-letters replay"}, "list")
	id := ""
	for line := range strings.Lines(listed) {
		if strings.Contains(line, "c-bulky") {
			id, _, _ = strings.Cut(line, " ")
		}
	}
	if lines := strings.Count(listed, "\n"); id == "" || lines < 4 {
		t.Fatalf("%d lines, id %q:\n%s\n%s", lines, id, listed, p.stderr)
	}
	var letter struct {
		ID, Account, Identity, Error, Window string
		Bytes                                int
		Resolved                             *struct{ As string }
	}
	for line := range strings.Lines(w.expect(env, exitDone, nil, "list", "--json")) {
		if err := json.Unmarshal([]byte(line), &letter); err != nil || letter.Account != account || letter.Bytes == 0 || letter.Error == "" || letter.Window == "" || letter.Resolved != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	w.expect(env, exitDone, []string{`"conversationId":"c-bulky"`, secretive}, "list", "--rows")

	w.expect(env, exitFailed, []string{id + " still dead: ", "raise max.message.bytes of topic conversations.voice"}, "replay", id)
	w.configure("conversations.voice", "max.message.bytes", "10000000")
	w.expect(env, exitDone, []string{id + " published as revision 1\n", "1 published, 0 superseded"}, "replay", id)
	w.expect(env, exitDone, []string{id + " resolved before: published as revision 1 at "}, "replay", strings.ToUpper(id))
	all := w.expect(env, exitDone, []string{"0 published, 0 superseded, 1 resolved before"}, "replay", "--all")
	if !strings.Contains(all, "still dead: ") {
		t.Errorf("no row that is no conversation among\n%s", all)
	}
	w.expect(env, exitFailed, []string{"0123456789abcdef unknown: ", "1 unknown"}, "replay", "0123456789abcdef")

	if listed := w.expect(env, exitDone, []string{"1 resolved (--all shows them)"}, "list"); strings.Contains(listed, "c-bulky") {
		t.Errorf("lists what is resolved:\n%s", listed)
	}
	w.expect(env, exitDone, []string{"published as revision 1 at "}, "list", "--all")
	w.refusesReplays(id, env)
	w.drain(p)
	complain(t, w.report())
}

// refusesReplays asks a standby, and nobody.
func (w *world) refusesReplays(id string, env map[string]string) {
	w.t.Helper()
	w.env["ADMIN_ADDR"] = freePort(w.t)
	standby := start(w.t, w.env)
	standby.await(standby.stderr, "standing by")
	w.expect(env, exitFailed, []string{"answers 409", "stands by; the active one is "}, "replay", id, "--admin", "http://"+w.env["ADMIN_ADDR"])
	w.drain(standby)
	w.expect(env, exitFailed, []string{"connection refused", "set --admin to the URL"}, "replay", id, "--admin", "http://"+w.env["ADMIN_ADDR"])
}

// aside is a row's dead letter as it stands in the topic, put aside at these times.
func aside(t *testing.T, row string, at ...time.Time) (id string, out []*kgo.Record) {
	t.Helper()
	e, err := encoder.New(encoder.Config{AccountID: "acc", Topics: encoder.Topics{Prefix: "conversations."}})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range at {
		for _, m := range e.DeadLetter(encoder.DeadLetter{Row: smartassist.ParseRow([]byte(row)), Error: "the broker refuses the record", WindowStart: at, WindowEnd: at, ObservedAt: at}) {
			r := &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value}
			for _, h := range m.Headers {
				if r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value}); h.Key == "ce_id" {
					id = string(h.Value)
				}
			}
			out = append(out, r)
		}
	}
	return id, out
}

// TestDeadLettersComeBack: a content that was replayed, then replaced by another, comes back and is refused again: its letter is
// the same and open, and is shown once.
func TestDeadLettersComeBack(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "conversations.dead-letter", "conversations.state"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	day := func(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }
	back, records := aside(t, `{"conversationId":"c-back","sessionId":"s1","finalStatus":"A"}`, day(2), day(4), day(5))
	done, others := aside(t, `{"conversationId":"c-done","sessionId":"s1","finalStatus":"A"}`, day(1), day(2))
	records = append(records, others...)
	for _, id := range []string{back, done} {
		value := fmt.Sprintf(`{"format":1,"fate":"published","revision":1,"at":%d,"written":%d}`, day(3).UnixMilli(), day(2).UnixMilli())
		records = append(records, &kgo.Record{Topic: "conversations.state", Key: []byte("acc/letter/" + id), Value: []byte(value)})
	}
	brokers := c.ListenAddrs()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    listOptions
		want []string // of each line
	}{
		"open": {listOptions{}, []string{back, "1 dead letters to be resolved, 1 resolved (--all"}},
		"all":  {listOptions{all: true}, []string{back, done, "1 dead letters to be resolved, 1 resolved."}},
	} {
		var out bytes.Buffer
		if err := c.o.list(t.Context(), producer.Cluster{Brokers: brokers, ClientID: "list"}, encoder.Topics{Prefix: "conversations."}, terminal{&out, &out}); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		for _, want := range c.want {
			if strings.Count(text, want) != 1 {
				t.Errorf("%s: %q is not there once:\n%s", name, want, text)
			}
		}
		if lines := strings.Count(text, " acc c-"); lines != len(c.want)-1 || !strings.Contains(text, "read 2026-11-05 12:00:00") {
			t.Errorf("%s: %d letters, want %d, the one of day 5 among them:\n%s", name, lines, len(c.want)-1, text)
		}
	}
}
