package fleet

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

const (
	accountID   = "65269fe0dd9c622245c10000"
	serviceAddr = "127.0.0.1:8181"
	kafkaAddr   = "127.0.0.1:9092"
	adminAddr   = "127.0.0.1:8080"
)

// world is a simulated service, a broker and a worker on a virtual network, in virtual time.
type world struct {
	t       *testing.T
	network *lan.Network
	cluster *kfake.Cluster
	service *simulator.Service
	journal verify.Journal
	env     map[string]string
	log     lockedBuffer
	fleet   *Fleet         // started last
	worker  *worker.Worker // of its account
	stops   []func() error
	ended   <-chan struct{}  // closed when the worker started last has ended
	wire    *wire            // the workers' way to the service and the brokers
	now     func() time.Time // the clock of workers that are started from now on; nil: ours
	decoder *encoder.Decoder // of what is in the topics; nil: without a registry
	trace   bool             // the log is that of LOG_LEVEL=trace, not of info
}

// inWorld runs the test in a bubble of virtual time with a world of its own.
func inWorld(t *testing.T, c simulator.Config, env map[string]string, test func(*world)) {
	inWorldOf(t, 1, c, env, test)
}

// inWorldOf is inWorld with so many brokers, on the ports from 9092 on, which are as more says.
func inWorldOf(t *testing.T, brokers int, c simulator.Config, env map[string]string, test func(*world), more ...kfake.Opt) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, network: &lan.Network{}, env: map[string]string{
			"SMARTASSIST_URL": "http://" + serviceAddr, "SMARTASSIST_ACCOUNT_ID": accountID, "SMARTASSIST_JWT": "a.to.ken",
			"KAFKA_BROKERS": kafkaAddr, "ADMIN_ADDR": adminAddr,
			"REREAD_SPARE":      "false",  // which would make ten times as many requests; the random worlds draw it
			"KAFKA_COMPRESSION": "snappy", // the cheapest; zstd's codecs hold channels and are pooled across bubbles
		}}
		maps.Copy(w.env, env)
		w.wire = newWire(w.network.DialContext)
		c.AccountID, c.JWT = accountID, "a.to.ken"
		if !c.Forgetful {
			c.Observe = w.journal.Observe
		}
		if c.Seed == 0 {
			c.Seed = 1
		}
		t.Logf("seed %d", c.Seed)
		var err error
		if w.service, err = simulator.New(c); err != nil {
			t.Fatal(err)
		}
		defer w.serve()()
		ports := make([]int, brokers)
		for i := range ports {
			ports[i] = 9092 + i
		}
		options := append([]kfake.Opt{kfake.NumBrokers(brokers), kfake.Ports(ports...), kfake.ListenFn(w.network.Listen)}, more...)
		if w.cluster, err = kfake.NewCluster(options...); err != nil {
			t.Fatal(err)
		}
		defer w.cluster.Close()
		defer w.stopAll()
		test(w)
	})
}

// stopAll ends the workers that a failed test left, or the bubble could not end.
func (w *world) stopAll() {
	w.wire.Cut("")
	for _, stop := range w.stops {
		_ = stop()
	}
}

func (w *world) serve() (stop func()) {
	l, err := w.network.Listen("tcp", serviceAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &http.Server{Handler: w.service}
	go func() { _ = s.Serve(l) }()
	return func() { _ = s.Close() }
}

func (w *world) config() *config.Config {
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := w.env[name]; return v, ok }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tokens := range []*config.OAuth{cfg.Kafka.OAuth, cfg.Registry.OAuth} {
		tokens.Dial = w.network.DialContext
	}
	return cfg
}

// settings are those of a process of one account.
func (w *world) settings(log zerolog.Logger) Config {
	cfg := w.config()
	return Config{
		Process: &cfg.Process, Accounts: []config.AccountFile{{Config: cfg}}, Log: log, Name: fmt.Sprint("worker ", len(w.stops)+1),
		Network: worker.Network{Dial: w.wire.DialContext, Listen: w.network.Listen, Now: w.now},
	}
}

// gauge is the value of a metric of the process started last.
func (w *world) gauge(name string) float64 {
	w.t.Helper()
	families, err := w.fleet.gather()
	w.must(err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	w.t.Fatalf("no metric %s", name)
	return 0
}

// start starts a process; stop drains it and gives what Run returned.
func (w *world) start() (stop func() error) {
	level := zerolog.InfoLevel
	if w.trace {
		level = zerolog.TraceLevel
	}
	log := zerolog.New(&w.log).Level(level).With().Timestamp().Logger()
	f, err := New(w.settings(log))
	if err != nil {
		w.t.Fatal(err)
	}
	w.fleet, w.worker = f, f.Worker(accountID)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); err = f.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); <-ended; return err })
	w.ended = ended
	w.stops = append(w.stops, stop)
	return stop
}

// run lets a worker work for so long and drains it.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	stop := w.start()
	time.Sleep(d) // virtual
	if err := stop(); err != nil {
		w.t.Fatalf("worker: %v\n%s", err, w.log.tail())
	}
}

// verify holds the topics against the journal; the test fails over every problem.
func (w *world) verify(more ...func(*verify.Report)) *verify.Report {
	w.t.Helper()
	r, err := w.report()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range more {
		f(r)
	}
	if n := w.log.count("0001-01-01"); n > 0 {
		w.t.Errorf("%d lines of the log hold a time that is none", n)
	}
	for i, p := range r.Problems {
		if i == 10 {
			w.t.Errorf("and %d more", len(r.Problems)+r.More-10)
			break
		}
		w.t.Error(p)
	}
	return r
}

// report holds the topics against the journal.
func (w *world) report() (*verify.Report, error) {
	topics := verify.Topics{Topics: encoder.Topics{Prefix: "conversations."}, Decoder: w.decoder}
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, w.network.DialContext, topics.Published())
	if err != nil {
		return nil, err
	}
	return verify.Check(records, topics, &w.journal), nil
}

// get asks the admin port.
func (w *world) get(path string) (status int, body string) { return w.getFrom(adminAddr, path) }

// getFrom asks one of several admin ports.
func (w *world) getFrom(addr, path string) (status int, body string) {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: w.network.DialContext, DisableKeepAlives: true}, Timeout: time.Minute}
	res, err := client.Get("http://" + addr + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, b.String()
}

// lockedBuffer is a log that tests read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail is the end of the log.
func (l *lockedBuffer) tail() string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// count is how many lines of the log hold the text.
func (l *lockedBuffer) count(text string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func describe(r *verify.Report) string {
	return fmt.Sprintf("%d conversations, %d revisions, %d dead letters, %d commits, %d late, complete %v to %v",
		r.Conversations, r.Revisions, r.DeadLetters, r.Commits, r.Late, r.CompleteFrom, r.CompleteThrough)
}
