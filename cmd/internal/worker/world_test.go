package worker

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

const (
	account     = "65269fe0dd9c622245c10000"
	serviceAddr = "127.0.0.1:8181"
	kafkaAddr   = "127.0.0.1:9092"
)

var topicNames = encoder.Topics{Prefix: "conversations."}

// seeds is how many random worlds the randomised tests go through; one seed alone is -first=N -seeds=1.
var (
	seeds     = flag.Int("seeds", 2, "random worlds per randomised test")
	firstSeed = flag.Uint64("first", 1, "the first seed")
)

// forSeeds runs a randomised test for each seed, each of which names its subtest.
func forSeeds(t *testing.T, test func(t *testing.T, seed uint64)) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		t.Run(fmt.Sprint("first=", seed), func(t *testing.T) {
			t.Parallel()
			test(t, seed)
		})
	}
}

// world is a simulated service and a broker on a virtual network, in virtual time. Whole processes live in those of package fleet;
// this one is for tests that make a worker's sessions themselves.
type world struct {
	t       *testing.T
	network lan.Network
	cluster *kfake.Cluster
	journal verify.Journal
	env     map[string]string
	closes  []func()
}

// inWorld runs the test in a bubble of virtual time with a world of its own.
func inWorld(t *testing.T, c simulator.Config, env map[string]string, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, env: map[string]string{
			"SMARTASSIST_URL": "http://" + serviceAddr, "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": "a.to.ken", "KAFKA_BROKERS": kafkaAddr,
			"LEASE": "off", "REREAD_SPARE": "false",
			"KAFKA_COMPRESSION": "snappy", // zstd's codecs hold channels and are pooled across bubbles
		}}
		maps.Copy(w.env, env)
		c.AccountID, c.JWT, c.Observe = account, "a.to.ken", w.journal.Observe
		service, err := simulator.New(c)
		w.must(err)
		l, err := w.network.Listen("tcp", serviceAddr)
		w.must(err)
		server := &http.Server{Handler: service}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		w.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.network.Listen))
		w.must(err)
		defer w.cluster.Close()
		defer func() {
			for _, closes := range w.closes {
				closes()
			}
		}()
		test(w)
	})
}

// worker makes a worker that nobody runs, with a wire of its own.
func (w *world) worker() (*Worker, *lan.Wire) {
	w.t.Helper()
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := w.env[name]; return v, ok }, nil)
	w.must(err)
	wire := lan.NewWire(w.network.DialContext, serviceAddr)
	made, err := New(cfg, zerolog.New(logLines{w.t}).Level(zerolog.InfoLevel), Host{Network: Network{Dial: wire.DialContext, Listen: w.network.Listen}}, nil)
	w.must(err)
	w.closes = append(w.closes, func() {
		wire.Cut("")
		made.producer.Close()
		made.client.Close()
	})
	return made, wire
}

// logLines is a log that is shown where the test fails.
type logLines struct{ t *testing.T }

// Write implements io.Writer.
func (l logLines) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	if bytes.Contains(line, []byte("0001-01-01")) {
		l.t.Error("a line of the log holds the zero time")
	}
	return len(line), nil
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// consume returns what a consumer reads in topics with read_committed.
func (w *world) consume(topics ...string) []*kgo.Record {
	w.t.Helper()
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, w.network.DialContext, topics)
	w.must(err)
	return records
}

// produce writes records as they are, without a transaction.
func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(kafkaAddr), kgo.Dialer(w.network.DialContext), kgo.ProducerBatchCompression(kgo.NoCompression()))
	w.must(err)
	defer c.Close()
	for _, r := range records {
		w.must(c.ProduceSync(context.Background(), &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}).FirstErr())
	}
}

// verify holds the topics against the journal; the test fails over every problem.
func (w *world) verify() {
	w.t.Helper()
	topics := verify.Topics{Topics: topicNames}
	r := verify.Check(w.consume(topics.Published()...), topics, &w.journal)
	for _, p := range r.Problems {
		w.t.Error(p)
	}
	if r.More > 0 {
		w.t.Errorf("and %d more", r.More)
	}
}
