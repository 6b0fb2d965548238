package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/convstream/convstream/poller/simulator"
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

	listed := w.expect(env, exitDone, []string{"c-bulky, 2097", "the broker does not take the record", "0 resolved.", "convstream dead-letters replay"}, "list")
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

	w.expect(env, exitDone, []string{id + " still dead: ", "raise max.message.bytes of topic conversations.voice"}, "replay", id)
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
	w.expect(env, exitFailed, []string{"connection refused", "--admin URL"}, "replay", id, "--admin", "http://"+w.env["ADMIN_ADDR"])
}
