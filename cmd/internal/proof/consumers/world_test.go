package consumers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/schemas/registry"
)

const (
	account    = "65269fe0dd9c622245c1xxxx"
	token      = "a.to.ken"
	partitions = 3
	settle     = 3 * time.Second
	deadline   = 90 * time.Second // for what takes seconds on a machine that is not busy
)

// world is a simulated service and a worker that publishes what it says.
type world struct {
	t       *testing.T
	s       *services
	prefix  string
	header  int // bytes before the Avro of a value
	service *simulator.Service
	journal verify.Journal
	topics  verify.Topics
	env     []string // of the worker

	mu     sync.Mutex
	served map[content]json.RawMessage // what left the service, as it left it
}

// content is a row in one of its states.
type content struct {
	key  simulator.Key
	hash uint64
}

func newWorld(t *testing.T, s *services, seed uint64, prefix string, withRegistry bool) *world {
	t.Helper()
	w := &world{t: t, s: s, prefix: prefix, header: 10, served: map[content]json.RawMessage{}}
	var err error
	w.service, err = simulator.New(simulator.Config{
		Seed: seed, AccountID: account, JWT: token, Observe: w.journal.Observe, History: 5 * time.Minute, PerMinute: 60,
		LateBy: time.Second, SurveyBy: 10 * time.Second, Faults: simulator.Faults{Poison: 0.02, PoisonKinds: []simulator.Poison{
			simulator.NotAnObject, simulator.NoIdentity, simulator.InvalidUTF8, simulator.Nulls, simulator.WrongTypes,
		}}, // not BrokenForEver: serve could not take such a page apart
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(server.Close)
	w.topics.Prefix = prefix
	w.env = []string{
		"SMARTASSIST_URL=" + server.URL, "SMARTASSIST_ACCOUNT_ID=" + account, "SMARTASSIST_JWT=" + token, "START_FROM=6m",
		"SMARTASSIST_REQUESTS_PER_MINUTE=60", "KAFKA_BROKERS=" + s.brokers(), "TOPIC_PREFIX=" + prefix, "ADMIN_ADDR=127.0.0.1:0", "LEASE=off",
		fmt.Sprintf("TOPIC_PARTITIONS=%d", partitions), "POLL_INTERVAL=4s", "SETTLE=" + settle.String(), "REREAD=15m:10s",
	}
	if withRegistry {
		w.header = 5
		w.env = append(w.env, "SCHEMA_REGISTRY_URL="+s.registry.URL)
		client, err := registry.Open(registry.Config{URL: s.registry.URL})
		if err != nil {
			t.Fatal(err)
		}
		w.topics.Decoder = encoder.NewDecoder(client.Text)
	}
	return w
}

// recorder keeps a copy of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) { r.status = status; r.ResponseWriter.WriteHeader(status) }

func (r *recorder) Write(b []byte) (int, error) { r.body.Write(b); return r.ResponseWriter.Write(b) }

// serve lets the service answer, and remembers each row that it sends.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: rw, status: http.StatusOK}
	w.service.ServeHTTP(rec, r)
	var page struct{ Data []json.RawMessage }
	if rec.status != http.StatusOK || json.Unmarshal(rec.body.Bytes(), &page) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range page.Data {
		if key, dead := simulator.KeyOf(row); !dead {
			w.served[content{key, simulator.ContentHash(row)}] = row
		}
	}
}

func (w *world) startWorker() *process {
	w.t.Helper()
	return start(w.t, program{args: []string{w.s.worker}, env: w.env})
}

// last is the newest commit; nothing before the first.
func (w *world) last(ctx context.Context) (encoder.Progress, error) {
	records, err := verify.Consume(ctx, w.s.kafka.Brokers(), nil, []string{w.topics.Progress()})
	if err != nil || len(records) == 0 {
		return encoder.Progress{}, err // the worker may still have to create the topic
	}
	p, err := w.decoder().Progress(ctx, records[len(records)-1].Value)
	if err != nil {
		return encoder.Progress{}, err
	}
	return *p, nil
}

func (w *world) decoder() *encoder.Decoder {
	if w.topics.Decoder != nil {
		return w.topics.Decoder
	}
	return encoder.NewDecoder(nil)
}

// awaitComplete waits until everything before the instant is there.
func (w *world) awaitComplete(through time.Time) {
	w.t.Helper()
	within(w.t, deadline, w.prefix+" complete through "+through.String(), func(ctx context.Context) error {
		last, err := w.last(ctx)
		if err == nil && last.CompleteThrough.Before(through) {
			err = fmt.Errorf("complete through %v", last.CompleteThrough)
		}
		return err
	})
}

// settleDown ends all change in the service, and waits until the worker has read and committed the newest of everything.
func (w *world) settleDown() (records []*kgo.Record) {
	w.t.Helper()
	frozen := time.Now()
	w.service.Freeze(frozen)
	w.awaitComplete(frozen)
	within(w.t, deadline, w.prefix+" holds the newest of everything", func(ctx context.Context) (err error) {
		if records, err = verify.Consume(ctx, w.s.kafka.Brokers(), nil, w.topics.Published()); err != nil {
			return err
		}
		report := verify.Check(records, w.topics, &w.journal)
		report.CheckNewest(w.service, report.CompleteFrom, frozen)
		if len(report.Problems) > 0 {
			return fmt.Errorf("%d problems, the first: %s", len(report.Problems), report.Problems[0])
		}
		w.t.Logf("%s %d conversations in %d revisions, %d dead letters, %d commits: lost %d, twice %d; still after %v", w.prefix,
			report.Conversations, report.Revisions, report.DeadLetters, report.Commits, report.Lost, report.Twice, time.Since(frozen).Round(time.Second))
		return nil
	})
	return records
}
