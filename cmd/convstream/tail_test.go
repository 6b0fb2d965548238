package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

// names of a schema's fields.
func fieldsOf(t *testing.T, file string) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../schemas/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Fields []struct{ Name string } }
	if err := json.Unmarshal(text, &schema); err != nil || len(schema.Fields) == 0 {
		t.Fatalf("%s: %d fields, %v", file, len(schema.Fields), err)
	}
	for _, f := range schema.Fields {
		names = append(names, f.Name)
	}
	return names
}

// record is a line of `tail --json`.
type record struct {
	Topic     string
	Partition *int
	Offset    *int64
	Time      time.Time
	Key       string
	Headers   map[string]string
	Value     json.RawMessage
}

func decodeLines(t *testing.T, stdout string) (records []record) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		records = append(records, r)
	}
	return records
}

// TestTail looks at the topics of a worker that has run for a while, in every way there is.
func TestTail(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a real worker for some seconds first")
	}
	t.Parallel()
	w := newWorld(t, simulator.Config{
		Seed: 3, History: 2 * time.Minute, PerMinute: 60, LateBy: time.Second,
		Faults: simulator.Faults{Poison: 0.1, PoisonKinds: []simulator.Poison{simulator.NotAnObject, simulator.NoIdentity}},
	}, map[string]string{"START_FROM": "2m"})
	p := start(t, w.env)
	w.awaitComplete(time.Now())
	w.drain(p)
	r := w.report()
	complain(t, r)
	if r.Revisions == 0 || r.DeadLetters == 0 || r.ByTopic["conversations.voice"] == 0 {
		t.Fatalf("nothing to look at: %d revisions, %d dead letters", r.Revisions, r.DeadLetters)
	}
	env := map[string]string{"KAFKA_BROKERS": w.env["KAFKA_BROKERS"]} // and no login
	tail := func(t *testing.T, args ...string) (int, string, string) {
		return convstream(t, env, append([]string{"tail"}, args...)...)
	}
	published := r.Revisions + r.DeadLetters
	for name, c := range map[string]struct {
		args  []string
		lines int
	}{
		"everything but state":        {[]string{"--no-follow"}, published + r.Commits},
		"from the beginning":          {[]string{"--no-follow", "--from", "beginning"}, published + r.Commits},
		"from the end":                {[]string{"--no-follow", "--from=end"}, 0},
		"rows":                        {[]string{"--no-follow", "--rows"}, published},
		"JSON":                        {[]string{"--no-follow", "--json"}, published + r.Commits},
		"a topic":                     {[]string{"voice", "--no-follow"}, int(r.ByTopic["conversations.voice"])},
		"a topic by its whole name":   {[]string{"--no-follow", "conversations.voice"}, int(r.ByTopic["conversations.voice"])},
		"two topics around the flags": {[]string{"dead-letter", "--no-follow", "progress"}, r.DeadLetters + r.Commits},
		"rows of dead letters":        {[]string{"dead-letter", "--rows", "--no-follow"}, r.DeadLetters},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := tail(t, c.args...)
			if lines := strings.Count(stdout, "\n"); code != exitDone || stderr != "" || lines != c.lines {
				t.Errorf("exit %d, %d lines, want %d; said %q", code, lines, c.lines, stderr)
			}
		})
	}
	t.Run("JSON has the schemas' names", func(t *testing.T) { w.checkJSON(t, env) })
	t.Run("no such topic", func(t *testing.T) {
		code, stdout, stderr := tail(t, "voize")
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, `no topic "conversations.voize"`) || !strings.Contains(stderr, "conversations.voice") {
			t.Errorf("exit %d, said %q %q", code, stdout, stderr)
		}
	})
	t.Run("no such prefix", func(t *testing.T) {
		for _, args := range [][]string{{"tail"}, {"tail", "voice"}} {
			code, _, stderr := convstream(t, map[string]string{"KAFKA_BROKERS": env["KAFKA_BROKERS"], "TOPIC_PREFIX": "talks."}, args...)
			if code != exitFailed || !strings.Contains(stderr, `no topic begins with "talks."`) || !strings.Contains(stderr, "TOPIC_PREFIX") {
				t.Errorf("%v: exit %d, said %q", args, code, stderr)
			}
		}
	})
	t.Run("follows until interrupted", func(t *testing.T) { w.checkFollows(t, env) })
}

