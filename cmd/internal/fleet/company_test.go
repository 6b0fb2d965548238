package fleet

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/convstream/convstream/cmd/internal/admin"
	"github.com/convstream/convstream/cmd/internal/config"
	"github.com/convstream/convstream/cmd/internal/proof/lan"
	"github.com/convstream/convstream/cmd/internal/proof/verify"
	"github.com/convstream/convstream/cmd/internal/worker"
	"github.com/convstream/convstream/encoder"
	"github.com/convstream/convstream/poller/simulator"
)

// tenant is an account of a company: a service of its own, and what it returned.
type tenant struct {
	id      string
	addr    string
	service *simulator.Service
	journal verify.Journal
	env     map[string]string // what its file says beside the URL and the login
	digest  int               // of the file
	wrong   error             // what is wrong with the file; nil: nothing
}

// company is many accounts, brokers, and replicas that share the accounts, on a virtual network and in virtual time.
type company struct {
	t        *testing.T
	network  *lan.Network
	cluster  *kfake.Cluster
	tenants  []*tenant
	settings map[string]string // of every process
	log      lockedBuffer
	started  int

	mu     sync.Mutex
	files  []*tenant                                       // that ACCOUNTS_DIR holds a file of
	folder func([]config.AccountFile) []config.AccountFile // changes what all read; nil: as it is
	reads  func(*config.AccountFile)                       // changes what replicas that are started from now on read; nil: as it is
}

// member is a process that works on accounts of a company.
type member struct {
	*Fleet
	wire *wire
	stop func() error
}

// inCompany runs the test in a bubble with so many accounts, all of which have a file.
func inCompany(t *testing.T, accounts int, c simulator.Config, test func(*company)) {
	synctest.Test(t, func(t *testing.T) {
		co := &company{t: t, network: &lan.Network{}, settings: map[string]string{
			"KAFKA_BROKERS": kafkaAddr, "REREAD_SPARE": "false", "KAFKA_COMPRESSION": "snappy", "START_FROM": "30m",
		}}
		t.Logf("seed %d", c.Seed)
		for i := range accounts {
			c := c
			c.Seed += uint64(i) << 20
			defer co.tenant(i, c)()
		}
		co.files = slices.Clone(co.tenants)
		var err error
		if co.cluster, err = kfake.NewCluster(kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094), kfake.ListenFn(co.network.Listen)); err != nil {
			t.Fatal(err)
		}
		defer co.cluster.Close()
		test(co)
	})
}

// tenant adds an account; stop ends its service.
func (c *company) tenant(i int, s simulator.Config) (stop func()) {
	n := &tenant{id: fmt.Sprintf("account-%02d", i), addr: fmt.Sprintf("127.0.0.1:%d", 7000+i), env: map[string]string{}}
	s.AccountID, s.JWT, s.Observe = n.id, "a.to.ken", n.journal.Observe
	var err error
	if n.service, err = simulator.New(s); err != nil {
		c.t.Fatal(err)
	}
	l, err := c.network.Listen("tcp", n.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{Handler: n.service}
	go func() { _ = server.Serve(l) }()
	c.tenants = append(c.tenants, n)
	return func() { _ = server.Close() }
}

// read is what config would read from the folder.
func (c *company) read() ([]config.AccountFile, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []config.AccountFile
	for _, n := range c.files {
		out = append(out, c.file(n))
	}
	if c.folder != nil {
		out = c.folder(out)
	}
	return out, nil
}

func (c *company) file(n *tenant) config.AccountFile {
	f := config.AccountFile{Name: n.id, Err: n.wrong, Digest: fmt.Sprint(n.digest, n.wrong)}
	if n.wrong != nil {
		return f
	}
	f.Config = c.load(c.env(n))
	return f
}

// env is the environment as it is for an account.
func (c *company) env(n *tenant) map[string]string {
	env := maps.Clone(c.settings)
	maps.Copy(env, map[string]string{"SMARTASSIST_URL": "http://" + n.addr, "SMARTASSIST_ACCOUNT_ID": n.id, "SMARTASSIST_JWT": "a.to.ken"})
	maps.Copy(env, n.env)
	return env
}

func (c *company) load(env map[string]string) *config.Config {
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, nil)
	if err != nil {
		c.t.Error(err)
	}
	cfg.AccountsDir = "/accounts"
	return cfg
}

