package awsiam_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/awsiam"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/fleet"
	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
	"github.com/convstream/convstream/producer/authority"
)

const account, token, brokerAddr, serviceAddr = "65269fe0dd9c622245c10000", "a.to.ken", "localhost:9098", "127.0.0.1:8181"

var topics = verify.Topics{Topics: encoder.Topics{Prefix: "conversations."}}

// broker takes the logins of the credentials that it is told of last.
type broker interface {
	Knows(key, secret, token string)
	Last() string
}

// world is a worker that logs in with AWS credentials to a broker that verifies them.
type world struct {
	t       *testing.T
	network lan.Network
	broker
	trusts  *tls.Config // what the brokers' certificate is of
	journal verify.Journal
	log     buffer
	ended   chan error
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// start starts all but the worker. Sessions of the broker end after a while.
func start(t *testing.T, session time.Duration) (w *world, env map[string]string) {
	t.Helper()
	w = &world{t: t, ended: make(chan error, 1)}
	ca, err := authority.New("the authority")
	w.must(err)
	pair, err := ca.Issue(24*time.Hour, "localhost")
	w.must(err)
	own, err := pair.TLS()
	w.must(err)
	trusted := filepath.Join(t.TempDir(), "ca.crt")
	w.must(os.WriteFile(trusted, ca.PEM, 0o600))
	w.trusts = &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}
	b := awsiam.NewIAMBroker(t, kfake.Ports(9098), kfake.ListenFn(w.network.Listen), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{own}}))
	b.Host, b.Life, w.broker = "localhost", session, b
	service, err := simulator.New(simulator.Config{
		Seed: 1, AccountID: account, JWT: token, History: time.Minute, PerMinute: 60, Observe: w.journal.Observe,
	})
	w.must(err)
	l, err := w.network.Listen("tcp", serviceAddr)
	w.must(err)
	server := &http.Server{Handler: service}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return w, map[string]string{
		"SMARTASSIST_URL": "http://" + serviceAddr, "SMARTASSIST_ACCOUNT_ID": account, "SMARTASSIST_JWT": token, "SMARTASSIST_REQUESTS_PER_MINUTE": "120",
		"KAFKA_BROKERS": brokerAddr, "KAFKA_TLS": "on", "KAFKA_TLS_CA_FILE": trusted, "KAFKA_SASL_MECHANISM": awsiam.Mechanism, "KAFKA_AWS_REGION": awsiam.Region,
		"KAFKA_COMPRESSION": "snappy", "START_FROM": "1m", "POLL_INTERVAL": "1s", "SETTLE": "2s", "REREAD": "20s:5s,1h:20s",
	}
}

// run runs the worker until the test has gone through it, and then holds the topics against what the service returned.
func (w *world) run(env map[string]string, test func()) {
	w.t.Helper()
	process, accounts, err := config.LoadAll(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	w.must(err)
	f, err := fleet.New(fleet.Config{
		Process: process, Accounts: accounts, Log: zerolog.New(&w.log), Name: "worker", Network: worker.Network{Dial: w.network.DialContext, Listen: w.network.Listen},
	})
	w.must(err)
	ctx, drain := context.WithCancel(context.Background())
	stop := sync.OnceValue(func() error { drain(); return <-w.ended })
	defer func() { _ = stop() }() // of a test that failed
	go func() { w.ended <- f.Run(ctx) }()
	w.awaitCommits(2)
	test()
	w.awaitCommits(2)
	if err := stop(); err != nil {
		w.t.Errorf("the worker ended: %v\n%s", err, &w.log)
	}
	records, err := w.read(topics.Published()...)
	w.must(err)
	r := verify.Check(records, topics, &w.journal)
	for _, p := range r.Problems {
		w.t.Error(p)
	}
	if w.t.Logf("%d revisions in %d commits: lost %d, twice %d", r.Revisions, r.Commits, r.Lost, r.Twice); r.Revisions == 0 {
		w.t.Error("nothing was published")
	}
}

// read returns what is committed, past the logins: the broker asks for none of who does not offer one.
func (w *world) read(topics ...string) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return verify.Consume(ctx, []string{brokerAddr}, func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := w.network.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, w.trusts.Clone()), nil
	}, topics)
}

// await waits until something is so, for as long as a renewal takes on a busy machine.
func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); !is(); <-tick.C {
		if time.Since(began) > time.Minute {
			w.t.Fatalf("%s: not within a minute\n%s", what, &w.log)
		}
	}
}

func (w *world) commits() int {
	records, err := w.read(topics.Progress())
	if err != nil {
		return 0 // the worker may still have to create the topic
	}
	return len(records)
}

func (w *world) awaitCommits(more int) {
	w.t.Helper()
	want := w.commits() + more
	w.await(fmt.Sprintf("commit %d", want), func() bool { return w.commits() >= want })
}

const renewed = "certificate, password or token changed; connections are made anew"

// TestAProfileChanges: the file has other credentials, and the broker takes no others at new connections from then on. In virtual time.
func TestAProfileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	awsiam.Alone(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file})
	synctest.Test(t, func(t *testing.T) {
		w, env := start(t, 15*time.Second)
		rotate := func(n int) (key string) {
			key = fmt.Sprintf("AKIAIOSFODNN7EXAMP%02d", n)
			secret := fmt.Sprintf("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE%02d", n)
			w.must(os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secret), 0o600))
			w.Knows(key, secret, "")
			return key
		}
		rotate(0)
		w.run(env, func() {
			for n := 1; n <= 3; n++ {
				key := rotate(n)
				w.await("a login with "+key, func() bool { return w.Last() == key })
				w.await("renewal", func() bool { return strings.Count(w.log.String(), renewed) >= n })
				w.awaitCommits(2)
			}
		})
	})
}

// TestAContainersCredentialsExpire: the endpoint of a container (ECS, EKS Pod Identity) has others every few seconds, and the broker takes
// only the last. In real time, as the SDK asks it over a socket.
func TestAContainersCredentialsExpire(t *testing.T) {
	w, env := start(t, 0)
	var mu sync.Mutex
	n, end := 0, time.Time{}
	endpoint := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().After(end) {
			n, end = n+1, time.Now().Add(7*time.Second)
			w.Knows(fmt.Sprint("ASIA", n), fmt.Sprint("secret-", n), fmt.Sprint("session-", n))
		}
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"AccessKeyId":"ASIA%d","SecretAccessKey":"secret-%[1]d","Token":"session-%[1]d","Expiration":"%s"}`, n, end.Add(awsiam.Ahead).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(endpoint.Close)
	awsiam.Alone(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.URL})
	w.run(env, func() {
		first := w.Last()
		w.await("renewal", func() bool { return strings.Contains(w.log.String(), renewed) && w.Last() != first })
	})
}
