package consumers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/cmd/internal/proof/kraft"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
)

// TestKafkaDemo: who has only Go, Java and Maven tries Flink SQL and Kafka Streams on the demo, whose broker and registry
// are embedded.
func TestKafkaDemo(t *testing.T) {
	kraft.Skip(t)
	s := &services{}
	var err error
	for example, dir := range map[string]*string{"flink": &s.flink, "streams": &s.streams} {
		if *dir, err = libs(t.Context(), example); err != nil {
			t.Fatal(err)
		}
	}
	if s.python, err = venv(t.Context()); err != nil {
		t.Fatal(err)
	}
	env := runDemo(t)
	streams := s.java(t, "streams", "QueueCounts", program{env: slices.Concat(env, []string{"STATE_DIR=" + t.TempDir()})})
	lost := s.java(t, "streams", "QueueCounts", program{env: slices.Concat(env, []string{"STATE_DIR=" + t.TempDir(), "TOPIC_PREFIX=missing."})})
	testMisuse(t, s, env)
	flinkAnswers(t, s, env)
	streamsCounts(t, streams, strings.TrimPrefix(env[0], "KAFKA_BROKERS="))
	<-lost.ended
	if code := lost.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(lost.stderr.String(), "UnknownTopicOrPartition") {
		t.Errorf("Kafka Streams without its topics: exit %d\n%s", code, tail(lost.stderr.String()))
	}
}

// runDemo gives the variables that it says to export, once something is in the topics.
func runDemo(t *testing.T) (env []string) {
	t.Helper()
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "../../../demo").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	const any = "127.0.0.1:0"
	running := exec.CommandContext(ctx, demo, "--kafka-addr", any, "--registry-addr", any, "--service-addr", any, "--admin-addr", any)
	stdout, err := running.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = running.Wait() })
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if export, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "export "); found {
			env = strings.Fields(export)
		}
		if strings.Contains(lines.Text(), "complete through") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // it would stop when nobody reads
	return env
}

// flinkAnswers: Flink sees the demo's coverage.
func flinkAnswers(t *testing.T, s *services, env []string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(examples, "flink"))
	if err != nil {
		t.Fatal(err)
	}
	p := program{args: []string{"conversations.sql", "progress.sql", "present.sql", "coverage.sql"}, dir: dir, env: env}
	_, rows, _ := strings.Cut(s.java(t, "flink", "RunSql", p).output(t, 2*deadline), "\n")
	answer := lines(t, strings.TrimSpace(rows))
	if len(answer) != 1 || fmt.Sprint(answer[0]["published"]) == "0" {
		t.Errorf("of the demo Flink says %v", answer)
	}
	t.Logf("%v", answer)
}

// testMisuse: who calls a script wrongly, or the wrong one, is told so, and it does not end well.
func testMisuse(t *testing.T, s *services, env []string) {
	t.Helper()
	python := func(args ...string) []string {
		return append([]string{s.python, filepath.Join(examples, "python", args[0])}, args[1:]...)
	}
	wrong := map[string][]string{
		"python read.py conversations.voice":         python("read.py"),
		"no topic missing.voice":                     python("read.py", "missing.voice"),
		"python read_without_registry.py ":           python("read_without_registry.py", "../../../../schemas"),
		"no topic missing.rtm":                       python("read_without_registry.py", "../../../../schemas", "missing.rtm"),
		"written with a schema registry: read.py":    python("read_without_registry.py", "../../../../schemas", "conversations.voice"),
		"python close_window.py 65269fe0dd9c622245c": python("close_window.py"),
		"yesterday is no time":                       python("close_window.py", "account", "yesterday", "2026-11-26T14:05:00Z"),
		"usage: KAFKA_BROKERS=":                      {filepath.Join(examples, "kcat.sh")},
	}
	running := map[string]*process{}
	for says, args := range wrong {
		running[says] = start(t, program{args: args, env: env})
	}
	for says, p := range running {
		<-p.ended
		if out := p.stderr.String(); p.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(out, says) || strings.Contains(out, "Traceback") {
			t.Errorf("%v: exit %d, want it to say %q\n%s", wrong[says], p.cmd.ProcessState.ExitCode(), says, tail(out))
		}
	}
}

// streamsCounts: Kafka Streams, which had to create its topics, counts conversations of queues.
func streamsCounts(t *testing.T, streams *process, broker string) {
	t.Helper()
	within(t, deadline, "Kafka Streams counts the demo's conversations", func(ctx context.Context) error {
		select {
		case <-streams.ended:
			t.Fatalf("it has ended\n%s", tail(streams.stdout.String()+streams.stderr.String()))
		default:
		}
		records, err := verify.Consume(ctx, []string{broker}, nil, []string{"example.queue-counts"})
		if err == nil && len(records) == 0 {
			err = errors.New("no counts")
		}
		if err == nil {
			t.Logf("%d counts, the last one %s of %s", len(records), number(records[len(records)-1].Value), records[len(records)-1].Key)
		}
		return err
	})
}
