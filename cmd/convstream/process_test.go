package main

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/convstream/convstream/cmd/internal/proof/child"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// These tests run convstream as users do: the built binary as a process of its own, real sockets, real time. What can be
// said about the worker in virtual time is tested in cmd/internal/worker.

var binary string

func TestMain(m *testing.M) { os.Exit(testBinary(m)) }

func testBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "convstream")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	defer stopKafka()
	kafkaDir = filepath.Join(dir, "kafka")
	binary = filepath.Join(dir, "convstream")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v1.2.3 -X main.commit=0a1b2c3", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// output is what a process has written so far.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // closed with the next Write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) read() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String(), o.changed
}

func (o *output) String() string { s, _ := o.read(); return s }

// process is a running convstream.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *output
	ended          <-chan struct{}
}

// patient is how long a test waits for what should take a moment: the machine may be busy.
const patient = 40 * time.Second

// start runs convstream with this environment and no other. It does not outlive the test.
func start(t *testing.T, env map[string]string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), stdout: newOutput(), stderr: newOutput()}
	p.cmd.Env = []string{}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	var err error
	if p.ended, err = child.Start(p.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if text := p.stderr.String(); t.Failed() {
			t.Logf("process %d said last\n%s", p.cmd.Process.Pid, text[max(0, len(text)-3000):])
		}
	})
	return p
}

// kill ends the process as a crash does; it may be called from anywhere.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and gives the exit code; -1 is a signal's.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patient):
		p.t.Fatalf("did not end\n%s", p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// await waits until the output holds the text.
func (p *process) await(o *output, text string) {
	p.t.Helper()
	deadline := time.After(patient)
	for {
		have, changed := o.read()
		if strings.Contains(have, text) {
			return
		}
		select {
		case <-changed:
		case <-p.ended:
			if !strings.Contains(o.String(), text) {
				p.t.Fatalf("ended without saying %q\n%s%s", text, p.stdout, p.stderr)
			}
			return
		case <-deadline:
			p.t.Fatalf("did not say %q\n%s%s", text, p.stdout, p.stderr)
		}
	}
}

// convstream runs a command to its end.
func convstream(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, env, args...)
	code = p.exit()
	return code, p.stdout.String(), p.stderr.String()
}

const (
	account = "65269fe0dd9c622245c1xxxx"
	token   = "a.to.ken"
)

// world is a simulated service and a broker, both on loopback sockets of this process.
type world struct {
	t       *testing.T
	service *simulator.Service
	journal verify.Journal
	cluster *kfake.Cluster    // nil where the brokers are others
	brokers []string          // as the judge reaches them
	env     map[string]string // of the workers
	topics  verify.Topics
}

func newWorld(t *testing.T, c simulator.Config, env map[string]string) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := newWorldOn(t, cluster.ListenAddrs(), "conversations.", c, env)
	w.cluster = cluster
	return w
}

// newWorldOn is a world on these brokers, with topics of its own.
func newWorldOn(t *testing.T, brokers []string, prefix string, c simulator.Config, env map[string]string) *world {
	t.Helper()
	w := &world{t: t, brokers: brokers, topics: verify.Topics{Topics: encoder.Topics{Prefix: prefix}}}
	c.AccountID, c.JWT, c.Observe = account, token, w.journal.Observe
	t.Logf("seed of the world %d", c.Seed)
	var err error
	if w.service, err = simulator.New(c); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.service)
	t.Cleanup(server.Close)
	w.env = map[string]string{
		"SMARTASSIST_URL": server.URL, "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": token,
		"SMARTASSIST_REQUESTS_PER_MINUTE": "60", "KAFKA_BROKERS": strings.Join(brokers, ","), "TOPIC_PREFIX": prefix, "ADMIN_ADDR": "127.0.0.1:0",
		"TOPIC_PARTITIONS": "3", "POLL_INTERVAL": "3s", "SETTLE": "3s", "REREAD": "20s:5s,1h:20s",
	}
	maps.Copy(w.env, env)
	return w
}

// drain ends a worker as an orchestrator does.
func (w *world) drain(p *process) {
	w.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitDone {
		w.t.Fatalf("exit %d after SIGTERM\n%s", code, p.stderr)
	}
	if !strings.Contains(p.stderr.String(), `"drained"`) {
		w.t.Errorf("did not say that it drained\n%s", p.stderr)
	}
}

// report holds the topics against what the service served.
func (w *world) report() *verify.Report {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patient)
	defer cancel()
	records, err := verify.Consume(ctx, w.brokers, nil, w.topics.Published())
	if err != nil {
		w.t.Fatal(err)
	}
	return verify.Check(records, w.topics, &w.journal)
}

// last is the newest commit that a read_committed consumer sees; number 0 before the first.
func (w *world) last() encoder.Progress {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patient)
	defer cancel()
	records, err := verify.Consume(ctx, w.brokers, nil, []string{w.topics.Progress()})
	if err != nil || len(records) == 0 {
		return encoder.Progress{} // the worker may still have to create the topic
	}
	progress, err := encoder.DecodeProgress(records[len(records)-1].Value)
	if err != nil {
		w.t.Fatal(err)
	}
	return *progress
}

// await waits until the newest commit is as wanted.
func (w *world) await(what string, is func(encoder.Progress) bool) {
	w.t.Helper()
	deadline, tick := time.Now().Add(3*patient), time.NewTicker(300*time.Millisecond)
	defer tick.Stop()
	for last := w.last(); !is(last); last = w.last() {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %v; the newest commit is %+v", what, 3*patient, last)
		}
		<-tick.C
	}
}

// awaitComplete waits until a commit says that everything before the instant is there.
func (w *world) awaitComplete(through time.Time) {
	w.t.Helper()
	w.await("complete through "+through.String(), func(last encoder.Progress) bool { return !last.CompleteThrough.Before(through) })
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// complain makes an error of every problem of a report.
func complain(t *testing.T, r *verify.Report) {
	t.Helper()
	for _, p := range r.Problems {
		t.Error(p)
	}
	if r.More > 0 {
		t.Errorf("and %d more", r.More)
	}
}
