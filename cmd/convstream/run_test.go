package main

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/convstream/convstream/poller/simulator"
)

func TestTheAdminPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	env := map[string]string{"ADMIN_ADDR": taken.Addr().String()}
	for name, value := range valid {
		env[name] = value
	}
	code, stdout, stderr := convstream(t, env, "run")
	last := lineOf(stderr, "convstream ends")
	if code != exitFailed || stdout != "" || !strings.Contains(last, "ADMIN_ADDR "+env["ADMIN_ADDR"]) || !strings.Contains(last, "in use") || !strings.Contains(last, "free port") {
		t.Errorf("exit %d, said %q %q", code, stdout, stderr)
	}
}

// TestASecondWorkerTakesOver where there is no lease: the first one has to go, and say why. Whoever looks at the topics sees one worker.
func TestASecondWorkerTakesOver(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two real workers for some seconds")
	}
	t.Parallel()
	w := newWorld(t, simulator.Config{Seed: 5, History: time.Minute, PerMinute: 60, LateBy: time.Second}, map[string]string{"START_FROM": "1m", "LEASE": "off"})
	first := start(t, w.env)
	w.awaitComplete(time.Now().Add(-time.Minute))
	second := start(t, w.env, "run")
	if code := first.exit(); code != exitFailed {
		t.Errorf("the first worker: exit %d, want %d", code, exitFailed)
	}
	said := lineOf(first.stderr.String(), "convstream ends")
	if !strings.Contains(said, "another worker took over") || !strings.Contains(said, "stop one of them") {
		t.Errorf("said %q", said)
	}
	w.awaitComplete(time.Now())
	w.drain(second)
	r := w.report()
	r.CheckComplete(w.service, 3*time.Second)
	complain(t, r)
	if r.Conversations == 0 {
		t.Error("nothing was published")
	}
	for _, p := range []*process{first, second} {
		if strings.Contains(p.stderr.String()+p.stdout.String(), token) {
			t.Errorf("shows the token:\n%s", p.stderr)
		}
	}
}

// TestSignalsBeforeAnythingAnswers end the worker at once, in order.
func TestSignalsBeforeAnythingAnswers(t *testing.T) {
	t.Parallel()
	env := map[string]string{"ADMIN_ADDR": "127.0.0.1:0"}
	for name, value := range valid {
		env[name] = value
	}
	env["KAFKA_BROKERS"] = freePort(t)
	p := start(t, env)
	p.await(p.stderr, "trying again")
	began := time.Now()
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitDone || !strings.Contains(p.stderr.String(), `"drained"`) {
		t.Errorf("exit %d, said %s", code, p.stderr)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v although nothing was under way", took)
	}
}

// TestSettingsThatWarn: a budget above the documented quota is allowed, and said once. The port is taken so that the worker ends.
func TestSettingsThatWarn(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	env := map[string]string{"ADMIN_ADDR": taken.Addr().String(), "SMARTASSIST_REQUESTS_PER_MINUTE": "120"}
	for name, value := range valid {
		env[name] = value
	}
	_, _, stderr := convstream(t, env, "run")
	const text = "the documented quota is 60"
	if line := lineOf(stderr, text); !strings.Contains(line, `"level":"warn"`) || strings.Count(stderr, text) != 1 {
		t.Errorf("said %q", stderr)
	}
}