func (c *company) tenantOf(id string) *tenant {
	return c.tenants[slices.IndexFunc(c.tenants, func(n *tenant) bool { return n.id == id })]
}

// stopAll drains the replicas.
func (c *company) stopAll(members ...*member) {
	c.t.Helper()
	for _, m := range members {
		if err := m.stop(); err != nil {
			c.t.Errorf("%s: %v", m.Name, err)
		}
	}
}

// partitionOf is where the state of an account lies.
func partitionOf(account string) int {
	var ids []int
	for i := range 16 {
		ids = append(ids, i)
	}
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(account)}, ids...)
}

// ask asks an admin port from loopback.
func ask(h http.Handler, method, path, body string) string {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4711"
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Body.String()
}

// change changes the files.
func (c *company) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// start starts a replica.
func (c *company) start() *member {
	c.t.Helper()
	read, change := c.read, c.reads
	if change != nil {
		read = func() ([]config.AccountFile, error) {
			files, err := c.read()
			for i := range files {
				change(&files[i])
			}
			return files, err
		}
	}
	files, _ := read()
	files = slices.DeleteFunc(files, func(f config.AccountFile) bool { return f.Err != nil }) // at a start, config names what is wrong
	process := c.file(&tenant{id: "any", addr: "127.0.0.1:1"}).Config.Process
	c.started++
	process.AdminAddr = fmt.Sprintf("127.0.0.1:%d", 8080+c.started)
	m := &member{wire: newWire(c.network.DialContext)}
	var err error
	if m.Fleet, err = New(Config{
		Process: &process, Accounts: files, Reload: read, Log: zerolog.New(&c.log).With().Timestamp().Str("replica", fmt.Sprint("replica ", c.started)).Logger(),
		Name: fmt.Sprint("replica ", c.started), Network: worker.Network{Dial: m.wire.DialContext, Listen: c.network.Listen},
	}); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); err = m.Run(ctx) }()
	m.stop = sync.OnceValue(func() error { cancel(); <-ended; return err })
	c.t.Cleanup(func() { _ = m.stop() })
	return m
}

// kill ends a replica of which nobody hears any more.
func (m *member) kill() {
	m.wire.Cut("")
	go func() { _ = m.stop() }()
}

// works returns the ids of the accounts that the replica works on, in order.
func (m *member) works() (ids []string) {
	for _, a := range m.list() {
		if a.worker.Load().Role() == admin.Active {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// spread waits until every account is worked on by one of the replicas, and they have equally many but for one; it returns
// how long that took.
func (c *company) spread(most time.Duration, members ...*member) time.Duration {
	c.t.Helper()
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		var counts []int
		held := map[string]int{}
		for _, m := range members {
			ids := m.works()
			counts = append(counts, len(ids))
			for _, id := range ids {
				held[id]++
			}
		}
		for id, n := range held {
			if n > 1 {
				c.t.Fatalf("%d replicas work on %s", n, id)
			}
		}
		if len(held) == len(c.files) && slices.Max(counts)-slices.Min(counts) <= 1 {
			return time.Since(begun)
		}
		if time.Since(begun) > most {
			c.t.Fatalf("after %v the replicas work on %v accounts\n%s", most, counts, c.log.tail())
		}
	}
}

// verify holds the topics against what each service returned.
func (c *company) verify() {
	c.t.Helper()
	topics := verify.Topics{Topics: encoder.Topics{Prefix: "conversations."}}
	records, err := verify.Consume(context.Background(), []string{kafkaAddr}, c.network.DialContext, topics.Published())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range c.tenants {
		var own []*kgo.Record
		for _, r := range records {
			if slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "ce_source" && string(h.Value) == "/smartassist/"+n.id }) {
				own = append(own, r)
			}
		}
		r := verify.Check(own, topics, &n.journal)
		r.CheckComplete(n.service, 2*time.Minute)
		for _, p := range r.Problems {
			c.t.Errorf("%s: %v", n.id, p)
		}
		if most := n.service.MaxPerMinute(); most > 30 {
			c.t.Errorf("%s: %d requests in a minute, the budget is 30", n.id, most)
		}
		if r.Revisions == 0 {
			c.t.Errorf("%s: nothing was published", n.id)
		}
	}
}