func (w *world) checkJSON(t *testing.T, env map[string]string) {
	conversation, progress := fieldsOf(t, "conversation.avsc"), fieldsOf(t, "progress.avsc")
	_, stdout, _ := convstream(t, env, "tail", "--json", "--no-follow")
	for _, r := range decodeLines(t, stdout) {
		if r.Partition == nil || r.Offset == nil || r.Time.IsZero() || r.Headers["ce_id"] == "" {
			t.Fatalf("incomplete: %+v", r)
		}
		names, required := conversation, []string{"id", "kind", "accountId", "revision", "change", "observedAt", "unmapped"}
		switch r.Topic {
		case w.topics.DeadLetters():
			if r.Headers["error"] == "" {
				t.Errorf("dead letter without an error: %+v", r)
			}
			continue
		case w.topics.Progress():
			names = progress
			required = slices.DeleteFunc(slices.Clone(progress), func(name string) bool { return name == "event" }) // null for most
		}
		var value map[string]json.RawMessage
		if err := json.Unmarshal(r.Value, &value); err != nil {
			t.Fatalf("%s: %v in %s", r.Topic, err, r.Value)
		}
		for name := range value {
			if !slices.Contains(names, name) {
				t.Fatalf("%s: %q is no field of its schema", r.Topic, name)
			}
		}
		for _, name := range required {
			if value[name] == nil {
				t.Fatalf("%s: no %s in %s", r.Topic, name, r.Value)
			}
		}
	}
}

// checkFollows reads from the end while a worker goes on, and interrupts it.
func (w *world) checkFollows(t *testing.T, env map[string]string) {
	p := start(t, env, "tail", "progress", "--json", "--from", "end")
	worker := start(t, w.env)
	p.await(p.stdout, "\n")
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitDone || p.stderr.String() != "" {
		t.Errorf("exit %d after an interrupt, said %q", code, p.stderr)
	}
	w.drain(worker)
	first := decodeLines(t, p.stdout.String())[0]
	var commit struct{ Sequence int }
	if err := json.Unmarshal(first.Value, &commit); err != nil || commit.Sequence < 2 {
		t.Errorf("began with commit %d, %v: want what came after the call", commit.Sequence, err)
	}
}

// TestTailWithoutBrokers says so, soon; following can be given up before.
func TestTailWithoutBrokers(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KAFKA_BROKERS": freePort(t)}
	began := time.Now()
	waiting, reading := start(t, env, "tail"), start(t, env, "tail", "--no-follow")
	given := start(t, env, "tail", "--no-follow", "voice")
	waiting.await(waiting.stderr, "trying again")
	reading.await(reading.stderr, "trying again")
	waiting.signal(os.Interrupt)
	if code := waiting.exit(); code != exitDone {
		t.Errorf("tail: exit %d after an interrupt, want %d", code, exitDone)
	}
	reading.signal(syscall.SIGTERM)
	if code := reading.exit(); code != exitFailed || !strings.Contains(reading.stderr.String(), "interrupted before the end") {
		t.Errorf("tail --no-follow: exit %d after a signal, said %q; half an answer must not look like a whole one", code, reading.stderr)
	}
	code, took := given.exit(), time.Since(began)
	if said := given.stderr.String(); code != exitFailed || !strings.Contains(said, "KAFKA_BROKERS") || !strings.Contains(said, env["KAFKA_BROKERS"]) {
		t.Errorf("exit %d, said %q, want it to name KAFKA_BROKERS and the address", code, said)
	}
	if took > patience+10*time.Second {
		t.Errorf("took %v", took)
	}
}
